"""`underpaint layers`: a model's self-attention layers."""

import json

import click
from rich.console import Console
from rich.table import Table

from ..models import load
from ..models.layers import find_layers
from ..scores.tables import block_rows


def layers(
    model_id: str,
    as_json: bool,
    device: str,
    dtype: str,
    scheduler: str | None,
    resolution: int | None,
) -> None:
    """Carry out `underpaint layers`, as its options say."""
    found = find_layers(
        load(model_id, device=device, dtype=dtype, scheduler=scheduler, resolution=resolution)
    )
    if as_json:
        rows = [{"name": x.name, "grid": x.grid, "channels": x.channels} for x in found]
        click.echo(json.dumps(rows))
        return
    table = Table("layer", "h×w", "c", "module")
    for each in found:
        table.add_row(each.name, f"{each.grid[0]}×{each.grid[1]}", str(each.channels), each.module)
    blocks = Table("block", "self-attention layers", "h×w", "c")
    for row in block_rows(found):
        blocks.add_row(*row)
    console = Console()
    console.print(blocks)
    console.print(table)
