"""A world so simple that its answer is known: a lamp of one colour, whose parts are the factors."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cvq_tutorial.worlds.factors import Factor, FactorSpace


@dataclass
class Lamps:
    """A picture of one colour; the factors are how much red, green and blue it has.

    rendered: the values of every call of `render`.  levels: what a value of a factor is in 0..255.
    """

    name: str = "lamps"
    has_images: bool = True
    image_shape: tuple[int, int, int] = (8, 8, 3)
    options: dict = field(default_factory=dict)
    factors: FactorSpace = field(
        default_factory=lambda: FactorSpace(tuple(Factor(n, 16) for n in ("red", "green", "blue")))
    )
    rendered: list = field(default_factory=list)
    levels: np.ndarray = field(default_factory=lambda: np.arange(16) * 17)

    def render(self, values: np.ndarray) -> np.ndarray:
        self.rendered.append(values)
        colours = self.levels[values].astype(np.uint8)
        return np.ascontiguousarray(np.broadcast_to(colours[:, None, None], (len(values), 8, 8, 3)))
