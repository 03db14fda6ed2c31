"""`underpaint classify`: from which step on a run's pictures can be named, and by whom."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ..core.files import held
from ..core.prompts import Prompt
from ..figures.classes import draw_classes, draw_recognition
from ..labelers import Namer, name, namer_for
from ..models import Model, decode
from ..runs import runs
from ..study.recognition import latents_of, namer_of, write_classes
from ..study.study import Study
from .moved import model_of, planned
from .options import PATIENCE_S
from .progress import reporting
from .refreshed import refresh_site
from .show import print_classes

VIEWS = {"image": "decoded $x_t$", "estimate": r"decoded $\hat{x}_0$"}


def classify(
    out: Path,
    index: int | None,
    classifier: str | None,
    quick: bool,
    device: str,
    dtype: str,
) -> None:
    """Carry out `underpaint classify`, as its options say."""
    run = runs.find_run(out)
    settings = runs.read_settings(run)
    runs.read_summary(run)  # complains where the run is not finished
    prompt = runs.find_prompt(run, index)
    model = model_of(settings, device=device, dtype=dtype)
    network = class_network(model, classifier or settings.get("classifier"))
    study = replace(planned(run, settings, model), namer=network)
    namer = namer_of(study)
    click.echo(f"Classes: {namer.name} ({namer.licence}).", err=True)
    found = ask_for_classes(study, run, with_blank=not quick)
    path = draw_asked(study, run, prompt)
    print_classes(Console(), found)
    click.echo(f"Picture: {path}")
    refresh_site(run)


def class_network(model: Model, chosen: str | None) -> Namer:
    """Load the class network that is asked: the chosen one, the model folder's own, or `tiny`'s."""
    from ..world.words import COLOURS, FLOORS, LIGHTS, OBJECTS

    words = OBJECTS, tuple(COLOURS), FLOORS, tuple(LIGHTS)
    return namer_for(model, words, chosen)


def ask_for_classes(study: Study, run: runs.Run, *, with_blank: bool) -> dict[str, Any]:
    """Ask under a progress bar, with the run held; return the `classify` part of its summary."""
    with reporting() as report, held(run.folder, patience_s=PATIENCE_S):
        return write_classes(study, run, report, with_blank=with_blank)


def draw_asked(study: Study, run: runs.Run, prompt: Prompt) -> Path:
    """Draw what was found, and one picture's classes step by step; return where the latter lies."""
    found = runs.read_summary(run)["classify"]["sources"]
    latents = {VIEWS[source]: each for source, each in latents_of(study, run, prompt).items()}
    pictures = {view: decode(study.model, each[:, 0]) for view, each in latents.items()}
    seen = {view: name(namer_of(study), each) for view, each in pictures.items()}
    path = run.figures / f"classes-{prompt.index or 0:05d}.png"
    for suffix in (".pdf", ".png"):
        draw_recognition(found, (run.figures / "recognition").with_suffix(suffix))
        classes = namer_of(study).classes
        draw_classes(pictures, seen, classes, title=prompt.text, path=path.with_suffix(suffix))
    return path
