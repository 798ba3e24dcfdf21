"""Judge every edge by what cutting it alone costs, and cut those that are worth nothing.

Intuition: a price on edges shuts gates before the mechanism has learnt what they tell, and a parent
that is lost early stays lost. So here edges are free. Each edge of each action is cut alone on
held-out transitions, those that cost less than a threshold go for good, and what is left is trained
on. With *cause dropout* (`dropped`) causes are taken away at random while training: the network
learns what each effect is likely to be whatever it knows, so that a cut shows what the cause told,
and not the surprise of a network that has never missed it.

What a result means: a cost is the nats that an effect loses without this cause, given all others.
When it misleads: of causes that say the same none costs anything alone, and both would go (see
`measure.told`, and `method.prune`, which cuts jointly and keeps one); and a mechanism that was not
learned has no edges: look at the likelihood first.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cvq_tutorial.method.causal_transition import CausalTransition
from cvq_tutorial.method.prune import edge_cost

FIRST_LOOK = 0.6  # of the steps; what is left after it is trained on for the rest
GAP = 3.0  # a gap between costs is one where the dearer edge costs so many times the cheaper one


def dropped(batch: int, nodes: int, share: float, generator: torch.Generator) -> Tensor:
    """Bool (B, N, N): the edges that a batch is to miss, [b, i, j] from cause i to effect j.

    share: of the batch that misses any; each effect there misses a random share of its causes.
    """
    missing = torch.rand(batch, 1, nodes, generator=generator)  # of the causes of each effect
    any_at_all = torch.rand(batch, 1, 1, generator=generator) < share
    return (torch.rand(batch, nodes, nodes, generator=generator) < missing) & any_at_all


@torch.no_grad()
def edge_costs(
    transition: CausalTransition, x: Tensor, actions: Tensor, y: Tensor, *, per_action: int = 500
) -> Tensor:
    """What each edge costs its effect when it alone is cut: (A, N, N) nats, row = cause.

    x, y: (B, N, C) held-out codes.  actions: (B,), of which each action is judged by its first
    `per_action`; of one without any nothing is known: NaN. An edge that is off costs 0.
    """
    was = transition.training
    transition.eval()
    costs = torch.full_like(transition.allowed, torch.nan, dtype=torch.float32)
    for action in range(transition.actions):
        rows = (actions == action).nonzero().flatten()[:per_action]
        if len(rows):
            costs[action] = edge_cost(transition, x[rows], action, y[rows])
    transition.train(was)
    return costs


def threshold(costs: Tensor, least: float) -> float:
    """Nats from which on an edge is worth keeping: `least`, or more where there is a clear gap.

    costs: any shape, NaN where nothing is known.  least: nats; cheaper edges are never kept.
    The widest gap, by ratio, between costs of at least `least` / `GAP` decides, and its geometric
    middle is the threshold; gaps narrower than `GAP` are none.
    """
    known = costs[~costs.isnan()].double().clamp_min(least / GAP).sort().values
    ratio = known[1:] / known[:-1]
    if not len(ratio) or ratio.max() < GAP:
        return least
    at = int(ratio.argmax())
    return max(least, float((known[at] * known[at + 1]).sqrt()))


def cut_idle(
    transition: CausalTransition, costs: Tensor, least: float, *, last: bool = True
) -> float:
    """Cut, in `transition.allowed`, the edges that cost less than the `threshold`, which it is.

    What nothing is known of, and what is cut already, stays as it is. Unless it is the last look,
    so does all that leads to an effect none of whose causes is worth anything yet: its mechanism
    may still be learned (of a parity nothing shows until all is known).
    """
    at = threshold(costs, least)
    idle = costs < at
    if not last:
        idle &= (costs >= at).any(1, keepdim=True)
    transition.allowed &= ~idle
    return at
