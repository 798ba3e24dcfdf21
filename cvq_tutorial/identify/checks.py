"""What every routine of this room asks of its input, and the error it answers with.

An error names the assumption that fails and what can still be known without it, in one line.
"""

from __future__ import annotations

import numpy as np


class Unidentifiable(ValueError):
    """The data break an assumption: the message says which one, and what is still identifiable."""

    def __init__(self, fails: str, still: str):
        super().__init__(f"{fails}; still identifiable: {still}")
        self.fails, self.still = fails, still


def numbers(name: str, value, shape: str) -> np.ndarray:
    """A finite float64 array with as many axes as `shape` names, e.g. "contexts, observed"."""
    array = np.asarray(value, dtype=float)
    axes = shape.split(", ")
    if array.ndim != len(axes):
        raise ValueError(f"{name}: expected an array ({shape}), found shape {array.shape}")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise Unidentifiable(
            f"{name}: {bad} of {array.size} values are NaN or infinite", "nothing, drop their rows"
        )
    return array


def whole(name: str, value, least: int) -> int:
    """A whole number of at least `least`."""
    if isinstance(value, bool) or int(value) != value or value < least:
        raise ValueError(f"{name}: expected a whole number of at least {least}, found {value!r}")
    return int(value)


def enough(samples: int, asked: int, what: str, still: str) -> None:
    """Refuse fewer samples than `asked`."""
    if samples < asked:
        raise Unidentifiable(f"{samples} samples are too few for {what} (at least {asked})", still)
