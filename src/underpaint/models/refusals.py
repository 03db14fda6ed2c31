"""Pipelines that cannot be traced, each refused with what to do instead."""

import inspect
from typing import Any

from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import nn

from ..core.errors import ModelError
from .words import words_of

_PICTURES = {
    *("image", "mask_image", "control_image", "input_image", "input_images", "example_image"),
    *("image_latents", "masked_image_latents", "source_image", "images", "control_images"),
}
_MOVING = ("num_frames", "frames", "motion_field_strength_x")
_OWN = "Use `tapped` around a loop of your own, which may give it what it wants."


def check_pipeline(pipeline: Any, denoiser: Any) -> Any:
    """Give the denoiser; refuse what does not draw one picture from one prompt in a known way.

    Raises:
        ModelError: if so; it says what to do.
    """
    kind = type(pipeline).__name__
    known = words_of(pipeline)
    has_parts = None not in (denoiser, getattr(pipeline, "vae", None))
    if moving := [name for name in known if name in _MOVING or "video" in name]:
        raise ModelError(
            f"{kind} draws video (its call takes {moving[0]}), and only pictures are read here. "
            f"{_OWN}"
        )
    if sounding := [name for name in known if "audio" in name]:
        raise ModelError(
            f"{kind} makes sound (its call takes {sounding[0]}), and only pictures are read here. "
            f"{_OWN}"
        )
    if has_parts and (wanted := sorted(_PICTURES & set(known))):
        raise ModelError(
            f"{kind} draws from a picture (its call takes {wanted[0]}), and a prompt is all that "
            f"is given here. Load its text-to-image pipeline. {_OWN}"
        )
    if not has_parts or not {"prompt", "height", "width"} <= set(known):
        raise ModelError(
            f"{kind} is not a latent text-to-image pipeline: it needs a unet or transformer, "
            "a vae, and a prompt and a size to draw. Use a model such as Stable Diffusion, or an "
            "LDMPipeline."
        )
    needed = [
        name
        for name, each in known.items()
        if each.default is each.empty
        if name not in ("self", "prompt", "height", "width", "num_inference_steps", "generator")
    ]
    if needed:
        raise ModelError(
            f"{kind} cannot be called without {needed[0]}, and a prompt is all that is given here. "
            f"{_OWN}"
        )
    if not _is_network(denoiser):
        raise ModelError(
            f"The denoiser of {kind} is a {type(denoiser).__name__}, which has no configuration or "
            "device of its own, so the pipeline itself cannot run. Give it the network inside."
        )
    if hasattr(pipeline, "_pack_latents") and not _packs_as_flux(pipeline):
        raise ModelError(
            f"{kind} packs its latents into tokens in a way that is not known here. Use a "
            "UNet, PixArt, Stable Diffusion 3 or Flux pipeline."
        )
    _check_places(pipeline, denoiser, kind)
    if denoiser.config.get("encoder_hid_dim_type") == "ip_image_proj":
        raise ModelError(
            f"{kind} has an IP-Adapter, which wants a picture beside each prompt. Unload it "
            "with `unload_ip_adapter()`, or use `tapped` around a loop of your own."
        )
    taken, given = denoiser.config.get("in_channels"), _latent_channels(pipeline)
    if isinstance(taken, int) and isinstance(given, int) and taken != given:
        raise ModelError(
            f"The denoiser of {kind} takes {taken} channels and its VAE has {given}: it is made "
            f"for another pipeline, such as one that inpaints. {_OWN}"
        )
    return denoiser


def _is_network(denoiser: Any) -> bool:
    """Tell whether a denoiser is a network of diffusers itself, which pipelines ask for both."""
    is_placed = isinstance(denoiser, nn.Module) and hasattr(type(denoiser), "device")
    return is_placed and hasattr(denoiser, "config")


def _check_places(pipeline: Any, denoiser: nn.Module, kind: str) -> None:
    parts = [denoiser, pipeline.vae]
    is_moved = any(hasattr(module, "_hf_hook") for part in parts for module in part.modules())
    is_grouped = any(
        "offload" in str(name)
        for part in parts
        for module in part.modules()
        for name in getattr(getattr(module, "_diffusers_hook", None), "hooks", {})
    )
    if getattr(pipeline, "_offload_device", None) is not None or is_moved or is_grouped:
        raise ModelError(
            f"{kind} is offloaded to the CPU between its parts, so it has no one device to be "
            "read on. Move it to one: `pipeline.remove_all_hooks()` and `.to(device)`, or load it "
            "anew without offloading."
        )


def _latent_channels(pipeline: Any) -> Any:
    channels = pipeline.vae.config.get("latent_channels")
    is_packed = hasattr(pipeline, "_pack_latents") and isinstance(channels, int)
    return 4 * channels if is_packed else channels


def _packs_as_flux(pipeline: Any) -> bool:
    """Tell whether latents are packed as 2x2 tokens of a plain image, which we can undo."""
    undo = getattr(pipeline, "_unpack_latents", None)
    known = ["latents", "height", "width", "vae_scale_factor"]
    return (
        undo is not None
        and list(inspect.signature(undo).parameters) == known
        and isinstance(pipeline.vae, AutoencoderKL)
    )
