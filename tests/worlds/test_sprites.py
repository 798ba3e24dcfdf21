from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvq_tutorial.common.folders import data_root
from cvq_tutorial.data.transitions import invisible_share
from cvq_tutorial.worlds.make import make_world
from cvq_tutorial.worlds.sprites import FACTORS, REAL_SHEETS, SHEETS, stand_in_sheets


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory) -> Path:
    return stand_in_sheets(tmp_path_factory.mktemp("sprites"))


@pytest.fixture(scope="module", params=["stand-in", "real"])
def world(request, stand_in):
    """The world of the generated sheets, and that of the real ones where they are."""
    if request.param == "stand-in":
        return make_world("sprites", root=stand_in)
    if not (data_root() / "sprites").is_dir():
        pytest.skip("no real sprites sheets")
    return make_world("sprites")


def folder_of(world) -> Path:
    return data_root() / "sprites" if world.root is None else Path(world.root)


def some_values(n: int, seed: int = 0) -> np.ndarray:
    return FACTORS.values(np.random.default_rng(seed).integers(0, FACTORS.size, n))


def slow_picture(folder: Path, values: np.ndarray) -> np.ndarray:
    """One picture, pixel by pixel, with all numbers from the description of the sheets."""
    bottomwear, topwear, hair, eyes, shoes, body, action, rotation, frame = (int(v) for v in values)
    without_five = (0, 1, 2, 3, 4, 6)
    layers = [
        ("body", body),
        ("shoes", shoes),
        ("bottomwear", without_five[bottomwear]),
        ("topwear", without_five[topwear]),
        ("eyes", eyes),
        ("hair", hair),
    ]
    left, top = 64 * frame, 64 * (action * 4 + 1 + rotation)
    picture = np.zeros((64, 64, 3), dtype=np.uint8)
    for component, sheet in layers:
        with Image.open(folder / component / f"{sheet}.png") as image:
            tile = image.convert("RGBA").crop((left, top, left + 64, top + 64))
        for y in range(64):
            for x in range(64):
                r, g, b, alpha = tile.getpixel((x, y))
                if alpha > 128:
                    picture[y, x] = r, g, b
    return picture


def test_factors_are_the_partial_set():
    names = "bottomwear topwear hair eyes shoes body action rotation frame"
    assert FACTORS.names == tuple(names.split())
    assert FACTORS.sizes == (6, 6, 10, 5, 3, 7, 5, 3, 6)
    assert FACTORS.size == 3_402_000
    assert FACTORS.factors[7].values == ("left", "front", "right")
    assert FACTORS.factors[0].label(5) == "6"


def test_pictures_equal_those_composed_pixel_by_pixel(world):
    values = np.concatenate([some_values(4), [[0] * 9], np.array([FACTORS.sizes]) - 1])
    images = world.render(values)
    assert images.shape == (6, 64, 64, 3) and images.dtype == np.uint8
    for row, image in zip(values, images, strict=True):
        assert np.array_equal(image, slow_picture(folder_of(world), row))


def test_any_batch_and_order_gives_the_same_pictures(world):
    values = some_values(70, seed=1)
    images = world.render(values)
    order = np.random.default_rng(0).permutation(70)
    assert np.array_equal(world.render(values[order]), images[order])
    singles = np.concatenate([world.render(values[i : i + 1]) for i in range(70)])
    assert np.array_equal(singles, images)
    assert world.render(values[:0]).shape == (0, 64, 64, 3)
    assert np.array_equal(world.render(values), images)  # nothing was drawn into the sheets


def test_steps_that_change_nothing_are_those_of_eyes(world):
    share = invisible_share(world, n=4500, seed=0)
    assert 0.05 < share.pop("eyes") < 0.30
    assert max(share.values()) < 0.03


def test_options_make_the_world_again_and_refuse_other_sheets(world, stand_in):
    again = make_world("sprites", root=world.root, **world.options)
    assert again == world and again.fingerprint == world.fingerprint
    assert world.options == {"sheets": world.fingerprint}
    other = "0" * 16 if world.is_real else REAL_SHEETS
    with pytest.raises(
        ValueError, match=f"expected sheets with hash {other}.*found {world.sheets}"
    ):
        make_world("sprites", root=world.root, sheets=other)


def test_credit_and_kind_follow_from_the_content(world):
    assert world.is_real == (world.root is None)
    assert ("Liberated Pixel Cup" in world.credit) == world.is_real
    assert ("CC-BY-SA 3.0" in world.credit) == world.is_real


def test_the_data_folder_can_be_named(monkeypatch, stand_in, tmp_path):
    os.symlink(stand_in, tmp_path / "sprites")
    monkeypatch.setenv("CVQ_DATA", str(tmp_path))
    assert not make_world("sprites").is_real


def test_the_stand_in_follows_from_its_seed(stand_in, tmp_path):
    again = stand_in_sheets(tmp_path / "a")
    other = stand_in_sheets(tmp_path / "b", seed=1)
    for component, sheets in SHEETS.items():
        assert len(list((stand_in / component).iterdir())) == len(sheets)
        pictures = set()
        for sheet in sheets:
            data = (stand_in / component / f"{sheet}.png").read_bytes()
            assert (again / component / f"{sheet}.png").read_bytes() == data
            pictures.add(data)
        assert len(pictures) == len(sheets)  # no two sheets alike
        assert pictures != {path.read_bytes() for path in (other / component).iterdir()}


def spoiled(stand_in: Path, folder: Path, spoil) -> Path:
    (folder / "body").mkdir(parents=True)
    shutil.copy(stand_in / "body" / "0.png", folder / "body")
    spoil(folder / "body" / "1.png")
    return folder


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda p: None, FileNotFoundError, "no sprites sheet at .*body/1.png; the sheets are"),
        (
            lambda p: Image.new("RGBA", (832, 1340)).save(p),
            ValueError,
            "body/1.png: expected 832 x 1344 pixels, found 832 x 1340",
        ),
        (lambda p: p.write_bytes(b"text"), ValueError, "body/1.png: expected a PNG picture, found"),
        (
            lambda p: p.write_bytes((p.parent / "0.png").read_bytes()[:3000]),
            ValueError,
            "body/1.png: expected a PNG picture, found",
        ),
    ],
)
def test_a_bad_sheet_is_one_line(stand_in, tmp_path, spoil, error, message):
    folder = spoiled(stand_in, tmp_path / "sheets", spoil)
    with pytest.raises(error, match=message) as caught:
        make_world("sprites", root=folder)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_says_where_it_looked_and_where_to_get_the_sheets(monkeypatch, tmp_path):
    monkeypatch.setenv("CVQ_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        make_world("sprites")
    text = str(caught.value)
    for part in (
        str(tmp_path / "sprites"),
        "CVQ_DATA",
        "https://github.com/YingzhenLi/Sprites",
        "3ce4048c",
        "CC-BY-SA 3.0",
        "body, bottomwear, topwear, hair, eyes and shoes",
    ):
        assert part in text
    assert "\n" not in text


def test_values_out_of_range_name_their_factor(world):
    with pytest.raises(
        ValueError, match=r"'rotation': expected a value in 0\.\.2, found 3 in row 1"
    ):
        world.render([[0] * 9, [0, 0, 0, 0, 0, 0, 0, 3, 0]])
