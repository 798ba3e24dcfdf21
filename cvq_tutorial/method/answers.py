"""What a model answers: an intervention, the name of an action, and whether to believe it.

Intuition: the posterior over actions says which one is likeliest *given that it was one of them*.
It sums to one also where nothing happened, where two actions did, or where y is noise. So a
`Retrieval` keeps the log-likelihood beside it, and a verdict that asks first: did any code change,
and is y as likely under its best action as true pairs are (`training.calibrate`)?

When it misleads: the verdict sees codes, not pictures. What the encoder does not write down did not
happen, and a wrong action under which y is as likely as under a true one is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

NOTHING = "nothing happened"
UNEXPLAINED = "no action explains this"
UNCHANGED = "this intervention changed nothing"


@dataclass(frozen=True)
class Intervention:
    """The outcome of do(action)."""

    codes_before: Tensor  # (B, N, C) int64
    codes: Tensor  # (B, N, C) int64
    mask: Tensor  # (B, N, C) in [0, 1], probability that the action set a code
    edges: Tensor  # (B, N, N) probabilities, [b, i, j] is "i is a cause of j"
    images: Tensor | None  # (B, 3, H, W) in [0, 1]; None where the world has no images
    parts: tuple[Tensor, ...] = field(repr=False)  # of log_probs, as they were computed

    @property
    def log_probs(self) -> Tensor:
        """(B, N, C, K) log-probability of every new code."""
        return self.parts[0] if len(self.parts) == 1 else torch.cat(self.parts)

    @property
    def changed(self) -> Tensor:
        """(B,) how many codes are others than before."""
        return (self.codes != self.codes_before).sum((1, 2))

    @property
    def verdict(self) -> list[str]:
        """B texts: how many codes changed, or that none did."""
        of = self.codes[:1].numel()
        return [f"{n} of {of} codes changed" if n else UNCHANGED for n in self.changed.tolist()]


def joined(parts: Sequence[Intervention]) -> Intervention:
    """Interventions on parts of a batch as one on the whole."""
    each = {k: [getattr(part, k) for part in parts] for k in vars(parts[0]) if k != "parts"}
    whole: dict[str, Any] = {k: None if v[0] is None else torch.cat(v) for k, v in each.items()}
    return Intervention(**whole, parts=tuple(p for part in parts for p in part.parts))


@dataclass(frozen=True)
class Retrieval:
    """Which action was it?"""

    log_posterior: Tensor  # (B, A) with a uniform prior
    actions: Tensor  # (B,) the likeliest
    log_likelihood: Tensor  # (B, A) nats, of all codes of y
    same: Tensor  # (B,) whether x and y have the same codes
    n: int  # codes of one image
    names: Sequence[str] = field(repr=False)  # of the A actions
    explains_at: float | None = None  # nats per code that true pairs reach; None: not known

    @property
    def per_code(self) -> Tensor:
        """(B,) nats per code of y under the action that explains it best."""
        return self.log_likelihood.amax(1) / self.n

    @property
    def verdict(self) -> list[str]:
        """B texts: the action's name, `NOTHING` or (if `explains_at` is known) `UNEXPLAINED`."""
        low = [self.explains_at is not None and p < self.explains_at for p in self.per_code]
        told = zip(self.actions.tolist(), self.same.tolist(), low, strict=True)
        return [NOTHING if s else UNEXPLAINED if bad else self.names[a] for a, s, bad in told]
