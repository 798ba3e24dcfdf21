"""The causal transition: which codes an action sets, what causes them, what they become.

For one action `a` and the codes of an image, three things are said about each node `j` (a place of
the code map):

* **effects mask** `m[j, c]`: the probability that the action sets code c of node j. Where it does
  not, the code is copied.
* **graph** `g[i, j]`: the probability that node i is a *cause* of node j under this action. Row =
  cause, column = effect.
  A node reads its own old code only through its own edge `j -> j`: there is no hidden path from j
  to itself, so cutting that edge really cuts it, which is what a hard `do()` needs.
* **mechanism**: a distribution over the new code given the values of the causes.

The likelihood of the new codes y given the old codes x and the action sums the mask out exactly:

    p(y | x, a) = (1 - m) copy(y | x) + m mechanism(y | causes, a)        for each code [j, c]

where `copy` keeps the old code up to a small noise. Nothing is sampled for the mask. Edges are
sampled while training, hard, with a straight-through gradient that also reaches edges that are off;
in evaluation an edge is on when its probability is above one half, so that evaluation is
deterministic.

How a node reads its causes (ours): a node starts from what it is (its position) and what is done
(the action), knows nothing about any code, and reads from its causes several times, each time with
a new question. Reading twice lets it ask "where is the object's edge" before "what colour is
there", while the only way into node j stays the row of edges into j. All actions share one trunk
and differ by an embedding and a small scale and shift, so that the cost of a step does not grow
with the number of actions and rare actions borrow from frequent ones.

Source: CT layer of Gendron et al. 2023 (mask, graph discovery, one mechanism per action). The
marginalised mask, the own edge and the repeated reading are ours. :class:`Variant` names what the
published code does where it differs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cvq_tutorial.method.attention import Block, Read

_CHOICES = {
    "retrieval": ("sum", "mean"),
    "eval_edges": ("threshold", "sample"),
    "unset": ("copy", "repredict"),
    "scores": ("bilinear", "pair_mlp"),
    "action_node": ("none", "connected", "isolated"),
}


@dataclass(frozen=True)
class Variant:
    """Published behaviours behind names; the defaults are ours.

    retrieval: "sum" of log-likelihoods over codes, or the published "mean", which flattens the
        posterior.
    eval_edges: "threshold" at one half, or "sample" also in evaluation, as published.
    unset: codes the action does not set are a "copy", or "repredict"ed by the mechanism, as
        published.
    scores: of an edge: "bilinear", or the published "pair_mlp" (its first layer factorised).
    action_node: "none"; an extra cause that holds the action, "connected" to all nodes; or
        "isolated", the published padding, where that node receives from all and sends to nobody, so
        that it changes nothing.
    """

    retrieval: str = "sum"
    eval_edges: str = "threshold"
    unset: str = "copy"
    scores: str = "bilinear"
    action_node: str = "none"

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if value not in _CHOICES[f.name]:
                raise ValueError(f"{f.name} must be one of {_CHOICES[f.name]}, found {value!r}")


@dataclass(frozen=True)
class TransitionOutput:
    """What the transition says about a batch, in log space.

    log_copy: (B, N, C, K) log of the copy distribution.   log_mechanism: (B, N, C, K) log of the
        mechanism.
    mask_logit: (B, N, C).   edges: (B, N, N) probabilities, row = cause.   used_edges: the sample
        that was read.
    """

    log_copy: Tensor
    log_mechanism: Tensor
    mask_logit: Tensor
    edges: Tensor
    used_edges: Tensor
    repredict: bool = field(default=False)

    @property
    def mask(self) -> Tensor:
        """(B, N, C) probability that the action sets a code."""
        return torch.sigmoid(self.mask_logit)

    def log_probs(self) -> Tensor:
        """(B, N, C, K) log-likelihood of every new code, the mask summed out."""
        if self.repredict:
            return self.log_mechanism
        keep = F.logsigmoid(-self.mask_logit)[..., None] + self.log_copy
        change = F.logsigmoid(self.mask_logit)[..., None] + self.log_mechanism
        return torch.logaddexp(keep, change)

    def log_likelihood(self, y: Tensor) -> Tensor:
        """(B, N, C) log-likelihood of codes y (B, N, C): `log_probs` at y, for less work."""

        def at_y(log_distribution: Tensor) -> Tensor:
            return log_distribution.expand(*y.shape, -1).gather(-1, y[..., None]).squeeze(-1)

        if self.repredict:
            return at_y(self.log_mechanism)
        keep = F.logsigmoid(-self.mask_logit) + at_y(self.log_copy)
        return torch.logaddexp(keep, F.logsigmoid(self.mask_logit) + at_y(self.log_mechanism))


class CausalTransition(nn.Module):
    """Mask, graph and mechanism over N nodes with C codes each, for A actions.

    nodes: N.  codebooks: C.  codes: K.  actions: A.
    width: D of the features.  rounds: how many times a node reads its causes.  variant: published
    switches. The batch may ask about Q actions per image at once: actions are (B, Q), and what
    depends only on the image (features, keys, values) is computed once for all Q. Training uses Q =
    1, retrieval Q = A.
    """

    HEADS = 4
    COPY_NOISE = 1e-3  # probability that copy gives some other code; keeps log-likelihoods finite

    def __init__(
        self,
        nodes: int,
        codebooks: int,
        codes: int,
        actions: int,
        *,
        width: int = 96,
        rounds: int = 2,
        variant: Variant | None = None,
    ) -> None:
        super().__init__()
        if width % self.HEADS:
            raise ValueError(f"width must be a multiple of {self.HEADS}, found {width}")
        self.nodes, self.codebooks, self.codes, self.actions = nodes, codebooks, codes, actions
        self.width, self.rounds = width, rounds
        self.variant = variant or Variant()
        std = width**-0.5
        self.code_vectors = nn.Parameter(torch.randn(codebooks, codes, width) * std)  # (C, K, D)
        self.cause_place = nn.Parameter(torch.randn(nodes, width) * std)  # (N, D)
        self.effect_place = nn.Parameter(torch.randn(nodes, width) * std)  # (N, D)
        self.action_vectors = nn.Parameter(torch.randn(actions, width) * std)  # (A, D)
        self.cause_mlp = Block(width)
        self.edge_cause = nn.Linear(width, width)
        self.edge_effect = nn.Linear(width, width)
        self.edge_bias = nn.Parameter(torch.tensor(3.0))  # starts with nearly all edges on
        self.pair_out = nn.Linear(width, 1) if self.variant.scores == "pair_mlp" else None
        self.reads = nn.ModuleList(Read(width, self.HEADS) for _ in range(rounds))
        self.styles = nn.Parameter(torch.zeros(rounds, actions, 2 * width))  # scale and shift
        self.mask_own = nn.Linear(width, width)
        self.mask_action = nn.Parameter(torch.randn(actions, width) * std)
        self.mask_out = nn.Linear(2 * width, codebooks)
        nn.init.constant_(self.mask_out.bias, -1.0)
        self.final = nn.LayerNorm(width)
        self.mechanism = nn.Linear(width, codebooks * codes)
        # edges that pruning has left, per action (row = cause)
        self.register_buffer("allowed", torch.ones(actions, nodes, nodes, dtype=torch.bool))

    @torch.no_grad()
    def start_from(self, vectors: Tensor, generator: torch.Generator) -> None:
        """Start with codes alike where their vectors are alike; call it once, before training.

        vectors: (C, K, d) codebooks.  generator: of the random projections from d to D, on the CPU.
        Without this, two codes that mean nearly the same picture are as foreign to each other as
        any two, and each has to be learned alone. It is a start only: all weights stay free.
        """
        spread = vectors - vectors.mean(1, keepdim=True)
        spread = (spread / spread.std((1, 2), keepdim=True).clamp_min(1e-6)).cpu()  # (C, K, d)
        size = (self.width * spread.shape[2]) ** -0.5

        def projected() -> Tensor:  # (C, K, D)
            shape = (self.codebooks, spread.shape[2], self.width)
            return spread @ (torch.randn(shape, generator=generator) * size)

        self.code_vectors.copy_(projected())
        self.mechanism.weight.copy_(projected().flatten(0, 1))

    # -- what depends on the image alone

    def features(self, x: Tensor) -> Tensor:
        """Cause features (B, N, D) of codes x (B, N, C); a node sees its own codes and place."""
        onehot = one_hot(x, self.codes, self.code_vectors.dtype)  # (B, N, C, K)
        summed = onehot.flatten(2) @ self.code_vectors.flatten(0, 1)  # (B, N, D)
        return self.cause_mlp(summed + self.cause_place)

    def edge_logits(self, h: Tensor, state: Tensor) -> Tensor:
        """(B, Q, N, N) log-odds of every edge; [..., i, j] is i causes j."""
        cause = self.edge_cause(h)  # (B, N, D)
        effect = self.edge_effect(state)  # (B, Q, N, D)
        if self.pair_out is None:
            scores = torch.einsum("bid,bqjd->bqij", cause, effect) / math.sqrt(self.width)
        else:  # W [zi; zj] = W1 zi + W2 zj: no concatenation of all pairs
            pair = F.leaky_relu(cause[:, None, :, None] + effect[:, :, None])
            scores = self.pair_out(pair).squeeze(-1)
        return scores + self.edge_bias

    # -- the whole of it

    def forward(
        self,
        x: Tensor,
        actions: Tensor,
        *,
        generator: torch.Generator | None = None,
        cut: Tensor | None = None,
    ) -> TransitionOutput:
        """Distribution over the codes after an action.

        x: (B, N, C) int64.  actions: (B,) int64 in [0, A), or (B, Q) for Q actions per image, in
        which case every field of the result has Q after B.
        generator: where edges are sampled (training, or the "sample" variant); on the CPU.
        cut: bool (N, N) or (B, N, N), edges to take away whatever their probability ([i, j]: i no
            longer reaches j).
        """
        single = actions.ndim == 1
        if single:
            actions = actions[:, None]
        h = self.features(x)  # (B, N, D)
        onehot = F.one_hot(actions, self.actions).to(h.dtype)  # (B, Q, A)
        action = onehot @ self.action_vectors  # (B, Q, D)
        state = self.effect_place + action[:, :, None]  # (B, Q, N, D)
        logits = self.edge_logits(h, state).float()
        edges = torch.sigmoid(logits) * self.allowed[actions]  # (B, Q, N, N), row = cause
        used = self._choose(edges, generator)
        if cut is not None:
            used = used * (~cut).to(used.dtype).reshape(*_lead(cut), self.nodes, self.nodes)
        extra = None
        if self.variant.action_node != "none":
            extra = (action, 1.0 if self.variant.action_node == "connected" else 0.0)
        for read, style in zip(self.reads, self.styles, strict=True):
            scale, shift = (onehot @ style)[:, :, None].chunk(2, dim=-1)  # (B, Q, 1, D)
            state = read(state, h, used, scale, shift, extra)
        out = self.final(state)
        own = torch.tanh(self.mask_own(h))[:, None] * (onehot @ self.mask_action)[:, :, None]
        mask_logit = self.mask_out(torch.cat([own, out], dim=-1)).float()  # (B, Q, N, C)
        log_mechanism = (
            self.mechanism(out).float().unflatten(-1, (self.codebooks, self.codes)).log_softmax(-1)
        )

        def asked(t: Tensor) -> Tensor:
            return t.squeeze(1) if single else t

        return TransitionOutput(
            asked(self._copy(x)[:, None]),
            asked(log_mechanism),
            asked(mask_logit),
            asked(edges),
            asked(used),
            repredict=self.variant.unset == "repredict",
        )

    def _choose(self, edges: Tensor, generator: torch.Generator | None) -> Tensor:
        if self.training or self.variant.eval_edges == "sample":
            noise = torch.rand(edges.shape, generator=generator).to(edges.device)
            hard = (noise < edges).to(edges.dtype)
            return hard + edges - edges.detach()
        return (edges > 0.5).to(edges.dtype)

    def _copy(self, x: Tensor) -> Tensor:
        other = math.log(self.COPY_NOISE / (self.codes - 1))
        log_copy = torch.full((*x.shape, self.codes), other, device=x.device)
        return log_copy.scatter_(-1, x[..., None], math.log1p(-self.COPY_NOISE))


def one_hot(codes: Tensor, size: int, dtype: torch.dtype) -> Tensor:
    """Codes (...) int64 in [0, size) as ones among zeros, (..., size).

    Without the integers eight bytes wide that `F.one_hot` makes first.
    """
    zeros = torch.zeros((*codes.shape, size), dtype=dtype, device=codes.device)
    return zeros.scatter_(-1, codes[..., None], 1.0)


def _lead(cut: Tensor) -> tuple[int, ...]:
    return (1, 1) if cut.ndim == 2 else (cut.shape[0], 1)


@dataclass(frozen=True)
class TransitionLoss:
    """Parts of the loss, each a mean over the batch.

    nll: nats per transition, summed over codes.  set_codes: expected number of codes set.
    set_nodes: expected number of nodes with a set code.  edges: expected number of edges into set
        nodes.
    total: what is minimised.
    """

    total: Tensor
    nll: Tensor
    set_codes: Tensor
    set_nodes: Tensor
    edges: Tensor


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
