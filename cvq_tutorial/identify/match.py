"""Hold an estimate against a truth that has other names, another order, another sign and scale.

Contexts name latents (`by_contexts`). Sign and scale are never known: both sides are brought to one
before they are compared.
"""

from __future__ import annotations

import numpy as np


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows (d, p) divided by their entry of largest size, which becomes 1."""
    rows = np.asarray(rows, dtype=float)
    return rows / rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)][:, None]


def same_signs(rows: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Rows with the sign under which each is nearer to its row in `like`."""
    return rows * np.where((rows * like).sum(axis=1) < 0, -1, 1)[:, None]


def by_contexts(true_rows: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Rows of a truth in the numbering of an estimate: row k is the target of context k."""
    return np.asarray(true_rows)[np.asarray(targets)]


def relabelled(matrix: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """A true matrix (d, d), row = cause or row = effect, in the numbering of an estimate."""
    return np.asarray(matrix)[np.ix_(targets, targets)]


def row_error(found: np.ndarray, true: np.ndarray, *, signs: bool = True) -> float:
    """|found - true| (Frobenius), rows divided by their largest entry; and signs matched.

    Without `signs` it is what the authors print: where two entries of a row are nearly equal and of
    opposite sign, noise decides which becomes 1, and the row counts as wrong twice over.
    """
    found, true = unit_rows(found), unit_rows(true)
    return float(np.linalg.norm((same_signs(found, true) if signs else found) - true))


def relative_error(found: np.ndarray, true: np.ndarray) -> float:
    """|found - true| / |true| (Frobenius)."""
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))
