"""What `underpaint train` takes; `cli.train` carries it out."""

from pathlib import Path
from typing import Any

import click

from ..options import ABOVE_ZERO, COUNT, OUT


@click.command()
@OUT
@click.option(
    "--minutes",
    default=180.0,
    show_default=True,
    type=ABOVE_ZERO,
    help="Of training, in all.",
)
@click.option(
    "--scenes",
    default=32,
    show_default=True,
    type=COUNT,
    help="Thousands of scenes to render.",
)
@click.option(
    "--denoiser",
    type=click.Choice(["unet", "transformer"]),
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
def train(**words: Any) -> None:
    """Train the embedded model and its labelers from nothing, or go on with what OUT holds."""
    from ..train import train as carry_out

    carry_out(**words)
