"""Attention that hears only what a gate lets through, and says what an opened gate would bring.

With scores s[j, i] = q_j k_i and a gate g[j, i] in [0, 1], what j hears is

    answer_j = sum_i p[j, i] v_i,    p[j, i] = g[j, i] e[j, i],    e[j, i] = exp(s[j, i]) / total_j,
    total_j  = 1 + sum_i g[j, i] exp(s[j, i]),

where the one stands for "nothing", so that a node that hears nobody gets zeros. With G the gradient
of the answer and r_j = G_j . answer_j, what it would bring j to hear more of i is
t[j, i] = e[j, i] (G_j . v_i - r_j), and then

    d/dg[j, i] = t[j, i],    d/ds[j, i] = g[j, i] t[j, i],    d/dv_i = sum_j p[j, i] G_j.

The first does not vanish where the gate is shut: that is how an edge that is off learns what it
would be worth. Written out like this, all of it works in place on a few maps of (M, N) numbers,
which makes a training step about a tenth shorter than the same formulas left to autograd.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

LIMIT = 20.0  # above the largest score that is heard, where a shut one is cut: exp stays finite


class _Heard(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, gate: Tensor) -> Tensor:
        score = query @ key.transpose(-1, -2)  # (B, H, M, N)
        score = score.to(torch.promote_types(score.dtype, torch.float32))
        # The largest score that is heard: one that is off must not even shift the rounding.
        top = score.masked_fill(gate == 0, 0.0).amax(-1, keepdim=True).clamp_min_(0.0)
        e = score.sub_(top).clamp_max_(LIMIT).exp_()
        p = e * gate
        total = p.sum(-1, keepdim=True).add_(torch.exp(-top))  # the last: no cause
        share = p.div_(total).to(value.dtype)
        answer = share @ value  # (B, H, M, d)
        ctx.save_for_backward(query, key, value, gate, e, total, share, answer)
        return answer

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        (gradient,) = gradients
        query, key, value, gate, e, total, share, answer = ctx.saved_tensors
        gradient = gradient.contiguous()
        r = (gradient.to(e.dtype) * answer).sum(-1, keepdim=True)
        t = (gradient @ value.transpose(-1, -2)).to(e.dtype)
        t = t.sub_(r).div_(total).mul_(e)  # (B, H, M, N)
        to_gate = t.sum(1, keepdim=True).to(gate.dtype)
        to_score = t.mul_(gate).to(query.dtype)
        to_query, to_key = to_score @ key, to_score.transpose(-1, -2) @ query
        return to_query, to_key, share.transpose(-1, -2) @ gradient, to_gate


def heard(query: Tensor, key: Tensor, value: Tensor, gate: Tensor) -> Tensor:
    """What M nodes hear of N causes: answers (B, H, M, d) for H heads.

    query: (B, H, M, d), scaled by the caller.  key, value: (B, H, N, d).
    gate: (B, 1, M, N) in [0, 1], one for all heads: how far m hears n. Its gradient tells also of
        what is shut. It can be taken once, not twice.
    The shares of what is heard and of hearing nobody, weight one, sum to 1.
    """
    return _Heard.apply(query, key, value, gate)


class Block(nn.Module):
    """Residual two-layer network on each node by itself."""

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
    """A node asks its causes once: attention over the edges that are on, and nothing when none is.

    The weight of cause i in the answer to j is `g[i, j] exp(q_j k_i)` over the sum of these and of
    one for "no cause". The gate multiplies, so the gradient of an edge that is off is what the
    answer would change by if it were on; see `gated_attention`.
    """

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
        self,
        state: Tensor,
        h: Tensor,
        gate: Tensor,
        scale: Tensor,
        shift: Tensor,
        extra: tuple[Tensor, float] | None,
    ) -> Tensor:
        B, Q, N, D = state.shape
        H, d = self.heads, D // self.heads
        q = self.query(self.norm(state)).view(B, Q * N, H, d).transpose(1, 2)  # (B, H, QN, d)
        key, value = self.key_value(self.norm_cause(h)).view(B, N, 2, H, d).unbind(2)
        key, value = key.transpose(1, 2), value.transpose(1, 2)  # (B, H, N, d)
        on = gate.transpose(-1, -2).reshape(B, 1, Q * N, N)  # effect first, cause last
        answer = heard(q / math.sqrt(d), key, value, on)  # (B, H, QN, d)
        if extra is not None:
            action, switch = extra  # (B, Q, D)
            k, v = self.key_value(self.norm_cause(action)).view(B, Q, 2, H, d).unbind(2)
            k = k.repeat_interleave(N, 1).transpose(1, 2)  # (B, H, QN, d)
            v = v.repeat_interleave(N, 1).transpose(1, 2)
            w = torch.sigmoid((q * k).sum(-1, keepdim=True) / math.sqrt(d))
            answer = answer + switch * w * v
        state = state + self.out(answer.transpose(1, 2).reshape(B, Q, N, D))
        return self.block(state, scale, shift)
