"""Training in two phases: first the autoencoder on images, then the transition on codes.

Codes are computed once between the phases, so the second phase never touches an image. What is
here is the method: which loss, which numbers. What it learns from is in `data`; what is around each
step in `loop`; how a stopped run goes on with the same bits in `run`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cvq_tutorial.common import ranks
from cvq_tutorial.common.device import pick_device
from cvq_tutorial.common.images import psnr
from cvq_tutorial.method.causal_transition import transition_loss
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.method.prune import prune
from cvq_tutorial.training import checkpoints, edges
from cvq_tutorial.training.build import start_from
from cvq_tutorial.training.data import (
    check_data,
    encoded_transitions,
    every_action,
    image_batches,
    training_codes,
)
from cvq_tutorial.training.identity import (
    first_difference,
    what_a_file_says,
    what_the_autoencoder_is,
)
from cvq_tutorial.training.recipes import Recipe
from cvq_tutorial.training.run import Run
from cvq_tutorial.training.unnamed import Labels

PICTURE = 10.0  # weight of the squared error of the pictures; the pull to the codes has its own
SMALL = 1e-3  # weight of the map's mean square, which keeps it near 1 before codebooks hold it
START_IMAGES = 256  # whose vectors the codebooks start from; fewer where an image has more of them
FAINT = 0.5  # squared error that counts fully in a pair whose difference is nothing
IN_USE = 0.02  # a code counts as used from this share of an even share on
VALID = 240  # held-out transitions behind the action accuracy in the log, always balanced
LOOKS = 1440  # fewer where there are many actions: each transition is scored under every one
MISSED = 0.01  # share of true pairs that `calibrate` lets go unexplained


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
    One process at a time trains in a folder: one that is at the same run is waited for. Those that
    `torchrun` starts train one run together, see `common.ranks`; the first writes.
    Raises ValueError when run_dir holds a run with another world, recipe or seed, or another
    process trains one there, when the recipe's imbalance does not fit the world's factors, or
    a batch cannot be shared evenly among the processes;
    FloatingPointError with phase and step when the loss is not finite; KeyboardInterrupt after
    Ctrl-C (or a signal to end, see `held.Stop`), when the state is saved: the same call resumes.
    """
    check_data(world, recipe)
    batches = {"transition_batch": recipe.transition.batch}
    if world.has_images:
        batches["autoencoder_batch"] = recipe.autoencoder.batch
        if recipe.pair_weight:
            batches["pairs in an autoencoder_batch"] = recipe.autoencoder.batch // 2
    ranks.check_share(**batches)
    where = pick_device(device)
    with ranks.together(where):
        run = Run(world, recipe, seed, Path(run_dir), where, progress, on_log)
        return run.trained(
            lambda: checkpoints.build(world, recipe), lambda model: fit(run, model, autoencoder)
        )


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
    settings, auto = run.recipe.autoencoder, model.autoencoder
    assert auto is not None
    start = min(int(settings.warmup_share * settings.steps), settings.steps - 1)
    batch = image_batches(run)
    auto.to(memory_format=torch.channels_last)
    for step in run.steps(
        "autoencoder", model, auto, settings.steps, settings.lr, show=("psnr", "perplexity")
    ):
        images = batch(step.number, settings.batch)
        generator = run.generator(1, step.number)
        if step.number >= start and not auto.quantizer.started:
            with torch.no_grad():  # the codebooks start from vectors of the trained encoder
                z = auto.encoder(batch(step.number, START_IMAGES // auto.side**2))
                auto.quantizer.update(z, torch.empty(0), generator)
        with run.autocast():
            out = auto(images)
        mse = (out.images.float() - images).square().mean()
        loss = PICTURE * mse
        if out.quantized is None:
            loss = loss + SMALL * out.encoded.float().square().mean()
        else:
            loss = loss + settings.commitment * out.quantized.commitment
            if settings.rule == "gradient":
                loss = loss + out.quantized.codebook
            auto.quantizer.update(out.encoded.detach(), out.quantized.codes, generator)
            if settings.pair_weight:
                loss = loss + settings.pair_weight * pair_error(out.images, images)
        step.minimise(loss)
        if step.told:
            of_all = [v.item() for v in ranks.mean(loss, mse)]
            step.log(loss=of_all[0], mse=of_all[1], psnr=psnr(of_all[1]))
            if out.quantized is not None:
                share = auto.quantizer.count / auto.quantizer.count.sum(1, keepdim=True)
                entropy = -(share * share.clamp_min(1e-12).log()).sum(1)
                step.log(
                    commit=ranks.mean(out.quantized.commitment)[0].item(),
                    perplexity=float(entropy.exp().mean()),
                    used=int((share > IN_USE / auto.quantizer.codes).sum()),
                )


def pair_error(drawn: Tensor, images: Tensor) -> Tensor:
    """Share of what tells two pictures apart that is drawn wrong, a mean over P pairs.

    drawn, images: (2 P, 3, H, W), the two of a pair one after the other. A few pixels of eyes weigh
    nothing among those of a picture; among those that an edit moves they are all.
    """
    found, true = (v.float().unflatten(0, (-1, 2)).diff(dim=1).flatten(1) for v in (drawn, images))
    return ((found - true).square().sum(1) / (true.square().sum(1) + FAINT)).mean()


def same_autoencoder(folder: Path, info: dict, world: Any, recipe: Recipe, seed: int) -> None:
    """Raise ValueError unless `info`, the model.json of a folder, tells of this first phase."""
    expected = what_the_autoencoder_is(world, recipe, seed)
    found = what_a_file_says(info)
    found = {"world": found["world"], "recipe": found["recipe"], "seed": found["seed"]}
    found["recipe"] = {key: found["recipe"].get(key) for key in expected["recipe"]}
    if told := first_difference(expected, found):
        raise ValueError(f"{folder} trained another autoencoder: {told}")


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
    settings, transition = run.recipe.transition, model.transition
    began = time.perf_counter()
    with run.autocast():  # as the autoencoder was trained
        x, actions, y, chances = training_codes(run.world, model, run.recipe, run.seed)
    looks = VALID if settings.actions == "none" else min(VALID, LOOKS // model.n_actions)
    valid = encoded_transitions(run.world, model, looks, "valid", run.seed)
    run.seconds["encode"] = time.perf_counter() - began
    if model.autoencoder is not None and run.phase != "transition" and model.layout == "places":
        start_from(transition, model.autoencoder.vectors, run.generator(2, 0))
    unnamed = None
    if settings.actions == "none":  # what the pairs' actions are called is not looked at
        held = model.to_nodes(valid[0]), model.to_nodes(valid[2])
        unnamed = Labels(run, transition, model.to_nodes(x), model.to_nodes(y), held)
        if run.phase != "transition":
            unnamed.start()
    rise = max(1, int(settings.price_warmup * settings.steps))
    part = ranks.rows(settings.batch)
    for step in run.steps(
        "transition",
        model,
        transition,
        settings.steps,
        settings.lr,
        show=("nll", "action_accuracy"),
    ):
        if settings.edge_worth and step.number == int(edges.FIRST_LOOK * settings.steps):
            _judge_edges(run, model, last=False)
        if unnamed is not None:
            unnamed.look(step.number)
            actions = unnamed.labels.cpu()
        among = len(x) if unnamed is None else unnamed.known
        pick = run.numbers(3, step.number).choice(among, settings.batch, p=chances)
        pick = torch.from_numpy(pick)
        before, action, after = (t[pick].to(run.device, torch.int64) for t in (x, actions, y))
        before, after = model.to_nodes(before), model.to_nodes(after)
        if unnamed is not None:
            action, after = unnamed.with_idle(step.number, before, action, after)
        cut = None
        if settings.cause_dropout and step.number >= rise:  # a parity shows to who hears all
            random = run.generator(4, step.number)
            cut = edges.dropped(len(before), transition.nodes, settings.cause_dropout, random)
            cut = cut[part].to(run.device)
        random = ranks.ahead(run.generator(3, step.number), len(before), transition.nodes**2)
        before, action, after = before[part], action[part], after[part]
        with run.autocast():
            out = transition(before, action, generator=random, cut=cut)
        price = min(1.0, step.number / rise)  # free at first: what is of use must show itself
        mask_price, edge_price = price * settings.mask_price, price * settings.edge_price
        parts = transition_loss(out, after, mask_price=mask_price, edge_price=edge_price)
        step.minimise(parts.total)
        if step.told:
            of_all = (parts.total, parts.nll, parts.set_codes, parts.edges, parts.set_nodes)
            loss, nll, set_codes, on, set_nodes = ranks.mean(*of_all)
            step.log(
                loss=loss.item(),
                nll=nll.item(),
                mask_price=mask_price,
                edge_price=edge_price,
                set_codes=set_codes.item(),
                edges_per_set_node=(on / set_nodes.clamp_min(1e-6)).item(),
            )
            if unnamed is None:
                step.log(action_accuracy=_accuracy(model, *valid))
    if settings.edge_worth:
        _judge_edges(run, model, last=True)
    if settings.prune_tolerance:
        began = time.perf_counter()
        with torch.random.fork_rng():  # the published edges are drawn by chance here, too
            torch.manual_seed(run.seed)
            left = prune(
                transition,
                *_held_out(run, model),
                tolerance=settings.prune_tolerance,
                per_action=settings.prune_transitions,
            )
        run.seconds["prune"] = time.perf_counter() - began
        run.say(f"pruned: {left:.1%} of the possible edges are left")
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        before, actions, after = valid[0].long(), valid[1], valid[2].long()
        if unnamed is not None:
            actions = model.retrieve(before, after).actions
        model.explains_at = calibrate(model, before, after, actions)


def calibrate(
    model: CausalVQ, x: Tensor, y: Tensor, actions: Tensor, *, missed: float = MISSED
) -> float | None:
    """Nats per code that all but a share `missed` of true pairs reach.

    It is what `CausalVQ.explains_at` should be: what `retrieve` says about lower ones is "no action
    explains this" (see `answers.Retrieval`).
    x, y: images or codes of validation pairs.  actions: one for each, what truly led from x to y.
    None where no pair has codes that differ: the others say nothing.
    """
    named = model.retrieve(x, y)
    true = model.check_actions(actions, len(named.same))
    reached = named.log_likelihood.gather(1, true[:, None])[~named.same, 0] / named.n
    return float(torch.quantile(reached.double(), missed)) if len(reached) else None


def _held_out(run: Run, model: CausalVQ) -> tuple[Tensor, Tensor, Tensor]:
    """Transitions, as nodes, by which edges are judged: of every action that the training has."""
    n = 2 * run.recipe.prune_transitions * model.n_actions
    sampling, named = run.recipe.sampling, run.recipe.actions == "named"
    known = every_action(sampling, run.world.factors) if sampling and named else sampling
    x, actions, y = encoded_transitions(run.world, model, n, "valid", run.seed + 1, known)
    if not named:  # what the model calls them
        actions = model.retrieve(x.long(), y.long()).actions
    before, after = (model.to_nodes(t.to(run.device, torch.int64)) for t in (x, y))
    return before, actions.to(run.device), after


def _judge_edges(run: Run, model: CausalVQ, last: bool) -> None:
    """Cut the edges of every action that are worth nothing, see `edges`."""
    began, settings = time.perf_counter(), run.recipe.transition
    with torch.random.fork_rng():  # the published edges are drawn by chance here, too
        torch.manual_seed(run.seed)
        costs = edges.edge_costs(
            model.transition, *_held_out(run, model), per_action=settings.prune_transitions
        )
    at = edges.cut_idle(model.transition, costs, settings.edge_worth, last=last)
    ranks.same([model.transition.allowed])
    run.seconds["judge edges"] = run.seconds.get("judge edges", 0.0) + time.perf_counter() - began
    left = float(model.transition.allowed.float().mean())
    run.say(f"edges judged at {at:.2g} nats: {left:.1%} of the possible ones are left")


def _accuracy(model: CausalVQ, x: Tensor, actions: Tensor, y: Tensor) -> float:
    found = model.retrieve(x.long(), y.long()).actions.cpu()
    return float((found == actions).float().mean())
