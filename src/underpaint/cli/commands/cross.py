"""What `underpaint cross` takes; `cli.cross` carries it out."""

from typing import Any

import click

from ..options import COUNT, EXISTING, OF_RUN

FEW = click.IntRange(min=3)
"""Two have no variance to speak of."""


@click.command()
@EXISTING
@click.option(
    "--captions", default=12, show_default=True, type=FEW, help="How many, from the test prompts."
)
@click.option(
    "--noises", default=12, show_default=True, type=FEW, help="How many, the seeds of those."
)
@click.option("--batch", default=32, show_default=True, type=COUNT, help="Images at once.")
@OF_RUN
def cross(**words: Any) -> None:
    """Draw captions of the run OUT from each other's noise, and say what readings owe to which.

    Every caption is drawn from every noise. The variance of what each layer's probes read at each
    step is divided into shares of the caption, the noise and the meeting of both, with intervals
    over captions and noises; kept in summary.json, and drawn as figures/cross-PROPERTY.
    """
    from ..cross import cross as carry_out

    carry_out(**words)
