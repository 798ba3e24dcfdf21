"""The self-checks of lesson 04: each likely mistake gets its own hint."""

from __future__ import annotations

from itertools import product
from math import log

import numpy as np
import pytest
import torch

from cvq_tutorial.lessons import check

SAVED = log(4) - 0.75 * log(3)


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.causes_of_v3, ["v0", "v2", "v3"], "right: "),
        (check.causes_of_v3, ("V3", "v2", "v0"), "right: "),
        (check.causes_of_v3, ["v1", "v3"], "the row of v3"),
        (check.causes_of_v3, {"v0", "v2"}, "cause of itself"),
        (check.causes_of_v3, ["v1", "v2", "v3"], "the column of v1"),
        (check.causes_of_v3, ["v1"], "not it"),
        (check.causes_of_v3, [], "not it"),
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
        (check.prices_that_pay, [log(4), 4 * SAVED], "right: "),
        (check.prices_that_pay, [1.39, 2.25], "right: "),
        (check.prices_that_pay, torch.tensor([1.3863, 2.2493]), "right: "),
        (check.prices_that_pay, [2.0, 3.25], "in bits"),
        (check.prices_that_pay, [4 * SAVED, log(4)], "turned round"),
        (check.prices_that_pay, [log(4), SAVED], "what silence saves"),
        (check.prices_that_pay, [log(4), 4 * log(4)], "does not tell everything"),
        (check.prices_that_pay, [log(4), log(4) / 0.75], "silent for one code only"),
        (check.prices_that_pay, [0.5, 4 * SAVED], "(i)"),
        (check.prices_that_pay, [log(4), 3.0], "how often the edge is on"),
        (check.prices_that_pay, 1.39, "shape (2)"),
        (check.prices_that_pay, [1, 2, 3], "shape (2)"),
        (check.prices_that_pay, ["a", "b"], "expected numbers"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)


def test_the_right_answers_agree_with_a_simulation():
    states = np.array(list(product(range(4), repeat=3)))
    worlds = [(states[:, cause] + 1) % 4 for cause in (0, 1)]
    told = check.states_that_tell.reply(int((worlds[0] != worlds[1]).sum()))
    assert told.startswith("right: ")
    # The best silent edge: on for some codes, off for the rest, which are then told apart no more.
    pays = [(log(4) - (off / 4) * log(off)) / (1 - off / 4) for off in (1, 2, 3)]
    assert max(pays) == pytest.approx(4 * SAVED)
    assert check.prices_that_pay.reply([log(4), max(pays)]).startswith("right: ")
