import numpy as np
import pytest

from underpaint.core.errors import MetricError
from underpaint.scores.intervals import crossover, interval, intervals, lead, onset

STEPS = 15


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def groups():
    return [f"prompt {image // 2}" for image in range(120)]


def rising(random, start, *, top=0.8, images=120, noise=0.02):
    """Plant a skill that is 0 until `start`, then holds its top."""
    curve = np.where(np.arange(STEPS) >= start, top, 0.0)
    return curve + noise * random.standard_normal((images, STEPS))


def test_an_interval_is_as_wide_as_the_theory_of_means_says(random):
    values = random.normal(3.0, 2.0, size=400)
    found = interval(values, [str(image) for image in range(400)])
    assert found.mean == pytest.approx(values.mean())
    half_width = 1.96 * values.std() / np.sqrt(400)
    assert found.low == pytest.approx(found.mean - half_width, abs=0.03)
    assert found.high == pytest.approx(found.mean + half_width, abs=0.03)


def test_intervals_hold_the_truth_as_often_as_they_claim(random):
    held = 0
    for trial in range(200):
        values = random.normal(0.0, 1.0, size=60)
        found = interval(values, [str(i) for i in range(60)], level=0.8, resamples=300, seed=trial)
        held += found.low <= 0 <= found.high
    assert 0.7 < held / 200 < 0.9


def test_copies_of_an_image_add_no_certainty(random):
    values = random.standard_normal(50)
    names = [str(image) for image in range(50)]
    once = interval(values, names)
    again = interval(np.repeat(values, 9), [name for name in names for _ in range(9)])
    assert (again.low, again.high) == pytest.approx((once.low, once.high))
    by_image = interval(np.repeat(values, 9), [str(image) for image in range(450)])
    assert by_image.high - by_image.low < 0.5 * (once.high - once.low)


def test_scores_without_a_value_are_left_out_and_counted(random):
    values = random.standard_normal((60, 2))
    values[:7, 1] = np.nan
    names = [str(image) for image in range(60)]
    found = intervals(values, names)
    assert [each.undefined for each in found] == [0, 7]
    assert found[1].mean == pytest.approx(values[7:, 1].mean())
    assert found[1].low < found[1].mean < found[1].high


def test_no_value_at_all_and_a_lone_prompt_have_no_interval():
    nothing = interval(np.full(4, np.nan), list("abcd"))
    assert np.isnan([nothing.mean, nothing.low, nothing.high]).all()
    assert nothing.undefined == 4
    lone = interval(np.array([1.0, 2.0]), ["a", "a"])
    assert lone.mean == 1.5
    assert np.isnan([lone.low, lone.high]).all()


def test_the_same_seed_gives_the_same_interval(random, groups):
    values = random.standard_normal(120)
    assert interval(values, groups, seed=1) == interval(values, groups, seed=1)
    assert interval(values, groups, seed=1) != interval(values, groups, seed=2)


def test_images_without_a_group_are_refused(groups):
    with pytest.raises(MetricError, match="120 images have scores and 119 have a group"):
        interval(np.zeros(120), groups[1:])


@pytest.mark.parametrize("start", [0, 2, 9, 14])
def test_a_planted_onset_comes_back(random, groups, start):
    position = np.full(120, 0.3)
    found = onset(0.3 + rising(random, start), position, groups)
    assert (found.low, found.steps, found.high) == (start, start, start)


def test_skill_is_counted_from_position_not_from_zero(random, groups):
    ramp = np.tile(np.linspace(0.5, 1.0, STEPS), (120, 1))
    ramp = ramp + 0.001 * random.standard_normal(ramp.shape)
    # 90% of 1.0 is held from step 12 on (0.93); 90% of the way from 0.5 to 1.0 from 13 (0.96).
    assert onset(ramp, np.zeros(120), groups).steps == 12
    assert onset(ramp, np.full(120, 0.5), groups).steps == 13


def test_a_skill_that_is_lost_again_has_not_begun(random, groups):
    skill = rising(random, 2)
    skill[:, 6] = 0.1
    assert onset(skill, np.zeros(120), groups).steps == 7


def test_an_onset_on_which_images_disagree_has_a_wide_interval(random):
    starts = random.integers(2, 10, size=30)
    skill = np.where(np.arange(STEPS) >= starts[:, None], 0.8, 0.0)
    found = onset(skill, np.zeros(30), [str(image) for image in range(30)])
    assert found.low < found.high
    assert found.low <= found.steps <= found.high


@pytest.mark.parametrize("seed", range(5))
def test_noise_around_position_has_no_onset(seed, groups):
    random = np.random.default_rng(seed)
    position = random.uniform(0.2, 0.6, size=120)
    noise = position[:, None] + 0.1 * random.standard_normal((120, STEPS)) - 0.005
    assert onset(noise, position, groups) is None


def test_a_skill_that_is_nowhere_defined_has_no_onset(groups):
    assert onset(np.full((120, STEPS), np.nan), np.zeros(120), groups) is None


def test_a_planted_lead_comes_back(random, groups):
    image, probe, position = rising(random, 9, top=0.9), rising(random, 2), np.zeros(120)
    found = lead(image, probe, position, groups)
    assert (found.low, found.steps, found.high) == (7, 7, 7)
    assert lead(probe, image, position, groups).steps == -7
    assert lead(image, np.zeros((120, STEPS)), position, groups) is None


def test_a_lead_is_paired(random):
    # Where each image begins varies widely; the lag between its two sources does not.
    starts = random.integers(1, 9, size=40)[:, None]
    at = np.arange(STEPS)
    earlier, later = (at >= starts).astype(float), (at >= starts + 3).astype(float)
    found = lead(later, earlier, np.zeros(40), [str(image) for image in range(40)])
    assert (found.low, found.steps, found.high) == (3, 3, 3)


def test_a_planted_crossover_comes_back(random):
    probe = rising(random, 2)
    assert crossover(rising(random, 9, top=0.95), probe) == 9
    assert crossover(rising(random, 1, top=0.6), probe) is None
    flicker = rising(random, 4, top=0.95)
    flicker[:, 8] = 0
    assert crossover(flicker, probe) == 9


def test_a_crossover_compares_the_images_that_have_both():
    probe = np.array([[0.5, 0.5], [0.9, 0.9]])
    source = np.array([[0.6, 0.6], [np.nan, np.nan]])
    assert crossover(source, probe) == 0
