"""Worlds: images with known factors, drawn here or read from files, and codes with a known graph.

What they must have is said in `world`. In `causal_shapes3d` the factors cause each other, through a
known graph too; in `light_tunnel` two actions are twins that no picture tells apart.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from cvq_tutorial.common.checks import close_match
from cvq_tutorial.common.folders import data_root
from cvq_tutorial.worlds import sprites
from cvq_tutorial.worlds.causal_shapes3d import CausalShapes3D
from cvq_tutorial.worlds.codes import CodesWorld
from cvq_tutorial.worlds.dsprites import DSprites
from cvq_tutorial.worlds.factors import FactorSpace
from cvq_tutorial.worlds.files import cars3d, dsprites_file, mpi3d, shapes3d_file, smallnorb
from cvq_tutorial.worlds.light_tunnel import LightTunnel
from cvq_tutorial.worlds.shapes3d import Shapes3D
from cvq_tutorial.worlds.sprites import Sprites
from cvq_tutorial.worlds.tables import world as attributes
from cvq_tutorial.worlds.tables.find import CELEBA, CELEBA_CSV, FOLDERS, find_root, find_table
from cvq_tutorial.worlds.world import World

_WORLDS: dict[str, Callable[..., Any]] = {
    "shapes3d": Shapes3D,
    "codes": CodesWorld,
    "sprites": Sprites,
    "dsprites": DSprites,
    "faces": attributes.faces_world,
    "pictures": attributes.pictures_world,
    "causal_shapes3d": CausalShapes3D,
    "light_tunnel": LightTunnel,
    "shapes3d_file": shapes3d_file.shapes3d_file_world,
    "dsprites_file": dsprites_file.dsprites_file_world,
    "cars3d": cars3d.cars3d_world,
    "smallnorb": smallnorb.smallnorb_world,
    "mpi3d": mpi3d.mpi3d_world,
}
_FILES = shapes3d_file, dsprites_file, cars3d, smallnorb, mpi3d
BENCHMARKS = {module.BENCHMARK.world: module.BENCHMARK for module in _FILES}


def world_names() -> tuple[str, ...]:
    """The names that `make_world` knows."""
    return tuple(_WORLDS)


def make_world(name: str, **options: object) -> World:
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
    check_options(f"option of world {name}:", _WORLDS[name], options)
    return _WORLDS[name](**options)


def check_options(kind: str, takes: Callable[..., Any], options: Iterable[str]) -> None:
    """Raise ValueError, with close names, for an option that a function does not take."""
    known = list(inspect.signature(takes).parameters)
    for option in options:
        if option not in known:
            raise ValueError(close_match(kind, option, known))


def recipe_world(name: str, options: Mapping[str, Any]) -> str:
    """The world whose recipes fit: `faces` with a table that is not CelebA's is like `pictures`."""
    if name == "faces" and options.get("root"):
        table = find_table(find_root(str(options["root"])))
        if table is None or table.name not in (CELEBA, CELEBA_CSV):
            return "pictures"
    return name


def data_places(name: str) -> tuple[Path, ...]:
    """Where a world looks for its data if it is told nothing, in order; () where it needs none."""
    if name in BENCHMARKS:
        return BENCHMARKS[name].places()
    if name == "faces":
        return tuple(data_root() / folder / CELEBA for folder in FOLDERS)
    return (data_root() / "sprites",) if name == "sprites" else ()


def published_factors(name: str) -> FactorSpace | None:
    """The factors that a world has with the published data, known without them.

    None: they depend on the files, or the world needs none.
    """
    if name in BENCHMARKS:
        return BENCHMARKS[name].factors
    return sprites.FACTORS if name == "sprites" else None
