"""The action pad: do one action after another and see the image follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import ipywidgets
import traitlets
from torch import Tensor

from cvq_tutorial.common.arrays import counts
from cvq_tutorial.draw import sheets as pictures
from cvq_tutorial.draw.sheets import Tile
from cvq_tutorial.explore import given
from cvq_tutorial.explore.base import Explorer, sized
from cvq_tutorial.method.answers import UNCHANGED

SIDE = 192  # CSS pixels of a large tile
SHOWN = 8  # steps in the history strip
SEEN = 0.04  # a pixel has changed from this difference on, of a range of 1: less is hard to see


def action_buttons(
    explorer: Explorer, names: Sequence[str], act: Callable[[str], None]
) -> tuple[dict[str, ipywidgets.Button], ipywidgets.Widget]:
    """A button per action, and a box with all.

    A line "factor-", "factor+" for each factor that steps, then two a line those that set a value.
    """
    buttons = {}
    for name in names:
        buttons[name] = explorer.button_for(name, "", partial(act, name), "auto")
        buttons[name].tooltip = f"do({name})"
    steps = [name for name in names if name.endswith("+") and f"{name[:-1]}-" in buttons]
    order = [other for name in steps for other in (f"{name[:-1]}-", name)]
    order += [name for name in names if name not in order]
    layout = {
        "grid_template_columns": "repeat(2, minmax(100px, 1fr))",
        "grid_gap": "2px 4px",
        "width": "236px",
        "max_height": "560px",  # as the picture; one button per value may be many
        "overflow": "hidden auto",
    }
    return buttons, ipywidgets.GridBox([buttons[name] for name in order], layout=layout)


@dataclass(frozen=True)
class Step:
    """Where an ActionPad is: the action that led here ("" at the start), and what it did.

    codes: (1, N, C).  image: (1, 3, H, W) imagined.  values: the world's factors now, or None.
    truth: (1, 3, H, W), the world's image of them, or None.
    mask: (N,) probability that the action set the node, or None at the start.  n_set: number of
        codes set.  unchanged: whether no code changed.  read: what a judge reads, or None.
    """

    action: str
    codes: Tensor
    image: Tensor
    values: tuple[int, ...] | None = None
    truth: Tensor | None = None
    mask: Any = None
    n_set: int = 0
    unchanged: bool = False
    read: tuple[int, ...] | None = None


class ActionPad(Explorer):
    """Every action as a button; the model's image after each, beside the true one, and all steps.

    Actions are done on codes: the next one starts from the codes that the last one left, and never
    sees a true image again, so what the model gets wrong adds up before your eyes.

    model: a CausalVQ with an autoencoder.  start: its world (from the middle of all factors, or
    from `values`), or images (then there is no true image to compare with).  judge: reads the
    factors of what is imagined (`measure.Judge`), or None.
    Traits, to read: `actions`, names of the actions done; `codes`, (1, N, C) now; `values`, the
    world's factors now, or None; `read`, the judge's, or None. Settable: `shown`, "set" (by the
    last action) or "difference" (to the start; a pixel counts from 0.04 on). `do(action)`,
    `back()`, `reset()` and `another_start()` are the buttons.
    """

    actions = traitlets.Tuple()
    codes = traitlets.Any()
    values = traitlets.Any(None, allow_none=True)
    read = traitlets.Any(None, allow_none=True)
    shown = traitlets.Enum(["set", "difference"], "set")

    def __init__(
        self, model: Any, start: Any, values: Sequence[int] | None = None, judge: Any = None
    ) -> None:
        super().__init__()
        self.model, self.judge = model, judge
        self.world, self._settings, self._images = given.starts_of(start, values)
        if self.world is not None:
            given.same_actions(model, self.world)
        if judge is not None and (self.world is None or judge.sizes != self.world.factors.sizes):
            raise ValueError("a judge reads the factors of its world: expected that as the start")
        self.buttons, grid = action_buttons(self, model.action_names, self.do)
        self.back_button = self.button_for("step back", "undo", self.back)
        self.reset_button = self.button_for("reset", "refresh", self.reset)
        self.start_button = self.button_for("another start", "random", self.another_start, "236px")
        self.start_button.layout.display = None if len(self._images) > 1 else "none"
        shown = [("set by the last action", "set"), ("difference to the start", "difference")]
        self.shown_menu = ipywidgets.Dropdown(options=shown, description="show")
        sized("232px", "40px", self.shown_menu)
        self.tie(shown=self.shown_menu)
        row = ipywidgets.HBox([self.back_button, self.reset_button])
        parts = [grid, row, self.start_button, self.shown_menu]
        pad = ipywidgets.VBox(parts, layout={"margin": "24px 12px 0 0"})
        self.children = [self.beside(pad), self.caption, self.strip]
        self._begin(0)

    def _begin(self, number: int) -> None:
        """Start from an image, by number."""
        codes = given.codes_of(self.model, self._images[number])
        image = self.model.decode(codes).cpu()
        now = Step("", codes, image, read=self._judged(image))
        if self.world is not None:
            now = replace(now, values=self._settings[number], truth=self._images[number])
        self._start, self._steps = number, [now]
        self._draw(None)

    def _judged(self, image: Tensor) -> tuple[int, ...] | None:
        return None if self.judge is None else tuple(self.judge.read(image)[0].tolist())

    def do(self, action: str | int) -> None:
        """Do one action.

        Raises ValueError where the world says that it leads nowhere: out of a factor's range, or to
        values that no picture has (world `faces`).
        """
        name = given.action_name(action, self.model.action_names)
        now = self._steps[-1]
        values = truth = None
        if self.world is not None and now.values is not None:
            values = given.after_action(self.world, now.values, name)
            truth = given.start_image(self.world, values)
        out = self.model.intervene(now.codes, name)
        mask = out.mask[0].cpu()  # (N, C)
        n_set = int(counts(mask).sum())
        codes, image = out.codes.cpu(), out.images.cpu()
        same, read = not int(out.changed[0]), self._judged(image)
        self._steps.append(Step(name, codes, image, values, truth, mask.amax(1), n_set, same, read))
        self._draw(None)

    def back(self) -> None:
        """Take back the last action."""
        if len(self._steps) > 1:
            self._steps.pop()
            self._draw(None)

    def reset(self) -> None:
        """Back to the start."""
        del self._steps[1:]
        self._draw(None)

    def another_start(self) -> None:
        """Start from the next image: of the world's test split, or of those that were given."""
        self._begin((self._start + 1) % len(self._images))

    @traitlets.observe("shown")
    def _draw(self, _: Any) -> None:
        now, n = self._steps[-1], len(self._steps) - 1
        self.codes, self.values, self.read = now.codes, now.values, now.read
        self.follow()
        self.actions = tuple(step.action for step in self._steps[1:])
        self.back_button.disabled = self.reset_button.disabled = n == 0
        title = f"imagined after {n} action{'s' * (n != 1)}"
        tiles = [Tile(title, pictures.pixels(now.image))]
        told = f"{n} action{'s' * (n != 1)} done"
        if self.world is not None and now.values is not None:
            space = self.world.factors
            for name, button in self.buttons.items():
                button.disabled = not given.possible(self.world, now.values, name)
            compared = given.psnr_text(now.image, now.truth)
            note = f"PSNR of the imagined {compared}"
            tiles.append(Tile("true image", pictures.pixels(now.truth), note))
            setting = given.setting_in_words(self.world, now.values)
            told += f"; the true image has {setting}; PSNR {compared}"
            if now.read is not None:
                read = zip(space.factors, now.read, now.values, strict=True)
                other = [f"{f.name} {f.label(found)}" for f, found, v in read if found != v]
                right = f"{space.n_factors - len(other)} of {space.n_factors}"
                tiles[0] = Tile(title, tiles[0].pixels, f"the judge reads {right} right")
                told += f"; the judge reads {right} factors right"
                told += f", but {', '.join(other)}" if other else ""
        if self.shown == "difference":
            first = self._steps[0].image
            share = float(((now.image - first).abs().amax(1) > SEEN).float().mean())
            note = f"{share:.0%} of the pixels changed"
            tiles.append(Tile("|now - start|", pictures.difference(now.image, first), note))
            told += f"; against the start {note}"
        elif now.mask is None:
            tiles.append(Tile("set by the last action", pictures.blank(SIDE)))
        else:
            over = pictures.set_nodes_over(now.image, now.mask, self.model.grid, SIDE)
            nodes = int(counts(now.mask).sum())
            note = f"{nodes} of {len(now.mask)} nodes, {now.n_set} codes"
            tiles.append(Tile(f"set by {now.action}", over, note))
            told += f"; {now.action} set {note}"
            if now.unchanged:
                told += f"; {UNCHANGED}"
        strip = [
            Tile(f"{i}", pictures.pixels(step.image), step.action or "start")
            for i, step in [*enumerate(self._steps)][-SHOWN:]
        ]
        strip += [Tile("", pictures.blank(64), " ")] * (SHOWN - len(strip))
        self.show(pictures.sheet([tiles, strip], [SIDE, 64], told + "."))
