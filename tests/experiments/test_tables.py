"""Numbers in the README and in the tables are those of the results file, none is typed by hand."""

from __future__ import annotations

import copy
import json
import os
import re
from pathlib import Path

import project_tools
import pytest

from cvq_tutorial.experiments import sweeps, tables
from cvq_tutorial.experiments.grids import GRIDS

ROOT = Path(__file__).resolve().parent.parent.parent
EXPECTED = json.loads((ROOT / "figures" / "expected.json").read_text("utf-8"))
README = project_tools.said()

build_tables = project_tools.load("build_tables")

ROWS = {  # first words of a row in the README -> label in the grid `main`, after the world
    "causal codes": "causal codes",
    "VQ-VAE with a plain transition": "plain-vqvae",
    "VAE, classifier": "vae-classifier",
    "VAE, mean difference": "vae-difference",
    "beta-VAE, mean difference": "beta-vae-difference",
    "classifier that sees both images": "image-pairs",
}
COLUMNS = ("action accuracy", "recovered", "target reached", "others kept")
COLUMNS_SPRITES = ("action accuracy, visible", "recovered", "target reached")


def numbers_of(grid: str, label: str) -> dict:
    return EXPECTED[grid]["rows"][label]["numbers"]


@pytest.mark.parametrize(("words", "label"), ROWS.items(), ids=lambda text: text)
def test_the_comparison_in_the_readme_is_measured(words, label):
    (row,) = re.findall(rf"^\| {re.escape(words)}[^|]*\|(.+)\|$", README, flags=re.M)
    told = [cell.strip() for cell in row.split("|")]
    wanted = []
    for world, columns in (("shapes3d", COLUMNS), ("sprites", COLUMNS_SPRITES)):
        found = numbers_of("main", f"{world}: {label}")
        wanted += [f"{found[c]['mean']:.3f}" if c in found else "-" for c in columns]
    assert told == wanted


def test_the_comparison_is_of_three_seeds_and_took_as_long_as_the_readme_says():
    rows = EXPECTED["main"]["rows"]
    assert len(rows) == len({cell.label for cell in GRIDS["main"]})
    assert all(row["seeds"] == [0, 1, 2] for row in rows.values())
    (told,) = re.findall(r"--workers 2` took (\d+) minutes on two cores", README)
    assert float(told) == round(EXPECTED["main"]["wall_minutes"]) <= 90


def test_the_other_numbers_of_sweeps_in_the_readme_are_measured():
    told = re.search(
        r"\(edge F1 ([\d.]+) instead of ([\d.]+)\).*?edge F1 ([\d.]+) with 12 variables, "
        r"([\d.]+) with 24, ([\d.]+)\s+with 48",
        README, flags=re.S,
    )  # fmt: skip
    assert told is not None
    labels = [("ablations", "codes: re-predicted codes"), ("ablations", "codes: ours")]
    labels += [("recovery", f"{n} variables") for n in (12, 24, 48)]
    wanted = [f"{numbers_of(*label)['edge F1']['mean']:.3f}" for label in labels]
    assert list(told.groups()) == wanted


def test_what_the_readme_says_of_the_known_graph_is_measured():
    told = re.search(
        r"over seeds 0, 1, 2 the learned graph has edge F1 ([\d.]+) ± ([\d.]+) against the truth, "
        r"the effects mask F1 ([\d.]+) ± (\d\.\d+)", README
    )  # fmt: skip
    assert told is not None
    found = numbers_of("ablations", "codes: ours")
    wanted = [found[n][key] for n in ("edge F1", "mask F1") for key in ("mean", "sd")]
    assert list(told.groups()) == [f"{value:.3f}" for value in wanted]
    assert EXPECTED["ablations"]["rows"]["codes: ours"]["seeds"] == [0, 1, 2]


def test_the_cost_of_a_node_per_codebook_in_the_readme_is_measured():
    told = re.search(
        r"named in ([\d.]+) instead of ([\d.]+), recovered ([\d.]+) instead of ([\d.]+); with all "
        r"published choices together\s+it is ([\d.]+) and ([\d.]+) \(means of three seeds; of all "
        r"together, two\)",
        README,
    )
    assert told is not None
    labels = ("a node per codebook", "ours", "all published")
    rows = [numbers_of("ablations", f"shapes3d: {label}") for label in labels]
    columns = ("action accuracy", "recovered")
    wanted = [f"{r[c]['mean']:.3f}" for c in columns for r in rows[:2]]
    wanted += [f"{rows[2][c]['mean']:.3f}" for c in columns]
    assert list(told.groups()) == wanted
    seeds = [EXPECTED["ablations"]["rows"][f"shapes3d: {label}"]["seeds"] for label in labels]
    assert seeds == [[0, 1, 2], [0, 1, 2], [0, 1]]
    switched = [
        r["numbers"]["recovered"]["mean"]
        for label, r in EXPECTED["ablations"]["rows"].items()
        if label.startswith("shapes3d")
    ]
    assert float(told.group(3)) == round(min(switched), 3)  # the most that any choice costs


def test_what_the_readme_says_of_skewed_data_is_measured():
    told = re.search(
        r"smaller model, means of three seeds\).*?"
        r"named in ([\d.]+) instead of\s+([\d.]+), and in ([\d.]+) on data skewed alike.*?"
        r"resampling leaves it at ([\d.]+) and helps to do it \(recovered ([\d.]+) instead of "
        r"([\d.]+)\); all the way it is ([\d.]+):.*?"
        r"named in (\d\.\d+) where they occur",
        README, flags=re.S,
    )  # fmt: skip
    assert told is not None
    name = "action accuracy"
    wanted = [("zipf values", name), ("balanced", name), ("zipf values", f"{name}, skewed")]
    wanted += [("zipf values, half resampled", name), ("zipf values, half resampled", "recovered")]
    wanted += [("zipf values", "recovered"), ("zipf values, resampled", name)]
    wanted += [("held-out combinations", f"{name}, unseen")]
    numbers = [f"{numbers_of('imbalance', row)[column]['mean']:.3f}" for row, column in wanted]
    assert list(told.groups()) == numbers
    assert all(row["seeds"] == [0, 1, 2] for row in EXPECTED["imbalance"]["rows"].values())


def test_a_part_that_is_run_again_leaves_the_rest_as_it_was(tmp_path, monkeypatch):
    before = {key: copy.deepcopy(EXPECTED[key]) for key in ("main", "recovery")}
    before["main"]["machine"] = before["main"]["machine"] | {"processor": "another"}
    (tmp_path / "expected.json").write_text(json.dumps(before))
    monkeypatch.setattr(build_tables, "OUT", tmp_path)
    cell = GRIDS["main"][0]
    folder = tmp_path / "runs" / "main" / cell.name
    folder.mkdir(parents=True)
    (folder / "cell.json").write_text(json.dumps(sweeps._told(cell)))
    seconds = {"seconds": {"total": 60.0}, "reconstruction": {"psnr": 12.5}}
    (folder / "metrics.json").write_text(json.dumps(seconds))
    build_tables.main([str(tmp_path / "runs")])
    after = json.loads((tmp_path / "expected.json").read_text("utf-8"))
    assert after["recovery"] == before["recovery"]
    assert after["main"] == before["main"]  # one seed does not replace three
    before["main"]["rows"][cell.label]["seeds"] = [0]
    (tmp_path / "expected.json").write_text(json.dumps(before))
    for _ in range(2):
        build_tables.main([str(tmp_path / "runs")])
    after = json.loads((tmp_path / "expected.json").read_text("utf-8"))
    rows, old = after["main"]["rows"], before["main"]["rows"]
    assert rows.pop(cell.label)["numbers"] == {"PSNR": {"mean": 12.5, "sd": 0.0}}
    assert rows == {label: row for label, row in old.items() if label != cell.label}
    assert after["main"]["wall_minutes"] == before["main"]["wall_minutes"]
    processors = after["main"]["machine"]["processor"].split(", ")
    assert processors[0] == "another" and len(processors) == 2
    text = (tmp_path / "expected.json").read_text("utf-8")
    (folder / "cell.json").write_text("{}")
    (folder / "metrics.json").write_text(json.dumps({"reconstruction": {"psnr": 99.0}}))
    build_tables.main([str(tmp_path / "runs")])  # a run of something else
    assert (tmp_path / "expected.json").read_text("utf-8") == text
    assert build_tables.main([str(tmp_path / "none")]) == 2


def test_a_whole_table_took_from_its_first_start_to_its_last_end(tmp_path):
    cells = GRIDS["main"][:3]

    def ran(cell, start, end):  # minutes
        (tmp_path / cell.name).mkdir(exist_ok=True)
        for name, minute in (("cell.json", start), ("metrics.json", end)):
            path = tmp_path / cell.name / name
            path.write_text("{}")
            os.utime(path, (1e9, 1e9 + 60 * minute))

    ran(cells[0], 0, 15)
    ran(cells[1], 10, 25)
    assert build_tables.wall_minutes(tmp_path, cells[:2]) == 25.0
    assert build_tables.wall_minutes(tmp_path, cells) is None  # one is missing
    ran(cells[2], 25.5, 40)
    assert build_tables.wall_minutes(tmp_path, cells) == 40.0
    ran(cells[2], 500, 515)  # gone on with in the morning
    assert build_tables.wall_minutes(tmp_path, cells) is None


def test_the_tables_are_those_of_the_results_file():
    assert (ROOT / "figures" / "tables.md").read_text("utf-8") == build_tables.written(EXPECTED)


def test_every_row_is_of_a_cell_that_can_be_run_again():
    for grid, made in EXPECTED.items():
        assert set(made["rows"]) <= {cell.label for cell in GRIDS[grid]}
        assert tables.demand(made, made) > len(made["rows"])
