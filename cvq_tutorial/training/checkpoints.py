"""Trained models on disk: weights as safetensors, everything else as JSON beside them. Nothing is
unpickled.

`model.json` says which world, recipe and seed made the weights, the sizes they have, and their
SHA-256, and one digest covers all of that. It is checked before a single weight is touched (see
`trusted`), and both files are written whole or not at all.

Versions: `format` is 1. Entries may be added without a new number: who reads leaves alone what it
does not know, settings that a recipe did not have yet have their defaults, and a file without a
digest is read as it always was. The number rises when an older reader would misread a file; a
reader refuses a higher one, and reads all lower ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.json_files import to_json
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.training.build import build
from cvq_tutorial.training.identity import describe, first_difference, what_this_run_is
from cvq_tutorial.training.recipes import Recipe, grown
from cvq_tutorial.training.trusted import (
    CheckpointError,
    check_sizes,
    description,
    sealed,
    shapes,
)

FORMAT = 1


def pack(tensors: Mapping[str, Tensor], about: dict[str, str] | None = None) -> bytes:
    """Every file of weights here: tensors as the bytes of safetensors, with texts about them.

    Wherever they lie in memory, the file has them in the order of their axes, and each once more
    where several share it.
    """
    return save_tensors({k: v.cpu().contiguous().clone() for k, v in tensors.items()}, about)


def save(
    run_dir: str | Path,
    network: torch.nn.Module,
    world: Any,
    recipe: Recipe,
    seed: int,
    *,
    kind: dict | None = None,
    seconds: dict[str, float] | None = None,
    bf16: bool = False,
) -> Path:
    """Write `model.safetensors` and `model.json` into run_dir; returns the path of the JSON.

    kind: of a network that is not the method but a baseline.  seconds: of training, per phase.
    bf16: whether it was trained in half precision.
    """
    run = what_this_run_is(world, recipe, seed, kind)
    known = world.factors if world.has_images else world
    info = {
        "format": FORMAT,
        **{key: value for key, value in run.items() if value is not None},
        "action_names": list(getattr(network, "action_names", known.action_names)),
        "seconds": {k: round(v, 2) for k, v in (seconds or {}).items()},
        "bf16": bf16,
    }
    if (least := getattr(network, "explains_at", None)) is not None:
        info["explains_at"] = least
    return write(run_dir, pack(network.state_dict()), info)


def write(run_dir: str | Path, weights: bytes, info: dict) -> Path:
    """Write weights, then the JSON that belongs to them; returns its path."""
    info = sealed(info | {"sha256": hashlib.sha256(weights).hexdigest()})
    write_atomic(Path(run_dir) / "model.safetensors", weights)
    return write_atomic(Path(run_dir) / "model.json", to_json(info))


def read_info(run_dir: str | Path) -> dict:
    """The checked contents of `model.json`; CheckpointError names what is wrong.

    Settings that recipes did not have when the checkpoint was made have their defaults.
    """
    info = description(Path(run_dir) / "model.json", FORMAT)
    try:
        return info | {"recipe": grown(info["recipe"])}
    except ValueError as error:
        raise CheckpointError(f"{run_dir} is of an older version: {error}") from None


def load(run_dir: str | Path, world: Any, *, device: str | torch.device = "cpu") -> CausalVQ:
    """The trained model of a run folder, for the world it was trained on.

    Raises CheckpointError when the checkpoint is missing, damaged, of a newer format, or of another
    world; the message names expected and found, and the world's weights are then untouched.
    """
    info = read_info(run_dir)
    if info.get("network"):
        raise CheckpointError(
            f"{run_dir} holds another model: expected 'causal codes', "
            f"found {info['network'].get('kind')!r}"
        )
    check_world(run_dir, info, world)
    try:
        recipe = Recipe(**info["recipe"])
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{run_dir} cannot be read: {error}") from None
    check_sizes(info, shapes(run_dir), run_dir)
    with torch.random.fork_rng():  # its weights are replaced: nobody's random stream moves on
        model = build(world, recipe)
    fill(model, run_dir)
    return model.to(device).eval()


def check_world(run_dir: str | Path, info: dict, world: Any) -> None:
    """Raise CheckpointError, with expected and found, unless `info` is of a model of this world."""
    if told := first_difference({"world": describe(world)}, {"world": info["world"]}):
        raise CheckpointError(f"{run_dir} holds a model of another world: {told}")


def fill(network: torch.nn.Module, run_dir: str | Path) -> None:
    """Put the weights of a run folder into a network.

    Raises CheckpointError, with the network untouched, if they are missing, damaged, or of another
    shape; the message names expected and found.
    """
    path = Path(run_dir) / "model.safetensors"
    info = read_info(run_dir)
    wanted = info["sha256"]
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing beside model.json") from None
    found = hashlib.sha256(data).hexdigest()
    if found != wanted:
        raise CheckpointError(
            f"{path} is damaged: expected SHA-256 {wanted[:12]}..., found {found[:12]}..."
        )
    try:
        tensors = load_tensors(data)
    except SafetensorError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from None
    want = {k: tuple(v.shape) for k, v in network.state_dict().items()}
    have = {k: tuple(v.shape) for k, v in tensors.items()}
    for key in sorted(want.keys() | have.keys()):
        if want.get(key) != have.get(key):
            raise CheckpointError(
                f"{path}: weight {key}: expected shape {want.get(key)}, found {have.get(key)}"
            )
    network.load_state_dict(tensors)
    if isinstance(network, CausalVQ):
        network.explains_at = info.get("explains_at")


def load_run(
    run_dir: str | Path,
    *,
    device: str | torch.device = "cpu",
    world: Any = None,
    root: str | None = None,
) -> tuple[CausalVQ, Any, dict]:
    """Model, world and info of a run folder; the world is made again from the checkpoint.

    world: the world itself, where its class is not one of this package. root: where a folder of
    pictures is now, if it was moved.

    Raises CheckpointError as `load`, and for a world that cannot be made.
    """
    from cvq_tutorial.worlds.make import make_world, world_names

    info = read_info(run_dir)
    name = info["world"].get("name")
    if world is not None:
        return load(run_dir, world, device=device), world, info
    if not info.get("network"):  # a world may be as large as its options say
        check_sizes(info, shapes(run_dir), run_dir)
    if name not in world_names():
        raise CheckpointError(
            f"{run_dir} holds a model of an unusable world: {name!r} is not one of this package; "
            "where it is your own, give it with load_run(run_dir, world=...)"
        )
    try:
        options = info["world"]["options"] | ({} if root is None else {"root": root})
        world = make_world(name, **options)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{run_dir} holds a model of an unusable world: {error}") from None
    return load(run_dir, world, device=device), world, info
