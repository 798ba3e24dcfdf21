"""Graphs that other tools wrote: taken as they are meant, or refused with one line."""

from __future__ import annotations

import io
import json
import warnings

import networkx as nx
import numpy as np
import pandas as pd
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its grammar calls pyparsing by old names
    import pydot

from cvq_tutorial.common import archives
from cvq_tutorial.graphs import files as graph_files
from cvq_tutorial.graphs.graph import CausalGraph


def read(text: str, form: str = "dot") -> CausalGraph:
    return graph_files.loads(text.encode(), form)


def edges(text: str, form: str = "dot") -> list[tuple[str, str]]:
    """(cause, effect) by name, in the order of the nodes."""
    graph = read(text, form)
    return [(graph.names[i], graph.names[j]) for i, j in np.argwhere(graph.edges > 0)]


def graphml(body: str, head: str = "", edgedefault: str = "directed") -> str:
    return (
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns" '
        f'xmlns:y="http://www.yworks.com/xml/graphml">{head}'
        f'<graph edgedefault="{edgedefault}">{body}</graph></graphml>'
    )


def node_link(nodes: list, links: list, key: str = "edges", **more) -> str:
    return json.dumps({"directed": True, "nodes": nodes, key: links, **more})


A_AND_B = '<node id="a"/><node id="b"/>'
AB = [{"id": "a"}, {"id": "b"}]
EDGE = {"source": "a", "target": "b"}


# DOT: what a picture of it shows -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "want"),
    [
        ("", "x y"),
        ("dir=forward", "x y"),
        ("dir=back", "y x"),
        ("dir=BACK", "y x"),
        ("dir=both, arrowtail=none", "x y"),
        ("dir=both, arrowhead=normal, arrowtail=none", "x y"),
        ("dir=both, arrowhead=none, arrowtail=normal", "y x"),
        ("dir=both, arrowhead=none, arrowtail=vee", "y x"),
        ("dir=back, arrowhead=none", "y x"),  # the head is not drawn anyway
        ("arrowtail=odot", "x y"),
        ("arrowhead=onormal, style=dashed", "x y"),
    ],
)
@pytest.mark.parametrize("default", [False, True])
def test_an_edge_of_dot_points_where_its_arrow_is_drawn(told, want, default):
    text = f"edge [{told}]; x -> y" if default else f"x -> y [{told}]"
    assert edges(f"digraph {{ x; y; {text} }}") == [tuple(want.split())]


@pytest.mark.parametrize(
    "told",
    [
        "dir=none",
        "dir=both",
        "dir=both, arrowhead=normal, arrowtail=normal",
        "dir=both, arrowhead=normal, arrowtail=odot",
        "arrowhead=none",
        "arrowhead=odot",
        "dir=back, arrowtail=none",
        "dir=sideways",
        "style=invis",
        'style="dashed, invis"',
    ],
)
@pytest.mark.parametrize("default", [False, True])
def test_an_edge_of_dot_that_is_not_directed_or_not_seen_is_named(told, default):
    text = f"edge [{told}]; x -> y" if default else f"x -> y [{told}]"
    with pytest.raises(ValueError, match=r"expected .*, found x -> y"):
        read(f"digraph {{ {text} }}")


def test_defaults_of_dot_hold_within_their_braces():
    text = "digraph { subgraph cluster_1 { edge [dir=back] a -> b } c -> d }"
    assert edges(text) == [("b", "a"), ("c", "d")]
    with pytest.raises(ValueError, match="expected what can be seen, found x with style=invis"):
        read("digraph { node [style=invis] x; y }")


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("{a b} -> c", "ac bc"),
        ("a -> b -> {c d}", "ab bc bd"),
        ("subgraph s {a; b} -> {c}", "ac bc"),
        ("{rank=same a b} a -> b", "ab"),
        ("subgraph { rank=same; a; b } a -> b", "ab"),
        ("subgraph cluster_0 { label=frame; a -> b } b -> c", "ab bc"),
        ("a:n -> b:sw", "ab"),
        ("a -> b; // b -> a\n/* b -> a */\n# b -> a\n", "ab"),
        ('"a" -> "b" [color="#ff0000", label="// no comment"]', "ab"),
        ('a -> b [x=1; y=2][z=<<i>"it"</i>>]', "ab"),
        ("edge [color=red] node [shape=box] graph [size=3] a -> b", "ab"),
        ("a -> a", "aa"),
    ],
)
def test_the_syntax_of_dot(text, want):
    found = edges(f"STRICT DiGraph g {{ {text} }};")
    assert sorted(found) == sorted(tuple(pair) for pair in want.split())


def test_a_node_called_like_a_keyword_is_quoted():
    assert edges('digraph { "edge" -> "node"; edgewise -> nodes }') == [
        ("edge", "node"),
        ("edgewise", "nodes"),
    ]


@pytest.mark.parametrize(
    ("label", "name"),
    [
        (r"one\ntwo", "one\ntwo"),
        (r"one\ltwo\rthree", "one\ntwo\nthree"),
        (r"left\l", "left"),
        (r"right\r", "right"),
        (r"end\n", "end\n"),
        (r"a\\l", r"a\l"),
        (r"\N", "x"),
        (r"node \N", "node x"),
        ("", "x"),
        (r"<b>", "<b>"),
    ],
)
def test_a_label_of_dot_is_the_name_as_it_is_shown(label, name):
    assert read(f'digraph {{ x [label="{label}"] }}').names == (name,)


def test_what_we_write_as_dot_is_strict_with_names_as_ids_and_numbers_as_numerals():
    graph = CausalGraph([[0, 1e-5], [0, 0]], ["floor hue", "node"], set_by=[0.25, 1])
    lines = graph_files.dumps(graph, "dot").decode().splitlines()
    assert lines[0].startswith("strict digraph ")
    assert any(line.startswith('  "floor hue" -> n0 [probability=0.00001,') for line in lines)
    assert any('"floor hue" [label="floor hue", set_by=0.25]' in line for line in lines)


@pytest.mark.parametrize("kind", ["plain", "hard"])
def test_networkx_reads_our_dot_as_a_digraph(kind):
    names = ("a", "floor hue", "b.c") if kind == "plain" else ("edge", "a:b", 'say "x"')
    graph = CausalGraph([[0, 0.5, 0], [0, 0, 1], [0, 0, 0.25]], names)
    [parsed] = pydot.graph_from_dot_data(graph_files.dumps(graph, "dot").decode())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        digraph = nx.nx_pydot.from_pydot(parsed)
    assert type(digraph) is nx.DiGraph and len(digraph) == 3
    if kind == "plain":
        assert list(digraph) == list(names)
    numbers = [float(told["probability"]) for *_, told in digraph.edges(data=True)]
    assert sorted(numbers) == [0.25, 0.5, 1.0]


def test_our_reader_and_pydot_agree():
    rng = np.random.default_rng(0)
    for _ in range(20):
        pairs = [(f"n{i}", f"n{j}") for i, j in np.argwhere(rng.random((5, 5)) < 0.3)]
        lines = [f"{a} -> {b} [probability={rng.random():.3f}]" for a, b in pairs]
        text = f"digraph {{ {'; '.join(lines)} }}"
        if pairs:
            [parsed] = pydot.graph_from_dot_data(text)
            found = {(e.get_source(), e.get_destination()) for e in parsed.get_edges()}
            assert set(edges(text)) == found == set(pairs)


# dagitty -----------------------------------------------------------------------------------------


def test_dagitty():
    text = 'dag {\nbb="-5,-5,5,5"\nX [exposure,pos="-2.2,-1.5"]\nY [outcome]\n"the U" [latent]\n'
    text += 'X -> Y [beta=0.5]\nX <- Sepal.Length\n{ X Y } <- "the U" }'
    assert set(edges(text, "dagitty")) == {
        ("X", "Y"), ("Sepal.Length", "X"), ("the U", "X"), ("the U", "Y")
    }  # fmt: skip
    for mark in ("<->", "--"):
        with pytest.raises(ValueError, match=f"expected directed edges, found X {mark} Y"):
            read(f"dag {{ X {mark} Y }}", "dagitty")
    with pytest.raises(ValueError, match="expected a dag, found a pdag"):
        read("pdag { X -> Y }", "dagitty")
    with pytest.raises(ValueError, match="expected a dag, found"):
        read("dag { X @-> Y }", "dagitty")


def test_dagitty_is_read_by_its_ending_and_not_written(tmp_path):
    (tmp_path / "g.dagitty").write_text("dag { X -> Y }")
    graph = graph_files.load(tmp_path / "g.dagitty")
    assert graph.names == ("X", "Y")
    with pytest.raises(ValueError, match="unknown graph format 'dagitty'"):
        graph_files.save(graph, tmp_path / "other.dagitty")


# Tables of edges ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ('"","from","to"\n"1","a","b"\n"2","b","c"\n', {"ab": 1, "bc": 1}),  # write.csv(arcs(x))
        ("from,to,strength,direction\na,b,0.8,0.75\nb,a,0.8,0.25\n", {"ab": 0.6, "ba": 0.2}),
        ("Source,Target,Type,Id,Label,Weight\na,b,Directed,0,,0.5\n", {"ab": 0.5}),  # Gephi
        ('cause, effect, probability\na, b, 0.5\n"b", "c", 1\n', {"ab": 0.5, "bc": 1}),
        ("cause , effect\na , b\n", {"ab": 1}),
    ],
)
def test_tables_of_edges(text, want):
    graph = read(text, "csv")
    found = {graph.names[i] + graph.names[j]: graph.edges[i, j] for i, j, _ in
             CausalGraph(graph.edges, limit=0.01).pairs()}  # fmt: skip
    assert found == pytest.approx(want)


def test_names_with_blanks_survive_our_own_csv():
    graph = CausalGraph(np.eye(2), [" a", "b "])
    assert read(graph_files.dumps(graph, "csv").decode(), "csv").names == (" a", "b ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cause,effect,cause\na,b,c\n", "each column once, found 'cause' twice"),
        ("cause,effect,weight,p\na,b,1,1\n", "one column of probabilities, found weight and p"),
        ("cause,effect,score\na,b,0.1\n", "expected the columns .*, found 'score'"),
        ("from,to\na,\n", "found a blank in row 2"),
        ("Source,Target,Type\na,b,Undirected\n", "directed edges, found Undirected in row 2"),
        ("cause,effect,probability\na,b,0.5\nb,c,\n", "could not convert"),
        ("cause,effect,effect_is_set\na,b,0.5\n", "for all nodes or for none, found it for 1 of 2"),
        ("cause,effect,effect_is_set\na,b,0\nb,b,1\na,a,0\n", "one effect_is_set for 'b'"),
        ("cause,effect,probability\na,b,nan\n", "must be finite"),
    ],
)
def test_tables_that_are_refused(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(text, "csv")
    assert "\n" not in str(caught.value)


# JSON --------------------------------------------------------------------------------------------


def test_json_of_networkx_old_and_new():
    digraph = nx.DiGraph([("a", "b")])
    for key in ("edges", "links"):
        told = nx.node_link_data(digraph, edges=key)
        assert edges(json.dumps(told), "json") == [("a", "b")]
    by_place = node_link(AB, [{"source": 1, "target": 0}], "links", graph=[["n", 3]])
    assert edges(by_place, "json") == [("b", "a")] and read(by_place, "json").n == 3
    by_id = node_link([{"id": 1}, {"id": 0}], [{"source": 1, "target": 0}])
    assert edges(by_id, "json") == [("1", "0")]


def test_json_names():
    nodes = [{"id": 0, "label": "floor"}, {"id": 1, "name": "wall", "label": "x"}, {"id": 2}]
    assert read(node_link(nodes, []), "json").names == ("floor", "wall", "2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (node_link([*AB, {"id": "a"}], []), "each node once, found 'a' twice"),
        (node_link(AB, [EDGE, EDGE]), "each edge once, found 'a' -> 'b' twice"),
        (node_link(AB, [EDGE | {"target": "c"}]), "listed nodes, found 'a' -> 'c' but no node 'c'"),
        (node_link(AB, [EDGE | {"target": 2}]), "listed nodes, .* no node 2"),
        (node_link(AB, [EDGE], "links", edges=[]), "expected edges or links, found both"),
        (node_link(AB, [{"source": "a"}]), "expected edge 0 with a text or number as target"),
        (node_link([{"name": "a"}], []), "expected node 0 with a text or number as id"),
        (node_link([{"id": None}], []), "expected node 0 with a text or number as id, found None"),
        (node_link(["a"], []), r"expected nodes: a list of objects, found \['a'\]"),
        (node_link({"a": 1}, []), "expected nodes: a list of objects"),
        (node_link([{"id": "a", "set_by": 1}, {"id": "b"}], []), "found it for 1 of 2"),
        (
            node_link(AB, [EDGE | {"weight": 1}, {"source": "b", "target": "a", "weight": None}]),
            "expected a weight of every edge or of none, found none of 'b' -> 'a'",
        ),
        (
            node_link(AB, [EDGE | {"weight": 0.3}, {"source": "b", "target": "a"}]),
            "expected a weight of every edge or of none, found none of 'b' -> 'a'",
        ),
        (node_link(AB, [], graph=3), "expected graph to be an object, found 3"),
        ('{"directed": true, "nodes": [{"id": 1, "id": 2}], "edges": []}', "'id' twice"),
    ],
)
def test_json_that_is_refused(text, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        read(text, "json")
    assert "\n" not in str(caught.value)


# GraphML and GML ---------------------------------------------------------------------------------


def test_graphml_of_yed_and_gephi():
    head = '<key id="d0" for="node" yfiles.type="nodegraphics"/>'
    body = "".join(
        f'<node id="n{n}"><data key="d0"><y:ShapeNode><y:NodeLabel>\n{name}\n</y:NodeLabel>'
        "</y:ShapeNode></data></node>"
        for n, name in enumerate(("floor hue", "scale"))
    )
    text = graphml(body + '<edge source="n0" target="n1"/>', head)
    assert edges(text, "graphml") == [("floor hue", "scale")]
    head = '<key id="label" for="node" attr.name="label" attr.type="string"/>'
    head += '<key id="weight" for="edge" attr.name="weight" attr.type="float"/>'
    body = '<node id="1"><data key="label">a</data></node><node id="2"/>'
    body += '<edge source="1" target="2"><data key="weight">0.5</data></edge>'
    graph = read(graphml(body, head), "graphml")
    assert graph.names == ("a", "2") and graph.edges[0, 1] == 0.5


def test_defaults_of_graphml_hold():
    head = '<key id="w" for="edge" attr.name="weight" attr.type="double"><default>0.25</default>'
    body = A_AND_B + '<edge source="a" target="b"/>'
    body += '<edge source="b" target="a"><data key="w">1</data></edge>'
    assert read(graphml(body, head + "</key>"), "graphml").edges.tolist() == [[0, 0.25], [1, 0]]


def test_our_graphml_has_names_as_labels():
    graph = CausalGraph(np.eye(2), ["floor", "wall"])
    digraph = nx.parse_graphml(graph_files.dumps(graph, "graphml").decode())
    for key in ("label", "name"):
        assert [told[key] for told in digraph.nodes.values()] == ["floor", "wall"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (graphml(A_AND_B + '<node id="a"/>'), "each node once, found 'a' twice"),
        (
            graphml(A_AND_B + '<edge source="a" target="b"/>' * 2),
            "each edge once, found 'a' -> 'b'",
        ),
        (graphml(A_AND_B + '<edge source="a" target="c"/>'), "but no node 'c'"),
        (graphml('<node id="a"/></graph><graph edgedefault="directed">'), "one graph, found 2"),
        (graphml('<node id="a"><graph edgedefault="directed"/></node>'), "one graph, found 2"),
        (graphml(A_AND_B, '<key id="x" for="node" attr.name="p"/>' * 2), "'p' of node twice"),
        (graphml(A_AND_B, edgedefault="undirected"), "must be directed"),
        (
            graphml(
                A_AND_B + '<edge source="a" target="b"><data key="d"><y:PolyLineEdge>'
                '<y:Arrows source="standard" target="none"/></y:PolyLineEdge></data></edge>',
                '<key id="d" for="edge" yfiles.type="edgegraphics"/>',
            ),
            "at the target of each edge, found a -> b with standard and none",
        ),
    ],
)
def test_graphml_that_is_refused(text, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        read(text, "graphml")
    assert "\n" not in str(caught.value)


def test_gml():
    text = 'graph [ directed 1 node [ id 3 label "a" ] node [ id 5 label "b" ] '
    text += "edge [ source 3 target 5 weight 0.5 ] ]"
    graph = read(text, "gml")
    assert graph.names == ("a", "b") and graph.edges.tolist() == [[0, 0.5], [0, 0]]
    assert nx.parse_gml(graph_files.dumps(graph, "gml").decode()).has_edge("a", "b")
    for old, new, message in (
        ("directed 1", "directed 0", "must be directed"),
        ("id 5", "id 3", "duplicated"),
        ("target 5", "target 7", "undefined"),
        ("] ]", "] edge [ source 3 target 5 ] ]", "duplicated"),
        ('"b"', '"a"', "names must differ"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            read(text.replace(old, new), "gml")


@pytest.mark.parametrize("real", ["1e-05", "9E-05", "5e-1", "1e0", "1.5e-3"])
def test_gml_of_igraph_has_reals_without_a_point(real):
    """igraph 1.0.0 writes `weight 1e-05`, of which networkx 3.6.1 reads a weight of 1."""
    text = 'graph [ directed 1 node [ id 3 label "1e5 a" ] node [ id 5 label "b" ] '
    text += f"edge [ source 3 target 5 weight {real} ] ]"
    graph = read(text, "gml")
    assert graph.names == ("1e5 a", "b") and graph.edges.tolist() == [[0, float(real)], [0, 0]]
    with pytest.raises(ValueError, match="1e"):
        read(text.replace(real, "1e+20"), "gml")


# networkx and pandas in memory -------------------------------------------------------------------


@pytest.mark.parametrize("key", ["probability", "prob", "p", "weight", "label"])
@pytest.mark.parametrize("number", [0.5, "0.5"])
def test_the_number_of_an_edge_has_several_names(key, number):
    digraph = nx.DiGraph([("a", "b", {key: number, "color": "red"})])
    assert graph_files.from_networkx(digraph).edges[0, 1] == 0.5
    assert CausalGraph(digraph).edges[0, 1] == 0.5


def test_weights_of_none_are_no_numbers():  # as pgmpy has them
    assert CausalGraph(nx.DiGraph([("a", "b", {"weight": None})])).edges[0, 1] == 1.0


def test_a_label_that_is_a_text_is_no_number():
    digraph = nx.DiGraph([("a", "b", {"label": "raises"})])
    assert graph_files.from_networkx(digraph).edges[0, 1] == 1.0


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"weight": None}, "expected a weight of every edge or of none, found none of 'b' -> 'a'"),
        ({"weight": float("nan")}, "must be finite, found NaN"),
        ({"weight": ""}, "must be a number, found ''"),
        ({}, "expected a weight of every edge or of none, found none of 'b' -> 'a'"),
        ({"probability": 0.5}, "expected a probability of every edge or of none"),
    ],
)
def test_an_edge_without_a_number_beside_one_with_it_is_refused(told, message):
    digraph = nx.DiGraph([("a", "b", {"weight": 0.5}), ("b", "a", told)])
    for take in (graph_files.from_networkx, CausalGraph):
        with pytest.raises((ValueError, TypeError), match=message):
            take(digraph)


def test_rows_and_columns_of_a_data_frame_are_matched_by_name():
    table = pd.DataFrame([[0.0, 1.0], [0.0, 0.0]], index=["a", "b"], columns=["b", "a"])
    graph = CausalGraph(table)  # a -> a is 1
    assert graph.names == ("a", "b") and graph.edges.tolist() == [[1, 0], [0, 0]]
    ordered = CausalGraph(table, ["b", "a"])
    assert ordered.names == ("b", "a") and ordered.parents("a") == {1}
    plain = CausalGraph(pd.DataFrame([[0, 1], [0, 0]]))
    assert plain.names == ("v0", "v1") and plain.edges[0, 1] == 1


@pytest.mark.parametrize(
    ("index", "columns", "names", "message"),
    [
        (["a", "b"], ["a", "c"], (), "found rows 'a', 'b' and columns 'a', 'c'"),
        ([0, 1], ["a", "b"], (), "found rows 0, 1 and columns 'a', 'b'"),
        (["a", "a"], ["a", "a"], (), "each once, found rows 'a', 'a'"),
        (["a", "b"], ["a", "b"], ("x", "y"), "must be those of the graph, a, b, found x, y"),
    ],
)
def test_a_data_frame_whose_names_do_not_fit_is_refused(index, columns, names, message):
    with pytest.raises(ValueError, match=message):
        CausalGraph(pd.DataFrame(np.eye(2), index=index, columns=columns), names)


def test_a_digraph_keeps_its_names():
    digraph = nx.DiGraph([("b", "a")])
    assert CausalGraph(digraph).names == ("b", "a")
    assert CausalGraph(digraph, ["a", "b"]).parents("a") == {1}


# npz ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("member", ["about", "set_by"])
def test_a_member_of_an_npz_that_unpacks_to_much_is_refused_by_its_declared_size(member):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, edges=np.eye(2), **{member: np.zeros(4_000_000)})
    assert len(buffer.getvalue()) < 100_000
    with pytest.raises(ValueError, match=f"{member}.npy says that it unpacks to 32,000,128 bytes"):
        graph_files.loads(buffer.getvalue(), "npz")


def test_an_array_that_is_none_of_ours_is_not_unpacked():
    buffer, read = io.BytesIO(), []
    np.savez_compressed(buffer, edges=np.eye(2), other=np.zeros(4_000_000))
    with pytest.MonkeyPatch.context() as patch:
        opened = archives.open_member
        patch.setattr(archives, "open_member", lambda z, name: read.append(name) or opened(z, name))
        assert graph_files.loads(buffer.getvalue(), "npz").parents(0) == {0}
    assert read == ["edges.npy"]
