"""MCC and R2: what is parted, what is there, and what neither is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import LinearRegression

from cvq_tutorial.measure.disentanglement import matched

RNG = np.random.default_rng(0)
FACTORS = RNG.integers(0, (4, 6, 9), (1200, 3))
SCALED = (FACTORS - FACTORS.mean(0)) / FACTORS.std(0)


def test_latents_that_are_the_factors_in_any_order_sign_and_stretch_score_one():
    found = matched(np.stack([-SCALED[:, 2], np.exp(SCALED[:, 0]), SCALED[:, 1]], 1), FACTORS)
    assert found.mcc.value == pytest.approx(1)
    assert found.latents.tolist() == [1, 2, 0]
    assert found.mcc.permuted < 0.1 and found.r2.permuted < 0.05
    plain = matched(SCALED, FACTORS)
    assert plain.r2.value == pytest.approx(1) == plain.mcc.value


def test_a_rotation_is_all_there_and_not_parted():
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((3, 3)))[0]
    found = matched(SCALED @ turn, FACTORS)
    assert found.r2.value == pytest.approx(1) and found.mcc.value < 0.9


def test_noise_is_neither_and_a_factor_without_a_latent_counts_nothing():
    noise = matched(RNG.standard_normal((1200, 5)), FACTORS)
    assert noise.mcc.value < 0.1 and noise.r2.value < 0.05
    one = matched(SCALED[:, 1:2], FACTORS)
    assert one.latents.tolist() == [-1, 0, -1] and one.mcc.value == pytest.approx(1 / 3)
    assert one.r2.value == pytest.approx(1 / 3, abs=0.02)


def test_against_scipy_and_scikit_learn():
    latents = SCALED @ RNG.standard_normal((3, 2)) + 0.3 * RNG.standard_normal((1200, 2))
    found = matched(latents, FACTORS, seed=5)
    rho = np.abs(spearmanr(latents, FACTORS).statistic[:2, 2:])
    best = max(rho[0, i] + rho[1, j] for i in range(3) for j in range(3) if i != j)
    assert found.mcc.value == pytest.approx(best / 3)
    order = np.random.default_rng(5).permutation(1200)
    learn, judge = order[:600], order[600:]
    line = LinearRegression().fit(latents[learn], FACTORS[learn])
    left = np.square(FACTORS[judge] - line.predict(latents[judge])).mean(0)
    wanted = np.mean(np.maximum(0, 1 - left / FACTORS[judge].var(0)))
    assert found.r2.value == pytest.approx(wanted)


def test_constants_are_left_out_and_codes_refused():
    found = matched(
        np.concatenate([np.ones((1200, 1)), SCALED], 1), np.c_[FACTORS, np.zeros(1200, int)]
    )
    assert found.latents.tolist() == [1, 2, 3, -1] and found.mcc.value == pytest.approx(1)
    nothing = matched(np.ones((20, 2)), FACTORS[:20])
    assert nothing.mcc.value == nothing.r2.value == 0 and "constant" in nothing.mcc.notes[-1]
    with pytest.raises(TypeError, match=r"expected continuous latents \(floats\), found codes"):
        matched(FACTORS, FACTORS)
