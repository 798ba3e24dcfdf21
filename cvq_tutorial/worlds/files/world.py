"""Worlds that are read from the published files of a benchmark.

One module beside this one reads each: `shapes3d_file`, `dsprites_file`, `mpi3d`, `cars3d` and
`smallnorb`. They say which rows of which file are the pictures and what their factors are; the rest
is the same for all and is here. The files are no part of this package: the message of a missing one
says where it was looked for and where to get it.

Nothing is loaded. A batch reads its own pictures, which become RGB of 0 .. 255: grey is repeated,
and the 0 and 1 of dSprites are black and white. A file that can only be read from its start is
unpacked first, see `unpack`.

Each function that makes one takes

* path: the file or its folder, see `Benchmark.find`;
* size, pictures: see `FileWorld`;
* sha256: hash that the file must have, which is read once for that; of several see `digest_of`;
* actions: "steps" or "set", see `worlds.factors`;

and raises FileNotFoundError where there is no such file, and TypeError or ValueError for a wrong
argument, and in one line for what is wrong with the file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np

from cvq_tutorial.worlds.factors import FactorSpace
from cvq_tutorial.worlds.files.hdf5 import DataSet, HDF5Rows, dataset_of
from cvq_tutorial.worlds.files.lookup import Benchmark, check_side
from cvq_tutorial.worlds.files.npz import Array, array_of
from cvq_tutorial.worlds.files.rows import FlatRows, Rows, check_rows, shrink
from cvq_tutorial.worlds.files.unpack import UnpackedRows, verify_once
from cvq_tutorial.worlds.pictures import spread

_AT_ONCE = 2**20  # bytes that one picture may cost; more, and the file is unpacked first
_BLOCK = 64 * 2**20  # bytes in memory while a file is unpacked
_PROBE = 64  # pictures that stand for all in a fingerprint


@dataclass(frozen=True, eq=False)
class FileWorld:
    """A world whose pictures are read from files: `render` reads those of any factor values.

    The functions that `make_world` calls make it; see the modules named above.

    Raises TypeError, ValueError: a wrong size, a number of rows that does not fit, others.
    """

    benchmark: Benchmark = field(repr=False)  #: what the files are
    path: Path  #: where they were found
    factors: FactorSpace = field(repr=False)  #: one picture for each combination
    rows: Rows = field(repr=False)  #: the pictures as they are stored
    size: int | None = 64  #: side of the pictures in pixels, None for their own
    pictures: str | None = None  #: hash that a sample of them must have; None takes any
    #: row of each combination, int64 (N,); None where they are in order
    order: np.ndarray | None = field(default=None, repr=False)
    white: int = field(default=255, repr=False)  #: value that is white in the file, 1 or 255
    more: dict = field(default_factory=dict)  #: further options that make this world again
    has_images: Literal[True] = field(default=True, init=False, repr=False)

    def __post_init__(self) -> None:
        check_side(self.size)
        n = self.rows.shape[0] if self.order is None else len(self.order)
        if n != self.factors.size:
            raise ValueError(
                f"{self.path}: expected {self.factors.size} pictures, one for each combination of "
                f"{', '.join(self.factors.names)}, found {n}"
            )
        wanted = self.pictures
        if wanted is not None and wanted != self.fingerprint:  # else nothing is read
            found = self.fingerprint
            raise ValueError(f"{self.path}: expected pictures with hash {wanted}, found {found}")

    @property
    def name(self) -> str:
        """Name of the world."""
        return self.benchmark.world

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, 3)."""
        height, width = self.rows.shape[1:3]
        return self.size or height, self.size or width, 3

    @property
    def options(self) -> dict:
        """What `make_world` needs to make this world again, wherever the files lie; reads some."""
        told = {**self.more, "size": self.size, "pictures": self.fingerprint}
        return told | self.factors.actions_option

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the factors' sizes and of 64 pictures, evenly spread.

        It reads them, so it unpacks what has to be unpacked.
        """
        digest = hashlib.sha256(repr((self.factors.sizes, self.image_shape)).encode())
        digest.update(self.read(spread(self.factors.size, _PROBE)).tobytes())
        return digest.hexdigest()[:16]

    @property
    def credit(self) -> str:
        """Whom to name beside a picture."""
        return self.benchmark.credit

    def render(self, values: np.ndarray) -> np.ndarray:
        """Pictures uint8 (B, H, W, 3) of factor values (B, F), see `ImageWorld.render`.

        Raises ValueError also for a damaged file.
        """
        return self.read(self.factors.index(values))

    def read(self, numbers: object) -> np.ndarray:
        """Pictures uint8 (B, H, W, 3) by number (B,), the last factor changing fastest.

        Any order, repeats allowed; negative numbers count from the end.

        Raises TypeError, ValueError: numbers as `rows.check_rows`; a damaged file.
        """
        numbers = check_rows(numbers, self.factors.size)
        rows = numbers if self.order is None else self.order[numbers]
        images = self.rows.read(rows)  # (B, H, W) or (B, H, W, 3)
        if self.white != 255:
            if len(images) and images.max() > self.white:
                bad = int(rows[np.argmax(images.max(axis=(1, 2)) > self.white)])
                raise ValueError(
                    f"{self.path}: expected values 0..{self.white}, found {images.max()}; the "
                    f"first is in row {bad}"
                )
            images = images * np.uint8(255 // self.white)
        images = shrink(images, self.size)
        return images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=3)


def stored_array(path: Path, name: str) -> Array | DataSet:
    """The header of one array of an npz or HDF5 file, by its ending; raises ValueError."""
    return (array_of if path.suffix == ".npz" else dataset_of)(path, name)


def stored_rows(benchmark: Benchmark, images: Array | DataSet) -> Rows:
    """The pictures of an npz or HDF5 file: read where they are, or unpacked first.

    They are unpacked where one picture would cost much more than itself: a compressed npz, or HDF5
    chunks that cut through many pictures, as h5py makes them when nobody says otherwise.

    Raises ValueError: chunks so large that a few pictures do not fit in memory.
    """
    picture = prod(images.shape[1:])  # bytes
    if isinstance(images, Array):
        if images.offset is not None:
            return FlatRows(images.path, images.offset, images.shape, partial(verify_once, images))
        blocks = partial(images.blocks, max(1, _BLOCK // picture // 8))
        return UnpackedRows(benchmark.world, [images.path], images.shape, blocks)
    rows = HDF5Rows(images.path, images.name, images.shape)
    if images.chunks is None:
        return rows
    deep = min(images.chunks[0], images.shape[0])  # pictures that share a chunk
    if deep * picture <= max(_AT_ONCE, picture):
        return rows
    chunk = prod(images.chunks)
    if chunk > _BLOCK:
        raise ValueError(
            f"{images}: expected chunks of at most {_BLOCK} bytes, found {chunk} ({images.chunks})"
        )
    parts = -(-deep * picture // _BLOCK)  # blocks that share a row of chunks
    blocks = partial(rows.blocks, -(-deep // parts))
    return UnpackedRows(benchmark.world, [images.path], images.shape, blocks)
