"""dSprites, drawn here: one white shape on black, five factors, 737,280 images, no download.

The scene is that of DeepMind's dSprites data set (Matthey, Higgins, Hassabis and Lerchner, 2017):
a square, an ellipse or a heart in six sizes, 40 turns and 32 x 32 places. The pictures are our own
and differ from the file in three ways: the colour, which is constant there, is no factor; the 40
turns are 9 degrees apart, so that the last is a neighbour of the first (in the file the first and
the last are the same turn); and edges are smooth unless `antialias` is off (the file has only black
and white).

A square looks the same after a quarter turn and an ellipse after half a turn, so there are 430,080
different pictures, and no reader of pictures can tell more than that about a turn.

Moving a shape by one place moves it by exactly one pixel. So the shapes are drawn once, 3 * 6 * 40
stamps of 33 x 33 pixels, and a picture is a stamp put in its place.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from cvq_tutorial.worlds.factors import Factor, FactorSpace

SIZE = 64  # pixels
SHAPES = ("square", "ellipse", "heart")
SCALES = np.linspace(0.5, 1.0, 6)
TURNS = np.arange(40) * 9.0  # degrees, anticlockwise
PLACES = 32  # along each side, one pixel apart
STAMP = SIZE - PLACES + 1  # pixels: a stamp has a pixel in its middle and fits at every place

REPEATS = (10, 20, 40)  # steps of orientation after which each shape looks the same again


class TurningFactors(FactorSpace):
    """The factors of dSprites, which know that a square turned by 90 degrees is the same."""

    def first_alike(self, values: np.ndarray) -> np.ndarray:
        """The smallest values with the same picture: int64 (B, 5) for integers (B, 5)."""
        first = self.check(values)
        first[:, 2] %= np.array(REPEATS)[first[:, 0]]
        return first


FACTORS = TurningFactors(
    (
        Factor("shape", len(SHAPES), "categorical", SHAPES),
        Factor("scale", len(SCALES), values=tuple(f"{s:.1f}" for s in SCALES)),
        Factor("orientation", len(TURNS), "cyclic", tuple(f"{t:.0f}" for t in TURNS)),
        Factor("pos_x", PLACES),
        Factor("pos_y", PLACES),
    )
)

# Pixels at scale 1. The three have about the same area, and each fits a stamp in every turn.
_SQUARE = 10.4  # half of a side
_ELLIPSE = (14.6, 9.4)  # half axes
_HEART = 10.9  # half of its width, nearly
_RAYS = 8  # samples per pixel and side where edges are smooth


@dataclass(frozen=True)
class DSprites:
    """The world `dsprites`: `render` makes the pictures, grey, of any factor values.

    Its factors are shape 3, scale 6, orientation 40 (cyclic), pos_x 32 (from left to right), pos_y
    32 (from top to bottom, last fastest).

    Args:
        antialias: smooth edges, 65 levels of grey; False gives black and white only.
        actions: "steps" or "set", see `factors`.

    Raises:
        TypeError: antialias is no bool. ValueError: unknown actions.
    """

    antialias: bool = True
    actions: str = "steps"
    name: str = field(default="dsprites", init=False)
    has_images: Literal[True] = field(default=True, init=False)
    factors: TurningFactors = field(init=False, repr=False)
    image_shape: tuple[int, int, int] = field(default=(SIZE, SIZE, 3), init=False)
    credit: str = field(
        default="Scene after dSprites (Matthey, Higgins, Hassabis and Lerchner, 2017); pictures "
        "drawn by cvq_tutorial.",
        init=False,
    )
    #: uint8 (720, 33, 33), number (shape * 6 + scale) * 40 + orientation
    stamps: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.antialias, bool):
            raise TypeError(f"antialias: expected True or False, found {self.antialias!r}")
        object.__setattr__(self, "factors", FACTORS.with_actions(self.actions))
        object.__setattr__(self, "stamps", draw_stamps(_RAYS if self.antialias else 1))

    @property
    def options(self) -> dict:
        """What `make_world("dsprites", **options)` needs to make this world again."""
        return {"antialias": self.antialias, **self.factors.actions_option}

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the stamps, to name files that depend on them."""
        return hashlib.sha256(self.stamps.tobytes()).hexdigest()[:16]

    def render(self, values: np.ndarray) -> np.ndarray:
        """Pictures uint8 (B, 64, 64, 3) of factor values (B, 5), see `ImageWorld.render`."""
        shape, scale, turn, left, top = self.factors.check(values).T
        stamp = self.stamps[(shape * len(SCALES) + scale) * len(TURNS) + turn]  # (B, 33, 33)
        grey = np.zeros((len(shape), SIZE, SIZE), dtype=np.uint8)
        corners = sliding_window_view(grey, (STAMP, STAMP), axis=(1, 2), writeable=True)
        corners[np.arange(len(shape)), top, left] = stamp
        return np.repeat(grey[..., None], 3, axis=3)


def inside(shape: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Whether points are inside the upright shape of scale 1: bool, of the shape of u and v.

    u, v: to the right and upwards from the middle, in pixels.
    Raises ValueError for a name that is not in SHAPES.
    """
    if shape == "square":
        return np.maximum(np.abs(u), np.abs(v)) <= _SQUARE
    if shape == "ellipse":
        return (u / _ELLIPSE[0]) ** 2 + (v / _ELLIPSE[1]) ** 2 <= 1
    if shape == "heart":  # the sextic curve (u^2 + v^2 - 1)^3 = u^2 v^3, its middle a bit higher
        u, v = u / _HEART, v / _HEART + 0.12
        return (u * u + v * v - 1) ** 3 <= u * u * v * v * v
    raise ValueError(f"shape: expected one of {', '.join(SHAPES)}, found {shape!r}")


@lru_cache(maxsize=2)
def draw_stamps(rays: int) -> np.ndarray:
    """All stamps, uint8 (720, 33, 33), read-only: the share of rays * rays samples inside, * 255.

    rays: samples per pixel and side, 1 or more. Every sample is turned and shrunk into the frame of
    the upright shape of scale 1 and tested there.
    Raises ValueError for fewer than 1.
    """
    if rays < 1:
        raise ValueError(f"rays: expected 1 or more, found {rays}")
    line = (np.arange(STAMP * rays) + 0.5) / rays - STAMP / 2
    right, up = line[None, :], -line[:, None]  # rows go down
    stamps = np.empty((len(SHAPES), len(SCALES), len(TURNS), STAMP, STAMP), dtype=np.uint8)
    for t, turn in enumerate(np.deg2rad(TURNS)):
        u = np.cos(turn) * right + np.sin(turn) * up
        v = np.cos(turn) * up - np.sin(turn) * right
        for s, scale in enumerate(SCALES):
            for k, shape in enumerate(SHAPES):
                hit = inside(shape, u / scale, v / scale)
                share = hit.reshape(STAMP, rays, STAMP, rays).mean(axis=(1, 3))
                stamps[k, s, t] = np.rint(255 * share)
    flat = stamps.reshape(-1, STAMP, STAMP)
    flat.setflags(write=False)
    return flat
