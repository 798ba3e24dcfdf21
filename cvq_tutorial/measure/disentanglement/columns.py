"""What every disentanglement score starts from: a representation beside the factors, counted.

A **representation** has one row per image and one column per **latent**. Its kind is told by its
dtype: floats are continuous latents, integers are codes, whose order means nothing. **Factors** are
classes, integers of any values. Codes are counted exactly, as they are. Only continuous latents are
ever cut into bins, because for codes that would throw away what they say: a code of 40 kinds that
copies a factor has a mutual information gap of 1, and of 0.8 when it is first put into 20 bins.

Counting has a price: a table with many cells and few rows shows dependence where there is none. So
every `Score` carries the same score of the same rows with the factors permuted, and a note where
the sample is too small for its table.

Letters: n rows, L latents, F factors, K codes of a latent, S classes of a factor.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cvq_tutorial.common.arrays import as_array, checked
from cvq_tutorial.common.checks import whole_number

BINS = 20  # equal widths per continuous latent, as in the studies that made these scores known
BIAS = 0.1  # most that chance alone may add to a mutual information, as a share of the entropy
CROWDED = 0.99  # of the rows in one bin of equal width: the others are outliers


@dataclass(frozen=True)
class Score:
    """A score, its control, and what a reader must know about it.

    value: in [0, 1], 1 is best.  permuted: the same score after the rows of the factors are
    permuted, so that nothing can be known: what looks like a good value without meaning one.
    n: rows.  notes: one line for each thing that was left out, undefined or doubtful.
    """

    value: float
    permuted: float
    n: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{self.value:.3f} (permuted {self.permuted:.3f}, n = {self.n})"
        return "; ".join((text, *self.notes))


@dataclass(frozen=True, eq=False)
class Sample:
    """A checked representation beside checked factors, without the columns that are constant.

    latents: (n, L) floats, or codes 0..K-1 numbered in the order in which they appear.
    factors: (n, F) classes 0..S-1.  varying: (L,) and kept: (F,), the columns these were.
    shape: (L, F) with the constant ones.  notes: what was left out.
    """

    latents: NDArray
    factors: NDArray[np.int64]
    varying: NDArray[np.int64]
    kept: NDArray[np.int64]
    shape: tuple[int, int]
    notes: tuple[str, ...]

    @property
    def n(self) -> int:
        """How many rows."""
        return len(self.latents)

    @property
    def categorical(self) -> bool:
        """Whether the latents are codes, not numbers."""
        return self.latents.dtype.kind == "i"

    @property
    def empty(self) -> bool:
        """Whether no latent or no factor is left."""
        return self.latents.shape[1] == 0 or self.factors.shape[1] == 0

    def permuted(self, seed: int) -> Sample:
        """The same rows with the rows of the factor table in another order."""
        order = np.random.default_rng((seed, 1)).permutation(self.n)  # not that of `halves`
        return replace(self, factors=self.factors[order])

    def halves(self, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row numbers to learn from and row numbers to be judged on."""
        order = np.random.default_rng(seed).permutation(self.n)
        return order[: (self.n + 1) // 2], order[(self.n + 1) // 2 :]

    def full(self, table: NDArray) -> NDArray[np.float64]:
        """A table of latents by factors with the constant columns put back as zeros."""
        whole = np.zeros(self.shape)
        whole[np.ix_(self.varying, self.kept)] = table
        return whole


def _classes(values: NDArray) -> NDArray[np.int64]:
    """Equal values get equal numbers, 0.. in the order in which they appear in the rows.

    That order, and not the order of the values, makes every score exactly the same whatever the
    codes are called.
    """
    _, first, found = np.unique(values, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[found.ravel()].astype(np.int64)


def _all_classes(table: NDArray) -> NDArray[np.int64]:
    found = np.empty(table.shape, dtype=np.int64)
    for column, values in enumerate(table.T):
        found[:, column] = _classes(values)
    return found


def equal_width(values: NDArray, bins: int) -> NDArray[np.int64]:
    """Numbers (n,) as bins 0..bins-1 of equal width between the least and the greatest."""
    low, high = values.min(), values.max()
    place = (values - low) / (high - low if high > low else 1.0)
    return np.minimum((place * bins).astype(np.int64), bins - 1)


def _factor_classes(factors: ArrayLike, n: int, discretise: int | None) -> NDArray[np.int64]:
    table = as_array(factors)
    if table.ndim == 2 and table.dtype.kind == "f" and discretise is None:
        raise TypeError(
            f"factors must be classes (integers), found {table.dtype}: give classes or "
            "discretise=, the number of bins of equal width for each factor"
        )
    if discretise is None or table.dtype.kind in "biu":
        kind = "booleans" if table.dtype.kind == "b" else "integers"
        return _all_classes(checked("factors", table, kind, (n, None)))
    bins = whole_number("discretise", discretise)
    table = checked("factors", table, "numbers", (n, None))
    for column in range(table.shape[1]):
        if len(np.unique(table[:, column])) > bins:
            table[:, column] = equal_width(table[:, column], bins)
    return _all_classes(table)


def sample_of(
    representation: ArrayLike, factors: ArrayLike, discretise: int | None = None
) -> Sample:
    """Check a representation and a factor table, and leave their constant columns out.

    representation: (n, L), floats (continuous) or integers (codes), array or tensor.
    factors: (n, F), integers or booleans. Floats only with `discretise`: a column of at most so
        many different values keeps them as classes, any other is cut into so many equal widths.
    Raises TypeError for factors that are floats (without `discretise`) or texts, ValueError for
    another shape, an empty table, NaN or infinity.
    """
    table = as_array(representation)
    codes = table.dtype.kind in "biu"
    if table.dtype.kind == "b":
        table = table.astype(np.int64)
    table = checked("representation", table, "integers" if codes else "numbers", (None, None))
    classes = _factor_classes(factors, len(table), discretise)
    varying = np.flatnonzero((table != table[0]).any(axis=0))
    kept = np.flatnonzero((classes != classes[0]).any(axis=0))
    latents = _all_classes(table[:, varying]) if codes else table[:, varying]
    notes = tuple(
        f"{constant} constant {what}{'s' if constant > 1 else ''} ignored"
        for what, constant in (
            ("factor", classes.shape[1] - len(kept)),
            ("latent", table.shape[1] - len(varying)),
        )
        if constant
    )
    return Sample(
        latents, classes[:, kept], varying, kept, (table.shape[1], classes.shape[1]), notes
    )


# Counts ------------------------------------------------------------------------------------------


def n_codes(codes: NDArray) -> NDArray[np.int64]:
    """K of each latent (L,), codes (n, L) being numbered 0..K-1."""
    return codes.max(axis=0).astype(np.int64) + 1


def joint_counts(
    codes: NDArray, classes: NDArray, sizes: NDArray[np.int64], n_classes: int
) -> NDArray[np.int64]:
    """How often each code of each latent meets each class: one exact table under the other.

    codes: (n, L); classes: (n,); sizes: K of each latent.
    Returns (sum of K, S); the rows of latent l start at `np.cumsum(sizes)[l] - sizes[l]`.
    """
    start = np.cumsum(sizes) - sizes
    cell = (codes + start) * n_classes + classes[:, None]  # (n, L)
    total = int(sizes.sum())
    return np.bincount(cell.ravel(), minlength=total * n_classes).reshape(total, n_classes)


def _n_log_n(counts: NDArray) -> NDArray[np.float64]:
    counts = counts.astype(np.float64)
    return counts * np.log(np.maximum(counts, 1))


def entropy(classes: NDArray) -> float:
    """Of a sample of classes (n,), in nats."""
    n = len(classes)
    return float(np.log(n) - _n_log_n(np.bincount(classes)).sum() / n)


def information(sample: Sample, bins: int = BINS) -> NDArray[np.float64]:
    """Mutual information (L, F) in nats of a sample, by counting."""
    codes = sample.latents
    if not sample.categorical:
        codes = _all_classes(np.stack([equal_width(z, bins) for z in codes.T], axis=1))
    sizes, n = n_codes(codes), sample.n
    start = np.cumsum(sizes) - sizes
    found = []
    for classes in sample.factors.T:
        counts = joint_counts(codes, classes, sizes, int(classes.max()) + 1)
        both = np.add.reduceat(_n_log_n(counts).sum(axis=1), start)  # (L,)
        code = np.add.reduceat(_n_log_n(counts.sum(axis=1)), start)
        one = _n_log_n(counts[: sizes[0]].sum(axis=0)).sum()
        found.append(np.log(n) + (both - code - one) / n)
    return np.maximum(np.stack(found, axis=1), 0.0)  # rounding may leave -1e-16


def entropies(sample: Sample) -> NDArray[np.float64]:
    """Entropy of each factor (F,), in nats."""
    return np.array([entropy(classes) for classes in sample.factors.T])


def mutual_information(
    representation: ArrayLike,
    factors: ArrayLike,
    *,
    normalised: bool = False,
    bins: int = BINS,
    discretise: int | None = None,
) -> NDArray[np.float64]:
    """What each latent says about each factor, (L, F), row = latent, column = factor.

    In nats, or, if `normalised`, as a share of the entropy of the factor, in [0, 1]. Codes are
    counted exactly; continuous latents are cut into `bins` of equal width. Constant columns give 0.
    Arguments and errors else as `sample_of`.
    """
    sample = sample_of(representation, factors, discretise)
    if sample.empty:
        return np.zeros(sample.shape)
    found = information(sample, whole_number("bins", bins))
    return sample.full(found / entropies(sample) if normalised else found)


def small_sample(sample: Sample, bins: int = BINS) -> tuple[str, ...]:
    """A note where chance alone adds a tenth or more of a factor's entropy, else nothing.

    Of two independent variables a table of K x S cells shows about (K-1)(S-1)/2n nats.
    """
    if sample.empty:
        return ()
    size = int(n_codes(sample.latents).max()) if sample.categorical else bins
    for classes, most in zip(sample.factors.T, entropies(sample), strict=True):
        n_classes = int(classes.max()) + 1
        if (size - 1) * (n_classes - 1) / (2 * sample.n) > BIAS * most:
            what = "codes" if sample.categorical else "bins"
            return (f"n too small: {sample.n} rows for {size} {what} x {n_classes} classes",)
    return ()


def crowded(sample: Sample, bins: int = BINS) -> tuple[str, ...]:
    """A note where one bin of equal width holds nearly all rows of a continuous latent, or nothing.

    A single value far out is enough: it stretches the bins, and the latent's spread, to itself.
    """
    if sample.empty or sample.categorical:
        return ()
    cut = [np.bincount(equal_width(z, bins)).max() / sample.n for z in sample.latents.T]
    full = [int(sample.varying[k]) for k, share in enumerate(cut) if share >= CROWDED]
    if not full:
        return ()
    where = f"latent {full[0]}" if len(full) == 1 else f"{len(full)} latents"
    return (f"outliers: one of {bins} bins holds {max(cut):.1%} of the rows of {where}",)


def beside_permuted(
    sample: Sample,
    measure: Callable[[Sample], tuple[float, ...]],
    seed: int,
    notes: tuple[tuple[str, ...], ...],
) -> tuple[Score, ...]:
    """What `measure` says of a sample and of the same with permuted factors, as Scores.

    notes: for each number that `measure` gives. Where nothing varies, all are 0 and say why.
    """
    if sample.empty:
        what = "factors" if sample.factors.shape[1] == 0 else "latents"
        why = (*sample.notes, f"all {what} are constant: 0")
        return tuple(Score(0.0, 0.0, sample.n, why) for _ in notes)
    common = (*sample.notes, *small_sample(sample), *crowded(sample))
    values, controls = measure(sample), measure(sample.permuted(seed))
    return tuple(
        Score(float(np.clip(value, 0, 1)), float(np.clip(control, 0, 1)), sample.n, common + more)
        for value, control, more in zip(values, controls, notes, strict=True)
    )


@contextlib.contextmanager
def many_classes() -> Iterator[None]:
    """scikit-learn warns of more classes than half the rows; `small_sample` has said so already."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes")
        yield


def only_one(sample: Sample, what: str, text: str) -> tuple[str, ...]:
    """A note if there is one latent, or one factor, only."""
    axis = ("latent", "factor").index(what)
    count = (sample.latents.shape[1], sample.factors.shape[1])[axis]
    return (f"1 {what}: {text}",) if count == 1 else ()


# Codes of a map ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class CodeColumns:
    """Codes of images as a representation of a fixed number of columns.

    codes: (B, L) integers.  node, codebook: (L,), where each column comes from.
    n_nodes, n_codebooks: N and C of the code map.
    """

    codes: NDArray[np.int64]
    node: NDArray[np.int64]
    codebook: NDArray[np.int64]
    n_nodes: int
    n_codebooks: int

    @property
    def names(self) -> tuple[str, ...]:
        """One name per column, such as "node 12, codebook 0"."""
        pairs = zip(self.node.tolist(), self.codebook.tolist(), strict=True)
        return tuple(f"node {n}, codebook {c}" for n, c in pairs)

    def on_map(self, table: NDArray) -> NDArray[np.float64]:
        """Numbers per column (L, F) back on the map, (N, C, F); 0 for columns left out."""
        table = checked("table", table, "numbers", (len(self.node), None))
        places = np.zeros((self.n_nodes, self.n_codebooks, table.shape[1]))
        places[self.node, self.codebook] = table
        return places


def code_columns(codes: ArrayLike) -> CodeColumns:
    """A code map as columns: one per node and codebook, node by node, without the constant ones.

    codes: integers (B, N, C). Columns that never change say nothing and are left out: most maps
    have some, in corners that no factor reaches. Where all are constant, the first one stays.
    """
    table = checked("codes", codes, "integers", (None, None, None))
    n_images, n_nodes, n_codebooks = table.shape
    columns = table.reshape(n_images, -1).astype(np.int64)
    kept = np.flatnonzero((columns != columns[0]).any(axis=0))
    kept = kept if len(kept) else np.zeros(1, dtype=np.int64)
    node, codebook = np.divmod(kept, n_codebooks)
    return CodeColumns(columns[:, kept], node, codebook, n_nodes, n_codebooks)
