"""The causal transition: which way edges point, what the likelihood is, what each switch does."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from cvq_tutorial.common.arrays import counts
from cvq_tutorial.graphs.graph import CausalGraph
from cvq_tutorial.method.attention import Read
from cvq_tutorial.method.causal_transition import CausalTransition, transition_loss
from cvq_tutorial.method.published import Variant, make_transition

N, C, K, A = 5, 2, 4, 3


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def made(n=N, c=C, k=K, a=A, *, width=16, reads=2, bias: float | None = None, **variant):
    """A transition in evaluation mode whose every weight is random, so that nothing is 0 by luck.

    bias: of all edges, such as +20 (all on) or -20 (all off).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transition = make_transition(
            n, c, k, a, width=width, reads=reads, variant=Variant(**variant)
        )
        for parameter in transition.parameters():
            parameter.data.add_(0.3 * torch.randn_like(parameter))
    transition.edge_bias.data.fill_(0.0 if bias is None else bias)
    return transition.eval()


def codes(b=6, n=N, c=C, k=K, seed=0) -> Tensor:
    return torch.randint(k, (b, n, c), generator=generator(seed))


def some_actions(b=6, a=A) -> Tensor:
    return torch.arange(b) % a


def other_code(x: Tensor, node: int | slice, k: int = K) -> Tensor:
    """x with all codes of a node changed."""
    x = x.clone()
    x[:, node] = (x[:, node] + 1) % k
    return x


# --- which way an edge points ---------------------------------------------------------------------


@pytest.mark.parametrize("how", ["allowed", "cut"])
@pytest.mark.parametrize("scores", ["bilinear", "pair_mlp"])
def test_two_nodes_with_only_the_edge_0_to_1(how, scores):
    """graph[0, 1] is "0 is a cause of 1": what is done to 0 shows at 1, and never the reverse."""
    transition = made(2, bias=20.0, scores=scores)
    only = torch.tensor([[False, True], [False, False]])  # row = cause, column = effect
    if how == "allowed":
        transition.allowed[:] = only
    cut = None if how == "allowed" else ~only
    x, actions = codes(n=2), some_actions()
    with torch.no_grad():
        base = transition(x, actions, cut=cut)
        first = transition(other_code(x, 0), actions, cut=cut)
        second = transition(other_code(x, 1), actions, cut=cut)
    assert torch.equal(base.used_edges.bool(), only.expand(6, 2, 2))
    assert torch.equal(first.log_mechanism[:, 0], base.log_mechanism[:, 0])
    assert (first.log_mechanism[:, 1] - base.log_mechanism[:, 1]).abs().amax((1, 2)).min() > 1e-3
    assert torch.equal(second.log_mechanism, base.log_mechanism)


def test_a_trained_graph_points_from_the_cause_to_the_effect():
    """Node 1 becomes a function of node 0 under action 0, and node 0 of node 1 under action 1."""
    turn = torch.tensor([2, 0, 3, 1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transition = CausalTransition(2, 1, 4, 2, width=16, reads=1).train()
    optimizer = torch.optim.Adam(transition.parameters(), 1e-2)
    x = codes(512, 2, 1)
    actions = some_actions(512, 2)
    y = x.clone()
    rows = torch.arange(512)
    y[rows, 1 - actions, 0] = turn[x[rows, actions, 0]]
    for step in range(150):
        pick = torch.randint(512, (64,), generator=generator(step))
        out = transition(x[pick], actions[pick], generator=generator(step))
        loss = transition_loss(out, y[pick], mask_price=0.1, edge_price=0.1 * (step > 50))
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
    transition.eval()
    out = transition(x, actions)
    assert torch.equal(out.log_probs().argmax(-1), y)
    for action in (0, 1):
        graph = out.edges[actions == action].mean(0)
        cause, effect = action, 1 - action
        assert graph[cause, effect] > 0.9 and graph[effect, effect] < 0.1, graph
        mask = out.mask[actions == action].mean((0, 2))
        assert mask[effect] > 0.5 > mask[cause]


def test_a_node_reads_its_own_code_only_through_its_own_edge():
    transition = made(bias=20.0)
    x, actions = codes(), some_actions()
    with torch.no_grad():
        for j in range(N):
            cut = torch.zeros(N, N, dtype=torch.bool)
            now, then = transition(x, actions), transition(other_code(x, j), actions)
            assert not torch.equal(now.log_mechanism[:, j], then.log_mechanism[:, j])
            cut[j, j] = True
            now = transition(x, actions, cut=cut)
            then = transition(other_code(x, j), actions, cut=cut)
            assert torch.equal(now.log_mechanism[:, j], then.log_mechanism[:, j])
            others = [i for i in range(N) if i != j]  # whose edge from j is still there
            assert not torch.equal(now.log_mechanism[:, others], then.log_mechanism[:, others])


def test_without_edges_no_code_reaches_any_mechanism():
    transition = made(bias=20.0)
    actions = some_actions()
    cut = torch.ones(N, N, dtype=torch.bool)
    with torch.no_grad():
        now, then = (transition(codes(seed=s), actions, cut=cut) for s in (0, 1))
        assert torch.equal(now.log_mechanism, then.log_mechanism)
        assert not torch.equal(
            transition(codes(seed=0), actions).log_mechanism,
            transition(codes(seed=1), actions).log_mechanism,
        )
        # the mask asks the node itself whether it is concerned, and nobody else
        x = codes()
        now, then = (transition(v, actions, cut=cut) for v in (x, other_code(x, 2)))
        differs = (now.mask_logit != then.mask_logit).any(-1)
    assert differs.tolist() == [[i == 2 for i in range(N)]] * 6


def test_cuts_may_differ_within_a_batch():
    transition = made(bias=20.0)
    x, actions = codes(), some_actions()
    cut = torch.rand(6, N, N, generator=generator()) < 0.5
    with torch.no_grad():
        together = transition(x, actions, cut=cut)
        assert torch.equal(together.used_edges.bool(), ~cut)
        for b in range(6):
            alone = transition(x[b : b + 1], actions[b : b + 1], cut=cut[b])
            torch.testing.assert_close(alone.log_mechanism[0], together.log_mechanism[b])


def test_pruned_edges_are_off_for_their_action_only():
    transition = made(bias=20.0)
    transition.allowed[1, 0, 3] = False
    with torch.no_grad():
        out = transition(codes(), some_actions())
        trained = transition.train()(codes(), some_actions(), generator=generator())
    for o in (out, trained):
        off = (o.used_edges == 0).nonzero().tolist()
        assert off == [[b, 0, 3] for b in range(6) if b % 3 == 1]
        assert (o.edges == 0).nonzero().tolist() == off


# --- agreement with slow, obvious versions --------------------------------------------------------


def slow_read(read: Read, state: Tensor, h: Tensor, gate: Tensor) -> Tensor:
    """One reading without styles, one image, one action, one effect and head at a time."""
    b_, q_, n, width = state.shape
    d = width // read.heads
    answer = torch.zeros_like(state)
    for b, q, j in itertools.product(range(b_), range(q_), range(n)):
        query = read.query(read.norm(state[b, q, j]))
        for head in range(read.heads):
            part = slice(head * d, (head + 1) * d)
            weights, values = [1.0], [torch.zeros(d)]  # "no cause"
            for i in range(n):
                key, value = read.key_value(read.norm_cause(h[b, i])).chunk(2)
                weight = math.exp(float(query[part] @ key[part]) / math.sqrt(d))
                weights.append(float(gate[b, q, i, j]) * weight)
                values.append(value[part])
            mixed = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
            answer[b, q, j, part] = mixed
    return read.block(state + read.out(answer))


@torch.no_grad()
def test_reading_is_gated_attention_with_a_place_for_no_cause():
    read = made().reads[0]
    state = torch.randn(2, 2, N, 16, generator=generator(1))
    h = torch.randn(2, N, 16, generator=generator(2))
    gate = (torch.rand(2, 2, N, N, generator=generator(3)) < 0.5).float()
    gate[0, 0, :, 1] = 0  # one effect without a cause
    zero = torch.zeros(2, 2, 1, 16)
    found = read(state, h, gate, zero, zero)
    torch.testing.assert_close(found, slow_read(read, state, h, gate), atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("scores", ["bilinear", "pair_mlp"])
def test_edge_scores_are_those_of_a_loop_over_pairs(scores):
    transition = made(scores=scores)
    x = codes(2)
    actions = torch.tensor([0, 2])
    edges = transition(x, actions).edges
    h = transition.features(x)
    for b, i, j in itertools.product(range(2), range(N), range(N)):
        state = transition.effect_place[j] + transition.action_vectors[actions[b]]
        w1, w2 = transition.edge_cause, transition.edge_effect
        if scores == "bilinear":
            score = w1(h[b, i]) @ w2(state) / 4.0
        else:  # one layer on the concatenated pair
            both = torch.cat([w1.weight, w2.weight], dim=1) @ torch.cat([h[b, i], state])
            score = transition.pair_out(F.leaky_relu(both + w1.bias + w2.bias)).squeeze()
        wanted = torch.sigmoid(score + transition.edge_bias)
        torch.testing.assert_close(edges[b, i, j], wanted, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_cause_features_are_the_sum_of_code_vectors_and_a_place():
    transition, x = made(), codes(2)
    for b, n in itertools.product(range(2), range(N)):
        summed = sum(transition.code_vectors[c, x[b, n, c]] for c in range(C))
        alone = transition.cause_mlp(summed + transition.cause_place[n])
        torch.testing.assert_close(transition.features(x)[b, n], alone)


@torch.no_grad()
def test_the_likelihood_is_the_mixture_of_copy_and_mechanism_and_sums_to_one():
    transition, x = made(), codes()
    out = transition(x, some_actions())
    probs = out.log_probs().exp()
    assert probs.shape == (6, N, C, K)
    torch.testing.assert_close(probs.sum(-1), torch.ones(6, N, C))
    noise = transition.COPY_NOISE
    mechanism, mask = out.log_mechanism.exp(), torch.sigmoid(out.mask_logit)
    for b, n, c, k in itertools.product(range(6), range(N), range(C), range(K)):
        copy = 1 - noise if k == x[b, n, c] else noise / (K - 1)
        wanted = (1 - mask[b, n, c]) * copy + mask[b, n, c] * mechanism[b, n, c, k]
        torch.testing.assert_close(probs[b, n, c, k], wanted)
    y = codes(seed=4)
    picked = out.log_likelihood(y)
    for b, n, c in itertools.product(range(6), range(N), range(C)):
        torch.testing.assert_close(picked[b, n, c], probs[b, n, c, y[b, n, c]].log())


@torch.no_grad()
def test_summing_the_mask_out_is_enumerating_every_mask():
    transition = made(2)
    x, y = codes(1, n=2), codes(1, n=2, seed=3)
    out = transition(x, torch.tensor([1]))
    pick = y[0, ..., None]
    copy = out.log_copy[0].gather(-1, pick).exp().flatten()
    mechanism = out.log_mechanism[0].gather(-1, pick).exp().flatten()
    mask = out.mask[0].flatten()
    total = 0.0
    for bits in itertools.product([False, True], repeat=4):  # 2 nodes x 2 codebooks
        on = torch.tensor(bits)
        total += float(torch.where(on, mask * mechanism, (1 - mask) * copy).prod())
    assert out.log_likelihood(y).sum() == pytest.approx(math.log(total), abs=1e-4)


def test_likelihoods_stay_finite_at_the_extremes():
    transition, x = made(), codes()
    out = transition(x, some_actions())
    for logit in (-200.0, 200.0):
        extreme = type(out)(
            out.log_copy, out.log_mechanism, 0 * out.mask_logit + logit, *[None] * 2
        )
        assert torch.isfinite(extreme.log_probs()).all()


@torch.no_grad()
@pytest.mark.parametrize("action_node", ["none", "connected"])
def test_many_actions_in_one_pass_are_the_passes_one_by_one(action_node):
    transition, x = made(action_node=action_node), codes()
    actions = torch.tensor([[2, 0, 1], [1, 1, 0]] * 3)  # (B, Q)
    cut = torch.rand(6, N, N, generator=generator()) < 0.2
    together = transition(x, actions, cut=cut)
    assert together.log_mechanism.shape == (6, 3, N, C, K)
    for q in range(3):
        alone = transition(x, actions[:, q], cut=cut)
        assert torch.equal(alone.used_edges, together.used_edges[:, q])
        for name in ("edges", "mask_logit", "log_mechanism"):
            torch.testing.assert_close(getattr(together, name)[:, q], getattr(alone, name))
        torch.testing.assert_close(together.log_probs()[:, q], alone.log_probs())


# --- gradient and chance --------------------------------------------------------------------------


def test_gradient_reaches_edges_that_are_off():
    transition = made(bias=-1.0).train()
    actions = some_actions()[:, None]  # (B, Q), so that the edges are those that are sampled
    out = transition(codes(), actions, generator=generator())
    out.edges.retain_grad()
    off = out.used_edges.detach().round() == 0
    assert 0.2 < off.float().mean() < 1
    (-out.log_likelihood(codes(seed=2)[:, None]).sum()).backward()
    assert (out.edges.grad[off] != 0).float().mean() > 0.9
    for name in ("edge_cause", "edge_effect"):
        assert getattr(transition, name).weight.grad.any()


def test_gradient_of_an_off_edge_points_to_what_it_would_give():
    """Opening an edge by a little changes the loss as its gradient says."""
    transition = made(bias=-20.0).double()
    x, y = codes(1), codes(1, seed=2)
    gate = torch.zeros(1, 1, N, N, dtype=torch.float64, requires_grad=True)

    def loss(g: Tensor) -> Tensor:
        transition._choose = lambda edges, generator: g
        return -transition(x, torch.tensor([1])).log_likelihood(y).sum()

    loss(gate).backward()
    for i, j in ((0, 3), (2, 2), (4, 1)):
        moved = gate.detach().clone()
        moved[0, 0, i, j] = 1e-4
        slope = (loss(moved) - loss(gate.detach())).item() / 1e-4
        assert slope == pytest.approx(float(gate.grad[0, 0, i, j]), rel=2e-2, abs=1e-3)


def test_edges_are_sampled_as_often_as_they_say():
    transition = made(bias=0.5).train()
    x, actions = codes(1).expand(4000, -1, -1), torch.zeros(4000, dtype=torch.int64)
    with torch.no_grad():
        out = transition(x, actions, generator=generator())
    used = out.used_edges.round()
    assert set(used.unique().tolist()) == {0.0, 1.0}
    assert (used.mean(0) - out.edges[0]).abs().max() < 0.04


def test_nearly_all_edges_are_on_at_the_start():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transition = CausalTransition(N, C, K, A, width=64)
    transition.edge_cause.weight.data.zero_()  # what is left is the start of every edge
    transition.edge_cause.bias.data.zero_()
    edges = transition.eval()(codes(), some_actions()).edges
    torch.testing.assert_close(edges, torch.full_like(edges, 1 / (1 + math.exp(-3))))


def test_an_edge_of_one_half_counts_as_it_does_in_graphs():
    transition = made()
    edges = torch.tensor([[[[0.5, 0.49999], [0.50001, 0.0]]]])
    assert transition._choose(edges, None).flatten().tolist() == [1, 0, 1, 0]
    assert counts(edges).flatten().tolist() == [True, False, True, False]
    assert CausalGraph(edges[0, 0].numpy()).present.ravel().tolist() == [True, False, True, False]


def test_one_of_many_answers_is_the_answer_about_that_action():
    transition, x = made(), codes()
    every = transition(x, torch.arange(A).expand(6, -1))
    chosen = torch.tensor([2, 0, 1, 1, 0, 2])
    one, alone = every.of(chosen), transition(x, chosen)
    for name in ("log_copy", "log_mechanism", "mask_logit", "edges", "used_edges"):
        torch.testing.assert_close(getattr(one, name), getattr(alone, name))


def test_evaluation_is_deterministic_and_training_follows_its_generator():
    transition, x, actions = made(), codes(), some_actions()
    with torch.no_grad():
        one, two = transition(x, actions), transition(x, actions)
        assert torch.equal(one.log_mechanism, two.log_mechanism)
        assert torch.equal(one.used_edges.bool(), one.edges >= 0.5)
        transition.train()
        state = torch.random.get_rng_state()
        one, two, three = (transition(x, actions, generator=generator(s)) for s in (0, 0, 1))
        assert torch.equal(torch.random.get_rng_state(), state)  # the global one has no part in it
    assert torch.equal(one.used_edges, two.used_edges)
    assert torch.equal(one.log_mechanism, two.log_mechanism)
    assert not torch.equal(one.used_edges, three.used_edges)


# --- cost -----------------------------------------------------------------------------------------


def flops(actions: int) -> int:
    transition = CausalTransition(64, 4, 64, actions, width=32).train()
    x = codes(4, 64, 4, 64)
    with FlopCounterMode(display=False) as counter:
        out = transition(x, some_actions(4, actions), generator=generator())
        transition_loss(out, x, mask_price=0.1, edge_price=0.1).total.backward()
    return counter.get_total_flops()


def test_a_step_costs_the_same_for_ten_times_the_actions():
    few, many = flops(12), flops(120)
    assert few <= many < 1.02 * few


def test_weights_per_action_are_four_vectors_and_two_per_reading():
    def count(actions: int) -> int:
        return sum(p.numel() for p in CausalTransition(5, 2, 4, actions, width=16).parameters())

    assert count(13) - count(12) == 16 * (2 + 2 * 2)  # embedding, mask; scale and shift per reading


# --- switches -------------------------------------------------------------------------------------


def test_an_isolated_action_node_changes_nothing_at_all():
    x, y, actions = codes(), codes(seed=1), some_actions()
    outputs, grads = {}, {}
    for kind in ("none", "isolated", "connected"):
        transition = made(action_node=kind).train()
        out = transition(x, actions, generator=generator())
        (-out.log_likelihood(y).sum()).backward()
        outputs[kind] = out.log_probs().detach()
        grads[kind] = {n: p.grad.clone() for n, p in transition.named_parameters()}
    assert torch.equal(outputs["none"], outputs["isolated"])
    for name, grad in grads["none"].items():
        assert torch.equal(grad, grads["isolated"][name]), name
    assert not torch.allclose(outputs["none"], outputs["connected"], atol=1e-3)


def test_a_connected_action_node_is_heard_where_every_edge_is_cut():
    x, actions, cut = codes(), some_actions(), torch.ones(N, N, dtype=torch.bool)
    with torch.no_grad():
        none, connected = (
            made(action_node=k)(x, actions, cut=cut).log_mechanism for k in ("none", "connected")
        )
    assert (none - connected).abs().amax((2, 3)).min() > 1e-3


def test_repredict_never_copies():
    x, actions = codes(), some_actions()
    transition = made(unset="repredict")
    with torch.no_grad():
        out, ours = transition(x, actions), made()(x, actions)
    assert torch.equal(out.log_probs(), out.log_mechanism)
    assert torch.equal(out.log_mechanism, ours.log_mechanism)
    assert not torch.allclose(ours.log_probs(), ours.log_mechanism, atol=0.1)


def test_sampling_in_evaluation_is_not_deterministic_unless_its_generator_is():
    transition, x, actions = made(eval_edges="sample"), codes(), some_actions()
    with torch.no_grad():
        one, two = transition(x, actions), transition(x, actions)
        assert not torch.equal(one.used_edges, two.used_edges)
        one, two = (transition(x, actions, generator=generator(1)) for _ in range(2))
    assert torch.equal(one.log_mechanism, two.log_mechanism)


@pytest.mark.parametrize("name", ["retrieval", "eval_edges", "unset", "scores", "action_node"])
def test_unknown_switches_name_what_there_is(name):
    with pytest.raises(ValueError, match=f"{name} must be one of .*found 'other'"):
        Variant(**{name: "other"})


# --- extremes and bad input -----------------------------------------------------------------------


@pytest.mark.parametrize("sharpness", [1.0, 1e3])
@pytest.mark.parametrize("edges", ["none", "some", "all"])
def test_output_and_gradient_are_finite_whatever_edges_are_on(sharpness, edges):
    """Also when the causes that are off would have been asked very loudly."""
    transition = made().train()
    for read in transition.reads:
        read.query.weight.data.mul_(sharpness)
    cut = {"none": torch.ones, "all": torch.zeros}.get(edges, lambda *n: torch.eye(N))(N, N).bool()
    if edges == "some":
        cut = ~cut
    transition.edge_bias.data.fill_(20.0)
    out = transition(codes(), some_actions(), generator=generator(), cut=cut)
    assert torch.isfinite(out.log_probs()).all()
    transition_loss(out, codes(seed=1), mask_price=0.1, edge_price=0.1).total.backward()
    assert all(torch.isfinite(p.grad).all() for p in transition.parameters() if p.grad is not None)


@torch.no_grad()
def test_a_loud_cause_that_is_off_does_not_drown_the_others():
    transition = made(bias=20.0)
    for read in transition.reads:
        read.query.weight.mul_(100)
    x, actions, cut = codes(), some_actions(), ~torch.eye(N).bool()  # own edges alone
    now = transition(x, actions, cut=cut).log_mechanism
    then = transition(other_code(x, slice(None)), actions, cut=cut).log_mechanism
    assert ((now - then).abs().amax((2, 3)) > 1e-3).float().mean() > 0.9


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(ValueError, match="multiple of 4, found 30"):
        CausalTransition(4, 1, 4, 2, width=30)


# --- loss -----------------------------------------------------------------------------------------


@torch.no_grad()
def test_the_parts_of_the_loss():
    transition, x, y = made(), codes(), codes(seed=1)
    out = transition(x, some_actions())
    loss = transition_loss(out, y, mask_price=0.3, edge_price=0.7)
    mask, edges = out.mask.detach(), out.edges.detach()
    nll = set_codes = set_nodes = priced = 0.0
    for b in range(6):
        nll -= float(out.log_likelihood(y)[b].sum()) / 6
        set_codes += float(mask[b].sum()) / 6
        for j in range(N):
            node = float(mask[b, j].max())
            set_nodes += node / 6
            priced += node * sum(float(edges[b, i, j]) for i in range(N)) / 6
    assert float(loss.nll) == pytest.approx(nll, rel=1e-4)
    assert float(loss.set_codes) == pytest.approx(set_codes, rel=1e-4)
    assert float(loss.set_nodes) == pytest.approx(set_nodes, rel=1e-4)
    assert float(loss.edges) == pytest.approx(priced, rel=1e-4)
    wanted = nll + 0.3 * set_codes + 0.7 * priced
    assert float(loss.total) == pytest.approx(wanted, rel=1e-4)


def test_dear_edges_do_not_push_the_mask_down():
    transition = made()
    out = transition(codes(), some_actions())
    transition_loss(out, codes(), mask_price=0.0, edge_price=1.0).edges.backward()
    assert transition.mask_out.weight.grad is None or not transition.mask_out.weight.grad.any()
    assert transition.edge_cause.weight.grad.any()


# --- the same actions of every image --------------------------------------------------------------


@pytest.mark.parametrize("variant", [{}, {"scores": "pair_mlp"}, {"action_node": "connected"}])
def test_actions_that_all_images_share_are_done_once_and_give_the_same(variant):
    """An expanded tensor of actions, as in retrieval, beside one that repeats them."""
    transition, x = made(**variant), codes()
    every = torch.arange(A)
    questions = []
    transition.edge_effect.register_forward_hook(lambda _m, _i, out: questions.append(len(out)))
    shared, each = (transition(x, a) for a in (every.expand(6, -1), every.repeat(6, 1)))
    assert questions == [1, 6]
    for name, value in vars(shared).items():
        if isinstance(value, Tensor):
            assert value.shape == getattr(each, name).shape
            torch.testing.assert_close(value, getattr(each, name))
    one = transition(x, torch.tensor(2).expand(6))
    assert questions[-1] == 1 and one.edges.shape == (6, N, N)
    torch.testing.assert_close(one.log_probs(), transition(x, torch.full((6,), 2)).log_probs())
    assert transition(x[:0], every.expand(0, -1)).edges.shape == (0, A, N, N)


def test_shared_actions_teach_the_same():
    """The gradient of what is done once is the sum over the images."""
    transition, x, y = made().train(), codes(), codes(seed=1)
    found = []
    for actions in (torch.arange(A).expand(6, -1), torch.arange(A).repeat(6, 1)):
        out = transition(x, actions, generator=generator())
        transition.zero_grad()
        out.log_likelihood(y[:, None].expand(-1, A, -1, -1)).sum().backward()
        found.append({k: p.grad.clone() for k, p in transition.named_parameters()})
    for name, gradient in found[0].items():
        torch.testing.assert_close(gradient, found[1][name], rtol=1e-3, atol=1e-3)
        assert gradient.abs().sum() > 0
