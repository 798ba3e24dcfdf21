"""Exercises of lesson 02: running means, the straight-through line, perplexity over batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cvq_tutorial.lessons.check.base import Exercise, Unreadable, function, number, one_number


def _near(wanted: float, tolerance: float = 5e-3) -> Callable[[float], bool]:
    return lambda value: abs(value - wanted) < tolerance


where_the_code_moves = Exercise(
    read=number(unit="on the channel"),
    right=_near(0.25),
    hints={
        "that is the mean of the batch, k-means without memory; nine tenths of the old count "
        "stay": _near(1.0),
        "the count moves as well: divide by the new one, 0.9 x 10 + 0.1 x 30": _near(0.3),
        "that moves the code itself a tenth of the way; count and total are what is averaged, so "
        "many vectors weigh more": _near(0.1),
        "decay is the share that is kept, 1 - decay what is new": _near(27 / 28),
        "that forgets nothing: 10 old and 30 new ones; the old ones count 0.9, the new ones "
        "0.1": _near(0.75),
    },
    praise="3 / 12: the batch was three times the count, but only a tenth of it is taken",
)

_Z = torch.tensor([[0.5, -1.0, 2.0], [0.0, 3.0, -0.25]])
_E = torch.tensor([[1.0, -1.5, 2.25], [0.5, 2.0, 0.0]])
_G = torch.tensor([[1.0, -2.0, 0.5], [3.0, 0.25, -1.0]])  # what a loss asks of the output


def _passes(line: Callable[..., Any]) -> tuple[Tensor, Tensor, Tensor]:
    """Value, and the gradients that arrive at z and e, zeros where none does."""
    z, e = _Z.clone().requires_grad_(), _E.clone().requires_grad_()
    out = line(z, e)
    if not isinstance(out, Tensor) or out.shape != _Z.shape:
        raise Unreadable(f"expected a tensor of shape {tuple(_Z.shape)} like z")
    found: list[Tensor | None] = [None, None]
    if out.requires_grad:
        found = list(torch.autograd.grad((out * _G).sum(), [z, e], allow_unused=True))
    to_z, to_e = (torch.zeros_like(_Z) if g is None else g for g in found)
    return out.detach(), to_z, to_e


def _gives(value: Tensor | None, to_z: Tensor, to_e: Tensor) -> Callable[..., bool]:
    def test(line: Callable[..., Any]) -> bool:
        out, at_z, at_e = _passes(line)
        fits = value is None or torch.allclose(out, value)
        return bool(fits and torch.allclose(at_z, to_z) and torch.allclose(at_e, to_e))

    return test


_NONE = torch.zeros_like(_G)
straight_through = Exercise(
    read=function(_Z.clone(), _E.clone()),
    right=_gives(_E, _G, _NONE),
    hints={
        "value and gradient are the wrong way round: e is to be the value, z is to get the "
        "gradient": _gives(_Z, _NONE, _G),
        "without detach() z cancels out: the whole gradient goes to e": _gives(_E, _NONE, _G),
        "the value is right but no gradient gets through: detach the difference, not "
        "everything": _gives(_E, _NONE, _NONE),
        "z is passed on as it is; its value is to be e": _gives(_Z, _G, _NONE),
        "the value is right, but z gets minus its gradient and e the whole: detach the difference, "
        "not z": _gives(_E, -_G, _G),
        "z gets its gradient, but e gets one too: detach it": lambda line: bool(
            torch.allclose(_passes(line)[1], _G) and _passes(line)[2].abs().max() > 0
        ),
        "the value is not e": lambda line: not torch.allclose(_passes(line)[0], _E),
    },
    praise="the value of e, the gradient to z, nothing to e",
)

_SIZE = 6  # code 5 never occurs
_BATCHES = [torch.tensor([[0, 0], [0, 1]]), torch.tensor([2, 2, 2]), torch.tensor([3, 4])]


def _entropy(codes: Tensor) -> float:
    share = torch.bincount(codes.flatten()).double() / codes.numel()
    return -(share[share > 0] * share[share > 0].log()).sum().item()


_NATS = _entropy(torch.cat([batch.flatten() for batch in _BATCHES]))
_BITS = _NATS / math.log(2)
_EACH = [math.exp(_entropy(batch)) for batch in _BATCHES]


def _found(of: Callable[..., Any]) -> float:
    return float(of([batch.clone() for batch in _BATCHES], _SIZE))


def _value(wanted: float) -> Callable[..., bool]:
    return lambda of: abs(_found(of) - wanted) < 1e-3


pooled_perplexity = Exercise(
    read=function([batch.clone() for batch in _BATCHES], _SIZE, gives=one_number),
    right=_value(math.exp(_NATS)),
    hints={
        "that is the mean of the batches' perplexities: add up the counts first": _value(
            sum(_EACH) / len(_EACH)
        ),
        "that is the entropy in nats; take exp of it": _value(_NATS),
        "that is the entropy in bits; perplexity is 2 to that power": _value(_BITS),
        "entropy and its inverse must have one base: exp with log, 2** with log2": lambda of: (
            _value(2**_NATS)(of) or _value(math.exp(_BITS))(of)
        ),
        "a code that never occurs has p log p = 0 x -inf, which is nan: leave it out": lambda of: (
            math.isnan(_found(of))
        ),
        "the sign: entropy is minus the sum of p log p": _value(math.exp(-_NATS)),
        "that counts the codes that occur; the shares matter": _value(5.0),
    },
    praise="counts first, the formula after",
)
