"""The judge: an independent reader of factors, which says what a generated image shows.

Intuition: "the image changed in one factor only" cannot be measured in pixels. So a small network
is trained to read all factors from *true* images and then reads the generated ones. It knows
nothing of the model that it judges: other weights, other data order, and never a decoded image.

What a result means: "target reached 0.9" says that the judge reads the new value in nine of ten
images. It is worth as much as the judge's own accuracy on true test images (`accuracy`), which is
reported with every use, and is to be held against what it reads on decoded true images (ceiling).

When it misleads: a factor that it reads badly looks like an edit that failed, and what it does not
read (texture, a smear) does not count at all. A decoded image is softer than a true one, and a
judge that has only seen sharp edges would measure sharpness. It is therefore trained on true images
that are blurred, shrunk and enlarged, and made noisy by amounts up to what a decoder of 28 dB does.
Where detail is gone altogether it still fails, as it should.

Letters: B batch, H and W image sides, F factors.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import cache_root
from cvq_tutorial.common.images import to_float
from cvq_tutorial.common.progress import Progress
from cvq_tutorial.data.transitions import sample_values
from cvq_tutorial.training import checkpoints, loop
from cvq_tutorial.worlds.world import ImageWorld

FORMAT = 1  # raise when the network, the softening or the file changes: older caches are retrained
WIDTHS = (32, 64, 96, 128)  # channels after each halving of the image
HIDDEN = 256
POOL = 16384  # true images rendered once and drawn from; rendering every batch anew would cost more
POOL_BYTES = POOL * 64 * 64 * 3  # larger images: fewer of them
LEARNING_RATE = 4e-3
BLUR = 1.2  # largest standard deviation, in pixels
NOISE = 0.04  # largest standard deviation, of a range of 1
SHRINK = (1.0, 1.0, 1.0, 0.75, 0.5)  # one is drawn per image: shrunk to this share, and enlarged


class Judge(nn.Module):
    """Reads every factor of an image: one small network, one head per factor.

    sizes: number of values of each of the F factors; image_shape: (H, W, 3), sides of at least 8.
    """

    def __init__(self, sizes: Sequence[int], image_shape: Sequence[int]) -> None:
        super().__init__()
        self.sizes = tuple(int(size) for size in sizes)
        self.image_shape = tuple(int(length) for length in image_shape)
        if not self.sizes or min(self.sizes) < 1:
            raise ValueError(f"sizes must be positive, one per factor, found {self.sizes}")
        if len(self.image_shape) != 3 or self.image_shape[2] != 3 or min(self.image_shape[:2]) < 8:
            raise ValueError(
                f"image_shape must be (H, W, 3) with sides of at least 8, found {self.image_shape}"
            )
        height, width, channels = self.image_shape
        layers: list[nn.Module] = []
        for wide in WIDTHS:
            if min(height, width) <= 4:
                break
            kernel = 5 if channels == 3 else 3
            layers += [
                nn.Conv2d(channels, wide, kernel, stride=2, padding=kernel // 2, bias=False),
                nn.BatchNorm2d(wide),
                nn.ReLU(inplace=True),
            ]
            channels, height, width = wide, -(-height // 2), -(-width // 2)
        # Flattened, not averaged: where an edge lies is what tells one orientation from the next.
        self.body = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(channels * height * width, HIDDEN, bias=False),
            nn.BatchNorm1d(HIDDEN),
            nn.ReLU(inplace=True),
        )
        self.heads = nn.Linear(HIDDEN, sum(self.sizes))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Scores per factor, F tensors (B, size), of images (B, 3, H, W) in [0, 1]."""
        return self.heads(self.body(images - 0.5)).split(self.sizes, dim=1)

    @torch.no_grad()
    def read(self, images: Tensor, batch_size: int = 512) -> Tensor:
        """The likeliest value of every factor, int64 (B, F), on the device of `images`.

        images: float (B, 3, H, W) in [0, 1]. Always in evaluation mode and in float32;
            deterministic.
        Raises TypeError for integer images, ValueError for another shape.
        """
        height, width, channels = self.image_shape
        if images.ndim != 4 or tuple(images.shape[1:]) != (channels, height, width):
            raise ValueError(
                f"images must have shape (B, {channels}, {height}, {width}), "
                f"found {tuple(images.shape)}"
            )
        if not images.is_floating_point():
            raise TypeError(f"images must be floats in [0, 1], found {images.dtype}")
        device = self.heads.weight.device
        was_training = self.training
        self.eval()
        read = [
            torch.stack([scores.argmax(dim=1) for scores in self(part.float().to(device))], dim=1)
            for part in images.split(batch_size)
        ]
        self.train(was_training)
        if not read:
            return torch.zeros(0, len(self.sizes), dtype=torch.int64, device=images.device)
        return torch.cat(read).to(images.device)


def _blur_matrices(length: int, sigma: Tensor) -> Tensor:
    """(B, length, length): row i weighs a line's pixels around i by a Gaussian of sigma (B,)."""
    place = torch.arange(length, dtype=torch.float32, device=sigma.device)
    distance = (place[:, None] - place[None, :]) ** 2
    weights = torch.exp(-distance / (2 * sigma.clamp_min(1e-3)[:, None, None] ** 2))
    return weights / weights.sum(dim=2, keepdim=True)


def _shrink_matrices(length: int) -> Tensor:
    """(len(SHRINK), length, length): a line shrunk to each share of its length, and enlarged."""
    line = torch.eye(length)[None]  # (1, length, length): one unit line per channel
    matrices = []
    for share in SHRINK:
        small = functional.interpolate(line, max(1, round(length * share)), mode="linear")
        matrices.append(functional.interpolate(small, length, mode="linear")[0].T)
    return torch.stack(matrices)


def soften(images: Tensor, generator: torch.Generator) -> Tensor:
    """True images made as soft and noisy as decoded ones, each by its own random amount.

    images: float (B, 3, H, W) in [0, 1]; generator: on the device of the images.
    Gaussian blur of 0 to 1.2 pixels, two in five shrunk and enlarged, noise of 0 to 0.04, and each
    of blur and noise left out for one image in four, so that sharp images stay in. Returns images
    of the same shape, in [0, 1]. Blur and shrinking act on rows and columns alike, so both are
    matrix products: one per image, without a loop.
    """
    batch, _, height, width = images.shape
    device = images.device

    def amount(most: float) -> Tensor:
        draw = torch.rand(batch, generator=generator, device=device) * 4 / 3 - 1 / 3
        return draw.clamp_min(0) * most  # zero for one in four

    sigma = amount(BLUR)
    kind = torch.randint(len(SHRINK), (batch,), generator=generator, device=device)
    rows = _blur_matrices(height, sigma) @ _shrink_matrices(height).to(device)[kind]
    columns = _blur_matrices(width, sigma) @ _shrink_matrices(width).to(device)[kind]
    soft = rows[:, None] @ images @ columns.transpose(1, 2)[:, None]
    noise = torch.randn(images.shape, generator=generator, device=device)
    return (soft + noise * amount(NOISE)[:, None, None, None]).clamp(0, 1)


def _low_precision(device: torch.device) -> contextlib.AbstractContextManager:
    """bfloat16 where the machine has it in hardware (about twice as fast), nothing elsewhere."""
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported()
    else:
        checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        fast = device.type == "cpu" and any(getattr(torch.cpu, c, bool)() for c in checks)
    return torch.autocast(device.type, torch.bfloat16) if fast else contextlib.nullcontext()


def pool_size(image_shape: Sequence[int]) -> int:
    """How many images of this shape a judge draws from at most: POOL, and POOL_BYTES in bytes."""
    return max(1, min(POOL, POOL_BYTES // math.prod(image_shape)))


def train_judge(
    world: ImageWorld,
    seed: int = 0,
    steps: int = 250,
    batch: int = 128,
    progress: bool = True,
    device: str | torch.device = "cpu",
) -> Judge:
    """A judge trained on true images of the train split of `world`, softened; it never sees a
    decoded image.

    world: has images; seed: of the images, of the start and of the softening; steps, batch: of
    training; progress: a bar in a terminal or notebook, else one line. The same arguments give the
    same weights on one machine with one number of threads.
    Raises ValueError for a world without images.
    """
    if not world.has_images:
        raise ValueError(f"a judge reads images, found the world {world.name!r}, which has none")
    if steps < 1 or batch < 2:
        raise ValueError(f"steps must be >= 1 and batch >= 2, found {steps} and {batch}")
    device = torch.device(device)
    n_images = min(pool_size(world.image_shape), steps * batch)
    values = sample_values(world.factors, n_images, "train", seed)
    pool = np.empty((n_images, *world.image_shape), dtype=np.uint8)
    n_parts = -(-n_images // 1024)
    for room, part in zip(*(np.array_split(a, n_parts) for a in (pool, values)), strict=True):
        room[:] = world.render(part)
    labels = torch.from_numpy(values).to(device)  # (n_images, F)

    generator = torch.Generator(device).manual_seed(seed)
    with torch.random.fork_rng(devices=[]):  # layers start from the global state: lend one
        torch.manual_seed(seed)
        judge = Judge(world.factors.sizes, world.image_shape)
    judge.to(device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(judge.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps + 1)
    order = np.random.default_rng(seed)
    with Progress("judge", steps, show=progress, lines=False) as bar:
        for step in loop.steps(
            "judge",
            judge,
            optimizer,
            lambda number: cycle.step() if number else None,  # it starts with its first rate
            steps,
            clip=math.inf,
        ):
            chosen = order.integers(n_images, size=batch)
            images = soften(to_float(pool[chosen]).to(device), generator)
            with _low_precision(device):
                scores = judge(images.contiguous(memory_format=torch.channels_last))
            target = labels[torch.from_numpy(chosen).to(device)]
            losses = [
                functional.cross_entropy(s.float(), target[:, f]) for f, s in enumerate(scores)
            ]
            step.minimise(torch.stack(losses).sum())
            bar.update(step.number + 1)
    return judge.to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]


def accuracy(
    judge: Judge, world: ImageWorld, split: str = "test", n: int = 2000, seed: int = 0
) -> dict[str, float]:
    """How often the judge is right on `n` true, sharp images of a split.

    Returns {factor name: share, "all": share}; "all" counts images with every factor right.
    """
    values = sample_values(world.factors, n, split, seed)
    read = np.concatenate(
        [
            judge.read(to_float(world.render(part))).numpy()
            for part in np.array_split(values, -(-n // 512))
        ]
    )
    right = read == values[:, : read.shape[1]]  # (n, F); a table's rows end in a number
    shares = {name: float(right[:, f].mean()) for f, name in enumerate(world.factors.names)}
    return {**shares, "all": float(right.all(axis=1).mean())}


# Cache -------------------------------------------------------------------------------------------


def identity(world: ImageWorld, seed: int, steps: int, batch: int = 128) -> str:
    """All that a judge's weights depend on, as JSON; a sample of pixels stands for the renderer and
    its data.
    """
    probe = world.render(sample_values(world.factors, 64, "train", 0))
    told = {
        "format": FORMAT,
        "world": world.name,
        "options": {k: v for k, v in world.options.items() if k != "actions"},
        "factors": world.factors.with_actions("steps").to_json(),  # it reads pictures only
        "image_shape": list(world.image_shape),
        "pixels": hashlib.sha256(np.ascontiguousarray(probe).tobytes()).hexdigest(),
        "seed": seed,
        "steps": steps,
        "batch": batch,
    }
    if (pool := pool_size(world.image_shape)) != POOL:
        told["pool"] = pool
    return json.dumps(told, sort_keys=True)


def _digest(state: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


def keep(path: Path, state: dict[str, Tensor], identity: str) -> Path:
    """Write a judge's weights with what they belong to; `fill` reads them back."""
    about = {"identity": identity, "weights": _digest(state)}
    return write_atomic(path, checkpoints.pack(state, about))


def fill(judge: Judge, path: Path, identity: str) -> bool:
    """Fill `judge` from a file of `keep`; False if it is missing, damaged, or of something else."""
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return False
    if about.get("identity") != identity or about.get("weights") != _digest(state):
        return False
    judge.load_state_dict(state)
    return True


def load_or_train_judge(
    world: ImageWorld,
    seed: int = 0,
    steps: int = 250,
    batch: int = 128,
    progress: bool = True,
    device: str | torch.device = "cpu",
) -> Judge:
    """The judge that `train_judge` would give, kept under `cache_root()/judges` between calls.

    The file is named by a hash of the world (options, factors, a sample of its pixels), the
    arguments and the version of this module; a damaged or foreign file is trained anew and
    replaced. A cache that cannot be written costs time, nothing else.
    """
    if not world.has_images:
        raise ValueError(f"a judge reads images, found the world {world.name!r}, which has none")
    about = identity(world, seed, steps, batch)
    name = f"{world.name}-{hashlib.sha256(about.encode()).hexdigest()[:16]}.safetensors"
    path = cache_root() / "judges" / name
    judge = Judge(world.factors.sizes, world.image_shape).eval()
    if not fill(judge, path, about):
        judge = train_judge(world, seed, steps, batch, progress, device)
        state = {key: value.cpu().contiguous() for key, value in judge.state_dict().items()}
        with contextlib.suppress(OSError):  # a read-only home must not stop an evaluation
            keep(path, state, about)
    return judge.to(device).eval()
