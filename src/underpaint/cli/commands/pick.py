"""What `underpaint pick` takes; `cli.pick` carries it out."""

from pathlib import Path
from typing import Any

import click

from ..options import COUNT, EXISTING, OF_RUN, SEED


@click.command()
@EXISTING
@click.option("--mask", type=click.Path(path_type=Path), help="PNG: the object white on black.")
@click.option("--depth", type=click.Path(path_type=Path), help="PNG: the nearer the brighter.")
@click.option("--like", type=int, help="Index of a prompt of OUT: all that is read of its picture.")
@click.option("--prompt", "texts", multiple=True, help="What to draw; may be given again.")
@click.option(
    "--candidates", default=64, show_default=True, type=COUNT, help="Seeds to begin with."
)
@click.option("--keep", default=4, show_default=True, type=COUNT, help="Seeds to finish.")
@click.option(
    "--stop-at", default=3, show_default=True, type=COUNT, help="Steps that every seed runs."
)
@click.option("--score", is_flag=True, help="Finish all, and say what the early choice is worth.")
@click.option("--preview", is_flag=True, help="Show what is read at each step in preview-*.png.")
@click.option("--batch", default=32, show_default=True, type=COUNT, help="Images at once.")
@click.option("--seed", default=0, show_default=True, type=SEED, help="The first candidate's.")
@OF_RUN
def pick(**words: Any) -> None:
    """Find seeds whose pictures have the wanted layout, by what the first steps show.

    Without --prompt, the prompt of --like is drawn again, or the first of the test prompts. Keeps
    pictures in picks/, a contact sheet in figures/, and what was spent and won in summary.json.
    """
    from ..pick import pick as carry_out

    carry_out(**words)
