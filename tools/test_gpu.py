"""What a CUDA card changes, in eight minutes: `make test-gpu`, or with any interpreter

    PY tools/test_gpu.py                          on a card; writes figures/gpu.json
    PY tools/test_gpu.py --device cpu --quick     the same script without one, in seconds

It needs this checkout and an interpreter, and installs nothing: a part whose modules are not there
is skipped by name, as is what there is no time for. The parts, each a process of its own:

* equal: losses of a first step and codes of pictures, on the card and on the CPU, in float32;
* tests: those marked `gpu`;
* bench: `cvq bench` on the device;
* run: the recipe `paper`, cut after two minutes on pictures and one on codes;
* notebooks: the lessons with solutions under nbval, lax, as many as there is time for.

The exit code is 1 if a part failed, and 0 otherwise, also where there is no card: then there is one
line that says so.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 480.0  # for all parts together
PYTEST = ["-m", "pytest", "-q", "-o", "filterwarnings=", "-o", "addopts=--import-mode=importlib"]
PACKAGE = (
    "torch", "numpy", "scipy", "sklearn", "pandas", "h5py", "PIL", "matplotlib", "seaborn",
    "networkx", "lark", "safetensors", "filelock", "platformdirs", "fastjsonschema", "packaging",
    "click", "tqdm",
)  # fmt: skip
KERNEL = ("nbformat", "jupyter_client", "ipykernel", "nbclient", "papermill")
WIDGETS = ("ipywidgets", "anywidget", "traitlets")
NEEDED = {
    "equal": PACKAGE, "tests": (*PACKAGE, *KERNEL, *WIDGETS, "pytest"),
    "bench": (*PACKAGE, *WIDGETS), "run": PACKAGE,
    "notebooks": (*PACKAGE, *KERNEL, *WIDGETS, "pytest", "nbval"),
}  # fmt: skip
LOSS, CODES = 1e-4, 0.999  # relative difference of losses at most, share of equal codes at least


class Failed(Exception):
    """A part that ran and was wrong; one line."""


class Skipped(Exception):
    """A part that could not run; one line."""


def process(words: Sequence[str], seconds: float, *, allowed: tuple[int, ...] = (0,)) -> str:
    """The output of a Python process in the checkout.

    Raises:
        Failed: with its last line, for another exit code than those allowed.
        Skipped: it had not ended in time.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    done = subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        out, _ = done.communicate(timeout=max(1.0, seconds))
    except subprocess.TimeoutExpired:
        done.kill()
        done.communicate()
        raise Skipped(f"no time left after {seconds:.0f} s") from None
    if done.returncode not in allowed:
        raise Failed(
            f"exit code {done.returncode}: {(out.strip() or 'no output').splitlines()[-1]}"
        )
    return out


# The parts: (device, whether quick, seconds that are left) -> numbers ----------------------------


def equal(device: str, quick: bool, seconds: float) -> dict[str, Any]:
    """The table of `compare`, made in a process that has not touched a card yet."""
    told = process([__file__, "--compare", device], seconds)
    table = json.loads(told.splitlines()[-1])
    for row in table:
        if not row["difference"] <= row["at_most"]:
            raise Failed(f"{row['what']}: {row['cpu']} and {row['device']}")
    return {"table": table}


def compare(device: str) -> list[dict[str, Any]]:
    """First-step losses of both phases and codes of a trained model, here and on the CPU."""
    import numpy as np
    import torch

    from cvq_tutorial.common.images import to_float
    from cvq_tutorial.lessons.shipped import SHIPPED
    from cvq_tutorial.method.causal_transition import transition_loss
    from cvq_tutorial.training import checkpoints
    from cvq_tutorial.training.recipes import get

    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    places = (torch.device("cpu"), torch.device(device))
    rows: list[dict[str, Any]] = []

    def row(what: str, each: list[float]) -> None:
        apart = abs(each[0] - each[1]) / abs(each[0])
        told = {"cpu": each[0], "device": each[1], "difference": apart, "at_most": LOSS}
        rows.append({"what": what} | told)

    models = [checkpoints.load_run(SHIPPED / "shapes3d-lesson-s0", device=p) for p in places]
    world = models[0][1]
    values = np.random.default_rng(0).integers(
        0, world.factors.sizes, (512, len(world.factors.sizes))
    )
    images = to_float(world.render(values))
    with torch.no_grad():
        codes = [model.encode(images).cpu() for model, _, _ in models]
        whole = [
            model.autoencoder(images.to(p)) for (model, _, _), p in zip(models, places, strict=True)
        ]
    row("picture loss, trained", [float((w.images.cpu() - images).square().mean()) for w in whole])
    row("pull to the codes, trained", [float(w.quantized.commitment) for w in whole])
    apart = float((codes[0] != codes[1]).float().mean())
    told = {"cpu": 1.0, "device": 1.0 - apart, "difference": apart, "at_most": 1.0 - CODES}
    rows.append({"what": "codes that are equal"} | told)
    for name in ("nano", "lesson"):
        losses: dict[str, list[float]] = {}
        for place in places:
            torch.manual_seed(0)
            model = checkpoints.build(world, get(name)).to(place)
            auto, net = model.autoencoder.train(), model.transition.train()
            z = auto.encoder(images[:64].to(place))
            losses.setdefault("picture", []).append(
                float((auto.decoder(z) - images[:64].to(place)).square().mean().detach())
            )
            drawn = torch.Generator().manual_seed(0)
            size = (32, net.nodes, net.codebooks)
            x, y = (torch.randint(net.codes, size, generator=drawn).to(place) for _ in range(2))
            actions = (torch.arange(32) % net.actions).to(place)
            out = net(x, actions, generator=drawn)
            parts = transition_loss(out, y, mask_price=0.1, edge_price=0.02)
            losses.setdefault("transition", []).append(float(parts.total.detach()))
            gradients = torch.autograd.grad(parts.total, list(net.parameters()))
            length = torch.stack([g.norm() for g in gradients]).norm()
            losses.setdefault("length of its gradient", []).append(float(length))
        for what, each in losses.items():
            row(f"first step of {name}, {what}", each)
    return rows


def tests(device: str, quick: bool, seconds: float) -> dict[str, Any]:
    """Only the files that have such tests are looked at: others may need what is not here."""
    files = [p for p in sorted((ROOT / "tests").rglob("test_*.py")) if "mark.gpu" in p.read_text()]
    out = process(
        [*PYTEST, "-m", "gpu", *map(str, files)], seconds, allowed=(0, 5) if quick else (0,)
    )
    return {"told": out.strip().splitlines()[-1]}


def bench(device: str, quick: bool, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="cvq-gpu-") as folder:
        out = Path(folder) / "bench.json"
        words = ["bench", "--device", device, "--out", str(out), *(["--quick"] if quick else [])]
        process(["-m", "cvq_tutorial", *words], seconds)
        return json.loads(out.read_text("utf-8"))


def run(device: str, quick: bool, seconds: float) -> dict[str, Any]:
    """Ctrl-C after a while must save; the rows of the log say how far it came."""
    told: dict[str, Any] = {}
    cuts = {"codes": 2.0} if quick else {"shapes3d": 120.0, "codes": 60.0}
    with tempfile.TemporaryDirectory(prefix="cvq-gpu-") as folder:
        for world, cut in cuts.items():
            place = Path(folder) / world
            words = ["-m", "cvq_tutorial", "train", world, "--recipe", "nano" if quick else "paper"]
            words += ["--device", device, "--run-dir", str(place)]
            words += ["--set", "transition_steps=4000"] if quick else []
            work = subprocess.Popen(
                [sys.executable, *words], cwd=ROOT, text=True,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )  # fmt: skip
            began = time.monotonic()
            try:
                while work.poll() is None and time.monotonic() - began < min(cut, seconds):
                    time.sleep(0.1)
                while work.poll() is None and not (place / "log.csv").exists():
                    if time.monotonic() - began > seconds:
                        raise Skipped(f"{world}: no step was logged in {seconds:.0f} s")
                    time.sleep(0.1)
                work.send_signal(signal.SIGINT)
                said = work.communicate(timeout=60)[1].strip() or "nothing said"
            finally:
                work.kill()
                work.wait()
            ended = work.returncode == 0 and (place / "model.json").exists()
            stopped = work.returncode == 130 and (place / "state.safetensors").exists()
            if not ended and not stopped:
                raise Failed(f"{world}: exit code {work.returncode}: {said.splitlines()[-1]}")
            rows = list(csv.DictReader((place / "log.csv").read_text("utf-8").splitlines()))
            last = {k: v for k, v in rows[-1].items() if v}
            told[world] = {"rows": len(rows), "last": last, "ended": ended}
            told[world]["steps_per_second"] = round(int(last["step"]) / float(last["seconds"]), 2)
            seconds -= time.monotonic() - began
    return told


def notebooks(device: str, quick: bool, seconds: float) -> dict[str, Any]:
    """Lax: cells may not fail, facts are compared. As many side by side as there are cores for."""
    books = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))[: 1 if quick else None]
    words = [*PYTEST, "--nbval-lax", "--nbval-current-env"]
    words += ["--nbval-sanitize-with", "tests/nbval.cfg"]
    deadline, told = time.monotonic() + seconds, {}
    waiting, at_work = list(books), {}
    while waiting or at_work:
        while waiting and len(at_work) < max(1, (os.cpu_count() or 1) // 4):
            book = waiting.pop(0)
            at_work[book] = subprocess.Popen(
                [sys.executable, *words, str(book)], cwd=ROOT, text=True,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
        late = time.monotonic() > deadline
        for book, work in list(at_work.items()):
            if work.poll() is None and not late:
                continue
            if work.poll() is None:
                work.kill()
                told[book.stem] = "no time left"
                work.communicate()
            else:
                out = (work.communicate()[0].strip() or "no output").splitlines()
                told[book.stem] = ("" if work.returncode == 0 else "FAILED: ") + out[-1]
            del at_work[book]
        if late:
            told |= {book.stem: "no time left" for book in waiting}
            waiting = []
        time.sleep(0.2)
    if wrong := [name for name, text in told.items() if text.startswith("FAILED")]:
        raise Failed("; ".join(f"{name}: {told[name]}" for name in wrong))
    return told


PARTS: dict[str, Callable[[str, bool, float], dict[str, Any]]] = {
    "equal": equal, "tests": tests, "bench": bench, "run": run, "notebooks": notebooks,
}  # fmt: skip


def missing(names: Sequence[str]) -> list[str]:
    """Modules that this interpreter does not have."""
    return [name for name in names if importlib.util.find_spec(name) is None]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to try the script")
    parser.add_argument("--quick", action="store_true", help="the least that shows a part works")
    parser.add_argument("--out", type=Path, default=ROOT / "figures" / "gpu.json")
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--compare", metavar="DEVICE", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(ROOT))
    if options.compare:
        print(json.dumps(compare(options.compare)))
        return 0
    if sys.version_info < (3, 11):  # noqa: UP036 - any interpreter may be given
        print(f"test-gpu: needs Python 3.11 or newer, found {platform.python_version()}")
        return 0
    if absent := missing(("torch",)):
        print(f"test-gpu: nothing is tested: {sys.executable} has no {absent[0]}")
        return 0
    import torch

    card = options.device.startswith("cuda")
    if card and not torch.cuda.is_available():
        print(f"test-gpu: nothing is tested: torch {torch.__version__} finds no CUDA device here")
        return 0
    began, told = time.monotonic(), {}
    for name in options.only:
        left, start = SECONDS - (time.monotonic() - began), time.monotonic()
        part: dict[str, Any] = {"state": "passed"}
        try:
            if absent := missing(NEEDED[name]):
                raise Skipped(f"not installed: {', '.join(absent)}")
            part["told"] = PARTS[name](options.device, options.quick, left)
        except (Skipped, Failed) as error:
            part = {"state": type(error).__name__.lower(), "why": str(error)}
        part["seconds"] = round(time.monotonic() - start, 1)
        told[name] = part
        print(f"{name}: {part['state']} in {part['seconds']} s {part.get('why', '')}", flush=True)
    machine = {
        "card": torch.cuda.get_device_name(options.device) if card else None,
        "torch": torch.__version__, "python": platform.python_version(), "cores": os.cpu_count(),
    }  # fmt: skip
    if card and not options.quick:
        from cvq_tutorial.common.files import write_atomic

        content = {"format": 1, "machine": machine, "parts": told}
        write_atomic(options.out, (json.dumps(content, indent=1) + "\n").encode())
        print(f"written: {options.out}")
    return int(any(part["state"] == "failed" for part in told.values()))


if __name__ == "__main__":
    sys.exit(main())
