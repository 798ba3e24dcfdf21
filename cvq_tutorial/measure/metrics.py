"""Numbers that say how well the method works: pure functions of arrays, numpy only.

Every number comes with what a method that learned nothing would get (chance, majority, copy) or
with the best that the picture allows (ceiling), and with a bootstrap interval where it is an
average over transitions. All functions return plain Python numbers, lists and dictionaries, ready
for JSON: never NaN, never infinity. What is done where a number is undefined (nothing predicted,
one class only, no error to recover: None) is written in each docstring.

Letters: M sampled images, B transitions, N nodes, C codebooks, K codes, F factors, A actions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cvq_tutorial.common.arrays import checked
from cvq_tutorial.common.checks import whole_number
from cvq_tutorial.common.images import psnr

# Picture and codes -------------------------------------------------------------------------------


def codebook_use(codes: ArrayLike, size: int) -> dict[str, list]:
    """How many codes of each codebook occur, over the whole sample.

    codes: integers (M, N, C) in 0..size-1; size: K, codes per codebook.
    Returns lists with one entry per codebook: `used` (codes that occur), `size` (K) and
    `perplexity` (exp of the entropy in nats: 1 when one code does everything, K when all occur
    equally often). Counts are pooled before the perplexity is taken: a mean of perplexities per
    batch is bounded by the batch and reads too low. An empty sample gives 0 used and perplexity 0,
    with a warning.
    """
    array = np.asarray(codes)
    if array.ndim != 3:
        raise ValueError(f"codes must have shape (M, N, C), found {array.shape}")
    n_codebooks = array.shape[2]
    if array.size == 0:
        warnings.warn(
            "codebook_use: the sample is empty, perplexity is reported as 0", stacklevel=2
        )
        return {
            "used": [0] * n_codebooks,
            "size": [size] * n_codebooks,
            "perplexity": [0.0] * n_codebooks,
        }
    array = checked("codes", array, "integers", (None, None, None), size)
    used, perplexity = [], []
    for codebook in range(n_codebooks):
        counts = np.bincount(array[:, :, codebook].ravel(), minlength=size)
        share = counts[counts > 0] / counts.sum()
        used.append(int((counts > 0).sum()))
        perplexity.append(float(np.exp(-(share * np.log(share)).sum())))
    return {"used": used, "size": [int(size)] * n_codebooks, "perplexity": perplexity}


# Intervals ---------------------------------------------------------------------------------------


def bootstrap(
    values: ArrayLike,
    n: int = 1000,
    seed: int = 0,
    statistic: Callable[[NDArray], float] | None = None,
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a statistic over the first axis of `values`.

    values: (B, ...), one row per transition; rows are drawn together, so columns stay paired.
    n: resamples; seed: of the resampling; statistic: `values` -> number, the mean if None.
    Returns (lo, hi). Constant values give lo == hi. Source: Efron 1979, percentile form.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or len(array) == 0:
        raise ValueError(f"values must have at least one row, found shape {array.shape}")
    whole_number("n", n)
    rng = np.random.default_rng(seed)
    of = np.mean if statistic is None else statistic
    draws = [of(array[rng.integers(len(array), size=len(array))]) for _ in range(n)]
    low, high = np.quantile(np.asarray(draws, dtype=np.float64), [0.025, 0.975])
    return float(low), float(high)


# Retrieval: name the action from two images ------------------------------------------------------


def confusion(true: ArrayLike, predicted: ArrayLike, n_actions: int) -> NDArray[np.int64]:
    """Counts (A, A): how often action `row` was named as action `column`. true, predicted: (B,)."""
    rows = checked("true", true, "integers", (None,), n_actions)
    columns = checked("predicted", predicted, "integers", rows.shape, n_actions)
    flat = np.bincount(rows * n_actions + columns, minlength=n_actions**2)
    return flat.reshape(n_actions, n_actions).astype(np.int64)


def expected_accuracy(scores: ArrayLike, true: ArrayLike) -> float:
    """Accuracy of picking the highest score when ties are broken evenly.

    scores: (B, A), any finite numbers; true: (B,) right choices. A model that cannot tell the
    actions apart (all scores alike) gets exactly 1 / A, where `argmax` would always pick action 0
    and score how often that one occurs.
    """
    array = checked("scores", scores, "numbers", (None, None))
    right = checked("true", true, "integers", array.shape[:1], array.shape[1])
    return float(guesses(array, array.shape[1])[np.arange(len(right)), right].mean())


def guesses(predicted: ArrayLike, n_actions: int) -> NDArray[np.float64]:
    """(B, A) how much of each guess goes to each action; rows sum to 1.

    predicted: the named actions (B,), or scores (B, A), whose highest share the guess if they tie.
    """
    if np.ndim(predicted) == 1:
        named = checked("predicted", predicted, "integers", (None,), n_actions)
        return np.eye(n_actions)[named]
    scores = checked("predicted", predicted, "numbers", (None, n_actions))
    best = scores == scores.max(axis=1, keepdims=True)
    return best / best.sum(axis=1, keepdims=True)


def _per_class(classes: NDArray, hits: NDArray) -> float:
    """Mean over the classes that occur of the share of hits in each."""
    return float(np.mean([hits[classes == value].mean() for value in np.unique(classes)]))


def _factors_of(factor_of: ArrayLike | None, n_factors: int) -> NDArray[np.int64]:
    """The factor of each action, (A,): as given, or of steps, all up and then all down."""
    if factor_of is None:
        return np.tile(np.arange(n_factors), 2)
    return checked("factor_of", factor_of, "integers", (None,), n_factors)


def retrieval(
    true: ArrayLike,
    predicted: ArrayLike,
    names: Sequence[str] | None,
    majority_action: int,
    *,
    factor_of: ArrayLike | None = None,
    possible: ArrayLike | None = None,
    n_actions: int | None = None,
    seed: int = 0,
) -> dict:
    """How often the action, and the factor that it moves, is named from x and y.

    true: actions (B,), integers in 0..A-1.
    predicted: the named actions (B,), or scores (B, A), of which the highest names; where several
        are equally high each gets its share, and so do their factors.
    names: the F factor names; None for a world whose actions have no factors (all keys about
        factors are then left out, and `n_actions` must be given).
    majority_action: the most frequent action of the *training* transitions.
    factor_of: (A,) the factor that each action moves; None for steps, see `worlds.factors`.
    possible: bool (B, A), which actions are possible at x, so that only these can be guessed; None
        counts all, as is usual of steps, of which few are not possible.
    Returns n, action_accuracy, factor_accuracy, macro_action_accuracy (mean over the actions that
    occur in `true`), macro_factor_accuracy (over the factors that occur), per_factor {name: {n,
    action_accuracy, factor_accuracy}} (factors that do not occur have n 0 and are otherwise empty),
    interval {action_accuracy, factor_accuracy: [lo, hi]} and three controls {action, factor}:
    `chance` (a uniform guess), `majority` (always that action) and `copy` (a model that predicts x
    unchanged whatever the action: all likelihoods tie, and ties are broken evenly).
    Raises ValueError without transitions, or for actions out of range.
    """
    owner = None if names is None else _factors_of(factor_of, len(names))
    total = n_actions if owner is None else len(owner)
    if total is None:
        raise ValueError("n_actions must be given where there are no factor names")
    if n_actions is not None and n_actions != total:
        raise ValueError(
            f"n_actions must be {total}, those of {len(names or ())} factors, found {n_actions}"
        )
    right = checked("true", true, "integers", (None,), total)
    guess = guesses(predicted, total)  # (B, A)
    if len(guess) != len(right):
        raise ValueError(f"predicted must have shape ({len(right)},), found {np.shape(predicted)}")
    checked("majority_action", [majority_action], "integers", (1,), total)

    can = np.ones((len(right), total), dtype=bool)
    if possible is not None:
        can = checked("possible", possible, "booleans", can.shape)
        if not can[np.arange(len(right)), right].all():
            raise ValueError("possible: expected every true action to be possible, found others")
    hit = guess[np.arange(len(right)), right]
    result: dict = {
        "n": len(right),
        "action_accuracy": float(hit.mean()),
        "macro_action_accuracy": _per_class(right, hit),
        "chance": {"action": 1 / total if possible is None else float((1 / can.sum(1)).mean())},
        "majority": {"action": float((right == majority_action).mean())},
        "copy": {"action": expected_accuracy(can.astype(float), right)},
        "interval": {"action_accuracy": list(bootstrap(hit, seed=seed))},
    }
    if names is None or owner is None:
        return result

    n_factors = len(names)
    factor = owner[right]
    of_factor = guess @ (owner[:, None] == np.arange(n_factors))  # (B, F)
    factor_hit = of_factor[np.arange(len(right)), factor]
    per_factor: dict[str, dict] = {}
    for index, name in enumerate(names):
        rows = factor == index
        per_factor[name] = {"n": int(rows.sum())}
        if rows.any():
            per_factor[name]["action_accuracy"] = float(hit[rows].mean())
            per_factor[name]["factor_accuracy"] = float(factor_hit[rows].mean())
    result["factor_accuracy"] = float(factor_hit.mean())
    result["macro_factor_accuracy"] = _per_class(factor, factor_hit)
    result["per_factor"] = per_factor
    result["chance"]["factor"] = 1 / n_factors
    result["majority"]["factor"] = float((factor == owner[majority_action]).mean())
    result["copy"]["factor"] = expected_accuracy(np.zeros((len(factor), n_factors)), factor)
    result["interval"]["factor_accuracy"] = list(bootstrap(factor_hit, seed=seed))
    return result


def per_value(
    x: ArrayLike,
    true: ArrayLike,
    predicted: ArrayLike,
    sizes: Sequence[int],
    names: Sequence[str],
    factor_of: ArrayLike | None = None,
) -> dict[str, dict[str, list]]:
    """How often the action is named, by the value that its factor has before: are rare ones worse?

    x: integers (B, F), factor values before; true, predicted: as in `retrieval`.
    sizes, names: of the F factors; factor_of: as in `retrieval`.
    Returns {factor name: {n: [...], action_accuracy: [...]}}, one entry per value, over the
    transitions whose action moves the factor; the accuracy of a value without any is 0.
    """
    owner = _factors_of(factor_of, len(names))
    right = checked("true", true, "integers", (None,), len(owner))
    hit = guesses(predicted, len(owner))[np.arange(len(right)), right]
    before = checked("x", x, "integers", (len(right), len(names)))
    found = {}
    for index, (name, size) in enumerate(zip(names, sizes, strict=True)):
        rows = owner[right] == index
        n = np.bincount(before[rows, index], minlength=size)
        hits = np.bincount(before[rows, index], hit[rows], minlength=size)
        shares = hits / np.maximum(n, 1)
        found[name] = {"n": n.tolist(), "action_accuracy": shares.tolist()}
    return found


# Interventions: draw y from x and an action ------------------------------------------------------


def recovered(mse: ArrayLike, mse_ceiling: ArrayLike, mse_copy: ArrayLike) -> float | None:
    """How far an intervention gets from copying x (0) to decoding y's own codes (1).

    `(copy - mse) / (copy - ceiling)` of the means; each argument (B,) or a number. Over 1 is
    possible, and under 0 means worse than copying. Where copying is no worse than the ceiling (the
    codes lose more than the edit changes) there is no way to go a part of: it is not defined, None.
    What the codes keep of the edit is then the number to look at: `edit_kept`.
    """
    error, ceiling, copy = (
        float(np.asarray(values).mean()) for values in (mse, mse_ceiling, mse_copy)
    )
    return (copy - error) / (copy - ceiling) if copy > ceiling else None


def edit_kept(mse_edit: ArrayLike, mse_copy: ArrayLike) -> float:
    """How much of the difference between x and y is left once both went through an autoencoder.

    `1 - edit / copy` of the means, where edit is the squared error of the difference of the two
    decoded pictures and copy the squared difference of x and y; each argument (B,) or a number.
    1 draws the edit whole, 0 is as good as no difference at all, and under 0 the noise is larger
    than the edit. It is about pictures: codes may still differ by something that is not drawn.
    Where no pixel changes there is nothing to keep and the answer is 0.
    """
    lost, copy = (float(np.asarray(values).mean()) for values in (mse_edit, mse_copy))
    return 1 - lost / copy if copy > 0 else 0.0


def _judged(read: NDArray, target: NDArray, factor: NDArray) -> tuple[NDArray, NDArray]:
    """(B,) target factor at its new value; (B,) all the other factors at theirs."""
    agree = read == target  # (B, F)
    rows = np.arange(len(factor))
    reached = agree[rows, factor]
    others = agree.copy()
    others[rows, factor] = True
    return reached, others.all(axis=1)


def interventions(
    mse: ArrayLike,
    mse_ceiling: ArrayLike,
    mse_copy: ArrayLike,
    mse_edit: ArrayLike,
    judged: ArrayLike,
    judged_ceiling: ArrayLike,
    target_values: ArrayLike,
    factor: ArrayLike,
    names: Sequence[str],
    judge_accuracy: Mapping[str, float],
    *,
    seed: int = 0,
) -> dict:
    """Is the image drawn for "x after the action" the image y?

    mse, mse_ceiling, mse_copy: (B,) squared error against the true y of the intervened image, of
        y's own codes decoded, and of the image of x.
    mse_edit: (B,) squared error of the difference between y and x, both through their own codes.
    judged, judged_ceiling: integers (B, F), what the judge reads on the intervened image and on
        y's own codes decoded.
    target_values: integers (B, F), the true values of y.
    factor: (B,), which factor the action moved.
    names: the F factor names.
    judge_accuracy: of the judge on true test images, {name: share, "all": share}.
    Returns psnr, psnr_ceiling, psnr_copy (dB, of the mean errors), recovered (None where it is not
    defined; its interval is None where it is not in some resample), edit_kept, target_reached,
    others_kept (*all* other factors right), target_reached_ceiling,
    others_kept_ceiling, judge_accuracy, interval {psnr, recovered, target_reached, others_kept:
    [lo, hi]} and per_factor {name: n and the same numbers over the edits of that factor; kept and
    kept_ceiling over the edits of all others, how often this one stayed}: it tells which factor
    `others_kept` loses.
    """
    n_factors = len(names)
    which = checked("factor", factor, "integers", (None,), n_factors)
    batch = which.shape
    errors = np.stack(
        [
            checked("mse", mse, "numbers", batch),
            checked("mse_ceiling", mse_ceiling, "numbers", batch),
            checked("mse_copy", mse_copy, "numbers", batch),
            checked("mse_edit", mse_edit, "numbers", batch),
        ],
        axis=1,
    )  # (B, 4)
    table = (*batch, n_factors)
    target = checked("target_values", target_values, "integers", table)
    reached, kept = _judged(checked("judged", judged, "integers", table), target, which)
    reached_ceiling, kept_ceiling = _judged(
        checked("judged_ceiling", judged_ceiling, "integers", table), target, which
    )

    def recovered_interval() -> list[float] | None:
        def of(errors: NDArray) -> float:
            share = recovered(*errors.T)
            return np.nan if share is None else share

        found = bootstrap(errors[:, :3], seed=seed, statistic=of)
        return None if np.isnan(found).any() else list(found)

    def summary(rows: NDArray) -> dict[str, float | None]:
        means = errors[rows].mean(axis=0)
        return {
            "psnr": psnr(means[0]),
            "psnr_ceiling": psnr(means[1]),
            "psnr_copy": psnr(means[2]),
            "recovered": recovered(*means[:3]),
            "edit_kept": edit_kept(means[3], means[2]),
            "target_reached": float(reached[rows].mean()),
            "others_kept": float(kept[rows].mean()),
            "target_reached_ceiling": float(reached_ceiling[rows].mean()),
            "others_kept_ceiling": float(kept_ceiling[rows].mean()),
        }

    read = {
        "kept": np.asarray(judged) == target,
        "kept_ceiling": np.asarray(judged_ceiling) == target,
    }
    per_factor: dict[str, dict] = {}
    for index, name in enumerate(names):
        rows = which == index
        per_factor[name] = {"n": int(rows.sum()), **(summary(rows) if rows.any() else {})}
        if not rows.all():
            shares = {key: float(right[~rows, index].mean()) for key, right in read.items()}
            per_factor[name].update(shares)
    return {
        "n": len(which),
        **summary(np.ones(batch, dtype=bool)),
        "judge_accuracy": {name: float(share) for name, share in judge_accuracy.items()},
        "per_factor": per_factor,
        "interval": {
            "psnr": list(bootstrap(errors[:, 0], seed=seed, statistic=lambda e: psnr(e.mean()))),
            "recovered": recovered_interval(),
            "target_reached": list(bootstrap(reached, seed=seed)),
            "others_kept": list(bootstrap(kept, seed=seed)),
        },
    }
