"""The retrieval game: name the action between two images, against the model."""

from __future__ import annotations

import html
from typing import Any

import ipywidgets
import numpy as np
import traitlets

from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.transitions import sample_transitions, visible_only
from cvq_tutorial.draw import sheets as pictures
from cvq_tutorial.draw.sheets import Tile
from cvq_tutorial.explore import given
from cvq_tutorial.explore.actions import SIDE, action_buttons
from cvq_tutorial.explore.base import Explorer
from cvq_tutorial.worlds.world import ImageWorld

CANNOT = "cannot tell"
HEADS = ("factor", "pairs", "you", "the model")  # of the game's table
CELL = "padding:1px 12px 1px 0;text-align:left;font-weight:normal"


class RetrievalGame(Explorer):
    """Which action leads from x to y? You guess, then the model, and both are counted.

    model: a CausalVQ.  world: its world, with images.  seed: draws the pairs, all from the test
    split and all visible. Traits, to read: `round` (from 0), `truth` (the action's name), `guess`
    (yours, "cannot tell", or None), `answer` (the model's, None before you guess), `played` (rounds
    that had a guess, or none as you could not tell), `score` and `model_score` (rounds won),
    `by_factor` (its name -> rounds, yours, the model's), `posterior` (A,) or None.
    `choose(action)`, `cannot_tell()`, `next()` and `new_game()` are the buttons.
    """

    round = traitlets.Int(-1)
    guess = traitlets.Unicode(None, allow_none=True)
    answer = traitlets.Unicode(None, allow_none=True)
    truth = traitlets.Unicode()
    played = traitlets.Int(0)
    score = traitlets.Int(0)
    model_score = traitlets.Int(0)
    by_factor: traitlets.Dict[str, tuple[int, int, int]] = traitlets.Dict()
    posterior = traitlets.Any(None, allow_none=True)

    def __init__(self, model: Any, world: ImageWorld, seed: int = 0) -> None:
        super().__init__()
        self.model, self.world, self.seed = (
            model,
            given.has_images(world),
            given.whole("seed", seed, 2**31),
        )
        given.same_actions(model, world)
        self._pairs: list[tuple[np.ndarray, np.ndarray, int]] = []
        self.buttons, grid = action_buttons(self, model.action_names, self.choose)
        self.cannot_button = self.button_for(CANNOT, "question", self.cannot_tell, "236px")
        self.next_button = self.button_for("next pair", "step-forward", self.next)
        self.new_button = self.button_for("new game", "refresh", self.new_game)
        row = ipywidgets.HBox([self.next_button, self.new_button])
        pad = ipywidgets.VBox([grid, self.cannot_button, row], layout={"margin": "24px 12px 0 0"})
        self.table = ipywidgets.HTML(layout={"margin": "0 10px"})
        self.children = [self.beside(pad), self.caption, self.table, self.strip]
        self.next()

    def next(self) -> None:
        """Draw another pair."""
        while self.round + 1 >= len(self._pairs):
            numbers = np.random.default_rng([self.seed, len(self._pairs)])
            space = self.world.factors
            some = sample_transitions(space, 4 * space.n_factors, "test", numbers)
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
        self._answer(given.action_name(action, self.model.action_names))

    def cannot_tell(self) -> None:
        """Guess nothing: a round that you do not win. Raises ValueError as `choose`."""
        self._answer(CANNOT)

    def new_game(self) -> None:
        """Begin again with other pairs, those of the next seed."""
        self.seed += 1
        self._pairs, self.by_factor = [], {}
        self.round, self.played, self.score, self.model_score = -1, 0, 0, 0
        self.next()

    def _answer(self, guess: str) -> None:
        if self.guess is not None:
            raise ValueError(f"already guessed {self.guess}; next() draws another pair")
        found = self.model.retrieve(self._x, self._y)
        self.posterior = found.log_posterior[0].exp().cpu().numpy()
        self.answer = self.model.action_names[int(found.actions[0])]
        self.guess = guess
        won = np.array([1, guess == self.truth, self.answer == self.truth], dtype=int)
        space = self.world.factors
        factor = space.names[int(space.factor_of(np.array([space.action_id(self.truth)]))[0])]
        told = tuple(np.add(self.by_factor.get(factor, (0, 0, 0)), won).tolist())
        self.by_factor = dict(self.by_factor) | {factor: told}
        sums = np.sum([*self.by_factor.values()], axis=0).tolist()
        self.played, self.score, self.model_score = sums
        self._draw()

    def _score_table(self) -> str:
        """The score of each factor that was played, in the order of the world."""
        if not self.by_factor:
            return ""
        head = "".join(f'<th scope="col" style="{CELL}">{t}</th>' for t in HEADS)
        rows = ""
        for name in self.world.factors.names:
            if name in self.by_factor:
                told = "".join(f'<td style="{CELL}">{n}</td>' for n in self.by_factor[name])
                rows += f'<tr><th scope="row" style="{CELL}">{html.escape(name)}</th>{told}</tr>'
        style = "border-collapse:collapse;line-height:1.35"
        return f'<table style="{style}"><tr>{head}</tr>{rows}</table>'

    def _draw(self) -> None:
        names = self.model.action_names
        guessed = self.guess is not None
        for button in (*self.buttons.values(), self.cannot_button):
            button.disabled = guessed
        self.table.value = self._score_table()
        self.next_button.button_style = "primary" if guessed else ""
        tiles = [Tile("x", pictures.pixels(self._x)), Tile("y", pictures.pixels(self._y))]
        n = self.played
        scores = f"You {self.score} of {n}, the model {self.model_score} of {n}."
        if not guessed:
            tiles.append(Tile("what the model thinks: first your guess", pictures.blank(SIDE, 1.7)))
            told = f"Pair {self.round + 1}: one action leads from x to y. Which? {scores}"
        else:
            words = {"true": self.truth, "you": self.guess, "model": self.answer}
            marks = {
                names.index(action): ", ".join(word for word, a in words.items() if a == action)
                for action in words.values()
                if action != CANNOT
            }
            picture = pictures.bars(self.posterior, names, SIDE, int(1.7 * SIDE), marks)
            tiles.append(Tile("what the model thinks", picture))
            right = "right" if self.guess == self.truth else f"it was {self.truth}"
            sure = self.posterior[names.index(self.answer)]
            yours = "could not tell" if self.guess == CANNOT else f"said {self.guess}"
            told = f"You {yours}: {right}. "
            told += f"The model said {self.answer} ({sure:.0%}). {scores}"
        self.show(pictures.sheet([tiles], [SIDE], told))
