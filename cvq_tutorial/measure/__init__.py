"""A trained model becomes numbers, each beside chance, majority, copy and ceiling.

In: a model and a world. Out: plain dicts of numbers. Read `metrics`, `judge` (an independent reader
of factors), `evaluate` (what goes into metrics.json), then `sequences`, `leakage`, `fidelity`,
`faithful` (does do(node) what the graph says?), `told` (what each cause tells), `triplets`,
`unnamed` (actions that nobody named) and `disentanglement/`.
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "metrics": "bootstrap codebook_use confusion edit_kept psnr recovered",
        "judge": "Judge load_or_train_judge",
        "sequences": "composition plan_success random_actions",
        "leakage": "edits_per_factor",
        "fidelity": "frechet sharpness",
        "faithful": "effects_of_do faithfulness",
        "told": "Told told_by",
        "unnamed": "commute ways_back with_names",
    },
)
