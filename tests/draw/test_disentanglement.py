"""Pictures of disentanglement: what is drawn is what was measured, and all of it can be read."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from figure_parts import visible_texts
from matplotlib import pyplot
from matplotlib.patches import Rectangle

from cvq_tutorial.draw import disentanglement as draw_disentangle
from cvq_tutorial.draw import style as picture
from cvq_tutorial.draw.style import ORANGE
from cvq_tutorial.measure.disentanglement.scores import Score, code_columns

FACTORS = ("floor_hue", "shape", "size")


def drawn(figure: picture.Picture) -> picture.Picture:
    """The figure, drawn without a warning, with all text inside it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(picture.png(figure)) > 5000
    width, height = figure.bbox.width, figure.bbox.height
    for text in visible_texts(figure):
        box = text.get_window_extent()
        assert box.x0 >= -1 and box.y0 >= -1, text.get_text()
        assert box.x1 <= width + 1 and box.y1 <= height + 1, text.get_text()
    assert pyplot.get_fignums() == []
    assert "\n" not in figure.summary and figure.summary.endswith(".")
    return figure


def a_table(n_latents: int) -> np.ndarray:
    return np.random.default_rng(0).random((n_latents, 3))


def outlined(figure: picture.Picture) -> list[Rectangle]:
    patches = [p for p in figure.axes[0].patches if isinstance(p, Rectangle)]
    return [
        p for p in patches if picture.matplotlib.colors.to_hex(p.get_edgecolor()) == ORANGE.lower()
    ]


def test_mutual_information_writes_its_numbers_and_marks_the_best():
    table = a_table(5)
    figure = drawn(draw_disentangle.mutual_information(table, FACTORS, list("abcde")))
    axes = figure.axes[0]
    cells = [t for t in axes.texts if t.get_text() == f"{table[1, 2]:.2f}"]
    assert any(t.get_position() == (2, 1) for t in cells)
    assert len(axes.texts) == 15
    assert sum(t.get_fontweight() == "bold" for t in axes.texts) == 3
    tops = [round(p.get_y() + p.get_height() / 2) for p in outlined(figure)]
    assert sorted(tops) == sorted(table.argmax(axis=0))
    assert "row = " not in figure.summary and "(rows)" in figure.summary
    assert (
        f"shape {table[:, 1].max():.2f} (latent {'abcde'[table[:, 1].argmax()]})" in figure.summary
    )


def test_a_map_of_256_code_columns_stays_legible():
    figure = drawn(draw_disentangle.mutual_information(a_table(256), FACTORS))
    axes = figure.axes[0]
    assert not axes.texts and len(outlined(figure)) == 3
    assert len([t for t in axes.get_yticklabels() if t.get_visible()]) <= 33
    assert figure.get_figheight() < 8


def test_nats_have_their_own_scale_and_an_empty_column_no_best():
    table = a_table(4) * 3
    table[:, 1] = 0
    figure = drawn(draw_disentangle.mutual_information(table, FACTORS, normalised=False))
    assert figure.axes[0].images[0].get_clim() == (0, table.max())
    assert len(outlined(figure)) == 2 and "nats" in figure.summary
    nothing = drawn(draw_disentangle.mutual_information(table * 0, FACTORS, normalised=False))
    assert outlined(nothing) == []


def test_maps_show_the_best_code_of_each_node():
    codes = np.random.default_rng(0).integers(4, size=(40, 6, 2))
    columns = code_columns(codes)
    table = columns.on_map(np.random.default_rng(1).random((12, 3)))
    figure = drawn(draw_disentangle.information_maps(table, (2, 3), FACTORS))
    shown = np.asarray(figure.axes[1].images[0].get_array())
    assert shown == pytest.approx(table[:, :, 1].max(axis=1).reshape(2, 3))
    assert f"shape {table[..., 1].max():.2f}" in figure.summary
    drawn(draw_disentangle.information_maps(np.zeros((6, 8)), (2, 3), [f"f{i}" for i in range(8)]))


def some_scores(value: float) -> dict[str, Score]:
    return {
        "MIG": Score(value, 0.01, 500),
        "InfoMEC modularity": Score(0.3, 0.6, 500, ("n too small: 50 rows", "1 other thing")),
    }


def test_bars_show_the_score_and_its_control():
    figure = drawn(
        draw_disentangle.score_bars({"codes": some_scores(0.2), "VAE": some_scores(0.5)})
    )
    first, second = figure.axes
    assert [bar.get_width() for bar in first.patches] == [0.2, 0.3]
    assert [bar.get_width() for bar in second.patches] == [0.5, 0.3]
    lines = first.collections[0].get_segments()
    assert [segment[0, 0] for segment in lines] == [0.01, 0.6]
    texts = [t.get_text() for t in first.texts]
    assert texts == ["0.20", "0.01", "0.30*", "0.60"]
    assert "n too small: 50 rows" in first.get_xlabel()
    assert "codes: MIG 0.20 (permuted 0.01)" in figure.summary and "1 other thing" in figure.summary
    alone = drawn(draw_disentangle.score_bars(some_scores(1.0)))
    assert len(alone.axes) == 1


def test_leakage_shows_rows_without_edits_as_empty():
    share = np.array([[0.1, 0.004, 0], [0.5, 0.2, 0.9], [0, 0, 0]])
    figure = drawn(draw_disentangle.leakage(share, FACTORS, control=share / 10, n_edits=[30, 7, 0]))
    left = figure.axes[0]
    assert [t.get_text() for t in left.texts] == ["10", "<1", "0", "50", "20", "90"]
    assert [t.get_text() for t in left.get_yticklabels()] == [
        "floor_hue (30)",
        "shape (7)",
        "size (0)",
    ]
    assert "most from shape into size (90 %)" in figure.summary
    assert "target missed 15.0 %" in figure.summary and "; ceiling: " in figure.summary
    assert figure.axes[1].get_title().startswith("the ceiling: true images, decoded")
    assert f"mean leakage {100 * (0.004 + 0 + 0.5 + 0.9) / 4:.1f} %" in figure.summary
    drawn(draw_disentangle.leakage([[0.25]], ["only"]))
    one_of_40 = drawn(draw_disentangle.leakage([[0.025, 0.05], [0.0996, 0.125]], FACTORS[:2]))
    assert [t.get_text() for t in one_of_40.axes[0].texts] == ["2.5", "5", "10", "12"]


def test_pictures_refuse():
    with pytest.raises(ValueError, match="expected 3 factor names, found 2"):
        draw_disentangle.mutual_information(a_table(4), FACTORS[:2])
    with pytest.raises(ValueError, match=r"table must be probabilities in \[0, 1\]"):
        draw_disentangle.mutual_information(a_table(4) * 3, FACTORS)
    with pytest.raises(ValueError, match="table must be finite numbers of at least 0"):
        draw_disentangle.mutual_information(-a_table(4), FACTORS, normalised=False)
    with pytest.raises(ValueError, match="grid must be"):
        draw_disentangle.information_maps(a_table(4), (2, 3), FACTORS)
    with pytest.raises(ValueError, match="the same names in each group"):
        draw_disentangle.score_bars({"a": some_scores(1), "b": {"MIG": Score(1, 0, 5)}})
    with pytest.raises(ValueError, match="at least one score"):
        draw_disentangle.score_bars({})
    with pytest.raises(ValueError, match=r"share must have shape \(3, 3\), found \(3, 2\)"):
        draw_disentangle.leakage(np.zeros((3, 2)), FACTORS)
    with pytest.raises(ValueError, match="n_edits must have 3 entries, found 2"):
        draw_disentangle.leakage(np.zeros((3, 3)), FACTORS, n_edits=[1, 2])
