"""The benchmark measures what it says and leaves it whole; no test depends on how fast it was."""

from __future__ import annotations

import contextlib
import json
import os
import platform

import pytest
import torch

from cvq_tutorial.experiments import bench


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr("builtins.print", lambda text: lines.append(text))
        state = torch.random.get_rng_state()
        out = tmp_path_factory.mktemp("bench") / "figures" / "bench.json"
        opened, closed = [], []

        class Watched(bench.GraphExplorer):
            def __init__(self, *arguments):
                super().__init__(*arguments)
                opened.append(id(self))

            def close(self):
                closed.append(id(self))
                super().close()

        patch.setattr(bench, "GraphExplorer", Watched)
        told = bench.run(out, quick=True)
        assert len(opened) == 2 and sorted(closed) == sorted(opened)
        assert torch.equal(torch.random.get_rng_state(), state)
    return told, out, "\n".join(lines)


def test_the_file_is_what_was_returned_and_the_machine_is_named(result):
    told, out, _ = result
    assert json.loads(out.read_text()) == told
    assert [p.name for p in out.parent.iterdir()] == ["bench.json"]  # no temporary file
    machine = told["machine"]
    assert machine["processor"] and machine["cores"] == os.cpu_count()
    assert machine["threads"] == torch.get_num_threads() and machine["torch"] == torch.__version__
    assert isinstance(machine["bf16"], bool)
    told = {v for v in machine.values() if isinstance(v, str)}
    assert not told & {platform.node(), platform.node().partition(".")[0]}


def test_every_case_has_its_times(result):
    told, _, printed = result
    wanted = {
        "step_1_codebook_12_actions", "step_4_codebooks_12_actions", "step_1_codebook_120_actions",
        "retrieval_1_codebook", "retrieval_4_codebooks",
        "intervention_1_codebook", "intervention_4_codebooks",
        "click_1_codebook", "click_4_codebooks", "render_shapes3d",
    }  # fmt: skip
    assert wanted <= set(told["timings"]) <= wanted | {"render_sprites"}
    for name, timing in told["timings"].items():
        assert 0 < timing["min_ms"] <= timing["median_ms"] <= timing["max_ms"]
        assert timing["repeats"] == 3
        assert (timing["per_second"] is not None) == name.startswith("render")
        assert timing["what"] in printed
    rate = told["timings"]["render_shapes3d"]
    assert rate["per_second"] == pytest.approx(32 / rate["median_ms"] * 1000, rel=0.01)
    assert told["sizes"] | {"batch": 16, "nodes": 64, "codes": 64} == told["sizes"]
    few, many = (told["timings"][f"step_1_codebook_{a}_actions"]["median_ms"] for a in (12, 120))
    assert told["actions_120_over_12"] == pytest.approx(many / few, abs=1e-3)


def test_what_a_step_multiplies_is_counted(result):
    told, _, printed = result
    matmul = told["matmul"]
    assert matmul["case"] == "step_4_codebooks_12_actions" and "of a large product" in printed
    seconds = told["timings"][matmul["case"]]["median_ms"] / 1000
    assert matmul["flops_per_second"] == pytest.approx(matmul["flops"] / seconds, rel=1e-3)
    assert matmul["share"] == pytest.approx(matmul["flops_per_second"] / matmul["peak"], abs=1e-4)
    # Rows of 96 numbers through a square layer, forward and twice back, and the scores of edges.
    rows, nodes, width = 16 * 64, 64, 96
    assert matmul["flops"] > 3 * 2 * rows * (20 * width * width + 2 * nodes * width)


def test_a_step_is_a_step_of_training():
    """Each call of the timed function changes every weight that takes part."""
    made = []
    original = bench._transition
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "_transition", lambda *a: made.append(original(*a)) or made[-1])
        step = bench._training_step(1, 12, torch.device("cpu"))
    [transition] = made
    before = {k: v.clone() for k, v in transition.named_parameters()}
    step()
    assert all(not torch.equal(v, before[k]) for k, v in transition.named_parameters())


def test_times_are_told_by_their_median():
    timing = bench._timing("x", [0.004, 0.001, 0.002], 10)
    assert (timing.median_ms, timing.min_ms, timing.max_ms, timing.repeats) == (2.0, 1.0, 4.0, 3)
    assert timing.per_second == 5000.0


def test_a_place_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "_cases", lambda *_: {
        f"step_{c}_{a}_actions": ("x", lambda: None, 0)
        for c, a in (("1_codebook", 12), ("1_codebook", 120), ("4_codebooks", 12))
    })  # fmt: skip
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot write .*bench\.json"):
        bench.run(tmp_path / "file" / "bench.json", quick=True)
    assert bench.run(None, quick=True)["timings"]


def test_worlds_whose_data_are_not_here_are_left_out(monkeypatch):
    def missing(name: str):
        raise FileNotFoundError(name)

    monkeypatch.setattr(bench, "make_world", missing)
    with contextlib.ExitStack() as stack:
        cases = bench._cases(torch.device("cpu"), 1, stack)
    assert not [name for name in cases if name.startswith("render")]
