"""Stage two: causes first, fidelity second. A trained model learns to paint, and nothing else.

Stage one is the method. Stage two freezes encoder, codebooks, graph and transition, and trains only
the decoder further, now also against a critic that looks at patches and says whether they are
pictures of the world (hinge loss). Codes are frozen, so every answer about causes stays the same,
bit for bit: that is the oracle. What is bought is sharpness, what it costs is some squared error.

The critic's weight is the ratio of the two gradients at the decoder's last layer, never above
`most`, and 0 in the first quarter of the steps: a critic that knows nothing yet should not teach.

When it misleads: with the encoder free (`encoder=True`, for the lesson) codes move under a
transition that does not know them any more; with a large weight the painter invents detail.

Source: after the idea of Yang, Shao, Wang, Zhao, 2024 (of which a title and an abstract were at
hand); the ratio of gradients as in Esser, Rombach, Ommer, CVPR 2021, arXiv 2012.09841.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cvq_tutorial.common.checks import whole_number
from cvq_tutorial.common.progress import Progress
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.training import checkpoints, loop
from cvq_tutorial.training.data import image_batches
from cvq_tutorial.training.recipes import Recipe
from cvq_tutorial.training.run import Run

STEPS = 1500
RATE = 1e-3  # of the decoder
CRITIC_RATE = 4e-3  # at 1e-3, or with spectral norm, it missed ripples of a few grey levels
PICTURE = 10.0  # weight of the squared error, as in stage one
QUIET = 0.25  # share of the steps in which the critic only learns
MOST = 1.0  # the critic's weight is never above


class Critic(nn.Module):
    """Says of patches how much they look like the world."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        sizes = ((3, width, 4, 2), (width, 2 * width, 4, 2), (2 * width, 2 * width, 3, 1))
        layers: list[nn.Module] = []
        for before, after, side, stride in sizes:
            layers += [nn.Conv2d(before, after, side, stride, 1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(2 * width, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """One number per patch of 18 x 18 pixels, (B, 1, H/4, W/4), of images (B, 3, H, W)."""
        return self.layers(2 * images - 1)


def critic_weight(error: Tensor, fooling: Tensor, last: Tensor, most: float = MOST) -> Tensor:
    """|gradient of the error| / |gradient of fooling the critic| at one weight, at most `most`."""
    one, other = (
        torch.autograd.grad(value, last, retain_graph=True)[0].norm() for value in (error, fooling)
    )
    return (one / (other + 1e-8)).clamp(0, most)


def refine(
    model: CausalVQ,
    world: Any,
    recipe: Recipe,
    seed: int = 0,
    *,
    steps: int = STEPS,
    critic: bool = True,
    most: float = MOST,
    fixed: float | None = None,
    encoder: bool = False,
    progress: bool = True,
) -> CausalVQ:
    """A copy of the model whose decoder was trained further; the model itself stays as it is.

    recipe: of stage one: it says what pictures are drawn, and how many a step.
    critic: False gives the control, the same steps by squared error alone.  most: upper end of the
    critic's weight.  fixed: a weight instead of the ratio, and encoder: whether the encoder is
    trained, too: two ways to do it wrong.  The same arguments give the same weights on one thread.

    Raises ValueError for a model without pictures, for `steps` below 4 or a negative weight;
    FloatingPointError with the step for a loss that is not finite.
    """
    whole_number("steps", steps, 4)
    if model.autoencoder is None:
        raise ValueError("expected a model of pictures, found one of codes: nothing to paint")
    if not min(most, most if fixed is None else fixed) >= 0:
        raise ValueError(f"expected weights of 0 or more, found most={most}, fixed={fixed}")
    refined = copy.deepcopy(model).requires_grad_(False)
    auto = refined.autoencoder
    assert auto is not None
    auto.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    part = nn.ModuleList([auto.decoder, auto.encoder] if encoder else [auto.decoder])
    part.requires_grad_(True)
    last = [w for w in auto.decoder.parameters() if w.ndim == 4][-1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        looks = Critic().to(model.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    run = Run(world, recipe, seed, Path(), model.device, False)  # only draws pictures
    batch = image_batches(run)

    def steps_of(name: str, network: nn.Module, rate: float) -> Iterator[loop.Step]:
        optimizer = loop.adamw(network, rate)
        schedule = loop.warm_up_and_cosine(optimizer, rate, steps)
        return loop.steps(f"stage two, {name}", network, optimizer, schedule, steps)

    teach = steps_of("critic", looks, CRITIC_RATE)
    with Progress("stage two", steps, show=progress) as bar:
        for paint in steps_of("decoder", part, RATE):
            images = batch(paint.number, recipe.autoencoder.batch)
            painted = auto(images).images
            error = PICTURE * (painted - images).square().mean()
            loss = error
            if critic and paint.number >= QUIET * steps:
                fooling = -looks(painted).mean()
                weight = critic_weight(error, fooling, last, most) if fixed is None else fixed
                loss = error + weight * fooling
            paint.minimise(loss)
            if critic:
                true, false = looks(images), looks(painted.detach())
                hinge = functional.relu(1 - true).mean() + functional.relu(1 + false).mean()
                next(teach).minimise(hinge)
            bar.update(paint.number + 1)
    auto.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return refined.requires_grad_(True).eval()


def save_refined(run_dir: str | Path, model: CausalVQ, folder: str | Path, about: dict) -> Path:
    """Write a refined model as a run folder of its own, loaded like any other.

    run_dir: of stage one, whose world, recipe and seed stay those of the model.  about: how it was
    refined, kept in `model.json` as `refined`.
    """
    info = checkpoints.read_info(run_dir)
    weights = checkpoints.pack(model.state_dict())
    return checkpoints.write(folder, weights, info | {"refined": about})
