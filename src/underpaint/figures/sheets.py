"""The contact sheet of a search: what was wanted, what was read at the stop, what it became."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ..scores.tables import caption
from ..steering.picks import Finished, Stopped, Wish
from .saving import save

COLOURS = {"saliency": "gray", "depth": "turbo", "shading": "viridis"}


def draw_sheet(
    wishes: Sequence[Wish], stopped: Stopped, finished: Finished, *, stop_at: int, path: Path
) -> None:
    """Draw a row for each kept picture: a target and a reading for each wish, and the picture.

    Args:
        wishes: At least one.
        stopped: All candidates.
        finished: Those to draw, in the order of the rows.
        stop_at: The step of the readings, counted from 1.
        path: A .png, .pdf or .svg file.
    """
    headings = [
        text
        for wish in wishes
        for text in (f"{wish.property.name}, target", f"read at step {stop_at}")
    ]
    headings.append("final picture")
    rows = len(finished.places)
    figure = Figure(figsize=(1.6 * len(headings), 1.6 * rows + 0.5))
    axes = figure.subplots(rows, len(headings), squeeze=False)
    for place, image, score, line in zip(
        finished.places, finished.images, finished.scores, axes, strict=True
    ):
        for wish, target, read in zip(wishes, line[:-1:2], line[1:-1:2], strict=True):
            colours = COLOURS.get(wish.property.name, "gray")
            target.imshow(_first(wish.target), cmap=colours, interpolation="nearest")
            maps = stopped.read[wish.property.name][place]
            read.imshow(_first(maps), cmap=colours, interpolation="nearest")
        line[-1].imshow(image.permute(1, 2, 0).cpu().numpy(), interpolation="nearest")
        line[0].set_ylabel(
            f"seed {stopped.prompts[place].seed}\n{stopped.scores[place]:.2f} → {score:.2f}",
            fontsize=7,
        )
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
    for axis, heading in zip(axes[0], headings, strict=True):
        axis.set_title(heading, fontsize=8)
    title = caption(stopped.prompts[0].text, width=80)
    figure.suptitle(title, fontsize=9, y=0.995)
    top = 1 - 0.5 / figure.get_figheight()
    figure.subplots_adjust(left=0.06, right=0.995, bottom=0.01, top=top, wspace=0.04, hspace=0.04)
    save(figure, path, dpi=110, is_trimmed=True)


def _first(maps: Tensor) -> np.ndarray:
    return maps[0].float().cpu().numpy()
