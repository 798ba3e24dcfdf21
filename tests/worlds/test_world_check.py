"""`cvq worlds check`: what it says of good and bad files and folders, and how it draws it."""

from __future__ import annotations

import shutil
from pathlib import Path

import benchmark_files as made
import h5py
import numpy as np
import pytest
from PIL import Image

from cvq_tutorial.common.folders import data_root
from cvq_tutorial.draw.worlds import TEXTS, world_card
from cvq_tutorial.run.cli import main
from cvq_tutorial.worlds.dsprites import DSprites
from cvq_tutorial.worlds.factors import Factor, FactorSpace
from cvq_tutorial.worlds.inspect import check as world_check
from cvq_tutorial.worlds.inspect.check import check_folder as check
from cvq_tutorial.worlds.inspect.check import report_of
from cvq_tutorial.worlds.inspect.report import LINES, FactorLine, WorldReport
from cvq_tutorial.worlds.sprites import stand_in_sheets

NAMES = ("Hat", "Smiling", "Ghost")  # a ghost is not seen


def good_folder(folder: Path, n: int = 48) -> Path:
    """n pictures of 70 x 90 pixels with a CSV; each shows its number, and two of its attributes."""
    (folder / "images").mkdir(parents=True)
    lines = ["image,Hat,Smiling,Ghost,note,split"]
    for i in range(n):
        hat, smile, ghost = i % 2, i // 2 % 2, i // 4 % 2
        image = np.zeros((90, 70, 3), dtype=np.uint8)
        image[20:30, 10:60] = (255 * hat, 40, 90)
        image[50:60, 10:60] = (60, 255 * smile, 90)
        image[:, :5] = 3 + i // 8  # the pictures of a cube differ by their attributes alone
        Image.fromarray(image).save(folder / "images" / f"{i}.png")
        split = ("train", "valid", "test")[3 * i // n]
        lines.append(f"images/{i}.png,{hat},{smile},{ghost},red,{split}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def sheets(tmp_path_factory) -> Path:
    return stand_in_sheets(tmp_path_factory.mktemp("sprites"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# --- good ones -----------------------------------------------------------------------------------


def test_a_good_folder_is_told_in_full(tmp_path):
    report = check(good_folder(tmp_path / "mine"))
    assert report.kind == "pictures with an attribute table" and report.n_images == 48
    assert report.images_are.startswith("70 wide x 90 high, values 0..255 (decoded 48 of 48)")
    assert "the central square is taken" in report.images_are
    assert report.combinations == (8, 8)
    hat, smiling, ghost = report.factors
    # 16 pictures a split, two of each combination: 4 settings of the others x 2 x 2 pairs
    assert hat == FactorLine("Hat", 2, "no, yes", 24, 3 * 4 * 4, hat.unseen)
    assert hat.unseen == smiling.unseen == 0 and 0 < ghost.unseen < 1
    assert "the same in every picture: note" in report.notes
    assert "splits by column split: train 16, valid 16, test 16" in report.notes
    assert report.images.shape == (24, 64, 64, 3) and report.images.dtype == np.uint8
    # the two cubes of a split hold copies, as Ghost is not seen
    assert any(
        note.startswith("24 copies, such as images/4.png of images/0.png") for note in report.notes
    )
    assert report.ok and report.problems == ()
    text = str(report)
    assert text.startswith("mine: pictures with an attribute table, 48 pictures, 3 factors: no pro")
    assert "combinations of values: 8 of 8 have a picture" in text
    command = f"cvq train pictures --root {tmp_path / 'mine'} --factors Hat,Smiling,Ghost"
    assert report.command == command and text.endswith(f"\nto train: {command}")
    assert "\nHat                     yes/no       no 24, yes 24\n" in text
    assert "\nnote                    constant     1 different\n" in text
    assert str(tmp_path) not in text.removesuffix(command)
    assert check(tmp_path / "mine") == report


def test_a_factor_that_no_edit_shows_is_a_problem(tmp_path):
    folder = good_folder(tmp_path / "mine", 24)
    for i in range(24):
        if i // 4 % 2:
            shutil.copy(folder / "images" / f"{i - 4}.png", folder / "images" / f"{i}.png")
    report = check(folder)
    assert report.factors[2].unseen == 1
    assert report.problems == ("mine: no edit of Ghost changes a pixel: it cannot be learned",)


def test_missing_combinations_are_counted(tmp_path):
    folder = good_folder(tmp_path / "mine")
    lines = (folder / "table.csv").read_text().splitlines()
    kept = [line for line in lines if "png,1,1," not in line]
    (folder / "table.csv").write_text("\n".join(kept))
    report = check(folder)
    assert report.combinations == (6, 8) and report.n_images == 36 and report.ok


def test_what_is_rare_or_constant_or_grey_or_small_is_noted(tmp_path):
    folder = good_folder(tmp_path / "mine")
    text = (folder / "table.csv").read_text().splitlines()
    text[0] += ",Crown,Nothing"
    text[1:] = [f"{line},{int(i == 3)},0" for i, line in enumerate(text[1:])]
    (folder / "table.csv").write_text("\n".join(text))
    with Image.open(folder / "images" / "9.png") as image:
        image.resize((30, 40)).convert("L").save(folder / "images" / "9.png")
    report = check(folder)
    told = "\n".join(report.notes)
    assert "the same in every picture: note, Nothing" in told
    assert "Crown is left out: in valid 0 of 16 pictures have it" in told
    assert "1 of 48 pictures are grey, and are taken as RGB" in told
    assert "1 pictures are smaller than 64 pixels and are enlarged" in told
    assert "and 1 other sizes" in report.images_are


def test_a_world_of_factors_is_told_in_full(sheets):
    report = check(sheets)
    assert report.kind == "sheets of the world sprites" and report.ok
    assert report.n_images == 3_402_000 and report.combinations == (3_402_000, 3_402_000)
    assert [f.name for f in report.factors][:3] == ["bottomwear", "topwear", "hair"]
    assert report.factors[7].values == "left .. right"
    eyes = next(f for f in report.factors if f.name == "eyes")
    assert eyes.size == 5 and eyes.rarest == 680_400 and eyes.edits == 2_721_600 and eyes.unseen > 0
    assert any(note.startswith("credit: ") for note in report.notes)


def test_the_known_pairs_of_the_drawn_faces_are_counted():
    if not (data_root() / "celeba_style").is_dir():
        pytest.skip("no celeba_style folder")
    report = check(data_root() / "celeba_style", look=40)
    assert report.ok and report.n_images == 4000 and len(report.factors) == 23
    assert sum(f.edits for f in report.factors) == 6000
    assert "6000 known pairs in one_attribute_pairs.csv" in report.notes
    assert any("train 3200, valid 400, test 400; 500 identities" in note for note in report.notes)


def write_bench(folder: Path, kind: str) -> Path:
    """The data of one benchmark, or a path in it."""
    if kind == "cars":
        return made.write_cars(folder)
    if kind == "norb":
        return made.write_norb(folder) / "smallnorb-5x46789x9x18x6x2x96x96-training-cat.mat.gz"
    folder.mkdir()
    if kind == "dsprites":
        made.write_dsprites(folder)
        return folder
    if kind == "renamed":
        return made.write_dsprites(folder).rename(folder / "mine.npz")
    return made.write_shapes3d(folder / "renamed.h5")


@pytest.mark.parametrize(
    ("kind", "title", "factors"),
    [
        ("cars", "Cars3D, for the world cars3d", "elevation azimuth object"),
        ("norb", "small NORB, for the world smallnorb", "category instance elevation azimuth lig"),
        ("dsprites", "dSprites, for the world dsprites_file", "shape scale orientation pos_x"),
        ("renamed", "dSprites, for the world dsprites_file", "shape scale orientation pos_x"),
        ("shapes3d", "3D Shapes, for the world shapes3d_file", "floor_hue wall_hue object_hue"),
    ],
)
def test_benchmark_files_are_known_by_name_or_content(tmp_path, monkeypatch, kind, title, factors):
    monkeypatch.setenv("CVQ_CACHE", str(tmp_path / "cache"))
    report = check(write_bench(tmp_path / kind, kind))
    assert report.kind == title
    assert " ".join(f.name for f in report.factors).startswith(factors)
    assert f"make_world('{title.split()[-1]}', ...) reads it" in report.notes
    if kind == "shapes3d":  # no picture of it was written
        (problem,) = report.problems
        assert problem.startswith("renamed.h5: 144 of 144 pictures are of one single colour, such")
    else:
        assert report.ok and report.images.shape[1:] == (64, 64, 3)


def test_large_files_that_must_be_unpacked_first_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("CVQ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(world_check, "_UNPACK", 0.0)
    folder = write_bench(tmp_path / "dsprites", "dsprites")
    report = check(folder)
    assert report.ok and report.images is None and not (tmp_path / "cache").exists()
    assert all(f.unseen is None for f in report.factors)
    assert any(note.startswith("its pictures were not looked at: to read") for note in report.notes)
    assert "unseen" in texts(world_card(report))


class Flat:
    """A world in which one factor does nothing, and half of the pictures are black."""

    name, credit, image_shape = "flat", "nobody", (8, 8, 3)
    factors = FactorSpace((Factor("light", 2), Factor("turn", 12, "cyclic"), Factor("none", 3)))

    def render(self, values):
        images = np.zeros((len(values), 8, 8, 3), dtype=np.uint8)
        images[np.arange(len(values)), values[:, 1] % 8] = 200 * values[:, :1, None]
        return images


def test_black_pictures_and_factors_without_effect_are_problems():
    problems: list[str] = []
    report = report_of(Flat(), Path("flat"), "a test", problems.append, np.random.default_rng(0))
    assert [f.unseen == 1 for f in report.factors] == [False, False, True]
    assert report.factors[1].values == "0 .. 11, and round"
    assert report.factors[1].edits == 2 * 3 * 11
    assert len(problems) == 2
    assert "pictures are of one single colour, such as that of values (0, " in problems[0]
    assert problems[1] == "flat: no edit of none changes a pixel: it cannot be learned"
    fine: list[str] = []
    report_of(DSprites(), Path("d"), "a test", fine.append, np.random.default_rng(0))
    assert fine == []


# --- bad ones ------------------------------------------------------------------------------------


def test_one_run_tells_every_problem_with_its_place(tmp_path):
    folder = good_folder(tmp_path / "mine")
    table = folder / "table.csv"
    edit(table, "images/3.png,1,1,0,red,train", "images/3.png,1,1,0,red,train,more")
    edit(table, "images/5.png,1", "images/5.png,x")
    edit(table, "images/7.png", "images/70.png")
    edit(table, "images/9.png", "images/8.png")
    edit(table, "images/11.png", "../11.png")
    edit(table, "images/13.png,1,0,1,red,train", "images/13.png,1,0,1,red,often")
    (folder / "images" / "14.png").write_text("<!doctype html><title>404</title>")
    data = (folder / "images" / "15.png").read_bytes()
    (folder / "images" / "15.png").write_bytes(data[: len(data) // 2])
    see = Image.open(folder / "images" / "16.png").convert("RGBA")
    see.putpixel((3, 3), (0, 0, 0, 7))
    see.save(folder / "images" / "17.png")
    shutil.copy(folder / "images" / "1.png", folder / "images" / "40.png")
    report = check(folder)
    assert len(report.problems) == 10, report.problems
    for start in (
        "table.csv line 5: expected 6 values, found 7",
        "table.csv: Hat: mixed: 3 different values; expected numbers, as in 43 rows, found 'x' in "
        "line 7: mend it, or kinds=",
        "table.csv line 9: images/70.png is not in mine",
        "table.csv line 11: images/8.png was already in line 10",
        "table.csv line 13: '../11.png' is no name inside a folder",
        "table.csv: images/13.png: expected one of train, ",
        "images/14.png: expected a picture, found a web page",
        "images/15.png: a damaged PNG: ",
        "images/17.png: expected RGB, found RGBA with see-through parts",
        "mine: copies in two splits: 1, such as images/1.png in train and images/40.png in test",
    ):
        assert sum(problem.startswith(start) for problem in report.problems) == 1, start
    assert not any("\n" in problem for problem in report.problems)
    assert report.factors and report.images is not None  # what is good was looked at all the same
    assert report.summary.endswith("2 factors: 10 problems")


def test_pictures_that_were_not_decoded_are_known_by_their_first_bytes(tmp_path):
    folder = good_folder(tmp_path / "mine")
    (folder / "images" / "20.png").write_text("<html>")
    (folder / "images" / "21.png").write_bytes(b"")
    report = check(folder, look=2)
    assert "images/20.png: expected a picture, found a web page" in report.problems
    assert "images/21.png: expected a picture, found an empty file" in report.problems
    assert "(decoded 2 of 48)" in report.images_are


def test_many_copies_of_one_fault_are_one_line_and_many_faults_are_cut_short(tmp_path):
    folder = good_folder(tmp_path / "mine", 96)
    for i in range(20, 90):
        (folder / "images" / f"{i}.png").unlink()
    [gone, *others] = check(folder).problems
    assert gone == (
        "table.csv line 22: images/20.png is not in mine (and 69 more like it): missing='drop' "
        "(--missing drop) leaves such rows out"
    )
    assert all(": copies in two splits: " in told for told in others)  # 26 are left, of few looks
    many = WorldReport(Path("x"), "a folder", problems=tuple(f"p{i}" for i in range(71)))
    told = [line for line in str(many).splitlines() if line.startswith("problem: ")]
    assert len(told) == LINES + 1 and told[-1] == f"problem: ... and {71 - LINES} more"
    assert f"x  ... and {71 - TEXTS} more" in texts(world_card(many))


@pytest.mark.parametrize(
    ("n", "words"), [(0, "no problem found"), (1, "1 problem"), (11, "11 problems")]
)
def test_problems_are_counted_in_words(n, words):
    report = WorldReport(Path("x"), "a folder", problems=tuple(f"p{i}" for i in range(n)))
    assert report.summary == f"x: a folder: {words}"


def test_a_path_without_a_folder_says_the_same(tmp_path, monkeypatch):
    folder = good_folder(tmp_path / "mine")
    edit(folder / "table.csv", "images/7.png", "images/70.png")
    told = check(folder).problems
    assert len(told) == 1 and told[0].startswith("table.csv line 9: images/70.png is not in mine: ")
    monkeypatch.chdir(folder)
    for path in (".", "table.csv", "./table.csv", "../mine"):
        assert check(path).problems == told
    assert str(check(".")).startswith("mine: pictures with an attribute table, ")
    (folder / "3dshapes.h5").write_text("<html>sign in</html>")
    (told_of_page,) = check("3dshapes.h5").problems
    assert told_of_page.startswith("3dshapes.h5: expected an HDF5 file, found a web page (what a")


def spoil(path: Path, sign: bytes, data: bytes, after: bool = False) -> None:
    """Overwrite the first place with this sign, or what follows it."""
    old = path.read_bytes()
    at = old.index(sign) + after * len(sign)
    path.write_bytes(old[:at] + data + old[at + len(data) :])


def files_that_are_no_world(folder: Path) -> dict[str, str]:
    """Each name, and a part of its problem."""
    folder.mkdir()
    (folder / "page.h5").write_text("<html>sign in</html>")
    (folder / "empty.npz").touch()
    (folder / "cut.npz").write_bytes(b"PK\x03\x04" + bytes(40))
    arrays = {"a": np.zeros((3, 4), dtype=">f4"), "b": np.asfortranarray(np.eye(2))}
    np.savez(folder / "arrays.npz", **arrays)
    np.savez(folder / "images.npz", images=np.zeros((3, 64, 64, 3), dtype=np.float32))
    (folder / "3dshapes.h5").write_text("<html>sign in</html>")
    (folder / "cars.tar.gz").write_bytes(b"\x1f\x8b" + bytes(30))
    np.savez(folder / "pickled.npz", meta=np.array({"a": 1}, dtype=object))
    (folder / "noise.bin").write_bytes(bytes(range(256)))
    Image.fromarray(np.zeros((4, 4, 3), dtype=np.uint8)).save(folder / "one.png")
    (folder / "list_attr_celeba.txt").write_text("<html>")
    (folder / "none.csv").write_text("image,Hat\n")
    noise = made.write_npz(folder / "noise.npz", a=made.pictures([1], (999,)))
    spoil(noise, b"a.npy", bytes(60), after=True)
    made.lock(made.write_npz(folder / "locked.npz", a=np.zeros(9)))
    with h5py.File(folder / "mine.h5", "w") as file:
        file["numbers"] = np.zeros(3)
    spoil(folder / "mine.h5", b"TREE", b"EERT")
    return {
        "noise.npz": "a damaged npz: ",
        "locked.npz": "a damaged npz: File ",
        "mine.h5": "expected an HDF5 file, found a damaged one: ",
        "page.h5": "no world reads this: a web page (what a server sends in place of",
        "empty.npz": "no world reads this: an empty file",
        "cut.npz": "a damaged npz: ",
        "arrays.npz": "no world reads this: a zip",
        "images.npz": "array 'images': expected pictures of uint8, found float32",
        "3dshapes.h5": "expected an HDF5 file, found a web page",
        "cars.tar.gz": "expected a tar, found ",
        "pickled.npz": "no world reads this: a zip",
        "noise.bin": "no world reads this: nothing known",
        "one.png": "no world reads this: one picture (PNG)",
        "list_attr_celeba.txt": "expected a text file, found a web page",
        "none.csv": "expected a line per picture, found none that can be read",
    }


def test_files_that_are_no_world_are_told_apart_and_nothing_is_unpickled(tmp_path):
    for name, words in files_that_are_no_world(tmp_path / "files").items():
        report = check(tmp_path / "files" / name)
        assert len(report.problems) == 1 and report.problems[0].startswith(f"{name}: {words}"), (
            report
        )
    arrays = check(tmp_path / "files" / "arrays.npz").notes
    assert arrays == ("array a: >f4 (3, 4)", "array b: float64 (2, 2), Fortran order")
    pickled = check(tmp_path / "files" / "pickled.npz").notes
    assert pickled == ("array meta: object (), pickled: not read",)


def test_folders_that_are_no_world_are_told_apart(tmp_path):
    (tmp_path / "a").mkdir()
    assert check(tmp_path / "a").problems == ("a: expected the data of a world, found nothing",)
    folder = good_folder(tmp_path / "b")
    report = check(folder / "images")
    assert report.kind == "pictures without a table" and report.images.shape == (24, 64, 64, 3)
    assert report.problems[0].startswith("images: 48 pictures, but no table that says what they")
    with pytest.raises(FileNotFoundError, match="nothing to check at "):
        check(tmp_path / "c")
    with pytest.raises(ValueError, match="look: expected 1 or more pictures, found 0"):
        check(folder, look=0)


def test_a_table_without_a_single_pair_is_a_problem(tmp_path):
    folder = good_folder(tmp_path / "mine", 6)
    (folder / "table.csv").write_text("image,A,B\nimages/0.png,0,1\nimages/1.png,0,1\n")
    report = check(folder)
    assert report.problems[0].startswith("table.csv: no picture in the split valid and in test")
    assert report.problems[1].startswith("table.csv: no two pictures differ in one attribute alone")
    assert report.factors == () and report.images is not None


# --- the command and the picture -----------------------------------------------------------------


def test_the_command_says_it_with_its_exit_code(tmp_path, capsys):
    folder = good_folder(tmp_path / "mine")
    assert main(["worlds", "check", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{check(folder)}\n" and err == ""
    (folder / "images" / "3.png").write_text("x")
    card = tmp_path / "card.png"
    assert main(["worlds", "check", str(folder), "--figure", str(card), "--look", "9"]) == 1
    out, err = capsys.readouterr()
    assert "problem: images/3.png: expected a picture, found text\n" in out and err == ""
    assert out.endswith(f"written: {card}\n")
    with Image.open(card) as picture:
        assert "3 factors: 1 problem; the first: images/3.png" in picture.info["Description"]
    assert main(["worlds", "check", str(tmp_path / "gone")]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert main(["worlds", "check", str(folder), "--figure", str(tmp_path / "card.gif")]) == 2
    assert "saved as .png or .svg" in capsys.readouterr().err


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text"))]


def test_the_card_shows_images_factors_and_problems(tmp_path):
    folder = good_folder(tmp_path / "mine")
    edit(folder / "table.csv", "images/7.png", "images/$x_7$.png")
    report = check(folder)
    figure = world_card(report)
    told = texts(figure)
    for text in ("Hat", "Ghost", "no, yes", "0%", "23"):
        assert text in told
    assert any(t.startswith("x  table.csv line 9: images/") for t in told)
    assert "combinations of values: 8 of 8 have a picture" in told
    (sheet,) = [
        image for axes in figure.findobj(lambda a: hasattr(a, "images")) for image in axes.images
    ]
    assert sheet.get_array()[:64, :64].shape == (64, 64, 3)
    assert np.allclose(sheet.get_array()[:64, :64], report.images[0] / 255)
    assert figure.summary.startswith(f"{report.summary}; the first: table.csv line 9: ")
    other = world_card(report, report.images[5:6])
    (sheet,) = [
        image for axes in other.findobj(lambda a: hasattr(a, "images")) for image in axes.images
    ]
    assert np.allclose(sheet.get_array(), report.images[5] / 255)


def test_a_card_is_drawn_of_little_and_of_much(tmp_path):
    empty = world_card(WorldReport(Path("x"), "a folder", problems=("x: nothing",)))
    assert (
        "x  x: nothing" in texts(empty)
        and empty.summary == "x: a folder: 1 problem; the first: x: nothing"
    )
    lines = tuple(FactorLine(f"f{i}", 3, "a, b, c", 5 * i, 10**i, i / 60) for i in range(60))
    many = WorldReport(
        Path("y"), "z", 9, "big", lines, (2, 3), tuple("n" * 300 for _ in range(20)),
        tuple(f"p{i}" for i in range(20)),
    )  # fmt: skip
    told = texts(world_card(many))
    assert "f39" in told and "f40" not in told and "... and 20 more" in told
    assert "x  p11" in told and "x  p12" not in told and "x  ... and 8 more" in told
    assert "1.0e7" in told and "100,000" in told


def test_a_card_of_something_else_is_refused():
    with pytest.raises(TypeError, match="expected a WorldReport of check"):
        world_card("mine")
    with pytest.raises(ValueError, match="images"):
        world_card(WorldReport(Path("x"), "a"), np.zeros((2, 3), dtype=np.uint8))
