"""Encoder and decoder: sizes, how far the encoder sees, what a decoded distribution is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cvq_tutorial.method.autoencoder import PATCH, QuantizedAutoencoder
from cvq_tutorial.method.codebooks import Quantizer
from cvq_tutorial.method.published import make_quantizer


def made(shape=(24, 40, 3), started: bool = True, rule: str = "ema") -> QuantizedAutoencoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        quantizer = make_quantizer(8, 2, 16, rule=rule)
        auto = QuantizedAutoencoder(quantizer, shape, width=16, blocks=1)
    if started:
        with torch.no_grad():
            z = auto.encoder(images(16, shape))
        quantizer.update(z, torch.empty(0), torch.Generator().manual_seed(0))
    return auto


def images(n: int = 2, shape=(24, 40, 3), seed: int = 0) -> Tensor:
    return torch.rand(n, 3, *shape[:2], generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape, grid", [((24, 40, 3), (3, 5)), ((64, 64, 3), (8, 8))])
def test_one_place_of_the_map_is_a_patch_of_pixels(shape, grid):
    auto, x = made(shape), images(shape=shape)
    assert auto.grid == grid
    out = auto(x)
    n = grid[0] * grid[1]
    assert out.images.shape == x.shape and out.encoded.shape == (2, 8, *grid)
    assert out.quantized.codes.shape == (2, n, 2)
    codes = auto.encode(x)
    assert torch.equal(codes, out.quantized.codes)
    painted = auto.decode(codes)
    assert painted.shape == x.shape and painted.dtype == torch.float32
    assert painted.min() >= 0 and painted.max() <= 1
    torch.testing.assert_close(painted, out.images.detach().clamp(0, 1))


def test_the_encoder_is_local():
    """What it writes at a place depends on the patch and at most half a patch around it."""
    auto = made((64, 64, 3))
    x = images(1, (64, 64, 3)).requires_grad_()
    row, column = 3, 5
    auto.encoder(x)[0, :, row, column].sum().backward()
    seen = x.grad[0].abs().sum(0) > 0
    rows, columns = (seen.any(axis).nonzero().flatten() for axis in (1, 0))
    for place, touched in ((row, rows), (column, columns)):
        assert touched.min() <= PATCH * place and touched.max() >= PATCH * (place + 1) - 1
        assert touched.min() >= PATCH * place - PATCH // 2
        assert touched.max() < PATCH * (place + 1) + PATCH // 2


def test_the_decoder_looks_at_neighbours():
    auto = made((64, 64, 3))
    codes = auto.encode(images(1, (64, 64, 3)))
    other = codes.clone()
    other[0, 8 * 4 + 4] = (codes[0, 8 * 4 + 4] + 1) % 16
    changed = (auto.decode(codes) != auto.decode(other))[0].any(0)
    assert changed[32:40, 32:40].any() and changed[24:32, 32:40].any()
    assert not changed[:8].any()  # but not at everything


def test_before_the_codebooks_start_the_map_passes_as_it_is():
    auto, x = made(started=False), images()
    out = auto(x)
    assert out.quantized is None
    torch.testing.assert_close(out.images, auto.decoder(auto.encoder(x)))


def test_a_distribution_is_painted_by_its_mean_vectors():
    auto = made()
    codes = auto.encode(images())
    certain = F.one_hot(codes, 16).float()
    torch.testing.assert_close(auto.decode_expected(certain), auto.decode(codes))
    torch.manual_seed(0)
    spread = torch.rand(2, 15, 2, 16).softmax(-1)
    vectors = torch.zeros(2, 15, 2, 4)
    for k in range(16):
        every = torch.full((2, 15, 2), k)
        vectors += spread[..., k, None] * auto.quantizer.lookup(every)
    slow = auto.decoder(auto.quantizer.to_map(vectors, auto.grid)).clamp(0, 1)
    torch.testing.assert_close(auto.decode_expected(spread), slow)


def test_every_weight_learns_from_the_picture_and_the_codebook_does_not():
    auto, x = made(rule="gradient"), images()
    (auto(x).images - x).square().mean().backward()
    for name, parameter in auto.named_parameters():
        if name == "quantizer.vectors":
            assert parameter.grad is None or not parameter.grad.any()
        else:
            assert parameter.grad is not None and parameter.grad.any(), name


def test_encoding_and_decoding_change_nothing_and_repeat_themselves():
    auto, x = made().train(), images()
    before = {k: v.clone() for k, v in auto.state_dict().items()}
    with torch.no_grad():
        codes = auto.encode(x)
        assert torch.equal(codes, auto.encode(x))
        assert torch.equal(auto.decode(codes), auto.decode(codes))
        auto(x)
    assert all(torch.equal(before[k], v) for k, v in auto.state_dict().items())


def test_images_do_not_depend_on_their_batch():
    auto, x = made(), images(5)
    with torch.no_grad():
        together = auto.encoder(x)
        alone = torch.cat([auto.encoder(x[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("shape", [(60, 64, 3), (64, 60, 3), (64, 64, 1)])
def test_sizes_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match=r"multiples of 8, found \(" + str(shape[0])):
        QuantizedAutoencoder(Quantizer(8), shape)
