"""The triplet test: one factor from a second picture, all others from the first.

Intuition: if the codes that the actions of a factor set *are* that factor, they can be taken from
another picture: those codes of picture 2 beside all other codes of picture 1 must decode to the
picture whose factor is that of 2 and whose others are those of 1.

What a result means: PSNR against the true third picture, beside the *ceiling* (that picture itself,
encoded and decoded) and the *copy* (picture 1 through its codes). `alone`: the two pictures differ
in this factor only, and the test asks whether its codes are all there. `all`: they differ in every
factor, and it asks whether its codes hold nothing else.
When it misleads: codes of places cannot hold two factors apart that show at the same place (the hue
of an object and its shape), so that `all` fails there whatever the training; a factor whose codes
hang on others has to be *set* (`CausalVQ.intervene`), not pasted. Source: Lippe et al. 2022
(CITRIS), where latents are taken from two pictures.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from cvq_tutorial.common.arrays import counts
from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.transitions import sample_values
from cvq_tutorial.measure.metrics import psnr
from cvq_tutorial.worlds.world import World, has_every_picture


def triplets(
    model: Any, world: World, n: int = 100, seed: int = 0
) -> dict[str, dict[str, dict[str, float]]]:
    """The triplet test of every factor, on n pairs of pictures of the test split.

    Returns {factor: {"alone" and "all": {"psnr", "ceiling", "copy"}}}, dB. Deterministic.
    Raises ValueError for a world without factors or without a picture of every combination.
    """
    if not world.has_images or not has_every_picture(world):
        raise ValueError(f"triplets need pictures of all combinations, found {world.name!r}")
    space = world.factors
    first, second = sample_values(space, n, "test", seed), sample_values(space, n, "test", seed + 1)
    for f, size in enumerate(space.sizes):  # every factor differs
        same = first[:, f] == second[:, f]
        second[same, f] = (second[same, f] + 1) % size
    told = {}
    for f, name in enumerate(space.names):
        third = first.copy()
        third[:, f] = second[:, f]
        moved = np.flatnonzero(space.factor_of(np.arange(space.n_actions)) == f)
        told[name] = {
            "alone": _pasted(model, world, first, third, third, moved),
            "all": _pasted(model, world, first, second, third, moved),
        }
    return told


def _pasted(
    model: Any, world: Any, first: Any, second: Any, third: Any, actions: Any
) -> dict[str, float]:
    """Codes that the actions set, from the second pictures, the others from the first."""
    images = [to_float(world.render(v)).to(model.device) for v in (first, second, third)]
    one, two, three = (model.encode(x) for x in images)
    chosen = set_by(model, one, actions) | set_by(model, two, actions)  # where it is, or will be
    drawn = model.decode(torch.where(chosen, two, one))
    found = {"psnr": drawn, "ceiling": model.decode(three), "copy": model.decode(one)}
    return {k: psnr(float((v - images[2]).square().mean())) for k, v in found.items()}


def set_by(model: Any, codes: Tensor, actions: Any) -> Tensor:
    """Bool (B, N, C): the codes that any of some actions (numbers) sets."""
    found = torch.zeros(codes.shape, dtype=torch.bool, device=codes.device)
    for action in actions:
        asked = torch.full((len(codes),), int(action), device=codes.device)
        found |= counts(model.from_nodes(model.distribution(codes, asked).mask))
    return found
