"""Attention through gates: a node hears only the causes whose edge is on, or nobody.

With scores s[j, i] = q_j k_i and a gate g[j, i] in [0, 1], what node j hears is

    answer_j = sum_i g[j, i] exp(s[j, i]) v_i / (1 + sum_i g[j, i] exp(s[j, i])).

This is attention with the *softmax-plus-one*: the one stands for "nothing", so that a node that
hears nobody gets zeros. The gate multiplies, it is no number added to the score: a shut one lets
nothing pass, and its gradient still says what the answer would change by if it were open. `fused`
computes the formula; how an action steers a block by scale and shift is *FiLM* (Perez et al. 2018),
also known as adaptive LayerNorm.
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from cvq_tutorial.method.fused import heard


class Block(nn.Module):
    """Residual two-layer network on each node by itself, steered by a scale and a shift (FiLM)."""

    def __init__(self, width: int, hidden: int = 2) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, hidden * width)
        self.down = nn.Linear(hidden * width, width)

    def forward(
        self, z: Tensor, scale: Tensor | float = 0.0, shift: Tensor | float = 0.0
    ) -> Tensor:
        return z + self.down(F.gelu(self.up(self.norm(z) * (1 + scale) + shift)))


class Read(nn.Module):
    """A node asks its causes once, with several heads, and takes the answer into its state."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.norm_cause = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.block = Block(width)

    def forward(
        self, state: Tensor, h: Tensor, gate: Tensor, scale: Tensor, shift: Tensor
    ) -> Tensor:
        """state: (B or 1, Q, N, D) of effects.  h: (B, N, D) of causes.  gate: (B, Q, N, N)."""
        return self.take(state, self.ask(state, h, gate)[1], scale, shift)

    def ask(self, state: Tensor, h: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
        """Questions and answers, (B, H, QN, d) each."""
        (B, Q, N, _), H, d = gate.shape, self.heads, state.shape[-1] // self.heads
        q = self.query(self.norm(state)).view(-1, Q * N, H, d).transpose(1, 2)  # (B, H, QN, d)
        key, value = self.key_value(self.norm_cause(h)).view(B, N, 2, H, d).unbind(2)
        key, value = key.transpose(1, 2), value.transpose(1, 2)  # (B, H, N, d)
        on = gate.transpose(-1, -2).reshape(B, 1, Q * N, N).contiguous()  # effect first, cause last
        return q, heard(q / math.sqrt(d), key, value, on)

    def take(self, state: Tensor, answer: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """The state (B, Q, N, D) after an answer (B, H, QN, d)."""
        state = state + self.out(answer.transpose(1, 2).reshape(-1, *state.shape[1:]))
        return self.block(state, scale, shift)
