"""`underpaint paper`: a finished run as a paper."""

from pathlib import Path

import click

from ..figures.paper import write_paper
from ..runs.folder import find_run
from .options import OUT


@click.command()
@OUT
def paper(out: Path) -> None:
    """Write the run OUT as a paper, OUT/paper/paper.pdf, with its source beside it.

    Every number is read from the run. Needs Typst: pip install "underpaint[paper]".
    """
    click.echo(write_paper(find_run(out)))
