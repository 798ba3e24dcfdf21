"""A causal graph as a file, and back: networkx, GraphML, GML, DOT, node-link JSON, CSV, npz.

All formats but CSV hold the whole `CausalGraph`; CSV holds names, edges and `set_by`. An edge of
probability 0 is not written (npz keeps the whole matrix), so files stay small after `threshold` or
`top_k`. Files that other tools wrote are read too, dagitty's text (`.dagitty`) among them; an edge
without a number is certain, if no edge has one. Nothing is unpickled, no other program is needed,
and a file that is damaged, undirected or no graph at all is refused with one line.

    save(graph, "hair.dot")             the ending says which format
    graph = load("hair.dot")
    data = dumps(graph, "graphml")      the same as bytes
    graph = loads(data, "graphml")
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from cvq_tutorial.common.archives import read_npz
from cvq_tutorial.common.arrays import EDGE_AT, as_graph
from cvq_tutorial.common.checks import close_match
from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.graphs import dot as graph_dot
from cvq_tutorial.graphs import readers
from cvq_tutorial.graphs.graph import MOST_NODES, CausalGraph

CSV_HEADER = ["cause", "effect", "probability", "effect_is_set"]
DIRECTION = "from cause to effect; in the matrix row = cause, column = effect"


# networkx ----------------------------------------------------------------------------------------


def to_networkx(graph: CausalGraph) -> nx.DiGraph:
    """A DiGraph whose nodes are the names, in order, with an edge for every probability above 0.

    Edges have `probability`, nodes `set_by` (where known), the graph `action`, `n`, `grid`,
    `codebooks`, `limit` and the direction in words.
    """
    result = nx.DiGraph(**_about(graph))
    for number, name in enumerate(graph.names):
        known = {} if graph.set_by is None else {"set_by": float(graph.set_by[number])}
        result.add_node(name, **known)
    for i, j in np.argwhere(graph.edges > 0).tolist():
        probability = float(graph.edges[i, j])
        result.add_edge(graph.names[i], graph.names[j], probability=probability)
    return result


def from_networkx(graph: nx.DiGraph) -> CausalGraph:
    """The graph of a DiGraph.

    An edge's number is its `probability`, else `prob`, `p`, `weight` or a `label` that is a number:
    the first of these that any edge has, and then all must have it; else all are 1. Nodes are named
    by their attribute `name` if they have it, else by themselves; what `to_networkx` adds is read
    back if it is there. Raises TypeError for an undirected graph, a multigraph or what is no
    number, ValueError for no nodes, more than 4,096, values that are no probabilities, or `set_by`
    of some nodes only.
    """
    if not hasattr(graph, "is_directed"):
        raise TypeError(f"expected a networkx.DiGraph, found {type(graph).__name__}")
    if not 0 < len(graph) <= MOST_NODES:
        raise ValueError(f"expected 1 to {MOST_NODES} nodes, found {len(graph)}")
    nodes = [(told.get("name", node), told.get("set_by")) for node, told in graph.nodes(data=True)]
    known = [set_by for _, set_by in nodes if set_by is not None]
    if known and len(known) < len(nodes):
        found = f"found it for {len(known)} of {len(nodes)}"
        raise ValueError(f"expected set_by for all nodes or for none, {found}")
    about = graph.graph
    return CausalGraph(
        as_graph(graph),
        tuple(str(name) for name, _ in nodes),
        action=about.get("action"),
        n=int(about.get("n", 1)),
        set_by=np.array(known, dtype=float) if known else None,
        grid=_grid(about.get("grid")),
        codebooks=int(about.get("codebooks", 1)),
        limit=float(about.get("limit", EDGE_AT)),
    )


def _about(graph: CausalGraph) -> dict[str, Any]:
    """What is known of the whole graph, as values that every format can hold."""
    told = {
        "direction": DIRECTION,
        "action": graph.action,
        "n": graph.n,
        "grid": None if graph.grid is None else " ".join(map(str, graph.grid)),
        "codebooks": graph.codebooks,
        "limit": graph.limit,
    }
    return {name: value for name, value in told.items() if value is not None}


def _grid(told: Any) -> tuple[int, int] | None:
    if told is None:
        return None
    rows, columns = told.split() if isinstance(told, str) else told
    return int(rows), int(columns)


# Formats: bytes and back -------------------------------------------------------------------------


def _graphml(graph: CausalGraph) -> bytes:
    plain = to_networkx(graph)
    numbered = nx.relabel_nodes(plain, {name: f"n{i}" for i, name in enumerate(graph.names)})
    for node, name in zip(numbered, graph.names, strict=True):
        numbered.nodes[node].update(name=name, label=name)  # `label` is what yEd and Gephi show
    return ("\n".join(nx.generate_graphml(numbered)) + "\n").encode()


def _gml(graph: CausalGraph) -> bytes:
    made = to_networkx(graph)
    for name in made:
        if not name.strip():  # a label of blanks is none, to those that read other tools' files
            made.nodes[name]["name"] = name
    return ("\n".join(nx.generate_gml(made)) + "\n").encode()


def _dot(graph: CausalGraph) -> bytes:
    return graph_dot.write(to_networkx(graph), graph.grid).encode()


def _json(graph: CausalGraph) -> bytes:
    told = nx.node_link_data(to_networkx(graph), edges="edges")
    return (json.dumps(told, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _csv(graph: CausalGraph) -> bytes:
    """One row per edge, after one row per node (to itself, of probability 0 if it has no own edge).

    So no node is lost and their order is kept.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(CSV_HEADER)
    set_by = [""] * graph.n_nodes if graph.set_by is None else graph.set_by.tolist()
    others = np.argwhere((graph.edges > 0) & ~np.eye(graph.n_nodes, dtype=bool)).tolist()
    for i, j in [*((n, n) for n in range(graph.n_nodes)), *others]:
        rows.writerow([graph.names[i], graph.names[j], float(graph.edges[i, j]), set_by[j]])
    return text.getvalue().encode()


def _npz(graph: CausalGraph) -> bytes:
    told = {**_about(graph), "names": graph.names}
    arrays = {"edges": graph.edges, "about": np.array(json.dumps(told))}
    if graph.set_by is not None:
        arrays["set_by"] = graph.set_by
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


MOST_BYTES = {  # what the arrays of an npz may unpack to
    "edges": 8 * MOST_NODES**2,
    "set_by": 8 * MOST_NODES,
    "about": 4096 * MOST_NODES,  # 1,024 characters for each name
}


def _from_npz(data: bytes) -> CausalGraph:
    arrays = read_npz(data, MOST_BYTES)
    if "edges" not in arrays:
        told = ", ".join(arrays) or f"none of {', '.join(MOST_BYTES)}"
        raise ValueError(f"expected an array edges, found {told}")
    told = json.loads(str(arrays["about"])) if "about" in arrays else {}
    return CausalGraph(
        arrays["edges"],
        tuple(told.get("names", ())),
        action=told.get("action"),
        n=told.get("n", 1),
        set_by=arrays.get("set_by"),
        grid=_grid(told.get("grid")),
        codebooks=told.get("codebooks", 1),
        limit=told.get("limit", EDGE_AT),
    )


def _through(read: Callable[[bytes], nx.DiGraph]) -> Callable[[bytes], CausalGraph]:
    return lambda data: from_networkx(read(data))


FORMATS: dict[str, Callable[[CausalGraph], bytes]] = {
    "dot": _dot,
    "graphml": _graphml,
    "gml": _gml,
    "json": _json,
    "csv": _csv,
    "npz": _npz,
}
READERS: dict[str, Callable[[bytes], CausalGraph]] = {
    "dot": _through(lambda data: graph_dot.read(data.decode())),
    "dagitty": _through(lambda data: graph_dot.read(data.decode(), "dag")),
    "graphml": _through(readers.from_graphml),
    "gml": _through(readers.from_gml),
    "json": _through(readers.from_json),
    "csv": _through(readers.from_csv),
    "npz": _from_npz,
}


# What one calls ----------------------------------------------------------------------------------


def dumps(graph: CausalGraph, form: str) -> bytes:
    """The graph as the content of a file; form: dot, graphml, gml, json, csv or npz."""
    return FORMATS[_known(form, FORMATS)](graph)


def loads(data: bytes, form: str) -> CausalGraph:
    """The graph in the content of a file; ValueError or TypeError, one line, if there is none."""
    try:
        return READERS[_known(form, READERS)](data)
    except Exception as error:  # a damaged file raises nearly anything
        told = " ".join(str(error).split()) or type(error).__name__
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"no causal graph can be read from this {form}: {told}") from None


def save(graph: CausalGraph, path: str | Path) -> Path:
    """Write the graph, whole or not at all; the ending of the name says the format."""
    path = Path(path)
    return write_atomic(path, dumps(graph, path.suffix.lower().lstrip(".")))


def load(path: str | Path) -> CausalGraph:
    """Read a graph that `save` or another program wrote; the ending says the format.

    Raises FileNotFoundError, or ValueError or TypeError with one line that names the file.
    """
    path = Path(path)
    form = _known(path.suffix.lower().lstrip("."), READERS)
    data = path.read_bytes()
    try:
        return loads(data, form)
    except (ValueError, TypeError) as error:
        raise type(error)(f"{path}: {error}") from None


def _known(form: str, forms: Iterable[str]) -> str:
    if form not in forms:
        raise ValueError(close_match("graph format", form, forms))
    return form
