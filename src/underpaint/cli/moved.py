"""The model of a run, wherever its folder is now."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ..core.errors import RunError
from ..models import Model, load_as
from ..models.weights import TINY
from ..runs.runs import check_run
from .options import MOVED


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


def _refuse_gone(settings: Mapping[str, Any]) -> None:
    place, weights = str(settings["model"]), str(settings.get("fingerprint", ""))
    # What came from the hub has a revision, and is fetched from there again.
    was_here = weights.startswith("sha256:") and place != TINY.name
    if was_here and not Path(place).expanduser().exists():
        raise RunError(
            f"The run's model was in {place}, and nothing is there now. Say where it is: --model "
            "PATH."
        )
