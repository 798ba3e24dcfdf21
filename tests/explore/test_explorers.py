"""The explorers without a browser: every control over its range, the state, the errors.

And the end.
"""

from __future__ import annotations

import base64
import copy
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ipywidgets
import nbformat
import numpy as np
import pytest
import torch
import traitlets
from explorer_parts import CODES_WORLD, MODEL, WORLD, controls, given_pictures, moves, untrained
from ipywidgets.widgets.widget import _instances
from matplotlib import pyplot
from matplotlib.colors import to_rgb
from nbclient import NotebookClient
from PIL import Image
from scipy.optimize import linear_sum_assignment

from cvq_tutorial import explore
from cvq_tutorial.common.images import to_uint8
from cvq_tutorial.data.transitions import split_of
from cvq_tutorial.draw import sheets as draw_explore
from cvq_tutorial.draw.arrows import graph_over_image
from cvq_tutorial.draw.images import code_maps
from cvq_tutorial.draw.style import BLUE, png
from cvq_tutorial.explore import codes as codes_explorer
from cvq_tutorial.explore import frames, palette, unnamed, widget
from cvq_tutorial.identify import draw_world, match, scores
from cvq_tutorial.lessons.shipped import SHIPPED
from cvq_tutorial.measure.judge import Judge
from cvq_tutorial.method import CausalTransition, CausalVQ
from cvq_tutorial.training import checkpoints, recipes
from cvq_tutorial.training.train import train
from cvq_tutorial.worlds.make import make_world

ROOT = Path(__file__).resolve().parent.parent.parent


IMAGE = explore.start_image(WORLD, (1, 4, 7, 5, 1, 3))
OTHER = untrained(seed=1, codes=8)
CODES = torch.from_numpy(CODES_WORLD.sample(1).x)

SOFT_WORLD = scores.draw_shift_world(np.random.default_rng(0), "relu", 3, 4)
SOFT = scores.ancestors_from_scores(
    SOFT_WORLD.score_differences(SOFT_WORLD.latents(500, np.random.default_rng(1), np.zeros(3)))
)
TRUTH = match.relabelled(SOFT_WORLD.ancestors, SOFT_WORLD.targets)
torch.manual_seed(0)
JUDGE = Judge(WORLD.factors.sizes, (64, 64, 3)).eval()
RUNS = [
    {"run": name, "MMD on doubles": value, "floor": 0.01, "copy": 6.0}
    for name, value in (("right order", 0.5), ("reversed", 0.1), ("no graph", 0.7))
]

MAKERS: dict[str, Callable[[], explore.Explorer]] = {
    "factors": lambda: explore.FactorExplorer(WORLD, MODEL),
    "factors of the world alone": lambda: explore.FactorExplorer(WORLD),
    "factors and finer codes": lambda: explore.FactorExplorer(WORLD, untrained(patch=4)),
    "codes": lambda: explore.CodeEditor(MODEL, IMAGE),
    "finer codes": lambda: explore.CodeEditor(untrained(patch=4, codebooks=1), IMAGE),
    "actions": lambda: explore.ActionPad(MODEL, WORLD),
    "actions from an image": lambda: explore.ActionPad(MODEL, IMAGE),
    "actions judged": lambda: explore.ActionPad(MODEL, WORLD, judge=JUDGE),
    "game": lambda: explore.RetrievalGame(MODEL, WORLD, seed=3),
    "plan": lambda: explore.PlanExplorer(MODEL, WORLD),
    "graph": lambda: explore.GraphExplorer(MODEL, IMAGE, "scale+"),
    "graph from a world": lambda: explore.GraphExplorer(MODEL, WORLD, "scale+"),
    "graph beside another model": lambda: explore.GraphExplorer(MODEL, WORLD, other=OTHER),
    "graph of a world of codes": lambda: explore.GraphExplorer(untrained(CODES_WORLD), CODES),
    "training": lambda: explore.TrainingMonitor(WORLD),
    "samples": lambda: explore.SamplesExplorer(models=2),
    "ratio": lambda: explore.RatioExplorer(SOFT, TRUTH),
    "twin": lambda: explore.TwinExplorer(draw_world(np.random.default_rng(0), 4, 6, 1.0)),
    "bet": lambda: explore.BetExplorer(RUNS),
    "unnamed": lambda: explore.UnnamedExplorer(MODEL, WORLD, pairs=24),
    "unnamed codes": lambda: explore.UnnamedExplorer(untrained(CODES_WORLD), CODES_WORLD, pairs=24),
}


@pytest.fixture
def made() -> Iterator[Callable[[str], explore.Explorer]]:
    """Makes explorers by name and closes them after the test."""
    all_made: list[explore.Explorer] = []

    def make(name: str) -> explore.Explorer:
        all_made.append(MAKERS[name]())
        return all_made[-1]

    yield make
    for explorer in all_made:
        explorer.close()


def size_of(png: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(png)).size


# --- all of them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
def test_every_control_over_its_whole_range(made, name):
    explorer = made(name)
    frames, widths = set(), {explorer.picture.width}
    for control in controls(explorer):
        for move in moves(control):
            move()
            assert explorer.last_error is None, (name, control)
            frames.add(bytes(explorer.picture.value) + explorer.summary.encode())
            widths.add(explorer.picture.width)
    assert explorer.strip.layout.display == "none"
    assert len(frames) > 1 or name == "training"  # that one has nothing to move
    assert len(widths) == 1  # a page does not jump
    assert not pyplot.get_fignums()


def memory() -> float:
    """MB in use now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def test_two_hundred_moves_leave_no_figure_no_widget_and_little_memory(made):
    explorers = [made(name) for name in ("factors", "codes", "graph")]
    sliders = [
        control
        for explorer in explorers
        for control in controls(explorer)
        if isinstance(control, (ipywidgets.IntSlider, ipywidgets.SelectionSlider))
    ]
    every = [move for slider in sliders for move in moves(slider)]
    for move in every[::5]:
        move()
    widgets, used = len(_instances), memory() if sys.platform == "linux" else 0.0
    for turn in range(200):
        every[(turn * 37) % len(every)]()
    assert len(_instances) == widgets
    assert not pyplot.get_fignums()
    if sys.platform == "linux":
        assert memory() - used < 20


@pytest.mark.parametrize("name", MAKERS)
def test_closing_frees_every_widget(name):
    before = set(_instances)
    for _ in range(50 if name == "factors of the world alone" else 3):
        explorer = MAKERS[name]()
        assert set(_instances) > before
        explorer.close()
        assert set(_instances) == before
    explorer.close()  # twice is once
    assert explorer._repr_mimebundle_()[0]["image/png"]  # its last picture stays


def test_fifty_of_any_kind_come_and_go():
    before = len(_instances)
    for turn in range(50):
        MAKERS[["codes", "graph", "actions", "game", "training"][turn % 5]]().close()
    assert len(_instances) == before


@pytest.mark.parametrize("name", MAKERS)
def test_a_cell_stores_a_picture_beside_the_widget(made, name):
    explorer = made(name)
    bundle, about = explorer._repr_mimebundle_()
    assert about == {"image/png": {"alt": explorer.summary}} and explorer.summary
    view = bundle["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == explorer.model_id
    assert bundle["text/plain"] == explorer.summary != ""
    picture = base64.b64decode(bundle["image/png"])
    assert picture == explorer.stored_png()
    opened = Image.open(io.BytesIO(picture))
    assert opened.info["Description"] == explorer.summary
    assert np.ptp(np.asarray(opened)) > 100
    data, metadata = explorer.snapshot()._repr_mimebundle_()
    assert data["image/png"] and metadata["image/png"]["alt"] == explorer.summary


def test_the_same_state_is_the_same_picture(made):
    for name in ("factors", "actions", "game", "training"):
        assert made(name).picture.value == made(name).picture.value


def test_an_error_in_a_callback_is_shown_and_kept(made, monkeypatch):
    for name, control, part in (
        ("factors", lambda e: e.sliders[0], "encode"),
        ("codes", lambda e: e.code_slider, "decode"),
        ("graph", lambda e: e.action_menu, "distribution"),
    ):
        explorer = made(name)
        first, second = moves(control(explorer))[1:3]
        with monkeypatch.context() as patched:
            patched.setattr(MODEL, part, lambda *_, **__: 1 / 0)
            first()
        assert explorer.last_error == "ZeroDivisionError: division by zero"
        assert 'role="alert"' in explorer.strip.value and "division by zero" in explorer.strip.value
        assert explorer.strip.layout.display is None
        second()  # the next move that works clears it
        assert explorer.last_error is None and explorer.strip.layout.display == "none"
    pad = made("actions")
    with monkeypatch.context() as patched:
        patched.setattr(
            MODEL, "intervene", lambda *_: (_ for _ in ()).throw(ValueError("<b> & co"))
        )
        pad.buttons["scale+"].click()
    assert pad.last_error == "ValueError: <b> & co" and "&lt;b&gt; &amp; co" in pad.strip.value
    assert pad.actions == ()


WRONG = {
    "factors": [
        ("values", (0, 0), "expected 6 integers, found 2", ValueError),
        ("values", (0, 0, 0, 0, 4, 0), "shape must lie in 0..3, found 4", ValueError),
        ("values", (0, 0, 0, 0, 1.0, 0), "shape must be an integer, found 1.0", TypeError),
    ],
    "codes": [
        ("code", 16, "code must lie in 0..15, found 16", ValueError),
        ("code", np.float32(2.5), "code must be an integer", TypeError),
        ("code", True, "code must be an integer, found True", TypeError),
        ("node", 64, "node must lie in 0..63, found 64", ValueError),
        ("node", -1, "node must lie in 0..63, found -1", ValueError),
        ("codebook", 2, "codebook must lie in 0..1, found 2", ValueError),
        ("node", None, "node must be an integer, found None", TypeError),
        ("code", None, "code must be an integer, found None", TypeError),
        ("brush", 16, "brush must lie in 0..15, found 16", ValueError),
        ("codes", torch.zeros(2, 64, 2, dtype=torch.int64), "codes of one image", ValueError),
        ("codes", np.zeros((1, 64, 2)), "codes must be", TypeError),
        ("model", untrained(CODES_WORLD), "expected a CausalVQ with an autoencoder", ValueError),
    ],
    "graph": [
        ("node", "3", "node must be an integer, found '3'", TypeError),
        ("node", 64, "node must lie in 0..63", ValueError),
        ("action", "scal+", "did you mean 'scale+'", ValueError),
        ("action", 12, "action must lie in 0..11, found 12", ValueError),
        ("threshold", 0, r"threshold must lie in (0, 1], found 0", ValueError),
        ("threshold", float("nan"), "threshold must lie in", ValueError),
        ("threshold", "0.5", "threshold must be a number", TypeError),
        ("threshold", None, "threshold must be a number, found None", TypeError),
        ("top_k", None, "top_k must be an integer, found None", TypeError),
        ("action", None, "action must be an integer, found None", TypeError),
        ("codebook", None, "codebook must be an integer, found None", TypeError),
        ("model", None, "expected a CausalVQ, found None", TypeError),
        ("top_k", 0, "top_k must lie in 1..64, found 0", ValueError),
        ("top_k", 65, "top_k must lie in 1..64, found 65", ValueError),
        ("top_k", 2.0, "top_k must be an integer, found 2.0", TypeError),
        ("codebook", 2, "codebook must lie in 0..1", ValueError),
        ("x", 1, "x must lie in 0..0, found 1", ValueError),
        ("beside", "true y", "known where the explorer starts from a world", ValueError),
        ("beside", "another x", "expected a world, or several images", ValueError),
        ("beside", "scal+", "did you mean 'scale+'", ValueError),
    ],
}


@pytest.mark.parametrize(
    ("name", "trait", "value", "message", "error"),
    [(name, *case) for name, cases in WRONG.items() for case in cases],
)
def test_what_is_set_from_python_is_checked(made, name, trait, value, message, error):
    explorer = made(name)
    before, picture = getattr(explorer, trait), explorer.picture.value
    with pytest.raises(error, match=re.escape(message)):
        setattr(explorer, trait, value)
    assert getattr(explorer, trait) is before and explorer.picture.value == picture


@pytest.mark.parametrize(
    ("make", "message", "error"),
    [
        (lambda: explore.FactorExplorer(CODES_WORLD), "world with images, found 'codes'", ValueError),  # noqa: E501
        (lambda: explore.FactorExplorer("shapes3d"), "expected a world of", TypeError),
        (lambda: explore.CodeEditor(MODEL, IMAGE * 2), "expected values in [0, 1]", ValueError),
        (lambda: explore.CodeEditor(MODEL, [1]), "as a tensor, found list", TypeError),
        (lambda: explore.CodeEditor(MODEL, IMAGE.repeat(2, 1, 1, 1)), "one image, found 2", ValueError),  # noqa: E501
        (lambda: explore.CodeEditor(untrained(CODES_WORLD), CODES), "nothing to decode", ValueError),  # noqa: E501
        (lambda: explore.ActionPad(MODEL, IMAGE, (0,) * 6), "values were given without", ValueError),  # noqa: E501
        (lambda: explore.ActionPad(MODEL, IMAGE, judge=JUDGE), "expected that as the start", ValueError),  # noqa: E501
        (lambda: explore.ActionPad(MODEL, WORLD, judge=Judge((3, 2), (64, 64, 3))), "a judge reads the factors of its world", ValueError),  # noqa: E501
        (lambda: explore.GraphExplorer(MODEL, IMAGE, values=(0,) * 6), "values were given without", ValueError),  # noqa: E501
        (lambda: explore.ActionPad(MODEL, CODES_WORLD), "world with images, found 'codes'", ValueError),  # noqa: E501
        (lambda: explore.RetrievalGame(untrained(CODES_WORLD), WORLD), "other actions", ValueError),
        (lambda: explore.RetrievalGame(MODEL, WORLD, seed=-1), "seed must lie in", ValueError),
        (lambda: explore.GraphExplorer(MODEL, CODES), "", ValueError),
        (lambda: explore.UnnamedExplorer(MODEL, "codes"), "expected a world of", TypeError),
        (lambda: explore.UnnamedExplorer(MODEL, WORLD, pairs=7), "pairs must lie in 8", ValueError),
        (lambda: explore.GraphExplorer(MODEL, IMAGE, "shap+"), "did you mean 'shape+'", ValueError),
    ],
)  # fmt: skip
def test_what_cannot_be_explored_is_refused(make, message, error):
    with pytest.raises(error, match=re.escape(message) or None):
        make()


# --- factors and codes ----------------------------------------------------------------------------


def test_factor_explorer_shows_the_world_and_the_model(made):
    explorer = made("factors")
    explorer.sliders[3].value = 6
    assert explorer.values == (5, 5, 5, 6, 2, 7)
    image = explore.start_image(WORLD, explorer.values)
    assert torch.equal(explorer.codes, MODEL.encode(image))
    explorer.values = [0, 1, 2, 3, 0, 14]
    assert [slider.value for slider in explorer.sliders] == [0, 1, 2, 3, 0, 14]
    assert "shape cube" in explorer.summary and "codes, at" in explorer.summary


def test_code_editor_edits_undoes_and_resets(made):
    editor = made("codes")
    start = editor.codes.clone()
    assert torch.equal(start, MODEL.encode(IMAGE))
    editor.board.node = 27  # a click
    editor.codebook_slider.value = 1
    for code in (3, 4, 5):
        editor.code_slider.value = code
    assert editor.codes[0, 27, 1] == 5 == editor.code
    assert (editor.codes != start).sum() == (start[0, 27, 1] != 5)
    editor.node = 3
    editor.code = (int(start[0, 3, 1]) + 1) % 16
    assert editor.board.held == sorted({3} | ({27} if start[0, 27, 1] != 5 else set()))
    assert editor.board.labels[3] == str(editor.code)
    editor.undo_button.click()
    assert editor.codes[0, 3, 1] == start[0, 3, 1] and editor.codes[0, 27, 1] == 5
    editor.undo()  # one slide is one step
    assert torch.equal(editor.codes, start) and (editor.node, editor.codebook) == (27, 1)
    editor.undo()  # nothing left: nothing happens
    editor.code = 9
    editor.reset_button.click()
    assert torch.equal(editor.codes, start) and editor.last_error is None


def test_a_code_is_chosen_by_its_look(made):
    editor = made("codes")
    palette = editor.palette
    assert palette.board.image == "" and palette.board.layout.display == "none"  # folded
    editor.node = 27
    palette.open_box.value = True
    assert (palette.board.rows, palette.board.columns) == (4, 4) and palette.board.noun == "code"
    assert palette.board.node == editor.code and palette.board.heading.startswith("node 27 with")
    palette.board.set_state({"node": 11})  # a click in the browser
    assert editor.codes[0, 27, 0] == 11 == editor.code_slider.value
    look = palette.board.image
    editor.node = 3
    assert palette.board.image != look and palette.board.node == editor.code
    palette.open_box.value = False
    editor.node = 4
    assert palette.board.heading.startswith("node 3 with")  # nothing is decoded for nobody
    assert editor.last_error is None


def test_the_palette_shows_the_place_with_each_code():
    model = checkpoints.load_run(SHIPPED / "shapes3d-lesson-s0")[0]
    codes = model.encode(IMAGE)
    for node in (0, 27, 63):
        drawn = palette.looks(model, codes, node, 1)
        assert drawn.shape == (8 * 16, 8 * 16, 3)
        seen = set()
        for code in (0, 7, 41):
            edited = codes.clone()
            edited[0, node, 1] = code
            whole = to_uint8(model.decode(edited))[0].astype(int)
            top = min(max(0, node // 8 * 8 - 4), 48)
            left = min(max(0, node % 8 * 8 - 4), 48)
            row, column = divmod(code, 8)
            patch = drawn[16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
            assert np.abs(whole[top : top + 16, left : left + 16] - patch).max() <= 1
            seen.add(patch.tobytes())
        assert len(seen) == 3
    cells = [palette.nearly_square(n) for n in (12, 16, 24, 64, 7)]
    assert cells == [(3, 4), (4, 4), (4, 6), (8, 8), (1, 7)]


def test_a_brush_paints_several_places(made):
    editor = made("codes")
    start = editor.codes.clone()
    with pytest.raises(ValueError, match="there is no brush"):
        editor.paint(3)
    editor.board.set_state({"node": 5})  # a click only selects
    assert torch.equal(editor.codes, start)
    editor.code_slider.value = 9
    editor.paint_box.value = True
    for node in (6, 14, 14, 22):
        editor.board.set_state({"node": node})
    assert editor.codes[0, [5, 6, 14, 22], 0].tolist() == [9] * 4 and editor.brush == 9
    editor.palette.open_box.value = True
    editor.palette.board.set_state({"node": 2})  # another colour, for this node and the next
    editor.paint(30)
    assert editor.codes[0, [22, 30], 0].tolist() == [2, 2]
    editor.undo()
    assert editor.codes[0, 30, 0] == start[0, 30, 0] and editor.codes[0, 22, 0] == 2
    editor.paint_box.value = False
    editor.board.set_state({"node": 40})
    assert editor.brush is None and editor.codes[0, 40, 0] == start[0, 40, 0]
    assert editor.last_error is None


def test_the_code_slider_ends_at_the_last_code_and_follows_the_model(made):
    editor, graph = made("codes"), made("graph")
    assert editor.code_slider.max == graph.code_slider.max == 15
    assert editor.codebook_slider.max == graph.codebook_slider.max == 1
    editor.codebook = graph.codebook = 1
    graph.do(3, 5)
    larger = untrained(codes=24, codebooks=1)
    editor.model = graph.model = larger
    assert editor.code_slider.max == graph.code_slider.max == 23
    assert editor.codebook == graph.codebook == editor.codebook_slider.max == 0
    assert torch.equal(editor.codes, larger.encode(IMAGE))
    assert graph.held == {} and graph.frame.before.shape == (1, 64, 1)
    editor.code_slider.value = 23
    assert editor.codes[0, 0, 0] == 23 and editor.last_error is None


def test_a_smaller_model_leaves_nothing_of_the_larger_one():
    larger = untrained(codes=24)
    editor = explore.CodeEditor(larger, IMAGE)
    editor.node, editor.codebook, editor.code = 3, 1, 20
    smaller = untrained(codes=16, codebooks=1)
    editor.model = smaller
    assert (editor.node, editor.codebook) == (3, 0) and editor.model is smaller
    assert torch.equal(editor.codes, smaller.encode(IMAGE)) and editor.board.held == []
    assert editor.code == editor.code_slider.value == editor.codes[0, 3, 0]
    assert editor.code_slider.max == 15 and editor.summary.startswith("0 of 64 codes edited")
    editor.undo()  # nothing is left of the larger one
    assert torch.equal(editor.codes, smaller.encode(IMAGE)) and editor.last_error is None
    editor.close()


def test_a_smaller_model_with_other_actions_holds_no_node_of_the_larger_one():
    graph = explore.GraphExplorer(untrained(codes=24), IMAGE, "wall_hue+")
    graph.do(3, 20, codebook=1)
    other = untrained(make_world("dsprites"), codes=16, codebooks=1)
    assert "wall_hue+" not in other.action_names
    graph.model = other
    assert (graph.held, graph.action, graph.codebook) == ({}, "none", 0)
    assert torch.equal(graph.frame.before, other.encode(IMAGE)) and graph.undo_button.disabled
    graph.action = 0
    assert graph.last_error is None and graph.action_menu.value == other.action_names[0]
    graph.close()


# --- pictures that are given: not every setting has one -------------------------------------------


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Any:
    return given_pictures(tmp_path_factory.mktemp("faces"))


NOBODY = "no picture has exactly Hat, Smiling: 3 of 4 combinations have one"


def test_action_pad_takes_no_step_to_where_no_picture_is(faces):
    pad = explore.ActionPad(untrained(faces), faces, (1, 0))
    before, picture, told = pad.codes, pad.picture.value, pad.summary
    pad.buttons["Smiling+"].click()
    assert pad.last_error == f"ValueError: {NOBODY}" and NOBODY in pad.strip.value
    with pytest.raises(ValueError, match=NOBODY):
        pad.do("Smiling+")
    assert (pad.actions, pad.values, pad.codes) == ((), (1, 0), before)
    assert pad.picture.value == picture and pad.summary == told
    pad.buttons["Hat-"].click()
    pad.buttons["Smiling+"].click()
    assert pad.last_error is None and (pad.actions, pad.values) == (("Hat-", "Smiling+"), (0, 1))
    pad.close()


@pytest.mark.parametrize("with_model", [True, False])
def test_factor_explorer_stays_where_a_picture_is(faces, with_model):
    explorer = explore.FactorExplorer(faces, untrained(faces) if with_model else None)
    explorer.values = (1, 0)
    picture, told, codes = explorer.picture.value, explorer.summary, explorer.codes
    explorer.sliders[1].value = 1
    assert explorer.last_error == f"ValueError: {NOBODY}"
    with pytest.raises(ValueError, match=NOBODY):
        explorer.values = (1, 1)
    assert explorer.values == (1, 0) and [s.value for s in explorer.sliders] == [1, 0]
    assert (explorer.picture.value, explorer.summary) == (picture, told)
    assert explorer.codes is codes
    explorer.sliders[0].value = 0
    assert explorer.last_error is None and explorer.values == (0, 0)
    assert explorer.picture.value != picture
    explorer.close()


def test_the_game_and_the_monitor_know_given_pictures(faces):
    game = explore.RetrievalGame(untrained(faces), faces)
    game.choose(0)
    assert game.last_error is None
    game.close()
    explore.TrainingMonitor(faces).close()


# --- actions --------------------------------------------------------------------------------------


def test_action_pad_does_actions_on_codes_and_steps_back(made):
    pad = made("actions")
    start = pad.codes
    pad.buttons["scale+"].click()
    pad.do(4)  # shape+
    once = MODEL.intervene(start, "scale+").codes
    assert torch.equal(pad.codes, MODEL.intervene(once, "shape+").codes)
    assert pad.actions == ("scale+", "shape+") and pad.values == (5, 5, 5, 5, 3, 7)
    assert pad.buttons["shape+"].disabled and not pad.buttons["shape-"].disabled
    with pytest.raises(ValueError, match=r"'shape\+' leaves the range of 'shape'"):
        pad.do("shape+")
    pad.back_button.click()
    assert pad.actions == ("scale+",) and torch.equal(pad.codes, once)
    for _ in range(12):  # longer than the strip
        pad.do("wall_hue-" if len(pad.actions) % 2 else "wall_hue+")
    pad.reset_button.click()
    assert pad.actions == () and torch.equal(pad.codes, start) and pad.back_button.disabled
    pad.back()
    assert pad.last_error is None


def test_action_pad_from_an_image_has_no_true_image(made):
    pad = made("actions from an image")
    for _ in range(5):
        pad.do("shape+")
    assert pad.values is None and "PSNR" not in pad.summary
    given = explore.ActionPad(MODEL, WORLD, (0, 0, 0, 0, 0, 0))
    assert given.values == (0,) * 6 and given.buttons["scale-"].disabled
    given.close()
    from_pixels = explore.ActionPad(MODEL, to_uint8(IMAGE)[0])
    assert torch.equal(from_pixels.codes, pad.model.encode(IMAGE))
    from_pixels.close()


def test_action_pad_has_other_starts_of_the_test_split(made):
    pad, seen = made("actions"), set()
    pad.do("scale+")
    for _ in range(24):
        pad.start_button.click()
        assert pad.actions == () and torch.equal(
            pad.codes, MODEL.encode(explore.start_image(WORLD, pad.values))
        )
        seen.add(pad.values)
    assert pad.values == (5, 5, 5, 4, 2, 7) and pad.last_error is None  # once around
    inside = np.array([values for values in seen if values != pad.values])
    assert len(inside) > 20 and (split_of(WORLD.factors, inside) == 2).all()
    images = explore.ActionPad(MODEL, torch.cat([IMAGE, 1 - IMAGE]))
    images.another_start()
    assert torch.equal(images.codes, MODEL.encode(1 - IMAGE))
    images.close()
    assert made("actions from an image").start_button.layout.display == "none"


def test_action_pad_shows_the_difference_to_the_start():
    model, world, _ = checkpoints.load_run(SHIPPED / "shapes3d-lesson-s0")
    pad = explore.ActionPad(model, world)
    picture, width = pad.picture.value, pad.picture.width
    pad.shown_menu.value = "difference"
    assert "against the start 0% of the pixels changed" in pad.summary
    pad.do("wall_hue+")
    first, now = model.decode(pad._steps[0].codes), pad._steps[-1].image
    share = ((first - now).abs().amax(1) > 0.04).float().mean().item()
    assert (
        0.8 > share > 0.2 and f"against the start {share:.0%} of the pixels changed" in pad.summary
    )
    pad.back()
    pad.shown = "set"
    assert (pad.picture.value, pad.picture.width) == (picture, width)
    assert pad.shown_menu.value == "set" and "against the start" not in pad.summary
    pad.close()


def test_action_pad_says_what_the_judge_reads(made):
    pad = made("actions judged")
    pad.do("shape+")
    read = JUDGE.read(pad._steps[-1].image)[0].tolist()
    assert list(pad.read) == read
    wrong = [
        f"{f.name} {f.label(r)}"
        for f, r, v in zip(WORLD.factors.factors, read, pad.values, strict=True)
        if r != v
    ]
    told = f"; the judge reads {6 - len(wrong)} of 6 factors right, but {', '.join(wrong)}"
    assert wrong and told in pad.summary
    pad.reset()
    pad.judge = type("Sure", (), {"read": lambda self, x: torch.tensor([pad.values])})()
    pad._begin(0)
    assert "; the judge reads 6 of 6 factors right." in pad.summary
    assert made("actions").read is None


def test_retrieval_game_counts_both_players(made):
    game = made("game")
    yours = models = 0
    for turn in range(30):
        assert (game.round, game.guess, game.answer) == (turn, None, None)
        assert game.truth not in game.summary
        guess = game.truth if turn % 3 == 0 else MODEL.action_names[turn % 12]
        game.buttons[guess].click()
        found = MODEL.retrieve(game._x, game._y)
        assert game.answer == MODEL.action_names[found.actions[0]]
        assert game.posterior == pytest.approx(found.log_posterior[0].exp().numpy())
        yours, models = yours + (guess == game.truth), models + (game.answer == game.truth)
        assert (game.score, game.model_score) == (yours, models)
        with pytest.raises(ValueError, match="already guessed"):
            game.choose(0)
        assert (game._x != game._y).any()
        game.next_button.click()
    assert game.last_error is None
    assert game.played == 30 and f"You {yours} of 30, the model {models} of 30." in game.summary
    again = made("game")
    assert again.truth == MAKERS["game"]().truth  # the seed draws the pairs


def test_a_pair_that_nobody_guessed_is_no_round(made):
    game = made("game")
    for _ in range(3):
        game.next_button.click()
    assert game.played == 0 and "Pair 4: " in game.summary
    assert "You 0 of 0, the model 0 of 0." in game.summary
    game.choose(game.truth)
    assert game.played == 1 and f"You 1 of 1, the model {game.model_score} of 1." in game.summary


def test_who_cannot_tell_wins_nothing_and_sees_the_answer(made):
    game = made("game")
    game.cannot_button.click()
    assert (game.guess, game.played, game.score) == ("cannot tell", 1, 0) and game.answer
    assert f"You could not tell: it was {game.truth}." in game.summary
    assert game.cannot_button.disabled
    with pytest.raises(ValueError, match="already guessed cannot tell"):
        game.cannot_tell()
    game.next()
    assert game.guess is None and not game.cannot_button.disabled


def test_the_game_counts_per_factor_and_begins_anew(made):
    game, told = made("game"), {}
    for turn in range(12):
        if turn % 3 == 0:
            game.cannot_tell()
        else:
            game.choose(game.truth if turn % 2 else (MODEL.action_names.index(game.truth) + 1) % 12)
        pairs, yours, models = told.get(game.truth[:-1], (0, 0, 0))
        won = game.guess == game.truth, game.answer == game.truth
        told[game.truth[:-1]] = (pairs + 1, yours + won[0], models + won[1])
        assert game.by_factor == told
        game.next()
    assert [sum(n) for n in zip(*told.values(), strict=True)] == [
        game.played, game.score, game.model_score
    ]  # fmt: skip
    name, row = next(iter(told.items()))
    cells = re.sub(r' style="[^"]*"', "", game.table.value)
    numbers = "".join(f"<td>{n}</td>" for n in row)
    assert f'<th scope="row">{name}</th>{numbers}</tr>' in cells
    first = made("game").truth
    game.new_button.click()
    assert (game.round, game.played, game.score, game.model_score) == (0, 0, 0, 0)
    assert game.by_factor == {} and game.table.value == "" and game.last_error is None
    again = explore.RetrievalGame(MODEL, WORLD, seed=4)
    assert again.truth == game.truth and (again._x == game._x).all()  # the next seed
    again.close()
    assert first in MODEL.action_names


# --- graph ----------------------------------------------------------------------------------------


def test_graph_explorer_shows_what_the_model_says(made):
    explorer = made("graph")
    codes = MODEL.encode(IMAGE)
    done = MODEL.intervene(codes, "scale+")
    assert torch.equal(explorer.frame.after, done.codes)
    assert explorer.frame.mask == pytest.approx(done.mask[0].amax(1).numpy())
    assert explorer.frame.graph == pytest.approx(MODEL.graph(codes, "scale+")[0].numpy())
    assert explorer.node == explorer.frame.mask.argmax()
    assert np.abs(explorer.frame.image_after.astype(int) - to_uint8(done.images)[0]).max() <= 1
    explorer.action_menu.value = "none"
    assert not explorer.frame.graph.any() and torch.equal(explorer.frame.after, codes)
    explorer.action = 7
    assert explorer.action == "wall_hue-" == explorer.action_menu.value == explorer.board.action


def test_without_a_pinned_node_the_stored_picture_has_no_arrows(made):
    explorer = made("graph")
    explorer.used_only, explorer.threshold = False, 0.01
    explorer.node = 0
    pinned = explorer.stored_png()
    explorer.node = None
    assert explorer.stored_png() != pinned


def test_what_is_told_of_the_graph_follows_the_threshold(made):
    explorer = made("graph")
    told = set()
    into_set = explorer.frame.graph[:, explorer.frame.mask >= 0.5]
    for move in (
        lambda: setattr(explorer.threshold_slider, "value", 0.05),
        lambda: setattr(explorer, "threshold", float(np.median(into_set))),
    ):
        move()
        edges = int((into_set >= explorer.threshold).sum())
        words = f"; {edges} edges into set nodes at threshold {explorer.threshold:.2f}"
        assert words in explorer.summary and words in explorer.caption.value
        _, metadata = explorer.snapshot()._repr_mimebundle_()
        assert words in metadata["image/png"]["alt"]
        told.add(edges)
    assert len(told) == 2 and into_set.size in told


def test_edges_reach_the_front_end_row_by_row(made):
    widget = explore.GraphWidget()
    edges = np.zeros((3, 3))
    edges[0, 1] = 0.75  # 0 is a cause of 1
    widget.put_edges(edges)
    assert np.frombuffer(widget.edges, "<f4").tolist() == [0, 0.75, 0, 0, 0, 0, 0, 0, 0]
    widget.close()
    explorer = made("graph")
    sent = np.frombuffer(explorer.board.edges, "<f4").reshape(64, 64)
    assert sent == pytest.approx(explorer.frame.graph, abs=1e-6)


@pytest.mark.parametrize("layout", ["places", "codebook_places"])
def test_a_held_node_keeps_its_code_has_no_causes_and_moves_only_its_effects(layout):
    model = untrained(seed=1, layout=layout)
    explorer = explore.GraphExplorer(model, IMAGE, "scale+")
    free, node = explorer.frame, 20
    explorer.do(node, (int(free.before[0, node, 1]) + 1) % 16, codebook=1)
    held = explorer.frame
    assert (
        held.before[0, node].tolist() == held.after[0, node].tolist() == list(explorer.held[node])
    )
    assert (held.before != free.before).sum() == 1
    assert held.mask[node] == 0 and not held.graph[:, node].any()
    others = np.arange(64) != node
    causes = held.graph[:, others]  # the other nodes' edges from other nodes stay
    assert np.delete(causes, node, 0) == pytest.approx(
        np.delete(free.graph[:, others], node, 0), abs=1e-5
    )
    reached = (held.graph[node] > 0.5) | (free.graph[node] > 0.5)
    moved = np.abs(held.mask - free.mask) > 1e-6
    assert moved[others & reached].any() and not moved[others & ~reached].any()
    assert explorer.board.held == [node]
    explorer.close()


def test_do_undo_and_release(made):
    explorer = made("graph")
    start = explorer.frame.before.clone()
    explorer.node = 5
    for code in (1, 2, 3):
        explorer.code_slider.value = code
    explorer.do(9, 4, codebook=1)
    assert set(explorer.held) == {5, 9} and explorer.held[5][0] == 3 and explorer.held[9][1] == 4
    explorer.release_button.click()
    assert set(explorer.held) == {9} and explorer.release_button.disabled
    explorer.undo_button.click()
    assert set(explorer.held) == {5, 9}
    explorer.undo()
    explorer.undo()  # one slide is one step
    assert explorer.held == {} and torch.equal(explorer.frame.before, start)
    assert explorer.undo_button.disabled
    with pytest.raises(ValueError, match="node 5 is not held; held: none"):
        explorer.release(5)
    with pytest.raises(ValueError, match=r"code must lie in 0\.\.15"):
        explorer.do(5, 16)
    explorer.node = None
    assert explorer.code_slider.disabled


def used_edges(explorer) -> np.ndarray:
    """Edges into set nodes, strongest first: (cause, effect), of different nodes."""
    strength = explorer.frame.graph * (explorer.frame.mask >= 0.5)
    np.fill_diagonal(strength, 0)
    return np.argwhere(strength >= 0.5)[np.argsort(-strength[strength >= 0.5])]


@pytest.mark.parametrize("layout", ["places", "codebook_places"])
def test_a_cut_edge_is_one_cause_less_for_one_node(layout):
    model = untrained(seed=1, layout=layout)
    explorer = explore.GraphExplorer(model, IMAGE, "scale+")
    free = explorer.frame
    cause, effect = used_edges(explorer)[0].tolist()
    explorer.cut_edge(cause, effect)
    cut = explorer.frame
    assert free.graph[cause, effect] > 0 == cut.graph[cause, effect]
    other = np.ones_like(cut.graph, dtype=bool)
    other[cause, effect] = False
    assert cut.graph[other] == pytest.approx(free.graph[other], abs=1e-6)
    moved = np.abs(cut.mask - free.mask) > 1e-5
    assert np.flatnonzero(moved).tolist() == [effect]  # it hears less, and nobody else
    assert (cut.before == free.before).all()
    assert (np.argwhere((cut.after != free.after).any(-1)[0].numpy()) == effect).all()
    assert "; 1 edge cut, and because of that" in explorer.summary
    assert explorer.board.cut == [[cause, effect]]
    explorer.close()


def test_what_changes_because_of_held_nodes_and_cut_edges_is_marked():
    model, world, _ = checkpoints.load_run(SHIPPED / "codes-lesson-s0")
    states = torch.from_numpy(world.sample(1, "test", 0).x)
    explorer = explore.GraphExplorer(model, states, "a0")
    free, unmarked = explorer.frame, explorer.stored_png()
    assert explorer.moved == () and "because of that" not in explorer.summary
    for change in (
        lambda: explorer.do(10, (int(free.before[0, 10, 0]) + 1) % model.n_codes),
        lambda: explorer.cut_edge(6, 9),
    ):
        seen = explorer.moved
        change()
        moved = (explorer.frame.after != free.after).any(-1)[0].numpy()
        moved[10] = False  # held itself
        assert list(explorer.moved) == explorer.board.moved == np.flatnonzero(moved).tolist()
        assert len(explorer.moved) > len(seen)
    assert explorer.moved == (7, 9)  # effects of 10 and of 6, which the action sets
    told = "1 held by do(node); 1 edge cut, and because of that 2 other nodes end up with other"
    assert told in explorer.summary
    marked = explorer.stored_png()
    explorer.moved = ()
    assert unmarked != marked != explorer.stored_png()
    explorer.close()


def test_edges_are_cut_by_their_cause_and_mended(made):
    explorer = made("graph")
    cause, effect = used_edges(explorer)[0].tolist()
    explorer.node = effect
    options = dict(explorer.cause_menu.options)
    assert set(options.values()) == set(
        np.flatnonzero(explorer.frame.graph[:, effect] >= explorer.threshold).tolist()
    )
    assert explorer.cause_menu.value == np.argmax(explorer.frame.graph[:, effect])
    assert list(options) == sorted(options, key=lambda told: -float(told[-5:-1]))
    explorer.cause_menu.value = cause
    explorer.cut_button.click()
    assert explorer.cut == ((cause, effect),) and explorer.last_error is None
    assert cause not in dict(explorer.cause_menu.options).values()
    explorer.cut_edge(cause, effect)  # twice is once
    assert explorer.cut == ((cause, effect),)
    explorer.release_button.click()
    assert explorer.cut == () and explorer.release_button.disabled
    explorer.undo_button.click()
    assert explorer.cut == ((cause, effect),)
    explorer.undo()
    assert explorer.cut == () and explorer.undo_button.disabled
    explorer.threshold = 1.0
    assert explorer.cut_button.disabled and "has none" in explorer.cause_menu.options[0][0]
    explorer.node = int(explorer.frame.mask.argmin())
    assert explorer.cause_menu.options[0][0] == f"node {explorer.node} is not set"
    explorer.threshold, explorer.used_only = 0.01, False
    assert explorer.cause_menu.value is not None and not explorer.cut_button.disabled
    with pytest.raises(ValueError, match=r"effect must lie in 0\.\.63, found 64"):
        explorer.cut_edge(0, 64)


def test_two_actions_stand_side_by_side(made):
    explorer = made("graph")
    assert explorer.board.heading_third == "" and explorer.as_button.disabled
    explorer.beside_menu.value = "wall_hue-"
    other = explore.GraphExplorer(MODEL, IMAGE, "wall_hue-")
    assert explorer.board.third == other.board.after and explorer.board.third != ""
    assert explorer.board.mask_third == other.board.mask
    assert explorer.board.labels_third == other.board.labels_after
    both = int(((other.frame.mask >= 0.5) & (explorer.frame.mask >= 0.5)).sum())
    sets = int((other.frame.mask >= 0.5).sum())
    assert f"Beside it do(wall_hue-), which sets {sets} nodes, {both} of" in explorer.summary
    three, two = size_of(explorer.stored_png())[0], size_of(other.stored_png())[0]
    assert three > two
    other.close()
    explorer.as_button.click()
    node = explorer.node
    assert explorer.frame.before[0, node].tolist() == explorer._third.codes[0, node].tolist()
    explorer.beside = "nothing"
    assert explorer.board.heading_third == ""
    with pytest.raises(
        ValueError, match="no codes of this model stand beside: beside is 'nothing'"
    ):
        explorer.do_as_beside(3)


def test_another_model_stands_beside_with_its_own_graph(made):
    explorer = made("graph beside another model")
    explorer.action, explorer.threshold = "scale+", 0.95
    explorer.beside_menu.value = "another model"
    explorer.do(explorer.node, 3)  # what is held here is not held there: a code there is another
    alone = explore.GraphExplorer(OTHER, WORLD, "scale+")
    board = explorer.board
    assert board.edges_third == alone.board.edges != board.edges
    assert (board.third, board.mask_third) == (alone.board.after, alone.board.mask)
    assert board.labels_third == alone.board.labels_after
    both = (np.array(board.mask) >= 0.5) & (np.array(board.mask_third) >= 0.5)
    here, there = (e.frame.graph[:, both] >= 0.95 for e in (explorer, alone))
    a, b, shared = here.sum(), there.sum(), (here & there).sum()
    assert 0 < shared < a
    assert f"come {a} edges here and {b} there; {shared} are shared" in explorer.summary
    explorer.threshold = 0.97  # the sentence follows
    fewer = (explorer.frame.graph[:, both] >= 0.97).sum()
    assert 0 < fewer < a and f"come {fewer} edges here" in explorer.summary
    assert size_of(explorer.stored_png())[0] > size_of(alone.stored_png())[0]
    assert board.heading_third == "another model, after do(scale+)"
    assert "another model, nothing held or cut: its codes are its own, which" in explorer.summary
    assert explorer.as_button.disabled
    with pytest.raises(ValueError, match="no codes of this model stand beside"):
        explorer.do_as_beside(3)
    explorer.beside = "wall_hue-"
    assert board.edges_third == b"" and not explorer.as_button.disabled
    alone.close()


def test_in_a_world_of_codes_another_model_is_held_and_cut_as_well():
    one = untrained(CODES_WORLD)
    other, world, _ = checkpoints.load_run(SHIPPED / "codes-lesson-s0")
    states, action = torch.from_numpy(world.sample(1, "test", 0).x), "a0"
    explorer = explore.GraphExplorer(one, states, action, other=other)
    alone = explore.GraphExplorer(other, states, action)
    explorer.beside = "another model"
    free, board = list(explorer.board.labels_third), explorer.board
    for each in (explorer, alone):
        each.do(10, (int(states[0, 10, 0]) + 1) % one.n_codes)
        each.cut_edge(6, 9)
    assert board.labels_third == alone.board.labels_after
    assert board.labels_third[7] != free[7] and board.labels_third[9] != free[9]  # effects of these
    assert (board.mask_third, board.edges_third) == (alone.board.mask, alone.board.edges)
    assert board.heading_third == f"another model, 1 held, 1 cut, after do({action})"
    differ = sum(a != b for a, b in zip(board.labels_after, board.labels_third, strict=True))
    told = f"another model, held and cut as here, which ends up with other codes at {differ} of 12"
    assert differ and told in explorer.summary
    at = next(n for n in range(12) if board.labels_after[n] != board.labels_third[n])
    explorer.node = at
    explorer.as_button.click()
    assert explorer.last_error is None
    assert explorer.held[at] == tuple(alone.frame.after[0, at].tolist())
    finer = CausalVQ(None, CausalTransition(12, 1, one.n_codes + 1, 1, width=8), [action]).eval()
    made = explorer.frame  # the same number means another code to this one
    seen = frames.another_model(one, finer, states, action, explorer.held, (), made)
    assert not seen.comparable and torch.equal(seen.other.before, states)
    explorer.close(), alone.close()


def test_arrows_of_two_models_of_codes_stand_at_one_moment(monkeypatch):
    one, other = untrained(CODES_WORLD), untrained(CODES_WORLD, seed=1)
    explorer = explore.GraphExplorer(one, CODES, other=other)
    drawn, before = [], explorer.stored_png()
    draw_edges = frames.drawn_edges
    monkeypatch.setattr(
        frames, "drawn_edges", lambda made, *rest: drawn.append(made) or draw_edges(made, *rest)
    )
    explorer.stored_png()
    assert len(drawn) == 1  # beside nothing: arrows over what was before
    explorer.beside = "another model"
    assert size_of(explorer.stored_png())[0] > size_of(before)[0]
    _, here, mine, there = drawn
    assert torch.equal(here.before, explorer.frame.before)
    assert torch.equal(mine.before, explorer.frame.after) and mine.graph is here.graph
    assert torch.equal(there.before, explorer._third.codes) and there.graph is not here.graph
    explorer.close()


def test_edges_by_chance_are_those_laid_at_random():
    def frame(mask, *edges):
        graph = np.zeros((4, 4))
        graph[tuple(np.array(edges).T)] = 0.9
        return explore.Frame(CODES, CODES, np.array(mask), graph, None, None)

    one = frame([1, 1, 0, 0], (0, 0), (1, 0), (2, 1), (3, 3))
    other = frame([1, 1, 1, 0], (0, 0), (3, 0), (2, 2))
    told = frames.shared_edges(one, other, 0.5)  # 8 pairs of a cause and a node that both set
    assert told.startswith("Into these come 3 edges here and 2 there; 1 are shared, 0.8 would be")
    assert (
        frames.shared_edges(one, frame([0, 0, 1, 1], (0, 0)), 0.5) == "They set no node together."
    )


def test_another_model_must_be_of_the_same_places_and_know_the_action():
    with pytest.raises(ValueError, match="there is no other model: give one as `other`"):
        explore.GraphExplorer(MODEL, IMAGE).beside = "another model"
    large = np.zeros((128, 128, 3), np.uint8)
    with pytest.raises(ValueError, match="another model: expected 256 places, as the first"):
        frames.check_another(fake_model(256), fake_model(64), large)
    explorer = explore.GraphExplorer(MODEL, IMAGE, "scale+", other=copy.deepcopy(OTHER))
    explorer.beside = "another model"
    assert explorer.board.edges_third
    explorer.other.action_names[explorer.other.action_names.index("scale+")] = "size+"
    explorer.action = "none"
    assert explorer.board.heading_third == "another model" and explorer.board.edges_third
    explorer.action = "scale+"
    assert explorer.board.heading_third == "another model: it knows no scale+"
    assert explorer.board.edges_third == b"" and explorer.last_error is None
    explorer.close()


def fake_model(n: int) -> SimpleNamespace:
    return SimpleNamespace(encode=lambda x: torch.zeros(1, n, 1, dtype=torch.int64))


def test_the_true_y_stands_beside_and_follows_action_and_x(made):
    explorer = made("graph from a world")
    explorer.beside_menu.value = "true y"
    assert explorer.board.heading_third == "true y"
    y = explore.start_image(WORLD, (5, 5, 5, 5, 2, 7))
    assert explorer.board.third == widget.data_url(draw_explore.pixels(y))
    assert "Beside the true y: PSNR " in explorer.summary
    assert torch.equal(explorer._third.codes, MODEL.encode(y))
    explorer.action = "none"
    assert explorer.board.heading_third == "true x"
    explorer.x_button.click()
    values = explorer._values[1]
    assert explorer.x == 1 and torch.equal(
        explorer.frame.before, MODEL.encode(explore.start_image(WORLD, values))
    )
    at_end = next(i for i, v in enumerate(explorer._values) if v[4] == 3)
    explorer.x, explorer.action = at_end, "shape+"
    assert "true y: none, shape+ leads nowhere" in explorer.board.heading_third
    assert explorer.board.third == "" and explorer.as_button.disabled
    assert explorer.last_error is None and explorer.stored_png()


def test_a_node_is_held_as_in_another_picture(made):
    explorer = made("graph from a world")
    explorer.beside_menu.value = "another x"
    codes = MODEL.encode(explore.start_image(WORLD, explorer._values[1]))
    explorer.node = 30
    explorer.as_button.click()
    assert explorer.held == {30: tuple(codes[0, 30].tolist())} and explorer.last_error is None
    explorer.x_button.click()  # what is held stays held on another x
    assert explorer.frame.before[0, 30].tolist() == codes[0, 30].tolist()
    explorer.undo()
    assert explorer.held == {} and torch.equal(explorer.frame.before, codes)


def test_several_images_or_states_are_gone_through():
    for model, start in (
        (MODEL, torch.cat([IMAGE, 1 - IMAGE])),
        (untrained(CODES_WORLD), torch.from_numpy(CODES_WORLD.sample(3).x)),
    ):
        explorer = explore.GraphExplorer(model, start)
        explorer.beside = "another x"
        shown = explorer.board.labels_third
        explorer.x = 1
        assert explorer.board.labels == shown and explorer.x_button.layout.display is None
        for _ in range(len(start) - 1):
            explorer.x_button.click()
        assert explorer.x == 0 and explorer.last_error is None
        explorer.close()


def test_the_palette_holds_a_node_of_the_graph(made):
    explorer = made("graph")
    explorer.node, explorer.codebook = 20, 1
    explorer.palette.open_box.value = True
    assert explorer.held == {}  # looking holds nothing
    explorer.palette.board.set_state({"node": 6})
    assert explorer.frame.before[0, 20, 1] == 6 and 20 in explorer.held
    assert made("graph of a world of codes").palette.layout.display == "none"


def test_a_click_in_the_front_end_pins(made):
    explorer = made("graph")
    explorer.board.set_state({"node": 33})  # as it comes from the browser
    assert explorer.node == 33
    explorer.board.set_state({"node": None})
    assert explorer.node is None and explorer.last_error is None


def test_the_graph_of_a_world_of_codes_has_no_picture_but_codes(made):
    explorer = made("graph of a world of codes")
    assert (explorer.board.rows, explorer.board.columns) == (3, 4)
    assert explorer.board.image == "" and len(explorer.board.tints_after) == 12
    assert explorer.frame.image_after is None
    explorer.do(3, 1)
    assert explorer.frame.after[0, 3, 0] == 1


def test_variables_of_a_world_of_codes_have_names_and_codes_that_can_be_read(made, monkeypatch):
    model, world, _ = checkpoints.load_run(SHIPPED / "codes-lesson-s0")
    states = torch.from_numpy(world.sample(1, "test", 0).x)
    explorer, drawn = explore.GraphExplorer(model, states, "a0"), []

    def kept(*args, **kwargs):
        drawn.append(graph_over_image(*args, **kwargs))
        return drawn[-1]

    monkeypatch.setattr(frames, "graph_over_image", kept)
    cause, effect = used_edges(explorer)[0].tolist()
    explorer.node = effect
    assert explorer.board.noun == "variable" and made("graph").board.noun == "node"
    assert re.match(rf"v{cause} \(", dict(map(reversed, explorer.cause_menu.options))[cause])
    explorer.node = int(explorer.frame.mask.argmin())
    assert explorer.cause_menu.options[0][0] == f"v{explorer.node} is not set"
    explorer.node = effect
    explorer.stored_png()
    [figure] = drawn
    codes = explorer.board.labels
    assert f"Causes and effects of v{effect}, v{effect} = {codes[effect]}:" in figure.summary
    told = [text for text in figure.axes[0].texts if text.get_fontsize() >= 10]
    assert [t.get_text() for t in told] == [w for n in range(12) for w in (codes[n], f"v{n}")]
    pixels = np.asarray(Image.open(io.BytesIO(png(figure))).convert("RGB")).astype(int)
    at = figure.axes[0].transData.transform([(cause % 4, cause // 4), (cause % 4 + 1, 0)])
    x, y, reach = at[0, 0], len(pixels) - at[0, 1], 0.16 * (at[1, 0] - at[0, 0])
    middle = pixels[int(y - reach) : int(y + reach), int(x - reach) : int(x + reach)]
    assert (middle.max(-1) < 60).sum() > 40  # the cause's code, dark, and no arrow over it
    assert not (np.abs(middle - np.array(to_rgb(BLUE)) * 255).max(-1) < 8).any()
    after = frames.drawn_set(explorer.frame.after, None, np.zeros(12), (3, 4), 6)  # nothing set
    top = int(np.flatnonzero((after != 255).any((1, 2)))[0])
    cell = after.shape[1] // 4
    dark = (after[top : top + cell, :cell].max(-1) < 60).nonzero()[0]  # of v0
    assert len(dark) and dark.max() > 0.6 * cell
    assert dark.min() < 0.2 * cell  # its name
    explorer.close()


# --- training -------------------------------------------------------------------------------------


def test_the_training_monitor_sees_every_row_and_changes_nothing(tmp_path):
    settings = {"autoencoder_steps": 6, "transition_steps": 4, "transitions": 64}
    recipe = recipes.get("nano", "shapes3d", **settings)
    monitor, pictures = explore.TrainingMonitor(WORLD), set()

    def watch(row: dict, model: Any) -> None:
        assert not model.transition.training or row["phase"] == "autoencoder"
        monitor(row, model)
        pictures.add(monitor.picture.value)

    watched = train(WORLD, recipe, 0, tmp_path / "a", progress=False, on_log=watch)
    alone = train(WORLD, recipe, 0, tmp_path / "b", progress=False)
    for name, tensor in watched.state_dict().items():
        assert torch.equal(tensor, alone.state_dict()[name]), name
    logged = (tmp_path / "a" / "log.csv").read_text().splitlines()[1:]
    assert len(logged) == len(monitor.rows) == len(pictures) == 10
    assert (monitor.phase, monitor.step, monitor.last_error) == ("transition", 4, None)
    assert "transition, step 4: nats" in monitor.summary
    monitor(
        {"phase": "autoencoder", "step": 1, "psnr": 9.0}, watched
    )  # what fails is shown, not raised
    monitor({"phase": "nonsense", "step": 2}, watched)
    assert (
        monitor.last_error
        == "ValueError: phase must be one of autoencoder, transition, found 'nonsense'"
    )
    monitor.close()


# --- pictures and files ---------------------------------------------------------------------------


def test_the_pure_pictures_have_the_sizes_they_say_and_refuse_what_does_not_fit():
    codes = MODEL.encode(IMAGE)[0, :, 0]
    assert draw_explore.code_map(codes, (8, 8), 16, 120).shape == (240, 240, 3)
    mask = np.linspace(0, 1, 64)
    over = draw_explore.set_nodes_over(IMAGE, mask, (8, 8), 80)
    assert over.shape == (160, 160, 3) and over[:20].mean() > over[-20:].mean()  # copied: veiled
    assert not draw_explore.difference(IMAGE, IMAGE).any(axis=2)[1:].sum() > 64 * 64
    points = [(1, 2.0), (2, np.nan), (3, 4.0)]
    assert draw_explore.curve(points, 60, 120, log=True).shape == (120, 240, 3)
    bars = draw_explore.bars([0.2, 0.8], ["a", "b"], 50, 200, {1: "true"})
    assert bars.shape == (100, 400, 3)
    happy = {0: "true, you, model"}  # nothing of it is cut off at the edge
    bars = draw_explore.bars([1.0, 0.0], ["orientation+", "b"], 50, 272, happy)
    assert (bars[:, -4:] == 255).all() and (bars[:, -60:] != 255).any()
    tile = draw_explore.Tile("a title much too long for so small a picture", over, "note")
    sheet = draw_explore.sheet([[tile, tile]], [80], "two tiles")
    assert size_of(sheet.png) == (2 * sheet.width, 2 * sheet.height) and sheet.width == 190
    assert Image.open(io.BytesIO(sheet.png)).info["Description"] == "two tiles"
    with pytest.raises(ValueError, match="one shape"):
        draw_explore.difference(IMAGE, IMAGE[..., :32])
    with pytest.raises(ValueError, match="expected one image, found 2"):
        draw_explore.pixels(IMAGE.repeat(2, 1, 1, 1))
    with pytest.raises(ValueError, match="of 64 nodes"):
        draw_explore.code_map(codes, (4, 8), 16, 80)


def test_the_colours_of_codes_are_those_of_the_figures():
    codes = torch.arange(40)
    maps = code_maps(codes.view(1, 40, 1), (5, 8), IMAGE).axes[1].images[0]
    colors = maps.to_rgba(codes.view(5, 8).numpy())[..., :3]  # [0, 1]
    drawn = draw_explore.code_map(codes, (5, 8), 40, 80)
    side = len(drawn) // 5
    assert drawn[1::side, 1::side] / 255 == pytest.approx(colors, abs=1 / 255)


def test_the_front_end_is_shipped_whole_and_asks_nobody_for_anything():
    source = (ROOT / "cvq_tutorial" / "explore" / "graph_widget.js").read_text()
    assert explore.GraphWidget._esm and str(explore.GraphWidget._esm) == source
    code = re.sub(r"//.*", "", source.replace("http://www.w3.org/2000/svg", ""))
    assert not re.search(r"https?:|//\w|\bimport\b|\bfetch\b|XMLHttp|WebSocket|@import|url\(", code)
    assert "export default { render }" in source
    # a page without JupyterLab's variables may be dark: then all follows the page
    unset = {"color1": {"inherit", "currentColor"}, "color2": {"inherit", "transparent"}}
    for which, instead in re.findall(r"var\(--jp-\S*-(color\d), ([^)]*)\)", source):
        assert instead in unset[which]
    project = (ROOT / "pyproject.toml").read_text()
    assert '"explore/*.js"' in project and '"draw/*.mplstyle"' in project


def test_a_notebook_with_explorers_stores_pictures_and_state_and_passes_nbval_twice(tmp_path):
    cells = [
        "import torch\nfrom cvq_tutorial import explore, make_world, recipes\n"
        "from cvq_tutorial.training.build import build\n"
        "torch.manual_seed(0)\nworld = make_world('shapes3d')\n"
        "model = build(world, recipes.get('nano')).eval()",
        "graph = explore.GraphExplorer(model, explore.start_image(world, (1, 4, 7, 5, 1, 3)))\ngraph",  # noqa: E501
        "factors = explore.FactorExplorer(world, model)\nfactors.sliders[0].value = 2\nfactors",
        "graph.action_menu.value = 'scale+'\nprint(graph.action, graph.last_error, factors.last_error)",  # noqa: E501
    ]
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    NotebookClient(book, timeout=120, resources={"metadata": {"path": str(ROOT)}}).execute()
    for cell in book.cells[1:3]:
        [output] = cell.outputs
        assert {"image/png", "text/plain", "application/vnd.jupyter.widget-view+json"} <= set(
            output.data
        )
    assert book.cells[3].outputs[0].text == "scale+ None None\n"
    state = book.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    assert {"ImageModel", "AnyModel"} <= {model["model_name"] for model in state.values()}
    assert len(json.dumps(book)) < 400_000
    nbformat.write(book, tmp_path / "explorers.ipynb")
    checked = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval-current-env",
         "--nbval", f"--rootdir={tmp_path}", "-c", "/dev/null", str(tmp_path / "explorers.ipynb")],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert checked.returncode == 0 and "4 passed" in checked.stdout, checked.stdout


# --- what can be identified -----------------------------------------------------------------------


def test_what_can_be_identified_is_told_as_it_is(made):
    samples = made("samples")
    shares = []
    for size in (500, 250_000):
        samples.samples = size
        shares.append((samples.error, samples.share))
    assert shares[1][0] < shares[0][0] / 5 and shares[1][1] == 1
    assert "250000 samples" in samples.summary and "100% of 2 models" in samples.summary
    samples.noise = 0.1
    noisy, samples.denoise = samples.error, True
    assert samples.error < noisy / 10 and "noise 0.1, taken off: all" in samples.summary
    samples.samples, samples.noise = 500, 0.3
    assert "; 1 refused" in samples.summary and samples.share <= 0.5  # of two models
    samples.samples, samples.noise, samples.denoise = 250_000, 0.0, False
    ratio = made("ratio")
    truth, found = TRUTH, SOFT.at(0.1)
    ratio.ratio = 0.1
    assert (ratio.missed, ratio.false) == ((truth & ~found).sum(), (found & ~truth).sum())
    with pytest.raises(traitlets.TraitError):
        ratio.ratio = 0.5
    with pytest.raises(ValueError, match=r"truth: expected \(3, 3\), found \(2, 2\)"):
        explore.RatioExplorer(SOFT, np.eye(2))


def test_without_a_context_there_is_a_twin_and_one_only_if_its_target_comes_first(made):
    twin = made("twin")
    for context in range(1, 5):
        twin.context, twin.strength = context, 1.0
        first = twin.world.targets[context - 1] == 3
        assert ("comes first" in twin.summary) == first
        assert twin.pair.measured < 1e-10 < 0.4 < twin.pair.apart
        apart = twin.pair.apart
        twin.strength = 0.5
        assert (twin.pair.apart == apart) == first  # nothing can be mixed into what comes first
    with pytest.raises(ValueError, match="context: expected 1 to 4, found 5"):
        twin.context = 5


def test_a_bet_comes_before_the_numbers(made):
    bet = made("bet")
    bet.bet = "right order"
    assert "0.5" not in bet.summary and "Nothing is shown" in bet.summary
    bet.button.click()
    assert bet.shown and "smallest discrepancy has 'reversed'" in bet.summary
    with pytest.raises(ValueError, match="bet: expected one of right order, reversed, no graph"):
        bet.bet = "all of them"


# --- actions nobody named -------------------------------------------------------------------------


def test_names_count_on_pairs_and_mergers_keep_one(made):
    e = made("unnamed")
    space, codes = WORLD.factors, np.unique(e.read)
    assert e.right == 0 and e.groups == tuple(range(12)) and set(e.names) == {unnamed.NOBODY}
    want = np.zeros((12, 12), dtype=int)  # slow: how often each code is read in each action's pairs
    for action, code in zip(e.true.tolist(), e.read.tolist(), strict=True):
        want[action, code] += 1
    rows, columns = linear_sum_assignment(want, maximize=True)
    assert e.best == pytest.approx(want[rows, columns].sum() / 24)
    one = int(codes[0])
    e.code = one
    usual = int(want[:, one].argmax())
    e.call(space.action_names[usual])
    assert e.right == pytest.approx(want[usual, one] / 24) and e.right > 0
    other = (one + 1) % 12
    e.code = other
    assert e.name_menu.value == unnamed.NOBODY
    e.merge(one)  # it takes the only name there is
    assert e.groups[one] == e.groups[other] == min(one, other)
    assert e.names[other] == e.names[one] == space.action_names[usual]
    assert e.right == pytest.approx(want[usual, [one, other]].sum() / 24)
    assert "merged with it" in e.summary and e.merge_menu.value == -1
    for code in range(12):
        e.merge(code)
    assert e.nmi == 0 and e.best == pytest.approx(np.bincount(e.true).max() / 24)
    e.reset()
    assert e.right == 0 and len(set(e.groups)) == 12
    with pytest.raises(ValueError, match="did you mean"):
        e.call("wall_hue*")
    with pytest.raises(ValueError, match=r"code must lie in 0\.\.11, found 12"):
        e.merge(12)
    with pytest.raises(ValueError, match=r"code must lie in 0\.\.11, found 12"):
        e.code = 12


def test_finer_codes_are_shown_where_they_are():
    model = untrained(patch=4, codebooks=1)
    codes = torch.zeros(1, 64, 4, dtype=torch.int64)
    marked = torch.zeros(64, 4, dtype=torch.bool)
    marked[10, 1] = True  # node (1, 2), upper right: row 2, column 5 of the map
    rows, sides = codes_explorer.code_rows(codes, model, marked)
    (tile,) = rows[0]
    assert len(rows) == len(sides) == 1
    cells = tile.pixels.reshape(16, tile.pixels.shape[0] // 16, 16, -1, 3)
    framed = (cells != cells[:1, :, :1]).any((1, 3, 4))
    assert framed.sum() == 1 and framed[2, 5]
