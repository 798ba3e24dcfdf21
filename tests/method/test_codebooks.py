"""Codebooks: agreement with slow and trusted versions, where gradient goes, what never changes."""

from __future__ import annotations

import hashlib

import pytest
import torch
from torch import Tensor

from cvq_tutorial.common.tensors import check_codes
from cvq_tutorial.measure.metrics import codebook_use
from cvq_tutorial.method.codebooks import Quantizer
from cvq_tutorial.method.published import make_quantizer


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def a_map(b: int, d: int, h: int, w: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(b, d, h, w, generator=generator(seed))


def made(width: int, codebooks: int = 1, codes: int = 8, seed: int = 1, **options) -> Quantizer:
    """A quantiser with random vectors, started."""
    quantizer = make_quantizer(width, codebooks, codes, **options)
    vectors = torch.randn(quantizer.vectors.shape, generator=generator(seed))
    quantizer.vectors.data.copy_(vectors)
    quantizer.total.copy_(vectors)
    quantizer.started.fill_(True)
    return quantizer


def checksum(quantizer: Quantizer) -> str:
    state = quantizer.state_dict()
    return hashlib.sha256(b"".join(state[k].numpy().tobytes() for k in sorted(state))).hexdigest()


# --- nearest codes --------------------------------------------------------------------------------


@pytest.mark.parametrize("codebooks, h, w", [(1, 4, 4), (3, 2, 5), (6, 3, 1)])
def test_codes_are_those_of_an_exhaustive_search(codebooks, h, w):
    quantizer, z = made(12, codebooks), a_map(3, 12, h, w)
    out = quantizer(z)
    d = 12 // codebooks
    assert out.codes.shape == (3, h * w, codebooks) and out.codes.dtype == torch.int64
    for b in range(3):
        for row in range(h):
            for column in range(w):
                for c in range(codebooks):
                    vector = z[b, c * d : (c + 1) * d, row, column]
                    distance = [float((vector - e).square().sum()) for e in quantizer.vectors[c]]
                    best = min(range(8), key=distance.__getitem__)
                    assert out.codes[b, row * w + column, c] == best
                    chosen = out.values[b, c * d : (c + 1) * d, row, column]
                    torch.testing.assert_close(chosen, quantizer.vectors[c, best])


@pytest.mark.parametrize("offset", [0, 30, 100, 1000])
def test_codes_are_right_where_all_vectors_share_an_offset(offset):
    """Against float64: an offset of some spreads must not drown what tells the codes apart."""
    quantizer, z = made(24, 3, 32), a_map(8, 24, 4, 5)  # 160 vectors per codebook, of spread 1
    quantizer.vectors.add_(float(offset))
    z = z + offset
    parts = z.flatten(2).transpose(1, 2).unflatten(2, (3, 8)).double()  # (B, N, C, d)
    vectors = quantizer.vectors.double()
    distance = (parts[..., None, :] - vectors).square().sum(-1)  # (B, N, C, K)
    assert torch.equal(quantizer.encode(z), distance.argmin(-1))
    assert torch.equal(quantizer(z).codes, distance.argmin(-1))


@pytest.mark.parametrize("offset", [0, 10_000])
def test_the_start_sees_what_an_offset_hides(offset):
    z = a_map(8, 4, 8, 8) + offset
    quantizer = Quantizer(4, 1, 16)
    quantizer.update(z, torch.empty(0), generator())
    assert len(quantizer.encode(z).unique()) >= 12
    assert quantizer(z).commitment < 0.6 * (z - offset).var()


@pytest.mark.parametrize("codebooks", [1, 3])
def test_agrees_with_vector_quantize_pytorch(codebooks):
    from vector_quantize_pytorch import VectorQuantize

    quantizer, z = made(12, codebooks, 16), a_map(4, 12, 3, 5)
    oracle = VectorQuantize(
        dim=12,
        codebook_size=16,
        heads=codebooks,
        separate_codebook_per_head=codebooks > 1,
        codebook_dim=12 // codebooks,  # without it, a projection is added
        rotation_trick=False,
        ema_update=False,
    ).eval()
    with torch.no_grad():
        oracle._codebook.embed.copy_(quantizer.vectors)
        values, codes, _ = oracle(z.flatten(2).transpose(1, 2))
        out = quantizer(z)
    assert torch.equal(out.codes, codes.reshape(4, 15, codebooks))
    torch.testing.assert_close(out.values.flatten(2).transpose(1, 2), values)


def test_places_are_row_major_and_channels_are_not_mixed_with_them():
    quantizer = made(2, codes=4)
    rows = quantizer.vectors[0].detach()
    square = rows.T.reshape(1, 2, 2, 2)  # place n holds vector n
    out = quantizer(square)
    assert out.codes[0, :, 0].reshape(2, 2).tolist() == [[0, 1], [2, 3]]
    assert torch.equal(out.values, square)
    wide = rows[[0, 1, 2, 3, 1, 0]].T.reshape(1, 2, 2, 3)
    out = quantizer(wide)
    assert out.codes[0, :, 0].reshape(2, 3).tolist() == [[0, 1, 2], [3, 1, 0]]
    assert torch.equal(out.values, wide)


def test_lookup_and_to_map_invert_the_codes():
    quantizer, z = made(12, 3), a_map(2, 12, 2, 5)
    out = quantizer(z)
    again = quantizer.to_map(quantizer.lookup(out.codes), (2, 5))
    torch.testing.assert_close(again, out.values)
    assert torch.equal(quantizer.encode(again), out.codes)


def test_expected_vectors_are_the_mean_over_codes():
    quantizer = made(6, 2, 4)
    probs = torch.rand(2, 3, 2, 4, generator=generator()).softmax(-1)
    slow = torch.zeros(2, 3, 2, 3)
    for c in range(2):
        for k in range(4):
            slow[:, :, c] += probs[:, :, c, k, None] * quantizer.vectors[c, k]
    torch.testing.assert_close(quantizer.expected(probs), slow)
    codes = torch.tensor([[[0, 3]]])
    certain = torch.nn.functional.one_hot(codes, 4)
    torch.testing.assert_close(quantizer.expected(certain), quantizer.lookup(codes))


def test_a_slice_alone_decides_its_codebooks_code():
    quantizer, z = made(12, 3), a_map(2, 12, 3, 3)
    codes = quantizer.encode(z)
    for c in range(3):
        moved = z.clone()
        moved[:, 4 * c : 4 * c + 4] = a_map(2, 4, 3, 3, seed=9, scale=3)
        now = quantizer.encode(moved)
        others = [i for i in range(3) if i != c]
        assert torch.equal(now[..., others], codes[..., others])
        assert not torch.equal(now[..., c], codes[..., c])


def test_overlapping_slices_read_only_the_first_channels():
    quantizer, z = made(12, 3, slices="overlap"), a_map(2, 12, 3, 3)
    codes = quantizer.encode(z)
    for c in range(3):  # codebook c reads [c, c + 4)
        for channel in range(12):
            moved = z.clone()
            moved[:, channel] += 100.0 * (1 - 2 * (torch.arange(9) % 2)).reshape(3, 3)
            changed = not torch.equal(quantizer.encode(moved)[..., c], codes[..., c])
            assert changed == (c <= channel < c + 4), (c, channel)


def test_parameters_are_the_codebooks_and_nothing_else():
    gradient = make_quantizer(12, 3, 8, rule="gradient")
    assert [(n, tuple(p.shape)) for n, p in gradient.named_parameters()] == [("vectors", (3, 8, 4))]
    assert sum(p.numel() for p in gradient.parameters()) == 8 * 12  # K D, no hidden projection
    assert not list(Quantizer(12, 3, 8).parameters())  # moved by means, not by gradient


# --- gradient -------------------------------------------------------------------------------------


def test_gradient_passes_straight_through_to_the_encoder_and_not_to_the_codebook():
    quantizer = made(6, 2, rule="gradient")
    z = a_map(2, 6, 2, 2).requires_grad_()
    out = quantizer(z)
    out.values.retain_grad()
    weight = a_map(2, 6, 2, 2, seed=5)
    (out.values * weight).sum().backward()
    assert torch.equal(z.grad, out.values.grad) and torch.equal(z.grad, weight)
    assert quantizer.vectors.grad is None or not quantizer.vectors.grad.any()


def test_codebook_loss_moves_exactly_the_chosen_vectors_towards_their_inputs():
    quantizer = made(4, 1, 8, rule="gradient")
    z = quantizer.vectors.data[0, [1, 4, 6, 1]].T.reshape(1, 4, 2, 2) + 0.05
    out = quantizer(z.requires_grad_())
    assert sorted(set(out.codes.flatten().tolist())) == [1, 4, 6]
    (out.commitment + out.codebook).backward()
    moved = quantizer.vectors.grad[0].abs().sum(1) > 0
    assert moved.nonzero().flatten().tolist() == [1, 4, 6]
    before = quantizer.vectors.detach().clone()
    torch.optim.SGD(quantizer.parameters(), lr=1.0).step()
    wanted = z.detach()[0, :, 0, 0]  # place 0 chose vector 1
    was, now = ((v[0, 1] - wanted).norm() for v in (before, quantizer.vectors))
    assert now < was


def test_the_two_losses_pull_one_side_each():
    quantizer = made(4, rule="gradient")
    z = a_map(2, 4, 3, 3).requires_grad_()
    quantizer(z).codebook.backward()
    assert z.grad is None and quantizer.vectors.grad.any()
    quantizer.vectors.grad = None
    out = quantizer(z)
    out.commitment.backward()
    assert z.grad.any() and quantizer.vectors.grad is None
    # both are the mean squared distance of a number to the code it was given
    distance = (z - out.values).square().mean()
    torch.testing.assert_close(out.commitment, distance)
    torch.testing.assert_close(out.codebook, distance)


def test_overlapping_slices_pass_gradient_only_to_what_they_read():
    quantizer = made(12, 3, slices="overlap")
    z = a_map(2, 12, 2, 2).requires_grad_()
    quantizer(z).values.sum().backward()
    reads = z.grad[0, :, 0, 0]  # channel i is read by this many codebooks
    assert reads.tolist() == [1, 2, 3, 3, 2, 1, 0, 0, 0, 0, 0, 0]


# --- learning -------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_the_start_fits_the_scale_of_the_encoder(scale):
    z = a_map(8, 4, 8, 8, scale=scale)  # 512 vectors
    untouched = Quantizer(4, 1, 16)
    untouched.update(z, torch.empty(0), generator())
    codes = untouched.encode(z)
    assert len(codes.unique()) >= 12
    assert untouched(z).commitment < 0.6 * z.var()


def test_the_start_is_no_worse_than_drawing_vectors():
    """K-means lowers the distance that random vectors of the batch leave."""
    z = a_map(8, 4, 4, 4)
    quantizer = Quantizer(4, 1, 16)
    quantizer.update(z, torch.empty(0), generator())
    vectors = z.flatten(2).transpose(1, 2).flatten(0, 1)
    drawn = made(4, 1, 16)
    drawn.vectors.copy_(vectors[torch.randperm(128, generator=generator())[:16]][None])
    assert quantizer(z).commitment < 0.95 * drawn(z).commitment


@pytest.mark.parametrize("seed", range(4))
def test_the_start_goes_on_from_the_drawn_vectors_by_k_means(seed):
    z = a_map(8, 4, 8, 8, seed=seed)  # 512 vectors
    quantizer = Quantizer(4, 1, 16)
    quantizer.update(z, torch.empty(0), generator(seed))
    points = torch.unique(z.flatten(2).transpose(1, 2).flatten(0, 1), dim=0)
    drawn = points[torch.randperm(len(points), generator=generator(seed))[:16]]
    by_chance = torch.cdist(points, drawn, compute_mode="donot_use_mm_for_euclid_dist")
    assert quantizer(z).commitment < 0.85 * by_chance.min(1).values.square().mean() / 4
    assert not any((points == v).all(1).any() for v in quantizer.vectors[0])  # means, not inputs


def test_vectors_differ_before_any_picture_was_seen():
    vectors = make_quantizer(8, 2, 16).vectors
    assert vectors.abs().max() <= 1 / 16 and vectors.min() < 0 < vectors.max()
    assert len(vectors.reshape(32, 4).unique(dim=0)) == 32


def test_start_with_fewer_vectors_than_codes_is_finite():
    z = a_map(1, 4, 1, 2)
    quantizer = Quantizer(4, 1, 8)
    quantizer.update(z, torch.empty(0), generator())
    assert torch.isfinite(quantizer.vectors).all()
    torch.testing.assert_close(quantizer(z).values, z)


def test_start_and_revival_follow_from_the_generator():
    def run(seed: int) -> Tensor:
        torch.manual_seed(seed + 100)  # the global generator has no part in it
        quantizer, z = Quantizer(4, 2, 8), a_map(4, 4, 4, 4)
        quantizer.update(z, torch.empty(0), generator(seed))
        quantizer.count[:, 3] = 0.0
        assert quantizer.update(z, quantizer.encode(z) * 0, generator(seed + 1)) > 0
        return quantizer.vectors

    before = torch.random.get_rng_state()
    assert torch.equal(run(0), run(0))
    assert not torch.equal(run(0), run(1))
    torch.random.set_rng_state(before)
    quantizer = Quantizer(4)
    state = torch.random.get_rng_state()
    quantizer.update(a_map(4, 4, 4, 4), torch.empty(0), generator())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_running_means_are_the_means_of_what_each_code_was_given():
    quantizer, z = made(4, 2, 4, decay=0.9), a_map(16, 4, 4, 4)
    codes = quantizer.encode(z)
    count, total = quantizer.count.clone(), quantizer.total.clone()
    parts = z.flatten(2).transpose(1, 2).unflatten(2, (2, 2))
    quantizer.update(z, codes, generator())
    for c in range(2):
        for k in range(4):
            given = parts[:, :, c][codes[..., c] == k]
            n = 0.9 * count[c, k] + 0.1 * len(given)
            s = 0.9 * total[c, k] + 0.1 * given.sum(0)
            torch.testing.assert_close(quantizer.vectors[c, k], s / n)


def test_the_ema_rule_needs_no_gradient_and_settles_on_its_input():
    quantizer = Quantizer(2, 1, 16)
    places = torch.tensor([[3.0, 0], [0, 3], [-3, 0], [0, -3]])
    for step in range(60):
        noise = 0.1 * torch.randn(4, 8, 2, generator=generator(step))
        z = (places[:, None] + noise).permute(2, 0, 1)[None]  # (1, 2, 4, 8)
        with torch.no_grad():
            quantizer.update(z, quantizer.encode(z) if step else torch.empty(0), generator(step))
    assert torch.cdist(quantizer.vectors[0], places).min(0).values.max() < 0.1


def test_the_gradient_rule_leaves_the_vectors_to_the_optimiser():
    quantizer, z = made(4, rule="gradient"), a_map(8, 4, 4, 4)
    before = quantizer.vectors.detach().clone()
    assert quantizer.update(z, quantizer.encode(z), generator()) == 0
    assert torch.equal(quantizer.vectors, before)
    used = torch.bincount(quantizer.encode(z).flatten(), minlength=8).float()
    torch.testing.assert_close(quantizer.count[0], 0.98 + 0.02 * used)


def test_a_revived_code_stays_where_it_was_put():
    quantizer = made(4, 1, 8)
    quantizer.count.fill_(50.0)
    quantizer.count[0, 5] = 1e-4  # dead, and its running sum points to where it died
    quantizer.total.copy_(quantizer.vectors * quantizer.count[..., None])
    flat = torch.full((1, 1, 4), 9.0)
    assert quantizer.revive(flat, generator()) == 1
    assert quantizer.vectors[0, 5].tolist() == [9.0] * 4
    assert quantizer.count[0, 5] > 5  # alive for the next steps
    z = quantizer.vectors[0, :5].T.reshape(1, 4, 1, 5)  # nothing near code 5
    assert quantizer.update(z, quantizer.encode(z), generator()) == 0
    torch.testing.assert_close(quantizer.vectors[0, 5], torch.full((4,), 9.0), atol=1e-6, rtol=0)


def test_a_code_is_dead_below_a_fiftieth_of_an_even_share_and_wakes_with_a_fifth():
    quantizer = made(4, 1, 8)
    count = torch.full((8,), 100.0)
    count[3], count[5] = 1.7, 1.8  # the even share is 75 and a bit, a fiftieth of it 1.51
    quantizer.count.copy_(count[None])
    assert quantizer.revive(torch.randn(1, 30, 4, generator=generator()), generator()) == 0
    count[3] = 1.4
    quantizer.count.copy_(count[None])
    even = float(count.mean())
    assert 1.4 < 0.02 * even < 1.7
    assert quantizer.revive(torch.randn(1, 30, 4, generator=generator()), generator()) == 1
    assert quantizer.count[0, 3].item() == pytest.approx(0.2 * even)
    assert quantizer.count[0, 5].item() == pytest.approx(1.8)
    torch.testing.assert_close(quantizer.total[0, 3], quantizer.vectors[0, 3] * 0.2 * even)


def test_revival_leaves_the_codes_in_use_alone():
    quantizer = made(4, 2, 8)
    quantizer.count.fill_(10.0)
    quantizer.count[0, 2] = 0.0
    before = quantizer.vectors.clone()
    assert quantizer.revive(torch.randn(2, 30, 4, generator=generator())[..., :2]) == 1
    changed = (quantizer.vectors != before).any(-1).nonzero().tolist()
    assert changed == [[0, 2]]


def test_a_constant_input_is_reported_as_one_used_code():
    quantizer, z = Quantizer(4, 1, 8), torch.full((4, 4, 4, 4), 0.3)
    for step in range(5):
        codes = quantizer.encode(z)
        quantizer.update(z, codes, generator(step))
    out = quantizer(z)
    assert torch.isfinite(quantizer.vectors).all()
    use = codebook_use(out.codes.numpy(), 8)
    assert use["used"] == [1] and use["perplexity"] == [pytest.approx(1.0)]


def test_unused_codes_are_brought_to_life_by_training():
    quantizer, z = made(4, 1, 32), 20 + a_map(16, 4, 4, 4)  # far away: one code takes all
    assert len(quantizer.encode(z).unique()) < 6
    for step in range(150):
        quantizer.update(z, quantizer.encode(z), generator(step))
    assert len(quantizer.encode(z).unique()) >= 24


# --- what never changes ---------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["ema", "gradient"])
@pytest.mark.parametrize("training", [True, False])
def test_encoding_never_changes_a_codebook(rule, training):
    quantizer, z = made(8, 2, rule=rule).train(training), a_map(4, 8, 4, 4)
    before = checksum(quantizer)
    with torch.no_grad():
        first, second = quantizer(z), quantizer(z)
    assert torch.equal(first.codes, second.codes)
    assert torch.equal(first.codes, quantizer.encode(z))
    assert checksum(quantizer) == before and quantizer.training == training


def test_distances_are_float32_in_half_precision():
    quantizer = made(64, 1, 16)
    quantizer.vectors.mul_(60)
    z = a_map(2, 64, 2, 2, scale=60).half()
    assert z.flatten(2).square().sum(1).max() == float("inf")  # what would go wrong
    out, want = quantizer(z), quantizer(z.float())
    assert torch.equal(out.codes, want.codes)
    assert torch.isfinite(out.commitment) and torch.isfinite(out.codebook)
    assert out.commitment.dtype == torch.float32 and out.values.dtype == torch.float16


def test_autocast_does_not_reach_the_distances():
    quantizer, z = made(32, 2, 64), a_map(8, 32, 8, 8)
    want = quantizer(z)
    with torch.autocast("cpu", torch.bfloat16):
        out = quantizer(z)
        assert torch.equal(quantizer.encode(z), want.codes)
    assert torch.equal(out.codes, want.codes)
    torch.testing.assert_close(out.commitment, want.commitment)


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_encoder_that_is_not_finite_is_told_with_its_place_in_the_batch(value):
    quantizer, z = made(4), a_map(5, 4, 2, 2)
    z[3, 1, 0, 1] = value
    for call in (quantizer, quantizer.encode, lambda z: quantizer.update(z, torch.zeros(0))):
        with pytest.raises(FloatingPointError, match="batch position 3"):
            call(z)


def test_codes_out_of_range_are_refused_before_any_lookup():
    quantizer = made(8, 2, 8)
    codes = torch.zeros(2, 3, 2, dtype=torch.int64)
    for bad in (8, -1):
        broken = codes.clone()
        broken[1, 2, 0] = bad
        message = rf"code {bad} at batch 1, node 2, codebook 0 is outside 0\.\.7"
        with pytest.raises(ValueError, match=message):
            quantizer.lookup(broken)
    for kind in (torch.float32, torch.bool, torch.uint8):
        with pytest.raises(TypeError, match="integers"):
            quantizer.lookup(codes.to(kind))
    with pytest.raises(TypeError, match=r"tensor.*ndarray"):
        quantizer.lookup(codes.numpy())
    with pytest.raises(ValueError, match=r"\(B, N, 2\), found \(2, 3, 1\)"):
        quantizer.lookup(codes[..., :1])
    assert quantizer.lookup(codes).shape == (2, 3, 2, 4)  # and the next call works
    assert quantizer.lookup(codes[:0]).shape == (0, 3, 2, 4)
    check_codes(codes.int(), 2, 8)


def test_a_map_of_another_width_is_refused():
    for shape in ((2, 5, 2, 2), (2, 4, 2), (4, 2, 2)):
        with pytest.raises(ValueError, match=r"\(B, 4, h, w\), found \(" + str(shape[0])):
            made(4)(torch.zeros(shape))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"width": 10, "codebooks": 4}, "width=10, codebooks=4"),
        ({"width": 8, "codebooks": 0}, "codebooks=0"),
        ({"width": 8, "codes": 1}, "at least 2 codes, found 1"),
        ({"width": 8, "slices": "cut"}, "slices.*'cut'"),
        ({"width": 8, "rule": "adam"}, "rule.*'adam'"),
        ({"width": 8, "decay": 1.0}, r"decay.*\[0, 1\), found 1.0"),
    ],
)
def test_bad_settings_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_quantizer(**arguments)
