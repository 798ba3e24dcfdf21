"""What a checkpoint says of itself is believed only as far as it can be checked."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from properties import FEW
from safetensors.torch import save as save_tensors

from cvq_tutorial.baselines.vae import load_vae
from cvq_tutorial.common.json_files import FileError
from cvq_tutorial.lessons import shipped
from cvq_tutorial.training import checkpoints, trusted
from cvq_tutorial.training.checkpoints import CheckpointError
from cvq_tutorial.training.recipes import get
from cvq_tutorial.training.run import PHASES, STATE, stopped_run
from cvq_tutorial.worlds.codes import CodesWorld
from cvq_tutorial.worlds.make import make_world

WORLD = CodesWorld(n_variables=4, n_codes=3, n_actions=5, n_targets=2, seed=1)
RECIPE = get("nano", width=8)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = checkpoints.build(WORLD, RECIPE)
    checkpoints.save(folder, model, WORLD, RECIPE, 7)
    return folder


@pytest.fixture
def run_dir(whole, tmp_path) -> Path:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    return tmp_path


def changed(run_dir: Path, place: tuple, value: object, digest: bool = True) -> None:
    """Change an entry of model.json. digest: leave it as it was, or take it away."""
    path = run_dir / "model.json"
    info = json.loads(path.read_text())
    part = info
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    if not digest:
        del info["digest"]
    path.write_text(json.dumps(info))


def refused(run_dir: Path, message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        checkpoints.load_run(run_dir)
    assert "\n" not in str(caught.value) and isinstance(caught.value, FileError)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("seed",), 8),
        (("world", "options", "seed"), 2),
        (("action_names", 0), "another"),
        (("recipe", "edge_price"), 0.5),
        (("seconds",), {"transition": 1.0}),
        (("made_by",), "nobody"),
    ],
)
def test_a_description_that_was_changed_is_noticed(run_dir, place, value):
    checkpoints.load_run(run_dir)
    changed(run_dir, place, value)
    refused(run_dir, r"model\.json was changed after it was written: expected digest .*, found ")


def test_weights_of_another_run_are_noticed(run_dir):
    data = save_tensors({"a": torch.zeros(1)})
    (run_dir / "model.safetensors").write_bytes(data)
    changed(run_dir, ("sha256",), hashlib.sha256(data).hexdigest())
    refused(run_dir, "was changed after it was written")


def test_a_file_without_a_digest_is_read_as_before(run_dir):
    changed(run_dir, ("seed",), 9, digest=False)
    assert checkpoints.load_run(run_dir)[2]["seed"] == 9


def test_a_description_can_be_written_again_with_more_in_it(run_dir, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    info = checkpoints.read_info(run_dir)
    checkpoints.write(other, (run_dir / "model.safetensors").read_bytes(), info | {"made_by": "us"})
    assert checkpoints.load_run(other)[2]["made_by"] == "us"


@pytest.fixture
def never_built(monkeypatch):
    """What is refused must be refused before a network or a world is made."""

    def fail(*_, **__):
        pytest.fail("built")

    monkeypatch.setattr(checkpoints, "build", fail)
    monkeypatch.setattr("cvq_tutorial.worlds.make.make_world", fail)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("reads", 30_000, "recipe reads does not fit the weights: expected 1, found 30000"),
        ("width", 40_000, "recipe width does not fit the weights: expected 8, found 40000"),
        ("width", True, "is damaged: recipe.width: expected a text or a number, found True"),
        ("width", [], "is damaged: recipe.width: expected a text or a number"),
        ("reads", "2", "recipe reads does not fit the weights: expected 1, found '2'"),
    ],
)
def test_sizes_of_codes_are_compared_before_anything_is_built(
    run_dir, never_built, name, value, told
):
    changed(run_dir, ("recipe", name), value, digest=False)
    refused(run_dir, told.replace("(", r"\(").replace("[", r"\["))


@pytest.mark.parametrize("name", ["n_variables", "n_codes", "n_actions"])
def test_sizes_of_a_world_are_compared_before_it_is_made(run_dir, never_built, name):
    changed(run_dir, ("world", "options", name), 10**9, digest=False)
    refused(run_dir, f"world {name} does not fit the weights: expected ., found 1000000000")


def test_another_number_of_action_names_is_noticed_without_a_digest(run_dir, never_built):
    changed(run_dir, ("action_names",), ["a"], digest=False)
    refused(run_dir, "number of action names does not fit the weights: expected 5, found 1")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("codebooks", 3), ("codes", 30_000), ("code_width", 4096), ("decoder_width", 40_000),
        ("decoder_blocks", 20_000), ("width", 40_000), ("reads", 30_000), ("layout", "other"),
        ("patch", 4), ("patch", "8"),
    ],
)  # fmt: skip
def test_sizes_of_images_are_compared_before_anything_is_built(tmp_path, never_built, name, value):
    source = shipped.SHIPPED / "shapes3d-lesson-s0-dcb74ec1"
    shutil.copytree(source, tmp_path / "run")
    info = json.loads((tmp_path / "run" / "model.json").read_text())
    info["recipe"][name] = value
    (tmp_path / "run" / "model.json").write_text(json.dumps(info))
    refused(tmp_path / "run", "does not fit the weights: expected ")


@pytest.mark.parametrize(
    ("place", "value"),
    [(("network", "latent"), 10**9), (("recipe", "decoder_blocks"), 20_000)],
)
def test_sizes_of_a_vae_are_compared_before_it_is_built(tmp_path, monkeypatch, place, value):
    monkeypatch.setattr("cvq_tutorial.baselines.vae.VAE", lambda *a, **k: pytest.fail("built"))
    shutil.copytree(shipped.SHIPPED / shipped.vae_name("shapes3d", 1.0, 0), tmp_path / "run")
    path = tmp_path / "run" / "model.json"
    info = json.loads(path.read_text())
    info[place[0]][place[1]] = value
    path.write_text(json.dumps(info))
    with pytest.raises(CheckpointError, match="does not fit the weights"):
        load_vae(tmp_path / "run", make_world("shapes3d"))


@pytest.mark.parametrize("value", [3, "vae", [], True, {"kind": 3}])
def test_a_network_that_is_none_is_one_line(run_dir, value):
    changed(run_dir, ("network",), value, digest=False)
    refused(run_dir, r"model\.json is damaged: network")


def test_a_description_of_brackets_is_one_line(run_dir):
    (run_dir / "model.json").write_bytes(b"[" * 200_000)
    refused(run_dir, r"model\.json is damaged: expected at most 32 levels, found more")


def test_every_shipped_model_fits_what_it_says():
    for path in shipped.SHIPPED.glob("*/model.json"):
        info = checkpoints.read_info(path.parent)
        trusted.check_sizes(info, trusted.shapes(path.parent), path.parent)


def test_a_model_that_shares_weights_is_saved_whole(tmp_path):
    with torch.random.fork_rng(devices=[]):
        model = checkpoints.build(WORLD, RECIPE)
    model.transition.edge_effect.weight = model.transition.edge_cause.weight
    checkpoints.save(tmp_path, model, WORLD, RECIPE, 0)
    again = checkpoints.load(tmp_path, WORLD).transition
    assert torch.equal(again.edge_effect.weight, again.edge_cause.weight)


# States ------------------------------------------------------------------------------------------

HEADER = {
    "identity": json.dumps({"world": {"name": "codes"}, "recipe": {"width": 8}, "seed": 0}),
    "phase": "transition", "step": 3, "rows": [{"phase": "transition", "step": 3}], "seconds": {},
}  # fmt: skip


def test_a_whole_header_is_read():
    told = trusted.state_header({"run": json.dumps(HEADER)}, STATE, PHASES)
    assert told["identity"]["recipe"] == {"width": 8} and told["step"] == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"step": -1}, "step: expected at least 0, found -1"),
        ({"step": "3"}, "step: expected a whole number, found '3'"),
        ({"phase": "third"}, "phase: expected one of"),
        ({"rows": [3]}, "rows[0]: expected a dictionary, found 3"),
        ({"rows": [{"loss": None}]}, "rows[0].loss: expected a text or a number, found None"),
        ({"seconds": []}, "seconds: expected a dictionary"),
        ({"identity": "[]"}, "identity is damaged: expected a dictionary, found []"),
        ({"identity": "{}"}, "identity is damaged: world: missing"),
    ],
)
def test_a_damaged_header_is_one_line_and_the_folder_holds_no_stopped_run(tmp_path, change, told):
    metadata = {"run": json.dumps(HEADER | change)}
    with pytest.raises(FileError) as caught:
        trusted.state_header(metadata, STATE, PHASES)
    assert told in str(caught.value) and "\n" not in str(caught.value)
    (tmp_path / STATE).write_bytes(save_tensors({"a": torch.zeros(1)}, metadata))
    assert stopped_run(tmp_path) is None
    for none in (None, {}, {"other": "x"}):
        with pytest.raises(FileError, match="expected the head of a run"):
            trusted.state_header(none, STATE, PHASES)


# Whatever somebody writes ------------------------------------------------------------------------

FLOATS = st.floats(allow_subnormal=False)  # there are none where training came before
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**64) | FLOATS | st.text(max_size=6),
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part, max_size=3)
    ),
    max_leaves=6,
)
PLACES = st.sampled_from(
    [("format",), ("world",), ("world", "name"), ("world", "options"), ("world", "options", "seed"),
     ("world", "options", "n_variables"), ("world", "options", "noise"), ("recipe",),
     ("recipe", "width"), ("recipe", "name"), ("recipe", "rule"), ("recipe", "edge_price"),
     ("recipe", "held_out"), ("seed",), ("action_names",), ("sha256",), ("network",), ("digest",)]
)  # fmt: skip


@FEW
@given(PLACES, VALUES, st.booleans())
def test_whatever_stands_in_a_description_it_loads_the_model_or_is_refused(
    whole, tmp_path_factory, place, value, digest
):
    folder = tmp_path_factory.getbasetemp() / "any"
    shutil.copytree(whole, folder, dirs_exist_ok=True)
    changed(folder, place, value, digest or place == ("digest",))
    try:
        model, world, info = checkpoints.load_run(folder)
    except CheckpointError as error:
        assert "\n" not in str(error)
        return
    assert (world.n_nodes, model.n_nodes, len(info["action_names"])) == (4, 4, 5)


@FEW
@given(st.sampled_from([*HEADER, "run"]), VALUES, st.binary(max_size=20))
def test_whatever_stands_in_a_header_it_is_read_or_refused(key, value, raw):
    told = json.dumps(HEADER | {key: value}) if key != "run" else raw.decode("latin-1")
    try:
        found = trusted.state_header({"run": told}, STATE, PHASES)
    except FileError as error:
        assert "\n" not in str(error)
        return
    assert found["step"] >= 0 and found["phase"] in ("", *PHASES)
