"""The second pass: probes fitted to the sums, and held-out pictures scored by every source."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial, reduce
from itertools import chain
from operator import add
from pathlib import Path

import pandas as pd

from ..core.prompts import plain
from ..probes.probes import Probe, ProbeKey
from ..runs.runs import Run, read_table, write_images, write_probes, write_table
from ..scores.scores import Scores, tabulate
from .batches import batches, batches_of
from .checkpoints import ReadMaps, checked, held_path, read_held, scores_path, write_held
from .costs import CPU, Seconds, timed, total
from .folding import Batch
from .scoring import AnyProbe, readings, score
from .solving import Fitted, fit_probes
from .study import Progress, Say, Study
from .thresholds import Cuts, choose_cuts, wrong_labels

STAGE = "held-out pictures"


def fit_and_score(study: Study, run: Run, progress: Progress, say: Say) -> Seconds:
    """Pass 2: thresholds from the validation pictures, then scores of both held-out splits.

    Validation pictures leave on disk what is read from them until thresholds are chosen; test
    pictures are scored and forgotten batch by batch. Does nothing where the run has its scores.
    Gives the seconds of each part.
    """
    if checked(run.scores, say) and checked(run.probes, say):
        return {}
    device = study.model.device
    fitted = fit_probes(study, run, progress)
    read_s = read_validation(study, run, fitted, progress, say)
    cuts, cut_s = timed("thresholds", partial(choose_cuts, study, run, fitted.position), device)
    validation_s = score_validation(study, run, cuts, say)
    test_s = score_test(study, run, fitted, cuts, progress, say)
    _, write_s = timed("writing", partial(_write_all, study, run, fitted, cuts), CPU)
    return total([fitted.seconds, read_s, cut_s, validation_s, test_s, write_s])


def read_validation(
    study: Study, run: Run, fitted: Fitted, progress: Progress, say: Say
) -> Seconds:
    """Generate the validation pictures and keep what every probe reads from them."""
    validation, device = study.split.validation, study.model.device
    images = len(validation) + len(study.split.test)
    spent: list[Seconds] = []
    for groups in batches_of(len(validation), study.batch):
        paths = [held_path(run, start) for start, _ in groups]
        if not all(checked(path, say) for path in paths):
            some = validation[groups[0][0] : groups[-1][1]]
            for path, batch in zip(paths, batches(study, some), strict=True):
                maps, read_s = timed("reading", partial(readings, fitted.probes, batch), device)
                _, write_s = timed("writing", partial(_keep_held, run, path, batch, maps), CPU)
                spent += [batch.seconds, read_s, write_s]
        progress(STAGE, groups[-1][1], images)
    return total(spent)


def score_validation(study: Study, run: Run, cuts: Cuts, say: Say) -> Seconds:
    """Score the validation pictures, from what was kept of them."""
    validation, device = study.split.validation, study.model.device
    spent: list[Seconds] = []
    for start, stop in chain.from_iterable(batches_of(len(validation), study.batch)):
        path = scores_path(run, start)
        if not checked(path, say):
            kept = partial(read_held, held_path(run, start), validation[start:stop], device)
            (batch, maps), read_s = timed("reading", kept, device)
            table, score_s = timed(
                "scoring",
                partial(score_group, study, cuts, start, "validation", batch, maps),
                device,
            )
            _, write_s = timed("writing", partial(write_table, path, table), CPU)
            spent += [read_s, score_s, write_s]
    return total(spent)


def score_test(
    study: Study, run: Run, fitted: Fitted, cuts: Cuts, progress: Progress, say: Say
) -> Seconds:
    """Generate the test pictures and score every source on them, batch by batch."""
    test, device, ahead = study.split.test, study.model.device, len(study.split.validation)
    spent: list[Seconds] = []
    for groups in batches_of(len(test), study.batch):
        numbers = [ahead + start for start, _ in groups]
        paths = [scores_path(run, number) for number in numbers]
        if not all(checked(path, say) for path in paths):
            some = test[groups[0][0] : groups[-1][1]]
            seen = zip(paths, numbers, batches(study, some), strict=True)
            for path, number, batch in seen:
                maps, read_s = timed("reading", partial(readings, fitted.probes, batch), device)
                scored = partial(score_group, study, cuts, number, "test", batch, maps)
                table, score_s = timed("scoring", scored, device)
                _, write_s = timed("writing", partial(_keep_scored, run, path, batch, table), CPU)
                spent += [batch.seconds, read_s, score_s, write_s]
        progress(STAGE, ahead + groups[-1][1], ahead + len(test))
    return total(spent)


def _keep_held(run: Run, path: Path, batch: Batch, maps: ReadMaps) -> None:
    write_held(path, batch, maps)
    write_images(run, batch.trace.images, batch.trace.prompts)


def _keep_scored(run: Run, path: Path, batch: Batch, table: pd.DataFrame) -> None:
    write_table(path, table)
    write_images(run, batch.trace.images, batch.trace.prompts)


def _write_all(study: Study, run: Run, fitted: Fitted, cuts: Cuts) -> None:
    """Write the probes with their thresholds, and every score in one table."""
    write_probes(run, _with_thresholds(fitted.probes, cuts))
    held_out = len(study.split.validation), len(study.split.test)
    firsts = (0, held_out[0])
    tables = [
        scores_path(run, first + start)
        for first, count in zip(firsts, held_out, strict=True)
        for start, _ in chain.from_iterable(batches_of(count, study.batch))
    ]
    # Read back, so that rows are the same whether they were scored now or before a cut.
    write_table(run.scores, reduce(add, (Scores(read_table(path)) for path in tables)).rows)


def _with_thresholds(probes: Mapping[ProbeKey, AnyProbe], cuts: Cuts) -> dict[ProbeKey, Probe]:
    masks = {
        (name, layer, step): float(at)
        for (name, layer), each in cuts.thresholds.items()
        for step, at in enumerate(each)
    }
    return {
        key: replace(probe, threshold=masks.get(key))
        for key, probe in probes.items()
        if isinstance(probe, Probe)
    }


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
