"""What a world is to everything built on worlds: no class to inherit from, only what it must have.

There are two sorts, told apart by `has_images`. An **image world** has factors, and a picture for
their values; a **code world** has no pictures: its transitions are of codes, and it knows its
graph. A class of your own is one as soon as it has these names; `options` must make it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from cvq_tutorial.worlds.factors import FactorSpace


class _Named(Protocol):
    @property
    def name(self) -> str:
        """As `make_world` knows it."""

    @property
    def options(self) -> dict:
        """What `make_world(name, **options)` needs to make it again; what JSON can hold."""

    @property
    def fingerprint(self) -> str:
        """Names files that depend on its content."""


class ImageWorld(_Named, Protocol):
    """A world whose factor values have pictures."""

    @property
    def has_images(self) -> Literal[True]:
        """True."""

    @property
    def factors(self) -> FactorSpace:
        """The factors, and the actions on them."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, 3)."""

    @property
    def credit(self) -> str:
        """Whom to name beside a picture."""

    def render(self, values: np.ndarray) -> np.ndarray:
        """Pictures uint8 (B, H, W, 3) of factor values, integers (B, F), in their factor's range.

        Any batch, any order, repeats allowed; a picture depends on its own row of values only.
        Raises TypeError, ValueError: values of the wrong kind, shape or range.
        """


class CodeWorld(_Named, Protocol):
    """A world of codes (n, N, 1) whose graph is known, see `codes`."""

    @property
    def has_images(self) -> Literal[False]:
        """False."""

    @property
    def n_nodes(self) -> int:
        """N."""

    @property
    def n_codes(self) -> int:
        """K."""

    @property
    def n_actions(self) -> int:
        """A."""

    @property
    def action_names(self) -> Sequence[str]:
        """A names."""

    @property
    def targets(self) -> np.ndarray:
        """Bool (A, N): which nodes each action sets."""

    @property
    def graph(self) -> np.ndarray:
        """(A, N, N) or (N, N): row = cause, column = effect."""

    def apply(self, x: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Codes (n, N, 1) after one action each, (n,)."""

    def sample(self, n: int, split: str = ..., seed: Any = ...) -> Any:
        """N transitions of a split: x, actions and y."""


World: TypeAlias = ImageWorld | CodeWorld


def is_world(thing: object) -> bool:
    """Whether something says of itself what sort of world it is."""
    return isinstance(getattr(thing, "has_images", None), bool)


@runtime_checkable
class GivenPictures(Protocol):
    """A space of factors of which most settings have no picture, and which knows those that do."""

    def split_of_rows(self, values: np.ndarray) -> np.ndarray:
        """Split of each row of values, see `data.transitions.split_of`."""

    def sample_rows(self, n: int, split: str, rng: np.random.Generator) -> np.ndarray:
        """Rows of values of n pictures of a split."""

    def sample_pairs(
        self, n: int, split: str, rng: np.random.Generator, weights: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """N pairs of rows of values, before and after, and their actions."""


def has_every_picture(world: ImageWorld) -> bool:
    """Whether every setting of the factors has a picture: not so where pictures are given."""
    return not isinstance(world.factors, GivenPictures)
