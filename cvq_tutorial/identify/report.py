"""The tables of this room: one function per part, plain rows for a seed and a number of samples.

`linear`, `soft`, `cumulants`, `twins` each return a list of dicts of numbers, strings and booleans;
the same arguments give the same rows. `extrapolation` (the VAE) takes minutes and stands apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from cvq_tutorial.identify import cumulants as noises
from cvq_tutorial.identify import linear as perfect
from cvq_tutorial.identify import match, order, scores
from cvq_tutorial.identify import twins as pairs
from cvq_tutorial.identify.checks import Unidentifiable, enough, whole

Row = dict[str, Any]
RATIOS = (0.003, 0.01, 0.02, 0.03, 0.05, 0.1)


def generator(seed: int, model: int) -> np.random.Generator:
    """One generator per model: model 7 is the same however many there are."""
    return np.random.default_rng([seed, model])


def rounded(value: float, digits: int = 4) -> float:
    return float(f"{value:.{digits}g}")


def asked(samples: int | None, models: int) -> None:
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
            data = perfect.covariances_of(world.draw(samples, rng))
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
    """Part (a), exact precisions, 2 to 7 latents, densities 0, 0.5, 1: largest errors of H and B."""
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
                covariances = perfect.covariances_of(world.draw(samples, rng, noise))
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
                data = world.draw(samples, rng)
                covariances = perfect.covariances_of(data)
                made = perfect.solve_samples(data[:6], 5, rng=rng, draws=10)
                again = [
                    [perfect.check_context(made, x).misfit for x in fresh]
                    for fresh in repeats_of(made, samples, rng)
                ]
                limit = perfect.NULL_FACTOR * float(np.median(np.max(again, axis=1)))
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


def repeats_of(
    made: perfect.LinearSolution, samples: int, rng: np.random.Generator, draws: int = 10
) -> list[np.ndarray]:
    """Covariances (5, p, p) of a second context per target, drawn from the estimate, 10 times."""
    world = made.as_world()
    return [perfect.covariances_of(world.draw(samples, rng)[1:]) for _ in range(draws)]


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
            data = perfect.covariances_of(replace(world, contexts=contexts).draw(samples, rng))
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


def soft_exact(seed: int = 0, models: int = 100) -> list[Row]:
    """Part (b), exact scores: all ancestors right; the control names none."""
    rows = []
    for kind in scores.KINDS:
        right, none, said = 0, 0, 0
        for model in range(models):
            rng = generator(seed, model)
            world = scores.draw_shift_world(rng, kind)
            u = world.latents(2000, rng, np.zeros(5))
            made = scores.ancestors_from_scores(world.score_differences(u))
            wanted = match.relabelled(world.ancestors, world.targets)
            right += bool(np.array_equal(made.ancestors, wanted))
            none += not wanted.any()
            said += bool(made.complaints)
        rows.append(
            {
                "latents": kind + (" + shift" if kind == "linear" else ""),
                "models": models,
                "ancestors right": right,
                "right if none is named": none,
                "complained of": said,
            }
        )
    return rows


def soft(
    seed: int = 0,
    samples: int = 4000,
    models: int = 1,
    *,
    kind: str = "relu",
    density: float = 0.75,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Row]:
    """Part (b) from samples, one row per model: order, ancestors, and the sweep of the ratio."""
    asked(samples, models)
    rows = []
    for model in range(models):
        rng = generator(seed, model)
        world = scores.draw_shift_world(rng, kind, 4, 8, density=density)
        made = scores.ancestors_from_samples(world.draw(samples, rng), seed=seed + model)
        wanted = match.relabelled(world.ancestors, world.targets)
        swept = {ratio: made.at(ratio) for ratio in RATIOS}
        rows.append(
            {
                "latents": kind,
                "model": model,
                "relations": int(wanted.sum()),
                "order right": order.is_linear_extension(wanted, made.order.order),
                "order right, random": order.is_linear_extension(wanted, rng.permutation(4)),
                "ancestors right": bool(np.array_equal(made.ancestors, wanted)),
                "missed": int((wanted & ~made.ancestors).sum()),
                "false": int((made.ancestors & ~wanted).sum()),
                "ratio by the null": rounded(float(np.median(made.tolerance)), 2),
                "complained of": bool(made.complaints),
                "missed, by ratio": [int((wanted & ~one).sum()) for one in swept.values()],
                "false, by ratio": [int((one & ~wanted).sum()) for one in swept.values()],
            }
        )
        progress(f"{kind} {density} model {model}: {rows[-1]}")
    return rows


def extrapolation(seed: int = 0, epochs: int = 150) -> list[Row]:
    """Part (b), the discrepancy VAE: four runs, each with its floor and its copy."""
    from cvq_tutorial.identify import discrepancy

    chain = np.diag(np.ones(4), 1)
    rows = []
    for name, made in discrepancy.four_runs(seed, epochs=epochs).items():
        edges = made.edges
        rows.append(
            {
                "run": name,
                "MMD on doubles": rounded(made.model, 3),
                "MMD on singles": rounded(made.singles, 3),
                "floor": rounded(made.floor, 3),
                "copy": rounded(made.copy, 3),
                "true edges, mean": rounded(float(edges[chain > 0].mean()), 2),
                "other edges, mean size": rounded(float(np.abs(edges[chain == 0]).mean()), 2),
            }
        )
    return rows


def cumulants(
    seed: int = 0, samples: int | None = 10_000, models: int = 100, *, noise: str = "exponential"
) -> list[Row]:
    """Part (c), order 3, 4 latents from 5 observed: relative error of H, beside another world's H."""
    asked(samples, models)
    errors, control, refused, said = [], [], 0, 0
    for model in range(models):
        rng = generator(seed, model)
        world = noises.draw_noise_world(rng, 4, 5, noise)
        H = np.linalg.pinv(world.F)[world.targets]
        other = np.linalg.pinv(noises.draw_noise_world(rng, 4, 5).F)
        control.append(match.relative_error(other, H))
        try:
            if samples is None:
                made = noises.solve_third(world.cumulants(2), world.cumulants(3), rng=rng)
            else:
                made = noises.solve_samples(world.draw(samples, rng), 4, rng=rng)
        except Unidentifiable:
            refused += 1
            continue
        errors.append(match.relative_error(made.H, H))
        said += bool(made.complaints)
    return [
        {
            "samples": samples or "exact",
            "noise": noise,
            "models": models,
            "refused": refused,
            "complained of": said,
            "relative error of H": rounded(np.mean(errors)) if errors else None,
            "largest": rounded(max(errors)) if errors else None,
            "error of another world's H": rounded(np.median(control)),
        }
    ]


def cumulants_overcomplete(
    seed: int = 0, models: int = 15, *, latents: int = 7, observed: int = 5
) -> list[Row]:
    """Part (c), order 4, exact: more latents than observed; and the same tensors, spoilt."""
    errors, refused, spoilt = [], 0, 0
    for model in range(models):
        rng = generator(seed, model)
        world = noises.draw_noise_world(rng, latents, observed)
        F = world.F[:, world.targets] * noises.NOISES["exponential"][1] ** 0.25
        exact = world.cumulants(4)
        try:
            made = noises.solve_fourth(exact, latents, rng=rng)
            signs = np.sign((F * made.F).sum(axis=0))
            errors.append(match.relative_error(made.F * signs, F))
        except Unidentifiable:
            refused += 1
        bad = exact.copy()
        bad[0] += 0.01 * symmetric_noise(observed, rng) * np.linalg.norm(bad[0])
        try:
            noises.solve_fourth(bad, latents, rng=rng, tries=1)
        except Unidentifiable:
            spoilt += 1
    return [
        {
            "latents": latents,
            "observed": observed,
            "models": models,
            "error of F below 1e-3": int((np.array(errors) < 1e-3).sum()),
            "largest error": rounded(max(errors), 2) if errors else None,
            "refused": refused,
            "spoilt by 1 % and refused": spoilt,
        }
    ]


def symmetric_noise(p: int, rng: np.random.Generator) -> np.ndarray:
    """A symmetric tensor (p, p, p, p) of norm 1 that is no short sum of powers."""
    columns = rng.standard_normal((p, 40))
    made = noises.tensors.build(columns, rng.standard_normal(40), 4)
    return made / np.linalg.norm(made)


def twins(seed: int = 0, models: int = 25) -> list[Row]:
    """The four twins: largest difference of what can be measured, smallest of what cannot."""
    whole("models", models, 1)
    drawn = [pairs.four(generator(seed, model)) for model in range(models)]
    return [
        {
            "twins": same[0].name,
            "measured": same[0].numbers,
            "pairs": models,
            "largest difference of it": rounded(max(one.measured for one in same), 2),
            "smallest difference of weights": rounded(min(one.apart for one in same), 2),
        }
        for same in zip(*drawn, strict=True)
    ]
