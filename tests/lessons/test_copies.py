"""A lesson's two notebooks are one: `make test` runs the solved one, the other is held to it.

They may differ in the stubs of the exercises, in the solutions that are folded under the learner's
questions, in what the self-checks say, and in the line that says which of the two it is.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from cvq_tutorial.lessons import check
from cvq_tutorial.lessons.check.base import NOT_ATTEMPTED

BOOKS = Path(__file__).resolve().parent.parent.parent / "notebooks"
LESSONS = sorted(path.name for path in BOOKS.glob("[0-9]*.ipynb"))


def asked(cell) -> str:
    """The words of a cell without the solution that is folded under them."""
    return cell.source.partition("\n\n<details><summary>Stuck?")[0]


def texts(cell) -> list:
    return [o.get("text") or o.get("data", {}).get("text/plain") for o in cell.outputs]


def test_each_lesson_has_both():
    assert LESSONS and sorted(p.name for p in (BOOKS / "solutions").glob("*.ipynb")) == LESSONS


@pytest.mark.parametrize("name", LESSONS)
def test_they_differ_in_their_exercises_only(name):
    mine, solved = (
        nbformat.read(place / name, as_version=4).cells for place in (BOOKS, BOOKS / "solutions")
    )
    exercises = 0
    assert len(mine) == len(solved)
    for number, (ours, theirs) in enumerate(zip(mine, solved, strict=True)):
        if "stub" in ours.metadata.get("tags", ()):
            assert "solution" in theirs.metadata["tags"]
            question = next(c for c in mine[number::-1] if c.cell_type == "markdown")
            told, answered = mine[number + 1], solved[number + 1]
            call = told.source.rpartition("\n")[2]
            assert f"<code>{call.partition('(')[0]}.hint()</code>" in question.source
            assert f"```python\n{theirs.source}\n```" in question.source
            assert call.startswith("check.") and call in answered.source
            space = {"check": check}
            exec(ours.source, space)  # as it is handed out, it is not attempted
            value = space[call.partition("(")[2].rstrip(")")]
            assert getattr(check, call[6:].partition("(")[0]).reply(value) == NOT_ATTEMPTED
            assert texts(told) == [f"{NOT_ATTEMPTED}\n"]
            assert texts(answered)[0].startswith("right: ")
            exercises += 1
        elif number:
            assert asked(ours) == asked(theirs)
            answers = "stub" in mine[number - 1].metadata.get("tags", ())
            if ours.cell_type == "code" and not answers:
                assert texts(ours) == texts(theirs), ours.source
    assert exercises >= 3
