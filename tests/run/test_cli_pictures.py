"""`cvq do` and `cvq name` on pictures of files, by a model that comes with the package."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from cvq_tutorial import load, make_world, to_float
from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.run.cli import main
from cvq_tutorial.training import checkpoints

WEIGHTS = PROJECT_ROOT / "cvq_tutorial/lessons/weights"
RUN = str(WEIGHTS / "shapes3d-lesson-s0")
VALUES = {"x": [0, 3, 6, 2, 1, 7], "y": [0, 4, 6, 2, 1, 7]}  # wall_hue+


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    world = make_world("shapes3d")
    for name, values in VALUES.items():
        Image.fromarray(world.render([values])[0]).save(f"{name}.png")
    return tmp_path


def out_of(capsys, *arguments: str) -> list[str]:
    assert main(list(arguments)) == 0
    return capsys.readouterr().out.splitlines()


def test_do_writes_what_the_model_paints(files, capsys):
    told = out_of(capsys, "do", RUN, "x.png", "--action", "wall_hue+", "--out", "new/o.png")
    model, world, _ = load(RUN)
    done = model.intervene(to_float(world.render([VALUES["x"]])), "wall_hue+")
    assert told == [f"wall_hue+: {done.verdict[0]}", "written: new/o.png"]
    found = to_float(np.array(Image.open("new/o.png"))[None])
    assert (found - done.images).abs().max() <= 0.5 / 255 + 1e-6
    both = out_of(
        capsys, "do", RUN, "x.png", "--action", "1", "--action", "scale-", "--out", "o.png"
    )
    assert [line.split(":")[0] for line in both] == ["wall_hue+", "scale-", "written"]
    last = model.compose(to_float(world.render([VALUES["x"]])), ["wall_hue+", "scale-"])[-1]
    found = to_float(np.array(Image.open("o.png"))[None])
    assert (found - last.images).abs().max() <= 0.5 / 255 + 1e-6


def test_name_says_posterior_likelihood_and_verdict(files, capsys):
    told = out_of(capsys, "name", RUN, "x.png", "y.png", "--top", "3")
    model, world, _ = load(RUN)
    named = model.retrieve(*(to_float(world.render([VALUES[k]])) for k in "xy"))
    assert told[0] == "verdict: wall_hue+" and len(told) == 2 + 3 + 1
    assert told[2].split() == ["wall_hue+", "1.000", f"{named.per_code.item():.3f}"]
    assert told[-1] == "true pairs reach -0.688 nats per code (99 in 100 of them)"
    order = [model.action_names.index(line.split()[0]) for line in told[2:5]]
    assert order == named.log_posterior[0].topk(3).indices.tolist()
    same = out_of(capsys, "name", RUN, "x.png", "x.png")
    assert same[0] == "verdict: nothing happened: all 256 codes are equal; 0 of 4096 pixels differ"
    image = np.array(Image.open("x.png"))
    image[0, 0, 0] ^= 1
    Image.fromarray(image).save("near.png")
    near = out_of(capsys, "name", RUN, "x.png", "near.png")
    assert near[0] == "verdict: nothing happened: all 256 codes are equal; 1 of 4096 pixels differ"


def test_of_an_older_run_it_says_that_it_does_not_know_what_true_pairs_reach(files, capsys):
    old = Path(shutil.copytree(RUN, "old"))
    info = json.loads((old / "model.json").read_text())
    del info["explains_at"], info["digest"]
    (old / "model.json").write_text(json.dumps(info))
    told = out_of(capsys, "name", str(old), "x.png", "y.png")
    assert told[-1].startswith("what true pairs reach is not known")


def test_a_picture_of_another_size_is_fitted_and_that_is_said(files, capsys):
    wide = np.zeros((128, 300, 3), dtype=np.uint8)
    wide[:, 86:214] = np.array(Image.open("x.png")).repeat(2, 0).repeat(2, 1)
    Image.fromarray(wide).save("wide.png")
    told = out_of(capsys, "name", RUN, "wide.png", "x.png")
    fitted = "wide.png: 300 x 128 pixels, fitted to 64 x 64: the central square is taken"
    assert told[0] == fitted and told[1].startswith("verdict: nothing happened")


def test_grey_stays_grey_where_all_pictures_of_the_world_are(files, capsys, monkeypatch):
    model, world, info = load(RUN)
    for grey in (True, False):
        told = SimpleNamespace(has_images=True, image_shape=world.image_shape, grey=grey)
        monkeypatch.setattr(checkpoints, "load_run", lambda *_, w=told, **__: (model, w, info))
        out_of(capsys, "do", RUN, "x.png", "--action", "wall_hue+", "--out", "o.png")
        with Image.open("o.png") as image:
            assert image.mode == ("L" if grey else "RGB")
    for mode in ("L", "RGB"):
        (files / mode).mkdir()
        for i in range(4):
            Image.new(mode, (8, 8), 50 * i).save(files / mode / f"{i}.png")
        lines = [f"{i}.png,{i % 2},{split}" for i, split in enumerate(["train"] * 4)]
        (files / mode / "t.csv").write_text("\n".join(["file,hat,split", *lines]))
        assert make_world("pictures", root=files / mode).grey == (mode == "L")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["do", RUN, "x.png", "--action", "wal_hue+"], "unknown action 'wal_hue+'; did you mean"),
        (["do", RUN, "x.png", "--action", "99"], "action 99 is outside 0..11"),
        (["do", RUN, "x.png"], "Missing option '--action'"),
        (["do", ".", "x.png", "--action", "0"], "no trained model here: expected model.json"),
        (["do", RUN, "text.png", "--action", "0"], "text.png: expected a picture, found text"),
        (["do", str(WEIGHTS / "codes-lesson-s0"), "x.png", "--action", "0"], "model of pictures"),
        (["name", str(WEIGHTS / "vae-shapes3d-s0"), "x.png", "y.png"], "found 'vae'"),
        (["name", RUN, "x.png", "gone.png"], "File 'gone.png' does not exist"),
        (["name", RUN, "x.png", "."], "is a directory"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_written(files, capsys, arguments, words):
    (files / "text.png").write_text("no picture")
    before = sorted(files.iterdir())
    out = ["--out", "o.png"] if arguments[0] == "do" else []
    assert main([*arguments, *out]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1 and sorted(files.iterdir()) == before


def test_the_file_to_write_is_a_png_and_no_folder(files, capsys):
    for out, words in (("o.jpg", "expected a file that ends in .png"), (".", "is a directory")):
        assert main(["do", RUN, "x.png", "--action", "0", "--out", out]) == 2
        assert words in capsys.readouterr().err


def test_the_verdict_uses_what_was_kept_with_the_model(files, capsys, monkeypatch):
    model, world, info = load(RUN)
    model.explains_at = -1.0
    monkeypatch.setattr(checkpoints, "load_run", lambda *_, **__: (model, world, info))
    assert out_of(capsys, "name", RUN, "x.png", "y.png")[0] == "verdict: wall_hue+"
    noise = torch.randint(256, (64, 64, 3), generator=torch.Generator().manual_seed(0))
    Image.fromarray(noise.to(torch.uint8).numpy()).save("noise.png")
    told = out_of(capsys, "name", RUN, "x.png", "noise.png")
    assert told[0] == "verdict: no action explains this"
    assert told[-1] == "true pairs reach -1.000 nats per code (99 in 100 of them)"
