from __future__ import annotations

import numpy as np
import pytest
import torch

from cvq_tutorial.common.arrays import as_array


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.int64, torch.bool])
def test_a_tensor_keeps_all_of_its_digits(dtype):
    values = torch.tensor([0.1, 1 / 3, 2.0]).double() + 1e-12
    values = values.to(dtype)
    found = as_array(values.requires_grad_(values.is_floating_point()))
    assert np.array_equal(found, np.array(values.tolist(), dtype=found.dtype))
    assert found.dtype == torch.empty(0, dtype=dtype).numpy().dtype


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_tensor_of_half_precision_becomes_float32(dtype):
    found = as_array(torch.tensor([0.5, 1.5], dtype=dtype))
    assert found.dtype == np.float32 and found.tolist() == [0.5, 1.5]
