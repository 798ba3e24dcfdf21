"""Transitions (x, action, y): two images that differ in one factor, which the action changed.

Where factors cause each other (`Factor.causes`) the effects of that one have moved with it.

Images are split, not transitions: a fixed hash of the image number says train, valid or test, and
both ends of a transition lie in the same split, so a model is never tested on an image that it was
trained on. Some steps change no pixel (another eye colour behind the hair). They are kept, counted
by `invisible_share`, and dropped only where `visible_only` is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from cvq_tutorial.data.sampling import Sampling, allowed, draw_values, factor_weights
from cvq_tutorial.worlds.factors import SPLITS, FactorSpace, split_id, split_of_keys
from cvq_tutorial.worlds.world import GivenPictures, ImageWorld

__all__ = [
    "SPLITS",
    "Transitions",
    "changed_pixels",
    "invisible_share",
    "sample_transitions",
    "sample_values",
    "split_of",
    "visible_only",
]

_PATIENCE = 200_000  # candidates without a single hit before a split counts as empty


@dataclass(frozen=True)
class Transitions:
    """A batch of transitions as factor values.

    Args:
        x, y: int64 (B, F), before and after.
        actions: int64 (B,), in -1 .. A-1.

    Raises:
        ValueError: shapes that do not fit together.
    """

    x: np.ndarray
    y: np.ndarray
    actions: np.ndarray

    def __post_init__(self) -> None:
        fits = self.x.ndim == 2 and self.x.shape == self.y.shape
        if not fits or self.actions.shape != self.x.shape[:1]:
            raise ValueError(
                "transitions: expected x (B, F), y (B, F) and actions (B,), found "
                f"{self.x.shape}, {self.y.shape} and {self.actions.shape}"
            )

    def __len__(self) -> int:
        return len(self.actions)

    def take(self, rows: np.ndarray | slice) -> Transitions:
        """The transitions at `rows` (a mask, positions or a slice)."""
        return Transitions(self.x[rows], self.y[rows], self.actions[rows])

    def reversed(self, space: FactorSpace) -> Transitions:
        """The same transitions backwards: (y, inverse action, x)."""
        return Transitions(self.y, self.x, space.inverse(self.x, self.actions))


def split_of(space: FactorSpace, values: np.ndarray) -> np.ndarray:
    """Split of each image as a position in `SPLITS`: uint8 (B,), a fixed hash of its number.

    70, 15 and 15 percent of the images are train, valid and test. Settings that look alike
    (`TurningFactors`) are one image; a table of pictures (`PictureSpace`) brings its own splits.

    Args:
        space: the factors of the world.
        values: integers (B, F).
    """
    if isinstance(space, GivenPictures):
        return space.split_of_rows(values)
    return split_of_keys(space.index(space.first_alike(values)).astype(np.uint64))


def sample_values(
    space: FactorSpace,
    n: int,
    split: str = "train",
    seed: int | np.random.Generator = 0,
    sampling: Sampling | None = None,
) -> np.ndarray:
    """Factor values of `n` images, with repeats, from one split: int64 (n, F).

    They are drawn uniformly, or as `sampling` says. Of a table of pictures they are the rows of
    existing ones, int64 (n, F + 1), see `PictureSpace`.

    Raises:
        TypeError: a sampling that is none.
        ValueError: unknown split, negative n, a sampling that does not fit the factors, or a split
            without an image (of those that the sampling allows).
    """
    wanted, n = split_id(split), _count(n)
    _check_kind(sampling)
    rng = _generator(seed, wanted, 0)
    if isinstance(space, GivenPictures):
        _attribute_weights(space, sampling)  # raises for a sampling that says how values come
        return space.sample_rows(n, split, rng)
    if sampling is not None:
        sampling.check(space)

    def draw(m: int) -> np.ndarray:
        if sampling is None:
            values = rng.integers(0, space.sizes, size=(m, space.n_factors))
        else:
            values = draw_values(space, sampling, m, rng)
            values = values[allowed(space, sampling, values)]
        return values[split_of(space, values) == wanted]

    return _until(n, draw, f"split {split!r} holds no image of this {_what(sampling)}")


def sample_transitions(
    space: FactorSpace,
    n: int,
    split: str = "train",
    seed: int | np.random.Generator = 0,
    sampling: Sampling | None = None,
) -> Transitions:
    """Transitions with both ends in one split, every factor equally often.

    Each factor gets n / F transitions (the remainder goes to factors drawn at random); its step and
    the direction, or the two values that a set leads between, and all other factors are uniform
    over what the split holds. The order is shuffled. With a `sampling`, each action of a factor
    gets the same part of its factor's weight of the n, and x is drawn as the sampling says among
    the images that the action can start from; a balanced sampling has the same chances as none.

    Args:
        space: the factors of the world.
        n: how many.
        split: "train", "valid" or "test".
        seed: a seed, or a generator that is advanced.
        sampling: how values and factors are drawn; None is uniform.

    Raises:
        TypeError: a sampling that is none.
        ValueError: unknown split, negative n, a factor without a transition inside the split (of
            those that the sampling allows), or a sampling that does not fit the factors.
    """
    wanted, n = split_id(split), _count(n)
    _check_kind(sampling)
    rng = _generator(seed, wanted, 1)
    if isinstance(space, GivenPictures):
        ends, actions = space.sample_pairs(n, split, rng, _attribute_weights(space, sampling))
        return Transitions(ends[:, 0], ends[:, 1], actions)
    if sampling is not None:
        return _sample_transitions(space, n, split, rng, sampling)
    shares = np.full(space.n_factors, n // space.n_factors)
    shares[rng.permutation(space.n_factors)[: n % space.n_factors]] += 1

    def draw(factor: int, m: int) -> np.ndarray:
        size, is_set = space.sizes[factor], factor in space.sets
        x = rng.integers(0, space.sizes, size=(m, space.n_factors))
        x[:, factor] = rng.integers(0, size if is_set else size - 1, size=m)
        y = x.copy()
        y[:, factor] += rng.integers(1, size, size=m) if is_set else 1  # any other value, or up
        y[:, factor] %= size
        y = space.follow(x, y)
        inside = (split_of(space, x) == wanted) & (split_of(space, y) == wanted)
        return np.stack([x, y], axis=1)[inside]  # (kept, 2, F)

    pairs = []
    for factor, share in enumerate(shares):
        empty = f"split {split!r} holds no transition of factor {space.names[factor]!r}"
        pairs.append(_until(int(share), partial(draw, factor), empty))
    pair = np.concatenate(pairs)  # (n, 2, F)
    factor_of = np.repeat(np.arange(space.n_factors), shares)
    down = rng.integers(0, 2, size=n).astype(bool)
    pair[down] = pair[down, ::-1]
    actions = space.acting_on(factor_of, down, pair[np.arange(n), 1, factor_of])
    order = rng.permutation(n)
    return Transitions(pair[order, 0], pair[order, 1], actions[order])


def _sample_transitions(
    space: FactorSpace,
    n: int,
    split: str,
    rng: np.random.Generator,
    sampling: Sampling,
) -> Transitions:
    """`sample_transitions` with a sampling: x by its weights, one action after the other."""
    sampling.check(space)
    wanted = split_id(split)
    factor_of = space.factor_of(np.arange(space.n_actions))  # (A,)
    exact = n * (factor_weights(space, sampling) / np.bincount(factor_of))[factor_of]
    counts = np.floor(exact).astype(np.int64)
    if left := n - int(counts.sum()):
        rest = exact - counts
        counts += rng.multinomial(left, rest / rest.sum())

    def draw(action: int, m: int) -> np.ndarray:
        x = draw_values(space, sampling, m, rng)
        x = x[space.legal(x, np.full(m, action))]
        y = space.apply(x, np.full(len(x), action))
        kept = allowed(space, sampling, x, y)
        kept &= (split_of(space, x) == wanted) & (split_of(space, y) == wanted)
        return np.stack([x, y], axis=1)[kept]  # (kept, 2, F)

    pairs = []
    for action, count in enumerate(counts.tolist()):
        empty = (
            f"split {split!r} holds no transition of action {space.action_names[action]!r} in this "
            f"{_what(sampling)}"
        )
        pairs.append(_until(count, partial(draw, action), empty))
    order = rng.permutation(n)
    pair = np.concatenate(pairs)[order]  # (n, 2, F)
    return Transitions(pair[:, 0], pair[:, 1], np.repeat(np.arange(space.n_actions), counts)[order])


def changed_pixels(
    world: ImageWorld, transitions: Transitions, batch_size: int = 512
) -> np.ndarray:
    """How many pixels of each transition differ in any channel: int64 (B,)."""
    counts = np.empty(len(transitions), dtype=np.int64)
    for start in range(0, len(transitions), batch_size):
        part = slice(start, start + batch_size)
        before, after = world.render(transitions.x[part]), world.render(transitions.y[part])
        counts[part] = (before != after).any(axis=3).sum(axis=(1, 2))
    return counts


def invisible_share(
    world: ImageWorld, n: int = 6000, seed: int = 0, split: str = "train"
) -> dict[str, float]:
    """Share of transitions that change no pixel, per factor, estimated on `n` of them.

    Raises:
        ValueError: n below the number of factors, or as `sample_transitions`.
    """
    space = world.factors
    if n < space.n_factors:
        raise ValueError(f"expected n of at least {space.n_factors}, one per factor, found {n}")
    transitions = sample_transitions(space, n, split, seed)
    invisible = changed_pixels(world, transitions) == 0
    factor = space.factor_of(transitions.actions)
    return {name: float(invisible[factor == f].mean()) for f, name in enumerate(space.names)}


def visible_only(world: ImageWorld, transitions: Transitions) -> Transitions:
    """The transitions that change at least one pixel, in their order."""
    return transitions.take(changed_pixels(world, transitions) > 0)


def _count(n: int) -> int:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
        raise TypeError(f"n: expected an integer, found {n!r}")
    if n < 0:
        raise ValueError(f"n: expected 0 or more, found {n}")
    return int(n)


def _what(sampling: Sampling | None) -> str:
    return "world" if sampling is None else "world that the sampling allows"


def _check_kind(sampling: Sampling | None) -> None:
    if sampling is not None and not isinstance(sampling, Sampling):
        raise TypeError(
            f"sampling: expected a Sampling (see Sampling.from_text), found {sampling!r}"
        )


def _attribute_weights(space: FactorSpace, sampling: Sampling | None) -> np.ndarray | None:
    """How often each attribute of a table of pictures is moved, (F,); None is equally often.

    Raises ValueError for a sampling of values: which values go together is up to the table.
    """
    if sampling is None:
        return None
    if sampling != Sampling(factors=sampling.factors):
        raise ValueError(
            "pictures of a table have the values that they have: expected a sampling of factors "
            "only, found one of values, correlations or held-out combinations"
        )
    return factor_weights(space, sampling)


def _generator(seed: int | np.random.Generator, *tag: int) -> np.random.Generator:
    """A generator of its own for each seed, split and purpose."""
    return seed if isinstance(seed, np.random.Generator) else np.random.default_rng([seed, *tag])


def _until(n: int, draw: Callable[[int], np.ndarray], empty: str) -> np.ndarray:
    """The first `n` rows that `draw(m)` keeps of m candidates, called as often as it takes."""
    parts, found, tried = [draw(0)], 0, 0
    while found < n:
        if tried >= _PATIENCE and not found:
            raise ValueError(f"{empty}: found none in {tried} draws")
        m = int(1.1 * (n - found) * tried / found) + 64 if found else 1024
        parts.append(draw(min(m, 2**17)))
        found, tried = found + len(parts[-1]), tried + min(m, 2**17)
    return np.concatenate(parts)[:n]
