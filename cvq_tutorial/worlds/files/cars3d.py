"""The world `cars3d`: Cars3D from its folder of .mat files, or from the tar that they come in.

`list.txt` names the cars, one a line, and its order is the order of the objects; each has 24
azimuths x 4 elevations in a file of its own. So every combination exists, however many cars there
are: the published set has 183. Archives are read as a stream and nothing of them is written to the
disk under a name of theirs; a link or a name that leaves the archive is refused all the same.
"""

from __future__ import annotations

import io
import itertools
import struct
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from cvq_tutorial.common.archives import BUDGET, Budget, Metered
from cvq_tutorial.common.checks import close_match
from cvq_tutorial.worlds.factors import FactorSpace
from cvq_tutorial.worlds.files.lookup import (
    Benchmark,
    check_digest,
    check_side,
    digest_of,
    unzipped,
    varied,
    what_it_is,
)
from cvq_tutorial.worlds.files.unpack import UnpackedRows
from cvq_tutorial.worlds.files.world import FileWorld
from cvq_tutorial.worlds.pictures import safe_name

AZIMUTHS, ELEVATIONS, SIDE = 24, 4, 128
_SHAPE = (SIDE, SIDE, 3, AZIMUTHS, ELEVATIONS)
_LIST = "list.txt"
_LIST_BYTES, _MAT_BYTES = 2**20, 2**28  # more than any of the files has
_MEMBERS, _HEADERS = 100_000, 2**20  # files in an archive, bytes between two of them
_COMPRESSED = 15  # type of an element of a .mat file
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, OSError)
_TAR = "nips2015-analogy-data.tar.gz"
# `digest_of` 14 other cars in the same layout, see _STAND_IN_CREDIT
_STAND_IN = "60bbe5b8cd4ccca517d7ad78e0551b305fb51f87f0b9bdbb3366ad33cc5506d4"
_STAND_IN_CREDIT = (
    "Cars of the game TORCS (torcs.org), rendered anew; models and textures by ViPeR, "
    "Jean-Christophe Durieu, SpeedyChonChon, Bernhard Wymann, Eric Espie, Olaf Sassnick, Andrew "
    "Sumner, Christophe Guionneau and Wolf-Dieter Beelitz; Free Art License, which covers these "
    "pictures too."
)
_OTHER_CREDIT = "Cars in the layout of Cars3D, but other ones: name whoever made them."


def _space(names: Sequence[str]) -> FactorSpace:
    degrees = tuple(str(360 // AZIMUTHS * a) for a in range(AZIMUTHS))
    return FactorSpace(
        varied(
            ("elevation", "azimuth", "object"), ("ordered", "cyclic", "categorical"),
            (ELEVATIONS, AZIMUTHS, len(names)), (None, degrees, tuple(names)),
        )
    )  # fmt: skip


BENCHMARK = Benchmark(
    world="cars3d",
    title="Cars3D",
    files=(f"data/cars/{_LIST}", _LIST, _TAR),
    folders=("cars3d", "cars", "data/cars"),
    get="http://www.scottreed.info/files/nips2015-analogy-data.tar.gz",
    credit="Cars3D (S. Reed, Y. Zhang, Y. Zhang and H. Lee, 2015; models collected by S. Fidler, "
    "S. Dickinson and R. Urtasun, 2012).",
    factors=_space([f"car {i}" for i in range(183)]),
)


def cars3d_world(
    path: str | Path | None = None,
    size: int | None = 64,
    pictures: str | None = None,
    sha256: str | None = None,
    actions: str = "steps",
) -> FileWorld:
    """The world `cars3d`; pictures are unpacked on first use at the size that is wanted.

    path, size, pictures, sha256, actions: as in `files.world`, also the errors; path is the folder
        that holds list.txt (or data/cars/list.txt), or the tar, packed or not, own pictures are 128
        x 128, and the hash is that of the tar, or of list.txt and the .mat files in its order.
    """
    check_side(size)
    found = BENCHMARK.find(path)
    if found.name == _LIST:
        if (kind := what_it_is(found)) not in ("text", "nothing known"):
            raise ValueError(f"{found}: expected the names of cars, found {kind}")
        names = _names_of(str(found), found.read_bytes()[: _LIST_BYTES + 1])
        files = [found, *(found.with_name(f"{name}.mat") for name in names)]
        for line, mat in enumerate(files[1:], 1):
            if not mat.is_file():
                raise ValueError(f"{found}: entry {line}: no file {mat.name} beside the list")
        blocks = partial(_of_folder, files[1:])
    else:
        files, members = [found], _scan(found)
        names = [member.stem for member in members]
        blocks = partial(_of_tar, found, members)
    check_digest(files, sha256)
    n = len(names)
    rows = UnpackedRows(
        BENCHMARK.world, files, (n * ELEVATIONS * AZIMUTHS, SIDE, SIDE, 3), blocks, size
    )
    # Rows are in the order (object, elevation, azimuth), numbers in (elevation, azimuth, object).
    order = np.arange(rows.shape[0]).reshape(n, ELEVATIONS, AZIMUTHS).transpose(1, 2, 0).ravel()
    credit = BENCHMARK.credit if n == BENCHMARK.factors.sizes[-1] else _OTHER_CREDIT
    if n == 14 and digest_of(files) == _STAND_IN:
        credit = _STAND_IN_CREDIT
    about, space = replace(BENCHMARK, credit=credit), _space(names).with_actions(actions)
    return FileWorld(about, found.parent, space, rows, size, pictures, order=order)


def _names_of(where: str, data: bytes) -> list[str]:
    """The stems of a list.txt. Raises ValueError naming the line."""
    if len(data) > _LIST_BYTES:
        raise ValueError(f"{where}: expected a list of at most {_LIST_BYTES} bytes")
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: expected text, found other bytes at {error.start}") from None
    names: list[str] = []
    for number, line in enumerate(lines, 1):
        name = line.strip().removesuffix(".mat")
        if not name:
            continue
        if not safe_name(name) or "/" in name or len(name) > 100:
            raise ValueError(f"{where}: line {number}: expected a file name, found {name!r:.60}")
        if name in names:
            raise ValueError(f"{where}: line {number}: {name} is there twice")
        names.append(name)
    if not names:
        raise ValueError(f"{where}: expected the names of cars, found none")
    return names


# Pictures ----------------------------------------------------------------------------------------


def _pictures_of(where: str, data: bytes, kind: str = "something else") -> np.ndarray:
    """All pictures of one car from the bytes of its .mat file: uint8 (4 * 24, 128, 128, 3).

    The elevation is slow, the azimuth fast. kind: what the file is, for the message if it is none.
    Raises ValueError: one line with `where`.
    """
    from scipy.io import loadmat, whosmat

    if not data.startswith(b"MATLAB 5.0"):
        raise ValueError(f"{where}: expected a MATLAB 5 file (as -v7 saves it), found {kind}")
    wrong = ""
    try:
        data = _inflated(data)
        held = {name: (shape, kind) for name, shape, kind in whosmat(io.BytesIO(data))}
        shape, dtype = held.get("im", (None, None))
        if shape is None:
            wrong = close_match("variable", "im", held)
        elif dtype != "uint8":
            wrong = f"expected 'im' to be uint8, found {dtype}"
        elif shape != _SHAPE:
            hint = "; the axes are swapped" if sorted(shape) == sorted(_SHAPE) else ""
            wrong = f"expected 'im' of shape {_SHAPE}, found {shape}{hint}"
        else:
            image = loadmat(io.BytesIO(data), variable_names=["im"])["im"]
            return image.transpose(4, 3, 0, 1, 2).reshape(-1, SIDE, SIDE, 3)
    except Exception as error:  # a damaged file raises nearly anything
        raise ValueError(f"{where} is damaged: {' '.join(str(error).split())}") from error
    raise ValueError(f"{where}: {wrong}")


def _inflated(data: bytes) -> bytes:
    """A MATLAB 5 file without its compression: how far its variables unpack is known then.

    Raises ValueError: they unpack to more than any car has. zlib.error, struct.error: damaged.
    """
    order = "<" if data[126:128] == b"IM" else ">"
    parts, at, left = [data[:128]], 128, _MAT_BYTES
    while at < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        part = data[at : at + 8 + size]
        at += 8 + size
        if kind == _COMPRESSED:
            unpacker = zlib.decompressobj()
            part = unpacker.decompress(part[8:], left + 1)
            if not unpacker.eof and len(part) <= left:
                raise ValueError("a variable ends too early")
        parts.append(part)
        left -= len(part)
        if left < 0:
            raise ValueError(f"expected variables that unpack to at most {_MAT_BYTES:,} bytes")
    return b"".join(parts)


def _of_folder(files: Sequence[Path]) -> Iterator[tuple[int, np.ndarray]]:
    """All pictures, car by car: (row of the first, uint8 (96, 128, 128, 3))."""
    for number, path in enumerate(files):
        with open(path, "rb") as file:
            data = file.read(_MAT_BYTES + 1)
        if len(data) > _MAT_BYTES:
            raise ValueError(f"{path}: expected at most {_MAT_BYTES} bytes")
        yield number * ELEVATIONS * AZIMUTHS, _pictures_of(str(path), data, what_it_is(path))


# Archives ----------------------------------------------------------------------------------------


def _scan(path: Path) -> list[PurePosixPath]:
    """The files of the cars in an archive, in the order of its list.

    The archive is read to its end and checked on the way.

    Raises ValueError: no tar, damaged, a link or an unsafe name, a car of the list that is not in
    it.
    """
    folder, data = None, b""
    seen: set[PurePosixPath] = set()
    for member, file in _members(path):
        place = PurePosixPath(member.name)
        listed = place.name == _LIST and place.parent.name == "cars"
        most = _LIST_BYTES if listed else _MAT_BYTES
        if (listed or place.suffix == ".mat") and member.size > most:
            raise ValueError(f"{path}: {member.name}: expected at most {most} bytes")
        if listed:
            folder, data = place.parent, _content(path, member, file)
        elif place.suffix == ".mat":
            seen.add(place)
    if folder is None:
        raise ValueError(f"{path}: expected a file cars/{_LIST} in the archive, found none")
    names = _names_of(f"{path}: {folder / _LIST}", data)
    members = [folder / f"{name}.mat" for name in names]
    for line, place in enumerate(members, 1):
        if place not in seen:
            raise ValueError(
                f"{path}: {folder / _LIST}: entry {line}: no file {place.name} in the archive"
            )
    return members


def _of_tar(path: Path, members: Sequence[PurePosixPath]) -> Iterator[tuple[int, np.ndarray]]:
    """All pictures in the order of the archive: (row of the first, uint8 (96, 128, 128, 3))."""
    number = {place: i for i, place in enumerate(members)}
    for member, file in _members(path):
        i = number.pop(PurePosixPath(member.name), None)  # of two of a name, the first counts
        if i is not None:
            pictures = _pictures_of(f"{path}: {member.name}", _content(path, member, file))
            yield i * ELEVATIONS * AZIMUTHS, pictures


def _content(path: Path, member: tarfile.TarInfo, file: IO[bytes]) -> bytes:
    """All bytes of one file. Raises ValueError: the archive is cut short or damaged within it."""
    try:
        return file.read()
    except _DAMAGED as error:
        raise ValueError(f"{path}: {member.name} is cut short or damaged: {error}") from error


def _members(path: Path, budget: Budget = BUDGET) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """The files of an archive as a stream, each to be read before the next.

    Raises ValueError: as `_scan`.
    """
    try:
        with unzipped(path) as file:
            metered = Metered(file, path, budget)
            metered.next = _HEADERS  # the first is read when it is opened
            archive = tarfile.TarFile.open(str(path), "r|", metered)  # type: ignore[call-overload]
            for number in itertools.count():
                if (member := archive.next()) is None:
                    break
                archive.members = []  # else it remembers all of them
                name = repr(member.name)[:80]
                if number >= _MEMBERS:
                    raise ValueError(f"{path}: expected at most {_MEMBERS:,} files in it")
                metered.expect(member.size, name)
                metered.next = member.size + _HEADERS
                if not (member.isreg() or member.isdir()):
                    kind = "a link" if member.issym() or member.islnk() else "a special file"
                    raise ValueError(f"{path}: {name} is {kind}, expected files and folders only")
                if not safe_name(member.name):
                    raise ValueError(f"{path}: {name} is a name that leaves the archive: refused")
                held = archive.extractfile(member)
                if held is not None:
                    yield member, held
            metered.next = None
            while metered.read():  # a gzip file has its checksum at its end
                pass
    except _DAMAGED as error:
        kind = what_it_is(path)
        kind = f"{kind}: unpack it first" if kind in ("a bzip2 file", "an xz file") else kind
        told = f"a damaged one: {error}" if kind in ("a gzip file", "nothing known") else kind
        raise ValueError(f"{path}: expected a tar, found {told}") from error
