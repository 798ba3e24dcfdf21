"""Baselines: formulas against libraries, rules where the answer is known, runs that resume."""

from __future__ import annotations

import csv
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lamps import Lamps
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from cvq_tutorial.baselines import networks, pairs, vae
from cvq_tutorial.baselines import table as baselines
from cvq_tutorial.baselines.plain_transition import PlainTransition
from cvq_tutorial.baselines.table import BASELINES, evaluate_baseline, full_name
from cvq_tutorial.baselines.vae import SIGMA, VAE, kl, load_vae, negative_elbo, train_vae
from cvq_tutorial.common.images import to_float
from cvq_tutorial.data.augment import moved
from cvq_tutorial.data.transitions import sample_transitions, split_of
from cvq_tutorial.experiments import grids
from cvq_tutorial.lessons import shipped
from cvq_tutorial.measure.evaluate import evaluate
from cvq_tutorial.method.causal_transition import CausalTransition
from cvq_tutorial.method.model import CausalVQ
from cvq_tutorial.run import cli
from cvq_tutorial.training import train as training
from cvq_tutorial.training.build import start_from
from cvq_tutorial.training.checkpoints import CheckpointError, read_info
from cvq_tutorial.training.recipes import get
from cvq_tutorial.training.run import STATE
from cvq_tutorial.worlds.codes import CodesWorld
from cvq_tutorial.worlds.factors import SPLITS
from cvq_tutorial.worlds.make import make_world

SHAPES = make_world("shapes3d")
TINY = get(
    "nano", codes=8, decoder_width=16, autoencoder_steps=6, autoencoder_batch=4,
    transitions=120, width=16, transition_steps=5, transition_batch=8, prune_tolerance=0,
    test_transitions=60, judge_steps=2,
)  # fmt: skip
SMALL = (16, 16, 3)


@pytest.fixture(scope="module", autouse=True)
def a_short_look_for_the_log():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "VALID", 24)
        yield


def images(n: int, shape: tuple[int, int, int] = SMALL, seed: int = 0) -> Tensor:
    return torch.rand((n, 3, *shape[:2]), generator=torch.Generator().manual_seed(seed))


def small_vae(latent: int = 4) -> VAE:
    torch.manual_seed(0)
    return VAE(SMALL, latent, width=16, blocks=1).eval()


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def every_parameter_has_a_gradient(module: torch.nn.Module) -> None:
    for name, p in module.named_parameters():
        assert p.grad is not None and torch.isfinite(p.grad).all() and p.grad.any(), name


# --- the VAE --------------------------------------------------------------------------------------


def test_kl_is_that_of_the_distributions():
    mean, log_variance = torch.randn(2, 50, 7, generator=torch.Generator().manual_seed(1))
    wanted = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(kl(mean, log_variance), wanted)
    assert (kl(mean, log_variance) >= 0).all()
    assert not kl(torch.zeros(1, 3), torch.zeros(1, 3)).any()  # says nothing about the image


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_the_bound_is_likelihood_minus_beta_times_kl(beta):
    x, drawn = images(5), images(5, seed=1)
    mean, log_variance = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(1))
    likelihood = Normal(drawn, SIGMA).log_prob(x) - Normal(x, SIGMA).log_prob(x)  # no constant
    prior = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0))
    wanted = beta * prior.sum(1) - likelihood.sum((1, 2, 3))
    found = negative_elbo(vae.Passed(drawn, mean, log_variance), x, beta)
    torch.testing.assert_close(found, wanted)


def test_every_weight_learns_from_both_parts_of_the_bound():
    model = small_vae()
    noise = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    negative_elbo(model(images(3), noise), images(3)).sum().backward()
    every_parameter_has_a_gradient(model)
    model.zero_grad()
    negative_elbo(model(images(3), noise), images(3), beta=0.0).sum().backward()
    every_parameter_has_a_gradient(model.encoder)  # through the sample, not the KL alone


def test_a_pass_draws_from_the_posterior_that_encode_gives_the_mean_of():
    model, x = small_vae(), images(3)
    mean, log_variance = model.posterior(x)
    assert mean.shape == log_variance.shape == (3, 4) and torch.equal(model.encode(x), mean)
    with torch.no_grad():
        passed = model(x, torch.full((3, 4), 2.0))
    moved = model.decode(mean + 2 * (0.5 * log_variance).exp())
    torch.testing.assert_close(passed.images.clamp(0, 1), moved)
    assert torch.equal(model.reconstruct(x), model.decode(mean))


def test_codes_of_a_vae_do_not_hang_on_batches_or_mode(monkeypatch):
    model, x = small_vae(), images(7)
    whole = model.encode(x)
    monkeypatch.setattr(vae, "BATCH", 3)
    torch.testing.assert_close(model.train().encode(x), whole, rtol=1e-4, atol=1e-5)
    assert not whole.requires_grad and not model.decode(whole).requires_grad
    drawn = model.decode(100 * whole)
    assert drawn.shape == (7, 3, 16, 16) and drawn.min() >= 0 and drawn.max() <= 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: VAE((15, 16, 3)), ValueError, "multiples of 8"),
        (lambda: VAE(SMALL, 0), ValueError, "latent must be at least 1, found 0"),
        (lambda: VAE(SMALL, 2.0), TypeError, "latent must be an integer, found 2.0"),
        (lambda: small_vae().encode(images(1) * 255), ValueError, "in \\[0, 1\\]"),
        (lambda: small_vae().encode(images(1, (8, 8, 3))), ValueError, r"\(B, 3, 16, 16\)"),
        (lambda: small_vae().decode(torch.zeros(2, 5)), ValueError, r"\(B, 4\), found \(2, 5\)"),
        (lambda: small_vae().decode(torch.full((1, 4), torch.nan)), ValueError, "finite"),
    ],
)
def test_a_vae_says_what_does_not_fit(call, error, message):
    with pytest.raises(error, match=message):
        call()


# --- training it ----------------------------------------------------------------------------------


def vae_run(folder: Path, seed: int = 3, **more) -> VAE:
    return train_vae(SHAPES, TINY, seed, folder, progress=False, **more)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A VAE that nobody disturbed."""
    folder = tmp_path_factory.mktemp("vae") / "run"
    vae_run(folder)
    return folder


def test_a_trained_vae_can_be_loaded_with_all_that_made_it(whole):
    assert {p.name for p in whole.iterdir()} == {"model.json", "model.safetensors", "log.csv"}
    model, info = load_vae(whole, SHAPES)
    assert info["network"] == {"kind": "vae", "beta": 1.0, "latent": 10}
    assert info["recipe"] == TINY.to_json() and info["seed"] == 3
    again = vae_run(whole)  # finished: nothing is trained
    told = zip(model.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in told) and not model.training
    with (whole / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == list("123456")
    assert all(float(row["kl"]) > 0 and row["psnr"] and not row["nll"] for row in rows)


def test_the_same_seed_gives_the_same_bits(whole, tmp_path):
    state = torch.random.get_rng_state()
    vae_run(tmp_path / "again")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert weights(tmp_path / "again") == weights(whole)
    vae_run(tmp_path / "seed", seed=4)
    vae_run(tmp_path / "beta", beta=4.0)
    assert len({weights(tmp_path / f) for f in ("again", "seed", "beta")}) == 3


def in_step(patch, n: int, act) -> None:
    original, calls = torch.nn.utils.clip_grad_norm_, [0]

    def wrapped(*args, **kwargs):
        calls[0] += 1
        if calls[0] == n:
            act()
        return original(*args, **kwargs)

    patch.setattr(torch.nn.utils, "clip_grad_norm_", wrapped)


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_stopped_vae_goes_on_with_the_same_bits(whole, tmp_path, monkeypatch):
    for step in (2, 5, 6):
        with monkeypatch.context() as patch:
            in_step(patch, 1 if step != 5 else 3, ctrl_c)
            with pytest.raises(KeyboardInterrupt, match="of autoencoder; state saved"):
                vae_run(tmp_path)
        assert (tmp_path / STATE).exists() and not (tmp_path / "model.json").exists()
    vae_run(tmp_path)
    assert weights(tmp_path) == weights(whole) and not (tmp_path / STATE).exists()


def test_a_vae_sees_the_images_that_our_autoencoder_sees(tmp_path, monkeypatch):
    seen: dict[str, list[np.ndarray]] = {"vae": [], "ours": []}
    original = type(SHAPES).render
    for key, run in (
        ("vae", lambda: vae_run(tmp_path / "vae")),
        ("ours", lambda: training.train(SHAPES, TINY, 3, tmp_path / "ours", progress=False)),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(
                type(SHAPES), "render", lambda s, v, k=key: seen[k].append(v) or original(s, v)
            )
            run()
    ours = [v for v in seen["ours"] if len(v) == TINY.autoencoder_batch]
    assert len(seen["vae"]) == 6
    assert all(np.array_equal(a, b) for a, b in zip(seen["vae"], ours[:6], strict=True))


def test_a_loss_that_is_not_finite_stops_with_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr(vae, "negative_elbo", lambda p, x, b: torch.full((4,), torch.nan))
    with pytest.raises(FloatingPointError, match="loss is nan at step 0 of autoencoder"):
        vae_run(tmp_path)


def test_a_folder_of_something_else_is_refused(whole, tmp_path):
    with pytest.raises(ValueError, match=r"expected network beta 4\.0, found 1\.0"):
        vae_run(whole, beta=4.0)
    with pytest.raises(ValueError, match="expected network latent 12, found 10"):
        vae_run(whole, latent=12)
    with pytest.raises(ValueError, match="expected seed 5, found 3"):
        vae_run(whole, seed=5)
    with pytest.raises(ValueError, match="of another run: expected network None"):
        training.train(SHAPES, TINY, 3, whole, progress=False)
    with pytest.raises(CheckpointError, match="no trained model here"):
        load_vae(tmp_path, SHAPES)
    with pytest.raises(
        CheckpointError, match="world: expected world name 'codes', found 'shapes3d'"
    ):
        load_vae(whole, CodesWorld(n_variables=5, n_codes=3, n_actions=4, n_targets=2, seed=1))
    for name in ("model.json", "model.safetensors"):
        (tmp_path / name).write_bytes((whole / name).read_bytes())
    (tmp_path / "model.safetensors").write_bytes(weights(whole)[:-1] + b"!")
    with pytest.raises(CheckpointError, match="is damaged: expected SHA-256"):
        load_vae(tmp_path, SHAPES)
    with pytest.raises(CheckpointError, match="expected 'pairs of images', found 'vae'"):
        networks.read(whole, "pairs of images")


@pytest.mark.parametrize("beta", [-1.0, float("nan"), float("inf")])
def test_a_beta_that_is_no_weight_is_refused(beta, tmp_path):
    with pytest.raises(ValueError, match="beta must be finite and not negative"):
        vae_run(tmp_path / "run", beta=beta)
    with pytest.raises(TypeError, match="beta must be a number, found 'x'"):
        vae_run(tmp_path / "run", beta="x")
    assert not (tmp_path / "run").exists()


def test_a_shipped_vae_is_small_and_draws_nearly_the_same(whole, tmp_path, monkeypatch):
    made = shipped.ship(whole, "cvq baseline", tmp_path)
    model, info = load_vae(made, SHAPES)
    assert info["made_by"] == "cvq baseline" and "seconds" not in info
    assert len(weights(made)) < 0.55 * len(weights(whole))
    x = to_float(SHAPES.render(np.zeros((2, 6), dtype=np.int64)))
    latents = load_vae(whole, SHAPES)[0].encode(x)
    torch.testing.assert_close(model.encode(x), latents, rtol=0.02, atol=0.02)
    lesson = get("lesson", "shapes3d")
    full = VAE(SHAPES.image_shape, 16, width=lesson.decoder_width, blocks=lesson.decoder_blocks)
    assert 2 * sum(p.numel() for p in full.parameters()) < 1_900_000  # bytes of half precision
    monkeypatch.setattr(shipped, "MOST", 1000)
    with pytest.raises(ValueError, match="expected at most 1000 bytes to ship, found"):
        shipped.ship(whole, "cvq baseline", tmp_path / "big")
    assert not (tmp_path / "big").exists()


# --- rules on latents -----------------------------------------------------------------------------

STEPS = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 0.1, 0], [0, -0.1, 0]])


def toy(n: int = 800, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Latents that four actions move; the third latent is noise, ten times as large as a step."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, generator=g)
    actions = torch.arange(n) % 4
    spread = torch.tensor([0.1, 0.01, 10.0])
    return x, actions, x + STEPS[actions] + spread * torch.randn(n, 3, generator=g)


def test_displacements_are_means_and_the_nearest_in_units_of_the_scatter_is_named():
    rule = pairs.Displacements.fit(*toy(), 4)
    torch.testing.assert_close(rule.mean[:, :2], STEPS[:, :2], atol=0.03, rtol=0)
    x, actions, y = toy(seed=1)
    scores = rule.scores(x, y)
    assert (scores.argmax(1) == actions).float().mean() > 0.99
    euclid = -(y - x)[:, None].sub(rule.mean).square().sum(-1)
    assert (euclid.argmax(1) == actions).float().mean() < 0.5  # the noise drowns the steps
    torch.testing.assert_close(rule.move(x, actions), x + rule.mean[actions])


def test_displacements_are_a_linear_discriminant_analysis():
    g = torch.Generator().manual_seed(2)
    x, actions, y = toy()
    y = y + 2 * torch.randn(y.shape, generator=g) * torch.tensor([0.3, 0.1, 0.3])
    rule = pairs.Displacements.fit(x, actions, y, 4)
    known = LinearDiscriminantAnalysis(solver="lsqr", priors=[0.25] * 4)
    known.fit((y - x).numpy(), actions.numpy())
    agree = known.predict((y - x).numpy()) == rule.scores(x, y).argmax(1).numpy()
    assert agree.mean() > 0.99


def test_a_latent_that_never_changes_does_no_harm():
    x, actions, y = (t if t.ndim == 1 else torch.cat([t, torch.ones(len(t), 1)], 1) for t in toy())
    rule = pairs.Displacements.fit(x, actions, y, 4)
    assert torch.isfinite(rule.whiten).all()
    assert (rule.scores(x, y).argmax(1) == actions).float().mean() > 0.99
    assert torch.isfinite(pairs.AffineSteps.fit(x, actions, y, 4).move(x, actions)).all()


def test_affine_steps_find_a_rotation_that_no_displacement_can_be():
    g = torch.Generator().manual_seed(0)
    angle = torch.rand(600, generator=g) * 2 * torch.pi
    actions = torch.arange(600) % 2
    after = angle + torch.where(actions == 0, 0.6, -0.6)
    x, y = (torch.stack([a.cos(), a.sin()], 1) for a in (angle, after))
    moved = pairs.AffineSteps.fit(x, actions, y, 2).move(x, actions)
    torch.testing.assert_close(moved, y, atol=1e-3, rtol=0)
    displaced = pairs.Displacements.fit(x, actions, y, 2).move(x, actions)
    assert (displaced - y).square().mean() > 0.1


@pytest.mark.parametrize("rule", [pairs.Displacements, pairs.AffineSteps])
def test_rules_need_every_action(rule):
    x, actions, y = toy(40)
    with pytest.raises(ValueError, match="expected every action among the transitions, found none"):
        rule.fit(x, actions, y, 5)
    with pytest.raises(ValueError, match=r"actions must lie in 0\.\.2, found 3"):
        rule.fit(x, actions, y, 3)


def test_latents_of_an_image_are_computed_once(whole, monkeypatch):
    model, _ = load_vae(whole, SHAPES)
    drawn = sample_transitions(SHAPES.factors, 20, "train", 0)
    drawn = replace(drawn, x=np.concatenate([drawn.x[:10], drawn.y[:10]]))
    rendered = []
    original = type(SHAPES).render
    monkeypatch.setattr(type(SHAPES), "render", lambda s, v: rendered.append(v) or original(s, v))
    x, y = pairs.latent_transitions(model, SHAPES, drawn)
    values = np.concatenate(rendered)
    assert len(values) == len(np.unique(values, axis=0)) == 30
    for found, wanted in ((x, drawn.x), (y, drawn.y)):
        whole_batch = model.encode(to_float(original(SHAPES, wanted)))
        torch.testing.assert_close(found, whole_batch, rtol=1e-4, atol=1e-5)


def test_a_baseline_sees_pictures_moved_like_those_of_the_method(whole, monkeypatch, tmp_path):
    model, _ = load_vae(whole, SHAPES)
    drawn = sample_transitions(SHAPES.factors, 12, "train", 0)
    still = pairs.latent_transitions(model, SHAPES, drawn)
    shifted = pairs.latent_transitions(model, SHAPES, drawn, "shift", 3)
    assert not torch.allclose(still[0], shifted[0], atol=1e-3)
    rng = np.random.default_rng([3, 6, 0])
    render = SHAPES.render
    for found, pictures in zip(
        shifted, moved([render(drawn.x), render(drawn.y)], "shift", rng), strict=True
    ):
        torch.testing.assert_close(found, model.encode(to_float(pictures)), rtol=1e-4, atol=1e-5)
    asked = []
    monkeypatch.setattr(
        pairs, "moved", lambda pictures, kind, rng: asked.append(kind) or list(pictures)
    )
    recipe = replace(TINY, augment="mirror_shift", autoencoder_steps=1, transition_steps=1)
    evaluate_baseline("image-pairs", SHAPES, recipe, 0, tmp_path / "run", progress=False)
    assert asked == ["mirror_shift"]  # a batch per step, and no held-out one


def test_classifiers_learn_with_every_weight_and_the_order_of_the_pair_matters():
    torch.manual_seed(0)
    of_latents, of_images = pairs.LatentPairs(3, 4), pairs.ImagePairs(SMALL, 4)
    of_latents.standardise(torch.randn(50, 3) * 7 + 100)
    for network, x, y in (
        (of_latents, *torch.randn(2, 5, 3) * 7 + 100),
        (of_images, images(5), images(5, seed=1)),
    ):
        scores = network(x, y)
        assert scores.shape == (5, 4)
        torch.nn.functional.cross_entropy(scores, torch.arange(5) % 4).backward()
        every_parameter_has_a_gradient(network)
        assert not torch.allclose(scores, network(y, x), atol=1e-4)
    assert of_latents.middle.sub(100).abs().max() < 5  # reads in units of the data


# --- a transition without graph and mask ----------------------------------------------------------


def plain(grid=(2, 4), width=8) -> PlainTransition:
    torch.manual_seed(0)
    made = PlainTransition(grid, 2, 5, 3, width=width)
    for block in made.blocks:
        torch.nn.init.normal_(block.style, std=0.3)
    return made.eval()


def codes(n: int = 4) -> Tensor:
    return torch.randint(5, (n, 8, 2), generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_a_plain_transition_predicts_every_code_from_every_code():
    model, x = plain(), codes()
    out = model(x, torch.tensor([0, 1, 2, 0]))
    told = out.log_probs()
    assert told.shape == (4, 8, 2, 5)
    torch.testing.assert_close(told.exp().sum(-1), torch.ones(4, 8, 2))
    assert torch.equal(out.log_likelihood(x), told.gather(-1, x[..., None]).squeeze(-1))
    assert (out.mask == 1).all() and out.edges.shape == (4, 8, 8) and (out.edges == 1).all()
    for node in (0, 7):
        other = x.clone()
        other[:, node, 1] = (other[:, node, 1] + 1) % 5
        change = model(other, torch.tensor([0, 1, 2, 0])).log_probs() - told
        assert (change.abs().amax((2, 3)) > 1e-6).all()  # at every node


@torch.no_grad()
def test_several_actions_at_once_are_the_same_as_one_after_the_other():
    model, x = plain(), codes()
    actions = torch.arange(3).expand(4, -1)
    out = model(x, actions)
    y = codes().flip(0)[:, None].expand(-1, 3, -1, -1)
    for a in range(3):
        one = model(x, actions[:, a])
        torch.testing.assert_close(out.log_probs()[:, a], one.log_probs())
        torch.testing.assert_close(out.log_likelihood(y)[:, a], one.log_likelihood(y[:, a]))


def test_a_plain_transition_learns_with_every_weight():
    model, x = plain(), codes()
    for p in model.parameters():
        p.requires_grad_()
    model(x, torch.tensor([0, 1, 2, 0])).log_likelihood(x).sum().backward()
    every_parameter_has_a_gradient(model)


def test_a_plain_transition_starts_as_the_causal_one_and_has_no_edges_to_cut():
    ours, theirs = plain(width=16), CausalTransition(8, 2, 5, 3, width=16)
    vectors = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(3))
    for model in (ours, theirs):
        start_from(model, vectors, torch.Generator().manual_seed(7))
    assert torch.equal(ours.code_vectors, theirs.code_vectors)
    assert torch.equal(ours.mechanism.weight, theirs.mechanism.weight)
    with pytest.raises(ValueError, match="has no edges"):
        ours(codes(), torch.zeros(4, dtype=torch.int64), cut=torch.ones(8, 8, dtype=torch.bool))


def test_it_takes_the_place_of_the_causal_transition():
    model = CausalVQ(None, plain(), ["a", "b", "c"])
    x, y = codes(), codes().flip(0)
    done = model.intervene(x, "b")
    assert done.codes.shape == x.shape and (done.mask == 1).all() and done.images is None
    found = model.retrieve(x, y)
    slow = torch.stack(
        [model.distribution(x, model.check_actions(a, 4)).log_likelihood(y).sum((1, 2))
         for a in range(3)], 1,
    )  # fmt: skip
    torch.testing.assert_close(found.log_posterior, slow.log_softmax(1))


# --- all of them, measured ------------------------------------------------------------------------


def measured(name: str, folder: Path, recipe=TINY, **more) -> dict:
    return evaluate_baseline(name, SHAPES, recipe, 3, folder, progress=False, **more)


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> tuple[dict, Path]:
    folder = tmp_path_factory.mktemp("ours") / "run"
    model = training.train(SHAPES, TINY, 3, folder, progress=False)
    return evaluate(model, SHAPES, TINY, 3, progress=False), folder


def without_seconds(found: dict) -> dict:
    return {k: v for k, v in found.items() if k != "seconds"}


@pytest.mark.parametrize("name", list(BASELINES))
def test_a_baseline_tells_what_the_method_tells_about_the_same_sample(name, ours, tmp_path):
    found, reference = measured(name, tmp_path), ours[0]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["baseline"] == name
    for key in ("format", "world", "recipe", "seed", "device"):
        assert found[key] == reference[key]
    retrieval, wanted = found["retrieval"], reference["retrieval"]
    assert retrieval.keys() == wanted.keys()
    for key in ("n", "chance", "majority", "copy"):
        assert retrieval[key] == wanted[key]
        assert retrieval["visible"][key] == wanted["visible"][key]
    if name == "image-pairs":
        assert not {"reconstruction", "intervention"} & found.keys()
        assert set(found["seconds"]) == {"classifier", "evaluate", "total"}
    else:
        done, same = found["intervention"], reference["intervention"]
        assert done.keys() | {"codes_right"} == same.keys()
        assert done["psnr_copy"] == same["psnr_copy"]
        assert done["judge_accuracy"] == same["judge_accuracy"]
        assert found["reconstruction"]["psnr"] == pytest.approx(done["psnr_ceiling"], abs=1e-4)
    assert not {"mask", "graph"} & found.keys()
    assert ("latent" in found) == ("vae-" in name) and ("codes" in found) == (name == "plain-vqvae")
    again = measured(name, tmp_path)  # loaded, not trained
    assert without_seconds(again) == without_seconds(found)


def test_what_a_vae_is_told_of(tmp_path, whole):
    found = measured("beta-vae", tmp_path, latent=12)["latent"]
    assert (found["size"], found["beta"]) == (12, baselines.BETA)
    assert len(found["kl"]) == 12 and min(found["kl"]) >= 0
    assert read_info(tmp_path)["network"] == {"kind": "vae", "beta": 4.0, "latent": 12}


def test_only_the_test_split_is_asked_about(tmp_path, monkeypatch):
    measured("image-pairs", tmp_path)
    seen = []
    original = baselines.evaluate.compare

    def compare(look, *args):
        render = type(SHAPES).render
        monkeypatch.setattr(type(SHAPES), "render", lambda s, v: seen.append(v) or render(s, v))
        return original(look, *args)

    monkeypatch.setattr(baselines.evaluate, "compare", compare)
    measured("image-pairs", tmp_path)
    assert (split_of(SHAPES.factors, np.concatenate(seen)) == SPLITS.index("test")).all()


@pytest.mark.parametrize("name", ["plain-vqvae", "vae-classifier", "image-pairs"])
def test_a_stopped_baseline_goes_on_with_the_same_bits(name, tmp_path, monkeypatch):
    wanted = measured(name, tmp_path / "whole")
    for n in (3, 1) if name == "image-pairs" else (3, 5):  # the latter is in the second phase
        with monkeypatch.context() as patch:
            in_step(patch, n, ctrl_c)
            with pytest.raises(KeyboardInterrupt, match="state saved"):
                measured(name, tmp_path / "run")
    assert without_seconds(measured(name, tmp_path / "run")) == without_seconds(wanted)
    for path in (tmp_path / "whole").rglob("model.safetensors"):
        other = tmp_path / "run" / path.relative_to(tmp_path / "whole")
        assert other.read_bytes() == path.read_bytes()


def test_a_first_phase_that_was_trained_elsewhere_is_taken_over_bit_for_bit(ours, tmp_path, whole):
    for name, source in (("plain-vqvae", ours[1]), ("vae-classifier", whole)):
        alone = measured(name, tmp_path / "alone" / name)
        shared = measured(name, tmp_path / "shared" / name, autoencoder=source)
        assert without_seconds(alone) == without_seconds(shared), name
    assert not (tmp_path / "shared" / "vae-classifier" / "model.json").exists()


def test_another_first_phase_is_not_taken_over(ours, tmp_path, whole):
    for name, source, message in (
        ("beta-vae-classifier", whole, "expected beta 4.0, found 1.0"),
        ("vae-difference", ours[1], "expected 'vae', found 'causal codes'"),
        ("image-pairs", whole, "image-pairs has no autoencoder"),
    ):
        with pytest.raises(ValueError, match=message):
            measured(name, tmp_path / "run", autoencoder=source)
    longer = replace(TINY, autoencoder_steps=7)
    for name, source in (("plain-vqvae", ours[1]), ("vae-difference", whole)):
        with pytest.raises(ValueError, match="expected autoencoder_steps 7, found 6"):
            measured(name, tmp_path / name, longer, autoencoder=source)


def test_imbalance_is_that_of_the_method(tmp_path, monkeypatch):
    uneven = replace(
        TINY, value_weights="zipf:1", held_out="shape=3;object_hue=0,1,2", resample=1.0,
        transitions=400, autoencoder_steps=2, transition_steps=2,
    )  # fmt: skip
    for name in ("vae-classifier", "image-pairs"):
        found = measured(name, tmp_path / name, uneven)
        assert {"skewed", "seen", "unseen", "per_value"} <= found["retrieval"].keys()
        assert ("intervention" in found) == (name == "vae-classifier")
    folder = tmp_path / "run"
    with pytest.raises(ValueError, match="unknown factor 'shap'; did you mean 'shape'"):
        measured("vae-difference", folder, replace(TINY, held_out="shap=3"))
    assert not folder.exists()


def test_what_cannot_be_run_is_refused_before_any_work(tmp_path):
    with pytest.raises(ValueError, match="unknown baseline 'vae-diference'; did you mean 'vae-dif"):
        measured("vae-diference", tmp_path / "run")
    codes_world = CodesWorld(n_variables=5, n_codes=3, n_actions=4, n_targets=2, seed=1)
    with pytest.raises(ValueError, match="learns from images, found the world 'codes'"):
        evaluate_baseline("vae", codes_world, TINY, 0, tmp_path / "run")
    with pytest.raises(ValueError, match="needs a recipe with layout 'places', found 'codebook_pl"):
        measured("plain-vqvae", tmp_path / "run", replace(TINY, layout="codebook_places"))
    assert not (tmp_path / "run").exists()
    assert full_name("vae") == "vae-difference" and full_name("image-pairs") == "image-pairs"
    assert set(grids.BASELINES) <= set(BASELINES)


# --- a world whose answer is known ----------------------------------------------------------------


class KnowsLamps:
    """A VAE whose latents are the factors themselves, in a turned frame."""

    device, latent = torch.device("cpu"), 3
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(5)))[0]

    def encode(self, images: Tensor) -> Tensor:
        return (images[:, :, 0, 0] * 255 / 17) @ self.turn

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        mean = self.encode(images)
        return mean, torch.zeros_like(mean)

    def decode(self, latents: Tensor) -> Tensor:
        colours = (latents @ self.turn.T * 17 / 255).clamp(0, 1)
        return colours[:, :, None, None].expand(-1, -1, 8, 8)


@pytest.fixture
def lamps(monkeypatch) -> Lamps:
    """The world, and a judge that reads it without an error."""
    judge = SimpleNamespace(read=lambda i: (i[:, :, 0, 0] * 255 / 17).round().long())
    monkeypatch.setattr(baselines, "load_or_train_judge", lambda *_, **__: judge)
    perfect = {"red": 1.0, "green": 1.0, "blue": 1.0, "all": 1.0}
    monkeypatch.setattr("cvq_tutorial.measure.evaluate.judge_accuracy", lambda *_: perfect)
    return Lamps()


@pytest.mark.parametrize("rule", ["difference", "classifier"])
def test_rules_are_right_where_the_latents_are_the_factors(rule, lamps, tmp_path, monkeypatch):
    info = {"sha256": "0", "seconds": {}}
    monkeypatch.setattr(baselines, "_trained_vae", lambda request: (KnowsLamps(), info))
    recipe = replace(TINY, transitions=2000, transition_steps=150, transition_lr=1e-2)
    recipe = replace(recipe, transition_batch=64, test_transitions=300)
    found = evaluate_baseline(f"vae-{rule}", lamps, recipe, 0, tmp_path, progress=False)
    assert found["retrieval"]["macro_action_accuracy"] > 0.99
    done = found["intervention"]
    assert done["recovered"] == pytest.approx(1.0, abs=1e-3)
    assert done["target_reached"] == done["others_kept"] == 1.0
    assert found["reconstruction"]["psnr"] > 90


def test_a_classifier_of_images_learns_a_world_that_is_easy(lamps, tmp_path):
    recipe = replace(
        TINY, transitions=2000, transition_steps=300,
        autoencoder_lr=5e-3, transition_batch=32, test_transitions=300,
    )  # fmt: skip
    found = evaluate_baseline("image-pairs", lamps, recipe, 0, tmp_path, progress=False)
    assert found["retrieval"]["macro_action_accuracy"] > 0.9


# --- the command ----------------------------------------------------------------------------------


def test_the_command_leaves_a_run_folder(tmp_path, capsys):
    settings = {k: getattr(TINY, k) for k in ("autoencoder_steps", "transitions", "judge_steps")}
    settings |= {"decoder_width": 16, "autoencoder_batch": 4, "test_transitions": 60}
    pairs_of = [part for k, v in settings.items() for part in ("--set", f"{k}={v}")]
    where = ["--recipe", "nano", "--seed", "1", "--runs", str(tmp_path), *pairs_of]
    assert cli.main(["baseline", "shapes3d", "--name", "beta-vae", *where]) == 0
    folder = tmp_path / "shapes3d-nano-beta-vae-difference-s1"
    out = capsys.readouterr().out
    assert "baseline beta-vae-difference" in out and f"run folder: {folder}" in out
    found = json.loads((folder / "metrics.json").read_text())
    assert found["baseline"] == "beta-vae-difference" and found["seed"] == 1
    assert load_vae(folder, SHAPES)[1]["network"]["beta"] == baselines.BETA
    assert cli.main(["baseline", "shapes3d", "--name", "gan", *where]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("cvq: error: unknown baseline 'gan'; ") and not told.out
