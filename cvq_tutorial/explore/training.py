"""The training monitor: curves, reconstructions and the mask in one picture, while it learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets
from torch import Tensor

from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.transitions import sample_values
from cvq_tutorial.draw import sheets as pictures
from cvq_tutorial.draw.sheets import Tile
from cvq_tutorial.explore import given
from cvq_tutorial.explore.base import Explorer, handled
from cvq_tutorial.worlds.world import ImageWorld

N_IMAGES, SIDE = 7, 80  # they fill the width of the curves


class TrainingMonitor(Explorer):
    """Shows what `train.train(..., on_log=monitor)` tells: one row of the log at a time.

    world: with images.  seed: draws the images that are watched, from the valid split.
    It only looks: the trained weights are the same with and without it.
    Traits, to read: `phase`, `step`, and `rows`, the log so far.
    """

    phase = traitlets.Unicode("")
    step = traitlets.Int(0)
    rows: traitlets.List[dict] = traitlets.List()

    def __init__(self, world: ImageWorld, seed: int = 0) -> None:
        super().__init__()
        self.world = given.has_images(world)
        values = sample_values(world.factors, N_IMAGES, "valid", given.whole("seed", seed, 2**31))
        self._images = to_float(world.render(values))
        self._codes: Tensor | None = None
        self.children = [self.picture, self.caption, self.strip]
        self._draw(None)

    def __call__(self, row: dict[str, Any], model: Any) -> None:
        """Take a row of the log and the model; an error goes to the strip, training goes on."""
        self._take(row, model)

    @handled
    def _take(self, row: dict[str, Any], model: Any) -> None:
        if row.get("phase") not in pictures.PANELS:
            known = ", ".join(pictures.PANELS)
            raise ValueError(f"phase must be one of {known}, found {row.get('phase')!r}")
        last = self.rows[-1] if self.rows else {}
        if last.get("phase") == row["phase"] and row["step"] <= last["step"]:
            self.rows = []  # another run
        self.rows = [*self.rows, dict(row)]
        self.phase, self.step = row["phase"], given.whole("step", row["step"], 2**62)
        self._draw(model)

    def _draw(self, model: Any) -> None:
        empty = [Tile("", pictures.blank(SIDE))] * N_IMAGES
        made, masks = empty, empty
        images = [Tile("image" * (i == 0), pictures.pixels(x)) for i, x in enumerate(self._images)]
        if model is not None:
            started = model.autoencoder.quantizer.started  # else nothing is quantised yet
            shown = model.reconstruct(self._images) if started else self._images
            made = [Tile("decoded" * (i == 0), pictures.pixels(x)) for i, x in enumerate(shown)]
            if self.phase == "transition":
                masks = self._masks(model)
        numbers = {k: v for k, v in (self.rows[-1] if self.rows else {}).items() if k in SAID}
        told = "Training has not begun."
        if self.phase:
            each = ", ".join(f"{SAID[k]} {v:.3g}" for k, v in numbers.items())
            told = f"{self.phase}, step {self.step}: {each}."
        self.show(pictures.training(self.rows, [images, made, masks], told))

    def _masks(self, model: Any) -> list[Tile]:
        """Where the first actions would set codes of the images."""
        actions = np.arange(N_IMAGES) % model.n_actions
        if self._codes is None or self._codes.shape[1:] != (np.prod(model.grid), model.n_codebooks):
            self._codes = model.encode(self._images)
        out = model.distribution(self._codes, model.check_actions(actions, N_IMAGES))
        mask = model.from_nodes(out.mask).amax(2)  # (B, N)
        tiles = zip(self._images, mask, actions, strict=True)
        return [
            Tile(model.action_names[a], pictures.set_nodes_over(x, m, model.grid, SIDE))
            for x, m, a in tiles
        ]


SAID = {
    "psnr": "PSNR", "perplexity": "perplexity", "nll": "nats", "action_accuracy": "action accuracy",
    "set_codes": "codes set",
}  # fmt: skip
