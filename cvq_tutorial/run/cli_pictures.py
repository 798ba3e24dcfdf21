"""`cvq do` and `cvq name`: one picture after an action, the action between two. See `cli`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import click

from cvq_tutorial.run.cli_worlds import world_options

_RUN = click.Path(exists=True, file_okay=False, path_type=Path)
_PICTURE = click.Path(exists=True, dir_okay=False, path_type=Path)
_TAKEN = {"crop": "the central square is taken", "pad": "black beside it", "stretch": "stretched"}


@click.command()
@click.argument("run_dir", type=_RUN)
@click.argument("picture", type=_PICTURE)
@click.option(
    "--action",
    "actions",
    required=True,
    multiple=True,
    help="Name or number of an action; more than one: in a row.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The .png to write.",
)
@world_options("root")
def do(run_dir: Path, picture: Path, actions: tuple[str, ...], out: Path, root: str | None) -> None:
    """Do an action to PICTURE, by the model in RUN_DIR.

    Of another size than the model's pictures it is fitted as its world fits its own, which is said.

    \b
    Examples:
      cvq do runs/shapes3d-lesson-s0 x.png --action wall_hue+ --out y.png
      cvq do runs/pictures-faces-lesson-s0 me.png --action pose=left --action eyes=open --out y.png
    """
    if out.suffix.lower() != ".png":
        raise click.UsageError(f"--out {out.name}: expected a file that ends in .png")
    from PIL import Image

    from cvq_tutorial.common.files import place_of, write_atomic
    from cvq_tutorial.common.images import to_uint8

    place_of(out)
    model, world = _loaded(run_dir, root)
    steps = [int(a) if a.lstrip("-").isdigit() else a for a in actions]
    numbers = [int(model.check_actions(action, 1)) for action in steps]
    done = model.compose(_read(picture, world), numbers)
    for number, step in zip(numbers, done, strict=True):
        click.echo(f"{model.action_names[number]}: {step.verdict[0]}")
    content, image = io.BytesIO(), Image.fromarray(to_uint8(done[-1].images)[0])
    image = image.convert("L") if getattr(world, "grey", False) else image  # grey stays grey
    image.save(content, "PNG")
    click.echo(f"written: {write_atomic(out, content.getvalue())}")


@click.command()
@click.argument("run_dir", type=_RUN)
@click.argument("before", type=_PICTURE)
@click.argument("after", type=_PICTURE)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="How many actions are listed, the likeliest first.",
)
@world_options("root")
def name(run_dir: Path, before: Path, after: Path, top: int, root: str | None) -> None:
    """Name the action between BEFORE and AFTER, by the model in RUN_DIR.

    The posterior says which action it was if it was one of them; the verdict, whether to believe
    that: "nothing happened" where all codes are equal, "no action explains this" where AFTER is
    less likely, under its best action, than all but one in a hundred true pairs.

    \b
    Example:
      cvq name runs/shapes3d-lesson-s0 x.png y.png
    """
    model, world = _loaded(run_dir, root)
    x, y = _read(before, world), _read(after, world)
    named = model.retrieve(x, y)
    pixels = (x != y).any(1)
    told = f"{int(pixels.sum())} of {pixels.numel()} pixels differ"
    same = f": all {named.n} codes are equal; {told}"
    click.echo(f"verdict: {named.verdict[0]}{same if named.same else ''}")
    chances, nats = named.log_posterior[0].exp(), named.log_likelihood[0] / named.n
    wide = max(map(len, (*model.action_names, "action")))
    click.echo(f"{'action':<{wide}}  posterior  nats per code")
    for action in named.log_posterior[0].argsort(descending=True)[:top].tolist():
        one = f"{model.action_names[action]:<{wide}}  {chances[action]:9.3f}  {nats[action]:13.3f}"
        click.echo(one)
    if model.explains_at is None:
        click.echo("what true pairs reach is not known: this model was trained before it was kept")
    else:
        click.echo(f"true pairs reach {model.explains_at:.3f} nats per code (99 in 100 of them)")


def _loaded(run_dir: Path, root: str | None) -> tuple[Any, Any]:
    """Model and world of a run. ValueError where there is no picture to look at."""
    from cvq_tutorial.training.checkpoints import load_run

    model, world, _ = load_run(run_dir, root=root)
    if not world.has_images:
        raise ValueError(f"{run_dir}: expected a model of pictures, found one of {world.name!r}")
    return model, world


def _read(path: Path, world: Any) -> Any:
    """The picture of a file as the model takes it, (1, 3, H, W); what is done to fit it is said."""
    from cvq_tutorial.common.images import to_float
    from cvq_tutorial.worlds.pictures import decode, square

    image, side = decode(path), world.image_shape[0]
    asked = getattr(world, "asked", {})
    crop, fit = asked.get("crop"), asked.get("fit", "crop")
    if image.shape != world.image_shape:
        high, wide = image.shape[:2]
        how = f"the central {crop} x {crop} are taken" if crop else _TAKEN[fit]
        click.echo(f"{path}: {wide} x {high} pixels, fitted to {side} x {side}: {how}")
    return to_float(square(image, side, crop, fit)[None])
