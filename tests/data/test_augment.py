"""Moving training pictures: both ends alike, nothing else, and never what is measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cvq_tutorial.data import augment
from cvq_tutorial.data.augment import AUGMENTS, REACH, moved
from cvq_tutorial.training import checkpoints, recipes
from cvq_tutorial.training import data as training_data
from cvq_tutorial.training.run import Run
from cvq_tutorial.worlds.factors import Factor, FactorSpace
from cvq_tutorial.worlds.make import make_world


def pictures(n=40, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 16, 24, 3), dtype=np.uint8)


def slowly(picture, down, right, around):
    """One picture after a move, pixel by pixel."""
    height, width = picture.shape[:2]
    if around:
        picture = picture[:, ::-1]
        right = -right
    out = np.empty_like(picture)
    for row in range(height):
        for column in range(width):
            r, c = min(max(row - down, 0), height - 1), min(max(column - right, 0), width - 1)
            out[row, column] = picture[r, c]
    return out


@pytest.mark.parametrize("kind", ["shift", "mirror_shift", "mirror_shift_anyway"])
def test_every_picture_is_one_of_the_moves_and_all_of_them_occur(kind):
    x = pictures(300)
    (found,) = moved([x], kind, np.random.default_rng(0))
    assert found.dtype == np.uint8 and found.shape == x.shape
    reach = range(-REACH, REACH + 1)
    ways = [(d, r, a) for d in reach for r in reach for a in (False, True)]
    seen = []
    for before, after in zip(x[:60], found[:60], strict=True):
        fits = [way for way in ways if (slowly(before, *way) == after).all()]
        assert len(fits) == 1
        seen += fits
    assert {d for d, _, _ in seen} == set(reach) and {r for _, r, _ in seen} == set(reach)
    assert {a for _, _, a in seen} == ({False, True} if "mirror" in kind else {False})


def test_both_ends_of_a_transition_move_alike():
    x = pictures()
    y = x.copy()
    y[:, 5:9, 6:10] = 255 - y[:, 5:9, 6:10]
    a, b = moved([x, y], "mirror_shift", np.random.default_rng(1))
    number = [(before != after).any(-1).sum() for before, after in zip(a, b, strict=True)]
    assert number == [16] * len(x)  # what differs is moved, not made or lost


def test_none_draws_nothing_and_an_unknown_kind_is_refused():
    rng = np.random.default_rng(2)
    x = pictures()
    (same,) = moved([x], "none", rng)
    assert same is x and rng.bit_generator.state == np.random.default_rng(2).bit_generator.state
    with pytest.raises(ValueError, match=r"augment: one of .*'mirror_shift_anyway'"):
        moved([x], "mirror", rng)
    with pytest.raises(ValueError, match="augment"):
        recipes.get("nano", augment="flip")
    assert AUGMENTS[0] == recipes.get("nano").augment == "none"


@pytest.fixture(scope="module")
def small():
    world = make_world("shapes3d")
    recipe = recipes.get("nano", "shapes3d")
    torch.manual_seed(0)
    model = checkpoints.build(world, recipe).eval()
    model.autoencoder.quantizer.update(torch.randn(64, 16, 8, 8), torch.empty(0), None)
    return world, recipe, model


def test_training_pairs_are_moved_alike_and_held_out_ones_never(small, monkeypatch):
    world, _, model = small
    calls = []
    once = augment.moved

    def counted(pictures, kind, rng):
        calls.append((len(pictures), kind))
        return once(pictures, kind, rng)

    monkeypatch.setattr(training_data, "moved", counted)
    usual = training_data.encoded_transitions(world, model, 64, "train", 0)
    shifted = training_data.encoded_transitions(world, model, 64, "train", 0, None, "shift")
    again = training_data.encoded_transitions(world, model, 64, "train", 0, None, "shift")
    assert calls == [(2, "none"), (2, "shift"), (2, "shift")]
    assert (usual[1] == shifted[1]).all()  # the same actions
    assert not (usual[0] == shifted[0]).all()
    assert all((a == b).all() for a, b in zip(shifted, again, strict=True))
    x, _, y = shifted
    assert (x[:32] == y[32:]).all() and (y[:32] == x[32:]).all()  # both directions


def test_the_autoencoder_sees_moved_pictures(small, tmp_path):
    world, recipe, _ = small
    both = [
        training_data.image_batches(
            Run(world, replace(recipe, augment=kind), 0, tmp_path, torch.device("cpu"), False)
        )(3, 8)
        for kind in ("none", "shift")
    ]
    assert both[0].shape == both[1].shape == (8, 3, 64, 64)
    assert not torch.equal(*both)


@pytest.mark.parametrize(
    ("name", "values", "named"),
    [
        ("pose", ("left", "right", "up"), True),
        ("looking_left", ("no", "yes"), True),
        ("HandRight", ("no", "yes"), True),
        ("hair", ("parted on the LEFT", "straight"), True),
        ("direction", None, True),
        ("bright", ("no", "yes"), False),
        ("leftover", ("no", "yes"), False),
        ("Smiling", ("no", "yes"), False),
    ],
)
def test_pictures_are_not_mirrored_where_a_factor_names_a_side(name, values, named):
    factor = Factor(name, len(values or "ab"), "categorical", values)
    augment.check_augment("shift", [factor])
    augment.check_augment("mirror_shift_anyway", [factor])
    if named:
        with pytest.raises(ValueError, match=f"but '{name}' names a side .* 'mirror_shift_anyway'"):
            augment.check_augment("mirror_shift", [factor])
    else:
        augment.check_augment("mirror_shift", [factor])


def test_a_run_is_refused_before_it_mirrors_left_and_right():
    class Heads:
        name, has_images = "heads", True
        factors = FactorSpace((Factor("looking_left", 2), Factor("bright", 100)))

    with pytest.raises(ValueError, match="'looking_left' names a side"):
        training_data.check_data(Heads(), recipes.get("nano", augment="mirror_shift"))
    training_data.check_data(Heads(), recipes.get("nano", augment="shift"))
