import diffusers
import pytest
import torch

import worlds
from underpaint.core.errors import LayerError
from underpaint.models import Model
from underpaint.models.layers import Layer, find_layers, last_stages, name_sites, select_layers

LAYERS = tuple(
    Layer(name, f"{name}.to_out.0", 8, (4, 4)) for name in ("down.0.0", "mid.0", "up.0.0", "up.1.0")
)


def test_layers_come_in_the_order_they_run_with_measured_sizes(model):
    found = {layer.name: (layer.channels, layer.grid) for layer in find_layers(model)}
    assert list(found.items()) == [
        ("down.0.0", (8, (8, 8))),
        ("down.1.0", (16, (4, 4))),
        ("mid.0", (16, (4, 4))),
        ("up.0.0", (16, (4, 4))),
        ("up.0.1", (16, (4, 4))),
        ("up.1.0", (8, (8, 8))),
        ("up.1.1", (8, (8, 8))),
    ]


def test_a_layer_is_the_output_projection_of_self_attention(model):
    module = next(layer.module for layer in find_layers(model) if layer.name == "up.1.0")
    assert module == "up_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out.0"


def test_several_transformer_blocks_are_counted_in_a_fourth_part():
    names = [layer.name for layer in find_layers(worlds.model(transformer_blocks=2))]
    assert names[:4] == ["down.0.0.0", "down.0.0.1", "down.1.0.0", "down.1.0.1"]
    assert "mid.0.1" in names
    assert len(set(names)) == len(names) == 14


def test_a_wide_image_has_wide_grids():
    square = worlds.model()
    wide = Model.of(square.pipeline, name="wide", resolution=(16, 32))
    assert [layer.grid for layer in find_layers(wide)][:2] == [(8, 16), (4, 8)]


@pytest.mark.parametrize(
    "scheduler",
    [
        diffusers.PNDMScheduler(**worlds.SCHEDULE),
        diffusers.HeunDiscreteScheduler(),
        diffusers.DPMSolverMultistepScheduler(),
    ],
)
def test_finding_layers_works_under_any_scheduler_and_leaves_it(scheduler, capfd):
    model = worlds.model(scheduler=scheduler)
    assert len(find_layers(model)) == 7
    assert model.pipeline.scheduler is scheduler
    assert capfd.readouterr().err == ""
    assert not any(module._forward_hooks for module in model.denoiser.modules())


def test_finding_layers_draws_no_global_random_number(model):
    before = torch.get_rng_state()
    find_layers(model)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_diffusion_transformer_s_blocks_are_numbered():
    transformer = diffusers.PixArtTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=4,
        in_channels=4,
        out_channels=8,
        num_layers=2,
        cross_attention_dim=8,
        sample_size=8,
        caption_channels=8,
    )
    assert name_sites(transformer) == {
        "transformer_blocks.0.attn1.to_out.0": "block.0",
        "transformer_blocks.1.attn1.to_out.0": "block.1",
    }


def test_joint_attention_has_the_image_s_grid_alone():
    found = find_layers(worlds.flow_model())
    assert [(layer.name, layer.channels, layer.grid) for layer in found] == [
        ("block.0", 8, (4, 4)),
        ("block.1", 8, (4, 4)),
    ]


def test_a_unet_without_prompts_has_its_attention_found_too():
    unet = diffusers.UNet2DModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        norm_num_groups=4,
    )
    assert sorted(name_sites(unet).values()) == ["down.1.0", "mid.0", "up.0.0", "up.0.1"]


def test_a_model_without_self_attention_is_refused(model):
    bare = Model.of(worlds.pipeline(), name="bare")
    for path, module in list(bare.denoiser.named_modules()):
        if path.endswith("attn1"):
            module.is_cross_attention = True
    with pytest.raises(LayerError, match="UNet2DConditionModel has no self-attention layers"):
        find_layers(bare)


@pytest.mark.parametrize(
    ("glob", "names"),
    [
        ("*", ["down.0.0", "mid.0", "up.0.0", "up.1.0"]),
        ("up.*", ["up.0.0", "up.1.0"]),
        ("up.1.0, down*", ["down.0.0", "up.1.0"]),
        ("mid.0", ["mid.0"]),
    ],
)
def test_a_pattern_selects_layers_in_their_order(glob, names):
    assert [layer.name for layer in select_layers(LAYERS, glob)] == names


@pytest.mark.parametrize("glob", ["left.*", "up.*,left.*", ""])
def test_a_pattern_that_matches_nothing_is_refused(glob):
    with pytest.raises(LayerError, match=r"No layer matches '(left\.\*)?'\. There are down\.0\.0"):
        select_layers(LAYERS, glob)


@pytest.mark.parametrize(
    ("names", "pattern", "chosen"),
    [
        (["mid.0", "up.1.0", "up.2.0", "up.2.1", "up.3.0"], "up.2.*,up.3.*", 3),
        (["down.2.0.9", "mid.0.9", "up.0.0.0", "up.0.0.1", "up.1.0.0"], "up.0.*,up.1.*", 3),
        (["block.0", "block.1"], "block.*", 2),
        (["block.0", "single.0", "single.1"], "block.*,single.*", 3),
        (["net.attns.0.to_out", "net.attns.1.to_out"], "net.attns.*", 2),
        (["down.0.0", "mid.0"], "down.0.*,mid.*", 2),
    ],
)
def test_the_last_stages_of_any_model_have_a_pattern(names, pattern, chosen):
    layers = [Layer(name, name, 8, (4, 4)) for name in names]
    assert last_stages(layers) == pattern
    assert len(select_layers(layers, pattern)) == chosen


def test_flux_s_single_blocks_are_read_where_text_and_image_are_told_apart():
    found = find_layers(worlds.packed_model())
    assert [(layer.name, layer.channels, layer.grid) for layer in found] == [
        ("block.0", 16, (4, 8)),
        ("single.0", 16, (4, 8)),
        ("single.1", 16, (4, 8)),
    ]
    assert found[1].module == "single_transformer_blocks.0.attn"


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (worlds.pixart_pipeline, ["block.0", "block.1"]),
        (
            worlds.xl_pipeline,
            [f"{stage}.{n}" for stage in ("down.1.0", "mid.0", "up.0.0", "up.0.1") for n in (0, 1)],
        ),
    ],
)
def test_layers_of_other_families_are_found_in_order(make, names):
    assert [layer.name for layer in find_layers(Model.of(make(), name="other"))] == names
