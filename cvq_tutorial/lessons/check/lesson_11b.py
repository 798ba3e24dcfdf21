"""Exercises of lesson 11b: states that part doubles, the best retrieval, what starts can show."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from cvq_tutorial.lessons.check.base import Exercise, agrees, function, number, one_number, whole

_STATES = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
_TELL = int((_STATES[:, 0] != _STATES[:, 1]).sum())


def _is(wanted: float) -> Callable[[float], bool]:
    return lambda p: bool(np.isclose(p, wanted, atol=1e-3))


all_four_agree = Exercise(
    read=number(0, 1),
    right=_is(1 / 8),
    hints={
        "that is for one of the doubles; they may all read the other one, too": _is(1 / 16),
        "that is for two starts": _is(1 / 2),
        "that is for three starts": _is(1 / 4),
        "that is how likely it is that they do not all agree": _is(7 / 8),
    },
    clue="the first start reads either; what must the other three do?",
    praise="one time in eight four starts agree on what the data do not decide",
    otherwise="four fair coins: all heads, or all tails",
)

states_that_tell = Exercise(
    read=whole(0, len(_STATES)),
    right=lambda n: n == _TELL,
    hints={
        "these are the states in which the doubles agree; there both worlds do the same": (
            lambda n: n == len(_STATES) - _TELL
        ),
        "these are the pairs (v0, v1); each occurs with four codes of v2": (lambda n: n == 12),
        "that is 12 pairs (v0, v1) times three; v2 has four codes": lambda n: n == 36,
        "not in all of them: compare v0 and v1": lambda n: n == len(_STATES),
        "the data of the doubles hold none; the question is about all 64 states": lambda n: n == 0,
    },
    clue="the two worlds read v0 and v1; when does it matter which?",
    praise="wherever v0 and v1 differ, and never in the doubles' data",
    otherwise="count the states in which v0 and v1 differ",
)


def _drawn(seed: int) -> np.ndarray:
    """Counts (7, 4), some pairs rare and some common, so that no two wrong formulas agree."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 9, (7, 4)) * rng.integers(1, 6, (7, 1)) + np.eye(7, 4, dtype=int)


_TRIALS = [_drawn(seed) for seed in (0, 1, 2)]
_gives = partial(agrees, [(trial,) for trial in _TRIALS])


best_retrieval = Exercise(
    read=function(_TRIALS[0].copy(), gives=one_number),
    right=_gives(lambda n: float(n.max(1).sum() / n.sum())),
    hints={
        "divide by how often all pairs were made, not by how many different pairs there are": (
            _gives(lambda n: float(n.max(1).sum() / len(n)))
        ),
        "two actions may explain a pair without being equally likely: look at the counts": _gives(
            lambda n: float((1 / (n > 0).sum(1)).mean())
        ),
        "a pair that occurs more often counts more: add up first, then divide": _gives(
            lambda n: float((n.max(1) / n.sum(1)).mean())
        ),
        "that is how often the commonest action is right for all pairs; it may name another for "
        "each": _gives(lambda n: float(n.sum(0).max() / n.sum())),
        "a row is a pair and a column an action: the best action of each row": _gives(
            lambda n: float(n.max(0).sum() / n.sum())
        ),
        "that is the best of one pair; asked is the share over all of them": _gives(
            lambda n: float((n.max(1) / n.sum(1)).max())
        ),
        "that names an action at random, as often as it made the pair; naming the likeliest is "
        "better": _gives(lambda n: float((n**2 / n.sum(1, keepdims=True)).sum() / n.sum())),
    },
    clue="which action do you name for one pair, and how often is that right?",
    praise="the ceiling of any retrieval on these data, and no model can pass it",
    otherwise="the largest count of each pair, added up, over all counts",
)
