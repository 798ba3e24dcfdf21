"""Files of ours are read as what they are, or refused in one line that says where and why."""

from __future__ import annotations

import json
import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import FEW

from cvq_tutorial.common import json_files
from cvq_tutorial.common.json_files import (
    NUMBER,
    TEXT,
    WHOLE,
    FileError,
    check,
    dict_of,
    list_of,
    or_null,
    parse,
    read_json,
    read_rows,
    record,
    to_json,
)

SCHEMA = record({"n": WHOLE, "x": list_of(NUMBER)}, name=TEXT, more=or_null(dict_of(NUMBER)))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "line 1, column 1: no JSON"),
        (b'{"n": 1,\n "x"}', "line 2, column 5: no JSON"),
        (b"[]", "expected a dictionary, found []"),
        (b'{"x": []}', "n: missing"),
        (b'{"n": 1.0, "x": []}', "n: expected a whole number, found 1.0"),
        (b'{"n": true, "x": []}', "n: expected a whole number, found True"),
        (b'{"n": 1, "x": [1, "2"]}', "x[1]: expected a number, found '2'"),
        (b'{"n": 1, "x": [1, false]}', "x[1]: expected a number, found False"),
        (b'{"n": 1, "x": [{}]}', "x[0]: expected a number, found {}"),
        (b'{"n": 1, "x": [], "name": 3}', "name: expected a text, found 3"),
        (b'{"n": 1, "x": [], "more": 3}', "more: expected a dictionary or null, found 3"),
        (b'{"n": 1, "x": [], "more": {"a.b\\n": []}}', r"more['a.b\n']: expected a number"),
        (b'{"n": 1, "x": [NaN]}', "expected finite numbers, found NaN"),
        (b'{"n": 1, "x": [-Infinity]}', "expected finite numbers, found -Infinity"),
        (b'{"n": 1, "x": [1e400]}', "expected finite numbers, found 1e400"),
        (b'{"n": 1' + b"0" * 400 + b', "x": []}', "expected whole numbers up to 2^64, found 10000"),
        (b'{"n": 1, "n": 2, "x": []}', "expected each key once, found 'n' twice"),
        (b'{"n": "\xff"}', "byte 7: expected UTF-8, found 0xff"),
        (b'{"n": 1, "x": [], "name": "\\ud800"}', r"name: expected whole characters, found"),
        (b"[" * 200_000, "expected at most 32 levels, found more"),
        (b"[" * 100 + b"]" * 100, "expected at most 32 levels, found more"),
        (b" " * 5_000_000, "expected at most 4000000 bytes, found more"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_damaged_is_one_line_with_its_place(tmp_path, content, told):
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(FileError) as caught:
        read_json(path, SCHEMA)
    text = str(caught.value)
    assert text.startswith(f"{path} is damaged: ") and told in text
    assert "\n" not in text and len(text) < len(str(path)) + 200


def test_what_fits_is_read_and_keys_that_nobody_knows_stay(tmp_path):
    value = {"n": 2**64, "x": [1, 0.5], "name": "ä", "more": None, "later": [True]}
    path = tmp_path / "file.json"
    path.write_bytes(b"\xef\xbb\xbf" + to_json(value))  # an editor may put a mark before it
    assert read_json(path, SCHEMA) == value
    assert check(value, "x", SCHEMA) is value


def test_what_is_no_file_is_told_and_nobody_waits_for_a_pipe(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        read_json(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError, match="no file"):
        read_json(tmp_path / "file" / "inside")
    with pytest.raises(FileError, match="expected a file, found a folder"):
        read_json(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="expected a file, found something else"):
        read_json(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(FileError, match="cannot be read"):
        read_json(tmp_path / "loop")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_reaches_no_file(number):
    with pytest.raises(
        ValueError, match=r"^a\.b\[1\]: expected a finite number, found -?(nan|inf)$"
    ):
        to_json({"a": {"b": [1.0, number]}})
    with pytest.raises(FileError, match=r"x: expected a finite number, found -?(nan|inf)$"):
        check({"x": number}, "file", record({"x": NUMBER}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=8)
    | st.floats(-1e9, 1e9, allow_subnormal=False),
    lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text(), part, max_size=4),
    max_leaves=12,
)  # fmt: skip


@FEW
@given(JSON)
def test_whatever_is_written_is_read_as_it_was(value):
    assert parse(to_json(value), "file") == value


@FEW
@given(st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()))
def test_whatever_a_file_holds_it_fits_or_is_refused_in_one_line(data):
    try:
        found = parse(data, "file", SCHEMA)
    except FileError as error:
        assert "\n" not in str(error) and str(error).startswith("file is damaged: ")
        return
    assert type(found["n"]) is int and all(type(x) in (int, float) for x in found["x"])


# Tables ------------------------------------------------------------------------------------------


def rows_of(path, content: str | bytes) -> list[dict]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_rows(path, texts=("phase",), needed=("phase", "step"))


def test_a_table_is_read_as_numbers(tmp_path):
    found = rows_of(tmp_path / "log.csv", "phase,step,psnr\na,1,\na,2,3.5\n")
    assert found == [{"phase": "a", "step": 1.0}, {"phase": "a", "step": 2.0, "psnr": 3.5}]
    assert rows_of(tmp_path / "log.csv", "phase,step\n") == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "line 1: expected one column 'phase', found 0"),
        ("phase,loss\na,1\n", "line 1: expected one column 'step', found 0"),
        ("phase,step,step\na,1,2\n", "line 1: expected one column 'step', found 2"),
        ("phase,step\na\n", "line 2: expected 2 fields, found 1"),
        ("phase,step\na,1,2\n", "line 2: expected 2 fields, found 3"),
        ("phase,step\na,\n", "line 2, step: missing"),
        ("phase,step\na,1\na,x\n", "line 3, step: expected a finite number, found 'x'"),
        ("phase,step\na,nan\n", "line 2, step: expected a finite number, found 'nan'"),
        ("phase,step\na,1e999\n", "line 2, step: expected a finite number, found '1e999'"),
        ("phase,step\na,1_0\n", "line 2, step: expected a finite number, found '1_0'"),
        ('phase,step\n"a,1\n', "line 2: "),
        (b"phase,step\n\xff,1\n", "byte 11: expected UTF-8, found 0xff"),
        ("phase,step," + ",".join(map(str, range(30_000))), "at most 1000 columns, found 30002"),
        ("phase,step\na,1" + "0" * 5_000_000, "expected at most 4000000 bytes"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_damaged_table_is_one_line_with_its_place(tmp_path, content, told):
    with pytest.raises(FileError) as caught:
        rows_of(tmp_path / "log.csv", content)
    assert told in str(caught.value) and "\n" not in str(caught.value)


@FEW
@given(st.text(alphabet="phasetp,1.e-9\n\r\"'x", max_size=60) | st.binary(max_size=60))
def test_whatever_a_table_holds_it_is_rows_of_numbers_or_refused(tmp_path_factory, content):
    data = content.encode() if isinstance(content, str) else content
    path = tmp_path_factory.getbasetemp() / "any.csv"
    try:
        found = rows_of(path, b"phase,step,x\n" + data)
    except FileError as error:
        assert "\n" not in str(error)
        return
    for row in found:
        assert isinstance(row["phase"], str) and math.isfinite(row["step"])
        assert set(row) <= {"phase", "step", "x"}


def test_schemas_are_made_once():
    json_files._validator.cache_clear()
    for _ in range(5):
        parse(b'{"n": 1, "x": []}', "file", SCHEMA)
    assert json_files._validator.cache_info().misses == 1
