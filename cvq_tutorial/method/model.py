"""CausalVQ: reconstruct an image, intervene on it, name the action between two, show the graph.

And do several actions in a row, or find those that lead from one image to another. It puts the
autoencoder and the causal transition together, checks what it is given, and is deterministic: it
always evaluates, and never changes a codebook. When to believe what it answers is in `answers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from cvq_tutorial.common.arrays import counts
from cvq_tutorial.common.checks import close_match, whole_number
from cvq_tutorial.common.device import half_if_asked
from cvq_tutorial.common.images import check_images
from cvq_tutorial.common.tensors import check_actions, check_codes
from cvq_tutorial.method.answers import Intervention, Retrieval, joined
from cvq_tutorial.method.autoencoder import QuantizedAutoencoder
from cvq_tutorial.method.causal_transition import CausalTransition, TransitionOutput
from cvq_tutorial.method.plan import Measure, Plan, search

Actions: TypeAlias = Any  # one number or name for all images, or one for each (B,)
Edges: TypeAlias = list[tuple[int, int]] | None
CARRIES = ("belief", "codes", "images")


class CausalVQ(nn.Module):
    """Autoencoder and causal transition in one hand.

    autoencoder: None for worlds without images.  action_names: one per action.
    Sizes: n_nodes N of the graph, n_codebooks C and n_codes K of the codes that it takes and gives,
    n_actions A, grid (h, w) of the code map; (1, N) without images.
    explains_at: nats per code from which on y counts as explained by its best action; training sets
        it, see `training.calibrate`. None: not known.
    """

    BATCH = 256  # images at a time inside; bounds memory
    layout = "places"  # a node is a place; `published` has another
    explains_at: float | None = None

    def __init__(
        self, autoencoder: QuantizedAutoencoder | None, transition: CausalTransition,
        action_names: list[str] | tuple[str, ...],
    ) -> None:  # fmt: skip
        super().__init__()
        if (n_names := len(action_names)) != transition.actions:
            raise ValueError(f"expected {transition.actions} action names, found {n_names}")
        self.n_nodes, self.n_codebooks = transition.nodes, transition.codebooks
        self.n_codes, self.n_actions = transition.codes, transition.actions
        self.grid = (1, self.n_nodes)
        if autoencoder is not None:
            self.grid, self.n_codebooks = autoencoder.grid, autoencoder.codebooks
            one = torch.zeros(1, self.grid[0] * self.grid[1], self.n_codebooks)
            sizes = (*self.to_nodes(one).shape[1:], autoencoder.quantizer.codes)
            found = (transition.nodes, transition.codebooks, transition.codes)
            if found != sizes:
                wanted = f"a transition of (nodes, codebooks, codes) = {sizes}"
                raise ValueError(f"expected {wanted}, found {found}")
        if (fits := transition.at_once(self.BATCH)) < self.BATCH:  # of many nodes
            self.BATCH = fits
        self.autoencoder = autoencoder
        self.transition = transition
        self.action_names = list(action_names)

    @property
    def device(self) -> torch.device:
        return self.transition.cause_place.device

    def encode(self, images: Tensor) -> Tensor:
        """Codes (B, N, C) int64 of images (B, 3, H, W) float in [0, 1]. Other images raise."""
        auto = self._images()
        check_images(images, auto.image_shape)
        parts = images.split(self.BATCH)
        with self._evaluating():
            return torch.cat([auto.encode(p.to(self.device, torch.float32)) for p in parts])

    def decode(self, codes: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] of codes (B, N, C)."""
        auto, codes = self._images(), self.check_codes(codes)
        with self._evaluating():
            return torch.cat([auto.decode(b) for b in codes.split(self.BATCH)])

    def reconstruct(self, images: Tensor) -> Tensor:
        """Images through the codes and back, (B, 3, H, W) in [0, 1]."""
        return self.decode(self.encode(images))

    def intervene(self, x: Tensor, actions: Actions, *, only: Edges = None) -> Intervention:
        """do(action): likeliest codes after the action, and their picture.

        x: images (B, 3, H, W) or codes (B, N, C).  actions: one for all (number or name), or (B,).
        only: edges (cause, effect), by number: all others are cut (*path patching*).
        The picture is decoded from the *expected* vector of each place: where two codes are nearly
        as likely, their mean errs less than the wrong one of them.
        """
        return self.compose(x, [actions], only=only)[0]

    def compose(
        self, x: Tensor, actions: Iterable[Any], *, carry: str = "belief", only: Edges = None
    ) -> list[Intervention]:
        """Several actions in a row: one Intervention per step.

        x, only: as in `intervene`.  actions: a sequence of steps, each as there.
        carry: what the next step starts from. "belief": each code keeps its distribution until an
            action sets it. "codes": the likeliest codes, taken for certain, as if `intervene` were
            called again and again. "images": the decoded picture, encoded anew.
        """
        if carry not in CARRIES:
            raise ValueError(close_match("carry", carry, CARRIES))
        if isinstance(actions, str):
            raise TypeError(f"expected a sequence of actions, found the single {actions!r}")
        codes, cut = self._codes(x), None if only is None else self._all_but(only)
        if carry == "images":
            self._images()
        each = [self.check_actions(a, len(codes)).split(self.BATCH) for a in actions]
        steps: list[list[Intervention]] = [[] for _ in each]
        for part, now in enumerate(codes.split(self.BATCH)):
            belief = None
            for step, action in enumerate(each):
                out, after = self._advance(now, belief, action[part], cut)
                done = self._painted(self._outcome(now, out, after))
                steps[step].append(done)
                belief = after if carry == "belief" else None
                again = carry == "images" and done.images is not None
                now = self.encode(done.images) if again else done.codes
        told = [joined(parts) for parts in steps]
        for i, j in only or ():
            if not any(counts(step.edges[:, i, j]).any() for step in told):
                raise ValueError(f"only: no edge {i} -> {j} under these actions in these pictures")
        return told

    def plan(self, x: Tensor, y: Tensor, **options: Any) -> Plan:
        """The shortest sequence of actions found that leads from x to y.

        x, y: one image (1, 3, H, W) or its codes (1, N, C) each.
        options: max_steps (8), beam (8), tolerance, gain; see `plan.search`.
        """
        before, after = self._codes(x), self._codes(y)
        if len(before) != 1 or len(after) != 1:
            raise ValueError(f"a plan leads from one x to one y, found {len(before)}, {len(after)}")
        every = torch.arange(self.n_actions, device=self.device)

        def advance(beliefs: Tensor) -> Tensor:
            some = every.split(max(1, self.BATCH // len(beliefs)))  # one, unless they are very many
            return torch.cat([self.advance(beliefs, a.expand(len(beliefs), -1)) for a in some], 1)

        belief, measure = self.belief(before)[0], self.measure(after)
        return search(before[0], belief, measure, advance, self.action_names, **options)

    def retrieve(self, x: Tensor, y: Tensor, *, half: bool = False) -> Retrieval:
        """Name the action between x and y, images or codes each. half: see `half_if_asked`."""
        return self.intervene_and_retrieve(x, None, y, half=half)[1]

    def intervene_and_retrieve(
        self, x: Tensor, actions: Actions | None, y: Tensor, *, half: bool = False
    ) -> tuple[Any, Retrieval]:
        """`intervene(x, actions)` (None of no actions) and `retrieve(x, y)`, from a single pass."""
        before, after = self._codes(x), self._codes(y)
        if len(before) != len(after):
            raise ValueError(f"x and y must have one length, found {len(before)} and {len(after)}")
        asked = None if actions is None else self.check_actions(actions, len(before))
        every = torch.arange(self.n_actions, device=self.device)
        told, done, size = [], list[Intervention](), max(1, self.BATCH // self.n_actions)
        for first in range(0, max(1, len(before)), size):
            part, found = slice(first, first + size), []
            c, d = before[part], self.to_nodes(after[part])[:, None]
            for some in every.split(self.BATCH):  # all of them, unless they are very many
                with half_if_asked(self.device, half):
                    out = self.distribution(c, some.expand(len(c), -1))  # fields (B, Q, N, C, ...)
                likely = out.log_likelihood(d.expand(-1, len(some), -1, -1))
                found.append(torch.stack([likely.flatten(2).sum(-1), out.evidence(likely)]))
            told.append(torch.cat(found, -1))  # (2, B, A)
            if asked is not None:
                one = out.of(asked[part]) if len(found) == 1 else self.distribution(c, asked[part])
                done.append(self._outcome(c, one, self.from_nodes(one.log_probs())))
        nats, scores = torch.cat(told, 1)
        log_posterior = scores.log_softmax(-1)
        named = Retrieval(
            log_posterior, log_posterior.argmax(-1), nats, (before == after).flatten(1).all(1),
            before[0].numel() if len(before) else 1, self.action_names, self.explains_at,
        )  # fmt: skip
        return self._painted(joined(done)) if done else None, named

    def graph(self, x: Tensor, action: Actions) -> Tensor:
        """Edge probabilities (B, N, N) under the action; [b, i, j] is "i is a cause of j"."""
        codes = self._codes(x)
        actions = self.check_actions(action, len(codes))
        pairs = zip(codes.split(self.BATCH), actions.split(self.BATCH), strict=True)
        return torch.cat([self.distribution(c, a).edges for c, a in pairs])

    @torch.no_grad()
    def distribution(
        self, codes: Tensor, actions: Tensor, *, cut: Tensor | None = None
    ) -> TransitionOutput:
        """All that the transition says about codes (B, N, C); see `CausalTransition.forward`."""
        with self._evaluating():
            return self.transition(self.to_nodes(codes), actions.to(self.device), cut=cut)

    def belief(self, codes: Tensor) -> Tensor:
        """(B, N, C, K) log-probability of every code, before any action: sure up to copy noise."""
        return self.from_nodes(self.transition.copied(self.to_nodes(codes)))

    def advance(self, belief: Tensor, actions: Tensor) -> Tensor:
        """The belief after an action each: (B, N, C, K) of actions (B,), (B, Q, N, C, K) of (B, Q).

        The action reads the likeliest codes; a code that it does not set keeps its distribution.
        """
        return self._advance(belief.argmax(-1), belief, actions)[1]

    def measure(self, codes: Tensor) -> Measure:
        """How far beliefs are from one image's codes (1, N, C): see `plan.Measure`."""
        equally = torch.eye(self.n_codes, device=self.device).expand(self.n_codebooks, -1, -1)
        return Measure(codes[0], self.autoencoder.vectors if self.autoencoder else equally)

    def check_codes(self, codes: Tensor) -> Tensor:
        """The codes on the model's device; TypeError or ValueError unless (B, N, C) in [0, K)."""
        check_codes(codes, self.n_codebooks, self.n_codes)
        places = self.grid[0] * self.grid[1]
        if codes.shape[1] != places:
            raise ValueError(f"codes must have {places} nodes, found shape {tuple(codes.shape)}")
        return codes.to(self.device, torch.int64)

    def check_actions(self, actions: Actions, batch: int) -> Tensor:
        """Actions (B,) int64 on the model's device, of one for all images or one for each."""
        return check_actions(actions, self.action_names, batch).to(self.device, torch.int64)

    def _all_but(self, edges: list[tuple[int, int]]) -> Tensor:
        """(N, N) the edges to cut so that these are left."""
        cut = torch.ones(self.n_nodes, self.n_nodes, dtype=torch.bool, device=self.device)
        for edge in edges:
            cut[tuple(whole_number("only: a node", n, 0, self.n_nodes - 1) for n in edge)] = False
        return cut

    def _images(self) -> QuantizedAutoencoder:
        if self.autoencoder is None:
            raise ValueError("this model works on codes alone: it has no autoencoder")
        return self.autoencoder

    def _codes(self, x: Tensor) -> Tensor:
        if isinstance(x, Tensor) and x.ndim == 4:
            return self.encode(x)
        if not isinstance(x, Tensor) or x.ndim != 3:
            found = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"expected images (B, 3, H, W) or codes (B, N, C), found {found}")
        return self.check_codes(x)

    @torch.no_grad()
    def _advance(
        self, codes: Tensor, belief: Tensor | None, actions: Tensor, cut: Tensor | None = None
    ) -> tuple[TransitionOutput, Tensor]:
        """What the transition says about the codes, and the belief after it; None: no doubt yet."""
        out = self.distribution(codes, actions, cut=cut)
        if belief is not None:
            kept = self.to_nodes(belief)  # Q actions of each: the axis after B
            out = replace(out, log_copy=kept[:, None] if actions.ndim == 2 else kept)
        flat = self.from_nodes(out.log_probs().flatten(0, actions.ndim - 1))
        return out, flat.unflatten(0, actions.shape)

    def _outcome(self, codes: Tensor, out: TransitionOutput, after: Tensor) -> Intervention:
        """An intervention that is not painted yet.  after: (B, N, C, K), what is believed then."""
        mask = self.from_nodes(out.mask)
        return Intervention(codes, after.argmax(-1), mask, out.edges, None, (after,))

    def _painted(self, done: Intervention) -> Intervention:
        if self.autoencoder is None:
            return done
        with self._evaluating():
            parts = done.log_probs.split(self.BATCH)
            images = [self.autoencoder.decode_expected(part.exp()) for part in parts]
        return replace(done, images=torch.cat(images))

    def to_nodes(self, codes: Tensor) -> Tensor:
        """Codes, or any (B, N, C, ...), as the transition has them; `from_nodes` inverts it."""
        return codes

    def from_nodes(self, values: Tensor) -> Tensor:
        return values

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Evaluation mode without gradient; the mode before is put back."""
        modes = [(module, module.training) for module in self.modules()]  # parts may differ
        self.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            for module, mode in modes:
                module.training = mode
