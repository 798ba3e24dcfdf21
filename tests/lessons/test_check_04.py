"""The self-checks of lesson 04: each likely mistake gets its own hint."""

from __future__ import annotations

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
