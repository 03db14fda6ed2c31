"""What `underpaint check-labeler` takes; `cli.check_labeler` carries it out."""

from pathlib import Path
from typing import Any

import click


@click.command("check-labeler")
@click.argument("property")
@click.argument("source", metavar="ID")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Where labeler.png goes.  [default: .]"
)
@click.option(
    "--pictures",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Your own, .png or .jpg, in place of the photographs.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, mps.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def check_labeler(**words: Any) -> None:
    """Show what the labeler ID says of photographs: one picture and one table.

    ID is what `run --labelers PROPERTY=ID` takes, or tiny. Told are the share of foreground, the
    rank correlation with what is known (measured depth: near is high) and how far the labeler
    agrees with itself where a photograph is darker, brighter or flatter.
    """
    from ..check_labeler import check_labeler as carry_out

    carry_out(**words)
