"""What a handful of prompts can say: means with intervals, and when something begins.

Prompts are resampled, not pixels, nor the seeds of one prompt: images that share a prompt come and
go together. All steps, and both sides of a comparison, see the same resamples, so differences are
paired. Intervals are percentiles of the resampled statistic (Efron & Tibshirani 1993, *An
Introduction to the Bootstrap*, section 13.3). Steps count from 0 here; what people read is from 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from ..core.errors import MetricError

HELD = 0.9
"""Share of its final skill that a source must hold from its onset on."""


@dataclass(frozen=True)
class Interval:
    """A mean over images, the interval it may lie in, and how many images had no value."""

    mean: float
    low: float
    high: float
    undefined: int


@dataclass(frozen=True)
class StepInterval:
    """A step, or a number of steps, and the interval it may lie in."""

    steps: int
    low: int
    high: int


def interval(
    values: Float64[np.ndarray, "image"],
    groups: Sequence[str],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Bootstrap the mean over images by resampling their groups, as `intervals` does."""
    return intervals(values[:, None], groups, level=level, resamples=resamples, seed=seed)[0]


def intervals(
    values: Float64[np.ndarray, "image step"],
    groups: Sequence[str],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> list[Interval]:
    """Bootstrap the mean over images at every step by resampling groups of images.

    NaN is left out of the mean and counted in `undefined`. With no value the mean is NaN; with
    fewer than two groups there is nothing to resample, and the ends are NaN.

    Args:
        values: One score per image and step.
        groups: Which images belong together: the prompt of each.
        level: Share of resamples inside the interval.
        resamples: How many times the groups are drawn anew.
        seed: Fixes the draws.
    """
    means = _means(values, np.ones((1, len(values))))[0]
    spread = _resampled_means(values, groups, resamples, seed)
    undefined = np.isnan(values).sum(axis=0)
    ends = [_ends(spread[:, step], level) for step in range(values.shape[1])]
    return [
        Interval(float(mean), low, high, int(count))
        for mean, (low, high), count in zip(means, ends, undefined, strict=True)
    ]


def ratios(
    parts: Float64[np.ndarray, "image step"],
    wholes: Float64[np.ndarray, "image step"],
    groups: Sequence[str],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> list[Interval]:
    """Bootstrap the mean of one score over the mean of another, on the same resamples.

    Images without either are left out of both. Arguments are those of `intervals`.
    """
    is_known = ~(np.isnan(parts) | np.isnan(wholes))
    both = [np.where(is_known, each, np.nan) for each in (parts, wholes)]
    ones = np.ones((1, len(parts)))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (_means(both[0], ones) / _means(both[1], ones))[0]
        spread = [_resampled_means(each, groups, resamples, seed) for each in both]
        drawn = spread[0] / spread[1]
    undefined = (~is_known).sum(axis=0)
    return [
        Interval(float(value), *_ends(drawn[:, step], level), int(count))
        for step, (value, count) in enumerate(zip(ratio, undefined, strict=True))
    ]


def onset(
    skill: Float64[np.ndarray, "image step"],
    position: Float64[np.ndarray, "image"],
    groups: Sequence[str],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> StepInterval | None:
    """Find the first step from which a source holds 90% of its own final skill above position.

    Skill above position is the mean over images of `skill - position`. From the onset on, at every
    step, it is at least 90% of what it is at the last. A source whose final skill above position
    has an interval that reaches 0 never beats position: it has no onset, and gets None.

    The interval's ends are steps that resamples have as their onset. The few resamples, at most
    `(1 - level)/2` of them, that end at or below position have none and are left out.

    Args:
        skill: A source's score per image and step; higher is better.
        position: What knowing only the pixel's place scores on each image. Zeros for `residual`,
            from which position is taken already.
        groups: The prompt of each image.
        level: As in `intervals`; so are `resamples` and `seed`.
    """
    above = skill - position[:, None]
    last = interval(above[:, -1], groups, level=level, resamples=resamples, seed=seed)
    if not last.low > 0:
        return None
    first = int(_first_held(_means(above, np.ones((1, len(above)))))[0])
    resampled = _first_held(_resampled_means(above, groups, resamples, seed))
    return _step_interval(first, resampled, level)


def lead(
    later: Float64[np.ndarray, "image step"],
    earlier: Float64[np.ndarray, "image step"],
    position: Float64[np.ndarray, "image"],
    groups: Sequence[str],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> StepInterval | None:
    """Count the steps from one source's onset to another's, on the same images and resamples.

    Positive if `earlier` indeed comes first. None if either has no onset.
    """
    both = [
        onset(skill, position, groups, level=level, resamples=resamples, seed=seed)
        for skill in (later, earlier)
    ]
    if both[0] is None or both[1] is None:
        return None
    firsts = [
        _first_held(_resampled_means(skill - position[:, None], groups, resamples, seed))
        for skill in (later, earlier)
    ]
    return _step_interval(both[0].steps - both[1].steps, firsts[0] - firsts[1], level)


def crossover(
    source: Float64[np.ndarray, "image step"], probe: Float64[np.ndarray, "image step"]
) -> int | None:
    """Find the first step from which a source's mean score stays above the probe's, None if never.

    In absolute terms, for sources whose ceilings differ; paired, on the images that have both.
    """
    ahead = _means(source - probe, np.ones((1, len(source)))) > 0
    stays = _from_there_on(ahead)[0]
    return int(stays.argmax()) if stays.any() else None


def resampled(
    values: Float64[np.ndarray, "image step"],
    groups: Sequence[str],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Float64[np.ndarray, "resample step"]:
    """Give the means over images at every step in each resample, where no interval is enough.

    Differences of means that share resamples are paired. Arguments are as in `intervals`.
    """
    return _resampled_means(values, groups, resamples, seed)


def _resampled_means(
    values: Float64[np.ndarray, "image step"], groups: Sequence[str], resamples: int, seed: int
) -> Float64[np.ndarray, "resample step"]:
    if len(groups) != len(values):
        raise MetricError(
            f"{len(values)} images have scores and {len(groups)} have a group. "
            "Give each image the prompt that it was made from."
        )
    names, group_of_image = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        return np.full((resamples, values.shape[1]), np.nan)
    drawn = np.random.default_rng(seed).integers(len(names), size=(resamples, len(names)))
    offsets = np.arange(resamples)[:, None] * len(names)
    times = np.bincount((drawn + offsets).ravel(), minlength=resamples * len(names))
    return _means(values, times.reshape(resamples, -1)[:, group_of_image].astype(np.float64))


def _means(
    values: Float64[np.ndarray, "image step"], weights: Float64[np.ndarray, "resample image"]
) -> Float64[np.ndarray, "resample step"]:
    is_defined = ~np.isnan(values)
    count = weights @ is_defined
    total = weights @ np.where(is_defined, values, 0.0)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _first_held(curves: Float64[np.ndarray, "resample step"]) -> Float64[np.ndarray, "resample"]:
    last = curves[:, -1:]
    first = _from_there_on(curves >= HELD * last).argmax(axis=1)
    return np.where(last[:, 0] > 0, first, np.nan)


def _from_there_on(is_true: np.ndarray) -> np.ndarray:
    return np.logical_and.accumulate(is_true[:, ::-1], axis=1)[:, ::-1]


def _ends(resampled: Float64[np.ndarray, "resample"], level: float) -> tuple[float, float]:
    known = resampled[~np.isnan(resampled)]
    if len(known) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _step_interval(
    steps: int, resampled: Float64[np.ndarray, "resample"], level: float
) -> StepInterval:
    known = resampled[~np.isnan(resampled)]
    low = np.quantile(known, (1 - level) / 2, method="lower")
    high = np.quantile(known, (1 + level) / 2, method="higher")
    return StepInterval(steps, int(low), int(high))
