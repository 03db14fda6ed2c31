"""Who says what a picture shows: one door for every labeler.

A labeler reads pictures in 0..1 and returns label maps. `tiny` is the small network that was
trained on renders of its world, where the truth is exact; it reads all five properties in one pass.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from .errors import LabelError
from .models import Model
from .models.readers import MAPS, MapReader
from .models.weights import TINY
from .properties import Property

_READ_AT_ONCE = 32

Read = Callable[[Float[Tensor, "image 3 height width"]], dict[str, Tensor]]
"""Pictures to label maps `image target height width`, by property."""


@dataclass(frozen=True)
class Labeler:
    """A labeler: what it is called, which properties it reads, licence, and its weights' name."""

    name: str
    reads: tuple[str, ...]
    licence: str
    read: Read
    fingerprint: str = ""


def tiny_labeler(device: torch.device, folder: Path = TINY) -> Labeler:
    """Load the labeler of the embedded world, or one that `underpaint train` wrote to a folder.

    Raises:
        LabelError: if its weights are not there.
    """
    path = folder / "map_reader.safetensors"
    if not path.exists():
        raise LabelError(
            f"There is no labeler: {path} is missing. "
            "Train one with `underpaint train OUT`, and use it with `--model OUT/tiny`."
        )
    reader = MapReader()
    reader.load_state_dict({name: each.float() for name, each in load_file(path).items()})
    reader = reader.eval().to(device)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Labeler("tiny", tuple(MAPS), "MIT", reader, f"sha256:{digest}")


def labelers_for(model: Model) -> tuple[Labeler, ...]:
    """Take the labeler that a trained folder brings along, else the embedded one.

    Raises:
        LabelError: if neither is there.
    """
    folder = Path(model.name).expanduser()
    has_own = (folder / "map_reader.safetensors").exists()
    return (tiny_labeler(model.device, folder if has_own else TINY),)


@torch.no_grad()
def label(
    labelers: Sequence[Labeler],
    properties: Sequence[Property],
    images: Float[Tensor, "image 3 height width"],
) -> dict[str, Float[Tensor, "image _ height width"]]:
    """Label pictures in 0..1: `image target height width` for each property.

    Raises:
        LabelError: if a property has no labeler, or a labeler returns the wrong shape, values that
            are not finite, or a mask outside 0..1.
    """
    found: dict[str, Tensor] = {}
    for labeler in labelers:
        wanted = [each for each in properties if each.name in labeler.reads]
        parts = [labeler.read(part) for part in images.split(_READ_AT_ONCE)]
        for each in wanted:
            maps = torch.cat([part[each.name] for part in parts])
            _check(labeler, each, maps, images)
            found[each.name] = maps
    if missing := [each.name for each in properties if each.name not in found]:
        raise LabelError(
            f"No labeler reads {missing[0]}; {[labeler.name for labeler in labelers]} are loaded. "
            "Leave the property out, or give it a labeler."
        )
    return found


def _check(labeler: Labeler, property: Property, maps: Tensor, images: Tensor) -> None:
    expected = (len(images), property.targets, *images.shape[-2:])
    if tuple(maps.shape) != expected:
        raise LabelError(
            f"Labeler {labeler.name} gave {property.name} maps of {tuple(maps.shape)}; pictures "
            f"need {expected}. Resize its maps to the pictures."
        )
    if not maps.isfinite().all():
        raise LabelError(
            f"Labeler {labeler.name} gave NaN or infinity for {property.name}. "
            "Run it in float32, or mend it: such labels cannot be fitted."
        )
    if property.is_binary and not ((maps >= 0) & (maps <= 1)).all():
        raise LabelError(
            f"Labeler {labeler.name} gave {property.name} from {maps.min():.3g} to "
            f"{maps.max():.3g}. Masks are shares of foreground, 0 to 1."
        )
