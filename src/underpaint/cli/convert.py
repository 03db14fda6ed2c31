"""`underpaint convert`: pickled weights to safetensors, once, by the user's choice."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import torch
from safetensors.torch import save_file
from torch import Tensor

from ..core.errors import ModelError, first_line
from ..core.files import write_file

_WRAPPERS = ("state_dict", "model_state_dict", "model")


def convert(pickled: Path, folder: Path) -> None:
    """Carry out `underpaint convert`, as its options say."""
    weights = _tensors(pickled)
    # A network may hold one tensor under two names; safetensors wants each on its own.
    apart = {name: each.detach().clone().contiguous() for name, each in weights.items()}
    target = folder / "model.safetensors"
    write_file(target, lambda part: save_file(apart, part))
    click.echo(f"{target}: {len(apart)} tensors.")


def _tensors(pickled: Path) -> dict[str, Tensor]:
    try:
        found: Any = torch.load(pickled, map_location="cpu", weights_only=True)
    # What is no pickle, or asks for more than tensors, raises anything.
    except Exception as error:
        raise ModelError(
            f"Cannot read {pickled} as tensors alone ({first_line(error)}). Give a file of weights "
            "that torch.save wrote; a whole pickled network cannot be read safely."
        ) from error
    for name in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
    if not isinstance(found, Mapping) or not all(isinstance(x, Tensor) for x in found.values()):
        raise ModelError(
            f"{pickled} holds something other than named tensors. Give a file of one network's "
            "weights."
        )
    return {str(name).removeprefix("module."): each for name, each in found.items()}
