"""Sweeps on Dask: the tables of one process, whatever is killed; one line for what cannot be."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import distributed
import psutil
import pytest
from distributed import Client
from safetensors import safe_open

from cvq_tutorial import __version__
from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.experiments import cluster, remote, sweeps, tables
from cvq_tutorial.experiments import where as places
from cvq_tutorial.experiments.grids import Cell
from cvq_tutorial.run.cli import main

QUICK = {"transition_steps": 4, "transitions": 64, "test_transitions": 40, "prune_tolerance": 0.0}
IMAGES = QUICK | {"autoencoder_steps": 4, "judge_steps": 2, "warmup_share": 0.5}
CELLS = [
    Cell("codes: ours", "codes", "nano", 0, QUICK),
    Cell("codes: sampled edges", "codes", "nano", 0, QUICK | {"eval_edges": "sample"}),
    Cell("independence", "codes", "nano", 0, QUICK, baseline="independence"),
]
PAIR = [
    Cell("ours", "shapes3d", "nano", 0, IMAGES),
    Cell("plain", "shapes3d", "nano", 0, IMAGES, baseline="plain-vqvae", autoencoder="ours"),
]
STEPS = 400
LONG = [Cell("long", "codes", "nano", s, QUICK | {"transition_steps": STEPS}) for s in (0, 1)]
MANY = QUICK | {"transition_steps": 6000}


def numbers(made: dict) -> dict:
    return {label: row["numbers"] for label, row in made["rows"].items()}


def until(ready) -> None:
    """Wait for it, for five minutes at most."""
    for _ in range(3000):
        if ready():
            return
        time.sleep(0.1)
    pytest.fail("waited for five minutes in vain")


def when(ready, act) -> threading.Thread:
    """Act as soon as it is ready, while the test goes on; also if it never is."""

    def wait():
        try:
            until(ready)
        finally:
            act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def step_of(folder: Path) -> int:
    """Of the saved state of a run; 0 if there is none."""
    try:
        with safe_open(folder / "state.safetensors", "pt") as file:
            return json.loads(file.metadata()["run"])["step"]
    except FileNotFoundError:
        return 0


def processes_of_this_one() -> list[psutil.Process]:
    """Workers that a sweep here has started; neither multiprocessing's helper nor those by hand."""
    return [p for p in psutil.Process().children() if "spawn_main" in " ".join(p.cmdline())]


# What begins a worker or a scheduler by hand, with something wrong with it, in a process.
START = """
import sys
{before}
from distributed.cli.dask_{what} import main
main()
"""


class ByHand:
    """A scheduler and workers, as a person starts them; all of them end with it."""

    def __init__(self, place: Path) -> None:
        self.place, self.processes, self.address = place, [], ""

    def start(self, what: str, *options: str, before: str = "", **env: str) -> subprocess.Popen:
        code = START.format(before=before, what=what)
        with open(self.place / f"{what}.log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", code, *options], stdout=log, stderr=log, cwd=self.place,
                env={**os.environ, **env},
            )  # fmt: skip
        self.processes.append(process)
        return process

    def scheduler(self, before: str = "") -> subprocess.Popen:
        file = self.place / "scheduler.json"
        file.unlink(missing_ok=True)
        process = self.start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
            "--scheduler-file", str(file), before=before, TMPDIR=str(self.place),
        )  # fmt: skip
        until(
            lambda: (
                process.poll() is not None
                or (file.exists() and file.read_text().strip().endswith("}"))
            )
        )
        self.address = json.loads(file.read_text())["address"]
        return process

    def worker(self, *more: str, before: str = "", **env: str) -> subprocess.Popen:
        threads = () if "--nthreads" in more else ("--nthreads", "1")
        plain = ("--no-dashboard", "--memory-limit", "0", "--local-directory", str(self.place))
        return self.start("worker", self.address, *threads, *plain, *more, before=before, **env)

    def pids(self, workers: int) -> list[int]:
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=300)
            return list(client.run(os.getpid).values())

    def end(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def by_hand(place: Path, workers: int = 2) -> Iterator[ByHand]:
    place.mkdir(exist_ok=True)
    cluster = ByHand(place)
    try:
        cluster.scheduler()
        for _ in range(workers):
            cluster.worker()
        if workers:
            cluster.pids(workers)
        yield cluster
    finally:
        cluster.end()


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Iterator[ByHand]:
    """A scheduler and two workers that nobody harms."""
    with by_hand(tmp_path_factory.mktemp("dask")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def serial(tmp_path_factory) -> dict:
    runs = tmp_path_factory.mktemp("serial")
    return numbers(sweeps.sweep(CELLS + LONG, runs, device="cpu", say=lambda _: None))


# The same tables ---------------------------------------------------------------------------------


def test_two_workers_of_this_machine_give_the_tables_of_one_process(
    serial, tmp_path, capsys, monkeypatch
):
    temporary, said = tmp_path / "temporary", []
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("CVQ_CACHE", str(tmp_path / "cache"))
    made = sweeps.sweep(CELLS, tmp_path, device="cpu", workers=2, say=said.append)
    assert numbers(made) == {cell.label: serial[cell.label] for cell in CELLS}
    assert said[0] == "3 runs, 0 finished before" and len(said) == 4
    assert sorted(line[:6] for line in said[1:]) == ["[1/3] ", "[2/3] ", "[3/3] "]
    assert json.loads((tmp_path / "sweep" / "table.json").read_text()) == made
    assert tables.metrics_of(CELLS[0], tmp_path / "sweep")["threads"] == 1
    assert "codes: ours, seed 0: transition: step 4 of 4" in capsys.readouterr().out
    assert processes_of_this_one() == []
    assert not list((tmp_path / "cache/dask").iterdir()) and not list(temporary.iterdir())
    assert not list((tmp_path / "sweep").glob(".shared-*"))


def test_a_cluster_started_by_hand_gives_the_tables_of_one_process(serial, two, tmp_path):
    said = []
    where = {"device": "cpu", "scheduler": two.address, "say": said.append}
    made = sweeps.sweep(CELLS, tmp_path, **where)
    assert numbers(made) == {cell.label: serial[cell.label] for cell in CELLS}
    assert said[:2] == ["3 runs, 0 finished before", "workers: 2"] and len(said) == 5
    said.clear()
    sweeps.sweep(CELLS, tmp_path, **where)
    assert said == ["3 runs, 3 finished before"]


def test_run_folders_are_fetched_from_other_disks(two, tmp_path, monkeypatch):
    fetched = []
    unpack = remote.unpack
    monkeypatch.setattr(remote, "unpack", lambda *a: fetched.extend(f := unpack(*a)) or f)
    where = {"device": "cpu", "scheduler": two.address, "gather": True, "say": lambda _: None}
    made, root = sweeps.sweep(PAIR, tmp_path, **where), tmp_path / "sweep"
    there = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*-s0/**/*")
        if path.is_file() and not path.name.startswith(".")
    }
    assert "ours-s0/model.safetensors" in there and set(fetched) == there
    assert not list(two.place.rglob("metrics.json"))

    def first_phase() -> list[list[str]]:
        logs = [(root / cell.name / "log.csv").read_text() for cell in PAIR]
        return [[row for row in log.splitlines() if row.startswith("auto")] for log in logs]

    ours, plain = first_phase()
    assert ours and ours == plain  # seconds too: it was not trained again
    shutil.rmtree(root / PAIR[1].name)
    again = sweeps.sweep(PAIR, tmp_path, **where)  # what was finished before is sent along
    assert first_phase() == [ours, ours]
    assert numbers(again) == numbers(made) and len(numbers(made)) == 2


# What is killed or stopped -----------------------------------------------------------------------


def test_a_worker_that_is_killed_at_work_changes_no_number(serial, tmp_path, capsys):
    place = tmp_path / "sweep" / LONG[0].name
    killed = []

    def kill():
        for process in processes_of_this_one():
            process.kill()
            killed.append(process.pid)

    thread = when((place / "log.csv").exists, kill)
    made = sweeps.sweep(LONG, tmp_path, device="cpu", workers=2, say=lambda _: None)
    thread.join()
    assert len(killed) == 2 and made["failed"] == {}
    assert numbers(made)["long"] == serial["long"]
    assert "its worker is gone, another goes on with it" in capsys.readouterr().out
    assert processes_of_this_one() == []


def test_a_cell_that_kills_its_worker_each_time_has_failed_and_stops_no_other(
    tmp_path, monkeypatch
):
    slow = Cell("slow", "codes", "nano", 0, MANY)
    waits = Cell("waits", "codes", "nano", 0, QUICK, autoencoder="slow")
    folder = tmp_path / "sweep" / slow.name

    def kill():
        with open(folder / ".training.json") as file:
            os.kill(json.load(file)["process"], signal.SIGKILL)

    thread = when((folder / "log.csv").exists, kill)
    settings = distributed.config["distributed"]["scheduler"]
    monkeypatch.setitem(settings, "allowed-failures", 0)
    made = sweeps.sweep([slow, waits, CELLS[2]], tmp_path, workers=2, say=lambda _: None)
    thread.join()
    assert made["failed"] == {"slow, seed 0": "its worker was killed, tries: 1"}
    assert list(made["rows"]) == ["waits", "independence"]  # it waited in vain, and goes alone


def test_ctrl_c_leaves_states_to_go_on_from_and_no_process(tmp_path, monkeypatch):
    monkeypatch.setenv("CVQ_CACHE", str(tmp_path / "cache"))
    cells = [Cell("long", "codes", "nano", seed, MANY) for seed in (0, 1, 2)]
    folders = [tmp_path / "sweep" / cell.name for cell in cells]
    thread = when(lambda: all((f / "log.csv").exists() for f in folders[:2]), interrupt)
    with pytest.raises(KeyboardInterrupt, match="stopped; state saved"):
        sweeps.sweep(cells, tmp_path, workers=2, say=lambda _: None)
    thread.join()
    assert processes_of_this_one() == []
    assert all(step_of(folder) > 0 for folder in folders[:2]) and not folders[2].exists()
    assert not list((tmp_path / "cache/dask").iterdir())


def test_what_was_stopped_on_other_disks_comes_back_and_is_gone_on_with(
    serial, two, tmp_path, monkeypatch
):
    """Ctrl-C reaches the cells of a cluster, too, and their states are fetched."""
    where = {"device": "cpu", "scheduler": two.address, "gather": True, "say": lambda _: None}
    folders = [tmp_path / "sweep" / cell.name for cell in LONG]
    lines: list[str] = []
    monkeypatch.setattr(cluster.progress, "say", lines.append)
    thread = when(lambda: any("step" in line for line in lines), interrupt)
    with pytest.raises(KeyboardInterrupt, match="stopped; state saved"):
        sweeps.sweep(LONG, tmp_path, **where)
    thread.join()
    saved = [step_of(folder) for folder in folders]
    assert 0 < max(saved) < STEPS and not any((f / "metrics.json").exists() for f in folders)
    lines.clear()
    made = sweeps.sweep(LONG, tmp_path, **where)
    assert numbers(made)["long"] == serial["long"]
    assert any(f"going on with transition at step {max(saved)}" in line for line in lines)
    assert all(step_of(folder) == 0 for folder in folders)


SWEEP = """
import json, sys
from cvq_tutorial.experiments.grids import Cell
from cvq_tutorial.experiments.sweeps import sweep

if __name__ == "__main__":
    cells, how = [Cell(**cell) for cell in json.loads(sys.argv[2])], json.loads(sys.argv[3])
    sweep(cells, sys.argv[1], device="cpu", **how)
"""


def sweep_apart(place: Path, cells: list[Cell], **how) -> subprocess.Popen:
    script = place / "script.py"
    script.write_text(SWEEP)
    told = json.dumps([asdict(cell) for cell in cells])
    return subprocess.Popen(
        [sys.executable, script, place, told, json.dumps(how)], text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_sweep_that_is_ended_leaves_no_process_and_is_gone_on_with(serial, tmp_path, number):
    process = sweep_apart(tmp_path, LONG, workers=2)
    folders = [tmp_path / "sweep" / cell.name for cell in LONG]
    until(lambda: any((folder / "log.csv").exists() for folder in folders))
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 2
    process.send_signal(number)
    _, said = process.communicate(timeout=300)
    _, alive = psutil.wait_procs(children, timeout=100)
    assert not alive
    if number == signal.SIGTERM:
        assert any(step_of(folder) > 0 for folder in folders)
        assert said.strip().endswith("KeyboardInterrupt: stopped; state saved")
    made = sweeps.sweep(LONG, tmp_path, device="cpu", say=lambda _: None)
    assert numbers(made)["long"] == serial["long"]


def test_a_scheduler_that_is_killed_is_one_line_and_the_same_call_goes_on(serial, two, tmp_path):
    folders = [tmp_path / "sweep" / cell.name for cell in LONG]
    with by_hand(tmp_path / "one") as first:
        begun = [folder / "log.csv" for folder in folders]
        thread = when(lambda: any(log.exists() for log in begun), first.processes[0].kill)
        with pytest.raises(OSError, match="the scheduler of Dask is gone") as caught:
            sweeps.sweep(LONG, tmp_path, scheduler=first.address, say=lambda _: None)
        thread.join()
        assert "\n" not in str(caught.value)
        until(lambda: any(step_of(folder) > 0 for folder in folders))  # they stop, and save
        for process in first.processes:
            process.wait(300)
    where = {"device": "cpu", "scheduler": two.address, "say": lambda _: None}
    made = sweeps.sweep(LONG, tmp_path, **where)
    assert numbers(made)["long"] == serial["long"]


# What cannot be ----------------------------------------------------------------------------------


def refused(kind: type[Exception], tmp_path: Path, cells=CELLS[2:3], **how) -> str:
    """The one line with which a sweep refuses, before any cell is begun."""
    with pytest.raises(kind) as caught:
        sweeps.sweep(cells, tmp_path / "runs", say=lambda _: None, **how)
    assert not list((tmp_path / "runs").rglob("cell.json"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"workers": 0}, "workers: expected an integer of 1 or more, found 0"),
        ({"workers": 2, "scheduler": "tcp://1.2.3.4:5"}, "expected them or a scheduler, not both"),
        ({"gather": True}, "gather: expected a scheduler"),
        ({"dashboard": True}, "dashboard: expected 2 workers or more, or a scheduler"),
        ({"scheduler": "nonsense://x:1"}, "expected an address such as tcp://10.0.0.1:8786"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, how, message):
    assert message in refused(ValueError, tmp_path, **how)


def test_no_bokeh_is_told_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(places.importlib.util, "find_spec", lambda name: None)
    told = refused(ValueError, tmp_path, workers=2, dashboard=True)
    assert told == "dashboard: expected bokeh 3.1 or newer, found none: pip install bokeh"


def test_a_scheduler_that_is_not_there_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(places, "ANSWER", 0.5)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        nowhere = f"tcp://127.0.0.1:{nobody.getsockname()[1]}"
        told = refused(OSError, tmp_path, scheduler=nowhere)
        assert told.startswith(f"no scheduler of Dask answers at {nowhere} within 0 s")
        asked = ["reproduce", "--grid", "judged", "--runs", str(tmp_path), "--scheduler", nowhere]
        assert main(asked) == 1
        assert capsys.readouterr().err.startswith("cvq: error: no scheduler of Dask answers at")
    with socket.create_server(("127.0.0.1", 0)) as other:  # something that is no scheduler

        def greet():
            with other.accept()[0] as one:
                one.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                one.recv(100)

        threading.Thread(target=greet, daemon=True).start()
        there = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        assert "no scheduler of Dask answers at" in refused(OSError, tmp_path, scheduler=there)


def test_another_dask_or_a_scheduler_without_the_package_is_one_line(tmp_path):
    hand = ByHand(tmp_path)
    try:
        hand.scheduler("from distributed import versions as v; v.version = lambda _: '2020.1.0'")
        told = refused(OSError, tmp_path, scheduler=hand.address)
        ours = distributed.__version__
        assert told == f"{hand.address}: expected Dask {ours} as here, found 2020.1.0"
        hand.scheduler("sys.modules['cvq_tutorial'] = None")
        told = refused(OSError, tmp_path, scheduler=hand.address)
        assert told.startswith(f"the scheduler {hand.address} needs cvq_tutorial, too: ")
    finally:
        hand.end()


def test_workers_that_cannot_do_the_work_are_one_line_each(tmp_path):
    none = [Cell("cars", "cars3d", "nano", 0, IMAGES)]
    with by_hand(tmp_path, workers=0) as hand:
        for before, more, cells, message in (
            ("sys.modules['cvq_tutorial'] = None", ["--no-nanny"], CELLS[2:3],
             f"expected cvq_tutorial {__version__} to be installed there"),
            ("import cvq_tutorial; cvq_tutorial.__version__ = '0.0.1'", ["--no-nanny"], CELLS[2:3],
             f"expected cvq_tutorial {__version__} as here, found 0.0.1"),
            ("", ["--nthreads", "3"], CELLS[2:3], "(--nthreads 1), found 3"),
            ("", [], none, "cars3d"),
        ):  # fmt: skip
            worker = hand.worker(*more, before=before, CVQ_DATA=str(tmp_path / "nothing"))
            hand.pids(1)
            told = refused(OSError, tmp_path, cells, scheduler=hand.address)
            assert told.startswith("the worker tcp://127.0.0.1:") and message in told
            worker.terminate()
            worker.wait(300)


def test_storage_that_is_not_shared_is_one_line(two, tmp_path, monkeypatch):
    @contextmanager
    def elsewhere(root, where):
        yield {"path": str(tmp_path / "not here" / ".shared-1"), "holds": "1"}

    monkeypatch.setattr(cluster, "shared_file", elsewhere)
    told = refused(OSError, tmp_path, scheduler=two.address)
    assert "give --runs on storage that all machines share, or --gather" in told


@pytest.mark.parametrize("found", [None, "2"])
def test_a_worker_looks_whether_it_sees_the_same_folder(tmp_path, found):
    asked = {"version": __version__, "device": "cpu", "cells": [asdict(CELLS[2])]}
    worker = SimpleNamespace(state=SimpleNamespace(nthreads=1))
    path = tmp_path / ".shared-1"
    if found:
        path.write_text(found)
    asked["shared"] = {"path": str(path), "holds": "1"}
    told = asyncio.run(remote.ready(json.dumps(asked), worker))
    assert told.startswith(f"expected to see {tmp_path} as it is here")
    path.write_text("1")
    assert asyncio.run(remote.ready(json.dumps(asked), worker)) == ""
    assert "device must be auto" in asyncio.run(
        remote.ready(json.dumps(asked | {"device": "x"}), worker)
    )


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_a_packed_file_that_leads_elsewhere_is_refused(tmp_path, name):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("inside", b"1")
        file.writestr(name, b"1")
    root = tmp_path / "root"
    with pytest.raises(ValueError, match="expected files below"):
        remote.unpack(content.getvalue(), root)
    assert not list(tmp_path.iterdir())


def test_a_folder_is_packed_whole_without_what_is_hidden_and_its_numbers_come_last(tmp_path):
    for name in ("a/metrics.json", "a/z.bin", "a/in/log.csv", "a/.lock", "b/other"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    names = remote.unpack(remote.pack(tmp_path, ["a"]), tmp_path / "there")
    assert names == ["a/in/log.csv", "a/z.bin", "a/metrics.json"]
    assert (tmp_path / "there/a/z.bin").read_text() == "a/z.bin"
    assert remote.unpack(b"", tmp_path / "nothing") == [] and not (tmp_path / "nothing").exists()


def test_the_dashboard_is_told_and_answers(tmp_path):
    from urllib.request import urlopen

    said, pages = [], []

    def say(line):
        said.append(line)
        if line.startswith("dashboard: "):
            with urlopen(line.removeprefix("dashboard: "), timeout=60) as page:
                pages.append(page.read())

    sweeps.sweep(CELLS[2:3], tmp_path, workers=2, dashboard=True, say=say)
    assert said[1].startswith("dashboard: http://127.0.0.1:") and b"Dask" in pages[0]


def test_one_process_and_training_load_nothing_that_only_others_need(tmp_path):
    code = """
import json, sys
from cvq_tutorial.experiments.grids import Cell
from cvq_tutorial.experiments.sweeps import sweep
from cvq_tutorial.run.cli import main
sweep([Cell(**json.loads(sys.argv[1]))], sys.argv[2], device="cpu", say=lambda _: None)
small = ["--set", "transition_steps=2", "--set", "transitions=64", "--device", "cpu"]
assert main(["train", "codes", "--recipe", "nano", *small, "--runs", sys.argv[2]]) == 0
slow = {"dask", "distributed", "IPython", "jsonschema", "matplotlib", "nbformat", "pandas"}
print(sorted((slow | {"scipy.stats", "sklearn"}) & set(sys.modules)))
"""
    arguments = [json.dumps(asdict(CELLS[2])), str(tmp_path)]
    told = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip().splitlines()[-1] == "[]"


def test_every_option_on_the_page_about_clusters_exists():
    from distributed.cli import dask_scheduler, dask_worker

    from cvq_tutorial.run.cli_runs import reproduce

    page = (PROJECT_ROOT / "notebooks/reproduce/ON_A_CLUSTER.md").read_text()
    commands = {
        "cvq reproduce": reproduce, "dask scheduler": dask_scheduler.main,
        "dask worker": dask_worker.main,
    }  # fmt: skip
    for begin, command in commands.items():
        lines = re.findall(rf"^{begin} .*", page, re.MULTILINE)
        used = {word for line in lines for word in line.split("#")[0].split() if word[:2] == "--"}
        assert used and used <= {opt for parameter in command.params for opt in parameter.opts}
