"""Sum up sweeps into figures/expected.json and figures/tables.md.

    python tools/build_tables.py runs        after `cvq reproduce --grid ...` for one or more grids

What is finished is summed up; labels that were not run are left as they were. The numbers in
`expected.json` are what a later sweep is compared with (`cvq reproduce --grid ... --expected`).
"""

from __future__ import annotations

import sys
from pathlib import Path

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.common.json_files import TEXT, check, dict_of, record, to_json
from cvq_tutorial.common.progress import print_on_any_code_page
from cvq_tutorial.experiments import results, sweeps, tables
from cvq_tutorial.experiments.grids import GRIDS

OUT = PROJECT_ROOT / "figures"
ABOUT = {
    "main": "The method beside what people would use instead, on the same images and steps. "
    "`image-pairs` reads both images directly, and learns as long as the second phase of the "
    "others: an upper reference, not a rival.",
    "ablations": "One published choice at a time, trained and evaluated with it, and all of them.",
    "recovery": "The graph of the world `codes` against the truth, beside a test of independence.",
    "judged": "Recovery again where it was worst, and where no parent matters alone (parity): no "
    "price on edges, each judged by what cutting it alone costs on held-out transitions.",
    "imbalance": "Trained on skewed data, tested on balanced data; the smaller model. *Skewed*: on "
    "test data drawn as the training data. *Unseen*: with an end that training never showed.",
    "codebooks": "Codebooks x codes in each; the smaller model, otherwise unchanged.",
}


def wall_minutes(folder: Path, cells: list) -> float | None:
    """From the start of the first run of a grid to the end of the last.

    None if a run is missing, or if there was a time of more than a minute without any: then it was
    not one command that made the table.
    """
    places = [folder / cell.name for cell in cells]
    try:
        began = [(place / "cell.json").stat().st_mtime for place in places]
        ended = [(place / "metrics.json").stat().st_mtime for place in places]
    except FileNotFoundError:
        return None
    latest = min(began)
    for start, end in sorted(zip(began, ended, strict=True)):
        if start - latest > 60:
            return None
        latest = max(latest, end)
    return round((latest - min(began)) / 60, 1)


def written(expected: dict) -> str:
    """`tables.md` of the contents of `expected.json`."""
    text = "# Tables\n\nMean and sample standard deviation over seeds, on the test split; "
    text += (
        "minutes are of all seeds,\nof one core, which in some grids had other work too. A run "
        "that takes over the autoencoder of another is\ncounted without it.\n"
    )
    for grid, made in expected.items():
        about = made["machine"]
        wall = made.get("wall_minutes")
        whole = f" From nothing to the whole table: {wall:.0f} minutes." if wall else ""
        text += f"\n## {grid}\n\n{ABOUT.get(grid, '')}\n`cvq reproduce --grid {grid}`, "
        text += f"{about['processor']}, "
        text += f"{about['device']}, one or two threads.{whole}\n\n{tables.markdown(made)}"
    return text


def summed_up(expected: dict, grid: str, folder: Path) -> None:
    """Put what is finished in the folder of a grid into `expected`; the rest stays as it was.

    A row of fewer seeds than are known replaces none, and a run of something else is no row.
    """
    good, refused = sweeps.usable(GRIDS[grid], folder)
    made = tables.table(good, folder)
    refused += results.damaged(good, folder)
    refused += [f"{grid}: failed: {name}: {why}" for name, why in made.pop("failed").items()]
    before = expected.get(grid, {"rows": {}})
    for label, row in before["rows"].items():
        if set(row["seeds"]) - set(made["rows"].get(label, row)["seeds"]):
            refused.append(f"{grid}: left as it was, with seeds {row['seeds']}: {label}")
            del made["rows"][label]
    for line in refused:
        print(line, file=sys.stderr)
    if not made["rows"]:
        return
    if set(before["rows"]) - set(made["rows"]):  # some were measured elsewhere
        known = before["machine"]["processor"].split(", ")
        made["machine"]["processor"] = ", ".join(
            dict.fromkeys([*known, made["machine"]["processor"]])
        )
    made["rows"] = {**before["rows"], **made["rows"]}
    del made["missing"]
    wall = wall_minutes(folder, GRIDS[grid])  # of a part it would tell nothing
    made["wall_minutes"] = wall if wall is not None else before.get("wall_minutes")
    expected[grid] = made


def main(folders: list[str]) -> int:
    print_on_any_code_page()
    known = record({"machine": record({"processor": TEXT, "device": TEXT})})
    path = OUT / "expected.json"
    expected = check(tables.read_expected(path), path, dict_of(known))
    if absent := [runs for runs in folders if not Path(runs).is_dir()]:
        print(f"no folder of sweeps at {', '.join(absent)}", file=sys.stderr)
        return 2
    for runs in folders:
        for grid in GRIDS:
            if (Path(runs) / grid).is_dir():
                summed_up(expected, grid, Path(runs) / grid)
    write_atomic(path, to_json(expected))
    text = written(expected)
    write_atomic(OUT / "tables.md", text.encode())
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
