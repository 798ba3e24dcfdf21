"""Factors of variation as data: names, sizes, kinds, and the arithmetic of indices and actions.

A world with factors of sizes (10, 4) has 40 images. Image `i` and its factor values `(v_0, v_1)`
are two names for the same thing, `i = v_0 * 4 + v_1`: the last factor changes fastest. An
**action** changes one factor. It is an integer, and the space says what it does, in one of two
ways:

* `actions="steps"`, as published and wherever nothing else is said: with F factors there are 2F
  actions. Action `a < F` raises factor `a` by one step, "scale+"; action `a >= F` lowers factor
  `a - F`, "scale-".
* `actions="set"`: a step up in a list of hair styles means nothing, so a **categorical** factor has
  one action per value, "pose=left", which sets it from any other value. All other factors keep
  their two steps. First come all "+", then all "-", both in the order of the factors, then the
  sets, factor after factor. Without a categorical factor the actions are those of the steps.

-1 is no action. An action is **possible** where it changes something: a step must stay in the range
of its factor, and what is set already cannot be set. Code outside of this module asks the space
(`action_names`, `factor_of`, `possible`, `apply`, `inverse`) and never counts with numbers of
actions. Everything here works on whole batches, without a loop over images.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Self

import numpy as np

from cvq_tutorial.common.checks import close_match
from cvq_tutorial.worlds.factor import (
    Factor,
    factor_from_json,
    factor_to_json,
    integers,
    links_of,
    numbers_of,
    position,
)
from cvq_tutorial.worlds.splits import SPLITS, split_id, split_of_keys

__all__ = ["ACTIONS", "NO_ACTION", "SPLITS", "Factor", "FactorSpace", "split_id", "split_of_keys"]

NO_ACTION = -1
ACTIONS = ("steps", "set")
_NONE = ", or -1 for none"


@dataclass(frozen=True)
class FactorSpace:
    """The factors of a world in their fixed order, the last one changing fastest.

    Args:
        factors: at least one Factor, with distinct names.
        actions: "steps" or "set", see the module's text.

    Raises:
        ValueError: no factor, a name used twice, more than 2**62 combinations, a cause that is no
            factor, causes that run in a circle; another word for `actions`, or two values of a
            categorical factor with the same text, where it names actions.
    """

    factors: tuple[Factor, ...]
    actions: str = field(default="steps", kw_only=True)

    one_way = False  # whether pairs are only known from before to after, see `tables.listed`

    def __post_init__(self) -> None:
        object.__setattr__(self, "factors", tuple(self.factors))
        if not self.factors:
            raise ValueError("a factor space needs at least one factor, found none")
        twice = {name for name in self.names if self.names.count(name) > 1}
        if twice:
            raise ValueError(
                f"factor names must be distinct, found twice: {', '.join(sorted(twice))}"
            )
        if self.size > 2**62:
            raise ValueError(f"at most 2**62 combinations of factors, found {self.size}")
        _ = self._links  # raises for an unknown cause or a circle of causes
        if self.actions not in ACTIONS:
            raise ValueError(close_match("actions", self.actions, ACTIONS))
        for f in self.sets:
            names = [self.factors[f].label(value) for value in range(self.sizes[f])]
            if twice := {name for name in names if names.count(name) > 1}:
                raise ValueError(
                    f"factor {self.names[f]!r}: values name actions, so their texts must be "
                    f"distinct, found twice: {', '.join(sorted(twice))}"
                )

    def with_actions(self, actions: str) -> Self:
        """The same factors with other actions: "steps" or "set"."""
        return self if actions == self.actions else replace(self, actions=actions)

    @property
    def actions_option(self) -> dict[str, str]:
        """What the `options` of a world say of its actions: nothing of steps."""
        return {} if self.actions == "steps" else {"actions": self.actions}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Factor names in order."""
        return tuple(factor.name for factor in self.factors)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of values of each factor."""
        return tuple(int(factor.size) for factor in self.factors)

    @property
    def n_factors(self) -> int:
        """F."""
        return len(self.factors)

    @cached_property
    def sets(self) -> tuple[int, ...]:
        """The factors that have an action per value instead of two steps."""
        kinds = [factor.kind for factor in self.factors]
        return tuple(f for f, k in enumerate(kinds) if self.actions == "set" and k == "categorical")

    @property
    def n_actions(self) -> int:
        """A."""
        return len(self._table) - 1

    @cached_property
    def size(self) -> int:
        """Number of combinations, the product of the sizes."""
        return prod(self.sizes)

    @cached_property
    def action_names(self) -> tuple[str, ...]:
        """Names of the A actions: "name+" and "name-" for steps, "name=value" for sets."""
        told = []
        for f, step, value in self._table[:-1].tolist():
            change = f"={self.factors[f].label(value)}" if not step else "+" if step > 0 else "-"
            told.append(self.names[f] + change)
        return tuple(told)

    @cached_property
    def _table(self) -> np.ndarray:
        """int64 (A + 1, 3): factor, step and value set (-1 for a step) of each action, then those
        of no action, which is found at -1.
        """
        stepping = [f for f in range(self.n_factors) if f not in self.sets]
        steps = [(f, step, -1) for step in (1, -1) for f in stepping]
        sets = [(f, 0, value) for f in self.sets for value in range(self.sizes[f])]
        return np.array([*steps, *sets, (-1, 0, -1)], dtype=np.int64)

    @cached_property
    def _first(self) -> np.ndarray:
        """int64 (F,): the first action of each factor, "+" or the set of value 0."""
        return np.array([int((self._table[:, 0] == f).argmax()) for f in range(self.n_factors)])

    @cached_property
    def _strides(self) -> np.ndarray:
        sizes = np.array((*self.sizes[1:], 1), dtype=np.int64)
        return np.cumprod(sizes[::-1])[::-1].copy()

    @cached_property
    def _links(self) -> tuple[tuple[int, int, int], ...]:
        """(cause, effect, steps) of all causes, see `links_of`."""
        return links_of(self.factors)

    @property
    def factor_graph(self) -> np.ndarray:
        """Which factor is a direct cause of which: bool (F, F), row = cause, column = effect."""
        graph = np.zeros((self.n_factors, self.n_factors), dtype=bool)
        for cause, effect, _ in self._links:
            graph[cause, effect] = True
        return graph

    def follow(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """`after`, where every effect has moved with its causes: int64 (B, F), a new array.

        before: int64 (B, F).  after: the same images with some factors set, their effects not yet.
        Factors without causes stay as they are in `after`.
        """
        after = after.copy()
        for cause, effect, steps in self._links:
            moved = after[:, cause] - before[:, cause]  # (B,)
            followed = (after[:, effect] + steps * moved) % self.sizes[effect]
            after[:, effect] = np.where(moved == 0, after[:, effect], followed)
        return after

    def check(self, values: object) -> np.ndarray:
        """`values` as an int64 array (B, F) after checking it.

        Raises:
            TypeError: not integers. ValueError: wrong shape, or a value outside its factor's range.
        """
        array = np.asarray(values)
        if array.ndim != 2 or array.shape[1] != self.n_factors:
            raise ValueError(
                f"factor values: expected shape (B, {self.n_factors}) for {', '.join(self.names)}, "
                f"found {array.shape}"
            )
        array = integers(array, "factor values")
        bad = (array < 0) | (array >= np.array(self.sizes))
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise ValueError(
                f"factor {self.names[column]!r}: expected a value in 0..{self.sizes[column] - 1}, "
                f"found {array[row, column]} in row {row}"
            )
        return array

    def values(self, index: object) -> np.ndarray:
        """Factor values int64 (B, F) of image numbers (B,).

        Raises TypeError: not integers. ValueError: not one-dimensional, or outside 0 .. size-1.
        """
        array = numbers_of(index, "image index", 0, self.size - 1)
        return array[:, None] // self._strides % np.array(self.sizes)  # (B, F)

    def index(self, values: object) -> np.ndarray:
        """Image numbers int64 (B,) of factor values (B, F), which must pass `check`."""
        return self.check(values) @ self._strides

    def factor_id(self, name: str | int) -> int:
        """Position of a factor, given its name (or position, which is checked).

        Raises ValueError: unknown name (close ones named) or position out of range.
        """
        return position("factor", name, self.names)

    def action_id(self, action: str | int) -> int:
        """Number of an action, given its name ("scale+") or number; -1 and "none" are no action.

        Raises ValueError: unknown name (close ones named) or number out of range.
        """
        if action == "none":
            return NO_ACTION
        return position("action", action, self.action_names, _NONE)

    def check_actions(self, actions: object, length: int | None = None) -> np.ndarray:
        """`actions` as an int64 array (B,) after checking shape, kind and range -1 .. A-1."""
        return numbers_of(actions, "actions", 0, self.n_actions - 1, length, _NONE)

    def factor_of(self, actions: object) -> np.ndarray:
        """Which factor each action changes: int64 (B,) of actions (B,); -1 for no action.

        Raises TypeError, ValueError: as `check_actions`.
        """
        return self._table[self.check_actions(actions), 0]

    def acting_on(self, factor: np.ndarray, down: np.ndarray, value: np.ndarray) -> np.ndarray:
        """The actions that change these factors, all (B,): int64 (B,).

        A step, down where `down` is true and else up; where the factor has an action per value,
        the one that sets it to `value`.
        """
        n_stepping = self.n_factors - len(self.sets)
        offset = np.where(np.isin(factor, self.sets), value, down * n_stepping)
        return self._first[factor] + offset

    def inverse(self, values: np.ndarray, actions: object) -> np.ndarray:
        """The actions that lead back, int64 (B,): to `values` from where `actions` led.

        The inverse of a step is the other step, and of "pose=left", done where the pose was up,
        "pose=up".

        Args:
            values: integers (B, F) before the actions; further columns are not looked at.
            actions: integers (B,) in -1 .. A-1; of no action it is no action.
        """
        actions = self.check_actions(actions, len(values))
        factor, step, _ = self._table[actions].T
        back = self.acting_on(factor, step > 0, values[np.arange(len(values)), factor])
        return np.where(actions == NO_ACTION, NO_ACTION, back)

    def _act(self, values: object, actions: object) -> tuple[np.ndarray, np.ndarray]:
        """Values after the actions, in range or not, and whether each is possible."""
        values = self.check(values)
        factor, step, value = self._table[self.check_actions(actions, len(values))].T
        rows, moved = np.arange(len(values)), values.copy()
        now = values[rows, factor]
        moved[rows, factor] = np.where(value < 0, now + step, value)
        sizes = np.array(self.sizes)
        moved = self.follow(values, moved)
        return moved, np.all((moved >= 0) & (moved < sizes), axis=1) & (value != now)

    def legal(self, values: object, actions: object) -> np.ndarray:
        """Whether each action is possible: bool (B,); arguments and errors as `apply`."""
        return self._act(values, actions)[1]

    def possible(self, values: object) -> np.ndarray:
        """Which of all actions are possible: bool (B, A) of values (B, F), which pass `check`."""
        before, every = self.check(values), np.arange(self.n_actions)
        again = np.repeat(before, len(every), axis=0)
        return self.legal(again, np.tile(every, len(before))).reshape(len(before), -1)

    def apply(self, values: object, actions: object) -> np.ndarray:
        """Factor values after one action each; the effects of the changed factor move with it.

        Args:
            values: integers (B, F).
            actions: integers (B,), each in -1 .. A-1; -1 changes nothing.

        Returns:
            int64 (B, F), a new array.

        Raises:
            TypeError, ValueError: as `check`; and an action that is not possible.
        """
        moved, possible = self._act(values, actions)
        if not possible.all():
            row = int(np.argmin(possible))
            action = int(np.asarray(actions)[row])
            name, (f, step, _) = self.action_names[action], self._table[action]
            factor, found = self.factors[f], int(np.asarray(values)[row, f])
            if not step:
                raise ValueError(
                    f"action {name!r} sets what is set already: expected another value of "
                    f"{factor.name!r} than {factor.label(found)} in row {row}"
                )
            raise ValueError(
                f"action {name!r} leaves the range of {factor.name!r}: expected a result in "
                f"0..{factor.size - 1}, found a step from {found} in row {row}"
            )
        return moved

    def first_alike(self, values: np.ndarray) -> np.ndarray:
        """The smallest values with the same picture: int64 (B, F); here the same values.

        Worlds in which settings look alike have a space that knows them: `transitions` splits these
        together, so that no test picture was seen in training.
        """
        return values

    def to_json(self) -> list | dict:
        """What `from_json` reads back: a list of plain dicts, one per factor.

        For actions other than steps it is under "factors", beside "actions".
        """
        told = [factor_to_json(factor) for factor in self.factors]
        return told if self.actions == "steps" else {"actions": self.actions, "factors": told}

    @classmethod
    def from_json(cls, data: list | dict) -> FactorSpace:
        """The space that `to_json` wrote, now or when there were steps only and no kinds.

        Raises ValueError: not a list of dicts with the keys name, size, ordered, cyclic, values
        (and causes and kind, where there are some), alone or beside the actions. TypeError,
        ValueError: what Factor and FactorSpace refuse.
        """
        actions = "steps"
        if isinstance(data, dict) and set(data) == {"actions", "factors"}:
            actions, data = data["actions"], data["factors"]
        keys, more = {"name", "size", "ordered", "cyclic", "values"}, {"causes", "kind"}
        if not isinstance(data, list) or not all(
            isinstance(d, dict) and set(d) | more == keys | more for d in data
        ):
            raise ValueError(
                f"factors: expected a list of dicts with keys {sorted(keys)}, found {data!r:.80}"
            )
        return cls(tuple(factor_from_json(d) for d in data), actions=actions)
