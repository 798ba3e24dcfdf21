"""Which other factors move when one is set: the leakage of interventions, factor by factor."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cvq_tutorial.common.arrays import checked


def leakage(read: ArrayLike, expected: ArrayLike, factor: ArrayLike) -> NDArray[np.float64]:
    """Share of the edits after which a factor is not what it should be, (F, F).

    Row = factor that was set, column = factor that is read: off the diagonal, it moved though it
    should not (leakage); on the diagonal, the factor that was set did not get its value (missed).
    read: integers (B, F), what the judge reads on the image after the edit.
    expected: integers (B, F), the true values after the edit.  factor: (B,), which one was set.
    Rows of factors that were never set are 0: `edits_per_factor` tells them from good ones.
    A judge errs too. Its own share is `leakage` of what it reads on the codes of the true image,
    decoded (`judged_ceiling` in `metrics.interventions`), and belongs beside this one.
    Raises TypeError for values that are no integers, ValueError for shapes that do not fit.
    """
    values = checked("expected", expected, "integers", (None, None))
    seen = checked("read", read, "integers", values.shape)
    n_factors = values.shape[1]
    which = checked("factor", factor, "integers", values.shape[:1], n_factors)
    moved = np.zeros((n_factors, n_factors))
    np.add.at(moved, which, seen != values)
    return moved / np.maximum(edits_per_factor(which, n_factors), 1)[:, None]


def edits_per_factor(factor: ArrayLike, n_factors: int) -> NDArray[np.int64]:
    """How many edits set each factor, (F,)."""
    which = checked("factor", factor, "integers", (None,), n_factors)
    return np.bincount(which, minlength=n_factors)
