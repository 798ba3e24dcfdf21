"""Effects mask and graph against what is known: pure functions of arrays, numpy only.

As in `metrics`, all functions return plain Python numbers, never NaN, and each docstring says what
is done where a number is undefined. Orientation everywhere: row = cause, column = effect.

Letters: B transitions, N nodes, C codebooks, A actions, M scores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cvq_tutorial.common.arrays import EDGE_AT, checked


def _square(name: str, values: ArrayLike) -> NDArray[np.float64]:
    array = checked(name, values, "probabilities", (None, None, None))
    if array.shape[1] != array.shape[2]:
        raise ValueError(f"{name} must have shape (any, N, N), found {array.shape}")
    return array


def _precision_recall(found: NDArray, truth: NDArray) -> tuple[float, float, float]:
    """(precision, recall, F1); an empty side scores 1 if the other is empty too, else 0."""
    both = float((found & truth).sum())
    n_found, n_true = int(found.sum()), int(truth.sum())
    precision = both / n_found if n_found else float(n_true == 0)
    recall = both / n_true if n_true else float(n_found == 0)
    f1 = 2 * both / (n_found + n_true) if n_found + n_true else 1.0
    return precision, recall, f1


def mask(mask_prob: ArrayLike, changed: ArrayLike, threshold: float = EDGE_AT) -> dict[str, float]:
    """Does the effects mask mark the codes that change?

    mask_prob: (B, N, C), probability that the action sets a code.
    changed: booleans (B, N, C), codes of x and y differ.
    Returns precision, recall, f1 of `mask_prob >= threshold`, density (share of codes marked) and
    changed (share that changed). Nothing marked and nothing changed is a perfect answer (1); one of
    the two empty gives 0.
    """
    probability = checked("mask_prob", mask_prob, "probabilities", (None, None, None))
    truth = checked("changed", changed, "booleans", probability.shape)
    found = probability >= threshold
    precision, recall, f1 = _precision_recall(found, truth)
    return {
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "density": float(found.mean()),
        "changed": float(truth.mean()),
    }


def graph_density(
    graph_prob: ArrayLike, set_node: ArrayLike, threshold: float = EDGE_AT
) -> dict[str, float]:
    """How many causes the nodes that are set have.

    graph_prob: (B, N, N), `[b, i, j]` is the probability that i is a cause of j.
    set_node: booleans (B, N), the action sets node j. Edges into a node that is copied are never
        used, so they do not count.
    Returns edges_per_set_node (own edge included) and density (the same over N); both 0 if no node
    is set.
    """
    probability = _square("graph_prob", graph_prob)
    chosen = checked("set_node", set_node, "booleans", probability.shape[:2])
    causes = (probability >= threshold).sum(axis=1)[chosen]  # one count per set node
    per_node = float(causes.mean()) if causes.size else 0.0
    return {"edges_per_set_node": per_node, "density": per_node / probability.shape[1]}


def auroc(scores: ArrayLike, truth: ArrayLike) -> float:
    """Probability that a true entry scores higher than a false one; ties count one half.

    scores: (M,); truth: booleans (M,). With one class nothing can be ranked: the answer is 0.5.
    """
    values = checked("scores", scores, "numbers", (None,))
    positive = checked("truth", truth, "booleans", values.shape)
    n_positive = int(positive.sum())
    n_negative = len(values) - n_positive
    if n_positive == 0 or n_negative == 0:
        return 0.5
    _, group, size = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(size)
    rank = (last - (size - 1) / 2)[group]  # 1-based, tied scores share the middle of their ranks
    above = rank[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * n_negative))


def graph_recovery(
    prob: ArrayLike, truth: ArrayLike, targets: ArrayLike, threshold: float = EDGE_AT
) -> dict[str, float | int]:
    """The learned graph against a known one.

    prob: (A, N, N) edge probabilities, `[a, i, j]` = i is a cause of j under action a.
    truth: booleans (A, N, N).
    targets: booleans (A, N), nodes that the action sets. Only entries into targets are judged: no
        other edge has a meaning.
    Returns edge_f1 of `prob >= threshold`, edge_auroc (needs no threshold; 0.5 where one class is
    missing), and shd, the structural Hamming distance summed over actions: missing plus extra
    edges, an edge found the wrong way round counted once.
    """
    probability = _square("prob", prob)
    known = checked("truth", truth, "booleans", probability.shape)
    chosen = checked("targets", targets, "booleans", probability.shape[:2])
    if not chosen.any():
        raise ValueError("targets must mark at least one node, found none")
    judged = np.broadcast_to(chosen[:, None, :], probability.shape)
    found = (probability >= threshold) & judged
    known = known & judged
    extra, missing = found & ~known, known & ~found
    turned = int((extra & missing.transpose(0, 2, 1)).sum())
    return {
        "edge_f1": _precision_recall(found, known)[2],
        "edge_auroc": auroc(probability[judged], known[judged]),
        "shd": int(extra.sum()) + int(missing.sum()) - turned,
    }


def agreement(
    edges: ArrayLike, set_nodes: ArrayLike, threshold: float = EDGE_AT
) -> dict[str, float]:
    """How far graphs agree whose trainings differ in their start only.

    edges: (S, N, N) probabilities, a graph per training, S at least 2.  set_nodes: booleans (S, N).
    Only edges into nodes that every training sets are counted.
    Returns graphs, S; nodes_set_by_all and nodes_set_by_any, numbers of nodes; edges, how many a
        graph has on average; shared, the share of these that all have; chance, what that share
        would be if each graph kept its number of causes of each node and drew which ones. Without
        an edge both shares are 0.
    """
    found = _square("edges", edges) >= threshold  # (S, N, N)
    sets = np.asarray(set_nodes, dtype=bool)
    if len(found) < 2 or sets.shape != found.shape[:2]:
        raise ValueError(
            "expected at least two graphs and set_nodes of shape (S, N), found edges "
            f"{found.shape} and set_nodes {sets.shape}"
        )
    into = found[:, :, sets.all(0)]  # (S, N, nodes set by all)
    mean = float(into.sum((1, 2)).mean())
    by_chance = float(into.mean(1).prod(0).sum() * found.shape[1])
    return {
        "graphs": len(found),
        "nodes_set_by_all": int(sets.all(0).sum()),
        "nodes_set_by_any": int(sets.any(0).sum()),
        "edges": mean,
        "shared": float(into.all(0).sum()) / mean if mean else 0.0,
        "chance": by_chance / mean if mean else 0.0,
    }
