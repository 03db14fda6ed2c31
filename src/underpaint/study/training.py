"""The first pass: training pictures, folded into sums batch by batch."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from ..probes.moments import Cell, MeanMap, Moments, to_cpu
from ..runs.runs import write_images, write_moments
from .batches import batches, training_parts
from .checkpoints import clear, read_sums, write_sums
from .costs import Seconds, timed, total
from .folding import Sums, extend
from .journal import Journal
from .pooling import Pooled, write_pooled
from .rival import keep_seen
from .study import Study

SUMS_SHARE = 0.02
"""How much of the time may go into writing sums that only a killed run needs."""
SUMS_PER_S = 2.5e8
"""Bytes of sums that a slow machine copies, writes and hashes in a second."""


@dataclass(frozen=True, eq=False)
class Folded:
    """Sums of the training pictures by part, the mean label maps, and the seconds they took.

    Empty where the run had them on disk already.
    """

    moments: Mapping[str, Mapping[Cell, Moments]]
    position: Mapping[str, MeanMap]
    seconds: Seconds


def fold_all(study: Study, journal: Journal) -> Folded:
    """Pass 1: fold the training pictures, a share of them apart for choosing penalties."""
    run, device = journal.run, study.model.device
    if journal.is_whole(run.moments):
        journal.keep(clear, run, "tuning", "training")
        return Folded({}, {}, {})
    parts = training_parts(study)
    images = sum(map(len, parts.values()))
    summed: dict[str, Sums] = {}
    spent: list[Seconds] = []
    done, written = 0, time.perf_counter()
    for name, part in parts.items():
        sums = read_sums(run, name, device, journal.say)
        journal.progress("training pictures", done + sums.images, images)
        for batch in batches(study, part[sums.images :]):
            if batch.pooled:
                journal.write(write_pooled, run, name, sums.images, Pooled(batch.pooled))
            keep_seen(study, journal, name, sums.images, batch)
            sums, fold_s = timed("folding", partial(extend, sums, batch), device)
            spent += [batch.seconds, fold_s]
            journal.write(write_images, run, batch.trace.images, batch.trace.prompts)
            del batch  # or its activations would live on beside the next ones
            if time.perf_counter() - written > _bytes_of(sums) / SUMS_PER_S / SUMS_SHARE:
                journal.keep(write_sums, run, name, sums)
                written = time.perf_counter()
            journal.progress("training pictures", done + sums.images, images)
        # On a GPU the finished part makes room for the next one's sums.
        summed[name] = replace(sums, moments=to_cpu(sums.moments))
        done += sums.images
    moments = {name: each.moments for name, each in summed.items()}
    position = {
        key: summed["tuning"].position[key] + each
        for key, each in summed["training"].position.items()
    }
    journal.keep(write_moments, run, moments, position)
    journal.keep(clear, run, "tuning", "training")
    return Folded(moments, position, total(spent))


def _bytes_of(sums: Sums) -> int:
    return sum(each.scatter.numel() * 8 for each in sums.moments.values())
