"""A folder of own pictures from the shell: check, train, evaluate, graph, and again elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvq_tutorial.run.cli import main
from cvq_tutorial.run.cli_worlds import options_of
from cvq_tutorial.run.reproduce import plan
from cvq_tutorial.training import checkpoints, recipes
from cvq_tutorial.training.train import train
from cvq_tutorial.worlds.factors import Factor, FactorSpace
from cvq_tutorial.worlds.make import make_world

TINY = {
    "codes": 8, "decoder_width": 8, "autoencoder_steps": 2, "autoencoder_batch": 4,
    "transitions": 20, "transition_steps": 2, "width": 16, "test_transitions": 20, "judge_steps": 2,
}  # fmt: skip
SETTINGS = [word for name, value in TINY.items() for word in ("--set", f"{name}={value}")]


def own(folder: Path, people: int = 12) -> Path:
    folder.mkdir()
    lines = ["picture;person;pose;hat"]
    for i in range(6 * people):
        pose, hat = i % 3, i // 3 % 2
        image = np.full((20, 20, 3), 10 * (i // 6), dtype=np.uint8)
        image[8:14, 6 * pose : 6 * pose + 6] = (250, 250 * hat, 60)
        Image.fromarray(image).save(folder / f"{i:03}.png")
        told = ("left", "right", "up")[pose], ("no", "Yes")[hat]
        lines.append(f"{i:03};p{i // 6};{told[0]};{told[1]}")
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder


def test_the_whole_way_from_a_folder_to_a_graph(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = own(tmp_path / "mine")
    assert main(["worlds", "check", "mine"]) == 1  # who is shown?
    assert "--identity person" in capsys.readouterr().out
    assert main(["worlds", "check", "mine", "--identity", "person"]) == 0
    command = capsys.readouterr().out.splitlines()[-1].removeprefix("to train: cvq ").split()
    assert command[-4:] == ["--factors", "pose,hat", "--identity", "person"]
    run = "runs/pictures-mine-nano-s0"
    assert main([*command, "--recipe", "nano", "--device", "cpu", *SETTINGS]) == 0
    assert main(["evaluate", run, "--device", "cpu"]) == 0
    metrics = json.loads((tmp_path / run / "metrics.json").read_text())
    assert metrics["world"] == "pictures" and metrics["retrieval"]["n"] == 20
    assert main(["graph", run, "--action", "pose=left", "--out", "g.csv"]) == 0
    first = (tmp_path / "g.csv").read_bytes()
    capsys.readouterr()
    assert main(["do", run, "mine/000.png", "--action", "pose=up", "--out", "y.png"]) == 0
    fitted = "mine/000.png: 20 x 20 pixels, fitted to 64 x 64: the central square is taken\n"
    assert capsys.readouterr().out.startswith(f"{fitted}pose=up: ")
    assert main(["name", run, "mine/000.png", "y.png"]) == 0
    reached = json.loads((tmp_path / run / "model.json").read_text())["explains_at"]
    assert f"true pairs reach {reached:.3f} nats per code" in capsys.readouterr().out
    folder.rename(tmp_path / "moved")
    capsys.readouterr()
    assert main(["graph", run, "--action", "pose=left"]) == 1
    assert capsys.readouterr().err.startswith("cvq: error: no folder of pictures at ")
    again = [sys.executable, "-m", "cvq_tutorial", "graph", run, "--action", "pose=left"]
    told = subprocess.run([*again, "--root", "moved"], capture_output=True, text=True)
    assert told.returncode == 0 and told.stdout.encode() == first, told.stderr
    Image.new("RGB", (20, 20)).save(tmp_path / "moved" / "003.png")
    assert main(["graph", run, "--action", "pose=left", "--root", "moved"]) == 2
    assert "pictures were replaced" in capsys.readouterr().err


class Room:
    """A world that is not of this package."""

    name, has_images, image_shape, credit, fingerprint = "room", True, (64, 64, 3), "me", "0"
    options = {"light": 3}  # noqa: RUF012 - as a user writes it
    factors = FactorSpace((Factor("light", 8), Factor("turn", 8), Factor("size", 4)))

    def render(self, values: np.ndarray) -> np.ndarray:
        images = np.zeros((len(values), 64, 64, 3), dtype=np.uint8)
        for image, (light, turn, size) in zip(images, np.asarray(values).tolist(), strict=True):
            image[: 16 * size + 16, 8 * turn : 8 * turn + 8] = 30 * (light + 1)
        return images


def test_a_model_of_a_users_own_world_loads_with_that_world(tmp_path):
    world = Room()
    train(world, recipes.get("nano", **TINY), 0, tmp_path, device="cpu", progress=False)
    with pytest.raises(
        checkpoints.CheckpointError, match="'room' is not one of this package; where"
    ):
        checkpoints.load_run(tmp_path)
    model, same, info = checkpoints.load_run(tmp_path, world=world)
    assert same is world and info["world"]["name"] == "room" and model.n_actions == 6
    other = Room()
    other.options = {"light": 4}
    with pytest.raises(
        checkpoints.CheckpointError,
        match="model of another world: expected world options light 4, found 3",
    ):
        checkpoints.load_run(tmp_path, world=other)


def test_options_of_worlds_come_from_the_shell(tmp_path):
    given = {
        "factors": "a, b", "bins": "age=4,size=10:50", "kinds": "hair=ordered", "drop": "a=x",
        "root": "nowhere", "world_option": ("sizes=[1,2]", "kind=toy"),
    }  # fmt: skip
    assert options_of("pictures", given) == {
        "root": "nowhere", "factors": ["a", "b"], "bins": {"age": 4, "size": [10, 50]},
        "kinds": {"hair": "ordered"}, "drop": ["a=x"], "sizes": [1, 2], "kind": "toy",
    }  # fmt: skip
    assert options_of("faces", {"factors": "a"}) == {"attributes": ["a"]}
    assert options_of("pictures", {"root": str(tmp_path)}) == {"root": str(tmp_path)}
    for wrong in ({"bins": "age"}, {"world_option": ("sizes",)}):
        with pytest.raises(ValueError, match="wants name=value, found"):
            options_of("pictures", wrong)


def test_own_pictures_are_shifted_and_celebas_layout_keeps_its_recipe(tmp_path):
    folder = own(tmp_path / "mine", 2)
    for world in ("pictures", "faces"):
        run = plan(world, "lesson", options={"root": str(folder)})
        assert run.recipe.augment == "shift" and run.folder.name == f"{world}-mine-lesson-s0"
    assert plan("faces", "lesson").recipe.augment == "mirror_shift"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "mpi3d", "--option", "sizes=[2]"], "sizes: expected 7 positive integers"),
        (["train", "mpi3d", "--option", "size"], "--option wants name=value, found 'size'"),
        (["train", "shapes3d", "--root", "x"], "unknown option of world shapes3d: 'root'"),
        (["train", "pictures"], "root='...' (--root FOLDER)"),
        (["reproduce", "--grid", "main", "--root", "x"], "--root cannot be combined with --grid"),
        (["baseline", "pictures", "--name", "plain-vqvae", "--root", "gone"], "no folder of pict"),
    ],
)
def test_wrong_options_are_one_line(capsys, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) in (1, 2)
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_a_folder_is_made_again_from_what_a_run_wrote(tmp_path):
    world = make_world("pictures", root=own(tmp_path / "mine"), identity="person")
    told = checkpoints.describe(world)
    assert make_world(told["name"], **told["options"]) == world
