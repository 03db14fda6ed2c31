"""Pictures of an edit at several strengths, kept in a run's folder so that they can be looked at.

    edits/NAME/frames.json               how it was edited, and what each picture scored
    edits/NAME/00012/before.png          and target.png
    edits/NAME/00012/strength-3.png      and strength-3-mask.png: where the labeler sees the object

`frames.json` is written last and taken away first: where it is, all pictures that it names are.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.pictures import write_picture
from ..runs.runs import Run, read_json, write_json
from .experiments import Shown
from .trials import MEASURES, Trial

STRENGTHS = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0)
"""Of the frames beside the trial's own: the range whose effect has been measured."""


def strengths_of(trial: Trial) -> tuple[float, ...]:
    """Say at which strengths frames are kept."""
    return tuple(sorted({*STRENGTHS, trial.strength} - {0.0}))


def write_frames(
    run: Run,
    name: str,
    trial: Trial,
    found: Mapping[float, tuple[pd.DataFrame, Sequence[Shown]]],
) -> Path:
    """Keep what `edit_frames` made, in place of what was kept under that name; return its folder.

    Args:
        name: Of a folder below edits/.
        trial: How it was edited, but for the strengths.
        found: By strength; the same pictures at each.
    """
    folder = run.folder / "edits" / name
    (folder / "frames.json").unlink(missing_ok=True)
    pictures: dict[int, dict[str, Any]] = {}
    for strength, (rows, shown) in found.items():
        scores = rows.set_index("image")
        for each in shown:
            index = each.prompt.index or 0
            place = folder / f"{index:05d}"
            if index not in pictures:
                write_picture(place / "before.png", each.before)
                write_picture(place / "target.png", each.target.expand(3, -1, -1))
                words = {"index": index, "text": each.prompt.text, "seed": each.prompt.seed}
                pictures[index] = {**words, **{measure: [] for measure in MEASURES}}
            write_picture(place / f"strength-{strength:g}.png", each.after)
            write_picture(place / f"strength-{strength:g}-mask.png", each.mask.expand(3, -1, -1))
            for measure in MEASURES:
                pictures[index][measure].append(_plain(scores.loc[index, measure]))
    words = {**asdict(trial), "strengths": list(found), "pictures": list(pictures.values())}
    write_json(folder / "frames.json", words)
    return folder


def read_frames(run: Run) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give each kept edit's folder and its frames.json, by name.

    Raises:
        RunError: if one is damaged.
    """
    for path in sorted((run.folder / "edits").glob("*/frames.json")):
        yield path.parent, read_json(path)


def _plain(value: Any) -> float | None:
    # JSON has neither NaN nor infinity.
    return float(value) if math.isfinite(value) else None
