"""Exercises of lesson 11: ranks of changes, second contexts of soft data, and twins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cvq_tutorial.identify import check_context, draw_world, solve, twins
from cvq_tutorial.lessons.check.base import Exercise, array, function


def three_data_sets() -> dict[str, np.ndarray]:
    """Covariances (7, 5, 5) of three worlds of 3 latents: observational, and each target twice.

    One of the three has soft interventions.
    """
    found = {}
    for letter, seed in (("A", 11), ("B", 12), ("C", 13)):
        world = draw_world(np.random.default_rng(seed), 3, 5, 1.0, soft=letter == "B", repeats=2)
        found[letter] = world.covariances()
    return found


def _misfits() -> np.ndarray:
    """(3, 3): of the second contexts of A, B and C, held against the fit of the first ones."""
    found = []
    for data in three_data_sets().values():
        fit = solve(data[:4], 3)
        found.append([check_context(fit, extra).misfit for extra in data[4:]])
    return np.array(found)


def _turned_round() -> np.ndarray:
    """(3,): as asked for, but fitted to the second contexts and held against the first ones."""
    found = []
    for data in three_data_sets().values():
        fit = solve(data[[0, 4, 5, 6]], 3)
        found.append(max(check_context(fit, extra).misfit for extra in data[1:4]))
    return np.array(found)


def _near(found: np.ndarray, wanted: np.ndarray) -> bool:
    """To a hundredth; what is exact has no digits of its own."""
    return bool(np.allclose(found, wanted, rtol=0.01, atol=1e-8))


second_contexts = Exercise(
    read=array((3,)),
    right=lambda found: _near(found, _misfits().max(1)),
    hints={
        "none of the three stands out: the first four fit whatever they are; of the last three "
        "take the largest": lambda found: bool((found < 1e-6).all()),
        "that says which set is soft; asked are the three misfits that show it": (
            lambda found: sorted(found.tolist()) == [0, 0, 1]
        ),
        "of each set take the largest of its three misfits, not the mean": (
            lambda found: _near(found, _misfits().mean(1))
        ),
        "fit with covariances 0 to 3 and hold 4 to 6 against it, not the other way round": (
            lambda found: _near(found, _turned_round())
        ),
        "take the largest of three, not their sum": lambda found: _near(found, _misfits().sum(1)),
        "the set that stands out is another one: in the order A, B, C": (
            lambda found: _near(np.sort(found), np.sort(_misfits().max(1)))
        ),
    },
    clue="fit with the first four covariances, then hold each of the last three against it",
    praise="B is soft: one context per target fits whatever it is, the second one does not",
    otherwise="`solve(data[:4], 3)`, then the largest `check_context(..., extra).misfit`",
)

_TRIALS = ((4, 1), (5, 2), (3, 0))


def _matrices(given: Callable[..., Any]) -> list[tuple[np.ndarray, int]]:
    return [(array((d, d))(given(d, m)).astype(float), m) for d, m in _TRIALS]


def _others_moved(given: Callable[..., Any]) -> bool:
    """Whether a latent that has its context is changed, too."""
    return any(np.delete(M - np.diag(np.diag(M)), m, axis=0).any() for M, m in _matrices(given))


def _column(given: Callable[..., Any]) -> bool:
    """Whether nothing but column m is changed."""
    return all(
        np.delete(M, m, axis=0)[:, m].any()
        and not np.delete(M - np.diag(np.diag(M)), m, axis=1).any()
        for M, m in _matrices(given)
    )


def _is_twin(M: np.ndarray, m: int) -> bool:
    """Whether a world changed by M is one of perfect interventions, and another world."""
    d = len(M)
    if (np.diag(M) != 1).any() or abs(np.linalg.det(M)) < 1e-9:
        return False
    world = draw_world(np.random.default_rng(0), d, d + 1, 1.0)
    left = [k for k, target in enumerate(world.targets, 1) if target != m]
    other = twins.changed(world, M)
    upper = not np.tril(other.contexts[0], -1).round(9).any()
    rows = [other.contexts[k][world.targets[k - 1]] for k in left]
    perfect = all((np.abs(row) > 1e-9).sum() == 1 for row in rows)
    same = np.allclose(world.covariances()[[0, *left]], other.covariances()[[0, *left]])
    return upper and perfect and same and np.abs(other.weights - world.weights).max() > 1e-6


twin_matrix = Exercise(
    read=function(4, 1),
    right=lambda given: all(_is_twin(M, m) for M, m in _matrices(given)),
    hints={
        "that is the same world: latent m must get something of another one": (
            lambda given: all(not (M - np.diag(np.diag(M))).any() for M, _ in _matrices(given))
        ),
        "that is column m, so other rows than m are changed: latent m is row m of M z": _column,
        "other rows than m are changed; these latents have contexts, which would tell": (
            _others_moved
        ),
        "latents below m are its effects; mixing them in would turn arrows round": (
            lambda given: any(M[m, :m].any() for M, m in _matrices(given))
        ),
        "keep the units: ones on the diagonal": (
            lambda given: any((np.diag(M) != 1).any() for M, _ in _matrices(given))
        ),
    },
    clue="of which latents may latent m be a mixture, so that causes still have the larger "
    "numbers?",
    praise="no data without that context can tell it from the world you began with",
    otherwise="the identity, but for row m: it may mix in latents with larger numbers",
)

ranks_of_changes = Exercise(
    read=array((5,), "integer"),
    right=lambda found: found.tolist() == [2, 1, 0, 2, 1],
    hints={
        "z0 loses its causes: its old row and its new one point in two directions": (
            lambda found: found[0] == 1
        ),
        "a source has one direction, before and after": lambda found: found[1] == 2,
        "the old row is put back: nothing changes, and nothing has no rank": (
            lambda found: found[2] != 0
        ),
        "a source that gets noise of another size does change": lambda found: found[1] == 0,
        "also with other weights the new row of z0 points elsewhere": lambda found: found[3] == 1,
        "a larger noise makes the row of z0 shorter, and it points the same way": (
            lambda found: found[4] == 2
        ),
        "one mechanism is replaced: an old row goes and a new one comes, so at most two": (
            lambda found: bool((found > 2).any())
        ),
    },
    clue="the change is c c^T - b b^T: do the old row b and the new row c point the same way?",
    praise="a source changes in one direction; a child in two, unless only its noise changes",
    otherwise="for each, write the old row and the new one: two directions, one, or no change?",
)
