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
from ..core.properties import Property
from .intervals import Interval, StepInterval, crossover, intervals, lead, onset, ratios
from .scores import KNOWN, LABELS, Curves, ScoreKey, Scores, best_layer, curves
from .sources import SOURCES, TIMED, in_order

_GAINS = tuple(each.name for each in SOURCES if each.is_gain)


def summarise(
    scores: Scores,
    properties: Sequence[Property],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, dict]:
    """Give the `properties` part of `underpaint show --json`, ready for JSON.

    Steps are numbered from 1. What is undefined is None: a mean of no values, an onset that never
    comes, a crossover that never happens.

    Args:
        scores: Rows of the validation and the test split. `probe` and `position` must be there.
        properties: What to report, in order; the first metric of each is its headline.
        level: Of the intervals, which resample prompts.
        resamples: How many.
        seed: Of the resamples.

    Raises:
        MetricError: if a source that is needed has no scores, or sources differ in images.
    """
    test, validation = curves(scores, "test"), curves(scores, "validation")
    draws = {"level": level, "resamples": resamples, "seed": seed}
    return {each.name: _property(each, test, validation, draws) for each in properties}


def _property(
    property: Property,
    test: Mapping[ScoreKey, Curves],
    validation: Mapping[ScoreKey, Curves],
    draws: dict,
) -> dict:
    headline = property.metrics[0]
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
    skill, position = _skills(property, found)
    prompts = found["probe", headline].prompts
    timed = {
        source: onset(each, position, prompts, **draws)
        for source, each in skill.items()
        if source not in _GAINS
    }
    known = test.get(ScoreKey(LABELS, property.name, "", KNOWN))
    return {
        "metric": headline,
        **({} if known is None else {"known": float(known.values.mean())}),
        "best_layer": layers["probe"],
        "sources": {
            source: {
                "layer": layer or None,
                **_curve(found[source, headline], draws),
                "onset": _from_one(timed[source]) if source in timed else None,
                "metrics": {
                    metric: _curve(found[source, metric], draws)
                    for metric in property.metrics
                    if (source, metric) in found
                },
                **_shares(source, property, test, found, draws),
            }
            for source in in_order(layers)
            for layer in [layers[source]]
        },
        "gain": _gain(found, headline, draws),
        "halves": _halves(property, test, layers["probe"], draws),
        "lead": _lead(skill, position, prompts, draws),
        "crossover": {
            rival: None if step is None else step + 1
            for rival in TIMED
            if rival in layers
            for step in [crossover(found[rival, headline].values, found["probe", headline].values)]
        },
        "layers": {
            key.layer: {"by_step": _curve(each, draws)["by_step"]}
            for key, each in test.items()
            if (key.source, key.property, key.metric) == ("probe", property.name, headline)
        },
    }


def _layers_by_source(
    property: Property, test: Mapping[ScoreKey, Curves], validation: Mapping[ScoreKey, Curves]
) -> dict[str, str]:
    headline = property.metrics[0]
    choices: dict[str, list[str]] = {}
    for key in test:
        if (key.property, key.metric) == (property.name, headline):
            choices.setdefault(key.source, []).append(key.layer)
    layers = {
        source: names[0]
        if len(names) == 1
        else best_layer(validation, source=source, property=property.name, metric=headline)
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


def _skills(
    property: Property, found: Mapping[tuple[str, str], Curves]
) -> tuple[dict[str, Float64[np.ndarray, "image step"]], Float64[np.ndarray, "image"]]:
    """Give every source's skill, and what position alone scores on that scale."""
    metric = "residual" if "residual" in property.metrics else property.metrics[0]
    skill = {source: each.values for (source, name), each in found.items() if name == metric}
    if metric == "residual":  # position is taken out of it already
        return skill, np.zeros(len(found["probe", property.metrics[0]].images))
    return skill, skill["position"][:, -1]


def _lead(
    skill: Mapping[str, Float64[np.ndarray, "image step"]],
    position: Float64[np.ndarray, "image"],
    prompts: Sequence[str],
    draws: dict,
) -> dict | None:
    if "image" not in skill or "probe" not in skill:
        return None
    steps = lead(skill["image"], skill["probe"], position, prompts, **draws)
    return None if steps is None else {"steps": steps.steps, "low": steps.low, "high": steps.high}


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
        test.get(ScoreKey(source, property.name, layer, property.metrics[0]))
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
    metric = property.metrics[0]
    known = found.get(("estimate linear", metric))
    if source not in _GAINS or known is None or metric == "rmse":
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


def _from_one(step: StepInterval | None) -> dict | None:
    if step is None:
        return None
    return {"step": step.steps + 1, "low": step.low + 1, "high": step.high + 1}


def _curve(found: Curves, draws: dict) -> dict:
    by_step = [for_json(each) for each in intervals(found.values, found.prompts, **draws)]
    return {"by_step": by_step, "final": by_step[-1]}


def for_json(found: Interval) -> dict:
    """Write an interval as JSON has it: None for what is NaN, and how many were undefined."""
    ends = {"mean": found.mean, "low": found.low, "high": found.high}
    # JSON has no NaN.
    known = {name: None if math.isnan(value) else value for name, value in ends.items()}
    return {**known, "undefined": found.undefined}
