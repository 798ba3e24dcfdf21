"""What a checkpoint says of itself, believed only as far as it can be checked.

`model.json` says what `model.safetensors` holds, and both may have been changed by hand, cut short,
or come from somebody else. Three checks stand before anything is built from them:

* the description has the entries and types that it must have (`description`);
* one digest covers it and, through their SHA-256, the weights (`sealed`): a seed or a name of an
  action that was changed is noticed. It tells a change, not who wrote it: whoever writes both files
  anew can make a digest that fits;
* the sizes that it asks for are those of the tensors in the file (`check_sizes`): a number that was
  changed costs neither time nor memory.

All here are pure functions of dictionaries and shapes, but for `shapes`, which reads the names and
shapes of the tensors from the head of the file, and no tensor.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from cvq_tutorial.common.json_files import (
    ANYTHING,
    NUMBER,
    TEXT,
    WHOLE,
    FileError,
    Schema,
    check,
    dict_of,
    list_of,
    or_null,
    parse,
    read_json,
    record,
)
from cvq_tutorial.method.autoencoder import PATCH

Shapes = Mapping[str, tuple[int, ...]]

LABELS = "transition.labels"  # of the training pairs, where actions are unnamed
_PLACES: Schema = {"type": "integer", "minimum": 0}
_SETTINGS = dict_of({"type": ["string", "number"]})
_WORLD = record(name=TEXT, options=dict_of(ANYTHING), image_shape=list_of(WHOLE, least=3))
_NETWORK = or_null(record(kind=TEXT))
MODEL = record(
    {
        "world": _WORLD,
        "recipe": _SETTINGS,
        "seed": _PLACES,
        "action_names": list_of(TEXT),
        "sha256": TEXT,
    },
    network=_NETWORK,
    seconds=dict_of(NUMBER),
    digest=TEXT,
    explains_at=NUMBER,
)
IDENTITY = record(
    {"world": _WORLD, "recipe": _SETTINGS, "seed": _PLACES},
    network=_NETWORK,
)


class CheckpointError(FileError):
    """A checkpoint that cannot be used; the message names the file, expected and found."""


def description(path: Path, version: int) -> dict:
    """The checked contents of a `model.json` of this format.

    Raises CheckpointError if it is missing, damaged, of another format, or was changed.
    """
    try:
        info = read_json(path, record(format=ANYTHING))
        if (found := info.get("format")) != version or isinstance(found, bool):
            newer = isinstance(found, int) and found > version
            raise CheckpointError(
                f"{path}: expected checkpoint format {version}, found {found!r:.60}"
                + ("; it was made by a newer cvq_tutorial" if newer else "")
            )
        check(info, path, MODEL)
    except FileNotFoundError:
        raise CheckpointError(f"no trained model here: expected {path}") from None
    except FileError as error:
        raise CheckpointError(str(error)) from None
    if "digest" in info and info["digest"] != _digest(info):
        raise CheckpointError(
            f"{path} was changed after it was written: expected digest {_digest(info)[:12]}..., "
            f"found {info['digest']!r:.15}"
        )
    return info


def sealed(info: dict) -> dict:
    """A description with the digest of everything in it, the SHA-256 of the weights too."""
    return info | {"digest": _digest(info)}


def _digest(info: dict) -> str:
    told = {key: value for key, value in info.items() if key != "digest"}
    return hashlib.sha256(json.dumps(told, sort_keys=True, allow_nan=False).encode()).hexdigest()


def state_header(metadata: Mapping[str, str] | None, name: str, phases: tuple[str, ...]) -> dict:
    """What the state of a stopped run says of itself, its identity as a dictionary.

    metadata: of the safetensors file.  Raises FileError, which calls it `name`.
    """
    if not metadata or "run" not in metadata:
        raise FileError(f"{name} is damaged: expected the head of a run, found none")
    row = dict_of({"type": ["string", "number"]})
    told = record(
        {
            "identity": TEXT,
            "phase": {"enum": ["", *phases]},
            "step": _PLACES,
            "rows": list_of(row),
            "seconds": dict_of(NUMBER),
        }
    )
    found = parse(metadata["run"], name, told)
    return found | {"identity": parse(found["identity"], f"{name}, identity", IDENTITY)}


# Sizes -------------------------------------------------------------------------------------------


def shapes(run_dir: str | Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of a run folder, none of which is read.

    Raises CheckpointError if they are missing or damaged.
    """
    path = Path(run_dir) / "model.safetensors"
    try:
        with safe_open(path, "pt") as file:
            return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing beside model.json") from None
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{path} is damaged, it cannot be read: {error}") from None


def check_sizes(info: dict, found: Shapes, name: str | Path) -> None:
    """Raise CheckpointError unless the weights have the sizes that a description asks for.

    info: of `description`.  found: of `shapes`.  name: what to call the checkpoint.
    A network that is no method and no VAE is never built from its description: it is not looked at.
    """
    network, recipe = info.get("network"), info["recipe"]
    sizes: dict[str, tuple[Any, int | None]] = {}  # what -> in the description, in the weights
    if network is None:
        sizes = _of_the_method(info, found)
    elif network.get("kind") == "vae":
        latent = network.get("latent"), _long(found, "decoder.0.weight", 1)
        sizes = _decoder(recipe, found, "decoder.5.") | {"network latent": latent}
    for what, (wanted, have) in sizes.items():
        if have != wanted or isinstance(wanted, bool):
            raise CheckpointError(
                f"{name}: {what} does not fit the weights: expected {have}, found {wanted!r:.60}"
            )


def _of_the_method(info: dict, found: Shapes) -> dict[str, tuple[Any, int | None]]:
    recipe, world = info["recipe"], info["world"]
    nodes, width = (_long(found, "transition.cause_place", axis) for axis in (0, 1))
    actions = _long(found, "transition.action_vectors", 0)
    sizes: dict[str, tuple[Any, int | None]] = {
        "recipe width": (recipe.get("width"), width),
        "recipe reads": (recipe.get("reads"), _count(found, "transition.reads.")),
        "number of action names": (len(info["action_names"]), actions),
    }
    if recipe.get("actions") == "none":
        sizes["recipe action_codes"] = recipe.get("action_codes"), actions
        sizes["recipe transitions"] = recipe.get("transitions"), _long(found, LABELS, 0)
    if "image_shape" in world:
        height, wide, *_ = world["image_shape"]
        books = _long(found, "autoencoder.quantizer.vectors", 0)
        places = (height // PATCH) * (wide // PATCH)
        joint, patch = recipe.get("layout") == "places", recipe.get("patch", PATCH)
        stride = _long(found, "autoencoder.encoder.4.weight", 2)
        each = 1 if patch == PATCH else 4  # places of a node
        depth = _long(found, "autoencoder.encoder.7.weight", 0)
        return {
            **sizes,
            **_decoder(recipe, found, "autoencoder.decoder."),
            "recipe codebooks": (recipe.get("codebooks"), books),
            "recipe codes": (recipe.get("codes"), _long(found, "autoencoder.quantizer.vectors", 1)),
            "recipe code_width": (recipe.get("code_width"), depth),
            "recipe patch": (patch, stride and 4 * stride),
            "world image_shape, in nodes": (places * (1 if joint else each * (books or 1)), nodes),
        }
    codes, options = _long(found, "transition.code_vectors", 1), world.get("options", {})
    known = {"n_variables": nodes, "n_codes": codes, "n_actions": actions}
    if recipe.get("actions") == "none":
        del known["n_actions"]
    return sizes | {f"world {k}": (options[k], have) for k, have in known.items() if k in options}


def _decoder(recipe: dict, found: Shapes, start: str) -> dict[str, tuple[Any, int | None]]:
    blocks = _count(found, start, ".look.weight") - 1  # the last is at twice the resolution
    return {
        "recipe decoder_width": (recipe.get("decoder_width"), _long(found, f"{start}0.weight", 0)),
        "recipe decoder_blocks": (recipe.get("decoder_blocks"), blocks),
    }


def _long(found: Shapes, key: str, axis: int) -> int | None:
    """How long an axis of a weight is; None if there is no such."""
    shape = found.get(key, ())
    return shape[axis] if axis < len(shape) else None


def _count(found: Shapes, start: str, end: str = "") -> int:
    """How many parts of a list of modules there are weights of."""
    keys = [key for key in found if key.startswith(start) and key.endswith(end)]
    return len({key.removeprefix(start).split(".")[0] for key in keys})
