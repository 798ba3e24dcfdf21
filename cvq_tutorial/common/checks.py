"""The one line that answers a wrong name or number."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np


def close_match(kind: str, name: object, names: Iterable[str]) -> str:
    """The one line that answers an unknown name: found, nearest known name, all known names.

    >>> close_match("world", "shape3d", ["shapes3d", "codes"])
    "unknown world 'shape3d'; did you mean 'shapes3d'? known: shapes3d, codes"
    """
    names = list(names)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
    hint = f" did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r};{hint} known: {', '.join(names)}"


def whole_number(name: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """`value` as an int of at least `least`, and at most `most`; TypeError or ValueError else."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, found {value!r}")
    if most is not None and not least <= value <= most:
        raise ValueError(f"{name} must lie in {least}..{most}, found {value}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, found {value}")
    return int(value)


def number(name: str, value: Any, low: float, high: float) -> float:
    """`value` as a float in [low, high); TypeError or ValueError else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, found {value!r}")
    if not low <= value < high:
        raise ValueError(f"{name} must lie in [{low}, {high}), found {value}")
    return float(value)
