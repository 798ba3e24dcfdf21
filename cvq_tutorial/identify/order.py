"""Who comes before whom: one routine that reads causes out of the ranks of symmetric matrices.

What an intervention changes is written as one symmetric matrix per context. A latent without
parents changes in one direction only (rank 1). Below it every matrix has a part along its causes,
so modulo what was found so far the next latents are again of rank 1. The reading is a number, not a
verdict: `ratio` says how far each context was from rank 1 when it was taken.

An ancestor is seen by what an intervention below it changes. A perfect one takes all causes away;
a soft one that leaves the weight of a cause as it was hides this cause, with those of its ancestors
that no changed weight leads to, and the order is wrong without a sign of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cvq_tutorial.identify.checks import Unidentifiable, numbers

EXACT = 1e-6  # a second direction below this share of the first is none (exact matrices)


@dataclass(frozen=True)
class PartialOrder:
    """What `partial_order` read; latent k is the one that context k moves.

    order: (K,) contexts, causes first. ancestors: (K, K) bool, row is an ancestor of column.
    directions: (K, m) unit vectors, each modulo the ancestors of its latent. ratio: (K,) second
    over first direction of each context modulo all found before it; near 0 where the model holds.
    """

    order: np.ndarray
    ancestors: np.ndarray
    directions: np.ndarray
    ratio: np.ndarray


def without(matrix: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """The matrix (m, m) with the span of some directions (f, m) projected out on both sides."""
    if not len(directions):
        return matrix
    base, _ = np.linalg.qr(directions.T)
    keep = np.eye(len(matrix)) - base @ base.T
    return keep @ matrix @ keep


def two_sizes(matrix: np.ndarray, signed: bool = True) -> tuple[float, float, np.ndarray]:
    """Size of the first and of the second direction of a symmetric matrix, and the first.

    Signed: for differences u u' - v v', whose second direction has the other sign; noise of the
    same sign does not count then. Not signed: for means of outer products.
    """
    values, vectors = np.linalg.eigh(matrix)
    first = int(np.abs(values).argmax())
    if signed:
        second = max(0.0, float(-np.sign(values[first]) * values[0 if first else -1]))
    else:
        second = float(np.sort(np.abs(values))[-2]) if len(values) > 1 else 0.0
    return float(abs(values[first])), second, vectors[:, first]


def partial_order(
    matrices: np.ndarray,
    tolerance: float | np.ndarray = EXACT,
    *,
    floor: float = 0.0,
    signed: bool = True,
    by_ratio: bool = False,
) -> PartialOrder:
    """Read the order of the latents, and who is an ancestor of whom, from ranks.

    Args:
        matrices: (K, m, m), what context k changed, symmetric; one context per latent.
        tolerance: a second direction counts from this share of the first on; one number, or one
            per context. Theirs is 0.99 of the sum of squares, a share of about 0.1.
        floor: and only from this size on (what noise alone reaches).
        signed: the matrices are differences u u' - v v' (linear), not mean outer products (scores).
        by_ratio: take next what has the smallest ratio, not the smallest second direction. The
            latter is far better where all matrices have noise of one size (whitened precisions).

    Raises:
        Unidentifiable: a context is zero, or says nothing new once others are known.

    Source: the order is that of Squires et al. (arXiv 2211.16467), algorithm "iterated difference
    projection"; the signed size and the floor are ours.
    """
    matrices = numbers("matrices", matrices, "contexts, latents, latents")
    count, size = matrices.shape[:2]
    if count > size:
        raise ValueError(f"matrices: {count} contexts of size {size}: expected no more than {size}")
    tolerances = np.broadcast_to(np.asarray(tolerance, dtype=float), (count,))
    found: list[int] = []
    ancestors = np.zeros((count, count), dtype=bool)
    modulo_all = np.zeros((count, size))  # directions modulo all found before
    directions = np.zeros((count, size))  # modulo the ancestors only
    ratio = np.zeros(count)
    whole_size = np.linalg.norm(matrices, axis=(1, 2))

    for _ in range(count):
        tried = []
        for k in set(range(count)) - set(found):
            first, second, direction = two_sizes(without(matrices[k], modulo_all[found]), signed)
            if first <= 1e-9 * whole_size[k] or first == 0:
                raise Unidentifiable(
                    f"context {k} changes nothing that {sorted(found)} do not: it has no target of "
                    "its own",
                    "latents that have a context and whose ancestors all have one",
                )
            tried.append((second / first if by_ratio else second, k, second / first, direction))
        _, k, ratio[k], modulo_all[k] = min(tried, key=lambda row: row[:2])
        for f in found:
            others = [g for g in found if g != f]
            first, second, _ = two_sizes(without(matrices[k], directions[others]), signed)
            if second > max(tolerances[k] * first, floor):
                ancestors[f, k] = True
                ancestors[:, k] |= ancestors[:, f]
        directions[k] = two_sizes(without(matrices[k], directions[ancestors[:, k]]), signed)[2]
        found.append(k)
    return PartialOrder(np.array(found), ancestors, directions, ratio)


def is_linear_extension(graph: np.ndarray, order: np.ndarray) -> bool:
    """Whether every cause stands before its effects; graph[i, j]: i causes j."""
    place = np.argsort(order)
    causes, effects = np.nonzero(graph)
    return bool((place[causes] < place[effects]).all())


def closure(graph: np.ndarray) -> np.ndarray:
    """Ancestors of everything: reach[i, j] where a path leads from i to j."""
    reach = np.asarray(graph, dtype=bool)
    for k in range(len(reach)):
        reach = reach | np.outer(reach[:, k], reach[k])
    return reach
