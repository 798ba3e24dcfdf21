"""The picture of a sample's balance: bars are the shares, hatches what is never drawn."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.patches import Rectangle

from cvq_tutorial.data.balance import balanced_chances
from cvq_tutorial.data.sampling import Sampling
from cvq_tutorial.data.transitions import Transitions, sample_transitions
from cvq_tutorial.draw.sampling import sample_balance
from cvq_tutorial.draw.style import Picture
from cvq_tutorial.worlds.factors import Factor, FactorSpace

SPACE = FactorSpace((Factor("hue", 10), Factor("kind", 4), Factor("scale", 8), Factor("turn", 15)))
SKEWED = Sampling(
    {"kind": (8, 4, 2, 1), "turn": (1,) * 12 + (0,) * 3},
    {"scale": 3},
    ("hue", "scale", 0.8),
    {"kind": 3, "hue": (0, 1)},
)


def sample(sampling: Sampling | None = None, n: int = 3000) -> Transitions:
    return sample_transitions(SPACE, n, sampling=sampling)


def panels(figure: Picture) -> dict:
    return {axes.get_title().split("?")[0]: axes for axes in figure.axes if axes.get_title()}


def hatches(axes) -> list[tuple[float, float]]:
    return [
        tuple(p.get_xy())
        for p in axes.patches
        if isinstance(p, Rectangle) and p.get_hatch() and p.get_label() != "never drawn"
    ]


def test_bars_are_the_shares_of_the_sample():
    t = sample(SKEWED)
    figure = sample_balance(SPACE, t, SKEWED)
    found = panels(figure)
    for f, (name, size) in enumerate(zip(SPACE.names, SPACE.sizes, strict=True)):
        heights = [bar.get_height() for bar in found[name].containers[0]]
        assert heights == pytest.approx(np.bincount(t.x[:, f], minlength=size) / 3000)
    moved = [bar.get_height() for bar in found["which factor the action moves"].containers[0]]
    assert moved == pytest.approx([1 / 6, 1 / 6, 1 / 2, 1 / 6])
    share = np.asarray(found["together"].images[0].get_array())
    assert share.shape == (10, 8) and share.sum(axis=1) == pytest.approx(np.ones(10))
    assert share[0, 0] == pytest.approx(0.8 + 0.2 / 8, abs=0.06)
    assert not pyplot.get_fignums()


def test_what_is_never_drawn_is_hatched():
    t = sample(SKEWED)
    found = panels(sample_balance(SPACE, t, SKEWED, pair=("kind", "hue")))
    assert [x for x, _ in hatches(found["turn"])] == pytest.approx([11.64, 12.64, 13.64])
    assert not hatches(found["kind"])  # the kind is held out with two hues only
    assert hatches(found["together"]) == [(-0.5, 2.5), (0.5, 2.5)]
    assert (
        "2 of their combinations are never drawn"
        in sample_balance(SPACE, t, SKEWED, pair=("kind", "hue")).summary
    )
    whole = Sampling(held_out={"kind": 3})
    found = panels(sample_balance(SPACE, sample(whole), whole))
    assert [x for x, _ in hatches(found["kind"])] == pytest.approx([2.64])
    unseen = panels(sample_balance(SPACE, sample(SKEWED.unseen()), SKEWED.unseen()))
    assert not any(hatches(axes) for axes in unseen.values())


def test_the_pair_is_the_one_that_matters():
    def axes_of(*arguments, **given):
        axes = panels(sample_balance(SPACE, *arguments, **given))["together"]
        return axes.get_ylabel(), axes.get_xlabel()

    t = sample(SKEWED)
    assert axes_of(t, SKEWED) == ("hue", "scale")
    assert axes_of(t) == ("hue", "scale")  # found in the data
    held = Sampling(held_out={"kind": 3, "turn": 0})
    assert axes_of(sample(held), held) == ("kind", "turn")
    assert axes_of(t, pair=("turn", "kind")) == ("turn", "kind")


def test_the_association_is_beside_what_chance_gives():
    title = panels(sample_balance(SPACE, sample(SKEWED), SKEWED))["together"].get_title()
    found, chance = (float(part.split(",")[0]) for part in (title.split()[3], title.split()[5]))
    assert found == pytest.approx(0.8, abs=0.03) and chance == pytest.approx(0.05, abs=0.01)
    title = panels(sample_balance(SPACE, sample(), pair=("hue", "kind")))["together"].get_title()
    assert float(title.split()[3].strip(",")) < 2 * float(title.split()[5])


def test_resampled_shares_are_shown_beside():
    t = sample(SKEWED)
    chances = balanced_chances([t.actions, *t.x.T])
    figure = sample_balance(SPACE, t, SKEWED, chances=chances)
    diamonds = panels(figure)["kind"].lines[1].get_ydata()
    assert diamonds == pytest.approx([0.25] * 4, abs=0.01)
    texts = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert texts == ["in the sample", "drawn with the chances given", "balanced", "never drawn"]
    plain = [t.get_text() for t in sample_balance(SPACE, sample()).legends[0].get_texts()]
    assert plain == ["in the sample", "balanced"]


def test_the_summary_says_what_is_seen():
    summary = sample_balance(SPACE, sample(SKEWED), SKEWED, title="Skewed").summary
    assert summary.startswith("Skewed: the least balanced factor is kind, value 0 in 5")
    assert "move scale in 50 %" in summary and "hue and scale go together" in summary
    assert "\n" not in summary


def test_many_factors_are_cut_to_the_least_balanced_ones():
    space = FactorSpace(tuple(Factor(f"f{i}", 2) for i in range(30)))
    skewed = Sampling({"f29": (9, 1)})
    figure = sample_balance(space, sample_transitions(space, 900, sampling=skewed), skewed)
    assert "12 of 30 factors shown" in figure.summary and "f29" in panels(figure)
    assert len(panels(figure)) == 14


@pytest.mark.parametrize(
    ("arguments", "given", "message"),
    [
        ((sample(n=0),), {}, "expected at least one, found none"),
        ((sample(n=9), Sampling({"knd": "zipf:1"})), {}, "did you mean 'kind'"),
        ((sample(n=9),), {"pair": ("hue", "hue")}, "pair: expected two factors"),
        ((sample(n=9),), {"pair": ("hue", "knd")}, "unknown factor 'knd'"),
        ((sample(n=9),), {"chances": np.ones(3) / 3}, r"chances must have shape \(9\)"),
    ],
)
def test_bad_input_is_one_line(arguments, given, message):
    with pytest.raises(ValueError, match=message):
        sample_balance(SPACE, *arguments, **given)
    with pytest.raises(ValueError, match="at least two factors"):
        one = FactorSpace((Factor("a", 9),))
        sample_balance(one, sample_transitions(one, 2))
