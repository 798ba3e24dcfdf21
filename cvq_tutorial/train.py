"""Training in two phases: first the autoencoder on images, then the transition on codes.

Codes are computed once between the phases, so the second phase never touches an image. What is
here is the method: which batch, which loss, which numbers. The loop around it, and how a stopped
run goes on with the same bits, is in `loop`.
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

from cvq_tutorial import checkpoints
from cvq_tutorial.images import to_float
from cvq_tutorial.loop import STATE, Run, pick_device
from cvq_tutorial.model import CausalVQ
from cvq_tutorial.prune import prune
from cvq_tutorial.recipes import Recipe
from cvq_tutorial.transition import transition_loss
from cvq_tutorial.transitions import sample_transitions, sample_values

VALID = 240  # held-out transitions behind the action accuracy in the log


def train(
    world: Any,
    recipe: Recipe,
    seed: int,
    run_dir: str | Path,
    *,
    device: str = "auto",
    progress: bool = True,
    on_log: Callable[[dict, CausalVQ], None] | None = None,
) -> CausalVQ:
    """Train the whole method on a world; go on with a stopped run; load a finished one.

    world: of `worlds.make_world`.  seed: draws weights, data and edges.  run_dir: gets
        `model.safetensors`, `model.json`, `log.csv`.
    progress: a bar in a terminal or notebook; one line per tenth otherwise.
    on_log: called as on_log(row, model) after each row of the log, with the model as it is then, in
        evaluation mode; such as an `explore.TrainingMonitor`. What it raises stops the run.
    Returns the trained model in evaluation mode.
    Raises ValueError when run_dir holds a run with another world, recipe or seed;
    FloatingPointError with phase and step when the loss is not finite; KeyboardInterrupt after
    Ctrl-C, when the state is saved: the same call resumes.
    """
    run = Run(world, recipe, seed, Path(run_dir), pick_device(device), progress, on_log)
    torch.set_flush_denormal(True)  # denormals make late steps several times slower
    if run.finished():
        return checkpoints.load(run.dir, world, device=run.device)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = checkpoints.build(world, recipe).to(run.device)
    run.resume(model)
    if model.autoencoder is not None:
        _train_autoencoder(run, model)
    _train_transition(run, model)
    path = checkpoints.save(run.dir, model, world, recipe, seed, seconds=run.seconds)
    (run.dir / STATE).unlink(missing_ok=True)
    run.say(f"saved {path.name} and its weights")
    return model.eval()


def _train_autoencoder(run: Run, model: CausalVQ) -> None:
    recipe, auto = run.recipe, model.autoencoder
    assert auto is not None
    start = min(int(recipe.warmup_share * recipe.autoencoder_steps), recipe.autoencoder_steps - 1)
    space, render = run.world.factors, run.world.render

    def batch(step: int, size: int) -> Tensor:
        values = sample_values(space, size, "train", run.numbers(1, step, size))
        images = to_float(render(values)).to(run.device)
        return images.contiguous(memory_format=torch.channels_last)

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


def _train_transition(run: Run, model: CausalVQ) -> None:
    recipe, transition = run.recipe, model.transition
    began = time.perf_counter()
    x, actions, y = encoded_transitions(run.world, model, recipe.transitions, "train", run.seed)
    valid = encoded_transitions(run.world, model, VALID, "valid", run.seed)
    run.seconds["encode"] = time.perf_counter() - began
    if model.autoencoder is not None and run.phase != "transition" and model.layout == "places":
        transition.start_from(model.autoencoder.quantizer.vectors, run.generator(2, 0))
    rise = max(1, int(recipe.price_warmup * recipe.transition_steps))

    def step_loss(step: int) -> tuple[Tensor, Callable[[], dict]]:
        pick = run.numbers(3, step).integers(0, len(x), recipe.transition_batch)
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
        x, actions, y = encoded_transitions(run.world, model, held_out, "valid", run.seed + 1)
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


def encoded_transitions(
    world: Any, model: CausalVQ, n: int, split: str, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """n transitions of a split as codes, on the CPU: x, y (n, N, C) int16, actions (n,) int64.

    In the train split every drawn pair is used in both directions, the second half of the n being
    the first half reversed.
    """
    if not world.has_images:
        found = world.sample(n, split, seed)
        x, actions, y = (torch.from_numpy(a) for a in (found.x, found.actions, found.y))
        return x.to(torch.int16), actions, y.to(torch.int16)
    twice = split == "train"
    drawn = sample_transitions(world.factors, (n + 1) // 2 if twice else n, split, seed)
    ends = [
        torch.cat(
            [
                model.encode(to_float(world.render(values[i : i + 512]))).to("cpu", torch.int16)
                for i in range(0, len(values), 512)
            ]
        )
        for values in (drawn.x, drawn.y)
    ]
    actions = torch.from_numpy(drawn.actions)
    if not twice:
        return ends[0], actions, ends[1]
    back = torch.from_numpy(drawn.reversed(world.factors).actions)
    x, y = torch.cat(ends)[:n], torch.cat(ends[::-1])[:n]
    return x, torch.cat([actions, back])[:n], y


def _accuracy(model: CausalVQ, x: Tensor, actions: Tensor, y: Tensor) -> float:
    found = model.retrieve(x.long(), y.long()).actions.cpu()
    return float((found == actions).float().mean())
