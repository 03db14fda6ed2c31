"""Published architectures built small with random weights, saved as published, loaded by path."""

import importlib
from pathlib import Path

import diffusers
import huggingface_hub
import pytest
import torch
import transformers
from transformers import DepthAnythingConfig, Dinov2Config, DPTConfig

import worlds
from underpaint.errors import LabelError, ModelError
from underpaint.labelers import Labeler, labeler, labelers_for, offtheshelf
from underpaint.labelers.checkscene import check_direction, check_scene

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


def images(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, 32, 48, generator=torch.Generator().manual_seed(0))


def dpt() -> torch.nn.Module:
    config = DPTConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=16,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=8,
    )
    return transformers.DPTForDepthEstimation(config)


def depth_anything(**changes) -> torch.nn.Module:
    backbone = Dinov2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=16,
        patch_size=14,
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=8,
        head_hidden_size=8,
        **changes,
    )
    return transformers.DepthAnythingForDepthEstimation(config)


def saved(folder: Path, make=dpt, side: int = 32, **changes) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        make(**changes).save_pretrained(folder)
    size = {"height": side, "width": side}
    transformers.DPTImageProcessor(size=size).save_pretrained(folder)
    return folder


def marigold(folder: Path, kind: str) -> Path:
    is_normals = kind == "MarigoldNormalsPipeline"
    names = ["albedo", "shading", "residual"]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokens = worlds.tokenizer()
        latents = 4 if is_normals else 4 * len(names)
        targets = {} if is_normals else {"target_properties": {"target_names": names}}
        unet = diffusers.UNet2DConditionModel(
            sample_size=8,
            in_channels=4 + latents,
            out_channels=latents,
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=16,
            attention_head_dim=2,
            norm_num_groups=4,
        )
        getattr(diffusers, kind)(
            unet=unet,
            vae=worlds.vae(),
            scheduler=worlds.ddim(prediction_type="v_prediction"),
            text_encoder=transformers.CLIPTextModel(worlds.text_config(tokens)),
            tokenizer=tokens,
            default_denoising_steps=1,
            default_processing_resolution=16,
            **targets,
        ).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("make", "side"), [(dpt, 32), (depth_anything, 28)])
def test_a_depth_model_is_loaded_by_path_and_answers_at_the_picture_s_size(tmp_path, make, side):
    folder = saved(tmp_path / "depth", make, side)
    found = offtheshelf.depth_labeler(str(folder), CPU)
    maps = found.read(images())["depth"]
    assert maps.shape == (2, 1, 32, 48)
    assert maps.isfinite().all()
    torch.testing.assert_close(found.read(images()[1:])["depth"], maps[1:], atol=1e-5, rtol=1e-4)


def test_depth_is_what_the_network_says_of_normalised_pixels(tmp_path):
    folder = saved(tmp_path / "depth")
    network = transformers.DPTForDepthEstimation.from_pretrained(folder).eval()
    square = images()[:, :, :, :32]
    with torch.no_grad():
        expected = network((square - 0.5) / 0.5).predicted_depth[:, None]
    found = offtheshelf.depth_labeler(str(folder), CPU).read(square)["depth"]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_a_depth_model_in_metres_is_refused(tmp_path):
    folder = saved(tmp_path, depth_anything, depth_estimation_type="metric", max_depth=80)
    with pytest.raises(LabelError, match="depth_anything model that is not known to give inverse"):
        labeler("depth", str(folder), CPU)


@pytest.mark.parametrize(
    ("kind", "property", "targets"),
    [
        ("MarigoldIntrinsicsPipeline", "shading", 1),
        ("MarigoldIntrinsicsPipeline", "albedo", 3),
        ("MarigoldNormalsPipeline", "normals", 3),
    ],
)
def test_marigold_is_loaded_by_path_and_does_not_depend_on_the_batch(
    tmp_path, kind, property, targets
):
    found = labeler(property, str(marigold(tmp_path / "marigold", kind)), CPU)
    maps = found.read(images())[property]
    assert found.reads == (property,)
    assert maps.shape == (2, targets, 32, 48)
    torch.testing.assert_close(found.read(images()[1:])[property], maps[1:], atol=1e-5, rtol=1e-4)
    if property == "normals":
        torch.testing.assert_close(maps.norm(dim=1), torch.ones(2, 32, 48), atol=1e-4, rtol=0)
    else:
        assert 0 <= maps.min() < maps.max() <= 1


def test_a_labeler_of_another_property_or_kind_is_refused(tmp_path, saved_model):
    folder = str(marigold(tmp_path / "marigold", "MarigoldNormalsPipeline"))
    with pytest.raises(LabelError, match="reads normals, not shading"):
        labeler("shading", folder, CPU)
    with pytest.raises(LabelError, match="is a StableDiffusionPipeline"):
        labeler("normals", str(saved_model), CPU)
    with pytest.raises(LabelError, match="no off-the-shelf labeler of 'mood'"):
        labeler("mood", folder, CPU)


def test_files_that_cannot_be_trusted_or_read_are_one_line(tmp_path):
    folder = saved(tmp_path / "depth")
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    with pytest.raises(ModelError, match="damaged or cut short"):
        labeler("depth", str(folder), CPU)
    weights.rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"only pickled weights.*save_pretrained\(OUT\)"):
        labeler("depth", str(folder), CPU)
    weights.write_bytes(whole)
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match="Cannot read the labeler in") as caught:
        labeler("depth", str(folder), CPU)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "words"),
    [("no/such/folder", "no such folder and it is no hub"), ("nobody/none", "the hub did not")],
)
def test_a_labeler_that_is_nowhere_is_refused(source, words):
    with pytest.raises(ModelError, match=words):
        labeler("depth", source, CPU)


def test_tracer_says_what_to_install(tmp_path, monkeypatch):
    def missing(name: str):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(LabelError, match=r"TRACER needs carvekit.*pip install carvekit"):
        labeler("saliency", str(saved(tmp_path / "weights")), CPU)


@pytest.mark.parametrize("name", ["saliency", "depth"])
def test_maps_the_wrong_way_round_are_noticed(name):
    _, truths = check_scene()
    right = Labeler("right", (name,), "MIT", lambda _: {name: truths[name]})
    flipped = Labeler("flipped", (name,), "MIT", lambda _: {name: 1 - truths[name]})
    assert check_direction(right, CPU) == {name: pytest.approx(1.0)}
    with pytest.raises(LabelError, match=f"flipped reads {name} the wrong way round.*-1.00"):
        check_direction(flipped, CPU)


def test_what_is_not_chosen_is_left_to_the_model_s_own_reader(tmp_path, model):
    folder = str(marigold(tmp_path / "marigold", "MarigoldIntrinsicsPipeline"))
    chosen, rest = labelers_for(model, {"shading": folder})
    assert (chosen.name, chosen.reads) == (folder, ("shading",))
    assert rest.reads == ("saliency", "depth", "normals", "albedo")
