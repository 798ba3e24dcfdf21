"""The room of `shapes3d`, where factors cause each other through a graph that is known.

Every factor has a part of its own, and follows its causes:

    factor = (own part + the sum over its causes of steps * value of the cause)  mod  its size

An action moves the own part of one factor by one step, so that its effects move too, and theirs.
The graph of the default scene has each shape that a graph can be made of: a fork (the wall colours
the floor and stretches the object), a chain (wall, scale, orientation), a collider (scale and the
object's hue both turn the camera), and a factor that has to do with no other (the shape).

Own parts and factors name the same images: each can be computed from the other. If the own parts
are uniform and independent, so are the factors. **Images alone then say nothing about this graph;
only actions do**, which is the point of having them. And a factor that is set by hand, by `do`,
no longer listens to its causes: that is the world `cut` at this factor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from cvq_tutorial.worlds.factors import FactorSpace
from cvq_tutorial.worlds.shapes3d import FACTORS, Shapes3D

LINKS = (
    ("wall_hue", "floor_hue", 1),
    ("wall_hue", "scale", 1),
    ("scale", "orientation", 2),
    ("object_hue", "orientation", 3),
)


@dataclass(frozen=True)
class CausalShapes3D:
    """The world `causal_shapes3d`. It has the images of `shapes3d` and other actions.

    Args:
        links: (cause, effect, steps) each: when the cause goes up by one value, the effect goes up
            by `steps`, round its values and back to the first if need be.
        actions: "steps" or "set", see `factors`.

    Raises:
        ValueError: a link that is no such triple, an unknown factor, steps that move nothing, the
            same link twice, links that run in a circle, unknown actions.
    """

    links: Sequence[tuple[str, str, int]] = LINKS
    actions: str = "steps"
    name: str = field(default="causal_shapes3d", init=False)
    has_images: Literal[True] = field(default=True, init=False)
    factors: FactorSpace = field(init=False, repr=False)  #: those of shapes3d, with their causes
    image_shape: tuple[int, int, int] = field(default=Shapes3D.image_shape, init=False)
    credit: str = field(default=Shapes3D.credit, init=False)
    _room: Shapes3D = field(default_factory=Shapes3D, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        causes: dict[str, dict[str, int]] = {name: {} for name in FACTORS.names}
        for link in self.links:
            if not isinstance(link, (tuple, list)) or len(link) != 3:
                raise ValueError(f"links: expected (cause, effect, steps), found {link!r}")
            cause, effect, steps = link
            effect = FACTORS.names[FACTORS.factor_id(effect)]  # raises for an unknown name
            if cause in causes[effect]:
                raise ValueError(f"links: {cause!r} causes {effect!r} twice, expected once")
            causes[effect][cause] = steps
        linked = [replace(f, causes=tuple(causes[f.name].items())) for f in FACTORS.factors]
        object.__setattr__(self, "factors", FactorSpace(tuple(linked), actions=self.actions))
        object.__setattr__(self, "links", tuple(tuple(link) for link in self.links))

    @property
    def options(self) -> dict:
        """What `make_world("causal_shapes3d", **options)` needs to make this world again."""
        return {"links": [list(link) for link in self.links], **self.factors.actions_option}

    @property
    def fingerprint(self) -> str:
        """Hash of what the pictures are made of: the one of shapes3d, whose pictures these are."""
        return self._room.fingerprint

    @property
    def factor_graph(self) -> np.ndarray:
        """Which factor is a direct cause of which: bool (6, 6), row = cause, column = effect."""
        return self.factors.factor_graph

    def render(self, values: np.ndarray) -> np.ndarray:
        """Pictures uint8 (B, 64, 64, 3) of factor values (B, 6), as they are seen; see Shapes3D."""
        return self._room.render(values)

    def own_parts(self, values: np.ndarray) -> np.ndarray:
        """What each factor adds of its own: int64 (B, 6) of factor values (B, 6).

        The exogenous variables of the structural equations, in the range of their factor.
        """
        values = self.factors.check(values)
        parts = values.copy()
        for effect, factor in enumerate(self.factors.factors):
            for cause, steps in factor.causes:
                parts[:, effect] -= steps * values[:, self.factors.factor_id(cause)]
        return parts % np.array(self.factors.sizes)

    def cut(self, factors: str | Iterable[str]) -> CausalShapes3D:
        """The world in which these factors no longer listen to their causes (graph surgery)."""
        names = (factors,) if isinstance(factors, str) else tuple(factors)
        for name in names:
            FACTORS.factor_id(name)
        return replace(self, links=tuple(link for link in self.links if link[1] not in names))

    def do(self, values: np.ndarray, factor: str, value: int) -> np.ndarray:
        """Factor values after the factor is set by hand: int64 (B, 6); its effects follow.

        What set it before does not matter, its causes stay as they are. It stays set under further
        actions of the world `cut(factor)`, and only there.

        Raises TypeError, ValueError: values as `render`; an unknown factor, a value out of range.
        """
        before = self.factors.check(values)
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"{factor}: expected an integer, found {value!r}")
        after = before.copy()
        after[:, self.factors.factor_id(factor)] = value
        return self.factors.follow(before, self.factors.check(after))
