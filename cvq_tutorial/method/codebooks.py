"""Codebooks: how a map of vectors becomes integers, and how gradient still gets through.

The encoder's map `(B, D, h, w)` is cut along its channels into C slices of `d = D / C`; slice c
holds the channels `[c d, (c + 1) d)` and has a codebook of its own with K vectors. At each place,
each slice is replaced by its nearest vector; the index of that vector is the *code*. Codes of one
image are `(N, C)` integers with `N = h w`, places in row-major order.

Three things here are easy to get wrong, and each is held by a test:

* the two losses are computed on the encoder's output, *before* the straight-through line; computed
  after it, the codebook loss would have no gradient at all;
* encoding never changes the codebook. Only :meth:`Quantizer.update` does, and only the training
  loop calls it;
* distances are float32 whatever the precision around them: in half precision `|z|^2` overflows
  silently.

Source: van den Oord et al. 2017 (nearest code, straight-through, two losses; the moving average in
its appendix); several codebooks per place as in Gendron et al. 2023. `slices="overlap"` is the
published code's slicing, kept to show what it costs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLICES = ("split", "overlap")
RULES = ("ema", "gradient")


@dataclass(frozen=True)
class Quantized:
    """What one pass through the codebooks gives.

    values: (B, D, h, w), the chosen vectors; gradient passes to the encoder as if they were its
        output.
    codes: (B, N, C) int64 in [0, K).
    commitment: mean squared distance that pulls the encoder to its codes (no gradient to the
        codebook).
    codebook: the same distance, pulling the codes to the encoder (no gradient to the encoder).
    """

    values: Tensor
    codes: Tensor
    commitment: Tensor
    codebook: Tensor


class Quantizer(nn.Module):
    """C codebooks of K vectors over C slices of D channels.

    width: D, divisible by `codebooks`.  codebooks: C.  codes: K.
    rule: "ema" moves a code to the running mean of the vectors it was given (default); "gradient"
        trains it by the codebook loss.
    slices: "split" cuts the channels; "overlap" reads `[c, c + d)` as the released code does, so
        that most channels are never read.
    decay: of the running mean, in [0, 1).
    """

    def __init__(
        self,
        width: int,
        codebooks: int = 1,
        codes: int = 64,
        *,
        rule: str = "ema",
        slices: str = "split",
        decay: float = 0.98,
    ) -> None:
        super().__init__()
        if codebooks < 1 or width % codebooks:
            raise ValueError(
                f"width must be a multiple of codebooks, found width={width}, codebooks={codebooks}"
            )
        if codes < 2:
            raise ValueError(f"a codebook needs at least 2 codes, found {codes}")
        if slices not in SLICES:
            raise ValueError(f"slices must be one of {SLICES}, found {slices!r}")
        if rule not in RULES:
            raise ValueError(f"rule must be one of {RULES}, found {rule!r}")
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"decay must lie in [0, 1), found {decay}")
        self.width, self.codebooks, self.codes = width, codebooks, codes
        self.rule, self.slices, self.decay = rule, slices, decay
        vectors = torch.empty(codebooks, codes, width // codebooks).uniform_(-1 / codes, 1 / codes)
        if rule == "gradient":
            self.vectors = nn.Parameter(vectors)  # (C, K, d)
        else:
            self.register_buffer("vectors", vectors)
        self.register_buffer("count", torch.ones(codebooks, codes))  # (C, K) running use
        self.register_buffer("total", vectors.clone())  # (C, K, d) running sum
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    @property
    def slice_width(self) -> int:
        """Channels per codebook, d = D / C."""
        return self.width // self.codebooks

    def forward(self, z: Tensor) -> Quantized:
        """Nearest codes of an encoder map.

        z: (B, D, h, w), any float type. Returns :class:`Quantized`; `values` has the type of z.
        Never changes the codebook. Raises FloatingPointError naming the batch position when z is
        not finite.
        """
        parts = self._slices(z)  # (B, N, C, d) float32
        codes = self._nearest(parts)  # (B, N, C)
        chosen = self._gather(codes)  # (B, N, C, d)
        commitment = F.mse_loss(parts, chosen.detach())
        codebook = F.mse_loss(chosen, parts.detach())
        values = self.to_map(chosen, z.shape[-2:])
        if self.slices == "split":
            values = z + (values.to(z.dtype) - z).detach()
        else:  # each codebook passes its gradient to the channels it read, as published
            through = self.to_map(parts, z.shape[-2:])
            values = (through + (values - through).detach()).to(z.dtype)
        return Quantized(values, codes, commitment, codebook)

    def encode(self, z: Tensor) -> Tensor:
        """Codes (B, N, C) of an encoder map (B, D, h, w); the codebook is left as it is."""
        with torch.no_grad():
            return self._nearest(self._slices(z))

    def lookup(self, codes: Tensor) -> Tensor:
        """Vectors (B, N, C, d) of codes (B, N, C) int64 in [0, K).

        Raises TypeError for a float or bool code, ValueError naming place, codebook and range for
        one outside it.
        """
        check_codes(codes, self.codebooks, self.codes)
        return self._gather(codes)

    def expected(self, probabilities: Tensor) -> Tensor:
        """Mean vectors (B, N, C, d) under probabilities (B, N, C, K) that sum to 1 over K."""
        return torch.einsum("bnck,ckd->bncd", probabilities.float(), self.vectors)

    def to_map(self, vectors: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
        """(B, N, C, d) back to a map (B, D, h, w)."""
        h, w = size
        return vectors.flatten(2).transpose(1, 2).unflatten(2, (h, w))

    @torch.no_grad()
    def update(self, z: Tensor, codes: Tensor, generator: torch.Generator | None = None) -> int:
        """One training step of the codebooks from a map and the codes it was given.

        The first call takes the codebook from the data (a few rounds of k-means); later ones move
        the running means and revive codes that have not been used (see :meth:`revive`). Returns the
        number of codes revived. Refuses to run under torch.distributed: running means of several
        processes would drift apart.
        """
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            raise RuntimeError(
                "codebook updates are not supported under torch.distributed: train in one process"
            )
        parts = self._slices(z)  # (B, N, C, d)
        flat = parts.flatten(0, 1).transpose(0, 1)  # (C, M, d)
        if not self.started:
            self._start(flat, generator)
            return 0
        if self.rule == "ema":
            hit = F.one_hot(codes.flatten(0, 1).T, self.codes).float()  # (C, M, K)
            self.count.mul_(self.decay).add_(hit.sum(1), alpha=1 - self.decay)
            self.total.mul_(self.decay).add_(hit.transpose(1, 2) @ flat, alpha=1 - self.decay)
            self._follow()
        else:
            hit = F.one_hot(codes.flatten(0, 1).T, self.codes).float()
            self.count.mul_(self.decay).add_(hit.sum(1), alpha=1 - self.decay)
        return self.revive(flat, generator)

    @torch.no_grad()
    def revive(
        self, flat: Tensor, generator: torch.Generator | None = None, share: float = 0.02
    ) -> int:
        """Move codes that are hardly used onto random vectors of the batch, with their running
        means.

        flat: (C, M, d). A code is dead when its running use is below `share` of an even share.
        Without moving count and total as well, the next running mean would put the code back where
        it died.
        """
        even = self.count.sum(1, keepdim=True) / self.codes  # (C, 1)
        dead = self.count < share * even  # (C, K)
        number = int(dead.sum())
        if number:
            pick = torch.randint(
                flat.shape[1], (self.codebooks, self.codes), generator=generator
            ).to(flat.device)
            fresh = torch.gather(flat, 1, pick[..., None].expand(-1, -1, flat.shape[-1]))
            count = torch.where(dead, 0.2 * even, self.count)
            self.vectors.data.copy_(torch.where(dead[..., None], fresh, self.vectors))
            self.total.copy_(torch.where(dead[..., None], fresh * count[..., None], self.total))
            self.count.copy_(count)
        return number

    def _follow(self) -> None:
        self.vectors.data.copy_(self.total / self.count.clamp_min(1e-6)[..., None])

    def _start(self, flat: Tensor, generator: torch.Generator | None, rounds: int = 8) -> None:
        """Codebooks from the first batch: random distinct vectors, then k-means."""
        for c, points in enumerate(flat):
            distinct = torch.unique(points, dim=0)
            pick = torch.randperm(len(distinct), generator=generator)[: self.codes]
            centres = distinct[pick.to(distinct.device)]
            if len(centres) < self.codes:  # fewer vectors than codes: the rest starts beside them
                more = centres[torch.arange(self.codes - len(centres)) % len(centres)]
                centres = torch.cat([centres, more + 1e-3 * more.abs().mean().clamp_min(1e-6)])
            for _ in range(rounds):
                hit = F.one_hot(_nearest(points, centres), self.codes).float()  # (M, K)
                size = hit.sum(0)
                mean = (hit.T @ points) / size.clamp_min(1)[:, None]
                centres = torch.where(size[:, None] > 0, mean, centres)
            hit = F.one_hot(_nearest(points, centres), self.codes).float()
            self.vectors.data[c] = centres
            self.count[c] = hit.sum(0).clamp_min(1e-3)
            self.total[c] = centres * self.count[c][:, None]
        self.started.fill_(True)

    def _slices(self, z: Tensor) -> Tensor:
        if z.ndim != 4 or z.shape[1] != self.width:
            raise ValueError(
                f"expected an encoder map (B, {self.width}, h, w), found {tuple(z.shape)}"
            )
        flat = z.float().flatten(2).transpose(1, 2)  # (B, N, D)
        if not torch.isfinite(flat).all():
            where = (~torch.isfinite(flat)).flatten(1).any(1).nonzero().flatten().tolist()
            raise FloatingPointError(
                f"encoder output is not finite at batch position {where[0]} ({len(where)} in all)"
            )
        if self.slices == "split":
            return flat.unflatten(2, (self.codebooks, self.slice_width))
        return torch.stack(
            [flat[..., c : c + self.slice_width] for c in range(self.codebooks)], dim=2
        )

    def _nearest(self, parts: Tensor) -> Tensor:
        with torch.no_grad(), torch.autocast(parts.device.type, enabled=False):
            vectors = self.vectors.float()
            # |z - e|^2 without |z|^2, which is the same for every code
            score = (vectors**2).sum(-1) - 2 * torch.einsum("bncd,ckd->bnck", parts, vectors)
            return score.argmin(-1)

    def _gather(self, codes: Tensor) -> Tensor:
        book = torch.arange(self.codebooks, device=codes.device)
        return self.vectors[book, codes]  # (B, N, C, d)


def _nearest(points: Tensor, centres: Tensor) -> Tensor:
    return ((centres**2).sum(-1) - 2 * points @ centres.T).argmin(-1)


def check_codes(codes: Tensor, codebooks: int, size: int) -> None:
    """Raise unless codes is an integer tensor (B, N, C) in [0, size); the message names the first
    bad entry.

    Done before any lookup: on a GPU an index out of range kills the process, and -1 would quietly
    be the last code.
    """
    if not isinstance(codes, Tensor):
        raise TypeError(f"codes must be a tensor of integers, found {type(codes).__name__}")
    if codes.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"codes must be integers (int64), found {codes.dtype}")
    if codes.ndim != 3 or codes.shape[-1] != codebooks:
        raise ValueError(f"codes must have shape (B, N, {codebooks}), found {tuple(codes.shape)}")
    if codes.numel() and (int(codes.min()) < 0 or int(codes.max()) >= size):
        b, n, c = ((codes < 0) | (codes >= size)).nonzero()[0].tolist()
        raise ValueError(
            f"code {int(codes[b, n, c])} at batch {b}, node {n}, codebook {c} "
            f"is outside 0..{size - 1}"
        )
