"""Stage two: what is frozen stays, bit for bit; the painter learns; the critic has bounds."""

from __future__ import annotations

import numpy as np
import pytest
import small_models
import torch

from cvq_tutorial.training import recipes, two_stage
from cvq_tutorial.training.two_stage import Critic, critic_weight, refine
from cvq_tutorial.worlds.factors import Factor, FactorSpace

RECIPE = recipes.get("nano", autoencoder_batch=8)


class World:
    """Two factors; the first is how bright the picture is, the second how far its edge is."""

    name, options, has_images = "edges", {}, True
    image_shape = small_models.SHAPE
    factors = FactorSpace((Factor("hue", 8), Factor("size", 16)))

    def render(self, values: np.ndarray) -> np.ndarray:
        across = np.arange(24)[None, None, :, None] < values[:, 1, None, None, None] + 4
        pictures = across * (60 + 20 * values[:, 0, None, None, None])
        return np.broadcast_to(pictures, (len(values), *self.image_shape)).astype(np.uint8)


@pytest.fixture(scope="module")
def model():
    return small_models.made()


def parts(model, *names: str) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in model.state_dict().items() if k.startswith(names)}


def same(one: dict, other: dict) -> bool:
    return all(torch.equal(v, other[k]) for k, v in one.items())


def test_only_the_decoder_learns_and_answers_stay_bit_for_bit(model):
    before = parts(model, "")
    refined = refine(model, World(), RECIPE, 0, steps=12, progress=False)
    assert same(before, parts(model, ""))  # the model that was given is left alone
    after = parts(refined, "")
    moved = {k for k, v in before.items() if not torch.equal(v, after[k])}
    assert moved and all(k.startswith("autoencoder.decoder") for k in moved)
    x, y = (small_models.pictures(9, seed) for seed in (1, 2))
    one, two = (m.retrieve(x, y).log_posterior for m in (model, refined))
    assert torch.equal(one, two)
    assert torch.equal(model.encode(x), refined.encode(x))
    assert not torch.equal(model.reconstruct(x), refined.reconstruct(x))
    assert all(p.requires_grad for p in refined.parameters()) and not refined.training


def test_it_is_deterministic_and_the_critic_is_what_makes_the_difference(model):
    def end(seed=0, **how):
        return parts(refine(model, World(), RECIPE, seed, steps=8, progress=False, **how), "")

    assert same(end(), end())
    assert not same(end(), end(1)) and not same(end(), end(critic=False))
    assert same(end(most=0.0), end(critic=False)) and same(end(fixed=0.0), end(critic=False))


def test_a_free_encoder_moves_codes_and_that_would_be_seen(model):
    free = refine(model, World(), RECIPE, 0, steps=60, encoder=True, progress=False)
    assert not same(parts(model, "autoencoder.encoder"), parts(free, "autoencoder.encoder"))
    assert same(parts(model, "transition"), parts(free, "transition"))
    x = torch.from_numpy(World().render(np.argwhere(np.ones((8, 16))))).permute(0, 3, 1, 2) / 255
    assert not torch.equal(model.encode(x), free.encode(x))


def test_squared_error_alone_falls(model):
    values = np.argwhere(np.ones((8, 16)))
    x = torch.from_numpy(World().render(values)).permute(0, 3, 1, 2) / 255
    control = refine(model, World(), RECIPE, 0, steps=60, critic=False, progress=False)
    errors = [float((m.reconstruct(x) - x).square().mean()) for m in (model, control)]
    assert errors[1] < 0.9 * errors[0]


def test_the_weight_of_the_critic_is_the_ratio_of_gradients_within_bounds():
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    error, fooling = (w**2).sum(), (w * torch.tensor([6.0, 8.0])).sum()  # gradients of 10 and 10
    assert critic_weight(error, fooling, w) == pytest.approx(1.0, abs=1e-6)
    assert critic_weight(error / 4, fooling, w) == pytest.approx(0.25, abs=1e-6)
    assert critic_weight(error * 9, fooling, w) == 1
    assert critic_weight(error * 9, fooling, w, most=5) == 5


def test_the_critic_judges_patches():
    critic, x = Critic(4), torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    changed = x.clone()
    changed[..., 30, 30] = 1 - changed[..., 30, 30]
    critic.eval()
    differs = (critic(x) != critic(changed))[0, 0].nonzero()
    assert critic(x).shape == (1, 1, 16, 16)
    reach = (differs.amax(0) - differs.amin(0) + 1).tolist()
    assert max(reach) <= 6  # of 16: it sees 18 pixels at most


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 3}, "steps"),
        ({"most": -1.0}, "weights of 0 or more, found most=-1.0"),
        ({"fixed": -0.5}, "fixed=-0.5"),
    ],
)
def test_bad_input_is_one_line(model, change, message):
    with pytest.raises(ValueError, match=message):
        refine(model, World(), RECIPE, 0, progress=False, **change)
    with pytest.raises(ValueError, match="a model of pictures, found one of codes"):
        refine(small_models.made(images=False), World(), RECIPE, 0, progress=False)


def test_a_loss_that_is_not_finite_names_the_step(model, monkeypatch):
    monkeypatch.setattr(two_stage, "PICTURE", float("nan"))
    with pytest.raises(FloatingPointError, match="at step 0 of stage two, decoder"):
        refine(model, World(), RECIPE, 0, steps=8, progress=False)
