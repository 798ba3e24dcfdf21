"""What can be identified at all: the neighbours of the method, small, exact, and where they fail.

In: unpaired samples, covariances, scores or cumulants, one per context. Out: latents, mixing, graph
(row = cause) and how badly they predict what came in. Read worlds, order, linear, scores, tensors,
cumulants, twins; then match (hold against a truth), dags, discrepancy (a VAE whose doubles prove
nothing), report (the tables). NumPy and SciPy; torch in scores, dags, discrepancy only.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

PUBLIC = {  # where each name lives; torch is imported only when a name needs it
    "Unidentifiable": "checks",
    "PartialOrder": "order",
    "partial_order": "order",
    "closure": "order",
    "is_linear_extension": "order",
    "LatentWorld": "worlds",
    "LinearSolution": "linear",
    "draw_world": "worlds",
    "solve": "linear",
    "solve_precisions": "linear",
    "solve_samples": "linear",
    "check_context": "linear",
    "check_noise": "linear",
    "ShiftWorld": "worlds",
    "SoftSolution": "scores",
    "draw_shift_world": "worlds",
    "ancestors_from_scores": "scores",
    "ancestors_from_samples": "scores",
    "NoiseWorld": "worlds",
    "NoiseSolution": "cumulants",
    "draw_noise_world": "worlds",
    "solve_third": "cumulants",
    "solve_fourth": "cumulants",
    "Twins": "twins",
    "DagSampler": "dags",
    "four_runs": "discrepancy",
}
__all__ = ["PUBLIC", *PUBLIC]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{PUBLIC[name]}"), name)
