"""What `underpaint edit` takes; `cli.edit` carries it out."""

from pathlib import Path
from typing import Any

import click

from ...steering.choices import CARRIED, CONTROLS, FRAMES, HELD, MARGIN, SEERS
from ..options import ABOVE_ZERO, COUNT, EXISTING, OF_RUN, SEED, Finite


@click.command()
@EXISTING
@click.option(
    "--move", metavar="DX,DY|random", help="Right and down: fractions below 1, else pixels."
)
@click.option("--scale", type=ABOVE_ZERO, help="About the object's own centre, as in 1.5.")
@click.option("--mask", type=click.Path(path_type=Path), help="PNG: the object white on black.")
@click.option(
    "--depth", metavar="PNG|translate", help="The nearer the brighter; or its own, moved."
)
@click.option(
    "--light", type=click.Choice(["left", "right"]), help="Side to light the object from."
)
@click.option(
    "--beside",
    is_flag=True,
    help="Leave the object where it is, and ask for its like at the new place, which is random "
    "where none is given.",
)
@click.option("--prompt", "index", type=int, help="Index of a prompt.  [default: all of test]")
@click.option(
    "--split",
    type=click.Choice(["test", "validation"]),
    default="test",
    show_default=True,
    help="Whose prompts to edit: choose settings on validation, report test.",
)
@click.option("--limit", type=COUNT, help="Only so many of those prompts.  [default: all]")
@click.option(
    "--count", default=5, show_default=True, type=COUNT, help="Random moves where none is given."
)
@click.option(
    "--strength",
    default=1.0,
    show_default=True,
    type=Finite(),
    help="1 makes the reading the target.",
)
@click.option(
    "--steps",
    "span",
    help="First and last, as in 1-8; what acts once does at the first.  [default: the first "
    "third; of 15 steps: roll 1, patch 3, paste 8]",
)
@click.option(
    "--hold",
    default=",".join(HELD),
    show_default=True,
    help="Properties whose readings stay as they are, or none.",
)
@click.option(
    "--carry",
    default=",".join(CARRIED),
    show_default=True,
    help="Properties whose maps go along with an object that is moved or scaled, or none.",
)
@click.option(
    "--margin",
    default=MARGIN,
    show_default=True,
    type=Finite(),
    help="Edit only so near to the object, a share of the side; -1 everywhere.",
)
@click.option(
    "--seen-by",
    type=click.Choice(SEERS),
    default="labelers",
    show_default=True,
    help="Who says what the unedited picture shows: labelers, of the finished picture; or the "
    "run's probes, up to the last step that is edited. Labelers score in any case.",
)
@click.option("--layers", "glob", help="As a glob.  [default: the last two stages]")
@click.option(
    "--unconditional",
    default=0.5,
    show_default=True,
    type=Finite(),
    help="Push the unconditional half the other way, by this share.",
)
@click.option(
    "--control",
    "controls",
    type=click.Choice(CONTROLS),
    multiple=True,
    default=("none",),
    show_default=True,
    help="How to edit; said again, the same edits are made so too.",
)
@click.option(
    "--frames",
    type=click.IntRange(min=0),
    help="Of how many pictures to keep the edit at every strength, for the site, by the "
    f"first --control.  [default: {FRAMES}, or 0 of one --prompt]",
)
@click.option("--batch", default=32, show_default=True, type=COUNT, help="Images at once.")
@click.option(
    "--seed", default=0, show_default=True, type=SEED, help="Of random moves and directions."
)
@OF_RUN
def edit(**words: Any) -> None:
    """Move, scale, paint or relight the object in pictures of the run OUT, and score the edit.

    What is aimed at may be combined, a drawn mask with neither move nor scale. Without any of it,
    objects are moved at random. Keeps a row for each picture in edits.parquet, a before/after strip
    in figures/, and means with intervals over prompts in summary.json. The same edit again takes
    the place of the last. OUT/site shows it.
    """
    from ..edit import edit as carry_out

    carry_out(**words)
