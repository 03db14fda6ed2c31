"""Two or more finished runs side by side, of any models.

A step's number belongs to a schedule and a layer's name to a network. So scores are laid over the
natural logarithm of the ratio of noise to signal, which means the same to every model, and layers
over their relative depth: 0 is the first that runs, 1 the last. Steps of noise alone have an
infinite ratio; they are in no curve here.

The first run is what the others are held against. Where runs share enough prompts, differences are
of those alone, paired; otherwise of all test images, and prompts that happen to be shared still
come and go together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from ..core.ids import shown_id
from ..core.numbers import or_null
from .intervals import HELD, resampled
from .naming import bar_metric
from .scores import Curves, Scores, curves
from .sides import Side, common_levels, common_properties
from .summaries import of_place

PAIRED_FROM = 20
"""Prompts that runs must share for their difference to be of those alone."""
DRAWS, SHARE = 2000, 0.95
"""Resamples of an interval, and the share of them that lies inside."""


def compare(sides: Sequence[Side], *, seed: int = 0) -> dict[str, Any]:
    """Lay finished runs over noise, depth and source, ready for JSON.

    Under "properties", for each that all runs have: "levels" of noise that all of them met, and for
    each common source what every run scores there, at which noise it holds one bar for all (90% of
    the lowest of their final scores), and how far each run is from the first, with 95% intervals.
    What is undefined is None.

    Args:
        sides: Two runs or more. The first is the one that the others are held against.
        seed: Of the resamples.

    Raises:
        MetricError: if the runs cannot be compared; the message says why.
    """
    names = common_properties(sides)
    levels = common_levels(sides)
    return {
        "runs": [_described(side) for side in sides],
        "properties": {
            name: _property(sides, name, metric, levels, seed) for name, metric in names.items()
        },
    }


def _described(side: Side) -> dict[str, Any]:
    noise = side.noise
    layers = side.settings["layers"]
    return {
        "name": side.name,
        "model": shown_id(str(side.settings["model"])),
        "fingerprint": side.settings["fingerprint"],
        "guidance": side.settings["guidance"],
        "images": side.summary["images"]["test"],
        "layers": len(layers),
        "noise": [or_null(float(each)) for each in noise],
    }


def _property(
    sides: Sequence[Side],
    name: str,
    metric: str,
    levels: Float64[np.ndarray, "level"],
    seed: int,
) -> dict[str, Any]:
    found = [side.summary["properties"][name] for side in sides]
    held = [_test_curves(side, name) for side in sides]
    bars = {bar_metric(each) for each in found}
    skill = bars.pop() if len(bars) == 1 else metric
    sources = [
        source
        for source in found[0]["sources"]
        if all((source, metric) in curves_of for curves_of in held)
    ]
    return {
        "metric": metric,
        "skill": skill,
        "levels": levels.tolist(),
        "sources": {
            source: _source(
                sides,
                [curves_of[source, metric] for curves_of in held],
                [curves_of.get((source, skill)) for curves_of in held],
                [each["sources"][source] for each in found],
                levels,
                seed,
            )
            for source in sources
        },
        "depths": [_depths(side, name, levels) for side in sides],
    }


def _test_curves(side: Side, name: str) -> dict[tuple[str, str], Curves]:
    """Find a property's test curves by source and metric, each source at the layer it was given."""
    chosen = side.summary["properties"][name]["sources"]
    is_test = (side.rows["property"] == name) & (side.rows["split"] == "test")
    rows = side.rows.loc[is_test]
    parts = [
        rows.loc[(rows["source"] == source) & (rows["layer"] == (each["layer"] or ""))]
        for source, each in chosen.items()
    ]
    found = curves(Scores(pd.concat(parts)), "test")
    by_metric = {(key.source, key.metric): each for key, each in found.items()}
    place = by_metric.get(("position", "residual"))
    return by_metric if place is None else {**by_metric, ("position", "residual"): of_place(place)}


def _source(
    sides: Sequence[Side],
    scored: Sequence[Curves],
    skilled: Sequence[Curves | None],
    summaries: Sequence[Mapping[str, Any]],
    levels: Float64[np.ndarray, "level"],
    seed: int,
) -> dict[str, Any]:
    """Give one source of every run: at levels of noise, at the bar, and held against the first."""
    at = [_at_levels(each, side.noise, levels) for each, side in zip(scored, sides, strict=True)]
    known = [each for each in skilled if each is not None]
    ends = [_mean(each)[-1] for each in known]
    bar = HELD * float(min(ends)) if len(known) == len(sides) and min(ends) > 0 else None
    rows, differences = [], []
    for index, side in enumerate(sides):
        alone = resampled(at[index].values, at[index].prompts, resamples=DRAWS, seed=seed)
        layer = summaries[index]["layer"]
        row: dict[str, Any] = {
            "layer": layer,
            "depth": side.depth(layer),
            "by_level": _with_ends(_mean(at[index]), alone),
            "by_step": summaries[index]["by_step"],
            "final": summaries[index]["final"],
            "bar": None,
        }
        if bar is not None:
            row["bar"] = _reached(known[index], side.noise, bar, seed)
        rows.append(row)
        if index:
            some, shared = _paired([at[0], at[index]])
            skills = _paired([known[0], known[index]])[0] if bar is not None else None
            differences.append(
                {
                    "run": index,
                    "prompts": len({p for each in some for p in each.prompts}),
                    "is_paired": shared,
                    "by_level": _difference(some, seed),
                    "earlier": _earlier(skills, [sides[0], side], bar, seed) if skills else None,
                }
            )
    return {"bar": bar, "runs": rows, "differences": differences}


def _at_levels(
    found: Curves, noise: Float64[np.ndarray, "step"], levels: Float64[np.ndarray, "level"]
) -> Curves:
    """Interpolate every image's curve linearly in ln(noise / signal)."""
    values, x = _finite(found.values, noise)
    between = [np.interp(levels, x[::-1], row[::-1]) for row in values]
    return replace(found, values=np.array(between).reshape(len(values), len(levels)))


def _finite(
    values: Float64[np.ndarray, "image step"], noise: Float64[np.ndarray, "step"]
) -> tuple[Float64[np.ndarray, "image kept"], Float64[np.ndarray, "kept"]]:
    """Keep the steps that have a signal, from the noisiest on."""
    kept = np.flatnonzero(np.isfinite(noise))
    kept = kept[np.argsort(-noise[kept], kind="stable")]
    return values[:, kept], noise[kept]


def _paired(sides: Sequence[Curves]) -> tuple[list[Curves], bool]:
    """Keep the prompts that both have, if they are enough to speak for themselves."""
    shared = set(sides[0].prompts) & set(sides[1].prompts)
    if len(shared) < PAIRED_FROM:
        return list(sides), False
    some = []
    for each in sides:
        kept = [place for place, prompt in enumerate(each.prompts) if prompt in shared]
        some.append(
            Curves(
                each.values[kept],
                tuple(each.images[place] for place in kept),
                tuple(each.prompts[place] for place in kept),
                each.seen,
            )
        )
    return some, True


def _resampled_together(
    sides: Sequence[Curves], seed: int
) -> list[Float64[np.ndarray, "resample _"]]:
    """Resample the prompts of several runs at once: one that both have counts alike in both."""
    widths = [each.values.shape[1] for each in sides]
    block = np.full((sum(len(each.values) for each in sides), sum(widths)), np.nan)
    row = column = 0
    for each, width in zip(sides, widths, strict=True):
        block[row : row + len(each.values), column : column + width] = each.values
        row, column = row + len(each.values), column + width
    prompts = [prompt for each in sides for prompt in each.prompts]
    spread = resampled(block, prompts, resamples=DRAWS, seed=seed)
    return np.split(spread, np.cumsum(widths)[:-1], axis=1)


def _difference(sides: Sequence[Curves], seed: int) -> list[dict[str, float | None]]:
    first, second = _resampled_together(sides, seed)
    return _with_ends(_mean(sides[1]) - _mean(sides[0]), second - first)


_UNTOLD: dict[str, float | None] = {"mean": None, "low": None, "high": None}


def _reached(
    found: Curves, noise: Float64[np.ndarray, "step"], bar: float, seed: int
) -> dict[str, float | None]:
    """Give the noise up to which a run holds a score, and at all below it, with its interval.

    None where it was not looked at at every step: between those nobody knows.
    """
    if found.seen is not None:
        return _UNTOLD
    spread = resampled(found.values, found.prompts, resamples=DRAWS, seed=seed)
    return _with_ends(
        _noise_at(_mean(found)[None], noise, bar), _noise_at(spread, noise, bar)[:, None]
    )[0]


def _earlier(
    found: Sequence[Curves], sides: Sequence[Side], bar: float | None, seed: int
) -> dict[str, float | None] | None:
    """Give by how much more noise, in ln, the second run holds the bar."""
    if bar is None:
        return None
    if any(each.seen is not None for each in found):
        return _UNTOLD
    spread = _resampled_together(found, seed)
    means = [_noise_at(_mean(e)[None], s.noise, bar) for e, s in zip(found, sides, strict=True)]
    drawn = [_noise_at(e, s.noise, bar) for e, s in zip(spread, sides, strict=True)]
    return _with_ends(means[1] - means[0], (drawn[1] - drawn[0])[:, None])[0]


def _noise_at(
    curves_of: Float64[np.ndarray, "curve step"], noise: Float64[np.ndarray, "step"], bar: float
) -> Float64[np.ndarray, "curve"]:
    """Find the most noise from which on, towards none, a curve stays at or above the bar.

    NaN where it does not even end there; the first step's noise where it holds the bar throughout.
    """
    values, x = _finite(curves_of, noise)
    stays = np.logical_and.accumulate((values >= bar)[:, ::-1], axis=1)[:, ::-1]
    first = stays.argmax(axis=1)
    each, before = np.arange(len(values)), np.maximum(first - 1, 0)
    rise = values[each, first] - values[each, before]
    share = np.divide(bar - values[each, before], rise, out=np.ones_like(rise), where=rise > 0)
    met = x[before] + share * (x[first] - x[before])
    return np.where(stays.any(axis=1), np.where(first == 0, x[0], met), np.nan)


def _depths(side: Side, name: str, levels: Float64[np.ndarray, "level"]) -> list[dict[str, Any]]:
    """Give what the probe reads at every layer, at each level of noise: means over test images."""
    found = side.summary["properties"][name]["layers"]
    rows = []
    for layer in side.settings["layers"]:
        if layer not in found:
            continue
        means = [np.nan if m["mean"] is None else m["mean"] for m in found[layer]["by_step"]]
        curve = Curves(np.array([means], dtype=np.float64), (0,), ("",))
        values = _at_levels(curve, side.noise, levels).values[0]
        rows.append(
            {"layer": layer, "depth": side.depth(layer), "by_level": _known(values.tolist())}
        )
    return rows


def _mean(found: Curves) -> Float64[np.ndarray, "step"]:
    counts = (~np.isnan(found.values)).sum(axis=0)
    total = np.nansum(found.values, axis=0)
    return np.divide(total, counts, out=np.full_like(total, np.nan), where=counts > 0)


def _with_ends(
    means: Float64[np.ndarray, "place"], spread: Float64[np.ndarray, "resample place"]
) -> list[dict[str, float | None]]:
    rows = []
    for mean, drawn in zip(means.tolist(), spread.T, strict=True):
        known = drawn[~np.isnan(drawn)]
        tails = [(1 - SHARE) / 2, (1 + SHARE) / 2]
        low, high = np.quantile(known, tails).tolist() if len(known) else (np.nan, np.nan)
        rows.append(dict(zip(("mean", "low", "high"), _known([mean, low, high]), strict=True)))
    return rows


def _known(values: Sequence[float]) -> list[float | None]:
    return [or_null(float(each)) for each in values]
