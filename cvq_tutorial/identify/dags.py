"""Draw directed acyclic graphs with gradients: an order first, then edges that follow it.

Every draw is acyclic, whatever the parameters, so no penalty on cycles is needed. The order comes
from scores with Gumbel noise (the larger, the earlier), sorted; backwards the sort is soft
(SoftSort, Prillo and Eisenschlos, ICML 2020). Edges are relaxed Bernoulli draws. Forward all is
hard, 0 or 1; gradients pass straight through.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cvq_tutorial.identify.checks import whole


@dataclass(frozen=True)
class Draw:
    """graphs: (n, d, d), 0 or 1, row = cause. orders: (n, d), nodes, causes first."""

    graphs: Tensor
    orders: Tensor


class DagSampler(nn.Module):
    """scores: (d,), the larger, the earlier. logits: (d, d), of edges that the order allows."""

    def __init__(self, scores: Tensor, logits: Tensor):
        super().__init__()
        d = len(scores)
        if scores.ndim != 1 or logits.shape != (d, d):
            raise ValueError(
                f"expected scores (d,) and logits (d, d), found {tuple(scores.shape)} and "
                f"{tuple(logits.shape)}"
            )
        self.scores = nn.Parameter(scores.detach().clone().float())
        self.logits = nn.Parameter(logits.detach().clone().float())

    def marginals(self) -> Tensor:
        """(d, d), exact probability of each edge: it is allowed, and it is drawn.

        With Gumbel noise i comes before j with probability sigmoid(scores[i] - scores[j]).
        """
        earlier = (self.scores[:, None] - self.scores[None]).sigmoid()
        off = 1 - torch.eye(len(self.scores), device=self.scores.device)
        return earlier * self.logits.sigmoid() * off

    def draw(self, count: int, generator: torch.Generator, temperature: float = 1.0) -> Draw:
        """`count` graphs; a lower temperature makes gradients less biased and more noisy."""
        count = whole("count", count, 1)
        if not temperature > 0:
            raise ValueError(f"temperature: expected a positive number, found {temperature}")
        d, device = len(self.scores), self.scores.device

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator, device=device).clamp(1e-7, 1 - 1e-7)

        perturbed = self.scores - (-uniform(count, d).log()).log()
        ranked, orders = perturbed.sort(dim=1, descending=True)
        soft = (-(ranked[:, :, None] - perturbed[:, None]).abs() / temperature).softmax(2)
        place = nn.functional.one_hot(orders, d) + (soft - soft.detach())  # (n, rank, node)
        later = torch.ones(d, d, device=device).triu(1)
        allowed = place.mT @ later @ place  # (n, cause, effect)
        noise = uniform(count, d, d)
        relaxed = ((self.logits + noise.log() - (1 - noise).log()) / temperature).sigmoid()
        edges = (relaxed > 0.5).to(relaxed) + (relaxed - relaxed.detach())
        return Draw(allowed * edges, orders)
