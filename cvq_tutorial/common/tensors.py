"""Codes and actions as tensors: checked before they are looked up (one line says what is wrong)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cvq_tutorial.common.checks import close_match


def check_codes(codes: Tensor, codebooks: int, size: int) -> None:
    """Raise unless codes are integers (B, N, C) in [0, size); the message names a bad entry.

    Done before any lookup: on a GPU an index out of range kills the process, and -1 would quietly
    be the last code.
    """
    if not isinstance(codes, Tensor):
        raise TypeError(f"codes must be a tensor of integers, found {type(codes).__name__}")
    if codes.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"codes must be integers (int64), found {codes.dtype}")
    if codes.ndim != 3 or codes.shape[-1] != codebooks:
        raise ValueError(f"codes must have shape (B, N, {codebooks}), found {tuple(codes.shape)}")
    if codes.numel() and (int(codes.min()) < 0 or int(codes.max()) >= size):
        b, n, c = ((codes < 0) | (codes >= size)).nonzero()[0].tolist()
        raise ValueError(
            f"code {int(codes[b, n, c])} at batch {b}, node {n}, codebook {c} "
            f"is outside 0..{size - 1}"
        )


def check_actions(actions: Any, names: Sequence[str], batch: int) -> Tensor:
    """Actions (B,), integers in [0, A), of one number or name for all, or one for each.

    Raises TypeError or ValueError, naming expected and found (and the nearest name).
    """

    def number(action: Any) -> Any:
        if isinstance(action, str) and action not in names:
            raise ValueError(close_match("action", action, names))
        return list(names).index(action) if isinstance(action, str) else action

    if actions is None:
        raise TypeError("actions must be numbers or names, found None")
    many = isinstance(actions, (list, tuple))
    found = torch.as_tensor([number(a) for a in actions] if many else number(actions))
    if found.dtype.is_floating_point or found.dtype == torch.bool:
        raise TypeError(f"actions must be integers, found {found.dtype}")
    if found.ndim == 0:
        found = found.expand(batch)
    if found.shape != (batch,):
        raise ValueError(f"expected one action or {batch}, found shape {tuple(found.shape)}")
    if batch and not (int(found.min()) >= 0 and int(found.max()) < len(names)):
        bad = found[(found < 0) | (found >= len(names))][0]
        raise ValueError(f"action {int(bad)} is outside 0..{len(names) - 1}")
    return found


def one_hot(codes: Tensor, size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """`F.one_hot` (..., size) of codes (...), without the integers that it makes first."""
    zeros = torch.zeros((*codes.shape, size), dtype=dtype, device=codes.device)
    return zeros.scatter_(-1, codes[..., None], 1.0)
