"""The figure of pairs of pictures."""

from __future__ import annotations

import numpy as np
import pytest

from cvq_tutorial.draw.rows import PAIRS, pairs

X = np.random.default_rng(0).integers(0, 256, size=(3, 8, 8, 3), dtype=np.uint8)
TITLES, NOTES = ["Round+", "Red-", "Large+"], ["", "Dark\nFramed", "Dark"]


def test_both_pictures_of_each_pair_are_shown_with_their_texts():
    figure = pairs(X, X[::-1], TITLES, NOTES)
    shown = [axes.images[0].get_array() for axes in figure.axes]
    assert np.allclose(shown, np.concatenate([X, X[::-1]]) / 255)
    assert [axes.get_title() for axes in figure.axes[:3]] == TITLES
    assert [axes.get_xlabel() for axes in figure.axes[3:]] == NOTES
    assert "Red- (Dark Framed)" in figure.summary


def test_at_most_ten():
    many = np.repeat(X, 5, axis=0)
    figure = pairs(many, many, ["a"] * 15, [""] * 15)
    assert len(figure.axes) == 2 * PAIRS
    assert figure.summary.startswith("10 of 15 pairs")
    named = pairs(many, many, [f"t{i}" for i in range(15)], ["n"] * 15)
    assert named.summary.endswith("t8 (n), t9 (n)")  # what is not drawn is not told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((X, X[:2], TITLES, NOTES), r"after: expected shape \(3, 8, 8, 3\)"),
        ((X, X, TITLES[:2], NOTES), "expected 3 titles, found 2"),
        ((X, X, TITLES, NOTES[:2]), "notes: expected 3, found 2"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, told):
    with pytest.raises(ValueError, match=told):
        pairs(*arguments)
