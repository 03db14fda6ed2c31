"""`underpaint classify`: from which step on a run's pictures can be named, and by whom."""

from pathlib import Path

import click
import pandas as pd
from rich.console import Console

from ..core.errors import RunError
from ..core.prompts import Prompt, Split
from ..figures.classes import draw_classes, draw_recognition
from ..labelers import namer_for
from ..models import Model, decode, load_as
from ..models.layers import find_layers
from ..models.traces import trace
from ..runs import runs
from ..runs.runs import check_run
from ..study.recognition import Inquiry, classify_all, likeliest, probabilities, summarise_classes
from .options import RUNNING
from .progress import reporting
from .show import print_classes

VIEWS = {"image": "decoded $x_t$", "estimate": r"decoded $\hat{x}_0$"}


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--prompt", "index", type=int, help="Of the picture drawn.  [default: first of test]")
@click.option("--batch", default=32, show_default=True, help="Images at once.")
@click.option(
    "--classifier",
    help="vgg16, vgg16:FOLDER, or a classifier's id or folder.  [default: the run's, or tiny's]",
)
@click.option("--quick", is_flag=True, help="Leave out the control that makes blank pictures.")
@RUNNING
def classify(
    out: Path,
    index: int | None,
    batch: int,
    classifier: str | None,
    quick: bool,
    device: str,
    dtype: str,
) -> None:
    """Ask at each step which class the pictures of the run OUT will show.

    Keeps a row for each score in classes.parquet, the likeliest classes of each test picture in
    probabilities.parquet, means with intervals over prompts in summary.json, and two figures.
    Pictures are made anew; the run's own files stay as they are.
    """
    if batch < 1:
        raise RunError(f"--batch is {batch}. Give a whole number of at least 1.")
    run = runs.find_run(out)
    settings = runs.read_settings(run)
    runs.read_summary(run)  # complains where the run is not finished
    split = Split(*(runs.read_split(run, part) for part in ("train", "validation", "test")))
    prompt = runs.find_prompt(run, index)
    model = load_as(settings, device=device, dtype=dtype)
    check_run(settings, model)
    inquiry = Inquiry(
        model=model,
        namer=namer_for(model, _words(), classifier or settings.get("classifier")),
        layers=tuple(x for x in find_layers(model) if x.name in settings["layers"]),
        steps=settings["steps"],
        guidance=settings["guidance"],
        batch=batch,
    )
    click.echo(f"Classes: {inquiry.namer.name} ({inquiry.namer.licence}).", err=True)
    tables: list[pd.DataFrame] = []
    with reporting() as report:
        scores, left_out = classify_all(
            inquiry,
            split,
            report,
            with_blank=not quick,
            keep=lambda *seen: tables.append(likeliest(inquiry.namer.classes, *seen)),
        )
    runs.write_table(run.classes, scores.rows)
    runs.write_table(run.probabilities, pd.concat(tables, ignore_index=True))
    found = {
        "namer": inquiry.namer.name,
        "classes": list(inquiry.namer.classes),
        "left_out": left_out,
        "sources": summarise_classes(scores),
    }
    runs.update_summary(run, {"classify": found})
    for suffix in (".png", ".pdf"):
        draw_recognition(found["sources"], (run.figures / "recognition").with_suffix(suffix))
        path = (run.figures / f"classes-{prompt.index or 0:05d}").with_suffix(suffix)
        _draw(inquiry, prompt, path)
    print_classes(Console(), found)
    click.echo(f"Picture: {path.with_suffix('.png')}")


def _words() -> tuple[tuple[str, ...], ...]:
    """What the embedded class network tells apart; the first are its classes."""
    from ..world.words import COLOURS, FLOORS, LIGHTS, OBJECTS

    return OBJECTS, tuple(COLOURS), FLOORS, tuple(LIGHTS)


def _draw(inquiry: Inquiry, prompt: Prompt, path: Path) -> None:
    model: Model = inquiry.model
    traced = trace(model, [prompt], steps=inquiry.steps, guidance=inquiry.guidance)
    latents = {"image": traced.latents, "estimate": traced.estimates}
    draw_classes(
        {VIEWS[source]: decode(model, each[:, 0]) for source, each in latents.items()},
        {VIEWS[source]: probabilities(inquiry, each)[:, 0] for source, each in latents.items()},
        inquiry.namer.classes,
        title=prompt.text,
        path=path,
    )
