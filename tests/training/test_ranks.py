"""One run on several processes is the run of one process on the whole batch."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from several import ROOT, ended, started

from cvq_tutorial.common import ranks
from cvq_tutorial.method.codebooks import Quantizer

# Float32 everywhere: in half precision a part of a batch is rounded otherwise than the whole.
TRAIN = """
    import sys
    from dataclasses import replace
    from cvq_tutorial.training import run
    from cvq_tutorial.training.recipes import get
    from cvq_tutorial.training.train import train
    from cvq_tutorial.worlds.codes import CodesWorld
    from cvq_tutorial.worlds.make import make_world

    run.half_precision = lambda device: False
    run.SAVE_EVERY = 0.0
    folder, kind, stop, *pairs = sys.argv[1:]
    changes = {name: int(value) for name, value in (pair.split("=") for pair in pairs)}
    if kind == "images":
        world = make_world("shapes3d")
        recipe = get(
            "nano", codes=8, decoder_width=16, autoencoder_steps=10, autoencoder_batch=8,
            warmup_share=0.3, transitions=40, width=16, transition_steps=8, transition_batch=8,
            prune_tolerance=0, augment="shift", **changes,
        )
    else:
        world = CodesWorld(n_variables=5, n_codes=3, n_actions=4, n_targets=2, seed=1)
        recipe = get(
            "nano", transitions=300, width=16, transition_steps=24, transition_batch=16,
            prune_tolerance=0.02, prune_transitions=8, cause_dropout=0.5,
            **({"actions": "none", "action_codes": 6} if kind == "unnamed" else {}), **changes,
        )

    class Enough(Exception):
        pass

    def look(row, model):
        if (row["phase"], row["step"]) == ("transition", int(stop)):
            raise Enough(row["step"])

    try:
        train(world, recipe, 3, folder, device="cpu", progress=False, on_log=look)
    except (Enough, RuntimeError) as error:
        if stop == "0":
            raise
"""
QUANTIZE = """
    import sys
    import torch
    from safetensors.torch import save_file
    from cvq_tutorial.common import ranks
    from cvq_tutorial.method.codebooks import Quantizer

    with ranks.together(torch.device("cpu")):
        torch.manual_seed(0)
        books = Quantizer(4, 2, 8, decay=0.5)
        for step in range(12):
            drawn = torch.Generator().manual_seed(step)
            z = torch.randn(8, 4, 2, 3, generator=drawn)
            z[:, 0] += 3 * step  # codes are left behind, and die
            z = z[ranks.rows(8)]
            revived = books.update(z, books.encode(z), drawn)
            print(revived)
        if ranks.rank() == 0:
            save_file(books.state_dict(), sys.argv[1])
"""


def script(folder: Path, text: str) -> str:
    path = folder / "work.py"
    path.write_text(textwrap.dedent(text))
    return str(path)


def all_well(processes) -> list[str]:
    told = ended(processes)
    assert [(code, error) for code, _, error in told] == [(0, "")] * len(told)
    return [out for _, out, _ in told]


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "log.csv").read_text().splitlines()))


def near(one: Path, other: Path, tolerance: float = 1e-5) -> None:
    """Every number of the log and every weight, codebooks and their running means among them."""
    assert len(rows(one)) == len(rows(other)) > 4
    for a, b in zip(rows(one), rows(other), strict=True):
        assert a["phase"] == b["phase"]
        for name in a.keys() - {"phase", "seconds"}:
            assert float(a[name] or 0) == pytest.approx(float(b[name] or 0), tolerance, tolerance)
    x, y = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert x.keys() == y.keys()
    for name in x:
        most = max(1.0, float(x[name].double().abs().max()))  # running sums are in the thousands
        torch.testing.assert_close(x[name], y[name], rtol=tolerance, atol=tolerance * most)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The run on pictures in one process: a script, and its folder."""
    work = script(tmp_path_factory.mktemp("alone"), TRAIN)
    folder = Path(work).parent / "one"
    all_well(started(1, [work, str(folder), "images", "0"]))
    return work, folder


def test_two_processes_do_what_one_does_on_unnamed_actions(tmp_path, alone):
    one, two = tmp_path / "one", tmp_path / "two"
    single = started(1, [alone[0], str(one), "unnamed", "0"])
    pair = started(2, [alone[0], str(two), "unnamed", "0"])
    all_well(single)
    all_well(pair)
    near(one, two)


def test_two_processes_do_what_one_does_on_pictures(tmp_path, alone):
    (work, one), two, kind = alone, tmp_path / "two", "images"
    all_well(started(2, [work, str(two), kind, "0"]))
    near(one, two)
    left = sorted(path.name for path in two.iterdir())
    assert left == ["log.csv", "model.json", "model.safetensors"]
    seen = {name: value.clone() for name, value in load_file(two / "model.safetensors").items()}
    all_well(started(2, [work, str(two), kind, "0"]))  # finished: nothing is done
    again = load_file(two / "model.safetensors")
    assert all(torch.equal(seen[name], again[name]) for name in seen)


def test_a_run_goes_on_upon_another_number_of_processes(tmp_path, alone):
    (work, one), moved = alone, tmp_path / "moved"
    for n, stop in ((2, 2), (1, 5), (4, 0)):
        told = ended(started(n, [work, str(moved), "images", str(stop)]))
        assert [code for code, _, _ in told] == [0] * n, told
        assert (moved / "state.safetensors").exists() == bool(stop)
    near(one, moved)


def test_codebooks_start_and_revive_from_the_joined_batch(tmp_path):
    work = script(tmp_path, QUANTIZE)
    outs = [
        all_well(started(n, [work, str(tmp_path / f"{n}.safetensors")])) for n in (1, 3)
    ]  # three: shares of 2, 3 and 3 pictures
    assert len({out for many in outs for out in many}) == 1
    assert sum(int(word) for word in outs[0][0].split()) > 3  # some were revived
    found = [load_file(tmp_path / f"{n}.safetensors") for n in (1, 3)]
    for other in found[1:]:
        for name, value in found[0].items():
            torch.testing.assert_close(other[name], value, rtol=1e-5, atol=1e-5)


CVQ = ["-m", "cvq_tutorial", "train", "codes", "--recipe", "nano", "--device", "cpu"]


def test_a_process_that_dies_ends_the_others_in_one_line(tmp_path):
    long = [*CVQ, "--run-dir", str(tmp_path / "run"), "--set", "transition_steps=2000000"]
    long += ["--set", "transition_batch=33"]
    processes = started(3, long)
    try:
        while processes[0].poll() is None:  # the run is held: all have met
            if (tmp_path / "run" / ".training.json").exists():
                break
            time.sleep(0.05)
        processes[1].send_signal(signal.SIGKILL)
    finally:
        told = ended(processes)
    assert [code for code, _, _ in told] == [1, -signal.SIGKILL, 1]
    for _, _, error in (told[0], told[2]):
        [line] = error.splitlines()
        assert line.startswith("cvq: error: of the 3 processes of this run one is gone or does not")


def test_torchrun_trains_stops_and_says_what_is_wrong_once(tmp_path):
    def run(*words: str) -> subprocess.Popen:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        return subprocess.Popen(
            [sys.executable, *launcher, *CVQ, "--run-dir", str(tmp_path / "run"), *words],
            cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    odd = run("--set", "transition_batch=15")
    (_, _, told), *_ = ended([odd])
    said = [line for line in told.splitlines() if "cvq: error" in line]
    assert said == [
        "cvq: error: recipe transition_batch: expected a multiple of the 2 processes, found 15"
    ]
    stopped = run("--set", "transition_steps=20000")
    while not (tmp_path / "run" / "log.csv").exists() and stopped.poll() is None:
        time.sleep(0.05)
    stopped.send_signal(signal.SIGINT)
    (_, out, told), *_ = ended([stopped])
    said = [line for line in told.splitlines() if "cvq: error" in line]
    assert len(said) == 1 and "state saved; the same command goes on" in said[0], told
    assert (tmp_path / "run" / "state.safetensors").exists() and "trained:" not in out


def test_other_commands_are_for_one_process(tmp_path):
    told = ended(started(2, ["-m", "cvq_tutorial", "evaluate", str(tmp_path)]))
    assert [code for code, _, _ in told] == [2, 2]
    assert any("on several processes only `train` runs" in error for _, _, error in told)


def test_alone_everything_is_idle():
    generator = torch.Generator().manual_seed(1)
    expected = torch.rand(3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(torch.rand(3, generator=ranks.ahead(generator, 5, 7)), expected)
    assert ranks.rows(5) == slice(0, 5) and (ranks.size(), ranks.rank()) == (1, 0)
    value = torch.tensor(2.0, requires_grad=True)
    assert ranks.mean(value)[0] is value and ranks.total(value) is value
    assert ranks.joined(value) is value and ranks.first(lambda: value) is value
    assert ranks.any_of(True) and not ranks.any_of(False) and ranks.first_to_say("x")


def test_several_processes_need_a_device_they_can_share(monkeypatch):
    for name, text in zip(ranks.WORDS, ("0", "2", "127.0.0.1", "1"), strict=True):
        monkeypatch.setenv(name, text)
    with (
        pytest.raises(ValueError, match="train on cpu or cuda, found mps"),
        ranks.together(torch.device("mps")),
    ):
        pass
    assert Quantizer(4, 2, 8).update(torch.randn(2, 4, 2, 3), torch.empty(0)) == 0  # not met
