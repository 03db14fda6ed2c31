"""The first pass: training pictures, folded into sums batch by batch."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from ..probes.moments import to_cpu
from ..runs.runs import Run, write_images, write_moments
from .batches import batches, batches_of, training_parts
from .checkpoints import checked, read_sums, write_sums
from .costs import CPU, Seconds, timed, total
from .folding import Batch, Sums, extend
from .study import Progress, Say, Study

SUMS_EVERY = 64
"""About how many training pictures a killed run may have to draw again."""


def fold_all(study: Study, run: Run, progress: Progress, say: Say) -> Seconds:
    """Pass 1: fold the training pictures, a share of them apart for choosing penalties.

    Does nothing where the run has its sums. Gives the seconds of each part.
    """
    if checked(run.moments, say):
        return {}
    device = study.model.device
    parts = training_parts(study)
    images = sum(map(len, parts.values()))
    at_once = batches_of(study.batch, study.batch)[0][-1][1]
    every = max(1, SUMS_EVERY // at_once) * at_once
    summed: dict[str, Sums] = {}
    spent: list[Seconds] = []
    done = 0
    for name, part in parts.items():
        sums = read_sums(run, name, device, say)
        progress("training pictures", done + sums.images, images)
        for batch in batches(study, part[sums.images :]):
            sums, fold_s = timed("folding", partial(extend, sums, batch), device)
            is_due = sums.images % every == 0 or sums.images == len(part)
            kept = partial(_keep_training, run, name, batch, sums if is_due else None)
            _, write_s = timed("writing", kept, CPU)
            spent += [batch.seconds, fold_s, write_s]
            progress("training pictures", done + sums.images, images)
        # On a GPU the finished part makes room for the next one's sums.
        summed[name] = replace(sums, moments=to_cpu(sums.moments))
        done += sums.images
    _, write_s = timed("writing", partial(_write_sums, run, summed), CPU)
    return total([*spent, write_s])


def _keep_training(run: Run, name: str, batch: Batch, sums: Sums | None) -> None:
    write_images(run, batch.trace.images, batch.trace.prompts)
    if sums is not None:
        write_sums(run, name, sums)


def _write_sums(run: Run, summed: Mapping[str, Sums]) -> None:
    position = {
        key: summed["tuning"].position[key] + each
        for key, each in summed["training"].position.items()
    }
    write_moments(run, {name: each.moments for name, each in summed.items()}, position)
