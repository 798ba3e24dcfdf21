"""Where a table is, and where its pictures are.

A table is a file with a known ending, CelebA's list, a `metadata` file in each of the folders
train, valid and test, or none at all: pictures in one folder per class are a table, too. Names of
pictures are looked for as they stand, and where that fails without case, ending or folder; what
then fits exactly one picture is taken, and everything else is told.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from cvq_tutorial.common.folders import data_root
from cvq_tutorial.worlds.factors import SPLITS
from cvq_tutorial.worlds.pictures import safe_name
from cvq_tutorial.worlds.tables.read import ENDINGS, first_rows
from cvq_tutorial.worlds.tables.sheet import Cells, Problem, Sheet, tell

CELEBA = "list_attr_celeba.txt"
CELEBA_CSV = "list_attr_celeba.csv"  # the same as some mirrors hold it
PARTITIONS = ("list_eval_partition.txt", "list_eval_partition.csv")
IDENTITY = "identity_CelebA.txt"
PAIRS = "one_attribute_pairs.csv"  # image_off, image_on, attribute: pairs that are known to be one
SPLIT_WORDS = {word: i for i, word in enumerate(SPLITS)}
SPLIT_WORDS |= {"0": 0, "1": 1, "2": 2, "val": 1, "validation": 1}
_FOLDER_SPLITS = (*SPLITS, "val", "validation")
_FOLDERS = ("", "img_align_celeba", "img_align_celeba/img_align_celeba", "images", "img")
_FILES = ("file", "file_name", "filename", "image", "image_id", "path", "picture", "img", "name")
FOLDERS = ("celeba_style", "celeba", "CelebA", ".")  # of CelebA, under `data_root()`
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".html", ".htm")
# Endings of pictures, as files have them; whether Pillow reads one is seen when it is opened.
PICTURES = {
    ".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm",
    ".pnm", ".tga", ".jp2", ".j2k", ".avif", ".heic", ".heif", ".jfif",
}  # fmt: skip


def find_root(root: str | Path | None) -> Path:
    """The folder or table file to read. Raises FileNotFoundError with what was looked for."""
    if root is not None:
        path = Path(root).expanduser()
        path = path if path.exists() or path.is_absolute() else data_root() / path
        if not path.exists():
            raise FileNotFoundError(f"no folder of pictures at {path}")
        return path
    for name in FOLDERS:
        if celebas_table(data_root() / name):
            return data_root() / name
    raise FileNotFoundError(
        f"no {CELEBA} in {data_root()} or its folders {', '.join(FOLDERS[:-1])}: set CVQ_DATA to "
        "the folder that holds 'celeba' (see mmlab.ie.cuhk.edu.hk/projects/CelebA.html), or give "
        "root=..., a folder of pictures with a table"
    )


def find_table(root: Path, table: str | None = None) -> Path | None:
    """The table file of a folder, or `root` itself where it is a file.

    table: its name in the folder, or a path; None looks for it.
    Returns None where the folders themselves are the table, see `sheet_of_folders`.
    Raises FileNotFoundError: there is none, with what was looked for. ValueError: several.
    """
    if table is not None:
        base = root if root.is_dir() else root.parent
        path = next((p for p in (base / table, Path(table)) if p.is_file()), None)
        if path is None:
            there = ", ".join(p.name for p in tables_of(base)) or "none"
            raise FileNotFoundError(f"no table {table} in {base}: found {there}")
        return path
    if root.is_file():
        return root
    if known := celebas_table(root):
        return known
    tables = tables_of(root)
    if len(tables) > 1:
        found = ", ".join(path.name for path in tables[:5])
        raise ValueError(
            f"{root}: expected one table, found {len(tables)} ({found}): name one with "
            "table='...' (--table NAME)"
        )
    if tables:
        return tables[0]
    if split_tables(root) or class_folders(root):
        return None
    raise FileNotFoundError(
        f"no table of pictures in {root}: expected {CELEBA}, one file that ends in "
        f"{', '.join(ENDINGS)} with a line per picture, or a folder per class{packed(root)}"
    )


def celebas_table(root: Path) -> Path | None:
    """CelebA's table in a folder, or beside its folder of pictures; None: it is not there."""
    folders = (root, root.parent) if root.name == "img_align_celeba" else (root,)
    places = (folder / name for folder in folders for name in (CELEBA, CELEBA_CSV))
    return next((place for place in places if place.is_file()), None)


def packed(folder: Path) -> str:
    """What to say of archives and web pages in a folder; "" where there are none."""
    found = [p.name for p in _files(folder) if p.suffix.lower() in _ARCHIVES]
    if not found:
        return ""
    page = found[0].lower().endswith((".html", ".htm"))
    what = "a web page, download the file itself" if page else "unpack it first"
    return f" ({found[0]} is there: {what})"


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_file()) if folder.is_dir() else []


def tables_of(folder: Path) -> list[Path]:
    """The files of a folder that may be its table; a .txt only where nothing else is."""
    others = {PAIRS, *PARTITIONS, IDENTITY}  # of this package, or of CelebA, beside the table
    found = [p for p in _files(folder) if p.suffix.lower() in ENDINGS and p.name not in others]
    tables = [p for p in found if p.suffix.lower() != ".txt"]
    return tables or [p for p in found if _lists_pictures(p)]


def _lists_pictures(path: Path) -> bool:
    """Whether the first lines of a text file name pictures (a README does not)."""
    try:
        _, _, rows, _ = first_rows(path, 5)
    except ValueError:
        return False
    return any(is_picture_name(text) for row in rows for text in row)


def is_picture_name(text: str) -> bool:
    """Whether a text ends as the name of a picture does."""
    return PurePosixPath(text.strip().replace("\\", "/")).suffix.lower() in PICTURES


# Folders that are a table -------------------------------------------------------------------------


def split_tables(root: Path) -> list[tuple[str, Path]]:
    """(folder, table) of the folders train, valid and test that have one each."""
    return [(p.name, tables[0]) for p in _splits(root) if len(tables := tables_of(p)) == 1]


def other_splits(root: Path) -> list[str]:
    """A line for each of the folders train, valid and test that `split_tables` leaves out."""
    found = [(p.name, [t.name for t in tables_of(p)]) for p in _splits(root)]
    return [
        f"left out: {name}: expected one table, found {', '.join(tables) or 'none'}"
        for name, tables in found
        if len(tables) != 1
    ]


def _splits(root: Path) -> list[Path]:
    named = _folders(root) if root.is_dir() else []
    return [p for p in named if p.name.lower() in _FOLDER_SPLITS]


def class_folders(root: Path) -> list[tuple[str, str, Path]]:
    """(split or "", class, folder) of the folders that hold pictures of one class each.

    They stand in `root`, or in its folders train, valid and test; one of these that itself holds
    pictures is a class that is called so. [] where there are fewer than two classes, or pictures
    beside them in `root`; what stands beside folders of splits is said by `sheet_of_folders`.
    """
    splits = [p for p in _splits(root) if any(map(_pictures, _folders(p)))]
    if not splits and _pictures(root):
        return []
    bases = [(p.name, p) for p in splits] or [("", root)]
    found = [(split, p.name, p) for split, base in bases for p in _folders(base) if _pictures(p)]
    labels = {label for _, label, _ in found}
    told = not splits and all(label.lower() in _FOLDER_SPLITS for label in labels)  # splits alone
    return found if len(labels) > 1 and not told else []


def _folders(root: Path) -> list[Path]:
    return [p for p in sorted(root.iterdir()) if p.is_dir() and not p.name.startswith(".")]


def _pictures(folder: Path) -> list[Path]:
    return [p for p in _files(folder) if is_picture_name(p.name)]


def sheet_of_folders(root: Path) -> Sheet:
    """Pictures in one folder per class as a table with the columns file, label and split."""
    found = class_folders(root)
    rows = [
        (file.relative_to(root).as_posix(), label, split)
        for split, label, folder in found
        for file in _pictures(folder)
    ]
    titles = ("file", "label", "split") if rows[0][2] else ("file", "label")
    texts = zip(*rows, strict=True)
    columns = tuple(Cells.of(title, t) for title, t in zip(titles, texts, strict=False))
    read = {folder for _, _, folder in found}
    around = [root, *_folders(root), *(p for base in _folders(root) for p in _folders(base))]
    beside = {p: len(_pictures(p)) for p in around if p not in read}
    notes = [
        f"left out: {n} pictures of no class in {p.relative_to(root).as_posix()}"
        for p, n in beside.items()
        if n
    ]
    return Sheet(root, columns, np.arange(len(rows)) + 1, "picture", tuple(notes))


# Pictures ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Folder:
    """Where pictures may be: `base`, or a usual folder in it."""

    base: Path

    def holding(self, names: Sequence[str]) -> Path | None:
        """The first usual folder that holds one of these names as they stand."""
        for name in names:
            for folder in _FOLDERS if safe_name(name) else ():
                if (self.base / folder / name).is_file():
                    return self.base / folder
        return None

    @cached_property
    def all(self) -> dict[str, list[str]]:
        """Paths of all pictures below `base` by what they may be called: without case, without
        folders, without ending.
        """
        found: dict[str, list[str]] = {}
        for folder, inside, files in os.walk(self.base):
            inside.sort()
            for file in filter(is_picture_name, sorted(files)):
                path = (Path(folder) / file).relative_to(self.base).as_posix()
                whole = PurePosixPath(path.lower())
                for key in {str(whole), whole.name, str(whole.with_suffix("")), whole.stem}:
                    found.setdefault(key, []).append(path)
        return found

    def like(self, name: str) -> list[str]:
        """Paths below `base` of the pictures that a name may mean."""
        path = PurePosixPath(name.replace("\\", "/").lower())
        bare = path if path.suffix in PICTURES else path.with_name(f"{path.name}.")  # no ending
        for key in (str(path), path.name, str(bare.with_suffix("")), bare.stem):
            if key in self.all:
                return self.all[key]
        return []


def column_of_pictures(sheet: Sheet, base: Path, named: str | None) -> Cells:
    """The column that names pictures: the one that is `named`, or whose first cells do.

    Raises ValueError: no such column. FileNotFoundError: no column names a picture that is there.
    """
    if named is not None:
        return sheet.need(named)
    usual = [c for c in sheet.columns if c.title.lower() in _FILES]
    usual.sort(key=lambda c: _FILES.index(c.title.lower()))
    columns = [*usual, *(c for c in sheet.columns if c not in usual)]
    place = Folder(base)
    some = [(cells, [cells.words[code] for code in cells.codes[:20]]) for cells in columns]
    for cells, names in some:
        if place.holding(names) is not None:
            return cells
    for cells, names in some:
        if cells.title and any(len(place.like(name)) for name in names if len(name) > 1):
            return cells
    looks = [c for c, names in some if any(is_picture_name(name) for name in names)]
    names = next(iter(looks or columns)).texts[:1]
    there = [p for paths in list(place.all.values())[:3] for p in paths[:1]]
    found = f"; found {', '.join(sorted(set(there)))} ..." if there else packed(base)
    raise FileNotFoundError(
        f"{sheet.source}: its first pictures ({names[0]} ...) are not in {base} (looked in "
        f"{', '.join(name or '.' for name in _FOLDERS)}){found}: is this the table of other "
        "pictures? root='...' (--root FOLDER) says where they are"
    )


def match(
    sheet: Sheet, cells: Cells, base: Path, problem: Problem, drop: bool
) -> tuple[Path, list[str], np.ndarray, list[str]]:
    """The pictures of a table whose names stand in a column.

    base: where the pictures are, or their usual folder.
    problem: told of names that are in vain, twice, or that leave the folder.
    drop: rows without a picture are left out by request, which is no problem.
    Returns the folder, the names of pictures in it, the rows of the sheet that have one, int64
    (M,), and notes.
    """
    names = [name.replace("\\", "/") for name in cells.texts]
    folder = Folder(base).holding(names[:20]) or base
    there = {entry.name for entry in os.scandir(folder)}
    place = Folder(folder)
    seen: dict[str, int] = {}  # file: its row
    unsafe, twice, many, gone, like, notes = [], [], [], [], [], []
    for row, name in enumerate(names):
        file = name
        if not safe_name(name):
            unsafe.append(f"{sheet.place(row)}: {name!r} is no name inside a folder")
            continue
        if name not in there and not (folder / name).is_file():
            found = place.like(name)
            if len(found) > 1:
                many.append(f"{sheet.place(row)}: {name} could be {found[0]} or {found[1]}")
                continue
            if not found:
                gone.append(f"{sheet.place(row)}: {name} is not in {folder}")
                continue
            file = found[0]
            like.append((name, file))
        first = seen.setdefault(file, row)
        if first != row:
            twice.append(f"{sheet.place(row)}: {name} was already in {sheet.at(first)}")
    tell(problem, unsafe)
    tell(problem, twice)
    tell(problem, many, "write the folder or the ending, too")
    if drop and gone:
        notes.append(f"rows without a picture are left out: {len(gone):,}, the first is {gone[0]}")
    else:
        tell(problem, gone, "missing='drop' (--missing drop) leaves such rows out")
    if like:
        notes.append(
            f"{len(like):,} names fit a picture but for case, ending or folder, such as "
            f"{like[0][0]}: {like[0][1]}"
        )
    if others := sorted(name for name in there - {*seen, *names} if is_picture_name(name)):
        notes.append(f"pictures that the table does not list: {len(others):,}, such as {others[0]}")
    return folder, list(seen), np.array(list(seen.values()), dtype=np.int64), notes
