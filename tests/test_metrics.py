"""Metrics against numbers worked out by hand, scikit-learn, and where they are undefined."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from cvq_tutorial import metrics

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
    with pytest.raises(ValueError, match="2 x 3 factors, found 5"):
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
    assert metrics.recovered(0.02, 0.02, 0.01) == 0.0
    assert metrics.recovered(0.0, 0.0, 0.0) == 0.0
    assert metrics.recovered(0.06, 0.01, 0.05) == pytest.approx(-0.25)  # worse than copying


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


# mask and graph ----------------------------------------------------------------------------------


def test_mask_against_scikit_learn():
    rng = np.random.default_rng(0)
    prob, changed = rng.random((20, 6, 2)), rng.random((20, 6, 2)) < 0.3
    found = prob.ravel() >= 0.6
    result = metrics.mask(prob, changed, threshold=0.6)
    assert result["precision"] == pytest.approx(precision_score(changed.ravel(), found))
    assert result["recall"] == pytest.approx(recall_score(changed.ravel(), found))
    assert result["f1"] == pytest.approx(f1_score(changed.ravel(), found))
    assert result["density"] == pytest.approx(found.mean())
    assert result["changed"] == pytest.approx(changed.mean())


def test_mask_with_an_empty_side():
    nothing, something = np.zeros((1, 2, 1)), np.array([[[True], [False]]])
    perfect = metrics.mask(nothing, np.zeros((1, 2, 1), bool))
    assert perfect["precision"] == perfect["recall"] == perfect["f1"] == 1.0
    missed = metrics.mask(nothing, something)
    assert missed["precision"] == missed["recall"] == missed["f1"] == 0.0
    invented = metrics.mask(np.ones((1, 2, 1)), np.zeros((1, 2, 1), bool))
    assert invented["precision"] == invented["recall"] == invented["f1"] == 0.0


def test_mask_refuses():
    with pytest.raises(TypeError, match="changed must be booleans"):
        metrics.mask(np.zeros((1, 2, 1)), np.zeros((1, 2, 1), int))
    with pytest.raises(ValueError, match=r"probabilities in \[0, 1\], found -1"):
        metrics.mask(np.full((1, 2, 1), -1.0), np.zeros((1, 2, 1), bool))


def test_graph_density_counts_causes_of_set_nodes_only():
    graph = np.zeros((1, 3, 3))
    graph[0, :, 1] = 0.9  # node 1 has three causes, itself among them
    graph[0, 0, 2] = 0.5  # at the threshold: an edge
    graph[0, :, 0] = 1.0  # node 0 is not set: its causes do not count
    result = metrics.graph_density(graph, np.array([[False, True, True]]))
    assert result == {"edges_per_set_node": 2.0, "density": pytest.approx(2 / 3)}
    nothing = metrics.graph_density(graph, np.zeros((1, 3), bool))
    assert nothing == {"edges_per_set_node": 0.0, "density": 0.0}


def test_graph_density_refuses_a_table_that_is_not_square():
    with pytest.raises(ValueError, match=r"\(any, N, N\), found \(1, 2, 3\)"):
        metrics.graph_density(np.zeros((1, 2, 3)), np.ones((1, 2), bool))


@pytest.mark.parametrize("levels", [3, 1000])
def test_auroc_against_scikit_learn(levels):
    rng = np.random.default_rng(levels)
    scores = rng.integers(levels, size=400) / levels  # few levels: many ties
    truth = rng.random(400) < scores * 0.5 + 0.1
    assert metrics.auroc(scores, truth) == pytest.approx(roc_auc_score(truth, scores))


def test_auroc_of_one_class_is_one_half():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert metrics.auroc([0.1, 0.9], [True, True]) == 0.5
        assert metrics.auroc([0.1, 0.9], [False, False]) == 0.5


def recovery_case() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth = np.zeros((1, 3, 3), bool)
    truth[0, 0, 1] = truth[0, 1, 2] = True
    targets = np.array([[False, True, True]])
    return truth.astype(float), truth, targets


def test_graph_recovery_of_the_right_graph():
    prob, truth, targets = recovery_case()
    assert metrics.graph_recovery(prob, truth, targets) == {
        "edge_f1": 1.0,
        "edge_auroc": 1.0,
        "shd": 0,
    }


def test_graph_recovery_counts_a_turned_edge_once():
    prob, truth, targets = recovery_case()
    prob[0, 1, 2], prob[0, 2, 1] = 0.0, 1.0
    result = metrics.graph_recovery(prob, truth, targets)
    assert result["shd"] == 1
    assert result["edge_f1"] == pytest.approx(0.5)
    prob[0, 2, 2] = 1.0  # and a self-loop too many
    assert metrics.graph_recovery(prob, truth, targets)["shd"] == 2


def test_graph_recovery_is_not_the_transposed_graph():
    prob, truth, targets = recovery_case()
    turned = metrics.graph_recovery(prob.transpose(0, 2, 1).copy(), truth, targets)
    assert turned["edge_f1"] < 1.0 and turned["shd"] > 0


def test_graph_recovery_looks_at_targets_only():
    prob, truth, targets = recovery_case()
    prob[0, :, 0] = 1.0  # node 0 is no target
    assert metrics.graph_recovery(prob, truth, targets)["shd"] == 0


def test_graph_recovery_with_one_class_is_finite():
    prob, truth, targets = recovery_case()
    result = metrics.graph_recovery(prob, np.zeros_like(truth), targets)
    assert result["edge_auroc"] == 0.5 and result["edge_f1"] == 0.0 and result["shd"] == 2
    finite_json(result)
    with pytest.raises(ValueError, match="targets must mark at least one node"):
        metrics.graph_recovery(prob, truth, np.zeros((1, 3), bool))
