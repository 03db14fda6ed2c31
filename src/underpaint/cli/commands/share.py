"""What `underpaint share` takes; `cli.share` carries it out."""

from pathlib import Path
from typing import Any

import click

from ..options import EXISTING


@click.command()
@EXISTING
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--every-layer", is_flag=True, help="Not the best layer of each property alone.")
@click.option("--push", "repository", metavar="OWNER/NAME", help="Upload FOLDER to the hub too.")
@click.option("--public", is_flag=True, help="Whom a new repository on the hub shows itself to.")
def share(**words: Any) -> None:
    """Write the probes of the run OUT into FOLDER, with a card that says what they are worth."""
    from ..share import share as carry_out

    carry_out(**words)
