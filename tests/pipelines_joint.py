"""Pipelines around a transformer, small and random, beyond those of `pipelines` and `worlds`."""

from typing import Any

import diffusers
from diffusers import FlowMatchEulerDiscreteScheduler
from tokenizers.processors import TemplateProcessing
from transformers import (
    CLIPTextModelWithProjection,
    Qwen3Config,
    Qwen3Model,
)

import pipelines
import pipelines_unet
import worlds


def qwen() -> Qwen3Model:
    """Make a Qwen 3 of two layers for `chatting`."""
    return Qwen3Model(
        Qwen3Config(
            vocab_size=28,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
        )
    ).eval()


def chatting() -> Any:
    """Make a tokenizer of letters that lays out a chat by saying what was said."""
    tokens = worlds.letters()
    tokens.chat_template = "a{% for message in messages %}{{ message['content'] }}{% endfor %}"
    return tokens


def beginning() -> Any:
    """Make a tokenizer of letters that begins each text with one of its own, as most do."""
    tokens = worlds.letters()
    tokens.backend_tokenizer.post_processor = TemplateProcessing(
        single="? $A", special_tokens=[("?", 1)]
    )
    return tokens


def pixart_alpha() -> Any:
    """Make a PixArt-α pipeline."""
    return diffusers.PixArtAlphaPipeline(**worlds.pixart_pipeline().components)


def pixart_perturbed() -> Any:
    """Make a PixArt-Σ pipeline with perturbed attention in its second block."""
    parts = worlds.pixart_pipeline().components
    return diffusers.PixArtSigmaPAGPipeline(**parts, pag_applied_layers=["blocks.1"])


def dual() -> Any:
    """Make a Stable Diffusion 3.5 pipeline, whose first block attends to the image twice."""
    parts = worlds.flow_pipeline().components
    sizes = {name: each for name, each in parts["transformer"].config.items() if name[0] != "_"}
    sizes |= {"dual_attention_layers": (0,), "qk_norm": "rms_norm"}
    transformer = diffusers.SD3Transformer2DModel(**sizes).eval()
    return diffusers.StableDiffusion3Pipeline(**{**parts, "transformer": transformer})


def flow_perturbed() -> Any:
    """Make a Stable Diffusion 3 pipeline with perturbed attention in its second block."""
    parts = worlds.flow_pipeline().components
    parts.pop("image_encoder", None)
    parts.pop("feature_extractor", None)
    return diffusers.StableDiffusion3PAGPipeline(**parts, pag_applied_layers=["blocks.1"])


def flux_from_picture() -> Any:
    """Make a Flux pipeline that begins from a picture."""
    parts = worlds.packed_pipeline().components
    return diffusers.FluxImg2ImgPipeline(**parts)


def sana_perturbed() -> Any:
    """Make a Sana pipeline with perturbed attention."""
    parts = pipelines.sana().components
    return diffusers.SanaPAGPipeline(**parts, pag_applied_layers=["transformer_blocks.0"])


def sana_sprint() -> Any:
    """Make a Sana-Sprint pipeline, whose guidance is embedded."""
    parts = pipelines.sana().components
    sizes = {name: each for name, each in parts["transformer"].config.items() if name[0] != "_"}
    sizes |= {"guidance_embeds": True, "qk_norm": "rms_norm_across_heads"}
    own = {
        "transformer": diffusers.SanaTransformer2DModel(**sizes).eval(),
        "scheduler": diffusers.SCMScheduler(),
    }
    return diffusers.SanaSprintPipeline(**{**parts, **own})


def cogview3() -> Any:
    """Make a CogView 3 pipeline: text before the image in one sequence."""
    return diffusers.CogView3PlusPipeline(
        transformer=diffusers.CogView3PlusTransformer2DModel(
            patch_size=2,
            in_channels=4,
            num_layers=1,
            attention_head_dim=4,
            num_attention_heads=2,
            out_channels=4,
            text_embed_dim=16,
            time_embed_dim=8,
            condition_dim=2,
            pos_embed_max_size=8,
            sample_size=8,
        ).eval(),
        scheduler=diffusers.CogVideoXDPMScheduler(),
        vae=worlds.vae(),
        text_encoder=worlds.t5(),
        tokenizer=worlds.letters(),
    )


def cogview4() -> Any:
    """Make a CogView 4 pipeline: guidance in calls of its own."""
    return diffusers.CogView4Pipeline(
        transformer=diffusers.CogView4Transformer2DModel(
            patch_size=2,
            in_channels=4,
            num_layers=2,
            attention_head_dim=4,
            num_attention_heads=4,
            out_channels=4,
            text_embed_dim=16,
            time_embed_dim=8,
            condition_dim=4,
            rope_axes_dim=(8, 8),
        ).eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=worlds.vae(),
        text_encoder=qwen(),
        tokenizer=beginning(),
    )


def hunyuan(kind: str = "HunyuanDiTPipeline", **extra: Any) -> Any:
    """Make a Hunyuan-DiT pipeline, of two encoders and a table of positions."""
    return getattr(diffusers, kind)(
        transformer=diffusers.HunyuanDiT2DModel(
            sample_size=8,
            num_layers=2,
            patch_size=2,
            attention_head_dim=8,
            num_attention_heads=2,
            mlp_ratio=2.0,
            in_channels=4,
            cross_attention_dim=16,
            cross_attention_dim_t5=16,
            pooled_projection_dim=8,
            hidden_size=16,
            text_len=77,
            text_len_t5=256,
            activation_fn="gelu-approximate",
        ).eval(),
        vae=worlds.vae(),
        scheduler=diffusers.DDPMScheduler(),
        text_encoder=pipelines_unet.bert(),
        tokenizer=pipelines_unet.words(),
        text_encoder_2=worlds.t5(),
        tokenizer_2=worlds.letters(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
        **extra,
    )


def lumina() -> Any:
    """Make a Lumina-Next pipeline."""
    return diffusers.LuminaPipeline(
        transformer=diffusers.LuminaNextDiT2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=4,
            hidden_size=24,
            num_layers=2,
            num_attention_heads=3,
            num_kv_heads=1,
            multiple_of=16,
            cross_attention_dim=16,
            norm_eps=1e-5,
            learn_sigma=True,
            qk_norm=True,
        ).eval(),
        vae=worlds.vae(),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        text_encoder=pipelines.gemma(),
        tokenizer=worlds.letters(),
    )


_PACKED = {
    "patch_size": 1,
    "in_channels": 16,
    "num_layers": 1,
    "num_single_layers": 1,
    "attention_head_dim": 8,
    "num_attention_heads": 2,
    "joint_attention_dim": 16,
    "axes_dims_rope": (2, 2, 4),
}
"""Sizes of a transformer laid out as Flux's."""


def ovis() -> Any:
    """Make an Ovis-Image pipeline: Flux's blocks, guidance in calls of its own."""
    return diffusers.OvisImagePipeline(
        transformer=diffusers.OvisImageTransformer2DModel(**_PACKED, out_channels=16).eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=worlds.vae(shift_factor=0.1),
        text_encoder=qwen(),
        tokenizer=chatting(),
    )


def longcat() -> Any:
    """Make a LongCat-Image pipeline: Flux's blocks, guidance in calls of its own."""
    return diffusers.LongCatImagePipeline(
        transformer=diffusers.LongCatImageTransformer2DModel(
            **{**_PACKED, "in_channels": 64}, pooled_projection_dim=16
        ).eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=diffusers.AutoencoderKL.from_config(
            {**worlds.vae(shift_factor=0.1).config, "latent_channels": 16}
        ).eval(),
        text_encoder=qwen(),
        tokenizer=chatting(),
        text_processor=None,
    )


def bria() -> Any:
    """Make a Bria pipeline: Flux's blocks."""
    return diffusers.BriaPipeline(
        transformer=diffusers.BriaTransformer2DModel(**_PACKED).eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=worlds.vae(),
        text_encoder=worlds.t5(),
        tokenizer=beginning(),
    )


def qwen_image() -> Any:
    """Make a Qwen-Image pipeline, whose latents have an axis of time."""
    return diffusers.QwenImagePipeline(
        transformer=diffusers.QwenImageTransformer2DModel(
            patch_size=2,
            in_channels=16,
            out_channels=4,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=16,
            axes_dims_rope=(2, 2, 4),
        ).eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=diffusers.AutoencoderKLQwenImage(
            base_dim=8,
            z_dim=4,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
            latents_mean=[0.0] * 4,
            latents_std=[1.0] * 4,
        ).eval(),
        text_encoder=qwen(),
        tokenizer=chatting(),
    )


def z_image() -> Any:
    """Make a Z-Image pipeline: images and texts in lists, padded together."""
    return diffusers.ZImagePipeline(
        transformer=diffusers.ZImageTransformer2DModel(
            all_patch_size=(2,),
            all_f_patch_size=(1,),
            in_channels=4,
            dim=16,
            n_layers=1,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=16,
            axes_dims=[2, 2, 4],
            axes_lens=[512, 32, 32],
        ).eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=worlds.vae(shift_factor=0.1),
        text_encoder=qwen(),
        tokenizer=chatting(),
    )


def prx() -> Any:
    """Make a PRX pipeline."""
    return diffusers.PRXPipeline(
        transformer=diffusers.PRXTransformer2DModel(
            in_channels=4,
            patch_size=1,
            context_in_dim=16,
            hidden_size=16,
            mlp_ratio=2.0,
            num_heads=2,
            depth=2,
            axes_dim=[4, 4],
        ).eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        text_encoder=qwen(),
        tokenizer=worlds.letters(),
        vae=worlds.vae(shift_factor=0.1),
        default_sample_size=8,
    )


def hidream() -> Any:
    """Make a HiDream pipeline: four encoders, a mixture of experts."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokens = worlds.tokenizer()
    llama = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=28,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
        )
    ).eval()
    return diffusers.HiDreamImagePipeline(
        transformer=diffusers.HiDreamImageTransformer2DModel(
            patch_size=2,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            caption_channels=[16, 16],
            text_emb_dim=32,
            num_routed_experts=4,
            num_activated_experts=2,
            axes_dims_rope=(4, 2, 2),
            max_resolution=(8, 8),
            llama_layers=(0, 1),
        ).eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=worlds.vae(shift_factor=0.1),
        text_encoder=CLIPTextModelWithProjection(worlds.text_config(tokens)).eval(),
        tokenizer=tokens,
        text_encoder_2=CLIPTextModelWithProjection(worlds.text_config(tokens)).eval(),
        tokenizer_2=tokens,
        text_encoder_3=worlds.t5(),
        tokenizer_3=worlds.letters(),
        text_encoder_4=llama,
        tokenizer_4=worlds.letters(),
    )
