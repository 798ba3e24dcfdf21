"""The world `smallnorb`: small NORB from its six binary files, packed with gzip or not.

Each file starts with a number that says what it holds, the number of axes and their sizes; then
come the numbers, the last axis fastest (little-endian in the published files). Rows are in no order
of the factors, so they are sorted by their labels. Of the two cameras the left one is shown.

The published training and testing files hold five toys of each category each, and no toy is in
both. Read together they are a complete grid: category 5, instance 10, elevation 9, azimuth 18,
lighting 6. Which values there are is read from the files, and a combination that is missing or
there twice is refused, so that no action leads to a picture that does not exist. An instance is
just a number: toy 3 of the cars has nothing to do with toy 3 of the trucks.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from cvq_tutorial.common.checks import close_match
from cvq_tutorial.worlds.factors import FactorSpace
from cvq_tutorial.worlds.files.lookup import (
    Benchmark,
    check_digest,
    check_side,
    unzipped,
    varied,
    what_it_is,
)
from cvq_tutorial.worlds.files.unpack import UnpackedRows
from cvq_tutorial.worlds.files.world import FileWorld

_STEMS = {
    "training": "smallnorb-5x46789x9x18x6x2x96x96-training",
    "testing": "smallnorb-5x01235x9x18x6x2x96x96-testing",
}
SPLITS = tuple(_STEMS)
_TYPES = {  # first number of a file: what it holds
    0x1E3D4C51: "f4",
    0x1E3D4C53: "f8",
    0x1E3D4C54: "i4",
    0x1E3D4C55: "u1",
    0x1E3D4C56: "i2",
}
_CATEGORIES = ("animal", "human", "plane", "truck", "car")
_NAMES = ("category", "instance", "elevation", "azimuth", "lighting")
_CAMERAS, _SIDE = 2, 96
_AXES, _LABELS = 8, 10**6  # more than any of these files has
_PICTURES = 256  # in memory at once
_DAMAGED = (OSError, EOFError, zlib.error)


def _space(tables: list[list[int]]) -> FactorSpace:
    """The factors with these values each, as the files number them."""
    texts = [
        tuple(_CATEGORIES[v] if 0 <= v < len(_CATEGORIES) else str(v) for v in tables[0]),
        tuple(str(v) for v in tables[1]),
        tuple(str(v) for v in tables[2]),
        tuple(str(10 * v) for v in tables[3]),  # degrees
        tuple(str(v) for v in tables[4]),
    ]
    turn = "cyclic" if tables[3] == list(range(0, 36, 2)) else "ordered"
    kinds = ("categorical", "categorical", "ordered", turn, "categorical")
    return FactorSpace(varied(_NAMES, kinds, map(len, tables), texts))


BENCHMARK = Benchmark(
    world="smallnorb",
    title="small NORB",
    files=tuple(f"{stem}-dat.mat{ending}" for ending in (".gz", "") for stem in _STEMS.values()),
    folders=("smallnorb", "small_norb", "norb", "."),
    get="https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/ (the six files, packed or not)",
    credit="Small NORB (Y. LeCun, F. J. Huang and L. Bottou, 2004), for research only, read from "
    "files in its layout.",
    factors=_space(
        [list(range(5)), list(range(10)), list(range(9)), list(range(0, 36, 2)), list(range(6))]
    ),
)


def smallnorb_world(
    path: str | Path | None = None,
    size: int | None = 64,
    split: str | None = None,
    pictures: str | None = None,
    sha256: str | None = None,
    actions: str = "steps",
) -> FileWorld:
    """The world `smallnorb`; pictures are unpacked on first use at the size that is wanted.

    path, size, pictures, sha256, actions: as in `files.world`, also the errors; the folder may be
        named by one of its files, own pictures are 96 x 96, and the hash is that of dat, cat, info
        of training, then of testing.
    split: "training" or "testing" takes these files alone; None needs both.
    """
    check_side(size)
    if split not in (None, *SPLITS):
        raise ValueError(close_match("split of small NORB", split, SPLITS))
    splits = SPLITS if split is None else (split,)
    found = BENCHMARK.find(
        path, [f for f in BENCHMARK.files if any(_STEMS[s] in f for s in splits)]
    )
    parts, labels, files = [], [], []
    for name in splits:
        dat, cat, info = (_part(found.parent, name, part) for part in ("dat", "cat", "info"))
        parts.append(_check_header(dat, "u1", (None, _CAMERAS, _SIDE, _SIDE)))
        n = parts[-1].shape[0]
        columns = (_check_header(cat, "i4", (n,)), _check_header(info, "i4", (n, 4)))
        labels.append(np.concatenate([c.load().reshape(n, -1) for c in columns], axis=1))
        files += [dat, cat, info]
    check_digest(files, sha256)
    values = np.concatenate(labels)  # (N, 5)
    tables = [sorted(set(column.tolist())) for column in values.T]
    order = _order(found.parent, values, tables)
    rows = UnpackedRows(
        BENCHMARK.world, [p.path for p in parts], (len(values), _SIDE, _SIDE),
        partial(_left_pictures, parts), size,
    )  # fmt: skip
    more = {} if split is None else {"split": split}
    space = _space(tables).with_actions(actions)
    return FileWorld(BENCHMARK, found.parent, space, rows, size, pictures, order=order, more=more)


def _part(folder: Path, split: str, part: str) -> Path:
    """One of the six files, plain or packed. Raises FileNotFoundError with what to do."""
    for ending in ("", ".gz"):
        path = folder / f"{_STEMS[split]}-{part}.mat{ending}"
        if path.is_file():
            return path
    other = SPLITS[1 - SPLITS.index(split)]
    whole = all(list(folder.glob(f"{_STEMS[other]}-{p}.mat*")) for p in ("dat", "cat", "info"))
    hint = f"; the {other} files are all there: split={other!r} takes them alone" if whole else ""
    raise FileNotFoundError(
        f"no file {_STEMS[split]}-{part}.mat or .mat.gz in {folder}{hint}; get it from "
        f"{BENCHMARK.get}"
    )


def _order(folder: Path, values: np.ndarray, tables: list[list[int]]) -> np.ndarray:
    """Row of each combination, int64 (N,), from the labels (N, 5) of all rows.

    Raises ValueError: a combination that is missing or there twice.
    """
    sizes = tuple(len(table) for table in tables)
    expected = "expected one picture for each combination of the values in the info files"
    if prod(sizes) != len(values):  # before anything is made for each of them
        grid = f"{' x '.join(map(str, sizes))} = {prod(sizes):,}"
        raise ValueError(f"{folder}: {expected}, {grid}, found {len(values):,}")
    places = [np.searchsorted(t, c) for t, c in zip(tables, values.T, strict=True)]
    number = np.ravel_multi_index(places, sizes)
    count = np.bincount(number, minlength=len(values))
    if (count != 1).any():
        wrong = int(np.argmax(count != 1))
        at = np.unravel_index(wrong, sizes)
        told = ", ".join(f"{n} {t[i]}" for n, t, i in zip(_NAMES, tables, at, strict=True))
        times = "none" if count[wrong] == 0 else f"{count[wrong]} rows"
        more = f"(and {int((count != 1).sum()) - 1} more such combinations)"
        raise ValueError(f"{folder}: {expected}, found {times} with {told} {more}")
    return np.argsort(number)


# The format --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Header:
    """What the start of a file says of the array in it."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype
    start: int  # where the numbers begin, in unpacked bytes

    def blocks(self, n: int) -> Iterator[np.ndarray]:
        """All rows in order, at most `n` at a time. Raises ValueError where the file ends early."""
        size = prod(self.shape[1:]) * self.dtype.itemsize
        done = 0
        with _opened(self.path) as file:
            _read(file, self.path, self.start, "the header")
            while done < self.shape[0]:
                rows = min(n, self.shape[0] - done)
                data = _read(file, self.path, rows * size, f"rows {done}..{done + rows - 1}")
                yield np.frombuffer(data, self.dtype).reshape(rows, *self.shape[1:])
                done += rows
            if _read(file, self.path, None, "the end"):
                raise ValueError(f"{self.path}: expected {done} rows, found more after them")

    def load(self) -> np.ndarray:
        """The whole array, which must be small (labels)."""
        return np.concatenate(list(self.blocks(2**16)))


def read_header(path: Path) -> Header:
    """The header of one file of small NORB.

    Raises ValueError: one line naming the file: another format, cut short.
    """
    with _opened(path) as file:
        first = _read(file, path, 4, "the first number")
        order = "<" if int.from_bytes(first, "little") in _TYPES else ">"
        magic = int(np.frombuffer(first, f"{order}u4")[0])
        if magic not in _TYPES:
            magic = int.from_bytes(first, "little")  # the published order
            known = ", ".join(f"{m:08X}" for m in _TYPES)
            kind = what_it_is(path)
            hint = "" if kind in ("nothing known", "a gzip file") else f": this is {kind}"
            raise ValueError(
                f"{path}: expected the first number to be one of {known}, found {magic:08X}{hint}"
            )
        axes = int(np.frombuffer(_read(file, path, 4, "the number of axes"), f"{order}i4")[0])
        if not 1 <= axes <= _AXES:
            raise ValueError(f"{path}: expected 1 to {_AXES} axes, found {axes}")
        written = max(3, axes)  # shorter shapes are filled up with ones
        sizes = np.frombuffer(_read(file, path, 4 * written, "the sizes"), f"{order}i4")
    shape = tuple(int(s) for s in sizes[:axes])
    return Header(path, shape, np.dtype(order + _TYPES[magic]), 8 + 4 * written)


def _check_header(path: Path, kind: str, wanted: tuple[int | None, ...]) -> Header:
    """The header of a file, if it says what it should; None in `wanted` is any positive number."""
    found = read_header(path)
    if found.dtype.newbyteorder("=") != np.dtype(kind):
        raise ValueError(f"{path}: expected numbers of {np.dtype(kind)}, found {found.dtype}")
    fits = len(found.shape) == len(wanted) and all(
        w in (None, s) for s, w in zip(found.shape, wanted, strict=True)
    )
    if fits and not 1 <= found.shape[0] <= _LABELS:
        raise ValueError(f"{path}: expected 1 to {_LABELS} rows, found {found.shape[0]}")
    if not fits:
        text = ", ".join("N" if w is None else str(w) for w in wanted)
        swapped = sorted(found.shape[1:]) == sorted(w for w in wanted[1:] if w is not None)
        hint = "; the axes are swapped" if swapped and len(wanted) > 2 else ""
        raise ValueError(f"{path}: expected shape ({text}), found {found.shape}{hint}")
    return found


def _left_pictures(parts: list[Header]) -> Iterator[tuple[int, np.ndarray]]:
    """Pictures of the left camera of all files: (row of the first, uint8 (b, 96, 96))."""
    first = 0
    for part in parts:
        for block in part.blocks(_PICTURES):  # (b, 2, 96, 96)
            yield first, block[:, 0]
            first += len(block)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    if path.suffix == ".gz" and (kind := what_it_is(path)) != "a gzip file":
        raise ValueError(f"{path}: expected a gzip file, found {kind}")
    with unzipped(path) as file:
        yield file


def _read(file: IO[bytes], path: Path, n: int | None, what: str) -> bytes:
    """N bytes, or one more if there is one where n is None. Raises ValueError: damaged, cut off."""
    try:
        data = file.read(1 if n is None else n)
    except _DAMAGED as error:
        raise ValueError(f"{path} is cut short or damaged at {what}: {error}") from error
    if n is not None and len(data) != n:
        raise ValueError(f"{path} ends within {what}")
    return data
