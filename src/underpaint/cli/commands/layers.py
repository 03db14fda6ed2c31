"""What `underpaint layers` takes; `cli.layers` carries it out."""

from typing import Any

import click

from ..options import RUNNING, SAMPLING


@click.command()
@click.argument("model_id", metavar="MODEL")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@SAMPLING
@RUNNING
def layers(**words: Any) -> None:
    """List a model's self-attention layers, in the order in which they run."""
    from ..layers import layers as carry_out

    carry_out(**words)
