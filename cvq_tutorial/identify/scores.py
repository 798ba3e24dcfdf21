"""Soft interventions on non-linear latents: who is an ancestor of whom, from scores (part b).

u_i = z_i + sum_j weights[j, i] phi(u_j), x = mixing u; context k adds a shift to its target. The
difference of scores, grad log p_k - grad log p_0, of a source points one way at every x; of a child
it also turns with its parents, if phi bends. Its mean outer product takes the place of the
difference of precisions, and `order.partial_order` reads the ancestors. If phi is linear nothing
bends and nothing can be known (`twins.shift`).

From samples the difference is the input gradient of a small classifier that tells context from
observation (torch). How large a second direction must be is not chosen by hand: the observational
sample is split and the same classifier is trained where there is nothing to find.

Source: after Zhang, Greenewald, Squires, Srivastava, Shanmugam, Uhler, NeurIPS 2023,
arXiv 2307.06250; classifier and null are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from cvq_tutorial.identify.checks import Unidentifiable, enough, numbers
from cvq_tutorial.identify.order import (
    EXACT,
    PartialOrder,
    partial_order,
    two_sizes,
    without,
)
from cvq_tutorial.identify.worlds import KINDS, ShiftWorld, draw_shift_world

__all__ = [
    "KINDS",
    "ShiftWorld",
    "SoftSolution",
    "ancestors_from_samples",
    "ancestors_from_scores",
    "draw_shift_world",
]

CLOSED = "who is an ancestor of whom among latents whose ancestors, and they, have a context"
SPLITS = 8  # halves of the observational sample against each other
NULL_FACTOR = 2.0  # a direction counts beyond this times the largest of the splits
WIDTH, EPOCHS, RATE, BATCH = 48, 60, 5e-3, 250


def outer_means(gradients: np.ndarray) -> np.ndarray:
    """(K, m, m), mean outer product of score differences (K, samples, m)."""
    return np.einsum("kni,knj->kij", gradients, gradients) / gradients.shape[1]


@dataclass(frozen=True)
class SoftSolution:
    """Ancestors among the targets; latent k is the one that context k moves.

    order: as read. matrices: (K, d, d) what it was read from. tolerance: (K,), the share of the
    first direction from which a second counts. misfit: (K,), the share that is left when the
    ancestors are projected out: below the tolerance, or the ancestors do not explain the context.
    null: (S,), largest direction of splits of the observational sample.
    """

    order: PartialOrder
    matrices: np.ndarray
    tolerance: np.ndarray
    misfit: np.ndarray
    complaints: tuple[str, ...]
    null: np.ndarray | None = None

    @property
    def ancestors(self) -> np.ndarray:
        """(K, K) bool, row is an ancestor of column."""
        return self.order.ancestors

    def at(self, ratio: float) -> np.ndarray:
        """Ancestors with one ratio chosen by hand: for the sweep."""
        return partial_order(self.matrices, ratio, signed=False, by_ratio=True).ancestors


def read(matrices: np.ndarray, tolerance: float, floor: float) -> SoftSolution:
    """The solution of matrices (K, m, m), with what it leaves unexplained."""
    exact = floor == 0
    order = partial_order(matrices, tolerance, floor=floor, signed=False, by_ratio=exact)
    first = np.array([two_sizes(one, False)[0] for one in matrices])
    asked = np.maximum(tolerance, floor / first)
    misfit = np.zeros(len(matrices))
    for k, one in enumerate(matrices):
        rest = without(one, order.directions[order.ancestors[:, k]])
        misfit[k] = two_sizes(rest, False)[1] / first[k]
    said = []
    if (misfit > asked).any():
        k = int((misfit / asked).argmax())
        said.append(
            f"context {k} keeps a second direction of {misfit[k]:.2g} of the first when its "
            "ancestors are taken out: more than one target, or a target without a context"
        )
    if len(matrices) > 1 and not order.ancestors.any():
        said.append(
            "no score difference turns: either no latent has causes, or the latents are linear and "
            "shifts identify nothing"
        )
    return SoftSolution(order, matrices, asked, misfit, tuple(said))


def ancestors_from_scores(gradients: np.ndarray, tolerance: float = EXACT) -> SoftSolution:
    """Ancestors from exact score differences (K, samples, m).

    Raises:
        Unidentifiable: NaN, a context without effect, equal contexts.
    """
    gradients = numbers("gradients", gradients, "contexts, samples, observed")
    matrices = outer_means(gradients)
    for k, one in enumerate(matrices):
        if np.abs(one).max() < 1e-12:
            raise Unidentifiable(f"context {k} has no effect: no target", CLOSED)
        for j in range(k):
            if np.allclose(one, matrices[j], rtol=1e-9, atol=0):
                raise Unidentifiable(f"contexts {j} and {k} are equal: one target, not two", CLOSED)
    return read(matrices, tolerance, 0.0)


class Classifiers(nn.Module):
    """S small classifiers side by side, d - 48 - 48 - 1, softplus: (S, n, d) -> logits (S, n)."""

    def __init__(self, count: int, latents: int, generator: torch.Generator):
        super().__init__()
        sizes = [latents, WIDTH, WIDTH, 1]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for fan, out in pairwise(sizes):
            start = torch.randn(count, fan, out, generator=generator) / fan**0.5
            self.weights.append(nn.Parameter(start))
            self.biases.append(nn.Parameter(torch.zeros(count, 1, out)))

    def forward(self, x: Tensor) -> Tensor:
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = nn.functional.softplus(torch.baddbmm(bias, x, weight))
        return torch.baddbmm(self.biases[-1], x, self.weights[-1])[..., 0]


def classifier_scores(
    zeros: np.ndarray, ones: np.ndarray, points: np.ndarray, seed: int, epochs: int = EPOCHS
) -> np.ndarray:
    """Input gradients (S, points, d) of S classifiers; zeros, ones: (S, n, d), points: (m, d)."""
    generator = torch.Generator().manual_seed(seed)
    data = torch.from_numpy(np.concatenate([zeros, ones], axis=1)).float()
    count, total, d = data.shape
    half = total // 2
    label = torch.cat([torch.zeros(half), torch.ones(half)]).expand(count, -1)
    model = Classifiers(count, d, generator)
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    batches = total // BATCH
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * batches)
    for _ in range(epochs):
        shuffled = torch.randperm(total, generator=generator)[: batches * BATCH]
        for pick in shuffled.view(batches, BATCH):
            loss = nn.functional.binary_cross_entropy_with_logits(
                model(data[:, pick]), label[:, pick], reduction="none"
            )
            optimizer.zero_grad()
            loss.mean(1).sum().backward()
            optimizer.step()
            schedule.step()
    at = torch.from_numpy(points).float().expand(count, -1, -1).clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(at).sum(), at)
    return gradient.numpy().astype(float)


def prepared(data: list[np.ndarray], latents: int | None) -> list[np.ndarray]:
    """Samples in the d directions that vary, the observational one with covariance I."""
    pooled = np.concatenate(data)
    values, vectors = np.linalg.eigh(np.cov(pooled.T))
    rank = int((values > 1e-9 * values[-1]).sum())
    d = rank if latents is None else latents
    if rank < d:
        raise Unidentifiable(f"samples of rank {rank} below {d} latents", f"{rank} combinations")
    base = vectors[:, -d:]
    inner = [one @ base for one in data]
    if len(data) - 1 < d:
        raise Unidentifiable(f"{len(data) - 1} contexts are fewer than {d} latents", CLOSED)
    half = np.linalg.cholesky(np.cov(inner[0].T))
    middle = inner[0].mean(axis=0)
    return [np.linalg.solve(half, (one - middle).T).T for one in inner]


def ancestors_from_samples(
    data: list[np.ndarray],
    latents: int | None = None,
    *,
    seed: int,
    splits: int = SPLITS,
    epochs: int = EPOCHS,
) -> SoftSolution:
    """Ancestors from one sample (n, p) per context, the first observational, unpaired.

    Each context has a classifier; `splits` more are trained on two halves of the observational
    sample, and the largest direction among theirs, times `NULL_FACTOR`, is what noise can do.

    Raises:
        Unidentifiable: fewer contexts than latents, rank below d, NaN, fewer than 1,000 samples, a
            context that its classifier cannot tell from a split (no visible effect).
    """
    data = [numbers("data", one, "samples, observed") for one in data]
    samples = min(len(one) for one in data)
    enough(samples, 1000, "a classifier's gradient", "nothing")
    white = [one[:samples] for one in prepared(data, latents)]
    points = white[0][(np.abs(white[0]) < 3).all(axis=1)]
    rng = np.random.default_rng(seed)
    halves = np.array([rng.permutation(white[0])[: samples // 2 * 2] for _ in range(splits)])
    middle = samples // 2
    zeros = np.repeat(white[0][None], len(white) - 1, axis=0)
    matrices = outer_means(classifier_scores(zeros, np.array(white[1:]), points, seed, epochs))
    nothing = classifier_scores(halves[:, :middle], halves[:, middle:], points, seed, epochs)
    null = np.array([two_sizes(one, False)[0] for one in outer_means(nothing)])
    floor = NULL_FACTOR * float(null.max())
    for k, one in enumerate(matrices):
        if two_sizes(one, False)[0] <= floor:
            raise Unidentifiable(f"context {k} has no visible effect: no target", CLOSED)
    return replace(read(matrices, 0.0, floor), null=null)
