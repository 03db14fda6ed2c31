"""Other splits of the same prompts: how far a score moves with who trains, chooses and tests.

Intervals resample the test prompts of one split, with its probes, penalties, thresholds and layers
as they are. All of those would be others in another split. So the prompts are split again, with
other seeds: one pass over all pictures folds each into the sums of every split that trains on it,
and a second lets the probes of every split that holds it out read it. Both passes draw each picture
once, however many splits there are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from ..core.progress import Progress
from ..core.prompts import Prompt, Split, split_prompts
from ..core.properties import Property
from ..probes.fitting import fit, from_units, in_units
from ..probes.moments import Cell, MeanMap, Moments, gather
from ..probes.places import COUNT, fit_placed
from ..probes.probes import Probe, ProbeKey, columns_of
from ..scores.metrics import METRICS, best_threshold, prepare
from ..scores.sources import name_of
from ..scores.summaries import skill_metric
from .batches import bare, batches, training_parts
from .folding import Batch, beside_waves
from .scoring import readings
from .study import Study
from .thresholds import TUNED_ON

SOURCES = ("probe", "probe+position")
"""Whose spread is measured."""

Key = tuple[str, str, str]
"""Source, property, layer."""


@dataclass
class _Side:
    """One split: who is in which part, its sums, its probes, and what they read."""

    split: Split
    roles: Mapping[Prompt, str]
    sums: dict[str, dict[Cell, Moments]] = field(default_factory=dict)
    position: dict[str, MeanMap] = field(default_factory=dict)
    probes: dict[ProbeKey, Probe] = field(default_factory=dict)
    read: dict[str, dict[Key, list[Tensor]]] = field(default_factory=dict)
    """By part: masks' readings, `step image …`, or maps' scores, `metric step image`."""
    labels: dict[str, dict[str, list[Tensor]]] = field(default_factory=dict)


def resplit(study: Study, seeds: Sequence[int], progress: Progress) -> dict[str, Any]:
    """Split a study's prompts anew with each seed, fit and score; give the `splits` of a summary.

    Layers, penalties and thresholds are chosen in each split, as they are in a run.

    Args:
        study: Whose prompts, layers and properties; only its own layers' probes are fitted.
        seeds: A split for each. That of the study itself is not among them.
        progress: Told how far each pass is.
    """
    plain = replace(bare(study), recipe=None, trains=False)
    prompts = [*study.split.train, *study.split.validation, *study.split.test]
    sides = [_side(plain, prompts, seed) for seed in seeds]
    for done, batch in _drawn(plain, prompts):
        for side in sides:
            _fold(side, plain.properties, batch)
        progress("folding splits", done, len(prompts))
    for side in sides:
        side.probes = _solve(plain, side)
        side.sums = {}
    for done, batch in _drawn(plain, prompts):
        for side in sides:
            _score(side, plain.properties, batch)
        progress("scoring splits", done, len(prompts))
    return {
        "count": len(seeds),
        "properties": {
            each.name: _spread(each, [_curves(each, side) for side in sides])
            for each in plain.properties
        },
    }


def _side(study: Study, prompts: Sequence[Prompt], seed: int) -> _Side:
    split = split_prompts(prompts, seed=seed)
    parts = training_parts(replace(study, split=split))
    parts |= {"validation": split.validation[:TUNED_ON], "test": split.test}
    return _Side(split, {prompt: part for part, own in parts.items() for prompt in own})


def _drawn(study: Study, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Batch]]:
    done = 0
    for batch in batches(study, prompts):
        done += len(batch.trace.prompts)
        yield done, batch
        del batch


def _of(batch: Batch, side: _Side, part: str) -> Batch | None:
    """Give the pictures of a batch that are in a part of a split; None where there are none."""
    own = [at for at, prompt in enumerate(batch.trace.prompts) if side.roles.get(prompt) == part]
    if not own:
        return None
    return replace(
        batch,
        labels={name: maps[own] for name, maps in batch.labels.items()},
        readable={name: each[:, own] for name, each in batch.readable.items()},
    )


def _fold(side: _Side, properties: Sequence[Property], batch: Batch) -> None:
    for part in ("tuning", "training"):
        if (own := _of(batch, side, part)) is None:
            continue
        targets = torch.cat([own.labels[each.name] for each in properties], dim=1)
        grids = {(each.shape[-2], each.shape[-1]) for each in own.readable.values()}
        shrunk = {grid: beside_waves(targets, grid) for grid in grids}
        side.sums[part] = gather(own.readable, shrunk, side.sums.get(part))
        for each in properties:
            more = MeanMap.of(own.labels[each.name])
            before = side.position.get(each.name)
            side.position[each.name] = more if before is None else before + more


def _solve(study: Study, side: _Side) -> dict[ProbeKey, Probe]:
    columns = columns_of(study.properties)
    targets = sum(each.targets for each in study.properties) + COUNT
    grids = {layer.name: layer.grid for layer in study.layers}
    train, tuning = (
        {cell: each for cell, each in side.sums[part].items() if cell[0] in grids}
        for part in ("training", "tuning")
    )
    units = {}
    if study.model.is_transformer:
        train, tuning, units = in_units(train, tuning, targets=targets)
    found = fit(train, tuning, columns, targets=targets)
    placed = fit_placed(train, tuning, columns, targets=targets, grids=grids)
    found |= {
        (*name_of("probe+position", name, layer), step): probe
        for (name, layer, step), probe in placed.items()
    }
    return from_units(found, units)


def _score(side: _Side, properties: Sequence[Property], batch: Batch) -> None:
    """Read the pictures that are held out; maps are scored at once, masks once they have cuts."""
    for part in ("validation", "test"):
        if (own := _of(batch, side, part)) is None:
            continue
        maps, kept = readings(side.probes, own), side.read.setdefault(part, {})
        for each in properties:
            position = side.position[each.name].mean
            truth = prepare(own.labels[each.name], position=position)
            if each.is_binary:
                labels = side.labels.setdefault(part, {}).setdefault(each.name, [])
                labels.append(own.labels[each.name].cpu())
            for source in SOURCES:
                for layer in (name for name, _, _ in _cells(side.probes, source, each.name)):
                    read = maps[name_of(source, each.name, layer)]
                    scored = (
                        read.cpu()
                        if each.is_binary
                        else METRICS[skill_metric(each)](read, truth).cpu()
                    )
                    kept.setdefault((source, each.name, layer), []).append(scored)


def _cells(
    probes: Mapping[ProbeKey, Probe], source: str, property: str
) -> Iterator[tuple[str, str, int]]:
    word = name_of(source, property)[0]
    return ((layer, name, step) for name, layer, step in probes if (name, step) == (word, 0))


def _curves(property: Property, side: _Side) -> dict[str, tuple[str, Float64[np.ndarray, "step"]]]:
    """Choose each source's layer on validation pictures; give it, and its test scores' means."""
    found = {}
    for source in SOURCES:
        by_layer = {
            layer: _scores(property, side, (source, name, layer))
            for key_source, name, layer in side.read["test"]
            if (key_source, name) == (source, property.name)
        }
        best = max(by_layer, key=lambda layer: float(np.nanmean(by_layer[layer]["validation"])))
        found[source] = best, np.nanmean(by_layer[best]["test"], axis=-1)
    return found


def _scores(
    property: Property, side: _Side, key: Key
) -> dict[str, Float64[np.ndarray, "step image"]]:
    """Give the scores of one source and layer, of each part that is held out."""
    if not property.is_binary:
        return {
            part: torch.cat(side.read[part][key], dim=-1).double().numpy()
            for part in ("validation", "test")
        }
    read = {part: torch.cat(side.read[part][key], dim=1) for part in ("validation", "test")}
    truths = {part: prepare(torch.cat(side.labels[part][property.name])) for part in read}
    cut = best_threshold(read["validation"], truths["validation"])[:, None, None, None, None]
    return {part: METRICS["dice"](maps > cut, truths[part]).numpy() for part, maps in read.items()}


def _spread(
    property: Property,
    found: Sequence[Mapping[str, tuple[str, Float64[np.ndarray, "step"]]]],
) -> dict[str, Any]:
    """Give mean and deviation over splits at each step, and every split's layer and last score."""
    entry: dict[str, Any] = {"metric": skill_metric(property), "sources": {}}
    for source in SOURCES:
        curves = np.stack([each[source][1] for each in found])
        spread = curves.std(axis=0, ddof=1)
        by_step = [
            {"mean": float(mean), "sd": float(sd)}
            for mean, sd in zip(curves.mean(axis=0), spread, strict=True)
        ]
        entry["sources"][source] = {
            "by_step": by_step,
            "final": {**by_step[-1], "each": [float(value) for value in curves[:, -1]]},
            "layers": [each[source][0] for each in found],
        }
    return entry
