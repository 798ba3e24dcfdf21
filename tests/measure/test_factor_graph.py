"""Graphs of factors, read from a model that is right by construction, and from one that is not."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.transitions import sample_values
from cvq_tutorial.measure.factor_graph import factor_graph
from cvq_tutorial.worlds.make import make_world


class Oracle:
    """The world itself as the model: a code is an index, and a picture is its own code.

    deaf: factors that no longer listen to their causes.
    """

    device = torch.device("cpu")

    def __init__(self, world, deaf=()):
        self.world = world.cut(deaf) if deaf else world
        self.pictures = {}

    def encode(self, images):
        keys = [image.numpy().tobytes() for image in images]
        return torch.tensor([self.pictures[key] for key in keys])[:, None, None]

    def learn(self, values):
        images = to_float(self.world.render(values))
        index = self.world.factors.index(values)
        self.pictures |= {
            image.numpy().tobytes(): int(i) for image, i in zip(images, index, strict=True)
        }

    def decode(self, codes):
        return codes

    def intervene(self, codes, actions):
        space, values = self.world.factors, self.world.factors.values(codes[:, 0, 0].numpy())
        after = space.index(space.apply(values, np.asarray(actions)))
        after = torch.from_numpy(after)[:, None, None]
        return SimpleNamespace(codes=after, images=after)

    def compose(self, codes, actions):
        done = []
        for action in actions:
            number = self.world.factors.action_id(action)
            done.append(self.intervene(codes, np.full(len(codes), number)))
            codes = done[-1].codes
        return done


class Reader:
    def __init__(self, world):
        self.space = world.factors

    def read(self, images):
        return torch.from_numpy(self.space.values(images[:, 0, 0].numpy()))


GRAPHS = {
    "default": None,
    "shortcut": [["wall_hue", "scale", 1], ["scale", "shape", 1], ["wall_hue", "shape", 2]],
    "long chain": [["wall_hue", "scale", 1], ["scale", "shape", 1], ["shape", "orientation", 2]],
    "none": [],
}


def read(links, deaf=()):
    world = make_world("causal_shapes3d", **({} if links is None else {"links": links}))
    model = Oracle(world, deaf)
    model.learn(sample_values(world.factors, 60, "test", 0))
    return factor_graph(model, world, Reader(world), n=60), world


@pytest.mark.parametrize("name", GRAPHS)
def test_the_true_graph_is_read_from_a_model_that_is_right(name):
    found, world = read(GRAPHS[name])
    assert np.array_equal(found["edges"], world.factor_graph)
    assert not found["moved"].diagonal().any()


def test_ancestors_are_more_than_causes():
    found, _ = read(GRAPHS["long chain"])
    assert found["ancestors"].sum() == 6 and found["edges"].sum() == 3


def test_a_model_that_lacks_an_effect_has_no_edge_there():
    found, world = read(None, deaf=("orientation",))
    names = world.factors.names
    assert not found["edges"][:, names.index("orientation")].any()
    assert found["edges"].sum() == 2


@pytest.mark.parametrize(
    "world",
    [make_world("codes"), make_world("causal_shapes3d", actions="set")],
    ids=["codes", "set"],
)
def test_worlds_without_pictures_or_steps_are_refused(world):
    with pytest.raises(ValueError, match="needs pictures and actions='steps'"):
        factor_graph(None, world, None)
