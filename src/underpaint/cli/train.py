"""`underpaint train`: the rendered world and the embedded model, from nothing."""

import json
from pathlib import Path

import click

from ..world.stages import measure_all, train_all


def train(
    out: Path,
    minutes: float,
    scenes: int,
    denoiser: str,
    source: str | None,
    warm: Path | None,
    device: str,
    measure: bool,
    pictures: int,
) -> None:
    """Carry out `underpaint train`, as its options say."""

    def say(line: str) -> None:
        click.echo(line, err=True)

    if not measure:
        train_all(
            out,
            minutes=minutes,
            shards=scenes,
            device=device,
            progress=say,
            denoiser=denoiser,
            source=source,
            warm=warm,
        )
    found = measure_all(out, count=pictures, progress=say, denoiser=denoiser, device=device)
    click.echo(json.dumps(found, indent=1))
