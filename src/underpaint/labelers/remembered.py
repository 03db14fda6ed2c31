"""A labeler that looks at a picture once: what it said is kept in a folder, and read back there.

A study that is done again with other layers or recipes has the same pictures; off-the-shelf
labelers are most of what it costs. Files go by the picture's bytes, the labeler's weights and the
kind of device, so nothing is ever found that another picture or labeler left.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..core.files import write_file
from .labeler import Labeler, ask


def remembering(labeler: Labeler, folder: Path) -> Labeler:
    """Keep a labeler's maps in a folder, one file for each picture.

    The maps are those of the labeler itself, to the bit: pictures that are not in the folder yet
    are read together, as `label` gives them. A labeler without a fingerprint is given back as it
    is, since nothing would tell its weights from others.

    Args:
        labeler: Reads each picture by itself, whatever else is in the batch.
        folder: Made if it is not there. A map takes four bytes a pixel and target.

    Raises:
        RunError: when a picture is read, if its maps cannot be written.
    """
    if not labeler.fingerprint:
        return labeler

    def read(images: Float[Tensor, "image 3 height width"]) -> dict[str, Tensor]:
        paths = [folder / _name(labeler, image) for image in images]
        found = [
            _recalled(path, labeler.reads, image) for path, image in zip(paths, images, strict=True)
        ]
        missing = [place for place, maps in enumerate(found) if maps is None]
        if missing:
            fresh = ask(labeler, labeler.reads, images[missing])
            for row, place in enumerate(missing):
                maps = {name: fresh[name][row] for name in labeler.reads}
                found[place] = maps
                _keep(paths[place], maps)
        return {name: torch.stack([maps[name] for maps in found if maps]) for name in labeler.reads}

    return replace(labeler, read=read)


def _name(labeler: Labeler, image: Float[Tensor, "3 height width"]) -> Path:
    """Name a picture as one labeler sees it."""
    who = f"{labeler.name} {labeler.fingerprint} {labeler.reads} {image.device.type}"
    digest = hashlib.sha256(f"{who} {image.dtype} {tuple(image.shape)}".encode())
    digest.update(image.contiguous().cpu().numpy().tobytes())
    name = digest.hexdigest()
    return Path(name[:2]) / f"{name}.safetensors"


def _recalled(
    path: Path, names: Sequence[str], like: Float[Tensor, "3 height width"]
) -> dict[str, Tensor] | None:
    """Read a picture's maps back; None if they are not there or not whole."""
    try:
        maps = load_file(path)
    except (OSError, SafetensorError):
        return None
    return {name: maps[name].to(like.device) for name in names} if set(names) <= set(maps) else None


def _keep(path: Path, maps: dict[str, Tensor]) -> None:
    whole = {name: each.contiguous().cpu() for name, each in maps.items()}
    write_file(path, lambda part: save_file(whole, part))
