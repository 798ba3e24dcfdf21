"""Networks that are not the method itself, in run folders like its: trained, stopped, loaded.

A baseline is trained through the same `run.Run` as the method and leaves the same files. Its
`model.json` has one more entry, `network`: what kind it is and the settings that no recipe has.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save as save_tensors
from torch import nn

from cvq_tutorial.common.device import half_precision
from cvq_tutorial.training.checkpoints import (
    FORMAT,
    CheckpointError,
    check_world,
    fill,
    read_info,
    write,
)
from cvq_tutorial.training.run import STATE, Run
from cvq_tutorial.training.trusted import check_sizes, shapes

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
        "bf16": half_precision(run.device),
    }
    return write(run.dir, weights, info)


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
    if world is not None:
        check_world(run_dir, info, world)
    check_sizes(info, shapes(run_dir), run_dir)
    return info
