"""Actions nobody named: which action each pair shows, found while the transition is trained.

Intuition: an action code says what the old codes do not: with the right one, y can be told from x.
So each pair gets the label of one of M action codes, the transition is trained as if these were
names, and now and then pairs are labelled anew, each code scored as in retrieval (one batched pass;
exact, since M is small): *expectation maximisation*, with labels drawn from the posterior
(*stochastic EM*, Celeux and Diebolt 1985) and kept per pair (*incremental*, Neal and Hinton 1998).
No name, no factor value and no order of the pairs is used. Few codes, their use as a prior (the
information price) and the price of the mask keep y from being copied through the label.

The start decides, since EM ends in the nearest optimum: two are tried (`starts`), and the
validation likelihood after a short training chooses.

With more codes than actions, an action is in pieces: each code has it in some of its states, and
none explains what another does. So pieces that move slow features alike are joined (`joins`), one
join after the other, as long as held-out pairs bear it: the actions of a copy are drawn anew, and
it is trained for a moment on the joined labels. Their likelihood must not fall by more than the
noise, against as long a training on the labels as they were. Nothing is joined where labels tell
less than they cost. (The trained trunk is what lets so short a trial tell. Joining without training
tells nothing: no piece knows the states of another.) `action_pieces=apart` leaves them.

When it misleads: what is told apart is what the codes show; two actions with one effect are one,
and a code that is needed in some states only may be a part of an action. Codes that are left over
are taught to do nothing. Ours.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cvq_tutorial.method.causal_transition import CausalTransition, transition_loss
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.training import loop
from cvq_tutorial.training.starts import STARTS, check_pairs, slow_changes, start_labels

POOL = 6000  # pairs that a start looks at
TRIAL, LONGEST = 0.125, 200  # share of the steps that a start is tried for, at most so many
BEGIN = 0.25  # share of the steps before pairs are labelled anew
EVERY = 24  # steps between two times
SCORED = 1536  # (pair, action code) scored each time
MERGE = 0.05  # of the nats that a code's pairs lose under the usual other one: it is the same
MERGE_AT = (0.45, 0.55, 0.65)  # shares of the steps; at the last pieces are joined, too
READ = 1024  # pairs by which pieces are known
DIRECTED = 30  # slowest features whose change says that two codes move things alike
JOIN_TRIAL, JOIN_STEPS = 0.05, 100  # share of the steps of a trial of joins, at least so many
NOISE = 2  # standard errors of the mean, over held-out pairs, that joins may lose
IDLE = 8  # one row in so many teaches unused codes to do nothing


class Labels:
    """The labels of the pairs while a transition is trained; they are its buffer `labels`.

    So they are saved and taken up with it. -1: not looked at yet.
    """

    def __init__(
        self, run: Any, transition: CausalTransition, x: Tensor, y: Tensor,
        valid: tuple[Tensor, Tensor],
    ) -> None:  # fmt: skip
        """x, y: codes (n, N, C) as the transition has them, on the CPU.  valid: of held-out pairs,
        which judge between starts and between numbers of codes.
        """
        self.run, self.net, self.x, self.y, self.valid = run, transition, x, y, valid
        self.m, self.steps = transition.actions, run.recipe.transition.steps
        check_pairs(x, y, self.m)

    @property
    def labels(self) -> Tensor:
        """(n,) the action code of each pair."""
        return self.net.labels  # type: ignore[return-value]

    @property
    def known(self) -> np.ndarray:
        """Rows that have a label."""
        return (self.labels >= 0).nonzero().flatten().cpu().numpy()

    @property
    def use(self) -> Tensor:
        """(M,) how many pairs each code has."""
        return torch.bincount(self.labels[self.labels >= 0].long(), minlength=self.m)

    def start(self) -> None:
        """Label the first pairs."""
        x, y = self.x[:POOL], self.y[:POOL]
        n = max(20, min(LONGEST, int(TRIAL * self.steps)))
        best, before = -math.inf, self.labels.clone()
        for kind in STARTS if self.m > 1 else STARTS[:1]:
            rng = self.run.numbers(4, STARTS.index(kind))
            found = torch.from_numpy(start_labels(x, y, self.net.codes, self.m, kind, rng))
            other = copy.deepcopy(self.net)
            other.labels[: len(x)] = found.to(other.labels)
            alone = self.m == 1  # there is nothing to choose
            reached = 0.0 if alone else float(self._trial(other, np.arange(len(x)), n, rng).mean())
            self.run.say(f"actions from what is {kind}: {reached:.2f} nats per held-out pair")
            if reached > best:
                best, before = reached, other.labels
        self.labels.copy_(before)

    def _trial(
        self, net: CausalTransition, rows: np.ndarray, n: int, rng: np.random.Generator
    ) -> Tensor:
        """Log-likelihood of each held-out pair, nats, after n steps on the labels of these rows."""
        settings = self.run.recipe.transition
        optimizer = loop.adamw(net, settings.lr)
        schedule = loop.warm_up_and_cosine(optimizer, settings.lr, n)
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        for step in loop.steps("trial of labels", net, optimizer, schedule, n):
            pick = torch.from_numpy(rng.choice(rows, settings.batch))
            x, y, labels = (
                t[pick].to(self.run.device, torch.int64)
                for t in (self.x, self.y, net.labels.cpu())  # type: ignore[operator]
            )
            with self.run.autocast():
                out = net(x, labels, generator=generator)
            step.minimise(transition_loss(out, y, mask_price=0.0, edge_price=0.0).total)
        used = torch.bincount(net.labels[rows].long(), minlength=self.m)  # type: ignore[index]
        prior = (used / len(rows)).clamp_min(1e-6).log()
        return (scores(net, *self.valid, run=self.run) + prior).logsumexp(1).double()

    def look(self, number: int) -> None:
        """Before step `number`: label some pairs anew, merge codes, where it is time for it."""
        begin = int(BEGIN * self.steps)
        if self.m == 1 or number < begin:
            return
        if (number - begin) % EVERY == 0:
            rng = self.run.numbers(5, number)
            size = min(len(self.x), max(32, SCORED // self.m))
            rows = torch.from_numpy(rng.choice(len(self.x), size, replace=False))
            found = scores(self.net, self.x[rows], self.y[rows], run=self.run)
            prior = (self.use + 1e-3).log().to(found.device)  # an unused code stays unused
            drawn = torch.multinomial(
                (found + prior).softmax(1).cpu(), 1, generator=self.run.generator(5, number)
            )
            self.labels[rows.to(self.labels.device)] = drawn[:, 0].to(self.labels)
        times = [int(share * self.steps) for share in MERGE_AT]
        if number in times:
            self._merge(self.run.numbers(6, number))
        if number == times[-1] and self.run.recipe.transition.action_pieces == "joined":
            self._join(number)

    def _merge(self, rng: np.random.Generator) -> None:
        """Give the pairs of a code to another that explains them as well."""
        rows = torch.from_numpy(rng.permutation(self.known)[:512])
        found = scores(self.net, self.x[rows], self.y[rows], run=self.run).cpu()
        for code in self.use.argsort().tolist():
            own = found[self.labels[rows].cpu() == code]  # (n, M)
            live = (self.use > 0).cpu()
            live[code] = False
            if not len(own) or live.sum() < 2:
                continue
            lost = (own[:, [code]] - own).mean(0)
            if lost[live].min() < MERGE * lost[live].median():
                self.labels[self.labels == code] = int(lost.masked_fill(~live, math.inf).argmin())

    def _join(self, number: int) -> None:
        """Make one code of the pieces of an action, as far as held-out pairs bear it."""
        rng, size = self.run.numbers(8, number), min(READ, len(self.x))
        rows = torch.from_numpy(rng.choice(len(self.x), size, replace=False))
        found = scores(self.net, self.x[rows], self.y[rows], run=self.run)
        read = (found + (self.use + 1e-3).log().to(found.device)).argmax(1).to(self.labels)
        self.labels[rows.to(self.labels.device)] = read
        some = torch.cat([rows, torch.arange(min(POOL, len(self.x)))])
        moved = slow_changes(self.x[some], self.y[some], self.net.codes, rng)[:size, :DIRECTED]
        ways = joins(moved, read.cpu().numpy(), self.m)
        n = min(LONGEST, max(JOIN_STEPS, int(JOIN_TRIAL * self.steps)))

        def told(way: np.ndarray) -> Tensor:  # nats of held-out pairs, codes joined like this
            other = forgotten(self.net, self.run.generator(8, number))
            other.labels[rows] = torch.from_numpy(way).to(other.labels)[read.long()]
            reached = self._trial(other, rows.numpy(), n, self.run.numbers(9, number))
            live = len(np.unique(other.labels[rows].cpu()))
            self.run.say(f"{live} codes: {float(reached.mean()):.2f} nats per held-out pair")
            return reached

        kept, refused = 0, len(ways)
        if refused > 1:
            apart = told(ways[0])
            worth = float((apart - told(np.zeros_like(ways[0]))).mean())
            if worth < math.log(len(read.unique())):  # so little that a trial says nothing
                refused = 1
        while refused - kept > 1:
            level = (kept + refused) // 2
            lost = apart - told(ways[level])
            if lost.mean() <= NOISE * lost.std() / len(lost) ** 0.5:
                kept = level
            else:
                refused = level
        known = self.labels >= 0
        self.labels[known] = torch.from_numpy(ways[kept]).to(self.labels)[self.labels[known].long()]

    def with_idle(
        self, number: int, x: Tensor, actions: Tensor, y: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Actions and y of a batch of which some rows teach unused codes to do nothing."""
        unused = (self.use == 0).nonzero().flatten()
        if not len(unused) or self.m == 1:
            return actions, y
        rows = np.arange(0, len(x), IDLE)
        drawn = self.run.numbers(7, number).integers(0, len(unused), len(rows))
        actions, y = actions.clone(), y.clone()
        actions[rows] = unused[torch.from_numpy(drawn).to(unused.device)].to(actions)
        y[rows] = x[rows]
        return actions, y


@torch.no_grad()
def scores(net: CausalTransition, x: Tensor, y: Tensor, *, run: Any) -> Tensor:
    """(n, M) log-likelihood of each pair of codes (n, N, C) under each action, in nats."""
    was, every = net.training, torch.arange(net.actions, device=run.device)
    net.eval()
    out = []
    size = max(1, 1024 // net.actions)
    for before, after in zip(x.split(size), y.split(size), strict=True):
        before, after = (t.to(run.device, torch.int64) for t in (before, after))
        with run.autocast():
            told = net(before, every.expand(len(before), -1))
        after = after[:, None].expand(-1, net.actions, -1, -1)
        out.append(told.log_likelihood(after).flatten(2).sum(-1))
    net.train(was)
    return torch.cat(out)


# Joins --------------------------------------------------------------------------------------------


def joins(moved: np.ndarray, labels: np.ndarray, m: int) -> list[np.ndarray]:
    """What codes become join after join: a list of int64 (m,), the first of which joins none.

    The next join is of the two whose changes of slow features, moved (n, features), have the
    largest cosine; it ends where no two have one above 0. A joined code is called as the larger.
    """
    used = np.bincount(labels, minlength=m).astype(float)
    sums = np.zeros((m, moved.shape[1]))
    np.add.at(sums, labels, moved)
    ways = [np.arange(m)]
    while True:
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        unit = np.divide(sums, length, out=np.zeros_like(sums), where=length > 0)
        alike = np.tril(unit @ unit.T, -1)
        one, other = sorted(divmod(int(alike.argmax()), m), key=lambda c: -used[c])
        if alike.max() <= 0:
            return ways
        ways.append(np.where(ways[-1] == other, one, ways[-1]))
        for of in (sums, used):
            of[one] += of[other]
            of[other] = 0


@torch.no_grad()
def forgotten(net: CausalTransition, generator: torch.Generator) -> CausalTransition:
    """A copy that knows nothing of its actions, but all that they share."""
    other = copy.deepcopy(net)
    for p in (other.action_vectors, other.mask_action):
        p.copy_(torch.randn(p.shape, generator=generator) * other.width**-0.5)
    other.styles.zero_()
    return other


# Names --------------------------------------------------------------------------------------------


def named(model: CausalVQ, codes: Sequence[int], names: Sequence[str]) -> CausalVQ:
    """The model with names: its action i is what was action code `codes[i]`. A new model.

    A code may have several names, and codes without a name are left out.
    Raises ValueError for a code that it does not have, or another number of names.
    """
    if len(codes) != len(names) or not all(0 <= c < model.n_actions for c in codes):
        raise ValueError(
            f"expected one code in 0..{model.n_actions - 1} for each of {len(names)} names, "
            f"found {list(codes)}"
        )
    other, pick = copy.deepcopy(model), torch.tensor(list(codes), device=model.device)
    net = other.transition
    with torch.no_grad():
        for name in ("action_vectors", "mask_action"):
            setattr(net, name, torch.nn.Parameter(getattr(net, name)[pick]))
        net.styles = torch.nn.Parameter(net.styles[:, pick])
    net.allowed = net.allowed[pick]
    net._buffers.pop("labels", None)
    net.actions = other.n_actions = len(names)
    other.action_names = list(names)
    return other
