"""What all explorers share: a picture, a line of words, a strip for errors, and an end.

An explorer is a thin shell. Its controls set traits of the explorer (checked, readable, settable
from Python), a change of a trait calls a pure function of `draw.sheets`, and the bytes go into one
`ipywidgets.Image`. Nothing is printed, no output area is cleared, so nothing flickers.

* An exception in a callback of a widget is invisible in Jupyter. Callbacks that come from a control
  therefore run under `handled`: the message is shown in a red strip under the explorer and kept in
  `.last_error`. What is set or called from Python raises as usual.
* Jupyter never frees a widget by itself. `.close()` closes all that an explorer is made of.
* The cell that shows an explorer also stores a picture of it, so that pages without a kernel show
  it; `.snapshot()` is that picture.
"""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import ipywidgets
import numpy as np
import traitlets
from IPython.display import Image as StoredImage
from torch import Tensor

from cvq_tutorial.common.checks import close_match
from cvq_tutorial.common.images import psnr, to_float
from cvq_tutorial.data.transitions import sample_values
from cvq_tutorial.draw.sheets import Sheet
from cvq_tutorial.explore.widget import Names
from cvq_tutorial.worlds.world import ImageWorld, is_world


def handled(callback: Callable[..., Any]) -> Callable[..., None]:
    """Decorator for callbacks of controls: an exception ends in the explorer's strip and
    `.last_error`.

    The first argument of the callback is the explorer. A callback that ends well clears the last
    error.
    """

    @wraps(callback)
    def called(explorer: Explorer, *args: Any, **kwargs: Any) -> None:
        try:
            callback(explorer, *args, **kwargs)
        except Exception as error:
            explorer.tell_error(f"{type(error).__name__}: {error}")
        else:
            explorer.tell_error(None)

    return called


@handled
def _run(explorer: Explorer, act: Callable[..., None], *args: Any) -> None:
    act(*args)


class Checked(traitlets.Any):
    """A trait whose values an explorer looks at itself, in a validator; also None goes there."""

    allow_none = False


class Explorer(ipywidgets.VBox):
    """A box of controls with a picture.

    Traits: `summary`, one line that says what is shown; `last_error`, the message of the last
    callback that failed, or None.
    """

    summary = traitlets.Unicode()
    last_error = traitlets.Unicode(None, allow_none=True)

    def __init__(self) -> None:
        self.spoken = Names()
        super().__init__()
        self.add_class("cvq-explorer")
        self._writing = 0
        self.picture = ipywidgets.Image(format="png", layout={"height": "auto"})
        self.caption = ipywidgets.HTML(layout={"min_height": "2.6em", "margin": "0 10px"})
        self.strip = ipywidgets.HTML(layout={"display": "none"})

    @traitlets.validate("children")
    def _named(self, proposal: Any) -> tuple[ipywidgets.Widget, ...]:
        return (*(part for part in proposal["value"] if part is not self.spoken), self.spoken)

    # -- what is shown

    def show(self, drawn: Sheet) -> None:
        """Put a drawn sheet and its summary before the reader."""
        self.picture.width = str(drawn.width)
        self.picture.layout.max_width = f"min(100% - 4px, {drawn.width}px)"  # its margins
        self.picture.value = drawn.png
        self.tell(drawn.summary)

    def tell(self, summary: str) -> None:
        """Set `.summary` and the line under the picture.

        Which screen readers read out when it changes.
        """
        self.summary = self.spoken.alt = summary
        self.caption.value = (
            f'<div role="status" style="line-height:1.35">{html.escape(summary)}</div>'
        )

    def tell_error(self, message: str | None) -> None:
        """Set `.last_error` and the strip; None clears both."""
        self.last_error = message
        self.strip.layout.display = None if message else "none"
        self.strip.value = (message and (
            '<div role="alert" style="border-left:4px solid #b00020;'
            'background:#fdecee;color:#7a0016;'
            f'padding:4px 10px;margin:4px 0;line-height:1.35">{html.escape(message)}</div>'
        )) or ""  # fmt: skip

    def beside(self, controls: ipywidgets.Widget) -> ipywidgets.HBox:
        """Controls with the picture at their right.

        Which shrinks a little and then moves below them.
        """
        self.picture.layout.flex, self.picture.layout.min_width = "1 1 400px", "0"
        layout = {"flex_flow": "row wrap", "align_items": "flex-start"}
        return ipywidgets.HBox([controls, self.picture], layout=layout)

    # -- controls

    def on(
        self, control: ipywidgets.Widget, act: Callable[[Any], None], name: str = "value"
    ) -> None:
        """Call act(new value) when the reader moves the control.

        Not when the explorer itself sets it.
        """

        def changed(change: Any) -> None:
            if not self._writing:
                _run(self, act, change["new"])

        control.observe(changed, name)

    def on_click(self, button: ipywidgets.Button, act: Callable[[], None]) -> None:
        """Call act() when the button is pressed."""
        button.on_click(lambda _: _run(self, act))

    def button_for(
        self, name: str, icon: str, act: Callable[[], None], width: str = "114px"
    ) -> ipywidgets.Button:
        """A button that calls act()."""
        made = ipywidgets.Button(description=name, icon=icon, layout={"width": width})
        self.on_click(made, act)
        return made

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While the explorer sets its own controls: what `on` watches keeps still."""
        self._writing += 1
        try:
            yield
        finally:
            self._writing -= 1

    # -- a picture for pages without a kernel

    def stored_png(self) -> bytes:
        """The picture that the cell stores."""
        return self.picture.value

    def snapshot(self) -> StoredImage:
        """What the explorer shows now as a picture to display.

        With the summary as its alternative text.
        """
        width = int(self.picture.width) if self.picture.width else None
        return StoredImage(self.stored_png(), format="png", width=width, alt=self.summary)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle: dict[str, Any] = {
            "text/plain": self.summary,
            "image/png": b64encode(self.stored_png()).decode("ascii"),
        }
        if self.comm is not None:
            key = "application/vnd.jupyter.widget-view+json"
            view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
            bundle = {key: view, **bundle}
        return bundle, {"image/png": {"alt": self.summary}}

    # -- the end

    def close(self) -> None:
        """Close the explorer and every widget it is made of, and forget its callbacks.

        May be called twice.
        """
        parts = _parts(self)
        for part in parts:
            part.unobserve_all()
            if part is not self:
                part.close()
        super().close()
        # ipywidgets leaves None here; a closed explorer can still show its last picture
        self.__dict__.pop("_repr_mimebundle_", None)


def _parts(root: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    """The widget and all that its traits and attributes hold: children, layouts, styles."""
    found: dict[int, ipywidgets.Widget] = {}
    todo: list[Any] = [root]
    while todo:
        thing = todo.pop()
        if isinstance(thing, (list, tuple)):
            todo.extend(thing)
        elif isinstance(thing, ipywidgets.Widget) and id(thing) not in found:
            found[id(thing)] = thing
            todo.extend(thing._trait_values.values())
            if thing is root:
                todo.extend(v for k, v in vars(thing).items() if k != "_trait_values")
    return list(found.values())


# Checks ------------------------------------------------------------------------------------------


def whole(name: str, value: Any, size: int, low: int = 0) -> int:
    """The value as int.

    Raises TypeError unless it is an integer, ValueError unless it is one of `size` from `low` on.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, found {value!r}")
    if not low <= value < low + size:
        raise ValueError(f"{name} must lie in {low}..{low + size - 1}, found {value}")
    return int(value)


def action_name(value: Any, names: Sequence[str]) -> str:
    """The name of an action given by name or number.

    Raises TypeError or ValueError, naming close ones.
    """
    if isinstance(value, str):
        if value not in names:
            raise ValueError(close_match("action", value, names))
        return value
    return names[whole("action", value, len(names))]


def has_images(world: Any) -> ImageWorld:
    """The world, if it can render.

    Raises ValueError for a world of codes, TypeError for no world.
    """
    if not is_world(world):
        raise TypeError(f"expected a world of worlds.make_world, found {type(world).__name__}")
    if not world.has_images:
        raise ValueError(f"expected a world with images, found {world.name!r}")
    return world


def same_actions(model: Any, world: ImageWorld) -> None:
    """Raise ValueError unless the actions of the model are those of the world."""
    if list(world.factors.action_names) != model.action_names:
        raise ValueError(
            f"the model has other actions than world {world.name!r}: {model.action_names}; where "
            "nobody named them, `measure.with_names(model, world)` does, and an explorer that "
            "takes an image shows them as they are"
        )


def codes_of(model: Any, image: Any) -> Tensor:
    """Codes (1, N, C) of one image, or of its codes (1, N, C), which stay as they are.

    image: float (1, 3, H, W) or (3, H, W) in [0, 1], or uint8 (H, W, 3).
    """
    if isinstance(image, np.ndarray) and image.dtype == np.uint8:
        image = to_float(image[None] if image.ndim == 3 else image)
    if model is None:
        raise TypeError("expected a CausalVQ, found None")
    if not isinstance(image, Tensor):
        raise TypeError(f"expected an image or codes as a tensor, found {type(image).__name__}")
    if image.is_floating_point():
        image = image[None] if image.ndim == 3 else image
        codes = model.encode(image)
    else:
        codes = model.check_codes(image)
    if len(codes) != 1:
        raise ValueError(f"expected one image, found {len(codes)}")
    return codes.cpu()


def start_image(world: ImageWorld, values: Sequence[int]) -> Tensor:
    """The world's image (1, 3, H, W) of one setting of its factors."""
    return to_float(world.render(np.array([values], dtype=np.int64)))


def middle_values(world: ImageWorld) -> tuple[int, ...]:
    """A setting from which most steps are possible: the middle value of each factor."""
    middle = tuple(size // 2 for size in world.factors.sizes)
    return getattr(world, "start_values", middle)  # of given pictures: most settings have none


def starts_of(
    start: Any, values: Sequence[int] | None, n: int = 24
) -> tuple[ImageWorld | None, list[tuple[int, ...]], Sequence[Any]]:
    """What an explorer can start from: the world, if one is given, settings of it, and images.

    start: a world, from its middle values or `values` and then n - 1 others of its test split; or
        images, float (B, 3, H, W) in [0, 1] or uint8 (H, W, 3), or codes (B, N, C).
    """
    if is_world(start):
        first = middle_values(has_images(start)) if values is None else tuple(values)
        rows = sample_values(start.factors, n - 1, "test", 0)[:, : start.factors.n_factors]
        settings = [first, *map(tuple, rows.tolist())]
        return start, settings, [start_image(start, setting) for setting in settings]
    if values is not None:
        raise ValueError("values were given without a world")
    batch = isinstance(start, Tensor) and start.ndim == (4 if start.is_floating_point() else 3)
    return None, [], start.split(1) if batch else [start]


def psnr_text(a: Tensor, b: Tensor) -> str:
    """How near two images (3, H, W) in [0, 1] are, as "31.4 dB"."""
    error = float((a.float() - b.float()).square().mean())
    return f"{psnr(error):.1f} dB"
