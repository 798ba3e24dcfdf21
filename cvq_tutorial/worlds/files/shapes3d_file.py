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
from cvq_tutorial.worlds.files.rows import check_labels, check_order, check_pictures, tables_of
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
    """The world `shapes3d_file`; arguments and errors are those of `files.world`.

    Where one picture of the file costs reading many others, it is unpacked on first use, see
    `unpack`.
    """
    check_side(size)
    file = BENCHMARK.find(path)
    images, found = dataset_of(file, "images"), dataset_of(file, "labels")
    check_pictures(str(images), images.shape, images.dtype, (64, 64, 3))
    if images.shape[0] != FACTORS.size:
        raise ValueError(f"{images}: expected {FACTORS.size:,} rows, found {images.shape[0]:,}")
    check_labels(str(found), found.shape, found.dtype, (FACTORS.size, FACTORS.n_factors))
    check_digest([file], sha256)
    labels = found.load()
    tables = tables_of(labels, FACTORS.sizes)
    for name, table in zip(FACTORS.names, tables, strict=True):
        if not (np.diff(table) > 0).all():
            raise ValueError(f"{found}: expected rising labels of {name}, found others")
    check_order(str(found), labels, tables, FACTORS.names)
    space, rows = FACTORS.with_actions(actions), stored_rows(BENCHMARK, images)
    return FileWorld(BENCHMARK, file, space, rows, size, pictures)
