"""Sharpness and the Frechet distance against slow, obvious versions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from cvq_tutorial.measure.fidelity import frechet, sharpness


def test_sharpness_is_the_mean_step_between_neighbours():
    images = torch.zeros(2, 3, 4, 6)
    images[..., 3:] = 0.5  # one edge: of 5 steps along a row one is 0.5, none along a column
    assert sharpness(images) == pytest.approx((0 + 0.5 / 5) / 2)
    assert sharpness(images.mT) == pytest.approx(sharpness(images))  # and the same upright
    soft = torch.nn.functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    assert sharpness(images + 0.2) == pytest.approx(sharpness(images))
    assert sharpness(torch.rand(1, 3, 8, 8)) > sharpness(soft)


def test_frechet_distance_agrees_with_the_formula():
    rng = np.random.default_rng(0)
    one, two = rng.standard_normal((200, 5)), rng.standard_normal((150, 5)) @ np.diag(range(1, 6))
    S, T = np.cov(one.T), np.cov(two.T)
    gap = ((one.mean(0) - two.mean(0)) ** 2).sum()
    wanted = gap + np.trace(S + T - 2 * np.real(sqrtm(S @ T)))
    assert frechet(one, two) == pytest.approx(wanted, rel=1e-6)
    assert frechet(one, one) == pytest.approx(0, abs=1e-9)
    assert frechet(one, one + 3) == pytest.approx(45)
    assert frechet(one, two) == pytest.approx(frechet(two, one))


def test_bad_samples_are_one_line():
    with pytest.raises(ValueError, match="samples of at least 2, found 1 and 3"):
        frechet(np.ones((1, 2)), np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"other must have shape \(any, 2\)"):
        frechet(np.ones((3, 2)), np.ones((3, 4)))
