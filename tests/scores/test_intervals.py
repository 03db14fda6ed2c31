import numpy as np
import pytest
from scipy.stats import binomtest

from underpaint.core.errors import MetricError
from underpaint.scores.intervals import interval, intervals, onset, resampled, share_interval

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


@pytest.mark.parametrize(("holds", "prompts"), [(1.0, 5), (0.0, 12)])
def test_a_share_of_all_or_none_has_an_exact_interval_over_prompts(holds, prompts):
    values = np.array([*[holds] * 2 * prompts, np.nan])
    names = [*[str(at) for at in range(prompts)] * 2, "unknown"]
    wanted = binomtest(int(holds) * prompts, prompts).proportion_ci(0.95, "exact")
    found = share_interval(values, names)
    assert (found.mean, found.undefined) == (holds, 1)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))


def test_a_share_between_all_and_none_is_resampled(random):
    values, names = (random.random(40) < 0.7).astype(float), [str(at) for at in range(40)]
    assert share_interval(values, names) == interval(values, names)


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


def test_an_onset_needs_an_effect_above_the_control(random, groups):
    # A source with a final skill of 0.04 and a control of 0.04: position alone would let both pass.
    faint, control = (rising(random, 2, top=0.04, noise=0.002) for _ in range(2))
    position = np.zeros(120)
    assert onset(faint, position, groups).steps == 2
    assert onset(faint, position, groups, control=control) is None
    assert onset(control, position, groups, control=control) is None
    assert onset(rising(random, 4), position, groups, control=control).steps == 4


def test_an_onset_comes_no_sooner_than_its_effect(random, groups):
    control = np.where(np.arange(STEPS) < 6, 0.8, 0.0) + 0.02 * random.standard_normal((120, STEPS))
    found = onset(rising(random, 2), np.zeros(120), groups, control=control)
    assert (found.low, found.steps, found.high) == (6, 6, 6)


@pytest.mark.parametrize("draw", ["normal", "skewed"])
def test_few_prompts_are_covered_as_often_as_claimed(draw):
    random = np.random.default_rng(1)
    names, held, plain = [str(i) for i in range(24)], 0, 0
    for trial in range(400):
        values = random.normal(size=24) if draw == "normal" else random.beta(4, 1, size=24) - 0.8
        found = interval(values, names, resamples=800, seed=trial)
        held += found.low <= 0 <= found.high
        spread = resampled(values[:, None], names, resamples=800, seed=trial)[:, 0]
        low, high = np.quantile(spread, [0.025, 0.975])
        plain += low <= 0 <= high
    assert held > plain
    assert 0.92 <= held / 400 <= 0.98
