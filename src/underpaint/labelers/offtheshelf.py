"""Labelers for photographs, from hub ids or local folders. Each library is imported when used.

depth     DPT and Depth Anything of transformers: relative inverse depth, near = large
saliency  TRACER, BiRefNet or U²-Net (see `masks`)
shading   Marigold's intrinsic images of diffusers, grey, or Intrinsic; albedo likewise, in colour
normals   Marigold's normals of diffusers: x right, y up, z to the viewer
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ..core.errors import LabelError
from ..models.weights import check_weights, find_folder, fingerprint, read_index
from ..models.wholeness import check_filled, check_used
from .checkscene import check_scene
from .intrinsic import PREFIX, intrinsic_labeler
from .labeler import Labeler, awake
from .masks import saliency_labeler
from .sources import UNREADABLE, find_weights, licence_of, read_config, unreadable

_INVERSE_DEPTH = ("dpt", "depth_anything")


def depth_labeler(id_or_path: str, device: torch.device) -> Labeler:
    """Load a DPT or Depth Anything model: relative inverse depth, near = large, of no unit.

    Raises:
        ModelError: if it cannot be found, trusted or read.
        LabelError: if it is of another kind, or gives distances in metres.
    """
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation

    folder = find_weights(id_or_path)
    config = read_config(folder)
    kind = config.get("model_type")
    if kind not in _INVERSE_DEPTH or config.get("depth_estimation_type") == "metric":
        raise LabelError(
            f"{id_or_path} is a {kind} model that is not known to give inverse depth. Use a "
            "relative DPT or Depth Anything model, such as Intel/dpt-large."
        )
    try:
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        network, seen = AutoModelForDepthEstimation.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except UNREADABLE as error:
        raise unreadable(folder, error) from error
    network = network.float().eval()

    @torch.no_grad()
    def read(images: Float[Tensor, "image 3 height width"]) -> dict[str, Tensor]:
        pixels = processor(images=list(images.cpu()), do_rescale=False, return_tensors="pt")
        maps = network(pixels["pixel_values"].to(device)).predicted_depth[:, None]
        return {"depth": F.interpolate(maps, size=images.shape[-2:], mode="bicubic")}

    with awake((network,), device):
        scene = check_scene()[0]
        check_used(id_or_path, network, seen["missing_keys"], lambda: read(scene)["depth"])
    licence = licence_of(id_or_path, folder)
    return Labeler(id_or_path, ("depth",), licence, read, fingerprint(folder), (network,))


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
    except UNREADABLE as error:
        raise unreadable(folder, error) from error
    check_filled(pipeline, folder)
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
    licence = licence_of(id_or_path, folder)
    parts = tuple(each for each in pipeline.components.values() if isinstance(each, nn.Module))
    return Labeler(id_or_path, reads, licence, read, fingerprint(folder), parts)


def shading_labeler(id_or_path: str, device: torch.device) -> Labeler:
    """Load a labeler of shading: "intrinsic:WEIGHTS", else a Marigold pipeline.

    Raises:
        ModelError: if it cannot be found, trusted or read.
        LabelError: if a library is not installed, or it is another pipeline.
    """
    if id_or_path.startswith(PREFIX):
        return intrinsic_labeler(id_or_path, device)
    return marigold_labeler(id_or_path, device)


DOORS: dict[str, Callable[[str, torch.device], Labeler]] = {
    "saliency": saliency_labeler,
    "depth": depth_labeler,
    "shading": shading_labeler,
    "normals": marigold_labeler,
    "albedo": marigold_labeler,
}
"""What loads an off-the-shelf labeler, by property."""
