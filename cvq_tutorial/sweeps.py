"""Sweeps: many runs from one command, resumed where it stopped, summed up in one table.

`sweep("ablations", "runs")` goes through the cells of a grid (see `grids`). Each has its own
folder, runs/ablations/<cell>/, with `cell.json` (what was asked), the run's files and
`metrics.json`. A cell with its metrics is finished and is skipped; one that was stopped goes on
where it was; a folder that holds something else stops the sweep before any work. One sweep at a
time works in a folder. After each cell the table (mean and spread over seeds) is written again, so
nothing finished is lost.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from cvq_tutorial import __version__, bench, recipes
from cvq_tutorial.evaluate import evaluate
from cvq_tutorial.grids import GRIDS, Cell
from cvq_tutorial.loop import pick_device
from cvq_tutorial.paths import close_match, write_atomic
from cvq_tutorial.reproduce import prepare_folder
from cvq_tutorial.train import train
from cvq_tutorial.worlds import make_world, world_names

FORMAT = 1
# name in the table -> where it stands in metrics.json
NUMBERS = {
    "action accuracy": ("retrieval", "macro_action_accuracy"),
    "plain action accuracy": ("retrieval", "action_accuracy"),
    "action accuracy, visible": ("retrieval", "visible", "macro_action_accuracy"),
    "factor accuracy": ("retrieval", "macro_factor_accuracy"),
    "chance": ("retrieval", "chance", "action"),
    "PSNR": ("reconstruction", "psnr"),
    "recovered": ("intervention", "recovered"),
    "target reached": ("intervention", "target_reached"),
    "others kept": ("intervention", "others_kept"),
    "mask F1": ("mask", "f1"),
    "edge F1": ("graph", "edge_f1"),
    "edge AUROC": ("graph", "edge_auroc"),
    "causes per set node": ("graph", "edges_per_set_node"),
}


def cells_of(grid: str, seeds: Sequence[int] = (), only: str = "") -> list[Cell]:
    """The cells of a grid, or those of some seeds, or whose label contains `only`.

    Raises ValueError for an unknown grid (close names are given) or if nothing is left.
    """
    if grid not in GRIDS:
        raise ValueError(close_match("grid", grid, GRIDS))
    found = [c for c in GRIDS[grid] if (not seeds or c.seed in seeds) and only in c.label]
    if not found:
        raise ValueError(f"grid {grid!r} has no cell with {only!r} in its label and seeds {seeds}")
    return found


def sweep(
    grid: str | Sequence[Cell],
    runs: str | Path = "runs",
    *,
    seeds: Sequence[int] = (),
    only: str = "",
    device: str = "auto",
    say: Callable[[str], object] = print,
) -> dict:
    """Run what is not finished, and return the table as `table` gives it.

    grid: a name of `GRIDS`, or cells of one's own (then the folder is runs/sweep).
    seeds, only: see `cells_of`.  say: is given one line per cell.
    Raises ValueError before any work for an unknown name, a setting that does not exist, or a
    folder that holds another run; OSError if another sweep works there. Ctrl-C leaves a state that
    the same call goes on from.
    """
    named = isinstance(grid, str)
    cells = cells_of(grid, seeds, only) if isinstance(grid, str) else list(grid)
    root = Path(runs) / (str(grid) if named else "sweep")
    pick_device(device)
    for cell in cells:
        check(cell, root)
    with _alone(prepare_folder(root)):
        left = [cell for cell in cells if metrics_of(cell, root) is None]
        say(f"{len(cells)} runs, {len(cells) - len(left)} finished before")
        for number, cell in enumerate(left, 1):
            say(f"[{number}/{len(left)}] {cell.label}, seed {cell.seed} -> {root / cell.name}")
            _run(cell, root, device)
            made = table(cells, root)
            write_atomic(root / "table.json", (json.dumps(made, indent=1) + "\n").encode())
        made = table(cells, root)
        write_atomic(root / "table.json", (json.dumps(made, indent=1) + "\n").encode())
    return made


# One cell ----------------------------------------------------------------------------------------


def _told(cell: Cell) -> dict:
    settings = recipes.get(cell.recipe, cell.world, **cell.overrides)
    return json.loads(
        json.dumps({"format": FORMAT, "cell": asdict(cell), "settings": settings.to_json()})
    )


def check(cell: Cell, root: Path) -> None:
    """Raise ValueError if a cell cannot be run, or its folder holds a run of something else."""
    if cell.world not in world_names():
        raise ValueError(close_match("world", cell.world, world_names()))
    wanted, path = _told(cell), root / cell.name / "cell.json"
    if not path.exists():
        return
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); remove {path.parent}") from None
    if found.get("format") != FORMAT:
        raise ValueError(
            f"{path}: expected format {FORMAT}, found {found.get('format')!r}: the run is of "
            f"another version; remove {path.parent} or choose another folder"
        )
    for part in ("cell", "settings"):
        for key, value in wanted[part].items():
            if found[part].get(key) != value:
                raise ValueError(
                    f"{path.parent} holds another run: expected {key} {value!r}, found "
                    f"{found[part].get(key)!r}; remove it or choose another folder"
                )


def metrics_of(cell: Cell, root: Path) -> dict | None:
    """The metrics of a finished cell; None if it is not finished or its file is half-written."""
    try:
        return json.loads((root / cell.name / "metrics.json").read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _run(cell: Cell, root: Path, device: str) -> None:
    folder = root / cell.name
    write_atomic(folder / "cell.json", (json.dumps(_told(cell), indent=1) + "\n").encode())
    world = make_world(cell.world, **cell.world_options)
    recipe = recipes.get(cell.recipe, cell.world, **cell.overrides)
    began = time.perf_counter()
    if cell.baseline == "independence":
        from cvq_tutorial.independence import evaluate_independence

        found = evaluate_independence(world, recipe, cell.seed)
    elif cell.baseline:
        from cvq_tutorial.baselines import evaluate_baseline

        found = evaluate_baseline(cell.baseline, world, recipe, cell.seed, folder, device=device)
    else:
        shared = _named(cell.autoencoder, cell.seed, root) if cell.autoencoder else None
        model = train(world, recipe, cell.seed, folder, device=device, autoencoder=shared)
        found = evaluate(model, world, recipe, cell.seed)
    found["sweep_seconds"] = round(time.perf_counter() - began, 1)
    text = json.dumps(found, indent=1, allow_nan=False) + "\n"
    write_atomic(folder / "metrics.json", text.encode())


def _named(label: str, seed: int, root: Path) -> Path | None:
    """Folder of the cell whose autoencoder is shared; None if it was not run."""
    folder = root / Cell(label, "", seed=seed).name
    return folder if (folder / "model.json").is_file() else None


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the folder while a sweep works in it. Raises OSError if a living process holds it."""
    path = root / ".sweep"
    while True:
        try:
            with path.open("x") as file:
                file.write(str(os.getpid()))
            break
        except FileExistsError:
            holder = path.read_text().strip()
            if holder.isdigit() and _lives(int(holder)):
                raise OSError(
                    f"another sweep (process {holder}) works in {root}; wait for it, or remove "
                    f"{path} if it is not one"
                ) from None
            path.unlink(missing_ok=True)  # left by a sweep that was killed
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


# Tables ------------------------------------------------------------------------------------------


def table(cells: Sequence[Cell], root: Path) -> dict:
    """Mean and spread of what is finished.

    Returns {format, version, machine, rows {label: {seeds, minutes, numbers {name: {mean, sd}}}},
    missing [names]}; sd is the sample standard deviation, 0 for one seed.
    """
    rows: dict[str, dict[str, Any]] = {}
    missing = []
    for label in dict.fromkeys(cell.label for cell in cells):
        found = {}
        for cell in (cell for cell in cells if cell.label == label):
            metrics = metrics_of(cell, root)
            if metrics is None:
                missing.append(cell.name)
            else:
                found[cell.seed] = metrics
        if found:
            rows[label] = _row(found)
    return {
        "format": FORMAT,
        "version": __version__,
        "machine": bench.machine(pick_device()),
        "rows": rows,
        "missing": missing,
    }


def _row(found: dict[int, dict]) -> dict[str, Any]:
    numbers = {}
    for name, path in NUMBERS.items():
        values = [v for v in (_at(metrics, path) for metrics in found.values()) if v is not None]
        if values:
            spread = stdev(values) if len(values) > 1 else 0.0
            numbers[name] = {"mean": round(mean(values), 4), "sd": round(spread, 4)}
    minutes = sum(metrics.get("sweep_seconds", 0.0) for metrics in found.values()) / 60
    return {"seeds": sorted(found), "minutes": round(minutes, 1), "numbers": numbers}


def _at(metrics: Any, path: tuple[str, ...]) -> float | None:
    for key in path:
        metrics = metrics.get(key) if isinstance(metrics, dict) else None
    return float(metrics) if isinstance(metrics, (int, float)) else None


def markdown(made: dict, columns: Sequence[str] = ()) -> str:
    """A table of `table` as Markdown; columns: names of `NUMBERS`, all that occur if empty."""
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
        told = [_cell(row["numbers"].get(column), len(row["seeds"])) for column in shown]
        lines.append(
            f"| {label} | " + " | ".join(told) + f" | {len(row['seeds'])} | {row['minutes']} |"
        )
    return "\n".join(lines) + "\n"


def _cell(number: dict | None, seeds: int) -> str:
    if number is None:
        return "-"
    digits = 1 if abs(number["mean"]) >= 5 else 3
    text = f"{number['mean']:.{digits}f}"
    return text if seeds < 2 else f"{text} ± {number['sd']:.{digits}f}"


def differences(made: dict, expected: dict, tolerance: float = 3.0) -> list[str]:
    """What of a table lies outside what was measured before; empty if nothing does.

    expected: of `table`, such as `figures/expected.json` holds per grid. A mean may differ by
    `tolerance` times the expected spread, and by 0.01 (0.3 for a PSNR in dB) whatever the spread.
    Rows and numbers that one of the two does not have are not compared.
    """
    found = []
    for label, row in made["rows"].items():
        for name, number in row["numbers"].items():
            wanted = expected["rows"].get(label, {}).get("numbers", {}).get(name)
            if wanted is None:
                continue
            room = max(tolerance * wanted["sd"], 0.3 if name == "PSNR" else 0.01)
            if not math.isclose(number["mean"], wanted["mean"], abs_tol=room, rel_tol=0.0):
                found.append(
                    f"{label}: {name} {number['mean']:.4g}, expected {wanted['mean']:.4g} "
                    f"within {room:.2g}"
                )
    return found


def read_expected(path: str | Path) -> dict:
    """{grid: table} of `expected.json`; empty where there is none yet.

    Raises ValueError for a damaged file.
    """
    path = Path(path)
    with contextlib.suppress(FileNotFoundError):
        try:
            return json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is damaged: {error}") from None
    return {}


def expected_of(grid: str, path: str | Path) -> dict:
    """What `expected.json` holds of a grid. Raises ValueError if that is nothing."""
    known = read_expected(path)
    if grid not in known:
        raise ValueError(f"{path} holds nothing of the grid {grid!r}, only {', '.join(known)}")
    return known[grid]


def demand(made: dict, expected: dict) -> None:
    """Raise RuntimeError, with every difference, if a table lies outside what is expected."""
    outside = differences(made, expected)
    if outside:
        raise RuntimeError("outside what is expected: " + "; ".join(outside))
