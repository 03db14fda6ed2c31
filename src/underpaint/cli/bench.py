"""`underpaint bench`: what probing costs."""

import json

import click

from ..core.properties import PROPERTIES
from ..labelers import labelers_for
from ..models import load
from ..models.layers import find_layers, select_layers
from ..study.bench import compare
from .options import RUNNING, SAMPLING


@click.command()
@click.option("--model", "model_id", default="tiny", show_default=True, help="Id or folder.")
@click.option("--images", default=32, show_default=True, type=click.IntRange(min=8))
@click.option("--steps", default=15, show_default=True, type=click.IntRange(min=1))
@click.option("--layers", "glob", default="*", show_default=True, help="Which layers, as a glob.")
@click.option("--properties", default="saliency,depth,shading", show_default=True, help="Names.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
@SAMPLING
@RUNNING
def bench(
    model_id: str,
    images: int,
    steps: int,
    glob: str,
    properties: str,
    as_json: bool,
    device: str,
    dtype: str,
    scheduler: str | None,
    resolution: int | None,
) -> None:
    """Measure what probing costs beside bare generation and the literature's method."""
    names = [name.strip() for name in properties.split(",")]
    if unknown := [name for name in names if name not in PROPERTIES]:
        raise click.BadParameter(
            f"no property {unknown[0]!r}; choose of {', '.join(PROPERTIES)}",
            param_hint="--properties",
        )
    model = load(model_id, device=device, dtype=dtype, scheduler=scheduler, resolution=resolution)
    found = compare(
        model,
        labelers_for(model),
        [PROPERTIES[name] for name in names],
        select_layers(find_layers(model), glob),
        images=images,
        steps=steps,
        progress=lambda line: click.echo(line, err=True),
    )
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, value in found.items():
        click.echo(f"{name:24} {value:.3f}" if isinstance(value, float) else f"{name:24} {value}")
