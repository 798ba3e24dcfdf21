"""A graph without learning: which variables depend on which, by a test of independence per pair.

For every action, cause i and effect j the G-test (likelihood ratio) asks whether y_j depends on
x_i. It needs no model and no training, and it is the first thing a statistician would try. It sees
a parent only if that parent matters *alone*, averaged over the others: of two parents that work
only together it may see none.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc  # of a chi-squared variable, to be larger: (freedom, value)

from cvq_tutorial.graphs import scores as graph_metrics
from cvq_tutorial.worlds.world import World

ALPHA = 0.01


def checked(
    x: NDArray, actions: NDArray, y: NDArray, n_codes: int
) -> tuple[NDArray, NDArray, NDArray]:
    """The same as arrays, or ValueError: x and y (B, N) in [0, n_codes), actions (B,)."""
    x, y, actions = np.asarray(x), np.asarray(y), np.asarray(actions)
    if x.ndim != 2 or x.shape != y.shape or actions.shape != x.shape[:1]:
        raise ValueError(
            f"expected x and y of one shape (B, N) and actions (B,), found {x.shape}, {y.shape}, "
            f"{actions.shape}"
        )
    for name, values in (("x", x), ("y", y)):
        if values.size and not (values.min() >= 0 and values.max() < n_codes):
            raise ValueError(f"{name}: expected codes in 0..{n_codes - 1}")
    return x, actions, y


def pair_p_values(
    x: NDArray, actions: NDArray, y: NDArray, n_codes: int, n_actions: int
) -> NDArray[np.float64]:
    """P values (A, N, N) of "y_j is independent of x_i under action a", at [a, i, j].

    x, y: codes before and after, integers (B, N) in [0, n_codes).  actions: (B,).  Degrees of
    freedom count the codes that occur; an action that never occurs, or a pair in which one side is
    constant, gives 1.
    """
    x, actions, y = checked(x, actions, y, n_codes)
    n = x.shape[1]
    one = np.eye(n_codes, dtype=np.float64)
    found = np.ones((n_actions, n, n))
    for action in range(n_actions):
        rows = actions == action
        if not rows.any():
            continue
        before, after = (one[v[rows]].reshape(rows.sum(), -1) for v in (x, y))  # (b, N K)
        joint = (before.T @ after).reshape(n, n_codes, n, n_codes).transpose(0, 2, 1, 3)
        left, right = joint.sum(3), joint.sum(2)  # (N, N, K) each
        expected = left[..., None] * right[..., None, :] / rows.sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(joint > 0, joint * np.log(joint / expected), 0.0)
        freedom = ((left > 0).sum(2) - 1) * ((right > 0).sum(2) - 1)
        p = chdtrc(np.maximum(freedom, 1), 2 * terms.sum((2, 3)))
        found[action] = np.where(freedom > 0, p, 1.0)
    return found


def independence_graph(
    x: NDArray, actions: NDArray, y: NDArray, n_codes: int, n_actions: int, alpha: float = ALPHA
) -> NDArray[np.float64]:
    """Edge scores (A, N, N) in [0, 1], at least one half where independence is refused.

    The level `alpha` is shared among all pairs of an action (Bonferroni); the score falls with p.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha: expected a level in (0, 1), found {alpha}")
    level = alpha / x.shape[1] ** 2
    return level / (level + pair_p_values(x, actions, y, n_codes, n_actions))


def evaluate_independence(world: World, recipe: Any, seed: int = 0) -> dict:
    """The graph part of `metrics.json` for this baseline on a world of codes.

    It sees the transitions that the method would be trained on. Raises ValueError for a world
    without a known graph.
    """
    if world.has_images:
        raise ValueError(f"expected a world with a known graph, found {world.name!r}")
    began = time.perf_counter()
    seen = world.sample(recipe.transitions, "train", seed)
    x, y = seen.x[..., 0], seen.y[..., 0]
    scores = independence_graph(x, seen.actions, y, world.n_codes, world.n_actions)
    graph = graph_metrics.graph_recovery(scores, world.graph, world.targets)
    return {
        "world": world.name,
        "baseline": "independence",
        "seed": seed,
        "graph": graph,
        "seconds": {"total": round(time.perf_counter() - began, 1)},
    }
