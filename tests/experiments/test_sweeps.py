"""Sweeps: finished runs are skipped, stopped ones resumed, what is doubtful refused first."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
import torch

from cvq_tutorial.baselines import table as baselines
from cvq_tutorial.common.json_files import FileError
from cvq_tutorial.experiments import grids, sweeps, tables
from cvq_tutorial.experiments.grids import GRIDS, Cell
from cvq_tutorial.run import reproduce
from cvq_tutorial.run.cli import main
from cvq_tutorial.training import recipes
from cvq_tutorial.training.checkpoints import CheckpointError
from cvq_tutorial.training.train import train
from cvq_tutorial.worlds.make import make_world

QUICK = {"transition_steps": 4, "transitions": 64, "test_transitions": 40, "prune_tolerance": 0.0}
CELLS = [
    Cell("codes: ours", "codes", "nano", 0, QUICK),
    Cell("codes: ours", "codes", "nano", 1, QUICK),
    Cell("codes: sampled edges", "codes", "nano", 0, QUICK | {"eval_edges": "sample"}),
    Cell("independence", "codes", "nano", 0, QUICK, baseline="independence"),
]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    runs, said = tmp_path_factory.mktemp("runs"), []
    return sweeps.sweep(CELLS, runs, say=said.append), runs, said


def test_a_sweep_makes_a_table_with_mean_and_spread(done):
    made, runs, said = done
    assert list(made["rows"]) == ["codes: ours", "codes: sampled edges", "independence"]
    assert made["missing"] == []
    assert said[0] == "4 runs, 0 finished before" and len(said) == 5
    row = made["rows"]["codes: ours"]
    assert row["seeds"] == [0, 1]
    values = [tables.metrics_of(cell, runs / "sweep")["retrieval"] for cell in CELLS[:2]]
    first, second = (v["macro_action_accuracy"] for v in values)
    told = row["numbers"]["action accuracy"]
    assert told["mean"] == pytest.approx((first + second) / 2, abs=1e-4)
    assert told["sd"] == pytest.approx(abs(first - second) / 2**0.5, abs=1e-4)
    assert "action accuracy" not in made["rows"]["independence"]["numbers"]
    seconds = tables.metrics_of(CELLS[0], runs / "sweep")["seconds"]
    assert set(seconds) == {"encode", "transition", "evaluate", "total"}
    assert seconds["total"] == pytest.approx(sum(seconds.values()) / 2, abs=0.2)
    assert json.loads((runs / "sweep" / "table.json").read_text()) == made
    text = tables.markdown(made, ["edge F1", "action accuracy"])
    assert text.splitlines()[0] == "| run | edge F1 | action accuracy | seeds | minutes |"
    assert len(text.splitlines()) == 5 and " ± " in text


def test_what_is_finished_is_skipped_and_half_written_metrics_are_made_again(done, monkeypatch):
    made, runs, _ = done
    said = []
    monkeypatch.setattr(sweeps, "train", lambda *a, **k: pytest.fail("trained again"))
    assert sweeps.sweep(CELLS, runs, say=said.append)["rows"] == made["rows"]
    assert said == ["4 runs, 4 finished before"]
    path = runs / "sweep" / CELLS[3].name / "metrics.json"
    whole = path.read_text()
    path.write_text(whole[:40])
    sweeps.sweep(CELLS, runs, say=said.append)
    assert said[1] == "4 runs, 3 finished before"
    wanted, found = json.loads(whole), json.loads(path.read_text())
    assert found["graph"] == wanted["graph"]


def test_an_interrupted_sweep_keeps_what_it_has_and_frees_the_folder(tmp_path, monkeypatch):
    once = sweeps.train
    calls = []

    def stopped(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return once(*args, **kwargs)

    monkeypatch.setattr(sweeps, "train", stopped)
    with pytest.raises(KeyboardInterrupt):
        sweeps.sweep(CELLS[:3], tmp_path, say=lambda _: None)
    table = json.loads((tmp_path / "sweep" / "table.json").read_text())
    assert table["rows"]["codes: ours"]["seeds"] == [0]
    assert len(table["missing"]) == 2
    said = []
    sweeps.sweep(CELLS[:3], tmp_path, say=said.append)
    assert said[0] == "3 runs, 1 finished before"


def test_a_run_from_before_a_setting_was_there_is_still_this_run(done):
    _, runs, _ = done
    path = runs / "sweep" / CELLS[0].name / "cell.json"
    whole = path.read_text()
    told = json.loads(whole)
    del told["settings"]["augment"]
    try:
        path.write_text(json.dumps(told))
        sweeps.check(CELLS[0], runs / "sweep")
        told["settings"]["augment"] = "shift"
        path.write_text(json.dumps(told))
        with pytest.raises(ValueError, match="expected augment 'none', found 'shift'"):
            sweeps.check(CELLS[0], runs / "sweep")
    finally:
        path.write_text(whole)


def test_a_folder_of_other_settings_or_another_version_is_refused_before_any_work(
    done, monkeypatch
):
    _, runs, _ = done
    monkeypatch.setattr(sweeps, "train", lambda *a, **k: pytest.fail("worked"))
    other = replace(CELLS[0], overrides=QUICK | {"transition_steps": 5})
    with pytest.raises(ValueError, match=r"holds another run: expected overrides .* found"):
        sweeps.sweep([other], runs, say=lambda _: None)
    path = runs / "sweep" / CELLS[0].name / "cell.json"
    whole = path.read_text()
    try:
        path.write_text(whole.replace('"format": 1', '"format": 99'))
        with pytest.raises(ValueError, match="expected format 1, found 99"):
            sweeps.sweep(CELLS, runs, say=lambda _: None)
    finally:
        path.write_text(whole)


DAMAGED = [
    b"[]", b"{", b"3", b"\xff", b'{"format": 1, "cell": {}}',
    b'{"format": 1, "cell": [], "settings": {}}', b"[" * 200_000,
    b'{"format": 1e400}', b'{"format": NaN}', b'{"format": 1, "format": 1}',
]  # fmt: skip


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: content[:20])
def test_a_damaged_cell_is_named_and_run_again_and_stops_no_reader(done, tmp_path, content):
    made, runs, _ = done
    shutil.copytree(runs / "sweep", tmp_path / "sweep")
    place = tmp_path / "sweep" / CELLS[3].name
    (place / "cell.json").write_bytes(content)
    good, refused = sweeps.usable(CELLS, tmp_path / "sweep")
    assert good == CELLS[:3] and len(refused) == 1 and "\n" not in refused[0]
    assert f"{place / 'cell.json'} is damaged" in refused[0]
    said = []
    again = sweeps.sweep(CELLS, tmp_path, say=said.append)
    assert said[0].startswith(f"run again: {place / 'cell.json'} is damaged")
    assert said[1] == "4 runs, 3 finished before" and len(said) == 3
    numbers = [table["rows"]["independence"]["numbers"] for table in (made, again)]
    assert numbers[0] == numbers[1] and again["failed"] == {}
    assert sweeps.usable(CELLS, tmp_path / "sweep")[1] == []


@pytest.mark.parametrize(
    "content",
    ["[]", "{}", "null", '{"graph": {}}', '{"graph": []}', '{"graph": {"edge_f1": "0.9"}}',
     '{"graph": {"edge_f1": true}}', '{"graph": {"edge_f1": {}}}', '{"graph": {"edge_f1": NaN}}',
     '{"graph": {"edge_f1": 1e400}}', '{"graph": {"edge_f1": 0.9}, "sweep_seconds": "4"}',
     '{"graph": {"edge_f1": 0.9, "edge_f1": 0.8}}', "[" * 100_000],
    ids=lambda content: content[:30],
)  # fmt: skip
def test_what_is_no_number_is_no_finished_seed(tmp_path, content):
    place = tmp_path / CELLS[3].name
    place.mkdir()
    (place / "metrics.json").write_text(content)
    assert tables.metrics_of(CELLS[3], tmp_path) is None
    made = tables.table([CELLS[3]], tmp_path, "cpu")
    assert (made["rows"], made["missing"]) == ({}, [CELLS[3].name])
    with pytest.raises(FileError, match=r"metrics\.json is damaged") as caught:
        tables.read_metrics(CELLS[3], tmp_path)
    assert "\n" not in str(caught.value)
    (place / "metrics.json").write_text('{"graph": {"edge_f1": 0.9}}')
    assert tables.metrics_of(CELLS[3], tmp_path) is not None


def test_unknown_names_are_told_with_close_ones(tmp_path):
    with pytest.raises(ValueError, match="ablations"):
        sweeps.sweep("ablation", tmp_path)
    with pytest.raises(ValueError, match="no cell"):
        sweeps.cells_of("main", only="nothing like it")
    with pytest.raises(ValueError, match="codes"):
        sweeps.sweep([Cell("x", "code")], tmp_path)
    with pytest.raises(ValueError, match="mask_price"):
        sweeps.sweep([Cell("x", "codes", overrides={"mask_prise": 1.0})], tmp_path)
    with pytest.raises(ValueError, match="did you mean 'vae-difference'"):
        sweeps.sweep([Cell("x", "shapes3d", "nano", baseline="vea-difference")], tmp_path)
    with pytest.raises(ValueError, match="unknown option of world codes: 'size'"):
        sweeps.sweep([Cell("x", "codes", world_options={"size": 1})], tmp_path)
    same = [Cell("shift +1", "codes"), Cell("shift -1", "codes")]
    with pytest.raises(ValueError, match="would share the folder shift-1-s0"):
        sweeps.sweep(same, tmp_path)
    with pytest.raises(ValueError, match="edge F1"):
        tables.markdown({"rows": {}}, ["edge f1"])
    assert list(tmp_path.iterdir()) == []


def test_two_sweeps_in_one_folder_are_refused_unless_the_other_is_dead(tmp_path):
    folder = tmp_path / "sweep"
    folder.mkdir()
    hold = "import sys, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); "
    hold += "print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(folder / ".sweep")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:  # fmt: skip
        assert other.stdout is not None and other.stdout.readline() == b"1\n"
        with pytest.raises(OSError, match=r"another sweep works in .*sweep; wait for it"):
            sweeps.sweep(CELLS[3:], tmp_path, say=lambda _: None)
        assert not (folder / CELLS[3].name).exists()
        other.kill()
    assert sweeps.sweep(CELLS[3:], tmp_path, say=lambda _: None)["missing"] == []


def test_a_baseline_is_a_cell_like_any_other(tmp_path, monkeypatch):
    quick = QUICK | {"autoencoder_steps": 4, "judge_steps": 2}
    cell = Cell("vae", "shapes3d", "nano", 0, quick, baseline="vae-difference")
    made = sweeps.sweep([cell], tmp_path, say=lambda _: None)
    numbers = made["rows"]["vae"]["numbers"]
    assert {"action accuracy", "PSNR", "target reached", "chance"} <= set(numbers)
    assert "edge F1" not in numbers
    monkeypatch.setattr(baselines, "evaluate_baseline", lambda *a, **k: pytest.fail("again"))
    assert sweeps.sweep([cell], tmp_path, say=lambda _: None)["rows"] == made["rows"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_takes_over_an_autoencoder_waits_for_it(tmp_path, workers):
    quick = QUICK | {"autoencoder_steps": 4, "judge_steps": 2, "warmup_share": 0.5}
    ours = Cell("ours", "shapes3d", "nano", 0, quick)
    plain = Cell("plain", "shapes3d", "nano", 0, quick, baseline="plain-vqvae", autoencoder="ours")
    sweeps.sweep([ours, plain], tmp_path, workers=workers, say=lambda _: None)
    found = [tables.metrics_of(cell, tmp_path / "sweep") for cell in (ours, plain)]
    assert found[0]["reconstruction"] == found[1]["reconstruction"]
    told = [(tmp_path / "sweep" / cell.name / "log.csv").read_text() for cell in (ours, plain)]
    first = [[row for row in text.splitlines() if row.startswith("auto")] for text in told]
    assert first[0] == first[1] and first[0]  # seconds too: it was not trained again


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_fails_stops_no_other_is_told_and_tried_again(tmp_path, workers):
    bad = replace(CELLS[0], overrides=QUICK | {"transition_lr": 1e30})
    cells, said = [bad, CELLS[1], CELLS[3]], []
    made = sweeps.sweep(cells, tmp_path, workers=workers, say=said.append)
    assert list(made["rows"]) == ["codes: ours", "independence"]
    assert made["rows"]["codes: ours"]["seeds"] == [1]
    [(name, why)] = made["failed"].items()
    assert name == "codes: ours, seed 0" and re.match(r"FloatingPointError: .* is ", why)
    assert made["missing"] == [bad.name]
    assert said[-1] == "1 of 3 runs failed: codes: ours, seed 0"
    assert f"failed: {name}: {why}" in said
    assert json.loads((tmp_path / "sweep" / "table.json").read_text()) == made
    [row] = [line for line in tables.markdown(made).splitlines() if "failed" in line]
    assert row.startswith(f"| {name} | failed: {why} | - |")
    assert row.count("|") == tables.markdown(made).splitlines()[0].count("|")
    said.clear()
    sweeps.sweep(cells, tmp_path, say=said.append)
    assert said[0] == "3 runs, 2 finished before" and said[-1].startswith("1 of 3 runs failed")


def test_a_run_that_failed_once_and_is_finished_now_is_no_longer_told(tmp_path, monkeypatch):
    once = sweeps.train
    monkeypatch.setattr(sweeps, "train", lambda *a, **k: 1 / 0)
    made = sweeps.sweep(CELLS[:1], tmp_path, say=lambda _: None)
    assert made["failed"] == {"codes: ours, seed 0": "ZeroDivisionError: division by zero"}
    monkeypatch.setattr(sweeps, "train", once)
    made = sweeps.sweep(CELLS[:1], tmp_path, say=lambda _: None)
    assert made["failed"] == {} and made["rows"]["codes: ours"]["seeds"] == [0]
    assert not (tmp_path / "sweep" / CELLS[0].name / tables.FAILED).exists()


def test_the_command_ends_with_1_where_a_run_failed_and_has_run_the_rest(
    tmp_path, monkeypatch, capsys
):
    bad = replace(CELLS[0], overrides=QUICK | {"transition_lr": 1e30})
    monkeypatch.setitem(grids.GRIDS, "recovery", [bad, CELLS[3]])
    assert main(["reproduce", "--grid", "recovery", "--runs", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert "| independence |" in out and "| codes: ours, seed 0 | failed: Floating" in out
    assert err.startswith("cvq: error: 1 failed, the same command tries again: codes: ours, seed 0")
    assert err.count("\n") == 1


@pytest.mark.parametrize("workers", [0, -1, True, 1.5])
def test_no_worker_is_refused_before_any_work(tmp_path, workers):
    with pytest.raises(ValueError, match="workers: expected an integer of 1 or more"):
        sweeps.sweep(CELLS, tmp_path, workers=workers)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_cells_that_wait_for_each_other_are_refused(tmp_path, workers):
    a, b = (Cell(n, "shapes3d", "nano", 0, {}, autoencoder=o) for n, o in ("ab", "ba"))
    itself = Cell("c", "shapes3d", "nano", 0, {}, autoencoder="c")
    for cells in ([a, b], [itself]):
        with pytest.raises(ValueError, match="an autoencoder that waits for itself"):
            sweeps.sweep(cells, tmp_path, workers=workers, say=lambda _: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("world", "baseline", "message"),
    [
        ("shapes3d", "independence", "needs a world without images, found 'shapes3d'"),
        ("codes", "vae-difference", "needs a world with images, found 'codes'"),
    ],
)
def test_a_baseline_of_another_kind_of_world_is_refused_first(tmp_path, world, baseline, message):
    bad = Cell("bad", world, "nano", 0, {}, baseline=baseline)
    with pytest.raises(ValueError, match=message):
        sweeps.sweep([CELLS[0], bad], tmp_path, say=lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_no_sweep_made_is_refused(tmp_path):
    folder = tmp_path / "sweep" / CELLS[0].name
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text("{}")
    with pytest.raises(ValueError, match=r"not made by a sweep: expected cell.json beside metrics"):
        sweeps.sweep(CELLS[:1], tmp_path, say=lambda _: None)


def test_only_seeds_that_are_there_can_be_asked_for(tmp_path):
    with pytest.raises(ValueError, match=r"grid 'main' has the seeds \[0, 1, 2\], found \[7\]"):
        sweeps.cells_of("main", [0, 7])
    assert [c.seed for c in sweeps.cells_of(CELLS, [1])] == [1]
    with pytest.raises(ValueError, match="the sweep has no cell with 'nothing' in its label"):
        sweeps.sweep(CELLS, tmp_path, only="nothing", say=lambda _: None)


def test_what_was_spent_before_a_stop_is_counted(tmp_path):
    long = Cell("long", "codes", "nano", 0, QUICK | {"transition_steps": 1000})
    folder = tmp_path / "sweep" / long.name

    def seconds() -> list[float]:
        log = folder / "log.csv"
        rows = list(csv.DictReader(log.read_text().splitlines())) if log.exists() else []
        return [float(row["seconds"]) for row in rows if row["seconds"]]

    def interrupt():
        while len(seconds()) < 3:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        sweeps.sweep([long], tmp_path, say=lambda _: None)
    began, before = (folder / "cell.json").stat().st_mtime_ns, seconds()
    sweeps.sweep([long], tmp_path, say=lambda _: None)
    assert len(seconds()) > len(before) and seconds() == sorted(seconds())  # it is counted on
    found = tables.metrics_of(long, tmp_path / "sweep")
    assert found["sweep_seconds"] + 0.05 >= found["seconds"]["transition"] >= seconds()[-1] - 0.06
    assert (folder / "cell.json").stat().st_mtime_ns == began
    reproduce.evaluate_run(folder, progress=False)  # measured again, what it took stays
    again = tables.metrics_of(long, tmp_path / "sweep")
    assert again["sweep_seconds"] == found["sweep_seconds"]


def test_a_run_of_something_else_is_no_part_of_the_table(done, tmp_path, monkeypatch):
    _, runs, _ = done
    monkeypatch.setitem(grids.GRIDS, "recovery", CELLS)
    shutil.copytree(runs / "sweep", tmp_path / "recovery")
    path = tmp_path / "recovery" / CELLS[1].name / "cell.json"
    path.write_text(path.read_text().replace('"transitions": 64', '"transitions": 65'))
    sweeps.sweep("recovery", tmp_path, only="independence", say=lambda _: None)
    made = json.loads((tmp_path / "recovery" / "table.json").read_text())
    assert made["rows"]["codes: ours"]["seeds"] == [0]
    assert made["missing"] == [CELLS[1].name]


def test_a_number_that_one_seed_has_has_no_spread():
    with_it, without = {"graph": {"edge_f1": 0.5}, "mask": {"f1": 1.0}}, {"mask": {"f1": 0.9}}
    row = tables._row({0: with_it, 1: without})
    assert row["numbers"]["edge F1"] == {"mean": 0.5, "sd": 0.0, "seeds": [0]}
    assert "seeds" not in row["numbers"]["mask F1"]
    assert "| 0.500 | 2 |" in tables.markdown({"rows": {"a": row}}, ["edge F1"])


def test_every_grid_is_whole(tmp_path):
    for name, cells in GRIDS.items():
        names = [cell.name for cell in cells]
        assert len(set(names)) == len(names), name
        for cell in cells:
            sweeps.check(cell, tmp_path)
            if cell.world == "codes":
                make_world("codes", **cell.world_options)
            if cell.autoencoder:
                before = cells[: cells.index(cell)]
                assert (cell.autoencoder, cell.seed) in [(c.label, c.seed) for c in before]
    assert sweeps.cells_of("main", seeds=[1], only="sprites") == [
        c for c in GRIDS["main"] if c.seed == 1 and c.world == "sprites"
    ]


def test_a_taken_over_autoencoder_gives_the_bits_of_one_trained_again(tmp_path):
    world = make_world("shapes3d")
    few = {"autoencoder_steps": 6, "transition_steps": 3, "transitions": 64}
    first = recipes.get("nano", "shapes3d", **few)
    second = recipes.get("nano", "shapes3d", edge_price=0.5, **few)
    train(world, first, 3, tmp_path / "one", progress=False)
    again = train(world, second, 3, tmp_path / "two", progress=False)
    taken = train(
        world, second, 3, tmp_path / "three", progress=False, autoencoder=tmp_path / "one"
    )
    for (key, a), b in zip(again.state_dict().items(), taken.state_dict().values(), strict=True):
        assert torch.equal(a, b), key
    logs = [(tmp_path / name / "log.csv").read_text() for name in ("two", "three")]
    without_seconds = [
        [line.split(",")[:2] + line.split(",")[3:] for line in log.splitlines()] for log in logs
    ]
    assert without_seconds[0] == without_seconds[1]


def test_another_autoencoder_is_not_taken_over(tmp_path):
    world = make_world("shapes3d")
    few = {"autoencoder_steps": 4, "transition_steps": 2, "transitions": 64}
    train(world, recipes.get("nano", "shapes3d", **few), 0, tmp_path / "one", progress=False)
    other = recipes.get("nano", "shapes3d", slices="overlap", **few)
    with pytest.raises(ValueError, match="expected slices 'overlap', found 'split'"):
        train(world, other, 0, tmp_path / "two", progress=False, autoencoder=tmp_path / "one")
    uneven = recipes.get("nano", "shapes3d", factor_weights="zipf:1", **few)  # of fixed images
    with pytest.raises(ValueError, match="expected factor_weights 'zipf:1', found 'uniform'"):
        train(world, uneven, 0, tmp_path / "two", progress=False, autoencoder=tmp_path / "one")
    assert not list((tmp_path / "two").iterdir())  # what was refused leaves nothing in the way
    same = recipes.get("nano", "shapes3d", **few)
    with pytest.raises(ValueError, match="expected seed 1, found 0"):
        train(world, same, 1, tmp_path / "three", progress=False, autoencoder=tmp_path / "one")
    with pytest.raises(CheckpointError, match="no trained model here"):
        train(world, same, 0, tmp_path / "four", progress=False, autoencoder=tmp_path / "none")


def test_a_number_outside_what_is_expected_is_told():
    def made(mean, sd=0.01, name="edge F1"):
        return {"rows": {"a": {"numbers": {name: {"mean": mean, "sd": sd}}}}}

    assert tables.differences(made(0.95), made(0.96)) == []
    assert tables.differences(made(0.90), made(0.96)) == [
        "a: edge F1 0.9, expected 0.96 within 0.03"
    ]
    assert tables.differences(made(1.0, 0.0), made(0.995, 0.0)) == []
    assert tables.differences(made(31.8, 0.0, "PSNR"), made(32.0, 0.0, "PSNR")) == []
    assert tables.differences(made(0.5), {"rows": {}}) == []

    alone = made(0.96, 0.0)  # one seed tells no spread
    alone["rows"]["a"]["seeds"] = [0]
    assert tables.differences(made(0.92), alone) == []
    assert tables.differences(made(0.90), alone) == ["a: edge F1 0.9, expected 0.96 within 0.05"]

    wide = made(0.96) | {"tolerance": tables.TOLERANCE | {"standard deviations": 10.0}}
    assert tables.differences(made(0.90), wide) == []  # the file says what it allows


def test_the_machine_in_the_table_is_the_one_that_was_asked_for(tmp_path, monkeypatch):
    asked = []

    def pick(name="auto"):
        asked.append(name)
        return torch.device("cpu")

    monkeypatch.setattr(tables, "pick_device", pick)
    sweeps.sweep(CELLS[3:], tmp_path, device="cpu", say=lambda _: None)
    assert set(asked) == {"cpu"}


def test_a_part_of_a_grid_leaves_the_whole_table(done, tmp_path, monkeypatch):
    made, runs, _ = done
    monkeypatch.setitem(grids.GRIDS, "recovery", CELLS)
    shutil.copytree(runs / "sweep", tmp_path / "recovery")
    part = sweeps.sweep("recovery", tmp_path, only="independence", say=lambda _: None)
    assert list(part["rows"]) == ["independence"]
    assert json.loads((tmp_path / "recovery" / "table.json").read_text()) == made


def test_the_command_runs_a_grid_and_compares(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(grids.GRIDS, "recovery", CELLS[2:])
    expected = tmp_path / "expected.json"
    runs = ["--runs", str(tmp_path / "runs")]
    assert main(["reproduce", "--grid", "recovery", *runs]) == 0
    out = capsys.readouterr().out
    assert "| independence |" in out and "table:" in out
    table = json.loads((tmp_path / "runs" / "recovery" / "table.json").read_text())
    expected.write_text(json.dumps({"recovery": table}))
    again = ["reproduce", "--grid", "recovery", *runs, "--expected", str(expected)]
    assert main(again) == 0
    assert re.search(r"all of the \d+ numbers .* within what is expected", capsys.readouterr().out)
    table["rows"]["independence"]["numbers"]["edge F1"]["mean"] += 0.5
    expected.write_text(json.dumps({"recovery": table}))
    assert main(again) == 1
    assert "independence: edge F1" in capsys.readouterr().err
    table["rows"] = {"another": table["rows"]["independence"]}
    expected.write_text(json.dumps({"recovery": table}))
    assert main(again) == 1
    assert "nothing to compare: expected some of the rows another" in capsys.readouterr().err
    assert main(["reproduce", "--grid", "main", "--seeds", "x"]) == 2
    expected.write_text("{")
    assert main(again) == 2
