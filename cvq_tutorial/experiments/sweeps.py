"""Sweeps: many runs from one command, resumed where it stopped, summed up in one table.

`sweep("ablations", "runs")` goes through the cells of a grid (see `grids`). Each has its own
folder, runs/ablations/<cell>/, with `cell.json` (what was asked), the run's files and
`metrics.json`. A cell with its metrics is finished and is skipped; one that was stopped goes on
where it was; a folder that holds something else stops the sweep before any work. One sweep at a
time works in a folder; it may run several cells side by side, in as many processes or on a cluster
(see `cluster`), which on a CPU is the better use of the cores: one small model does not keep two of
them busy. The table (see `tables`) is written again on the way and however the sweep ends. A cell
that fails leaves `failed.json`, in which it says why, and the others go on; one whose files are
damaged is named and run again. The same call tries all of these again.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from cvq_tutorial.common import progress
from cvq_tutorial.common.checks import close_match
from cvq_tutorial.common.device import pick_device
from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import prepare_folder
from cvq_tutorial.common.json_files import ANYTHING, FileError, dict_of, read_json, record, to_json
from cvq_tutorial.common.json_files import check as check_json
from cvq_tutorial.experiments import cluster
from cvq_tutorial.experiments.grids import GRIDS, Cell
from cvq_tutorial.experiments.tables import FAILED, metrics_of, table
from cvq_tutorial.experiments.where import Where
from cvq_tutorial.measure.evaluate import evaluate
from cvq_tutorial.training import checkpoints, recipes
from cvq_tutorial.training.data import check_data
from cvq_tutorial.training.identity import first_difference
from cvq_tutorial.training.run import STATE
from cvq_tutorial.training.train import train
from cvq_tutorial.worlds.make import make_world, world_names
from cvq_tutorial.worlds.world import World

FORMAT = 1
TABLE_SHARE = 0.05  # of the time of a sweep that may go into its table
RUN_FILES = ("metrics.json", "model.json", STATE)


def cells_of(grid: str | Sequence[Cell], seeds: Sequence[int] = (), only: str = "") -> list[Cell]:
    """The cells of a grid, or those of some seeds, or whose label contains `only`.

    grid: a name of `GRIDS`, or cells of one's own.
    Raises ValueError for an unknown grid (close names are given), a seed that no cell has, or if
    nothing is left.
    """
    if isinstance(grid, str) and grid not in GRIDS:
        raise ValueError(close_match("grid", grid, GRIDS))
    name = f"grid {grid!r}" if isinstance(grid, str) else "the sweep"
    cells = GRIDS[grid] if isinstance(grid, str) else list(grid)
    known = sorted({cell.seed for cell in cells})
    if absent := [seed for seed in seeds if seed not in known]:
        raise ValueError(f"{name} has the seeds {known}, found {absent}")
    found = [c for c in cells if (not seeds or c.seed in seeds) and only in c.label]
    if cells and not found:
        raise ValueError(f"{name} has no cell with {only!r} in its label")
    return found


def sweep(
    grid: str | Sequence[Cell],
    runs: str | Path = "runs",
    *,
    seeds: Sequence[int] = (),
    only: str = "",
    device: str = "auto",
    workers: int = 1,
    scheduler: str = "",
    gather: bool = False,
    dashboard: bool = False,
    say: Callable[[str], object] = progress.say,
) -> dict:
    """Run what is not finished, and return the table as `tables.table` gives it.

    A cell that fails stops no other: its error is said, in one line, and stands in the table, whose
    `failed` names all that did.

    grid: a name of `GRIDS`, or cells of one's own (then the folder is runs/sweep).
    seeds, only: see `cells_of`.  say: is given one line per cell.
    workers: how many processes run cells side by side, each with its share of the threads. With
        more than one, a script needs the usual `if __name__ == "__main__":`.
    scheduler, gather, dashboard: another cluster of Dask, see `where.Where`.
    Raises ValueError before any work for an unknown name, a setting that does not exist, a folder
    that holds another run, or no worker; OSError if another sweep works there, the data of a
    world are not here, or a cluster cannot do the work. Ctrl-C leaves a state that the same call
    goes on from.
    """
    named = isinstance(grid, str)
    cells = cells_of(grid, seeds, only)
    root = Path(runs) / (str(grid) if named else "sweep")
    where = Where(workers, scheduler, gather, dashboard)
    machine: dict = {}  # of whoever did the runs
    ours = "auto" if scheduler else device  # theirs may not be here
    pick_device(ours)
    _distinct(cells)
    _no_circle(cells)
    again = set()
    for cell in cells:
        try:
            check(cell, root)
        except FileError as error:  # nobody knows what its numbers are of
            say(f"run again: {error}")
            again.add(cell.name)
        if not scheduler and (cell.name in again or metrics_of(cell, root) is None):
            fits(cell)
    whole, own = GRIDS[str(grid)] if named else cells, {cell.name for cell in cells}
    # also what an earlier sweep with other seeds finished
    good = own | {c.name for c in usable([c for c in whole if c.name not in own], root)[0]}
    rest = 0.0  # when the table is to be written again

    def summed_up() -> None:
        nonlocal rest
        began = time.perf_counter()
        made = table([c for c in whole if c.name in good], root, ours, machine)
        made["missing"] = [c.name for c in whole if c.name not in good or c.name in made["missing"]]
        write_atomic(root / "table.json", to_json(made))
        rest = time.perf_counter() + (time.perf_counter() - began) / TABLE_SHARE

    with _alone(prepare_folder(root)):
        for cell in cells:
            if cell.name in again:
                (root / cell.name / "metrics.json").unlink(missing_ok=True)
                write_atomic(root / cell.name / "cell.json", to_json(_told(cell)))
        left = [cell for cell in cells if metrics_of(cell, root) is None]
        say(f"{len(cells)} runs, {len(cells) - len(left)} finished before")
        numbers = iter(range(1, len(left) + 1))

        def started(cell: Cell) -> None:
            told = f"{cell.label}, seed {cell.seed} -> {root / cell.name}"
            say(f"[{next(numbers)}/{len(left)}] {told}")
            (root / cell.name / FAILED).unlink(missing_ok=True)

        def finished(cell: Cell, why: str, ran_on: dict | None = None) -> None:
            machine.update(ran_on or {})
            if why:
                say(f"failed: {cell.label}, seed {cell.seed}: {why}")
                with suppress(OSError):  # a full disk is why it failed
                    write_atomic(root / cell.name / FAILED, to_json({"error": why}))
            if time.perf_counter() >= rest:
                summed_up()

        try:
            if left and where.on_dask:
                cluster.run(left, root, device, where, started, finished, say)
            else:
                for cell in left:
                    started(cell)
                    finished(cell, tried(cell, root, device))
        finally:
            summed_up()
        made = table(cells, root, ours, machine)
    if failed := made["failed"]:
        say(f"{len(failed)} of {len(cells)} runs failed: {'; '.join(failed)}")
    return made


# One cell ----------------------------------------------------------------------------------------


def _recipe(cell: Cell) -> recipes.Recipe:
    return recipes.get(cell.recipe, cell.world, **cell.overrides)


def _told(cell: Cell) -> dict:
    settings = _recipe(cell).to_json()
    return json.loads(json.dumps({"format": FORMAT, "cell": asdict(cell), "settings": settings}))


def _distinct(cells: Sequence[Cell]) -> None:
    """Raise ValueError if two cells would work in one folder."""
    names: dict[str, Cell] = {}
    for cell in cells:
        other = names.setdefault(cell.name, cell)
        if other is not cell:
            raise ValueError(
                f"{other.label!r} and {cell.label!r}, seed {cell.seed}, would share the folder "
                f"{cell.name}: expected labels that differ in letters or digits"
            )


def _no_circle(cells: Sequence[Cell]) -> None:
    """Raise ValueError if cells wait for each other's autoencoder, or one for its own."""
    waits = {(cell.label, cell.seed): (cell.autoencoder, cell.seed) for cell in cells}
    for cell in cells:
        at, seen = waits[cell.label, cell.seed], {(cell.label, cell.seed)}
        while at in waits:
            if at in seen:
                raise ValueError(
                    f"{cell.label!r} takes over an autoencoder that waits for itself: "
                    f"{' <- '.join(repr(label) for label, _ in sorted(seen))}"
                )
            seen.add(at)
            at = waits[at]


def fits(cell: Cell) -> None:
    """Raise ValueError if a cell's world is none that its baseline is for, or has too few data.

    Raises OSError if its data are not on this machine.
    """
    world = make_world(cell.world, **cell.world_options)
    if cell.baseline and world.has_images == (cell.baseline == "independence"):
        wanted = "without" if world.has_images else "with"
        raise ValueError(
            f"{cell.label!r}: {cell.baseline} needs a world {wanted} images, found {cell.world!r}"
        )
    check_data(world, _recipe(cell))


def usable(cells: Sequence[Cell], root: Path) -> tuple[list[Cell], list[str]]:
    """The cells whose folders hold nothing else than theirs, and for each other a line why not."""
    good, refused = [], []
    for cell in cells:
        try:
            check(cell, root)
            good.append(cell)
        except (ValueError, OSError) as error:
            refused.append(f"{root.name}: left out: {error}")
    return good, refused


def check(cell: Cell, root: Path) -> None:
    """Raise ValueError if a cell cannot be run, or its folder holds a run of something else.

    FileError: its `cell.json` is damaged, so that nobody knows of what the run is.
    """
    from cvq_tutorial.baselines.table import full_name

    if cell.world not in world_names():
        raise ValueError(close_match("world", cell.world, world_names()))
    if cell.baseline not in ("", "independence"):
        full_name(cell.baseline)
    wanted, path = _told(cell), root / cell.name / "cell.json"
    if not path.exists():
        if left := [name for name in RUN_FILES if (path.parent / name).exists()]:
            raise ValueError(
                f"{path.parent} was not made by a sweep: expected cell.json beside {left[0]}; "
                "remove it or choose another folder"
            )
        return
    found = read_json(path, record({"format": ANYTHING}))
    if found["format"] != FORMAT:
        raise ValueError(
            f"{path}: expected format {FORMAT}, found {found['format']!r:.60}: the run is of "
            f"another version; remove {path.parent} or choose another folder"
        )
    check_json(found, path, record({"cell": dict_of(ANYTHING), "settings": dict_of(ANYTHING)}))
    for part, old in (("cell", found["cell"]), ("settings", recipes.grown(found["settings"]))):
        if told := first_difference(wanted[part], old, "recipe"):
            raise ValueError(
                f"{path.parent} holds another run: {told}; remove it or choose another folder"
            )


def tried(cell: Cell, root: Path, device: str, threads: int = 0) -> str:
    """Run a cell, with so many threads if it is said; "" if done, else why not, in one line."""
    try:
        if threads:
            torch.set_num_threads(threads)
        if metrics_of(cell, root) is None:  # else a worker was killed before it could say so
            _run(cell, root, device)
    except Exception as error:  # whatever it is, the other cells have nothing to do with it
        if os.environ.get("CVQ_TRACEBACK"):
            traceback.print_exc()
        return " ".join(f"{type(error).__name__}: {error}".split())[:500]
    return ""


def _run(cell: Cell, root: Path, device: str) -> None:
    folder = root / cell.name
    if not (folder / "cell.json").exists():  # its time is when the run began
        write_atomic(folder / "cell.json", to_json(_told(cell)))
    world = make_world(cell.world, **cell.world_options)
    recipe = _recipe(cell)
    shared = _named(cell.autoencoder, cell.seed, root) if cell.autoencoder else None
    began = time.perf_counter()
    with torch.random.fork_rng():  # the published sampling in evaluation, too, is to be repeatable
        torch.manual_seed(cell.seed)
        found = _measured(cell, world, recipe, folder, device, shared)
    spent = found["seconds"]["total"]  # also before it was stopped and gone on with
    if shared:
        spent -= found["seconds"].get("autoencoder", 0.0)
    found["sweep_seconds"] = round(max(time.perf_counter() - began, spent), 1)
    write_atomic(folder / "metrics.json", to_json(found))


def _measured(
    cell: Cell,
    world: World,
    recipe: recipes.Recipe,
    folder: Path,
    device: str,
    autoencoder: Path | None,
) -> dict:
    """Train what the cell asks for, and measure it."""
    if cell.baseline == "independence":
        from cvq_tutorial.baselines.independence import evaluate_independence

        return evaluate_independence(world, recipe, cell.seed)
    how: dict[str, Any] = {"device": device, "autoencoder": autoencoder}
    if cell.baseline:
        from cvq_tutorial.baselines.table import evaluate_baseline

        return evaluate_baseline(cell.baseline, world, recipe, cell.seed, folder, **how)
    model = train(world, recipe, cell.seed, folder, **how)
    info = checkpoints.read_info(folder)
    spent: dict[str, Any] = {"seconds": info.get("seconds"), "bf16": info.get("bf16")}
    return evaluate(model, world, recipe, cell.seed, **spent)


def _named(label: str, seed: int, root: Path) -> Path | None:
    """Folder of the cell whose autoencoder is shared; None if it was not run."""
    folder = root / Cell(label, "", seed=seed).name
    return folder if (folder / "model.json").is_file() else None


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the folder while a sweep works in it; however that ends, the folder is free again.

    Raises OSError if another process holds it.
    """
    try:
        with FileLock(root / ".sweep", timeout=0):
            yield
    except Timeout:
        raise OSError(f"another sweep works in {root}; wait for it or stop it") from None
