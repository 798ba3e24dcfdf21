"""What several codebooks read and hold: channels per codebook, error against bits, shared words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cvq_tutorial.common.arrays import as_array, check_names
from cvq_tutorial.draw.style import BLUE, ORANGE, Picture, label, styled


@styled
def channels_read(
    layouts: Mapping[str, Any], title: str = "Channels that a codebook reads"
) -> Picture:
    """Which codebook reads which channel of the encoder map.

    layouts: name -> booleans (C, D), True where codebook c reads channel d; all of one shape.
    A channel that nobody reads has a cross above its column.
    """
    if not layouts:
        raise ValueError("expected at least one layout, found none")
    tables = [as_array(table).astype(bool) for table in layouts.values()]
    for table in tables:
        if table.ndim != 2 or table.shape != tables[0].shape:
            raise ValueError(
                f"expected booleans (C, D) of one shape, found {[t.shape for t in tables]}"
            )
    books, channels = tables[0].shape
    figure = Picture(7.2, 0.6 + (0.95 + 0.24 * books) * len(tables))
    told = []
    for axes, name, table in zip(
        figure.subplots(len(tables), 1, squeeze=False)[:, 0], layouts, tables, strict=True
    ):
        axes.pcolormesh(table, cmap="Blues", vmin=0, vmax=1.4, edgecolors="#bbbbbb", linewidth=0.3)
        unread = np.flatnonzero(~table.any(0))
        axes.plot(unread + 0.5, np.full(len(unread), -0.35), "x", color=ORANGE, ms=4)
        axes.set(
            yticks=np.arange(books) + 0.5, yticklabels=range(books), ylim=(books, -0.7),
            ylabel="codebook", xlabel="channel of the encoder map",
        )  # fmt: skip
        read = int(table.any(0).sum())
        axes.set_title(f"{label(name)}: {read} of {channels} channels read", fontsize=9)
        told.append(f"{name} {read} of {channels} channels")
    figure.suptitle(title)
    figure.summary = f"Channels read by {books} codebooks: {'; '.join(told)}; crosses are unread."
    return figure


@styled
def error_against_bits(
    names: Sequence[str], bits: Any, psnr: Any, vectors: Any, reference: float | None = None
) -> Picture:
    """Image quality against what the codes of one place can say.

    names: one per model; bits: log2 of the number of different places; psnr: dB on held-out images;
    vectors: how many code vectors the model stores (printed beside its name).  reference: dB of
    the mean image, told on the axis.
    """
    bits, psnr, vectors = (as_array(v).astype(float) for v in (bits, psnr, vectors))
    names = check_names(names, len(bits), "names")
    if not bits.shape == psnr.shape == vectors.shape == (len(names),):
        raise ValueError(
            f"expected one number per name, found {bits.shape}, {psnr.shape}, {vectors.shape}"
        )
    figure = Picture(6.4, 3.9)
    axes = figure.subplots()
    axes.plot(bits, psnr, "o", color=BLUE, ms=7)
    for name, x, y, stored in zip(names, bits, psnr, vectors, strict=True):
        axes.annotate(
            f"{label(name)} ({int(stored)} vectors)", (x, y), (7, 5),
            textcoords="offset points", fontsize=8,
        )  # fmt: skip
    axes.set_xlabel("bits per place, C log2 K")
    if reference is not None:
        axes.set_xlabel(f"bits per place, C log2 K (control, the mean image: {reference:.1f} dB)")
    axes.margins(x=0.3, y=0.2)
    axes.set_ylabel("PSNR on test images (dB)")
    axes.set_title("Codebooks x codes: what a place can say, and what the image is worth")
    best, worst = int(psnr.argmax()), int(psnr.argmin())
    figure.summary = (
        f"PSNR against bits per place for {len(names)} models: from {names[worst]} "
        f"({bits[worst]:.0f} bits, {psnr[worst]:.1f} dB) to {names[best]} "
        f"({bits[best]:.0f} bits, {psnr[best]:.1f} dB)."
    )
    return figure
