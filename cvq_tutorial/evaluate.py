"""The measured truth about one trained model: everything in `metrics.json`.

Only the test split is used, and nothing is chosen by it. Images are compared as they are; whether
an edit did what it should is said by a judge that was trained on true images and has never seen
this model (see `judge`). Every part is deterministic.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cvq_tutorial import metrics
from cvq_tutorial.images import to_float
from cvq_tutorial.judge import accuracy as judge_accuracy
from cvq_tutorial.judge import load_or_train_judge
from cvq_tutorial.loop import half_precision
from cvq_tutorial.model import CausalVQ
from cvq_tutorial.recipes import Recipe
from cvq_tutorial.transitions import changed_pixels, sample_transitions

FORMAT = 1
BATCH = 256


def evaluate(
    model: CausalVQ,
    world: Any,
    recipe: Recipe,
    seed: int = 0,
    *,
    seconds: dict[str, float] | None = None,
    progress: bool = True,
) -> dict:
    """All metrics of a trained model on the test split of its world.

    recipe: says how many test transitions, and how long the judge is trained.  seed: of the run; it
        draws the test sample.
    seconds: what training took, per phase, to be reported beside.
    Returns a JSON-able dict; its keys are described in the README. Worlds without images have the
    keys that apply.
    """
    began = time.perf_counter()
    told: dict[str, Any] = {
        "format": FORMAT,
        "world": world.name,
        "recipe": recipe.name,
        "seed": seed,
        "device": model.device.type,
        "threads": torch.get_num_threads(),
        "bf16_training": half_precision(model.device),
        "seconds": {},
    }
    if world.has_images:
        told |= _images(model, world, recipe, seed, progress)
    else:
        told |= _codes(model, world, recipe, seed)
    spent = {k: round(v, 1) for k, v in (seconds or {}).items()}
    spent["evaluate"] = round(time.perf_counter() - began, 1)
    spent["total"] = round(sum(spent.values()), 1)
    told["seconds"] = spent
    return told


def _images(model: CausalVQ, world: Any, recipe: Recipe, seed: int, progress: bool) -> dict:
    names = world.factors.names
    test = sample_transitions(world.factors, recipe.test_transitions, "test", seed)
    train = sample_transitions(world.factors, 20_000, "train", seed)
    majority = int(np.bincount(train.actions, minlength=model.n_actions).argmax())
    judge = load_or_train_judge(
        world, steps=recipe.judge_steps, progress=progress, device=model.device
    )

    parts: dict[str, list[np.ndarray]] = {}

    def keep(name: str, value: Tensor | np.ndarray) -> None:
        parts.setdefault(name, []).append(
            np.asarray(value.cpu() if isinstance(value, Tensor) else value)
        )

    for start in range(0, len(test.actions), BATCH):
        rows = slice(start, start + BATCH)
        x, y = (to_float(world.render(v[rows])).to(model.device) for v in (test.x, test.y))
        actions = torch.from_numpy(test.actions[rows])
        codes_x, codes_y = model.encode(x), model.encode(y)
        done = model.intervene(codes_x, actions)
        ceiling = model.decode(codes_y)
        keep("codes", codes_y)
        keep("changed", codes_x != codes_y)
        keep("mask", done.mask)
        keep("right", (done.codes == codes_y).float().mean((1, 2)))
        keep("retrieved", model.retrieve(codes_x, codes_y).actions)
        keep("mse", (done.images - y).square().mean((1, 2, 3)))
        keep("mse_ceiling", (ceiling - y).square().mean((1, 2, 3)))
        keep("mse_copy", (x - y).square().mean((1, 2, 3)))
        keep("judged", judge.read(done.images))
        keep("judged_ceiling", judge.read(ceiling))
        keep("edges_per_set", _causes(model, codes_x, actions, done.mask))
    found = {k: np.concatenate(v) for k, v in parts.items()}
    visible = changed_pixels(world, test) > 0
    factor = test.actions % len(names)

    def named(rows: np.ndarray) -> dict:
        if not rows.any():
            return {"n": 0}
        return metrics.retrieval(test.actions[rows], found["retrieved"][rows], names, majority)

    everything = np.ones(len(visible), dtype=bool)
    per_node = found["edges_per_set"]
    return {
        "reconstruction": {"psnr": metrics.psnr(float(found["mse_ceiling"].mean()))},
        "codes": metrics.codebook_use(found["codes"], model.n_codes),
        "retrieval": named(everything) | {"visible": named(visible)},
        "intervention": metrics.interventions(
            found["mse"], found["mse_ceiling"], found["mse_copy"],
            found["judged"], found["judged_ceiling"], test.y, factor, names,
            judge_accuracy(judge, world),
        ) | {"codes_right": float(found["right"].mean())},
        "mask": metrics.mask(found["mask"], found["changed"]),
        "graph": {
            "edges_per_set_node": float(per_node[:, 0].sum() / max(1, per_node[:, 1].sum())),
            "density": float(
                per_node[:, 0].sum() / max(1, per_node[:, 1].sum()) / model.n_nodes
            ),
        },
    }  # fmt: skip


def _causes(model: CausalVQ, codes: Tensor, actions: Tensor, mask: Tensor) -> Tensor:
    """(B, 2): edges into set nodes, and set nodes, per transition."""
    on = (model.graph(codes, actions) > 0.5).sum(1)  # (B, N) causes of each node
    chosen = model.to_nodes(mask > 0.5).any(-1)
    return torch.stack([(on * chosen).sum(1), chosen.sum(1)], dim=1)


def _codes(model: CausalVQ, world: Any, recipe: Recipe, seed: int) -> dict:
    sample = world.sample(recipe.test_transitions, "test", seed)
    train = world.sample(20_000, "train", seed).actions
    x, actions, y = (torch.tensor(a) for a in (sample.x, sample.actions, sample.y))
    retrieved = model.retrieve(x, y).actions.cpu().numpy()
    done = model.intervene(x, actions)
    graph = np.stack(
        [model.graph(x[:256], a).double().mean(0).cpu().numpy() for a in range(model.n_actions)]
    )
    set_node = torch.tensor(world.targets)[actions]
    told = metrics.graph_density(model.graph(x, actions).cpu().numpy(), set_node.numpy())
    majority = int(np.bincount(train, minlength=model.n_actions).argmax())
    return {
        "retrieval": metrics.retrieval(
            sample.actions, retrieved, None, majority, n_actions=model.n_actions
        ),
        "intervention": {
            "codes_right": float((done.codes.cpu() == y).float().mean()),
            "codes_right_copy": float((x == y).float().mean()),
        },
        "mask": metrics.mask(done.mask.cpu().numpy(), set_node[..., None].numpy()),
        "graph": told | metrics.graph_recovery(graph, world.graph, world.targets),
    }
