"""A world that is learnt in seconds: a sign with a category, a number and a lamp."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from cvq_tutorial.worlds.factors import Factor, FactorSpace

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 190, 60),
    "blue": (40, 60, 230),
    "grey": (90, 90, 90),
    "pink": (240, 120, 200),
}


@dataclass
class Signs:
    """Pictures of 16 x 16: the upper half has a colour, the lower left a grey, and a lamp.

    actions: as a space takes them. `sign` is a category, `grey` is ordered, `lamp` is yes or no.
    """

    actions: str = "set"
    name: str = "signs"
    has_images: Literal[True] = True
    fingerprint: str = "signs"
    credit: str = "nobody"
    image_shape: tuple[int, int, int] = (16, 16, 3)
    factors: FactorSpace = field(init=False)

    def __post_init__(self) -> None:
        kinds = (
            Factor("sign", 5, "categorical", tuple(COLOURS)),
            Factor("grey", 7),
            Factor("lamp", 2, "binary", ("no", "yes")),
            Factor("frame", 3, "categorical", ("none", "thin", "thick")),
        )
        self.factors = FactorSpace(kinds, actions=self.actions)

    @property
    def options(self) -> dict:
        return self.factors.actions_option

    def render(self, values: np.ndarray) -> np.ndarray:
        sign, grey, lamp, frame = self.factors.check(values).T
        images = np.full((len(sign), 16, 16, 3), 20, dtype=np.uint8)
        images[:, :8, :8] = np.array(list(COLOURS.values()))[sign][:, None, None]
        images[:, 8:, :8] = (20 + 35 * grey)[:, None, None, None]
        images[:, 10:14, 10:14] = (230 * lamp)[:, None, None, None]
        for width in (1, 2):
            rows = frame >= width
            images[rows, 2 * width - 2, 8:] = images[rows, 8 - 2 * width, 8:] = (250, 200, 20)
        return images
