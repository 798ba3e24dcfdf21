"""Imbalance as data: which values are frequent, which factors are edited, what goes together.

Benchmark worlds are balanced: every value equally often, all factors independent. Data that people
bring are not. A `Sampling` says how a sample departs from balance, and a balanced test set then
says what that costs. Four departures, each with a text form, so that a recipe can hold it:

    values        "zipf:1.5"  or  "shape=zipf:2;scale=8,4,2,1,1,1,1,0"
    factors       "zipf:1"    or  "shape=0.1;scale=5"
    correlations  "wall_hue>floor_hue:0.9"
    held_out      "shape=3;object_hue=0,1,2"  (several combinations: joined by "|")

Zipf's law with exponent s gives value (or factor) number v the weight 1 / (v + 1)**s, so number 0
is the most frequent. A weight of 0 keeps a value out altogether. The usual cure is in `balance`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from cvq_tutorial.common.checks import close_match
from cvq_tutorial.common.order import CycleError, depths
from cvq_tutorial.worlds.factors import FactorSpace

RULES = ("uniform", "zipf:EXPONENT")


@dataclass(frozen=True)
class Sampling:
    """How factor values and the factors that actions move are drawn. The default is balanced.

    Args:
        values: one rule for all factors, "uniform" or "zipf:EXPONENT", or {factor: rule or one
            weight per value}; factors that are not named are uniform.
        factors: which factor an action moves: a rule, or {factor: weight}, 1 where not named. The
            actions of a factor (up and down, or one per value) are always equally frequent.
        correlations: (cause, effect, strength) each: with probability `strength` in [0, 1] the
            effect is not drawn by its own weights but has the value at the same place of its range
            as the cause's value. An effect has one cause, and there is no circle.
        held_out: combinations of values that never occur, each {factor: value or values}: an image
            is held out where all its named factors have one of the named values.
        only_held_out: the opposite: nothing but what `held_out` keeps out, see `unseen`.

    A combination, a correlation or a mapping may be given alone, without a tuple around it. What
    the names mean is checked against a world by `check`.

    Raises:
        TypeError, ValueError: a weight that is negative or not finite, all weights 0, an unknown
            rule, a strength outside [0, 1], two causes of one effect.
    """

    values: Any = "uniform"
    factors: Any = "uniform"
    correlations: Any = ()
    held_out: Any = ()
    only_held_out: bool = False

    def __post_init__(self) -> None:
        put = object.__setattr__  # the fields are put into one form each
        if isinstance(self.values, Mapping):
            put(self, "values", {n: _weights(w, f"values of {n}") for n, w in self.values.items()})
        else:
            _exponent(self.values, "values")
        if isinstance(self.factors, Mapping):
            names = tuple(self.factors)
            put(self, "factors", dict(zip(names, _table(self.factors.values()), strict=True)))
        else:
            _exponent(self.factors, "factors")
        pairs = _several(self.correlations, "correlations", "(cause, effect, strength)")
        pairs = (pairs,) if len(pairs) == 3 and isinstance(pairs[0], str) else pairs
        put(self, "correlations", tuple(_correlation(pair) for pair in pairs))
        effects = [effect for _, effect, _ in self.correlations]
        for effect in effects:
            if effects.count(effect) > 1:
                raise ValueError(f"correlations: {effect!r} follows two factors, expected one")
        combos = (self.held_out,) if isinstance(self.held_out, Mapping) else self.held_out
        combos = _several(combos, "held_out", "{factor: value or values}")
        put(self, "held_out", tuple(_combination(combo) for combo in combos))
        if self.only_held_out and not self.held_out:
            raise ValueError("only_held_out needs held_out: without it no image is left")

    @classmethod
    def from_text(
        cls,
        values: str = "uniform",
        factors: str = "uniform",
        correlations: str = "",
        held_out: str = "",
    ) -> Sampling:
        """The Sampling of four texts in the form that the module's text shows.

        Raises:
            ValueError: a text of another form; the line says which part of it.
        """
        found: dict[str, Any] = {"values": values.strip(), "factors": factors.strip()}
        if "=" in values:
            parts = _entries(values, "values")
            found["values"] = {
                n: t if ":" in t or t == "uniform" else _numbers(t, "values", float)
                for n, t in parts.items()
            }
        if "=" in factors:
            parts = _entries(factors, "factors")
            found["factors"] = {n: _number(t, "factors") for n, t in parts.items()}
        pairs = []
        for part in _split(correlations, ";"):
            names, colon, strength = part.partition(":")
            cause, arrow, effect = names.partition(">")
            if not colon or not arrow:
                raise ValueError(f"correlations: expected CAUSE>EFFECT:STRENGTH, found {part!r}")
            number = _number(strength, "correlations")
            pairs.append((cause.strip(), effect.strip(), number))
        combos = [
            {n: _numbers(t, "held_out", int) for n, t in _entries(combo, "held_out").items()}
            for combo in _split(held_out, "|")
        ]
        return cls(**found, correlations=tuple(pairs), held_out=tuple(combos))

    def to_json(self) -> dict:
        """A plain dict that `from_json` reads back, also after a detour through JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict) -> Sampling:
        """The Sampling that `to_json` wrote. Raises ValueError for keys that it does not have."""
        known = [f.name for f in fields(cls)]
        if not isinstance(data, dict):
            raise ValueError(f"sampling: expected a dict with keys {known}, found {data!r:.80}")
        for key in data:
            if key not in known:
                raise ValueError(close_match("part of a sampling", key, known))
        return cls(**data)

    def unseen(self) -> Sampling:
        """Balanced, and nothing but what this one holds out. ValueError if it holds out nothing."""
        return Sampling(held_out=self.held_out, only_held_out=True)

    def check(self, space: FactorSpace) -> None:
        """Raise ValueError unless every name, value and number of weights fits the factors."""
        value_weights(space, self)
        factor_weights(space, self)
        _order(space, self)
        for combo in self.held_out:
            for name, values in combo.items():
                size = space.sizes[space.factor_id(name)]
                for value in values:
                    if not 0 <= value < size:
                        raise ValueError(
                            f"held_out: expected values of {name!r} in 0..{size - 1}, found {value}"
                        )


# What a sampling means for a space ----------------------------------------------------------------


def value_weights(space: FactorSpace, sampling: Sampling) -> tuple[np.ndarray, ...]:
    """Share of each value of each factor before correlations and held-out combinations.

    Returns F float arrays (size,), each adding up to 1.
    """
    named = sampling.values
    rules = {n: named for n in space.names} if isinstance(named, str) else named
    found = [np.full(size, 1 / size) for size in space.sizes]
    for name, rule in rules.items():
        factor = space.factor_id(name)
        size = space.sizes[factor]
        if not isinstance(rule, str) and len(rule) != size:
            raise ValueError(
                f"values of {name!r}: expected {size} weights, one per value, found {len(rule)}"
            )
        found[factor] = _shares(rule, size, "values")
    return tuple(found)


def factor_weights(space: FactorSpace, sampling: Sampling) -> np.ndarray:
    """How often each factor is the one that an action moves: float (F,), adding up to 1."""
    if isinstance(sampling.factors, str):
        return _shares(sampling.factors, space.n_factors, "factors")
    weights = np.ones(space.n_factors)
    for name, weight in sampling.factors.items():
        weights[space.factor_id(name)] = weight
    if not weights.any():
        raise ValueError("factors: expected a weight above 0, found none")
    return weights / weights.sum()


def draw_values(
    space: FactorSpace, sampling: Sampling, n: int, rng: np.random.Generator
) -> np.ndarray:
    """Factor values by weights and correlations, held-out combinations not yet left out.

    Returns int64 (n, F). The caller keeps the rows that `allowed` lets through.
    """
    values = np.empty((n, space.n_factors), dtype=np.int64)
    for f, shares in enumerate(value_weights(space, sampling)):
        edges = np.cumsum(shares)
        values[:, f] = np.searchsorted(edges / edges[-1], rng.random(n), side="right")
    for cause, effect, strength in _order(space, sampling):
        linked = rng.random(n) < strength
        follows = linked_value(values[:, cause], space.sizes[cause], space.sizes[effect])
        values[:, effect] = np.where(linked, follows, values[:, effect])
    return values


def linked_value(values: np.ndarray, size: int, other_size: int) -> np.ndarray:
    """The value at the same place of another factor's range: ends on ends, rounded between."""
    return (2 * values * (other_size - 1) + size - 1) // (2 * (size - 1))


def is_held_out(space: FactorSpace, sampling: Sampling, values: np.ndarray) -> np.ndarray:
    """Whether each image is one of the held-out combinations: bool (B,) of values (B, F)."""
    found = np.zeros(len(values), dtype=bool)
    for combo in sampling.held_out:
        inside = np.ones(len(values), dtype=bool)
        for name, listed in combo.items():
            inside &= np.isin(values[:, space.factor_id(name)], listed)
        found |= inside
    return found


def allowed(space: FactorSpace, sampling: Sampling, *ends: np.ndarray) -> np.ndarray:
    """Which images, or transitions given as both ends, the sampling lets through: bool (B,).

    An image must not be held out nor have a value of weight 0. A transition must not at either end.
    With `only_held_out` an end must be held out, which is what makes a transition unseen.

    ends: int64 (B, F) each, one for images, two for transitions.
    """
    hidden = np.any([is_held_out(space, sampling, end) for end in ends], axis=0)
    kept = hidden if sampling.only_held_out else ~hidden
    for f, shares in enumerate(value_weights(space, sampling)):
        if not shares.all():
            kept = kept & np.all([shares[end[:, f]] > 0 for end in ends], axis=0)
    return kept


def _shares(rule: str | Sequence[float], size: int, what: str) -> np.ndarray:
    if isinstance(rule, str):
        weights = (np.arange(size) + 1.0) ** -_exponent(rule, what)
    else:
        weights = np.asarray(rule, dtype=np.float64)
    return weights / weights.sum()


def _order(space: FactorSpace, sampling: Sampling) -> list[tuple[int, int, float]]:
    """The correlations as numbers, causes before their effects; ValueError for a circle."""
    links = [(space.factor_id(c), space.factor_id(e), s) for c, e, s in sampling.correlations]
    causes: dict[int, list[int]] = {}
    for cause, effect, _ in links:
        causes.setdefault(effect, []).append(cause)
    try:
        depth = depths(causes)
    except CycleError as error:
        names = ", ".join(space.names[f] for f in sorted(set(error.args[1])))
        raise ValueError(
            f"correlations must not run in a circle, found one among {names}"
        ) from None
    return sorted(links, key=lambda link: depth[link[0]])  # as given, where that leaves a choice


# Reading ------------------------------------------------------------------------------------------


def _exponent(rule: object, what: str) -> float:
    """The exponent of a rule: 0 for "uniform"."""
    if rule == "uniform":
        return 0.0
    name, colon, number = rule.partition(":") if isinstance(rule, str) else ("", "", "")
    if name != "zipf" or not colon:
        raise ValueError(
            f"{what}: expected {' or '.join(RULES)}, or weights by factor, found {rule!r}"
        )
    exponent = _number(number, what)
    if not 0 <= exponent <= 20:
        raise ValueError(f"{what}: expected an exponent in 0..20, found {number}")
    return exponent


def _table(weights: Any) -> tuple[float, ...]:
    try:
        table = tuple(float(weight) for weight in weights)
    except (TypeError, ValueError):
        raise TypeError(f"weights: expected numbers, found {weights!r:.80}") from None
    if not all(0 <= weight < float("inf") for weight in table):
        raise ValueError(f"weights: expected finite numbers of at least 0, found {table}")
    return table


def _several(given: Any, what: str, form: str) -> tuple:
    if not isinstance(given, (tuple, list)):
        raise TypeError(
            f"{what}: expected a tuple of {form}, found {given!r:.60}; a text is for "
            "Sampling.from_text"
        )
    return tuple(given)


def _weights(rule: Any, what: str) -> str | tuple[float, ...]:
    """A rule as it is, or a table of weights as a tuple."""
    if isinstance(rule, str):
        _exponent(rule, what)
        return rule
    table = _table(rule)
    if not any(table):
        raise ValueError(f"{what}: expected a weight above 0, found none")
    return table


def _correlation(pair: Any) -> tuple[str, str, float]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 3:
        raise ValueError(f"correlations: expected (cause, effect, strength), found {pair!r}")
    cause, effect, strength = pair
    (strength,) = _table([strength])
    if strength > 1 or cause == effect:
        raise ValueError(
            f"correlations: expected two factors and a strength in [0, 1], found {pair!r}"
        )
    return cause, effect, strength


def _combination(combo: Any) -> dict[str, tuple[int, ...]]:
    if not isinstance(combo, Mapping) or not combo:
        raise ValueError(f"held_out: expected {{factor: value or values}}, found {combo!r:.80}")
    found = {}
    for name, values in combo.items():
        several = isinstance(values, (tuple, list, range, np.ndarray))
        listed = tuple(values) if several else (values,)
        if not listed or not all(isinstance(v, (int, np.integer)) for v in listed):
            raise ValueError(f"held_out: expected values of {name!r}, found {values!r:.80}")
        found[name] = tuple(int(v) for v in listed)
    return found


def _split(text: str, mark: str) -> list[str]:
    return [part.strip() for part in text.split(mark) if part.strip()]


def _entries(text: str, what: str) -> dict[str, str]:
    """`a=1;b=2` as {"a": "1", "b": "2"}."""
    found: dict[str, str] = {}
    for part in _split(text, ";"):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not name or not value:
            raise ValueError(f"{what}: expected FACTOR=..., found {part!r}")
        if name in found:
            raise ValueError(f"{what}: {name!r} is named twice")
        found[name] = value
    return found


def _numbers(text: str, what: str, kind: type) -> tuple:
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        wanted = "integers" if kind is int else "numbers"
        raise ValueError(f"{what}: expected {wanted}, found {text!r}") from None


def _number(text: str, what: str) -> float:
    found = _numbers(text, what, float)
    if len(found) != 1:
        raise ValueError(f"{what}: expected one number, found {text!r}")
    return found[0]
