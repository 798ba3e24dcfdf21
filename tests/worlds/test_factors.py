from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from cvq_tutorial.worlds.factors import SPLITS, Factor, FactorSpace, split_id, split_of_keys

SPACE = FactorSpace(
    (
        Factor("hue", 4, kind="cyclic"),
        Factor("shape", 3, kind="categorical", values=("cube", "ball", "rod")),
        Factor("scale", 5),
    )
)


def test_index_and_values_agree_with_counting():
    counted = np.array(list(itertools.product(range(4), range(3), range(5))))
    assert SPACE.size == 60
    assert np.array_equal(SPACE.values(np.arange(60)), counted)
    assert np.array_equal(SPACE.index(counted), np.arange(60))
    assert SPACE.values(np.arange(60)).dtype == SPACE.index(counted).dtype == np.int64


def test_first_index_is_all_zeros_and_last_is_all_largest():
    assert SPACE.values([0, 59]).tolist() == [[0, 0, 0], [3, 2, 4]]


def test_names_and_numbers_of_factors_and_actions():
    assert SPACE.names == ("hue", "shape", "scale")
    assert SPACE.sizes == (4, 3, 5)
    assert (SPACE.n_factors, SPACE.n_actions) == (3, 6)
    assert SPACE.action_names == ("hue+", "shape+", "scale+", "hue-", "shape-", "scale-")
    assert [SPACE.action_id(n) for n in SPACE.action_names] == list(range(6))
    assert SPACE.action_id("none") == SPACE.action_id(-1) == -1
    assert SPACE.action_id(np.int64(5)) == 5
    assert SPACE.factor_id("scale") == SPACE.factor_id(2) == 2
    assert SPACE.factors[1].label(2) == "rod"
    assert SPACE.factors[2].label(2) == "2"


def test_actions_agree_with_a_slow_version():
    for v, a in itertools.product(itertools.product(range(4), range(3), range(5)), range(-1, 6)):
        expected, legal = list(v), True
        if a >= 0:
            f = a % 3
            expected[f] += 1 if a < 3 else -1
            legal = 0 <= expected[f] < SPACE.sizes[f]
        assert SPACE.legal([v], [a]).tolist() == [legal]
        if legal:
            assert SPACE.apply([v], [a]).tolist() == [expected]
        else:
            with pytest.raises(ValueError, match="leaves the range"):
                SPACE.apply([v], [a])


def test_apply_changes_neither_its_arguments_nor_other_rows():
    values = np.array([[0, 0, 0], [1, 1, 1]])
    moved = SPACE.apply(values, np.array([0, -1]))
    assert moved.tolist() == [[1, 0, 0], [1, 1, 1]]
    assert values.tolist() == [[0, 0, 0], [1, 1, 1]]


def test_an_empty_batch_is_fine():
    assert SPACE.values([]).shape == (0, 3)
    assert SPACE.index(np.zeros((0, 3), dtype=int)).shape == (0,)
    assert SPACE.apply(np.zeros((0, 3), dtype=int), []).shape == (0, 3)


def test_json_round_trip_through_text():
    text = json.dumps(SPACE.to_json())
    assert FactorSpace.from_json(json.loads(text)) == SPACE


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: SPACE.index([[0, 3, 0]]),
            ValueError,
            "'shape': expected a value in 0..2, found 3",
        ),
        (lambda: SPACE.index([[0, 0, -1]]), ValueError, "'scale': expected .* 0..4, found -1"),
        (lambda: SPACE.index([0, 0, 0]), ValueError, r"expected shape \(B, 3\).*found \(3,\)"),
        (lambda: SPACE.index([[0.0, 0.0, 1.0]]), TypeError, "expected integers, found float64"),
        (lambda: SPACE.index([[True, False, True]]), TypeError, "expected integers, found bool"),
        (lambda: SPACE.values([60]), ValueError, "expected 0..59, found 60"),
        (lambda: SPACE.values([-1]), ValueError, "expected 0..59, found -1"),
        (lambda: SPACE.values([[1]]), ValueError, r"expected shape \(B,\)"),
        (lambda: SPACE.apply([[0, 0, 0]], [6]), ValueError, "expected 0..5, or -1 .*found 6"),
        (lambda: SPACE.apply([[0, 0, 0]], [-2]), ValueError, "found -2 at 0"),
        (
            lambda: SPACE.apply([[0, 0, 0]], [0, 1]),
            ValueError,
            r"expected shape \(1,\), found \(2,\)",
        ),
        (
            lambda: SPACE.apply([[3, 0, 0]], [0]),
            ValueError,
            "'hue\\+' leaves the range of 'hue'.* from 3 in row 0$",
        ),
        (lambda: SPACE.apply([[0, 2, 0]], [1]), ValueError, "from 2 in row 0$"),
        (
            lambda: SPACE.factor_id("scal"),
            ValueError,
            "unknown factor 'scal'; did you mean 'scale'",
        ),
        (lambda: SPACE.factor_id(3), ValueError, "expected 0..2, found 3"),
        (lambda: SPACE.action_id("hue"), ValueError, "unknown action 'hue'; did you mean 'hue"),
        (lambda: SPACE.action_id(6), ValueError, "expected 0..5"),
        (lambda: FactorSpace(()), ValueError, "at least one factor"),
        (lambda: FactorSpace((Factor("a", 2), Factor("a", 3))), ValueError, "found twice: a"),
        (
            lambda: FactorSpace(tuple(Factor(f"f{i}", 2) for i in range(63))),
            ValueError,
            "2\\*\\*62",
        ),
        (lambda: FactorSpace.from_json({"a": 1}), ValueError, "expected a list of dicts"),
        (lambda: FactorSpace.from_json([{"name": "a"}]), ValueError, "expected a list of dicts"),
        (lambda: Factor("two words", 2), ValueError, "must be an identifier"),
        (lambda: Factor("a", 1), ValueError, "at least 2, found 1"),
        (lambda: Factor("a", 2.0), TypeError, "must be an integer, found 2.0"),
        (lambda: Factor("a", 3, values=("x",)), ValueError, "expected 3 texts in values, found 1"),
        (lambda: Factor("a", 3, "binary"), ValueError, "must have 2 values, found 3"),
        (
            lambda: Factor("a", 3, "kinds"),
            ValueError,
            "factor .a.: .kinds.; known: ordered",
        ),
        (lambda: Factor("a", 2, kind="cyclic"), ValueError, "at least 3 values"),
        (lambda: split_id("tests"), ValueError, "unknown split 'tests'; did you mean 'test'"),
    ],
)
def test_bad_input_is_one_line_that_names_expected_and_found(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_split_of_keys_agrees_with_plain_integers_and_has_the_right_shares():
    def slow(key: int) -> int:
        mask = 2**64 - 1
        z = (key + 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        share = ((z ^ (z >> 31)) >> 11) / 2**53
        return 0 if share < 0.70 else 1 if share < 0.85 else 2

    keys = [*range(500), 2**63, 2**64 - 1]
    assert split_of_keys(np.array(keys, dtype=np.uint64)).tolist() == [slow(k) for k in keys]
    shares = np.bincount(split_of_keys(np.arange(200_000, dtype=np.uint64))) / 200_000
    assert np.abs(shares - [0.70, 0.15, 0.15]).max() < 0.005
    assert [split_id(s) for s in SPLITS] == [0, 1, 2]
