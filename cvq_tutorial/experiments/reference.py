"""A yardstick: a transition layer built the costly way, so that a speed can be said as a ratio.

What it is: a small layer of our own, in float32, that does the work which the method asks of a
layer when nothing is shared or factored. Every ordered pair of nodes is concatenated and goes
through networks with 800 hidden units, one for "no action" and one per action; the edges are
sampled; two layers of attention with 1 + A heads over these edges, of which two heads are used; and
retrieval asks the whole layer once per action. Sizes are those of the code beside Gendron et al.
2023: one codebook of 64 codes at 64 places, and 12 actions.

What it is not: that code. It shares no line with it, has none of its data handling, and learns
nothing worth having. On another machine that code took 102 times as long as ours for a training
step of batch 16, and 92 times for a retrieval per pair (batch 8 there, 96 here), ours as it was in
commit 5a31287. `KNOWN` has beside these what this layer takes against the same commit: 47 and 87
times, on one thread of a busy machine without AMX, counted as in `beside`, give or take a fifth.
This was measured once, and is left alone; a ratio of today times 102 / 47, or 92 / 87, is one in
units of that code, on a machine like this. On another kind of processor ours and the layer need not
become faster alike: compare such ratios with care.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NODES, CODES, ACTIONS = 64, 64, 12
DISCOVERY, HIDDEN = 800, 100  # units of a network of pairs; numbers per head in between
STEP_BATCH, RETRIEVAL_BATCH = 16, 8
KNOWN = {"step": (102.0, 47.0), "retrieval": (92.0, 87.0)}  # that code to ours, this to ours


class Attention(nn.Module):
    """Heads over listed edges (GATv2, Brody et al. 2022), each scored from both its ends."""

    def __init__(self, width: int, out: int, heads: int) -> None:
        super().__init__()
        self.heads, self.out = heads, out
        self.source, self.target = (nn.Linear(width, heads * out) for _ in range(2))
        self.weight = nn.Linear(1, heads * out, bias=False)
        self.score = nn.Parameter(torch.randn(heads, out) * out**-0.5)

    def forward(self, z: Tensor, cause: Tensor, effect: Tensor, weight: Tensor) -> Tensor:
        """z: (M, width) of all nodes of a batch.  cause, effect, weight: (E,).  (M, heads out)."""
        told = self.source(z).unflatten(-1, (self.heads, self.out))[cause]  # (E, heads, out)
        asked = self.target(z).unflatten(-1, (self.heads, self.out))[effect]
        both = told + asked + self.weight(weight[:, None]).unflatten(-1, (self.heads, self.out))
        share = (F.leaky_relu(both, 0.2) * self.score).sum(-1).clamp_max(50.0).exp()  # (E, heads)
        total = torch.zeros(len(z), self.heads, device=z.device).index_add(0, effect, share)[effect]
        heard = torch.zeros(len(z), self.heads, self.out, device=z.device)
        return heard.index_add(0, effect, told * (share / total)[..., None]).flatten(1)


class ReferenceLayer(nn.Module):
    """Codes (B, N) and actions (B,) to the chances of the codes after them (B, N, K)."""

    def __init__(self, nodes: int = NODES, codes: int = CODES, actions: int = ACTIONS,
                 *, discovery: int = DISCOVERY, hidden: int = HIDDEN) -> None:  # fmt: skip
        super().__init__()
        self.nodes, self.codes, self.actions = nodes, codes, actions
        turn = torch.arange(nodes)[:, None] / 10_000 ** (torch.arange(0, codes, 2) / codes)
        place = torch.stack([turn.sin(), turn.cos()], -1).flatten(1)  # (N, K)
        self.register_buffer("place", place)
        self.mask = nn.Linear(actions + codes, codes)
        self.pairs = nn.ModuleList(
            nn.Sequential(
                nn.Linear(2 * codes, discovery), nn.LeakyReLU(), nn.Linear(discovery, 1)
            )
            for _ in range(1 + actions)
        )  # fmt: skip
        self.act = nn.Linear(actions, codes)
        heads = 1 + actions
        self.first = Attention(codes, hidden, heads)
        self.second = Attention(heads * hidden, codes, heads)

    def forward(self, x: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Chances (B, N, K), and those of the edges (B, N, N)."""
        (B, N), K = x.shape, self.codes
        z = F.one_hot(x, K) + self.place  # (B, N, K)
        asked = F.one_hot(action, self.actions).float()  # (B, A)
        seen = torch.cat([asked[:, None].expand(-1, N, -1), self.place.expand(B, -1, -1)], -1)
        chance = torch.sigmoid(self.mask(seen)).gather(-1, x[..., None])  # (B, N, 1)
        mask = _thrown(chance)
        pairs = torch.cat(  # (B, N, N, 2 K)
            [z[:, :, None].expand(-1, -1, N, -1), z[:, None].expand(-1, N, -1, -1)], -1
        )
        idle = torch.sigmoid(self.pairs[0](pairs)).squeeze(-1)  # (B, N, N)
        acted = torch.zeros_like(idle)
        for a in action.unique().tolist():
            rows = (action == a).nonzero().flatten()
            acted = acted.index_copy(0, rows, self.pairs[1 + a](pairs[rows]).sigmoid().squeeze(-1))
        edges = idle * (1 - mask) + acted * mask
        on = edges * _thrown(edges)
        on = F.pad(on, (0, 1, 0, 1), value=1.0)  # the action is a node that all hear
        b, i, j = on.nonzero(as_tuple=True)
        z = torch.cat([z, self.act(asked)[:, None]], 1).flatten(0, 1)  # (B (N + 1), K)
        listed = (b * (N + 1) + i, b * (N + 1) + j, on[b, i, j])
        z = self.second(F.leaky_relu(self.first(z, *listed)), *listed)
        heads = z.view(B, N + 1, 1 + self.actions, K)[:, :N]
        mine = heads[torch.arange(B, device=x.device), :, 1 + action]
        return (heads[:, :, 0] * (1 - mask) + mine * mask).softmax(-1), edges


def _thrown(chance: Tensor) -> Tensor:
    """0 or 1 by chance, with the gradient of a Gumbel-softmax at temperature 1."""
    logits = torch.stack([1 - chance, chance], -1).clamp_min(1e-6).log()
    return F.gumbel_softmax(logits, hard=True)[..., 1]


def training_step(layer: ReferenceLayer, x: Tensor, action: Tensor, y: Tensor) -> Callable:
    """One step of Adam on the cross-entropy of y, and on how many edges there are."""
    optimizer = torch.optim.Adam(layer.parameters(), 5e-4)

    def step() -> None:
        chances, edges = layer(x, action)
        loss = F.nll_loss(chances.clamp_min(1e-4).log().transpose(1, 2), y)
        loss = loss + 0.01 * edges.square().sum((1, 2)).sqrt().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


@torch.no_grad()
def retrieve(layer: ReferenceLayer, x: Tensor, y: Tensor) -> Tensor:
    """Chances (B, A) of each action between x and y (B, N), one pass of the layer for each."""
    far = []
    for a in range(layer.actions):
        chances, _ = layer(x, torch.full((len(x),), a, device=x.device))
        likely = chances.gather(-1, y[..., None]).squeeze(-1)
        far.append(-likely.clamp_min(1e-4).log().mean(-1))
    return torch.stack(far, -1).neg().softmax(-1)
