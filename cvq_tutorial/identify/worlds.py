"""Worlds that are known: what data are drawn from, and what estimates are held against.

`LatentWorld` is linear with unit noises (part a), `ShiftWorld` bends and is shifted (b),
`NoiseWorld` is linear with noises that are not Gaussian (c). Where a matrix is as in the papers
(row = effect) it is named so; `weights`, `graph` and `ancestors` are ours, row = cause, and
`by_cause` is the one place where one becomes the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cvq_tutorial.identify import tensors
from cvq_tutorial.identify.checks import Unidentifiable, whole
from cvq_tutorial.identify.order import closure

KINDS = ("relu", "tanh", "linear")
NOISES = {  # cumulants of order 3 and 4 of a noise of variance 1, and how to draw it
    "exponential": (2.0, 6.0, lambda rng, shape: rng.exponential(size=shape) - 1),
    "laplace": (0.0, 3.0, lambda rng, shape: rng.laplace(size=shape) / np.sqrt(2)),
    "uniform": (0.0, -1.2, lambda rng, shape: rng.uniform(-(3**0.5), 3**0.5, size=shape)),
    "gaussian": (0.0, 0.0, lambda rng, shape: rng.standard_normal(shape)),
}


def by_cause(paper: np.ndarray) -> np.ndarray:
    """The papers' A (row = effect) as ours (row = cause); the one place where it is turned."""
    return np.asarray(paper).swapaxes(-1, -2)


def weights_of(B: np.ndarray) -> np.ndarray:
    """weights[i, j], what latent i does to latent j, of B = Omega^(-1/2) (I - A)."""
    return by_cause(np.eye(len(B)) - B / np.diag(B)[:, None])


@dataclass(frozen=True)
class LatentWorld:
    """A linear world that is known: B of every context (the first is observational), H, targets.

    contexts: (K + 1, d, d), as in the paper. H: (d, p), latents of the observed. targets: (K,), the
    row that context k replaced, in this world's own numbering.
    """

    contexts: np.ndarray
    H: np.ndarray
    targets: np.ndarray

    @property
    def G(self) -> np.ndarray:
        """The mixing (p, d)."""
        return np.linalg.pinv(self.H)

    @property
    def weights(self) -> np.ndarray:
        """weights[i, j]: what latent i does to latent j without intervention."""
        return weights_of(self.contexts[0])

    @property
    def graph(self) -> np.ndarray:
        """graph[i, j]: latent i causes latent j."""
        return np.abs(self.weights) > 1e-12

    @property
    def ancestors(self) -> np.ndarray:
        """Bool (d, d): [i, j] = i is an ancestor of j."""
        return closure(self.graph)

    def covariances(self, noise: float = 0.0) -> np.ndarray:
        """(K + 1, p, p), exact; `noise`: standard deviation of what is added to each observed."""
        root = self.G @ np.linalg.inv(self.contexts)  # (K + 1, p, d)
        return root @ root.swapaxes(1, 2) + noise**2 * np.eye(self.H.shape[1])

    def precisions(self) -> np.ndarray:
        """(K + 1, p, p), exact: pinv of the covariances."""
        root = self.contexts @ self.H
        return root.swapaxes(1, 2) @ root

    def draw_covariances(
        self, samples: int, rng: np.random.Generator, noise: float = 0.0
    ) -> np.ndarray:
        """(K + 1, p, p), sample covariances of `samples` draws, without drawing them.

        They are Wishart (Bartlett's decomposition): the same in distribution, at any size at once.
        """
        root = self.G @ np.linalg.inv(self.contexts)
        if noise:
            rest = np.broadcast_to(noise * np.eye(len(self.G)), (len(root), *[len(self.G)] * 2))
            root = np.concatenate([root, rest], axis=2)
        out = []
        for one in root:
            m = one.shape[1]
            lower = np.tril(rng.standard_normal((m, m)), -1)
            lower[np.diag_indices(m)] = np.sqrt(rng.chisquare(samples - 1 - np.arange(m)))
            half = one @ lower / np.sqrt(samples - 1)
            out.append(half @ half.T)
        return np.array(out)

    def draw(self, samples: int, rng: np.random.Generator, noise: float = 0.0) -> list[np.ndarray]:
        """One array (samples, p) per context, unpaired."""
        root = self.G @ np.linalg.inv(self.contexts)
        d, p = self.H.shape
        return [
            rng.standard_normal((samples, d)) @ one.T + noise * rng.standard_normal((samples, p))
            for one in root
        ]


def draw_world(
    rng: np.random.Generator,
    latents: int = 5,
    observed: int = 10,
    density: float = 0.75,
    *,
    soft: bool = False,
    repeats: int = 1,
) -> LatentWorld:
    """A world as the authors draw theirs, contexts in any order; `repeats` of each target.

    Entries of H uniform in +-2, rows divided by their largest; weights +-[0.25, 1]; Omega^(-1/2) in
    [2, 4]; new diagonal in [6, 8]. Soft: parents stay, with weights drawn anew in every context.
    """
    d, p = whole("latents", latents, 1), whole("observed", observed, 1)
    if p < d:
        raise Unidentifiable(f"{d} latents in {p} observed: mixing not of full column rank", "none")
    H = rng.uniform(-2, 2, (d, p))
    H /= np.abs(H).max(axis=1, keepdims=True)

    def new_weights() -> np.ndarray:
        return rng.choice([-1, 1], (d, d)) * rng.uniform(0.25, 1, (d, d))

    present = np.triu(rng.random((d, d)) < density, 1)
    B = np.diag(rng.uniform(2, 4, d)) @ (np.eye(d) - present * new_weights())
    targets = np.concatenate([rng.permutation(d) for _ in range(repeats)])
    contexts = [B]
    for target in targets:
        row = np.eye(d)[target] - soft * (present * new_weights())[target]
        changed = B.copy()
        changed[target] = rng.uniform(6, 8) * row
        contexts.append(changed)
    return LatentWorld(np.array(contexts), H, targets)


@dataclass(frozen=True)
class ShiftWorld:
    """A world that is known. weights: (d, d), row = cause; mixing: (p, d); targets: (K,)."""

    weights: np.ndarray
    mixing: np.ndarray
    targets: np.ndarray
    kind: str
    shift: float

    @property
    def ancestors(self) -> np.ndarray:
        """Bool (d, d): [i, j] = i is an ancestor of j."""
        return closure(self.weights != 0)

    def bent(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """phi(u) and its derivative."""
        if self.kind == "relu":
            return np.maximum(u, 0), (u > 0).astype(float)
        if self.kind == "tanh":
            return np.tanh(u), 1 - np.tanh(u) ** 2
        return u, np.ones_like(u)

    def latents(self, samples: int, rng: np.random.Generator, shifts: np.ndarray) -> np.ndarray:
        """(samples, d) with a shift (d,) of each latent; causes have the smaller numbers."""
        u = rng.standard_normal((samples, len(self.weights))) + shifts
        for i in range(len(self.weights)):
            u[:, i] += self.bent(u[:, :i])[0] @ self.weights[:i, i]
        return u

    def draw(self, samples: int, rng: np.random.Generator) -> list[np.ndarray]:
        """X (samples, p), observational and of each context."""
        none = np.zeros((1, len(self.weights)))
        moved = self.shift * np.eye(len(self.weights))[self.targets]
        every = np.concatenate([none, moved])
        return [self.latents(samples, rng, one) @ self.mixing.T for one in every]

    def score_differences(self, u: np.ndarray) -> np.ndarray:
        """(K, samples, p): grad log p_k - grad log p_0 at x = mixing u, exact."""
        turn = np.eye(len(self.weights)) - self.bent(u)[1][:, :, None] * self.weights  # (n, d, d)
        own = self.shift * turn.transpose(2, 0, 1)[self.targets]  # gradient of the target's z
        return own @ np.linalg.pinv(self.mixing)


def draw_shift_world(
    rng: np.random.Generator,
    kind: str,
    latents: int = 5,
    observed: int = 10,
    *,
    density: float = 0.75,
    shift: float = 2.0,
) -> ShiftWorld:
    """Weights +-[0.5, 1.5], at least one unless `density` is 0; mixing of standard normals."""
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}, found {kind!r}")
    d = whole("latents", latents, 2)
    while True:
        present = np.triu(rng.random((d, d)) < density, 1)
        if present.any() or density == 0:
            break
    weights = present * rng.choice([-1, 1], (d, d)) * rng.uniform(0.5, 1.5, (d, d))
    mixing = rng.standard_normal((observed, d))
    return ShiftWorld(weights, mixing, rng.permutation(d), kind, shift)


@dataclass(frozen=True)
class NoiseWorld:
    """A world that is known. F: (p, q); lambdas: (K + 1, q, q), the papers' Lambda of each context;
    scales: (K + 1, q), of each noise; targets: (K,).
    """

    F: np.ndarray
    lambdas: np.ndarray
    scales: np.ndarray
    targets: np.ndarray
    noise: str

    @property
    def weights(self) -> np.ndarray:
        """weights[i, j]: what latent i does to latent j."""
        return by_cause(self.lambdas[0])

    @property
    def A(self) -> np.ndarray:
        """(K + 1, p, q): where each noise, of variance 1, arrives in each context."""
        q = self.F.shape[1]
        return self.F @ np.linalg.inv(np.eye(q) - self.lambdas) * self.scales[:, None]

    def cumulants(self, order: int) -> np.ndarray:
        """(K + 1, p, ...), exact."""
        size = 1.0 if order == 2 else NOISES[self.noise][order - 3]
        if order == 2:
            return np.array([one @ one.T for one in self.A])
        return np.array([tensors.build(one, np.full(one.shape[1], size), order) for one in self.A])

    def draw(self, samples: int, rng: np.random.Generator) -> list[np.ndarray]:
        """One array (samples, p) per context, unpaired."""
        shape = (samples, self.F.shape[1])
        return [NOISES[self.noise][2](rng, shape) @ one.T for one in self.A]


def draw_noise_world(
    rng: np.random.Generator,
    latents: int = 4,
    observed: int = 5,
    noise: str = "exponential",
    *,
    density: float = 0.75,
    soft: bool = False,
) -> NoiseWorld:
    """F of standard normals, weights +-[0.25, 1], the target's noise 1.5 to 3 times as large or
    small. Soft: parents stay, with weights drawn anew.
    """
    if noise not in NOISES:
        raise ValueError(f"noise: expected one of {', '.join(NOISES)}, found {noise!r}")
    q, p = whole("latents", latents, 1), whole("observed", observed, 1)
    present = np.triu(rng.random((q, q)) < density, 1)

    def new_lambda() -> np.ndarray:
        return present * rng.choice([-1, 1], (q, q)) * rng.uniform(0.25, 1, (q, q))

    F = rng.standard_normal((p, q))
    targets = rng.permutation(q)
    lambdas = np.repeat(new_lambda()[None], q + 1, axis=0)
    scales = np.ones((q + 1, q))
    for k, target in enumerate(targets):
        lambdas[k + 1, target] = new_lambda()[target] if soft else 0
        scales[k + 1, target] = rng.uniform(1.5, 3) ** rng.choice([-1, 1])
    return NoiseWorld(F, lambdas, scales, targets, noise)
