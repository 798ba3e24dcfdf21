"""What a file or folder is, and what is wrong with it, before anything is trained on it.

`check` opens nothing that it does not know, unpickles nothing, and goes on after a problem, so that
one run tells all of them: one line each, with the file and the place. It looks at the first bytes
of every picture and decodes some of them (all, where there are few); it draws edits of every factor
and counts those that change no pixel.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cvq_tutorial.common.archives import npy_header, open_member
from cvq_tutorial.worlds.factors import Factor, FactorSpace
from cvq_tutorial.worlds.files import cars3d, dsprites_file, mpi3d, shapes3d_file, smallnorb
from cvq_tutorial.worlds.files.hdf5 import names_of
from cvq_tutorial.worlds.files.lookup import Benchmark, what_it_is
from cvq_tutorial.worlds.files.unpack import UnpackedRows
from cvq_tutorial.worlds.inspect.report import (
    EDITS,
    SHOWN,
    FactorLine,
    WorldReport,
    tell_unseen,
)
from cvq_tutorial.worlds.inspect.table import check_table
from cvq_tutorial.worlds.make import BENCHMARKS, check_options, make_world
from cvq_tutorial.worlds.pictures import decode, is_picture, kind_of, square
from cvq_tutorial.worlds.tables.asked import how_of
from cvq_tutorial.worlds.tables.find import (
    celebas_table,
    class_folders,
    packed,
    split_tables,
    tables_of,
)
from cvq_tutorial.worlds.tables.read import ENDINGS
from cvq_tutorial.worlds.tables.sheet import Problem
from cvq_tutorial.worlds.world import ImageWorld

_UNPACK = 0.5  # gigabytes: a file that must be unpacked first is, up to here
_SIDE = 64


def check_folder(
    path: str | Path, look: int = 2000, seed: int = 0, options: Mapping[str, Any] | None = None
) -> WorldReport:
    """Look at a file or folder.

    Args:
        path: anything; only files of known formats are read.
        look: how many pictures of a folder are decoded, spread evenly over the table.
        seed: draws the edits that are tried.
        options: how a table of pictures is read, such as {"identity": "person"}, see `how_of`.

    Raises:
        FileNotFoundError: nothing is there. ValueError, TypeError: look below 1, wrong options.
    """
    if options:
        check_options("option of a table:", how_of, options)
        how_of(**options)  # raises for what is wrong with them
    path = Path(path).absolute()  # "." and a bare file name have a folder too
    if look < 1:
        raise ValueError(f"look: expected 1 or more pictures, found {look}")
    if not path.exists():
        raise FileNotFoundError(f"nothing to check at {path}")
    problems: list[str] = []
    table: Inspect = partial(check_table, look=look, options=options)
    kind, inspect = _recognise(path, table)
    if path.is_dir() and (options or {}).get("table"):  # it may lie elsewhere
        kind, inspect = "pictures with an attribute table", table
    try:
        report = inspect(path, kind, problems.append, np.random.default_rng(seed))
    except (ValueError, OSError, ImportError) as error:
        problems.append(" ".join(str(error).split()))
        report = WorldReport(path, kind)
    base = path if path.is_dir() else path.parent  # the first line says where; the rest is in it
    name = base.name or str(base)  # the root has no name
    told = [text.replace(f"{base}/", "").replace(str(base), name) for text in problems]
    return replace(report, problems=tuple(dict.fromkeys(told)))


# What it is --------------------------------------------------------------------------------------

Inspect = Callable[[Path, str, Problem, np.random.Generator], WorldReport]


def _recognise(path: Path, check_table: Inspect) -> tuple[str, Inspect]:
    """What is there, in words, and the function that looks closer."""
    if path.is_file():
        table = path.suffix.lower() in ENDINGS and not _names_cars(path)
        if table and what_it_is(path) != "an HDF5 file":
            return "pictures with an attribute table", check_table
    elif all((path / part).is_dir() for part in ("body", "hair", "shoes")):
        return "sheets of the world sprites", _world("sprites", root=path)
    elif celebas_table(path):
        return "pictures with attributes in CelebA's layout", check_table
    benchmark = _benchmark_of(path)
    if benchmark is not None:
        told = f"{benchmark.title}, for the world {benchmark.world}"
        return told, _world(benchmark.world, path=path)
    if path.is_file():
        kind = what_it_is(path)
        return f"one picture ({kind})" if is_picture(kind) else kind, _unknown_file
    if tables_of(path) or split_tables(path):
        return "pictures with an attribute table", check_table
    if class_folders(path):
        return "pictures in a folder per class", check_table
    return "a folder", _unknown_folder


def _names_cars(path: Path) -> bool:
    """Whether a list.txt, or that of a folder, is Cars3D's: beside it lie meshes or a tar."""
    folder = path if path.is_dir() else path.parent
    if path.is_file() and path.name != "list.txt":
        return path.suffix.lower() not in ENDINGS
    beside = [folder, folder / "data" / "cars"]
    tars = any(p.suffix in (".gz", ".tar", ".tgz") for p in folder.iterdir())
    return tars or any(place.is_dir() and any(place.glob("*_mesh.mat")) for place in beside)


def _benchmark_of(path: Path) -> Benchmark | None:
    """The data set that a file or folder is by its names, or by those of its arrays; None: none."""
    for benchmark in BENCHMARKS.values():
        if benchmark.is_at(path) and (benchmark is not cars3d.BENCHMARK or _names_cars(path)):
            return benchmark
    if path.is_dir():
        return None
    if re.fullmatch(r"smallnorb-.*-(dat|cat|info)\.mat(\.gz)?", path.name):
        return smallnorb.BENCHMARK
    if what_it_is(path) in ("a tar", "a gzip file") and ".t" in path.name.lower():
        return cars3d.BENCHMARK
    arrays = set(_array_names(path))
    if "imgs" in arrays:
        return dsprites_file.BENCHMARK
    if "images" in arrays and what_it_is(path) == "an HDF5 file" and "labels" in arrays:
        return shapes3d_file.BENCHMARK
    return mpi3d.BENCHMARK if "images" in arrays else None


def _array_names(path: Path) -> list[str]:
    """Names of the arrays at the top of an npz or HDF5 file; none where it is none."""
    try:
        if what_it_is(path) == "an HDF5 file":
            return names_of(path)
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return []


def _arrays(path: Path) -> tuple[str, ...]:
    """Name, dtype and shape of each array of an npz, from their headers: nothing is unpickled."""
    lines = []
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with open_member(archive, name) as file:
                    shape, fortran, dtype = npy_header(file)
                pickled = ", pickled: not read" if dtype.hasobject else ""
                order = ", Fortran order" if fortran and len(shape) > 1 else ""
                lines.append(f"array {name.removesuffix('.npy')}: {dtype} {shape}{order}{pickled}")
    except Exception as error:  # a damaged file raises nearly anything
        told = str(error) or type(error).__name__
        raise ValueError(f"{path}: a damaged npz: {told}") from error
    return tuple(lines)


def _unknown_file(path: Path, kind: str, problem: Problem, _: object) -> WorldReport:
    """A file that no world reads; the arrays of an npz are named.

    Raises ValueError: a damaged npz or HDF5 file.
    """
    if kind == "an HDF5 file":
        names_of(path)
    notes = _arrays(path) if kind == "a zip" and path.suffix.lower() == ".npz" else ()
    problem(f"{path}: no world reads this: {kind}")
    return WorldReport(path, kind, notes=notes)


def _unknown_folder(path: Path, kind: str, problem: Problem, _: object) -> WorldReport:
    """A folder that no world reads."""
    files = [entry for entry in sorted(path.iterdir()) if entry.is_file()]
    pictures = [file for file in files if is_picture(kind_of(file))]
    if pictures:
        problem(
            f"{path}: {len(pictures)} pictures, but no table that says what they show: add a CSV "
            "with a line per picture: its file name, and a column for each thing that differs"
        )
        images = np.stack([square(decode(file), _SIDE) for file in pictures[:SHOWN]])
        return WorldReport(path, "pictures without a table", len(pictures), images=images)
    found = ", ".join(entry.name for entry in sorted(path.iterdir())[:5]) or "nothing"
    problem(f"{path}: expected the data of a world, found {found}{packed(path)}")
    return WorldReport(path, kind)


# Worlds that are a product of factors -------------------------------------------------------------


def _world(name: str, **options: Any) -> Inspect:
    """Looks at a world that has a picture for every setting of its factors."""

    def inspect(path: Path, kind: str, problem: Problem, rng: np.random.Generator) -> WorldReport:
        world = make_world(name, **options)
        assert world.has_images
        return report_of(world, path, kind, problem, rng)

    return inspect


def report_of(
    world: ImageWorld, path: Path, kind: str, problem: Problem, rng: np.random.Generator
) -> WorldReport:
    """Look at an opened world with a picture for every setting of its factors."""
    space = world.factors
    height, width, _ = world.image_shape
    told = [f"make_world({world.name!r}, ...) reads it", f"credit: {world.credit}"]
    whole = (space.size, space.size)
    if gigabytes := _unread(world):
        told += [f"its pictures were not looked at: to read one, {gigabytes:.1f} GB are unpacked"]
        lines = tuple(_line(space, f, None) for f in space.factors)
        are = f"{height} x {width} pixels"
        return WorldReport(path, kind, space.size, are, lines, whole, tuple(told))
    x = rng.integers(0, space.sizes, size=(EDITS * space.n_factors, space.n_factors))
    factor = np.repeat(np.arange(space.n_factors), EDITS)
    rows = np.arange(len(x))
    x[rows, factor] = rng.integers(0, np.array(space.sizes)[factor] - 1)
    edit = space.acting_on(factor, np.zeros(len(x), dtype=bool), x[rows, factor] + 1)
    before, after = world.render(x), world.render(space.apply(x, edit))
    unseen = (before == after).all(axis=(1, 2, 3)).reshape(-1, EDITS).mean(axis=1)
    flat = (before == before[:, :1, :1]).all(axis=(1, 2, 3))
    if flat.any():
        problem(
            f"{path}: {int(flat.sum())} of {len(flat)} pictures are of one single colour, such as "
            f"that of values {tuple(x[flat][0].tolist())}"
        )
    lines = tuple(_line(space, f, float(u)) for f, u in zip(space.factors, unseen, strict=True))
    if not flat.all():  # else that is said, and every line would say it again
        tell_unseen(path, lines, problem)
    are = f"{height} x {width} pixels, uint8 {before.min()}..{before.max()} (looked at {len(x)})"
    shown = before[rng.permutation(len(before))[:SHOWN]]
    return WorldReport(path, kind, space.size, are, lines, whole, tuple(told), images=shown)


def _line(space: FactorSpace, factor: Factor, unseen: float | None) -> FactorLine:
    each = space.size // factor.size  # pictures with one value
    edits = each * (factor.size - 1)
    return FactorLine.of(factor, each, edits, unseen)


def _unread(world: ImageWorld) -> float:
    """Gigabytes to unpack before the first picture can be read, where that is more than a check
    should write; else 0.
    """
    rows = getattr(world, "rows", None)
    if not isinstance(rows, UnpackedRows) or rows.path.is_file():
        return 0.0
    size = float(np.prod(rows.shape, dtype=float)) / 1e9
    return size if size > _UNPACK else 0.0
