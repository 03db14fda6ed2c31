"""The whole study, stage by stage: generate, label, fold, fit, score, summarise."""

import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import torch
from torch import nn

from .errors import PromptError
from .fitting import fit
from .labelers import Labeler
from .layers import Layer
from .models import Model
from .moments import Cell, Moments, merge
from .plots import draw_all
from .probes import Probe, ProbeKey
from .prompts import Prompt, Split
from .properties import Property
from .runs import (
    Run,
    read_moments,
    write_images,
    write_moments,
    write_probes,
    write_prompts,
    write_summary,
    write_table,
)
from .scores import Scores, tabulate
from .scoring import (
    LATENTS,
    RANDOM,
    Batch,
    MeanMap,
    choose_thresholds,
    fold,
    joint_columns,
    labelled,
    mean_maps,
    readings,
    score,
)
from .summaries import summarise
from .traces import trace

TUNING_SHARE = 8
"""One in so many training images chooses penalties instead of fitting weights."""

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


def carry_out(study: Study, run: Run, progress: Progress) -> dict:
    """Do every stage and write what it finds; return the summary that `show --json` prints.

    The first pass is not done again where its sums are on disk; its time then counts as nothing.
    """
    begun = time.perf_counter()
    spent: dict[str, float] = {"generation": 0.0}
    parts = {part: getattr(study.split, part) for part in ("train", "validation", "test")}
    write_prompts(run, parts)
    if not run.moments.exists():
        write_moments(run, *_fold_all(study, run, progress, spent))
    sums, position = read_moments(run, study.model.device)
    own = [layer.name for layer in study.layers]  # as they run, not by alphabet
    names = [*own, *LATENTS, *(RANDOM + name for name in own if study.control is not None)]
    cells = [(name, step) for name in names for step in range(study.steps)]
    training = {cell: sums["training"][cell] for cell in cells}
    probes = fit(training, sums["tuning"], joint_columns(study.properties))
    scores, probes = _score_all(study, run, probes, position, progress, spent)
    write_probes(run, probes)
    write_table(run.scores, scores.rows)
    seconds = time.perf_counter() - begun
    summary = {
        "schema": 1,
        "model": study.model.name,
        "steps": study.steps,
        "images": {part: len(prompts) for part, prompts in parts.items()},
        "properties": summarise(scores, study.properties),
        "cost": {
            "seconds": seconds,
            "seconds_generation": spent["generation"],
            "overhead": seconds / spent["generation"],
            "peak_rss_mb": _peak_rss_mb(),
        },
    }
    draw_all(summary, run.figures, layers=study.layers)
    write_summary(run, summary)
    return summary


def _peak_rss_mb() -> float:
    """Give the most memory this process has held. Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


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
    study: Study, run: Run, progress: Progress, spent: dict[str, float]
) -> tuple[dict[str, dict[Cell, Moments]], dict[str, MeanMap]]:
    """Pass 1: fold the training pictures, a share of them apart for choosing penalties."""
    prompts = study.split.train
    cut = len(prompts) // TUNING_SHARE
    if cut == 0:
        raise PromptError(
            f"{len(prompts)} training prompts are too few to fit probes and choose penalties. "
            f"Use at least {TUNING_SHARE} (about {2 * TUNING_SHARE} prompts in all)."
        )
    position: dict[str, MeanMap] = {}
    sums: dict[str, dict[Cell, Moments]] = {}
    done = 0
    for name, part in (("tuning", prompts[:cut]), ("training", prompts[cut:])):
        folded: dict[Cell, Moments] = {}
        before = None
        for batch in _batches(study, part, spent):
            moments, before = fold(batch, before)
            folded = merge(folded, moments)
            means = mean_maps(batch)
            position = {key: position[key] + means[key] for key in means if position} or means
            write_images(run, batch.trace.images, batch.trace.prompts)
            done += len(batch.trace.prompts)
            progress("training pictures", done, len(prompts))
        sums[name] = folded
    return sums, position


def _score_all(
    study: Study,
    run: Run,
    probes: Mapping[ProbeKey, Probe],
    position: Mapping[str, MeanMap],
    progress: Progress,
    spent: dict[str, float],
) -> tuple[Scores, dict[ProbeKey, Probe]]:
    """Pass 2: thresholds from the validation pictures, then scores of both held-out splits.

    Validation pictures are kept as what is read from them, a few hundred kilobytes each, until
    thresholds are chosen; test pictures are scored and forgotten batch by batch.
    """
    held: list[Batch] = []
    reads = []
    total = len(study.split.validation) + len(study.split.test)
    for batch in _batches(study, study.split.validation, spent):
        reads.append(readings(probes, batch))
        bare = replace(batch.trace, activations={}, shadows={})
        held.append(replace(batch, trace=bare, readable={}))
        progress("held-out pictures", sum(len(b.trace.prompts) for b in held), total)
    joined = {key: torch.cat([each[key] for each in reads], dim=1) for key in reads[0]}
    labels = {name: torch.cat([batch.labels[name] for batch in held]) for name in held[0].labels}
    thresholds = choose_thresholds(study.properties, joined, labels, position)
    scores: list[Scores] = []
    number = 0

    def scored(batch: Batch, read_maps: dict, part: str) -> Scores:
        nonlocal number
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
        numbers = range(number, number := number + len(prompts))
        write_images(run, batch.trace.images, prompts)
        texts = [" ".join(prompt.text.casefold().split()) for prompt in prompts]
        return tabulate(blocks, images=list(numbers), prompts=texts, splits=[part] * len(prompts))

    for batch, read_maps in zip(held, reads, strict=True):
        scores.append(scored(batch, read_maps, "validation"))
    for batch in _batches(study, study.split.test, spent):
        scores.append(scored(batch, readings(probes, batch), "test"))
        progress("held-out pictures", number, total)
    masks = {
        (name, layer, step): float(at)
        for (name, layer), cuts in thresholds.items()
        for step, at in enumerate(cuts)
    }
    return reduce(add, scores), {
        key: replace(probe, threshold=masks.get(key)) for key, probe in probes.items()
    }
