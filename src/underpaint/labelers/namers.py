"""Class networks for photographs: torchvision's VGG-16, and any classifier of transformers."""

from pathlib import Path

import huggingface_hub
import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from ..core.errors import ModelError, first_line
from ..models.weights import check_part
from ..models.wholeness import check_used
from .checkscene import check_scene
from .labeler import Namer
from .sources import UNREADABLE, find_weights, licence_of, read_config, unreadable

VGG16 = "vgg16"
_VGG_SIDE_PX = 224
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def namer(id_or_path: str, device: torch.device) -> Namer:
    """Load a class network: "vgg16", "vgg16:FOLDER", or a classifier's folder or hub id.

    Raises:
        ModelError: if its weights cannot be found, trusted or read.
    """
    if id_or_path == VGG16 or id_or_path.startswith(VGG16 + ":"):
        return vgg_namer(id_or_path, device)
    return classifier_namer(id_or_path, device)


def vgg_namer(id_or_path: str, device: torch.device) -> Namer:
    """Load torchvision's VGG-16 with its 1000 ImageNet names.

    Args:
        id_or_path: "vgg16" for torchvision's own weights, or "vgg16:FOLDER" of safetensors.
        device: Where it runs.

    Raises:
        ModelError: if the weights are not there, or are another network's.
    """
    from torchvision.models import VGG16_Weights, vgg16

    published = VGG16_Weights.IMAGENET1K_V1
    folder = Path(id_or_path.removeprefix(VGG16).removeprefix(":") or ".").expanduser()
    try:
        weights = _published(published) if id_or_path == VGG16 else _local(folder)
        with torch.device("meta"):  # no first weights are drawn for 138 million parameters
            network = vgg16(weights=None)
        network.load_state_dict(weights, assign=True)
    except UNREADABLE as error:
        raise ModelError(
            f"Cannot read VGG-16 from {id_or_path} ({first_line(error)}). Give vgg16:FOLDER with "
            "safetensors of torchvision's VGG-16."
        ) from error
    network = network.eval().to(device)
    mean, deviation = (torch.tensor(each, device=device)[:, None, None] for each in _IMAGENET)

    @torch.no_grad()
    def read(images: Float[Tensor, "image 3 height width"]) -> Float[Tensor, "image _"]:
        side = (_VGG_SIDE_PX, _VGG_SIDE_PX)
        resized = F.interpolate(images.to(device), size=side, mode="bilinear", antialias=True)
        return network((resized - mean) / deviation)

    return Namer(id_or_path, tuple(published.meta["categories"]), "BSD-3-Clause", read)


def classifier_namer(id_or_path: str, device: torch.device) -> Namer:
    """Load any image classifier of transformers, with the names in its config.

    Raises:
        ModelError: if it cannot be found, trusted or read, or is no classifier.
    """
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    folder = find_weights(id_or_path)
    try:
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        network, seen = AutoModelForImageClassification.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
        # A timm model names its classes in the network's config alone, once it is loaded.
        written = read_config(folder).get("id2label") or {}
        names = {int(at): str(name) for at, name in (written or network.config.id2label).items()}
        classes = tuple(names[at] for at in range(len(names)))
    except (*UNREADABLE, KeyError, ImportError) as error:
        raise unreadable(folder, error) from error
    network = network.float().eval().to(device)
    is_timm = "Timm" in type(processor).__name__

    @torch.no_grad()
    def read(images: Float[Tensor, "image 3 height width"]) -> Float[Tensor, "image _"]:
        if is_timm:  # its processor takes tensors of 0..1 as they are, and no word of rescaling
            pixels = processor(images=images.cpu(), return_tensors="pt")
        else:
            pixels = processor(images=list(images.cpu()), do_rescale=False, return_tensors="pt")
        return network(pixels["pixel_values"].to(device)).logits

    # A network without its last layer would name classes at random.
    scene = check_scene()[0]
    check_used(id_or_path, network, seen["missing_keys"], lambda: read(scene))
    return Namer(id_or_path, classes, licence_of(id_or_path, folder), read)


def _local(folder: Path) -> dict[str, Tensor]:
    if not folder.is_dir():
        raise ModelError(f"No folder {folder} of VGG-16's weights. Give vgg16:FOLDER.")
    check_part(folder)
    parts = [load_file(file) for file in sorted(folder.glob("*.safetensors"))]
    return {name: each for part in parts for name, each in part.items()}


def _published(published: object) -> dict[str, Tensor]:
    """Take torchvision's own weights, by its own loader: hash checked, tensors alone."""
    name = Path(str(getattr(published, "url", ""))).name
    is_here = (Path(torch.hub.get_dir()) / "checkpoints" / name).exists()
    if huggingface_hub.constants.HF_HUB_OFFLINE and not is_here:
        raise ModelError(
            f"VGG-16's weights are not here, and HF_HUB_OFFLINE=1 forbids to fetch {name}. Give "
            "vgg16:FOLDER with safetensors of them."
        )
    return published.get_state_dict(progress=False, check_hash=True, weights_only=True)  # pyright: ignore[reportAttributeAccessIssue]
