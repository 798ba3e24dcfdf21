"""Causal graphs over the codes of a quantised autoencoder, to learn from and to explore.

Shape letters, everywhere in this package: B batch, N nodes (places of the code map, row-major),
C codebooks, K codes, D width, F factors, A actions (two steps
per factor, or one per value, see `worlds.factors`). Images of a world are numpy uint8 (B, H, W, 3);
models take torch float32 (B, 3, H, W) in [0, 1]; codes are int64 (B, N, C).

A folder is a floor, and imports only go down. From the bottom to the top, which is the way of the
data: `common`; `worlds`, `method`, `graphs`, `identify`; `data`; `training`; `measure`;
`baselines`, `draw`; `lessons`, `explore`; `experiments`; `run`. The names below are what lessons
and users import; each is loaded when it is first asked for.
"""

from cvq_tutorial.common.lazy import lazy
from cvq_tutorial.common.moved import tell_where_modules_went

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "worlds": "make_world world_names",
        "data": "Sampling sample_transitions sample_values",
        "common.images": "to_float",
        "common.device": "pick_device",
        "method": "CausalTransition CausalVQ Quantizer transition_loss",
        "graphs": "CausalGraph graph_recovery",
        "training": "Recipe",
        "training.recipes": "",
        "training.checkpoints": "load=load_run",
        "training.train": "train",
        "measure.evaluate": "evaluate",
        "lessons": "check check_environment load_or_train show_widgets",
        "draw": "",
        "explore": "",
    },
)
tell_where_modules_went()
