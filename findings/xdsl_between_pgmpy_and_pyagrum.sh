#!/usr/bin/env bash
# pgmpy and pyAgrum read each other's XDSL files (the form of GeNIe) with the numbers of a table in
# other places. Guess: a file of a public form that both write and read means the same network to both,
# as BIF, XMLBIF and NET written by pgmpy do. Seen with pgmpy 1.1.2 and pyagrum 3.3.1: of two parents
# with two and three states, 8 of 12 probabilities of the child are those of another row, either way
# round, without a word; each library has its own file back as it was. One takes the last parent to
# turn fastest, the other the first. With one parent, or two parents that matter alike, nothing shows;
# all columns still add up to 1. Which of them is right is not decided here. Exits with 0 while that is
# so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  pgmpy==1.1.2 pyagrum==3.3.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version
from itertools import product

import pyagrum
from pgmpy.factors.discrete import TabularCPD
from pgmpy.models import DiscreteBayesianNetwork
from pgmpy.readwrite import BIFWriter, NETWriter, XDSLReader, XDSLWriter, XMLBIFWriter

print("pgmpy", version("pgmpy"), "pyagrum", version("pyagrum"))
states = {"a": ["no", "yes"], "b": ["x", "y", "z"], "c": ["off", "on"]}
rows = list(product(*states.values()))
off = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]  # of c, for no-x, no-y, no-z, yes-x, yes-y, yes-z
network = DiscreteBayesianNetwork([("a", "c"), ("b", "c")])
network.add_cpds(
    TabularCPD("a", 2, [[0.25], [0.75]], state_names={"a": states["a"]}),
    TabularCPD("b", 3, [[0.2], [0.3], [0.5]], state_names={"b": states["b"]}),
    TabularCPD("c", 2, [off, [1 - p for p in off]], ["a", "b"], [2, 3], state_names=states),
)
network.check_model()


def of_pgmpy(model):
    """Probabilities of c, by the names of the states of a, b and c."""
    table = model.get_cpds("c").to_factor()
    return [round(float(table.get_value(a=a, b=b, c=c)), 6) for a, b, c in rows]


def of_pyagrum(model):
    """The same of a network of pyagrum."""
    table = model.cpt("c")
    return [round(table[{"a": a, "b": b, "c": c}], 6) for a, b, c in rows]


true = of_pgmpy(network)
for writer, method in ((BIFWriter, "write_bif"), (XMLBIFWriter, "write_xmlbif"), (NETWriter, "write_net")):
    end = {"write_xmlbif": "bifxml"}.get(method, method[6:])
    getattr(writer(network), method)(f"small.{end}")
    assert of_pyagrum(pyagrum.loadBN(f"small.{end}")) == true, end
print("BIF, XMLBIF and NET of pgmpy are the same network to pyagrum")
XDSLWriter(network).write_xdsl("pgmpy.xdsl")
theirs = pyagrum.loadBN("small.bif")
pyagrum.saveBN(theirs, "pyagrum.xdsl")
seen = {}
for file in ("pgmpy.xdsl", "pyagrum.xdsl"):
    read = {"pgmpy": of_pgmpy(XDSLReader(file).get_model()), "pyagrum": of_pyagrum(pyagrum.loadBN(file))}
    for name, found in read.items():
        seen[file, name] = sum(one != other for one, other in zip(true, found, strict=True))
        print(f"{file} read by {name}: {seen[file, name]} of 12 wrong; off: {found[::2]}")
wanted = {
    ("pgmpy.xdsl", "pgmpy"): 0,
    ("pgmpy.xdsl", "pyagrum"): 8,
    ("pyagrum.xdsl", "pgmpy"): 8,
    ("pyagrum.xdsl", "pyagrum"): 0,
}
raise SystemExit(seen != wanted)
PYTHON
