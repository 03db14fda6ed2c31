"""The noun that every pass over a model starts from, and the way between latents and images."""

import hashlib
import inspect
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import torch

# Its module has moved between versions of diffusers, its name has not.
from diffusers import LDMPipeline  # pyright: ignore[reportPrivateImportUsage]
from diffusers.models.autoencoders.vq_model import VQModel
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ..core.errors import ModelError
from .capture import tapped
from .guard import uncompiled
from .identity import adapters, digest, is_plain
from .refusals import check_pipeline
from .unprompted import UnpromptedPipeline

_DECODED_AT_ONCE, _DECODED_HERE, _DECODED_PX = 8, 4, 2**19
"""Most pictures that go through a VAE at once, on a GPU and on a processor, whose caches hold few;
and most pixels: two of 512², one of 1024²."""
_ONE_AT_A_TIME = threading.RLock()
"""What another thread decodes must not pass the hook of `decoder_attention`."""


_OURS = {
    *("self", "args", "kwargs", "prompt", "height", "width", "num_inference_steps", "timesteps"),
    *("sigmas", "guidance_scale", "generator", "latents", "output_type", "return_dict"),
    *("num_images_per_prompt", "callback_on_step_end", "callback", "callback_steps"),
}
"""Words of a pipeline's call that this package says, or that would change what they mean."""


@dataclass(frozen=True, eq=False)
class Model:
    """A latent diffusion pipeline and what has to be known about it. Build one with `load`.

    Args:
        name: The id or path it was asked for by.
        pipeline: A diffusers pipeline. Its own `__call__` generates; nothing of it is copied.
        denoiser: Its UNet or transformer.
        weights: "sha256:…" over the weight files, or "revision:…" of a hub id; empty where the
            pipeline was built in memory.
        guidance: Guidance scale that the model is meant to be used with.
        resolution: Height and width of its images, in pixels.
        device: Where it runs.
        dtype: What the denoiser computes in.
        call: What else its pipeline's call is given, by name.
        as_read: What the denoiser's weights came to when they were read from those files.
    """

    name: str
    pipeline: Any
    denoiser: nn.Module
    weights: str
    guidance: float
    resolution: tuple[int, int]
    device: torch.device
    dtype: torch.dtype
    call: Mapping[str, Any] = field(default_factory=dict)
    as_read: str = ""

    @classmethod
    def of(
        cls,
        pipeline: Any,
        *,
        name: str,
        fingerprint: str = "",
        guidance: float | None = None,
        resolution: tuple[int, int] | None = None,
        call: Mapping[str, Any] | None = None,
    ) -> "Model":
        """Describe a pipeline that is already in memory.

        Args:
            pipeline: A latent text-to-image pipeline with one UNet or transformer, or diffusers'
                `LDMPipeline`, which takes no prompt.
            name: What to call it.
            fingerprint: What tells its weights from others.
            guidance: Default guidance scale; the pipeline's own where not given.
            resolution: Height and width in pixels; the model's own where not given.
            call: What else to give the pipeline's call, such as `max_sequence_length`.

        Raises:
            ModelError: if the pipeline has no denoiser or VAE, takes no prompt, packs latents
                into tokens, or cannot draw that size.
        """
        if isinstance(pipeline, LDMPipeline) and not isinstance(pipeline, UnpromptedPipeline):
            pipeline = UnpromptedPipeline.of(pipeline)
        denoiser = getattr(pipeline, "unet", None)
        if denoiser is None:
            denoiser = getattr(pipeline, "transformer", None)
        denoiser = None if denoiser is None else uncompiled(denoiser)
        denoiser = check_pipeline(pipeline, denoiser)
        _check_call(pipeline, call or {})
        size = resolution or _own_resolution(pipeline, denoiser)
        unit = pipeline.vae_scale_factor * (2 if hasattr(pipeline, "_pack_latents") else 1)
        if any(side < 1 or side % unit for side in size):
            raise ModelError(
                f"{name} cannot draw {size[0]}×{size[1]} pixels: one of its latents covers {unit} "
                "pixels. Choose a multiple of that."
            )
        try:
            device = torch.device(pipeline.device)
            # Of the module's own saying: weights may be kept in less than it computes in.
            dtype = getattr(denoiser, "dtype", None) or next(denoiser.parameters()).dtype
        except StopIteration as error:
            raise ModelError(
                f"{type(denoiser).__name__} has no plain weight left that says where it is and in "
                "what it computes, so its pipeline cannot run. Quantise fewer of its layers."
            ) from error
        return cls(
            name=name,
            pipeline=pipeline,
            denoiser=denoiser,
            weights=fingerprint,
            guidance=_own_guidance(pipeline) if guidance is None else guidance,
            resolution=size,
            device=device,
            dtype=dtype,
            call=dict(call or {}),
            as_read=digest(denoiser) if fingerprint else "",
        )

    @property
    def fingerprint(self) -> str:
        """What tells its weights from others: those of its files, and what was done to them since.

        Adapters count while they act, and so do weights that an adapter was fused into.
        """
        since = adapters(self.pipeline)
        if self.as_read and (now := digest(self.denoiser)) != self.as_read:
            since += now
        if not since:
            return self.weights
        return f"{self.weights}+{hashlib.sha256(since.encode()).hexdigest()[:16]}"

    @property
    def takes_text(self) -> bool:
        """Say whether prompts' texts mean anything to it, or only their seeds."""
        return not isinstance(self.pipeline, UnpromptedPipeline)

    @property
    def is_transformer(self) -> bool:
        """Say whether the denoiser is a transformer and no UNet."""
        return getattr(self.pipeline, "unet", None) is None


def as_model(model: Model | DiffusionPipeline) -> Model:
    """Take a pipeline as it is for a model, with its own guidance and resolution.

    Raises:
        ModelError: as `Model.of`.
    """
    return model if isinstance(model, Model) else Model.of(model, name=type(model).__name__)


def exact_size(model: Model) -> dict[str, Any]:
    """Say to a pipeline, in its own words, how large to draw (no size near to it) and `call`."""
    height, width = model.resolution
    known = inspect.signature(type(model.pipeline).__call__).parameters
    bins = {"use_resolution_binning": False} if "use_resolution_binning" in known else {}
    return {"height": height, "width": width, **bins, **model.call}


def unpacked(
    model: Model, latents: Float[Tensor, "image ..."]
) -> Float[Tensor, "image latent lrow lcol"]:
    """Lay latents out in rows and columns, where a pipeline holds them as tokens of 2x2."""
    if latents.ndim == 4:
        return latents
    scale = model.pipeline.vae_scale_factor
    return model.pipeline._unpack_latents(latents, *model.resolution, scale)


def packed(
    model: Model, latents: Float[Tensor, "image latent lrow lcol"]
) -> Float[Tensor, "image ..."]:
    """Undo `unpacked`: give latents to a pipeline as it holds them."""
    if not hasattr(model.pipeline, "_pack_latents"):
        return latents
    return model.pipeline._pack_latents(latents, *latents.shape)


def _plain_copy(denoiser: nn.Module) -> nn.Module:
    """Copy a denoiser whose weights are plain numbers, so that they can be drawn anew.

    Raises:
        ModelError: if they are quantised or cast, or a function took the place of a `forward`.
    """
    weights = list(denoiser.parameters())
    is_hidden = any(callable(getattr(each, "weight", None)) for each in denoiser.modules())
    # A copy's `forward` that is a function would go on running the weights of the first.
    is_bound = any(isinstance(vars(m).get("forward"), FunctionType) for m in denoiser.modules())
    if is_hidden or is_bound or not all(map(is_plain, weights)):
        raise ModelError(
            "The controls `permuted` and `untrained` need plain weights, and this denoiser's are "
            "quantised, cast or wrapped. Leave these controls out (`--quick`)."
        )
    return deepcopy(denoiser)


@torch.no_grad()
def permuted(denoiser: nn.Module, *, seed: int) -> nn.Module:
    """Copy a denoiser with the elements of each weight tensor in random order.

    It keeps every tensor's distribution and forgets all that training put into it: the literature's
    control (Chen, Viégas & Wattenberg 2023, appendix).
    """
    copy = _plain_copy(denoiser)
    generator = torch.Generator().manual_seed(seed)
    for weight in copy.parameters():
        order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
        weight.copy_(weight.flatten()[order].view_as(weight))
    return copy.requires_grad_(False)


@torch.no_grad()
def untrained(denoiser: nn.Module, *, seed: int) -> nn.Module:
    """Copy a denoiser with fresh weights, as PyTorch's linear layers and convolutions begin.

    Matrices and kernels are uniform within `1 / sqrt(inputs)`; vectors become 1 where they scale
    ("weight") and 0 where they are added. Not even the distribution of trained weights is left.
    """
    copy = _plain_copy(denoiser)
    generator = torch.Generator().manual_seed(seed)
    for name, weight in copy.named_parameters():
        if weight.ndim < 2:
            weight.fill_(1.0 if name.endswith("weight") else 0.0)
            continue
        bound = weight[0].numel() ** -0.5
        fresh = torch.empty(weight.shape).uniform_(-bound, bound, generator=generator)
        weight.copy_(fresh)
    return copy.requires_grad_(False)


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


def _check_call(pipeline: Any, call: Mapping[str, Any]) -> None:
    known = set(inspect.signature(type(pipeline).__call__).parameters) - _OURS
    if unknown := sorted(set(call) - known):
        raise ModelError(
            f"The call of {type(pipeline).__name__} is not to be given {unknown[0]!r}: it takes no "
            f"such word, or it is said elsewhere. It takes {', '.join(sorted(known))}."
        )


def _own_guidance(pipeline: Any) -> float:
    """Take what the pipeline's own call takes where nothing is said."""
    said = inspect.signature(type(pipeline).__call__).parameters.get("guidance_scale")
    return float(said.default) if said and isinstance(said.default, int | float) else 1.0


def _own_resolution(pipeline: Any, denoiser: Any) -> tuple[int, int]:
    size = getattr(pipeline, "default_sample_size", None) or denoiser.config.sample_size
    if size is None:
        raise ModelError(
            f"{type(pipeline).__name__} does not say its image size. Write it into "
            'underpaint.json in the model\'s folder, as in {"resolution": 512}.'
        )
    rows, cols = (size, size) if isinstance(size, int) else size
    return rows * pipeline.vae_scale_factor, cols * pipeline.vae_scale_factor
