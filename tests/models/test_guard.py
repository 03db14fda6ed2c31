"""What would show a wrong number ends in an error that names the layer, the step and the cause."""

import diffusers
import pytest
import torch
from torch import nn

import worlds
from underpaint.core.errors import LayerError, ModelError
from underpaint.models import Model
from underpaint.models.capture import tapped
from underpaint.models.layers import find_layers
from underpaint.models.traces import trace

PROMPTS = list(worlds.PROMPTS[:2])
CACHES = {
    "first block": lambda: diffusers.FirstBlockCacheConfig(threshold=10.0),
    "broadcast": lambda: diffusers.PyramidAttentionBroadcastConfig(
        spatial_attention_block_skip_range=2,
        spatial_attention_timestep_skip_range=(-1, 1001),
        spatial_attention_block_identifiers=("transformer_blocks",),
        current_timestep_callback=lambda: 500,
    ),
    "faster": lambda: diffusers.FasterCacheConfig(
        spatial_attention_block_skip_range=2,
        spatial_attention_block_identifiers=("transformer_blocks",),
        current_timestep_callback=lambda: 500,
    ),
    "taylor": lambda: diffusers.TaylorSeerCacheConfig(),
    "mag": lambda: diffusers.MagCacheConfig(mag_ratios=torch.ones(4), num_inference_steps=4),
}


@pytest.mark.parametrize("cache", CACHES)
def test_a_cache_is_refused_before_the_first_step(cache):
    model = worlds.packed_model()
    layers, runs = find_layers(model), []
    model.denoiser.enable_cache(CACHES[cache]())
    model.denoiser.register_forward_pre_hook(lambda *_: runs.append(1))
    with pytest.raises(LayerError, match=r"FluxTransformer2DModel has a cache .*disable_cache"):
        trace(model, PROMPTS, steps=4, layers=layers)
    assert runs == []


def test_a_cache_that_was_not_enabled_by_name_is_refused_by_its_hook():
    pipe = worlds.flow_pipeline()
    layers = find_layers(pipe)
    diffusers.apply_first_block_cache(
        pipe.transformer, diffusers.FirstBlockCacheConfig(threshold=10.0)
    )
    with pytest.raises(LayerError, match=r"The hook 'fbc_leader_block_hook' stands at"):
        trace(pipe, PROMPTS, steps=4, layers=layers)


def skipping(block: nn.Module, *, at: int) -> None:
    """Let a block remember its output, and give that back at one call: a cache of one's own."""
    run, calls, kept = block.forward, [], []

    def forward(*args, **kwargs):
        calls.append(1)
        if len(calls) - 1 != at:
            kept[:] = [run(*args, **kwargs)]
        return kept[0]

    block.forward = forward


def test_a_cache_of_one_s_own_is_caught_at_the_step_that_it_skips():
    pipe = worlds.pipeline()
    layers = find_layers(pipe)
    skipping(pipe.unet.mid_block, at=2)
    named = r"mid_block\..* did not run at step 2: 1 run was expected, 0 were seen.*cache"
    with pytest.raises(LayerError, match=named):
        trace(pipe, PROMPTS, steps=4, layers=layers)
    skipping(pipe.unet.mid_block, at=3)  # the last step has no next one to notice it
    with pytest.raises(LayerError, match="did not run at step 3"):
        trace(pipe, PROMPTS, steps=4, layers=layers)


def test_steps_are_named_as_the_run_counts_them():
    pipe = worlds.pipeline()
    layers = find_layers(pipe)
    half = trace(pipe, PROMPTS, steps=4, stop_at=2).final
    skipping(pipe.unet.mid_block, at=1)
    with pytest.raises(LayerError, match="did not run at step 3"):
        trace(pipe, PROMPTS, steps=4, layers=layers, start=(half, 2))


def merging(block: nn.Module, keep: int) -> None:
    """Merge tokens around one self-attention, as `tomesd` does, and spread its answer again."""
    run = block.attn1.forward

    def forward(tokens, **kwargs):
        few = tokens.unflatten(1, (keep, -1)).mean(dim=2)
        return run(few, **kwargs).repeat_interleave(tokens.shape[1] // keep, dim=1)

    block.attn1.forward = forward


@pytest.mark.parametrize("keep", [32, 16])  # 16 tokens are the 4x4 grid of another layer
def test_merged_tokens_are_refused_wherever_they_come(keep):
    pipe = worlds.pipeline()
    layers = find_layers(pipe)
    merging(pipe.unet.down_blocks[0].attentions[0].transformer_blocks[0], keep)
    with pytest.raises(LayerError, match=rf"has {keep} tokens; 8×8 = 64 were expected.*Merged"):
        trace(pipe, PROMPTS, steps=2, layers=layers)
    with pytest.raises(LayerError, match=rf"has {keep} tokens, and 8×8 = 64 were expected"):
        find_layers(pipe)


def test_tokens_that_tomesd_merges_are_refused_by_its_mark():
    pipe = worlds.pipeline()
    layers = find_layers(pipe)
    pipe.unet._tome_info = {}  # as `tomesd.apply_patch` leaves it
    for ask in (lambda: find_layers(pipe), lambda: trace(pipe, PROMPTS, steps=2, layers=layers)):
        with pytest.raises(LayerError, match=r"merges tokens \(tomesd\).*remove_patch"):
            ask()


@pytest.mark.parametrize("guidance", [3.0, 1.0])
def test_perturbed_attention_is_read_where_the_conditional_part_is_known(guidance):
    plain = worlds.pipeline()
    pipe = diffusers.StableDiffusionPAGPipeline(
        **plain.components, requires_safety_checker=False, pag_applied_layers=["mid"]
    )
    pipe.set_progress_bar_config(disable=True)
    model = Model.of(pipe, name="pag", guidance=guidance)
    layers = {layer.name: layer for layer in find_layers(model)}
    assert list(layers.values()) == list(find_layers(plain))
    processors = dict(pipe.unet.attn_processors)
    own = []
    module = pipe.unet.get_submodule(layers["down.0.0"].module)
    with module.register_forward_hook(lambda _m, _i, output: own.append(output)):
        seen = trace(model, PROMPTS, steps=2, layers=[layers["down.0.0"]])
    part = 1 if guidance > 1 else 0
    for step, batch in enumerate(own):
        assert len(batch) == 2 * (part + 2)
        kept = seen.activations[layers["down.0.0"]][step]
        assert torch.equal(kept.flatten(2).mT, batch[2 * part : 2 * part + 2])
    with pytest.raises(LayerError, match=r"runs again at step 0|runs on a batch of"):
        trace(model, PROMPTS, steps=2, layers=[layers["mid.0"]])
    pipe.unet.set_attn_processor(processors)


def test_a_layer_of_another_model_is_refused():
    pipe = worlds.pipeline()
    layer = next(each for each in find_layers(pipe) if each.name == "mid.0")
    pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn1.to_out[0] = nn.Linear(16, 24)
    with pytest.raises(LayerError, match=r"Layer mid\.0 at step 0 gave .*24.*16 channels"):
        trace(pipe, PROMPTS, steps=2, layers=[layer])


def test_values_that_are_not_finite_are_an_error_with_layer_and_step():
    pipe = worlds.pipeline()
    layers = find_layers(pipe)
    calls = []

    def spoil(_module, _inputs, output):
        calls.append(1)
        return output.index_fill(1, torch.tensor([3]), float("nan")) if len(calls) == 3 else None

    with (
        pipe.unet.mid_block.attentions[0]
        .transformer_blocks[0]
        .attn1.to_out[0]
        .register_forward_hook(spoil)
    ):
        with pytest.raises(ModelError, match="latents hold NaN or infinity at step 2"):
            trace(pipe, PROMPTS, steps=4, layers=layers)
        del calls[:]
        # At the last step before it stops, only the layer can show it.
        with pytest.raises((LayerError, ModelError), match="NaN or infinity"):
            trace(pipe, PROMPTS, steps=4, layers=layers, stop_at=3)


def test_a_layer_whose_values_go_nowhere_is_still_looked_at():
    pipe = worlds.pipeline()
    layers = find_layers(pipe)
    block = pipe.unet.mid_block.attentions[0].transformer_blocks[0]
    block.attn1.to_out[0].bias.data[0] = float("inf")
    block.attn1.to_out[1] = nn.Hardtanh()
    with pytest.raises(LayerError, match=r"Layer mid\.0 at step 0 holds NaN or infinity; finite"):
        trace(pipe, PROMPTS, steps=2, layers=layers)


def test_taps_of_one_s_own_are_guarded_too():
    shared = nn.Linear(4, 4)
    twice = nn.Sequential(shared, nn.ReLU(), shared)
    with (
        pytest.raises(LayerError, match=r"0 runs again at step 5: 1 run was expected, 2 were seen"),
        tapped(twice, {"0": lambda *_: None}, steps=1, first_step=5),
    ):
        twice(torch.zeros(1, 4))
