"""Which factor causes which, read from a trained model: set one, see which others move.

Intuition: if an action on one factor moves another one in the picture that the model draws, the
first is an ancestor of the second. It is a *direct* cause if the other still moves when all factors
between the two are put back where they were, by actions of their own.

What a result means: `moved[i, j]` is the share of pictures in which the judge reads another value
of factor j after an action on factor i; `direct[i, j]` the same with the factors between put back.
From one half on it counts. Beside it the truth, where a world has one (`factor_graph`).
When it misleads: a judge that misreads a factor, or a decoder that smears it, moves it without a
cause; two ways from i to j that cancel each other look like none (the usual assumption of
faithfulness); and what is put back by several actions gathers the errors of all of them.
Source: after Pearl's controlled direct effect, with the model for the world.

Letters: n pictures, F factors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.transitions import sample_values
from cvq_tutorial.measure.judge import Judge
from cvq_tutorial.worlds.factors import FactorSpace
from cvq_tutorial.worlds.world import World

HALF = 0.5  # of the pictures: from there on a factor counts as moved


def factor_graph(
    model: Any, world: World, judge: Judge, n: int = 200, seed: int = 0
) -> dict[str, NDArray]:
    """Ancestors and direct causes among the factors, from n pictures of the test split.

    model: trained on the world's actions. judge: reads its factors.
    Returns "moved" and "direct", shares (F, F), and "ancestors" and "edges", bool (F, F); all have
    row = cause, column = effect, and an empty diagonal. Deterministic.
    Raises ValueError for a world without pictures, or whose actions are not steps.
    """
    if not world.has_images or world.factors.actions != "steps":
        raise ValueError(f"factor_graph needs pictures and actions='steps', found {world.name!r}")
    space = world.factors
    values = sample_values(space, n, "test", seed)
    codes = model.encode(to_float(world.render(values)).to(model.device))
    after = [
        _stepped(model, judge, space, codes, values, factor) for factor in range(len(space.names))
    ]
    moved = np.stack([_moved(*one[:2]) for one in after])
    ancestors = moved > HALF
    direct = moved.copy()
    for i, j in zip(*np.nonzero(ancestors), strict=True):
        between = np.flatnonzero(ancestors[i] & ancestors[:, j])
        if len(between):
            order = between[np.argsort(ancestors[:, between].sum(0), kind="stable")]
            before, now, done = after[i]
            direct[i, j] = _put_back(model, judge, space, before, now, done, order)[j]
    return {"moved": moved, "direct": direct, "ancestors": ancestors, "edges": direct > HALF}


def _stepped(
    model: Any, judge: Judge, space: FactorSpace, codes: Tensor, values: NDArray, factor: int
) -> tuple[NDArray, NDArray, Tensor]:
    """What the judge reads before and after one step of a factor, and the codes after it."""
    name = space.names[factor]
    down = ~space.legal(values, np.full(len(values), space.action_id(f"{name}+")))
    actions = np.where(down, space.action_id(f"{name}-"), space.action_id(f"{name}+"))
    done = model.intervene(codes, torch.from_numpy(actions).to(codes.device))
    before, after = (judge.read(p).cpu().numpy() for p in (model.decode(codes), done.images))
    before[:, factor] = after[:, factor] = 0  # what is acted on moves, and is not asked about
    return before, after, done.codes


def _moved(before: NDArray, after: NDArray) -> NDArray[np.float64]:
    return (before != after).mean(0)


def _put_back(
    model: Any,
    judge: Judge,
    space: FactorSpace,
    before: NDArray,
    now: NDArray,
    codes: Tensor,
    between: NDArray,
) -> NDArray[np.float64]:
    """Shares (F,) of moved factors, after the ones between have been stepped back, causes first."""
    for k in between:
        away = now[:, k] - before[:, k]
        steps, often = np.unique(away, return_counts=True)
        usual = int(
            steps[often.argmax()]
        )  # pictures in which it went round its values are left out
        rows = away == usual
        before, codes = before[rows], codes[torch.from_numpy(rows).to(codes.device)]
        if usual:
            back = f"{space.names[k]}{'-' if usual > 0 else '+'}"
            codes = model.compose(codes, [back] * abs(usual))[-1].codes
        now = judge.read(model.decode(codes)).cpu().numpy()
    return _moved(before, now)
