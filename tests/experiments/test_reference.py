"""The yardstick does the work that it says, the costly way, and nothing is left out of it."""

from __future__ import annotations

import pytest
import torch

from cvq_tutorial.experiments import reference
from cvq_tutorial.experiments.reference import Attention, ReferenceLayer


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return ReferenceLayer(5, 6, 3, discovery=7, hidden=4)


def test_attention_over_listed_edges_is_that_of_a_loop():
    torch.manual_seed(0)
    net = Attention(6, 4, 3)
    z, cause, effect = torch.randn(5, 6), torch.tensor([0, 1, 2, 4]), torch.tensor([3, 3, 3, 0])
    weight = torch.tensor([0.2, 0.9, 0.5, 0.1])
    found = net(z, cause, effect, weight).view(5, 3, 4)
    told, asked = (part(z).view(5, 3, 4) for part in (net.source, net.target))
    for j in range(5):
        for h in range(3):
            scores, values = [], []
            for e in (effect == j).nonzero().flatten().tolist():
                both = told[cause[e], h] + asked[j, h] + net.weight.weight.view(3, 4)[h] * weight[e]
                scores.append((torch.nn.functional.leaky_relu(both, 0.2) * net.score[h]).sum())
                values.append(told[cause[e], h])
            heard = torch.zeros(4)
            if scores:
                heard = (torch.stack(scores).softmax(0)[:, None] * torch.stack(values)).sum(0)
            torch.testing.assert_close(found[j, h], heard)


def test_the_layer_has_the_size_that_is_told():
    """3,698,033 weights are told of the other; there nodes of attention share a bias."""
    count = sum(p.numel() for p in ReferenceLayer().parameters())
    assert count == pytest.approx(3_698_033, rel=0.001)


def test_every_pair_goes_through_two_networks_and_retrieval_asks_once_per_action(layer):
    seen: list[tuple[int, tuple[int, ...]]] = []
    for n, pairs in enumerate(layer.pairs):
        pairs.register_forward_hook(lambda _m, i, _o, n=n: seen.append((n, tuple(i[0].shape))))
    x, y = (torch.randint(6, (4, 5)) for _ in range(2))
    chances, edges = layer(x, torch.tensor([0, 2, 2, 0]))
    assert chances.shape == (4, 5, 6) and edges.shape == (4, 5, 5)
    torch.testing.assert_close(chances.sum(-1), torch.ones(4, 5))
    assert seen == [(0, (4, 5, 5, 12)), (1, (2, 5, 5, 12)), (3, (2, 5, 5, 12))]
    seen.clear()
    named = reference.retrieve(layer, x, y)
    torch.testing.assert_close(named.sum(-1), torch.ones(4))
    assert [n for n, _ in seen] == [0, 1, 0, 2, 0, 3]


def test_a_step_moves_what_takes_part_and_learns(layer):
    x, y = torch.randint(6, (32, 5)), torch.full((32, 5), 4)
    action = torch.arange(32) % 3
    before = {k: v.clone() for k, v in layer.named_parameters()}
    step = reference.training_step(layer, x, action, y)

    def error() -> float:
        with torch.no_grad():
            likely = layer(x, action)[0].gather(-1, y[..., None])
            return -likely.clamp_min(1e-4).log().mean().item()

    first = sum(error() for _ in range(5)) / 5
    for _ in range(150):
        step()
    assert all(not torch.equal(v, before[k]) for k, v in layer.named_parameters())
    assert sum(error() for _ in range(5)) / 5 < first - 0.2
