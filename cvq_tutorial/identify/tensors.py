"""Symmetric tensors as sums of powers of vectors: what cumulants of mixed independent noises are.

Order 3 with no more vectors than dimensions: whiten, then power iteration. Order 4 with any number
that fits: the subspace power method. Both build the tensor again and say how far it is (`misfit`).

Source: power iteration with deflation as in Anandkumar et al. (JMLR 2014); subspace power method
after Kileel and Pereira (arXiv 1912.04007); the last polish of all vectors together is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from cvq_tutorial.identify.checks import Unidentifiable

RESTARTS, STEPS = 20, 500


def cumulant(data: np.ndarray, order: int) -> np.ndarray:
    """Sample cumulant of order 2, 3 or 4 of data (n, p): a symmetric array (p, ...)."""
    x = data - data.mean(axis=0)
    n, p = x.shape
    second = x.T @ x / n
    if order == 2:
        return second
    pairs = (x[:, :, None] * x[:, None, :]).reshape(n, p * p)
    if order == 3:
        return (pairs.T @ x / n).reshape(p, p, p)
    if order != 4:
        raise ValueError(f"order: expected 2, 3 or 4, found {order!r}")
    fourth = (pairs.T @ pairs / n).reshape(p, p, p, p)
    gauss = np.einsum("ij,kl->ijkl", second, second)
    return fourth - gauss - gauss.transpose(0, 2, 1, 3) - gauss.transpose(0, 3, 2, 1)


def build(columns: np.ndarray, weights: np.ndarray, order: int) -> np.ndarray:
    """sum_i weights[i] columns[:, i]^(x order)."""
    if order == 3:
        return np.einsum("i,ai,bi,ci->abc", weights, columns, columns, columns, optimize=True)
    pairs = (columns[:, None] * columns[None]).reshape(-1, columns.shape[1])
    return ((pairs * weights) @ pairs.T).reshape((len(columns),) * 4)


@dataclass(frozen=True)
class Powers:
    """tensor = sum_i weights[i] columns[:, i]^(x r); misfit: |tensor - built| / |tensor|."""

    columns: np.ndarray
    weights: np.ndarray
    misfit: float


def orthogonal(tensor: np.ndarray, rng: np.random.Generator) -> Powers:
    """Orthonormal columns (q, q) of a tensor (q, q, q); all weights are made positive."""
    q = len(tensor)
    left, found = tensor.copy(), []
    for _ in range(q):
        v = rng.standard_normal((RESTARTS, q))
        for _ in range(STEPS):
            v /= np.linalg.norm(v, axis=1, keepdims=True)
            new = np.einsum("abc,rb,rc->ra", left, v, v, optimize=True)
            size = np.linalg.norm(new, axis=1, keepdims=True)
            if size.max() < 1e-14:  # nothing is left to find
                break
            new = np.where(size > 0, new / np.maximum(size, 1e-300), v)
            done = np.abs(new - v).max() < 1e-14
            v = new
            if done:
                break
        v /= np.linalg.norm(v, axis=1, keepdims=True)
        value = np.einsum("abc,ra,rb,rc->r", left, v, v, v, optimize=True)
        best = int(np.abs(value).argmax())
        found.append(v[best] * np.sign(value[best] or 1))
        left = left - build(found[-1][:, None], np.abs(value[best : best + 1]), 3)
    V = np.array(found).T
    for _ in range(STEPS):  # all together: the error of the first no longer burdens the last
        step = np.einsum("abc,bi,ci->ai", tensor, V, V, optimize=True)
        value = (step * V).sum(axis=0)
        u, _, vt = np.linalg.svd(step * value)
        new = u @ vt
        done = np.abs(new - V).max() < 1e-15
        V = new
        if done:
            break
    value = np.einsum("abc,ai,bi,ci->i", tensor, V, V, V, optimize=True)
    V = V * np.where(value < 0, -1, 1)
    built = build(V, np.abs(value), 3)
    misfit = np.linalg.norm(tensor - built) / max(float(np.linalg.norm(tensor)), 1e-300)
    return Powers(V, np.abs(value), float(misfit))


def most_columns(p: int) -> int:
    """So many columns of length p can be read off a fourth-order tensor by its p^2 x p^2 matrix."""
    return p * (p - 1) // 2


def subspace_power(tensor: np.ndarray, count: int, rng: np.random.Generator) -> Powers:
    """Columns (p, q) of a tensor (p, p, p, p), q may exceed p; |column|^4 holds the weight (+-1).

    Raises:
        Unidentifiable: p < 3, more columns than fit, or a matrix of rank below q.
    """
    p = len(tensor)
    if p < 3 or count > most_columns(p):
        raise Unidentifiable(
            f"{count} latents from {p} observed by order 4: expected p >= 3 and at most p (p - 1) "
            f"/ 2 = {most_columns(p)} latents",
            "fewer latents from these observed, or these latents from more observed",
        )
    matrix = tensor.reshape(p * p, p * p)
    sizes = np.sort(np.abs(np.linalg.eigvalsh(matrix)))[::-1]
    if sizes[count - 1] <= 1e-10 * sizes[0] or sizes[0] == 0:
        raise Unidentifiable(
            f"fourth cumulant of rank below {count}: a Gaussian noise, or fewer latents",
            "the columns of the non-Gaussian noises, with fewer latents",
        )
    left, columns, signs = matrix.copy(), [], []
    for found in range(count):
        values, vectors = np.linalg.eigh(left)
        keep = np.argsort(-np.abs(values))[: count - found]
        U = vectors[:, keep]
        a = rng.standard_normal((RESTARTS * 2, p))
        for _ in range(STEPS):
            a /= np.linalg.norm(a, axis=1, keepdims=True)
            inside = np.einsum("ra,rb->rab", a, a).reshape(-1, p * p) @ U @ U.T
            new = np.einsum("rab,rb->ra", inside.reshape(-1, p, p), a) + 0.3 * a
            new /= np.linalg.norm(new, axis=1, keepdims=True)
            done = np.abs(new - a).max() < 1e-13
            a = new
            if done:
                break
        power = np.einsum("ra,rb->rab", a, a).reshape(-1, p * p) @ U
        best = int((power**2).sum(axis=1).argmax())
        weight = 1 / (power[best] ** 2 / values[keep]).sum()
        one = np.outer(a[best], a[best]).ravel()
        left = left - weight * np.outer(one, one)
        columns.append(np.abs(weight) ** 0.25 * a[best])
        signs.append(np.sign(weight))
    return polished(tensor, np.array(columns).T, np.array(signs))


def polished(tensor: np.ndarray, columns: np.ndarray, signs: np.ndarray) -> Powers:
    """Columns (p, q) that fit the tensor better, from a start: least squares on all at once."""
    p, q = columns.shape
    axes = np.array(
        [(a, b, c, d) for a in range(p) for b in range(a, p) for c in range(b, p)
         for d in range(c, p)]
    ).T  # fmt: skip
    wanted = tensor[tuple(axes)]
    size = np.linalg.norm(tensor)

    def parts(flat: np.ndarray) -> np.ndarray:
        return flat.reshape(p, q)[axes]  # (4, entries, q)

    def residual(flat: np.ndarray) -> np.ndarray:
        return (parts(flat).prod(axis=0) @ signs - wanted) / size

    def slope(flat: np.ndarray) -> np.ndarray:
        factors = parts(flat)
        out = np.zeros((len(wanted), p, q))
        for which in range(4):
            rest = np.delete(factors, which, axis=0).prod(axis=0) * signs
            out[np.arange(len(wanted)), axes[which]] += rest
        return out.reshape(len(wanted), p * q) / size

    found = least_squares(
        residual, columns.ravel(), slope, method="trf", xtol=1e-15, ftol=1e-15, gtol=1e-15,
        max_nfev=200,
    )  # fmt: skip
    columns = found.x.reshape(p, q)
    misfit = np.linalg.norm(tensor - build(columns, signs, 4)) / size
    return Powers(columns, signs, float(misfit))
