"""The second pass: probes fitted to the sums, and held-out pictures scored by every source."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from itertools import chain
from operator import add

import pandas as pd
import torch
from torch import Tensor

from ..core.prompts import Prompt
from ..probes.probes import Probe, ProbeKey
from ..runs.runs import Run, read_table, write_images, write_probes, write_table
from ..scores.scores import Scores
from ..scores.sources import JOINT
from ..scores.tabulating import tabulate
from .batches import batches, batches_of, without_activations
from .checkpoints import ReadMaps, held_path, read_held, scores_path, write_held
from .costs import Seconds, timed, total
from .folding import Batch
from .journal import Journal
from .lanes import Lane, lane
from .looks import Looks, look
from .pooling import Pooled, identity, shown, write_pooled
from .scoring import AnyProbe, readings, score_beside
from .showing import Shown, show, shown_path, write_shown
from .solving import Fitted, fit_probes
from .study import Study, places_shown
from .thresholds import Cuts, choose_cuts, masks_seen, wrong_labels
from .training import Folded

STAGE = "held-out pictures"


def fit_and_score(study: Study, journal: Journal, folded: Folded) -> Seconds:
    """Pass 2: thresholds from the validation pictures, then scores of both held-out splits.

    Validation pictures leave on disk what is read from them until thresholds are chosen; test
    pictures are scored and forgotten batch by batch. Does nothing where the run has its scores.
    Gives the seconds of each part.
    """
    run = journal.run
    if journal.is_whole(run.scores) and journal.is_whole(run.probes):
        return {}
    fitted = fit_probes(study, journal, folded)
    read_s = read_validation(study, journal, fitted)
    journal.writer.drain()
    choose = partial(choose_cuts, study, run, fitted.position)
    cuts, cut_s = timed("thresholds", choose, study.model.device)
    score_s = score_held_out(study, journal, fitted, cuts)
    journal.write(_write_all, study, run, fitted, cuts)
    return total([fitted.seconds, read_s, cut_s, score_s])


def read_validation(study: Study, journal: Journal, fitted: Fitted) -> Seconds:
    """Generate the validation pictures and keep what every probe reads from them."""
    validation, run, device = study.split.validation, journal.run, study.model.device
    images = len(validation) + len(study.split.test)
    spent: list[Seconds] = []
    for groups in batches_of(len(validation), study.batch):
        first, last = groups[0][0], groups[-1][1]
        if not all(journal.is_whole(held_path(run, start)) for start, _ in groups):
            for batch in batches(study, validation[first:last]):
                maps, read_s = timed("reading", partial(readings, fitted.probes, batch), device)
                spent += [batch.seconds, read_s]
                seen = masks_seen(study, first, without_activations(batch))
                if batch.pooled:
                    journal.write(write_pooled, run, "validation", first, Pooled(batch.pooled))
                journal.write(_keep_held, run, first, seen, maps)
                first += len(batch.trace.prompts)
                del batch  # or its activations would live on beside the next ones
        journal.progress(STAGE, last, images)
    return total(spent)


def score_held_out(study: Study, journal: Journal, fitted: Fitted, cuts: Cuts) -> Seconds:
    """Score validation pictures from what was kept of them, and test pictures as they are made.

    Drawing what the rivals see has a lane of its own, and so has scoring: the next batch is
    generated meanwhile, and its rivals drawn while these are scored.
    """
    how = {"ahead": study.ahead, "device": study.model.device, "watch": journal.watch}
    with lane(**how) as scorer, lane(**how) as looker:
        _score_validation(study, journal, cuts, scorer)
        drawn_s = _score_test(study, journal, fitted, cuts, looker, scorer)
    return total([drawn_s, looker.seconds, scorer.seconds])


def _score_validation(study: Study, journal: Journal, cuts: Cuts, scorer: Lane) -> None:
    validation, run = study.split.validation, journal.run
    for start, stop in chain.from_iterable(batches_of(len(validation), study.batch)):
        if not journal.is_whole(scores_path(run, start)):
            scorer(partial(_score_kept, study, journal, cuts, start, validation[start:stop]))


def _score_kept(
    study: Study, journal: Journal, cuts: Cuts, first: int, prompts: Sequence[Prompt]
) -> Seconds:
    device = study.model.device
    kept = partial(read_held, held_path(journal.run, first), prompts, device)
    (batch, maps), read_s = timed("reading", kept, device)
    table, score_s = score_group(study, cuts, first, "validation", batch, maps, Looks())
    journal.write(write_table, scores_path(journal.run, first), table)
    return total([read_s, score_s])


def _score_test(
    study: Study, journal: Journal, fitted: Fitted, cuts: Cuts, looker: Lane, scorer: Lane
) -> Seconds:
    test, device, ahead = study.split.test, study.model.device, len(study.split.validation)
    spent: list[Seconds] = []
    for groups in batches_of(len(test), study.batch):
        first, last = groups[0][0], groups[-1][1]
        paths = [scores_path(journal.run, ahead + start) for start, _ in groups]
        kept = places_shown(study, test[first:last])
        paths += [shown_path(journal.run, test[first + place]) for place in kept]
        if not all(journal.is_whole(path) for path in paths):
            for batch in batches(study, test[first:last]):
                maps, read_s = timed("reading", partial(readings, fitted.probes, batch), device)
                spent += [batch.seconds, read_s]
                seen = without_activations(batch)
                score = partial(_score_drawn, study, journal, cuts, ahead + first, seen, maps)
                looker(partial(_look_first, study, seen, score, scorer))
                first += len(batch.trace.prompts)
                del batch  # or its activations would live on beside the next ones
        else:
            journal.progress(STAGE, ahead + last, ahead + len(test))
    return total(spent)


def _look_first(
    study: Study, batch: Batch, score: Callable[[Looks, Looks], Seconds], scorer: Lane
) -> Seconds:
    looks = rivals(study, batch)
    few = looks_to_show(study, batch, looks)
    scorer(partial(score, looks, few))
    return total([looks.seconds, few.seconds])


def _score_drawn(
    study: Study,
    journal: Journal,
    cuts: Cuts,
    first: int,
    batch: Batch,
    maps: ReadMaps,
    looks: Looks,
    few: Looks,
) -> Seconds:
    table, score_s = score_group(study, cuts, first, "test", batch, maps, looks)
    # Before the scores, which say that a group is done.
    journal.write(_keep_shown, journal.run, study, cuts, batch, maps, few)
    if batch.pooled:
        at = first - len(study.split.validation)
        journal.write(write_pooled, journal.run, "test", at, pooled_test(study, batch, looks))
    journal.write(_keep_scored, journal.run, first, batch, table)
    done = first + len(batch.trace.prompts)
    journal.progress(STAGE, done, len(study.split.validation) + len(study.split.test))
    return score_s


def _keep_held(run: Run, first: int, batch: Batch, maps: ReadMaps) -> None:
    write_held(held_path(run, first), batch, maps)
    write_images(run, batch.trace.images, batch.trace.prompts)


def _keep_shown(
    run: Run, study: Study, cuts: Cuts, batch: Batch, maps: ReadMaps, few: Looks
) -> None:
    for each in shown_pictures(study, cuts, batch, maps, few):
        write_shown(run, each)


def _keep_scored(run: Run, first: int, batch: Batch, table: pd.DataFrame) -> None:
    write_table(scores_path(run, first), table)
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
        # Probes of the joint activation read no layer that anybody else could show them.
        if isinstance(probe, Probe) and key[1].split(" ")[0] != JOINT
    }


def rivals(study: Study, batch: Batch) -> Looks:
    """Draw the latents of every step and label what is seen: most of what scoring costs.

    What labelers have seen on the way is not drawn again, but for the class network.
    """
    known = batch.looks if study.namer is None else Looks()
    at = list(range(study.steps) if study.rivals_at is None else study.rivals_at)
    both = {source: each[at] for source, each in shown(batch.trace).items()}
    left = {source: each for source, each in both.items() if source not in known.maps}
    places = places_shown(study, batch.trace.prompts)
    looks = look(study.model, study.labelers, study.properties, left, study.namer, places=places)
    had = {source: {name: x[at] for name, x in each.items()} for source, each in known.maps.items()}
    maps = {**looks.maps, **had}
    pictures = {**looks.pictures, **{source: x[at] for source, x in known.pictures.items()}}
    return replace(looks, maps={source: maps[source] for source in both}, pictures=pictures)


def looks_to_show(study: Study, batch: Batch, looks: Looks) -> Looks:
    """Give what was seen in those pictures that the run keeps to show, and draw what was not.

    That is the steps at which rivals are not looked at, if there are any: a picture is shown at
    every step.
    """
    places = places_shown(study, batch.trace.prompts)
    maps = {
        source: {name: x[:, places] for name, x in each.items()}
        for source, each in looks.maps.items()
    }
    left = sorted(set(range(study.steps)) - set(study.rivals_at or range(study.steps)))
    if not places or not left:
        return Looks(maps, pictures=looks.pictures)
    latents = {source: x[left][:, places] for source, x in shown(batch.trace).items()}
    every = range(len(places))
    more = look(study.model, study.labelers, study.properties, latents, places=every)
    order = torch.tensor([*(study.rivals_at or ()), *left]).argsort()

    def joined(some: Tensor, others: Tensor) -> Tensor:
        return torch.cat([some, others])[order.to(some.device)]

    return replace(
        more,
        maps={
            source: {name: joined(x, more.maps[source][name]) for name, x in each.items()}
            for source, each in maps.items()
        },
        pictures={name: joined(x, more.pictures[name]) for name, x in looks.pictures.items()},
    )


def shown_pictures(
    study: Study, cuts: Cuts, batch: Batch, maps: ReadMaps, few: Looks
) -> list[Shown]:
    """Gather all that is shown of those pictures of a batch that the run keeps to show."""
    places = places_shown(study, batch.trace.prompts)
    how = {"cuts": cuts.thresholds, "position": cuts.position}
    return show(study, batch, places, maps, few, **how)


def pooled_test(study: Study, batch: Batch, looks: Looks) -> Pooled:
    """Gather what is kept of test pictures for classes: what can be decoded, and what was seen."""
    return Pooled(batch.pooled, shown(batch.trace), looks.named, identity(study.namer))


def score_group(
    study: Study,
    cuts: Cuts,
    first: int,
    part: str,
    batch: Batch,
    read_maps: ReadMaps,
    looks: Looks,
) -> tuple[pd.DataFrame, Seconds]:
    """Score every source on one group of held-out pictures, `first` the number of its first.

    Nothing is chosen for the rivals, so only test pictures have `looks`.
    """
    prompts = batch.trace.prompts
    texts = [prompt.group for prompt in prompts]
    compare = partial(
        score_beside,
        study.properties,
        batch,
        looks.maps,
        layers=study.layers,
        read_maps=read_maps,
        thresholds=cuts.thresholds,
        position=cuts.position,
        wrong=wrong_labels(cuts.labels, cuts.texts, texts, first),
        looked_at_steps=study.rivals_at,
    )
    blocks, score_s = timed("scoring", compare, study.model.device)
    numbers = list(range(first, first + len(prompts)))
    seen = {key: study.rivals_at for key in blocks if key.source in looks.maps}
    seen = {key: at for key, at in seen.items() if at is not None}
    splits = [part] * len(prompts)
    scores = tabulate(blocks, images=numbers, prompts=texts, splits=splits, seen=seen)
    return scores.rows, score_s
