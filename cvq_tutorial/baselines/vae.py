"""A variational autoencoder: one vector of L numbers for a whole image, and no codebook.

It is what most people would use first to take an image apart, and so the baseline that the codes
are compared with. Encoder and decoder are those of the quantised autoencoder. Between them the
encoder's map is squeezed through a vector z of L latents: the encoder gives the mean and the
variance of a Gaussian q(z | x), and the decoder draws from a sample of it. Trained is the evidence
lower bound (Kingma and Welling 2014)

    E_q [log p(x | z)]  -  beta KL(q(z | x) || N(0, 1)),

where p(x | z) is a Gaussian of fixed width around the decoded image. A beta above 1 (Higgins et al.
2017) makes every nat in the latents dearer. That favours latents which are independent of each
other, at the price of the picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cvq_tutorial.baselines import networks
from cvq_tutorial.common.checks import whole_number
from cvq_tutorial.common.device import pick_device
from cvq_tutorial.common.images import check_images, psnr
from cvq_tutorial.method.autoencoder import QuantizedAutoencoder
from cvq_tutorial.method.codebooks import Quantizer
from cvq_tutorial.training.checkpoints import CheckpointError, fill
from cvq_tutorial.training.data import check_data, image_batches
from cvq_tutorial.training.recipes import Recipe
from cvq_tutorial.training.run import Run
from cvq_tutorial.worlds.world import ImageWorld

KIND = "vae"
DEPTH = 16  # channels of the map between convolutions and vector
HIDDEN = 128  # width of the layer between map and vector
START = -6.0  # log variance of the latents before training
SIGMA = 0.5  # of p(x | z); a squared error then weighs 2, like a Bernoulli's at middle grey
BATCH = 256  # images at a time; bounds memory


@dataclass(frozen=True)
class Passed:
    """One pass through the autoencoder.

    images: (B, 3, H, W), not clipped.  mean, log_variance: (B, L), of q(z | x).
    """

    images: Tensor
    mean: Tensor
    log_variance: Tensor


class VAE(nn.Module):
    """Encoder to a Gaussian over L latents, and decoder, for images of one size.

    image_shape: (H, W, 3), H and W multiples of 8.  latent: L.
    width, blocks: of the decoder, as in `QuantizedAutoencoder`.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (64, 64, 3),
        latent: int = 10,
        *,
        width: int = 96,
        blocks: int = 3,
    ) -> None:
        super().__init__()
        check_latent(latent)
        parts = QuantizedAutoencoder(
            Quantizer(DEPTH, 1, 2), image_shape, width=width, blocks=blocks
        )  # its codebooks are left out
        self.image_shape, self.latent = parts.image_shape, latent
        numbers = DEPTH * parts.grid[0] * parts.grid[1]
        posterior = nn.Linear(HIDDEN, 2 * latent)  # means, then log variances
        nn.init.constant_(posterior.bias[latent:], START)
        # Without the two norms the latents come too faint through so many layers: at first they
        # are noise to the decoder, and training stays long at the mean image.
        self.encoder = nn.Sequential(
            parts.encoder,  # (B, DEPTH, h, w)
            nn.Flatten(),
            nn.LayerNorm(numbers),
            nn.Linear(numbers, HIDDEN),
            nn.GELU(),
            posterior,
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent, HIDDEN),
            nn.GELU(),
            nn.Linear(HIDDEN, numbers),
            nn.LayerNorm(numbers),
            nn.Unflatten(1, (DEPTH, *parts.grid)),
            parts.decoder,
        )
        self.to(memory_format=torch.channels_last)

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.parameters()).device

    def forward(self, images: Tensor, noise: Tensor) -> Passed:
        """Images (B, 3, H, W) in [0, 1] through a sample of their latents, for training.

        noise: (B, L), standard normal numbers.
        """
        mean, log_variance = self._posterior(images)
        z = mean + (0.5 * log_variance).exp() * noise  # (B, L)
        return Passed(self.decoder(z), mean, log_variance)

    def _posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = self.encoder(images).float().chunk(2, dim=1)
        # a standard deviation between exp(-5) and exp(5), smoothly: it can always come back
        return mean, 10 * torch.tanh(raw / 10)

    @torch.no_grad()
    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, (B, L) each, of q(z | x) of images (B, 3, H, W) in [0, 1].

        Raises TypeError or ValueError naming expected and found for another type, shape or range.
        """
        check_images(images, self.image_shape)
        parts = [self._posterior(b.to(self.device, torch.float32)) for b in images.split(BATCH)]
        mean, log_variance = (torch.cat(part) for part in zip(*parts, strict=True))
        return mean, log_variance

    def encode(self, images: Tensor) -> Tensor:
        """Latents (B, L) of images (B, 3, H, W) in [0, 1]: the means, so always the same."""
        return self.posterior(images)[0]

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] of latents (B, L).

        Raises ValueError for another shape or numbers that are not finite.
        """
        if latents.ndim != 2 or latents.shape[1] != self.latent:
            raise ValueError(
                f"latents must have shape (B, {self.latent}), found {tuple(latents.shape)}"
            )
        if not torch.isfinite(latents).all():
            raise ValueError("latents must be finite, found NaN or infinity")
        parts = [self.decoder(b.to(self.device, torch.float32)) for b in latents.split(BATCH)]
        return torch.cat(parts).clamp(0.0, 1.0)

    def reconstruct(self, images: Tensor) -> Tensor:
        """Images through their latents and back, (B, 3, H, W) in [0, 1]."""
        return self.decode(self.encode(images))


def check_latent(latent: int) -> None:
    """Raise TypeError or ValueError unless it is a number of latents."""
    whole_number("latent", latent)


def check_beta(beta: float) -> None:
    """Raise TypeError or ValueError unless it is a weight."""
    if isinstance(beta, bool) or not isinstance(beta, (int, float)):
        raise TypeError(f"beta must be a number, found {beta!r}")
    if not 0 <= beta < math.inf:
        raise ValueError(f"beta must be finite and not negative, found {beta}")


def kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)) in nats, for each latent: (B, L) of two (B, L).

    A latent that says nothing about the image has 0.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def negative_elbo(passed: Passed, images: Tensor, beta: float = 1.0) -> Tensor:
    """What training minimises: (B,) nats per image, without the constant of the Gaussian.

    images: (B, 3, H, W), what should have come out.
    """
    error = (passed.images.float() - images).square().sum((1, 2, 3))  # (B,)
    return error / (2 * SIGMA**2) + beta * kl(passed.mean, passed.log_variance).sum(1)


def train_vae(
    world: ImageWorld,
    recipe: Recipe,
    seed: int,
    run_dir: str | Path,
    beta: float = 1.0,
    latent: int = 10,
    *,
    device: str = "auto",
    progress: bool = True,
    on_log: Callable[[dict, Any], None] | None = None,
) -> VAE:
    """Train a VAE on the images that the method's own autoencoder sees; go on; load a finished one.

    recipe: `autoencoder_steps`, `autoencoder_batch`, `autoencoder_lr`, `decoder_width`,
        `decoder_blocks`; over the first `warmup_share` of the steps the weight of the KL rises to
        beta, so that the latents find a use before they have a price.
    run_dir, progress, on_log, and what is raised: as for `train.train`. A run folder holds one VAE:
        another beta or latent is another run.
    Returns it in evaluation mode.
    """
    check_beta(beta)
    check_latent(latent)
    if not world.has_images:
        raise ValueError(f"a VAE learns from images, found the world {world.name!r}, without any")
    check_data(world, recipe)
    network = {"kind": KIND, "beta": float(beta), "latent": latent}
    run = Run(world, recipe, seed, Path(run_dir), pick_device(device), progress, on_log, network)
    return run.trained(lambda: _build(world, recipe, latent), lambda v: _fit(run, v, beta))


def load_vae(
    run_dir: str | Path, world: ImageWorld, *, device: str | torch.device = "cpu"
) -> tuple[VAE, dict]:
    """The VAE of a run folder or of a shipped one, and its `model.json`.

    Raises CheckpointError when there is no whole VAE, or it is one of another world.
    """
    info = networks.read(run_dir, KIND, world)
    try:
        recipe, latent = Recipe(**info["recipe"]), info["network"]["latent"]
        with torch.random.fork_rng():  # its weights are replaced: nobody's random stream moves on
            vae = _build(world, recipe, latent)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{run_dir} cannot be read: {error}") from None
    fill(vae, run_dir)
    return vae.to(device).eval(), info


def _build(world: ImageWorld, recipe: Recipe, latent: int) -> VAE:
    return VAE(world.image_shape, latent, width=recipe.decoder_width, blocks=recipe.decoder_blocks)


def _fit(run: Run, vae: VAE, beta: float) -> None:
    recipe, batch = run.recipe, image_batches(run)
    n, rise = recipe.autoencoder_steps, max(1, int(recipe.warmup_share * recipe.autoencoder_steps))
    for step in run.steps("autoencoder", vae, vae, n, recipe.autoencoder_lr, show=("psnr", "kl")):
        images = batch(step.number, recipe.autoencoder_batch)
        noise = torch.randn((len(images), vae.latent), generator=run.generator(1, step.number))
        with run.autocast():
            passed = vae(images, noise.to(run.device))
        weight = beta * min(1.0, step.number / rise)
        # per number of the image: a size that suits the loop's limit on the gradient
        loss = negative_elbo(passed, images, weight).mean() / images[0].numel()
        step.minimise(loss)
        if step.told:
            mse = (passed.images.float() - images).square().mean().item()
            nats = kl(passed.mean, passed.log_variance).sum(1).mean().item()
            step.log(loss=loss.item(), mse=mse, psnr=psnr(mse), kl=nats)
