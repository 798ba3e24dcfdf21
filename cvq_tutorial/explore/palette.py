"""Codes by their look: what each code of a codebook would make of one place, to choose from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ipywidgets
import numpy as np
import torch
from torch import Tensor

from cvq_tutorial.common.images import to_uint8
from cvq_tutorial.draw.sheets import Pixels
from cvq_tutorial.explore.base import Explorer
from cvq_tutorial.explore.widget import GraphWidget, data_url


def nearly_square(n: int) -> tuple[int, int]:
    """(rows, columns) of n cells: as few columns as fill whole rows, not fewer than rows."""
    columns = math.ceil(math.sqrt(n))
    while n % columns:
        columns += 1
    return n // columns, columns


def looks(model: Any, codes: Tensor, node: int, codebook: int) -> Pixels:
    """The place of a node as it looks with each code: K patches, `nearly_square`, as one picture.

    A patch is twice as wide as the place, for the decoder draws over its border.  codes: (1, N, C),
    of which all others stay.
    """
    tried = codes.repeat(model.n_codes, 1, 1)
    tried[:, node, codebook] = torch.arange(model.n_codes)
    images = to_uint8(model.decode(tried))  # (K, H, W, 3)
    (rows, columns), (height, width) = model.grid, images.shape[1:3]
    tall, wide = height // rows, width // columns
    top = min(max(0, node // columns * tall - tall // 2), height - 2 * tall)
    left = min(max(0, node % columns * wide - wide // 2), width - 2 * wide)
    patches = images[:, max(top, 0) : top + 2 * tall, max(left, 0) : left + 2 * wide]
    lines, each = nearly_square(model.n_codes)
    table = patches.reshape(lines, each, *patches.shape[1:])
    return np.concatenate([np.concatenate([*line], axis=1) for line in table])


HIDDEN = {"display": "none", "width": "300px", "max_width": "100%"}


class Palette(ipywidgets.VBox):
    """A box to tick and, under it, the codes of a codebook by their look.

    explorer: which it is a part of.  choose: called with the code that the reader chose.
    Folded at first; nothing is decoded while it is folded.
    """

    def __init__(self, explorer: Explorer, choose: Callable[[int], None]) -> None:
        super().__init__()
        self.explorer = explorer
        look = "choose a code by its look"
        self.open_box = ipywidgets.Checkbox(False, description=look, indent=False)
        self.board = GraphWidget(noun="code", layout=HIDDEN)
        self._shown: tuple[Any, Tensor, int, int] | None = None
        self._drawn: tuple[Any, Tensor, int, int] | None = None
        explorer.on(self.open_box, lambda _: self._draw())
        explorer.on(self.board, lambda code: None if code is None else choose(code), "node")
        self.children = [self.open_box, self.board]

    def put(self, model: Any, codes: Tensor, node: int, codebook: int) -> None:
        """Show the codes of a codebook at a node of these codes (1, N, C)."""
        self._shown = model, codes, node, codebook
        self._draw()

    def _draw(self) -> None:
        self.board.layout.display = None if self.open_box.value else "none"
        if self._shown is None or not self.open_box.value:
            return
        model, codes, node, codebook = self._shown
        with self.explorer.writing():
            self.board.node = int(codes[0, node, codebook])
            if self._drawn is not None and all(map(_same, self._drawn, self._shown)):
                return
            rows, columns = nearly_square(model.n_codes)
            heading = f"node {node} with each code of codebook {codebook}"
            image = data_url(looks(*self._shown))
            self.board.put(image=image, rows=rows, columns=columns, heading=heading)
        self._drawn = self._shown


def _same(one: Any, two: Any) -> bool:
    return torch.equal(one, two) if isinstance(one, Tensor) else one is two or one == two
