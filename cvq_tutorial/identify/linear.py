"""Linear latents, linear mixing, one perfect intervention per latent, targets unknown (part a).

Z = A Z + Omega^(1/2) eps, B = Omega^(-1/2) (I - A), X = G Z, H = pinv(G): the precision of X is
H' B' B H. A context replaces the row of its target. A and B are as in the paper (row = effect);
`weights[i, j]` is ours, what i does to j (`worlds.by_cause`).

Latents are numbered by context: latent k is the one that context k sets. What comes back is exact
on exact covariances, and it is checked by predicting all of them again (`misfit`). Beware: with one
context per latent soft interventions fit perfectly too (`twins.soft`), and H and B are a twin's;
only a second context of a target, with other weights, can speak against it (`check_context`).
Ancestors are not safe then either: what is found are the causes whose weight an intervention on
their effect changed, and the ancestors of these. Where every weight changes, that is all of them;
where some stay, ancestors are missed and orders wrong, without a misfit; where nothing but the size
of a noise changes, every latent looks like a source.

Source: Squires, Seigal, Bhate, Uhler, ICML 2023, arXiv 2211.16467. Whitening by the observational
precision, the signed order and all that refuses are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import chdtrc  # of a chi-squared variable, to be larger: (freedom, value)

from cvq_tutorial.identify.checks import Unidentifiable, enough, numbers, whole
from cvq_tutorial.identify.order import (
    EXACT,
    PartialOrder,
    partial_order,
    two_sizes,
    without,
)
from cvq_tutorial.identify.worlds import LatentWorld, draw_world, weights_of

__all__ = [
    "LatentWorld",
    "LinearSolution",
    "check_context",
    "check_noise",
    "draw_world",
    "solve",
    "solve_precisions",
    "solve_samples",
]

CLOSED = "latents that have a context and whose ancestors all have one, and their order"
NULL_DRAWS = 20  # data sets drawn from the estimate, to know what noise does to the misfit
NULL_FACTOR = 2.0  # a misfit is noticed beyond this times the median of theirs


@dataclass(frozen=True)
class LinearSolution:
    """What the contexts say, if they are perfect interventions; latent k is what context k sets.

    H: (d, p), rows divided by their entry of largest size. B: (d, d) as in the paper. strengths:
    (d,) new diagonal of each target. place: (d,) of each latent, small = effect, large = cause.
    order: of the ranks. misfit: (d + 1,), how far each precision is from the predicted one,
    |P^(-1/2) T P^(-1/2) - I|. noise_misfit: what sampling alone would give (None: exact data).
    outside: share of the variance that no latent reaches. complaints: one line per thing amiss.
    """

    H: np.ndarray
    B: np.ndarray
    strengths: np.ndarray
    place: np.ndarray
    order: PartialOrder
    misfit: np.ndarray
    outside: float
    complaints: tuple[str, ...]
    noise_misfit: float | None = None

    @property
    def weights(self) -> np.ndarray:
        """weights[i, j]: what latent i does to latent j."""
        return weights_of(self.B)

    def graph(self, least: float = EXACT) -> np.ndarray:
        """graph[i, j]: weights of at least this size."""
        return np.abs(self.weights) >= least

    @property
    def causes_first(self) -> np.ndarray:
        """Latents, causes before effects."""
        return np.argsort(-self.place)

    def as_world(self) -> LatentWorld:
        """The estimate as a world: to draw from it, to predict, to build its twins."""
        contexts = np.repeat(self.B[None], len(self.B) + 1, axis=0)
        for k, strength in enumerate(self.strengths):
            contexts[k + 1, k] = strength * np.eye(len(self.B))[k]
        return LatentWorld(contexts, self.H, np.arange(len(self.B)))


def distance(matrix: np.ndarray, predicted: np.ndarray) -> float:
    """|P^(-1/2) T P^(-1/2) - I| (Frobenius): 0 where equal, whatever the units."""
    half = np.linalg.cholesky(predicted)
    inner = np.linalg.solve(half, np.linalg.solve(half, matrix).T)
    return float(np.linalg.norm(inner - np.eye(len(inner))))


def same(one: np.ndarray, other: np.ndarray, samples: int | None) -> bool:
    """Whether two precisions (d, d) of so many samples each cannot be told apart."""
    gap, size = distance(one, other), len(one)
    if samples is None:
        return gap < 1e-9
    # the squared gap has mean 2 d (d + 1) / n when both are equal
    return bool(chdtrc(size * (size + 1) / 2, samples / 4 * gap**2) > 1e-3)


def reduced(
    covariances: np.ndarray, latents: int | None, denoise: bool
) -> tuple[np.ndarray, np.ndarray, float]:
    """Covariances in the d directions that latents reach: base (p, d), (K + 1, d, d), rest."""
    values, vectors = np.linalg.eigh(covariances.mean(axis=0))
    rank = int((values > 1e-12 * values[-1]).sum())
    d = rank if latents is None else latents
    asked_rank(rank, d)
    base = vectors[:, -d:]
    rest = values[:-d]
    inner = base.T @ covariances @ base
    if denoise and len(rest):
        inner = inner - rest.mean() * np.eye(d)
    for k, one in enumerate(inner):
        least = np.linalg.eigvalsh(one)
        if least[0] <= 1e-13 * least[-1]:
            raise Unidentifiable(
                f"covariance {k} has a rank below {d}: its latents are not all random", CLOSED
            )
    return base, inner, float(max(0.0, rest.sum()) / values.sum())


def asked_rank(rank: int, latents: int) -> None:
    if rank < latents:
        raise Unidentifiable(
            f"covariance of rank {rank} below {latents} latents: the mixing is not of full column "
            "rank",
            f"at most {rank} combinations of the latents",
        )


def solve(
    covariances: np.ndarray,
    latents: int | None = None,
    *,
    samples: int | None = None,
    denoise: bool = False,
) -> LinearSolution:
    """Latents, mixing and graph from one covariance per context; the first is observational.

    Args:
        covariances: (d + 1, p, p), exact or of `samples` samples each.
        latents: d; None: the rank of the covariances (with noise on the observed, say it).
        samples: how many each covariance is of; None: exact.
        denoise: take noise of one size on all observed off first, measured where no latent reaches
            (needs p > d); not in the paper, without it noise of 0.1 ruins the numbers.

    Returns:
        a solution that says how well it predicts the covariances it came from. Soft interventions
        are predicted as well (see above): no misfit says that a solution is true.

    Raises:
        Unidentifiable: fewer contexts than latents, a context without effect, equal contexts, a
            rank below d, NaN.
    """
    covariances = numbers("covariances", covariances, "contexts, observed, observed")
    if latents is not None:
        whole("latents", latents, 1)
    base, inner, outside = reduced(covariances, latents, denoise)
    said: tuple[str, ...] = ()
    if outside > 1e-9:
        said = (
            f"{outside:.2g} of the variance is outside the {inner.shape[1]} latents (noise on the "
            "observed): the order may hold, the numbers do not",
        )
    return solve_inside(base, np.linalg.inv(inner), samples, outside, said)


def solve_precisions(precisions: np.ndarray, latents: int | None = None) -> LinearSolution:
    """`solve` from exact precisions pinv(cov X) (d + 1, p, p).

    A covariance in double precision has lost as many digits as the mixing is ill-conditioned,
    squared; a precision keeps what is needed here.
    """
    precisions = numbers("precisions", precisions, "contexts, observed, observed")
    values, vectors = np.linalg.eigh(precisions.mean(axis=0))
    rank = int((values > 1e-12 * values[-1]).sum())
    d = rank if latents is None else whole("latents", latents, 1)
    asked_rank(rank, d)
    base = vectors[:, -d:]
    return solve_inside(base, base.T @ precisions @ base, None, 0.0, ())


def solve_inside(
    base: np.ndarray,
    inner: np.ndarray,
    samples: int | None,
    outside: float,
    said: tuple[str, ...],
) -> LinearSolution:
    """The seven steps, on precisions (K + 1, d, d) in the directions `base` (p, d)."""
    contexts, d = len(inner) - 1, inner.shape[1]
    if contexts < d:
        raise Unidentifiable(f"{contexts} contexts are fewer than {d} latents", CLOSED)
    if contexts > d:
        raise ValueError(
            f"{contexts} contexts for {d} latents: give one per latent, check_context the others"
        )
    for k in range(1, d + 1):
        if same(inner[k], inner[0], samples):
            raise Unidentifiable(f"context {k} has no visible effect: no target", CLOSED)
        for j in range(1, k):
            if same(inner[k], inner[j], samples):
                raise Unidentifiable(f"contexts {j} and {k} are equal: one target, not two", CLOSED)

    # where the observational precision is I, sampling noise has one size in all directions, and
    # ratios of directions do not depend on how well the mixing is conditioned
    root = np.linalg.cholesky(inner[0])
    unit = np.linalg.inv(root)
    precisions = unit @ inner @ unit.T
    change = precisions[1:] - precisions[0]
    if samples is None:
        order = partial_order(change, by_ratio=True)
        # but digits are lost on the way there: the directions are taken from what was given
        root, precisions = np.eye(d), inner
        directions = np.zeros((d, d))
        for k in order.order:
            rest = without(inner[k + 1] - inner[0], directions[order.ancestors[:, k]])
            directions[k] = two_sizes(rest)[2]
        order = replace(order, directions=directions)
    else:
        # about the edge of what noise alone reaches in d dimensions
        floor = 2 * (np.sqrt(d) + 1) * np.sqrt(2 / samples)
        order = partial_order(change, 0.0, floor=floor)

    Q = order.directions[order.order[::-1]]  # the first found, a cause, is the last row
    back = np.linalg.inv(Q)
    C = np.linalg.cholesky(back.T @ precisions @ back).swapaxes(1, 2)  # upper, C' C = Theta
    _, place = linear_sum_assignment(-np.linalg.norm(C[1:] - C[0], axis=2))
    R = C[np.arange(1, d + 1), place]  # row of the target, times its strength
    H = R @ Q @ root.T @ base.T
    largest = H[np.arange(d), np.abs(H).argmax(axis=1)]
    H = H / largest[:, None]
    factor = np.linalg.inv((R / largest[:, None])[np.argsort(place)])
    B = np.linalg.cholesky((C[0] @ factor).T @ (C[0] @ factor)).T[place][:, place]
    found = LinearSolution(H, B, np.abs(largest), place, order, np.zeros(d + 1), outside, said)
    roots = found.as_world().contexts @ (H @ base)
    predicted = roots.swapaxes(1, 2) @ roots
    misfit = np.array([distance(*pair) for pair in zip(inner, predicted, strict=True)])
    if samples is None and misfit.max() > 1e-6:
        said += (
            f"context {misfit.argmax()} is missed by {misfit.max():.2g}: no linear model with one "
            "perfect intervention per latent predicts it",
        )
    return replace(found, misfit=misfit, complaints=said)


def covariances_of(data: list[np.ndarray]) -> np.ndarray:
    """(K + 1, p, p) of one array (n, p) per context."""
    return np.array([np.cov(numbers("data", one, "samples, observed").T) for one in data])


def solve_samples(
    covariances: np.ndarray,
    samples: int,
    latents: int | None = None,
    *,
    rng: np.random.Generator,
    denoise: bool = False,
    draws: int = NULL_DRAWS,
) -> LinearSolution:
    """`solve` from sample covariances (`covariances_of`), of at least `samples` samples each.

    The misfit is held against data sets drawn from the estimate itself.

    Raises:
        Unidentifiable: also where a context has no more samples than ten per observed.
    """
    covariances = numbers("covariances", covariances, "contexts, observed, observed")
    enough(samples, 10 * covariances.shape[1], "a covariance", "nothing")
    found = solve(covariances, latents, samples=samples, denoise=denoise)
    world = found.as_world()
    null = [
        solve(world.draw_covariances(samples, rng), len(found.H), samples=samples).misfit.max()
        for _ in range(draws)
    ]
    said = found.complaints
    usual = float(np.median(null)) if null else None
    if usual is not None and found.misfit.max() > NULL_FACTOR * usual:
        said += (
            f"context {found.misfit.argmax()} is missed by {found.misfit.max():.2g}, noise alone "
            f"gives {usual:.2g}: not one perfect intervention per latent",
        )
    return replace(found, complaints=said, noise_misfit=usual)


@dataclass(frozen=True)
class Check:
    """A context held against a solution: its target, strength and misfit."""

    target: int
    strength: float
    misfit: float


def check_context(found: LinearSolution, covariance: np.ndarray) -> Check:
    """A further context (p, p) of some target: what the solution takes it for, and how well.

    Perfect interventions on one latent differ in strength only. Soft ones that do not leave the
    same weights behind differ in direction: this is where they show, and with one context per
    latent nothing does. Two that differ in the size of a noise only do not show here either.
    """
    covariance = numbers("covariance", covariance, "observed, observed")
    base = np.linalg.svd(found.H, full_matrices=False)[2].T
    inner = base.T @ covariance @ base
    tried = []
    H = found.H @ base
    precision = np.linalg.inv(H @ inner @ H.T)  # of the latents, in units of H
    for target in range(len(H)):
        others = np.delete(found.B, target, axis=0)
        rest = precision - others.T @ others
        strength = np.sqrt(max(rest[target, target], 1e-12))
        B = found.B.copy()
        B[target] = strength * np.eye(len(H))[target]
        predicted = (B @ H).T @ (B @ H)
        tried.append((distance(np.linalg.inv(inner), predicted), target, float(strength)))
    misfit, target, strength = min(tried)
    return Check(target, strength, misfit)


def check_noise(
    found: LinearSolution, samples: int, *, rng: np.random.Generator, draws: int = NULL_DRAWS
) -> float:
    """The misfit that noise gives in the worst of d further contexts, median over `draws`.

    Both sides have noise: the estimate is made anew from data drawn from it, and then checked.
    """
    world, worst = found.as_world(), []
    for _ in range(draws):
        again = solve(world.draw_covariances(samples, rng), len(found.H), samples=samples)
        fresh = world.draw_covariances(samples, rng)[1:]
        worst.append(max(check_context(again, one).misfit for one in fresh))
    return float(np.median(worst))
