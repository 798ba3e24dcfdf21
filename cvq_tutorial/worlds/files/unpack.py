"""A copy that can be read at any row, of files that can only be read from their start.

A compressed npz, a gzip file, a tar, or an HDF5 file whose chunks cut through thousands of
pictures: one picture of these costs reading all of them. So the first `read` writes them once to
`cache_root()/unpacked`, an HDF5 file with one compressed chunk per picture, a few at a time. It is
written under another name and moved when it is complete. The copy may be deleted at any time; its
name holds what the originals are (place, size, time of change, first and last bytes).
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import cache_root
from cvq_tutorial.worlds.files.hdf5 import HDF5Rows, dataset_of
from cvq_tutorial.worlds.files.rows import check_rows, shrink

_FORMAT = 1
_ENDS = 2**16  # bytes at each end of a file that stand for its content
_LEVEL = 1  # of compression: the fastest
NAME = "images"  # of the data set

Blocks = Callable[[], Iterable[tuple[int, np.ndarray]]]


class UnpackedRows:
    """Pictures of files that are unpacked on the first `read`.

    Args:
        world: starts the name of the copy.
        sources: the files; what they are names the copy.
        shape: (N, H, W) or (N, H, W, 3), as `blocks` gives them.
        blocks: all pictures: (row of the first, uint8 (b, H, W[, 3])), in any order of rows. It is
            sent to other processes, so it must pickle.
        side: of the pictures in the copy; None keeps theirs.
    """

    def __init__(
        self,
        world: str,
        sources: Sequence[Path],
        shape: tuple[int, ...],
        blocks: Blocks,
        side: int | None = None,
    ) -> None:
        size = shape[1:3] if side is None else (side, side)
        self.shape = (shape[0], *size, *shape[3:])
        self.path = cache_root() / "unpacked" / f"{world}-{_key(sources, side)}.h5"
        self.source, self.blocks, self.side = sources[0], blocks, side
        self._rows: HDF5Rows | None = None

    def read(self, rows: object) -> np.ndarray:
        """Pictures uint8 (B, H, W[, 3]) of row numbers (B,); the first call may take minutes.

        Raises:
            TypeError, ValueError: rows as `check_rows`; originals that are damaged. OSError: the
                copy cannot be written. Nothing is left of it then.
        """
        rows = check_rows(rows, self.shape[0])
        if self._rows is None:
            if not self._is_there():
                write_atomic(self.path, lambda file: self._write(file.name))
            self._rows = HDF5Rows(self.path, NAME, self.shape)
        try:
            return self._rows.read(rows)
        except ValueError as error:
            raise ValueError(f"{error}; this is a copy: delete it, it is made again") from error

    def _is_there(self) -> bool:
        try:
            found = dataset_of(self.path, NAME)
        except (OSError, ValueError):  # absent, or damaged: it is made again
            return False
        return found.shape == self.shape and found.dtype == np.uint8

    def _write(self, path: str) -> None:
        import h5py

        done = np.zeros(self.shape[0], dtype=bool)
        bar = tqdm(
            total=len(done), desc=f"unpacking {self.source.name}, once", unit=" pictures",
            disable=None, leave=False,
        )  # fmt: skip
        with bar, h5py.File(path, "w", libver="latest") as file:
            data = file.create_dataset(
                NAME, self.shape, np.uint8, chunks=(1, *self.shape[1:]),
                compression="gzip", compression_opts=_LEVEL,
            )  # fmt: skip
            corner = (0,) * (len(self.shape) - 1)
            for first, block in self.blocks():
                for row, picture in enumerate(shrink(block, self.side), first):
                    if picture.any():  # a chunk that is not there reads as black
                        packed = zlib.compress(picture.tobytes(), _LEVEL)
                        data.id.write_direct_chunk((row, *corner), packed)
                done[first : first + len(block)] = True
                bar.update(len(block))
            if not done.all():
                raise ValueError(
                    f"{self.source}: expected {len(done)} pictures, found {int(done.sum())}"
                )


def _key(sources: Sequence[Path], side: int | None) -> str:
    """A hash of what files are and what is made of them."""
    told: list[object] = [_FORMAT, side]
    for source in sources:
        about = os.stat(source)
        with open(source, "rb") as file:
            ends = hashlib.sha256(file.read(_ENDS))
            file.seek(max(about.st_size - _ENDS, 0))
            ends.update(file.read(_ENDS))
        told += [str(source.resolve()), about.st_size, about.st_mtime_ns, ends.hexdigest()]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
