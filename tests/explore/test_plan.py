"""The explorer of plans without a browser: every control, the state, the errors, and the end."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import torch
from explorer_parts import CODES_WORLD, MODEL, WORLD, controls, given_pictures, moves, untrained
from ipywidgets.widgets.widget import _instances
from matplotlib import pyplot
from PIL import Image

from cvq_tutorial.data.transitions import split_of
from cvq_tutorial.draw import sheets
from cvq_tutorial.explore.given import start_image
from cvq_tutorial.explore.plan import LONGEST, PlanExplorer, in_words
from cvq_tutorial.lessons.shipped import SHIPPED
from cvq_tutorial.method.plan import Plan
from cvq_tutorial.training import checkpoints

X, Y = (1, 4, 7, 5, 1, 3), (2, 4, 7, 5, 1, 2)


def of_length(monkeypatch, *actions: int, reached: bool = True) -> None:
    """The model's plan is this one, whatever it is asked."""
    names = tuple(MODEL.action_names[a] for a in actions)
    codes = torch.zeros(len(actions) + 1, 64, 2, dtype=torch.int64)
    found = Plan(actions, names, codes, -1.0, 0.5, reached, 7)
    monkeypatch.setattr(MODEL, "plan", lambda x, y, max_steps: found)


@pytest.fixture
def explorer():
    made = PlanExplorer(MODEL, WORLD, X, Y, seed=1)
    yield made
    made.close()


def test_every_control_over_its_whole_range(explorer, monkeypatch):
    of_length(monkeypatch, 0, 11)
    frames, widths = set(), {explorer.picture.width}
    for control in controls(explorer):
        for move in moves(control):
            move()
            assert explorer.last_error is None, control
            frames.add(bytes(explorer.picture.value) + explorer.summary.encode())
            widths.add(explorer.picture.width)
    assert len(frames) > 20 and len(widths) == 1  # a page does not jump
    assert not pyplot.get_fignums()


def test_sliders_move_the_side_that_is_chosen(explorer):
    explorer.sliders[3].value = 7
    assert (explorer.x, explorer.y) == (X, (2, 4, 7, 7, 1, 2))
    explorer.side_menu.value = "x"
    assert explorer.side == "x" and [s.value for s in explorer.sliders] == list(X)
    explorer.sliders[0].value = 0
    assert (explorer.x, explorer.y) == ((0, 4, 7, 5, 1, 3), (2, 4, 7, 7, 1, 2))
    explorer.side = "y"
    assert explorer.side_menu.value == "y" and explorer.sliders[0].value == 2
    told = "floor_hue (red to lime), scale (1.11 to 1.25), orientation (-17 to -21)"
    assert told in explorer.summary
    explorer.y = list(explorer.x)
    assert explorer.y == explorer.x and "x and y are the same" in explorer.summary


def test_a_plan_is_searched_for_on_request_and_forgotten_after_a_change(explorer):
    assert explorer.plan is None and explorer.find_button.button_style == "primary"
    assert "No plan asked for yet" in explorer.summary
    explorer.find_button.click()
    assert explorer.last_error is None and explorer.find_button.button_style == ""
    alone = MODEL.plan(*(MODEL.encode(start_image(WORLD, v)) for v in (X, Y)), max_steps=LONGEST)
    assert explorer.plan.actions == alone.actions and explorer.plan.expanded == alone.expanded
    assert f"all actions were tried on {alone.expanded}" in explorer.summary
    explorer.sliders[0].value = 5
    assert explorer.plan is None and "No plan asked for yet" in explorer.summary


@pytest.mark.parametrize(
    ("actions", "verdict"),
    [
        ((0, 11), "The plan: floor_hue+, then orientation-; all actions were tried on 7 states. In the world this leads to y."),  # noqa: E501
        ((0,), "The plan: floor_hue+; all actions were tried on 7 states. In the world this does not lead to y."),  # noqa: E501
        ((), "The plan: none needed; all actions were tried on 7 states. In the world this does not lead to y."),  # noqa: E501
        ((10, 10, 10), "In the world one of these actions does not exist."),
        ((3,) * LONGEST, "In the world one of these actions does not exist."),
    ],
)  # fmt: skip
def test_the_world_has_the_last_word(explorer, monkeypatch, actions, verdict):
    width = explorer.picture.width
    of_length(monkeypatch, *actions)
    explorer.find()
    assert verdict in explorer.summary and explorer.picture.width == width


def test_a_plan_that_does_not_arrive_says_so(explorer, monkeypatch):
    of_length(monkeypatch, 0, reached=False)
    explorer.find()
    assert "The plan: not reached, nearest after floor_hue+" in explorer.summary


def test_actions_in_words():
    assert in_words([]) == ""
    assert in_words(["a+"] * 3 + ["b-", "a+", "a+"]) == "a+ three times, then b-, then a+ twice"
    assert in_words(["a+"] * LONGEST) == "a+ eight times"


def test_a_plan_is_stepped_through(explorer, monkeypatch):
    assert explorer.step_slider.disabled
    of_length(monkeypatch, 0, 11)
    explorer.find()
    assert (explorer.step, explorer.step_slider.max) == (2, 2) and not explorer.step_slider.disabled
    last = explorer.picture.value
    explorer.step_slider.value = 1
    assert explorer.step == 1 and explorer.picture.value != last
    explorer.step = 2
    assert explorer.step_slider.value == 2 and explorer.picture.value == last
    with pytest.raises(ValueError, match=r"step must lie in 0\.\.2, found 3"):
        explorer.step = 3
    explorer.sliders[0].value = 4
    assert (explorer.step, explorer.step_slider.max) == (0, 0) and explorer.step_slider.disabled


def test_the_step_that_is_chosen_is_shown_large(monkeypatch):
    model, world, _ = checkpoints.load_run(SHIPPED / "shapes3d-lesson-s0")
    explorer, drawn, sheet = PlanExplorer(model, world, X, Y), [], sheets.sheet
    monkeypatch.setattr(
        sheets, "sheet", lambda rows, *rest: drawn.append(rows) or sheet(rows, *rest)
    )
    names, codes = (model.action_names[0], model.action_names[11]), torch.zeros(3, 64, 4).long()
    explorer.plan = Plan((0, 11), names, codes, -1.0, 0.5, True, 7)
    x = start_image(world, X)
    steps = [model.decode(model.encode(x)), *(s.images for s in model.compose(x, (0, 11)))]
    for step in (1, 0, 2):
        explorer.step = step
        large = [tile.pixels for tile in drawn[-1][0]]
        assert (large[2] == sheets.pixels(steps[step])).all()
        assert sum((large[2] == sheets.pixels(image)).all() for image in steps) == 1
    explorer.close()


def test_you_can_try_it_yourself_against_the_plan(explorer, monkeypatch):
    picture, width = explorer.picture.value, explorer.picture.width
    assert explorer._acting.layout.display == "none" and "You:" not in explorer.summary
    explorer.try_box.value = True
    assert explorer._moving.layout.display == "none" and explorer._acting.layout.display is None
    assert "You: 0 actions; still other than y: floor_hue, orientation." in explorer.summary
    explorer.buttons["floor_hue+"].click()
    explorer.do("floor_hue+")
    assert "2 actions after floor_hue+ twice; still other than y: floor_hue" in explorer.summary
    explorer.back_button.click()
    explorer.do("orientation-")
    told = "You: y reached in 2 actions, floor_hue+, then orientation-."
    assert told in explorer.summary and explorer.yours == ("floor_hue+", "orientation-")
    of_length(monkeypatch, 0, 11)
    explorer.find()
    assert told in explorer.summary and "The plan: floor_hue+, then orient" in explorer.summary
    for _ in range(LONGEST - 2):
        explorer.do("wall_hue+" if len(explorer.yours) % 2 else "wall_hue-")
    assert all(button.disabled for button in explorer.buttons.values())
    with pytest.raises(ValueError, match="expected at most 8 actions"):
        explorer.do("wall_hue+")
    assert explorer.picture.width == width
    explorer.y = explorer.x
    assert explorer.yours == () and "You: y reached in 0 actions." in explorer.summary
    explorer.x, explorer.y = X, Y
    explorer.trying = False
    assert explorer.picture.value == picture and explorer.last_error is None


def test_an_action_that_leads_nowhere_is_refused(explorer):
    explorer.x = (9, 4, 7, 5, 1, 3)
    assert explorer.buttons["floor_hue+"].disabled
    with pytest.raises(ValueError, match="leaves the range of 'floor_hue'"):
        explorer.do("floor_hue+")
    assert explorer.yours == ()


def test_random_pairs_are_reachable_and_repeat_with_the_seed(explorer):
    seen = []
    for _ in range(6):
        explorer.random_button.click()
        assert explorer.last_error is None and explorer.plan is None
        apart = np.abs(np.array(explorer.x) - explorer.y).sum()
        assert 1 <= apart <= 4
        assert (split_of(WORLD.factors, np.array([explorer.x, explorer.y])) == 2).all()
        seen.append((explorer.x, explorer.y))
    other = PlanExplorer(MODEL, WORLD, seed=1)
    for pair in seen[:2]:
        other.random_pair()
        assert (other.x, other.y) == pair
    other.close()
    assert len(set(seen)) == 6


def test_it_begins_one_step_apart():
    for x, y in ((None, (6, 5, 5, 4, 2, 7)), ((9, 0, 0, 0, 0, 0), (8, 0, 0, 0, 0, 0))):
        made = PlanExplorer(MODEL, WORLD, x)
        assert made.y == y
        made.close()


def test_an_error_in_the_search_is_shown_and_kept(explorer, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(MODEL, "plan", lambda *_, **__: 1 / 0)
        explorer.find_button.click()
    assert explorer.last_error == "ZeroDivisionError: division by zero" and explorer.plan is None
    assert explorer.strip.layout.display is None
    explorer.sliders[0].value = 7  # the next move that works clears it
    assert explorer.last_error is None and explorer.strip.layout.display == "none"


@pytest.mark.parametrize(
    ("trait", "value", "message", "error"),
    [
        ("x", (0, 0), "x: expected 6 integers, found 2", ValueError),
        ("y", (0, 0, 0, 0, 4, 0), "y: shape must lie in 0..3, found 4", ValueError),
        ("y", (0, 0, 0, 0, 1.0, 0), "y: shape must be an integer, found 1.0", TypeError),
        ("side", "z", "z", Exception),
    ],
)
def test_what_is_set_from_python_is_checked(explorer, trait, value, message, error):
    before, picture = getattr(explorer, trait), explorer.picture.value
    with pytest.raises(error, match=re.escape(message)):
        setattr(explorer, trait, value)
    assert getattr(explorer, trait) == before and explorer.picture.value == picture


def test_a_world_of_given_pictures_is_refused(tmp_path):
    """Plans would lead through settings that no picture shows."""
    faces = given_pictures(tmp_path)
    with pytest.raises(
        ValueError, match=r"expected a world with a picture of every setting, found 'faces'$"
    ):
        PlanExplorer(untrained(faces), faces)


@pytest.mark.parametrize(
    ("make", "message", "error"),
    [
        (lambda: PlanExplorer(MODEL, CODES_WORLD), "world with images, found 'codes'", ValueError),
        (lambda: PlanExplorer(MODEL, "shapes3d"), "expected a world of", TypeError),
        (lambda: PlanExplorer(untrained(CODES_WORLD), WORLD), "other actions", ValueError),
        (lambda: PlanExplorer(MODEL, WORLD, seed=-1), "seed must lie in", ValueError),
        (lambda: PlanExplorer(MODEL, WORLD, ()), "x: expected 6 integers, found 0", ValueError),
        (lambda: PlanExplorer(MODEL, WORLD, X, X[1:]), "y: expected 6 integers", ValueError),
    ],
)
def test_what_cannot_be_explored_is_refused(make, message, error):
    with pytest.raises(error, match=re.escape(message)):
        make()


def test_a_cell_stores_a_picture_and_closing_frees_every_widget(monkeypatch):
    of_length(monkeypatch, 0, 11)
    before = set(_instances)
    explorer = PlanExplorer(MODEL, WORLD, X, Y)
    explorer.find()
    bundle, _ = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == explorer.summary
    opened = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert opened.info["Description"] == explorer.summary and np.ptp(np.asarray(opened)) > 100
    explorer.close()
    assert set(_instances) == before
    explorer.close()  # twice is once
