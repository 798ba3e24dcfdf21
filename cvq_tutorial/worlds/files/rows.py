"""Pictures of large files by row number: any rows in any order, and never the whole file.

A source of rows has `shape`, (N, H, W) or (N, H, W, 3), and `read(rows) -> uint8 (B, H, W[, 3])`.
Memory is bounded by the batch, nothing is open before the first `read`, and a copy in another
process opens the file for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from cvq_tutorial.worlds.factor import numbers_of
from cvq_tutorial.worlds.pictures import resized


class Rows(Protocol):
    """Pictures by row number."""

    shape: tuple[int, ...]

    def read(self, rows: object) -> np.ndarray:
        """Pictures uint8 (B, H, W, 3) of rows (B,)."""
        ...


def check_rows(rows: object, n: int) -> np.ndarray:
    """Row numbers int64 (B,) in 0 .. n-1; negative ones count from the end, as numpy has it.

    Raises TypeError, ValueError as `numbers_of`.
    """
    array = numbers_of(rows, "rows", -n, n - 1)
    return np.where(array < 0, array + n, array)


def check_pictures(where: str, shape: tuple[int, ...], dtype: np.dtype, wanted: tuple) -> None:
    """Raise ValueError unless an array holds pictures.

    where: names the file and the array, and starts the message.
    shape, dtype: of the array.
    wanted: the shape of one picture.
    """
    if dtype != np.uint8:
        hint = "; those in 0..1 become uint8 by (255 * x).round().astype(np.uint8), those in "
        hint = hint + "0..255 by x.round().astype(np.uint8)" if dtype.kind == "f" else ""
        raise ValueError(f"{where}: expected pictures of uint8, found {dtype}{hint}")
    if len(shape) > 1 and shape[0] == 0:
        raise ValueError(f"{where}: expected pictures, found none (zero rows, shape {shape})")
    if tuple(shape[1:]) != wanted:
        first = len(wanted) == 3 and tuple(shape[1:]) == (wanted[2], *wanted[:2])
        hint = "; channels come last here" if first else ""
        text = ", ".join(("N", *map(str, wanted)))
        raise ValueError(f"{where}: expected shape ({text}), found {tuple(shape)}{hint}")


def check_labels(where: str, shape: tuple[int, ...], dtype: np.dtype, wanted: tuple) -> None:
    """Raise ValueError unless an array holds labels: numbers, of the shape `wanted`."""
    if dtype.kind not in "iuf":
        raise ValueError(f"{where}: expected labels that are numbers, found {dtype}")
    if shape != wanted:
        raise ValueError(f"{where}: expected shape {wanted}, found {shape}")


def tables_of(labels: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
    """The label of each value of a factor, (S,) each, from those (N, F) of all rows in order."""
    strides = [int(np.prod(sizes[f + 1 :])) for f in range(len(sizes))]
    return [labels[np.arange(n) * strides[f], f] for f, n in enumerate(sizes)]


def check_order(
    where: str, labels: np.ndarray, tables: Sequence[np.ndarray], names: Sequence[str]
) -> None:
    """Raise ValueError, naming the row, unless labels (N, F) say that rows are in order.

    tables: the label of each value of each factor, the last one changing fastest.
    """
    told = "{:.3g}".format if labels.dtype.kind == "f" else str
    for start in range(0, len(labels), 2**16):
        part = labels[start : start + 2**16]
        places = np.unravel_index(np.arange(start, start + len(part)), [len(t) for t in tables])
        wanted = np.stack([table[p] for table, p in zip(tables, places, strict=True)], axis=1)
        wrong = ~(np.abs(part - wanted) < 1e-6)  # also where it is not a number
        if wrong.any():
            row, f = np.argwhere(wrong)[0]
            raise ValueError(
                f"{where}: row {start + row}: expected {names[f]} {told(wanted[row, f])}, found "
                f"{told(part[row, f])}; the rows are not in their published order"
            )


def shrink(pictures: np.ndarray, side: int | None) -> np.ndarray:
    """Pictures at another size, each new pixel the mean of the area that it covers.

    pictures: uint8 (B, H, W) or (B, H, W, C).
    side: of the results, in pixels; None leaves them as they are.
    Returns uint8 (B, side, side[, C]).
    """
    if side is None or pictures.shape[1:3] == (side, side):
        return pictures
    return resized(pictures, side, side)


@dataclass(eq=False)
class FlatRows:
    """Pictures that lie one after the other in a file, uncompressed."""

    path: Path
    offset: int  # of the first picture, in bytes
    shape: tuple[int, ...]  # (N, H, W) or (N, H, W, 3)
    # called once before the first `read`; it raises ValueError for a damaged file. It is sent to
    # other processes, so it must pickle.
    check: Callable[[], object] | None = None

    def read(self, rows: object) -> np.ndarray:
        """Pictures uint8 (B, H, W[, 3]) of row numbers (B,), see `check_rows`.

        Raises ValueError also where the file has become shorter.
        """
        rows = check_rows(rows, self.shape[0])
        if self.check is not None:
            self.check()
            self.check = None
        out = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        size = int(np.prod(self.shape[1:]))
        with open(self.path, "rb") as file:  # opened anew each time: nothing can be shared
            for i, row in enumerate(rows.tolist()):
                file.seek(self.offset + row * size)
                if file.readinto(memoryview(out[i]).cast("B")) != size:
                    raise ValueError(f"{self.path}: the file ends within row {row}")
        return out
