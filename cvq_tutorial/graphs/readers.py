"""Graphs that others wrote, as a strict networkx.DiGraph: JSON, CSV, GraphML, GML.

What is read is what stands there: two nodes of one id, an edge twice, an edge to a node that is not
listed, two graphs in one file are refused, not merged. A node is called by its `name`, else by its
`label` (as yEd and Gephi have it), else by its id.
"""

from __future__ import annotations

import csv
import io
import json
import re
import warnings
from collections.abc import Hashable, Iterable
from typing import Any
from xml.etree import ElementTree

import networkx as nx

Nodes = Iterable[tuple[Hashable, dict[str, Any]]]
Edges = Iterable[tuple[Hashable, Hashable, dict[str, Any]]]

ENDS = (("cause", "effect"), ("from", "to"), ("source", "target"))  # ours, bnlearn's, Gephi's
NUMBERS = ("probability", "prob", "p", "weight", "strength")
GRAPHML = "{http://graphml.graphdrawing.org/xmlns}"
YED = "{http://www.yworks.com/xml/graphml}"


def digraph(nodes: Nodes, edges: Edges, about: dict[str, Any] | None = None) -> nx.DiGraph:
    """A DiGraph of listed nodes and edges. ValueError for what is listed twice, or not at all."""
    result = nx.DiGraph(**(about or {}))
    for node, told in nodes:
        if node in result:
            raise ValueError(f"expected each node once, found {node!r} twice")
        result.add_nodes_from([(node, told)])
    for cause, effect, told in edges:
        for end in (cause, effect):
            if end not in result:
                listed = f"found {cause!r} -> {effect!r} but no node {end!r}"
                raise ValueError(f"expected edges between the listed nodes, {listed}")
        if result.has_edge(cause, effect):
            raise ValueError(f"expected each edge once, found {cause!r} -> {effect!r} twice")
        result.add_edges_from([(cause, effect, told)])
    return result


def named(graph: nx.DiGraph) -> nx.DiGraph:
    """The graph, where a node without `name` has its label as name, if it has one."""
    for _, told in graph.nodes(data=True):
        label = told.pop("label", None)
        if not told.get("name") and str(label or "").strip():
            told["name"] = str(label)
    return graph


# JSON --------------------------------------------------------------------------------------------


def from_json(data: bytes) -> nx.DiGraph:
    """Node-link JSON of networkx (edges in `edges` or `links`), D3 and what is like them.

    Ends of edges are ids; where no id is a number, whole numbers are places in the list of nodes
    (networkx before 2.0, D3).
    """
    told = json.loads(data, object_pairs_hook=_once, parse_constant=_no_number)
    if not isinstance(told, dict) or not {"nodes", "edges", "links"} & told.keys():
        raise ValueError("expected node-link JSON with the keys nodes and edges")
    if told.get("directed") is not True:
        raise ValueError(f"expected a directed graph, found directed: {told.get('directed')!r}")
    if told.get("multigraph"):
        raise TypeError("expected at most one edge from node to node, found a multigraph")
    if {"edges", "links"} <= told.keys():
        raise ValueError("expected edges or links, found both")
    listed = {"nodes": _rows(told, "nodes")}
    key = "links" if "links" in told else "edges"
    listed[key] = _rows(told, key)
    nodes = [(_end(row, "id", f"node {n}"), row) for n, row in enumerate(listed["nodes"])]
    ids = [node for node, _ in nodes]
    by_place = not any(isinstance(node, (int, float)) for node in ids)

    def end(row: dict, which: str, what: str) -> Hashable:
        found = _end(row, which, what)
        if by_place and isinstance(found, int) and 0 <= found < len(ids):
            return ids[found]
        return found

    edges = [
        (end(row, "source", f"edge {n}"), end(row, "target", f"edge {n}"), row)
        for n, row in enumerate(listed[key])
    ]
    about = told.get("graph") or {}
    about = dict(about) if isinstance(about, list) else about  # pairs, as networkx 1 wrote them
    if not isinstance(about, dict):
        raise ValueError(f"expected graph to be an object, found {about!r:.40}")
    return named(digraph(nodes, edges, about))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"expected each key once in an object, found {twice!r} twice")
    return told


def _no_number(text: str) -> float:
    raise ValueError(f"expected numbers, which must be finite, found {text}")


def _rows(told: dict, key: str) -> list[dict]:
    rows = told.get(key)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"expected {key}: a list of objects, found {rows!r:.40}")
    return rows


def _end(row: dict, key: str, what: str) -> Hashable:
    found = row.pop(key, None)
    if isinstance(found, bool) or not isinstance(found, (str, int, float)):
        raise ValueError(f"expected {what} with a text or number as {key}, found {found!r:.40}")
    return found


# CSV ---------------------------------------------------------------------------------------------


def from_csv(data: bytes) -> nx.DiGraph:
    """A table of edges: ours (cause, effect, ...), bnlearn's arcs (from, to), Gephi's edges.

    Blanks after commas are skipped if the head has them. `direction`, beside the `strength` of
    bnlearn, is the share of graphs with the edge in which it has this direction.
    """
    text = data.decode("utf-8-sig")
    head = next(csv.reader([text.partition("\n")[0].rstrip("\r")]), [])
    blanks = any(name != name.strip() for name in head)
    rows = [
        row for row in csv.reader(io.StringIO(text, newline=""), skipinitialspace=blanks) if row
    ]
    if blanks:
        rows = [[field.strip() for field in row] for row in rows]
    names = [name.strip().lower() for name in rows[0]] if rows else []
    ends = next((pair for pair in ENDS if set(pair) <= set(names)), None)
    if ends is None:
        found = ", ".join(rows[0]) if rows else "nothing"
        raise ValueError(f"expected the columns cause, effect (or from, to), found {found}")
    known = {*ends, *NUMBERS, "effect_is_set", "direction", "type", "id", "label", ""}
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"expected each column once, found {name!r} twice")
        if name not in known:
            wanted = ", ".join((*ends, NUMBERS[0], "effect_is_set"))
            raise ValueError(f"expected the columns {wanted}, found {name!r}")
    if len(numbers := [name for name in names if name in NUMBERS]) > 1:
        raise ValueError(f"expected one column of probabilities, found {' and '.join(numbers)}")
    result = nx.DiGraph()
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(names):
            raise ValueError(f"expected {len(names)} columns in each row, found {row}")
        _add_row(result, dict(zip(names, row, strict=True)), ends, numbers, f"row {number}")
    return result


def _add_row(
    graph: nx.DiGraph, told: dict[str, str], ends: tuple[str, str], numbers: list[str], what: str
) -> None:
    cause, effect = told[ends[0]], told[ends[1]]
    if not cause or not effect:
        raise ValueError(f"expected names of nodes, found a blank in {what}")
    if told.get("type", "directed").lower() != "directed":
        raise ValueError(f"expected directed edges, found {told['type']} in {what}")
    graph.add_nodes_from((cause, effect))
    if (is_set := told.get("effect_is_set", "")) != "":
        known = graph.nodes[effect].setdefault("set_by", float(is_set))
        if known != float(is_set):
            both = f"{known:g} and {float(is_set):g}"
            raise ValueError(f"expected one effect_is_set for {effect!r}, found {both}")
    if graph.has_edge(cause, effect):
        raise ValueError(f"expected each edge once, found {cause!r} -> {effect!r} twice")
    probability = {} if not numbers else {"probability": float(told[numbers[0]])}
    if "direction" in told and numbers == ["strength"]:
        probability["probability"] *= float(told["direction"])
    graph.add_edges_from([(cause, effect, probability)])


# GraphML and GML ---------------------------------------------------------------------------------


def from_graphml(data: bytes) -> nx.DiGraph:
    """GraphML of networkx, igraph, Gephi and yEd, with the defaults that its keys give."""
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ValueError("expected GraphML without a document type, found one")
    text = data.decode()
    root = ElementTree.fromstring(text)
    if len(graphs := list(root.iter(f"{GRAPHML}graph"))) > 1:
        raise ValueError(f"expected one graph, found {len(graphs)}")
    for graph in graphs:  # what is twice or missing; networkx would merge and add
        digraph(
            ((node.get("id"), {}) for node in graph.iter(f"{GRAPHML}node")),
            ((_seen(e).get("source"), e.get("target"), {}) for e in graph.iter(f"{GRAPHML}edge")),
        )
    keys = [(key.get("for"), key.get("attr.name")) for key in root.iter(f"{GRAPHML}key")]
    for key in keys:
        if keys.count(key) > 1 and key[1]:
            raise ValueError(f"expected each attribute once, found {key[1]!r} of {key[0]} twice")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # keys without a type hold texts: fine
        result = nx.parse_graphml(text)
    for what, several in (("node", result.nodes.values()), ("edge", result.edges.values())):
        for key, value in result.graph.pop(f"{what}_default", {}).items():
            for told in several:
                told.setdefault(key, value)
    for told in result.nodes.values():
        told |= {"label": told["label"].strip()} if isinstance(told.get("label"), str) else {}
    return named(result)


def _seen(edge: ElementTree.Element) -> ElementTree.Element:
    """The edge, if yEd draws it from source to target."""
    for arrows in edge.iter(f"{YED}Arrows"):
        ends = arrows.get("source", "none"), arrows.get("target", "none")
        if ends[0] != "none" or ends[1] == "none":
            found = f"{edge.get('source')} -> {edge.get('target')} with {ends[0]} and {ends[1]}"
            raise ValueError(f"expected an arrow at the target of each edge, found {found}")
    return edge


# a text in quotes, or a number with an exponent and no point, as igraph writes it: networkx takes
# `1e-05` for two things, 1 and an attribute `e` of -5
TEXT_OR_REAL = re.compile(r'"[^"]*"|(?<![\w.+-])([+-]?\d+)([eE][+-]?\d+)(?![\w.])')


def from_gml(data: bytes) -> nx.DiGraph:
    """GML of networkx, igraph and others."""
    text = TEXT_OR_REAL.sub(lambda at: f"{at[1]}.0{at[2]}" if at[1] else at[0], data.decode())
    return named(nx.parse_gml(text, label="id"))
