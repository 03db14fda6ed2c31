"""What `underpaint run` takes; `cli.run` carries it out."""

from pathlib import Path
from typing import Any

import click

from ..asked import read_asked
from ..defaults import take_from, take_preset
from ..options import ABOVE_ZERO, COUNT, GUIDANCE, OUT, RUNNING, SEED


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
@click.option("--count", default=617, show_default=True, type=COUNT, help="How many images.")
@click.option("--steps", default=15, show_default=True, type=COUNT, help="Denoising steps.")
@click.option("--guidance", type=GUIDANCE, help="Guidance scale.  [default: the model's own]")
@click.option("--batch", default="32", show_default=True, help="Images at once, or auto.")
@click.option("--budget", type=ABOVE_ZERO, help="Refuse what takes more memory than so many GB.")
@click.option("--scheduler", help="ddim, lms, euler or dpm++.  [default: the model's own]")
@click.option("--resolution", type=COUNT, help="Pixels of a side.  [default: the model's own]")
@click.option("--cut", help="TRAIN/TEST rows in the file's order.  [default: split by text]")
@click.option("--layers", "glob", default="*", show_default=True, help="Which layers, as a glob.")
@click.option(
    "--properties",
    default="saliency,depth,shading",
    show_default=True,
    help="What to read; NAME:binary or NAME:continuous is one of your own.",
)
@click.option("--labelers", "labeled_by", help="property=ID_OR_FOLDER,…  [default: tiny's]")
@click.option(
    "--label-cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that keeps what those say of each picture, for the next run.",
)
@click.option(
    "--images",
    help="Probe these, not generated ones: rendered, FOLDER, or FOLDER:holes (0 is unknown).",
)
@click.option("--recipe", default="ridge", show_default=True, help="Fit by this one beside ridge.")
@click.option(
    "--rivals-at",
    metavar="STEPS",
    help="Decode rivals at these steps alone, as in 1,2,3,5,8,11,15.  [default: every step]",
)
@click.option(
    "--classes",
    is_flag=True,
    help="Ask at each step which class a picture will show, in the same two passes.",
)
@click.option("--classifier", help="What is asked: vgg16, vgg16:FOLDER, id or folder.")
@click.option(
    "--seed", default=0, show_default=True, type=SEED, help="Of prompts, seeds and the split."
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="ray spreads the work over a cluster, or over this machine.",
)
@click.option(
    "--workers",
    type=COUNT,
    help="Of ray on this machine.  [default: as many as fit]",
)
@click.option("--quick", is_flag=True, help="Leave out the controls that run other networks.")
@click.option(
    "--splits",
    default=0,
    show_default=True,
    help="Split the prompts so many times more, and say how far scores move.",
)
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
def run(**words: Any) -> None:
    """Do the whole study and write it to the folder OUT.

    The same command again goes on from what is there, wherever it was stopped.
    """
    asked = read_asked(**words)
    from ..run import run as carry_out

    carry_out(asked)
