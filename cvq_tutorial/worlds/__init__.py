"""Worlds: images with known factors (`shapes3d`, `sprites`), and codes with a known graph.

An image world has `name`, `factors` (a FactorSpace), `image_shape` (H, W, 3), `has_images` True,
`options` (what `make_world` needs to make it again), `fingerprint` (names files that depend on the
pictures), `credit` (whom to name) and `render(values (B, F)) -> uint8 (B, H, W, 3)`.
"""

from __future__ import annotations

import inspect

from cvq_tutorial.paths import close_match
from cvq_tutorial.worlds.codes import CodesWorld
from cvq_tutorial.worlds.shapes3d import Shapes3D
from cvq_tutorial.worlds.sprites import Sprites

_WORLDS = {"shapes3d": Shapes3D, "codes": CodesWorld, "sprites": Sprites}


def world_names() -> tuple[str, ...]:
    """The names that `make_world` knows."""
    return tuple(_WORLDS)


def make_world(name: str, **options: object) -> Shapes3D | CodesWorld | Sprites:
    """The world of this name.

    Args:
        name: one of `world_names()`.
        options: what that world takes; a world's own `options` make it again.

    Raises:
        ValueError: unknown world or option (close names are given), or what the world raises.
        FileNotFoundError: the world needs files that are not there; the message says where to get
            them.
    """
    if name not in _WORLDS:
        raise ValueError(close_match("world", name, _WORLDS))
    known = list(inspect.signature(_WORLDS[name]).parameters)
    for option in options:
        if option not in known:
            raise ValueError(close_match(f"option of world {name}:", option, known))
    return _WORLDS[name](**options)
