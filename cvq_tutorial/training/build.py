"""An untrained model, as a recipe and a world ask for it."""

from __future__ import annotations

from typing import Any

from cvq_tutorial.method.autoencoder import QuantizedAutoencoder
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.method.published import make_model, make_quantizer, make_transition
from cvq_tutorial.training.recipes import Recipe


def build(world: Any, recipe: Recipe) -> CausalVQ:
    """An untrained model for a world (of `worlds.make_world`), as the recipe says.

    Weights are drawn from torch's global generator; `train.train` seeds it.
    """
    if not world.has_images:
        transition = make_transition(
            world.n_nodes, 1, world.n_codes, world.n_actions,
            width=recipe.width, reads=recipe.reads, variant=recipe.variant,
        )  # fmt: skip
        return CausalVQ(None, transition, list(world.action_names))
    quantizer = make_quantizer(
        recipe.code_width, recipe.codebooks, recipe.codes, rule=recipe.rule, slices=recipe.slices
    )
    auto = QuantizedAutoencoder(
        quantizer, world.image_shape, width=recipe.decoder_width, blocks=recipe.decoder_blocks
    )
    places = auto.grid[0] * auto.grid[1]
    joint = recipe.layout == "places"
    transition = make_transition(
        places if joint else places * recipe.codebooks,
        recipe.codebooks if joint else 1,
        recipe.codes, world.factors.n_actions,
        width=recipe.width, reads=recipe.reads, variant=recipe.variant,
    )  # fmt: skip
    return make_model(auto, transition, list(world.factors.action_names), layout=recipe.layout)
