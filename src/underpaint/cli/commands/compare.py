"""What `underpaint compare` takes; `cli.compare` carries it out."""

from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("outs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="OUT…")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option(
    "--figure",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Draw each property into this folder.",
)
def compare(**words: Any) -> None:
    """Compare finished runs at equal noise, by depth of layer and by source.

    The runs after the first are held against the first. No model is needed.
    """
    from ..compare import compare as carry_out

    carry_out(**words)
