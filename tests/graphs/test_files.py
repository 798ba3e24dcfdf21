"""Graphs as files: each format round-trips, reads what others write, and refuses what is broken."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import warnings
import zipfile

import networkx as nx
import numpy as np
import pytest

from cvq_tutorial.graphs import dot as graph_dot
from cvq_tutorial.graphs import files as graph_files
from cvq_tutorial.graphs.graph import CausalGraph

NAMES = (
    'a "quote"', "gr\u00fc\u00df\ntwo lines", "back\\slash\\", "d, e; f", "tab\there", "$x$",
    "\u65e5\u672c", "-> [x=1];", "\\n", '\\"', " space ", "n0", "&amp; <b>", "'", "{}", "// none",
)  # fmt: skip


def some_graph(n: int = 16, **given) -> CausalGraph:
    rng = np.random.default_rng(n)
    given = {"action": 'hue "+" \\ \u00fc', "n": 32, "set_by": rng.random(n), "limit": 0.3} | given
    return CausalGraph(rng.random((n, n)) * (rng.random((n, n)) < 0.4), **given)


def same(one: CausalGraph, two: CausalGraph, *, edges_only: bool = False) -> bool:
    known = one.set_by is not None
    alike = np.array_equal(one.edges, two.edges) and one.names == two.names
    alike &= known == (two.set_by is not None)
    alike &= not known or np.array_equal(one.set_by, two.set_by)
    about = [(g.action, g.n, g.grid, g.codebooks, g.limit) for g in (one, two)]
    return bool(alike and (edges_only or about[0] == about[1]))


GRAPHS = {
    "awkward names": lambda: some_graph(names=NAMES),
    "places": lambda: some_graph(6, grid=(2, 3)),
    "codebooks": lambda: some_graph(8, grid=(2, 2), codebooks=2),
    "nothing known": lambda: CausalGraph(some_graph(5).edges),
    "one node": lambda: CausalGraph(np.ones((1, 1))),
    "no edges": lambda: CausalGraph(np.zeros((3, 3)), ["a", "b", "c"], set_by=[0, 0.5, 1]),
    "thresholded": lambda: some_graph(12).threshold(0.7),
    "numbers as action": lambda: some_graph(3, action="007"),
}


@pytest.mark.parametrize("form", graph_files.FORMATS)
@pytest.mark.parametrize("kind", GRAPHS)
def test_every_format_round_trips(form, kind, tmp_path):
    graph = GRAPHS[kind]()
    path = graph_files.save(graph, tmp_path / f"graph.{form}")
    assert same(graph, graph_files.load(path), edges_only=form == "csv")
    assert path.read_bytes() == graph_files.dumps(graph, form), "the same graph, the same bytes"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", GRAPHS)
def test_networkx_round_trips(kind):
    graph = GRAPHS[kind]()
    digraph = graph_files.to_networkx(graph)
    assert list(digraph) == list(graph.names)
    assert same(graph, graph_files.from_networkx(digraph))


@pytest.mark.parametrize("form", graph_files.FORMATS)
def test_the_direction_survives(form):
    graph = CausalGraph([[0.0, 1.0], [0.0, 0.0]], ["cause", "effect"])
    again = graph_files.loads(graph_files.dumps(graph, form), form)
    assert again.parents("effect") == {0} and again.parents("cause") == set()


@pytest.mark.parametrize("form", graph_files.FORMATS)
def test_1024_nodes(form):
    graph = CausalGraph(np.random.default_rng(0).random((1024, 1024)), grid=(32, 32)).top_k(500)
    data = graph_files.dumps(graph, form)
    assert len(data) < 1_000_000
    assert np.array_equal(graph_files.loads(data, form).edges, graph.edges)


def test_opposite_edges_stay_two():
    digraph = graph_files.to_networkx(CausalGraph([[0, 0.6], [0.9, 0]], ["a", "b"]))
    assert sorted(digraph.edges(data="probability")) == [("a", "b", 0.6), ("b", "a", 0.9)]


# Files that others wrote -------------------------------------------------------------------------


def test_a_digraph_of_networkx_is_read_by_weight_or_as_ones():
    digraph = nx.DiGraph([(3, 1, {"weight": 0.4}), (1, 3, {"weight": 1})])
    graph = graph_files.from_networkx(digraph)
    assert graph.names == ("3", "1") and graph.edges.tolist() == [[0, 0.4], [1, 0]]
    assert graph_files.from_networkx(nx.DiGraph([(3, 1), (1, 3)])).edges.tolist() == [
        [0, 1],
        [1, 0],
    ]


def test_graphml_of_networkx(tmp_path):
    nx.write_graphml(nx.DiGraph([("a", "b", {"probability": 0.7})]), tmp_path / "g.graphml")
    graph = graph_files.load(tmp_path / "g.graphml")
    assert graph.names == ("a", "b") and graph.edges[0, 1] == 0.7


def test_graphml_can_be_read_by_networkx():
    text = graph_files.dumps(some_graph(names=NAMES), "graphml").decode()
    digraph = nx.parse_graphml(text)
    assert tuple(name for _, name in digraph.nodes(data="name")) == NAMES
    assert "row = cause, column = effect" in digraph.graph["direction"]


@pytest.mark.parametrize("key", ["edges", "links"])
def test_node_link_json_of_networkx(key):
    told = nx.node_link_data(nx.DiGraph([("a", "b")]), edges=key)
    assert graph_files.loads(json.dumps(told).encode(), "json").parents("b") == {0}


def test_json_keeps_names_as_they_are_read():
    graph = CausalGraph([[0, 1.0], [0, 0]], names=["größe", "色"])
    assert "größe".encode() in graph_files.dumps(graph, "json")


def test_a_dot_file_written_by_hand():
    text = """# made by hand
    strict digraph "my graph" {
        rankdir=LR; /* a
        comment */ node [shape=box, color="red"]
        a [label="first\\nnode"]; "b \\"x\\"" // the second
        a -> "b \\"x\\"" -> c [probability=.25]
        c -> a [probability=1]
        edge [color=blue]; graph [n=7]
    }"""
    graph = graph_files.loads(text.encode(), "dot")
    assert graph.names == ("first\nnode", 'b "x"', "c") and graph.n == 7
    assert graph.edges.tolist() == [[0, 0.25, 0], [0, 0, 0.25], [1, 0, 0]]


def test_dot_needs_no_graphviz_and_no_other_reader(tmp_path):
    code = (
        "import sys; from cvq_tutorial.graphs import files as graph_files;"
        "from cvq_tutorial.graphs.graph import *;"
        "g = graph_files.loads(graph_files.dumps(CausalGraph([[1.0]]), 'dot'), 'dot');"
        "print(sorted({'pydot', 'pygraphviz', 'graphviz', 'torch'} & set(sys.modules)), g.n_nodes)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert shown.stdout == "[] 1\n", shown.stderr


def test_dot_fills_set_nodes_and_places_them_as_in_the_image():
    graph = CausalGraph(np.eye(4), set_by=[0, 1, 0, 0], grid=(2, 2))
    lines = graph_files.dumps(graph, "dot").decode().splitlines()
    [filled] = [line for line in lines if "filled" in line]
    assert 'label="r0c1"' in filled and 'pos="72,0"' in filled
    assert any('label="r1c0"' in line and 'pos="0,-72"' in line for line in lines)


def test_a_csv_of_two_columns_and_one_with_a_byte_order_mark():
    assert graph_files.loads(b"cause,effect\r\na,b\r\n\r\nb,c\r\n", "csv").names == ("a", "b", "c")
    marked = "\ufeffcause,effect,probability\nx,y,0.5\n".encode()
    assert graph_files.loads(marked, "csv").edges[0, 1] == 0.5


def test_csv_has_a_row_per_node_so_that_none_is_lost():
    graph = CausalGraph([[0, 0, 0.5], [0, 0.25, 0], [0, 0, 0]], ["a", "b", "c"])
    assert graph_files.dumps(graph, "csv").decode().splitlines() == [
        "cause,effect,probability,effect_is_set",
        "a,a,0.0,", "b,b,0.25,", "c,c,0.0,", "a,c,0.5,",
    ]  # fmt: skip


def test_an_npz_with_edges_alone():
    buffer = io.BytesIO()
    np.savez(buffer, edges=np.eye(2))
    assert graph_files.loads(buffer.getvalue(), "npz").names == ("v0", "v1")


# What is refused ---------------------------------------------------------------------------------


def npz(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, edges=np.array([{}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def locked() -> bytes:
    """Marked as encrypted."""
    data = bytearray(npz(edges=np.eye(2)))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def packed_otherwise() -> bytes:
    """Says that it is packed in a way that nothing here unpacks."""
    data = bytearray(npz(edges=np.eye(2)))
    data[data.index(b"PK\x01\x02") + 10] = 99
    return bytes(data)


def claims_much() -> bytes:
    """A header of 10^6 x 10^6 numbers, and none of them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, archive.open("edges.npy", "w") as file:
        head = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)}
        np.lib.format.write_array_header_1_0(file, head)
    return buffer.getvalue()


def twice() -> bytes:
    """Holds two arrays of one name."""
    buffer = io.BytesIO(npz(edges=np.eye(2)))
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("edges.npy", archive.read("edges.npy"))
    return buffer.getvalue()


GRAPHML = '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">{}</graphml>'
BROKEN = [
    ("dot", b"", ValueError, "expected a digraph, found nothing"),
    ("dot", b"graph { a -- b }", ValueError, "expected a digraph, found a graph"),
    ("dot", b"dag { a -> b }", ValueError, "expected a digraph, found a dag"),
    ("dot", b"digraph { a -> b", ValueError, "expected a } at the end, found the end"),
    ("dot", b"digraph { }", ValueError, "expected 1 to 4096 nodes, found 0"),
    ("dot", b"digraph {\n a -> }", ValueError, "line 2: expected a digraph, found '}'"),
    ("dot", b"digraph { a -> b } c", ValueError, "line 1: expected a digraph, found 'c'"),
    ("dot", b"digraph { a -> b } digraph { c }", ValueError, "expected one graph, found 2"),
    ("dot", b"digraph { a -- b }", ValueError, "expected directed edges, found a -- b"),
    ("dot", b"digraph { a <- b }", ValueError, "expected directed edges, found a <- b"),
    ("dot", b"digraph { a:port -> b }", ValueError, "without ports, found a:port"),
    ("dot", b"digraph { 12abc -> b }", ValueError, "found '2abc"),
    ("dot", b"digraph { a [label=<b>] }", ValueError, "plain text, found HTML: <b>"),
    ("dot", b"digraph { a [label] }", ValueError, "expected label=value, found label"),
    ("dot", b"digraph { a [", ValueError, "expected a } at the end"),
    ("dot", b"digraph { a [x=y }", ValueError, "line 1: expected a digraph, found '}'"),
    ("dot", b'digraph { "a }', ValueError, r"line 1: expected a digraph, found '\"a }'"),
    ("dot", b"digraph { a -> b; a -> b }", ValueError, "each edge once, found a -> b twice"),
    ("dot", b"digraph { a -> b [probability=2] }", ValueError, r"in \[0, 1\], found 0 to 2"),
    ("dot", b"digraph { a -> b [probability=x] }", TypeError, "'a' -> 'b' must be a number"),
    ("dot", b"\xff", ValueError, "decode"),
    ("graphml", b"", ValueError, "no element found"),
    ("graphml", b"<graphml", ValueError, "unclosed token"),
    ("graphml", b"<html></html>", ValueError, "file not successfully read"),
    ("graphml", b"<!DOCTYPE x><graphml/>", ValueError, "without a document type"),
    (
        "graphml",
        GRAPHML.format('<graph edgedefault="undirected"><node id="a"/></graph>').encode(),
        TypeError,
        "must be directed",
    ),
    (
        "graphml",
        GRAPHML.format('<graph edgedefault="directed"></graph>').encode(),
        ValueError,
        "expected 1 to 4096 nodes, found 0",
    ),
    ("json", b"", ValueError, "Expecting value"),
    ("json", b"[1, 2]", ValueError, "expected node-link JSON"),
    ("json", b'{"nodes": [], "edges": []}', ValueError, "expected a directed graph"),
    ("json", b'{"directed": false, "nodes": [], "edges": []}', ValueError, "directed: False"),
    ("json", b'{"directed": true, "nodes": [], "edges": []}', ValueError, "found 0"),
    ("json", b'{"directed": true, "nodes": [{"id": 1}]}', ValueError, "expected edges: a list"),
    (
        "json",
        b'{"directed": true, "multigraph": true, "nodes": [{"id": 1}], "edges": []}',
        TypeError,
        "found a multigraph",
    ),
    (
        "json",
        b'{"directed": true, "nodes": [{"id": "a"}], "edges": [{"source": "a", "target": "a",'
        b' "probability": NaN}]}',
        ValueError,
        "must be finite",
    ),
    ("json", b"[" * 100_000, ValueError, "recursion"),
    ("csv", b"", ValueError, "expected the columns cause, effect .* found nothing"),
    ("csv", b"a,b\n1,2\n", ValueError, "expected the columns cause, effect .* found a, b"),
    ("csv", b"cause,effect\n", ValueError, "found 0"),
    ("csv", b"cause,effect\na\n", ValueError, r"expected 2 columns in each row, found \['a'\]"),
    ("csv", b"cause,effect,probability\na,b,x\n", ValueError, "could not convert"),
    ("csv", b"cause,effect,probability\na,b,-1\n", ValueError, "found -1 to 0"),
    ("csv", b"cause,effect\na,b\na,b\n", ValueError, "each edge once, found 'a' -> 'b' twice"),
    ("npz", b"", ValueError, "expected an npz archive"),
    ("npz", b"\x93NUMPY", ValueError, "expected an npz archive"),
    ("npz", npz(other=np.eye(2)), ValueError, "array edges, found none of edges, set_by, about"),
    ("npz", npz(edges=np.zeros((2, 3))), ValueError, r"shape \(N, N\), found \(2, 3\)"),
    ("npz", npz(edges=np.full((2, 2), np.nan)), ValueError, "must be finite"),
    ("npz", npz(edges=np.eye(2))[:-40], ValueError, "npz"),
    ("npz", locked(), ValueError, "encrypted"),
    ("npz", packed_otherwise(), ValueError, "stored or deflated, found method 99"),
    ("npz", claims_much(), ValueError, "it is of 8,000,000,000,000 bytes"),
    ("npz", twice(), ValueError, "each array once, found edges twice"),
    (
        "json",
        b'{"directed": true, "nodes": [{"id": "a"}], "edges": [], "graph": {"n": Infinity}}',
        ValueError,
        "finite, found Infinity",
    ),
    ("npz", pickled(), ValueError, "nothing is unpickled here"),
    ("npz", npz(edges=np.eye(2), about=np.array('{"n": "x"}')), TypeError, "n must be an integer"),
]


@pytest.mark.parametrize(("form", "data", "error", "message"), BROKEN)
def test_a_broken_file_is_one_line(form, data, error, message):
    with pytest.raises(error, match=message) as caught:
        graph_files.loads(data, form)
    assert str(caught.value).startswith(f"no causal graph can be read from this {form}: ")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_every_cut_of_a_file_is_read_or_refused():
    whole = {form: graph_files.dumps(some_graph(3), form) for form in graph_files.FORMATS}
    for form, data in whole.items():
        for end in range(0, len(data), max(1, len(data) // 60)):
            try:
                graph_files.loads(data[:end], form)
            except (ValueError, TypeError) as error:
                assert str(error).startswith("no causal graph can be read from this ")


def test_too_many_nodes_are_refused_before_they_are_made():
    text = "digraph {" + ";".join(f"n{i}" for i in range(5000)) + "}"
    with pytest.raises(ValueError, match="expected 1 to 4096 nodes, found 5000"):
        graph_files.loads(text.encode(), "dot")
    with pytest.raises(ValueError, match=r"edges\.npy says that it unpacks to 200,000,128 bytes"):
        graph_files.loads(npz(edges=np.zeros((5000, 5000))), "npz")


def test_unknown_formats_and_missing_files(tmp_path):
    graph = CausalGraph([[1.0]])
    with pytest.raises(ValueError, match="unknown graph format 'dat'; did you mean"):
        graph_files.save(graph, tmp_path / "g.dat")
    with pytest.raises(ValueError, match="unknown graph format ''"):
        graph_files.load(tmp_path / "graph")
    with pytest.raises(FileNotFoundError):
        graph_files.load(tmp_path / "none.dot")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ValueError, match=r"bad\.json: no causal graph can be read from this json"):
        graph_files.load(tmp_path / "bad.json")
    with pytest.raises(TypeError, match=r"expected a networkx\.DiGraph, found ndarray"):
        graph_files.from_networkx(np.eye(2))


def test_a_dot_text_read_alone():
    digraph = graph_dot.read('digraph g { "a b" -> c [w="1"] }')
    assert list(digraph.edges(data=True)) == [("a b", "c", {"w": "1"})]
