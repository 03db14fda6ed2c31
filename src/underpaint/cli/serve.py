"""`underpaint serve`: a run's website on this machine. One that is there is shown at once."""

from pathlib import Path

import click

from ..runs.folder import find_run
from ..site.folder import find_site
from ..site.serving import server_for
from .options import OF_RUN

PROMPTS = click.option(
    "--prompts",
    default=12,
    show_default=True,
    type=click.IntRange(min=0),
    help="How many test prompts get maps of every step and layer. 0 needs no model.",
)
PAINT = click.option(
    "--paint/--no-paint",
    default=True,
    show_default=True,
    help="Add the model itself, to paint with in a browser; not with --prompts 0.",
)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="0 takes any that is free.",
)
@PROMPTS
@PAINT
@OF_RUN
def serve(out: Path, port: int, prompts: int, paint: bool, device: str, dtype: str) -> None:
    """Show the site of the run OUT on this machine, writing OUT/site first if it has none."""
    site = find_site(out)
    if site is None:
        from .site import export  # a site that is there needs neither model nor tables

        site = find_run(out).folder / "site"
        asked = {"beside": (), "prompts": prompts, "paint": paint, "device": device, "dtype": dtype}
        click.get_current_context().invoke(export, out=out, site=site, **asked)
    with server_for(site, port=port) as server:
        click.echo(f"http://localhost:{server.server_port}/  (Ctrl-C stops)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
