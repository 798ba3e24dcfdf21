"""What may stand on the third board of the graph explorer, to compare with: nothing, the true y,
another x, another action, or another model.

Two models of one world, such as two seeds, have codes of their own, which do not compare; but a
node is the same place in both, and so is an edge. In a world of codes the codes mean the same in
both, too: there what is held and cut is held and cut in both. How many edges they share says little
without what chance would share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cvq_tutorial.common.arrays import counts
from cvq_tutorial.common.images import to_float
from cvq_tutorial.draw import sheets as pictures
from cvq_tutorial.explore.base import codes_of, psnr_text, start_image
from cvq_tutorial.explore.frames import NONE, Frame, Grid, drawn_edges, drawn_set, make_frame
from cvq_tutorial.worlds.world import ImageWorld

NOTHING, TRUE_Y, ANOTHER, MODEL = "nothing", "true y", "another x", "another model"


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
    space, now = world.factors, np.array([values], dtype=np.int64)
    if action == NONE:
        y, name = start_image(world, values), "true x"
    elif action not in space.action_names:
        return Beside(f"true y: the world knows no {action}")
    elif not space.legal(now, np.array([space.action_id(action)]))[0]:
        return Beside(f"true y: none, {action} leads nowhere from this x")
    else:
        y = start_image(world, space.apply(now, np.array([space.action_id(action)]))[0].tolist())
        name = "true y"
    codes = model.encode(y).cpu()
    other = int((codes != made.after.cpu()).any(-1).sum())
    assert made.image_after is not None  # a world of images has a model of images
    near = psnr_text(to_float(made.image_after[None]), y)
    told = f"Beside the {name}: PSNR {near}, other codes at {other} of {codes.shape[1]} nodes."
    return Beside(name, codes, pictures.pixels(y), None, told)


def another_x(model: Any, image: Any) -> Beside:
    """Another picture, or other codes, as they are."""
    shown = None if model.autoencoder is None else pictures.pixels(image)
    return Beside(ANOTHER, codes_of(model, image), shown, None, "Beside it another x.")


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
    """What another model of the same places does.

    With the same nodes held and edges cut where codes mean the same in both: in a world of codes.
    """
    if action != NONE and action not in other.action_names:
        return Beside(f"{MODEL}: it knows no {action}")
    own = not (model.autoencoder is other.autoencoder is None and model.n_codes == other.n_codes)
    kept, told = (held, cut), f"Beside it {MODEL}"
    if held or cut:
        told += ", nothing held or cut: its codes are its own" if own else ", held and cut as here"
    if own:
        kept = {}, ()
    found = make_frame(other, codes_of(other, image), action, *kept)
    told += ", which "
    if not own:
        differ = int((found.after.cpu() != made.after.cpu()).any(-1).sum())
        told += f"ends up with other codes at {differ} of {len(made.mask)} nodes and "
    heading = MODEL + in_hand(*kept) + ("" if action == NONE else f", after do({action})")
    seen = found.after, found.image_after, found.mask, f"{told}{_sets(found, made)}."
    return Beside(heading, *seen, found, other.n_codes, own)


def check_another(model: Any, other: Any, image: Any) -> None:
    """Raise ValueError unless the other model sees as many places in the image."""
    wanted, found = (codes_of(m, image).shape[1] for m in (model, other))
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
