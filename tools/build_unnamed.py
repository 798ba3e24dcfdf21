"""Measure actions that nobody named, into figures/unnamed.json and figures/unnamed.md.

    python tools/build_unnamed.py                        codes with seed 0, then shapes3d
    python tools/build_unnamed.py codes 0 1 2            a world, with these seeds

Runs stay in runs/unnamed, and finished ones are only measured. `shapes3d` takes the shipped
autoencoder of seed 0; its own seed is that one. Named and unnamed runs have the same settings.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.data.transitions import sample_transitions
from cvq_tutorial.graphs.scores import graph_recovery
from cvq_tutorial.lessons.shipped import SHIPPED
from cvq_tutorial.measure import unnamed
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.training import recipes
from cvq_tutorial.training.data import encoded_transitions
from cvq_tutorial.training.train import train
from cvq_tutorial.worlds.make import make_world

OUT, RUNS = PROJECT_ROOT / "figures", PROJECT_ROOT / "runs" / "unnamed"
CODES = {"codes": (8, 16), "shapes3d": (12, 24)}  # action codes
SETTINGS: dict[str, dict[str, Any]] = {
    "codes": {},
    "shapes3d": {"transitions": 12_000, "transition_steps": 1200},
}
PAIRS, STARTS, LABELS, DRAWS = 1200, 64, (1, 5, 20), 3
Rows = list[dict[str, Any]]

TEXT = {
    "found": "Test pairs, each code matched with an action on validation pairs. *Chance*: the same "
    "codes, shuffled; *one code*: what a single code reaches. Named, a row above the others: the "
    "same model with every action told, its accuracy under *one to one*; time of training, all "
    "phases that were trained, of one thread of a CPU. Where many to one is far above one to one, "
    "an action is in pieces, each code for some of its states. The likelihood does not mind: two "
    "codes that are of no use in the same states explain what one would. Training merges a code "
    "with one that explains its pairs as well, which the other piece does not, and joins codes "
    "that move slow features alike as far as held-out pairs bear it; it never looks at a name.",
    "rivals": "k-means with one cluster per action, on which codes changed, and on differences of "
    "pixels (thumbnails of 16 x 16). The same pairs and matches.",
    "names": "Where only some pairs of each action have a name (mean of three draws): the learnt "
    "codes with the names that fit, and a logistic regression on those pairs' codes.",
    "algebra": "Learnt codes after the match, against the true actions: pairs that undo each other "
    "(of those that do; the tables of `codes` cannot be undone), others of which that was said, "
    "and, where some actions do not commute, how well the learnt order of codes tells those that "
    "do (area under the ROC curve).",
}


def trained(world: Any, seed: int, m: int | None) -> tuple[CausalVQ, float]:
    """A model with m action codes (None: named), and the seconds that its training took."""
    unnamed_codes = {} if m is None else {"actions": "none", "action_codes": m}
    recipe = recipes.get("lesson", world.name, **SETTINGS[world.name], **unnamed_codes)
    folder = RUNS / f"{world.name}-{'named' if m is None else m}-s{seed}"
    auto = SHIPPED / f"{world.name}-lesson-s{seed}" if world.has_images else None
    before = time.process_time()
    model = train(world, recipe, seed, folder, device="cpu", autoencoder=auto)
    spent = folder / "cpu.json"
    if not spent.exists():
        write_atomic(spent, json.dumps(round(time.process_time() - before, 1)).encode())
    return model, json.loads(spent.read_text())


def pairs(model: CausalVQ, world: Any, split: str, seed: int, n: int = PAIRS) -> tuple:
    return encoded_transitions(world, model, n, split, seed)


def small(world: Any, split: str, seed: int) -> np.ndarray:
    """Differences of the thumbnails of the same pairs, (n, 16 * 16 * 3)."""
    drawn = sample_transitions(world.factors, PAIRS, split, seed)
    ends = [
        world.render(v).reshape(PAIRS, 16, 4, 16, 4, 3).mean((2, 4)) for v in (drawn.x, drawn.y)
    ]
    return (ends[1] - ends[0]).reshape(PAIRS, -1) / 255


def rivals(model: CausalVQ, world: Any, seed: int, told: dict[str, Any]) -> Rows:
    known, test = (pairs(model, world, split, seed) for split in ("valid", "test"))
    features = {
        "which codes changed": [unnamed.code_differences(p[0], p[2]) for p in (known, test)]
    }
    if world.has_images:
        features["pixels"] = [small(world, split, seed) for split in ("valid", "test")]
    rows = []
    for name, (one, two) in features.items():
        found = unnamed.k_means(np.concatenate([one, two]), told["n_actions"], seed)
        found = (known[1], found[:PAIRS]), (test[1], found[PAIRS:])
        scores = unnamed.scores(*found, told["n_actions"], told["n_actions"], *told["factors"])
        rows.append({"world": world.name, "seed": seed, "k-means on": name, **shown(scores)})
    return rows


def shown(scores: dict[str, Any]) -> dict[str, Any]:
    names = ("one_to_one", "many_to_one", "nmi", "factor", "chance", "one_code")
    return {n.replace("_", " "): round(scores[n], 4) for n in names if n in scores}


def few(model: CausalVQ, world: Any, seed: int, n_actions: int) -> Rows:
    x, actions, y = pairs(model, world, "test", seed)
    posterior = model.retrieve(x.long(), y.long()).log_posterior.exp().numpy()
    features, rows = unnamed.code_changes(x, y, model.n_codes), []
    for each in LABELS:
        told = []
        for draw in range(DRAWS):
            rng = np.random.default_rng([seed, each, draw])
            picks = [rng.permutation(np.flatnonzero(actions == a))[:each] for a in range(n_actions)]
            some = np.concatenate(picks)
            told.append(unnamed.few_names(posterior, features, actions.numpy(), some, n_actions))
        mean = {k: round(float(np.mean([t[k] for t in told])), 4) for k in told[0]}
        mean = {k.replace("_", " "): v for k, v in mean.items() if k != "labels"}
        rows.append({"labels per action": each, **mean})
    return rows


def algebra(model: CausalVQ, world: Any, seed: int) -> dict[str, Any]:
    """model: with names."""
    x, _, y = (t.long() for t in pairs(model, world, "test", seed))
    found = set(unnamed.inverses(unnamed.ways_back(model, x, y)))
    if world.has_images:  # a step up and the step down; all of them commute, but at the ends
        n = world.factors.n_factors
        true = {(f, f + n) for f in range(n)}
        return {**hits(found, true), "commute": "-"}
    n = model.n_actions

    def after(codes: torch.Tensor, action: int) -> torch.Tensor:
        return torch.from_numpy(world.apply(codes.numpy(), np.full(len(codes), action)))

    pick = np.triu_indices(n, 1)
    truly = unnamed.commute(after, x[:STARTS], n)[pick] > 0.99
    told = unnamed.commute(unnamed.after_of(model), x[:STARTS], n)[pick]
    area: Any = "-"
    if 0 < truly.sum() < len(truly):
        better = told[truly][:, None] - told[~truly][None]
        area = round(float(((better > 0) + 0.5 * (better == 0)).mean()), 4)
    return {**hits(found, set()), "commute": area}


def hits(found: set, true: set) -> dict[str, Any]:
    return {"inverses": f"{len(found & true)} of {len(true)}", "others": len(found - true)}


def edge_f1(model: CausalVQ, world: Any, x: torch.Tensor) -> float:
    graphs = [
        model.graph(x[:256].long(), a).double().mean(0).numpy() for a in range(model.n_actions)
    ]
    return graph_recovery(np.stack(graphs), world.graph, world.targets)["edge_f1"]


def measured(name: str, seed: int) -> dict[str, Rows]:
    world = make_world(name)
    space = world.factors if world.has_images else world
    n_actions = len(space.action_names)
    factor_of = space.factor_of(np.arange(n_actions)) if world.has_images else None
    told = {"n_actions": n_actions, "factors": (factor_of, space.names if world.has_images else ())}
    parts: dict[str, Rows] = {part: [] for part in TEXT}
    full, spent = trained(world, seed, None)
    x, actions, y = pairs(full, world, "test", seed)
    right = float((full.retrieve(x.long(), y.long()).actions == actions).float().mean())
    start = {"world": name, "seed": seed}
    row: dict[str, Any] = {**start, "codes": "named", "used": n_actions, "one to one": right}
    more = {} if world.has_images else {"edge F1": round(edge_f1(full, world, x), 4)}
    parts["found"].append({**row, **more, "cpu s": spent})
    parts["rivals"] = rivals(full, world, seed, told)
    for m in CODES[name]:
        model, spent = trained(world, seed, m)
        with_names, scores = unnamed.with_names(model, world, PAIRS, seed)
        row = {**start, "codes": m, "used": scores["codes_used"], **shown(scores)}
        more = {} if world.has_images else {"edge F1": round(edge_f1(with_names, world, x), 4)}
        parts["found"].append({**row, **more, "cpu s": spent})
        first = {**start, "codes": m}
        parts["names"] += [{**first, **r} for r in few(model, world, seed, n_actions)]
        parts["algebra"].append({**first, **algebra(with_names, world, seed)})
    return parts


def cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def table(rows: Rows) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(cell(row.get(n, "-")) for n in names) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def written(told: dict[str, dict[str, Rows]]) -> str:
    """`unnamed.md` of the contents of `unnamed.json`: {"WORLD SEED": {part: rows}}."""
    text = "# Actions nobody named\n\n`python tools/build_unnamed.py`, recipe `lesson`, one thread "
    changed = [f"`{n}` with {', '.join(f'{k}={v}' for k, v in s.items())}"
               for n, s in SETTINGS.items() if s]  # fmt: skip
    text += f"of a CPU; {'; '.join(changed)}, its autoencoder the shipped one.\n"
    for part, says in TEXT.items():
        rows = [row for key in sorted(told) for row in told[key][part]]
        if rows:
            text += f"\n## {part}\n\n{says}\n\n{table(rows)}"
    return text


def main(asked: list[str]) -> None:
    torch.set_num_threads(1)
    worlds = [a for a in asked if not a.isdigit()] or list(CODES)
    seeds = [int(a) for a in asked if a.isdigit()] or [0]
    if unknown := set(worlds) - set(CODES):
        raise SystemExit(f"worlds: expected some of {', '.join(CODES)}, found {sorted(unknown)}")
    path: Path = OUT / "unnamed.json"
    for name in worlds:
        for seed in seeds:
            parts = measured(name, seed)
            told = json.loads(path.read_text()) if path.exists() else {}
            told[f"{name} {seed}"] = parts
            write_atomic(path, (json.dumps(told, indent=1) + "\n").encode())
            write_atomic(OUT / "unnamed.md", written(told).encode())
            print(f"{name}, seed {seed}: measured", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
