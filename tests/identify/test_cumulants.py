"""Non-Gaussian noises: order 3, order 4 with more latents than observed, and what is refused."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from cvq_tutorial.identify import cumulants, match, tensors
from cvq_tutorial.identify.checks import Unidentifiable


def world(seed: int, *args, **options) -> cumulants.NoiseWorld:
    return cumulants.draw_noise_world(np.random.default_rng([21, seed]), *args, **options)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def third(known: cumulants.NoiseWorld, **options) -> cumulants.NoiseSolution:
    return cumulants.solve_third(known.cumulants(2), known.cumulants(3), rng=rng(), **options)


def test_exact_third_cumulants_give_everything_back():
    for seed in range(8):
        known = world(seed, 2 + seed % 4, 2 + seed % 4 + seed % 2)
        found = third(known)
        H = np.linalg.pinv(known.F)[known.targets]
        assert match.relative_error(found.H, H) < 1e-9
        weights = match.relabelled(known.weights, known.targets)
        assert np.abs(found.weights - weights).max() < 1e-9
        scales = known.scales[1:][np.arange(len(known.targets)), known.targets]
        assert np.allclose(found.scales, scales)
        assert found.misfit.max() < 1e-8 and not found.complaints


@pytest.mark.parametrize(("q", "p", "noise"), [(3, 4, "laplace"), (3, 3, "uniform"),
                                               (6, 5, "exponential")])  # fmt: skip
def test_exact_fourth_cumulants_do_so_for_symmetric_noise_and_for_more_latents(q, p, noise):
    known = world(2, q, p, noise)
    found = cumulants.solve_fourth(known.cumulants(4), q, rng=rng())
    F = known.F[:, known.targets] * abs(cumulants.NOISES[noise][1]) ** 0.25
    signs = np.sign((F * found.F).sum(axis=0))
    assert match.relative_error(found.F * signs, F) < 1e-8
    weights = match.relabelled(known.weights, known.targets)
    assert np.abs(found.weights * signs[:, None] * signs - weights).max() < 1e-8
    assert found.misfit.max() < 1e-8 and not found.complaints
    if q > p:
        with pytest.raises(Unidentifiable, match="have no inverse"):
            _ = found.H


def test_samples_come_near_and_more_come_nearer():
    known = world(3, 3, 4)
    H = np.linalg.pinv(known.F)[known.targets]

    def error(samples: int) -> float:
        found = cumulants.solve_samples(known.draw(samples, rng()), 3, rng=rng())
        assert not found.complaints
        return match.relative_error(found.H, H)

    assert error(20_000) < 0.1 and error(20_000) < error(1000)


def test_a_sample_cumulant_is_the_slow_sum():
    x = np.random.default_rng(1).exponential(size=(50, 3))
    c = x - x.mean(axis=0)
    made = tensors.cumulant(x, 4)
    for i, j, k, m in product(range(3), repeat=4):
        slow = (c[:, i] * c[:, j] * c[:, k] * c[:, m]).mean()
        for a, b, d, e in ((i, j, k, m), (i, k, j, m), (i, m, j, k)):
            slow -= (c[:, a] * c[:, b]).mean() * (c[:, d] * c[:, e]).mean()
        assert made[i, j, k, m] == pytest.approx(slow)
    assert np.allclose(tensors.cumulant(x, 3)[0, 1, 2], (c[:, 0] * c[:, 1] * c[:, 2]).mean())


def test_samples_have_the_cumulants_that_a_world_states():
    for noise, (skew, fourth, draw) in cumulants.NOISES.items():
        x = draw(np.random.default_rng(5), (400_000, 1))
        assert tensors.cumulant(x, 2)[0, 0] == pytest.approx(1, abs=0.02), noise
        assert tensors.cumulant(x, 3).item() == pytest.approx(skew, abs=0.1), noise
        assert tensors.cumulant(x, 4).item() == pytest.approx(fourth, abs=0.5), noise


def test_two_targets_do_not_pass():
    known = world(4, 3, 4)
    scales = known.scales.copy()
    scales[1, known.targets[1]] = 2.5  # context 1 moves a second noise
    both = cumulants.NoiseWorld(known.F, known.lambdas, scales, known.targets, known.noise)
    assert "not one perfect" in third(both).complaints[0]


def test_bad_tensors_are_refused():
    known = world(5, 3, 4)
    fourth = known.cumulants(4)
    noise = np.random.default_rng(0).standard_normal((4, 4))
    spoilt = fourth.copy()
    spoilt[2] += 0.05 * np.abs(fourth).max() * np.einsum("ab,cd->abcd", noise, noise)
    for axes in ((0, 2, 1, 3), (0, 3, 2, 1)):
        spoilt[2] += spoilt[2].transpose(axes)
    with pytest.raises(Unidentifiable, match=r"tensor 2 is missed by .* when built again"):
        cumulants.solve_fourth(spoilt, 3, rng=rng(), tries=2)


def test_bad_input_says_what_fails_and_what_is_left():
    known = world(6, 3, 4)
    second, cubes, fourth = (known.cumulants(r) for r in (2, 3, 4))
    with pytest.raises(Unidentifiable, match="2 contexts are fewer than 3 latents; still ident"):
        cumulants.solve_third(second[:3], cubes[:3], rng=rng())
    with pytest.raises(Unidentifiable, match="2 contexts are fewer than 3 latents"):
        cumulants.solve_fourth(fourth[:3], 3, rng=rng())
    with pytest.raises(Unidentifiable, match="context 3 has no visible effect"):
        cumulants.solve_third(second[[0, 1, 2, 0]], cubes[[0, 1, 2, 0]], rng=rng())
    with pytest.raises(Unidentifiable, match=r"rank 3 below 4 latents; .* by order 4"):
        cumulants.solve_third(second, cubes, 4, rng=rng())
    for noise in ("gaussian", "laplace"):
        with pytest.raises(Unidentifiable, match=r"third cumulant of 3 of 3 noises .* by order 4"):
            third(world(6, 3, 4, noise))
    with pytest.raises(Unidentifiable, match="rank below 3: a Gaussian noise"):
        cumulants.solve_fourth(world(6, 3, 4, "gaussian").cumulants(4), 3, rng=rng())
    with pytest.raises(Unidentifiable, match="expected p >= 3"):
        cumulants.solve_fourth(world(6, 3, 2).cumulants(4), 3, rng=rng())
    broken = cubes.copy()
    broken[0, 0, 0, 0] = np.inf
    with pytest.raises(Unidentifiable, match="1 of 256 values are NaN or infinite"):
        cumulants.solve_third(second, broken, rng=rng())
    with pytest.raises(Unidentifiable, match="90 samples are too few for a cumulant of order 3"):
        cumulants.solve_samples(known.draw(90, rng()), 3, rng=rng())
    gauss = world(6, 3, 4, "gaussian").draw(5000, rng())
    with pytest.raises(Unidentifiable, match="symmetric or Gaussian noise, or too few samples"):
        cumulants.solve_samples(gauss, 3, rng=rng())
    with pytest.raises(ValueError, match="order: expected 3 or 4, found 5"):
        cumulants.solve_samples(gauss, 3, order=5, rng=rng())
