"""Training in two phases: first the autoencoder on images, then the transition on codes.

Codes are computed once between the phases, so the second phase never touches an image. What is
here is the method: which loss, which numbers. What it learns from is in `training_data`; the loop
around it, and how a stopped run goes on with the same bits, in `loop`.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cvq_tutorial.common.device import half_precision, pick_device
from cvq_tutorial.method.causal_transition import transition_loss
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.method.prune import prune
from cvq_tutorial.training import checkpoints
from cvq_tutorial.training.data import (
    check_data,
    encoded_transitions,
    every_action,
    image_batches,
    training_transitions,
)
from cvq_tutorial.training.recipes import Recipe
from cvq_tutorial.training.run import STATE, Run

# settings that the first phase depends on
FIRST_PHASE = (
    "codebooks", "codes", "code_width", "decoder_width", "decoder_blocks", "commitment",
    "warmup_share", "autoencoder_steps", "autoencoder_batch", "autoencoder_lr", "rule", "slices",
    "value_weights", "factor_weights", "correlations", "held_out", "resample", "augment",
)  # fmt: skip
VALID = 240  # held-out transitions behind the action accuracy in the log, always balanced
LOOKS = 1440  # fewer where there are many actions: each transition is scored under every one


def train(
    world: Any,
    recipe: Recipe,
    seed: int,
    run_dir: str | Path,
    *,
    device: str = "auto",
    progress: bool = True,
    on_log: Callable[[dict, CausalVQ], None] | None = None,
    autoencoder: str | Path | None = None,
) -> CausalVQ:
    """Train the whole method on a world; go on with a stopped run; load a finished one.

    world: of `worlds.make_world`.  seed: draws weights, data and edges.  run_dir: gets
        `model.safetensors`, `model.json`, `log.csv`.
    progress: a bar in a terminal or notebook; one line per tenth otherwise.
    on_log: called as on_log(row, model) after each row of the log, with the model as it is then, in
        evaluation mode; such as an `explore.TrainingMonitor`. What it raises stops the run.
    autoencoder: folder of a finished run whose autoencoder this run would train again, bit for bit
        (same world and seed, and a recipe that differs in the second phase only): it is taken over.
    Returns the trained model in evaluation mode.
    A recipe with imbalance (see `sampling`) trains both phases on a data set of
    `recipe.transitions` images and as many transitions, drawn once.
    Raises ValueError when run_dir holds a run with another world, recipe or seed, or when the
    recipe's imbalance does not fit the world's factors;
    FloatingPointError with phase and step when the loss is not finite; KeyboardInterrupt after
    Ctrl-C, when the state is saved: the same call resumes.
    """
    check_data(world, recipe)
    run = Run(world, recipe, seed, Path(run_dir), pick_device(device), progress, on_log)
    torch.set_flush_denormal(True)  # denormals make late steps several times slower
    if run.finished():
        return checkpoints.load(run.dir, world, device=run.device)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = checkpoints.build(world, recipe).to(run.device)
    run.resume(model)
    fit(run, model, autoencoder)
    how: dict[str, Any] = {"seconds": run.seconds, "bf16": half_precision(run.device)}
    path = checkpoints.save(run.dir, model, world, recipe, seed, **how)
    (run.dir / STATE).unlink(missing_ok=True)
    run.say(f"saved {path.name} and its weights")
    return model.eval()


def fit(run: Run, model: CausalVQ, autoencoder: str | Path | None = None) -> None:
    """Both phases on a model that has taken up what `run` was stopped with.

    autoencoder: see `train`.
    """
    if model.autoencoder is not None:
        if autoencoder is None or run.phase:
            _train_autoencoder(run, model)
        else:
            _take_autoencoder(run, model, Path(autoencoder))
    _train_transition(run, model)


def _train_autoencoder(run: Run, model: CausalVQ) -> None:
    recipe, auto = run.recipe, model.autoencoder
    assert auto is not None
    start = min(int(recipe.warmup_share * recipe.autoencoder_steps), recipe.autoencoder_steps - 1)
    batch = image_batches(run)

    def step_loss(step: int) -> tuple[Tensor, Callable[[], dict]]:
        images = batch(step, recipe.autoencoder_batch)
        generator = run.generator(1, step)
        if step >= start and not auto.quantizer.started:
            with torch.no_grad():  # the codebooks start from vectors of the trained encoder
                z = auto.encoder(batch(step, 256))
                auto.quantizer.update(z, torch.empty(0), generator)
        with run.autocast():
            out = auto(images)
        mse = (out.images.float() - images).square().mean()
        loss = 10 * mse
        if out.quantized is not None:
            q = out.quantized
            loss = loss + recipe.commitment * q.commitment
            if recipe.rule == "gradient":
                loss = loss + q.codebook
            auto.quantizer.update(out.encoded.detach(), q.codes, generator)
        else:  # keep the map near 1 in size while nothing else does
            loss = loss + 1e-3 * out.encoded.float().square().mean()

        def numbers() -> dict:
            told = {
                "loss": loss.item(),
                "mse": mse.item(),
                "psnr": -10 * math.log10(max(mse.item(), 1e-10)),
            }
            if out.quantized is not None:
                share = auto.quantizer.count / auto.quantizer.count.sum(1, keepdim=True)
                entropy = -(share * share.clamp_min(1e-12).log()).sum(1)
                told |= {
                    "commit": out.quantized.commitment.item(),
                    "perplexity": float(entropy.exp().mean()),
                    "used": int((share > 0.02 / auto.quantizer.codes).sum()),
                }
            return told

        return loss, numbers

    auto.to(memory_format=torch.channels_last)
    run.loop(
        "autoencoder", model, auto, recipe.autoencoder_steps, recipe.autoencoder_lr, step_loss,
        show=("psnr", "perplexity"),
    )  # fmt: skip


def same_autoencoder(folder: Path, info: dict, world: Any, recipe: Recipe, seed: int) -> None:
    """Raise ValueError unless `info`, the model.json of a folder, tells of this first phase."""
    wanted = {"world": checkpoints.placeless(checkpoints.describe(world)), "seed": seed}
    first_phase = {k: v for k, v in recipe.to_json().items() if k in FIRST_PHASE}
    if recipe.sampling is not None or recipe.resample:
        first_phase["transitions"] = recipe.transitions  # the autoencoder's images, too
    info = info | {"world": checkpoints.placeless(info["world"])}
    for place, keys in ((info, wanted), (info["recipe"], first_phase)):
        for key, value in keys.items():
            if place.get(key) != value:
                raise ValueError(
                    f"{folder} trained another autoencoder: expected {key} {value!r}, "
                    f"found {place.get(key)!r}"
                )


def _take_autoencoder(run: Run, model: CausalVQ, folder: Path) -> None:
    """Weights, log and seconds of the first phase of a finished run.

    Raises CheckpointError for no usable run, ValueError if its first phase was another one.
    """
    assert model.autoencoder is not None
    info = checkpoints.read_info(folder)
    same_autoencoder(folder, info, run.world, run.recipe, run.seed)
    found = checkpoints.load(folder, run.world)
    assert found.autoencoder is not None
    model.autoencoder.load_state_dict(found.autoencoder.state_dict())
    model.autoencoder.to(memory_format=torch.channels_last).eval()
    run.take_rows(folder / "log.csv", "autoencoder")
    run.seconds["autoencoder"] = float(info.get("seconds", {}).get("autoencoder", 0.0))
    run.say(f"autoencoder taken over from {folder}")


def _train_transition(run: Run, model: CausalVQ) -> None:
    recipe, transition = run.recipe, model.transition
    began = time.perf_counter()
    with run.autocast():  # as the autoencoder was trained
        x, actions, y = encoded_transitions(
            run.world, model, recipe.transitions, "train", run.seed, recipe.sampling, recipe.augment
        )
    chances = None
    if recipe.resample:
        _, chances = training_transitions(run.world, recipe, run.seed)
    looks = min(VALID, LOOKS // model.n_actions)
    valid = encoded_transitions(run.world, model, looks, "valid", run.seed)
    run.seconds["encode"] = time.perf_counter() - began
    if model.autoencoder is not None and run.phase != "transition" and model.layout == "places":
        transition.start_from(model.autoencoder.quantizer.vectors, run.generator(2, 0))
    rise = max(1, int(recipe.price_warmup * recipe.transition_steps))

    def step_loss(step: int) -> tuple[Tensor, Callable[[], dict]]:
        pick = run.numbers(3, step).choice(len(x), recipe.transition_batch, p=chances)
        pick = torch.from_numpy(pick)
        before, action, after = (t[pick].to(run.device, torch.int64) for t in (x, actions, y))
        before, after = model.to_nodes(before), model.to_nodes(after)
        price = min(1.0, step / rise)
        with run.autocast():
            out = transition(before, action, generator=run.generator(3, step))
        parts = transition_loss(
            out, after,
            mask_price=price * recipe.mask_price, edge_price=price * recipe.edge_price,
        )  # fmt: skip
        loss = parts.total
        if recipe.retrieval_weight:
            loss = loss + recipe.retrieval_weight * _retrieval_loss(
                run, transition, before[:16], action[:16], after[:16], step
            )

        def numbers() -> dict:
            return {
                "loss": loss.item(),
                "nll": parts.nll.item(),
                "mask_price": price * recipe.mask_price,
                "edge_price": price * recipe.edge_price,
                "set_codes": parts.set_codes.item(),
                "edges_per_set_node": (parts.edges / parts.set_nodes.clamp_min(1e-6)).item(),
                "action_accuracy": _accuracy(model, *valid),
            }

        return loss, numbers

    run.loop(
        "transition", model, transition, recipe.transition_steps, recipe.transition_lr, step_loss,
        show=("nll", "action_accuracy"),
    )  # fmt: skip
    if recipe.prune_tolerance:
        began = time.perf_counter()
        held_out = 2 * recipe.prune_transitions * transition.actions
        known = recipe.sampling and every_action(recipe.sampling, run.world.factors)
        x, actions, y = encoded_transitions(
            run.world, model, held_out, "valid", run.seed + 1, known
        )
        with torch.random.fork_rng():  # the published edges are drawn by chance here, too
            torch.manual_seed(run.seed)
            left = prune(
                transition,
                *(model.to_nodes(x.to(run.device, torch.int64)), actions.to(run.device)),
                model.to_nodes(y.to(run.device, torch.int64)),
                tolerance=recipe.prune_tolerance,
                per_action=recipe.prune_transitions,
            )
        run.seconds["prune"] = time.perf_counter() - began
        run.say(f"pruned: {left:.1%} of the possible edges are left")


def _retrieval_loss(
    run: Run, transition: Any, x: Tensor, action: Tensor, y: Tensor, step: int
) -> Tensor:
    every = torch.arange(transition.actions, device=x.device).expand(len(x), -1)
    with run.autocast():
        out = transition(x, every, generator=run.generator(4, step))
    likely = out.log_likelihood(y[:, None].expand(-1, transition.actions, -1, -1))
    return torch.nn.functional.cross_entropy(likely.flatten(2).sum(-1), action)


def _accuracy(model: CausalVQ, x: Tensor, actions: Tensor, y: Tensor) -> float:
    found = model.retrieve(x.long(), y.long()).actions.cpu()
    return float((found == actions).float().mean())
