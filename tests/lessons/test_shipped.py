"""Models that come with the package: whole, small, and replaced by training where they are not."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from cvq_tutorial.common import device
from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.transitions import sample_transitions
from cvq_tutorial.lessons import shipped
from cvq_tutorial.method.answers import NOTHING, UNEXPLAINED
from cvq_tutorial.training import checkpoints
from cvq_tutorial.worlds.make import make_world


@pytest.fixture
def said():
    return []


def test_every_shipped_file_is_small_and_names_the_command_that_made_it():
    folders = sorted(path.parent for path in shipped.SHIPPED.rglob("model.json"))
    assert {"codes-lesson-s0", "shapes3d-lesson-s0"} <= {folder.name for folder in folders}
    for folder in folders:
        info = json.loads((folder / "model.json").read_text())
        assert info["made_by"].startswith(("make reproduce WORLD=", "cvq train ", "cvq baseline "))
        assert info["world"]["name"] in info["made_by"]
        if "vae" not in folder.name:
            checkpoints.load_run(folder)  # hash, sizes and world fit
    for path in shipped.SHIPPED.rglob("*"):
        assert path.is_dir() or path.stat().st_size < 2_000_000


def test_the_shipped_vaes_are_loaded_and_a_missing_one_is_trained(tmp_path, monkeypatch, said):
    world = make_world("shapes3d")
    vae = shipped.load_or_train_vae(world, say=said.append)
    strong = shipped.load_or_train_vae(world, beta=4.0, say=said.append)
    assert all("shipped with the package" in line for line in said)
    images = to_float(world.render([[0, 3, 6, 2, 1, 7]]))
    with torch.no_grad():
        assert not torch.equal(vae.encode(images), strong.encode(images))
    asked = []
    monkeypatch.setattr(shipped, "train_vae", lambda *a, **k: asked.append(k["beta"]))
    shipped.load_or_train_vae(world, beta=2.0, say=said.append)
    assert asked == [2.0] and "training it once" in said[-1]

    monkeypatch.setenv("CVQ_CACHE", str(tmp_path))
    folder = tmp_path / "trained" / shipped.vae_name("shapes3d", 2.0, 0)
    shutil.copytree(shipped.SHIPPED / shipped.vae_name("shapes3d", 1.0, 0), folder)
    shipped.load_or_train_vae(world, beta=2.0, say=said.append)
    assert "loaded the checkpoint trained before" in said[-1] and asked == [2.0]
    (folder / "model.safetensors").write_bytes(b"nothing")
    shipped.load_or_train_vae(world, beta=2.0, say=said.append)
    assert "cannot be used" in said[-2] and asked == [2.0, 2.0]
    assert not (folder / "model.json").exists()  # nothing is left that training would trip over


def test_the_shipped_model_names_actions_and_the_shipped_judge_reads_what_it_drew(said):
    model, world, info = shipped.load_or_train(say=said.append)
    judge = shipped.load_or_train_a_judge(world, say=said.append)
    assert "shapes3d-lesson-s0: loaded the checkpoint shipped" in said[0]
    assert "shipped" in said[1]
    pairs = sample_transitions(world.factors, 48, "test", 0)
    x, y = to_float(world.render(pairs.x)), to_float(world.render(pairs.y))
    actions = torch.from_numpy(pairs.actions)
    assert (model.retrieve(x, y).actions == actions).float().mean() > 0.95
    read = judge.read(model.intervene(x, actions).images)
    assert (read == torch.from_numpy(pairs.y)).float().mean() > 0.95
    assert info["seed"] == 0


def test_the_shipped_model_names_the_same_in_half_precision(said, monkeypatch):
    """Also where it is only emulated: the arithmetic is the same, only slow."""
    monkeypatch.setattr(device, "half_precision", lambda where: True)
    model, world, _ = shipped.load_or_train(say=said.append)
    drawn = sample_transitions(world.factors, 72, "test", seed=11)
    x, y = (model.encode(to_float(world.render(v))) for v in (drawn.x, drawn.y))
    exact, half, again = (model.retrieve(x, y, half=h) for h in (False, True, True))
    assert torch.equal(half.actions, exact.actions) and half.verdict == exact.verdict
    assert torch.equal(half.log_posterior, again.log_posterior)
    moved = (half.log_likelihood - exact.log_likelihood).abs().max()
    assert 0 < moved < 30  # nats of 256 codes: it is another arithmetic, and near
    assert half.log_likelihood.dtype == torch.float32


def test_the_shipped_codes_model_knows_its_graph(said):
    model, world, _ = shipped.load_or_train("codes", say=said.append)
    sample = world.sample(64, "test")
    learned = model.graph(torch.from_numpy(sample.x), torch.from_numpy(sample.actions)) > 0.5
    truth = torch.from_numpy(world.graph.copy())[torch.from_numpy(sample.actions)]
    targets = torch.from_numpy(world.targets.copy())[torch.from_numpy(sample.actions)][:, None, :]
    assert ((learned == truth) | ~targets).float().mean() > 0.99


def test_without_a_usable_checkpoint_it_trains_once_and_says_how_long(tmp_path, monkeypatch, said):
    monkeypatch.setenv("CVQ_CACHE", str(tmp_path / "cache"))
    made = make_world("codes")
    few = {"transition_steps": 3, "transitions": 64, "prune_tolerance": 0.0}
    settings = shipped.recipes.get("nano", "codes", **few)
    monkeypatch.setattr(shipped.recipes, "get", lambda *_: settings)
    shipped.load_or_train("codes", "nano", say=said.append)
    assert said == ["codes-nano-s0: no checkpoint here, training it once; under a minute"]
    _, world, _ = shipped.load_or_train("codes", "nano", say=said.append)
    assert "loaded the checkpoint trained before" in said[1]
    weights = tmp_path / "cache" / "trained" / "codes-nano-s0" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(b"nothing")
    shipped.load_or_train("codes", "nano", say=said.append)
    assert "trained before cannot be used" in said[2] and "no checkpoint here" in said[3]
    assert weights.read_bytes() == whole
    weights.with_name("model.json").write_text("{")
    shipped.load_or_train("codes", "nano", say=said.append)
    assert "trained before cannot be used" in said[4] and weights.read_bytes() == whole
    assert world.options == made.options


def test_a_checkpoint_of_other_settings_or_a_newer_version_is_put_aside(
    tmp_path, monkeypatch, said
):
    monkeypatch.setenv("CVQ_CACHE", str(tmp_path / "cache"))
    few = {"transition_steps": 3, "transitions": 64, "prune_tolerance": 0.0}
    settings = shipped.recipes.get("nano", "codes", **few)
    monkeypatch.setattr(shipped.recipes, "get", lambda *_: settings)
    shipped.load_or_train("codes", "nano", say=said.append)
    path = tmp_path / "cache" / "trained" / "codes-nano-s0" / "model.json"
    whole = json.loads(path.read_text())
    del whole["digest"]  # as the first ones had none
    path.write_text(json.dumps(whole | {"recipe": whole["recipe"] | {"mask_price": 9.0}}))
    *_, info = shipped.load_or_train("codes", "nano", say=said.append)
    assert said[1].endswith("cannot be used: expected mask_price 0.1, found 9.0")
    assert info["recipe"]["mask_price"] == 0.1
    path.write_text(json.dumps(whole | {"format": 99}))
    shipped.load_or_train("codes", "nano", say=said.append)
    assert "made by a newer cvq_tutorial" in said[3]
    aside = path.parent.with_name("codes-nano-s0.before")
    assert json.loads((aside / "model.json").read_text())["format"] == 99
    assert (aside / "model.safetensors").is_file()


def test_a_damaged_checkpoint_is_told_without_a_path_and_replaced(tmp_path, monkeypatch, said):
    monkeypatch.setenv("CVQ_CACHE", str(tmp_path / "cache"))
    few = {"transition_steps": 3, "transitions": 64, "prune_tolerance": 0.0}
    settings = shipped.recipes.get("lesson", "codes", **few)
    shutil.copytree(shipped.SHIPPED / "codes-lesson-s0", tmp_path / "codes-lesson-s0")
    weights = tmp_path / "codes-lesson-s0" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path)
    monkeypatch.setattr(shipped.recipes, "get", lambda *_: settings)
    shipped.load_or_train("codes", say=said.append)
    assert "cannot be used" in said[0] and "expected SHA-256" in said[0]
    assert str(tmp_path) not in "".join(said)
    assert "no checkpoint here" in said[1]


def test_shipping_halves_the_weights_and_refuses_large_ones(tmp_path, monkeypatch):
    source = shipped.SHIPPED / "codes-lesson-s0"
    made = shipped.ship(source, "a command", tmp_path)
    assert json.loads((made / "model.json").read_text())["made_by"] == "a command"
    one, two = (checkpoints.load_run(folder)[0].state_dict() for folder in (source, made))
    assert all(torch.equal(one[key], two[key]) for key in one)
    monkeypatch.setattr(shipped.checkpoints, "pack", lambda _: bytes(2_000_001))
    with pytest.raises(ValueError, match="at most 2000000 bytes to ship, found 2000001"):
        shipped.ship(source, "a command", tmp_path)


def test_a_model_of_before_the_verdict_is_shipped_with_what_true_pairs_reach(tmp_path):
    old = shutil.copytree(shipped.SHIPPED / "codes-lesson-s0", tmp_path / "old")
    info = json.loads((old / "model.json").read_text())
    reached = info.pop("explains_at")
    del info["digest"]
    (old / "model.json").write_text(json.dumps(info))
    assert checkpoints.load_run(old)[0].explains_at is None
    made = shipped.ship(old, "a command", tmp_path / "new")
    assert checkpoints.load_run(made)[0].explains_at == pytest.approx(reached, abs=1e-3)


def test_one_number_in_two_spellings_is_one_folder():
    names = [
        shipped.name_of("codes", shipped.recipes.get("lesson", "codes", edge_price=price), 0)
        for price in (1, 1.0, 2)
    ]
    assert names[0] == names[1] != names[2]


def test_unknown_names_are_refused_before_any_work(said):
    with pytest.raises(ValueError, match="shapes3d"):
        shipped.load_or_train("shapes3", say=said.append)
    with pytest.raises(ValueError, match="lesson"):
        shipped.load_or_train(recipe="leson", say=said.append)
    assert said == []


def test_shipped_models_say_when_no_action_explains_a_pair():
    model, world, _ = shipped.load_or_train("shapes3d", say=lambda _: None)
    x, _, y = (codes.long() for codes in shipped.encoded_transitions(world, model, 120, "test", 5))
    said = model.retrieve(x, y).verdict
    assert sum(verdict == UNEXPLAINED for verdict in said) <= 6
    others = model.retrieve(x, y.roll(1, 0)).verdict
    assert sum(verdict == UNEXPLAINED for verdict in others) >= 114
    assert model.retrieve(x[:2], x[:2]).verdict == [NOTHING] * 2
