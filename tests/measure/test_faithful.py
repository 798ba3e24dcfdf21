"""Faithful graphs: effects of do(node) by a slow loop, a model that does what it draws, and not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import small_models
import torch
from torch import Tensor

from cvq_tutorial.measure.faithful import effects_of_do, faithfulness

N, K = 5, 4


class Wired:
    """A model without training: under its action node j becomes the sum of the codes it reads.

    reads, drawn: bool (N, N), row = cause: what it does and what it says it does. Node 0 is copied.
    """

    BATCH, n_nodes = 16, N
    to_nodes = from_nodes = staticmethod(lambda codes: codes)

    def __init__(self, reads: Tensor, drawn: Tensor) -> None:
        self.reads, self.drawn = reads, drawn

    def check_codes(self, codes: Tensor) -> Tensor:
        return codes

    def check_actions(self, actions: int, n: int) -> Tensor:
        return torch.full((n,), actions)

    def distribution(self, codes: Tensor, actions: Tensor) -> SimpleNamespace:
        new = torch.einsum("bi,ij->bj", codes[..., 0], self.reads.long()) % K
        new[:, 0] = codes[:, 0, 0]
        mask = torch.ones(len(codes), N, 1)
        mask[:, 0] = 0
        probs = 0.04 / K + 0.96 * torch.nn.functional.one_hot(new, K)[:, :, None].float()
        return SimpleNamespace(
            log_probs=lambda: probs.log(), edges=self.drawn.float().expand(len(codes), N, N),
            mask=mask,
        )  # fmt: skip


def wired(seed: int = 0) -> Tensor:
    return torch.rand(N, N, generator=torch.Generator().manual_seed(seed)) < 0.4


def some(n: int) -> Tensor:
    return torch.randint(K, (n, N, 1), generator=torch.Generator().manual_seed(3))


def test_who_does_what_is_drawn_is_faithful_and_a_shuffled_graph_is_not():
    told = faithfulness(Wired(wired(), wired()), some(300), 0)
    assert told["rank"] == pytest.approx(1) and told["agree"] == 1
    assert abs(told["rank_shuffled"]) < 0.3 and told["agree_shuffled"] < 0.75
    assert told["pairs"] == 300 * 4 - 240  # set nodes 1..4, less the node itself where it is one


def test_who_draws_other_edges_than_it_reads_is_not():
    told = faithfulness(Wired(wired(), ~wired()), some(300), 0)
    assert told["rank"] == pytest.approx(-1) and told["agree"] == 0
    given = faithfulness(Wired(wired(), ~wired()), some(300), 0, graph=wired().float())
    assert given["rank"] == pytest.approx(1)  # of the graph that is asked about
    faint = faithfulness(Wired(wired(), wired()), some(300), 0, graph=0.4 * wired().float())
    assert faint["rank"] == 0 and faint["agree"] < 1  # what is not drawn says: no effect


@pytest.mark.parametrize("layout", ["places", "codebook_places"])
def test_effects_are_those_of_a_loop(layout):
    model, x = small_models.made(layout), small_models.codes(4)  # with pictures: their layout
    nodes = torch.tensor([0, 3, 5, 2])
    others = torch.randint(
        small_models.K, (4, model.transition.codebooks), generator=torch.Generator().manual_seed(2)
    )
    model.BATCH = 3
    effects, edges, mask = effects_of_do(model, x, "size+", nodes, others)
    assert effects.shape == mask.shape == edges.shape[:2] == (4, model.n_nodes)
    for b in range(4):
        held = model.to_nodes(x[b : b + 1]).clone()
        held[0, nodes[b]] = others[b]
        plain, done = (
            model.distribution(codes, torch.tensor([1])).log_probs().exp()[0]
            for codes in (x[b : b + 1], model.from_nodes(held))
        )
        for j in range(model.n_nodes):
            found = [(plain[j, c] - done[j, c]).clamp(min=0).sum() for c in range(plain.shape[1])]
            assert float(effects[b, j]) == pytest.approx(float(torch.stack(found).mean()), abs=1e-5)
    assert effects.max() > 0.01


def test_nothing_to_compare_is_zero_and_the_same_seed_says_the_same():
    alike = torch.zeros(20, N, 1, dtype=torch.int64)  # no other code to set a node to
    told = faithfulness(Wired(wired(), wired()), alike, 0)
    keys = ("rank", "agree", "rank_shuffled", "agree_shuffled")
    assert told == dict.fromkeys(keys, 0.0) | {"pairs": 0}
    single = SimpleNamespace(check_codes=lambda codes: codes, n_nodes=1)  # has no other node
    assert faithfulness(single, alike[:, :1], 0) == told
    model, x = Wired(wired(), wired(1)), some(40)
    assert faithfulness(model, x, 0, seed=4) == faithfulness(model, x, 0, seed=4)
    assert faithfulness(model, x, 0, seed=4) != faithfulness(model, x, 0, seed=5)


def test_bad_input_is_one_line():
    model, x = small_models.made(images=False), small_models.codes(2)
    others = torch.zeros(2, small_models.C, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"nodes: expected one in 0\.\.5 .*, found \[0, 6\]"):
        effects_of_do(model, x, 0, torch.tensor([0, 6]), others)
    with pytest.raises(ValueError, match="graph: expected 6 nodes, found 3"):
        faithfulness(model, x, 0, graph=torch.eye(3))
    with pytest.raises(ValueError, match=r"graph must have shape \(N, N\)"):
        faithfulness(model, x, 0, graph=torch.zeros(2, 3))
