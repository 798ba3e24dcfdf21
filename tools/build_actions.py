"""Measure what a trained model does with actions: figures/actions.json and figures/actions.md.

    python tools/build_actions.py runs/shapes3d-lesson-s0 [runs/shapes3d-lesson-s1 ...]

Three questions, all on the test split: which other factors move when one is set (leakage, read by
the judge), how errors grow over ten actions in a row, and how often a plan finds the way to an
image at a known distance, beside a random search that looks at as many states. With runs that
differ from the first in their seed only, a fourth: how far their graphs agree.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.folders import PROJECT_ROOT
from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.transitions import sample_transitions, sample_values
from cvq_tutorial.graphs.graph import CausalGraph
from cvq_tutorial.graphs.scores import agreement
from cvq_tutorial.measure import sequences
from cvq_tutorial.measure.judge import load_or_train_judge
from cvq_tutorial.measure.leakage import leakage
from cvq_tutorial.training import checkpoints
from cvq_tutorial.training.recipes import Recipe

OUT = PROJECT_ROOT / "figures"
EDITS, ROWS, PAIRS, DISTANCES, STEPS = 2400, 300, 50, (1, 2, 3, 4, 5), 10
IMAGES = 256  # that a graph is a mean over


HEAD = """# Actions

`{world}`, recipe `{recipe}`, seed {seed}, one run, test split: `python tools/build_actions.py RUN`.

## One action: what else moves

Share of {n} edits, per factor that was set, after which the judge reads a factor as it should not
be. Row = factor that was set, column = factor that is read: on the diagonal the target was missed,
off it another factor moved. *Ceiling*: the same for the true pictures after all these edits,
encoded and decoded; what the judge misreads there is no fault of the edit.

"""
IN_A_ROW = """
## Actions in a row

{n} random sequences; the true pictures are never seen again after the first. PSNR in dB, and the
share of pictures of which the judge reads all factors right. *belief* keeps a distribution per
code, *images* encodes each picture anew, *ceiling* is the true picture encoded and decoded, *copy*
the picture at the start.

"""
PLANS = """
## Plans

`CausalVQ.plan` on {n} pairs per distance, which it is not told. *Success*: the planned actions
truly lead from x to y. *Shortest*: and no shorter sequence does, by breadth-first search over the
true factors. *Random search* looks at as many states. Seconds per plan on one busy core.

"""
OVER_SEEDS = """
## Do other starts find the same graph?

Trainings with seeds {seeds}, each graph a mean over {n} images. *Set*: places that the action sets,
in all trainings and in any. Of the edges into the former: how many a graph has, the share of them
that all graphs have, and what that share would be if the causes of each place were drawn at random.

"""


def measured(folder: Path, *others: Path) -> dict:
    """All that is asked of a run, and of others of the same world.

    Raises CheckpointError for a folder without a trained model, ValueError for others that differ
    from the first in more than their seed.
    """
    _differ_in_seed(folder, *others)
    model, world, info = checkpoints.load_run(folder)
    judge = load_or_train_judge(world, steps=Recipe(**info["recipe"]).judge_steps)
    edits = sample_transitions(world.factors, EDITS, "test", 0)
    read, best = [], []
    for start in range(0, EDITS, 240):
        part = edits.take(slice(start, start + 240))
        done = model.intervene(to_float(world.render(part.x)), torch.from_numpy(part.actions))
        read.append(judge.read(done.images))
        best.append(judge.read(model.reconstruct(to_float(world.render(part.y)))))
    moved = leakage(torch.cat(read).cpu().numpy(), edits.y, world.factors.factor_of(edits.actions))
    misread = torch.cat(best).cpu().numpy() != edits.y
    return {
        "run": {
            "world": world.name,
            "recipe": info["recipe"]["name"],
            "seed": info["seed"],
            "sha256": info["sha256"],
        },
        "factors": list(world.factors.names),
        "leakage": {
            "n": EDITS,
            "rows": moved.round(4).tolist(),
            "ceiling": misread.mean(0).round(4).tolist(),
        },
        "in_a_row": sequences.composition(model, world, STEPS, ROWS, 0, judge),
        "plans": [sequences.plan_success(model, world, d, PAIRS, 0) for d in DISTANCES],
        "over_seeds": over_seeds(folder, *others),
    }


def _differ_in_seed(*folders: Path) -> None:
    infos = [checkpoints.read_info(folder) for folder in folders]
    for key in ("world", "recipe"):
        for folder, info in zip(folders, infos, strict=True):
            if info[key] != infos[0][key]:
                raise ValueError(f"{folder}: expected the {key} of {folders[0]}, found another")
    seeds = [info["seed"] for info in infos]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"expected runs of different seeds, found {seeds}")


def over_seeds(*folders: Path) -> dict:
    """How far the graphs of runs agree, per action; empty for one run."""
    if len(folders) < 2:
        return {}
    runs = [checkpoints.load_run(folder) for folder in folders]
    world = runs[0][1]
    x = to_float(world.render(sample_values(world.factors, IMAGES, "test", 0)))
    codes = [model.encode(x) for model, _, _ in runs]
    actions = {}
    for name in runs[0][0].action_names:
        graphs = [CausalGraph.of(run[0], c, name) for run, c in zip(runs, codes, strict=True)]
        actions[name] = agreement([g.edges for g in graphs], [g.set_nodes for g in graphs])
    return {"seeds": [info["seed"] for _, _, info in runs], "n": IMAGES, "actions": actions}


def written(told: dict) -> str:
    """`actions.md` of the contents of `actions.json`."""
    run, names, line = told["run"], told["factors"], told["in_a_row"]
    text = HEAD.format(n=told["leakage"]["n"], **run)
    moved = [*told["leakage"]["rows"], told["leakage"]["ceiling"]]
    text += _table(["set", *names], [
        [name, *(f"{v:.3f}" for v in row)]
        for name, row in zip([*names, "*ceiling*"], moved, strict=True)
    ])  # fmt: skip
    text += IN_A_ROW.format(n=line["n"])
    who = ("belief", "images", "ceiling", "copy")
    text += _table(
        ["steps", *(f"{w}, dB" for w in who), *(f"{w}, all right" for w in who)],
        [
            [
                str(step + 1),
                *(f"{line['psnr'][w][step]:.1f}" for w in who),
                *(f"{line['all_right'][w][step]:.3f}" for w in who),
            ]
            for step in range(line["steps"])
        ],
    )
    text += PLANS.format(n=told["plans"][0]["n"])
    text += _table(
        ["true distance", "success", "interval", "shortest", "random search", "states", "seconds"],
        [
            [
                str(p["distance"]),
                f"{p['success']:.2f}",
                f"{p['interval'][0]:.2f} to {p['interval'][1]:.2f}",
                f"{p['optimal']:.2f}",
                f"{p['random']['success']:.2f}",
                f"{p['expanded']:.0f}",
                f"{p['seconds']:.2f}",
            ]
            for p in told["plans"]
        ],
    )
    if line := told["over_seeds"]:
        seeds = ", ".join(str(seed) for seed in line["seeds"])
        text += OVER_SEEDS.format(seeds=seeds, n=line["n"])
        text += _table(
            ["action", "set in all", "set in any", "edges", "shared by all", "at random"],
            [
                [
                    name,
                    str(a["nodes_set_by_all"]),
                    str(a["nodes_set_by_any"]),
                    f"{a['edges']:.0f}",
                    f"{a['shared']:.2f}",
                    f"{a['chance']:.2f}",
                ]
                for name, a in line["actions"].items()
            ],
        )
    return text


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main(folders: list[str]) -> int:
    if not folders:
        print(__doc__, file=sys.stderr)
        return 2
    told = measured(*(Path(folder) for folder in folders))
    write_atomic(OUT / "actions.json", (json.dumps(told, indent=1) + "\n").encode())
    write_atomic(OUT / "actions.md", written(told).encode())
    print(written(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
