"""Plans and actions in a row: on worlds that a model knows exactly, and against slow searches."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from known_transition import WORLD, Exact, after, knowing, true_distances
from small_models import codes as some_codes
from small_models import made
from small_models import pictures as some_images
from torch import Tensor

from cvq_tutorial.method.causal_transition import CausalTransition, TransitionOutput
from cvq_tutorial.method.model import CARRIES, CausalVQ
from cvq_tutorial.method.plan import Measure, Plan, clearly_nearer, search


class Line:
    """Factors 0..4 and 0..2 as codes of two nodes; four actions as in a world of factors."""

    sizes = np.array([5, 3])

    def __call__(self, x: np.ndarray, actions: np.ndarray) -> np.ndarray:
        step = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])[actions]
        after = x[:, :, 0] + step
        fits = ((after >= 0) & (after < self.sizes)).all(1)
        return np.where(fits[:, None], after, x[:, :, 0])[:, :, None]


def codes_of(state) -> Tensor:
    return torch.tensor(state)[None, :, None]


# --- the search -----------------------------------------------------------------------------------


def test_every_plan_of_a_wide_search_is_as_short_as_breadth_first_search_says():
    model, start = knowing(), (0, 1, 2, 0)
    distances = true_distances(start)
    assert max(distances.values()) >= 4 and len(distances) < WORLD.n_codes**WORLD.n_nodes
    for state, distance in distances.items():
        plan = model.plan(codes_of(start), codes_of(state), beam=81)
        assert plan.reached and len(plan) == distance
        assert after(start, plan.actions) == state
        assert plan.names == tuple(f"a{a}" for a in plan.actions)
        assert plan.codes.shape == (distance + 1, 4, 1) and plan.codes.dtype == torch.int64
        for step in range(distance + 1):
            assert tuple(plan.codes[step, :, 0].tolist()) == after(start, plan.actions[:step])
        assert plan.distance < 1e-4 and plan.log_likelihood > -0.1


def test_what_cannot_be_reached_is_not_and_the_nearest_is_given():
    model, start = knowing(), (0, 1, 2, 0)
    distances = true_distances(start)
    every = itertools.product(range(3), repeat=4)
    absent = [state for state in every if state not in distances]
    for state in absent[::7]:
        plan = model.plan(codes_of(start), codes_of(state), beam=81)
        assert not plan.reached and str(plan).startswith("not reached, nearest after ")

        def wrong(other, state=state):
            return sum(a != b for a, b in zip(other, state, strict=True))

        least = min(wrong(other) for other in distances)
        assert wrong(after(start, plan.actions)) == least
        assert len(plan) == min(d for other, d in distances.items() if wrong(other) == least)
        assert plan.distance == pytest.approx(wrong(after(start, plan.actions)), abs=0.1)
        assert plan.log_likelihood < -5


def test_too_few_steps_give_the_best_effort():
    model, start = knowing(), (0, 1, 2, 0)
    far = next(s for s, d in true_distances(start).items() if d == 3)
    for most in (1, 2):
        plan = model.plan(codes_of(start), codes_of(far), beam=81, max_steps=most)
        assert not plan.reached and len(plan) <= most
    assert model.plan(codes_of(start), codes_of(far), beam=81, max_steps=3).reached


def test_alike_needs_none():
    plan = knowing().plan(codes_of((0, 1, 2, 0)), codes_of((0, 1, 2, 0)))
    assert plan.reached and plan.actions == plan.names == () and len(plan) == 0
    assert str(plan) == "none needed" and plan.codes.shape == (1, 4, 1) and plan.expanded == 1


def test_how_many_states_are_tried():
    model = CausalVQ(None, Exact(2, 5, 4, Line()), ["a+", "b+", "a-", "b-"])
    tried = []
    model.advance = lambda belief, actions: (
        tried.append(len(belief)) or CausalVQ.advance(model, belief, actions)
    )
    for beam in (1, 2, 4):
        tried.clear()
        plan = model.plan(codes_of((0, 0)), codes_of((1, 1)), beam=beam)
        assert plan.reached and len(plan) == 2 and set(plan.names) == {"a+", "b+"}
        assert plan.expanded == sum(tried) <= 1 + 2 * beam
    # From (0, 0), two actions lead out of the range and two ways to (1, 1): no state is kept twice.
    # Tried are x, the 3 states one action off, the 6 of two actions, and y.
    assert model.plan(codes_of((0, 0)), codes_of((1, 2)), beam=99).expanded == 1 + 3 + 6 + 1


def test_the_same_question_has_the_same_answer():
    model = made().train()  # training or not
    x, y = some_images(1), some_images(1, seed=1)
    one, two = model.plan(x, y, max_steps=3), model.plan(x, y, max_steps=3)
    for field in dataclasses.fields(Plan):
        a, b = getattr(one, field.name), getattr(two, field.name)
        assert torch.equal(a, b) if field.name == "codes" else a == b
    assert model.training
    by_codes = model.plan(model.encode(x), y, max_steps=3)
    assert by_codes.actions == one.actions and by_codes.distance == one.distance


def test_far_along_one_factor_vectors_give_the_direction():
    """Codes of one factor on a line: with vectors a beam of one walks it, without it cannot."""
    model = CausalVQ(None, Exact(2, 5, 4, Line()), ["a+", "b+", "a-", "b-"])
    x, y = codes_of((0, 1)), codes_of((4, 1))
    assert not model.plan(x, y, beam=1).reached
    vectors = torch.arange(5.0)[None, :, None]
    model.measure = lambda codes: Measure(codes[0], vectors)
    assert model.plan(x, y, beam=1).actions == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("options", "message", "error"),
    [
        ({"max_steps": 0}, "max_steps must be at least 1, found 0", ValueError),
        ({"max_steps": 2.0}, "max_steps must be an integer, found 2.0", TypeError),
        ({"beam": True}, "beam must be an integer, found True", TypeError),
        ({"beam": -1}, "beam must be at least 1, found -1", ValueError),
        ({"tolerance": "a"}, "tolerance must be a number, found 'a'", TypeError),
        ({"tolerance": math.inf}, r"tolerance must lie in \[0, inf\), found inf", ValueError),
        ({"gain": 1.0}, r"gain must lie in \[0, 1\), found 1.0", ValueError),
        ({"gain": math.nan}, "gain must lie in .* found nan", ValueError),
        ({"beams": 1}, "beams", TypeError),
    ],
)
def test_options_are_checked(options, message, error):
    with pytest.raises(error, match=message):
        knowing().plan(codes_of((0, 1, 2, 0)), codes_of((0, 1, 2, 0)), **options)


def test_one_pair_at_a_time():
    one, two = codes_of((0, 1, 2, 0)), torch.zeros(2, 4, 1, dtype=torch.int64)
    for x, y, counts in ((one, two, "1, 2"), (two, one, "2, 1"), (two[:0], one, "0, 1")):
        with pytest.raises(ValueError, match=f"leads from one x to one y, found {counts}"):
            knowing().plan(x, y)
    with pytest.raises(ValueError, match="codes must have 4 nodes"):
        knowing().plan(one, torch.zeros(1, 5, 1, dtype=torch.int64))
    with pytest.raises(ValueError, match="works on codes alone"):
        knowing().plan(torch.zeros(1, 3, 8, 8), one)


# --- how near -------------------------------------------------------------------------------------


def test_measure_agrees_with_loops():
    generator = torch.Generator().manual_seed(0)
    belief = torch.randn(2, 3, 2, 4, generator=generator).log_softmax(-1)  # (B, N, C, K)
    y = torch.randint(4, (3, 2), generator=generator)
    vectors = torch.randn(2, 4, 5, generator=generator)
    measure = Measure(y, vectors)
    pairs = [
        (vectors[c, i] - vectors[c, j]).square().sum()
        for c in range(2) for i, j in itertools.permutations(range(4), 2)
    ]  # fmt: skip
    unit = torch.stack(pairs).mean()
    for b in range(2):
        far = likely = expected = 0.0
        for n, c in itertools.product(range(3), range(2)):
            p = belief[b, n, c].exp()
            mean = sum(p[k] * vectors[c, k] for k in range(4))
            far += (mean - vectors[c, y[n, c]]).square().sum() / unit
            likely += belief[b, n, c, y[n, c]]
            expected += (p * belief[b, n, c]).sum()
        torch.testing.assert_close(measure.distance(belief)[b], far)
        torch.testing.assert_close(measure.log_likelihood(belief)[b], likely)
        assert measure.surprise(belief[b]) == pytest.approx(float(expected - likely), abs=1e-4)


def test_a_belief_is_not_surprised_by_its_own_outcomes_on_average():
    belief = torch.randn(2, 1, 3, generator=torch.Generator().manual_seed(1)).log_softmax(-1)
    vectors, total = torch.eye(3)[None], 0.0
    for y in itertools.product(range(3), repeat=2):
        measure = Measure(torch.tensor(y)[:, None], vectors)
        total += measure.log_likelihood(belief).exp().item() * measure.surprise(belief)
    assert total == pytest.approx(0, abs=1e-5)


def test_clearly_nearer_is_by_a_share_and_by_more_than_next_to_nothing():
    assert clearly_nearer(8, 10, 0.15) and not clearly_nearer(9, 10, 0.15)
    assert not clearly_nearer(0.1, 0.5) and not clearly_nearer(3, 3) and not clearly_nearer(4, 3)


# --- beliefs, and actions in a row ----------------------------------------------------------------


class Doubtful(CausalTransition):
    """Action 0 sets node 0 to code 1 or, less likely, 2; action 1 sets node 1 to code 1."""

    def __init__(self) -> None:
        super().__init__(2, 1, 3, 2, width=8)

    def forward(self, x: Tensor, actions: Tensor, **_: object) -> TransitionOutput:
        single = actions.ndim == 1
        actions = actions[:, None] if single else actions
        mask = torch.full((*actions.shape, 2, 1), -30.0)
        mask[..., 0][actions[..., None] == torch.arange(2)] = 30.0
        likely = torch.tensor([[1e-6, 0.6, 0.4], [1e-6, 1.0, 1e-6]]).log()[:, None]
        fields = [
            self.copied(x)[:, None], likely.expand(*actions.shape, -1, -1, -1), mask,
            *[torch.zeros(*actions.shape, 2, 2)] * 2,
        ]  # fmt: skip
        return TransitionOutput(*(f[:, 0] if single else f for f in fields))


def test_a_belief_remembers_a_doubt_that_likeliest_codes_forget():
    model = CausalVQ(None, Doubtful(), ["a", "b"])
    x, y = codes_of((0, 0)), codes_of((2, 1))
    belief = model.belief(x)
    for action in (0, 1):
        belief = model.advance(belief, torch.tensor([action]))
    torch.testing.assert_close(
        belief[0, 0, 0].exp(), torch.tensor([0.0, 0.6, 0.4]), atol=1e-4, rtol=0
    )
    plan = model.plan(x, y, tolerance=0.5)
    assert plan.reached and sorted(plan.actions) == [0, 1]
    assert plan.log_likelihood == pytest.approx(math.log(0.4), abs=1e-3)
    certain = model.compose(x, [0], carry="codes")[0].codes
    forgot = model.advance(model.belief(certain), torch.tensor([1]))
    assert model.measure(y).log_likelihood(forgot).item() < -7


def test_the_search_goes_on_while_another_action_comes_clearly_nearer():
    """After the first action y is no surprise, and yet the second is what makes it y."""

    def advance(belief: Tensor) -> Tensor:
        doubt = torch.tensor([1e-9, 0.6, 0.4]).log().expand_as(belief)
        settled = torch.tensor([1e-9, 1e-9, 1.0]).log().expand_as(belief)
        on = (belief.argmax(-1) == 1)[..., None]  # the second does nothing without the first
        return torch.stack([doubt, torch.where(on, settled, belief)], 1)

    x, y = torch.zeros(4, 1, dtype=torch.int64), torch.full((4, 1), 2)
    belief = torch.tensor([1.0, 1e-9, 1e-9]).log().expand(4, 1, 3)
    measure = Measure(y, torch.eye(3)[None])
    assert measure.surprise(advance(belief[None])[0, 0]) < 0.5 * 4
    plan = search(x, belief, measure, advance, ["doubt", "settle"])
    assert plan.reached and plan.names == ("doubt", "settle")


@pytest.mark.parametrize("layout", ["places", "codebook_places"])
@pytest.mark.parametrize("unset", ["copy", "repredict"])
def test_advance_is_a_step_of_the_likelihood(layout, unset):
    model, x = made(layout, unset=unset), some_codes()
    actions = torch.arange(len(x)) % 4
    once = model.advance(model.belief(x), actions)
    out = model.distribution(x, actions)
    torch.testing.assert_close(once, model.from_nodes(out.log_probs()))
    torch.testing.assert_close(once.exp().sum(-1), torch.ones(x.shape))
    # from a belief that is not certain: each code is kept as believed, or set
    twice = model.advance(once, actions)
    out = model.distribution(once.argmax(-1), actions)
    mask, set_to = model.from_nodes(out.mask), model.from_nodes(out.log_mechanism.exp())
    slow = (1 - mask)[..., None] * once.exp() + mask[..., None] * set_to
    torch.testing.assert_close(twice.exp(), set_to if unset == "repredict" else slow)
    # all actions at once
    every = torch.arange(4).expand(len(x), -1)
    at_once = model.advance(once, every)
    for action in range(4):
        one = model.advance(once, every[:, action])
        torch.testing.assert_close(at_once[:, action], one, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("layout", ["places", "codebook_places"])
def test_carrying_codes_is_intervening_again_and_again(layout):
    model, x = made(layout), some_images(5)
    steps = [1, "size-", torch.tensor([0, 1, 2, 3, 0]), np.int64(2)]
    done, now = model.compose(x, steps, carry="codes"), model.encode(x)
    assert len(done) == 4
    for got, action in zip(done, steps, strict=True):
        want = model.intervene(now, action)
        for field in ("codes_before", "codes", "mask", "images"):
            assert torch.equal(getattr(got, field), getattr(want, field)), field
        now = want.codes


def test_carrying_images_encodes_them_anew_and_a_belief_is_advanced():
    model, x = made(), some_images(3)
    by_images = model.compose(x, [0, 1], carry="images")
    again = model.intervene(by_images[0].images, 1)
    assert torch.equal(by_images[1].images, again.images)
    believed, belief = model.compose(x, [0, 1, 3]), model.belief(model.encode(x))
    for step, action in zip(believed, (0, 1, 3), strict=True):
        before, belief = belief.argmax(-1), model.advance(belief, torch.full((3,), action))
        assert torch.equal(step.codes_before, before)
        assert torch.equal(step.codes, belief.argmax(-1))
        shown = model.autoencoder.decode_expected(belief.exp()).detach()
        torch.testing.assert_close(step.images, shown)


@pytest.mark.parametrize("carry", CARRIES)
def test_a_batch_may_be_of_any_size(carry, monkeypatch):
    model, x, steps = made(), some_images(5), [torch.tensor([0, 1, 2, 3, 0]), 2]
    whole = model.compose(x, steps, carry=carry)
    monkeypatch.setattr(CausalVQ, "BATCH", 2)
    for a, b in zip(whole, model.compose(x, steps, carry=carry), strict=True):
        assert torch.equal(a.codes, b.codes)
        torch.testing.assert_close(a.images, b.images)
    assert model.compose(x, [], carry=carry) == []
    empty = model.compose(x[:0], [0, 1], carry=carry)
    assert [len(step.codes) for step in empty] == [0, 0]


def test_sequences_are_checked():
    model, x = made(), some_images(2)
    for actions, carry, message, error in (
        ("hue+", "belief", "expected a sequence of actions, found the single 'hue\\+'", TypeError),
        ([0], "image", "unknown carry 'image'; did you mean 'images'", ValueError),
        ([0, "hue"], "belief", "unknown action 'hue'; did you mean 'hue[+-]'", ValueError),
        ([0, 4], "belief", "action 4 is outside 0..3", ValueError),
        ([torch.zeros(3, dtype=torch.int64)], "codes", "expected one action or 2", ValueError),
    ):
        with pytest.raises(error, match=message):
            model.compose(x, actions, carry=carry)
    with pytest.raises(ValueError, match="works on codes alone"):
        made(images=False).compose(some_codes(), [0], carry="images")


def test_search_needs_no_model():
    """The search is a function of an `advance`: here of one that walks codes 0, 1, 2 and back."""

    def advance(belief: Tensor) -> Tensor:
        return torch.stack([belief.roll(1, -1), belief.roll(-1, -1)], 1)

    x, y = torch.tensor([[0]]), torch.tensor([[2]])
    belief = torch.tensor([[[0.999, 5e-4, 5e-4]]]).log()
    plan = search(x, belief, Measure(y, torch.eye(3)[None]), advance, ["on", "back"])
    assert plan.names == ("back",) and plan.reached
