"""Linear latents: exact on exact covariances, honest about what it cannot know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cvq_tutorial.identify import linear, match, order
from cvq_tutorial.identify.checks import Unidentifiable


def world(seed: int, **options) -> linear.LatentWorld:
    return linear.draw_world(np.random.default_rng([17, seed]), **options)


def truth(known: linear.LatentWorld) -> tuple[np.ndarray, np.ndarray]:
    """H and weights in the numbering and scale of an estimate."""
    rows = match.by_contexts(known.H, known.targets)
    unit = rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)]
    weights = match.relabelled(known.weights, known.targets)
    return rows / unit[:, None], weights * unit[:, None] / unit  # z in units of its row


def test_exact_covariances_give_everything_back_in_a_hundred_models():
    for seed in range(100):
        d = 2 + seed % 6
        known = world(seed, latents=d, observed=d * (1 + seed % 2), density=(0, 0.5, 1)[seed % 3])
        found = linear.solve_precisions(known.precisions())
        H, weights = truth(known)
        B = match.relabelled(known.contexts[0], known.targets)
        scale = np.abs(np.diag(B) / np.diag(found.B))
        # a precision in double precision holds what is far from the mixing's worst direction less
        # exactly; with twice as many observed as latents that is never seen
        limit = 1e-10 * max(1.0, np.linalg.cond(known.H) / 100) ** 2
        assert match.row_error(found.H, H, signs=False) < limit
        assert np.abs(found.weights - weights).max() < limit
        assert np.abs(np.abs(found.B * scale[None]) - np.abs(B)).max() < 10 * limit
        ancestors = match.relabelled(known.ancestors, known.targets)
        assert np.array_equal(found.order.ancestors, ancestors)
        assert order.is_linear_extension(ancestors, found.order.order)
        assert order.is_linear_extension(ancestors, found.causes_first)
        assert found.misfit.max() < 10 * limit and not found.complaints


def test_a_difference_of_precisions_has_rank_one_for_sources_only():
    for seed in range(10):
        known = world(seed, latents=5, observed=5, density=0.5)
        precisions = np.linalg.inv(known.covariances())
        sources = ~known.graph.any(axis=0)
        for k, target in enumerate(known.targets):
            sizes = np.linalg.svd(precisions[k + 1] - precisions[0], compute_uv=False)
            rank = int((sizes > 1e-9 * sizes[0]).sum())
            assert rank == (1 if sources[target] else 2)


def test_rows_of_a_graph_are_causes():
    """Two latents, the second causes the first: in the paper A[0, 1], here weights[1, 0]."""
    B = np.array([[2.0, -1.0], [0.0, 3.0]])
    contexts = np.array([B, [[7.0, 0], B[1]], [B[0], [0, 6.0]]])
    known = linear.LatentWorld(contexts, np.eye(2), np.array([0, 1]))
    assert known.weights.tolist() == [[0, 0], [0.5, 0]]
    assert known.graph.tolist() == [[False, False], [True, False]]
    found = linear.solve(known.covariances())
    assert np.allclose(found.weights, known.weights)
    assert found.order.ancestors.tolist() == [[False, False], [True, False]]
    assert found.causes_first.tolist() == [1, 0]
    assert np.allclose(found.strengths, [7, 6])


def test_enough_samples_find_the_targets_and_few_do_not():
    def right(samples: int) -> int:
        count = 0
        for seed in range(12):
            known = world(seed)
            data = known.draw_covariances(samples, np.random.default_rng([18, seed]))
            found = linear.solve(data, samples=samples)
            graph = match.relabelled(known.graph, known.targets)
            count += order.is_linear_extension(graph, found.causes_first)
        return count

    few, many = right(100), right(50_000)
    assert many == 12 and few < 9


def test_the_order_survives_noise_on_the_observed_and_the_numbers_do_not():
    right, errors, cleaned = 0, [], []
    for seed in range(20):
        known = world(seed)
        covariances = known.covariances(noise=0.1)
        found = linear.solve(covariances, 5)
        assert "outside" in found.complaints[0]
        graph = match.relabelled(known.graph, known.targets)
        right += order.is_linear_extension(graph, found.causes_first)
        errors.append(match.row_error(found.H, truth(known)[0]))
        cleaned.append(
            match.row_error(linear.solve(covariances, 5, denoise=True).H, truth(known)[0])
        )
    assert right >= 18
    assert np.median(errors) > 0.01 and max(cleaned) < 1e-8


def test_a_larger_noise_alone_hides_every_ancestor_and_no_misfit_tells():
    """Soft by definition, but old and new row point the same way: the twin without an edge."""
    known = world(3, repeats=2)
    contexts = known.contexts.copy()
    for number, target in enumerate(known.targets, 1):
        contexts[number] = contexts[0]
        contexts[number, target] *= 2 if number <= len(contexts) // 2 else 3
    data = replace(known, contexts=contexts).covariances()
    found = linear.solve(data[: 1 + len(known.H)])
    assert known.ancestors.any() and not found.order.ancestors.any()
    assert found.misfit.max() < 1e-10
    assert (
        max(linear.check_context(found, extra).misfit for extra in data[1 + len(known.H) :]) < 1e-10
    )


def softened(known: linear.LatentWorld, touched: np.ndarray, rng) -> linear.LatentWorld:
    """Each context multiplies the touched weights of its target, and the size of its noise."""
    contexts = known.contexts.copy()
    for number, target in enumerate(known.targets, 1):
        contexts[number] = contexts[0]
        contexts[number, target] *= rng.uniform(2, 3)
        contexts[number, target, touched[:, target]] *= -rng.uniform(0.5, 2)
    return replace(known, contexts=contexts)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.2])
def test_of_soft_interventions_only_causes_whose_weight_changed_are_seen_and_their_ancestors(share):
    right = []
    for seed in range(30):
        known = world(seed, density=(0.5, 1.0)[seed % 2], repeats=2)
        rng = np.random.default_rng([19, seed])
        touched = known.graph & (rng.random((5, 5)) < share)  # [i, j]: weight of i in j changed
        data = softened(known, touched, rng).covariances()
        found = linear.solve(data[:6])
        seen = order.closure(touched | (known.ancestors.astype(int) @ touched.astype(int) > 0))
        assert np.array_equal(found.order.ancestors, match.relabelled(seen, known.targets[:5]))
        assert found.misfit.max() < 1e-10 and not found.complaints
        if touched.any():  # a second time with other weights: this speaks
            assert max(linear.check_context(found, one).misfit for one in data[6:]) > 1e-3
        truth_ = match.relabelled(known.ancestors, known.targets[:5])
        right.append(order.is_linear_extension(truth_, found.order.order))
    assert all(right) if share == 1 else np.mean(right) < 0.5


def test_a_second_context_with_the_same_weights_is_as_silent_as_none():
    for seed in range(5):
        known = world(seed, density=1.0, soft=True, repeats=1)
        again = known.contexts[1:].copy()
        again[range(5), known.targets] *= 1.5  # noise of another size
        twice = replace(
            known,
            contexts=np.concatenate([known.contexts, again]),
            targets=np.tile(known.targets, 2),
        )
        data = twice.covariances()
        found = linear.solve(data[:6])
        assert match.row_error(found.H, truth(known)[0]) > 0.5
        assert max(linear.check_context(found, one).misfit for one in data[6:]) < 1e-9


def test_soft_interventions_fit_and_only_a_second_context_of_a_target_speaks_against_them():
    for seed in range(10):
        for soft in (False, True):
            known = world(seed, density=1.0, soft=soft, repeats=2)
            covariances = known.covariances()
            found = linear.solve(covariances[:6])
            checks = [linear.check_context(found, one) for one in covariances[6:]]
            assert found.misfit.max() < 1e-9 and not found.complaints
            if soft:
                assert match.row_error(found.H, truth(replace(known, targets=known.targets[:5]))[0])
                assert max(one.misfit for one in checks) > 1e-2
            else:
                assert max(one.misfit for one in checks) < 1e-9
                assert [known.targets[one.target] for one in checks] == list(known.targets[5:])
                again = known.contexts[6:][range(5), known.targets[5:], known.targets[5:]]
                first = found.strengths[[one.target for one in checks]]
                was = known.contexts[1:6][range(5), known.targets[:5], known.targets[:5]]
                was = was[[one.target for one in checks]]
                assert np.allclose([one.strength for one in checks], first * again / was)


def test_two_targets_in_one_context_are_complained_of():
    noticed = 0
    for seed in range(10):
        known = world(seed)
        both = known.contexts.copy()
        other = known.targets[1]
        both[1, other] = both[2, other]  # context 1 now sets a second latent
        found = linear.solve(replace(known, contexts=both).covariances())
        noticed += any("not" in line or "no linear" in line for line in found.complaints)
    assert noticed == 10


def test_samples_of_a_true_model_bring_no_complaint_and_two_targets_do():
    known = world(3)
    covariances = linear.covariances_of(known.draw(5000, np.random.default_rng(0)))
    found = linear.solve_samples(covariances, 5000, rng=np.random.default_rng(1))
    assert not found.complaints and found.noise_misfit is not None
    assert 0 < found.misfit.max() < 2 * found.noise_misfit
    both = known.contexts.copy()
    both[1, known.targets[1]] = both[2, known.targets[1]]
    data = replace(known, contexts=both).draw(5000, np.random.default_rng(0))
    found = linear.solve_samples(linear.covariances_of(data), 5000, rng=np.random.default_rng(1))
    assert "noise alone gives" in found.complaints[0]


def test_further_contexts_from_samples_are_held_against_noise_on_both_sides():
    for soft in (False, True):
        known = world(6, latents=3, observed=4, density=1.0, soft=soft, repeats=2)
        drawn = known.draw_covariances(20_000, np.random.default_rng(5))
        found = linear.solve(drawn[:4], 3, samples=20_000)
        usual = linear.check_noise(found, 20_000, rng=np.random.default_rng(6), draws=8)
        worst = max(linear.check_context(found, one).misfit for one in drawn[4:])
        assert 0 < usual < 0.2
        assert worst > 5 * usual if soft else worst < 2 * usual


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_covariances_are_drawn_as_if_samples_had_been(noise):
    known = world(4, latents=2, observed=3)
    true, n = known.covariances(noise)[1], 40
    rng = np.random.default_rng(2)
    drawn = np.array([known.draw_covariances(n, rng, noise)[1] for _ in range(1500)])
    spread = (np.outer(np.diag(true), np.diag(true)) + true**2) / (n - 1)  # of a Wishart matrix
    assert (np.abs(drawn.mean(axis=0) - true) < 4 * np.sqrt(spread / 1500)).all()
    assert np.allclose(drawn.var(axis=0), spread, rtol=0.15)
    sampled = np.array([np.cov(known.draw(n, rng, noise)[1].T) for _ in range(500)])
    assert np.allclose(sampled.var(axis=0), drawn.var(axis=0), rtol=0.3)


def test_an_estimate_predicts_the_covariances_it_came_from():
    known = world(5)
    covariances = known.covariances()
    again = linear.solve(covariances).as_world().covariances()
    assert np.allclose(again, covariances, rtol=1e-8, atol=1e-10)


GOOD = world(0).covariances()


def with_nan() -> np.ndarray:
    out = GOOD.copy()
    out[2, 1, 1] = np.nan
    return out


@pytest.mark.parametrize(
    ("covariances", "options", "message"),
    [
        (GOOD[:-1], {}, "4 contexts are fewer than 5 latents"),
        (GOOD[[0, 1, 2, 3, 4, 0]], {}, "context 5 has no visible effect"),
        (GOOD[[0, 1, 2, 3, 4, 2]], {}, "contexts 2 and 5 are equal"),
        (GOOD, {"latents": 6}, "covariance of rank 5 below 6 latents"),
        (with_nan(), {}, "1 of 600 values are NaN or infinite"),
    ],
)
def test_bad_input_says_what_fails_and_what_is_left(covariances, options, message):
    with pytest.raises(Unidentifiable) as error:
        linear.solve(covariances, **options)
    assert message in str(error.value) and "still identifiable: " in str(error.value)
    assert "\n" not in str(error.value)


def test_more_bad_input():
    with pytest.raises(ValueError, match="6 contexts for 5 latents"):
        linear.solve(np.concatenate([GOOD, GOOD[1:2] * 2]), 5)
    with pytest.raises(ValueError, match="expected an array"):
        linear.solve(GOOD[0])
    with pytest.raises(Unidentifiable, match="60 samples are too few"):
        linear.solve_samples(GOOD, 60, rng=np.random.default_rng(0))
    flat = GOOD.copy()
    flat[3] = flat[3] @ np.diag([0.0] * 10)
    with pytest.raises(Unidentifiable, match="covariance 3 has a rank below 5"):
        linear.solve(flat)
    with pytest.raises(Unidentifiable, match="5 latents in 3 observed"):
        world(0, observed=3)
    repeated = world(1).draw(5000, np.random.default_rng(2))
    fresh = world(1).draw(5000, np.random.default_rng(3))
    with pytest.raises(Unidentifiable, match="context 1 has no visible effect"):
        linear.solve(linear.covariances_of([repeated[0], fresh[0], *repeated[2:]]), samples=5000)
    with pytest.raises(Unidentifiable, match="contexts 1 and 2 are equal"):
        linear.solve(linear.covariances_of([*repeated[:2], fresh[1], *repeated[3:]]), samples=5000)


def test_partial_order_refuses_what_says_nothing_new():
    known = linear.LatentWorld(
        np.array([np.diag([2.0, 3]), np.diag([6.0, 3]), np.diag([7.0, 3])]),
        np.eye(2),
        np.array([0, 0]),
    )
    precisions = np.linalg.inv(known.covariances())
    with pytest.raises(Unidentifiable, match="no target of its own"):
        order.partial_order(precisions[1:] - precisions[0])
    with pytest.raises(ValueError, match="3 contexts of size 2"):
        order.partial_order(np.ones((3, 2, 2)))


def test_closure_is_reachability():
    graph = np.zeros((4, 4), dtype=bool)
    graph[0, 1] = graph[1, 2] = graph[2, 3] = True
    assert np.array_equal(order.closure(graph), np.triu(np.ones((4, 4), dtype=bool), 1))
