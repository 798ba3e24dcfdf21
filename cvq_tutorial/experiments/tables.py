"""Tables of sweeps: mean and spread over seeds, as JSON and as Markdown, beside what is expected.

A sweep leaves `metrics.json` in the folder of each finished run (see `sweeps`), and `failed.json`
in that of each that failed; what is here only reads them. `figures/expected.json` holds the tables
that were measured, one per grid, and a new one is compared with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from types import MappingProxyType
from typing import Any

from cvq_tutorial import __version__
from cvq_tutorial.common.checks import close_match
from cvq_tutorial.common.device import pick_device
from cvq_tutorial.common.json_files import (
    NUMBER,
    TEXT,
    WHOLE,
    FileError,
    Schema,
    dict_of,
    list_of,
    or_null,
    read_json,
    record,
)
from cvq_tutorial.experiments import bench
from cvq_tutorial.experiments.grids import Cell

FORMAT = 1
FAILED = "failed.json"
# By how much the mean of a later table may differ: that many standard deviations, or that much
# whatever the spread (a PSNR: in dB; a number of causes: as a share of it), times "one seed" where
# nothing tells the spread.
TOLERANCE = {
    "standard deviations": 3.0, "least": 0.01, "least, dB": 0.3, "least, count": 0.05,
    "one seed": 5.0,
}  # fmt: skip
# name in the table -> where it stands in metrics.json
NUMBERS = {
    "action accuracy": ("retrieval", "macro_action_accuracy"),
    "plain action accuracy": ("retrieval", "action_accuracy"),
    "action accuracy, visible": ("retrieval", "visible", "macro_action_accuracy"),
    "action accuracy, skewed": ("retrieval", "skewed", "macro_action_accuracy"),
    "action accuracy, unseen": ("retrieval", "unseen", "macro_action_accuracy"),
    "factor accuracy": ("retrieval", "macro_factor_accuracy"),
    "chance": ("retrieval", "chance", "action"),
    "PSNR": ("reconstruction", "psnr"),
    "recovered": ("intervention", "recovered"),
    "recovered, unseen": ("intervention", "unseen", "recovered"),
    "target reached": ("intervention", "target_reached"),
    "target, unseen": ("intervention", "unseen", "target_reached"),
    "target, ceiling": ("intervention", "target_reached_ceiling"),
    "others kept": ("intervention", "others_kept"),
    "others, ceiling": ("intervention", "others_kept_ceiling"),
    "mask F1": ("mask", "f1"),
    "edge F1": ("graph", "edge_f1"),
    "edge AUROC": ("graph", "edge_auroc"),
    "causes per set node": ("graph", "edges_per_set_node"),
}


def _nested(paths: Sequence[tuple[str, ...]]) -> Schema:
    """What a file must be like that has numbers at some of these places."""
    inner = {first: [p[1:] for p in paths if p[0] == first] for first, *_ in paths}
    number = or_null(NUMBER)  # such as `recovered`, where it is not defined
    return record(**{key: _nested(rest) if all(rest) else number for key, rest in inner.items()})


METRICS = _nested([*NUMBERS.values(), ("sweep_seconds",)])
_MEASURED = record({"mean": NUMBER, "sd": NUMBER}, seeds=list_of(WHOLE))
_ROW = record({"seeds": list_of(WHOLE), "numbers": dict_of(_MEASURED)}, minutes=NUMBER)
EXPECTED = dict_of(
    record(
        {"rows": dict_of(_ROW)},
        machine=record(processor=TEXT, device=TEXT),
        tolerance=dict_of(NUMBER),
        wall_minutes=or_null(NUMBER),
    )
)


def read_metrics(cell: Cell, root: Path) -> dict:
    """The metrics of a finished cell.

    Raises FileNotFoundError if it is not finished, FileError if they are damaged: no such numbers,
    or none of those in `NUMBERS`.
    """
    path = root / cell.name / "metrics.json"
    found = read_json(path, METRICS)
    if all(_at(found, place) is None for place in NUMBERS.values()):
        raise FileError(f"{path} is damaged: expected numbers such as graph.edge_f1, found none")
    return found


def metrics_of(cell: Cell, root: Path) -> dict | None:
    """The metrics of a finished cell; None if it is not finished, or its file is damaged."""
    try:
        return read_metrics(cell, root)
    except (FileNotFoundError, FileError):
        return None


def failure_of(cell: Cell, root: Path) -> str:
    """Why a cell failed when it was last tried, in one line; "" if it did not."""
    try:
        found = read_json(root / cell.name / FAILED, record({"error": TEXT}))
    except (FileNotFoundError, FileError):
        return ""
    return " ".join(found["error"].split())


def table(
    cells: Sequence[Cell], root: Path, device: str = "auto", machine: dict | None = None
) -> dict:
    """Mean and spread of what is finished.

    device: that the runs were asked to use, for `machine`, if that is not given.

    Returns {format, version, machine, tolerance, rows {label: {seeds, minutes, numbers {name:
    {mean, sd}}}}, missing [names], failed {label and seed: why}}; sd is the sample standard
    deviation, 0 for one seed. A number that not all of the row's seeds have says which have it, as
    its own `seeds`. What failed is missing, too.
    """
    rows: dict[str, dict[str, Any]] = {}
    missing, failed = [], {}
    for label in dict.fromkeys(cell.label for cell in cells):
        found = {}
        for cell in (cell for cell in cells if cell.label == label):
            metrics = metrics_of(cell, root)
            if metrics is None:
                missing.append(cell.name)
                if why := failure_of(cell, root):
                    failed[f"{cell.label}, seed {cell.seed}"] = why
            else:
                found[cell.seed] = metrics
        if found:
            rows[label] = _row(found)
    return {
        "format": FORMAT,
        "version": __version__,
        "machine": dict(machine) if machine else bench.machine(pick_device(device)),
        "tolerance": TOLERANCE,
        "rows": rows,
        "missing": missing,
        "failed": failed,
    }


def _row(found: dict[int, dict]) -> dict[str, Any]:
    numbers: dict[str, dict[str, Any]] = {}
    for name, path in NUMBERS.items():
        known = {seed: _at(metrics, path) for seed, metrics in sorted(found.items())}
        values = {seed: v for seed, v in known.items() if v is not None}
        if values:
            spread = stdev(values.values()) if len(values) > 1 else 0.0
            numbers[name] = {"mean": round(mean(values.values()), 4), "sd": round(spread, 4)}
            if len(values) < len(found):
                numbers[name]["seeds"] = list(values)
    minutes = sum(metrics.get("sweep_seconds", 0.0) for metrics in found.values()) / 60
    return {"seeds": sorted(found), "minutes": round(minutes, 1), "numbers": numbers}


def _at(metrics: Any, path: tuple[str, ...]) -> float | None:
    for key in path:
        metrics = metrics.get(key) if isinstance(metrics, dict) else None
    return None if metrics is None else float(metrics)


def markdown(made: dict, columns: Sequence[str] = ()) -> str:
    """A table of `table` as Markdown; columns: names of `NUMBERS`, all that occur if empty.

    A run that failed has a row of its own, which says why.
    """
    for name in columns:
        if name not in NUMBERS:
            raise ValueError(close_match("column", name, NUMBERS))
    rows = made["rows"]
    shown = [c for c in (columns or NUMBERS) if any(c in row["numbers"] for row in rows.values())]
    lines = [
        "| " + " | ".join(["run", *shown, "seeds", "minutes"]) + " |",
        "|" + " --- |" * (len(shown) + 3),
    ]
    for label, row in rows.items():
        told = [_cell(row["numbers"].get(column), row["seeds"]) for column in shown]
        lines.append(
            f"| {label} | " + " | ".join(told) + f" | {len(row['seeds'])} | {row['minutes']} |"
        )
    for name, why in made.get("failed", {}).items():
        told = [name, f"failed: {why.replace('|', '/')}", *"-" * (len(shown) + 1)]
        lines.append("| " + " | ".join(told) + " |")
    return "\n".join(lines) + "\n"


def _cell(number: dict | None, seeds: Sequence[int]) -> str:
    if number is None:
        return "-"
    count = len(number.get("seeds", seeds))
    digits = 1 if abs(number["mean"]) >= 5 else 3
    text = f"{number['mean']:.{digits}f}"
    return text if count < 2 else f"{text} ± {number['sd']:.{digits}f}"


def least_difference(
    name: str, value: float, allowed: Mapping[str, float] = MappingProxyType(TOLERANCE)
) -> float:
    """How far another mean of this number may lie, whatever the spread, for several seeds."""
    if name == "PSNR":
        return allowed["least, dB"]
    if name == "causes per set node":
        return allowed["least, count"] * abs(value)
    return allowed["least"]


def differences(made: dict, expected: dict) -> list[str]:
    """What of a table lies outside what was measured before; empty if nothing does.

    expected: of `table`, such as `figures/expected.json` holds per grid; by how much a mean may
    differ is its `tolerance`, see `TOLERANCE`.
    Rows and numbers that one of the two does not have are not compared.
    """
    allowed = {**TOLERANCE, **expected.get("tolerance", {})}
    found = []
    for label, row in made["rows"].items():
        known = expected["rows"].get(label, {})
        for name, number in row["numbers"].items():
            wanted = known.get("numbers", {}).get(name)
            if wanted is None:
                continue
            single = len(wanted.get("seeds", known.get("seeds", ()))) == 1
            least = least_difference(name, wanted["mean"], allowed)
            least *= allowed["one seed"] if single else 1.0
            room = max(allowed["standard deviations"] * wanted["sd"], least)
            if not math.isclose(number["mean"], wanted["mean"], abs_tol=room, rel_tol=0.0):
                found.append(
                    f"{label}: {name} {number['mean']:.4g}, expected {wanted['mean']:.4g} "
                    f"within {room:.2g}"
                )
    return found


def read_expected(path: str | Path) -> dict:
    """{grid: table} of `expected.json`; empty where there is none yet.

    Raises FileError for a damaged file.
    """
    try:
        return read_json(path, EXPECTED)
    except FileNotFoundError:
        return {}


def expected_of(grid: str, path: str | Path) -> dict:
    """What `expected.json` holds of a grid. Raises ValueError if that is nothing."""
    known = read_expected(path)
    if grid not in known:
        raise ValueError(f"{path} holds nothing of the grid {grid!r}, only {', '.join(known)}")
    return known[grid]


def demand(made: dict, expected: dict) -> int:
    """How many numbers of a table were compared with what is expected, and found within it.

    Raises RuntimeError, with every difference, if one lies outside, or if there is none to compare.
    """
    if outside := differences(made, expected):
        raise RuntimeError("outside what is expected: " + "; ".join(outside))
    rows, known = made["rows"], expected["rows"]
    shared = [rows[x]["numbers"].keys() & known[x]["numbers"].keys() for x in rows if x in known]
    if not (compared := sum(map(len, shared))):
        raise RuntimeError(f"nothing to compare: expected some of the rows {', '.join(known)}")
    return compared
