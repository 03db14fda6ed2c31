"""The transformer of `tiny-transformer`: Stable Diffusion 3's classes, narrow, by flow matching."""

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel
from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import (
    StableDiffusion3Pipeline,
)
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

from .pool import Pool, detail
from .tokens import WIDTH, text_config
from .training import LossOf, fast_precision, strata

LAYERS, HEADS, HEAD_WIDTH = 8, 6, 32
UNIFORM_SHARE = 0.35
SHIFT = 0.5
"""Share of levels that are drawn evenly; the others are logit-normal, shifted to less noise."""
DECIDED_LEVEL = 0.6
"""Noise little enough for what is in the picture to have its place; here detail counts more."""
GUIDANCE = 4.0


class TransformerDenoiser(nn.Module):
    """Transformer and two text encoders, trained together. Each is saved under its name here."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.transformer = SD3Transformer2DModel(
            sample_size=16,
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=LAYERS,
            attention_head_dim=HEAD_WIDTH,
            num_attention_heads=HEADS,
            joint_attention_dim=2 * WIDTH,
            caption_projection_dim=HEADS * HEAD_WIDTH,
            pooled_projection_dim=2 * WIDTH,
            pos_embed_max_size=16,
            qk_norm="rms_norm",
        )
        self.text_encoder = CLIPTextModelWithProjection(text_config(tokenizer))
        self.text_encoder_2 = CLIPTextModelWithProjection(text_config(tokenizer))
        _begin(self.transformer)

    def encode(
        self, words: Int[Tensor, "image token"]
    ) -> tuple[Float[Tensor, "image token_and_t5 width"], Float[Tensor, "image width"]]:
        """Encode captions as the pipeline does without T5 and with `max_sequence_length=1`."""
        hidden, pooled = [], []
        for encoder in (self.text_encoder, self.text_encoder_2):
            read = encoder(words, output_hidden_states=True)
            hidden.append(read.hidden_states[-2])
            pooled.append(read.text_embeds)
        both = torch.cat(hidden, dim=-1)
        return torch.cat([both, torch.zeros_like(both[:, :1])], dim=1), torch.cat(pooled, dim=-1)

    def forward(
        self,
        noisy: Float[Tensor, "image channel row col"],
        level: Float[Tensor, "image"],
        words: Int[Tensor, "image token"],
    ) -> Float[Tensor, "image channel row col"]:
        """Predict noise less signal of latents with a share `level` of noise, given captions."""
        context, pooled = self.encode(words)
        return self.transformer(
            noisy,
            encoder_hidden_states=context,
            pooled_projections=pooled,
            timestep=1000 * level,
        ).sample


def _begin(transformer: nn.Module) -> None:
    """Begin as an identity: modulation and output at zero, all other matrices Xavier's."""
    for name, module in transformer.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            is_still = name.startswith(("norm_out", "proj_out")) or ".norm1" in name
            with torch.no_grad():
                if is_still:
                    module.weight.zero_()
                else:
                    nn.init.xavier_uniform_(module.weight.flatten(1))
                if module.bias is not None:
                    module.bias.zero_()


def new_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Step evenly from noise alone to none."""
    return FlowMatchEulerDiscreteScheduler(shift=1.0)


def drawn_levels(size: int, generator: torch.Generator) -> Float[Tensor, "image"]:
    """Draw levels of noise in 0.001..1: some evenly, the others where most is to be decided.

    A logit-normal level (Esser et al. 2024, section 3.1) is moved as their equation 23 moves
    timesteps, towards less noise, for small pictures.
    """
    even = round(UNIFORM_SHARE * size)
    drawn = torch.special.ndtri(strata(size - even, generator)).sigmoid()
    moved = SHIFT * drawn / (1 + (SHIFT - 1) * drawn)
    return torch.cat([strata(even, generator), moved]).clamp(1e-3, 1)


def flow_loss(denoiser: TransformerDenoiser, pool: Pool, *, batch: int) -> LossOf:
    """Squared error of the flow from signal to noise, more of it at detail once places are set."""
    device = pool.device

    def loss_of(generator: torch.Generator) -> Tensor:
        clean, words = pool.batch(batch, generator)
        noise = torch.randn(clean.shape, generator=generator, device=generator.device)
        level = drawn_levels(batch, generator)
        s = level[:, None, None, None]
        with fast_precision(device):
            predicted = denoiser((1 - s) * clean + s * noise, level, words)
        error = (predicted.float() - (noise - clean)).square().mean(dim=1)
        counts = torch.where((level < DECIDED_LEVEL)[:, None, None], detail(clean), 1.0)
        return (counts * error).mean()

    return loss_of


def new_pipeline(
    denoiser: TransformerDenoiser, vae: AutoencoderKL, tokenizer: CLIPTokenizer
) -> StableDiffusion3Pipeline:
    """Put the parts together as Stable Diffusion 3's pipeline, without T5."""
    vae.register_to_config(shift_factor=0.0)
    return StableDiffusion3Pipeline(
        transformer=denoiser.transformer,
        scheduler=new_scheduler(),
        vae=vae,
        text_encoder=denoiser.text_encoder,
        tokenizer=tokenizer,
        text_encoder_2=denoiser.text_encoder_2,
        tokenizer_2=tokenizer,
        text_encoder_3=None,  # pyright: ignore[reportArgumentType]
        tokenizer_3=None,  # pyright: ignore[reportArgumentType]
    )
