"""Rows of images in which one thing is moved from left to right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cvq_tutorial.common.arrays import as_array, as_images
from cvq_tutorial.draw.style import Picture, labels_of, row_label, styled, tile


@styled
def traversals(images: Any, names: Sequence[str], title: str) -> Picture:
    """One row of images per thing that is moved.

    images: (R, S, 3, H, W) float in [0, 1] or (R, S, H, W, 3) uint8, R rows of S steps.
    names: what is moved in each row.
    """
    table = as_array(images)
    if table.ndim != 5:
        raise ValueError(f"expected images (rows, steps, ...) of 5 dimensions, found {table.shape}")
    rows, steps = table.shape[:2]
    labels = labels_of(names, rows, "names")
    pictures = as_images(table.reshape(-1, *table.shape[2:]))
    figure = Picture(1.5 + 0.95 * steps, 0.5 + 0.98 * rows)
    axes = figure.subplots(rows, steps, squeeze=False)
    for number, image in enumerate(pictures):
        tile(axes[number // steps, number % steps], image)
    for row, text in enumerate(labels):
        row_label(axes[row, 0], text)
    figure.suptitle(title)
    figure.summary = f"{title}: {rows} rows of {steps} images, for {', '.join(names)}."
    return figure
