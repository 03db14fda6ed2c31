"""Labelers for photographs, from hub ids or local folders. Each library is imported when used.

depth     DPT and Depth Anything of transformers: relative inverse depth, near = large
saliency  TRACER by carvekit's architecture, with safetensors weights
shading   Marigold's intrinsic images of diffusers, grey; albedo likewise, in colour
normals   Marigold's normals of diffusers: x right, y up, z to the viewer
"""

import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..errors import LabelError, ModelError
from ..models.weights import (
    check_part,
    check_weights,
    find_folder,
    first_line,
    read_index,
)
from .labeler import Labeler

_INVERSE_DEPTH = ("dpt", "depth_anything")
_TRACER_SIDE_PX = 640
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_UNREADABLE = (OSError, ValueError, RuntimeError, AttributeError, TypeError, SafetensorError)
_LICENCES = {
    "Intel/dpt-large": "Apache-2.0",
    "depth-anything/Depth-Anything-V2-Small-hf": "Apache-2.0",
    "depth-anything/Depth-Anything-V2-Base-hf": "CC-BY-NC-4.0",
    "depth-anything/Depth-Anything-V2-Large-hf": "CC-BY-NC-4.0",
    "prs-eth/marigold-iid-lighting-v1-1": "RAIL++-M",
    "prs-eth/marigold-normals-v1-1": "RAIL++-M",
}


def depth_labeler(id_or_path: str, device: torch.device) -> Labeler:
    """Load a DPT or Depth Anything model: relative inverse depth, near = large, of no unit.

    Raises:
        ModelError: if it cannot be found, trusted or read.
        LabelError: if it is of another kind, or gives distances in metres.
    """
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation

    folder = _find_weights(id_or_path)
    config = _read_config(folder)
    kind = config.get("model_type")
    if kind not in _INVERSE_DEPTH or config.get("depth_estimation_type") == "metric":
        raise LabelError(
            f"{id_or_path} is a {kind} model that is not known to give inverse depth. Use a "
            "relative DPT or Depth Anything model, such as Intel/dpt-large."
        )
    try:
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        network = AutoModelForDepthEstimation.from_pretrained(
            folder, use_safetensors=True, local_files_only=True
        )
    except _UNREADABLE as error:
        raise _unreadable(folder, error) from error
    network = network.float().eval().to(device)

    @torch.no_grad()
    def read(images: Float[Tensor, "image 3 height width"]) -> dict[str, Tensor]:
        pixels = processor(images=list(images.cpu()), do_rescale=False, return_tensors="pt")
        maps = network(pixels["pixel_values"].to(device)).predicted_depth[:, None]
        return {"depth": F.interpolate(maps, size=images.shape[-2:], mode="bicubic")}

    return Labeler(id_or_path, ("depth",), _licence(id_or_path), read)


def tracer_labeler(id_or_path: str, device: torch.device) -> Labeler:
    """Load TRACER with an EfficientNet-B7 encoder, from a folder of safetensors weights.

    Raises:
        ModelError: if the weights cannot be found, trusted or read.
        LabelError: if carvekit is not installed.
    """
    folder = _find_weights(id_or_path)
    try:
        tracer = importlib.import_module("carvekit.ml.arch.tracerb7.tracer")
        encoder = importlib.import_module("carvekit.ml.arch.tracerb7.efficientnet")
    except ImportError as error:
        raise LabelError(
            f"TRACER needs carvekit ({first_line(error)}). Install it: pip install carvekit."
        ) from error
    network = tracer.TracerDecoder(encoder=encoder.EfficientEncoderB7())
    try:
        for file in sorted(folder.glob("*.safetensors")):
            # The published weights hold an edge detector that this architecture does without.
            rest = network.load_state_dict(load_file(file), strict=False)
            if rest.missing_keys:
                raise ValueError(f"{rest.missing_keys[0]} is missing")
    except _UNREADABLE as error:
        raise _unreadable(folder, error) from error
    network = network.eval().to(device)
    mean, deviation = (torch.tensor(each, device=device)[:, None, None] for each in _IMAGENET)

    @torch.no_grad()
    def read(images: Float[Tensor, "image 3 height width"]) -> dict[str, Tensor]:
        side = (_TRACER_SIDE_PX, _TRACER_SIDE_PX)
        resized = F.interpolate(images.to(device), size=side, mode="bilinear", antialias=True)
        maps = network((resized - mean) / deviation)
        maps = rearrange(maps, "image ... row col -> image (...) row col")
        return {"saliency": F.interpolate(maps, size=images.shape[-2:], mode="bilinear")}

    return Labeler(id_or_path, ("saliency",), "Apache-2.0", read)


def marigold_labeler(id_or_path: str, device: torch.device) -> Labeler:
    """Load a Marigold pipeline: shading and albedo in 0..1, or normals of unit length.

    Marigold is fine-tuned from Stable Diffusion 2: as a label for Stable Diffusion it is partly
    circular. Each picture's noise comes from the same seed, so labels do not depend on the batch.

    Raises:
        ModelError: if it cannot be found, trusted or read.
        LabelError: if it is another pipeline.
    """
    import diffusers

    folder = find_folder(id_or_path)
    index = read_index(folder)
    kinds = ("MarigoldIntrinsicsPipeline", "MarigoldNormalsPipeline")
    if index["_class_name"] not in kinds:
        raise LabelError(
            f"{id_or_path} is a {index['_class_name']}. Shading, albedo and normals are read by "
            f"{' and '.join(kinds)}."
        )
    check_weights(folder, index)
    try:
        pipeline: Any = getattr(diffusers, index["_class_name"]).from_pretrained(
            folder, use_safetensors=True, local_files_only=True
        )
    except _UNREADABLE as error:
        raise _unreadable(folder, error) from error
    pipeline.to(device)
    pipeline.set_progress_bar_config(disable=True)
    is_normals = index["_class_name"] == "MarigoldNormalsPipeline"
    names = ["normals"] if is_normals else list(pipeline.target_properties["target_names"])

    @torch.no_grad()
    def read(images: Float[Tensor, "image 3 height width"]) -> dict[str, Tensor]:
        drawn = pipeline(
            images.clamp(0, 1),
            generator=[torch.Generator("cpu").manual_seed(0) for _ in images],
            output_type="pt",
        ).prediction
        maps = rearrange(drawn, "(image name) c row col -> name image c row col", name=len(names))
        found = dict(zip(names, maps.float(), strict=True))
        if "shading" in found:
            found["shading"] = found["shading"].mean(dim=1, keepdim=True)
        return found

    reads = tuple(name for name in names if name in ("shading", "albedo", "normals"))
    return Labeler(id_or_path, reads, _licence(id_or_path), read)


DOORS: dict[str, Callable[[str, torch.device], Labeler]] = {
    "saliency": tracer_labeler,
    "depth": depth_labeler,
    "shading": marigold_labeler,
    "normals": marigold_labeler,
    "albedo": marigold_labeler,
}
"""What loads an off-the-shelf labeler, by property."""


def _find_weights(id_or_path: str) -> Path:
    """Find a folder of one network's weights: a path, or a hub id (cached or fetched)."""
    folder = Path(id_or_path).expanduser()
    if not folder.is_dir():
        if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", id_or_path):
            raise ModelError(
                f"No labeler {id_or_path!r}: there is no such folder and it is no hub id "
                "(owner/name). Give a folder or a hub id."
            )
        try:
            folder = Path(
                huggingface_hub.snapshot_download(
                    id_or_path, allow_patterns=["*.json", "*.safetensors"]
                )
            )
        # The hub client's errors have no base in common.
        except Exception as error:
            raise ModelError(
                f"No labeler {id_or_path!r}: the hub did not give it ({first_line(error)}). "
                "Check the id and the network, or give a folder."
            ) from error
    check_part(folder)
    return folder


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(folder, error) from error
    return config if isinstance(config, dict) else {}


def _unreadable(folder: Path, error: Exception) -> ModelError:
    return ModelError(
        f"Cannot read the labeler in {folder} ({first_line(error)}). Check that its files are "
        "whole and of the kind that the property needs."
    )


def _licence(id_or_path: str) -> str:
    return _LICENCES.get(id_or_path, "unknown: see its card")
