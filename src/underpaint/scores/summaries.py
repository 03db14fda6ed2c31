"""Scores drawn together: what can be read, how well, where and from which step on.

Everything reported is of test images; layers are chosen on validation images alone. Every source
that reads layers is given its own best one, so that a rival is met at its best; only `ceiling` is
read at the probe's, for it says what that layer's resolution allows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from ..core.errors import MetricError
from ..core.numbers import or_null
from ..core.properties import Property
from .bars import Bar, Reached, bar_of, crossover, reach
from .intervals import Interval, StepInterval, intervals, onset, ratios
from .scores import KNOWN, LABELS, Curves, ScoreKey, Scores, best_layer, curves
from .sources import TIMED, in_order, is_gain


def summarise(
    scores: Scores,
    properties: Sequence[Property],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    noise: Sequence[float | None] | None = None,
) -> dict[str, dict]:
    """Give the `properties` part of `underpaint show --json`, ready for JSON.

    Steps are numbered from 1. What is undefined is None: a mean of no values, an onset that never
    comes, a crossover that never happens.

    Args:
        scores: Rows of the validation and the test split. `probe` and `position` must be there.
        properties: What to report, in order, each in its `skill_metric`.
        level: Of the intervals, which resample prompts.
        resamples: How many.
        seed: Of the resamples.
        noise: Each step's ratio of noise to signal, None for noise alone. None where no step's is
            known: times are then in steps alone.

    Raises:
        MetricError: if a source that is needed has no scores, or sources differ in images.
    """
    test, validation = curves(scores, "test"), curves(scores, "validation")
    draws = {"level": level, "resamples": resamples, "seed": seed}
    levels = (
        None if noise is None else np.array([math.inf if r is None else float(r) for r in noise])
    )
    return {each.name: _property(each, test, validation, draws, levels) for each in properties}


def _property(
    property: Property,
    test: Mapping[ScoreKey, Curves],
    validation: Mapping[ScoreKey, Curves],
    draws: dict,
    noise: Float64[np.ndarray, "step"] | None,
) -> dict:
    headline = skill_metric(property)
    layers = _layers_by_source(property, test, validation)
    if missing := {"probe", "position"} - set(layers):
        raise MetricError(
            f"No test scores of {property.name} by {sorted(missing)[0]}. "
            "Score both the probe and position, which onsets are measured from."
        )
    found = {
        (source, metric): test[key]
        for source, layer in layers.items()
        for metric in property.metrics
        if (key := ScoreKey(source, property.name, layer, metric)) in test
    }
    _check_paired(property, found)
    if headline == "residual":  # what is left without the place is nothing for the place alone
        found["position", headline] = of_place(found["position", headline])
    skill = {source: each.values for (source, name), each in found.items() if name == headline}
    position = skill["position"][:, -1]
    prompts = found["probe", headline].prompts
    control = skill.get("shuffled")
    seen = {source: each.seen for (source, _), each in found.items()}
    timed = {
        source: onset(each, position, prompts, control=control, seen=seen[source], **draws)
        for source, each in skill.items()
        if not is_gain(source)
    }
    bar, reached = _reached(skill, position, prompts, draws, noise, seen)
    if timed["probe"] is None:  # without an effect there is nothing to be early or late for
        bar, reached = None, {}
    level = draws["level"]
    known = test.get(ScoreKey(LABELS, property.name, "", KNOWN))
    return {
        "metric": headline,
        **({} if known is None else {"known": float(known.values.mean())}),
        "best_layer": layers["probe"],
        "bar": None if bar is None else bar.score,
        "sources": {
            source: {
                "layer": layers[source] or None,
                **_seen(found[source, headline]),
                **_curve(found[source, headline], draws),
                "onset": from_one(timed.get(source)),
                "reached": _reached_for_json(reached.get(source), level),
                "metrics": {
                    metric: _curve(found[source, metric], draws)
                    for metric in property.metrics
                    if (source, metric) in found
                },
                **_shares(source, property, test, found, draws),
            }
            for source in in_order(layers)
        },
        "gain": _gain(found, headline, draws),
        "halves": _halves(property, test, layers["probe"], draws),
        "lead": {
            rival: _lead(reached.get("probe"), reached.get(rival), level)
            for rival in TIMED
            if rival in layers
        },
        "crossover": {
            rival: _crossover(found, rival, headline, draws) for rival in TIMED if rival in layers
        },
        "layers": {
            key.layer: {"by_step": _curve(each, draws)["by_step"]}
            for key, each in test.items()
            if (key.source, key.property, key.metric) == ("probe", property.name, headline)
        },
    }


def _best_layer(validation: Mapping[ScoreKey, Curves], property: Property, source: str) -> str:
    """Choose by what is told of the property; by its first metric where no layer has a value."""
    known = {
        key.metric
        for key, each in validation.items()
        if (key.source, key.property) == (source, property.name) and not np.isnan(each.values).all()
    }
    asked = skill_metric(property)
    metric = asked if asked in known else property.metrics[0]
    return best_layer(validation, source=source, property=property.name, metric=metric)


def _layers_by_source(
    property: Property, test: Mapping[ScoreKey, Curves], validation: Mapping[ScoreKey, Curves]
) -> dict[str, str]:
    choices: dict[str, list[str]] = {}
    for key in test:
        if (key.property, key.metric) == (property.name, property.metrics[0]):
            choices.setdefault(key.source, []).append(key.layer)
    layers = {
        source: names[0] if len(names) == 1 else _best_layer(validation, property, source)
        for source, names in choices.items()
    }
    if "probe" in layers and layers["probe"] in choices.get("ceiling", []):
        layers["ceiling"] = layers["probe"]
    return layers


def _check_paired(property: Property, found: Mapping[tuple[str, str], Curves]) -> None:
    expected = found["probe", property.metrics[0]]
    for (source, metric), each in found.items():
        if each.images != expected.images or each.values.shape != expected.values.shape:
            raise MetricError(
                f"{metric.capitalize()} of {property.name} by {source} covers "
                f"{each.values.shape} images and steps, the probe {expected.values.shape}, or "
                "other images. Score all sources on the same ones."
            )


def skill_metric(property: Property) -> str:
    """Name the measure that a summary's numbers are in, and layers are chosen by.

    It is the property's first, but for maps what is left of it without the place, `residual`: a
    floor that rises in every picture gives the place alone a rank correlation of 0.75 with depth.
    """
    return "residual" if "residual" in property.metrics else property.metrics[0]


def of_place(found: Curves) -> Curves:
    """Give what the place alone scores where the place is taken out: nothing."""
    return replace(found, values=np.zeros_like(found.values))


def _reached(
    skill: Mapping[str, Float64[np.ndarray, "image step"]],
    position: Float64[np.ndarray, "image"],
    prompts: Sequence[str],
    draws: dict,
    noise: Float64[np.ndarray, "step"] | None,
    seen: Mapping[str, Sequence[int] | None],
) -> tuple[Bar | None, dict[str, Reached]]:
    """Set the bar by the probe, and time every source at it."""
    resampling = {name: draws[name] for name in ("resamples", "seed")}
    bar = bar_of(skill["probe"], position, prompts, **resampling)
    if math.isnan(bar.score):
        return None, {}
    times = {
        source: reach(each, bar, noise=noise, seen=seen[source])
        for source, each in skill.items()
        if not is_gain(source)
    }
    return bar, {source: each for source, each in times.items() if each is not None}


def _lead(probe: Reached | None, rival: Reached | None, level: float) -> dict | None:
    """Say by how much the probe reaches the bar before a rival; negative if after it.

    Where the rival was not looked at at every step, it is the least that the lead may be; `most`
    is what it is if the rival is no earlier than it was seen.
    """
    if probe is None or rival is None:
        return None
    lead = probe.before(rival)
    steps = lead.step(level)
    return {
        "steps": steps.steps if steps.earliest is None else steps.earliest,
        **({} if steps.earliest is None else {"most": steps.steps}),
        "low": steps.low,
        "high": steps.high,
        "log_noise": _noise_for_json(lead, level),
    }


def _crossover(
    found: Mapping[tuple[str, str], Curves], rival: str, metric: str, draws: dict
) -> dict | None:
    """Say from which step on a rival beats the better probe."""
    better = found.get(("probe+position", metric), found["probe", metric])
    own = found[rival, metric]
    step = crossover(own.values, better.values, better.prompts, seen=own.seen, **draws)
    return from_one(step)


def _gain(found: Mapping[tuple[str, str], Curves], metric: str, draws: dict) -> dict | None:
    """Say what the activation adds to the place: `probe+position` less `position`, paired."""
    beside = found.get(("probe+position", metric))
    if beside is None:
        return None
    place = found["position", metric]
    return _curve(replace(beside, values=beside.values - place.values), draws)


def _halves(
    property: Property, test: Mapping[ScoreKey, Curves], layer: str, draws: dict
) -> dict | None:
    """Say what the words add: `probe` less `unconditional`, paired, both at the probe's layer."""
    both = [
        test.get(ScoreKey(source, property.name, layer, skill_metric(property)))
        for source in ("probe", "unconditional")
    ]
    if both[0] is None or both[1] is None:
        return None
    less = replace(both[0], values=both[0].values - both[1].values)
    return {"layer": layer, **_curve(less, draws)}


def _shares(
    source: str,
    property: Property,
    test: Mapping[ScoreKey, Curves],
    found: Mapping[tuple[str, str], Curves],
    draws: dict,
) -> dict:
    """Say of a gain which share of the error that was left it removes, and what each layer gains.

    The error that is left is what the reader of x̂₀ lacks to 1, over all test pictures together.
    """
    metric = skill_metric(property)
    known = found.get(("estimate linear", metric))
    if not is_gain(source) or known is None or metric == "rmse" or source == "beyond shuffled":
        return {}
    gain, left = found[source, metric].values, 1 - known.values
    shares = ratios(gain, left, known.prompts, **draws)
    return {
        "share": {"by_step": [for_json(each) for each in shares], "final": for_json(shares[-1])},
        "layers": {
            key.layer: {"by_step": _curve(each, draws)["by_step"]}
            for key, each in test.items()
            if (key.source, key.property, key.metric) == (source, property.name, metric)
        },
    }


def _seen(found: Curves) -> dict:
    """List the steps that a source was looked at, from 1, where not all were."""
    return {} if found.seen is None else {"seen": [step + 1 for step in found.seen]}


def from_one(step: StepInterval | None) -> dict | None:
    """Write a step and its interval, counted from 1."""
    if step is None:
        return None
    told = {"step": step.steps + 1, "low": step.low + 1, "high": step.high + 1}
    return told if step.earliest is None else {**told, "earliest": step.earliest + 1}


def _reached_for_json(reached: Reached | None, level: float) -> dict | None:
    if reached is None:
        return None
    return {**(from_one(reached.step(level)) or {}), "log_noise": _noise_for_json(reached, level)}


def _noise_for_json(found: Reached, level: float) -> dict | None:
    """Write ln(noise / signal), None where it is infinite; None where no step's noise is known."""
    noise = found.noise(level)
    if noise is None:
        return None
    ends = {"value": noise.mean, "low": noise.low, "high": noise.high}
    return {name: value if math.isfinite(value) else None for name, value in ends.items()}


def _curve(found: Curves, draws: dict) -> dict:
    by_step = [for_json(each) for each in intervals(found.values, found.prompts, **draws)]
    return {"by_step": by_step, "final": by_step[-1]}


def for_json(found: Interval) -> dict:
    """Write an interval as JSON has it: None for what is NaN, and how many were undefined."""
    ends = {"mean": found.mean, "low": found.low, "high": found.high}
    known = {name: or_null(value) for name, value in ends.items()}
    return {**known, "undefined": found.undefined}
