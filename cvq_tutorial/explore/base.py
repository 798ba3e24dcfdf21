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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

import ipywidgets
import traitlets
from IPython.display import Image as StoredImage

from cvq_tutorial.draw.sheets import Sheet
from cvq_tutorial.explore.widget import Names
from cvq_tutorial.worlds.world import ImageWorld


def handled(callback: Callable[..., Any]) -> Callable[..., None]:
    """Decorator for callbacks of controls: an exception goes to the strip and to `.last_error`.

    The callback's first argument is the explorer. One that ends well clears the last error.
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
        self._tied: dict[str, ipywidgets.Widget] = {}
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
        """Set `.summary` and the line under the picture, which screen readers read out."""
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
        """Controls and, at their right, the picture: it shrinks a little, then moves below them."""
        self.picture.layout.flex, self.picture.layout.min_width = "1 1 400px", "0"
        layout = {"flex_flow": "row wrap", "align_items": "flex-start"}
        return ipywidgets.HBox([controls, self.picture], layout=layout)

    # -- controls

    def on(
        self, control: ipywidgets.Widget, act: Callable[[Any], None], name: str = "value"
    ) -> None:
        """Call act(new value) when the reader moves the control, not when the explorer sets it."""

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

    def tie(self, **controls: ipywidgets.Widget) -> None:
        """Let each control set the trait of its name; `follow` puts the traits on the controls."""
        self._tied |= controls
        for name, control in controls.items():
            self.on(control, partial(setattr, self, name))

    def follow(self) -> None:
        """Show the traits on the controls that are tied to them."""
        with self.writing():
            for name, control in self._tied.items():
                control.value = getattr(self, name)

    def over(self, *more: ipywidgets.Widget, **controls: ipywidgets.Widget) -> None:
        """Put tied controls, and more, above the picture."""
        self.tie(**controls)
        above = ipywidgets.VBox([*controls.values(), *more])
        self.children = [above, self.picture, self.caption, self.strip]

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
        """What the explorer shows now, to display; the summary is its alternative text."""
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
        """Close the explorer and all its widgets, and forget its callbacks; may be called twice."""
        for part in _parts(self):
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


# Controls -----------------------------------------------------------------------------------------


def factor_sliders(world: ImageWorld) -> list[ipywidgets.SelectionSlider]:
    """A slider over the values of each factor."""
    factors = world.factors.factors
    options = [[(factor.label(value), value) for value in range(factor.size)] for factor in factors]
    sliders = [
        ipywidgets.SelectionSlider(options=values, description=factor.name)
        for factor, values in zip(factors, options, strict=True)
    ]
    sized("270px", "92px", *sliders)
    return sliders


def sized(width: str, name: str, *controls: ipywidgets.Widget) -> None:
    """Give controls a width, of which so much is for their names."""
    for control in controls:
        control.style.description_width, control.layout.width = name, width
