"""Rows of images: each in its place, each row named."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cvq_tutorial.draw import style as picture
from cvq_tutorial.draw.rows import traversals


def test_rows_and_steps_are_where_they_should_be():
    images = torch.zeros(2, 3, 3, 8, 8)
    images[1, 2] = 1.0
    figure = traversals(images, ["a", "b"], "moved")
    assert figure.summary == "moved: 2 rows of 3 images, for a, b."
    shown = [axes.images[0].get_array() for axes in figure.axes]
    assert len(shown) == 6 and shown[5].min() == 1 and max(s.max() for s in shown[:5]) == 0
    assert figure.axes[3].get_ylabel() == "b"
    assert picture.png(figure).startswith(b"\x89PNG")


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="5 dimensions"):
        traversals(np.zeros((2, 3, 8, 8)), ["a", "b"], "x")
    with pytest.raises(ValueError, match="names"):
        traversals(torch.zeros(2, 3, 3, 8, 8), ["a"], "x")
