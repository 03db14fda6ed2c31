"""Class networks, loaded by path as published."""

from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from test_labelers import images

from underpaint.core.errors import ModelError
from underpaint.labelers import (
    name,
    namer,
)
from underpaint.labelers.labeler import class_of

CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("offline")


def vit(folder: Path, names: list[str]) -> Path:
    """Save a small image classifier with its names."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = transformers.ViTConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            image_size=32,
            patch_size=16,
            id2label=dict(enumerate(names)),
            label2id={name: at for at, name in enumerate(names)},
        )
        transformers.ViTForImageClassification(config).save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def test_any_classifier_of_transformers_names_pictures(tmp_path):
    folder = vit(tmp_path / "vit", ["lemon", "orange", "cup, mug"])
    found = namer(str(folder), CPU)
    assert found.classes == ("lemon", "orange", "cup, mug")
    square = images()[:, :, :, :32]
    network = transformers.ViTForImageClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        expected = network((square - 0.5) / 0.5).logits.softmax(dim=1)
    torch.testing.assert_close(name(found, square), expected, atol=1e-5, rtol=1e-4)
    assert [class_of(found, text) for text in ("a Mug", "a cup", "a lemon and a cup", "fog")] == [
        2, 2, None, None,
    ]  # fmt: skip


def test_a_classifier_without_its_last_layer_is_refused(tmp_path):
    folder = vit(tmp_path / "vit", ["lemon", "orange"])
    (file,) = folder.glob("*.safetensors")
    weights = {name: each for name, each in load_file(file).items() if "classifier" not in name}
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lack classifier\.\w+, which would stay random"):
        namer(str(folder), CPU)


def test_vgg_16_is_read_from_local_weights_with_its_imagenet_names(tmp_path, monkeypatch):
    def small(weights=None):
        return torch.nn.Sequential(
            torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 1000)
        )

    monkeypatch.setattr("torchvision.models.vgg16", small)
    save_file(small().state_dict(), tmp_path / "model.safetensors")
    found = namer(f"vgg16:{tmp_path}", CPU)
    assert (len(found.classes), found.classes[951], found.licence) == (
        1000,
        "lemon",
        "BSD-3-Clause",
    )
    assert name(found, images()).shape == (2, 1000)
    save_file({"other": torch.ones(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="Cannot read VGG-16 from vgg16:") as caught:
        namer(f"vgg16:{tmp_path}", CPU)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "words"),
    [("vgg16", "HF_HUB_OFFLINE=1 forbids"), ("vgg16:no/such", "No folder"), ("a/b/c", "no hub id")],
)
def test_a_class_network_that_is_not_here_is_one_line(source, words, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ModelError, match=words):
        namer(source, CPU)
