"""Pipelines of further families, as small as `worlds`, for the matrix of what can be read."""

from typing import Any

import torch
from diffusers import (
    AuraFlowPipeline,
    AuraFlowTransformer2DModel,
    AutoencoderDC,
    ChromaPipeline,
    ChromaTransformer2DModel,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    Lumina2Pipeline,
    Lumina2Transformer2DModel,
    SanaPipeline,
    SanaTransformer2DModel,
    StableDiffusionPAGPipeline,
    UNet2DConditionModel,
)
from transformers import Gemma2Config, Gemma2Model

import worlds


def perturbed() -> Any:
    """Make a Stable Diffusion pipeline with perturbed attention in its middle."""
    parts = worlds.pipeline().components
    return StableDiffusionPAGPipeline(
        **parts, requires_safety_checker=False, pag_applied_layers=["mid"]
    )


def consistency() -> Any:
    """Make a latent consistency pipeline."""
    parts = worlds.pipeline().components
    sizes = {name: each for name, each in parts["unet"].config.items() if name[0] != "_"}
    unet = UNet2DConditionModel(**{**sizes, "time_cond_proj_dim": 8})
    own = {"scheduler": LCMScheduler(**worlds.SCHEDULE), "unet": unet.eval()}
    return LatentConsistencyModelPipeline(**{**parts, **own}, requires_safety_checker=False)


def gemma() -> Gemma2Model:
    """Make a Gemma 2 of one layer for `worlds.letters`."""
    return Gemma2Model(
        Gemma2Config(
            vocab_size=28,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
        )
    ).eval()


def aura_flow() -> Any:
    """Make an AuraFlow pipeline: one joint block, one single block, registers before the text."""
    return AuraFlowPipeline(
        transformer=AuraFlowTransformer2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=4,
            num_mmdit_layers=1,
            num_single_dit_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=16,
            caption_projection_dim=16,
            out_channels=4,
            pos_embed_max_size=16,
        ).eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=worlds.vae(),
        text_encoder=worlds.t5(),
        tokenizer=worlds.letters(),
    )


def chroma() -> Any:
    """Make a Chroma pipeline: guidance in calls of its own, text cut by a mask."""
    return ChromaPipeline(
        transformer=ChromaTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=16,
            axes_dims_rope=(2, 2, 4),
            approximator_num_channels=8,
            approximator_hidden_dim=8,
            approximator_layers=1,
        ).eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=worlds.vae(shift_factor=0.1),
        text_encoder=worlds.t5(),
        tokenizer=worlds.letters(),
    )


def sana() -> Any:
    """Make a Sana pipeline: linear attention, a deep-compression autoencoder, DPM++ for flow."""
    tokens = worlds.letters()
    return SanaPipeline(
        transformer=SanaTransformer2DModel(
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            num_attention_heads=2,
            attention_head_dim=4,
            num_cross_attention_heads=2,
            cross_attention_head_dim=4,
            cross_attention_dim=8,
            caption_channels=16,
            sample_size=8,
        ).eval(),
        scheduler=DPMSolverMultistepScheduler(
            use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0
        ),
        vae=AutoencoderDC(
            in_channels=3,
            latent_channels=4,
            attention_head_dim=2,
            encoder_block_types=("ResBlock", "EfficientViTBlock"),
            decoder_block_types=("ResBlock", "EfficientViTBlock"),
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            encoder_qkv_multiscales=((), (5,)),
            decoder_qkv_multiscales=((), (5,)),
            encoder_layers_per_block=(1, 1),
            decoder_layers_per_block=(1, 1),
            downsample_block_type="conv",
            upsample_block_type="interpolate",
            decoder_norm_types="rms_norm",
            decoder_act_fns="silu",
            scaling_factor=0.41407,
        ).eval(),
        text_encoder=gemma(),
        tokenizer=tokens,
    )


def lumina2() -> Any:
    """Make a Lumina 2 pipeline: refiners of text and of image alone, then ragged joint blocks."""
    return Lumina2Pipeline(
        transformer=Lumina2Transformer2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=4,
            hidden_size=24,
            num_layers=1,
            num_refiner_layers=1,
            num_attention_heads=3,
            num_kv_heads=1,
            multiple_of=16,
            cap_feat_dim=16,
            axes_dim_rope=(4, 2, 2),
            axes_lens=(300, 8, 8),
        ).eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=worlds.vae(shift_factor=0.1),
        text_encoder=gemma(),
        tokenizer=worlds.letters(),
    )


def seeded(make: Any) -> Any:
    """Make a pipeline with the same random weights at every call, and no progress bar."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = make()
    made.set_progress_bar_config(disable=True)
    return made
