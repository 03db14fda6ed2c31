"""What stands between a tap and a wrong number: each check ends in an error that says the cause.

Pipelines are sped up, compressed and combined by others. What is known to change what a layer shows
is refused before the first step; whatever else does so is caught by what it leaves behind: a layer
that runs more or less than once, other batches or tokens than expected, values that are not finite.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from ..core.errors import LayerError, ModelError

_HARMLESS = ("layerwise_casting", "peft_autocast_disable")
"""Hooks of diffusers that change how weights are kept, and nothing of what a layer shows."""


def uncompiled(denoiser: nn.Module) -> Any:
    """Give the module inside one that `torch.compile` made."""
    return getattr(denoiser, "_orig_mod", denoiser)


def check_hooks(denoiser: nn.Module) -> None:
    """Refuse a denoiser whose layers may be skipped, or replaced by what a cache remembers.

    Raises:
        LayerError: if a cache or another hook of diffusers stands at one of its modules.
    """
    if getattr(denoiser, "is_cache_enabled", False):
        raise LayerError(
            f"{type(denoiser).__name__} has a cache ({_cache_name(denoiser)}), which skips layers "
            "at some steps. Take it off with `disable_cache()`."
        )
    for path, module in denoiser.named_modules():
        if hasattr(module, "_tome_info"):
            raise LayerError(
                f"{type(denoiser).__name__} merges tokens (tomesd), and the grid of its layers is "
                "gone. Merged tokens cannot be read: `tomesd.remove_patch(pipeline)`."
            )
        if hasattr(module, "_hf_hook"):
            raise LayerError(
                f"A hook of accelerate stands at {path or type(module).__name__}, which moves it "
                "between devices. Take it off: `remove_hook_from_module`, or `remove_all_hooks()`."
            )
        registry = getattr(module, "_diffusers_hook", None)
        names = getattr(registry, "hooks", {})
        if unknown := [name for name in names if not str(name).startswith(_HARMLESS)]:
            raise LayerError(
                f"The hook {unknown[0]!r} stands at {path or type(module).__name__}: it may skip "
                "or move what a layer shows. Load the model without it."
            )


def dtype_of(denoiser: nn.Module) -> torch.dtype:
    """Say what a denoiser computes in, of its own saying: its weights may be kept in less."""
    return getattr(denoiser, "dtype", None) or next(denoiser.parameters()).dtype


def check_dtype(denoiser: nn.Module, described: torch.dtype) -> None:
    """Refuse a denoiser that computes in another dtype than was described, and is recorded.

    Raises:
        ModelError: if it was turned into another since.
    """
    if (found := dtype_of(denoiser)) != described:
        name = str(found).removeprefix("torch.")
        raise ModelError(
            f"The {type(denoiser).__name__} was turned into {found} after it was described as "
            f"{described}. Load it so, with `dtype={name!r}`, or describe it again: "
            "`Model.of(pipeline, …)`."
        )


def check_same(pipeline: Any, denoiser: nn.Module) -> None:
    """Refuse a pipeline whose denoiser is no longer the one that was described.

    Raises:
        ModelError: if its UNet or transformer was exchanged.
    """
    for part in ("unet", "transformer"):
        found = getattr(pipeline, part, None)
        if found is None:
            continue
        if uncompiled(found) is not denoiser:
            raise ModelError(
                f"The {part} of {type(pipeline).__name__} was exchanged after it was described, so "
                "what is read would be of the first. Describe it again: `Model.of(pipeline, …)`."
            )
        return


def check_still(pipeline: Any) -> None:
    """Refuse a pipeline of which a part drops values at random, or measures its batch.

    Raises:
        ModelError: if one is in training mode and has dropout or batch normalisation; it names it.
    """
    for part, module in pipeline.components.items():
        if not isinstance(module, nn.Module):
            continue
        for path, each in module.named_modules():
            is_random = isinstance(each, _DropoutNd) and each.p > 0
            if each.training and (is_random or isinstance(each, _BatchNorm)):
                raise ModelError(
                    f"The {part} of {type(pipeline).__name__} is in training mode, in which "
                    f"{type(each).__name__} at {path} makes every run another. Call "
                    f"`pipeline.{part}.eval()`."
                )


def check_grid(layer: Any, resolution: tuple[int, int]) -> None:
    """Make sure that a layer's rows and columns are those of pictures of this size.

    A count of tokens alone does not tell a landscape from a portrait.

    Raises:
        LayerError: if no one number of pixels a cell gives both.
    """
    rows, cols = layer.grid
    height, width = resolution
    for cell in range(1, max(resolution) + 1):
        # Token grids leave an edge out; convolutions keep it.
        if rows in (height // cell, -(-height // cell)) and cols in (
            width // cell,
            -(-width // cell),
        ):
            return
    raise LayerError(
        f"Layer {layer.name} has {rows}×{cols} cells, which are none of a picture of "
        f"{height}×{width} pixels. It was found at another size: call `find_layers` on this model. "
        "A picture that is drawn in parts, such as a panorama, cannot be read."
    )


def check_tokens(layer: Any, tokens: Tensor, *, step: int, batch: int, count: int) -> None:
    """Make sure that a layer shows the batch and the tokens that it should.

    Args:
        layer: The `Layer`.
        tokens: What it gave.
        step: Of the run, from 0.
        batch: How many images the denoiser is asked about at once, those of guidance counted.
        count: How many tokens it should have for each.

    Raises:
        LayerError: if it shows anything else.
    """
    rows, cols = layer.grid
    where = f"Layer {layer.name} at step {step}"
    if tokens.ndim != 3 or tokens.shape[-1] != layer.channels:
        raise LayerError(
            f"{where} gave {tuple(tokens.shape)}, and images × tokens × {layer.channels} channels "
            "were expected. This is a layer of another model: call `find_layers` on this one."
        )
    if tokens.shape[0] != batch:
        raise LayerError(
            f"{where} runs on a batch of {tokens.shape[0]}; {batch} were expected. A guidance that "
            "adds copies of its own, such as perturbed attention, does this: leave this layer out. "
            "So does attention within tiles: take that off."
        )
    if tokens.shape[1] != count:
        text = f" and {count - rows * cols} of text" if count != rows * cols else ""
        raise LayerError(
            f"{where} has {tokens.shape[1]} tokens; {rows}×{cols} = {rows * cols}{text} were "
            "expected. Merged tokens or another resolution do this: take the patch off, or find "
            "the layers again."
        )


def check_finite(values: Mapping[str, Tensor], *, first_step: int) -> None:
    """Make sure that what was kept of each layer is finite, with one look at the device.

    Args:
        values: By layer name, steps first.
        first_step: Step of the run that comes first.

    Raises:
        LayerError: if NaN or infinity is among them; it names the first layer and step.
    """
    if not values:
        return
    # The extremes of each step: they carry NaN along, and unlike a sum cannot overflow.
    extremes = [torch.stack(torch.aminmax(each.flatten(1), dim=1)) for each in values.values()]
    finite = torch.stack(extremes).isfinite().all(dim=1).cpu()
    if finite.all():
        return
    step = int((~finite).any(dim=0).nonzero()[0])
    name = list(values)[int((~finite[:, step]).nonzero()[0])]
    raise LayerError(
        f"Layer {name} at step {first_step + step} holds NaN or infinity; finite values were "
        "expected. Half precision that overflows does this: use dtype='bfloat16' or 'float32'."
    )


def check_latents(steps: Sequence[Tensor], *, first_step: int) -> None:
    """Make sure that latents are of one size, and finite at every step.

    Raises:
        ModelError: if not; it names the first step.
    """
    sizes = list(dict.fromkeys(tuple(each.shape) for each in steps))
    if len(sizes) > 1:
        raise ModelError(
            f"The scheduler is shown latents of {sizes[0]} and {sizes[1]} in one run. A pipeline "
            "that draws a picture in parts, such as a panorama, does this: use a plain one."
        )
    latents = torch.stack(list(steps))
    finite = latents.flatten(1).isfinite().all(dim=1).cpu()
    if not finite.all():
        raise ModelError(
            f"The latents hold NaN or infinity at step {first_step + int((~finite).nonzero()[0])}. "
            "Half precision that overflows does this: use dtype='bfloat16' or 'float32'."
        )


def check_size(pipeline: Any, latents: Tensor, images: Tensor, resolution: tuple[int, int]) -> None:
    """Make sure that pictures are as large as was asked for: some pipelines round in silence.

    Raises:
        ModelError: if not. One that is mistaken in its VAE's scale alone keeps the size in latents.
    """
    height, width = images.shape[-2:]
    unit = pipeline.vae_scale_factor
    is_kept = tuple(latents.shape[-2:]) == (resolution[0] // unit, resolution[1] // unit)
    if (height, width) != resolution and not is_kept:
        raise ModelError(
            f"{type(pipeline).__name__} draws {height}×{width} pixels where "
            f"{resolution[0]}×{resolution[1]} were asked for. Choose a size that it keeps."
        )


def _cache_name(denoiser: nn.Module) -> str:
    return type(getattr(denoiser, "_cache_config", None)).__name__.removesuffix("Config")
