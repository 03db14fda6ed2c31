"""Labelers of saliency: the share of foreground in each pixel, 0 to 1.

TRACER     by carvekit's architecture, from a folder of safetensors weights
BiRefNet   by the code in its own folder, which is run only where that is allowed
U²-Net     and IS-Net from an .onnx file, such as rembg uses (see `graphs`)
"""

import importlib
from pathlib import Path

import torch
from einops import rearrange
from safetensors.torch import load_file
from torch import Tensor

from ..models.weights import fingerprint
from ..models.wholeness import check_used
from .checkscene import check_scene
from .graphs import onnx_labeler, scaled_reader, split_scaling
from .labeler import Labeler, awake
from .sources import (
    UNREADABLE,
    check_remote_code,
    find_weights,
    licence_of,
    read_config,
    refuse_missing,
    unreadable,
)

TRACER_SIDE_PX = 640
BIREFNET_SIDE_PX = 1024


def saliency_labeler(id_or_path: str, device: torch.device) -> Labeler:
    """Load a labeler of saliency: U²-Net from an .onnx file, BiRefNet, or else TRACER.

    Raises:
        ModelError: if the weights cannot be found, trusted or read.
        LabelError: if a library is not installed, or code that comes along is not allowed.
    """
    if split_scaling(id_or_path)[0].suffix == ".onnx":
        return u2net_labeler(id_or_path, device)
    if _is_birefnet(id_or_path):
        return birefnet_labeler(id_or_path, device)
    return tracer_labeler(id_or_path, device)


def tracer_labeler(id_or_path: str, device: torch.device) -> Labeler:
    """Load TRACER with an EfficientNet-B7 encoder, from a folder of safetensors weights.

    Raises:
        ModelError: if the weights cannot be found, trusted or read.
        LabelError: if carvekit is not installed.
    """
    folder = find_weights(id_or_path)
    try:
        tracer = importlib.import_module("carvekit.ml.arch.tracerb7.tracer")
        encoder = importlib.import_module("carvekit.ml.arch.tracerb7.efficientnet")
    except ImportError as error:
        refuse_missing("TRACER", "carvekit", error)
    network = tracer.TracerDecoder(encoder=encoder.EfficientEncoderB7())
    try:
        for file in sorted(folder.glob("*.safetensors")):
            # The published weights hold an edge detector that this architecture does without.
            rest = network.load_state_dict(load_file(file), strict=False)
            if rest.missing_keys:
                raise ValueError(f"{rest.missing_keys[0]} is missing")
    except UNREADABLE as error:
        raise unreadable(folder, error) from error
    network = network.eval()

    def shares(pixels: Tensor) -> Tensor:
        return rearrange(network(pixels), "image ... row col -> image (...) row col")

    read = scaled_reader(shares, TRACER_SIDE_PX, device)
    return Labeler(id_or_path, ("saliency",), "Apache-2.0", read, fingerprint(folder), (network,))


def birefnet_labeler(id_or_path: str, device: torch.device) -> Labeler:
    """Load BiRefNet by the code in its own folder, where UNDERPAINT_REMOTE_CODE=1 allows it.

    Raises:
        ModelError: if the weights cannot be found, trusted or read.
        LabelError: if its code is not allowed, or its id is not pinned to a commit.
    """
    from transformers import AutoModelForImageSegmentation

    check_remote_code(id_or_path)
    folder = find_weights(id_or_path, with_code=True)
    try:
        network, seen = AutoModelForImageSegmentation.from_pretrained(
            folder,
            trust_remote_code=True,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (*UNREADABLE, ImportError) as error:
        raise unreadable(folder, error) from error
    network = network.float().eval()
    read = scaled_reader(lambda pixels: network(pixels)[-1].sigmoid(), BIREFNET_SIDE_PX, device)
    with awake((network,), device):
        scene = check_scene()[0]
        check_used(id_or_path, network, seen["missing_keys"], lambda: read(scene)["saliency"])
    licence = licence_of(id_or_path, folder)
    return Labeler(id_or_path, ("saliency",), licence, read, fingerprint(folder), (network,))


def u2net_labeler(path: str, device: torch.device) -> Labeler:
    """Load U²-Net, IS-Net or another network of masks from an .onnx file (see `graphs`).

    Raises:
        ModelError: if the file cannot be read, or takes or gives anything else.
        LabelError: if onnxruntime is not installed, or scaling or size is not known.
    """
    return onnx_labeler(path, device)


def _is_birefnet(id_or_path: str) -> bool:
    path = Path(id_or_path).expanduser() / "config.json"
    if not path.exists():
        return "birefnet" in id_or_path.casefold()
    return "auto_map" in read_config(path.parent)
