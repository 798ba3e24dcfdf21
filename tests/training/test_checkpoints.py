"""Checkpoints: the same bits come back, and everything that is not right is said before loading."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from cvq_tutorial.lessons import shipped
from cvq_tutorial.training import checkpoints, recipes
from cvq_tutorial.training.checkpoints import CheckpointError
from cvq_tutorial.training.recipes import get
from cvq_tutorial.worlds.codes import CodesWorld
from cvq_tutorial.worlds.make import make_world

WORLD = CodesWorld(n_variables=4, n_codes=3, n_actions=5, n_targets=2, seed=1)
RECIPE = get("nano", width=8)


def built(world=WORLD, recipe=RECIPE):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return checkpoints.build(world, recipe)


@pytest.fixture
def run_dir(tmp_path) -> Path:
    checkpoints.save(tmp_path, built(), WORLD, RECIPE, 7, seconds={"transition": 1.23456})
    return tmp_path


def rewrite(run_dir: Path, **changes: object) -> None:
    """Change entries of model.json; `None` takes one away. It has no digest then, like old ones."""
    info = json.loads((run_dir / "model.json").read_text())
    info |= {"digest": None, **changes}
    info = {k: v for k, v in info.items() if v is not None}
    (run_dir / "model.json").write_text(json.dumps(info))


def replace_weights(run_dir: Path, data: bytes) -> None:
    """Other weights with the hash that belongs to them."""
    (run_dir / "model.safetensors").write_bytes(data)
    rewrite(run_dir, sha256=hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("kind", ["codes", "shapes3d", "shapes3d codebook_places gradient"])
def test_the_same_bits_come_back(kind, tmp_path):
    world = WORLD if kind == "codes" else make_world("shapes3d")
    recipe = RECIPE
    if "gradient" in kind:
        recipe = get("nano", width=8, layout="codebook_places", rule="gradient", scores="pair_mlp")
    model = built(world, recipe)
    model.transition.allowed[1, 0] = False  # what is no parameter must come back too
    path = checkpoints.save(tmp_path, model, world, recipe, 3)
    assert path == tmp_path / "model.json" and json.loads(path.read_text())["bf16"] is False
    again = checkpoints.load(tmp_path, world)
    state = model.state_dict()
    assert list(state) == list(again.state_dict())
    for key, value in again.state_dict().items():
        assert torch.equal(value, state[key]) and value.dtype == state[key].dtype, key
    assert not any(module.training for module in again.modules())
    assert again.action_names == model.action_names and again.layout == recipe.layout
    told, found, info = checkpoints.load_run(tmp_path)
    assert checkpoints.describe(found) == checkpoints.describe(world)
    assert info["seed"] == 3 and get("nano", **{"width": 8}).name == info["recipe"]["name"]
    assert all(torch.equal(v, state[k]) for k, v in told.state_dict().items())


def test_what_true_pairs_get_is_kept_and_need_not_be(tmp_path):
    model = built()
    model.explains_at = -0.75
    checkpoints.save(tmp_path, model, WORLD, RECIPE, 7)
    assert checkpoints.load(tmp_path, WORLD).explains_at == -0.75
    rewrite(tmp_path, explains_at=None)  # as older files are
    assert checkpoints.load(tmp_path, WORLD).explains_at is None
    rewrite(tmp_path, explains_at="low")
    with pytest.raises(CheckpointError, match="explains_at: expected a number, found 'low'"):
        checkpoints.load(tmp_path, WORLD)


def test_what_the_json_says(run_dir):
    info = checkpoints.read_info(run_dir)
    assert info["format"] == checkpoints.FORMAT and info["seed"] == 7
    assert info["world"] == {"name": "codes", "options": WORLD.options}
    assert info["recipe"] == RECIPE.to_json()
    assert info["action_names"] == ["a0", "a1", "a2", "a3", "a4"]
    assert info["seconds"] == {"transition": 1.23}
    data = (run_dir / "model.safetensors").read_bytes()
    assert info["sha256"] == hashlib.sha256(data).hexdigest()
    assert all(isinstance(v, torch.Tensor) for v in load_tensors(data).values())


def test_a_checkpoint_older_than_some_settings_has_their_defaults(run_dir):
    old = {k: v for k, v in RECIPE.to_json().items() if k not in recipes.YOUNGER}
    rewrite(run_dir, recipe=old)
    assert checkpoints.read_info(run_dir)["recipe"] == RECIPE.to_json()
    assert checkpoints.load(run_dir, WORLD).n_nodes == 4


def test_an_image_world_is_remembered_with_its_factors():
    world = make_world("shapes3d")
    told = checkpoints.describe(world)
    assert told["image_shape"] == [64, 64, 3] and told["factors"] == world.factors.to_json()
    assert told == json.loads(json.dumps(told))


def test_files_are_whole_or_not_there(run_dir, monkeypatch):
    before = {p.name: p.read_bytes() for p in run_dir.iterdir()}
    assert set(before) == {"model.json", "model.safetensors"}  # no temporary file is left

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoints.save(run_dir, built(), WORLD, RECIPE, 8)
    assert {p.name: p.read_bytes() for p in run_dir.iterdir()} == before


def test_loading_does_not_touch_anybodys_random_numbers(run_dir):
    state = torch.random.get_rng_state()
    checkpoints.load(run_dir, WORLD)
    assert torch.equal(torch.random.get_rng_state(), state)


# --- what is refused ------------------------------------------------------------------------------


def refused(run_dir: Path, message: str, world=WORLD) -> None:
    for call in (lambda: checkpoints.load(run_dir, world), lambda: checkpoints.load_run(run_dir)):
        with pytest.raises(CheckpointError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_nothing_there(tmp_path):
    refused(tmp_path, r"no trained model here: expected .*model\.json")
    refused(tmp_path / "none", "no trained model here")
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file", "no trained model here")


def test_weights_that_are_missing_or_damaged(run_dir):
    path = run_dir / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1  # one bit
    path.write_bytes(bytes(data))
    refused(run_dir, r"model\.safetensors is damaged: expected SHA-256 .*, found ")
    path.write_bytes(bytes(data[:100]))
    refused(run_dir, r"model\.safetensors is damaged")
    path.unlink()
    refused(run_dir, r"model\.safetensors is missing")


@pytest.mark.parametrize("text", ["", "{", '{"format": 1', "\udcff", "[1, 2]", "3"])
def test_a_json_that_is_damaged(run_dir, text):
    (run_dir / "model.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    refused(run_dir, r"model\.json(:| is damaged)")


@pytest.mark.parametrize("key", ["world", "recipe", "seed", "action_names", "sha256"])
def test_a_json_that_lacks_something_or_has_it_wrong(run_dir, key):
    rewrite(run_dir, **{key: [[]] if key == "sha256" else "?"})
    refused(run_dir, rf"model\.json is damaged: {key}: expected a ")
    rewrite(run_dir, **{key: None})
    refused(run_dir, rf"model\.json is damaged: {key}: missing")


def test_a_newer_and_an_unknown_format(run_dir):
    rewrite(run_dir, format=checkpoints.FORMAT + 1)
    refused(run_dir, r"expected checkpoint format 1, found 2; it was made by a newer cvq_tutorial")
    rewrite(run_dir, format="old")
    refused(run_dir, r"expected checkpoint format 1, found 'old'$")


def test_a_model_of_another_world(run_dir):
    other = CodesWorld(n_variables=4, n_codes=3, n_actions=5, n_targets=2, seed=2)
    for world, message in (
        (other, "another world: expected world options seed 2, found 1"),
        (make_world("shapes3d"), "another world: expected world name 'shapes3d', found 'codes'"),
    ):
        with pytest.raises(CheckpointError, match=message):
            checkpoints.load(run_dir, world)


def test_another_kind_of_model_is_named(tmp_path):
    vae = shipped.SHIPPED / shipped.vae_name("shapes3d", 1.0, 0)
    with pytest.raises(CheckpointError, match="expected 'causal codes', found 'vae'"):
        checkpoints.load_run(vae)


def test_a_world_that_cannot_be_made(run_dir):
    for world in ({"name": "shapes"}, {}, {"name": "codes", "options": {"size": 3}}):
        rewrite(run_dir, world=world)
        with pytest.raises(CheckpointError, match="unusable world"):
            checkpoints.load_run(run_dir)


def test_a_recipe_that_does_not_exist_any_more(run_dir):
    rewrite(run_dir, recipe=RECIPE.to_json() | {"depth": 3})
    refused(run_dir, "cannot be read: .*depth")
    rewrite(run_dir, recipe=RECIPE.to_json() | {"codes": -1})
    refused(run_dir, "cannot be read: .*codes: must be at least 2")


def test_weights_of_another_shape_or_name(run_dir):
    tensors = load_tensors((run_dir / "model.safetensors").read_bytes())
    bias = tensors.pop("transition.final.bias")
    replace_weights(run_dir, save_tensors(tensors))
    refused(run_dir, r"transition\.final\.bias: expected shape \(8,\), found None")
    wide = torch.zeros(9)
    replace_weights(run_dir, save_tensors(tensors | {"transition.final.bias": wide}))
    refused(run_dir, r"transition\.final\.bias: expected shape \(8,\), found \(9,\)")
    extra = {"transition.final.bias": bias, "more": wide}
    replace_weights(run_dir, save_tensors(tensors | extra))
    refused(run_dir, r"more: expected shape None, found \(9,\)")


class Malicious:
    """Unpickling it would leave a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_nothing_is_unpickled(run_dir, tmp_path):
    mark = tmp_path / "executed"
    data = pickle.dumps(Malicious(mark))
    pickle.loads(data)
    assert mark.exists()  # the trap works
    mark.unlink()
    replace_weights(run_dir, data)
    refused(run_dir, "cannot be read")
    torch.save({"weight": torch.zeros(2)}, run_dir / "model.safetensors")
    replace_weights(run_dir, (run_dir / "model.safetensors").read_bytes())
    refused(run_dir, "cannot be read")
    assert not mark.exists()
