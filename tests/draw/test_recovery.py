"""The recovery curve: what it draws, what it says, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cvq_tutorial.draw import style as picture
from cvq_tutorial.draw.curves import cutting_curve, recovery_curve


def test_curves_and_levels_are_drawn_as_they_are():
    found = recovery_curve(
        [0, 10, 20], {"read": [0.4, 0.5, 0.75], "needed": torch.tensor([0.0, 0.9, 1.0])},
        {"every edge": 0.43},
    )  # fmt: skip
    axes = found.axes[0]
    level, read, needed = axes.lines
    assert level.get_ydata() == [0.43, 0.43]
    assert read.get_xdata().tolist() == [0, 10, 20]
    assert read.get_ydata().tolist() == [0.4, 0.5, 0.75]
    np.testing.assert_allclose(needed.get_ydata(), [0.0, 0.9, 1.0], rtol=1e-6)
    assert read.get_marker() != needed.get_marker()  # told apart without colour
    assert axes.get_ylim()[0] == 0 and axes.get_ylim()[1] >= 1
    for part in (
        "read from 0.40 to 0.75",
        "needed from 0.00 to 1.00",
        "every edge 0.43",
        "0 to 20",
    ):
        assert part in found.summary
    assert picture.png(found) == picture.png(found)


def test_without_controls_and_with_foreign_names():
    found = recovery_curve([1, 2], {"$x$\n" + "y" * 90: [0, 1]}, title="t", ylabel="score")
    assert "controls" not in found.summary
    assert found.summary.startswith("t: score, steps 1 to 2")
    assert found.legends[0].get_texts()[0].get_text().startswith(r"\$x\$ y")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0], {"a": [0.5]}), "at least two and grow, found"),
        (([0, 0], {"a": [0.5, 0.5]}), "at least two and grow, found"),
        (([0, 1], {}), "expected 1 to 4 curves, found 0"),
        (([0, 1], {n: [0, 1] for n in "abcde"}), "expected 1 to 4 curves, found 5"),
        (([0, 1], {"a": [0.5, 1.5]}), r"scores of a must be probabilities in \[0, 1\]"),
        (([0, 1], {"a": [0.5]}), r"scores of a must have shape \(2,\), found \(1,\)"),
        (([0, 1], {"a": [0.5, float("nan")]}), "scores of a must be finite"),
        (([0, 1], {"a": [0, 1]}, {"b": 2.0}), r"levels must be probabilities in \[0, 1\]"),
    ],
)
def test_bad_input_is_one_line(arguments, message):
    with pytest.raises(ValueError, match=message):
        recovery_curve(*arguments)


def test_what_cutting_costs_is_drawn_as_it_is():
    found = cutting_curve(
        [0, 0.25, 1], {"causes": torch.tensor([0.0, 2.0, 25.0]), "off": [0, 0, 0]},
        {"guessing": 16.6},
    )  # fmt: skip
    axes = found.axes[0]
    level, causes, off = axes.lines
    assert level.get_ydata() == [16.6, 16.6]
    assert causes.get_ydata().tolist() == [0, 2, 25] and off.get_ydata().tolist() == [0, 0, 0]
    assert causes.get_marker() != off.get_marker()  # told apart without colour
    assert axes.get_ylim()[0] <= 0 and axes.get_ylim()[1] > 25
    assert "nats" in axes.get_ylabel()
    for part in ("0%, 25%, 100%", "causes 0.0, 2.0, 25.0", "off 0.0, 0.0, 0.0", "guessing 16.6"):
        assert part in found.summary


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0], {"a": [0.5]}), "shares must be at least two and grow, found"),
        (([0.5, 0.25], {"a": [0, 1]}), "shares must be at least two and grow, found"),
        (([0, 2], {"a": [0, 1]}), r"shares must be probabilities in \[0, 1\]"),
        (([0, 1], {}), "expected 1 to 4 curves, found 0"),
        (([0, 1], {"a": [0, 1]}, {"b": float("nan")}), "levels must be finite"),
        (([0, 1], {"a": [1]}), r"costs of a must have shape \(2,\), found \(1,\)"),
        (([0, 1], {"a": [0, float("inf")]}), "costs of a must be finite"),
    ],
)
def test_bad_costs_are_one_line(arguments, message):
    with pytest.raises(ValueError, match=message):
        cutting_curve(*arguments)
