"""The way between latents and images: a model's VAE, both ways, and what its decoder attends to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.models.autoencoders.vq_model import VQModel
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from ..core.errors import ModelError
from .capture import tapped
from .model import Model

_DECODED_AT_ONCE, _DECODED_HERE, _DECODED_PX = 8, 4, 2**19
"""Most pictures that go through a VAE at once, on a GPU and on a processor, whose caches hold few;
and most pixels: two of 512², one of 1024²."""
_ONE_AT_A_TIME = threading.RLock()
"""What another thread decodes must not pass the hook of `decoder_attention`."""


@torch.no_grad()
def decode(
    model: Model, latents: Float[Tensor, "image latent lrow lcol"]
) -> Float[Tensor, "image 3 height width"]:
    """Draw images from latents with the model's VAE: float32, clipped to 0..1.

    Latents of any step can be drawn, noisy ones too: x_t is what the literature decodes, and the
    estimate of x_0 is what the model means by it.

    Raises:
        ModelError: if the VAE draws what is not finite, as some do in half precision.
    """
    images, is_finite = draw(model, latents)
    refuse_infinite(model, is_finite)
    return images


@torch.no_grad()
def draw(
    model: Model, latents: Float[Tensor, "image latent lrow lcol"]
) -> tuple[Float[Tensor, "image 3 height width"], Bool[Tensor, ""]]:
    """Draw as `decode` does, and leave whether all is finite for `refuse_infinite`.

    To ask for it is to wait for a GPU, which meanwhile would have nothing to do.
    """
    with _ONE_AT_A_TIME, _upcast(model.pipeline.vae) as vae:
        mean, scale = _latent_affine(vae, latents)
        unscaled = (latents * scale + mean).to(vae.device, vae.dtype)
        images = torch.cat([vae.decode(part).sample for part in _parts(model, unscaled)])
    return (images.float() / 2 + 0.5).clamp(0, 1), images.isfinite().all()


def refuse_infinite(model: Model, is_finite: Bool[Tensor, ""]) -> None:
    """Refuse pictures that are not finite.

    Raises:
        ModelError: if they are not.
    """
    if not is_finite:
        vae = model.pipeline.vae
        raise ModelError(
            f"The VAE of {model.name} draws NaN or infinity, in {vae.dtype}. Put it into float32: "
            "`pipeline.vae.to(torch.float32)`."
        )


@torch.no_grad()
def encode(
    model: Model, images: Float[Tensor, "image 3 height width"]
) -> Float[Tensor, "image latent lrow lcol"]:
    """Find the latents of images in 0..1: the mean of the VAE's posterior, in float32.

    The mean, not a draw, so that the same image always has the same latents. A VQ-VAE has one
    answer: its codes before they are rounded to the nearest of its book, as its denoiser sees them.
    """
    with _ONE_AT_A_TIME, _upcast(model.pipeline.vae) as vae:
        signed = (images * 2 - 1).to(vae.device, vae.dtype)
        coded = [vae.encode(part) for part in _parts(model, signed)]
    latents = torch.cat([_code(each) for each in coded]).float()
    mean, scale = _latent_affine(vae, latents)
    return (latents - mean) / scale


def _code(coded: Any) -> Tensor:
    """Take latents from what a VAE, a VQ-VAE or a deep-compression autoencoder answers."""
    if hasattr(coded, "latent_dist"):
        return coded.latent_dist.mean
    return coded.latents if hasattr(coded, "latents") else coded.latent


@contextmanager
def _upcast(vae: Any) -> Iterator[Any]:
    """Put a VAE that says it needs it (`force_upcast`, as SDXL's) into float32 while this runs."""
    own = vae.dtype
    is_needed = vae.config.get("force_upcast", False) and own == torch.float16
    if is_needed:
        vae.to(torch.float32)
    try:
        yield vae
    finally:
        if is_needed:
            vae.to(own)


def has_decoder_attention(model: Model) -> bool:
    """Tell whether the VAE's decoder has self-attention in its middle. `tiny`'s has none."""
    middle = getattr(getattr(model.pipeline.vae, "decoder", None), "mid_block", None)
    return any(each is not None for each in getattr(middle, "attentions", []))


@torch.no_grad()
def decoder_attention(
    model: Model, latents: Float[Tensor, "image latent lrow lcol"]
) -> Float[Tensor, "image channel lrow lcol"]:
    """Read the self-attention in the middle of the VAE's decoder, its output before the residual.

    Only what runs up to there is run. The literature's control: a network that saw pictures in
    training, shown the same latents, that never learned to denoise (Chen, Viégas & Wattenberg
    2023).

    Raises:
        ModelError: if the decoder has none.
    """
    if not has_decoder_attention(model):
        raise ModelError(
            f"The VAE of {model.name} has no self-attention in its decoder's middle. "
            "Leave that source out."
        )
    found: list[Tensor] = []

    def keep(_step: int, tokens: Tensor) -> None:
        found.append(tokens)

    with _ONE_AT_A_TIME, _upcast(model.pipeline.vae) as vae:
        mean, scale = _latent_affine(vae, latents)
        for part in _parts(model, (latents * scale + mean).to(vae.device, vae.dtype)):
            x = vae.quantize(part)[0] if isinstance(vae, VQModel) else part
            x = x if getattr(vae, "post_quant_conv", None) is None else vae.post_quant_conv(x)
            x = vae.decoder.conv_in(x)
            with tapped(vae.decoder.mid_block, {"attentions.0.to_out.0": keep}, steps=1):
                vae.decoder.mid_block(x)
    rows, cols = latents.shape[-2:]
    return rearrange(
        torch.cat(found), "image (row col) channel -> image channel row col", row=rows, col=cols
    )


def _parts(model: Model, pictures: Float[Tensor, "image _ _ _"]) -> tuple[Tensor, ...]:
    """Cut what goes through a VAE into parts of nearly one size.

    None is of one picture unless it must be: processors take other kernels for one alone, which
    round otherwise.
    """
    height, width = model.resolution
    most = _DECODED_HERE if model.device.type == "cpu" else _DECODED_AT_ONCE
    at_once = max(1, min(most, _DECODED_PX // (height * width)))
    return pictures.tensor_split(-(-len(pictures) // at_once))


def _latent_affine(vae: Any, like: Tensor) -> tuple[Tensor, Tensor]:
    """Give mean and scale so that the VAE's own latents are `mean + scale * latents`."""
    config = vae.config
    scale = torch.as_tensor(1 / config.scaling_factor).to(like)
    mean = torch.as_tensor(config.get("shift_factor") or 0.0).to(like)
    if config.get("latents_mean") is not None and config.get("latents_std") is not None:
        deviation = torch.as_tensor(config.latents_std).to(like)
        mean = rearrange(torch.as_tensor(config.latents_mean).to(like), "latent -> latent 1 1")
        scale = rearrange(deviation * scale, "latent -> latent 1 1")
    return mean, scale
