"""The causal transition: which codes an action sets, what causes them, what they become.

For one action `a` and the codes of an image, three things are said about each node `j` (a place of
the code map):

* **effects mask** `m[j, c]`: the probability that the action sets code c of node j (the action's
  *intervention targets*). Where it does not, the code is copied.
* **graph** `g[i, j]`: the *edge probability* that node i is a *cause* of node j under this action.
  Row = cause, column = effect. A node reads its own old code only through its own edge `j -> j`, so
  that cutting the edges into j really cuts j off, as a *hard intervention* do(j = code) needs.
* **mechanism**: a distribution over the new code given the values of the causes. An action is a
  *soft intervention*: it replaces the mechanisms of its targets.

The likelihood of the new codes y given the old codes x and the action sums the mask out exactly
(it is *marginalised*; nothing is sampled for it):

    p(y | x, a) = (1 - m) copy(y | x) + m mechanism(y | causes, a)        for each code [j, c]

where `copy` keeps the old code up to a small noise. Edges are sampled while training, hard, with a
*straight-through* gradient that also reaches edges that are off; in evaluation an edge is on when
its probability counts (`arrays.counts`), so that evaluation is deterministic. Every set code and
every edge has a price in nats, a *Lagrange multiplier* held fixed (:func:`transition_loss`).

A node starts from its position and the action, knows nothing about any code, and asks its causes
several times: where is the object's edge, then, what colour is there. All actions share one trunk
and differ by an embedding and a small scale and shift (*FiLM*): a step costs the same for any
number of them, and rare ones borrow.

When it misleads: a likelihood tests mask and predictions, not the graph. Where two nodes always
agree, either stands in for the other, and another seed draws another graph that predicts as well:
without interventions on the nodes themselves such edges are not *identifiable*. What is certain of
an edge is what cutting it costs (`prune`); edges into nodes that are not set are never read.

Source: CT layer of Gendron et al. 2023 (mask, graph discovery, one mechanism per action). The
marginalised mask, the own edge and the repeated reading are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cvq_tutorial.common.arrays import counts
from cvq_tutorial.common.tensors import one_hot
from cvq_tutorial.method.attention import Block, Read


@dataclass(frozen=True)
class TransitionOutput:
    """What the transition says about a batch; Q actions per image come as an axis after B."""

    log_copy: Tensor  # (B, N, C, K); 1 for Q
    log_mechanism: Tensor  # (B, N, C, K)
    mask_logit: Tensor  # (B, N, C)
    edges: Tensor  # (B, N, N) probabilities, row = cause
    used_edges: Tensor  # (B, N, N), those that were read: 0 or 1

    @property
    def mask(self) -> Tensor:
        """(B, N, C) probability that the action sets a code."""
        return torch.sigmoid(self.mask_logit)

    def log_probs(self) -> Tensor:
        """(B, N, C, K) log-likelihood of every new code, the mask summed out."""
        keep = F.logsigmoid(-self.mask_logit)[..., None] + self.log_copy
        change = F.logsigmoid(self.mask_logit)[..., None] + self.log_mechanism
        return torch.logaddexp(keep, change)

    def log_likelihood(self, y: Tensor) -> Tensor:
        """(B, N, C) log-likelihood of codes y (B, N, C): `log_probs` at y, for less work."""
        keep = F.logsigmoid(-self.mask_logit) + at_codes(self.log_copy, y)
        change = F.logsigmoid(self.mask_logit) + at_codes(self.log_mechanism, y)
        return torch.logaddexp(keep, change)

    def evidence(self, likely: Tensor) -> Tensor:
        """(B, Q) what retrieval compares, of a log-likelihood (B, Q, N, C): its sum, in nats."""
        return likely.flatten(2).sum(-1)

    def of(self, actions: Tensor) -> TransitionOutput:
        """What it says about one action (B,) per image, when all A of each were asked about."""
        rows = torch.arange(len(actions), device=actions.device)
        told = {k: v for k, v in vars(self).items() if isinstance(v, Tensor)}  # (B, A or 1, ...)
        one = {k: v[rows, actions if v.shape[1] > 1 else 0] for k, v in told.items()}
        return replace(self, **one)


def at_codes(log_probs: Tensor, y: Tensor) -> Tensor:
    """Of log-probabilities (..., K) those of codes y (...)."""
    return log_probs.expand(*y.shape, -1).gather(-1, y[..., None]).squeeze(-1)


class CausalTransition(nn.Module):
    """Mask, graph and mechanism over N nodes with C codes each, for A actions.

    nodes: N.  codebooks: C.  codes: K.  actions: A.  width: D of the features.
    reads: how many times a node reads its causes.
    """

    HEADS = 4
    COPY_NOISE = 1e-3  # probability that copy gives some other code; keeps log-likelihoods finite
    EDGE_BIAS = 3.0  # log-odds of an edge at the start: nearly all are on
    MASK_BIAS = -1.0  # log-odds of a set code at the start: about one in four is set

    def __init__(
        self, nodes: int, codebooks: int, codes: int, actions: int,
        *, width: int = 96, reads: int = 2,
    ) -> None:  # fmt: skip
        super().__init__()
        if width % self.HEADS:
            raise ValueError(f"width must be a multiple of {self.HEADS}, found {width}")
        self.nodes, self.codebooks, self.codes, self.actions = nodes, codebooks, codes, actions
        self.width, std = width, width**-0.5
        self.code_vectors = nn.Parameter(torch.randn(codebooks, codes, width) * std)  # (C, K, D)
        self.cause_place = nn.Parameter(torch.randn(nodes, width) * std)  # (N, D)
        self.effect_place = nn.Parameter(torch.randn(nodes, width) * std)  # (N, D)
        self.action_vectors = nn.Parameter(torch.randn(actions, width) * std)  # (A, D)
        self.cause_mlp = Block(width)
        self.edge_cause = nn.Linear(width, width)
        self.edge_effect = nn.Linear(width, width)
        self.edge_bias = nn.Parameter(torch.tensor(self.EDGE_BIAS))
        self.reads = nn.ModuleList(Read(width, self.HEADS) for _ in range(reads))
        self.styles = nn.Parameter(torch.zeros(reads, actions, 2 * width))  # FiLM: scale, shift
        self.mask_own = nn.Linear(width, width)
        self.mask_action = nn.Parameter(torch.randn(actions, width) * std)
        self.mask_out = nn.Linear(2 * width, codebooks)
        nn.init.constant_(self.mask_out.bias, self.MASK_BIAS)
        self.final = nn.LayerNorm(width)
        self.mechanism = nn.Linear(width, codebooks * codes)
        # edges that pruning has left, per action (row = cause)
        self.register_buffer("allowed", torch.ones(actions, nodes, nodes, dtype=torch.bool))

    def features(self, x: Tensor) -> Tensor:
        """Cause features (B, N, D) of codes x (B, N, C); a node sees its own codes and place."""
        onehot = one_hot(x, self.codes, self.code_vectors.dtype)  # (B, N, C, K)
        summed = onehot.flatten(2) @ self.code_vectors.flatten(0, 1)  # (B, N, D)
        return self.cause_mlp(summed + self.cause_place)

    def edge_logits(self, h: Tensor, state: Tensor) -> Tensor:
        """(B, Q, N, N) log-odds of every edge; [..., i, j] is i causes j."""
        cause, effect = self.edge_cause(h), self.edge_effect(state)  # (B, N, D), (B, Q, N, D)
        scores = torch.einsum("bid,bqjd->bqij", cause, effect) / math.sqrt(self.width)
        return scores + self.edge_bias

    def at_once(self, most: int) -> int:
        """How many rows (B times Q) go through a pass without gradient: `most`, or what fits."""
        return max(1, min(most, 2**24 // self.nodes**2))

    def forward(
        self, x: Tensor, actions: Tensor,
        *, generator: torch.Generator | None = None, cut: Tensor | None = None,
    ) -> TransitionOutput:  # fmt: skip
        """Distribution over the codes after an action.

        x: (B, N, C) int64.  actions: (B,) int64 in [0, A), or (B, Q) for Q actions per image, in
            which case every field of the result has Q after B, and what depends only on the image
            is computed once. Training uses Q = 1, retrieval Q = A.
        generator: of the edges that are sampled in training; on the CPU.
        cut: bool (N, N) or (B, N, N), edges to take away ([i, j]: i no longer reaches j).
        """
        single = actions.ndim == 1
        actions = actions[:, None] if single else actions
        if actions.stride(0) == 0:  # the same of each image: what no image changes is done once
            actions = actions[:1]
        h = self.features(x)  # (B, N, D)
        onehot = F.one_hot(actions, self.actions).to(h.dtype)  # (B, Q, A)
        state = self.effect_place + (onehot @ self.action_vectors)[:, :, None]  # (B, Q, N, D)
        edges = self.edge_logits(h, state).float().sigmoid() * self.allowed[actions]  # row = cause
        used = self._choose(edges, generator)
        if cut is not None:
            used = used * (~cut).to(used.dtype).reshape(-1, 1, self.nodes, self.nodes)
        state = self._listen(state, h, used, onehot)
        out = self.final(state)
        own = torch.tanh(self.mask_own(h))[:, None] * (onehot @ self.mask_action)[:, :, None]
        mask_logit = self.mask_out(torch.cat([own, out.to(own.dtype)], -1)).float()  # (B, Q, N, C)
        scores = self.mechanism(out).float().unflatten(-1, (self.codebooks, self.codes))
        told = (self.copied(x)[:, None], scores.log_softmax(-1), mask_logit, edges, used)
        return TransitionOutput(*(t.squeeze(1) if single else t for t in told))

    def _listen(self, state: Tensor, h: Tensor, gate: Tensor, onehot: Tensor) -> Tensor:
        """Effects (B, Q, N, D) after they have asked their causes h (B, N, D) several times."""
        for read, style in zip(self.reads, self.styles, strict=True):
            scale, shift = (onehot @ style)[:, :, None].chunk(2, dim=-1)  # (B, Q, 1, D)
            state = read(state, h, gate, scale, shift)
        return state

    def _choose(self, edges: Tensor, generator: torch.Generator | None) -> Tensor:
        return self._sampled(edges, generator) if self.training else counts(edges).to(edges.dtype)

    def _sampled(self, edges: Tensor, generator: torch.Generator | None) -> Tensor:
        """Edges drawn hard, 0 or 1, with a straight-through gradient to their probability."""
        noise = torch.rand(edges.shape, generator=generator).to(edges.device)
        hard = (noise < edges).to(edges.dtype)
        return hard + edges - edges.detach()

    def copied(self, x: Tensor) -> Tensor:
        """(B, N, C, K) log-probability of every code where codes x are kept: sure up to noise."""
        other = math.log(self.COPY_NOISE / (self.codes - 1))
        log_copy = torch.full((*x.shape, self.codes), other, device=x.device)
        return log_copy.scatter_(-1, x[..., None], math.log1p(-self.COPY_NOISE))


@dataclass(frozen=True)
class TransitionLoss:
    """Parts of the loss, each a mean over the batch."""

    total: Tensor  # what is minimised
    nll: Tensor  # nats per transition, summed over codes
    set_codes: Tensor  # expected number of codes set
    set_nodes: Tensor  # expected number of nodes with a set code
    edges: Tensor  # expected number of edges into set nodes


def transition_loss(
    output: TransitionOutput, y: Tensor, *, mask_price: float, edge_price: float
) -> TransitionLoss:
    """Negative log-likelihood of y (B, N, C) plus what the explanation costs.

    mask_price: nats per set code.  edge_price: nats per edge into a set node; the mask is held
    fixed there, else dear edges would push the mask down instead of pruning the graph.
    """
    nll = -output.log_likelihood(y).sum((1, 2)).mean()
    mask = output.mask
    set_codes = mask.sum((1, 2)).mean()
    set_node = mask.detach().amax(-1)  # (B, N)
    edges = (output.edges.sum(1) * set_node).sum(1).mean()  # sum over causes, then over effects
    total = nll + mask_price * set_codes + edge_price * edges
    return TransitionLoss(total, nll, set_codes, set_node.sum(1).mean(), edges)
