"""What explorers are given, checked: worlds, images, values of factors, actions.

An image is float (1, 3, H, W) or (3, H, W) in [0, 1], or uint8 (H, W, 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from cvq_tutorial.common.checks import close_match, whole_number
from cvq_tutorial.common.images import psnr, to_float
from cvq_tutorial.data.transitions import sample_values
from cvq_tutorial.worlds.world import ImageWorld, is_world


def whole(name: str, value: Any, size: int, low: int = 0) -> int:
    """The value as int: TypeError unless an integer, ValueError unless one of `size` from `low`."""
    return whole_number(name, value, low, low + size - 1)


def action_name(value: Any, names: Sequence[str]) -> str:
    """The name of an action given by name or number; TypeError or ValueError names close ones."""
    if isinstance(value, str):
        if value not in names:
            raise ValueError(close_match("action", value, names))
        return value
    return names[whole("action", value, len(names))]


def has_images(world: Any) -> ImageWorld:
    """The world, if it can render; ValueError for a world of codes, TypeError for no world."""
    if not is_world(world):
        raise TypeError(f"expected a world of worlds.make_world, found {type(world).__name__}")
    if not world.has_images:
        raise ValueError(f"expected a world with images, found {world.name!r}")
    return world


def same_actions(model: Any, world: ImageWorld) -> None:
    """Raise ValueError unless the actions of the model are those of the world."""
    if list(world.factors.action_names) != model.action_names:
        raise ValueError(
            f"the model has other actions than world {world.name!r}: {model.action_names}; where "
            "nobody named them, `measure.with_names(model, world)` does, and an explorer that "
            "takes an image shows them as they are"
        )


def codes_of(model: Any, image: Any) -> Tensor:
    """Codes (1, N, C) of one image, or of its codes (1, N, C), which stay as they are.

    image: float (1, 3, H, W) or (3, H, W) in [0, 1], or uint8 (H, W, 3).
    """
    if isinstance(image, np.ndarray) and image.dtype == np.uint8:
        image = to_float(image[None] if image.ndim == 3 else image)
    if model is None:
        raise TypeError("expected a CausalVQ, found None")
    if not isinstance(image, Tensor):
        raise TypeError(f"expected an image or codes as a tensor, found {type(image).__name__}")
    if image.is_floating_point():
        image = image[None] if image.ndim == 3 else image
        codes = model.encode(image)
    else:
        codes = model.check_codes(image)
    if len(codes) != 1:
        raise ValueError(f"expected one image, found {len(codes)}")
    return codes.cpu()


def start_image(world: ImageWorld, values: Sequence[int]) -> Tensor:
    """The world's image (1, 3, H, W) of one setting of its factors."""
    return to_float(world.render(np.array([values], dtype=np.int64)))


def middle_values(world: ImageWorld) -> tuple[int, ...]:
    """A setting from which most steps are possible: the middle value of each factor."""
    middle = tuple(size // 2 for size in world.factors.sizes)
    return getattr(world, "start_values", middle)  # of given pictures: most settings have none


def setting_of(world: ImageWorld, values: Any, name: str, each: str = "") -> tuple[int, ...]:
    """A value of each factor, checked; what is wrong is called `name`, or `each` and the factor."""
    space, found = world.factors, tuple(values)
    if len(found) != space.n_factors:
        raise ValueError(f"{name}: expected {space.n_factors} integers, found {len(found)}")
    pairs = zip(found, space.factors, strict=True)
    return tuple(whole(each + factor.name, value, factor.size) for value, factor in pairs)


def after_action(world: ImageWorld, values: Sequence[int], name: str) -> tuple[int, ...]:
    """The values after an action; ValueError where the world says that it leads nowhere."""
    space = world.factors
    return tuple(space.apply(np.array([values]), np.array([space.action_id(name)]))[0].tolist())


def possible(world: ImageWorld, values: Sequence[int], name: str) -> bool:
    """Whether an action leads anywhere from these values."""
    space = world.factors
    return bool(space.legal(np.array([values]), np.array([space.action_id(name)]))[0])


def setting_in_words(world: ImageWorld, values: Sequence[int]) -> str:
    """Every factor with its value: "shape cube, scale 3"."""
    pairs = zip(world.factors.factors, values, strict=True)
    return ", ".join(f"{factor.name} {factor.label(value)}" for factor, value in pairs)


def starts_of(
    start: Any, values: Sequence[int] | None, n: int = 24
) -> tuple[ImageWorld | None, list[tuple[int, ...]], Sequence[Any]]:
    """What an explorer can start from: the world, if one is given, settings of it, and images.

    start: a world, from its middle values or `values` and then n - 1 others of its test split; or
        images, float (B, 3, H, W) in [0, 1] or uint8 (H, W, 3), or codes (B, N, C).
    """
    if is_world(start):
        first = middle_values(has_images(start)) if values is None else tuple(values)
        rows = sample_values(start.factors, n - 1, "test", 0)[:, : start.factors.n_factors]
        settings = [first, *map(tuple, rows.tolist())]
        return start, settings, [start_image(start, setting) for setting in settings]
    if values is not None:
        raise ValueError("values were given without a world")
    batch = isinstance(start, Tensor) and start.ndim == (4 if start.is_floating_point() else 3)
    return None, [], start.split(1) if batch else [start]


def psnr_text(a: Tensor, b: Tensor) -> str:
    """How near two images (3, H, W) in [0, 1] are, as "31.4 dB"."""
    error = float((a.float() - b.float()).square().mean())
    return f"{psnr(error):.1f} dB"
