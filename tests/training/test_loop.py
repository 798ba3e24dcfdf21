"""The loop: its arithmetic against one written out by hand, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from cvq_tutorial.training import loop
from cvq_tutorial.training.loop import adamw, averages, load_averages, steps, warm_up_and_cosine

N, RATE = 200, 0.01


class Point(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.at = torch.nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))


def slope(step: int) -> np.ndarray:
    """A gradient that changes in length, above and below the limit, and in direction."""
    return (0.2 + step % 7) * np.array([np.sin(step), np.cos(step), 0.3])


def by_hand(n: int) -> np.ndarray:
    """AdamW as its paper has it, the rate up to `RATE` over 3 % of the steps and down to 2 %."""
    at, first, second = np.array([1.0, -2.0, 0.5]), np.zeros(3), np.zeros(3)
    for step in range(n):
        gradient = slope(step)
        gradient = gradient / max(1.0, np.linalg.norm(gradient))
        rise = min(1.0, (step + 1) / 6)  # 3 % of 200
        rate = RATE * rise * (0.02 + 0.98 * (1 + math.cos(math.pi * step / 200)) / 2)
        first = 0.9 * first + 0.1 * gradient
        second = 0.99 * second + 0.01 * gradient**2
        at = at - rate * 1e-4 * at
        unbiased = second / (1 - 0.99 ** (step + 1))
        at = at - rate * first / (1 - 0.9 ** (step + 1)) / (np.sqrt(unbiased) + 1e-8)
    return at


def moved(n: int, first: int = 0, point: Point | None = None, optimizer=None) -> Point:
    point = point or Point()
    optimizer = optimizer or adamw(point, RATE)
    schedule = warm_up_and_cosine(optimizer, RATE, N)
    for step in steps("test", point, optimizer, schedule, N, first):
        step.minimise((point.at * torch.from_numpy(slope(step.number)).float()).sum())
        if step.number + 1 == n:
            break
    return point


@pytest.mark.parametrize("n", [1, 3, 50, N])
def test_the_steps_are_those_of_adamw_by_hand(n):
    found = moved(n).at.detach().numpy()
    assert np.abs(found - by_hand(n)).max() < 2e-5 * n**0.5, (found, by_hand(n))
    assert np.abs(by_hand(n) - [1.0, -2.0, 0.5]).max() > 1e-3  # and they lead somewhere


@pytest.mark.parametrize(
    "step, rate", [(0, 1 / 6), (2, 3 / 6), (5, 1), (100, 0.51), (199, 0.02006)]
)
def test_the_rate_rises_in_a_line_and_falls_along_a_cosine_to_its_floor(step, rate):
    optimizer = adamw(Point(), RATE)
    warm_up_and_cosine(optimizer, RATE, N)(step)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(RATE * rate, rel=2e-3)


def test_averages_go_on_as_if_nothing_had_happened():
    half = moved(20)
    optimizer = adamw(half, RATE)
    before = adamw(Point(), RATE)
    stopped = moved(20, optimizer=before, point=(point := Point()))  # of another point: no averages
    assert not averages(before) and torch.equal(stopped.at, point.at)
    point = Point()
    first = adamw(point, RATE)
    moved(20, point=point, optimizer=first)
    load_averages(optimizer, averages(first))
    assert torch.equal(moved(60, 20, half, optimizer).at, moved(60).at)


@pytest.mark.parametrize(
    "n, told", [(3, [0, 1, 2]), (100, list(range(9, 100, 10))), (2000, list(range(49, 2000, 50)))]
)
def test_rows_of_the_log_are_few_and_the_last_step_has_one(n, told):
    point = Point()
    optimizer = adamw(point, RATE)
    found = []
    for step in steps("test", point, optimizer, lambda number: None, n):
        assert point.training
        step.minimise(point.at.sum())
        assert point.training is not step.told  # numbers of the log are those of evaluation
        if step.told:
            found.append(step.number)
            step.log(a=1.0)
            step.log(b=2.0)
            assert step.numbers == {"a": 1.0, "b": 2.0}
    assert found == told and not point.training


@pytest.mark.parametrize(
    "loss, message",
    [
        (lambda p: p.at.sum() * math.nan, "loss is nan at step 1 of test"),
        (lambda p: torch.sqrt(0 * p.at.sum()), "gradient is nan at step 1 of test"),
    ],
)
def test_what_is_not_finite_never_reaches_the_weights(loss, message):
    point = Point()
    optimizer = adamw(point, RATE)
    with pytest.raises(FloatingPointError, match=message):
        for step in steps("test", point, optimizer, lambda number: None, 5):
            before = point.at.detach().clone()
            step.minimise(loss(point) if step.number else point.at.sum())
    assert torch.equal(point.at.detach(), before)


def test_a_body_that_forgets_to_minimise_is_named():
    point = Point()
    with pytest.raises(RuntimeError, match=r"never called step.minimise, at step 0 of test"):
        for _ in steps("test", point, adamw(point, RATE), lambda number: None, 5):
            pass


def test_a_gradient_may_be_left_as_long_as_it_is():
    lengths = []
    for clip in (loop.CLIP, math.inf):
        point = Point()
        optimizer = torch.optim.SGD(point.parameters(), 1.0)
        for step in steps("test", point, optimizer, lambda number: None, 1, clip=clip):
            step.minimise(5 * point.at[0])
        lengths.append(1 - point.at[0].item())
    assert lengths == pytest.approx([1.0, 5.0])
