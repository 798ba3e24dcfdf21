"""Does it look true? Sharpness and distance of painted pictures, before and after stage two.

Intuition: squared error likes soft pictures, eyes do not. So pictures are also held against true
ones as a crowd: how strong their edges are (`sharpness`), and how far the judge's features of
painted pictures lie from those of true ones (`frechet`, two Gaussians compared).

What a result means: a distance is to be held against its floor, that of two true samples of the
same size, and against a rival, as many steps without a critic. Retrieval that is the same bit for
bit says that nothing about causes has moved.

When it misleads: sharp noise is sharp; a distance in features does not see what the judge was never
asked to read. Beside both stands what the judge reads after an action.

Source: Frechet distance of features: Heusel and others, NeurIPS 2017, arXiv 1706.08500.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from cvq_tutorial.common.arrays import checked
from cvq_tutorial.common.images import psnr, to_float
from cvq_tutorial.data.transitions import sample_values
from cvq_tutorial.measure.evaluate import code_answers, compare
from cvq_tutorial.measure.judge import Judge
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.training.recipes import Recipe


def sharpness(images: Tensor) -> float:
    """Mean |difference| of neighbouring pixels, along rows and columns, of (B, 3, H, W)."""
    return float((images.diff(dim=2).abs().mean() + images.diff(dim=3).abs().mean()) / 2)


def frechet(one: ArrayLike, other: ArrayLike) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of two samples (n, d); 0 for equal ones.

    It is biased upwards where n is not far above d: compare samples of one size.
    """
    a = checked("one", one, "numbers", (None, None)).astype(np.float64)
    b = checked("other", other, "numbers", (None, a.shape[1])).astype(np.float64)
    if min(len(a), len(b)) < 2:
        raise ValueError(f"expected samples of at least 2, found {len(a)} and {len(b)}")
    S, T = np.cov(a.T).reshape(a.shape[1], -1), np.cov(b.T).reshape(a.shape[1], -1)
    values, vectors = np.linalg.eigh(S)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ T @ root).clip(0)).sum()
    gap = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    return float(max(0.0, gap + np.trace(S) + np.trace(T) - 2 * shared))


@torch.no_grad()
def features(judge: Judge, images: Tensor) -> np.ndarray:
    """What the judge makes of images before its heads, (B, 256)."""
    return torch.cat([judge.body(part - 0.5) for part in images.split(256)]).cpu().numpy()


def fidelity(
    models: Mapping[str, CausalVQ],
    world: Any,
    recipe: Recipe,
    seed: int,
    judge: Judge,
) -> list[dict[str, Any]]:
    """One row per model, on the test split; the first is what the others are compared with.

    models: name -> model, all of one stage one.  recipe: says how many test transitions, and as
    many pictures are painted. Each row: PSNR (dB), sharpness as a share of the true pictures',
    Frechet distance with its floor, action retrieval, and what the judge reads after an action,
    with intervals; and whether retrieval is that of the first model bit for bit.
    """
    n = recipe.test_transitions
    values = [sample_values(world.factors, n, "test", seed + extra) for extra in (0, 1)]
    true, again = (to_float(world.render(v)) for v in values)
    known = features(judge, true)
    floor = frechet(known, features(judge, again))
    rows: list[dict[str, Any]] = []
    first = None
    for name, model in models.items():
        painted = model.reconstruct(true).cpu()

        def look(x: Tensor, actions: Tensor, y: Tensor, model: CausalVQ = model) -> dict:
            told = code_answers(model, x, actions, y)
            return {key: told[key] for key in SEEN}

        told, found = compare(look, world, recipe, seed, model.device, judge)
        first = found["log_posterior"] if first is None else first
        done = told["intervention"]
        rows.append(
            {
                "model": name,
                "PSNR": round(psnr(float((painted - true).square().mean())), 2),
                "sharpness, of true": round(sharpness(painted) / sharpness(true), 3),
                "Frechet distance": round(frechet(known, features(judge, painted)), 2),
                "its floor": round(floor, 2),
                "retrieval": round(told["retrieval"]["action_accuracy"], 4),
                "retrieval the same bit for bit": bool(
                    np.array_equal(first, found["log_posterior"])
                ),
                **{
                    key: value
                    for what in ("target_reached", "others_kept")
                    for key, value in (
                        (what.replace("_", " "), round(done[what], 4)),
                        (f"{what.split('_')[0]}, 95 %", _range(done["interval"][what])),
                    )
                },
                "least kept": _least(done["per_factor"]),
            }
        )
    return rows


SEEN = ("retrieved", "log_posterior", "drawn", "start", "ceiling")


def _range(ends: list[float]) -> str:
    return f"{ends[0]:.3f} to {ends[1]:.3f}"


def _least(per_factor: Mapping[str, Mapping[str, float]]) -> str:
    """The factor that other edits move most often."""
    share, name = min((part["kept"], name) for name, part in per_factor.items() if "kept" in part)
    return f"{name} {share:.3f}"
