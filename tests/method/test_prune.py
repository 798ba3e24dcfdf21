"""Pruning: what an edge costs, which edges go, and what never gets worse than the tolerance."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from cvq_tutorial.method.causal_transition import CausalTransition, transition_loss
from cvq_tutorial.method.prune import edge_cost, prune
from cvq_tutorial.worlds.codes import CodesWorld

WORLD = CodesWorld(n_variables=4, n_codes=4, n_actions=3, n_targets=2, max_parents=2, seed=3)


def sample(n: int, split: str = "valid", seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    found = WORLD.sample(n, split, seed)
    return tuple(torch.from_numpy(a) for a in (found.x, found.actions, found.y))


def trained(x: Tensor, actions: Tensor, y: Tensor, steps: int) -> CausalTransition:
    """A transition that knows its world and has kept every edge on (no price on edges)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transition = CausalTransition(4, 1, 4, 3, width=32, reads=1).train()
    transition.edge_bias.data.fill_(5.0)
    optimizer = torch.optim.Adam(transition.parameters(), 5e-3)
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        pick = torch.randint(len(x), (256,), generator=generator)
        out = transition(x[pick], actions[pick], generator=generator)
        loss = transition_loss(out, y[pick], mask_price=0.1, edge_price=0.0)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
    return transition.eval()


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    x, actions, y = sample(4000, "train")
    transition = trained(x, actions, y, 400)
    held = sample(600, "test")
    with torch.no_grad():
        out = transition(held[0], held[1])
    assert (out.log_probs().argmax(-1) == held[2]).float().mean() > 0.999  # else nothing follows
    assert (out.edges > 0.5).float().mean() > 0.9
    return transition.state_dict()


@pytest.fixture
def transition(state) -> CausalTransition:
    transition = CausalTransition(4, 1, 4, 3, width=32, reads=1)
    transition.load_state_dict(state)
    return transition.eval()


@torch.no_grad()
def nll(transition: CausalTransition, x: Tensor, action: int, y: Tensor, cut=None) -> Tensor:
    out = transition(x, torch.full((len(x),), action), cut=cut)
    return -out.log_likelihood(y).sum(2).mean(0)  # (N,)


def test_the_edges_that_are_left_are_those_of_the_world(transition):
    left = prune(transition, *sample(600), tolerance=0.05)
    targets = torch.tensor(WORLD.targets)
    wanted = torch.tensor(WORLD.graph)
    for action in range(3):
        columns = targets[action]
        assert torch.equal(transition.allowed[action][:, columns], wanted[action][:, columns])
    assert left == pytest.approx(float(transition.allowed.float().mean()))
    assert 0 < left < 0.5


@pytest.mark.parametrize("tolerance", [0.0, 0.02, 0.5])
def test_no_effect_loses_more_likelihood_than_the_tolerance(transition, tolerance):
    x, actions, y = sample(600)
    rows = [(actions == a).nonzero().flatten()[:64] for a in range(3)]
    before = [nll(transition, x[r], a, y[r]) for a, r in enumerate(rows)]
    prune(transition, x, actions, y, tolerance=tolerance)
    for a, r in enumerate(rows):
        lost = nll(transition, x[r], a, y[r]) - before[a]
        assert lost.max() <= tolerance + 1e-5, lost


def test_a_larger_tolerance_cuts_more_and_a_huge_one_everything(transition, state):
    left = []
    for tolerance in (0.0, 0.05, 0.5, 1e9):
        transition.load_state_dict(state)
        left.append(prune(transition, *sample(600), tolerance=tolerance))
    assert left == sorted(left, reverse=True) and left[0] > left[1] > 0
    assert left[-1] == 0 and not transition.allowed.any()


def test_what_an_edge_costs_is_what_cutting_it_alone_costs(transition, monkeypatch):
    x, actions, y = sample(300)
    rows = actions == 1
    monkeypatch.setattr(type(transition), "at_once", lambda self, most: 7)
    costs = edge_cost(transition, x[rows], 1, y[rows])
    base = nll(transition, x[rows], 1, y[rows])
    for i in range(4):
        for j in range(4):
            cut = torch.zeros(4, 4, dtype=torch.bool)
            cut[i, j] = True
            alone = nll(transition, x[rows], 1, y[rows], cut) - base
            torch.testing.assert_close(costs[i, j], alone[j], atol=1e-5, rtol=1e-4)
    truth = torch.tensor(WORLD.graph[1])
    columns = torch.tensor(WORLD.targets[1])
    assert costs[truth].min() > 0.3  # nats: what is needed is dear
    assert costs[:, columns][~truth[:, columns]].max() < 0.1


def test_causes_that_stand_in_for_each_other_do_not_all_go():
    """Nodes 0 and 1 always agree and node 2 copies them: either edge can be spared, both cannot."""
    x = torch.randint(4, (3000, 4, 1), generator=torch.Generator().manual_seed(0))
    x[:, 1] = x[:, 0]
    y = x.clone()
    y[:, 2] = x[:, 0]
    actions = torch.zeros(3000, dtype=torch.int64)
    transition = trained(x, actions, y, 250)
    held = x[:64], y[:64]
    costs = edge_cost(transition, held[0], 0, held[1])[:2, 2]
    prune(transition, x, actions, y, tolerance=0.1)
    kept = transition.allowed[0][:, 2]
    assert costs.min() < 0.1 and 1 <= kept[:2].sum() <= 2 and not kept[2:].any()
    assert nll(transition, held[0], 0, held[1])[2] < 0.3


def test_an_action_without_transitions_is_left_as_it_is(transition):
    x, actions, y = sample(600)
    rows = actions != 2
    prune(transition, x[rows], actions[rows], y[rows], tolerance=0.05)
    assert transition.allowed[2].all() and not transition.allowed[:2].all()


def test_pruning_is_deterministic_settles_and_keeps_the_mode(transition, state):
    data = sample(600)
    weights = {k: v.clone() for k, v in state.items() if k != "allowed"}
    masks = []
    for mode in (True, False):
        transition.load_state_dict(state | {"allowed": torch.ones(3, 4, 4, dtype=torch.bool)})
        prune(transition.train(mode), *data, tolerance=0.05)
        assert transition.training == mode
        masks.append(transition.allowed.clone())
    assert torch.equal(*masks)
    prune(transition, *data, tolerance=0.05)
    assert (transition.allowed != masks[0]).float().mean() < 0.05
    assert not (transition.allowed & ~masks[0]).any()  # what is cut stays cut
    assert all(torch.equal(transition.state_dict()[k], v) for k, v in weights.items())


class Priced(CausalTransition):
    """A transition whose effects lose a known number of nats with each edge that is cut.

    price: (N, N) nats, row = cause; where a row of x is 1, `dear` instead.
    """

    def __init__(self, price: Tensor, dear: Tensor | None = None) -> None:
        super().__init__(len(price), 1, 2, 1, width=4)
        self.price, self.dear = price, price if dear is None else dear

    def forward(self, x: Tensor, actions: Tensor, *, cut: Tensor | None = None, **_: object):
        cut = torch.zeros_like(self.price, dtype=torch.bool) if cut is None else cut
        cheap, dear = ((price * cut).sum(0) for price in (self.price, self.dear))  # (N,)
        lost = torch.where(x[:, :1, 0] == 1, dear, cheap)  # (B, N)
        return SimpleNamespace(log_likelihood=lambda y: -lost[..., None])


def priced_pairs(n: int, ones: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """n transitions of action 0 in a row; the last `ones` start from codes 1."""
    x = torch.zeros(n, 4, 1, dtype=torch.int64)
    x[n - ones :] = 1
    return x, torch.zeros(n, dtype=torch.int64), x


def test_cuts_together_cost_the_tolerance_and_not_twice_that():
    price = torch.tensor([0.005, 0.01, 0.012, 0.5])[:, None].expand(4, 4).clone()
    for tolerance, left in ((0.02, [False, False, True, True]), (0.03, [False] * 3 + [True])):
        transition = Priced(price)
        prune(transition, *priced_pairs(8), tolerance=tolerance)
        assert transition.allowed[0].T.tolist() == [left] * 4
    transition = Priced(price)
    prune(transition, *priced_pairs(8))  # the default
    assert transition.allowed[0, :, 0].tolist() == [False, False, True, True]


def test_an_edge_that_was_cut_stays_cut_whatever_it_would_be_worth_now():
    transition = Priced(torch.full((4, 4), 5.0))
    transition.allowed[0, 1, 2] = False
    prune(transition, *priced_pairs(8))
    assert (~transition.allowed[0]).nonzero().tolist() == [[1, 2]]


def test_an_action_is_judged_by_its_first_transitions_only():
    def left(per_action: int) -> bool:
        transition = Priced(torch.zeros(4, 4), dear=torch.ones(4, 4))
        prune(transition, *priced_pairs(8, ones=4), per_action=per_action)
        return bool(transition.allowed.all())

    assert not left(4)  # nothing is lost there
    assert left(8)
