"""What all figures share: one look, one kind of figure, texts that can be drawn, and saving.

A figure here is a `Picture`: a matplotlib Figure that pyplot never knew of (so none stays open),
that carries a one-line `summary` for readers who cannot see it, and that shows itself in a notebook
exactly once.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from cvq_tutorial.common.files import write_atomic

STYLE = Path(__file__).with_name("cvq.mplstyle")
# A blue and an orange after Okabe and Ito (2008), moved apart in lightness (L* 36 and 58), so that
# they stay two on a grey print and for eyes without red or green; both can be read on white.
BLUE, ORANGE, GREEN, GREY, INK = "#005A8C", "#DD6B10", "#009E73", "#999999", "#222222"
ORIENTATION = "row = cause, column = effect"
# Up to four curves, told apart by colour, mark and dash.
LOOKS: tuple[tuple[str, str, Any], ...] = (
    (BLUE, "o", "-"),
    (ORANGE, "s", (0, (4, 1.6))),
    (GREEN, "^", (0, (1.4, 1.2))),
    (INK, "D", "-."),
)

P = ParamSpec("P")
R = TypeVar("R")


class Picture(Figure):
    """A figure with a `summary`: one line that says what can be seen in it."""

    summary: str = ""

    def __init__(self, width: float, height: float, title: str = "") -> None:
        """An empty figure of a fixed size in inches, with constrained layout, without pyplot."""
        super().__init__(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(self)
        if title:
            self.suptitle(title)

    def saying(self, summary: str) -> Picture:
        """The figure itself, now with its summary."""
        self.summary = summary
        return self

    def legend_below(self, handles: Sequence[Any] | None = None, **look: Any) -> None:
        """One legend for all panels, under them; without handles, of what has a label."""
        given = {} if handles is None else {"handles": handles}
        self.legend(**given, loc="outside lower center", **look)

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        # Jupyter knows how to show a Figure only once pyplot is imported; this works always, once.
        return png(self), {"alt": self.summary}


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Decorator: draw in the project's style, and leave the user's settings as they were."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rc_file(STYLE, use_default_template=False)
            return draw(*args, **kwargs)

    return drawn


@styled
def png(figure: Figure, dpi: float | None = None) -> bytes:
    """The figure as the bytes of a PNG; its summary is in the metadata entry Description."""
    buffer = io.BytesIO()
    about = {"Description": getattr(figure, "summary", ""), "Software": None}
    figure.savefig(buffer, format="png", dpi=dpi or "figure", metadata=about)
    return buffer.getvalue()


@styled
def svg(figure: Figure) -> bytes:
    """The figure as the bytes of an SVG, the same for the same figure; its summary is described."""
    buffer = io.BytesIO()
    about = {"Description": getattr(figure, "summary", ""), "Date": None, "Creator": None}
    with matplotlib.rc_context({"svg.hashsalt": "cvq"}):
        figure.savefig(buffer, format="svg", metadata=about)
    return buffer.getvalue()


def save(figure: Figure, path: str | Path) -> Path:
    """Write the figure as a PNG at 150 dpi or as an SVG, whole or not at all; returns the path.

    Raises ValueError for a name that ends in neither .png nor .svg, OSError as `write_atomic`.
    """
    path = Path(path)
    form = path.suffix.lower()
    if form not in (".png", ".svg"):
        raise ValueError(f"a figure is saved as .png or .svg, found {path.name!r}")
    return write_atomic(path, svg(figure) if form == ".svg" else png(figure, dpi=150))


# Texts -------------------------------------------------------------------------------------------


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def label(text: str, longest: int = 40) -> str:
    """A text from outside as it can be drawn: one line, no formula, no character the font lacks."""
    text = " ".join(text.split())
    text = "".join(c if ord(c) in _glyphs() else "?" for c in text)
    text = text if len(text) <= longest else text[: longest - 3] + "..."
    return text.replace("$", r"\$")
