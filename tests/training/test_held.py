"""A run folder is in one process's hands, and what ends a process loses nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from cvq_tutorial.common import ranks
from cvq_tutorial.common.device import flushed_denormals, flushes_denormals
from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.run.cli import main
from cvq_tutorial.training import held
from cvq_tutorial.training.held import LOCK, NOTE, Stop, alone
from cvq_tutorial.training.run import STATE

RUN = {"seed": 3, "recipe": {"codes": 8}}
COMMAND = ("train", "codes", "--recipe", "nano", "--device", "cpu", "--set", "transitions=100",
           "--set", "prune_tolerance=0")  # fmt: skip


def test_a_folder_that_is_free_again_holds_nothing(tmp_path):
    with alone(tmp_path / "run", RUN, print):
        assert {p.name for p in (tmp_path / "run").iterdir()} == {LOCK, NOTE}
    assert not list((tmp_path / "run").iterdir())
    with pytest.raises(RuntimeError), alone(tmp_path / "run", RUN, print):
        raise RuntimeError
    assert not list((tmp_path / "run").iterdir())


def test_another_run_is_refused_and_the_same_one_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(held, "ASK_AGAIN", 0.01)
    said, order, inside = [], [], threading.Event()

    def wait_for_it() -> None:
        with alone(tmp_path, RUN, lambda text: (said.append(text), inside.set())):
            order.append("second")

    with alone(tmp_path, RUN, print):
        with (
            pytest.raises(ValueError, match=r"trains another run in .*: expected seed 4, found 3;"),
            alone(tmp_path, RUN | {"seed": 4}, print),
        ):
            pass
        second = threading.Thread(target=wait_for_it)
        second.start()
        assert inside.wait(60)
        order.append("first")
    second.join(60)
    assert order == ["first", "second"]
    assert said == [f"process {os.getpid()} trains this run in {tmp_path}: waiting for it"]
    assert not list(tmp_path.iterdir())


def test_a_killed_process_holds_nothing(tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from cvq_tutorial.training.held import alone\n"
        "with alone(Path(sys.argv[1]), {'seed': 9}, print):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)])
    assert ended.returncode == -signal.SIGKILL and (tmp_path / LOCK).exists()
    assert json.loads((tmp_path / NOTE).read_text())["run"] == {"seed": 9}
    with alone(tmp_path, RUN, print):  # another run than that of the dead
        assert json.loads((tmp_path / NOTE).read_text())["run"] == RUN
    assert not list(tmp_path.iterdir())


def test_what_the_dead_left_half_written_is_cleared(tmp_path):
    begun = f"""
import os, signal, sys
from cvq_tutorial.common.files import write_atomic
write_atomic({str(tmp_path / STATE)!r}, lambda file: os.kill(os.getpid(), signal.SIGKILL))
"""
    write_atomic(tmp_path / "log.csv", b"")  # this process has looked here before
    subprocess.run([sys.executable, "-c", begun])
    assert len(list(tmp_path.glob(".*.tmp"))) == 1
    with alone(tmp_path, RUN, print):
        assert not list(tmp_path.glob(".*.tmp"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OSError, match=r"cannot write .*file.run: "),
        alone(tmp_path / "file" / "run", RUN, print),
    ):
        pass


# --- wishes to stop -------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_is_a_wish_however_often_it_comes(number):
    stop = Stop(lambda: "nothing is saved")
    with stop.heard():
        stop.in_loop = True
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt, match="stopped at once; nothing is saved"):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)
    assert signal.getsignal(number) is signal.SIG_DFL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_outside_a_loop_it_ends_the_work_at_once(number):
    stopped = pytest.raises(KeyboardInterrupt, match="stopped at once; the state of step 3")
    with Stop(lambda: "the state of step 3").heard(), stopped:
        os.kill(os.getpid(), number)
        time.sleep(10)


def test_what_was_ignored_stays_ignored_and_a_notebook_keeps_its_own(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        stop = Stop(lambda: "")
        stop.in_loop = True
        with stop.heard():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert not stop.asked
        monkeypatch.setattr(held, "in_notebook", lambda: True)
        with stop.heard():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def started(folder: Path, *more: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "cvq_tutorial", *COMMAND, "--run-dir", str(folder), *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_command_line_saves_says_so_and_goes_on(number, tmp_path):
    steps = ("--set", "transition_steps=20000", "--set", "width=8")
    process = started(tmp_path / "run", *steps)
    while not (tmp_path / "run" / "log.csv").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(number)
    process.send_signal(number)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 128 + number, told
    assert (
        "of transition; state saved; the same command goes on" in told and len(told.split("\n")) < 4
    )
    assert {p.name for p in (tmp_path / "run").iterdir()} == {"log.csv", STATE}


@pytest.mark.parametrize("when", [1, 3, 20])
def test_a_wish_while_the_processes_ask_each_other_is_not_lost(when, tmp_path, monkeypatch, capsys):
    """The answer of one step, no, must not undo a wish that came while it was on its way."""
    asked = []

    def slow(flag):
        asked.append(flag)
        if len(asked) == when:
            signal.raise_signal(signal.SIGINT)
        return flag

    monkeypatch.setattr(ranks, "any_of", slow)
    few = ("--set", "transition_steps=20", "--set", "width=8")
    assert main([*COMMAND, *few, "--run-dir", str(tmp_path / "run")]) == 130
    stopped = min(when + 1, 20)  # the last step asks once more, when the loop is left
    assert f"stopped at step {stopped} of transition; state saved" in capsys.readouterr().err
    assert (tmp_path / "run" / STATE).exists()


def test_a_stop_before_anything_is_saved_claims_nothing(tmp_path, monkeypatch, capsys):
    original = torch.nn.utils.clip_grad_norm_

    def twice(*arguments, **how):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return original(*arguments, **how)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", twice)
    assert main([*COMMAND, "--run-dir", str(tmp_path / "run")]) == 130
    told = capsys.readouterr().err
    assert "stopped at once; nothing is saved" in told and "was" not in told
    assert not (tmp_path / "run" / STATE).exists()


def test_two_commands_on_one_folder_lose_nothing(tmp_path):
    few = ("--set", "transition_steps=400", "--set", "width=8")
    first = started(tmp_path / "run", *few)
    while not (tmp_path / "run" / NOTE).exists():
        assert first.poll() is None, first.stderr.read()
        time.sleep(0.02)
    assert main([*COMMAND, "--run-dir", str(tmp_path / "run"), *few, "--seed", "1"]) == 2
    second = started(tmp_path / "run", *few)
    told = [process.communicate(timeout=300) for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], told
    assert "saved model.json" in told[0][0]
    assert "already trained: loaded" in told[1][0]
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert names == {"model.json", "model.safetensors", "log.csv"}


# --- denormals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [False, True])
def test_denormals_count_as_nothing_in_the_block_only(before):
    torch.set_flush_denormal(before)
    try:
        assert flushes_denormals() is before
        with pytest.raises(RuntimeError), flushed_denormals():
            assert flushes_denormals()
            assert float(torch.tensor([1e-39]) * 0.5) == 0  # float32, too
            raise RuntimeError
        assert flushes_denormals() is before
    finally:
        torch.set_flush_denormal(False)
