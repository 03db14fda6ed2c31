"""`underpaint run`: the whole study, from what the command line says to the folder that it leaves.

Asked ──▶ prompts ──▶ Study ──▶ fold, fit, score, summarise ──▶ figures ──▶ site
 read_asked   prompts_of  study_of            carry_out                draw    write_site
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from ..core.errors import ModelError, RunError
from ..core.prompts import Prompt
from ..core.properties import own_kinds
from ..figures.curves import draw_all
from ..figures.paper import write_paper
from ..labelers import PYTHON, Labeler, labelers_for
from ..models import Model, has_decoder_attention, load, permuted, untrained
from ..models.identity import identity_of
from ..models.layers import find_layers, select_layers
from ..models.reading import reads
from ..runs import runs
from ..scores.sources import SOURCES
from ..site.folder import find_site
from ..study import cluster
from ..study.batches import layout_for
from ..study.budget import check_budget, fit_batch, free_bytes, need
from ..study.bygone import forget_other_sources
from ..study.checks import check_study
from ..study.costs import timed
from ..study.splits import resplit
from ..study.stages import add_cost, carry_out
from ..study.study import Study
from .asked import Asked
from .check_labeler import warn_of_scaling
from .classify import ask_for_classes, class_network, draw_asked
from .defaults import refuse_other_weights
from .figure import draw_pictures
from .pictures import pictures_of
from .progress import reporting
from .prompts import digest, prompts_of, say_unknown, split_of
from .refreshed import refresh_site
from .site import write_site


def run(asked: Asked) -> None:
    """Carry out `underpaint run`, as its options say."""
    prompts = prompts_of(asked.prompts, count=asked.count, seed=asked.seed)
    study = study_of(asked, prompts)
    settings = settings_of(asked, study)
    refuse_other_weights(settings)
    is_done = runs.is_done(runs.Run(asked.out))
    if not is_done:
        check_study(study)  # before anything is written
    names = [each.name for each in SOURCES]
    folder = runs.open_run(asked.out, settings, made_with(study.model), sources=names)
    is_named = asked.classes and runs.has_classes(folder)
    if not is_done:
        forget_other_sources(folder, SOURCES, partial(click.echo, err=True))
        confirm = partial(runs.confirm_run, folder, settings)
        fold_fit_score_and_summarise(study, folder, asked, confirm)
    elif asked.classes and not is_named:
        ask_for_classes(study, folder, with_blank=False)
    elif is_shown(folder):
        if split_again(study, folder, asked):
            refresh_site(folder)
        click.echo(
            f"{asked.out} is done already; `underpaint show {asked.out}` prints it.", err=True
        )
        return
    split_again(study, folder, asked)
    device = study.model.device
    picture, figures_s = timed("figures", partial(draw, study, folder), device)
    if find_spec("typst") is not None:
        write_paper(folder)
    site = partial(write_site, folder, asked.out / "site", again=lambda: study)
    _, site_s = timed("site", site, device)
    add_cost(folder, {**figures_s, **site_s})
    click.echo(f"Table: underpaint show {asked.out}\nPicture: {picture}")


def study_of(asked: Asked, prompts: list[Prompt] | None) -> Study:
    """Load what is asked for, split prompts by what the model reads, and say what was chosen."""
    model = load(
        asked.model_id,
        device=asked.device,
        dtype=asked.dtype,
        scheduler=asked.scheduler,
        resolution=asked.resolution,
    )
    if not model.takes_text:
        click.echo(
            f"{asked.model_id} takes no prompt: pictures follow from their seeds alone.", err=True
        )
    split = split_of(
        prompts,
        reads=reads(model),
        count=asked.count,
        seed=asked.seed,
        cut=asked.parts,
        takes_text=model.takes_text,
        are_given=asked.images is not None,
    )
    guidance = model.guidance if asked.guidance is None else asked.guidance
    study = Study(
        model=model,
        labelers=_labelers(asked, model),
        properties=asked.properties,
        layers=select_layers(find_layers(model), asked.glob),
        split=split,
        steps=asked.steps,
        guidance=guidance,
        batch=asked.batch or 1,
        pictures=pictures_of(asked.images, asked.properties, model),
        recipe=asked.recipe,
        sees_decoder=not asked.quick and has_decoder_attention(model),
        sees_halves=guidance > 1 and model.takes_text,
        sees_text=model.takes_text,
        goes_beyond=True,
        looks_ahead=not asked.quick,
        trains=not asked.quick,
        rivals_at=asked.rivals_at,
        namer=class_network(model, asked.classifier) if asked.classes else None,
    )
    study = replace(study, batch=_batch(asked, study))
    _say_who_labels(asked, study)
    if Path(asked.model_id).name == "tiny":
        say_unknown(split)
    return study


def settings_of(asked: Asked, study: Study) -> dict[str, Any]:
    """Say what the numbers follow from: two runs that differ here are never mixed."""
    model = study.model
    settings = {
        "model": model.name,
        **identity_of(model),
        "steps": study.steps,
        "guidance": study.guidance,
        "layers": [layer.name for layer in study.layers],
        "properties": [each.name for each in study.properties],
        "labelers": {each.name: [each.licence, each.fingerprint] for each in study.labelers},
        "prompts": digest(study.split),
        "dtype": str(model.dtype),
        "count": asked.count,
        "batch": study.batch,
        "seed": asked.seed,
        "quick": asked.quick,
    }
    # Settings of runs that name none are those of runs from before they could.
    optional = {
        "own_properties": own_kinds(study.properties),
        "labeled_by": dict(asked.labeled_by),
        "pictures": asked.images,
        "recipe": asked.recipe,
        "swapped_scheduler": asked.scheduler,
        "resolution": asked.resolution,
        "cut": asked.cut,
        "classifier": asked.classifier,
        "rivals_at": [step + 1 for step in asked.rivals_at or ()],
    }
    return settings | {name: value for name, value in optional.items() if value}


def made_with(model: Model) -> dict[str, str]:
    """Say what is kept beside the settings, and need not be the same to go on."""
    versions = {name: version(name) for name in ("underpaint", "torch", "diffusers")}
    return {**versions, "device": str(model.device)}


def fold_fit_score_and_summarise(
    study: Study, folder: runs.Run, asked: Asked, confirm: Callable[[], None]
) -> None:
    """Do the study under a progress bar, here or on a cluster's workers first.

    Args:
        study: What to do.
        folder: Where to.
        asked: Where, and with which seed.
        confirm: Called once nobody else can write the folder: refuses if it is another run's.
    """
    if not asked.quick:
        model = study.model
        try:
            controls = {
                "random": permuted(model.denoiser, seed=asked.seed),
                "untrained": untrained(model.denoiser, seed=asked.seed),
            }
        except ModelError as error:
            # Quantised weights cannot be drawn anew; the rest of the study needs them as they are.
            click.echo(f"Without these controls: {error}", err=True)
            controls = {}
        study = replace(study, controls=controls)
    say = partial(click.echo, err=True)
    with reporting() as report:
        away = partial(cluster.fill, study, folder, report, say, workers=asked.workers)

        def before() -> None:
            confirm()
            if asked.engine == "ray":
                away()

        try:
            carry_out(study, folder, report, say, before=before)
        except KeyboardInterrupt as error:
            raise RunError(
                f"Stopped. The same command goes on with {folder.folder} from here."
            ) from error


def split_again(study: Study, folder: runs.Run, asked: Asked) -> bool:
    """Split the prompts with the seeds that follow the run's own, and keep the spread.

    Does nothing where none are asked for, or the run has so many; returns whether it did.
    """
    known = runs.read_summary(folder).get("splits", {})
    if not asked.splits or known.get("count") == asked.splits:
        return False
    seeds = [asked.seed + at for at in range(1, asked.splits + 1)]
    with reporting() as report:
        found, spent = timed("splits", partial(resplit, study, seeds, report), study.model.device)
    runs.update_summary(folder, {"splits": {**found, "seconds": spent["splits"]}})
    return True


def is_shown(folder: runs.Run) -> bool:
    """Tell whether figures and site are there; the site comes last, whole or not at all."""
    return find_site(folder.folder) is not None and any(folder.figures.glob("steps-*.png"))


def draw(study: Study, folder: runs.Run) -> Path:
    """Draw every figure of a run; return the picture of its first test prompt."""
    draw_all(runs.read_summary(folder), folder.figures, layers=study.layers)
    if study.namer is not None:
        draw_asked(study, folder, study.split.test[0])
    return draw_pictures(folder, study.split.test[0], lambda: study)


def _labelers(asked: Asked, model: Model) -> tuple[Labeler, ...]:
    """Load the labelers of what is read; others are not used, and not recorded."""
    names = [each.name for each in asked.properties]
    loaded = labelers_for(model, asked.labeled_by, cache=asked.label_cache)
    labelers = tuple(each for each in loaded if set(names) & set(each.reads))
    is_done = runs.is_done(runs.Run(asked.out))  # and then nobody is asked
    for each in labelers:
        if each.name != "tiny" and not is_done:
            warn_of_scaling(each, each.reads[0], model)
    read = {name for each in labelers for name in each.reads}
    if missing := [name for name in names if name not in read]:
        raise RunError(
            f"Nobody labels {missing[0]}. Say who with --labelers {missing[0]}=ID_OR_FOLDER or "
            f"{missing[0]}={PYTHON}MODULE:FUNCTION, or leave it out of --properties."
        )
    return labelers


def _say_who_labels(asked: Asked, study: Study) -> None:
    """Say on stderr which labeler reads what, under which licence, and what it is worth here."""
    for each in study.labelers:
        names = ", ".join(x.name for x in study.properties if x.name in each.reads)
        who = f"{each.name} ({each.licence})"
        if asked.images is not None:
            line = f"Labels of {names} are exact; {who} is held against them."
        elif each.name == "tiny" and not _is_of_rendered_scenes(asked, study.model):
            line = (
                f"Labels of {names}: {who}. It is the reader of rendered scenes, and on other "
                "pictures its labels mean little. Choose others with --labelers."
            )
        else:
            line = f"Labels of {names}: {who}."
        click.echo(line, err=True)


def _is_of_rendered_scenes(asked: Asked, model: Model) -> bool:
    """Tell whether a model draws the rendered world: the embedded one, or one with own readers."""
    own = Path(model.name).expanduser() / "map_reader.safetensors"
    return Path(asked.model_id).name == "tiny" or own.exists()


def _batch(asked: Asked, study: Study) -> int:
    """Choose the batch that fits, or make sure that the one asked for fits the budget."""
    model = study.model
    needed = need(
        model,
        study.layers,
        study.properties,
        steps=study.steps,
        controls=0 if asked.quick else 2,
        labelers=study.labelers,
        joint=layout_for(study),
        halves=study.sees_halves,
    )
    weights = needed.fixed["weights"]
    weights += needed.fixed["labelers"] if model.device.type == "cpu" else 0
    budget = asked.budget
    available = free_bytes(model.device, weights) if budget is None else int(budget * 2**30)
    if asked.batch is None:
        batch = fit_batch(needed, available)
        click.echo(f"Batch of {batch}: about {needed.sentence(batch)}.", err=True)
        return batch
    if budget is not None:
        check_budget(needed, asked.batch, available)
    return asked.batch
