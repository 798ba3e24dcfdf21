"""Every figure: drawn without a warning, legible, told in words, the same each time."""

from __future__ import annotations

import inspect
import io
import re

import figure_cases
import numpy as np
import pytest
from figure_cases import CASES, GRAPHS, drawn
from figure_parts import visible_texts
from matplotlib import pyplot
from PIL import Image

from cvq_tutorial import draw

# need a model or a report, and have tests of their own
ELSEWHERE = {"overview", "method_overview", "world_card", "training_animation"}


def test_every_figure_that_the_room_offers_has_a_case():
    makes = {
        name
        for name in draw.__all__
        if str(getattr(inspect.signature(getattr(draw, name)), "return_annotation", ""))
        == "Picture"
    }
    source = inspect.getsource(figure_cases)
    assert len(makes) > 20
    assert {name for name in makes if f"draw.{name}(" not in source} == ELSEWHERE & makes


@pytest.mark.parametrize("case", CASES)
def test_a_figure_is_drawn_without_a_warning_and_leaves_nothing_open(case):
    image = Image.open(io.BytesIO(drawn(case)[1]))
    assert image.width > 300 and np.asarray(image.convert("L")).std() > 3
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize("case", CASES)
def test_a_figure_has_a_summary_of_one_line_with_numbers(case):
    summary = drawn(case)[0].summary
    assert len(summary) > 30 and "\n" not in summary and re.search(r"\d", summary)


@pytest.mark.parametrize("case", GRAPHS)
def test_a_graph_states_orientation_threshold_and_how_many_edges_are_shown(case):
    figure = drawn(case)[0]
    shown = " ".join(text.get_text() for text in visible_texts(figure))
    for told in (shown, figure.summary):
        assert "row = cause, column = effect" in told
        assert re.search(r"threshold[s]? \d\.\d\d", told)
        assert re.search(r"\d+ of \d+ (edges shown|differences listed)", told)


@pytest.mark.parametrize("case", CASES)
def test_all_text_lies_within_the_figure_and_none_overlaps(case):
    figure = drawn(case)[0]
    figure.canvas.draw()
    upright = [t for t in visible_texts(figure) if t.get_rotation() % 90 == 0]
    boxes = [text.get_window_extent() for text in upright]
    for text, box in zip(upright, boxes, strict=True):
        inside = box.x0 >= -1 and box.y0 >= -1
        inside &= box.x1 <= figure.bbox.width + 1 and box.y1 <= figure.bbox.height + 1
        assert inside, f"{text.get_text()!r} sticks out: {box} of {figure.bbox}"
    low, high = np.array([box.get_points() for box in boxes]).swapaxes(0, 1)
    common = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)  # (T, T, 2) pixels
    pairs = np.argwhere(np.triu((common > 1.5).all(axis=2), k=1))
    assert not len(pairs), [(upright[a].get_text(), upright[b].get_text()) for a, b in pairs]


@pytest.mark.parametrize("case", CASES)
def test_axes_have_names(case):
    """Of axes with ticks: a figure that has numbers along an axis says of what."""
    for axes in drawn(case)[0].axes:
        for axis in (axes.xaxis, axes.yaxis):
            ticks = [t.get_text() for t in axis.get_ticklabels() if t.get_visible()]
            numbers = [t for t in ticks if re.fullmatch(r"[\d.\u2212-]+", t)]
            if axes.axison and axes.get_visible() and len(numbers) > 1 and axis.get_visible():
                shared = [a for a in axes.figure.axes if a.get_xlabel() or a.get_ylabel()]
                assert axis.label.get_text() or axes.get_title() or shared, f"{case}: {ticks}"
