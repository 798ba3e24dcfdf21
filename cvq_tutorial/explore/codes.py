"""Explorers of codes: move a factor and watch the codes, or set a code and watch the image."""

from __future__ import annotations

from typing import Any

import ipywidgets
import traitlets
from torch import Tensor

from cvq_tutorial.draw import sheets as pictures
from cvq_tutorial.draw.sheets import Tile
from cvq_tutorial.explore import given
from cvq_tutorial.explore.base import Checked, Explorer, factor_sliders, sized
from cvq_tutorial.explore.palette import Palette
from cvq_tutorial.explore.widget import GraphWidget, css_colors, data_url
from cvq_tutorial.worlds.world import ImageWorld

SIDE = 168  # CSS pixels of a large tile


class FactorExplorer(Explorer):
    """One slider per factor: the true image, what the model makes of it, and its codes.

    world: with images.  model: a CausalVQ of that world, or None to look at the world alone.
    Nodes whose codes changed at the last move are framed.
    Traits: `values`, a tuple of F integers, settable (ValueError where no picture has them, as in
    the world `faces`); `codes`, (1, N, C) int64 or None without a model.
    """

    values = Checked()
    codes = traitlets.Any(None, allow_none=True)

    def __init__(self, world: ImageWorld, model: Any = None) -> None:
        super().__init__()
        self.world, self.model = given.has_images(world), model
        self.sliders = factor_sliders(world)
        self.values = given.middle_values(world)
        for slider in self.sliders:
            self.on(slider, self._moved)
        column = ipywidgets.VBox(self.sliders, layout={"margin": "26px 12px 0 0"})
        self.children = [self.beside(column), self.caption, self.strip]

    def _moved(self, _: int) -> None:
        try:
            self.values = tuple(slider.value for slider in self.sliders)
        finally:
            self._put_sliders()  # back, where no picture has these values

    def _put_sliders(self) -> None:
        with self.writing():
            for slider, value in zip(self.sliders, self.values, strict=True):
                slider.value = value

    @traitlets.validate("values")
    def _check_values(self, proposal: Any) -> tuple[int, ...]:
        values = given.setting_of(self.world, proposal["value"], "values")
        self._image = given.start_image(self.world, values)  # refuses values that no picture has
        return values

    @traitlets.observe("values")
    def _draw(self, _: Any) -> None:
        self._put_sliders()
        setting, image = given.setting_in_words(self.world, self.values), self._image
        tiles = [Tile("true image", pictures.pixels(image))]
        if self.model is None:
            self.show(pictures.sheet([tiles], [2 * SIDE], f"{setting}."))
            return
        codes = self.model.encode(image).cpu()
        decoded = self.model.decode(codes).cpu()
        before = codes if self.codes is None else self.codes
        changed = (codes != before)[0]  # (N, C)
        self.codes = codes
        tiles.append(Tile("decoded from its codes", pictures.pixels(decoded)))
        tiles.append(Tile("|difference|", pictures.difference(image, decoded)))
        told = f"{setting}. PSNR {given.psnr_text(image, decoded)}."
        if before is not codes:
            told += f" The last move changed {int(changed.sum())} of {changed.numel()} codes, "
            told += f"at {int(changed.any(1).sum())} of {len(changed)} nodes (framed)."
        rows, sides = code_rows(codes, self.model, changed)
        self.show(pictures.sheet([tiles, *rows], [SIDE, *sides], told))


def code_rows(codes: Tensor, model: Any, marked: Tensor) -> tuple[list[list[Tile]], list[int]]:
    """Rows of code maps, four at most in a row, and their heights; marked: booleans (N, C).

    Codes that are finer than nodes are shown where they are.
    """
    auto = model.autoencoder
    places, framed = (auto.from_nodes(t)[0] for t in (codes, marked[None]))  # (n, C')
    c = places.shape[1]
    side = SIDE if c <= 3 else 124
    size = auto.map_size, model.n_codes, side
    maps = [pictures.code_map(places[:, b], *size, framed[:, b]) for b in range(c)]
    tiles = [Tile(f"codebook {b}", drawn) for b, drawn in enumerate(maps)]
    rows = [tiles[i : i + 4] for i in range(0, c, 4)]
    return rows, [side] * len(rows)


class CodeEditor(Explorer):
    """Choose a node on the code map, give it another code, and see what the decoder makes of it.

    model: a CausalVQ with an autoencoder.  image: one image, float (1, 3, H, W) in [0, 1] or uint8
    (H, W, 3), or its codes (1, N, C). Traits, all settable: `node`, `codebook`, `code` (of that
    node and codebook; setting it edits), `codes` (1, N, C), `model` (another one encodes the image
    again), `brush` (None, or the code that a click on a node paints there). `paint(node)` does so,
    `undo()` takes back the last edited code, `reset()` all.
    """

    node = Checked(0)
    codebook = Checked(0)
    code = Checked(0)
    codes = Checked()
    model = Checked()
    brush = traitlets.Any(None, allow_none=True)

    def __init__(self, model: Any, image: Any) -> None:
        super().__init__()
        self._image = image
        self._edits: list[tuple[int, int, Tensor]] = []  # node, codebook, codes before the edit
        self.board = GraphWidget()
        self.codebook_slider = ipywidgets.IntSlider(description="codebook", max=0)
        self.code_slider = ipywidgets.IntSlider(description="code", max=0)
        self.paint_box = ipywidgets.Checkbox(
            False, description="paint: a click puts this code there", indent=False
        )
        self.palette = Palette(self, self._choose)
        self.undo_button = self.button_for("undo", "undo", self.undo, "96px")
        self.reset_button = self.button_for("reset", "refresh", self.reset, "96px")
        sized("300px", "70px", self.codebook_slider, self.code_slider)
        self.on(self.board, self._point, "node")
        self.tie(codebook=self.codebook_slider)
        self.on(self.code_slider, self._choose)
        self.on(self.paint_box, lambda on: setattr(self, "brush", self.code if on else None))
        self.model = model
        buttons = ipywidgets.HBox([self.undo_button, self.reset_button])
        controls = ipywidgets.VBox(
            [self.codebook_slider, self.code_slider, self.paint_box, buttons, self.palette]
        )
        side = ipywidgets.VBox([controls, self.picture], layout={"flex": "1 1 340px"})
        self.board.layout.flex = "0 1 400px"
        body = ipywidgets.HBox([self.board, side], layout={"flex_flow": "row wrap"})
        self.children = [body, self.caption, self.strip]

    # -- what may be set

    @traitlets.validate("model")
    def _check_model(self, proposal: Any) -> Any:
        model = proposal["value"]
        if getattr(model, "autoencoder", None) is None:
            raise ValueError("expected a CausalVQ with an autoencoder: there is nothing to decode")
        self._original = given.codes_of(model, self._image)  # refuses an image that does not fit
        return model

    @traitlets.validate("node", "codebook", "code", "brush")
    def _check_whole(self, proposal: Any) -> int | None:
        name, value, (_, n, c) = proposal["trait"].name, proposal["value"], self._original.shape
        if name == "brush" and value is None:
            return None
        return given.whole(name, value, {"node": n, "codebook": c}.get(name, self.model.n_codes))

    @traitlets.validate("codes")
    def _check_codes(self, proposal: Any) -> Tensor:
        codes = self.model.check_codes(proposal["value"]).cpu()
        if len(codes) != 1:
            raise ValueError(f"codes of one image expected, found {len(codes)}")
        return codes

    # -- what follows

    @traitlets.observe("model")
    def _start(self, _: Any) -> None:
        _, n_nodes, n_codebooks = self._original.shape
        self._edits = []
        with self.writing():
            self.codebook_slider.max, self.code_slider.max = n_codebooks - 1, self.model.n_codes - 1
            self.board.rows, self.board.columns = self.model.grid
        with self.hold_trait_notifications():  # nothing is drawn half of one and half of the other
            self.node = min(self.node, n_nodes - 1)
            self.codebook = min(self.codebook, n_codebooks - 1)
            self.codes, self.brush = self._original, None

    @traitlets.observe("codes")
    def _draw(self, _: Any) -> None:
        original, edited = self.model.decode(self._original), self.model.decode(self.codes)
        changed = (self.codes != self._original)[0]
        self._image_url = data_url(pictures.pixels(edited))
        tiles = [
            Tile("decoded before", pictures.pixels(original)),
            Tile("decoded now", pictures.pixels(edited)),
            Tile("|difference|", pictures.difference(original, edited)),
        ]
        moved = (original - edited).abs().amax(dim=1)[0] > 1 / 255
        told = (
            f"{int(changed.sum())} of {changed.numel()} codes edited, at "
            f"{int(changed.any(1).sum())} nodes; {moved.float().mean():.0%} of the pixels changed."
        )
        self.show(pictures.sheet([tiles], [120], told))
        self._select(None)

    @traitlets.observe("node", "codebook")
    def _select(self, _: Any) -> None:
        if not isinstance(self.codes, Tensor):
            return  # while it is being made
        table = self.codes[0, :, self.codebook]
        edited = (self.codes != self._original)[0, :, self.codebook]
        with self.writing():
            self.code = int(table[self.node])
            self.follow()
            self.code_slider.value = self.code
            self.board.put(
                image=self._image_url,
                tints=css_colors(table.tolist(), self.model.n_codes),
                labels=[str(k) for k in table.tolist()],
                held=[n for n in range(len(table)) if edited[n]],
                heading=f"codes of codebook {self.codebook}; edited ones are framed",
                node=self.node,
            )
            self.palette.put(self.model, self.codes, self.node, self.codebook)

    @traitlets.observe("code")
    def _edit(self, change: Any) -> None:
        if self._writing:
            return
        codes = self.codes.clone()
        if not self._edits or self._edits[-1][:2] != (self.node, self.codebook):
            self._edits.append((self.node, self.codebook, self.codes))
        codes[0, self.node, self.codebook] = self.code
        self.codes = codes

    @traitlets.observe("brush")
    def _show_brush(self, _: Any) -> None:
        with self.writing():
            self.paint_box.value = self.brush is not None

    def paint(self, node: int) -> None:
        """Put the brush's code of the codebook at a node; ValueError without a brush."""
        if self.brush is None:
            raise ValueError("there is no brush: set `brush` to the code to paint with")
        self.node = node
        self.code = self.brush

    def _point(self, node: int | None) -> None:
        """A click on a node; a second one lets nothing go here."""
        self.node = self.node if node is None else node
        if self.brush is not None:
            self.paint(self.node)

    def _choose(self, code: int) -> None:
        """The slider or the palette: this node gets the code, and so do those painted next."""
        if self.brush is not None:
            self.brush = code
        self.code = code

    def undo(self) -> None:
        """Take back the last edited code, to what it was before the reader started to move it."""
        if self._edits:
            self.node, self.codebook, self.codes = self._edits.pop()

    def reset(self) -> None:
        """Back to the codes of the image."""
        self._edits = []
        self.codes = self._original
