"""Dots and curves of tables: what they draw, what they say, what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_hex

from cvq_tutorial.draw import style as picture
from cvq_tutorial.draw.style import ORANGE
from cvq_tutorial.draw.tables import dot_plot, setting_curves

DASHED = ("--", "-.")


def row(seeds: int = 3, **numbers: tuple[float, float]) -> dict:
    named = {name.replace("_", " "): {"mean": m, "sd": s} for name, (m, s) in numbers.items()}
    return {"seeds": list(range(seeds)), "minutes": 1.0, "numbers": named}


ROWS = {
    "ours": row(acc=(0.9, 0.02), recovered=(0.8, 0.1)),
    "other": row(1, acc=(0.5, 0.0), recovered=(-0.7, 0.0)),
    "drawless": row(acc=(0.7, 0.05)),
}


def dots(axes) -> dict[int, tuple[float, str]]:
    """{place of the row: (mean, face colour)} of the marks in a panel."""
    marks = [line for line in axes.lines if line.get_marker() == "o"]
    return {
        int(line.get_ydata()[0]): (float(line.get_xdata()[0]), to_hex(line.get_markerfacecolor()))
        for line in marks
    }


def bars(axes) -> list[tuple[float, float]]:
    """(from, to) of the error bars in a panel."""
    found = [lines for lines in axes.collections if hasattr(lines, "get_segments")]
    return sorted(
        (segment[0][0], segment[1][0]) for lines in found for segment in lines.get_segments()
    )


def words(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_a_dot_is_a_mean_a_bar_is_a_spread_and_one_seed_is_hollow():
    figure = dot_plot(ROWS, ["acc", "recovered"], title="Both")
    first, second = figure.axes
    assert [label.get_text() for label in first.get_yticklabels()] == list(ROWS)
    assert {place: value for place, (value, _) in dots(first).items()} == {0: 0.9, 1: 0.5, 2: 0.7}
    assert [dots(first)[place][1] == "#ffffff" for place in range(3)] == [False, True, False]
    np.testing.assert_allclose(bars(first), [(0.65, 0.75), (0.88, 0.92)])  # none of one seed
    assert first.get_ylim()[0] > first.get_ylim()[1]  # the first row is on top
    assert set(dots(second)) == {0, 1}
    assert "not measured" in words(second) and "not measured" not in words(first)
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told == ["mean ± standard deviation, 3 seeds", "one seed, no spread known"]
    assert figure.summary == (
        "Both: acc: ours 0.900, other 0.500, drawless 0.700; "
        "recovered: ours 0.800, other -0.700, drawless not measured."
    )
    again = dot_plot(ROWS, ["acc", "recovered"], title="Both")
    assert picture.png(figure) == picture.png(again)


def test_a_share_is_seen_on_the_whole_scale_and_other_numbers_on_their_own():
    far = {"a": row(acc=(0.999, 0.05), PSNR=(30.0, 0.5)), "b": row(acc=(1.0, 0.0), PSNR=(32.0, 0))}
    share, loudness = dot_plot(far, ["acc", "PSNR"]).axes
    assert share.get_xlim() == (-0.06, 1.06)
    assert 29 < loudness.get_xlim()[0] < 29.5 and 32 < loudness.get_xlim()[1] < 32.5
    assert loudness.get_xlabel() == "PSNR (dB)"
    below = dot_plot(ROWS, ["recovered"], levels={"recovered": {"ceiling": 1.0}}).axes[0]
    assert below.get_xlim()[0] < -0.7 and below.get_xlim()[1] > 1.0


def test_a_reference_gives_stems_and_signed_differences():
    figure = dot_plot(ROWS, ["acc"], reference="ours")
    (axes,) = figure.axes
    stems = [line.get_xdata() for line in axes.lines if to_hex(line.get_color()) == ORANGE.lower()]
    assert sorted(map(tuple, stems)) == [(0.9, 0.5), (0.9, 0.7)]
    assert words(axes) == ["0.900", "0.500 (-0.400)", "0.700 (-0.200)"]
    assert "difference from ours" in [t.get_text() for t in figure.legends[0].get_texts()]


def test_lines_of_one_name_look_alike_in_every_panel():
    levels = {"acc": {"chance": 0.25, "ceiling": 1.0}, "recovered": {"ceiling": 1.0}}
    figure = dot_plot(ROWS, ["acc", "recovered"], levels=levels)
    of_ceiling = [
        dashes(line)
        for axes in figure.axes
        for line in axes.lines
        if line.get_linestyle() in DASHED and line.get_xdata()[0] == 1.0
    ]
    assert len(of_ceiling) == 2 and of_ceiling[0] == of_ceiling[1]
    shown = {t.get_text(): h for h, t in zip(*_legend(figure), strict=True)}
    assert dashes(shown["ceiling"]) == of_ceiling[0] != dashes(shown["chance"])


def dashes(line) -> tuple:
    """How long the dashes and gaps of a line are when it is drawn, points."""
    found, renderer = [], RendererAgg(600, 400, 72)
    renderer.draw_path = lambda gc, *rest: found.append(gc.get_dashes())
    line.draw(renderer)
    return found[0]


def _legend(figure):
    return figure.legends[0].legend_handles, figure.legends[0].get_texts()


def test_levels_are_lines_and_stems_start_at_one_of_them():
    levels = {"acc": {"chance": 0.25}, "recovered": {"copy": 0.0, "ceiling": 1.0}}
    figure = dot_plot(ROWS, ["acc", "recovered"], levels=levels, stem_from="copy")
    first, second = figure.axes

    def uprights(axes):
        return [float(line.get_xdata()[0]) for line in axes.lines if line.get_linestyle() in DASHED]

    def pale(axes):
        found = [line.get_xdata() for line in axes.lines if line.get_color() == "#9ecae1"]
        return sorted(map(tuple, found))

    assert uprights(first) == [0.25] and uprights(second) == [0.0, 1.0]
    assert pale(first) == [] and pale(second) == [(0.0, -0.7), (0.0, 0.8)]
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told[-3:] == ["chance", "copy", "ceiling"]
    assert "recovered (copy 0, ceiling 1): ours 0.800" in figure.summary


@pytest.mark.parametrize(
    ("rows", "columns", "more", "message"),
    [
        ({}, ["acc"], {}, "expected 1 to 24 rows, found 0"),
        ({str(i): ROWS["ours"] for i in range(25)}, ["acc"], {}, "24 rows, found 25"),
        (ROWS, [], {}, "expected 1 to 4 columns, found 0"),
        (ROWS, ["edge F1"], {}, "no row has the number 'edge F1'"),
        (ROWS, ["acc"], {"reference": "us"}, "reference 'us' is none of the rows: ours, other"),
    ],
)
def test_bad_rows_and_columns_are_one_line(rows, columns, more, message):
    with pytest.raises(ValueError, match=message):
        dot_plot(rows, columns, **more)


def test_foreign_labels_are_drawn_as_text():
    figure = dot_plot({"$x$\n" + "y" * 90: ROWS["ours"]}, ["acc"], title="$t$")
    assert figure.axes[0].get_yticklabels()[0].get_text().startswith(r"\$x\$ y")
    picture.png(figure)


def point(mean: float, sd: float = 0.0, seeds: int = 3) -> dict:
    return {"mean": mean, "sd": sd, "seeds": list(range(seeds))}


PANELS = {
    "variables": {
        "learned graph": {8: point(1.0), 48: point(0.5, 0.1)},
        "independence": {8: point(0.9, seeds=1)},
    },
    "noise": {"learned graph": {0.0: point(0.8), 0.05: point(0.7), 0.2: point(0.6)}},
}


def test_curves_stand_at_their_values_and_look_alike_in_all_panels():
    figure = setting_curves(PANELS, levels={"guessing": 0.5})
    first, second = figure.axes
    assert [t.get_text() for t in first.get_xticklabels()] == ["8", "48"]
    assert [t.get_text() for t in second.get_xticklabels()] == ["0", "0.05", "0.2"]
    learned = next(line for line in first.lines if line.get_linestyle() == "-")
    np.testing.assert_allclose(learned.get_ydata(), [1.0, 0.5])
    np.testing.assert_allclose(np.diff(learned.get_xdata()), 1)
    again = next(line for line in second.lines if line.get_linestyle() == "-")
    assert again.get_color() == learned.get_color()
    np.testing.assert_allclose(again.get_ydata(), [0.8, 0.7, 0.6])
    spans = [s for c in first.collections for s in c.get_segments()]
    assert any(np.allclose(sorted(s[:, 1]), [0.4, 0.6]) for s in spans)
    hollow = [line for line in first.lines if line.get_marker() == "s"]
    assert [to_hex(line.get_markerfacecolor()) for line in hollow] == ["#ffffff"]
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told == ["learned graph", "independence", "guessing"]
    assert "threshold 0.5" in first.get_ylabel()
    for part in ("variables, learned graph: 1.000 at 8, 0.500 at 48", "guessing 0.5"):
        assert part in figure.summary
    assert picture.png(figure) == picture.png(setting_curves(PANELS, levels={"guessing": 0.5}))


@pytest.mark.parametrize(
    ("panels", "message"),
    [
        ({}, "expected 1 to 4 panels, found 0"),
        ({"a": {}}, "expected 1 to 3 curves, found 0"),
        ({"a": {"x": {}}}, "panel 'a' has no point"),
        ({"a": {n: {1: point(0.5)} for n in "wxyz"}}, "expected 1 to 3 curves, found 4"),
        ({"a": {"x": {1: point(1.2)}}}, r"panel 'a': expected means in \[0, 1\], found 1.2"),
    ],
)
def test_bad_panels_are_one_line(panels, message):
    with pytest.raises(ValueError, match=message):
        setting_curves(panels)
