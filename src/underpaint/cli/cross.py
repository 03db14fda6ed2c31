"""`underpaint cross`: what readings owe to the caption, to the noise, and to their meeting."""

from pathlib import Path

import click

from ..core.errors import RunError
from ..core.properties import PROPERTIES
from ..figures.crossed import draw_crossed
from ..figures.saving import save
from ..labelers import labelers_for
from ..models.layers import find_layers
from ..runs import runs
from ..scores.sentences import shares_told
from ..study.crossing import Crossing, summarise_crossing
from ..study.crossing import cross as cross_all
from .moved import model_of
from .progress import progress_bar
from .refreshed import refresh_site


def cross(out: Path, captions: int, noises: int, batch: int, device: str, dtype: str) -> None:
    """Carry out `underpaint cross`, as its options say."""
    run = runs.find_run(out)
    settings, summary = runs.read_settings(run), runs.read_summary(run)
    prompts = runs.read_split(run, "test")
    texts = list(dict.fromkeys(prompt.text for prompt in prompts))
    seeds = list(dict.fromkeys(prompt.seed for prompt in prompts))
    if len(texts) < captions or len(seeds) < noises:
        raise RunError(
            f"The run has {len(texts)} test captions and {len(seeds)} seeds; {captions} and "
            f"{noises} are asked for. Ask for fewer, or study more prompts."
        )
    model = model_of(settings, device=device, dtype=dtype)
    crossing = Crossing(
        model=model,
        labelers=tuple(labelers_for(model, settings.get("labeled_by"))),
        properties=tuple(PROPERTIES[name] for name in settings["properties"]),
        layers=tuple(x for x in find_layers(model) if x.name in settings["layers"]),
        probes=runs.read_probes(run, model.device),
        captions=tuple(texts[:captions]),
        seeds=tuple(seeds[:noises]),
        steps=settings["steps"],
        guidance=settings["guidance"],
        batch=batch,
    )
    with progress_bar() as bar:
        task = bar.add_task("crossed pictures", total=captions * noises)
        readings = cross_all(crossing, lambda done, _of: bar.update(task, completed=done))
    found = summarise_crossing(crossing, readings)
    runs.update_summary(run, {"cross": found})
    for name, own in found["properties"].items():
        layer = summary["properties"][name]["best_layer"]
        figure = draw_crossed(name, own, layer=layer)
        for suffix in (".png", ".pdf"):
            save(figure, run.figures / f"cross-{name}{suffix}", dpi=200)
        click.echo(f"{name}: {shares_told(own, layer)}")
    click.echo(f"Pictures: {run.figures / 'cross-*.png'}")
    refresh_site(run)
