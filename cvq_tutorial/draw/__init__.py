"""Numbers become figures: pure functions that return a `Picture`.

In: arrays, graphs, tables of results. Out: a figure of a fixed size with a `summary` in words. Read
`style` first, then any: one file per kind of picture, such as `images`, `arrows` or `heatmaps`.
Images are float (B, 3, H, W) in [0, 1], as models have them, or uint8 (B, H, W, 3), as worlds do.
"""

from cvq_tutorial.common.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "style": "Picture png save svg",
        "images": "before_after code_maps reconstructions training_curves",
        "heatmaps": "confusion effects_masks graph_matrix",
        "effects": "effects_over_images",
        "arrows": "graph_arrows graph_over_image",
        "layers": "graph_layers",
        "compare": "graph_difference graph_stability truth_and_learned",
        "training": "Animation training_animation training_strip",
        "sampling": "sample_balance",
        "disentanglement": "information_maps leakage mutual_information score_bars",
        "identified": "by_ratio by_samples doubles row_arrows score_changes twin_gaps two_worlds",
        "curves": "accuracy_by_value cutting_curve error_growth recovery_curve",
        "quantized": (
            "channels_read code_cells codes_among_points error_against_bits patches_by_code"
        ),
        "rows": "image_rows pairs plan_strip traversals",
        "tables": "dot_plot setting_curves",
        "whole": "method_overview overview",
        "worlds": "world_card",
    },
)
