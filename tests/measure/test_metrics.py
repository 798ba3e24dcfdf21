"""Metrics against numbers worked out by hand, and where they are undefined."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cvq_tutorial.measure import metrics

NAMES = ("hue", "shape", "size")  # actions 0..2 raise, 3..5 lower


def finite_json(value: object) -> None:
    """JSON as metrics.json needs it: no NaN, no infinity, no numpy scalar."""
    json.loads(json.dumps(value, allow_nan=False))


# psnr --------------------------------------------------------------------------------------------


def test_psnr_by_hand():
    assert metrics.psnr(1.0) == 0.0
    assert metrics.psnr(0.01) == pytest.approx(20.0)
    assert metrics.psnr(np.float32(0.001)) == pytest.approx(30.0, abs=1e-4)


def test_psnr_of_an_exact_copy_is_finite():
    assert metrics.psnr(0.0) == pytest.approx(100.0)


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf")])
def test_psnr_refuses(bad):
    with pytest.raises(ValueError, match="mse must be a finite number"):
        metrics.psnr(bad)


# codebook use ------------------------------------------------------------------------------------


def test_perplexity_counts_over_the_whole_sample():
    batches = [np.arange(16 * b, 16 * (b + 1)).reshape(1, 16, 1) for b in range(4)]
    one = metrics.codebook_use(batches[0], 512)
    assert one["used"] == [16] and one["size"] == [512]
    assert one["perplexity"] == pytest.approx([16.0])
    assert metrics.codebook_use(np.concatenate(batches), 512)["perplexity"] == pytest.approx([64.0])


def test_one_code_everywhere_has_perplexity_one():
    use = metrics.codebook_use(np.full((5, 4, 2), 3), 8)
    assert use["used"] == [1, 1]
    assert use["perplexity"] == pytest.approx([1.0, 1.0])


def test_codebooks_are_counted_apart():
    codes = np.stack([np.zeros((2, 4), int), np.arange(8).reshape(2, 4)], axis=-1)
    use = metrics.codebook_use(codes, 8)
    assert use["used"] == [1, 8]
    assert use["perplexity"] == pytest.approx([1.0, 8.0])
    finite_json(use)


def test_perplexity_of_unequal_counts():
    codes = np.array([0, 0, 0, 1]).reshape(1, 4, 1)
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert metrics.codebook_use(codes, 4)["perplexity"] == pytest.approx([np.exp(entropy)])


def test_empty_sample_warns_and_stays_finite():
    with pytest.warns(UserWarning, match="empty"):
        use = metrics.codebook_use(np.zeros((0, 4, 2), int), 8)
    assert use == {"used": [0, 0], "size": [8, 8], "perplexity": [0.0, 0.0]}


def test_codebook_use_refuses():
    with pytest.raises(ValueError, match=r"0\.\.7, found 0\.\.8"):
        metrics.codebook_use(np.array([[[0], [8]]]), 8)
    with pytest.raises(TypeError, match="integers, found float64"):
        metrics.codebook_use(np.zeros((1, 2, 1)), 8)
    with pytest.raises(ValueError, match=r"\(M, N, C\), found \(2, 3\)"):
        metrics.codebook_use(np.zeros((2, 3), int), 8)


# bootstrap ---------------------------------------------------------------------------------------


def test_bootstrap_is_deterministic_and_seeded():
    values = np.random.default_rng(0).normal(size=200)
    assert metrics.bootstrap(values, seed=1) == metrics.bootstrap(values, seed=1)
    assert metrics.bootstrap(values, seed=1) != metrics.bootstrap(values, seed=2)


def test_bootstrap_has_the_width_of_theory():
    values = np.random.default_rng(0).normal(size=2000)
    low, high = metrics.bootstrap(values)
    theory = 2 * 1.96 * values.std() / np.sqrt(len(values))
    assert low < values.mean() < high
    assert high - low == pytest.approx(theory, rel=0.1)


def test_bootstrap_of_constants_has_no_width():
    assert metrics.bootstrap(np.full(50, 0.25)) == (0.25, 0.25)
    assert metrics.bootstrap([True]) == (1.0, 1.0)


def test_bootstrap_draws_rows_together():
    pairs = np.stack([np.arange(30.0), np.arange(30.0) + 7], axis=1)
    low, high = metrics.bootstrap(pairs, n=50, statistic=lambda p: (p[:, 1] - p[:, 0]).mean())
    assert low == high == pytest.approx(7)


def test_bootstrap_refuses():
    with pytest.raises(ValueError, match="at least one row"):
        metrics.bootstrap([])
    with pytest.raises(ValueError, match="n must be at least 1"):
        metrics.bootstrap([1.0], n=0)


# retrieval ---------------------------------------------------------------------------------------


def test_confusion_rows_are_true():
    counts = metrics.confusion([0, 0, 2, 1], [0, 2, 2, 1], 3)
    assert counts.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 1]]


def test_confusion_against_a_loop():
    rng = np.random.default_rng(0)
    true, guess = rng.integers(6, size=300), rng.integers(6, size=300)
    slow = np.zeros((6, 6), int)
    for t, g in zip(true, guess, strict=True):
        slow[t, g] += 1
    assert (metrics.confusion(true, guess, 6) == slow).all()


def test_retrieval_by_hand():
    # four edits of hue (three up, one down), one of shape, none of size
    true = np.array([0, 0, 0, 3, 1])
    predicted = np.array([0, 0, 3, 3, 2])
    result = metrics.retrieval(true, predicted, NAMES, majority_action=0)
    assert result["n"] == 5
    assert result["action_accuracy"] == pytest.approx(3 / 5)
    assert result["factor_accuracy"] == pytest.approx(4 / 5)  # 0 named as 3 is the right factor
    assert result["macro_action_accuracy"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert result["macro_factor_accuracy"] == pytest.approx((1 + 0) / 2)
    hue = result["per_factor"]["hue"]
    assert hue == {"n": 4, "action_accuracy": 3 / 4, "factor_accuracy": 1.0}
    assert result["per_factor"]["size"] == {"n": 0}
    assert result["chance"] == {"action": pytest.approx(1 / 6), "factor": pytest.approx(1 / 3)}
    assert result["majority"] == {"action": pytest.approx(3 / 5), "factor": pytest.approx(4 / 5)}
    assert result["copy"] == pytest.approx(result["chance"])
    finite_json(result)


def test_the_majority_control_names_the_factor_that_its_action_moves():
    """Actions of a factor lie F apart: 4 lowers factor 1 of three, not factor 2."""
    true = np.array([1, 1, 4, 0, 5, 5, 5, 5])  # factor 1: three of eight, factor 2: four
    result = metrics.retrieval(true, true, ["size", "hue", "place"], majority_action=4)
    assert result["majority"] == {"action": 1 / 8, "factor": 3 / 8}


def test_ties_share_the_hit_also_between_factors():
    scores = np.array([[0.5, 0.1, 0.1, 0.1, 0.1, 0.1], [0.4, 0.1, 0.0, 0.4, 0.1, 0.0]])
    result = metrics.retrieval([0, 3], scores, ["size", "hue", "place"], 0)
    assert result["action_accuracy"] == pytest.approx((1 + 1 / 2) / 2)
    assert result["factor_accuracy"] == 1.0  # both of the tied actions move the factor `size`
    scores[1] = 0.0  # everything ties
    result = metrics.retrieval([0, 3], scores, ["size", "hue", "place"], 0)
    assert result["action_accuracy"] == pytest.approx((1 + 1 / 6) / 2)
    assert result["factor_accuracy"] == pytest.approx((1 + 1 / 3) / 2)
    assert result["per_factor"]["size"]["factor_accuracy"] == pytest.approx((1 + 1 / 3) / 2)
    shares = metrics.per_value([[0, 0, 0], [1, 0, 0]], [0, 3], scores, [2, 2, 2], ["a", "b", "c"])
    assert shares["a"]["action_accuracy"] == [1.0, pytest.approx(1 / 6)]


def test_scores_without_ties_are_the_actions_they_name():
    rng = np.random.default_rng(0)
    scores, true = rng.normal(size=(50, 6)), rng.integers(6, size=50)
    both = (metrics.retrieval(true, p, NAMES, 0) for p in (scores, scores.argmax(1)))
    assert next(both) == next(both)


def test_copying_x_is_chance_even_when_one_action_dominates():
    true = np.zeros(100, int)  # argmax over tied scores would name action 0 and score 1.0
    result = metrics.retrieval(true, true, NAMES, 0)
    assert result["copy"]["action"] == pytest.approx(1 / 6)
    assert result["majority"]["action"] == 1.0


def test_expected_accuracy_shares_ties():
    scores = [[1.0, 1.0, 0.0], [0.0, 2.0, 1.0]]
    assert metrics.expected_accuracy(scores, [0, 1]) == pytest.approx((0.5 + 1.0) / 2)
    assert metrics.expected_accuracy(scores, [2, 0]) == 0.0


def test_retrieval_interval_holds_the_accuracy():
    rng = np.random.default_rng(0)
    true = rng.integers(6, size=500)
    predicted = np.where(rng.random(500) < 0.8, true, rng.integers(6, size=500))
    result = metrics.retrieval(true, predicted, NAMES, 0, seed=3)
    for key in ("action_accuracy", "factor_accuracy"):
        low, high = result["interval"][key]
        assert low < result[key] < high
    assert result == metrics.retrieval(true, predicted, NAMES, 0, seed=3)


def test_retrieval_without_factors():
    result = metrics.retrieval([0, 1, 7], [0, 1, 6], None, 1, n_actions=8)
    assert result["action_accuracy"] == pytest.approx(2 / 3)
    assert result["chance"] == {"action": 1 / 8}
    assert not [key for key in result if "factor" in key]
    assert set(result["interval"]) == {"action_accuracy"}
    finite_json(result)


def test_retrieval_per_value_by_hand():
    x = np.array([[0, 1], [0, 1], [2, 0], [1, 0], [1, 1]])
    true = np.array([0, 0, 2, 1, 3])  # the first factor up, up, down; the second up, down
    predicted = np.array([0, 2, 2, 0, 3])
    assert metrics.per_value(x, true, predicted, (3, 2), ("a", "b")) == {
        "a": {"n": [2, 0, 1], "action_accuracy": [0.5, 0.0, 1.0]},
        "b": {"n": [1, 1], "action_accuracy": [0.0, 1.0]},
    }
    with pytest.raises(ValueError, match=r"x must have shape \(5, 2\), found \(4, 2\)"):
        metrics.per_value(x[:4], true, predicted, (3, 2), ("a", "b"))


def test_chance_counts_the_actions_that_are_possible():
    """One factor with three values to set, one that steps: 5 actions, a set value is no guess."""
    owner = [1, 1, 0, 0, 0]  # size+, size-, kind=0, kind=1, kind=2
    true, guess = [2, 3, 0, 1], [3, 3, 1, 2]
    possible = np.array(
        [[1, 1, 1, 0, 1], [1, 0, 0, 1, 1], [1, 1, 1, 1, 0], [0, 1, 1, 1, 0]], dtype=bool
    )
    told = metrics.retrieval(true, guess, ("kind", "size"), 3, factor_of=owner, possible=possible)
    chance = (1 / 4 + 1 / 3 + 1 / 4 + 1 / 3) / 4
    assert told["chance"] == {"action": pytest.approx(chance), "factor": 0.5}
    assert told["copy"]["action"] == pytest.approx(chance)
    assert told["majority"] == {"action": 0.25, "factor": 0.5}
    assert told["action_accuracy"] == 0.25 and told["factor_accuracy"] == 0.75
    assert told["per_factor"]["kind"] == {"n": 2, "action_accuracy": 0.5, "factor_accuracy": 1.0}
    assert told["per_factor"]["size"] == {"n": 2, "action_accuracy": 0.0, "factor_accuracy": 0.5}
    finite_json(told)
    every = metrics.retrieval(true, guess, ("kind", "size"), 3, factor_of=owner)
    assert every["chance"]["action"] == every["copy"]["action"] == 0.2
    x = [[1, 0], [0, 1], [2, 0], [0, 1]]
    told = metrics.per_value(x, true, guess, (3, 2), ("kind", "size"), owner)
    assert told["kind"] == {"n": [1, 1, 0], "action_accuracy": [1.0, 0.0, 0.0]}
    assert told["size"] == {"n": [1, 1], "action_accuracy": [0.0, 0.0]}
    with pytest.raises(ValueError, match="every true action to be possible"):
        metrics.retrieval(true, guess, ("kind", "size"), 3, factor_of=owner, possible=~possible)
    with pytest.raises(ValueError, match=r"factor_of must lie in 0\.\.1, found 0\.\.2"):
        metrics.retrieval(true, guess, ("kind", "size"), 3, factor_of=[1, 1, 0, 0, 2])


def test_retrieval_refuses():
    with pytest.raises(ValueError, match="true must not be empty"):
        metrics.retrieval(np.zeros(0, int), np.zeros(0, int), NAMES, 0)
    with pytest.raises(ValueError, match=r"predicted must lie in 0\.\.5, found 6\.\.6"):
        metrics.retrieval([0], [6], NAMES, 0)
    with pytest.raises(ValueError, match=r"predicted must have shape \(2,\), found \(1,\)"):
        metrics.retrieval([0, 1], [0], NAMES, 0)
    with pytest.raises(ValueError, match="majority_action"):
        metrics.retrieval([0], [0], NAMES, 6)
    with pytest.raises(ValueError, match="n_actions must be given"):
        metrics.retrieval([0], [0], None, 0)
    with pytest.raises(ValueError, match="must be 6, those of 3 factors, found 5"):
        metrics.retrieval([0], [0], NAMES, 0, n_actions=5)


# interventions -----------------------------------------------------------------------------------


def three_edits() -> dict:
    target = np.array([[1, 0, 0], [2, 1, 3], [0, 0, 1]])
    judged = target.copy()
    judged[0, 0] = 0  # the target factor did not arrive
    judged[1, 2] = 0  # another factor was lost
    return {
        "mse": np.array([0.01, 0.02, 0.03]),
        "mse_ceiling": np.array([0.01, 0.01, 0.01]),
        "mse_copy": np.array([0.05, 0.05, 0.05]),
        "mse_edit": np.array([0.01, 0.05, 0.01]),
        "judged": judged,
        "judged_ceiling": target,
        "target_values": target,
        "factor": np.array([0, 1, 0]),
        "names": NAMES,
        "judge_accuracy": {"hue": 1.0, "shape": 0.99, "size": 1.0, "all": 0.99},
    }


def test_interventions_by_hand():
    result = metrics.interventions(**three_edits())
    assert result["psnr"] == pytest.approx(metrics.psnr(0.02))
    assert result["psnr_ceiling"] == pytest.approx(20.0)
    assert result["recovered"] == pytest.approx(0.75)  # from 0.05 to 0.02 of 0.05 to 0.01
    assert result["edit_kept"] == pytest.approx(1 - 0.07 / 0.15)
    assert result["per_factor"]["hue"]["edit_kept"] == pytest.approx(0.8)
    assert result["per_factor"]["shape"]["edit_kept"] == pytest.approx(0.0)  # all of it is lost
    assert result["target_reached"] == pytest.approx(2 / 3)
    assert result["others_kept"] == pytest.approx(2 / 3)
    assert result["target_reached_ceiling"] == result["others_kept_ceiling"] == 1.0
    assert result["judge_accuracy"]["shape"] == 0.99
    assert result["per_factor"]["hue"]["n"] == 2
    assert result["per_factor"]["hue"]["target_reached"] == pytest.approx(1 / 2)
    assert result["per_factor"]["hue"]["others_kept"] == 1.0
    assert result["per_factor"]["size"] == {"n": 0, "kept": pytest.approx(2 / 3), "kept_ceiling": 1}
    assert result["per_factor"]["shape"]["kept"] == 1.0
    for key in ("psnr", "recovered", "target_reached", "others_kept"):
        low, high = result["interval"][key]
        assert low <= result[key] <= high
    finite_json(result)
    assert result == metrics.interventions(**three_edits())


def test_a_wrong_target_does_not_count_against_the_others():
    edits = three_edits()
    edits["judged"] = edits["target_values"].copy()
    edits["judged"][np.arange(3), edits["factor"]] += 1
    result = metrics.interventions(**edits)
    assert result["target_reached"] == 0.0
    assert result["others_kept"] == 1.0


def test_recovered_where_there_is_nothing_to_recover():
    assert metrics.recovered(0.02, 0.02, 0.01) is None
    assert metrics.recovered(0.0, 0.0, 0.0) is None
    assert metrics.recovered(0.06, 0.01, 0.05) == pytest.approx(-0.25)  # worse than copying


def test_recovered_is_not_defined_where_the_ceiling_lies_below_the_copy():
    edits = three_edits()
    edits["mse_ceiling"] = np.full(3, 0.2)
    result = metrics.interventions(**edits)
    assert result["recovered"] is None and result["interval"]["recovered"] is None
    assert result["psnr_ceiling"] < result["psnr_copy"] and isinstance(result["edit_kept"], float)
    finite_json(result)
    edits["mse_ceiling"] = np.array([0.2, 0.001, 0.001])  # not in every resample
    edits["mse_copy"] = np.full(3, 0.08)
    result = metrics.interventions(**edits)
    assert result["recovered"] is not None and result["interval"]["recovered"] is None


def test_edits_that_an_autoencoder_keeps():
    assert metrics.edit_kept([0.0, 0.0], [0.02, 0.04]) == 1.0
    assert metrics.edit_kept([0.02, 0.04], [0.02, 0.04]) == 0.0  # both pictures came out alike
    assert metrics.edit_kept(0.06, 0.02) == pytest.approx(-2.0)  # noise, larger than the edit
    assert metrics.edit_kept(0.01, 0.0) == 0.0  # no pixel changed: nothing to keep


def test_interventions_with_exact_pictures_stay_finite():
    edits = three_edits()
    for key in ("mse", "mse_ceiling", "mse_copy"):
        edits[key] = np.zeros(3)
    finite_json(metrics.interventions(**edits))


def test_interventions_refuse():
    edits = three_edits()
    with pytest.raises(ValueError, match=r"judged must have shape \(3, 3\), found \(3, 2\)"):
        metrics.interventions(**{**edits, "judged": edits["judged"][:, :2]})
    with pytest.raises(ValueError, match="mse must be finite"):
        metrics.interventions(**{**edits, "mse": np.array([0.1, np.nan, 0.1])})
    with pytest.raises(ValueError, match="factor must lie in"):
        metrics.interventions(**{**edits, "factor": np.array([0, 1, 3])})
