"""The world `shapes3d_file`: 3D Shapes from its published file, 3dshapes.h5.

It has the factors of `shapes3d`, which draws its own pictures of the same scene. Which picture has
which values follows from the number of its row, the last factor changing fastest; the labels of the
file must agree with that order, and nothing else is taken from them (descriptions of the file give
them other ranges than the file has).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cvq_tutorial.worlds.files.hdf5 import dataset_of
from cvq_tutorial.worlds.files.lookup import Benchmark, check_digest, check_side
from cvq_tutorial.worlds.files.rows import check_labels, check_pictures
from cvq_tutorial.worlds.files.world import FileWorld, stored_rows
from cvq_tutorial.worlds.shapes3d import FACTORS

BENCHMARK = Benchmark(
    world="shapes3d_file",
    title="3D Shapes",
    files=("3dshapes.h5",),
    folders=("3dshapes", "shapes3d", "3d-shapes", "."),
    get="https://github.com/google-deepmind/3d-shapes",
    credit="3D Shapes (C. Burgess and H. Kim, 2018), read from 3dshapes.h5.",
    factors=FACTORS,
)


def shapes3d_file_world(
    path: str | Path | None = None,
    size: int | None = 64,
    pictures: str | None = None,
    sha256: str | None = None,
    actions: str = "steps",
) -> FileWorld:
    """The world `shapes3d_file`.

    Where one picture of the file costs reading many others, it is unpacked on first use, see
    `unpack`.

    Args:
        path: the file or its folder, see `Benchmark.find`.
        size, pictures: see FileWorld.
        sha256: hash that the file must have; it is read once for that.
        actions: "steps" or "set", see `worlds.factors`.

    Raises:
        FileNotFoundError: no such file. TypeError, ValueError: a wrong argument; one line on what
            is wrong with the file.
    """
    check_side(size)
    file = BENCHMARK.find(path)
    images, labels = dataset_of(file, "images"), dataset_of(file, "labels")
    check_pictures(str(images), images.shape, images.dtype, (64, 64, 3))
    if images.shape[0] != FACTORS.size:
        raise ValueError(f"{images}: expected {FACTORS.size:,} rows, found {images.shape[0]:,}")
    check_labels(str(labels), labels.shape, labels.dtype, (FACTORS.size, FACTORS.n_factors))
    check_digest([file], sha256)
    _check_order(str(labels), labels.load())
    space, rows = FACTORS.with_actions(actions), stored_rows(BENCHMARK, images)
    return FileWorld(BENCHMARK, file, space, rows, size, pictures)


def _check_order(where: str, labels: np.ndarray) -> None:
    """Raise ValueError unless labels (480,000, 6) say that the rows are in their order."""
    space = FACTORS
    tables = []  # label of each value, from the rows where all other factors are 0
    for f, size in enumerate(space.sizes):
        alone = np.zeros((size, space.n_factors), dtype=np.int64)
        alone[:, f] = np.arange(size)
        tables.append(labels[space.index(alone), f])
        if not (np.diff(tables[-1]) > 0).all():
            raise ValueError(f"{where}: expected rising labels of {space.names[f]}, found others")
    for start in range(0, len(labels), 2**16):
        part = labels[start : start + 2**16]
        values = space.values(np.arange(start, start + len(part)))
        wanted = np.stack([table[values[:, f]] for f, table in enumerate(tables)], axis=1)
        wrong = ~(np.abs(part - wanted) < 1e-6)  # also where it is not a number
        if wrong.any():
            row, f = np.argwhere(wrong)[0]
            raise ValueError(
                f"{where}: row {start + row}: expected {space.names[f]} {wanted[row, f]:.3g}, "
                f"found {part[row, f]:.3g}; the rows are not in their published order"
            )
