"""Pictures of actions in a row: drawn without a warning, legible, honest about what is absent."""

from __future__ import annotations

import re

import numpy as np
import pytest
from figure_cases import LONG, drawn, table
from figure_parts import some_images

from cvq_tutorial import draw as draw_compose
from cvq_tutorial.measure.metrics import psnr


def test_lines_are_told_by_more_than_colour_and_start_at_the_first_action():
    figure = drawn("growth")[0]
    whole, near, judged = figure.axes
    looks = {(line.get_linestyle(), line.get_marker()) for line in whole.lines}
    assert len(whole.lines) == len(judged.lines) == len(looks) == 5 and len(near.lines) == 4
    for line, values in zip(whole.lines, table().values(), strict=True):
        assert line.get_xdata() == pytest.approx(range(1, 11)) and list(line.get_ydata()) == values
    assert figure.legends[0].get_texts()[0].get_text() == "belief carried on"
    assert "All factors right after the last, says the judge" in figure.summary
    assert "copy: image before the first action 32.0 to" in figure.summary


def test_a_strip_shows_each_image_and_its_error():
    imagined, truth = some_images(4), some_images(5)[:2]
    figure = draw_compose.plan_strip(imagined, ["a+", "b+", "a-"], truth, some_images(1))
    top, bottom = figure.axes[:5], figure.axes[5:]
    for axes, image in zip(bottom[:4], imagined, strict=True):
        assert np.allclose(axes.images[0].get_array(), image / 255)
    for axes, image in zip(top[:2], truth, strict=True):
        assert np.allclose(axes.images[0].get_array(), image / 255)
    assert [axes.get_title() for axes in top] == ["x", "1: a+", "2: b+", "3: a-", "y"]
    assert [bool(axes.texts) for axes in top] == [False, False, True, True, False]
    told = [psnr(float(np.square((a - b * 1.0) / 255).mean())) for a, b in zip(imagined, truth)]  # noqa: B905
    assert [axes.get_xlabel() for axes in bottom[:2]] == [f"{error:.1f} dB" for error in told]
    assert figure.summary.endswith("Action 2 does not exist in the world.")


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: draw_compose.error_growth({}), "decibels must have at least one line, found none"),
        (lambda: draw_compose.error_growth({"beliefs": [1]}), "did you mean 'belief'"),
        (lambda: draw_compose.error_growth({"copy": []}), "one number per step and line, found"),
        (
            lambda: draw_compose.error_growth({"copy": [1], "codes": [1, 2]}),
            "one number per step and line, found {'codes': 2, 'copy': 1}",
        ),
        (lambda: draw_compose.error_growth({"copy": [float("nan")]}), "must lie in [0, inf]"),
        (
            lambda: draw_compose.error_growth(table(), {"copy": [1.5]}),
            "all_right must lie in [0, 1]",
        ),
        (
            lambda: draw_compose.plan_strip(some_images(3), ["a"]),
            "expected 2 action names, found 1",
        ),
        (
            lambda: draw_compose.plan_strip(some_images(14), [*LONG, "a"]),
            "at most 12 actions, found 13",
        ),
        (
            lambda: draw_compose.plan_strip(some_images(2), ["a"], some_images(3)),
            "truth must be at most 2 images of shape (16, 16, 3), found 3",
        ),
        (
            lambda: draw_compose.plan_strip(some_images(2), ["a"], some_images(2, 8)),
            "truth must be at most 2 images of shape (16, 16, 3), found 2 of (8, 8, 3)",
        ),
        (
            lambda: draw_compose.plan_strip(some_images(2), ["a"], None, some_images(2)),
            "target must be one image",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        draw()
