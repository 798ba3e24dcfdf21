"""The world `dsprites`: pictures against slow ones made point by point, and what looks alike."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from cvq_tutorial.data.transitions import (
    changed_pixels,
    invisible_share,
    sample_transitions,
    sample_values,
    split_of,
)
from cvq_tutorial.worlds.dsprites import FACTORS, SIZE, DSprites, draw_stamps, inside
from cvq_tutorial.worlds.factors import FactorSpace


@pytest.fixture(scope="module")
def smooth() -> DSprites:
    return DSprites()


@pytest.fixture(scope="module")
def crisp() -> DSprites:
    return DSprites(antialias=False)


def some_values(n: int, seed: int = 0) -> np.ndarray:
    return FACTORS.values(np.random.default_rng(seed).integers(0, FACTORS.size, n))


def in_shape(shape: int, u: float, v: float) -> bool:
    """The three shapes of scale 1 from their description, in pixels to the right and up."""
    if shape == 0:
        return abs(u) <= 10.4 and abs(v) <= 10.4
    if shape == 1:
        return (u / 14.6) ** 2 + (v / 9.4) ** 2 <= 1
    u, v = u / 10.9, v / 10.9 + 0.12
    return (u**2 + v**2 - 1) ** 3 <= u**2 * v**3


def slow_picture(values: np.ndarray, rays: int) -> np.ndarray:
    """One picture in plain Python: the share of each pixel's samples that lie in the shape."""
    shape, scale, turn, left, top = (int(v) for v in values)
    size, angle = 0.5 + 0.1 * scale, math.radians(9 * turn)
    picture = np.zeros((64, 64, 3), dtype=np.uint8)
    for row in range(64):
        for column in range(64):
            hits = 0
            for i in range(rays):
                for j in range(rays):
                    right = column + (j + 0.5) / rays - (left + 16.5)
                    up = (top + 16.5) - (row + (i + 0.5) / rays)
                    u = right * math.cos(angle) + up * math.sin(angle)  # turned back
                    v = up * math.cos(angle) - right * math.sin(angle)
                    hits += in_shape(shape, u / size, v / size)
            picture[row, column] = round(255 * hits / rays**2)
    return picture


def test_pictures_agree_with_slow_ones(smooth, crisp):
    for values in (*some_values(4), np.array([0, 5, 39, 31, 31]), np.array([2, 0, 0, 0, 0])):
        assert np.array_equal(crisp.render(values[None])[0], slow_picture(values, 1)), values
    for values in some_values(2, seed=1):
        assert np.array_equal(smooth.render(values[None])[0], slow_picture(values, 8)), values


def test_crisp_pictures_are_black_and_white_and_smooth_ones_grey_at_the_edge_only(smooth, crisp):
    values = some_values(200)
    assert set(np.unique(crisp.render(values))) == {0, 255}
    grey = smooth.render(values)[..., 0].astype(int)
    assert len(np.unique(grey)) > 40
    edge = (grey > 0) & (grey < 255)
    assert 0.01 < edge.mean() < 0.03
    assert np.abs(grey - crisp.render(values)[..., 0])[~edge].max() == 0


def test_any_batch_gives_the_same_pictures(smooth):
    values = some_values(40)
    images = smooth.render(values)
    assert images.shape == (40, SIZE, SIZE, 3) and images.dtype == np.uint8
    assert images.flags.c_contiguous and images.flags.writeable
    assert np.array_equal(images[..., 0], images[..., 1])
    assert np.array_equal(images[..., 0], images[..., 2])
    order = np.random.default_rng(1).integers(0, 40, 100)
    assert np.array_equal(smooth.render(values[order]), images[order])
    assert np.array_equal(smooth.render(values[7:8]), images[7:8])
    assert smooth.render(values[:0]).shape == (0, SIZE, SIZE, 3)


def test_no_shape_is_cut_off_at_any_place(smooth):
    corners = [
        [s, 5, t, x, y] for s in range(3) for t in range(40) for x in (0, 31) for y in (0, 31)
    ]
    images = smooth.render(np.array(corners))[..., 0]
    total = images.astype(int).sum(axis=(1, 2)).reshape(3, 40, 4)
    assert (total == total[..., :1]).all()  # as much white in every corner
    for border in (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]):
        assert border.max() == 0


def test_the_shapes_are_alike_in_area_and_grow_with_the_scale(smooth):
    stamps = smooth.stamps.reshape(3, 6, 40, 33, 33) / 255
    area = stamps.sum(axis=(3, 4))  # (shape, scale, turn)
    assert np.abs(area[:, 5] / area[:, 5].mean() - 1).max() < 0.02
    assert np.allclose(area[:, 0].mean(axis=1) / area[:, 5].mean(axis=1), 0.25, atol=0.005)
    assert np.allclose(area[0, 5], 20.8**2, rtol=0.005)
    assert np.allclose(area[1, 5], np.pi * 14.6 * 9.4, rtol=0.005)


def test_a_step_of_place_moves_the_picture_by_one_pixel(smooth):
    x = some_values(50)
    x[:, 3:] = np.minimum(x[:, 3:], 30)
    before = smooth.render(x)
    right, down = (FACTORS.apply(x, np.full(50, action)) for action in (3, 4))
    assert np.array_equal(smooth.render(right)[:, :, 1:], before[:, :, :-1])
    assert np.array_equal(smooth.render(down)[:, 1:], before[:, :-1])


@pytest.mark.parametrize("antialias", [True, False])
def test_what_looks_alike_is_exactly_what_first_alike_says(antialias):
    world = DSprites(antialias)
    every = np.array([[s, c, t, 9, 4] for s in range(3) for c in range(6) for t in range(40)])
    first = world.factors.first_alike(every)
    assert np.array_equal(world.render(first), world.render(every))
    pictures = {image.tobytes() for image in world.render(every)}
    assert len(pictures) == len(np.unique(first, axis=0)) == 6 * (10 + 20 + 40)
    assert np.array_equal(FACTORS.first_alike(first), first)


def test_a_picture_lies_in_one_split_whatever_its_values(smooth):
    every = np.array([[s, 1, t, x, 9] for s in range(3) for t in range(40) for x in range(32)])
    first = FACTORS.first_alike(every)
    splits = split_of(FACTORS, every)
    assert np.array_equal(splits, split_of(FACTORS, first))
    assert np.abs(np.bincount(splits) / len(splits) - [0.7, 0.15, 0.15]).max() < 0.04
    drawn = sample_transitions(FACTORS, 400, "test")
    seen = {image.tobytes() for image in smooth.render(sample_values(FACTORS, 4000, "train"))}
    assert not seen & {image.tobytes() for image in smooth.render(drawn.x)}


@pytest.mark.parametrize("antialias", [True, False])
def test_every_step_is_seen_though_few_pixels_move(antialias):
    world = DSprites(antialias)
    assert invisible_share(world, 3000) == dict.fromkeys(FACTORS.names, 0.0)
    drawn = sample_transitions(FACTORS, 3000)
    moved = changed_pixels(world, drawn)
    turned = moved[drawn.actions % 5 == 2]
    assert turned.min() >= 6 and np.median(moved) < 0.05 * SIZE**2
    # all of them, not a sample: any stamp against its neighbours in scale, turn and shape
    stamps = world.stamps.reshape(3, 6, 40, -1)
    for axis in range(3):
        assert (np.diff(stamps.astype(int), axis=axis) != 0).any(axis=3).all()
    assert (stamps[:, :, 0] != stamps[:, :, 39]).any(axis=2).all()


def test_factors_options_and_fingerprints(smooth, crisp):
    assert FACTORS.sizes == (3, 6, 40, 32, 32) and FACTORS.size == 737_280
    assert [f.cyclic for f in FACTORS.factors] == [False, False, True, False, False]
    assert isinstance(FACTORS, FactorSpace)
    assert FactorSpace.from_json(FACTORS.to_json()).to_json() == FACTORS.to_json()
    assert smooth.options == {"antialias": True} and DSprites(**crisp.options) == crisp
    assert smooth != crisp and smooth.fingerprint != crisp.fingerprint
    again = pickle.loads(pickle.dumps(smooth))
    assert np.array_equal(again.render(some_values(3)), smooth.render(some_values(3)))
    assert "Matthey" in smooth.credit and "stamps" not in repr(smooth)
    with pytest.raises(ValueError, match="read-only"):
        smooth.stamps[0] = 0


def test_bad_input_is_refused(smooth):
    with pytest.raises(ValueError, match=r"'scale': expected a value in 0\.\.5, found 6 in row 1"):
        smooth.render(np.array([[0, 0, 0, 0, 0], [0, 6, 0, 0, 0]]))
    with pytest.raises(ValueError, match=r"expected shape \(B, 5\)"):
        smooth.render(np.zeros((2, 6), dtype=int))
    with pytest.raises(TypeError, match="expected integers, found float64"):
        smooth.render(np.ones((2, 5)))
    with pytest.raises(TypeError, match="antialias: expected True or False, found 1"):
        DSprites(antialias=1)
    with pytest.raises(ValueError, match="rays: expected 1 or more, found 0"):
        draw_stamps(0)
    with pytest.raises(ValueError, match="expected one of square, ellipse, heart, found 'star'"):
        inside("star", np.zeros(1), np.zeros(1))
