"""The command line: a command parses, calls one function, prints."""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from . import runs
from .bars import progress_bar
from .bench import compare
from .budget import Need, check_budget, fit_batch, free_bytes, need
from .cli_classify import classify, print_classes
from .cli_convert import convert
from .cli_edit import edit
from .cli_images import pictures_for
from .cli_pick import pick
from .cli_presets import presets
from .cli_share import share
from .cli_site import export, serve, write_site
from .editing import check_run
from .errors import PromptError, RunError, UnderpaintError
from .figures import draw_labels, draw_steps
from .labelers import Labeler, label, labelers_for
from .layers import find_layers, select_layers
from .models import (
    Model,
    find_device,
    has_decoder_attention,
    load,
    load_as,
    permuted,
    untrained,
)
from .presets import Preset, read_preset
from .prompts import Prompt, Split, cut_prompts, read_prompts, split_prompts
from .properties import PROPERTIES, Property, normalise
from .recipes import RECIPES, suits
from .study import Study, carry_out
from .tables import block_rows
from .traces import trace


class Commands(click.Group):
    """One line on stderr and exit code 1 for our own errors; a full traceback for bugs."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UnderpaintError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Commands)
@click.version_option(package_name="underpaint")
def main() -> None:
    """See, measure and use the 3D scene inside a diffusion model before any eye can."""


main.add_command(classify)
main.add_command(edit)
main.add_command(pick)
main.add_command(export)
main.add_command(serve)
main.add_command(presets)
main.add_command(convert)
main.add_command(share)


def _options(*options: Callable) -> Callable:
    def decorate(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_OUT = click.argument("out", type=click.Path(path_type=Path))
_RUNNING = _options(
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, mps."),
    click.option("--dtype", default="auto", show_default=True, help="auto, float32, …"),
)


def _take_from(ctx: click.Context, _option: click.Parameter, other: Path | None) -> None:
    """Take another run's settings as defaults."""
    if other is None:
        return
    settings = runs.read_json(runs.find_run(other).settings)
    try:
        ctx.default_map = {
            "model_id": settings["model"],
            "prompts": str(other / "prompts.csv"),
            "glob": ",".join(settings["layers"]),
            "properties": ",".join(settings["properties"]),
            "dtype": settings["dtype"].removeprefix("torch."),
            **{name: settings[name] for name in ("count", "steps", "guidance", "batch", "seed")},
            "quick": settings["quick"],
            "images": settings.get("pictures"),
            "recipe": settings.get("recipe", "ridge"),
            "labeled_by": ",".join(map("=".join, settings.get("labeled_by", {}).items())) or None,
            "scheduler": settings.get("swapped_scheduler"),
            **{name: settings.get(name) for name in ("resolution", "cut", "classifier")},
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{other} does not say all that it did: {error} is missing in its run.json. "
            "Give its options one by one."
        ) from error


def _take_preset(ctx: click.Context, _option: click.Parameter, name: str | None) -> Preset | None:
    """Take a preset's numbers and model as defaults."""
    if name is None:
        return None
    if ctx.default_map:
        raise RunError("--preset and --like both say what to do. Give one of them.")
    preset = read_preset(name)
    ctx.default_map = {
        "model_id": preset.model.pinned,
        "classifier": preset.classifier.pinned if preset.classifier else None,
        **{key: ",".join(x) if isinstance(x, list) else x for key, x in preset.numbers.items()},
    }
    return preset


@main.command()
@_OUT
@click.option(
    "--preset",
    callback=_take_preset,
    is_eager=True,
    metavar="NAME|FILE",
    help="A study as data (`underpaint presets`). What is said beside it counts more.",
)
@click.option("--model", "model_id", default="tiny", show_default=True, help="Id or folder.")
@click.option("--prompts", type=click.Path(path_type=Path), help="CSV: prompts,seeds,prompt_inds.")
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
@click.option("--images", help="Probe these, not generated ones: rendered, or a FOLDER.")
@click.option("--recipe", default="ridge", show_default=True, help="Fit by this one beside ridge.")
@click.option("--classifier", help="What `classify` asks: vgg16, vgg16:FOLDER, id or folder.")
@click.option("--seed", default=0, show_default=True, help="Of prompts, seeds and the split.")
@click.option("--quick", is_flag=True, help="Leave out the controls that run other networks.")
@click.option("--resume", is_flag=True, help="Only go on with a run that is there.")
@click.option(
    "--like",
    type=click.Path(path_type=Path),
    callback=_take_from,
    is_eager=True,
    expose_value=False,
    help="Do again what this run did. What is said beside it counts more.",
)
@_RUNNING
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
    images: str | None,
    recipe: str,
    classifier: str | None,
    seed: int,
    quick: bool,
    resume: bool,
    device: str,
    dtype: str,
) -> None:
    """Do the whole study and write it to the folder OUT.

    The same command again goes on from what is there, wherever it was stopped.
    """
    at_once = _at_once(batch, out)
    asked = (("count", count), ("steps", steps), ("batch", at_once), ("resolution", resolution))
    for name, value in asked:
        if value is not None and value < 1:
            raise RunError(f"--{name} is {value}. Give a whole number of at least 1.")
    parts = _cut(cut)
    if resume:
        runs.find_run(out)
    chosen = _properties(properties)
    other = _recipe(recipe, chosen)
    given = {name: each.pinned for name, each in preset.labelers.items()} if preset else {}
    said = _labelers(labeled_by, chosen)
    named = {
        each.name: {**given, **said}[each.name] for each in chosen if each.name in {**given, **said}
    }
    split = _split(prompts, count=count, seed=seed, cut=parts)
    model = load(model_id, device=device, dtype=dtype, scheduler=scheduler, resolution=resolution)
    layers = select_layers(find_layers(model), glob)
    needed = need(model, layers, chosen, steps=steps, controls=0 if quick else 2)
    at_once = _fitting(at_once, needed, model, budget)
    labelers = labelers_for(model, named)
    _say_who_labels(labelers, chosen)
    ours = [each.name for each in chosen if each.name not in named]
    if ours and Path(model_id).name != "tiny":
        click.echo(
            f"Labels of {', '.join(ours)} for {model_id} come from the reader of rendered "
            "scenes: on other pictures they mean little. Choose others with --labelers.",
            err=True,
        )
    pictures = pictures_for(images, model, chosen)
    if Path(model_id).name == "tiny":
        _say_unknown(split)
    strength = model.guidance if guidance is None else guidance
    settings = {
        "model": model.name,
        "fingerprint": model.fingerprint,
        "scheduler": type(model.pipeline.scheduler).__name__,
        "steps": steps,
        "guidance": strength,
        "layers": [layer.name for layer in layers],
        "properties": [each.name for each in chosen],
        "labelers": {each.name: [each.licence, each.fingerprint] for each in labelers},
        "prompts": _digest(split),
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
    versions = {name: version(name) for name in ("underpaint", "torch", "diffusers")}
    folder = runs.open_run(out, settings, {**versions, "device": str(model.device)})
    if runs.is_done(folder):
        click.echo(f"{out} is done already; `underpaint show {out}` prints it.", err=True)
        return
    controls = (
        {}
        if quick
        else {
            "random": permuted(model.denoiser, seed=seed),
            "untrained": untrained(model.denoiser, seed=seed),
        }
    )
    study = Study(
        model, labelers, chosen, layers, split, steps, strength, at_once, controls,
        pictures=pictures, recipe=other,
        sees_decoder=not quick and has_decoder_attention(model),
    )  # fmt: skip
    with progress_bar() as bar:
        try:
            carry_out(study, folder, _reporter(bar), partial(click.echo, err=True))
        except KeyboardInterrupt as error:
            raise RunError(f"Stopped. The same command goes on with {out} from here.") from error
    path = _draw(folder, model, labelers, chosen, split.test[0], steps, strength)
    write_site(folder, out / "site", model=model)
    click.echo(f"Table: underpaint show {out}\nPicture: {path}")


@main.command()
@_OUT
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def show(out: Path, as_json: bool) -> None:
    """Print how early, how well and where each property can be read."""
    summary = runs.read_json(runs.find_run(out).summary)
    if as_json:
        click.echo(json.dumps(summary))
        return
    console = Console()
    for name, found in summary["properties"].items():
        title = f"{name}: {found['metric']} on test images, probe at {found['best_layer']}"
        table = Table(title=title, title_justify="left")
        for heading in ("source", "step 1", "step 3", "last step", "95% interval", "onset"):
            table.add_column(heading, justify="left" if heading == "source" else "right")
        for source, each in found["sources"].items():
            by_step, final, onset = each["by_step"], each["final"], each["onset"]
            table.add_row(
                source,
                *(_number(by_step[min(at, len(by_step) - 1)]["mean"]) for at in (0, 2)),
                _number(final["mean"]),
                f"{_number(final['low'])} … {_number(final['high'])}",
                "–" if onset is None else f"{onset['step']} ({onset['low']}–{onset['high']})",
            )
        console.print(table)
    if "classify" in summary:
        print_classes(console, summary["classify"])
    cost = summary["cost"]
    console.print(
        f"{cost['seconds']:.0f} s in all, {cost['seconds_generation']:.0f} s of it generation; "
        f"{cost['peak_rss_mb']:.0f} MB at most."
    )


@main.command()
@_OUT
@click.option("--prompt", "index", type=int, help="Index of a prompt.  [default: first of test]")
@_RUNNING
def figure(out: Path, index: int | None, device: str, dtype: str) -> None:
    """Draw the steps x rows picture for one prompt."""
    folder = runs.find_run(out)
    settings = runs.read_json(folder.settings)
    known = [p for part in ("test", "validation", "train") for p in runs.read_split(folder, part)]
    prompt = next((p for p in known if index is None or p.index == index), None)
    if prompt is None:
        raise PromptError(f"No prompt has index {index}; there are {len(known)} in prompts.csv.")
    model = load_as(settings, device=device, dtype=dtype)
    check_run(settings, model)
    chosen = tuple(PROPERTIES[name] for name in settings["properties"])
    labelers = labelers_for(model, settings.get("labeled_by"))
    strength = settings["guidance"]
    click.echo(_draw(folder, model, labelers, chosen, prompt, settings["steps"], strength))


@main.command()
@click.argument("model_id", metavar="MODEL")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@_RUNNING
def layers(model_id: str, as_json: bool, device: str, dtype: str) -> None:
    """List a model's self-attention layers, in the order in which they run."""
    found = find_layers(load(model_id, device=device, dtype=dtype))
    if as_json:
        rows = [{"name": x.name, "grid": x.grid, "channels": x.channels} for x in found]
        click.echo(json.dumps(rows))
        return
    table = Table("layer", "h×w", "c", "module")
    for each in found:
        table.add_row(each.name, f"{each.grid[0]}×{each.grid[1]}", str(each.channels), each.module)
    blocks = Table("block", "self-attention layers", "h×w", "c")
    for row in block_rows(found):
        blocks.add_row(*row)
    console = Console()
    console.print(blocks)
    console.print(table)


@main.command()
@click.option("--model", "model_id", default="tiny", show_default=True, help="Id or folder.")
@click.option("--images", default=32, show_default=True, type=click.IntRange(min=8))
@click.option("--steps", default=15, show_default=True, type=click.IntRange(min=1))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
@_RUNNING
def bench(model_id: str, images: int, steps: int, as_json: bool, device: str, dtype: str) -> None:
    """Measure what probing costs beside bare generation and the literature's method."""
    model = load(model_id, device=device, dtype=dtype)
    found = compare(
        model,
        labelers_for(model),
        [PROPERTIES[name] for name in ("saliency", "depth", "shading")],
        find_layers(model),
        images=images,
        steps=steps,
        progress=lambda line: click.echo(line, err=True),
    )
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, value in found.items():
        click.echo(f"{name:24} {value:.3f}" if isinstance(value, float) else f"{name:24} {value}")


@main.command()
@_OUT
@click.option(
    "--minutes",
    default=180.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Of training, in all.",
)
@click.option(
    "--scenes",
    default=32,
    show_default=True,
    type=click.IntRange(min=1),
    help="Thousands of scenes to render.",
)
@click.option("--device", default="auto", show_default=True)
@click.option("--measure", is_flag=True, help="Only measure what OUT/tiny holds.")
@click.option(
    "--pictures",
    default=500,
    show_default=True,
    type=click.IntRange(min=10),
    help="To draw for measuring.",
)
def train(
    out: Path, minutes: float, scenes: int, device: str, measure: bool, pictures: int
) -> None:
    """Train the embedded model and its labelers from nothing, or go on with what OUT holds."""
    from .scenes.stages import measure_all, train_all

    def say(line: str) -> None:
        click.echo(line, err=True)

    if device != "auto":
        find_device(device)
    if not measure:
        train_all(out, minutes=minutes, shards=scenes, device=device, progress=say)
    click.echo(json.dumps(measure_all(out, count=pictures, progress=say), indent=1))


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


def _labelers(text: str | None, properties: tuple[Property, ...]) -> dict[str, str]:
    """Read `property=ID_OR_FOLDER,…`."""
    parts = [part.partition("=") for part in (text or "").split(",") if part.strip()]
    chosen = {name.strip(): source.strip() for name, _, source in parts}
    names = [each.name for each in properties]
    for name, source in chosen.items():
        if name not in names or not source:
            raise RunError(
                f"--labelers says {text!r}: write property=ID_OR_FOLDER, with a property that is "
                f"read here ({', '.join(names)})."
            )
    return chosen


def _at_once(text: str, out: Path) -> int | None:
    """Read --batch: a number, or None for auto; a run that is there keeps its own."""
    if text.strip() == "auto":
        here = runs.Run(out).settings
        return runs.read_json(here)["batch"] if here.exists() else None
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


def _digest(split: Split) -> str:
    """Name the prompts of a split, so that a run is never mixed with another's."""
    parts = (split.train, split.validation, split.test)
    rows = [[[each.text, each.seed] for each in part] for part in parts]
    return "sha256:" + hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _split(path: Path | None, *, count: int, seed: int, cut: tuple[int, int] | None) -> Split:
    divide = split_prompts if cut is None else partial(cut_prompts, train=cut[0], test=cut[1])
    if path is not None:
        found = read_prompts(path)
        said = [] if found.encoding == "utf-8" else [f"was read as {found.encoding}"]
        if len(found.prompts) > count:
            said.append(f"has {len(found.prompts)} prompts; --count takes the first {count}")
        if said:
            click.echo(f"{path} {' and '.join(said)}.", err=True)
        return divide(_numbered(found.prompts[:count]), seed=seed)
    from .scenes.words import CAPTIONS

    random = np.random.default_rng(seed)
    texts = [str(CAPTIONS[i % len(CAPTIONS)]) for i in random.permutation(len(CAPTIONS))]
    texts = [texts[i % len(texts)] for i in range(count)]
    seeds = random.integers(10**8, size=count)
    prompts = [Prompt(text, int(s)) for text, s in zip(texts, seeds, strict=True)]
    return divide(_numbered(tuple(prompts)), seed=seed)


def _say_unknown(split: Split) -> None:
    """Say on stderr which words of the prompts the embedded model has never read."""
    from .scenes.words import unknown_words

    texts = " ".join(p.text for p in (*split.train, *split.validation, *split.test))
    if unknown := unknown_words(texts):
        click.echo(
            f"tiny does not know {len(unknown)} of these words: {', '.join(unknown[:12])}"
            f"{' …' if len(unknown) > 12 else ''}. It draws what is left of the prompt.",
            err=True,
        )


def _numbered(prompts: tuple[Prompt, ...]) -> list[Prompt]:
    """Keep the file's own numbers where all have one, else number by place: files go by it."""
    if all(each.index is not None for each in prompts):
        return list(prompts)
    return [Prompt(each.text, each.seed, place) for place, each in enumerate(prompts)]


def _draw(
    folder: runs.Run,
    model: Model,
    labelers: tuple[Labeler, ...],
    properties: tuple[Property, ...],
    prompt: Prompt,
    steps: int,
    guidance: float,
) -> Path:
    summary = runs.read_json(folder.summary)["properties"]
    best = {name: found["best_layer"] for name, found in summary.items()}
    found = tuple(each for each in find_layers(model) if each.name in best.values())
    traced = trace(model, [prompt], steps=steps, guidance=guidance, layers=found)
    probes = {
        key: p
        for layer in found
        for key, p in runs.read_probes(folder, model.device, layer=layer.name).items()
    }
    path = folder.figures / f"steps-{prompt.index:05d}.png"
    draw_steps(
        model,
        labelers,
        properties,
        traced,
        probes=probes,
        best_layers=best,
        path=path,
    )
    maps = label(labelers, properties, traced.images)
    normal = {each.name: normalise(each, maps[each.name]) for each in properties}
    shown = folder.figures / f"labels-{prompt.index:05d}.png"
    draw_labels(traced.images, normal, properties, path=shown)
    return path


def _reporter(bar: Progress) -> Callable[[str, int, int], None]:
    tasks: dict[str, Any] = {}

    def report(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = bar.add_task(stage, total=total)
        bar.update(tasks[stage], completed=done)

    return report


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
