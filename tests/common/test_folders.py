from __future__ import annotations

import sys

from cvq_tutorial.common import checks
from cvq_tutorial.common import folders as paths
from cvq_tutorial.common.files import _HERE


def test_environment_variables_move_data_and_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("CVQ_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CVQ_CACHE", str(tmp_path / "cache"))
    assert paths.data_root() == tmp_path / "data"
    assert paths.cache_root() == tmp_path / "cache"
    assert not any(tmp_path.iterdir())  # asking makes nothing


def test_defaults_without_environment_variables(monkeypatch, tmp_path):
    for name in ("CVQ_DATA", "CVQ_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")  # where caches of earlier versions are kept
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(paths, "PROJECT_ROOT", tmp_path / "project")
    assert paths.cache_root() == tmp_path / ".cache" / "cvq_tutorial"
    assert paths.data_root() == paths.cache_root()
    (tmp_path / "shared" / "data").mkdir(parents=True)
    assert paths.data_root() == tmp_path / "shared" / "data"


def test_an_empty_variable_counts_as_unset(monkeypatch):
    monkeypatch.delenv("CVQ_CACHE", raising=False)
    wanted = paths.cache_root()
    monkeypatch.setenv("CVQ_CACHE", " ")
    assert paths.cache_root() == wanted


def test_a_run_folder_is_made_and_only_what_killed_runs_left_goes(tmp_path):
    folder = paths.prepare_folder(tmp_path / "runs" / "one")
    (folder / ".writable").write_text("mine")
    left = folder / f".log.csv.{_HERE}-{2**22 + 1}-01234567.tmp"  # Linux counts to 2**22
    left.write_bytes(b"half")
    assert paths.prepare_folder(folder) == folder
    assert [(p.name, p.read_text()) for p in folder.iterdir()] == [(".writable", "mine")]


def test_close_match_names_the_nearest_and_all():
    assert checks.close_match("world", "shape3d", ["shapes3d", "codes"]) == (
        "unknown world 'shape3d'; did you mean 'shapes3d'? known: shapes3d, codes"
    )
    assert checks.close_match("world", 7, ["a", "b"]) == "unknown world 7; known: a, b"
