#!/usr/bin/env bash
# The default of an edge attribute in GraphML is not given to the edges when networkx reads the file.
# The file declares a weight with the default 0.25, and has one edge that does not repeat it. Seen:
# igraph 1.0.0 says 0.25; networkx 3.6.1 puts the default aside in graph["edge_default"], and its
# matrix says 1.0. Exits with 0 while that is so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m pip install --quiet --disable-pip-version-check --target "$folder" \
  networkx==3.6.1 numpy==2.4.6 igraph==1.0.0
cd "$folder"
cat > small.graphml <<'GRAPHML'
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key id="w" for="edge" attr.name="weight" attr.type="double"><default>0.25</default></key>
  <graph edgedefault="directed"><node id="a"/><node id="b"/><edge source="a" target="b"/></graph>
</graphml>
GRAPHML
PYTHONPATH=$folder "${PYTHON:-python3}" -W ignore - <<'PYTHON'
import igraph
import networkx

graph = networkx.read_graphml("small.graphml")
theirs = igraph.Graph.Read_GraphML("small.graphml").es["weight"]
matrix = networkx.to_numpy_array(graph).tolist()
print("networkx", networkx.__version__, "igraph", igraph.__version__)
print("weights of igraph:", theirs)
print("matrix of networkx:", matrix, "edges:", list(graph.edges(data=True)), graph.graph)
raise SystemExit(theirs != [0.25] or matrix != [[0.0, 1.0], [0.0, 0.0]])
PYTHON
