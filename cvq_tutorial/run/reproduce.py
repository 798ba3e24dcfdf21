"""One run from nothing to figures: its folder, the notebook that makes it, what the notebook needs.

    reproduce("shapes3d", "lesson", 0)   runs notebook 91 through papermill, into
                                         runs/shapes3d-lesson-s0/

Everything that can be wrong with a request (a world, a recipe, a setting, a folder that cannot be
written) is found here, before a kernel starts. Training itself saves as it goes: stop a run, ask
for it again, and it goes on.
"""

from __future__ import annotations

import atexit
import contextlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from cvq_tutorial import draw
from cvq_tutorial.common.arrays import EDGE_AT
from cvq_tutorial.common.checks import close_match, whole_number
from cvq_tutorial.common.device import pick_device
from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import PROJECT_ROOT, prepare_folder
from cvq_tutorial.common.json_files import (
    NUMBER,
    literal,
    read_json,
    read_rows,
    record,
    to_json,
)
from cvq_tutorial.common.progress import lines_for_bars, say
from cvq_tutorial.graphs import files as graph_files
from cvq_tutorial.graphs.graph import CausalGraph
from cvq_tutorial.measure.evaluate import check_factors, evaluate
from cvq_tutorial.measure.faithful import faithfulness
from cvq_tutorial.measure.told import told_by
from cvq_tutorial.run import report
from cvq_tutorial.training import checkpoints, recipes
from cvq_tutorial.training.data import check_data, encoded_transitions
from cvq_tutorial.training.identity import first_difference
from cvq_tutorial.training.run import stopped_run
from cvq_tutorial.worlds.make import make_world, recipe_world, world_names

NOTEBOOK = PROJECT_ROOT / "notebooks" / "reproduce" / "91_train_and_evaluate.ipynb"


@dataclass(frozen=True)
class Plan:
    """A run that was checked: what to make and where. `overrides` are those in `recipe` already."""

    world: str
    recipe_name: str
    recipe: recipes.Recipe
    seed: int
    overrides: dict[str, object]
    folder: Path
    options: dict[str, object] = field(default_factory=dict)

    def make_world(self) -> Any:
        """The world itself."""
        return make_world(self.world, **self.options)


def plan(
    world: str,
    recipe: str = "lesson",
    seed: int = 0,
    overrides: Mapping[str, object] | str | None = None,
    runs: str | Path = "runs",
    run_dir: str | Path | None = None,
    options: Mapping[str, object] | None = None,
) -> Plan:
    """Check a request and say where its run lives; starts and writes nothing.

    Args:
        world, recipe: names, see `world_names()` and `recipes.RECIPES`.
        seed: 0 or more.
        overrides: settings of the recipe to change; also as a text that is a dictionary, which is
            what `papermill -p overrides "{'codes': 8}"` hands on.
        runs: folder of the run folders; the run lives in runs/<world>-<recipe>-s<seed>.
        run_dir: the run's folder itself, instead; None or "" is the usual one.
        options: of the world, see `make_world`; where it is given a root, the run's folder is
            called by that, too.

    Raises:
        ValueError, TypeError: an unknown name (the nearest is told), a setting that the recipe
            does not have or of another type, a negative seed.
    """
    if world not in world_names():
        raise ValueError(close_match("world", world, world_names()))
    seed = whole_number("seed", seed, 0)
    if isinstance(overrides, str):
        overrides = literal(overrides) if overrides.strip() else {}
    named = isinstance(overrides, Mapping) and all(isinstance(name, str) for name in overrides)
    if not named and overrides is not None:
        raise ValueError(
            f"overrides: expected settings such as {{'codes': 8}}, found {overrides!r:.100}"
        )
    overrides = dict(overrides or {})
    for name in ("name", "world"):  # arguments of `recipes.get`, not settings of a recipe
        if name in overrides:
            raise ValueError(close_match("recipe setting", name, recipes.SETTINGS))
    options = dict(options or {})
    if options.get("actions") == "none":  # it is not what the world does, but what is told of it
        if (also := overrides.get("actions", "none")) != "none":
            raise ValueError(f"actions: expected one value, found 'none' and {also!r}")
        overrides["actions"] = options.pop("actions")
    changed = recipes.get(recipe, recipe_world(world, options), **overrides)
    name = run_name(world, recipe, options=options)
    folder = Path(run_dir) if run_dir else Path(runs) / f"{name}-s{seed}"
    return Plan(world, recipe, changed, seed, overrides, folder, options)


def named(run: Plan) -> Plan:
    """The plan; ValueError where its actions have no names, which only some commands can do."""
    if run.recipe.actions == "none":
        raise ValueError(
            "actions='none': expected `cvq train` and `cvq evaluate`, found a command that needs "
            "the names of actions"
        )
    return run


def run_name(world: str, *parts: str, options: Mapping[str, object] | None = None) -> str:
    """What a run is called: the world, the folder of its pictures where it was told, and more.

    >>> run_name("pictures", "nano", options={"root": "data/my faces"})
    'pictures-my_faces-nano'
    """
    root = (options or {}).get("root")
    stem = Path(str(root)).stem if root else ""
    place = ["".join(c if c.isalnum() or c in "._" else "_" for c in stem)] if root else []
    return "-".join([world, *place, *parts])


def reproduce(
    world: str = "shapes3d",
    recipe: str = "lesson",
    seed: int = 0,
    overrides: Mapping[str, object] | None = None,
    runs: str | Path = "runs",
    *,
    device: str = "auto",
    progress: TextIO | None = None,
    options: Mapping[str, object] | None = None,
) -> Path:
    """Run the whole method as a notebook and leave its run folder.

    Args:
        world, recipe, seed, overrides, runs, options: see `plan`.
        device: "auto", "cpu", "cuda", "mps" ...
        progress: open text file that is told how far it is, such as `sys.stderr`; None is silence.

    Returns:
        The run folder: notebook.ipynb, metrics.json, model.safetensors, model.json, log.csv,
        figures/*.png.

    Raises:
        ValueError, TypeError: see `plan`; a device that is not here; a folder that holds a run of
            other settings. OSError: see `prepare_folder`. Nothing was started.
        FileNotFoundError: the notebook is not here, because this is no checkout of the project.
        RuntimeError: a cell failed; the notebook with the error is in the run folder.
    """
    from papermill import PapermillExecutionError

    from cvq_tutorial.run.notebooks import run_notebook

    run = named(plan(world, recipe, seed, overrides, runs, options=options))
    if not NOTEBOOK.is_file():
        raise FileNotFoundError(
            f"no notebook at {NOTEBOOK}: run this from a checkout of the project (pip install -e .)"
        )
    pick_device(device)
    _same_recipe(run)
    prepare_folder(run.folder)
    if progress is not None:
        print(f"world {world}, recipe {recipe}, seed {seed} -> {run.folder}", file=progress)
    try:
        # says what is missing, or fills the cache, before a kernel starts
        made = run.make_world()
        check_data(made, run.recipe)
        check_factors(made)
    except (OSError, ValueError):
        with contextlib.suppress(OSError):
            run.folder.rmdir()  # it is empty, if it is new
        raise
    parameters = {
        "world": world,
        "recipe": recipe,
        "seed": seed,
        "device": device,
        "run_dir": str(run.folder),
        "overrides": run.overrides,
        "options": run.options,
    }
    out = run.folder / "notebook.ipynb"
    try:
        with lines_for_bars():
            run_notebook(NOTEBOOK, out, parameters, stdout=progress)
    except PapermillExecutionError as error:
        raise RuntimeError(
            f"cell [{error.exec_count}] failed: {error.ename}: {error.evalue}; see {out}"
        ) from error
    return run.folder


def _same_recipe(run: Plan) -> None:
    """Raise ValueError if the folder holds a run of other settings, finished or stopped."""
    if (run.folder / "model.json").exists():
        found = checkpoints.read_info(run.folder)["recipe"]
    elif (stopped := stopped_run(run.folder)) is not None:
        found = stopped["recipe"]
    else:
        return
    if told := first_difference(run.recipe.to_json(), recipes.grown(found)):
        raise ValueError(
            f"{run.folder} holds a run of other settings: {told}; give another --runs folder or "
            "remove this one"
        )


def open_folder(run_dir: str | Path | None) -> Path:
    """The folder `run_dir`; for None or "" a temporary one, which goes away with this process."""
    if run_dir is not None and str(run_dir):
        return prepare_folder(run_dir)
    folder = tempfile.mkdtemp(prefix="cvq-run-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


# What a run left --------------------------------------------------------------------------------


def evaluate_run(
    folder: str | Path, *, device: str = "auto", progress: bool = True, root: str | None = None
) -> dict:
    """Evaluate the trained model of a run folder and write its metrics.json.

    root: where a folder of pictures is now, if it was moved.

    Raises ValueError (a CheckpointError) if there is no usable model, OSError if nothing can be
    written.
    """
    model, world, info = checkpoints.load_run(folder, device=pick_device(device), root=root)
    recipe = recipes.Recipe(**info["recipe"])
    how = {"seconds": info.get("seconds", {}), "bf16": info.get("bf16"), "progress": progress}
    check_factors(world)
    say("measuring on the test split", progress)
    found = evaluate(model, world, recipe, info["seed"], **how)
    path = Path(folder) / "metrics.json"
    with contextlib.suppress(OSError, ValueError):  # what a sweep measured of its run stays
        before = read_json(path, record(sweep_seconds=NUMBER))
        found |= {key: before[key] for key in ("sweep_seconds",) if key in before}
    write_atomic(path, to_json(found))
    return found


def export_graph(
    folder: str | Path,
    action: int | str,
    form: str = "csv",
    *,
    n: int = 64,
    threshold: float = EDGE_AT,
    top_k: int | None = None,
    used: bool = False,
    told: float | None = None,
    view: str = "matrix",
    root: str | None = None,
) -> bytes:
    """The graph of an action, averaged over n inputs of the test split, as a file's content.

    Args:
        folder: of a trained run.
        action: number or name.
        form: one of `graph_files.FORMATS`, or "png" or "svg" for a picture.
        n: how many inputs.
        threshold: an edge is there from it on.
        top_k: at most so many edges, the likeliest.
        used: only edges into nodes that the action sets; a picture shows no others anyway.
        told: not the gates, but what each cause tells about each effect on average over what else
            is known, see `measure.told`: edges worth so many nats, or more. The n inputs are then
            pairs of the action.
        view: of a picture, "matrix" or "layers".
        root: where a folder of pictures is now, if it was moved.
    """
    if told is not None and (top_k or threshold != EDGE_AT):
        raise ValueError(
            "told: expected neither top_k nor a threshold beside it, ask for more nats"
        )
    model, world, info = checkpoints.load_run(folder, root=root)
    if told is not None and not info["recipe"].get("cause_dropout"):
        raise ValueError(
            "told: expected a run that has missed causes while training (--set cause_dropout=0.667 "
            "--set edge_price=0), found cause_dropout 0: its surprise is no worth of a cause"
        )
    if isinstance(action, str) and action.lstrip("-").isdigit():
        action = int(action)
    number = int(model.check_actions(action, 1))
    drawn = n if told is None else n * model.n_actions
    inputs, actions, after = encoded_transitions(world, model, drawn, "test", info["seed"])
    if told is not None:
        rows = (actions == number).nonzero().flatten()[:n]
        inputs, after = inputs[rows], after[rows]
    graph = CausalGraph.of(model, inputs.long(), number).threshold(threshold)
    if told is not None:
        graph = told_by(model, inputs.long(), number, after.long()).graph(graph, told)
    picture = form in ("png", "svg")
    graph = graph.used() if used or picture else graph
    graph = graph.top_k(top_k) if top_k else graph
    if not picture:
        return graph_files.dumps(graph, form)
    title = f"Graph of {graph.action}, mean of {n}"
    if told is not None:
        title = f"What tells {told:g} nats under {graph.action}"
    found = faithfulness(model, inputs.long(), number, graph=graph)
    if view == "layers":
        figure = draw.graph_layers(graph, threshold=threshold, title=title)
    elif view == "matrix":
        figure = draw.graph_matrix(graph, threshold, title)
    else:
        raise ValueError(close_match("view", view, ["matrix", "layers"]))
    figure.summary += f" do(node) {report.faithful_text(found)}."
    return draw.svg(figure) if form == "svg" else draw.png(figure)


def read_metrics(folder: str | Path) -> dict:
    """The metrics.json of a run. Raises FileNotFoundError or FileError with one line."""
    try:
        return read_json(Path(folder) / "metrics.json", report.METRICS)
    except FileNotFoundError:
        raise FileNotFoundError(f"no metrics.json in {folder}: was this run evaluated?") from None


def read_log(folder: str | Path) -> list[dict[str, Any]]:
    """The rows of log.csv: numbers as float, empty fields left out, `phase` as text.

    Raises FileNotFoundError or FileError with one line.
    """
    try:
        return read_rows(Path(folder) / "log.csv", texts=("phase",), needed=("phase", "step"))
    except FileNotFoundError:
        raise FileNotFoundError(f"no log.csv in {folder}: was this run trained?") from None


def contents(folder: str | Path) -> list[str]:
    """Files of a run, sorted, as a reader would list them; hidden and temporary ones left out."""
    folder = Path(folder)
    found = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return sorted(str(p) for p in found if not p.name.startswith(".") and p.suffix != ".tmp")


def show(picture: draw.Picture, folder: str | Path, name: str) -> None:
    """Show a picture in the notebook, say in words what is in it, save it in the run folder.

    The file has the full resolution; the notebook gets a copy with few pixels, so that an executed
    notebook stays small.

    picture: from `draw`.  folder: of the run.  name: it becomes figures/<name>.png.
    """
    from IPython.display import Image, display

    from cvq_tutorial.run.outputs import small_png

    draw.save(picture, Path(folder) / "figures" / f"{name}.png")
    small = small_png(draw.png(picture, dpi=80))
    display(Image(small, format="png", alt=picture.summary))
    print(f"{name}: {picture.summary}")
