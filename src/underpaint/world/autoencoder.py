"""The small VAE of `tiny`: 128² pictures to 16 x 16 x 4 latents of zero mean and unit variance."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from .renders import Renders
from .training import LossOf, at_once, coin, fast_precision, picked


def new_autoencoder() -> AutoencoderKL:
    """Build the untrained network."""
    blocks = 4  # diffusers annotates tuples of any length as tuples of one
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * blocks,  # pyright: ignore[reportArgumentType]
        up_block_types=("UpDecoderBlock2D",) * blocks,  # pyright: ignore[reportArgumentType]
        block_out_channels=(16, 32, 64, 64),  # pyright: ignore[reportArgumentType]
        layers_per_block=1,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=128,
        scaling_factor=1.0,
    )


class Decoding(nn.Module):
    """What draws a picture from latents: the part that is trained further on its own."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.post_quant_conv, self.decoder = vae.post_quant_conv, vae.decoder

    def forward(self, latents: Tensor) -> Tensor:
        """Draw latents as pictures in -1..1."""
        assert self.post_quant_conv is not None
        return self.decoder(self.post_quant_conv(latents))


def decoding_loss(
    drawn: Decoding, renders: Renders, latents: Float[Tensor, "image channel row col"]
) -> LossOf:
    """A tenth of log MSE, half the L1, half the L1 of 8x8 means, on whole pictures.

    The encoder rests, so that latents stay what they are. The mean of log MSE over pictures is
    PSNR; beside 64² crops and drawn latents, whole pictures and posterior means are what a
    generated picture's decoder meets.
    """
    device = next(drawn.parameters()).device
    batch = at_once(device, cpu=8)

    def loss_of(generator: torch.Generator) -> Tensor:
        rows = picked(len(renders), batch, generator)
        images = renders.picked("image", rows).to(device).float() / 127.5 - 1
        seen = latents[rows.to(latents.device)].to(device, torch.float32)
        with fast_precision(device):
            pictures = drawn(seen.contiguous(memory_format=torch.channels_last))
        error = pictures.float() - images
        squared = error.square().mean(dim=(1, 2, 3))
        coarse = F.avg_pool2d(error, 8).abs().mean()
        return 0.1 * (squared + 1e-5).log().mean() + 0.5 * (error.abs().mean() + coarse)

    return loss_of


def reconstruction_loss(vae: AutoencoderKL, renders: Callable[[], Renders]) -> LossOf:
    """L1 + 2 MSE + L1 of 8x8 means + 1e-4 KL on random 64² crops of what has been drawn so far.

    The means are there for colour: what the autoencoder forgets, nothing later can restore.
    """
    device = next(vae.parameters()).device
    batch = at_once(device, cpu=16)

    def loss_of(generator: torch.Generator) -> Tensor:
        top, left = picked(65, 2, generator).tolist()
        known = renders()
        rows = picked(len(known), batch, generator)
        crops = known.picked("image", rows)[:, :, top : top + 64, left : left + 64]
        images = (crops.to(device).float() / 127.5 - 1).contiguous(
            memory_format=torch.channels_last
        )
        if coin(generator):
            images = images.flip(-1)
        with fast_precision(device):
            posterior = _posterior(vae, images)
            decoded = _decoded(vae, posterior.sample())
        error = decoded.float() - images
        coarse = F.avg_pool2d(error, 8).abs().mean()
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        return error.abs().mean() + 2 * error.square().mean() + coarse + 1e-4 * kl

    return loss_of


@torch.no_grad()
def fold_normalisation(
    vae: AutoencoderKL, latents: Float[Tensor, "image channel row col"]
) -> AutoencoderKL:
    """Give latents zero mean and unit variance per channel, inside the two 1x1 convolutions.

    SD's pipeline knows one scale for all channels and no shift. The encoder's last convolution
    writes mean and log variance, the decoder's first reads the mean back, and both are linear.
    """
    mean = latents.mean(dim=(0, 2, 3))
    spread = latents.std(dim=(0, 2, 3))
    write, read = vae.quant_conv, vae.post_quant_conv
    assert write is not None
    assert write.bias is not None
    assert read is not None
    assert read.bias is not None
    channels = len(mean)
    read.bias += read.weight[:, :, 0, 0] @ mean
    read.weight *= spread[None, :, None, None]
    write.weight[:channels] /= spread[:, None, None, None]
    write.bias[:channels] = (write.bias[:channels] - mean) / spread
    write.bias[channels:] -= 2 * spread.log()
    return vae


@torch.no_grad()
def encode_all(
    vae: AutoencoderKL, pictures: UInt8[Tensor, "image 3 height width"], *, mirrored: bool
) -> Float[Tensor, "image channel row col"]:
    """Encode every picture to its posterior mean, mirrored left to right or not."""
    device = next(vae.parameters()).device
    parts = []
    for images in pictures.split(64):
        images = images.to(device).float() / 127.5 - 1
        images = images.flip(-1) if mirrored else images
        images = images.contiguous(memory_format=torch.channels_last)
        with fast_precision(device):
            posterior = _posterior(vae, images)
        parts.append(posterior.mean.float().cpu())
    return torch.cat(parts)


@torch.no_grad()
def reconstruct(vae: AutoencoderKL, renders: Renders) -> Float[Tensor, "image 3 height width"]:
    """Encode and decode every picture, back to 0..1."""
    device = next(vae.parameters()).device
    parts = []
    for images in renders.truth["image"].split(32):
        images = (images.to(device).float() / 127.5 - 1).contiguous(
            memory_format=torch.channels_last
        )
        with fast_precision(device):
            decoded = _decoded(vae, _posterior(vae, images).mean)
        parts.append((decoded.float() / 2 + 0.5).clamp(0, 1).cpu())
    return torch.cat(parts)


def _posterior(vae: AutoencoderKL, images: Tensor) -> DiagonalGaussianDistribution:
    return vae.encode(images, return_dict=False)[0]


def _decoded(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    # diffusers asks for a FloatTensor, which no float tensor is an instance of to a type checker
    return vae.decode(latents, return_dict=False)[0]  # pyright: ignore[reportArgumentType]
