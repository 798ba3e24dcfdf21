"""Images to codes and back: a local encoder, the codebooks, and a decoder that may look around.

The encoder is *local* on purpose: what it writes at one place depends on little more than the 8 x 8
pixels of that place. An action that recolours an object then changes the codes of the object's
places and no others, so that the effects mask can be small. The decoder sees neighbours, so that it
can draw edges that codes of one place alone cannot. Both work at a quarter of the resolution.

Codes may be finer than nodes: with a patch of 4 pixels the four codes of a place make one node, so
that an edit of a few pixels has codes of its own, and the graph is as small as before.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from cvq_tutorial.method.codebooks import Quantized, Quantizer

PATCH = 8  # pixels on a side of a node


@dataclass(frozen=True)
class Reconstruction:
    """One pass through the autoencoder."""

    images: Tensor  # (B, 3, H, W), not clipped
    quantized: Quantized | None  # None while the codebooks have not started
    encoded: Tensor  # (B, D, H / patch, W / patch), what the codebooks got


class Residual(nn.Module):
    """Adds to a map what a small convolution sees in it."""

    def __init__(self, width: int, size: int = 3) -> None:
        super().__init__()
        self.look = nn.Conv2d(width, width, size, padding=size // 2)
        self.mix = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(F.gelu(self.look(F.gelu(x))))


class QuantizedAutoencoder(nn.Module):
    """Encoder, codebooks, decoder for images of one size.

    quantizer: the codebooks; its width is the depth D of the map.
    image_shape: (H, W, 3), H and W multiples of 8; one of N = h w nodes is 8 x 8 pixels.
    width: channels of the decoder.  blocks: how many residual blocks it has.
    patch: pixels on a side of one place of the map, 8 or 4. With 4 a node holds four places, row
        by row, and all of their codes: C is then four times the codebooks of the quantiser.
    """

    def __init__(
        self, quantizer: Quantizer, image_shape: tuple[int, int, int] = (64, 64, 3),
        *, width: int = 96, blocks: int = 3, patch: int = PATCH,
    ) -> None:  # fmt: skip
        super().__init__()
        height, wide, channels = image_shape
        if channels != 3 or height % PATCH or wide % PATCH:
            wanted = f"(H, W, 3) with H and W multiples of {PATCH}"
            raise ValueError(f"image_shape must be {wanted}, found {image_shape}")
        if patch not in (4, PATCH):
            raise ValueError(f"patch must be 4 or {PATCH}, found {patch}")
        self.image_shape, self.quantizer = (height, wide, channels), quantizer
        self.grid = (height // PATCH, wide // PATCH)
        self.map_size = (height // patch, wide // patch)
        self.side = PATCH // patch  # places on a side of a node
        self.codebooks = self.side**2 * quantizer.codebooks
        depth, half, scale = quantizer.width, width // 2, patch // 4
        self.encoder = nn.Sequential(  # it sees 4 pixels around a patch of 8, of 4 the patch alone
            nn.Conv2d(3, 64, 4, stride=4),  # (64, H/4, W/4)
            nn.GELU(),
            nn.Conv2d(64, 96, 2 * scale - 1, padding=scale - 1),
            nn.GELU(),
            nn.Conv2d(96, 128, scale, stride=scale),  # (128, H/patch, W/patch)
            Residual(128, size=1),
            nn.GELU(),
            nn.Conv2d(128, depth, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(depth, width, 3, padding=1),  # (W, H/patch, W/patch)
            *[Residual(width) for _ in range(blocks)],
            nn.GELU(),
            nn.Conv2d(width, scale**2 * half, 1),
            nn.PixelShuffle(scale),  # (W/2, H/4, W/4)
            Residual(half),
            nn.GELU(),
            nn.Conv2d(half, 48, 3, padding=1),
            nn.PixelShuffle(4),  # (3, H, W)
        )

    def forward(self, images: Tensor) -> Reconstruction:
        """Images (B, 3, H, W) in [0, 1] through the codes; until they have started, past them."""
        z = self.encoder(images)
        quantized = self.quantizer(z) if self.quantizer.started else None
        values = z if quantized is None else quantized.values
        return Reconstruction(self.decoder(values), quantized, z)

    def encode(self, images: Tensor) -> Tensor:
        """Codes (B, N, C) int64 of images (B, 3, H, W); never changes a codebook."""
        return self.to_nodes(self.quantizer.encode(self.encoder(images)))

    def decode(self, codes: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] of codes (B, N, C)."""
        return self._paint(self.quantizer.lookup(self.from_nodes(codes)))

    def decode_expected(self, probabilities: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] of probabilities of codes (B, N, C, K), by mean vectors."""
        return self._paint(self.quantizer.expected(self.from_nodes(probabilities)))

    @property
    def vectors(self) -> Tensor:
        """(C, K, d) of the codes of a node."""
        return self.quantizer.vectors.repeat(self.side**2, 1, 1)

    def to_nodes(self, values: Tensor) -> Tensor:
        """What the quantiser says of the places of the map, (B, n, C', ...), as (B, N, C, ...)."""
        (h, w), s = self.grid, self.side
        return values.unflatten(1, (h, s, w, s)).transpose(2, 3).flatten(3, 5).flatten(1, 2)

    def from_nodes(self, values: Tensor) -> Tensor:
        """The inverse of `to_nodes`."""
        cut = values.unflatten(2, (self.side, self.side, -1)).unflatten(1, self.grid)
        return cut.transpose(2, 3).flatten(1, 4)

    def _paint(self, vectors: Tensor) -> Tensor:
        return self.decoder(self.quantizer.to_map(vectors, self.map_size)).float().clamp(0.0, 1.0)
