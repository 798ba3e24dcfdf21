from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from cvq_tutorial.common import folders as paths


def test_environment_variables_move_data_and_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("CVQ_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CVQ_CACHE", str(tmp_path / "cache"))
    assert paths.data_root() == tmp_path / "data"
    assert paths.cache_root() == tmp_path / "cache"
    assert not any(tmp_path.iterdir())  # asking makes nothing


def test_defaults_without_environment_variables(monkeypatch, tmp_path):
    monkeypatch.delenv("CVQ_DATA", raising=False)
    monkeypatch.delenv("CVQ_CACHE", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(paths, "PROJECT_ROOT", tmp_path / "project")
    assert paths.cache_root() == tmp_path / ".cache" / "cvq_tutorial"
    assert paths.data_root() == paths.cache_root()
    (tmp_path / "shared" / "data").mkdir(parents=True)
    assert paths.data_root() == tmp_path / "shared" / "data"


def test_an_empty_variable_counts_as_unset(monkeypatch):
    monkeypatch.setenv("CVQ_CACHE", " ")
    assert paths.cache_root() == Path.home() / ".cache" / "cvq_tutorial"


def test_write_atomic_writes_bytes_and_functions_and_makes_folders(tmp_path):
    path = paths.write_atomic(tmp_path / "a" / "b" / "file.bin", b"one")
    assert path.read_bytes() == b"one"
    paths.write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    paths.write_atomic(tmp_path / "a.npy", lambda f: np.save(f, np.arange(3), allow_pickle=False))
    assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 2]
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["a.npy", "file.bin"]


def test_a_written_file_has_the_usual_permissions(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    paths.write_atomic(tmp_path / "atomic", b"")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    "failure", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), RuntimeError("stopped")]
)
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    path = paths.write_atomic(tmp_path / "file", b"old")

    def content(file):
        file.write(b"half of the new")
        raise failure

    with pytest.raises(type(failure)) as caught:
        paths.write_atomic(path, content)
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
        paths.write_atomic(tmp_path / "file" / "inside" / "x", b"")


def test_close_match_names_the_nearest_and_all():
    assert paths.close_match("world", "shape3d", ["shapes3d", "codes"]) == (
        "unknown world 'shape3d'; did you mean 'shapes3d'? known: shapes3d, codes"
    )
    assert paths.close_match("world", 7, ["a", "b"]) == "unknown world 7; known: a, b"
