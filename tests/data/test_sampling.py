"""Imbalance: a sample departs from balance as it is told to, in no other way, and can be mended."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cvq_tutorial.data.balance import balanced_chances, effective_size
from cvq_tutorial.data.sampling import (
    Sampling,
    allowed,
    draw_values,
    factor_weights,
    is_held_out,
    linked_value,
    value_weights,
)
from cvq_tutorial.data.transitions import sample_transitions, sample_values, split_of
from cvq_tutorial.worlds.factors import SPLITS, Factor, FactorSpace

SPACE = FactorSpace(
    (
        Factor("hue", 10, kind="cyclic"),
        Factor("kind", 4, kind="categorical"),
        Factor("scale", 8),
        Factor("turn", 15),
    )
)
EVERY = SPACE.values(np.arange(SPACE.size))
SKEWED = Sampling(
    values={"hue": "zipf:1", "kind": (4, 2, 1, 1)},
    factors={"turn": 0.25},
    correlations=("hue", "scale", 0.5),
    held_out={"kind": 3, "hue": (0, 1)},
)
TEXTS = {
    "values": "hue=zipf:1;kind=4,2,1,1",
    "factors": "turn=0.25",
    "correlations": "hue>scale:0.5",
    "held_out": "kind=3;hue=0,1",
}


def shares(values: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(values, minlength=size) / len(values)


# --- none is as it always was ---------------------------------------------------------------------


def test_a_balanced_sampling_has_the_same_chances_as_none():
    plain = sample_transitions(SPACE, 40_000, "train", 0)
    drawn = sample_transitions(SPACE, 40_000, "train", 0, sampling=Sampling())
    assert np.bincount(drawn.actions).tolist() == [5000] * 8
    for f, size in enumerate(SPACE.sizes):
        for action in (f, f + 4):
            pair = [shares(t.x[t.actions == action, f], size) for t in (plain, drawn)]
            assert np.abs(pair[0] - pair[1]).max() < 0.03
        assert np.abs(shares(plain.x[:, f], size) - shares(drawn.x[:, f], size)).max() < 0.015
    values = sample_values(SPACE, 40_000, "train", 0, sampling=Sampling())
    for f, size in enumerate(SPACE.sizes):
        assert np.abs(shares(values[:, f], size) - 1 / size).max() < 0.015


# --- what is told is done -------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [0.5, 1.5])
def test_zipf_weights_are_the_definition(exponent):
    found = value_weights(SPACE, Sampling(values=f"zipf:{exponent}"))
    for weights, size in zip(found, SPACE.sizes, strict=True):
        slow = [1 / (v + 1) ** exponent for v in range(size)]
        assert weights == pytest.approx([w / sum(slow) for w in slow])
    assert factor_weights(SPACE, Sampling(factors=f"zipf:{exponent}")) == pytest.approx(
        np.arange(1.0, 5) ** -exponent / (np.arange(1.0, 5) ** -exponent).sum()
    )


def test_values_have_their_weights_and_the_others_stay_even():
    sampling = Sampling(values={"kind": (8, 4, 2, 1), "turn": "zipf:1"})
    values = draw_values(SPACE, sampling, 60_000, np.random.default_rng(0))
    for f, weights in enumerate(value_weights(SPACE, sampling)):
        assert np.abs(shares(values[:, f], SPACE.sizes[f]) - weights).max() < 0.01
    inside = sample_values(SPACE, 60_000, "train", 0, sampling)
    assert set(split_of(SPACE, inside)) == {0}
    assert np.abs(shares(inside[:, 1], 4) - np.array([8, 4, 2, 1]) / 15).max() < 0.02


@pytest.mark.parametrize("split", SPLITS)
def test_factors_get_exactly_their_share_and_both_directions_the_same(split):
    t = sample_transitions(SPACE, 1300, split, 1, sampling=Sampling(factors={"turn": 0.25}))
    assert np.bincount(t.actions).tolist() == [200, 200, 200, 50] * 2
    assert np.array_equal(SPACE.apply(t.x, t.actions), t.y)
    for end in (t.x, t.y):
        assert set(split_of(SPACE, end)) == {SPLITS.index(split)}
    assert np.abs(shares(t.actions[:650] % 4, 4) - np.array([4, 4, 4, 1]) / 13).max() < 0.05


def test_a_number_that_does_not_divide_is_given_away_fairly():
    ns = [len(sample_transitions(SPACE, n, "train", n, sampling=SKEWED)) for n in range(12)]
    assert ns == list(range(12))
    first = [
        int(sample_transitions(SPACE, 1, "train", seed, sampling=Sampling()).actions[0])
        for seed in range(60)
    ]
    assert set(first) == set(range(8))


def test_a_value_of_weight_0_is_at_neither_end_and_a_factor_of_weight_0_never_moves():
    sampling = Sampling(values={"turn": (1,) * 10 + (0,) * 5}, factors={"kind": 0})
    t = sample_transitions(SPACE, 4000, "train", 0, sampling=sampling)
    assert max(t.x[:, 3].max(), t.y[:, 3].max()) == 9
    assert 1 not in t.actions % 4


def test_a_correlation_makes_values_go_together_as_often_as_it_says():
    sampling = Sampling(correlations=("hue", "scale", 0.6))
    values = draw_values(SPACE, sampling, 60_000, np.random.default_rng(0))
    together = linked_value(values[:, 0], 10, 8) == values[:, 2]
    assert together.mean() == pytest.approx(0.6 + 0.4 / 8, abs=0.01)
    assert np.abs(shares(values[:, 0], 10) - 0.1).max() < 0.01  # the cause is as it was
    chain = Sampling(correlations=(("scale", "turn", 1.0), ("hue", "scale", 1.0)))  # in any order
    values = draw_values(SPACE, chain, 500, np.random.default_rng(0))
    assert np.array_equal(values[:, 2], linked_value(values[:, 0], 10, 8))
    assert np.array_equal(values[:, 3], linked_value(values[:, 2], 8, 15))


@pytest.mark.parametrize(("size", "other"), [(2, 15), (10, 8), (8, 10), (4, 4), (15, 2)])
def test_linked_values_keep_the_place_in_the_range(size, other):
    values = np.arange(size)
    found = linked_value(values, size, other)
    assert (found[0], found[-1]) == (0, other - 1)
    assert (np.diff(found) >= 0).all()
    assert np.abs(found - values * (other - 1) / (size - 1)).max() <= 0.5


@pytest.mark.parametrize("split", ["train", "test"])
def test_held_out_combinations_are_at_neither_end_and_unseen_ones_at_one_at_least(split):
    def slow(values):
        return np.array([v[1] == 3 and v[0] in (0, 1) for v in values.tolist()])

    assert np.array_equal(is_held_out(SPACE, SKEWED, EVERY), slow(EVERY))
    t = sample_transitions(SPACE, 2000, split, 0, sampling=SKEWED)
    assert not (slow(t.x) | slow(t.y)).any()
    assert not slow(sample_values(SPACE, 2000, split, 0, SKEWED)).any()
    t = sample_transitions(SPACE, 800, split, 0, sampling=SKEWED.unseen())
    assert (slow(t.x) | slow(t.y)).all()
    assert np.bincount(t.actions).tolist() == [100] * 8  # balanced, with every action
    assert not slow(t.x).all() and not slow(t.y).all()
    assert slow(sample_values(SPACE, 300, split, 0, SKEWED.unseen())).all()


def test_what_is_allowed_and_what_is_unseen_share_all_transitions():
    t = sample_transitions(SPACE, 3000, "train", 0)
    held = Sampling(held_out=({"kind": 3, "hue": (0, 1)}, {"turn": 14}))
    seen, unseen = (allowed(SPACE, s, t.x, t.y) for s in (held, held.unseen()))
    assert np.array_equal(seen, ~unseen) and 0.05 < unseen.mean() < 0.5


def test_a_seed_gives_the_same_and_another_seed_another():
    one, again, other = (sample_transitions(SPACE, 300, seed=s, sampling=SKEWED) for s in (7, 7, 8))
    assert np.array_equal(one.x, again.x) and np.array_equal(one.actions, again.actions)
    assert not np.array_equal(one.x, other.x)
    rng = np.random.default_rng(0)
    pair = [sample_values(SPACE, 9, seed=rng, sampling=SKEWED) for _ in range(2)]
    assert not np.array_equal(*pair)
    values = sample_values(SPACE, 6, "train", 0, SKEWED)
    # A change of what a seed means would silently turn old runs into others.
    assert SPACE.index(values).tolist() == [7, 88, 3596, 1111, 2086, 2487]


# --- as text and as JSON --------------------------------------------------------------------------


def test_a_text_and_a_dictionary_say_the_same():
    assert Sampling.from_text(**TEXTS) == SKEWED
    assert Sampling.from_text() == Sampling()
    spaced = {key: text.replace(";", " ; ").replace("=", " = ") for key, text in TEXTS.items()}
    assert Sampling.from_text(**spaced) == SKEWED
    two = Sampling.from_text(held_out="kind=3;hue=0,1|turn=14")
    assert two.held_out == ({"kind": (3,), "hue": (0, 1)}, {"turn": (14,)})
    assert Sampling.from_text(factors="zipf:1", values="hue=uniform").factors == "zipf:1"


@pytest.mark.parametrize("sampling", [Sampling(), SKEWED, SKEWED.unseen(), Sampling("zipf:2")])
def test_json_gives_it_back(sampling):
    again = Sampling.from_json(json.loads(json.dumps(sampling.to_json())))
    assert again == sampling
    first, second = (sample_values(SPACE, 20, seed=1, sampling=s) for s in (sampling, again))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Sampling("zip:1"), ValueError, "values: expected uniform or zipf.*found 'zip:1'"),
        (lambda: Sampling("zipf:x"), ValueError, "values: expected numbers, found 'x'"),
        (lambda: Sampling("zipf:-1"), ValueError, r"values: expected an exponent in 0\.\.20"),
        (lambda: Sampling("zipf:nan"), ValueError, r"values: expected an exponent in 0\.\.20"),
        (lambda: Sampling("zipf:1,2"), ValueError, "values: expected one number, found '1,2'"),
        (lambda: Sampling(3), ValueError, "values: expected uniform or zipf.*found 3"),
        (lambda: Sampling({"kind": (0, 0)}), ValueError, "values of kind: .* above 0, found none"),
        (lambda: Sampling({"kind": (1, -1)}), ValueError, "finite numbers of at least 0"),
        (lambda: Sampling({"kind": (1, float("inf"))}), ValueError, "finite numbers"),
        (lambda: Sampling({"kind": 3}), TypeError, "weights: expected numbers, found 3"),
        (lambda: Sampling(factors={"kind": "a"}), TypeError, "weights: expected numbers"),
        (lambda: Sampling(correlations="a>b:1"), TypeError, "a text is for Sampling.from_text"),
        (
            lambda: Sampling(correlations=("a", "b")),
            ValueError,
            "expected .cause, effect, strength",
        ),
        (lambda: Sampling(correlations=("a", "b", 2)), ValueError, r"a strength in \[0, 1\]"),
        (lambda: Sampling(correlations=("a", "a", 1)), ValueError, "expected two factors"),
        (
            lambda: Sampling(correlations=(("a", "c", 1), ("b", "c", 1))),
            ValueError,
            "'c' follows two factors, expected one",
        ),
        (lambda: Sampling(held_out={}), ValueError, "held_out: expected .factor: value or values"),
        (
            lambda: Sampling(held_out={"kind": ()}),
            ValueError,
            "held_out: expected values of 'kind'",
        ),
        (lambda: Sampling(held_out={"kind": 1.5}), ValueError, "values of 'kind', found 1.5"),
        (lambda: Sampling(only_held_out=True), ValueError, "only_held_out needs held_out"),
        (lambda: Sampling().unseen(), ValueError, "only_held_out needs held_out"),
        (lambda: Sampling.from_text("kind"), ValueError, "values: expected uniform or zipf"),
        (
            lambda: Sampling.from_text("kind=1,b"),
            ValueError,
            "values: expected numbers, found '1,b'",
        ),
        (lambda: Sampling.from_text("a=1;a=2"), ValueError, "values: 'a' is named twice"),
        (lambda: Sampling.from_text("a=1;b"), ValueError, "values: expected FACTOR=..., found 'b'"),
        (lambda: Sampling.from_text(factors="a=1,2"), ValueError, "factors: expected one number"),
        (
            lambda: Sampling.from_text(correlations="a,b:1"),
            ValueError,
            "expected CAUSE>EFFECT:STRENGTH, found 'a,b:1'",
        ),
        (lambda: Sampling.from_text(held_out="a=x"), ValueError, "held_out: expected integers"),
        (
            lambda: Sampling.from_json({"value": "uniform"}),
            ValueError,
            "unknown part of a sampling 'value'; did you mean 'values'",
        ),
        (lambda: Sampling.from_json([]), ValueError, "expected a dict with keys .*found"),
    ],
)
def test_bad_input_is_one_line_that_names_expected_and_found(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        (Sampling({"knd": "zipf:1"}), "unknown factor 'knd'; did you mean 'kind'"),
        (Sampling({"kind": (1, 2)}), "values of 'kind': expected 4 weights, .* found 2"),
        (Sampling(factors={"scal": 1}), "unknown factor 'scal'; did you mean 'scale'"),
        (
            Sampling(factors=dict.fromkeys(SPACE.names, 0)),
            "factors: expected a weight above 0, found none",
        ),
        (Sampling(correlations=("hue", "scal", 1)), "unknown factor 'scal'; did you mean 'scale'"),
        (
            Sampling(correlations=(("hue", "turn", 1), ("turn", "hue", 1))),
            "must not run in a circle, found one among hue, turn",
        ),
        (Sampling(held_out={"kinds": 1}), "unknown factor 'kinds'; did you mean 'kind'"),
        (Sampling(held_out={"kind": 4}), r"expected values of 'kind' in 0\.\.3, found 4"),
        (Sampling({"kind": (1, 0, 1, 0)}), r"no transition of action 'kind\+' in this world that"),
        (
            Sampling(held_out={"kind": (0, 1, 2, 3)}),
            "no transition of action .* world that the sampling allows",
        ),
    ],
)
def test_what_does_not_fit_the_world_is_named(sampling, message):
    with pytest.raises(ValueError, match=message) as caught:
        sample_transitions(SPACE, 10, sampling=sampling)
    assert "\n" not in str(caught.value)


# --- the cure -------------------------------------------------------------------------------------


def test_chances_make_every_column_even():
    t = sample_transitions(SPACE, 20_000, "train", 0, sampling=Sampling("zipf:1", "zipf:1"))
    columns = [t.actions, *t.x.T]
    chances = balanced_chances(columns)
    assert chances.sum() == pytest.approx(1) and (chances > 0).all()
    for column in columns:
        even = 1 / (column.max() + 1)
        assert np.abs(np.bincount(column, chances) / even - 1).max() < 0.02
    drawn = t.take(np.random.default_rng(0).choice(len(t), 20_000, p=chances))
    assert np.abs(shares(drawn.x[:, 3], 15) - 1 / 15).max() < 0.02 < shares(t.x[:, 3], 15)[0] - 0.2


def test_one_column_is_the_inverse_of_its_counts():
    column = np.array([0, 0, 0, 0, 2, 2, 5])
    assert balanced_chances([column]) == pytest.approx([1 / 12] * 4 + [1 / 6] * 2 + [1 / 3])
    half = balanced_chances([column], 0.5)
    assert half[4] / half[0] == pytest.approx(2**0.5)
    assert balanced_chances([column], 0.0) == pytest.approx([1 / 7] * 7)


def test_a_pair_of_factors_can_be_made_even_and_what_is_missing_stays_missing():
    values = sample_values(SPACE, 20_000, "train", 0, Sampling(correlations=("hue", "scale", 0.7)))
    cells = values[:, 0] * 8 + values[:, 2]
    found = np.bincount(cells, balanced_chances([cells]), minlength=80)
    assert np.abs(found - 1 / 80).max() < 1e-9
    diagonal = values[linked_value(values[:, 0], 10, 8) == values[:, 2]]
    cells = diagonal[:, 0] * 8 + diagonal[:, 2]
    assert (np.bincount(cells, balanced_chances([cells]), minlength=80) > 0).sum() == 10


def test_balance_is_paid_in_effective_size():
    t = sample_transitions(SPACE, 20_000, "train", 0, sampling=Sampling("zipf:1"))
    sizes = [effective_size(balanced_chances([*t.x.T], s)) for s in (0, 0.5, 1)]
    assert sizes[0] == pytest.approx(20_000) and sizes[0] > sizes[1] > sizes[2] > 100


@pytest.mark.parametrize(
    ("columns", "strength", "message"),
    [
        ([], 1, r"at least one, all of one length above 0, found \[\]"),
        ([np.zeros(0, dtype=int)], 1, r"found \[0\]"),
        ([np.zeros(3, dtype=int), np.zeros(4, dtype=int)], 1, r"found \[3, 4\]"),
        ([np.zeros(3, dtype=int)], 1.5, r"strength: expected a number in \[0, 1\], found 1.5"),
    ],
)
def test_chances_refuse_what_cannot_be(columns, strength, message):
    with pytest.raises(ValueError, match=message):
        balanced_chances(columns, strength)
