"""What finished sweeps say: which rows are there, how one compares, what moves with a setting.

`sweeps` makes runs and `tables` sums them up; what is here is what a reader of the tables asks
next. The notebooks 92 to 94 are written with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any, cast

import numpy as np

from cvq_tutorial.common.checks import close_match
from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.common.json_files import FileError
from cvq_tutorial.experiments import sweeps, tables
from cvq_tutorial.experiments.grids import GRIDS, Cell
from cvq_tutorial.graphs.scores import graph_recovery
from cvq_tutorial.training import recipes
from cvq_tutorial.worlds.codes import CodesWorld

EXPECTED = PROJECT_ROOT / "figures" / "expected.json"

SCHEDULE = {"autoencoder_steps", "transition_steps", "transition_batch"}  # how long, not of what

Rows = Mapping[str, Mapping[str, Any]]  # label -> row, as in `tables.table`
Number = dict[str, Any]  # {"mean", "sd", "seeds"}


def gather(
    runs: str | Path = "", expected: str | Path = EXPECTED
) -> tuple[dict[str, dict], list[str]]:
    """The tables of all grids that were run, and one line per grid that says what is missing.

    runs: folder of finished sweeps; empty takes the tables of `expected`, the shipped ones.
    A run that does not belong to its cell (another version, other settings, a damaged file) is left
    out and named, as are runs that failed and seeds that were not run. Returns {grid: table} in the
    order of `GRIDS`, without grids that have no row.
    Raises FileNotFoundError if `runs` is no folder, ValueError if `expected` is damaged.
    """
    if str(runs) and not Path(runs).is_dir():
        raise FileNotFoundError(f"no folder of sweeps at {runs}")
    shipped = {} if str(runs) else tables.read_expected(expected)
    found, notes = {}, []
    for grid, cells in GRIDS.items():
        labels = list(dict.fromkeys(cell.label for cell in cells))
        if str(runs):
            good, refused = sweeps.usable(cells, Path(runs) / grid)
            notes += refused
            made = tables.table(good, Path(runs) / grid)
            notes += damaged(good, Path(runs) / grid)
            notes += [f"{grid}: failed: {name}: {why}" for name, why in made["failed"].items()]
        else:
            made = shipped.get(grid, {"rows": {}})
        absent = [label for label in labels if label not in made["rows"]]
        if made["rows"]:
            found[grid] = made
        if len(absent) == len(labels):
            notes.append(f"{grid}: not run (cvq reproduce --grid {grid})")
        elif absent:
            notes.append(
                f"{grid}: {len(labels) - len(absent)} of {len(labels)} rows; not run: "
                f"{', '.join(absent)}"
            )
        else:
            notes.append(f"{grid}: all {len(labels)} rows")
        notes += _fewer_seeds(grid, made["rows"])
    return found, notes


def damaged(cells: Sequence[Cell], root: Path) -> list[str]:
    """A line for each run whose numbers are there and cannot be read."""
    told = []
    for cell in cells:
        try:
            tables.read_metrics(cell, root)
        except FileNotFoundError:
            continue
        except FileError as error:
            told.append(f"{root.name}: left out: {error}")
    return told


def _fewer_seeds(grid: str, rows: Rows) -> list[str]:
    """One line that says which rows have not all the seeds of the grid, if any."""
    seeds = sorted({cell.seed for cell in GRIDS[grid]})
    few = [label for label, row in rows.items() if sorted(row["seeds"]) != seeds]
    told = ", ".join(f"{_quoted(x)} ({' '.join(map(str, rows[x]['seeds']))})" for x in few)
    return [f"{grid}: not all of the seeds {' '.join(map(str, seeds))}: {told}"] if few else []


def run_some(
    grid: str,
    runs: str | Path,
    recipe: str = "lesson",
    *,
    only: str | Sequence[str] = (),
    seeds: Sequence[int] = (),
    device: str = "auto",
    say: Callable[[str], object] = print,
) -> tuple[dict, Path]:
    """Run some cells of a grid, or go on with them, with the recipe of the grid or a smaller one.

    only: a cell is run if its label contains it, or one of them; all if empty.  seeds: of the grid.
    With the recipe `lesson` this is `sweeps.sweep`, in the same folder, runs/<grid>: it goes on
    with what the command line began. With another recipe the cells keep their names, worlds and
    switches but not sizes that were chosen for `lesson`, and lie in runs/<grid>-<recipe>/sweep.
    Returns the table of these cells, and the folder of their run folders.
    Raises as `sweeps.sweep`.
    """
    only = [only] if isinstance(only, str) else only
    parts = [sweeps.cells_of(grid, seeds, part) for part in (only or [""])]
    chosen = list(dict.fromkeys(cell.name for part in parts for cell in part))
    cells = [cell for cell in GRIDS[grid] if cell.name in chosen]
    if recipe == "lesson":
        for part in only or [""]:
            sweeps.sweep(grid, runs, seeds=seeds, only=part, device=device, say=say)
        return tables.table(cells, Path(runs) / grid, device), Path(runs) / grid
    folder = Path(runs) / f"{grid}-{recipe}"
    small = [_resized(cell, recipe, GRIDS[grid]) for cell in cells]
    return sweeps.sweep(small, folder, device=device, say=say), folder / "sweep"


def _resized(cell: Cell, recipe: str, cells: Sequence[Cell]) -> Cell:
    """The cell without the sizes that were chosen for `lesson`: what no row of them differs in."""
    kept = cell.overrides
    if "transition_steps" in kept:
        chosen = [c.overrides for c in cells if "transition_steps" in c.overrides]
        sizes = {k for k, v in kept.items() if all(o.get(k) == v for o in chosen)} | SCHEDULE
        kept = {k: v for k, v in kept.items() if k not in sizes}
    return replace(cell, recipe=recipe, overrides=kept)


def starting(rows: Rows, prefix: str) -> dict[str, Mapping[str, Any]]:
    """The rows whose label begins so, under the rest of their label."""
    return {
        label.removeprefix(prefix): row for label, row in rows.items() if label.startswith(prefix)
    }


def number(rows: Rows, label: str, column: str) -> Number | None:
    """{mean, sd, seeds} of a row and a column; None if it was not measured."""
    row = rows.get(label)
    found = row["numbers"].get(column) if row else None
    return None if row is None or found is None else {"seeds": row["seeds"], **found}


def told(value: Number | None) -> str:
    """A number as it is printed: with its spread if it is one of several seeds."""
    if value is None:
        return "not measured"
    if len(value["seeds"]) < 2:
        return f"{value['mean']:.3f} (one seed)"
    return f"{value['mean']:.3f} ± {value['sd']:.3f} ({len(value['seeds'])} seeds)"


def verdict(rows: Rows, label: str, rivals: Sequence[str], column: str) -> str:
    """One row against the best of others, as a sentence: ahead, level or behind.

    Level means that the means differ by no more than the larger of both spreads, and than 0.01 (0.3
    dB, 5 % of a number of causes), five times that where one is of one seed: `tables.TOLERANCE`.
    """
    ours = number(rows, label, column)
    known = {name: number(rows, name, column) for name in rivals}
    measured = {name: value for name, value in known.items() if value is not None}
    if ours is None or not measured:
        return f"{column}: {label} {told(ours)}, nothing to compare with"
    best = max(measured, key=lambda name: measured[name]["mean"])
    other = measured[best]
    gap = ours["mean"] - other["mean"]
    word = "level" if abs(gap) <= _room(column, ours, other) else "ahead" if gap > 0 else "behind"
    return (
        f"{column}: {label} {told(ours)}, best of {len(measured)} others: {best} {told(other)}: "
        f"{word} ({gap:+.3f})"
    )


def _room(column: str, one: Number, other: Number) -> float:
    """How far two means may lie apart and still be level."""
    single = min(len(one["seeds"]), len(other["seeds"])) < 2
    least = tables.least_difference(column, one["mean"])
    least *= tables.TOLERANCE["one seed"] if single else 1.0
    return max(least, one["sd"], other["sd"]) + 1e-9


def costs(rows: Rows, reference: str, column: str) -> str:
    """How much each other row differs from a reference row, as a sentence, largest first.

    Not beyond the spread means what `verdict` calls level.
    """
    base = number(rows, reference, column)
    if base is None:
        return f"{column}: {reference} was not measured"
    apart, level = {}, []
    for label in rows:
        value = number(rows, label, column)
        if label == reference or value is None:
            continue
        gap = value["mean"] - base["mean"]
        if abs(gap) > _room(column, base, value):
            apart[label] = gap
        else:
            level.append(label)
    largest = sorted(apart, key=lambda label: -abs(apart[label]))
    moved = ", ".join(f"{_quoted(label)} {apart[label]:+.3f}" for label in largest) or "none"
    rest = ", ".join(map(_quoted, level)) or "none"
    return f"{column}, {reference} {told(base)}: differs: {moved}; not beyond the spread: {rest}"


def compared(made: Mapping[str, Any], expected: Mapping[str, Any], recipe: str = "lesson") -> str:
    """A table that was made here beside the expected one, as lines: what lies outside, if anything.

    recipe: of what was made; only runs of the recipe `lesson` are expected to be alike.
    """
    if recipe != "lesson":
        return f"recipe {recipe}: not compared with the runs of the recipe lesson"
    outside = tables.differences(dict(made), dict(expected))
    head = f"{len(made['rows'])} rows run here, {len(outside)} numbers outside what is expected"
    return "\n  ".join([head, *outside])


def _quoted(label: str) -> str:
    return f'"{label}"' if "," in label else label


# One setting of the world `codes` at a time ------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """What makes one world of codes, and its data, harder than another."""

    variables: int
    parents: int
    noise: float
    transitions: int

    @classmethod
    def of(cls, cell: Cell) -> Setting:
        """The settings of a cell: of its world, and of its recipe."""
        world = _world(cell)
        recipe = recipes.get(cell.recipe, "codes", **cell.overrides)
        return cls(world.n_variables, world.max_parents, world.noise, recipe.transitions)


def _world(cell: Cell) -> CodesWorld:
    return CodesWorld(**cast(dict[str, Any], dict(cell.world_options)))


def along(
    setting: str, cells: Sequence[Cell], rows: Rows, column: str
) -> dict[str, dict[float, Number]]:
    """How a number moves with one setting while the others are the usual ones.

    setting: a field of `Setting`.  cells: of the sweep.  rows: what was measured of them.
    Usual is what the recipe and the world have without options; of transitions, at least so many.
    Returns {who: {value: number}}, values growing; who is "learned graph" or the baseline's name.
    """
    names = list(asdict(Setting(0, 0, 0.0, 0)))
    if setting not in names:
        raise ValueError(close_match("setting", setting, names))
    found: dict[str, dict[float, Number]] = {}
    for cell in {cell.label: cell for cell in reversed(cells)}.values():
        value = number(rows, cell.label, column)
        if value is not None and _usual_but_for(setting, cell):
            who = cell.baseline or "learned graph"
            found.setdefault(who, {})[getattr(Setting.of(cell), setting)] = value
    return {who: dict(sorted(found[who].items())) for who in sorted(found, reverse=True)}


def _usual_but_for(setting: str, cell: Cell) -> bool:
    here, usual = Setting.of(cell), Setting.of(Cell("", "codes", cell.recipe))
    enough = setting == "transitions" or here.transitions >= usual.transitions
    others = [name for name in ("variables", "parents", "noise") if name != setting]
    return enough and all(getattr(here, name) == getattr(usual, name) for name in others)


def every_edge(setting: str, cells: Sequence[Cell]) -> dict[float, Number]:
    """A control without learning: the edge F1 of saying "every edge", per value of a setting.

    Computed from the worlds of the cells, over the seeds that they have.
    """
    scores: dict[float, dict[int, float]] = {}
    for cell in cells:
        if _usual_but_for(setting, cell):
            world = _world(cell)
            score = graph_recovery(np.ones(world.graph.shape), world.graph, world.targets)
            value = getattr(Setting.of(cell), setting)
            scores.setdefault(value, {})[cell.seed] = float(score["edge_f1"])
    return {
        value: {
            "mean": mean(found.values()),
            "sd": stdev(found.values()) if len(found) > 1 else 0.0,
            "seeds": sorted(found),
        }
        for value, found in sorted(scores.items())
    }
