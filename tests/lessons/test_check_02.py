"""The self-checks of lesson 02: each likely mistake gets its own hint."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cvq_tutorial.lessons import check


def counts_of(batches, size):
    return sum(torch.bincount(b.flatten(), minlength=size) for b in batches).double()


def entropy(batches, size, log=torch.log):
    share = counts_of(batches, size) / counts_of(batches, size).sum()
    return -(share[share > 0] * log(share[share > 0])).sum()


def careless(batches, size):
    share = counts_of(batches, size) / counts_of(batches, size).sum()
    return torch.exp(-(share * share.log()).sum())


def mean_of_batches(batches, size):
    return np.mean([float(entropy([b], size).exp()) for b in batches])


class OnlyValue(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z, e):
        return e.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


def choosing(line):
    """An answer with the right codes, and `out` by a line of z and e."""

    def quantise(z, vectors):
        codes = torch.cdist(z, vectors).argmin(1)
        return codes, line(z, vectors[codes])

    return quantise


def by(codes):
    """An answer with codes of its own, and the straight-through line."""

    def quantise(z, vectors):
        chosen = codes(z, vectors)
        return chosen, z + (vectors[chosen] - z).detach()

    return quantise


@pytest.mark.parametrize(
    ("exercise", "answer", "told"),
    [
        (check.where_the_code_moves, 0.25, "right: "),
        (check.where_the_code_moves, 1, "k-means without memory"),
        (check.where_the_code_moves, 0.3, "divide by the new one"),
        (check.where_the_code_moves, 0.1, "many vectors weigh more"),
        (check.where_the_code_moves, 0.964, "decay is the share that is kept"),
        (check.where_the_code_moves, 0.75, "forgets nothing"),
        (check.where_the_code_moves, 0.5, "new total / new count"),
        (check.where_the_code_moves, "left", "expected a number"),
        (check.where_the_code_moves, None, "not attempted yet"),
        (check.quantise, choosing(lambda z, e: z + (e - z).detach()), "right: "),
        (check.quantise, choosing(OnlyValue.apply), "right: "),
        (check.quantise, choosing(lambda z, e: e + (z - e).detach()), "wrong way round"),
        (check.quantise, choosing(lambda z, e: z + (e - z)), "z cancels out"),
        (check.quantise, choosing(lambda z, e: e), "z cancels out"),
        (check.quantise, choosing(lambda z, e: e.detach()), "no gradient gets through"),
        (check.quantise, choosing(lambda z, e: z), "its value is to be e"),
        (check.quantise, choosing(lambda z, e: z.detach() + (e - z)), "minus its gradient"),
        (check.quantise, choosing(lambda z, e: z + e - z.detach()), "gets one too"),
        (check.quantise, choosing(lambda z, e: 2 * z + (e - 2 * z).detach()), "once, and whole"),
        (check.quantise, choosing(lambda z, e: (z + e) / 2), "is not e"),
        (check.quantise, choosing(lambda z, e: z.sum()), "out as a tensor of shape (20, 3)"),
        (check.quantise, by(lambda z, v: torch.cdist(z, v).argmax(1)), "farthest"),
        (check.quantise, by(lambda z, v: (z @ v.T).argmax(1)), "long vectors win"),
        (check.quantise, by(lambda z, v: (z[:, :1] - v[:, 0]).abs().argmin(1)), "all channels"),
        (
            check.quantise,
            by(lambda z, v: torch.cdist(z, v).argmin(1) * 0),
            "not those of the nearest",
        ),
        (check.quantise, lambda z, v: torch.cdist(z, v).argmin(1), "return codes, out"),
        (check.quantise, lambda z, v: (torch.cdist(z, v), z), "codes as a tensor of shape (20,)"),
        (check.quantise, lambda z, v: None, "not attempted yet"),
        (check.quantise, 3, "expected a function"),
        (check.pooled_perplexity, lambda b, k: entropy(b, k).exp(), "right: "),
        (check.pooled_perplexity, mean_of_batches, "add up the counts first"),
        (check.pooled_perplexity, entropy, "in nats"),
        (check.pooled_perplexity, lambda b, k: entropy(b, k, torch.log2), "in bits"),
        (check.pooled_perplexity, lambda b, k: 2 ** entropy(b, k), "one base"),
        (check.pooled_perplexity, lambda b, k: entropy(b, k, torch.log2).exp(), "one base"),
        (check.pooled_perplexity, careless, "which is nan"),
        (check.pooled_perplexity, lambda b, k: (-entropy(b, k)).exp(), "the sign"),
        (check.pooled_perplexity, lambda b, k: (counts_of(b, k) > 0).sum(), "shares matter"),
        (
            check.pooled_perplexity,
            lambda b, k: torch.ones(3),
            "a number, found Tensor of shape (3,)",
        ),
        (check.pooled_perplexity, lambda b, k: None, "not attempted yet"),
        (check.pooled_perplexity, 50.2, "expected a function"),
    ],
)
def test_answers(exercise, answer, told):
    assert told in exercise.reply(answer)
    assert "\n" not in exercise.reply(answer)
