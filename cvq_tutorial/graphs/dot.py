"""The language DOT, as far as a causal graph needs it: written for graphviz, read without it.

Read are `digraph` and `strict digraph` with node, edge and attribute statements, chains
`a -> b -> c`, quotes and comments. Refused are undirected graphs, subgraphs, ports and HTML labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import networkx as nx

from cvq_tutorial.common.arrays import counts

TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/|^\#[^\n]*)
    |(?P<quoted>"(?:[^"\\]|\\.)*")
    |(?P<word>[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*|-?(?:\.\d+|\d+(?:\.\d*)?))
    |(?P<sign>->|--|[{}\[\]=;,:<>+])""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)


def write(graph: nx.DiGraph, grid: tuple[int, int] | None = None) -> str:
    """A DiGraph of named nodes, as `graph_files.to_networkx` makes it, as DOT.

    Nodes are n0, n1, ... with their names as labels. Set nodes are filled, likelier edges wider.
    With a grid, `neato -n2` puts the nodes where they are in the image.
    """
    lines = ["digraph causes {"]
    lines += [f"  {key}={_quoted(str(value))};" for key, value in graph.graph.items()]
    lines.append("  node [shape=box, style=rounded];")
    number = {name: i for i, name in enumerate(graph)}
    for name, told in graph.nodes(data=True):
        shown = {"label": name, **{k: repr(v) for k, v in told.items()}}
        if counts(told.get("set_by", 0)):
            shown |= {"style": "rounded,filled", "fillcolor": "#f6d57a"}
        if grid is not None:
            place = number[name] % (grid[0] * grid[1])
            shown["pos"] = f"{72 * (place % grid[1])},{-72 * (place // grid[1])}"
        lines.append(f"  n{number[name]} [{_attributes(shown)}];")
    for cause, effect, told in graph.edges(data=True):
        p = told["probability"]
        shown = {"probability": repr(p), "penwidth": f"{0.5 + 2 * p:.2f}"}
        lines.append(f"  n{number[cause]} -> n{number[effect]} [{_attributes(shown)}];")
    return "\n".join([*lines, "}"]) + "\n"


def read(text: str) -> nx.DiGraph:
    """The DiGraph of a DOT text: attributes as texts, the `label` of a node as `name`.

    Raises ValueError with one line for what is not understood.
    """
    tokens = list(_tokens(text))
    if tokens[:1] == [("word", "strict")]:
        del tokens[0]
    kind = tokens[0][1].lower() if tokens else "nothing"
    if kind != "digraph":
        raise ValueError(f"expected a digraph, found {kind}")
    del tokens[0]
    if tokens and tokens[0][0] != "sign":
        del tokens[0]  # its name
    if tokens[:1] != [("sign", "{")] or tokens[-1] != ("sign", "}"):
        raise ValueError("expected { ... } after digraph")
    result, at = nx.DiGraph(), 1
    try:
        while at < len(tokens) - 1:
            at = _statement(tokens, at, result)
    except IndexError:
        raise ValueError("expected an end of the last statement, found none") from None
    return result


def _statement(tokens: list[tuple[str, str]], at: int, graph: nx.DiGraph) -> int:
    """Read one statement into the graph; returns where the next one starts."""
    if tokens[at] in (("sign", ";"), ("sign", ",")):
        return at + 1
    nodes, word = [_name(tokens[at])], tokens[at][0] == "word"
    at += 1
    if tokens[at] == ("sign", "="):
        graph.graph[nodes[0]] = _shown(_name(tokens[at + 1]))
        return at + 2
    while tokens[at] == ("sign", "->"):
        nodes.append(_name(tokens[at + 1]))
        at += 2
    told: dict[str, str] = {}
    while tokens[at] == ("sign", "["):
        at += 1
        while tokens[at] != ("sign", "]"):
            if tokens[at] in (("sign", ";"), ("sign", ",")):
                at += 1
                continue
            key, equals = _name(tokens[at]), tokens[at + 1]
            if equals != ("sign", "="):
                raise ValueError(f"expected {key}=value, found {key} {equals[1]}")
            told[key] = _shown(_name(tokens[at + 2]))
            at += 3
        at += 1
    if tokens[at][1] in ("--", ":", "<", "{", "+", "="):
        raise ValueError(f"expected nodes, edges and attributes, found {tokens[at][1]!r}")
    if len(nodes) == 1 and word and nodes[0].lower() in ("graph", "node", "edge"):
        if nodes[0].lower() == "graph":
            graph.graph.update(told)
        return at
    label = told.pop("label", None)
    if len(nodes) == 1:
        graph.add_node(nodes[0], **told, **({} if label is None else {"name": label}))
    for cause, effect in pairwise(nodes):
        if graph.has_edge(cause, effect):
            raise ValueError(f"expected each edge once, found {cause} -> {effect} twice")
        graph.add_edge(cause, effect, **told)
    return at


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            line = text.count("\n", 0, at) + 1
            raise ValueError(f"line {line}: {text[at : at + 12]!r} is no DOT")
        if match.lastgroup != "space":
            yield str(match.lastgroup), match.group()
        at = match.end()


def _name(token: tuple[str, str]) -> str:
    """The text of a name or a value; within quotes only the quote itself is escaped."""
    if token[0] == "sign":
        raise ValueError(f"expected a name, found {token[1]!r}")
    if token[0] == "quoted":
        return token[1][1:-1].replace("\\\n", "").replace('\\"', '"')
    if token[1].lower() == "subgraph":
        raise ValueError("expected a graph without subgraphs, found one")
    return token[1]


def _shown(label: str) -> str:
    r"""The text that a label shows: \n, \l and \r end a line, \\ is one backslash."""
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] in "nlr" else m[1], label)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _attributes(told: dict[str, str]) -> str:
    return ", ".join(f"{key}={_quoted(value)}" for key, value in told.items())
