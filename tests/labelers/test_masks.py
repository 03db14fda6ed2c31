"""Mask labelers: what they are loaded from, and which of them are refused."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import save_file
from test_labelers import images, saved

from underpaint.core.errors import LabelError, ModelError
from underpaint.labelers import (
    graphs,
    labeler,
    masks,
    sources,
)

CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("offline")


def test_tracer_says_what_to_install(tmp_path, monkeypatch):
    folder = str(saved(tmp_path / "weights"))
    find = importlib.import_module

    def missing(name: str, package: str | None = None):
        if name.startswith("carvekit"):
            raise ImportError(f"No module named {name!r}")
        return find(name, package)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(LabelError, match=r"TRACER needs carvekit.*pip install carvekit"):
        labeler("saliency", folder, CPU)


BIREFNET = """
import torch
from transformers import PretrainedConfig, PreTrainedModel

class Config(PretrainedConfig):
    model_type = "birefnet"

class BiRefNet(PreTrainedModel):
    config_class = Config

    def __init__(self, config):
        super().__init__(config)
        self.head = torch.nn.Conv2d(3, 1, 1)
        self.post_init()

    def forward(self, pixels):
        return [self.head(pixels), self.head(pixels)]
"""


@pytest.fixture
def birefnet(tmp_path, monkeypatch) -> Path:
    """Save a network that brings its own code, as BiRefNet's folder does."""
    monkeypatch.setattr(masks, "BIREFNET_SIDE_PX", 32)
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "m"))
    monkeypatch.delenv(sources.ALLOW_REMOTE_CODE, raising=False)
    folder = tmp_path / "BiRefNet"
    folder.mkdir()
    (folder / "birefnet.py").write_text(BIREFNET)
    auto_map = {"AutoConfig": "birefnet.Config"}
    auto_map["AutoModelForImageSegmentation"] = "birefnet.BiRefNet"
    config = {"model_type": "birefnet", "architectures": ["BiRefNet"], "auto_map": auto_map}
    (folder / "config.json").write_text(json.dumps(config))
    weight = torch.tensor([3.0, -1.0, -1.0]).reshape(1, 3, 1, 1)
    tensors = {"head.weight": weight, "head.bias": torch.zeros(1)}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_code_that_comes_with_weights_is_run_only_where_it_is_allowed(birefnet, monkeypatch):
    with pytest.raises(LabelError, match=r"brings its own network code.*UNDERPAINT_REMOTE_CODE=1"):
        labeler("saliency", str(birefnet), CPU)
    monkeypatch.setenv(sources.ALLOW_REMOTE_CODE, "1")
    found = labeler("saliency", str(birefnet), CPU)
    maps = found.read(images())["saliency"]
    assert maps.shape == (2, 1, 32, 48)
    assert found.fingerprint.startswith("sha256:")
    # What is red is foreground to these weights: pixels reach them as ImageNet's.
    square = torch.zeros(1, 3, 32, 32)
    square[:, 0] = 1.0
    by_hand = 3 * (1 - 0.485) / 0.229 + 0.456 / 0.224 + 0.406 / 0.225
    expected = torch.full((1, 1, 32, 32), by_hand).sigmoid()
    torch.testing.assert_close(found.read(square)["saliency"], expected)


def test_birefnet_whose_file_lacks_weights_is_refused(birefnet, monkeypatch):
    monkeypatch.setenv(sources.ALLOW_REMOTE_CODE, "1")
    save_file(
        {"head.weight": torch.ones(1, 3, 1, 1)}, birefnet / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(ModelError, match=r"lack head\.bias, which would stay random"):
        labeler("saliency", str(birefnet), CPU)


@pytest.mark.parametrize("name", ["ZhengPeng7/BiRefNet", "ZhengPeng7/BiRefNet@main"])
def test_code_from_the_hub_has_to_be_pinned(monkeypatch, name):
    monkeypatch.setenv(sources.ALLOW_REMOTE_CODE, "1")
    with pytest.raises(LabelError, match="is not pinned, so it could change"):
        labeler("saliency", name, CPU)


def u2net(path: Path, *, is_flipped: bool = False, side: int | str | None = None) -> Path:
    """Save a graph of U²-Net's shape: what is dark is foreground, or what is bright."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    side = graphs.U2NET_SIDE_PX if side is None else side
    picture = onnx.helper.make_tensor_value_info("x", 1, [1, 3, side, side])
    answer = onnx.helper.make_tensor_value_info("y", 1, [1, 1, side, side])
    mean = onnx.helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1], keepdims=1)
    last = onnx.helper.make_node("Identity" if is_flipped else "Neg", ["mean"], ["y"])
    graph = onnx.helper.make_graph([mean, last], "u2net", [picture], [answer])
    opset = [onnx.helper.make_opsetid("", 13)]
    made = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    path.write_bytes(made.SerializeToString())
    return path


def test_u2net_is_read_from_an_onnx_file_and_stretched_to_0_1(tmp_path):
    path = u2net(tmp_path / "u2net.onnx")
    found = labeler("saliency", str(path), CPU)
    maps = found.read(images())["saliency"]
    assert maps.shape == (2, 1, 32, 48)
    assert 0 <= maps.min() < 0.1
    assert 0.9 < maps.max() <= 1
    torch.testing.assert_close(found.read(images()[1:])["saliency"], maps[1:])


def test_u2net_the_wrong_way_round_or_cut_short_is_refused(tmp_path):
    path = u2net(tmp_path / "u2net.onnx", is_flipped=True)
    with pytest.raises(LabelError, match="reads saliency the wrong way round"):
        labeler("saliency", str(path), CPU)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ModelError, match=r"Give a whole \.onnx file"):
        labeler("saliency", str(path), CPU)


def test_a_graph_says_its_size_and_how_pixels_are_scaled_is_said_or_refused(tmp_path, monkeypatch):
    path = str(u2net(tmp_path / "isnet.onnx", side=64))
    with pytest.raises(
        LabelError, match=r"How .* wants its pixels scaled is not known\. Say .*:half"
    ):
        labeler("saliency", path, CPU)
    with pytest.raises(LabelError, match=r"says 'halves'\. Choose from imagenet, half"):
        labeler("saliency", f"{path}:halves", CPU)
    seen = []
    whole = graphs.scaled_reader
    monkeypatch.setattr(
        graphs, "scaled_reader", lambda *given: seen.append(given[1:]) or whole(*given)
    )
    found = labeler("saliency", f"{path}:half", CPU)
    assert seen == [(64, CPU, graphs.HALF)]
    assert found.read(images())["saliency"].shape == (2, 1, 32, 48)
    assert found.licence == graphs.UNKNOWN_LICENCE
    other = labeler("saliency", f"{path}:imagenet", CPU)
    assert other.fingerprint != found.fingerprint  # or a cache would mix their maps


def test_what_stands_beside_a_graph_is_taken(tmp_path):
    path = u2net(tmp_path / "free.onnx", side="side")
    with pytest.raises(LabelError, match="any size, and none is said"):
        labeler("saliency", f"{path}:half", CPU)
    beside = tmp_path / "free.onnx.json"
    beside.write_text('{"side": 48, "mean": 0.5, "deviation": [1, 1, 1], "licence": "MIT"}')
    found = labeler("saliency", str(path), CPU)
    assert found.licence == "MIT"
    assert found.read(images())["saliency"].shape == (2, 1, 32, 48)
    beside.write_text('{"side": 48, "mean": [0.5]}')
    with pytest.raises(LabelError, match=r"Cannot use .*free\.onnx\.json"):
        labeler("saliency", str(path), CPU)


def test_a_licence_that_was_not_read_is_not_claimed(tmp_path):
    found = labeler("saliency", str(u2net(tmp_path / "u2net.onnx")), CPU)
    assert found.licence == graphs.UNKNOWN_LICENCE
