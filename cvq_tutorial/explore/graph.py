"""The graph explorer: act on an image, see which codes are set and why, and take hold of a node
yourself.

What is shown is one **frame**: the codes before, an action, and the nodes that are held. Holding a
node is a hard `do()`: it has the code that the reader gave it, before and after the action, so no
edge into it is left and the action cannot set it. Its effects stay, which is the point: hold a
cause at another code and see what its effects become.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import ipywidgets
import numpy as np
import torch
import traitlets
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cvq_tutorial.common.arrays import EDGE_AT, counts
from cvq_tutorial.draw import sheets as pictures
from cvq_tutorial.draw.arrows import graph_over_image
from cvq_tutorial.draw.sheets import Tile
from cvq_tutorial.draw.style import png
from cvq_tutorial.explore.base import Checked, Explorer, action_name, codes_of, whole
from cvq_tutorial.explore.widget import GraphWidget, css_colors, data_url

NONE = "none"


@dataclass(frozen=True)
class Frame:
    """What an action does to codes while some nodes are held.

    before, after: (1, N, C) int64.  mask: (N,) probability that the node is set (largest of its C),
        0 where held.
    graph: (N, N) edge probabilities, row = cause, column = effect; the columns of held nodes are 0.
    image_before, image_after: uint8 (H, W, 3), or None for a world of codes.
    """

    before: Tensor
    after: Tensor
    mask: NDArray[np.float64]
    graph: NDArray[np.float64]
    image_before: NDArray[np.uint8] | None
    image_after: NDArray[np.uint8] | None


def make_frame(
    model: Any, codes: Tensor, action: str, held: Mapping[int, Sequence[int]] | None = None
) -> Frame:
    """The frame of one action.

    model: a CausalVQ.  codes: (1, N, C) int64.  action: a name, or "none" for no action (then
    nothing is set and there are no edges).  held: node -> its C codes. With the layout
    "codebook_places" a node here is still a place: its mask and edges are the largest of its
    codebooks'.
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
    nodes = torch.tensor(sorted(held), dtype=torch.long)
    if not joint:
        nodes = (nodes + n_nodes * torch.arange(n_codebooks)[:, None]).flatten()
    cut = torch.zeros(model.n_nodes, model.n_nodes, dtype=torch.bool)
    cut[:, nodes] = True
    out = model.distribution(before, model.check_actions(action, 1), cut=cut.to(model.device))
    probs = model.from_nodes(out.log_probs()).exp()  # (1, N, C, K)
    mask = model.from_nodes(out.mask)[0].amax(1)  # (N,)
    edges = out.edges[0]  # row = cause
    if not joint:
        edges = edges.view(n_codebooks, n_nodes, n_codebooks, n_nodes).amax((0, 2))
    mask, edges = mask.cpu().double().numpy(), edges.cpu().double().numpy()
    for node in held:
        probs[0, node] = torch.nn.functional.one_hot(before[0, node], model.n_codes).to(probs)
        mask[node], edges[:, node] = 0.0, 0.0
    if model.autoencoder is not None:
        with torch.no_grad():
            images[1] = pictures.pixels(model.autoencoder.decode_expected(probs))
    return Frame(before, probs.argmax(-1), mask, edges, images[0], images[1])


class GraphExplorer(Explorer):
    """The learned graph over an image: pin a node, choose an action, hold a node at a code.

    model: a CausalVQ, also one of a world of codes.
    image: float (1, 3, H, W) in [0, 1], uint8 (H, W, 3), or codes (1, N, C).
    action: name or number, or "none"; the first one if None.
    Traits, settable: `node` (pinned, or None; at first the one that is most surely set), `action`,
    `threshold` in (0, 1] of an edge, `top_k` causes and effects drawn at most, `used_only` (only
    edges into nodes that the action sets are drawn: the others are copied, their edges are never
    read), `codebook`, `model` (another one encodes the image again). Traits, to read: `frame` (see
    there), `held` (node -> its codes). `do(node, code, codebook)` holds a node, `release(node)`
    lets it go, `undo()` takes back the last of these.
    """

    node = traitlets.Any(None, allow_none=True)
    action = Checked(NONE)
    threshold = Checked(EDGE_AT)
    top_k = Checked(8)
    used_only = traitlets.Bool(True)
    codebook = Checked(0)
    model = Checked()
    held: traitlets.Dict[Any, Any] = traitlets.Dict()
    frame = traitlets.Any()

    def __init__(self, model: Any, image: Any, action: str | int | None = None) -> None:
        super().__init__()
        self._image = image
        self._past: list[tuple[tuple[int, int] | None, dict]] = []
        self.board = GraphWidget()
        style, wide = {"description_width": "70px"}, {"width": "300px"}
        self.action_menu = ipywidgets.Dropdown(description="action", style=style, layout=wide)
        self.threshold_slider = ipywidgets.FloatSlider(
            EDGE_AT, min=0.01, max=1.0, step=0.01, description="threshold", style=style, layout=wide
        )
        self.top_k_slider = ipywidgets.IntSlider(
            8, min=1, max=1, description="at most", style=style, layout=wide
        )
        self.used_box = ipywidgets.Checkbox(
            True, description="only edges into nodes that the action sets", indent=False
        )
        self.codebook_slider = ipywidgets.IntSlider(
            description="codebook", max=0, style=style, layout=wide
        )
        self.code_slider = ipywidgets.IntSlider(
            description="do(code)", max=0, style=style, layout=wide
        )
        self.undo_button = ipywidgets.Button(description="undo", icon="undo")
        self.release_button = ipywidgets.Button(description="let go", icon="unlock")
        for button in (self.undo_button, self.release_button):
            button.layout.width = "96px"
        self.on(self.board, lambda n: setattr(self, "node", n), "node")
        for control, name in (
            (self.action_menu, "action"),
            (self.threshold_slider, "threshold"),
            (self.top_k_slider, "top_k"),
            (self.used_box, "used_only"),
            (self.codebook_slider, "codebook"),
        ):
            self.on(control, partial(setattr, self, name))
        self.on(self.code_slider, self._slide)
        self.on_click(self.undo_button, self.undo)
        self.on_click(self.release_button, self._let_go)
        self.model = model
        self.action = self.model.action_names[0] if action is None else action
        self.node = int(np.argmax(self.frame.mask)) if self.frame.mask.any() else 0
        row = {"flex_flow": "row wrap", "align_items": "center"}
        show = ipywidgets.HBox(
            [self.action_menu, self.threshold_slider, self.top_k_slider, self.used_box], layout=row
        )
        buttons = ipywidgets.HBox([self.undo_button, self.release_button])
        hold = ipywidgets.HBox([self.codebook_slider, self.code_slider, buttons], layout=row)
        self.children = [show, self.board, hold, self.caption, self.strip]

    # -- what may be set

    @traitlets.validate("model")
    def _check_model(self, proposal: Any) -> Any:
        self._codes = codes_of(proposal["value"], self._image)
        return proposal["value"]

    @traitlets.validate("node")
    def _check_node(self, proposal: Any) -> int | None:
        node = proposal["value"]
        return None if node is None else whole("node", node, self._codes.shape[1])

    @traitlets.validate("action")
    def _check_action(self, proposal: Any) -> str:
        value = proposal["value"]
        return NONE if value == NONE else action_name(value, self.model.action_names)

    @traitlets.validate("threshold")
    def _check_threshold(self, proposal: Any) -> float:
        value = proposal["value"]
        if isinstance(value, (bool, str)) or not isinstance(value, (int, float, np.floating)):
            raise TypeError(f"threshold must be a number, found {value!r}")
        if not 0 < value <= 1:  # also refuses NaN
            raise ValueError(f"threshold must lie in (0, 1], found {value}")
        return float(value)

    @traitlets.validate("top_k")
    def _check_top_k(self, proposal: Any) -> int:
        return whole("top_k", proposal["value"], self._codes.shape[1], low=1)

    @traitlets.validate("codebook")
    def _check_codebook(self, proposal: Any) -> int:
        return whole("codebook", proposal["value"], self._codes.shape[2])

    # -- what follows

    @traitlets.observe("model")
    def _start(self, _: Any) -> None:
        n_nodes, n_codebooks = self._codes.shape[1:]
        rows, columns = self.model.grid
        if self.model.autoencoder is None:  # no places: nearly square
            columns = math.ceil(math.sqrt(n_nodes))
            while n_nodes % columns:
                columns += 1
            rows = n_nodes // columns
        self.grid, self._past = (rows, columns), []
        self.frame = None  # that of another model says nothing of this one
        with self.writing():
            self.action_menu.options = [NONE, *self.model.action_names]
            self.top_k_slider.max = n_nodes
            self.codebook_slider.max, self.code_slider.max = n_codebooks - 1, self.model.n_codes - 1
            self.board.put(rows=rows, columns=columns)
        with self.hold_trait_notifications():  # nothing is drawn half of one and half of the other
            self.codebook = min(self.codebook, n_codebooks - 1)
            self.top_k = min(self.top_k, n_nodes)
            if self.node is not None:
                self.node = min(self.node, n_nodes - 1)
            if self.action not in self.action_menu.options:
                self.action = NONE
            self.held = {}
        if self.frame is None:
            self._act(None)

    @traitlets.observe("action", "held")
    def _act(self, _: Any) -> None:
        made = self.frame = make_frame(self.model, self._codes, self.action, dict(self.held))
        doing = "" if self.action == NONE else f"do({self.action})"
        holding = f"{len(self.held)} held" if self.held else ""
        tints: list[list[str]] = [[], []]
        if made.image_before is None:  # a world of codes, one codebook: the codes are the picture
            tints = [
                css_colors(t[0, :, 0].tolist(), self.model.n_codes)
                for t in (made.before, made.after)
            ]
        with self.writing():
            self.action_menu.value = self.action
            with self.board.hold_sync():
                self.board.put_edges(made.graph)
                self.board.put(
                    image="" if made.image_before is None else data_url(made.image_before),
                    after="" if made.image_after is None else data_url(made.image_after),
                    labels=[" ".join(map(str, codes)) for codes in made.before[0].tolist()],
                    labels_after=[" ".join(map(str, codes)) for codes in made.after[0].tolist()],
                    tints=tints[0],
                    tints_after=tints[1],
                    mask=made.mask.tolist(),
                    held=sorted(self.held),
                    action="" if self.action == NONE else self.action,
                    heading="x" + (f", {holding}" if holding else ""),
                    heading_after=f"after {doing}" if doing else "the same: no action",
                )
        self._select(None)

    @traitlets.observe("threshold", "top_k", "used_only", "node", "codebook")
    def _select(self, change: Any) -> None:
        if not isinstance(self.frame, Frame):
            return  # while it is being made
        with self.writing():
            self.threshold_slider.value, self.top_k_slider.value = self.threshold, self.top_k
            self.used_box.value, self.codebook_slider.value = self.used_only, self.codebook
            self.board.put(
                threshold=self.threshold, top_k=self.top_k, used_only=self.used_only, node=self.node
            )
            self.code_slider.disabled = self.node is None
            if self.node is not None:
                self.code_slider.value = int(self.frame.before[0, self.node, self.codebook])
            self.release_button.disabled = self.node not in self.held
            self.undo_button.disabled = not self._past
        self.tell(self._in_words())

    def _in_words(self) -> str:
        """What the action does, at the threshold that is set."""
        made, held = self.frame, f"; {len(self.held)} held by do(node)" if self.held else ""
        if self.action == NONE:
            return f"no action{held}."
        is_set = counts(made.mask)
        changed = int((made.before != made.after).any(-1).sum())
        edges = int((made.graph[:, is_set] >= self.threshold).sum())
        return (
            f"do({self.action}) sets {int(is_set.sum())} of {len(is_set)} nodes and changes "
            f"{changed}; {edges} edges into set nodes at threshold {self.threshold:.2f}{held}."
        )

    # -- holding nodes

    def do(self, node: int, code: int, codebook: int | None = None) -> None:
        """Hold a node: its code of `codebook` (the chosen one if None) becomes `code`.

        The others stay as they are.
        """
        node = whole("node", node, self._codes.shape[1])
        codebook = self.codebook if codebook is None else codebook
        codebook = whole("codebook", codebook, self._codes.shape[2])
        kept = self.frame.before[0, node].tolist()
        kept[codebook] = whole("code", code, self.model.n_codes)
        if not self._past or self._past[-1][0] != (node, codebook):  # one slide is one step to undo
            self._past.append(((node, codebook), dict(self.held)))
        self.held = dict(self.held) | {node: tuple(kept)}

    def release(self, node: int) -> None:
        """Let a held node go: it has the image's codes again, and its causes."""
        if whole("node", node, self._codes.shape[1]) not in self.held:
            raise ValueError(f"node {node} is not held; held: {sorted(self.held) or 'none'}")
        self._past.append((None, dict(self.held)))
        self.held = {n: kept for n, kept in self.held.items() if n != node}

    def undo(self) -> None:
        """Take back the last do() or release()."""
        if self._past:
            self.held = self._past.pop()[1]

    def _slide(self, code: int) -> None:
        if self.node is not None:
            self.do(self.node, code)

    def _let_go(self) -> None:
        if self.node is not None:
            self.release(self.node)

    # -- a picture for pages without a kernel

    def stored_png(self) -> bytes:
        """The picture that a saved notebook shows instead of the widget."""
        made, node = self.frame, self.node or 0
        graph = np.where(counts(made.mask), made.graph, 0.0) if self.used_only else made.graph
        if self.node is None:  # no node is pinned: no arrows, as on the page
            graph = np.zeros_like(graph)
        before, after = made.image_before, made.image_after
        if before is None or after is None:
            before, after = (
                pictures.code_map(t[0, :, 0], self.grid, self.model.n_codes, 256)
                for t in (made.before, made.after)
            )
        arrows = graph_over_image(before, graph, self.grid, node, self.threshold, self.top_k)
        drawn = np.asarray(Image.open(io.BytesIO(png(arrows))).convert("RGB"))
        over = pictures.set_nodes_over(after, made.mask, self.grid, 280)
        room = 2 * 384 - len(over)  # as large, and as high up, as the image among the arrows
        over = np.pad(over, ((room // 2, room - room // 2), (0, 0), (0, 0)), constant_values=255)
        tiles = [Tile(self.board.heading, drawn), Tile(self.board.heading_after, over)]
        return pictures.sheet([tiles], [384], self.summary).png
