"""Edges judged one by one: what is taken away, what a cut costs, where the threshold lies."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cvq_tutorial.method.causal_transition import CausalTransition
from cvq_tutorial.method.prune import edge_cost
from cvq_tutorial.training import edges, run
from cvq_tutorial.training.recipes import Recipe, get
from cvq_tutorial.training.train import train
from cvq_tutorial.worlds.codes import CodesWorld

NAN = float("nan")


def test_each_effect_misses_a_share_of_its_causes_in_a_share_of_the_batch():
    cut = edges.dropped(4000, 6, 0.5, torch.Generator().manual_seed(0))
    assert cut.shape == (4000, 6, 6) and cut.dtype == torch.bool
    whole = ~cut.flatten(1).any(1)
    assert float(whole.float().mean()) == pytest.approx(0.5, abs=0.04)
    missing = cut[~whole].sum(1).flatten()  # of each effect: any number of causes, equally often
    shares = torch.bincount(missing, minlength=7) / len(missing)
    assert shares == pytest.approx(torch.full((7,), 1 / 7), abs=0.02)
    pair = cut[~whole][:, :, :2].float().sum(1)  # two effects of one transition miss independently
    assert abs(float(torch.corrcoef(pair.T)[0, 1])) < 0.08
    assert not edges.dropped(50, 6, 0.0, torch.Generator()).any()
    again = edges.dropped(4000, 6, 0.5, torch.Generator().manual_seed(0))
    assert torch.equal(cut, again)


@pytest.mark.parametrize(
    ("costs", "least", "at"),
    [
        ([0.0, -0.1, 0.01, 2.0, 4.0], 0.05, (0.05 / 3 * 2.0) ** 0.5),  # a clear gap
        ([0.0, 0.03, 0.08, 0.2, 0.3, 2.4, 5.0], 0.05, (0.3 * 2.4) ** 0.5),  # idle ones are no zeros
        ([0.0, 0.02, 0.04, 0.08, 0.16], 0.05, 0.05),  # no gap: each costs twice the one before
        ([0.0, 0.001], 0.05, 0.05),  # nothing was learned
        ([NAN, 0.0, 1.0, NAN], 0.3, (0.1 * 1.0) ** 0.5),
        ([NAN], 0.3, 0.3),
    ],
)
def test_the_threshold_lies_in_the_widest_gap(costs, least, at):
    assert edges.threshold(torch.tensor(costs), least) == pytest.approx(at, rel=1e-5)


def transition() -> CausalTransition:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CausalTransition(3, 2, 4, 3, width=8)


def some(n: int = 60) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(1)
    x, y = (torch.randint(4, (n, 3, 2), generator=g) for _ in range(2))
    return x, torch.randint(2, (n,), generator=g), y  # action 2 does not occur


def test_costs_are_those_of_each_action_by_its_first_transitions():
    x, actions, y = some()
    made = transition()
    found = edges.edge_costs(made.train(), x, actions, y, per_action=9)
    assert made.training
    made.eval()
    for action in (0, 1):
        rows = (actions == action).nonzero().flatten()[:9]
        assert torch.equal(found[action], edge_cost(made, x[rows], action, y[rows]))
    assert found[2].isnan().all()


def test_what_is_idle_is_cut_and_what_is_not_known_stays():
    made = transition()
    costs = torch.full((3, 3, 3), 1.0)
    costs[0, 0, 1], costs[1, 2, 2], costs[2] = 0.0, -0.3, NAN
    made.allowed[0, 2, 2] = False
    at = edges.cut_idle(made, costs, 0.05)
    assert 0.05 < at < 1.0
    assert (~made.allowed).nonzero().tolist() == [[0, 0, 1], [0, 2, 2], [1, 2, 2]]


def test_an_effect_that_is_not_understood_yet_is_left_alone_until_the_last_look():
    costs = torch.zeros(3, 3, 3)
    costs[0, 1, 2] = 2.0  # of the effects of action 0 only this one has a cause
    looks = []
    for last in (False, True):
        made = transition()
        edges.cut_idle(made, costs, 0.05, last=last)
        looks.append(made.allowed)
    assert (~looks[0]).nonzero().tolist() == [[0, 0, 2], [0, 2, 2]]
    assert looks[1].nonzero().tolist() == [[0, 1, 2]]


def test_edges_are_judged_on_the_way_and_at_the_end_and_a_stop_changes_nothing(
    tmp_path, monkeypatch
):
    world = CodesWorld(4, 2, 2, 1, 2, mechanism="parity", seed=1)
    recipe = get(
        "nano", "codes", transitions=300, transition_steps=20, width=16, prune_tolerance=0,
        edge_price=0, edge_worth=0.01, cause_dropout=0.3, prune_transitions=50,
    )  # fmt: skip
    looks: list[int] = []
    judged = edges.edge_costs

    def counted(*given, per_action):
        looks.append(per_action)
        return judged(*given, per_action=per_action)

    monkeypatch.setattr(edges, "edge_costs", counted)
    whole = train(world, recipe, 0, tmp_path / "whole", progress=False)
    assert looks == [50, 50]
    assert not whole.transition.allowed.all()
    for last in (12, 16):  # the first look comes before step 12, counted from 0

        def stop(row: dict, _: object, last: int = last) -> None:
            if row["step"] >= last:
                raise KeyboardInterrupt

        monkeypatch.setattr(run, "SAVE_EVERY", 0)
        with pytest.raises(KeyboardInterrupt):
            train(world, recipe, 0, tmp_path / f"{last}", progress=False, on_log=stop)
        again = train(world, recipe, 0, tmp_path / f"{last}", progress=False)
        for name, value in whole.state_dict().items():
            assert torch.equal(value, again.state_dict()[name]), name
    plain = get("nano", "codes", **{**settings_of(recipe), "cause_dropout": 0.0})
    other = train(world, plain, 0, tmp_path / "plain", progress=False)
    assert not torch.equal(other.transition.code_vectors, whole.transition.code_vectors)


def settings_of(recipe: Recipe) -> dict:
    return {k: v for k, v in recipe.to_json().items() if k != "name"}
