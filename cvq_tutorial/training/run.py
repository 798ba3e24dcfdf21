"""One run folder and one loop: what makes a run resumable, logged and stoppable.

Every batch of a run follows from (seed, purpose, step) alone. A run that was stopped therefore only
needs its weights, its optimiser's averages and the number of the step to go on as if nothing had
happened: it ends with the same bits (on one kind of CPU with one number of threads). Ctrl-C stops
after the step at hand and leaves that state in the run folder; so does, every half minute, the loop
itself, for the times when nobody asked.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor
from tqdm.auto import tqdm

from cvq_tutorial.common.checks import whole_number
from cvq_tutorial.common.device import half_precision
from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.json_files import read_rows
from cvq_tutorial.common.progress import is_watched
from cvq_tutorial.training import checkpoints, trusted
from cvq_tutorial.training.recipes import Recipe

COLUMNS = (
    "phase", "step", "seconds", "loss", "mse", "psnr", "commit", "perplexity", "used", "kl",
    "nll", "mask_price", "edge_price", "set_codes", "edges_per_set_node", "action_accuracy",
)  # fmt: skip
PHASES = ("autoencoder", "transition", "classifier")  # in this order; a run has some of them
SAVE_EVERY = 30.0  # seconds between saved states
STATE = "state.safetensors"


def stopped_run(folder: Path) -> dict | None:
    """World, recipe, seed and network of the stopped run in a folder; None if there is none.

    A state that cannot be read is none, too: the run itself says what is wrong with it.
    """
    try:
        with safe_open(folder / STATE, "pt") as file:
            return trusted.state_header(file.metadata(), STATE, PHASES)["identity"]
    except Exception:
        return None


class Run:
    """One run folder: identity, resumable state, log, progress. Knows nothing of the method."""

    def __init__(
        self,
        world: Any,
        recipe: Recipe,
        seed: int,
        run_dir: Path,
        device: torch.device,
        show: bool,
        on_log: Callable[[dict, Any], None] | None = None,
        network: dict | None = None,
    ) -> None:
        """network: what is trained, for `model.json`, where it is not the method but a baseline.

        Raises TypeError or ValueError for a seed that is no integer of 0 or more.
        """
        whole_number("seed", seed, 0)
        self.world, self.recipe, self.seed = world, recipe, seed
        self.dir, self.device, self.show, self.on_log = run_dir, device, show, on_log
        told = {
            "world": checkpoints.describe(world), "recipe": recipe.to_json(), "seed": seed,
            "network": network,
        }  # fmt: skip
        self.identity = json.dumps(told, sort_keys=True)
        self.rows: list[dict] = []
        self.seconds: dict[str, float] = {}
        self.phase, self.step = "", 0
        self.optimizer_state: dict[str, Tensor] = {}

    # -- randomness: everything follows from (seed, purpose, step)

    def numbers(self, purpose: int, step: int, *more: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, purpose, step, *more])

    def generator(self, purpose: int, step: int) -> torch.Generator:
        word = hashlib.sha256(f"{self.seed}/{purpose}/{step}".encode()).digest()[:7]
        return torch.Generator().manual_seed(int.from_bytes(word, "little"))

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half_precision(self.device))

    # -- what is already there

    def finished(self) -> bool:
        """Whether the folder holds this very run, finished; ValueError if it holds another."""
        try:
            info = checkpoints.read_info(self.dir)
        except checkpoints.CheckpointError:
            if (self.dir / "model.json").exists():
                raise
            return False
        self._same(info, "model.json")
        self.say("already trained: loaded, nothing to do")
        return True

    def resume(self, model: torch.nn.Module) -> None:
        """Take weights, optimiser and log from the state of a stopped run, if there is one."""
        path = self.dir / STATE
        if not path.exists():  # find out now, not after the work, whether it can be written
            write_atomic(path, save_tensors({"empty": torch.zeros(1)}, self._header())).unlink()
            return
        try:
            with safe_open(path, "pt") as file:
                header = trusted.state_header(file.metadata(), STATE, PHASES)
                tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        except Exception as error:
            raise checkpoints.CheckpointError(
                f"{path} is damaged ({error}); delete it to start this run again"
            ) from None
        self._same(header["identity"], STATE)
        if not header["phase"]:
            return
        try:
            model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
        except RuntimeError:
            raise checkpoints.CheckpointError(
                f"{path} was left by another version of cvq_tutorial; "
                "delete it to start this run again"
            ) from None
        self.optimizer_state = {k[6:]: v for k, v in tensors.items() if k.startswith("optim.")}
        self.phase, self.step = header["phase"], header["step"]
        self.rows, self.seconds = header["rows"], header["seconds"]
        self.say(f"going on with {self.phase} at step {self.step}")

    def _same(self, found: dict, name: str) -> None:
        identity = json.loads(self.identity)
        found = found | {"recipe": checkpoints.grown(found.get("recipe") or {})}
        if isinstance(found.get("world"), dict):  # the same pictures may have been moved
            found |= {"world": checkpoints.placeless(found["world"])}
            identity |= {"world": checkpoints.placeless(identity["world"])}
        for key in ("world", "recipe", "seed", "network"):
            expected = identity[key]
            if json.loads(json.dumps(found.get(key))) != expected:
                raise ValueError(
                    f"{self.dir / name} is of another run: "
                    f"{_difference(key, expected, found.get(key))}; "
                    "choose another run folder, or delete this one"
                )

    def _header(self) -> dict[str, str]:
        told = {
            "identity": self.identity, "phase": self.phase, "step": self.step,
            "rows": self.rows, "seconds": self.seconds,
        }  # fmt: skip
        return {"run": json.dumps(told)}

    def save(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        tensors = {f"model.{k}": v.cpu().contiguous() for k, v in model.state_dict().items()}
        for i, state in optimizer.state_dict()["state"].items():
            for k, v in state.items():
                tensors[f"optim.{i}.{k}"] = v.cpu().contiguous()
        write_atomic(self.dir / STATE, save_tensors(tensors, self._header()))

    # -- the loop

    def loop(
        self,
        phase: str,
        model: torch.nn.Module,
        part: torch.nn.Module,
        steps: int,
        rate: float,
        step_loss: Callable[[int], tuple[Tensor, Callable[[], dict]]],
        show: tuple[str, ...],
    ) -> None:
        """Minimise over `steps` steps of AdamW, warm-up and cosine; log, save, stop when asked."""
        if self.phase and PHASES.index(phase) < PHASES.index(self.phase):
            return  # done before the run was stopped
        if self.phase != phase:
            self.phase, self.step, self.optimizer_state = phase, 0, {}
        parameters = list(part.parameters())
        settings: dict[str, Any] = {"betas": (0.9, 0.99), "weight_decay": 1e-4}
        settings["fused"] = self.device.type in ("cpu", "cuda")  # one call for all parameters
        optimizer = torch.optim.AdamW(parameters, rate, **settings)
        _load_optimizer(optimizer, self.optimizer_state)
        part.train()
        before = self.seconds.get(phase, 0.0)
        began = saved = time.perf_counter()
        every = max(1, steps // 40, min(10, steps // 10))  # short runs: their rows cost too
        bar = _Progress(phase, steps, self.step, self.show)
        with _stop_between_steps() as stop:
            while self.step < steps:
                warm = min(1.0, (self.step + 1) / (0.03 * steps))
                for group in optimizer.param_groups:
                    cosine = 0.5 * (1 + math.cos(math.pi * self.step / steps))
                    group["lr"] = rate * warm * (0.02 + 0.98 * cosine)
                where = f"at step {self.step} of {phase}"
                try:
                    loss, numbers = step_loss(self.step)
                except FloatingPointError as error:  # the codebooks refuse what is not finite
                    raise FloatingPointError(f"{error}, {where}") from None
                if not torch.isfinite(loss):
                    raise FloatingPointError(f"loss is {loss.item()} {where}")
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
                if not torch.isfinite(norm):  # before it reaches the weights, and a saved state
                    raise FloatingPointError(f"gradient is {norm.item()} {where}")
                optimizer.step()
                self.step += 1
                now = time.perf_counter()
                self.seconds[phase] = before + now - began
                told = None
                if self.step % every == 0 or self.step == steps:
                    part.eval()
                    told = numbers()
                    self._log(phase, told)
                    if self.on_log is not None:
                        self.on_log(dict(self.rows[-1]), model)
                    part.train()
                bar.update(self.step, {k: told[k] for k in show if k in told} if told else None)
                if stop.asked or now - saved > SAVE_EVERY or self.step == steps:
                    self.save(model, optimizer)
                    saved = time.perf_counter()
                if stop.asked:
                    bar.close()
                    raise KeyboardInterrupt(f"stopped at step {self.step} of {phase}; state saved")
        bar.close()
        part.eval()

    def _log(self, phase: str, numbers: dict) -> None:
        row = {"phase": phase, "step": self.step, "seconds": round(self.seconds[phase], 2)}
        self.rows.append(row | numbers)
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, "", "ignore", lineterminator="\n")
        writer.writeheader()
        for r in self.rows:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in r.items()})
        write_atomic(self.dir / "log.csv", text.getvalue().encode())

    def take_rows(self, path: Path, phase: str) -> None:
        """Put the rows of a phase from the log of another run before those of this one."""
        if path.is_file():
            found = read_rows(path, texts=("phase",), needed=("phase", "step"))
            found = [{**row, "step": int(row["step"])} for row in found if row["phase"] == phase]
            self.rows = found + self.rows

    def say(self, text: str) -> None:
        if self.show:
            print(text, flush=True)


class _Progress:
    """A bar where somebody watches, and one line per tenth where nobody does."""

    def __init__(self, phase: str, steps: int, start: int, show: bool) -> None:
        self.phase, self.steps, self.tenth = phase, steps, start * 10 // steps
        self.show = show
        watched = show and is_watched()
        self.bar = tqdm(total=steps, initial=start, desc=phase) if watched else None
        self.last = ""

    def update(self, step: int, numbers: dict | None) -> None:
        if numbers:
            self.last = ", ".join(f"{k} {v:.3g}" for k, v in numbers.items())
        if self.bar is not None:
            self.bar.update(step - self.bar.n)
            if numbers:
                self.bar.set_postfix_str(self.last)
        elif self.show and step * 10 // self.steps > self.tenth:
            self.tenth = step * 10 // self.steps
            print(f"{self.phase}: step {step} of {self.steps}  {self.last}", flush=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


class _Stop:
    asked = False


@contextmanager
def _stop_between_steps() -> Iterator[_Stop]:
    """Make the first Ctrl-C a wish, fulfilled after the step at hand; a second acts at once."""
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals reach the main thread only: there, Ctrl-C stays what it was
        return

    def ask(signum: int, frame: Any) -> None:
        stop.asked = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Averages as they were saved, laid out in memory as their parameters: the fused step asks it.

    It goes through both in the order of the memory, and does not notice when they differ.
    """
    if not tensors:
        return
    parameters = optimizer.param_groups[0]["params"]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        i, name = key.split(".", 1)
        like = parameters[int(i)]
        if value.shape == like.shape:
            value = torch.empty_like(like, requires_grad=False).copy_(value)
        state.setdefault(int(i), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _difference(key: str, expected: Any, found: Any) -> str:
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = [k for k in expected if found.get(k) != expected[k]]
        if keys:
            first = "name" if "name" in keys else keys[0]  # the rest follows from it
            return _difference(f"{key} {first}", expected[first], found.get(first))
    return f"expected {key} {expected}, found {found}"
