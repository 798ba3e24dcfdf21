"""Figures about codebooks: they say what they show, and refuse what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from cvq_tutorial.draw import style as picture
from cvq_tutorial.draw.quantized import channels_read, error_against_bits

SPLIT = np.kron(np.eye(2, dtype=bool), np.ones((1, 3), dtype=bool))
OVERLAP = np.array([[1, 1, 1, 0, 0, 0], [0, 1, 1, 1, 0, 0]], dtype=bool)


def test_channels_are_counted_and_unread_ones_crossed():
    figure = channels_read({"split": SPLIT, "overlap": OVERLAP})
    assert figure.summary == (
        "Channels read by 2 codebooks: split 6 of 6 channels; overlap 4 of 6 channels; crosses are "
        "unread."
    )
    assert [len(axes.lines[0].get_xdata()) for axes in figure.axes] == [0, 2]
    assert picture.png(figure).startswith(b"\x89PNG")


def test_quality_against_bits_names_its_ends_and_its_control():
    figure = error_against_bits(["1 x 4", "4 x 4"], [2, 8], [20.0, 25.0], [4, 16], 15.0)
    assert "from 1 x 4 (2 bits, 20.0 dB) to 4 x 4 (8 bits, 25.0 dB)" in figure.summary
    (axes,) = figure.axes
    assert "bits" in axes.get_xlabel() and "dB" in axes.get_ylabel()
    assert "15.0 dB" in axes.get_xlabel()
    assert "1 x 4 (4 vectors)" in {text.get_text() for text in axes.texts}


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: channels_read({}), "at least one layout"),
        (lambda: channels_read({"a": SPLIT, "b": OVERLAP[:1]}), "of one shape"),
        (lambda: error_against_bits(["a"], [1], [1, 2], [1]), "one number per name"),
        (lambda: error_against_bits(["a", "b"], [1], [1], [1]), "names"),
    ],
)
def test_what_does_not_fit_is_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
