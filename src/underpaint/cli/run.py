"""`run`: the whole study, from what the command line says to the folder that it leaves."""

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress
from torch import nn

from ..core.errors import RunError
from ..core.properties import PROPERTIES, Property
from ..figures.curves import draw_all
from ..labelers import Labeler, labelers_for
from ..models import Model, has_decoder_attention, load, permuted, untrained
from ..models.layers import find_layers, select_layers
from ..models.reading import reads
from ..probes.recipes import RECIPES, suits
from ..runs import runs
from ..study import cluster
from ..study.budget import Need, check_budget, fit_batch, free_bytes, need
from ..study.presets import Preset
from ..study.stages import carry_out
from ..study.study import Study
from .defaults import refuse_other_weights, take_from, take_preset
from .figure import draw_pictures
from .images import pictures_for
from .options import OUT, RUNNING
from .progress import progress_bar
from .prompts import digest, prompts_of, say_unknown, split_of
from .site import write_site


@click.command()
@OUT
@click.option(
    "--preset",
    callback=take_preset,
    is_eager=True,
    metavar="NAME|FILE",
    help="A study as data (`underpaint presets`). What is said beside it counts more.",
)
@click.option("--model", "model_id", default="tiny", show_default=True, help="Id or folder.")
@click.option("--prompts", type=click.Path(path_type=Path), help="CSV, TSV, Parquet, JSON or .txt.")
@click.option("--count", default=617, show_default=True, help="How many images.")
@click.option("--steps", default=15, show_default=True, help="Denoising steps.")
@click.option("--guidance", type=float, help="Guidance scale.  [default: the model's own]")
@click.option("--batch", default="32", show_default=True, help="Images at once, or auto.")
@click.option("--budget", type=float, help="Refuse what takes more memory than so many GB.")
@click.option("--scheduler", help="ddim, lms, euler or dpm++.  [default: the model's own]")
@click.option("--resolution", type=int, help="Pixels of a side.  [default: the model's own]")
@click.option("--cut", help="TRAIN/TEST rows in the file's order.  [default: split by text]")
@click.option("--layers", "glob", default="*", show_default=True, help="Which layers, as a glob.")
@click.option(
    "--properties", default="saliency,depth,shading", show_default=True, help="What to read."
)
@click.option("--labelers", "labeled_by", help="property=ID_OR_FOLDER,…  [default: tiny's]")
@click.option(
    "--label-cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that keeps what those say of each picture, for the next run.",
)
@click.option("--images", help="Probe these, not generated ones: rendered, or a FOLDER.")
@click.option("--recipe", default="ridge", show_default=True, help="Fit by this one beside ridge.")
@click.option("--classifier", help="What `classify` asks: vgg16, vgg16:FOLDER, id or folder.")
@click.option("--seed", default=0, show_default=True, help="Of prompts, seeds and the split.")
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="ray spreads the work over a cluster, or over this machine.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Of ray on this machine.  [default: as many as fit]",
)
@click.option("--quick", is_flag=True, help="Leave out the controls that run other networks.")
@click.option("--resume", is_flag=True, help="Only go on with a run that is there.")
@click.option(
    "--like",
    type=click.Path(path_type=Path),
    callback=take_from,
    is_eager=True,
    expose_value=False,
    help="Do again what this run did. What is said beside it counts more.",
)
@RUNNING
def run(
    out: Path,
    preset: Preset | None,
    model_id: str,
    prompts: Path | None,
    count: int,
    steps: int,
    guidance: float | None,
    batch: str,
    budget: float | None,
    scheduler: str | None,
    resolution: int | None,
    cut: str | None,
    glob: str,
    properties: str,
    labeled_by: str | None,
    label_cache: Path | None,
    images: str | None,
    recipe: str,
    classifier: str | None,
    seed: int,
    engine: str,
    workers: int | None,
    quick: bool,
    resume: bool,
    device: str,
    dtype: str,
) -> None:
    """Do the whole study and write it to the folder OUT.

    The same command again goes on from what is there, wherever it was stopped.
    """
    at_once = _at_once(batch, out)
    whole = (("count", count), ("steps", steps), ("batch", at_once), ("resolution", resolution))
    for name, value in whole:
        if value is not None and value < 1:
            raise RunError(f"--{name} is {value}. Give a whole number of at least 1.")
    parts = _cut(cut)
    if resume:
        runs.find_run(out)
    chosen = _properties(properties)
    other = _recipe(recipe, chosen)
    named = _labelers(labeled_by, chosen, preset)
    if preset is not None and prompts is None:
        raise RunError(
            f"--preset {preset.name} studies prompts of your own: give --prompts FILE.csv."
        )
    asked = prompts_of(prompts, count=count, seed=seed)
    model = load(model_id, device=device, dtype=dtype, scheduler=scheduler, resolution=resolution)
    if not model.takes_text:
        click.echo(f"{model_id} takes no prompt: pictures follow from their seeds alone.", err=True)
    split = split_of(
        asked, reads=reads(model), count=count, seed=seed, cut=parts,
        takes_text=model.takes_text, are_given=images is not None,
    )  # fmt: skip
    layers = select_layers(find_layers(model), glob)
    pictures = pictures_for(images, model, chosen)
    labelers = labelers_for(model, named, cache=label_cache)
    strength = model.guidance if guidance is None else guidance
    has_halves = strength > 1 and model.takes_text
    needed = need(
        model, layers, chosen,
        steps=steps, controls=0 if quick else 2, labelers=labelers, halves=has_halves,
    )  # fmt: skip
    at_once = _fitting(at_once, needed, model, budget)
    _say_who_labels(labelers, chosen)
    if Path(model_id).name == "tiny":
        say_unknown(split)
    else:
        _warn_of_our_labels(model_id, [each.name for each in chosen if each.name not in named])
    settings = {
        "model": model.name,
        "fingerprint": model.fingerprint,
        "scheduler": type(model.pipeline.scheduler).__name__,
        "steps": steps,
        "guidance": strength,
        "layers": [layer.name for layer in layers],
        "properties": [each.name for each in chosen],
        "labelers": {each.name: [each.licence, each.fingerprint] for each in labelers},
        "prompts": digest(split),
        "dtype": str(model.dtype),
        "count": count,
        "batch": at_once,
        "seed": seed,
        "quick": quick,
    }
    # Settings of runs that name none are those of runs from before they could.
    optional = {
        "labeled_by": named,
        "pictures": images,
        "recipe": other,
        "swapped_scheduler": scheduler,
        "resolution": resolution,
        "cut": cut,
        "classifier": classifier,
    }
    settings |= {name: value for name, value in optional.items() if value}
    refuse_other_weights(settings)
    versions = {name: version(name) for name in ("underpaint", "torch", "diffusers")}
    folder = runs.open_run(out, settings, {**versions, "device": str(model.device)})
    if runs.is_done(folder):
        click.echo(f"{out} is done already; `underpaint show {out}` prints it.", err=True)
        return
    study = Study(
        model, labelers, chosen, layers, split, steps, strength, at_once,
        controls={} if quick else _controls(model, seed),
        pictures=pictures, recipe=other,
        sees_decoder=not quick and has_decoder_attention(model),
        sees_halves=has_halves,
    )  # fmt: skip
    _carry_out(study, folder, on_cluster=engine == "ray", workers=workers)
    draw_all(runs.read_summary(folder), folder.figures, layers=layers)
    path = draw_pictures(folder, model, labelers, chosen, split.test[0], steps, strength)
    write_site(folder, out / "site", model=model)
    click.echo(f"Table: underpaint show {out}\nPicture: {path}")


def _controls(model: Model, seed: int) -> dict[str, nn.Module]:
    """Make the denoisers that know nothing."""
    return {
        "random": permuted(model.denoiser, seed=seed),
        "untrained": untrained(model.denoiser, seed=seed),
    }


def _carry_out(study: Study, folder: runs.Run, *, on_cluster: bool, workers: int | None) -> None:
    """Do the study under a progress bar, here or on a cluster's workers first."""
    with progress_bar() as bar:
        report, say = _reporter(bar), partial(click.echo, err=True)
        away = partial(cluster.fill, study, folder, report, say, workers=workers)
        try:
            carry_out(study, folder, report, say, before=away if on_cluster else lambda: None)
        except KeyboardInterrupt as error:
            raise RunError(
                f"Stopped. The same command goes on with {folder.folder} from here."
            ) from error


def _properties(names: str) -> tuple[Property, ...]:
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in PROPERTIES]
    if unknown or not wanted:
        raise RunError(
            f"--properties says {names!r}: {unknown[0] if unknown else 'nothing'} is no property. "
            f"Choose from {', '.join(PROPERTIES)}."
        )
    return tuple(PROPERTIES[name] for name in dict.fromkeys(wanted))


def _recipe(name: str, properties: tuple[Property, ...]) -> str | None:
    """Check `--recipe`; ridge, which every run fits, is None."""
    if name == "ridge":
        return None
    if name not in RECIPES:
        raise RunError(f"--recipe says {name!r}. Choose from ridge, {', '.join(RECIPES)}.")
    if not any(suits(name, each) for each in properties):
        kind = "masks" if name == "logistic" else "maps"
        raise RunError(f"--recipe {name} fits {kind}, and none is read. Add one, or choose paper.")
    return name


def _labelers(
    text: str | None, properties: tuple[Property, ...], preset: Preset | None
) -> dict[str, str]:
    """Read `property=ID_OR_FOLDER,…`; what it leaves out is the preset's."""
    parts = [part.partition("=") for part in (text or "").split(",") if part.strip()]
    chosen = {name.strip(): source.strip() for name, _, source in parts}
    names = [each.name for each in properties]
    for name, source in chosen.items():
        if name not in names or not source:
            raise RunError(
                f"--labelers says {text!r}: write property=ID_OR_FOLDER, with a property that is "
                f"read here ({', '.join(names)})."
            )
    given = {name: each.pinned for name, each in preset.labelers.items()} if preset else {}
    both = {**given, **chosen}
    return {name: both[name] for name in names if name in both}


def _at_once(text: str, out: Path) -> int | None:
    """Read --batch: a number, or None for auto; a run that is there keeps its own."""
    if text.strip() == "auto":
        here = runs.Run(out).settings
        found = runs.read_json(here) if here.exists() else {}
        batch = found.get("batch") if isinstance(found, dict) else None
        return batch if isinstance(batch, int) else None
    try:
        return int(text)
    except ValueError as error:
        raise RunError(
            f"--batch is {text!r}. Give a whole number of at least 1, or auto."
        ) from error


def _cut(text: str | None) -> tuple[int, int] | None:
    """Read TRAIN/TEST."""
    if text is None:
        return None
    train, _, test = text.partition("/")
    try:
        return int(train), int(test)
    except ValueError as error:
        raise RunError(f"--cut is {text!r}. Write TRAIN/TEST, such as 246/371.") from error


def _fitting(at_once: int | None, needed: Need, model: Model, budget: float | None) -> int:
    """Choose the batch that fits, or make sure that the one asked for fits the budget."""
    weights = needed.fixed["weights"]
    weights += needed.fixed["labelers"] if model.device.type == "cpu" else 0
    available = free_bytes(model.device, weights) if budget is None else int(budget * 2**30)
    if at_once is None:
        at_once = fit_batch(needed, available)
        click.echo(f"Batch of {at_once}: about {needed.sentence(at_once)}.", err=True)
    elif budget is not None:
        check_budget(needed, at_once, available)
    return at_once


def _say_who_labels(labelers: tuple[Labeler, ...], properties: tuple[Property, ...]) -> None:
    """Say on stderr which labeler reads what, and under which licence."""
    names = {each.name for each in properties}
    for each in labelers:
        if reads := [name for name in each.reads if name in names]:
            click.echo(f"Labels of {', '.join(reads)}: {each.name} ({each.licence}).", err=True)


def _warn_of_our_labels(model_id: str, names: list[str]) -> None:
    """Say which labels of another model's pictures are our own reader's."""
    if names:
        click.echo(
            f"Labels of {', '.join(names)} for {model_id} come from the reader of rendered "
            "scenes: on other pictures they mean little. Choose others with --labelers.",
            err=True,
        )


def _reporter(bar: Progress) -> Callable[[str, int, int], None]:
    tasks: dict[str, Any] = {}

    def report(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = bar.add_task(stage, total=total)
        bar.update(tasks[stage], completed=done)

    return report
