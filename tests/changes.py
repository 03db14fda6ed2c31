"""What people do to a pipeline to make it faster, smaller or another one, each in a few lines.

Each takes a pipeline, changes its denoiser in place, and may raise what diffusers raises where a
denoiser cannot have it.
"""

from collections.abc import Callable
from typing import Any

import accelerate
import diffusers
import peft
import torch
from torch import nn

_CPU = torch.device("cpu")


def denoiser_of(pipe: Any) -> nn.Module:
    """Give a pipeline's UNet, transformer or prior."""
    for name in ("unet", "transformer", "prior"):
        if getattr(pipe, name, None) is not None:
            return getattr(pipe, name)
    raise AttributeError(f"{type(pipe).__name__} has no denoiser")


def leave(_pipe: Any) -> None:
    """Change nothing."""


def cached(config: Callable[[nn.Module], Any]) -> Callable[[Any], None]:
    """Make a change that caches what layers gave."""

    def change(pipe: Any) -> None:
        denoiser = denoiser_of(pipe)
        apply = getattr(diffusers, f"apply_{_SNAKE[type(config(denoiser)).__name__]}")
        if hasattr(denoiser, "enable_cache"):
            denoiser.enable_cache(config(denoiser))
        else:
            apply(denoiser, config(denoiser))
        hooked = [getattr(each, "_diffusers_hook", None) for each in denoiser.modules()]
        if not any(each is not None and each.hooks for each in hooked):
            raise ValueError("no layer of this denoiser is known to the cache")

    return change


_SNAKE = {
    "FirstBlockCacheConfig": "first_block_cache",
    "PyramidAttentionBroadcastConfig": "pyramid_attention_broadcast",
    "FasterCacheConfig": "faster_cache",
    "TaylorSeerCacheConfig": "taylorseer_cache",
    "MagCacheConfig": "mag_cache",
}


def _broadcast(_denoiser: nn.Module) -> Any:
    return diffusers.PyramidAttentionBroadcastConfig(
        spatial_attention_block_skip_range=2,
        spatial_attention_timestep_skip_range=(-1, 1001),
        spatial_attention_block_identifiers=("blocks", "layers"),
        current_timestep_callback=lambda: 500,
    )


def _faster(_denoiser: nn.Module) -> Any:
    return diffusers.FasterCacheConfig(
        spatial_attention_block_skip_range=2,
        spatial_attention_block_identifiers=("blocks", "layers"),
        current_timestep_callback=lambda: 500,
    )


def merged(pipe: Any) -> None:
    """Let each self-attention answer for pairs of tokens, and say the answer twice."""
    denoiser = denoiser_of(pipe)
    found = [
        each
        for each in denoiser.modules()
        if isinstance(getattr(each, "to_out", None), nn.ModuleList) and len(each.to_out) > 1
        if not getattr(each, "is_cross_attention", False)
    ]
    if not found:
        raise ValueError("no self-attention whose tokens can be merged")
    for attention in found:
        project, drop = attention.to_out[0], attention.to_out[1]
        project.forward = _before(project.forward)
        drop.forward = _after(drop.forward)


def _before(run: Callable) -> Callable:
    return lambda tokens, *rest: run(tokens.unflatten(1, (-1, 2)).mean(dim=2), *rest)


def _after(run: Callable) -> Callable:
    return lambda tokens, *rest: run(tokens, *rest).repeat_interleave(2, dim=1)


def quantised(pipe: Any) -> None:
    """Keep weights of linear layers as 8-bit integers, by PyTorch's dynamic quantisation."""
    small = torch.ao.quantization.quantize_dynamic(denoiser_of(pipe), {nn.Linear})
    name = "unet" if getattr(pipe, "unet", None) is not None else "transformer"
    setattr(pipe, name, small)


def cast(pipe: Any) -> None:
    """Keep weights as 8-bit floats between their uses."""
    denoiser_of(pipe).enable_layerwise_casting(torch.float8_e4m3fn, torch.float32)


def compiled_forward(pipe: Any) -> None:
    """Compile a denoiser's forward."""
    denoiser = denoiser_of(pipe)
    denoiser.forward = torch.compile(denoiser.forward, backend="eager")


def compiled_blocks(pipe: Any) -> None:
    """Compile the blocks that repeat."""
    denoiser_of(pipe).compile_repeated_blocks(backend="eager")


def adapted(pipe: Any) -> None:
    """Add a LoRA to the queries of attention."""
    denoiser = denoiser_of(pipe)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        targets = r".*(to_q|to_out\.0)"
        config = peft.LoraConfig(r=2, target_modules=targets, init_lora_weights=False)
        if hasattr(denoiser, "add_adapter"):
            denoiser.add_adapter(config)
        else:
            peft.inject_adapter_in_model(config, denoiser)


def moved_by_parts(pipe: Any) -> None:
    """Offload each module of a denoiser when it has run, as sequential offload does."""
    accelerate.cpu_offload(denoiser_of(pipe), execution_device=_CPU)


def moved_as_a_whole(pipe: Any) -> None:
    """Offload a denoiser when it has run, as model offload does."""
    accelerate.cpu_offload_with_hook(denoiser_of(pipe), execution_device=_CPU)


def moved_by_groups(pipe: Any) -> None:
    """Offload a denoiser in groups of layers."""
    denoiser_of(pipe).enable_group_offload(
        onload_device=_CPU, offload_device=_CPU, offload_type="leaf_level"
    )


CHANGES: dict[str, dict[str, Callable[[Any], None]]] = {
    "plain": {"plain": leave},
    "cached": {
        "first block": cached(lambda _: diffusers.FirstBlockCacheConfig(threshold=10.0)),
        "broadcast": cached(_broadcast),
        "FasterCache": cached(_faster),
        "TaylorSeer": cached(lambda _: diffusers.TaylorSeerCacheConfig()),
        "MagCache": cached(
            lambda _: diffusers.MagCacheConfig(mag_ratios=torch.ones(2), num_inference_steps=2)
        ),
    },
    "merged": {"merged": merged},
    "quantised": {"int8": quantised},
    "fp8": {"fp8": cast},
    "compiled": {"forward": compiled_forward, "blocks": compiled_blocks},
    "LoRA": {"LoRA": adapted},
    "offloaded": {
        "by parts": moved_by_parts,
        "as a whole": moved_as_a_whole,
        "by groups": moved_by_groups,
    },
}
"""Each kind of change, and its ways."""
