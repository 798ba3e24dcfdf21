"""Every self-check refuses the lesson's own solution once a place of it is changed, and says why.

The solutions are those of `notebooks/src`; the changes are those of `tools/mutants.py`.
"""

from __future__ import annotations

import ast
import itertools
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import jupytext
import numpy as np
import pytest
import torch
from project_tools import load

from cvq_tutorial.lessons import check
from cvq_tutorial.lessons.check import base

SOURCES = Path(__file__).resolve().parent.parent.parent / "notebooks" / "src"
CALL = re.compile(r"check\.(\w+)\((\w+)\)")
# changed solutions that are right all the same
AS_GOOD = {
    "twin_matrix: 1 -> 2",  # fewer causes are mixed in, or more of each: other twins
    "twin_matrix: 1.0 -> 2.0",
    "undoing_action: action + n_factors -> action - n_factors",  # the same by the remainder
    "whole_identities: 0 -> 1",  # another draw of identities
    "worth_of_a_sample: 2 -> 3",  # of a sum that is 1
}
# what may be done to the result of a right function
SPOILT = {
    "one more": lambda result, first: ~result if result_is(bool, result) else result + 1,
    "twice": lambda result, first: result & False if result_is(bool, result) else 2 * result,
    "negative": lambda result, first: result | True if result_is(bool, result) else -result,
    "half": lambda result, first: result[::-1] if result_is(bool, result) else result / 2,
    "the argument": lambda result, first: first,
}
mutants = load("mutants")


def solutions() -> Iterator[tuple[str, str, str]]:
    """(exercise, name of the answer, source of its solution), in the order of the lessons."""
    for path in sorted(SOURCES.glob("[01]*.py")):
        cells = [c for c in jupytext.read(path).cells if c.cell_type == "code"]
        for cell, after in itertools.pairwise(cells):
            if "solution" in cell.metadata.get("tags", ()):
                exercise, name = CALL.search(after.source).groups()
                yield exercise, name, cell.source


ALL = {exercise: (name, source) for exercise, name, source in solutions()}
FUNCTIONS = sorted(e for e, (name, source) in ALL.items() if f"def {name}(" in source)


def result_is(kind: type, result) -> bool:
    return np.asarray(result).dtype == np.dtype(kind)


def answer(name: str, source: str):
    space = {"np": np, "torch": torch}
    exec(compile(source, "<solution>", "exec"), space)
    return space[name]


def changed(source: str) -> Iterator[tuple[str, str]]:
    """(what was changed, the source with it) for every place."""
    tree = ast.parse(source)
    places = [node for node in ast.walk(tree) if list(mutants.changes(node))]
    for node in places:
        for other in mutants.changes(node):
            text = ast.unparse(ast.fix_missing_locations(other))
            was = ast.get_source_segment(source, node)
            lines = source.splitlines(keepends=True)
            start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
            yield f"{was} -> {text}", f"{source[:start]}({text}){source[start + len(was) :]}"


def test_each_exercise_has_a_solution_in_its_lesson():
    assert set(ALL) == set(check.EXERCISES)


@pytest.mark.parametrize("exercise", FUNCTIONS)
def test_a_changed_solution_is_not_right(exercise):
    name, source = ALL[exercise]
    ask = getattr(check, exercise).reply
    accepted, tried = set(), 0
    right = answer(name, source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a wrong answer may divide by zero
        assert ask(right).startswith("right: ")
        for what, spoil in SPOILT.items():
            line = ask(lambda first, *more, spoil=spoil: spoil(right(first, *more), first))
            assert line.startswith("not yet: "), (what, line)
            assert base.Exercise.otherwise not in line, (what, line)
        for what, text in changed(source):
            tried += 1
            line = ask(answer(name, text))
            assert "\n" not in line and base.Exercise.otherwise not in line, (what, line)
            if line.startswith("right"):
                accepted.add(f"{exercise}: {what}")
    assert tried + len(SPOILT) >= 5
    assert accepted <= AS_GOOD, accepted - AS_GOOD
