"""Measure how far a graph and an answer can be trusted: figures/trust.json and figures/trust.md.

    python tools/build_trust.py [RUNS]

Trains a small model of `light_tunnel`, where two actions are twins that no picture tells apart, in
RUNS (kept, and gone on with; a temporary folder without it), and asks what its retrieval says of
them; and asks of the models that come with the package whether do(node) does what their graphs say.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import torch

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.transitions import sample_transitions
from cvq_tutorial.graphs.graph import CausalGraph
from cvq_tutorial.lessons import shipped
from cvq_tutorial.measure.faithful import faithfulness
from cvq_tutorial.measure.triplets import triplets
from cvq_tutorial.training import checkpoints
from cvq_tutorial.training.data import encoded_transitions
from cvq_tutorial.training.recipes import get
from cvq_tutorial.training.train import train
from cvq_tutorial.worlds.make import make_world

OUT = PROJECT_ROOT / "figures"
TESTS, DOS, SEED = 1000, 200, 0
TWINS = 1  # the seed of the twins: world and settings were chosen with 0
SMALL = {
    "codebooks": 1, "codes": 128, "autoencoder_steps": 1200, "autoencoder_batch": 32,
    "transitions": 40_000, "transition_steps": 6000,
}  # fmt: skip
PAIRS = 100
HEAD = """# How far to trust an answer and a graph

`python tools/build_trust.py RUNS`, test split, seed {seed}; the twins by another.

## Twins: what no picture tells

`light_tunnel`, recipe `nano` with {small}. Two polarisers enter the picture by the difference of
their angles only, so that turning one up and the other down are *twins*: the truth of the world
names them, and an honest posterior says one half each. {n} test transitions; the posterior of the
action that was done and of its twin, mean and the range of the middle 90 %. Chance is {chance:.3f}.
World and settings were chosen while looking at seed 0; this is seed {twins}, looked at once.

"""
FAITHFUL = """
## Faithfulness: does do(node) do what the graph says?

Models that come with the package, {n} pictures per action. In each the code of one node is set by
hand to one that it has in another picture, and the distribution of every other node that the action
sets is compared with the one without that (total variation). *Rank*: Spearman's correlation of the
probability of the edge, 0 where none is drawn (which says: no effect; without that rule, the first
tried, `shapes3d` had 0.53 to 0.65, which no command
makes again), with that effect. *Agree*: share of the pairs of
which both say that there is an effect, or both that there is none. The graph is that of each
picture, then the *mean graph* of all {n} as figures draw it, then with *shuffled* causes.

"""
TRIPLETS = """
## Triplets: one factor from a second picture

`shapes3d`, the model that comes with the package, {n} pairs of test pictures per factor. The codes
that the actions of the factor set come from picture 2, all others from picture 1; dB against the
true third picture. *Alone*: the pictures differ in this factor only; *all*: in every factor.
*Ceiling*: the third picture, encoded and decoded; *copy*: picture 1, encoded and decoded.

"""


def twins(folder: Path) -> dict:
    """What retrieval says of every action of the light tunnel."""
    world = make_world("light_tunnel")
    model = train(world, get("nano", **SMALL), TWINS, folder / "light_tunnel", device="cpu")
    test = sample_transitions(world.factors, TESTS, "test", TWINS)
    x, y = (to_float(world.render(values)) for values in (test.x, test.y))
    posterior = model.retrieve(x, y).log_posterior.exp().double()
    actions, names = torch.from_numpy(test.actions), model.action_names
    mate = {a: b for pair in world.twins for a, b in (pair, pair[::-1])}
    told = {}
    for a, name in enumerate(names):
        found = posterior[actions == a]
        told[name] = {"n": len(found), "own": _spread(found[:, a]), "twin": None, "name": None}
        if name in mate:
            told[name] |= {"twin": _spread(found[:, names.index(mate[name])]), "name": mate[name]}
    return told


def _spread(values: torch.Tensor) -> list[float]:
    """Mean, and the ends of the middle 90 %."""
    ends = torch.quantile(values, torch.tensor([0.05, 0.95], dtype=values.dtype)).tolist()
    return [round(v, 4) for v in (float(values.mean()), *ends)]


def faithful(world: str) -> dict:
    """Faithfulness of the graphs of a shipped model, per action."""
    model, made, _ = checkpoints.load_run(shipped.SHIPPED / f"{world}-lesson-s0")
    x = encoded_transitions(made, model, DOS, "test", SEED)[0].long()
    told = {}
    for action, name in enumerate(model.action_names):
        own = faithfulness(model, x, action)
        drawn = faithfulness(model, x, action, graph=CausalGraph.of(model, x, action).used())
        told[name] = own | {"rank_mean_graph": drawn["rank"], "agree_mean_graph": drawn["agree"]}
    return told


def written(told: dict) -> str:
    """`trust.md` of the contents of `trust.json`."""
    small = ", ".join(f"`{k}={v}`" for k, v in SMALL.items())
    chance = 1 / len(told["twins"])
    text = HEAD.format(seed=SEED, small=small, n=TESTS, chance=chance, twins=TWINS)
    rows = [["action", "its twin", "n", "posterior", "middle 90 %", "of its twin", "middle 90 %"]]
    for name, row in told["twins"].items():
        cells = [name, row["name"] or "-", str(row["n"])]
        for part in (row["own"], row["twin"]):
            cells += [f"{part[0]:.3f}", f"{part[1]:.3f} to {part[2]:.3f}"] if part else ["-", "-"]
        rows.append(cells)
    text += _table(rows) + FAITHFUL.format(n=DOS)
    keys = ("rank", "rank_mean_graph", "rank_shuffled", "agree", "agree_mean_graph")
    heads = ["rank", "mean graph", "shuffled", "agree", "mean graph", "shuffled", "pairs"]
    rows = [["world", "action", *heads]]
    for world, actions in told["faithful"].items():
        for name, row in actions.items():
            cells = [f"{row[key]:.3f}" for key in (*keys, "agree_shuffled")]
            rows.append([world, name, *cells, str(row["pairs"])])
    text += _table(rows) + TRIPLETS.format(n=PAIRS)
    rows = [["factor", "alone", "all", "ceiling", "copy"]]
    for name, row in told["triplets"].items():
        numbers = [row["alone"]["psnr"], row["all"]["psnr"], *list(row["all"].values())[1:]]
        rows.append([name, *(f"{v:.1f}" for v in numbers)])
    return text + _table(rows)


def _table(rows: list[list[str]]) -> str:
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main(arguments: list[str]) -> int:
    if len(arguments) > 1 or any(a.startswith("-") for a in arguments):
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        found = twins(Path(arguments[0] if arguments else temporary))
    model, world, _ = checkpoints.load_run(shipped.SHIPPED / "shapes3d-lesson-s0")
    told = {
        "twins": found,
        "faithful": {name: faithful(name) for name in ("codes", "shapes3d")},
        "triplets": triplets(model, world, PAIRS, SEED),
    }
    write_atomic(OUT / "trust.json", (json.dumps(told, indent=1) + "\n").encode())
    write_atomic(OUT / "trust.md", written(told).encode())
    print(written(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
