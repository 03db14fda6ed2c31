"""`underpaint train`: the rendered world and the embedded model, from nothing."""

import json
from pathlib import Path

import click

from ..world.stages import KINDS, measure_all, train_all
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
@click.option(
    "--denoiser",
    type=click.Choice(tuple(KINDS)),
    default="unet",
    show_default=True,
    help="Into OUT/tiny or OUT/tiny-transformer.",
)
@click.option(
    "--from",
    "source",
    metavar="FOLDER",
    help="Take autoencoder and readers from here, 'tiny' or a folder.  [default: train them]",
)
@click.option(
    "--warm",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Begin with the weights of this folder's denoiser.",
)
@click.option("--device", default="auto", show_default=True)
@click.option("--measure", is_flag=True, help="Only measure what is trained already.")
@click.option(
    "--pictures",
    default=500,
    show_default=True,
    type=click.IntRange(min=10),
    help="To draw for measuring.",
)
def train(
    out: Path,
    minutes: float,
    scenes: int,
    denoiser: str,
    source: str | None,
    warm: Path | None,
    device: str,
    measure: bool,
    pictures: int,
) -> None:
    """Train the embedded model and its labelers from nothing, or go on with what OUT holds."""

    def say(line: str) -> None:
        click.echo(line, err=True)

    if not measure:
        train_all(
            out,
            minutes=minutes,
            shards=scenes,
            device=device,
            progress=say,
            denoiser=denoiser,
            source=source,
            warm=warm,
        )
    found = measure_all(out, count=pictures, progress=say, denoiser=denoiser, device=device)
    click.echo(json.dumps(found, indent=1))
