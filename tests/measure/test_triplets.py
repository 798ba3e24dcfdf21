"""The triplet test: codes that are the factors pass it, codes that mix them do not."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lamps import Lamps
from torch import Tensor

from cvq_tutorial.common.images import to_float
from cvq_tutorial.measure.triplets import set_by, triplets
from cvq_tutorial.worlds.make import make_world


class Reads:
    """One node whose three codes are the factor values, or, mixed, their running sums."""

    device, n_actions = torch.device("cpu"), 6
    from_nodes = staticmethod(lambda codes: codes)

    def __init__(self, world: Lamps, mixed: bool = False) -> None:
        self.world, self.mixed = world, mixed

    def encode(self, images: Tensor) -> Tensor:
        values = (images[:, :, 0, 0] * 255 / 17).round().long()[:, None]
        return values.cumsum(-1) % 16 if self.mixed else values

    def decode(self, codes: Tensor) -> Tensor:
        values = codes.diff(dim=-1, prepend=codes[..., :1] * 0) % 16 if self.mixed else codes
        return to_float(self.world.render(values[:, 0].numpy()))

    def distribution(self, codes: Tensor, actions: Tensor) -> SimpleNamespace:
        sets = torch.eye(3)[actions % 3]
        if self.mixed:  # an action moves all sums from its factor on
            sets = sets.cumsum(-1)
        return SimpleNamespace(mask=sets[:, None])


def test_codes_that_are_the_factors_reach_the_ceiling():
    world = Lamps()
    told = triplets(Reads(world), world, n=40)
    assert list(told) == list(world.factors.names)
    for parts in told.values():
        for part in parts.values():
            assert part["psnr"] == part["ceiling"] == 100.0 and part["copy"] < 20


def test_codes_that_mix_factors_are_all_there_but_hold_other_things_too():
    world = Lamps()
    told = triplets(Reads(world, mixed=True), world, n=40)
    assert all(parts["alone"]["psnr"] == 100.0 for parts in told.values())
    assert told["red"]["all"]["psnr"] < 20  # with red came green and blue of picture 2
    assert told["blue"]["all"]["psnr"] < 20


def test_codes_set_by_any_of_some_actions():
    codes = torch.zeros(2, 1, 3, dtype=torch.int64)
    assert set_by(Reads(Lamps()), codes, [0, 3, 2]).tolist() == [[[True, False, True]]] * 2
    assert not set_by(Reads(Lamps()), codes, np.array([], dtype=int)).any()


def test_a_world_without_pictures_is_refused():
    with pytest.raises(ValueError, match="triplets need pictures of all combinations, found 'cod"):
        triplets(None, make_world("codes"))
