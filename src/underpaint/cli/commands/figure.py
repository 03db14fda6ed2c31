"""What `underpaint figure` takes; `cli.figure` carries it out."""

from typing import Any

import click

from ..options import EXISTING, OF_RUN


@click.command()
@EXISTING
@click.option("--prompt", "index", type=int, help="Index of a prompt.  [default: first of test]")
@OF_RUN
def figure(**words: Any) -> None:
    """Draw the steps x rows picture for one prompt.

    The model is loaded only for a picture of which the run did not keep all that is shown.
    """
    from ..figure import figure as carry_out

    carry_out(**words)
