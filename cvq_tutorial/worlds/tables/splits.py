"""Which pictures of a table are train, valid and test; whole identities go to one side."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cvq_tutorial.worlds.factors import SPLITS, split_of_keys
from cvq_tutorial.worlds.tables.find import SPLIT_WORDS
from cvq_tutorial.worlds.tables.read import Problem, tell


def split_drawn(keys: Sequence[str], even: bool) -> np.ndarray:
    """A fixed draw by keys, uint8 (M,): 70, 15 and 15 percent; equal keys get the same split.

    even: of the keys that there are, in the order of their hashes: 20 people are 14, 3 and 3. Else
    each key has its split whatever else there is, so that a few keys may leave a split empty.
    """
    hashes = {key: _hash(key) for key in dict.fromkeys(keys)}
    if not even:
        return split_of_keys(np.array([hashes[key] for key in keys], dtype=np.uint64))
    order = sorted(hashes, key=hashes.__getitem__)
    n = len(order)
    held_out = max(1, round(0.15 * n)) if n > 2 else 0
    place = {key: i for i, key in enumerate(reversed(order))}
    ends = [held_out, 2 * held_out]  # test, then valid, then train
    side = np.searchsorted(ends, [place[key] for key in keys], side="right")
    return (2 - side).astype(np.uint8)


def splits_of(
    path: Path, files: Sequence[str], words: dict[str, str], problem: Problem
) -> np.ndarray:
    """Position in SPLITS of each picture, uint8 (M,); train where its word is a problem."""
    split = np.array([SPLIT_WORDS.get(words.get(name, "").lower(), 3) for name in files], np.uint8)
    wrong = [
        f"{path}: {files[row]}: expected one of {', '.join(SPLIT_WORDS)}, found "
        f"{words[files[row]]!r}"
        for row in np.flatnonzero(split == 3).tolist()
        if files[row] in words  # one that is missing was told before
    ]
    tell(problem, wrong)
    split[split == 3] = 0
    return split


def tell_leaks(
    path: Path,
    files: Sequence[str],
    split: np.ndarray,
    identity: np.ndarray | None,
    problem: Problem,
) -> None:
    """Tell of identities that lie in two splits: how many, and where one does."""
    if identity is None:
        return
    first: dict[int, int] = {}
    leaks: dict[int, int] = {}
    for row, person in enumerate(identity.tolist()):
        other = first.setdefault(person, row)
        if person >= 0 and split[other] != split[row]:
            leaks.setdefault(person, row)
    if leaks:
        person, row = next(iter(leaks.items()))
        other = first[person]
        problem(
            f"{path}: one identity in two splits: {files[other]} is in {SPLITS[split[other]]}, "
            f"{files[row]} in {SPLITS[split[row]]} ({len(leaks):,} of {len(first):,} identities): "
            "split='draw' (--split draw) splits by identity"
        )


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
