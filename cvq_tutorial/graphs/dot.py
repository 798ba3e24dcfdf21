"""The language DOT, and dagitty's, as far as a causal graph needs them; no graphviz is needed.

The syntax is read by a grammar (lark, LALR: 1.3 s for a full graph of 64 nodes, where pydot takes
19 s, and passes over what it does not understand at the end). The meaning is checked here, since
most of DOT is about drawing: what a reader of the picture would not see as `x -> y` is turned or
refused, never taken as written.

- `dir`, `arrowhead`, `arrowtail`, on the edge or as a default: one end with an arrow and one
  without is a directed edge, turned if need be; all else is refused, as is `style=invis`.
- `{a b} -> c` is two edges; a subgraph that only sets ranks or a frame adds nothing.
- The `label` of a node is its name, else its id is.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise, product
from typing import Any

import networkx as nx
import numpy as np

from cvq_tutorial.common.arrays import counts

GRAMMAR = r"""
start: graph+
graph: STRICT? KIND id? block ";"?
block: "{" (_statement | ";")* "}"
_statement: setting | default | chain
setting: id "=" value
default: (GRAPH | NODE | EDGE) attributes+
chain: _end (ARROW _end)* attributes*
_end: node | subgraph
subgraph: (SUBGRAPH id?)? block
node: id (":" id)~0..2
attributes: "[" (attribute ("," | ";")?)* "]"
attribute: id ["=" value]
value: id | HTML
id: WORD | NUMBER | QUOTED ("+" QUOTED)*

STRICT.3: /strict\b/i
KIND.3: /(digraph|graph|dag|pdag|mag|pag)\b/i
SUBGRAPH.3: /subgraph\b/i
GRAPH.3: /graph\b/i
NODE.3: /node\b/i
EDGE.3: /edge\b/i
ARROW.2: /<->|<-|->|--/
WORD: /[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_.\x80-\U0010ffff]*/
NUMBER: /-?(\.\d+|\d+(\.\d*)?)(?![A-Za-z_.])/
QUOTED: /"(?:[^"\\]|\\.)*"/s
HTML: /<(?:[^<>]|<[^<>]*>)*>/s
%ignore /\s+|\/\/[^\n]*|\/\*.*?\*\//s
%ignore /^\#[^\n]*/m
"""
WORDS = {"strict", "graph", "digraph", "subgraph", "node", "edge"}  # no ids, in any case
COMPASS = {"n", "ne", "e", "se", "s", "sw", "w", "nw", "c", "_"}
ARROW = re.compile(r"o?[lr]?(normal|vee)|empty|open|halfopen")


# Writing -----------------------------------------------------------------------------------------


def write(graph: nx.DiGraph, grid: tuple[int, int] | None = None) -> str:
    """A DiGraph of named nodes, as `files.to_networkx` makes it, as DOT.

    Ids are the names; where a name is hard for other readers, n0, n1, ... with the name as label.
    Set nodes are filled, likelier edges wider. With a grid, `neato -n2` puts the nodes where they
    are in the image.
    """
    lines = ["strict digraph causes {"]
    lines += [f"  {key}={_value(value)};" for key, value in graph.graph.items()]
    lines.append("  node [shape=box, style=rounded];")
    ids = _ids(list(graph))
    for number, (name, told) in enumerate(graph.nodes(data=True)):
        shown: dict[str, Any] = {"label": name, **told}
        if counts(told.get("set_by", 0)):
            shown |= {"style": "rounded,filled", "fillcolor": "#f6d57a"}
        if grid is not None:
            place = number % (grid[0] * grid[1])
            shown["pos"] = f"{72 * (place % grid[1])},{-72 * (place // grid[1])}"
        lines.append(f"  {ids[name]} [{_attributes(shown)}];")
    for cause, effect, told in graph.edges(data=True):
        shown = {**told, "penwidth": round(0.5 + 2 * told["probability"], 2)}
        lines.append(f"  {ids[cause]} -> {ids[effect]} [{_attributes(shown)}];")
    return "\n".join([*lines, "}"]) + "\n"


def _ids(names: list[str]) -> dict[str, str]:
    """The id of each node: its name in quotes, where every reader takes that as it stands."""
    plain = {n for n in names if re.fullmatch(r"[\w .()+-]*\w[\w .()+-]*", n) and n == n.strip()}
    plain -= {name for name in plain if name.lower() in WORDS}
    free = (f"n{i}" for i in range(2 * len(names)) if f"n{i}" not in plain)
    return {name: f'"{name}"' if name in plain else next(free) for name in names}


def _value(value: Any) -> str:
    """Numbers as numerals of DOT (which knows no exponents), texts in quotes."""
    if isinstance(value, (int, float)):
        return np.format_float_positional(value, trim="-")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _attributes(told: dict[str, Any]) -> str:
    return ", ".join(f"{key}={_value(value)}" for key, value in told.items())


# Reading -----------------------------------------------------------------------------------------


@cache
def _parser() -> Any:
    from lark import Lark  # here: who only writes needs no grammar

    return Lark(GRAMMAR, parser="lalr", maybe_placeholders=False)


def read(text: str, kind: str = "digraph") -> nx.DiGraph:
    """The DiGraph of a text: attributes as texts, the `label` of a node as `name`.

    Args:
        text: DOT, or with `kind="dag"` what dagitty writes.
        kind: the kind of graph that is expected, "digraph" or "dag".

    Raises:
        ValueError: one line that says what was expected and found, with the line or the edge.
    """
    from lark import UnexpectedCharacters, UnexpectedInput

    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise ValueError(f"expected a {kind}, found nothing")
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        found = str(getattr(error, "token", ""))
        if isinstance(error, UnexpectedCharacters):
            found = text[error.pos_in_stream or 0 :][:12]
        if not found:
            raise ValueError("expected a } at the end, found the end of the text") from None
        raise ValueError(f"line {error.line}: expected a {kind}, found {found!r}") from None
    if len(tree.children) > 1:
        raise ValueError(f"expected one graph, found {len(tree.children)}")
    head, body = tree.children[0].children[:-1], tree.children[0].children[-1]
    found = next(str(token).lower() for token in head if getattr(token, "type", "") == "KIND")
    if found != kind:
        raise ValueError(f"expected a {kind}, found a {found}")
    reader = _Reader(kind)
    reader.block(body, {}, {}, root=True)
    for node, told in reader.graph.nodes(data=True):
        _visible(told, node)
        name = _shown(told.pop("label", ""), node)
        told |= {"name": name} if name else {}
    return reader.graph


class _Reader:
    """Walks a tree of the grammar; `graph` is what it says."""

    def __init__(self, kind: str) -> None:
        self.graph, self.dag = nx.DiGraph(), kind == "dag"

    def block(self, tree: Any, node: dict, edge: dict, root: bool = False) -> list[str]:
        """Read { ... } under defaults of nodes and edges; returns the nodes in it."""
        node, edge, inside = dict(node), dict(edge), dict[str, None]()
        for part in tree.children:
            if part.data == "setting":
                if root:
                    self.graph.graph[_text(part.children[0])] = _shown(_text(part.children[1]))
            elif part.data == "default":
                told = self.attributes(part.children[1:])
                scope = {"node": node, "edge": edge}.get(str(part.children[0]).lower())
                if scope is not None:
                    scope.update(told)
                elif root:
                    self.graph.graph.update({key: _shown(text) for key, text in told.items()})
            else:
                inside |= dict.fromkeys(self.chain(part, node, edge))
        return list(inside)

    def chain(self, tree: Any, node: dict, edge: dict) -> list[str]:
        """Read `a`, `a -> b -> {c d}`, with attributes; returns the nodes in it."""
        parts = [part for part in tree.children if getattr(part, "data", "") != "attributes"]
        told = self.attributes(tree.children[len(parts) :])
        ends = [self.end(part, node, edge) for part in parts[::2]]
        if len(ends) == 1 and parts[0].data == "node":
            self.graph.nodes[ends[0][0]].update(told)
        for arrow, (causes, effects) in zip(parts[1::2], pairwise(ends), strict=True):
            for cause, effect in product(causes, effects):
                self.edge(cause, str(arrow), effect, edge | told)
        return [name for end in ends for name in end]

    def end(self, part: Any, node: dict, edge: dict) -> list[str]:
        if part.data == "subgraph":
            return self.block(part.children[-1], node, edge)
        name, *ports = [_text(child) for child in part.children]
        if set(ports) - COMPASS:
            raise ValueError(f"expected nodes without ports, found {':'.join((name, *ports))}")
        if name not in self.graph:
            self.graph.add_node(name, **node)
        return [name]

    def edge(self, cause: str, arrow: str, effect: str, told: dict) -> None:
        found = f"{cause} {arrow} {effect}"
        _visible(told, found)
        if arrow not in (("->", "<-") if self.dag else ("->",)):
            raise ValueError(f"expected directed edges, found {found}")
        way = told.get("dir", "forward").lower()
        head = told.get("arrowhead", "normal") if way in ("forward", "both") else "none"
        tail = told.get("arrowtail", "normal") if way in ("back", "both") else "none"
        marks = ", ".join(f"{k}={told[k]}" for k in ("dir", "arrowhead", "arrowtail") if k in told)
        if "none" not in (head, tail) or not ARROW.fullmatch(head if tail == "none" else tail):
            raise ValueError(f"expected an arrow at one end of each edge, found {found} [{marks}]")
        if (head == "none") != (arrow == "<-"):
            cause, effect = effect, cause
        if self.graph.has_edge(cause, effect):
            raise ValueError(f"expected each edge once, found {cause} -> {effect} twice")
        self.graph.add_edge(cause, effect, **told)

    def attributes(self, lists: list[Any]) -> dict[str, str]:
        told = {}
        for attribute in (one for several in lists for one in several.children):
            key, *value = [_text(child) for child in attribute.children]
            if not value and not self.dag:
                raise ValueError(f"expected {key}=value, found {key}")
            if key == "label" and value and _is_html(attribute.children[1]):
                raise ValueError(f"expected labels of plain text, found HTML: {value[0]}")
            told[key] = value[0] if value else ""
        return told


def _text(tree: Any) -> str:
    """The text of an id or a value; within quotes only the quote itself is escaped."""
    if tree.data == "value":
        if _is_html(tree):
            return str(tree.children[0])
        tree = tree.children[0]
    parts = [str(token) for token in tree.children]
    if parts[0][0] != '"':
        return parts[0]
    return "".join(part[1:-1].replace("\\\n", "").replace('\\"', '"') for part in parts)


def _is_html(value: Any) -> bool:
    return getattr(value.children[0], "type", "") == "HTML"


def _visible(told: dict, what: str) -> None:
    if "invis" in told.get("style", "").replace(" ", "").split(","):
        raise ValueError(f"expected what can be seen, found {what} with style=invis")


def _shown(label: str, node: str = "") -> str:
    r"""The text that a label shows: \N is the id, \n, \l and \r end a line, \\ is one backslash."""

    def shown(match: re.Match[str]) -> str:
        if match[1] in "lr" and match.end() == len(label):
            return ""  # it only says on which side the last line stands
        return {"N": node, "n": "\n", "l": "\n", "r": "\n"}.get(match[1], match[1])

    return re.sub(r"\\(.)", shown, label, flags=re.DOTALL)
