"""The whole method in one picture: an image, its codes, do(action), and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from cvq_tutorial.common.arrays import (
    EDGE_AT,
    as_graph,
    as_images,
    as_probabilities,
    check_grid,
    check_threshold,
    checked,
)
from cvq_tutorial.common.checks import whole_number
from cvq_tutorial.draw.arrows import add_arrow, line_style, strength_of
from cvq_tutorial.draw.effects import mask_over, paled
from cvq_tutorial.draw.parts import box, code_cells, labels_of, tile
from cvq_tutorial.draw.style import BLUE, INK, ORANGE, ORIENTATION, Picture, styled


def overview(model: Any, x: Any, action: str | int, y: Any) -> Picture:
    """`method_overview` of a CausalVQ: do(action) on the image x, beside the true image y.

    model: with an autoencoder.  x, y: one image (1, 3, H, W) in [0, 1] each.  action: name or
    number.
    """
    number = int(model.check_actions(action, 1)[0])
    done, named = model.intervene_and_retrieve(x, number, y)
    return method_overview(
        x, done.codes_before, done.mask[0].amax(-1), done.edges[0], done.codes,
        done.images, y, named.log_posterior[0].exp(), model.grid, model.action_names, number,
        n_codes=model.n_codes,
    )  # fmt: skip


@styled
def method_overview(
    before: Any, codes: Any, mask: Any, graph: Any, new_codes: Any, made: Any, after: Any,
    posterior: Any, grid: Sequence[int], action_names: Sequence[str], action: int, *,
    n_codes: int, codebook: int = 0, threshold: float = EDGE_AT, top_k: int = 6,
) -> Picture:  # fmt: skip
    """Seven panels, to be read in the order of their numbers.

    before, made, after: one image each: x, what the model makes of it, and the true y.
    codes, new_codes: integers (1, N, C) of x, before and after the action.
    mask: (N,) probability that the action sets the node.  graph: (N, N) edge probabilities, row =
        cause.
    posterior: (A,) probability of each action, given x and the true y.
    grid: (rows, columns), their product N.  action: in 0..A-1, the one that was done.
    n_codes: K, for the colours.  codebook: whose codes are shown, in 0..C-1.
    threshold: of the mask and of an edge, in (0, 1].  top_k: at most so many arrows.
    The arrows are the likeliest causes of one node: of those that the action sets, the one with
    most causes (the first of them).
    """
    given = {"before": before, "made": made, "after": after}
    images = {name: as_images(image, name) for name, image in given.items()}
    x, new, y = images.values()
    for name, image in images.items():
        if image.shape != (1, *x.shape[1:]):
            raise ValueError(f"{name}: expected one image {x.shape[1:]}, found {image.shape}")
    old_table = checked("codes", codes, "integers", (1, None, None), n_codes)
    _, n_nodes, n_codebooks = old_table.shape
    new_table = checked("new_codes", new_codes, "integers", old_table.shape, n_codes)
    whole_number("codebook", codebook, 0, n_codebooks - 1)
    shape, limit = check_grid(grid, n_nodes), check_threshold(threshold)
    sets = as_probabilities(mask, "mask", (n_nodes,))
    edges = as_graph(graph)
    if len(edges) != n_nodes:
        raise ValueError(f"graph must have {n_nodes} nodes, found {len(edges)}")
    chances = as_probabilities(posterior, "posterior", (None,))
    names = labels_of(action_names, len(chances), "action names", longest=20)
    whole_number("action", action, 0, len(chances) - 1)
    whole_number("top_k", top_k)
    done, named = names[action], names[int(chances.argmax())]

    figure = Picture(10.2, 6.2)
    parts: Any = figure.subfigures(2, 1, height_ratios=[1, 1.02])
    upper, lower = parts
    first: Any = upper.subplots(1, 4, gridspec_kw={"wspace": 0.08})
    panels: dict[str, Axes] = dict(zip("abcd", first, strict=True))
    second: Any = lower.subplots(1, 3, width_ratios=[1, 1, 1.7])
    panels |= dict(zip("efg", second, strict=True))
    old_cells, new_cells = (t[0, :, codebook].reshape(shape) for t in (old_table, new_table))
    of = f" (codebook {codebook} of {n_codebooks})" if n_codebooks > 1 else ""
    tile(panels["a"], x[0], "1  image x")
    code_cells(panels["b"], old_cells, n_codes, f"2  its codes{of}", 7)
    n_set, n_causes = _effects(panels["c"], x[0], sets.reshape(shape), edges, limit, top_k)
    panels["c"].set_title(f"3  do({done}): mask and graph", fontsize=8.5)
    code_cells(panels["d"], new_cells, n_codes, "4  new codes, changed ones framed", 7)
    for row, column in np.argwhere(old_cells != new_cells):
        box(panels["d"], column - 0.46, row - 0.46, 0.92, 0.92, fill=False, ec=INK, lw=1.3)
    tile(panels["e"], new[0], "5  decoded: x after the action")
    tile(panels["f"], y[0], "6  true y, drawn by the world")
    _chances(panels["g"], chances, names, action)
    panels["g"].set_title("7  and back: which action leads from x to y?", fontsize=8.5)
    for left in "abc":
        panels[left].annotate(
            "", (1.083, 0.5), (1.005, 0.5), xycoords="axes fraction", annotation_clip=False,
            arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1.4},
        )  # fmt: skip
    figure.suptitle(f"The whole method in one picture: do({done})")
    note = f"graph: {ORIENTATION}; arrows from cause to effect, {n_causes} likeliest shown; "
    figure.supxlabel(f"{note}threshold {limit:.2f}", fontsize=8)
    changed, shown = int((old_table != new_table).any(-1).sum()), (old_cells != new_cells).sum()
    framed = f"; framed the {shown} of codebook {codebook}" if n_codebooks > 1 else ""
    return figure.saying(
        f"The whole method in seven panels: image x, its codes, the {n_set} of {n_nodes} places "
        f"that do({done}) sets, with {n_causes} causes of one of them ({ORIENTATION}, threshold "
        f"{limit:.2f}), the new codes, other than before at {changed} places{framed}, the image "
        f"decoded from them, the true y, and the action that the model names: {named} "
        f"({chances.max():.0%})."
    )


def _effects(
    axes: Axes, image: NDArray[np.float64], sets: NDArray[np.float64], edges: NDArray[np.float64],
    limit: float, top_k: int,
) -> tuple[int, int]:  # fmt: skip
    """The mask over the pale image and arrows into one node; nodes set, and arrows drawn."""
    size = (image.shape[0], image.shape[1])
    mask_over(axes, paled(image), sets, limit)
    high, wide = size[0] / sets.shape[0], size[1] / sets.shape[1]
    is_set = (sets >= limit).ravel()
    n_set = int(is_set.sum())
    own = np.eye(len(edges), dtype=bool)
    causes = (edges >= limit) & ~own & is_set[None, :]  # row = cause
    node = int(causes.sum(0).argmax())
    found = np.flatnonzero(causes[:, node])
    best = found[np.argsort(-edges[found, node], kind="stable")][:top_k]

    def place(n: int) -> tuple[float, float]:
        row, column = divmod(int(n), sets.shape[1])
        return ((column + 0.5) * wide - 0.5, (row + 0.5) * high - 0.5)

    for cause in best[::-1]:
        style = line_style(BLUE, strength_of(edges[cause, node], limit), size=0.8)
        add_arrow(axes, place(cause), place(node), style, shrinkA=2, shrinkB=5)
    axes.plot(*np.array([place(n) for n in best]).reshape(-1, 2).T, "o", color=BLUE, ms=3.5)
    if len(best):
        axes.plot(*place(node), "s", color=INK, ms=5, zorder=5)
    edges_told = f"{len(best)} of {len(found)} causes of node {node}"
    axes.set_xlabel(f"{n_set} of {sets.size} nodes set; {edges_told}", fontsize=7.5)
    return n_set, len(best)


def _chances(axes: Axes, chances: NDArray[np.float64], names: Sequence[str], action: int) -> None:
    """A bar per action; the one that was done is hatched."""
    bars = axes.barh(range(len(chances)), chances, color=BLUE, height=0.7)
    bars[action].set(facecolor=ORANGE, hatch="///", edgecolor="white")
    chance = 1 / len(chances)
    axes.axvline(chance, color="#555555", lw=1, ls=(0, (3, 2)))
    axes.text(chance + 0.01, len(chances) - 0.5, "chance", fontsize=7.5, color="#555555")
    axes.set(
        yticks=range(len(chances)), yticklabels=names, xlim=(0, 1.02),
        ylim=(len(chances) - 0.4, -0.6), xlabel="probability (hatched: the action that was done)",
    )  # fmt: skip
    axes.tick_params(axis="y", labelsize=7.5, length=0)
