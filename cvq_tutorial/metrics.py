"""Numbers that say how well the method works: pure functions of arrays, numpy only.

Every number comes with what a method that learned nothing would get (chance, majority, copy) or
with the best that the picture allows (ceiling), and with a bootstrap interval where it is an
average over transitions. All functions return plain Python numbers, lists and dictionaries, ready
for JSON: never NaN, never infinity. What is done where a number is undefined (nothing predicted,
one class only, no error to recover) is written in each docstring.

Letters: M sampled images, B transitions, N nodes, C codebooks, K codes, F factors, A actions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEAST_MSE = 1e-10  # 100 dB: an exact copy must stay a finite number in metrics.json


def _checked(
    name: str,
    values: ArrayLike,
    kind: str,
    shape: tuple[int | None, ...],
    high: int | None = None,
) -> NDArray:
    """`values` as an array of one kind, shape (None: any length) and, for integers, range."""
    array = np.asarray(values)
    if array.ndim != len(shape):
        raise ValueError(f"{name} must have {len(shape)} dimension(s), found shape {array.shape}")
    if any(want not in (None, have) for want, have in zip(shape, array.shape, strict=True)):
        want = tuple("any" if length is None else length for length in shape)
        raise ValueError(f"{name} must have shape {want}, found {array.shape}".replace("'", ""))
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, found shape {array.shape}")
    if array.dtype.kind not in {"integers": "iu", "booleans": "b"}.get(kind, "biuf"):
        raise TypeError(f"{name} must be {kind}, found {array.dtype}")
    if kind in ("numbers", "probabilities"):
        array = array.astype(np.float64)
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite, found NaN or infinity")
    low, top = (array.min(), array.max()) if kind != "booleans" else (0, 0)
    if kind == "probabilities" and (low < 0 or top > 1 + 1e-6):
        raise ValueError(f"{name} must be probabilities in [0, 1], found {low:g}..{top:g}")
    if high is not None and (low < 0 or top >= high):
        raise ValueError(f"{name} must lie in 0..{high - 1}, found {low}..{top}")
    return array


def _square(name: str, values: ArrayLike) -> NDArray[np.float64]:
    array = _checked(name, values, "probabilities", (None, None, None))
    if array.shape[1] != array.shape[2]:
        raise ValueError(f"{name} must have shape (any, N, N), found {array.shape}")
    return array


# Picture and codes -------------------------------------------------------------------------------


def psnr(mse: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error between images in [0, 1].

    An error under 1e-10 counts as 1e-10, so that an exact copy gives 100 dB and not infinity.
    Raises ValueError for a negative or non-finite error.
    """
    error = float(mse)
    if not np.isfinite(error) or error < 0:
        raise ValueError(f"mse must be a finite number of at least 0, found {error}")
    return float(-10 * np.log10(max(error, LEAST_MSE)))


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
    array = _checked("codes", array, "integers", (None, None, None), size)
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
    if n < 1:
        raise ValueError(f"n must be at least 1, found {n}")
    rng = np.random.default_rng(seed)
    of = np.mean if statistic is None else statistic
    draws = [of(array[rng.integers(len(array), size=len(array))]) for _ in range(n)]
    low, high = np.quantile(np.asarray(draws, dtype=np.float64), [0.025, 0.975])
    return float(low), float(high)


# Retrieval: name the action from two images ------------------------------------------------------


def confusion(true: ArrayLike, predicted: ArrayLike, n_actions: int) -> NDArray[np.int64]:
    """Counts (A, A): how often action `row` was named as action `column`. true, predicted: (B,)."""
    rows = _checked("true", true, "integers", (None,), n_actions)
    columns = _checked("predicted", predicted, "integers", rows.shape, n_actions)
    flat = np.bincount(rows * n_actions + columns, minlength=n_actions**2)
    return flat.reshape(n_actions, n_actions).astype(np.int64)


def expected_accuracy(scores: ArrayLike, true: ArrayLike) -> float:
    """Accuracy of picking the highest score when ties are broken evenly.

    scores: (B, A), any finite numbers; true: (B,) right choices. A model that cannot tell the
    actions apart (all scores alike) gets exactly 1 / A, where `argmax` would always pick action 0
    and score how often that one occurs.
    """
    array = _checked("scores", scores, "numbers", (None, None))
    right = _checked("true", true, "integers", array.shape[:1], array.shape[1])
    best = array == array.max(axis=1, keepdims=True)  # (B, A)
    share = best / best.sum(axis=1, keepdims=True)
    return float(share[np.arange(len(right)), right].mean())


def _per_class(classes: NDArray, hits: NDArray) -> float:
    """Mean over the classes that occur of the share of hits in each."""
    return float(np.mean([hits[classes == value].mean() for value in np.unique(classes)]))


def retrieval(
    true: ArrayLike,
    predicted: ArrayLike,
    names: Sequence[str] | None,
    majority_action: int,
    *,
    n_actions: int | None = None,
    seed: int = 0,
) -> dict:
    """How often the action, and the factor that it moves, is named from x and y.

    true, predicted: actions (B,), integers in 0..A-1.
    names: the F factor names, where A = 2F and action `a` moves factor `a % F`; None for a world
        whose actions have no factors (all keys about factors are then left out, and `n_actions`
        must be given).
    majority_action: the most frequent action of the *training* transitions.
    Returns n, action_accuracy, factor_accuracy, macro_action_accuracy (mean over the actions that
    occur in `true`), macro_factor_accuracy (over the factors that occur), per_factor {name: {n,
    action_accuracy, factor_accuracy}} (factors that do not occur have n 0 and are otherwise empty),
    interval {action_accuracy, factor_accuracy: [lo, hi]} and three controls {action, factor}:
    `chance` (a uniform guess), `majority` (always that action) and `copy` (a model that predicts x
    unchanged whatever the action: all likelihoods tie, and ties are broken evenly).
    Raises ValueError without transitions, or for actions out of range.
    """
    total = n_actions if names is None else 2 * len(names)
    if total is None:
        raise ValueError("n_actions must be given where there are no factor names")
    if n_actions is not None and n_actions != total:
        raise ValueError(f"n_actions must be 2 x {len(names or ())} factors, found {n_actions}")
    right = _checked("true", true, "integers", (None,), total)
    guess = _checked("predicted", predicted, "integers", right.shape, total)
    _checked("majority_action", [majority_action], "integers", (1,), total)

    everything_ties = np.zeros((len(right), total))
    hit = right == guess
    result: dict = {
        "n": len(right),
        "action_accuracy": float(hit.mean()),
        "macro_action_accuracy": _per_class(right, hit),
        "chance": {"action": 1 / total},
        "majority": {"action": float((right == majority_action).mean())},
        "copy": {"action": expected_accuracy(everything_ties, right)},
        "interval": {"action_accuracy": list(bootstrap(hit, seed=seed))},
    }
    if names is None:
        return result

    n_factors = len(names)
    factor = right % n_factors
    factor_hit = factor == guess % n_factors
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
    result["majority"]["factor"] = float((factor == majority_action % n_factors).mean())
    result["copy"]["factor"] = expected_accuracy(everything_ties[:, :n_factors], factor)
    result["interval"]["factor_accuracy"] = list(bootstrap(factor_hit, seed=seed))
    return result


# Interventions: draw y from x and an action ------------------------------------------------------


def recovered(mse: ArrayLike, mse_ceiling: ArrayLike, mse_copy: ArrayLike) -> float:
    """How far an intervention gets from copying x (0) to decoding y's own codes (1).

    `(copy - mse) / (copy - ceiling)` of the means; each argument (B,) or a number. Over 1 is
    possible, and under 0 means worse than copying. Where copying is no worse than the ceiling
    nothing can be recovered and the answer is 0.
    """
    error, ceiling, copy = (
        float(np.asarray(values).mean()) for values in (mse, mse_ceiling, mse_copy)
    )
    return (copy - error) / (copy - ceiling) if copy > ceiling else 0.0


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
    judged, judged_ceiling: integers (B, F), what the judge reads on the intervened image and on
        y's own codes decoded.
    target_values: integers (B, F), the true values of y.
    factor: (B,), which factor the action moved.
    names: the F factor names.
    judge_accuracy: of the judge on true test images, {name: share, "all": share}.
    Returns psnr, psnr_ceiling, psnr_copy (dB, of the mean errors), recovered, target_reached,
    others_kept (*all* other factors right), target_reached_ceiling, others_kept_ceiling,
    judge_accuracy, interval {psnr, recovered, target_reached, others_kept: [lo, hi]} and per_factor
    {name: n and the same numbers over the edits of that factor; kept and kept_ceiling over the
    edits of all others, how often this one stayed}: it tells which factor `others_kept` loses.
    """
    n_factors = len(names)
    which = _checked("factor", factor, "integers", (None,), n_factors)
    batch = which.shape
    errors = np.stack(
        [
            _checked("mse", mse, "numbers", batch),
            _checked("mse_ceiling", mse_ceiling, "numbers", batch),
            _checked("mse_copy", mse_copy, "numbers", batch),
        ],
        axis=1,
    )  # (B, 3)
    table = (*batch, n_factors)
    target = _checked("target_values", target_values, "integers", table)
    reached, kept = _judged(_checked("judged", judged, "integers", table), target, which)
    reached_ceiling, kept_ceiling = _judged(
        _checked("judged_ceiling", judged_ceiling, "integers", table), target, which
    )

    def summary(rows: NDArray) -> dict[str, float]:
        means = errors[rows].mean(axis=0)
        return {
            "psnr": psnr(means[0]),
            "psnr_ceiling": psnr(means[1]),
            "psnr_copy": psnr(means[2]),
            "recovered": recovered(*means),
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
            "recovered": list(bootstrap(errors, seed=seed, statistic=lambda e: recovered(*e.T))),
            "target_reached": list(bootstrap(reached, seed=seed)),
            "others_kept": list(bootstrap(kept, seed=seed)),
        },
    }


# Mask and graph ----------------------------------------------------------------------------------


def _precision_recall(found: NDArray, truth: NDArray) -> tuple[float, float, float]:
    """(precision, recall, F1); an empty side scores 1 if the other is empty too, else 0."""
    both = float((found & truth).sum())
    n_found, n_true = int(found.sum()), int(truth.sum())
    precision = both / n_found if n_found else float(n_true == 0)
    recall = both / n_true if n_true else float(n_found == 0)
    f1 = 2 * both / (n_found + n_true) if n_found + n_true else 1.0
    return precision, recall, f1


def mask(mask_prob: ArrayLike, changed: ArrayLike, threshold: float = 0.5) -> dict[str, float]:
    """Does the effects mask mark the codes that change?

    mask_prob: (B, N, C), probability that the action sets a code.
    changed: booleans (B, N, C), codes of x and y differ.
    Returns precision, recall, f1 of `mask_prob >= threshold`, density (share of codes marked) and
    changed (share that changed). Nothing marked and nothing changed is a perfect answer (1); one of
    the two empty gives 0.
    """
    probability = _checked("mask_prob", mask_prob, "probabilities", (None, None, None))
    truth = _checked("changed", changed, "booleans", probability.shape)
    found = probability >= threshold
    precision, recall, f1 = _precision_recall(found, truth)
    return {
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "density": float(found.mean()),
        "changed": float(truth.mean()),
    }


def graph_density(
    graph_prob: ArrayLike, set_node: ArrayLike, threshold: float = 0.5
) -> dict[str, float]:
    """How many causes the nodes that are set have.

    graph_prob: (B, N, N), `[b, i, j]` is the probability that i is a cause of j.
    set_node: booleans (B, N), the action sets node j. Edges into a node that is copied are never
        used, so they do not count.
    Returns edges_per_set_node (own edge included) and density (the same over N); both 0 if no node
    is set.
    """
    probability = _square("graph_prob", graph_prob)
    chosen = _checked("set_node", set_node, "booleans", probability.shape[:2])
    causes = (probability >= threshold).sum(axis=1)[chosen]  # one count per set node
    per_node = float(causes.mean()) if causes.size else 0.0
    return {"edges_per_set_node": per_node, "density": per_node / probability.shape[1]}


def auroc(scores: ArrayLike, truth: ArrayLike) -> float:
    """Probability that a true entry scores higher than a false one; ties count one half.

    scores: (M,); truth: booleans (M,). With one class nothing can be ranked: the answer is 0.5.
    """
    values = _checked("scores", scores, "numbers", (None,))
    positive = _checked("truth", truth, "booleans", values.shape)
    n_positive = int(positive.sum())
    n_negative = len(values) - n_positive
    if n_positive == 0 or n_negative == 0:
        return 0.5
    _, group, size = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(size)
    rank = (last - (size - 1) / 2)[group]  # 1-based, tied scores share the middle of their ranks
    above = rank[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * n_negative))


def graph_recovery(
    prob: ArrayLike, truth: ArrayLike, targets: ArrayLike, threshold: float = 0.5
) -> dict[str, float | int]:
    """The learned graph against a known one.

    prob: (A, N, N) edge probabilities, `[a, i, j]` = i is a cause of j under action a.
    truth: booleans (A, N, N).
    targets: booleans (A, N), nodes that the action sets. Only entries into targets are judged: no
        other edge has a meaning.
    Returns edge_f1 of `prob >= threshold`, edge_auroc (needs no threshold; 0.5 where one class is
    missing), and shd, the structural Hamming distance summed over actions: missing plus extra
    edges, an edge found the wrong way round counted once.
    """
    probability = _square("prob", prob)
    known = _checked("truth", truth, "booleans", probability.shape)
    chosen = _checked("targets", targets, "booleans", probability.shape[:2])
    if not chosen.any():
        raise ValueError("targets must mark at least one node, found none")
    judged = np.broadcast_to(chosen[:, None, :], probability.shape)
    found = (probability >= threshold) & judged
    known = known & judged
    extra, missing = found & ~known, known & ~found
    turned = int((extra & missing.transpose(0, 2, 1)).sum())
    return {
        "edge_f1": _precision_recall(found, known)[2],
        "edge_auroc": auroc(probability[judged], known[judged]),
        "shd": int(extra.sum()) + int(missing.sum()) - turned,
    }
