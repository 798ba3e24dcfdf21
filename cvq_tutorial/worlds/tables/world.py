"""Pictures with yes/no attributes (CelebA, or any folder with a table) as the world `faces`.

The chosen attributes are the factors, all of size 2, so that "Smiling+" turns a smile on. But the
pictures are given, so a transition is a pair of existing pictures that differ in exactly one chosen
attribute. What else differs between them (another person, another background) no action accounts
for: `attribute_space.pair_report` counts how many of the attributes that were *not* chosen differ,
which is the least to know before such a pair is called an intervention.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from cvq_tutorial.common.checks import close_match
from cvq_tutorial.common.folders import data_root
from cvq_tutorial.worlds.factors import Factor
from cvq_tutorial.worlds.pictures import Pictures
from cvq_tutorial.worlds.tables.files import (
    CELEBA,
    CELEBA_CSV,
    PAIRS,
    AttributeTable,
    read_known_pairs,
    read_table,
)
from cvq_tutorial.worlds.tables.pairs import Distance, choose, finders
from cvq_tutorial.worlds.tables.space import PictureSpace

SIZE = 64  # pixels
STAND_IN = "27a679e2499db011"  # fingerprint of the table of the drawn faces
NEAREST = ("attributes", "pixels", "none")
FOLDERS = ("celeba_style", "celeba", "CelebA", ".")
_STAND_IN_CREDIT = (
    '"Personas by Draftbit" (draftbit.com), CC BY 4.0, by way of @dicebear/personas; parts '
    "recombined and recoloured. Drawings, no photographs."
)
_CELEBA_CREDIT = (
    "CelebA (Liu, Luo, Wang and Tang, 2015): for research that is not commercial; the pictures may "
    "not be passed on."
)


@dataclass(frozen=True)
class AttributeWorld:
    """The world `faces`: pictures of a folder with their attribute table.

    Args:
        root: the folder, or its table; a relative path that is not there is looked for under
            `data_root()`. None: the first of celeba_style, celeba, CelebA there, or `data_root()`
            itself.
        attributes: the chosen ones, as the table names them. None: those of the known pairs, or the
            (at most) ten whose shares of yes and no are most even; either way only those with a
            pair in every split.
        pairs: "known" takes the list one_attribute_pairs.csv of the folder, "found" finds pairs by
            their values. None: known where there is a list.
        nearest: which of several found partners is taken: the nearest in the attributes that were
            not chosen, the nearest in pixels (8 x 8; each candidate is decoded once), or "none":
            any, which is what the released code does.
        candidates: of how many partners the nearest is taken.
        same_identity: both pictures of a found pair show one identity.
        crop: side of the central square that is shown, in pixels of the file; None is the largest.
            It is shrunk to 64 x 64 by area.
        table: hash that the table must have (a world's own `options` carry it); None takes any.

    Attributes:
        factors: one of size 2 per chosen attribute, names as in the table, made identifiers; it
            knows the pictures, see `PictureSpace`.
        image_shape: (64, 64, 3).
        data: the whole table, see `AttributeTable`.
        left_out: {attribute: why}, those that `attributes=None` could not take.

    Raises:
        FileNotFoundError: no table or no pictures there. TypeError, ValueError: a wrong option,
            what is wrong with the table, an attribute without a single pair, or another hash.
    """

    root: str | Path | None = field(default=None, compare=False)
    attributes: Sequence[str] | None = None
    pairs: str | None = None
    nearest: str = "attributes"
    candidates: int = 32
    same_identity: bool = False
    crop: int | None = None
    table: str | None = None
    name: str = field(default="faces", init=False)
    has_images: Literal[True] = field(default=True, init=False)
    image_shape: tuple[int, int, int] = field(default=(SIZE, SIZE, 3), init=False)
    factors: PictureSpace = field(init=False, repr=False)
    left_out: dict[str, str] = field(init=False, repr=False, compare=False)
    data: AttributeTable = field(init=False, repr=False, compare=False)
    _pictures: Pictures = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._check_options()
        data = read_table(_find_root(self.root))
        if self.table not in (None, data.fingerprint):
            raise ValueError(
                f"{data.source}: expected a table with hash {self.table}, found {data.fingerprint}"
            )
        if self.same_identity and data.identity is None:
            raise ValueError(f"{data.source}: same_identity needs identities, found none")
        listed = data.source.parent / PAIRS
        pairs = self.pairs or ("known" if listed.is_file() else "found")
        if pairs == "known" and not listed.is_file():
            raise ValueError(f"pairs='known' needs the list {listed}, which is not there")
        known = read_known_pairs(listed, data) if pairs == "known" else None
        columns, left_out = choose(data, self.attributes, known, self.same_identity)
        pictures = Pictures(data.folder, data.files, SIZE, self.crop)
        measures = {"attributes": data.distance, "pixels": pictures.distance, "none": None}
        factors = space_of(
            data, columns, known, self.same_identity, self.candidates, measures[self.nearest]
        )
        for key, value in (
            ("attributes", tuple(data.names[c] for c in columns)),
            ("pairs", pairs),
            ("table", data.fingerprint),
            ("factors", factors),
            ("left_out", left_out),
            ("data", data),
            ("_pictures", pictures),
        ):
            object.__setattr__(self, key, value)

    def _check_options(self) -> None:
        if self.pairs not in (None, "known", "found"):
            raise ValueError(close_match("kind of pairs", self.pairs, ("known", "found")))
        if self.nearest not in NEAREST:
            raise ValueError(close_match("nearest", self.nearest, NEAREST))
        if isinstance(self.attributes, str):
            raise TypeError(f"attributes: expected a list of names, found {self.attributes!r}")
        for what, value, least in (("candidates", self.candidates, 1), ("crop", self.crop, 8)):
            if what == "crop" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{what}: expected an integer of {least} or more, found {value!r}")

    @property
    def options(self) -> dict:
        """What `make_world("faces", **options)` needs to make this world again."""
        return {
            **({} if self.root is None else {"root": str(self.root)}),
            "attributes": list(self.attributes or ()),
            "pairs": self.pairs,
            "nearest": self.nearest,
            "candidates": self.candidates,
            "same_identity": self.same_identity,
            "crop": self.crop,
            "table": self.table,
        }

    @property
    def fingerprint(self) -> str:
        """Hash of the table, to name files that depend on it."""
        return self.data.fingerprint

    @property
    def n_images(self) -> int:
        """How many pictures there are: far fewer than combinations of values."""
        return len(self.data.files)

    @property
    def credit(self) -> str:
        """Whom to name beside these pictures."""
        if self.fingerprint == STAND_IN:
            return _STAND_IN_CREDIT
        real = self.n_images == 202_599 and len(self.data.names) == 40
        return _CELEBA_CREDIT if real else "Pictures from a folder: name whoever made them."

    @property
    def start_values(self) -> tuple[int, ...]:
        """F values to begin with that a picture has: those that the most pictures have."""
        chosen = self.data.values[:, self.factors.columns]
        kinds, number = np.unique(chosen, axis=0, return_counts=True)
        return tuple(int(v) for v in kinds[number.argmax()])

    def render(self, values: np.ndarray) -> np.ndarray:
        """Pictures of rows of values.

        Args:
            values: integers (B, F + 1), the chosen attributes and the number of the picture, or
                (B, F), see `PictureSpace.pictures_of`.

        Returns:
            uint8 (B, 64, 64, 3).

        Raises:
            TypeError, ValueError: as `pictures_of`; a file that is no picture.
        """
        return self._pictures.get(self.factors.pictures_of(values))


def space_of(
    data: AttributeTable,
    columns: Sequence[int],
    known: np.ndarray | None = None,
    same_identity: bool = False,
    candidates: int = 1,
    distance: Distance | None = None,
) -> PictureSpace:
    """The attributes in these columns of a table as factors, with their pairs.

    known: as `read_known_pairs` gives them, to take these instead of finding some.
    same_identity, candidates, distance: how pairs are found, see `AttributeWorld`.
    """
    return PictureSpace(
        tuple(Factor(identifier(data.names[c]), 2, "binary", ("no", "yes")) for c in columns),
        data,
        np.array(columns),
        finders(data, columns, known, same_identity),
        candidates,
        distance,
    )


def identifier(name: str) -> str:
    """A name as a factor may have it: "5_o_Clock_Shadow" becomes "_5_o_Clock_Shadow"."""
    name = "".join(c if f"_{c}".isidentifier() else "_" for c in name)
    return name if name.isidentifier() else f"_{name}"


def _find_root(root: str | Path | None) -> Path:
    """The folder or table file to read.

    Raises FileNotFoundError: it is not there; the message says what was looked for.
    """
    if root is not None:
        path = Path(root).expanduser()
        path = path if path.exists() or path.is_absolute() else data_root() / path
        if not path.exists():
            raise FileNotFoundError(f"no folder of pictures at {path}")
        return path
    for name in FOLDERS:
        for table in (CELEBA, CELEBA_CSV):
            if (data_root() / name / table).is_file():
                return data_root() / name
    raise FileNotFoundError(
        f"no {CELEBA} in {data_root()} or its folders {', '.join(FOLDERS[:-1])}: set CVQ_DATA to "
        "the folder that holds 'celeba' (see mmlab.ie.cuhk.edu.hk/projects/CelebA.html), or give "
        "root=..., a folder of pictures with a table"
    )
