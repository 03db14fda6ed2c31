"""What the page reads as JSON: the run's summary, its layers, and every test picture's scores."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from ..core.prompts import Prompt
from ..models.layers import Layer
from ..scores.findings import findings, rivalry, title
from ..scores.scores import Curves, ScoreKey
from ..scores.sentences import crossings, gap_words, noise_words, timing
from ..scores.sources import TIMED, as_json, sources_of
from ..scores.verdicts import when

DECIMALS = 4


def page_numbers(
    settings: Mapping[str, Any],
    summary: Mapping[str, Any],
    *,
    layers: Sequence[Layer],
    files: Sequence[str],
    version: str,
) -> dict[str, Any]:
    """Gather what every view needs: small enough to be read before anything is shown.

    Args:
        settings: What run.json holds.
        summary: What summary.json holds.
        layers: In the order in which they run. Without them the page knows their names alone.
        files: What can be downloaded, as paths below `downloads/`.
        version: Of underpaint.
    """
    known = [source for found in summary["properties"].values() for source in found["sources"]]
    sizes = {each.name: {"grid": list(each.grid), "channels": each.channels} for each in layers}
    return {
        "schema": 1,
        "version": version,
        "settings": dict(settings),
        "summary": rounded(_shown(summary)),
        "words": words_of(summary),
        "sources": [as_json(each) for each in sources_of(known).values()],
        "layers": [{"name": name, **sizes.get(name, {})} for name in settings["layers"]],
        "files": list(files),
    }


def _shown(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what no view shows: other metrics, and gains by layer. The download has all."""
    left_out = ("metrics", "layers", "share")
    properties = {
        name: {
            **found,
            "sources": {
                source: {part: value for part, value in each.items() if part not in left_out}
                for source, each in found["sources"].items()
            },
        }
        for name, found in summary["properties"].items()
    }
    return {**summary, "properties": properties}


def words_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Write every sentence about what was found, so that the page decides nothing itself.

    Returns:
        The title, who is first, the findings, how noise compares with signal at each step ("" where
        that is not known), and for each property: when it is read, when each rival reaches the
        bar, if both were timed, which rival ends higher, and which sources have gaps.
    """
    noise = summary.get("noise")
    steps = range(1, summary["steps"] + 1)
    properties = {}
    for name, found in summary["properties"].items():
        leads = (found.get("lead") or {}) if found.get("bar") is not None else {}
        timed = timing(found, noise)
        properties[name] = {
            "timing": f"{timed[0].upper()}{timed[1:]}",
            "leads": {rival: when(lead) for rival, lead in leads.items()},
            "crossings": crossings(found) if found.get("crossover") else "",
            "gaps": gap_words(found),
        }
    return {
        "title": title(summary),
        "rivalry": rivalry(summary),
        "findings": list(findings(summary)),
        "noise": [noise_words(noise, step) for step in steps],
        "properties": properties,
    }


def chosen_layers(summary: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """Name the layer that the summary reports, "" where none is read, by (source, property)."""
    return {
        (source, name): each["layer"] or ""
        for name, found in summary["properties"].items()
        for source, each in found["sources"].items()
    }


def prompt_rows(
    prompts: Sequence[Prompt],
    summary: Mapping[str, Any],
    test: Mapping[ScoreKey, Curves],
    *,
    sources: Sequence[str] = ("probe", *TIMED),
) -> list[dict[str, Any]]:
    """Give each test prompt its headline scores over steps, by property and source.

    Args:
        prompts: Of the test split, in the order in which they were scored.
        test: Its curves.
        sources: Whose scores to keep.
    """
    layers = chosen_layers(summary)
    rows: list[dict[str, Any]] = [
        {"index": each.index, "text": each.text, "seed": each.seed, "scores": {}}
        for each in prompts
    ]
    for name, found in summary["properties"].items():
        for source in sources:
            key = ScoreKey(source, name, layers.get((source, name), ""), found["metric"])
            if key not in test:
                continue
            for row, values in zip(rows, test[key].values, strict=True):
                row["scores"].setdefault(name, {})[source] = plain(values)
    return rows


def score_table(
    prompts: Sequence[Prompt], summary: Mapping[str, Any], test: Mapping[ScoreKey, Curves]
) -> pd.DataFrame:
    """Lay out what the summary averages, a row for each test picture, source and step.

    Steps count from 1, as everywhere that people read them.
    """
    layers = chosen_layers(summary)
    parts = []
    for key, found in test.items():
        if layers.get((key.source, key.property)) != key.layer:
            continue
        images, steps = found.values.shape
        parts.append(
            pd.DataFrame(
                {
                    "property": key.property,
                    "source": key.source,
                    "layer": key.layer,
                    "metric": key.metric,
                    "prompt_index": np.repeat([each.index or 0 for each in prompts], steps),
                    "step": np.tile(np.arange(1, steps + 1), images),
                    "value": found.values.ravel().round(DECIMALS),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def from_worst(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Order places in `rows` from the worst read picture to the best.

    A picture's rank is the mean, over properties, of the rank of the probe's mean over steps. A
    picture without any score ranks last: it is one of the worst to read.
    """
    if not rows:
        return []
    names = sorted({name for row in rows for name in row["scores"]})
    means = pd.DataFrame(
        {name: [_mean(row["scores"].get(name, {}).get("probe")) for row in rows] for name in names},
        index=range(len(rows)),
    )
    ranks = means.rank(na_option="top").mean(axis=1).to_numpy()
    return [int(place) for place in np.argsort(ranks, kind="stable")]


def plain(values: Float64[np.ndarray, "step"]) -> list[float | None]:
    """Write values with few digits, and None for NaN, which JSON has not."""
    return [None if math.isnan(value) else round(float(value), DECIMALS) for value in values]


def rounded(value: Any) -> Any:
    """Round every number in nested lists and mappings."""
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, DECIMALS)
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return value


def _mean(values: Sequence[float | None] | None) -> float:
    known = [each for each in values or () if each is not None]
    return float(np.mean(known)) if known else math.nan
