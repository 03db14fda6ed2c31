"""The UNet, text encoder and scheduler of `tiny`: Stable Diffusion's classes, narrow."""

import torch
from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from .pool import Pool, detail
from .tokens import WIDTH, text_config
from .training import LossOf, fast_precision, strata

SNR_FLOOR, SNR_CEILING = 0.25, 5.0
DECIDED_SNR = 1.0
"""Signal enough to have placed what is in the picture; from here on, detail counts more."""
SHIFT = 3.0
"""How much less noise `tiny` meets than SD does, as a ratio to the signal."""
GUIDANCE = 3.5


class Denoiser(nn.Module):
    """UNet and text encoder, trained together. Each is saved under its name here."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.unet = UNet2DConditionModel(
            sample_size=16,
            block_out_channels=(48, 96, 144, 192),
            layers_per_block=2,
            attention_head_dim=4,  # the number of heads, in this class
            cross_attention_dim=WIDTH,
            norm_num_groups=16,
        )
        self.text_encoder = CLIPTextModel(text_config(tokenizer))

    def forward(
        self,
        noisy: Float[Tensor, "image channel row col"],
        timestep: Int[Tensor, "image"],
        words: Int[Tensor, "image token"],
    ) -> Float[Tensor, "image channel row col"]:
        """Predict v of noisy latents at a timestep, given captions."""
        context = self.text_encoder(words).last_hidden_state
        return self.unet(noisy, timestep, context).sample


def new_scheduler() -> DDIMScheduler:
    """SD's noise, shifted; `trailing` steps, so that 15 steps start where the noise is pure."""
    return DDIMScheduler(
        trained_betas=shifted_betas(),
        clip_sample=False,
        set_alpha_to_one=False,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
    )


def shifted_betas(shift: float = SHIFT) -> list[float]:
    """Divide SD's ratio of noise to signal by `shift` at every timestep but the last ones.

    Noise hides a small picture more than a large one: with n times the pixels a side, what is seen
    from afar is averaged over n² of them, and needs n times the noise to be hid as well (Hoogeboom
    et al. 2023, *simple diffusion*, section 3.2; Esser et al. 2024, equation 23). Latents of 16×16
    under the noise of SD's 64×64 ask for a shift by 4; by 3 pictures measure as good as by 2, by 4
    a little worse at 15 steps. The last of the 1000 timesteps keeps SD's noise, for drawing begins
    with noise alone: r^30 goes from 0 to 1 over about the last tenth of them.
    """
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    signal = (1 - betas).cumprod(dim=0)
    ratio = ((1 - signal) / signal).sqrt()
    r = torch.arange(1000, dtype=torch.float64) / 999
    signal = 1 / (1 + (ratio * shift ** (r**30 - 1)).square())
    before = torch.cat([torch.ones(1, dtype=torch.float64), signal[:-1]])
    return [float(f"{beta:.9g}") for beta in (1 - signal / before).tolist()]


def denoising_loss(denoiser: Denoiser, pool: Pool, *, batch: int) -> LossOf:
    """v-prediction loss with weights `(min(SNR, 5) + 1/4) / (SNR + 1)`, more of it at detail.

    Without the quarter the weights are those of Hang et al. (2023, eq. 8 for v), which fall to
    nothing in the noise where a layout is decided: to 0.004, 0.03 and 0.08 at the first three of 15
    steps. No place counts more while the picture is open, or what is there would be drawn in
    several at once. Timesteps are stratified over the batch.
    """
    device = pool.device
    if device.type == "cpu":
        denoiser.unet.set_attn_processor(AttnProcessor())
    signal = new_scheduler().alphas_cumprod.to(device)
    snr = signal / (1 - signal)
    weight = (snr.clamp(max=SNR_CEILING) + SNR_FLOOR) / (snr + 1)
    weight = weight / weight.mean()
    is_decided = snr > DECIDED_SNR

    def loss_of(generator: torch.Generator) -> Tensor:
        clean, words = pool.batch(batch, generator)
        noise = torch.randn(clean.shape, generator=generator, device=generator.device)
        timestep = (strata(batch, generator) * len(signal)).long()
        a = signal[timestep].sqrt()[:, None, None, None]
        s = (1 - signal[timestep]).sqrt()[:, None, None, None]
        noisy = (a * clean + s * noise).contiguous(memory_format=torch.channels_last)
        with fast_precision(device):
            predicted = denoiser(noisy, timestep, words)
        error = (predicted.float() - (a * noise - s * clean)).square().mean(dim=1)
        counts = torch.where(is_decided[timestep][:, None, None], detail(clean), 1.0)
        return (weight[timestep] * (counts * error).mean(dim=(1, 2))).mean()

    return loss_of


def new_pipeline(
    denoiser: Denoiser, vae: AutoencoderKL, tokenizer: CLIPTokenizer
) -> StableDiffusionPipeline:
    """Put the parts together as Stable Diffusion's pipeline."""
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=denoiser.text_encoder,
        tokenizer=tokenizer,
        unet=denoiser.unet,
        scheduler=new_scheduler(),  # pyright: ignore[reportArgumentType]
        safety_checker=None,  # pyright: ignore[reportArgumentType]
        feature_extractor=None,  # pyright: ignore[reportArgumentType]
        requires_safety_checker=False,
    )
