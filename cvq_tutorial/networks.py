"""Networks that are not the method itself, in run folders like its: trained, stopped, loaded.

A baseline is trained through the same `loop.Run` as the method and leaves the same files. Its
`model.json` has one more entry, `network`: what kind it is and the settings that no recipe has.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from cvq_tutorial.checkpoints import FORMAT, CheckpointError, describe, read_info
from cvq_tutorial.loop import STATE, Run
from cvq_tutorial.paths import write_atomic

MOST_SHIPPED = 2_000_000  # bytes

Network = TypeVar("Network", bound=nn.Module)


def trained(run: Run, make: Callable[[], Network], fit: Callable[[Network], None]) -> Network:
    """The network of a run folder, in evaluation mode: trained, trained further, or loaded.

    make: an untrained network, its weights drawn from torch's global generator, which is seeded
    here and put back.  fit: trains one that has taken up what the run was stopped with.
    Raises what `train.train` raises.
    """
    torch.set_flush_denormal(True)
    finished = run.finished()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        network = make().to(run.device)
    if finished:
        fill(network, run.dir)
        return network.eval()
    run.resume(network)
    fit(network)
    path = _save(run, network)
    (run.dir / STATE).unlink(missing_ok=True)
    run.say(f"saved {path.name} and its weights")
    return network.eval()


def _save(run: Run, network: nn.Module) -> Path:
    weights = save_tensors({k: v.cpu().contiguous() for k, v in network.state_dict().items()})
    info = {
        "format": FORMAT,
        **json.loads(run.identity),
        "action_names": list(run.world.factors.action_names),
        "seconds": {k: round(v, 2) for k, v in run.seconds.items()},
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    return _write(run.dir, weights, info)


def _write(folder: Path, weights: bytes, info: dict) -> Path:
    write_atomic(folder / "model.safetensors", weights)
    return write_atomic(folder / "model.json", (json.dumps(info, indent=1) + "\n").encode())


def read(run_dir: str | Path, kind: str, world: Any | None = None) -> dict:
    """The checked `model.json` of a run folder that holds a network of this kind.

    world: whose world it must be, if given.
    Raises CheckpointError for no usable checkpoint, another kind, or another world.
    """
    info = read_info(run_dir)
    network = info.get("network")
    found = network.get("kind") if isinstance(network, dict) else "causal codes"
    if found != kind:
        raise CheckpointError(f"{run_dir} holds another model: expected {kind!r}, found {found!r}")
    if world is not None and (expected := describe(world)) != info["world"]:
        key = next((k for k in expected if info["world"].get(k) != expected[k]), "options")
        raise CheckpointError(
            f"{run_dir} holds a model of another world: expected {key} {expected.get(key)}, "
            f"found {info['world'].get(key)}"
        )
    return info


def fill(network: nn.Module, run_dir: str | Path) -> None:
    """Put the weights of a run folder into a network.

    Raises CheckpointError, with the network untouched, if they are missing, damaged, or of another
    shape; the message names expected and found.
    """
    path = Path(run_dir) / "model.safetensors"
    wanted = read_info(run_dir)["sha256"]
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


def ship(run_dir: str | Path, folder: str | Path, command: str) -> Path:
    """Copy a finished network into `folder` in half precision, as the package ships models.

    command: what made it, kept in `model.json` as `made_by`.  Returns the path of the new JSON.
    Raises CheckpointError without a whole checkpoint, ValueError for more than 2 MB of weights.
    """
    run_dir, info = Path(run_dir), read_info(run_dir)
    tensors = load_tensors((run_dir / "model.safetensors").read_bytes())
    for name, value in tensors.items():
        if not torch.isfinite(value.half()).all():
            raise ValueError(f"{run_dir}: weight {name} does not fit half precision")
    weights = save_tensors({name: value.half() for name, value in tensors.items()})
    if len(weights) > MOST_SHIPPED:
        raise ValueError(
            f"{run_dir}: expected at most {MOST_SHIPPED} bytes to ship, found {len(weights)}"
        )
    info |= {"sha256": hashlib.sha256(weights).hexdigest(), "made_by": command}
    info.pop("seconds", None)
    return _write(Path(folder), weights, info)
