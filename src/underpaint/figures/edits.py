"""The before/after picture of edits: as it was, what was asked for, as it is, where it is seen."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ..scores.tables import caption
from ..steering.experiments import Shown

HEADINGS = ("before", "target", "after", "mask seen")


def draw_strip(shown: Sequence[Shown], *, title: str, path: Path) -> None:
    """Draw edited pictures, a row each, with the target's outline on the picture after the edit.

    Args:
        shown: At least one.
        title: Written above them.
        path: A .png, .pdf or .svg file.
    """
    figure = Figure(figsize=(1.6 * len(HEADINGS), 1.6 * len(shown) + 0.5))
    axes = figure.subplots(len(shown), len(HEADINGS), squeeze=False)
    for row, line in zip(shown, axes, strict=True):
        target = row.target.cpu().numpy()
        panels = [
            row.before.permute(1, 2, 0).cpu().numpy(),
            target,
            row.after.permute(1, 2, 0).cpu().numpy(),
            row.mask.cpu().numpy(),
        ]
        for axis, panel in zip(line, panels, strict=True):
            axis.imshow(panel, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set_visible(False)
        is_mask = len(np.unique(target)) == 2
        for axis in (line[2], line[3]) if is_mask else ():
            axis.contour(target, levels=[0.5], colors="orange", linewidths=1)
        line[0].set_ylabel(caption(row.prompt.text, width=28, lines=2), fontsize=6)
    for axis, heading in zip(axes[0], HEADINGS, strict=True):
        axis.set_title(heading, fontsize=9)
    figure.suptitle(title, fontsize=9, y=0.995)
    top = 1 - 0.5 / figure.get_figheight()
    figure.subplots_adjust(left=0.03, right=0.995, bottom=0.01, top=top, wspace=0.04, hspace=0.04)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, bbox_inches="tight")
