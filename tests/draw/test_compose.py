"""Pictures of actions in a row: drawn without a warning, legible, honest about what is absent."""

from __future__ import annotations

import io
import re
import warnings
from functools import cache

import numpy as np
import pytest
import torch
from figure_parts import some_images, visible_texts
from matplotlib import pyplot
from PIL import Image

from cvq_tutorial.draw import compose as draw_compose
from cvq_tutorial.draw.style import Picture, png
from cvq_tutorial.measure.metrics import psnr

LINES = ("belief", "codes", "images", "ceiling", "copy")
LONG = ["object_hue+", "orientation-", "W" * 30, "$x$\n_2"] * 3


def table(steps: int = 10, lines=LINES, top: float = 32.0) -> dict[str, list[float]]:
    falls = np.arange(steps) / steps
    return {line: (top * (1 - 0.09 * i * falls)).tolist() for i, line in enumerate(lines)}


CASES = {
    "growth": lambda: draw_compose.error_growth(table(), table(top=1.0)),
    "growth, no judge": lambda: draw_compose.error_growth(table()),
    "growth, no copy": lambda: draw_compose.error_growth(table(3, LINES[:4])),
    "growth, copy alone": lambda: draw_compose.error_growth(table(3, ["copy"])),
    "growth, one step": lambda: draw_compose.error_growth(table(1), table(1, top=1.0)),
    "strip": lambda: draw_compose.plan_strip(
        some_images(4), LONG[:3], some_images(4), some_images(1)
    ),
    "strip, the longest": lambda: draw_compose.plan_strip(
        some_images(13), LONG, some_images(13), some_images(1)
    ),
    "strip, not all true": lambda: draw_compose.plan_strip(
        some_images(4), LONG[:3], some_images(2), title="t" * 90
    ),
    "strip, imagined alone": lambda: draw_compose.plan_strip(
        torch.rand(3, 3, 16, 16), LONG[:2], target=torch.rand(1, 3, 16, 16)
    ),
    "strip, no action": lambda: draw_compose.plan_strip(some_images(1), []),
}


@cache
def drawn(case: str) -> tuple[Picture, bytes]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = CASES[case]()
        return figure, png(figure)


@pytest.mark.parametrize("case", CASES)
def test_a_figure_is_drawn_without_warning_and_leaves_nothing_open(case):
    figure, picture = drawn(case)
    image = Image.open(io.BytesIO(picture))
    assert image.width > 300 and np.asarray(image.convert("L")).std() > 3
    assert pyplot.get_fignums() == []
    assert "\n" not in figure.summary and re.search(r"\d", figure.summary)
    assert picture == png(CASES[case]()) or "imagined alone" in case  # which draws random images


@pytest.mark.parametrize("case", CASES)
def test_all_text_lies_within_the_figure_and_none_overlaps(case):
    figure = drawn(case)[0]
    figure.canvas.draw()
    texts = visible_texts(figure)
    boxes = [text.get_window_extent() for text in texts]
    for text, box in zip(texts, boxes, strict=True):
        inside = box.x0 >= -1 and box.y0 >= -1
        inside &= box.x1 <= figure.bbox.width + 1 and box.y1 <= figure.bbox.height + 1
        assert inside, f"{text.get_text()!r} sticks out: {box} of {figure.bbox}"
    low, high = np.array([box.get_points() for box in boxes]).swapaxes(0, 1)
    common = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)  # (T, T, 2) pixels
    pairs = np.argwhere(np.triu((common > 1.5).all(axis=2), k=1))
    assert not len(pairs), [(texts[a].get_text(), texts[b].get_text()) for a, b in pairs]


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
