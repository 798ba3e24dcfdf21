"""Tables of pictures with attributes: reading, pairs, splits, and what is refused."""

from __future__ import annotations

import io
import pickle
import tracemalloc
from dataclasses import replace as replace_fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvq_tutorial.common.folders import data_root
from cvq_tutorial.data.sampling import Sampling
from cvq_tutorial.data.transitions import (
    changed_pixels,
    invisible_share,
    sample_transitions,
    sample_values,
    split_of,
)
from cvq_tutorial.measure import sequences
from cvq_tutorial.training import checkpoints
from cvq_tutorial.training import data as training_data
from cvq_tutorial.training.recipes import get
from cvq_tutorial.training.train import train
from cvq_tutorial.worlds.inspect.check import check_folder as check
from cvq_tutorial.worlds.pictures import Pictures, area_weights, decode, kind_of, square
from cvq_tutorial.worlds.tables.choose import choose, identifier
from cvq_tutorial.worlds.tables.columns import Column
from cvq_tutorial.worlds.tables.files import AttributeTable, read_table
from cvq_tutorial.worlds.tables.find import find_table
from cvq_tutorial.worlds.tables.pairs import FoundPairs, finders, read_known_pairs
from cvq_tutorial.worlds.tables.space import pair_report
from cvq_tutorial.worlds.tables.world import STAND_IN, PictureWorld, faces_world

NAMES = ("5_o_Clock", "Hat", "Smiling", "Young", "Tall")
WORDS = {0: "-1", 1: " 1"}


def table_of(n: int, seed: int = 0) -> np.ndarray:
    """(n, 5) random attributes; Tall follows Hat, so that pairs of Hat differ in it, too."""
    rng = np.random.default_rng(seed)
    values = (rng.random((n, 5)) < [0.5, 0.3, 0.5, 0.6, 0.5]).astype(int)
    values[:, 4] = np.where(rng.random(n) < 0.8, values[:, 1], values[:, 4])
    return values


def picture(row: np.ndarray, number: int, size: tuple[int, int] = (80, 96)) -> Image.Image:
    """A picture that shows its attributes as bars and its number as grey."""
    image = np.full((size[1], size[0], 3), number % 200, dtype=np.uint8)
    for i, value in enumerate(row):
        image[20 + 10 * i : 28 + 10 * i, 10:70, i % 3] = 255 * value
    return Image.fromarray(image)


def celeba(
    folder: Path, values: np.ndarray, split: np.ndarray | None = None, form: str = "jpg"
) -> Path:
    """Write a folder in CelebA's layout."""
    files = [f"{i + 1:06d}.{form}" for i in range(len(values))]
    (folder / "img_align_celeba").mkdir(parents=True)
    for i, (name, row) in enumerate(zip(files, values, strict=True)):
        picture(row, i).save(folder / "img_align_celeba" / name, quality=95)
    lines = [str(len(values)), " ".join(NAMES) + " "]  # the real file has that blank, too
    lines += [
        f"{n} {' '.join(WORDS[v] for v in row)}" for n, row in zip(files, values, strict=True)
    ]
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
    if split is not None:
        told = "".join(f"{n} {s}\n" for n, s in zip(files, split, strict=True))
        (folder / "list_eval_partition.txt").write_text(told)
    return folder


def split_evenly(n: int) -> np.ndarray:
    return np.arange(n) * 3 // n


def other_values(table: AttributeTable, values: np.ndarray, names: tuple) -> AttributeTable:
    """The table with other columns of yes and no."""
    columns = tuple(
        Column(name, "yes/no", ("no", "yes"), codes=values[:, i].astype(np.int16))
        for i, name in enumerate(names)
    )
    return replace_fields(table, names=names, values=values, columns=columns)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    values = table_of(240)
    return celeba(tmp_path_factory.mktemp("faces"), values, split_evenly(240), "png")


@pytest.fixture(scope="module")
def world(folder) -> PictureWorld:
    return faces_world(folder, attributes=NAMES[:4])


@pytest.fixture(scope="module")
def real() -> PictureWorld:
    """The drawn faces in CelebA's layout, where they are."""
    if not (data_root() / "celeba_style").is_dir():
        pytest.skip("no celeba_style folder")
    return faces_world(data_root() / "celeba_style")


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# --- reading -------------------------------------------------------------------------------------


def test_a_celeba_folder_is_read_back(folder):
    table = read_table(folder)
    assert table.names == NAMES
    assert np.array_equal(table.values, table_of(240)) and table.values.dtype == np.uint8
    assert table.files[:2] == ("000001.png", "000002.png") and table.rows["000007.png"] == 6
    assert np.array_equal(table.split, split_evenly(240))
    assert (table.split_by, table.identity) == ("list_eval_partition.txt", None)
    assert find_table(folder / "img_align_celeba") == folder / "list_attr_celeba.txt"


def test_a_csv_is_read_back_with_its_split_and_identity(tmp_path):
    values = table_of(12)
    (tmp_path / "images").mkdir()
    lines = ["image,Hat,Hair Colour,Smiling,note,Split,identity"]
    for i, row in enumerate(values):
        picture(row, i).save(tmp_path / "images" / f"{i}.png")
        split, person = ("train", "val", "test")[i // 4], f"p{i // 2}"
        lines.append(f'{i}.png,{row[1]},{row[3]},{row[2]},"red, or {i}x",{split},{person}')
    (tmp_path / "table.csv").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    table = read_table(tmp_path)
    assert table.names == ("Hat", "Hair Colour", "Smiling") and table.left_out == ("note",)
    assert np.array_equal(table.values, values[:, [1, 3, 2]])
    assert table.split.tolist() == [0] * 4 + [1] * 4 + [2] * 4 and table.split_by == "column split"
    assert table.identity.tolist() == [i // 2 for i in range(12)]
    assert table.folder == tmp_path / "images"
    minus = read_table(tmp_path / "table.csv")
    assert minus.fingerprint == table.fingerprint
    text = (tmp_path / "table.csv").read_text(encoding="utf-8-sig").replace(",0", ",-1")
    (tmp_path / "table.csv").write_text(text)
    assert read_table(tmp_path).fingerprint == table.fingerprint  # 0 and -1 say the same


def test_a_blank_identity_is_unknown(tmp_path):
    """Blank cells are no person: they are split by their file names, and are in no pair."""
    lines = ["image,Hat,Smiling,identity"]
    for i in range(60):
        picture(np.array([i % 2, i // 2 % 2]), i).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,{i % 2},{i // 2 % 2},{'' if i < 40 else f'p{i // 4}'}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    table = read_table(tmp_path)
    assert table.split_by == "identity"
    assert table.identity.tolist() == [-1] * 40 + [i // 4 - 10 for i in range(40, 60)]
    (tmp_path / "nameless.csv").write_text("\n".join(line.rsplit(",", 1)[0] for line in lines))
    by_name = read_table(tmp_path / "nameless.csv")
    assert np.array_equal(table.split[:40], by_name.split[:40])
    assert set(by_name.split[:40]) == {0, 1, 2}
    for number, finder in enumerate(finders(table, [0, 1], same_identity=True)):
        known = (table.split == number) & (table.identity >= 0)
        assert sorted(finder.pictures.tolist()) == np.flatnonzero(known).tolist()
        assert finder.count(0) == known.sum() // 2
    told = check(tmp_path / "table.csv")
    assert any(note.endswith("; 5 identities") for note in told.notes), told.notes
    blank = [f"{line.rsplit(',', 1)[0]}," for line in lines[1:]]
    (tmp_path / "table.csv").write_text("\n".join([lines[0], *blank]))
    none = read_table(tmp_path / "table.csv")
    assert (none.identity, none.split_by) == (None, "file name")
    assert np.array_equal(none.split, by_name.split)


def test_mirrors_hold_celeba_as_csv(tmp_path):
    values = table_of(9)
    celeba(tmp_path, values)
    (tmp_path / "list_attr_celeba.txt").unlink()
    lines = ["image_id," + ",".join(NAMES)]
    lines += [
        f"{i + 1:06d}.jpg,{','.join(WORDS[v].strip() for v in r)}" for i, r in enumerate(values)
    ]
    (tmp_path / "list_attr_celeba.csv").write_text("\n".join(lines))
    told = "image_id,partition\n" + "".join(f"{i + 1:06d}.jpg,{i % 3}\n" for i in range(9))
    (tmp_path / "list_eval_partition.csv").write_text(told)
    table = read_table(tmp_path)
    assert np.array_equal(table.values, values)
    assert table.split.tolist() == [0, 1, 2] * 3 and table.split_by == "list_eval_partition.csv"


def test_without_a_partition_the_split_is_a_fixed_hash_and_identities_stay_on_one_side(tmp_path):
    rng = np.random.default_rng(0)
    values = table_of(600)
    celeba(tmp_path, values[:1])
    (tmp_path / "img_align_celeba" / "000001.jpg").unlink()
    files = [f"{i + 1:06d}.jpg" for i in range(600)]
    for name in files:
        (tmp_path / "img_align_celeba" / name).touch()  # tables are read without the pictures
    rows = [f"{n} {' '.join(WORDS[v] for v in r)}" for n, r in zip(files, values, strict=True)]
    (tmp_path / "list_attr_celeba.txt").write_text("\n".join(["600", " ".join(NAMES), *rows]))
    by_name = read_table(tmp_path)
    assert by_name.split_by == "file name"
    assert np.abs(np.bincount(by_name.split) / 600 - [0.7, 0.15, 0.15]).max() < 0.05
    # a changed hash would mix old training pictures into new test sets
    assert "".join(map(str, by_name.split[:12])) == "000101020000"

    people = rng.integers(0, 60, 600)
    told = "".join(f"{n} {p}\n" for n, p in zip(files, people, strict=True))
    (tmp_path / "identity_CelebA.txt").write_text(told)
    table = read_table(tmp_path)
    assert table.split_by == "identity" and len(set(table.split)) == 3
    for person in range(60):
        assert len(set(table.split[people == person])) == 1
    assert [len(set(people[table.identity == i])) for i in range(60)] == [1] * 60


# --- pairs ---------------------------------------------------------------------------------------


def slow_pairs(values: np.ndarray, groups: np.ndarray | None = None) -> set[tuple[int, int, int]]:
    """Every (off, on, attribute), by comparing every picture with every other."""
    found = set()
    for i, one in enumerate(values):
        for j, other in enumerate(values):
            differ = np.flatnonzero(one != other)
            same = groups is None or groups[i] == groups[j]
            if same and len(differ) == 1 and one[differ[0]] == 0:
                found.add((i, j, int(differ[0])))
    return found


@pytest.mark.parametrize("grouped", [False, True])
def test_the_pairs_found_are_all_there_are_and_no_others(grouped):
    rng = np.random.default_rng(3)
    values = (rng.random((60, 4)) < 0.5).astype(np.uint8)
    groups = rng.integers(0, 4, 60) if grouped else None
    numbers = rng.permutation(1000)[:60]
    finder = FoundPairs(numbers, values, groups)
    every = slow_pairs(values, groups)
    for factor in range(4):
        true = {(int(numbers[i]), int(numbers[j])) for i, j, f in every if f == factor}
        assert finder.count(factor) == len(true) > 10
        drawn = finder.draw(factor, 4000, np.random.default_rng(0))
        assert {tuple(pair) for pair in drawn.tolist()} == true


def test_one_end_is_every_picture_with_a_partner_equally_often():
    values = np.array([[0]] * 2 + [[1]] * 8, dtype=np.uint8)
    drawn = FoundPairs(np.arange(10), values).draw(0, 20_000, np.random.default_rng(0))
    assert np.allclose(np.bincount(drawn[:, 1], minlength=10)[2:] / 20_000, 1 / 8, atol=0.01)
    assert np.allclose(np.bincount(drawn[:, 0]) / 20_000, 1 / 2, atol=0.02)


def test_the_nearest_of_all_candidates_is_taken():
    rng = np.random.default_rng(1)
    values = (rng.random((40, 2)) < 0.5).astype(np.uint8)
    place = rng.random(40)
    finder = FoundPairs(np.arange(40), values)

    def distance(one, others):
        return np.abs(place[one][:, None] - place[others])

    near = FoundPairs(np.arange(40), values, candidates=40, distance=distance)
    drawn = near.draw(0, 300, np.random.default_rng(2))
    for off, on in drawn.tolist():  # one of the two ends was drawn; the other is its nearest
        others = [np.flatnonzero((values == values[end] ^ [1, 0]).all(axis=1)) for end in (off, on)]
        nearest = [
            o[np.abs(place[o] - place[e]).argmin()] for o, e in zip(others, (off, on), strict=True)
        ]
        assert on == nearest[0] or off == nearest[1]
    near = FoundPairs(np.arange(40), values, candidates=3, distance=distance)
    loose = near.draw(0, 300, np.random.default_rng(2))
    free = finder.draw(0, 300, np.random.default_rng(2))
    gaps = [np.abs(place[d[:, 0]] - place[d[:, 1]]).mean() for d in (drawn, loose, free)]
    assert gaps[0] < gaps[1] < gaps[2]


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_transitions_are_pairs_of_one_split_that_differ_in_the_one_attribute(world, split):
    space = world.factors
    pairs, actions = space.sample_pairs(400, split, np.random.default_rng(0))
    assert pairs.shape == (400, 2, 5) and actions.shape == (400,)
    x, y = pairs[:, 0, :-1], pairs[:, 1, :-1]
    rows, factor = np.arange(400), actions % 4
    assert ((x != y).sum(axis=1) == 1).all()
    assert np.array_equal(y[rows, factor] - x[rows, factor], np.where(actions < 4, 1, -1))
    assert np.array_equal(space.apply(x, actions), y)
    assert set(space.split_of_rows(pairs.reshape(-1, 5))) == {
        ("train", "valid", "test").index(split)
    }
    assert np.bincount(factor).tolist() == [100] * 4
    assert np.abs(np.bincount(actions, minlength=8) - 50).max() < 30  # both directions
    again, same = space.sample_pairs(400, split, np.random.default_rng(0))
    assert np.array_equal(again, pairs) and np.array_equal(same, actions)
    assert not np.array_equal(space.sample_pairs(400, split, np.random.default_rng(1))[0], pairs)


def test_the_rest_of_the_chain_draws_them_through_the_factors(world):
    space = world.factors
    drawn = sample_transitions(space, 60, "test", seed=3)
    assert drawn.x.shape == (60, 5) and set(split_of(space, drawn.y)) == {2}
    assert np.array_equal(sample_transitions(space, 60, "test", seed=3).y, drawn.y)
    back = drawn.reversed(space)
    assert np.array_equal(space.apply(back.x[:, :-1], back.actions), back.y[:, :-1])
    assert (changed_pixels(world, drawn) > 0).all()
    assert set(invisible_share(world, 40)) == set(space.names)
    skewed = Sampling(factors={"Hat": 5.0, "Young": 0.0})
    actions = sample_transitions(space, 70, sampling=skewed).actions
    assert np.bincount(actions % 4, minlength=4).tolist() == [10, 50, 10, 0]
    values = sample_values(space, 30, "valid", seed=1)
    assert values.shape == (30, 5) and set(split_of(space, values)) == {1}
    assert np.array_equal(values, sample_values(space, 30, "valid", seed=1))
    for sample in (sample_values, sample_transitions):
        with pytest.raises(ValueError, match="they have: expected a sampling of factors only"):
            sample(space, 5, sampling=Sampling(values="zipf:1"))
        with pytest.raises(ValueError, match="n: expected 0 or more, found -1"):
            sample(space, -1)


def test_weights_say_how_often_an_attribute_comes(world):
    space = world.factors
    _, actions = space.sample_pairs(90, "train", np.random.default_rng(0), weights=[1, 0, 6, 2])
    assert np.bincount(actions % 4, minlength=4).tolist() == [10, 0, 60, 20]
    counts = space.pair_counts("train")
    _, actions = space.sample_pairs(500, "train", np.random.default_rng(0), weights=counts)
    assert np.abs(np.bincount(actions % 4) - 500 * counts / counts.sum()).max() < 1
    for wrong in ([1, 2], [1, -1, 1, 1], [0, 0, 0, 0], [np.nan] * 4, [np.inf, 1, 1, 1]):
        with pytest.raises(ValueError, match="weights: expected 4 of 0 or more, found"):
            space.sample_pairs(5, "train", np.random.default_rng(0), wrong)
    assert space.sample_pairs(0, "train", np.random.default_rng(0))[0].shape == (0, 2, 5)


def test_what_else_differs_is_counted(folder):
    """Tall goes with Hat: whoever puts a hat on one person and takes another's photo changes it."""
    some = faces_world(folder, attributes=("Hat", "Smiling", "Young"), nearest="none").factors
    report = pair_report(some, "train", 3000)
    hat, smile, _ = report.others
    assert (report.n_others, report.names) == (2, ("Hat", "Smiling", "Young"))
    assert hat > smile + 0.2
    pairs, _ = some.sample_pairs(500, "train", np.random.default_rng(4))
    values = table_of(240)[pairs[:, :, -1]]
    slow = [sum(a[c] != b[c] for c in (0, 4)) for a, b in values]
    assert np.array_equal(some.others_differ(pairs), slow)
    near = pair_report(faces_world(folder, attributes=("Hat", "Smiling", "Young")).factors)
    assert near.others.mean() < report.others.mean() and near.atomic.mean() > report.atomic.mean()
    assert "of the 2 others" in str(report) and f"{report.others.mean():.2f}" in str(report)
    assert len(str(report).splitlines()) == 5
    with pytest.raises(ValueError, match="n of at least 3, one per attribute, found 2"):
        pair_report(some, n=2)


def test_the_nearest_in_pixels_is_nearer_in_pixels(folder):
    def gap(world: PictureWorld) -> float:
        pairs, _ = world.factors.sample_pairs(200, "train", np.random.default_rng(0))
        x, y = (world.render(pairs[:, end]).astype(float) for end in (0, 1))
        return float(((x - y) ** 2).mean())

    near, free = (
        faces_world(folder, attributes=NAMES[:4], nearest=nearest) for nearest in ("pixels", "none")
    )
    assert gap(near) < 0.9 * gap(free)


def test_rare_attributes_are_left_out_with_a_reason_or_refused_by_name(tmp_path):
    values = table_of(90)
    values[:, 3:] = 0
    values[5, 3] = 1  # one picture of train
    celeba(tmp_path, values, split_evenly(90))
    world = faces_world(tmp_path)
    assert set(world.left_out) == {"Young"}
    assert "in valid 0 of 30 pictures have it" in world.left_out["Young"]
    assert world.factors.names == ("_5_o_Clock", "Hat", "Smiling")
    assert world.attributes == ("5_o_Clock", "Hat", "Smiling")
    with pytest.raises(
        ValueError, match="no pair for attribute 'Young': in valid 0 of 30 pictures"
    ):
        faces_world(tmp_path, attributes=["Hat", "Young"])


def test_of_two_attributes_that_go_together_one_stays(folder):
    """Neither has a pair while the other must agree; without one of them there are many."""
    values = np.array([[0, 0, 1]] * 130 + [[1, 1, 0]] * 80 + [[1, 0, 0]] * 30, dtype=np.uint8)
    values = values[np.random.default_rng(0).permutation(240)]
    table = other_values(read_table(folder), values, ("dark", "smiling", "bright"))
    columns, left_out = choose(table, None)
    assert len(columns) == 2 and 1 in columns
    assert len(left_out) == 1 and "smiling" not in left_out


def test_at_most_the_ten_most_even_attributes_are_chosen(folder):
    rng = np.random.default_rng(0)
    chances = np.linspace(0.5, 0.94, 12)
    wide = (rng.random((4000, 12)) < chances).astype(np.uint8)
    table = other_values(read_table(folder), wide, tuple(f"a{i}" for i in range(12)))
    columns, left_out = choose(replace_fields(table, split=np.zeros(4000, dtype=np.uint8)), None)
    assert columns == list(range(10)) and set(left_out) == {"a10", "a11"}
    assert all("not among the 10" in why and "--factors" in why for why in left_out.values())


def test_known_pairs_are_taken_from_the_list(folder, tmp_path):
    table = read_table(folder)
    every = slow_pairs(table.values)
    same = [p for p in sorted(every) if table.split[p[0]] == table.split[p[1]]]
    assert len(same) > 50
    lines = ["image_off,image_on,attribute,why"]
    lines += [f"{table.files[i]},{table.files[j]},{NAMES[f]},x" for i, j, f in same]
    listed = tmp_path / "pairs.csv"
    listed.write_text("\n".join(lines))
    found = read_known_pairs(listed, table)
    assert [tuple(row) for row in found.tolist()] == same
    for split, finder in enumerate(finders(table, [2, 0], found)):
        true = {(i, j) for i, j, f in same if f == 2 and table.split[i] == split}
        assert finder.count(0) == len(true)
        drawn = finder.draw(0, 2000, np.random.default_rng(0))
        assert {tuple(pair) for pair in drawn.tolist()} == true


# --- the world -----------------------------------------------------------------------------------


def test_rows_name_their_picture(world, folder):
    space = world.factors
    rows = space.sample_rows(50, "test", np.random.default_rng(0))
    assert rows.shape == (50, 5) and (space.split_of_rows(rows) == 2).all()
    assert len(set(rows[:, -1].tolist())) > 25
    images = world.render(rows)
    assert images.shape == (50, 64, 64, 3) and images.dtype == np.uint8
    for row, image in zip(rows, images, strict=True):
        path = folder / "img_align_celeba" / f"{row[-1] + 1:06d}.png"
        assert np.array_equal(image, square(np.array(Image.open(path)), 64))
    assert np.array_equal(world.render(rows[[3, 3, 0]]), images[[3, 3, 0]])
    assert world.render(rows[:0]).shape == (0, 64, 64, 3)


def test_values_without_a_number_show_the_first_picture_with_them(world):
    values = table_of(240)[:, :4]
    start = world.start_values
    same = (values == start).all(axis=1)
    assert same.sum() == max((values == row).all(axis=1).sum() for row in values)
    row = [*start, int(np.flatnonzero(same)[0])]
    assert np.array_equal(world.render(np.array([start])), world.render(np.array([row])))


def test_a_combination_without_a_picture_is_told(tmp_path):
    values = np.array([[0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 0]] * 3)
    celeba(tmp_path, values, np.repeat([0, 1, 2], 3))
    world = faces_world(tmp_path, attributes=["Hat", "5_o_Clock"])
    with pytest.raises(ValueError, match="exactly Hat, _5_o_Clock: 3 of 4 combinations have one"):
        world.render(np.array([[1, 1]]))


def test_options_make_the_world_again(world, folder, monkeypatch):
    again = faces_world(**world.options)
    assert again == world and again.fingerprint == world.fingerprint
    assert again.options == world.options
    other = faces_world(folder, attributes=["Hat"], nearest="pixels", candidates=4, crop=40)
    assert faces_world(**other.options) == other != world
    monkeypatch.setenv("CVQ_DATA", str(folder.parent))
    assert faces_world(folder.name, attributes=NAMES[:4]) == world
    monkeypatch.setenv("CVQ_DATA", str(folder))
    unnamed = faces_world(attributes=NAMES[:4])
    assert "root" not in unnamed.options and unnamed.data.fingerprint == world.fingerprint
    moved = pickle.loads(pickle.dumps(world))
    rows = world.factors.rows(np.arange(5))
    assert moved == world and np.array_equal(moved.render(rows), world.render(rows))


def test_pictures_are_decoded_when_asked_for_and_few_are_kept(folder):
    table = read_table(folder)
    pictures = Pictures(table.folder, table.files, 64, kept=10 * 64 * 64 * 3)
    pictures.get(np.arange(3))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for start in range(0, 240, 20):
        pictures.get(np.arange(start, start + 20))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 14 * 64 * 64 * 3 and len(pictures._kept) == 10
    assert len(pickle.dumps(pictures)) < 50_000
    (one,) = pictures.get(np.array([239]))
    assert np.array_equal(one, square(decode(table.folder / table.files[239]), 64))


def test_found_pairs_of_the_drawn_faces_are_the_known_ones(real):
    """Within an identity the pictures that differ in one of all attributes are the list's pairs."""
    assert (
        real.fingerprint == STAND_IN and real.n_images == 4000 and real.options["pairs"] == "known"
    )
    assert "Draftbit" in real.credit and real.factors.n_factors == 23
    assert "_5_o_Clock_Shadow" in real.factors.names and real.left_out == {}
    found = faces_world(
        real.data.source.parent, attributes=real.attributes, pairs="found", same_identity=True
    )
    for split in ("train", "valid", "test"):
        assert np.array_equal(real.factors.pair_counts(split), found.factors.pair_counts(split))
    assert sum(real.factors.pair_counts(s).sum() for s in ("train", "valid", "test")) == 6000
    assert pair_report(real.factors, "test", 460).atomic.min() == 1
    pairs, _ = real.factors.sample_pairs(60, "test", np.random.default_rng(0))
    x, y = (real.render(pairs[:, end]) for end in (0, 1))
    assert x.shape == (60, 64, 64, 3) and (x != y).any(axis=(1, 2, 3)).all()
    people = real.data.identity[pairs[:, :, -1]]
    assert (people[:, 0] == people[:, 1]).all()


def test_ten_attributes_of_the_drawn_faces_are_not_atomic(real):
    """What the released code calls one action, counted; the nearest partner is nearer."""
    root = real.data.source.parent
    free = pair_report(faces_world(root, pairs="found", nearest="none").factors)
    near = pair_report(faces_world(root, pairs="found").factors)
    assert free.n_others == 30 and 1.2 < free.others.mean() < 1.6 and free.atomic.mean() < 0.3
    assert near.others.mean() < 0.5 and near.atomic.mean() > 0.6


# --- pictures ------------------------------------------------------------------------------------


def slow_shrink(image: np.ndarray, side: int) -> np.ndarray:
    """Each new pixel as the mean of 1/side parts of the old ones that it covers."""
    length = len(image)
    fine = image.repeat(side, axis=0).repeat(side, axis=1).astype(float)
    return fine.reshape(side, length, side, length, 3).mean(axis=(1, 3))


@pytest.mark.parametrize("length", [8, 13, 21, 32, 5])
def test_pictures_are_shrunk_by_area(length):
    image = np.random.default_rng(length).integers(0, 256, (length, length, 3)).astype(np.uint8)
    assert np.abs(square(image, 8).astype(float) - slow_shrink(image, 8)).max() <= 0.501
    assert np.allclose(area_weights(length, 8).sum(axis=1), 1)


def test_the_central_square_is_taken():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    assert np.array_equal(square(image, 20), image[:, 5:25])
    assert np.array_equal(square(image.swapaxes(0, 1), 20), image.swapaxes(0, 1)[5:25])
    assert np.array_equal(square(image, 12, crop=12), image[4:16, 9:21])
    assert np.array_equal(square(image, 20, crop=500), image[:, 5:25])


def test_what_can_be_shown_truly_is_converted(tmp_path):
    rgb = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8))
    grey, opaque = rgb.convert("L"), rgb.convert("RGBA")
    for name, image in (
        ("rgb", rgb),
        ("grey", grey),
        ("opaque", opaque),
        ("two", rgb.convert("1")),
    ):
        image.save(tmp_path / f"{name}.png")
        assert np.array_equal(decode(tmp_path / f"{name}.png"), np.array(image.convert("RGB")))
    few = rgb.convert("P", palette=Image.Palette.ADAPTIVE, colors=6)
    few.save(tmp_path / "few.png")
    assert np.array_equal(decode(tmp_path / "few.png"), np.array(few.convert("RGB")))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    rgb.save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(decode(tmp_path / "turned.png"), np.rot90(np.array(rgb), -1))


def damaged(folder: Path) -> dict[str, str]:
    """Files that are no good pictures, and a part of the line that says why."""
    rgb = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8))
    buffer = io.BytesIO()
    rgb.save(buffer, "jpeg")
    data = buffer.getvalue()
    (folder / "half.jpg").write_bytes(data[: len(data) // 2])
    (folder / "head.jpg").write_bytes(data[:20])
    (folder / "page.jpg").write_text("<!DOCTYPE html><html>not found</html>")
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("hello")
    (folder / "noise.jpg").write_bytes(bytes(range(0, 200)))
    see = np.array(rgb.convert("RGBA"))
    see[3, 3, 3] = 128
    Image.fromarray(see).save(folder / "see.png")
    rgb.convert("CMYK").save(folder / "print.jpg")
    deep = np.random.default_rng(0).integers(0, 60_000, (9, 9)).astype(np.uint16)
    Image.fromarray(deep).save(folder / "deep.png")
    return {
        "half.jpg": "a damaged JPEG: ",
        "head.jpg": "a damaged JPEG: ",
        "page.jpg": "expected a picture, found a web page",
        "empty.jpg": "expected a picture, found an empty file",
        "text.jpg": "expected a picture, found text",
        "noise.jpg": "expected a picture, found unknown",
        "see.png": "expected RGB, found RGBA with see-through parts",
        "print.jpg": "expected RGB or grey of 8 bits, found mode CMYK",
        "deep.png": "expected RGB or grey of 8 bits, found ",
        "gone.jpg": "expected a picture, found No such file",
    }


def test_what_is_no_good_picture_is_refused_in_one_line(tmp_path):
    for name, words in damaged(tmp_path).items():
        with pytest.raises(ValueError) as error:
            decode(tmp_path / name)
        assert str(error.value).startswith(f"{tmp_path / name}: {words}"), error.value
        assert "\n" not in str(error.value)
    assert kind_of(tmp_path / "half.jpg") == "JPEG"


# --- what is refused -----------------------------------------------------------------------------

LIST = "list_attr_celeba.txt"
SIX = table_of(6)
SIX[:, 0], SIX[0, 2] = [1, 0, 1, 0, 1, 0], 0  # what the bad lists below are made from


def test_a_picture_with_a_strange_value_is_told_and_left_out(tmp_path):
    folder, told = celeba(tmp_path / "faces", SIX), []
    replace(folder / LIST, "000002.jpg -1", "000002.jpg 2")
    table = read_table(folder, told.append)
    assert [line.partition(": ")[2] for line in told] == [
        "5_o_Clock: expected 1 or -1 (or 0), found '2'"
    ]
    assert table.files == tuple(f"{i:06d}.jpg" for i in (1, 3, 4, 5, 6))
    assert np.array_equal(table.values, np.delete(SIX, 1, axis=0))


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (LIST, "6\n", "7\n", "line 1: says 7 pictures, found 6 lines of them"),
        (LIST, "6\n", "six\n", "line 1: expected the number of pictures, found 'six'"),
        (LIST, "6\n5", "<!DOCTYPE html><html>", ": expected a text file, found a web page"),
        (LIST, "Hat", "Smiling", "line 2: expected distinct attribute names, "
         "found 'Smiling' twice"),
        (LIST, "000002.jpg -1", "000002.jpg",
         "line 4: expected a name and 5 values, found 4 values"),
        (LIST, "000002.jpg -1", "000002.jpg 2",
         "line 4: 5_o_Clock: expected 1 or -1 (or 0), found '2'"),
        (LIST, "000002.jpg -1", "000002.jpg 0", ": expected -1 and 1, or 0 and 1, found both: "
         "5_o_Clock is 0 in line 4, Smiling is -1 in line 3"),
        (LIST, "000005.jpg", "000009.jpg", "line 7: 000009.jpg is not in FOLDER/img_align_celeba: "
         "missing='drop' (--missing drop) leaves such rows out"),
        (LIST, "000005.jpg", "000003.jpg", "line 7: 000003.jpg was already in line 5"),
        (LIST, "000005.jpg", "../a.jpg", "line 7: '../a.jpg' is no name inside a folder"),
        ("list_eval_partition.txt", "000002.jpg 0", "000002.jpg 5",
         ": 000002.jpg: expected one of train, valid, test, 0, 1, 2, val, validation, found '5'"),
        ("list_eval_partition.txt", "000002.jpg 0", "other.jpg 0",
         "line 2: other.jpg is not in the attribute table"),
        ("list_eval_partition.txt", "000002.jpg 0\n", "",
         ": 1 pictures are missing, the first is 000002.jpg"),
        ("list_eval_partition.txt", "000002.jpg 0", "000001.jpg 0",
         "line 2: 000001.jpg for the second time"),
        ("list_eval_partition.txt", "000002.jpg 0", "000002.jpg",
         "line 2: expected a name and a value, found 1 words"),
        ("identity_CelebA.txt", "000003.jpg 2", "000003.jpg 1",
         "list_eval_partition.txt: one identity in two splits: 000001.jpg is in train, "
         "000003.jpg in valid (1 of 3 identities): split='draw' (--split draw) splits by identity"),
    ],
)  # fmt: skip
def test_a_bad_list_is_refused_with_its_place(tmp_path, file, old, new, words):
    folder = celeba(tmp_path / "faces", SIX, np.array([0, 0, 1, 1, 2, 2]))
    people = "".join(f"{i + 1:06d}.jpg {i // 2 + 1}\n" for i in range(6))
    (folder / "identity_CelebA.txt").write_text(people)
    read_table(folder)  # all is well before
    replace(folder / file, old, new)
    with pytest.raises(ValueError) as error:
        read_table(folder)
    told = str(error.value).replace(str(folder), "FOLDER")
    where = "" if words.startswith("list_") else file
    space = "" if words.startswith((":", "list_")) else " "
    assert told == f"FOLDER/{where}{space}{words}" and "\n" not in told
    problems: list[str] = []  # whoever collects the lines hears of the same, and goes on
    try:
        assert len(read_table(folder, problems.append).files) >= 5
    except ValueError as fatal:
        problems.append(str(fatal))
    assert str(error.value) in problems


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ": expected a text file, found an empty file"),
        ("image\na.png\n", ": expected columns that say what the pictures show, found none"),
        ("image,Hat\n", ": expected a line per picture, found none that can be read"),
        ("image,Hat\na.png,1\nb.png,0,2\n", " line 3: expected 2 values, found 3"),
        ("image,Hat\na.png,1\na.png,0\n", " line 3: a.png was already in line 2"),
        ("image,Hat,Hat\na.png,1,0\n", " line 1: expected distinct attribute names, found 'Hat' "
         "twice"),
        ('image,Hat\na.png,"1\n', " line 2: no table: EOF inside string"),
        ("image,Hat,split\na.png,1,train\nb.png,1,tset\n", ": b.png: expected one of train, valid, "
         "test, 0, 1, 2, val, validation, found 'tset'"),
        ("image,Hat\na.png,1\n/b.png,1\n", " line 3: '/b.png' is no name inside a folder"),
    ],
)  # fmt: skip
def test_a_bad_csv_is_refused_with_its_place(tmp_path, text, words):
    for name in ("a.png", "b.png"):
        picture(SIX[0], 0).save(tmp_path / name)
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError) as error:
        read_table(tmp_path)
    assert str(error.value) == f"{tmp_path / 't.csv'}{words}"


def test_what_is_not_there_is_told(tmp_path, monkeypatch):
    with pytest.raises(
        FileNotFoundError, match=r"no table of pictures in .*: expected list_attr_cel"
    ):
        read_table(tmp_path)
    monkeypatch.setenv("CVQ_DATA", str(tmp_path))
    with pytest.raises(
        FileNotFoundError, match="its folders celeba_style, celeba, CelebA: set CVQ"
    ):
        faces_world()
    with pytest.raises(FileNotFoundError, match="no folder of pictures at "):
        faces_world("nowhere")
    (tmp_path / "t.csv").write_text("image,Hat\na.png,1\n")
    with pytest.raises(FileNotFoundError, match=r"its first pictures \(a.png ...\) are not in"):
        read_table(tmp_path)
    (tmp_path / "u.csv").write_text("image,Hat\na.png,1\n")
    with pytest.raises(ValueError, match=r"expected one table, found 2 \(t.csv, u.csv\): name one"):
        read_table(tmp_path)
    (tmp_path / "t.csv").write_bytes(b"image,Hat\n\xff\xfe,1\n")
    with pytest.raises(
        ValueError, match=r"t.csv: expected UTF-8 \(or UTF-16\) text, found byte 10 "
    ):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("000001.png,nobody.png,Hat,x", "picture nobody.png is not in list_attr_celeba.txt"),
        ("000001.png,000002.png,Beard,x", "attribute 'Beard' is not in list_attr_celeba.txt"),
        ("000001.png,000002.png", "expected 4 values, found 2"),
        (
            "000001.png,000001.png,Hat,x",
            "expected Hat off in 000001.png and on in 000001.png, found",
        ),
    ],
)
def test_a_bad_list_of_pairs_is_refused_with_its_place(folder, tmp_path, line, words):
    table, path = read_table(folder), tmp_path / "pairs.csv"
    path.write_text(f"image_off,image_on,attribute,why\n{line}\n")
    with pytest.raises(ValueError) as error:
        read_known_pairs(path, table)
    assert str(error.value).startswith(f"{path} line 2: {words}")
    with pytest.raises(ValueError, match="expected a line per pair, found none that can be used"):
        read_known_pairs(path, table, problem=lambda text: None)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(
        ValueError, match="line 1: expected image_off, image_on, attribute, found a, b"
    ):
        read_known_pairs(path, table)


def test_a_pair_across_splits_is_refused(folder, tmp_path):
    table, path = read_table(folder), tmp_path / "pairs.csv"
    off = next(i for i in range(80) if table.values[i, 1] == 0)
    on = next(i for i in range(160, 240) if table.values[i, 1] == 1)
    path.write_text(f"image_off,image_on,attribute\n{table.files[off]},{table.files[on]},Hat\n")
    with pytest.raises(ValueError, match="are in two splits"):
        read_known_pairs(path, table)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"attributes": ["Smilling"]}, "unknown attribute 'Smilling'; did you mean 'Smiling'?"),
        ({"attributes": ["Hat", "Hat"]}, "expected each once, found 'Hat' twice"),
        ({"pairs": "all"}, "unknown kind of pairs 'all'"),
        ({"pairs": "known"}, "pairs='known' needs the list .*one_attribute_pairs.csv"),
        ({"nearest": "pixel"}, "unknown nearest 'pixel'; did you mean 'pixels'?"),
        ({"candidates": 0}, "candidates: expected an integer of 1 or more, found 0"),
        ({"candidates": True}, "candidates: expected an integer of 1 or more, found True"),
        ({"crop": 4}, "crop: expected an integer of 8 or more, found 4"),
        ({"same_identity": True}, "same_identity needs identities, found none"),
        ({"table": "0123"}, "expected a table with hash 0123, found "),
    ],
)
def test_wrong_options_are_refused(folder, options, words):
    with pytest.raises(ValueError, match=words.replace("?", r"\?")):
        faces_world(folder, **options)


def test_attributes_are_a_list_of_names(folder):
    with pytest.raises(TypeError, match="attributes: expected a list of names, found 'Hat'"):
        faces_world(folder, attributes="Hat")


def test_rows_that_are_none_are_refused(world):
    good = world.factors.rows(np.arange(3))
    flipped = good.copy()
    flipped[1, 0] = 1 - flipped[1, 0]
    with pytest.raises(ValueError, match=r"000002\.png has other attributes than the values in r"):
        world.render(flipped)
    good[2, -1] = 240
    with pytest.raises(ValueError, match=r"number of a picture in 0\.\.239, found 240 in row 2"):
        world.render(good)
    with pytest.raises(ValueError, match=r"expected shape \(B, 5\), .* found \(3, 7\)"):
        world.render(np.zeros((3, 7), dtype=int))
    with pytest.raises(TypeError, match="expected integers, found float64"):
        world.render(good.astype(float))
    with pytest.raises(ValueError, match="unknown split 'tset'; did you mean 'test'"):
        world.factors.sample_rows(3, "tset", np.random.default_rng(0))


def test_an_empty_split_is_told(tmp_path):
    celeba(tmp_path, table_of(40), np.zeros(40, dtype=int))
    space = faces_world(tmp_path, attributes=["Hat", "Smiling"]).factors
    assert space.sample_pairs(10, "train", np.random.default_rng(0))[0].shape == (10, 2, 3)
    with pytest.raises(ValueError, match="split 'test' holds no picture of"):
        space.sample_rows(1, "test", np.random.default_rng(0))
    with pytest.raises(ValueError, match="split 'test' holds no transition of factor 'Hat'"):
        space.sample_pairs(4, "test", np.random.default_rng(0))


def test_names_become_identifiers():
    assert identifier("5_o_Clock_Shadow") == "_5_o_Clock_Shadow"
    assert identifier("Hair Colour (dark)") == "Hair_Colour__dark_"
    assert identifier("Smiling") == "Smiling"


def test_too_many_bits_are_refused():
    with pytest.raises(ValueError, match="at most 62 bits for attributes and identities, found 64"):
        FoundPairs(np.arange(2), np.zeros((2, 60), dtype=np.uint8), np.array([0, 9]))


def test_sequences_of_actions_need_a_picture_of_every_setting(world):
    for ask in (sequences.pairs_at, sequences.random_actions):
        with pytest.raises(ValueError, match="a picture of every setting, found 'faces'"):
            ask(world, 1, 1)


def test_a_table_without_a_split_is_refused_before_any_training(tmp_path):
    root = celeba(tmp_path / "faces", table_of(120), np.arange(120) % 2)  # no test pictures
    report = check(root)
    assert any("no picture in the split test: expected some in each" in p for p in report.problems)
    world = faces_world(root, attributes=NAMES[:2])
    with pytest.raises(ValueError, match="split 'test' holds no transition of factor"):
        training_data.check_data(world, get("nano", "faces"))


def test_the_lists_beside_a_table_are_no_tables(tmp_path):
    for name in ("one_attribute_pairs.csv", "list_eval_partition.csv", "mine.CSV"):
        (tmp_path / name).write_text("")
    assert find_table(tmp_path) == tmp_path / "mine.CSV"


def test_a_model_follows_its_pictures_to_another_place(tmp_path):
    values, split = table_of(60), split_evenly(60)
    root = celeba(tmp_path / "here", values, split, "png")
    recipe = get(
        "nano", codes=8, decoder_width=8, autoencoder_steps=2, autoencoder_batch=4, transitions=8,
        transition_steps=2, width=16,
    )  # fmt: skip
    world = faces_world(root, attributes=NAMES[:2])
    train(world, recipe, 0, tmp_path / "run", progress=False)
    root.rename(tmp_path / "there")
    moved = faces_world(tmp_path / "there", attributes=NAMES[:2])
    checkpoints.load(tmp_path / "run", moved)
    train(moved, recipe, 0, tmp_path / "run", progress=False)  # loaded, not refused
    other = faces_world(tmp_path / "there", attributes=NAMES[1:3])
    with pytest.raises(checkpoints.CheckpointError, match="a model of another world"):
        checkpoints.load(tmp_path / "run", other)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"BMW_320i.mat\n", "text"),
        (b"PKW,x\n1,2\n", "text"),
        (b"RIFFS,GIF8\n", "text"),
        (b"BM\x46\x00\x00\x00", "BMP"),
        (b"PK\x03\x04\x14\x00", "a zip"),
        (b"RIFF\x24\x00\x00\x00WEBP", "WebP"),
        (b"GIF89a\x01\x00", "GIF"),
    ],
)
def test_a_text_may_begin_as_a_picture_does(tmp_path, head, kind):
    (tmp_path / "file").write_bytes(head)
    assert kind_of(tmp_path / "file") == kind


def test_a_factor_may_be_named_by_every_character_of_an_identifier():
    assert [identifier(n) for n in ("x\u00b2", "\u00bd", "5 o", "gr\u00fcn")] == [
        "x_", "_", "_5_o", "gr\u00fcn",
    ]  # fmt: skip
    for name in ("x\u00b2", "\u00bd", ""):
        assert identifier(name).isidentifier()
