"""Exercises of lesson 11c: orders of cumulants, a mixing without edges, a second direction."""

from __future__ import annotations

from functools import partial

import numpy as np

from cvq_tutorial.lessons.check.base import Exercise, agrees, array, function, one_number

orders_that_work = Exercise(
    read=array((4,), "integer"),
    right=lambda found: found.tolist() == [3, 4, 4, 0],
    hints={
        "symmetric noise has no third cumulant: nothing is there at order 3": (
            lambda found: found[1] == 3
        ),
        "order 3 whitens by the covariance first, which needs as many observed as latents": (
            lambda found: found[2] == 3
        ),
        "order 2 is the covariance, which the first routine reads; asked is what the two routines "
        "of this section need, 3 or 4": lambda found: 2 in found,
        "Gaussian noise has no cumulant above the second, of any order": lambda found: (
            found[3] != 0
        ),
        "more latents than observed is what order 4 is good for": lambda found: found[2] == 0,
        "order 4 would do as well, but the smallest is asked for": lambda found: found[0] == 4,
        "heavy tails show at order 4: symmetric noise is not Gaussian": lambda found: found[1] == 0,
        "exponential noise is lopsided, and that is what order 3 sees": lambda found: found[0] == 0,
    },
    clue="lopsided noise has a third cumulant; symmetric noise has not; Gaussian noise has none "
    "above two",
    praise="lopsided: 3; symmetric, or more latents than observed: 4; Gaussian: none",
    otherwise="one of 0, 3 and 4 for each: what is the first cumulant that is not zero and has "
    "room enough?",
)


def _chain(seed: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (d, d), row = cause, and a mixing (d + 2, d)."""
    rng = np.random.default_rng(seed)
    return np.triu(rng.uniform(0.3, 1, (d, d)), 1), rng.standard_normal((d + 2, d))


_WORLDS = [_chain(seed, d) for seed, d in ((0, 3), (1, 4), (2, 5))]
_mixes = partial(agrees, _WORLDS)


def _without(weights: np.ndarray) -> np.ndarray:
    return np.eye(len(weights)) - weights.T


mixing_without_edges = Exercise(
    read=function(*[part.copy() for part in _WORLDS[0]], gives=array((None, None))),
    right=_mixes(lambda W, F: F @ np.linalg.inv(_without(W))),
    hints={
        "that is the mixing you began with; without edges it must make up for them": _mixes(
            lambda W, F: F
        ),
        "z = W' z + noise, with the transpose: row = cause, and a row of W' is an effect": _mixes(
            lambda W, F: F @ np.linalg.inv(_without(W.T))
        ),
        "solve for z: (I - W') z = noise, so z is the inverse times the noise": _mixes(
            lambda W, F: F @ _without(W)
        ),
        "one step along the edges is not all: a cause of a cause counts, too": _mixes(
            lambda W, F: F @ (np.eye(len(W)) + W.T)
        ),
        "z = W' z + noise: what stands before the noise is I - W', with a minus": _mixes(
            lambda W, F: F @ np.linalg.inv(np.eye(len(W)) + W.T)
        ),
        "that is the transpose: a row of the mixing is one observed number": _mixes(
            lambda W, F: (F @ np.linalg.inv(_without(W))).T
        ),
        "that is how the noises become latents; the mixing then makes them what is observed": (
            _mixes(lambda W, F: np.linalg.inv(_without(W)))
        ),
    },
    clue="write z by the noises alone, then what is observed",
    praise="no mean and no covariance can tell it from the world with edges",
    otherwise="mixing times the inverse of (I - W')",
)


def _rows(seed: int) -> np.ndarray:
    """Differences of scores (40, 5) with a strong, a middle and weak directions, not centred."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((40, 5)) * np.array([4.0, 1.5, 0.6, 0.3, 0.1]) + 1


_SAMPLES = [_rows(seed) for seed in (0, 1, 2)]
_gives = partial(agrees, [(rows,) for rows in _SAMPLES])


def _sizes(rows: np.ndarray) -> np.ndarray:
    return np.linalg.svd(rows, compute_uv=False)


def _ratio(rows: np.ndarray) -> float:
    return float((_sizes(rows)[1] / _sizes(rows)[0]) ** 2)


second_direction = Exercise(
    read=function(_SAMPLES[0].copy(), gives=one_number),
    right=_gives(_ratio),
    hints={
        "that is the first over the second": _gives(lambda rows: 1 / _ratio(rows)),
        "that is the ratio of lengths, as singular values are; the slider's is of mean squared "
        "lengths: its square": _gives(lambda rows: _ratio(rows) ** 0.5),
        "that is the square of it: eigenvalues are squared lengths already": _gives(
            lambda rows: _ratio(rows) ** 2
        ),
        "that is the last direction; asked is the second": _gives(
            lambda rows: float(_sizes(rows)[-1] / _sizes(rows)[0]) ** 2
        ),
        "that is the smallest over the second smallest: eigenvalues come smallest first": _gives(
            lambda rows: float(np.divide(*_sizes(rows)[[-1, -2]])) ** 2
        ),
        "do not take the mean away: it is what the first direction mostly is": _gives(
            lambda rows: _ratio(rows - rows.mean(0))
        ),
        "do not take the mean away, and square: it is what the first direction mostly is": _gives(
            lambda rows: _ratio(rows - rows.mean(0)) ** 0.5
        ),
        "that is the second as a share of all; asked is its ratio to the first": _gives(
            lambda rows: float(_sizes(rows)[1] ** 2 / (_sizes(rows) ** 2).sum())
        ),
        "that is the size of the second direction; asked is its ratio to the first": lambda given: (
            _gives(lambda rows: float(_sizes(rows)[1]))(given)
            or _gives(lambda rows: float(_sizes(rows)[1] ** 2))(given)
            or _gives(lambda rows: float(_sizes(rows)[1] ** 2) / len(rows))(given)
        ),
    },
    clue="the outer products of all rows, added up, are `differences.T @ differences`; "
    "`np.linalg.eigvalsh` gives its eigenvalues, smallest first",
    praise="a source has 0 here, but for noise; how much noise, the null says",
    otherwise="the second largest eigenvalue of differences' times differences, over the largest",
)
