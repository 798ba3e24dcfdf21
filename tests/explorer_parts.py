"""What tests of explorers share: worlds, models, and hands that move controls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import torch
from PIL import Image

from cvq_tutorial import explore
from cvq_tutorial.explore import widget as widget_parts
from cvq_tutorial.training import checkpoints, recipes
from cvq_tutorial.worlds.make import make_world

WORLD = make_world("shapes3d")


CODES_WORLD = make_world("codes")


def untrained(world: Any = WORLD, seed: int = 0, **settings: Any) -> Any:
    """A small model with random weights: about half of the nodes set, edges of all strengths."""
    torch.manual_seed(seed)
    model = checkpoints.build(world, recipes.get("nano", world.name, **settings)).eval()
    with torch.no_grad():
        model.transition.mask_out.bias.zero_()
        model.transition.edge_cause.weight.mul_(8)
    return model


MODEL = untrained()


def controls(widget: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    """What a reader can move or press, in order."""
    if isinstance(widget, ipywidgets.Box):
        return [control for child in widget.children for control in controls(child)]
    silent = (ipywidgets.HTML, ipywidgets.Image, widget_parts.Names)
    return [] if isinstance(widget, silent) else [widget]


def moves(control: ipywidgets.Widget) -> list[Callable[[], None]]:
    """One move to each value of the control's range, or three presses."""
    if isinstance(control, ipywidgets.Button):
        return [lambda: None if control.disabled else control.click()] * 3
    if isinstance(control, explore.GraphWidget):
        places = [*range(control.rows * control.columns), None, 0]
        return [lambda n=n: setattr(control, "node", n) for n in places]
    if isinstance(control, ipywidgets.Checkbox):
        values: list[Any] = [False, True]
    elif isinstance(control, ipywidgets.FloatSlider):
        values = np.arange(control.min, control.max + 1e-9, 7 * control.step).tolist()
        values += [control.max, 0.5]
    elif isinstance(control, ipywidgets.IntSlider):
        values = [*range(control.min, control.max + 1)]
    else:
        assert isinstance(control, (ipywidgets.SelectionSlider, ipywidgets.Dropdown)), control
        values = [o[1] if isinstance(o, tuple) else o for o in control.options]
    return [lambda v=v: setattr(control, "value", v) for v in values]


def given_pictures(folder: Path) -> Any:
    """A world `faces`: three of the four combinations of two attributes have a picture."""
    lines = ["image,Hat,Smiling,split"]
    for i in range(27):
        hat, smile = [(0, 0), (1, 0), (0, 1)][i % 3]
        image = np.full((64, 64, 3), 5 * i, dtype=np.uint8)
        image[10:20], image[40:50] = 200 * hat, 150 * smile
        Image.fromarray(image).save(folder / f"{i}.png")
        lines.append(f"{i}.png,{hat},{smile},{('train', 'valid', 'test')[i // 9]}")
    (folder / "table.csv").write_text("\n".join(lines))
    return make_world("faces", root=folder)
