"""Pictures of recognition: one picture's classes over steps, and how often the true one is seen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from ..core.numbers import number
from ..scores.tables import caption
from .saving import save
from .style import OTHER_PAINTS, PAINTS, styled

SHOWN = 5
"""So many classes have a line, the same in every strip: the likeliest, over strips and steps."""

LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8A8A8A")
"""Okabe & Ito's colours (2008), which no common colour blindness confuses."""

CLASS_PAINTS: dict[str, dict[str, Any]] = {
    "image": PAINTS["image"],
    "estimate": PAINTS["estimate"],
    "conditional": PAINTS["probe"],
    "unconditional": OTHER_PAINTS[0],
    "blank": OTHER_PAINTS[1],
}
SOURCE_NAMES = {
    "image": "network on $x_t$",
    "estimate": r"network on $\hat{x}_0$",
    "conditional": "probe, conditional half",
    "unconditional": "probe, unconditional half",
    "blank": "probe, empty prompt",
}


@styled()
def draw_classes(
    strips: Mapping[str, Float[Tensor, "step 3 height width"]],
    probabilities: Mapping[str, Float[Tensor, "step class"]],
    classes: Sequence[str],
    *,
    title: str,
    path: Path,
) -> None:
    """Draw top-5 probabilities over steps under a strip of pictures, for each way to decode.

    Args:
        strips: The decoded pictures of every step, by what was decoded.
        probabilities: Of each class at every step, by the same names.
        classes: Their names.
        title: Written above; the prompt.
        path: A .png, .pdf or .svg file.
    """
    steps = len(next(iter(strips.values())))
    every = np.concatenate([values.cpu().numpy() for values in probabilities.values()])
    shown = np.argsort(-every.mean(axis=0))[:SHOWN]
    # A strip as high as its pictures are square; few steps have large pictures, up to a limit.
    high = min(5.4 / steps, 0.8)
    figure = Figure(figsize=(7.0, (1.9 + high) * len(strips) + 0.3))
    axes = figure.subplots(
        2 * len(strips),
        gridspec_kw={"height_ratios": [high, 1.6] * len(strips), "hspace": 0.3},
    )
    for (what, strip), pictures, axis in zip(strips.items(), axes[::2], axes[1::2], strict=True):
        line = strip.permute(2, 0, 3, 1).flatten(1, 2).cpu().numpy()  # side by side
        pictures.imshow(line, extent=(0.5, steps + 0.5, 0, 1), aspect="auto")
        pictures.set_axis_off()
        pictures.set_title(what, fontsize=7, loc="left", pad=2)
        values = probabilities[what].cpu().numpy()
        for place, one in enumerate(shown):
            axis.plot(
                range(1, steps + 1), values[:, one], color=LINES[place], label=classes[one],
                marker="osD^v"[place], markersize=2.5, linewidth=1.2,
            )  # fmt: skip
        axis.set_xlim(0.5, steps + 0.5)
        axis.set_ylim(-0.02, 1.02)
        axis.set_xticks(range(1, steps + 1))
        axis.tick_params(labelbottom=axis is axes[-1])
        axis.set_ylabel("probability")
        axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes[-1].set_xlabel(f"step of {steps}")
    figure.suptitle(caption(title, width=90), fontsize=8, y=0.995)
    save(figure, path, dpi=200, is_trimmed=True)


@styled()
def draw_recognition(found: Mapping[str, Any], path: Path) -> None:
    """Draw how often each source names the true class at each step, with 95% bands over prompts.

    Args:
        found: What `summarise_classes` gives.
        path: A .png, .pdf or .svg file.
    """
    figure = Figure(figsize=(3.5, 2.4))
    axis = figure.subplots()
    steps = 1
    for source, each in found.items():
        parts = ("mean", "low", "high")
        mean, low, high = ([number(x[part]) for x in each["by_step"]] for part in parts)
        steps = len(mean)
        at = range(1, steps + 1)
        paint = CLASS_PAINTS[source]
        axis.plot(at, mean, label=SOURCE_NAMES[source], **paint)
        axis.fill_between(at, low, high, color=paint["color"], alpha=0.15, linewidth=0)
        chance = number(each["chance"]["mean"])
        axis.axhline(chance, color=paint["color"], linewidth=0.5, dashes=(1, 3))
    axis.set_ylim(0, 1.02)
    axis.set_xlim(0.7, steps + 0.3)
    axis.set_xlabel(f"step of {steps}")
    axis.set_ylabel("true class is top-1")
    axis.set_title(
        "test images · bands: 95%, over prompts · dotted: chance", fontsize=6, loc="left"
    )
    axis.legend(frameon=False, fontsize=6)
    save(figure, path, dpi=200, is_trimmed=True)
