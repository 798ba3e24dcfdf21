"""Worlds that are read from benchmark files: pictures and factors, exactly.

Files with something wrong are in test_files_bad.py.
"""

from __future__ import annotations

import gzip
import hashlib
import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path

import benchmark_files as made
import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import loadmat

from cvq_tutorial.common.files import _HERE
from cvq_tutorial.common.folders import data_root
from cvq_tutorial.data.transitions import sample_transitions
from cvq_tutorial.run.report import listed_world
from cvq_tutorial.training.checkpoints import describe
from cvq_tutorial.worlds.files import dsprites_file
from cvq_tutorial.worlds.files.hdf5 import HDF5Rows
from cvq_tutorial.worlds.files.npz import Array
from cvq_tutorial.worlds.files.rows import FlatRows, shrink
from cvq_tutorial.worlds.files.unpack import UnpackedRows
from cvq_tutorial.worlds.make import data_places, make_world, published_factors

REAL = data_root()  # before a test has a data folder of its own
SPARSE = np.unique(
    np.linspace(0, 479_999, 300).astype(np.int64)
)  # rows of 3D Shapes with a picture


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path) -> Path:
    """A cache and a data folder of the test's own; returns where files are unpacked."""
    monkeypatch.setenv("CVQ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CVQ_DATA", str(tmp_path / "data"))
    return tmp_path / "cache" / "unpacked"


@pytest.fixture(scope="module")
def sparse(tmp_path_factory) -> Path:
    """3dshapes.h5 at its full size; 300 rows hold their number, the others are black."""
    path = tmp_path_factory.mktemp("3dshapes") / "3dshapes.h5"
    return made.write_shapes3d(path, SPARSE, made.encoded(SPARSE))


@pytest.fixture(scope="module")
def cars(tmp_path_factory) -> Path:
    return made.write_cars(tmp_path_factory.mktemp("cars"))


def every(world) -> np.ndarray:
    """The factor values of all pictures, in order."""
    return world.factors.values(np.arange(world.factors.size))


# Pixel by pixel ----------------------------------------------------------------------------------


def test_3d_shapes_have_the_picture_of_their_row_at_their_full_size(sparse):
    world = make_world("shapes3d_file", path=sparse)
    assert world.factors.names == make_world("shapes3d").factors.names
    assert world.factors.size == 480_000 and world.image_shape == (64, 64, 3)
    values = np.stack(np.unravel_index(SPARSE, (10, 10, 10, 8, 4, 15)), axis=1)
    assert np.array_equal(world.render(values), made.encoded(SPARSE))
    assert not world.read([5]).any() and world.read([-1]).any()  # row 5 was never written
    labels = made.shapes3d_labels()[SPARSE]
    assert all(len(np.unique(labels[:, f])) == len(np.unique(values[:, f])) for f in range(6))


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("stored npz", FlatRows),
        ("compressed npz", UnpackedRows),
        ("hdf5 by picture", HDF5Rows),
        ("hdf5 in one piece", HDF5Rows),
        ("hdf5 across pictures", UnpackedRows),
    ],
)
def test_dsprites_are_read_exactly_from_every_kind_of_file(tmp_path, kind, rows, monkeypatch):
    if "npz" in kind:
        path = made.write_dsprites(tmp_path, compressed="compressed" in kind)
    else:
        chunks = {"by": (1, 64, 64), "in": None, "across": (100, 8, 8)}[kind.split()[1]]
        monkeypatch.setattr("cvq_tutorial.worlds.files.world._AT_ONCE", 100_000)
        path = made.write_dsprites_hdf5(tmp_path, chunks)
    world = make_world("dsprites_file", path=path)
    assert type(world.rows) is rows
    assert world.factors.names == ("shape", "scale", "orientation", "pos_x", "pos_y")
    assert world.factors.sizes == made.CLASSES[1:]  # the colour, which is constant, is left out
    arrays = made.dsprites_arrays()
    assert np.array_equal(every(world), arrays["latents_classes"][:, 1:])
    images = world.render(every(world))
    assert set(np.unique(images)) == {0, 255}
    assert np.array_equal(images, np.repeat(255 * arrays["imgs"][..., None], 3, axis=3))
    assert world.factors.factors[0].values == ("square", "ellipse", "heart")


def test_the_last_orientation_of_dsprites_is_the_first_again(tmp_path):
    world = make_world("dsprites_file", path=made.write_dsprites(tmp_path))
    alike = world.factors.index(world.factors.first_alike(every(world)))
    images = world.render(every(world))
    assert np.array_equal(images, images[alike])
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(np.unique(alike)) == 96
    part = made.dsprites_arrays((1, 3, 2, 5, 2, 2))
    part["latents_values"][:, 3] *= 0.8  # without the full turn
    world = make_world("dsprites_file", path=made.write_dsprites(tmp_path, **part))
    assert np.array_equal(world.factors.first_alike(every(world)), every(world))
    published = dsprites_file.BENCHMARK.factors
    assert published.first_alike([[0, 0, 39, 1, 2]]).tolist() == [[0, 0, 0, 1, 2]]


def test_dsprites_shrink_as_grey_and_not_as_black_and_white(tmp_path):
    path = made.write_dsprites(tmp_path)
    world = make_world("dsprites_file", path=path, size=32)
    small = 255 * made.dsprites_arrays()["imgs"].reshape(-1, 32, 2, 32, 2).mean(axis=(2, 4))
    images = world.render(every(world))
    assert images.shape == (120, 32, 32, 3)
    assert np.abs(images[..., 0] - small).max() <= 0.5


@pytest.mark.parametrize("kind", ["stored.npz", "compressed.npz", "file.h5"])
def test_mpi3d_is_read_exactly(tmp_path, kind):
    images, path = made.pictures(range(48), (64, 64, 3)), tmp_path / kind
    if kind.endswith("npz"):
        made.write_npz(path, compressed=kind.startswith("compressed"), images=images)
    else:
        with h5py.File(path, "w") as file:
            file["images"] = images
    world = make_world("mpi3d", path=path, sizes=made.MPI3D)
    assert world.factors.names == (
        "object_color", "object_size", "background_color", "horizontal_axis", "vertical_axis"
    )  # fmt: skip
    grid = np.stack(np.unravel_index(np.arange(48), made.MPI3D), axis=1)[:, [0, 2, 4, 5, 6]]
    assert np.array_equal(world.render(grid), images)
    assert world.options["sizes"] == list(made.MPI3D)


@pytest.mark.parametrize(
    ("n", "sizes"), [(1_036_800, (6, 6, 2, 3, 3, 40, 40)), (460_800, (4, 4, 2, 3, 3, 40, 40))]
)
def test_both_sizes_of_mpi3d_are_known_by_their_number_of_rows(tmp_path, n, sizes):
    path = tmp_path / "mpi3d_toy.h5"
    ends = np.array([0, 1, n - 1])
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            "images", (n, 64, 64, 3), "u1", chunks=(1, 64, 64, 3), fillvalue=0
        )
        for row, image in zip(ends, made.encoded(ends), strict=True):
            data[row] = image
    world = make_world("mpi3d", path=path)
    assert world.factors.sizes == sizes and world.options["kind"] == "toy"
    values = np.array([[0] * 7, [0] * 6 + [1], np.array(sizes) - 1])
    assert made.decoded(world.render(values)).tolist() == ends.tolist()


@pytest.mark.parametrize("kind", ["folder", "packed tar", "tar"])
def test_cars_are_read_exactly_in_the_order_of_the_list(tmp_path, cars, kind):
    path = cars
    if kind != "folder":  # the list comes last, other things lie beside
        files = {f"./data/cars/{p.name}": p.read_bytes() for p in sorted(cars.glob("*.mat"))}
        files |= {"data/sprites/a.mat": b"another", "data/cars/list.txt": b"car_009_mesh\n"}
        files["data/cars/list.txt"] += b"car_002_mesh.mat\r\n"
        path = made.write_tar(tmp_path / ("c.tar.gz" if "packed" in kind else "c.tar"), files)
    world = make_world("cars3d", path=path, size=None)
    assert world.factors.names == ("elevation", "azimuth", "object")
    assert world.factors.sizes == (4, 24, 2) and world.image_shape == (128, 128, 3)
    assert world.factors.factors[2].values == ("car_009_mesh", "car_002_mesh")
    for number in (0, 1):
        picked = [(0, 0, number), (3, 23, number), (2, 5, number)]
        image = made.car_arrays(number)
        slow = [image[:, :, :, azimuth, elevation] for elevation, azimuth, _ in picked]
        assert np.array_equal(world.render(picked), slow)
    stacked = np.stack([made.car_arrays(i) for i in (0, 1)]).transpose(5, 4, 0, 1, 2, 3)
    assert np.array_equal(world.read(np.arange(192)), stacked.reshape(-1, 128, 128, 3))
    assert describe(world) == describe(make_world("cars3d", path=cars, size=None))


def test_one_car_is_a_world_of_two_factors(tmp_path):
    world = make_world("cars3d", path=made.write_cars(tmp_path, ["only"]))
    assert world.factors.sizes == (4, 24)
    assert world.factors.factors[1].cyclic
    assert world.render([[1, 2]]).shape == (1, 64, 64, 3)


@pytest.mark.parametrize(("packed", "order"), [(True, "<"), (False, "<"), (True, ">")])
def test_small_norb_is_sorted_by_its_labels_and_read_exactly(tmp_path, packed, order):
    folder = made.write_norb(tmp_path, packed, order)
    world = make_world("smallnorb", path=folder, size=None)
    assert world.factors.names == ("category", "instance", "elevation", "azimuth", "lighting")
    assert world.factors.sizes == (5, 10, 2, 3, 2) and world.image_shape == (96, 96, 3)
    assert world.factors.factors[3].values == ("0", "20", "40")
    assert not world.factors.factors[3].cyclic  # not a full turn
    labels = every(world) * [1, 1, 1, 2, 1]
    grey = made.pictures(made.norb_numbers(labels), (96, 96))
    assert np.array_equal(world.render(every(world)), np.repeat(grey[..., None], 3, axis=3))


def test_one_split_of_small_norb_has_its_own_instances(tmp_path):
    world = make_world("smallnorb", path=made.write_norb(tmp_path), split="training", size=None)
    assert world.factors.sizes == (5, 5, 2, 3, 2)
    assert world.factors.factors[1].values == ("4", "6", "7", "8", "9")
    values = np.array([[2, 3, 1, 2, 0]])
    grey = made.pictures([20_000 + 8_000 + 100 + 40], (96, 96))
    assert np.array_equal(world.render(values)[..., 0], grey)
    assert world.options["split"] == "training"


# Sizes -------------------------------------------------------------------------------------------


def slow_means(picture: np.ndarray, side: int) -> np.ndarray:
    """Each new pixel is the mean over a fine grid of points of the area that it covers."""
    height = picture.shape[0]
    fine = np.repeat(np.repeat(picture.astype(float), side, axis=0), side, axis=1)
    return fine.reshape(side, height, side, height, -1).mean(axis=(1, 3))


@pytest.mark.parametrize(("found", "side"), [(48, 32), (64, 32), (24, 16), (16, 24)])
def test_shrinking_takes_the_mean_of_the_area(found, side):
    images = made.pictures(range(40), (found, found, 3))
    small = shrink(images, side)
    for image, picture in zip(images[::20], small[::20], strict=True):
        assert np.abs(slow_means(image, side) - picture).max() <= 0.5 + 1e-3
    assert np.array_equal(shrink(images[..., 1], side), small[..., 1])  # grey ones too
    assert shrink(images, None) is images and shrink(images, found) is images


def test_shrinking_agrees_with_the_box_filter_of_pil(cars):
    large = make_world("cars3d", path=cars, size=None).read([7, 100])
    small = make_world("cars3d", path=cars).read([7, 100])
    assert small.shape == (2, 64, 64, 3)
    for image, picture in zip(large, small, strict=True):
        box = np.asarray(Image.fromarray(image).resize((64, 64), Image.Resampling.BOX))
        assert np.abs(box.astype(int) - picture).max() <= 1  # a half may go up or down


@pytest.mark.parametrize("size", [0, 12, 520, -64])
def test_a_size_that_no_model_takes_is_refused_before_any_file_is_read(size):
    with pytest.raises(ValueError, match=f"multiple of 8 from 8 to 512, found {size}"):
        make_world("cars3d", size=size)
    with pytest.raises(TypeError, match="size: expected an integer or None, found 64"):
        make_world("mpi3d", size=64.0)


# Batches -----------------------------------------------------------------------------------------


def some_world(kind: str, tmp_path: Path, sparse: Path):
    if kind == "flat":
        path = made.write_npz(
            tmp_path / "a.npz", False, images=made.pictures(range(48), (64, 64, 3))
        )
        return make_world("mpi3d", path=path, sizes=made.MPI3D)
    if kind == "unpacked":
        return make_world("dsprites_file", path=made.write_dsprites(tmp_path))
    return make_world("shapes3d_file", path=sparse)


@pytest.mark.parametrize("kind", ["flat", "unpacked", "hdf5"])
def test_any_order_repeats_and_negative_numbers_as_numpy_has_them(tmp_path, sparse, kind):
    world = some_world(kind, tmp_path, sparse)
    n = world.factors.size
    some = SPARSE[:48] if kind == "hdf5" else np.arange(48)
    images = world.read(some)
    order = np.random.default_rng(0).integers(0, 48, 100)
    assert np.array_equal(world.read(some[order]), images[order])
    assert np.array_equal(world.read([some[5], some[3], some[3], -1]), world.read(
        np.array([some[5], some[3], some[3], n - 1], dtype=np.uint32)))  # fmt: skip
    assert np.array_equal(world.read(some - n), images)
    assert world.read([]).shape == (0, *world.image_shape)
    assert world.render(world.factors.values(some[:0])).shape == (0, *world.image_shape)
    assert np.array_equal(world.render(world.factors.values(some)), images)
    for numbers, error, message in (
        ([0, n], ValueError, f"rows: expected {-n}..{n - 1}, found {n} at 1"),
        ([-n - 1], ValueError, f"found {-n - 1} at 0"),
        ([0.5], TypeError, "rows: expected integers, found float64"),
        ([[0]], ValueError, r"rows: expected shape \(B,\), found \(1, 1\)"),
    ):
        with pytest.raises(error, match=message):
            world.read(numbers)


@pytest.mark.parametrize("kind", ["flat", "unpacked", "hdf5"])
def test_nothing_is_open_before_the_first_read_and_a_copy_opens_for_itself(
    tmp_path, sparse, kind, cache
):
    world = some_world(kind, tmp_path, sparse)
    assert getattr(world.rows, "_file", None) is None
    if (open_files := Path("/proc/self/fd")).exists():
        assert world.path not in [file.resolve() for file in open_files.iterdir()]
    assert not cache.exists()  # nothing is unpacked either
    copy = pickle.loads(pickle.dumps(world))
    numbers = [-1, 0, 7]
    images = world.read(numbers)
    assert np.array_equal(copy.read(numbers), images)
    again = pickle.loads(pickle.dumps(world))  # after a read
    assert len(pickle.dumps(world.rows)) < 3000
    assert getattr(again.rows, "_file", None) is None
    assert np.array_equal(again.read(numbers), images)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_two_workers_read_the_right_pictures_from_one_hdf5(sparse, start):
    world = make_world("shapes3d_file", path=sparse)
    assert made.decoded(world.read(SPARSE[:2])).tolist() == SPARSE[:2].tolist()
    assert world.rows._file is not None  # the parent's handle is open: the dangerous case
    numbers = np.random.default_rng(1).permutation(SPARSE)
    loader = torch.utils.data.DataLoader(
        made.Numbered(world, numbers), batch_size=16, num_workers=2,
        multiprocessing_context=multiprocessing.get_context(start),
    )  # fmt: skip
    found = [(made.decoded(images.numpy()), told.numpy()) for images, told in loader]
    assert np.concatenate([told for _, told in found]).tolist() == numbers.tolist()
    assert all(np.array_equal(read, told) for read, told in found)
    assert made.decoded(world.read(SPARSE)).tolist() == SPARSE.tolist()  # and the parent goes on


MEASURE = """
import pathlib, resource, sys
import numpy as np
from cvq_tutorial.worlds import make_world
world = make_world(sys.argv[1], path=sys.argv[2], **eval(sys.argv[3]))
rng = np.random.default_rng(0)
for start in range(0, 10_000, 100):
    numbers = rng.integers(0, world.factors.size, 100)
    numbers[:3] = 0, world.factors.size // 2, -1
    images = world.read(numbers)
    assert images.shape == (100, 64, 64, 3)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
status = pathlib.Path("/proc/self/status")
if status.exists():  # where the number above counts what the parent had when it forked
    peak = [line.split()[1] for line in status.read_text().splitlines() if "VmHWM" in line][0]
print(images[:3, 0, 0].tolist(), int(peak) // 1024)
"""


@pytest.mark.parametrize("kind", ["hdf5", "npz"])
def test_ten_thousand_rows_of_a_large_file_fit_in_300_megabytes(tmp_path, kind):
    if kind == "hdf5":  # 480,000 rows, 5.9 GB
        rows = np.array([0, 240_000, 479_999])
        path = made.write_shapes3d(tmp_path / "3dshapes.h5", rows, made.encoded(rows))
        name, options, n = "shapes3d_file", {}, 480_000
    else:  # 40,000 rows, 0.5 GB, which must be unpacked
        n, name = 40_000, "mpi3d"
        images = np.zeros((n, 64, 64, 3), dtype=np.uint8)
        rows = np.array([0, n // 2, n - 1])
        images[rows] = made.encoded(rows)
        path = made.write_npz(tmp_path / "mpi3d_toy.npz", images=images)
        options = {"sizes": (5, 5, 1, 4, 4, 10, 10)}
    shown = subprocess.run(
        [sys.executable, "-c", MEASURE, name, str(path), repr(options)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    pixels, megabytes = shown.stdout.rsplit("]", 1)
    assert pixels + "]" == str(made.encoded(rows)[:, 0, 0].tolist())
    assert int(megabytes) < 300


# Unpacking ---------------------------------------------------------------------------------------


def test_files_are_unpacked_once_and_again_when_they_change(tmp_path, cache):
    world = make_world("dsprites_file", path=made.write_dsprites(tmp_path))
    images = world.read(np.arange(120))
    [copy] = cache.iterdir()
    before = copy.stat().st_mtime_ns
    assert np.array_equal(make_world("dsprites_file", path=world.path).read([3]), images[3:4])
    assert copy.stat().st_mtime_ns == before
    world.rows._rows.close()
    turned = made.dsprites_arrays()
    turned["imgs"] = 1 - turned["imgs"]
    made.write_dsprites(tmp_path, **turned)
    changed = make_world("dsprites_file", path=world.path)
    assert np.array_equal(changed.read(np.arange(120)), 255 - images)
    assert len(list(cache.iterdir())) == 2


def swapped(path: Path) -> None:
    """Pictures 5 and 7 change places: each is whole, and none is where it was."""
    with h5py.File(path, "a") as file:
        data = file["images"]
        data[5], data[7] = data[7], data[5]


def without_a_piece(path: Path) -> None:
    """Picture 5 is not there: the others are copied without it."""
    with h5py.File(path, "a") as file:
        old, sums = file["images"][:], file["sums"][:]
        del file["images"]
        data = file.create_dataset("images", old.shape, "u1", chunks=(1, 64, 64))
        for row in set(range(len(old))) - {5}:
            data[row] = old[row]
        assert np.array_equal(sums, file["sums"][:])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n and then nothing"),
        lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2] + bytes(p.stat().st_size)),
        lambda p: p.write_bytes(p.read_bytes().replace(b"OHDR", b"none")),
        swapped,
        without_a_piece,
    ],
)
def test_a_damaged_copy_is_noticed_and_made_again(tmp_path, cache, spoil):
    world = make_world("dsprites_file", path=made.write_dsprites(tmp_path))
    images = world.read(np.arange(120))
    [copy] = cache.iterdir()
    world.rows._rows.close()
    spoil(copy)
    again = make_world("dsprites_file", path=world.path)
    assert np.array_equal(again.read(np.arange(120)), images)
    again.rows._rows.close()
    assert np.array_equal(world.read(np.arange(120)), images)  # opened anew, it is whole again
    assert list(cache.iterdir()) == [copy]


def test_a_copy_that_is_damaged_while_it_is_open_is_made_again(tmp_path, cache):
    world = make_world("dsprites_file", path=made.write_dsprites(tmp_path))
    images = world.read(np.arange(120))
    [copy] = cache.iterdir()
    world.rows._rows.close()
    swapped(copy)
    assert np.array_equal(world.read(np.arange(120)), images)


def test_a_copy_holds_black_pictures_too(tmp_path, cache):
    images = np.zeros((48, 64, 64, 3), np.uint8)
    path = made.write_npz(tmp_path / "a.npz", images=images)
    world = make_world("mpi3d", path=path, sizes=made.MPI3D)
    assert np.array_equal(world.read(np.arange(48)), images)
    [copy] = cache.iterdir()
    with h5py.File(copy) as file:
        assert file["images"].id.get_num_chunks() == 48


def test_an_uncompressed_npz_is_compared_with_its_checksum_once(tmp_path, cache, monkeypatch):
    images = made.pictures(range(48), (64, 64, 3))
    path = made.write_npz(tmp_path / "a.npz", compressed=False, images=images)
    assert np.array_equal(make_world("mpi3d", path=path, sizes=made.MPI3D).read([3]), images[3:4])
    [note] = cache.iterdir()
    assert note.suffix == ".verified" and note.stat().st_size == 0
    with monkeypatch.context() as patch:
        patch.setattr(Array, "blocks", lambda *_: pytest.fail("it was compared again"))
        make_world("mpi3d", path=path, sizes=made.MPI3D).read([4])
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    os.utime(path, (1, 1))
    world = make_world("mpi3d", path=path, sizes=made.MPI3D)
    with pytest.raises(
        ValueError, match=r"a\.npz: array 'images' is damaged after row \d+: Bad CRC"
    ):
        world.read([4])


def test_what_a_killed_unpacking_left_goes_with_the_next(tmp_path, cache):
    cache.mkdir(parents=True)
    left = cache / f".dsprites_file-0123456789abcdef.h5.{_HERE}-{2**22 + 1}-01234567.tmp"
    left.write_bytes(bytes(1000))
    make_world("dsprites_file", path=made.write_dsprites(tmp_path)).read([0])
    assert len(list(cache.iterdir())) == 1 and not left.exists()


def test_a_stopped_unpacking_leaves_nothing(tmp_path, cache, monkeypatch):
    world = make_world("dsprites_file", path=made.write_dsprites(tmp_path))

    def stopped(pictures, side):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cvq_tutorial.worlds.files.unpack.shrink", stopped)
        with pytest.raises(KeyboardInterrupt):
            world.read([0])
    assert list(cache.iterdir()) == []
    assert world.read([0]).shape == (1, 64, 64, 3)


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CVQ_CACHE", str(tmp_path / "file"))
    world = make_world("dsprites_file", path=made.write_dsprites(tmp_path))
    with pytest.raises(OSError, match=r"cannot write .*dsprites_file-\w+\.h5: Not a directory"):
        world.read([0])


# What a world is ---------------------------------------------------------------------------------


def test_options_make_the_world_again_wherever_the_files_lie(tmp_path, sparse):
    data = tmp_path / "data"
    (data / "dsprites").mkdir(parents=True)
    (data / "mpi3d").mkdir()
    here = make_world("dsprites_file", path=made.write_dsprites(tmp_path), size=32)
    made.write_dsprites(data / "dsprites", compressed=False)
    again = make_world("dsprites_file", **here.options)
    assert again.path.parent == data / "dsprites" and again.options == here.options
    assert here.options == {"size": 32, "pictures": here.fingerprint}
    other = make_world("dsprites_file", path=here.path, size=64)
    assert other.fingerprint != here.fingerprint
    with pytest.raises(ValueError, match=f"expected pictures with hash {other.fingerprint}, found"):
        make_world("dsprites_file", size=32, pictures=other.fingerprint)
    for number, kind in enumerate(("real", "toy")):
        images = made.pictures(range(50 * number, 50 * number + 48), (64, 64, 3))
        made.write_npz(data / "mpi3d" / f"mpi3d_{kind}.npz", images=images)
    toy = make_world("mpi3d", kind="toy", sizes=made.MPI3D)
    assert toy.options["kind"] == "toy"
    assert make_world("mpi3d", **toy.options).fingerprint == toy.fingerprint
    assert make_world("mpi3d", sizes=made.MPI3D).path.name == "mpi3d_real.npz"


def test_a_hash_is_compared_where_one_is_given(tmp_path, cars):
    path = made.write_dsprites(tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert make_world("dsprites_file", path=path, sha256=digest.upper()).name == "dsprites_file"
    with pytest.raises(ValueError, match=rf"npz: expected SHA-256 0{{64}}, found {digest}"):
        make_world("dsprites_file", path=path, sha256="0" * 64)
    files = [cars / "list.txt", cars / "car_009_mesh.mat", cars / "car_002_mesh.mat"]
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in files]
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()  # of what sha256sum prints
    assert make_world("cars3d", path=cars, sha256=digest).factors.size == 192
    with pytest.raises(ValueError, match=r"list\.txt and 2 more: expected SHA-256 ab, found"):
        make_world("cars3d", path=cars, sha256="ab")


def test_files_are_found_under_the_data_folder(tmp_path, sparse, cars):
    data = tmp_path / "data"
    for folder in ("fixtures/3dshapes", "cars3d/data"):
        (data / folder).mkdir(parents=True)
    (data / "cars3d" / "data" / "cars").symlink_to(cars)
    (data / "fixtures" / "3dshapes" / "3dshapes.h5").symlink_to(sparse)
    made.write_norb(data)  # the files themselves, without a folder
    assert make_world("cars3d").factors.size == 192
    assert make_world("shapes3d_file").path == data / "fixtures" / "3dshapes" / "3dshapes.h5"
    assert make_world("smallnorb").path == data
    assert make_world("shapes3d_file", path="fixtures/3dshapes").factors.size == 480_000
    assert make_world("cars3d", path="cars3d").factors.size == 192


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("shapes3d_file", ["3dshapes.h5", "github.com/google-deepmind/3d-shapes"]),
        ("dsprites_file", ["40x32y32_64x64.npz", "github.com/google-deepmind/dsprites-dataset"]),
        ("cars3d", ["list.txt", "nips2015-analogy-data.tar.gz", "scottreed.info"]),
        ("smallnorb", ["training-dat.mat.gz", "cs.nyu.edu/~ylclab"]),
        ("mpi3d", ["mpi3d_real.npz", "mpi3d_toy.h5", "github.com/rr-learning"]),
    ],
)
def test_missing_data_say_where_they_were_looked_for_and_where_to_get_them(tmp_path, name, parts):
    with pytest.raises(FileNotFoundError) as caught:
        make_world(name)
    text = str(caught.value)
    assert "\n" not in text
    for part in (str(tmp_path / "data"), "CVQ_DATA", *parts):
        assert part in text, part
    listed = listed_world(name)
    assert listed.startswith(f"{name}: its data are not here: ") and text in listed
    assert "factors and their sizes, as published: " in listed
    assert len(data_places(name)) >= 4
    for path in (tmp_path / "nowhere", "nowhere"):
        with pytest.raises(FileNotFoundError, match=r"no file of .* at .*nowhere; get it from"):
            make_world(name, path=path)


def test_a_folder_with_another_file_says_which_names_count(tmp_path):
    (tmp_path / "look-at-object-room.npz").write_bytes(b"")
    with pytest.raises(
        FileNotFoundError, match=r"expected 3dshapes.h5, found look-at-object-room.npz$"
    ):
        make_world("shapes3d_file", path=tmp_path)


def test_worlds_are_listed_with_what_is_there(tmp_path, sparse, cars, cache):
    data = tmp_path / "data"
    data.mkdir()
    (data / "cars3d").symlink_to(cars)
    listed = listed_world("cars3d")
    assert "elevation 4, azimuth 24, object 2" in listed
    assert listed.endswith(f"data: {data / 'cars3d' / 'list.txt'}")
    made.write_npz(data / "mpi3d_toy.npz", images=made.pictures([1], (64, 64, 3)))
    listed = listed_world("mpi3d")
    assert listed.startswith("mpi3d: its data are here, but cannot be used: ")
    assert "object_color 6, object_shape 6, object_size 2" in listed
    assert listed_world("shapes3d").endswith("data: made here, no files needed")
    assert listed_world("sprites").count("\n") == 1
    assert not (tmp_path / "cache").exists()  # nothing was unpacked, nor any buffer traced


def test_published_sizes_are_the_known_ones():
    sizes = {
        "shapes3d_file": (10, 10, 10, 8, 4, 15),
        "dsprites_file": (3, 6, 40, 32, 32),
        "cars3d": (4, 24, 183),
        "smallnorb": (5, 10, 9, 18, 6),
        "mpi3d": (6, 6, 2, 3, 3, 40, 40),
    }
    for name, wanted in sizes.items():
        assert published_factors(name).sizes == wanted
    assert published_factors("codes") is None
    assert published_factors("smallnorb").factors[3].cyclic


def test_dsprites_and_cars_at_their_full_size(tmp_path):
    sizes = (1, 3, 6, 40, 32, 32)
    arrays = made.dsprites_arrays((1, 3, 1, 1, 1, 1)) | {"imgs": np.zeros((1, 64, 64), np.uint8)}
    classes = np.stack(np.unravel_index(np.arange(737_280), sizes), axis=1)
    turns = np.linspace(0, 2 * np.pi, 40)[classes[:, 3]]
    values = np.concatenate([classes[:, :3] + 1.0, turns[:, None], classes[:, 4:] / 31], axis=1)
    path = made.write_dsprites_hdf5(
        tmp_path, None, **{**arrays, "latents_classes": classes, "latents_values": values}
    )
    with h5py.File(path, "a") as file:
        del file["imgs"]
        data = file.create_dataset("imgs", (737_280, 64, 64), "u1", chunks=(1, 64, 64), fillvalue=0)
        data[600_000, 5, 6] = 1
    world = make_world("dsprites_file", path=path)
    assert world.factors.sizes == sizes[1:] and type(world.factors) is dsprites_file.FullTurnFactors
    assert np.argwhere(world.render(classes[600_000:600_001, 1:])[0, ..., 0]).tolist() == [[5, 6]]
    assert sample_transitions(world.factors, 20).x.shape == (20, 5)

    one = made.car_bytes(0)
    stems = [f"car_{i:03}_mesh" for i in range(183)]
    (tmp_path / "list.txt").write_text("\n".join(stems))
    for stem in stems:
        (tmp_path / f"{stem}.mat").write_bytes(one)
    world = make_world("cars3d", path=tmp_path)
    assert world.factors.size == 17_568 and world.rows.shape == (17_568, 64, 64, 3)
    assert "Reed" in world.credit
    assert world.order.reshape(4, 24, 183)[2, 5, 100] == 100 * 96 + 2 * 24 + 5


def test_small_norb_at_its_full_size(tmp_path):
    stems = {"training": (4, 6, 7, 8, 9), "testing": (0, 1, 2, 3, 5)}
    changed = {}
    for split, instances in stems.items():
        grid = np.meshgrid(range(5), instances, range(9), range(0, 36, 2), range(6), indexing="ij")
        labels = np.stack([g.ravel() for g in grid], axis=1).astype(np.int32)[::-1]
        dat = np.array([0x1E3D4C55, 4, 24_300, 2, 96, 96], dtype="<i4").tobytes()
        changed |= {
            f"{split}_dat": gzip.compress(dat),
            f"{split}_cat": gzip.compress(made.norb_bytes(labels[:, 0].copy())),
            f"{split}_info": gzip.compress(made.norb_bytes(labels[:, 1:].copy())),
        }
    world = make_world("smallnorb", path=made.write_norb(tmp_path, **changed))
    assert world.factors.sizes == (5, 10, 9, 18, 6) and world.factors.size == 48_600
    assert world.factors.factors[3].cyclic
    assert world.rows.shape == (48_600, 64, 64)
    number = world.factors.index([[4, 9, 8, 17, 5]])  # the last of training, so its first row
    assert world.order[number].tolist() == [0]


# The files that lie beside the project ------------------------------------------------------------


@pytest.fixture
def real(monkeypatch) -> Path:
    if not (REAL / "fixtures").is_dir():
        pytest.skip("no data beside the project")
    monkeypatch.setenv("CVQ_DATA", str(REAL))
    return REAL


def test_the_files_beside_the_project_are_read_exactly(real):
    fixtures = real / "fixtures"
    shapes = make_world("shapes3d_file")
    rows = np.loadtxt(fixtures / "3dshapes" / "written_rows.txt", dtype=np.int64)
    with h5py.File(shapes.path) as file:
        stored = np.stack([file["images"][row] for row in rows])
        labels = file["labels"][:]
    assert stored.any(axis=(1, 2, 3)).all()
    values = np.stack(np.unravel_index(rows, (10, 10, 10, 8, 4, 15)), axis=1)
    assert np.array_equal(shapes.render(values), stored)
    kinds = [np.unique(labels[:, f]) for f in range(6)]
    ranked = [np.searchsorted(k, labels[rows, f]) for f, k in enumerate(kinds)]
    assert np.array_equal(np.stack(ranked, axis=1), values)

    sprites = make_world("dsprites_file")
    with np.load(sprites.path, allow_pickle=False) as file:
        imgs, classes = file["imgs"], file["latents_classes"]
    assert sprites.factors.sizes == (3, 3, 5, 8, 8)
    assert np.array_equal(sprites.render(classes[:, 1:])[..., 2], 255 * imgs)
    alike = sprites.factors.first_alike(classes[:, 1:])
    assert np.array_equal(sprites.render(alike)[..., 0], 255 * imgs)

    sizes = (3, 3, 2, 2, 2, 4, 4)
    with np.load(fixtures / "mpi3d" / "mpi3d_real.npz", allow_pickle=False) as file:
        images = file["images"]
    world = make_world("mpi3d", sizes=sizes)
    grid = np.stack(np.unravel_index(np.arange(1152), sizes), axis=1)
    assert np.array_equal(world.render(grid), images)


def test_the_small_norb_beside_the_project_is_read_exactly(real):
    world = make_world("smallnorb", size=None)
    assert world.factors.sizes == (5, 10, 2, 4, 2)
    for stem, instances in made.NORB.values():
        read = [
            gzip.decompress((world.path / f"{stem}-{part}.mat.gz").read_bytes())
            for part in ("dat", "cat", "info")
        ]
        left = np.frombuffer(read[0][24:], np.uint8).reshape(400, 2, 96, 96)[:, 0]
        category = np.frombuffer(read[1][20:], "<i4")
        info = np.frombuffer(read[2][20:], "<i4").reshape(400, 4)
        assert set(info[:, 0].tolist()) == set(instances)
        values = np.column_stack([category, info[:, :2], info[:, 2] // 2, info[:, 3]])
        assert np.array_equal(world.render(values)[..., 0], left)


def test_the_cars_beside_the_project_are_read_exactly(real):
    world = make_world("cars3d", size=None)
    stems = (real / "cars3d" / "data" / "cars" / "list.txt").read_text().split()
    assert world.factors.sizes == (4, 24, len(stems)) and "Free Art License" in world.credit
    for number in (0, len(stems) - 1):
        image = loadmat(real / "cars3d" / "data" / "cars" / f"{stems[number]}.mat")["im"]
        values = [(e, a, number) for e in range(4) for a in range(24)]
        slow = np.stack([image[:, :, :, a, e] for e, a, _ in values])
        assert np.array_equal(world.render(values), slow)
