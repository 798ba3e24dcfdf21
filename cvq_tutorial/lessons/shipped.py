"""Trained models that come with the package, so that a lesson shows real pictures at once.

`load_or_train()` looks for the model of a world, a recipe and a seed: first in the package, then
among those trained before (`cache_root()/trained`); where there is none it trains it, after saying
how long that takes. It always says which of the three it did. Shipped weights are rounded to half
precision (under 2 MB a file); `model.json` beside them names the command that made them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors

from cvq_tutorial.baselines.vae import VAE, load_vae, train_vae
from cvq_tutorial.common.device import pick_device
from cvq_tutorial.common.folders import cache_root
from cvq_tutorial.measure import judge
from cvq_tutorial.measure.judge import Judge, load_or_train_judge
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.training import checkpoints, recipes
from cvq_tutorial.training.checkpoints import CheckpointError
from cvq_tutorial.training.data import encoded_transitions
from cvq_tutorial.training.identity import (
    first_difference,
    what_a_file_says,
    what_this_run_is,
)
from cvq_tutorial.training.recipes import Recipe
from cvq_tutorial.training.train import VALID, calibrate, train
from cvq_tutorial.worlds.make import make_world
from cvq_tutorial.worlds.world import ImageWorld

SHIPPED = Path(__file__).resolve().parent / "weights"
JUDGE_STEPS = 300
MOST = 2_000_000  # bytes of shipped weights
_TAKES = {"nano": "under a minute", "lesson": "about 8 minutes on two cores", "paper": "hours"}


def load_or_train(
    world: str = "shapes3d",
    recipe: str = "lesson",
    seed: int = 0,
    *,
    device: str = "cpu",
    say: Callable[[str], object] = print,
    **overrides: object,
) -> tuple[CausalVQ, Any, dict]:
    """Model in evaluation mode, its world, and the contents of its `model.json`.

    world, recipe: names, as for `make_world` and `recipes.get`; overrides: settings of the recipe.
    say: is given one line that tells what was done. Raises ValueError for unknown names, as they
    do.
    """
    settings = recipes.get(recipe, world, **overrides)  # an unknown name raises before any work
    name = name_of(world, settings, seed)
    place = make_world(world)
    for folder, told in _places():
        if not (folder / name / "model.json").is_file():
            continue
        try:
            info = checkpoints.read_info(folder / name)
            model = checkpoints.load(folder / name, place, device=pick_device(device))
            _same(info, what_this_run_is(place, settings, seed))
        except CheckpointError as error:
            say(f"{name}: the checkpoint {told} cannot be used: {_line(error)}")
            continue
        say(f"{name}: loaded the checkpoint {told}, SHA-256 {info['sha256'][:12]}")
        return model, place, info
    say(f"{name}: no checkpoint here, training it once; {_TAKES.get(recipe, 'this takes a while')}")
    _clear(name)
    model = train(place, settings, seed, _trained() / name, device=device)
    return model.eval(), place, checkpoints.read_info(_trained() / name)


def _same(info: dict, run: dict) -> None:
    """Raise CheckpointError for a model of other settings: a default may have changed since."""
    if told := first_difference(run, what_a_file_says(info)):
        raise CheckpointError(f"model.json: {told}")


def name_of(world: str, settings: Recipe, seed: int) -> str:
    """Name of a model's folder: world, recipe and seed, with a short hash of changed settings."""
    changed = changed_settings(world, settings)
    told = json.dumps(changed, sort_keys=True)
    short = f"-{hashlib.sha256(told.encode()).hexdigest()[:8]}" if changed else ""
    return f"{world}-{settings.name}-s{seed}{short}"


def vae_name(world: str, beta: float, seed: int) -> str:
    """Name of the folder of a VAE, or of a beta-VAE."""
    return f"{'vae' if beta == 1 else f'beta-vae-{beta:g}'}-{world}-s{seed}"


def changed_settings(world: str, settings: Recipe) -> dict[str, object]:
    """The settings that differ from those of the recipe of the same name."""
    usual = recipes.get(settings.name, world).to_json()
    return {k: v for k, v in settings.to_json().items() if v != usual[k]}


def load_or_train_a_judge(world: ImageWorld, *, say: Callable[[str], object] = print) -> Judge:
    """A judge of the world's factors (see `judge`): the shipped one if there is one, or trained."""
    path = SHIPPED / f"judge-{world.name}.safetensors"
    reader = Judge(world.factors.sizes, world.image_shape).eval()
    if path.is_file() and judge.fill(reader, path, judge.identity(world, 0, JUDGE_STEPS)):
        say(f"judge of {world.name}: shipped with the package")
        return reader
    say(f"judge of {world.name}: training it once (or reading it back); under a minute")
    return load_or_train_judge(world, 0, JUDGE_STEPS)


def load_or_train_vae(
    world: ImageWorld,
    beta: float = 1.0,
    seed: int = 0,
    *,
    device: str = "cpu",
    say: Callable[[str], object] = print,
) -> VAE:
    """The VAE (or beta-VAE) of a world, trained by the recipe `lesson`: shipped, or trained once.

    Raises ValueError for a world without images or a beta that is none.
    """
    name = vae_name(world.name, beta, seed)
    for folder, told in _places():
        if not (folder / name / "model.json").is_file():
            continue
        try:
            vae, info = load_vae(folder / name, world, device=pick_device(device))
        except CheckpointError as error:
            say(f"{name}: the checkpoint {told} cannot be used: {_line(error)}")
            continue
        say(f"{name}: loaded the checkpoint {told}, {info['sha256'][:12]}")
        return vae
    say(f"{name}: no checkpoint here, training it once, about 4 minutes on two cores")
    _clear(name)
    settings = recipes.get("lesson", world.name)
    return train_vae(world, settings, seed, _trained() / name, beta=beta, device=device)


def ship(run_dir: str | Path, command: str, folder: Path = SHIPPED) -> Path:
    """Put the model of a run folder, or a baseline's network, into `folder`, in half precision.

    command: what made the run, kept in `model.json` as `made_by`.  Returns its new folder.
    Raises CheckpointError for a run without a whole checkpoint, ValueError if the weights would
    exceed 2 MB.
    """
    run_dir, info = Path(run_dir), checkpoints.read_info(run_dir)
    world, network = info["world"]["name"], info.get("network")
    if network is None:
        model, own, _ = checkpoints.load_run(run_dir)  # whole and fitting, or CheckpointError
        target = folder / name_of(world, Recipe(**info["recipe"]), info["seed"])
        if model.explains_at is None:  # trained before the verdict was
            pairs = encoded_transitions(own, model, VALID, "valid", info["seed"])
            x, actions, y = (codes.long() for codes in pairs)
            info["explains_at"] = calibrate(model, x, y, actions)
    else:
        made = make_world(world, **info["world"]["options"])
        assert made.has_images
        load_vae(run_dir, made)
        target = folder / vae_name(world, network["beta"], info["seed"])
    tensors = load_tensors((run_dir / "model.safetensors").read_bytes())
    weights = checkpoints.pack({k: _halved(v) for k, v in tensors.items()})
    if len(weights) > MOST:
        raise ValueError(f"{run_dir}: expected at most {MOST} bytes to ship, found {len(weights)}")
    info.pop("seconds", None)
    return checkpoints.write(target, weights, info | {"made_by": command}).parent


def ship_judge(world: ImageWorld, folder: Path = SHIPPED) -> Path:
    """Put the world's judge into `folder`, in half precision."""
    state = {
        k: _halved(v) for k, v in load_or_train_judge(world, 0, JUDGE_STEPS).state_dict().items()
    }
    path = folder / f"judge-{world.name}.safetensors"
    return judge.keep(path, state, judge.identity(world, 0, JUDGE_STEPS))


def _halved(value: torch.Tensor) -> torch.Tensor:
    """Half precision where it holds the values: counts of a codebook may be larger than that."""
    fits = value.is_floating_point() and bool((value.abs() < 60_000).all())
    return value.half() if fits else value


def _trained() -> Path:
    return cache_root() / "trained"


def _places() -> tuple[tuple[Path, str], ...]:
    """Where a checkpoint may lie, and how it came there."""
    return (SHIPPED, "shipped with the package"), (_trained(), "trained before")


def _clear(name: str) -> None:
    """Put aside what was trained before under this name: it was found not to be usable here."""
    folder, aside = _trained() / name, _trained() / f"{name}.before"
    if (folder / "model.json").exists():  # else it may be a stopped run, to go on with
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)


def _line(error: Exception) -> str:
    """The reason without the folder: what a notebook prints must not name a machine's path."""
    return str(error).split(": ", 1)[-1].splitlines()[0]
