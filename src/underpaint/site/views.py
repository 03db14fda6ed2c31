"""What two views show beside the run itself: edits at every strength, and who names a picture when.

Either is there only if its command was run: `underpaint edit` and `underpaint classify`.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd
from PIL import Image

from ..core.errors import RunError
from ..core.pictures import read_rgb
from ..runs.runs import Run, has_classes, read_json, read_settings, read_table
from ..steering.frames import read_frames
from .numbers import rounded

FRAME_PX = 256
"""Frames of greater pictures are shrunk to this."""


def write_edits(run: Run, folder: Path) -> bool:
    """Pack the frames of each kept edit, and list the edits in `index.json`.

    A picture of an edit becomes two sheets of one row of tiles: `INDEX.webp`, as it was and at each
    strength, and `INDEX-mask.webp`, the target and where the labeler sees the object at each.

    Returns:
        Whether there is any edit to show.

    Raises:
        RunError: if a picture that is named is not there.
    """
    edits = []
    for number, (place, words) in enumerate(read_frames(run)):
        strengths = [f"strength-{each:g}" for each in words["strengths"]]
        for picture in words["pictures"]:
            name = f"{picture['index']:05d}"
            after = _row(place / name, ["before", *strengths])
            masks = _row(place / name, ["target", *(f"{each}-mask" for each in strengths)])
            into = folder / str(number)
            into.mkdir(parents=True, exist_ok=True)
            after.save(into / f"{name}.webp", quality=88, method=4)
            masks.convert("L").save(into / f"{name}-mask.webp", lossless=True, method=4)
            picture["size"] = [after.width // (len(strengths) + 1), after.height]
        edits.append({**words, "folder": str(number)})
    if edits:
        _write(folder / "index.json", edits)
    return bool(edits)


def write_recognition(run: Run, path: Path) -> bool:
    """Write each test picture's likeliest classes, and at which steps each source is right.

    Returns:
        Whether there is anything to show: `classify` was run.
    """
    if not has_classes(run):
        return False
    found = read_json(run.summary)["classify"]
    seen, classes = read_table(run.probabilities), read_table(run.classes)
    pictures: dict[int, dict[str, Any]] = {}
    steps = read_settings(run)["steps"]
    for (index, source), rows in _groups(seen, ["prompt_index", "source"]):
        own = pictures.setdefault(int(index), {"probabilities": {}, "hits": {}})
        own["probabilities"][source] = [
            {"class": name, "by_step": _every_step(each, "probability", steps)}
            for (name,), each in _groups(rows, ["class"])
        ]
    index_of = dict(zip(seen["image"].tolist(), seen["prompt_index"].tolist(), strict=True))
    named = pd.DataFrame(classes[(classes["metric"] == "top1") & (classes["split"] == "test")])
    layers = {source: each["layer"] or "" for source, each in found["sources"].items()}
    for (source, layer, image), rows in _groups(named, ["source", "layer", "image"]):
        if layers.get(source) == layer:
            hits = _every_step(rows, "value", steps)
            pictures[index_of[image]]["hits"][source] = [
                None if x is None else int(x) for x in hits
            ]
    _write(path, {"pictures": pictures})
    return True


def _every_step(rows: pd.DataFrame, column: str, steps: int) -> list[float | None]:
    """Give a value for every step: None where none was looked at."""
    found = dict(zip(rows["step"].tolist(), rounded(rows[column].tolist()), strict=True))
    return [found.get(step) for step in range(steps)]


def _groups(rows: pd.DataFrame, by: list[str]) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    for key, own in rows.groupby(by, sort=False, observed=True):
        yield cast(tuple[Any, ...], key), own


def _row(folder: Path, names: Sequence[str]) -> Image.Image:
    tiles = []
    for name in names:
        path = folder / f"{name}.png"
        try:
            tile = read_rgb(path)
        except OSError as error:
            raise RunError(f"Cannot read {path} ({error}). Run `underpaint edit` again.") from error
        tile.thumbnail((FRAME_PX, FRAME_PX))
        tiles.append(tile)
    row = Image.new("RGB", (sum(tile.width for tile in tiles), tiles[0].height))
    left = 0
    for tile in tiles:
        row.paste(tile, (left, 0))
        left += tile.width
    return row


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, separators=(",", ":")), encoding="utf-8")
