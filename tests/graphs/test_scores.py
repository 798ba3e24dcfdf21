"""Mask and graph scores against numbers worked out by hand, scikit-learn, and at their edges."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from cvq_tutorial.graphs import scores as graph_metrics


def test_mask_against_scikit_learn():
    rng = np.random.default_rng(0)
    prob, changed = rng.random((20, 6, 2)), rng.random((20, 6, 2)) < 0.3
    found = prob.ravel() >= 0.6
    result = graph_metrics.mask(prob, changed, threshold=0.6)
    assert result["precision"] == pytest.approx(precision_score(changed.ravel(), found))
    assert result["recall"] == pytest.approx(recall_score(changed.ravel(), found))
    assert result["f1"] == pytest.approx(f1_score(changed.ravel(), found))
    assert result["density"] == pytest.approx(found.mean())
    assert result["changed"] == pytest.approx(changed.mean())


def test_mask_with_an_empty_side():
    nothing, something = np.zeros((1, 2, 1)), np.array([[[True], [False]]])
    perfect = graph_metrics.mask(nothing, np.zeros((1, 2, 1), bool))
    assert perfect["precision"] == perfect["recall"] == perfect["f1"] == 1.0
    missed = graph_metrics.mask(nothing, something)
    assert missed["precision"] == missed["recall"] == missed["f1"] == 0.0
    invented = graph_metrics.mask(np.ones((1, 2, 1)), np.zeros((1, 2, 1), bool))
    assert invented["precision"] == invented["recall"] == invented["f1"] == 0.0


def test_mask_refuses():
    with pytest.raises(TypeError, match="changed must be booleans"):
        graph_metrics.mask(np.zeros((1, 2, 1)), np.zeros((1, 2, 1), int))
    with pytest.raises(ValueError, match=r"probabilities in \[0, 1\], found -1"):
        graph_metrics.mask(np.full((1, 2, 1), -1.0), np.zeros((1, 2, 1), bool))


def test_graph_density_counts_causes_of_set_nodes_only():
    graph = np.zeros((1, 3, 3))
    graph[0, :, 1] = 0.9  # node 1 has three causes, itself among them
    graph[0, 0, 2] = 0.5  # at the threshold: an edge
    graph[0, :, 0] = 1.0  # node 0 is not set: its causes do not count
    result = graph_metrics.graph_density(graph, np.array([[False, True, True]]))
    assert result == {"edges_per_set_node": 2.0, "density": pytest.approx(2 / 3)}
    nothing = graph_metrics.graph_density(graph, np.zeros((1, 3), bool))
    assert nothing == {"edges_per_set_node": 0.0, "density": 0.0}


def test_graph_density_refuses_a_table_that_is_not_square():
    with pytest.raises(ValueError, match=r"\(any, N, N\), found \(1, 2, 3\)"):
        graph_metrics.graph_density(np.zeros((1, 2, 3)), np.ones((1, 2), bool))


@pytest.mark.parametrize("levels", [3, 1000])
def test_auroc_against_scikit_learn(levels):
    rng = np.random.default_rng(levels)
    scores = rng.integers(levels, size=400) / levels  # few levels: many ties
    truth = rng.random(400) < scores * 0.5 + 0.1
    assert graph_metrics.auroc(scores, truth) == pytest.approx(roc_auc_score(truth, scores))


def test_auroc_of_one_class_is_one_half():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert graph_metrics.auroc([0.1, 0.9], [True, True]) == 0.5
        assert graph_metrics.auroc([0.1, 0.9], [False, False]) == 0.5


def recovery_case() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth = np.zeros((1, 3, 3), bool)
    truth[0, 0, 1] = truth[0, 1, 2] = True
    targets = np.array([[False, True, True]])
    return truth.astype(float), truth, targets


def test_graph_recovery_of_the_right_graph():
    prob, truth, targets = recovery_case()
    assert graph_metrics.graph_recovery(prob, truth, targets) == {
        "edge_f1": 1.0,
        "edge_auroc": 1.0,
        "shd": 0,
    }


def test_graph_recovery_counts_a_turned_edge_once():
    prob, truth, targets = recovery_case()
    prob[0, 1, 2], prob[0, 2, 1] = 0.0, 1.0
    result = graph_metrics.graph_recovery(prob, truth, targets)
    assert result["shd"] == 1
    assert result["edge_f1"] == pytest.approx(0.5)
    prob[0, 2, 2] = 1.0  # and a self-loop too many
    assert graph_metrics.graph_recovery(prob, truth, targets)["shd"] == 2


def test_graph_recovery_is_not_the_transposed_graph():
    prob, truth, targets = recovery_case()
    turned = graph_metrics.graph_recovery(prob.transpose(0, 2, 1).copy(), truth, targets)
    assert turned["edge_f1"] < 1.0 and turned["shd"] > 0


def test_graph_recovery_looks_at_targets_only():
    prob, truth, targets = recovery_case()
    prob[0, :, 0] = 1.0  # node 0 is no target
    assert graph_metrics.graph_recovery(prob, truth, targets)["shd"] == 0


def test_graph_recovery_with_one_class_is_finite():
    prob, truth, targets = recovery_case()
    result = graph_metrics.graph_recovery(prob, np.zeros_like(truth), targets)
    assert result["edge_auroc"] == 0.5 and result["edge_f1"] == 0.0 and result["shd"] == 2
    json.loads(json.dumps(result, allow_nan=False))
    with pytest.raises(ValueError, match="targets must mark at least one node"):
        graph_metrics.graph_recovery(prob, truth, np.zeros((1, 3), bool))


def test_agreement_counts_edges_that_all_graphs_have_into_nodes_that_all_set():
    edges = np.zeros((2, 3, 3))
    edges[:, 0, 0] = 0.9  # both
    edges[0, 1, 0] = edges[1, 2, 0] = 0.9  # one each
    edges[:, 1, 2] = 1.0  # into a node that one alone sets
    told = graph_metrics.agreement(edges, [[True, False, True], [True, False, False]])
    assert told == {
        "graphs": 2,
        "nodes_set_by_all": 1,
        "nodes_set_by_any": 2,
        "edges": 2.0,
        "shared": 0.5,
        "chance": pytest.approx(3 * (2 / 3) ** 2 / 2),
    }
    same = graph_metrics.agreement(edges[[0, 0]], [[True] * 3] * 2)
    assert same["shared"] == 1.0 and same["edges"] == 3.0


def test_chance_of_agreement_is_what_random_graphs_have():
    rng = np.random.default_rng(0)
    edges = rng.permuted(np.tile(np.arange(40) < 10, (3, 40, 1)), axis=2).transpose(0, 2, 1)
    told = graph_metrics.agreement(edges.astype(float), np.ones((3, 40), bool))
    assert told["shared"] == pytest.approx(told["chance"], abs=0.02)
    assert told["chance"] == pytest.approx(1 / 16)


def test_agreement_without_edges_or_set_nodes_is_a_number_and_bad_shapes_are_refused():
    nothing = graph_metrics.agreement(np.zeros((2, 3, 3)), np.zeros((2, 3), bool))
    assert nothing["shared"] == nothing["chance"] == nothing["edges"] == 0.0
    for edges, sets in ((np.zeros((1, 3, 3)), [[1] * 3]), (np.zeros((2, 3, 3)), [[1] * 3])):
        with pytest.raises(ValueError, match="expected at least two graphs and set_nodes"):
            graph_metrics.agreement(edges, sets)
