"""Read graphs of factors from trained models -> figures/factor_graph.json and .md.

    python tools/build_factor_graph.py          six graphs, three seeds (half an hour of one core)
    python tools/build_factor_graph.py --text   the page again, of what was measured

The pictures of `causal_shapes3d` are those of `shapes3d`, so all runs take over the shipped
autoencoder; what differs between seeds is the transition: its start and its data.
"""

from __future__ import annotations

import itertools
import json
import sys

import numpy as np

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.common.json_files import to_json
from cvq_tutorial.lessons.shipped import SHIPPED, load_or_train_a_judge
from cvq_tutorial.measure.factor_graph import factor_graph
from cvq_tutorial.measure.judge import Judge
from cvq_tutorial.training import checkpoints, recipes
from cvq_tutorial.training.build import build
from cvq_tutorial.training.data import encoded_transitions
from cvq_tutorial.training.train import train
from cvq_tutorial.worlds.causal_shapes3d import LINKS
from cvq_tutorial.worlds.make import make_world

OUT, RUNS = PROJECT_ROOT / "figures", PROJECT_ROOT / "runs" / "factor_graph"
SEEDS = (0, 1, 2)
SETTINGS = {"transitions": 12_000, "transition_steps": 1200}
GRAPHS: dict[str, tuple[tuple[str, str, int], ...]] = {
    "default": LINKS,
    "chain": (("wall_hue", "scale", 1), ("scale", "orientation", 2)),
    "fork": (("wall_hue", "floor_hue", 1), ("wall_hue", "scale", 1)),
    "collider": (("scale", "orientation", 2), ("object_hue", "orientation", 3)),
    "chain with a shortcut": (
        ("wall_hue", "scale", 1),
        ("scale", "orientation", 2),
        ("wall_hue", "orientation", 4),
    ),
    "none": (),
}

TEXT = """# Graphs of factors, read from trained models

In `causal_shapes3d` an action on one factor moves its effects too. A model is trained on pictures
and named actions alone, then asked: act on one factor, and what else does the judge see moved
(*ancestors*); put what lies between back, and does it still move (*direct*)? Beside the true graph,
200 test pictures an action, a share of one half counts
(`python tools/build_factor_graph.py`; transitions of {transitions:,} pairs, {steps:,} steps, on the
shipped autoencoder, so that seeds differ in the transition only). *Plain*: the ancestors taken for
the graph. *Least, most*: the lowest share among true edges and the highest among the others.

| graph | seeds | true edges | F1, direct | F1, plain | least, true | most, other | named |
| --- | --- | --- | --- | --- | --- | --- | --- |
{table}
"""


def trained(links: tuple, seed: int) -> tuple:
    """Model and world of one graph, with the shipped autoencoder."""
    world = make_world("causal_shapes3d", links=links)
    recipe = recipes.get("lesson", "shapes3d", **SETTINGS)
    name = "-".join(f"{a}{b}{c}" for a, b, c in links) or "none"
    taken = RUNS / f"autoencoder-{name}-s{seed}"
    if not (taken / "model.json").exists():
        model = build(world, recipe)
        shipped = checkpoints.load_run(SHIPPED / "shapes3d-lesson-s0")[0]
        model.autoencoder.load_state_dict(shipped.autoencoder.state_dict())
        checkpoints.save(taken, model, world, recipe, seed)
        write_atomic(taken / "log.csv", b"phase,step,loss\n")
    run = RUNS / f"{name}-s{seed}"
    return train(world, recipe, seed, run, device="cpu", autoencoder=taken), world


def f1(found: np.ndarray, true: np.ndarray) -> float:
    """F1 of edges; 1 where there are none and none is found."""
    both = found.sum() + true.sum()
    return float(2 * (found & true).sum() / both) if both else 1.0


def _row(name: str, seed: int, judge: Judge) -> dict:
    model, world = trained(GRAPHS[name], seed)
    found, true = factor_graph(model, world, judge), world.factor_graph
    x, actions, y = encoded_transitions(world, model, 600, "test", seed)
    named = model.retrieve(x.long(), y.long()).actions.cpu() == actions
    other = found["direct"][~true & ~np.eye(len(true), dtype=bool)]
    return {
        "graph": name, "seed": seed, "edges": int(true.sum()),
        "direct": round(f1(found["edges"], true), 4),
        "plain": round(f1(found["ancestors"], true), 4),
        "least": round(float(found["direct"][true].min()), 3) if true.any() else None,
        "most": round(float(other.max()), 3),
        "named": round(float(named.float().mean()), 4),
    }  # fmt: skip


def main(arguments: list[str]) -> int:
    path = OUT / "factor_graph.json"
    if arguments not in ([], ["--text"]):
        print(__doc__)
        return 2
    if not arguments:
        judge = load_or_train_a_judge(make_world("shapes3d"))
        rows: list[dict] = []
        for seed, name in itertools.product(SEEDS, GRAPHS):
            rows.append(_row(name, seed, judge))
            print(rows[-1], flush=True)
            write_atomic(path, to_json(rows))
    write_atomic(OUT / "factor_graph.md", text(json.loads(path.read_text())).encode())
    return 0


def text(rows: list[dict]) -> str:
    """The page, of the contents of `factor_graph.json`: one line per graph, of all seeds."""
    table = []
    for name in GRAPHS:
        of = [row for row in rows if row["graph"] == name]
        if not of:
            continue
        low = [row["least"] for row in of if row["least"] is not None]
        cells = [name, ", ".join(str(row["seed"]) for row in of), of[0]["edges"]]
        cells += [", ".join(f"{row[key]:.2f}" for row in of) for key in ("direct", "plain")]
        cells += [f"{min(low):.2f}" if low else "-", f"{max(row['most'] for row in of):.2f}"]
        cells += [", ".join(f"{row['named']:.3f}" for row in of)]
        table.append("| " + " | ".join(map(str, cells)) + " |")
    return TEXT.format(
        transitions=SETTINGS["transitions"], steps=SETTINGS["transition_steps"],
        table="\n".join(table),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
