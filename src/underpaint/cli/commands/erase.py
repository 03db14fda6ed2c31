"""What `underpaint erase` takes; `cli.erase` carries it out."""

from typing import Any

import click

from ..options import COUNT, EXISTING, OF_RUN, SEED


@click.command()
@EXISTING
@click.option("--property", "names", multiple=True, help="May be given again.  [default: depth]")
@click.option(
    "--steps",
    "spans",
    multiple=True,
    help="First and last, as in 1-5; may be given again.  [default: each third of the run]",
)
@click.option("--layers", "glob", default="*", show_default=True, help="As a glob.")
@click.option(
    "--split", type=click.Choice(["test", "validation"]), default="test", show_default=True
)
@click.option("--limit", type=COUNT, help="Only so many of those prompts.  [default: all]")
@click.option("--batch", default=32, show_default=True, type=COUNT, help="Images at once.")
@click.option("--seed", default=0, show_default=True, type=SEED, help="Of the random subspaces.")
@OF_RUN
def erase(**words: Any) -> None:
    """Erase what is linear of a property from activations, and say what the picture loses.

    Makes pictures of the run OUT again with the property erased (LEACE) at layers and steps, and
    with a random subspace of the same rank and variance erased instead. Keeps a row for each
    picture in erasures.parquet, and what was lost with intervals over prompts in summary.json.
    """
    from ..erase import erase as carry_out

    carry_out(**words)
