"""`cvq identify`: what can be identified, on drawn worlds or on data of your own. See `cli`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

KINDS = ("linear", "soft", "cumulants", "twins")
SIZES = {"linear": (2500, 10_000, 50_000), "soft": (4000,), "cumulants": (2500, 10_000, 50_000)}
MODELS = {"linear": 100, "soft": 1, "cumulants": 20, "twins": 25}
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    multiple=True,
    help="Per context; may be repeated. Default: 2500, 10000 and 50000; soft 4000.",
)
@click.option(
    "--models",
    type=click.IntRange(min=1),
    help="How many worlds are drawn. Default: 100 linear, 1 soft, 20 cumulants, 25 pairs of twins.",
)
@click.option(
    "--data",
    type=FILE,
    multiple=True,
    help="Your own samples instead: one CSV of numbers per context, a row per sample, the "
    "observational one first.",
)
@click.option("--latents", type=click.IntRange(min=1), help="With --data: how many; else its rank.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw it, too: a .png or .svg.",
)
@click.pass_context
def identify(
    context: click.Context, kind: str, seed: int, samples: tuple[int, ...], models: int | None,
    data: tuple[Path, ...], latents: int | None, out: Path | None,
) -> None:  # fmt: skip
    """Show what can be identified, and what cannot.

    \b
    linear     linear latents, perfect interventions: causes, mixing, all numbers
    soft       non-linear latents, soft interventions: who is an ancestor of whom
    cumulants  linear latents, non-Gaussian noises, perfect interventions
    twins      different worlds that agree on everything that can be measured

    On worlds that are drawn and known, or on your own samples. Row = cause.

    \b
    Examples:
      cvq identify linear --samples 2500 --samples 50000 --out linear.png
      cvq identify soft --models 3
      cvq identify linear --data seen.csv --data context_1.csv --data context_2.csv
    """
    given = {"--samples": samples, "--models": models is not None}
    if data and kind == "twins":
        raise click.UsageError("twins are drawn: expected no --data", context)
    if latents is not None and not data:
        raise click.UsageError("--latents needs --data", context)
    if kind == "twins" and samples:
        raise click.UsageError("twins are exact: expected no --samples", context)
    for option, is_given in given.items():
        if data and is_given:
            raise click.UsageError(f"{option} cannot be combined with --data", context)
    from cvq_tutorial.common.files import place_of

    if out is not None:
        if out.suffix.lower() not in (".png", ".svg"):
            raise click.UsageError(f"--out: expected a .png or .svg, found {out.name!r}", context)
        place_of(out)
    if data:
        rows, complaints, picture = _of_data(kind, list(data), latents, seed, out is not None)
    else:
        rows = _rows(kind, seed, samples or SIZES.get(kind, ()), models or MODELS[kind])
        complaints, picture = (), _picture(kind, rows) if out is not None else None
    click.echo(table_of(rows))
    for line in complaints:
        click.echo(f"beware: {line}")
    if out is not None:
        from cvq_tutorial.draw.style import save

        assert picture is not None
        click.echo(f"written: {save(picture, out)}")


def _rows(kind: str, seed: int, samples: tuple[int, ...], models: int) -> list[dict[str, Any]]:
    from cvq_tutorial.identify import report

    if kind == "twins":
        return report.twins(seed, models)
    routine = getattr(report, kind)
    made = [
        {"samples": size, **row}
        for size in sorted(set(samples))
        for row in routine(seed, size, models)
    ]
    return made


def _picture(kind: str, rows: list[dict[str, Any]]) -> Any:
    from cvq_tutorial import draw
    from cvq_tutorial.identify import report

    if kind == "twins":
        return draw.twin_gaps(rows)
    if kind == "soft":
        most = [row for row in rows if row["samples"] == rows[-1]["samples"]]
        title = f"Soft, ReLU, {rows[-1]['samples']} samples per context"
        return draw.by_ratio(most, report.RATIOS, title)
    if kind == "linear":
        panels = {
            "share of models, all targets right": {
                "found": "targets right", "random order": "targets right, random order"
            },
            "error of H": {"found": "error of H"},
        }  # fmt: skip
        return draw.by_samples(rows, panels, title="Linear, perfect", errors=["error of H"])
    found = [row for row in rows if row["relative error of H"] is not None]
    name = "relative error of H"
    curves = {name: {"found": name, "another world's H": "error of another world's H"}}
    return draw.by_samples(found, curves, title="Non-Gaussian, perfect", errors=[name])


def _of_data(
    kind: str, files: list[Path], latents: int | None, seed: int, drawn: bool
) -> tuple[list[dict[str, Any]], tuple[str, ...], Any]:
    """Rows, complaints and picture of samples in files."""
    import numpy as np

    from cvq_tutorial.identify import cumulants, linear, scores
    from cvq_tutorial.identify.order import closure

    data = [_read(path) for path in files]
    widths = {one.shape[1] for one in data}
    if len(widths) > 1:
        raise ValueError(f"expected as many columns in each file, found {sorted(widths)}")
    rng = np.random.default_rng(seed)
    if kind == "soft":
        soft = scores.ancestors_from_samples(data, latents, seed=seed)
        ancestors, order, misfit, said = (
            soft.ancestors, soft.order.order, soft.misfit, soft.complaints
        )  # fmt: skip
    elif kind == "linear":
        samples = min(map(len, data))
        made = linear.solve_samples(linear.covariances_of(data), samples, latents, rng=rng)
        ancestors, order, said = made.order.ancestors, made.causes_first, made.complaints
        misfit = made.misfit[1:]
    else:
        more = latents is not None and latents > data[0].shape[1]
        noises = cumulants.solve_samples(
            data, latents or min(data[0].shape[1], len(data) - 1), order=4 if more else 3, rng=rng
        )
        strong = np.abs(noises.weights) >= 0.1
        ancestors, said, misfit = closure(strong), noises.complaints, noises.misfit[1:]
        order = np.argsort(-ancestors.sum(axis=1), kind="stable")
    place = np.argsort(order)
    rows = [
        {
            "latent": f"z{k}, target of {path.name}",
            "place, causes first": int(place[k]) + 1,
            "ancestors": ", ".join(f"z{i}" for i in np.flatnonzero(ancestors[:, k])) or "none",
            "misfit": float(f"{misfit[k]:.2g}"),
        }
        for k, path in enumerate(files[1:])
    ]
    picture = None
    if drawn:
        from cvq_tutorial import draw

        names = [f"z{k}" for k in range(len(ancestors))]
        picture = draw.graph_arrows(
            ancestors.astype(float), names, title="Ancestors that were found"
        )
    return rows, said, picture


def _read(path: Path) -> Any:
    """Samples (n, p) of a CSV of numbers; a first line of names is skipped."""
    import numpy as np

    lines = path.read_text("utf-8", errors="replace").splitlines()
    lines = [line for line in lines if line.strip()]
    rows = []
    for number, line in enumerate(lines):
        try:
            rows.append([float(part) for part in line.split(",")])
        except ValueError:
            if number:
                raise ValueError(f"{path.name}: row {number + 1} is not of numbers") from None
    if len({len(row) for row in rows}) != 1:
        found = sorted({len(row) for row in rows})
        raise ValueError(f"{path.name}: expected rows of numbers of one length, found {found}")
    return np.array(rows)


def table_of(rows: list[dict[str, Any]]) -> str:
    """Rows as text: as columns where that is narrow enough, else one block per row."""
    shown = [{k: _cell(v) for k, v in row.items()} for row in rows]
    widths = {k: max(len(k), *(len(row[k]) for row in shown)) for k in shown[0]}
    if sum(widths.values()) + 2 * len(widths) <= 124:
        lines = [list(widths), *(list(row.values()) for row in shown)]
        sizes = list(widths.values())
        return "\n".join(
            "  ".join(t.ljust(w) for t, w in zip(line, sizes, strict=True)).rstrip()
            for line in lines
        )
    wide = max(map(len, widths))
    table = [[k, *(row[k] for row in shown)] for k in widths]
    columns = [max(len(line[i]) for line in table) for i in range(1, len(shown) + 1)]
    return "\n".join(
        f"{line[0].ljust(wide)}  "
        + "  ".join(t.rjust(w) for t, w in zip(line[1:], columns, strict=True))
        for line in table
    )


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "/".join(map(_cell, value))
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
