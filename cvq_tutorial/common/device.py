"""Which device to work on, and in which arithmetic."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from cvq_tutorial.common.ranks import launched


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """The device to work on: "auto" is cuda, else mps, else cpu; ValueError for one not there."""
    device = str(device)
    if device == "auto":
        if not torch.cuda.is_available():
            return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
        device = "cuda"
        if launched() == 1:
            return torch.device(device)
    if device == "cuda" and launched() > 1:  # each process its own
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (":" in device and not number.isdecimal()):
        raise ValueError(f"device must be auto, cpu, cuda, cuda:N or mps, found {device!r}")
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    here = {"cpu": 1, "cuda": cards, "mps": int(torch.backends.mps.is_available())}
    if int(number or 0) >= here[kind]:
        raise ValueError(f"device {device!r} is not available here; use device='auto'")
    return torch.device(device)


def half_precision(device: torch.device) -> bool:
    """Whether bfloat16 arithmetic is fast on this device (many CPUs only emulate it)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device.type == "cpu":
        return any(
            getattr(torch.cpu, name, lambda: False)()
            for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        )
    return False


def half_if_asked(device: torch.device, asked: bool) -> torch.autocast:
    """Products in bfloat16 if asked for; in float32, with a warning, where it is only emulated.

    For retrieval, where it is faster: log-likelihoods move by some nats, a name hardly ever does.
    What is measured of a model is measured in float32, so that it can be had again anywhere.
    """
    here = asked and half_precision(device)
    if asked and not here:
        told = f"bfloat16 was asked for, but {device.type} only emulates it: float32 is used"
        warnings.warn(told, stacklevel=2)
    return torch.autocast(device.type, torch.bfloat16, enabled=here)


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Count numbers below the smallest normal one as 0 while the block runs.

    Late in training there are many, and each makes a CPU several times slower. The switch belongs
    to the calling thread, and is left as it was found.
    """
    before = flushes_denormals()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def flushes_denormals() -> bool:
    """Whether this thread counts them as 0; torch cannot be asked, so one is made."""
    smallest = torch.tensor(sys.float_info.min, dtype=torch.float64)
    return not bool(smallest / 2 > 0)
