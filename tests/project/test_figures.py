"""The tool that fills figures/: on a model that knows nothing, every picture is made and listed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import project_tools
import pytest
import torch
from PIL import Image

from cvq_tutorial.graphs.graph import CausalGraph
from cvq_tutorial.run import gallery
from cvq_tutorial.training import checkpoints, recipes
from cvq_tutorial.worlds.make import make_world

ROOT = Path(__file__).resolve().parent.parent.parent
tool = project_tools.load("build_figures")

LOG = "phase,step,seconds,loss,psnr\nautoencoder,1,0.1,2.5,20\nautoencoder,2,0.2,2,21\n"


@pytest.fixture(scope="module")
def untrained(tmp_path_factory) -> Path:
    """A run folder of an untrained model."""
    folder = tmp_path_factory.mktemp("run")
    world, recipe = make_world("shapes3d"), recipes.get("nano", "shapes3d")
    torch.manual_seed(0)
    checkpoints.save(folder, checkpoints.build(world, recipe), world, recipe, 0)
    (folder / "log.csv").write_text(LOG)
    return folder


def test_all_pictures_are_drawn_and_listed_with_their_code(untrained, tmp_path, capsys):
    assert tool.main([str(untrained), "--out", str(tmp_path), "--n", "144"]) == 0
    index = json.loads((tmp_path / "index.json").read_text())["figures"]
    assert list(index) == [entry.file for entry in tool.ENTRIES]
    table = (tmp_path / "INDEX.md").read_text()
    for file, about in index.items():
        with Image.open(tmp_path / file) as picture:
            assert picture.width > 300
            told = picture.info.get("Description", picture.info.get("comment"))
        assert (told.decode() if isinstance(told, bytes) else told) == about["summary"]
        assert about["source"] == tool.source_hash(tuple(about["modules"]))
        assert f"[{file}]({file}) | {about['shows']} | `{about['command']}` |" in table
        assert about["run"]["world"] == ("codes" if file.startswith("codes_") else "shapes3d")
    assert {p.name for p in tmp_path.iterdir()} == {*index, "index.json", "INDEX.md"}
    assert len(capsys.readouterr().out.splitlines()) == len(index) + 3  # and three trainings


def test_one_picture_is_made_again_and_the_others_stay_listed(untrained, tmp_path):
    common = [str(untrained), "--out", str(tmp_path), "--n", "144"]
    assert tool.main([*common[:1], "confusion", "reconstructions", *common[1:]]) == 0
    (tmp_path / "confusion.png").unlink()
    index = tool.read_index(tmp_path)
    assert tool.main([*common[:1], "confusion", *common[1:]]) == 0
    assert (tmp_path / "confusion.png").is_file() and tool.read_index(tmp_path) == index
    assert list(index) == ["reconstructions.png", "confusion.png"]


def test_what_cannot_be_drawn_is_one_line(untrained, tmp_path, capsys):
    out = ["--out", str(tmp_path)]
    assert tool.main([str(untrained), "confusoin", *out]) == 1
    assert "unknown figure 'confusoin'; did you mean 'confusion'?" in capsys.readouterr().err
    assert tool.main([str(tmp_path), *out]) == 1
    assert capsys.readouterr().err.startswith("error: no trained model here")
    world, recipe = make_world("codes"), recipes.get("nano", "codes")
    checkpoints.save(tmp_path / "codes", checkpoints.build(world, recipe), world, recipe, 0)
    assert tool.main([str(tmp_path / "codes"), *out]) == 1
    assert "expected a run on a world with images" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["codes"], "nothing was drawn"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("x = 1", "x  =  1  # a comment", True),
        ("def f():\n    'doc'\n    return 1", "def f():\n    return 1", True),
        ("x = None", "x = ''", False),
        ("x = 0", "x = False", False),
        ("f(a, b)", "f(b, a)", False),
    ],
)
def test_the_hash_is_of_what_code_does(one, other, same, tmp_path, monkeypatch):
    monkeypatch.setattr(tool, "PACKAGE", tmp_path)
    for name in tool.SHARED:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    found = []
    for text in (one, other):
        (tmp_path / "drawing.py").write_text(text)
        found.append(tool.source_hash(("drawing",)))
    assert (found[0] == found[1]) == same


def test_the_style_and_what_all_pictures_share_are_part_of_every_hash(tmp_path, monkeypatch):
    monkeypatch.setattr(tool, "PACKAGE", tmp_path)
    for name in tool.SHARED:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    before = tool.source_hash(())
    (tmp_path / "draw/cvq.mplstyle").write_text("font.size: 10")
    assert tool.source_hash(()) != before


def test_a_picture_of_a_model_that_sets_nothing_shows_its_likeliest_node():
    graph = CausalGraph(np.eye(3), set_by=[0.1, 0.4, 0.2])
    assert gallery.shown_nodes(graph).tolist() == [False, True, False]
    assert gallery.busiest_node(graph) == 1
    edges = np.ones((3, 3))
    edges[:, 0] = [1, 0, 0]
    graph = CausalGraph(edges, set_by=[0.9, 0.6, 0.2])
    assert gallery.shown_nodes(graph).tolist() == [True, True, False]
    assert gallery.busiest_node(graph) == 1, "of the set nodes, the one with the most causes"
    assert gallery.shown_nodes(CausalGraph(edges)).all()
