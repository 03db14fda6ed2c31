"""Tiny worlds shared by tests: real diffusers classes, random weights, 8-pixel latents, no network.

Everything is built on the spot and deterministic; nothing is read from outside the test.
"""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    LDMPipeline,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    PNDMScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    UNet2DModel,
    VQModel,
)
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
)

from underpaint.core.prompts import Prompt, split_prompts
from underpaint.core.properties import DEPTH, SALIENCY
from underpaint.labelers import Labeler, Namer
from underpaint.models import Model, permuted, untrained
from underpaint.models.layers import find_layers
from underpaint.runs.runs import Run
from underpaint.steering.trials import Trial
from underpaint.study.study import Study

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


def vae(**changes: Any) -> AutoencoderKL:
    """Make a VAE that draws 16-pixel images from 8-pixel latents."""
    return AutoencoderKL(
        block_out_channels=(4, 8),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        norm_num_groups=4,
        sample_size=16,
        **changes,
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


def unprompted_pipeline(*, size: int = 32) -> LDMPipeline:
    """Make an unconditional latent diffusion pipeline, a VQ-VAE and a UNet without text."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = LDMPipeline(
            vqvae=VQModel(
                block_out_channels=(4, 8),
                down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
                up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
                latent_channels=3,
                num_vq_embeddings=16,
                norm_num_groups=4,
                sample_size=size,
            ).eval(),
            unet=UNet2DModel(
                sample_size=size // 2,
                in_channels=3,
                out_channels=3,
                block_out_channels=(8, 16),
                layers_per_block=1,
                down_block_types=("DownBlock2D", "AttnDownBlock2D"),
                up_block_types=("AttnUpBlock2D", "UpBlock2D"),
                attention_head_dim=4,
                norm_num_groups=4,
            ).eval(),
            scheduler=ddim(),
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


def letters() -> PreTrainedTokenizerFast:
    """Make a tokenizer for T5 that knows letters alone."""
    known = {letter: number for number, letter in enumerate("_?abcdefghijklmnopqrstuvwxyz")}
    spelled = Tokenizer(WordLevel(known, unk_token="?"))
    spelled.pre_tokenizer = Split("", "isolated")
    return PreTrainedTokenizerFast(
        tokenizer_object=spelled, pad_token="_", unk_token="?", model_max_length=512
    )


def t5() -> T5EncoderModel:
    """Make a T5 encoder of one layer for that tokenizer."""
    config = T5Config(vocab_size=28, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    return T5EncoderModel(config).eval()


def packed_pipeline() -> FluxPipeline:
    """Make a Flux pipeline: one joint and two single blocks, latents packed as 2x2 tokens."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokens = tokenizer()
        made = FluxPipeline(
            transformer=FluxTransformer2DModel(
                patch_size=1,
                in_channels=16,
                num_layers=1,
                num_single_layers=2,
                attention_head_dim=8,
                num_attention_heads=2,
                joint_attention_dim=16,
                pooled_projection_dim=16,
                axes_dims_rope=(2, 2, 4),
                guidance_embeds=True,
            ).eval(),
            scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
            vae=vae(shift_factor=0.1),
            text_encoder=CLIPTextModel(text_config(tokens)).eval(),
            tokenizer=tokens,
            text_encoder_2=t5(),
            tokenizer_2=letters(),
        )
    made.set_progress_bar_config(disable=True)
    return made


def packed_model() -> Model:
    """Describe the Flux pipeline as a model of 16x32 pixels."""
    return Model.of(packed_pipeline(), name="packed", resolution=(16, 32))


def pixart_pipeline() -> PixArtSigmaPipeline:
    """Make a PixArt pipeline: two transformer blocks that look at the text by cross-attention."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = PixArtSigmaPipeline(
            transformer=PixArtTransformer2DModel(
                num_attention_heads=2,
                attention_head_dim=4,
                in_channels=4,
                out_channels=8,
                num_layers=2,
                cross_attention_dim=8,
                sample_size=8,
                caption_channels=16,
                use_additional_conditions=False,
            ).eval(),
            scheduler=DPMSolverMultistepScheduler(),
            vae=vae(),
            text_encoder=t5(),
            tokenizer=letters(),
        )
    made.set_progress_bar_config(disable=True)
    return made


def xl_pipeline() -> StableDiffusionXLPipeline:
    """Make an SDXL pipeline: two text encoders, and blocks of two transformer layers."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokens = tokenizer()
        made = StableDiffusionXLPipeline(
            vae=vae(),
            text_encoder=CLIPTextModel(text_config(tokens)).eval(),
            text_encoder_2=CLIPTextModelWithProjection(text_config(tokens)).eval(),
            tokenizer=tokens,
            tokenizer_2=tokens,
            unet=UNet2DConditionModel(
                sample_size=8,
                block_out_channels=(8, 16),
                layers_per_block=1,
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                transformer_layers_per_block=2,
                cross_attention_dim=32,
                attention_head_dim=2,
                norm_num_groups=4,
                addition_embed_type="text_time",
                addition_time_embed_dim=8,
                projection_class_embeddings_input_dim=6 * 8 + 16,
            ).eval(),
            scheduler=ddim(),
            add_watermarker=False,
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


STEPS = 2
"""Of the run that edits and searches are tried on."""


def brightest(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """See an object as a box at the brightest place, red as depth and green as shading."""
    grey = F.avg_pool2d(images.mean(dim=1, keepdim=True), 4, stride=1)
    place = grey.flatten(1).argmax(dim=1)
    mask = torch.zeros(len(images), 1, *images.shape[-2:])
    for each, at in zip(mask, place.tolist(), strict=True):
        row, col = divmod(at, grey.shape[-1])
        each[0, row : row + 4, col : col + 4] = 1
    return {"saliency": mask, "depth": images[:, :1], "shading": images[:, 1:2]}


BRIGHTEST = Labeler("brightest", ("saliency", "depth", "shading"), "MIT", brightest)
NAMER = Namer("mean", ("thing", "other"), "MIT", lambda x: x.mean(dim=(2, 3))[:, :2])


def trial(control: str = "none", strength: float = 1.0) -> Trial:
    """Describe an edit of all its steps and of the last layers."""
    return Trial("random moves", "test", control, strength, 0, STEPS - 1, "up.*")


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
        made, (LOOK,), (SALIENCY, DEPTH), layers, split, 2, 3.0, batch, controls,
        sees_decoder=True, sees_halves=True, goes_beyond=True, looks_ahead=True,
        trains=True,
    )  # fmt: skip


def site(run: Run, folder: Path) -> Path:
    """Export a run of `study` as a site with maps of two test prompts; give its folder."""
    export = import_module("underpaint.site.export").export
    export(run, folder, again=lambda: study(8), prompts=2, progress=lambda *_: None)
    return folder


def published_sd14(folder: Path) -> Path:
    """Save a narrow Stable Diffusion v1.4 with all that its published folder holds.

    Four levels and 16 self-attention layers, a PNDM scheduler, a safety checker with weights, and a
    tokenizer of vocab.json and merges.txt: only widths are small, and weights are random.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokens = tokenizer()
        blocks = ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]
        widths = {"block_out_channels": (8, 16, 32, 32), "norm_num_groups": 4}
        pipeline = StableDiffusionPipeline(
            vae=AutoencoderKL(
                block_out_channels=(4, 4, 8, 8),
                down_block_types=["DownEncoderBlock2D"] * 4,
                up_block_types=["UpDecoderBlock2D"] * 4,
                latent_channels=4,
                norm_num_groups=4,
                sample_size=512,
            ),
            text_encoder=CLIPTextModel(text_config(tokens)),
            tokenizer=tokens,
            unet=UNet2DConditionModel(
                sample_size=64,
                layers_per_block=2,
                down_block_types=blocks,
                up_block_types=[each.replace("Down", "Up") for each in blocks[::-1]],
                cross_attention_dim=16,
                attention_head_dim=2,
                **widths,
            ),
            scheduler=PNDMScheduler(**SCHEDULE, skip_prk_steps=True, steps_offset=1),
            safety_checker=StableDiffusionSafetyChecker(
                CLIPConfig(
                    text_config=text_config(tokens).to_dict(),
                    vision_config={
                        "hidden_size": 16,
                        "intermediate_size": 16,
                        "num_hidden_layers": 1,
                        "num_attention_heads": 2,
                        "image_size": 32,
                        "patch_size": 16,
                    },
                    projection_dim=16,
                )
            ),
            feature_extractor=CLIPImageProcessor(),
        )
    pipeline.save_pretrained(folder)
    spelled = folder / "tokenizer"
    (spelled / "tokenizer.json").unlink()
    (spelled / "vocab.json").write_text(json.dumps(tokens.get_vocab()))
    (spelled / "merges.txt").write_text("#version: 0.2\n")
    return folder
