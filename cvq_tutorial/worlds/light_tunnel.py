"""A world that no data can tell apart: two polarisers that enter the picture as one.

Three beams of light, red, green and blue, shine through two polarisers. What passes follows Malus'
law, cos^2 of the *difference* of their angles, so that turning the first up and turning the second
down give the same picture, always: these actions are *twins*. Pictures, however many, cannot say
which of the two it was, and neither angle can be read from them: a retrieval that is honest says
one half each. How bright each beam is is told without doubt, for a little light passes in every
position.

The set-up is that of the light tunnel of the Causal Chambers (Gamella, Peters and Buehlmann, 2025),
a real machine; the pictures are drawn here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from cvq_tutorial.worlds.factors import Factor, FactorSpace

SIZE = 24  # pixels: each beam has a column of 8
BRIGHT = 0.4 + 0.15 * np.arange(5)  # how bright a beam is before the polarisers
FIRST = 45.0 + 22.5 * np.arange(3)  # degrees of the first polariser
SECOND = 22.5 * np.arange(3)  # and of the second
LEAK = 0.3  # of the light passes whatever the angles are: the polarisers are not perfect
DARK = 0.08  # of the tunnel around the beams
_BEAM = np.array([0.0, 0.3, 1.0, 1.0, 1.0, 1.0, 0.3, 0.0])  # of a beam, across its column
TWINS = (("polariser_1+", "polariser_2-"), ("polariser_1-", "polariser_2+"))


class TunnelFactors(FactorSpace):
    """The factors of the tunnel, which know that only the difference of the angles is seen."""

    def first_alike(self, values: np.ndarray) -> np.ndarray:
        """The smallest values with the same picture: int64 (B, 5) for integers (B, 5)."""
        first = self.check(values)
        first[:, 3:] -= first[:, 3:].min(1, keepdims=True)
        return first


FACTORS = TunnelFactors(
    (
        *(Factor(c, 5, values=tuple(f"{v:.2f}" for v in BRIGHT)) for c in ("red", "green", "blue")),
        Factor("polariser_1", 3, values=tuple(f"{a:g}" for a in FIRST)),
        Factor("polariser_2", 3, values=tuple(f"{a:g}" for a in SECOND)),
    )
)


@dataclass(frozen=True)
class LightTunnel:
    """The world `light_tunnel`: `render` makes the pictures of any factor values.

    Its factors are red, green, blue 5, how bright the beams are; polariser_1 and polariser_2 3,
    their angles in degrees.
    """

    name: str = field(default="light_tunnel", init=False)
    has_images: Literal[True] = field(default=True, init=False)
    factors: TunnelFactors = field(default=FACTORS, init=False, repr=False)
    #: pairs of names of actions that lead to the same picture from every picture: the truth about
    #: what cannot be retrieved
    twins: tuple[tuple[str, str], ...] = field(default=TWINS, init=False, repr=False)
    image_shape: tuple[int, int, int] = field(default=(SIZE, SIZE, 3), init=False)
    credit: str = field(
        default="Scene after the light tunnel of the Causal Chambers (Gamella, Peters and "
        "Buehlmann, 2025); pictures drawn by cvq_tutorial.",
        init=False,
    )

    @property
    def options(self) -> dict:
        """None: there is one tunnel."""
        return {}

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the pictures of three beams in every position of the polarisers."""
        every = np.array([(4, 2, 0, i, j) for i in range(3) for j in range(3)])
        return hashlib.sha256(self.render(every).tobytes()).hexdigest()[:16]

    def render(self, values: np.ndarray) -> np.ndarray:
        """Pictures uint8 (B, 24, 24, 3) of factor values (B, 5), see `ImageWorld.render`."""
        values = self.factors.check(values)
        turned = np.deg2rad(FIRST[values[:, 3]] - SECOND[values[:, 4]])
        passes = LEAK + (1 - LEAK) * np.cos(turned) ** 2  # (B,)
        light = passes[:, None] * BRIGHT[values[:, :3]]  # (B, 3)
        beams = light[:, :, None, None] * _BEAM[:, None] * np.eye(3)[:, None]  # (B, 3, 8, 3)
        row = DARK + (1 - DARK) * beams.reshape(len(values), 1, SIZE, 3)
        return np.rint(255 * row).astype(np.uint8).repeat(SIZE, axis=1)
