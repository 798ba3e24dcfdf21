"""The self-checks of lesson 03: each likely mistake gets its own hint."""

from __future__ import annotations

import pytest
import torch

from cvq_tutorial.lessons import check


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.bits_of_an_image, 1536, "right: "),
        (check.bits_of_an_image, 24, "an image has 64"),
        (check.bits_of_an_image, 16384, "log2 64 = 6 bits"),
        (check.bits_of_an_image, 384, "four codes"),
        (check.bits_of_an_image, 256, "counts codes"),
        (check.bits_of_an_image, "many", "expected an integer"),
        (check.channels_that_are_read, 23, "right: "),
        (check.channels_that_are_read, 128, "proper slices"),
        (check.channels_that_are_read, 16, "one slice"),
        (check.channels_that_are_read, 24, "already there"),
        (check.channels_that_are_read, 200, "expected an integer in 0..128"),
        (check.word_of_a_place, lambda c, k: (c * k ** torch.arange(2, -1, -1)).sum(1), "right: "),
        (check.word_of_a_place, lambda c, k: (c * k ** torch.arange(3)).sum(1), "turn the order"),
        (check.word_of_a_place, lambda c, k: c.sum(1), "without weights"),
        (check.word_of_a_place, lambda c, k: (c * 4 ** torch.arange(2, -1, -1)).sum(1), "0 to"),
        (check.word_of_a_place, lambda c, k: c, "one integer per place"),
        (check.word_of_a_place, lambda c, k: None, "not attempted yet"),
        (check.word_of_a_place, 7, "expected a function"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)
