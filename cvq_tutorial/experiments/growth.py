"""What a training step of the transition costs as it grows: time, memory, and their slopes.

Each size is measured in a process of its own, which takes a few steps and says how long one kept
the processor (median) and how much memory was resident at most. One axis grows at a time: nodes N,
codebooks C, codes K, actions A; the slope is that of a straight line through log(size) and
log(cost), and the last one that between the two largest sizes, where what is fixed weighs least.
`bytes_of_a_step` says what the memory should be; the table holds it against the measurement.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.json_files import to_json
from cvq_tutorial.experiments.bench import machine
from cvq_tutorial.method.causal_transition import CausalTransition, transition_loss
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.training.recipes import get

FORMAT = 1
BATCH = 8
BASE = {"nodes": 64, "codebooks": 4, "codes": 64, "actions": 12}
AXES = {
    "nodes": (64, 128, 256, 512, 1024),
    "codebooks": (1, 4, 16, 64),
    "codes": (16, 64, 256, 1024),
    "actions": (10, 100, 1000),
}
QUICK = {"nodes": (16, 32), "codebooks": (1, 4), "codes": (8, 32), "actions": (10, 100)}
STEPS = 3
FIXED = 95_000_000  # bytes that torch loads with a first step, whatever its size
RECIPE = get("lesson")
WIDTH, READS, HEADS = RECIPE.width, RECIPE.reads, CausalTransition.HEADS
LETTERS = {"nodes": "N", "codebooks": "C", "codes": "K", "actions": "A"}


def bytes_of_a_step(
    nodes: int, codebooks: int, codes: int, actions: int, batch: int = BATCH
) -> int:
    """Bytes that a float32 training step needs, beside what the process has before it.

    Weights stand four times in memory (with gradients and both averages), the edges that are
    allowed once per action. Maps (B, N, N) in float32, counted in the code: 4 of edges, 2 per head
    and read, which wait for the way back, and 1 per head on it. Fitted to what was measured: 7 maps
    (B, N, C, K), 40 maps (B, N, D) and 20 per read, and what torch loads with its first step.
    """
    weights = codebooks * codes * (2 * WIDTH + 1) + 2 * nodes * WIDTH
    weights += actions * WIDTH * (2 + 2 * READS) + (8 + 9 * READS) * WIDTH**2
    edges = 4 + READS * 2 * HEADS + HEADS
    maps = nodes**2 * edges + nodes * codebooks * codes * 7 + nodes * WIDTH * (40 + 20 * READS)
    return FIXED + 16 * weights + actions * nodes**2 + 4 * batch * maps


def bytes_of_transitions(n: int, nodes: int, codebooks: int, codes: int) -> int:
    """Bytes of n encoded transitions, x and y, a code in a byte where that is enough, and actions.

    While they are encoded half of them stand twice.
    """
    return 2 * n * nodes * codebooks * (1 if codes <= 256 else 2) + 8 * n


def measured(nodes: int, codebooks: int, codes: int, actions: int) -> dict[str, float]:
    """Milliseconds (median) and most resident bytes of a step in this process; see `in_its_own`."""
    before = _resident()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = CausalTransition(nodes, codebooks, codes, actions, width=WIDTH, reads=READS).train()
    optimizer = torch.optim.AdamW(net.parameters(), 1e-4, fused=True)
    drawn = torch.Generator().manual_seed(0)
    x, y = (torch.randint(codes, (BATCH, nodes, codebooks), generator=drawn) for _ in range(2))
    action = torch.arange(BATCH) % actions
    seconds = []
    for _ in range(STEPS):
        began = time.process_time()
        out = net(x, action, generator=drawn)
        loss = transition_loss(out, y, mask_price=RECIPE.mask_price, edge_price=RECIPE.edge_price)
        optimizer.zero_grad(set_to_none=True)
        loss.total.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        del out, loss
        seconds.append(time.process_time() - began)
    told = {"ms": 1000 * statistics.median(seconds), "before": before, "peak": _resident()}
    return told


def _resident() -> int:
    """Most bytes that this process had resident so far."""
    with contextlib.suppress(OSError):  # Linux; what getrusage says may be of who started it
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return 1024 * int(line.split()[1])
    import resource  # Windows has none

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def in_its_own(sizes: dict[str, int]) -> dict[str, float]:
    """`measured` in a new process, so that nothing that was there before is counted.

    Raises RuntimeError with its last line if it failed, such as for want of memory.
    """
    words = f"from cvq_tutorial.experiments import growth; growth.tell({sizes})"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise RuntimeError(f"a step with {sizes} failed: {last}")
    return json.loads(done.stdout)


def tell(sizes: dict[str, int]) -> None:
    """Print what `measured` says, as JSON."""
    print(json.dumps(measured(**sizes)))


def slope(sizes: list[int], costs: list[float]) -> float:
    """Of a straight line through log(size) and log(cost), by least squares; 2 is quadratic."""
    x, y = ([math.log(v) for v in values] for values in (sizes, costs))
    return statistics.linear_regression(x, y).slope


def run(
    out: str | Path | None = "figures/growth.json",
    quick: bool = False,
    say: Callable[[str], object] = print,
) -> dict:
    """Measure all axes, say the table, and write it as JSON and, beside it, as Markdown.

    out: the JSON; None writes nothing.  quick: small sizes, for tests.
    Returns {format, machine, batch, base, axes {axis: {rows, slopes}}}.
    """
    axes = {}
    for axis, sizes in (QUICK if quick else AXES).items():
        rows = []
        for size in sizes:
            asked = BASE | ({"nodes": 16} if quick else {}) | {axis: size}
            found = in_its_own(asked)
            row = {"size": size, "ms": round(found["ms"], 2), "before": int(found["before"])}
            row["bytes"] = max(1, int(found["peak"] - found["before"]))
            row["formula"] = bytes_of_a_step(**asked)
            rows.append(row)
        slopes = {}
        for cost in ("ms", "bytes"):
            pairs = [(r["size"], float(r[cost])) for r in rows]
            for name, chosen in (("all", pairs), ("last", pairs[-2:])):
                each = [list(part) for part in zip(*chosen, strict=True)]
                slopes[f"{cost}_{name}"] = round(slope(*each), 2)
        axes[axis] = {"rows": rows, "slopes": slopes}
    told = {
        "format": FORMAT, "machine": machine(torch.device("cpu")), "batch": BATCH, "base": BASE,
        "axes": axes,
    }  # fmt: skip
    page = markdown(told)
    say(page)
    if out is not None:
        write_atomic(out, to_json(told))
        write_atomic(Path(out).with_suffix(".md"), page.encode())
    return told


def markdown(told: dict) -> str:
    """The page of a result of `run`."""
    about = told["machine"]
    base = ", ".join(f"{LETTERS[k]} = {v}" for k, v in told["base"].items())
    lines = [
        "# Growth on paper",
        "",
        "`cvq bench --growth` makes this page. One training step of the transition, batch "
        f"{told['batch']}, float32, width {WIDTH}, {READS} reads, {HEADS} heads; one axis grows, "
        f"the others stay at {base}.",
        f"{about['processor']}, {about['threads']} threads, torch {about['torch']}. Milliseconds "
        "are those of the processor, which a busy machine changes little. *Resident*: the most "
        "memory of the process, less what it had before the step was built. *Formula*: "
        "`growth.bytes_of_a_step`. Slopes are those of log(cost) against log(size): over all "
        "sizes, and between the two largest.",
    ]
    for axis, found in told["axes"].items():
        lines += ["", f"| {axis} {LETTERS[axis]} | CPU ms per step | resident MB | formula MB |"]
        lines += ["| --- | --- | --- | --- |"]
        for r in found["rows"]:
            mb = f"{r['bytes'] / 1e6:,.0f} | {r['formula'] / 1e6:,.0f}"
            lines.append(f"| {r['size']:,} | {r['ms']:,.1f} | {mb} |")
        s = found["slopes"]
        told_slopes = (
            f"{s['ms_all']:.2f}, {s['ms_last']:.2f} | {s['bytes_all']:.2f}, {s['bytes_last']:.2f}"
        )
        lines.append(f"| *slopes: all, last* | {told_slopes} | |")
    return "\n".join([*lines, "", *_what_breaks_first(), ""])


def bytes_of_a_retrieval(nodes: int, actions: int) -> int:
    """Bytes of the maps that stand at once while a pair is compared under every action."""
    fits = CausalTransition(nodes, 1, 2, 1, width=HEADS).at_once(CausalVQ.BATCH)
    return 4 * min(actions, fits) * nodes**2 * (2 * HEADS + 4)


def _what_breaks_first() -> list[str]:
    """The end of the page, from the formulas alone."""

    def gb(size: int) -> str:
        return f"{size / 1e9:,.1f} GB"

    paper = get("paper")
    sizes = (64, paper.codebooks, paper.codes)
    kept = [bytes_of_transitions(n, *sizes) for n in (paper.transitions, 10**7, 10**8)]
    step = [bytes_of_a_step(n, 4, 64, 12) for n in (1024, 2048)]
    return [
        "## What breaks first",
        "",
        "From the formulas (width and reads as above):",
        "",
        f"* **nodes**: a step is quadratic in N; batch {BATCH}: {gb(step[0])} at 1,024, "
        f"{gb(step[1])} at 2,048. Passes without gradient take fewer rows at a time from 257 nodes "
        "on. Before memory, *pruning* ends it: it asks once per node and action, N passes of N x N "
        "each, so that `prune_tolerance` and `edge_worth` are for graphs of tens of nodes.",
        "* **actions**: a step hardly notices them. What does are the edges that are allowed, "
        f"A N N bytes in memory and in every checkpoint ({gb(1000 * 1024**2)} with 1,000 actions "
        "and 1,024 nodes): this breaks first. Retrieval compares one pair under as many actions at "
        f"once as fit: {gb(bytes_of_a_retrieval(64, 1000))} with 1,000 actions at 64 nodes, "
        f"{gb(bytes_of_a_retrieval(1024, 1000))} at 1,024.",
        "* **codebooks and codes**: weights and probabilities grow with C K; the graph does not.",
        f"* **pictures**: of `paper`, {paper.transitions:,} encoded transitions take "
        f"{kept[0] / 1e6:,.0f} MB, a byte per code; 10,000,000 take {gb(kept[1])}, and 100,000,000 "
        f"{gb(kept[2])}: they are held in memory, so that is where it ends.",
        "* **processes**: each draws the noise and encodes the transitions of all, so that only "
        "steps become faster; gradients are one message of four bytes per weight.",
    ]
