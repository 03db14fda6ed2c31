"""The whole study, stage by stage: fold, fit, score, summarise. What is done stays done."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from ..core.files import held
from ..core.numbers import or_null
from ..labelers.labeler import awake
from ..models.levels import noise_ratios
from ..runs.folder import read_summary
from ..runs.runs import Run, read_table, update_summary, write_prompts
from ..scores.scores import Scores
from ..scores.summaries import summarise
from .beyond import LATENT_SIDE, LOOK_SIDE
from .checkpoints import clear
from .checks import check_study
from .costs import CPU, Seconds, account, peak_rss_mb, peak_vram_mb, timed, total
from .held_out import fit_and_score
from .journal import Journal, Progress, Say
from .lanes import lane
from .occupancy import watched
from .recognition import write_classes
from .study import Study
from .training import fold_all


def carry_out(
    study: Study,
    run: Run,
    progress: Progress,
    say: Say = lambda _line: None,
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
        UnderpaintError: what `check_study` says, before anything is written.
    """
    check_study(study)
    with held(run.folder):
        before()
        begun = time.perf_counter()
        parts = {part: getattr(study.split, part) for part in ("train", "validation", "test")}
        write_prompts(run, parts)
        device = study.model.device
        with _awake(study), watched(device) as watch:
            how = {"ahead": study.ahead, "device": device, "watch": watch}
            with lane(**how) as keeper, lane(**how) as writer:
                journal = Journal(run, progress, say, writer, keeper, watch)
                folded = fold_all(study, journal)
                scored = fit_and_score(study, journal, folded)
        clear(run, "validation", "scores", "seen-tuning", "seen-training")
        named_s = _classes(study, run, progress)
        noise = _noise(study)
        summarise_all = partial(_summarised, study, run, noise)
        properties, summarised = timed("summarising", summarise_all, CPU)
        spent = total([folded.seconds, scored, keeper.seconds, writer.seconds, named_s, summarised])
        entries = {
            "schema": 1,
            "model": study.model.name,
            "steps": study.steps,
            "noise": noise,
            "images": {part: len(prompts) for part, prompts in parts.items()},
            "properties": properties,
            "cost": _cost(study, begun, spent, watch.share),
        }
        if study.goes_beyond:
            looked = LOOK_SIDE if study.looks_ahead else None
            entries["beyond"] = {"latents": LATENT_SIDE, "labeler": looked}
        return update_summary(run, entries)


@contextmanager
def _awake(study: Study) -> Iterator[None]:
    """Have labelers on the GPU all the time where they look while others generate."""
    networks = [network for each in study.labelers for network in each.networks]
    with awake(networks if study.ahead else (), study.model.device):
        yield


def _classes(study: Study, run: Run, progress: Progress) -> Seconds:
    """Ask for classes of what both passes kept, if a class network is there to be asked."""
    if study.namer is None:
        return {}
    ask = partial(write_classes, study, run, progress, with_blank=False)
    return timed("classes", ask, study.model.device)[1]


def _summarised(study: Study, run: Run, noise: Sequence[float | None]) -> dict:
    return summarise(Scores(read_table(run.scores)), study.properties, noise=noise)


def _cost(study: Study, begun: float, parts: Seconds, gpu_share: float | None) -> dict[str, Any]:
    seconds, generation = time.perf_counter() - begun, parts.get("generation", 0.0)
    return {
        **account(seconds, parts),
        "seconds_generation": generation,
        "overhead": seconds / generation if generation else None,
        "gpu_share": gpu_share,
        "peak_rss_mb": peak_rss_mb(),
        "peak_vram_mb": peak_vram_mb(study.model.device),
    }


def add_cost(run: Run, parts: Seconds) -> None:
    """Count what was done after the study, such as figures and the site, in its cost too."""
    cost = read_summary(run)["cost"]
    seconds = cost["seconds"] + sum(parts.values())
    counted = account(seconds, total([cost.get("parts", {}), parts]))
    update_summary(run, {"cost": {**cost, **counted}})


def _noise(study: Study) -> list[float | None]:
    """Give each step's ratio of noise to signal. JSON has no infinity: None is noise alone."""
    return [or_null(ratio) for ratio in noise_ratios(study.model, steps=study.steps)]
