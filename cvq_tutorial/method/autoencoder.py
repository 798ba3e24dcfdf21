"""Images to codes and back: a local encoder, the codebooks, and a decoder that may look around.

The encoder is *local* on purpose: what it writes at one place depends on little more than the 8 x 8
pixels of that place. An action that recolours an object then changes the codes of the object's
places and no others, so that the effects mask can be small. The decoder sees neighbours, so that it
can draw edges that codes of one place alone cannot. Both work at a quarter of the resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from cvq_tutorial.method.codebooks import Quantized, Quantizer

PATCH = 8  # pixels on a side of one place of the code map


@dataclass(frozen=True)
class Reconstruction:
    """One pass through the autoencoder."""

    images: Tensor  # (B, 3, H, W), not clipped
    quantized: Quantized | None  # None while the codebooks have not started
    encoded: Tensor  # (B, D, h, w), what the codebooks got


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

    quantizer: the codebooks; its width is the depth D of the code map.
    image_shape: (H, W, 3), H and W multiples of 8; one place of the code map is 8 x 8 pixels.
    width: channels of the decoder.  blocks: how many residual blocks it has.
    """

    def __init__(
        self, quantizer: Quantizer, image_shape: tuple[int, int, int] = (64, 64, 3),
        *, width: int = 96, blocks: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        height, wide, channels = image_shape
        if channels != 3 or height % PATCH or wide % PATCH:
            wanted = f"(H, W, 3) with H and W multiples of {PATCH}"
            raise ValueError(f"image_shape must be {wanted}, found {image_shape}")
        self.image_shape = (height, wide, channels)
        self.grid = (height // PATCH, wide // PATCH)
        self.quantizer = quantizer
        depth, half = quantizer.width, width // 2
        self.encoder = nn.Sequential(  # receptive field 16 x 16 for a patch of 8 x 8
            nn.Conv2d(3, 64, 4, stride=4),  # (64, H/4, W/4)
            nn.GELU(),
            nn.Conv2d(64, 96, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(96, 128, 2, stride=2),  # (128, h, w)
            Residual(128, size=1),
            nn.GELU(),
            nn.Conv2d(128, depth, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(depth, width, 3, padding=1),  # (W, h, w)
            *[Residual(width) for _ in range(blocks)],
            nn.GELU(),
            nn.Conv2d(width, 4 * half, 1),
            nn.PixelShuffle(2),  # (W/2, H/4, W/4)
            Residual(half),
            nn.GELU(),
            nn.Conv2d(half, 48, 3, padding=1),
            nn.PixelShuffle(4),  # (3, H, W)
        )

    def forward(self, images: Tensor) -> Reconstruction:
        """Images (B, 3, H, W) in [0, 1] through the codes; until they have started, past them."""
        z = self.encoder(images)
        if not self.quantizer.started:
            return Reconstruction(self.decoder(z), None, z)
        quantized = self.quantizer(z)
        return Reconstruction(self.decoder(quantized.values), quantized, z)

    def encode(self, images: Tensor) -> Tensor:
        """Codes (B, N, C) int64 of images (B, 3, H, W); never changes a codebook."""
        return self.quantizer.encode(self.encoder(images))

    def decode(self, codes: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] of codes (B, N, C)."""
        return self._paint(self.quantizer.lookup(codes))

    def decode_expected(self, probabilities: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] of probabilities of codes (B, N, C, K), by mean vectors."""
        return self._paint(self.quantizer.expected(probabilities))

    def _paint(self, vectors: Tensor) -> Tensor:
        return self.decoder(self.quantizer.to_map(vectors, self.grid)).float().clamp(0.0, 1.0)
