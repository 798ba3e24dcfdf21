"""Disentanglement scores, for continuous latents and for codes, each beside its control.

Five scores that people quote, all of one representation (n, L) and one factor table (n, F):

- **MIG**: in information, how far is the best latent ahead of the second? 1: one latent alone.
- **SAP**: the same, in how well each latent alone names the factor.
- **DCI**: how does a predictor spread over the latents? 1: one factor per latent (D), one latent
  per factor (C), all named right (I).
- **InfoMEC**: the same three questions asked of information; the last one of a linear predictor.
- **FactorVAE**: which latent holds still when a factor does? 1: it always tells the factor.

None of them is the truth. Codes of a map are *meant* to be redundant, many places say the hue of
the floor: there is no best latent that is ahead, and MIG, SAP and the compactness of InfoMEC are
near 0 for a good code map too. A rotation of a perfect continuous representation loses nothing, yet
all but the informativeness may fall; how far depends on the score, and FactorVAE often stays at 1.
A score without the value that it takes when nothing can be known says little: each `Score` has it
as `permuted`.

Compared once with disent 0.8.0 on six representations made for it (2,000 rows, 4 factors): MIG is
equal to four digits, D and C differ by at most 0.08 and I by 0.02 (other trees), FactorVAE agrees
within its spread over seeds, and SAP is higher here for the reason given there.

All functions take the same first arguments, see `columns.sample_of`, and are deterministic
for a seed. Renaming the codes of a latent changes no digit. Scores that need a predictor learn it
on one half of the rows and are judged on the other.

Letters: n rows, L latents, F factors, K codes of a latent, S classes of a factor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cvq_tutorial.common.checks import whole_number
from cvq_tutorial.measure.disentanglement.columns import (
    BINS,
    Sample,
    Score,
    beside_permuted,
    code_columns,
    entropies,
    information,
    joint_counts,
    many_classes,
    mutual_information,
    n_codes,
    only_one,
    sample_of,
)
from cvq_tutorial.measure.disentanglement.factor_vae import factor_vae, factor_vae_world
from cvq_tutorial.measure.disentanglement.infomec import InfoMEC, infomec

__all__ = [
    "DCI",
    "InfoMEC",
    "Score",
    "all_scores",
    "code_columns",
    "dci",
    "factor_vae",
    "factor_vae_world",
    "infomec",
    "mig",
    "mutual_information",
    "sap",
    "table",
]

TREES = 10
LEAF = 5  # rows; trees grown to the last row spend their last splits on noise


def _ahead(table: NDArray[np.float64], nothing: NDArray[np.float64]) -> float:
    """Mean over the factors of best minus second best latent, (L, F); `nothing` (F,) for L = 1."""
    padded = np.concatenate([table, nothing[None]]) if len(table) == 1 else table
    top = np.sort(padded, axis=0)
    return float((top[-1] - top[-2]).mean())


def mig(
    representation: ArrayLike,
    factors: ArrayLike,
    *,
    bins: int = BINS,
    discretise: int | None = None,
    seed: int = 0,
) -> Score:
    """Mutual information gap: best minus second best latent, as a share of the factor's entropy.

    The mean over the factors that vary. Codes are counted exactly, continuous latents are cut into
    `bins` of equal width. Of one latent the gap is to nothing. Source: Chen et al. 2018, section 4.
    """
    sample = sample_of(representation, factors, discretise)
    bins = whole_number("bins", bins)

    def measure(sample: Sample) -> tuple[float]:
        share = information(sample, bins) / entropies(sample)
        return (_ahead(share, np.zeros(share.shape[1])),)

    notes = (only_one(sample, "latent", "its gap is to a latent that says nothing"),)
    return beside_permuted(sample, measure, seed, notes)[0]


# SAP ---------------------------------------------------------------------------------------------


def _thresholds(latents: NDArray, classes: NDArray, learn: NDArray, seed: int) -> NDArray[np.int64]:
    """Each continuous latent (n, L) cut by a small tree that tells the classes apart: codes."""
    from sklearn.tree import DecisionTreeClassifier

    most = 2 * (int(classes.max()) + 1)  # a cyclic factor meets a class from two sides
    cut = np.empty(latents.shape, dtype=np.int64)
    for column, values in enumerate(latents.T):
        tree = DecisionTreeClassifier(
            max_leaf_nodes=most,
            min_samples_leaf=LEAF,
            class_weight="balanced",
            random_state=seed,
        )
        with many_classes():
            tree.fit(values[learn, None], classes[learn])
        cut[:, column] = np.unique(tree.apply(values[:, None]), return_inverse=True)[1]
    return cut


def _named_by_each(sample: Sample, seed: int) -> NDArray[np.float64]:
    """Balanced accuracy (L, F), on held-out rows, of naming each factor from each latent alone."""
    learn, judge = sample.halves(seed)
    found = []
    for classes in sample.factors.T:
        n_classes = int(classes.max()) + 1
        codes = sample.latents
        if not sample.categorical:
            codes = _thresholds(codes, classes, learn, seed)
        sizes = n_codes(codes)
        seen = joint_counts(codes[learn], classes[learn], sizes, n_classes)  # (sum of K, S)
        weight = seen / np.maximum(np.bincount(classes[learn], minlength=n_classes), 1)
        best = weight == weight.max(axis=1, keepdims=True)
        named = best / best.sum(axis=1, keepdims=True)  # ties, and codes not seen, share a guess
        met = joint_counts(codes[judge], classes[judge], sizes, n_classes)
        hits = np.add.reduceat(met * named, np.cumsum(sizes) - sizes)  # (L, S)
        of_class = np.bincount(classes[judge], minlength=n_classes)
        there = of_class > 0
        found.append((hits[:, there] / of_class[there]).mean(axis=1))
    return np.stack(found, axis=1)


def sap(
    representation: ArrayLike,
    factors: ArrayLike,
    *,
    discretise: int | None = None,
    seed: int = 0,
) -> Score:
    """Separated attribute predictability: best minus second best latent in naming the factor.

    Each latent alone names each factor, in balanced accuracy on held-out rows: a code by the class
    that it meets most, a continuous latent by thresholds (a tree of at most 2 S leaves). Source:
    Kumar et al. 2018, section 3. A linear classifier on the latent, as some implementations have
    it, can name only a few of many classes along a line, and was not taken.
    """
    sample = sample_of(representation, factors, discretise)

    def measure(sample: Sample) -> tuple[float]:
        chance = 1 / (sample.factors.max(axis=0) + 1)
        return (_ahead(_named_by_each(sample, seed), chance),)

    notes = (only_one(sample, "latent", "its gap is to guessing"),)
    return beside_permuted(sample, measure, seed, notes)[0]


# DCI ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class DCI:
    """Three Scores, and importance (L, F): how much the predictor of each factor uses each latent.

    The columns of `importance` sum to 1, or are 0 where a factor is constant or nothing is used.
    """

    disentanglement: Score
    completeness: Score
    informativeness: Score
    importance: NDArray[np.float64]


def _concentration(table: NDArray[np.float64]) -> float:
    """1 when each row has all in one place, 0 when it is even; rows weigh what they sum to."""
    total = table.sum(axis=1)
    if table.shape[1] == 1 or total.sum() == 0:
        return 0.0
    share = table / np.where(total > 0, total, 1.0)[:, None]
    spread = -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=1)
    return float((total * (1 - spread / np.log(table.shape[1]))).sum() / total.sum())


def _in_order(sample: Sample, classes: NDArray, learn: NDArray) -> NDArray[np.float32]:
    """Latents (n, L) as ranks, so that a tree can split them by a threshold.

    Codes have no order of their own. They get the one in which their class frequencies differ most,
    along the first principal component (Coppersmith, Hong and Hosking 1999), on the rows to learn
    from. Continuous latents get their rank among these rows: any stretching is undone.
    """
    ranks = np.empty(sample.latents.shape, dtype=np.float32)
    if not sample.categorical:
        for column, values in enumerate(sample.latents.T):
            ranks[:, column] = np.searchsorted(np.sort(values[learn]), values)
        return ranks
    n_classes, sizes = int(classes.max()) + 1, n_codes(sample.latents)
    counts = joint_counts(sample.latents[learn], classes[learn], sizes, n_classes)
    average = np.bincount(classes[learn], minlength=n_classes) / len(learn)
    for column, part in enumerate(np.split(counts, np.cumsum(sizes)[:-1])):
        rows = part.sum(axis=1, keepdims=True)  # (K, 1)
        away = np.where(rows > 0, part / np.maximum(rows, 1) - average, 0.0)  # (K, S)
        main = np.linalg.eigh(away.T @ (rows * away))[1][:, -1]
        order = np.argsort(np.argsort(away @ main, kind="stable"), kind="stable")
        ranks[:, column] = order[sample.latents[:, column]]
    return ranks


def _importance(sample: Sample, seed: int) -> tuple[NDArray[np.float64], float]:
    """(L, F) share of each latent in the trees of each factor; mean accuracy on held-out rows."""
    from sklearn.ensemble import ExtraTreesClassifier

    learn, judge = sample.halves(seed)
    used, right = [], []
    for classes in sample.factors.T:
        ranks = _in_order(sample, classes, learn)
        trees = ExtraTreesClassifier(
            TREES, max_features=None, min_samples_leaf=LEAF, random_state=seed
        )
        with many_classes():
            trees.fit(ranks[learn], classes[learn])
        used.append(trees.feature_importances_)
        right.append(float((trees.predict(ranks[judge]) == classes[judge]).mean()))
    return np.stack(used, axis=1), float(np.mean(right))


def dci(
    representation: ArrayLike,
    factors: ArrayLike,
    *,
    discretise: int | None = None,
    seed: int = 0,
) -> DCI:
    """Disentanglement, completeness, informativeness, from what a predictor of each factor uses.

    Importance is how much impurity each latent removes in 10 extremely randomised trees that may
    choose among all latents at every split, with leaves of at least 5 rows; informativeness is
    their accuracy on held-out rows, of which guessing has some too: see `permuted`. Trees read any
    shape of a relation, where a linear predictor cannot read an angle. The boosted trees that are
    often used train one tree per class and round: on 2,500 rows, 10 latents and 6 factors they took
    over 40 s, and these 0.3 s. Forests that choose among few latents at a split must use others
    than the right one, and never reach 1.
    Disentanglement of one factor and completeness of one latent are undefined: 0, with a note.
    Source: Eastwood and Williams 2018, section 2.
    """
    sample = sample_of(representation, factors, discretise)
    found: list[NDArray[np.float64]] = []

    def measure(sample: Sample) -> tuple[float, ...]:
        importance, accuracy = _importance(sample, seed)
        found.append(importance)
        return _concentration(importance), _concentration(importance.T), accuracy

    notes = (
        only_one(sample, "factor", "disentanglement is undefined, 0"),
        only_one(sample, "latent", "completeness is undefined, 0"),
        (),
    )
    one, two, three = beside_permuted(sample, measure, seed, notes)
    return DCI(one, two, three, sample.full(found[0]) if found else np.zeros(sample.shape))


# All of them -------------------------------------------------------------------------------------


def all_scores(
    representation: ArrayLike,
    factors: ArrayLike,
    *,
    discretise: int | None = None,
    seed: int = 0,
) -> dict[str, Score]:
    """Every score of a representation by name, nine of them: DCI and InfoMEC are three each."""
    given = (representation, factors)
    parts = dci(*given, discretise=discretise, seed=seed)
    info = infomec(*given, discretise=discretise, seed=seed)
    return {
        "MIG": mig(*given, discretise=discretise, seed=seed),
        "SAP": sap(*given, discretise=discretise, seed=seed),
        "FactorVAE": factor_vae(*given, discretise=discretise, seed=seed),
        "DCI disentanglement": parts.disentanglement,
        "DCI completeness": parts.completeness,
        "DCI informativeness": parts.informativeness,
        "InfoMEC modularity": info.modularity,
        "InfoMEC compactness": info.compactness,
        "InfoMEC explicitness": info.explicitness,
    }


def table(scores: Mapping[str, Score]) -> str:
    """Scores as lines of text, each beside its control; the notes below, each once."""
    wide = max((len(name) for name in scores), default=0)
    lines = [f"{'score':<{wide}}  value  permuted"]
    lines += [f"{k:<{wide}}  {s.value:5.3f}     {s.permuted:5.3f}" for k, s in scores.items()]
    told: dict[str, list[str]] = {}
    for name, score in scores.items():
        for note in score.notes:
            told.setdefault(note, []).append(name)
    for note, names in told.items():
        where = "all" if len(names) == len(scores) else ", ".join(names)
        lines.append(f"note: {note} ({where})")
    return "\n".join(lines)
