"""A VAE with a graph inside, trained by discrepancy: does it draw well because of its graph?

The encoder gives exogenous z; context k adds a strength to one latent (its target, soft until it is
known); u_i = z_i + shift_i + sum_{j before i} G[j, i] phi(u_j); a linear decoder draws u. Trained
so that observational samples, sent through with the shift of context k, look like real samples of
context k (MMD), it can then be asked for two interventions at once, which it never saw.

Beware of where its decoder starts. At the mean effects of the contexts it holds already what edges
would pass on, they have nothing left to do, and the right order draws no better than none. With
room for them (`start="own"`) the right order learns its edges and comes near the floor; its rivals
do not. In a straight world none needs a graph: shifts add up. `compared` shows all of it.

Source: after Zhang et al., NeurIPS 2023, arXiv 2307.06250 (CMVAE); sizes and schedules are ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor, nn

from cvq_tutorial.identify.checks import Unidentifiable, enough, whole
from cvq_tutorial.identify.worlds import KINDS, ShiftWorld

EPOCHS, BATCH = 150, 128
RATE, FAST = 2e-3, 1e-2  # of the encoder; of graph, strengths and the linear decoder
ALPHA, BETA, LAMBDA = 1.0, 0.01, 1e-3  # MMD, KL, |G|; beside one mean squared error
ALPHA_FROM, BETA_FROM = 5, 10  # epochs without MMD, and without KL; full weight at half time
KERNELS = 10
STARTS = ("mean", "own")


def mmd(x: Tensor, y: Tensor, scale: float) -> Tensor:
    """Squared MMD of x (..., n, p) and y (..., m, p), sum of 10 Gaussian kernels, biased.

    scale: the middle squared distance; kernels have 2^-5 ... 2^4 of it, fixed beforehand.
    """

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        squared = (a**2).sum(-1)[..., :, None] + (b**2).sum(-1)[..., None, :] - 2 * a @ b.mT
        narrow = torch.exp(-squared.clamp(min=0) / (scale * 2.0 ** (KERNELS // 2 - 1)))
        total = narrow
        for _ in range(KERNELS - 1):  # half the width: the square, no further exp
            narrow = narrow**2
            total = total + narrow
        return total.mean((-2, -1))

    return kernel(x, x) + kernel(y, y) - 2 * kernel(x, y)


class DiscrepancyVAE(nn.Module):
    """order: contexts, causes first, or None: targets are learnt. graph: whether it has edges."""

    def __init__(
        self,
        observed: int,
        contexts: int,
        kind: str,
        generator: torch.Generator,
        order: Sequence[int] | None = None,
        graph: bool = True,
        width: int = 128,
    ):
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"kind: expected one of {', '.join(KINDS)}, found {kind!r}")
        if order is not None and sorted(order) != list(range(contexts)):
            raise ValueError(f"order: expected each of {contexts} contexts once, found {order}")
        self.kind, self.graph = kind, graph
        d = contexts
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
            self.encoder = stack(observed, width, 2 * d)
            self.decoder = nn.Linear(d, observed)
        self.G = nn.Parameter(0.1 * torch.randn(d, d, generator=generator))
        self.strength = nn.Parameter(torch.full((contexts,), 2.0))
        self.logits = nn.Parameter(torch.zeros(contexts, d))
        self.register_buffer("known", torch.zeros(contexts, d))
        self.bet = order is not None
        if order is not None:
            for place, context in enumerate(order):
                self.known[context, place] = 1

    def targets(self) -> Tensor:
        """(contexts, d): which latent each context moves; rows sum to 1."""
        return self.known if self.bet else (self.logits * 4).softmax(1)

    @torch.no_grad()
    def point(self, effects: Tensor, order: Sequence[int]) -> None:
        """Start each column of the decoder at what `effects` (contexts, p) has for its context.

        From a start at random the first epochs, which only draw, settle which way every column
        points; one that points away from its context's effect can turn only through a decoder that
        draws one latent less. Five of nine runs stayed far off; in the one that was taken
        apart it was one context, never matched.
        """
        self.decoder.weight.copy_(effects[list(order)].T / self.strength[list(order)])

    def edges(self) -> Tensor:
        """(d, d), row = cause, strictly upper triangular: latent j before latent i."""
        return self.G.triu(1) * float(self.graph)

    def latents(self, z: Tensor, shift: Tensor) -> Tensor:
        """U of z (..., d) under a shift of the same shape."""
        edges = self.edges()
        u: list[Tensor] = []
        for i in range(z.shape[-1]):
            one = z[..., i] + shift[..., i]
            if u:
                before = torch.stack(u, -1)
                if self.kind == "relu":
                    before = before.relu()
                elif self.kind == "tanh":
                    before = before.tanh()
                one = one + before @ edges[:i, i]
            u.append(one)
        return torch.stack(u, -1)

    def virtual(self, z: Tensor, done: Tensor) -> Tensor:
        """X (S, n, p) of z (n, d), had the contexts of `done` (S, contexts, 0 or 1) been there."""
        shift = done @ (self.targets() * self.strength[:, None])
        shift = shift[:, None].expand(-1, len(z), -1)
        return self.decoder(self.latents(z.expand(len(done), -1, -1), shift))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of z, (n, d) each."""
        mean, logvar = self.encoder(x).chunk(2, -1)
        return mean, logvar.clamp(-12, 4)


def stack(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Two hidden layers with leaky ReLUs."""
    return nn.Sequential(
        nn.Linear(inputs, width), nn.LeakyReLU(0.1),
        nn.Linear(width, width), nn.LeakyReLU(0.1),
        nn.Linear(width, outputs),
    )  # fmt: skip


def own_parts(effects: Tensor, order: Sequence[int]) -> Tensor:
    """Of each mean effect (contexts, p) what later ones in `order` do not hold, (contexts, p).

    The last context moves nothing but its own latent, so its effect is a column of the mixing. The
    one before moves its own and, through an edge, the last: what is left without the direction of
    the last is its own column, if columns of the mixing are perpendicular. And so on to the first.
    """
    own = effects.clone()
    for place in reversed(range(len(order))):
        later, _ = torch.linalg.qr(effects[list(order[place + 1 :])].T)
        own[order[place]] -= later @ (later.T @ effects[order[place]])
    return own


@dataclass(frozen=True)
class Doubles:
    """Squared MMD on double interventions that were never shown, mean over pairs of contexts.

    model; floor: two true samples; copy: the observational sample left as it is. singles: on the
    contexts that were shown, fresh samples. edges: (d, d) learnt, row = cause, named by context.
    """

    model: float
    singles: float
    floor: float
    copy: float
    edges: np.ndarray


def sample(world: ShiftWorld, done: np.ndarray, n: int, rng: np.random.Generator) -> Tensor:
    """X (n, p) with the contexts `done` (contexts, 0 or 1) at once."""
    shifts = world.shift * done @ np.eye(len(world.weights))[world.targets]
    return torch.from_numpy(world.latents(n, rng, shifts) @ world.mixing.T).float()


def train(
    world: ShiftWorld,
    seed: int,
    *,
    order: Sequence[int] | None = None,
    graph: bool = True,
    start: str = "mean",
    samples: int = 2048,
    epochs: int = EPOCHS,
    fresh: int = 1000,
) -> tuple[DiscrepancyVAE, Doubles]:
    """Train on singles, measure on doubles (`fresh` samples each); deterministic in `seed`.

    start: where the columns of the decoder start, if `order` is given; without it, at random.
    "mean": at the mean effect of each context, which needs no more than the contexts, and leaves
    edges nothing to do. "own": at what later contexts do not hold of it (`own_parts`), which leaves
    them room; it needs the order, and a mixing whose columns are perpendicular, as here.
    """
    whole("epochs", epochs, 1)
    if start not in STARTS:
        raise ValueError(f"start: expected one of {', '.join(STARTS)}, found {start!r}")
    if start != "mean" and order is None:
        raise ValueError(f"start: {start!r} needs an order, found none")
    contexts = len(world.targets)
    if contexts < len(world.weights):
        raise Unidentifiable(
            f"{contexts} contexts are fewer than {len(world.weights)} latents",
            "the effect of the contexts that are there",
        )
    enough(samples, BATCH, "one batch", "nothing")
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    singles = np.eye(contexts)
    seen = sample(world, np.zeros(contexts), samples, rng)
    real = torch.stack([sample(world, one, samples, rng) for one in singles])
    middle, size = seen.mean(0), seen.std()  # one scale for all: distances keep their meaning

    def unit(x: Tensor) -> Tensor:
        return (x - middle) / size

    seen, real = unit(seen), unit(real)
    scale = float(torch.cdist(seen[:500], seen[:500]).square().median())
    model = DiscrepancyVAE(seen.shape[1], contexts, world.kind, generator, order=order, graph=graph)
    if order is not None:
        effects = real.mean(1) - seen.mean(0)
        model.point(effects if start == "mean" else own_parts(effects, order), order)
    slow = list(model.encoder.parameters())
    rest = [one for name, one in model.named_parameters() if not name.startswith("encoder")]
    optimizer = torch.optim.Adam([{"params": slow, "lr": RATE}, {"params": rest, "lr": FAST}])
    batches = samples // BATCH
    every = torch.eye(contexts)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * batches)
    for epoch in range(epochs):
        alpha, beta = (
            weight * min(1.0, max(0, epoch - start) / max(1, epochs // 2 - start))
            for weight, start in ((ALPHA, ALPHA_FROM), (BETA, BETA_FROM))
        )
        mine = torch.randperm(samples, generator=generator)[: batches * BATCH].view(batches, BATCH)
        theirs = torch.randperm(samples, generator=generator)[: batches * BATCH]
        for pick, other in zip(mine, theirs.view(batches, BATCH), strict=True):
            x = seen[pick]
            mean, logvar = model.encode(x)
            z = mean + (logvar / 2).exp() * torch.randn(mean.shape, generator=generator)
            again = model.virtual(z, torch.zeros(1, contexts))[0]
            kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).sum(1).mean()
            loss = (again - x).square().sum(1).mean() + beta * kl
            loss = loss + LAMBDA * model.edges().abs().sum()
            if alpha:
                loss = loss + alpha * mmd(model.virtual(z, every), real[:, other], scale).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model, measured(model, world, rng, unit, scale, fresh)


@torch.no_grad()
def measured(model, world, rng, unit, scale, samples: int) -> Doubles:
    """Discrepancies of a trained model on fresh samples."""
    contexts = len(world.targets)
    x = unit(sample(world, np.zeros(contexts), samples, rng))
    mean, logvar = model.encode(x)
    draw = torch.Generator().manual_seed(int(rng.integers(2**31)))
    z = mean + (logvar / 2).exp() * torch.randn(mean.shape, generator=draw)

    def gaps(sets: list[np.ndarray]) -> tuple[float, float, float]:
        rows = []
        for done in sets:
            true, other = (unit(sample(world, done, samples, rng)) for _ in range(2))
            made = model.virtual(z, torch.from_numpy(done)[None].float())[0]
            rows.append([float(mmd(one, true, scale)) for one in (made, other, x)])
        return tuple(np.mean(rows, axis=0).tolist())  # type: ignore[return-value]

    pairs = [np.eye(contexts)[list(pair)].sum(0) for pair in combinations(range(contexts), 2)]
    double, floor, copy = gaps(pairs)
    place = model.targets().argmax(1).numpy()
    edges = model.edges().numpy()[np.ix_(place, place)]
    return Doubles(double, gaps(list(np.eye(contexts)))[0], floor, copy, edges)


def chain_world(rng: np.random.Generator, kind: str, latents: int = 5, observed: int = 10):
    """A chain of latents, weights 1, shift 5, orthonormal mixing; context k moves latent k."""
    weights = np.diag(np.ones(latents - 1), 1)
    mixing, _ = np.linalg.qr(rng.standard_normal((observed, latents)))
    return ShiftWorld(weights, mixing, np.arange(latents), kind, 5.0)


Runs = dict[str, tuple[str, int, bool, str]]  # world, direction of the order, any graph?, start

RUNS: Runs = {
    "right order": ("relu", 1, True, "mean"),
    "reversed": ("relu", -1, True, "mean"),
    "no graph": ("relu", 1, False, "mean"),
    "unknowable": ("linear", 1, True, "mean"),
}
ROOM: Runs = {
    "right order, room": ("relu", 1, True, "own"),
    "reversed, room": ("relu", -1, True, "own"),
    "no graph, room": ("relu", 1, False, "own"),
    "straight, no graph": ("linear", 1, False, "mean"),
}


def compared(
    seed: int, *, runs: Runs = RUNS, epochs: int = EPOCHS, latents: int = 5
) -> Iterator[tuple[str, Doubles]]:
    """The same VAE with the right order, the wrong one and none, by name; RUNS, or with ROOM."""
    for name, (kind, direction, graph, start) in runs.items():
        world = chain_world(np.random.default_rng(seed), kind, latents)
        order = list(range(latents))[::direction]
        yield name, train(world, seed, order=order, graph=graph, start=start, epochs=epochs)[1]
