"""Which runs make which table: a grid is a list of cells, a cell is one run.

* `main`: the method beside what people would use instead, on equal data: about an hour and a half
  on two cores.
* `ablations`: the method with one published choice at a time, and with all of them; on `codes`,
  where the true graph is known, and on a smaller model of `shapes3d` (see `SMALLER`), where the
  runs share one autoencoder wherever the choice does not touch it.
* `recovery`: graph recovery on `codes` against the number of variables, parents, noise, and
  transitions, beside a test of independence.
* `judged`: recovery again, where it was worst and where a test of independence finds nothing, with
  edges that cost nothing while training and are judged one by one (see `training.edges`).
* `imbalance`: trained on balanced, skewed and correlated pictures, and without some combinations of
  values; always tested on balanced ones. The smaller model of `shapes3d`.
* `codebooks`: how many codebooks, of how many codes; the same smaller model.

Each has three seeds; `cvq reproduce --grid NAME --seeds 0` runs one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

SEEDS = (0, 1, 2)

PUBLISHED: dict[str, dict[str, object]] = {
    "mean in retrieval": {"retrieval": "mean"},
    "sampled edges": {"eval_edges": "sample"},
    "re-predicted codes": {"unset": "repredict"},
    "pair-MLP scores": {"scores": "pair_mlp"},
    "isolated action node": {"action_node": "isolated"},
}
PUBLISHED_CODEBOOKS: dict[str, dict[str, object]] = {
    "overlapping slices": {"slices": "overlap"},
    "a node per codebook": {"layout": "codebook_places"},
    "gradient codebooks": {"rule": "gradient"},
}
# Two published choices need far more room on images: a node per codebook and place is C times the
# nodes and C^2 times the edges, and the network that scores a pair of nodes sees every pair. With
# the sizes of `lesson` each layer over the pairs of a batch of 32 would hold 0.8 GB (32 x 256 x 256
# pairs, 96 numbers of 4 bytes); with these it is 0.1 GB.
SMALLER: dict[str, object] = {
    "codebooks": 2,
    "codes": 32,
    "code_width": 32,
    "decoder_width": 64,
    "decoder_blocks": 2,
    "autoencoder_steps": 2000,
    "transitions": 20_000,
    "width": 48,
    "transition_steps": 2000,
}
BASELINES = (
    "vae-difference",
    "vae-classifier",
    "beta-vae-difference",
    "plain-vqvae",
    "image-pairs",
)
# whose autoencoder a baseline would train again
SHARED = {"plain-vqvae": "causal codes", "vae-classifier": "vae-difference"}


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    label: what the run shows; runs that differ only in their seed share it.
    world, recipe, seed: as for `reproduce`; world_options as for `make_world`.
    overrides: settings of the recipe.
    baseline: empty for the method, else a name of `baselines` or "independence".
    autoencoder: label of an earlier cell of the same seed whose autoencoder this one would train
        again, bit for bit; empty to train it.
    """

    label: str
    world: str
    recipe: str = "lesson"
    seed: int = 0
    overrides: Mapping[str, object] = field(default_factory=dict)
    world_options: Mapping[str, object] = field(default_factory=dict)
    baseline: str = ""
    autoencoder: str = ""

    @property
    def name(self) -> str:
        """Name of its folder: letters, digits and dashes."""
        words = "".join(c if c.isalnum() else " " for c in self.label.lower()).split()
        return "-".join([*words, f"s{self.seed}"])


def _main(seed: int) -> list[Cell]:
    cells = []
    for world in ("shapes3d", "sprites"):
        cells.append(Cell(f"{world}: causal codes", world, seed=seed))
        for name in BASELINES:
            shared = f"{world}: {SHARED[name]}" if name in SHARED else ""
            label = f"{world}: {name}"
            cells.append(Cell(label, world, seed=seed, baseline=name, autoencoder=shared))
    return cells


def _ablations(seed: int) -> list[Cell]:
    every = {k: v for switch in PUBLISHED.values() for k, v in switch.items()}
    books = {k: v for switch in PUBLISHED_CODEBOOKS.values() for k, v in switch.items()}
    cells = [Cell("codes: ours", "codes", seed=seed)]
    cells += [Cell(f"codes: {n}", "codes", seed=seed, overrides=o) for n, o in PUBLISHED.items()]
    cells.append(Cell("codes: all published", "codes", seed=seed, overrides=every))
    ours = "shapes3d: ours"

    def image_cell(label: str, switch: Mapping[str, object]) -> Cell:
        own = label == ours or "slices" in switch or "rule" in switch
        settings, shared = {**SMALLER, **switch}, "" if own else ours
        return Cell(label, "shapes3d", "lesson", seed, settings, autoencoder=shared)

    cells.append(image_cell(ours, {}))
    for name, switch in {**PUBLISHED, **PUBLISHED_CODEBOOKS}.items():
        cells.append(image_cell(f"shapes3d: {name}", switch))
    cells.append(image_cell("shapes3d: all published", every | books))
    return cells


def _recovery(seed: int) -> list[Cell]:
    cells = []
    for variables in (8, 12, 24, 48):
        size: dict[str, object] = {"transitions": 50_000, "transition_steps": 2500}
        # Many causes that do not matter make the gradient of an edge noisy, and edges that a
        # mechanism has yet to learn to read are lost early, for good: larger batches, more steps.
        if variables > 12:
            size |= {"transition_steps": 5000, "transition_batch": 64}
        options: dict[str, object] = {"n_variables": variables, "seed": seed}
        label = f"{variables} variables"
        cells.append(Cell(label, "codes", "lesson", seed, size, options))
        cells.append(
            Cell(f"{label}: independence", "codes", "lesson", seed, size, options, "independence")
        )
    for parents in (1, 3):
        options = {"max_parents": parents, "seed": seed}
        cells.append(Cell(f"up to {parents} parents", "codes", "lesson", seed, {}, options))
    for noise in (0.05, 0.2):
        options = {"noise": noise, "seed": seed}
        cells.append(Cell(f"noise {noise:g}", "codes", "lesson", seed, {}, options))
    for transitions in (1000, 5000):
        size = {"transitions": transitions}
        options = {"seed": seed}
        cells.append(Cell(f"{transitions} transitions", "codes", "lesson", seed, size, options))
    return cells


# No price on edges, larger batches, and each edge judged by what cutting it alone costs.
JUDGED: dict[str, object] = {
    "edge_price": 0.0,
    "prune_tolerance": 0.0,
    "edge_worth": 0.1,
    "prune_transitions": 400,
    "transition_steps": 3000,
    "transition_batch": 64,
}


def _judged(seed: int) -> list[Cell]:
    # What no parent tells alone shows in the gradient of pairs only: larger batches, and a lower
    # rate. At 0.0025 a start may never leave what copying gets (seed 0 after 2,000 steps: edge F1
    # 0.04); at 0.001 all three have learned them after 420 (0.01 to 0.12 nats, of 2.1 by copying).
    blind: dict[str, object] = {
        "transition_steps": 1200, "transition_batch": 128, "transition_lr": 1e-3,
    }  # fmt: skip
    worlds: dict[str, tuple[dict[str, object], dict[str, object]]] = {
        "parity of 2": ({"mechanism": "parity", "n_codes": 2}, blind),
        "48 variables": ({"n_variables": 48}, {  # to judge 48 x 48 edges takes its time, too
            "transitions": 50_000, "transition_steps": 1600, "prune_transitions": 100,
        }),
        "up to 3 parents": ({"max_parents": 3}, {}),
        "noise 0.2": ({"noise": 0.2}, {}),
        "1000 transitions": ({}, {"transitions": 1000}),
    }  # fmt: skip
    cells = []
    for label, (options, size) in worlds.items():
        cell = Cell(label, "codes", "lesson", seed, JUDGED | size, options | {"seed": seed})
        cells += [cell, replace(cell, label=f"{label}: independence", baseline="independence")]
    return cells


def _imbalance(seed: int) -> list[Cell]:
    skews: dict[str, dict[str, object]] = {
        "balanced": {},
        "zipf values": {"value_weights": "zipf:1.5"},
        "zipf values, half resampled": {"value_weights": "zipf:1.5", "resample": 0.5},
        "zipf values, resampled": {"value_weights": "zipf:1.5", "resample": 1.0},
        "correlated": {"correlations": "object_hue>shape:0.9"},
        "held-out combinations": {"held_out": "shape=3;object_hue=0,1,2"},
    }
    return [Cell(n, "shapes3d", "lesson", seed, {**SMALLER, **skew}) for n, skew in skews.items()]


def _codebooks(seed: int) -> list[Cell]:
    sizes = ((1, 32), (2, 32), (4, 32), (2, 16), (2, 64))
    return [
        Cell(f"{c} x {k} codes", "shapes3d", "lesson", seed, SMALLER | {"codebooks": c, "codes": k})
        for c, k in sizes
    ]


GRIDS: dict[str, list[Cell]] = {
    name: [cell for seed in SEEDS for cell in make(seed)]
    for name, make in {
        "main": _main,
        "ablations": _ablations,
        "recovery": _recovery,
        "judged": _judged,
        "imbalance": _imbalance,
        "codebooks": _codebooks,
    }.items()
}
