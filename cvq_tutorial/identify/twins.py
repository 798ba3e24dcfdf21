"""Twins: pairs of different models that agree on every number that could be measured.

Each shows a limit that no amount of data moves: a context that is missing, soft instead of perfect
interventions, linear latents under shifts, and soft interventions once more, where even higher
cumulants do not help. Where the context of the source is missing, there is one twin instead of a
whole family. `measured` is the largest difference of anything measurable (1e-10 or less), `apart`
how much the latents' weights differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cvq_tutorial.identify.checks import whole
from cvq_tutorial.identify.worlds import (
    LatentWorld,
    NoiseWorld,
    ShiftWorld,
    draw_noise_world,
    draw_shift_world,
    draw_world,
)


@dataclass(frozen=True)
class Twins:
    """Two worlds, what they agree on, and by how much they differ where nobody can look."""

    name: str
    one: Any
    other: Any
    numbers: str
    measured: float
    apart: float


def pair(name: str, one: Any, other: Any, numbers: str, what: list[tuple]) -> Twins:
    """The twins, with differences relative to the largest number of each kind (at least 1)."""
    gaps = [np.abs(a - b).max() / max(1.0, np.abs(a).max()) for a, b in what]
    apart = float(np.abs(one.weights - other.weights).max())
    return Twins(name, one, other, numbers, float(max(gaps)), apart)


def changed(world: LatentWorld, M: np.ndarray) -> LatentWorld:
    """The same data by other latents, M Z."""
    return LatentWorld(world.contexts @ np.linalg.inv(M), M @ world.H, world.targets)


def missing_context(world: LatentWorld, context: int, c: np.ndarray | None = None) -> Twins:
    """Without one context (1 ... K) its target may be mixed with any latents before it.

    c: (d,), how much of each; non-zero only for latents that come before the target (larger index
    in a world of `draw_world`), default 1 for all of them. M = (I + e_m c')^(-1).

    Raises:
        ValueError: nothing comes before the target: no such twin, but see `missing_source`.
    """
    d = world.H.shape[0]
    context = whole("context", context, 1)
    if context > len(world.targets):
        raise ValueError(f"context: expected 1 to {len(world.targets)}, found {context}")
    m = int(world.targets[context - 1])
    if m == d - 1:
        raise ValueError(
            f"context {context} sets latent {m}, before which none comes: it has no such twin"
        )
    c = (np.arange(d) > m).astype(float) if c is None else np.asarray(c, dtype=float)
    if c.shape != (d,) or c[: m + 1].any() or not c.any():
        raise ValueError(
            f"c: expected {d} numbers, zero up to the target {m} and not all zero, found {c}"
        )
    keep = [k for k in range(len(world.contexts)) if k == 0 or world.targets[k - 1] != m]
    rest = LatentWorld(world.contexts[keep], world.H, world.targets[[k - 1 for k in keep[1:]]])
    mix = np.eye(d)
    mix[m] += c
    other = changed(rest, np.linalg.inv(mix))
    both = [(rest.covariances(), other.covariances())]
    return pair("missing context", rest, other, "the covariance of every context left", both)


def missing_source(world: LatentWorld) -> Twins:
    """Without the context of the source there is still another world with the same covariances.

    The source s is the last latent, and the one before it, c, has no other ancestor. In their plane
    let T be the precision of the context of c, D what that context changed, u the new row of c.
    T - u u' is the source's, of rank 1, so u' T^(-1) u = 1; u u' - D is of the old row of c, so
    u' D^(-1) u = 1. Two solutions up to sign: the true one, and this. It turns the noises of s and
    c, so it is a twin where they are Gaussian, or only covariances are known. Ours.

    Raises:
        ValueError: fewer than two latents, no edge from s to c, or none of them is a target.
    """
    d = world.H.shape[0]
    c, s = d - 2, d - 1
    if d < 2 or abs(world.weights[s, c]) < 1e-12:
        raise ValueError(f"expected a world whose last of {d} latents causes the one before it")
    if not {c, s} <= set(world.targets.tolist()):
        raise ValueError(f"expected contexts of latents {c} and {s}, found {world.targets}")
    keep = [k for k in range(len(world.contexts)) if k == 0 or world.targets[k - 1] != s]
    rest = LatentWorld(world.contexts[keep], world.H, world.targets[[k - 1 for k in keep[1:]]])
    (p, q), r = world.contexts[0][c, c:] * (1, -1), world.contexts[0][s, s]
    t = world.contexts[1 + world.targets.tolist().index(c)][c, c]
    u = np.array([(q * q * t * t - r * r * (p * p - t * t)) / (2 * p * q * r * r), 1.0])
    u /= np.sqrt((u[0] / t) ** 2 + (u[1] / r) ** 2)
    w = np.array([-u[1] * t / r, u[0] * r / t])  # u u' + w w' is the precision of the context
    B = world.contexts[0][c:, c:]
    values, vectors = np.linalg.eigh(B.T @ B - np.outer(w, w))  # of rank 1: the row of c
    M = np.eye(d)
    M[c:, c:] = np.array([u / t, w / r])  # the units that they had
    own = np.sqrt(max(values[1], 0.0)) * vectors[:, 1] @ np.linalg.inv(M[c:, c:])
    contexts = rest.contexts @ np.linalg.inv(M)
    contexts[:, c:, c:] = np.array([own * np.sign(own[0]), [0.0, r]])
    contexts[1 + rest.targets.tolist().index(c), c] = t * np.eye(d)[c]
    other = LatentWorld(contexts, M @ world.H, rest.targets)
    both = [(rest.covariances(), other.covariances())]
    return pair("missing source", rest, other, "the covariance of every context left", both)


def soft(world: LatentWorld, M: np.ndarray | None = None) -> Twins:
    """Perfect interventions in one world are soft ones in another, with any graph below the order.

    M: (d, d), upper triangular; the default diag(B)^(-1) B makes the observational graph empty.
    """
    B = world.contexts[0]
    M = B / np.diag(B)[:, None] if M is None else np.asarray(M, dtype=float)
    if M.shape != B.shape or np.tril(M, -1).any() or not np.diag(M).all():
        raise ValueError(
            f"M: expected an upper triangular matrix {B.shape} with no zero on its diagonal"
        )
    other = changed(world, M)
    both = [(world.covariances(), other.covariances())]
    return pair("soft", world, other, "the covariance of every context", both)


def shift_moments(world: ShiftWorld) -> tuple[np.ndarray, np.ndarray]:
    """Means (K + 1, p) and covariance (p, p), of all contexts alike, of a linear shift world."""
    if world.kind != "linear":
        raise ValueError(f"kind: expected a linear world, found {world.kind!r}")
    d = len(world.weights)
    total = world.mixing @ np.linalg.inv(np.eye(d) - world.weights.T)
    shifts = np.concatenate([np.zeros((1, d)), world.shift * np.eye(d)[world.targets]])
    return shifts @ total.T, total @ total.T


def shift(world: ShiftWorld) -> Twins:
    """Linear latents under shifts: the graph may as well be empty, and the mixing hold it."""
    d = len(world.weights)
    total = world.mixing @ np.linalg.inv(np.eye(d) - world.weights.T)
    other = ShiftWorld(np.zeros((d, d)), total, world.targets, world.kind, world.shift)
    both = list(zip(shift_moments(world), shift_moments(other), strict=True))
    return pair("shift", world, other, "mean and covariance of every context", both)


def cumulants(world: NoiseWorld, M: np.ndarray | None = None) -> Twins:
    """Soft interventions stay invisible to cumulants of order 2, 3 and 4: the graph may be another.

    What is observed is the same mixture of the same noises, so all orders agree.

    M: (q, q), upper triangular, ones on its diagonal; the twin's latents are M z. The default makes
    its graph empty without intervention, so that an intervention brings causes in. With numbers
    all over its upper half, all causes are there in every context.
    """
    q = world.F.shape[1]
    M = np.eye(q) - world.lambdas[0] if M is None else np.asarray(M, dtype=float)
    if M.shape != (q, q) or np.tril(M, -1).any() or (np.diag(M) != 1).any():
        raise ValueError(
            f"M: expected an upper triangular matrix ({q}, {q}) with ones on its diagonal"
        )
    back = np.linalg.inv(M)
    lambdas = np.eye(q) - (np.eye(q) - world.lambdas) @ back
    other = NoiseWorld(world.F @ back, lambdas, world.scales, world.targets, world.noise)
    both = [(world.cumulants(r), other.cumulants(r)) for r in (2, 3, 4)]
    return pair("cumulants", world, other, "cumulants of order 2, 3 and 4 of every context", both)


def of_each_kind(rng: np.random.Generator) -> list[Twins]:
    """One pair of each kind."""
    world = draw_world(rng, 4, 6, 1.0)
    context = 1 + int(np.flatnonzero(world.targets == 1)[0])
    chain = draw_shift_world(rng, "linear", 4, 6, density=1.0)
    noise = draw_noise_world(rng, 4, 5, density=1.0)
    without = [missing_context(world, context), missing_source(world)]
    return [*without, soft(world), shift(chain), cumulants(noise)]
