"""What the benchmark times: each case a function without arguments that does the work once.

Sizes are those of the recipe `lesson` on 64 x 64 images (64 nodes, 64 codes, 12 actions); the
weights and codes are random, which changes no time.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from cvq_tutorial.common.device import half_precision
from cvq_tutorial.measure.evaluate import code_answers
from cvq_tutorial.method.autoencoder import QuantizedAutoencoder
from cvq_tutorial.method.causal_transition import CausalTransition, transition_loss
from cvq_tutorial.method.codebooks import Quantizer
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.training.loop import CLIP, Step, adamw
from cvq_tutorial.training.recipes import Recipe, get
from cvq_tutorial.training.train import PICTURE
from cvq_tutorial.worlds.make import make_world

BATCH, NODES, CODES, ACTIONS, MANY_ACTIONS = 16, 64, 64, 12, 120
PAIRS = 96  # that are named, or evaluated, at a time
RECIPE = get("lesson")
PAPER_STEP, LARGE_STEP, PICTURE_STEP = "step_paper", "step_of_the_recipe", "step_autoencoder"
Case = tuple[str, Callable[[], object], int]


def cases(
    device: torch.device, pictures: int, left_open: contextlib.ExitStack, pairs: int = PAIRS
) -> dict[str, Case]:
    """{name: (what it is, a call, how many pictures a call makes)}.

    left_open: closes the explorers that the calls use.
    """
    found: dict[str, Case] = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for codebooks, actions in ((1, ACTIONS), (4, ACTIONS), (1, MANY_ACTIONS)):
            books = "1 codebook" if codebooks == 1 else f"{codebooks} codebooks"
            found[f"step_{books.replace(' ', '_')}_{actions}_actions"] = (
                f"training step, batch {BATCH}, {books}, {actions} actions",
                training_step(codebooks, actions, device),
                0,
            )
        found[LARGE_STEP] = (
            f"training step, batch {RECIPE.transition_batch}, 4 codebooks, {ACTIONS} actions",
            training_step(4, ACTIONS, device, batch=RECIPE.transition_batch),
            0,
        )
        found[PICTURE_STEP] = (
            f"autoencoder step, {RECIPE.autoencoder_batch} pictures",
            autoencoder_step(device),
            0,
        )
        if device.type == "cuda":  # what fills a card; a CPU would be at it for seconds
            large = get("paper")
            found[PAPER_STEP] = (
                f"training step of `paper`, batch {large.transition_batch}, 4 codebooks",
                training_step(4, ACTIONS, device, large, large.transition_batch),
                0,
            )
        for codebooks in (1, 4):
            books = "1 codebook" if codebooks == 1 else f"{codebooks} codebooks"
            model = model_of(codebooks, device)
            x, y = (codes(1, codebooks, device) for _ in range(2))
            found[f"retrieval_{books.replace(' ', '_')}"] = (
                f"retrieval, one pair, all {ACTIONS} actions, {books}",
                partial(model.retrieve, x, y),
                0,
            )
            found[f"intervention_{books.replace(' ', '_')}"] = (
                f"intervention, one image, decoded, {books}",
                partial(model.intervene, x, 3),
                0,
            )
            found[f"click_{books.replace(' ', '_')}"] = (
                f"graph explorer, from a click on an action to the new picture, {books}",
                _click(model, left_open),
                0,
            )
        named = model_of(4, device)
        many_x, many_y = (codes(pairs, 4, device) for _ in range(2))
        found["retrieval_together"] = (
            f"retrieval, {pairs} pairs together, all {ACTIONS} actions, 4 codebooks",
            partial(named.retrieve, many_x, many_y),
            0,
        )
        if half_precision(device):
            found["retrieval_together_half"] = (
                f"the same {pairs} pairs in bfloat16",
                partial(named.retrieve, many_x, many_y, half=True),
                0,
            )
        before, after = (torch.rand(pairs, 3, 64, 64, device=device) for _ in range(2))
        action = torch.arange(pairs) % ACTIONS
        found["evaluation_together"] = (
            f"what evaluation asks about {pairs} pairs of pictures, 4 codebooks",
            partial(code_answers, named, before, action, after),
            0,
        )
    for name in ("shapes3d", "sprites"):
        try:
            world = make_world(name)
        except OSError:  # its data are not on this machine
            continue
        assert world.has_images
        values = np.random.default_rng(0).integers(
            0, world.factors.sizes, (pictures, world.factors.n_factors)
        )
        found[f"render_{name}"] = (
            f"rendering {pictures} images of {name}",
            partial(world.render, values),
            pictures,
        )
    return found


def training_step(
    codebooks: int, actions: int, device: torch.device, recipe: Recipe = RECIPE, batch: int = BATCH
) -> Callable[[], None]:
    """One step of the second phase as `train` takes it."""
    transition = transition_of(codebooks, actions, recipe).to(device).train()
    optimizer = adamw(transition, 1e-4)
    x, y = (codes(batch, codebooks, device) for _ in range(2))
    action = torch.arange(batch, device=device) % actions
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=half_precision(device)):
            output = transition(x, action, generator=generator)
        loss = transition_loss(
            output, y, mask_price=recipe.mask_price, edge_price=recipe.edge_price
        )
        Step(0, "bench", False, transition, optimizer, CLIP).minimise(loss.total)

    return step


def autoencoder_step(device: torch.device) -> Callable[[], None]:
    """One step of the first phase as `train` takes it, the pictures rendered before."""
    auto = autoencoder().to(device, memory_format=torch.channels_last).train()
    optimizer = adamw(auto, 1e-4)
    settings, generator = RECIPE.autoencoder, torch.Generator().manual_seed(0)
    images = torch.rand(settings.batch, 3, 64, 64, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        auto.quantizer.update(auto.encoder(images), torch.empty(0), generator)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=half_precision(device)):
            out = auto(images)
        assert out.quantized is not None
        loss = PICTURE * (out.images.float() - images).square().mean()
        loss = loss + settings.commitment * out.quantized.commitment
        auto.quantizer.update(out.encoded.detach(), out.quantized.codes, generator)
        Step(0, "bench", False, auto, optimizer, CLIP).minimise(loss)

    return step


def _click(model: CausalVQ, left_open: contextlib.ExitStack) -> Callable[[], None]:
    """Another action is chosen: model, pictures, and all that is sent to the page."""
    from cvq_tutorial.explore.graph import GraphExplorer  # widgets, slow to load

    explorer = GraphExplorer(model, torch.zeros(1, 3, 64, 64))
    left_open.callback(explorer.close)
    turn = itertools.cycle(model.action_names)

    def click() -> None:
        name = next(turn)
        explorer.action_menu.value = next(turn) if name == explorer.action else name
        if explorer.last_error:
            raise RuntimeError(explorer.last_error)

    return click


def autoencoder(codebooks: int = 4) -> QuantizedAutoencoder:
    """Of the recipe, with random weights."""
    quantizer = Quantizer(RECIPE.code_width, codebooks, CODES)
    return QuantizedAutoencoder(quantizer, width=RECIPE.decoder_width, blocks=RECIPE.decoder_blocks)


def model_of(codebooks: int, device: torch.device) -> CausalVQ:
    """A model of the recipe, with random weights."""
    names = [f"action {a}" for a in range(ACTIONS)]
    return (
        CausalVQ(autoencoder(codebooks), transition_of(codebooks, ACTIONS), names).to(device).eval()
    )


def transition_of(codebooks: int, actions: int, recipe: Recipe = RECIPE) -> CausalTransition:
    """A transition of the recipe, with random weights."""
    return CausalTransition(
        NODES, codebooks, CODES, actions, width=recipe.width, reads=recipe.reads
    )


def codes(batch: int, codebooks: int, device: torch.device) -> Tensor:
    """Random codes (batch, N, codebooks)."""
    return torch.randint(CODES, (batch, NODES, codebooks)).to(device)


def timed(call: Callable, device: torch.device, clock: Callable[[], float]) -> float:
    """Seconds of a call by a clock; what the device still has to do is waited for."""
    began = clock()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return clock() - began
