"""How long the pieces take here: a training step, a retrieval, an intervention, a click, a picture.

Sizes are those of the recipe `lesson` on 64 x 64 images (64 nodes, 64 codes, 12 actions); the
weights are random, which changes no time. All cases take turns within each round, so that a machine
that is busy for a while slows all of them alike; the median over rounds is the number to quote, the
smallest and largest say how much to trust it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from cvq_tutorial.common.device import half_precision, pick_device
from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.json_files import to_json
from cvq_tutorial.explore.graph import GraphExplorer
from cvq_tutorial.method.autoencoder import QuantizedAutoencoder
from cvq_tutorial.method.causal_transition import CausalTransition, transition_loss
from cvq_tutorial.method.codebooks import Quantizer
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.training.recipes import Recipe, get
from cvq_tutorial.worlds.make import make_world

FORMAT = 1
BATCH, NODES, CODES, ACTIONS, MANY_ACTIONS = 16, 64, 64, 12, 120
PICTURES = 512  # rendered at a time
RECIPE = get("lesson")
PAPER_STEP = "step_paper"


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
    Returns {format, machine, sizes, timings {name: Timing as a dict}, actions_120_over_12, matmul}.
    The ratio is what a training step costs with ten times the actions, of medians; for `matmul` see
    `of_the_peak`.
    Raises OSError when `out` cannot be written, ValueError for a device that is not here.
    """
    where = pick_device(device)
    seconds: dict[str, list[float]] = {}
    with contextlib.ExitStack() as left_open:
        cases = _cases(where, 32 if quick else PICTURES, left_open)
        for name in cases:  # warm-up: first calls choose kernels and fill caches
            _timed(cases[name][1], where)
        for _ in range(3 if quick else 30):
            for name, (_, call, _) in cases.items():
                seconds.setdefault(name, []).append(_timed(call, where))
        timings = {name: _timing(cases[name][0], seconds[name], cases[name][2]) for name in cases}
        name = PAPER_STEP if PAPER_STEP in cases else f"step_4_codebooks_{ACTIONS}_actions"
        matmul = of_the_peak(name, cases[name][1], timings[name].median_ms, where, quick)
    few, many = (timings[f"step_1_codebook_{a}_actions"] for a in (ACTIONS, MANY_ACTIONS))
    told = {
        "format": FORMAT,
        "machine": machine(where),
        "sizes": {
            "batch": BATCH, "nodes": NODES, "codes": CODES,
            "width": RECIPE.width, "reads": RECIPE.reads,
        },
        "timings": {name: asdict(timing) for name, timing in timings.items()},
        "actions_120_over_12": round(many.median_ms / few.median_ms, 3),
        "matmul": matmul,
    }  # fmt: skip
    print(table(told))
    if out is not None:
        write_atomic(out, to_json(told))
    return told


def of_the_peak(
    name: str, step: Callable, median_ms: float, device: torch.device, quick: bool
) -> dict:
    """How much of what this device multiplies in a second a training step makes use of.

    {case, flops of a step as torch counts them, flops_per_second, peak, share}. The peak is that of
    one product of two large square matrices, measured here, in the arithmetic of training.
    """
    n = 256 if quick else 8192 if device.type == "cuda" else 2048
    dtype = torch.bfloat16 if half_precision(device) else torch.float32
    square = torch.ones(n, n, device=device, dtype=dtype)
    best = min(_timed(lambda: square @ square, device) for _ in range(5))
    with FlopCounterMode(display=False) as counter:
        step()
    flops, peak = counter.get_total_flops(), 2 * n**3 / best
    rate = flops / (median_ms / 1000)
    return {
        "case": name, "flops": flops, "flops_per_second": round(rate), "peak": round(peak),
        "share": round(rate / peak, 4),
    }  # fmt: skip


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
        f"{about['device']}, bf16 {'on' if about['bf16'] else 'off'}, torch {about['torch']}",
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
    return "\n".join(lines)


def _cases(
    device: torch.device, pictures: int, left_open: contextlib.ExitStack
) -> dict[str, tuple[str, Callable, int]]:
    """{name: (what it is, a call, how many pictures a call makes)}.

    left_open: closes the explorers that the calls use.
    """
    cases: dict[str, tuple[str, Callable, int]] = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for codebooks, actions in ((1, ACTIONS), (4, ACTIONS), (1, MANY_ACTIONS)):
            books = "1 codebook" if codebooks == 1 else f"{codebooks} codebooks"
            cases[f"step_{books.replace(' ', '_')}_{actions}_actions"] = (
                f"training step, batch {BATCH}, {books}, {actions} actions",
                _training_step(codebooks, actions, device),
                0,
            )
        if device.type == "cuda":  # what fills a card; a CPU would be at it for seconds
            large = get("paper")
            cases[PAPER_STEP] = (
                f"training step of `paper`, batch {large.transition_batch}, 4 codebooks",
                _training_step(4, ACTIONS, device, large, large.transition_batch),
                0,
            )
        for codebooks in (1, 4):
            books = "1 codebook" if codebooks == 1 else f"{codebooks} codebooks"
            model = _model(codebooks, device)
            x, y = (_codes(1, codebooks, device) for _ in range(2))
            cases[f"retrieval_{books.replace(' ', '_')}"] = (
                f"retrieval, one pair, all {ACTIONS} actions, {books}",
                lambda model=model, x=x, y=y: model.retrieve(x, y),
                0,
            )
            cases[f"intervention_{books.replace(' ', '_')}"] = (
                f"intervention, one image, decoded, {books}",
                lambda model=model, x=x: model.intervene(x, 3),
                0,
            )
            cases[f"click_{books.replace(' ', '_')}"] = (
                f"graph explorer, from a click on an action to the new picture, {books}",
                _click(model, left_open),
                0,
            )
    for name in ("shapes3d", "sprites"):
        try:
            world = make_world(name)
        except OSError:  # its data are not on this machine
            continue
        assert world.has_images
        values = np.random.default_rng(0).integers(
            0, world.factors.sizes, (pictures, world.factors.n_factors)
        )
        cases[f"render_{name}"] = (
            f"rendering {pictures} images of {name}",
            lambda world=world, values=values: world.render(values),
            pictures,
        )
    return cases


def _training_step(
    codebooks: int, actions: int, device: torch.device, recipe: Recipe = RECIPE, batch: int = BATCH
) -> Callable[[], None]:
    """One step of the second phase as `train` takes it."""
    transition = _transition(codebooks, actions, recipe).to(device).train()
    optimizer = torch.optim.AdamW(transition.parameters(), 1e-4)
    x, y = (_codes(batch, codebooks, device) for _ in range(2))
    action = torch.arange(batch, device=device) % actions
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=half_precision(device)):
            output = transition(x, action, generator=generator)
        loss = transition_loss(
            output, y, mask_price=recipe.mask_price, edge_price=recipe.edge_price
        )
        optimizer.zero_grad(set_to_none=True)
        loss.total.backward()
        torch.nn.utils.clip_grad_norm_(transition.parameters(), 1.0)
        optimizer.step()

    return step


def _click(model: CausalVQ, left_open: contextlib.ExitStack) -> Callable[[], None]:
    """Another action is chosen: model, pictures, and all that is sent to the page."""
    explorer = GraphExplorer(model, torch.zeros(1, 3, 64, 64))
    left_open.callback(explorer.close)
    turn = itertools.cycle(model.action_names)

    def click() -> None:
        name = next(turn)
        explorer.action_menu.value = next(turn) if name == explorer.action else name
        if explorer.last_error:
            raise RuntimeError(explorer.last_error)

    return click


def _model(codebooks: int, device: torch.device) -> CausalVQ:
    quantizer = Quantizer(RECIPE.code_width, codebooks, CODES)
    auto = QuantizedAutoencoder(quantizer, width=RECIPE.decoder_width, blocks=RECIPE.decoder_blocks)
    names = [f"action {a}" for a in range(ACTIONS)]
    return CausalVQ(auto, _transition(codebooks, ACTIONS), names).to(device).eval()


def _transition(codebooks: int, actions: int, recipe: Recipe = RECIPE) -> CausalTransition:
    return CausalTransition(
        NODES, codebooks, CODES, actions, width=recipe.width, reads=recipe.reads
    )


def _codes(batch: int, codebooks: int, device: torch.device) -> Tensor:
    return torch.randint(CODES, (batch, NODES, codebooks)).to(device)


def _timed(call: Callable, device: torch.device) -> float:
    began = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter() - began


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
