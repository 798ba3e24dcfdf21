"""What the published code does otherwise, kept out of the method so that it can be compared.

`make_quantizer`, `make_transition` and `make_model` give the plain class where no switch is on.
Source: the code beside Gendron et al. 2023, written anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cvq_tutorial.method.causal_transition import CausalTransition, TransitionOutput, at_codes
from cvq_tutorial.method.codebooks import Quantizer
from cvq_tutorial.method.model import CausalVQ

SWITCHES = {  # the first value is ours
    "slices": ("split", "overlap"),  # of the channels: codebook c reads [c, c + d)
    "rule": ("ema", "gradient"),  # the vectors of a codebook are trained by the codebook loss
    "retrieval": ("sum", "mean"),  # of log-likelihoods: too unsure
    "eval_edges": ("threshold", "sample"),  # edges are thrown like dice in evaluation, too
    "unset": ("copy", "repredict"),  # codes that the action does not set are predicted anew
    "scores": ("bilinear", "pair_mlp"),  # of an edge (its first layer factorised)
    # a cause that holds the action, heard by all nodes; or padding that tells nobody: of no effect
    "action_node": ("none", "connected", "isolated"),
    "layout": ("places", "codebook_places"),  # a node is one codebook at one place
}


def all_ours(**switches: str) -> bool:
    """Whether no switch is on; ValueError for a value that is not known."""
    for name, value in switches.items():
        if value not in SWITCHES[name]:
            raise ValueError(f"{name} must be one of {SWITCHES[name]}, found {value!r}")
    return all(value == SWITCHES[name][0] for name, value in switches.items())


@dataclass(frozen=True)
class Variant:
    """The switches of the transition; the defaults are ours."""

    retrieval: str = "sum"
    eval_edges: str = "threshold"
    unset: str = "copy"
    scores: str = "bilinear"
    action_node: str = "none"

    def __post_init__(self) -> None:
        all_ours(**vars(self))


class PublishedQuantizer(Quantizer):
    """A quantiser with switches on. Sizes as of `Quantizer`."""

    def __init__(self, *sizes: int, rule: str, slices: str, **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.rule, self.slices = rule, slices
        if rule == "gradient":
            self.vectors = nn.Parameter(self._buffers.pop("vectors"))

    def _follow(self, hit: Tensor, flat: Tensor) -> None:
        if self.rule == "ema":  # else the optimiser moves them
            super()._follow(hit, flat)

    def _cut(self, flat: Tensor) -> Tensor:
        if self.slices == "split":
            return super()._cut(flat)
        d = self.slice_width
        return torch.stack([flat[..., c : c + d] for c in range(self.codebooks)], dim=2)

    def _straight_through(self, z: Tensor, parts: Tensor, chosen: Tensor) -> Tensor:
        if self.slices == "split":
            return super()._straight_through(z, parts, chosen)
        values, through = (self.to_map(v, z.shape[-2:]) for v in (chosen, parts))
        return (through + (values - through).detach()).to(z.dtype)  # to the channels that it read


@dataclass(frozen=True)
class PublishedOutput(TransitionOutput):
    variant: Variant = Variant(unset="repredict")

    def log_probs(self) -> Tensor:
        return self.log_mechanism if self.variant.unset == "repredict" else super().log_probs()

    def log_likelihood(self, y: Tensor) -> Tensor:
        again = self.variant.unset == "repredict"
        return at_codes(self.log_mechanism, y) if again else super().log_likelihood(y)

    def evidence(self, likely: Tensor) -> Tensor:
        mean = self.variant.retrieval == "mean"
        return likely.flatten(2).mean(-1) if mean else super().evidence(likely)


class PublishedTransition(CausalTransition):
    """A transition with switches on. Sizes as of `CausalTransition`."""

    def __init__(self, *sizes: int, variant: Variant, **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.variant = variant
        if variant.scores == "pair_mlp":
            self.pair_out = nn.Linear(self.width, 1)

    def forward(self, *args: Any, **options: Any) -> PublishedOutput:
        return PublishedOutput(**vars(super().forward(*args, **options)), variant=self.variant)

    def edge_logits(self, h: Tensor, state: Tensor) -> Tensor:
        if self.variant.scores == "bilinear":
            return super().edge_logits(h, state)
        cause, effect = self.edge_cause(h), self.edge_effect(state)  # W [i; j] = W1 i + W2 j
        pair = F.leaky_relu(cause[:, None, :, None] + effect[:, :, None])
        return self.pair_out(pair).squeeze(-1) + self.edge_bias

    def _choose(self, edges: Tensor, generator: torch.Generator | None) -> Tensor:
        thrown = self.variant.eval_edges == "sample"
        return self._sampled(edges, generator) if thrown else super()._choose(edges, generator)

    def _listen(self, state: Tensor, h: Tensor, gate: Tensor, onehot: Tensor) -> Tensor:
        if self.variant.action_node == "none":
            return super()._listen(state, h, gate, onehot)
        sends = 1.0 if self.variant.action_node == "connected" else 0.0
        action, n = onehot @ self.action_vectors, state.shape[2]  # (B, Q, D)
        for read, style in zip(self.reads, self.styles, strict=True):
            scale, shift = (onehot @ style)[:, :, None].chunk(2, dim=-1)
            q, answer = read.ask(state, h, gate)  # (B, H, QN, d)
            told = read.key_value(read.norm_cause(action)).unflatten(-1, (2, *q.shape[1::2]))
            k, v = (t.repeat_interleave(n, 1).transpose(1, 2) for t in told.unbind(2))
            w = torch.sigmoid((q * k).sum(-1, keepdim=True) / math.sqrt(q.shape[-1]))
            state = read.take(state, answer + sends * w * v, scale, shift)
        return state


class CodebookPlaces(CausalVQ):
    """A model whose node is one codebook at one place: node = codebook * h * w + place."""

    layout = "codebook_places"

    def to_nodes(self, codes: Tensor) -> Tensor:
        return codes.transpose(1, 2).flatten(1, 2).unsqueeze(2)  # (B, C N, 1, ...)

    def from_nodes(self, values: Tensor) -> Tensor:
        return values.squeeze(2).unflatten(1, (self.n_codebooks, -1)).transpose(1, 2)


def make_quantizer(*sizes: int, rule: str = "ema", slices: str = "split", **how: Any) -> Quantizer:
    if all_ours(rule=rule, slices=slices):
        return Quantizer(*sizes, **how)
    return PublishedQuantizer(*sizes, rule=rule, slices=slices, **how)


def make_transition(*sizes: int, variant: Variant | None = None, **how: Any) -> CausalTransition:
    if variant is None or variant == Variant():
        return CausalTransition(*sizes, **how)
    return PublishedTransition(*sizes, variant=variant, **how)


def make_model(*parts: Any, layout: str = "places") -> CausalVQ:
    return (CausalVQ if all_ours(layout=layout) else CodebookPlaces)(*parts)
