"""Pipelines that draw video, small and random: each is refused by name."""

from typing import Any

import diffusers
from diffusers import FlowMatchEulerDiscreteScheduler

import worlds


def animated() -> Any:
    """Make an AnimateDiff pipeline, which draws video."""
    parts = worlds.pipeline().components
    adapter = diffusers.MotionAdapter(
        block_out_channels=(8, 16),
        motion_layers_per_block=1,
        motion_norm_num_groups=2,
        motion_num_attention_heads=2,
    )
    return diffusers.AnimateDiffPipeline(
        **{name: each for name, each in parts.items() if name != "safety_checker"},
        motion_adapter=adapter,
    )


def wan() -> Any:
    """Make a Wan pipeline, which draws video."""
    return diffusers.WanPipeline(
        transformer=diffusers.WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=12,
            in_channels=4,
            out_channels=4,
            text_dim=16,
            freq_dim=8,
            ffn_dim=16,
            num_layers=1,
            rope_max_seq_len=32,
        ).eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=diffusers.AutoencoderKLWan(
            base_dim=3, z_dim=4, dim_mult=[1, 1, 1, 1], num_res_blocks=1,
            temperal_downsample=[False, True, True], latents_mean=[0.0] * 4, latents_std=[1.0] * 4,
        ).eval(),
        text_encoder=worlds.t5(),
        tokenizer=worlds.letters(),
    )  # fmt: skip


def cogvideo() -> Any:
    """Make a CogVideoX pipeline, which draws video."""
    return diffusers.CogVideoXPipeline(
        transformer=diffusers.CogVideoXTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=8,
            in_channels=4,
            out_channels=4,
            time_embed_dim=2,
            text_embed_dim=16,
            num_layers=1,
            sample_width=2,
            sample_height=2,
            sample_frames=9,
            patch_size=2,
            max_text_seq_length=16,
        ).eval(),
        scheduler=diffusers.CogVideoXDDIMScheduler(),
        vae=diffusers.AutoencoderKLCogVideoX(
            down_block_types=("CogVideoXDownBlock3D",) * 4,
            up_block_types=("CogVideoXUpBlock3D",) * 4,
            block_out_channels=(4, 4, 4, 4),
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
        ).eval(),
        text_encoder=worlds.t5(),
        tokenizer=worlds.letters(),
    )
