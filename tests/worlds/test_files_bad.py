"""Benchmark files with something wrong: one line that names the file and the place, each time."""

from __future__ import annotations

import functools
import gzip
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import benchmark_files as made
import h5py
import numpy as np
import pytest

from cvq_tutorial.common.archives import Budget
from cvq_tutorial.worlds.files import cars3d
from cvq_tutorial.worlds.files.unpack import UnpackedRows
from cvq_tutorial.worlds.inspect.check import check_folder as check
from cvq_tutorial.worlds.make import make_world

# no time of day in the file: it would be part of the names of the tests
compress = functools.partial(gzip.compress, mtime=0)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path) -> Path:
    """A cache of the test's own; whatever goes wrong, nothing may be left in it."""
    monkeypatch.setenv("CVQ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CVQ_DATA", str(tmp_path / "nowhere"))
    return tmp_path / "cache" / "unpacked"


def refused(name: str, path: Path, message: str, read: bool = False, **options) -> None:
    """Making the world, or only reading of it, fails with one line that matches."""
    if read:
        world = make_world(name, path=path, **options)
    with pytest.raises(ValueError, match=message) as caught:
        if read:
            world.read([0])
        else:
            make_world(name, path=path, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(str(path))
    unpacked = path.parent / "cache" / "unpacked"
    assert not unpacked.exists() or list(unpacked.iterdir()) == []


def cut(path: Path, share: float = 0.5) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


# npz ---------------------------------------------------------------------------------------------


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(np.zeros((48, 64, 64, 3), np.uint8)))


def single(path: Path) -> None:
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))


def other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


def no_header(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': 1}     ")


def wrong_length(path: Path) -> None:
    good = made.write_npz(path.parent / "good.npz", images=np.zeros((48, 64, 64, 3), np.uint8))
    with zipfile.ZipFile(good) as archive:
        data = archive.read("images.npy")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", data[:-100])


def claims(shape: tuple[int, ...]) -> Callable[[Path], None]:
    """An npz whose header says another shape than there are numbers."""

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive, archive.open("images.npy", "w") as file:
            head = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, head)

    return write


def renamed(path: Path) -> None:
    made.write_npz(path, images=np.zeros(9))
    path.write_bytes(path.read_bytes().replace(b"images.npy", b"pages.npyx", 1))


def without_ending(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images", "hello")


def arrays(**changed) -> Callable[[Path], object]:
    return lambda path: made.write_npz(path, **changed)


NPZ = [
    (lambda p: p.write_bytes(made.WEB_PAGE), "expected an npz, found a web page"),
    (lambda p: p.write_bytes(b""), "expected an npz, found an empty file"),
    (pickled, "expected an npz, found a pickle"),
    (single, r"expected an npz, found a single array \(.npy\)"),
    (lambda p: p.write_bytes(bytes(99)), "expected an npz, found nothing known"),
    (
        lambda p: (made.write_npz(p, images=made.pictures(range(9), (64, 64, 3))), cut(p)),
        "expected an npz, found the start of one: the file is cut short",
    ),
    (arrays(image=np.zeros(1)), "unknown array 'images'; did you mean 'image'"),
    (other_zip, "unknown array 'images'"),
    (no_header, "array 'images' has no readable header"),
    (renamed, "array 'images' has no readable header: File name in directory 'images.npy' and h"),
    (
        lambda p: made.lock(made.write_npz(p, images=np.zeros(9))),
        "array 'images' has no readable header: File .*images.npy.* is encrypted",
    ),
    (without_ending, "unknown array 'images'"),
    (claims((10**6, 10**6)), r"expected 1000000000128 bytes for shape \(1000000, 1000000\), found"),
    (claims((2**32, 2**32)), r"expected 18446744073709551744 bytes for shape"),
    (wrong_length, r"'images': expected \d+ bytes for shape \(48, 64, 64, 3\), found \d+"),
    (
        arrays(images=np.array([{}] * 48, dtype=object)),
        r"'images' is pickled \(dtype object\), and nothing is unpickled here",
    ),
    (
        arrays(images=np.asfortranarray(made.pictures(range(48), (64, 64, 3)))),
        "'images' is in Fortran order, its rows are spread over the whole file",
    ),
    (
        arrays(images=np.zeros((48, 3, 64, 64), np.uint8)),
        r"expected shape \(N, 64, 64, 3\), found \(48, 3, 64, 64\); channels come last here",
    ),
    (
        arrays(images=np.full((48, 64, 64, 3), 200.0)),
        r"expected pictures of uint8, found float64; those in 0\.\.1 become uint8 by \(255",
    ),
    (arrays(images=np.zeros((48, 64, 64, 3), ">i2")), "expected pictures of uint8, found >i2"),
    (arrays(images=np.zeros((0, 64, 64, 3), np.uint8)), r"found none \(zero rows, shape \(0, 64"),
    (arrays(images=np.uint8(3)), r"expected shape \(N, 64, 64, 3\), found \(\)"),
    (
        arrays(images=np.zeros((47, 64, 64, 3), np.uint8)),
        r"expected 48 rows \(2 x 1 x 2 x 1 x 3 x 2 x 2\), found 47 rows",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), NPZ)
def test_a_bad_npz(tmp_path, spoil, message):
    path = tmp_path / "mpi3d_toy.npz"
    spoil(path)
    refused("mpi3d", path, message, sizes=made.MPI3D)


def test_an_npz_that_is_damaged_inside_is_found_when_it_is_unpacked(tmp_path):
    path = made.write_npz(tmp_path / "a.npz", images=made.pictures(range(48), (64, 64, 3)))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    refused("mpi3d", path, "'images' is damaged after row 0", read=True, sizes=made.MPI3D)


def test_an_npz_that_has_become_shorter_is_one_line(tmp_path):
    images = made.pictures(range(48), (64, 64, 3))
    path = made.write_npz(tmp_path / "a.npz", compressed=False, images=images)
    world = make_world("mpi3d", path=path, sizes=made.MPI3D)
    world.read([0])
    cut(path)
    with pytest.raises(ValueError, match=r"a.npz: the file ends within row 47"):
        world.read([0, 47])


@pytest.mark.parametrize("sizes", [(6, 6, 2, 3, 3, 40), (0, 1, 2, 1, 3, 2, 2), (2.0,) * 7])
def test_wrong_sizes_of_mpi3d(tmp_path, sizes):
    with pytest.raises(ValueError, match="sizes: expected 7 positive integers for object_color, "):
        make_world("mpi3d", path=tmp_path, sizes=sizes)
    with pytest.raises(ValueError, match="unknown kind of MPI3D 'toi'; did you mean 'toy'"):
        make_world("mpi3d", kind="toi")


CLASSES = made.dsprites_arrays()["latents_classes"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"latents_classes": None}, "unknown array 'latents_classes'; did you mean"),
        (
            {"latents_classes": CLASSES[:-1]},
            r"'latents_classes': expected shape \(120, 6\), found \(119, 6\)",
        ),
        (
            {"latents_classes": CLASSES[::-1].copy()},
            r"expected the last of 120 rows to be the last combination, found \[0, 0, 0, 0, 0, 0\]",
        ),
        (
            {"latents_classes": CLASSES[[0, 2, 1, *range(3, 120)]]},
            "row 1: expected pos_x 0, found 1; the rows are not in their published order",
        ),
        (
            {"latents_classes": CLASSES * 1.0},
            "'latents_classes': expected integers, found float64",
        ),
        (
            {"latents_values": np.full((120, 6), "a")},
            "'latents_values': expected labels that are numbers, found <U1",
        ),
        ({"imgs": np.zeros((120, 1, 64, 64), np.uint8)}, r"expected shape \(N, 64, 64\)"),
        ({"imgs": np.zeros((120, 64, 64), bool)}, "expected pictures of uint8, found bool"),
    ],
)
def test_bad_arrays_of_dsprites(tmp_path, changed, message):
    refused("dsprites_file", made.write_dsprites(tmp_path, **changed), message)


def test_dsprites_with_grey_in_it(tmp_path):
    imgs = made.dsprites_arrays()["imgs"]
    imgs[0, 5, 5] = 255
    for compressed in (True, False):
        path = made.write_dsprites(tmp_path, compressed, imgs=imgs)
        world = make_world("dsprites_file", path=path)
        with pytest.raises(ValueError, match=r"expected values 0\.\.1, found 255; .* in row 0"):
            world.read([3, 0])


def test_labels_may_be_big_endian_and_in_fortran_order_is_refused(tmp_path):
    arrays = made.dsprites_arrays()
    big = {k: arrays[k].astype(arrays[k].dtype.newbyteorder(">")) for k in arrays if k != "imgs"}
    world = make_world("dsprites_file", path=made.write_dsprites(tmp_path, **big))
    assert world.factors.sizes == made.CLASSES[1:]
    turned = np.asfortranarray(arrays["latents_values"])
    path = made.write_dsprites(tmp_path, latents_values=turned)
    refused("dsprites_file", path, "'latents_values' is in Fortran order")


# HDF5 --------------------------------------------------------------------------------------------


def shapes(**changed) -> Callable[[Path], object]:
    return lambda path: made.write_shapes3d(path, **changed)


def swapped_labels() -> np.ndarray:
    labels = made.shapes3d_labels()
    labels[[70_001, 70_002]] = labels[[70_002, 70_001]]
    return labels


def unknown_label() -> np.ndarray:
    labels = made.shapes3d_labels()
    labels[400_000, 3] = np.nan
    return labels


def linked(kind: str) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        other = path.with_name("other.h5")
        made.write_shapes3d(other)
        with h5py.File(path, "w") as file:
            file["labels"] = made.shapes3d_labels()
            if kind == "soft":
                file["images"] = h5py.SoftLink("/labels")
            elif kind == "external":
                file["images"] = h5py.ExternalLink("other.h5", "images")
            elif kind == "group":
                file.create_group("images")
            elif kind == "storage":
                file.create_dataset(
                    "images", (480_000, 64, 64, 3), "u1", external=[("raw", 0, 10**10)]
                )
            else:
                layout = h5py.VirtualLayout((480_000, 64, 64, 3), "u1")
                layout[:] = h5py.VirtualSource("other.h5", "images", (480_000, 64, 64, 3))
                file.create_virtual_dataset("images", layout)

    return write


def large_chunks(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["labels"] = made.shapes3d_labels()
        file.create_dataset("images", (480_000, 64, 64, 3), "u1", chunks=(10_000, 64, 64, 3))


HDF5 = [
    (lambda p: p.write_bytes(made.WEB_PAGE), "expected an HDF5 file, found a web page"),
    (lambda p: p.write_bytes(b""), "expected an HDF5 file, found an empty file"),
    (lambda p: (shapes()(p), cut(p)), "expected an HDF5 file, found a damaged one: "),
    (shapes(labels=None), "unknown data set 'labels'; known: images"),
    (shapes(labels=made.shapes3d_labels()[:-1]), r"'labels': expected shape \(480000, 6\)"),
    (shapes(labels=np.zeros((480_000, 6), "S1")), "expected labels that are numbers"),
    (
        shapes(labels=swapped_labels()),
        "row 70001: expected orientation 17.1, found 21.4; the rows are not in their published",
    ),
    (shapes(labels=unknown_label()), "row 400000: expected scale 0.893, found nan"),
    (shapes(labels=-made.shapes3d_labels()), "expected rising labels of floor_hue, found others"),
    (
        shapes(images=((480_000, 3, 64, 64), "u1")),
        r"expected shape \(N, 64, 64, 3\), found \(480000, 3, 64, 64\); channels come last here",
    ),
    (shapes(images=((480_000, 64, 64, 3), "f4")), r"found float32; those in 0\.\.1 become uint8"),
    (shapes(images=((0, 64, 64, 3), "u1")), r"found none \(zero rows"),
    (shapes(images=((48_000, 64, 64, 3), "u1")), "expected 480,000 rows, found 48,000"),
    (linked("soft"), "'images' is a link to somewhere else"),
    (linked("external"), "'images' is a link to somewhere else"),
    (linked("group"), "'images' is a group, expected a data set"),
    (linked("storage"), "'images' lies in other files"),
    (linked("virtual"), "'images' lies in other files"),
    (large_chunks, r"expected chunks of at most 67108864 bytes, found 122880000 \(\(10000, 64"),
]


@pytest.mark.parametrize(("spoil", "message"), HDF5)
def test_a_bad_hdf5(tmp_path, spoil, message):
    path = tmp_path / "3dshapes.h5"
    spoil(path)
    refused("shapes3d_file", path, message)


@pytest.mark.parametrize("place", ["images", "latents", "latents/classes", "/"])
def test_an_hdf5_whose_parts_cannot_be_opened_names_the_file(tmp_path, place):
    path = made.write_dsprites_hdf5(tmp_path, (1, 64, 64))
    with h5py.File(path) as file:
        start = h5py.h5o.get_info(file[place.replace("images", "imgs")].id).addr
    data = bytearray(path.read_bytes())
    if place == "/":
        start = data.index(b"TREE")
    data[start : start + 8] = bytes(8)
    path.write_bytes(data)
    refused("dsprites_file", path, "expected an HDF5 file, found a damaged one: ")
    assert "expected an HDF5 file, found a damaged one: " in check(path).problems[0]


def test_an_hdf5_without_numbers_is_refused(tmp_path):
    path = tmp_path / "3dshapes.h5"
    shapes()(path)
    with h5py.File(path, "a") as file:
        del file["images"]
        file["images"] = h5py.Empty("u1")
    refused("shapes3d_file", path, "'images' holds no array")


def test_big_endian_labels_of_3d_shapes_are_fine(tmp_path):
    path = tmp_path / "3dshapes.h5"
    shapes(labels=made.shapes3d_labels().astype(">f8"))(path)
    assert make_world("shapes3d_file", path=path).factors.size == 480_000


def test_an_hdf5_that_is_damaged_inside_names_the_row(tmp_path):
    rows = np.arange(50)
    path = made.write_shapes3d(tmp_path / "3dshapes.h5", rows, made.pictures(rows, (64, 64, 3)))
    with h5py.File(path) as file:
        info = file["images"].id.get_chunk_info(37)
    data = bytearray(path.read_bytes())
    data[info.byte_offset + 100 : info.byte_offset + 200] = bytes(100)
    path.write_bytes(data)
    world = make_world("shapes3d_file", path=path)
    assert np.array_equal(world.read([36]), made.pictures([36], (64, 64, 3)))
    with pytest.raises(ValueError, match=r"3dshapes.h5: data set 'images' is damaged at row 37: "):
        world.read([36, 37])


def with_holes(path: Path, chunks: tuple[int, ...], rows: list[int], **more) -> Path:
    """An HDF5 file of MPI3D where the pieces of these rows were never written."""
    images = made.pictures(range(48), (64, 64, 3))
    with h5py.File(path, "w") as file:
        data = file.create_dataset("images", images.shape, "u1", chunks=chunks, **more)
        for row in sorted(set(range(48)) - set(rows)):
            data[row] = images[row]
    return path


def test_pieces_that_an_hdf5_lacks_are_no_black_pictures(tmp_path, monkeypatch):
    path = with_holes(tmp_path / "mpi3d_toy.h5", (1, 64, 64, 3), [7, 30])
    message = "'images' is damaged: 2 of 48 pieces are not in the file, of the rows from 7, 30 on"
    refused("mpi3d", path, message, read=True, sizes=made.MPI3D)
    world = make_world("mpi3d", path=path, sizes=made.MPI3D)
    for _ in range(2):  # not only the first time
        with pytest.raises(ValueError, match=message):
            world.read([8])
    filled = with_holes(tmp_path / "filled.h5", (1, 64, 64, 3), [7], fillvalue=0)
    world = make_world("mpi3d", path=filled, sizes=made.MPI3D)
    assert not world.read([7]).any() and world.read([8]).any()  # the file says what it lacks
    monkeypatch.setattr("cvq_tutorial.worlds.files.world._AT_ONCE", 10_000)
    path = with_holes(tmp_path / "across.h5", (6, 32, 64, 3), list(range(12, 18)))
    message = "2 of 16 pieces are not in the file, of the rows from 12 on"
    refused("mpi3d", path, message, read=True, sizes=made.MPI3D)


def test_a_piece_that_an_hdf5_has_twice_stands_for_no_other(tmp_path):
    path = with_holes(tmp_path / "mpi3d_toy.h5", (1, 64, 64, 3), [])
    data = path.read_bytes()
    key = b"".join(n.to_bytes(8, "little") for n in (20, 0, 0, 0, 0))  # where row 20 is looked up
    assert data.count(key) == 1
    path.write_bytes(data.replace(key, key.replace(b"\x14", b"\x13")))
    world = make_world("mpi3d", path=path, sizes=made.MPI3D)
    with pytest.raises(
        ValueError, match=r"1 of 48 pieces are not in the file, of the rows from 20"
    ):
        world.read(np.arange(48))


def test_an_hdf5_in_one_piece_that_was_never_written_is_damaged(tmp_path):
    path = tmp_path / "mpi3d_toy.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("images", (48, 64, 64, 3), "u1")
    message = "'images' is damaged: expected 589824 bytes, found 0"
    refused("mpi3d", path, message, read=True, sizes=made.MPI3D)


def test_an_hdf5_that_is_another_file_by_now_is_one_line(tmp_path):
    path = tmp_path / "mpi3d_toy.h5"
    with h5py.File(path, "w") as file:
        file["images"] = made.pictures(range(48), (64, 64, 3))
    world = make_world("mpi3d", path=path, sizes=made.MPI3D)
    with h5py.File(path, "w") as file:
        file["images"] = made.pictures(range(9), (64, 64, 3))
    with pytest.raises(ValueError, match=r"toy.h5 is another file now: expected shape \(48, 64"):
        world.read([0])
    world.rows.close()
    with h5py.File(path, "w") as file:
        file["pictures"] = np.zeros(3)
    with pytest.raises(ValueError, match=r"toy.h5 is another file now, or damaged: .*images"):
        world.read([0])


# Small NORB --------------------------------------------------------------------------------------

STEM = made.NORB["training"][0]
DAT, CAT, INFO = (made.norb_arrays("training")[part] for part in ("dat", "cat", "info"))


def packed(array: np.ndarray, **options) -> bytes:
    return compress(made.norb_bytes(array, **options), 1)


def head(*numbers: int) -> bytes:
    return compress(np.array(numbers, dtype="<i4").tobytes())


NORB = [
    ("dat", made.WEB_PAGE, "expected a gzip file, found a web page"),
    ("dat", compress(made.WEB_PAGE), "expected the first number to be one of 1E3D4C51, "),
    ("dat", packed(DAT, magic=0x1E3D4C57), "to be one of .*, found 1E3D4C57"),
    ("dat", packed(DAT.astype(np.float32)), "expected numbers of uint8, found float32"),
    (
        "dat",
        packed(DAT.transpose(0, 2, 3, 1)),
        r"expected shape \(N, 2, 96, 96\), found \(300, 96, 96, 2\); the axes are swapped",
    ),
    ("dat", packed(DAT[:0]), r"expected 1 to 1000000 rows, found 0"),
    ("dat", packed(DAT[:, 0]), r"expected shape \(N, 2, 96, 96\), found \(300, 96, 96\)$"),
    ("dat", head(0x1E3D4C55, 4, -5, 2, 96, 96), "expected 1 to 1000000 rows, found -5"),
    ("dat", head(0x1E3D4C55, 99), "expected 1 to 8 axes, found 99"),
    ("dat", head(0x1E3D4C55), "ends within the number of axes"),
    ("cat", packed(CAT)[:-30], "is cut short or damaged at"),
    ("cat", compress(made.norb_bytes(CAT)[:-30]), r"ends within rows 0\.\.299"),
    ("cat", compress(made.norb_bytes(CAT) + b"more"), "expected 300 rows, found more after"),
    ("cat", packed(CAT[1:]), r"expected shape \(300\), found \(299,\)"),
    ("info", packed(INFO[:, :3]), r"expected shape \(300, 4\), found \(300, 3\)"),
    ("info", packed(INFO.astype(np.uint8)), "expected numbers of int32, found uint8"),
]


@pytest.mark.parametrize(("part", "data", "message"), NORB)
def test_a_bad_file_of_small_norb(tmp_path, part, data, message):
    folder = made.write_norb(tmp_path, **{f"training_{part}": data})
    with pytest.raises(ValueError, match=f"{STEM}-{part}.mat.gz:? .*{message}") as caught:
        make_world("smallnorb", path=folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [packed(DAT)[:-1000], compress(made.norb_bytes(DAT)[:-9], 1)])
def test_pictures_of_small_norb_that_are_cut_short_leave_nothing(tmp_path, data, cache):
    world = make_world("smallnorb", path=made.write_norb(tmp_path, training_dat=data))
    for _ in range(2):
        message = rf"{STEM}-dat.mat.gz (is cut short or damaged at|ends within) rows 256\.\.299"
        with pytest.raises(ValueError, match=message):
            world.read([0])
    assert list(cache.iterdir()) == []


def test_a_missing_file_of_small_norb_says_what_can_be_done(tmp_path):
    folder = made.write_norb(tmp_path, training_info=None)
    with pytest.raises(
        FileNotFoundError,
        match=rf"no file {STEM}-info.mat or .mat.gz in .*; the testing files are all there: "
        "split='testing' takes them alone; get it from",
    ):
        make_world("smallnorb", path=folder)
    assert make_world("smallnorb", path=folder, split="testing").factors.sizes == (5, 5, 2, 3, 2)
    with pytest.raises(ValueError, match="unknown split of small NORB 'train'; did you mean"):
        make_world("smallnorb", path=folder, split="train")


def test_combinations_that_are_missing_or_there_twice_are_refused(tmp_path):
    info = INFO.copy()
    info[7] = info[8]
    told = "category {}, instance {}, elevation {}, azimuth {}, lighting {}"
    category = int(CAT[7])
    folder = made.write_norb(tmp_path, training_info=packed(info))
    wrong = f"none with {told.format(category, *INFO[7])}"
    twice = f"2 rows with {told.format(category, *INFO[8])}"
    with pytest.raises(
        ValueError,
        match=rf"one picture for each combination .*found ({wrong}|{twice}) \(and 1 more such",
    ):
        make_world("smallnorb", path=folder)


def test_labels_of_small_norb_that_are_all_different_are_one_line(tmp_path):
    info = np.arange(INFO.size, dtype=np.int32).reshape(INFO.shape)
    folder = made.write_norb(tmp_path, training_info=packed(info))
    with pytest.raises(
        ValueError,
        match=r"one picture for each combination .* 5 x 300 x 300 x 300 x 300 = 40,500,000,000, "
        "found 300$",
    ) as caught:
        make_world("smallnorb", path=folder, split="training")
    assert str(caught.value).startswith(str(folder))


# Cars3D ------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path) -> Path:
    return made.write_cars(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"car_009_mesh\ncar_003_mesh\n", "entry 2: no file car_003_mesh.mat beside the list"),
        (b"car_009_mesh\ncar_009_mesh\n", "line 2: car_009_mesh is there twice"),
        (b"../other/car\n", "line 1: expected a file name, found '../other/car'"),
        (b"C:\\car\n", "line 1: expected a file name"),
        (b"\n \n", "expected the names of cars, found none"),
        (b"\xff\xfe\x00", "expected text, found other bytes at 0"),
        (made.WEB_PAGE, "expected the names of cars, found a web page"),
        (b"a\n" * 2**20, "expected a list of at most 1048576 bytes"),
    ],
)
def test_a_bad_list_of_cars(folder, text, message):
    (folder / "list.txt").write_bytes(text)
    with pytest.raises(ValueError, match=f"list.txt: .*{message}"):
        make_world("cars3d", path=folder)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: made.WEB_PAGE, r"expected a MATLAB 5 file \(as -v7 saves it\), found a web page"),
        (lambda: b"MATLAB 7.3 MAT-file, HDF5 schema", ".*found a MATLAB 7.3 file"),
        (lambda: b"", ".*found an empty file"),
        (lambda: made.car_bytes(1)[:-5000], "is damaged: "),
        (lambda: made.car_bytes(1)[:140], "is damaged: "),
        (lambda: made.car_bytes(1, im=None), "unknown variable 'im'; known: mask"),
        (
            lambda: made.car_bytes(1, im=made.car_arrays(1).astype(float)[:, :, :, :1]),
            "expected 'im' to be uint8, found double",
        ),
        (
            lambda: made.car_bytes(1, im=made.car_arrays(1).transpose(4, 3, 0, 1, 2)),
            r"expected 'im' of shape \(128, 128, 3, 24, 4\), found \(4, 24, .*; the axes",
        ),
        (
            lambda: made.car_bytes(1, im=made.car_arrays(1)[:, :, :, :0]),
            r"expected 'im' of shape \(128, 128, 3, 24, 4\), found \(128, 128, 3, 0, 4\)$",
        ),
    ],
)
def test_a_bad_car_is_found_when_the_cars_are_unpacked(folder, data, message, cache):
    (folder / "car_002_mesh.mat").write_bytes(data())
    world = make_world("cars3d", path=folder)
    with pytest.raises(ValueError, match=f"car_002_mesh.mat:? ?{message}") as caught:
        world.read([0])
    assert "\n" not in str(caught.value)
    assert list(cache.iterdir()) == []


def link(name: str, to: str, kind: bytes) -> Callable[[tarfile.TarFile], object]:
    def add(archive: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, to
        archive.addfile(member)

    return add


CAR_NAMES = "".join(f"car_{i}\n" for i in range(20_000)).encode()
LIST = {"data/cars/list.txt": b"car_1\n", "data/cars/car_1.mat": b"never read here"}


@pytest.mark.parametrize(
    ("files", "more", "message"),
    [
        (LIST, link("data/x", "/etc/passwd", tarfile.SYMTYPE), "'data/x' is a link, expected"),
        (LIST, link("data/x", "data/cars/list.txt", tarfile.LNKTYPE), "'data/x' is a link"),
        (LIST, link("data/x", "", tarfile.FIFOTYPE), "'data/x' is a special file"),
        ({**LIST, "../x": b"1"}, None, r"'\.\./x' is a name that leaves the archive: refused"),
        ({"data/../../x": b"1", **LIST}, None, "is a name that leaves the archive: refused"),
        ({**LIST, "/x": b"1"}, None, "'/x' is a name that leaves the archive: refused"),
        ({"data/cars/car_1.mat": b"1"}, None, "expected a file cars/list.txt in the archive"),
        (
            {**LIST, "data/cars/list.txt": b"car_1\ncar_2\n"},
            None,
            "data/cars/list.txt: entry 2: no file car_2.mat in the archive",
        ),
        (
            {"data/cars/list.txt": b"car_1\n", "data/car_1.mat": b"1"},
            None,
            "entry 1: no file car_1.mat in the archive",
        ),
        ({**LIST, "data/cars/list.txt": b"a" * 2**21}, None, "list.txt: expected at most 1048576"),
    ],
)
@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
def test_a_bad_archive(tmp_path, files, more, message, ending):
    refused("cars3d", made.write_tar(tmp_path / f"cars.{ending}", files, more), message)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: p.write_bytes(made.WEB_PAGE), "expected a tar, found a web page"),
        (lambda p: p.write_bytes(b""), "expected a tar, found an empty file"),
        (other_zip, "expected a tar, found a zip"),
        (lambda p: p.write_bytes(compress(made.WEB_PAGE)), "expected a tar, found a damaged"),
        (
            lambda p: (
                made.write_tar(p, {"noise.mat": made.pictures([1], (10**5,)).tobytes(), **LIST}),
                cut(p),
            ),
            "expected a tar, found a damaged one: ",
        ),
        (
            lambda p: (made.write_tar(p, {"cars/list.txt": CAR_NAMES}), cut(p)),
            "cars/list.txt is cut short or damaged: ",
        ),
        (
            lambda p: (
                made.write_tar(p.with_suffix(""), {"cars/list.txt": CAR_NAMES}),
                p.write_bytes(p.with_suffix("").read_bytes()[:2000]),
            ),
            "cars/list.txt is cut short or damaged: unexpected end of data",
        ),
    ],
)
def test_what_is_no_archive(tmp_path, spoil, message):
    path = tmp_path / "nips2015-analogy-data.tar.gz"
    spoil(path)
    refused("cars3d", path, message)


def test_an_archive_that_has_become_shorter_is_one_line(tmp_path, cache):
    path = made.write_tar(tmp_path / "cars.tar", {**LIST, "data/cars/car_1.mat": bytes(9999)})
    world = make_world("cars3d", path=path)
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(ValueError, match=r"cars\.tar: data/cars/car_1.mat is cut short or damaged"):
        world.read([0])
    assert list(cache.iterdir()) == []


def test_a_bad_car_in_an_archive_is_named_and_leaves_nothing(tmp_path):
    path = made.write_tar(tmp_path / "cars.tar.gz", LIST)
    refused("cars3d", path, r"data/cars/car_1.mat: expected a MATLAB 5 file", read=True)


# More than anybody expects ------------------------------------------------------------------------


def declares(size: int) -> Callable[[tarfile.TarFile], object]:
    """The header of a file of any size, of which nothing follows."""

    def add(archive: tarfile.TarFile) -> None:
        member = tarfile.TarInfo("data/cars/large.bin")
        member.size = size
        archive.fileobj.write(member.tobuf())

    return add


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
def test_a_file_in_an_archive_that_declares_a_terabyte_is_refused_at_once(tmp_path, ending):
    path = made.write_tar(tmp_path / f"cars.{ending}", LIST, declares(2**40))
    message = r"'data/cars/large\.bin' says that it unpacks to 1,099,511,627,776 bytes, expected"
    refused("cars3d", path, message)
    assert any("1,099,511,627,776" in text for text in check(path).problems)


def test_an_archive_that_unpacks_to_more_than_it_may_is_refused(tmp_path):
    path = made.write_tar(tmp_path / "cars.tar.gz", {**LIST, "x": bytes(10**6), "y": bytes(10**6)})
    assert len(list(cars3d._members(path))) == 4
    small = Budget(ratio=1, free=1_500_000)
    with pytest.raises(
        ValueError, match=r"cars\.tar\.gz: 'y' says that it unpacks to 1,000,000 byt"
    ):
        list(cars3d._members(path, small))
    with pytest.raises(ValueError, match=r"cars\.tar\.gz: reading it took more than 0 s"):
        list(cars3d._members(path, Budget(seconds=0)))
    path.write_bytes(compress(bytes(10**7)))
    with pytest.raises(
        ValueError, match=r"cars\.tar\.gz unpacks to more than 1,5\d\d,\d\d\d bytes"
    ):
        list(cars3d._members(path, small))
    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 10**8
    path.write_bytes(compress(name.tobuf() + b"a" * 10**7))
    with pytest.raises(ValueError, match="a header in it is larger than 1,048,576 bytes"):
        list(cars3d._members(path))


def test_an_archive_of_too_many_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(cars3d, "_MEMBERS", 3)
    many = {f"{i}": b"" for i in range(4)}
    refused("cars3d", made.write_tar(tmp_path / "cars.tar", many), "at most 3 files in it")


def test_a_car_that_unpacks_to_more_than_any_is_refused(tmp_path, monkeypatch):
    folder = made.write_cars(tmp_path / "cars", ["car"])
    monkeypatch.setattr(cars3d, "_MAT_BYTES", 10**6)  # its pictures are 4.7 million
    message = "car.mat is damaged: expected variables that unpack to at most 1,000,000 bytes"
    with pytest.raises(ValueError, match=message):
        make_world("cars3d", path=folder).read([0])


def test_an_npz_with_a_header_of_gigabytes_is_refused_at_its_start(tmp_path):
    path = tmp_path / "mpi3d_toy.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        head = b"\x93NUMPY\x02\x00" + (2**32 - 1).to_bytes(4, "little")
        archive.writestr("images.npy", head + b" " * 2**20)
    refused("mpi3d", path, r"EOF: reading array header, expected 4294967295 bytes got 655\d\d$")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("images.npy", b"")
    refused("mpi3d", path, "no readable header: expected it stored or deflated, found method 14")


def test_pictures_that_are_declared_to_fill_a_disk_are_not_unpacked(tmp_path):
    shape = (2**25, 64, 64)
    with pytest.raises(ValueError, match=r"at most 68,719,476,736 bytes, found 137,438,953,472"):
        UnpackedRows("dsprites_file", [tmp_path / "a.npz"], shape, lambda: [])


def test_a_piece_of_an_hdf5_that_is_larger_than_its_pictures_is_not_unpacked(tmp_path):
    path = tmp_path / "mpi3d_toy.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            "images", (48, 64, 64, 3), "u1", chunks=(1, 64, 64, 3), compression="gzip"
        )
        for row in range(48):
            data[row] = 1
        data.id.write_direct_chunk((3, 0, 0, 0), zlib.compress(bytes(2 * 10**7)))
    world = make_world("mpi3d", path=path, sizes=made.MPI3D)
    with pytest.raises(ValueError, match="'images' is damaged: the piece of row 3 has another"):
        world.read([3])
