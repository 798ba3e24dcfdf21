"""Explorer of actions that nobody named: try them, name them, merge two, and watch the score."""

from __future__ import annotations

from typing import Any

import ipywidgets
import numpy as np
import torch
import traitlets
from torch import Tensor

from cvq_tutorial.common.arrays import counts
from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.transitions import sample_transitions
from cvq_tutorial.draw import sheets as pictures
from cvq_tutorial.draw.sheets import Tile
from cvq_tutorial.explore import given
from cvq_tutorial.explore.base import Explorer
from cvq_tutorial.measure.unnamed import match, together
from cvq_tutorial.worlds.world import is_world

SIDE, SMALL, WIDE = 160, 56, 300  # CSS pixels
SHOWN = 8  # pictures to try an action on
NOBODY = "no name yet"


class UnnamedExplorer(Explorer):
    """What does each learnt action do, what would you call it, and which two are one?

    The names count on test pairs: a pair is right if the learnt action that the model reads in it
    has the name of what was truly done. Merging says that two learnt actions are one.

    model: a CausalVQ, such as one trained with actions="none".  world: its world; codes are shown
        on a grid where it has no pictures.
    seed: draws the pairs.  pairs: how many, at least 8; the first 8 of their pictures are shown.
    Traits, settable: `code`, 0 to M - 1; `start`, the picture, 0 to 7. To read: `names`, `groups`,
    (M,) each, the name of every code and the smallest code that it was merged with; `right`, the
    share of pairs named right, `best`, what the best names would reach, one to one, and `nmi`.
    `call(name)`, `merge(other)` and `reset()` are the other controls.
    """

    code = traitlets.Int(0)
    start = traitlets.Int(0)
    names = traitlets.Tuple()
    groups = traitlets.Tuple()
    right = traitlets.Float(0.0)
    best = traitlets.Float(0.0)
    nmi = traitlets.Float(0.0)

    def __init__(self, model: Any, world: Any, seed: int = 0, pairs: int = 240) -> None:
        super().__init__()
        n = given.whole("pairs", pairs, 100_000, SHOWN)
        self.model, self.images = model, is_world(world) and world.has_images
        seed = given.whole("seed", seed, 2**31)
        self.read, self.true, self.known, self._x = self._pairs(world, n, seed)
        self._done: dict[int, tuple[list[pictures.Pixels], Tensor]] = {}
        codes = [(model.action_names[i], i) for i in range(model.n_actions)]
        menu, numbers = ipywidgets.Dropdown, range(SHOWN)
        self.name_menu = menu(options=[NOBODY, *self.known], description="call it")
        self.merge_menu = menu(options=[("-", -1), *codes], description="merge with")
        self.reset_button = ipywidgets.Button(description="start again", icon="refresh")
        self.on(self.name_menu, self.call)
        self.on(self.merge_menu, self._merge_chosen)
        self.on_click(self.reset_button, self.reset)
        self.over(
            ipywidgets.HBox([self.name_menu, self.merge_menu, self.reset_button]),
            code=menu(options=codes, description="learnt"),
            start=menu(options=[(f"{i + 1}", i) for i in numbers], description="picture"),
        )
        self.reset()

    def call(self, name: str) -> None:
        """Give the code at hand, and all that were merged with it, a name; `NOBODY` takes it back.

        Raises ValueError for a name that no action has.
        """
        name = name if name == NOBODY else given.action_name(name, self.known)
        one = self.groups[self.code]
        both = zip(self.names, self.groups, strict=True)
        self.names = tuple(name if group == one else old for old, group in both)
        self._draw()

    def merge(self, other: int) -> None:
        """Say that the code at hand and another one, 0 to M - 1, are one action.

        It keeps the name of the code at hand, or that of the other where it has none.
        """
        one, two = self.groups[self.code], self.groups[given.whole("code", other, len(self.groups))]
        name = self.names[self.code]
        name = self.names[other] if name == NOBODY else name
        both = list(zip(self.names, self.groups, strict=True))
        self.names = tuple(name if g in (one, two) else old for old, g in both)
        self.groups = tuple(min(one, two) if g in (one, two) else g for _, g in both)
        self._draw()

    def reset(self) -> None:
        """Take back all names and mergers."""
        self.groups = tuple(range(self.model.n_actions))
        self.names = (NOBODY,) * self.model.n_actions
        self._draw()

    def _merge_chosen(self, other: int) -> None:
        if other >= 0:
            self.merge(other)

    @traitlets.validate("code", "start")
    def _check(self, proposal: Any) -> int:
        size = {"code": self.model.n_actions, "start": SHOWN}[proposal["trait"].name]
        return given.whole(proposal["trait"].name, proposal["value"], size)

    @traitlets.observe("code", "start")
    def _moved(self, _: Any) -> None:
        if self.groups:
            self._draw()

    def _pairs(
        self, world: Any, n: int, seed: int
    ) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], Tensor]:
        """Codes that are read in test pairs, true actions, their names, and what is shown first."""
        if not self.images and is_world(world):  # a world of codes
            told = world.sample(n, "test", seed)
            x, y = map(torch.from_numpy, (told.x, told.y))
        else:
            told = sample_transitions(given.has_images(world).factors, n, "test", seed)
            x, y = (to_float(world.render(values)) for values in (told.x, told.y))
        read = self.model.retrieve(x, y).actions.cpu().numpy()
        names = (world.factors if self.images else world).action_names
        return read, told.actions, tuple(names), x[:SHOWN]

    def _pixels(self, seen: Tensor, marked: Any = None) -> pictures.Pixels:
        """One picture, or one row of codes (N, C) on a grid of rows."""
        if self.images:
            return pictures.pixels(seen)
        n = len(seen)
        rows = max(r for r in range(1, n + 1) if n % r == 0 and r * r <= n)
        k = self.model.n_codes
        return pictures.code_map(seen[:, 0].cpu(), (rows, n // rows), k, SIDE, marked)

    def _after(self) -> tuple[list[pictures.Pixels], Tensor]:
        """What is shown after the code at hand, and its masks, (8, N)."""
        if self.code not in self._done:
            out = self.model.intervene(self._x, self.code)
            mask = out.mask.amax(2).cpu()
            after = out.images if self.images else out.codes
            pairs = zip(after.cpu(), mask, strict=True)
            if self.images:
                over = [pictures.set_nodes_over(y, m, self.model.grid, SIDE) for y, m in pairs]
            else:
                over = [self._pixels(y, counts(m)) for y, m in pairs]
            self._done[self.code] = [self._pixels(one.cpu()) for one in after] + over, mask
        return self._done[self.code]

    def _score(self) -> None:
        from sklearn.metrics import normalized_mutual_info_score  # slow to load

        found = np.array(self.groups)[self.read]
        named, truly = np.array(self.names)[self.read], np.array(self.known)[self.true]
        self.right = float((named == truly).mean())
        table = together(self.true, found, len(self.known), len(self.groups))
        actions = match(table)
        used = np.flatnonzero(actions >= 0)
        self.best = float(table[actions[used], used].sum() / len(found))
        self.nmi = float(normalized_mutual_info_score(self.true, found))

    def _draw(self) -> None:
        self.follow()
        self._score()
        with self.writing():
            self.name_menu.value, self.merge_menu.value = self.names[self.code], -1
        drawn, masks = self._after()
        y, over = drawn[:SHOWN], drawn[SHOWN + self.start]
        mask, name = masks[self.start], self.model.action_names[self.code]
        nodes = int(counts(mask).sum())
        left, named = len(set(self.groups)), sum(n != NOBODY for n in self.names)
        usual = float(np.bincount(self.true).max() / len(self.true))
        lines = ["named right", "best names", "one name for all", "NMI"]
        bars = pictures.bars([self.right, self.best, usual, self.nmi], lines, SIDE, WIDE)
        x = [self._pixels(one) for one in self._x]
        with_it = [i for i, group in enumerate(self.groups) if group == self.groups[self.code]]
        shares = int(np.isin(self.read, with_it).sum())
        tiles = [
            Tile(f"picture {self.start + 1}", x[self.start], " "),
            Tile(f"after {name}", y[self.start], self.names[self.code]),
            Tile(f"set by {name}", over, f"{nodes} of {len(mask)} nodes"),
            Tile(f"{len(self.true)} test pairs, {left} actions left", bars, " "),
        ]
        strips = [[Tile(str(i + 1), p) for i, p in enumerate(row)] for row in (x, y)]
        told = (
            f"{name} ({self.names[self.code]}) on picture {self.start + 1} sets {nodes} of "
            f"{len(mask)} nodes; read in {shares} of {len(self.true)} test pairs"
            f"{'' if len(with_it) == 1 else f', with the {len(with_it) - 1} merged with it'}. "
            f"{named} of {len(self.names)} codes have a name; named right {self.right:.0%}, the "
            f"best names would reach {self.best:.0%}, one name for all {usual:.0%}; "
            f"{left} actions left, NMI {self.nmi:.2f}. Below: eight pictures, before and after."
        )
        self.show(pictures.sheet([tiles, *strips], [SIDE, SMALL, SMALL], told))
