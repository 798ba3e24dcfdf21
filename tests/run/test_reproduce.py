"""Run folders: what is refused before work starts, what a run leaves, what it says meanwhile."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from safetensors import safe_open

from cvq_tutorial.common.json_files import FileError
from cvq_tutorial.graphs import files as graph_files
from cvq_tutorial.run import notebooks, report, reproduce
from cvq_tutorial.run.cli import main
from cvq_tutorial.training import recipes
from cvq_tutorial.training.run import STATE
from cvq_tutorial.training.train import train
from cvq_tutorial.worlds.make import make_world

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = {"notebook.ipynb", "metrics.json", "model.safetensors", "model.json", "log.csv"}
# A run of seconds: no images, few steps.
QUICK = {"transition_steps": 20, "transitions": 200, "test_transitions": 100}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, str]:
    """A finished run on the world `codes`, made as a person makes it; and what it said."""
    runs, said = tmp_path_factory.mktemp("runs"), io.StringIO()
    folder = reproduce.reproduce("codes", "nano", 0, QUICK, runs, device="cpu", progress=said)
    return folder, said.getvalue()


# --- what a run leaves --------------------------------------------------------------------------


def test_a_run_leaves_everything_in_its_folder(finished):
    folder, _ = finished
    assert folder.name == "codes-nano-s0"
    listed = reproduce.contents(folder)
    assert set(listed) >= FILES
    figures = sorted(Path(name).stem for name in listed if name.startswith("figures/"))
    made = ["confusion", "effects_masks", "graph_arrows", "graph_matrix", "training_curves"]
    assert figures == made
    left = {p.name for p in folder.rglob("*") if p.is_file()}
    assert {name for name in left if name.startswith(".") or "partial" in name} == set()


def test_the_executed_notebook_has_its_parameters_and_no_error(finished):
    folder, _ = finished
    book = nbformat.read(folder / "notebook.ipynb", as_version=4)
    [injected] = [c for c in book.cells if "injected-parameters" in c.metadata.get("tags", [])]
    assert 'world = "codes"' in injected.source and 'recipe = "nano"' in injected.source
    assert '"transition_steps": 20' in injected.source
    outputs = [o for c in book.cells for o in c.get("outputs", [])]
    assert not [o for o in outputs if o.output_type == "error"]
    assert sum("image/png" in o.get("data", {}) for o in outputs) == 5  # each figure once
    assert len([c for c in book.cells if c.cell_type == "code" and c.execution_count is None]) == 0


def test_metrics_have_the_keys_that_apply_and_their_controls(finished):
    folder, _ = finished
    metrics = reproduce.read_metrics(folder)
    for key in ("format", "world", "recipe", "seed", "device", "threads", "seconds"):
        assert key in metrics
    assert {"encode", "transition", "evaluate", "total"} <= set(metrics["seconds"])
    assert {"n", "action_accuracy", "chance", "majority", "copy"} <= set(metrics["retrieval"])
    assert {"precision", "recall", "density", "f1"} <= set(metrics["mask"])
    assert {"edge_f1", "edge_auroc", "shd", "edges_per_set_node"} <= set(metrics["graph"])
    assert "reconstruction" not in metrics
    assert metrics["retrieval"]["n"] == QUICK["test_transitions"]


def test_the_same_command_twice_gives_the_same_metrics(finished, tmp_path):
    folder, _ = finished
    again = reproduce.reproduce("codes", "nano", 0, QUICK, tmp_path, device="cpu")
    first, second = reproduce.read_metrics(folder), reproduce.read_metrics(again)
    for metrics in (first, second):
        metrics.pop("seconds")
    assert first == second
    weights = "model.safetensors"
    assert (folder / weights).read_bytes() == (again / weights).read_bytes()


def test_what_it_says_is_short_and_tells_how_far_it_is(finished):
    _, said = finished
    lines = said.splitlines()
    assert lines[0].startswith("world codes, recipe nano, seed 0 -> ")
    told = [x for x in lines if x.startswith("transition: step ")]  # a line per tenth
    assert len(told) == 10 and re.match(r"transition: step 20 of 20  .*action_accuracy", told[-1])
    assert len(lines) < 60
    assert "encryption" not in said and "it/s" not in said


def test_the_log_is_read_as_numbers(finished):
    rows = reproduce.read_log(finished[0])
    assert [row["step"] for row in rows if row["phase"] == "transition"][-1] == 20
    assert all(isinstance(v, float) for row in rows for k, v in row.items() if k != "phase")


def test_a_graph_is_exported_in_every_format_and_they_agree(finished, capsysbinary, tmp_path):
    folder, _ = finished
    common = ["graph", str(folder), "--action", "1", "--threshold", "0.3", "--n", "8"]
    read = {}
    for form in graph_files.FORMATS:
        path = tmp_path / f"g.{form}"
        assert main([*common, "--out", str(path)]) == 0  # the ending says the format
        read[form] = graph_files.load(path)
    first = read["npz"]
    assert (first.action, first.n, first.limit) == ("a1", 8, 0.3)
    assert first.edges.any() and not ((first.edges > 0) & (first.edges < 0.3)).any()
    for graph in read.values():
        assert np.array_equal(graph.edges, first.edges) and graph.names == first.names
        assert np.array_equal(graph.set_by, first.set_by)
    text = cli_out(capsysbinary, *common[:3], "a1", *common[4:])
    assert text == (tmp_path / "g.csv").read_bytes()
    few = graph_files.loads(cli_out(capsysbinary, *common, "--top-k", "3", "--used"), "csv")
    assert len(few.pairs()) <= 3 and not few.edges[:, ~few.set_nodes].any()


def test_a_graph_of_what_tells_is_exported_and_goes_with_no_other_limit(
    finished, capsysbinary, tmp_path
):
    recipe = recipes.get("nano", "codes", **QUICK, cause_dropout=0.5)
    train(make_world("codes"), recipe, 0, tmp_path, progress=False)
    common = ["graph", str(tmp_path), "--action", "a1", "--n", "8", "--format", "json"]
    few, many = (
        graph_files.loads(cli_out(capsysbinary, *common, "--told", nats), "json")
        for nats in ("0.05", "0.0001")
    )
    assert set(np.unique(many.edges)) == {0.0, 1.0} and many.action == "a1"
    assert few.edges.sum() < many.edges.sum() and (few.edges <= many.edges).all()
    for other in (["--top-k", "3"], ["--threshold", "0.4"]):
        assert main([*common, "--told", "0.1", *other]) == 2
        said = capsysbinary.readouterr().err.decode()
        assert "told: expected neither top_k nor a threshold beside it" in said
    assert main(["graph", str(finished[0]), "--action", "a1", "--told", "0.1"]) == 2
    said = capsysbinary.readouterr().err.decode()
    assert "told: expected a run that has missed causes while training" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "start"),
    [
        (["--out", "g.png"], b"\x89PNG"),
        (["--out", "g.svg", "--view", "layers"], b"<?xml"),
        (["--out", "anything", "--format", "svg", "--top-k", "5"], b"<?xml"),
    ],
)
def test_a_graph_is_exported_as_a_picture(finished, tmp_path, monkeypatch, options, start):
    monkeypatch.chdir(tmp_path)
    assert main(["graph", str(finished[0]), "--action", "a1", "--n", "4", *options]) == 0
    assert Path(options[1]).read_bytes().startswith(start)


def cli_out(capsysbinary, *arguments: str) -> bytes:
    capsysbinary.readouterr()
    assert main(list(arguments)) == 0
    return capsysbinary.readouterr().out


@pytest.mark.parametrize(
    ("action", "message"),
    [("a9", "unknown action 'a9'"), ("8", "action 8 is outside 0..7"), ("-1", "action -1 is")],
)
def test_a_graph_of_an_unknown_action_is_refused(finished, capsys, action, message):
    assert main(["graph", str(finished[0]), f"--action={action}"]) == 2
    assert message in capsys.readouterr().err


def test_evaluating_again_gives_the_same_numbers(finished, capsys):
    folder, _ = finished
    before = reproduce.read_metrics(folder)
    assert main(["evaluate", str(folder), "--device", "cpu"]) == 0
    after = reproduce.read_metrics(folder)
    before.pop("seconds"), after.pop("seconds")
    assert before == after
    assert "against the truth: F1" in capsys.readouterr().out


METRICS = {"world": "codes", "recipe": "nano", "seed": 0}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": "0"}, "seed: expected a whole number, found '0'"),
        ({"mask": {"f1": 1.0}}, "mask.precision: missing"),
        ({"reconstruction": {"psnr": True}}, "reconstruction.psnr: expected a number"),
        ({"retrieval": []}, "retrieval: expected a dictionary, found []"),
        ({"retrieval": {"n": 3, "action_accuracy": 0.5}}, "macro_action_accuracy: missing"),
        ({"retrieval": {"n": 3, "action_accuracy": 0.5, "macro_action_accuracy": 0.5}}, "chance"),
        ({"intervention": {"psnr": 20.0}}, "psnr_ceiling: missing"),
        ({"intervention": {}}, "codes_right: missing"),
        ({"codes": {"used": [1], "size": [], "perplexity": []}}, "codes: expected as many used"),
        ({"graph": {"edges_per_set_node": 1, "density": 0, "edge_f1": 1}}, "edge_auroc: missing"),
    ],
)
def test_a_table_of_damaged_metrics_is_one_line(change, told):
    assert report.table(METRICS) == "world codes, recipe nano, seed 0"
    with pytest.raises(FileError, match=rf"^metrics\.json is damaged: .*{re.escape(told)}"):
        report.table(METRICS | change)
    with pytest.raises(FileError, match="seconds: missing"):
        report.times(METRICS)


def test_a_share_that_is_not_defined_says_why():
    did = dict.fromkeys(("target_reached", "others_kept"), 0.5)
    did |= {f"{name}_ceiling": 0.5 for name in did} | {"edit_kept": 0.5}
    did |= {"psnr": 20.9, "psnr_ceiling": 22.5, "psnr_copy": 23.4, "recovered": None}
    told = report.table(METRICS | {"intervention": did})
    assert "recovered not defined: the ceiling is below the copy (edit kept 0.500)" in told
    told = report.table(METRICS | {"intervention": did | {"recovered": 0.25}})
    assert "recovered 0.250 of the way" in told


def test_a_damaged_log_is_one_line(tmp_path):
    (tmp_path / "log.csv").write_text("phase,step\ntransition,x\n")
    with pytest.raises(FileError, match=r"log\.csv is damaged: line 2, step: expected a"):
        reproduce.read_log(tmp_path)


def test_damaged_metrics_and_missing_files_are_one_line_each(tmp_path):
    with pytest.raises(FileNotFoundError, match="was this run evaluated"):
        reproduce.read_metrics(tmp_path)
    with pytest.raises(FileNotFoundError, match="was this run trained"):
        reproduce.read_log(tmp_path)
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(ValueError, match=r"metrics\.json is damaged"):
        reproduce.read_metrics(tmp_path)


@pytest.mark.gpu
@pytest.mark.parametrize("world", ["codes", "shapes3d"])
def test_a_run_on_the_gpu_is_on_the_gpu(tmp_path, world):
    folder = reproduce.reproduce(world, "nano", 0, None, tmp_path, device="cuda")
    assert reproduce.read_metrics(folder)["device"] == "cuda"


# --- what is refused ----------------------------------------------------------------------------


def test_plan_checks_names_and_names_the_folder(tmp_path):
    run = reproduce.plan("codes", "nano", 3, {"width": 16}, tmp_path)
    assert (run.folder, run.recipe.width) == (tmp_path / "codes-nano-s3", 16)
    assert run.recipe == recipes.get("nano", "codes", width=16)
    assert reproduce.plan("codes", run_dir=tmp_path / "x").folder == tmp_path / "x"
    for arguments, message in [
        (("shape3d",), "did you mean 'shapes3d'"),
        (("codes", "lessons"), "did you mean 'lesson'"),
        (("codes", "nano", -1), "seed must be at least 0, found -1"),
        (("codes", "nano", True), "found True"),
        (("codes", "nano", "1"), "found '1'"),
        (("codes", "nano", 0, {"widht": 3}), "did you mean 'width'"),
        (("codes", "nano", 0, {"name": "x"}), "unknown recipe setting 'name'"),
    ]:
        with pytest.raises((ValueError, TypeError), match=re.escape(message)):
            reproduce.plan(*arguments)
    for text in ("{'width': 16}", ' {"width": 16} '):  # as `papermill -p overrides` hands it on
        assert reproduce.plan("codes", "nano", 0, text).overrides == {"width": 16}
    for nothing in ("", " ", None, {}):
        assert reproduce.plan("codes", "nano", 0, nothing, run_dir=None).overrides == {}
    usual = Path("runs") / "codes-nano-s0"
    assert {reproduce.plan("codes", "nano", run_dir=d).folder for d in (None, "")} == {usual}
    for bad in ("[1]", "3", 3, [("width", 16)], {3: 4}):
        with pytest.raises(ValueError, match=r"overrides: expected settings such as"):
            reproduce.plan("codes", "nano", 0, bad)
    for bad in ("width=16", "(" * 500, "-" * 9000 + "1", "a" * 20_000):
        with pytest.raises(ValueError, match="expected a Python literal, found") as caught:
            reproduce.plan("codes", "nano", 0, bad)
        assert len(str(caught.value)) < 120
    with pytest.raises(TypeError, match="width: expected int, found 'wide'"):
        reproduce.plan("codes", "nano", 0, {"width": "wide"})


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_folder_is_a_temporary_one(nothing):
    folder = reproduce.open_folder(nothing)
    assert folder.name.startswith("cvq-run-") and not list(folder.iterdir())


def test_a_folder_that_cannot_be_made_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OSError, match="cannot write"):
        reproduce.prepare_folder(tmp_path / "file" / "run")
    with pytest.raises(OSError, match="cannot write"):
        reproduce.reproduce("codes", "nano", 0, QUICK, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_full_disk_is_refused_at_once(tmp_path, monkeypatch):
    usage = shutil_usage(free=1_000_000)
    monkeypatch.setattr(reproduce.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError, match="needs up to 50 MB, the disk has 1 MB left"):
        reproduce.reproduce("codes", "nano", 0, QUICK, tmp_path)
    assert not list((tmp_path / "codes-nano-s0").iterdir())


def shutil_usage(free: int):
    return type("Usage", (), {"total": 10**9, "used": 10**9 - free, "free": free})()


def test_a_folder_with_a_stopped_run_of_other_settings_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "run_notebook", lambda *a, **k: pytest.fail("started"))
    run = reproduce.plan("codes", "nano", 0, QUICK, tmp_path)

    def stop(row, model):
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(run.make_world(), run.recipe, 0, run.folder, progress=False, on_log=stop)
    assert not (run.folder / "model.json").exists()
    with pytest.raises(ValueError, match="other settings: expected transition_steps 40, found 20"):
        reproduce.reproduce("codes", "nano", 0, {**QUICK, "transition_steps": 40}, tmp_path)


def test_a_folder_with_a_run_of_other_settings_is_left_alone(finished):
    folder, _ = finished
    before = {p: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    with pytest.raises(ValueError, match="other settings: expected transition_steps 40, found 20"):
        reproduce.reproduce("codes", "nano", 0, {**QUICK, "transition_steps": 40}, folder.parent)
    assert {p: p.read_bytes() for p in folder.iterdir() if p.is_file()} == before


def test_a_device_that_is_not_here_and_data_that_are_not_here(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="device must be"):
        reproduce.reproduce("codes", "nano", 0, QUICK, tmp_path, device="gpu")
    monkeypatch.setenv("CVQ_DATA", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="no folder of sprites sheets"):
        reproduce.reproduce("sprites", "nano", 0, None, tmp_path / "runs")
    assert not list((tmp_path / "runs").iterdir())


def test_without_the_notebook_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce, "NOTEBOOK", tmp_path / "none.ipynb")
    with pytest.raises(FileNotFoundError, match="from a checkout of the project"):
        reproduce.reproduce("codes", "nano", 0, QUICK, tmp_path)


# --- failing and stopping -----------------------------------------------------------------------

PARAMETERS = (
    "world = ''\nrecipe = ''\nseed = 0\ndevice = ''\nrun_dir = ''\noverrides = {}\noptions = {}"
)


def small_notebook(path: Path, *cells: str) -> Path:
    book = nbformat.v4.new_notebook()
    book.cells.append(nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}))
    book.cells += [nbformat.v4.new_code_cell(source) for source in cells]
    nbformat.write(book, path)
    return path


def test_a_failing_cell_is_one_line_exit_code_1_and_the_notebook_stays(
    tmp_path, monkeypatch, capsys
):
    failing = small_notebook(tmp_path / "n.ipynb", "print('so far')", "raise ValueError('no good')")
    monkeypatch.setattr(reproduce, "NOTEBOOK", failing)
    assert main(["reproduce", "codes", "--recipe", "nano", "--runs", str(tmp_path)]) == 1
    kept = tmp_path / "codes-nano-s0" / "notebook.ipynb"
    out, err = capsys.readouterr()
    assert out == ""
    last = err.strip().splitlines()[-1]
    assert last == f"cvq: error: cell [4] failed: ValueError: no good; see {kept}"
    text = kept.read_text()
    assert "so far" in text and "no good" in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_kernel_keeps_the_state_and_the_same_command_goes_on(number, tmp_path):
    command = [sys.executable, "-m", "cvq_tutorial", "reproduce", "codes", "--recipe", "nano"]
    command += ["--set", "transition_steps=4000", "--runs", str(tmp_path), "--device", "cpu"]
    folder = tmp_path / "codes-nano-s0"
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 300
        while not (folder / "log.csv").exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        process.send_signal(number)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + number, said
    assert said.strip().splitlines()[-1].endswith("the same command goes on from what is saved")
    assert "Traceback" not in said
    assert (folder / "notebook.ipynb").exists()
    assert not (folder / "model.json").exists()
    with safe_open(folder / STATE, "pt") as file:
        assert json.loads(file.metadata()["run"])["step"] > 0
