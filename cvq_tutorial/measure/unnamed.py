"""How well actions that nobody named were found; names are used here, and only here.

Intuition: an action code is a number without a meaning, so it is first matched with a true action:
one to one (each code at most once, the best of all ways, Kuhn 1955), or many to one (each code with
the action that it goes with most). The match is made on validation pairs, and counts on others.

What a result means: one to one asks for exactly one code per action; normalised mutual information
(NMI) and many to one forgive an action in pieces. Beside them stand chance (the same codes,
shuffled), one code for all (collapse), and k-means on what differs, in codes or in pixels.

When it misleads: many to one grows with the number of codes; and pairs that several actions explain
equally well (nothing changed) count as wrong for all but one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from cvq_tutorial.common.checks import whole_number
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.training.data import encoded_transitions
from cvq_tutorial.training.unnamed import named

SHUFFLES = 20  # over which chance is averaged
UNLIKELY = 0.05  # share of true pairs that are less likely than a way back must be


def match(weights: ArrayLike) -> NDArray[np.int64]:
    """The action that each code stands for, (M,), of how well they go together, (A, M): one to one.

    -1 for the codes that are left over, where there are more codes than actions.
    """
    from scipy.optimize import linear_sum_assignment  # slow to load

    table = np.asarray(weights, dtype=np.float64)
    actions = np.full(table.shape[1], -1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    actions[columns] = rows
    return actions


def codes_of(weights: ArrayLike) -> NDArray[np.int64]:
    """The code of each action, (A,): the one matched with it, or, where there are fewer codes than
    actions and none is left for it, the one that it goes with best.
    """
    table = np.asarray(weights, dtype=np.float64)
    actions, codes = match(table), table.argmax(1)
    codes[actions[actions >= 0]] = np.flatnonzero(actions >= 0)
    return codes


def together(true: ArrayLike, found: ArrayLike, n_actions: int, m: int) -> NDArray[np.int64]:
    """(A, M): how many pairs have this action and that code."""
    table = np.zeros((n_actions, m), dtype=np.int64)
    np.add.at(table, (np.asarray(true), np.asarray(found)), 1)
    return table


def scores(
    known: tuple[ArrayLike, ArrayLike],
    test: tuple[ArrayLike, ArrayLike],
    n_actions: int,
    m: int,
    factor_of: ArrayLike | None = None,
    names: tuple[str, ...] = (),
    seed: int = 0,
) -> dict[str, Any]:
    """How codes fit actions: known and test are (actions, codes), integers (B,) each.

    The match is made on `known`. factor_of: (A,), names: of factors, for numbers per factor.
    Returns one_to_one, many_to_one (shares of the test pairs), nmi, codes_used, factor, per_factor
    (accuracy of the action of a factor's pairs), and chance, what shuffled codes reach one to one.
    """
    from sklearn.metrics import normalized_mutual_info_score  # slow to load

    whole_number("action codes", m, 1)
    (a, c), (true, found) = ((np.asarray(u), np.asarray(v)) for u, v in (known, test))
    if not len(a) or not len(true):
        raise ValueError(f"expected pairs to match and to score, found {len(a)} and {len(true)}")

    def one_to_one(codes: NDArray, others: NDArray) -> NDArray:
        return match(together(a, codes, n_actions, m))[others] == true

    right = one_to_one(c, found)
    most = together(a, c, n_actions, m).argmax(0)
    rng = np.random.default_rng(seed)
    chance = [one_to_one(rng.permutation(c), rng.permutation(found)) for _ in range(SHUFFLES)]
    told: dict[str, Any] = {
        "codes": int(m),
        "codes_used": len(np.unique(found)),
        "one_to_one": float(right.mean()),
        "many_to_one": float((most[found] == true).mean()),
        "nmi": float(normalized_mutual_info_score(true, found)),
        "chance": float(np.mean(chance)),
        "one_code": float((true == np.bincount(a).argmax()).mean()),
    }
    if factor_of is not None:
        of = np.asarray(factor_of)
        told["factor"] = float((of[most[found]] == of[true]).mean())
        rows = {name: of[true] == f for f, name in enumerate(names)}
        told["per_factor"] = {n: float(right[r].mean()) for n, r in rows.items() if r.any()}
    return told


def k_means(features: ArrayLike, m: int, seed: int = 0) -> NDArray[np.int64]:
    """The cluster of each row of features (B, P), of m: a rival that looks at differences alone."""
    from sklearn.cluster import KMeans  # slow to load

    told = KMeans(m, n_init=3, random_state=seed).fit(np.asarray(features, dtype=np.float32))
    return told.labels_.astype(np.int64)


def code_differences(x: Tensor, y: Tensor) -> NDArray[np.float32]:
    """Which codes changed, (B, N * C) of 0 and 1, of codes (B, N, C)."""
    return (x != y).flatten(1).float().numpy()


def with_names(
    model: CausalVQ, world: Any, n: int = 1200, seed: int = 0
) -> tuple[CausalVQ, dict[str, Any]]:
    """The model with the names of the true actions that its codes fit best, and its scores.

    The match is made on n validation pairs, the scores are of n test pairs; of listed pairs only
    those count that have a name. Raises ValueError where a split has none.
    """
    space = world.factors if world.has_images else world
    told = []
    for split in ("valid", "test"):
        x, actions, y = encoded_transitions(world, model, n, split, seed)
        x, actions, y = (t[actions >= 0] for t in (x, actions, y))
        if not len(actions):
            raise ValueError(f"expected {split} pairs whose action has a name, found none")
        told.append((actions.numpy(), model.retrieve(x.long(), y.long()).actions.cpu().numpy()))
    names, a, m = list(space.action_names), len(space.action_names), model.n_actions
    known, test = told
    factors = world.has_images and not space.one_way
    factor_of = space.factor_of(np.arange(a)) if factors else None
    numbers = scores(known, test, a, m, factor_of, space.names if factors else (), seed)
    return named(model, codes_of(together(*known, a, m)).tolist(), names), numbers


# A few names --------------------------------------------------------------------------------------


def few_names(
    posterior: ArrayLike, features: ArrayLike, actions: ArrayLike, some: ArrayLike, n_actions: int
) -> dict[str, float]:
    """Accuracy on all other pairs where only `some` have a name: learnt codes, and a classifier.

    posterior: (B, M) of the action codes.  features: (B, P), what the classifier sees, a logistic
    regression on the named pairs.  actions: (B,).  some: which rows are named. The codes are
    matched one to one by the posteriors of the named pairs.
    Raises ValueError for an action without a named pair.
    """
    from sklearn.linear_model import LogisticRegression  # slow to load

    told, seen, true, rows = (np.asarray(a) for a in (posterior, features, actions, some))
    counted = np.bincount(true[rows], minlength=n_actions)
    if len(counted) > n_actions or not counted.all():
        raise ValueError(
            f"expected a named pair of each of {n_actions} actions, found {counted.tolist()}"
        )
    weights = np.zeros((n_actions, told.shape[1]))
    np.add.at(weights, true[rows], told[rows])
    rest = np.setdiff1d(np.arange(len(true)), rows)
    found = match(weights)[told[rest].argmax(1)]
    rival = LogisticRegression(max_iter=300).fit(seen[rows], true[rows])
    return {
        "labels": len(rows),
        "learnt_codes": float((found == true[rest]).mean()),
        "classifier": float((rival.predict(seen[rest]) == true[rest]).mean()),
    }


def code_changes(x: Tensor, y: Tensor, k: int) -> NDArray[np.float32]:
    """What came and what went, (B, N * C * K) of -1, 0 and 1, then which codes changed."""
    ends = [torch.nn.functional.one_hot(t.long(), k).flatten(1) for t in (x, y)]
    return np.concatenate([(ends[1] - ends[0]).float().numpy(), code_differences(x, y)], 1)


# Algebra ------------------------------------------------------------------------------------------


def commute(
    after: Callable[[Tensor, int], Tensor], x: Tensor, n_actions: int
) -> NDArray[np.float64]:
    """(A, A), in [0, 1]: of the codes that two actions change, how many end alike in both orders.

    after: (codes (B, N, C), action) -> codes, see `after_of`.  x: codes to start from.  1 where
    nothing changes.
    """
    once, table = [after(x, a) for a in range(n_actions)], np.ones((n_actions, n_actions))
    for i in range(n_actions):
        for j in range(i + 1, n_actions):
            one, other = after(once[i], j), after(once[j], i)
            touched = int(((one != x) | (other != x)).sum())
            same = 1 - int((one != other).sum()) / touched if touched else 1.0
            table[i, j] = table[j, i] = same
    return table


def ways_back(model: CausalVQ, x: Tensor, y: Tensor) -> NDArray[np.float64]:
    """(M, M): of pairs read as action i, the share whose way back, from y to x, is read as j.

    A way back counts only where it is as likely as all but one in twenty of the ways there: there
    is always a likeliest action, also where none leads back.  x, y: codes (B, N, C).
    """
    there, back = model.retrieve(x, y), model.retrieve(y, x)
    believed = back.per_code >= torch.quantile(there.per_code.double(), UNLIKELY)
    first, then = (t.cpu().numpy() for t in (there.actions, back.actions))
    rows = believed.cpu().numpy()
    table = together(first[rows], then[rows], model.n_actions, model.n_actions)
    return table / np.maximum(1, np.bincount(first, minlength=model.n_actions))[:, None]


def after_of(model: CausalVQ) -> Callable[[Tensor, int], Tensor]:
    """For `commute`: the likeliest codes after an action of a model; no picture is drawn."""

    def after(codes: Tensor, action: int) -> Tensor:
        told = model.distribution(codes, model.check_actions(action, len(codes)))
        return model.from_nodes(told.log_probs()).argmax(-1)

    return after


def inverses(back: ArrayLike) -> list[tuple[int, int]]:
    """Pairs (i, j), i <= j, of which each mostly leads back from the other; see `ways_back`."""
    table = np.asarray(back)
    best = table.argmax(1)
    pairs = [(i, int(j)) for i, j in enumerate(best) if best[j] == i and i <= j]
    return [(i, j) for i, j in pairs if min(table[i, j], table[j, i]) > 0.5]
