"""CausalVQ: reconstruct an image, intervene on it, name the action between two, show the graph.

And do several actions in a row, or find those that lead from one image to another.

This is the object that the lessons hold in their hands. It owns no training; it puts the
autoencoder and the causal transition together, checks what it is given, and is deterministic: it
always evaluates (whatever `training` says), and never changes a codebook.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cvq_tutorial.common.checks import close_match
from cvq_tutorial.common.images import check_images
from cvq_tutorial.method.autoencoder import QuantizedAutoencoder
from cvq_tutorial.method.causal_transition import CausalTransition, TransitionOutput
from cvq_tutorial.method.codebooks import check_codes
from cvq_tutorial.method.plan import Measure, Plan, search

LAYOUTS = ("places", "codebook_places")
CARRIES = ("belief", "codes", "images")


@dataclass(frozen=True)
class Intervention:
    """The outcome of do(action).

    codes_before, codes: (B, N, C) int64.  mask: (B, N, C) in [0, 1], probability that the action
        set a code.
    images: (B, 3, H, W) in [0, 1], or None where the world has no images.
    """

    codes_before: Tensor
    codes: Tensor
    mask: Tensor
    images: Tensor | None


@dataclass(frozen=True)
class Retrieval:
    """Which action was it: log_posterior (B, A) with a uniform prior, actions (B,) likeliest."""

    log_posterior: Tensor
    actions: Tensor


class CausalVQ(nn.Module):
    """Autoencoder and causal transition in one hand.

    autoencoder: None for worlds without images.  action_names: one per action.
    layout: "places" (one node per place, C codes each) or "codebook_places" (published: one node
        per codebook and place, one code each, node = c * h * w + place).
    """

    BATCH = 256  # images at a time inside; bounds memory

    def __init__(
        self,
        autoencoder: QuantizedAutoencoder | None,
        transition: CausalTransition,
        action_names: list[str] | tuple[str, ...],
        *,
        layout: str = "places",
    ) -> None:
        super().__init__()
        if len(action_names) != transition.actions:
            raise ValueError(
                f"expected {transition.actions} action names, found {len(action_names)}"
            )
        if layout not in LAYOUTS:
            raise ValueError(f"layout must be one of {LAYOUTS}, found {layout!r}")
        if autoencoder is not None:
            quantizer, (h, w) = autoencoder.quantizer, autoencoder.grid
            sizes = (h * w, quantizer.codebooks, quantizer.codes)
            if layout != "places":
                sizes = (h * w * quantizer.codebooks, 1, quantizer.codes)
            found = (transition.nodes, transition.codebooks, transition.codes)
            if found != sizes:
                raise ValueError(
                    f"expected a transition of (nodes, codebooks, codes) = {sizes}, found {found}"
                )
        self.autoencoder = autoencoder
        self.transition = transition
        self.action_names = list(action_names)
        self.layout = layout

    # -- sizes

    @property
    def n_nodes(self) -> int:
        """N, nodes of the graph."""
        return self.transition.nodes

    @property
    def n_codebooks(self) -> int:
        """C of the codes that this object takes and gives."""
        return (
            self.autoencoder.quantizer.codebooks if self.autoencoder else self.transition.codebooks
        )

    @property
    def n_codes(self) -> int:
        """K."""
        return self.transition.codes

    @property
    def n_actions(self) -> int:
        """A."""
        return self.transition.actions

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w) of the code map; (1, N) without images."""
        return self.autoencoder.grid if self.autoencoder else (1, self.n_nodes)

    @property
    def device(self) -> torch.device:
        return self.transition.cause_place.device

    # -- images <-> codes

    def encode(self, images: Tensor) -> Tensor:
        """Codes (B, N, C) int64 of images (B, 3, H, W) float in [0, 1].

        Raises TypeError / ValueError naming expected and found for another type, shape or range.
        """
        auto = self._images()
        check_images(images, auto.image_shape)
        with self._evaluating():
            return torch.cat(
                [auto.encode(b.to(self.device, torch.float32)) for b in images.split(self.BATCH)]
            )

    def decode(self, codes: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] of codes (B, N, C)."""
        auto = self._images()
        codes = self.check_codes(codes)
        with self._evaluating():
            return torch.cat([auto.decode(b) for b in codes.split(self.BATCH)])

    def reconstruct(self, images: Tensor) -> Tensor:
        """Images through the codes and back, (B, 3, H, W) in [0, 1]."""
        return self.decode(self.encode(images))

    # -- actions

    def intervene(self, x: Tensor, actions: Tensor | np.ndarray | int | str) -> Intervention:
        """do(action): likeliest codes after the action, and their picture.

        x: images (B, 3, H, W) or codes (B, N, C).  actions: one for all (number or name), or (B,).
        The picture is decoded from the *expected* vector of each place under the predicted
        distribution, not from the likeliest
        code alone: where two codes are nearly as likely, their mean errs less than the wrong one of
            them.
        """
        return self.compose(x, [actions])[0]

    def compose(
        self, x: Tensor, actions: Iterable[Any], *, carry: str = "belief"
    ) -> list[Intervention]:
        """Several actions in a row: one Intervention per step, from the codes that the last left.

        x: images (B, 3, H, W) or codes (B, N, C).  actions: a sequence of steps, each as in
            `intervene`.
        carry: what the next step starts from. "belief": each code keeps the distribution that it
            has, until an action sets it (ours). "codes": the likeliest codes, taken for certain, as
            if `intervene` were called again and again. "images": the decoded picture, encoded anew.
        """
        if carry not in CARRIES:
            raise ValueError(close_match("carry", carry, CARRIES))
        if isinstance(actions, str):
            raise TypeError(f"expected a sequence of actions, found the single {actions!r}")
        codes = self._codes(x)
        if carry == "images":
            self._images()
        each = [self.check_actions(a, len(codes)).split(self.BATCH) for a in actions]
        parts: list[list[Intervention]] = [[] for _ in each]
        for part, now in enumerate(codes.split(self.BATCH)):
            belief = None
            for step, action in enumerate(each):
                out, after = self._advance(now, belief, action[part])
                new, images = after.argmax(-1), None
                if self.autoencoder is not None:
                    with self._evaluating():
                        images = self.autoencoder.decode_expected(after.exp())
                parts[step].append(Intervention(now, new, self.from_nodes(out.mask), images))
                belief = after if carry == "belief" else None
                now = self.encode(images) if carry == "images" and images is not None else new
        return [_joined(step) for step in parts]

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
            return self.advance(beliefs, every.expand(len(beliefs), -1))

        belief, measure = self.belief(before)[0], self.measure(after)
        return search(before[0], belief, measure, advance, self.action_names, **options)

    def retrieve(self, x: Tensor, y: Tensor) -> Retrieval:
        """Name the action between x and y, each images (B, 3, H, W) or codes (B, N, C).

        One pass scores every action: posterior over A actions with a uniform prior, from
        log-likelihoods summed over all codes (or their mean, in the published variant).
        """
        before, after = self._codes(x), self._codes(y)
        if len(before) != len(after):
            raise ValueError(f"x and y must have one length, found {len(before)} and {len(after)}")
        every = torch.arange(self.n_actions, device=self.device)
        scores = []
        size = max(1, self.BATCH // self.n_actions)
        for c, d in zip(before.split(size), after.split(size), strict=True):
            out = self.distribution(c, every.expand(len(c), -1))  # fields (B, A, N, C, ...)
            target = self.to_nodes(d)[:, None].expand(-1, self.n_actions, -1, -1)
            likely = out.log_likelihood(target).flatten(2)  # (B, A, N C)
            published = self.transition.variant.retrieval == "mean"
            scores.append(likely.mean(-1) if published else likely.sum(-1))
        log_posterior = torch.cat(scores).log_softmax(-1)
        return Retrieval(log_posterior, log_posterior.argmax(-1))

    def graph(self, x: Tensor, action: Tensor | np.ndarray | int | str) -> Tensor:
        """Edge probabilities (B, N, N) under the action; [b, i, j] is "i is a cause of j"."""
        codes = self._codes(x)
        actions = self.check_actions(action, len(codes))
        pairs = zip(codes.split(self.BATCH), actions.split(self.BATCH), strict=True)
        return torch.cat([self.distribution(c, a).edges for c, a in pairs])

    @torch.no_grad()
    def distribution(
        self, codes: Tensor, actions: Tensor, *, cut: Tensor | None = None
    ) -> TransitionOutput:
        """All that the transition says about codes (B, N, C) under actions (B,) or (B, Q).

        See `transition.TransitionOutput`; in the layout "codebook_places" its nodes are N C.
        cut: edges to take away, see `CausalTransition.forward`.
        """
        with self._evaluating():
            return self.transition(self.to_nodes(codes), actions.to(self.device), cut=cut)

    def belief(self, codes: Tensor) -> Tensor:
        """(B, N, C, K) log-probability of every code, before any action: what copying would give.

        codes: (B, N, C), certain but for the noise of a copy.
        """
        nothing = torch.zeros(len(codes), dtype=torch.int64, device=self.device)
        return self.from_nodes(self.distribution(codes, nothing).log_copy)  # of whatever action

    def advance(self, belief: Tensor, actions: Tensor) -> Tensor:
        """The belief after an action each: (B, N, C, K) of actions (B,), (B, Q, N, C, K) of (B, Q).

        The action reads the likeliest codes; a code that it does not set keeps its distribution.
        """
        return self._advance(belief.argmax(-1), belief, actions)[1]

    def measure(self, codes: Tensor) -> Measure:
        """How far beliefs are from one image's codes (1, N, C): see `plan.Measure`."""
        if self.autoencoder is not None:
            return Measure(codes[0], self.autoencoder.quantizer.vectors)
        equally = torch.eye(self.n_codes, device=self.device)  # far from each other
        return Measure(codes[0], equally.expand(self.n_codebooks, -1, -1))

    # -- checks

    def check_codes(self, codes: Tensor) -> Tensor:
        """The codes on the model's device.

        Raises TypeError or ValueError unless they are integers (B, N, C) in [0, K).
        """
        check_codes(codes, self.n_codebooks, self.n_codes)
        places = self.grid[0] * self.grid[1]
        if codes.shape[1] != places:
            raise ValueError(f"codes must have {places} nodes, found shape {tuple(codes.shape)}")
        return codes.to(self.device, torch.int64)

    def check_actions(self, actions: Tensor | np.ndarray | int | str, batch: int) -> Tensor:
        """Actions (B,) int64 on the model's device.

        actions: one number or name for all images, or one number per image, or one name.
        """
        if isinstance(actions, str):
            actions = self._number_of(actions)
        elif isinstance(actions, (list, tuple)):
            actions = [self._number_of(a) if isinstance(a, str) else a for a in actions]
        elif actions is None:
            raise TypeError("actions must be numbers or names, found None")
        found = torch.as_tensor(actions)
        if found.dtype.is_floating_point or found.dtype == torch.bool:
            raise TypeError(f"actions must be integers, found {found.dtype}")
        if found.ndim == 0:
            found = found.expand(batch)
        if found.shape != (batch,):
            raise ValueError(f"expected one action or {batch}, found shape {tuple(found.shape)}")
        if batch and not (int(found.min()) >= 0 and int(found.max()) < self.n_actions):
            bad = found[(found < 0) | (found >= self.n_actions)][0]
            raise ValueError(f"action {int(bad)} is outside 0..{self.n_actions - 1}")
        return found.to(self.device, torch.int64)

    # -- inside

    def _number_of(self, action: str) -> int:
        if action not in self.action_names:
            raise ValueError(close_match("action", action, self.action_names))
        return self.action_names.index(action)

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
        self, codes: Tensor, belief: Tensor | None, actions: Tensor
    ) -> tuple[TransitionOutput, Tensor]:
        """What the transition says about the codes, and the belief after it; None: no doubt yet."""
        out = self.distribution(codes, actions)
        many = actions.ndim == 2  # Q actions of each: the axis after B
        if belief is not None:
            kept = self.to_nodes(belief)
            out = replace(out, log_copy=kept[:, None] if many else kept)
        after = out.log_probs()
        flat = self.from_nodes(after.flatten(0, 1) if many else after)
        return out, flat.unflatten(0, actions.shape) if many else flat

    def to_nodes(self, codes: Tensor) -> Tensor:
        if self.layout == "places":
            return codes
        return codes.transpose(1, 2).flatten(1, 2).unsqueeze(2)  # (B, C N, 1)

    def from_nodes(self, values: Tensor) -> Tensor:
        if self.layout == "places":
            return values
        c = self.n_codebooks
        return values.squeeze(2).unflatten(1, (c, -1)).transpose(1, 2)  # (B, N, C, ...)

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


def _joined(parts: list[Intervention]) -> Intervention:
    """Interventions on parts of a batch as one on the whole."""
    images = [part.images for part in parts if part.images is not None]
    return Intervention(
        torch.cat([part.codes_before for part in parts]),
        torch.cat([part.codes for part in parts]),
        torch.cat([part.mask for part in parts]),
        torch.cat(images) if images else None,
    )
