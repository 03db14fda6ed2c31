"""`underpaint figure`: the steps x rows picture of one prompt."""

from pathlib import Path

import click

from ..core.arrays import normalise
from ..core.prompts import Prompt
from ..core.properties import PROPERTIES, Property
from ..figures.maps import draw_labels, draw_steps
from ..labelers import Labeler, label, labelers_for
from ..models import Model
from ..models.layers import find_layers
from ..models.traces import trace
from ..runs import runs
from .moved import model_of


def figure(out: Path, index: int | None, device: str, dtype: str) -> None:
    """Carry out `underpaint figure`, as its options say."""
    folder = runs.find_run(out)
    settings = runs.read_settings(folder)
    prompt = runs.find_prompt(folder, index)
    model = model_of(settings, device=device, dtype=dtype)
    chosen = tuple(PROPERTIES[name] for name in settings["properties"])
    labelers = labelers_for(model, settings.get("labeled_by"))
    path = draw_pictures(
        folder,
        model,
        labelers,
        properties=chosen,
        prompt=prompt,
        steps=settings["steps"],
        guidance=settings["guidance"],
    )
    click.echo(path)


def draw_pictures(
    folder: runs.Run,
    model: Model,
    labelers: tuple[Labeler, ...],
    *,
    properties: tuple[Property, ...],
    prompt: Prompt,
    steps: int,
    guidance: float,
) -> Path:
    """Draw one prompt's steps x rows picture and its labels; return where the former lies."""
    summary = runs.read_summary(folder)["properties"]
    best = {name: found["best_layer"] for name, found in summary.items()}
    found = tuple(each for each in find_layers(model) if each.name in best.values())
    traced = trace(model, [prompt], steps=steps, guidance=guidance, layers=found)
    probes = {
        key: p
        for layer in found
        for key, p in runs.read_probes(folder, model.device, layer=layer.name).items()
    }
    path = folder.figures / f"steps-{prompt.index:05d}.png"
    draw_steps(
        model,
        labelers,
        properties,
        traced,
        probes=probes,
        best_layers=best,
        path=path,
    )
    maps = label(labelers, properties, traced.images)
    normal = {each.name: normalise(each, maps[each.name]) for each in properties}
    shown = folder.figures / f"labels-{prompt.index:05d}.png"
    draw_labels(traced.images, normal, properties, path=shown)
    return path
