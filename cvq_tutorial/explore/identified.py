"""Explorers of what can be identified: samples, a ratio, a context taken away, and a bet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import ipywidgets
import numpy as np
import traitlets

from cvq_tutorial.draw import sheets as pictures
from cvq_tutorial.draw.sheets import Tile
from cvq_tutorial.explore.base import Explorer, sized
from cvq_tutorial.identify import linear, match, order, twins
from cvq_tutorial.identify.checks import Unidentifiable
from cvq_tutorial.identify.report import RATIOS
from cvq_tutorial.identify.report_linear import generator
from cvq_tutorial.identify.scores import SoftSolution

SIDE, WIDE = 210, 310
SIZES = (500, 1000, 2500, 10_000, 50_000, 250_000)
NOISES = (0.0, 0.01, 0.1, 0.3)
ROWS = "row = ancestor of the column"
STRENGTHS = (-1.5, -1.0, -0.5, 0.5, 1.0, 1.5)


def slider(name: str, options: Sequence[Any], value: Any) -> ipywidgets.SelectionSlider:
    """A slider over given values."""
    shown = [(f"{o:,}" if isinstance(o, int) else f"{o:g}", o) for o in options]
    made = ipywidgets.SelectionSlider(options=shown, value=value, description=name)
    sized("320px", "92px", made)
    return made


def ancestors(title: str, found: Any, truth: Any, note: str = "") -> Tile:
    """Relations found, beside the truth."""
    return Tile(title, pictures.relations(found, truth, SIDE), note)


class SamplesExplorer(Explorer):
    """How many samples do causes need, and how much noise do they bear? Linear, perfect.

    models: worlds that are drawn and solved at every setting (5 latents, 10 observed).  seed: of
    them. Traits, settable: `samples` per context, `noise` on each observed, `denoise`: whether it
    is measured where no latent reaches, and taken off. To read: `share`, of models with all targets
    in a right order (one that is refused has none), and `error`, median of the unmixing's.
    """

    samples = traitlets.Enum(SIZES, 2500)
    noise = traitlets.Enum(NOISES, 0.0)
    denoise = traitlets.Bool(False)

    def __init__(self, seed: int = 0, models: int = 20) -> None:
        super().__init__()
        self.seed, self.models = seed, models
        self._known: dict[tuple[int, float, bool], tuple] = {}
        self.over(
            samples=slider("samples", SIZES, self.samples),
            noise=slider("noise", NOISES, self.noise),
            denoise=ipywidgets.Checkbox(False, description="take the noise off", indent=False),
        )
        self._draw(None)

    @traitlets.observe("samples", "noise", "denoise")
    def _draw(self, _: Any) -> None:
        self.follow()
        key = (self.samples, self.noise, self.denoise)
        if key not in self._known:
            self._known[key] = self._solved()
        self.share, whole, random, self.error, refused, (found, truth) = self._known[key]
        names = ["order of all right", "all ancestors right", "a random order"]
        shares = pictures.bars([self.share, whole, random], names, SIDE, WIDE)
        tiles = [
            ancestors("ancestors of one model: true", truth, truth, ROWS),
            ancestors(
                "and found" if found is not None else "and found: refused",
                np.zeros_like(truth) if found is None else found,
                truth,
                'wrong cells say "missed" or "false"',
            ),
            Tile(f"share of {self.models} models", shares),
        ]
        told = (
            f"{self.samples} samples per context, noise {self.noise:g}"
            f"{', taken off' * self.denoise}: all targets in a right "
            f"order in {self.share:.0%} of {self.models} models, all ancestors right in {whole:.0%}"
            f" (a random order: {random:.0%}); median error of the unmixing {self.error:.2g}"
            f"{f'; {refused} refused' * (refused > 0)}."
        )
        self.show(pictures.sheet([tiles], [SIDE], told))

    def _solved(self) -> tuple:
        right: list[bool] = []
        whole: list[bool] = []
        random: list[bool] = []
        errors: list[float] = []
        found: list[tuple[Any, Any]] = []  # ancestors found (None: refused) and true
        refused = 0
        for model in range(self.models):
            rng = generator(self.seed, model)
            world = linear.draw_world(rng)
            data = world.draw_covariances(self.samples, rng, self.noise)
            truth = match.relabelled(world.ancestors, world.targets)
            every = [np.array(one) for one in permutations(range(5))]
            random += [order.is_linear_extension(truth, one) for one in every]
            try:
                made = linear.solve(data, 5, samples=self.samples, denoise=self.denoise)
            except Unidentifiable:  # too much noise for so few samples
                refused += 1
                right, whole = [*right, False], [*whole, False]
                found.append((None, truth))
                continue
            right.append(order.is_linear_extension(truth, made.causes_first))
            whole.append(np.array_equal(made.order.ancestors, truth))
            errors.append(match.row_error(made.H, match.by_contexts(world.H, world.targets)))
            found.append((made.order.ancestors, truth))
        return (
            *(float(np.mean(x)) for x in (right, whole, random)),
            float(np.median(errors)) if errors else float("nan"),
            refused,
            found[0],
        )


class RatioExplorer(Explorer):
    """From which ratio on is a second direction one? Missed and false ancestors, soft.

    solution: of `identify.ancestors_from_samples`.  truth: (K, K) its true ancestors, in the
    numbering of the contexts.  Trait, settable: `ratio`. To read: `missed`, `false`.
    """

    ratio = traitlets.Enum(RATIOS, RATIOS[0])

    def __init__(self, solution: SoftSolution, truth: Any) -> None:
        super().__init__()
        self.solution, self.truth = solution, np.asarray(truth, dtype=bool)
        if self.truth.shape != solution.ancestors.shape:
            wanted = solution.ancestors.shape
            raise ValueError(f"truth: expected {wanted}, found {self.truth.shape}")
        self.over(ratio=slider("ratio", RATIOS, self.ratio))
        self._draw(None)

    @traitlets.observe("ratio")
    def _draw(self, _: Any) -> None:
        self.follow()
        found, truth, own = self.solution.at(self.ratio), self.truth, self.solution.ancestors
        self.missed, self.false = int((truth & ~found).sum()), int((found & ~truth).sum())
        null = float(np.median(self.solution.tolerance))
        tiles = [
            ancestors(f"at ratio {self.ratio:g}", found, truth, ROWS),
            ancestors(f"by the null, about {null:.2g}", own, truth, ROWS),
        ]
        told = (
            f"Ratio {self.ratio:g}: of {int(truth.sum())} ancestors {self.missed} missed, "
            f"{self.false} false. By the null (about {null:.2g}): "
            f"{int((truth & ~own).sum())} missed, {int((own & ~truth).sum())} false. "
            "Row = ancestor, column = descendant."
        )
        self.show(pictures.sheet([tiles], [SIDE], told))


class TwinExplorer(Explorer):
    """Take a context away, and be handed the world that nobody can tell from yours.

    world: a `LatentWorld` of `identify.draw_world`.  Traits, settable: `context` that is missing,
    1 to K; `strength` of the mixing-in. To read: `pair`, the twins. The source must cause the
    latent after it, and both must have contexts (`twins.missing_source`).
    """

    context = traitlets.Int(1)
    strength = traitlets.Enum(STRENGTHS, 1.0)

    def __init__(self, world: linear.LatentWorld) -> None:
        super().__init__()
        self.world = world
        contexts = slider("without context", range(1, len(world.targets) + 1), 1)
        self.over(context=contexts, strength=slider("mix in", STRENGTHS, self.strength))
        self._draw(None)

    @traitlets.validate("context")
    def _check(self, proposal: Any) -> int:
        value, most = proposal["value"], len(self.world.targets)
        if not 1 <= value <= most:
            raise ValueError(f"context: expected 1 to {most}, found {value}")
        return value

    @traitlets.observe("context", "strength")
    def _draw(self, _: Any) -> None:
        self.follow()
        d, m = len(self.world.H), int(self.world.targets[self.context - 1])
        left = Tile("your world", pictures.weights(self.world.weights, SIDE), "row = cause")
        first = f"Without context {self.context} (target z{m}"
        if m == d - 1:
            self.pair = twins.missing_source(self.world)
            first += ", which comes first: nothing can be mixed in, yet one other world fits"
        else:
            c = self.strength * (np.arange(d) > m)
            self.pair = twins.missing_context(self.world, self.context, c)
        right = Tile("its twin", pictures.weights(self.pair.other.weights, SIDE), "row = cause")
        told = (
            f"{first}): all covariances that are left agree to {self.pair.measured:.0e}, the "
            f"weights differ by {self.pair.apart:.2f}."
        )
        self.show(pictures.sheet([[left, right]], [SIDE], told))


class BetExplorer(Explorer):
    """Which run draws two interventions at once best? Bet first, then press the button.

    rows: of `identify.report.extrapolation`.  Traits: `bet`, name of a run, settable; `shown`.
    """

    bet = traitlets.Unicode()
    shown = traitlets.Bool(False)

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self.rows = list(rows)
        self._names = [row["run"] for row in self.rows]
        menu = ipywidgets.Dropdown(options=self._names, description="I bet on")
        self.button = ipywidgets.Button(description="show", icon="eye")
        self.on_click(self.button, self.reveal)
        self.over(self.button, bet=menu)
        self.bet = self._names[0]

    def reveal(self) -> None:
        """Show the measured numbers."""
        self.shown = True

    @traitlets.validate("bet")
    def _check(self, proposal: Any) -> str:
        value, names = proposal["value"], self._names
        if value not in names:
            raise ValueError(f"bet: expected one of {', '.join(names)}, found {value!r}")
        return value

    @traitlets.observe("bet", "shown")
    def _draw(self, _: Any) -> None:
        self.follow()
        names, values = self._names, [row["MMD on doubles"] for row in self.rows]
        if not self.shown:
            share, marks = np.zeros(len(names)), {names.index(self.bet): "your bet"}
            told = f"You bet on {self.bet!r}. Nothing is shown yet."
        else:
            floors, copies = (np.array([row[k] for row in self.rows]) for k in ("floor", "copy"))
            share = (np.log(copies / values) / np.log(copies / floors)).clip(0, 1)
            marks = {i: f"MMD {v:.2g}" for i, v in enumerate(values)}
            each = ", ".join(f"{n} {v:.2g}" for n, v in zip(names, values, strict=True))
            floor, copy, best = floors[0], copies[0], names[int(np.argmin(values))]
            told = (
                f"You bet on {self.bet!r}, the smallest discrepancy has {best!r}. Squared MMD on "
                f"two at once, never seen: {each}; floor {floor:.2g}, copy {copy:.2g}."
            )
        title = "from a copy (0 %) to the floor (100 %), on a logarithmic scale"
        tile = Tile(title, pictures.bars(share, names, 130, 520, marks))
        self.show(pictures.sheet([[tile]], [130], told))
