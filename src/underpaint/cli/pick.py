"""`underpaint pick`: stop many seeds early, and finish those that read most like what is wanted."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from rich.progress import Progress

from ..core.arrays import normalise
from ..core.errors import PickError, RunError
from ..core.files import held
from ..core.numbers import or_null
from ..core.pictures import name_apart, write_picture
from ..core.prompts import Prompt
from ..core.properties import DEPTH, PROPERTIES, SALIENCY
from ..figures.sheets import draw_sheet
from ..labelers import Labeler, label, labelers_for
from ..models import Model
from ..models.layers import Layer, find_layers
from ..probes.live import preview_taps
from ..runs import runs
from ..scores.intervals import interval
from ..steering.picks import (
    Finished,
    Search,
    Watch,
    Wish,
    Worth,
    calls_spent,
    check_search,
    finish,
    judge,
    start,
)
from ..steering.setups import open_to_read
from ..steering.targets import read_map, read_mask
from .moved import model_of
from .options import PATIENCE_S
from .progress import progress_bar


@dataclass(frozen=True)
class Asked:
    """What the command line says: an option each."""

    out: Path
    mask: Path | None
    depth: Path | None
    like: int | None
    texts: tuple[str, ...]
    candidates: int
    keep: int
    stop_at: int
    score: bool
    preview: bool
    batch: int
    seed: int
    device: str
    dtype: str


def pick(**words: Any) -> None:
    """Carry out `underpaint pick`, as its options say."""
    asked = Asked(**words)
    run = runs.find_run(asked.out)
    settings = runs.read_settings(run)
    found = runs.read_summary(run)["properties"]
    model = model_of(settings, device=asked.device, dtype=asked.dtype)
    labelers = labelers_for(model, settings.get("labeled_by"))
    maps, target = _targets(run, model, labelers, list(found), asked)
    by_name = {layer.name: layer for layer in find_layers(model)}
    best = {name: by_name[each["best_layer"]] for name, each in found.items()}
    search = Search(
        opened=open_to_read(run, model, labelers, batch=asked.batch),
        wishes=tuple(Wish(PROPERTIES[name], each, best[name]) for name, each in maps.items()),
        keep=asked.keep,
        stop_at=asked.stop_at,
    )
    check_search(search, asked.candidates)
    watch = _watch(run, search, best) if asked.preview else None
    texts = asked.texts or (_default_text(run, asked.like),)
    with progress_bar() as bar:
        every = [_pick_one(run, search, text, target, bar, asked, watch) for text in texts]
    worths = [worth for worth in every if worth]
    entry = _entry(search, asked, target, texts)
    if asked.score:
        entry["score"] = _scored(worths, list(texts))
    _keep(run, entry)
    spent, whole = entry["calls"], entry["calls_of_all"]
    click.echo(f"{spent} of {whole} denoiser calls ({spent / whole:.0%}).{_line(entry)}")


def _entry(search: Search, asked: Asked, target: str, texts: Sequence[str]) -> dict[str, Any]:
    """Say what was searched for, and what it cost, for the summary."""
    spent, whole = calls_spent(search, asked.candidates)
    return {
        "target": target,
        "prompts": list(texts),
        "candidates": asked.candidates,
        "keep": asked.keep,
        "stop_at": asked.stop_at,
        "seed": asked.seed,
        "calls": spent,
        "calls_of_all": whole,
        "calls_share": spent / whole,
    }


def _pick_one(
    run: runs.Run,
    search: Search,
    text: str,
    words: str,
    bar: Progress,
    asked: Asked,
    watch: Watch | None,
) -> Worth | None:
    """Search among the seeds of one prompt, keep the pictures, and judge if all are finished."""
    tasks: dict[str, int] = {}

    def report(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = bar.add_task(f"{stage}: {text[:30]}", total=total)
        bar.update(tasks[stage], completed=done)  # pyright: ignore[reportArgumentType]

    count, seed = asked.candidates, asked.seed
    prompts = [Prompt(text, seed + number, number) for number in range(count)]
    stopped = start(search, prompts, report, watch=watch)
    chosen = stopped.ranking[: search.keep]
    places = stopped.ranking if asked.score else chosen
    finished = finish(search, stopped, places, report, watch=watch)
    best = Finished(tuple(chosen), finished.images[: search.keep], finished.scores[: search.keep])
    settings = {"words": words, "text": text, "count": count, "seed": seed}
    settings |= {"keep": search.keep, "stop_at": search.stop_at}
    name = name_apart(f"{words} {text}", settings)
    path = run.figures / f"pick-{name}.png"
    draw_sheet(search.wishes, stopped, best, stop_at=search.stop_at, path=path)
    runs.write_picks(run, name, best.images, [prompts[place].seed for place in chosen])
    seeds = ", ".join(str(prompts[place].seed) for place in chosen)
    click.echo(f"{text}: seeds {seeds}\nPicture: {path}")
    return judge(search, stopped, finished) if asked.score else None


def _watch(run: runs.Run, search: Search, layers: Mapping[str, Layer]) -> Watch:
    """Keep figures/preview-PROPERTY.png at what was read last; say on stderr where that is."""
    paths = {name: run.figures / f"preview-{name}.png" for name in layers}
    click.echo(f"Watch {', '.join(map(str, paths.values()))}", err=True)

    def show(_step: int, name: str, picture: torch.Tensor) -> None:
        write_picture(paths[name], picture)

    return lambda prompts: preview_taps(
        layers, search.opened.probes, images=len(prompts), show=show
    )


def _targets(
    run: runs.Run,
    model: Model,
    labelers: tuple[Labeler, ...],
    known: list[str],
    asked: Asked,
) -> tuple[dict[str, torch.Tensor], str]:
    """Make the wanted maps by property, and say in words what they are."""
    mask, depth, like = asked.mask, asked.depth, asked.like
    if (like is None) == (mask is None and depth is None):
        raise PickError(
            "A search needs something to look for. Give --mask, --depth or both, or else --like."
        )
    maps: dict[str, torch.Tensor] = {}
    if like is not None:
        image = runs.read_image(run, runs.find_prompt(run, like))[None].to(model.device)
        properties = [PROPERTIES[name] for name in known]
        for each in properties:
            seen = normalise(each, label(labelers, properties, image)[each.name])[0]
            maps[each.name] = (seen > 0.5).float() if each.is_binary else seen
        return maps, f"like {like}"
    if mask is not None:
        maps[SALIENCY.name] = read_mask(mask, model.resolution)
    if depth is not None:
        maps[DEPTH.name] = normalise(DEPTH, read_map(depth, model.resolution)[None])[0]
    if missing := [name for name in maps if name not in known]:
        raise RunError(
            f"The run has no probes of {missing[0]}. Run it again with that among --properties."
        )
    paths = {"mask": mask, "depth": depth}
    return maps, ", ".join(f"{name} {path.name}" for name, path in paths.items() if path)


def _default_text(run: runs.Run, like: int | None) -> str:
    return (runs.read_split(run, "test")[0] if like is None else runs.find_prompt(run, like)).text


def _scored(worths: list[Worth], prompts: list[str]) -> dict:
    """Give each measure's mean over prompts, with an interval where there are several."""
    entry = {}
    for name in asdict(worths[0]):
        values = np.array([getattr(worth, name) for worth in worths], dtype=np.float64)
        entry[name] = {
            part: or_null(value) for part, value in asdict(interval(values, prompts)).items()
        }
    return entry


def _keep(run: runs.Run, entry: dict) -> None:
    """Add an entry to "pick" in the summary, in place of that of the same search."""
    names = ("target", "prompts", "candidates", "keep", "stop_at", "seed")
    with held(run.folder, patience_s=PATIENCE_S):
        kept = runs.read_summary(run).get("pick", [])
        known = [each for each in kept if isinstance(each, dict)] if isinstance(kept, list) else []
        others = [each for each in known if any(each.get(name) != entry[name] for name in names)]
        runs.update_summary(run, {"pick": [*others, entry]})


def _line(entry: dict) -> str:
    if "score" not in entry:
        return ""
    mean = {name: each["mean"] for name, each in entry["score"].items()}
    said = {name: "–" if value is None else f"{value:.2f}" for name, value in mean.items()}
    return (
        f" Rank correlation with the final score {said['rank_correlation']} (estimate "
        f"{said['estimate_rank_correlation']}); kept {said['kept']}, random {said['random']}, best "
        f"{said['best']}: {said['share']} of a full search's gain."
    )
