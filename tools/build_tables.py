"""Sum up sweeps into figures/expected.json and figures/tables.md.

    python tools/build_tables.py runs        after `cvq reproduce --grid ...` for one or more grids

What is finished is summed up; labels that were not run are left as they were. The numbers in
`expected.json` are what a later sweep is compared with (`cvq reproduce --grid ... --expected`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cvq_tutorial import tables
from cvq_tutorial.grids import GRIDS
from cvq_tutorial.paths import PROJECT_ROOT, write_atomic

OUT = PROJECT_ROOT / "figures"
ABOUT = {
    "main": "The method beside what people would use instead, on the same images and steps. "
    "`image-pairs` reads both images directly, and learns as long as the second phase of the "
    "others: an upper reference, not a rival.",
    "ablations": "One published choice at a time, trained and evaluated with it, and all of them.",
    "recovery": "The graph of the world `codes` against the truth, beside a test of independence.",
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
        text += (
            f"\n## {grid}\n\n{ABOUT[grid]}\n`cvq reproduce --grid {grid}`, {about['processor']}, "
        )
        text += f"{about['device']}, one or two threads.{whole}\n\n{tables.markdown(made)}"
    return text


def main(folders: list[str]) -> int:
    expected = tables.read_expected(OUT / "expected.json")
    for runs in folders:
        for grid, cells in GRIDS.items():
            if (Path(runs) / grid).is_dir():
                made = tables.table(cells, Path(runs) / grid)
                before = expected.get(grid, {"rows": {}})
                if set(before["rows"]) - set(made["rows"]):  # some were measured elsewhere
                    both = (before["machine"]["processor"], made["machine"]["processor"])
                    made["machine"]["processor"] = ", ".join(dict.fromkeys(both))
                made["rows"] = {**before["rows"], **made["rows"]}
                del made["missing"]
                wall = wall_minutes(Path(runs) / grid, cells)  # of a part it would tell nothing
                made["wall_minutes"] = wall if wall is not None else before.get("wall_minutes")
                expected[grid] = made
    write_atomic(OUT / "expected.json", (json.dumps(expected, indent=1) + "\n").encode())
    text = written(expected)
    write_atomic(OUT / "tables.md", text.encode())
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
