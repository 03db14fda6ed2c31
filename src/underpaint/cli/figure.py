"""`underpaint figure`: the steps x rows picture of one prompt."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from ..core.prompts import Prompt
from ..core.properties import PROPERTIES
from ..figures.maps import draw_labels, draw_steps
from ..runs import runs
from ..study.showing import fine, shown_of
from ..study.study import Study
from .moved import study_again


def figure(out: Path, index: int | None, device: str, dtype: str) -> None:
    """Carry out `underpaint figure`, as its options say."""
    folder = runs.find_run(out)
    prompt = runs.find_prompt(folder, index)
    again = partial(study_again, folder, device=device, dtype=dtype)
    click.echo(draw_pictures(folder, prompt, again))


def draw_pictures(folder: runs.Run, prompt: Prompt, again: Callable[[], Study]) -> Path:
    """Draw one prompt's steps x rows picture and its labels; return where the former lies.

    Args:
        folder: A finished run.
        prompt: One of its prompts.
        again: Gives the run's study, with its model, where the picture was not kept.
    """
    summary = runs.read_summary(folder)["properties"]
    best = {name: found["best_layer"] for name, found in summary.items()}
    properties = [PROPERTIES[name] for name in runs.read_settings(folder)["properties"]]
    [shown] = shown_of(folder, [prompt], again, partial(click.echo, err=True))
    path = folder.figures / f"steps-{prompt.index:05d}.png"
    draw_steps(shown, properties, best_layers=best, path=path)
    labels = {each.name: fine(shown.maps[each.name, "label"]) for each in properties}
    draw_labels(
        fine(shown.pictures["final"]),
        labels,
        properties,
        path=folder.figures / f"labels-{prompt.index:05d}.png",
    )
    return path
