"""Figures about quantising: they say what they show, and refuse what does not fit."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from cvq_tutorial.draw.quantized import (
    code_cells,
    codes_among_points,
    patches_by_code,
)
from cvq_tutorial.draw.rows import image_rows
from cvq_tutorial.draw.style import png

RNG = np.random.default_rng(0)
IMAGES = RNG.random((3, 3, 16, 16))
CODES = np.array([[0, 1, 1, 2], [2, 2, 1, 0], [3, 3, 3, 3]])[..., None]  # 2 x 2 places
CORNERS = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 2.0]])


def test_patches_are_those_that_have_the_code():
    figure = patches_by_code(IMAGES, CODES, (2, 2), [2, 3], limit=4)
    shown = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    whole = IMAGES.transpose(0, 2, 3, 1)
    assert len(shown) == 3 + 4
    assert np.allclose(shown[0], whole[0, 8:, 8:])  # image 0, node 3
    assert np.allclose(shown[1], whole[1, :8, :8])
    assert np.allclose(shown[3], whole[2, :8, :8])
    assert "code 2 at 3 places, code 3 at 4 places" in figure.summary


def test_patches_of_a_frequent_code_come_from_different_images():
    codes = np.zeros((3, 4, 2), dtype=int)
    figure = patches_by_code(IMAGES, codes, (2, 2), [0], limit=3, codebook=1)
    assert len(figure.axes) == 3
    last = figure.axes[2].images[0].get_array()
    assert np.allclose(last, IMAGES.transpose(0, 2, 3, 1)[2, 8:, 8:])


def test_a_code_that_nobody_has_is_an_empty_row():
    figure = patches_by_code(IMAGES, CODES, (2, 2), [9, 1])
    assert "code 9 at 0 places" in figure.summary
    png(figure)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((IMAGES, CODES[..., 0], (2, 2), [1]), "codes must be integers"),
        ((IMAGES, CODES + 0.5, (2, 2), [1]), "codes must be integers"),
        ((IMAGES[:2], CODES, (2, 2), [1]), "of 2 images"),
        ((IMAGES, CODES, (2, 3), [1]), "grid"),
        ((IMAGES, CODES, (2, 2), []), "at least one code"),
        ((IMAGES, CODES, (2, 2), [1], 0), "limit"),
    ],
)
def test_patches_refuse_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        patches_by_code(*arguments)


def test_patches_of_a_codebook_that_is_not_there():
    with pytest.raises(ValueError, match=r"codebook must lie in 0..0, found 1"):
        patches_by_code(IMAGES, CODES, (2, 2), [1], codebook=1)


def test_cells_tell_the_codes_on_the_way():
    path = np.array([[-0.9, 0.0], [-0.5, 0.1], [0.5, 0.1], [0.2, 1.9], [0.1, 2.0]])
    figure = code_cells(CORNERS, path, [0.0, 2.0])
    assert "in 4 steps" in figure.summary
    assert "0, 1, 2" in figure.summary
    assert "0 -> 1 -> 2" in figure.axes[0].get_title()


def test_the_copied_step_is_the_step_asked_of_the_code():
    figure = code_cells(CORNERS, [[-0.9, 0.3]], [0.0, 2.0])
    arrows = [a for a in figure.axes[0].texts if getattr(a, "arrow_patch", None) is not None]
    steps = [np.subtract(a.xy, a.xyann) for a in arrows]
    assert len(steps) == 2
    assert np.allclose(steps[0], steps[1])
    assert np.allclose(steps[0] / np.linalg.norm(steps[0]), np.array([1, 2]) / 5**0.5)


def test_cells_are_coloured_by_the_nearest_code():
    pixels = np.asarray(Image.open(io.BytesIO(png(code_cells(CORNERS, CORNERS[:1], [0.5, 0.5])))))
    assert len({tuple(c) for c in pixels[::5, ::5, :3].reshape(-1, 3).tolist()}) > 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((CORNERS[:1], CORNERS, [0, 0]), "at least two"),
        ((np.zeros((3, 3)), CORNERS, [0, 0]), "shape"),
        ((CORNERS, np.zeros((0, 2)), [0, 0]), "path"),
        ((CORNERS, CORNERS, [0, 0, 0]), "target"),
    ],
)
def test_cells_refuse_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        code_cells(*arguments)


def test_codes_among_points_count_those_in_use():
    points = np.concatenate([RNG.normal(size=(200, 5)) * [9, 5, 1, 1, 1], np.zeros((1, 5))])
    far = np.full((4, 5), 900.0)
    far[0] = 0
    figure = codes_among_points(points, {"good": points[:4], "collapsed": far})
    assert "good 4 of 4, collapsed 1 of 4" in figure.summary
    first, second = figure.axes
    assert len(first.lines[1].get_xdata()) == 0
    assert len(second.lines[1].get_xdata()) == 3  # crosses
    assert np.array_equal(first.lines[0].get_xydata(), second.lines[0].get_xydata())


def test_points_are_drawn_in_the_colours_that_are_given():
    points, colours = RNG.normal(size=(60, 3)), RNG.random((60, 3))
    figure = codes_among_points(points, {"a": points[:4]}, colours=colours)
    (cloud,) = figure.axes[0].collections
    assert np.allclose(cloud.get_facecolors()[:, :3], colours)
    told = figure.get_supxlabel()
    assert "in colour: map vectors; white: code in use" in told
    for bad in (colours[:59], colours + 1):
        with pytest.raises(ValueError, match="colours must"):
            codes_among_points(points, {"a": points[:4]}, colours=bad)


def test_the_plane_is_that_of_most_variance():
    points = RNG.normal(size=(400, 4)) * [0.1, 6, 0.1, 3]
    figure = codes_among_points(points, {"a": np.zeros((2, 4))})
    drawn = figure.axes[0].lines[0].get_xydata()
    assert np.allclose(np.sort(drawn.var(0))[::-1], np.sort(points.var(0))[::-1][:2], rtol=0.01)


@pytest.mark.parametrize(
    ("points", "books", "message"),
    [
        (np.zeros((2, 4)), {"a": np.zeros((2, 4))}, "points"),
        (RNG.random((9, 4)), {}, "at least one codebook"),
        (RNG.random((9, 4)), {"a": np.zeros((2, 3))}, r"a: expected code vectors \(K, 4\)"),
    ],
)
def test_codes_among_points_refuse_what_does_not_fit(points, books, message):
    with pytest.raises(ValueError, match=message):
        codes_among_points(points, books)


def test_rows_tell_the_error_against_the_first():
    worse = np.clip(IMAGES + 0.1, 0, 1)
    figure = image_rows({"true": IMAGES, "same": IMAGES, "worse": worse}, 2)
    decibels = -10 * np.log10(((worse - IMAGES) ** 2).mean())
    assert "2 of 3" in figure.summary
    assert f"same 100.0 dB, worse {decibels:.1f} dB" in figure.summary
    assert len(figure.axes) == 6
    assert "dB" not in image_rows({"true": IMAGES, "other": worse}, compare=False).summary


def test_rows_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="at least one row"):
        image_rows({})
    with pytest.raises(ValueError, match="b: expected images"):
        image_rows({"a": IMAGES, "b": IMAGES[:2]})
