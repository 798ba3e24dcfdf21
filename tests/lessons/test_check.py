"""Self-checks: one line for whatever a reader may type, a hint for the likely mistakes."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from cvq_tutorial.lessons import check
from cvq_tutorial.lessons.check import base
from cvq_tutorial.lessons.check.base import NOT_ATTEMPTED, Exercise

NODES = Exercise(
    read=base.whole(0, 4096),
    right=lambda n: n == 64,
    hints={"multiply": lambda n: n == 8, "less than 8": lambda n: n < 8},
    praise="8 x 8 places",
    clue="count a row",
)


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (None, NOT_ATTEMPTED),
        (..., NOT_ATTEMPTED),
        (64, "right: 8 x 8 places"),
        (np.int64(64), "right: 8 x 8 places"),
        (torch.tensor(64), "right: 8 x 8 places"),
        (64.0, "right: 8 x 8 places"),
        (8, "not yet: multiply"),
        (7, "not yet: less than 8"),
        (65, "not yet: that is not it; read the question once more"),
        (True, "not yet: expected an integer, found bool True"),
        ("64", "not yet: expected an integer, found str '64'"),
        (64.5, "not yet: expected an integer, found float 64.5"),
        (-1, "not yet: expected an integer in 0..4096, found -1"),
        (np.zeros((2, 3)), "not yet: expected an integer, found ndarray of shape (2, 3)"),
        (list(range(99)), "not yet: expected an integer, found list"),
    ],
)
def test_one_line_for_each_answer(answer, line, capsys):
    assert NODES(answer) is None
    assert capsys.readouterr().out == line + "\n"


@pytest.mark.parametrize(
    ("reader", "answer", "value"),
    [
        (base.number(0, 1), torch.tensor(0.5), 0.5),
        (base.number(0, 1), 1, 1.0),
        (base.choice(("Cause", "effect")), " cause ", "cause"),
        (base.words(("a", "b", "c")), ["B", "a"], {"a", "b"}),
    ],
)
def test_readers_take_what_a_reader_may_well_type(reader, answer, value):
    assert reader(answer) == value


@pytest.mark.parametrize(
    ("reader", "answer", "message"),
    [
        (base.number(0, 1), 2, r"expected a number in \[0, 1\], found 2"),
        (base.number(0, 9, "in dB"), float("nan"), r"in dB in \[0, 9\], found nan"),
        (base.number(), "x", "expected a number, found str 'x'"),
        (base.choice(("a", "b")), "c", "expected one of a, b, found 'c'"),
        (base.choice(("a", "b")), 1, "expected one of a, b, found int 1"),
        (base.words(("a", "b")), "a", "expected a list of words, found str 'a'"),
        (base.words(("a", "b")), ["a", "z"], "expected one of a, b, found 'z'"),
        (base.array((2, None)), [1, 2], r"shape \(2, any\), found shape \(2,\)"),
        (base.array((2,), "integer"), [1.5, 2], "expected integers, found an array of float64"),
        (base.array((2,)), ["a", "b"], "expected numbers"),
        (base.array((2,)), [[1], [1, 2]], "expected an array, found list"),
        (base.function(1), 3, "expected a function, found int 3"),
    ],
)
def test_readers_name_expected_and_found(reader, answer, message):
    with pytest.raises(base.Unreadable, match=message):
        reader(answer)


def test_arrays_keep_their_values():
    for given in ([[1, 2]], np.array([[1, 2]]), torch.tensor([[1, 2]])):
        assert base.array((1, None), "integer")(given).tolist() == [[1, 2]]


def test_a_function_is_called_and_its_mistakes_are_one_line():
    double = Exercise(
        read=base.function(3),
        right=lambda f: f(3) == 6,
        hints={"that is the square": lambda f: f(3) == 9},
        praise="twice",
    )

    def stub(x):
        raise NotImplementedError

    assert double.reply(lambda x: 2 * x) == "right: twice"
    assert double.reply(lambda x: x * x) == "not yet: that is the square"
    assert double.reply(lambda x: None) == NOT_ATTEMPTED

    def forgets(x):
        double_of = 2 * x
        del double_of

    assert double.reply(forgets) == (
        "not yet: your function returns nothing: is a `return` missing?"
    )
    told = Exercise(base.function(3, gives=base.whole(0, 9)), lambda f: f(3) == 6, "twice")
    assert told.reply(lambda x: torch.tensor(2 * x)) == "right: twice"
    assert told.reply(lambda x: [2 * x]) == (
        "not yet: what your function returns: expected an integer, found list [6]"
    )
    assert double.reply(lambda x: ...) == NOT_ATTEMPTED
    assert double.reply(stub) == NOT_ATTEMPTED
    assert double.reply(lambda x: x / 0) == (
        "not yet: your answer raised ZeroDivisionError: division by zero"
    )
    assert "takes 0 positional arguments" in double.reply(lambda: 1)


def test_every_exercise_has_two_hints_and_takes_anything_without_a_traceback(capsys):
    for name, exercise in check.EXERCISES.items():
        assert len(exercise.hints) >= 2, name
        assert getattr(check, name) is exercise
        assert exercise.reply(None) == NOT_ATTEMPTED
        for answer in (object(), "nonsense", -(10**9), [[1], [1, 2]], float("nan"), {}, lambda: 0):
            line = exercise.reply(answer)
            assert line.startswith(("not yet: ", NOT_ATTEMPTED)), (name, answer, line)
            assert "\n" not in line


def test_a_hint_is_for_who_has_not_guessed_and_gives_nothing_away(capsys):
    assert NODES.hint() is None
    assert capsys.readouterr().out == "hint: count a row\n"
    for name, exercise in check.EXERCISES.items():
        assert exercise.clue and "\n" not in exercise.clue, name
        assert exercise.clue not in (*exercise.hints, exercise.praise, exercise.otherwise), name


def test_a_page_is_held_to_its_words(capsys):
    check.as_told(near=True, far_from_a_copy=np.bool_(True))
    check.as_told(near=True, far_from_a_copy=torch.tensor(False))
    assert capsys.readouterr().out == (
        "2 of 2 as the text says\n1 of 2 as the text says; not here: far from a copy\n"
    )


def descendants_of_two_levels(graph, cause):
    near = graph[cause]
    return near | graph[near].any(axis=0) | (np.arange(len(graph)) == cause)


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        ("undoing_action", lambda a, n: a + 6, "F is an argument"),
        ("moved_by", descendants_of_two_levels, "two arrows in a row"),
        ("word_of_a_place", lambda codes, size: size * codes[:, 0] + codes[:, 1], "left out"),
        ("macro_over_actions", lambda t, n: sum((n[t == a] == a).mean() for a in set(t)) / 12,
         "do not occur"),
        ("chances_to_draw", lambda c, s: (1 - s) / len(c)
         + s * (1 / np.bincount(c)[c]) / (1 / np.bincount(c)[c]).sum(), "an exponent"),
        ("mig_by_hand", lambda i, h: (np.sort(i, 0)[-1] - np.sort(i, 0)[-2]).mean() / h.mean(),
         "divide first"),
        ("limit_of_an_alarm", lambda good, share: good.mean() - 2 * good.std(), "normal ones"),
    ],
)  # fmt: skip
def test_likely_mistakes_that_were_once_told_nothing_of_their_own(exercise, answer, told):
    assert told in check.EXERCISES[exercise].reply(answer)


def test_replies_name_nothing_of_the_check_itself():
    """What a reader reads speaks of their answer, never of a name in `check`."""
    inner = re.compile(
        r"(?<!\w)_[a-z]|lambda|check\.|lesson_|numpy\.|unhashable|positional|NoneType"
    )
    wrong = (lambda *a: "x", lambda *a: [1, [2]], lambda *a: {}, lambda *a: object, lambda *a: -1e9)
    for name, exercise in check.EXERCISES.items():
        for answer in (*wrong, *(w() for w in wrong[:3]), 10**6, [[]], "x"):
            line = exercise.reply(answer)
            assert not inner.search(line), (name, line)
