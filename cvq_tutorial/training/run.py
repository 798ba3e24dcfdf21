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
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from cvq_tutorial.common import ranks
from cvq_tutorial.common.checks import whole_number
from cvq_tutorial.common.device import flushed_denormals, half_precision
from cvq_tutorial.common.files import write_atomic
from cvq_tutorial.common.json_files import read_rows
from cvq_tutorial.common.progress import Progress, say
from cvq_tutorial.training import checkpoints, loop, trusted
from cvq_tutorial.training.held import Stop, alone
from cvq_tutorial.training.identity import first_difference, what_a_file_says, what_this_run_is
from cvq_tutorial.training.loop import Step, adamw, averages, load_averages, warm_up_and_cosine
from cvq_tutorial.training.recipes import Recipe

Network = TypeVar("Network", bound=torch.nn.Module)

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
        self.dir, self.device, self.on_log = run_dir, device, on_log
        self.show = show and ranks.rank() == 0
        self.network = network
        self.identity = what_this_run_is(world, recipe, seed, network)
        self.rows: list[dict] = []
        self.seconds: dict[str, float] = {}
        self.phase, self.step = "", 0
        self.optimizer_state: dict[str, Tensor] = {}
        self.saved = ""  # where the state in the folder is
        self.stop = Stop(lambda: f"the state of {self.saved}" if self.saved else "nothing is saved")

    # -- randomness: everything follows from (seed, purpose, step)

    def numbers(self, purpose: int, step: int, *more: int) -> np.random.Generator:
        """NumPy numbers that depend on seed, purpose and step alone."""
        return np.random.default_rng([self.seed, purpose, step, *more])

    def generator(self, purpose: int, step: int) -> torch.Generator:
        """The same for torch, on the CPU."""
        word = hashlib.sha256(f"{self.seed}/{purpose}/{step}".encode()).digest()[:7]
        return torch.Generator().manual_seed(int.from_bytes(word, "little"))

    def autocast(self) -> torch.autocast:
        """bfloat16 where the device is faster with it."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half_precision(self.device))

    # -- what is already there

    def trained(self, make: Callable[[], Network], fit: Callable[[Network], None]) -> Network:
        """The network of this folder in evaluation mode: loaded, trained, or trained further.

        make: an untrained network, its weights drawn from torch's global generator, which is seeded
        here and put back.  fit: trains one that has taken up what the run was stopped with.
        """
        if not ranks.first(self.finished):
            with self.held():
                if not ranks.first(self.finished):  # by who was waited for
                    network = self._made(make)
                    self.resume(network)
                    fit(network)
                    self._keep(network)
                    return network.eval()
        network = self._made(make)
        checkpoints.fill(network, self.dir)
        return network.eval()

    def _made(self, make: Callable[[], Network]) -> Network:
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return make().to(self.device)

    def _keep(self, network: torch.nn.Module) -> None:
        if ranks.rank():
            return
        path = checkpoints.save(
            self.dir, network, self.world, self.recipe, self.seed, kind=self.network,
            seconds=self.seconds, bf16=half_precision(self.device),
        )  # fmt: skip
        (self.dir / STATE).unlink(missing_ok=True)
        self.say(f"saved {path.name} and its weights")

    @contextmanager
    def held(self) -> Iterator[None]:
        """While the block runs nobody else trains here, Ctrl-C is heard, denormals are 0.

        Raises as `held.alone`; FloatingPointError gets the step and the phase.
        """
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        with ExitStack() as stack:
            mine = alone(self.dir, self.identity, self.say)  # of several, the first holds it
            ranks.first(lambda: bool(stack.enter_context(mine)))
            stack.enter_context(self.stop.heard())
            stack.enter_context(flushed_denormals())
            try:
                yield
            except FloatingPointError as error:  # the codebooks, too, refuse what is not finite
                where = f"at step {self.step} of {self.phase}"
                told = str(error) if where in str(error) else f"{error}, {where}"
                raise FloatingPointError(told) from None

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
        told = ranks.first(lambda: self._take_up(model))
        if ranks.rank():
            self.phase, self.step, self.rows, self.seconds, shapes = told
            self.optimizer_state = {k: torch.empty(shape) for k, shape in shapes.items()}
        ranks.same(model.state_dict().values())
        ranks.same(self.optimizer_state.values())

    def _take_up(self, model: torch.nn.Module) -> list:
        self._read_state(model)
        shapes = {k: list(v.shape) for k, v in self.optimizer_state.items()}
        return [self.phase, self.step, self.rows, self.seconds, shapes]

    def _read_state(self, model: torch.nn.Module) -> None:
        path = self.dir / STATE
        if not path.exists():  # find out now, not after the work, whether it can be written
            write_atomic(path, checkpoints.pack({}, self._header())).unlink()
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
        self.saved = f"step {self.step} of {self.phase} is saved"
        self.say(f"going on with {self.phase} at step {self.step}")

    def _same(self, found: dict, name: str) -> None:
        if told := first_difference(self.identity, what_a_file_says(found)):
            raise ValueError(
                f"{self.dir / name} is of another run: {told}; "
                "choose another run folder, or delete this one"
            )

    def _header(self) -> dict[str, str]:
        told = {
            "identity": json.dumps(self.identity), "phase": self.phase, "step": self.step,
            "rows": self.rows, "seconds": self.seconds,
        }  # fmt: skip
        return {"run": json.dumps(told)}

    def save(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Write weights and the optimiser as one state to go on from."""
        tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
        tensors |= {f"optim.{k}": v for k, v in averages(optimizer).items()}
        if ranks.rank() == 0:
            write_atomic(self.dir / STATE, checkpoints.pack(tensors, self._header()))
        self.saved = f"step {self.step} of {self.phase} is saved"

    # -- the loop

    def steps(
        self,
        phase: str,
        model: torch.nn.Module,
        part: torch.nn.Module,
        steps: int,
        rate: float,
        show: tuple[str, ...] = (),
    ) -> Iterator[Step]:
        """The steps of a phase that are left to do, see `loop`; log, save, stop when asked.

        model: what is saved.  part: of it, what is trained; AdamW goes through `steps` steps at
        `rate`.  show: numbers of the log that are shown on the way.
        Raises KeyboardInterrupt after the step in which Ctrl-C came, when the state is saved.
        """
        if self.phase and PHASES.index(phase) < PHASES.index(self.phase):
            return  # done before the run was stopped
        if self.phase != phase:
            self.phase, self.step, self.optimizer_state = phase, 0, {}
        ranks.same(model.state_dict().values())  # cards of two kinds round differently
        optimizer = adamw(part, rate)
        load_averages(optimizer, self.optimizer_state)
        schedule = warm_up_and_cosine(optimizer, rate, steps)
        before = self.seconds.get(phase, 0.0)
        began = saved = time.perf_counter()
        bar = Progress(phase, steps, self.step, self.show)
        self.stop.in_loop = True
        with bar:
            for step in loop.steps(phase, part, optimizer, schedule, steps, self.step):
                yield step
                self.step = step.number + 1
                now = time.perf_counter()
                self.seconds[phase] = before + now - began
                if step.told:
                    self._log(phase, step.numbers)
                    if self.on_log is not None and ranks.rank() == 0:
                        self.on_log(dict(self.rows[-1]), model)
                asked = ranks.any_of(self.stop.asked)  # a wish in this moment waits a step
                if asked or now - saved > SAVE_EVERY or self.step == steps:
                    self.save(model, optimizer)
                    saved = time.perf_counter()
                bar.update(self.step, {k: step.numbers[k] for k in show if k in step.numbers})
                if asked:
                    break
        self.stop.in_loop = False
        if ranks.any_of(self.stop.asked):
            raise KeyboardInterrupt(f"stopped at step {self.step} of {phase}; state saved")

    def _log(self, phase: str, numbers: dict) -> None:
        row = {"phase": phase, "step": self.step, "seconds": round(self.seconds[phase], 2)}
        self.rows.append(row | numbers)
        if ranks.rank():
            return
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
        """One line to the reader, if there is one."""
        say(text, self.show)
