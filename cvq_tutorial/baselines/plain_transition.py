"""A transition of codes without a graph and without a mask: what the causal one is compared with.

One network predicts every code after an action from all codes before it. It may look everywhere, so
nothing that it says can be read as a cause, and it has to learn that most codes stay as they are.
It stands in the place of `CausalTransition` inside a `CausalVQ`, in the terms of that one: every
code is set, by a mechanism that reads every node.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cvq_tutorial.common.tensors import one_hot
from cvq_tutorial.method.published import PublishedOutput

CERTAIN = 50.0  # log-odds of a mask that is on


class PlainTransition(nn.Module):
    """Residual convolutions over the code map, steered by the action.

    grid: (h, w) of the code map; its N = h w nodes are in that order.  codebooks: C.  codes: K.
    actions: A.  width: D of the features.  blocks: residual blocks; each sees the 3 x 3 nodes
        around a node and the mean of all nodes.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        codebooks: int,
        codes: int,
        actions: int,
        *,
        width: int = 96,
        blocks: int = 3,
    ) -> None:
        super().__init__()
        self.grid, self.nodes = grid, grid[0] * grid[1]
        self.codebooks, self.codes, self.actions, self.width = codebooks, codes, actions, width
        std = width**-0.5
        self.code_vectors = nn.Parameter(torch.randn(codebooks, codes, width) * std)  # (C, K, D)
        self.cause_place = nn.Parameter(torch.randn(self.nodes, width) * std)  # (N, D)
        self.action_vectors = nn.Parameter(torch.randn(actions, width) * std)  # (A, D)
        self.blocks = nn.ModuleList(Steered(width, actions) for _ in range(blocks))
        self.final = nn.LayerNorm(width)
        self.mechanism = nn.Linear(width, codebooks * codes)

    def at_once(self, most: int) -> int:
        """How many rows a pass without gradient takes at once: no edges, so as many as asked."""
        return most

    def forward(
        self,
        x: Tensor,
        actions: Tensor,
        *,
        generator: torch.Generator | None = None,
        cut: Tensor | None = None,
    ) -> PublishedOutput:
        """Distribution over the codes after an action, as of `CausalTransition`.

        x: (B, N, C) int64.  actions: (B,) int64, or (B, Q) for Q actions per image.  generator: not
        used, nothing is sampled.  Raises ValueError for a cut: there are no edges to take away.
        """
        if cut is not None:
            raise ValueError("a plain transition has no edges, found some to cut")
        single = actions.ndim == 1
        if single:
            actions = actions[:, None]
        onehot = one_hot(x, self.codes, self.code_vectors.dtype).flatten(2)  # (B, N, C K)
        state = onehot @ self.code_vectors.flatten(0, 1) + self.cause_place  # (B, N, D)
        action = F.one_hot(actions, self.actions).to(state.dtype)  # (B, Q, A)
        state = state[:, None] + (action @ self.action_vectors)[:, :, None]  # (B, Q, N, D)
        for block in self.blocks:
            state = block(state, action, self.grid)
        logits = self.mechanism(self.final(state)).float()  # (B, Q, N, C K)
        log_probs = logits.unflatten(-1, (self.codebooks, self.codes)).log_softmax(-1)
        if single:
            log_probs = log_probs.squeeze(1)
        everywhere = log_probs.new_ones(()).expand(*log_probs.shape[:-3], self.nodes, self.nodes)
        return PublishedOutput(  # all codes are predicted: `unset` is "repredict"
            log_copy=log_probs,  # of no weight
            log_mechanism=log_probs,
            mask_logit=log_probs.new_full((), CERTAIN).expand(log_probs.shape[:-1]),
            edges=everywhere,
            used_edges=everywhere,
        )


class Steered(nn.Module):
    """Adds to each node what is around it and everywhere, seen through the action."""

    def __init__(self, width: int, actions: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.style = nn.Parameter(torch.zeros(actions, 2 * width))  # scale and shift
        self.around = nn.Conv2d(width, width, 3, padding=1)
        self.everywhere = nn.Linear(width, width)
        self.mix = nn.Linear(width, width)

    def forward(self, state: Tensor, action: Tensor, grid: tuple[int, int]) -> Tensor:
        """state: (B, Q, N, D).  action: (B, Q, A), one-hot.  Returns (B, Q, N, D)."""
        scale, shift = (action @ self.style)[:, :, None].chunk(2, dim=-1)  # (B, Q, 1, D)
        seen = self.norm(state) * (1 + scale) + shift
        maps = seen.flatten(0, 1).transpose(1, 2).unflatten(2, grid)  # (B Q, D, h, w)
        around = self.around(maps).flatten(2).transpose(1, 2).view_as(state)
        return state + self.mix(F.gelu(around + self.everywhere(seen.mean(2, keepdim=True))))
