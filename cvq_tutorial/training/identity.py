"""What a run is: one description, and one way to say where two descriptions part.

Two runs with the same description end with the same weights. It is what a folder is asked before
anything in it is used or replaced: a finished model, a stopped run, a shipped one, a cell of a
sweep, a run that another process is at.
"""

from __future__ import annotations

import json
from typing import Any

from cvq_tutorial.training.recipes import Recipe, grown

PLACES = ("root",)  # options of a world that say where its pictures lie: they may be moved


def what_this_run_is(
    world: Any, recipe: Recipe, seed: int, network: dict | None = None
) -> dict[str, Any]:
    """World, recipe, seed, and of a baseline the network, as JSON has them."""
    told = {"world": describe(world), "recipe": recipe.to_json(), "seed": seed, "network": network}
    return json.loads(json.dumps(told))


def what_the_autoencoder_is(world: Any, recipe: Recipe, seed: int) -> dict[str, Any]:
    """The same of the first phase alone: without what only the second hangs on."""
    return {"world": describe(world), "recipe": recipe.first_phase(), "seed": seed}


def what_a_file_says(info: dict[str, Any]) -> dict[str, Any]:
    """The run that left `info` (a model.json, the header of a state), with today's settings."""
    settings = info.get("recipe")
    told = {key: info.get(key) for key in ("world", "recipe", "seed", "network")}
    return told | {"recipe": grown(settings) if isinstance(settings, dict) else settings}


def describe(world: Any) -> dict[str, Any]:
    """What is remembered of a world: name, options, and of images the factors and sizes."""
    told: dict[str, Any] = {"name": world.name, "options": dict(world.options)}
    if world.has_images:
        told["factors"] = world.factors.to_json()
        told["image_shape"] = list(world.image_shape)
    return json.loads(json.dumps(told))  # as it will be read again: tuples are lists there


def first_difference(expected: Any, found: Any, name: str = "") -> str:
    """Where two descriptions part, such as "expected seed 4, found 3"; "" where they nowhere do.

    Numbers compare by value; what only one has is None in the other; the place of pictures does not
    count.

    >>> first_difference({"seed": 1, "recipe": {"codes": 8}}, {"seed": 1.0, "recipe": {"codes": 4}})
    'expected codes 8, found 4'
    """
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted({**expected, **found}, key=lambda k: k != "name"):  # the rest follows
            within = key if name in ("", "recipe") else f"{name} {key}"
            told = first_difference(expected.get(key), found.get(key), within)
            if told and key not in PLACES:
                return told
        return ""
    return "" if expected == found else f"expected {name} {expected!r:.200}, found {found!r:.200}"
