"""`underpaint export`: a run as a website."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from ..models import Model
from ..runs import runs
from ..scores.compare import compare
from ..site.export import export as export_site
from ..world.words import grammar
from .compare import read_sides
from .moved import model_of
from .options import OF_RUN
from .progress import progress_bar
from .serve import PAINT, PROMPTS


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
@PROMPTS
@PAINT
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
