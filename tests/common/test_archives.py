"""What comes out of a packed file has a limit, which is known before it is unpacked."""

from __future__ import annotations

import io
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cvq_tutorial.common.archives import Budget, Metered, npy_header, read_npz


def packed(**arrays) -> bytes:
    data = io.BytesIO()
    np.savez_compressed(data, **arrays)
    return data.getvalue()


def member(data: bytes, name: str = "a.npy") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return file.getvalue()


def npy(array: np.ndarray, **header) -> bytes:
    """An array as .npy; header: what it says instead of the truth."""
    data = io.BytesIO()
    said = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape, **header}
    np.lib.format.write_array_header_1_0(data, said)
    return data.getvalue() + array.tobytes()


def test_small_arrays_come_back_as_numpy_reads_them(tmp_path):
    arrays = {
        "text": np.array("a graph"),
        "turned": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "none": np.zeros((0, 3), np.int8),
        "one": np.float32(2.5),
        "big_endian": np.arange(3, dtype=">i4"),
    }
    data = packed(**arrays, other=np.arange(3))
    (tmp_path / "a.npz").write_bytes(data)
    limits = dict.fromkeys([*arrays, "absent"], 100)
    for source in (data, tmp_path / "a.npz", str(tmp_path / "a.npz")):
        found = read_npz(source, limits)
        assert found.keys() == arrays.keys()
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype and np.array_equal(found[name], array)
            assert found[name].flags.writeable


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no zip", "expected an npz archive, found something else"),
        (packed(a=np.zeros(10**6)), r"a\.npy says that it unpacks to 8,000,128 bytes, expected at"),
        (packed(a=np.zeros(20)), r"a\.npy: it is of 160 bytes, expected at most 100"),
        (packed(a=np.array([{}])), r"a\.npy: it is pickled \(dtype object\), and nothing is unpi"),
        (
            member(npy(np.zeros(3), shape=(4,))),
            r"a\.npy: expected 32 bytes for shape \(4,\), found",
        ),
        (
            member(npy(np.zeros(3), shape=(2,))),
            r"a\.npy: expected 16 bytes for shape \(2,\), found",
        ),
        (member(npy(np.zeros(3), shape=(-1, -3))), r"lengths of 0 or more, found \(-1, -3\)"),
        (
            member(npy(np.zeros(3), shape=(10**30,))),
            r"it is of 80{30} bytes".replace("80{30}", ".*"),
        ),
        (member(b"\x93NUMPY\x02\x00" + b"\xff" * 4 + b" " * 99), "EOF: reading array header"),
        (member(b"\x93NUMPY\x09\x00"), "version 1, 2 or 3 of the .npy format, found \\(9, 0\\)"),
        (member(b""), r"a\.npy: EOF: reading magic string"),
    ],
)
def test_what_is_too_large_or_wrong_is_one_line(data, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_npz(data, {"a": 100})
    assert "\n" not in str(caught.value)
    assert read_npz(packed(b=np.zeros(10**6)), {"a": 100}) == {}  # what is not asked for may be so


def test_a_damaged_array_is_told_by_its_checksum():
    data = bytearray(packed(a=np.arange(10)))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        data[archive.infolist()[0].header_offset + 14] ^= 1  # its checksum, in both places
    data[data.rindex(b"PK\x01\x02") + 16] ^= 1
    with pytest.raises(ValueError, match=r"a\.npy: Bad CRC-32"):
        read_npz(bytes(data), {"a": 100})


def test_a_header_is_read_to_its_end_and_not_further():
    file = io.BytesIO(npy(np.arange(5.0)))
    assert npy_header(file) == ((5,), False, np.dtype(float))
    assert np.array_equal(np.frombuffer(file.read()), np.arange(5.0))


# Streams ------------------------------------------------------------------------------------------


def metered(tmp_path: Path, size: int, budget: Budget) -> Metered:
    path = tmp_path / "packed"
    path.write_bytes(bytes(10))
    return Metered(io.BytesIO(bytes(size)), path, budget)


def test_a_stream_gives_all_that_it_may(tmp_path):
    stream = metered(tmp_path, 1500, Budget(ratio=100, free=500))
    assert len(stream.read(200)) == 200 and len(stream.read()) == 1300 and stream.read() == b""


def test_a_stream_ends_where_it_gives_too_much_or_takes_too_long(tmp_path):
    for budget in (Budget(ratio=100, free=499), Budget(size=1499), Budget(ratio=0, free=1499)):
        with pytest.raises(ValueError, match=r"packed unpacks to more than 1,499 bytes, far more"):
            metered(tmp_path, 1500, budget).read()
        with pytest.raises(ValueError, match=r"a says that it unpacks to 1,500 bytes, expected at"):
            metered(tmp_path, 1500, budget).expect(1500, "a")
    stream = metered(tmp_path, 1500, Budget(seconds=-1))
    with pytest.raises(ValueError, match="reading it took more than -1 s"):
        stream.read(1)
    assert stream.end < time.monotonic()
