"""Whatever bytes a file has: its own pictures, or one line that names it, and never others."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import benchmark_files as made
import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cvq_tutorial.common.archives import read_npz
from cvq_tutorial.worlds.files import cars3d
from cvq_tutorial.worlds.files.hdf5 import HDF5Rows, dataset_of, names_of
from cvq_tutorial.worlds.files.npz import array_of
from cvq_tutorial.worlds.files.rows import check_pictures
from cvq_tutorial.worlds.files.smallnorb import read_header
from cvq_tutorial.worlds.pictures import decode

PICTURES = made.pictures(range(3), (64, 64, 3))
MOST_ROWS = 100  # what a world expects is compared before pictures are read

# The ends of a file hold what says how to read it, so half of the edits are there.
PLACE = st.one_of(st.integers(0, 300), st.integers(-400, -1), st.integers(0, 2**31))
EDIT = st.tuples(
    PLACE, st.sampled_from(["set", "flip", "drop", "add", "zero", "cut"]), st.binary(max_size=9)
)
EDITS = st.lists(EDIT, min_size=1, max_size=4)
few = settings(
    max_examples=200, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
fewer = settings(few, max_examples=80)


def edited(data: bytes, edits: list[tuple[int, str, bytes]]) -> bytes:
    out = bytearray(data)
    for place, kind, new in edits:
        at = place % max(1, len(out))
        if kind == "set":
            out[at : at + len(new)] = new
        elif kind == "flip" and out:
            out[at] ^= 1 << (len(new) % 8)
        elif kind == "drop":
            del out[at : at + 1 + len(new)]
        elif kind == "add":
            out[at:at] = new
        elif kind == "zero":
            out[at : at + 4 * len(new)] = bytes(len(out[at : at + 4 * len(new)]))
        elif kind == "cut" and len(new) > 6:  # else nearly all would be cut
            del out[at:]
    return bytes(out)


def holds(path: Path, read: Callable[[], np.ndarray], truth: np.ndarray) -> None:
    """Reading gives the truth, or one line that names the file."""
    try:
        found = read()
    except (ValueError, TypeError, OSError) as error:
        text = str(error)
        assert "\n" not in text and str(path) in text, repr(error)
        return
    assert found.dtype == truth.dtype and np.array_equal(found, truth)


def spoilt(folder: Path, name: str, data: bytes, edits: list) -> Path:
    path = folder / name
    path.write_bytes(edited(data, edits))
    return path


# npz ----------------------------------------------------------------------------------------------


def whole(path: Path, compressed: bool) -> bytes:
    return made.write_npz(path, compressed, images=PICTURES, other=np.arange(9)).read_bytes()


@pytest.mark.parametrize("compressed", [True, False])
def test_any_npz(tmp_path, compressed):
    data = whole(tmp_path / "good.npz", compressed)

    @few
    @given(EDITS)
    def holds_for(edits):
        path = spoilt(tmp_path, "a.npz", data, edits)

        def read() -> np.ndarray:
            array = array_of(path, "images")
            check_pictures(str(array), array.shape, array.dtype, (64, 64, 3))
            return np.concatenate([block for _, block in array.blocks(2)])

        holds(path, read, PICTURES)

    holds_for()


@few
@given(st.binary(max_size=80), st.sampled_from([1, 2, 3]), st.integers(0, 2**32 - 1))
def test_any_header_of_an_array(text, version, length):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        size = length.to_bytes(4, "little")[: 2 if version == 1 else 4]
        archive.writestr("a.npy", b"\x93NUMPY" + bytes([version, 0]) + size + text)
    try:
        read_npz(data.getvalue(), {"a": 1000})
    except ValueError as error:
        assert "\n" not in str(error) and str(error).startswith("a.npy: ")


SHAPE = st.lists(st.integers(-3, 2**40), max_size=4).map(tuple)
DTYPE = st.sampled_from(["|u1", "<f8", "|O", "<U9", "|S0", "<M8[s]", "|V3", "<f16", "|b1"])


@few
@given(SHAPE, DTYPE, st.booleans(), st.binary(max_size=64))
def test_any_shape_that_a_header_declares(shape, dtype, fortran, numbers):
    text = io.BytesIO()
    said = {"descr": dtype, "fortran_order": fortran, "shape": shape}
    np.lib.format.write_array_header_1_0(text, said)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("a.npy", text.getvalue() + numbers)
    try:
        found = read_npz(data.getvalue(), {"a": 1000})["a"]
    except ValueError as error:
        assert "\n" not in str(error) and str(error).startswith("a.npy: ")
        return
    assert found.shape == shape and found.nbytes == len(numbers) and not found.dtype.hasobject


# HDF5 ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_any_hdf5(tmp_path, version):
    with h5py.File(tmp_path / "good.h5", "w", libver=version) as file:
        file.create_dataset("images", data=PICTURES, chunks=(1, 64, 64, 3), compression="gzip")
        file["labels"] = np.arange(6.0)
    data = (tmp_path / "good.h5").read_bytes()
    with h5py.File(tmp_path / "good.h5") as file:
        pieces = [file["images"].id.get_chunk_info(i) for i in range(3)]
    first = min(piece.byte_offset for piece in pieces)
    # what says how to read the pictures lies before or after them
    place = st.one_of(st.integers(0, first), st.integers(-3000, -1), st.integers(0, len(data)))
    edits = st.lists(st.tuples(place, EDIT.map(lambda e: e[1]), st.binary(max_size=9)), min_size=1)

    @few
    @given(edits)
    def holds_for(edits):
        path = spoilt(tmp_path, "a.h5", data, edits)

        def read() -> np.ndarray:
            names_of(path)
            found = dataset_of(path, "images")
            check_pictures(str(found), found.shape, found.dtype, (64, 64, 3))
            if found.shape[0] > MOST_ROWS:
                raise ValueError(f"{path}: expected 3 rows, found {found.shape[0]}")
            rows = HDF5Rows(path, "images", found.shape)
            try:
                return rows.read(np.arange(found.shape[0]))
            finally:
                rows.close()

        try:
            holds(path, read, PICTURES)
        except AssertionError:
            with h5py.File(path) as file:  # fewer rows than there were are another, whole file
                assert len(file["images"]) != 3, edits

    holds_for()


# Small NORB ---------------------------------------------------------------------------------------


def test_any_file_of_small_norb(tmp_path):
    truth = made.pictures(range(3), (2, 96, 96))
    data = gzip.compress(made.norb_bytes(truth), mtime=0)

    @few
    @given(EDITS)
    def holds_for(edits):
        path = spoilt(tmp_path, "a.mat.gz", data, edits)

        def read() -> np.ndarray:
            header = read_header(path)
            if header.shape != truth.shape:
                raise ValueError(f"{path}: expected shape {truth.shape}, found {header.shape}")
            return np.concatenate(list(header.blocks(2)))

        holds(path, read, truth)

    holds_for()


NUMBERS = st.lists(st.integers(-(2**31), 2**31 - 1), max_size=12)


@few
@given(st.sampled_from([0x1E3D4C51, 0x1E3D4C54, 0x1E3D4C55, 7]), NUMBERS)
def test_any_header_of_small_norb(tmp_path_factory, magic, numbers):
    path = tmp_path_factory.getbasetemp() / "norb.mat"
    path.write_bytes(np.array([magic, *numbers], "<i8").astype("<i4").tobytes())
    try:
        header = read_header(path)
    except ValueError as error:
        assert "\n" not in str(error) and str(path) in str(error)
        return
    assert len(header.shape) == numbers[0] and list(header.shape) == numbers[1 : 1 + numbers[0]]


# Cars3D -------------------------------------------------------------------------------------------


def test_any_car(tmp_path):
    data, truth = made.car_bytes(1), made.car_arrays(1).transpose(4, 3, 0, 1, 2)

    @fewer
    @given(EDITS)
    def holds_for(edits):
        read = edited(data, edits)
        holds(
            tmp_path,
            lambda: cars3d._pictures_of(str(tmp_path), read),
            truth.reshape(-1, 128, 128, 3),
        )

    holds_for()


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
def test_any_archive_of_cars(tmp_path, ending):
    names = ("one", "two")
    files = {"cars/list.txt": b"one\ntwo\n"}
    files |= {f"cars/{n}.mat": random.Random(i).randbytes(700) for i, n in enumerate(names)}
    data = made.write_tar(tmp_path / f"good.{ending}", files).read_bytes()

    @few
    @given(EDITS)
    def holds_for(edits):
        path = spoilt(tmp_path, f"a.{ending}", data, edits)
        try:
            found = [str(place) for place in cars3d._scan(path)]
        except (ValueError, OSError) as error:
            assert "\n" not in str(error) and str(path) in str(error), repr(error)
            return
        kept = {f"cars/{name}.mat" for name in names}
        # a plain tar has no checksum of what is in it, a packed one has
        assert set(found) == kept if ending == "tar.gz" else set(found) <= kept

    holds_for()


@few
@given(
    st.lists(
        st.tuples(st.text(max_size=20), st.integers(0, 2**45), st.sampled_from("012345678LKx"))
    )
)
def test_any_members_of_an_archive(tmp_path_factory, members):
    path = tmp_path_factory.getbasetemp() / "members.tar"
    with open(path, "wb") as file:
        for name, size, kind in members:
            member = tarfile.TarInfo(name)
            member.size, member.type = size, kind.encode()
            file.write(member.tobuf(errors="surrogateescape"))
        file.write(bytes(1024))
    try:
        cars3d._scan(path)
    except ValueError as error:
        assert "\n" not in str(error) and str(path) in str(error)


# Pictures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.ppm", "a.qoi", "a.bmp", "a.gif"])
def test_any_picture(tmp_path, name):
    from PIL import Image

    Image.fromarray(PICTURES[0, :16, :16]).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()

    @fewer
    @given(EDITS)
    def holds_for(edits):
        path = spoilt(tmp_path, name, data, edits)
        try:
            found = decode(path)
        except ValueError as error:
            assert "\n" not in str(error) and str(path) in str(error)
            return
        assert found.dtype == np.uint8 and found.ndim == 3 and found.shape[2] == 3

    holds_for()
