"""The `cvq` command: the same steps as the notebooks, from a terminal.

Every command is a few lines over the package and imports what it needs inside, so that
`cvq --help` answers at once. Errors are one line on stderr. Exit codes: 0 done, 1 it failed (or
`worlds check` found a problem), 2 wrong usage or bad input, 130 stopped by Ctrl-C, 128 + number by
another signal to end, which is treated alike. `CVQ_TRACEBACK=1` shows where an error came from.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from cvq_tutorial import __version__
from cvq_tutorial.common.progress import print_on_any_code_page
from cvq_tutorial.run.cli_graph import graph
from cvq_tutorial.run.cli_identify import identify
from cvq_tutorial.run.cli_pictures import do, name
from cvq_tutorial.run.cli_refine import refine
from cvq_tutorial.run.cli_runs import baseline, evaluate, of_several, reproduce, train
from cvq_tutorial.run.cli_worlds import TABLE, options_of, world_options

EPILOGUE = """\b
Examples:
  cvq worlds
  cvq worlds check my_pictures                   what a file or folder is, and what is wrong
  cvq reproduce                                  the whole method on the default world
  cvq reproduce codes --recipe lesson --seed 1
  cvq train shapes3d --recipe nano --set codebooks=2
  cvq train pictures --root my_pictures --factors pose,eyes --identity person
  cvq evaluate runs/shapes3d-nano-s0
  cvq graph runs/shapes3d-nano-s0 --action floor_hue+ --format png --out graph.png
  cvq do runs/shapes3d-nano-s0 x.png --action floor_hue+ --out y.png
  cvq name runs/shapes3d-nano-s0 x.png y.png
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code; whatever goes wrong is printed, not raised."""
    print_on_any_code_page()
    ended_by: list[int] = []
    try:
        with _as_ctrl_c(ended_by):
            result = cli.main(args=arguments, prog_name="cvq", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.UsageError as error:
        where = f" (see `{error.ctx.command_path} --help`)" if error.ctx else ""
        return _fail(error.format_message() + where, 2)
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, click.Abort) as error:
        told = str(error.__cause__ or error) or "stopped"  # training says what was saved
        number = ended_by[0] if ended_by else signal.SIGINT
        return _fail(f"{told}; the same command goes on from what is saved", 128 + number)
    except BrokenPipeError:  # `cvq worlds | head`: nobody reads on, and that is no error
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - lives until the interpreter's last flush
        return 0
    except SystemExit:  # the same, inside a command: click ends there by itself
        return 0
    except (ValueError, TypeError) as error:
        return _fail(error, 2)
    except Exception as error:  # such as a terminal that is gone
        return _fail(error, 128 + ended_by[0] if ended_by else 1)


@contextmanager
def _as_ctrl_c(ended_by: list[int]) -> Iterator[None]:
    """While the block runs, SIGTERM and SIGHUP do what Ctrl-C does at that moment, and are noted.

    Whoever ends a session sends them twice or more: one is heard. Where they are ignored, as under
    nohup, they stay so.
    """

    def ask(number: int, frame: Any) -> None:
        if not ended_by:
            ended_by.append(number)
            as_ctrl_c = signal.getsignal(signal.SIGINT)
            (as_ctrl_c if callable(as_ctrl_c) else signal.default_int_handler)(number, frame)

    found = [getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")]
    main_thread = threading.current_thread() is threading.main_thread()
    taken = [n for n in found if n and main_thread and signal.getsignal(n) is signal.SIG_DFL]
    try:
        for number in taken:
            signal.signal(number, ask)
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _fail(error: object, code: int) -> int:
    """Print the one line of an error and return the exit code."""
    if os.environ.get("CVQ_TRACEBACK") and isinstance(error, BaseException):
        traceback.print_exception(error)
    text = " ".join(str(error).split())
    if isinstance(error, BaseException) and not isinstance(
        error, (ValueError, TypeError, OSError, RuntimeError)
    ):
        text = f"{type(error).__name__}: {text}"
    if of_several():
        from cvq_tutorial.common.ranks import first_to_say

        if not first_to_say(text):
            return code
    with suppress(OSError):  # the terminal may be what ended us
        print(f"cvq: error: {text or type(error).__name__}", file=sys.stderr)
    return code


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOGUE,
)
@click.version_option(__version__, prog_name="cvq")
@click.pass_context
def cli(context: click.Context) -> None:
    """Causal graphs over the codes of a quantised autoencoder: train, evaluate, look.

    A run lives in its folder runs/WORLD-RECIPE-sSEED: weights, log, metrics, figures, the executed
    notebook. Stopped with Ctrl-C or killed, the same command goes on where it was.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
    elif context.invoked_subcommand != "train" and of_several():
        raise click.UsageError("on several processes only `train` runs: give it to torchrun alone")


@cli.group(invoke_without_command=True)
@click.pass_context
def worlds(context: click.Context) -> None:
    """List the worlds and their factors, or check one.

    \b
    Examples:
      cvq worlds
      cvq worlds check my_pictures --figure card.png
    """
    if context.invoked_subcommand is not None:
        return
    from cvq_tutorial.run.report import listed_world
    from cvq_tutorial.worlds.make import world_names

    for world in world_names():
        click.echo(listed_world(world) + "\n")


@worlds.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--figure",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw it, too: a .png or .svg.",
)
@click.option(
    "--look",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    help="How many pictures of a folder are decoded.",
)
@world_options(*TABLE)
@click.pass_context
def check(context: click.Context, path: Path, figure: Path | None, look: int, **given) -> None:
    """Say what PATH is, and what is wrong with it.

    Of a table what becomes of each column, and the command line to train. Factors, sizes, missing
    combinations, edits that change no pixel, and a line for each problem.
    The exit code is 1 where there is one.
    """
    from cvq_tutorial.worlds.inspect.check import check_folder as look_at

    report = look_at(path, look, options=options_of("pictures", given))
    click.echo(str(report))
    if figure is not None:
        from cvq_tutorial.draw.style import save
        from cvq_tutorial.draw.worlds import world_card

        click.echo(f"written: {save(world_card(report), figure)}")
    if not report.ok:
        context.exit(1)


for command in (train, evaluate, baseline, reproduce, graph, do, name, identify, refine):
    cli.add_command(command)


@cli.command()
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("figures/bench.json"),
    show_default=True,
)
@click.option("--device", default="auto", show_default=True, metavar="DEVICE")
@click.option("--quick", is_flag=True, help="Fewer rounds, smaller sizes.")
@click.option(
    "--growth",
    is_flag=True,
    help="Instead: time and memory of a step as nodes, codebooks, codes and actions grow, on a CPU;"
    " to figures/growth.json and growth.md unless --out says where.",
)
@click.option(
    "--against",
    metavar="REVISION",
    help="Instead: this checkout and another commit do the same in turns, on a CPU; ratios of time"
    " and memory. Written only where --out says.",
)
@click.pass_context
def bench(
    context: click.Context, out: Path, device: str, quick: bool, growth: bool, against: str | None
) -> None:
    """Time training steps and retrieval on this machine, beside their floor and a yardstick.

    \b
    Examples:
      cvq bench --out bench.json
      cvq bench --against HEAD~5
    """
    from cvq_tutorial.common.files import place_of

    if against is not None:
        if growth:
            raise click.UsageError("--against cannot be combined with --growth")
        from cvq_tutorial.experiments import against as other

        given = context.get_parameter_source("out") is not ParameterSource.DEFAULT
        if given:
            place_of(out)
        other.run(against, out if given else None, quick, click.echo)
        return
    if growth and context.get_parameter_source("out") is ParameterSource.DEFAULT:
        out = out.with_name("growth.json")
    place_of(out)
    if growth:
        from cvq_tutorial.experiments import growth as grown

        grown.run(out, quick, click.echo)
    else:
        from cvq_tutorial.experiments import bench as benchmark

        benchmark.run(out, quick, device)
    click.echo(f"written: {out}")
