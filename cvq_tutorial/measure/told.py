"""Told by: how many nats each cause tells about an effect, on average over what else is known.

Intuition: a gate is on or off, and of twins that say the same it lets either through: another start
of the training picks the other, and draws another graph. What the data do determine is how much a
cause tells on average over which others are known. So causes are let through at random (a
*coalition*), the nats of each effect are written down, and regressed on who was let through: the
coefficient of a cause is its worth, as a Shapley value is (Lundberg and Lee 2017).

What a result means: `worth[i, j]` nats are what the likelihood of effect j gains by knowing cause
i. The interaction of two causes is what they tell together less what they tell apart: below 0 they
are *twins*, that stand in for each other; above 0 neither tells its part alone (a parity).
When it misleads: a network that never missed a cause while training is surprised by a coalition,
and its worths say so more than what the cause tells: train with `cause_dropout`. And a worth is
of this network: what it did not learn is worth nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvq_tutorial.common.arrays import EDGE_AT
from cvq_tutorial.common.checks import whole_number
from cvq_tutorial.graphs.graph import CausalGraph

MOST = 8  # causes of an effect whose interactions are asked for: those that are worth most


@dataclass(frozen=True)
class Told:
    """What the causes tell about the effects of one action.

    worth: (N, N) nats, [i, j] of cause i for effect j.
    interactions: {(i, k, j): nats}, i < k, of the pairs among the `MOST` causes of an effect j that
        are worth most.
    nats: (N,) log-likelihood of each effect with all causes let through less that with none.
    error: (N, N) nats, standard error of each worth over the draw of coalitions: more of them make
        it smaller, with their root. Two runs whose coalitions are the same share it.
    """

    worth: NDArray[np.float64]
    interactions: dict[tuple[int, int, int], float]
    nats: NDArray[np.float64]
    error: NDArray[np.float64]

    def edges(self, least: float) -> NDArray[np.bool_]:
        """(N, N): the causes that are worth `least` nats or more."""
        if not least > 0:
            raise ValueError(f"least: expected nats above 0, found {least}")
        return self.worth >= least

    def graph(self, gates: CausalGraph, least: float) -> CausalGraph:
        """The edges worth `least` nats or more, as 1, on the nodes of the graph of the gates."""
        return replace(gates, edges=self.edges(least).astype(np.float64), limit=EDGE_AT)

    def twins(self, least: float) -> list[tuple[int, tuple[int, ...]]]:
        """(effect, causes) of causes that stand in for each other: groups that are joined by
        interactions of `-least` nats or less.
        """
        if not least > 0:
            raise ValueError(f"least: expected nats above 0, found {least}")
        found: dict[int, list[set[int]]] = {}
        for (i, k, j), nats in self.interactions.items():
            if nats <= -least:
                near = [group for group in found.get(j, []) if group & {i, k}]
                rest = [group for group in found.get(j, []) if not group & {i, k}]
                found[j] = [*rest, {i, k}.union(*near)]
        return sorted((j, tuple(sorted(g))) for j, groups in found.items() for g in groups)


@torch.no_grad()
def told_by(
    model: Any, x: Tensor, action: int | str, y: Tensor, *, coalitions: int = 3000, seed: int = 0
) -> Told:
    """The worth of every cause for every effect under one action, see the module.

    x, y: codes (B, N, C) before and after, held out; taken in turn.  action: number or name.
    coalitions: how many; for each effect a random share of all causes is let through, 0 to 1.
    Deterministic.
    Raises ValueError for too few coalitions to tell the causes apart.
    """
    before, after = model.check_codes(x), model.check_codes(y)
    if len(before) != len(after) or not len(before):
        raise ValueError(f"expected as many x as y, and some, found {len(before)}, {len(after)}")
    n, b = model.n_nodes, whole_number("coalitions", coalitions, 2 * model.n_nodes)
    asked = model.check_actions(action, 1)
    random = torch.Generator().manual_seed(whole_number("seed", seed, 0))
    share = torch.rand(b, 1, n, generator=random)
    through = torch.rand(b, n, n, generator=random) < share  # [b, i, j]: i is let through to j
    rows = torch.arange(b) % len(before)

    def nats_of(rows: Tensor, cut: Tensor | None) -> NDArray[np.float64]:
        every = []
        for part in torch.arange(len(rows)).split(model.BATCH):
            at, away = rows[part], cut if cut is None or cut.ndim == 2 else cut[part]
            away = away if away is None else away.to(before.device)
            out = model.distribution(before[at], asked.expand(len(at)), cut=away)
            every.append(out.log_likelihood(model.to_nodes(after[at])).sum(-1).cpu().double())
        return torch.cat(every).numpy()  # (rows, N)

    nats, each = nats_of(rows, ~through), torch.arange(len(before))
    alone = nats_of(each, torch.ones(n, n, dtype=torch.bool))  # (pairs, N), no cause let through
    gain = nats_of(each, None) - alone
    worth, error, pairs = np.zeros((n, n)), np.zeros((n, n)), dict[tuple[int, int, int], float]()
    for j in range(n):
        let = through[:, :, j].numpy().astype(np.float64)
        # some pairs are hard, some are told much: what coalitions have no part in only adds noise
        hard, much = alone[rows, j], gain[rows, j] - gain[:, j].mean()
        let = np.column_stack([let, hard, much, much * (let.mean(1) - 0.5)])
        worth[:, j], error[:, j] = (found[:n] for found in _coefficients(let, nats[:, j]))
        best = np.sort(np.argsort(-worth[:, j])[:MOST])
        both = [(int(i), int(k)) for i in best for k in best if i < k]
        columns = [let, *((let[:, i] * let[:, k])[:, None] for i, k in both)]
        told = _coefficients(np.concatenate(columns, axis=1), nats[:, j])[0][let.shape[1] :]
        pairs |= {(i, k, j): float(v) for (i, k), v in zip(both, told, strict=True)}
    return Told(worth, pairs, gain.mean(0), error)


def _coefficients(columns: NDArray, values: NDArray) -> tuple[NDArray, NDArray]:
    """Of least squares with a constant, without that constant; and their standard errors."""
    centred, values = columns - columns.mean(0), values - values.mean()
    found, _, rank, _ = np.linalg.lstsq(centred, values, rcond=None)
    left = np.square(values - centred @ found).sum() / max(1, len(values) - rank - 1)
    spread = np.diag(np.linalg.pinv(centred.T @ centred, hermitian=True))
    return found, np.sqrt(left * np.maximum(spread, 0))
