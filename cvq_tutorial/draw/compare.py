"""Graphs against each other: the difference of two, the stability of several, truth and learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.patches import Patch
from numpy.typing import NDArray

from cvq_tutorial.common.arrays import EDGE_AT, as_array, as_probabilities, check_threshold
from cvq_tutorial.common.checks import whole_number
from cvq_tutorial.draw.heatmaps import WHITE_TO_BLUE, cell_lines
from cvq_tutorial.draw.parts import (
    box,
    framed,
    hatched,
    key,
    labels_of,
    name_nodes,
    names_of,
    write_cells,
)
from cvq_tutorial.draw.style import BLUE, GREY, INK, ORANGE, ORIENTATION, Picture, label, styled
from cvq_tutorial.graphs.difference import GraphDifference, stability
from cvq_tutorial.graphs.graph import CausalGraph
from cvq_tutorial.graphs.scores import graph_recovery

# Both ends dark, the middle white: a sign is told by hue and by a mark, its size by lightness.
ORANGE_TO_BLUE = LinearSegmentedColormap.from_list(
    "signed", ["#7a3300", ORANGE, "#ffffff", "#4f93ba", "#003a5c"]
)


@styled
def graph_difference(
    difference: GraphDifference, labels: Sequence[str] | None = None, top_k: int = 12
) -> Picture:
    """What two graphs of the same nodes do not share: as a matrix, and the edges that differ most.

    difference: of `CausalGraph.difference`.
    labels: two names of the graphs; their actions if None.
    top_k: at most so many edges in the list at the right.
    Blue is likelier in the first, orange in the second. A "+" stands where an edge is in the first
    graph alone, a "-" where it is in the second alone, each at its own threshold.
    """
    first, second = difference.first, difference.second
    default = [first.action or "no action", second.action or "no action"]
    if labels is None and default[0] == default[1]:
        default = ["first", "second"]
    one, two = labels_of(labels or default, 2, "labels", longest=24)
    names = labels_of(first.names, first.n_nodes, "names", longest=20)
    values, n_nodes = difference.edges, first.n_nodes
    gained, lost = difference.only_first, difference.only_second
    listed = difference.largest(whole_number("top_k", top_k))

    figure = Picture(10.2, 5.6)
    axes, bars = figure.subplots(1, 2, width_ratios=[1.25, 1])
    heat = axes.imshow(values, vmin=-1, vmax=1, cmap=ORANGE_TO_BLUE)
    size = float(np.clip(150 / n_nodes, 1.6, 9))
    for mask, marker in ((gained, "+"), (lost, "_")):
        rows, columns = np.nonzero(mask)
        dark = np.abs(values[rows, columns]) > 0.45
        for shade, which in (("white", dark), (INK, ~dark)):
            axes.plot(
                columns[which], rows[which], marker, color=shade, markersize=size,
                markeredgewidth=max(0.6, size / 7), linestyle="none",
            )  # fmt: skip
    name_nodes(axes, names)
    axes.tick_params(labelsize=7.5)
    figure.colorbar(
        heat, ax=axes, location="left", shrink=0.7, ticks=[-1, -0.5, 0, 0.5, 1],
        label=f"probability in {one} minus in {two}",
    )  # fmt: skip

    for place, (_, _, change) in enumerate(listed):
        bars.barh(place, change, color=BLUE if change > 0 else ORANGE, height=0.66)
        bars.text(
            change, place, f" {change:+.2f} ", fontsize=7.5, va="center",
            ha="left" if change > 0 else "right",
        )  # fmt: skip
    bars.axvline(0, color=INK, linewidth=0.8)
    bars.set(xlim=(-1.35, 1.35), ylim=(top_k - 0.4, -0.6), xlabel="difference of probability")
    bars.set_xticks([-1, 0, 1], ["-1", "0", "+1"])
    shorter = [label(name, 16) for name in first.names]
    bars.set_yticks(range(len(listed)), [f"{shorter[i]} -> {shorter[j]}" for i, j, _ in listed])
    bars.tick_params(axis="y", labelsize=7.5, length=0)

    n_first, n_second = int(gained.sum()), int(lost.sum())
    shared, all_differ = int(difference.both.sum()), int((values != 0).sum())
    thresholds = f"thresholds {first.limit:.2f} and {second.limit:.2f}"
    if first.limit == second.limit:
        thresholds = f"threshold {first.limit:.2f}"
    figure.suptitle(f"Difference of two graphs: {one} and {two}")
    axes.set_title(f"{ORIENTATION}; {thresholds}", fontsize=8)
    bars.set_title(f"{len(listed)} of {all_differ} edges shown: those that differ most", fontsize=8)
    mark: dict[str, Any] = {"linestyle": "none", "markeredgewidth": 1.6, "markersize": 9}
    handles = [
        key(f"only in {one}: {n_first}", marker="+", color=BLUE, **mark),
        key(f"only in {two}: {n_second}", marker="_", color=ORANGE, **mark),
        key(f"in both, no mark: {shared}", linestyle="none"),
    ]
    figure.legend_below(handles, ncols=3)
    most = ", ".join(f"{names[i]} -> {names[j]} {change:+.2f}" for i, j, change in listed[:3])
    return figure.saying(
        f"Graph of {one} minus graph of {two} ({ORIENTATION}), {n_nodes} nodes, {thresholds}: "
        f"{n_first} edges only in {one}, {n_second} only in {two}, {shared} in both; "
        f"{len(listed)} of {all_differ} differences listed"
        + (f", the largest {most}." if most else ".")
    )


@styled
def graph_stability(
    graphs: Sequence[CausalGraph], threshold: float | None = None, title: str = "Stability"
) -> Picture:
    """In how many graphs (one per seed, say) each edge is found, beside what chance would do.

    graphs: at least two, of the same nodes.  threshold: in (0, 1]; each graph's own limit if None.
    Only edges into nodes that some graph sets are counted. The bars count edges by the number of
    graphs that have them; the diamonds are what as many edges strewn at random would give, were
    each graph to keep its number of causes of each node and draw which ones. Edges that all graphs
    share mean something only as far as they are more than that.
    """
    shares = stability(graphs, threshold)
    seeds, n_nodes = len(list(graphs)), shares.n_nodes
    limits = sorted({check_threshold(g.limit if threshold is None else threshold) for g in graphs})
    is_set = np.any([g.set_nodes for g in graphs], axis=0)
    times = np.rint(shares.edges * seeds).astype(int)
    counted = np.bincount(times[:, is_set].ravel(), minlength=seeds + 1)
    chance = _by_chance([g.edges >= (threshold or g.limit) for g in graphs], is_set)
    names = labels_of(shares.names, n_nodes, "names", longest=20)

    figure = Picture(10.2, 5.2, title)
    axes, bars = figure.subplots(1, 2, width_ratios=[1.25, 1])
    steps = ListedColormap(WHITE_TO_BLUE(np.linspace(0, 1, seeds + 1)))
    heat = axes.imshow(np.where(is_set[None, :], times, 0), cmap=steps, vmin=-0.5, vmax=seeds + 0.5)
    for column in np.flatnonzero(~is_set):
        hatched(axes, column - 0.5, -0.5, 1, n_nodes, "#c4c4c4")
    if n_nodes <= 24:
        texts = np.where((times > 0) & is_set, times.astype(str), "")
        write_cells(axes, texts, times > 0.55 * seeds, 6.5)
    name_nodes(axes, names)
    axes.tick_params(labelsize=7.5)
    ticks = np.unique(np.linspace(0, seeds, min(seeds, 6) + 1).round().astype(int))
    figure.colorbar(
        heat, ax=axes, location="left", shrink=0.7, ticks=ticks,
        label=f"graphs that have the edge, of {seeds}",
    )  # fmt: skip

    places = np.arange(1, seeds + 1)
    bars.bar(places, counted[1:], color=BLUE, width=0.62, label="found")
    bars.plot(
        places, chance[1:], "D", color=ORANGE, markeredgecolor="white", markersize=8,
        label="as many edges at random",
    )  # fmt: skip
    top = max(1.0, float(counted[1:].max(initial=0)), float(chance[1:].max(initial=0)))
    for place, n, expected in zip(places, counted[1:], chance[1:], strict=True):
        if seeds <= 12:
            over = max(n, expected) + 0.03 * top
            bars.text(place, over, str(n), ha="center", va="bottom", fontsize=8)
    bars.set(xlabel=f"in how many of the {seeds} graphs", ylabel="edges", ylim=(0, 1.2 * top))
    bars.set_xticks(places if seeds <= 12 else ticks[1:])
    bars.legend(loc="upper center", ncols=2)
    union, all_have = int(counted[1:].sum()), int(counted[-1])
    at = " to ".join(dict.fromkeys(f"{limit:.2f}" for limit in (limits[0], limits[-1])))
    axes.set_title(
        f"{ORIENTATION}; threshold {at}\n{union} of {union} edges shown, {all_have} of them in all "
        f"{seeds} graphs" + ("; hatched: never set" if not is_set.all() else ""),
        fontsize=8,
    )
    return figure.saying(
        f"{title} of the edges of {seeds} graphs ({ORIENTATION}), {n_nodes} nodes; {union} of "
        f"{union} edges shown, threshold {at}: {union} are in at least one graph, {all_have} in "
        f"all of them, where as many edges at random would give {chance[-1]:.1f}."
    )


def _by_chance(
    present: Sequence[NDArray[np.bool_]], is_set: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(S + 1,) expected edges in 0..S graphs, were the causes of each node drawn at random."""
    rates = np.array([edges.mean(axis=0) for edges in present])[:, is_set]  # (S, set nodes)
    times = np.zeros((len(present) + 1, rates.shape[1]))
    times[0] = 1.0
    for rate in rates:  # the distribution of a sum of coins
        times[1:] = times[1:] * (1 - rate) + times[:-1] * rate
        times[0] *= 1 - rate
    return times.sum(axis=1) * len(is_set)


@styled
def truth_and_learned(
    learned: Any,
    truth: Any,
    targets: Any,
    action_names: Sequence[str],
    threshold: float = EDGE_AT,
    names: Sequence[str] | None = None,
) -> Picture:
    """The graphs of every action against the known ones, as small matrices.

    learned: (A, N, N) probabilities, or A CausalGraphs; truth: booleans (A, N, N).
    targets: booleans (A, N), nodes that the action truly sets; only edges into these are judged,
        the other columns are grey.
    action_names: A names; names: N node names.
    Right: a full blue square. Extra: an orange cross. Missed: an empty square.
    """
    learned = list(learned)
    prob = as_probabilities(np.stack([as_array(g) for g in learned]), "learned", (None, None, None))
    n_actions, n_nodes = prob.shape[:2]
    known = as_probabilities(truth, "truth", (n_actions, n_nodes, n_nodes)) > 0
    judged = as_probabilities(targets, "targets", (n_actions, n_nodes)) > 0
    limit = check_threshold(threshold)
    actions = labels_of(action_names, n_actions, "action names", longest=20)
    nodes = labels_of(names_of(learned[0], names), n_nodes, "names", longest=8)
    found = (prob >= limit) & judged[:, None, :]
    known = known & judged[:, None, :]
    scores = graph_recovery(prob, known, judged, limit)
    roles = {"right": found & known, "extra": found & ~known, "missed": known & ~found}
    looks: dict[str, dict[str, Any]] = {
        "right": {"marker": "s", "color": BLUE},
        "extra": {"marker": "X", "color": ORANGE},
        "missed": {"marker": "s", "mfc": "white", "mec": INK},
    }

    columns = min(4, n_actions)
    rows = -(-n_actions // columns)
    panel = {1: 5.0, 2: 3.4}.get(columns, 2.3)  # inches
    figure = Picture(0.9 + panel * columns, 1.25 + (panel + 0.15) * rows)
    axes = figure.subplots(rows, columns, squeeze=False)
    for cell in axes.ravel()[n_actions:]:
        cell.set_axis_off()
    side = (panel - 0.3) * 72 / n_nodes * 0.68
    step = 1 if n_nodes <= 16 else -(-n_nodes // 40) * 5
    at = np.arange(0, n_nodes, step)
    for a in range(n_actions):
        cell = axes[a // columns, a % columns]
        for j in np.flatnonzero(~judged[a]):
            box(cell, j - 0.5, -0.5, 1, n_nodes, color="#ececec", lw=0)
        cell_lines(cell, n_nodes, color="#dcdcdc", linewidth=0.4)
        cell.set_axisbelow(False)
        cell.tick_params(which="both", labelsize=6.5)
        for role, mask in roles.items():
            causes, effects = np.nonzero(mask[a])
            size = {"markersize": side * 0.9, "mew": 1.2} if role == "missed" else {"ms": side}
            cell.plot(effects, causes, linestyle="none", zorder=4, **looks[role], **size)
        cell.set(xlim=(-0.5, n_nodes - 0.5), ylim=(n_nodes - 0.5, -0.5), aspect="equal")
        cell.set_xticks(at, [nodes[i] for i in at], rotation=90 if n_nodes > 10 else 0)
        cell.set_yticks(at, [nodes[i] for i in at])
        framed(cell)
        wrong = int((found[a] != known[a]).sum())
        cell.set_title(f"{actions[a]}: {f'{wrong} wrong' if wrong else 'all right'}", fontsize=8.5)
        if a % columns == 0:
            cell.set_ylabel("cause i (row)", fontsize=8)
        if a + columns >= n_actions:
            cell.set_xlabel("effect j (column)", fontsize=8)
    counts = {role: int(mask.sum()) for role, mask in roles.items()}
    handles: list[Any] = [
        key(f"{role}: {n}", linestyle="none", markersize=8, **looks[role])
        for role, n in counts.items()
    ]
    handles.append(
        Patch(facecolor="#ececec", edgecolor=GREY, lw=0.5, label="not set by the action")
    )
    shown = counts["right"] + counts["extra"]
    figure.legend_below(handles, ncols=4)
    told = f"F1 {scores['edge_f1']:.2f}, AUROC {scores['edge_auroc']:.3f}, {scores['shd']} wrong"
    figure.suptitle(
        f"Learned graphs against the truth: {told}\n{ORIENTATION}; {shown} of {shown} edges shown, "
        f"threshold {limit:.2f}",
        fontsize=9.5,
    )
    return figure.saying(
        f"Graphs of {n_actions} actions on {n_nodes} nodes against the known ones ({ORIENTATION}); "
        f"{shown} of {shown} edges shown, threshold {limit:.2f}: "
        + ", ".join(f"{n} {role}" for role, n in counts.items())
        + f"; {told}."
    )
