"""`underpaint export`: a run as a website."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from ..runs import runs
from ..scores.compare import compare
from ..site.export import export as export_site
from ..study.study import SHOWN, Study
from ..world.words import grammar
from .compare import read_sides
from .moved import study_again
from .progress import progress_bar


def export(
    out: Path,
    site: Path,
    beside: tuple[Path, ...],
    prompts: int,
    paint: bool,
    device: str,
    dtype: str,
) -> None:
    """Carry out `underpaint export`, as its options say."""
    run = runs.find_run(out)
    compared = compare(read_sides([out, *beside])) if beside else None
    again = partial(study_again, run, device=device, dtype=dtype) if prompts else None
    write_site(run, site, again=again, prompts=prompts, paint=paint, compared=compared)


def write_site(
    run: runs.Run,
    site: Path,
    *,
    again: Callable[[], Study] | None,
    prompts: int = SHOWN,
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
            again=again,
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
