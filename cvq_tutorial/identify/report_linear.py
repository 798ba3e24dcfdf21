"""The tables of part (a): linear latents, and each way in which they fail.

Every function returns a list of plain rows; the same arguments give the same rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from cvq_tutorial.identify import linear as perfect
from cvq_tutorial.identify import match, order
from cvq_tutorial.identify.checks import enough, whole

Row = dict[str, Any]


def generator(seed: int, model: int) -> np.random.Generator:
    """One generator per model: model 7 is the same however many there are."""
    return np.random.default_rng([seed, model])


def rounded(value: Any, digits: int = 4) -> float:
    """A number with so many significant digits, for a stored table."""
    return float(f"{value:.{digits}g}")


def asked(samples: int | None, models: int) -> None:
    """Refuse sizes with which no routine works, before any work."""
    whole("models", models, 1)
    if samples is not None:
        enough(whole("samples", samples, 1), 100, "any of the routines", "nothing")


def linear(
    seed: int = 0,
    samples: int | None = 10_000,
    models: int = 100,
    *,
    latents: int = 5,
    observed: int = 10,
    density: float = 0.75,
) -> list[Row]:
    """Part (a): targets and H from samples (None: exact precisions), beside a random order."""
    asked(samples, models)
    right, random, errors, strict, found, missed = 0, 0, [], [], [], []
    for model in range(models):
        rng = generator(seed, model)
        world = perfect.draw_world(rng, latents, observed, density)
        if samples is None:
            made = perfect.solve_precisions(world.precisions())
        else:
            data = world.draw_covariances(samples, rng)
            made = perfect.solve(data, latents, samples=samples)
        graph = match.relabelled(world.graph, world.targets)
        ancestors = order.closure(graph)
        H = match.by_contexts(world.H, world.targets)
        right += order.is_linear_extension(graph, made.causes_first)
        random += order.is_linear_extension(graph, rng.permutation(latents))
        errors.append(match.row_error(made.H, H))
        strict.append(match.row_error(made.H, H, signs=False))
        found.append((made.order.ancestors & ~ancestors).sum())
        missed.append((ancestors & ~made.order.ancestors).sum())
    return [
        {
            "samples": samples or "exact",
            "models": models,
            "targets right": right / models,
            "targets right, random order": random / models,
            "error of H": rounded(np.mean(errors)),
            "error of H, median": rounded(np.median(errors)),
            "error of H, signs not matched": rounded(np.mean(strict)),
            "false ancestors per model": rounded(np.mean(found)),
            "missed ancestors per model": rounded(np.mean(missed)),
        }
    ]


def linear_exact(seed: int = 0, models: int = 100) -> list[Row]:
    """Exact precisions, 2 to 7 latents, densities 0, 0.5, 1: largest errors of H and B."""
    rows = []
    for times in (2, 1):
        H_errors, B_errors, misfits, ancestors = [], [], [], 0
        for model in range(models):
            d = 2 + model % 6
            world = perfect.draw_world(
                generator(seed, model), d, d * times, (0, 0.5, 1)[model // 6 % 3]
            )
            made = perfect.solve_precisions(world.precisions())
            H = match.by_contexts(world.H, world.targets)
            B = match.relabelled(world.contexts[0], world.targets)
            scale = H[np.arange(d), np.abs(H).argmax(axis=1)]
            B = B * scale  # in units of the rows of H, as the estimate
            B = B * np.sign(np.diag(B))[:, None]
            H_errors.append(match.row_error(made.H, H))
            B_errors.append(np.abs(made.B - B).max())
            misfits.append(made.misfit.max())
            wanted = match.relabelled(world.ancestors, world.targets)
            ancestors += bool(np.array_equal(made.order.ancestors, wanted))
        rows.append(
            {
                "observed": "twice the latents" if times == 2 else "as many as latents",
                "models": models,
                "H and B within 1e-10": int(
                    ((np.array(H_errors) <= 1e-10) & (np.array(B_errors) <= 1e-10)).sum()
                ),
                "largest error of H": rounded(max(H_errors), 2),
                "largest error of B": rounded(max(B_errors), 2),
                "largest misfit": rounded(max(misfits), 2),
                "ancestors right": ancestors,
            }
        )
    return rows


def linear_noise(seed: int = 0, samples: int | None = None, models: int = 50) -> list[Row]:
    """Part (a), noise on the observed: the order survives, the numbers do not."""
    asked(samples, models)
    rows = []
    for noise, denoise in ((0.01, False), (0.1, False), (0.1, True)):
        right, random, errors, said = 0, 0, [], 0
        for model in range(models):
            rng = generator(seed, model)
            world = perfect.draw_world(rng)
            if samples is None:
                covariances = world.covariances(noise)
            else:
                covariances = world.draw_covariances(samples, rng, noise)
            made = perfect.solve(covariances, 5, samples=samples, denoise=denoise)
            graph = match.relabelled(world.graph, world.targets)
            right += order.is_linear_extension(graph, made.causes_first)
            random += order.is_linear_extension(graph, rng.permutation(5))
            errors.append(match.row_error(made.H, match.by_contexts(world.H, world.targets)))
            said += bool(made.complaints)
        rows.append(
            {
                "noise": noise,
                "taken off first": denoise,
                "samples": samples or "exact",
                "models": models,
                "order right": right,
                "order right, random": random,
                "median error of H": rounded(np.median(errors)),
                "complained of": said,
            }
        )
    return rows


def linear_soft(seed: int = 0, samples: int | None = None, models: int = 100) -> list[Row]:
    """Part (a), soft data: what the misfit notices with one, and with two contexts per target.

    With one context it cannot notice (there is a perfect twin); with a second one of each target it
    can. From samples, a misfit is noticed beyond twice the median of data drawn from the estimate.
    """
    asked(samples, models)
    rows = []
    for soft in (False, True):
        one, two, errors, misfits = 0, 0, [], []
        for model in range(models):
            rng = generator(seed, model)
            world = perfect.draw_world(rng, soft=soft, repeats=2)
            if samples is None:
                covariances = world.covariances()
                made = perfect.solve(covariances[:6])
                limit = 1e-6
            else:
                covariances = world.draw_covariances(samples, rng)
                made = perfect.solve_samples(covariances[:6], samples, 5, rng=rng)
                limit = perfect.NULL_FACTOR * perfect.check_noise(made, samples, rng=rng)
            checks = max(perfect.check_context(made, x).misfit for x in covariances[6:])
            one += any("missed by" in line for line in made.complaints)
            two += checks > limit
            misfits.append(made.misfit.max())
            errors.append(match.row_error(made.H, match.by_contexts(world.H, world.targets[:5])))
        rows.append(
            {
                "data": "soft" if soft else "perfect",
                "samples": samples or "exact",
                "models": models,
                "noticed, one context per target": one,
                "noticed, two contexts per target": two,
                "largest misfit, one context": rounded(max(misfits), 2),
                "median error of H": rounded(np.median(errors), 2),
            }
        )
    return rows


def linear_two_targets(seed: int = 0, samples: int = 2500, models: int = 100) -> list[Row]:
    """Part (a): how well a context tells by itself that it has two targets (AUC)."""
    asked(samples, models)
    second_size, label = [], []
    for model in range(models):
        rng = generator(seed, model)
        world = perfect.draw_world(rng)
        for second in (False, True):
            contexts = world.contexts[:2].copy()
            if second:
                other = world.targets[1]
                contexts[1, other] = world.contexts[2, other]
            data = replace(world, contexts=contexts).draw_covariances(samples, rng)
            _, inner, _ = perfect.reduced(data, 5, False)
            root = np.linalg.cholesky(inner[0])
            change = root.T @ np.linalg.inv(inner[1]) @ root - np.eye(5)
            # one target: at most one direction of each sign; two: a second of either
            values = np.linalg.eigvalsh(change)
            second_size.append(max(values[-2], -values[1]))
            label.append(second)
    return [
        {
            "samples": samples,
            "contexts": len(label),
            "AUC of a second direction of one sign": rounded(
                float(roc_auc_score(label, second_size))
            ),
            "AUC by chance": 0.5,
        }
    ]
