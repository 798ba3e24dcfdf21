"""The FactorVAE score: fix one factor, and name it from the latent that moves least.

A **vote** holds one factor at one value, lets the others vary over a batch of images, and notes
which latent varies least, relative to how much it varies overall. Votes tell which factor each
latent stands for; the score is how often further votes are named right by that. Source: Kim and
Mnih 2018, section 4.

How much a continuous latent varies is its variance. Codes have no distances, so theirs is the
chance that two draws differ (Gini, one minus the sum of squared shares): it is what the variance
becomes, up to a factor of two, when all different codes are equally far apart. Entropy was not
taken: in a batch of 64 it reads too low, the more so the more codes a latent has.

Letters: B rows of a vote, n rows, L latents, F factors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cvq_tutorial.common.arrays import as_array, checked
from cvq_tutorial.measure.disentanglement.columns import Score, crowded, sample_of, small_sample

ROWS = 64  # of one vote
VOTES = 800  # to learn from
TESTS = 400  # to be judged on
SPREAD_ROWS = 2000  # images that say how much a latent varies overall
FEW = 10  # rows of one value, below which a vote repeats the same few images


def _spread(latents: NDArray) -> NDArray[np.float64]:
    """How much each latent (B, L) varies: (L,)."""
    if latents.dtype.kind == "f":
        return latents.var(axis=0)
    n_rows, n_latents = latents.shape
    codes = latents.astype(np.int64) - int(latents.min())
    if codes.max() >= 2**16:  # a table of counts that long would hold hardly anything
        codes = np.unique(codes, return_inverse=True)[1].reshape(latents.shape)
    cell = codes * n_latents + np.arange(n_latents)
    counts = np.bincount(cell.ravel(), minlength=(int(codes.max()) + 1) * n_latents)
    return 1 - (counts.reshape(-1, n_latents).astype(np.float64) ** 2).sum(axis=0) / n_rows**2


def _least(latents: NDArray, overall: NDArray[np.float64]) -> int:
    """Which latent varies least, of those that do vary; of equals the one that varies most overall.

    A latent that is nearly always the same holds still in most batches by chance alone.
    """
    ratio = _spread(latents) / np.where(overall > 0, overall, 1.0)
    ratio[overall <= 0] = np.inf
    return int(np.lexsort((-overall, ratio))[0])


def _named_right(
    factors: NDArray[np.int64], latents: NDArray[np.int64], n_factors: int, n_latents: int
) -> float:
    """Learn which factor each latent stands for from the first VOTES, and judge on the rest.

    A latent that won no vote names all factors alike.
    """
    votes = np.bincount(
        latents[:VOTES] * n_factors + factors[:VOTES], minlength=n_factors * n_latents
    )
    votes = votes.reshape(n_latents, n_factors)
    best = votes == votes.max(axis=1, keepdims=True)
    share = best / best.sum(axis=1, keepdims=True)
    return float(share[latents[VOTES:], factors[VOTES:]].mean())


def _score(
    draw: Callable[[int, np.random.Generator], NDArray],
    overall: NDArray[np.float64],
    n_factors: int,
    seed: int,
) -> tuple[float, float]:
    """The score and its control, in which the names of the factors are permuted among the votes."""
    rng = np.random.default_rng(seed)
    factors = rng.integers(n_factors, size=VOTES + TESTS)
    latents = np.array([_least(draw(factor, rng), overall) for factor in factors.tolist()])
    permuted = rng.permutation(factors)
    size = (n_factors, len(overall))
    return _named_right(factors, latents, *size), _named_right(permuted, latents, *size)


def factor_vae(
    representation: ArrayLike,
    factors: ArrayLike,
    *,
    discretise: int | None = None,
    seed: int = 0,
) -> Score:
    """The FactorVAE score of rows that are already there.

    The batch of a vote is drawn, with replacement, among the rows in which the factor has the value
    of a random row: no image is made or encoded again. The other factors then vary as they do in
    the table, which should therefore be a random sample of the world.
    representation, factors, discretise: as `columns.sample_of`, errors too.
    With one factor that varies the score and its control are 1; with nothing that varies, 0.
    """
    sample = sample_of(representation, factors, discretise)
    if sample.empty:
        what = "factors" if sample.factors.shape[1] == 0 else "latents"
        return Score(0.0, 0.0, sample.n, (*sample.notes, f"all {what} are constant: 0"))
    order = np.argsort(sample.factors, axis=0, kind="stable")  # (n, F), equal values side by side
    counts = [np.bincount(classes) for classes in sample.factors.T]
    starts = [np.cumsum(count) - count for count in counts]

    def draw(factor: int, rng: np.random.Generator) -> NDArray:
        value = sample.factors[rng.integers(sample.n), factor]
        place = rng.integers(counts[factor][value], size=ROWS)
        return sample.latents[order[starts[factor][value] + place, factor]]  # (B, L)

    notes = [*sample.notes, *small_sample(sample), *crowded(sample)]
    fewest = min(int(count.min()) for count in counts)
    if fewest < FEW:
        notes.append(f"n too small: a value of a factor has {fewest} rows")
    n_factors = sample.factors.shape[1]
    if n_factors == 1:
        notes.append("1 factor: always named right")
    value, permuted = _score(draw, _spread(sample.latents), n_factors, seed)
    return Score(value, permuted, sample.n, tuple(notes))


def factor_vae_world(
    encode: Callable[[NDArray[np.int64]], ArrayLike], sizes: Sequence[int], *, seed: int = 0
) -> Score:
    """The FactorVAE score of a world that can be asked for any image, as published.

    encode: factor values (B, F) -> latents (B, L), floats or integers as in
        `factor_vae`; it makes the images and encodes them.
    sizes: number of values of each factor; all are drawn uniformly and independently.
    76,800 images in 1,200 calls, and 2,000 more in one: `factor_vae` asks for none.
    Returns a Score; n is the number of images that were asked for. Factors of one value are
    ignored, latents that never change are too, and a note says so.
    Raises what `encode` raises, and ValueError or TypeError for sizes or latents of another kind.
    """
    size = checked("sizes", np.asarray(sizes), "integers", (None,)).astype(np.int64)
    if size.min() < 1:
        raise ValueError(f"sizes must be at least 1, found {size.min()}")
    active = np.flatnonzero(size > 1)
    notes = []
    if len(active) < len(size):
        constant = len(size) - len(active)
        notes.append(f"{constant} constant factor{'s' if constant > 1 else ''} ignored")

    def encoded(values: NDArray[np.int64], n_latents: int | None) -> NDArray:
        latents = as_array(encode(values))
        kind = "integers" if latents.dtype.kind in "iu" else "numbers"
        return checked("encode(values)", latents, kind, (len(values), n_latents))

    rng = np.random.default_rng(seed)
    latents = encoded(rng.integers(size, size=(SPREAD_ROWS, len(size))), None)
    overall = _spread(latents) * (latents != latents[0]).any(axis=0)  # rounding is no variance
    if not len(active) or not (overall > 0).any():
        what = "latents" if len(active) else "factors"
        return Score(0.0, 0.0, SPREAD_ROWS, (*notes, f"all {what} are constant: 0"))
    if not (overall > 0).all():
        constant = int((overall <= 0).sum())
        notes.append(f"{constant} constant latent{'s' if constant > 1 else ''} ignored")
    if len(active) == 1:
        notes.append("1 factor: always named right")

    def draw(factor: int, rng: np.random.Generator) -> NDArray:
        values = rng.integers(size, size=(ROWS, len(size)))
        values[:, active[factor]] = values[0, active[factor]]
        return encoded(values, len(overall))

    value, permuted = _score(draw, overall, len(active), seed)
    asked = SPREAD_ROWS + (VOTES + TESTS) * ROWS
    return Score(value, permuted, asked, tuple(notes))
