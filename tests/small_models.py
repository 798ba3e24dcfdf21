"""A small CausalVQ with random weights and codebooks in use, and pictures and codes for it."""

from __future__ import annotations

import torch
from torch import Tensor

from cvq_tutorial.method.autoencoder import QuantizedAutoencoder
from cvq_tutorial.method.codebooks import Quantizer
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.method.published import Variant, make_model, make_transition

SHAPE, GRID, N, C, K = (16, 24, 3), (2, 3), 6, 2, 8
NAMES = ["hue+", "size+", "hue-", "size-"]


def made(layout: str = "places", images: bool = True, **variant) -> CausalVQ:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        joint = layout == "places"
        nodes, books = (N, C) if joint else (N * C, 1)
        transition = make_transition(nodes, books, K, 4, width=16, variant=Variant(**variant))
        for parameter in transition.parameters():
            parameter.data.add_(0.2 * torch.randn_like(parameter))
        auto = None
        if images:
            auto = QuantizedAutoencoder(Quantizer(8, C, K), SHAPE, width=16, blocks=1)
            with torch.no_grad():
                z = auto.encoder(pictures(32))
            auto.quantizer.update(z, torch.empty(0), torch.Generator().manual_seed(0))
    return make_model(auto, transition, NAMES, layout=layout)


def pictures(b: int = 5, seed: int = 0) -> Tensor:
    return torch.rand(b, 3, *SHAPE[:2], generator=torch.Generator().manual_seed(seed))


def codes(b: int = 5, seed: int = 0) -> Tensor:
    return torch.randint(K, (b, N, C), generator=torch.Generator().manual_seed(seed))
