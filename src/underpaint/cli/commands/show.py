"""What `underpaint show` takes; `cli.show` carries it out."""

from typing import Any

import click

from ..options import EXISTING


@click.command()
@EXISTING
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def show(**words: Any) -> None:
    """Print how early, how well and where each property can be read."""
    from ..show import show as carry_out

    carry_out(**words)
