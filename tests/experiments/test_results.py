"""What finished sweeps say: which rows are there, verdicts, and what moves with a setting."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cvq_tutorial.experiments import results, sweeps
from cvq_tutorial.experiments.grids import GRIDS, Cell
from cvq_tutorial.graphs.scores import graph_recovery
from cvq_tutorial.worlds.make import make_world


def finished(cell: Cell, root: Path, score: float) -> None:
    """A run folder as a sweep leaves it, without the run."""
    folder = root / cell.name
    folder.mkdir(parents=True)
    (folder / "cell.json").write_text(json.dumps(sweeps._told(cell)))
    metrics = {"graph": {"edge_f1": score}, "sweep_seconds": 60}
    (folder / "metrics.json").write_text(json.dumps(metrics))


def rows(**means: tuple[float, float, int]) -> dict:
    return {
        name: {"seeds": list(range(n)), "numbers": {"acc": {"mean": m, "sd": s}}}
        for name, (m, s, n) in means.items()
    }


def test_runs_are_read_and_what_is_missing_is_one_line_per_grid(tmp_path):
    for cell in GRIDS["recovery"]:
        if cell.label == "8 variables":
            finished(cell, tmp_path / "recovery", 0.5 + 0.1 * cell.seed)
    made, notes = results.gather(tmp_path)
    assert list(made) == ["recovery"]
    assert list(made["recovery"]["rows"]) == ["8 variables"]
    assert made["recovery"]["rows"]["8 variables"]["numbers"]["edge F1"]["mean"] == 0.6
    assert [note.partition(":")[0] for note in notes] == list(GRIDS)
    assert notes[0] == "main: not run (cvq reproduce --grid main)"
    total = len({cell.label for cell in GRIDS["recovery"]})
    line = notes[list(GRIDS).index("recovery")]
    assert line.startswith(f"recovery: 1 of {total} rows; not run: 8 variables: independence, 12")


def test_a_half_written_run_and_a_run_of_another_version_are_left_out_and_named(tmp_path):
    cells = [cell for cell in GRIDS["recovery"] if cell.label == "8 variables"]
    for cell in cells:
        finished(cell, tmp_path / "recovery", 1.0)
    first, second, third = (tmp_path / "recovery" / cell.name for cell in cells)
    (first / "metrics.json").write_text('{"graph": {')
    other = json.loads((second / "cell.json").read_text()) | {"format": 99}
    (second / "cell.json").write_text(json.dumps(other))
    made, notes = results.gather(tmp_path)
    assert made["recovery"]["rows"]["8 variables"]["seeds"] == [cells[2].seed]
    named, half = [note for note in notes if "left out" in note]
    assert "expected format" in named and "found 99" in named
    assert f"{cells[0].name}/metrics.json is damaged: line 1, column 12: no JSON" in half
    assert "recovery: not all of the seeds 0 1 2: 8 variables (2)" in notes
    (third / "cell.json").write_text("{")
    made, notes = results.gather(tmp_path)
    assert made == {}
    assert sum("left out" in note for note in notes) == 3


def test_no_folder_is_one_line_and_the_shipped_results_are_the_default(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder of sweeps at"):
        results.gather(tmp_path / "none")
    path = tmp_path / "expected.json"
    assert results.gather("", path)[0] == {}
    label = GRIDS["imbalance"][0].label
    row = {"seeds": [0], "minutes": 1, "numbers": {"PSNR": {"mean": 30.0, "sd": 0.0}}}
    path.write_text(json.dumps({"imbalance": {"rows": {label: row}}}))
    made, notes = results.gather("", path)
    assert made["imbalance"]["rows"] == {label: row}
    assert len(notes) == len(GRIDS) + 1 and "not run" in notes[0]
    assert f"imbalance: not all of the seeds 0 1 2: {label} (0)" in notes
    path.write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        results.gather("", path)


def test_some_cells_are_run_small_and_gone_on_with(tmp_path, monkeypatch):
    seen = []

    def trained(cell, root, device):
        seen.append(cell)
        finished(cell, root, 0.5)

    monkeypatch.setattr(sweeps, "_run", trained)
    some = {"only": ["12 variables", "1000 transitions"], "seeds": [0], "say": lambda _: None}
    made, place = results.run_some("recovery", tmp_path, "nano", **some)
    assert list(made["rows"]) == ["12 variables", "12 variables: independence", "1000 transitions"]
    assert {cell.recipe for cell in seen} == {"nano"} and {cell.seed for cell in seen} == {0}
    by_label = {cell.label: cell for cell in seen}
    assert by_label["12 variables"].overrides == {}  # sizes of `lesson` are left behind
    assert by_label["1000 transitions"].overrides == {"transitions": 1000}  # what it is about
    assert by_label["12 variables"].world_options["n_variables"] == 12
    assert (place / by_label["12 variables"].name / "metrics.json").is_file()
    results.run_some("recovery", tmp_path, "nano", **some)
    assert len(seen) == 3
    made, place = results.run_some("recovery", tmp_path, **some)
    assert place == tmp_path / "recovery" and len(seen) == 6
    assert seen[3] == next(c for c in GRIDS["recovery"] if c.label == "12 variables")
    assert results.gather(tmp_path)[0]["recovery"]["rows"] == made["rows"]
    with pytest.raises(ValueError, match="no cell with 'nothing like it'"):
        results.run_some("recovery", tmp_path, "nano", only=["nothing like it"])


@pytest.mark.parametrize("grid", ["imbalance", "codebooks", "ablations"])
def test_cells_that_are_run_small_are_still_what_their_label_says(tmp_path, monkeypatch, grid):
    seen = []

    def trained(cell, root, device):
        seen.append(cell)
        finished(cell, root, 0.5)

    monkeypatch.setattr(sweeps, "_run", trained)
    results.run_some(grid, tmp_path, "nano", seeds=[0], say=lambda _: None)
    told = [json.dumps([cell.world, dict(cell.overrides)], sort_keys=True) for cell in seen]
    assert len(seen) == len(set(told)) > 4  # no two rows are the same run
    assert not any({"transition_steps", "autoencoder_steps"} & set(c.overrides) for c in seen)
    by_label = {cell.label: cell.overrides for cell in seen}
    if grid == "codebooks":
        assert by_label["4 x 32 codes"] == {"codebooks": 4, "codes": 32}
    if grid == "imbalance":
        half = {"value_weights": "zipf:1.5", "resample": 0.5}
        assert by_label["zipf values, half resampled"] == half


def test_one_text_chooses_cells_as_a_list_of_one_does(tmp_path, monkeypatch):
    monkeypatch.setattr(sweeps, "_run", lambda cell, root, device: finished(cell, root, 0.5))
    some = {"seeds": [0], "say": lambda _: None}
    made, _ = results.run_some("recovery", tmp_path, "nano", only="1000 tr", **some)
    assert list(made["rows"]) == ["1000 transitions"]


@pytest.mark.parametrize(
    ("ours", "other", "word"),
    [
        ((0.9, 0.0, 3), (0.8, 0.0, 3), "ahead (+0.100)"),
        ((0.8, 0.0, 3), (0.9, 0.0, 3), "behind (-0.100)"),
        ((0.9, 0.0, 3), (0.895, 0.0, 3), "level (+0.005)"),
        ((0.9, 0.0, 3), (0.8, 0.1, 3), "level (+0.100)"),
        ((0.9, 0.0, 3), (0.89, 0.0, 3), "level (+0.010)"),
        ((0.9, 0.0, 3), (0.885, 0.0, 3), "ahead (+0.015)"),
        ((0.9, 0.0, 3), (0.8, 0.06, 3), "ahead (+0.100)"),
        ((0.9, 0.0, 1), (0.86, 0.0, 3), "level (+0.040)"),  # one seed: the spread is not known
        ((0.9, 0.0, 3), (0.84, 0.0, 1), "ahead (+0.060)"),
    ],
)
def test_a_verdict_needs_more_than_the_spread(ours, other, word):
    table = rows(ours=ours, other=other, worse=(0.1, 0.0, 1))
    said = results.verdict(table, "ours", ["worse", "other", "absent"], "acc")
    assert said.endswith(word)
    assert "best of 2 others: other" in said


@pytest.mark.parametrize(("seeds", "gap", "level"), [(3, 0.4, True), (3, 0.6, False), (1, 2, True)])
def test_a_number_of_causes_is_level_within_a_share_of_it(seeds, gap, level):
    name = "causes per set node"
    numbers = [{name: {"mean": mean, "sd": 0.0}} for mean in (10.0, 10.0 + gap)]
    table = {
        k: {"seeds": [*range(seeds)], "numbers": n} for k, n in zip("ab", numbers, strict=True)
    }
    assert (
        results.verdict(table, "a", ["b"], name).endswith(("behind", f"level ({-gap:+.3f})"))
        == level
    )


def test_a_verdict_says_what_is_not_known():
    table = rows(ours=(0.9, 0.0, 1))
    assert "0.900 (one seed), nothing to compare" in results.verdict(table, "ours", ["x"], "acc")
    assert "not measured" in results.verdict(table, "us", ["ours"], "acc")
    assert results.told({"mean": 0.5, "sd": 0.1, "seeds": [0, 1]}) == "0.500 ± 0.100 (2 seeds)"


def test_costs_are_sorted_and_small_ones_are_not_called_costs():
    table = rows(ours=(0.9, 0.02, 3), a=(0.7, 0.0, 3), b=(0.95, 0.0, 3), c=(0.89, 0.0, 3))
    assert results.costs(table, "ours", "acc") == (
        "acc, ours 0.900 ± 0.020 (3 seeds): differs: a -0.200, b +0.050; not beyond the spread: c"
    )
    named = rows(**{"ours": (0.9, 0.0, 1), "a, b": (0.9, 0.0, 1), "c, d": (0.5, 0.0, 1)})
    said = results.costs(named, "ours", "acc")
    assert said.endswith('differs: "c, d" -0.400; not beyond the spread: "a, b"')
    assert results.costs(table, "us", "acc") == "acc: us was not measured"
    assert results.starting({"w: a": {"x": 1}, "v: a": {}}, "w: ") == {"a": {"x": 1}}


CELLS = [Cell("small", "codes", "nano", s, {}, {"n_variables": 8, "seed": s}) for s in (0, 1)] + [
    Cell("usual", "codes", "nano", 0, {"transitions": 3000}),
    Cell("usual: independence", "codes", "nano", 0, {}, {}, "independence"),
    Cell("few", "codes", "nano", 0, {"transitions": 50}),
    Cell("noisy", "codes", "nano", 0, {}, {"noise": 0.1}),
    Cell("noisy and small", "codes", "nano", 0, {}, {"noise": 0.1, "n_variables": 8}),
]
SCORED = rows(**{cell.label: (0.1 * i, 0.0, 1) for i, cell in enumerate(CELLS)})


def test_one_setting_moves_and_the_others_stay_as_usual():
    def means(setting):
        found = results.along(setting, CELLS, SCORED, "acc")
        return {
            who: {v: round(point["mean"], 1) for v, point in curve.items()}
            for who, curve in found.items()
        }

    tested = {"independence": {12: 0.3}}
    assert means("variables") == {"learned graph": {8: 0.1, 12: 0.2}} | tested
    assert means("noise") == {"learned graph": {0.0: 0.2, 0.1: 0.5}, "independence": {0.0: 0.3}}
    few = {"learned graph": {50: 0.4, 3000: 0.2}, "independence": {2000: 0.3}}
    assert means("transitions") == few
    assert list(results.along("variables", CELLS, {}, "acc")) == []
    with pytest.raises(ValueError, match="variables"):
        results.along("variable", CELLS, SCORED, "acc")


def test_every_edge_is_scored_as_recovery_scores_it():
    found = results.every_edge("variables", CELLS)
    assert list(found) == [8, 12] and found[8]["seeds"] == [0, 1]
    scores = []
    for seed in (0, 1):
        world = make_world("codes", n_variables=8, seed=seed)
        true = int(world.graph.sum())
        possible = int(world.targets.sum()) * 8
        scores.append(2 * true / (true + possible))  # precision true/possible, recall 1
        assert graph_recovery(world.graph.astype(float), world.graph, world.targets)["edge_f1"] == 1
    assert found[8]["mean"] == pytest.approx(sum(scores) / 2)
    assert found[8]["sd"] == pytest.approx(abs(scores[0] - scores[1]) / 2**0.5)
    assert found[12]["sd"] == 0.0


def test_a_new_table_is_compared_with_the_expected_one():
    def table(mean: float) -> dict:
        return {"rows": rows(ours=(mean, 0.01, 3))}

    assert results.compared(table(0.9), table(0.9)) == (
        "1 rows run here, 0 numbers outside what is expected"
    )
    head, line = results.compared(table(0.5), table(0.9)).split("\n")
    assert head == "1 rows run here, 1 numbers outside what is expected"
    assert line.startswith("  ours: acc 0.5, expected 0.9")
    told = results.compared(table(0.5), table(0.9), "nano")
    assert told == "recipe nano: not compared with the runs of the recipe lesson"
