"""Recipes: what can be overridden, what is refused, and that a recipe survives JSON."""

from __future__ import annotations

import dataclasses
import json

import pytest

from cvq_tutorial.data.sampling import Sampling
from cvq_tutorial.method.published import Variant
from cvq_tutorial.training import recipes
from cvq_tutorial.training.recipes import RECIPES, Recipe, get


@pytest.mark.parametrize("name", ["nano", "lesson", "paper", "fine"])
@pytest.mark.parametrize("world", [None, "shapes3d", "sprites", "codes"])
def test_every_recipe_exists_for_every_world_and_survives_json(name, world):
    recipe = get(name, world)
    assert recipe.name == name
    assert Recipe(**json.loads(json.dumps(recipe.to_json()))) == recipe


def test_the_known_recipes_grow():
    nano, lesson, paper = (get(n) for n in ("nano", "lesson", "paper"))
    for setting in ("codes", "width", "autoencoder_steps", "transition_steps", "test_transitions"):
        values = [getattr(r, setting) for r in (nano, lesson, paper)]
        assert values == sorted(values) and values[0] < values[2], setting
    assert lesson.codebooks == 4 and lesson.test_transitions >= 2000


def test_overrides_change_what_they_name_and_nothing_else():
    base = RECIPES["nano"].to_json()
    found = get("nano", autoencoder_steps=3, edge_price=1, layout="codebook_places")
    changed = {k: v for k, v in found.to_json().items() if v != base[k]}
    assert changed == {"autoencoder_steps": 3, "edge_price": 1, "layout": "codebook_places"}
    assert RECIPES["nano"].to_json() == base
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.autoencoder_steps = 4


def test_what_a_world_needs_differently_can_still_be_overridden(monkeypatch):
    monkeypatch.setitem(recipes._FOR_WORLD, ("codes", "nano"), {"width": 64, "reads": 2})
    assert get("nano", "codes").width == 64
    assert get("nano", "codes", width=8).to_json() == get("nano", width=8, reads=2).to_json()
    assert get("nano", "shapes3d").width == get("nano").width == RECIPES["nano"].width


def test_the_world_differences_name_real_settings():
    for (_, name), changed in recipes._FOR_WORLD.items():
        assert get(name, None, **changed)


def test_published_switches_reach_the_transition():
    recipe = get("nano", retrieval="mean", unset="repredict", scores="pair_mlp")
    assert recipe.transition.variant == Variant(
        retrieval="mean", unset="repredict", scores="pair_mlp"
    )
    assert get("nano").transition.variant == Variant()


def test_imbalance_is_read_from_texts():
    assert get("nano").sampling is None
    assert get("nano", resample=0.5).sampling is None  # a cure alone does not make data uneven
    recipe = get(
        "nano", value_weights="zipf:1.5", factor_weights="shape=0.1", held_out="shape=3;scale=0,1",
        correlations="wall_hue>floor_hue:0.9",
    )  # fmt: skip
    assert recipe.sampling == Sampling(
        "zipf:1.5",
        {"shape": 0.1},
        ("wall_hue", "floor_hue", 0.9),
        {"shape": 3, "scale": (0, 1)},
    )
    assert Recipe(**json.loads(json.dumps(recipe.to_json()))) == recipe
    old = {k: v for k, v in get("lesson").to_json().items() if k not in recipes.YOUNGER}
    assert Recipe(**old) == get("lesson")


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: get("leson"),
            "unknown recipe 'leson'; did you mean 'lesson'.*nano, lesson, paper",
        ),
        (
            lambda: get("nano", autoencoder_step=3),
            "unknown recipe setting 'autoencoder_step'; did you mean 'autoencoder_steps'",
        ),
        (lambda: get("nano", world="mine"), "unknown recipe setting 'world'"),
    ],
)
def test_unknown_names_get_the_nearest_known_one(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


@pytest.mark.parametrize(
    "setting, value, error, message",
    [
        ("codes", 2.5, TypeError, "codes: expected int, found 2.5"),
        ("codes", True, TypeError, "codes: expected int, found True"),
        ("codes", "64", TypeError, "codes: expected int, found '64'"),
        ("codes", 0, ValueError, "codes: must be at least 2, found 0"),
        ("transition_steps", -5, ValueError, "transition_steps: must be at least 1, found -5"),
        ("edge_price", "dear", TypeError, "edge_price: expected float, found 'dear'"),
        ("edge_price", -0.1, ValueError, "edge_price: must be finite and not negative"),
        ("edge_price", float("nan"), ValueError, "edge_price: must be finite"),
        ("edge_price", float("inf"), ValueError, "edge_price: must be finite"),
        ("warmup_share", 1.5, ValueError, r"warmup_share: a share in \[0, 1\], found 1.5"),
        ("price_warmup", 2, ValueError, r"price_warmup: a share in \[0, 1\], found 2"),
        ("codes", 1, ValueError, "codes: must be at least 2, found 1"),
        ("codes", 40_000, ValueError, "codes: at most 32768, found 40000"),
        ("decoder_width", 1, ValueError, "decoder_width: must be at least 2, found 1"),
        ("width", 30, ValueError, "width: a multiple of 4, found 30"),
        ("code_width", 15, ValueError, "code_width: a multiple of codebooks=2, found 15"),
        ("patch", 3, ValueError, r"patch: one of \(4, 8\), found 3"),
        ("patch", 4.0, TypeError, "patch: expected int, found 4.0"),
        ("pair_weight", -1, ValueError, "pair_weight: must be finite and not negative"),
        ("rule", "adam", ValueError, "rule: one of .*ema.*found 'adam'"),
        ("rule", 3, TypeError, "rule: expected str, found 3"),
        ("slices", "cut", ValueError, "slices: one of .*found 'cut'"),
        ("layout", "rows", ValueError, "layout: one of .*found 'rows'"),
        ("value_weights", "zip:1", ValueError, "values: expected uniform or zipf.*found 'zip:1'"),
        ("value_weights", 2, TypeError, "value_weights: expected str, found 2"),
        ("factor_weights", "shape", ValueError, "factors: expected uniform or zipf.*'shape'"),
        ("correlations", "a>b", ValueError, "expected CAUSE>EFFECT:STRENGTH, found 'a>b'"),
        ("held_out", "shape", ValueError, "held_out: expected FACTOR=..., found 'shape'"),
        ("resample", 2.0, ValueError, r"resample: a share in \[0, 1\], found 2.0"),
        ("scores", "dot", ValueError, "scores must be one of .*found 'dot'"),
        ("action_node", "both", ValueError, "action_node must be one of .*found 'both'"),
    ],
)
def test_values_of_the_wrong_kind_or_range_are_refused(setting, value, error, message):
    with pytest.raises(error, match=message):
        get("nano", **{setting: value})


def test_pairs_need_an_even_batch():
    with pytest.raises(ValueError, match="autoencoder_batch: even with a pair_weight, found 5"):
        get("nano", autoencoder_batch=5, pair_weight=0.1)
    assert get("nano", autoencoder_batch=5).autoencoder_batch == 5


def test_what_a_world_needs_in_lesson_it_needs_in_fine():
    lesson, fine = get("lesson", "sprites"), get("fine", "sprites")
    assert (lesson.autoencoder_steps, lesson.patch) == (5000, 8)
    assert (fine.autoencoder_steps, fine.patch, fine.transitions) == (4000, 4, lesson.transitions)
    assert get("fine", "dsprites").transition_lr == get("lesson", "dsprites").transition_lr
    finer = {"patch", "codebooks", "codes", "decoder_width", "pair_weight"}
    own = get("fine").to_json().items() - get("lesson").to_json().items()
    assert {name for name, _ in own} == finer | {"name"}
