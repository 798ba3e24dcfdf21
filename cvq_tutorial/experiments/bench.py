"""How long the pieces take here: a training step, a retrieval, an intervention, a click, a picture.

What is timed is in `cases`; all cases take turns within each round, so that a machine
that is busy for a while slows all of them alike; the median over rounds is the number to quote, the
smallest and largest say how much to trust it.
"""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from cvq_tutorial.common.device import half_precision, pick_device
from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.json_files import to_json
from cvq_tutorial.experiments.cases import (
    ACTIONS,
    BATCH,
    CODES,
    LARGE_STEP,
    MANY_ACTIONS,
    NODES,
    PAIRS,
    PAPER_STEP,
    PICTURE_STEP,
    RECIPE,
    cases,
    timed,
)

FORMAT = 1
PICTURES = 512  # rendered at a time
PRODUCT = "product"
SMALL_STEP = f"step_4_codebooks_{ACTIONS}_actions"
STEPS = {SMALL_STEP, LARGE_STEP, PICTURE_STEP, PAPER_STEP}


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one call over `repeats` calls; `per_second` where a call makes pictures."""

    what: str
    median_ms: float
    min_ms: float
    max_ms: float
    repeats: int
    per_second: float | None = None


def run(
    out: str | Path | None = "figures/bench.json", quick: bool = False, device: str = "auto"
) -> dict:
    """Time everything, print a table, and write it as JSON.

    out: where to; None writes nothing.  quick: three rounds instead of thirty, for tests.
    device: as of `pick_device`.
    Returns {format, machine, load, sizes, timings {name: Timing as a dict}, actions_120_over_12,
    matmul, floors, reference, memory}. The ratio is what a training step costs with ten times the
    actions, of medians; for `matmul` and `floors` see `of_the_peak`; for the last two `beside`.
    Raises OSError when `out` cannot be written, ValueError for a device that is not here.
    """
    from cvq_tutorial.experiments import beside

    where = pick_device(device)
    seconds: dict[str, list[float]] = {}
    size, product = _product(where, quick)
    with contextlib.ExitStack() as left_open:
        work = cases(where, 32 if quick else PICTURES, left_open, 4 if quick else PAIRS)
        work[PRODUCT] = (f"product of two matrices of {size} x {size}", product, 0)
        for name in work:  # warm-up: first calls choose kernels and fill caches
            _timed(work[name][1], where)
        for _ in range(3 if quick else 30):
            for name, (_, call, _) in work.items():
                seconds.setdefault(name, []).append(_timed(call, where))
        timings = {name: _timing(work[name][0], seconds[name], work[name][2]) for name in work}
        peak = 2 * size**3 / (timings[PRODUCT].median_ms / 1000)
        flops = {n: of_the_peak(n, work[n][1], timings[n].median_ms, peak) for n in STEPS & {*work}}
    ratio = beside.ratios(where, quick)
    most = beside.memory(quick) if where.type == "cpu" else {}
    few, many = (timings[f"step_1_codebook_{a}_actions"] for a in (ACTIONS, MANY_ACTIONS))
    told = {
        "format": FORMAT,
        "machine": machine(where),
        "load": load(),
        "sizes": {
            "batch": BATCH, "nodes": NODES, "codes": CODES,
            "width": RECIPE.width, "reads": RECIPE.reads,
        },
        "timings": {name: asdict(timing) for name, timing in timings.items()},
        "actions_120_over_12": round(many.median_ms / few.median_ms, 3),
        "matmul": flops[PAPER_STEP if PAPER_STEP in flops else SMALL_STEP],
        "floors": {name: flops[name] for name in (LARGE_STEP, PICTURE_STEP) if name in flops},
        "reference": ratio,
        "memory": most,
    }  # fmt: skip
    print("\n".join([table(told), *beside.lines(ratio, most)]))
    if out is not None:
        write_atomic(out, to_json(told))
    return told


def _product(device: torch.device, quick: bool) -> tuple[int, Callable[[], object]]:
    """A large product of two matrices, in the arithmetic of training, and its size."""
    n = 256 if quick else 8192 if device.type == "cuda" else 2048
    dtype = torch.bfloat16 if half_precision(device) else torch.float32
    square = torch.ones(n, n, device=device, dtype=dtype)
    return n, lambda: square @ square


def of_the_peak(name: str, step: Callable, median_ms: float, peak: float) -> dict:
    """How much of what this device multiplies in a second a training step makes use of.

    peak: operations per second of one large product of matrices, measured in the same rounds.
    Returns {case, flops of a step as torch counts them, flops_per_second, peak, share, floor_ms};
    the last is how long the products alone would take at the peak.
    """
    with FlopCounterMode(display=False) as counter:
        step()
    flops = counter.get_total_flops()
    rate = flops / (median_ms / 1000)
    return {
        "case": name, "flops": flops, "flops_per_second": round(rate), "peak": round(peak),
        "share": round(rate / peak, 4), "floor_ms": round(1000 * flops / peak, 3),
    }  # fmt: skip


def load() -> float | None:
    """Processes that wanted to work during the last five minutes; None where nobody counts them."""
    return round(os.getloadavg()[1], 1) if hasattr(os, "getloadavg") else None


def machine(device: torch.device) -> dict:
    """What the times depend on: processor, cores, threads, versions, precision; not who owns it."""
    return {
        "processor": _processor(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "bf16": half_precision(device),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
    }


def table(told: dict) -> str:
    """The result of `run` for a person to read."""
    about = told["machine"]
    width = max(len(t["what"]) for t in told["timings"].values())
    lines = [
        f"{about['processor']}, {about['cores']} cores, {about['threads']} threads, device "
        f"{about['device']}, bf16 {'on' if about['bf16'] else 'off'}, torch {about['torch']}, "
        f"load {told['load']}",
        f"{'':{width}}  median ms  (min - max)",
    ]
    for t in told["timings"].values():
        rate = f"  = {t['per_second']:,.0f} images/s" if t["per_second"] else ""
        spread = f"({t['min_ms']:.1f} - {t['max_ms']:.1f})"
        lines.append(f"{t['what']:{width}}  {t['median_ms']:9.1f}  {spread}{rate}")
    lines.append(f"a step with 120 actions takes {told['actions_120_over_12']:.2f} x one with 12")
    matmul = told["matmul"]
    rate = f"{matmul['flops_per_second'] / 1e12:.3g} TFLOP/s, {matmul['share']:.1%}"
    what = told["timings"][matmul["case"]]["what"]
    lines.append(f"{what}: {rate} of a large product of matrices")
    for name, found in told["floors"].items():
        what, took = (told["timings"][name][k] for k in ("what", "median_ms"))
        lines.append(
            f"{what}: {took / found['floor_ms']:.1f} x its floor of {found['floor_ms']:.1f} ms "
            f"({found['flops'] / 1e9:.1f} GFLOP)"
        )
    return "\n".join(lines)


def _timed(call: Callable, device: torch.device) -> float:
    return timed(call, device, time.perf_counter)


def _timing(what: str, seconds: list[float], pictures: int) -> Timing:
    median = statistics.median(seconds)
    low, middle, high = (round(1000 * s, 3) for s in (min(seconds), median, max(seconds)))
    rate = round(pictures / median, 1) if pictures else None
    return Timing(what, middle, low, high, len(seconds), rate)


def _processor() -> str:
    """The processor's model name."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux: ask the library
    return platform.processor() or platform.machine()
