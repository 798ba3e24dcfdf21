"""Explorer of plans: choose two images, and let the model find the actions that link them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets
import numpy as np
import traitlets

from cvq_tutorial.draw import sheets as pictures
from cvq_tutorial.draw.sheets import Tile
from cvq_tutorial.explore.base import (
    Checked,
    Explorer,
    has_images,
    middle_values,
    psnr_text,
    same_actions,
    start_image,
    whole,
)
from cvq_tutorial.measure.sequences import follow, pairs_at
from cvq_tutorial.worlds.world import ImageWorld, has_every_picture

SIDE, SMALL = 176, 66  # CSS pixels of a large and of a small tile
LONGEST = 8  # actions in a plan, as many as the strip has room for
FARTHEST = 4  # actions between the images of a random pair


class PlanExplorer(Explorer):
    """Move the factors of x and of y, then ask for a plan; its steps are shown, true and imagined.

    model: a CausalVQ with an autoencoder.  world: its world, with a picture of every setting.
    x, y: values of its factors, F integers each; the middle of all, and one step of the first
    factor further, if None.  seed: draws the random pairs, all from the test split.
    Traits: `x` and `y`, settable; `side`, "x" or "y", whichever the sliders move, settable; `plan`,
    to read, None until `find()` and after every change. `find()` and `random_pair()` are the
    buttons.
    """

    x = Checked()
    y = Checked()
    side = traitlets.Enum(["x", "y"], "y")
    plan = traitlets.Any(None, allow_none=True)

    def __init__(
        self,
        model: Any,
        world: ImageWorld,
        x: Sequence[int] | None = None,
        y: Sequence[int] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.model, self.world, self.seed = model, has_images(world), whole("seed", seed, 2**31)
        if not has_every_picture(world):
            raise ValueError(
                f"expected a world with a picture of every setting, found {world.name!r}"
            )
        same_actions(model, world)
        self._rounds = 0
        self.side_menu = ipywidgets.Dropdown(options=["x", "y"], description="sliders move")
        self.sliders = [
            ipywidgets.SelectionSlider(
                options=[(factor.label(value), value) for value in range(factor.size)],
                description=factor.name,
            )
            for factor in world.factors.factors
        ]
        self.find_button = ipywidgets.Button(description="find a plan", icon="search")
        self.random_button = ipywidgets.Button(description="random pair", icon="random")
        for control in (self.side_menu, *self.sliders):
            control.style.description_width, control.layout.width = "92px", "270px"
        for button, act in ((self.find_button, self.find), (self.random_button, self.random_pair)):
            button.layout.width = "133px"
            self.on_click(button, act)
        self.on(self.side_menu, lambda side: setattr(self, "side", side))
        for slider in self.sliders:
            self.on(slider, self._moved)
        row = ipywidgets.HBox([self.find_button, self.random_button])
        column = ipywidgets.VBox(
            [self.side_menu, *self.sliders, row], layout={"margin": "20px 12px 0 0"}
        )
        self.children = [self.beside(column), self.caption, self.strip]
        start = self._checked("x", middle_values(world) if x is None else x)
        step = 1 if start[0] + 1 < world.factors.sizes[0] else -1
        goal = (start[0] + step, *start[1:]) if y is None else self._checked("y", y)
        with self.hold_trait_notifications():  # a picture needs both
            self.x, self.y = start, goal

    def find(self) -> None:
        """Search for a plan from x to y, and show it."""
        pair = (self.model.encode(start_image(self.world, v)) for v in (self.x, self.y))
        self.plan = self.model.plan(*pair, max_steps=LONGEST)

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
        space, found = self.world.factors, tuple(values)
        if len(found) != space.n_factors:
            raise ValueError(f"{name}: expected {space.n_factors} integers, found {len(found)}")
        pairs = zip(found, space.factors, strict=True)
        return tuple(whole(f"{name}: {factor.name}", v, factor.size) for v, factor in pairs)

    @traitlets.observe("x", "y")
    def _changed(self, _: Any) -> None:
        if self.plan is None:
            self._draw(None)
        else:
            self.plan = None  # which draws

    @traitlets.observe("side", "plan")
    def _draw(self, _: Any) -> None:
        values = self.x if self.side == "x" else self.y
        with self.writing():
            self.side_menu.value = self.side
            for slider, value in zip(self.sliders, values, strict=True):
                slider.value = value
        self.find_button.button_style = "primary" if self.plan is None else ""
        x, y = (start_image(self.world, v) for v in (self.x, self.y))
        large = [Tile("x", pictures.pixels(x)), Tile("y", pictures.pixels(y))]
        above, below, told = [], [], f"{self._difference()}."
        if self.plan is None:
            large.append(Tile("imagined: ask for a plan", pictures.blank(SIDE)))
            told += " No plan asked for yet."
        else:
            done = self.model.compose(x, self.plan.actions)
            images = [self.model.decode(self.model.encode(x)), *(step.images for step in done)]
            images = [image.cpu() for image in images]
            title = f"imagined after {len(done)} action{'s' * (len(done) != 1)}"
            large.append(
                Tile(title, pictures.pixels(images[-1]), f"PSNR {psnr_text(images[-1], y)}")
            )
            end: np.ndarray | None = np.array(self.x, dtype=np.int64)
            for step, image in enumerate(images):
                name = self.plan.names[step - 1] if step else "start"
                title, model_title = (str(step), "") if step else ("true", "imagined")
                if step and end is not None:
                    end = follow(self.world, end, [self.plan.actions[step - 1]])
                if end is None:
                    above.append(Tile(title, pictures.blank(SMALL), "not there"))
                    below.append(Tile(model_title, pictures.pixels(image), name))
                else:
                    truth = start_image(self.world, end.tolist())
                    above.append(Tile(title, pictures.pixels(truth), name))
                    below.append(Tile(model_title, pictures.pixels(image), psnr_text(image, truth)))
            told += f" {self._verdict(end)}"
        room = LONGEST + 1 - len(above)
        above += [Tile("", pictures.blank(SMALL), " ")] * room
        below += [Tile("", pictures.blank(SMALL), " ")] * room
        self.show(pictures.sheet([large, above, below], [SIDE, SMALL, SMALL], told))

    def _difference(self) -> str:
        pairs = zip(self.world.factors.factors, self.x, self.y, strict=True)
        moved = [f"{f.name} ({f.label(a)} to {f.label(b)})" for f, a, b in pairs if a != b]
        return f"From x to y: {', '.join(moved)}" if moved else "x and y are the same"

    def _verdict(self, end: np.ndarray | None) -> str:
        """What the plan says, and what the world says to it."""
        plan = self.plan
        told = f"The plan: {plan}; all actions were tried on {plan.expanded} states."
        if end is None:
            return f"{told} In the world one of these actions does not exist."
        true = bool((end == np.array(self.y)).all())
        return f"{told} In the world this {'leads to y' if true else 'does not lead to y'}."
