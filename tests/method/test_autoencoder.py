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


def finer(books: int = 2, shape=(24, 40, 3)) -> QuantizedAutoencoder:
    """As `made`, with four places of the map in a node."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        auto = QuantizedAutoencoder(Quantizer(8, books, 16), shape, width=16, blocks=1, patch=4)
        with torch.no_grad():
            z = auto.encoder(images(16, shape))
    auto.quantizer.update(z, torch.empty(0), torch.Generator().manual_seed(0))
    return auto


@pytest.mark.parametrize("books", [1, 2])
def test_of_finer_codes_four_places_are_a_node(books):
    auto, x = finer(books), images()
    assert auto.grid == (3, 5) and auto.codebooks == 4 * books
    out, codes = auto(x), auto.encode(x)
    assert out.encoded.shape == (2, 8, 6, 10) and out.quantized.codes.shape == (2, 60, books)
    assert codes.shape == (2, 15, 4 * books)
    torch.testing.assert_close(auto.decode(codes), out.images.detach().clamp(0, 1))
    certain = F.one_hot(codes, 16).float()
    torch.testing.assert_close(auto.decode_expected(certain), auto.decode(codes))


@pytest.mark.parametrize("after", [(), (5,)])
def test_places_and_nodes_are_regrouped_as_a_slow_loop_does(after):
    auto = finer()
    places = torch.arange(2 * 60 * 2 * max(1, sum(after))).view(2, 60, 2, *after)
    nodes = torch.empty(2, 15, 8, *after, dtype=torch.int64)
    for row in range(6):
        for column in range(10):
            node, part = row // 2 * 5 + column // 2, row % 2 * 2 + column % 2
            for c in range(2):
                nodes[:, node, 2 * part + c] = places[:, 10 * row + column, c]
    assert torch.equal(auto.to_nodes(places), nodes)
    assert torch.equal(auto.from_nodes(nodes), places)


def test_each_code_of_a_node_has_the_vectors_of_its_codebook():
    auto = finer()
    codes = auto.encode(images())
    slow = torch.stack([auto.vectors[c, codes[:, :, c]] for c in range(8)], 2)
    found = auto.to_nodes(auto.quantizer.lookup(auto.from_nodes(codes)))
    assert auto.vectors.shape == (8, 16, 4) and torch.equal(found, slow)


def test_a_code_of_a_node_draws_its_own_quarter():
    """Each of the four shows most where it lies: encoder and decoder agree about the order."""
    auto, x = finer(1), images(4)
    pixels = x.clone()
    pixels[:, :, 8:12, 20:24] = 1 - pixels[:, :, 8:12, 20:24]  # node (1, 2), upper right
    moved = (auto.encode(x) != auto.encode(pixels)).any(0)  # (N, 4)
    assert moved[7, 1]
    moved[7, 1] = False
    assert not moved.any()
    whole = finer(1, (64, 64, 3))
    codes = torch.zeros(1, 64, 4, dtype=torch.int64)
    other = codes.clone()
    other[0, 8 * 3 + 4, 1] = 5  # node (3, 4), upper right: rows 24 to 27, columns 36 to 39
    drawn = [
        whole.decoder(whole.quantizer.to_map(whole.quantizer.lookup(whole.from_nodes(c)), (16, 16)))
        for c in (codes, other)
    ]
    change = (drawn[0] != drawn[1])[0].any(0)
    rows, columns = (change.any(axis).nonzero().flatten() for axis in (1, 0))
    reach = 4 * 4  # four convolutions that look one place around
    assert (rows.min(), rows.max()) == (24 - reach, 27 + reach)
    assert (columns.min(), columns.max()) == (36 - reach, 39 + reach)


def test_finer_codes_see_their_own_pixels_and_no_others():
    auto = finer(shape=(64, 64, 3))
    x = images(1, (64, 64, 3)).requires_grad_()
    auto.encoder(x)[0, :, 6, 9].sum().backward()
    seen = x.grad[0].abs().sum(0) > 0
    rows, columns = (seen.any(axis).nonzero().flatten() for axis in (1, 0))
    assert (rows.min(), rows.max()) == (24, 27) and (columns.min(), columns.max()) == (36, 39)


def test_gradient_of_the_picture_reaches_every_weight_of_finer_codes():
    auto, x = finer(), images()
    (auto(x).images - x).square().mean().backward()
    for name, parameter in auto.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


def test_a_patch_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="patch must be 4 or 8, found 3"):
        QuantizedAutoencoder(Quantizer(8), patch=3)
    with pytest.raises(ValueError, match=r"multiples of 8, found \(60, 64, 3\)"):
        QuantizedAutoencoder(Quantizer(8), (60, 64, 3), patch=4)
