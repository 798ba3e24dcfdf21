"""Whatever stands in a graph file: another spelling of the same graph, or one typed line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from properties import FEW

from cvq_tutorial.graphs import files
from cvq_tutorial.graphs.graph import CausalGraph

FORMS = ["dot", "graphml", "gml", "json", "csv"]
TEXT = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Cn"], include_characters="\n\t"), min_size=1
)
NUMBER = st.one_of(st.just(0.0), st.floats(1e-12, 1.0))


@st.composite
def graphs(draw) -> CausalGraph:
    names = draw(st.lists(TEXT, min_size=1, max_size=4, unique=True))
    n = len(names)
    edges = draw(st.lists(NUMBER, min_size=n * n, max_size=n * n))
    set_by = draw(st.none() | st.lists(NUMBER, min_size=n, max_size=n))
    return CausalGraph(
        np.reshape(edges, (n, n)),
        names,
        action=draw(st.none() | TEXT),
        n=draw(st.integers(1, 10**6)),
        set_by=None if set_by is None else np.array(set_by),
        limit=draw(st.floats(0.01, 1.0)),
    )


def same(one: CausalGraph, two: CausalGraph) -> bool:
    return one.names == two.names and np.array_equal(one.edges, two.edges)


def read(data: bytes, form: str) -> CausalGraph | None:
    """The graph, or None after one typed line."""
    try:
        return files.loads(data, form)
    except (ValueError, TypeError) as error:
        assert str(error).startswith(f"no causal graph can be read from this {form}: ")
        assert "\n" not in str(error)
        return None


@pytest.mark.parametrize("form", [*FORMS, "npz"])
@FEW
@given(graph=graphs())
@example(graph=CausalGraph(np.eye(3), ("0", " ", "\u3000")))  # names of blanks
def test_whatever_is_written_is_read_as_it_was(form, graph):
    again = files.loads(files.dumps(graph, form), form)
    assert same(graph, again)
    assert (graph.set_by is None) == (again.set_by is None)
    assert graph.set_by is None or np.array_equal(graph.set_by, again.set_by)
    if form != "csv":
        assert (graph.action, graph.n, graph.limit) == (again.action, again.n, again.limit)


@pytest.mark.parametrize("form", [*FORMS, "npz", "dagitty"])
@FEW
@given(
    data=st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace"))
)
def test_whatever_bytes_they_are_one_line_if_no_graph(form, data):
    read(data, form)


@pytest.mark.parametrize("form", FORMS)
@FEW
@given(graph=graphs(), place=st.floats(0, 1))
def test_whatever_end_a_file_lost_it_has_no_edge_that_it_had_not(form, graph, place):
    data = files.dumps(graph, form)
    again = read(data[: int(place * len(data))], form)
    if form != "csv":  # which is a graph after any of its rows
        assert again is None or same(graph, again)
    elif again is not None:
        number = [graph.index(name) for name in again.names]
        assert not ((again.edges > 0) & (graph.edges[np.ix_(number, number)] == 0)).any()


@pytest.mark.parametrize("form", FORMS)
@FEW
@given(graph=graphs(), place=st.floats(0, 1), other=st.text(max_size=6))
def test_whatever_is_put_into_a_file_it_is_a_graph_or_one_line(form, graph, place, other):
    data = files.dumps(graph, form).decode()
    at = int(place * len(data))
    again = read((data[:at] + other + data[at:]).encode("utf-8", "replace"), form)
    assert again is None or np.isfinite(again.edges).all()


STATEMENTS = [
    ("x -> y", [("x", "y")]),
    ("x -> y [dir=back]", [("y", "x")]),
    ("x -> y [dir=both, arrowtail=none]", [("x", "y")]),
    ("x -> y -> z", [("x", "y"), ("y", "z")]),
    ("{x y} -> z", [("x", "z"), ("y", "z")]),
    ("z -> {x; y}", [("z", "x"), ("z", "y")]),
    ("subgraph s { z -> y }", [("z", "y")]),
    ("subgraph { edge [dir=back]; z -> y }", [("y", "z")]),
    ("x [label=x]", []),
    ("{rank=same; x; z}", []),
    ("/* z -> x */", []),
    ("x -> y [dir=none]", None),
    ("x -> y [style=invis]", None),
    ("x -- y", None),
]


@FEW
@given(st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=5), st.sampled_from([" ", ";\n"]))
def test_whatever_statements_of_dot_they_mean_what_their_picture_shows(statements, between):
    text = "digraph { x y z " + between.join(said for said, _ in statements) + " }"
    wanted = [edge for _, edges in statements for edge in edges or []]
    graph = read(text.encode(), "dot")
    if any(edges is None for _, edges in statements) or len(set(wanted)) < len(wanted):
        assert graph is None
    else:
        assert graph is not None
        found = {(graph.names[i], graph.names[j]) for i, j in np.argwhere(graph.edges > 0)}
        assert found == set(wanted)
