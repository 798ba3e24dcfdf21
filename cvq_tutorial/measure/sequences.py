"""Sequences of actions, measured: plans that are found, and actions that are done in a row.

Both are judged by the world, not by the model. A plan counts only if its actions, done on the true
factors of x, lead exactly to those of y, and it is called optimal only if breadth-first search over
the true factors finds nothing shorter. Actions in a row are compared with the true image after each
of them. Everything is deterministic for a seed, but for the seconds.

Letters: n sequences, A actions, F factors (of a world without images: its N codes).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvq_tutorial.common.checks import whole_number
from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.transitions import sample_values, split_of
from cvq_tutorial.measure.judge import Judge
from cvq_tutorial.measure.metrics import bootstrap, psnr
from cvq_tutorial.method.model import CARRIES, CausalVQ
from cvq_tutorial.method.plan import clearly_nearer
from cvq_tutorial.worlds.factors import split_id
from cvq_tutorial.worlds.world import World, has_every_picture

BATCH = 256
DRAWS = 200  # starts tried per pair before a distance counts as absent

Values = NDArray[np.int64]

# The truth ---------------------------------------------------------------------------------------


def outcomes(world: World, values: Values) -> tuple[Values, NDArray[np.bool_]]:
    """What every action truly does: (S, A, F) values after it, and whether it exists, (S, A).

    values: (S, F) factor values, or (S, N) codes of a world without images, where all exist.
    Where an action is not possible, the values stay.
    """
    count = len(world.factors.action_names if world.has_images else world.action_names)
    before = np.repeat(values, count, axis=0)
    actions = np.tile(np.arange(count), len(values))
    if world.has_images:
        exists = world.factors.legal(before, actions)
        after = before.copy()
        after[exists] = world.factors.apply(before[exists], actions[exists])
    else:
        exists = np.ones(len(actions), dtype=bool)
        after = world.apply(before[:, :, None], actions)[:, :, 0]
    shape = (len(values), count)
    return after.reshape(*shape, values.shape[1]), exists.reshape(shape)


def at_distance(world: World, values: Sequence[int] | Values, distance: int) -> list[Values]:
    """Breadth-first search: entry d holds all values (S, F) that d actions, and no fewer, lead to.

    values: (F,) where it starts.  distance: the last d, at least 0.
    """
    start = np.asarray(values, dtype=np.int64)[None]
    seen, layers = {start[0].tobytes()}, [start]
    for _ in range(distance):
        after, exists = outcomes(world, layers[-1])
        new = np.unique(after[exists], axis=0)
        fresh = np.array([row.tobytes() not in seen for row in new], dtype=bool)
        layers.append(new[fresh])
        seen.update(row.tobytes() for row in layers[-1])
    return layers


def follow(world: World, values: Values, actions: Sequence[int]) -> Values | None:
    """Where actions truly lead from values (F,): (F,), or None where one of them does not exist."""
    for action in actions:
        after, exists = outcomes(world, values[None])
        if not exists[0, action]:
            return None
        values = after[0, action]
    return values


def _starts(world: World, n: int, split: str, seed: int | np.random.Generator) -> Values:
    if world.has_images:
        if not has_every_picture(world):
            raise ValueError(
                f"expected a world with a picture of every setting, found {world.name!r}"
            )
        return sample_values(world.factors, n, split, seed)
    return world.sample(n, split, seed).x[:, :, 0]


def _seen(model: CausalVQ, world: World, values: Values) -> Tensor:
    """Codes (S, N, C) of the true images of values (S, F)."""
    if world.has_images:
        return model.encode(to_float(world.render(values)))
    return model.check_codes(torch.from_numpy(values[:, :, None]))


# Plans -------------------------------------------------------------------------------------------


def pairs_at(
    world: World, distance: int, n: int, seed: int = 0, split: str = "test"
) -> tuple[Values, Values]:
    """X and y, (n, F) each: both images of the split, y exactly `distance` actions from x.

    x is drawn uniformly among those that have such a y, and y uniformly among these. What lies
    between them may be in any split. In a world without images, x is drawn from the split's
    transitions and y is any.
    Raises ValueError for an unknown split, for a world of a table, whose pictures are few, or where
    no pair has this distance.
    """
    n, wanted = whole_number("n", n), split_id(split)
    distance = whole_number("distance", distance, 0)
    rng = np.random.default_rng([seed, wanted, int(distance)])
    pairs: list[tuple[Values, Values]] = []
    for tried in range(DRAWS * n):
        if len(pairs) == n or (tried == DRAWS and not pairs):
            break
        x = _starts(world, 1, split, rng)[0]
        ends = at_distance(world, x, distance)[-1]
        if world.has_images:
            ends = ends[split_of(world.factors, ends) == wanted]
        if len(ends):
            pairs.append((x, ends[rng.integers(len(ends))]))
    if len(pairs) < n:
        raise ValueError(
            f"expected {n} pairs {distance} actions apart in split {split!r}, found {len(pairs)} "
            f"from {tried} starts"
        )
    return np.array([x for x, _ in pairs]), np.array([y for _, y in pairs])


def random_plan(
    model: CausalVQ, x: Tensor, y: Tensor, length: int, expanded: int, rng: np.random.Generator
) -> tuple[int, ...]:
    """The control: the best of random sequences of actions, as many states looked at.

    x, y: codes (1, N, C).  length: of the longest, at least 1.
    expanded: all actions are tried on at most so many states, at least 1.
    It is told the true distance (`length`), which the search is not, and compares by the distance
    that the search compares by: a longer sequence must come clearly nearer.
    """
    every = torch.arange(model.n_actions, device=model.device)
    walks = (expanded - 1) // (length - 1) if length > 1 else 0
    measure, belief = model.measure(y), model.belief(x)
    done = np.zeros((1, 0), dtype=np.int64)
    best, found = measure.distance(belief).item(), ()
    for step in range(1, length + 1):
        after = model.advance(belief, every.expand(len(belief), -1))  # (S, A, N, C, K)
        far = measure.distance(after).cpu().numpy()  # (S, A)
        row, action = np.unravel_index(far.argmin(), far.shape)
        if clearly_nearer(float(far[row, action]), best):
            best, found = float(far[row, action]), (*done[row].tolist(), int(action))
        if walks == 0 or step == length:
            break
        if step == 1:  # all walks leave from x
            after, done = after.expand(walks, -1, -1, -1, -1), done.repeat(walks, axis=0)
        chosen = rng.integers(model.n_actions, size=walks)
        belief = after[torch.arange(walks), torch.from_numpy(chosen)]
        done = np.concatenate([done, chosen[:, None]], axis=1)
    return found


def plan_success(
    model: CausalVQ,
    world: World,
    distance: int,
    n: int = 50,
    seed: int = 0,
    *,
    split: str = "test",
    **options: Any,
) -> dict:
    """How often `CausalVQ.plan` finds the way to an image at a known distance.

    distance: true, at least 1; the search is not told.  n: pairs, see `pairs_at`.
    options: of the search, see `plan.search`.
    Returns a JSON-able dict. Shares of pairs: success (the actions truly lead from x to y, through
    settings that exist), optimal (and no shorter sequence does), reached (the model says so),
    interval (of success, 95 percent, bootstrap). trusted: share of successes among the reached, or
    None. expanded, seconds: means per plan. random: success, optimal of `random_plan` with as many
    states each.
    Raises as `pairs_at` and `plan.search`.
    """
    starts, ends = pairs_at(world, whole_number("distance", distance), n, seed, split)
    rng = np.random.default_rng([seed, distance])
    hits, best, reached, expanded, seconds, control = [], [], [], [], 0.0, []
    for x, y in zip(starts, ends, strict=True):
        codes, target = _seen(model, world, np.stack([x, y])).split(1)
        began = time.perf_counter()
        plan = model.plan(codes, target, **options)
        seconds += time.perf_counter() - began
        tried = random_plan(model, codes, target, distance, plan.expanded, rng)
        arrived, by_chance = (_arrives(world, x, y, a) for a in (plan.actions, tried))
        hits.append(arrived)
        best.append(arrived and len(plan) == distance)
        reached.append(plan.reached)
        expanded.append(plan.expanded)
        control.append((by_chance, by_chance and len(tried) == distance))
    said = [hit for hit, yes in zip(hits, reached, strict=True) if yes]
    return {
        "world": world.name,
        "distance": int(distance),
        "n": len(hits),
        "success": float(np.mean(hits)),
        "interval": list(bootstrap(np.array(hits), seed=seed)),
        "optimal": float(np.mean(best)),
        "reached": float(np.mean(reached)),
        "trusted": float(np.mean(said)) if said else None,
        "expanded": float(np.mean(expanded)),
        "seconds": round(seconds / len(hits), 3),
        "random": {
            "success": float(np.mean([hit for hit, _ in control])),
            "optimal": float(np.mean([short for _, short in control])),
        },
    }


def _arrives(world: World, x: Values, y: Values, actions: Sequence[int]) -> bool:
    end = follow(world, x, actions)
    return end is not None and bool((end == y).all())


# Actions in a row --------------------------------------------------------------------------------


def random_actions(
    world: World, steps: int, n: int, seed: int = 0, split: str = "test"
) -> tuple[Values, Values]:
    """Values (steps + 1, n, F) along random sequences, and their actions (steps, n).

    They start at images of the split; each action is uniform among those that exist there.
    Raises ValueError for an unknown split, or a world of a table, whose pictures are few.
    """
    steps, n = whole_number("steps", steps), whole_number("n", n)
    rng = np.random.default_rng([seed, split_id(split), steps])
    path, actions = [_starts(world, n, split, rng)], []
    for _ in range(steps):
        after, exists = outcomes(world, path[-1])
        chosen = (rng.random(exists.shape) * exists).argmax(1)  # (n,)
        path.append(after[np.arange(n), chosen])
        actions.append(chosen)
    return np.stack(path), np.stack(actions)


def composition(
    model: CausalVQ,
    world: World,
    steps: int = 10,
    n: int = 100,
    seed: int = 0,
    judge: Judge | None = None,
    *,
    split: str = "test",
) -> dict:
    """How errors grow when actions are done one after another, the true images never seen again.

    steps, n, seed, split: see `random_actions`.  judge: reads the factors, or None.
    Returns a JSON-able dict. Each of its tables has a list of `steps` numbers per way to carry on
    from step to step (see `CausalVQ.compose`), and for the controls: "ceiling", the true image
    encoded and decoded, and "copy", the image at the start.
    codes_right: share of codes equal to those of the true image.  psnr: dB, of the mean squared
    error.  factors_right, all_right: share of factors, and of images with all factors, that the
    judge reads as they truly are. A world without images has only codes_right.
    """
    path, actions = random_actions(world, steps, n, seed, split)
    carries = CARRIES if world.has_images else ("belief", "codes")
    sums: dict[str, dict[str, NDArray[np.float64]]] = {}

    def add(table: str, who: str, step: int, values: Tensor | NDArray) -> None:
        of = sums.setdefault(table, {}).setdefault(who, np.zeros(len(actions)))
        of[step] += float(values.sum())

    def compare(who: str, step: int, images: Tensor, truth: Tensor, values: Values) -> None:
        add("mse", who, step, (images - truth).square().mean((1, 2, 3)))
        if judge is not None:
            right = judge.read(images).cpu().numpy() == values
            add("factors_right", who, step, right.mean(1))
            add("all_right", who, step, right.all(1))

    for first in range(0, n, BATCH):
        part = path[:, first : first + BATCH]
        codes = _seen(model, world, part[0])
        done = {
            c: model.compose(codes, actions[:, first : first + BATCH], carry=c) for c in carries
        }
        if world.has_images:
            begin = to_float(world.render(part[0])).to(model.device)
        for step, values in enumerate(part[1:]):
            right = _seen(model, world, values)
            for carry in carries:
                add(
                    "codes_right",
                    carry,
                    step,
                    (done[carry][step].codes == right).float().mean((1, 2)),
                )
            add("codes_right", "copy", step, (codes == right).float().mean((1, 2)))
            if world.has_images:
                truth = to_float(world.render(values)).to(model.device)
                for carry in carries:
                    compare(carry, step, done[carry][step].images, truth, values)
                compare("ceiling", step, model.decode(right), truth, values)
                compare("copy", step, begin, truth, values)
    told: dict[str, Any] = {"world": world.name, "steps": len(actions), "n": n, "seed": seed}
    for table, rows in sums.items():
        if table == "mse":
            told["psnr"] = {who: [psnr(v / n) for v in total] for who, total in rows.items()}
        else:
            told[table] = {who: (total / n).tolist() for who, total in rows.items()}
    return told
