"""Pictures that nobody generated, with labels that are exact, noised to every step of a run.

A generated picture has no truth but a labeler's opinion. A rendered or measured one has. It is
encoded, noised to each step's level with one draw of noise, and shown to the denoiser for that one
step, so probes, baselines and labelers can all be held against the truth.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..core.errors import LabelError
from ..core.pictures import open_png
from ..core.prompts import Prompt
from ..core.properties import Property
from .layers import Layer
from .model import Model, encode
from .schedules import noise_level, plan
from .traces import Trace, trace


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
    scheduler = plan(model.pipeline.scheduler, steps=steps)
    scheduler.set_timesteps(steps)
    parts = []
    for step, timestep in enumerate(scheduler.timesteps):
        signal, strength = noise_level(scheduler, timestep, step=step)
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


def read_folder(folder: Path, properties: Sequence[Property], *, size: tuple[int, int]) -> Pictures:
    """Find pictures and their labels in a folder, by the numbers of their prompts.

    `00012.png` is the picture of prompt 12. Beside it, `00012.depth.npy` holds its depth, an array
    `height width` or `target height width`, as it is; `00012.depth.png` does too, its grey (or
    colour, of three targets) in 0..1, normals in -1..1. Where an array is NaN or infinite, nothing
    is known: such pixels count for nothing.

    Args:
        folder: Where they are.
        properties: Whose labels are wanted.
        size: Height and width that pictures and labels must have.

    Raises:
        LabelError: when pictures are asked for, if a file is missing, cannot be read or has
            another size.
    """

    def find(prompts: Sequence[Prompt]) -> Given:
        stems = [f"{prompt.index or 0:05d}" for prompt in prompts]
        images = torch.stack([_read_picture(folder / f"{stem}.png", 3, size) for stem in stems])
        labels = {
            each.name: torch.stack([_read_label(folder, stem, each, size) for stem in stems])
            for each in properties
        }
        return Given(images, labels)

    return find


def _joined(parts: Sequence[Mapping[Layer, Tensor]]) -> dict[Layer, Tensor]:
    return {layer: torch.cat([part[layer] for part in parts]) for layer in parts[0]}


def _read_label(
    folder: Path, stem: str, property: Property, size: tuple[int, int]
) -> Float[Tensor, "target height width"]:
    numbers, drawn = (folder / f"{stem}.{property.name}{end}" for end in (".npy", ".png"))
    if not numbers.exists():
        if not drawn.exists():
            raise LabelError(
                f"{folder} holds no {property.name} of picture {stem}: neither {numbers.name} nor "
                f"{drawn.name}. Put one there, or leave {property.name} out of --properties."
            )
        maps = _read_picture(drawn, property.targets, size)
        return maps * 2 - 1 if property.name == "normals" else maps
    try:
        found = np.load(numbers, allow_pickle=False)
        maps = torch.from_numpy(found if found.ndim == 3 else found[None]).float()
    except (OSError, ValueError, TypeError) as error:
        raise LabelError(f"Cannot read {numbers} ({error}). Save it with numpy.save.") from error
    _check_size(numbers, maps, (property.targets, *size))
    return maps


def _read_picture(
    path: Path, channels: int, size: tuple[int, int]
) -> Float[Tensor, "channel height width"]:
    try:
        with open_png(path) as picture:
            is_deep = picture.mode.startswith("I;16")
            pixels = np.array(
                picture if is_deep else picture.convert("RGB" if channels == 3 else "L")
            )
    except OSError as error:
        raise LabelError(f"Cannot read {path} ({error}). Save it as PNG.") from error
    deepest = 65535 if is_deep else 255
    maps = torch.from_numpy(pixels.reshape(*pixels.shape[:2], -1) / np.float32(deepest))
    _check_size(path, maps.permute(2, 0, 1), (channels, *size))
    return maps.permute(2, 0, 1)


def _check_size(path: Path, maps: Tensor, expected: tuple[int, int, int]) -> None:
    if tuple(maps.shape) != expected:
        raise LabelError(
            f"{path} is {' × '.join(map(str, maps.shape))} (channels × height × width); it has to "
            f"be {' × '.join(map(str, expected))}, as the model's pictures are."
        )
