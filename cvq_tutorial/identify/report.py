"""The tables of this room: one function per part, plain rows for a seed and a number of samples.

`linear`, `soft`, `cumulants`, `twins` each return a list of dicts of numbers, strings and booleans;
the same arguments give the same rows. `extrapolation` (the VAE) takes minutes and stands apart.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cvq_tutorial.identify import cumulants as noises
from cvq_tutorial.identify import match, order, scores
from cvq_tutorial.identify import twins as pairs
from cvq_tutorial.identify.checks import Unidentifiable, whole
from cvq_tutorial.identify.report_linear import (
    Row,
    asked,
    generator,
    linear,
    linear_exact,
    linear_noise,
    linear_soft,
    linear_two_targets,
    rounded,
)

__all__ = [
    "cumulants",
    "cumulants_overcomplete",
    "extrapolation",
    "linear",
    "linear_exact",
    "linear_noise",
    "linear_soft",
    "linear_two_targets",
    "soft",
    "soft_exact",
    "twins",
]

RATIOS = (0.003, 0.01, 0.02, 0.03, 0.05, 0.1)


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


def extrapolation(
    seed: int = 0,
    epochs: int = 150,
    *,
    room: bool = False,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Row]:
    """Part (b), the discrepancy VAE: four runs (`RUNS`, or `ROOM`), each with floor and copy."""
    from cvq_tutorial.identify import discrepancy

    runs = discrepancy.ROOM if room else discrepancy.RUNS
    chain = np.diag(np.ones(4), 1)
    rows = []
    for name, made in discrepancy.compared(seed, runs=runs, epochs=epochs):
        edges = made.edges
        rows.append(
            {
                "run": name,
                "MMD on doubles": rounded(made.model, 3),
                "MMD on singles": rounded(made.singles, 3),
                "floor": rounded(made.floor, 3),
                "copy": rounded(made.copy, 3),
                "true edges, mean": rounded(float(edges[chain > 0].mean()), 2),
                "true edges": [round(float(edge), 2) + 0.0 for edge in edges[chain > 0]],
                "other edges, mean size": rounded(float(np.abs(edges[chain == 0]).mean()), 2),
            }
        )
        progress(f"seed {seed}: {rows[-1]}")
    return rows


def cumulants(
    seed: int = 0, samples: int | None = 10_000, models: int = 100, *, noise: str = "exponential"
) -> list[Row]:
    """Part (c), order 3, 4 latents from 5 observed: relative error of H, and of another H."""
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
    """A twin of each kind: largest difference of what can be measured, smallest of the weights."""
    whole("models", models, 1)
    drawn = [pairs.of_each_kind(generator(seed, model)) for model in range(models)]
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
