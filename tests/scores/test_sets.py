"""The kernel distance: what it is of sets alike, of sets apart, and of sets that go in pairs."""

import pytest
import torch

from underpaint.scores.sets import kernel_distance, paired_distances


def drawn(seed, count=60, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 5, generator=generator, dtype=torch.float64) + shift


def test_sets_alike_are_at_no_distance_and_sets_apart_are():
    alike = [kernel_distance(drawn(seed), drawn(seed + 100)) for seed in range(30)]
    assert abs(sum(alike) / 30) < 0.05  # unbiased: it falls to either side of zero
    assert min(alike) < 0 < max(alike)
    assert kernel_distance(drawn(0), drawn(1, shift=1.0)) > 2


def test_pairs_that_are_nearly_the_same_do_not_bias_the_distance():
    a = drawn(0)
    same = paired_distances(a, a)
    assert torch.allclose(same, torch.zeros_like(same), atol=1e-12)
    near = [paired_distances(drawn(s), drawn(s) + 0.3 * drawn(s + 50)).mean() for s in range(20)]
    biased = [kernel_distance(drawn(s), drawn(s) + 0.3 * drawn(s + 50)) for s in range(20)]
    assert sum(biased) / 20 < -0.05
    assert sum(near).item() / 20 > -0.02


def test_parts_of_independent_pairs_come_to_the_distance_but_for_its_diagonal():
    a, b = drawn(0), drawn(1, shift=0.5)
    assert paired_distances(a, b).mean().item() == pytest.approx(kernel_distance(a, b), rel=0.1)


def test_one_pair_has_no_distance():
    assert paired_distances(drawn(0, 1), drawn(1, 1)).isnan().all()
