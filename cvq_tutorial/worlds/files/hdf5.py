"""Data sets of HDF5 files by row number, without trusting the file.

HDF5 can point out of a file (external links, external storage, virtual data sets): such a data set
is refused. A piece of a data set that is not in the file reads as zeros, which are black pictures:
so the pieces that are there are counted before the first row is read. A handle is never shared
between processes: the workers of a loader would read each other's rows without a word.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cvq_tutorial.common.checks import close_match
from cvq_tutorial.worlds.files.lookup import what_it_is
from cvq_tutorial.worlds.files.rows import check_rows

_CACHE = 16 * 2**20  # bytes of unpacked chunks that an open data set keeps
_SMALL = 2**28  # bytes: more than the labels of any benchmark
_DAMAGED = (KeyError, OSError, RuntimeError, TypeError, ValueError)  # what h5py raises


@dataclass(frozen=True)
class DataSet:
    """A data set of an HDF5 file, as its header tells."""

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    chunks: tuple[int, ...] | None  # shape of the pieces it is stored in, None where it is in one

    def __str__(self) -> str:
        return f"{self.path}: data set {self.name!r}"

    def load(self) -> np.ndarray:
        """The whole array, which must be small (labels). Raises ValueError: large or damaged."""
        size = math.prod(self.shape) * self.dtype.itemsize
        if size > _SMALL:
            raise ValueError(f"{self}: expected at most {_SMALL} bytes, found {size}")
        with _opened(self.path) as file:
            check_stored(self.path, file[self.name], every=True)
            return _slab(self.path, file[self.name], 0, max(self.shape[0], 1))


def open_hdf5(path: Path) -> Any:
    """The open HDF5 file, to read. Raises ValueError where it is none, or damaged."""
    import h5py

    try:
        return h5py.File(path, "r", rdcc_nbytes=_CACHE)
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        kind = what_it_is(path)
        kind = f"a damaged one: {_told(error)}" if kind == "an HDF5 file" else kind
        raise ValueError(f"{path}: expected an HDF5 file, found {kind}") from error


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The open HDF5 file, closed again. Raises ValueError also for damage that shows inside."""
    with open_hdf5(path) as file:
        try:
            yield file
        except _DAMAGED as error:
            if str(error).startswith(str(path)):  # it was told already
                raise
            raise ValueError(
                f"{path}: expected an HDF5 file, found a damaged one: {_told(error)}"
            ) from error


def _told(error: Exception) -> str:
    return " ".join(str(error).strip("'\"").split())


def names_of(path: Path) -> list[str]:
    """The names at the top of an HDF5 file. Raises ValueError where it is none, or damaged."""
    with _opened(path) as file:
        return [str(name) for name in file]


def dataset_of(path: Path, name: str) -> DataSet:
    """The header of one data set of an HDF5 file.

    Raises ValueError: one line naming the file: no HDF5 file (a web page, ...), damaged, no such
    data set, or one whose numbers lie in another file.
    """
    import h5py

    with _opened(path) as file:
        place: Any = file
        for part in name.split("/"):
            known = list(map(str, place)) if isinstance(place, h5py.Group) else []
            if part not in known:
                raise ValueError(f"{path}: {close_match('data set', name, known or ['none'])}")
            if not isinstance(place.get(part, getlink=True), h5py.HardLink):
                raise ValueError(
                    f"{path}: {name!r} is a link to somewhere else, expected a data set"
                )
            place = place[part]
        if not isinstance(place, h5py.Dataset):
            raise ValueError(f"{path}: {name!r} is a group, expected a data set")
        if place.shape is None:
            raise ValueError(f"{path}: {name!r} holds no array, expected one")
        if place.external or place.is_virtual:
            raise ValueError(f"{path}: {name!r} lies in other files, expected one file")
        return DataSet(path, name, place.shape, place.dtype, place.chunks)


def check_stored(path: Path, data: Any, every: bool = False) -> None:
    """Raise ValueError unless all numbers of a data set are in its file, naming the rows that lack.

    A data set that itself says what stands for what was never written (a fill value) is believed.

    path: of the file.  data: the open data set.
    every: look at each piece (seconds where there are many); False only counts them.
    """
    try:
        fault = _fault(data, every)
    except _DAMAGED as error:
        fault = _told(error)
    if fault:
        raise ValueError(f"{path}: data set {data.name[1:]!r} is damaged: {fault}")


def _fault(data: Any, every: bool) -> str:
    """What is wrong with how a data set is stored; "" where nothing is."""
    import h5py

    known = data.id.get_create_plist().fill_value_defined() == h5py.h5d.FILL_VALUE_USER_DEFINED
    if known or data.size == 0:
        return ""
    if data.chunks is None:
        stored = data.id.get_storage_size()
        return "" if stored == data.nbytes else f"expected {data.nbytes} bytes, found {stored}"
    grid = tuple(-(-n // c) for n, c in zip(data.shape, data.chunks, strict=True))
    wanted = math.prod(grid)
    if not every and data.id.get_num_chunks() == wanted:
        return ""
    found = np.zeros(wanted, dtype=bool)
    size = math.prod(data.chunks) * data.dtype.itemsize
    most = size + size // 50 + 4096  # what cannot be packed becomes a little larger, or stays
    wrong = []

    def look(piece: Any) -> None:
        place = [o // c for o, c in zip(piece.chunk_offset, data.chunks, strict=True)]
        if all(p < n for p, n in zip(place, grid, strict=True)):
            found[np.ravel_multi_index(place, grid)] = True
        if piece.size > most or (piece.filter_mask and piece.size != size):
            wrong.append(piece.chunk_offset[0])

    data.id.chunk_iter(look)
    if wrong:
        return f"the piece of row {wrong[0]} has another size than its pictures"
    if found.all():
        return ""
    rows = np.flatnonzero(~found.reshape(grid[0], -1).all(axis=1)) * data.chunks[0]
    listed = ", ".join(str(row) for row in rows[:5]) + (", ..." if len(rows) > 5 else "")
    lacking = int((~found).sum())
    return f"{lacking:,} of {wanted:,} pieces are not in the file, of the rows from {listed} on"


@dataclass(eq=False)
class HDF5Rows:
    """Pictures that are a data set of an HDF5 file."""

    path: Path
    name: str  # of the data set
    shape: tuple[int, ...]  # (N, H, W) or (N, H, W, 3)
    _file: Any = field(default=None, init=False, repr=False)
    _process: int = field(default=0, init=False, repr=False)
    # whether each piece was looked for, not just their number
    _counted: bool = field(default=False, init=False, repr=False)

    def __getstate__(self) -> dict:
        return {**vars(self), "_file": None, "_process": 0}

    def close(self) -> None:
        """Close the file; the next `read` opens it again."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _data(self) -> Any:
        fresh = self._file is None or self._process != os.getpid()
        if fresh:
            self.close()  # in a fork it is the parent's
            self._file, self._process = open_hdf5(self.path), os.getpid()
        try:
            data = self._file[self.name]
        except _DAMAGED as error:
            raise ValueError(
                f"{self.path} is another file now, or damaged: {_told(error)}"
            ) from error
        shape = getattr(data, "shape", None)  # a group has none
        if shape != self.shape:
            raise ValueError(
                f"{self.path} is another file now: expected shape {self.shape}, found {shape}"
            )
        if fresh:
            try:
                check_stored(self.path, data)
            except ValueError:
                self.close()  # so that the next one looks again
                raise
        return data

    def read(self, rows: object) -> np.ndarray:
        """Pictures uint8 (B, H, W[, 3]) of row numbers (B,), see `check_rows`.

        Raises ValueError also where the file is damaged.
        """
        rows = check_rows(rows, self.shape[0])
        out = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        data = self._data()
        last, picture = -1, np.empty(0, dtype=np.uint8)
        # Row by row, in order: a list of rows takes h5py a hundred times as long, and it refuses
        # repeats.
        for i in np.argsort(rows, kind="stable").tolist():
            if (row := int(rows[i])) != last:
                last, picture = row, _slab(self.path, data, row, row + 1)[0]
                if not self._counted and not picture.any():  # is it black, or not in the file?
                    check_stored(self.path, data, every=True)
                    self._counted = True
            out[i] = picture
        return out

    def blocks(self, n: int) -> Iterator[tuple[int, np.ndarray]]:
        """All pictures in order, `n` at a time: (row of the first, uint8 (b, H, W[, 3]))."""
        check_stored(self.path, self._data(), every=True)
        for start in range(0, self.shape[0], n):
            stop = min(start + n, self.shape[0])
            yield start, _slab(self.path, self._data(), start, stop)


def _slab(path: Path, data: Any, start: int, stop: int) -> np.ndarray:
    try:
        return data[start:stop]
    except _DAMAGED as error:
        name = data.name.strip("/")
        raise ValueError(
            f"{path}: data set {name!r} is damaged at row {start}: {_told(error)}"
        ) from error
