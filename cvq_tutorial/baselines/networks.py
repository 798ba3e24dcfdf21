"""Networks that are not the method itself, in run folders like its.

A baseline is trained through the same `run.Run` as the method and leaves the same files. Its
`model.json` has one more entry, `network`: what kind it is and the settings that no recipe has.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cvq_tutorial.training.checkpoints import CheckpointError, check_world, read_info
from cvq_tutorial.training.trusted import check_sizes, shapes


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
