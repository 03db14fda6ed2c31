"""The whole study, stage by stage: generate, label, fold, fit, score, summarise."""

import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add
from pathlib import Path

import torch
from jaxtyping import Float64
from torch import Tensor, nn

from .errors import PromptError
from .files import held
from .fitting import fit, fit_scaled
from .labelers import Labeler
from .layers import Layer
from .models import Model
from .plots import draw_all
from .prompts import Prompt, Split, plain
from .properties import Property
from .runs import (
    Run,
    read_moments,
    read_table,
    update_summary,
    write_images,
    write_moments,
    write_probes,
    write_prompts,
    write_table,
)
from .scores import Scores, tabulate
from .scoring import (
    LATENTS,
    RANDOM,
    Batch,
    MeanMap,
    Sums,
    choose_thresholds,
    extend,
    joint_columns,
    labelled,
    readings,
    score,
    unshuffled,
)
from .shards import (
    ReadMaps,
    checked,
    clear,
    held_path,
    read_held,
    read_held_maps,
    read_sums,
    scores_path,
    write_held,
    write_sums,
)
from .summaries import summarise
from .traces import trace

TUNING_SHARE = 8
"""One in so many training images chooses penalties instead of fitting weights."""

SUMS_EVERY = 64
"""About how many training pictures a killed run may have to draw again."""

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, images done, and images in all."""


@dataclass(frozen=True)
class Study:
    """What to study, and how. `control` is a permuted denoiser for the source "random", or None."""

    model: Model
    labelers: tuple[Labeler, ...]
    properties: tuple[Property, ...]
    layers: tuple[Layer, ...]
    split: Split
    steps: int
    guidance: float
    batch: int
    control: nn.Module | None = None


def carry_out(
    study: Study, run: Run, progress: Progress, say: Callable[[str], None] = lambda _line: None
) -> dict:
    """Do every stage and write what it finds; return the summary that `show --json` prints.

    What is there already and whole is not done again, wherever a run before this was cut: the
    numbers are those of a run that never was. Only "cost" tells: it counts this time alone, and
    `overhead` is None where nothing was left to generate.

    Args:
        study: What to do. On one folder always the same, batch included.
        run: Where to.
        progress: Told how far each pass is.
        say: Told a line for each file that was damaged and is made again.

    Raises:
        RunError: if the folder cannot be written, or another process is writing it.
    """
    with held(run.folder):
        return _carry_out(study, run, progress, say)


def _carry_out(study: Study, run: Run, progress: Progress, say: Callable[[str], None]) -> dict:
    begun = time.perf_counter()
    spent: dict[str, float] = {"generation": 0.0}
    parts = {part: getattr(study.split, part) for part in ("train", "validation", "test")}
    write_prompts(run, parts)
    if not checked(run.moments, say):
        _fold_all(study, run, progress, spent, say)
    clear(run, "tuning", "training")
    if not (checked(run.scores, say) and checked(run.probes, say)):
        _score_all(study, run, progress, spent, say)
    clear(run, "validation", "scores")
    properties = summarise(Scores(read_table(run.scores)), study.properties)
    seconds = time.perf_counter() - begun
    generation = spent["generation"]
    entries = {
        "schema": 1,
        "model": study.model.name,
        "steps": study.steps,
        "images": {part: len(prompts) for part, prompts in parts.items()},
        "properties": properties,
        "cost": {
            "seconds": seconds,
            "seconds_generation": generation,
            "overhead": seconds / generation if generation else None,
            "peak_rss_mb": _peak_rss_mb(),
            "peak_vram_mb": _peak_vram_mb(study.model.device),
        },
    }
    draw_all(entries, run.figures, layers=study.layers)
    return update_summary(run, entries)


def _peak_rss_mb() -> float:
    """Give the most memory this process has held. Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _peak_vram_mb(device: torch.device) -> float | None:
    """Give the most memory this process has held on a CUDA device; None on any other."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else None


def _batches(study: Study, prompts: Sequence[Prompt], spent: dict[str, float]) -> Iterator[Batch]:
    for first in range(0, len(prompts), study.batch):
        begun = time.perf_counter()
        traced = trace(
            study.model,
            prompts[first : first + study.batch],
            steps=study.steps,
            guidance=study.guidance,
            layers=study.layers,
            shadow=study.control,
        )
        spent["generation"] += time.perf_counter() - begun
        yield labelled(traced, study.labelers, study.properties)


def _fold_all(
    study: Study,
    run: Run,
    progress: Progress,
    spent: dict[str, float],
    say: Callable[[str], None],
) -> None:
    """Pass 1: fold the training pictures, a share of them apart for choosing penalties."""
    prompts = study.split.train
    cut = len(prompts) // TUNING_SHARE
    if cut == 0:
        raise PromptError(
            f"{len(prompts)} training prompts are too few to fit probes and choose penalties. "
            f"Use at least {TUNING_SHARE} (about {2 * TUNING_SHARE} prompts in all)."
        )
    every = max(1, SUMS_EVERY // study.batch) * study.batch
    folded: dict[str, Sums] = {}
    done = 0
    for name, part in (("tuning", prompts[:cut]), ("training", prompts[cut:])):
        sums = read_sums(run, name, study.model.device, say)
        progress("training pictures", done + sums.images, len(prompts))
        for batch in _batches(study, part[sums.images :], spent):
            sums = extend(sums, batch)
            write_images(run, batch.trace.images, batch.trace.prompts)
            if sums.images % every == 0 or sums.images == len(part):
                write_sums(run, name, sums)
            progress("training pictures", done + sums.images, len(prompts))
        folded[name] = sums
        done += sums.images
    position = {
        key: folded["tuning"].position[key] + each
        for key, each in folded["training"].position.items()
    }
    write_moments(run, {name: each.moments for name, each in folded.items()}, position)


def _score_all(
    study: Study,
    run: Run,
    progress: Progress,
    spent: dict[str, float],
    say: Callable[[str], None],
) -> None:
    """Pass 2: thresholds from the validation pictures, then scores of both held-out splits.

    Validation pictures leave on disk what is read from them until thresholds are chosen; test
    pictures are scored and forgotten batch by batch.
    """
    sums, position = read_moments(run, study.model.device)
    own = [layer.name for layer in study.layers]  # as they run, not by alphabet
    names = [*own, *LATENTS, *(RANDOM + name for name in own if study.control is not None)]
    cells = [(name, step) for name in names for step in range(study.steps)]
    training = {cell: sums["training"][cell] for cell in cells}
    fitted = fit_scaled if study.model.is_transformer else fit
    probes = fitted(training, sums["tuning"], joint_columns(study.properties))

    validation, test = study.split.validation, study.split.test
    total = len(validation) + len(test)
    seen = partial(progress, "held-out pictures")
    places = range(0, len(validation), study.batch)
    for first in places:
        if not checked(held_path(run, first), say):
            (batch,) = _batches(study, validation[first : first + study.batch], spent)
            write_held(held_path(run, first), batch, readings(probes, batch))
            write_images(run, batch.trace.images, batch.trace.prompts)
        seen(min(first + study.batch, len(validation)), total)
    thresholds = _thresholds(study, [held_path(run, first) for first in places], position)

    def scored(first: int, part: str, batch: Batch, read_maps: ReadMaps) -> None:
        blocks = score(
            study.model,
            study.labelers,
            study.properties,
            batch,
            layers=study.layers,
            read_maps=read_maps,
            thresholds=thresholds,
            position=position,
            drawn=part == "test",
        )
        prompts = batch.trace.prompts
        texts = [plain(prompt.text) for prompt in prompts]
        numbers = list(range(first, first + len(prompts)))
        table = tabulate(blocks, images=numbers, prompts=texts, splits=[part] * len(prompts))
        write_table(scores_path(run, first), table.rows)

    tables = [scores_path(run, first) for first in places]
    for first in places:
        if not checked(scores_path(run, first), say):
            some = validation[first : first + study.batch]
            batch, maps = read_held(held_path(run, first), some, study.model.device)
            scored(first, "validation", batch, maps)
    for first in range(0, len(test), study.batch):
        number = len(validation) + first
        tables.append(scores_path(run, number))
        if not checked(tables[-1], say):
            (batch,) = _batches(study, test[first : first + study.batch], spent)
            scored(number, "test", batch, readings(probes, batch))
            write_images(run, batch.trace.images, batch.trace.prompts)
        seen(min(number + study.batch, total), total)

    masks = {
        (name, layer, step): float(at)
        for (name, layer), cuts in thresholds.items()
        for step, at in enumerate(cuts)
    }
    cut = {key: replace(probe, threshold=masks.get(key)) for key, probe in probes.items()}
    write_probes(run, cut)
    # Read back, so that rows are the same whether they were scored now or before a cut.
    write_table(run.scores, reduce(add, (Scores(read_table(path)) for path in tables)).rows)


def _thresholds(
    study: Study, paths: Sequence[Path], position: Mapping[str, MeanMap]
) -> dict[tuple[str, str], Float64[Tensor, "step"]]:
    masks = [each for each in study.properties if each.is_binary]
    if not masks:
        return {}
    names = {each.name for each in masks}
    parts = [
        read_held_maps(path, study.model.device, lambda name: unshuffled(name) in names)
        for path in paths
    ]
    labels = {key: torch.cat([part[0][key] for part in parts]) for key in parts[0][0]}
    maps = {key: torch.cat([part[1][key] for part in parts], dim=1) for key in parts[0][1]}
    return choose_thresholds(masks, maps, labels, position)
