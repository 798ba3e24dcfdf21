"""The overview shows what the model says, says it in words, and refuses what does not fit."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.patches import FancyArrowPatch, Rectangle

from cvq_tutorial.draw import style as picture
from cvq_tutorial.draw.whole import method_overview, overview
from cvq_tutorial.explore.given import start_image
from cvq_tutorial.lessons import shipped

NAMES = ["a+", "b+", "a-", "b-"]
RNG = np.random.default_rng(0)


def parts(**changed):
    """Arguments: 2 x 2 nodes, 2 codebooks of 5 codes, 4 actions; node 3 is set and has causes."""
    graph = np.zeros((4, 4))
    graph[[0, 1, 3], 3] = 0.9, 0.6, 1.0
    graph[:, 0] = 1.0  # into a node that is not set
    codes = np.array([[[0, 1], [2, 3], [4, 0], [1, 2]]])
    new = codes.copy()
    new[0, 3] = 4, 2
    image = RNG.random((1, 3, 16, 16))
    given = {
        "before": image, "codes": codes, "mask": [0.1, 0.2, 0.6, 0.9], "graph": graph,
        "new_codes": new, "made": image, "after": image, "posterior": [0.1, 0.7, 0.1, 0.1],
        "grid": (2, 2), "action_names": NAMES, "action": 1,
    }  # fmt: skip
    return {**given, "n_codes": 5, **changed}


def test_the_overview_of_a_model_names_action_places_and_answer():
    model, world, _ = shipped.load_or_train(say=lambda _: None)
    x = start_image(world, (1, 4, 7, 5, 1, 3))
    y = start_image(world, (1, 5, 7, 5, 1, 3))
    figure = overview(model, x, "wall_hue+", y)
    sets = int((model.intervene(x, "wall_hue+").mask.amax(-1) >= 0.5).sum())
    assert f"the {sets} of 64 places that do(wall_hue+) sets" in figure.summary
    assert "names: wall_hue+ (100%)" in figure.summary
    assert len(figure.axes[6].patches) == 12
    assert picture.png(figure).startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"did you mean 'wall_hue\+'"):
        overview(model, x, "wal_hue+", y)


def test_it_draws_the_causes_of_a_set_node_and_frames_what_changed():
    figure = method_overview(**parts())
    effects, new = figure.axes[2], figure.axes[3]
    assert (
        len([a for a in effects.artists + effects.patches if isinstance(a, FancyArrowPatch)]) == 2
    )
    assert "2 of 4 nodes set; 2 of 2 causes of node 3" in effects.get_xlabel()
    [frame] = [p for p in new.patches if isinstance(p, Rectangle)]
    assert np.allclose(frame.get_center(), (1, 1))
    assert "changed ones framed" in new.get_title()
    assert "row = cause, column = effect" in figure.summary


def test_the_other_codebook_has_no_change():
    figure = method_overview(**parts(codebook=1))
    assert not figure.axes[3].patches
    told = "other than before at 1 places; framed the 0 of codebook 1, the image decoded"
    assert told in figure.summary  # places over all codebooks
    assert "codebook 1 of 2" in figure.axes[1].get_title()


def test_at_most_so_many_arrows_and_none_without_causes():
    assert "1 of 2 causes" in method_overview(**parts(top_k=1)).axes[2].get_xlabel()
    figure = method_overview(**parts(graph=np.zeros((4, 4))))
    assert "with 0 causes" in figure.summary
    picture.png(figure)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"after": np.zeros((2, 3, 16, 16))}, "after: expected one image"),
        ({"made": np.zeros((1, 3, 8, 8))}, "made: expected one image"),
        ({"new_codes": np.zeros((1, 3, 2), dtype=int)}, "new_codes must have shape"),
        ({"n_codes": 3}, "codes must lie in 0..2"),
        ({"mask": [0.5]}, "mask must have shape"),
        ({"graph": np.zeros((3, 3))}, "graph must have 4 nodes, found 3"),
        ({"grid": (2, 3)}, "grid"),
        ({"posterior": [0.5, 1.5, 0, 0]}, "posterior"),
        ({"action_names": NAMES[:3]}, "action names"),
        ({"action": 4}, "action must lie in 0..3, found 4"),
        ({"codebook": 2}, "codebook must lie in 0..1, found 2"),
        ({"top_k": 0}, "top_k"),
        ({"threshold": 0.0}, "threshold"),
    ],
)
def test_what_does_not_fit_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        method_overview(**parts(**changed))
