"""`underpaint serve`: a run's website on this machine. One that is there is shown at once."""

from pathlib import Path

import click

from ..runs.folder import find_run
from ..site.folder import find_site
from ..site.serving import server_for


def serve(out: Path, port: int, prompts: int, paint: bool, device: str, dtype: str) -> None:
    """Carry out `underpaint serve`, as its options say."""
    site = find_site(out)
    if site is None:
        from .site import export  # a site that is there needs neither model nor tables

        site = find_run(out).folder / "site"
        export(out, site, beside=(), prompts=prompts, paint=paint, device=device, dtype=dtype)
    with server_for(site, port=port) as server:
        click.echo(f"http://localhost:{server.server_port}/  (Ctrl-C stops)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
