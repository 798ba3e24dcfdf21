"""Every kind of figure at least once, for the one gate that looks at all: `draw/test_gate`."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import torch
from figure_parts import some_graph, some_images

from cvq_tutorial import draw
from cvq_tutorial.data.sampling import Sampling
from cvq_tutorial.data.transitions import sample_transitions
from cvq_tutorial.graphs.graph import CausalGraph
from cvq_tutorial.identify import report, twins
from cvq_tutorial.measure.disentanglement.columns import Score
from cvq_tutorial.worlds.factors import Factor, FactorSpace

ACTIONS = [f"{factor}{sign}" for sign in "+-" for factor in ("wall_hue", "shape", "orientation")]


def log_rows() -> list[dict[str, str]]:
    """Rows as csv.DictReader gives them: every value a text, empty where it does not apply."""
    first = [
        {
            "phase": "autoencoder",
            "step": str(s),
            "loss": str(1 / (s + 1)),
            "psnr": "21.5",
            "nll": "",
        }
        for s in range(0, 500, 100)
    ]
    second = [
        {"phase": "transition", "step": str(s), "loss": "7", "psnr": "", "nll": str(90 - s / 10)}
        for s in range(0, 500, 100)
    ]
    return [*first, *second, {"phase": "transition", "step": "500", "loss": "nan", "nll": "37.25"}]


def small_truth() -> np.ndarray:
    truth = some_graph(5) > 0.5
    truth[0, 1] = truth[2, 2] = True
    return truth


IMAGES = {
    "reconstructions": lambda: draw.reconstructions(some_images(9), some_images(9)),
    "one reconstruction": lambda: draw.reconstructions(some_images(1), some_images(1)),
    "code maps": lambda: draw.code_maps(
        np.random.default_rng(0).integers(0, 512, (2, 64, 4)), (8, 8), some_images(2)
    ),
    "one codebook": lambda: draw.code_maps(np.zeros((1, 4, 1), int), (2, 2), some_images(1)),
    "before and after": lambda: draw.before_after(
        some_images(6), some_images(6), some_images(6), ACTIONS
    ),
    "three actions": lambda: draw.before_after(
        some_images(3), some_images(3), some_images(3), ACTIONS[:3]
    ),
    "masks": lambda: draw.effects_masks(some_graph(64)[:6], (8, 8), ACTIONS, some_graph(64)[6:12]),
    "masks on a line": lambda: draw.effects_masks(some_graph(12)[:3], (1, 12), ["a0", "a1", "a2"]),
    "matrix": lambda: draw.graph_matrix(some_graph(4), 0.5, "Small"),
    "large matrix": lambda: draw.graph_matrix(
        some_graph(64), 0.9, set_nodes=np.arange(64) % 2 == 0
    ),
    "named matrix": lambda: draw.graph_matrix(
        some_graph(3),
        names=["floor_hue", "wall_hue", "shape"],
        set_nodes=np.array([True, False, True]),
    ),
    "over the image": lambda: draw.graph_over_image(
        some_images(1), some_graph(64), (8, 8), 27, 0.7
    ),
    "over a corner": lambda: draw.graph_over_image(
        some_images(1)[0], some_graph(4), (2, 2), 0, 0.1
    ),
    "over variables": lambda: draw.graph_over_image(
        some_images(1), some_graph(12), (3, 4), 6, 0.3, codes=[str(n) for n in range(12)]
    ),
    "arrows": lambda: draw.graph_arrows(some_graph(12), [f"v{i}" for i in range(12)], 0.6),
    "arrows and truth": lambda: draw.graph_arrows(
        some_graph(5), truth=small_truth(), set_nodes=np.array([True, True, True, False, False])
    ),
    "long names": lambda: draw.graph_arrows(
        some_graph(9), [f"a_long_name_{i}" for i in range(9)], 0.8
    ),
    "64 nodes": lambda: draw.graph_arrows(some_graph(64), threshold=0.98),
    "one node": lambda: draw.graph_arrows(np.ones((1, 1))),
    "confusion": lambda: draw.confusion(np.arange(36).reshape(6, 6), ACTIONS),
    "confusion, empty row": lambda: draw.confusion(np.diag([5, 0, 2]), ["a", "b", "c"]),
    "curves": lambda: draw.training_curves(log_rows()),
    "one phase": lambda: draw.training_curves(log_rows()[-1:]),
}


AWKWARD = (
    'a "quote"', "gr\u00fc\u00df\nnew line", "$x$ and $y", "\u65e5\u672c\u8a9e", "back\\",
    "\U0001f600 face", "x" * 300, "under_score", "100 %", "{brace}",
)  # fmt: skip


def graph_of(n: int, seed: int = 0, density: float = 0.3, **given) -> CausalGraph:
    rng = np.random.default_rng(seed)
    edges = rng.random((n, n)) * (rng.random((n, n)) < density)
    return CausalGraph(edges, set_by=rng.random(n), **given)


def snapshots(n: int, **given) -> list[tuple[int, CausalGraph]]:
    end = graph_of(n, action="shape+", **given)
    shares = np.linspace(0.1, 1.0, 9)
    return [
        (round(100 * t), CausalGraph(t * end.edges + 1 - t, end.names, "shape+", 1, t * end.set_by,
                                     end.grid, end.codebooks))
        for t in shares
    ]  # fmt: skip


def known(n_actions: int = 4, n: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    targets = rng.random((n_actions, n)) < 0.3
    targets[:, 0] = True
    truth = (rng.random((n_actions, n, n)) < 0.2) & targets[:, None, :]
    learned = np.clip(0.8 * truth + rng.normal(0.1, 0.25, truth.shape), 0, 1)
    return learned, truth, targets


GRAPH_FIGURES = {
    "layers": lambda: draw.graph_layers(graph_of(12)),
    "layers, a full graph": lambda: draw.graph_layers(np.full((6, 6), 0.8), title="All to all"),
    "layers, regions": lambda: draw.graph_layers(graph_of(64, 0, 0.1, grid=(8, 8)).by_region()),
    "layers, 64 nodes": lambda: draw.graph_layers(some_graph(64)),
    "layers, a long chain": lambda: draw.graph_layers(
        np.eye(41, k=1), [f"a_long_name_{i}" for i in range(41)]
    ),
    "layers, one node": lambda: draw.graph_layers(np.ones((1, 1))),
    "layers, no edges": lambda: draw.graph_layers(np.zeros((3, 3))),
    "layers, awkward names": lambda: draw.graph_layers(some_graph(10) * 0.99, AWKWARD),
    "effects": lambda: draw.effects_over_images(
        some_images(6), some_images(7)[:6], some_graph(64)[:6], (8, 8), ACTIONS
    ),
    "effects, two actions": lambda: draw.effects_over_images(
        some_images(2), some_images(2), some_graph(4)[:2], (2, 2), ACTIONS[:2]
    ),
    "difference": lambda: draw.graph_difference(
        graph_of(16, 0, action="shape+").difference(graph_of(16, 1, action="shape-"))
    ),
    "difference, 64 nodes": lambda: draw.graph_difference(
        graph_of(64).difference(graph_of(64, 1)), ["seed 0", "seed 1"]
    ),
    "difference, none": lambda: draw.graph_difference(graph_of(5).difference(graph_of(5))),
    "difference, awkward names": lambda: draw.graph_difference(
        graph_of(10, names=AWKWARD).difference(graph_of(10, 1, names=AWKWARD))
    ),
    "stability": lambda: draw.graph_stability([graph_of(12, s) for s in range(5)], 0.4),
    "stability, 64 nodes": lambda: draw.graph_stability([graph_of(64, s) for s in range(20)]),
    "truth": lambda: draw.truth_and_learned(*known(), ACTIONS[:4]),
    "truth, one action of many nodes": lambda: draw.truth_and_learned(*known(1, 40), ["a0"]),
    "truth, all right": lambda: draw.truth_and_learned(known()[1] * 1.0, *known()[1:], ACTIONS[:4]),
    "strip": lambda: draw.training_strip(snapshots(16, grid=(4, 4)), some_images(1)),
    "strip, no image": lambda: draw.training_strip(snapshots(8, grid=(2, 2), codebooks=2)),
    "strip, no grid": lambda: draw.training_strip(snapshots(12), limit=3),
    "matrix and mask": lambda: draw.graph_matrix(graph_of(12)),
    "matrix, awkward names": lambda: draw.graph_matrix(graph_of(10, names=AWKWARD)),
    "arrows, awkward names": lambda: draw.graph_arrows(some_graph(10) * 0.99, AWKWARD, 0.8),
    "before and after, awkward names": lambda: draw.before_after(
        some_images(10), some_images(10), some_images(10), AWKWARD
    ),
}


GRAPHS = [case for case in GRAPH_FIGURES if not case.startswith(("effects", "before"))]


LINES = ("belief", "codes", "images", "ceiling", "copy")


LONG = ["object_hue+", "orientation-", "W" * 30, "$x$\n_2"] * 3


def table(steps: int = 10, lines=LINES, top: float = 32.0) -> dict[str, list[float]]:
    falls = np.arange(steps) / steps
    return {line: (top * (1 - 0.09 * i * falls)).tolist() for i, line in enumerate(lines)}


IN_A_ROW = {
    "growth": lambda: draw.error_growth(table(), table(top=1.0)),
    "growth, no judge": lambda: draw.error_growth(table()),
    "growth, no copy": lambda: draw.error_growth(table(3, LINES[:4])),
    "growth, copy alone": lambda: draw.error_growth(table(3, ["copy"])),
    "growth, one step": lambda: draw.error_growth(table(1), table(1, top=1.0)),
    "plan": lambda: draw.plan_strip(some_images(4), LONG[:3], some_images(4), some_images(1)),
    "plan, the longest": lambda: draw.plan_strip(
        some_images(13), LONG, some_images(13), some_images(1)
    ),
    "plan, not all true": lambda: draw.plan_strip(
        some_images(4), LONG[:3], some_images(2), title="t" * 90
    ),
    "plan, imagined alone": lambda: draw.plan_strip(
        torch.rand(3, 3, 16, 16), LONG[:2], target=torch.rand(1, 3, 16, 16)
    ),
    "plan, no action": lambda: draw.plan_strip(some_images(1), []),
}

FACTORS = ("floor_hue", "shape", "size")
SPACE = FactorSpace((Factor("hue", 10), Factor("kind", 4), Factor("scale", 8), Factor("turn", 15)))
SKEWED = Sampling(
    {"kind": (8, 4, 2, 1), "turn": (1,) * 12 + (0,) * 3},
    {"scale": 3},
    ("hue", "scale", 0.8),
    {"kind": 3, "hue": (0, 1)},
)


def scores_of(*values: float) -> dict:
    return {"mean": values[0], "sd": values[1], "seeds": [0, 1, 2]}


def rows_of(n: int) -> dict:
    return {
        f"method {i}": {
            "seeds": [0, 1, 2][: 1 + i % 3],
            "minutes": 1.0,
            "numbers": {
                "action accuracy": {"mean": 1 - 0.1 * i, "sd": 0.02},
                "PSNR": {"mean": 30.0 - i, "sd": 0.5},
            },
        }
        for i in range(n)
    }


def some_codes(n: int, nodes: int = 4, codes: int = 5) -> np.ndarray:
    return np.random.default_rng(n).integers(0, codes, (n, nodes, 1))


def points(n: int) -> np.ndarray:
    return np.random.default_rng(n).normal(size=(n, 5)) * [9, 5, 1, 1, 1]


MORE = {
    "traversals": lambda: draw.traversals(
        np.random.default_rng(0).random((4, 5, 3, 16, 16)), (*FACTORS, "turn"), "Moved"
    ),
    "pairs": lambda: draw.pairs(
        some_images(12), some_images(12), ["hue", "a long attribute name"] * 6, ["", "one\ntwo"] * 6
    ),
    "patches": lambda: draw.patches_by_code(some_images(9), some_codes(9), (2, 2), [0, 1, 4]),
    "cells": lambda: draw.code_cells(
        [[-1.0, 0.0], [1.0, 0.0], [0.0, 2.0]], [[-0.9, 0.0], [0.2, 1.9]], [0.0, 2.0]
    ),
    "points": lambda: draw.codes_among_points(
        points(300), {"good": points(300)[:9], "collapsed": points(9) + 900}
    ),
    "points in colour": lambda: draw.codes_among_points(
        points(300),
        {"good": points(300)[:9], "collapsed": points(9) + 900},
        colours=np.linspace(0, 1, 900).reshape(300, 3),
    ),
    "rows": lambda: draw.image_rows({"x": some_images(6), "decoded": some_images(6)}),
    "channels": lambda: draw.channels_read(
        {
            "split": np.kron(np.eye(4, dtype=bool), np.ones((1, 8), dtype=bool)),
            "overlap": np.tri(4, 32, dtype=bool),
        }
    ),
    "bits": lambda: draw.error_against_bits(
        ["1 x 32", "1 x 64", "4 x 64"], [5, 6, 24], [24.0, 26.0, 32.0], [32, 64, 256], 15.0
    ),
    "cutting": lambda: draw.cutting_curve(
        [0, 0.5, 1], {"causes": [0, 2, 25], "edges that are off": [0, 0, 0]}, {"guessing": 16.6}
    ),
    "recovery": lambda: draw.recovery_curve(
        [0, 100, 200],
        {"learned graph": [0.1, 0.5, 1.0], "no price": [0.1, 0.2, 0.3]},
        {"independence": 0.9, "every edge": 0.2},
    ),
    "by value": lambda: draw.accuracy_by_value(
        [0.7, 0.2, 0.1],
        {"even": [1.0, 0.9, 0.8], "skewed": [1.0, 0.5, 0.25]},
        ["red", "green", "blue"],
        chance=0.08,
    ),
    "balance": lambda: draw.sample_balance(
        SPACE, sample_transitions(SPACE, 3000, sampling=SKEWED), SKEWED
    ),
    "dots": lambda: draw.dot_plot(rows_of(5), ["action accuracy", "PSNR"], title="Rows"),
    "settings": lambda: draw.setting_curves(
        {
            "variables": {"learned": {8: scores_of(1.0, 0.1), 48: scores_of(0.5, 0.1)}},
            "noise": {"learned": {0.0: scores_of(0.8, 0.0), 0.2: scores_of(0.6, 0.0)}},
        }
    ),
    "mutual information": lambda: draw.mutual_information(
        some_graph(5)[:, :3], FACTORS, list("abcde")
    ),
    "many columns": lambda: draw.mutual_information(some_graph(64)[:, :3], FACTORS),
    "information maps": lambda: draw.information_maps(
        np.random.default_rng(0).random((16, 2, 3)), (4, 4), FACTORS
    ),
    "score bars": lambda: draw.score_bars(
        {
            n: {s: Score(0.2 * i + 0.1, 0.05, 500, ()) for s in ("MIG", "SAP")}
            for i, n in enumerate("abc")
        }
    ),
    "leakage": lambda: draw.leakage(some_graph(3), FACTORS),
}
SIZES = [{"samples": n, "right": r, "error": e} for n, r, e in ((2500, 0.5, 1.0), (10_000, 1, 0.1))]
SWEPT = [{"relations": 3, "ratio by the null": 0.03, "missed, by ratio": [0, 2],
          "false, by ratio": [4, 0]}]  # fmt: skip
RUNS = [{"run": f"run {i}", "MMD on doubles": 0.1, "floor": 0.01, "copy": 6.0} for i in range(4)]
IDENTIFIED = {
    "by samples": lambda: draw.by_samples(
        SIZES, {"share right": {"found": "right"}, "error": {"found": "error"}}, errors=["error"]
    ),
    "by ratio": lambda: draw.by_ratio(SWEPT, [0.01, 0.1]),
    "twins' gaps": lambda: draw.twin_gaps(report.twins(0, 1)),
    "twins": lambda: draw.two_worlds(twins.of_each_kind(np.random.default_rng(0))[2]),
    "rows": lambda: draw.row_arrows({"a source": ([0, 1], [0, 2]), "a child": ([1, -1], [2, 0])}),
    "doubles": lambda: draw.doubles(RUNS),
    "score changes": lambda: draw.score_changes(
        {name: np.random.default_rng(0).standard_normal((2, 9, 2)) for name in ("one", "two")},
        "Arrows",
    ),
}
CASES = IMAGES | GRAPH_FIGURES | IN_A_ROW | MORE | IDENTIFIED


@cache
def drawn(case: str) -> tuple[draw.Picture, bytes]:
    """The figure of a case and its PNG, drawn once, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = CASES[case]()
        return figure, draw.png(figure)
