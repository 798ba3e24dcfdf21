"""Are the factors all there, and are they parted: MCC beside R2, for continuous latents.

Intuition: `r2` asks whether *all latents together* tell each factor, along straight lines; `mcc`
whether *one latent each* does. A rotation of a perfect representation keeps the first at 1 and
lowers the second: **low MCC with high R2 means that all is there, and not parted**. Most theorems
on identifiability promise one or the other.

What a result means: both are means over the factors that vary, in [0, 1], beside the same with
permuted factors (as `columns.Score` has it). With few rows even noise is matched to something.
When it misleads: a factor without an order (a shape) has no line to lie on, and a cyclic one (a
hue) is read along a line from its first value to its last.
Source: mean correlation coefficient as in Hyvarinen and Morioka 2016; the matching is Hungarian.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata

from cvq_tutorial.common.arrays import as_array
from cvq_tutorial.measure.disentanglement.columns import Sample, Score, beside_permuted, sample_of


@dataclass(frozen=True, eq=False)
class Matched:
    """Two Scores, and `latents` (F,): the latent that each factor is matched to, -1 for none."""

    mcc: Score
    r2: Score
    latents: NDArray[np.int64]


def matched(representation: ArrayLike, factors: ArrayLike, *, seed: int = 0) -> Matched:
    """MCC and R2 of continuous latents (n, L) against factors (n, F), integers or booleans.

    MCC: mean size of the rank correlation of each factor with the latent it is matched to, one
    latent for one factor; a factor without a latent counts 0. R2: of each factor by a linear
    predictor from all latents, learned on one half of the rows and judged on the other.
    Raises TypeError for codes: they have no order, and MIG or InfoMEC are for them.
    """
    sample = sample_of(representation, factors)
    if sample.categorical:
        raise TypeError("matched: expected continuous latents (floats), found codes (integers)")
    values = as_array(factors)[:, sample.kept]
    ordered = [np.unique(column, return_inverse=True)[1].ravel() for column in values.T]
    sample = replace(sample, factors=np.stack(ordered, axis=1) if ordered else sample.factors)
    pairs: list[tuple[NDArray, NDArray]] = []

    def measure(sample: Sample) -> tuple[float, float]:
        size = np.abs(_rank_correlations(sample))
        rows, columns = linear_sum_assignment(-size)
        pairs.append((rows, columns))
        return size[rows, columns].sum() / size.shape[1], _linear_r2(sample, seed)

    mcc, r2 = beside_permuted(sample, measure, seed, ((), ()))
    found = np.full(sample.shape[1], -1)
    if pairs:
        found[sample.kept[pairs[0][1]]] = sample.varying[pairs[0][0]]
    return Matched(mcc, r2, found)


def _rank_correlations(sample: Sample) -> NDArray[np.float64]:
    """(L, F)."""
    sides = [rankdata(table, axis=0) for table in (sample.latents, sample.factors)]
    unit = [side - side.mean(0) for side in sides]
    left, right = (side / np.linalg.norm(side, axis=0) for side in unit)
    return left.T @ right


def _linear_r2(sample: Sample, seed: int) -> float:
    """Mean over the factors, each at least 0, on held-out rows."""
    learn, judge = sample.halves(seed)
    columns = np.concatenate([np.ones((sample.n, 1)), sample.latents], axis=1)
    weights = np.linalg.lstsq(columns[learn], sample.factors[learn], rcond=None)[0]
    wrong = np.square(sample.factors[judge] - columns[judge] @ weights).sum(0)
    spread = np.square(sample.factors[judge] - sample.factors[judge].mean(0)).sum(0)
    return float(np.clip(1 - wrong / np.where(spread > 0, spread, np.inf), 0, 1).mean())
