"""What a world must have: every world of the package has it, and so has one of somebody's own."""

from __future__ import annotations

import json

import numpy as np
import pytest
from signs import Signs

from cvq_tutorial.data.transitions import sample_transitions, sample_values, split_of
from cvq_tutorial.explore.given import has_images
from cvq_tutorial.worlds.factors import Factor, FactorSpace
from cvq_tutorial.worlds.make import make_world
from cvq_tutorial.worlds.world import CodeWorld, ImageWorld, has_every_picture, is_world


def names_of(protocol: type) -> set[str]:
    return {n for c in protocol.__mro__ for n in vars(c) if not n.startswith("_")}


@pytest.mark.parametrize(
    "name", ["shapes3d", "causal_shapes3d", "dsprites", "codes", "light_tunnel"]
)
def test_a_world_has_all_that_its_protocol_names(name):
    world = make_world(name)
    names = names_of(ImageWorld if world.has_images else CodeWorld)
    assert {"name", "options", "fingerprint"} < names and len(names) >= 8
    assert not [n for n in names if not hasattr(world, n)]
    json.dumps(world.options)
    assert is_world(world) and (not world.has_images or has_every_picture(world))


def test_a_world_of_ones_own_is_a_world_and_anything_else_is_none():
    own = Signs()
    assert not [n for n in names_of(ImageWorld) if not hasattr(own, n)]
    assert has_images(own) is own
    with pytest.raises(TypeError, match=r"expected a world of worlds.make_world, found ndarray"):
        has_images(np.zeros(3))
    with pytest.raises(ValueError, match="expected a world with images, found 'codes'"):
        has_images(make_world("codes"))


class Given(FactorSpace):
    """Two pictures, and what they have."""

    def split_of_rows(self, values):
        return values[:, -1].astype(np.uint8)

    def sample_rows(self, n, split, rng):
        return np.repeat([[1, 0]], n, axis=0)

    def sample_pairs(self, n, split, rng, weights=None):
        return np.repeat([[[0, 0], [1, 1]]], n, axis=0), np.zeros(n, dtype=np.int64)


def test_a_space_of_given_pictures_is_asked_for_its_own_rows():
    own = Signs()
    own.factors = Given((Factor("hat", 2, "binary"),))
    assert not has_every_picture(own)
    assert split_of(own.factors, np.array([[0, 2], [1, 0]])).tolist() == [2, 0]
    assert sample_values(own.factors, 2).tolist() == [[1, 0], [1, 0]]
    drawn = sample_transitions(own.factors, 3)
    assert drawn.y.tolist() == [[1, 1]] * 3
    assert drawn.reversed(own.factors).actions.tolist() == [1] * 3
