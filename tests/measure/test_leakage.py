"""The leakage of interventions, by hand, against a loop, and against `metrics.interventions`."""

from __future__ import annotations

import numpy as np
import pytest

from cvq_tutorial.measure import metrics
from cvq_tutorial.measure.leakage import edits_per_factor, leakage


def some_edits(n: int = 500, n_factors: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    expected = rng.integers(5, size=(n, n_factors))
    read = np.where(rng.random(expected.shape) < 0.2, rng.integers(5, size=(n, 1)), expected)
    return read, expected, rng.integers(n_factors - 1, size=n)  # the last one is never set


def test_leakage_by_hand():
    expected = np.array([[1, 0, 0], [2, 1, 3], [0, 0, 1]])
    read = expected.copy()
    read[0, 0] = 0  # hue was set and missed its value
    read[1, 2] = 0  # shape was set and size moved
    share = leakage(read, expected, np.array([0, 1, 0]))
    assert share.tolist() == [[0.5, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert edits_per_factor(np.array([0, 1, 0]), 3).tolist() == [2, 1, 0]


def test_leakage_against_a_loop():
    read, expected, factor = some_edits()
    slow = np.zeros((4, 4))
    for row in range(3):
        for column in range(4):
            wrong = [r[column] != e[column] for r, e in zip(read, expected, strict=True)]
            slow[row, column] = np.mean(np.array(wrong)[factor == row])
    assert leakage(read, expected, factor) == pytest.approx(slow)


def test_the_diagonal_is_what_interventions_call_the_target_missed():
    read, expected, factor = some_edits()
    names = ("a", "b", "c", "d")
    zero = np.zeros(len(factor))
    told = metrics.interventions(
        zero, zero, zero, zero, read, read, expected, factor, names, dict.fromkeys(names, 1.0)
    )
    share = leakage(read, expected, factor)
    for index, name in enumerate(names[:3]):
        assert 1 - share[index, index] == pytest.approx(told["per_factor"][name]["target_reached"])


def test_nothing_leaks_where_all_is_as_expected():
    _, expected, factor = some_edits()
    assert not leakage(expected, expected, factor).any()


def test_leakage_refuses():
    read, expected, factor = some_edits()
    with pytest.raises(ValueError, match=r"read must have shape \(500, 4\), found \(500, 3\)"):
        leakage(read[:, :3], expected, factor)
    with pytest.raises(ValueError, match=r"factor must lie in 0\.\.3, found 1\.\.4"):
        leakage(read, expected, np.clip(factor, 1, None) + 2 * (factor == 2))
    with pytest.raises(TypeError, match="expected must be integers"):
        leakage(read, expected * 1.0, factor)
    with pytest.raises(ValueError, match="must not be empty"):
        leakage(read[:0], expected[:0], factor[:0])
