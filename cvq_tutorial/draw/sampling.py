"""How far a sample of transitions is from balance, in one figure."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from numpy.typing import NDArray

from cvq_tutorial.common.arrays import as_probabilities
from cvq_tutorial.data.sampling import Sampling, is_held_out, value_weights
from cvq_tutorial.data.transitions import Transitions
from cvq_tutorial.draw.heatmaps import WHITE_TO_BLUE
from cvq_tutorial.draw.parts import box, framed, hatched, key
from cvq_tutorial.draw.style import BLUE, INK, ORANGE, Picture, label, styled
from cvq_tutorial.worlds.factors import FactorSpace

DIAMOND: dict[str, Any] = {"marker": "D", "color": ORANGE, "markeredgecolor": "white"}
NEVER = "#777777"  # of hatches: what is never drawn
MOST = 12  # factors that are drawn; more would be too small to read


@styled
def sample_balance(
    space: FactorSpace,
    transitions: Transitions,
    sampling: Sampling | None = None,
    *,
    chances: Any = None,
    pair: tuple[str, str] | None = None,
    title: str = "Balance of a sample",
) -> Picture:
    """What a sample holds: values of each factor, factors that are edited, two factors together.

    space: the factors of the world.
    transitions: the sample; of each, the image before the action is counted.
    sampling: how it was drawn, to mark what can never occur; None marks nothing.
    chances: (n,) to draw the transitions with (see `balance`); orange diamonds then show the shares
        after that, beside the blue bars without.
    pair: two factors to show together. None takes the first correlation of the sampling, else the
        first two factors of a held-out combination, else the two that depend on each other most
        in the sample.
    A dashed line is where the bars of an even distribution end; at the ends of a range the bars of
    a balanced sample are a little shorter, for lack of a step outwards. Hatched: never drawn.
    """
    n, n_factors = len(transitions), space.n_factors
    if not n:
        raise ValueError("transitions: expected at least one, found none")
    x, factor = space.check(transitions.x), space.factor_of(transitions.actions)
    again = None if chances is None else as_probabilities(chances, "chances", (n,))
    sampling = sampling or Sampling()
    sampling.check(space)
    row, column = _pair(space, x, sampling, pair)
    shares = [np.bincount(x[:, f], minlength=size) / n for f, size in enumerate(space.sizes)]
    uneven = np.array([np.abs(s - 1 / len(s)).sum() / 2 for s in shares])
    shown = np.sort(np.argsort(-uneven, kind="stable")[:MOST])

    columns = min(3, len(shown))
    rows = max(2, -(-len(shown) // columns))
    figure = Picture(2.3 * columns + 3.9, 0.7 + 1.75 * rows)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[2.3 * columns, 3.9])[0]
    cells = left.subplots(rows, columns, squeeze=False).ravel()
    for cell in cells[len(shown) :]:
        cell.set_axis_off()
    for cell, f in zip(cells, shown, strict=False):
        size = space.sizes[f]
        never = ~_possible(space, sampling, f)
        after = None if again is None else np.bincount(x[:, f], again, minlength=size)
        _bars(cell, shares[f], after, 1 / size, never)
        cell.set_xticks(range(0, size, 1 if size <= 10 else 2))
        cell.set_title(label(space.names[f], 22))
    edited = np.bincount(factor, minlength=n_factors) / n
    after = None if again is None else np.bincount(factor, again, minlength=n_factors)
    moved, together = right.subplots(2, 1, height_ratios=[1, 1.5])
    _bars(moved, edited, after, 1 / n_factors, np.zeros(n_factors, dtype=bool))
    if n_factors <= MOST:
        names = [label(name, 12) for name in space.names]
        moved.set_xticks(range(n_factors), names, rotation=30, ha="right", fontsize=7.5)
    else:
        moved.set_xticks(range(0, n_factors, 5))
        moved.set_xlabel("number of the factor")
    moved.set_title("which factor the action moves")
    association = _together(together, space, x, sampling, row, column)
    left.supylabel("share of the sample", fontsize=9)
    left.supxlabel("value before the action", fontsize=9)

    handles: list[Any] = [Patch(color=BLUE, label="in the sample")]
    if again is not None:
        handles.append(key("drawn with the chances given", linestyle="none", **DIAMOND))
    handles.append(key("balanced", linestyle="--", color=INK, linewidth=1))
    drawn = [*((int(f),) for f in shown), (row, column)]
    if any(not _possible(space, sampling, *factors).all() for factors in drawn):
        handles.append(Patch(fc="white", ec=NEVER, hatch="////", label="never drawn"))
    figure.legend_below(handles, ncols=4)
    cut = f"{len(shown)} of {n_factors} factors shown, the least balanced"
    figure.suptitle(f"{title}: {n} transitions" + (f"; {cut}" if len(shown) < n_factors else ""))
    told = _summary(title, space, shares, uneven, edited, sampling, (row, column), association)
    return figure.saying(told + (f" {cut}." if len(shown) < n_factors else ""))


def _bars(
    axes: Axes, shares: NDArray, after: NDArray | None, even: float, never: NDArray[np.bool_]
) -> None:
    """Bars of shares, the line of balance, diamonds after resampling, hatches where none can be."""
    places = np.arange(len(shares))
    axes.bar(places, shares, color=BLUE, width=0.72)
    top = 1.15 * max(even, float(shares.max()), 0.0 if after is None else float(after.max()))
    axes.axhline(even, color=INK, linestyle="--", linewidth=1)
    if after is not None:
        axes.plot(places, after, markersize=5.5, linestyle="none", clip_on=False, **DIAMOND)
    for place in places[never]:
        hatched(axes, place - 0.36, 0, 0.72, top, NEVER)
    axes.set(xlim=(-0.6, len(shares) - 0.4), ylim=(0, top))
    axes.locator_params(axis="y", nbins=4)
    axes.tick_params(axis="x", length=0)


def _together(
    axes: Axes, space: FactorSpace, x: NDArray, sampling: Sampling, row: int, column: int
) -> tuple[float, float]:
    """The shares of one factor's values in each row of values of another; see `_cramers_v`."""
    size, other = space.sizes[row], space.sizes[column]
    counts = _counts(x, row, column, space)
    in_row = counts.sum(axis=1)
    share = counts / np.maximum(in_row, 1)[:, None]
    heat = axes.imshow(share, vmin=0, vmax=1, cmap=WHITE_TO_BLUE, aspect="auto")
    for value in np.flatnonzero(in_row == 0):
        box(axes, -0.5, value - 0.5, other, 1, color="#eeeeee", lw=0)
    for a, b in np.argwhere(~_possible(space, sampling, row, column)):
        hatched(axes, b - 0.5, a - 0.5, 1, 1, NEVER)
    axes.set_xticks(range(0, other, 1 if other <= 10 else 2))
    axes.set_yticks(range(0, size, 1 if size <= 10 else 2))
    axes.set(xlabel=label(space.names[column], 22), ylabel=label(space.names[row], 22))
    framed(axes)
    axes.figure.colorbar(heat, ax=axes, ticks=[0, 0.5, 1], label="share of the row")
    strength, by_chance = _cramers_v(counts)
    axes.set_title(f"together? Cramér's V {strength:.2f}, chance {by_chance:.2f}")
    return strength, by_chance


def _counts(x: NDArray, row: int, column: int, space: FactorSpace) -> NDArray[np.int64]:
    size, other = space.sizes[row], space.sizes[column]
    flat = np.bincount(x[:, row] * other + x[:, column], minlength=size * other)
    return flat.reshape(size, other)


def _cramers_v(counts: NDArray) -> tuple[float, float]:
    """How much two factors tell of each other, 0 to 1, and what independent ones would show.

    Over the values that occur (Cramér 1946). A finite sample of independent factors shows a little
    more than 0: the second number is the root of the expected square.
    """
    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    rows, columns = counts.shape
    if min(rows, columns) < 2:
        return 0.0, 0.0
    n, least = counts.sum(), min(rows, columns) - 1
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / n
    found = ((counts - expected) ** 2 / expected).sum() / n / least
    return float(np.sqrt(found)), float(np.sqrt((rows - 1) * (columns - 1) / n / least))


def _possible(space: FactorSpace, sampling: Sampling, *factors: int) -> NDArray[np.bool_]:
    """Whether each value of a factor, or pair of values of two, can be drawn: bool of their sizes.

    False only where these factors alone rule it out.
    """
    sizes = [space.sizes[f] for f in factors]
    if sampling.only_held_out:
        return np.ones(sizes, dtype=bool)
    names = {space.names[f] for f in factors}
    ruled = [combo for combo in sampling.held_out if set(combo) <= names]
    weights = value_weights(space, sampling)
    grid = np.indices(sizes).reshape(len(sizes), -1)  # (1 or 2, cells)
    images = np.zeros((grid.shape[1], space.n_factors), dtype=np.int64)
    images[:, list(factors)] = grid.T
    never = is_held_out(space, Sampling(held_out=ruled), images)
    for f, values in zip(factors, grid, strict=True):
        never |= weights[f][values] == 0
    return ~never.reshape(sizes)


def _pair(
    space: FactorSpace, x: NDArray, sampling: Sampling, pair: tuple[str, str] | None
) -> tuple[int, int]:
    if pair is not None:
        if len(pair) != 2 or pair[0] == pair[1]:
            raise ValueError(f"pair: expected two factors, found {pair!r}")
        return space.factor_id(pair[0]), space.factor_id(pair[1])
    if space.n_factors < 2:
        raise ValueError("expected a world of at least two factors, found one")
    asked = [*sampling.correlations, *(combo for combo in sampling.held_out if len(combo) > 1)]
    if asked:
        first, second, *_ = asked[0]
        return space.factor_id(first), space.factor_id(second)
    pairs = list(combinations(range(space.n_factors), 2))
    return max(pairs, key=lambda two: _cramers_v(_counts(x, two[0], two[1], space))[0])


def _summary(
    title: str, space: FactorSpace, shares: list[NDArray], uneven: NDArray, edited: NDArray,
    sampling: Sampling, pair: tuple[int, int], together: tuple[float, float],
) -> str:  # fmt: skip
    worst, most, least = int(uneven.argmax()), int(edited.argmax()), int(edited.argmin())
    value = int(shares[worst].argmax())
    row, column = (space.names[f] for f in pair)
    never = int((~_possible(space, sampling, *pair)).sum())
    hidden = f", {never} of their combinations are never drawn" if never else ""
    return (
        f"{title}: the least balanced factor is {space.names[worst]}, value {value} in "
        f"{100 * shares[worst][value]:.0f} % instead of {100 / space.sizes[worst]:.0f} %; actions "
        f"move {space.names[most]} in {100 * edited[most]:.0f} % and {space.names[least]} in "
        f"{100 * edited[least]:.0f} % instead of {100 / space.n_factors:.0f} %; {row} and {column} "
        f"go together with Cramér's V {together[0]:.2f}, by chance {together[1]:.2f}{hidden}."
    )
