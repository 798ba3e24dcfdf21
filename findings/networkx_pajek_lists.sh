#!/usr/bin/env bash
# networkx reads three ordinary kinds of Pajek files as other graphs. Guess: lines below *Arcs are
# directed and lines below *Edges are not, in one file as in two, and a list of neighbours below
# *Arcslist is one arc for each; or an error says that this is not read. Seen with networkx 3.6.1 and
# igraph 1.0.0: of a partly directed graph, a -> b and c - d, the part that stands first decides, both
# are arcs or both are edges (igraph: both of the part that stands last); of "1 2 3" below *Arcslist,
# a -> b and a -> c, one arc a -> b of weight 3 is left (igraph has both); of two relations,
# '*Arcs :2 "less"' becomes an arc from a node "*Arcs" to a node ":2". Exits with 0 while so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  networkx==3.6.1 igraph==1.0.0 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" -W error - <<'PYTHON'
from pathlib import Path

import igraph
import networkx

print("networkx", networkx.__version__, "igraph", igraph.__version__)
nodes = '*Vertices 4\n1 "a"\n2 "b"\n3 "c"\n4 "d"\n'
files = {
    "arcs first": "*Arcs\n1 2 1\n*Edges\n3 4 1\n",
    "edges first": "*Edges\n3 4 1\n*Arcs\n1 2 1\n",
    "list": "*Arcslist\n1 2 3\n",
    "relations": '*Arcs :1 "more"\n1 2 1\n*Arcs :2 "less"\n2 3 1\n',
}
wanted = {
    "arcs first": (True, [("a", "b", 1.0), ("c", "d", 1.0)], False),
    "edges first": (False, [("a", "b", 1.0), ("c", "d", 1.0)], True),
    "list": (True, [("a", "b", 3.0)], True),
    "relations": (True, [("*Arcs", ":2", None), ("a", "b", 1.0), ("b", "c", 1.0)], None),
}
told = True
for name, text in files.items():
    Path("small.net").write_text(nodes + text)
    graph = networkx.read_pajek("small.net")
    edges = sorted((min(u, v), max(u, v), w) for u, v, w in graph.edges(data="weight"))
    try:
        other = igraph.Graph.Read_Pajek("small.net")
        directed, count = other.is_directed(), other.ecount()
    except igraph.InternalError:
        directed, count = None, "refused"
    print(f"{name}: networkx directed {graph.is_directed()}, {edges}; igraph directed {directed}, {count}")
    told = told and (graph.is_directed(), edges, directed) == wanted[name]
    told = told and count == ("refused" if name == "relations" else 2)
raise SystemExit(not told)
PYTHON
