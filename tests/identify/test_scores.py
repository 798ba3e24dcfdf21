"""Ancestors from scores: all of them where latents bend, none where they are linear."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cvq_tutorial.identify import match, scores
from cvq_tutorial.identify.checks import Unidentifiable


def exact(kind: str, seed: int, **options):
    rng = np.random.default_rng([19, seed])
    world = scores.draw_shift_world(rng, kind, **options)
    none = np.zeros(len(world.weights))
    gradients = world.score_differences(world.latents(500, rng, none))
    return match.relabelled(world.ancestors, world.targets), gradients


@pytest.mark.parametrize(("kind", "right"), [("relu", 30), ("tanh", 30), ("linear", 0)])
def test_exact_scores_tell_ancestors_where_latents_bend(kind, right):
    count = 0
    for seed in range(30):
        ancestors, gradients = exact(kind, seed)
        found = scores.ancestors_from_scores(gradients)
        count += bool(np.array_equal(found.ancestors, ancestors))
        assert found.misfit.max() < 1e-6
        assert bool(found.complaints) == (kind == "linear")
    assert count == right


@pytest.mark.parametrize("kind", scores.KINDS)
def test_score_differences_are_derivatives_of_log_densities(kind):
    """Against central differences of the densities, written out for a world with G square."""
    rng = np.random.default_rng(3)
    world = scores.draw_shift_world(rng, kind, 3, 3, density=1.0)
    u = rng.standard_normal((1, 3))
    x = u @ world.mixing.T

    def difference(x: np.ndarray, target: int) -> float:
        """log p_k - log p_0: only the target's own term is another; noise of variance 1."""
        u = np.linalg.solve(world.mixing, x[0])
        z = u[target] - world.bent(u)[0] @ world.weights[:, target]
        return -0.5 * (z - world.shift) ** 2 + 0.5 * z**2

    made = world.score_differences(u)[:, 0]
    step = 1e-6
    for k, target in enumerate(world.targets):
        for i in range(3):
            moved = step * np.eye(3)[i]
            slope = (difference(x + moved, target) - difference(x - moved, target)) / (2 * step)
            assert made[k, i] == pytest.approx(slope, rel=1e-5, abs=1e-6)


def test_a_cause_without_a_context_of_its_own_is_complained_of():
    rng = np.random.default_rng(4)
    world = scores.draw_shift_world(rng, "tanh", 4, 6, density=1.0)
    gradients = world.score_differences(world.latents(500, rng, np.zeros(4)))
    left = gradients[world.targets != 0]  # the source's context is gone
    found = scores.ancestors_from_scores(left)
    assert "a target without a context" in found.complaints[0]
    assert found.misfit.max() > 1e-3


def test_samples_give_the_ancestors_and_the_null_sets_the_ratio():
    rng = np.random.default_rng([20, 1])
    world = scores.draw_shift_world(rng, "relu", 3, 5, density=1.0)
    data = world.draw(1500, rng)
    found = scores.ancestors_from_samples(data, seed=0, splits=3, epochs=20)
    assert np.array_equal(found.ancestors, match.relabelled(world.ancestors, world.targets))
    first = np.linalg.eigvalsh(found.matrices)[:, -1]
    assert np.allclose(found.tolerance, scores.NULL_FACTOR * found.null.max() / first)
    assert np.array_equal(found.at(1.0), np.zeros((3, 3), dtype=bool))
    again = scores.ancestors_from_samples(data, seed=0, splits=3, epochs=20)
    assert np.array_equal(again.matrices, found.matrices)


def test_a_classifier_finds_the_slope_between_two_gaussians():
    rng = np.random.default_rng(0)
    zeros = rng.standard_normal((1, 1500, 2))
    ones = rng.standard_normal((1, 1500, 2)) + np.array([1.0, 0])
    state = torch.get_rng_state()
    gradient = scores.classifier_scores(zeros, ones, zeros[0, :500], seed=0, epochs=20)
    assert torch.equal(state, torch.get_rng_state())
    assert np.abs(gradient.mean(axis=1) - [1, 0]).max() < 0.15  # log p_1 - log p_0 = x_0 - 1/2


def data_of(seed: int = 0, samples: int = 1000) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return scores.draw_shift_world(rng, "relu", 3, 4).draw(samples, rng)


def test_bad_input_says_what_fails_and_what_is_left():
    good = data_of()
    options = {"seed": 0, "splits": 2, "epochs": 3}
    with pytest.raises(Unidentifiable, match=r"2 contexts are fewer than 3 latents; still ident"):
        scores.ancestors_from_samples(good[:3], **options)
    with pytest.raises(Unidentifiable, match="rank 3 below 4 latents"):
        scores.ancestors_from_samples(good, 4, **options)
    with pytest.raises(Unidentifiable, match="900 samples are too few"):
        scores.ancestors_from_samples(data_of(samples=900), **options)
    with pytest.raises(Unidentifiable, match="context 2 has no visible effect"):
        scores.ancestors_from_samples([*good[:3], data_of(0)[0]], **options)
    broken = [one.copy() for one in good]
    broken[1][0, 0] = np.nan
    with pytest.raises(Unidentifiable, match="1 of 4000 values are NaN"):
        scores.ancestors_from_samples(broken, **options)
    _, gradients = exact("relu", 0)
    gradients[3] = gradients[1]
    with pytest.raises(Unidentifiable, match="contexts 1 and 3 are equal"):
        scores.ancestors_from_scores(gradients)
    gradients[3] = 0
    with pytest.raises(Unidentifiable, match="context 3 has no effect"):
        scores.ancestors_from_scores(gradients)
    with pytest.raises(ValueError, match="expected one of relu, tanh, linear, found 'sine'"):
        scores.draw_shift_world(np.random.default_rng(0), "sine")
