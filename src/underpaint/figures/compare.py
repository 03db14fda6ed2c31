"""Runs side by side: scores over ln(noise / signal) by source, and the probe's over depth.

Drawn from what `scores.compare` returns alone. A source is a colour and a run a dash, so that two
lines of one colour are the same question put to two models.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..core.errors import RunError
from ..core.numbers import number
from ..scores.naming import metric_name
from .style import OTHER_PAINTS, PAINTS, styled

DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1, 1, 1)))
SHOWN = ("probe", "estimate", "image", "position")
"""Sources that are drawn; the table has all."""
WIDTH_INCHES, HEIGHT_INCHES = 5.6, 2.7


def draw_comparisons(compared: Mapping[str, Any], folder: Path) -> tuple[Path, ...]:
    """Write one figure for each property, as PNG and PDF; return the files.

    Raises:
        RunError: if one cannot be written.
    """
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, found in compared["properties"].items():
            figure = draw_comparison(name, found, compared["runs"])
            for suffix, metadata in ((".png", None), (".pdf", {"CreationDate": None})):
                paths.append(folder / f"compare-{name}{suffix}")
                with styled():
                    figure.savefig(paths[-1], dpi=300, metadata=metadata)
    except OSError as error:
        raise RunError(
            f"Cannot write to {folder} ({error}). Make room or choose another folder."
        ) from error
    return tuple(paths)


@styled()
def draw_comparison(
    name: str, found: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]
) -> Figure:
    """Draw one property: sources over noise on the left, the probe over depth on the right."""
    figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES))
    over_noise, over_depth = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(left=0.085, right=0.99, top=0.78, bottom=0.15, wspace=0.06)
    drawn = [source for source in SHOWN if source in found["sources"]]
    for source in drawn:
        for run, row in zip(runs, found["sources"][source]["runs"], strict=True):
            _draw_source(over_noise, source, row, run, dash=DASHES[runs.index(run) % len(DASHES)])
    _mark_pure_noise(over_noise, runs)
    shades = _draw_depths(over_depth, found)
    over_noise.set_ylabel(metric_name(found["metric"]), labelpad=2)
    over_noise.set_xlabel("ln (noise / signal): less noise to the right", labelpad=2)
    met = [[each for each in run["noise"] if each is not None] for run in runs]
    # What all runs met, the noisiest left.
    over_noise.set_xlim(min(map(max, met)) + 0.15, max(map(min, met)) - 0.15)
    over_depth.set_xlabel("depth of the layer: 0 runs first, 1 last (probe)", labelpad=2)
    over_depth.set_xlim(-0.03, 1.03)
    title = " · ".join(f"{run['name']}: {run['model']}, {run['images']} images" for run in runs)
    figure.text(0.012, 0.985, name, fontsize=9, fontweight="bold", va="top")
    figure.text(0.012, 0.925, f"{title} · bands: 95%, over prompts", fontsize=5.5,
                color="#444444", va="top")  # fmt: skip
    colours = [Line2D([], [], color=PAINTS[source]["color"], label=source) for source in drawn]
    dashes = [
        Line2D([], [], color="#444444", linestyle=DASHES[at % len(DASHES)], label=run["name"])
        for at, run in enumerate(runs)
    ]
    _legend(over_noise, [*colours, *dashes])
    _legend(over_depth, shades)
    return figure


def _draw_source(
    axis: Axes, source: str, row: Mapping[str, Any], run: Mapping[str, Any], *, dash: Any
) -> None:
    x = np.array([number(each) for each in run["noise"]])
    mean, low, high = _by_step(row["by_step"])
    paint = {**PAINTS.get(source, OTHER_PAINTS[0]), "linestyle": dash}
    axis.plot(x, mean, **paint)
    axis.fill_between(x, low, high, color=paint["color"], alpha=0.1, linewidth=0)


def _mark_pure_noise(axis: Axes, runs: Sequence[Mapping[str, Any]]) -> None:
    """Say which runs have steps that no place on this axis can show."""
    pure = [run["name"] for run in runs if None in run["noise"]]
    if pure:
        text = f"not shown: step 1 of {', '.join(pure)}, noise alone"
        axis.text(0.02, 0.02, text, transform=axis.transAxes, fontsize=5, color="#444444")


def _draw_depths(axis: Axes, found: Mapping[str, Any]) -> list[Line2D]:
    """Draw the probe at every layer, a line for each run and for the noisiest and the last level.

    Returns:
        What the legend needs: a line for each level.
    """
    ends = sorted({0, len(found["levels"]) - 1})
    lines = []
    for place, level in enumerate(ends):
        colour = colormaps["viridis"](0.15 + 0.6 * place)
        for at, rows in enumerate(found["depths"]):
            x = [row["depth"] for row in rows]
            y = [number(row["by_level"][level]) for row in rows]
            axis.plot(x, y, color=colour, linestyle=DASHES[at % len(DASHES)], marker="o",
                      markersize=2, linewidth=1.1)  # fmt: skip
        text = f"ln (noise / signal) {found['levels'][level]:+.2g}"
        lines.append(Line2D([], [], color=colour, label=text))
    return lines


def _legend(axis: Axes, lines: Sequence[Line2D]) -> None:
    axis.legend(handles=list(lines), loc="lower left", bbox_to_anchor=(0, 1.0), frameon=False,
                fontsize=5.5, ncols=3, borderaxespad=0.1, handlelength=2.2)  # fmt: skip


def _by_step(rows: Sequence[Mapping[str, Any]]) -> Float64[np.ndarray, "3 step"]:
    parts = ("mean", "low", "high")
    return np.array([[number(each.get(part)) for each in rows] for part in parts])
