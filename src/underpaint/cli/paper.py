"""`underpaint paper`: a finished run as a paper."""

from pathlib import Path

import click

from ..figures.paper import write_paper
from ..runs.folder import find_run


def paper(out: Path) -> None:
    """Carry out `underpaint paper`, as its options say."""
    click.echo(write_paper(find_run(out)))
