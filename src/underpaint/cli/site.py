"""`underpaint export` and `serve`: a run as a website."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from ..models import Model
from ..runs import runs
from ..scores.compare import compare
from ..site import export as export_site
from ..site import find_site, server_for
from ..world.words import grammar
from .compare import read_sides
from .moved import OF_RUN, model_of
from .progress import progress_bar

_PROMPTS = click.option(
    "--prompts",
    default=12,
    show_default=True,
    type=click.IntRange(min=0),
    help="How many test prompts get maps of every step and layer. 0 needs no model.",
)
_PAINT = click.option(
    "--paint/--no-paint",
    default=True,
    show_default=True,
    help="Add the model itself, to paint with in a browser; not with --prompts 0.",
)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("site", type=click.Path(path_type=Path))
@click.option(
    "--with",
    "beside",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="OUT2",
    help="Another finished run to compare OUT with, in a view of its own; may be said again.",
)
@_PROMPTS
@_PAINT
@OF_RUN
def export(
    out: Path,
    site: Path,
    beside: tuple[Path, ...],
    prompts: int,
    paint: bool,
    device: str,
    dtype: str,
) -> None:
    """Write the run OUT as a website into the folder SITE, for any web host."""
    run = runs.find_run(out)
    settings = runs.read_settings(run)
    compared = compare(read_sides([out, *beside])) if beside else None
    model = model_of(settings, device=device, dtype=dtype) if prompts else None
    write_site(run, site, model=model, prompts=prompts, paint=paint, compared=compared)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="0 takes any that is free.",
)
@_PROMPTS
@_PAINT
@OF_RUN
def serve(out: Path, port: int, prompts: int, paint: bool, device: str, dtype: str) -> None:
    """Show the site of the run OUT on this machine, writing OUT/site first if it has none."""
    site = find_site(out)
    if site is None:
        run, site = runs.find_run(out), out / "site"
        settings = runs.read_settings(run)
        model = model_of(settings, device=device, dtype=dtype) if prompts else None
        write_site(run, site, model=model, prompts=prompts, paint=paint)
    with server_for(site, port=port) as server:
        click.echo(f"http://localhost:{server.server_port}/  (Ctrl-C stops)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)


def write_site(
    run: runs.Run,
    site: Path,
    *,
    model: Model | None,
    prompts: int = 12,
    paint: bool = True,
    compared: Mapping[str, Any] | None = None,
) -> None:
    """Export with a progress bar on stderr, and say what was written."""
    texts = [each.text for part in ("train", "test") for each in runs.read_split(run, part)]
    with progress_bar() as bar:
        task = bar.add_task("prompts with maps", total=None)
        wrote = export_site(
            run,
            site,
            model=model,
            prompts=prompts,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            paint=paint,
            grammar=grammar(texts),
            compared=compared,
            say=partial(click.echo, err=True),
        )
    click.echo(
        f"Site: {site}  ({wrote['prompts']} test prompts, {wrote['maps']} with maps, "
        f"{wrote['bytes'] / 1e6:.1f} MB)"
    )
