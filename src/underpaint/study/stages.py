"""The whole study, stage by stage: fold, fit, score, summarise. What is done stays done."""

import math
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial, reduce
from itertools import chain
from operator import add

import pandas as pd
import torch
from torch import Tensor

from ..core.arrays import to_grid
from ..core.errors import RunError
from ..core.files import held
from ..core.prompts import plain
from ..models.schedules import noise_ratios
from ..probes.fitting import from_units, in_units
from ..probes.moments import MeanMap, to_cpu
from ..probes.probes import Probe, ProbeKey
from ..probes.recipes import fit_by, suits
from ..runs.runs import (
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
from ..scores.scores import Scores, tabulate
from ..scores.summaries import summarise
from .checkpoints import (
    ReadMaps,
    checked,
    clear,
    held_path,
    read_held,
    read_sums,
    scores_path,
    write_held,
    write_sums,
)
from .folding import DECODER, Batch, Sums, extend, fit_all, target_count
from .scoring import (
    LATENTS,
    AnyProbe,
    readings,
    score,
)
from .study import Study, apart, batches, batches_of, training_parts
from .thresholds import Cuts, choose_cuts, wrong_labels

SUMS_EVERY = 64
"""About how many training pictures a killed run may have to draw again."""

RECIPE_BYTES = 4 * 2**30
"""The most that activations kept for a recipe may take."""

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, images done, and images in all."""


def carry_out(
    study: Study,
    run: Run,
    progress: Progress,
    say: Callable[[str], None] = lambda _line: None,
    *,
    before: Callable[[], None] = lambda: None,
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
        before: Called first, with the folder held. What it leaves on disk is not done again: this
            is how `cluster` does the work elsewhere.

    Raises:
        RunError: if the folder cannot be written, or another process is writing it.
    """
    with held(run.folder):
        before()
        return _carry_out(study, run, progress, say)


def _carry_out(study: Study, run: Run, progress: Progress, say: Callable[[str], None]) -> dict:
    begun = time.perf_counter()
    spent: dict[str, float] = {"generation": 0.0}
    parts = {part: getattr(study.split, part) for part in ("train", "validation", "test")}
    write_prompts(run, parts)
    if not checked(run.moments, say):
        fold_all(study, run, progress, spent, say)
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
        "noise": _noise(study),
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
    return update_summary(run, entries)


def _noise(study: Study) -> list[float | None] | None:
    """Give each step's ratio of noise to signal. JSON has no infinity: None is noise alone."""
    ratios = noise_ratios(study.model.pipeline.scheduler, steps=study.steps)
    if ratios is None:
        return None
    return [ratio if math.isfinite(ratio) else None for ratio in ratios]


def _peak_rss_mb() -> float:
    """Give the most memory this process has held. Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _peak_vram_mb(device: torch.device) -> float | None:
    """Give the most memory this process has held on a CUDA device; None on any other."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else None


def fold_all(
    study: Study,
    run: Run,
    progress: Progress,
    spent: dict[str, float],
    say: Callable[[str], None],
) -> None:
    """Pass 1: fold the training pictures, a share of them apart for choosing penalties."""
    parts = training_parts(study)
    total = sum(map(len, parts.values()))
    at_once = batches_of(study.batch, study.batch)[0][-1][1]
    every = max(1, SUMS_EVERY // at_once) * at_once
    summed: dict[str, Sums] = {}
    done = 0
    for name, part in parts.items():
        sums = read_sums(run, name, study.model.device, say)
        progress("training pictures", done + sums.images, total)
        for batch in batches(study, part[sums.images :], spent):
            sums = extend(sums, batch)
            write_images(run, batch.trace.images, batch.trace.prompts)
            if sums.images % every == 0 or sums.images == len(part):
                write_sums(run, name, sums)
            progress("training pictures", done + sums.images, total)
        # On a GPU the finished part makes room for the next one's sums.
        summed[name] = replace(sums, moments=to_cpu(sums.moments))
        done += sums.images
    position = {
        key: summed["tuning"].position[key] + each
        for key, each in summed["training"].position.items()
    }
    write_moments(run, {name: each.moments for name, each in summed.items()}, position)


def fit_probes(
    study: Study, run: Run, progress: Progress, spent: dict[str, float]
) -> tuple[dict[ProbeKey, AnyProbe], dict[str, MeanMap]]:
    """Fit every probe from the sums of a run; give them, and the mean label maps."""
    sums, position = read_moments(run, study.model.device)
    own = [layer.name for layer in study.layers]  # as they run, not by alphabet
    decoder = [DECODER] if study.sees_decoder else []
    names = [
        *own,
        *LATENTS,
        *decoder,
        *(f"{control} {name}" for control in study.controls for name in own),
    ]
    cells = [(name, step) for name in names for step in range(study.steps)]
    training = {cell: sums["training"][cell] for cell in cells}
    tuning, units = sums["tuning"], {}
    if study.model.is_transformer:
        training, tuning, units = in_units(training, tuning, targets=target_count(study.folded))
    fitted = fit_all(training, tuning, study.folded, layers=study.layers)
    probes: dict[ProbeKey, AnyProbe] = {**from_units(fitted, units)}
    probes |= _fit_by_recipe(study, probes, progress, spent)
    return probes, position


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
    probes, position = fit_probes(study, run, progress, spent)
    validation, test = study.split.validation, study.split.test
    total = len(validation) + len(test)
    seen = partial(progress, "held-out pictures")
    for groups in batches_of(len(validation), study.batch):
        paths = [held_path(run, start) for start, _ in groups]
        if not all(checked(path, say) for path in paths):
            some = validation[groups[0][0] : groups[-1][1]]
            for path, batch in zip(paths, batches(study, some, spent), strict=True):
                write_held(path, batch, readings(probes, batch))
                write_images(run, batch.trace.images, batch.trace.prompts)
        seen(groups[-1][1], total)
    cuts = choose_cuts(study, run, position)

    tables = []
    for start, stop in chain.from_iterable(batches_of(len(validation), study.batch)):
        tables.append(scores_path(run, start))
        if not checked(tables[-1], say):
            batch, maps = read_held(
                held_path(run, start), validation[start:stop], study.model.device
            )
            write_table(tables[-1], score_group(study, cuts, start, "validation", batch, maps))
    for groups in batches_of(len(test), study.batch):
        numbers = [len(validation) + start for start, _ in groups]
        paths = [scores_path(run, number) for number in numbers]
        tables += paths
        if not all(checked(path, say) for path in paths):
            some = test[groups[0][0] : groups[-1][1]]
            for path, number, batch in zip(
                paths, numbers, batches(study, some, spent), strict=True
            ):
                maps = readings(probes, batch)
                write_table(path, score_group(study, cuts, number, "test", batch, maps))
                write_images(run, batch.trace.images, batch.trace.prompts)
        seen(len(validation) + groups[-1][1], total)

    masks = {
        (name, layer, step): float(at)
        for (name, layer), each in cuts.thresholds.items()
        for step, at in enumerate(each)
    }
    cut = {
        key: replace(probe, threshold=masks.get(key))
        for key, probe in probes.items()
        if isinstance(probe, Probe)
    }
    write_probes(run, cut)
    # Read back, so that rows are the same whether they were scored now or before a cut.
    write_table(run.scores, reduce(add, (Scores(read_table(path)) for path in tables)).rows)


def score_group(
    study: Study, cuts: Cuts, first: int, part: str, batch: Batch, read_maps: ReadMaps
) -> pd.DataFrame:
    """Score every source on one group of held-out pictures, `first` the number of its first."""
    prompts = batch.trace.prompts
    texts = [plain(prompt.text) for prompt in prompts]
    blocks = score(
        study.model,
        study.labelers,
        study.properties,
        batch,
        layers=study.layers,
        read_maps=read_maps,
        thresholds=cuts.thresholds,
        position=cuts.position,
        wrong=wrong_labels(cuts.labels, cuts.texts, texts, first),
        drawn=part == "test",
    )
    numbers = list(range(first, first + len(prompts)))
    return tabulate(blocks, images=numbers, prompts=texts, splits=[part] * len(prompts)).rows


def _fit_by_recipe(
    study: Study,
    probes: Mapping[ProbeKey, AnyProbe],
    progress: Progress,
    spent: dict[str, float],
) -> dict[ProbeKey, AnyProbe]:
    """Fit every layer and step by the study's recipe; the training pictures are drawn once more."""
    if study.recipe is None:
        return {}
    prompts = apart(study.split.train)
    values = sum(layer.channels * layer.grid[0] * layer.grid[1] for layer in study.layers)
    if (needed := 4 * values * study.steps * len(prompts)) > RECIPE_BYTES:
        raise RunError(
            f"The recipe {study.recipe} keeps all activations of {len(prompts)} pictures, "
            f"{needed / 2**30:.1f} GiB, and {RECIPE_BYTES / 2**30:.0f} are allowed. "
            "Choose fewer --layers, such as those that ridge reads best."
        )
    seen = batches(replace(study, controls={}, sees_decoder=False), prompts, spent)
    activations: dict[str, list[Tensor]] = {layer.name: [] for layer in study.layers}
    labels: dict[str, list[Tensor]] = {each.name: [] for each in study.properties}
    done = 0
    for batch in seen:
        for name, parts in activations.items():
            parts.append(batch.readable[name].float())
        for name, parts in labels.items():
            parts.append(batch.labels[name])
        done += len(batch.trace.prompts)
        progress("recipe", done, len(prompts))
    found: dict[ProbeKey, AnyProbe] = {}
    for layer in study.layers:
        x = torch.cat(activations.pop(layer.name), dim=1)
        for each in (each for each in study.properties if suits(study.recipe, each)):
            y = to_grid(torch.cat(labels[each.name]), layer.grid)
            for step in range(study.steps):
                ridge = probes[each.name, layer.name, step]
                found[f"{study.recipe} {each.name}", layer.name, step] = fit_by(
                    study.recipe,
                    x[step],
                    y,
                    property=each,
                    layer=layer.name,
                    step=step,
                    penalty=getattr(ridge, "penalty", None) or 1e-6,
                    generator=torch.Generator().manual_seed(step),
                )
    return found
