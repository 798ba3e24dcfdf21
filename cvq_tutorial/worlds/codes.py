"""A world without images: N discrete variables and a causal graph that is known.

Every action has its own targets, every target its own parents, and a table says which code the
target takes for each setting of its parents. All other variables keep their codes. So the right
answer to "which codes change", "which variables cause them" and "which action was it" is known, and
a learned graph can be scored against it.

In a random table every parent matters alone, and a test of independence, pair by pair, finds it. In
a `parity` and in a `gate` none does: whoever does not know all parents knows nothing of the target.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Literal

import numpy as np

from cvq_tutorial.common.checks import close_match, whole_number
from cvq_tutorial.worlds.factor import integers
from cvq_tutorial.worlds.factors import NO_ACTION, split_id, split_of_keys

_LARGEST_TABLE = 100_000  # settings of the parents of one target
MECHANISMS = {"table": 1, "parity": 2, "gate": 3, "copy": 1}  # and the fewest parents of each


@dataclass(frozen=True)
class CodeTransitions:
    """Transitions as codes."""

    x: np.ndarray  #: int64 (n, N, 1), codes before; the last axis is the single codebook
    actions: np.ndarray  #: int64 (n,), in 0 .. A-1
    y: np.ndarray  #: int64 (n, N, 1), codes after

    def __len__(self) -> int:
        return len(self.actions)


@dataclass(frozen=True)
class CodesWorld:
    """The world `codes`. What it is follows from its arguments alone.

    Args:
        n_variables: N, number of variables (nodes), at least 1.
        n_codes: K, codes of each variable, at least 2.
        n_actions: A, at least 1.
        n_targets: how many variables each action sets, in 1 .. N.
        max_parents: each target has min_parents to max_parents parents, any variables, itself
            included.
        noise: probability that a set variable takes a code at random instead of its mechanism's.
        seed: draws targets, parents and tables.
        mechanism: what a target becomes. "table": a random code per setting of the parents;
            "parity": the sum of their codes, modulo K (two parents at least); "gate": the sum of
            the code of one and of those of the others, with the sign that the gate, one more,
            gives them (three at least, of three codes or more); "copy": the code of its only
            parent, another variable.
        min_parents: fewest parents; more where the mechanism needs more.

    Raises:
        TypeError, ValueError: an argument of the wrong kind or outside its range.
    """

    n_variables: int = 12
    n_codes: int = 6
    n_actions: int = 8
    n_targets: int = 3
    max_parents: int = 2
    noise: float = 0.0
    seed: int = 0
    mechanism: str = "table"
    min_parents: int = 1
    name: str = field(default="codes", init=False)
    has_images: Literal[False] = field(default=False, init=False)
    credit: str = field(default="Drawn from a seed by cvq_tutorial.", init=False)
    #: bool (A, N), the variables that an action sets
    targets: np.ndarray = field(init=False, repr=False, compare=False)
    #: bool (A, N, N), [a, i, j] is "i is a cause of j under action a" (row = cause, column =
    #: effect); True only in columns of targets
    graph: np.ndarray = field(init=False, repr=False, compare=False)
    _parents: np.ndarray = field(init=False, repr=False, compare=False)  # (A, N, P), -1 = none
    _tables: np.ndarray = field(init=False, repr=False, compare=False)  # (A, N, K**P)

    def __post_init__(self) -> None:
        whole_number("n_variables", self.n_variables, 1, 4096)
        whole_number("n_codes", self.n_codes, 2, 4096)
        whole_number("n_actions", self.n_actions, 1, 4096)
        whole_number("n_targets", self.n_targets, 1, self.n_variables)
        whole_number("max_parents", self.max_parents, 1, self.n_variables)
        whole_number("min_parents", self.min_parents, 1, self.max_parents)
        whole_number("seed", self.seed, 0, 2**63 - 1)
        if self.mechanism not in MECHANISMS:
            raise ValueError(close_match("mechanism", self.mechanism, MECHANISMS))
        fewest = max(self.min_parents, MECHANISMS[self.mechanism])
        if self.max_parents < fewest:
            raise ValueError(
                f"max_parents: expected at least {fewest} for the mechanism {self.mechanism!r}, "
                f"found {self.max_parents}"
            )
        if self.mechanism == "gate":
            whole_number("n_codes of the mechanism 'gate'", self.n_codes, 3, 4096)
        if self.mechanism == "copy":
            whole_number("n_variables of the mechanism 'copy'", self.n_variables, 2, 4096)
        if not isinstance(self.noise, (int, float)) or not 0 <= self.noise <= 1:
            raise ValueError(f"noise: expected a probability in [0, 1], found {self.noise!r}")
        if self.n_codes**self.max_parents > _LARGEST_TABLE:
            raise ValueError(
                f"max_parents: expected n_codes ** max_parents of at most {_LARGEST_TABLE}, found "
                f"{self.n_codes} ** {self.max_parents}"
            )
        rng = np.random.default_rng(self.seed)
        a, n, p, k = self.n_actions, self.n_variables, self.max_parents, self.n_codes
        targets, graph = np.zeros((a, n), dtype=bool), np.zeros((a, n, n), dtype=bool)
        parents = np.full((a, n, p), -1, dtype=np.int64)
        tables = np.zeros((a, n, k**p), dtype=np.int64)
        for action in range(a):
            for target in np.sort(rng.permutation(n)[: self.n_targets]):
                if self.mechanism == "copy":
                    causes = rng.choice(np.delete(np.arange(n), target), 1)
                else:
                    causes = np.sort(rng.permutation(n)[: rng.integers(fewest, p + 1)])
                if self.mechanism == "table":
                    table = _draw_table(rng, k, len(causes), np.flatnonzero(causes == target))
                else:
                    table = _known_table(self.mechanism, k, len(causes))
                targets[action, target] = True
                graph[action, causes, target] = True
                parents[action, target, : len(causes)] = causes
                tables[action, target, : table.size] = table.ravel()
        made = {"targets": targets, "graph": graph, "_parents": parents, "_tables": tables}
        for attribute, array in made.items():
            array.setflags(write=False)
            object.__setattr__(self, attribute, array)

    @property
    def n_nodes(self) -> int:
        """N."""
        return self.n_variables

    @property
    def action_names(self) -> tuple[str, ...]:
        """("a0", "a1", ...)."""
        return tuple(f"a{i}" for i in range(self.n_actions))

    @property
    def options(self) -> dict:
        """What `make_world("codes", **options)` needs to make this world again."""
        told = {}
        for name in (f.name for f in fields(self) if f.init):
            default, value = getattr(CodesWorld, name), getattr(self, name)
            if value != default or name not in ("mechanism", "min_parents"):  # the younger ones
                told[name] = type(default)(value)
        return told

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the graph, the tables and the noise."""
        parts = (self.targets, self.graph, self._parents, self._tables, np.float64(self.noise))
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:16]

    def apply(self, x: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Codes after one action each, without noise.

        Args:
            x: integers (n, N, 1) in 0 .. K-1.
            actions: integers (n,) in -1 .. A-1; -1 changes nothing.

        Returns:
            int64 (n, N, 1).

        Raises:
            TypeError, ValueError: codes or actions of the wrong kind, shape or range.
        """
        x, actions = np.asarray(x), np.asarray(actions)
        if x.ndim != 3 or x.shape[1:] != (self.n_nodes, 1):
            raise ValueError(f"codes: expected shape (n, {self.n_nodes}, 1), found {x.shape}")
        if actions.shape != x.shape[:1]:
            raise ValueError(f"actions: expected shape ({len(x)},), found {actions.shape}")
        for what, array, low, high in (
            ("codes", x, 0, self.n_codes - 1),
            ("actions", actions, NO_ACTION, self.n_actions - 1),
        ):
            bad = (integers(array, what) < low) | (array > high)
            if bad.any():
                raise ValueError(
                    f"{what}: expected {low}..{high}, found {array[bad][0]} at "
                    f"{tuple(int(i) for i in np.argwhere(bad)[0])}"
                )
        codes, actions = x[:, :, 0].astype(np.int64), actions.astype(np.int64)
        parents = self._parents[actions]  # (n, N, P); action -1 reads a row that is not used below
        rows = np.arange(len(codes))[:, None, None]
        read = np.where(parents < 0, 0, codes[rows, parents])  # (n, N, P), first parent fastest
        setting = read @ (self.n_codes ** np.arange(self.max_parents))  # (n, N)
        new = self._tables[actions[:, None], np.arange(self.n_nodes), setting]
        is_set = self.targets[actions] & (actions >= 0)[:, None]
        return np.where(is_set, new, codes)[:, :, None]

    def sample(
        self, n: int, split: str = "train", seed: int | np.random.Generator = 0
    ) -> CodeTransitions:
        """Transitions with x and the action uniform and independent.

        Splits are disjoint: a fixed hash of (x, action) says which split holds the pair.

        Args:
            n: how many.
            split: "train", "valid" or "test" (70, 15, 15 percent).
            seed: a seed, or a generator that is advanced.

        Raises:
            ValueError: unknown split, negative n, or a world so small that the split is empty.
        """
        wanted = split_id(split)
        whole_number("n", n, 0, 2**40)
        if not isinstance(seed, np.random.Generator):
            seed = np.random.default_rng([seed, wanted])
        rng = seed
        kept: list[tuple[np.ndarray, np.ndarray]] = []
        found, tried = 0, 0
        while found < n or not kept:
            m = min(8 * (n - found) + 256, 2**16)
            x = rng.integers(0, self.n_codes, size=(m, self.n_nodes))
            actions = rng.integers(0, self.n_actions, size=m)
            inside = split_of_keys(_keys(x, actions)) == wanted
            kept.append((x[inside], actions[inside]))
            found, tried = found + int(inside.sum()), tried + m
            if n and not found and tried > 100_000:
                raise ValueError(
                    f"split {split!r} holds no transition of this world ({tried} draws)"
                )
        x, actions = (np.concatenate(parts)[:n] for parts in zip(*kept, strict=True))
        x = x[:, :, None]
        y = self.apply(x, actions)
        if self.noise:
            hit = self.targets[actions] & (rng.random((n, self.n_nodes)) < self.noise)
            y[hit, 0] = rng.integers(0, self.n_codes, size=int(hit.sum()))
        return CodeTransitions(x=x, actions=actions, y=y)


def _draw_table(rng: np.random.Generator, k: int, p: int, own: np.ndarray) -> np.ndarray:
    """A random table (K,) * p, last parent first, in which every parent matters.

    Drawn again until each parent makes a difference in at least a quarter of the settings of the
    others, and a target that is its own parent changes its code in at least half of the settings.
    """
    old = None
    if len(own):  # the target's own code, spread along the axis of that parent
        old = np.moveaxis(np.broadcast_to(np.arange(k), (k,) * p), -1, p - 1 - int(own[0]))
    while True:
        table = rng.integers(0, k, size=(k,) * p)
        matters = all((np.ptp(table, axis=axis) > 0).mean() >= 0.25 for axis in range(p))
        if matters and (old is None or (table == old).mean() <= 0.5):
            return table


def _known_table(mechanism: str, k: int, p: int) -> np.ndarray:
    """The table (K,) * p, last parent first, of a mechanism that is not drawn."""
    codes = np.indices((k,) * p)
    if mechanism == "gate":  # the last parent; of the others all but the first turn with it
        codes[1:-1] *= np.where(codes[0] >= k // 2, -1, 1)
        codes = codes[1:]
    return codes.sum(0) % k


def _keys(x: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """One uint64 per (codes, action), nearly surely distinct: a polynomial with an odd base."""
    keys = actions.astype(np.uint64) + np.uint64(1)
    for column in x.T:
        keys = keys * np.uint64(0x100000001B3) + column.astype(np.uint64) + np.uint64(1)
        keys ^= keys >> np.uint64(29)
    return keys
