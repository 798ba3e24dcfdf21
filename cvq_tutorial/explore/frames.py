"""What the graph explorer shows: an action on codes, while nodes are held and edges are cut.

Holding a node is a hard `do()`: it has the code that the reader gave it, before and after the
action, so no edge into it is left and the action cannot set it. Its effects stay, which is the
point: hold a cause at another code and see what its effects become. Cutting an edge is smaller: the
effect no longer hears that one cause.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cvq_tutorial.common.arrays import counts
from cvq_tutorial.draw import sheets as pictures
from cvq_tutorial.draw.arrows import graph_over_image
from cvq_tutorial.draw.parts import code_colors
from cvq_tutorial.draw.style import png

NONE = "none"


@dataclass(frozen=True)
class Frame:
    """What an action does to codes while some nodes are held and some edges cut.

    before, after: (1, N, C) int64.  mask: (N,) probability that the node is set (largest of its C),
        0 where held.
    graph: (N, N) edge probabilities, row = cause, column = effect; 0 where cut, and in the columns
        of held nodes.
    image_before, image_after: uint8 (H, W, 3), or None for a world of codes.
    """

    before: Tensor
    after: Tensor
    mask: NDArray[np.float64]
    graph: NDArray[np.float64]
    image_before: NDArray[np.uint8] | None
    image_after: NDArray[np.uint8] | None

    def name(self, node: int) -> str:
        """What a reader calls the node: variables of a world of codes are v0, v1, ..."""
        return f"v{node}" if self.image_before is None else f"node {node}"

    def moved_from(self, free: Frame, held: Mapping[int, Any]) -> list[int]:
        """The nodes, held ones aside, that end up with other codes than in the frame `free`."""
        other = (self.after != free.after).any(-1)[0]  # (N,)
        return [n for n in torch.nonzero(other).flatten().tolist() if n not in held]

    def causes(
        self, node: int | None, threshold: float, used_only: bool
    ) -> list[tuple[str, int | None]]:
        """The causes of a node over the threshold, likeliest first, as options of a menu."""
        if node is None:
            return [("no node is pinned", None)]
        if used_only and not counts(self.mask[node]):
            return [(f"{self.name(node)} is not set", None)]
        column = self.graph[:, node]
        found = [int(n) for n in np.argsort(-column, kind="stable") if column[n] >= threshold]
        told = [f"{'itself' if n == node else self.name(n)} ({column[n]:.2f})" for n in found]
        return [*zip(told, found, strict=True)] or [(f"{self.name(node)} has none", None)]


def make_frame(
    model: Any,
    codes: Tensor,
    action: str,
    held: Mapping[int, Sequence[int]] | None = None,
    cut: Sequence[tuple[int, int]] = (),
) -> Frame:
    """The frame of one action.

    model: a CausalVQ.  codes: (1, N, C) int64.  action: a name, or "none" for no action (then
    nothing is set and there are no edges).  held: node -> its C codes.  cut: edges (cause, effect)
    that are taken away. With the layout "codebook_places" a node here is still a place: its mask
    and edges are the largest of its codebooks'.
    """
    held = held or {}
    before = model.check_codes(codes).clone()  # (1, N, C)
    n_nodes, n_codebooks = before.shape[1:]
    for node, kept in held.items():
        before[0, node] = torch.tensor(kept)
    images: list[np.ndarray | None] = [None, None]
    if model.autoencoder is not None:
        images[0] = pictures.pixels(model.decode(before))
    if action == NONE:
        none = np.zeros((n_nodes, n_nodes))
        return Frame(before, before, none[0], none, images[0], images[0])
    joint = model.n_nodes == n_nodes
    own = torch.arange(model.n_nodes).view(-1, n_nodes)  # the model's nodes at each place
    away = torch.zeros(model.n_nodes, model.n_nodes, dtype=torch.bool)
    away[:, own[:, sorted(held)].flatten()] = True
    for cause, effect in cut:
        away[own[:, cause][:, None], own[:, effect]] = True
    out = model.distribution(before, model.check_actions(action, 1), cut=away.to(model.device))
    probs = model.from_nodes(out.log_probs()).exp()  # (1, N, C, K)
    mask = model.from_nodes(out.mask)[0].amax(1)  # (N,)
    edges = out.edges[0]  # row = cause
    if not joint:
        edges = edges.view(n_codebooks, n_nodes, n_codebooks, n_nodes).amax((0, 2))
    mask, edges = mask.cpu().double().numpy(), edges.cpu().double().numpy()
    for cause, effect in cut:
        edges[cause, effect] = 0.0
    for node in held:
        probs[0, node] = torch.nn.functional.one_hot(before[0, node], model.n_codes).to(probs)
        mask[node], edges[:, node] = 0.0, 0.0
    if model.autoencoder is not None:
        with torch.no_grad():
            images[1] = pictures.pixels(model.autoencoder.decode_expected(probs))
    return Frame(before, probs.argmax(-1), mask, edges, images[0], images[1])


def in_words(
    made: Frame, action: str, threshold: float, held: Sized, cut: Sized, moved: Sized
) -> str:
    """What the action does, at the threshold that is set, and what the reader's hands change."""
    done = f"; {len(held)} held by do(node)" if held else ""
    done += f"; {len(cut)} edge{'s' * (len(cut) != 1)} cut" if cut else ""
    if done:
        n = len(moved)
        ends = f"{n} other node{'s' * (n != 1)} end{'s' * (n == 1)} up with other codes"
        done += f", and because of that {ends}"
    if action == NONE:
        return f"no action{done}."
    is_set = counts(made.mask)
    changed = int((made.before != made.after).any(-1).sum())
    edges = int((made.graph[:, is_set] >= threshold).sum())
    return (
        f"do({action}) sets {int(is_set.sum())} of {len(is_set)} nodes and changes {changed}; "
        f"{edges} edge{'s' * (edges != 1)} into set nodes at threshold {threshold:.2f}{done}."
    )


# For pages without a kernel ----------------------------------------------------------------------

TALL = 384  # CSS pixels of a board
Grid = tuple[int, int]


def code_texts(codes: Tensor) -> list[str]:
    """What stands in the cells of a world of codes: the codes of each node."""
    return [" ".join(map(str, of_node)) for of_node in codes[0].tolist()]


def drawn_edges(
    made: Frame, grid: Grid, n_codes: int, node: int | None, threshold: float, top_k: int,
    used_only: bool,
) -> pictures.Pixels:  # fmt: skip
    """The first board: x and the arrows of a node, if one is pinned."""
    graph = np.where(counts(made.mask), made.graph, 0.0) if used_only else made.graph
    if node is None:  # no arrows, as on the page
        graph = np.zeros_like(graph)
    below = _picture(made.before, made.image_before, grid, n_codes)
    texts = code_texts(made.before) if made.image_before is None else None
    arrows = graph_over_image(below, graph, grid, node or 0, threshold, top_k, codes=texts)
    return np.asarray(Image.open(io.BytesIO(png(arrows))).convert("RGB"))


def drawn_set(
    codes: Tensor, image: NDArray[np.uint8] | None, mask: NDArray[np.float64], grid: Grid,
    n_codes: int, marked: Sequence[int] = (),
) -> pictures.Pixels:  # fmt: skip
    """Another board: codes or their image, pale where nothing is set, some nodes framed."""
    below = _picture(codes, image, grid, n_codes)
    rows, columns = below.shape[:2]
    high = round(280 * min(1.0, rows / columns))  # CSS pixels; a wide one is no wider than 280
    over = pictures.set_nodes_over(below, mask, grid, high, marked)
    if image is None:
        over = pictures.named_codes_over(over, grid, code_texts(codes))
    room = 2 * TALL - len(over)  # as large, and as high up, as the image among the arrows
    sides = ((room // 2, room - room // 2), (0, 0), (0, 0))
    return np.pad(over, sides, constant_values=255)


def _picture(
    codes: Tensor, image: NDArray[np.uint8] | None, grid: Grid, n_codes: int
) -> pictures.Pixels:
    if image is not None:
        return image
    colors = (code_colors(n_codes) * 255).round().astype(np.uint8)
    return colors[codes[0, :, 0].reshape(grid).numpy()]  # a pixel for each
