"""An untrained model, as a recipe and a world ask for it, and how its transition starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cvq_tutorial.method.autoencoder import QuantizedAutoencoder
from cvq_tutorial.method.causal_transition import CausalTransition
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.method.published import make_model, make_quantizer, make_transition
from cvq_tutorial.training.recipes import Recipe, TransitionSettings


def build(world: Any, recipe: Recipe) -> CausalVQ:
    """An untrained model for a world (of `worlds.make_world`), as the recipe says.

    Weights are drawn from torch's global generator; `train.train` seeds it.
    """
    second = recipe.transition
    names = action_names(second, (world.factors if world.has_images else world).action_names)
    if not world.has_images:
        transition = make_transition(
            world.n_nodes, 1, world.n_codes, len(names),
            width=second.width, reads=second.reads, variant=second.variant,
        )  # fmt: skip
        return CausalVQ(None, _with_labels(transition, recipe), names)
    first = recipe.autoencoder
    quantizer = make_quantizer(
        first.code_width, first.codebooks, first.codes, rule=first.rule, slices=first.slices
    )
    auto = QuantizedAutoencoder(
        quantizer, world.image_shape,
        width=first.decoder_width, blocks=first.decoder_blocks, patch=first.patch,
    )  # fmt: skip
    places = auto.grid[0] * auto.grid[1]
    joint = second.layout == "places"
    transition = make_transition(
        places if joint else places * auto.codebooks,
        auto.codebooks if joint else 1,
        first.codes, len(names),
        width=second.width, reads=second.reads, variant=second.variant,
    )  # fmt: skip
    return make_model(auto, _with_labels(transition, recipe), names, layout=second.layout)


def action_names(settings: TransitionSettings, named: Sequence[str]) -> list[str]:
    """Names of a model's actions: those given, or "action 1" to "action M" where nobody knows."""
    if settings.actions == "named":
        return list(named)
    return [f"action {i + 1}" for i in range(settings.action_codes)]


def _with_labels(transition: CausalTransition, recipe: Recipe) -> CausalTransition:
    """With a label for each training pair, where nobody names its action: see `unnamed.Labels`."""
    if recipe.transition.actions == "none":
        unknown = torch.full((recipe.data.transitions,), -1, dtype=torch.int16)
        transition.register_buffer("labels", unknown)
    return transition


@torch.no_grad()
def start_from(transition: Any, vectors: Tensor, generator: torch.Generator) -> None:
    """Start with codes alike where their vectors are alike; call it once, before training.

    transition: with `code_vectors` (C, K, D) and a linear `mechanism`.  vectors: (C, K, d)
    codebooks.  generator: of the random projections from d to D, on the CPU.
    Without this, two codes that mean nearly the same picture are as foreign to each other as any
    two, and each has to be learned alone. It is a start only: all weights stay free.
    """
    spread = vectors - vectors.mean(1, keepdim=True)
    spread = (spread / spread.std((1, 2), keepdim=True).clamp_min(1e-6)).cpu()  # (C, K, d)
    n_codebooks, _, d = spread.shape
    size = (transition.width * d) ** -0.5

    def projected() -> Tensor:  # (C, K, D)
        drawn = torch.randn((n_codebooks, d, transition.width), generator=generator)
        return spread @ (drawn * size)

    transition.code_vectors.copy_(projected())
    transition.mechanism.weight.copy_(projected().flatten(0, 1))
