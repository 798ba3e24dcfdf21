"""What can be identified at all: the neighbours of the method, small, exact, and where they fail.

In: unpaired samples, covariances, scores or cumulants, one per context. Out: latents, mixing, graph
(row = cause) and how badly they predict what came in. Read `worlds`, `order`, `linear`, `scores`,
`tensors`, `cumulants`, `twins`; then `match` (hold against a truth), `dags`, `discrepancy` (a VAE
that is asked for what it never saw) and `report` (the tables). NumPy and SciPy; torch in `scores`,
`dags` and `discrepancy` only.
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "checks": "Unidentifiable",
        "order": "PartialOrder partial_order closure is_linear_extension",
        "worlds": "LatentWorld draw_world ShiftWorld draw_shift_world NoiseWorld draw_noise_world",
        "linear": "LinearSolution solve solve_precisions solve_samples check_context check_noise",
        "scores": "SoftSolution ancestors_from_scores ancestors_from_samples",
        "cumulants": "NoiseSolution solve_third solve_fourth",
        "twins": "Twins",
        "dags": "DagSampler",
        "discrepancy": "compared",
    },
)
