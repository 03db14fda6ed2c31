"""Write a site: the built page, the run's numbers and pictures, and maps of some prompts.

The folder is made beside its place and renamed into it: a site is there as a whole or not at all.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image, ImageOps

from ..core.errors import RunError
from ..core.pictures import read_rgb
from ..core.prompts import Prompt
from ..core.properties import PROPERTIES
from ..models.layers import Layer
from ..runs.runs import (
    Run,
    check_run,
    read_settings,
    read_split,
    read_summary,
    read_table,
)
from ..scores.scores import Curves, ScoreKey, Scores, curves
from ..study.looks import PICTURE_PX
from ..study.showing import shown_of
from ..study.study import Study, places_to_show
from .card import draw_card
from .folder import STATIC, replaced
from .maps import Sheets, draw_sheets
from .numbers import from_worst, page_numbers, plain, prompt_rows, rounded, score_table
from .packed import pack_files
from .painting import reason_against, reason_here, write_paint
from .refreshing import copy_downloads, installed, write_later

THUMB_PX = 128
THUMBS_A_SHEET = 64
"""A sheet of thumbnails is one column. Fetched one by one they would make a list slow to scroll."""

Progress = Callable[[int, int], None]
"""Called with prompts drawn and prompts in all."""


def export(
    run: Run,
    site: Path,
    *,
    again: Callable[[], Study] | None,
    prompts: int,
    progress: Progress,
    paint: bool = False,
    grammar: Mapping[str, Any] | None = None,
    compared: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> dict[str, int]:
    """Write the site of a finished run.

    Args:
        run: With its summary, scores and pictures.
        site: A folder that is not there yet, or a site, which is replaced.
        again: Gives the run's study, with its model: asked where a picture's maps were not kept,
            or to paint with. None leaves out both maps and painting.
        prompts: Of how many test prompts to draw maps: see `study.places_to_show`.
        progress: Told of maps drawn.
        paint: Add the model itself, for visitors to paint with, if it is one for browsers.
        grammar: Words that they may choose from; see `write_paint`.
        compared: What `scores.compare` says of this run beside others; None offers no such view.
        say: Told why there is no paint view, where one was asked for.

    Returns:
        How many test prompts the site shows, of how many it has maps, and its size in bytes.

    Raises:
        RunError: if the run is not finished or of another model, or the folder holds anything else.
    """
    settings, summary = read_settings(run), read_summary(run)
    test_prompts = read_split(run, "test")
    scores = read_table(run.scores)
    test = curves(Scores(scores), "test")
    rows = prompt_rows(test_prompts, summary, test)
    once = None if again is None else cache(partial(_checked, again, settings))
    painter = _painter(once, settings, say) if paint and once else None
    with replaced(site) as folder:
        left_out = ("build.json", "widget.js", *(() if painter else ("*.wasm",)))
        ignored = shutil.ignore_patterns(*left_out)
        shutil.copytree(STATIC, folder, dirs_exist_ok=True, ignore=ignored)
        if painter is not None:
            into = folder / "data" / "paint"
            best_first = [test_prompts[at] for at in reversed(from_worst(rows))]
            how = {"layers": painter.layers, "prompts": best_first, "grammar": grammar}
            write_paint(run, into, painter.model, **how)
        _copy_pictures(run, folder, test_prompts)
        files = _copy_downloads(run, folder, scores, score_table(test_prompts, summary, test))
        drawn = places_to_show(len(rows), prompts) if once else []
        layers = _draw_maps(run, folder, once, drawn, test, summary, progress, say) if once else ()
        if not layers and painter is not None:
            layers = painter.layers
        for place, row in enumerate(rows):
            sheet, below = divmod(place, THUMBS_A_SHEET)
            row |= {"has_maps": place in drawn, "thumb": {"sheet": sheet, "place": below}}
        numbers = page_numbers(settings, summary, layers=layers, files=files, version=installed())
        numbers["has"] = {
            **write_later(run, folder / "data"),
            "paint": painter is not None,
            "compare": compared is not None,
        }
        if drawn:  # the one in the middle by score: neither the best nor the worst read
            by_score = [place for place in from_worst(rows) if place in drawn]
            numbers["first"] = rows[by_score[len(by_score) // 2]]["index"]
        if compared is not None:
            _write_json(folder / "data" / "compare.json", rounded(compared))
        _write_json(folder / "data" / "run.json", numbers)
        _write_json(folder / "data" / "prompts.json", rows)
        _write_json(folder / "data" / "drawn.json", [row for row in rows if row["has_maps"]])
        card = draw_card(
            [_read_picture(run, each) for each in test_prompts[:12]],
            title="The scene inside a diffusion model",
            note=f"{Path(summary['model']).name}: {len(test_prompts)} test pictures",
        )
        card.save(folder / "card.png")
        pack_files(folder)
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    return {"prompts": len(rows), "maps": len(drawn), "bytes": size}


def _checked(again: Callable[[], Study], settings: Mapping[str, Any]) -> Study:
    study = again()
    check_run(settings, study.model)
    return study


def _painter(
    once: Callable[[], Study], settings: Mapping[str, Any], say: Callable[[str], None]
) -> Study | None:
    """Give whose model visitors paint with; None, and why, where they cannot."""
    against, study = reason_here(), None
    if not against:
        study = once()
        against = reason_against(study.model, settings, study.layers)
    if against:
        say(f"No paint view: {against}")
        return None
    return study


def _copy_pictures(run: Run, folder: Path, prompts: tuple[Prompt, ...]) -> None:
    """Shrink final pictures to what a page shows, alone and as thumbnails in sheets."""
    for first in range(0, len(prompts), THUMBS_A_SHEET):
        some = prompts[first : first + THUMBS_A_SHEET]
        thumbs = Image.new("RGB", (THUMB_PX, THUMB_PX * len(some)))
        for place, prompt in enumerate(some):
            picture = _read_picture(run, prompt)
            thumbs.paste(ImageOps.fit(picture, (THUMB_PX, THUMB_PX)), (0, THUMB_PX * place))
            picture.thumbnail((PICTURE_PX * 2, PICTURE_PX * 2))
            _save(picture, folder / "data" / "images" / f"{prompt.index or 0:05d}.webp")
        _save(thumbs, folder / "data" / "thumbs" / f"{first // THUMBS_A_SHEET}.webp")


def _read_picture(run: Run, prompt: Prompt) -> Image.Image:
    path = run.folder / "images" / f"{prompt.index or 0:05d}.png"
    try:
        return read_rgb(path)
    except OSError as error:
        raise RunError(
            f"Cannot read {path} ({error}). Restore it, or do the run again in another folder."
        ) from error


def _copy_downloads(run: Run, folder: Path, scores: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """Copy what people may want to keep, scores in as few bytes as will do, and list it."""
    downloads = folder / "downloads"
    downloads.mkdir()
    packing = {"method": "gzip", "mtime": 0}
    table.to_csv(downloads / "scores.csv.gz", index=False, compression=packing)
    small = scores.astype({"value": "float32"})
    small.to_parquet(downloads / run.scores.name, index=False, compression="zstd")
    return copy_downloads(run, downloads)


def _draw_maps(
    run: Run,
    folder: Path,
    again: Callable[[], Study],
    drawn: list[int],
    test: Mapping[ScoreKey, Curves],
    summary: Mapping[str, Any],
    progress: Progress,
    say: Callable[[str], None],
) -> tuple[Layer, ...]:
    """Write maps of these places in the test split; give the layers that they are of."""
    prompts, layers = read_split(run, "test"), ()
    properties = [PROPERTIES[name] for name in read_settings(run)["properties"]]
    place_of = {prompts[place]: place for place in drawn}
    for done, shown in enumerate(shown_of(run, list(place_of), again, say), start=1):
        into = folder / "data" / "maps" / f"{shown.prompt.index or 0:05d}"
        by_layer = _by_layer(place_of[shown.prompt], test, summary)
        _write_sheets(into, draw_sheets(shown, properties), by_layer)
        layers = shown.layers
        progress(done, len(drawn))
    return layers


def _by_layer(
    place: int, test: Mapping[ScoreKey, Curves], summary: Mapping[str, Any]
) -> dict[str, dict[str, list[float | None]]]:
    """Give one picture's headline scores of the probe, by property and layer."""
    found: dict[str, dict[str, list[float | None]]] = {}
    for key, each in test.items():
        metric = summary["properties"].get(key.property, {}).get("metric")
        if (key.source, key.metric) == ("probe", metric):
            found.setdefault(key.property, {})[key.layer] = plain(each.values[place])
    return found


def _write_sheets(into: Path, sheets: Sheets, by_layer: Mapping[str, Any]) -> None:
    for name, image in sheets.images.items():
        _save(image, into / name, lossless=name.endswith("-probe.webp"))
    _write_json(into / "maps.json", {**sheets.notes, "scores": by_layer})


def _save(image: Image.Image, path: Path, *, lossless: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Where nothing is lost, `quality` is how hard to try: a hundredth smaller took twice as long.
    how = {"quality": 20, "method": 1} if lossless else {"quality": 80, "method": 4}
    image.save(path, format="WEBP", lossless=lossless, **how)


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, separators=(",", ":")), encoding="utf-8")
