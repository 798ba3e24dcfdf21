"""The self-checks of lesson 11b: each likely mistake gets its own hint."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pytest
import torch

from cvq_tutorial import make_world
from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.lessons import check


def best(n):
    return n.max(1).sum() / n.sum()


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.states_that_tell, 48, "right: "),
        (check.states_that_tell, torch.tensor(48), "right: "),
        (check.states_that_tell, 16, "doubles agree"),
        (check.states_that_tell, 12, "the pairs"),
        (check.states_that_tell, 36, "v2 has four codes"),
        (check.states_that_tell, 64, "not in all"),
        (check.states_that_tell, 0, "all 64 states"),
        (check.states_that_tell, 65, "integer in 0..64"),
        (check.states_that_tell, [48], "expected an integer"),
        (check.best_retrieval, best, "right: "),
        (check.best_retrieval, lambda n: (n.max(1) / n.sum(1)).mean(), "counts more"),
        (check.best_retrieval, lambda n: n.sum(0).max() / n.sum(), "for all pairs"),
        (check.best_retrieval, lambda n: best(n.T), "a row is a pair"),
        (check.best_retrieval, lambda n: (n.max(1) / n.sum(1)).max(), "the best of one pair"),
        (
            check.best_retrieval,
            lambda n: (n**2 / n.sum(1, keepdims=True)).sum() / n.sum(),
            "at random",
        ),
        (check.best_retrieval, lambda n: n.max(1).sum() / len(n), "how many different pairs"),
        (check.best_retrieval, lambda n: (1 / (n > 0).sum(1)).mean(), "look at the counts"),
        (check.best_retrieval, lambda n: 0.5, "added up"),
        (check.best_retrieval, lambda n: None, "not attempted"),
        (check.best_retrieval, lambda n: n.max(1), "number"),
        (check.all_four_agree, 0.125, "right: "),
        (check.all_four_agree, 1 / 16, "the other one, too"),
        (check.all_four_agree, 0.5, "two starts"),
        (check.all_four_agree, 0.25, "three starts"),
        (check.all_four_agree, 7 / 8, "do not all agree"),
        (check.all_four_agree, 0, "four fair coins"),
        (check.all_four_agree, 2, "expected"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)


def test_the_right_answer_agrees_with_a_simulation():
    states = np.array(list(product(range(4), repeat=3)))
    worlds = [(states[:, cause] + 1) % 4 for cause in (0, 1)]
    told = check.states_that_tell.reply(int((worlds[0] != worlds[1]).sum()))
    assert told.startswith("right: ")


def test_the_ceiling_that_the_lesson_expects_is_that_of_the_tunnel():
    """Every action that is possible on every picture, once; a pair is what can be seen of it."""
    space = (tunnel := make_world("light_tunnel")).factors
    states = space.values(np.arange(space.size))
    look = [picture.tobytes() for picture in tunnel.render(states)]
    made = {}
    for state, number in product(range(space.size), range(space.n_actions)):
        before = states[[state]]
        if space.legal(before, np.array([number]))[0]:
            after = int(space.index(space.apply(before, np.array([number])))[0])
            counts = made.setdefault((look[state], look[after]), np.zeros(space.n_actions, int))
            counts[number] += 1
    n = np.array(list(made.values()))
    (lesson,) = (PROJECT_ROOT / "notebooks" / "src").glob("11b_*.py")
    words = " ".join(re.sub("^# ?", "", line) for line in lesson.read_text("utf-8").splitlines())
    told = re.search(r"all pairs of the tunnel: ([\d.]+)\. \(It is ([\d.]+) if", words)
    assert told is not None
    assert told.groups() == (f"{best(n):.3f}", f"{(n.max(1) / n.sum(1)).mean():.3f}")
