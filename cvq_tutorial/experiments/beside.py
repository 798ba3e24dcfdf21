"""What our steps cost beside a yardstick, and how much memory each phase of a run takes.

Ratios are to the layer of `reference`, taken in turns with ours in one process: each round times
both, and a ratio is that of one round. On a CPU seconds are those that the processor spends on the
work itself: neither the waiting on a busy machine, nor what the system needs to hand out fresh
memory, which the reference layer asks for by the hundred megabytes, and which doubled its time in
one run and not in the next.
"""

from __future__ import annotations

import os
import statistics
import time
from contextlib import closing
from pathlib import Path

import torch

import cvq_tutorial
from cvq_tutorial.experiments import reference
from cvq_tutorial.experiments.against import KINDS, Side
from cvq_tutorial.experiments.cases import (
    ACTIONS,
    BATCH,
    PAIRS,
    codes,
    model_of,
    timed,
    training_step,
)

OFTEN = 20  # of our steps for one of the reference layer


def working() -> float:
    """Seconds that this process has worked, in hundredths, without those of the system for it."""
    return os.times().user


def ratios(device: torch.device, quick: bool) -> dict[str, dict[str, float]]:
    """How many times longer the reference layer takes: {"step", "retrieval"}.

    Each has its milliseconds (per step of batch 16, or per pair) as `reference_ms` and `ours_ms`,
    `ratio` with `low` and `high` over the rounds, and `of_the_released`: the ratio in units in
    which commit 5a31287 has the 102 and 92 that are told in `reference`.
    quick: a tiny reference layer, for tests: its ratios mean nothing.
    """
    clock = working if device.type == "cpu" and not quick else time.perf_counter
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = {"nodes": 8, "discovery": 8, "hidden": 4} if quick else {}
        layer = reference.ReferenceLayer(**sizes).to(device)
        few = (2, 2) if quick else (reference.STEP_BATCH, reference.RETRIEVAL_BATCH)
        x, y = (codes(few[0], 1, device)[:, : layer.nodes, 0] for _ in range(2))
        action = torch.arange(few[0], device=device) % ACTIONS
        costly_step = reference.training_step(layer, x, action, y)
        step, model = training_step(4, ACTIONS, device), model_of(4, device)
        pairs = 4 if quick else PAIRS
        before, after = (codes(pairs, 4, device) for _ in range(2))

        def name_few() -> None:
            reference.retrieve(layer, x[: few[1]], y[: few[1]])

        def ours() -> None:
            for _ in range(OFTEN):
                step()

        work = {  # (the layer's, ours), each with how much is done in a call
            "step": ((costly_step, 1), (ours, OFTEN)),
            "retrieval": ((name_few, few[1]), (lambda: model.retrieve(before, after), pairs)),
        }
        spent: dict[str, list[list[float]]] = {name: [] for name in work}
        for turn in range(2 if quick else 4):
            for name, sides in work.items():
                each = [1000 * timed(call, device, clock) / done for call, done in sides]
                if turn:  # the first warms up
                    spent[name].append(each)
    told = {}
    for name, rows in spent.items():
        found = [costly / cheap for costly, cheap in rows]
        middle, (known, then) = statistics.median(found), reference.KNOWN[name]
        told[name] = {
            "reference_ms": round(statistics.median(row[0] for row in rows), 3),
            "ours_ms": round(statistics.median(row[1] for row in rows), 3),
            "ratio": round(middle, 2), "low": round(min(found), 2), "high": round(max(found), 2),
            "of_the_released": round(middle * known / then, 2),
        }  # fmt: skip
    return told


def memory(quick: bool) -> dict[str, int]:
    """Most resident bytes in each phase of a run, {kind as in `KINDS`: bytes}, on a CPU.

    A run of its own is made in another process, see `turns`.
    Raises RuntimeError with its last line if it failed.
    """
    most = dict.fromkeys(KINDS, 0)
    folder = Path(str(cvq_tutorial.__file__)).resolve().parent.parent
    with closing(Side(folder, "a run", quick)) as side:
        while (piece := side.turn()) is not None:
            most[piece["what"]] = max(most[piece["what"]], piece["peak"])
    return most


def lines(ratio: dict[str, dict[str, float]], most: dict[str, int]) -> list[str]:
    """Both for a person to read."""
    what = {"step": f"training step, batch {BATCH}", "retrieval": "retrieval, per pair"}
    told = [
        f"{what[name]}: the reference layer takes {r['ratio']:.0f} x ours ({r['low']:.0f} - "
        f"{r['high']:.0f}; {r['reference_ms']:,.1f} and {r['ours_ms']:.2f} ms); in units of "
        f"`reference`: {r['of_the_released']:.0f} x"
        for name, r in ratio.items()
    ]
    if most:
        each = ", ".join(f"{kind} {size / 1e6:,.0f} MB" for kind, size in most.items())
        told.append(f"most memory of a run, by phase: {each}")
    return told
