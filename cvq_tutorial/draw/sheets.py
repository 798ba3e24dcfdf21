"""The pictures of the explorers: sheets of tiles, drawn in milliseconds.

A figure of `draw` takes most of a second, far too long while somebody drags a slider. A sheet is
laid out by plain arithmetic on pixels instead: rows of square or wide tiles, each with a title
above and a note below, at two pixels per CSS pixel so that it stays sharp on dense screens. As with
the figures nothing is told by colour alone, and each sheet carries a one-line `summary`.

Every function here is pure: arrays or tensors in, pixels or a `Sheet` out.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from cvq_tutorial.common.arrays import as_array, check_grid, counts
from cvq_tutorial.draw.parts import border, code_colors, one_image
from cvq_tutorial.draw.style import BLUE, GREEN, INK, ORANGE

SCALE = 2  # pixels per CSS pixel
GAP, TITLE, NOTE = 10, 18, 17  # CSS pixels: between tiles, height of a title, height of a note
LARGEST_DIFFERENCE = 0.25  # where the colours of |difference| end, as in the figures
SET_MARK, MOVED_MARK, FAINT = "#E69F00", "#B00020", "#555555"
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet.  pixels: uint8 (h, w, 3).  title stands above, note below it."""

    title: str
    pixels: Pixels
    note: str = ""


@dataclass(frozen=True)
class Sheet:
    """A drawn sheet.  png: the file.  width, height: CSS pixels.  summary: what can be seen."""

    png: bytes
    width: int
    height: int
    summary: str


def pixels(image: Any) -> Pixels:
    """uint8 (H, W, 3) of one image (or a batch of one): float (3, H, W) in [0, 1] or uint8."""
    return _bytes(one_image(image))


def _bytes(shares: NDArray[np.float64]) -> Pixels:
    return (shares * 255).round().astype(np.uint8)


def png_of(image: Pixels, summary: str = "") -> bytes:
    """The pixels (h, w, 3) as the bytes of a PNG; the summary is its metadata entry Description."""
    about = PngImagePlugin.PngInfo()
    about.add_text("Description", summary)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png", pnginfo=about, compress_level=6)
    return buffer.getvalue()


def sheet(rows: Sequence[Sequence[Tile]], sides: Sequence[int], summary: str) -> Sheet:
    """Rows of tiles as one picture.

    rows: at least one tile each.  sides: height of the tiles of each row in CSS pixels; their width
        follows from their pixels.
    """
    sized = zip(rows, sides, strict=True)
    drawn = [[_sized(tile.pixels, side) for tile in row] for row, side in sized]
    width = max(sum(p.shape[1] for p in row) // SCALE + GAP * (len(row) + 1) for row in drawn)
    notes = [NOTE if any(tile.note for tile in row) else 0 for row in rows]
    height = sum(sides) + sum(notes) + len(rows) * (TITLE + GAP // 2) + GAP // 2
    image, pen = _canvas(width, height)
    y = GAP // 2
    for row, parts, side, note in zip(rows, drawn, sides, notes, strict=True):
        x = GAP
        for tile, part in zip(row, parts, strict=True):
            wide = part.shape[1] // SCALE
            _text(pen, x, y + 2, tile.title, 12, INK, wide)
            image.paste(Image.fromarray(part), (x * SCALE, (y + TITLE) * SCALE))
            _text(pen, x, y + TITLE + side + 3, tile.note, 11, FAINT, wide)
            x += wide + GAP
        y += side + TITLE + note + GAP // 2
    return Sheet(png_of(np.asarray(image), summary), width, height, summary)


def _canvas(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """White paper, in CSS pixels, and a pen for it."""
    image = Image.new("RGB", (width * SCALE, height * SCALE), "white")
    return image, ImageDraw.Draw(image)


def _sized(image: Pixels, side: int) -> Pixels:
    """Enlarged without smoothing (or shrunk with it) to a height of `side` CSS pixels."""
    tall = side * SCALE
    if image.shape[0] == tall:
        return image
    wide = max(SCALE, round(image.shape[1] * tall / image.shape[0] / SCALE) * SCALE)
    how = Image.Resampling.NEAREST if tall >= image.shape[0] else Image.Resampling.BOX
    return np.asarray(Image.fromarray(image).resize((wide, tall), how))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / "DejaVuSans.ttf"), size * SCALE)


def _resized(image: Pixels, wide: int, high: int) -> Image.Image:
    """The pixels, each as a block."""
    return Image.fromarray(image).resize((wide, high), Image.Resampling.NEAREST)


def _write(
    pen: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size: int, color: str = INK,
    anchor: str = "mm",
) -> None:  # fmt: skip
    """Text at a place in pixels; size: CSS pixels."""
    pen.text(at, text, fill=color, font=_font(size), anchor=anchor)


def _text(
    pen: ImageDraw.ImageDraw, x: float, y: float, text: str, size: int, color: str, room: float
) -> None:
    """Text from (x, y) on in CSS pixels, made smaller and then cut to fit into `room`."""
    while size > 8 and _font(size).getlength(text) > room * SCALE:
        size -= 1
    while text and _font(size).getlength(text) > room * SCALE:
        text = text[:-2].rstrip() + "…" if len(text) > 2 else ""
    pen.text((x * SCALE, y * SCALE), text, fill=color, font=_font(size))


# Images and codes --------------------------------------------------------------------------------


def code_map(
    codes: Any, grid: Sequence[int], n_codes: int, side: int, marked: Any = None
) -> Pixels:
    """One codebook's codes on the grid of nodes: a number and a colour per code.

    codes: integers (N,) in 0..n_codes-1, row-major on grid (rows, columns).  side: height in CSS
        pixels.
    marked: booleans (N,) of nodes to frame, or None.  Numbers that would not fit are left out.
    """
    table = as_array(codes)
    rows, columns = check_grid(grid, len(table))
    cell = max(2, side * SCALE // rows)
    colors = _bytes(code_colors(n_codes))[table.reshape(rows, columns)]
    image = _resized(colors, columns * cell, rows * cell)
    pen = ImageDraw.Draw(image)
    size = min(12, int(cell / SCALE / 1.9))
    for n, code in enumerate(table):
        x, y = n % columns * cell, n // columns * cell
        if size >= 6:
            _write(pen, (x + cell / 2, y + cell / 2), str(code), size)
        if marked is not None and marked[n]:
            pen.rectangle((x, y, x + cell - 1, y + cell - 1), outline=INK, width=max(2, cell // 12))
    return np.asarray(image)


def difference(a: Any, b: Any) -> Pixels:
    """|a - b| of two images, mean over channels: black is none, white is 0.25 or more."""
    one, two = pixels(a).astype(float), pixels(b).astype(float)
    if one.shape != two.shape:
        raise ValueError(f"the images must have one shape, found {one.shape} and {two.shape}")
    heat = np.abs(one - two).mean(axis=2) / 255 / LARGEST_DIFFERENCE
    return _bytes(matplotlib.colormaps["magma"](heat.clip(0, 1))[..., :3])


def set_nodes_over(
    image: Any, mask: Any, grid: Sequence[int], side: int, marked: Sequence[int] = ()
) -> Pixels:
    """The image where an action sets codes, veiled where it copies them, with the border drawn.

    mask: (N,) probability that the action sets a code of the node; the border is at one half.
    marked: nodes to frame.
    """
    base, strength = pixels(image), as_array(mask).astype(float)
    rows, columns = check_grid(grid, len(strength))
    cell = max(2, side * SCALE // rows)
    share = strength.reshape(rows, columns)
    large = np.asarray(_resized(base, columns * cell, rows * cell)).astype(float)
    veil = np.kron(1 - share, np.ones((cell, cell)))[..., None] * 0.78
    drawn = Image.fromarray((large * (1 - veil) + 255 * veil).round().astype(np.uint8))
    pen = ImageDraw.Draw(drawn)
    for width, color in ((8, INK), (4, SET_MARK)):
        for line in border(counts(share)) * cell:
            pen.line(line.ravel().tolist(), fill=color, width=width)
    for n in marked:
        x, y = n % columns * cell, n // columns * cell
        for inset, color in ((1, "white"), (4, MOVED_MARK)):
            box = (x + inset, y + inset, x + cell - 1 - inset, y + cell - 1 - inset)
            pen.rectangle(box, outline=color, width=4)
    return np.asarray(drawn)


def named_codes_over(image: Pixels, grid: Sequence[int], codes: Sequence[str]) -> Pixels:
    """An image (h, w, 3) with the codes of variables v0, v1, ... in its cells, and their names."""
    drawn = Image.fromarray(image)
    pen, cell = ImageDraw.Draw(drawn), image.shape[0] / grid[0]
    for n, text in enumerate(codes):
        x, y = n % grid[1] * cell, n // grid[1] * cell
        for told, size, at, anchor in (
            (text, min(0.44, 0.8 / len(text)), 0.5, "mm"),
            (f"v{n}", 0.17, 0.09, "lt"),
        ):
            letters = int(size * cell / SCALE)
            if letters >= 6:
                _write(pen, (x + at * cell, y + at * cell), told, letters, INK, anchor)
    return np.asarray(drawn)


def blank(side: int, columns: float = 1.0) -> Pixels:
    """An empty place of a sheet, so that its size stays the same."""
    return np.full((side * SCALE, int(side * columns) * SCALE, 3), 247, dtype=np.uint8)


# Numbers -----------------------------------------------------------------------------------------


def bars(
    values: Any, names: Sequence[str], side: int, width: int, marks: dict[int, str] | None = None
) -> Pixels:
    """Bars of probabilities, one line per name, with their percent and a word where marked.

    values: (A,) in [0, 1].  side, width: CSS pixels.  marks: text after some bars, {3: "true"}.
    """
    shares, marks = as_array(values).astype(float), marks or {}
    image, pen = _canvas(width, side)
    line = side / len(shares)
    size = max(6, min(11, int(line * 0.78)))
    names_end = max(_font(size).getlength(name) for name in names) / SCALE + 6
    told = [f"{100 * share:.0f} %" if share >= 0.005 else "" for share in shares]
    told = [f"{text}  {marks[a]}".strip() if a in marks else text for a, text in enumerate(told)]
    # a bar that is full leaves room for the longest text
    full = width - names_end - 10 - max(_font(size).getlength(text) for text in told) / SCALE
    for a, share in enumerate(shares):
        top = a * line
        middle = (top + line / 2) * SCALE
        ink = INK if share >= 0.005 or a in marks else "#888888"
        _write(pen, (names_end * SCALE - 6, middle), names[a], size, ink, "rm")
        box = (names_end, top + 0.18 * line, names_end + max(1.0, full * share), top + 0.82 * line)
        pen.rectangle([v * SCALE for v in box], fill=BLUE if share >= 0.005 else "#cccccc")
        color = GREEN if "true" in told[a] else ink
        _write(pen, ((box[2] + 5) * SCALE, middle), told[a], size, color, "lm")
    return np.asarray(image)


def cells(texts: Sequence[Sequence[str]], colors: Any, side: int, name: str = "z") -> Pixels:
    """A matrix as coloured cells with a text in each, row = cause, named at both edges.

    texts: (n, n).  colors: (n, n, 3) in [0, 1].  side: CSS pixels.  name: before the numbers.
    """
    fill = _bytes(as_array(colors).astype(float))
    edge, size = 22 * SCALE, len(texts)
    cell = (side * SCALE - edge) // size
    image, pen = _canvas(side, side)
    letters = max(7, min(13, int(cell / SCALE / 4)))
    for n in range(size):
        middle = edge + n * cell + cell // 2
        for at in ((edge // 2, middle), (middle, edge // 2)):
            _write(pen, at, f"{name}{n}", 10, FAINT)
    for (r, c), text in np.ndenumerate(np.array(texts, dtype=object)):
        x, y = edge + c * cell, edge + r * cell
        pen.rectangle((x, y, x + cell - 2, y + cell - 2), fill=tuple(fill[r, c].tolist()))
        ink = "white" if fill[r, c].mean() < 110 else INK
        _write(pen, (x + cell / 2, y + cell / 2), str(text), letters, ink)
    return np.asarray(image)


def weights(values: Any, side: int, top: float = 2.0) -> Pixels:
    """Weights (n, n) as `cells`: blue above 0, orange below, full at `top`; row = cause."""
    table = as_array(values).astype(float)
    strength = (np.abs(table) / top).clip(0, 1)[..., None]
    ends = np.where(table[..., None] > 0, to_rgb(BLUE), to_rgb(ORANGE))
    texts = [[f"{v:.1f}" if abs(v) > 1e-9 else "" for v in row] for row in table]
    return cells(texts, 0.96 * (1 - strength) + ends * strength, side)


def relations(found: Any, truth: Any, side: int) -> Pixels:
    """Relations (n, n) found, beside the truth, as `cells`: right, missed, false; row = cause."""
    found, truth = as_array(found).astype(bool), as_array(truth).astype(bool)
    kind = np.where(found, np.where(truth, 1, 3), np.where(truth, 2, 0))
    colors = np.array([(0.96,) * 3, to_rgb(BLUE), (0.86,) * 3, to_rgb(ORANGE)])[kind]
    texts = [[("", "yes", "missed", "false")[k] for k in row] for row in kind.tolist()]
    return cells(texts, colors, side)


def curve(points: Any, side: int, width: int, color: str = BLUE, *, log: bool = False) -> Pixels:
    """A line through (step, value) pairs with its range written at the left; empty without points.

    points: (n, 2).  side, width: CSS pixels.  log: the height is the logarithm of the value.
    """
    table = as_array(points).astype(float).reshape(-1, 2)
    table = table[np.isfinite(table).all(axis=1)]
    image, pen = _canvas(width, side)
    left, top, bottom = 40 * SCALE, 6 * SCALE, (side - 16) * SCALE
    right = (width - 8) * SCALE
    pen.line((left, top, left, bottom, right, bottom), fill="#999999", width=SCALE)
    if not len(table):
        return np.asarray(image)
    x, y = table.T
    low, high = y.min(), y.max()
    height = np.log(y) if log and low > 0 else y
    span = np.ptp(height)
    across = left + 4 + (x - x.min()) / (np.ptp(x) or 1.0) * (right - left - 8)
    up = (height - height.min()) / span if span else np.full(len(y), 0.5)
    spots = np.column_stack([across, bottom - 6 - up * (bottom - top - 12)]).tolist()
    if len(spots) > 1:
        pen.line([tuple(spot) for spot in spots], fill=color, width=2 * SCALE, joint="curve")
    a, b = spots[-1]
    pen.ellipse((a - 6, b - 6, a + 6, b + 6), fill=color)
    _write(pen, (left - 6, top + 8), f"{high:.3g}", 8, FAINT, "rm")
    if high > low:
        _write(pen, (left - 6, bottom - 8), f"{low:.3g}", 8, FAINT, "rm")
    _write(pen, (right, bottom + 4), f"step {x[-1]:.0f}", 8, FAINT, "ra")
    return np.asarray(image)


PANELS = {  # phase: (column of the log, title, whether logarithmic)
    "autoencoder": (
        ("mse", "squared error", True),
        ("psnr", "PSNR (dB)", False),
        ("perplexity", "perplexity of the codes", False),
    ),
    "transition": (
        ("nll", "negative log-likelihood", False),
        ("action_accuracy", "action accuracy", False),
        ("set_codes", "codes set per action", False),
    ),
}


def training(
    rows: Sequence[dict], strips: Sequence[Sequence[Tile]], summary: str, side: int = 96
) -> Sheet:
    """Live curves of both phases over strips of tiles (images, masks), always of one size."""
    lines = []
    for (phase, panels), color in zip(PANELS.items(), (BLUE, ORANGE), strict=True):
        tiles = []
        for column, title, log in panels:
            told = [r for r in rows if r.get("phase") == phase and r.get(column) not in (None, "")]
            points = np.array([(r["step"], r[column]) for r in told], dtype=float)
            last = f": {told[-1][column]:.3g}" if told else ""
            tiles.append(Tile(title + last, curve(points, side, 200, color, log=log)))
        lines.append(tiles)
    return sheet([*lines, *strips], [side, side] + [80] * len(strips), summary)
