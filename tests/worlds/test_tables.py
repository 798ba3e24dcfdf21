"""Own tables of any form: what is read, what becomes of each column, what is refused."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvq_tutorial.common.folders import data_root
from cvq_tutorial.worlds.inspect.check import check_folder
from cvq_tutorial.worlds.make import make_world
from cvq_tutorial.worlds.tables import splits
from cvq_tutorial.worlds.tables.asked import How
from cvq_tutorial.worlds.tables.columns import column_of
from cvq_tutorial.worlds.tables.files import read_table
from cvq_tutorial.worlds.tables.pairs import FoundPairs
from cvq_tutorial.worlds.tables.sheet import Cells
from cvq_tutorial.worlds.tables.space import pair_report
from cvq_tutorial.worlds.tables.splits import few_held_out, split_drawn

POSES = ("left", "right", "up")


def rows_of(people: int = 8) -> list[dict[str, str]]:
    """A picture of every pose and hat for each person."""
    return [
        {
            "file": f"{i:03}.png",
            "person": f"p{i // 6}",
            "pose": POSES[i % 3],
            "hat": str(i // 3 % 2),
        }
        for i in range(6 * people)
    ]


def written(folder: Path, rows: list[dict[str, str]], mark: str = ",", inside: str = "") -> Path:
    """The pictures of these rows, and their table labels.csv."""
    (folder / inside).mkdir(parents=True, exist_ok=True)
    for i, row in enumerate(rows):
        image = np.full((12, 12, 3), i % 250, dtype=np.uint8)
        image[5:, 4 * POSES.index(row.get("pose", "up")) :] = 255 * int(row.get("hat", 0) == "1")
        path = folder / inside / row["file"]
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
    return table(folder, rows, mark)


def table(folder: Path, rows: list[dict[str, str]], mark: str = ",") -> Path:
    lines = [mark.join(rows[0]), *(mark.join(row.values()) for row in rows)]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("own") / "mine", rows_of())


def refused(folder: Path, **options) -> str:
    with pytest.raises((ValueError, FileNotFoundError, ImportError)) as error:
        make_world("pictures", root=folder, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def cells(*texts: str) -> Cells:
    words, codes = np.unique(np.array(texts, dtype=object), return_inverse=True)
    return Cells("x", tuple(words.tolist()), codes)


# --- forms of tables -----------------------------------------------------------------------------


def forms(rows: list[dict[str, str]]) -> dict[str, tuple[str, bytes]]:
    """The same table in every form: {what: (name, content)}."""

    def text(mark: str, end: str = "\n", head: str = "", tail: str = "") -> str:
        lines = [mark.join(rows[0]), *(mark.join(row.values()) for row in rows)]
        return head + end.join(lines) + end + tail

    hf = [{("file_name" if k == "file" else k): v for k, v in row.items()} for row in rows]
    return {
        "comma": ("a.csv", text(",").encode()),
        "semicolon, CRLF, BOM": ("a.csv", text(";", "\r\n").encode("utf-8-sig")),
        "sep=": ("a.csv", text("|", "\n", "sep=|\n").encode()),
        "tab": ("a.tsv", text("\t").encode()),
        "blanks": ("labels.txt", text("   ").encode()),
        "UTF-16 with its mark": ("a.csv", text(";").encode("utf-16")),
        "UTF-16 without": ("a.csv", text(",").encode("utf-16-le")),
        "rows of commas": ("a.csv", text(",", "\n", "\n\n", ",,,\n,,,\n").encode()),
        "a comma at each end": ("a.csv", text(",", ",\n").encode()),
        "row numbers": ("a.csv", "\n".join(
            [f",{','.join(rows[0])}", *(f"{i},{','.join(r.values())}" for i, r in enumerate(rows))]
        ).encode()),
        "JSON lines": ("a.jsonl", "\n".join(map(json.dumps, rows)).encode()),
        "Hugging Face": ("metadata.jsonl", "\n".join(map(json.dumps, hf)).encode()),
    }  # fmt: skip


@pytest.mark.parametrize("form", list(forms(rows_of(1))))
def test_a_table_is_read_in_every_form(folder, tmp_path, form):
    rows = rows_of()
    name, content = forms(rows)[form]
    for row in rows:
        os.link(folder / row["file"], tmp_path / row["file"])
    (tmp_path / name).write_bytes(content)
    read = read_table(tmp_path, how=How(identity="person"))
    assert read.files == tuple(row["file"] for row in rows)
    pose, hat = (read.by_name[title] for title in ("pose", "hat"))
    assert (pose.kind, pose.values, pose.counts) == ("categorical", POSES, (16, 16, 16))
    assert (hat.kind, hat.values, hat.counts) == ("yes/no", ("no", "yes"), (24, 24))
    assert read.values[:, read.names.index("pose")].tolist() == [i % 3 for i in range(48)]
    assert read.identity.tolist() == [i // 6 for i in range(48)]


@pytest.mark.parametrize(("ending", "extra"), [(".parquet", "parquet"), (".xlsx", "excel")])
def test_what_needs_an_extra_names_it_or_is_read(folder, tmp_path, ending, extra):
    for row in rows_of():
        os.link(folder / row["file"], tmp_path / row["file"])
    path = tmp_path / f"labels{ending}"
    if find_spec({"parquet": "pyarrow", "excel": "openpyxl"}[extra]) is None:
        path.write_bytes(b"PK\x03\x04")
        told = refused(tmp_path)
        assert f"install the extra {extra!r}: pip install 'cvq-tutorial[{extra}]'" in told
        return
    import pandas as pd

    frame = pd.DataFrame(rows_of()).assign(hat=lambda f: f.hat == "1")
    frame.to_parquet(path) if extra == "parquet" else frame.to_excel(path)
    world = make_world("pictures", root=tmp_path, identity="person")
    assert world.factors.names == ("pose", "hat") and world.n_images == 48


def test_a_folder_per_class_and_split_folders_are_tables(tmp_path):
    for split, n in (("train", 20), ("test", 6)):
        for kind in ("cat", "dog"):
            (tmp_path / "a" / split / kind).mkdir(parents=True)
            for i in range(n):
                image = np.full((9, 9), 10 * i + 3 * (kind == "dog") + (split == "test"), np.uint8)
                Image.fromarray(image).save(tmp_path / "a" / split / kind / f"{i}.png")
    world = make_world("pictures", root=tmp_path / "a")
    assert world.factors.action_names == ("label=cat", "label=dog") and world.n_images == 52
    assert np.bincount(world.data.split).tolist() == [34, 6, 12]  # valid is taken from train
    assert any("no picture is for validation: 6 of train" in line for line in world.told)
    assert check_folder(tmp_path / "a").kind == "pictures in a folder per class"
    for split in ("train", "test"):
        files = sorted((tmp_path / "a" / split).rglob("*.png"))
        lines = [{"file_name": p.name, "kind": p.parent.name, "n": p.stem} for p in files]
        (tmp_path / "b" / split).mkdir(parents=True)
        for i, path in enumerate(files):
            lines[i]["file_name"] = f"{i}.png"
            os.link(path, tmp_path / "b" / split / f"{i}.png")
        told = "\n".join(map(json.dumps, lines))
        (tmp_path / "b" / split / "metadata.jsonl").write_text(told)
    world = make_world("pictures", root=tmp_path / "b", factors=["kind"])
    assert world.data.files[0] == "test/0.png" and np.bincount(world.data.split)[2] == 12
    (tmp_path / "b" / "test" / "metadata.jsonl").rename(tmp_path / "b" / "told.txt")
    left = check_folder(tmp_path / "b", options={"factors": ["kind"]})
    assert "left out: test: expected one table, found none" in left.notes


def test_of_few_pictures_every_value_is_in_every_split(tmp_path, capsys):
    rows = [{k: row[k] for k in ("file", "pose", "hat")} for row in rows_of(10)]
    folder = written(tmp_path / "few", rows)
    world = make_world("pictures", root=folder)
    told = capsys.readouterr().out
    assert world.factors.names == ("pose", "hat") and "where the fewest values miss a split" in told
    found = {(world.data.split[i], row["pose"]) for i, row in enumerate(rows)}
    assert len(found) == 9
    assert np.array_equal(make_world("pictures", root=folder).data.split, world.data.split)


@pytest.mark.parametrize("n", [0, 6, 60])
def test_a_split_is_drawn_anew_only_where_a_value_is_missing(n):
    keys = [f"{i}.png" for i in range(60)]
    values = np.where(np.arange(60) < n, np.arange(60) % 2, -1)
    plain, first = split_drawn(keys, True)
    split, draw = split_drawn(keys, True, [values])
    sides = [{(s, v) for s, v in zip(which, values, strict=True) if v >= 0}
             for which in (plain, split)]  # fmt: skip
    assert first == 0 and np.bincount(split).tolist() == [42, 9, 9]
    assert len(sides[1]) >= len(sides[0])
    if draw == 0:
        assert np.array_equal(plain, split)
    else:
        assert len(sides[1]) > len(sides[0])
    assert (draw > 0) == (len(sides[0]) < (6 if n else 0))


@pytest.mark.parametrize("columns", [0, 1, 5])
def test_values_that_miss_a_split_are_counted_as_one_by_one(columns):
    rng = np.random.default_rng(columns)
    for _ in range(20):
        split = rng.integers(0, 3, 12).astype(np.uint8)
        values = [rng.integers(-1, 4, 12) for _ in range(columns)]
        told = sum(
            not ((split == side) & (column == value)).any()
            for column in values
            for value in set(column[column >= 0].tolist())
            for side in range(3)
        )
        assert splits._missing(split, values) == told


def test_pictures_that_no_row_lists_are_said(tmp_path):
    rows = rows_of()
    folder = written(tmp_path / "more", rows)
    table(folder, rows[:40])
    found = [line for line in check_folder(folder).notes if "does not list" in line]
    assert found == ["pictures that the table does not list: 8, such as 040.png"]


def picture_folders(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for i in range(40):
            image = np.full((9, 9), 40 * number + i, np.uint8)
            Image.fromarray(image).save(root / name / f"{i}.png")
    return root


@pytest.mark.parametrize(
    ("folders", "labels", "left"),
    [
        (("left", "right", "test"), ("left", "right", "test"), []),  # a class that is called so
        (("left", "train", "test"), ("left", "test", "train"), []),
        (("train", "test"), None, []),  # splits, and nobody says of what
        (("train/a", "train/b", "test/a", "test/b", "a"), ("a", "b"), ["a"]),
        (("train/a", "train/b", "test/a", "test/b", "c/d"), ("a", "b"), ["c/d"]),
        (("train/a", "train/b", "test"), ("a", "b"), ["test"]),  # nobody says what test shows
    ],
)
def test_a_class_called_test_is_a_class_and_what_is_of_no_class_is_said(
    tmp_path, folders, labels, left
):
    report = check_folder(picture_folders(tmp_path / "own", *folders))
    if labels is None:
        assert report.kind == "a folder" and not report.factors
        return
    [label] = report.factors
    assert label.values == ", ".join(labels)
    said = [note for note in report.notes if note.startswith("left out")]
    assert said == [f"left out: 40 pictures of no class in {folder}" for folder in left]


def test_names_of_pictures_are_matched_where_only_one_fits(tmp_path):
    rows = rows_of(4)
    written(tmp_path, rows, inside="photos")
    for how in ({"file": "bare"}, {"file": "UPPER"}, {"file": "deep"}):
        named = {
            "bare": lambda f: f[:-4],
            "UPPER": lambda f: f"photos/{f.upper()}",
            "deep": lambda f: f"some/where/{f}",
        }
        changed = [{**row, "file": named[how["file"]](row["file"])} for row in rows]
        read = read_table(table(tmp_path, changed))
        assert read.files[3] == "photos/003.png" and len(read.files) == 24
        assert any(note.startswith("24 names fit a picture but for case") for note in read.notes)
    Image.new("RGB", (9, 9)).save(tmp_path / "003.jpg")
    bare = [{**row, "file": row["file"][:-4]} for row in rows]
    told = refused(table(tmp_path, bare))
    assert "labels.csv line 5: 003 could be 003.jpg or photos/003.png" in told


def test_a_list_without_a_header_is_asked_about(folder, tmp_path):
    for row in rows_of():
        os.link(folder / row["file"], tmp_path / row["file"])
    lines = [f"{row['file']} {row['hat']}" for row in rows_of()]
    (tmp_path / "labels.txt").write_text("\n".join(lines))
    told = refused(tmp_path)
    assert "line 1: 000.png is a picture, so no line says what the columns are" in told
    assert "(--columns file,column1)" in told
    world = make_world("pictures", root=tmp_path, columns=["file", "hat"])
    assert world.n_images == 48 and world.factors.names == ("hat",)  # the first picture, too
    told = refused(tmp_path, columns=["file", "hat", "more"])
    assert "expected 2 titles, one per column, found 3: file, hat, more" in told


# --- what becomes of a column --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "kind", "values"),
    [
        (("0", "1", "1"), "yes/no", ("no", "yes")),
        (("-1", "1", "1"), "yes/no", ("no", "yes")),
        (("TRUE", "False", "true"), "yes/no", ("no", "yes")),
        (("yes", "No", "no"), "yes/no", ("no", "yes")),
        (("T", "f", "f"), "yes/no", ("no", "yes")),
        (("1.0", "0.0", "1.0"), "yes/no", ("no", "yes")),
        (("1", "2", "2"), "ordered", ("1", "2")),
        (("10", "9", "2.0", "2"), "ordered", ("2", "9", "10")),
        (("0,5", "1,5", "1,5"), "ordered", ("0,5", "1,5")),
        (("b", "a", "b"), "categorical", ("a", "b")),
        (("b", "a", "c"), "ids", ()),
        (("a", "a", "a"), "constant", ()),
        (tuple("yyn1"), "mixed", ()),
        (("Left", "left", "up", "up"), "spelling", ()),
        (("big cat", "big_cat", "up", "up"), "spelling", ()),
        (("no", "NO", "NL", "NL"), "spelling", ()),  # Norway, and nothing of yes and no
        (("01", "1", "2", "2"), "spelling", ()),
        (("no", "NO", "yes", "Yes"), "yes/no", ("no", "yes")),
        (("1.0", "1", "2", "2"), "ordered", ("1", "2")),
        (("left", "", "left", "up"), "blanks", ("left", "up")),
        (tuple(str(i // 2) for i in range(60)), "numbers", ()),
        (tuple(f"w{i // 2}" for i in range(60)), "words", ()),
    ],
)
def test_what_a_column_is_follows_from_its_distinct_values(texts, kind, values):
    if kind == "mixed":
        texts = ("1",) * 9 + ("seven",)
    found = column_of(cells(*texts), How())
    assert (found.kind, found.values) == (kind, values), found
    assert "\n" not in found.line and found.line.startswith(f"x: {kind}")


def test_options_change_what_a_column_is():
    ages = cells(*(str(18 + i % 50) for i in range(100)))
    assert "18 to 67: bins={'x': 4} (--bins x=4)" in column_of(ages, How()).why
    four = column_of(ages, How(bins={"x": 4}))
    assert four.kind == "binned" and sum(four.counts) == 100 and min(four.counts) >= 24
    assert four.values[0] == "18..30" and four.values[-1] == "56..67"
    ends = column_of(ages, How(bins={"x": [30, 50]}))
    assert ends.values == ("18..30", "31..50", "51..67") and ends.counts == (26, 40, 34)
    named = column_of(ages, How(bins={"x": {"young": 30, "old": None}}))
    assert named.values == ("young", "old") and named.counts == (26, 74)
    hair = cells("0", "1", "2", "0", "1")
    assert column_of(hair, How(kinds={"x": "categorical"})).kind == "categorical"
    loose = column_of(cells("Left", "left", "left", "up"), How(spelling="loose"))
    assert (loose.kind, loose.values, loose.counts) == ("categorical", ("left", "up"), (3, 1))
    for bins, words in ((1, "a number of 2 or more"), ([50, 30], "rising"), ([5], "found none in")):
        with pytest.raises(ValueError, match=words):
            column_of(ages, How(bins={"x": bins}))
    with pytest.raises(ValueError, match="two values that mean yes and no, found '0', '1', '2'"):
        column_of(hair, How(kinds={"x": "yes/no"}))


def test_more_values_than_a_factor_may_have_are_refused_even_by_name():
    names = Cells("name", tuple(f"w{i:03}" for i in range(500)), np.arange(1000) % 500)
    found = column_of(names, How(factors=["name"]))
    assert (found.kind, found.distinct) == ("words", 500)
    assert found.why.startswith("'w000', 'w001', 'w002', 'w003', ... 500 values: too many for a")
    few = Cells("name", names.words[:40], np.arange(1000) % 40)
    assert column_of(few, How()).kind == "words"
    assert column_of(few, How(factors=["name"])).kind == "categorical"


@pytest.mark.parametrize(
    ("title", "asked"),
    [
        ("patient_id", True), ("Subject", True), ("person", True), ("participantId", True),
        ("group", True), ("hair", False), ("class_id", False), ("side", False),
    ],
)  # fmt: skip
def test_columns_called_like_a_person_are_asked_about(title, asked):
    column = Cells(title, tuple(f"v{i:02}" for i in range(12)), np.arange(48) % 12)
    found = column_of(column, How())
    assert (found.kind == "identity?") == asked, found
    assert not asked or f"(--identity {title})" in found.why
    assert column_of(column, How(identity="x")).kind == "categorical"


def test_nothing_vanishes_without_a_line(folder, tmp_path, capsys):
    world = make_world("pictures", root=folder, identity="person", factors=["hat"])
    lines = capsys.readouterr().out.splitlines()
    few = "of 8 identities is in {}: what is measured there says little about others"
    assert lines == [
        f"only 1 {few.format('valid')}",
        f"only 1 {few.format('test')}",
        "file: picture: 48 different values",
        "person: identity: 8 different values",
        "pose: categorical: left 16, right 16, up 16",
        "pairs: both pictures of a pair show one identity: hat",
    ]
    assert make_world("pictures", **world.options) == world
    assert capsys.readouterr().out == ""  # it was said before
    report = check_folder(folder, options={"identity": "person"})
    assert report.ok and [f.name for f in report.factors] == ["pose", "hat"]
    assert "\npose                    categorical  left 16, right 16, up 16\n" in str(report)
    assert report.command.endswith("--factors pose,hat --identity person")
    shutil.copytree(folder, pictures := tmp_path / "pictures")
    table = str((pictures / "labels.csv").rename(tmp_path / "beside them.csv"))
    moved = check_folder(pictures, options={"identity": "person", "table": table})
    assert moved.ok and moved.factors == report.factors
    assert moved.command.endswith(f"--table {shlex.quote(table)}")


# --- factors, actions, pairs ---------------------------------------------------------------------


def slow_pairs(values: np.ndarray, factor: int, target: int) -> set[tuple[int, int]]:
    """Every (before, after) that differs in this factor alone and ends in the target."""
    found = set()
    for i, one in enumerate(values):
        for j, other in enumerate(values):
            differ = np.flatnonzero(one != other)
            if differ.tolist() == [factor] and other[factor] == target:
                found.add((i, j))
    return found


def test_pairs_of_a_factor_that_is_set_are_all_there_are_and_no_others():
    rng = np.random.default_rng(4)
    sizes = (3, 2, 4)
    values = rng.integers(0, sizes, (50, 3)).astype(np.uint8)
    finder = FoundPairs(np.arange(50), values, None, sizes)
    for factor, size in enumerate(sizes):
        pairs = [slow_pairs(values, factor, target) for target in range(size)]
        assert finder.counts_to(factor).tolist() == [len(p) for p in pairs]
        assert finder.count(factor, sets=True) == sum(map(len, pairs)) // 2
        for target in range(size):
            drawn = finder.draw_to(factor, target, 4000, np.random.default_rng(0))
            assert {tuple(pair) for pair in drawn.tolist()} == pairs[target]
        up = {(i, j): int(values[j, factor]) - int(values[i, factor]) for p in pairs for i, j in p}
        steps = {pair for pair, by in up.items() if by == 1}
        assert finder.count(factor) == len(steps)
        drawn = finder.draw(factor, 4000, np.random.default_rng(0))
        assert {tuple(pair) for pair in drawn.tolist()} == steps


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_actions_of_categories_set_a_value_from_another_one(folder, split):
    world = make_world("pictures", root=folder, identity="person")
    space = world.factors
    names = ("hat+", "hat-", "pose=left", "pose=right", "pose=up")
    assert space.action_names == names
    pairs, actions = space.sample_pairs(300, split, np.random.default_rng(0))
    x, y = pairs[:, 0, :-1], pairs[:, 1, :-1]
    assert np.array_equal(space.apply(x, actions), y) and space.of_one(pairs).all()
    assert np.bincount(actions)[2:].tolist() == [50, 50, 50]
    assert world.render(pairs[:2, 0]).shape == (2, 64, 64, 3)
    steps = make_world("pictures", root=folder, identity="person", actions="steps")
    assert steps.factors.action_names == ("pose+", "hat+", "pose-", "hat-")


def test_pairs_show_one_identity_where_there_are_such(tmp_path):
    """A hat never changes within a person here, so its pairs show anyone; those of poses do not."""
    rows = [{**row, "hat": str(int(row["person"][1:]) % 2)} for row in rows_of(24)]
    world = make_world("pictures", root=written(tmp_path, rows), identity="person")
    report = pair_report(world.factors, "train", 400)
    pose, hat = report.one[[world.factors.names.index(n) for n in ("pose", "hat")]]
    assert (pose, hat) == (1, 0) and "50% of pairs show one identity" in str(report)
    people = world.data.identity
    sides = [set(people[world.data.split == s].tolist()) for s in range(3)]
    assert sum(map(len, sides)) == 24 and [len(s) for s in sides] == [16, 4, 4]
    told = refused(tmp_path, identity="person", same_identity=True, factors=["hat"])
    assert "no pair for attribute 'hat'" in told


def test_real_photographs_are_read_as_categories():
    if not (data_root() / "cmu_faces").is_dir():
        pytest.skip("no cmu_faces folder")
    world = make_world("pictures", root="cmu_faces", identity="person")
    assert world.n_images == 624 and world.factors.names == ("pose", "expression", "eyes")
    assert np.bincount(world.data.split).tolist() == [438, 96, 90]
    assert world.factors.n_actions == 10 and "eyes=sunglasses" in world.factors.action_names
    assert world.options["root"] == "cmu_faces"


# --- bad input: one line, what was found, the option that helps ----------------------------------


def changed(rows: list[dict[str, str]], column: str, value, every: int = 1) -> list[dict[str, str]]:
    return [
        {**row, column: value(i) if i % every == 0 else row.get(column, "")}
        for i, row in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("column", "value", "options", "words"),
    [
        ("pose", lambda i: "up", {"factors": ["pose"]},
         "pose: constant: 'up' in every picture: it cannot be a factor"),
        ("hat", lambda i: "", {"factors": ["hat"]}, "hat: blanks: no 20, yes 18; blank in 10 rows, "
         "the first is line 2; missing='drop' (--missing drop) leaves such rows out"),
        ("pose", lambda i: ("Up", "up", "left")[i % 3], {"factors": ["pose"]},
         "pose: spelling: 3 different values; 'Up' and 'up' differ in case or blanks alone: mend "
         "the table, or spelling='loose' (--spelling loose)"),
        ("pose", lambda i: ("up", "left", "red")[i % 3 if i < 6 else i % 2], {"factors": ["pose"]},
         "drop=['pose=red'] (--drop pose=red) leaves them out"),
        ("split", lambda i: ("train", "valid", "test")[i % 3], {"identity": "person"},
         "one identity in two splits: 000.png is in train, 001.png in valid (8 of 8 identities): "
         "split='draw' (--split draw) splits by identity"),
        ("split", lambda i: "often", {}, "000.png: expected one of train, valid, test, 0, 1, 2, "
         "val, validation, found 'often' (and 47 more like it)"),
        ("hat", lambda i: "1", {"factors": ["hut"]}, "unknown column in factors: 'hut'; did you"),
    ],
)  # fmt: skip
def test_a_fault_of_a_column_is_one_line_with_what_helps(folder, column, value, options, words):
    rows = changed(rows_of(), column, value, 1 if value(0) else 5)
    told = refused(table(folder, rows), **options)
    table(folder, rows_of())
    assert words in told, told


def test_blanks_can_be_dropped_by_request(folder):
    rows = changed(rows_of(), "hat", lambda i: "n/a", 5)
    table(folder, rows)
    report = check_folder(folder, options={"identity": "person"})
    (problem,) = report.problems
    assert problem.startswith("labels.csv: hat: blanks: no 20, yes 18; blank in 10 rows, the first")
    world = make_world("pictures", root=folder, factors=["hat"], missing="drop")
    table(folder, rows_of())
    assert world.n_images == 38 and "rows with blanks are left out: 10 of 48" in world.told


def test_missing_pictures_are_one_line_and_can_be_dropped(folder):
    lost = changed(rows_of(), "file", lambda i: f"lost{i}.png", 6)
    table(folder, lost)
    told = refused(folder)
    world = make_world("pictures", root=folder, missing="drop", factors=["hat"])
    table(folder, [{**row, "file": f"x{row['file']}"} for row in rows_of()])
    all_lost = refused(folder)
    table(folder, rows_of())
    assert "line 2: lost0.png is not in" in told and "(and 7 more like it): missing='drop'" in told
    assert world.n_images == 40
    assert "its first pictures (x000.png ...) are not in" in all_lost
    assert "found 000.png, 001.png" in all_lost and "root='...' (--root FOLDER)" in all_lost


def test_what_lies_beside_a_table_is_recognised(tmp_path):
    (tmp_path / "labels.csv").write_text("file,hat\na.png,1\nb.png,0\n")
    (tmp_path / "images.zip").write_bytes(b"PK\x03\x04")
    assert "(images.zip is there: unpack it first)" in refused(tmp_path)
    (tmp_path / "labels.csv").write_bytes(b"PK\x03\x04" + bytes(40))
    assert "found a zip (an Excel file? its name ends in .xlsx then)" in refused(tmp_path)
    (tmp_path / "labels.csv").write_text("<!DOCTYPE html><html>sign in</html>")
    assert "expected a text file, found a web page" in refused(tmp_path)
    (tmp_path / "labels.csv").unlink()
    assert "(images.zip is there: unpack it first)" in refused(tmp_path)
    assert "unpack it first" in check_folder(tmp_path).problems[0]


def test_of_two_tables_one_is_named(folder, tmp_path):
    for row in rows_of():
        os.link(folder / row["file"], tmp_path / row["file"])
    table(tmp_path, rows_of())
    (tmp_path / "more.tsv").write_text("file\tx\n000.png\t1\n")
    told = refused(tmp_path)
    assert "expected one table, found 2 (labels.csv, more.tsv): name one with table='...'" in told
    assert make_world("pictures", root=tmp_path, table="labels.csv").n_images == 48
    assert "no table other.csv in" in refused(tmp_path, table="other.csv")


def test_a_wide_table_asks_for_columns_and_reads_those(folder, tmp_path):
    for row in rows_of():
        os.link(folder / row["file"], tmp_path / row["file"])
    wide = [{**row, **{f"c{i}": str(i % 3) for i in range(30_000)}} for row in rows_of()]
    table(tmp_path, wide)
    told = refused(tmp_path)
    assert "30,004 columns, more than 2,000 are not read at once" in told and "--factors" in told
    world = make_world("pictures", root=tmp_path, factors=["hat", "pose"], identity="person")
    assert world.n_images == 48 and len(world.data.names) == 2


def test_a_split_that_only_test_has_a_value_of_is_told_by_value(folder):
    rows = [
        {**row, "split": "test" if row["person"] > "p5" else ("train", "valid")[i // 6 % 2]}
        for i, row in enumerate(rows_of())
    ]
    rows = [{**r, "pose": "down" if r["split"] == "test" else r["pose"]} for r in rows]
    told = refused(table(folder, rows), factors=["pose"])
    table(folder, rows_of())
    assert "in train 0 of 18 pictures are down (train 0, valid 0, test 12)" in told
    assert "(--drop pose=down)" in told


def test_two_columns_that_are_one_factor_are_named(folder):
    rows = [{**row, "Wearing Hat": row["hat"], "Wearing_Hat": row["hat"]} for row in rows_of()]
    table(folder, rows)
    told = refused(folder, factors=["Wearing Hat", "Wearing_Hat"])
    world = make_world("pictures", root=folder, identity="person", factors=["Wearing Hat"])
    table(folder, rows_of())
    assert "labels.csv: Wearing_Hat: the columns 'Wearing Hat' and 'Wearing_Hat' would both" in told
    assert world.factors.names == ("Wearing_Hat",)


def test_where_one_attribute_alone_works_it_is_said_or_taken(folder):
    """Two columns that always agree have no pair; each alone has."""
    rows = [{**row, "cap": row["hat"]} for row in rows_of()]
    table(folder, rows)
    told = refused(folder, factors=["hat", "cap"])
    world = make_world("pictures", root=folder, factors=None, identity="person")
    table(folder, rows_of())
    assert "alone each of hat, cap has pairs" in told
    assert world.factors.names == ("pose", "cap") and "hat" in world.left_out


def test_another_table_and_replaced_pictures_are_refused(tmp_path):
    world = make_world("pictures", root=written(tmp_path, rows_of()), identity="person")
    options = world.options
    Image.new("RGB", (12, 12), (9, 9, 9)).save(tmp_path / "007.png")
    with pytest.raises(ValueError, match=r"expected pictures with hash .* pictures were replaced"):
        make_world("pictures", **options)
    written(tmp_path, rows_of())
    assert make_world("pictures", **options) == world
    table(tmp_path, changed(rows_of(), "hat", lambda i: "1", 7))
    with pytest.raises(ValueError, match=r"a table with hash .*: this is another table.*--root FO"):
        make_world("pictures", **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"missing": "skip"}, "unknown missing 'skip'"),
        ({"spelling": "any"}, "unknown spelling 'any'"),
        ({"identity": "parson"}, "no column 'parson', found file, person, pose, hat"),
        ({"split": "side"}, "no column 'side'"),
        ({"file": "picture"}, "no column 'picture'"),
        ({"kinds": {"pose": "kind"}}, "unknown kind of column 'kind'"),
        ({"drop": ["pose"]}, "drop: expected column=value, found 'pose'"),
        ({"drop": ["pose=down"]}, "drop pose=down: found left, right, up"),
        ({"bins": {"pose": 3}}, "bins of pose: expected numbers, found 'left'"),
        ({"nearest": "pixel"}, "did you mean 'pixels'"),
    ],
)
def test_wrong_options_are_refused(folder, options, words):
    assert words in refused(folder, **options)


def test_options_of_the_wrong_kind_are_refused(folder):
    for options in ({"factors": "pose"}, {"bins": 4}, {"drop": "pose=up"}):
        with pytest.raises(TypeError, match="expected a"):
            make_world("pictures", root=folder, **options)
    with pytest.raises(FileNotFoundError, match=r"root='...' \(--root FOLDER\)"):
        make_world("pictures")


def test_a_list_of_anything_is_not_taken_for_cars(folder, tmp_path):
    for row in rows_of():
        os.link(folder / row["file"], tmp_path / row["file"])
    lines = ["file hat", *(f"{row['file']} {row['hat']}" for row in rows_of())]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    for path in (tmp_path, tmp_path / "list.txt"):
        assert check_folder(path).kind == "pictures with an attribute table"


def test_a_split_of_few_identities_says_how_few():
    people = np.repeat(np.arange(12), 3)
    split = np.where(people == 11, 2, np.where(people < 6, 0, 1)).astype(np.uint8)
    assert few_held_out(split, people) == [
        "only 1 of 12 identities is in test: what is measured there says little about others"
    ]
    split[people == 10] = 2
    assert "only 2 of 12 identities are in test" in few_held_out(split, people)[1]
    assert "only 4 of 12 identities are in valid" in few_held_out(split, people)[0]
    assert few_held_out(split, np.where(people > 5, -1, people)) == []  # nobody is known there
    assert few_held_out(split, None) == few_held_out(np.repeat([0, 1, 2], 12), np.arange(36)) == []
