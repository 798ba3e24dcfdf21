"""Which of train, valid and test a thing belongs to: a fixed hash says it, and no table is kept."""

from __future__ import annotations

import numpy as np

from cvq_tutorial.common.checks import close_match

SPLITS = ("train", "valid", "test")


def split_of_keys(keys: np.ndarray) -> np.ndarray:
    """Which split each key belongs to: uint8 (B,), a position in `SPLITS`; 70, 15 and 15 percent.

    The split is a fixed hash of the key (the splitmix64 finaliser), the same on every machine and
    in every version; no table is kept and no key can be in two splits.

    keys: uint64 (B,), distinct for distinct things.
    """
    mixed = np.asarray(keys, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    share = ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) / 2.0**53
    return np.searchsorted([0.70, 0.85], share, side="right").astype(np.uint8)


def split_id(split: str) -> int:
    """Position of a split in `SPLITS`. Raises ValueError for another name."""
    if split not in SPLITS:
        raise ValueError(close_match("split", split, SPLITS))
    return SPLITS.index(split)
