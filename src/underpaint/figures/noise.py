"""Scores over noise: one property's main sources where the picture is as noisy for all.

A step's number belongs to a schedule; the ratio of noise to signal does not. The dotted line is the
one bar that every source must reach.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64
from matplotlib.figure import Figure

from ..core.numbers import number
from ..scores.naming import bar_metric, metric_name
from ..scores.sources import SOURCES
from .style import paints_of, styled

ALSO = ("joint", "trained", "trained noisy", "unconditional")
"""Drawn beside the sources of the headline."""


@styled()
def draw_noise(
    name: str, found: Mapping[str, Any], noise: Sequence[float | None] | None
) -> Figure | None:
    """Draw one property's scores against the ratio of noise to signal, much noise on the left.

    Args:
        name: Of the property.
        found: What the summary says of it.
        noise: Ratio of noise to signal at each step; None for noise alone, which has no place on
            the axis and is left out.

    Returns:
        The figure; None where no step's ratio is known.
    """
    ratios = np.array([number(each) for each in noise or []])
    is_known = np.isfinite(ratios) & (ratios > 0)
    if not is_known.any():
        return None
    metric, sources = bar_metric(found), found["sources"]
    shown = [x.name for x in SOURCES if (x.is_headline or x.name in ALSO) and x.name in sources]
    labels = {each.name: each.label or each.name for each in SOURCES}
    figure = Figure(figsize=(4.6, 2.7))
    axis = figure.add_axes((0.1, 0.15, 0.64, 0.72))
    for source, paint in paints_of(shown).items():
        if metric not in sources[source]["metrics"]:
            continue
        mean, low, high = _curve(sources[source]["metrics"][metric])[:, is_known]
        if np.isnan(mean).all():  # as position has no residual: there is no line to name
            continue
        axis.fill_between(ratios[is_known], low, high, color=paint["color"], alpha=0.1, linewidth=0)
        # Dots show a step whose neighbours have no value.
        dot = {"marker": "o", "markersize": paint["linewidth"] + 0.3}
        axis.plot(ratios[is_known], mean, **paint, **dot, label=labels[source])
    if found.get("bar") is not None:
        axis.axhline(found["bar"], color="#888888", linewidth=0.7, linestyle=":")
        axis.text(ratios[is_known].max(), found["bar"], " the one bar", fontsize=6, va="bottom")
    axis.set_xscale("log")
    axis.invert_xaxis()
    axis.set_xlabel("noise : signal (log scale, the generation runs to the right)")
    axis.set_ylabel(metric_name(metric))
    axis.legend(fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    figure.text(0.02, 0.98, name, fontsize=9, fontweight="bold", va="top")
    return figure


def _curve(curve: Mapping[str, Any]) -> Float64[np.ndarray, "3 step"]:
    parts = ("mean", "low", "high")
    return np.array([[number(each[part]) for each in curve["by_step"]] for part in parts])
