"""The graph explorer: act on an image, see which codes are set and why, hold nodes, cut causes off.

What is shown is one **frame** (see `frames`): the codes before, an action, the nodes that are held
and the edges that are cut. A third board compares it with something beside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import ipywidgets
import numpy as np
import traitlets
from torch import Tensor

from cvq_tutorial.common.arrays import EDGE_AT, check_threshold
from cvq_tutorial.draw import sheets as pictures
from cvq_tutorial.explore import frames, given
from cvq_tutorial.explore.base import Checked, Explorer, sized
from cvq_tutorial.explore.palette import Palette, nearly_square
from cvq_tutorial.explore.widget import GraphWidget, css_colors, data_url


class GraphExplorer(Explorer):
    """The learned graph over an image: pin a node, choose an action, hold a node at a code.

    model: a CausalVQ, also one of a world of codes.
    start: images, float (B, 3, H, W) in [0, 1] or uint8 (H, W, 3), or codes (B, N, C); or the
        model's world: then x has its middle values, or `values`, the true y can stand beside, and
        there are other x of its test split.
    action: name or number, or "none"; the first one if None.
    other: another model of the same places, such as of another seed, to compare the graph with; in
        a world of codes, where codes mean the same in both, it is held and cut, too.
    Traits, settable: `node` (pinned, or None; at first the one that is most surely set), `action`,
    `threshold` in (0, 1] of an edge, `top_k` causes and effects drawn at most, `used_only` (only
    edges into nodes that the action sets are drawn: the others are copied, their edges are never
    read), `codebook`, `model` (another one encodes the image again), `x` (which image, by number),
    `beside` (what the third board shows: "nothing", "true y", "another x", "another model", or an
    action). Traits, to read: `frame` (see there), `held` (node -> its codes), `cut` (edges, cause
    and effect), `moved` (nodes that end up with other codes because of these two).
    `do(node, code, codebook)` holds a node, `do_as_beside(node)` at the codes of the third board,
    `cut_edge(cause, effect)` cuts, `release(node)` lets a node go, with its cut causes, `undo()`
    takes the last one back.
    """

    node = traitlets.Any(None, allow_none=True)
    action = Checked(frames.NONE)
    threshold = Checked(EDGE_AT)
    top_k = Checked(8)
    used_only = traitlets.Bool(True)
    codebook = Checked(0)
    model = Checked()
    x = Checked(0)
    beside = Checked(frames.NOTHING)
    held: traitlets.Dict[Any, Any] = traitlets.Dict()
    cut = traitlets.Tuple()
    moved = traitlets.Tuple()
    frame = traitlets.Any()

    def __init__(
        self,
        model: Any,
        start: Any,
        action: str | int | None = None,
        values: Sequence[int] | None = None,
        other: Any = None,
    ) -> None:
        super().__init__()
        self.world, self._values, self._images = given.starts_of(start, values)
        self.other = other
        self._third = frames.Beside()
        self._past: list[tuple[tuple[int, int] | None, dict, tuple]] = []
        self.board = GraphWidget()
        self.action_menu = ipywidgets.Dropdown(description="action")
        self.beside_menu = ipywidgets.Dropdown(description="beside")
        self.threshold_slider = ipywidgets.FloatSlider(
            EDGE_AT, min=0.01, max=1.0, step=0.01, description="threshold"
        )
        self.top_k_slider = ipywidgets.IntSlider(8, min=1, max=1, description="at most")
        only = "only edges into nodes that the action sets"
        self.used_box = ipywidgets.Checkbox(True, description=only, indent=False)
        self.codebook_slider = ipywidgets.IntSlider(description="codebook", max=0)
        self.code_slider = ipywidgets.IntSlider(description="do(code)", max=0)
        self.cause_menu = ipywidgets.Dropdown(description="cause")
        lines = self.threshold_slider, self.top_k_slider, self.codebook_slider, self.code_slider
        sized("300px", "70px", self.action_menu, self.beside_menu, self.cause_menu, *lines)
        self.palette = Palette(self, self._slide)
        self.x_button = self.button_for("another x", "random", self._next_x)
        self.cut_button = self.button_for("cut edge", "cut", self._cut_chosen)
        as_beside = partial(self._pinned, self.do_as_beside)
        self.as_button = self.button_for("as beside", "clone", as_beside)
        self.undo_button = self.button_for("undo", "undo", self.undo)
        let_go = partial(self._pinned, self.release)
        self.release_button = self.button_for("let go", "unlock", let_go)
        self.on(self.board, lambda n: setattr(self, "node", n), "node")
        self.on(self.code_slider, self._slide)
        self.tie(action=self.action_menu, beside=self.beside_menu, used_only=self.used_box)
        self.tie(threshold=self.threshold_slider, top_k=self.top_k_slider)
        self.tie(codebook=self.codebook_slider)
        self.model = model
        self.action = self.model.action_names[0] if action is None else action
        self.node = int(np.argmax(self.frame.mask)) if self.frame.mask.any() else 0
        self.x_button.layout.display = None if len(self._images) > 1 else "none"
        if self.model.autoencoder is None:
            self.palette.layout.display = "none"
        row = {"flex_flow": "row wrap", "align_items": "center"}
        show = [self.action_menu, self.beside_menu, self.x_button, self.threshold_slider]
        show += [self.top_k_slider, self.used_box]
        hold = [self.codebook_slider, self.code_slider, self.as_button, self.cause_menu]
        hold += [self.cut_button, self.undo_button, self.release_button]
        above, below = (ipywidgets.HBox(controls, layout=row) for controls in (show, hold))
        self.children = [above, self.board, below, self.palette, self.caption, self.strip]

    # -- what may be set

    @traitlets.validate("model")
    def _check_model(self, proposal: Any) -> Any:
        self._codes = given.codes_of(proposal["value"], self._images[self.x])
        if self.other is not None:
            frames.check_another(proposal["value"], self.other, self._images[self.x])
        return proposal["value"]

    @traitlets.validate("x", "node", "top_k", "codebook")
    def _check_whole(self, proposal: Any) -> int | None:
        name, value, (_, n, c) = proposal["trait"].name, proposal["value"], self._codes.shape
        if name == "node" and value is None:
            return None
        size = {"x": len(self._images), "codebook": c}.get(name, n)
        return given.whole(name, value, size, low=int(name == "top_k"))

    @traitlets.validate("beside")
    def _check_beside(self, proposal: Any) -> str:
        value, there = proposal["value"], self._there()
        if not isinstance(value, str) or value not in there:
            return given.action_name(value, self.model.action_names)
        if not there[value]:
            raise ValueError(frames.MISSING[value])
        return value

    def _there(self) -> dict[str, bool]:
        """What may stand beside, but for actions, and whether it is there."""
        known = self.world is not None, len(self._images) > 1, self.other is not None
        return {frames.NOTHING: True} | dict(zip(frames.MISSING, known, strict=True))

    @traitlets.validate("action")
    def _check_action(self, proposal: Any) -> str:
        if proposal["value"] == frames.NONE:
            return frames.NONE
        return given.action_name(proposal["value"], self.model.action_names)

    @traitlets.validate("threshold")
    def _check_threshold(self, proposal: Any) -> float:
        value = proposal["value"]
        if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)):
            raise TypeError(f"threshold must be a number, found {value!r}")
        return check_threshold(proposal["value"])

    # -- what follows

    @traitlets.observe("model")
    def _start(self, _: Any) -> None:
        n_nodes, n_codebooks = self._codes.shape[1:]
        drawn = self.model.autoencoder is not None  # else codes have no places
        rows, columns = self.model.grid if drawn else nearly_square(n_nodes)
        self.grid, self._past = (rows, columns), []
        self.frame = None  # that of another model says nothing of this one
        with self.writing():
            self.action_menu.options = [frames.NONE, *self.model.action_names]
            offered = {name: name for name, is_there in self._there().items() if is_there}
            offered |= {f"do({name})": name for name in self.model.action_names}
            self.beside_menu.options = [*offered.items()]
            self.top_k_slider.max = n_nodes
            self.codebook_slider.max, self.code_slider.max = n_codebooks - 1, self.model.n_codes - 1
            self.board.put(rows=rows, columns=columns, noun="node" if drawn else "variable")
        with self.hold_trait_notifications():  # nothing is drawn half of one and half of the other
            self.codebook = min(self.codebook, n_codebooks - 1)
            self.top_k = min(self.top_k, n_nodes)
            if self.node is not None:
                self.node = min(self.node, n_nodes - 1)
            if self.action not in self.action_menu.options:
                self.action = frames.NONE
            if self.beside not in offered.values():
                self.beside = frames.NOTHING
            self.held, self.cut = {}, ()
        if self.frame is None:
            self._act(None)

    @traitlets.observe("x")
    def _other_x(self, _: Any) -> None:
        self._codes = given.codes_of(self.model, self._images[self.x])
        self._act(None)

    @traitlets.observe("action", "held", "cut")
    def _act(self, _: Any) -> None:
        held = dict(self.held)
        made = frames.make_frame(self.model, self._codes, self.action, held, self.cut)
        moved: list[int] = []
        if held or self.cut:
            moved = made.moved_from(frames.make_frame(self.model, self._codes, self.action), held)
        self.frame, self.moved = made, tuple(moved)
        doing = "" if self.action == frames.NONE else f"do({self.action})"
        with self.writing(), self.board.hold_sync():
            self.action_menu.value = self.action
            self.board.put_edges(made.graph)
            self.board.put(
                image=data_url(made.image_before),
                after=data_url(made.image_after),
                labels=frames.code_texts(made.before),
                labels_after=frames.code_texts(made.after),
                tints=self._tints(made.before),
                tints_after=self._tints(made.after),
                mask=made.mask.tolist(),
                held=sorted(self.held),
                cut=[list(edge) for edge in self.cut],
                moved=moved,
                action="" if self.action == frames.NONE else self.action,
                heading=f"x{frames.in_hand(held, self.cut)}",
                heading_after=f"after {doing}" if doing else "the same: no action",
            )
        self._compare(None)

    @traitlets.observe("beside")
    def _compare(self, _: Any) -> None:
        if not isinstance(self.frame, frames.Frame):
            return  # while it is being made
        other = self._third = self._beside()
        with self.writing():
            self.beside_menu.value = self.beside
            self.board.put(
                third=data_url(other.image),
                labels_third=[] if other.codes is None else frames.code_texts(other.codes),
                tints_third=[] if other.codes is None else self._tints(other.codes, other.n_codes),
                mask_third=[] if other.mask is None else other.mask.tolist(),
                heading_third=other.heading,
            )
            self.board.put_edges(None if other.other is None else other.other.graph, "edges_third")
        self._select(None)

    def _beside(self) -> frames.Beside:
        """What stands on the third board."""
        if self.beside == frames.NOTHING:
            return frames.Beside()
        if self.beside == frames.TRUE_Y:
            assert self.world is not None  # as the check of `beside` says
            now = self._values[self.x], self.action, self.frame
            return frames.true_y(self.model, self.world, *now)
        if self.beside == frames.ANOTHER:
            return frames.another_x(self.model, self._images[(self.x + 1) % len(self._images)])
        hands = dict(self.held), self.cut, self.frame
        if self.beside == frames.MODEL:
            image = self._images[self.x]
            return frames.another_model(self.model, self.other, image, self.action, *hands)
        return frames.another_action(self.model, self._codes, self.beside, *hands)

    def _tints(self, codes: Tensor, n_codes: int = 0) -> list[str]:
        """Colours in a world of codes, with one codebook: there the codes are the picture."""
        drawn = self.model.autoencoder is not None
        return [] if drawn else css_colors(codes[0, :, 0].tolist(), n_codes or self.model.n_codes)

    @traitlets.observe("threshold", "top_k", "used_only", "node", "codebook")
    def _select(self, _: Any) -> None:
        if not isinstance(self.frame, frames.Frame):
            return  # while it is being made
        made, node = self.frame, self.node
        with self.writing():
            self.follow()
            shown = {name: getattr(self, name) for name in ("threshold", "top_k", "used_only")}
            self.board.put(node=node, **shown)
            self.code_slider.disabled = node is None
            if node is not None:
                self.code_slider.value = int(made.before[0, node, self.codebook])
                if made.image_before is not None:
                    self.palette.put(self.model, made.before, node, self.codebook)
            causes = made.causes(node, self.threshold, self.used_only)
            if tuple(causes) != self.cause_menu.options:
                self.cause_menu.options = causes
                self.cause_menu.index = 0  # the likeliest
            self.cut_button.disabled = self.cause_menu.value is None
            self.as_button.disabled = node is None or not self._third.comparable
            self.release_button.disabled = not self._taken(node)
            self.undo_button.disabled = not self._past
        told = frames.in_words(made, self.action, self.threshold, self.held, self.cut, self.moved)
        self.tell(f"{told} {self._third.in_words(made, self.threshold)}".strip())

    # -- holding nodes

    def do(self, node: int, code: int, codebook: int | None = None) -> None:
        """Hold a node: its code of `codebook` (None: the chosen) becomes `code`, others stay."""
        node = given.whole("node", node, self._codes.shape[1])
        codebook = self.codebook if codebook is None else codebook
        codebook = given.whole("codebook", codebook, self._codes.shape[2])
        kept = self.frame.before[0, node].tolist()
        kept[codebook] = given.whole("code", code, self.model.n_codes)
        if not self._past or self._past[-1][0] != (node, codebook):  # one slide is one step to undo
            self._note((node, codebook))
        self.held = dict(self.held) | {node: tuple(kept)}

    def do_as_beside(self, node: int) -> None:
        """Hold a node at the codes that it has on the third board."""
        node = given.whole("node", node, self._codes.shape[1])
        if not self._third.comparable:
            raise ValueError(f"no codes of this model stand beside: beside is {self.beside!r}")
        assert self._third.codes is not None
        self._note()
        self.held = dict(self.held) | {node: tuple(self._third.codes[0, node].tolist())}

    def cut_edge(self, cause: int, effect: int) -> None:
        """Cut one edge: the effect no longer hears this cause. Of a node to itself, too."""
        size = self._codes.shape[1]
        edge = given.whole("cause", cause, size), given.whole("effect", effect, size)
        if edge not in self.cut:
            self._note()
            self.cut = (*self.cut, edge)

    def release(self, node: int) -> None:
        """Let a node go: it has the image's codes again, and its causes."""
        if not self._taken(given.whole("node", node, self._codes.shape[1])):
            raise ValueError(f"node {node} is not held; held: {sorted(self.held) or 'none'}")
        self._note()
        self.held = {n: kept for n, kept in self.held.items() if n != node}
        self.cut = tuple(edge for edge in self.cut if edge[1] != node)

    def undo(self) -> None:
        """Take back the last thing that was held, cut or released."""
        if self._past:
            _, self.held, self.cut = self._past.pop()
            self._select(None)

    def _note(self, what: tuple[int, int] | None = None) -> None:
        self._past.append((what, dict(self.held), self.cut))

    def _taken(self, node: int | None) -> bool:
        """Whether the reader holds the node or cut a cause of it."""
        return node in self.held or any(effect == node for _, effect in self.cut)

    def _pinned(self, act: Callable[..., None], *args: Any) -> None:
        """Do something with the pinned node, if there is one."""
        if self.node is not None:
            act(self.node, *args)

    def _slide(self, code: int) -> None:
        self._pinned(self.do, code)

    def _next_x(self) -> None:
        self.x = (self.x + 1) % len(self._images)

    def _cut_chosen(self) -> None:
        if self.node is not None and self.cause_menu.value is not None:
            self.cut_edge(self.cause_menu.value, self.node)

    # -- a picture for pages without a kernel

    def stored_png(self) -> bytes:
        """The picture that a saved notebook shows instead of the widget."""
        edges = self.node, self.threshold, self.top_k, self.used_only
        names = self.board.heading, self.board.heading_after
        size = self.grid, self.model.n_codes
        tiles = frames.drawn_boards(self.frame, self._third, names, *size, self.moved, edges)
        tall = frames.board_size(self.frame.image_before, self.grid)[1]
        return pictures.sheet([tiles], [tall], self.summary).png
