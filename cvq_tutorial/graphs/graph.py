"""A learned causal graph as data: nodes with names, edge probabilities, and what can be asked of
them.

One convention everywhere: `edges[i, j]` is the probability that node i is a cause of node j. Row =
cause, column = effect.

An edge leads from the *old* code of its cause to the *new* code of its effect. So a cycle is no
contradiction (two nodes may each read what the other was before the action), an edge from a node to
itself says that the node reads its own old code, and ancestors are causes of causes when actions
are repeated. Edges into a node that the action does not set are scored by the model but never read:
`used()` drops them, and everything that counts edges means more after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvq_tutorial.common.arrays import (
    EDGE_AT,
    as_array,
    as_graph,
    as_marks,
    as_probabilities,
    check_grid,
    check_names,
    check_node_names,
    check_text,
    check_threshold,
    counts,
    graph_names,
)
from cvq_tutorial.common.checks import close_match, whole_number
from cvq_tutorial.graphs import (
    groups as graph_groups,
)
from cvq_tutorial.graphs import (
    paths as graph_paths,
)
from cvq_tutorial.graphs import (
    scores as graph_metrics,
)
from cvq_tutorial.graphs.difference import GraphDifference, same_nodes

ORIENTATIONS = {
    "row_is_cause": "M[i, j] is i -> j, as here, in networkx, igraph, gcastle and pgmpy",
    "row_is_effect": "M[i, j] is j -> i, as in lingam, and in any x = M x + noise",
}
MOST_NODES = 4096  # 134 MB of probabilities; a file that claims more is refused before it is filled


@dataclass(frozen=True, eq=False)
class CausalGraph:
    """Edge probabilities between named nodes, and where they come from.

    edges: (N, N) probabilities, `[i, j]` is "i is a cause of j"; array, tensor, networkx DiGraph or
        pandas DataFrame. Kept as float64 that cannot be written to.
    names: N different texts; without them those of the DiGraph or DataFrame (with them, its nodes
        in this order), else v0, v1, ... or, with a grid, r0c0, r0c1, ... (row, column), preceded by
        b0, b1, ... where there are several codebooks.
    action: the name of the action that the graph belongs to, or None.
    n: how many images (or, for a stability, graphs) were averaged.
    set_by: (N,) probability that the action sets the node, or None if unknown.
    grid: (rows, columns) of the code map, or None where nodes have no place in an image.
    codebooks: 1 where a node is a place; where a node is a place in one codebook, how many
        codebooks: node = codebook * rows * columns + place.
    limit: in (0, 1], an edge is there from this probability on.
    Raises ValueError or TypeError, naming expected and found.
    """

    edges: NDArray[np.float64]
    names: tuple[str, ...] = ()
    action: str | None = None
    n: int = 1
    set_by: NDArray[np.float64] | None = None
    grid: tuple[int, int] | None = None
    codebooks: int = 1
    limit: float = EDGE_AT

    def __post_init__(self) -> None:
        found = max((0, *getattr(self.edges, "shape", ())))
        if found > MOST_NODES:
            raise ValueError(f"expected at most {MOST_NODES} nodes, found {found}")
        edges = as_graph(self.edges, "edges")
        n_nodes = len(edges)
        own = graph_names(self.edges)  # of a DataFrame or DiGraph
        grid, n_books = self.grid, whole_number("codebooks", self.codebooks)
        if grid is not None:
            if n_nodes % n_books:
                raise ValueError(f"expected a multiple of {n_books} nodes, found {n_nodes}")
            grid = check_grid(grid, n_nodes // n_books)
        elif n_books != 1:
            raise ValueError(f"{n_books} codebooks need a grid, found None")
        names: Sequence[str] = self.names if len(self.names) else own
        if own and names is not own:
            if sorted(names) != sorted(own):
                raise ValueError(
                    f"names must be those of the graph, {', '.join(own[:8])}, found "
                    f"{', '.join(map(str, names[:8]))}"
                )
            order = [own.index(name) for name in names]
            edges = edges[np.ix_(order, order)]
        if len(names) == 0:
            names = (
                graph_groups.places(grid, n_books) if grid else [f"v{i}" for i in range(n_nodes)]
            )
        set_by = self.set_by
        if set_by is not None:
            set_by = as_probabilities(set_by, "set_by", (n_nodes,))
            set_by.setflags(write=False)
        edges.setflags(write=False)
        for field, value in (
            ("edges", edges),
            ("names", check_node_names(names, n_nodes)),
            ("action", None if self.action is None else check_text("action", str(self.action))),
            ("n", whole_number("n", self.n)),
            ("set_by", set_by),
            ("grid", grid),
            ("codebooks", n_books),
            ("limit", check_threshold(self.limit)),
        ):
            object.__setattr__(self, field, value)

    @classmethod
    def of(cls, model: Any, x: Any, action: int | str | None) -> CausalGraph:
        """The graph that a model sees under an action, averaged over a batch.

        model: a CausalVQ.  x: images (B, 3, H, W) or codes (B, N, C).
        action: number or name; None is no action, under which nothing is set and nothing is read:
            no edges.
        """
        codes = model.encode(x) if getattr(x, "ndim", 0) == 4 else model.check_codes(x)
        if not len(codes):
            raise ValueError("expected at least one image, found an empty batch")
        n_nodes = model.n_nodes
        edges, set_by, name = np.zeros((n_nodes, n_nodes)), np.zeros(n_nodes), None
        if action is not None:
            actions = model.check_actions(action, len(codes))
            name = model.action_names[int(actions[0])]
            for c, a in zip(codes.split(model.BATCH), actions.split(model.BATCH), strict=True):
                out = model.distribution(c, a)
                edges += out.edges.cpu().double().sum(0).numpy()
                set_by += out.mask.amax(-1).cpu().double().sum(0).numpy()
        n = len(codes)
        grid = model.grid if model.autoencoder is not None else None
        codebooks = n_nodes // (grid[0] * grid[1]) if grid else 1
        return cls(edges / n, (), name, n, set_by / n, grid, codebooks)

    @classmethod
    def from_matrix(
        cls,
        matrix: Any,
        orientation: str | None = None,
        names: Sequence[str] = (),
        at_least: float | None = None,
    ) -> CausalGraph:
        """The graph of another tool's matrix; `figures/exchange.md` says which way each one points.

        Args:
            matrix: (N, N) probabilities, or with `at_least` any numbers; array, tensor or pandas
                DataFrame.
            orientation: "row_is_cause" or "row_is_effect"; a matrix does not say it itself.
            names: N texts; those of a DataFrame if none are given.
            at_least: above 0; there is an edge (of probability 1) where the size of the entry is at
                least this, as for the coefficients of LiNGAM or NOTEARS.

        Raises:
            ValueError: no orientation, or numbers that are no probabilities without `at_least`.
        """
        if orientation not in ORIENTATIONS:
            told = "; ".join(f'"{word}" ({meaning})' for word, meaning in ORIENTATIONS.items())
            raise ValueError(f"expected orientation to be {told}; found {orientation!r}")
        if at_least is not None:
            if not at_least > 0:
                raise ValueError(f"at_least must be above 0, found {at_least}")
            matrix = abs(matrix) >= at_least
        elif np.any((values := as_array(matrix)) < 0) or (values > 1 + 1e-6).any():
            raise ValueError(
                f"expected probabilities in [0, 1], found {values.min():g} to {values.max():g}; "
                "for coefficients say from which size on they are edges, at_least=..."
            )
        return cls(matrix if orientation == "row_is_cause" else matrix.T, tuple(names))

    def __repr__(self) -> str:
        return f"<CausalGraph: {self.summary}>"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        return np.array(self.edges, dtype=dtype)  # what takes a matrix takes a graph

    @property
    def summary(self) -> str:
        """One line: what graph this is."""
        under = f", action {self.action}" if self.action is not None else ""
        return (
            f"{self.n_nodes} nodes, {int(self.present.sum())} edges of at least {self.limit:.2f}"
            f"{under}, mean of {self.n}"
        )

    @property
    def n_nodes(self) -> int:
        """N."""
        return len(self.edges)

    @property
    def present(self) -> NDArray[np.bool_]:
        """(N, N): the edges that are there, of probability `limit` or more."""
        return self.edges >= self.limit

    @property
    def set_nodes(self) -> NDArray[np.bool_]:
        """(N,): nodes that the action sets so surely that it counts; all if that is unknown."""
        if self.set_by is None:
            return np.ones(self.n_nodes, dtype=bool)
        return counts(self.set_by)

    def index(self, node: int | str) -> int:
        """The number of a node, given by name or number. Raises ValueError for one not there."""
        if isinstance(node, str):
            if node not in self.names:
                raise ValueError(close_match("node", node, self.names))
            return self.names.index(node)
        if not isinstance(node, (int, np.integer)) or not 0 <= node < self.n_nodes:
            raise ValueError(f"node must be a name or lie in 0..{self.n_nodes - 1}, found {node!r}")
        return int(node)

    # -- fewer edges

    def threshold(self, limit: float) -> CausalGraph:
        """The graph without its edges below `limit`, in (0, 1], which becomes its limit."""
        limit = check_threshold(limit)
        return replace(self, edges=np.where(self.edges >= limit, self.edges, 0.0), limit=limit)

    def top_k(self, k: int) -> CausalGraph:
        """The graph with only the k likeliest of the edges that are there.

        Equally likely ones are taken in the order of cause, then effect.
        """
        k = whole_number("k", k)
        rank = np.where(self.present, self.edges, 0.0)
        kept = np.zeros(rank.size, dtype=bool)
        kept[np.argsort(-rank, axis=None, kind="stable")[:k]] = True
        return replace(self, edges=np.where(kept.reshape(rank.shape), rank, 0.0))

    def used(self) -> CausalGraph:
        """The graph without edges into nodes that the action does not set: nobody reads those."""
        return replace(self, edges=self.edges * self.set_nodes)

    # -- who causes whom

    def parents(self, node: int | str) -> set[int]:
        """Numbers of the causes of a node, itself among them if it reads its own code."""
        return set(np.flatnonzero(self.present[:, self.index(node)]).tolist())

    def children(self, node: int | str) -> set[int]:
        """Numbers of the effects of a node."""
        return set(np.flatnonzero(self.present[self.index(node)]).tolist())

    def ancestors(self, node: int | str) -> set[int]:
        """Causes, their causes, and so on; without the node itself."""
        return graph_paths.reached(self.present.T, self.index(node))

    def descendants(self, node: int | str) -> set[int]:
        """Effects, their effects, and so on; without the node itself."""
        return graph_paths.reached(self.present, self.index(node))

    def pairs(self) -> list[tuple[int, int, float]]:
        """(cause, effect, probability) of the edges that are there, likeliest first."""
        order = np.argsort(-self.edges, axis=None, kind="stable")[: self.present.sum()]
        causes, effects = np.unravel_index(order, self.edges.shape)
        found = self.edges[causes, effects]
        return list(zip(causes.tolist(), effects.tolist(), found.tolist(), strict=True))

    def cycles(self, at_most: int = 100) -> list[tuple[int, ...]]:
        """Cycles as tuples of node numbers, each once, smallest number first, shortest cycle first.

        Fewer than `at_most` are all there are. Of more, those up to some length are complete and
        the rest is a choice: a full graph has more cycles than atoms to write them on.
        """
        return graph_paths.cycles(self.present, whole_number("at_most", at_most))

    # -- against others

    def difference(self, other: CausalGraph) -> GraphDifference:
        """This graph against another of the same nodes; ValueError if the nodes are others."""
        return GraphDifference(self, other)

    def scores(self, truth: Any, targets: Any = None) -> dict[str, float | int]:
        """How well this graph recovers a known one: edge_f1, edge_auroc, shd, see
        `graph_metrics.graph_recovery`; and of how many nodes the causes are judged and not_judged.

        truth: booleans (N, N), or a graph.  targets: booleans (N,), the nodes whose causes are
        judged; if None, those that have a cause in the truth. Then a wrong edge into a root costs
        nothing: not_judged says how many roots there are. To judge them too, mark all nodes.
        Score a graph before `threshold` or `top_k`: the AUROC wants all probabilities.
        """
        if isinstance(truth, CausalGraph):
            same_nodes(self, truth)
            truth = truth.present
        known = counts(as_probabilities(truth, "truth", self.edges.shape))
        judged = (
            np.asarray(known.any(axis=0))
            if targets is None
            else as_marks(targets, self.n_nodes, "targets")
        )
        if not judged.any():
            raise ValueError("expected a truth with edges, or targets, found neither")
        told = graph_metrics.graph_recovery(self.edges[None], known[None], judged[None], self.limit)
        return told | {"judged": int(judged.sum()), "not_judged": int((~judged).sum())}

    # -- fewer nodes

    def coarse(self, groups: Sequence[str], *, grid: tuple[int, int] | None = None) -> CausalGraph:
        """The graph between groups of nodes.

        groups: the name of each node's group, N texts; the groups stand in the order in which they
            first occur.  grid: (rows, columns) of the groups, if they have places in the image.
        The edge from I to J is the probability that a node of J has at least one cause in I, were
        edges independent, averaged over the nodes of J, each weighted by how surely it is set. A
        group is set as surely as the node of it that is most surely set.
        """
        labels = check_names(groups, self.n_nodes, "group names")
        names = tuple(dict.fromkeys(labels))
        member = np.array([[label == name for label in labels] for name in names])  # (G, N)
        none = np.ones((len(names), self.n_nodes))
        for group, nodes in enumerate(member):
            none[group] = np.prod(1 - self.edges[nodes], axis=0)
        weight = member * (1.0 if self.set_by is None else self.set_by)  # (G, N)
        total = weight.sum(1)
        share = weight / np.where(total > 0, total, 1.0)[:, None]
        set_by = None if self.set_by is None else (member * self.set_by).max(1)
        return replace(
            self, edges=(1 - none) @ share.T, names=names, set_by=set_by, grid=grid, codebooks=1
        )

    def by_region(self, block: int | None = None, at_most: int = 20) -> CausalGraph:
        """The graph between blocks of `block` x `block` places; all codebooks of a place together.

        block: if None, the smallest that leaves at most `at_most` nodes.
        """
        if self.grid is None:
            raise ValueError("nodes without a grid have no regions; see `coarse` for other groups")
        groups, grid = graph_groups.regions(self.grid, block, at_most)
        return self.coarse(groups * self.codebooks, grid=grid)

    def by_action(self, masks: Any, action_names: Sequence[str], at_most: int = 20) -> CausalGraph:
        """The graph between groups of nodes that the same actions set.

        masks: (A, N), see `masks_of`.  Names and sizes as `graph_groups.by_actions` makes them.
        """
        return self.coarse(graph_groups.by_actions(masks, action_names, at_most))


def masks_of(model: Any, x: Any) -> NDArray[np.float64]:
    """(A, N) probability that each action sets each node, averaged over a batch.

    model: a CausalVQ.  x: images (B, 3, H, W) or codes (B, N, C).
    """
    masks = [CausalGraph.of(model, x, action).set_by for action in model.action_names]
    return np.stack([mask for mask in masks if mask is not None])
