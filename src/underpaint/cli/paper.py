"""`underpaint paper`: a finished run as a paper."""

from pathlib import Path

import click

from ..figures.paper import write_paper
from ..runs.folder import find_run
from ..site.folder import find_site


def paper(out: Path) -> None:
    """Carry out `underpaint paper`, as its options say."""
    run = find_run(out)
    click.echo(write_paper(run))
    if find_site(run.folder) is not None:
        from .refreshed import refresh_site

        refresh_site(run)
