"""Plans: the shortest sequence of actions that leads from x to y, found in the codes alone.

A plan is searched for step by step. Every step does all actions on every state that was kept, in
one batched pass, and keeps the `beam` states that are nearest to y. What makes it work (all ours):

* **A state is a belief, not a guess.** Whoever goes on from the likeliest codes takes each of them
  for certain, and after a few steps the true y looks impossible. Here a code that the next action
  does not set keeps the whole distribution that it had. The likelihood of y is then about what the
  belief itself expects of an outcome: that is how a search can know that it has arrived.
* **Near is measured between vectors.** Seen through the likelihood of y, a wall three hues off is
  as wrong as one five hues off. The distance between the vector that the belief expects at each
  place and the vector of y's code falls step by step, also for the last, small step.
* **One step further.** The nearest state is tried one action further before the search stops; it
  stops where no action comes clearly nearer.

When it misleads: the model does something also for actions that leave the range of a factor, and
what is reached is so in the codes, not in the world (`sequences.plan_success`: how often in both).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cvq_tutorial.common.checks import number, whole_number

TOLERANCE = 0.5  # nats per code
GAIN = 0.15  # share of the distance
LEAST = 0.5  # codes: a distance below this is none
AT_ONCE = 8  # states in one pass; bounds memory


@dataclass(frozen=True, eq=False)
class Plan:
    """A sequence of actions from x to y."""

    actions: tuple[int, ...]  # in order; empty where none is needed
    names: tuple[str, ...]
    codes: Tensor  # (len + 1, N, C) int64, x and then the likeliest codes after each action
    log_likelihood: float  # nats, of all codes of y after the last action
    distance: float  # to y after the last action; 1 is what two codes differ by on average
    reached: bool  # whether that counts as y; if not, these actions come nearest
    expanded: int  # on how many states all actions were tried

    def __len__(self) -> int:
        return len(self.actions)

    def __str__(self) -> str:
        steps = ", ".join(self.names)
        missed = f"not reached, nearest after {steps or 'no action'}"
        return (steps or "none needed") if self.reached else missed


class Measure:
    """How a belief (..., N, C, K) stands to the codes y (N, C)."""

    def __init__(self, y: Tensor, vectors: Tensor) -> None:
        """vectors: (C, K, d) of the codes, in any unit."""
        spread = 2 * vectors.detach().var(1).sum(-1).mean()  # of two codes, on average
        self.y, self.vectors = y, vectors.detach() / spread.sqrt()
        self.target = self.vectors[torch.arange(y.shape[1], device=y.device), y]  # (N, C, d)

    def distance(self, belief: Tensor) -> Tensor:
        """(...) squared distance of the expected vectors to those of y; see `Plan.distance`."""
        expected = torch.einsum("...ck,ckd->...cd", belief.exp(), self.vectors)
        return (expected - self.target).square().sum((-3, -2, -1))

    def log_likelihood(self, belief: Tensor) -> Tensor:
        """(...) nats, of all codes of y."""
        y = self.y.expand(belief.shape[:-1])[..., None]
        return belief.gather(-1, y).sum((-3, -2, -1))

    def surprise(self, belief: Tensor) -> float:
        """Nats by which y is less likely than the belief (N, C, K) expects of an outcome."""
        return ((belief.exp() * belief).sum() - self.log_likelihood(belief)).item()


@dataclass(frozen=True, eq=False)
class _State:
    """Where a sequence of actions leads."""

    actions: tuple[int, ...]
    path: tuple[Tensor, ...]  # codes (N, C) before, and after each
    belief: Tensor  # (N, C, K)
    distance: float


def search(
    x: Tensor, belief: Tensor, measure: Measure, advance: Callable[[Tensor], Tensor],
    names: Sequence[str],
    *, max_steps: int = 8, beam: int = 8, tolerance: float = TOLERANCE, gain: float = GAIN,
) -> Plan:  # fmt: skip
    """The shortest plan from x to y that a beam search finds. Deterministic if `advance` is.

    x: codes (N, C).  belief: (N, C, K) log-probability of every code at the start.
    measure: of y.  names: of the A actions.
    advance: (S, N, C, K) -> (S, A, N, C, K), beliefs after each of the A actions.
    max_steps: longest plan, at least 1.  beam: states kept per step, at least 1.
    tolerance: nats per code that y may be less likely than the belief expects, and be reached.
    gain: share of the distance to y, in (0, 1), by which another action must come nearer.
    """
    max_steps, beam = whole_number("max_steps", max_steps), whole_number("beam", beam)
    tolerance = number("tolerance", tolerance, 0, math.inf)
    gain = number("gain", gain, 0, 1)

    def tried(states: list[_State]) -> list[_State]:
        """What every action makes of every state."""
        after = advance(torch.stack([state.belief for state in states]))  # (S, A, N, C, K)
        far, codes = measure.distance(after).tolist(), after.argmax(-1)
        return [
            _State((*state.actions, a), (*state.path, codes[s, a]), after[s, a], far[s][a])
            for s, state in enumerate(states)
            for a in range(len(names))
        ]

    states = [_State((), (x,), belief, measure.distance(belief).item())]
    nearest, expanded, reached = states[0], 0, False
    for step in range(max_steps + 1):
        best = states[0]
        if clearly_nearer(best.distance, nearest.distance, gain):
            nearest = best
        further = _kept(tried([best]), beam)
        expanded += 1
        arrived = not clearly_nearer(further[0].distance, best.distance, gain)
        if arrived and measure.surprise(best.belief) <= tolerance * x.numel():
            nearest, reached = best, True
            break
        if step == max_steps:
            break
        others, states = states[1:], further
        expanded += len(others)
        for first in range(0, len(others), AT_ONCE):
            states = _kept(states + tried(others[first : first + AT_ONCE]), beam)
    return Plan(
        nearest.actions, tuple(names[a] for a in nearest.actions), torch.stack(nearest.path),
        measure.log_likelihood(nearest.belief).item(), nearest.distance, reached, expanded,
    )  # fmt: skip


def clearly_nearer(distance: float, than: float, gain: float = GAIN) -> bool:
    """Whether a distance is smaller by more than the share `gain`, and not by next to nothing."""
    return distance < (1 - gain) * than and than - distance > LEAST


def _kept(states: list[_State], beam: int) -> list[_State]:
    """The nearest `beam` states, in order; of several with the same codes one."""
    kept: dict[bytes, _State] = {}
    for state in sorted(states, key=lambda state: state.distance):
        kept.setdefault(state.path[-1].cpu().numpy().tobytes(), state)
        if len(kept) == beam:
            break
    # a belief is a view of all that were made with it: only what stays may stay in memory
    return [replace(state, belief=state.belief.clone()) for state in kept.values()]
