"""The loop that every network here is trained by, with its body where it is used.

    for step in steps("judge", network, optimizer, schedule, 300):
        step.minimise(loss_of(network, step.number))
        if step.told:
            step.log(loss=...)

What is around a body is the same everywhere: the rate follows its schedule, a loss or a gradient
that is not finite stops the training before it reaches a weight, and a gradient that is too long is
shortened. Nothing here knows a file; `run.Run.steps` adds the folder: log, saved states, Ctrl-C.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from cvq_tutorial.common import ranks

# AdamW (Loshchilov and Hutter 2019)
BETAS = (0.9, 0.99)  # it remembers about 10 gradients, and about 100 of their squares
WEIGHT_DECAY = 1e-4  # of every weight, per step and unit of the rate
# its rate: a straight rise, then half a cosine
WARM_UP = 0.03  # share of the steps over which the rate rises: the first averages are poor
FLOOR = 0.02  # share of the rate that is left at the end
# around each step
CLIP = 1.0  # length of a gradient: a longer one is shortened to it
# the log
ROWS = 40  # of a phase, about
FEWER_EVERY = 10  # steps between rows at least, where that leaves 10 rows: rows cost time, too


class Step:
    """One step in the hands of the body of a loop, which calls `minimise` once.

    number: from 0.  told: whether the log has a row of this step; `log` is for those only.
    """

    def __init__(
        self, number: int, name: str, told: bool, part: nn.Module, optimizer: torch.optim.Optimizer,
        clip: float,
    ) -> None:  # fmt: skip
        self.number, self.told = number, told
        self.where = f"at step {number} of {name}"
        self.numbers: dict[str, float] = {}
        self.done = False
        self._part, self._optimizer, self._clip = part, optimizer, clip

    def minimise(self, loss: Tensor) -> None:
        """One step of the optimiser down a loss (); then, if the log is told, evaluation mode.

        Raises FloatingPointError, with the weights untouched, for a loss or a gradient that is not
        finite.
        """
        (told,) = ranks.mean(loss)
        if not torch.isfinite(told):
            raise FloatingPointError(f"loss is {told.item()} {self.where}")
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
        ranks.average(parameters)
        norm = nn.utils.clip_grad_norm_(parameters, self._clip)
        if not torch.isfinite(norm):
            raise FloatingPointError(f"gradient is {norm.item()} {self.where}")
        self._optimizer.step()
        self.done = True
        if self.told:
            self._part.eval()

    def log(self, **numbers: float) -> None:
        """What the row of the log says; names as in `run.COLUMNS`."""
        self.numbers |= numbers


def steps(
    name: str,
    part: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: Callable[[int], None],
    n: int,
    first: int = 0,
    clip: float = CLIP,
) -> Iterator[Step]:
    """The steps first..n-1 of a loop that trains `part`, which ends in evaluation mode.

    name: for errors.  schedule: is called with the number of a step before it, and sets the rate.
    """
    every = max(1, n // ROWS, min(FEWER_EVERY, n // 10))
    part.train()
    for number in range(first, n):
        schedule(number)
        told = (number + 1) % every == 0 or number + 1 == n
        step = Step(number, name, told, part, optimizer, clip)
        yield step
        if not step.done:
            raise RuntimeError(f"the body of the loop never called step.minimise, {step.where}")
        if told:
            part.train()
    part.eval()


def adamw(part: nn.Module, rate: float) -> torch.optim.Optimizer:
    """The optimiser of every phase of a run."""
    parameters = list(part.parameters())
    fused = parameters[0].device.type in ("cpu", "cuda")  # one call for all parameters
    return torch.optim.AdamW(parameters, rate, BETAS, weight_decay=WEIGHT_DECAY, fused=fused)


def warm_up_and_cosine(
    optimizer: torch.optim.Optimizer, rate: float, n: int
) -> Callable[[int], None]:
    """A schedule of n steps: up to `rate` in a straight line, down to its floor along a cosine."""

    def set_rate(number: int) -> None:
        warm = min(1.0, (number + 1) / (WARM_UP * n))
        cosine = 0.5 * (1 + math.cos(math.pi * number / n))
        for group in optimizer.param_groups:
            group["lr"] = rate * warm * (FLOOR + (1 - FLOOR) * cosine)

    return set_rate


def load_averages(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Averages as they were saved, laid out in memory as their parameters: the fused step asks it.

    It goes through both in the order of the memory, and does not notice when they differ.
    tensors: {"POSITION.NAME": average}, as `averages` gives them; nothing happens without any.
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


def averages(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What the optimiser remembers, in the form that `load_averages` takes."""
    state = optimizer.state_dict()["state"].items()
    return {f"{i}.{name}": value for i, found in state for name, value in found.items()}
