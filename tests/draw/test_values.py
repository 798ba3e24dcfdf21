"""Accuracy by value: what is drawn is what was given."""

from __future__ import annotations

import numpy as np
import pytest

from cvq_tutorial.draw.curves import accuracy_by_value

SHARES, LABELS = [0.7, 0.2, 0.1], ["red", "green", "blue"]
LINES = {"even": [1.0, 0.9, 0.8], "skewed": [1.0, 0.5, 0.25]}


def test_bars_are_shares_and_lines_are_accuracies():
    figure = accuracy_by_value(SHARES, LINES, LABELS, chance=0.25)
    bars, axes = figure.axes
    assert np.allclose([bar.get_height() for bar in bars.patches], SHARES)
    drawn = {line.get_label(): line.get_ydata() for line in axes.lines}
    assert np.allclose(drawn["skewed"], LINES["skewed"])
    assert np.allclose(drawn["even"], LINES["even"])
    assert np.allclose(drawn["chance"], 0.25)
    assert [text.get_text() for text in axes.get_xticklabels()] == LABELS
    names = [text.get_text() for legend in (bars.get_legend(), figure.legends[0]) for text in
             legend.get_texts()]  # fmt: skip
    assert names == ["even share", "even", "skewed", "chance"]  # no name stands for two things
    assert "skewed 0.58 on average, 0.25 at worst (blue)" in figure.summary


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((SHARES[:2], LINES, LABELS, 0.1), "shares"),
        ((SHARES, {"even": [1.0]}, LABELS, 0.1), "even"),
        ((SHARES, {}, LABELS, 0.1), "1 to 4 methods, found 0"),
        ((SHARES, LINES, LABELS, 2.0), "chance must lie in"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, told):
    *given, chance = arguments
    with pytest.raises(ValueError, match=told):
        accuracy_by_value(*given, chance=chance)
