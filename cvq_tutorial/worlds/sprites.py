"""Sprites: small animated characters, dressed from 37 sheets, 3,402,000 pictures made on the fly.

The sheets are those of Li and Mandt's Sprites data set (ICML 2018), art of the Liberated Pixel Cup.
They are not part of this package: the message of a missing folder says where to get them. A
picture starts black; body, shoes, bottomwear, topwear, eyes and hair are laid over it in this order
wherever the sheet's alpha is above 128. Nothing is stored but the sheets.

Factors (last one fastest): bottomwear 6, topwear 6, hair 10, eyes 5, shoes 3, body 7, action 5,
rotation 3, frame 6. Sheet 5 of bottomwear and of topwear is left out, because it is blank in two
actions, and so is the back view, where no eyes are seen. Still, many steps of eyes change no pixel.
"""

from __future__ import annotations

import colorsys
import hashlib
import io
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import data_root
from cvq_tutorial.worlds.factors import Factor, FactorSpace
from cvq_tutorial.worlds.kinds import formats

SHEETS = {  # component: sheet numbers used, in the order in which components are laid over
    "body": (0, 1, 2, 3, 4, 5, 6),
    "shoes": (0, 1, 2),
    "bottomwear": (0, 1, 2, 3, 4, 6),
    "topwear": (0, 1, 2, 3, 4, 6),
    "eyes": (0, 1, 2, 3, 4),
    "hair": (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
}
REAL_SHEETS = "e4217d3fac109155"  # fingerprint of the published sheets
_SHEET_SIZE = (832, 1344)  # pixels: 13 columns and 21 rows of tiles
_TILE = 64
_FRAMES = 6  # columns in use: the shortest action has six
_ACTIONS = ("spellcard", "thrust", "walk", "slash", "shoot")  # four rows each
_ROTATIONS = ("left", "front", "right")  # rows 1, 2, 3 of an action; row 0 is the back view
_GET = (
    "the sheets are the folders body, bottomwear, topwear, hair, eyes and shoes of "
    "https://github.com/YingzhenLi/Sprites at commit 3ce4048c (CC-BY-SA 3.0 or GPL 3.0); put them "
    "there, or set CVQ_DATA to the folder that holds 'sprites'"
)
_CREDIT = (
    "Sprites: art by the contributors of the Liberated Pixel Cup (lpc.opengameart.org), collected "
    "by the Universal LPC Spritesheet project and by Y. Li and S. Mandt "
    "(github.com/YingzhenLi/Sprites); CC-BY-SA 3.0 or GPL 3.0, which cover these pictures too."
)

_OTHER_CREDIT = "Sheets other than the published Sprites sheets: name whoever drew them."


def _kinds(component: str) -> Factor:
    sheets = SHEETS[component]
    return Factor(component, len(sheets), "categorical", tuple(str(s) for s in sheets))


FACTORS = FactorSpace(
    (
        *(_kinds(c) for c in ("bottomwear", "topwear", "hair", "eyes", "shoes", "body")),
        Factor("action", len(_ACTIONS), "categorical", _ACTIONS),
        Factor("rotation", len(_ROTATIONS), values=_ROTATIONS),
        Factor("frame", _FRAMES),
    )
)


@dataclass(frozen=True)
class Sprites:
    """The world `sprites`: `render` makes the pictures of any factor values.

    Args:
        root: folder that holds body/0.png ... ; None is `data_root() / "sprites"`.
        sheets: hash that the sheets must have (a world's own `options` carry it); None takes any.
        actions: "steps" or "set", see `factors`.

    Raises:
        FileNotFoundError: the folder or a sheet is missing. ValueError: a sheet of another size,
            one that is no picture, sheets that do not have the hash `sheets`, or unknown actions.
    """

    root: str | Path | None = field(default=None, compare=False)
    sheets: str | None = None
    actions: str = "steps"
    name: str = field(default="sprites", init=False)
    has_images: Literal[True] = field(default=True, init=False)
    factors: FactorSpace = field(init=False, repr=False)  #: as in the module's text
    image_shape: tuple[int, int, int] = field(default=(_TILE, _TILE, 3), init=False)
    _tiles: dict[str, np.ndarray] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "factors", FACTORS.with_actions(self.actions))
        root = data_root() / "sprites" if self.root is None else Path(self.root).expanduser()
        if not root.is_dir():
            raise FileNotFoundError(f"no folder of sprites sheets at {root}; {_GET}")
        tiles = {c: np.stack([_read(root / c / f"{s}.png") for s in SHEETS[c]]) for c in SHEETS}
        object.__setattr__(self, "_tiles", tiles)
        wanted = self.sheets
        object.__setattr__(self, "sheets", self.fingerprint)
        if wanted not in (None, self.fingerprint):
            kinds = {REAL_SHEETS: " (the published ones)"}
            raise ValueError(
                f"sprites: expected sheets with hash {wanted}{kinds.get(str(wanted), '')}, found "
                f"{self.fingerprint}{kinds.get(self.fingerprint, '')} in {root}"
            )

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the pixels of all sheets in use; REAL_SHEETS for the published ones."""
        digest = hashlib.sha256()
        for component in SHEETS:
            digest.update(self._tiles[component].data)
        return digest.hexdigest()[:16]

    @property
    def is_real(self) -> bool:
        """Whether these are the published sheets, by their content."""
        return self.fingerprint == REAL_SHEETS

    @property
    def options(self) -> dict:
        """What makes this world again, wherever the sheets lie: {"sheets": their hash, ...}."""
        return {"sheets": self.fingerprint, **self.factors.actions_option}

    @property
    def credit(self) -> str:
        """Whom to name beside any picture made from these sheets."""
        return _CREDIT if self.is_real else _OTHER_CREDIT

    def render(self, values: np.ndarray) -> np.ndarray:
        """Pictures uint8 (B, 64, 64, 3) of factor values (B, 9), see `ImageWorld.render`."""
        values = self.factors.check(values)
        pose = (values[:, 6] * len(_ROTATIONS) + values[:, 7]) * _FRAMES + values[:, 8]
        column = {c: values[:, self.factors.factor_id(c)] for c in SHEETS}
        images = np.empty((len(values), _TILE * _TILE, 3), dtype=np.uint8)
        for start in range(0, len(values), 32):  # 32 pictures fit the processor's cache
            part = slice(start, start + 32)
            picture = self._tiles["body"][column["body"][part], pose[part]]  # (b, 4096)
            for component in list(SHEETS)[1:]:
                tile = self._tiles[component][column[component][part], pose[part]]
                np.copyto(picture, tile, where=tile != 0)
            images[part] = picture.view(np.uint8).reshape(-1, _TILE * _TILE, 4)[:, :, :3]
        return images.reshape(-1, *self.image_shape)


def _read(path: Path) -> np.ndarray:
    """The tiles in use of one sheet: uint32 (90, 4096), bytes R, G, B, 255, or 0 = see-through."""
    if not path.is_file():
        raise FileNotFoundError(f"no sprites sheet at {path}; {_GET}")
    try:
        with Image.open(path, formats=formats()) as picture:
            size, mode = picture.size, picture.mode
            used = picture.crop((0, 0, _FRAMES * _TILE, len(_ACTIONS) * 4 * _TILE))
            sheet = np.array(used.convert("RGBA"))  # most are palette pictures
    except Exception as error:  # a damaged file raises nearly anything
        raise ValueError(f"sprites sheet {path}: expected a PNG picture, found: {error}") from error
    if size != _SHEET_SIZE:
        raise ValueError(
            f"sprites sheet {path}: expected {_SHEET_SIZE[0]} x {_SHEET_SIZE[1]} pixels, found "
            f"{size[0]} x {size[1]}"
        )
    if sheet[:, :, 3].min() > 128:
        raise ValueError(
            f"sprites sheet {path}: expected see-through parts, found none (mode {mode}): it would "
            "hide all that lies below"
        )
    sheet[sheet[:, :, 3] <= 128] = 0
    sheet[sheet[:, :, 3] > 0, 3] = 255
    tiles = sheet.view(np.uint32).reshape(len(_ACTIONS), 4, _TILE, _FRAMES, _TILE)
    return tiles[:, 1:].swapaxes(2, 3).reshape(-1, _TILE * _TILE)  # (action, rotation, frame) flat


# The stand-in: characters of ellipses and bars in the same layout, for tests without the sheets.


def stand_in_sheets(folder: str | Path, seed: int = 0) -> Path:
    """Write a generated set of sheets in the layout of the real ones; returns the folder.

    Characters are made of ellipses and bars; colours come from the seed. Like the real ones the
    eyes are blank in some poses, so that some steps change no pixel.

    Raises OSError: the folder cannot be written.
    """
    folder = Path(folder)
    for c, component in enumerate(SHEETS):
        for sheet in SHEETS[component]:
            rng = np.random.default_rng([seed, c, sheet])
            write_atomic(folder / component / f"{sheet}.png", _drawn(component, sheet, rng))
    return folder


def _drawn(component: str, sheet: int, rng: np.random.Generator) -> bytes:
    """PNG of one stand-in sheet: palette mode with entry 0 see-through, as most real ones are."""
    picture = Image.new("P", _SHEET_SIZE, 0)
    hue = (sheet / 11 + 0.13 * list(SHEETS).index(component) + rng.uniform(0, 0.05)) % 1
    main = np.array(colorsys.hsv_to_rgb(hue, 0.35 if component == "body" else 0.8, 0.95))
    colours = np.rint(255 * np.array([0 * main, main, 0.6 * main])).astype(np.uint8)
    picture.putpalette(colours.tobytes())
    draw = ImageDraw.Draw(picture)
    for action in range(len(_ACTIONS)):
        for turn in (-1, 0, 1):  # left, front, right
            for frame in range(_FRAMES):
                left, top = frame * _TILE, (action * 4 + 2 + turn) * _TILE
                _draw_tile(draw, component, sheet, (left, top), action, turn, frame)
    data = io.BytesIO()
    picture.save(data, "PNG", transparency=0)
    return data.getvalue()


def _draw_tile(
    draw: ImageDraw.ImageDraw,
    component: str,
    sheet: int,
    corner: tuple[int, int],
    action: int,
    turn: int,
    frame: int,
) -> None:
    """One component of one pose; sheets of a component differ in colour and in a length."""

    def at(*points: float) -> list[float]:
        return [v + corner[i % 2] for i, v in enumerate(points)]

    step = round(5 * np.sin(2 * np.pi * frame / _FRAMES)) if action == 2 else frame % 2
    bob, long = (frame + action) % 3 - 1, sheet % 3
    head, feet = 32 + 2 * turn, (28 + step, 36 - step)
    angle = np.deg2rad((-60, 0, 70, -90, 20)[action] + (15, 6, 25, 30, 9)[action] * frame)
    reach = (12 * np.cos(angle), 12 * np.sin(angle))
    if component == "body":
        for x, foot in ((29, feet[0]), (35, feet[1])):
            draw.line(at(x, 44, foot, 58), fill=2, width=4)
        draw.ellipse(at(25, 29 + bob, 39, 47), fill=1)
        for side in (-1, 1) if turn == 0 else (turn,):
            hand = (32 + side * (6 + reach[0]), 33 + bob + reach[1])
            draw.line(at(32 + 6 * side, 33 + bob, *hand), fill=2, width=3)
        draw.ellipse(at(head - 8, 13 + bob, head + 8, 29 + bob), fill=1)
    elif component == "shoes":
        for foot in feet:
            draw.ellipse(at(foot - 3 + turn, 56 - long, foot + 3 + turn, 61), fill=1 + sheet % 2)
    elif component == "bottomwear":
        low = 50 + 2 * long
        draw.polygon(at(26, 42, 38, 42, feet[1] + 2, low, feet[0] - 2, low), fill=1 + sheet % 2)
    elif component == "topwear":
        draw.rectangle(at(26 - long // 2, 30 + bob, 38 + long // 2, 42 + long), fill=1)
        draw.line(at(32 + 3 * turn, 31 + bob, 32 + 3 * turn, 42), fill=2, width=1 + sheet % 2)
    elif component == "eyes":
        closed = (action == 0 and frame in (2, 3)) or (action == 4 and frame == 5 and turn != 0)
        for side in () if closed else (-1, 1) if turn == 0 else (turn,):
            draw.rectangle(at(head + 3 * side, 21 + bob, head + 3 * side + 1, 22 + bob), fill=1)
    else:  # hair, over everything: the long kinds hide an eye now and then
        draw.pieslice(at(head - 9, 11 + bob, head + 9, 29 + bob), 180, 360, fill=1)
        side = -turn or 1
        draw.line(at(head + 8 * side, 20 + bob, head + 8 * side, 22 + bob + sheet), fill=2, width=3)
        if sheet % 4 == 3:
            draw.rectangle(at(head + 2, 19 + bob, head + 5, 23 + bob), fill=2)
