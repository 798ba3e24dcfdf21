"""A model that knows its world, for plans whose right answer is known."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cvq_tutorial.method.causal_transition import CausalTransition, TransitionOutput
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.worlds.codes import CodesWorld

WORLD = CodesWorld(n_variables=4, n_codes=3, n_actions=5, n_targets=1, max_parents=2, seed=2)


class Exact(CausalTransition):
    """A transition that knows what every action does: `apply` (S, N, 1), (S,) -> (S, N, 1)."""

    def __init__(self, nodes: int, codes: int, actions: int, apply) -> None:
        super().__init__(nodes, 1, codes, actions, width=8)
        self.apply_ = apply

    def forward(self, x: Tensor, actions: Tensor, **_: object) -> TransitionOutput:
        single = actions.ndim == 1
        actions = actions[:, None] if single else actions
        many = x[:, None].expand(-1, actions.shape[1], -1, -1)
        new = self.apply_(many.flatten(0, 1).numpy(), actions.flatten().numpy())
        new = torch.from_numpy(new).view(many.shape)
        mask = torch.where(new == many, -30.0, 30.0)
        mechanism = torch.full((*new.shape, self.codes), -30.0).scatter_(-1, new[..., None], 0.0)
        edges = torch.zeros(*actions.shape, self.nodes, self.nodes)
        copy = self.copied(x)[:, None]
        fields = [copy, mechanism, mask, edges, edges]
        return TransitionOutput(*(f[:, 0] if single else f for f in fields))


def knowing(world: CodesWorld = WORLD) -> CausalVQ:
    transition = Exact(world.n_nodes, world.n_codes, world.n_actions, world.apply)
    return CausalVQ(None, transition, world.action_names).eval()


def true_distances(start: tuple[int, ...], world: CodesWorld = WORLD) -> dict:
    """Slow breadth-first search, one state after the other."""
    found, todo = {start: 0}, [start]
    for state in todo:
        for action in range(world.n_actions):
            x = np.array(state)[None, :, None]
            new = tuple(world.apply(x, np.array([action]))[0, :, 0].tolist())
            if new not in found:
                found[new] = found[state] + 1
                todo.append(new)
    return found


def after(start, actions, world: CodesWorld = WORLD) -> tuple[int, ...]:
    x = np.array(start)[None, :, None]
    for action in actions:
        x = world.apply(x, np.array([action]))
    return tuple(x[0, :, 0].tolist())
