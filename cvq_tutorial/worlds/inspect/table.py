"""The part of `check` that looks at pictures with an attribute table."""

from __future__ import annotations

import hashlib
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cvq_tutorial.worlds.factors import SPLITS
from cvq_tutorial.worlds.inspect.report import (
    EDITS,
    SHOWN,
    FactorLine,
    WorldReport,
    tell_unseen,
)
from cvq_tutorial.worlds.pictures import Pictures, decode, is_picture, kind_of, spread
from cvq_tutorial.worlds.tables.asked import How, how_of
from cvq_tutorial.worlds.tables.choose import choose
from cvq_tutorial.worlds.tables.files import AttributeTable, read_table
from cvq_tutorial.worlds.tables.find import CELEBA, CELEBA_CSV, PAIRS, find_table
from cvq_tutorial.worlds.tables.listed import lists_pairs, pairs_world
from cvq_tutorial.worlds.tables.pairs import read_known_pairs
from cvq_tutorial.worlds.tables.sheet import Problem, tell
from cvq_tutorial.worlds.tables.space import PictureSpace, pair_report, paired
from cvq_tutorial.worlds.tables.world import SIZE, space_of


def check_table(
    path: Path,
    kind: str,
    problem: Problem,
    rng: np.random.Generator,
    look: int,
    options: Mapping[str, Any] | None,
) -> WorldReport:
    """Look at a folder of pictures with a table, or at the table file; arguments as in `check`.

    Raises ValueError, FileNotFoundError: a table that cannot be read at all.
    """
    how = how_of(**(options or {}))
    source = find_table(path, how.table) or path
    if lists_pairs(source):
        return _pairs_report(path, how)
    faces = source.name in (CELEBA, CELEBA_CSV) and not options
    table = read_table(path, problem, None if faces else how)
    same = False if faces else None
    sizes = np.bincount(table.split, minlength=len(SPLITS))
    there = ", ".join(f"{name} {n}" for name, n in zip(SPLITS, sizes, strict=True))
    known = table.identity
    people = "" if known is None else f"; {len(np.unique(known[known >= 0]))} identities"
    notes = [
        f"make_world({'faces' if faces else 'pictures'!r}, root=...) reads it",
        f"table {source.name}, pictures in {table.folder.name}",
        f"splits by {table.split_by}: {there}{people}",
        *table.notes,
    ]
    if empty := [name for name, n in zip(SPLITS, sizes, strict=True) if not n]:
        problem(
            f"{source}: no picture in the split {' and in '.join(empty)}: expected some in each of "
            f"{', '.join(SPLITS)}, or no column that says so (split='draw', --split draw)"
        )
    for column in table.columns:
        if column.kind in ("identity?", "mixed", "blanks", "spelling"):
            problem(f"{source}: {column.line}")
    if table.left_out:
        notes.append(f"columns that are no attribute: {', '.join(table.left_out)}")
    if constant := [column.title for column in table.columns if column.kind == "constant"]:
        notes.append(f"the same in every picture: {', '.join(constant)}")

    pairs = None
    if faces and (source.parent / PAIRS).is_file():
        pairs = read_known_pairs(source.parent / PAIRS, table, problem)
        notes.append(f"{len(pairs)} known pairs in {PAIRS}")
    good, are = _look_at(table, look, problem, notes)
    told: dict[str, Any] = {"columns": table.columns}
    if not len(good):
        return WorldReport(path, kind, len(table.files), are, notes=tuple(notes), **told)
    pictures = Pictures(table.folder, table.files, SIZE)
    told["images"] = pictures.get(good[:: max(1, len(good) // SHOWN)][:SHOWN])
    try:
        columns, left_out = choose(table, list(how.factors) or None, pairs, same)
    except ValueError as error:
        problem(str(error))
        return WorldReport(path, kind, len(table.files), are, notes=tuple(notes), **told)
    notes += [f"{name} is left out: {why}" for name, why in left_out.items()]
    space = space_of(table, columns, pairs, same)
    lines = _attribute_lines(space, pictures, problem, rng)
    tell_unseen(path, lines, problem)
    drawn = pair_report(space, SPLITS[int(sizes.argmax())], 200 * len(columns))
    notes += [*paired(space), str(drawn).split("\n")[0]]
    combinations = len(np.unique(table.values[:, columns], axis=0)), space.size
    told["command"] = _command(path, faces, [table.names[c] for c in columns], options or {})
    return WorldReport(path, kind, len(table.files), are, lines, combinations, tuple(notes), **told)


def _pairs_report(path: Path, how: How) -> WorldReport:
    """Of a table that lists pairs: how many, and of which actions."""
    world = pairs_world(path, path, how, {}, None, "crop", (None, None))
    named = bool((world.factors.acts >= 0).all())
    words = ["cvq", "train", "pictures", "--root", str(path)]
    words += ["--table", how.table] if how.table else []
    return WorldReport(
        path, "pictures in pairs, before and after", len(np.unique(world.factors.ends)),
        notes=world.told, command=shlex.join(words + ([] if named else ["--actions", "none"])),
    )  # fmt: skip


def _command(path: Path, faces: bool, factors: Sequence[str], options: Mapping[str, Any]) -> str:
    """The command line that trains on a table as it was read."""
    words = ["cvq", "train", "faces" if faces else "pictures", "--root", str(path)]
    if not faces:
        words += ["--factors", ",".join(factors)]
    for name, value in options.items():
        if name == "factors" or value in (None, {}, ()):
            continue
        listed = [f"{k}={v}" for k, v in value.items()] if isinstance(value, Mapping) else value
        text = listed if isinstance(listed, str) else ",".join(listed)
        if name == "table" and not (path / text).is_file():  # it lies elsewhere
            text = str(Path(text).absolute())
        words += [f"--{name}", text]
    return shlex.join(words)


def _look_at(
    table: AttributeTable, look: int, problem: Problem, notes: list[str]
) -> tuple[np.ndarray, str]:
    """Numbers of pictures that were decoded well, and what they are like in words."""
    sizes: Counter[tuple[int, int]] = Counter()
    grey, low, high = 0, 255, 0
    good, seen, copies = [], dict[bytes, int](), []
    faults: dict[str, list[str]] = {}

    def fault(text: str) -> None:  # many copies of one fault are one line
        what = text.split(": ", 1)[-1]
        faults.setdefault(what.split(":")[0], []).append(text)

    looked_at = set(spread(len(table.files), look).tolist())
    for number, name in enumerate(table.files):
        path = table.folder / name
        if number not in looked_at:
            kind = kind_of(path)
            if not is_picture(kind):
                fault(f"{path}: expected a picture, found {kind}")
            continue
        try:
            image = decode(path)
        except ValueError as error:
            fault(str(error))
            continue
        sizes[image.shape[:2]] += 1
        grey += bool((image == image[..., :1]).all())
        low, high = min(low, int(image.min())), max(high, int(image.max()))
        first = seen.setdefault(hashlib.sha256(image.tobytes()).digest(), number)
        if first != number:
            copies.append((first, number))
        good.append(number)
    for texts in faults.values():
        tell(problem, texts)
    across = [(a, b) for a, b in copies if table.split[a] != table.split[b]]
    for a, b in across[:1]:
        problem(
            f"{table.folder}: copies in two splits: {len(across)}, such as {table.files[a]} in "
            f"{SPLITS[table.split[a]]} and {table.files[b]} in {SPLITS[table.split[b]]}"
        )
    if len(copies) > len(across):
        a, b = next(pair for pair in copies if pair not in across)
        notes.append(f"{len(copies)} copies, such as {table.files[b]} of {table.files[a]}")
    if grey:
        notes.append(f"{grey} of {len(good)} pictures are grey, and are taken as RGB")
    if not good:
        return np.array([], dtype=np.int64), "none that can be decoded"
    if small := sum(n for shape, n in sizes.items() if min(shape) < SIZE):
        notes.append(f"{small} pictures are smaller than {SIZE} pixels and are enlarged")
    (height, width), _ = sizes.most_common(1)[0]
    more = f" and {len(sizes) - 1} other sizes" if len(sizes) > 1 else ""
    crop = "" if height == width else "; the central square is taken"
    are = (
        f"{width} wide x {height} high{more}, values {low}..{high} (decoded {len(good)} of "
        f"{len(table.files)}){crop}"
    )
    return np.array(good, dtype=np.int64), are


def _attribute_lines(
    space: PictureSpace, pictures: Pictures, problem: Problem, rng: np.random.Generator
) -> tuple[FactorLine, ...]:
    """A line per chosen attribute; edits are tried in the split that has the most pictures."""
    counts = np.sum([space.pair_counts(split) for split in SPLITS], axis=0)
    split = SPLITS[int(np.bincount(space.data.split).argmax())]
    pairs, actions = space.sample_pairs(EDITS * space.n_factors, split, rng)
    same: list[list[bool]] = [[] for _ in space.factors]
    factors = space.factor_of(actions).tolist()
    for (one, other), which in zip(pairs[:, :, -1].tolist(), factors, strict=True):
        try:
            equal = np.array_equal(pictures.one(one), pictures.one(other))
        except ValueError as error:
            problem(str(error))
        else:
            same[which].append(equal)
    lines = []
    for i, factor in enumerate(space.factors):
        values = space.data.values[:, space.columns[i]]
        rarest = int(np.bincount(values, minlength=factor.size).min())
        unseen = float(np.mean(same[i])) if same[i] else None
        lines.append(FactorLine.of(factor, rarest, int(counts[i]), unseen))
    return tuple(lines)
