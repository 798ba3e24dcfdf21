"""The measured truth about one trained model: everything in `metrics.json`.

Intuition: a model can be right in three ways that fail apart: its codes hold the picture
(reconstruction), it knows the action from two pictures (retrieval), and it draws what an action
does (intervention). Each has its own numbers, and each number its controls.

What a result means: only the test split is used, and nothing is chosen by it. It is balanced,
whatever the training data were; a model of imbalanced data is measured on data of the same
imbalance too, and on the combinations that were kept from it. Images are compared as they are;
whether an edit did what it should is said by a judge that was trained on true images and has never
seen this model (see `judge`). Every part is deterministic, and asks the network once
per batch of pictures.

When it misleads: `recovered` compares with what these very codes can draw, so that worse codes make
it look better (beside it: `edit_kept`, and the judge's readings); accuracy counts edits that change
no pixel (`visible` does not); and a graph is scored only where the world knows the true one, while
`graph.faithful`, which every graph has, asks what the network reads (see `faithful`).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from cvq_tutorial.common.arrays import counts
from cvq_tutorial.common.device import half_precision
from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.sampling import Sampling, allowed
from cvq_tutorial.data.transitions import Transitions, changed_pixels, sample_transitions
from cvq_tutorial.graphs import scores as graph_metrics
from cvq_tutorial.measure import metrics, unnamed
from cvq_tutorial.measure.faithful import faithfulness
from cvq_tutorial.measure.judge import Judge, load_or_train_judge
from cvq_tutorial.measure.judge import accuracy as judge_accuracy
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.training.recipes import Recipe
from cvq_tutorial.worlds.tables.listed import PairSpace
from cvq_tutorial.worlds.world import CodeWorld, ImageWorld, World

FORMAT = 1
BATCH = 256
DOS = 200  # pictures in each of which a node is set, for `faithful`

Look = Callable[[Tensor, Tensor, Tensor], dict[str, Tensor]]


def check_factors(world: World) -> None:
    """Raise ValueError for a world without factors, of which no picture can be judged."""
    if world.has_images and isinstance(world.factors, PairSpace):
        raise ValueError(
            f"{world.factors.source} lists pairs, of which no factors are known that a picture "
            "could be judged by: `cvq do` and `cvq name` use the model, and "
            "`measure.with_names(model, world)` scores it by the column action"
        )


def evaluate(
    model: CausalVQ,
    world: World,
    recipe: Recipe,
    seed: int = 0,
    *,
    seconds: dict[str, float] | None = None,
    bf16: bool | None = None,
    progress: bool = True,
) -> dict:
    """All metrics of a trained model on the test split of its world.

    recipe: says how many test transitions, and how long the judge is trained.  seed: of the run; it
        draws the test sample.
    seconds: what training took, per phase, to be reported beside.  bf16: whether it was in half
        precision, also reported; None where it was on this machine and device.
    Returns a JSON-able dict: about the run (see `about`), then parts: reconstruction, codes,
    retrieval and intervention (see `metrics.retrieval`, `metrics.interventions`), mask and graph.
    Worlds without images have the keys that apply. A recipe with imbalance adds, under retrieval
    and intervention, the same numbers as `skewed` (test data drawn as the training data were) and,
    where combinations were held out, `seen` and `unseen` (transitions without and with an end that
    was held out; n is 0 where the test split has none of some action), and `retrieval.per_value`.
    Where nobody named the actions, `unnamed` says how well they were found, and the rest is of the
    model with the names that fit best, see `unnamed`.
    """
    began = time.perf_counter()
    found: dict = {}
    check_factors(world)
    if recipe.actions == "none":
        model, found["unnamed"] = unnamed.with_names(model, world, recipe.test_transitions, seed)
    with torch.random.fork_rng():  # the published edges are drawn by chance here, too
        torch.manual_seed(seed)
        if world.has_images:
            told = _images(model, world, recipe, seed, progress)
        else:
            told = _codes(model, world, recipe, seed)
    spent = {**(seconds or {}), "evaluate": time.perf_counter() - began}
    return about(world, recipe, seed, model.device, spent, bf16) | found | told


def about(
    world: World,
    recipe: Recipe,
    seed: int,
    device: torch.device,
    seconds: dict[str, float],
    bf16: bool | None = None,
) -> dict:
    """What stands at the top of metrics.json: which run it was, where, and how long it took."""
    spent = {name: round(value, 1) for name, value in seconds.items()}
    return {
        "format": FORMAT,
        "world": world.name,
        "recipe": recipe.name,
        "seed": seed,
        "device": device.type,
        "threads": torch.get_num_threads(),
        "bf16_training": half_precision(device) if bf16 is None else bf16,
        "seconds": spent | {"total": round(sum(spent.values()), 1)},
    }


def _images(model: CausalVQ, world: ImageWorld, recipe: Recipe, seed: int, progress: bool) -> dict:
    def look(x: Tensor, actions: Tensor, y: Tensor) -> dict[str, Tensor]:
        told = code_answers(model, x, actions, y)
        return told | {"edges_per_set": _causes(told.pop("edges"), model.to_nodes(told["mask"]))}

    judge = load_or_train_judge(
        world, steps=recipe.judge_steps, progress=progress, device=model.device
    )
    told, found = compare(look, world, recipe, seed, model.device, judge)
    per_node = found["edges_per_set"]
    few = sample_transitions(world.factors, min(DOS, recipe.test_transitions), "test", seed)
    x = model.encode(to_float(world.render(few.x)).to(model.device))
    return {
        "reconstruction": {"psnr": metrics.psnr(float(found["mse_ceiling"].mean()))},
        "codes": metrics.codebook_use(found["codes"], model.n_codes),
        **told,
        "mask": graph_metrics.mask(found["mask"], found["changed"]),
        "graph": {
            "edges_per_set_node": float(per_node[:, 0].sum() / max(1, per_node[:, 1].sum())),
            "density": float(per_node[:, 0].sum() / max(1, per_node[:, 1].sum()) / model.n_nodes),
            "faithful": faithfulness(model, x, torch.from_numpy(few.actions), seed=seed),
        },
    }


def compare(
    look: Look,
    world: ImageWorld,
    recipe: Recipe,
    seed: int,
    device: torch.device,
    judge: Judge | None,
) -> tuple[dict, dict[str, np.ndarray]]:
    """Retrieval and intervention of anything that answers, on the same samples whatever it is.

    look: (x, actions, y), images (B, 3, H, W) on the device and actions (B,) on the CPU -> what it
        says about each transition, tensors with a first axis of B: `retrieved`, the action that it
        names, or `log_posterior` (B, A), which names too and shares ties; if it can draw, `drawn`,
        x after the action, and `start` and `ceiling`, x and y themselves as it draws them, (B, 3,
        H, W). Whatever else it says is kept as it is.
    judge: reads what is drawn; None for one that draws nothing.
    Returns `retrieval` and, if it draws, `intervention` as in metrics.json, and what it said about
    the test sample, with errors and readings in the place of pictures: arrays (B, ...).
    """
    space, sampling = world.factors, recipe.sampling
    names, factor_of = space.names, space.factor_of(np.arange(space.n_actions))
    test = sample_transitions(space, recipe.test_transitions, "test", seed)
    train = sample_transitions(space, 20_000, "train", seed, sampling=sampling)
    majority = int(np.bincount(train.actions, minlength=space.n_actions).argmax())
    judge_right = judge_accuracy(judge, world) if judge is not None else {}

    def answers(test: Transitions) -> dict[str, np.ndarray]:
        return _answers(look, world, device, judge, test)

    def scores(test: Transitions, found: dict, rows: np.ndarray | None = None) -> dict:
        """Retrieval and intervention over some of the rows."""
        if rows is not None:
            test, found = test.take(rows), {key: value[rows] for key, value in found.items()}
        if not len(test):
            none = {"retrieval": {"n": 0}}
            return none if judge is None else none | {"intervention": {"n": 0}}
        before = test.x[:, : len(names)]
        named = found.get("log_posterior", found["retrieved"])  # with it, ties are shared
        told = {
            "retrieval": metrics.retrieval(
                test.actions, named, names, majority, factor_of=factor_of,
                possible=space.possible(before) if space.sets else None,
            )
        }  # fmt: skip
        if judge is not None:
            told["intervention"] = metrics.interventions(
                found["mse"], found["mse_ceiling"], found["mse_copy"], found["mse_edit"],
                found["judged"], found["judged_ceiling"], test.y[:, : len(names)],
                factor_of[test.actions],
                names, judge_right,
            )  # fmt: skip
        if "right" in found:
            told["intervention"]["codes_right"] = float(found["right"].mean())
        return told

    found = answers(test)
    told = scores(test, found)
    visible = scores(test, found, changed_pixels(world, test) > 0)
    told["retrieval"]["visible"] = visible["retrieval"]
    if sampling is not None:
        told["retrieval"]["per_value"] = metrics.per_value(
            test.x[:, : len(names)], test.actions, found.get("log_posterior", found["retrieved"]),
            space.sizes, names, factor_of,
        )  # fmt: skip
        samples = {"skewed": sampling}
        extra = {}
        if sampling.held_out:
            samples["unseen"] = sampling.unseen()
            seen = allowed(space, Sampling(held_out=sampling.held_out), test.x, test.y)
            extra["seen"] = scores(test, found, seen)
        for key, drawn_as in samples.items():
            try:
                other = sample_transitions(space, len(test), "test", seed, sampling=drawn_as)
            except ValueError:  # so little is allowed that the test split has none of some action
                other = test.take(slice(0))
            extra[key] = scores(other, answers(other))
        for key, part in extra.items():
            for what, numbers in part.items():
                told[what][key] = numbers
    return told, found


def code_answers(model: CausalVQ, x: Tensor, actions: Tensor, y: Tensor) -> dict[str, Tensor]:
    """What a model of codes says about transitions: a `look` for `compare`."""
    before, codes = model.encode(x), model.encode(y)
    done, named = model.intervene_and_retrieve(before, actions, codes)
    assert done.images is not None
    return {
        "codes": codes,
        "changed": before != codes,
        "mask": done.mask,
        "edges": done.edges,
        "right": (done.codes == codes).float().mean((1, 2)),
        "retrieved": named.actions,
        "log_posterior": named.log_posterior,
        "drawn": done.images,
        "start": model.decode(before),
        "ceiling": model.decode(codes),
    }


def _answers(
    look: Look, world: ImageWorld, device: torch.device, judge: Judge | None, test: Transitions
) -> dict[str, np.ndarray]:
    """What `look` and the judge say about each transition, arrays with a first axis of (B,)."""
    parts: dict[str, list[np.ndarray]] = {}

    def keep(name: str, value: Tensor) -> None:
        parts.setdefault(name, []).append(value.cpu().numpy())

    for start in range(0, len(test.actions), BATCH):
        rows = slice(start, start + BATCH)
        x, y = (to_float(world.render(v[rows])).to(device) for v in (test.x, test.y))
        told = look(x, torch.from_numpy(test.actions[rows]), y)
        if judge is not None:
            drawn, start_drawn, ceiling = (told.pop(k) for k in ("drawn", "start", "ceiling"))
            keep("mse", (drawn - y).square().mean((1, 2, 3)))
            keep("mse_ceiling", (ceiling - y).square().mean((1, 2, 3)))
            keep("mse_copy", (x - y).square().mean((1, 2, 3)))
            keep("mse_edit", (ceiling - start_drawn - (y - x)).square().mean((1, 2, 3)))
            keep("judged", judge.read(drawn))
            keep("judged_ceiling", judge.read(ceiling))
        for name, value in told.items():
            keep(name, value)
    return {k: np.concatenate(v) for k, v in parts.items()}


def _causes(edges: Tensor, mask: Tensor) -> Tensor:
    """(B, 2): edges into set nodes, and set nodes, of edges (B, N, N) and a mask (B, N, C)."""
    on = counts(edges).sum(1)  # (B, N) causes of each node
    chosen = counts(mask).any(-1)
    return torch.stack([(on * chosen).sum(1), chosen.sum(1)], dim=1)


def _codes(model: CausalVQ, world: CodeWorld, recipe: Recipe, seed: int) -> dict:
    sample = world.sample(recipe.test_transitions, "test", seed)
    train = world.sample(20_000, "train", seed).actions
    x, actions, y = (torch.tensor(a) for a in (sample.x, sample.actions, sample.y))
    done, named = model.intervene_and_retrieve(x, actions, y)
    graph = np.stack(
        [model.graph(x[:256], a).cpu().double().mean(0).numpy() for a in range(model.n_actions)]
    )
    set_node = torch.tensor(world.targets)[actions]
    told = graph_metrics.graph_density(done.edges.cpu().numpy(), set_node.numpy())
    majority = int(np.bincount(train, minlength=model.n_actions).argmax())
    return {
        "retrieval": metrics.retrieval(
            sample.actions,
            named.log_posterior.cpu().numpy(),
            None,
            majority,
            n_actions=model.n_actions,
        ),
        "intervention": {
            "codes_right": float((done.codes.cpu() == y).float().mean()),
            "codes_right_copy": float((x == y).float().mean()),
        },
        "mask": graph_metrics.mask(done.mask.cpu().numpy(), set_node[..., None].numpy()),
        "graph": told
        | {"faithful": faithfulness(model, x[:DOS], actions[:DOS], seed=seed)}
        | graph_metrics.graph_recovery(graph, world.graph, world.targets),
    }
