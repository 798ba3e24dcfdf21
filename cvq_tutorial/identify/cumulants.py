"""Linear latents with non-Gaussian noises: columns of the mixing from cumulants (part c).

Z = Lambda Z + eps, X = F Z, independent noises. Context k is perfect: its target loses its causes
and gets a noise of another scale. N_k = (I - Lambda_k)^(-1), A_k = F N_k D_k: the r-th cumulant of
X is a sum of r-th powers of the columns of A_k. With q <= p latents order 3 will do (skewed noise);
order 4 also takes more latents than observed, and symmetric noise.

As in `linear`, latent k is the target of context k, Lambda is the paper's (row = effect) and
`weights` are ours (row = cause), the noise of every latent is 1 without intervention, and soft
interventions fit perfectly too (`twins.cumulants`).

Source: Leyes Carreno, Meroni, Seigal, La Matematica 2025, arXiv 2407.04605. Scales from variances,
pooling over contexts, matching in q^4 and what refuses are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from cvq_tutorial.identify import tensors
from cvq_tutorial.identify.checks import Unidentifiable, enough, numbers, whole
from cvq_tutorial.identify.linear import CLOSED
from cvq_tutorial.identify.worlds import NOISES, NoiseWorld, by_cause, draw_noise_world

__all__ = [
    "NOISES",
    "NoiseSolution",
    "NoiseWorld",
    "draw_noise_world",
    "solve_fourth",
    "solve_samples",
    "solve_third",
]

COVARIANCES = "with no more latents than observed, what covariances give (linear.solve)"


@dataclass(frozen=True)
class NoiseSolution:
    """What the contexts say; latent k is the target of context k, its noise 1 (see `order`).

    F: (p, q) mixing. Lambda: (q, q) as in the paper. scales: (q,), of the target's noise in its
    context. misfit: (q + 1,), |cumulant - predicted| / |cumulant|. order: 3 (noise of variance 1)
    or 4 (noise of fourth cumulant +-1). complaints: one line per thing amiss.
    """

    F: np.ndarray
    Lambda: np.ndarray
    scales: np.ndarray
    misfit: np.ndarray
    order: int
    complaints: tuple[str, ...]
    noise_misfit: float | None = None

    @property
    def weights(self) -> np.ndarray:
        """weights[i, j]: what latent i does to latent j."""
        return by_cause(self.Lambda)

    @property
    def H(self) -> np.ndarray:
        """(q, p), latents of the observed; only where q <= p."""
        if self.F.shape[1] > self.F.shape[0]:
            raise Unidentifiable(
                "more latents than observed have no inverse", "F, Lambda and the graph"
            )
        return np.linalg.pinv(self.F)


def predicted_columns(F: np.ndarray, Lambda: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """A of every context (q + 1, p, q) that a solution stands for."""
    q = F.shape[1]
    lambdas, D = np.repeat(Lambda[None], q + 1, axis=0), np.ones((q + 1, q))
    for k in range(q):
        lambdas[k + 1, k] = 0
        D[k + 1, k] = scales[k]
    return F @ np.linalg.inv(np.eye(q) - lambdas) * D[:, None]


def judged(
    found: np.ndarray, predicted: list[np.ndarray], allowed: float
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Misfit of each context, and what to say of it."""
    misfit = np.array(
        [np.linalg.norm(a - b) / np.linalg.norm(a) for a, b in zip(found, predicted, strict=True)]
    )
    if misfit.max() <= allowed:
        return misfit, ()
    k = int(misfit.argmax())
    return misfit, (
        f"cumulant {k} is missed by {misfit[k]:.2g} of its size, allowed {allowed:.2g}: not one "
        "perfect intervention per latent, or noises that are not independent",
    )


def solve_third(
    seconds: np.ndarray,
    thirds: np.ndarray,
    latents: int | None = None,
    *,
    rng: np.random.Generator,
    samples: int | None = None,
    allowed: float = 1e-6,
) -> NoiseSolution:
    """Latents and mixing from covariances (q + 1, p, p) and third cumulants (q + 1, p, p, p).

    Args:
        samples: of how many samples they are; None: exact. It decides which third cumulant counts
            as none.
        allowed: a misfit above this is complained of (`solve_samples` measures it).

    Raises:
        Unidentifiable: fewer contexts than latents, a context without effect, a rank below q,
            symmetric or Gaussian noise, NaN.
    """
    seconds = numbers("seconds", seconds, "contexts, observed, observed")
    thirds = numbers("thirds", thirds, "contexts, observed, observed, observed")
    values, vectors = np.linalg.eigh(seconds.mean(axis=0))
    rank = int((values > 1e-10 * values[-1]).sum())
    q = rank if latents is None else whole("latents", latents, 1)
    if rank < q:
        raise Unidentifiable(
            f"covariance of rank {rank} below {q} latents", "more latents than observed: by order 4"
        )
    asked_contexts(len(seconds) - 1, q)
    base = vectors[:, -q:]
    second = base.T @ seconds @ base
    third = np.einsum("kabc,ai,bj,cl->kijl", thirds, base, base, base, optimize=True)
    root = np.linalg.cholesky(second)  # (q + 1, q, q)
    white = np.linalg.inv(root)
    cubes = np.einsum("kabc,kia,kjb,klc->kijl", third, white, white, white, optimize=True)
    # noise reaches about 1.65 sqrt(6 q / n) on the unit sphere; twice that is asked
    least = 1e-7 if samples is None else 3.3 * np.sqrt(6 * q / samples)
    A = np.zeros((q + 1, q, q))
    for k, cube in enumerate(cubes):
        powers = tensors.orthogonal(cube, rng)
        weak = int((powers.weights < least).sum())
        if weak:
            raise Unidentifiable(
                f"third cumulant of {weak} of {q} noises in covariance {k} is not above {least:.2g}"
                ": symmetric or Gaussian noise, or too few samples",
                f"by order 4, if not Gaussian; {COVARIANCES}",
            )
        A[k] = root[k] @ powers.columns
    C = np.linalg.inv(A)
    turned = C @ root[0]  # rows of C_0 become orthonormal
    rows, change = C.copy(), np.zeros((q, q))
    for k in range(1, q + 1):
        gaps = np.linalg.norm(turned[0][:, None] - turned[k][None], axis=2)
        # one row may be far from all: what it costs is capped, so that it cannot disturb the others
        _, which = linear_sum_assignment(np.minimum(gaps**2, 1))
        rows[k], A[k] = C[k][which], A[k][:, which]
        change[k - 1] = gaps[np.arange(q), which]
    _, target = linear_sum_assignment(-change)
    seen = change[np.arange(q), target]
    visible = 1e-7 if samples is None else 4 * np.sqrt(2 / samples)
    if seen.min() <= visible:
        raise Unidentifiable(
            f"context {int(seen.argmin()) + 1} has no visible effect: its noise has the same scale",
            CLOSED,
        )
    # a row of C is the same in all contexts but that of its own target: take the mean
    pooled = np.empty((q, q))
    H = np.empty((q, q))
    for k in range(q):
        others = [c for c in range(q + 1) if c != k + 1]
        pooled[k] = rows[others, target[k]].mean(axis=0)
        H[k] = rows[k + 1, target[k]]
    A_0 = np.linalg.inv(pooled)
    on_own = (H * A_0.T).sum(axis=1)  # 1 / s_k, what the target's noise became
    H = H / on_own[:, None]
    Lambda = np.eye(q) - np.linalg.inv(H @ A_0)
    F = base @ np.linalg.inv(H)
    scales = 1 / np.abs(on_own)
    columns = predicted_columns(np.linalg.inv(H), Lambda, scales)
    kappa = np.array([np.einsum("abc,ia,ib,ic->i", third[0], *[pooled] * 3, optimize=True)])[0]
    predicted = [tensors.build(white[k] @ columns[k], kappa, 3) for k in range(q + 1)]
    misfit, said = judged(cubes, predicted, allowed)
    return NoiseSolution(F, Lambda, scales, misfit, 3, said)


def asked_contexts(contexts: int, latents: int) -> None:
    if contexts < latents:
        raise Unidentifiable(f"{contexts} contexts are fewer than {latents} latents", CLOSED)
    if contexts > latents:
        raise ValueError(f"{contexts} contexts for {latents} latents: expected one per latent")


def matched(A_0: np.ndarray, A_k: np.ndarray, target: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Columns of A_k as those of A_0 if `target` was moved: cost, which, signs.

    Then A_0 - A_k is a multiple of the target's column everywhere, and the target's columns are
    multiples of each other: one assignment of q columns, so q targets cost q^4.
    """
    unit = A_0[:, target] / np.linalg.norm(A_0[:, target])

    def off(x: np.ndarray) -> np.ndarray:
        return np.linalg.norm(x - np.multiply.outer(unit, np.tensordot(unit, x, 1)), axis=0)

    gaps = np.array([off(A_0[:, :, None] - s * A_k[:, None, :]) for s in (1.0, -1.0)])
    cost = gaps.min(axis=0)  # (q, q)
    cost[target] = off(A_k)
    rows, which = linear_sum_assignment(cost)
    signs = np.where(gaps[0] <= gaps[1], 1.0, -1.0)[rows, which]
    signs[target] = np.sign(unit @ A_k[:, which[target]]) or 1.0
    return float(np.linalg.norm(cost[rows, which])), which, signs


def solve_fourth(
    fourths: np.ndarray,
    latents: int,
    *,
    rng: np.random.Generator,
    allowed: float = 1e-6,
    tries: int = 5,
) -> NoiseSolution:
    """Latents and mixing from fourth cumulants (q + 1, p, p, p, p); q may exceed p.

    Args:
        allowed: a tensor that is missed by more, when built again, is refused.
        tries: so many starts of the decomposition before it is.

    Raises:
        Unidentifiable: fewer contexts than latents, p < 3, more latents than p (p - 1) / 2, a bad
            tensor, a context without effect, NaN.
    """
    fourths = numbers("fourths", fourths, "contexts, p, p, p, p")
    q = whole("latents", latents, 1)
    asked_contexts(len(fourths) - 1, q)
    found = []
    for k, tensor in enumerate(fourths):
        best = None
        for _ in range(tries):
            powers = tensors.subspace_power(tensor, q, rng)
            best = powers if best is None or powers.misfit < best.misfit else best
            if best.misfit <= min(allowed, 1e-9):
                break
        assert best is not None
        if best.misfit > allowed:
            raise Unidentifiable(
                f"tensor {k} is missed by {best.misfit:.2g} of its size when built again from {q} "
                f"columns, allowed {allowed:.2g}: not {q} independent noises",
                f"another number of latents; {COVARIANCES}",
            )
        found.append(best)
    A = np.array([one.columns for one in found])
    tried = [[matched(A[0], A[k], i) for i in range(q)] for k in range(1, q + 1)]
    cost = np.array([[one[0] for one in row] for row in tried])
    _, target = linear_sum_assignment(cost)
    N, scales = np.eye(q), np.ones(q)
    for k in range(q):
        i = target[k]
        _, which, signs = tried[k][i]
        own, changed = A[0][:, i], A[k + 1][:, which] * signs
        N[i] = own @ (A[0] - changed) / (own @ own)
        scales[k] = own @ changed[:, i] / (own @ own)
        N[i, i] = 1
        if abs(abs(scales[k]) - 1) < 1e-6 and np.abs(N[i] - np.eye(q)[i]).max() < 1e-6:
            raise Unidentifiable(
                f"context {k + 1} has no visible effect: its noise has the same scale", CLOSED
            )
    N, A_0, signs = N[np.ix_(target, target)], A[0][:, target], found[0].weights[target]
    back = np.linalg.inv(N)
    F, Lambda = A_0 @ back, np.eye(q) - back
    columns = predicted_columns(F, Lambda, scales)
    misfit, said = judged(fourths, [tensors.build(one, signs, 4) for one in columns], allowed)
    return NoiseSolution(F, Lambda, np.abs(scales), misfit, 4, said)


def solve_samples(
    data: list[np.ndarray], latents: int, *, order: int = 3, rng: np.random.Generator
) -> NoiseSolution:
    """From one array (n, p) per context; what noise does to a cumulant is measured on ten blocks.

    Raises:
        Unidentifiable: also with fewer samples than ten per entry of the cumulant.
    """
    if order not in (3, 4):
        raise ValueError(f"order: expected 3 or 4, found {order!r}")
    data = [numbers("data", one, "samples, observed") for one in data]
    samples, p = min(len(one) for one in data), data[0].shape[1]
    size = min(latents, p) if order == 3 else p
    entries = int(np.prod([size + i for i in range(order)]) / (6 if order == 3 else 24))
    enough(samples, 10 * entries, f"a cumulant of order {order}", COVARIANCES)
    full = np.array([tensors.cumulant(one, order) for one in data])
    allowed = 0.0
    for one, whole_tensor in zip(data, full, strict=True):
        blocks = np.array([tensors.cumulant(b, order) for b in np.array_split(one, 10)])
        error = np.sqrt((blocks.var(axis=0, ddof=1) / 10).sum())
        allowed = max(allowed, float(error / np.linalg.norm(whole_tensor)))
    if order == 4:
        found = solve_fourth(full, latents, rng=rng, allowed=3 * allowed)
    else:
        seconds = np.array([tensors.cumulant(one, 2) for one in data])
        found = solve_third(seconds, full, latents, rng=rng, samples=samples, allowed=3 * allowed)
    return NoiseSolution(**{**vars(found), "noise_misfit": allowed})
