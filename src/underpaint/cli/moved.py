"""The model of a run, wherever its folder is now, and the study that it was."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ..core.errors import RunError
from ..core.prompts import Split
from ..core.properties import PROPERTIES
from ..labelers import Labeler, labelers_for
from ..models import Model, load_as
from ..models.layers import find_layers
from ..models.weights import TINY
from ..runs.runs import Run, check_run, read_settings, read_split
from ..study.study import Study
from .options import MOVED
from .pictures import pictures_of


def model_of(settings: Mapping[str, Any], *, device: str, dtype: str) -> Model:
    """Load the model that a run was made with, from where --model says that it is.

    Raises:
        ModelError: if it cannot be found, trusted or read.
        RunError: if its folder is not where it was, or what is there is another model.
    """
    moved = click.get_current_context().meta.get(MOVED)
    if moved is None:
        _refuse_gone(settings)
    asked = dict(settings) if moved is None else {**settings, "model": moved}
    model = load_as(asked, device=device, dtype=dtype)
    check_run(settings, model)
    return model


def study_again(run: Run, *, device: str, dtype: str) -> Study:
    """Load what a finished run's pictures are made and labelled with.

    Raises:
        ModelError: if the model cannot be found, trusted or read.
        RunError: if its folder is not where it was, or what is there is another model.
    """
    settings = read_settings(run)
    model = model_of(settings, device=device, dtype=dtype)
    return planned(run, settings, model, labelers_for(model, settings.get("labeled_by")))


def planned(
    run: Run, settings: Mapping[str, Any], model: Model, labelers: Sequence[Labeler] = ()
) -> Study:
    """Plan what is left of a finished run: its pictures, groups and layers, without controls."""
    properties = tuple(PROPERTIES[name] for name in settings["properties"])
    parts = (read_split(run, part) for part in ("train", "validation", "test"))
    return Study(
        model=model,
        labelers=tuple(labelers),
        properties=properties,
        layers=tuple(x for x in find_layers(model) if x.name in settings["layers"]),
        split=Split(*parts),
        steps=settings["steps"],
        guidance=settings["guidance"],
        batch=settings.get("batch", 32),  # groups are kept as the run cut them
        pictures=pictures_of(settings.get("pictures"), properties, model),
        rivals_at=tuple(step - 1 for step in settings.get("rivals_at", ())) or None,
        sees_halves=settings["guidance"] > 1 and model.takes_text,
    )


def _refuse_gone(settings: Mapping[str, Any]) -> None:
    place, weights = str(settings["model"]), str(settings.get("fingerprint", ""))
    # What came from the hub has a revision, and is fetched from there again.
    was_here = weights.startswith("sha256:") and place != TINY.name
    if was_here and not Path(place).expanduser().exists():
        raise RunError(
            f"The run's model was in {place}, and nothing is there now. Say where it is: --model "
            "PATH."
        )
