"""What scoring takes from the validation pictures, and from them alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import torch
from jaxtyping import Float64
from torch import Tensor

from ..core.properties import Property
from ..probes.moments import MeanMap
from ..runs.runs import Run
from ..scores.metrics import best_threshold, dice, prepare
from ..scores.sources import property_of
from .batches import batches_of
from .checkpoints import (
    held_path,
    read_held_labels,
    read_held_latents,
    read_held_maps,
    read_held_seen,
)
from .folding import Batch
from .looks import Looks, look
from .scoring import Wrong, choose_thresholds, strangers
from .study import GROUP, Study

TUNED_ON = 8 * GROUP
"""The most validation pictures that choose thresholds and lend their labels to be wrong with. Those
are held at once; more would hardly choose another."""
LOOKED_AT = 2 * GROUP
"""The most of them whose latents are drawn, to choose where labelers' masks of those are cut: each
costs as much as a test picture."""


@dataclass(frozen=True, eq=False)
class Cuts:
    """What scoring takes from the validation pictures: thresholds, and labels to be wrong with."""

    thresholds: Mapping[tuple[str, str], Float64[Tensor, "step"]]
    position: Mapping[str, MeanMap]
    labels: Mapping[str, Tensor]
    texts: tuple[str, ...]


def choose_cuts(study: Study, run: Run, position: Mapping[str, MeanMap]) -> Cuts:
    """Choose thresholds from validation pictures, once their groups are on disk."""
    validation, device = study.split.validation, study.model.device
    groups = list(chain.from_iterable(batches_of(len(validation), study.batch)))
    groups = [(start, stop) for start, stop in groups if stop <= TUNED_ON or start == 0]
    validation = validation[: groups[-1][1]]
    paths = [held_path(run, start) for start, _ in groups]
    parts = [read_held_labels(path, device) for path in paths]
    labels = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
    texts = tuple(prompt.group for prompt in validation)
    wrong = wrong_labels(labels, texts, texts, 0)
    return Cuts(_thresholds(study, paths, labels, position, wrong), position, labels, texts)


def masks_seen(study: Study, first: int, batch: Batch) -> Batch:
    """Leave of what labelers saw on the way what thresholds are chosen by: masks of a few pictures.

    Args:
        study: Whose masks.
        first: The number of the batch's first picture in its split.
        batch: Of validation pictures.
    """
    if first >= LOOKED_AT:
        return replace(batch, looks=Looks())
    masks = {each.name for each in study.properties if each.is_binary}
    seen = {
        source: {name: x for name, x in maps.items() if name in masks}
        for source, maps in batch.looks.maps.items()
    }
    return replace(batch, looks=Looks(seen))


def wrong_labels(
    labels: Mapping[str, Tensor], known: Sequence[str], texts: Sequence[str], first: int
) -> Wrong:
    """Lend each picture the labels of strangers: what `shuffled` is held to (see `strangers`).

    Args:
        labels: Those of the validation pictures.
        known: Their prompts.
        texts: Prompts of the pictures that labels are lent to.
        first: The number of the first of these in its split.
    """
    chosen = strangers(texts, known, first=first)
    return {name: maps[chosen.to(maps.device)] for name, maps in labels.items()}


def _thresholds(
    study: Study,
    paths: Sequence[Path],
    labels: Mapping[str, Tensor],
    position: Mapping[str, MeanMap],
    wrong: Wrong,
) -> dict[tuple[str, str], Float64[Tensor, "step"]]:
    masks = [each for each in study.folded if each.is_binary]
    if not masks:
        return {}
    names = {each.name for each in masks}
    parts = [
        read_held_maps(path, study.model.device, lambda name: property_of(name) in names)[1]
        for path in paths
    ]
    maps = {key: torch.cat([part[key] for part in parts], dim=1) for key in parts[0]}
    own = [each for each in masks if each in study.properties]
    looks = _look_thresholds(study, paths, own, labels)
    return {**choose_thresholds(masks, maps, labels, position, wrong), **looks}


def _look_thresholds(
    study: Study,
    paths: Sequence[Path],
    masks: Sequence[Property],
    labels: Mapping[str, Tensor],
) -> dict[tuple[str, str], Float64[Tensor, "step"]]:
    """Choose where what labelers see in noisy pictures becomes a mask, as for probes.

    By (property, source). Where nothing does better than 0.5, which made the labels, it stays; so
    it does at steps that are not looked at.
    """
    at = list(range(study.steps) if study.rivals_at is None else study.rivals_at)
    paths = paths[: max(1, LOOKED_AT // min(GROUP, study.batch))]
    parts = [read_held_latents(path, study.model.device) for path in paths]
    shown = {source: torch.cat([part[source][at] for part in parts], dim=1) for source in parts[0]}
    seen = _looked_at(study, paths, masks, shown, at)
    cuts = {}
    for each in masks:
        truth = prepare(labels[each.name][: next(iter(shown.values())).shape[1]])
        if not (truth.labels > 0.5).any():
            continue
        for source, maps in seen.items():
            best = best_threshold(maps[each.name], truth)
            scores = [
                dice(maps[each.name] > cut, truth).nanmean(dim=1)
                for cut in (best[:, None, None, None, None], 0.5)
            ]
            whole = best.new_full((study.steps,), 0.5)
            whole[at] = torch.where(scores[0] > scores[1], best, 0.5)
            cuts[each.name, source] = whole
    return cuts


def _looked_at(
    study: Study,
    paths: Sequence[Path],
    masks: Sequence[Property],
    shown: Mapping[str, Tensor],
    at: Sequence[int],
) -> dict[str, dict[str, Tensor]]:
    """Give what labelers see at some steps; what they saw when pictures were made is not drawn."""
    parts = [read_held_seen(path, study.model.device) for path in paths]
    known = {
        source: {
            each.name: torch.cat([part[source][each.name][list(at)] for part in parts], dim=1)
            for each in masks
        }
        for source in shown
        if all({each.name for each in masks} <= part.get(source, {}).keys() for part in parts)
    }
    left = {source: each for source, each in shown.items() if source not in known}
    found = {**known, **look(study.model, study.labelers, masks, left).maps}
    return {source: dict(found[source]) for source in shown}
