"""The code grid over an image as a widget: nodes to hover, focus and pin, and arrows of a graph.

`Names` says what the controls of an explorer are called.

It knows nothing about models. Python puts pictures, labels, a mask and edges into its traits; the
front end (`graph_widget.js`, shipped with the package, without any import) draws them and gives
back one thing, the pinned node. It draws from the traits alone, so a view that was thrown away
comes back as it was.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from matplotlib.colors import to_hex

from cvq_tutorial.common.arrays import EDGE_AT
from cvq_tutorial.draw.parts import code_colors
from cvq_tutorial.draw.sheets import Pixels, png_of


class GraphWidget(anywidget.AnyWidget):
    """Front end of the explorers of codes and graphs.

    image, after: data URLs of the picture before and after, "" for none (no second board then).
    rows, columns: of the code grid; N = rows x columns.  labels, labels_after: N texts, the codes
        of each node.
    tints, tints_after: N CSS colours for the nodes, or [] to see the image.  mask: N probabilities
        that the node is set.
    edges: float32 (N, N) as bytes, row = cause, column = effect, or b"" for no graph.
    threshold, top_k, used_only: which edges are drawn (see `GraphExplorer`).  held: nodes to frame.
    heading, heading_after, action: texts.  node: the pinned node, None for none.
    third, labels_third, tints_third, mask_third, edges_third, heading_third: of a third board,
        which is there if it has a heading.  moved: nodes to mark on the second.  cut: edges (cause,
        effect) that the reader cut.  noun: "node", "variable" where they are called
        v0, v1, ..., or "code" where the cells are codes to choose from.
    """

    _esm = Path(__file__).with_name("graph_widget.js")

    image = traitlets.Unicode("").tag(sync=True)
    after = traitlets.Unicode("").tag(sync=True)
    rows = traitlets.Int(1).tag(sync=True)
    columns = traitlets.Int(1).tag(sync=True)
    labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    labels_after = traitlets.List(traitlets.Unicode()).tag(sync=True)
    tints = traitlets.List(traitlets.Unicode()).tag(sync=True)
    tints_after = traitlets.List(traitlets.Unicode()).tag(sync=True)
    mask = traitlets.List(traitlets.Float()).tag(sync=True)
    edges = traitlets.Bytes(b"").tag(sync=True)
    threshold = traitlets.Float(EDGE_AT).tag(sync=True)
    top_k = traitlets.Int(8).tag(sync=True)
    used_only = traitlets.Bool(True).tag(sync=True)
    held = traitlets.List(traitlets.Int()).tag(sync=True)
    heading = traitlets.Unicode("").tag(sync=True)
    heading_after = traitlets.Unicode("").tag(sync=True)
    action = traitlets.Unicode("").tag(sync=True)
    third = traitlets.Unicode("").tag(sync=True)
    labels_third = traitlets.List(traitlets.Unicode()).tag(sync=True)
    tints_third = traitlets.List(traitlets.Unicode()).tag(sync=True)
    mask_third = traitlets.List(traitlets.Float()).tag(sync=True)
    edges_third = traitlets.Bytes(b"").tag(sync=True)
    heading_third = traitlets.Unicode("").tag(sync=True)
    moved = traitlets.List(traitlets.Int()).tag(sync=True)
    cut = traitlets.List(traitlets.List(traitlets.Int())).tag(sync=True)
    noun = traitlets.Unicode("node").tag(sync=True)
    node = traitlets.Int(None, allow_none=True).tag(sync=True)

    def put(self, **values: Any) -> None:
        """Set several traits in one message, so that the view is drawn once."""
        with self.hold_sync():
            for name, value in values.items():
                setattr(self, name, value)

    def put_edges(self, edges: Any, trait: str = "edges") -> None:
        """Set the edges, or those of the third board, from probabilities (N, N), or to none."""
        raw = b"" if edges is None else np.ascontiguousarray(edges, dtype="<f4").tobytes()
        setattr(self, trait, raw)


class Names(anywidget.AnyWidget):
    """Gives the sliders' handles and the picture of the explorer it is in a name in the page.

    alt: what the picture shows, in words.
    """

    _esm = Path(__file__).with_name("names.js")

    alt = traitlets.Unicode("").tag(sync=True)


def data_url(image: Pixels | None) -> str:
    """The pixels (h, w, 3) as a data URL, "" for none."""
    if image is None:
        return ""
    return "data:image/png;base64," + b64encode(png_of(image)).decode("ascii")


def css_colors(codes: Sequence[int], n_codes: int) -> list[str]:
    """The colour of each code, as in code maps."""
    return [to_hex(color) for color in code_colors(n_codes)[codes]]
