"""Which action lies between two images, without codes: four small rules and what they need.

* `Displacements`: an action moves the latents of an image by its mean displacement; the action is
  named whose mean is nearest to the difference of the two latents, in units of what is usual.
* `AffineSteps`: an action maps latents to latents, z -> z + W z + b, each by least squares.
* `LatentPairs`: a classifier of pairs of latents.
* `ImagePairs`: a classifier of pairs of images. It cannot draw, and has nothing but this one task:
  an upper reference, not a rival.

The first two are closed formulas. The others are trained on the transitions of the method's second
phase, drawn in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from cvq_tutorial.baselines.vae import VAE
from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.augment import moved
from cvq_tutorial.data.transitions import Transitions, sample_transitions
from cvq_tutorial.method.autoencoder import PATCH, Residual
from cvq_tutorial.training import data as training_data
from cvq_tutorial.training import train
from cvq_tutorial.training.run import Run
from cvq_tutorial.worlds.world import ImageWorld

RIDGE = 1e-4  # share of the mean variance that is added to every variance: latents may be constant
HIDDEN = 256  # width of the classifiers


# Closed formulas ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Displacements:
    """Mean displacement of latents per action, and how differences scatter around it.

    mean: (A, L).  whiten: (L, L), maps a difference to where that scatter is 1 in all directions.
    """

    mean: Tensor
    whiten: Tensor

    @classmethod
    def fit(cls, x: Tensor, actions: Tensor, y: Tensor, n_actions: int) -> Displacements:
        """From latents x, y (B, L) and actions (B,). ValueError if an action does not occur.

        The scatter is pooled over the actions, so the nearest mean is the likeliest action of a
        linear discriminant analysis with equal priors.
        """
        _each_occurs(actions, n_actions)
        moved = (y - x).double()  # (B, L)
        onehot = nn.functional.one_hot(actions, n_actions).double()  # (B, A)
        mean = (onehot.T @ moved) / onehot.sum(0)[:, None]
        rest = moved - mean[actions]
        scatter = rest.T @ rest / len(rest)
        size = scatter.diagonal().mean() + mean.square().mean()
        scatter += RIDGE * size.clamp_min(1e-12) * torch.eye(len(scatter), dtype=torch.float64)
        values, directions = torch.linalg.eigh(scatter)
        whiten = directions / values.sqrt()  # (L, L)
        return cls(mean.float(), whiten.float())

    def scores(self, x: Tensor, y: Tensor) -> Tensor:
        """(B, A) of latents x, y (B, L): minus half the squared distance to each mean."""
        gap = (y - x)[:, None] - self.mean  # (B, A, L)
        return -0.5 * (gap @ self.whiten).square().sum(-1)

    def move(self, x: Tensor, actions: Tensor) -> Tensor:
        """Latents (B, L) after actions (B,)."""
        return x + self.mean[actions]


@dataclass(frozen=True)
class AffineSteps:
    """Latents after an action as an affine function of those before. weight: (A, L + 1, L)."""

    weight: Tensor

    @classmethod
    def fit(cls, x: Tensor, actions: Tensor, y: Tensor, n_actions: int) -> AffineSteps:
        """From latents x, y (B, L) and actions (B,). ValueError if an action does not occur.

        By least squares with a little ridge, which pulls to leaving the latents as they are.
        """
        _each_occurs(actions, n_actions)
        before, moved = x.double(), (y - x).double()
        before = torch.cat([before, torch.ones(len(before), 1, dtype=torch.float64)], 1)
        size = RIDGE * before.square().mean() * torch.eye(before.shape[1], dtype=torch.float64)
        weight = []
        for action in range(n_actions):
            z, d = before[actions == action], moved[actions == action]
            weight.append(torch.linalg.solve(z.T @ z / len(z) + size, z.T @ d / len(z)))
        return cls(torch.stack(weight).float())

    def move(self, x: Tensor, actions: Tensor) -> Tensor:
        """Latents (B, L) after actions (B,)."""
        weight = self.weight[actions]  # (B, L + 1, L)
        return x + torch.einsum("bi,bij->bj", x, weight[:, :-1]) + weight[:, -1]


def _each_occurs(actions: Tensor, n_actions: int) -> None:
    counts = torch.bincount(actions, minlength=n_actions)
    if len(counts) > n_actions:
        raise ValueError(f"actions must lie in 0..{n_actions - 1}, found {int(actions.max())}")
    if not counts.all():
        missing = int((counts == 0).nonzero()[0])
        raise ValueError(f"expected every action among the transitions, found none of {missing}")


# Classifiers -------------------------------------------------------------------------------------


class LatentPairs(nn.Module):
    """Scores of every action from two latents. latent: L.  actions: A."""

    def __init__(self, latent: int, actions: int) -> None:
        super().__init__()
        self.register_buffer("middle", torch.zeros(latent))
        self.register_buffer("spread", torch.ones(latent))
        self.net = nn.Sequential(
            nn.Linear(3 * latent, HIDDEN),
            nn.GELU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.GELU(),
            nn.Linear(HIDDEN, actions),
        )

    def standardise(self, latents: Tensor) -> None:
        """Take mean and standard deviation of latents (B, L) as the units to read in."""
        self.middle.copy_(latents.mean(0))
        self.spread.copy_(latents.std(0).clamp_min(1e-3))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """(B, A) of latents x, y (B, L)."""
        x, y = ((z - self.middle) / self.spread for z in (x, y))
        return self.net(torch.cat([x, y, y - x], dim=1))


class ImagePairs(nn.Module):
    """Scores of every action from two images, stacked. image_shape: (H, W, 3).  actions: A."""

    def __init__(self, image_shape: tuple[int, int, int], actions: int) -> None:
        super().__init__()
        height, width, _ = image_shape
        self.net = nn.Sequential(
            nn.Conv2d(6, 64, 4, stride=4),  # (64, H/4, W/4)
            nn.GELU(),
            nn.Conv2d(64, 96, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(96, 128, 2, stride=2),  # (128, H/8, W/8)
            Residual(128),
            nn.GELU(),
            nn.Conv2d(128, 32, 1),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(32 * (height // PATCH) * (width // PATCH), HIDDEN),
            nn.GELU(),
            nn.Linear(HIDDEN, actions),
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """(B, A) of images x, y (B, 3, H, W) in [0, 1]."""
        return self.net(torch.cat([x, y], dim=1) - 0.5)


def train_latent_pairs(
    run: Run, vae: VAE, drawn: Transitions, chances: np.ndarray | None, x: Tensor, y: Tensor
) -> LatentPairs:
    """A classifier of pairs of latents, trained as long as the method's second phase.

    drawn, chances: of `training_data.training_transitions`.  x, y: latents (n, L) of their ends.
    """
    x, y = x.to(run.device), y.to(run.device)
    actions = torch.from_numpy(drawn.actions).to(run.device)
    valid = sample_transitions(run.world.factors, train.VALID, "valid", run.seed)
    ends = [latents(vae, run.world, values) for values in (valid.x, valid.y)]

    def batch(step: int) -> tuple[Tensor, Tensor, Tensor]:
        rows = run.numbers(3, step).choice(len(drawn), run.recipe.transition_batch, p=chances)
        pick = torch.from_numpy(rows).to(run.device)
        return x[pick], actions[pick], y[pick]

    def make() -> LatentPairs:
        network = LatentPairs(vae.latent, run.world.factors.n_actions)
        network.standardise(torch.cat([x, y]).cpu())
        return network

    looks, rate = (ends, valid.actions), run.recipe.transition_lr
    return run.trained(make, lambda network: _fit(run, network, batch, looks, rate))


def train_image_pairs(run: Run) -> ImagePairs:
    """A classifier of pairs of images, trained as long as the method's second phase.

    Raises ValueError for images whose sides are no multiples of 8.
    """
    drawn, chances = training_data.training_transitions(run.world, run.recipe, run.seed)
    space, shape = run.world.factors, tuple(run.world.image_shape)
    if any(side % PATCH for side in shape[:2]):
        raise ValueError(f"image sides must be multiples of {PATCH}, found {shape}")
    valid = sample_transitions(space, train.VALID, "valid", run.seed)

    render = run.world.render

    def batch(step: int) -> tuple[Tensor, Tensor, Tensor]:
        rng = run.numbers(3, step)
        part = drawn.take(rng.choice(len(drawn), run.recipe.transition_batch, p=chances))
        x, y = (
            to_float(pictures).to(run.device)
            for pictures in moved([render(part.x), render(part.y)], run.recipe.augment, rng)
        )
        return x, torch.from_numpy(part.actions).to(run.device), y

    ends = [to_float(render(values)).to(run.device) for values in (valid.x, valid.y)]
    return run.trained(
        lambda: ImagePairs(shape, space.n_actions),
        lambda network: _fit(run, network, batch, (ends, valid.actions), run.recipe.autoencoder_lr),
    )


def _fit(
    run: Run,
    network: nn.Module,
    batch: Callable[[int], tuple[Tensor, Tensor, Tensor]],
    valid: tuple[list[Tensor], np.ndarray],
    rate: float,
) -> None:
    """Train a classifier by cross-entropy; valid: both ends and the actions between."""
    (before, after), right = valid
    for step in run.steps(
        "classifier", network, network, run.recipe.transition_steps, rate, show=("action_accuracy",)
    ):
        x, actions, y = batch(step.number)
        with run.autocast():
            scores = network(x, y)
        loss = nn.functional.cross_entropy(scores.float(), actions)
        step.minimise(loss)
        if step.told:
            hit = named(network, before, after).cpu().numpy() == right
            step.log(loss=loss.item(), action_accuracy=float(hit.mean()))


@torch.no_grad()
def named(scores: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    """The action (B,) with the highest score, for x and y as `scores` takes them."""
    return scores(x, y).argmax(1)


# Latents -----------------------------------------------------------------------------------------


def latents(vae: VAE, world: ImageWorld, values: np.ndarray) -> Tensor:
    """Latents (B, L) on the VAE's device of images given as factor values (B, F), each once."""
    unique, where = np.unique(values, axis=0, return_inverse=True)
    parts = [
        vae.encode(to_float(world.render(unique[i : i + 512]))) for i in range(0, len(unique), 512)
    ]
    return torch.cat(parts)[torch.from_numpy(where.ravel()).to(vae.device)]


def latent_transitions(
    vae: VAE, world: ImageWorld, drawn: Transitions, augment: str = "none", seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Latents (B, L) of both ends of transitions, on the CPU.

    augment, seed: how pictures are moved, see `augment`; where they are not, none is encoded twice.
    """
    if augment != "none":
        return training_data.both_ends(
            lambda images: vae.encode(images).cpu(), world, drawn, augment, seed
        )
    both = latents(vae, world, np.concatenate([drawn.x, drawn.y])).cpu()
    return both[: len(drawn)], both[len(drawn) :]
