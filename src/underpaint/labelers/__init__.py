"""Who says what a picture shows: one door for every labeler.

A labeler reads pictures in 0..1 and returns label maps. `tiny` is the small network that was
trained on renders of its world, where the truth is exact; it reads all five properties in one pass.
`offtheshelf` holds those for photographs, which are loaded only when one is asked for.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..core.errors import LabelError
from ..models import Model
from ..models.readers import MAPS, MapReader, WordReader
from ..models.weights import TINY
from .checkscene import check_direction
from .labeler import (
    Labeler,
    Namer,
    Read,
    check,
    check_maps,
    features_of,
    known_maps,
    label,
    name,
    read,
)
from .namers import namer
from .offtheshelf import DOORS
from .own import PYTHON, own_labeler
from .remembered import remembering
from .sources import undisturbed

__all__ = [
    "PYTHON",
    "Labeler",
    "Namer",
    "Read",
    "check",
    "check_maps",
    "features_of",
    "known_maps",
    "label",
    "labeler",
    "labelers_for",
    "name",
    "namer",
    "namer_for",
    "read",
    "tiny_labeler",
    "unchecked",
]


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
    reader = reader.eval().to(memory_format=torch.channels_last).to(device)  # pyright: ignore[reportCallIssue]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    def own(images: Tensor) -> dict[str, Tensor]:
        height, width = images.shape[-2:]
        if height % MapReader.UNIT_PX or width % MapReader.UNIT_PX:
            raise LabelError(
                "The labeler of the rendered world reads pictures whose sides are multiples of "
                f"{MapReader.UNIT_PX} pixels, and these are {height}×{width}. Choose another "
                "--resolution, or other --labelers."
            )
        return reader(images)

    return Labeler("tiny", tuple(MAPS), "MIT", own, f"sha256:{digest}")


def labeler(property: str, id_or_path: str, device: torch.device) -> Labeler:
    """Load a labeler of one property by its name, and look at the check scene with it.

    Raises:
        LabelError: if the property has none, or its maps are the wrong way round.
        ModelError: if the weights cannot be found, trusted or read.
    """
    found = unchecked(property, id_or_path, device)
    check_direction(found, device)
    return found


def unchecked(property: str, id_or_path: str, device: torch.device) -> Labeler:
    """Load a labeler of one property by its name, whatever it says of the check scene.

    Raises:
        LabelError: if the property has none.
        ModelError: if the weights cannot be found, trusted or read.
    """
    if id_or_path == "tiny" and property in MAPS:
        found = tiny_labeler(device)
    elif id_or_path.startswith(PYTHON):
        found = own_labeler(property, id_or_path)
    elif property in DOORS:
        with undisturbed():
            found = DOORS[property](id_or_path, device)
    else:
        raise LabelError(
            f"There is no off-the-shelf labeler of {property!r}, only of {', '.join(DOORS)}. "
            f"Give a function of your own, as {PYTHON}MODULE:FUNCTION."
        )
    if property not in found.reads:
        raise LabelError(
            f"Labeler {id_or_path} reads {', '.join(found.reads) or 'nothing'}, not {property}. "
            "Give another id or folder."
        )
    return replace(found, reads=(property,))


def labelers_for(
    model: Model, chosen: Mapping[str, str] | None = None, *, cache: Path | None = None
) -> tuple[Labeler, ...]:
    """Load the chosen labelers; what they leave is read by the model folder's own, or `tiny`'s.

    Args:
        model: Whose pictures are labelled, on whose device.
        chosen: Id or folder of an off-the-shelf labeler, by property.
        cache: Where what those say of each picture is kept; nowhere if not given.

    Raises:
        LabelError: if one cannot be used, or no reader of the rendered world is there.
        ModelError: if the weights of a chosen one cannot be found, trusted or read.
    """
    ours = [labeler(name, source, model.device) for name, source in (chosen or {}).items()]
    if cache is not None:
        ours = [remembering(each, cache) for each in ours]
    folder = Path(model.name).expanduser()
    has_own = (folder / "map_reader.safetensors").exists()
    rest = tiny_labeler(model.device, folder if has_own else TINY)
    left = tuple(name for name in rest.reads if name not in (chosen or {}))
    return (*ours, replace(rest, reads=left))


def namer_for(
    model: Model, words: Sequence[Sequence[str]], chosen: str | None = None, *, part: int = 0
) -> Namer:
    """Load the chosen class network, or the one that a trained folder brings along, or `tiny`'s.

    Args:
        model: Whose pictures to name.
        words: What the network was trained to tell apart, part by part.
        chosen: "vgg16", "vgg16:FOLDER", or the folder or hub id of a classifier of transformers.
        part: Whose words are the classes, unless one is chosen.

    Raises:
        LabelError: if its weights are not there.
        ModelError: if the weights of a chosen one cannot be found, trusted or read.
    """
    if chosen is not None:
        with undisturbed():
            return namer(chosen, model.device)
    folder = Path(model.name).expanduser()
    has_own = (folder / "word_reader.safetensors").exists()
    path = (folder if has_own else TINY) / "word_reader.safetensors"
    if not path.exists():
        raise LabelError(
            f"There is no class network: {path} is missing. "
            "Train one with `underpaint train OUT`, and use it with `--model OUT/tiny`."
        )
    reader = WordReader(tuple(len(part) for part in words))
    reader.load_state_dict({name: each.float() for name, each in load_file(path).items()})
    reader = reader.eval().to(model.device)
    return Namer(
        "tiny", tuple(words[part]), "MIT", lambda images: reader(images)[part], reader.features
    )
