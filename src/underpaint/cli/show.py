"""`show` and `figure`: a run's table and its steps x rows picture."""

import json
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..core.errors import PromptError
from ..core.prompts import Prompt
from ..core.properties import PROPERTIES, Property, normalise
from ..figures.maps import draw_labels, draw_steps
from ..labelers import Labeler, label, labelers_for
from ..models import Model, load_as
from ..models.layers import find_layers
from ..models.traces import trace
from ..runs import runs
from ..runs.runs import check_run
from .classify import print_classes
from .options import OUT, RUNNING


@click.command()
@OUT
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def show(out: Path, as_json: bool) -> None:
    """Print how early, how well and where each property can be read."""
    summary = runs.read_summary(runs.find_run(out))
    if as_json:
        click.echo(json.dumps(summary))
        return
    console = Console()
    for name, found in summary["properties"].items():
        title = escape(f"{name}: {found['metric']} on test images, probe at {found['best_layer']}")
        table = Table(title=title, title_justify="left")
        for heading in ("source", "step 1", "step 3", "last step", "95% interval", "onset"):
            table.add_column(heading, justify="left" if heading == "source" else "right")
        for source, each in found["sources"].items():
            by_step, final, onset = each["by_step"], each["final"], each["onset"]
            table.add_row(
                escape(source),
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


@click.command()
@OUT
@click.option("--prompt", "index", type=int, help="Index of a prompt.  [default: first of test]")
@RUNNING
def figure(out: Path, index: int | None, device: str, dtype: str) -> None:
    """Draw the steps x rows picture for one prompt."""
    folder = runs.find_run(out)
    settings = runs.read_settings(folder)
    known = [p for part in ("test", "validation", "train") for p in runs.read_split(folder, part)]
    prompt = next((p for p in known if index is None or p.index == index), None)
    if prompt is None:
        raise PromptError(f"No prompt has index {index}; there are {len(known)} in prompts.csv.")
    model = load_as(settings, device=device, dtype=dtype)
    check_run(settings, model)
    chosen = tuple(PROPERTIES[name] for name in settings["properties"])
    labelers = labelers_for(model, settings.get("labeled_by"))
    strength = settings["guidance"]
    click.echo(draw_pictures(folder, model, labelers, chosen, prompt, settings["steps"], strength))


def draw_pictures(
    folder: runs.Run,
    model: Model,
    labelers: tuple[Labeler, ...],
    properties: tuple[Property, ...],
    prompt: Prompt,
    steps: int,
    guidance: float,
) -> Path:
    """Draw one prompt's steps x rows picture and its labels; return where the former lies."""
    summary = runs.read_summary(folder)["properties"]
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


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
