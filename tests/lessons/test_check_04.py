"""The self-checks of lesson 04: each likely mistake gets its own hint."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cvq_tutorial.lessons import check
from cvq_tutorial.worlds import CodesWorld

TRUTH = CodesWorld(n_variables=6, n_codes=4, n_actions=3, n_targets=2, seed=31)
FOUND, SET = TRUTH.graph.astype(bool), TRUTH.targets.astype(bool)[:, None]  # (A, N, N), (A, 1, N)
FIRST = FOUND & (np.arange(FOUND.size) < np.flatnonzero(FOUND)[5]).reshape(FOUND.shape)
READ = FOUND | SET & (np.arange(6) % 2 == 0)[:, None]  # and every other edge into what is set


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
        (check.edges_kept, [3, 2, 1, 0], "right: "),
        (check.edges_kept, torch.tensor([3, 2, 1, 0]), "right: "),
        (check.edges_kept, [4, 2, 1, 0], "worth nothing"),
        (check.edges_kept, [1, 2, 3, 4], "those that stay"),
        (check.edges_kept, [2, 2, 3, 0], "cannot rise"),
        (check.edges_kept, [3, 2, 2, 0], "costs 0.5 there"),
        (check.edges_kept, [3, 2, 1, 1], "worth 5 nats"),
        (check.edges_kept, [3, 3, 1, 0], "at the second price"),
        (check.edges_kept, [2, 2, 1, 0], "count the edges"),
        (check.edges_kept, [3, 2, 1], "shape (4)"),
        (check.edges_kept, [3.0, 2, 1, 0], "expected integers"),
        (check.found_graph, FOUND, "right: "),
        (check.found_graph, torch.tensor(FOUND), "right: "),
        (check.found_graph, FOUND.transpose(0, 2, 1), "turned round"),
        (check.found_graph, FOUND & False, "no edge at all"),
        (check.found_graph, FOUND | True, "every edge"),
        (check.found_graph, FOUND[[1, 2, 0]], "those of other actions"),
        (check.found_graph, FOUND[[0, 0, 0]], "one graph for all"),
        (check.found_graph, FOUND | ~SET, "they have no causes"),
        (check.found_graph, READ, "what is read"),
        (check.found_graph, FIRST, "much is missing"),
        (check.found_graph, ~FOUND & SET, "few of these"),
        (check.found_graph, FOUND[:2], "shape (3, 6, 6)"),
        (check.found_graph, FOUND.astype(float), "expected booleans"),
        (check.found_graph, None, "not attempted"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)
