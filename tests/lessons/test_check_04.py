"""The self-checks of lesson 04: each likely mistake gets its own hint."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from cvq_tutorial.lessons import check


def both(found, true, targets):
    return (found & true & targets[:, None]).sum()


def f1(found, true, targets):
    marks = (found & targets[:, None]).sum() + (true & targets[:, None]).sum()
    return 2 * both(found, true, targets) / marks


def mean_of_two(found, true, targets):
    of = both(found, true, targets)
    return (of / (found & targets[:, None]).sum() + of / (true & targets[:, None]).sum()) / 2


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.causes_of_v3, ["v0", "v2", "v3"], "right: "),
        (check.causes_of_v3, ("V3", "v2", "v0"), "right: "),
        (check.causes_of_v3, ["v1", "v3"], "the row of v3"),
        (check.causes_of_v3, {"v0", "v2"}, "cause of itself"),
        (check.causes_of_v3, ["v1", "v2", "v3"], "the column of v1"),
        (check.causes_of_v3, ["v1"], "go down the column"),
        (check.causes_of_v3, [], "go down the column"),
        (check.causes_of_v3, ["v7"], "expected one of v0, v1, v2, v3"),
        (check.causes_of_v3, [0, 2, 3], "expected one of v0, v1, v2, v3"),
        (check.causes_of_v3, "v0", "expected a list"),
        (check.states_that_tell, 48, "right: "),
        (check.states_that_tell, torch.tensor(48), "right: "),
        (check.states_that_tell, 16, "twins agree"),
        (check.states_that_tell, 12, "the pairs"),
        (check.states_that_tell, 64, "not in all"),
        (check.states_that_tell, 0, "all 64 states"),
        (check.states_that_tell, 65, "integer in 0..64"),
        (check.states_that_tell, [48], "expected an integer"),
        (check.edge_f1, f1, "right: "),
        (check.edge_f1, lambda f, t, g: f1(f, t, g | True), "are only copied"),
        (check.edge_f1, lambda f, t, g: f1(f & g[..., None], t & g[..., None], g | True), "column"),
        (check.edge_f1, lambda f, t, g: both(f, t, g) / (f & g[:, None]).sum(), "the precision"),
        (check.edge_f1, lambda f, t, g: both(f, t, g) / (t & g[:, None]).sum(), "the recall"),
        (check.edge_f1, lambda f, t, g: f1(f, t, g) / 2, "factor 2"),
        (check.edge_f1, lambda f, t, g: mean_of_two(f, t, g), "the plain mean"),
        (check.edge_f1, lambda f, t, g: both(f, t, g) / ((f | t) & g[:, None]).sum(), "twice"),
        (
            check.edge_f1,
            lambda f, t, g: np.mean(
                [f1(f[a : a + 1], t[a : a + 1], g[a : a + 1]) for a in (0, 1, 2)]
            ),
            "mean of the actions",
        ),
        (check.edge_f1, lambda f, t, g: (f == t).mean(), "twice what is found and true"),
        (check.edge_f1, lambda f, t, g: None, "not attempted"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)


def test_the_right_answer_agrees_with_a_simulation():
    states = np.array(list(product(range(4), repeat=3)))
    worlds = [(states[:, cause] + 1) % 4 for cause in (0, 1)]
    told = check.states_that_tell.reply(int((worlds[0] != worlds[1]).sum()))
    assert told.startswith("right: ")
