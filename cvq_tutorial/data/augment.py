"""More pictures than there are: both ends of a transition, moved in the same way.

A world that is drawn never runs out of pictures; a folder of a few thousand does, and a model then
learns them by heart. A picture that is shifted by a few pixels, or mirrored, has other codes and
the same attributes, so the transition must learn what an action does instead of where it has seen
it. Only training data are moved, never what is measured. Mirrored is right only where no factor
tells left from right, and shifted only where none is a position: the recipe decides. Own pictures
are shifted; who wants them mirrored says so, and is refused where a factor names a side.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from cvq_tutorial.worlds.factors import Factor

AUGMENTS = ("none", "shift", "mirror_shift", "mirror_shift_anyway")
_SIDES = {
    "left", "right", "leftward", "rightward", "leftwards", "rightwards", "lefthanded",
    "righthanded", "side", "sided", "laterality", "direction", "heading", "clockwise",
    "counterclockwise", "anticlockwise", "port", "starboard", "east", "west",
}  # fmt: skip
REACH = 4  # pixels that a picture is shifted by at most, in each direction


def moved(pictures: Sequence[np.ndarray], kind: str, rng: np.random.Generator) -> list[np.ndarray]:
    """Pictures after random moves, each row of all arrays after the same one.

    Args:
        pictures: uint8 arrays (B, H, W, 3) of one shape, such as x and y of B transitions.
        kind: of `AUGMENTS`. "shift" moves by -4 to 4 pixels down and right and repeats the edge;
            "mirror_shift" also turns left and right around, half of the time, and so does
            "mirror_shift_anyway" (see `check_augment`); "none" gives the pictures as they are and
            draws nothing.
        rng: draws the moves.

    Returns:
        As many uint8 arrays (B, H, W, 3).
    """
    if kind not in AUGMENTS:
        raise ValueError(f"augment: one of {AUGMENTS}, found {kind!r}")
    if kind == "none":
        return list(pictures)
    n, height, width = pictures[0].shape[:3]
    down, right = rng.integers(-REACH, REACH + 1, (2, n, 1))
    rows = np.clip(np.arange(height) - down, 0, height - 1)  # (B, H)
    columns = np.clip(np.arange(width) - right, 0, width - 1)  # (B, W)
    if kind.startswith("mirror"):
        around = rng.integers(0, 2, (n, 1)).astype(bool)
        columns = np.where(around, width - 1 - columns, columns)
    each = np.arange(n)[:, None, None]
    return [p[each, rows[:, :, None], columns[:, None, :]] for p in pictures]


def check_augment(kind: str, factors: Sequence[Factor]) -> None:
    """Raise ValueError where pictures would be mirrored although a factor or value names a side.

    Then left and right would be learnt from wrong labels. kind: of `AUGMENTS`;
    "mirror_shift_anyway" says that this is meant.
    """
    if kind != "mirror_shift":
        return
    for factor in factors:
        for text in (factor.name, *(factor.values or ())):
            told = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
            named = set(re.split(r"[^a-z]+", told.lower())) & _SIDES
            if named:
                raise ValueError(
                    f"augment='mirror_shift' turns left and right around, but {factor.name!r} "
                    f"names a side ({text}): expected augment='shift' (--set augment=shift), or "
                    "'mirror_shift_anyway' where no picture shows it"
                )
