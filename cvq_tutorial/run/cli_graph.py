"""`cvq graph`: the causal graph of one action, as a file or a picture. See `cli`."""

from __future__ import annotations

from pathlib import Path

import click

from cvq_tutorial.common.arrays import EDGE_AT
from cvq_tutorial.run.cli_worlds import world_options

GRAPH_FORMS = ("csv", "dot", "gml", "graphml", "json", "npz", "png", "svg")
BINARY = ("npz", "png", "svg")


@click.command()
@click.argument("run_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--action", required=True, help="Name or number of an action, such as floor_hue+.")
@click.option(
    "--format",
    "form",
    type=click.Choice(GRAPH_FORMS),
    help="Default: the ending of --out, else csv.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; without it texts go to the terminal.",
)
@click.option(
    "--n",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Test images (or code settings) whose graphs are averaged.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True),
    default=EDGE_AT,
    show_default=True,
    help="Only edges from this probability on.",
)
@click.option("--top-k", type=click.IntRange(min=1), help="At most so many edges, the likeliest.")
@click.option("--used", is_flag=True, help="Only edges into nodes that the action sets.")
@click.option(
    "--told",
    type=click.FloatRange(0, min_open=True),
    metavar="NATS",
    help="Not the gates: the causes that tell so much about an effect, on average over what else "
    "is known; for runs with cause_dropout.",
)
@click.option(
    "--view",
    type=click.Choice(["matrix", "layers"]),
    default="matrix",
    show_default=True,
    help="What a png or svg shows: all edges in a matrix, or the likeliest as arrows.",
)
@world_options("root")
@click.pass_context
def graph(context, run_dir: Path, action: str, form, out: Path | None, n: int, **options) -> None:
    """Export the causal graph of one action.

    In RUN_DIR is a trained model. Row = cause, column = effect.

    \b
    csv      one line per edge, and one per node to itself
    dot      for graphviz
    gml      for igraph, Cytoscape ...
    graphml  for Gephi, yEd, Cytoscape ...
    json     node-link, for networkx and D3
    npz      the matrix, for numpy
    png svg  a picture

    \b
    Examples:
      cvq graph runs/shapes3d-lesson-s0 --action scale+ --format dot | dot -Tpdf > scale.pdf
      cvq graph runs/shapes3d-lesson-s0 --action scale+ --used --top-k 40 --out scale.graphml
      cvq graph runs/shapes3d-lesson-s0 --action scale+ --view layers --out scale.svg
      cvq graph runs/shapes3d-told-s0 --action scale+ --told 0.3 --used --out told.csv
    """
    ending = out.suffix.lower().lstrip(".") if out else ""
    if ending and not form and ending not in GRAPH_FORMS:
        raise click.UsageError(
            f"--out {out.name if out else ''}: no format has the ending {ending!r}, expected "
            f"{', '.join(GRAPH_FORMS)}, or --format",
            context,
        )
    form = form or ending or "csv"
    if form in BINARY and out is None:
        raise click.UsageError(f"--format {form} needs --out FILE", context)
    from cvq_tutorial.common.files import place_of, write_atomic
    from cvq_tutorial.run.reproduce import export_graph

    if out is not None:
        place_of(out)
    content = export_graph(run_dir, action, form, n=n, **options)
    if out is None:
        click.echo(content, nl=False)  # bytes: the file, whatever the code page
    else:
        click.echo(f"written: {write_atomic(out, content)}", err=True)
