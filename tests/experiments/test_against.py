"""Two commits in turns: what is compared, what is said where one cannot be run, what is left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.experiments import against
from cvq_tutorial.run.cli import main


def git(folder: Path, *words: str) -> str:
    name = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(folder), *name, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def committed(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of what is in the folder; `against` looks for revisions there."""
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "one")
    checked_out = against.checked_out
    monkeypatch.setattr(against, "checked_out", lambda revision: checked_out(revision, root))
    return root


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """With a commit whose package cannot be imported."""
    package = tmp_path / "repository" / "cvq_tutorial"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import no_such_module_anywhere\n")
    return committed(package.parent, monkeypatch)


def test_a_commit_of_this_package_against_this_checkout(tmp_path, monkeypatch, capsys):
    """Whole, on the recipe `nano`, from a worktree that is gone afterwards."""
    root = tmp_path / "repository"
    unread = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT_ROOT / "cvq_tutorial", root / "cvq_tutorial", ignore=unread)
    committed(root, monkeypatch)
    out = tmp_path / "against.json"
    assert main(["bench", "--against", "HEAD", "--quick", "--out", str(out)]) == 0
    assert len(git(root, "worktree", "list").splitlines()) == 1
    told, printed = json.loads(out.read_text()), capsys.readouterr().out
    assert told["revision"] == "HEAD" and told["quick"] and set(told["rows"]) == set(against.KINDS)
    for kind, row in told["rows"].items():
        assert against.KINDS[kind] in printed
        for r in row.values():
            assert 0 < r["low"] <= r["ratio"] <= r["high"]
            assert r["then"] > 0 and r["now"] > 0
    assert all(row["peak"]["then"] > 50e6 for row in told["rows"].values())


def test_bad_revisions_are_one_line(repository, capsys):
    assert main(["bench", "--against", "v99"]) == 2
    assert "--against: no commit 'v99' in this repository" in capsys.readouterr().err
    assert main(["bench", "--against", "HEAD", "--quick"]) == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith("cvq: error: HEAD cannot be run: ModuleNotFoundError: No module named")
    assert "\n" not in error and "no_such_module_anywhere" in error
    assert len(git(repository, "worktree", "list").splitlines()) == 1
    assert main(["bench", "--against", "HEAD", "--growth"]) == 2


def test_where_is_no_checkout_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "plain").mkdir()
    found_none = pytest.raises(ValueError, match="--against needs a checkout of git, found none")
    with found_none, against.checked_out("HEAD", tmp_path / "plain"):
        pass


def test_a_package_from_elsewhere_is_not_measured(tmp_path):
    """A folder without the package would quietly be the one that is installed."""
    with pytest.raises(RuntimeError, match="empty cannot be run: expected the package in"):
        against.Side(tmp_path, "empty", True)


def test_one_that_breaks_down_on_the_way_is_named(tmp_path):
    package = tmp_path / "cvq_tutorial"
    (package / "training").mkdir(parents=True)
    (package / "__init__.py").write_text(
        "def make_world(name): return name\n"
        "def train(*a, **k): raise MemoryError('no room')\n"
        "evaluate = None\n"
    )
    (package / "training" / "__init__.py").write_text("")
    (package / "training" / "recipes.py").write_text("def get(*a, **k): return None\n")
    side = against.Side(tmp_path, "that", True)
    with pytest.raises(RuntimeError, match="that failed: MemoryError: no room"):
        side.turn()
    side.close()
    assert side.process.returncode is not None


def piece(what: str, cpu: float, done: int = 10, peak: int = 1) -> dict:
    return {"what": what, "wall": 2 * cpu, "cpu": cpu, "done": done, "peak": peak}


def test_ratios_are_of_neighbours_and_the_first_half_is_left_out():
    pieces = [(piece("autoencoder", 99.0, peak=8), piece("autoencoder", 1.0, peak=2))] * 2
    for a, b in ((1.0, 0.5), (100.0, 60.0), (2.0, 1.4)):
        pieces.append((piece("autoencoder", a, peak=5), piece("autoencoder", b, peak=4)))
    row = against.compared(pieces)["autoencoder"]
    assert set(against.compared(pieces)) == {"autoencoder"}
    assert row["cpu"]["ratio"] == pytest.approx(0.6)  # not that of the sums, 61.9 to 103
    assert (row["cpu"]["low"], row["cpu"]["high"]) == pytest.approx((0.5, 0.7))
    assert row["cpu"]["then"] == pytest.approx(0.2) and row["wall"]["then"] == pytest.approx(0.4)
    assert (row["peak"]["then"], row["peak"]["now"], row["peak"]["ratio"]) == (8, 4, 0.5)
    with pytest.raises(RuntimeError, match="expected the same work of both"):
        against.compared([(piece("autoencoder", 1.0), piece("autoencoder", 1.0, done=20))])


def test_they_take_turns_in_going_first():
    order: list[str] = []

    class Listed:
        def __init__(self, name: str) -> None:
            self.name, self.left = name, 4

        def turn(self):
            order.append(self.name)
            self.left -= 1
            return {"what": "x"} if self.left >= 0 else None

    assert len(against._in_turns(Listed("then"), Listed("now"))) == 4
    assert order[:8] == ["then", "now", "now", "then", "then", "now", "now", "then"]


def test_the_load_is_told_where_it_is_counted(monkeypatch):
    assert against.load() is None or against.load() >= 0
    monkeypatch.delattr(os, "getloadavg", raising=False)
    assert against.load() is None
