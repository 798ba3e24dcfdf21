"""`cvq refine`: stage two, a trained model learns to paint and nothing else. See `cli`."""

from __future__ import annotations

from pathlib import Path

import click

from cvq_tutorial.run.cli_identify import table_of
from cvq_tutorial.run.cli_worlds import world_options


@click.command()
@click.argument("run_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--steps", type=click.IntRange(min=4), default=1500, show_default=True)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the refined model. Default: RUN_DIR-refined.",
)
@click.option("--device", default="auto", show_default=True, metavar="DEVICE")
@world_options("root")
def refine(run_dir: Path, seed: int, steps: int, out: Path | None, device: str, root) -> None:
    """Train the decoder of a run further, against a critic.

    Encoder, codebooks, graph and transition stay frozen, so the actions that it names are the same
    bit for bit. Prints what changed, on the test split, and leaves a run folder with model and
    fidelity.json. It is done in one go: what is stopped begins anew.

    \b
    Example:
      cvq refine runs/shapes3d-lesson-s0
    """
    from cvq_tutorial.common.device import pick_device
    from cvq_tutorial.common.files import write_atomic
    from cvq_tutorial.common.folders import prepare_folder
    from cvq_tutorial.common.json_files import to_json
    from cvq_tutorial.measure.fidelity import fidelity
    from cvq_tutorial.measure.judge import load_or_train_judge
    from cvq_tutorial.training import two_stage
    from cvq_tutorial.training.checkpoints import load_run, read_info
    from cvq_tutorial.training.recipes import Recipe

    model, world, info = load_run(run_dir, device=pick_device(device), root=root)
    if model.autoencoder is None:
        raise ValueError(f"{run_dir}: expected a model of pictures, found one of codes")
    recipe = Recipe(**info["recipe"])
    folder = out or run_dir.with_name(f"{run_dir.name}-refined")
    if (folder / "model.json").exists() and "refined" not in read_info(folder):
        raise ValueError(f"--out {folder}: expected an empty folder, found a model of stage one")
    prepare_folder(folder)
    refined = two_stage.refine(model, world, recipe, seed, steps=steps)
    judge = load_or_train_judge(world, steps=recipe.judge_steps, device=model.device)
    rows = fidelity({"before": model, "after": refined}, world, recipe, info["seed"], judge)
    two_stage.save_refined(run_dir, refined, folder, {"steps": steps, "seed": seed})
    write_atomic(folder / "fidelity.json", to_json({"models": rows}))
    click.echo(f"{table_of(rows)}\nrun folder: {folder}")
