"""Twins agree on all that can be measured, and differ; estimates cannot tell them apart."""

from __future__ import annotations

import numpy as np
import pytest

from cvq_tutorial.identify import cumulants, linear, match, scores, twins


@pytest.mark.parametrize("seed", range(10))
def test_pairs_of_each_kind_agree_to_1e_10_and_differ(seed):
    pairs = twins.of_each_kind(np.random.default_rng([22, seed]))
    kinds = ["missing context", "missing source", "soft", "shift", "cumulants"]
    assert [one.name for one in pairs] == kinds
    for one in pairs:
        assert one.measured < 1e-10 < 0.1 < one.apart


def test_twins_that_were_not_twins_would_be_seen():
    world = linear.draw_world(np.random.default_rng(0), 4, 6, 1.0)
    other = linear.draw_world(np.random.default_rng(1), 4, 6, 1.0)
    both = [(world.covariances(), other.covariances())]
    assert twins.pair("no twins", world, other, "covariances", both).measured > 1e-2


def test_the_context_that_is_missing_would_tell_them_apart():
    world = linear.draw_world(np.random.default_rng(2), 4, 6, 1.0)
    context = 1 + int(np.flatnonzero(world.targets == 0)[0])
    pair = twins.missing_context(world, context)
    assert len(pair.one.contexts) == 4 and 0 not in pair.one.targets
    B = pair.other.contexts[0].copy()
    B[0] = world.contexts[context][0, 0] * np.eye(4)[0]  # the twin's own perfect intervention
    there = linear.LatentWorld(B[None], pair.other.H, np.array([], dtype=int)).covariances()[0]
    true = world.covariances()[context]
    assert np.abs(there - true).max() > 1e-2 * np.abs(true).max()


def test_a_solver_cannot_choose_between_perfect_and_soft():
    world = linear.draw_world(np.random.default_rng(3), 4, 6, 1.0)
    pair = twins.soft(world)
    assert not pair.other.graph.any() and pair.one.graph.any()
    found = linear.solve_precisions(pair.other.precisions())
    assert found.misfit.max() < 1e-9
    assert match.row_error(found.H, match.by_contexts(pair.one.H, world.targets)) < 1e-9
    assert match.row_error(found.H, match.by_contexts(pair.other.H, world.targets)) > 0.1
    M = np.triu(np.ones((4, 4)))
    assert twins.soft(world, M).measured < 1e-10


def test_the_routine_for_cumulants_answers_with_the_perfect_twin():
    world = cumulants.draw_noise_world(np.random.default_rng(4), 3, 4, density=1.0)
    other = twins.cumulants(world).other
    found = cumulants.solve_third(
        other.cumulants(2), other.cumulants(3), rng=np.random.default_rng(0)
    )
    H = [np.linalg.pinv(one.F)[world.targets] for one in (world, other)]
    assert match.relative_error(found.H, H[0]) < 1e-9 < match.relative_error(found.H, H[1])


def test_a_twin_may_have_all_causes_in_every_context():
    world = cumulants.draw_noise_world(np.random.default_rng([0, 13]), 4, 5, soft=True)
    pair = twins.cumulants(world, np.eye(4) + np.triu(np.full((4, 4), 0.5), 1))
    assert pair.measured < 1e-10 < 0.1 < pair.apart
    edges = (np.abs(pair.other.lambdas) > 1e-9).sum(axis=(1, 2))
    assert edges.tolist() == [6] * 5 and not np.tril(pair.other.lambdas).round(12).any()
    for M in (np.ones((4, 4)), 2 * np.eye(4), np.eye(3)):
        with pytest.raises(ValueError, match="upper triangular matrix"):
            twins.cumulants(world, M)


@pytest.mark.parametrize("latents", [2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(5))
def test_without_the_context_of_the_source_another_world_fits(seed, latents):
    world = linear.draw_world(np.random.default_rng([24, seed]), latents, latents + 2, 1.0)
    pair = twins.missing_source(world)
    assert pair.measured < 1e-10 < 1e-3 < pair.apart
    assert latents - 1 not in pair.other.targets and len(pair.other.contexts) == latents
    B = pair.other.contexts[0]
    assert np.abs(np.tril(B, -1)).max() < 1e-9 and (np.diag(B) > 0).all()
    for k, target in enumerate(pair.other.targets):
        there = pair.other.contexts[k + 1]
        changed = np.abs(there - B).max(axis=1) > 1e-12
        assert changed.tolist() == [i == target for i in range(latents)]
        assert np.abs(np.delete(there[target], target)).max() < 1e-9  # a perfect intervention
    turned = pair.other.H @ np.linalg.pinv(pair.one.H)  # z' of z: not only other units
    assert np.abs(turned[-1, -2]) > 1e-3 < np.abs(turned[-2, -1])


def test_what_is_said_to_stay_identified_does_and_the_source_does_not():
    """Latents that have a context, as all their ancestors do, are the same in the twins."""
    world = linear.draw_world(np.random.default_rng(6), 4, 6, 1.0)
    one_out = twins.missing_context(world, 1 + int(np.flatnonzero(world.targets == 1)[0]))
    other = one_out.other.H / one_out.one.H
    assert np.allclose(other[2:], other[2:, :1])  # z2 and z3, but for units
    assert not np.allclose(other[1], other[1, 0])
    source = twins.missing_source(world)
    for row in (2, 3):
        ratio = source.other.H[row] / source.one.H[row]
        assert not np.allclose(ratio, ratio[0])


def test_bad_input():
    world = linear.draw_world(np.random.default_rng(5), 4, 6, 1.0)
    source = 1 + int(np.flatnonzero(world.targets == 3)[0])
    middle = 1 + int(np.flatnonzero(world.targets == 1)[0])
    with pytest.raises(ValueError, match="before which none comes"):
        twins.missing_context(world, source)
    with pytest.raises(ValueError, match="expected 1 to 4, found 9"):
        twins.missing_context(world, 9)
    with pytest.raises(ValueError, match="zero up to the target 1"):
        twins.missing_context(world, middle, np.ones(4))
    with pytest.raises(ValueError, match="causes the one before it"):
        twins.missing_source(linear.draw_world(np.random.default_rng(5), 4, 6, 0.0))
    with pytest.raises(ValueError, match="expected contexts of latents 2 and 3"):
        twins.missing_source(twins.missing_source(world).one)
    with pytest.raises(ValueError, match="upper triangular"):
        twins.soft(world, np.ones((4, 4)))
    bent = scores.draw_shift_world(np.random.default_rng(0), "relu")
    with pytest.raises(ValueError, match="expected a linear world, found 'relu'"):
        twins.shift(bent)


@pytest.mark.parametrize("seed", range(5))
def test_twins_are_worlds_of_the_class_that_they_claim(seed):
    """Any change of latents keeps the data; a twin also keeps what a context may do."""
    missing, _, soft, _, noise = twins.of_each_kind(np.random.default_rng([23, seed]))
    for world, perfect in ((missing.one, True), (missing.other, True), (soft.other, False)):
        B = world.contexts[0]
        assert np.abs(np.tril(B, -1)).max() < 1e-12 and (np.diag(B) > 0).all()
        for k, target in enumerate(world.targets):
            changed = np.abs(world.contexts[k + 1] - B).max(axis=1) > 1e-12
            assert changed.tolist() == [i == target for i in range(len(B))]
            others = np.delete(world.contexts[k + 1][target], target)
            alone = np.abs(others).max() < 1e-12  # a source has no parents to keep
            assert alone == (perfect or target == 3)
    lambdas = noise.other.lambdas
    assert np.abs(np.tril(lambdas)).max() < 1e-12 > np.abs(noise.other.weights).max()
    for k, target in enumerate(noise.other.targets):
        changed = np.abs(lambdas[k + 1] - lambdas[0]).max(axis=1) > 1e-12
        assert changed.tolist() == [i == target and i != 3 for i in range(4)]
