"""`underpaint train`: the rendered world and the embedded model, from nothing."""

import json
from pathlib import Path

import click

from ..models import find_device
from ..world.stages import measure_all, train_all
from .options import OUT


@click.command()
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

    def say(line: str) -> None:
        click.echo(line, err=True)

    if device != "auto":
        find_device(device)
    if not measure:
        train_all(out, minutes=minutes, shards=scenes, device=device, progress=say)
    click.echo(json.dumps(measure_all(out, count=pictures, progress=say), indent=1))
