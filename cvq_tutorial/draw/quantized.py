"""Codebooks: what a code stands for, how it is reached, what several read, and what they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.patheffects import Normal, withStroke
from numpy.typing import NDArray

from cvq_tutorial.common.arrays import as_array, as_images, check_grid, check_names, checked
from cvq_tutorial.common.checks import whole_number
from cvq_tutorial.draw.parts import key, row_label, tile
from cvq_tutorial.draw.style import BLUE, GREY, INK, ORANGE, Picture, label, styled

POINTS_SHOWN = 1600
TINTS = ("#f3f3f3", "#e3ecf3", "#fbeee2", "#e5f2ec")


@styled
def patches_by_code(
    images: Any,
    codes: Any,
    grid: Sequence[int],
    chosen: Sequence[int],
    limit: int = 12,
    *,
    codebook: int = 0,
) -> Picture:
    """Patches of images that were given the same code, one row per code.

    images: B images.  codes: integers (B, N, C) of them.  grid: (rows, columns), their product N.
    chosen: the codes to show.  limit: at most so many patches of each, evenly spread over the
        images, so that they come from different ones where they can.
    codebook: in 0..C-1.
    """
    pictures, table = as_images(images, "images"), as_array(codes)
    if table.ndim != 3 or len(table) != len(pictures) or table.dtype.kind not in "iu":
        raise ValueError(
            f"codes must be integers (B, N, C) of {len(pictures)} images, found {table.dtype} "
            f"{table.shape}"
        )
    rows, columns = check_grid(grid, table.shape[1])
    whole_number("codebook", codebook, 0, table.shape[2] - 1)
    wanted = [int(code) for code in chosen]
    if not wanted:
        raise ValueError("chosen: expected at least one code, found none")
    limit = whole_number("limit", limit)
    high, wide = pictures.shape[1] // rows, pictures.shape[2] // columns

    figure = Picture(1.5 + 0.6 * limit, 0.55 + 0.62 * len(wanted))
    figure.suptitle("Patches that were given the same code")
    axes = figure.subplots(len(wanted), limit, squeeze=False)
    told = []
    for line, code in zip(axes, wanted, strict=True):
        places = np.argwhere(table[:, :, codebook] == code)  # (M, 2): image, node
        picked = places
        if len(places) > limit:
            picked = places[np.linspace(0, len(places) - 1, limit).round().astype(int)]
        for cell, (b, n) in zip(line, picked.tolist(), strict=False):
            top, left = n // columns * high, n % columns * wide
            tile(cell, pictures[b, top : top + high, left : left + wide])
        for cell in line[len(picked) :]:
            cell.set(xticks=[], yticks=[])
            cell.spines[:].set_visible(False)
        row_label(line[0], f"code {code}\n{len(places)} places")
        told.append(f"code {code} at {len(places)} places")
    return figure.saying(
        f"Patches of {high} x {wide} pixels that were given the same code, one row per code, of "
        f"{len(pictures)} images: {', '.join(told)}."
    )


@styled
def code_cells(vectors: Any, path: Any, target: Any, title: str = "Cells of codes") -> Picture:
    """A plane cut into the cells of its code vectors, and a point on its way through them.

    vectors: (K, 2) code vectors; a place belongs to the nearest.  path: (T, 2) positions of the
    point, the first one at the start.  target: (2,), where the loss wants the chosen vector to be.
    At the start an arrow shows in which direction the loss wants the *chosen vector* to move, and a
    dashed one, the same, what is copied to the *point*; its steps may be of another length.
    """
    centres, way, goal = (as_array(v).astype(float) for v in (vectors, path, target))
    if centres.ndim != 2 or centres.shape[1] != 2 or len(centres) < 2:
        raise ValueError(f"vectors must have shape (K, 2), at least two, found {centres.shape}")
    if way.ndim != 2 or way.shape[1] != 2 or not len(way):
        raise ValueError(f"path must have shape (T, 2), found {way.shape}")
    if goal.shape != (2,):
        raise ValueError(f"target must have shape (2,), found {goal.shape}")
    everything = np.concatenate([centres, way, goal[None]])
    low, high = everything.min(0) - 0.45, everything.max(0) + 0.45
    span = high - low

    figure = Picture(5.6, 1.2 + 5.2 * min(1.2, max(0.6, span[1] / span[0])), title)
    axes = figure.subplots()
    x, y = np.meshgrid(*(np.linspace(a, b, 240) for a, b in zip(low, high, strict=True)))
    apart = np.hypot(x[..., None] - centres[:, 0], y[..., None] - centres[:, 1])  # (H, W, K)
    for k in range(len(centres)):
        lead = np.delete(apart, k, axis=2).min(2) - apart[..., k]  # over 0 in the cell of code k
        axes.contourf(x, y, lead, levels=[0, np.inf], colors=[TINTS[k % len(TINTS)]])
        axes.contour(x, y, lead, levels=[0], colors="#888888", linewidths=0.8)
    axes.plot(*centres.T, "s", color=INK, ms=7)
    for k, spot in enumerate(centres):
        axes.annotate(f"code {k}", spot, (7, 6), textcoords="offset points", fontsize=8.5)
    axes.plot(*way.T, "-", color=GREY, lw=1.0, zorder=2)
    axes.plot(*way.T, "o", color=BLUE, ms=4, zorder=3)
    axes.annotate("start", way[0], (-8, -13), textcoords="offset points", fontsize=8.5, color=BLUE)
    axes.plot(*goal, "*", color=ORANGE, ms=15)
    axes.annotate("target", tuple(goal), (9, -4), textcoords="offset points", fontsize=8.5)
    chosen = centres[int(_nearest(way[:1], centres)[0])]
    step = 0.45 * (goal - chosen)
    looks: dict[str, Any] = {"asked of the chosen code": "-", "copied to the point": (0, (3, 1.5))}
    for start, dashes in zip((chosen, way[0]), looks.values(), strict=True):
        axes.annotate(
            "", start + step, start,
            arrowprops={"arrowstyle": "-|>", "color": ORANGE, "lw": 1.8, "linestyle": dashes},
        )  # fmt: skip
    lines = [key(name, color=ORANGE, lw=1.8, linestyle=dashes) for name, dashes in looks.items()]
    lines.append(key("its way", color=GREY, marker="o", mfc=BLUE, mec=BLUE, ms=4))
    figure.legend_below(lines, ncols=3, handlelength=2.8)
    axes.set(
        xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal",
        xlabel="channel 0", ylabel="channel 1",
    )  # fmt: skip
    cells = [int(k) for k in _nearest(way, centres)]
    crossed = [k for i, k in enumerate(cells) if i == 0 or k != cells[i - 1]]
    axes.set_title(
        f"{len(way) - 1} steps; the point's code: {' -> '.join(map(str, crossed))}", fontsize=8.5
    )
    return figure.saying(
        f"{title}: {len(centres)} codes in a plane; in {len(way) - 1} steps the point goes through "
        f"the cells of the codes {', '.join(map(str, crossed))}."
    )


@styled
def codes_among_points(
    points: Any, books: Mapping[str, Any], title: str = "Codes", *, colours: Any = None
) -> Picture:
    """Code vectors among the vectors that they stand for, one panel per codebook, in one plane.

    points: (P, d) vectors; a sample of them is drawn.  books: name -> code vectors (K, d).
    colours: (P, 3) in [0, 1], red, green and blue of each point, such as the mean of its patch; the
        codes in use are white then. Without them points are blue and codes in use orange.
    The plane is spanned by the two directions in which the points vary most (their principal
    components), the same in all panels. A code that is nearest to no point is a grey cross.
    """
    cloud = as_array(points).astype(float)
    if cloud.ndim != 2 or len(cloud) < 3 or cloud.shape[1] < 2:
        raise ValueError(f"points must have shape (P, d), at least (3, 2), found {cloud.shape}")
    tables = {name: as_array(vectors).astype(float) for name, vectors in books.items()}
    if not tables:
        raise ValueError("expected at least one codebook, found none")
    for name, table in tables.items():
        if table.ndim != 2 or table.shape[1] != cloud.shape[1]:
            raise ValueError(
                f"{name}: expected code vectors (K, {cloud.shape[1]}), found {table.shape}"
            )
    middle = cloud.mean(0)
    _, spread, axes_of = np.linalg.svd(cloud - middle, full_matrices=False)
    plane = axes_of[:2] * np.sign(axes_of[:2].sum(1, keepdims=True) + 1e-12)  # (2, d), sign fixed
    share = float((spread[:2] ** 2).sum() / (spread**2).sum())
    picked = np.linspace(0, len(cloud) - 1, min(POINTS_SHOWN, len(cloud))).astype(int)
    sample = cloud[picked]
    code, names = {"color": ORANGE, "mec": "white", "mew": 0.5}, ("blue", "orange")
    tones, unused = None, {"color": "#555555", "ms": 5, "mew": 1.0}
    if colours is not None:
        tones = checked("colours", colours, "probabilities", (len(cloud), 3))[picked]
        code, names = {"color": "white", "mec": INK, "mew": 0.9}, ("in colour", "white")
        outline = [withStroke(linewidth=4.5, foreground="white"), Normal()]
        unused = {"color": INK, "ms": 8, "mew": 2.2, "path_effects": outline}

    figure = Picture(0.4 + 3.1 * len(tables), 3.7, label(title, 90))
    panels = figure.subplots(1, len(tables), squeeze=False, sharex=True, sharey=True)[0]
    told = []
    for axes, (name, table) in zip(panels, tables.items(), strict=True):
        used = np.bincount(_nearest(cloud, table), minlength=len(table)) > 0
        flat, spots = (sample - middle) @ plane.T, (table - middle) @ plane.T
        if tones is None:
            axes.plot(*flat.T, "o", color="#9cc3dc", ms=2, mew=0)
        else:
            # Sharp edges: a picture of few colours is half as large.
            axes.scatter(*flat.T, c=tones, s=8, linewidths=0, zorder=1, antialiased=False)
        axes.plot(*spots[~used].T, "x", **unused)
        axes.plot(*spots[used].T, "o", ms=5, **code)
        in_use = f"{int(used.sum())} of {len(table)}"
        told.append(f"{name} {in_use}")
        axes.set_title(f"{label(name)}:\n{in_use} codes in use", fontsize=9)
        axes.set(xlabel="component 1")
    panels[0].set_ylabel("component 2")
    figure.supxlabel(
        f"{names[0]}: map vectors; {names[1]}: code in use; cross: code that nobody uses\n"
        f"the plane holds {share:.0%} of the variance",
        fontsize=8,
    )
    return figure.saying(f"{title}, codes in use: {', '.join(told)}.")


@styled
def channels_read(
    layouts: Mapping[str, Any], title: str = "Channels that a codebook reads"
) -> Picture:
    """Which codebook reads which channel of the encoder map.

    layouts: name -> booleans (C, D), True where codebook c reads channel d; all of one shape.
    A channel that nobody reads has a cross above its column.
    """
    if not layouts:
        raise ValueError("expected at least one layout, found none")
    tables = [as_array(table).astype(bool) for table in layouts.values()]
    for table in tables:
        if table.ndim != 2 or table.shape != tables[0].shape:
            raise ValueError(
                f"expected booleans (C, D) of one shape, found {[t.shape for t in tables]}"
            )
    books, channels = tables[0].shape
    figure = Picture(7.2, 0.6 + (0.95 + 0.24 * books) * len(tables), title)
    told = []
    for axes, name, table in zip(
        figure.subplots(len(tables), 1, squeeze=False)[:, 0], layouts, tables, strict=True
    ):
        axes.pcolormesh(table, cmap="Blues", vmin=0, vmax=1.4, edgecolors="#bbbbbb", linewidth=0.3)
        unread = np.flatnonzero(~table.any(0))
        axes.plot(unread + 0.5, np.full(len(unread), -0.35), "x", color=ORANGE, ms=4)
        axes.set(
            yticks=np.arange(books) + 0.5, yticklabels=range(books), ylim=(books, -0.7),
            ylabel="codebook", xlabel="channel of the encoder map",
        )  # fmt: skip
        read = int(table.any(0).sum())
        axes.set_title(f"{label(name)}: {read} of {channels} channels read", fontsize=9)
        told.append(f"{name} {read} of {channels} channels")
    return figure.saying(
        f"Channels read by {books} codebooks: {'; '.join(told)}; crosses are unread."
    )


@styled
def error_against_bits(
    names: Sequence[str], bits: Any, psnr: Any, vectors: Any, reference: float | None = None
) -> Picture:
    """Image quality against what the codes of one place can say.

    names: one per model; bits: log2 of the number of different places; psnr: dB on held-out images;
    vectors: how many code vectors the model stores (printed beside its name).  reference: dB of
    the mean image, told on the axis.
    """
    bits, psnr, vectors = (as_array(v).astype(float) for v in (bits, psnr, vectors))
    names = check_names(names, len(bits), "names")
    if not bits.shape == psnr.shape == vectors.shape == (len(names),):
        raise ValueError(
            f"expected one number per name, found {bits.shape}, {psnr.shape}, {vectors.shape}"
        )
    figure = Picture(6.4, 3.9)
    axes = figure.subplots()
    axes.plot(bits, psnr, "o", color=BLUE, ms=7)
    for name, x, y, stored in zip(names, bits, psnr, vectors, strict=True):
        axes.annotate(
            f"{label(name)} ({int(stored)} vectors)", (x, y), (7, 5),
            textcoords="offset points", fontsize=8,
        )  # fmt: skip
    axes.set_xlabel("bits per place, C log2 K")
    if reference is not None:
        axes.set_xlabel(f"bits per place, C log2 K (control, the mean image: {reference:.1f} dB)")
    axes.margins(x=0.3, y=0.2)
    axes.set_ylabel("PSNR on test images (dB)")
    axes.set_title("Codebooks x codes: what a place can say, and what the image is worth")
    best, worst = int(psnr.argmax()), int(psnr.argmin())
    return figure.saying(
        f"PSNR against bits per place for {len(names)} models: from {names[worst]} "
        f"({bits[worst]:.0f} bits, {psnr[worst]:.1f} dB) to {names[best]} "
        f"({bits[best]:.0f} bits, {psnr[best]:.1f} dB)."
    )


def _nearest(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.int64]:
    """(P,) the nearest of (K, d) centres to each of (P, d) points."""
    return ((centres**2).sum(1) - 2 * points @ centres.T).argmin(1)
