"""Evaluation: every promised number is there, and models of known quality get what they deserve."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lamps import Lamps
from torch import Tensor

from cvq_tutorial.common.device import half_precision
from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.transitions import sample_transitions, split_of
from cvq_tutorial.measure.evaluate import evaluate
from cvq_tutorial.method.answers import Intervention, Retrieval
from cvq_tutorial.training import checkpoints
from cvq_tutorial.training.recipes import get
from cvq_tutorial.training.train import train
from cvq_tutorial.worlds.codes import CodesWorld
from cvq_tutorial.worlds.factors import SPLITS
from cvq_tutorial.worlds.make import make_world

ALWAYS = [
    "format",
    "world",
    "recipe",
    "seed",
    "device",
    "threads",
    "seconds.evaluate",
    "seconds.total",
    "retrieval.n",
    "retrieval.action_accuracy",
    "retrieval.macro_action_accuracy",
    "retrieval.chance.action",
    "retrieval.majority.action",
    "retrieval.copy.action",
    "retrieval.interval.action_accuracy",
    "mask.precision",
    "mask.recall",
    "mask.density",
    "mask.f1",
    "graph.edges_per_set_node",
    "graph.density",
    "graph.faithful.rank",
    "graph.faithful.rank_shuffled",
]
WITH_IMAGES = [
    "reconstruction.psnr",
    "codes.used",
    "codes.size",
    "codes.perplexity",
    "retrieval.factor_accuracy",
    "retrieval.macro_factor_accuracy",
    "retrieval.per_factor",
    "retrieval.chance.factor",
    "retrieval.majority.factor",
    "retrieval.copy.factor",
    "retrieval.visible.n",
    "retrieval.visible.action_accuracy",
    "retrieval.visible.factor_accuracy",
    "retrieval.visible.macro_action_accuracy",
    "retrieval.visible.macro_factor_accuracy",
    "retrieval.visible.per_factor",
    "intervention.psnr",
    "intervention.psnr_ceiling",
    "intervention.psnr_copy",
    "intervention.recovered",
    "intervention.edit_kept",
    "intervention.target_reached",
    "intervention.others_kept",
    "intervention.target_reached_ceiling",
    "intervention.others_kept_ceiling",
    "intervention.judge_accuracy.all",
    "intervention.interval.recovered",
]
WITH_TRUTH = [
    "graph.edge_f1",
    "graph.edge_auroc",
    "graph.shd",
]
NOT_A_SHARE = (
    "psnr",
    "recovered",
    "edit_kept",
    "perplexity",
    "shd",
    "edges_per_set_node",
    "used",
    "size",
)
CODES = CodesWorld(n_variables=5, n_codes=4, n_actions=4, n_targets=2, seed=1)


def at(metrics: dict, key: str):
    for part in key.split("."):
        metrics = metrics[part]
    return metrics


def check_numbers(value, path: tuple[str, ...] = ()) -> None:
    """Every number is finite; shares lie in [0, 1], intervals are in order."""
    if isinstance(value, dict):
        for key, part in value.items():
            check_numbers(part, (*path, str(key)))
    elif isinstance(value, list):
        for part in value:
            check_numbers(part, path)
        if "interval" in path:
            assert value[0] <= value[1], path
    elif value is None:
        assert "recovered" in path, path  # not defined where the codes lose more than the edit
    elif not isinstance(value, str):
        assert np.isfinite(value), path
        counted = path[0] in ("format", "seed", "threads", "seconds") or path[-1] == "n"
        name = path[-1].removesuffix("_ceiling").removesuffix("_copy")
        if not counted and name not in NOT_A_SHARE:
            assert 0 <= value <= 1, (path, value)


def without_seconds(metrics: dict) -> dict:
    return {k: v for k, v in metrics.items() if k != "seconds"}


# --- the whole method at its smallest -------------------------------------------------------------


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    make_world("shapes3d").render(np.zeros((1, 6), dtype=np.int64))  # its buffers are loaded
    monkeypatch.setenv("CVQ_CACHE", str(tmp_path / "cache"))


def test_every_key_is_there_for_images(tmp_path, own_cache):
    world = make_world("shapes3d")
    recipe = get(
        "nano", codes=8, decoder_width=16, autoencoder_steps=4, autoencoder_batch=4,
        transitions=40, width=16, transition_steps=2, prune_tolerance=0,
        test_transitions=60, judge_steps=2,
    )  # fmt: skip
    model = train(world, recipe, 5, tmp_path / "run", progress=False)
    seconds = {"autoencoder": 2.0, "encode": 1.0, "transition": 3.0}
    found = evaluate(model, world, recipe, 5, seconds=seconds, progress=False)
    for key in ALWAYS + WITH_IMAGES:
        at(found, key)
    check_numbers(found)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["world"], found["recipe"], found["seed"]) == ("shapes3d", "nano", 5)
    assert found["device"] == "cpu" and found["threads"] == torch.get_num_threads()
    assert found["retrieval"]["n"] == 60
    assert set(found["retrieval"]["per_factor"]) == set(world.factors.names)
    assert set(found["intervention"]["judge_accuracy"]) == {*world.factors.names, "all"}
    assert found["retrieval"]["chance"] == {"action": 1 / 12, "factor": 1 / 6}
    assert found["codes"]["size"] == [8, 8] and len(found["codes"]["used"]) == 2
    told = found["seconds"]
    assert {k: told[k] for k in seconds} == seconds
    assert told["total"] == pytest.approx(6.0 + told["evaluate"], abs=0.11)
    loaded = checkpoints.load(tmp_path / "run", world)
    again = evaluate(loaded, world, recipe, 5, progress=False)
    assert without_seconds(again) == without_seconds(found)
    info = checkpoints.read_info(tmp_path / "run")
    assert info["bf16"] == found["bf16_training"] == half_precision(torch.device("cpu"))
    other = evaluate(loaded, world, recipe, 5, bf16=not info["bf16"], progress=False)
    assert other["bf16_training"] is not info["bf16"]  # what training did, not this machine


def test_every_key_that_applies_is_there_for_codes(tmp_path):
    recipe = get("nano", transitions=200, width=16, transition_steps=3, test_transitions=150)
    model = train(CODES, recipe, 2, tmp_path / "run", progress=False)
    found = evaluate(model, CODES, recipe, 2, progress=False)
    for key in ALWAYS + WITH_TRUTH:
        at(found, key)
    check_numbers(found)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert not {"reconstruction", "codes"} & set(found)
    assert "factor_accuracy" not in found["retrieval"]
    assert found["retrieval"]["n"] == 150 and found["retrieval"]["chance"] == {"action": 0.25}
    again = evaluate(model, CODES, recipe, 2, progress=False)
    assert without_seconds(again) == without_seconds(found)
    other = evaluate(model, CODES, recipe, 3, progress=False)
    assert without_seconds(other) != without_seconds(found) | {"seed": 3}  # another sample


# --- models of known quality on codes -------------------------------------------------------------


def named(scores: Tensor, same: Tensor | None = None) -> Retrieval:
    """The action of the highest score (B, A), the first of several."""
    told = scores.log_softmax(1)
    same = torch.zeros(len(told), dtype=torch.bool) if same is None else same
    return Retrieval(told, told.argmax(1), told, same, 1, [])


def done(x: Tensor, y: Tensor, mask: Tensor, edges: Tensor, images: Tensor | None) -> Intervention:
    return Intervention(x, y, mask, edges, images, ())


class Both:
    """Two answers at once; counts how often it is asked."""

    asked = 0

    BATCH = 256
    check_codes = to_nodes = from_nodes = staticmethod(lambda codes: codes)
    check_actions = staticmethod(lambda actions, n: actions)

    def distribution(self, codes: Tensor, actions: Tensor) -> SimpleNamespace:
        done = self.intervene(codes, actions)
        sure = torch.nn.functional.one_hot(done.codes, 16).float().log()
        return SimpleNamespace(edges=done.edges, mask=done.mask, log_probs=lambda: sure)

    def intervene_and_retrieve(self, x, actions, y) -> tuple[Intervention, Retrieval]:
        self.asked += 1
        return self.intervene(x, actions), self.retrieve(x, y)


class KnowsCodes(Both):
    """Answers from the world itself."""

    def __init__(self, world: CodesWorld, graph: np.ndarray) -> None:
        self.world, self.n_actions, self.n_nodes = world, world.n_actions, world.n_nodes
        self.device, self._graph = torch.device("cpu"), torch.tensor(graph, dtype=torch.float32)

    def after(self, x: Tensor, actions: Tensor) -> Tensor:
        return torch.from_numpy(self.world.apply(x.numpy(), actions.numpy()))

    def retrieve(self, x: Tensor, y: Tensor) -> Retrieval:
        every = [self.after(x, torch.full((len(x),), a)) for a in range(self.n_actions)]
        agree = torch.stack([(e == y).all(2).all(1) for e in every], 1).float()
        return named(agree)

    def intervene(self, x: Tensor, actions: Tensor) -> Intervention:
        mask = torch.tensor(self.world.targets)[actions][..., None].float()
        return done(x, self.after(x, actions), mask, self.graph(x, actions), None)

    def graph(self, x: Tensor, action: Tensor | int) -> Tensor:
        return self._graph[torch.as_tensor(action).expand(len(x))]


def test_a_model_that_knows_the_codes_world_is_perfect():
    found = evaluate(KnowsCodes(CODES, CODES.graph), CODES, get("nano", test_transitions=400))
    assert found["retrieval"]["action_accuracy"] > 0.98  # two actions may agree by chance
    assert found["intervention"]["codes_right"] == 1.0
    assert 0.5 < found["intervention"]["codes_right_copy"] < 0.9
    assert found["mask"]["precision"] == found["mask"]["recall"] == found["mask"]["f1"] == 1.0
    assert found["mask"]["density"] == pytest.approx(2 / 5)
    graph = found["graph"]
    assert (graph["edge_f1"], graph["edge_auroc"], graph["shd"]) == (1.0, 1.0, 0)
    assert 1 <= graph["edges_per_set_node"] <= 2
    assert graph["faithful"]["rank"] > 0.8 > 0.3 > abs(graph["faithful"]["rank_shuffled"])


def test_a_graph_the_wrong_way_round_is_not_right():
    turned = KnowsCodes(CODES, CODES.graph.transpose(0, 2, 1))
    graph = evaluate(turned, CODES, get("nano", test_transitions=100))["graph"]
    assert graph["edge_f1"] < 0.8 and graph["shd"] > 4
    right = evaluate(KnowsCodes(CODES, CODES.graph), CODES, get("nano", test_transitions=100))
    assert graph["faithful"]["rank"] < right["graph"]["faithful"]["rank"] - 0.2


# --- models of known quality on images ------------------------------------------------------------


class KnowsLamps(Both):
    """One node, whose three codes are the factor values."""

    n_actions, n_nodes, n_codes = 6, 1, 16
    device = torch.device("cpu")

    def __init__(self, world: Lamps) -> None:
        self.world = world

    def encode(self, images: Tensor) -> Tensor:
        return (images[:, :, 0, 0] * 255 / 17).round().long()[:, None]

    def decode(self, codes: Tensor) -> Tensor:
        return to_float(self.world.render(codes[:, 0].numpy()))

    def after(self, x: Tensor, actions: Tensor) -> Tensor:
        step = torch.nn.functional.one_hot(actions % 3, 3) * (1 - 2 * (actions // 3))[:, None]
        return x + step[:, None]

    def intervene(self, x: Tensor, actions: Tensor) -> Intervention:
        y = self.after(x, actions)
        return done(x, y, (x != y).float(), torch.ones(len(x), 1, 1), self.decode(y))

    def retrieve(self, x: Tensor, y: Tensor) -> Retrieval:
        every = [self.after(x, torch.full((len(x),), a)) for a in range(6)]
        agree = torch.stack([(e == y).all(2).all(1) for e in every], 1).float()
        return named(agree)


class Copies(KnowsLamps):
    """Draws x again, whatever is done."""

    def intervene(self, x: Tensor, actions: Tensor) -> Intervention:
        return done(x, x, torch.zeros(x.shape), torch.ones(len(x), 1, 1), self.decode(x))

    def retrieve(self, x: Tensor, y: Tensor) -> Retrieval:
        return named(torch.zeros(len(x), 6))


@pytest.fixture
def lamps(monkeypatch) -> Lamps:
    """The world, and a judge that reads it without an error."""
    judge = SimpleNamespace(read=lambda i: (i[:, :, 0, 0] * 255 / 17).round().long())
    monkeypatch.setattr("cvq_tutorial.measure.evaluate.load_or_train_judge", lambda *_, **__: judge)
    perfect = {"red": 1.0, "green": 1.0, "blue": 1.0, "all": 1.0}
    monkeypatch.setattr("cvq_tutorial.measure.evaluate.judge_accuracy", lambda *_: perfect)
    return Lamps()


RECIPE = get("nano", test_transitions=300)  # more than a batch


def test_a_model_that_knows_the_image_world_is_perfect(lamps):
    found = evaluate(KnowsLamps(lamps), lamps, RECIPE)
    check_numbers(found)
    assert found["reconstruction"]["psnr"] == 100.0  # no error at all
    retrieval, done = found["retrieval"], found["intervention"]
    for key in ("action_accuracy", "factor_accuracy", "macro_action_accuracy"):
        assert retrieval[key] == retrieval["visible"][key] == 1.0
    assert retrieval["n"] == retrieval["visible"]["n"] == 300
    assert done["psnr"] == done["psnr_ceiling"] == 100.0 and done["psnr_copy"] < 30
    assert done["recovered"] == done["edit_kept"] == 1.0
    for key in ("target_reached", "others_kept"):
        assert done[key] == done[f"{key}_ceiling"] == 1.0
    assert found["mask"]["f1"] == 1.0 and found["mask"]["density"] == pytest.approx(1 / 3)
    assert found["graph"].pop("faithful")["pairs"] == 0  # there is one node
    assert found["graph"] == {"edges_per_set_node": 1.0, "density": 1.0}


class LosesBlue(KnowsLamps):
    """An autoencoder that draws no blue: what happens there is not in its pictures."""

    def decode(self, codes: Tensor) -> Tensor:
        return super().decode(codes * torch.tensor([1, 1, 0]))


def test_an_edit_that_is_not_drawn_is_not_kept(lamps):
    done = evaluate(LosesBlue(lamps), lamps, RECIPE)["intervention"]
    kept = {name: part["edit_kept"] for name, part in done["per_factor"].items()}
    assert kept == pytest.approx({"red": 1.0, "green": 1.0, "blue": 0.0}, abs=1e-6)
    assert 0.5 < done["edit_kept"] < 0.8  # a third of the edits is lost


def test_a_model_that_copies_gets_the_copy_baseline(lamps):
    found = evaluate(Copies(lamps), lamps, RECIPE)
    check_numbers(found)
    done = found["intervention"]
    assert done["psnr"] == done["psnr_copy"] and done["recovered"] == 0.0
    assert done["target_reached"] == 0.0 and done["others_kept"] == 1.0
    assert done["target_reached_ceiling"] == 1.0
    assert found["mask"]["recall"] == 0.0 and found["graph"]["edges_per_set_node"] == 0.0
    assert found["retrieval"]["macro_action_accuracy"] == pytest.approx(1 / 6)
    assert found["retrieval"]["copy"]["action"] == pytest.approx(1 / 6)


def test_edits_that_change_no_pixel_are_counted_apart(lamps):
    lamps.levels[[2, 6, 10]] = lamps.levels[[1, 5, 9]]  # three steps of 15 are not to be seen
    found = evaluate(KnowsLamps(lamps), lamps, RECIPE)
    retrieval = found["retrieval"]
    assert retrieval["n"] == 300 and 200 < retrieval["visible"]["n"] < 280
    assert retrieval["visible"]["action_accuracy"] > retrieval["action_accuracy"] + 0.03


class KnowsFrequentLamps(KnowsLamps):
    """Knows the world where there is little red, and takes red for nothing elsewhere."""

    def retrieve(self, x: Tensor, y: Tensor) -> Retrieval:
        told = super().retrieve(x, y)
        guess = torch.where(x[:, 0, 0] < 8, told.actions, 2)
        return named(10.0 * torch.nn.functional.one_hot(guess, 6))

    def intervene(self, x: Tensor, actions: Tensor) -> Intervention:
        told = super().intervene(x, actions)
        codes = torch.where((x[..., :1] < 8), told.codes, x)
        return done(x, codes, told.mask, told.edges, self.decode(codes))


def test_a_model_of_imbalanced_data_is_measured_on_both(lamps):
    recipe = get("nano", test_transitions=300, value_weights="red=zipf:2")
    found = evaluate(KnowsFrequentLamps(lamps), lamps, recipe)
    check_numbers(found)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for key in ("action_accuracy", "macro_action_accuracy"):
        assert found["retrieval"][key] < 0.7 and found["retrieval"]["skewed"][key] > 0.9
    assert found["intervention"]["target_reached"] < 0.7
    assert found["intervention"]["skewed"]["target_reached"] > 0.9
    red = found["retrieval"]["per_value"]["red"]
    assert sum(red["n"]) == found["retrieval"]["per_factor"]["red"]["n"]
    assert red["action_accuracy"] == [1.0] * 8 + [0.0] * 8
    assert "unseen" not in found["retrieval"] and "seen" not in found["intervention"]
    plain = evaluate(KnowsFrequentLamps(lamps), lamps, get("nano", test_transitions=300))
    assert plain["retrieval"].keys() == found["retrieval"].keys() - {"skewed", "per_value"}
    assert plain["intervention"].items() <= found["intervention"].items()


def test_combinations_that_were_held_out_are_measured_apart(lamps):
    held_out = ";".join(f"{n}={','.join(map(str, range(8, 16)))}" for n in ("red", "green"))
    recipe = get("nano", test_transitions=300, held_out=held_out)
    found = evaluate(KnowsFrequentLamps(lamps), lamps, recipe)
    check_numbers(found)
    for part, key in (("retrieval", "action_accuracy"), ("intervention", "target_reached")):
        told = found[part]
        assert told["unseen"]["n"] == 300 and 0 < told["seen"]["n"] < 300
        assert told["unseen"][key] < 0.4 < told[key] < told["seen"][key]


def test_where_the_test_split_holds_nothing_unseen_there_is_no_number(lamps):
    recipe = get("nano", test_transitions=60, held_out="red=0;green=0;blue=0")
    found = evaluate(KnowsLamps(lamps), lamps, recipe)
    check_numbers(found)
    assert found["retrieval"]["unseen"] == found["intervention"]["unseen"] == {"n": 0}


def test_only_the_test_split_is_looked_at(lamps):
    evaluate(KnowsLamps(lamps), lamps, RECIPE)
    seen = np.concatenate(lamps.rendered)
    assert len(seen) > 600
    assert (split_of(lamps.factors, seen) == SPLITS.index("test")).all()


def test_the_majority_is_that_of_the_training_transitions(lamps):
    """It is chosen without the test sample, so it need not be the best constant answer there."""
    found = evaluate(KnowsLamps(lamps), lamps, RECIPE)["retrieval"]["majority"]
    train = sample_transitions(lamps.factors, 20_000, "train", 0).actions
    test = sample_transitions(lamps.factors, RECIPE.test_transitions, "test", 0).actions
    shares = np.bincount(test, minlength=lamps.factors.n_actions) / len(test)
    most = int(np.bincount(train).argmax())
    assert found["action"] == pytest.approx(shares[most]) and shares[most] < shares.max()
    assert found["factor"] == pytest.approx((test % 3 == most % 3).mean())
