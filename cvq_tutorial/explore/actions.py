"""Explorers of actions: do one after another and see the image follow.

Or guess which one it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import ipywidgets
import numpy as np
import traitlets
from torch import Tensor

from cvq_tutorial.common.arrays import counts
from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.transitions import sample_transitions, visible_only
from cvq_tutorial.draw import sheets as pictures
from cvq_tutorial.draw.sheets import Tile
from cvq_tutorial.explore.base import (
    Explorer,
    action_name,
    codes_of,
    has_images,
    middle_values,
    psnr_text,
    same_actions,
    start_image,
    whole,
)
from cvq_tutorial.method.answers import UNCHANGED
from cvq_tutorial.worlds.world import ImageWorld, is_world

SIDE = 192  # CSS pixels of a large tile
SHOWN = 8  # steps in the history strip


def action_buttons(
    explorer: Explorer, names: Sequence[str], act: Callable[[str], None]
) -> tuple[dict[str, ipywidgets.Button], ipywidgets.Widget]:
    """A button per action, and a box with all.

    A line "factor-", "factor+" for each factor that steps, then two a line those that set a value.
    """
    buttons = {}
    for name in names:
        button = ipywidgets.Button(
            description=name, tooltip=f"do({name})", layout={"width": "auto"}
        )
        explorer.on_click(button, partial(act, name))
        buttons[name] = button
    order = []
    for name in names:
        other = f"{name[:-1]}-"
        if name.endswith("+") and other in buttons:
            order += [other, name]
    order += [name for name in names if name not in order]
    grid = ipywidgets.GridBox(
        [buttons[name] for name in order],
        layout={
            "grid_template_columns": "repeat(2, minmax(100px, 1fr))",
            "grid_gap": "2px 4px",
            "width": "236px",
            "max_height": "560px",  # as the picture; one button per value may be many
            "overflow": "hidden auto",
        },
    )
    return buttons, grid


@dataclass(frozen=True)
class Step:
    """Where an ActionPad is: the action that led here ("" at the start), and what it did.

    codes: (1, N, C).  image: (1, 3, H, W) imagined.  values: the world's factors now, or None.
    truth: (1, 3, H, W), the world's image of them, or None.
    mask: (N,) probability that the action set the node, or None at the start.  n_set: number of
        codes set.  unchanged: whether no code changed.
    """

    action: str
    codes: Tensor
    image: Tensor
    values: tuple[int, ...] | None
    truth: Tensor | None
    mask: Any = None
    n_set: int = 0
    unchanged: bool = False


class ActionPad(Explorer):
    """Every action as a button; the model's image after each, beside the true one, and the steps so
    far.

    Actions are done on codes: the next one starts from the codes that the last one left, and never
    sees a true image again, so what the model gets wrong adds up before your eyes.

    model: a CausalVQ with an autoencoder.  start: its world (from the middle of all factors, or
    from `values`), or one image (then there is no true image to compare with). Traits, to read:
    `actions`, names of the actions done; `codes`, (1, N, C) now; `values`, the world's factors now,
    or None. `do(action)`, `back()` and `reset()` are the buttons.
    """

    actions = traitlets.Tuple()
    codes = traitlets.Any()
    values = traitlets.Any(None, allow_none=True)

    def __init__(self, model: Any, start: Any, values: Sequence[int] | None = None) -> None:
        super().__init__()
        self.model, self.world, truth = model, None, None
        if is_world(start):
            self.world = has_images(start)
            same_actions(model, start)
            values = middle_values(start) if values is None else tuple(values)
            start = truth = start_image(start, values)
        elif values is not None:
            raise ValueError("values were given without a world")
        codes = codes_of(model, start)
        self._steps = [Step("", codes, model.decode(codes).cpu(), values, truth)]
        self.buttons, grid = action_buttons(self, model.action_names, self.do)
        self.back_button = ipywidgets.Button(description="step back", icon="undo")
        self.reset_button = ipywidgets.Button(description="reset", icon="refresh")
        self.on_click(self.back_button, self.back)
        self.on_click(self.reset_button, self.reset)
        for button in (self.back_button, self.reset_button):
            button.layout.width = "114px"
        row = ipywidgets.HBox([self.back_button, self.reset_button])
        pad = ipywidgets.VBox([grid, row], layout={"margin": "24px 12px 0 0"})
        self.children = [self.beside(pad), self.caption, self.strip]
        self._draw()

    def do(self, action: str | int) -> None:
        """Do one action.

        Raises ValueError where the world says that it leads nowhere: out of a factor's range, or to
        values that no picture has (world `faces`).
        """
        name = action_name(action, self.model.action_names)
        now = self._steps[-1]
        values = truth = None
        if self.world is not None:
            number = np.array([self.world.factors.action_id(name)])
            values = tuple(self.world.factors.apply(np.array([now.values]), number)[0].tolist())
            truth = start_image(self.world, values)
        out = self.model.intervene(now.codes, name)
        mask = out.mask[0].cpu()  # (N, C)
        n_set = int(counts(mask).sum())
        codes, image = out.codes.cpu(), out.images.cpu()
        same = not int(out.changed[0])
        self._steps.append(Step(name, codes, image, values, truth, mask.amax(1), n_set, same))
        self._draw()

    def back(self) -> None:
        """Take back the last action."""
        if len(self._steps) > 1:
            self._steps.pop()
            self._draw()

    def reset(self) -> None:
        """Back to the start."""
        del self._steps[1:]
        self._draw()

    def _draw(self) -> None:
        now, n = self._steps[-1], len(self._steps) - 1
        self.codes, self.values = now.codes, now.values
        self.actions = tuple(step.action for step in self._steps[1:])
        self.back_button.disabled = self.reset_button.disabled = n == 0
        tiles = [Tile(f"imagined after {n} action{'s' * (n != 1)}", pictures.pixels(now.image))]
        told = f"{n} action{'s' * (n != 1)} done"
        if self.world is not None:
            space, values = self.world.factors, np.array([now.values])
            for number, name in enumerate(space.action_names):
                self.buttons[name].disabled = not space.legal(values, np.array([number]))[0]
            compared = psnr_text(now.image, now.truth)
            tiles.append(
                Tile("true image", pictures.pixels(now.truth), f"PSNR of the imagined {compared}")
            )
            pairs = zip(space.factors, values[0], strict=True)
            told += f"; the true image has {', '.join(f'{f.name} {f.label(v)}' for f, v in pairs)}"
            told += f"; PSNR {compared}"
        if now.mask is None:
            tiles.append(Tile("set by the last action", pictures.blank(SIDE)))
        else:
            over = pictures.set_nodes_over(now.image, now.mask, self.model.grid, SIDE)
            nodes = int(counts(now.mask).sum())
            note = f"{nodes} of {len(now.mask)} nodes, {now.n_set} codes"
            tiles.append(Tile(f"set by {now.action}", over, note))
            told += f"; {now.action} set {note}"
            if now.unchanged:
                told += f"; {UNCHANGED}"
        first = max(0, len(self._steps) - SHOWN)
        strip = [
            Tile(f"{i}", pictures.pixels(step.image), step.action or "start")
            for i, step in enumerate(self._steps)
            if i >= first
        ]
        strip += [Tile("", pictures.blank(64), " ")] * (SHOWN - len(strip))
        self.show(pictures.sheet([tiles, strip], [SIDE, 64], told + "."))


class RetrievalGame(Explorer):
    """Which action leads from x to y? You guess, then the model says what it thinks, and both are
    counted.

    model: a CausalVQ.  world: its world, with images.  seed: draws the pairs, all from the test
    split and all visible. Traits, to read: `round` (from 0), `truth` (the action's name), `guess`
    (yours, or None), `answer` (the model's, None before you guess), `played` (rounds that had a
    guess), `score` and `model_score` (rounds won), `posterior` (A,) or None. `choose(action)` and
    `next()` are the buttons.
    """

    round = traitlets.Int(-1)
    guess = traitlets.Unicode(None, allow_none=True)
    answer = traitlets.Unicode(None, allow_none=True)
    truth = traitlets.Unicode()
    played = traitlets.Int(0)
    score = traitlets.Int(0)
    model_score = traitlets.Int(0)
    posterior = traitlets.Any(None, allow_none=True)

    def __init__(self, model: Any, world: ImageWorld, seed: int = 0) -> None:
        super().__init__()
        self.model, self.world, self.seed = model, has_images(world), whole("seed", seed, 2**31)
        same_actions(model, world)
        self._pairs: list[tuple[np.ndarray, np.ndarray, int]] = []
        self.buttons, grid = action_buttons(self, model.action_names, self.choose)
        self.next_button = ipywidgets.Button(description="next pair", icon="step-forward")
        self.next_button.layout.width = "114px"
        self.on_click(self.next_button, self.next)
        pad = ipywidgets.VBox([grid, self.next_button], layout={"margin": "24px 12px 0 0"})
        self.children = [self.beside(pad), self.caption, self.strip]
        self.next()

    def next(self) -> None:
        """Draw another pair."""
        while self.round + 1 >= len(self._pairs):
            numbers = np.random.default_rng([self.seed, len(self._pairs)])
            some = sample_transitions(
                self.world.factors, 4 * self.world.factors.n_factors, "test", numbers
            )
            some = visible_only(self.world, some)
            self._pairs += zip(some.x, some.y, some.actions.tolist(), strict=True)
        self.round += 1
        x, y, action = self._pairs[self.round]
        self._x, self._y = (to_float(self.world.render(v[None])) for v in (x, y))
        self.truth = self.model.action_names[action]
        self.guess = self.answer = self.posterior = None
        self._draw()

    def choose(self, action: str | int) -> None:
        """Guess. Raises ValueError when this pair already had its guess."""
        name = action_name(action, self.model.action_names)
        if self.guess is not None:
            raise ValueError(f"already guessed {self.guess}; next() draws another pair")
        found = self.model.retrieve(self._x, self._y)
        self.posterior = found.log_posterior[0].exp().cpu().numpy()
        self.answer = self.model.action_names[int(found.actions[0])]
        self.guess = name
        self.played += 1
        self.score += name == self.truth
        self.model_score += self.answer == self.truth
        self._draw()

    def _draw(self) -> None:
        names = self.model.action_names
        guessed = self.guess is not None
        for button in self.buttons.values():
            button.disabled = guessed
        self.next_button.button_style = "primary" if guessed else ""
        tiles = [Tile("x", pictures.pixels(self._x)), Tile("y", pictures.pixels(self._y))]
        n = self.played
        scores = f"You {self.score} of {n}, the model {self.model_score} of {n}."
        if not guessed:
            tiles.append(Tile("what the model thinks: first your guess", pictures.blank(SIDE, 1.7)))
            told = f"Pair {self.round + 1}: one action leads from x to y. Which? {scores}"
        else:
            marks: dict[int, str] = {}
            for name, word in ((self.truth, "true"), (self.guess, "you"), (self.answer, "model")):
                bar = names.index(name)
                marks[bar] = f"{marks[bar]}, {word}" if bar in marks else word
            picture = pictures.bars(self.posterior, names, SIDE, int(1.7 * SIDE), marks)
            tiles.append(Tile("what the model thinks", picture))
            right = "right" if self.guess == self.truth else f"it was {self.truth}"
            sure = self.posterior[names.index(self.answer)]
            told = f"You said {self.guess}: {right}. "
            told += f"The model said {self.answer} ({sure:.0%}). {scores}"
        self.show(pictures.sheet([tiles], [SIDE], told))
