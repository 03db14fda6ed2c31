import numpy as np
import pytest

from underpaint.scores.bars import bar_of, crossover, reach

STEPS = 15
NOISE = np.exp(np.linspace(2.0, -2.5, STEPS))


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


def test_all_sources_are_timed_at_one_score(random, groups):
    # The rival ends at 1 and gets to the probe's bar long before it gets to 90% of its own end.
    probe = rising(random, 2, top=0.6)
    rival = np.tile(np.linspace(0, 1, STEPS), (120, 1)) + 0.001 * random.standard_normal(
        (120, STEPS)
    )
    bar = bar_of(probe, np.full(120, 0.1), groups)
    assert bar.score == pytest.approx(0.1 + 0.9 * 0.5, abs=0.01)
    first, later = reach(probe, bar), reach(rival, bar)
    assert (first.step().low, first.step().steps, first.step().high) == (2, 2, 2)
    assert later.step().steps == 8  # 8/14 = 0.57; 90% of its own end would be step 13
    lead = first.before(later).step()
    assert (lead.low, lead.steps, lead.high) == (6, 6, 6)
    assert later.before(first).step().steps == -6


def test_the_noise_at_the_bar_is_interpolated_between_steps(groups):
    ramp = np.tile(np.linspace(0, 1, STEPS), (120, 1))
    bar = bar_of(np.tile(np.linspace(0, 0.55, STEPS), (120, 1)), np.zeros(120), groups)
    found = reach(ramp, bar, noise=NOISE)
    # A straight line over steps and over ln noise: it meets 0.495 at 0.495 of the way.
    assert found.noise().mean == pytest.approx(2.0 - 4.5 * 0.495)
    assert found.step().steps == 7  # the first whole step after it


def test_a_lead_in_noise_does_not_depend_on_the_schedule(groups):
    """The same two sources seen at half the steps: other step numbers, the same noise."""
    fine = np.linspace(2.0, -2.5, STEPS)
    rival = (2.0 - fine) / 4.5
    probe = np.sqrt(rival) * 0.6
    leads = []
    for part in (slice(None), slice(None, None, 2)):
        ours, theirs = (np.tile(each[part], (120, 1)) for each in (probe, rival))
        bar = bar_of(ours, np.zeros(120), groups)
        noise = np.exp(fine[part])
        leads.append(reach(ours, bar, noise=noise).before(reach(theirs, bar, noise=noise)))
    assert leads[0].noise().mean == pytest.approx(leads[1].noise().mean, abs=0.05)
    assert leads[0].step().steps != leads[1].step().steps


def test_pure_noise_has_no_logarithm_to_interpolate_from(groups):
    noise = np.array([np.inf, 2.0, 1.0, 0.5])
    at_once = np.tile([0.9, 0.9, 0.9, 0.9], (120, 1))
    soon = np.tile([0.0, 0.9, 0.9, 0.9], (120, 1))
    late = np.tile([0.0, 0.0, 0.9, 0.9], (120, 1))
    bar = bar_of(at_once, np.zeros(120), groups)
    times = [reach(each, bar, noise=noise) for each in (at_once, soon, late)]
    assert times[0].noise().mean == np.inf
    assert times[1].noise().mean == pytest.approx(np.log(2.0))
    assert times[0].before(times[1]).noise().mean == np.inf
    assert np.isnan(times[0].before(times[0]).noise().mean)
    assert times[2].noise().mean == pytest.approx(0.9 * np.log(1.0) + 0.1 * np.log(2.0), abs=0.01)


def test_a_lead_is_paired(random):
    # Where each image begins varies widely; the lag between its two sources does not.
    starts = random.integers(1, 9, size=40)[:, None]
    at, names = np.arange(STEPS), [str(image) for image in range(40)]
    earlier, later = (at >= starts).astype(float), (at >= starts + 3).astype(float)
    bar = bar_of(earlier, np.zeros(40), names)
    lead = reach(earlier, bar).before(reach(later, bar)).step()
    assert (lead.low, lead.steps, lead.high) == (3, 3, 3)


def test_a_source_that_never_stays_at_the_bar_is_not_timed(random, groups):
    probe = rising(random, 2)
    bar = bar_of(probe, np.zeros(120), groups)
    assert reach(rising(random, 0, top=0.5), bar) is None
    lost = rising(random, 0)
    lost[:, -1] = 0
    assert reach(lost, bar) is None


def test_a_probe_that_ends_below_position_sets_no_bar(random, groups):
    assert np.isnan(bar_of(rising(random, 2, top=0.2), np.full(120, 0.3), groups).score)


def test_a_planted_crossover_comes_back_with_its_interval(random, groups):
    probe = rising(random, 2)
    found = crossover(rising(random, 9, top=0.95), probe, groups)
    assert (found.low, found.steps, found.high) == (9, 9, 9)
    assert crossover(rising(random, 1, top=0.6), probe, groups) is None
    flicker = rising(random, 4, top=0.95)
    flicker[:, 8] = 0
    assert crossover(flicker, probe, groups).steps == 9
    # Ahead by nothing: some resamples never cross, one step after the last.
    close = crossover(probe + 0.02 * random.standard_normal((120, STEPS)) + 0.001, probe, groups)
    assert close is None or close.high >= close.steps


def test_a_crossover_compares_the_images_that_have_both():
    probe = np.array([[0.5, 0.5], [0.9, 0.9]])
    source = np.array([[0.6, 0.6], [np.nan, np.nan]])
    assert crossover(source, probe, ["a", "b"]).steps == 0


SEEN = [0, 1, 2, 4, 7, 10, 14]


def with_gaps(values):
    """Leave out the steps that nobody looked at."""
    found = np.full_like(values, np.nan)
    found[:, SEEN] = values[:, SEEN]
    return found


@pytest.mark.parametrize(("start", "ends"), [(1, (1, 1)), (4, (3, 4)), (6, (5, 7)), (9, (8, 10))])
def test_what_lies_in_a_gap_is_told_by_its_two_ends(random, groups, start, ends):
    probe, rival = rising(random, 0), rising(random, start)
    bar = bar_of(probe, np.zeros(120), groups)
    own = {"noise": NOISE, "seen": SEEN}
    found, whole = reach(with_gaps(rival), bar, **own), reach(rival, bar, noise=NOISE)
    step = found.step()
    assert (step.steps, step.low, step.high) == (ends[1], ends[0], ends[1])
    assert step.earliest == (None if ends[0] == ends[1] else ends[0])
    # What is true lies inside, and no point is claimed where there is a gap.
    assert step.low <= whole.step().steps <= step.high
    noise = found.noise()
    assert noise.low - 0.05 <= whole.noise().mean <= noise.high + 0.05
    assert np.isnan(noise.mean) == (ends[0] != ends[1])
    lead = reach(probe, bar, noise=NOISE).before(found).step()
    assert (lead.low, lead.high) == ends
    assert lead.steps == ends[1]


def test_a_rival_that_never_holds_the_bar_where_it_was_looked_at_never_reaches_it(random, groups):
    bar = bar_of(rising(random, 0), np.zeros(120), groups)
    low = rising(random, 0, top=0.2)
    assert reach(with_gaps(low), bar, seen=SEEN) is None
    dips = rising(random, 0)
    dips[:, 10] = 0  # at the last step but one that was looked at
    assert reach(with_gaps(dips), bar, seen=SEEN).step().steps == 14


def test_a_crossover_in_a_gap_has_the_gap_for_its_interval(random, groups):
    probe, rival = rising(random, 0, top=0.5), rising(random, 6, top=0.9)
    found = crossover(with_gaps(rival), probe, groups, seen=SEEN)
    assert (found.steps, found.low, found.high, found.earliest) == (7, 5, 7, 5)
