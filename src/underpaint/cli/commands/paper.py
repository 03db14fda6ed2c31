"""What `underpaint paper` takes; `cli.paper` carries it out."""

from typing import Any

import click

from ..options import EXISTING


@click.command()
@EXISTING
def paper(**words: Any) -> None:
    """Write the run OUT as a paper, OUT/paper/paper.pdf, with its source beside it.

    Every number is read from the run, and OUT/site offers the new paper. Needs Typst: pip install
    "underpaint[paper]".
    """
    from ..paper import paper as carry_out

    carry_out(**words)
