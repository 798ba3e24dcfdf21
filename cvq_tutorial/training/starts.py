"""Labels that the learning of unnamed actions starts from, by what pairs change. See `unnamed`.

* *changed*: a mixture of Bernoullis over which codes changed, its components merged where that
  costs less than `PRICE`. It is nearly the answer where each action has its own targets.
* *slow*: steps up and down change the same codes, and what they change them to depends on the
  state. But the pairs of one factor join its values to a path, and the *slowest* function of the
  codes along all pairs (slow feature analysis, Wiskott and Sejnowski 2002; the Laplacian of that
  path) rises along it. So each component is cut in two by the sign of its main change of slow
  features, and parts that change them alike are put together.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

STARTS = ("changed", "slow")
PIECES = 32  # components of which changed codes, before they are merged or cut
TRIES = 3  # mixtures, of which the likeliest is kept
PRICE = 0.02  # nats per pair that one more component must be worth
SLOW = 120  # slow features
DIRECTIONS = 400  # principal directions of the codes that they are made of


def check_pairs(x: Tensor, y: Tensor, m: int) -> None:
    """Raise ValueError unless there are at least m pairs, and some that differ."""
    if len(x) < m:
        raise ValueError(f"action_codes: expected at most one per pair, {len(x)}, found {m}")
    if bool((x == y).all()):
        raise ValueError(f"unnamed actions need pairs whose codes differ, found none in {len(x)}")


def start_labels(
    x: Tensor, y: Tensor, k: int, m: int, kind: str, rng: np.random.Generator
) -> np.ndarray:
    """A label in [0, m) for each pair of codes (n, N, C) in [0, k): int64 (n,). See the text above.

    Raises ValueError for no pair that differs, or fewer pairs than m.
    """
    check_pairs(x, y, m)
    changed = (x != y).flatten(1).float()  # (n, P)
    if kind == "changed":
        return merged(changed, mixture(changed, m, rng)).argmax(1).numpy()
    pieces = mixture(changed, min(PIECES, len(x)), rng).argmax(1).numpy()
    moved = slow_changes(x, y, k, rng)
    labels, means = np.zeros(len(x), dtype=np.int64), []
    for i, piece in enumerate(np.unique(pieces)):
        rows = pieces == piece
        axis = np.linalg.eigh(moved[rows].T @ moved[rows])[1][:, -1]
        up = moved[rows] @ axis > 0
        labels[rows] = 2 * i + up
        mean = (moved[rows] * np.where(up, 1, -1)[:, None]).mean(0)
        mean[0] += 1e-9  # where nothing changed it would have no direction
        means += [-mean, mean]
    if len(means) <= m:
        return labels
    from sklearn.cluster import AgglomerativeClustering  # takes a second, and no one else

    alike = AgglomerativeClustering(m, metric="cosine", linkage="average")
    return alike.fit(np.stack(means)).labels_[labels].astype(np.int64)


def mixture(changed: Tensor, m: int, rng: np.random.Generator, rounds: int = 60) -> Tensor:
    """Posterior (n, m) of a mixture of Bernoullis over which codes changed, (n, P) of 0 and 1.

    The likeliest of `TRIES`, each started from rows that are far from each other (k-means++).
    """
    mean, best, found = changed.mean(0), -math.inf, changed[:, :0]
    for _ in range(TRIES):
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        centres = changed[torch.randint(len(changed), (1,), generator=generator)]
        nearest = torch.cdist(changed, centres, p=1)[:, 0]
        while len(centres) < m:
            new = changed[torch.multinomial(nearest + 1e-9, 1, generator=generator)]
            nearest = torch.minimum(nearest, torch.cdist(changed, new, p=1)[:, 0])
            centres = torch.cat([centres, new])
        p, share = 0.8 * centres + 0.1, torch.full((m,), 1 / m)
        for _ in range(rounds):
            joint = changed @ (p.log() - (-p).log1p()).T + (-p).log1p().sum(1) + share.log()
            posterior = joint.softmax(1)
            used = posterior.sum(0)
            p = (posterior.T @ changed + 0.5 * mean) / (used[:, None] + 0.5)
            p, share = p.clamp(1e-3, 1 - 1e-3), (used + 1) / (used + 1).sum()
        if (likely := float(joint.logsumexp(1).mean())) > best:
            best, found = likely, posterior
    return found


def merged(changed: Tensor, posterior: Tensor, price: float = PRICE) -> Tensor:
    """The posterior (n, fewer): components are merged while that costs less than the price."""
    n = len(changed)

    def cost(used: Tensor, ones: Tensor) -> Tensor:  # nats that components leave unexplained
        p = (ones / (used[..., None] + 0.5)).clamp(1e-4, 1 - 1e-4)
        nats = ones * p.log() + (used[..., None] + 0.5 - ones) * (-p).log1p()
        return -nats.sum(-1) - used * ((used + 1e-9) / n).log()

    while posterior.shape[1] > 1:
        used, ones = posterior.sum(0), posterior.T @ changed + 0.5 * changed.mean(0)
        alone = cost(used, ones)
        more = cost(used[:, None] + used, ones[:, None] + ones) - alone[:, None] - alone
        more.fill_diagonal_(math.inf)
        i, j = divmod(int(more.argmin()), len(used))
        if more[i, j] / n > price:
            break
        posterior[:, i] += posterior[:, j]
        posterior = torch.cat([posterior[:, :j], posterior[:, j + 1 :]], dim=1)
    return posterior


def slow_changes(x: Tensor, y: Tensor, k: int, rng: np.random.Generator) -> np.ndarray:
    """How each pair changes the slowest linear functions of its codes: float (n, features).

    Slow: of variance 1 over all images, and of little change along the pairs; divided by how fast
    each one is, so that the slow ones count most.
    """
    from scipy.sparse import csr_matrix  # as above
    from sklearn.utils.extmath import randomized_svd

    ends = torch.cat([x, y]).flatten(1).numpy().astype(np.int64)  # (2n, P)
    rows, places = ends.shape
    at = (ends + k * np.arange(places)).ravel()
    onehot = csr_matrix(
        (np.ones(at.size, np.float32), at, np.arange(0, at.size + 1, places)),
        shape=(rows, k * places),
    )
    size = max(1, min(DIRECTIONS, rows // 8, places * (k - 1)))
    told = randomized_svd(onehot, size + 1, n_iter=3, random_state=int(rng.integers(2**31)))
    flat = told[0] * told[1]
    flat = flat - flat.mean(0)
    variance, axes = np.linalg.eigh(flat.T @ flat / rows)
    real = variance > 1e-5 * variance.max()
    white = flat @ (axes[:, real] / np.sqrt(variance[real]))
    moved = white[rows // 2 :] - white[: rows // 2]
    speed, axes = np.linalg.eigh(moved.T @ moved / len(moved))
    keep = speed > 1e-9  # what no pair changes is no effect
    return (moved @ axes[:, keep] / speed[keep])[:, :SLOW]
