"""Spread a study over the workers of a Ray cluster: `run --engine ray`.

Workers generate, label, fold, read and score; this process hands out work, writes every file, and
fits. It leaves on disk what `stages.carry_out` looks for, which then finds all of it done: so a run
may change its engine and go on. Ray gives the work of a lost worker to another.

Sums are added as a tree, in rounds of `ROUND` shards of `SHARD` pictures, neighbours first: it
depends on neither the number of workers nor who is done first, so neither do the numbers. Between
Ray's own processes objects travel pickled; nothing that is on disk is ever unpickled.
"""

import importlib
import os
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import torch

from ..core.errors import RunError, UnderpaintError
from ..core.pictures import encoded
from ..core.prompts import Prompt
from ..probes.moments import to_cpu
from ..runs.runs import Run, write_encoded, write_images, write_table
from .batches import bare, batches, batches_of, training_parts, without_activations
from .checkpoints import (
    ReadMaps,
    checked,
    held_path,
    read_sums,
    scores_path,
    write_held,
    write_sums,
)
from .folding import SHUFFLES, Batch, Sums, extend, join
from .held_out import looks_to_show, pooled_test, rivals, score_group, shown_pictures
from .journal import Journal, Progress, Say
from .lanes import Lane
from .pooling import Pooled, pooled_on_cpu, write_pooled
from .scoring import readings
from .showing import Shown, shown_path, write_shown
from .solving import fit_probes
from .study import Study, places_shown
from .thresholds import Cuts, choose_cuts, masks_seen
from .training import Folded, fold_all

SHARD = 256
"""Training pictures of one piece of work. Before each, a group is drawn again for its labels."""
ROUND = 64
"""Shards between two states of the sums on disk: what a killed run may have to do again."""
AHEAD = 2
"""Pieces of work handed out for each worker, so that none waits for this process."""
RETRIES = 8
"""Workers that one piece of work may lose before the run stops."""

Groups = list[tuple[int, int]]
Job = TypeVar("Job")
Pictures = list[bytes]
"""PNG: encoding takes longer than anything else that this process would have to do."""


def fill(study: Study, run: Run, progress: Progress, say: Say, *, workers: int | None) -> None:
    """Do everything up to the scores of every held-out group, and leave it on disk.

    Args:
        study: What to do. It is sent to each worker once.
        run: Where to, in a folder that is held; only this process writes it.
        progress: Told how far each pass is.
        say: Told a line for each file that was damaged and is made again.
        workers: How many processes here. None joins the cluster that RAY_ADDRESS names, or takes
            one for each processor, or for each GPU where there are any.

    Raises:
        RunError: if Ray is not installed, or a worker fails and not for being lost.
    """
    ray = _import_ray()
    is_ours = not ray.is_initialized()
    if is_ours:
        _begin(ray, workers)
    try:
        crew = _Crew(ray, study)
        if not checked(run.moments, say):
            _fold(crew, study, run, progress, say)
            fold_all(study, Journal(run, progress, say, Lane(), Lane()))
        if not (checked(run.scores, say) and checked(run.probes, say)):
            _hold_out(crew, study, run, progress, say)
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, UnderpaintError):
            raise type(cause)(str(cause)) from error
        line = (str(cause or error).strip().splitlines() or [type(error).__name__])[-1]
        raise RunError(
            f"A worker failed ({line}). The same command goes on from what is done."
        ) from error
    finally:
        if is_ours:
            ray.shutdown()


def _begin(ray: Any, workers: int | None) -> None:
    address = os.environ.get("RAY_ADDRESS")
    here = {} if address else {"num_cpus": workers, "include_dashboard": False}
    try:
        ray.init(log_to_driver=False, logging_level="ERROR", **here)
    # What Ray raises when it cannot start or be joined has no base in common.
    except Exception as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RunError(
            f"Ray did not start at {address or 'this machine'} ({line}). Try again when the "
            "machine is less busy, or leave --engine out: it goes on from what is done."
        ) from error


class _Crew:
    """The workers: what they know, and how work is handed to them."""

    def __init__(self, ray: Any, study: Study) -> None:
        gpus = ray.cluster_resources().get("GPU", 0)
        self.ray = ray
        self.size = int(gpus or ray.cluster_resources().get("CPU", 1))
        self._task = ray.remote(max_retries=RETRIES, num_gpus=1 if gpus else 0)
        self._known = (uuid.uuid4().hex, [ray.put(study)])
        self._join = ray.remote(max_retries=RETRIES, num_cpus=0)(join)

    def each(
        self, work: Callable, jobs: Sequence[Job], *shared: Any, parts: int = 1
    ) -> Iterator[tuple[Job, Any]]:
        """Give each job with a reference to its result, in order; only some are out at a time."""
        task, boxes = self._task(_on_worker), [self.ray.put(each) for each in shared]
        out: deque[tuple[Job, Any]] = deque()
        for job in jobs:
            made = task.options(num_returns=parts).remote(*self._known, work, job, *boxes)
            out.append((job, made))
            if len(out) >= AHEAD * self.size:
                yield out.popleft()
        yield from out

    def sum_of(self, sums: Sequence[Any]) -> Any:
        """Join neighbours until one is left: a tree whose form only their number decides."""
        level = list(sums)
        while len(level) > 1:
            pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
            level = [self._join.remote(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
        return level[0]


_studies: dict[str, Study] = {}


def _on_worker(name: str, box: list, work: Callable, job: Any, *shared: Any) -> Any:
    """Do a job with the study, which each worker process unpacks once."""
    if name not in _studies:
        _studies.clear()
        _studies[name] = _import_ray().get(box[0])
    return work(_studies[name], job, *shared)


def _import_ray() -> Any:
    try:
        ray = importlib.import_module("ray")
        importlib.import_module("ray.exceptions")
    except ImportError as error:
        raise RunError(
            "--engine ray needs Ray, which is not here. Install it with "
            "`pip install 'underpaint[ray]'`, or leave --engine out."
        ) from error
    return ray


def _fold(crew: _Crew, study: Study, run: Run, progress: Progress, say: Say) -> None:
    """Pass 1: the sums of both training parts, as `fold_all` would leave them on the way."""
    parts = training_parts(study)
    total, done = sum(map(len, parts.values())), 0
    for name, part in parts.items():
        sums = read_sums(run, name, torch.device("cpu"), say)
        jobs = [
            (part[_before(study, first) : first], part[first : first + SHARD])
            for first in range(sums.images, len(part), SHARD)
        ]
        waiting: list[Any] = []
        drawn = sums.images
        for number, (job, (made, pictures, kept)) in enumerate(
            crew.each(_fold_shard, jobs, parts=3), start=1
        ):
            write_encoded(run, crew.ray.get(pictures), job[1])
            for start, each in crew.ray.get(kept):
                write_pooled(run, name, drawn + start, each)
            waiting.append(made)
            drawn += len(job[1])
            if number % ROUND == 0 or number == len(jobs):
                more = crew.ray.get(crew.sum_of(waiting))
                sums = join(sums, more) if sums.images else more
                waiting = []
                write_sums(run, name, sums)
            progress("training pictures", done + drawn, total)
        done += len(part)


def _before(study: Study, first: int) -> int:
    """Find where the whole groups begin whose labels the shuffles of a shard need."""
    group = batches_of(study.batch, study.batch)[0][0][1]
    return max(0, first - -(-SHUFFLES // group) * group)


def _fold_shard(
    study: Study, job: tuple[list[Prompt], list[Prompt]]
) -> tuple[Sums, Pictures, list[tuple[int, Pooled]]]:
    before, prompts = job
    labels = replace(bare(study), layers=())
    seen = [torch.cat(list(x.labels.values()), dim=1) for x in batches(labels, before)]
    sums = Sums(last=torch.cat(seen)[-SHUFFLES:]) if seen else Sums()
    images: Pictures = []
    kept: list[tuple[int, Pooled]] = []
    for batch in batches(study, prompts):
        if batch.pooled:
            kept.append((sums.images, pooled_on_cpu(Pooled(batch.pooled))))
        sums = extend(sums, batch)
        images += map(encoded, batch.trace.images)
    return _on_cpu(sums), images, kept


def _hold_out(crew: _Crew, study: Study, run: Run, progress: Progress, say: Say) -> None:
    """Pass 2: what is read of the validation pictures, and then the scores of the test pictures."""
    journal = Journal(run, progress, say, Lane(), Lane())
    fitted = fit_probes(study, journal, Folded({}, {}, {}))
    validation, test = study.split.validation, study.split.test
    total = len(validation) + len(test)
    jobs = [
        (groups, validation[groups[0][0] : groups[-1][1]])
        for groups in batches_of(len(validation), study.batch)
        if not all(checked(held_path(run, start), say) for start, _ in groups)
    ]
    for (groups, _), made in crew.each(_read_groups, jobs, fitted.probes):
        for (start, _), (batch, maps) in zip(groups, crew.ray.get(made), strict=True):
            if batch.pooled:
                write_pooled(run, "validation", start, Pooled(batch.pooled))
            write_held(held_path(run, start), batch, maps)
            write_images(run, batch.trace.images, batch.trace.prompts)
        progress("held-out pictures", groups[-1][1], total)
    cuts = choose_cuts(study, run, fitted.position)
    ahead = len(validation)
    jobs = [
        (groups, test[groups[0][0] : groups[-1][1]])
        for groups in batches_of(len(test), study.batch)
        if not all(checked(path, say) for path in _left_by(study, run, groups))
    ]
    for (groups, prompts), made in crew.each(_score_groups, jobs, fitted.probes, cuts):
        tables, pictures, kept, shown = crew.ray.get(made)
        for each in shown:
            write_shown(run, each)
        for (start, _), each in zip(groups, kept, strict=False):
            write_pooled(run, "test", start, each)
        for (start, _), table in zip(groups, tables, strict=True):
            write_table(scores_path(run, ahead + start), table)
        write_encoded(run, pictures, prompts)
        progress("held-out pictures", ahead + groups[-1][1], total)


def _left_by(study: Study, run: Run, groups: Groups) -> list[Path]:
    """Name the files that groups of test pictures leave when they are done."""
    ahead, test = len(study.split.validation), study.split.test[groups[0][0] : groups[-1][1]]
    scores = [scores_path(run, ahead + start) for start, _ in groups]
    return scores + [shown_path(run, test[place]) for place in places_shown(study, test)]


def _read_groups(
    study: Study, job: tuple[Groups, Sequence[Prompt]], probes: Mapping
) -> list[tuple[Batch, ReadMaps]]:
    return [
        (
            masks_seen(study, start, without_activations(batch)),
            readings(probes, batch),
        )
        for (start, _), batch in zip(job[0], batches(study, job[1]), strict=True)
    ]


def _score_groups(
    study: Study, job: tuple[Groups, Sequence[Prompt]], probes: Mapping, cuts: Cuts
) -> tuple[list[pd.DataFrame], Pictures, list[Pooled], list[Shown]]:
    groups, prompts = job
    ahead = len(study.split.validation)
    tables: list[pd.DataFrame] = []
    images: Pictures = []
    kept: list[Pooled] = []
    shown: list[Shown] = []
    for (start, _), batch in zip(groups, batches(study, prompts), strict=True):
        maps, looks = readings(probes, batch), rivals(study, batch)
        table, _ = score_group(study, cuts, ahead + start, "test", batch, maps, looks)
        tables.append(table)
        few = looks_to_show(study, batch, looks)
        shown += shown_pictures(study, cuts, batch, maps, few)
        images += map(encoded, batch.trace.images)
        if batch.pooled:
            kept.append(pooled_on_cpu(pooled_test(study, batch, looks)))
    return tables, images, kept, shown


def _on_cpu(sums: Sums) -> Sums:
    position = {
        name: replace(
            each, mean=each.mean.cpu(), known=None if each.known is None else each.known.cpu()
        )
        for name, each in sums.position.items()
    }
    last = None if sums.last is None else sums.last.cpu()
    return replace(sums, moments=to_cpu(sums.moments), position=position, last=last)
