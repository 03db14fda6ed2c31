"""Graphs of masks as people export them: each is read right, or refused in one line."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from test_labelers import images

from underpaint.core.errors import LabelError, ModelError
from underpaint.labelers import graphs, labeler, unchecked

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

CPU = torch.device("cpu")
SIDE = 64
TYPES = {"float": 1, "uint8": 2, "int32": 6, "float16": 10, "double": 11}
pytestmark = pytest.mark.usefixtures("offline")


def graph(
    path: Path,
    shape: list[int | str],
    *,
    kind: str = "float",
    channel: int = 1,
    outputs: dict[str, list[int] | None] | None = None,
    inputs: int = 1,
) -> Path:
    """Save a graph whose mask is how dark a picture is; an output's shape, or as the picture's."""
    make = onnx.helper
    taken = [make.make_tensor_value_info(f"x{at}", TYPES[kind], shape) for at in range(inputs)]
    nodes = [make.make_node("Cast", ["x0"], ["wide"], to=1)]
    nodes += [make.make_node("ReduceMean", ["wide"], ["mean"], axes=[channel], keepdims=1)]
    nodes += [make.make_node("Neg", ["mean"], ["dark"])]
    held, given = [], []
    for name, size in (outputs or {"y": None}).items():
        if size is None:
            nodes.append(make.make_node("Identity", ["dark"], [name]))
        else:
            held.append(make.make_tensor(f"{name}_value", 1, size, np.ones(np.prod(size))))
            nodes.append(make.make_node("Identity", [f"{name}_value"], [name]))
        given.append(make.make_tensor_value_info(name, 1, size))
    made = make.make_graph(nodes, "masks", taken, given, held)
    opset = [make.make_opsetid("", 13)]
    path.write_bytes(make.make_model(made, opset_imports=opset, ir_version=8).SerializeToString())
    return path


def darkness(pictures: torch.Tensor) -> torch.Tensor:
    """What every such graph says, however it takes its pixels."""
    small = torch.nn.functional.interpolate(
        pictures, size=(SIDE, SIDE), mode="bilinear", antialias=True
    )
    dark = -small.mean(dim=1, keepdim=True)
    low, high = dark.amin((1, 2, 3), keepdim=True), dark.amax((1, 2, 3), keepdim=True)
    return torch.nn.functional.interpolate(
        (dark - low) / (high - low), size=pictures.shape[-2:], mode="bilinear"
    )


READ = {
    "as published": ([1, 3, SIDE, SIDE], {}),
    "channels last": ([1, SIDE, SIDE, 3], {"channel": 3}),
    "free batch": (["n", 3, SIDE, SIDE], {}),
    "free channels": ([1, "c", SIDE, SIDE], {}),
    "no batch": ([3, SIDE, SIDE], {"channel": 0}),
    "no batch, channels last": ([SIDE, SIDE, 3], {"channel": 2}),
    "half floats": ([1, 3, SIDE, SIDE], {"kind": "float16"}),
    "doubles": ([1, 3, SIDE, SIDE], {"kind": "double"}),
    "several outputs": (
        [1, 3, SIDE, SIDE],
        {"outputs": {"d0": None, "d1": [1, 1, SIDE, SIDE], "features": [1, 64, 32, 32]}},
    ),
}


@pytest.mark.parametrize("kind", READ)
def test_a_graph_is_read_however_it_takes_its_pixels(tmp_path, kind):
    shape, changes = READ[kind]
    path = graph(tmp_path / "net.onnx", shape, **changes)
    found = labeler("saliency", f"{path}:half", CPU).read(images())["saliency"]
    torch.testing.assert_close(found, darkness(images()), atol=0.01, rtol=0)


@pytest.mark.parametrize("shape", [[1, 3, SIDE, SIDE], [1, SIDE, SIDE, 3]])
def test_a_graph_of_bytes_is_given_bytes(tmp_path, shape):
    path = graph(tmp_path / "net.onnx", shape, kind="uint8", channel=shape.index(3))
    found = labeler("saliency", str(path), CPU).read(images())["saliency"]
    torch.testing.assert_close(found, darkness(images()), atol=0.01, rtol=0)
    with pytest.raises(LabelError, match="says 'half', and the graph takes bytes"):
        labeler("saliency", f"{path}:half", CPU)


def test_a_graph_of_any_size_takes_the_side_that_is_said(tmp_path):
    path = graph(tmp_path / "net.onnx", [1, "h", "w", 3], channel=3)
    with pytest.raises(LabelError, match="any size, and none is said"):
        labeler("saliency", f"{path}:half", CPU)
    (tmp_path / "net.onnx.json").write_text(json.dumps({"side": SIDE}))
    found = labeler("saliency", f"{path}:half", CPU).read(images())["saliency"]
    torch.testing.assert_close(found, darkness(images()), atol=0.01, rtol=0)


REFUSED = {
    "grey": ([1, 1, SIDE, SIDE], {}, r"takes x0: tensor\(float\) of \[1, 1, 64, 64\]"),
    "four channels": ([1, SIDE, SIDE, 4], {}, r"of \[1, 64, 64, 4\]"),
    "wide": ([1, 3, SIDE, 96], {}, r"of \[1, 3, 64, 96\]"),
    "a batch of four": ([4, 3, SIDE, SIDE], {}, r"of \[4, 3, 64, 64\]"),
    "whole numbers": ([1, 3, SIDE, SIDE], {"kind": "int32"}, r"tensor\(int32\)"),
    "two inputs": ([1, 3, SIDE, SIDE], {"inputs": 2}, r"x1: tensor\(float\)"),
    "flat": ([1, 3 * SIDE * SIDE], {}, r"of \[1, 12288\]"),
    "small first": (
        [1, 3, SIDE, SIDE],
        {"outputs": {"coarse": [1, 1, 8, 8], "fine": None}},
        r"gives coarse of \[1, 1, 8, 8\], fine of \[1, 1, 64, 64\]; of these coarse is read",
    ),
    "two maps in one": (
        [1, 3, SIDE, SIDE],
        {"outputs": {"y": [1, 2, SIDE, SIDE]}},
        r"gives y of \[1, 2, 64, 64\]",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_graph_of_another_kind_is_refused_by_what_was_found(tmp_path, kind):
    shape, changes, words = REFUSED[kind]
    path = graph(tmp_path / "net.onnx", shape, **changes)
    with pytest.raises(ModelError, match=words) as refused:
        labeler("saliency", f"{path}:half", CPU)
    assert "\n" not in str(refused.value)


def test_which_of_several_outputs_is_the_mask_is_said_where_it_is_not_known(tmp_path):
    outputs = {"coarse": [1, 1, SIDE, SIDE], "fine": None}
    path = graph(tmp_path / "net.onnx", [1, 3, SIDE, SIDE], outputs=outputs)
    beside = tmp_path / "net.onnx.json"
    beside.write_text(json.dumps({"mean": 0.5, "deviation": 0.5}))
    with pytest.raises(LabelError, match="gives coarse, fine, and nothing says which"):
        labeler("saliency", str(path), CPU)
    beside.write_text(json.dumps({"mean": 0.5, "deviation": 0.5, "output": "last"}))
    with pytest.raises(LabelError, match=r"no output 'last', only coarse, fine"):
        labeler("saliency", str(path), CPU)
    beside.write_text(json.dumps({"mean": 0.5, "deviation": 0.5, "output": "fine"}))
    found = labeler("saliency", str(path), CPU).read(images())["saliency"]
    torch.testing.assert_close(found, darkness(images()), atol=0.01, rtol=0)


def test_whatever_is_said_beside_a_graph_tells_its_maps_from_others(tmp_path):
    path = graph(tmp_path / "net.onnx", [1, 3, "h", "w"])
    beside, prints = tmp_path / "net.onnx.json", set()
    for said in ({"side": 32}, {"side": 48}, {"side": 48, "mean": 0.5}, {"side": 48, "mean": 0.4}):
        beside.write_text(json.dumps({"deviation": 0.5, **said}))
        prints.add(unchecked("saliency", str(path), CPU).fingerprint)
    assert len(prints) == 4
    assert graphs.split_scaling(f"{path}:half") == (path, "half")
