"""Figures: drawn without a warning, legible, honest about orientation, and nothing left behind."""

from __future__ import annotations

import re

import matplotlib
import networkx as nx
import numpy as np
import pytest
import torch
from figure_cases import CASES, drawn
from figure_parts import arrows_of, legend_of, middle_of, some_graph, some_images, visible_texts
from matplotlib.figure import Figure
from PIL import Image

from cvq_tutorial import draw

# Every figure ------------------------------------------------------------------------------------


def test_a_figure_shows_itself_in_a_notebook_once():
    formatters = pytest.importorskip("IPython.core.formatters")
    figure = drawn("matrix")[0]
    data, metadata = formatters.DisplayFormatter().format(figure)
    assert metadata["image/png"] == {"alt": figure.summary} and figure.summary
    assert [kind for kind in data if kind.startswith("image/")] == ["image/png"]
    assert " at 0x" not in data["text/plain"]


def test_a_figure_is_the_same_whatever_the_settings_of_the_user():
    want = drawn("masks on a line")[1]
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "figure.dpi": 33}):
        assert draw.png(CASES["masks on a line"]()) == want
        assert matplotlib.rcParams["font.size"] == 30


def test_save_writes_the_summary_into_the_file(tmp_path):
    figure = drawn("confusion, empty row")[0]
    path = draw.save(figure, tmp_path / "deep" / "figure.png")
    assert Image.open(path).info["Description"] == figure.summary
    assert [p.name for p in path.parent.iterdir()] == ["figure.png"]
    with pytest.raises(ValueError, match=r"saved as .png or .svg, found 'figure.jpg'"):
        draw.save(figure, tmp_path / "figure.jpg")


@pytest.mark.parametrize(
    ("case", "numbers"),
    [
        ("reconstructions", ["8 of 9 images", "PSNR"]),
        ("code maps", ["2 of 2 images", "8 x 8 nodes"]),
        ("before and after", ["6 interventions", "wall_hue+", "copying x"]),
        ("masks", ["of 64", "orientation-", "mean distance"]),
        ("over the image", ["node 27 = (row 3, column 3)", "edges shown, threshold 0.70"]),
        ("over variables", ["Causes and effects of v6, v6 = 6:"]),
        ("arrows and truth", ["5 nodes", "right", "extra", "missed", "self-loops"]),
        ("confusion", ["105 of 630 right (16.7 %)", "orientation- named shape-, 34 times"]),
        ("confusion, empty row", ["7 of 7 right (100.0 %)"]),
        ("curves", ["autoencoder: loss 0.00249", "negative log-likelihood (nats) 37.2"]),
    ],
)
def test_summaries_name_the_numbers(case, numbers):
    for number in numbers:
        assert number in drawn(case)[0].summary


@pytest.mark.parametrize("case", ["matrix", "over the image", "arrows"])
def test_graph_figures_state_orientation_threshold_and_edges_shown(case):
    text = " ".join(t.get_text() for t in visible_texts(drawn(case)[0]))
    assert "row = cause, column = effect" in text
    assert re.search(r"\d+ of \d+ edges shown, threshold 0\.\d\d", text)


# Graphs ------------------------------------------------------------------------------------------

TWO = np.array([[0.0, 1.0], [0.0, 0.0]])  # node 0 is the only cause of node 1


def test_two_nodes_the_arrow_goes_from_cause_to_effect():
    figure = draw.graph_arrows(TWO)
    (arrow,) = arrows_of(figure)
    place = {t.get_text(): t.get_position() for t in figure.axes[0].texts}
    assert arrow.patchA.center == pytest.approx(place["0"])
    assert arrow.patchB.center == pytest.approx(place["1"])
    assert place["0"] == pytest.approx((0, 1), abs=1e-6), "node 0 is on top"


def test_arrows_bend_to_the_middle_and_there_and_back_are_two():
    graph = np.zeros((6, 6))
    graph[3, 1] = graph[2, 3] = graph[0, 5] = graph[5, 0] = 1
    bent = {}
    for arrow in arrows_of(draw.graph_arrows(graph)):
        ends = [np.array(patch.center) for patch in (arrow.patchA, arrow.patchB)]
        names = tuple(round(np.arctan2(x, y) / (2 * np.pi / 6)) % 6 for x, y in ends)
        straight = sum(ends) / 2
        bent[names] = np.linalg.norm(middle_of(arrow)) - np.linalg.norm(straight)
    assert bent.keys() == {(3, 1), (2, 3), (0, 5), (5, 0)}
    assert bent[3, 1] < 0 and bent[2, 3] < 0
    assert bent[0, 5] == pytest.approx(-bent[5, 0], abs=0.05) and abs(bent[0, 5]) > 0.05


def test_two_nodes_in_the_matrix_row_is_cause():
    axes = draw.graph_matrix(TWO).axes[0]
    assert axes.collections[0].get_array().reshape(2, 2)[0, 1] == 1.0
    written = {t.get_position(): t.get_text() for t in axes.texts}
    assert written[(1.5, 0.5)] == "1.00"  # x is the column, y the row
    assert axes.yaxis_inverted(), "row 0 is on top"
    assert "cause" in axes.get_ylabel() and "effect" in axes.get_xlabel()


@pytest.mark.parametrize(("node", "causes", "effects"), [(0, 0, 1), (1, 1, 0)])
def test_two_nodes_over_the_image(node, causes, effects):
    figure = draw.graph_over_image(some_images(1), TWO, (1, 2), node)
    (arrow,) = arrows_of(figure)
    outline = arrow.patchB if causes else arrow.patchA
    assert outline.get_x() == node - 0.5, "the chosen node is where causes end and effects begin"
    assert legend_of(figure)[:2] == [
        f"causes, arrow in: {causes} of {causes}",
        f"effects, arrow out: {effects} of {effects}",
    ]


def test_causes_are_solid_and_effects_dashed():
    into, out = (draw.graph_over_image(some_images(1), TWO, (1, 2), node) for node in (1, 0))
    (cause,), (effect,) = arrows_of(into), arrows_of(out)
    assert cause.get_linestyle() in ("-", "solid")
    assert effect.get_linestyle() not in ("-", "solid")
    assert cause.get_edgecolor()[:3] != effect.get_edgecolor()[:3]


def test_top_k_keeps_the_likeliest_and_says_so():
    graph = np.zeros((9, 9))
    graph[:, 4] = np.linspace(0.5, 0.9, 9)
    graph[4, 4] = 0.0
    figure = draw.graph_over_image(some_images(1), graph, (3, 3), 4, top_k=3)
    assert len(arrows_of(figure)) == 3
    assert legend_of(figure)[0] == "causes, arrow in: 3 of 8"
    assert "3 of 8 edges shown" in figure.summary


def test_likelier_edges_are_wider():
    graph = np.array([[0.0, 0.55, 0.95], [0, 0, 0], [0, 0, 0]])
    likely, unlikely = sorted(arrows_of(draw.graph_arrows(graph)), key=lambda a: -a.get_linewidth())
    place = {t.get_text(): t.get_position() for t in draw.graph_arrows(graph).axes[0].texts}
    assert likely.patchB.center == pytest.approx(place["2"])
    assert likely.get_alpha() > unlikely.get_alpha()


@pytest.mark.parametrize("n_nodes", [2, 12, 64])
def test_a_self_loop_is_an_arc_outside_its_node(n_nodes):
    graph = np.zeros((n_nodes, n_nodes))
    graph[1, 1] = 1.0
    figure = draw.graph_arrows(graph)
    (loop,) = arrows_of(figure)
    disc = figure.axes[0].patches[1]
    to_display = figure.axes[0].transData.transform
    figure.canvas.draw()
    away = np.hypot(*(loop.get_path().vertices - disc.center).T)
    assert loop.get_gid() == "self-loop"
    assert away.max() > disc.radius + 0.1
    assert len(to_display(loop.get_path().vertices)) > 3
    assert "self-loops: 1" in legend_of(figure)


def test_a_self_loop_over_the_image_is_drawn_and_named():
    figure = draw.graph_over_image(some_images(1), np.eye(4), (2, 2), 3)
    assert [a.get_gid() for a in arrows_of(figure)] == ["self-loop"]
    assert legend_of(figure)[2] == "own edge: yes"


def test_opposite_edges_are_two_arrows():
    one, two = arrows_of(draw.graph_arrows(TWO + TWO.T))
    assert one.patchA is two.patchB and one.patchB is two.patchA


def test_positions_do_not_depend_on_the_edges():
    centres = [
        [disc.center for disc in draw.graph_arrows(graph).axes[0].patches[:6]]
        for graph in (some_graph(6), np.zeros((6, 6)), some_graph(6).T)
    ]
    assert centres[0] == centres[1] == centres[2]


def test_64_nodes_all_connected_draw_only_the_likeliest():
    figure = draw.graph_arrows(np.full((64, 64), 0.9))
    assert len(arrows_of(figure)) == 100
    assert "100 of 4096 edges shown" in figure.summary


def test_against_the_truth_edges_are_right_extra_or_missed():
    truth = np.zeros((3, 3), bool)
    truth[0, 1] = truth[1, 2] = True
    found = np.zeros((3, 3))
    found[0, 1] = found[2, 0] = 1.0
    assert legend_of(draw.graph_arrows(found, truth=truth))[:3] == [
        "right: 1",
        "extra: 1",
        "missed: 1",
    ]


def test_edges_into_nodes_that_are_not_set_do_not_count():
    only_two = np.array([False, False, True])
    assert "3 of 3 edges" in draw.graph_matrix(np.ones((3, 3)), set_nodes=only_two).summary
    assert "3 of 3 edges" in draw.graph_arrows(np.ones((3, 3)), set_nodes=only_two).summary
    over = [
        draw.graph_over_image(some_images(1), np.ones((3, 3)), (1, 3), node, set_nodes=only_two)
        for node in (0, 2)
    ]
    assert "0 causes, 1 effects and no own edge" in over[0].summary
    assert "2 causes, 0 effects and an own edge" in over[1].summary
    assert "not set by the action" in over[0].summary


def test_a_small_matrix_has_every_number_and_takes_a_tensor_with_gradient():
    graph = torch.rand(4, 4, requires_grad=True)
    assert len(draw.graph_matrix(graph).axes[0].texts) == 16


def test_a_digraph_can_be_drawn_and_an_undirected_graph_cannot():
    graph = nx.DiGraph([("x", "y")])
    assert len(arrows_of(draw.graph_arrows(graph, ["x", "y"]))) == 1
    with pytest.raises(TypeError, match="must be directed"):
        draw.graph_arrows(nx.Graph([("x", "y")]))


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (np.zeros((2, 3)), r"shape \(N, N\), found \(2, 3\)"),
        (np.array([[0, np.nan], [0, 0]]), "finite"),
        (np.array([[0, -0.5], [0, 0]]), r"probabilities in \[0, 1\], found -0.5"),
        (np.array([[0, 2.0], [0, 0]]), r"probabilities in \[0, 1\], found 0 to 2"),
        (np.zeros((0, 0)), "shape"),
    ],
)
def test_what_is_no_graph_is_refused(graph, message):
    for figure in (draw.graph_matrix, draw.graph_arrows):
        with pytest.raises(ValueError, match=message):
            figure(graph)


def test_graph_figures_refuse():
    image = some_images(1)
    with pytest.raises(ValueError, match=r"node must lie in 0\.\.3, found 4"):
        draw.graph_over_image(image, np.eye(4), (2, 2), 4)
    with pytest.raises(ValueError, match=r"\(rows, columns\) of 4 nodes, found \(2, 3\)"):
        draw.graph_over_image(image, np.eye(4), (2, 3), 0)
    with pytest.raises(ValueError, match="expected one image, found 2"):
        draw.graph_over_image(some_images(2), np.eye(4), (2, 2), 0)
    with pytest.raises(ValueError, match=r"threshold must lie in \(0, 1\], found 0"):
        draw.graph_matrix(np.eye(4), 0)
    with pytest.raises(ValueError, match="top_k must be at least 1"):
        draw.graph_arrows(np.eye(4), top_k=0)
    with pytest.raises(ValueError, match="expected 4 names, found 3"):
        draw.graph_arrows(np.eye(4), ["a", "b", "c"])
    with pytest.raises(ValueError, match=r"set_nodes must be booleans of shape \(4,\)"):
        draw.graph_matrix(np.eye(4), set_nodes=[0, 1, 0, 1])


# Images, codes, curves ---------------------------------------------------------------------------


def first_image(figure: Figure) -> np.ndarray:
    return np.asarray(figure.axes[0].images[0].get_array())


def test_floats_with_channels_first_and_bytes_with_channels_last_are_one_picture():
    images = some_images(2)
    floats = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    one, two = (draw.reconstructions(i, i) for i in (images, floats.requires_grad_()))
    assert np.allclose(first_image(one), first_image(two))
    grey = draw.reconstructions(floats[:, :1], images[..., :1])
    assert first_image(grey).shape == (16, 16, 3)


def test_images_on_a_scale_of_their_own_are_refused_with_a_hint():
    images = torch.rand(2, 3, 8, 8) * 2 - 1
    with pytest.raises(
        ValueError, match=r"\[0, 1\], found .* in \[-1, 1\] pass \(images \+ 1\) / 2"
    ):
        draw.reconstructions(images, images)
    with pytest.raises(ValueError, match=r"\[0, 1\], found 0\.00 to 255\.00$"):
        draw.reconstructions(np.full((1, 3, 8, 8), [[[[0.0]], [[9.0]], [[255.0]]]]), images)


def test_what_is_no_image_is_refused():
    good = some_images(2)
    with pytest.raises(TypeError, match="images must be float or uint8, found int64"):
        draw.reconstructions(good.astype(np.int64), good)
    with pytest.raises(ValueError, match="1 or 3 channels"):
        draw.reconstructions(good / 255.0, good)  # floats with channels last
    with pytest.raises(ValueError, match=r"found shape \(16, 16, 3\)"):
        draw.reconstructions(good[0], good)
    with pytest.raises(ValueError, match="recons must have the shape"):
        draw.reconstructions(good, some_images(3))
    with pytest.raises(ValueError, match="finite"):
        draw.reconstructions(np.full((1, 3, 4, 4), np.nan), good)


def test_a_code_map_shows_rows_and_columns_of_the_grid():
    codes = np.arange(6).reshape(1, 6, 1)
    axes = draw.code_maps(codes, (2, 3), some_images(1)).axes[1]
    assert np.asarray(axes.images[0].get_array()).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert {t.get_position(): t.get_text() for t in axes.texts}[(2, 1)] == "5"


def test_code_maps_refuse():
    images = some_images(1)
    with pytest.raises(TypeError, match="codes must be integers, found float64"):
        draw.code_maps(np.zeros((1, 4, 1)), (2, 2), images)
    with pytest.raises(ValueError, match="codes must not be negative, found -1"):
        draw.code_maps(np.full((1, 4, 1), -1), (2, 2), images)
    with pytest.raises(ValueError, match="as many images as codes, found 1 and 2"):
        draw.code_maps(np.zeros((2, 4, 1), int), (2, 2), images)


def test_the_difference_of_a_perfect_intervention_is_black():
    x, y = some_images(1), some_images(1)[:, ::-1]
    axes = draw.before_after(x, y, y, ["flip"]).axes
    assert not np.asarray(axes[3].images[0].get_array()).any()
    assert axes[0].get_ylabel() == "flip"


def test_figures_of_actions_refuse_the_wrong_number_of_names():
    images = some_images(2)
    with pytest.raises(ValueError, match="expected 2 action names, found 1"):
        draw.before_after(images, images, images, ["a"])
    with pytest.raises(ValueError, match="expected 3 action names, found 2"):
        draw.effects_masks(np.zeros((3, 4)), (2, 2), ["a", "b"])
    with pytest.raises(ValueError, match="expected 2 action names, found 3"):
        draw.confusion(np.eye(2, dtype=int), ["a", "b", "c"])


def test_masks_refuse():
    with pytest.raises(ValueError, match=r"true_change must have shape \(2, 4\), found \(2, 3\)"):
        draw.effects_masks(np.zeros((2, 4)), (2, 2), ["a", "b"], np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"mask must be probabilities in \[0, 1\]"):
        draw.effects_masks(np.full((1, 4), 7.0), (2, 2), ["a"])


def test_effects_masks_of_many_actions_wrap_and_keep_opposites_in_one_column():
    names = [f"{sign}{f}" for sign in "+-" for f in range(23)]
    mask = np.repeat(np.linspace(0, 1, 46)[:, None], 4, axis=1)
    picture = draw.effects_masks(mask, (2, 2), names)
    places = {}
    for axes in picture.axes:
        if axes.get_title():
            where = axes.get_subplotspec()
            places[axes.get_title()] = (where.rowspan.start, where.colspan.start)
            shown = float(axes.images[0].get_array().mean())
            assert shown == pytest.approx(mask[names.index(axes.get_title()), 0])
    assert list(places) == names
    assert {column for _, column in places.values()} == set(range(12))
    for f in range(23):
        assert places[f"-{f}"] == (places[f"+{f}"][0] + 2, places[f"+{f}"][1])


def test_confusion_writes_percent_of_the_row():
    axes = draw.confusion(np.array([[3, 1], [0, 0]]), ["a", "b"]).axes[0]
    assert {t.get_position(): t.get_text() for t in axes.texts} == {(0, 0): "75", (1, 0): "25"}
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a (4)", "b (0)"]
    assert "named action" in axes.get_xlabel()
    folded = draw.confusion(np.array([[3, 1], [0, 2]]), ["a", "b"], "factor")
    assert folded.axes[0].get_ylabel().startswith("true factor")
    assert "5 of 6 factors named right" in folded.get_suptitle()
    with pytest.raises(ValueError, match=r"counts must have shape \(A, A\), found \(2, 3\)"):
        draw.confusion(np.zeros((2, 3), int), ["a", "b"])
    with pytest.raises(ValueError, match="counts must be integers of at least 0"):
        draw.confusion(np.eye(2), ["a", "b"])


def test_curves_skip_what_is_empty_or_not_finite():
    titles = [axes.get_title() for axes in drawn("curves")[0].axes if axes.get_title()]
    assert titles == [
        "loss\nlast 0.00249",
        "PSNR (dB)\nlast 21.5",
        "loss (nats per image)\nlast 7",
        "negative log-likelihood (nats)\nlast 37.2",
    ]
    with pytest.raises(ValueError, match="no numbers of a known phase"):
        draw.training_curves([{"phase": "warm-up", "step": 1, "loss": 2}])
