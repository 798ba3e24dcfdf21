"""The benchmark measures what it says and leaves it whole; no test depends on how fast it was."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time

import pytest
import torch

from cvq_tutorial.experiments import bench, beside, cases, reference, turns
from cvq_tutorial.explore import graph


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr("builtins.print", lambda text: lines.append(text))
        state = torch.random.get_rng_state()
        out = tmp_path_factory.mktemp("bench") / "figures" / "bench.json"
        opened, closed = [], []

        class Watched(graph.GraphExplorer):
            def __init__(self, *arguments):
                super().__init__(*arguments)
                opened.append(id(self))

            def close(self):
                closed.append(id(self))
                super().close()

        patch.setattr(graph, "GraphExplorer", Watched)
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
        "click_1_codebook", "click_4_codebooks", "render_shapes3d", "product",
        "step_of_the_recipe", "step_autoencoder", "retrieval_together", "evaluation_together",
    }  # fmt: skip
    if told["machine"]["bf16"]:
        wanted.add("retrieval_together_half")
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
    original = cases.transition_of
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cases, "transition_of", lambda *a: made.append(original(*a)) or made[-1])
        step = cases.training_step(1, 12, torch.device("cpu"))
    [transition] = made
    before = {k: v.clone() for k, v in transition.named_parameters()}
    step()
    assert all(not torch.equal(v, before[k]) for k, v in transition.named_parameters())


def test_a_step_of_the_autoencoder_is_one_of_training():
    """It moves every weight, and the codebooks, that have started."""
    made = []
    original = cases.autoencoder
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cases, "autoencoder", lambda *a: made.append(original(*a)) or made[-1])
        step = cases.autoencoder_step(torch.device("cpu"))
    [auto] = made
    assert auto.quantizer.started
    before = {k: v.clone() for k, v in auto.state_dict().items() if v.is_floating_point()}
    step()
    after = auto.state_dict()
    assert all(not torch.equal(after[k], v) for k, v in before.items())


def test_floors_are_products_at_the_peak(result):
    told, _, printed = result
    assert set(told["floors"]) == {"step_of_the_recipe", "step_autoencoder"}
    peak = 2 * 256**3 / told["timings"]["product"]["median_ms"] * 1000
    for name, floor in told["floors"].items():
        assert floor["peak"] == pytest.approx(peak, rel=0.01)
        assert floor["floor_ms"] == pytest.approx(1000 * floor["flops"] / peak, rel=0.02)
        share = floor["floor_ms"] / told["timings"][name]["median_ms"]
        assert floor["share"] == pytest.approx(share, rel=0.02, abs=1e-4)
    assert told["floors"]["step_of_the_recipe"]["flops"] == 2 * told["matmul"]["flops"]  # 32, 16
    assert printed.count("x its floor of") == 2
    # a convolution 3 x 3 of the decoder, 48 to 48 channels at 16 x 16: forward and twice back
    assert told["floors"]["step_autoencoder"]["flops"] > 3 * 2 * 32 * 256 * 9 * 48 * 48


def test_ratios_to_the_reference_layer_have_a_spread(result):
    told, _, printed = result
    for name, (known, then) in reference.KNOWN.items():
        r = told["reference"][name]
        assert 0 < r["low"] <= r["ratio"] <= r["high"]
        rounded = 0.005 * (1 + known / then) + 1e-9  # both numbers are of two digits
        assert r["of_the_released"] == pytest.approx(r["ratio"] * known / then, abs=rounded)
        assert r["reference_ms"] > 0 and r["ours_ms"] > 0
        assert f"({r['low']:.0f} - {r['high']:.0f};" in printed


def test_a_ratio_is_that_of_one_round(monkeypatch):
    """Of the second round: 4 s a step to 10 s for 20 of ours, 6 s for 2 pairs to 2 s for 4."""
    spent = iter([9.0, 9.0, 9.0, 9.0, 4.0, 10.0, 6.0, 2.0])
    monkeypatch.setattr(beside, "timed", lambda *_: next(spent))
    found = beside.ratios(torch.device("cpu"), quick=True)
    step, retrieval = found["step"], found["retrieval"]
    assert (step["reference_ms"], step["ours_ms"], step["ratio"]) == (4000.0, 500.0, 8.0)
    assert (retrieval["reference_ms"], retrieval["ours_ms"]) == (3000.0, 500.0)
    assert retrieval["low"] == retrieval["high"] == 6.0


def test_seconds_of_work_are_those_of_the_processor_alone():
    began, wall = beside.working(), time.perf_counter()
    time.sleep(0.3)
    idle = beside.working() - began
    while time.perf_counter() - wall < 30:
        torch.ones(64, 64) @ torch.ones(64, 64)
        if beside.working() - began > idle + 0.1:
            break
    assert idle < 0.1 < beside.working() - began


def test_memory_is_told_by_phase(result):
    told, _, printed = result
    assert set(told["memory"]) == set(beside.KINDS)
    assert all(50e6 < size < 5e9 for size in told["memory"].values())
    assert "most memory of a run, by phase: autoencoder " in printed


def test_memory_is_that_since_the_last_time():
    turns.most_resident()
    held = torch.ones(30_000_000)
    with_it = turns.most_resident()
    del held
    assert with_it - turns.most_resident() < 10e6  # it was there as the second count began
    if (turns.Path("/proc/self/clear_refs")).exists():
        assert with_it - turns.most_resident() > 60e6


def test_times_are_told_by_their_median():
    timing = bench._timing("x", [0.004, 0.001, 0.002], 10)
    assert (timing.median_ms, timing.min_ms, timing.max_ms, timing.repeats) == (2.0, 1.0, 4.0, 3)
    assert timing.per_second == 5000.0


def test_a_place_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(beside, "memory", lambda quick: {})
    monkeypatch.setattr(bench, "cases", lambda *_: {
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

    monkeypatch.setattr(cases, "make_world", missing)
    with contextlib.ExitStack() as stack:
        found = cases.cases(torch.device("cpu"), 1, stack, 1)
    assert not [name for name in found if name.startswith("render")]
