"""What `check` found out about a file or folder, as data and as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cvq_tutorial.worlds.factors import Factor
from cvq_tutorial.worlds.tables.columns import Column

EDITS = 24  # tried per factor
SHOWN = 24  # sample images at most
LINES = 40  # problems in the text, which then says how many more there are


@dataclass(frozen=True)
class FactorLine:
    """One factor as it was found."""

    name: str
    size: int  # number of values
    values: str  # these in words, or their range
    rarest: int  # pictures that have its rarest value
    edits: int  # pairs of pictures that differ in one step of this factor alone
    unseen: float | None = None  # share of edits tried that change no pixel; None: none was tried

    @classmethod
    def of(cls, factor: Factor, rarest: int, edits: int, unseen: float | None) -> FactorLine:
        """The line of a factor; its values are told in few words, of an order the two ends."""
        told = [factor.label(value) for value in range(factor.size)]
        values = ", ".join(told)
        if factor.ordered and factor.size > 2:
            values = f"{told[0]} .. {told[-1]}{', and round' if factor.cyclic else ''}"
        return cls(factor.name, factor.size, values, rarest, edits, unseen)


@dataclass(frozen=True)
class WorldReport:
    """What `check` found. `str()` of it is the text that the command prints."""

    path: Path  #: what was looked at
    kind: str  #: what it is, in words
    n_images: int = 0  #: pictures there are; 0 where it cannot be told
    images_are: str = ""  #: their sizes, dtype and range, in words
    factors: tuple[FactorLine, ...] = ()
    combinations: tuple[int, int] = (0, 0)  #: with a picture, and possible ones
    notes: tuple[str, ...] = ()  #: what is worth knowing and no fault
    problems: tuple[str, ...] = ()  #: what is wrong, a line each
    #: a sample, uint8 (B, H, W, 3) with B of at most 24; None where there is none
    images: np.ndarray | None = field(default=None, repr=False, compare=False)
    columns: tuple[Column, ...] = ()  #: what becomes of each column of a table
    command: str = ""  #: that trains on it, "" where that is not possible yet

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    @property
    def summary(self) -> str:
        """One line."""
        n = len(self.problems)
        wrong = f"{n} problem{'s' * (n != 1)}" if n else "no problem found"
        of = f", {self.n_images:,} pictures, {len(self.factors)} factors" if self.factors else ""
        return f"{self.path.name}: {self.kind}{of}: {wrong}"

    def __str__(self) -> str:
        lines = [self.summary]
        if self.images_are:
            lines.append(f"pictures: {self.images_are}")
        if self.factors:
            there, possible = self.combinations
            lines += [
                f"combinations of values: {there:,} of {possible:,} have a picture",
                f"{'factor':<24}{'values':>7}  {'which':<28}"
                f"{'rarest':>10}{'edits':>14}{'unseen':>8}",
            ]
            for f in self.factors:
                unseen = "" if f.unseen is None else f"{f.unseen:.0%}"
                lines.append(
                    f"{f.name:<24.24}{f.size:>7}  {f.values:<28.28}{f.rarest:>10,}{f.edits:>14,}"
                    f"{unseen:>8}"
                )
        if self.columns:
            lines.append(f"{'column':<24}{'becomes':<13}values and pictures")
        for column in self.columns[:LINES]:  # CelebA's list has nearly so many
            told = column.told or f"{column.distinct:,} different"
            lines.append(f"{column.title:<24.24}{column.kind:<13}{told}")
        if len(self.columns) > LINES:
            lines.append(f"... and {len(self.columns) - LINES} more columns")
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"problem: {problem}" for problem in self.problems[:LINES]]
        if len(self.problems) > LINES:
            lines.append(f"problem: ... and {len(self.problems) - LINES} more")
        if self.command:
            lines.append(f"to train: {self.command}")
        return "\n".join(lines)


def tell_unseen(path: Path, lines: tuple[FactorLine, ...], problem: Callable[[str], None]) -> None:
    """Call problem(text) for each factor that no edit shows."""
    for line in lines:
        if line.unseen == 1:
            problem(f"{path}: no edit of {line.name} changes a pixel: it cannot be learned")
