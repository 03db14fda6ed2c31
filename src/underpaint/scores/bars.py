"""One bar for all: the step, and the noise, at which each source reaches the same score.

Sources end at different heights: a labeler that made the labels ends at 1, a probe below. If each
were timed at 90% of its own end, the rival's bar would be the higher one. So there is one bar, 90%
of the way from `position` to where the probe ends, and every source is timed at that score.

A step's number belongs to a schedule; the logarithm of the noise-to-signal ratio does not. It is
interpolated along the mean curve, between the last step below the bar and the first at it.

Everything is worked out for the mean over images and again for every resample, the bar included.
Where a resample does not reach the bar, it counts as one step after the last, at the last noise.

A source that was not looked at at every step reaches the bar between two steps that it was looked
at: nothing is interpolated over a gap. The first step that it may have been stands beside the one
at which it was seen there, intervals hold both, and of the noise there are the ends alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from .intervals import (
    HELD,
    Interval,
    StepInterval,
    after_gap,
    resampled,
    stays,
    step_interval,
    tails,
    widened,
)

Draws = Float64[np.ndarray, "draw"]
"""The value of the mean over images, and then of each resample."""


@dataclass(frozen=True)
class Bar:
    """The score that all sources are timed at; NaN in resamples whose probe ends below position."""

    draws: Draws
    groups: Sequence[str]
    resamples: int
    seed: int

    @property
    def score(self) -> float:
        """The bar of the mean over all images."""
        return float(self.draws[0])


@dataclass(frozen=True)
class Reached:
    """When a source reaches a bar: the step from 0, and ln(noise / signal) where it is known.

    `earliest` and `noisiest` are the other ends where there was a gap before it.
    """

    steps: Draws
    log_noise: Draws | None
    prompts: int
    earliest: Draws | None = None
    noisiest: Draws | None = None

    def step(self, level: float = 0.95) -> StepInterval:
        """Give the step, with its interval."""
        latest = step_interval(int(self.steps[0]), self.steps[1:], level, self.prompts)
        if self.earliest is None:
            return latest
        first = step_interval(int(self.earliest[0]), self.earliest[1:], level, self.prompts)
        is_told = first.steps == latest.steps
        return StepInterval(latest.steps, first.low, latest.high, None if is_told else first.steps)

    def noise(self, level: float = 0.95) -> Interval | None:
        """Give ln(noise / signal), with its interval; NaN in a gap, which the interval holds."""
        if self.log_noise is None:
            return None
        least = _between(self.log_noise, self.prompts, level)
        if self.noisiest is None:
            return least
        most = _between(self.noisiest, self.prompts, level)
        mean = least.mean if least.mean == most.mean else float("nan")
        return Interval(mean, least.low, most.high, least.undefined)

    def before(self, other: "Reached") -> "Reached":
        """Say by how many steps, and by how much more noise, this one comes first."""
        latest, earliest = self.steps, self.steps if self.earliest is None else self.earliest
        noise, noisiest = None, None
        if self.log_noise is not None and other.log_noise is not None:
            most = self.log_noise if self.noisiest is None else self.noisiest
            theirs = other.log_noise if other.noisiest is None else other.noisiest
            with np.errstate(invalid="ignore"):  # both in pure noise: nothing to tell
                noise, noisiest = self.log_noise - theirs, most - other.log_noise
        if self.earliest is None and other.earliest is None:
            return Reached(other.steps - self.steps, noise, self.prompts)
        first = other.steps if other.earliest is None else other.earliest
        return Reached(other.steps - earliest, noise, self.prompts, first - latest, noisiest)


def bar_of(
    probe: Float64[np.ndarray, "image step"],
    position: Float64[np.ndarray, "image"],
    groups: Sequence[str],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Bar:
    """Set the bar at `position + 0.9 (probe at the last step - position)`, means over images.

    Args:
        probe: Its score per image and step, on the scale that onsets are read from.
        position: What knowing only the place scores on each image; zeros for `residual`.
        groups: The prompt of each image.
        resamples: As in `intervals`; so is `seed`.
    """
    both = np.stack([position, probe[:, -1]], axis=1)
    low, end = _draws(both, groups, resamples, seed).T
    return Bar(np.where(end > low, low + HELD * (end - low), np.nan), groups, resamples, seed)


def reach(
    values: Float64[np.ndarray, "image step"],
    bar: Bar,
    *,
    noise: Float64[np.ndarray, "step"] | None = None,
    seen: Sequence[int] | None = None,
) -> Reached | None:
    """Find the first step from which a source's mean score stays at or above the bar.

    Args:
        values: The source's score per image and step, on the bar's scale.
        bar: As `bar_of` set it.
        noise: Noise-to-signal ratio of each step, infinite where there is no signal yet. Next to
            such a step nothing can be interpolated: the first finite one is taken.
        seen: The steps that were looked at, the last among them, where not all were.

    Returns:
        None if the mean over all images never stays there.
    """
    if seen is not None:
        return _reach_over_gaps(values, bar, noise, list(seen))
    found = _draws(values, bar.groups, bar.resamples, bar.seed)
    is_there = stays(found >= bar.draws[:, None])
    never = np.logical_not(is_there.any(axis=1))
    if never[0]:
        return None
    first = is_there.argmax(axis=1)
    unknown = np.isnan(bar.draws)
    steps = np.where(never, values.shape[1], first).astype(np.float64)
    level = None
    if noise is not None:
        there = _noise_at(found, bar.draws, first, np.log(noise))
        level = np.where(unknown, np.nan, np.where(never, np.log(noise[-1]), there))
    return Reached(np.where(unknown, np.nan, steps), level, len(set(bar.groups)))


def _reach_over_gaps(
    values: Float64[np.ndarray, "image step"],
    bar: Bar,
    noise: Float64[np.ndarray, "step"] | None,
    seen: list[int],
) -> Reached | None:
    """Time a source by the steps that were looked at, and keep what lies in gaps as two ends."""
    found = reach(values[:, seen], bar, noise=None if noise is None else noise[seen])
    if found is None:
        return None
    latest, earliest = after_gap(seen, values.shape[1])
    unknown = np.isnan(found.steps)
    place = np.where(unknown, 0, found.steps).astype(int)
    steps, first = (np.where(unknown, np.nan, ends[place]) for ends in (latest, earliest))
    if noise is None or found.log_noise is None:
        return Reached(steps, None, found.prompts, first)
    level = np.log([*noise, noise[-1]])
    before = np.maximum(np.array([0, *seen])[place], 0)  # the step looked at before, or the first
    is_told = first == steps
    least = np.where(is_told, found.log_noise, level[latest[place]])
    most = np.where(is_told, found.log_noise, level[before])
    least, most = (np.where(unknown, np.nan, each) for each in (least, most))
    return Reached(steps, least, found.prompts, first, most)


def crossover(
    source: Float64[np.ndarray, "image step"],
    probe: Float64[np.ndarray, "image step"],
    groups: Sequence[str],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    seen: Sequence[int] | None = None,
) -> StepInterval | None:
    """Find the first step from which a source's mean score stays above the probe's, None if never.

    Paired, on the images that have both. In resamples without one it is one step after the last.
    Where the source was looked at only at the steps `seen`, it is the first of those.
    """
    if seen is not None:
        own = {"level": level, "resamples": resamples, "seed": seed}
        at = list(seen)
        few = crossover(source[:, at], probe[:, at], groups, **own)
        return None if few is None else widened(few, at, source.shape[1])
    found = _draws(source - probe, groups, resamples, seed)
    ahead = stays(found > 0)
    if not ahead[0].any():
        return None
    never = ~ahead.any(axis=1)
    first = np.where(never, source.shape[1], ahead.argmax(axis=1)).astype(np.float64)
    return step_interval(int(first[0]), first[1:], level, len(set(groups)))


def _between(draws: Draws, prompts: int, level: float) -> Interval:
    known = draws[1:][~np.isnan(draws[1:])]
    low, high = float("nan"), float("nan")
    if len(known):
        # Values of resamples themselves: between a number and infinity there is nothing.
        ends = zip(tails(level, prompts), ("lower", "higher"), strict=True)
        low, high = (float(np.quantile(known, share, method=method)) for share, method in ends)
    return Interval(float(draws[0]), low, high, int(np.isnan(draws[1:]).sum()))


def _draws(
    values: Float64[np.ndarray, "image step"], groups: Sequence[str], resamples: int, seed: int
) -> Float64[np.ndarray, "draw step"]:
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    mean = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    drawn = resampled(values, groups, resamples=resamples, seed=seed)
    return np.concatenate([mean[None], drawn])


def _noise_at(
    curves: Float64[np.ndarray, "draw step"],
    bar: Draws,
    first: np.ndarray,
    noise: Float64[np.ndarray, "step"],
) -> Draws:
    """Interpolate ln(noise / signal) where each curve meets its bar, before its first step there.

    A curve that is there from the first step on may have been there under more noise: it is given
    that step's.
    """
    each, before = np.arange(len(curves)), np.maximum(first - 1, 0)
    rise = curves[each, first] - curves[each, before]
    missing = bar - curves[each, before]
    share = np.divide(missing, rise, out=np.ones_like(rise), where=rise > 0)
    start = np.where(np.isfinite(noise[before]), noise[before], noise[first])
    with np.errstate(invalid="ignore"):
        met = start + share * (noise[first] - start)
    return np.where(first == 0, noise[first], met)
