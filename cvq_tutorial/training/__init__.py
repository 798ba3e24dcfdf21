"""A recipe becomes a trained model, in a folder that can be stopped and goes on.

In: a world, a `Recipe`, a seed, a folder. Out: weights (safetensors) and `model.json`. Read
`recipes` (every number of a run), `data` (what it learns from), `build`, `train` (the two loops),
`edges` (which of them stay), `loop` (what is around a step), then `run` (a folder: log, state,
going on) with `held` (one process at a time, and how it is stopped), `identity` (what a run is) and
`checkpoints`; and `unnamed`, where nobody says what the actions are, with the `starts` of it.
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "recipes": "Recipe RECIPES",
        "build": "start_from",
        "edges": "edge_costs",
        "checkpoints": "CheckpointError load_run read_info",
        "data": "encoded_transitions training_transitions",
        "run": "Run",
        "train": "calibrate",
        "unnamed": "named",
    },
)
