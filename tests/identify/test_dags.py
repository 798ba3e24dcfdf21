"""Graphs drawn by order: acyclic always, with the marginals that are stated, and gradients."""

from __future__ import annotations

import pytest
import torch

from cvq_tutorial.identify.dags import DagSampler


def sampler(d: int = 6) -> tuple[DagSampler, torch.Generator]:
    generator = torch.Generator().manual_seed(3)
    scores = torch.randn(d, generator=generator)
    return DagSampler(scores, 2 * torch.randn(d, d, generator=generator)), generator


def test_a_thousand_draws_are_acyclic_and_have_the_stated_marginals():
    model, generator = sampler()
    drawn = model.draw(1000, generator)
    graphs = drawn.graphs.detach()
    assert set(graphs.unique().tolist()) == {0.0, 1.0}
    assert not torch.linalg.matrix_power(graphs, 6).any()  # nilpotent: no cycle in any of them
    share = model.marginals().detach()
    error = (share * (1 - share) / 1000).sqrt()
    assert ((graphs.mean(0) - share).abs() <= 3 * error).all()
    place = drawn.orders.argsort(1)
    for graph, where in zip(graphs, place, strict=True):
        causes, effects = graph.nonzero(as_tuple=True)
        assert (where[causes] < where[effects]).all()


def test_gradients_move_the_order_and_the_edges():
    generator = torch.Generator().manual_seed(0)
    model = DagSampler(torch.zeros(3), torch.zeros(3, 3))
    wanted = torch.tensor([[0.0, 1, 1], [0, 0, 1], [0, 0, 0]])
    optimizer = torch.optim.Adam(model.parameters(), 0.2)
    before = float((model.draw(500, generator).graphs.detach() - wanted).abs().mean())
    for _ in range(60):
        optimizer.zero_grad()
        (model.draw(32, generator).graphs - wanted).square().mean().backward()
        optimizer.step()
    after = float((model.draw(500, generator).graphs.detach() - wanted).abs().mean())
    assert after < before / 3
    assert model.scores.argsort(descending=True).tolist() == [0, 1, 2]


def test_the_same_generator_draws_the_same_and_bad_input_is_named():
    model, _ = sampler()
    one, two = (model.draw(5, torch.Generator().manual_seed(1)).graphs for _ in range(2))
    assert torch.equal(one, two)
    with pytest.raises(ValueError, match=r"found \(3,\) and \(2, 2\)"):
        DagSampler(torch.zeros(3), torch.zeros(2, 2))
    with pytest.raises(ValueError, match="expected a positive number, found 0"):
        model.draw(1, torch.Generator(), temperature=0)
