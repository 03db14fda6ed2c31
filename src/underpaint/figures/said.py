"""What a labeler says of pictures, side by side: a row for each picture, in every light."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ..labelers.photographs import CHANGES, Said
from .saving import save
from .sheets import COLOURS

_SIDE_IN = 1.7


def draw_said(said: Sequence[Said], property: str, *, title: str, path: Path) -> None:
    """Draw each picture, what is said of it and of its changes, and what is known.

    Args:
        said: At least one.
        property: Of the maps.
        title: Above it all.
        path: A .png, .pdf or .svg file.
    """
    headings = ["picture", "as it is", *CHANGES, "known"]
    figure = Figure(figsize=(_SIDE_IN * len(headings), _SIDE_IN * len(said) + 0.5))
    axes = figure.subplots(len(said), len(headings), squeeze=False)
    colours = COLOURS.get(property, "viridis")
    for each, line in zip(said, axes, strict=True):
        known = each.photograph.known.get(property)
        shown: list[Tensor | None] = [each.photograph.image[0]]
        shown += [each.maps["as it is"], *(each.maps[name] for name in CHANGES)]
        shown.append(None if known is None else known[0])
        for axis, maps in zip(line, shown, strict=True):
            if maps is not None:
                axis.imshow(_pixels(maps), cmap=colours, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(each.photograph.name, fontsize=7)
    for axis, heading in zip(axes[0], headings, strict=True):
        axis.set_title(heading, fontsize=8)
    figure.suptitle(title, fontsize=9)
    save(figure, path, dpi=110, is_trimmed=True)


def _pixels(maps: Tensor) -> np.ndarray:
    """Give one target as it is, three as a colour of their own range."""
    array = maps.float().cpu().numpy()
    if len(array) != 3:
        return array[0]
    low = min(0.0, float(array.min()))
    return ((array - low) / max(float(array.max()) - low, 1e-12)).transpose(1, 2, 0)
