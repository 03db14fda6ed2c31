"""What `underpaint presets` takes; `cli.presets` carries it out."""

from typing import Any

import click


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table or a file.")
def presets(**words: Any) -> None:
    """Print what --preset means: all side by side, or the file of NAME, to copy and change."""
    from ..presets import presets as carry_out

    carry_out(**words)
