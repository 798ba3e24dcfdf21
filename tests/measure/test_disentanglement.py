"""Disentanglement scores: known by construction, against slow versions, and at their edges."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from sklearn.feature_selection import mutual_info_classif
from sklearn.metrics import balanced_accuracy_score, mutual_info_score
from sklearn.tree import DecisionTreeClassifier

from cvq_tutorial.measure.disentanglement import (
    columns as disentangle_data,
)
from cvq_tutorial.measure.disentanglement import (
    factor_vae,
    infomec,
)
from cvq_tutorial.measure.disentanglement import (
    scores as disentangle,
)
from cvq_tutorial.measure.disentanglement.scores import all_scores, mutual_information

SIZES = (4, 3, 5)


def every_combination(times: int = 10) -> np.ndarray:
    """All combinations of the factors equally often, in a random order: exactly independent."""
    grid = np.indices(SIZES).reshape(len(SIZES), -1).T
    return np.random.default_rng(0).permutation(np.repeat(grid, times, axis=0))


def random_factors(n: int, sizes: tuple[int, ...] = SIZES, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(size, size=n) for size in sizes], axis=1)


def renamed(codes: np.ndarray, seed: int = 1) -> np.ndarray:
    """Every column's codes under other names, far apart and not in order."""
    rng = np.random.default_rng(seed)
    columns = [rng.permutation(1000)[: z.max() + 1][z] - 500 for z in codes.T]
    return np.stack(columns, axis=1)


def noisy_codes(factors: np.ndarray, seed: int = 2) -> np.ndarray:
    """Five columns that say something about one factor or two, and one that says nothing."""
    rng = np.random.default_rng(seed)
    a, b, c = factors.T
    columns = [a, a * 3 + b, c, (c + b) % 4, b, rng.integers(6, size=len(a))]
    flips = rng.random((len(a), 6)) < 0.2
    return np.where(flips, rng.integers(3, size=flips.shape), np.stack(columns, axis=1))


def scaled(factors: np.ndarray) -> np.ndarray:
    return (factors - factors.mean(axis=0)) / factors.std(axis=0)


def rotation(size: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(4).normal(size=(size, size)))[0]


# Known by construction ---------------------------------------------------------------------------


def test_codes_that_are_the_factors_score_one():
    factors = every_combination()
    scores = all_scores(renamed(factors), factors)
    perfect = ["MIG", "FactorVAE", "DCI disentanglement", "DCI completeness"]
    perfect += ["DCI informativeness", "InfoMEC modularity", "InfoMEC compactness"]
    for name in perfect:
        assert scores[name].value == pytest.approx(1, abs=1e-9), name
        assert scores[name].permuted < 0.5, name
    assert scores["InfoMEC explicitness"].value > 0.95
    chance = np.mean([1 / size for size in SIZES])
    assert scores["SAP"].value == pytest.approx(1 - chance, abs=0.06)  # the second best guesses
    assert all(score.n == len(factors) and score.notes == () for score in scores.values())


def test_latents_that_are_the_factors_score_high_and_their_rotation_low():
    factors = random_factors(2000)
    straight = scaled(factors) + np.random.default_rng(0).normal(0, 0.02, factors.shape)
    aligned, turned = all_scores(straight, factors), all_scores(straight @ rotation(3), factors)
    for name in ("MIG", "DCI disentanglement", "DCI completeness", "InfoMEC modularity"):
        assert aligned[name].value > 0.9, name
        assert turned[name].value < 0.6 * aligned[name].value, name
    assert turned["FactorVAE"].value < aligned["FactorVAE"].value == 1
    # A rotation loses nothing, and the scores that only ask for that do not mind.
    assert turned["InfoMEC explicitness"].value == pytest.approx(
        aligned["InfoMEC explicitness"].value, abs=0.02
    )


@pytest.mark.parametrize("kind", ["codes", "numbers"])
def test_independent_noise_scores_what_it_scores_with_permuted_factors(kind):
    rng = np.random.default_rng(4)
    factors = random_factors(3000)
    noise = rng.integers(6, size=(3000, 5)) if kind == "codes" else rng.normal(size=(3000, 5))
    scores = all_scores(noise, factors)
    for name in ("MIG", "SAP", "DCI disentanglement", "DCI completeness", "InfoMEC explicitness"):
        assert scores[name].value < 0.03, name
        assert scores[name].value == pytest.approx(scores[name].permuted, abs=0.03), name
    for name in ("FactorVAE", "DCI informativeness"):  # of which guessing has some
        assert scores[name].value == pytest.approx(scores[name].permuted, abs=0.06), name
    for name in ("InfoMEC modularity", "InfoMEC compactness"):  # a share of next to nothing
        assert scores[name].value == pytest.approx(scores[name].permuted, abs=0.4), name


def test_what_codes_are_called_changes_no_digit():
    factors = random_factors(400)
    codes = noisy_codes(factors)
    assert all_scores(codes, factors) == all_scores(renamed(codes), factors)
    assert all_scores(codes, factors) == all_scores(codes, renamed(factors))


def test_the_order_of_the_columns_does_not_matter():
    factors = random_factors(2000)
    codes = noisy_codes(factors)
    scores = all_scores(codes, factors)
    swapped = all_scores(codes[:, [5, 2, 0, 4, 1, 3]], factors[:, ::-1])
    for name in ("MIG", "SAP", "InfoMEC modularity", "InfoMEC compactness"):
        assert swapped[name].value == pytest.approx(scores[name].value), name
    for name, score in scores.items():  # trees and votes are drawn
        assert swapped[name].value == pytest.approx(score.value, abs=0.06), name


def test_a_linear_predictor_cannot_read_what_two_codes_say_together():
    codes = random_factors(1000, (2, 2))
    both = (codes[:, :1] ^ codes[:, 1:]).astype(int)
    assert infomec.infomec(codes, both).explicitness.value < 0.05
    assert disentangle.dci(codes, both).informativeness.value > 0.95
    shown = np.concatenate([codes, codes[:, :1] * 2 + codes[:, 1:]], axis=1)
    assert infomec.infomec(shown, both).explicitness.value > 0.9


def test_dci_knows_which_latent_each_factor_needs():
    factors = every_combination()
    codes = np.concatenate([factors[:, [2, 0]], np.zeros((len(factors), 1), int)], axis=1)
    codes = np.concatenate([codes, factors[:, [1]]], axis=1)
    importance = disentangle.dci(codes, factors).importance
    assert importance.shape == (4, 3)
    assert importance.argmax(axis=0).tolist() == [1, 3, 0]
    assert importance.sum(axis=0) == pytest.approx(np.ones(3))
    assert (importance[2] == 0).all()  # it is constant


# Against slow versions ---------------------------------------------------------------------------


def test_information_of_codes_against_scikit_learn():
    factors = random_factors(300)
    codes = noisy_codes(factors)
    found = mutual_information(renamed(codes), factors)
    for row, z in enumerate(codes.T):
        for column, v in enumerate(factors.T):
            assert found[row, column] == pytest.approx(mutual_info_score(z, v), abs=1e-12)
    share = mutual_information(codes, factors, normalised=True)
    own = [mutual_info_score(v, v) for v in factors.T]
    assert share == pytest.approx(found / own) and share.max() <= 1


def test_information_of_latents_is_that_of_equal_bins():
    factors = random_factors(300)
    latents = scaled(factors) + np.random.default_rng(1).normal(size=factors.shape)
    found = mutual_information(latents, factors, bins=7)
    for row, z in enumerate(latents.T):
        edges = np.linspace(z.min(), z.max(), 8)[1:-1]
        for column, v in enumerate(factors.T):
            slow = mutual_info_score(np.searchsorted(edges, z, side="right"), v)
            assert found[row, column] == pytest.approx(slow, abs=1e-12)


def test_mig_against_sorting_by_hand():
    factors = random_factors(300)
    codes = noisy_codes(factors)
    gaps = []
    for v in factors.T:
        shares = sorted(mutual_info_score(z, v) / mutual_info_score(v, v) for z in codes.T)
        gaps.append(shares[-1] - shares[-2])
    assert disentangle.mig(codes, factors).value == pytest.approx(np.mean(gaps))


def test_sap_of_codes_against_naming_one_by_one():
    factors = random_factors(400)
    codes = noisy_codes(factors)
    learn, judge = disentangle_data.sample_of(codes, factors).halves(0)
    gaps = []
    for v in factors.T:
        size = np.bincount(v[learn])
        right = []
        for z in codes.T:
            met = [np.bincount(v[learn][z[learn] == code], minlength=len(size)) for code in z]
            weight = np.array(met) / size  # (n, S), of each row's code
            best = weight[judge] == weight[judge].max(axis=1, keepdims=True)
            hit = best[np.arange(len(judge)), v[judge]] / best.sum(axis=1)  # ties share
            right.append(np.mean([hit[v[judge] == value].mean() for value in range(len(size))]))
        gaps.append(sorted(right)[-1] - sorted(right)[-2])
    assert disentangle.sap(codes, factors).value == pytest.approx(np.mean(gaps))


def test_sap_of_latents_against_a_tree_per_latent():
    factors = random_factors(400)
    latents = scaled(factors) + np.random.default_rng(0).normal(0, 0.3, factors.shape)
    sample = disentangle_data.sample_of(latents, factors)
    learn, judge = sample.halves(0)
    slow = np.zeros((3, 3))
    for column, v in enumerate(sample.factors.T):
        for row, z in enumerate(latents.T):
            tree = DecisionTreeClassifier(
                max_leaf_nodes=2 * (v.max() + 1), min_samples_leaf=5, class_weight="balanced"
            ).fit(z[learn, None], v[learn])
            slow[row, column] = balanced_accuracy_score(v[judge], tree.predict(z[judge, None]))
    # The tree breaks the ties of a leaf by the number of the class, we share them.
    assert disentangle._named_by_each(sample, 0) == pytest.approx(slow, abs=0.02)
    top = np.sort(disentangle._named_by_each(sample, 0), axis=0)
    assert disentangle.sap(latents, factors).value == pytest.approx((top[-1] - top[-2]).mean())


def test_codes_never_seen_share_a_guess():
    factors = np.repeat([0, 1], 200)[:, None]
    unique = np.arange(400)[:, None]  # no code is met twice
    named = disentangle._named_by_each(disentangle_data.sample_of(unique, factors), 0)
    assert named == pytest.approx(np.array([[0.5]]))


def test_infomec_of_codes_by_its_formula():
    factors = random_factors(300)
    codes = noisy_codes(factors)
    result = infomec.infomec(codes, factors)
    share = np.array(
        [[mutual_info_score(z, v) / mutual_info_score(v, v) for v in factors.T] for z in codes.T]
    )
    assert result.information == pytest.approx(share)
    assert result.active.all()
    modularity = np.mean([row.max() / row.sum() for row in share])
    compactness = np.mean([column.max() / column.sum() for column in share.T])
    assert result.modularity.value == pytest.approx((modularity - 1 / 3) / (1 - 1 / 3))
    assert result.compactness.value == pytest.approx((compactness - 1 / 6) / (1 - 1 / 6))


def test_infomec_of_latents_leaves_out_what_hardly_moves():
    factors = random_factors(400)
    rng = np.random.default_rng(0)
    narrow = 0.01 * rng.normal(size=(400, 1))
    latents = np.concatenate([scaled(factors) + rng.normal(0, 0.3, factors.shape), narrow], axis=1)
    result = infomec.infomec(latents, factors)
    assert result.active.tolist() == [True, True, True, False]
    assert "1 latent of little range ignored" in result.modularity.notes
    without = infomec.infomec(latents[:, :3], factors)
    assert result.modularity.value == pytest.approx(without.modularity.value, abs=1e-3)
    slow = mutual_info_classif(latents, factors[:, 1], n_neighbors=10, random_state=5)
    own = mutual_info_score(factors[:, 1], factors[:, 1])
    assert result.information[:, 1] == pytest.approx(slow / own, abs=1e-3)


def test_concentration_by_hand():
    table = np.array([[3.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    assert disentangle._concentration(table) == pytest.approx((3 * 1 + 2 * 0) / 5)
    assert disentangle._concentration(np.zeros((2, 2))) == 0


def test_codes_are_put_in_the_order_of_the_class_they_meet():
    rng = np.random.default_rng(0)
    chance = rng.permutation(np.linspace(0, 1, 12))  # of class 1, for each code
    codes = rng.integers(12, size=2000)
    classes = (rng.random(2000) < chance[codes]).astype(int)
    sample = disentangle_data.sample_of(codes[:, None], classes[:, None])
    learn, _ = sample.halves(0)
    v = sample.factors[:, 0]
    ranks = disentangle._in_order(sample, v, learn)[:, 0]
    share = [v[learn][ranks[learn] == rank].mean() for rank in range(12)]
    assert share in (sorted(share), sorted(share)[::-1])


def test_trees_do_not_spend_their_last_splits_on_noise():
    factors = random_factors(2000, (10, 8, 15))
    rng = np.random.default_rng(0)
    latents = np.concatenate([scaled(factors), rng.normal(size=(2000, 3))], axis=1)
    latents += rng.normal(0, 0.3, latents.shape)
    assert disentangle.dci(latents, factors).disentanglement.value > 0.4


def test_a_factor_that_cannot_be_read_does_not_take_from_one_that_can():
    rng = np.random.default_rng(0)
    factors = random_factors(200, (3, 6))
    codes = np.stack([factors[:, 0], rng.integers(9, size=200)], axis=1)
    both, one = infomec.infomec(codes, factors), infomec.infomec(codes, factors[:, :1])
    assert both.explicitness.value == pytest.approx(one.explicitness.value / 2) != 0


def test_stretching_a_latent_does_not_change_dci():
    factors = random_factors(600)
    latents = scaled(factors) + np.random.default_rng(1).normal(0, 0.4, factors.shape)
    straight, bent = disentangle.dci(latents, factors), disentangle.dci(latents**3, factors)
    assert bent.importance == pytest.approx(straight.importance)


# Traps -------------------------------------------------------------------------------------------


def test_codes_are_counted_and_not_put_into_bins():
    code = np.random.default_rng(0).permutation(40)
    factors = random_factors(5000, (40, 3))
    codes = np.stack([code[factors[:, 0]], factors[:, 1]], axis=1)
    assert disentangle.mig(codes, factors).value >= 0.99
    only = factors[:, :1]
    binned = disentangle.mig(codes.astype(float), only).value
    assert binned == pytest.approx(0.81, abs=0.02)  # the price of 20 bins
    assert disentangle.mig(codes, only).value >= 0.99


def test_a_small_sample_flatters_and_says_so():
    rng = np.random.default_rng(0)
    for n, flattered in ((50, True), (5000, False)):
        codes, factors = rng.integers(40, size=(n, 2)), rng.integers(40, size=(n, 2))
        share = mutual_information(codes, factors, normalised=True)
        score = disentangle.mig(codes, factors)
        assert any("n too small: 50 rows" in note for note in score.notes) == flattered
        assert (share.mean() > 0.7) == flattered and (share.mean() < 0.1) == (not flattered)
        result = infomec.infomec(codes, factors)
        assert result.modularity.value == pytest.approx(result.modularity.permuted, abs=0.1)
    assert "n too small: 50 rows for" in disentangle.mig(codes[:50], factors[:50]).notes[0]


def test_a_value_far_out_is_noted_because_one_bin_then_holds_nearly_all():
    rng = np.random.default_rng(0)
    factors = rng.integers(6, size=(2000, 2))
    latents = factors + 0.1 * rng.standard_normal((2000, 2))
    assert not any("outliers" in note for note in disentangle.mig(latents, factors).notes)
    latents[7, 1] = 1e4
    score = disentangle.mig(latents, factors)
    assert score.notes == ("outliers: one of 20 bins holds 100.0% of the rows of latent 1",)


def test_a_constant_factor_is_left_out_and_named():
    factors = every_combination()
    codes = renamed(factors)
    with_constant = np.concatenate([factors[:, :1], np.full((600, 1), 7), factors[:, 1:]], axis=1)
    plain, noted = all_scores(codes, factors), all_scores(codes, with_constant)
    for name, score in noted.items():
        assert score.value == plain[name].value, name
        assert score.notes == ("1 constant factor ignored",), name
    assert mutual_information(codes, with_constant)[:, 1].tolist() == [0, 0, 0]
    assert disentangle.dci(codes, with_constant).importance.shape == (3, 4)


def test_constant_latents_are_left_out_and_named():
    factors = every_combination()
    codes = renamed(factors)
    padded = np.concatenate([np.zeros((600, 2), int), codes], axis=1)
    plain = all_scores(codes, factors)
    for name, score in all_scores(padded, factors).items():
        assert score.value == plain[name].value, name
        assert score.notes == ("2 constant latents ignored",), name


@pytest.mark.parametrize("kind", ["codes", "numbers"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 1), (5, 3), (3, 5), (2, 2)])
@pytest.mark.parametrize(("n", "classes"), [(1, 2), (2, 2), (3, 30), (9, 1), (9, 3), (40, 30)])
def test_every_score_is_a_finite_number_whatever_the_sample(kind, shape, n, classes):
    rng = np.random.default_rng(n)
    latents = rng.integers(4, size=(n, shape[0]))
    factors = rng.integers(classes, size=(n, shape[1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = all_scores(latents if kind == "codes" else latents * 0.7, factors)
    assert len(scores) == 9
    for name, score in scores.items():
        assert 0 <= score.value <= 1 and 0 <= score.permuted <= 1, name  # NaN is neither
        assert isinstance(score.value, float) and score.n == n


@pytest.mark.parametrize(
    ("latents", "factors", "why"),
    [
        (np.zeros((30, 2), int), random_factors(30), "all latents are constant: 0"),
        (np.full((30, 2), 0.1), random_factors(30), "all latents are constant: 0"),
        (random_factors(30), np.ones((30, 2), int), "all factors are constant: 0"),
    ],
)
def test_where_nothing_varies_all_is_zero_with_a_reason(latents, factors, why):
    for score in all_scores(latents, factors).values():
        assert score.value == score.permuted == 0 and why in score.notes
    assert not mutual_information(latents, factors, normalised=True).any()
    assert not infomec.infomec(latents, factors).information.any()


def test_one_factor_or_one_latent_is_said_to_be_undefined():
    factors = every_combination()
    one_factor = all_scores(factors, factors[:, :1])
    assert one_factor["DCI disentanglement"].value == one_factor["InfoMEC modularity"].value == 0
    assert "1 factor: disentanglement is undefined, 0" in one_factor["DCI disentanglement"].notes
    assert "1 factor: modularity is undefined, 0" in one_factor["InfoMEC modularity"].notes
    assert one_factor["FactorVAE"].value == one_factor["FactorVAE"].permuted == 1
    assert "1 factor: always named right" in one_factor["FactorVAE"].notes
    one_latent = all_scores(factors[:, :1], factors)
    assert one_latent["MIG"].value == pytest.approx(1 / 3)  # it says one factor of three
    assert "1 latent: its gap is to a latent that says nothing" in one_latent["MIG"].notes
    assert one_latent["SAP"].value == pytest.approx((1 - 1 / 4) / 3, abs=0.05)
    assert one_latent["DCI completeness"].value == one_latent["InfoMEC compactness"].value == 0
    assert "1 latent: compactness is undefined, 0" in one_latent["InfoMEC compactness"].notes


# FactorVAE ---------------------------------------------------------------------------------------


def test_spread_of_codes_is_the_chance_that_two_differ():
    codes = noisy_codes(random_factors(64))
    slow = [(z[:, None] != z).mean() for z in codes.T]
    assert factor_vae._spread(codes) == pytest.approx(slow)
    assert factor_vae._spread(codes.astype(np.uint8)) == pytest.approx(slow)
    assert factor_vae._spread(codes * 10**12 - 5) == pytest.approx(slow)


def test_of_latents_that_hold_still_the_liveliest_gets_the_vote():
    batch = np.zeros((8, 3), int)
    batch[:, 0] = np.arange(8)
    assert factor_vae._least(batch, np.array([0.9, 0.1, 0.8])) == 2
    assert factor_vae._least(batch, np.array([0.9, 0.0, 0.0])) == 0  # a dead one never
    wide = np.random.default_rng(0).normal(size=(500, 2)) * (10, 2)
    assert factor_vae._least(wide, np.array([400.0, 4.0])) == 0  # a quarter of its own variance


@pytest.mark.parametrize("codes", [True, False])
def test_rows_and_world_give_the_same_factor_vae_score(codes):
    turn = rotation(3)

    def encode(values: np.ndarray) -> np.ndarray:
        if codes:
            return np.stack([values[:, 0] * 3 + values[:, 1], values[:, 2], values[:, 2]], axis=1)
        return (values - 1.5) @ turn

    factors = random_factors(4000)
    rows = disentangle.factor_vae(encode(factors), factors)
    world = disentangle.factor_vae_world(encode, SIZES)
    assert rows.value == pytest.approx(world.value, abs=0.08)
    assert 0.4 < world.value < 1
    assert world.permuted == pytest.approx(1 / 3, abs=0.1)
    assert world.n == 2000 + 1200 * 64


def test_a_vote_holds_one_factor_and_asks_only_for_values_there_are():
    asked = []

    def encode(values: np.ndarray) -> np.ndarray:
        asked.append(values)
        return values

    score = disentangle.factor_vae_world(encode, (5, 1, 2))
    assert score.value == 1 and score.notes == (
        "1 constant factor ignored",
        "1 constant latent ignored",
    )
    assert len(asked) == 1201
    for values in asked[1:]:
        assert (values >= 0).all() and (values < (5, 1, 2)).all()
        still = (values == values[0]).all(axis=0)
        assert still.tolist() in ([True, True, False], [False, True, True])


def test_a_vote_among_rows_holds_every_factor_at_every_value(monkeypatch):
    held = set()

    def record(latents: np.ndarray, overall: np.ndarray) -> int:
        still = np.flatnonzero((latents == latents[0]).all(axis=0))
        assert len(latents) == 64 and len(still) == 1
        held.add((still[0], latents[0, still[0]]))
        return int(still[0])

    monkeypatch.setattr(factor_vae, "_least", record)
    factors = random_factors(500)
    assert disentangle.factor_vae(factors, factors).value == 1
    assert len(held) == sum(SIZES)


def test_factor_vae_of_a_world_without_anything_to_see():
    dead = disentangle.factor_vae_world(lambda values: np.full((len(values), 2), 0.1), SIZES)
    assert dead.value == dead.permuted == 0 and dead.notes == ("all latents are constant: 0",)
    fixed = disentangle.factor_vae_world(lambda values: values, (1, 1))
    assert fixed.value == 0 and "all factors are constant: 0" in fixed.notes


def test_factor_vae_world_refuses():
    with pytest.raises(ValueError, match="sizes must be at least 1, found 0"):
        disentangle.factor_vae_world(lambda values: values, (3, 0))
    with pytest.raises(ValueError, match=r"encode\(values\) must have shape \(2000, any\)"):
        disentangle.factor_vae_world(lambda values: values[:7], SIZES)
    with pytest.raises(ValueError, match=r"encode\(values\) must be finite"):
        disentangle.factor_vae_world(lambda values: values * np.nan, SIZES)


# What goes in ------------------------------------------------------------------------------------


def test_float_factors_need_classes_or_discretise():
    factors = random_factors(300)
    angles = np.random.default_rng(0).random((300, 1)) * np.pi
    mixed = np.concatenate([factors, angles], axis=1)
    with pytest.raises(TypeError, match=r"found float64: give classes or discretise="):
        disentangle.mig(factors, mixed)
    cut = np.minimum((angles - angles.min()) / np.ptp(angles) * 6, 5).astype(int)
    wanted = mutual_information(factors, np.concatenate([factors, cut], axis=1))
    # A column of few different values keeps them: they are classes under other names.
    assert mutual_information(factors, mixed * 0.1, discretise=6) == pytest.approx(wanted)
    for score in all_scores(factors, mixed, discretise=6).values():
        assert 0 <= score.value <= 1


def test_tensors_booleans_and_other_integers_are_taken():
    factors = random_factors(200)
    codes = noisy_codes(factors)
    wanted = disentangle.mig(codes, factors)
    assert disentangle.mig(torch.from_numpy(codes), torch.from_numpy(factors)) == wanted
    assert disentangle.mig(codes.astype(np.uint8), factors.astype(np.int8)) == wanted
    flags = codes > 1
    assert disentangle.mig(flags, factors > 0) == disentangle.mig(
        flags.astype(int), (factors > 0).astype(int)
    )
    latents = torch.from_numpy(scaled(factors)).requires_grad_()
    assert disentangle.mig(latents, factors).value > 0.5


def test_what_does_not_fit_is_refused():
    factors = random_factors(20)
    with pytest.raises(ValueError, match=r"factors must have shape \(20, any\), found \(19, 3\)"):
        disentangle.mig(factors, factors[:19])
    with pytest.raises(ValueError, match="representation must have 2 dimension"):
        disentangle.sap(factors[:, 0], factors)
    with pytest.raises(ValueError, match="representation must be finite"):
        disentangle.dci(np.full((20, 1), np.nan), factors)
    with pytest.raises(ValueError, match="representation must not be empty"):
        infomec.infomec(np.zeros((20, 0)), factors)
    with pytest.raises(TypeError, match="factors must be integers, found <U1"):
        disentangle.factor_vae(factors, np.full((20, 1), "a"))
    with pytest.raises(ValueError, match="bins must be at least 1"):
        disentangle.mig(factors, factors, bins=0)
    with pytest.raises(TypeError, match="discretise must be an integer"):
        disentangle.mig(factors, factors * 0.5, discretise=2.5)


def test_scores_are_the_same_every_time_and_touch_no_global_randomness():
    factors = random_factors(300)
    latents = scaled(factors) + np.random.default_rng(0).normal(0, 0.5, factors.shape)
    np.random.seed(1)  # noqa: NPY002 - it is the global state that must stay as it is
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = all_scores(latents, factors, seed=3)
    assert first == all_scores(latents, factors, seed=3) != all_scores(latents, factors, seed=4)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_the_control_permutes_whole_rows():
    factors = random_factors(100)
    sample = disentangle_data.sample_of(factors, factors)
    permuted = sample.permuted(0)
    assert (permuted.latents == sample.latents).all()
    assert (permuted.factors != sample.factors).any()
    rows = [sorted(map(tuple, table)) for table in (permuted.factors, sample.factors)]
    assert rows[0] == rows[1]
    learn, judge = sample.halves(0)
    assert sorted([*learn, *judge]) == list(range(100)) and len(judge) == 50


# Codes of a map, and text ------------------------------------------------------------------------


def test_a_code_map_becomes_columns_node_by_node_without_the_constant_ones():
    codes = np.random.default_rng(0).integers(9, size=(50, 4, 2))
    codes[:, 1, 0] = 5
    columns = disentangle.code_columns(codes)
    assert columns.codes.shape == (50, 7)
    assert columns.names[:3] == ("node 0, codebook 0", "node 0, codebook 1", "node 1, codebook 1")
    for column, (node, book) in enumerate(zip(columns.node, columns.codebook, strict=True)):
        assert (columns.codes[:, column] == codes[:, node, book]).all()
    on_map = columns.on_map(columns.codes.T)
    whole = codes.transpose(1, 2, 0).astype(float)
    whole[1, 0] = 0
    assert (on_map == whole).all()


def test_a_map_of_one_code_keeps_one_column_and_scores_zero():
    columns = disentangle.code_columns(np.full((30, 4, 2), 3))
    assert columns.codes.shape == (30, 1) and columns.names == ("node 0, codebook 0",)
    assert disentangle.mig(columns.codes, random_factors(30)).value == 0


def test_code_columns_refuses():
    with pytest.raises(ValueError, match="codes must have 3 dimension"):
        disentangle.code_columns(np.zeros((3, 4), int))
    with pytest.raises(TypeError, match="codes must be integers"):
        disentangle.code_columns(np.zeros((3, 4, 1)))
    with pytest.raises(ValueError, match=r"table must have shape \(1, any\)"):
        disentangle.code_columns(np.zeros((3, 4, 1), int)).on_map(np.zeros((2, 3)))


def test_the_table_has_every_score_its_control_and_each_note_once():
    factors = random_factors(20)
    padded = np.concatenate([factors, np.zeros((20, 1), int)], axis=1)
    scores = all_scores(padded, factors)
    lines = disentangle.table(scores).splitlines()
    assert lines[0].split() == ["score", "value", "permuted"]
    for line, (name, score) in zip(lines[1:10], scores.items(), strict=True):
        assert line.split("  ")[0] == name
        assert line.split()[-2:] == [f"{score.value:.3f}", f"{score.permuted:.3f}"]
    assert "note: 1 constant latent ignored (all)" in lines[10:]
    assert len(set(lines[10:])) == len(lines[10:])
    assert str(scores["MIG"]).startswith(f"{scores['MIG'].value:.3f} (permuted ")
    assert str(scores["MIG"]).endswith("; ".join(scores["MIG"].notes))
