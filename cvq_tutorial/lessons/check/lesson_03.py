"""Exercises of lesson 03: what several codebooks can say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from cvq_tutorial.lessons.check.base import Exercise, function, whole

bits_of_an_image = Exercise(
    read=whole(0, 10**9),
    right=lambda n: n == 64 * 4 * 6,
    hints={
        "that is one place; an image has 64 of them": lambda n: n == 24,
        "64 codes are log2 64 = 6 bits, not 64": lambda n: n == 64 * 4 * 64,
        "each place holds four codes, not one": lambda n: n == 64 * 6,
        "that counts codes; each of them is log2 64 bits": lambda n: n == 64 * 4,
    },
    clue="bits of one code, codes of one place, places of one image",
    praise="1,536 bits; the image itself has 98,304",
    otherwise="places x codes of a place x bits of a code",
)

channels_that_are_read = Exercise(
    read=whole(0, 128),
    right=lambda n: n == 23,
    hints={
        "that is what proper slices read; here slice c starts at channel c": lambda n: n == 128,
        "that is one slice; each further one starts one channel later": lambda n: n == 16,
        "the first slice is already there: seven more start one channel later each": (
            lambda n: n == 24
        ),
    },
    clue="write down the channels of slice 0, of slice 1, and of the last one",
    praise="128 / 8 + 8 - 1 = 23 of 128 channels; 105 reach nobody",
    otherwise="from channel 0 of the first slice to the last channel of the last one",
)

_CODES = torch.tensor([[1, 2, 3], [3, 2, 1], [0, 0, 0], [1, 2, 3], [4, 4, 4], [0, 1, 0]])


def _gives(
    wanted: Callable[[torch.Tensor], torch.Tensor],
) -> Callable[[Callable[..., Any]], bool]:
    def test(word: Callable[..., Any]) -> bool:
        found = torch.as_tensor(word(_CODES.clone(), 5))
        return found.shape == wanted(_CODES).shape and bool((found == wanted(_CODES)).all())

    return test


word_of_a_place = Exercise(
    read=function(_CODES.clone(), 5),
    right=_gives(lambda c: 25 * c[:, 0] + 5 * c[:, 1] + c[:, 2]),
    hints={
        "the first codebook is to be the most significant digit: turn the order": _gives(
            lambda c: c[:, 0] + 5 * c[:, 1] + 25 * c[:, 2]
        ),
        "a sum without weights gives 1 2 3 and 3 2 1 the same word": _gives(lambda c: c.sum(1)),
        "a codebook is left out: every code of a place is a digit of its word": lambda word: any(
            _gives(part)(word)
            for part in (
                lambda c: 5 * c[:, 0] + c[:, 1],
                lambda c: 5 * c[:, 1] + c[:, 2],
                lambda c: 25 * c[:, 0] + 5 * c[:, 1],
            )
        ),
        "codes go from 0 to size - 1, so a digit is worth size times the next": _gives(
            lambda c: 16 * c[:, 0] + 4 * c[:, 1] + c[:, 2]
        ),
        "one integer per place is asked for: shape (P,)": lambda word: (
            tuple(torch.as_tensor(word(_CODES.clone(), 5)).shape) != (len(_CODES),)
        ),
    },
    clue="it is a number with C digits to the base `size`",
    praise="places have the same word exactly if all their codes agree",
    otherwise="with C = 3 codes a, b, c it is (a x size + b) x size + c, one integer per row",
)
