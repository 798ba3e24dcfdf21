"""Actions that set a value beside those that step: names, what is possible, results, inverses."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from cvq_tutorial.worlds.causal_shapes3d import CausalShapes3D
from cvq_tutorial.worlds.dsprites import FACTORS as DSPRITES
from cvq_tutorial.worlds.factors import Factor, FactorSpace
from cvq_tutorial.worlds.make import make_world

FACTORS = (
    Factor("hue", 4, "cyclic"),
    Factor("pose", 3, "categorical", ("left", "up", "right")),
    Factor("glasses", 2, "binary", ("no", "yes")),
    Factor("kind", 2, "categorical"),
)
SETS = FactorSpace(FACTORS, actions="set")
STEPS = FactorSpace(FACTORS)
NAMES = [
    "hue+",
    "glasses+",
    "hue-",
    "glasses-",
    "pose=left",
    "pose=up",
    "pose=right",
    "kind=0",
    "kind=1",
]
EVERY = SETS.values(np.arange(SETS.size))


def slow(values: tuple[int, ...], action: str) -> tuple[int, ...] | None:
    """The result of an action by its name alone; None where it is not possible."""
    after, names = list(values), [f.name for f in FACTORS]
    if "=" in action:
        name, text = action.split("=")
        f = names.index(name)
        after[f] = [FACTORS[f].label(v) for v in range(FACTORS[f].size)].index(text)
        return None if tuple(after) == values else tuple(after)
    f = names.index(action[:-1])
    after[f] += 1 if action[-1] == "+" else -1
    return tuple(after) if 0 <= after[f] < FACTORS[f].size else None


def test_a_category_has_an_action_per_value_and_everything_else_steps():
    assert SETS.action_names == tuple(NAMES) and SETS.n_actions == 9 and SETS.sets == (1, 3)
    assert SETS.factor_of(np.arange(9)).tolist() == [0, 2, 0, 2, 1, 1, 1, 3, 3]
    assert [SETS.action_id(name) for name in NAMES] == list(range(9))
    assert SETS.factor_of([-1, 5]).tolist() == [-1, 1]
    assert STEPS.sets == () and STEPS.n_actions == 8
    assert STEPS.action_names == tuple(f"{f.name}{sign}" for sign in "+-" for f in FACTORS)
    assert STEPS.factor_of(np.arange(8)).tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    with pytest.raises(ValueError, match="unknown action 'pose=lefd'; did you mean 'pose=left'"):
        SETS.action_id("pose=lefd")


def test_without_a_category_both_are_the_same():
    kinds = (Factor("a", 3), Factor("b", 2, "binary"), Factor("c", 5, "cyclic"))
    steps, sets = FactorSpace(kinds), FactorSpace(kinds, actions="set")
    assert steps.action_names == sets.action_names and sets.sets == ()
    assert steps.factor_of(np.arange(6)).tolist() == sets.factor_of(np.arange(6)).tolist()


def test_results_agree_with_a_slow_version_that_knows_the_names_only():
    for values, (a, name) in itertools.product(EVERY, enumerate(NAMES)):
        wanted = slow(tuple(values.tolist()), name)
        assert SETS.legal([values], [a]).tolist() == [wanted is not None]
        if wanted is not None:
            assert SETS.apply([values], [a]).tolist() == [list(wanted)]


def test_what_is_set_already_cannot_be_set():
    possible = SETS.possible(EVERY)
    assert possible.shape == (48, 9) and possible.dtype == bool
    for values, row in zip(EVERY.tolist(), possible.tolist(), strict=True):
        assert row == [slow(tuple(values), name) is not None for name in NAMES]
    assert (possible[:, 4:7].sum(1) == 2).all() and (possible[:, 7:].sum(1) == 1).all()
    with pytest.raises(ValueError, match=r"'pose=up' sets what is set already.*than up in row 1$"):
        SETS.apply([[0, 0, 0, 0], [0, 1, 0, 0]], [5, 5])
    assert SETS.apply([[0, 1, 0, 0]], [-1]).tolist() == [[0, 1, 0, 0]]


@pytest.mark.parametrize("space", [STEPS, SETS, CausalShapes3D(actions="set").factors])
def test_the_inverse_leads_back(space):
    rng = np.random.default_rng(0)
    x = rng.integers(0, space.sizes, size=(4000, space.n_factors))
    actions = rng.integers(0, space.n_actions, size=len(x))
    kept = space.legal(x, actions)
    x, actions = x[kept], actions[kept]
    y = space.apply(x, actions)
    back = space.inverse(x, actions)
    assert (space.apply(y, back) == x).all()
    assert (space.factor_of(back) == space.factor_of(actions)).all()
    assert (space.inverse(y, back) == actions).all()
    assert len(np.unique(actions)) == space.n_actions


def test_the_inverse_of_a_set_is_what_was_there():
    x = np.array([[0, 1, 0, 0, 77], [0, 2, 0, 0, 77], [1, 0, 0, 0, 77], [0, 0, 1, 1, 77]])
    actions = [SETS.action_id(n) for n in ("pose=left", "pose=left", "hue+", "none")]
    back = [SETS.action_names[a] if a >= 0 else "none" for a in SETS.inverse(x, actions)]
    assert back == ["pose=up", "pose=right", "hue-", "none"]


def test_effects_follow_a_cause_that_is_set():
    space = FactorSpace(
        (Factor("cause", 4, "categorical"), Factor("effect", 5, causes=(("cause", 2),))),
        actions="set",
    )
    assert space.apply([[3, 1]], [space.action_id("cause=1")]).tolist() == [[1, (1 - 4) % 5]]


@pytest.mark.parametrize("space", [STEPS, SETS, DSPRITES, CausalShapes3D().factors])
def test_json_round_trip(space):
    told = json.loads(json.dumps(space.to_json()))
    again = FactorSpace.from_json(told)
    assert again.factors == space.factors and again.action_names == space.action_names
    assert json.loads(json.dumps(again.to_json())) == told


def test_json_from_before_there_were_kinds_reads_to_the_same_and_is_written_as_it_was():
    old = [
        {"name": "hue", "size": 4, "ordered": True, "cyclic": True, "values": None},
        {"name": "shape", "size": 3, "ordered": False, "cyclic": False, "values": ["a", "b", "c"]},
        {"name": "hat", "size": 2, "ordered": False, "cyclic": False, "values": ["no", "yes"]},
        {"name": "scale", "size": 5, "ordered": True, "cyclic": False, "values": None},
        {"name": "car", "size": 2, "ordered": False, "cyclic": False, "values": ["vw", "fiat"]},
    ]
    space = FactorSpace.from_json(old)
    assert [f.kind for f in space.factors] == [
        "cyclic", "categorical", "binary", "ordered", "categorical",
    ]  # fmt: skip
    assert space.factors[1].values == ("a", "b", "c")
    assert space.to_json() == old
    assert space.action_names[:6] == ("hue+", "shape+", "hat+", "scale+", "car+", "hue-")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: FactorSpace(FACTORS, actions="sets"), ValueError, "actions 'sets'; did you mean"),
        (lambda: make_world("shapes3d", actions="stepps"), ValueError, "did you mean 'steps'"),
        (
            lambda: make_world("codes", actions="set"),
            ValueError,
            "option of world codes: 'actions'",
        ),
        (
            lambda: FactorSpace((Factor("a", 3, "categorical", ("x", "y", "x")),), actions="set"),
            ValueError,
            "'a': values name actions, .* found twice: x",
        ),
        (lambda: SETS.factor_of([9]), ValueError, "expected 0..8, or -1 for none, found 9"),
        (lambda: SETS.possible([[0, 3, 0, 0]]), ValueError, "'pose': expected a value in 0..2"),
    ],
)
def test_bad_input_is_one_line_that_names_expected_and_found(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "n_actions", "one"),
    [("dsprites", 11, "shape=heart"), ("shapes3d", 14, "shape=capsule"),
     ("causal_shapes3d", 14, "shape=cube")],
)  # fmt: skip
def test_a_world_takes_the_option_and_is_made_again_by_its_own(name, n_actions, one):
    plain, world = make_world(name), make_world(name, actions="set")
    assert "actions" not in plain.options and plain.factors.actions == "steps"
    assert plain.factors.n_actions == 2 * plain.factors.n_factors
    assert world.factors.n_actions == n_actions and one in world.factors.action_names
    again = make_world(name, **json.loads(json.dumps(world.options)))
    assert again.factors == world.factors and again.options == world.options
    assert type(again.factors) is type(plain.factors)  # what looks alike is known as before
