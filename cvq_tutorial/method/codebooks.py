"""Codebooks: how a map of vectors becomes integers, and how gradient still gets through.

The encoder's map `(B, D, h, w)` is cut along its channels into C slices of `d = D / C`; slice c
holds the channels `[c d, (c + 1) d)` and has a codebook of its own with K vectors (a *product
quantiser*). At each place, each slice is replaced by its *nearest code*, the index of the nearest
vector. Codes of one image are `(N, C)` integers with `N = h w`, places in row-major order.

Easy to get wrong, and each held by a test:

* the two losses are computed on the encoder's output, *before* the *straight-through* line, which
  hands the gradient of the chosen vector to the encoder; after it, one would have no gradient;
* only :meth:`Quantizer.update`, called by the training loop, changes a codebook: an *EMA codebook*
  follows running means, and dead codes are *revived*, with their means;
* distances are float32 whatever is around them: in half precision `|z|^2` overflows silently.

Source: van den Oord et al. 2017 (nearest code, straight-through, two losses; the moving average in
its appendix); several codebooks per place as in Gendron et al. 2023.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cvq_tutorial.common import ranks
from cvq_tutorial.common.tensors import check_codes, one_hot

DEAD = 0.02  # of an even share: a code that is used less is revived ...
REVIVED = 0.2  # ... with this share: it has some hundred steps to find use before it dies again
KMEANS = 8  # rounds of k-means at the start


@dataclass(frozen=True)
class Quantized:
    """What one pass through the codebooks gives."""

    values: Tensor  # (B, D, h, w), the chosen vectors; gradient goes straight through to the map
    codes: Tensor  # (B, N, C) int64 in [0, K)
    commitment: Tensor  # mean squared distance, with gradient to the encoder only
    codebook: Tensor  # the same distance, with gradient to the codebook only


class Quantizer(nn.Module):
    """C codebooks of K vectors over C slices of D channels.

    width: D, divisible by `codebooks`.  codebooks: C.  codes: K.
    decay: of the running means, in [0, 1).
    """

    rule, slices = "ema", "split"  # `published` has others

    def __init__(
        self, width: int, codebooks: int = 1, codes: int = 64, *, decay: float = 0.98
    ) -> None:
        super().__init__()
        if codebooks < 1 or width % codebooks:
            found = f"width={width}, codebooks={codebooks}"
            raise ValueError(f"width must be a multiple of codebooks, found {found}")
        if codes < 2:
            raise ValueError(f"a codebook needs at least 2 codes, found {codes}")
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"decay must lie in [0, 1), found {decay}")
        self.width, self.codebooks, self.codes, self.decay = width, codebooks, codes, decay
        self.slice_width = width // codebooks  # d, channels per codebook
        vectors = torch.empty(codebooks, codes, width // codebooks).uniform_(-1 / codes, 1 / codes)
        self.register_buffer("vectors", vectors)  # (C, K, d)
        self.register_buffer("count", torch.ones(codebooks, codes))  # (C, K) running use
        self.register_buffer("total", vectors.clone())  # (C, K, d) running sum
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def forward(self, z: Tensor) -> Quantized:
        """Nearest codes of an encoder map z (B, D, h, w), of any float type, which `values` keeps.

        Raises FloatingPointError naming the batch position when z is not finite.
        """
        parts = self._slices(z)  # (B, N, C, d) float32
        codes = nearest(parts, self.vectors)  # (B, N, C)
        chosen = self._gather(codes)  # (B, N, C, d)
        commitment = F.mse_loss(parts, chosen.detach())
        codebook = F.mse_loss(chosen, parts.detach())
        values = self._straight_through(z, parts, chosen)
        return Quantized(values, codes, commitment, codebook)

    def encode(self, z: Tensor) -> Tensor:
        """Codes (B, N, C) of an encoder map (B, D, h, w); the codebook is left as it is."""
        return nearest(self._slices(z.detach()), self.vectors)

    def lookup(self, codes: Tensor) -> Tensor:
        """Vectors (B, N, C, d) of codes (B, N, C); TypeError or ValueError for what is no code."""
        check_codes(codes, self.codebooks, self.codes)
        return self._gather(codes)

    def expected(self, probabilities: Tensor) -> Tensor:
        """Mean vectors (B, N, C, d) under probabilities (B, N, C, K) that sum to 1 over K."""
        return torch.einsum("bnck,ckd->bncd", probabilities.float(), self.vectors)

    def to_map(self, vectors: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
        """(B, N, C, d) back to a map (B, D, h, w)."""
        return vectors.flatten(2).transpose(1, 2).unflatten(2, tuple(size))

    @torch.no_grad()
    def update(self, z: Tensor, codes: Tensor, generator: torch.Generator | None = None) -> int:
        """One training step of the codebooks from a map and the codes it was given.

        The first call takes the codebook from the data (by k-means); later ones move the running
        means and revive what is not used. Returns the number of codes revived. Of several
        processes (see `common.ranks`) each gives its part of the batch and the same generator.
        """
        parts = self._slices(z)  # (B, N, C, d)
        flat = parts.flatten(0, 1).transpose(0, 1)  # (C, M, d)
        if not self.started:
            self._start(ranks.joined(flat, 1), generator)
            return 0
        hit = one_hot(codes.flatten(0, 1).T, self.codes)  # (C, M, K)
        self.count.mul_(self.decay).add_(ranks.total(hit.sum(1)), alpha=1 - self.decay)
        self._follow(hit, flat)
        return self.revive(flat, generator)

    @torch.no_grad()
    def revive(self, flat: Tensor, generator: torch.Generator | None = None) -> int:
        """Move codes that are hardly used onto random vectors of the batch; returns how many.

        flat: (C, M, d). A code is dead when its running use is below `DEAD` of an even share. Its
        running means move with it: the next ones would put it back where it died.
        """
        even = self.count.sum(1, keepdim=True) / self.codes  # (C, 1)
        dead = self.count < DEAD * even  # (C, K)
        number = int(dead.sum())
        if number:
            flat = ranks.joined(flat, 1)
            pick = torch.randint(flat.shape[1], dead.shape, generator=generator).to(flat.device)
            fresh = torch.gather(flat, 1, pick[..., None].expand(-1, -1, flat.shape[-1]))
            count = torch.where(dead, REVIVED * even, self.count)
            self.vectors.data.copy_(torch.where(dead[..., None], fresh, self.vectors))
            self.total.copy_(torch.where(dead[..., None], fresh * count[..., None], self.total))
            self.count.copy_(count)
        return number

    def _follow(self, hit: Tensor, flat: Tensor) -> None:
        """Running means (EMA) of what each code was given: hit (C, M, K) of flat (C, M, d)."""
        summed = ranks.total(hit.transpose(1, 2) @ flat)  # (C, K, d)
        self.total.mul_(self.decay).add_(summed, alpha=1 - self.decay)
        self.vectors.data.copy_(self.total / self.count.clamp_min(1e-6)[..., None])

    def _straight_through(self, z: Tensor, parts: Tensor, chosen: Tensor) -> Tensor:
        """The chosen vectors as a map in the type of z; z gets the gradient as if it were they."""
        values = self.to_map(chosen, z.shape[-2:])
        return z + (values.to(z.dtype) - z).detach()

    def _start(self, flat: Tensor, generator: torch.Generator | None) -> None:
        """Codebooks from the first batch: random distinct vectors, then k-means."""
        for c, points in enumerate(flat):
            distinct = torch.unique(points, dim=0)
            pick = torch.randperm(len(distinct), generator=generator)[: self.codes]
            centres = distinct[pick.to(distinct.device)]
            if len(centres) < self.codes:  # fewer vectors than codes: the rest starts beside them
                more = centres[torch.arange(self.codes - len(centres)) % len(centres)]
                centres = torch.cat([centres, more + 1e-3 * more.abs().mean().clamp_min(1e-6)])
            for turn in range(KMEANS + 1):
                hit = one_hot(nearest(points[:, None], centres[None])[:, 0], self.codes)  # (M, K)
                size = hit.sum(0)
                if turn < KMEANS:
                    mean = (hit.T @ points) / size.clamp_min(1)[:, None]
                    centres = torch.where(size[:, None] > 0, mean, centres)
            self.vectors.data[c] = centres
            self.count[c] = size.clamp_min(1e-3)
            self.total[c] = centres * self.count[c][:, None]
        self.started.fill_(True)

    def _slices(self, z: Tensor) -> Tensor:
        if z.ndim != 4 or z.shape[1] != self.width:
            wanted = f"an encoder map (B, {self.width}, h, w)"
            raise ValueError(f"expected {wanted}, found {tuple(z.shape)}")
        flat = z.float().flatten(2).transpose(1, 2)  # (B, N, D)
        if bad := (~flat.isfinite()).flatten(1).any(1).nonzero().flatten().tolist():
            where = f"batch position {bad[0]} ({len(bad)} in all)"
            raise FloatingPointError(f"encoder output is not finite at {where}")
        return self._cut(flat)

    def _cut(self, flat: Tensor) -> Tensor:
        """(B, N, D) into slices (B, N, C, d)."""
        return flat.unflatten(2, (self.codebooks, self.slice_width))

    def _gather(self, codes: Tensor) -> Tensor:  # (B, N, C, d)
        return self.vectors[torch.arange(self.codebooks, device=codes.device), codes]


def nearest(parts: Tensor, vectors: Tensor) -> Tensor:
    """Codes (..., C) of slices (..., C, d): which of the vectors (C, K, d) is nearest to each.

    |z - e|^2 without |z|^2, which is the same for every code, and without the codes' mean: where
    all share an offset of some thirty spreads, it would drown what tells them apart.
    """
    with torch.no_grad(), torch.autocast(parts.device.type, enabled=False):
        middle = vectors.float().mean(1)  # (C, d)
        e = vectors.float() - middle[:, None]
        cross = torch.einsum("...cd,ckd->...ck", parts - middle, e)
        return (e.square().sum(-1) - 2 * cross).argmin(-1)
