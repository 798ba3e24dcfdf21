"""`cvq refine`: a run folder becomes another one that paints differently and knows the same."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.transitions import sample_values
from cvq_tutorial.measure import evaluate
from cvq_tutorial.run.cli import main
from cvq_tutorial.training import recipes
from cvq_tutorial.training.checkpoints import load_run, read_info
from cvq_tutorial.training.train import train
from cvq_tutorial.worlds.make import make_world

TINY = {
    "autoencoder_steps": 8, "transition_steps": 4, "transitions": 64, "judge_steps": 2,
    "test_transitions": 24, "autoencoder_batch": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    world = make_world("shapes3d")
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    train(world, recipes.get("nano", "shapes3d", **TINY), 3, folder, progress=False)
    return folder


def test_a_refined_run_is_a_run_that_knows_the_same(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CVQ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(evaluate, "judge_accuracy", lambda judge, world: {})
    out = tmp_path / "refined"
    assert main(["refine", str(run), "--steps", "4", "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "retrieval the same bit for bit" in shown and "Frechet distance" in shown
    (before, world, _), (after, _, info) = load_run(run), load_run(out)
    assert info["refined"] == {"steps": 4, "seed": 0} and info["seed"] == 3
    x = to_float(world.render(sample_values(world.factors, 4, "test", 0)))
    assert torch.equal(before.encode(x), after.encode(x))
    assert not torch.equal(before.reconstruct(x), after.reconstruct(x))
    rows = json.loads((out / "fidelity.json").read_text())["models"]
    assert [row["retrieval the same bit for bit"] for row in rows] == [True, True]
    assert np.isfinite([row["Frechet distance"] for row in rows]).all()
    assert "refined" not in read_info(run)


def test_stage_one_is_not_written_over(run, capsys):
    assert main(["refine", str(run), "--out", str(run)]) == 2
    error = capsys.readouterr().err
    assert (
        "expected an empty folder, found a model of stage one" in error and error.count("\n") == 1
    )


def test_a_model_of_codes_has_nothing_to_paint(capsys):
    from cvq_tutorial.lessons.shipped import SHIPPED

    assert main(["refine", str(SHIPPED / "codes-lesson-s0")]) == 2
    assert "expected a model of pictures, found one of codes" in capsys.readouterr().err
