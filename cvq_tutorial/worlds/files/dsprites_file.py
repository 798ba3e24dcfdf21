"""The world `dsprites_file`: dSprites from its published file, npz or hdf5.

The sizes of the factors come from the labels (`latents_classes`), so that a part of the data on a
smaller grid is read too; a factor with one value, the colour, is left out. The pickled `metadata`
is never touched.

In the file the 40 orientations go from no turn to a full turn, both included: **the last looks like
the first**. `first_alike` of the factors says so. No two other orientations are a quarter or half a
turn apart, so the square and the ellipse have no doubles besides.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cvq_tutorial.worlds.factors import FactorSpace
from cvq_tutorial.worlds.files.lookup import Benchmark, check_digest, check_side, varied
from cvq_tutorial.worlds.files.rows import check_labels, check_order, check_pictures, tables_of
from cvq_tutorial.worlds.files.world import FileWorld, stored_array, stored_rows

_NAMES = ("color", "shape", "scale", "orientation", "pos_x", "pos_y")
_SHAPES = {1: "square", 2: "ellipse", 3: "heart"}
_FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64"


class FullTurnFactors(FactorSpace):
    """Factors whose orientation ends with a full turn: its last value is its first again."""

    def first_alike(self, values: np.ndarray) -> np.ndarray:
        """The smallest values with the same picture: int64 (B, F) for integers (B, F)."""
        first = self.check(values)
        turn = self.factor_id("orientation")
        first[:, turn] %= self.sizes[turn] - 1
        return first


def _space(tables: list[np.ndarray]) -> FactorSpace:
    """The factors with these values each (colour, shape, scale, orientation, pos_x, pos_y)."""
    turns = tables[3]
    shapes = tuple(_SHAPES.get(int(v), str(v)) for v in tables[1])
    degrees = tuple(f"{np.rad2deg(v):.0f}" for v in turns)
    texts = (None, shapes, tuple(f"{v:.1f}" for v in tables[2]), degrees, None, None)
    kinds = ("categorical", "categorical", "ordered", "ordered", "ordered", "ordered")
    factors = varied(_NAMES, kinds, map(len, tables), texts)
    full = len(turns) > 1 and abs(turns[-1] - turns[0] - 2 * np.pi) < 1e-3
    return FullTurnFactors(factors) if full else FactorSpace(factors)


BENCHMARK = Benchmark(
    world="dsprites_file",
    title="dSprites",
    files=tuple(f"{_FILE}.{ending}" for ending in ("npz", "hdf5", "h5")),
    folders=("dsprites", "dsprites-dataset", "dSprites", "."),
    get="https://github.com/google-deepmind/dsprites-dataset",
    credit="dSprites (L. Matthey, I. Higgins, D. Hassabis and A. Lerchner, 2017), read from a file "
    "in its layout.",
    factors=_space(
        [
            np.array([1.0]), np.array([1, 2, 3]), np.linspace(0.5, 1, 6),
            np.linspace(0, 2 * np.pi, 40), np.linspace(0, 1, 32), np.linspace(0, 1, 32),
        ]
    ),
)  # fmt: skip


def dsprites_file_world(
    path: str | Path | None = None,
    size: int | None = 64,
    pictures: str | None = None,
    sha256: str | None = None,
    actions: str = "steps",
) -> FileWorld:
    """The world `dsprites_file`; arguments and errors are those of `files.world`.

    A compressed npz and the published hdf5 are unpacked on first use, see `unpack`.
    """
    check_side(size)
    file = BENCHMARK.find(path)
    mark = "_" if file.suffix == ".npz" else "/"
    images = stored_array(file, "imgs")
    labels = [stored_array(file, f"latents{mark}{name}") for name in ("classes", "values")]
    check_pictures(str(images), images.shape, images.dtype, (64, 64))
    for found in labels:
        check_labels(str(found), found.shape, found.dtype, (images.shape[0], 6))
    check_digest([file], sha256)
    sizes = _sizes(str(labels[0]), labels[0].load())
    space = _space(tables_of(labels[1].load(), sizes)).with_actions(actions)
    rows = stored_rows(BENCHMARK, images)
    return FileWorld(BENCHMARK, file, space, rows, size, pictures, white=1)


def _sizes(where: str, classes: np.ndarray) -> tuple[int, ...]:
    """How many values each factor has, from the classes (N, 6) of all rows.

    Raises ValueError unless the rows are all combinations, the last factor changing fastest.
    """
    if not np.issubdtype(classes.dtype, np.integer):
        raise ValueError(f"{where}: expected integers, found {classes.dtype}")
    sizes = tuple(int(c) + 1 for c in classes[-1])  # in order, the last row has all the last values
    if min(sizes) < 1 or np.prod(sizes, dtype=float) != len(classes):
        raise ValueError(
            f"{where}: expected the last of {len(classes)} rows to be the last combination, found "
            f"{classes[-1].tolist()}"
        )
    check_order(where, classes, [np.arange(n) for n in sizes], _NAMES)
    return sizes
