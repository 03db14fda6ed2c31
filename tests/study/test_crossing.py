"""What readings owe to caption, noise and their meeting: planted shares, and a second route."""

import numpy as np
import pytest

from underpaint.study.crossing import (
    components,
    shares,
)


def planted(captions, noises, *, deviations, seed=0, cells=1):
    draw = np.random.default_rng(seed)
    caption, noise, meeting = deviations
    return (
        5.0
        + caption * draw.normal(size=(captions, 1, 1, cells))
        + noise * draw.normal(size=(1, noises, 1, cells))
        + meeting * draw.normal(size=(captions, noises, 1, cells))
    )


@pytest.mark.parametrize("part", range(3))
def test_what_one_part_alone_makes_is_its_own_whole(part):
    deviations = [0.0, 0.0, 0.0]
    deviations[part] = 2.0
    found = shares(planted(8, 9, deviations=deviations, cells=200))[:, 0, 0]
    expected = np.eye(3)[part]
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_estimates_are_unbiased_and_intervals_hold_what_was_planted():
    truth = np.array([4.0, 1.0, 2.25])
    worlds = [planted(9, 8, deviations=np.sqrt(truth), seed=seed, cells=6) for seed in range(200)]
    means = np.mean([components(each)[:, 0] / 6 for each in worlds], axis=0)
    np.testing.assert_allclose(means, truth, rtol=0.08)
    found = np.stack([shares(each)[:, :, 0] for each in worlds])
    holds = (found[:, :, 1] <= truth / truth.sum()) & (truth / truth.sum() <= found[:, :, 2])
    assert (holds.mean(axis=0) > 0.88).all()


def test_components_are_those_of_an_analysis_of_variance():
    """Second route: sums of squares of nested least-squares fits with dummy columns."""
    y = planted(5, 4, deviations=(1.0, 0.5, 0.7))
    flat = y[:, :, 0, 0].ravel()
    caption, noise = np.repeat(np.arange(5), 4), np.tile(np.arange(4), 5)

    def left(*columns):
        design = np.concatenate([np.ones((20, 1)), *(np.eye(n)[c] for c, n in columns)], axis=1)
        fitted = design @ np.linalg.lstsq(design, flat, rcond=None)[0]
        return np.square(flat - fitted).sum()

    both = left((caption, 5), (noise, 4))
    ms_i = both / 12
    ms_c = (left((noise, 4)) - both) / 4
    ms_n = (left((caption, 5)) - both) / 3
    expected = [(ms_c - ms_i) / 4, (ms_n - ms_i) / 5, ms_i]
    np.testing.assert_allclose(components(y)[:, 0], expected, rtol=1e-9)


def test_a_reading_that_never_varies_has_no_shares():
    assert np.isnan(shares(np.ones((3, 3, 2, 4)))).all()
