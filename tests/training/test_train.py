"""Training: it ends, it repeats itself bit for bit however it is stopped, and it refuses loudly."""

from __future__ import annotations

import csv
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save as save_tensors

from cvq_tutorial.common.device import flushes_denormals, pick_device
from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.augment import moved
from cvq_tutorial.data.transitions import sample_transitions, sample_values, split_of
from cvq_tutorial.measure.evaluate import evaluate
from cvq_tutorial.training import checkpoints
from cvq_tutorial.training import data as training_data
from cvq_tutorial.training import run as loop
from cvq_tutorial.training import train as training
from cvq_tutorial.training.build import start_from
from cvq_tutorial.training.data import encoded_transitions
from cvq_tutorial.training.recipes import Recipe, get
from cvq_tutorial.training.run import COLUMNS, STATE
from cvq_tutorial.training.train import train
from cvq_tutorial.worlds.codes import CodesWorld
from cvq_tutorial.worlds.make import make_world

CODES = CodesWorld(n_variables=5, n_codes=3, n_actions=4, n_targets=2, seed=1)
ON_CODES = get(
    "nano", transitions=300, width=16, transition_steps=12, transition_batch=16,
    prune_tolerance=0.02, prune_transitions=8,
)  # fmt: skip
ON_IMAGES = get(
    "nano", codes=8, decoder_width=16, autoencoder_steps=6, autoencoder_batch=4, warmup_share=0.4,
    transitions=40, width=16, transition_steps=5, transition_batch=8, prune_tolerance=0,
)  # fmt: skip


def case(kind: str) -> tuple[object, Recipe]:
    return (CODES, ON_CODES) if kind == "codes" else (make_world("shapes3d"), ON_IMAGES)


def run(kind: str, run_dir: Path, seed: int = 3, **changes):
    world, recipe = case(kind)
    return train(world, replace(recipe, **changes), seed, run_dir, progress=False)


def weights(run_dir: Path) -> bytes:
    return (run_dir / "model.safetensors").read_bytes()


def rows(run_dir: Path) -> list[dict]:
    with open(run_dir / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module", autouse=True)
def a_short_look_for_the_log():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "VALID", 24)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, Path]:
    """A run of each kind that nobody disturbed."""
    found = {kind: tmp_path_factory.mktemp(kind) / "run" for kind in ("codes", "shapes3d")}
    for kind, folder in found.items():
        run(kind, folder)
    return found


KINDS = pytest.mark.parametrize("kind", ["codes", "shapes3d"])


# --- what a run leaves ----------------------------------------------------------------------------


@KINDS
def test_a_run_leaves_a_model_and_a_log_and_nothing_else(kind, whole):
    folder = whole[kind]
    assert {p.name for p in folder.iterdir()} == {"model.json", "model.safetensors", "log.csv"}
    info = checkpoints.read_info(folder)
    world, recipe = case(kind)
    assert info["recipe"] == recipe.to_json() and info["seed"] == 3
    phases = {"codes": {"encode", "transition", "prune"}}.get(
        kind, {"autoencoder", "encode", "transition"}
    )
    assert set(info["seconds"]) == phases and min(info["seconds"].values()) >= 0
    assert checkpoints.load(folder, world).n_actions == (4 if kind == "codes" else 12)


@KINDS
def test_log_rows(kind, whole):
    found = rows(whole[kind])
    assert tuple(found[0]) == COLUMNS
    recipe = case(kind)[1]
    steps = {"transition": recipe.transition_steps}
    if kind == "shapes3d":
        steps = {"autoencoder": recipe.autoencoder_steps} | steps
    wanted = [(phase, str(i + 1)) for phase, n in steps.items() for i in range(n)]
    assert [(row["phase"], row["step"]) for row in found] == wanted
    for row in found:
        of_images = row["phase"] == "autoencoder"
        for key in ("mse", "psnr"):
            assert bool(row[key]) == of_images
        for key in ("nll", "mask_price", "edge_price", "set_codes", "edges_per_set_node"):
            assert bool(row[key]) != of_images
        assert all(np.isfinite(float(row[k])) for k in COLUMNS[1:] if row[k])
    last = found[-1]
    assert 0 <= float(last["action_accuracy"]) <= 1
    assert float(last["mask_price"]) == pytest.approx(recipe.mask_price)
    assert float(found[-recipe.transition_steps]["mask_price"]) == 0  # prices rise from 0
    if kind == "shapes3d":
        assert not found[1]["perplexity"] and 1 <= float(found[2]["perplexity"]) <= 8  # started


@KINDS
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(kind, whole, tmp_path):
    torch.manual_seed(99)  # nothing hangs on the global generators
    np.random.seed(99)  # noqa: NPY002
    run(kind, tmp_path / "again")
    assert weights(tmp_path / "again") == weights(whole[kind])
    run(kind, tmp_path / "other", seed=4)
    assert weights(tmp_path / "other") != weights(whole[kind])


def test_training_leaves_the_global_generators_alone(tmp_path):
    state = torch.random.get_rng_state()
    run("codes", tmp_path)
    assert torch.equal(torch.random.get_rng_state(), state)


@KINDS
def test_a_finished_run_is_loaded(kind, whole, monkeypatch, capsys):
    def fail(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(training, "_train_transition", fail)
    monkeypatch.setattr(training, "_train_autoencoder", fail)
    before = weights(whole[kind])
    world, recipe = case(kind)
    model = train(world, recipe, 3, whole[kind], progress=True)
    assert "already trained" in capsys.readouterr().out
    assert weights(whole[kind]) == before and not model.training
    stored = checkpoints.load(whole[kind], world).state_dict()
    assert all(torch.equal(v, stored[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize("kind", ["codes", "shapes3d"])
def test_what_true_held_out_pairs_get_is_kept_with_the_model(kind, whole, tmp_path):
    if kind == "codes":
        tmp_path = whole[kind]
    else:  # fast enough that codes differ
        run(kind, tmp_path, autoencoder_lr=1e-2)
    model = checkpoints.load(tmp_path, case(kind)[0])
    x, actions, y = encoded_transitions(case(kind)[0], model, 24, "valid", 3)
    named, each = model.retrieve(x.long(), y.long()), np.arange(24)
    reached = (named.log_likelihood.numpy()[each, actions] / named.n)[~named.same.numpy()]
    found = model.explains_at
    assert found is not None and found == pytest.approx(np.quantile(reached, 0.01), abs=1e-5)
    assert found == checkpoints.read_info(tmp_path)["explains_at"] == named.explains_at
    assert training.calibrate(model, x.long(), x.long(), actions) is None  # nothing happened


def test_nothing_is_kept_where_the_codes_of_all_pairs_are_equal(whole):
    assert checkpoints.load(whole["shapes3d"], case("shapes3d")[0]).explains_at is None


def test_learning_happens(tmp_path):
    settings = {"transitions": 2000, "transition_steps": 150}
    model = run("codes", tmp_path, width=32, transition_batch=32, **settings)
    found = rows(tmp_path)
    assert float(found[-1]["nll"]) < 0.4 * float(found[0]["nll"])
    assert float(found[-1]["action_accuracy"]) > 0.7
    assert 0 < model.transition.allowed.float().mean() < 0.6  # pruned


@pytest.mark.parametrize(
    "changes",
    [
        {"unset": "repredict", "eval_edges": "sample"},
        {"scores": "pair_mlp", "action_node": "connected"},
        {"retrieval": "mean", "action_node": "isolated", "reads": 2},
    ],
)
def test_published_switches_can_be_trained(changes, tmp_path):
    model = run("codes", tmp_path, transition_steps=3, prune_tolerance=0, **changes)
    x = torch.zeros(2, 5, 1, dtype=torch.int64)
    assert torch.isfinite(model.retrieve(x, x).log_posterior).all()
    assert (
        vars(model.transition.variant).items()
        >= {k: v for k, v in changes.items() if k != "reads"}.items()
    )


def test_published_layout_slices_and_rule_can_be_trained(tmp_path):
    changes = {"layout": "codebook_places", "slices": "overlap", "rule": "gradient"}
    model = run("shapes3d", tmp_path, transition_steps=2, transitions=20, **changes)
    assert model.n_nodes == 128 and model.autoencoder.quantizer.started
    assert (model.layout, model.autoencoder.quantizer.slices) == ("codebook_places", "overlap")


def test_codebooks_start_also_when_the_warm_up_takes_all_steps(tmp_path):
    model = run("shapes3d", tmp_path, warmup_share=1.0, transition_steps=1, transitions=20)
    assert model.autoencoder.quantizer.started


def test_the_loss_weighs_pictures_by_ten_and_keeps_the_free_map_small(tmp_path, monkeypatch):
    original, sizes = checkpoints.build, []

    def larger(module, given, out):
        """The map before there are codebooks: as it is, its weight is lost in the digits."""
        if out.quantized is None:
            out = replace(out, encoded=1000 * out.encoded)
        sizes.append(out.encoded.float().square().mean().item())
        return out

    def watched(*arguments):
        model = original(*arguments)
        model.autoencoder.register_forward_hook(larger)
        return model

    monkeypatch.setattr(checkpoints, "build", watched)
    run("shapes3d", tmp_path, transition_steps=1, transitions=20)
    found = [row for row in rows(tmp_path) if row["phase"] == "autoencoder"]
    assert len(found) == 6 and not found[1]["commit"] and found[2]["commit"]
    for row, size in zip(found, sizes, strict=False):
        loss, mse = float(row["loss"]), float(row["mse"])
        rest = 0.25 * float(row["commit"]) if row["commit"] else 1e-3 * size
        assert loss == pytest.approx(10 * mse + rest, rel=2e-5)
        assert row["commit"] or rest > 1e-3 * loss  # heard above the digits


def test_codes_start_by_what_tells_their_vectors_apart():
    """A place that all vectors of a codebook share says nothing, however far away it is."""
    model = checkpoints.build(CODES, ON_CODES).transition
    vectors = torch.randn(1, 3, 6, generator=torch.Generator().manual_seed(0)).double()
    started = []
    for shift in (0.0, 50.0):
        start_from(model, (vectors + shift).float(), torch.Generator().manual_seed(1))
        started.append((model.code_vectors.clone(), model.mechanism.weight.clone()))
    for one, two in zip(*started, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)
        assert one.abs().max() > 0.1
    mean = started[0][0].mean(1)
    assert mean.abs().max() < 1e-5  # around 0


def test_training_leaves_denormals_as_they_were(tmp_path):
    for name, before in (("a", False), ("b", True)):
        torch.set_flush_denormal(before)
        try:
            run("codes", tmp_path / name, transition_steps=1, prune_tolerance=0)
            assert flushes_denormals() is before
        finally:
            torch.set_flush_denormal(False)


def test_transitions_are_drawn_once(tmp_path, monkeypatch):
    drawn = []
    once = training_data.sample_transitions

    def counted(space, n, split, *more, **how):
        drawn.append((split, n))
        return once(space, n, split, *more, **how)

    monkeypatch.setattr(training_data, "sample_transitions", counted)
    run("shapes3d", tmp_path, transition_steps=1, **UNEVEN)
    of_training = [n for split, n in drawn if split == "train" and n > 12]
    assert of_training == [100]  # and each of the 200 in both directions; 12 are for looking first


# --- codes are computed once ----------------------------------------------------------------------


def test_train_transitions_are_used_in_both_directions(whole):
    world = make_world("shapes3d")
    model = checkpoints.load(whole["shapes3d"], world)
    x, actions, y = encoded_transitions(world, model, 9, "train", 0)
    assert x.shape == y.shape == (9, 64, 2) and actions.shape == (9,)
    assert x.dtype == torch.int16 and actions.dtype == torch.int64
    for i in range(4):  # the second half is the first reversed
        assert torch.equal(x[5 + i], y[i]) and torch.equal(y[5 + i], x[i])
        assert int(actions[5 + i]) == (int(actions[i]) + 6) % 12
    x, actions, y = encoded_transitions(world, model, 9, "valid", 0)
    assert x.shape == (9, 64, 2) and not ((actions[5:] - actions[:4]) % 12 == 6).all()


@pytest.mark.parametrize("split", ["train", "valid"])
def test_codes_are_those_of_the_images_of_the_split(whole, monkeypatch, split):
    world = make_world("shapes3d")
    model = checkpoints.load(whole["shapes3d"], world)
    seen = []
    original = world.render

    class Watched:
        has_images, factors = True, world.factors

        @staticmethod
        def render(values):
            seen.append(values)
            return original(values)

    x, actions, y = encoded_transitions(Watched, model, 12, split, 5)
    assert all((split_of(world.factors, v) == ("train", "valid").index(split)).all() for v in seen)
    before, after = seen
    n = len(before)
    assert torch.equal(x[:n].long(), model.encode(to_float(original(before))))
    assert np.array_equal(world.factors.apply(before, actions[:n].numpy()), after)
    assert torch.equal(y[:n].long(), model.encode(to_float(original(after))))


# --- imbalance ------------------------------------------------------------------------------------

UNEVEN = {
    "value_weights": "zipf:1",
    "held_out": "shape=3;object_hue=0,1,2",
    "correlations": "wall_hue>floor_hue:0.8",
    "resample": 0.5,
    "transitions": 200,
}


def test_uneven_training_data_are_drawn_once_and_never_hold_what_is_held_out(tmp_path, monkeypatch):
    world = make_world("shapes3d")
    model = run("shapes3d", tmp_path / "run", **UNEVEN)
    assert checkpoints.read_info(tmp_path / "run")["recipe"]["value_weights"] == "zipf:1"

    seen = []
    original = type(world).render
    monkeypatch.setattr(type(world), "render", lambda self, v: seen.append(v) or original(self, v))
    again = run("shapes3d", tmp_path / "again", **UNEVEN)
    values = np.concatenate(seen)
    values = values[split_of(world.factors, values) == 0]  # the log looks at balanced valid ones
    assert len(values) > 200 and not ((values[:, 4] == 3) & (values[:, 2] < 3)).any()
    assert len(np.unique(values, axis=0)) <= 400  # of 200 images and 100 pairs
    told = (m.state_dict() for m in (model, again))
    assert all(torch.equal(a, b) for a, b in zip(*(t.values() for t in told), strict=True))


def test_an_uneven_run_goes_on_with_the_same_bits(tmp_path, monkeypatch):
    run("shapes3d", tmp_path / "whole", **UNEVEN)
    go = tmp_path / "run"
    for n in (3, 6):  # in the first phase, and in the second
        with monkeypatch.context() as patch:
            in_step(patch, n, ctrl_c)
            with pytest.raises(KeyboardInterrupt, match="state saved"):
                run("shapes3d", go, **UNEVEN)
    run("shapes3d", go, **UNEVEN)
    assert weights(go) == weights(tmp_path / "whole")


def test_resampling_draws_rare_values_more_often():
    world = make_world("shapes3d")
    recipe = replace(ON_IMAGES, value_weights="zipf:1", factor_weights="zipf:1")
    drawn = training_data._drawn(world, 4000, "train", 0, recipe.sampling)
    assert training_data.chances_of(recipe, world.factors, drawn.x, drawn.actions) is None
    shares = []
    for resample in (0.5, 1.0):
        chances = training_data.chances_of(
            replace(recipe, resample=resample), world.factors, drawn.x, drawn.actions
        )
        shares.append(np.bincount(drawn.x[:, 4], chances, minlength=4))
    plain = np.bincount(drawn.x[:, 4], minlength=4) / 4000
    assert plain[3] < shares[0][3] < shares[1][3] == pytest.approx(0.25, abs=0.01)


def test_correlated_factors_are_resampled_as_a_pair():
    world = make_world("shapes3d")
    recipe = replace(ON_IMAGES, correlations="wall_hue>floor_hue:0.8", resample=1.0)
    values = sample_values(world.factors, 4000, "train", 0, recipe.sampling)
    chances = training_data.chances_of(recipe, world.factors, values)
    assert chances[values[:, 0] == values[:, 1]].sum() == pytest.approx(0.1, abs=0.01)


FINER = {"patch": 4, "pair_weight": 0.1}


def pictures_of(recipe: Recipe, step: int, size: int) -> torch.Tensor:
    drawn = loop.Run(make_world("shapes3d"), recipe, 3, Path(), torch.device("cpu"), False)
    return training_data.image_batches(drawn)(step, size)


@pytest.mark.parametrize("augment", ["none", "shift"])
def test_pictures_come_in_pairs_where_the_recipe_weighs_pairs(augment):
    world, recipe = make_world("shapes3d"), replace(ON_IMAGES, pair_weight=0.1, augment=augment)
    rng = np.random.default_rng([3, 1, 2, 6])
    drawn = sample_transitions(world.factors, 3, "train", rng)
    ends = moved([world.render(drawn.x), world.render(drawn.y)], augment, rng)  # both alike
    found = pictures_of(recipe, 2, 6)
    assert torch.equal(found[0::2], to_float(ends[0])) and torch.equal(
        found[1::2], to_float(ends[1])
    )
    one_by_one = replace(recipe, pair_weight=0.0, augment="none")
    values = sample_values(world.factors, 6, "train", np.random.default_rng([3, 1, 2, 6]))
    assert torch.equal(pictures_of(one_by_one, 2, 6), to_float(world.render(values)))


def test_pairs_are_as_uneven_as_the_recipe_asks():
    recipe = replace(ON_IMAGES, pair_weight=0.1, transitions=600)
    uneven = replace(recipe, factor_weights="floor_hue=0;wall_hue=0;object_hue=0;scale=0;shape=0")
    found = pictures_of(uneven, 0, 8)
    for x, y in zip(found[0::2], found[1::2], strict=True):
        assert torch.equal(x[:, :4], y[:, :4]) is False  # the camera turned: also far up
    resampled = replace(uneven, value_weights="zipf:1", resample=1.0)
    assert pictures_of(resampled, 0, 8).shape == (8, 3, 64, 64)


def test_the_error_of_pairs_is_what_a_slow_loop_says():
    generator = torch.Generator().manual_seed(0)
    drawn, images = (torch.rand(6, 3, 4, 4, generator=generator) for _ in range(2))
    images[3] = images[2]  # an edit that nobody sees
    slow = 0.0
    for x in (0, 2, 4):
        true, found = images[x + 1] - images[x], drawn[x + 1] - drawn[x]
        slow += float((found - true).square().sum() / (true.square().sum() + 0.5)) / 3
    drawn.requires_grad_()
    told = training.pair_error(drawn, images)
    assert told.item() == pytest.approx(slow, rel=1e-6)
    told.backward()
    assert drawn.grad.flatten(1).any(1).all()
    assert training.pair_error(images, images) == 0


def test_finer_codes_are_trained_saved_and_loaded(tmp_path):
    model = run("shapes3d", tmp_path / "fine", **FINER)
    x = to_float(make_world("shapes3d").render(np.zeros((1, 6), np.int64)))
    assert model.grid == (8, 8) and model.n_codebooks == 8  # two codebooks in four places
    assert model.encode(x).shape == (1, 64, 8)
    again, _, info = checkpoints.load_run(tmp_path / "fine")
    assert (info["recipe"]["patch"], info["recipe"]["pair_weight"]) == (4, 0.1)
    assert torch.equal(again.encode(x), model.encode(x))
    torch.testing.assert_close(again.intervene(x, 2).images, model.intervene(x, 2).images)
    run("shapes3d", tmp_path / "no_pairs", patch=4)
    assert weights(tmp_path / "fine") != weights(tmp_path / "no_pairs")
    assert len(model.plan(x, x)) == 0


def test_a_stopped_run_of_finer_codes_ends_with_the_same_bits(tmp_path, monkeypatch):
    run("shapes3d", tmp_path / "whole", **FINER)
    with monkeypatch.context() as patched:
        in_step(patched, 4, ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            run("shapes3d", tmp_path / "go", **FINER)
    run("shapes3d", tmp_path / "go", **FINER)
    assert weights(tmp_path / "go") == weights(tmp_path / "whole")


@pytest.mark.parametrize("layout", ["places", "codebook_places"])
def test_finer_codes_know_both_layouts_and_published_switches(tmp_path, layout):
    changes = {"patch": 4, "layout": layout, "rule": "gradient", "slices": "overlap"}
    changes["transition_steps"] = 5 if layout == "places" else 1  # a step over 512 nodes is seconds
    model = run("shapes3d", tmp_path, **changes)
    assert model.n_nodes == (64 if layout == "places" else 512)
    x = torch.rand(2, 3, 64, 64)
    done = model.intervene(x, 0)
    assert done.codes.shape == (2, 64, 8) and done.images.shape == x.shape


def test_imbalance_that_does_not_fit_the_world_is_refused_before_training(tmp_path):
    for changes in ({"value_weights": "zipf:1"}, {"resample": 0.5}):
        with pytest.raises(ValueError, match="the world 'codes' has no factors: expected a recipe"):
            run("codes", tmp_path / "run", **changes)
    with pytest.raises(ValueError, match="unknown factor 'shap'; did you mean 'shape'"):
        run("shapes3d", tmp_path / "run", held_out="shap=3")
    for changes in ({"value_weights": "shape=1,0,0,0"}, {"held_out": "shape=1,2,3"}):
        with pytest.raises(ValueError, match=r"split 'train' holds no transition of action 'shape"):
            run("shapes3d", tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_pruning_asks_for_no_action_that_is_never_taken():
    world = make_world("shapes3d")
    recipe = get("nano", factor_weights="shape=0;scale=5", prune_tolerance=0.1,
                 value_weights="shape=1,0,0,0")  # fmt: skip
    training_data.check_data(world, recipe)
    known = training_data.every_action(recipe.sampling, world.factors)
    drawn = sample_transitions(world.factors, 500, "valid", 0, sampling=known)
    assert set(drawn.actions % 6) == {0, 1, 2, 3, 5}
    counts = np.bincount(drawn.actions % 6, minlength=6)
    assert counts[[0, 1, 2, 3, 5]].min() >= 99  # scale no more often than the others


# --- stopping and going on ------------------------------------------------------------------------


def at_call(monkeypatch, target: object, name: str, n: int, act: Callable[[], None]) -> None:
    """Do something just before the n-th call (from 1) of a function."""
    original, calls = getattr(target, name), [0]

    def wrapped(*args, **kwargs):
        calls[0] += 1
        if calls[0] == n:
            act()
        return original(*args, **kwargs)

    monkeypatch.setattr(target, name, wrapped)


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def in_step(monkeypatch, n: int, act: Callable[[], None]) -> None:
    at_call(monkeypatch, torch.nn.utils, "clip_grad_norm_", n, act)  # once per step


def interrupted(
    kind: str, run_dir: Path, monkeypatch, arrange: Callable, message: str | None = None
) -> None:
    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        arrange(patch)
        with pytest.raises(KeyboardInterrupt, match=message):
            run(kind, run_dir)
    assert signal.getsignal(signal.SIGINT) is handler
    assert not (run_dir / "model.json").exists()
    assert (run_dir / STATE).exists() or message is None  # before the first step there is none


def same_end(kind: str, run_dir: Path, whole: dict[str, Path]) -> None:
    """The resumed run ends with the bits and the log of the run that nobody disturbed."""
    model = run(kind, run_dir)
    assert weights(run_dir) == weights(whole[kind])
    assert not model.training and not (run_dir / STATE).exists()

    def told(folder: Path) -> list[dict]:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in rows(folder)]

    assert told(run_dir) == told(whole[kind])


def test_ctrl_c_everywhere_on_images(whole, tmp_path, monkeypatch):
    go, n = tmp_path / "run", ON_IMAGES.autoencoder_steps
    for arrange, message in (
        (lambda p: in_step(p, 1, ctrl_c), "stopped at step 1 of autoencoder; state saved"),
        (lambda p: in_step(p, 3, ctrl_c), "stopped at step 4 of autoencoder"),
        (lambda p: in_step(p, 2, ctrl_c), f"stopped at step {n} of autoencoder"),  # the last
        (lambda p: at_call(p, training, "training_codes", 1, ctrl_c), None),
        (lambda p: at_call(p, training, "encoded_transitions", 1, ctrl_c), None),
        (lambda p: in_step(p, 2, ctrl_c), "stopped at step 2 of transition"),
        (lambda p: at_call(p, checkpoints, "save", 1, ctrl_c), None),
    ):
        interrupted("shapes3d", go, monkeypatch, arrange, message)
    same_end("shapes3d", go, whole)


def test_ctrl_c_everywhere_on_codes(whole, tmp_path, monkeypatch):
    go, n = tmp_path / "run", ON_CODES.transition_steps
    for arrange, message in (
        (lambda p: at_call(p, training, "training_codes", 1, ctrl_c), None),
        (lambda p: in_step(p, 5, ctrl_c), "stopped at step 5 of transition"),
        (lambda p: in_step(p, n - 5, ctrl_c), f"stopped at step {n} of transition"),
        (lambda p: at_call(p, training, "prune", 1, ctrl_c), None),
        (lambda p: at_call(p, torch.Tensor, "argsort", 2, ctrl_c), None),  # half pruned
    ):
        interrupted("codes", go, monkeypatch, arrange, message)
    same_end("codes", go, whole)


def test_a_second_ctrl_c_acts_at_once(whole, tmp_path, monkeypatch):
    def twice() -> None:
        ctrl_c()
        ctrl_c()
        raise AssertionError("went on")

    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    interrupted(
        "codes",
        tmp_path / "run",
        monkeypatch,
        lambda p: in_step(p, 4, twice),
        "^stopped at once; the state of step 3 of transition is saved$",
    )
    same_end("codes", tmp_path / "run", whole)


def test_training_works_off_the_main_thread(whole, tmp_path):
    """There are no signals there; a notebook's kernel may do so."""
    worker = threading.Thread(target=run, args=("codes", tmp_path / "run"))
    worker.start()
    worker.join()
    assert weights(tmp_path / "run") == weights(whole["codes"])


KILLED = """
import os, signal, sys
import torch
sys.path.insert(0, {tests!r})
import test_train
test_train.loop.SAVE_EVERY, test_train.training.VALID = 0.0, 24
original, calls = torch.nn.utils.clip_grad_norm_, [0]

def deadly(*args, **kwargs):
    calls[0] += 1
    if calls[0] == {step}:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*args, **kwargs)

torch.nn.utils.clip_grad_norm_ = deadly
test_train.run({kind!r}, test_train.Path({folder!r}))
"""


def test_kill_9_in_either_phase(whole, tmp_path):
    folder = tmp_path / "run"
    tests = Path(__file__).parent
    path = os.pathsep.join([str(tests.parent), os.environ.get("PYTHONPATH", "")])
    threads = str(torch.get_num_threads())
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": threads}
    for step in (5, 4):  # step 4 of the autoencoder, then step 1 of the transition
        code = KILLED.format(tests=str(tests), step=step, kind="shapes3d", folder=str(folder))
        ended = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True
        )
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        assert (folder / STATE).exists() and not (folder / "model.json").exists()
    same_end("shapes3d", folder, whole)


def test_killed_between_the_two_files_of_a_checkpoint(whole, tmp_path, monkeypatch):
    """Weights without their JSON are no model: the run goes on from its state."""
    interrupted(
        "codes",
        tmp_path / "run",
        monkeypatch,
        lambda p: at_call(p, checkpoints, "write_atomic", 2, ctrl_c),
    )
    assert (tmp_path / "run" / "model.safetensors").exists()
    same_end("codes", tmp_path / "run", whole)


# --- refusals -------------------------------------------------------------------------------------


@KINDS
def test_a_folder_of_another_run_is_refused(kind, whole):
    before = weights(whole[kind])
    world, recipe = case(kind)
    another = case("codes" if kind == "shapes3d" else "shapes3d")[0]
    for what, asked in (
        ("seed 4, found 3", (world, recipe, 4)),
        ("width 32, found 16", (world, replace(recipe, width=32), 3)),
        (f"world name '{another.name}', found '{kind}'", (another, recipe, 3)),
    ):
        with pytest.raises(ValueError, match=rf"model\.json is of another run: expected {what}; "):
            train(*asked, whole[kind], progress=False)
    assert weights(whole[kind]) == before


def test_the_state_of_another_run_is_refused(tmp_path, monkeypatch):
    go = tmp_path / "run"
    interrupted("codes", go, monkeypatch, lambda p: in_step(p, 2, ctrl_c))
    before = (go / STATE).read_bytes()
    with pytest.raises(ValueError, match=r"is of another run: expected seed 4, found 3; choose"):
        run("codes", go, seed=4)
    with pytest.raises(ValueError, match=r"expected edge_price 0.5, found 0"):
        run("codes", go, edge_price=0.5)
    assert (go / STATE).read_bytes() == before


def test_a_damaged_state_is_named(tmp_path, monkeypatch):
    go = tmp_path / "run"
    interrupted("codes", go, monkeypatch, lambda p: in_step(p, 2, ctrl_c))
    data = (go / STATE).read_bytes()
    for broken in (data[:50], b"", b"\xff" * 200):
        (go / STATE).write_bytes(broken)
        with pytest.raises(checkpoints.CheckpointError, match=r"is damaged .*delete it to start"):
            run("codes", go)


def test_the_state_of_another_version_is_named(tmp_path, monkeypatch):
    go = tmp_path / "run"
    interrupted("codes", go, monkeypatch, lambda p: in_step(p, 2, ctrl_c))
    original = checkpoints.build

    def newer(*args):
        model = original(*args)
        model.more = torch.nn.Linear(2, 2)
        return model

    monkeypatch.setattr(checkpoints, "build", newer)
    with pytest.raises(checkpoints.CheckpointError, match=r"another version.*delete it"):
        run("codes", go)


def test_a_damaged_finished_run_is_not_trained_over(tmp_path):
    run("codes", tmp_path, transition_steps=1)
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(checkpoints.CheckpointError, match="damaged"):
        run("codes", tmp_path, transition_steps=1)
    assert (tmp_path / "model.json").read_text() == "{"


def test_a_folder_that_cannot_be_written_fails_before_training(tmp_path, monkeypatch):
    def fail(*_):
        raise AssertionError("trained")

    monkeypatch.setattr(training, "_train_transition", fail)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot write .*file.*run"):
        run("codes", tmp_path / "file" / "run")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write .*No space left on device"):
        run("codes", tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []


MODELS: list = []  # that the tests below have built


def poison(model_part: str) -> Callable[[], None]:
    """Weights of a part become NaN, as a step that went wrong would make them."""

    def act() -> None:
        for module in MODELS:
            for parameter in getattr(module, model_part).parameters():
                parameter.data.fill_(float("nan"))

    return act


@pytest.mark.parametrize(
    "kind, part, step, message",
    [
        ("shapes3d", "autoencoder", 1, "loss is nan at step 1 of autoencoder"),  # no codebooks yet
        ("shapes3d", "autoencoder", 4, "not finite at batch position 0 .*at step 4 of autoencoder"),
        ("codes", "transition", 3, "loss is nan at step 3 of transition"),
    ],
)
def test_training_stops_at_the_step_that_is_not_finite(
    kind, part, step, message, tmp_path, monkeypatch
):
    original = checkpoints.build

    def remembered(*args):
        MODELS[:] = [original(*args)]
        return MODELS[0]

    monkeypatch.setattr(checkpoints, "build", remembered)
    in_step_after(monkeypatch, step, poison(part))
    with pytest.raises(FloatingPointError, match=message):
        run(kind, tmp_path)
    assert not (tmp_path / "model.json").exists()


def in_step_after(monkeypatch, n: int, act: Callable[[], None]) -> None:
    """Right after the n-th step of an optimiser."""
    original, calls = torch.optim.AdamW.step, [0]

    def wrapped(self, *args, **kwargs):
        original(self, *args, **kwargs)
        calls[0] += 1
        if calls[0] == n:
            act()

    monkeypatch.setattr(torch.optim.AdamW, "step", wrapped)


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(tmp_path, monkeypatch):
    original, calls = training.transition_loss, [0]

    def steep(output, y, **prices):
        parts = original(output, y, **prices)
        calls[0] += 1
        if calls[0] == 3:  # worth 0, with an infinite slope
            return replace(parts, total=parts.total + torch.sqrt(0 * output.mask_logit.sum()))
        return parts

    monkeypatch.setattr(training, "transition_loss", steep)
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    with pytest.raises(FloatingPointError, match="gradient is nan at step 2 of transition"):
        run("codes", tmp_path)
    monkeypatch.setattr(training, "transition_loss", original)
    run("codes", tmp_path)  # what was saved is sound: it goes on from there
    assert rows(tmp_path)[-1]["step"] == str(ON_CODES.transition_steps)


# --- progress and device --------------------------------------------------------------------------


def test_progress_is_one_line_per_tenth_where_nobody_watches(tmp_path, capsys):
    importlib.import_module("ipykernel")  # as a sweep does: that alone makes no notebook of it
    train(CODES, replace(ON_CODES, transition_steps=40), 0, tmp_path, progress=True)
    out, err = capsys.readouterr()
    lines = [line for line in out.splitlines() if line.startswith("transition: step")]
    assert len(lines) == 10 and lines[-1].startswith("transition: step 40 of 40  nll ")
    assert err == ""
    run("codes", tmp_path / "silent", transition_steps=2)
    assert capsys.readouterr() == ("", "")


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device() == pick_device("cpu") == torch.device("cpu")
    for name in ("cuda", "cuda:1", "mps"):
        with pytest.raises(ValueError, match=f"device '{name}' is not available here"):
            pick_device(name)
    with pytest.raises(ValueError, match="auto, cpu, cuda, cuda:N or mps, found 'gpu'"):
        pick_device("gpu")
    for name in ("cpu:first", "cuda:", "cuda:-1"):
        with pytest.raises(ValueError, match=f"cuda:N or mps, found '{name}'"):
            pick_device(name)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device() == torch.device("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device() == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ValueError, match="device 'cuda:2' is not available here"):
        pick_device("cuda:2")


@pytest.mark.parametrize(("looks", "wanted"), [(48, 4), (10_000, 8)])
def test_fewer_held_out_transitions_are_looked_at_where_there_are_many_actions(
    tmp_path, monkeypatch, looks, wanted
):
    """Each is scored under every action: of 12 actions, 48 looks are 4 transitions."""
    monkeypatch.setattr(training, "VALID", 8)
    monkeypatch.setattr(training, "LOOKS", looks)
    asked = []
    once = training.encoded_transitions

    def counted(world, model, n, split, *more):
        asked.append((split, n))
        return once(world, model, n, split, *more)

    monkeypatch.setattr(training, "encoded_transitions", counted)
    run("images", tmp_path)
    assert asked == [("valid", wanted)]


def test_training_data_are_encoded_in_the_precision_of_training_and_held_out_ones_are_not(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(loop, "half_precision", lambda device: True)
    asked = []
    for name in ("training_codes", "encoded_transitions"):
        once = getattr(training, name)

        def counted(*arguments, name=name, once=once):
            asked.append((name, torch.is_autocast_enabled("cpu")))
            return once(*arguments)

        monkeypatch.setattr(training, name, counted)
    run("images", tmp_path)
    assert asked == [("training_codes", True), ("encoded_transitions", False)]


def test_a_run_whose_edges_are_drawn_by_chance_is_repeated_to_the_bit(tmp_path):
    """The published edges are dice in evaluation too, and pruning and measuring throw them."""
    world = make_world("codes")
    recipe = get("nano", "codes", eval_edges="sample", transitions=200, transition_steps=20,
                 prune_tolerance=0.02, test_transitions=100)  # fmt: skip
    found = []
    for name in ("one", "two"):
        torch.manual_seed(len(name) + len(found))  # whatever was drawn before
        model = train(world, recipe, 3, tmp_path / name, progress=False)
        told = evaluate(model, world, recipe, 3)
        found.append((weights(tmp_path / name), {k: v for k, v in told.items() if k != "seconds"}))
    assert found[0] == found[1]


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True])
def test_a_seed_that_is_none_leaves_nothing_in_the_way(tmp_path, seed):
    with pytest.raises((TypeError, ValueError), match="seed must be"):
        train(CODES, replace(ON_CODES, transition_steps=2), seed, tmp_path, progress=False)
    assert not list(tmp_path.iterdir())


def test_a_stopped_run_of_an_older_version_goes_on(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        in_step(patched, 5, ctrl_c)
        with pytest.raises(KeyboardInterrupt, match="stopped at step 5 of transition"):
            train(CODES, ON_CODES, 0, tmp_path, progress=False)
    with safe_open(tmp_path / STATE, "pt") as file:
        header = json.loads(file.metadata()["run"])
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    identity = json.loads(header["identity"])
    del identity["recipe"]["augment"]  # younger than that version
    header["identity"] = json.dumps(identity)
    (tmp_path / STATE).write_bytes(save_tensors(tensors, {"run": json.dumps(header)}))
    train(CODES, ON_CODES, 0, tmp_path, progress=False)
    assert rows(tmp_path)[-1]["step"] == str(ON_CODES.transition_steps)
