"""Every score of every source on every image: one table, from which all summaries are drawn.

A row is one source, property, layer, step, metric and image. Nothing is averaged here and NaN is
kept, so that a summary can count what had no value.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import pandas as pd
from jaxtyping import Float64
from pandas.api.types import union_categoricals

from ..core.errors import MetricError

COLUMNS = ("source", "property", "layer", "step", "metric", "image", "prompt", "split", "value")
"""Columns of `Scores.rows`, in order. Steps count from 0; `prompt` names the text's group."""

LABELS, KNOWN = "labels", "known"
"""Source and metric of the share of a picture's label that is known, where not all of it is."""

_WORDS = ("source", "property", "layer", "metric", "prompt", "split")


class ScoreKey(NamedTuple):
    """What one block of scores is about. `layer` is "" for a source that reads no layer."""

    source: str
    property: str
    layer: str
    metric: str


@dataclass(frozen=True)
class Scores:
    """All scores, one a row, NaN where undefined. Add two to get the rows of both."""

    rows: pd.DataFrame

    def __add__(self, other: "Scores") -> "Scores":
        joined: dict[str, object] = {}
        for column in COLUMNS:
            if column in _WORDS:
                # Categories of one side that the other lacks would turn the column into strings.
                parts = [pd.Categorical(each.rows[column]) for each in (self, other)]
                joined[column] = union_categoricals(parts)
            else:
                parts = [each.rows[column].to_numpy() for each in (self, other)]
                joined[column] = np.concatenate(parts)
        return Scores(pd.DataFrame(joined))


@dataclass(frozen=True)
class Curves:
    """One key's scores over steps, a curve for each image, in the order of image numbers.

    `seen` are the steps that were scored, from 0, where others were not: those are NaN. None where
    all were.
    """

    values: Float64[np.ndarray, "image step"]
    images: tuple[int, ...]
    prompts: tuple[str, ...]
    seen: tuple[int, ...] | None = None


def curves(scores: Scores, split: str) -> dict[ScoreKey, Curves]:
    """Gather one split's rows back into a curve over steps for each key and image.

    A key that has no row of a step which others have was not scored there: its curve has gaps.

    Raises:
        MetricError: if a key has not exactly one score for each of its images at each step.
    """
    rows = scores.rows[scores.rows["split"] == split]
    rows = rows.iloc[np.lexsort((rows["step"].to_numpy(), rows["image"].to_numpy()))]
    found = {}
    image, step = rows["image"].to_numpy(), rows["step"].to_numpy()
    prompt, value = rows["prompt"].astype(object).to_numpy(), rows["value"].to_numpy()
    every = np.unique(step)
    grouped = rows.groupby(list(ScoreKey._fields), observed=True, sort=False).indices
    for words, places in grouped.items():
        key = ScoreKey(*cast(tuple[str, str, str, str], words))
        steps = np.unique(step[places])
        images = image[places][:: len(steps)]
        is_whole = len(places) == len(images) * len(steps) and (
            np.array_equal(image[places], np.repeat(images, len(steps)))
            and np.array_equal(step[places], np.tile(steps, len(images)))
            and len(np.unique(images)) == len(images)
        )
        if not is_whole:
            raise MetricError(
                f"Scores of {'/'.join(key)} do not hold one value for each image at each step: "
                f"{len(places)} rows, {len(np.unique(images))} images, {len(steps)} steps. "
                "Score every image once, at every step."
            )
        values = np.full((len(images), len(every)), np.nan)
        values[:, np.searchsorted(every, steps)] = value[places].reshape(len(images), len(steps))
        found[key] = Curves(
            values,
            tuple(images.tolist()),
            tuple(prompt[places][:: len(steps)].tolist()),
            None if len(steps) == len(every) else tuple(steps.tolist()),
        )
    return found


def best_layer(
    validation: Mapping[ScoreKey, Curves], *, source: str, property: str, metric: str
) -> str:
    """Choose a source's layer: the highest mean over steps and validation images.

    All steps count, not the last alone, for the question is how early a layer can be read. Takes
    curves of the validation split, so that nothing is chosen on the images it is reported on.

    Raises:
        MetricError: if no layer of that source has a value.
    """
    means = {
        key.layer: np.nanmean(found.values)
        for key, found in validation.items()
        if (key.source, key.property, key.metric) == (source, property, metric)
        and not np.isnan(found.values).all()
    }
    if not means:
        raise MetricError(
            f"No validation image has a {metric} of {property} by {source}, so no layer can be "
            "chosen. Score the validation split too."
        )
    return max(means, key=lambda layer: means[layer])
