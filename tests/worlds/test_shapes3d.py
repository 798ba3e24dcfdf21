from __future__ import annotations

import colorsys
import hashlib
import io
import warnings

import numpy as np
import pytest

from cvq_tutorial.data.transitions import Transitions, changed_pixels
from cvq_tutorial.worlds import shapes3d
from cvq_tutorial.worlds.make import make_world, world_names

WORLD = make_world("shapes3d")
SPACE = WORLD.factors
SHAPE, SCALE, TURN = (SPACE.factor_id(n) for n in ("shape", "scale", "orientation"))


def some_values(n: int, seed: int = 0) -> np.ndarray:
    return SPACE.values(np.random.default_rng(seed).integers(0, SPACE.size, n))


def buffers() -> np.ndarray:
    """(shape, scale, orientation, row, column, surface)"""
    return WORLD.weights.reshape(4, 8, 15, 64, 64, 4).astype(int)


def test_factors_are_those_of_3d_shapes():
    assert SPACE.names == ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
    assert SPACE.sizes == (10, 10, 10, 8, 4, 15)
    assert SPACE.size == 480_000
    assert [f.cyclic for f in SPACE.factors] == [True] * 3 + [False] * 3
    assert [f.ordered for f in SPACE.factors] == [True] * 4 + [False, True]
    assert SPACE.factors[SHAPE].values == ("cube", "cylinder", "sphere", "capsule")


def test_pictures_equal_the_slow_sum_over_surfaces():
    values = some_values(12)
    images = WORLD.render(values)
    assert images.shape == (12, 64, 64, 3) and images.dtype == np.uint8
    tones = shapes3d._TONES
    for (floor, wall, thing, scale, shape, turn), image in zip(values, images, strict=True):
        surfaces = zip((floor, wall, thing), tones.values(), strict=True)
        colours = [colorsys.hsv_to_rgb(hue / 10, *tone) for hue, tone in surfaces]
        weights = buffers()[shape, scale, turn]
        slow = sum(weights[:, :, k, None] * np.array(colours[k]) for k in range(3))
        assert np.abs(slow + weights[:, :, 3:] - image).max() <= 0.5 + 1e-4  # rounded, not clipped


def inside(shape: str, p: np.ndarray) -> np.ndarray:
    """Whether points (3, ...) are inside the body of scale 1: the definition, without any ray."""
    x, y, z = p
    r = np.hypot(x, y)
    if shape == "cube":
        half = shapes3d._CUBE
        return (np.abs(x) < half) & (np.abs(y) < half) & (z > 0) & (z < 2 * half)
    if shape == "cylinder":
        radius, height = shapes3d._CYLINDER
        return (r < radius) & (z > 0) & (z < height)
    if shape == "sphere":
        return r**2 + (z - shapes3d._SPHERE) ** 2 < shapes3d._SPHERE**2
    radius, height = shapes3d._CAPSULE
    return r**2 + (z - np.clip(z, radius, height - radius)) ** 2 < radius**2


@pytest.mark.parametrize("shape", range(4))
@pytest.mark.parametrize(("scale", "turn"), [(0, 0), (7, 4), (3, 14)])
def test_the_outline_agrees_with_a_march_along_each_ray(shape, scale, turn):
    # A camera of the test's own: 64 x 64 rays through the centres of the pixels.
    azimuth = np.deg2rad(45 + np.linspace(-30, 30, 15)[turn])
    distance, height = shapes3d._CAMERA
    eye = np.array([-distance * np.cos(azimuth), -distance * np.sin(azimuth), height])
    ahead = np.array([0, 0, shapes3d._TARGET]) - eye
    ahead /= np.linalg.norm(ahead)
    right = np.cross(ahead, [0, 0, 1])
    right /= np.linalg.norm(right)
    offset = ((np.arange(64) + 0.5) / 64 - 0.5) / shapes3d._FOCAL
    rays = (
        ahead[:, None, None]
        + right[:, None, None] * offset[None, None, :]
        - np.cross(right, ahead)[:, None, None] * offset[None, :, None]
    )
    size = np.linspace(0.75, 1.25, 8)[scale]
    marched = np.zeros((64, 64), dtype=bool)
    for t in np.arange(2.5, 8.0, 0.02):
        marched |= inside(shapes3d.SHAPES[shape], (eye[:, None, None] + t * rays) / size)

    weights = buffers()[shape, scale, turn]
    some = weights[:, :, 2] + weights[:, :, 3] > 0
    only = weights[:, :, 0] + weights[:, :, 1] == 0
    assert 100 < only.sum() < some.sum() < 1800
    assert not (marched & ~some).any()  # the march sees nothing where the picture has no object
    assert (only & ~marched).sum() <= 6  # it may step over a grazed edge, nothing else


def test_the_horizon_of_the_floor_is_where_walls_meet_it():
    floor, wall = buffers()[..., 0], buffers()[..., 1]
    assert (wall[..., 0, :] > 0).all() and (floor[..., 0, :] == 0).all()  # walls on top
    assert (floor[..., 63, :] > 0).all() and (wall[..., 63, :] == 0).all()  # floor at the bottom


def test_scale_grows_every_outline():
    some = (buffers()[..., 2] + buffers()[..., 3] > 0).any(axis=4)  # rows with object
    heights = some.sum(axis=3)  # (shape, scale, orientation)
    assert (np.diff(heights[:, ::2], axis=1) >= 1).all()
    area = (buffers()[..., 2] > 0).sum(axis=(3, 4))
    assert (np.diff(area, axis=1) > 0).all()
    middle = heights[:, 3:5]
    assert middle.min() >= 20 and middle.max() <= 34


def test_orientation_moves_the_corner_of_the_room_one_way():
    # The corner of the walls is the largest jump along the top row, for every shape and scale.
    top = buffers()[:, :, :, 0, :, 1]
    corner = np.argmax(np.abs(np.diff(top, axis=-1)), axis=-1)  # (shape, scale, orientation)
    assert (corner == corner[:1, :1]).all()
    steps = np.diff(corner[0, 0])
    assert (steps > 0).all() or (steps < 0).all()
    assert np.abs(steps).min() >= 2


@pytest.mark.parametrize("action", SPACE.action_names)
def test_every_step_is_seen(action):
    number = SPACE.action_id(action)
    x = some_values(300, seed=number)
    x = x[SPACE.legal(x, np.full(300, number))]
    actions = np.full(len(x), number)
    y = SPACE.apply(x, actions)
    assert changed_pixels(WORLD, Transitions(x, y, actions)).min() >= 100
    strong = np.abs(WORLD.render(x).astype(int) - WORLD.render(y)).max(axis=3) > 12
    assert strong.sum(axis=(1, 2)).min() >= 40


def test_colour_factors_change_their_own_surface_only():
    values = np.array([[0, 3, 6, 4, 2, 7]])
    weights = buffers()[2, 4, 7]
    for factor in range(3):
        changed = values.copy()
        changed[0, factor] += 1
        difference = (WORLD.render(values) != WORLD.render(changed))[0].any(axis=2)
        assert not (difference & (weights[:, :, factor] == 0)).any()


def test_the_object_is_seen_even_where_all_hues_are_equal():
    for shape in range(4):
        for hue in range(10):
            values = np.array([[hue, hue, hue, 4, shape, 7]])
            image = WORLD.render(values)[0].astype(int)
            weights = buffers()[shape, 4, 7]
            thing, room = weights[:, :, :2].sum(axis=2) == 0, weights[:, :, 2] == 0
            colours = [image[mask].mean(axis=0) for mask in (thing, room)]
            assert np.abs(colours[0] - colours[1]).max() > 20


def test_neighbouring_hues_are_far_apart():
    for tones in shapes3d.COLOURS:
        gaps = np.abs(tones[:, None] - tones[None]).sum(axis=2) + np.eye(10)
        assert gaps.min() > 0.28  # 71 of 255 levels, red, green and blue together


def test_weights_never_exceed_white():
    assert buffers().sum(axis=-1).max() <= 255
    assert not WORLD.weights.flags.writeable


def test_any_batch_and_order_gives_the_same_pictures():
    values = some_values(70, seed=2)
    images = WORLD.render(values)
    order = np.random.default_rng(0).permutation(70)
    assert np.array_equal(WORLD.render(values[order]), images[order])
    singles = np.concatenate([WORLD.render(values[i : i + 1]) for i in range(70)])
    assert np.array_equal(singles, images)
    assert np.array_equal(WORLD.render(values[[3, 3, 3]]), images[[3, 3, 3]])
    assert np.array_equal(WORLD.render(values.astype(np.uint8)), images)
    assert WORLD.render(values[:0]).shape == (0, 64, 64, 3)


def test_options_and_fingerprint_make_the_world_again():
    again = make_world(WORLD.name, **WORLD.options)
    assert again == WORLD
    assert again.fingerprint == WORLD.fingerprint
    assert "3D Shapes" in WORLD.credit


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: WORLD.render([[0, 0, 0, 8, 0, 0]]),
            ValueError,
            "'scale': .* 0..7, found 8 in row 0",
        ),
        (lambda: WORLD.render([[0, 0, 0, 0, 0, -1]]), ValueError, "'orientation': .* found -1"),
        (lambda: WORLD.render([0, 0, 0, 0, 0, 0]), ValueError, r"\(B, 6\)"),
        (lambda: WORLD.render(np.zeros((1, 6))), TypeError, "expected integers, found float64"),
        (
            lambda: make_world("shape3d"),
            ValueError,
            "unknown world 'shape3d'; did you mean 'shapes3d'",
        ),
        (lambda: make_world("shapes3d", size=32), ValueError, "unknown option of world shapes3d"),
    ],
)
def test_bad_input_is_one_line_that_names_expected_and_found(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_world_names_are_those_that_can_be_made():
    assert world_names()[0] == "shapes3d"  # the default comes first
    assert {"codes", "sprites", "causal_shapes3d"} < set(world_names())


def test_a_world_says_what_it_is_without_a_single_buffer(monkeypatch):
    monkeypatch.setattr(shapes3d, "_load_weights", lambda: 1 / 0)
    world = make_world("shapes3d")
    assert world.factors == SPACE and world.image_shape == (64, 64, 3) and world.options == {}
    with pytest.raises(ZeroDivisionError):
        world.render([[0] * 6])


# The cache. Tracing is replaced by a copy of the buffers and counted: it takes seconds.


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """Loads with a cache folder of its own and returns how often buffers were traced so far."""
    traced, weights = [], np.array(WORLD.weights)
    monkeypatch.setenv("CVQ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(shapes3d, "build_weights", lambda: traced.append(1) or weights)

    def load() -> int:
        assert np.array_equal(shapes3d._load_weights.__wrapped__(), weights)
        return len(traced)

    return load


def archive(**arrays: np.ndarray) -> bytes:
    data = io.BytesIO()
    np.savez(data, **arrays)
    return data.getvalue()


def digest(weights: np.ndarray) -> np.ndarray:
    return np.frombuffer(hashlib.sha256(weights.tobytes()).digest(), dtype=np.uint8)


def test_buffers_are_traced_once_and_then_read(cache):
    assert [cache(), cache(), cache()] == [1, 1, 1]
    assert [p.name for p in shapes3d.cache_path().parent.iterdir()] == [shapes3d.cache_path().name]


def test_a_damaged_cache_is_traced_again_and_mended(cache):
    assert cache() == 1
    path = shapes3d.cache_path()
    good = path.read_bytes()
    changed = np.array(WORLD.weights)
    changed[5, 6, 0] ^= 1
    sha = digest(WORLD.weights)
    damaged = [
        b"",
        good[: len(good) // 2],
        good[:1000] + bytes([good[1000] ^ 255]) + good[1001:],
        b"not an archive",
        archive(weights=changed, sha256=sha),
        archive(weights=WORLD.weights),
        archive(weights=WORLD.weights[:1], sha256=digest(WORLD.weights[:1])),
        archive(weights=np.array([{}], dtype=object), sha256=sha),  # needs unpickling: refused
    ]
    for number, data in enumerate(damaged, start=2):
        path.write_bytes(data)
        assert cache() == number
        assert cache() == number  # mended: the next one reads it


def test_a_cache_that_cannot_be_written_is_a_warning(cache, tmp_path):
    (tmp_path / "cache").write_bytes(b"a file where the folder should be")
    with pytest.warns(UserWarning, match="shapes3d starts slowly each time: cannot write") as seen:
        assert cache() == 1
    assert len(seen) == 1 and "\n" not in str(seen[0].message)


def test_a_working_cache_is_silent(cache):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache()


def test_what_is_cached_is_what_tracing_gives():
    for shape, scale, turn in [(0, 0, 0), (3, 7, 14)]:
        light = shapes3d._shadow(shapes3d.SHAPES[shape])
        traced = shapes3d._trace(
            shapes3d.SHAPES[shape], shapes3d.SCALES[scale], shapes3d.AZIMUTHS[turn], light
        )
        number = (shape * 8 + scale) * 15 + turn
        assert np.abs(traced.astype(int) - WORLD.weights[number]).max() <= 1  # another processor
