"""The one place where pictures of worlds become tensors of models, and back.

Worlds and files hold uint8 (B, H, W, 3); models take float32 (B, 3, H, W) in [0, 1].
"""

from __future__ import annotations

import numpy as np
import torch

LEAST_MSE = 1e-10  # 100 dB: an exact copy must stay a finite number in metrics.json


def to_float(images: np.ndarray) -> torch.Tensor:
    """Pictures as a model takes them.

    Args:
        images: uint8 (B, H, W, 3).

    Returns:
        float32 tensor (B, 3, H, W) in [0, 1] on the CPU, contiguous, sharing no memory.

    Raises:
        TypeError: not a numpy array of uint8. ValueError: another shape.
    """
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        found = f"{type(images).__name__} of {getattr(images, 'dtype', 'no dtype')}"
        raise TypeError(f"pictures: expected a numpy array of uint8, found {found}")
    if images.ndim != 4 or images.shape[3] != 3:
        hint = "; channels come last here" if images.ndim == 4 and images.shape[1] == 3 else ""
        raise ValueError(f"pictures: expected shape (B, H, W, 3), found {images.shape}{hint}")
    planes = np.array(
        images.transpose(0, 3, 1, 2), order="C"
    )  # a copy: the source may be read-only
    return torch.from_numpy(planes).to(torch.float32).div_(255.0)  # (B, 3, H, W)


def to_uint8(images: torch.Tensor) -> np.ndarray:
    """Pictures as worlds and files hold them: the inverse of `to_float`, rounding to 1/255.

    Args:
        images: floating-point tensor (B, 3, H, W) in [0, 1], on any device.

    Returns:
        uint8 array (B, H, W, 3), contiguous.

    Raises:
        TypeError: not a floating-point tensor. ValueError: another shape, or values outside [0, 1]
            or not finite.
    """
    check_images(images)
    levels = (images.detach().to("cpu", torch.float32) * 255.0).round_().clamp_(0, 255)
    return np.ascontiguousarray(levels.to(torch.uint8).permute(0, 2, 3, 1).numpy())


def check_images(images: torch.Tensor, image_shape: tuple[int, int, int] | None = None) -> None:
    """Raise TypeError or ValueError unless `images` is a float tensor (B, 3, H, W) in [0, 1].

    Args:
        images: what to check.
        image_shape: (H, W, 3) as worlds give it, when the height and width must match too.
    """
    if not isinstance(images, torch.Tensor) or not images.is_floating_point():
        found = f"{type(images).__name__} of {getattr(images, 'dtype', 'no dtype')}"
        raise TypeError(f"pictures: expected a floating-point tensor, found {found}")
    wanted = ("H", "W") if image_shape is None else image_shape[:2]
    found_shape = tuple(images.shape)
    fits = images.ndim == 4 and found_shape[1] == 3
    if not fits or (image_shape is not None and found_shape[2:] != tuple(wanted)):
        hint = "; channels come first here" if images.ndim == 4 and found_shape[3] == 3 else ""
        raise ValueError(
            f"pictures: expected shape (B, 3, {wanted[0]}, {wanted[1]}), found {found_shape}{hint}"
        )
    if images.numel() == 0:
        return
    low, high = (float(v) for v in torch.aminmax(images.detach()))
    if not (low >= -1e-6 and high <= 1 + 1e-6):  # also catches NaN
        hint = (
            "; pictures in [-1, 1] become (x + 1) / 2"
            if -1.001 <= low < 0 and high <= 1.001
            else ""
        )
        hint = "; pictures in 0..255 become x / 255" if low >= 0 and 1 < high <= 255 else hint
        raise ValueError(
            f"pictures: expected values in [0, 1], found {low:.4g} to {high:.4g}{hint}"
        )


def psnr(mse: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error between images in [0, 1].

    An error under 1e-10 counts as 1e-10, so that an exact copy gives 100 dB and not infinity.
    Raises ValueError for a negative or non-finite error.
    """
    error = float(mse)
    if not np.isfinite(error) or error < 0:
        raise ValueError(f"mse must be a finite number of at least 0, found {error}")
    return float(-10 * np.log10(max(error, LEAST_MSE)))
