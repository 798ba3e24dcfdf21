"""Worlds of given pictures with a table: `pictures`, of any folder, and `faces`, CelebA's layout.

The chosen columns are the factors: "Smiling+" turns a smile on, "pose=left" turns a head. But the
pictures are given, so a transition is a pair of existing pictures that differ in exactly one chosen
column. What else differs between them (another person, another background) no action accounts for:
`space.pair_report` counts how many of the columns that were *not* chosen differ, which is the least
to know before such a pair is called an intervention.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cvq_tutorial.common.checks import close_match
from cvq_tutorial.worlds.factors import Factor
from cvq_tutorial.worlds.pictures import FITS, Pictures
from cvq_tutorial.worlds.tables.asked import OTHER_PICTURES, OTHER_TABLE, how_of, same_hash
from cvq_tutorial.worlds.tables.choose import choose, identifier
from cvq_tutorial.worlds.tables.files import AttributeTable, read_table, told_of
from cvq_tutorial.worlds.tables.find import CELEBA, CELEBA_CSV, PAIRS, find_root, find_table
from cvq_tutorial.worlds.tables.listed import PairsWorld, lists_pairs, pairs_world
from cvq_tutorial.worlds.tables.pairs import Distance, finders, read_known_pairs
from cvq_tutorial.worlds.tables.space import PictureSpace, paired

SIZE = 64  # pixels
STAND_IN = "27a679e2499db011"  # fingerprint of the table of the drawn faces
NEAREST = ("attributes", "pixels", "none")
_KINDS = {"yes/no": "binary", "binned": "ordered"}  # as factors call them; others by their name
_STAND_IN_CREDIT = (
    '"Personas by Draftbit" (draftbit.com), CC BY 4.0, by way of @dicebear/personas; parts '
    "recombined and recoloured. Drawings, no photographs."
)
_CELEBA_CREDIT = (
    "CelebA (Liu, Luo, Wang and Tang, 2015): for research that is not commercial; the pictures may "
    "not be passed on."
)


@dataclass(frozen=True)
class PictureWorld:
    """Given pictures with a table; `pictures_world` and `faces_world` make one."""

    name: str  #: "pictures" or "faces"
    root: str | Path | None = field(compare=False)  #: the folder, or its table, as asked for
    asked: dict[str, Any]  #: all other options, which make the world again
    factors: PictureSpace = field(repr=False)  #: one per chosen column; it knows the pictures
    data: AttributeTable = field(repr=False, compare=False)  #: the whole table
    #: {column: why}, those that could have been factors and are not, where nobody chose
    left_out: dict[str, str] = field(repr=False, compare=False)
    fingerprint: str = field(repr=False)
    _pictures: Pictures = field(repr=False, compare=False)
    has_images: Literal[True] = field(default=True, init=False)
    image_shape: tuple[int, int, int] = field(default=(SIZE, SIZE, 3), init=False)

    @property
    def options(self) -> dict[str, Any]:
        """What `make_world(name, **options)` needs to make this world again."""
        return {**({} if self.root is None else {"root": str(self.root)}), **self.asked}

    @property
    def attributes(self) -> tuple[str, ...]:
        """The chosen columns, as the table has them."""
        return tuple(self.data.names[c] for c in self.factors.columns)

    @property
    def n_images(self) -> int:
        """How many pictures there are: far fewer than combinations of values."""
        return len(self.data.files)

    @property
    def own(self) -> bool:
        """Whether this is somebody's own table, about which nothing is known, or CelebA's."""
        return self.name != "faces" or self.data.source.name not in (CELEBA, CELEBA_CSV)

    @property
    def grey(self) -> bool:
        """Whether the pictures are grey, as their files say, though they are shown as RGB."""
        return self._pictures.are_grey()

    @property
    def credit(self) -> str:
        """Whom to name beside these pictures."""
        if self.data.fingerprint == STAND_IN:
            return _STAND_IN_CREDIT
        real = self.n_images == 202_599 and len(self.data.names) == 40
        return _CELEBA_CREDIT if real else "Pictures from a folder: name whoever made them."

    @property
    def start_values(self) -> tuple[int, ...]:
        """F values to begin with that a picture has: those that the most pictures have."""
        chosen = self.data.values[:, self.factors.columns]
        kinds, number = np.unique(chosen, axis=0, return_counts=True)
        return tuple(int(v) for v in kinds[number.argmax()])

    @property
    def told(self) -> tuple[str, ...]:
        """What became of the columns that are no factor, and of rows, a line each."""
        return (*self.data.notes, *told_of(self.data, self.attributes, self.left_out))

    def render(self, values: np.ndarray) -> np.ndarray:
        """Pictures uint8 (B, 64, 64, 3) of rows of values, see `PictureSpace.pictures_of`.

        Raises TypeError, ValueError: as there; a file that is no picture.
        """
        return self._pictures.get(self.factors.pictures_of(values))


def pictures_world(
    root: str | Path | None = None,
    table: str | None = None,
    factors: Sequence[str] | None = None,
    identity: str | None = None,
    split: str | None = None,
    missing: str = "refuse",
    bins: Mapping[str, Any] | None = None,
    kinds: Mapping[str, str] | None = None,
    columns: Sequence[str] | None = None,
    file: str | None = None,
    spelling: str = "exact",
    drop: Sequence[str] = (),
    actions: str = "set",
    same_identity: bool | None = None,
    nearest: str = "attributes",
    candidates: int = 32,
    crop: int | None = None,
    fit: str = "crop",
    table_hash: str | None = None,
    pictures_hash: str | None = None,
) -> PictureWorld | PairsWorld:
    """The world `pictures`: a folder of pictures and any table of what they show.

    A text table with the columns before and after lists pairs instead, see `listed`: of the options
    below it takes table, split, missing, crop and fit.

    What becomes of a column follows from its distinct values, see `columns`; what is no factor is
    said in a line each, here and by `cvq worlds check`.

    Args:
        root: the folder, or its table; a relative path that is not there is looked for under
            `data_root()`.
        table: name of the table file in the folder, where there are several.
        factors: titles of the columns that are factors. None: the (at most) ten whose values are
            most even; either way only those with a pair in every split.
        identity: title of the column that says who or what is shown; "none" where there is none.
            Whole identities go to one split.
        split: title of the column that says train, valid or test; "draw" draws it anew.
        missing: "drop" leaves out rows without a picture, or with a blank among the factors.
        bins: {title: bins} of columns of numbers: how many, or their upper ends, or names with
            upper ends, the last one None.
        kinds: {title: "yes/no", "ordered" or "categorical"}, where the values do not tell.
        columns: titles of a table that has no line of them.
        file: title of the column that names the pictures.
        spelling: "loose" takes words that differ in case or blanks as one.
        drop: "title=value" of rows to leave out.
        actions: "set", categorical factors have one action per value; "steps", two for each factor.
        same_identity: whether both pictures of a pair show one identity. None: for every factor
            that has such pairs in all splits.
        nearest, candidates, crop: see `faces_world`.  fit: how a picture becomes a square, see
            `square`.
        table_hash, pictures_hash: hashes that the table and the pictures must have (a world's own
            `options` carry them); None takes any, and says what became of the columns.

    Raises:
        FileNotFoundError: no table or no pictures there. TypeError, ValueError: a wrong option,
            what is wrong with the table, a factor without a single pair, or another hash.
            ImportError: the extra that reads the table is missing, in one line.
    """
    if root is None:
        raise FileNotFoundError(
            "pictures of your own: expected a folder or table, root='...' (--root FOLDER)"
        )
    _check_pairing(nearest, candidates, crop, fit)
    how = how_of(
        table, factors, identity, split, missing, bins, kinds, columns, file, spelling, drop
    )
    folder = find_root(root)
    place = folder.absolute() if Path(root).expanduser().exists() else root
    if lists_pairs(find_table(folder, table)):
        given = {
            "factors": factors, "identity": identity, "bins": bins, "kinds": kinds,
            "columns": columns, "file": file, "drop": drop, "same_identity": same_identity,
            "actions": actions != "set", "spelling": spelling != "exact",
        }  # fmt: skip
        some = {name: value for name, value in given.items() if value}
        hashes = table_hash, pictures_hash
        listed = pairs_world(place, folder, how, some, crop, fit, hashes)
        for line in listed.told if table_hash is None else ():
            print(line)
        return listed
    data = read_table(folder, how=how)
    same_hash(data.source, "a table", table_hash, data.fingerprint, OTHER_TABLE)
    pictures = Pictures(data.folder, data.files, SIZE, crop, fit=fit)
    measures = {"attributes": data.distance, "pixels": pictures.distance, "none": None}
    pairing = same_identity, candidates, measures[nearest], actions
    space, left_out = _chosen(data, factors, None, *pairing)
    found = pictures.fingerprint
    same_hash(data.folder, "pictures", pictures_hash, found, OTHER_PICTURES)
    told = {
        "table": table, "factors": [data.names[c] for c in space.columns], "identity": identity,
        "split": split, "missing": missing, "bins": dict(bins or {}), "kinds": dict(kinds or {}),
        "columns": list(columns) if columns else None, "file": file, "spelling": spelling,
        "drop": list(drop), "actions": actions, "same_identity": same_identity,
        "nearest": nearest, "candidates": candidates, "crop": crop, "fit": fit,
        "table_hash": data.fingerprint, "pictures_hash": found,
    }  # fmt: skip
    name = f"{data.fingerprint}-{found}"
    world = PictureWorld("pictures", place, told, space, data, left_out, name, pictures)
    if table_hash is None:
        for line in (*world.told, *paired(space)):
            print(line)
    return world


def faces_world(
    root: str | Path | None = None,
    attributes: Sequence[str] | None = None,
    pairs: str | None = None,
    nearest: str = "attributes",
    candidates: int = 32,
    same_identity: bool = False,
    crop: int | None = None,
    table: str | None = None,
) -> PictureWorld:
    """The world `faces`: yes/no attributes, in CelebA's layout or in a table of another one.

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
        table: hash that the table must have (a world's own `options` carry it); None takes any, and
            says which attributes are left out where nobody chose.

    Raises:
        FileNotFoundError: no table or no pictures there. TypeError, ValueError: a wrong option,
            what is wrong with the table, an attribute without a single pair, or another hash.
    """
    if pairs not in (None, "known", "found"):
        raise ValueError(close_match("kind of pairs", pairs, ("known", "found")))
    if isinstance(attributes, str):
        raise TypeError(f"attributes: expected a list of names, found {attributes!r}")
    _check_pairing(nearest, candidates, crop)
    data = read_table(find_root(root)).only(("yes/no", "constant"))
    if not data.names:
        raise ValueError(
            f"{data.source}: expected columns of yes and no, found none; the world "
            "'pictures' takes columns of any kind"
        )
    same_hash(data.source, "a table", table, data.fingerprint, OTHER_TABLE)
    listed = data.source.parent / PAIRS
    fresh = table is None and attributes is None
    pairs = pairs or ("known" if listed.is_file() else "found")
    if pairs == "known" and not listed.is_file():
        raise ValueError(f"pairs='known' needs the list {listed}, which is not there")
    known = read_known_pairs(listed, data) if pairs == "known" else None
    pictures = Pictures(data.folder, data.files, SIZE, crop)
    measures = {"attributes": data.distance, "pixels": pictures.distance, "none": None}
    space, left_out = _chosen(data, attributes, known, same_identity, candidates, measures[nearest])
    told = {
        "attributes": [data.names[c] for c in space.columns], "pairs": pairs, "nearest": nearest,
        "candidates": candidates, "same_identity": same_identity, "crop": crop,
        "table": data.fingerprint,
    }  # fmt: skip
    world = PictureWorld("faces", root, told, space, data, left_out, data.fingerprint, pictures)
    for line in world.told if fresh and left_out else ():
        print(line)
    return world


def _chosen(
    data: AttributeTable,
    names: Sequence[str] | None,
    known: np.ndarray | None,
    same_identity: bool | None,
    candidates: int,
    distance: Distance | None,
    actions: str = "set",
) -> tuple[PictureSpace, dict[str, str]]:
    """The space of the columns with these names, or of some, and why others are left out."""
    if same_identity and data.identity is None:
        raise ValueError(f"{data.source}: same_identity needs identities, found none")
    columns, left_out = choose(data, names, known, same_identity)
    space = space_of(data, columns, known, same_identity, candidates, distance, actions)
    return space, left_out


def space_of(
    data: AttributeTable,
    columns: Sequence[int],
    known: np.ndarray | None = None,
    same_identity: bool | None = False,
    candidates: int = 1,
    distance: Distance | None = None,
    actions: str = "set",
) -> PictureSpace:
    """The columns at these positions of a table as factors, with their pairs.

    known: as `read_known_pairs` gives them, to take these instead of finding some.
    same_identity, candidates, distance: how pairs are found, see `faces_world`.
    actions: see `FactorSpace`; where no column is categorical it is "steps".
    """
    some = [data.by_name[data.names[c]] for c in columns]
    factors = tuple(
        Factor(identifier(c.title), len(c.values), _KINDS.get(c.kind, c.kind), c.values)
        for c in some
    )
    if all(factor.kind != "categorical" for factor in factors):
        actions = "steps"  # which is the same then, and what such worlds always said
    pairs = finders(data, columns, known, same_identity, candidates, distance)
    return PictureSpace(factors, data, np.array(columns), pairs, actions=actions)


def _check_pairing(nearest: str, candidates: object, crop: object, fit: str = "crop") -> None:
    if nearest not in NEAREST:
        raise ValueError(close_match("nearest", nearest, NEAREST))
    if fit not in FITS:
        raise ValueError(close_match("fit", fit, FITS))
    for what, value, least in (("candidates", candidates, 1), ("crop", crop, 8)):
        none = what == "crop" and value is None
        if not none and (type(value) is not int or value < least):
            raise ValueError(f"{what}: expected an integer of {least} or more, found {value!r}")
