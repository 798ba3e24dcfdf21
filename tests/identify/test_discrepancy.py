"""The discrepancy VAE: its distance, its graph, and that it learns what it was shown."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from cvq_tutorial.identify import discrepancy
from cvq_tutorial.identify.checks import Unidentifiable


def test_the_distance_is_the_slow_sum():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(4, 3, generator=generator), torch.randn(5, 3, generator=generator) + 1

    def slow(a, b):
        total = 0.0
        for one, two in product(a, b):
            squared = float(((one - two) ** 2).sum())
            total += sum(np.exp(-squared / (2.0 * 2.0**i)) for i in range(-5, 5))
        return total / (len(a) * len(b))

    made = float(discrepancy.mmd(x, y, 2.0))
    assert made == pytest.approx(slow(x, x) + slow(y, y) - 2 * slow(x, y), abs=1e-5)
    assert float(discrepancy.mmd(x, x, 2.0)) == pytest.approx(0, abs=1e-6)


def test_latents_follow_the_graph_row_by_row():
    model = discrepancy.DiscrepancyVAE(4, 3, "relu", torch.Generator(), order=[2, 0, 1])
    with torch.no_grad():
        model.G.copy_(torch.tensor([[9.0, 2, 0], [9, 9, 3], [9, 9, 9]]))
    u = model.latents(torch.tensor([[1.0, 0, 0]]), torch.tensor([[0.0, 1, 0]]))
    assert u.tolist() == [[1.0, 3.0, 9.0]]  # 1; 0 + 1 + 2 relu(1); 3 relu(3)
    assert model.targets().argmax(1).tolist() == [1, 2, 0]
    bare = discrepancy.DiscrepancyVAE(4, 3, "relu", torch.Generator(), graph=False)
    assert not bare.edges().any()
    assert torch.allclose(bare.targets().sum(1), torch.ones(3))


def test_columns_of_the_decoder_start_at_the_effects_of_their_contexts():
    model = discrepancy.DiscrepancyVAE(
        4, 3, "relu", torch.Generator().manual_seed(0), order=[2, 0, 1], graph=False
    )
    effects = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    model.point(effects, [2, 0, 1])
    z = torch.randn(5, 3, generator=torch.Generator().manual_seed(2))
    moved = model.virtual(z, torch.eye(3)) - model.virtual(z, torch.zeros(3, 3))
    assert torch.allclose(moved, effects[:, None].expand(-1, 5, -1), atol=1e-5)


def test_training_starts_where_contexts_that_have_a_place_move_the_picture():
    world = discrepancy.chain_world(np.random.default_rng(0), "relu", 3, 6)
    _, start = discrepancy.train(world, 0, order=[0, 1, 2], epochs=1, samples=256, fresh=200)
    assert start.singles < 0.5 * start.copy
    _, free = discrepancy.train(world, 0, order=None, epochs=1, samples=256, fresh=200)
    assert free.singles > 2 * start.singles


def test_what_later_effects_do_not_hold_is_the_column_of_the_mixing():
    world = discrepancy.chain_world(np.random.default_rng(0), "relu", 4, 6)
    down = np.triu(np.random.default_rng(1).uniform(0.5, 1, (4, 4)), 1) + np.eye(4)
    effects = torch.from_numpy(down @ world.mixing.T)  # each moves itself and all that come after
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        place = np.argsort(order)  # contexts named otherwise: the same, at their places
        own = discrepancy.own_parts(effects[place], order).numpy()
        assert np.allclose(own, world.mixing.T[place])
    assert not np.allclose(discrepancy.own_parts(effects, [3, 2, 1, 0]).numpy(), world.mixing.T)


def test_a_start_with_room_learns_edges_where_the_mean_start_does_not():
    world = discrepancy.chain_world(np.random.default_rng(0), "relu", 2, 3)
    options = {"order": [0, 1], "samples": 512, "fresh": 300, "epochs": 60}
    made = {s: discrepancy.train(world, 0, start=s, **options)[1] for s in discrepancy.STARTS}
    assert made["own"].edges[0, 1] > 0.4 > 0.1 > made["mean"].edges[0, 1]


def test_training_beats_the_copy_and_its_own_start():
    world = discrepancy.chain_world(np.random.default_rng(0), "relu", 2, 3)
    world = replace(world, shift=2.5)
    options = {"order": [0, 1], "samples": 256, "fresh": 150}
    _, made = discrepancy.train(world, 0, epochs=60, **options)
    _, start = discrepancy.train(world, 0, epochs=1, **options)
    assert made.floor < made.model < 0.8 * min(made.copy, start.model)
    assert made.floor < made.singles < 0.5 * start.singles
    assert made.floor < 0.1 and made.edges[1, 0] == 0


def test_training_is_deterministic_and_leaves_the_global_generator_alone():
    world = discrepancy.chain_world(np.random.default_rng(0), "tanh", 2, 3)
    state = torch.get_rng_state()
    one, two = (discrepancy.train(world, 0, samples=128, epochs=12, fresh=50)[1] for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    assert one.model == two.model and np.array_equal(one.edges, two.edges)


def test_bad_input():
    world = discrepancy.chain_world(np.random.default_rng(0), "relu", 3, 4)
    with pytest.raises(ValueError, match="expected each of 3 contexts once"):
        discrepancy.train(world, 0, order=[0, 1, 1])
    with pytest.raises(ValueError, match="start: expected one of mean, own, found 'best'"):
        discrepancy.train(world, 0, order=[0, 1, 2], start="best")
    with pytest.raises(ValueError, match="start: 'own' needs an order, found none"):
        discrepancy.train(world, 0, start="own")
    with pytest.raises(Unidentifiable, match="100 samples are too few for one batch"):
        discrepancy.train(world, 0, samples=100)
    few = discrepancy.ShiftWorld(world.weights, world.mixing, np.arange(2), "relu", 5.0)
    with pytest.raises(Unidentifiable, match="2 contexts are fewer than 3 latents"):
        discrepancy.train(few, 0)
    with pytest.raises(ValueError, match="expected one of relu, tanh, linear"):
        discrepancy.DiscrepancyVAE(4, 3, "sine", torch.Generator())
