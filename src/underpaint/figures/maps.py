"""Pictures of maps: what is read at each step beside what the labeler sees, and labels alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ..core.arrays import normalise, to_image
from ..core.properties import COLOUR_RANGES, Property
from ..labelers import Labeler, label
from ..models import Model, decode
from ..models.traces import Trace
from ..probes.probes import Probe, ProbeKey
from ..scores.tables import caption

COLOURS = {"saliency": "gray", "depth": "turbo", "shading": "viridis"}
"""Colour maps of one-target properties; others of the user's own are drawn in `OTHER_COLOURS`."""
OTHER_COLOURS = "cividis"
GAP = 0.04
"""Between two maps of a row, in widths of one."""
SHARES = (0.01, 0.99)
"""Of a row's values, what lies beyond its colour map's ends."""


def draw_steps(
    model: Model,
    labelers: Sequence[Labeler],
    properties: Sequence[Property],
    trace: Trace,
    *,
    probes: Mapping[ProbeKey, Probe],
    best_layers: Mapping[str, str],
    path: Path,
) -> None:
    """Draw one picture's steps, a column each: what is seen, then what is read by each source.

    Args:
        trace: Of one prompt, with the activations of the best layers.
        probes: With thresholds where the property is a mask.
        best_layers: The layer to read each property from.
        path: A .png, .pdf or .svg file.
    """
    rows = _rows(model, labelers, properties, trace, probes, best_layers)
    steps = len(trace.timesteps)
    figure = Figure(figsize=(0.8 * (steps + 1) + 1, 0.82 * len(rows) + 0.5))
    # An axis a row, not one a map: there are hundreds of maps, and an axis costs more than its map.
    axes = figure.subplots(len(rows), squeeze=False)[:, 0]
    for (name, maps, colours), axis in zip(rows, axes, strict=True):
        _draw_row(axis, maps, colours)
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    heads = [*(str(step + 1) for step in range(steps)), "final"]
    middles = [(1 + GAP) * place + 0.5 for place in range(steps + 1)]
    axes[0].set_xticks(middles, heads, fontsize=9)
    axes[0].tick_params(top=False, labeltop=True, bottom=False, labelbottom=False, length=0)
    text = trace.prompts[0].text
    figure.suptitle(caption(text, width=110, lines=2), fontsize=10, y=0.99)
    figure.subplots_adjust(hspace=0.06, top=1 - 0.55 / figure.get_figheight())
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, bbox_inches="tight")


def draw_labels(
    images: Float[Tensor, "image 3 height width"],
    labels: Mapping[str, Float[Tensor, "image _ height width"]],
    properties: Sequence[Property],
    *,
    path: Path,
) -> None:
    """Draw pictures, a row each, beside what they are labelled: the maps that probes shall read.

    Args:
        images: In 0..1.
        labels: By property, at full size, normalised.
        properties: In the order of their columns.
        path: A .png, .pdf or .svg file.
    """
    columns = [("image", _channels_last(images), None)]
    columns += [(each.name, *_shown(each, labels[each.name])) for each in properties]
    figure = Figure(figsize=(1.2 * len(columns), 1.2 * len(images) + 0.3))
    axes = figure.subplots(len(images), len(columns), squeeze=False)
    for line, axis_row in enumerate(axes):
        for (name, maps, colours), axis in zip(columns, axis_row, strict=True):
            one = maps[line]
            low, high = _range(one, colours)
            axis.imshow(one.numpy(), cmap=colours, vmin=low, vmax=high, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set_visible(False)
            if line == 0:
                axis.set_title(name, fontsize=9)
    figure.subplots_adjust(wspace=0.04, hspace=0.04)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=200, bbox_inches="tight")


def _draw_row(axis: Axes, maps: Tensor, colours: str | None) -> None:
    """Draw maps side by side, all in one range; a map is 1 wide."""
    low, high = _range(maps, colours)
    height = maps.shape[1] / maps.shape[2]
    for place, one in enumerate(maps):
        left = (1 + GAP) * place
        axis.imshow(
            one.numpy(),
            cmap=colours,
            vmin=low,
            vmax=high,
            interpolation="nearest",
            extent=(left, left + 1, 0, height),
        )
    axis.set_xlim(0, (1 + GAP) * len(maps) - GAP)
    axis.set_ylim(0, height)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)


def _range(maps: Tensor, colours: str | None) -> tuple[float, float]:
    """Give what the colour map's ends stand for: a small highlight must not dim all the rest."""
    if colours == "gray":
        return 0.0, 1.0
    low, high = np.quantile(maps.numpy(), SHARES)
    return float(low), float(high)


def _shown(
    property: Property, maps: Float[Tensor, "map target row col"]
) -> tuple[Float[Tensor, "map row col *colour"], str | None]:
    """Give maps as matplotlib draws them, and their colour map: three targets are a colour."""
    shown = maps.float().cpu()
    if property.targets != 3:
        return shown[:, 0], "gray" if property.is_binary else COLOURS.get(
            property.name, OTHER_COLOURS
        )
    low, high = COLOUR_RANGES.get(property.name, (float(shown.min()), float(shown.max())))
    return _channels_last(((shown - low) / max(high - low, 1e-9)).clamp(0, 1)), None


def _rows(
    model: Model,
    labelers: Sequence[Labeler],
    properties: Sequence[Property],
    trace: Trace,
    probes: Mapping[ProbeKey, Probe],
    best_layers: Mapping[str, str],
) -> list[tuple[str, Tensor, str | None]]:
    """Lay out rows of pictures: a name, one map a step and the label last, a colour map."""
    noisy, clean = decode(model, trace.latents[:, 0]), decode(model, trace.estimates[:, 0])
    looked_at = {
        "image": label(labelers, properties, torch.cat([noisy, trace.images])),
        "estimate": label(labelers, properties, torch.cat([clean, trace.images])),
    }
    rows: list[tuple[str, Tensor, str | None]] = [
        ("image $x_t$", _channels_last(torch.cat([noisy, trace.images])), None),
        (r"estimate $\hat x_0$", _channels_last(torch.cat([clean, trace.images])), None),
    ]
    for each in properties:
        maps = {source: normalise(each, found[each.name]) for source, found in looked_at.items()}
        height, width = maps["image"].shape[-2:]
        read = _read(trace, each, probes, best_layers[each.name], size=(height, width))
        probe = torch.cat([read, maps["image"][-1:].float()])
        for source, seen in (("probe", probe), *reversed(maps.items())):
            rows.append((f"{each.name}\n{source}", *_shown(each, seen)))
    return rows


def _read(
    trace: Trace,
    property: Property,
    probes: Mapping[ProbeKey, Probe],
    layer: str,
    *,
    size: tuple[int, int],
) -> Float[Tensor, "step target height width"]:
    activation = next(each for at, each in trace.activations.items() if at.name == layer)
    maps = []
    for step, one_step in enumerate(activation):
        probe = probes[property.name, layer, step]
        read = probe(one_step)[0].float()
        if property.is_binary and probe.threshold is not None:
            read = (read > probe.threshold).float()
        maps.append(read)
    return to_image(torch.stack(maps), size)


def _channels_last(images: Float[Tensor, "image 3 height width"]) -> Tensor:
    return images.permute(0, 2, 3, 1).cpu()
