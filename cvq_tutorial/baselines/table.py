"""What people would use instead: the same data, the same number of steps, the same questions.

| name | model | the action between x and y | x after an action |
| --- | --- | --- | --- |
| vae-difference | VAE | nearest mean displacement of latents | plus the mean displacement |
| vae-classifier | VAE | classifier of pairs of latents | affine map of latents |
| beta-vae-difference, beta-vae-classifier | VAE with beta 4 | as above | as above |
| plain-vqvae | our autoencoder, a transition without graph and mask | likeliest | likeliest |
| image-pairs | none | classifier of pairs of images | cannot |

`image-pairs` reads both images directly and learns nothing but this one answer, as long as the
method's second phase: an upper reference, not a rival. All are trained through the method's own
loop on the images and transitions that it sees, and measured by the same code on the same test
sample with the same judge.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cvq_tutorial.baselines import pairs
from cvq_tutorial.baselines.plain_transition import PlainTransition
from cvq_tutorial.baselines.vae import KIND, VAE, kl, load_vae, train_vae
from cvq_tutorial.common.checks import close_match
from cvq_tutorial.common.device import pick_device
from cvq_tutorial.measure import evaluate, metrics
from cvq_tutorial.measure.judge import load_or_train_judge
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.training import checkpoints, train
from cvq_tutorial.training import data as training_data
from cvq_tutorial.training.identity import first_difference
from cvq_tutorial.training.recipes import Recipe
from cvq_tutorial.training.run import Run
from cvq_tutorial.worlds.world import ImageWorld, World

BETA = 4.0  # of the beta-VAE


@dataclass(frozen=True)
class Baseline:
    """kind: "vae", "plain" or "pairs".  beta: of a VAE.  rule: of a VAE, how it answers."""

    kind: str
    beta: float = 1.0
    rule: str = ""


BASELINES = {
    "vae-difference": Baseline("vae", 1.0, "difference"),
    "vae-classifier": Baseline("vae", 1.0, "classifier"),
    "beta-vae-difference": Baseline("vae", BETA, "difference"),
    "beta-vae-classifier": Baseline("vae", BETA, "classifier"),
    "plain-vqvae": Baseline("plain"),
    "image-pairs": Baseline("pairs"),
}


@dataclass(frozen=True)
class Request:
    """One run of a baseline: what `evaluate_baseline` was asked for."""

    baseline: Baseline
    world: ImageWorld
    recipe: Recipe
    seed: int
    folder: Path
    latent: int
    device: torch.device
    progress: bool
    autoencoder: Path | None

    def run(self, folder: Path, **network: object) -> Run:
        """Its run folder for one network."""
        where = (self.world, self.recipe, self.seed, folder, self.device, self.progress)
        return Run(*where, network=network)


@dataclass(frozen=True)
class Ready:
    """A trained baseline.

    look: for `evaluate.compare`.  seconds: of training, per phase.  draws: whether it can.
    more: further numbers for metrics.json, from what `compare` found.
    """

    look: evaluate.Look
    seconds: dict[str, float]
    draws: bool = True
    more: Callable[[dict[str, np.ndarray]], dict] = lambda found: {}


def full_name(name: str) -> str:
    """The name as it stands in `BASELINES`; a VAE without its rule has that of the difference.

    Raises ValueError for an unknown name, with the nearest known one.
    """
    full = f"{name}-difference" if name in ("vae", "beta-vae") else name
    if full not in BASELINES:
        raise ValueError(close_match("baseline", name, BASELINES))
    return full


def default_latent(world: ImageWorld) -> int:
    """L where nobody says: 10, or 16 for a world of more than eight factors."""
    return 10 if world.factors.n_factors <= 8 else 16


def evaluate_baseline(
    name: str,
    world: World,
    recipe: Recipe,
    seed: int,
    run_dir: str | Path,
    *,
    latent: int | None = None,
    device: str = "auto",
    progress: bool = True,
    autoencoder: str | Path | None = None,
) -> dict:
    """Train a baseline, or go on with it, or load it; then measure it as the method is measured.

    name: see `full_name`.  latent: L of a VAE, see `default_latent`.
    run_dir: gets `model.safetensors`, `model.json` and `log.csv`. A classifier of latents lives in
        run_dir/classifier, beside the VAE that it reads.
    autoencoder: folder of a finished run whose first phase this run would train again, bit for bit:
        of the method for plain-vqvae, of the same VAE with the other rule. It is taken over.
    Returns what metrics.json holds, as `evaluate.evaluate` does, without mask and graph, and for
        image-pairs nothing but retrieval. New are `baseline`, the name, and for a VAE `latent`:
        {size, beta, kl (nats per latent)}.
    Raises ValueError for an unknown name, a world without images, a folder that holds another run,
        an autoencoder that is another one; and what `train.train` raises.
    """
    name = full_name(name)
    baseline = BASELINES[name]
    if not world.has_images:
        raise ValueError(f"a baseline learns from images, found the world {world.name!r}, without")
    if autoencoder is not None and baseline.kind == "pairs":
        raise ValueError(f"{name} has no autoencoder, found one to take over: {autoencoder}")
    training_data.check_data(world, recipe)
    request = Request(
        baseline, world, recipe, seed, Path(run_dir),
        default_latent(world) if latent is None else latent,
        pick_device(device), progress, Path(autoencoder) if autoencoder is not None else None,
    )  # fmt: skip
    ready = {"vae": _vae, "plain": _plain, "pairs": _pairs}[baseline.kind](request)
    began = time.perf_counter()
    judge = None
    if ready.draws:
        judge = load_or_train_judge(
            world, steps=recipe.judge_steps, progress=progress, device=request.device
        )
    told, found = evaluate.compare(ready.look, world, recipe, seed, request.device, judge)
    if ready.draws:
        error = float(found["mse_ceiling"].mean())
        told = {"reconstruction": {"psnr": metrics.psnr(error)}, **told}
    seconds = {**ready.seconds, "evaluate": time.perf_counter() - began}
    head = evaluate.about(world, recipe, seed, request.device, seconds)
    return head | {"baseline": name} | told | ready.more(found)


# A classifier of pairs of images -----------------------------------------------------------------


def _pairs(request: Request) -> Ready:
    classifier = pairs.train_image_pairs(request.run(request.folder, kind="pairs of images"))

    def look(x: Tensor, actions: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {"retrieved": pairs.named(classifier, x, y)}

    return Ready(look, _seconds(request.folder), draws=False)


def _seconds(folder: Path) -> dict[str, float]:
    return dict(checkpoints.read_info(folder).get("seconds", {}))


# Our autoencoder, a transition without graph and mask --------------------------------------------


def _plain(request: Request) -> Ready:
    recipe = request.recipe
    if recipe.layout != "places":
        raise ValueError(
            f"plain-vqvae needs a recipe with layout 'places', found {recipe.layout!r}"
        )
    # no mask and no edges: they have no price
    free = replace(
        recipe.transition, mask_price=0.0, edge_price=0.0, prune_tolerance=0.0, edge_worth=0.0,
        cause_dropout=0.0,
    )  # fmt: skip
    recipe = replace(recipe, transition=free)
    run = replace(request, recipe=recipe).run(request.folder, kind="plain transition")

    def make() -> CausalVQ:
        model = checkpoints.build(request.world, recipe)  # the autoencoder starts as the method's
        transition: Any = PlainTransition(
            model.grid, model.n_codebooks, model.n_codes, model.n_actions, width=recipe.width
        )
        model.transition = transition
        return model

    model = run.trained(make, lambda m: train.fit(run, m, request.autoencoder))

    def look(x: Tensor, actions: Tensor, y: Tensor) -> dict[str, Tensor]:
        told = evaluate.code_answers(model, x, actions, y)
        keys = ("codes", "right", "retrieved", "drawn", "start", "ceiling")
        return {key: told[key] for key in keys}

    def more(found: dict[str, np.ndarray]) -> dict:
        return {"codes": metrics.codebook_use(found["codes"], model.n_codes)}

    return Ready(look, _seconds(request.folder), more=more)


# A VAE and a rule on its latents -----------------------------------------------------------------


def _vae(request: Request) -> Ready:
    world, recipe, seed = request.world, request.recipe, request.seed
    vae, info = _trained_vae(request)
    seconds = dict(info.get("seconds", {}))
    began = time.perf_counter()
    drawn, chances = training_data.training_transitions(world, recipe, seed)
    with request.run(request.folder).autocast():  # as the VAE was trained
        x, y = pairs.latent_transitions(vae, world, drawn, recipe.augment, seed)
    seconds["encode"] = time.perf_counter() - began
    rows = np.arange(len(drawn))
    if chances is not None:  # a formula takes no chances: it is given what is drawn by them
        rows = np.random.default_rng([seed, 5]).choice(rows, len(rows), p=chances)
    pick = torch.from_numpy(rows)
    actions = torch.from_numpy(drawn.actions)
    sample = (x[pick], actions[pick], y[pick], world.factors.n_actions)
    scores: Callable[[Tensor, Tensor], Tensor]
    if request.baseline.rule == "difference":
        rule = pairs.Displacements.fit(*sample)
        scores, move = rule.scores, rule.move
    else:
        folder = request.folder / "classifier"
        run = request.run(folder, kind="pairs of latents", vae=info["sha256"])
        classifier = pairs.train_latent_pairs(run, vae, drawn, chances, x, y).cpu()
        seconds |= _seconds(folder)
        scores, move = classifier, pairs.AffineSteps.fit(*sample).move

    def look(x: Tensor, actions: Tensor, y: Tensor) -> dict[str, Tensor]:
        before = vae.encode(x).cpu()
        mean, log_variance = (z.cpu() for z in vae.posterior(y))
        return {
            "retrieved": pairs.named(scores, before, mean),
            "drawn": vae.decode(move(before, actions)),
            "start": vae.decode(before),
            "ceiling": vae.decode(mean),
            "kl": kl(mean, log_variance),
        }

    def more(found: dict[str, np.ndarray]) -> dict:
        nats = [round(float(value), 4) for value in found["kl"].mean(0)]
        return {"latent": {"size": vae.latent, "beta": request.baseline.beta, "kl": nats}}

    return Ready(look, seconds, more=more)


def _trained_vae(request: Request) -> tuple[VAE, dict]:
    """The VAE of the request's own folder, trained if need be, or that of another run."""
    world, recipe, seed, latent = request.world, request.recipe, request.seed, request.latent
    beta = request.baseline.beta
    folder = request.autoencoder
    if folder is None:
        folder, device = request.folder, str(request.device)
        train_vae(
            world, recipe, seed, folder, beta, latent, device=device, progress=request.progress
        )
    vae, info = load_vae(folder, world, device=request.device)
    train.same_autoencoder(folder, info, world, recipe, seed)
    expected = {"kind": KIND, "beta": beta, "latent": latent}
    if told := first_difference(expected, info["network"]):
        raise ValueError(f"{folder} trained another autoencoder: {told}")
    return vae, info
