"""Told by: worths and interactions against all coalitions, on mechanisms that are known."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import small_models
import torch
from torch import Tensor

from cvq_tutorial.graphs.graph import CausalGraph
from cvq_tutorial.measure.told import Told, told_by

N, LOST = 5, float(np.log(4))


class Knows:
    """A model that loses log 4 nats of effect 4 unless the causes it heard tell it.

    tells: {cause: heard?} -> bool; all other effects hang on nothing.
    """

    BATCH, n_nodes = 64, N
    check_codes = to_nodes = staticmethod(lambda codes: codes)
    check_actions = staticmethod(lambda action, n: torch.zeros(n, dtype=torch.int64))

    def __init__(self, tells) -> None:
        self.tells = tells

    def distribution(self, codes: Tensor, actions: Tensor, *, cut: Tensor | None) -> object:
        cut = torch.zeros(N, N, dtype=torch.bool) if cut is None else cut
        heard = ~cut.expand(len(codes), N, N)[:, :, 4]  # (B, N)
        nats = torch.zeros(len(codes), N, 1)
        nats[:, 4, 0] = torch.where(self.tells(heard.T), 0.0, -LOST)
        return SimpleNamespace(log_likelihood=lambda y: nats)


def codes(b: int = 10) -> Tensor:
    return torch.zeros(b, N, 1, dtype=torch.int64)


def oracle(tells, pairs: bool) -> np.ndarray:
    """The same regression over all coalitions, each as often as a random share makes it."""
    rows, values, weights = [], [], []
    for let in itertools.product((0, 1), repeat=N):
        size = sum(let)
        weights.append(1 / ((N + 1) * len(list(itertools.combinations(range(N), size)))))
        heard = torch.tensor(let, dtype=torch.bool)
        values.append(0.0 if bool(tells(heard)) else -LOST)
        more = [a * b for a, b in itertools.combinations(let, 2)] if pairs else []
        rows.append([1, *let, *more])
    w = np.sqrt(np.array(weights))
    return np.linalg.lstsq(np.array(rows) * w[:, None], np.array(values) * w, rcond=None)[0][1:]


TWINS, PARITY, ONE = (lambda h: h[0] | h[1]), (lambda h: h[0] & h[1]), (lambda h: h[2])


@pytest.mark.parametrize("tells", [TWINS, PARITY, ONE])
def test_worths_and_interactions_are_those_of_all_coalitions(tells):
    told = told_by(Knows(tells), codes(), 0, codes(), coalitions=20_000)
    assert told.worth[:, 4] == pytest.approx(oracle(tells, False), abs=0.04)
    assert np.abs(told.worth[:, :4]).max() < 1e-9
    wanted = oracle(tells, True)[N:]
    found = [told.interactions[i, k, 4] for i, k in itertools.combinations(range(N), 2)]
    assert found == pytest.approx(wanted, abs=0.06)
    assert told.nats == pytest.approx([0, 0, 0, 0, LOST])


def test_twins_share_what_they_tell_and_a_parity_tells_nothing_apart():
    twins, parity, one = (
        told_by(Knows(t), codes(), 0, codes(), coalitions=4000) for t in (TWINS, PARITY, ONE)
    )
    assert twins.edges(0.3)[:, 4].tolist() == [True, True, False, False, False]
    assert twins.interactions[0, 1, 4] < -1 and twins.twins(0.5) == [(4, (0, 1))]
    assert parity.interactions[0, 1, 4] > 1 and parity.twins(0.5) == []
    assert one.worth[2, 4] == pytest.approx(LOST) and one.edges(0.3).sum() == 1


def test_the_standard_error_is_that_of_other_coalitions_and_falls_with_their_root():
    """A parity, whose worths hang most on who else is let through; ten draws of coalitions."""
    few, many = (
        [told_by(Knows(PARITY), codes(), 0, codes(), coalitions=b, seed=s) for s in range(10)]
        for b in (400, 3600)
    )
    for told in (few, many):
        drawn = np.std([one.worth[:2, 4] for one in told], axis=0, ddof=1)
        said = np.mean([one.error[:2, 4] for one in told], axis=0)
        assert np.all((said > 0.5 * drawn) & (said < 2 * drawn))
    ratio = np.mean([t.error[0, 4] for t in few]) / np.mean([t.error[0, 4] for t in many])
    assert ratio == pytest.approx(3, rel=0.1)


def test_a_graph_of_worths_stands_on_the_nodes_of_the_gates():
    told = told_by(Knows(TWINS), codes(), 0, codes(), coalitions=4000)
    gates = CausalGraph(np.full((N, N), 0.9), tuple("abcde"), "go", 7, limit=0.8)
    graph = told.graph(gates, 0.3)
    assert graph.pairs() == [(0, 4, 1.0), (1, 4, 1.0)] and graph.names[4] == "e"
    assert (graph.action, graph.n, graph.limit) == ("go", 7, 0.5)


def test_groups_of_twins_are_joined():
    pairs = {(0, 1, 4): -1.0, (2, 3, 4): -0.6, (1, 2, 4): -0.7, (0, 3, 2): -0.9, (0, 4, 1): 2.0}
    told = Told(np.zeros((5, 5)), pairs, np.zeros(5), np.zeros((5, 5)))
    assert told.twins(0.5) == [(2, (0, 3)), (4, (0, 1, 2, 3))]
    assert told.twins(0.65) == [(2, (0, 3)), (4, (0, 1, 2))]


@pytest.mark.parametrize("layout", ["places", "codebook_places"])
def test_of_a_real_network_it_is_deterministic_and_has_all_effects(layout):
    model, x, y = small_models.made(layout), small_models.codes(9), small_models.codes(9, 1)
    n = model.n_nodes
    told, again = (told_by(model, x, "hue+", y, coalitions=60) for _ in range(2))
    assert told.worth.shape == (n, n) and np.array_equal(told.worth, again.worth)
    assert told.interactions == again.interactions and told.nats.shape == (n,)
    assert len(told.interactions) == n * min(8, n) * (min(8, n) - 1) // 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x: told_by(m, x, 0, x, coalitions=11), "coalitions must be at least 12"),
        (lambda m, x: told_by(m, x, 0, x[:1]), "expected as many x as y, and some, found 2, 1"),
        (lambda m, x: told_by(m, x, "hue", x), "unknown action 'hue'"),
        (lambda m, x: told_by(m, x, 0, x, coalitions=60).edges(0), "least: expected nats above 0"),
        (lambda m, x: told_by(m, x, 0, x, coalitions=60).twins(-1), "least: expected nats above"),
    ],
)
def test_bad_input_is_one_line(call, message):
    with pytest.raises(ValueError, match=message) as told:
        call(small_models.made(images=False), small_models.codes(2))
    assert "\n" not in str(told.value)
