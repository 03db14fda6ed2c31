"""Pictures of a run's numbers: scores over steps of every source, and the probe's at every layer.

Everything is drawn from the summary alone, so a picture can be made anew without the model. What
has no value is a gap, a "–" or a line of text, never left out in silence. Figures are as wide as
one column of a two-column paper, and legible there.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath
from matplotlib.transforms import blended_transform_factory

from ..core.errors import RunError
from ..core.numbers import UNKNOWN, fixed, number
from ..models.layers import Layer
from ..scores.naming import bar_metric
from ..scores.sentences import step_words
from ..scores.sources import TIMED, is_gain, sources_of
from ..scores.tables import (
    layer_page,
    metric_name,
    result_page,
    result_table,
    truth_page,
)
from .noise import draw_noise
from .style import PAINTS, STYLE, paints_of, spread_apart, styled

COLUMN_INCHES = 3.5
LEAST_POINTS = 4.8
"""No text is smaller; where it would have to be, there is none."""


def draw_all(
    summary: Mapping[str, Any], folder: Path, *, layers: Sequence[Layer] = ()
) -> tuple[Path, ...]:
    """Write every figure, as PNG and PDF, and every table; return the files.

    Args:
        summary: What summary.json holds.
        folder: Where to, made if it is not there. Files of the same names are replaced.
        layers: In the order in which they run. Without them heat maps keep the summary's order,
            and there is no Table 1.

    Raises:
        RunError: if a file cannot be written.
    """
    order = [layer.name for layer in layers]
    figures: dict[str, Figure] = {}
    for name, found in summary["properties"].items():
        figures[f"curves-{name}"] = draw_curves(name, found)
        figures[f"layers-{name}"] = draw_layers(name, found, order=order)
        if (gains := draw_gains(name, found, order=order)) is not None:
            figures[f"beyond-{name}"] = gains
        if (over_noise := draw_noise(name, found, summary.get("noise"))) is not None:
            figures[f"noise-{name}"] = over_noise
    results = result_table(summary)
    tables: dict[str, Callable[[Path], object]] = {
        "table-2.md": lambda path: path.write_text(result_page(summary, results), encoding="utf-8"),
        "table-2.csv": lambda path: results.to_csv(path, index=False),
    }
    if layers:
        page = layer_page(str(summary["model"]), layers)
        tables["table-1.md"] = lambda path: path.write_text(page, encoding="utf-8")
    if truth := truth_page(summary):
        tables["table-3.md"] = lambda path: path.write_text(truth, encoding="utf-8")
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stem, figure in figures.items():
            for suffix in (".png", ".pdf"):
                paths.append(folder / (stem + suffix))
                _save(figure, paths[-1])
        for name, write in sorted(tables.items()):
            paths.append(folder / name)
            write(paths[-1])
    except OSError as error:
        raise RunError(
            f"Cannot write to {folder} ({error}). Make room or choose another folder."
        ) from error
    return tuple(paths)


@styled()
def draw_curves(name: str, found: Mapping[str, Any]) -> Figure:
    """Draw one property's scores over steps: every source with its interval, and when it is there.

    Maps are scored without their place, and timed on that: the score with it has a panel above.
    Rings stand where the probe and its rivals reach the one bar, the dotted line; the strip
    below gives their intervals. Without a bar they stand at onsets, at 90% of each source's own
    end. What a source gains over another is no score: see `draw_gains`.
    """
    sources = found["sources"]
    metrics = list(dict.fromkeys((next(iter(sources["probe"]["metrics"])), bar_metric(found))))
    bar = found.get("bar")
    part = "onset" if bar is None else "reached"
    onsets = {name: sources[name].get(part) for name in ("probe", *TIMED) if name in sources}
    panel = max(2.1 if len(metrics) == 1 else 1.65, 0.13 * len(sources))
    heights = [panel] * len(metrics) + [0.13 * len(onsets) + 0.06]
    figure, axes = _panels(heights, left=0.5, right=1.06, gap=0.12)
    for axis, metric in zip(axes, metrics, strict=False):
        lines = {
            source: _by_step(each["metrics"][metric])
            for source, each in sources.items()
            if metric in each["metrics"] and not is_gain(source)
        }
        _draw_metric(axis, metric, lines)
        if metric == metrics[-1]:
            _mark_onsets(axis, lines, onsets)
            if bar is not None:
                axis.axhline(bar, color="#888888", linewidth=0.7, linestyle=":", zorder=0)
    steps = len(sources["probe"]["by_step"])
    _draw_onsets(axes[-1], onsets, steps, "onset" if bar is None else "at the bar")
    for axis in axes:
        axis.set_xlim(0.7, steps + 0.3)
        axis.set_xticks(_ticks(steps, most=10))
        axis.tick_params(labelbottom=axis is axes[-1])
    axes[-1].set_xlabel(f"step of {steps}", labelpad=2)
    rings = "onsets" if bar is None else "at the one bar"
    note = (
        f"test images · probe at {found['best_layer']} · bands: 95%, over prompts · rings: {rings}"
    )
    if any("seen" in each for each in sources.values()):
        note += " · gaps: not looked at"
    _title(figure, name, note)
    return figure


@styled()
def draw_layers(name: str, found: Mapping[str, Any], *, order: Sequence[str] = ()) -> Figure:
    """Draw the probe's headline score at every layer and step, the best layer framed.

    Args:
        name: Of the property.
        found: The summary of that property.
        order: Names of layers in the order in which they run; the summary's own order otherwise.
    """
    note = (
        f"{metric_name(found['metric'])} of the probe on test images · framed: best on validation"
    )
    return _heat(name, note, found["layers"], order, framed=found["best_layer"])


@styled()
def draw_gains(name: str, found: Mapping[str, Any], *, order: Sequence[str] = ()) -> Figure | None:
    """Draw what each layer, and all together, add to a linear reader of x̂₀ at every step.

    Returns:
        The figure; None where that was not measured.
    """
    gains = found["sources"].get("beyond", {}).get("layers")
    if not gains:
        return None
    note = f"{metric_name(found['metric'])} gained beyond a linear reader of x̂₀, on test images"
    return _heat(name, note, gains, order)


def _heat(
    name: str, note: str, layers: Mapping[str, Any], order: Sequence[str], framed: str = ""
) -> Figure:
    """Draw curves of layers as rows of cells, one of them framed."""
    place = {layer: at for at, layer in enumerate(order)}
    names = sorted(layers, key=lambda layer: place.get(layer, len(place)))
    values = np.array([_by_step(layers[layer])[0] for layer in names])
    steps = values.shape[1]
    left = 0.15 + STYLE["font.size"] / 72 * max(_width_ems(layer) for layer in names)
    right = 0.5
    figure, (axis,) = _panels([max(0.165 * len(names), 0.33)], left=left, right=right)
    mesh = axis.imshow(values, cmap="cividis", norm=_scale(values), aspect="auto")
    axis.set_facecolor("#E4E4E4")
    _label_cells(axis, values, mesh.to_rgba(values), (COLUMN_INCHES - left - right) / steps)
    for row, (above, below) in enumerate(pairwise(names)):
        if above.rpartition(".")[0] != below.rpartition(".")[0]:
            axis.axhline(row + 0.5, color="white", linewidth=1.5)
    ticks = _ticks(steps, most=15)
    axis.set_xticks([step - 1 for step in ticks], [str(step) for step in ticks])
    axis.set_yticks(range(len(names)), names)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set_xlabel(f"step of {steps}", labelpad=2)
    if framed:
        _frame_row(axis, names.index(framed), steps)
    box = axis.get_position()
    bar = figure.add_axes((box.x1 + 0.025, box.y0, 0.02, box.height))
    figure.colorbar(mesh, cax=bar).outline.set_visible(False)
    bar.tick_params(length=2, labelsize=6)
    _title(figure, name, note)
    return figure


def _panels(
    heights: Sequence[float], *, left: float, right: float, gap: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """Stack panels in a figure one column wide; heights, margins and gaps are in inches."""
    top, bottom = 0.4, 0.32
    height = top + bottom + sum(heights) + gap * (len(heights) - 1)
    figure = Figure(figsize=(COLUMN_INCHES, height))
    axes, edge = [], height - top
    for each in heights:
        share = (COLUMN_INCHES - left - right) / COLUMN_INCHES
        box = (left / COLUMN_INCHES, (edge - each) / height, share, each / height)
        axes.append(figure.add_axes(box))
        edge -= each + gap
    return figure, axes


def _title(figure: Figure, name: str, note: str) -> None:
    left, height = 0.06 / COLUMN_INCHES, figure.get_figheight()
    figure.text(left, 1 - 0.05 / height, name, fontsize=9, fontweight="bold", va="top")
    figure.text(left, 1 - 0.21 / height, note, fontsize=6, color="#444444", va="top")


def _draw_metric(
    axis: Axes, metric: str, lines: Mapping[str, Float64[np.ndarray, "3 step"]]
) -> None:
    """Draw each source's mean and band, its name at the end of its line."""
    known = {source: line for source, line in lines.items() if not np.isnan(line[0]).all()}
    for source, (mean, low, high) in known.items():
        paint = _paint(source, lines)
        steps = np.arange(1, len(mean) + 1)
        axis.fill_between(steps, low, high, color=paint["color"], alpha=0.1, linewidth=0)
        # Dots show a step whose neighbours have no value.
        axis.plot(steps, mean, **paint, marker="o", markersize=paint["linewidth"] + 0.3)
    drawn = np.concatenate([np.zeros((3, 1)), *known.values()], axis=1)
    low, high = float(np.nanmin(drawn)), max(1.0, float(np.nanmax(drawn)))
    margin = 0.03 * (high - low)
    axis.set_ylim(low - margin, high + margin)
    if low < 0:
        axis.axhline(0, color="#BBBBBB", linewidth=0.5, zorder=0)
    axis.set_ylabel(metric_name(metric))
    # At one distance from the page's edge, whatever the numbers on the axis.
    page = blended_transform_factory(axis.figure.transFigure, axis.transAxes)
    axis.yaxis.set_label_coords(0.13 / COLUMN_INCHES, 0.5, page)
    _label_ends(axis, lines)


def _label_ends(axis: Axes, lines: Mapping[str, Float64[np.ndarray, "3 step"]]) -> None:
    """Write each source's name beside the end of its line, moved apart where they would overlap.

    A source without any value has no line; its name stands at the bottom, with a "–".
    """
    low, high = axis.get_ylim()
    names = sources_of(lines)
    ends: dict[str, tuple[float, float] | None] = {}
    for source, (mean, *_) in lines.items():
        known = np.flatnonzero(~np.isnan(mean))
        ends[source] = (float(known[-1] + 1), float(mean[known[-1]])) if len(known) else None
    wanted = {source: low if end is None else end[1] for source, end in ends.items()}
    ranked = sorted(wanted, key=lambda source: wanted[source])
    panel_points = axis.get_window_extent().height / axis.figure.dpi * 72
    gap = 8 / panel_points * (high - low)
    places = spread_apart(
        [wanted[source] for source in ranked], gap=gap, low=low + gap / 2, high=high
    )
    for source, place in zip(ranked, places, strict=True):
        end, colour = ends[source], _paint(source, lines)["color"]
        name = names[source].label or source
        line = {"arrowstyle": "-", "color": colour, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 2}
        axis.annotate(
            name if end else f"{name} {UNKNOWN}",
            xy=end or (1, low),
            xytext=(1.04, (place - low) / (high - low)),
            textcoords="axes fraction",
            color=colour,
            fontweight="bold" if source == "probe" else "normal",
            va="center_baseline",
            annotation_clip=False,
            arrowprops={**line, "relpos": (0, 0.5)} if end else None,
        )


def _mark_onsets(
    axis: Axes,
    lines: Mapping[str, Float64[np.ndarray, "3 step"]],
    onsets: Mapping[str, Mapping[str, int] | None],
) -> None:
    for source, onset in onsets.items():
        if onset is not None and source in lines:
            at = onset["step"], lines[source][0][onset["step"] - 1]
            axis.plot(*at, "o", color="white", markeredgecolor=_paint(source, lines)["color"],
                      markersize=5, markeredgewidth=1.2, zorder=6)  # fmt: skip


def _draw_onsets(
    axis: Axes, onsets: Mapping[str, Mapping[str, int] | None], steps: int, what: str
) -> None:
    """Draw a line for each source: the step, and the interval of it."""
    for row, (source, onset) in enumerate(onsets.items()):
        colour = _paint(source, onsets)["color"]
        text = f"{source} {UNKNOWN}"
        if onset is not None:
            axis.plot([onset["low"], onset["high"]], [row, row], color=colour, linewidth=1.2)
            axis.plot(onset["step"], row, "o", color="white", markeredgecolor=colour,
                      markersize=4.5, markeredgewidth=1.2)  # fmt: skip
            text = f"{source} {step_words(onset, steps, '–')}"
        beside = axis.get_yaxis_transform()
        axis.text(1.04, row, text, color=colour, fontsize=6.5, va="center_baseline",
                  transform=beside)  # fmt: skip
    axis.set_ylim(len(onsets) - 0.4, -0.6)
    axis.set_yticks([])
    axis.set_ylabel(what.replace(" the", "\nthe"), rotation=0, ha="right", va="center", labelpad=6)
    axis.spines["left"].set_visible(False)


def _label_cells(
    axis: Axes,
    values: Float64[np.ndarray, "layer step"],
    colours: Float64[np.ndarray, "layer step 4"],
    cell_inches: float,
) -> None:
    """Write values into cells, dark on light and light on dark, where that is legible."""
    texts = [[_short(value) for value in row] for row in values]
    ems = max(_width_ems(text) for text in {text for row in texts for text in row})
    points = min(6.5, 0.78 * 72 * cell_inches / ems)
    if points < LEAST_POINTS:
        return
    light = colours[..., :3] @ [0.2126, 0.7152, 0.0722]  # luma of ITU-R BT.709
    for (row, col), value in np.ndenumerate(values):
        colour = "black" if np.isnan(value) or light[row, col] > 0.45 else "white"
        axis.text(
            col,
            row,
            texts[row][col],
            fontsize=points,
            ha="center",
            va="center_baseline",
            color=colour,
        )


def _frame_row(axis: Axes, row: int, steps: int) -> None:
    colour = PAINTS["probe"]["color"]
    axis.add_patch(
        Rectangle(
            (-0.5, row - 0.5),
            steps,
            1,
            fill=False,
            edgecolor=colour,
            linewidth=1.5,
            clip_on=False,
            zorder=3,
        )
    )
    axis.get_yticklabels()[row].set(color=colour, fontweight="bold")


def _scale(values: Float64[np.ndarray, "layer step"]) -> Normalize:
    """Span all known values; one value alone, or none, is put in the middle of a span."""
    known = values[~np.isnan(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.5, 0.5)
    return Normalize(low, high) if low < high else Normalize(low - 0.5, high + 0.5)


def _save(figure: Figure, path: Path) -> None:
    # Without a date the same numbers make the same file.
    metadata = {"CreationDate": None} if path.suffix == ".pdf" else None
    with styled():
        figure.savefig(path, dpi=300, metadata=metadata)


def _paint(source: str, sources: Iterable[str]) -> dict[str, Any]:
    """Choose a line for a source among those that are drawn with it."""
    return paints_of(sources)[source]


def _by_step(curve: Mapping[str, Any]) -> Float64[np.ndarray, "3 step"]:
    parts = ("mean", "low", "high")
    return np.array([[number(each[part]) for each in curve["by_step"]] for part in parts])


def _short(value: float) -> str:
    """Write a number as small as it can be: two decimals, no leading zero, a short minus."""
    text = fixed(value).replace("−", "-")
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def _ticks(steps: int, *, most: int) -> list[int]:
    """Number every step, or every second, third, … where more than `most` would crowd."""
    return list(range(1, steps + 1, math.ceil(steps / most)))


def _width_ems(text: str) -> float:
    return TextPath((0, 0), text, size=1).get_extents().width
