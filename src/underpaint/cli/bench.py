"""`underpaint bench`: what probing costs."""

import json
from dataclasses import replace
from typing import Any

import click

from ..core.prompts import Split
from ..labelers import labelers_for
from ..models import load
from ..models.layers import find_layers, select_layers
from ..study.bench import compare
from ..study.forecast import forecast
from ..study.study import Study
from .asked import labelers_of, properties_of
from .progress import reporting


def bench(
    model_id: str,
    images: int,
    steps: int,
    glob: str,
    properties: str,
    labeled_by: str | None,
    guidance: float | None,
    batch: int,
    count: int | None,
    as_json: bool,
    device: str,
    dtype: str,
    scheduler: str | None,
    resolution: int | None,
) -> None:
    """Carry out `underpaint bench`, as its options say."""
    chosen = properties_of(properties)
    model = load(model_id, device=device, dtype=dtype, scheduler=scheduler, resolution=resolution)
    model = model if guidance is None else replace(model, guidance=guidance)
    layers = select_layers(find_layers(model), glob)
    labelers = labelers_for(model, labelers_of(labeled_by, chosen))
    found = compare(
        model,
        labelers,
        chosen,
        layers,
        images=images,
        steps=steps,
        progress=lambda line: click.echo(line, err=True),
    )
    if count is not None:
        study = Study(
            model, labelers, chosen, layers, Split((), (), ()), steps, model.guidance, batch
        )
        with reporting() as report:
            found["study"] = forecast(study, pictures=2 * images, count=count, progress=report)
    if as_json:
        click.echo(json.dumps(found))
        return
    study_s, shares = found.pop("study", None), found.pop("gpu_share") or {}
    for name, value in found.items():
        click.echo(f"{name:24} {value:.3f}" if isinstance(value, float) else f"{name:24} {value}")
    told = ", ".join(f"{part} {_share(each)}" for part, each in shares.items())
    click.echo(f"{'GPU worked':24} {told or _share(None)}")
    if study_s is not None:
        _print_forecast(study_s)


def _print_forecast(found: dict[str, Any]) -> None:
    """Print what each part took in the small study and will take in the large one."""
    small, large = found["measured"], found["forecast"]
    click.echo(f"\n{'part':16} {found['pictures']:>7} pictures {found['count']:>7} pictures")
    for part, seconds in small["parts"].items():
        click.echo(f"{part:16} {seconds:14.1f} s {large['parts'][part]:14.1f} s")
    for name in ("overlapped", "seconds", "floor"):
        click.echo(f"{name:16} {small[name]:14.1f} s {large[name]:14.1f} s")
    click.echo(f"{'seconds / floor':16} {small['ratio']:14.2f}   {large['ratio']:14.2f}")
    click.echo(f"{'GPU worked':16} {_share(small['gpu_share']):>16}")
    for name, seconds in found["labelers"].items():
        click.echo(f"labeler {name}: {seconds * 1000:.1f} ms a picture")


def _share(of_time: float | None) -> str:
    return "not measured" if of_time is None else f"{of_time:.0%}"
