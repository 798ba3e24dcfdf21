"""The usual cure for an imbalanced sample: draw from it with other chances.

Nothing new is seen that way. A value that never occurs cannot be brought back, and a row that has
to stand for many missing ones is drawn many times over: what is gained in balance is paid in the
effective size of the sample.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def balanced_chances(
    columns: Sequence[np.ndarray], strength: float = 1.0, rounds: int = 50
) -> np.ndarray:
    """Chances to draw rows of a sample by, so that the values of each column come equally often.

    Raking: the rows of a value share the chance that the value should have, column after column,
    again and again until little moves (iterative proportional fitting, Deming and Stephan 1940).

    Args:
        columns: integers of at least 0, (n,) each: factor values, actions, numbers of pairs.
        strength: in [0, 1], the share of the imbalance to undo, on the scale of logarithms: 0
            leaves the chances equal, 0.5 is known as square-root sampling, 1 balances.
        rounds: at most so many.

    Returns:
        float (n,), adding up to 1.

    Raises:
        ValueError: no column, no row, columns of different lengths, a strength outside [0, 1].
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength: expected a number in [0, 1], found {strength}")
    lengths = {len(column) for column in columns}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(
            f"columns: expected at least one, all of one length above 0, found {sorted(lengths)}"
        )
    keys = [np.unique(column, return_inverse=True)[1] for column in columns]
    chance = np.full(len(keys[0]), 1 / len(keys[0]))
    for _ in range(rounds):
        before = chance
        for key in keys:
            share = np.bincount(key, chance)
            chance = chance / (share * len(share))[key]
        if np.abs(chance - before).sum() < 1e-4:
            break
    chance = chance**strength
    return chance / chance.sum()


def effective_size(chances: np.ndarray) -> float:
    """How many equally likely rows are worth as much as rows drawn by chances (Kish 1965)."""
    return float(chances.sum() ** 2 / (chances**2).sum())
