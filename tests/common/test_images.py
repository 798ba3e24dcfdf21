from __future__ import annotations

import numpy as np
import pytest
import torch

from cvq_tutorial.common.images import check_images, to_float, to_uint8

PICTURES = np.random.default_rng(0).integers(0, 256, size=(2, 5, 4, 3), dtype=np.uint8)


def test_every_pixel_goes_where_it_belongs():
    tensor = to_float(PICTURES)
    assert tensor.shape == (2, 3, 5, 4)
    assert tensor.dtype == torch.float32
    for b, y, x, c in np.ndindex(PICTURES.shape):
        assert tensor[b, c, y, x].item() == pytest.approx(PICTURES[b, y, x, c] / 255)


def test_all_levels_survive_the_way_there_and_back():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    tensor = to_float(levels)
    assert (tensor.min().item(), tensor.max().item()) == (0.0, 1.0)
    back = to_uint8(tensor)
    assert back.dtype == np.uint8
    assert np.array_equal(back, levels)
    assert np.array_equal(to_uint8(to_float(PICTURES)), PICTURES)


def test_half_precision_and_gradients_are_accepted():
    tensor = to_float(PICTURES).requires_grad_()
    assert np.array_equal(to_uint8(tensor), PICTURES)
    half = to_uint8(to_float(PICTURES).to(torch.bfloat16))
    assert np.abs(half.astype(int) - PICTURES).max() <= 1


def test_the_result_shares_no_memory_even_with_read_only_sources():
    source = PICTURES.copy()
    source.setflags(write=False)
    tensor = to_float(source)
    tensor += 1
    assert np.array_equal(source, PICTURES)
    assert tensor.is_contiguous()
    single = np.zeros((1, 1, 1, 3), dtype=np.uint8)  # where a transposed view is contiguous as well
    to_float(single).add_(1)
    assert single.sum() == 0


def test_empty_batches_pass():
    assert to_float(PICTURES[:0]).shape == (0, 3, 5, 4)
    assert to_uint8(torch.zeros(0, 3, 5, 4)).shape == (0, 5, 4, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: to_float(PICTURES / 255), TypeError, "array of uint8, found ndarray of float64"),
        (lambda: to_float(torch.zeros(1, 5, 4, 3)), TypeError, "found Tensor of torch.float32"),
        (lambda: to_float([[1]]), TypeError, "found list of no dtype"),
        (lambda: to_float(PICTURES[0]), ValueError, r"\(B, H, W, 3\), found \(5, 4, 3\)"),
        (lambda: to_float(PICTURES.transpose(0, 3, 1, 2)), ValueError, "channels come last here"),
        (lambda: to_uint8(PICTURES), TypeError, "floating-point tensor, found ndarray of uint8"),
        (lambda: to_uint8(torch.zeros(1, 3, 2, 2, dtype=torch.uint8)), TypeError, "torch.uint8"),
        (lambda: to_uint8(torch.zeros(1, 2, 2, 3)), ValueError, "channels come first here"),
        (lambda: to_uint8(torch.full((1, 3, 2, 2), 2.0)), ValueError, "0..255 become x / 255"),
        (lambda: to_uint8(torch.full((1, 3, 2, 2), -1.0)), ValueError, r"become \(x \+ 1\) / 2"),
        (lambda: to_uint8(torch.full((1, 3, 2, 2), float("nan"))), ValueError, "found nan"),
        (lambda: to_uint8(torch.full((1, 3, 2, 2), 1.01)), ValueError, r"\[0, 1\], found 1.01"),
        (
            lambda: check_images(torch.zeros(1, 3, 8, 8), (64, 64, 3)),
            ValueError,
            r"expected shape \(B, 3, 64, 64\), found \(1, 3, 8, 8\)",
        ),
    ],
)
def test_bad_input_is_one_line_that_names_expected_and_found(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_the_right_shape_passes_the_check():
    check_images(torch.zeros(1, 3, 64, 32), (64, 32, 3))
