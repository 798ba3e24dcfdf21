"""Pictures of graphs and effects: honest, legible without colour, bounded, always the same."""

from __future__ import annotations

import io
import re
import warnings

import networkx as nx
import numpy as np
import pytest
import torch
from figure_cases import ACTIONS, CASES, GRAPHS, drawn, graph_of, known, snapshots
from figure_parts import legend_of, some_graph, some_images, visible_texts
from matplotlib import pyplot
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from PIL import Image

from cvq_tutorial import draw
from cvq_tutorial.draw import style as picture
from cvq_tutorial.draw.compare import ORANGE_TO_BLUE, _by_chance
from cvq_tutorial.draw.effects import cells_of
from cvq_tutorial.draw.layers import MOST_LAYERS, _increasing, layers_of
from cvq_tutorial.graphs.difference import stability
from cvq_tutorial.graphs.graph import CausalGraph

# Every figure ------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", GRAPHS)
def test_a_graph_states_orientation_threshold_and_how_many_edges_are_shown(case):
    figure = drawn(case)[0]
    shown = " ".join(text.get_text() for text in visible_texts(figure))
    for told in (shown, figure.summary):
        assert "row = cause, column = effect" in told
        assert re.search(r"threshold[s]? \d\.\d\d", told)
        assert re.search(r"\d+ of \d+ (edges shown|differences listed)", told)


def test_a_picture_is_the_same_every_time_also_as_svg():
    one, two = CASES["layers"](), CASES["layers"]()
    assert draw.png(one) == draw.png(two) and draw.svg(one) == draw.svg(two)
    text = draw.svg(one).decode()
    assert one.summary.split(";")[0].replace(">", "&gt;") in text and "<dc:date>" not in text


def test_save_as_svg(tmp_path):
    path = draw.save(drawn("layers")[0], tmp_path / "g.svg")
    assert path.read_bytes().startswith(b"<?xml")
    with pytest.raises(ValueError, match=r"saved as \.png or \.svg, found 'g\.gif'"):
        draw.save(drawn("layers")[0], tmp_path / "g.gif")


def test_names_from_outside_are_made_drawable():
    assert picture.label("two\nlines \t of $x$") == r"two lines of \$x\$"
    assert picture.label("\u65e5\u672c a \u00fc \u03b1") == "?? a \u00fc \u03b1"
    assert picture.label("x" * 50) == "x" * 37 + "..."
    assert len(picture.label("y" * 50, 10)) == 10


# Layers ------------------------------------------------------------------------------------------


def boxes_of(figure) -> dict[str, FancyBboxPatch]:
    """Text -> the box around it."""
    axes = figure.axes[0]
    boxes = [p for p in axes.patches if isinstance(p, FancyBboxPatch)]
    texts = [t for t in axes.texts if t.get_text()]
    return {t.get_text(): b for t, b in zip(texts, boxes, strict=True)}


def arrows_of(figure) -> list[FancyArrowPatch]:
    return [p for p in figure.axes[0].patches if type(p) is FancyArrowPatch]


def ends_of(arrow: FancyArrowPatch) -> tuple[np.ndarray, np.ndarray]:
    vertices = line_of(arrow)
    return vertices[0], vertices[-1]


def line_of(arrow: FancyArrowPatch) -> np.ndarray:
    """Points of the line of an arrow, without those of its head, which are a path of their own."""
    path = arrow.get_path()
    parts = np.flatnonzero(path.codes == path.MOVETO)
    return path.vertices[: parts[1]] if len(parts) > 1 else path.vertices


def test_the_cause_stands_left_of_its_effect_and_the_arrow_points_to_it():
    figure = draw.graph_layers([[0.0, 1.0], [0.0, 0.0]], ["cause", "effect"])
    boxes, [arrow] = boxes_of(figure), arrows_of(figure)
    left, right = boxes["cause"], boxes["effect"]
    start, end = ends_of(arrow)
    assert left.get_x() + left.get_width() <= right.get_x()
    assert start[0] == pytest.approx(left.get_x() + left.get_width())
    tip = end[0]  # of the outline: the pointed corner of its line reaches further
    assert right.get_x() - 0.06 < tip < right.get_x()
    assert arrow.get_arrowstyle().__class__.__name__ == "CurveFilledB", "the head is at the end"


def test_an_edge_that_closes_a_cycle_runs_back_and_is_dashed_and_its_nodes_are_marked():
    figure = draw.graph_layers(np.roll(np.eye(3), 1, axis=1), ["a", "b", "c"])
    dashed = [a for a in arrows_of(figure) if a.get_linestyle() not in ("-", "solid")]
    [back] = dashed
    start, end = ends_of(back)
    assert start[0] > end[0] and len(arrows_of(figure)) == 3
    assert {box.get_linewidth() for box in boxes_of(figure).values()} == {2.4}
    assert legend_of(figure)[1:4] == [
        "closes a cycle: 1",
        "own edge (arc): 0",
        "on a cycle: 3 nodes",
    ]
    assert back.get_edgecolor()[:3] != arrows_of(figure)[0].get_edgecolor()[:3]


def test_opposite_edges_are_two_arrows_with_ends_of_their_own():
    figure = draw.graph_layers([[0.0, 1.0], [1.0, 0.0]])
    (start, end), (back, home) = (ends_of(arrow) for arrow in arrows_of(figure))
    assert start[1] != home[1] and end[1] != back[1]


def test_an_own_edge_is_an_arc_outside_its_box():
    figure = draw.graph_layers([[1.0, 1.0], [0.0, 0.0]], ["a", "b"])
    [loop] = [a for a in arrows_of(figure) if a.get_gid() == "self-loop"]
    box = boxes_of(figure)["a"]
    heights = line_of(loop)[:, 1]
    assert heights.min() < box.get_y() - 0.1, "y runs downwards"
    assert "own edge (arc): 1" in legend_of(figure)


@pytest.mark.parametrize("seed", range(5))
def test_layers_every_arrow_runs_to_a_later_layer_but_those_that_close_a_cycle(seed):
    present = some_graph(20 + seed) > 0.92
    layout = layers_of(present)
    others = present & ~np.eye(len(present), dtype=bool)
    assert set(layout.routes) == set(map(tuple, np.argwhere(others).tolist()))
    for (i, j), route in layout.routes.items():
        steps = np.diff([layer for layer, _ in route])
        assert (steps == (-1 if layout.closing[i, j] else 1)).all()
        assert route[0] == (layout.depth[i], layout.height[i])
        assert route[-1] == (layout.depth[j], layout.height[j])
    for depth in range(layout.depth.max() + 1):
        heights = np.sort(layout.height[layout.depth == depth])
        assert (np.diff(heights) >= 1 - 1e-9).all(), "boxes of a layer do not overlap"


def test_the_picture_does_not_depend_on_the_order_in_which_edges_came():
    edges = np.argwhere(some_graph(9) > 0.7).tolist()
    pictures = []
    for order in (edges, edges[::-1]):
        graph = nx.DiGraph()
        graph.add_nodes_from(range(9))
        graph.add_edges_from(order)
        pictures.append(draw.png(draw.graph_layers(graph)))
    assert pictures[0] == pictures[1]


def test_crossings_that_can_be_avoided_are():
    graph = np.zeros((8, 8))
    for i in range(4):
        graph[i, 7 - i] = 1.0  # in the order of their numbers all would cross
    layout = layers_of(graph > 0)
    left, right = layout.height[:4], layout.height[4:][::-1]
    assert np.allclose(left, right), "all four are level"


def test_pool_adjacent_violators():
    assert _increasing(np.array([3.0, 1.0, 2.0])).tolist() == [2, 2, 2]
    assert _increasing(np.array([1.0, 3.0, 2.0, 4.0])).tolist() == [1, 2.5, 2.5, 4]


def test_a_graph_too_deep_shows_fewer_edges_and_says_so():
    figure = drawn("layers, a long chain")[0]
    assert f"in {MOST_LAYERS} layers" in figure.summary
    assert f"13 of 40 edges shown, threshold 0.50 (more would make over {MOST_LAYERS}" in (
        figure.summary
    )


@pytest.mark.parametrize("make", [draw.graph_layers, draw.graph_arrows, draw.graph_matrix])
def test_64_nodes_fully_connected_are_not_all_drawn_as_arrows(make):
    figure = make(np.full((64, 64), 0.9))
    shown = re.search(r"(\d+) of 4096 edges shown", figure.summary)
    assert shown, figure.summary
    assert make is draw.graph_matrix or int(shown[1]) <= 200
    assert len(draw.png(figure)) > 1000


def test_1024_nodes_are_drawn():
    graph = some_graph(1024)
    assert "40 of" in draw.graph_layers(graph).summary
    assert "1024 nodes" in draw.graph_matrix(graph).summary


def test_a_matrix_of_more_nodes_than_pixels_is_drawn_in_blocks_and_says_so():
    edges = np.zeros((2050, 2050))
    edges[2049, 5] = edges[2049, 3] = 0.9  # in one cell, and both are counted
    edges[0, 9:12] = 1.0  # into nodes that are not set
    set_by = np.ones(2050)
    set_by[9:12] = 0.0
    figure = draw.graph_matrix(CausalGraph(edges, set_by=set_by))
    cells = figure.axes[0].collections[0].get_array()
    assert cells.shape == (684, 684) and np.argwhere(cells.filled(0) > 0).tolist() == [[683, 1]]
    assert cells.mask[:, 3].all() and cells.mask.sum() == 684
    for text in (figure.summary, figure.axes[0].get_title()):
        assert "2 of 2 edges" in text and "a cell is the likeliest of 3 x 3 edges" in text
    assert "a cell is" not in draw.graph_matrix(np.eye(3)).summary


# A CausalGraph is a graph to every figure --------------------------------------------------------


def test_figures_take_names_and_mask_from_a_causal_graph():
    graph = CausalGraph([[0.9, 0.8], [0.1, 0.7]], ["floor", "wall"], set_by=[0.2, 0.9])
    matrix = draw.graph_matrix(graph)
    labels = [t.get_text() for t in matrix.axes[0].get_xticklabels()]
    assert labels == ["floor", "wall"] and "1 of 1" not in matrix.summary
    assert "2 of 2 edges shown" in matrix.summary, "only those into the wall, which is set"
    strips = [np.asarray(axes.images[0].get_array()) for axes in matrix.axes[0].child_axes]
    assert strips[0].tolist() == [[0.2, 0.9]] and strips[1].tolist() == [[0.2], [0.9]]
    assert set(boxes_of(draw.graph_layers(graph))) == {"floor", "wall"}
    assert "row 0, column 1" in draw.graph_over_image(some_images(1), graph, (1, 2), 1).summary


@pytest.mark.parametrize("make", [draw.graph_layers, draw.graph_matrix, draw.graph_arrows])
def test_what_is_no_graph_is_refused(make):
    with pytest.raises(TypeError, match="must be directed"):
        make(nx.Graph([(0, 1)]))
    with pytest.raises(ValueError, match="finite"):
        make(np.full((2, 2), np.nan))
    with pytest.raises(ValueError, match=r"shape \(N, N\)"):
        make(np.zeros((2, 3)))


def test_refusals():
    graph = graph_of(4)
    with pytest.raises(ValueError, match="top_k must be at least 1"):
        draw.graph_layers(graph, top_k=0)
    with pytest.raises(ValueError, match="expected 2 labels, found 1"):
        draw.graph_difference(graph.difference(graph), ["x"])
    with pytest.raises(ValueError, match="at least two graphs"):
        draw.graph_stability([graph])
    with pytest.raises(ValueError, match="same nodes, found 4 and 5"):
        draw.graph_stability([graph, graph_of(5)])
    learned, truth, targets = known()
    with pytest.raises(ValueError, match=r"truth must have shape \(4, 12, 12\)"):
        draw.truth_and_learned(learned, truth[:, :5], targets, ACTIONS[:4])
    with pytest.raises(ValueError, match="expected 4 action names, found 2"):
        draw.truth_and_learned(learned, truth, targets, ACTIONS[:2])
    images = some_images(2)
    with pytest.raises(ValueError, match="after must have the shape of before"):
        draw.effects_over_images(images, images[:1], np.zeros((2, 4)), (2, 2), ["a", "b"])
    with pytest.raises(ValueError, match=r"mask must have shape \(2, any\)"):
        draw.effects_over_images(images, images, np.zeros((3, 4)), (2, 2), ["a", "b"])


# Effects over images -----------------------------------------------------------------------------


def test_effects_show_the_pixels_that_change_and_how_many_lie_inside():
    before = np.full((1, 8, 8, 3), 100, np.uint8)
    after = before.copy()
    after[0, :4, :6] += 50  # 24 pixels, 16 of them in the first cell
    after[0, 7, 7] += 1  # 1/255 is no change
    mask = np.array([[0.9, 0.1, 0.2, 0.3]])
    figure = draw.effects_over_images(before, after, mask, (2, 2), ["hue+"])
    told = [axes.get_xlabel() for axes in figure.axes]
    assert told == ["", "1 of 4 nodes", "67% inside"]
    pixels = np.asarray(figure.axes[2].images[0].get_array())
    blue = np.abs(pixels - pixels[7, 7]).max(axis=2) > 0.1
    assert blue[:4, :6].all() and blue.sum() == 24
    assert "67% of the pixels that change" in figure.summary


def test_cells_are_where_the_grid_says():
    cells = cells_of(np.arange(6).reshape(2, 3), (4, 6))
    assert cells.tolist() == [[0, 0, 1, 1, 2, 2]] * 2 + [[3, 3, 4, 4, 5, 5]] * 2


# Against each other ------------------------------------------------------------------------------


def test_a_difference_is_centred_and_has_signs():
    one = CausalGraph([[0.9, 0.1], [0.0, 0.7]], action="a")
    two = CausalGraph([[0.1, 0.8], [0.0, 0.7]], action="b")
    axes = draw.graph_difference(one.difference(two)).axes[0]
    heat = axes.images[0]
    assert heat.get_clim() == (-1, 1) and np.allclose(heat.get_array(), [[0.8, -0.7], [0, 0]])
    assert to_rgb(ORANGE_TO_BLUE(0.5)) == pytest.approx((1, 1, 1), abs=0.01)
    marks = {
        line.get_marker(): list(zip(line.get_ydata(), line.get_xdata(), strict=True))
        for line in axes.lines
        if len(line.get_xdata())
    }
    assert marks == {"+": [(0, 0)], "_": [(0, 1)]}, "row = cause, column = effect"


def test_equal_actions_are_told_apart_by_order():
    graph = graph_of(4, action="a")
    assert "Graph of first minus graph of second" in (
        draw.graph_difference(graph.difference(graph_of(4, 1, action="a"))).summary
    )
    none = CausalGraph(np.zeros((4, 4)))
    assert "graph of no action" in draw.graph_difference(graph.difference(none)).summary


def test_stability_counts_and_its_chance_level():
    graphs = [CausalGraph(np.eye(4)), CausalGraph(np.eye(4))]
    figure = draw.graph_stability(graphs)
    heights = [bar.get_height() for bar in figure.axes[1].patches]
    assert heights[:2] == [0, 4]
    diamonds = figure.axes[1].lines[0].get_ydata()
    assert diamonds.tolist() == pytest.approx([16 * 2 * 0.25 * 0.75, 16 * 0.25**2])
    assert "at random would give 1.0" in figure.summary


def test_the_chance_level_agrees_with_drawing_edges():
    rng = np.random.default_rng(0)
    present = [rng.random((6, 6)) < density for density in (0.2, 0.5, 0.8)]
    is_set = np.array([True, True, False, True, True, True])
    counts = np.zeros(4)
    for _ in range(400):
        shuffled = [rng.permuted(edges, axis=0) for edges in present]
        times = np.sum(shuffled, axis=0)[:, is_set]
        counts += np.bincount(times.ravel(), minlength=4) / 400
    assert np.allclose(_by_chance(present, is_set), counts, atol=0.5)


def test_stability_uses_the_threshold_given_or_each_graphs_own():
    graphs = [CausalGraph(np.full((3, 3), 0.4), limit=limit) for limit in (0.3, 0.5)]
    assert stability(graphs).edges.max() == 0.5
    assert "threshold 0.30 to 0.50" in draw.graph_stability(graphs).summary
    assert "9 in all of them" in draw.graph_stability(graphs, 0.4).summary


def test_truth_and_learned_marks_right_extra_and_missed_in_their_cells():
    truth = np.zeros((1, 3, 3), bool)
    truth[0, 0, 1] = truth[0, 2, 1] = True
    learned = np.zeros((1, 3, 3))
    learned[0, 0, 1] = learned[0, 1, 1] = learned[0, 1, 2] = 1.0  # the last: not a target
    figure = draw.truth_and_learned(learned, truth, np.array([[False, True, False]]), ["a0"])
    marks = [(line.get_marker(), line.get_ydata()[0], line.get_xdata()[0])
             for line in figure.axes[0].lines]  # fmt: skip
    assert marks == [("s", 0, 1), ("X", 1, 1), ("s", 2, 1)]
    assert legend_of(figure)[:3] == ["right: 1", "extra: 1", "missed: 1"]
    assert "1 right, 1 extra, 1 missed" in figure.summary
    graphs = [CausalGraph(learned[0], ["x", "y", "z"])]
    named = draw.truth_and_learned(graphs, truth, np.array([[False, True, False]]), ["a0"])
    assert [t.get_text() for t in named.axes[0].get_xticklabels()] == ["x", "y", "z"]


# Through training --------------------------------------------------------------------------------


def test_an_animation_plays_in_a_notebook_and_has_a_frame_per_snapshot(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        moving = draw.training_animation(
            snapshots(16, grid=(4, 4)), some_images(1), seconds=2.7, dpi=50
        )
    image = Image.open(io.BytesIO(moving.gif))
    assert image.n_frames == 9 and image.info["loop"] == 0
    times, first = [], np.asarray(image.convert("RGB")).astype(int)
    for frame in range(9):
        image.seek(frame)
        times.append(image.info["duration"])
    assert times == [300] * 8 + [2100]
    last = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(first - last).max() > 100 and (last[0, 0] == 255).all()
    assert "9 frames" in moving.summary and "row = cause" in moving.summary
    assert set(moving._repr_mimebundle_()) == {"image/gif", "text/plain"}
    assert moving.save(tmp_path / "a.gif").read_bytes() == moving.gif
    assert len(moving.gif) < 300_000 and pyplot.get_fignums() == []
    with pytest.raises(ValueError, match=r"saved as \.gif, found 'a\.png'"):
        moving.save(tmp_path / "a.png")


def test_an_animation_without_a_grid_and_of_one_frame():
    assert Image.open(io.BytesIO(draw.training_animation(snapshots(5)[:1], dpi=40).gif)).size


def test_a_strip_shows_the_first_and_the_last_step():
    figure = drawn("strip, no grid")[0]
    titles = [axes.get_title() for axes in figure.axes[:3]]
    assert titles == ["step 10", "step 55", "step 100"]
    assert "3 of 9 snapshots" in figure.summary


def test_snapshots_are_checked():
    taken = snapshots(4, grid=(2, 2))
    for make in (draw.training_strip, draw.training_animation):
        with pytest.raises(ValueError, match="at least one snapshot, found none"):
            make([])
        with pytest.raises(ValueError, match="in the order of steps, found 10 after 100"):
            make([taken[-1], taken[0]])
        with pytest.raises(ValueError, match="expected graphs of 4 nodes, found 5"):
            make([taken[0], (200, graph_of(5))])
        with pytest.raises(ValueError, match="needs set_by"):
            make([(0, CausalGraph(np.eye(2)))])
        with pytest.raises(ValueError, match="without a grid cannot be drawn over an image"):
            make(snapshots(4), some_images(1))
    with pytest.raises(ValueError, match=r"seconds must lie in \(0, 600\]"):
        draw.training_animation(taken, seconds=0)


# Without colour, and without red or green --------------------------------------------------------

# Deuteranopia, full severity, on linear RGB (Machado, Oliveira and Fernandes 2009).
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
)


def linear(rgb: np.ndarray) -> np.ndarray:
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lightness(rgb: np.ndarray, seen: np.ndarray | None = None) -> np.ndarray:
    """CIE L* (0 to 100) of sRGB colours (..., 3) in [0, 1], as seen through a matrix."""
    light = linear(np.asarray(rgb, dtype=float))
    light = light if seen is None else (light @ seen.T).clip(0, 1)
    y = light @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(y > 0.008856, 116 * np.cbrt(y) - 16, 903.3 * y)


def contrast(a: str, b: str) -> float:
    one, two = sorted(linear(np.array(to_rgb(c))) @ [0.2126, 0.7152, 0.0722] for c in (a, b))
    return (two + 0.05) / (one + 0.05)


@pytest.mark.parametrize("seen", [None, DEUTERANOPIA], ids=["grey", "deuteranopia"])
def test_the_two_arrow_colours_differ_in_lightness(seen):
    blue, orange = (lightness(to_rgb(c), seen) for c in (picture.BLUE, picture.ORANGE))
    assert orange - blue > 20
    assert lightness(np.ones(3), seen) - orange > 30, "both stand out from white"


def test_arrows_can_be_read_on_white():
    assert contrast(picture.BLUE, "white") > 4.5 and contrast(picture.ORANGE, "white") > 3
    assert contrast("white", "black") == pytest.approx(21)


@pytest.mark.parametrize("seen", [None, DEUTERANOPIA], ids=["grey", "deuteranopia"])
@pytest.mark.parametrize("case", ["layers, a full graph", "effects", "truth"])
def test_three_key_figures_tell_blue_from_orange_without_hue(case, seen):
    pixels = np.asarray(Image.open(io.BytesIO(drawn(case)[1])).convert("RGB")) / 255
    found = []
    for color in (picture.BLUE, picture.ORANGE):
        # the colour itself, or on a pale ground up to a quarter of white mixed in
        near = np.abs(pixels - to_rgb(color)).max(axis=2) < 0.12
        assert near.sum() > 50, f"no {color} in the picture"
        found.append(lightness(pixels[near], seen))
    assert np.median(found[1]) - np.median(found[0]) > 15
    low = np.percentile(found[1], 10) - np.percentile(found[0], 90)
    assert low > 5, "nearly all pixels of the one are darker than nearly all of the other"


def test_the_signed_colours_are_equally_dark_at_both_ends():
    ends = lightness(np.array([to_rgb(ORANGE_TO_BLUE(0.0)), to_rgb(ORANGE_TO_BLUE(1.0))]))
    assert abs(ends[0] - ends[1]) < 12 and ends.max() < 35
    for side in (np.linspace(0, 0.5, 20), np.linspace(1, 0.5, 20)):
        assert (np.diff(lightness(ORANGE_TO_BLUE(side)[:, :3])) > 0).all(), "paler towards zero"


def test_tensors_with_gradient_can_be_drawn():
    graph = torch.rand(4, 4, requires_grad=True)
    assert draw.graph_layers(graph).summary
    mask = torch.rand(1, 4, requires_grad=True)
    image = torch.rand(1, 3, 8, 8, requires_grad=True)
    assert draw.effects_over_images(image, image, mask, (2, 2), ["a"]).summary


def test_rows_of_b_say_the_rank_of_what_they_change():
    figure = draw.row_arrows(
        {"a source": ([0, 1], [0, 2]), "a child": ([1, -1], [2, 0])}, title="T"
    )
    assert [axes.get_title() for axes in figure.axes] == ["a source\nrank 1", "a child\nrank 2"]
    assert "a child: b = (1, -1), c = (2, 0), rank 2" in figure.summary
    with pytest.raises(ValueError, match="changes: expected at least one"):
        draw.row_arrows({})
    with pytest.raises(ValueError, match="a"):
        draw.row_arrows({"a": ([1, 2, 3], [1, 2, 3])})


def test_pairs_call_their_rows_as_they_are_told():
    figure = draw.pairs(some_images(2), some_images(2), ["a", "b"], ["", "other"])
    told = [t.get_text() for axes in figure.axes for t in [*axes.texts, axes.yaxis.label]]
    assert "x" in told and "y" in told and figure.summary.endswith("a, b (other)")
    figure = draw.pairs(some_images(1), some_images(1), ["a"], [""], rows=("before", "after"))
    told = [t.get_text() for axes in figure.axes for t in [*axes.texts, axes.yaxis.label]]
    assert "before" in told and "after" in told
