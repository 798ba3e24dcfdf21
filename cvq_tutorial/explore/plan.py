"""Explorer of plans: choose two images, find the actions that link them, and let the model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import ipywidgets
import numpy as np
import traitlets

from cvq_tutorial.draw import sheets as pictures
from cvq_tutorial.draw.sheets import Tile
from cvq_tutorial.explore import given
from cvq_tutorial.explore.actions import action_buttons
from cvq_tutorial.explore.base import Checked, Explorer, factor_sliders, sized
from cvq_tutorial.measure.sequences import follow, pairs_at
from cvq_tutorial.worlds.world import ImageWorld, has_every_picture

SIDE, SMALL = 176, 66  # CSS pixels of a large and of a small tile
LONGEST = 8  # actions in a plan, as many as the strip has room for
FARTHEST = 4  # actions between the images of a random pair
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")


def in_words(names: Sequence[str]) -> str:
    """Actions in a row: "scale+ three times, then shape-"."""
    runs = [(name, len(list(same))) for name, same in groupby(names)]
    times = {1: "", 2: " twice"}
    return ", then ".join(f"{name}{times.get(n, f' {NUMBERS[n]} times')}" for name, n in runs)


class PlanExplorer(Explorer):
    """Move the factors of x and of y, then ask for a plan; its steps are shown, true and imagined.

    model: a CausalVQ with an autoencoder.  world: its world, with a picture of every setting.
    x, y: values of its factors, F integers each; the middle of all, and one step of the first
    factor further, if None.  seed: draws the random pairs, all from the test split.
    Traits, settable: `x` and `y`; `side`, "x" or "y", whichever the sliders move; `step`, which
    image of the plan is shown large; `trying`, whether you look for actions yourself. To read:
    `plan`, None until `find()` and after every change; `yours`, the names of your own actions.
    `find()`, `random_pair()`, and where you try, `do(action)` and `back()` are the buttons.
    """

    x = Checked()
    y = Checked()
    side = traitlets.Enum(["x", "y"], "y")
    plan = traitlets.Any(None, allow_none=True)
    step = Checked(0)
    trying = traitlets.Bool(False)
    yours = traitlets.Tuple()

    def __init__(
        self,
        model: Any,
        world: ImageWorld,
        x: Sequence[int] | None = None,
        y: Sequence[int] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.model, self.world, self.seed = (
            model,
            given.has_images(world),
            given.whole("seed", seed, 2**31),
        )
        if not has_every_picture(world):
            wanted = "a world with a picture of every setting"
            raise ValueError(f"expected {wanted}, found {world.name!r}")
        given.same_actions(model, world)
        self._rounds = 0
        self.side_menu = ipywidgets.Dropdown(options=["x", "y"], description="sliders move")
        self.sliders = factor_sliders(world)
        self.find_button = self.button_for("find a plan", "search", self.find, "133px")
        self.random_button = self.button_for("random pair", "random", self.random_pair, "133px")
        self.back_button = self.button_for("step back", "undo", self.back, "133px")
        self.step_slider = ipywidgets.IntSlider(description="step of plan", max=0, disabled=True)
        self.try_box = ipywidgets.Checkbox(False, description="try it yourself", indent=False)
        sized("270px", "92px", self.side_menu, self.step_slider)
        self.buttons, grid = action_buttons(self, model.action_names, self.do)
        self.tie(side=self.side_menu, step=self.step_slider, trying=self.try_box)
        for slider in self.sliders:
            self.on(slider, self._moved)
        row = ipywidgets.HBox([self.find_button, self.random_button])
        row.layout.flex_flow = "row wrap"
        self._moving = ipywidgets.VBox([self.side_menu, *self.sliders])
        self._acting = ipywidgets.VBox([grid, self.back_button])
        parts = [self._moving, self._acting, row, self.step_slider, self.try_box]
        column = ipywidgets.VBox(parts, layout={"margin": "20px 12px 0 0"})
        self.children = [self.beside(column), self.caption, self.strip]
        start = self._checked("x", given.middle_values(world) if x is None else x)
        step = 1 if start[0] + 1 < world.factors.sizes[0] else -1
        goal = (start[0] + step, *start[1:]) if y is None else self._checked("y", y)
        with self.hold_trait_notifications():  # a picture needs both
            self.x, self.y = start, goal

    def find(self) -> None:
        """Search for a plan from x to y, and show it."""
        pair = (self.model.encode(given.start_image(self.world, v)) for v in (self.x, self.y))
        self.find_button.description, self.find_button.disabled = "searching", True
        try:
            self.plan = self.model.plan(*pair, max_steps=LONGEST)
        finally:
            self.find_button.description, self.find_button.disabled = "find a plan", False

    def do(self, action: str | int) -> None:
        """Do an action of your own, in the world; ValueError if it leads nowhere or after eight."""
        name = given.action_name(action, self.model.action_names)
        if len(self.yours) == LONGEST:
            raise ValueError(f"expected at most {LONGEST} actions, as in a plan; step back first")
        given.after_action(self.world, self._ways()[-1], name)  # raises
        self.yours = (*self.yours, name)

    def back(self) -> None:
        """Take back the last of your own actions."""
        self.yours = self.yours[:-1]

    def _ways(self) -> list[tuple[int, ...]]:
        """The settings that your own actions lead through, x first."""
        ways = [tuple(self.x)]
        for name in self.yours:
            ways.append(given.after_action(self.world, ways[-1], name))
        return ways

    def random_pair(self) -> None:
        """Draw another x and y, one to four actions apart."""
        numbers = np.random.default_rng([self.seed, self._rounds])
        distance = int(numbers.integers(1, FARTHEST + 1))
        x, y = pairs_at(self.world, distance, 1, int(numbers.integers(2**31)))
        self._rounds += 1
        with self.hold_trait_notifications():
            self.x, self.y = x[0].tolist(), y[0].tolist()

    def _moved(self, _: int) -> None:
        setattr(self, self.side, tuple(slider.value for slider in self.sliders))

    @traitlets.validate("x", "y")
    def _check_values(self, proposal: Any) -> tuple[int, ...]:
        return self._checked(proposal["trait"].name, proposal["value"])

    def _checked(self, name: str, values: Any) -> tuple[int, ...]:
        return given.setting_of(self.world, values, name, f"{name}: ")

    @traitlets.validate("step")
    def _check_step(self, proposal: Any) -> int:
        return given.whole("step", proposal["value"], 1 + (len(self.plan) if self.plan else 0))

    @traitlets.observe("x", "y")
    def _changed(self, _: Any) -> None:
        with self.writing():  # nothing is drawn in between
            self.plan, self.yours = None, ()
        self._draw(None)

    @traitlets.observe("plan")
    def _found(self, _: Any) -> None:
        n = 0 if self.plan is None else len(self.plan)
        with self.writing():
            self.step_slider.max, self.step_slider.disabled = n, not n
            self.step = n
        self._draw(None)

    @traitlets.observe("side", "step", "trying", "yours")
    def _draw(self, _: Any) -> None:
        if self._writing:
            return
        values = self.x if self.side == "x" else self.y
        with self.writing():
            self.follow()
            for slider, value in zip(self.sliders, values, strict=True):
                slider.value = value
        full, now = len(self.yours) == LONGEST, self._ways()[-1]
        for name, button in self.buttons.items():
            button.disabled = full or not given.possible(self.world, now, name)
        self.back_button.disabled = not self.yours
        self._moving.layout.display = "none" if self.trying else None
        self._acting.layout.display = None if self.trying else "none"
        self.find_button.button_style = "primary" if self.plan is None else ""
        x, y = (given.start_image(self.world, v) for v in (self.x, self.y))
        large = [Tile("x", pictures.pixels(x)), Tile("y", pictures.pixels(y))]
        above, below, told = [], [], f"{self._difference()}."
        if self.plan is None:
            large.append(Tile("imagined: ask for a plan", pictures.blank(SIDE)))
            told += " No plan asked for yet."
        else:
            done = self.model.compose(x, self.plan.actions)
            images = [self.model.decode(self.model.encode(x)), *(step.images for step in done)]
            images = [image.cpu() for image in images]
            at = images[self.step]
            title = f"imagined after {self.step} action{'s' * (self.step != 1)}"
            large.append(Tile(title, pictures.pixels(at), f"PSNR to y {given.psnr_text(at, y)}"))
            end: np.ndarray | None = np.array(self.x, dtype=np.int64)
            for step, image in enumerate(images):
                name = self.plan.names[step - 1] if step else "start"
                title, model_title = (str(step), "") if step else ("true", "imagined")
                title += " (shown)" if step == self.step < len(done) else ""
                if step and end is not None:
                    end = follow(self.world, end, [self.plan.actions[step - 1]])
                if end is None:
                    above.append(Tile(title, pictures.blank(SMALL), "not there"))
                    below.append(Tile(model_title, pictures.pixels(image), name))
                else:
                    truth = given.start_image(self.world, end.tolist())
                    above.append(Tile(title, pictures.pixels(truth), name))
                    below.append(
                        Tile(model_title, pictures.pixels(image), given.psnr_text(image, truth))
                    )
            told += f" {self._verdict(end)}"
        strips = [above, below]
        if self.trying:
            mine, verdict = self._tried()
            strips.append(mine)
            told += f" {verdict}"
        for strip in strips:
            strip += [Tile("", pictures.blank(SMALL), " ")] * (LONGEST + 1 - len(strip))
        self.show(pictures.sheet([large, *strips], [SIDE] + [SMALL] * len(strips), told))

    def _tried(self) -> tuple[list[Tile], str]:
        """The images that your actions lead through, and how far they come."""
        ways, n = self._ways(), len(self.yours)
        images = [pictures.pixels(given.start_image(self.world, values)) for values in ways]
        titles = ["yours", *map(str, range(1, n + 1))]
        tiles = [*map(Tile, titles, images, ["start", *self.yours])]
        count = f"{n} action{'s' * (n != 1)}"
        names = self.world.factors.names
        other = [name for name, a, b in zip(names, ways[-1], self.y, strict=True) if a != b]
        if other:
            done = f" after {in_words(self.yours)}" if n else ""
            return tiles, f"You: {count}{done}; still other than y: {', '.join(other)}."
        return tiles, f"You: y reached in {count}{f', {in_words(self.yours)}' if n else ''}."

    def _difference(self) -> str:
        pairs = zip(self.world.factors.factors, self.x, self.y, strict=True)
        moved = [f"{f.name} ({f.label(a)} to {f.label(b)})" for f, a, b in pairs if a != b]
        return f"From x to y: {', '.join(moved)}" if moved else "x and y are the same"

    def _verdict(self, end: np.ndarray | None) -> str:
        """What the plan says, and what the world says to it."""
        plan = self.plan
        steps = in_words(plan.names)
        if not plan.reached:
            steps = f"not reached, nearest after {steps or 'no action'}"
        steps = steps or "none needed"
        told = f"The plan: {steps}; all actions were tried on {plan.expanded} states."
        if end is None:
            return f"{told} In the world one of these actions does not exist."
        true = bool((end == np.array(self.y)).all())
        return f"{told} In the world this {'leads to y' if true else 'does not lead to y'}."
