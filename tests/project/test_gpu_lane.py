"""The script of `make test-gpu`: tried here on a CPU, so that it works where a card is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import project_tools
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def lane():
    return project_tools.load("test_gpu")


def test_the_whole_script_runs_on_a_cpu(lane, tmp_path, capsys, monkeypatch):
    given = {}
    for name, part in lane.PARTS.items():

        def noted(*words, name=name, part=part):
            given[name] = part(*words)
            return given[name]

        monkeypatch.setitem(lane.PARTS, name, noted)
    assert lane.main(["--device", "cpu", "--quick", "--out", str(tmp_path / "gpu.json")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(" in ")[0] for line in said] == [f"{name}: passed" for name in lane.PARTS]
    assert not list(tmp_path.iterdir())  # only a card is written about
    table = {row["what"]: row for row in given["equal"]["table"]}
    assert len(table) == 9 and all(row["cpu"] == row["device"] > 0 for row in table.values())
    assert given["bench"]["machine"]["device"] == "cpu"
    assert given["run"]["codes"]["steps_per_second"] > 0 and not given["run"]["codes"]["ended"]
    assert list(given["notebooks"]) == ["00_start_here"] and "passed" in str(given["notebooks"])


def test_without_a_card_there_is_one_line(tmp_path):
    words = [sys.executable, str(project_tools.TOOLS / "test_gpu.py"), "--out", str(tmp_path / "x")]
    environment = {"CUDA_VISIBLE_DEVICES": "", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    [line] = done.stdout.splitlines()
    assert line.startswith("test-gpu: nothing is tested: torch") and "no CUDA device" in line


def test_a_given_interpreter_is_taken_without_set_up():
    words = ["make", "-n", "test-gpu", "PY=some_python", "VENV=none"]
    alone = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, env=alone)
    assert done.stdout.split() == ["some_python", "tools/test_gpu.py"], done.stderr


def test_what_is_missing_slow_or_wrong_is_told_by_name(lane, monkeypatch, capsys):
    def wrong(*_):
        raise lane.Failed("codes that are equal: 1.0 and 0.5")

    monkeypatch.setitem(lane.NEEDED, "bench", ("torch", "no_such_module"))
    monkeypatch.setitem(lane.PARTS, "equal", wrong)
    monkeypatch.setitem(
        lane.PARTS, "tests", lambda *_: lane.process(["-c", "import time; time.sleep(60)"], 1)
    )
    monkeypatch.setitem(lane.PARTS, "run", lambda *_: lane.process(["-c", "raise OSError(7)"], 60))
    only = ["--only", "equal", "tests", "bench", "run"]
    assert lane.main(["--device", "cpu", "--quick", *only]) == 1
    lines = capsys.readouterr().out.splitlines()
    said = [line.split(" in ")[0] + ": " + line.split(" s ", 1)[1] for line in lines]
    assert said == [
        "equal: failed: codes that are equal: 1.0 and 0.5",
        "tests: skipped: no time left after 1 s",
        "bench: skipped: not installed: no_such_module",
        "run: failed: exit code 1: OSError: 7",
    ]


def test_a_difference_beyond_its_limit_fails(lane, monkeypatch):
    for difference, at_most in ((2e-4, lane.LOSS), (2e-3, 1 - lane.CODES), (float("nan"), 1.0)):
        row = {"what": "it", "cpu": 1.0, "device": 2.0, "difference": difference}
        told = json.dumps([row | {"at_most": at_most}])
        monkeypatch.setattr(lane, "process", lambda *_, told=told: told)
        with pytest.raises(lane.Failed, match=r"it: 1\.0 and 2\.0"):
            lane.equal("cuda", False, 1.0)


def test_the_numbers_of_a_card_name_it():
    path = ROOT / "figures" / "gpu.json"
    if path.exists():
        told = json.loads(path.read_text())
        assert told["machine"]["card"] and set(told["parts"]) == set(
            project_tools.load("test_gpu").PARTS
        )
