"""The self-checks of lesson 00: each likely mistake gets its own hint."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from cvq_tutorial.lessons import check

SOURCES = Path(__file__).resolve().parent.parent.parent / "notebooks" / "src"
WAY = ["wall_hue-", "object_hue+", "object_hue+", "shape+"]
BACK = ["wall_hue+", "object_hue-", "object_hue-", "shape-"]


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.actions_of_nine_factors, 18, "right: "),
        (check.actions_of_nine_factors, 9, "raised and lowered"),
        (check.actions_of_nine_factors, 512, "added"),
        (check.actions_of_nine_factors, 12, "this world's"),
        (check.actions_of_nine_factors, 17, "one up, one down"),
        (check.actions_of_nine_factors, "nine", "expected an integer"),
        (check.actions_of_nine_factors, None, "not attempted yet"),
        (check.undoing_action, lambda a, f: (a + f) % (2 * f), "right: "),
        (check.undoing_action, lambda a, f: np.int64(a + f if a < f else a - f), "right: "),
        (check.undoing_action, lambda a, f: a + f, "come back"),
        (check.undoing_action, lambda a, f: a - f, "below 0"),
        (check.undoing_action, lambda a, f: -a, "from 0 on"),
        (check.undoing_action, lambda a, f: a, "one step further"),
        (check.undoing_action, lambda a, f: (a + f) % f, "by 2 F"),
        (check.undoing_action, lambda a, f: 2 * f - 1 - a, "from the other end"),
        (check.undoing_action, lambda a, f: (a + 6) % 12, "F is an argument"),
        (
            check.undoing_action,
            lambda a, f: "wall_hue-",
            "expected an integer, found str 'wall_hue-'",
        ),
        (check.undoing_action, lambda a, f: None, "not attempted yet"),
        (check.undoing_action, 7, "expected a function"),
        (check.way_to_the_goal, WAY, "right: "),
        (check.way_to_the_goal, tuple(reversed(WAY)), "right: "),
        (check.way_to_the_goal, [*WAY, "scale+", "scale-"], "a shorter way"),
        (check.way_to_the_goal, BACK, "back to the start"),
        (check.way_to_the_goal, [*WAY[:2], "shape+"], "how far each"),
        (check.way_to_the_goal, ["wall_hue+", *WAY[1:]], "in which direction"),
        (check.way_to_the_goal, [*WAY, "scale+"], "one factor too many"),
        (check.way_to_the_goal, WAY[:3], "not all that differs"),
        (check.way_to_the_goal, [], "not all that differs"),
        (check.way_to_the_goal, ["object_hue+"] * 3, "object_hue+ can go no further"),
        (check.way_to_the_goal, ["wal_hue-"], "did you mean 'wall_hue-'"),
        (check.way_to_the_goal, [3], "unknown action 3"),
        (check.way_to_the_goal, "wall_hue-", "expected a list of names"),
        (check.way_to_the_goal, {"wall_hue-": 1}, "expected a list of names"),
        (check.way_to_the_goal, None, "not attempted yet"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)
    assert "\n" not in exercise.reply(answer)


def test_the_map_has_every_lesson_with_the_minutes_of_its_card():
    start = (SOURCES / "00_start_here.py").read_text("utf-8")
    rows = re.findall(
        r"\| \[(\d\d\w?) [^\]]+\]\((\S+)\.ipynb\) \| [^|]+ \| (\d+) \+ (\d+) \|", start
    )
    assert [name for _, name, *_ in rows] == sorted(p.stem for p in SOURCES.glob("[0-8]?*_*.py"))
    for number, name, *minutes in rows:
        assert name.startswith(number)
        card = (SOURCES / f"{name}.py").read_text("utf-8")
        told = re.search(r"\| time \| read (\d+) minutes, exercises (\d+) minutes", card)
        assert told, name
        assert list(told.groups()) == minutes, name
