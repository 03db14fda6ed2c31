"""What people do to pipelines besides: it is read as a plain hook reads it, or refused by name."""

from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

import matrix
import worlds
from underpaint.core.errors import LayerError, SchedulerError, UnderpaintError
from underpaint.models import Model
from underpaint.models.layers import find_layers
from underpaint.models.traces import trace

SD, FLUX, SD3 = "StableDiffusionPipeline", "FluxPipeline", "StableDiffusion3Pipeline"


class Own:
    """A processor of one's own that does what the usual one does."""

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None):
        run = AttnProcessor2_0()
        return run(attn, hidden_states, encoder_hidden_states, attention_mask)


class Passing:
    """A processor that projects by itself, past the module that is tapped."""

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None):
        return F.linear(hidden_states, attn.to_out[0].weight, attn.to_out[0].bias)


def tiles(pipe: Any) -> None:
    """Let self-attention look at tiles, as HyperTile does."""
    for block in pipe.unet.modules():
        if hasattr(block, "attn1"):
            block.attn1.forward = _tiled(block.attn1.forward)


def _tiled(run: Callable) -> Callable:
    def forward(tokens, **kwargs):
        image, count, channel = tokens.shape
        return run(tokens.reshape(2 * image, count // 2, channel), **kwargs).reshape(tokens.shape)

    return forward


def remembers(module: torch.nn.Module) -> None:
    """Let a module run at every other step, as DeepCache, TeaCache and T-GATE do."""
    run, kept = module.forward, []

    def forward(*args, **kwargs):
        if kept:
            return kept.pop()
        kept.append(run(*args, **kwargs))
        return kept[0]

    module.forward = forward


HABITS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "FreeU": (SD, lambda pipe: pipe.enable_freeu(s1=0.9, s2=0.2, b1=1.2, b2=1.4)),
    "attention slicing": (SD, lambda pipe: pipe.enable_attention_slicing(1)),
    "a tiled VAE": (SD, lambda pipe: pipe.vae.enable_tiling()),
    "fused projections": (SD, lambda pipe: pipe.fuse_qkv_projections()),
    "fused projections, Flux": (FLUX, lambda pipe: pipe.transformer.fuse_qkv_projections()),
    "fused projections, SD3": (SD3, lambda pipe: pipe.transformer.fuse_qkv_projections()),
    "another backend": (FLUX, lambda pipe: pipe.transformer.set_attention_backend("_native_math")),
    "forward in chunks": (SD3, lambda pipe: pipe.transformer.enable_forward_chunking(1, dim=1)),
    "channels last": (SD, lambda pipe: pipe.unet.to(memory_format=torch.channels_last)),
    "attention without SDPA": (SD, lambda pipe: pipe.unet.set_attn_processor(AttnProcessor())),
    "a processor of one's own": (SD, lambda pipe: pipe.unet.set_attn_processor(Own())),
    "checkpoints in training": (
        SD,
        lambda pipe: (pipe.unet.enable_gradient_checkpointing(), pipe.unet.train()),
    ),
    "bfloat16": (SD, lambda pipe: pipe.to(torch.bfloat16)),
}


@pytest.mark.parametrize("habit", HABITS)
def test_what_changes_nothing_of_a_layer_is_read(habit):
    name, change = HABITS[habit]
    pipe = matrix.seeded(matrix.FAMILIES[name])
    change(pipe)
    model = matrix.described(name, pipe, matrix.FAMILIES[name])
    layers = find_layers(model)
    assert len(layers) == matrix.count_layers(name)
    matrix.read(model, matrix.FAMILIES[name], layers)


@pytest.mark.parametrize(
    "said",
    [
        {"guidance_rescale": 0.7},
        {"negative_prompt": ["bad", "worse"]},
        {"eta": 0.5},
        {"cross_attention_kwargs": {"scale": 0.5}},
    ],
)
def test_what_a_call_says_besides_is_read(said):
    family = matrix.Family(worlds.pipeline, said=said)
    model = matrix.described("said", matrix.seeded(family), family)
    matrix.read(model, family, find_layers(model))


ZERO = {
    **worlds.SCHEDULE,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}
READ = {
    "Karras": lambda: diffusers.EulerDiscreteScheduler(**worlds.SCHEDULE, use_karras_sigmas=True),
    "zero terminal SNR, Euler": lambda: diffusers.EulerDiscreteScheduler(**ZERO),
    "zero terminal SNR, DDIM": lambda: diffusers.DDIMScheduler(**ZERO, clip_sample=False),
    "UniPC": lambda: diffusers.UniPCMultistepScheduler(**worlds.SCHEDULE),
    "DEIS": lambda: diffusers.DEISMultistepScheduler(**worlds.SCHEDULE),
    "ancestral": lambda: diffusers.EulerAncestralDiscreteScheduler(**worlds.SCHEDULE),
    "SDE": lambda: diffusers.DPMSolverMultistepScheduler(
        **worlds.SCHEDULE, algorithm_type="sde-dpmsolver++"
    ),
}
REFUSED = {
    "Heun": lambda: diffusers.HeunDiscreteScheduler(**worlds.SCHEDULE),
    "KDPM2": lambda: diffusers.KDPM2DiscreteScheduler(**worlds.SCHEDULE),
    "PNDM": lambda: diffusers.PNDMScheduler(**worlds.SCHEDULE),
    "EDM": lambda: diffusers.EDMEulerScheduler(),
    "IPNDM": lambda: diffusers.IPNDMScheduler(),
    "flow Heun": lambda: diffusers.FlowMatchHeunDiscreteScheduler(),
    "consistency": lambda: diffusers.CMStochasticIterativeScheduler(),
}


@pytest.mark.parametrize("scheduler", READ)
def test_any_scheduler_that_asks_once_a_step_is_read(scheduler):
    family = matrix.Family(lambda: worlds.pipeline(scheduler=READ[scheduler]()))
    model = matrix.described(scheduler, matrix.seeded(family), family)
    matrix.read(model, family, find_layers(model))


@pytest.mark.parametrize("scheduler", REFUSED)
def test_any_other_scheduler_is_refused_by_name(scheduler):
    made = REFUSED[scheduler]()
    pipe = worlds.pipeline(scheduler=made)
    with pytest.raises(SchedulerError, match=type(made).__name__):
        trace(pipe, matrix.PROMPTS, steps=4, layers=find_layers(worlds.pipeline()))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda pipe: pipe.unet.set_attn_processor(Passing()), "did not run at step 0"),
        (lambda pipe: remembers(pipe.unet.mid_block), "mid_block.* did not run at step 1"),
        (tiles, "runs on a batch of 8; 4 were expected.*tiles"),
    ],
)
def test_what_changes_a_layer_is_refused(change, says):
    pipe = worlds.pipeline()
    layers = find_layers(pipe)
    change(pipe)
    with pytest.raises(LayerError, match=says):
        trace(pipe, matrix.PROMPTS, steps=2, layers=layers)
    with pytest.raises(UnderpaintError):
        trace(pipe, matrix.PROMPTS, steps=2, layers=find_layers(pipe))


@pytest.mark.parametrize(
    ("make", "said", "guidance"),
    [
        (worlds.packed_pipeline, {"true_cfg_scale": 4.0, "negative_prompt": ["x", "y"]}, 1.0),
        (
            worlds.flow_pipeline,
            {
                "skip_guidance_layers": [0],
                "skip_layer_guidance_start": 0.0,
                "skip_layer_guidance_stop": 1.0,
            },
            3.0,
        ),
        (worlds.xl_pipeline, {"denoising_end": 0.5}, 3.0),
    ],
)
def test_what_asks_more_or_less_than_once_a_step_is_refused(make, said, guidance):
    model = Model.of(make(), name="more", guidance=guidance, resolution=(16, 16), call=said)
    with pytest.raises(UnderpaintError, match=r"times|runs on a batch of"):
        trace(model, matrix.PROMPTS, steps=4, layers=find_layers(model))
