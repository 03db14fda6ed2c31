"""Scores of recognition: how often each source names the true class, and from which step on."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64
from torch import Tensor

from ..core.prompts import Prompt
from .intervals import intervals, onset, share_intervals
from .scores import Scores, best_layer, curves
from .summaries import for_json, from_one

CLASS = "class"
"""What stands for the property in scores of recognition."""
LIKELIEST = 6
"""So many classes of each picture are kept with their probabilities."""


def likeliest(
    classes: Sequence[str],
    prompts: Sequence[Prompt],
    numbers: Sequence[int],
    seen: Mapping[str, Float[Tensor, "step image class"]],
    *,
    steps: Sequence[int] | None = None,
    count: int = LIKELIEST,
) -> pd.DataFrame:
    """Lay out the classes that each picture was most taken for, by mean probability over steps.

    `steps` are those that were looked at, from 0, where not every step was.

    Returns:
        A row for each source, picture, step (from 0) and class. `image` is the number in `Scores`;
        classes beyond `count` are left out, so what is there sums to 1 or less.
    """
    parts = []
    for source, each in seen.items():
        for place, (prompt, number) in enumerate(zip(prompts, numbers, strict=True)):
            found = each[:, place].double().cpu()
            order = found.mean(dim=0).argsort(descending=True, stable=True)[:count]
            parts.append(
                pd.DataFrame(
                    {
                        "source": source,
                        "prompt_index": prompt.index or 0,
                        "image": number,
                        "step": np.repeat(
                            range(len(found)) if steps is None else steps, len(order)
                        ),
                        "class": [classes[one] for one in order.tolist()] * len(found),
                        "probability": found[:, order].numpy().ravel(),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def summarise_classes(
    scores: Scores, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> dict[str, dict]:
    """Give each source's curves over steps with intervals over prompts, ready for JSON.

    Layers are chosen on validation pictures, everything reported is of test pictures. `stays` is
    the step, from 1, from which the true class is top-1 and stays it: its mean and median over the
    pictures where it is top-1 at the end, the others counted in `undefined`. `onset` is the first
    step from which top-1 holds 90% of its final height above chance.
    """
    draws = {"level": level, "resamples": resamples, "seed": seed}
    test, validation = curves(scores, "test"), curves(scores, "validation")
    found: dict[str, dict] = {}
    for source in dict.fromkeys(key.source for key in test):
        layers = {key.layer for key in test if key.source == source}
        layer = (
            best_layer(validation, source=source, property=CLASS, metric="top1")
            if len(layers) > 1
            else min(layers)
        )
        own = {key.metric: each for key, each in test.items() if key[:3] == (source, CLASS, layer)}
        top1, prompts = own["top1"].values, own["top1"].prompts
        first = onset(top1, own["chance"].values[:, -1], prompts, seen=own["top1"].seen, **draws)
        begins = _stays(top1, own["top1"].seen or range(top1.shape[1]))
        known = begins[~np.isnan(begins)]
        by_step = [for_json(each) for each in share_intervals(top1, prompts, **draws)]
        found[source] = {
            "layer": layer or None,
            "by_step": by_step,
            "final": by_step[-1],
            "onset": from_one(first),
            "stays": {
                **for_json(intervals(begins[:, None], prompts, **draws)[0]),
                "median": float(np.median(known)) if len(known) else None,
            },
            "chance": for_json(share_intervals(own["chance"].values[:, -1:], prompts, **draws)[0]),
            "metrics": {
                metric: {
                    "by_step": [for_json(x) for x in share_intervals(c.values, c.prompts, **draws)]
                }
                for metric, c in own.items()
                if metric != "chance"
            },
        }
    return found


def _stays(
    top1: Float64[np.ndarray, "image step"], seen: Sequence[int]
) -> Float64[np.ndarray, "image"]:
    """Find the step, from 1, from which each picture's true class is top-1 to the end.

    Of steps that were looked at: where others were not, it may be earlier.
    """
    hits = top1[:, list(seen)] > 0
    held = np.logical_and.accumulate(hits[:, ::-1], axis=1)[:, ::-1]
    return np.where(held[:, -1], np.asarray(seen)[held.argmax(axis=1)] + 1.0, np.nan)
