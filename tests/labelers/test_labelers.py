"""Published architectures built small with random weights, saved as published, loaded by path."""

import importlib.util
import random
import sys
import types
import warnings
from pathlib import Path

import diffusers
import huggingface_hub
import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import DepthAnythingConfig, Dinov2Config, DPTConfig

import worlds
from underpaint.core.errors import LabelError, ModelError
from underpaint.labelers import (
    Labeler,
    labeler,
    labelers_for,
    offtheshelf,
    sources,
)
from underpaint.labelers.checkscene import check_direction, check_scene
from underpaint.labelers.labeler import awake

CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("offline")


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


def drop(file: Path, *beginnings: str) -> list[str]:
    """Take some weights out of a file, and name them."""
    tensors = load_file(file)
    dropped = [name for name in tensors if name.startswith(beginnings)]
    kept = {name: each for name, each in tensors.items() if name not in dropped}
    save_file(kept, file, {"format": "pt"})
    return dropped


@pytest.mark.parametrize(("make", "side"), [(dpt, 32), (depth_anything, 28)])
def test_a_depth_model_whose_file_lacks_weights_is_refused(tmp_path, make, side):
    folder = saved(tmp_path / "depth", make, side)
    assert drop(folder / "model.safetensors", "head.")
    with pytest.raises(ModelError, match=r"lack head\.\S+, which would stay random"):
        offtheshelf.depth_labeler(str(folder), CPU)


@pytest.mark.parametrize(("make", "side"), [(dpt, 32), (depth_anything, 28)])
def test_weights_that_a_depth_model_never_uses_may_be_lacking(tmp_path, make, side):
    folder = saved(tmp_path / "depth", make, side)
    whole = offtheshelf.depth_labeler(str(folder), CPU).read(images())["depth"]
    # As in Intel/dpt-large: the first fusion has nothing to add to.
    assert drop(folder / "model.safetensors", "neck.fusion_stage.layers.0.residual_layer1.")
    torch.testing.assert_close(
        offtheshelf.depth_labeler(str(folder), CPU).read(images())["depth"], whole
    )


def test_a_marigold_pipeline_whose_file_lacks_weights_is_refused(tmp_path):
    folder = marigold(tmp_path / "marigold", "MarigoldNormalsPipeline")
    assert drop(
        next((folder / "text_encoder").glob("*.safetensors")),
        "text_model.final_layer",
        "final_layer",
    )
    with pytest.raises(ModelError, match=r"text_encoder lack \S+, which would stay random"):
        offtheshelf.marigold_labeler(str(folder), CPU)


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


def fake_intrinsic(monkeypatch, run_pipeline, load_models=lambda name: name):
    """Stand in for the authors' package, which is on no index."""
    package, module = types.ModuleType("intrinsic"), types.ModuleType("intrinsic.pipeline")
    module.run_pipeline, module.load_models = run_pipeline, load_models
    monkeypatch.setitem(sys.modules, "intrinsic", package)
    monkeypatch.setitem(sys.modules, "intrinsic.pipeline", module)


def test_intrinsic_is_asked_as_its_version_wants_and_its_inversion_undone(monkeypatch):
    asked = []

    def earlier(models, image, resize_conf=0.5, maintain_size=False, linear=True):
        asked.append((models, image.shape, resize_conf, maintain_size, linear))
        return {"inv_shading": 1 / (image[..., 0] + 1)}

    fake_intrinsic(monkeypatch, earlier)
    found = labeler("shading", "intrinsic:paper_weights", CPU).read(images())["shading"]
    assert asked[0] == ("paper_weights", (32, 48, 3), 0.0, True, False)
    torch.testing.assert_close(found, images()[:, :1], atol=1e-5, rtol=1e-5)

    def later(models, image, stage=1, resize_conf=0.5, base_size=100, linear=True, device="cuda"):
        asked.append((models, stage, base_size, device))
        return {"gry_shd": 1 / (image[:16, :24, :1] + 1), "hr_alb": image}

    fake_intrinsic(monkeypatch, later, lambda path, device="cuda": (path, device))
    found = labeler("shading", "intrinsic:v2", CPU).read(images())["shading"]
    assert asked[-1] == (("v2", "cpu"), 4, 384, "cpu")
    assert found.shape == (2, 1, 32, 48)


def test_intrinsic_that_is_absent_another_or_answers_otherwise_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "intrinsic.pipeline", None)
    with pytest.raises(LabelError, match=r"Intrinsic is not installed.*compphoto/Intrinsic"):
        labeler("shading", "intrinsic:v2", CPU)
    fake_intrinsic(monkeypatch, lambda models, image: {"albedo": image})
    with pytest.raises(LabelError, match="Intrinsic answered with albedo"):
        labeler("shading", "intrinsic:v2", CPU).read(images())

    def lost(name):
        raise KeyError(name)

    fake_intrinsic(monkeypatch, lambda models, image: {}, lost)
    with pytest.raises(ModelError, match="Intrinsic did not give the weights 'v3'"):
        labeler("shading", "intrinsic:v3", CPU)


def test_loading_a_labeler_leaves_every_random_state_and_warning_filter(monkeypatch):
    def seeding(_id, _device):
        random.seed(42)
        np.random.seed(42)
        torch.manual_seed(42)
        warnings.simplefilter("ignore")
        return Labeler("seeding", ("normals",), "MIT", lambda x: {})

    monkeypatch.setitem(offtheshelf.DOORS, "normals", seeding)
    torch.manual_seed(7)
    before, filters = torch.get_rng_state(), list(warnings.filters)
    numbers = np.random.get_state()[1].copy()
    labeler("normals", "any", CPU)
    assert torch.equal(torch.get_rng_state(), before)
    assert warnings.filters == filters
    assert np.array_equal(np.random.get_state()[1], numbers)
    # Python's own generator is drawn from by the type checks of a test run: ask the guard alone.
    python = random.getstate()
    with sources.undisturbed():
        random.seed(42)
    assert random.getstate() == python


@pytest.mark.skipif(importlib.util.find_spec("carvekit") is None, reason="carvekit is missing")
def test_importing_tracer_s_library_leaves_random_states_alone(tmp_path, monkeypatch):
    for each in [each for each in sys.modules if each.startswith("carvekit")]:
        monkeypatch.delitem(sys.modules, each)
    torch.manual_seed(7)
    before = random.getstate(), torch.get_rng_state()
    with sources.undisturbed():
        importlib.import_module("carvekit.ml.arch.tracerb7.conv_modules")
        assert random.getstate() != before[0]  # it does seed: the guard is needed
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


def test_a_licence_is_read_from_the_card_that_comes_along(tmp_path):
    folder = saved(tmp_path / "depth")
    assert labeler("depth", str(folder), CPU).licence == "unknown: see its card"
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\nA model.\n")
    assert labeler("depth", str(folder), CPU).licence == "apache-2.0"
    assert sources.licence_of("Intel/dpt-large@c0ffee", tmp_path) == "Apache-2.0"


def test_a_pinned_labeler_asks_the_hub_for_that_revision(tmp_path, monkeypatch):
    folder, asked = saved(tmp_path / "depth"), {}

    def download(name, **options):
        asked.update(options, name=name)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert labeler("depth", "some/depth@c0ffee", CPU).name == "some/depth@c0ffee"
    assert (asked["name"], asked["revision"]) == ("some/depth", "c0ffee")
    assert "*.py" not in asked["allow_patterns"]


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


class Moved(torch.nn.Linear):
    """Keeps where it was sent."""

    def __init__(self) -> None:
        super().__init__(2, 3, bias=False)
        self.places: list[str] = []

    def to(self, place):
        self.places.append(str(place))
        return self


def test_networks_wait_in_main_memory_until_they_read():
    network = Moved()
    with pytest.raises(ZeroDivisionError), awake((network,), torch.device("cuda")):
        network.places.append(str(1 // 0))
    assert network.places == ["cuda", "cpu"]
    with awake((network,), CPU):
        pass
    assert network.places == ["cuda", "cpu"]
    assert Labeler("two", ("depth",), "MIT", lambda x: {}, networks=(network,)).weight_bytes == 24
