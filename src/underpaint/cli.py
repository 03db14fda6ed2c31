"""The command line: a command parses, calls one function, prints."""

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from .bench import compare
from .cli_classify import classify
from .cli_convert import convert
from .cli_edit import edit
from .cli_options import OUT, RUNNING
from .cli_pick import pick
from .cli_presets import presets
from .cli_run import run
from .cli_share import share
from .cli_show import figure, show
from .cli_site import export, serve
from .cli_studio import studio
from .errors import UnderpaintError
from .labelers import labelers_for
from .layers import find_layers
from .models import (
    find_device,
    load,
)
from .properties import PROPERTIES
from .tables import block_rows


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


for command in (
    run,
    show,
    figure,
    classify,
    edit,
    pick,
    studio,
    export,
    serve,
    presets,
    convert,
    share,
):
    main.add_command(command)


@main.command()
@click.argument("model_id", metavar="MODEL")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@RUNNING
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
@RUNNING
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
@OUT
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
