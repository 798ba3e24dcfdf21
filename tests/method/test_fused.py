"""Gated attention written out: its gradients are those of the formula, and a shut gate is shut."""

import torch
from torch import Tensor

from cvq_tutorial.method.fused import heard


def _by_formula(query: Tensor, key: Tensor, value: Tensor, gate: Tensor) -> Tensor:
    weight = torch.exp(query @ key.transpose(-1, -2)) * gate
    return (weight / (1 + weight.sum(-1, keepdim=True))) @ value


def _inputs(dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 6, 4))  # B H M d, B H N d
    parts = [torch.randn(s, generator=generator, dtype=dtype) for s in shapes]
    gate = (torch.rand((2, 1, 5, 6), generator=generator) < 0.5).to(dtype)
    gate[0, 0, 0] = 0.0  # one node hears nobody
    return [p.requires_grad_() for p in (*parts, gate)]


def test_answer_and_gradients_are_those_of_the_formula():
    ours, formula = _inputs(), _inputs()
    weight = torch.randn((2, 3, 5, 4), generator=torch.Generator().manual_seed(1)).double()
    for inputs, function in ((ours, heard), (formula, _by_formula)):
        (function(*inputs) * weight).sum().backward()
    torch.testing.assert_close(heard(*ours), _by_formula(*formula), rtol=1e-12, atol=1e-12)
    for a, b in zip(ours, formula, strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-10, atol=1e-12)
    shut = ours[3].detach() == 0
    assert (ours[3].grad[shut] != 0).all(), "a gate that is shut learns what it would be worth"


def test_a_gate_that_is_half_open_hears_what_is_loud():
    query, key = torch.tensor([[[[60.0]]]]), torch.tensor([[[[1.0], [0.9]]]])  # scores 60 and 54
    value, gate = torch.tensor([[[[1.0], [0.0]]]]), torch.full((1, 1, 1, 2), 0.3)
    truth = _by_formula(*(p.double() for p in (query, key, value, gate)))
    torch.testing.assert_close(heard(query, key, value, gate).double(), truth, rtol=1e-5, atol=1e-5)


def test_gradients_agree_with_small_differences():
    assert torch.autograd.gradcheck(heard, _inputs())


def test_who_hears_nobody_gets_zeros_and_a_shut_cause_changes_no_bit():
    query, key, value, gate = (p.detach() for p in _inputs(torch.float32))
    before = heard(query, key, value, gate)
    assert (before[0, :, 0] == 0).all()
    loud = key.clone()
    loud[:, :, 2] *= 1e3  # some scores overflow exp()
    gate[..., 2] = 0.0
    assert torch.equal(heard(query, key, value, gate), heard(query, loud, value, gate))


def test_the_order_in_memory_changes_no_bit():
    """What is read is often a transposed view; products and shares are the same."""
    answers = []
    for turned in (False, True):
        inputs = _inputs(torch.float32)
        parts = [p.transpose(1, 2).contiguous().transpose(1, 2) if turned else p for p in inputs]
        parts[3] = parts[3].mT.contiguous().mT if turned else parts[3]
        assert turned is not all(p.is_contiguous() for p in parts)
        answer = heard(*parts)
        answer.square().sum().backward()
        answers.append([answer, *(p.grad for p in inputs)])
    assert all(torch.equal(a, b) for a, b in zip(*answers, strict=True))


def test_a_shut_cause_that_is_infinitely_loud_is_not_the_loudest():
    query, key = torch.tensor([[[[2.0]]]]), torch.tensor([[[[1.0], [float("inf")]]]])
    value, gate = torch.tensor([[[[1.0], [5.0]]]]), torch.tensor([[[[1.0, 0.0]]]])
    alone = heard(query, key[..., :1, :], value[..., :1, :], gate[..., :1])
    assert torch.equal(heard(query, key, value, gate), alone) and alone > 0.8


def test_loud_causes_that_are_shut_leave_finite_gradients():
    query, key, value, gate = _inputs(torch.float32)
    heard(query, key * 1e3, value, gate).sum().backward()
    for part in (query, key, value, gate):
        assert torch.isfinite(part.grad).all()


def test_half_precision_stays_near():
    exact = _inputs(torch.float32)
    half = [p.detach().to(torch.bfloat16).requires_grad_() for p in exact[:3]] + [exact[3]]
    answer = heard(*half)
    assert answer.dtype == torch.bfloat16
    answer.float().sum().backward()
    assert half[0].grad.dtype == torch.bfloat16 and exact[3].grad.dtype == torch.float32
    torch.testing.assert_close(answer.float(), heard(*exact), rtol=0.05, atol=0.05)
