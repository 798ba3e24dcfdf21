"""What people would use instead, trained and measured alike.

In: a world and a recipe. Out: a model that names or does actions, and its metrics.json. Read
`table` (which there are), `vae` and `pairs` (latents), `plain_transition` (codes without a graph),
`independence` and `search` (a graph by a plain test, by
scores of sets of parents, by PC or GES), `networks`.
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "table": "BASELINES Baseline evaluate_baseline",
        "vae": "VAE load_vae train_vae",
        "plain_transition": "PlainTransition",
        "independence": "independence_graph",
        "search": "parent_sets",
    },
)
