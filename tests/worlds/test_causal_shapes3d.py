"""The world whose factors cause each other: an action moves its effects, and nothing else."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from cvq_tutorial.data.sampling import Sampling
from cvq_tutorial.data.transitions import SPLITS, sample_transitions, sample_values, split_of
from cvq_tutorial.measure import metrics
from cvq_tutorial.measure.evaluate import evaluate
from cvq_tutorial.training.recipes import get
from cvq_tutorial.training.train import train
from cvq_tutorial.worlds.causal_shapes3d import LINKS, CausalShapes3D
from cvq_tutorial.worlds.make import make_world

WORLD = make_world("causal_shapes3d")
PLAIN = make_world("shapes3d")
SPACE = WORLD.factors
FLOOR, WALL, OBJECT, SCALE, SHAPE, TURN = range(6)
# What one step up of each factor does to all six, by hand from the graph.
EFFECTS = {
    FLOOR: (1, 0, 0, 0, 0, 0),
    WALL: (1, 1, 0, 1, 0, 2),
    OBJECT: (0, 0, 1, 0, 0, 3),
    SCALE: (0, 0, 0, 1, 0, 2),
    SHAPE: (0, 0, 0, 0, 1, 0),
    TURN: (0, 0, 0, 0, 0, 1),
}
SIZES = (10, 10, 10, 8, 4, 15)


def some(n: int, seed: int = 0) -> np.ndarray:
    return SPACE.values(np.random.default_rng(seed).integers(0, SPACE.size, n))


def equations(parts: tuple[int, ...], links=LINKS) -> list[int]:
    """The structural equations, one factor after the other, until nothing changes."""
    names, values = SPACE.names, list(parts)
    for _ in range(6):
        for f, name in enumerate(names):
            follows = sum(s * values[names.index(c)] for c, e, s in links if e == name)
            values[f] = (parts[f] + follows) % SIZES[f]
    return values


def test_the_graph_is_the_one_told_row_causes_column():
    found = {(SPACE.names[i], SPACE.names[j]) for i, j in np.argwhere(WORLD.factor_graph)}
    assert found == {(cause, effect) for cause, effect, _ in LINKS}
    assert WORLD.factor_graph[WALL, FLOOR] and not WORLD.factor_graph[FLOOR, WALL]
    assert not WORLD.factor_graph[SHAPE].any() and not WORLD.factor_graph[:, SHAPE].any()


def test_every_action_against_the_truth_table():
    for values in some(40).tolist():
        for action in range(12):
            factor, step = action % 6, 1 if action < 6 else -1
            legal = 0 <= values[factor] + step < SIZES[factor]
            assert SPACE.legal([values], [action]).tolist() == [legal]
            if not legal:
                with pytest.raises(
                    ValueError, match=f"leaves the range of '{SPACE.names[factor]}'"
                ):
                    SPACE.apply([values], [action])
                continue
            got = SPACE.apply([values], [action])[0].tolist()
            if values[SCALE] + step * EFFECTS[factor][SCALE] in range(8):  # scale did not go round
                moved = zip(values, EFFECTS[factor], SIZES, strict=True)
                assert got == [(v + step * e) % size for v, e, size in moved]


def test_actions_move_one_own_part_and_the_equations_do_the_rest():
    for values in some(40, seed=1):
        parts = WORLD.own_parts(values[None])[0]
        for action in range(12):
            if SPACE.legal(values[None], [action])[0]:
                after = SPACE.apply(values[None], [action])
                moved = parts.copy()
                factor = action % 6
                moved[factor] = (moved[factor] + (1 if action < 6 else -1)) % SIZES[factor]
                assert np.array_equal(WORLD.own_parts(after)[0], moved)
                assert after[0].tolist() == equations(moved.tolist())


def test_an_effect_that_goes_round_takes_its_own_effects_along():
    before = np.array([[0, 3, 0, 7, 0, 14]])
    after = SPACE.apply(before, [SPACE.action_id("wall_hue+")])
    assert after.tolist() == [[1, 4, 0, 0, 0, 0]]  # scale 7 -> 0; orientation 14 + 2 * (0 - 7)
    assert SPACE.apply(after, [SPACE.action_id("wall_hue-")]).tolist() == before.tolist()


def of_parts(parts):
    """The values that own parts lead to: every cause moves its effects from 0."""
    return SPACE.follow(np.zeros_like(parts), parts)


def test_own_parts_and_factors_name_the_same_images():
    values = SPACE.values(np.arange(SPACE.size))
    parts = WORLD.own_parts(values)
    assert np.array_equal(of_parts(parts), values)
    assert len(np.unique(SPACE.index(parts))) == SPACE.size
    for row in some(30, seed=2):
        assert of_parts(row[None])[0].tolist() == equations(row.tolist())


def test_factors_of_independent_own_parts_look_independent():
    values = of_parts(some(60_000, seed=3))
    for cause, effect in itertools.combinations(range(6), 2):
        table = np.zeros((SIZES[cause], SIZES[effect]))
        np.add.at(table, (values[:, cause], values[:, effect]), 1 / 60_000)
        assert np.abs(table * table.size - 1).max() < 0.25  # images alone do not show the graph


def test_do_sets_a_factor_moves_its_effects_and_cut_keeps_it_set():
    before = np.array([[1, 2, 3, 4, 2, 5], [0, 9, 0, 7, 0, 0]])
    done = WORLD.do(before, "scale", 6)
    assert done[:, [FLOOR, WALL, OBJECT, SHAPE]].tolist() == before[:, [0, 1, 2, 4]].tolist()
    assert done[:, SCALE].tolist() == [6, 6]
    assert done[:, TURN].tolist() == [(5 + 2 * 2) % 15, (0 - 2) % 15]
    cut = WORLD.cut("scale")
    assert not cut.factor_graph[:, SCALE].any() and cut.factor_graph[SCALE, TURN]
    assert cut.factor_graph.sum() == WORLD.factor_graph.sum() - 1
    wall = [SPACE.action_id("wall_hue-")] * 2
    assert (cut.factors.apply(done, wall)[:, SCALE] == 6).all()  # it no longer listens
    assert (SPACE.apply(done, wall)[:, SCALE] == 5).all()  # without the cut it does
    assert WORLD.cut(("floor_hue", "scale", "orientation")).factor_graph.sum() == 0
    assert WORLD.cut("shape") == WORLD


def test_pictures_are_those_of_shapes3d():
    values = some(20)
    assert np.array_equal(WORLD.render(values), PLAIN.render(values))
    assert WORLD.image_shape == PLAIN.image_shape and WORLD.has_images
    assert (WORLD.fingerprint, WORLD.credit) == (PLAIN.fingerprint, PLAIN.credit)


@pytest.mark.parametrize("value", [2.7, True, "3", None])
def test_do_takes_whole_numbers_only(value):
    with pytest.raises(TypeError, match="scale: expected an integer, found"):
        WORLD.do(np.zeros((1, 6), dtype=np.int64), "scale", value)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("sampling", [None, Sampling("zipf:1", {"wall_hue": 4})])
def test_transitions_follow_the_causes_and_stay_in_their_split(split, sampling):
    t = sample_transitions(SPACE, 600, split, 1, sampling=sampling)
    assert np.array_equal(SPACE.apply(t.x, t.actions), t.y)
    for end in (t.x, t.y):
        assert set(split_of(SPACE, end)) == {SPLITS.index(split)}
    for factor, effects in EFFECTS.items():
        rows = t.actions % 6 == factor
        changed = (t.x != t.y)[rows].all(axis=0)
        assert changed[[f for f, step in enumerate(effects) if step]].all()
        still = [f for f, step in enumerate(effects) if not step]
        assert not (t.x != t.y)[rows][:, still].any()
    back = t.reversed(SPACE)
    assert np.array_equal(SPACE.apply(back.x, back.actions), back.y)


def test_images_are_drawn_as_in_shapes3d():
    assert np.array_equal(sample_values(SPACE, 100), sample_values(PLAIN.factors, 100))


def test_options_make_the_world_again():
    for world in (WORLD, WORLD.cut("scale"), CausalShapes3D((("shape", "scale", -3),))):
        again = make_world(world.name, **json.loads(json.dumps(world.options)))
        assert again == world and again.factors == world.factors
    assert CausalShapes3D(()).factors == PLAIN.factors
    assert WORLD.cut("scale") != WORLD
    again = type(SPACE).from_json(json.loads(json.dumps(SPACE.to_json())))
    assert again == SPACE


def test_the_whole_method_runs_on_it_and_the_judge_reads_what_y_shows(tmp_path, monkeypatch):
    monkeypatch.setenv("CVQ_CACHE", str(tmp_path / "cache"))
    recipe = get(
        "nano", codes=8, decoder_width=16, autoencoder_steps=4, autoencoder_batch=4,
        transitions=40, width=16, transition_steps=2, test_transitions=60, judge_steps=2,
    )  # fmt: skip
    model = train(WORLD, recipe, 0, tmp_path / "run", progress=False)
    found = evaluate(model, WORLD, recipe, 0, progress=False)
    assert found["world"] == "causal_shapes3d" and found["retrieval"]["n"] == 60
    assert 0 <= found["intervention"]["others_kept_ceiling"] <= 1


def test_kept_means_as_in_y_and_not_as_in_x():
    t = sample_transitions(SPACE, 400, "test", 0)
    zero, factor = np.zeros(400), t.actions % 6
    alone = t.x.copy()  # only the target moves: right in shapes3d, wrong here
    alone[np.arange(400), factor] = t.y[np.arange(400), factor]
    shares = dict.fromkeys((*SPACE.names, "all"), 1.0)

    def kept(judged):
        told = metrics.interventions(
            zero, zero, zero, zero, judged, t.y, t.y, factor, SPACE.names, shares
        )
        assert told["target_reached"] == 1.0
        return {name: part["others_kept"] for name, part in told["per_factor"].items()}

    assert set(kept(t.y).values()) == {1.0}
    assert kept(alone) == {
        name: float(sum(map(bool, EFFECTS[f])) == 1) for f, name in enumerate(SPACE.names)
    }


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CausalShapes3D((("wall", "scale", 1),)), "unknown factor 'wall'; did you mean"),
        (lambda: CausalShapes3D((("scale", "shap", 1),)), "unknown factor 'shap'; did you mean"),
        (lambda: CausalShapes3D((("scale", "shape", 4),)), "no multiple of 4.*'scale', 4"),
        (lambda: CausalShapes3D((("scale", "shape", 1.0),)), "how many steps .*'scale', 1.0"),
        (lambda: CausalShapes3D((("scale", "shape"),)), r"expected \(cause, effect, steps\)"),
        (lambda: CausalShapes3D((("scale", "scale", 1),)), "circle, found one among"),
        (
            lambda: CausalShapes3D((("scale", "shape", 1), ("shape", "scale", 1))),
            "must not cause each other in a circle",
        ),
        (
            lambda: CausalShapes3D((("scale", "shape", 1), ("scale", "shape", 2))),
            "'scale' causes 'shape' twice",
        ),
        (lambda: WORLD.cut("scal"), "unknown factor 'scal'; did you mean 'scale'"),
        (lambda: WORLD.do(some(1), "scal", 1), "unknown factor 'scal'; did you mean 'scale'"),
        (lambda: WORLD.do(some(1), "scale", 8), r"'scale': expected a value in 0\.\.7, found 8"),
        (lambda: make_world("causal_shapes3d", link=()), "unknown option .* did you mean 'links'"),
    ],
)
def test_bad_input_is_one_line_that_names_expected_and_found(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
