"""The commands that train and score: `train`, `evaluate`, `baseline`, `reproduce`. See `cli`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from cvq_tutorial.common.json_files import literal
from cvq_tutorial.run.cli_worlds import NAMES, options_of, world_options


def overrides_of(pairs: tuple[str, ...]) -> dict[str, object]:
    """The `--set name=value` options as a dictionary; a value that is no Python literal is text.

    >>> overrides_of(("steps=20", "rule=ema", "grid=(8, 8)"))
    {'steps': 20, 'rule': 'ema', 'grid': (8, 8)}
    """
    found: dict[str, object] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = name.strip()
        if not equals or not name.isidentifier():
            raise ValueError(f"--set wants name=value, found {pair!r}")
        if name in found:
            raise ValueError(f"--set gives {name!r} twice")
        try:
            found[name] = literal(text)
        except ValueError:
            found[name] = text.strip()
    return found


def _common(command):  # the four options that `train` and `reproduce` share
    for option in (
        click.option(
            "--set",
            "pairs",
            multiple=True,
            metavar="NAME=VALUE",
            help="Change one setting of the recipe; may be repeated.",
        ),
        click.option(
            "--device",
            default="auto",
            show_default=True,
            metavar="DEVICE",
            help="auto, cpu, cuda, cuda:1, mps ...",
        ),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
        click.option(
            "--recipe",
            default="lesson",
            show_default=True,
            metavar="NAME",
            help="nano (seconds), lesson (2 cores, minutes), paper (a GPU).",
        ),
        click.option(
            "--runs",
            type=click.Path(path_type=Path),
            default=Path("runs"),
            show_default=True,
            help="Folder that holds the run folders.",
        ),
    ):
        command = option(command)
    return command


def of_several() -> bool:
    """Whether torchrun started this process beside others; torch is only asked if it may be."""
    if "WORLD_SIZE" not in os.environ:
        return False
    from cvq_tutorial.common.ranks import launched

    return launched() > 1


@click.command()
@click.argument("world")
@_common
@world_options()
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    help="The run's folder itself, instead of RUNS/WORLD-RECIPE-sSEED.",
)
def train(
    world: str, recipe: str, seed: int, device: str, pairs, runs: Path, run_dir, **given
) -> None:
    """Train a model on WORLD, or go on with it.

    \b
    Examples:
      cvq train shapes3d --recipe nano --seed 1
      cvq train pictures --root my_pictures --factors pose,eyes --identity person
      cvq train pictures --root my_pictures --table pairs.csv --actions none
    """
    from cvq_tutorial.run import reproduce as steps
    from cvq_tutorial.training.train import train as train_model

    options = options_of(world, given)
    plan = steps.plan(world, recipe, seed, overrides_of(pairs), runs, run_dir, options)
    train_model(plan.make_world(), plan.recipe, plan.seed, plan.folder, device=device)
    if not of_several() or os.environ["RANK"] == "0":  # of several the first one tells
        click.echo(f"trained: {plan.folder / 'model.safetensors'}")


@click.command()
@click.argument("run_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--device", default="auto", show_default=True, metavar="DEVICE")
@world_options("root")
def evaluate(run_dir: Path, device: str, root: str | None) -> None:
    """Evaluate a trained run again.

    On the test split of its world; writes RUN_DIR/metrics.json.
    """
    from cvq_tutorial.run import report
    from cvq_tutorial.run.reproduce import evaluate_run

    metrics = evaluate_run(run_dir, device=device, root=root)
    click.echo(report.table(metrics))
    click.echo(f"written: {run_dir / 'metrics.json'}")


@click.command()
@click.argument("world")
@click.option(
    "--name",
    required=True,
    help="vae-difference, vae-classifier, beta-vae-difference, beta-vae-classifier, plain-vqvae or"
    " image-pairs.",
)
@_common
@world_options()
@click.option(
    "--autoencoder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Finished run with the same autoencoder, which is taken over instead of trained again.",
)
def baseline(
    world: str, name: str, recipe: str, seed: int, device: str, pairs, runs: Path, autoencoder,
    **given,
) -> None:  # fmt: skip
    """Train and evaluate what the method is compared with.

    On the same data of WORLD and in as many steps. Leaves RUNS/WORLD-RECIPE-NAME-sSEED with
    metrics.json, model.safetensors, model.json and log.csv.

    \b
    Example:
      cvq baseline shapes3d --name beta-vae-difference
    """
    from cvq_tutorial.baselines import table as baselines
    from cvq_tutorial.common.files import write_atomic
    from cvq_tutorial.common.json_files import to_json
    from cvq_tutorial.run import report
    from cvq_tutorial.run import reproduce as steps

    name = baselines.full_name(name)
    options = options_of(world, given)
    folder = runs / f"{steps.run_name(world, recipe, name, options=options)}-s{seed}"
    plan = steps.named(steps.plan(world, recipe, seed, overrides_of(pairs), runs, folder, options))
    metrics = baselines.evaluate_baseline(
        name, plan.make_world(), plan.recipe, seed, folder, device=device, autoencoder=autoencoder
    )
    write_atomic(folder / "metrics.json", to_json(metrics))
    click.echo(f"baseline {name}\n{report.table(metrics)}\nrun folder: {folder}")


@click.command()
@click.argument("world", default="shapes3d")
@_common
@world_options()
@click.option(
    "--grid",
    help="Run a whole table instead: main, ablations, recovery, judged, imbalance"
    " or codebooks. Finished runs are skipped, so the same command goes on where it was stopped.",
)
@click.option("--seeds", default="", help="With --grid: only these seeds, such as 0,1.")
@click.option("--only", default="", help="With --grid: only runs whose label contains this.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    help="With --grid: how many runs side by side; on a CPU, one per core is fastest.",
)
@click.option(
    "--scheduler",
    default="",
    metavar="ADDRESS",
    help="With --grid: runs on the workers of this Dask cluster, such as tcp://10.0.0.1:8786.",
)
@click.option(
    "--gather",
    is_flag=True,
    help="With --scheduler: its workers see other disks, and run folders are fetched from them.",
)
@click.option("--dashboard", is_flag=True, help="With --grid: say where Dask shows what it does.")
@click.option(
    "--expected",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --grid: fail if a number lies outside what this file holds.",
)
def reproduce(
    world: str, recipe: str, seed: int, device: str, pairs, runs: Path,
    grid: str | None, seeds: str, only: str, expected: Path | None,
    workers: int, scheduler: str, gather: bool, dashboard: bool, **given,
) -> None:  # fmt: skip
    """Train, evaluate and draw, as a notebook.

    The whole method on WORLD (default shapes3d).

    Leaves RUNS/WORLD-RECIPE-sSEED with notebook.ipynb, metrics.json, model.safetensors, model.json,
    log.csv and figures/.

    \b
    Examples:
      cvq reproduce
      cvq reproduce sprites --seed 2
      cvq reproduce shapes3d --recipe nano --set codebooks=2
      cvq reproduce --grid ablations --only codes: --expected figures/expected.json
      cvq reproduce --grid main --workers 2
      cvq reproduce --grid main --scheduler tcp://10.0.0.1:8786
    """
    sweeping = ("seeds", "only", "workers", "expected", "scheduler", "gather", "dashboard")
    own = ("world", "recipe", "seed", "pairs", "world_option", *NAMES)
    _refuse(own if grid else sweeping, bool(grid))
    if grid is not None:
        where = {"workers": workers, "scheduler": scheduler, "gather": gather}
        _sweep(grid, runs, seeds, expected, only=only, device=device, dashboard=dashboard, **where)
        return
    from cvq_tutorial.run import report
    from cvq_tutorial.run import reproduce as steps

    folder = steps.reproduce(
        world, recipe, seed, overrides_of(pairs), runs, device=device, progress=sys.stderr,
        options=options_of(world, given),
    )  # fmt: skip
    metrics = steps.read_metrics(folder)
    click.echo(f"{report.table(metrics)}\n{report.times(metrics)}\nrun folder: {folder}")


def _refuse(names: Sequence[str], sweeping: bool) -> None:
    """UsageError if one of these parameters of the command was given: it would mean nothing."""
    context = click.get_current_context()
    for parameter in context.command.params:
        given = context.get_parameter_source(str(parameter.name))
        if parameter.name in names and given is not ParameterSource.DEFAULT:
            option = parameter.opts[0] if parameter.opts[0].startswith("-") else "WORLD"
            how = "cannot be combined with" if sweeping else "needs"
            raise click.UsageError(f"{option} {how} --grid")


def _sweep(grid: str, runs: Path, seeds: str, expected: Path | None, **how: Any) -> None:
    from cvq_tutorial.experiments import sweeps, tables

    try:
        chosen = [int(seed) for seed in seeds.split(",") if seed.strip()]
    except ValueError:
        raise click.BadParameter(f"expected numbers such as 0,1, found {seeds!r}") from None
    known = tables.expected_of(grid, expected) if expected is not None else None
    made = sweeps.sweep(grid, runs, seeds=chosen, say=click.echo, **how)
    click.echo(f"{tables.markdown(made)}\ntable: {runs / grid / 'table.json'}")
    if failed := made["failed"]:
        told = "; ".join(f"{name}: {why}" for name, why in failed.items())
        raise RuntimeError(f"{len(failed)} failed, the same command tries again: {told}")
    if known is not None:
        compared = tables.demand(made, known)
        click.echo(f"all of the {compared} numbers that are known are within what is expected")
