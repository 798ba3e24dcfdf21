"""The world `mpi3d`: MPI3D (toy, realistic or real), npz or HDF5 with the array `images`.

The files have no labels: which picture has which values follows from the number of its row alone,
and how many values there are from the number of rows. Two numbers are known: 1,036,800 of the
published files, and 460,800 of older ones with four colours and four shapes. Any other number is
refused, unless `sizes` says what it is made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path

from cvq_tutorial.common.checks import close_match
from cvq_tutorial.worlds.factors import FactorSpace
from cvq_tutorial.worlds.files.lookup import Benchmark, check_digest, check_side, varied
from cvq_tutorial.worlds.files.rows import check_pictures
from cvq_tutorial.worlds.files.world import FileWorld, stored_array, stored_rows

_NAMES = (
    "object_color", "object_shape", "object_size", "camera_height", "background_color",
    "horizontal_axis", "vertical_axis",
)  # fmt: skip
_UNORDERED = ("object_color", "object_shape", "background_color")
KINDS = ("real", "realistic", "toy")
_ENDINGS = ("npz", "h5", "hdf5")
SIZES = ((6, 6, 2, 3, 3, 40, 40), (4, 4, 2, 3, 3, 40, 40))  # published, and older


def _space(sizes: Sequence[int]) -> FactorSpace:
    kinds = ["categorical" if name in _UNORDERED else "ordered" for name in _NAMES]
    return FactorSpace(varied(_NAMES, kinds, sizes, [None] * len(_NAMES)))


BENCHMARK = Benchmark(
    world="mpi3d",
    title="MPI3D",
    files=tuple(f"mpi3d_{kind}.{ending}" for kind in KINDS for ending in _ENDINGS),
    folders=("mpi3d", "mpi3d_real", "mpi3d_realistic", "mpi3d_toy", "."),
    get="https://github.com/rr-learning/disentanglement_dataset",
    credit="MPI3D (M. W. Gondal and others, 2019), CC BY 4.0, read from a file in its layout.",
    factors=_space(SIZES[0]),
)


def mpi3d_world(
    path: str | Path | None = None,
    size: int | None = 64,
    kind: str | None = None,
    sizes: Sequence[int] | None = None,
    pictures: str | None = None,
    sha256: str | None = None,
    actions: str = "steps",
) -> FileWorld:
    """The world `mpi3d`; a compressed npz is unpacked on first use, see `unpack`.

    path, size, pictures, sha256, actions: as in `files.world`, also the errors.
    kind: "real", "realistic" or "toy": the file mpi3d_<kind>.npz (or .h5, .hdf5) is looked for.
        None takes the first that is there, in this order.
    sizes: of the seven factors, for a part of the data; None goes by the number of rows.
    """
    check_side(size)
    given = None if sizes is None else _check_sizes(sizes)
    if kind not in (None, *KINDS):
        raise ValueError(close_match("kind of MPI3D", kind, KINDS))
    file = BENCHMARK.find(path, [f"mpi3d_{kind}.{e}" for e in _ENDINGS] if kind else ())
    images = stored_array(file, "images")
    check_pictures(str(images), images.shape, images.dtype, (64, 64, 3))
    known = {prod(s): s for s in (SIZES if given is None else (given,))}
    if images.shape[0] not in known:
        numbers = " or ".join(f"{n:,} rows ({' x '.join(map(str, s))})" for n, s in known.items())
        hint = "" if given else "; for a part of the data give sizes=..."
        raise ValueError(f"{images}: expected {numbers}, found {images.shape[0]:,} rows{hint}")
    check_digest([file], sha256)
    rows = stored_rows(BENCHMARK, images)
    named = file.stem.removeprefix("mpi3d_")
    more: dict = {"kind": named} if named in KINDS else {}
    more |= {} if given is None else {"sizes": list(given)}
    space = _space(known[images.shape[0]]).with_actions(actions)
    return FileWorld(BENCHMARK, file, space, rows, size, pictures, more=more)


def _check_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    whole = [s for s in sizes if isinstance(s, int) and not isinstance(s, bool) and s > 0]
    if len(sizes) != len(_NAMES) or len(whole) != len(_NAMES):
        raise ValueError(
            f"sizes: expected {len(_NAMES)} positive integers for {', '.join(_NAMES)}, "
            f"found {sizes!r}"
        )
    return tuple(whole)
