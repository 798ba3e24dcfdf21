"""What a run learns from: images for the first phase, transitions as codes for the second.

Worlds draw and render; a recipe says how unevenly, and what evens it out again (see `sampling` and
`balance`), and how pictures are moved (see `augment`). Codes are computed once, between the phases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cvq_tutorial.common import ranks
from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.augment import check_augment, moved
from cvq_tutorial.data.balance import balanced_chances
from cvq_tutorial.data.sampling import Sampling, factor_weights
from cvq_tutorial.data.transitions import SPLITS, Transitions, sample_transitions, sample_values
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.training.recipes import Recipe
from cvq_tutorial.training.run import Run
from cvq_tutorial.worlds.tables.listed import PairSpace

MOST_ACTIONS = 1024  # codes of unnamed actions: each pair is scored under all of them


def check_data(world: Any, recipe: Recipe) -> None:
    """Raise ValueError unless the world has what a run asks of it, before any work.

    That is a transition of every factor in each split, and what the recipe's imbalance is about.
    """
    given = world.factors if world.has_images else None
    if isinstance(given, PairSpace) and recipe.actions == "named":
        given.check_named()
    if recipe.actions == "none":
        pairs = recipe.transitions
        if isinstance(given, PairSpace):
            pairs = min(pairs, int(given.pair_counts("train")[0]))
        if recipe.action_codes > min(pairs, MOST_ACTIONS):
            raise ValueError(
                f"action_codes: expected at most one per pair, {pairs}, and at most "
                f"{MOST_ACTIONS}, found {recipe.action_codes}"
            )
        if recipe.resample:
            raise ValueError(
                "resample: needs the factors of each pair, which nobody knows with actions='none': "
                f"expected 0, found {recipe.resample}"
            )
    if world.has_images:
        check_augment(recipe.augment, world.factors.factors)
        recipe_of_faces = recipe.augment == "mirror_shift" and world.name == "faces"
        if recipe_of_faces and world.own:  # a recipe for CelebA, which no attribute of names a side
            raise ValueError(
                "own pictures are not mirrored by the recipe of faces: whether they may be, only "
                "you know: augment='shift', or 'mirror_shift_anyway'"
            )
        for split in SPLITS:  # of a table of pictures one may be empty
            sample_transitions(world.factors, world.factors.n_factors, split, 0)
    if recipe.sampling is None and not recipe.resample:
        return
    if not world.has_images:
        raise ValueError(
            f"the world {world.name!r} has no factors: expected a recipe without value_weights, "
            "factor_weights, correlations, held_out and resample"
        )
    if recipe.sampling is not None:
        recipe.sampling.check(world.factors)
        known = every_action(recipe.sampling, world.factors)
        sample_transitions(world.factors, world.factors.n_actions, "train", 0, sampling=known)
        if recipe.prune_tolerance or recipe.edge_worth:
            n = 2 * recipe.prune_transitions * world.factors.n_actions
            sample_transitions(world.factors, n, "valid", 0, sampling=known)


def image_batches(run: Run) -> Callable[[int, int], Tensor]:
    """What the first phase learns from: (step, how many) -> images (B, 3, H, W) on the device.

    With a `pair_weight` they are the ends of transitions, x and y one after the other. Of several
    processes each gets its part of them.
    """
    recipe, space, render = run.recipe, run.world.factors, run.world.render
    paired = bool(recipe.pair_weight)

    def ends(n: int, seed: Any) -> list[np.ndarray]:
        """Values of n pictures, (n, F), or of the two ends of n transitions."""
        if not paired:
            return [sample_values(space, n, "train", seed, recipe.sampling)]
        drawn = sample_transitions(space, n, "train", seed, sampling=recipe.sampling)
        return [drawn.x, drawn.y]

    pool = chances = None
    if recipe.sampling is not None or recipe.resample:
        pool = ends(recipe.transitions, run.seed)
        chances = chances_of(recipe, space, pool[0])

    def batch(step: int, size: int) -> Tensor:
        rng, n = run.numbers(1, step, size), size // 2 if paired else size
        if pool is None:
            values = ends(n, rng)
        else:
            rows = rng.choice(len(pool[0]), n, p=chances)
            values = [end[rows] for end in pool]
        part = ranks.rows(n)
        if recipe.augment == "none":
            pictures = [render(end[part]) for end in values]
        else:  # the moves are drawn for all
            pictures = [p[part] for p in moved([render(v) for v in values], recipe.augment, rng)]
        images = to_float(np.stack(pictures, 1).reshape(-1, *pictures[0].shape[1:]))
        return images.to(run.device).contiguous(memory_format=torch.channels_last)

    return batch


def training_transitions(
    world: Any, recipe: Recipe, seed: int
) -> tuple[Transitions, np.ndarray | None]:
    """What the second phase learns from, in a world with images, before it is encoded.

    Returns the transitions, and the chances to draw each of them by, None for equal ones.
    """
    drawn = _drawn(world, recipe.transitions, "train", seed, recipe.sampling)
    return drawn, chances_of(recipe, world.factors, drawn.x, drawn.actions)


def training_codes(
    world: Any, model: CausalVQ, recipe: Recipe, seed: int
) -> tuple[Tensor, Tensor, Tensor, np.ndarray | None]:
    """What the second phase learns from, as codes, see `encoded_transitions`, and the chances.

    It is drawn once: x, y (n, N, C) uint8, or int16 of more than 256 codes, actions (n,) int64, on
    the CPU; chances (n,) or None.
    """
    n, kept = recipe.transitions, torch.uint8 if model.n_codes <= 256 else torch.int16
    if not world.has_images:
        x, actions, y = encoded_transitions(world, model, n, "train", seed)
        return x.to(kept), actions, y.to(kept), None
    drawn, chances = training_transitions(world, recipe, seed)
    twice = not world.factors.one_way
    return *_encoded(world, model, drawn, twice, seed, recipe.augment, kept), chances


def encoded_transitions(
    world: Any,
    model: CausalVQ,
    n: int,
    split: str,
    seed: int,
    sampling: Sampling | None = None,
    augment: str = "none",
) -> tuple[Tensor, Tensor, Tensor]:
    """N transitions of a split as codes, on the CPU: x, y (n, N, C) int16, actions (n,) int64.

    In the train split every drawn pair is used in both directions, the second half of the n being
    the first half reversed (not so where pairs are known one way only).
    sampling: how they are drawn; worlds without images have none.
    augment: how their pictures are moved, see `augment`.
    """
    if not world.has_images:
        found = world.sample(n, split, seed)
        x, actions, y = (torch.from_numpy(a) for a in (found.x, found.actions, found.y))
        return x.to(torch.int16), actions, y.to(torch.int16)
    drawn = _drawn(world, n, split, seed, sampling)
    twice = split == "train" and not world.factors.one_way
    return _encoded(world, model, drawn, twice, seed, augment)


def _encoded(
    world: Any, model: CausalVQ, drawn: Transitions, twice: bool, seed: int, augment: str,
    kept: torch.dtype = torch.int16,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Transitions as codes; twice: the second half is the first reversed, the same images."""
    n = len(drawn)
    once = (n + 1) // 2 if twice else n

    def look(images: Tensor) -> Tensor:
        return model.encode(images).to("cpu", kept)

    x, y = both_ends(look, world, drawn.take(slice(once)), augment, seed)
    if twice:
        x, y = torch.cat([x, y])[:n], torch.cat([y, x])[:n]
    return x, torch.from_numpy(drawn.actions), y


def both_ends(
    look: Callable[[Tensor], Tensor], world: Any, drawn: Transitions, augment: str, seed: int
) -> tuple[Tensor, Tensor]:
    """What `look` sees in the images of x and of y, whose pictures are moved as `augment` says."""
    ends: tuple[list[Tensor], list[Tensor]] = ([], [])
    for start in range(0, len(drawn), 512):
        part = drawn.take(slice(start, start + 512))
        rng = np.random.default_rng([seed, 6, start])
        pictures = moved([world.render(part.x), world.render(part.y)], augment, rng)
        for end, images in zip(ends, pictures, strict=True):
            end.append(look(to_float(images)))
    return torch.cat(ends[0]), torch.cat(ends[1])


def _drawn(world: Any, n: int, split: str, seed: int, sampling: Sampling | None) -> Transitions:
    """N transitions as factor values; in the train split the second half is the first reversed."""
    if split != "train" or world.factors.one_way:
        return sample_transitions(world.factors, n, split, seed, sampling=sampling)
    drawn = sample_transitions(world.factors, (n + 1) // 2, split, seed, sampling=sampling)
    back = drawn.reversed(world.factors)
    both = ((drawn.x, back.x), (drawn.y, back.y), (drawn.actions, back.actions))
    x, y, actions = (np.concatenate(pair)[:n] for pair in both)
    return Transitions(x, y, actions)


def chances_of(recipe: Recipe, space: Any, values: Any, *others: Any) -> np.ndarray | None:
    """Chances to draw the rows of a sample by, (n,) as `recipe.resample` says; None for equal ones.

    Values of every factor, and of those that were made to go together in pairs, become even.
    values: (n, F).  others: more columns that must be even, (n,) each.
    """
    if not recipe.resample:
        return None
    columns = [*others, *values[:, : space.n_factors].T]
    for cause, effect, _ in recipe.sampling.correlations if recipe.sampling else ():
        c, e = space.factor_id(cause), space.factor_id(effect)
        columns.append(values[:, c] * space.sizes[e] + values[:, e])
    return balanced_chances(columns, recipe.resample)


def every_action(sampling: Sampling, space: Any) -> Sampling:
    """The same, but every factor that is moved at all is moved equally often."""
    weights = factor_weights(space, sampling)
    moved_at_all = {n: float(w > 0) for n, w in zip(space.names, weights, strict=True)}
    return replace(sampling, factors=moved_at_all)
