"""Files are written whole or not at all, and nothing but files is written over."""

from __future__ import annotations

import ast
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cvq_tutorial.common.files import _HERE, clear_leftovers, place_of, write_atomic
from cvq_tutorial.run.cli import main

ROOT = Path(__file__).resolve().parents[2]


def test_write_atomic_writes_bytes_and_functions_and_makes_folders(tmp_path):
    path = write_atomic(tmp_path / "a" / "b" / "file.bin", b"one")
    assert path.read_bytes() == b"one"
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    write_atomic(tmp_path / "a.npy", lambda f: np.save(f, np.arange(3), allow_pickle=False))
    assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 2]
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["a.npy", "file.bin"]


def test_a_written_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_atomic(tmp_path / "atomic", b"")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    "failure", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), RuntimeError("stopped")]
)
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    path = write_atomic(tmp_path / "file", b"old")

    def content(file):
        file.write(b"half of the new")
        raise failure

    with pytest.raises(type(failure)) as caught:
        write_atomic(path, content)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    if isinstance(failure, OSError):
        assert str(caught.value) == (
            f"cannot write {path}: No space left on device; nothing there was changed"
        )
        assert caught.value.errno == errno.ENOSPC


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(
        OSError, match=r"^cannot write .*file/inside/x: .+; nothing there was chang"
    ):
        write_atomic(tmp_path / "file" / "inside" / "x", b"")


# Links and what is no file ------------------------------------------------------------------------


def test_a_link_stays_a_link_and_what_it_leads_to_is_replaced(tmp_path):
    target = tmp_path / "elsewhere" / "target"
    target.parent.mkdir()
    target.write_bytes(b"old")
    (tmp_path / "second").symlink_to(target)
    (tmp_path / "first").symlink_to("second")
    assert write_atomic(tmp_path / "first", b"new") == tmp_path / "first"
    assert os.readlink(tmp_path / "first") == "second" and (tmp_path / "second").is_symlink()
    assert target.read_bytes() == b"new" and not target.is_symlink()
    assert [p.name for p in target.parent.iterdir()] == ["target"]


def test_a_link_to_nothing_makes_what_it_leads_to(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "not" / "yet")
    write_atomic(tmp_path / "link", b"made")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "not" / "yet").read_bytes() == b"made"


def test_a_folder_that_is_a_link_is_gone_through(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    write_atomic(tmp_path / "link" / "file", b"x")
    assert (tmp_path / "real" / "file").read_bytes() == b"x" and (tmp_path / "link").is_symlink()


@pytest.fixture
def special(tmp_path, monkeypatch):
    """A function that makes a thing of some kind that is no file, and gives its path."""
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    open_ones = []

    def make(kind: str) -> Path:
        path = tmp_path / "x.csv"
        if kind == "folder":
            path.mkdir()
        elif kind == "FIFO":
            os.mkfifo(path)
        elif kind == "socket":
            open_ones.append(socket.socket(socket.AF_UNIX))
            open_ones[0].bind(path.name)
        else:
            path.symlink_to("y.csv")
            (tmp_path / "y.csv").symlink_to("x.csv")
        return path

    yield make
    for one in open_ones:
        one.close()


KINDS = {
    "folder": "expected a file or nothing there, found a folder",
    "FIFO": r"expected a file or nothing there, found a FIFO \(a named pipe\)",
    "socket": "expected a file or nothing there, found a socket",
    "circle": "symbolic links that lead in a circle",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", ["name", "link"])
def test_what_is_no_file_is_refused_before_anything_is_made(tmp_path, special, kind, by):
    path = there = special(kind)
    before = os.lstat(there)
    if by == "link":
        path = tmp_path / "link"
        path.symlink_to(there)
    for call in (place_of, lambda p: write_atomic(p, lambda f: pytest.fail("content was made"))):
        with pytest.raises(OSError, match=f"^cannot write {path}: {KINDS[kind]}$") as caught:
            call(path)
        assert caught.value.errno in (errno.EISDIR, errno.EINVAL, errno.ELOOP)
    after = os.lstat(there)
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert not list(tmp_path.glob(".*"))


def test_the_command_line_refuses_a_fifo_before_it_reads_a_model(tmp_path, capsys, special):
    path = special("FIFO")
    arguments = ["graph", str(tmp_path), "--action", "0", "--format", "csv", "--out", str(path)]
    assert main(arguments) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"cvq: error: cannot write {path}: expected a file") and "FIFO" in told
    assert main(["bench", "--out", str(path)]) == 1
    assert "FIFO" in capsys.readouterr().err


def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"old")
    path.chmod(0o600)
    write_atomic(path, b"new")
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_longest_name_that_a_disk_takes_can_be_written(tmp_path):
    for name in ("a" * 255, "\u4e16" * 85):  # three bytes each
        assert write_atomic(tmp_path / name, b"x").read_bytes() == b"x"


def test_nothing_in_the_package_or_its_tools_writes_a_file_by_itself():
    allowed = {("common/files.py", "open"), ("run/cli.py", "open")}  # the writer; the null device
    allowed.add(("tools/build_film.py", "open"))  # the log of a server, in a folder of its own
    allowed.add(("experiments/turns.py", "write_text"))  # no file: the kernel's count starts anew
    found = set()
    for path in [*(ROOT / "cvq_tutorial").rglob("*.py"), *(ROOT / "tools").glob("*.py")]:
        if path.name == "torture.py":  # it writes the scripts that it kills, in a folder of its own
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            modes = [a.value for a in node.args if isinstance(a, ast.Constant)]
            modes += [k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)]
            writes = any(str(mode) in ("w", "wb", "a", "ab", "x", "xb") for mode in modes)
            if name in ("write_text", "write_bytes", "save_file") or (name == "open" and writes):
                found.add((path.relative_to(ROOT).as_posix().removeprefix("cvq_tutorial/"), name))
    assert found == allowed


# What killed processes leave ---------------------------------------------------------------------

HANGS = """
import sys, time
from cvq_tutorial.common.files import write_atomic
def content(file):
    file.write(b"half"); file.flush(); print("writing", flush=True); time.sleep(600)
write_atomic(sys.argv[1], content)
"""


def test_what_a_killed_process_left_is_cleared_and_what_a_living_one_writes_is_not(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HANGS, str(tmp_path / "file")], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout.readline() == b"writing\n"
        [half] = tmp_path.iterdir()
        assert clear_leftovers(tmp_path) == [] and half.exists()
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        assert half.read_bytes() == b"half"
    code = "from sys import argv; from cvq_tutorial.common import files; "
    code += "files.write_atomic(argv[1], b'')"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "other")], check=True)
    assert [p.name for p in tmp_path.iterdir()] == ["other"]  # the next writer cleared it


def test_only_names_of_ours_are_cleared(tmp_path):
    gone = 2**22 + 1  # no process of Linux has a larger number than 2**22
    kept = [
        f".a.{os.getpid()}-01234567.tmp",  # of a version that did not name the machine, and young
        f".a.00000000-{gone}-01234567.tmp",  # another machine's
        f".a.{_HERE}-{os.getpid()}-01234567.tmp",
        f"a.{_HERE}-{gone}-01234567.tmp",
        f".a.{_HERE}-{gone}-0123456.tmp",
        "a.tmp",
    ]
    old = [f".b.{gone}-01234567.tmp", f".b.00000000-{gone}-01234567.tmp"]
    for name in (*kept, *old):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / f".c.{_HERE}-{gone}-01234567.tmp").mkdir()
    for name in old:
        os.utime(tmp_path / name, (time.time() - 10**5,) * 2)
    left = tmp_path / f".model.safetensors.{_HERE}-{gone}-01234567.tmp"
    left.write_bytes(b"")
    assert sorted(clear_leftovers(tmp_path)) == sorted([left, *(tmp_path / n for n in old)])
    assert {p.name for p in tmp_path.iterdir() if p.is_file()} == set(kept)
    assert clear_leftovers(tmp_path / "nowhere") == []
