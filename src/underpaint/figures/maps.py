"""Pictures of maps: what is read at each step beside what the labeler sees, and labels alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ..core.arrays import to_image
from ..core.pictures import resized
from ..core.properties import COLOUR_RANGES, Property
from ..scores.tables import caption
from ..study.showing import Shown, fine
from .saving import save

COLOURS = {"saliency": "gray", "depth": "turbo", "shading": "viridis"}
"""Colour maps of one-target properties; others of the user's own are drawn in `OTHER_COLOURS`."""
OTHER_COLOURS = "cividis"
GAP = 0.04
"""Between two maps of a row, in widths of one."""
SHARES = (0.01, 0.99)
"""Of a row's values, what lies beyond its colour map's ends."""


def draw_steps(
    shown: Shown,
    properties: Sequence[Property],
    *,
    best_layers: Mapping[str, str],
    path: Path,
) -> None:
    """Draw one picture's steps, a column each: what is seen, then what is read by each source.

    Args:
        shown: All that is shown of the picture.
        properties: In the order of their rows.
        best_layers: The layer to read each property from.
        path: A .png, .pdf or .svg file.
    """
    rows = _rows(shown, properties, best_layers)
    steps = len(rows[0][1]) - 1
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
    figure.suptitle(caption(shown.prompt.text, width=110, lines=2), fontsize=10, y=0.99)
    figure.subplots_adjust(hspace=0.06, top=1 - 0.55 / figure.get_figheight())
    save(figure, path, dpi=150, is_trimmed=True)


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
    save(figure, path, dpi=200, is_trimmed=True)


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
    low, high = np.nanquantile(maps.numpy(), SHARES)
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
    low, high = COLOUR_RANGES.get(property.name, _ends(shown))
    shares = ((shown - low) / max(high - low, 1e-9)).clamp(0, 1)
    return _channels_last(shares.nan_to_num(0.0)), None


def _ends(maps: Tensor) -> tuple[float, float]:
    known = maps[maps.isfinite()]
    return float(known.min()), float(known.max())


def _rows(
    shown: Shown, properties: Sequence[Property], best_layers: Mapping[str, str]
) -> list[tuple[str, Tensor, str | None]]:
    """Lay out rows of pictures: a name, one map a step and the label last, a colour map."""
    final = fine(shown.pictures["final"])
    rows: list[tuple[str, Tensor, str | None]] = [
        (name, _channels_last(_ending(fine(shown.pictures[source]), final)), None)
        for name, source in (("image $x_t$", "image"), (r"estimate $\hat x_0$", "estimate"))
    ]
    for each in properties:
        label = fine(shown.maps[each.name, "label"])
        seen = {x: fine(shown.maps[each.name, x]) for x in ("image", "estimate")}
        read = _read(shown, each, best_layers[each.name], like=seen["image"])
        for source, maps in (("probe", read), *reversed(seen.items())):
            rows.append((f"{each.name}\n{source}", *_shown(each, _ending(maps, label))))
    return rows


def _ending(
    maps: Float[Tensor, "step target row col"], last: Float[Tensor, "1 target _ _"]
) -> Float[Tensor, "map target row col"]:
    """Lay the last map, at the size of the others, behind them."""
    return torch.cat([maps, resized(last, (maps.shape[-2], maps.shape[-1]))])


def _read(
    shown: Shown, property: Property, layer: str, *, like: Float[Tensor, "step target row col"]
) -> Float[Tensor, "step target row col"]:
    """Give what a layer's probes read, a square a cell; of a mask, where it is foreground."""
    read = fine(shown.read[property.name, layer])
    if property.is_binary:
        cuts = shown.cuts[property.name, layer].float()
        read = (read > cuts[:, None, None, None]).float()
    return to_image(read, (like.shape[-2], like.shape[-1]))


def _channels_last(images: Float[Tensor, "image 3 height width"]) -> Tensor:
    return images.permute(0, 2, 3, 1).cpu()
