"""Do other starts find what tells what? Writes figures/told.json and figures/told.md.

    for s in 0 1 2; do cvq train shapes3d --seed $s --set edge_price=0 --set cause_dropout=0.667 \\
      --run-dir runs/told-s$s && cvq evaluate runs/told-s$s; done
    python tools/build_told.py runs/told-s0 runs/told-s1 runs/told-s2

The folders are runs of one recipe and different seeds, each with an autoencoder of its own, that
were evaluated. Per action the graphs of the gates and the worths of `measure.told` are read on the
same test pairs, and compared over the nodes that the action sets in every run.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.common.images import to_float
from cvq_tutorial.common.json_files import to_json
from cvq_tutorial.data.transitions import sample_transitions
from cvq_tutorial.graphs.graph import CausalGraph
from cvq_tutorial.graphs.groups import regions
from cvq_tutorial.graphs.scores import agreement
from cvq_tutorial.measure.told import told_by
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.run.reproduce import read_metrics
from cvq_tutorial.training import checkpoints
from cvq_tutorial.training import train as training
from cvq_tutorial.training.data import training_codes
from cvq_tutorial.training.recipes import Recipe

OUT = PROJECT_ROOT / "figures"
PAIRS = 200  # of an action, on which a worth is measured
COALITIONS = 12_000
NATS = (0.3, 0.5)  # from which worth on there is an edge
BLOCK = 2  # places of a region, in each direction
CONTROL = 1000  # steps of the transition that learns from shuffled pairs
HEAD = """# What tells what, from several starts

`{world}`, recipe `{recipe}`{changed}, seeds {seeds}, each with an autoencoder of its own:
`python tools/build_told.py RUN RUN RUN`. Action accuracy {accuracy}, recovered {recovered}.

A gate lets one of many causes through that say the same, and the start picks which
([gates of three starts](actions.md)). The *worth* of a cause is what it tells about an effect, in
nats, on average over what else is known (`measure.told`, {coalitions} coalitions, {pairs} test
pairs of each action that raises a factor; standard error {error:.2f} nats); the training took
causes away at random, and no edge had a price. Counted are worths for the nodes that the action
sets in every run (*nodes*). *Correlate*: Pearson's r of the worths of two runs for one effect, mean
over effects and pairs of runs. *Of {a} nats*: edges of a run that are worth so much, mean.
*Shared*: the share of them that all runs have. *Again* is the ceiling: the same for three readings
of the first run, that differ in their coalitions only. *At random*: the share if the causes of each
node were drawn at random. *Regions* are squares of {block} x {block} places: worths are added up
over a region's causes and averaged over its effects.

"""
FOOT = """
The control, the same autoencoder and a transition trained for {steps} steps on pairs whose y were
shuffled among those of the same action, has {shuffled:.1f} edges of {a} nats for an action on pairs
that are shuffled, too, mean.
"""


def measured(*folders: Path) -> dict:
    """What runs say about the same pairs, per action.

    Raises ValueError for fewer than two, or runs that differ in more than their seed.
    """
    infos = [checkpoints.read_info(folder) for folder in folders]
    if len({info["seed"] for info in infos}) < max(2, len(infos)):
        raise ValueError(f"expected runs of different seeds, found {[i['seed'] for i in infos]}")
    for key, (folder, info) in itertools.product(
        ("world", "recipe"), zip(folders, infos, strict=True)
    ):
        if info[key] != infos[0][key]:
            raise ValueError(f"{folder}: expected the {key} of {folders[0]}, found another")
    runs = [checkpoints.load_run(folder)[:2] for folder in folders]
    world, control = runs[0][1], trained_on_shuffled(folders[0])
    actions = {}
    for number, name in enumerate(world.factors.action_names[: len(world.factors.names)]):
        drawn = sample_transitions(world.factors, PAIRS * world.factors.n_actions, "test", 0)
        pairs = drawn.take(np.flatnonzero(drawn.actions == number)[:PAIRS])
        asked = [model for model, _ in runs] + [runs[0][0]] * 2 + [control]
        read, sets = [], []
        for seed, model in enumerate(asked):  # coalitions of its own for each
            x, y = (
                torch.cat([model.encode(to_float(world.render(p))) for p in np.array_split(v, 5)])
                for v in (pairs.x, pairs.y)
            )
            y = y.roll(len(y) // 2, 0) if model is control else y  # held-out pairs, shuffled too
            read.append(told_by(model, x, name, y, coalitions=COALITIONS, seed=seed))
            sets.append(CausalGraph.of(model, x, name).set_nodes)
        n, grid = len(runs), runs[0][0].grid
        worths, every = np.stack([told.worth for told in read]), np.stack(sets[:n]).all(0)
        actions[name] = {
            "nodes": int(every.sum()),
            "error": float(np.mean([told.error[:, every].mean() for told in read[:n]])),
            "starts": compared(worths[:n], every, grid),
            "again": compared(worths[[0, n, n + 1]], every, grid),
            "shuffled": int((worths[-1][:, every] >= NATS[0]).sum()),
        }
        print(name, actions[name], flush=True)
    metrics = [read_metrics(folder) for folder in folders]
    return {
        "world": world.name,
        "recipe": infos[0]["recipe"],
        "seeds": [info["seed"] for info in infos],
        "sha256": [info["sha256"] for info in infos],
        "action_accuracy": [m["retrieval"]["action_accuracy"] for m in metrics],
        "recovered": [m["intervention"]["recovered"] for m in metrics],
        "actions": actions,
    }


def trained_on_shuffled(folder: Path) -> CausalVQ:
    """The autoencoder of a run, and a transition that saw every x with the y of another pair."""

    def shuffled(*arguments: Any) -> tuple:
        x, actions, y, chances = training_codes(*arguments)
        random = torch.Generator().manual_seed(0)
        for action in actions.unique():
            rows = (actions == action).nonzero().flatten()
            y[rows] = y[rows[torch.randperm(len(rows), generator=random)]]
        return x, actions, y, chances

    info = checkpoints.read_info(folder)
    recipe = Recipe(**{**info["recipe"], "transition_steps": CONTROL})
    world = checkpoints.load_run(folder)[1]
    with (
        tempfile.TemporaryDirectory() as place,
        mock.patch.object(training, "training_codes", shuffled),
    ):
        return training.train(world, recipe, info["seed"], place, autoencoder=folder)


def compared(worths: NDArray, every: NDArray, grid: tuple[int, int]) -> dict:
    """How far worths (S, N, N) agree on the effects `every` (N,), and on regions of the grid."""
    labels, _ = regions(grid, BLOCK)
    names = list(dict.fromkeys(labels))
    member = np.array([[label == name for label in labels] for name in names], dtype=float)
    into = member * every  # the effects of a region that are counted
    into = into[into.any(1)]
    blocks = np.einsum("ri,sij,qj->srq", member, worths, into / into.sum(1, keepdims=True))
    shared, sets = blocks >= NATS[0], np.stack([every] * len(worths))
    return {
        "correlation": correlation(worths[:, :, every]),
        "told": {str(nats): agreement((worths >= nats) * 1.0, sets) for nats in NATS},
        "regions_correlation": correlation(blocks),
        "regions_shared": float(shared.all(0).sum() / max(1.0, shared.sum((1, 2)).mean())),
    }


def correlation(worths: NDArray) -> float:
    """Pearson's r over causes, of (S, causes, effects), mean over effects and pairs of runs."""
    found = [
        np.corrcoef(worths[a, :, j], worths[b, :, j])[0, 1]
        for a, b in itertools.combinations(range(len(worths)), 2)
        for j in range(worths.shape[2])
        if np.ptp(worths[a, :, j]) > 0 and np.ptp(worths[b, :, j]) > 0
    ]
    return float(np.mean(found)) if found else 0.0


def written(told: dict) -> str:
    """figures/told.md."""
    a, b = (str(nats) for nats in NATS)
    columns = [
        "action", "nodes", "correlate", "again", f"of {a} nats", "shared", "again", "at random",
        f"of {b} nats", "shared", "again", "at random", "regions correlate", "again",
        f"regions of {a} nats shared", "again",
    ]  # fmt: skip
    rows, numbers = [], []
    for name, line in told["actions"].items():
        starts, again = line["starts"], line["again"]
        values = [line["nodes"], starts["correlation"], again["correlation"]]
        for nats in (a, b):
            edges, ceiling = starts["told"][nats], again["told"][nats]
            values += [edges["edges"], edges["shared"], ceiling["shared"], edges["chance"]]
        values += [starts["regions_correlation"], again["regions_correlation"]]
        values += [starts["regions_shared"], again["regions_shared"]]
        numbers.append(values)
        rows.append([f"`{name}`", *_written(values)])
    rows.append(["*mean*", *_written(np.mean(numbers, axis=0).tolist())])
    recipe = told["recipe"]
    changed = (
        f" with edge_price {recipe['edge_price']:g} and cause_dropout {recipe['cause_dropout']:g}"
    )
    head = HEAD.format(
        world=told["world"], recipe=recipe["name"], changed=changed,
        seeds=", ".join(map(str, told["seeds"])), a=a, b=b, block=BLOCK,
        accuracy=", ".join(f"{v:.3f}" for v in told["action_accuracy"]),
        recovered=", ".join(f"{v:.3f}" for v in told["recovered"]),
        coalitions=COALITIONS, pairs=PAIRS,
        error=float(np.mean([line["error"] for line in told["actions"].values()])),
    )  # fmt: skip
    shuffled = float(np.mean([line["shuffled"] for line in told["actions"].values()]))
    rows = [columns, ["---"] * len(columns), *rows]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return head + table + FOOT.format(a=a, shuffled=shuffled, steps=CONTROL)


def _written(values: list[float]) -> list[str]:
    whole = (0, 3, 7)  # the columns of counts
    return [f"{v:.0f}" if k in whole else f"{v:.2f}" for k, v in enumerate(values)]


def main(folders: list[str]) -> int:
    if not folders:
        print(__doc__, file=sys.stderr)
        return 2
    told = measured(*(Path(folder) for folder in folders))
    write_atomic(OUT / "told.json", to_json(told))
    write_atomic(OUT / "told.md", written(told).encode())
    print(written(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
