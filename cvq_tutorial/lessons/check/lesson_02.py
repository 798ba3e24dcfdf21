"""Exercises of lesson 02: running means, the quantiser, perplexity over batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cvq_tutorial.lessons.check.base import Exercise, Unreadable, function, number, one_number
from cvq_tutorial.method import make_quantizer


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
    clue="count and total are averaged first, each with decay; then divide",
    praise="3 / 12: the batch was three times the count, but only a tenth of it is taken",
    otherwise="new total / new count, each 0.9 x old + 0.1 x what the batch gives",
)

_RANDOM = torch.Generator().manual_seed(0)
_Z, _VECTORS, _G = (torch.randn(n, 3, generator=_RANDOM) for n in (20, 6, 20))
# _G: what a loss asks of the output


def _package() -> tuple[Tensor, Tensor]:
    """Codes (P,) and code vectors (P, D) that a quantiser of the package chooses."""
    book = make_quantizer(3, 1, len(_VECTORS))
    book.vectors.copy_(_VECTORS[None])
    found = book(_Z.T[None, :, :, None])  # P places as a map (1, D, P, 1)
    return found.codes[0, :, 0], found.values[0, :, :, 0].T


_CODES, _E = _package()


def _parts(given: Callable[..., Any]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Codes, value of out, and the gradients that arrive at z and e, zeros where none does."""
    z, vectors = _Z.clone().requires_grad_(), _VECTORS.clone().requires_grad_()
    both = given(z, vectors)
    if not isinstance(both, tuple) or len(both) != 2:
        raise Unreadable("expected two results: `return codes, out`")
    codes, out = both
    if not isinstance(codes, Tensor) or codes.shape != _CODES.shape:
        raise Unreadable(f"expected codes as a tensor of shape {tuple(_CODES.shape)}, one per row")
    if not isinstance(out, Tensor) or out.shape != _Z.shape:
        raise Unreadable(f"expected out as a tensor of shape {tuple(_Z.shape)} like z")
    found: list[Tensor | None] = [None, None]
    if out.requires_grad:
        found = list(torch.autograd.grad((out * _G).sum(), [z, vectors], allow_unused=True))
    to_z, to_e = (f if f is not None else torch.zeros_like(z) for f in found)
    return codes.detach(), out.detach(), to_z, to_e


def _codes_are(wanted: Tensor) -> Callable[..., bool]:
    return lambda given: torch.equal(_parts(given)[0].long(), wanted)


def _gives(value: Tensor, share: float | None, to_e: bool) -> Callable[..., bool]:
    """Whether out has a value, z that share of the gradient, and the codebook some or none."""

    def test(given: Callable[..., Any]) -> bool:
        _, out, at_z, at_e = _parts(given)
        fits = torch.allclose(out, value, atol=1e-5) and bool(at_e.any()) == to_e
        return fits and (share is None or torch.allclose(at_z, share * _G, atol=1e-5))

    return test


_APART = torch.cdist(_Z, _VECTORS)  # (P, K)
_PLAIN = _gives(_E, 1, False)

quantise = Exercise(
    read=function(_Z.clone(), _VECTORS.clone()),
    right=lambda given: _codes_are(_CODES)(given) and _PLAIN(given),
    hints={
        "those are the codes farthest away: argmin": _codes_are(_APART.argmax(1)),
        "the largest product is not the nearest vector: long vectors win there": _codes_are(
            (_Z @ _VECTORS.T).argmax(1)
        ),
        "the distance has to be over all channels, not over one": lambda given: any(
            _codes_are((_Z[:, [c]] - _VECTORS[:, c]).abs().argmin(1))(given) for c in range(3)
        ),
        "the codes are not those of the nearest vectors": lambda given: (
            not _codes_are(_CODES)(given)
        ),
        "value and gradient are the wrong way round: e is to be the value, z is to get the "
        "gradient": _gives(_Z, 0, True),
        "z is passed on as it is; its value is to be e": _gives(_Z, 1, False),
        "the value is right but no gradient gets through: detach the difference, not "
        "everything": _gives(_E, 0, False),
        "without detach() z cancels out: the whole gradient goes to the codebook": _gives(
            _E, 0, True
        ),
        "the value is right, but z gets minus its gradient and e the whole: detach the difference, "
        "not z": _gives(_E, -1, True),
        "z gets its gradient, but the codebook gets one too: detach e": _gives(_E, 1, True),
        "z is to get the gradient once, and whole": _gives(_E, None, False),
        "the value of `out` is not e": lambda given: not torch.allclose(_parts(given)[1], _E),
    },
    clue="distances (P, K) with torch.cdist, their argmin, the vectors of these codes; then begin "
    "with z + (e - z) and detach() what is to have no gradient",
    praise="the nearest code, the value of e, the gradient to z: this is `Quantizer.forward`",
    otherwise="nearest code vector by distance; out has its value, and z gets the whole gradient",
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
    clue="add up torch.bincount of each batch, with minlength=size",
    praise="counts first, the formula after",
    otherwise="exp of the entropy of the shares p of all codes in all batches together",
)
