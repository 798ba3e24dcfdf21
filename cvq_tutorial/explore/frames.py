"""What the graph explorer shows: an action on codes, nodes held, edges cut, and what is beside it.

Holding a node is a hard `do()`: it has the code that the reader gave it, before and after the
action, so no edge into it is left and the action cannot set it. Its effects stay, which is the
point: hold a cause at another code and see what its effects become. Cutting an edge is smaller: the
effect no longer hears that one cause.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cvq_tutorial.common.arrays import counts
from cvq_tutorial.common.images import to_float
from cvq_tutorial.draw import sheets as pictures
from cvq_tutorial.draw.arrows import MARGIN, graph_over_image, size_over
from cvq_tutorial.draw.parts import code_colors
from cvq_tutorial.draw.style import png
from cvq_tutorial.explore import given
from cvq_tutorial.worlds.world import ImageWorld

NONE = "none"
NOTHING, TRUE_Y, ANOTHER, MODEL = "nothing", "true y", "another x", "another model"
MISSING = {  # why it does not stand beside
    TRUE_Y: "the true y is known where the explorer starts from a world",
    ANOTHER: "there is no other x: expected a world, or several images to start",
    MODEL: "there is no other model: give one as `other`",
}


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
    n_nodes = before.shape[1]
    for node, kept in held.items():
        before[0, node] = torch.tensor(kept)
    images: list[np.ndarray | None] = [None, None]
    if model.autoencoder is not None:
        images[0] = pictures.pixels(model.decode(before))
    if action == NONE:
        none = np.zeros((n_nodes, n_nodes))
        return Frame(before, before, none[0], none, images[0], images[0])
    own = torch.arange(model.n_nodes).view(-1, n_nodes)  # the model's nodes at each place
    away = torch.zeros(model.n_nodes, model.n_nodes, dtype=torch.bool)
    away[:, own[:, sorted(held)].flatten()] = True
    for cause, effect in cut:
        away[own[:, cause][:, None], own[:, effect]] = True
    out = model.distribution(before, model.check_actions(action, 1), cut=away.to(model.device))
    probs = model.from_nodes(out.log_probs()).exp()  # (1, N, C, K)
    mask = model.from_nodes(out.mask)[0].amax(1)  # (N,)
    layers = model.n_nodes // n_nodes  # codebooks, where each has nodes of its own
    edges = out.edges[0].view(layers, n_nodes, layers, n_nodes).amax((0, 2))  # row = cause
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


# Beside it -------------------------------------------------------------------------------------
#
# Two models of one world, such as two seeds, have codes of their own, which do not compare; but a
# node is the same place in both, and so is an edge. In a world of codes the codes mean the same in
# both, too: there what is held and cut is held and cut in both. How many edges they share says
# little without what chance would share.


@dataclass(frozen=True)
class Beside:
    """What the third board compares with.

    heading: "" for nothing.  codes: (1, N, C) or None.  image: uint8 (H, W, 3) or None.  mask: (N,)
    or None.  told: a sentence.  other: the frame of another model.  n_codes: of that model, 0
    without one.  own_codes: whether they mean something else than the explorer's model means.
    """

    heading: str = ""
    codes: Tensor | None = None
    image: NDArray[np.uint8] | None = None
    mask: NDArray[np.float64] | None = None
    told: str = ""
    other: Frame | None = None
    n_codes: int = 0
    own_codes: bool = False

    @property
    def comparable(self) -> bool:
        """Whether there are codes, and they mean what the explorer's model means by them."""
        return self.codes is not None and not self.own_codes

    def in_words(self, made: Frame, threshold: float) -> str:
        """The sentence, with the edges that another model shares with the frame `made`."""
        shared = shared_edges(made, self.other, threshold) if self.other else ""
        return f"{self.told} {shared}".strip()


def true_y(
    model: Any, world: ImageWorld, values: Sequence[int], action: str, made: Frame
) -> Beside:
    """The world's image after the action, and how near the frame's comes to it."""
    if action == NONE:
        y, name = given.start_image(world, values), "true x"
    elif action not in world.factors.action_names:
        return Beside(f"true y: the world knows no {action}")
    elif not given.possible(world, values, action):
        return Beside(f"true y: none, {action} leads nowhere from this x")
    else:
        y, name = given.start_image(world, given.after_action(world, values, action)), "true y"
    codes = model.encode(y).cpu()
    other = int((codes != made.after.cpu()).any(-1).sum())
    assert made.image_after is not None  # a world of images has a model of images
    near = given.psnr_text(to_float(made.image_after[None]), y)
    told = f"Beside the {name}: PSNR {near}, other codes at {other} of {codes.shape[1]} nodes."
    return Beside(name, codes, pictures.pixels(y), None, told)


def another_x(model: Any, image: Any) -> Beside:
    """Another picture, or other codes, as they are."""
    shown = None if model.autoencoder is None else pictures.pixels(image)
    return Beside(ANOTHER, given.codes_of(model, image), shown, None, "Beside it another x.")


def another_action(
    model: Any, codes: Tensor, action: str, held: Mapping[int, Any],
    cut: Sequence[tuple[int, int]], made: Frame,
) -> Beside:  # fmt: skip
    """What another action does to the same codes, with the same nodes held and edges cut."""
    other = make_frame(model, codes, action, dict(held), cut)
    told = f"Beside it do({action}), which {_sets(other, made)}."
    return Beside(f"after do({action})", other.after, other.image_after, other.mask, told)


def another_model(
    model: Any, other: Any, image: Any, action: str, held: Mapping[int, Any],
    cut: Sequence[tuple[int, int]], made: Frame,
) -> Beside:  # fmt: skip
    """What another model of the same places does; in a world of codes, as held and cut here."""
    if action != NONE and action not in other.action_names:
        return Beside(f"{MODEL}: it knows no {action}")
    own = not (model.autoencoder is other.autoencoder is None and model.n_codes == other.n_codes)
    kept, told = (held, cut), f"Beside it {MODEL}"
    if held or cut:
        told += ", nothing held or cut: its codes are its own" if own else ", held and cut as here"
    if own:
        kept = {}, ()
    found = make_frame(other, given.codes_of(other, image), action, *kept)
    told += ", which "
    if not own:
        differ = int((found.after.cpu() != made.after.cpu()).any(-1).sum())
        told += f"ends up with other codes at {differ} of {len(made.mask)} nodes and "
    heading = MODEL + in_hand(*kept) + ("" if action == NONE else f", after do({action})")
    seen = found.after, found.image_after, found.mask, f"{told}{_sets(found, made)}."
    return Beside(heading, *seen, found, other.n_codes, own)


def check_another(model: Any, other: Any, image: Any) -> None:
    """Raise ValueError unless the other model sees as many places in the image."""
    wanted, found = (given.codes_of(m, image).shape[1] for m in (model, other))
    if wanted != found:
        raise ValueError(f"another model: expected {wanted} places, as the first, found {found}")


def shared_edges(made: Frame, other: Frame, threshold: float) -> str:
    """How many edges into nodes that both set are in both graphs, and how many chance would share.

    By chance: as many edges as each has there, laid at random among all pairs of a cause and such a
    node.
    """
    both = counts(made.mask) & counts(other.mask)  # (N,)
    if not both.any():
        return "They set no node together."
    one, two = (frame.graph[:, both] >= threshold for frame in (made, other))
    shared, a, b = int((one & two).sum()), int(one.sum()), int(two.sum())
    return (
        f"Into these come {a} edges here and {b} there; {shared} are shared, "
        f"{a * b / one.size:.1f} would be by chance."
    )


def in_hand(held: Sized, cut: Sized) -> str:
    """What a heading says of the nodes that are held and the edges that are cut."""
    told = f", {len(held)} held" if held else ""
    return told + (f", {len(cut)} cut" if cut else "")


def _sets(other: Frame, made: Frame) -> str:
    both = int((counts(other.mask) & counts(made.mask)).sum())
    n = int(counts(other.mask).sum())
    return f"sets {n} node{'s' * (n != 1)}, {both} of them the same"


# For pages without a kernel ----------------------------------------------------------------------

INCH = {False: 60, True: 80}  # CSS pixels of an inch of a board: of an image, of a world of codes
Grid = tuple[int, int]


def board_size(image: Any, grid: Grid) -> tuple[int, int]:
    """CSS pixels (width, height) of a board; one of codes is as high as its rows need."""
    wide, high = size_over(grid, image is None)
    return round(wide * INCH[image is None]), round(high * INCH[image is None])


def code_texts(codes: Tensor) -> list[str]:
    """What stands in the cells of a world of codes: the codes of each node."""
    return [" ".join(map(str, of_node)) for of_node in codes[0].tolist()]


def drawn_edges(
    made: Frame, grid: Grid, n_codes: int, node: int | None, threshold: float, top_k: int,
    used_only: bool,
) -> pictures.Pixels:  # fmt: skip
    """The first board: the codes before, and the arrows of a node, if one is pinned."""
    graph = np.where(counts(made.mask) | (not used_only), made.graph, 0.0)
    graph = graph * (node is not None)  # no arrows without a node, as on the page
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
    wide, tall = board_size(image, grid)
    width = 280 if image is not None else wide * 0.86 * columns / (columns + 2 * MARGIN)
    high = round(width * min(1.0, rows / columns))  # CSS pixels; a wide one is no wider than that
    over = pictures.set_nodes_over(below, mask, grid, high, marked)
    if image is None:
        over = pictures.named_codes_over(over, grid, code_texts(codes))
    room = 2 * tall - len(over)  # as large, and as high up, as the image among the arrows
    sides = ((room // 2, room - room // 2), (0, 0), (0, 0))
    return np.pad(over, sides, constant_values=255)


def _picture(
    codes: Tensor, image: NDArray[np.uint8] | None, grid: Grid, n_codes: int
) -> pictures.Pixels:
    if image is not None:
        return image
    colors = (code_colors(n_codes) * 255).round().astype(np.uint8)
    return colors[codes[0, :, 0].reshape(grid).numpy()]  # a pixel for each


def drawn_boards(
    made: Frame, third: Beside, headings: tuple[str, str], grid: Grid, n_codes: int,
    moved: Sequence[int], edges: tuple[int | None, float, int, bool],
) -> list[pictures.Tile]:  # fmt: skip
    """The boards for pages without a kernel. edges: as the last arguments of `drawn_edges`.

    In a world of codes, where the arrows of another model stand over its codes after, those of this
    one stand there, too: both at one moment.
    """
    set_ = drawn_set(made.after, made.image_after, made.mask, grid, n_codes, moved)
    if third.other is not None and made.image_after is None:
        set_ = drawn_edges(replace(made, before=made.after), grid, n_codes, *edges)
    boards = [drawn_edges(made, grid, n_codes, *edges), set_]
    tiles = [pictures.Tile(*both) for both in zip(headings, boards, strict=True)]
    if third.other is not None:  # its arrows are what is compared, over its codes after, as live
        assert third.codes is not None
        seen = replace(third.other, before=third.codes, image_before=third.image)
        over = drawn_edges(seen, grid, third.n_codes, *edges)
        tiles.append(pictures.Tile(third.heading, over))
    elif third.codes is not None:
        mask = np.ones(len(made.mask)) if third.mask is None else third.mask
        over = drawn_set(third.codes, third.image, mask, grid, n_codes)
        tiles.append(pictures.Tile(third.heading, over))
    return tiles
