"""InfoMEC: modularity, compactness and explicitness of a representation, from information.

Source: Hsu et al. 2023, "Disentanglement via latent quantization", arXiv 2305.18378.

Letters: n rows, L latents, F factors, S classes of a factor.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cvq_tutorial.measure.disentanglement.columns import (
    Sample,
    Score,
    beside_permuted,
    entropies,
    information,
    many_classes,
    only_one,
    sample_of,
)

NEIGHBOURS = 10  # of the estimate of information of continuous latents
LEAST_RANGE = 0.05  # of the widest latent; a continuous latent of less is not in use


@dataclass(frozen=True, eq=False)
class InfoMEC:
    """Three Scores, and information (L, F): mutual information as a share of the factor's entropy.

    active: (L,), latents that count; of the others nothing is asked.
    """

    modularity: Score
    compactness: Score
    explicitness: Score
    information: NDArray[np.float64]
    active: NDArray[np.bool_]


def _shares(sample: Sample, seed: int) -> NDArray[np.float64]:
    """Mutual information (L, F) as a share of the factor's entropy: counts, or near neighbours."""
    if sample.categorical:
        return information(sample) / entropies(sample)
    from sklearn.feature_selection import mutual_info_classif

    found = np.zeros((sample.latents.shape[1], sample.factors.shape[1]))
    with many_classes():
        for column, classes in enumerate(sample.factors.T):
            if np.bincount(classes).max() > 1:  # a value that occurs once has no neighbour
                found[:, column] = mutual_info_classif(
                    sample.latents,
                    classes,
                    discrete_features=False,
                    n_neighbors=NEIGHBOURS,
                    random_state=seed,
                )
    return np.maximum(found / entropies(sample), 0.0)


def _main_share(table: NDArray[np.float64]) -> float:
    """Mean over the rows of the largest entry's share of its row, from even (0) to alone (1)."""
    n_columns, total = table.shape[1], table.sum(axis=1)
    if n_columns == 1:
        return 0.0
    share = np.where(total > 0, table.max(axis=1) / np.where(total > 0, total, 1), 1 / n_columns)
    return float((share.mean() - 1 / n_columns) / (1 - 1 / n_columns))


def _explicitness(sample: Sample, seed: int) -> float:
    """Share of the factors' entropy that a linear predictor removes on held-out rows, mean."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    learn, judge = sample.halves(seed)
    inputs = (OneHotEncoder() if sample.categorical else StandardScaler()).fit_transform(
        sample.latents
    )
    shares = []
    for classes in sample.factors.T:
        n_classes, there = int(classes.max()) + 1, np.unique(classes[learn])
        held_out = np.bincount(classes[judge], minlength=n_classes) / max(1, len(judge))
        most = -(held_out * np.log(np.where(held_out > 0, held_out, 1))).sum()
        if len(there) < 2 or most == 0:
            shares.append(0.0)
            continue
        with many_classes():
            # A hundred steps are what the score is defined by; nearly converged is good enough.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = LogisticRegression(max_iter=100).fit(inputs[learn], classes[learn])
        chance = np.zeros((len(judge), n_classes))
        chance[:, there] = model.predict_proba(inputs[judge])
        # A share of one row is spread evenly: no answer is so sure that its error is infinite.
        chance = (1 - 1 / len(learn)) * chance + 1 / (len(learn) * n_classes)
        loss = -np.log(chance[np.arange(len(judge)), classes[judge]]).mean()
        shares.append(max(0.0, 1 - loss / most))
    return float(np.mean(shares))


def infomec(
    representation: ArrayLike,
    factors: ArrayLike,
    *,
    discretise: int | None = None,
    seed: int = 0,
) -> InfoMEC:
    """Modularity, compactness and explicitness from information (InfoM, InfoC, InfoE).

    With the mutual information as a share of each factor's entropy: modularity is the largest share
    in each latent's row, as part of the row; compactness is the same in each factor's column; both
    are rescaled so that even is 0 and alone is 1. Codes are counted, continuous latents are
    estimated with 10 near neighbours and do not count if their range is under a twentieth of the
    widest. Of independent latents near neighbours find next to nothing, and the largest of such a
    row is most of it: read modularity and compactness against `permuted`, not against 0.
    Explicitness is the share of a factor's entropy that a linear predictor removes (a logistic
    regression on the latents, for codes on their indicators). Ours is judged on held-out rows, with
    a penalty, where the source takes the rows it was fitted on without one: with more codes than
    rows that would be 1 for noise too. Less than nothing counts as 0.
    Modularity of one factor and compactness of one latent are undefined: 0, with a note.
    """
    sample = sample_of(representation, factors, discretise)
    active = np.zeros(sample.shape[0], dtype=bool)
    active[sample.varying] = True
    if not sample.categorical and not sample.empty:
        width = np.ptp(sample.latents, axis=0)
        in_use = width > LEAST_RANGE * width.max()
        active[sample.varying] = in_use
    pruned = active[sample.varying]
    shares: list[NDArray[np.float64]] = []

    def measure(sample: Sample) -> tuple[float, ...]:
        share = _shares(sample, seed)
        shares.append(share)
        of_active = share[pruned]
        return _main_share(of_active), _main_share(of_active.T), _explicitness(sample, seed)

    unused = len(pruned) - int(pruned.sum())
    note = (
        (f"{unused} latent{'s' if unused > 1 else ''} of little range ignored",) if unused else ()
    )
    alone = pruned.sum() == 1
    notes = (
        note + only_one(sample, "factor", "modularity is undefined, 0"),
        note + (("1 latent: compactness is undefined, 0",) if alone else ()),
        (),
    )
    one, two, three = beside_permuted(sample, measure, seed, notes)
    table = sample.full(shares[0]) if shares else np.zeros(sample.shape)
    return InfoMEC(one, two, three, table, active)
