"""What the figures of a run show: one example of every action, and averages over test transitions.

The figures themselves are functions of `draw`; here is only what goes into them. Nothing is picked
by hand: the example of an action is the first test transition of it that changes a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cvq_tutorial.common.arrays import counts
from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.transitions import changed_pixels, sample_transitions
from cvq_tutorial.graphs.graph import CausalGraph
from cvq_tutorial.measure.metrics import confusion
from cvq_tutorial.training.data import encoded_transitions
from cvq_tutorial.worlds.world import World


@dataclass(frozen=True)
class Gallery:
    """Test transitions as codes, and what the model says about them.

    x, y: (M, N, C) codes before and after.  actions: int64 (M,).
    mask: (A, N) mean over the transitions of an action of the probability that it sets the node.
    changed: (A, N) share of those transitions in which a code of the node changed.
    confusion: (A, A) counts, row = true action, column = retrieved action.
    examples: (A,) position in x of the example of each action.
    before, after: (A, 3, H, W) true images of the examples; None in a world without images.
    focus: the action that changes the fewest nodes: an edit whose arrows can be read.
    """

    x: Tensor
    y: Tensor
    actions: np.ndarray
    mask: np.ndarray
    changed: np.ndarray
    confusion: np.ndarray
    examples: np.ndarray
    before: Tensor | None
    after: Tensor | None

    @property
    def focus(self) -> int:
        """The action that changes the fewest codes."""
        return int(self.changed.sum(axis=1).argmin())


def look(model: Any, world: World, n: int = 720, seed: int = 0, batch_size: int = 120) -> Gallery:
    """Draw test transitions and ask the model about each of them.

    Args:
        model: a CausalVQ for this world.
        world: an image world, or the world `codes`.
        n: transitions, at least a few per action.
        seed: of the sample.
        batch_size: transitions at a time.

    Raises:
        ValueError: the sample holds no (visible) transition of some action; take a larger n.
    """
    x, asked, y = encoded_transitions(world, model, n, "test", seed)
    x, actions, y = x.long(), asked.numpy(), y.long()
    visible = np.ones(n, dtype=bool)
    if world.has_images:  # the same sample again, as factor values
        values = sample_transitions(world.factors, n, "test", seed)
        visible = changed_pixels(world, values) > 0

    masks, guesses = [], []
    for start in range(0, n, batch_size):
        part = slice(start, start + batch_size)
        done, named = model.intervene_and_retrieve(x[part], asked[part], y[part])
        masks.append(done.mask.amax(dim=2).cpu())  # (B, N)
        guesses.append(named.actions.cpu())
    mask = torch.cat(masks).numpy()
    moved = (x != y).any(dim=2).numpy()

    examples = np.empty(model.n_actions, dtype=np.int64)
    for action in range(model.n_actions):
        rows = np.flatnonzero((actions == action) & visible)
        if not len(rows):
            raise ValueError(
                f"no visible transition of action {model.action_names[action]!r} in a sample of"
                f" n={n}; take a larger n"
            )
        examples[action] = rows[0]
    per_action = [actions == action for action in range(model.n_actions)]
    before = after = None
    if world.has_images:
        before = to_float(world.render(values.x[examples]))
        after = to_float(world.render(values.y[examples]))
    return Gallery(
        x=x,
        y=y,
        actions=actions,
        mask=np.stack([mask[rows].mean(axis=0) for rows in per_action]),
        changed=np.stack([moved[rows].mean(axis=0) for rows in per_action]),
        confusion=confusion(actions, torch.cat(guesses).numpy(), model.n_actions),
        examples=examples,
        before=before,
        after=after,
    )


def shown_nodes(graph: CausalGraph) -> np.ndarray:
    """(N,) bool: the nodes that the action sets; if it sets none, the likeliest one.

    So a picture of a model that has hardly learned is not empty.
    """
    mask = np.ones(graph.n_nodes) if graph.set_by is None else graph.set_by
    chosen = counts(mask)
    chosen[mask.argmax()] |= not chosen.any()
    return chosen


def busiest_node(graph: CausalGraph) -> int:
    """The shown node with the most causes, the first of several."""
    return int(np.where(shown_nodes(graph), graph.present.sum(axis=0), -1).argmax())


class Watch:
    """Keeps the graph of an action at each logged step of the transition's training.

    Give it to `train.train(..., on_log=watch)`; `watch.snapshots` is then what
    `draw.training_animation` takes.
    """

    def __init__(self, x: Tensor, action: int | str) -> None:
        """x: images (B, 3, H, W) or codes (B, N, C), few: it is asked often.  action: see `of`."""
        self.x, self.action = x, action
        self.snapshots: list[tuple[int, CausalGraph]] = []

    def __call__(self, row: dict, model: Any) -> None:
        """Take a row of the log and the model as it is now."""
        if row["phase"] == "transition":
            step, graph = int(row["step"]), CausalGraph.of(model, self.x, self.action)
            self.snapshots.append((step, graph))
