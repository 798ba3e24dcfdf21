"""Half precision: asked for, and had only where the device computes it itself."""

from __future__ import annotations

import warnings

import pytest
import torch

from cvq_tutorial.common import device
from cvq_tutorial.common.device import half_if_asked

CPU = torch.device("cpu")


def product() -> torch.dtype:
    return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


def test_only_who_asks_gets_it(monkeypatch):
    monkeypatch.setattr(device, "half_precision", lambda where: True)
    with half_if_asked(CPU, True):
        assert product() == torch.bfloat16
    with half_if_asked(CPU, False):
        assert product() == torch.float32
    assert product() == torch.float32


def test_what_is_only_emulated_is_not_used_and_said(monkeypatch):
    monkeypatch.setattr(device, "half_precision", lambda where: False)
    told = pytest.warns(UserWarning, match="cpu only emulates it: float32 is used")
    with told, half_if_asked(CPU, True):
        assert product() == torch.float32
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with half_if_asked(CPU, False):
            assert product() == torch.float32


def test_no_capability_of_the_cpu_is_no_half_precision(monkeypatch):
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    for name in names:
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    assert not device.half_precision(CPU)
    for name in names:
        monkeypatch.setattr(torch.cpu, name, lambda: True)
        assert device.half_precision(CPU)
        monkeypatch.setattr(torch.cpu, name, lambda: False)
