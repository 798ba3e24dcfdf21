"""CausalVQ: shapes, what it computes, what it never changes, and what it refuses."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest
import torch
from small_models import GRID, NAMES, C, K, N, codes, made, pictures
from torch import Tensor, nn

from cvq_tutorial.common.arrays import counts
from cvq_tutorial.method.answers import NOTHING, UNCHANGED, UNEXPLAINED
from cvq_tutorial.method.causal_transition import CausalTransition
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.method.published import CodebookPlaces, make_model


def checksum(model: nn.Module) -> str:
    state = model.state_dict()
    return hashlib.sha256(b"".join(v.numpy().tobytes() for v in state.values())).hexdigest()


LAYOUTS = pytest.mark.parametrize("layout", ["places", "codebook_places"])


# --- shapes and agreement -------------------------------------------------------------------------


@LAYOUTS
def test_every_answer_has_its_shape(layout):
    model, x, y = made(layout), pictures(), pictures(seed=1)
    assert (model.n_codebooks, model.n_codes, model.n_actions, model.grid) == (C, K, 4, GRID)
    assert model.n_nodes == (N if layout == "places" else N * C)
    assert model.action_names == NAMES
    found = model.encode(x)
    assert found.shape == (5, N, C) and found.dtype == torch.int64
    assert model.reconstruct(x).shape == x.shape
    done = model.intervene(x, 1)
    assert torch.equal(done.codes_before, found)
    assert done.codes.shape == (5, N, C) and done.codes.dtype == torch.int64
    assert done.mask.shape == (5, N, C) and 0 <= done.mask.min() <= done.mask.max() <= 1
    assert done.images.shape == x.shape and 0 <= done.images.min() <= done.images.max() <= 1
    named = model.retrieve(x, y)
    assert named.log_posterior.shape == (5, 4) and named.actions.shape == (5,)
    torch.testing.assert_close(named.log_posterior.exp().sum(1), torch.ones(5))
    graph = model.graph(x, "hue-")
    assert graph.shape == (5, model.n_nodes, model.n_nodes)
    assert 0 <= graph.min() <= graph.max() <= 1
    for value in (done.images, done.mask, named.log_posterior, graph):
        assert not value.requires_grad


@LAYOUTS
def test_images_and_their_codes_give_the_same_answers(layout):
    model, x, y = made(layout), pictures(), pictures(seed=1)
    a, b = model.encode(x), model.encode(y)
    torch.testing.assert_close(model.intervene(x, 1).images, model.intervene(a, 1).images)
    assert torch.equal(model.intervene(x, 1).codes, model.intervene(a, 1).codes)
    torch.testing.assert_close(
        model.retrieve(x, y).log_posterior, model.retrieve(a, b).log_posterior
    )
    torch.testing.assert_close(model.graph(x, 1), model.graph(a, 1))
    torch.testing.assert_close(model.reconstruct(x), model.decode(a))


def test_a_model_of_codes_alone():
    model = made(images=False)
    assert (model.n_codebooks, model.n_nodes, model.grid) == (C, N, (1, N))
    done = model.intervene(codes(), 1)
    assert done.images is None and done.codes.shape == (5, N, C)
    assert model.retrieve(codes(), codes(seed=1)).actions.shape == (5,)
    for call in (model.encode, model.reconstruct):
        with pytest.raises(ValueError, match="no autoencoder"):
            call(pictures())
    with pytest.raises(ValueError, match="no autoencoder"):
        model.decode(codes())


def test_the_published_layout_is_one_node_per_codebook_and_place():
    model, x = made("codebook_places"), codes()
    nodes = model.to_nodes(x)
    for c, place in itertools.product(range(C), range(N)):
        assert torch.equal(nodes[:, c * N + place, 0], x[:, place, c])
    assert torch.equal(model.from_nodes(nodes), x)
    spread = torch.rand(5, C * N, 1, K)
    assert model.from_nodes(spread).shape == (5, N, C, K)
    assert torch.equal(model.from_nodes(spread)[1, 4, 1], spread[1, N + 4, 0])


@LAYOUTS
def test_intervening_takes_the_likeliest_codes_and_paints_the_expected_ones(layout):
    model, x = made(layout), codes()
    actions = torch.tensor([0, 3, 1, 2, 0])
    done = model.intervene(x, actions)
    out = model.distribution(x, actions)
    probs = model.from_nodes(out.log_probs().exp())
    assert torch.equal(done.codes, probs.argmax(-1))
    torch.testing.assert_close(done.mask, model.from_nodes(out.mask))
    vectors = torch.zeros(5, N, C, 4)
    for k in range(K):
        vectors += probs[..., k, None] * model.autoencoder.quantizer.lookup(torch.full_like(x, k))
    with torch.no_grad():
        size = model.autoencoder.quantizer.to_map(vectors, GRID)
        painted = model.autoencoder.decoder(size).clamp(0, 1)
    torch.testing.assert_close(done.images, painted)


@LAYOUTS
@pytest.mark.parametrize("retrieval", ["sum", "mean"])
def test_retrieval_compares_the_likelihood_of_every_action(layout, retrieval):
    model, x, y = made(layout, retrieval=retrieval), codes(), codes(seed=1)
    scores = torch.zeros(5, 4)
    for b, action in itertools.product(range(5), range(4)):
        out = model.distribution(x[b : b + 1], torch.tensor([action]))
        likely = out.log_likelihood(model.to_nodes(y[b : b + 1]))
        scores[b, action] = likely.sum() if retrieval == "sum" else likely.sum() / (N * C)
    found = model.retrieve(x, y)
    torch.testing.assert_close(found.log_posterior, scores.log_softmax(-1), atol=1e-4, rtol=1e-4)
    assert torch.equal(found.actions, scores.argmax(-1))


@pytest.mark.parametrize(
    "layout, images", [("places", True), ("places", False), ("codebook_places", True)]
)
def test_one_pass_answers_both_questions(layout, images):
    model, x, y = made(layout, images=images), codes(), codes(seed=1)
    actions = torch.tensor([0, 3, 1, 2, 0])
    passes = []
    model.transition.register_forward_hook(lambda *_: passes.append(1))
    done, named = model.intervene_and_retrieve(x, actions, y)
    assert len(passes) == 1
    alone, asked = model.intervene(x, actions), model.retrieve(x, y)
    assert torch.equal(done.codes, alone.codes) and torch.equal(done.codes_before, x)
    for field in ("mask", "edges", "log_probs", *(("images",) if images else ())):
        torch.testing.assert_close(getattr(done, field), getattr(alone, field))
    for field in ("log_posterior", "log_likelihood"):
        assert torch.equal(getattr(named, field), getattr(asked, field))
    assert len(passes) == 3


@LAYOUTS
def test_an_intervention_keeps_its_graph_and_its_distribution(layout, monkeypatch):
    model, x = made(layout), codes()
    actions = torch.tensor([0, 3, 1, 2, 0])
    done, out = model.intervene(x, actions), model.distribution(x, actions)
    assert torch.equal(done.edges, model.graph(x, actions))
    assert torch.equal(done.log_probs, model.from_nodes(out.log_probs()))
    assert torch.equal(done.log_probs.argmax(-1), done.codes)
    monkeypatch.setattr(CausalVQ, "BATCH", 2)
    parts = model.intervene(x, actions)
    assert parts.edges.shape == done.edges.shape and len(parts.parts) == 3
    torch.testing.assert_close(parts.log_probs, done.log_probs)


def test_a_verdict_stands_beside_the_name():
    model, x, y = made(), codes(), codes(seed=1)
    named = model.retrieve(x, torch.cat([x[:2], y[2:]]))
    assert named.same.tolist() == [True, True, False, False, False]
    names = [NAMES[a] for a in named.actions.tolist()]
    assert named.verdict == [NOTHING, NOTHING, *names[2:]]
    slow = model.distribution(y[2:3] * 0 + x[2:3], named.actions[2:3]).log_likelihood(y[2:3])
    assert named.per_code[2].item() == pytest.approx(slow.mean().item(), rel=1e-4)
    low, middle, high = named.per_code[2:].sort().values.tolist()
    assert low < middle < high
    model.explains_at = middle
    verdict = model.retrieve(x, torch.cat([x[:2], y[2:]])).verdict
    assert verdict.count(UNEXPLAINED) == 1 and verdict.count(NOTHING) == 2
    assert verdict[2 + int(named.per_code[2:].argmin())] == UNEXPLAINED


def test_an_intervention_that_changes_nothing_says_so():
    model, x = made(), codes()
    with torch.no_grad():
        model.transition.mask_out.bias.fill_(-50.0)  # no action sets anything
        model.transition.mask_out.weight.zero_()
    done = model.intervene(x, 1)
    assert not done.changed.any() and done.verdict == [UNCHANGED] * 5
    with torch.no_grad():
        model.transition.mask_out.bias.fill_(50.0)
    done = model.intervene(x, 1)
    n = int((done.codes[0] != x[0]).sum())
    assert n and done.changed[0] and done.verdict[0] == f"{n} of {N * C} codes changed"


def test_the_mean_flattens_the_posterior_and_keeps_its_order():
    x, y = codes(), codes(seed=1)
    ours, published = (made(retrieval=r).retrieve(x, y) for r in ("sum", "mean"))
    assert torch.equal(ours.actions, published.actions)

    def sure(found):
        return found.log_posterior.exp().amax(1)

    assert (sure(ours) > sure(published) + 0.05).all() and sure(published).max() < 0.5


def test_the_graph_is_row_cause_column_effect():
    """Edges 0 -> 3 and no others: what is done to node 0 shows at 3 and nowhere else."""
    model, x = made(images=False), codes()
    model.transition.edge_bias.data.fill_(20.0)
    model.transition.allowed.zero_()
    model.transition.allowed[:, 0, 3] = True
    graph = model.graph(x, 2)
    assert ((graph > 0.5).nonzero()[:, 1:].unique(dim=0)).tolist() == [[0, 3]]
    changed = x.clone()
    changed[:, 0] = (x[:, 0] + 1) % K
    actions = torch.full((5,), 2)
    now, then = (model.distribution(v, actions).log_mechanism for v in (x, changed))
    assert ((now != then).any(-1).any(-1)).nonzero()[:, 1].unique().tolist() == [3]
    changed[:, 3] = (x[:, 3] + 1) % K
    again = model.distribution(changed, actions).log_mechanism
    assert torch.equal(again, then)


# --- naming an action -----------------------------------------------------------------------------


def test_an_action_is_a_name_a_number_or_one_number_per_image():
    model, x = made(), codes()
    want = model.intervene(x, 2)
    forms = ("hue-", np.int64(2), np.full(5, 2), np.full(5, 2, np.uint8), torch.full((5,), 2))
    for form in (*forms, torch.tensor(2), [2] * 5):
        done = model.intervene(x, form)
        assert torch.equal(done.codes, want.codes) and torch.equal(done.images, want.images)
        assert torch.equal(model.graph(x, form), model.graph(x, 2))
    mixed = model.intervene(x, torch.tensor([2, 0, 2, 1, 3]))
    named = [model.action_names[a] for a in (2, 0, 2, 1, 3)]
    assert torch.equal(model.intervene(x, named).codes, mixed.codes)
    with pytest.raises(TypeError, match="numbers or names, found None"):
        model.intervene(x, None)
    assert torch.equal(mixed.codes[0], want.codes[0])
    assert torch.equal(mixed.codes[3], model.intervene(x, 1).codes[3])


@pytest.mark.parametrize(
    "action, error, message",
    [
        ("Hue+", ValueError, r"unknown action 'Hue\+'; did you mean 'hue\+'\?.*size-"),
        (4, ValueError, r"action 4 is outside 0\.\.3"),
        (-1, ValueError, r"action -1 is outside 0\.\.3"),
        ([0, 1, 2, 3, 7], ValueError, r"action 7 is outside 0\.\.3"),
        ([0, 1], ValueError, r"one action or 5, found shape \(2,\)"),
        (np.zeros((5, 1), int), ValueError, r"one action or 5, found shape \(5, 1\)"),
        (1.0, TypeError, "integers, found torch.float32"),
        (True, TypeError, "integers, found torch.bool"),
    ],
)
def test_other_actions_are_refused(action, error, message):
    for call in (made().intervene, made().graph):
        with pytest.raises(error, match=message):
            call(codes(), action)


# --- what never changes ---------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_answers_are_deterministic_and_leave_the_model_as_it_was(training):
    model, x, y = made().train(training), pictures(), pictures(seed=1)
    before, state = checksum(model), torch.random.get_rng_state()
    for call in (
        lambda: model.encode(x),
        lambda: model.reconstruct(x),
        lambda: model.intervene(x, 1).images,
        lambda: model.retrieve(x, y).log_posterior,
        lambda: model.graph(x, 0),
    ):
        assert torch.equal(call(), call())
        assert model.training == training
    assert all(module.training == training for module in model.modules())
    assert checksum(model) == before
    assert torch.equal(torch.random.get_rng_state(), state)


def test_each_part_gets_its_own_mode_back_also_after_an_error():
    model = made().eval()
    model.transition.train()
    model.retrieve(codes(), codes(seed=1))
    assert model.transition.reads[0].training and not model.autoencoder.encoder.training

    def fail(images: Tensor) -> Tensor:
        raise RuntimeError("on purpose")

    model.autoencoder.encode = fail
    with pytest.raises(RuntimeError, match="on purpose"):
        model.encode(pictures())
    assert model.transition.training and not model.training


@LAYOUTS
def test_nobody_sees_that_work_is_done_in_batches(layout):
    model, x, y = made(layout), pictures(7), pictures(7, seed=1)
    actions = torch.arange(7) % 4

    def answers() -> list[Tensor]:
        done = model.intervene(x, actions)
        return [
            model.encode(x), model.decode(codes(7)), model.reconstruct(x), done.codes, done.mask,
            done.images, model.retrieve(x, y).log_posterior, model.graph(x, actions),
        ]  # fmt: skip

    whole = answers()
    model.BATCH = 3
    for part, want in zip(answers(), whole, strict=True):
        torch.testing.assert_close(part, want)
    alone = [model.retrieve(x[i : i + 1], y[i : i + 1]).log_posterior for i in range(7)]
    torch.testing.assert_close(torch.cat(alone), whole[6])


def test_an_empty_batch_gives_empty_answers():
    model, x = made(), pictures(0)
    assert model.encode(x).shape == (0, N, C)
    assert model.intervene(x, 1).images.shape == x.shape
    assert model.retrieve(x, x).actions.shape == (0,)
    assert model.graph(x, 0).shape == (0, N, N)


def test_double_precision_images_do_not_reach_the_weights():
    model, x = made(), pictures()
    assert torch.equal(model.encode(x.double()), model.encode(x))


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "images, error, message",
    [
        (pictures()[:, :, :8], ValueError, r"\(B, 3, 16, 24\), found \(5, 3, 8, 24\)"),
        (pictures().permute(0, 2, 3, 1), ValueError, "channels come first"),
        (pictures()[:, :1], ValueError, r"found \(5, 1, 16, 24\)"),
        (
            (255 * pictures()).byte(),
            TypeError,
            "floating-point tensor, found Tensor of torch.uint8",
        ),
        (255 * pictures(), ValueError, r"\[0, 1\], found .*x / 255"),
        (2 * pictures() - 1, ValueError, r"\(x \+ 1\) / 2"),
        (pictures() * float("nan"), ValueError, r"\[0, 1\], found nan"),
        (pictures().numpy(), TypeError, "found ndarray"),
    ],
)
def test_images_that_do_not_fit_are_refused(images, error, message):
    with pytest.raises(error, match=message):
        made().encode(images)


def broken(node: int, value: int) -> Tensor:
    x = codes()
    x[2, node, 1] = value
    return x


@pytest.mark.parametrize(
    "x, error, message",
    [
        (broken(4, K), ValueError, r"code 8 at batch 2, node 4, codebook 1 is outside 0\.\.7"),
        (broken(0, -1), ValueError, r"code -1 at batch 2, node 0, codebook 1 is outside 0\.\.7"),
        (codes().float(), TypeError, "integers.*float32"),
        (codes() > 3, TypeError, "integers.*bool"),
        (codes()[:, :, :1], ValueError, r"\(B, N, 2\), found \(5, 6, 1\)"),
        (codes()[:, :5], ValueError, r"6 nodes, found shape \(5, 5, 2\)"),
    ],
)
@LAYOUTS
def test_codes_that_do_not_fit_are_refused(layout, x, error, message):
    model = made(layout)
    for call in (model.decode, lambda x: model.intervene(x, 0), lambda x: model.graph(x, 0)):
        with pytest.raises(error, match=message):
            call(x)
    with pytest.raises(error, match=message):
        model.retrieve(codes(), x)
    assert model.decode(codes()).shape == (5, 3, 16, 24)  # and the next call works


def test_x_and_y_must_have_one_length_and_be_images_or_codes():
    model = made()
    with pytest.raises(ValueError, match="one length, found 5 and 4"):
        model.retrieve(codes(), codes(4))
    for x, found in ((codes()[0], r"\(6, 2\)"), (codes().numpy(), "ndarray"), (None, "NoneType")):
        with pytest.raises(ValueError, match=rf"images .* or codes .*, found {found}"):
            model.intervene(x, 0)


def test_parts_that_do_not_fit_together_are_refused():
    model = made()
    with pytest.raises(ValueError, match="expected 4 action names, found 1"):
        CausalVQ(model.autoencoder, model.transition, ["hue+"])
    with pytest.raises(ValueError, match=r"layout must be one of .*found 'rows'"):
        make_model(model.autoencoder, model.transition, NAMES, layout="rows")
    with pytest.raises(ValueError, match=r"= \(12, 1, 8\), found \(6, 2, 8\)"):
        CodebookPlaces(model.autoencoder, model.transition, NAMES)


# --- one edge only --------------------------------------------------------------------------------


def first_edge(model: CausalVQ, x: Tensor) -> tuple[int, int]:
    """An edge between two nodes that is there in the first picture."""
    off_diagonal = ~torch.eye(model.n_nodes, dtype=torch.bool)
    return tuple((counts(model.graph(x, 0)[0]) & off_diagonal).nonzero()[0].tolist())


@LAYOUTS
def test_only_some_edges_is_the_transition_with_all_others_cut(layout):
    model, x = made(layout), codes()
    edge = first_edge(model, x)
    cut = torch.ones(model.n_nodes, model.n_nodes, dtype=torch.bool)
    cut[edge] = False
    done = model.intervene(x, 0, only=[edge])
    wanted = model.distribution(x, torch.zeros(len(x), dtype=torch.int64), cut=cut)
    assert torch.equal(done.log_probs, model.from_nodes(wanted.log_probs()))
    assert done.images is not None
    assert not torch.equal(done.log_probs, model.intervene(x, 0).log_probs)
    every = [(i, j) for i in range(model.n_nodes) for j in range(model.n_nodes)]
    on = [(i, j) for i, j in every if counts(model.graph(x, 0)[:, i, j]).any()]
    assert torch.equal(model.intervene(x, 0, only=on).codes, model.intervene(x, 0).codes)


def test_along_one_edge_only_its_effect_hears_its_cause():
    model, x = made(images=False), codes(1)
    i, j = first_edge(model, x)
    other = x.clone()
    other[0, i] = (x[0, i] + 1) % K
    a, b = (model.to_nodes(model.intervene(c, 0, only=[(i, j)]).log_probs) for c in (x, other))
    moved = {n for n in range(model.n_nodes) if not torch.equal(a[0, n], b[0, n])}
    assert moved <= {i, j} and j in moved  # the node that was set is copied


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ([(0, 6)], r"only: a node must lie in 0\.\.5, found 6"),
        ([(-1, 2)], r"only: a node must lie in 0\.\.5, found -1"),
        ([(1, 2)], "only: no edge 1 -> 2 under these actions in these pictures"),
    ],
)
def test_a_path_without_an_edge_is_refused_in_one_line(only, message):
    model = made(images=False)
    model.transition.allowed[:, 1, 2] = False
    with pytest.raises(ValueError, match=message):
        model.intervene(codes(), 0, only=only)


@LAYOUTS
@pytest.mark.parametrize("batch", [3, 1])
def test_very_many_actions_are_asked_about_in_parts(layout, batch, monkeypatch):
    model, x, y = made(layout), codes(), codes(seed=1)
    actions = torch.tensor([0, 3, 1, 2, 0])
    done, whole = model.intervene_and_retrieve(x, actions, y)
    rows, original = [], model.transition.forward

    def forward(c, a, **options):
        rows.append(a.numel())
        return original(c, a, **options)

    monkeypatch.setattr(CausalVQ, "BATCH", batch)
    monkeypatch.setattr(model.transition, "forward", forward)
    other, parts = model.intervene_and_retrieve(x, actions, y)
    assert max(rows) <= batch < model.n_actions
    torch.testing.assert_close(parts.log_posterior, whole.log_posterior)
    torch.testing.assert_close(parts.log_likelihood, whole.log_likelihood)
    assert torch.equal(other.codes, done.codes) and torch.equal(parts.actions, whole.actions)
    torch.testing.assert_close(other.log_probs, done.log_probs)
    plan = model.plan(x[:1], y[:1], max_steps=1)
    assert max(rows) <= batch, "plans, too"
    monkeypatch.undo()
    assert plan.actions == model.plan(x[:1], y[:1], max_steps=1).actions


def test_of_many_nodes_fewer_rows_go_through_at_once():
    net = CausalTransition(600, 1, 2, 1, width=4)
    assert [net.at_once(most) for most in (1, 46, 256)] == [1, 46, 46]
    assert CausalVQ(None, net, ["a"]).BATCH == 46 and CausalVQ.BATCH == 256
    for nodes, rows in ((64, 256), (256, 256), (1024, 16), (5000, 1)):
        net.nodes = nodes
        assert net.at_once(256) == rows
