"""Pictures that nobody generated, with labels that are exact, noised to every step of a run.

A generated picture has no truth but a labeler's opinion. A rendered or measured one has. It is
encoded, noised to each step's level with one draw of noise, and shown to the denoiser for that one
step, so probes, baselines and labelers can all be held against the truth.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..core.prompts import Prompt
from .layers import Layer
from .levels import find_levels
from .model import Model
from .traces import Trace, trace
from .vae import encode


@dataclass(frozen=True, eq=False)
class Given:
    """A batch of pictures in 0..1, and their exact labels by property."""

    images: Float[Tensor, "image 3 height width"]
    labels: Mapping[str, Float[Tensor, "image _ height width"]]


Pictures = Callable[[Sequence[Prompt]], Given]
"""Finds the pictures of some prompts, and their labels."""


@torch.no_grad()
def trace_given(
    model: Model,
    images: Float[Tensor, "image 3 height width"],
    prompts: Sequence[Prompt],
    *,
    steps: int,
    guidance: float | None = None,
    layers: Sequence[Layer] = (),
    shadows: Mapping[str, nn.Module] | None = None,
    halves: bool = False,
) -> Trace:
    """Trace pictures as if each step had just reached them: `x_t = a x_0 + s e`, e from the seed.

    Every step is one call of the pipeline from latents that were noised to its level; no step
    follows from the one before. `images` of the trace are the given ones.

    Raises:
        SchedulerError: if the scheduler cannot begin in the middle.
    """
    clean = encode(model, images).to(model.device)
    draws = [torch.Generator().manual_seed(prompt.seed) for prompt in prompts]
    noise = torch.stack([torch.randn(clean.shape[1:], generator=draw) for draw in draws])
    parts = []
    for step, (signal, strength) in enumerate(find_levels(model, steps=steps)):
        noised = signal * clean + strength * noise.to(clean)
        parts.append(
            trace(
                model,
                prompts,
                steps=steps,
                guidance=guidance,
                layers=layers,
                start=(noised, step),
                stop_at=step + 1,
                shadows=shadows,
                halves=halves,
                draws=False,  # the pictures are the given ones
            )
        )
    joined = {
        name: torch.cat([getattr(part, name) for part in parts])
        for name in ("timesteps", "latents", "estimates")
    }
    activations = _joined([part.activations for part in parts])
    shades = {name: _joined([part.shadows[name] for part in parts]) for name in parts[0].shadows}
    return replace(
        parts[-1],
        images=images.to(model.device),
        first_step=0,
        activations=activations,
        shadows=shades,
        unconditional=_joined([part.unconditional for part in parts]),
        **joined,
    )


def _joined(parts: Sequence[Mapping[Layer, Tensor]]) -> dict[Layer, Tensor]:
    return {layer: torch.cat([part[layer] for part in parts]) for layer in parts[0]}
