"""Pictures of edits: before and after in strips, and dose and response of many of them.

Nothing is measured here: entries of `trials.summarise_edits` that differ in one thing only are put
side by side.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..scores.alike import are_alike
from ..scores.tables import caption
from ..steering.experiments import Shown
from .saving import save

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
    save(figure, path, dpi=150, is_trimmed=True)


SHARES = {
    "dice_target": ("Dice to the target", "C0"),
    "dice_old": ("Dice to the old mask", "C1"),
    "object_kept": ("object kept", "C2"),
    "colour_kept": ("colour kept", "C4"),
}
"""Measures from 0 to 1, what they are called, and their colours."""


def series(
    entries: Sequence[dict[str, Any]], *, like: dict[str, Any], over: str, control: str = "none"
) -> list[dict[str, Any]]:
    """Find the entries that differ from one in a single setting, in the order of that setting.

    Args:
        entries: As `summarise_edits` gives them.
        like: One of them.
        over: "strength" or "steps".
        control: Whose entries to find.
    """
    found = [
        each
        for each in entries
        if each["control"] == control and are_alike(each, like, free=(over, "control"))
    ]
    return sorted(found, key=lambda each: each[over])


def draw_doses(entries: Sequence[dict[str, Any]], *, like: dict[str, Any], path: Path) -> None:
    """Draw what comes of strength, and of which steps are edited, each with its random control.

    Points are means with intervals over prompts; the background's PSNR has an axis of its own.

    Args:
        entries: As `summarise_edits` gives them.
        like: What else the edits have in common.
        path: A .png, .pdf or .svg file.
    """
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, over in zip(axes, ("strength", "steps"), strict=True):
        own = series(entries, like=like, over=over)
        labels = [_said(each[over]) for each in own]
        places = list(range(len(own)))
        for name, (said, colour) in SHARES.items():
            _draw(axis, places, [each[name] for each in own], said, colour)
        random = series(entries, like=like, over=over, control="random")
        at = {_said(each[over]): each["dice_target"] for each in random}
        known = [place for place in places if labels[place] in at]
        _draw(axis, known, [at[labels[place]] for place in known], "random direction", "0.6")
        axis.set_ylim(0, 1)
        axis.set_xticks(places, labels)
        axis.set_xlabel("strength" if over == "strength" else "edited steps")
        side = axis.twinx()
        levels = [each["background_psnr"]["median"] for each in own]
        side.plot(places, [float("nan") if x is None else x for x in levels], "k:", marker=".")
        side.set_ylim(10, 40)
        side.set_ylabel("background, median dB (dotted)" if over == "steps" else "")
    drawn = axes[0].get_legend_handles_labels()
    if drawn[0]:  # nothing is drawn where nothing is defined
        figure.legend(*drawn, fontsize=8, loc="outside upper center", ncols=len(drawn[0]))
    axes[0].set_ylabel("mean over pictures")
    save(figure, path, dpi=130)


def _said(setting: float | list[int]) -> str:
    if isinstance(setting, list):
        return f"{setting[0]}–{setting[1]}"
    return f"{setting:g}"


def _draw(axis: Axes, places: list[int], found: list[dict], said: str, colour: str) -> None:
    known = [(at, each) for at, each in zip(places, found, strict=True) if each["mean"] is not None]
    if not known:
        return
    means = [each["mean"] for _, each in known]
    # One prompt has no interval.
    low, high = (
        [
            mean if each[end] is None else each[end]
            for mean, (_, each) in zip(means, known, strict=True)
        ]
        for end in ("low", "high")
    )
    bars = [
        [mean - each for mean, each in zip(means, low, strict=True)],
        [each - mean for mean, each in zip(means, high, strict=True)],
    ]
    at = [place for place, _ in known]
    axis.errorbar(
        at, means, yerr=bars, color=colour, marker="o", ms=3, lw=1.2, capsize=2, label=said
    )
