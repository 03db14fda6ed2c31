"""Tiny worlds shared by tests: real diffusers classes, random weights, 8-pixel latents, no network.

Everything is built on the spot and deterministic; nothing is read from outside the test.
"""

from typing import Any

import torch
import torch.nn.functional as F
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from underpaint.labelers import Labeler
from underpaint.layers import find_layers
from underpaint.models import Model, permuted, untrained
from underpaint.prompts import Prompt, split_prompts
from underpaint.properties import DEPTH, SALIENCY
from underpaint.study import Study

SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
"""Stable Diffusion's own noise schedule."""

PROMPTS = (Prompt("a red cone", 11), Prompt("a blue sphere on grass", 12), Prompt("fog", 13))


def tokenizer() -> CLIPTokenizer:
    """Make a real CLIP tokenizer that spells words letter by letter."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789,.-'"
    pieces = [*letters, *(letter + "</w>" for letter in letters)]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)}, merges=[], model_max_length=32
    )


def text_config(tokens: CLIPTokenizer) -> CLIPTextConfig:
    """Describe a one-layer text encoder for that tokenizer."""
    return CLIPTextConfig(
        vocab_size=len(tokens),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        projection_dim=16,
        max_position_embeddings=32,
        bos_token_id=tokens.bos_token_id,
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
    )


def unet(*, transformer_blocks: int = 1) -> UNet2DConditionModel:
    """Make a UNet with self-attention at 8×8 and 4×4, laid out as Stable Diffusion's."""
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        transformer_layers_per_block=transformer_blocks,
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=4,
    ).eval()


def vae() -> AutoencoderKL:
    """Make a VAE that draws 16-pixel images from 8-pixel latents."""
    return AutoencoderKL(
        block_out_channels=(4, 8),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        norm_num_groups=4,
        sample_size=16,
    ).eval()


def pipeline(*, scheduler: Any = None, transformer_blocks: int = 1) -> StableDiffusionPipeline:
    """Make a Stable Diffusion pipeline with random weights, the same at every call."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokens = tokenizer()
        made = StableDiffusionPipeline(
            vae=vae(),
            text_encoder=CLIPTextModel(text_config(tokens)).eval(),
            tokenizer=tokens,
            unet=unet(transformer_blocks=transformer_blocks),
            scheduler=scheduler or ddim(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    made.set_progress_bar_config(disable=True)
    return made


def flow_pipeline() -> StableDiffusion3Pipeline:
    """Make a Stable Diffusion 3 pipeline: a transformer of two blocks, flow matching, no T5."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokens = tokenizer()
        transformer = SD3Transformer2DModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            num_layers=2,
            attention_head_dim=4,
            num_attention_heads=2,
            joint_attention_dim=32,
            caption_projection_dim=8,
            pooled_projection_dim=32,
            pos_embed_max_size=8,
        ).eval()
        made = StableDiffusion3Pipeline(
            transformer=transformer,
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=vae(),
            text_encoder=CLIPTextModelWithProjection(text_config(tokens)).eval(),
            tokenizer=tokens,
            text_encoder_2=CLIPTextModelWithProjection(text_config(tokens)).eval(),
            tokenizer_2=tokens,
            text_encoder_3=None,
            tokenizer_3=None,
        )
    made.set_progress_bar_config(disable=True)
    return made


def ddim(**changes: Any) -> DDIMScheduler:
    """Make the DDIM scheduler that Stable Diffusion is used with."""
    config = {**SCHEDULE, "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1}
    return DDIMScheduler(**{**config, **changes})


def model(*, scheduler: Any = None, transformer_blocks: int = 1) -> Model:
    """Describe that pipeline as a model, named "world"."""
    return Model.of(
        pipeline(scheduler=scheduler, transformer_blocks=transformer_blocks),
        name="world",
        guidance=3.0,
    )


def flow_model() -> Model:
    """Describe the Stable Diffusion 3 pipeline as a model."""
    return Model.of(flow_pipeline(), name="flow", guidance=3.0)


def brightness(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Call what is bright near, and what is brighter than the picture its object."""
    grey = F.avg_pool2d(images.mean(dim=1, keepdim=True), 5, stride=1, padding=2)
    above = grey - grey.mean(dim=(2, 3), keepdim=True)
    return {"saliency": (above > 0).float(), "depth": grey}


LOOK = Labeler("brightness", ("saliency", "depth"), "MIT", brightness)


def study(batch: int) -> Study:
    """Plan a whole study of that model: 40 prompts, 2 steps, and every control."""
    made = model()
    prompts = [Prompt(f"thing {i}", i, i) for i in range(40)]
    layers, split = find_layers(made), split_prompts(prompts)
    controls = {
        "random": permuted(made.denoiser, seed=0),
        "untrained": untrained(made.denoiser, seed=0),
    }
    return Study(
        made, (LOOK,), (SALIENCY, DEPTH), layers, split, 2, 3.0, batch, controls, sees_decoder=True
    )
