"""The self-checks of lesson 11c: each likely mistake gets its own hint."""

from __future__ import annotations

import numpy as np
import pytest

from cvq_tutorial.identify import ancestors_from_scores, draw_shift_world, twins
from cvq_tutorial.lessons import check


def without_edges(weights, mixing):
    return mixing @ np.linalg.inv(np.eye(len(weights)) - weights.T)


def sizes(rows):
    return np.linalg.svd(rows, compute_uv=False)


def ratio(rows):
    return (sizes(rows)[1] / sizes(rows)[0]) ** 2


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.orders_that_work, [3, 4, 4, 0], "right: "),
        (check.orders_that_work, [3, 4, 4], "shape (4)"),
        (check.orders_that_work, [3.0, 4, 4, 0], "expected integers"),
        (check.orders_that_work, [0, 4, 4, 0], "that is what order 3 sees"),
        (check.orders_that_work, [3, 0, 4, 0], "heavy tails show at order 4"),
        (check.orders_that_work, [3, 4, 5, 0], "the first cumulant"),
        (check.orders_that_work, [3, 3, 4, 0], "no third cumulant"),
        (check.orders_that_work, [3, 4, 3, 0], "whitens by the covariance"),
        (check.orders_that_work, [3, 4, 4, 4], "no cumulant above the second"),
        (check.orders_that_work, [3, 4, 4, 2], "order 2 is the covariance"),
        (check.orders_that_work, [2, 2, 4, 2], "order 2 is the covariance"),
        (check.orders_that_work, [4, 4, 4, 0], "the smallest is asked for"),
        (check.orders_that_work, [3, 4, 0, 0], "what order 4 is good for"),
        (check.mixing_without_edges, without_edges, "right: "),
        (check.mixing_without_edges, lambda W, F: F, "you began with"),
        (check.mixing_without_edges, lambda W, F: without_edges(W.T, F), "row = cause"),
        (check.mixing_without_edges, lambda W, F: F @ (np.eye(len(W)) - W.T), "solve for z"),
        (check.mixing_without_edges, lambda W, F: F @ (np.eye(len(W)) + W.T), "one step"),
        (check.mixing_without_edges, lambda W, F: 2 * F, "the inverse of (I - W')"),
        (
            check.mixing_without_edges,
            lambda W, F: F @ np.linalg.inv(np.eye(len(W)) + W.T),
            "with a minus",
        ),
        (check.mixing_without_edges, lambda W, F: without_edges(W, F).T, "the transpose"),
        (check.mixing_without_edges, lambda W, F: without_edges(W, np.eye(len(W))), "become"),
        (check.mixing_without_edges, lambda W, F: W, "the inverse of"),
        (check.mixing_without_edges, lambda W, F: None, "not attempted"),
        (check.second_direction, ratio, "right: "),
        (check.second_direction, lambda d: 1 / ratio(d), "first over the second"),
        (check.second_direction, lambda d: ratio(d) ** 0.5, "the slider's is of mean squared"),
        (check.second_direction, lambda d: ratio(d) ** 2, "squared lengths already"),
        (check.second_direction, lambda d: (sizes(d)[-1] / sizes(d)[0]) ** 2, "last direction"),
        (check.second_direction, lambda d: (sizes(d)[-1] / sizes(d)[-2]) ** 2, "smallest first"),
        (check.second_direction, lambda d: ratio(d - d.mean(0)), "do not take the mean away"),
        (check.second_direction, lambda d: ratio(d - d.mean(0)) ** 0.5, "away, and square"),
        (
            check.second_direction,
            lambda d: sizes(d)[1] ** 2 / (sizes(d) ** 2).sum(),
            "a share of all",
        ),
        (check.second_direction, lambda d: sizes(d)[1], "the size of the second"),
        (check.second_direction, lambda d: sizes(d)[1] ** 2 / len(d), "the size of the second"),
        (check.second_direction, lambda d: 0.5, "over the largest"),
        (check.second_direction, lambda d: sizes(d), "number"),
        (check.second_direction, lambda d: None, "not attempted"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)


def test_the_right_mixing_is_that_of_the_twin():
    world = draw_shift_world(np.random.default_rng(3), "linear", 4, 6)
    pair = twins.shift(world)
    assert np.allclose(without_edges(world.weights, world.mixing), pair.other.mixing)
    assert world.weights.any() and not pair.other.weights.any() and pair.measured < 1e-10


def test_the_ratio_is_that_of_the_slider():
    world = draw_shift_world(np.random.default_rng(3), "relu", 4, 6)
    u = world.latents(500, np.random.default_rng(4), np.zeros(4))
    change = world.score_differences(u)
    child = int(np.flatnonzero(world.ancestors.any(0)[world.targets])[0])
    read = ancestors_from_scores(change)
    assert ratio(change[child]) == pytest.approx(
        np.divide(*np.linalg.eigvalsh(read.matrices[child])[[-2, -1]])
    )
