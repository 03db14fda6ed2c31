"""A run's own site, brought up to date by the commands that add to the run."""

import click

from ..core.files import held
from ..runs.folder import Run
from ..site.folder import find_site
from ..site.refreshing import refresh
from .options import PATIENCE_S


def refresh_site(run: Run) -> None:
    """Show in OUT/site what a command has added to the run OUT, if there is a site, and say so."""
    site = find_site(run.folder)
    if site is None:
        return
    with held(run.folder, patience_s=PATIENCE_S):
        is_fresh = refresh(run, site)
    if is_fresh:
        click.echo(f"Site: {site}")
    else:
        click.echo(
            f"{site} is of another version or damaged, and is left as it is. `underpaint export "
            f"{run.folder} {site}` writes it anew.",
            err=True,
        )
