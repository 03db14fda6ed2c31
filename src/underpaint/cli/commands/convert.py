"""What `underpaint convert` takes; `cli.convert` carries it out."""

from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("pickled", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
def convert(**words: Any) -> None:
    """Write the weights of the file PICKLED (.pth, .pt, .bin) into FOLDER as model.safetensors.

    Only tensors are read, by torch's restricted unpickler: a file that asks for anything else is
    refused. Nothing else in underpaint unpickles.
    """
    from ..convert import convert as carry_out

    carry_out(**words)
