"""What `underpaint serve` takes; `cli.serve` carries it out."""

from typing import Any

import click

from ..options import OF_RUN, OUT, PAINT, PROMPTS


@click.command()
@OUT
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="0 takes any that is free.",
)
@PROMPTS
@PAINT
@OF_RUN
def serve(**words: Any) -> None:
    """Show the site of the run OUT on this machine, writing OUT/site first if it has none."""
    from ..serve import serve as carry_out

    carry_out(**words)
