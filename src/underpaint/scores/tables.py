"""Table 1, what layers a model has, and Table 2, what was read: for papers and for the terminal.

Made from the summary alone. A value that is None or NaN is shown as "–", never left out.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..core.numbers import UNKNOWN, fixed, number
from ..models.layers import Layer
from .naming import metric_name

LITERATURE = {
    ("saliency", "dice"): 0.85,
    ("depth", "spearman"): 0.71,
    ("depth", "pearson"): 0.74,
    ("shading", "spearman"): 0.62,
    ("shading", "pearson"): 0.64,
}
"""Of Stable Diffusion v1.4 at up.3.0, the last of 15 steps: "From Pixels to Pictures:
Understanding the Internal Representation of Latent Diffusion Models" (UC San Diego 2024), Table 2.
"""

TRUTH_SOURCES = ("labeler", "probe", "taught", "judged")
"""Sources of a run whose labels are exact."""


def caption(text: str, *, width: int, lines: int = 1) -> str:
    """Write a prompt above a picture: in so many lines at most, an ellipsis for what is left out.

    What Matplotlib would take for a formula is taken as it is written.
    """
    short = textwrap.shorten(text, width * lines, placeholder=" …")
    rows = textwrap.wrap(short, width, max_lines=lines, placeholder=" …")
    return "\n".join(rows).replace("$", r"\$")


def result_table(summary: Mapping[str, Any]) -> pd.DataFrame:
    """Lay out Table 2: every metric of the probe at its best layer and the last step.

    Unknown values are NaN here and empty in CSV. The last column is another model's.
    """
    rows = [
        {
            "property": name,
            "best_layer": found["best_layer"],
            "metric": metric,
            "step": summary["steps"],
            **{part: number(each["final"][part]) for part in ("mean", "low", "high")},
            "undefined": each["final"]["undefined"],
            "sd_v1_4_published": LITERATURE.get((name, metric), math.nan),
        }
        for name, found in summary["properties"].items()
        for metric, each in found["sources"]["probe"]["metrics"].items()
    ]
    return pd.DataFrame(rows)


def result_page(summary: Mapping[str, Any], results: pd.DataFrame) -> str:
    """Write Table 2 as Markdown, with what a reader must know to read it."""
    rows = [
        (
            row["property"],
            row["best_layer"],
            metric_name(row["metric"]),
            fixed(row["mean"]),
            f"{fixed(row['low'])} … {fixed(row['high'])}",
            str(row["undefined"]),
            fixed(row["sd_v1_4_published"]),
        )
        for row in results.to_dict("records")
    ]
    heads = ("property", "best layer", "metric", "mean", "95% interval", "undefined")
    holes = "".join(
        f" Of the labels of {name}, {found['known']:.1%} is known; scores are over that part."
        for name, found in summary["properties"].items()
        if "known" in found
    )
    return (
        f"**Table 2.** What a linear probe reads at the last of {summary['steps']} steps from its "
        f"best layer, in {summary['images']['test']} test images of {summary['model']}. The layer "
        "was chosen on validation images; intervals resample prompts; `undefined` counts images "
        f"without a value.{holes}\n\n"
        + markdown((*heads, "SD v1.4 †"), rows, left=3)
        + "\n† Another model's, of other pictures and other labelers: Stable Diffusion v1.4 at "
        'up.3.0, the last of 15 steps, as published in "From Pixels to Pictures: Understanding '
        'the Internal Representation of Latent Diffusion Models" (UC San Diego 2024), Table 2. '
        "It gives no intervals, and its text says 0.84 for depth's Pearson.\n"
    )


def truth_page(summary: Mapping[str, Any]) -> str | None:
    """Write what a labeler's error is worth, as Markdown; None where no truth was known.

    All at the last step and each source's best layer, in the property's headline metric.
    """
    rows = []
    for name, found in summary["properties"].items():
        sources = found["sources"]
        if "labeler" in sources:
            cells = [_with_interval(sources[each]["final"]) for each in TRUTH_SOURCES]
            rows.append((name, metric_name(found["metric"]), *cells))
    if not rows:
        return None
    heads = ("property", "metric", "labeler", "probe", "taught", "judged")
    return (
        "**Table 3.** What a labeler's error is worth, in pictures whose labels are exact. "
        "`labeler`: its reading of the clean picture, held against the truth. `probe`: fitted to "
        "the truth and held against it. `taught`: fitted to the labeler's labels and held against "
        "the truth. `judged`: the same, held against the labeler's labels, which is all that "
        "can be done with generated pictures.\n\n" + markdown(heads, rows, left=2)
    )


def layer_page(model: str, layers: Sequence[Layer]) -> str:
    """Write Table 1 as Markdown: self-attention layers by block, in the order in which they run."""
    blocks: dict[tuple[str, tuple[int, int], int], list[str]] = {}
    for layer in layers:
        stage = ".".join(layer.name.split(".")[:-1][:2])
        blocks.setdefault((stage, layer.grid, layer.channels), []).append(layer.name)
    rows = [
        (
            stage,
            _block(stage),
            ", ".join(names) if len(names) < 4 else f"{names[0]} … {names[-1]}",
            str(len(names)),
            f"{grid[0]}×{grid[1]}",
            str(channels),
        )
        for (stage, grid, channels), names in blocks.items()
    ]
    heads = ("block", "in the literature", "layers", "count", "h×w", "c")
    return (
        f"**Table 1.** The {len(layers)} self-attention layers of {model} that were read, in the "
        "order in which they run.\n\n" + markdown(heads, rows, left=3)
    )


def block_rows(layers: Sequence[Layer]) -> list[tuple[str, str, str, str]]:
    """Count self-attention layers by block, as the literature's Table 1: name, count, h×w, c.

    A UNet has as many encoders as decoders; those without attention are rows too. Of any other
    model, all layers are one row.
    """
    sizes: dict[str, list[tuple[str, str]]] = {}
    stages = 0
    for layer in layers:
        kind, place = [*layer.name.split("."), ""][:2]
        name = _block(f"{kind}.{place}" if kind in ("down", "up") else kind)
        stages = max(stages, int(place) + 1 if kind in ("down", "up") else 0)
        size = f"{layer.grid[0]}×{layer.grid[1]}", str(layer.channels)
        sizes.setdefault(kind if name == UNKNOWN else name, []).append(size)
    encoders, decoders = (
        [f"{kind} {n}" for n in range(1, stages + 1)] for kind in ("Encoder", "Decoder")
    )
    names = [*encoders, "Bottleneck", *decoders] if stages else list(sizes)
    nowhere = [(UNKNOWN, UNKNOWN)]
    return [(name, str(len(sizes.get(name, []))), *sizes.get(name, nowhere)[0]) for name in names]


def _with_interval(found: Mapping[str, float | None]) -> str:
    mean, low, high = (fixed(number(found[part])) for part in ("mean", "low", "high"))
    return f"{mean} ({low} … {high})"


def _block(stage: str) -> str:
    """Name a UNet's stage as the literature does: encoders and decoders count from 1."""
    kind, _, place = stage.partition(".")
    known = {"down": "Encoder", "up": "Decoder"}
    if kind in known and place.isdigit():
        return f"{known[kind]} {int(place) + 1}"
    return "Bottleneck" if kind == "mid" else UNKNOWN


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: int) -> str:
    """Write a table, its first `left` columns flush left and the others flush right."""
    rule = ["---"] * left + ["--:"] * (len(heads) - left)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (heads, rule, *rows))
