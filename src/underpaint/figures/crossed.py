"""A picture of the moment when a caption takes a place: shares of caption, noise and meeting."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64
from matplotlib.figure import Figure

from ..core.numbers import number
from .style import styled

COLOURS = {"caption": "#D55E00", "meeting": "#B03060", "noise": "#0072B2"}


@styled()
def draw_crossed(name: str, found: Mapping[str, Any], *, layer: str) -> Figure:
    """Draw shares over steps at one layer, beside the label's, and the meeting's at every layer.

    Args:
        name: Of the property.
        found: What the summary's `cross` says of it.
        layer: Whose shares are drawn as lines.
    """
    layers: Mapping[str, Any] = found["layers"]
    steps = len(layers[layer]["by_step"])
    figure = Figure(figsize=(7.0, 2.8))
    lines = figure.add_axes((0.07, 0.17, 0.38, 0.66))
    at = np.arange(1, steps + 1)
    for part, colour in COLOURS.items():
        mean, low, high = _curve(layers[layer]["by_step"], part)
        lines.fill_between(at, low, high, color=colour, alpha=0.12, linewidth=0)
        lines.plot(at, mean, color=colour, linewidth=1.6, marker="o", markersize=2, label=part)
        own = number(found["label"][part]["mean"])
        lines.plot([steps + 0.9], [own], marker="D", markersize=4, color=colour, clip_on=False)
    lines.set_ylim(0, 1)
    lines.set_xlim(0.6, steps + 1.2)
    lines.set_xlabel(f"step of {steps} (diamonds: the final label)")
    lines.set_ylabel(f"share of variance, {layer}")
    lines.legend(fontsize=6, frameon=False)
    cells = figure.add_axes((0.56, 0.17, 0.34, 0.66))
    values = np.array([_curve(each["by_step"], "meeting")[0] for each in layers.values()])
    mesh = cells.imshow(values, cmap="cividis", vmin=0, aspect="auto")
    cells.set_yticks(range(len(layers)), list(layers))
    cells.set_xticks(range(0, steps, 2), [str(step + 1) for step in range(0, steps, 2)])
    cells.tick_params(length=0, labelsize=6)
    cells.spines[:].set_visible(False)
    cells.set_xlabel(f"step of {steps}")
    bar = figure.add_axes((0.92, 0.17, 0.012, 0.66))
    figure.colorbar(mesh, cax=bar).outline.set_visible(False)
    bar.tick_params(length=2, labelsize=6)
    figure.text(0.01, 0.98, name, fontsize=9, fontweight="bold", va="top")
    figure.text(0.56, 0.86, "share of the meeting of caption and noise", fontsize=6)
    return figure


def _curve(by_step: Sequence[Mapping[str, Any]], part: str) -> Float64[np.ndarray, "3 step"]:
    bounds = ("mean", "low", "high")
    return np.array([[number(each[part][bound]) for each in by_step] for bound in bounds])
