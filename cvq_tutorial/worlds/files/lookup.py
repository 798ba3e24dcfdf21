"""Where the files of a benchmark are looked for, what a file is, and its hash."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from cvq_tutorial.common.folders import data_root
from cvq_tutorial.worlds.factors import Factor, FactorSpace
from cvq_tutorial.worlds.kinds import kind_of


@dataclass(frozen=True)
class Benchmark:
    """A data set whose files the user provides."""

    world: str  # that reads it
    title: str
    files: tuple[str, ...]  # names that its file may have, relative to its folder; the first counts
    folders: tuple[str, ...]  # names that its folder may have, under `data_root()`
    get: str  # where a user gets it
    credit: str  # whom to name
    factors: FactorSpace = field(repr=False)  # of the published files

    def places(self, files: Sequence[str] = ()) -> tuple[Path, ...]:
        """The files that are looked for, in order; `files` as in `find`."""
        root = data_root()
        bases = [base / folder for base in (root, root / "fixtures") for folder in self.folders]
        return tuple(base / name for base in bases for name in files or self.files)

    def find(self, path: str | Path | None, files: Sequence[str] = ()) -> Path:
        """The file to read.

        path: the file, or a folder that holds it; a relative path that is not there is looked for
            under `data_root()`. None takes the first of `places()` that is there.
        files: only these names count, () all of the data set.
        Raises FileNotFoundError: one line that says where it was looked for and where to get it.
        """
        names = files or self.files
        if path is None:
            if place := next((p for p in self.places(names) if p.is_file()), None):
                return place
            root = data_root()
            raise FileNotFoundError(
                f"no file of {self.title} in {root} (folders {', '.join(self.folders)}): "
                f"expected {' or '.join(names)}; get it from {self.get} and put it in "
                f"{root / self.folders[0]}, or set CVQ_DATA to the folder that holds "
                f"{self.folders[0]!r}"
            )
        path = Path(path).expanduser()
        path = path if path.exists() or path.is_absolute() else data_root() / path
        if path.is_file():
            return path
        if not path.exists():
            raise FileNotFoundError(f"no file of {self.title} at {path}; get it from {self.get}")
        if place := next((path / name for name in names if (path / name).is_file()), None):
            return place
        there = ", ".join(sorted(p.name for p in path.iterdir())[:6]) or "nothing"
        raise FileNotFoundError(
            f"no file of {self.title} in {path}: expected {' or '.join(names)}, found {there}"
        )

    def is_at(self, path: Path) -> bool:
        """Whether a file is one of this data set by its name, or a folder holds one."""
        if path.is_file():
            return path.name in {Path(name).name for name in self.files}
        return any((path / name).is_file() for name in self.files)


def varied(
    names: Iterable[str],
    kinds: Iterable[str],
    sizes: Iterable[int],
    texts: Iterable[tuple[str, ...] | None],
) -> tuple[Factor, ...]:
    """The factors of these names, kinds, sizes and texts that have more than one value."""
    every = zip(names, sizes, kinds, texts, strict=True)
    return tuple(Factor(*told) for told in every if told[1] > 1)


def what_it_is(path: Path) -> str:
    """What the first bytes of a file say it is, in a word or two.

    Raises OSError: the file cannot be read.
    """
    kind = kind_of(path)
    if kind == "a web page":
        return "a web page (what a server sends in place of a file that it does not give)"
    return "nothing known" if kind == "unknown" else kind


def unzipped(path: Path) -> IO[bytes]:
    """An open file, read through gzip where its first bytes say so."""
    packed = what_it_is(path) == "a gzip file"
    return gzip.open(path) if packed else open(path, "rb")  # type: ignore[return-value]


def digest_of(paths: Sequence[Path]) -> str:
    """One hash of files, 64 hex digits; they are read a piece at a time.

    That of one file is its SHA-256. That of several is the SHA-256 of what the command `sha256sum`
    prints for them in this order, inside their folder.
    """
    found = []
    for path in paths:
        with open(path, "rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
    if len(found) == 1:
        return found[0]
    lines = "".join(f"{d}  {p.name}\n" for d, p in zip(found, paths, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()


def check_digest(paths: Sequence[Path], wanted: str | None) -> None:
    """Raise ValueError unless files have the hash `wanted`; None takes any and reads nothing."""
    if wanted is not None and (found := digest_of(paths)) != wanted.lower():
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        raise ValueError(f"{paths[0]}{more}: expected SHA-256 {wanted}, found {found}")


def check_side(size: int | None) -> None:
    """Raise TypeError or ValueError unless `size` is None or a multiple of 8 from 8 to 512."""
    if size is None:
        return
    if isinstance(size, bool) or not isinstance(size, int):
        raise TypeError(f"size: expected an integer or None, found {size!r}")
    if size % 8 or not 8 <= size <= 512:
        raise ValueError(f"size: expected a multiple of 8 from 8 to 512, found {size}")
