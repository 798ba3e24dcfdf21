"""Take away the edges that nothing depends on, so that the graph says what the mechanisms need.

Intuition: training puts a price on edges, but a price has two faces: too low and edges stay that
are never used, too high and needed ones go. So the price stays low, and what an edge is *worth* is
measured afterwards on held-out transitions: how many nats of log-likelihood of its effect are lost
when it is cut (the interventional measure; ours). Edges are then cut for good, the cheapest first,
as many at once as together cost an effect no more than a tolerance: each of twenty wall places can
be spared while the others tell the colour of the wall, but not all of them.

What a result means: an edge that is left is needed by *this* network on *these* transitions.
When it misleads: of causes that say the same, one is left, whichever; with few transitions per
action a needed edge looks idle (on images 32 were too few); and who is cut is never asked again.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cvq_tutorial.method.causal_transition import CausalTransition


@torch.no_grad()
def edge_cost(transition: CausalTransition, x: Tensor, action: int, y: Tensor) -> Tensor:
    """What each edge is worth to its effect under one action: (N, N) nats, row = cause.

    x, y: (B, N, C) codes before and after the action. The worth is the rise of the effect's
    negative log-likelihood per transition when that one edge is cut.
    """
    base, n = _nll(transition, x, action, y, None), transition.nodes
    # effects do not see each other: all edges of a cause are cut at once
    rows = torch.eye(n, dtype=torch.bool, device=x.device)[..., None].expand(n, n, n)
    return torch.stack([_nll(transition, x, action, y, cut) - base for cut in rows])


@torch.no_grad()
def prune(
    transition: CausalTransition, x: Tensor, actions: Tensor, y: Tensor,
    *, tolerance: float = 0.02, per_action: int = 64,
) -> float:  # fmt: skip
    """Cut the edges of every action that its effects can do without; changes `transition.allowed`.

    x, y: (B, N, C) held-out codes.  actions: (B,).
    tolerance: nats per transition that all cuts together may cost one effect.
    per_action: transitions that an action is judged by; actions without any are left as they are.
    Returns the share of edges still allowed. Deterministic; calling it again changes little.
    """
    was = transition.training
    transition.eval()
    for action in range(transition.actions):
        rows = (actions == action).nonzero().flatten()[:per_action]
        if not len(rows):
            continue
        before, after = x[rows], y[rows]
        rank = edge_cost(transition, before, action, after).argsort(0).argsort(0)  # 0: the cheapest
        base = _nll(transition, before, action, after, None)
        low = torch.zeros(transition.nodes, dtype=torch.int64, device=x.device)  # can be cut
        high = torch.full_like(low, transition.nodes + 1)  # can not, or not known
        while int((high - low).max()) > 1:  # bisection, every effect for itself
            middle = (low + high) // 2
            loss = _nll(transition, before, action, after, rank < middle) - base
            low = torch.where(loss <= tolerance, middle, low)
            high = torch.where(loss <= tolerance, high, middle)
        transition.allowed[action] &= rank >= low
    transition.train(was)
    return float(transition.allowed.float().mean())


def _nll(
    transition: CausalTransition, x: Tensor, action: int, y: Tensor, cut: Tensor | None
) -> Tensor:
    """(N,) mean negative log-likelihood of each effect."""
    total = torch.zeros(transition.nodes, device=x.device)
    batch = transition.at_once(512)
    for before, after in zip(x.split(batch), y.split(batch), strict=True):
        out = transition(before, torch.full_like(before[:, 0, 0], action), cut=cut)
        total -= out.log_likelihood(after).sum((0, 2))
    return total / len(x)
