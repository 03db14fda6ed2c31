"""What probes read while a generation runs, as pictures that can be watched."""

from collections.abc import Callable, Mapping, Sequence

import torch
from einops import rearrange
from jaxtyping import Float, Float64
from torch import Tensor

from ..models.capture import Tap
from ..models.layers import Layer
from .probes import Probe, ProbeKey

SHOWN = 8
"""How many images of a batch are shown."""

Show = Callable[[int, str, Float[Tensor, "3 height width"]], None]
"""Called with a step, from 0, a property's name, and a picture in 0..1."""


def reading_taps(
    layers: Mapping[str, Layer],
    probes: Mapping[ProbeKey, Probe],
    *,
    images: int,
    show: Callable[[int, str, Float64[Tensor, "image target row col"]], object],
) -> dict[str, Tap]:
    """Make taps for `tapped` that read probes live, in any loop that runs a denoiser.

    Examples:
        >>> shared = up.load_probes(SHARED)
        >>> layer = next(x for x in up.find_layers(model) if x.name == shared.best_layers["depth"])
        >>> seen = lambda step, property, read: print(step, property, tuple(read.shape))
        >>> taps = up.reading_taps({"depth": layer}, shared.probes, images=1, show=seen)
        >>> with up.tapped(model.denoiser, taps, steps=2):
        ...     _ = up.trace(model, [up.Prompt("a red cone", 1)], steps=2)  # or your loop
        0 depth (1, 1, ...)
        1 depth (1, 1, ...)

    Args:
        layers: Where to read each property.
        probes: Steps that have none are not read.
        images: How many are generated at once; the last so many of the batch are read.
        show: Called with (step, property, map) as soon as a layer has run.

    Returns:
        Taps by module, which leave every activation as it is.
    """

    def tap_of(layer: Layer, names: Sequence[str]) -> Tap:
        rows, cols = layer.grid

        def tap(step: int, tokens: Tensor) -> None:
            activation = rearrange(
                tokens[-images:, -rows * cols :],
                "image (row col) channel -> image channel row col",
                row=rows,
            )
            for name in names:
                if (probe := probes.get((name, layer.name, step))) is not None:
                    show(step, name, probe(activation))

        return tap

    by_layer: dict[Layer, list[str]] = {}
    for name, layer in layers.items():
        by_layer.setdefault(layer, []).append(name)
    return {layer.module: tap_of(layer, names) for layer, names in by_layer.items()}


def preview_taps(
    layers: Mapping[str, Layer], probes: Mapping[ProbeKey, Probe], *, images: int, show: Show
) -> dict[Layer, Tap]:
    """Make taps that show what is read at each step, and leave every activation as it is.

    Args:
        layers: Where to read each property.
        probes: Steps that have none are not shown.
        images: How many are generated at once.
        show: Called as soon as a layer has run.
    """

    def tap_of(layer: Layer, names: Sequence[str]) -> Tap:
        def tap(step: int, tokens: Tensor) -> None:
            conditional = tokens[-images:][:SHOWN]
            activation = rearrange(
                conditional, "image (row col) channel -> image channel row col", row=layer.grid[0]
            )
            for name in names:
                if (probe := probes.get((name, layer.name, step))) is not None:
                    show(step, name, _side_by_side(probe(activation).float()))

        return tap

    by_layer: dict[Layer, list[str]] = {}
    for name, layer in layers.items():
        by_layer.setdefault(layer, []).append(name)
    return {layer: tap_of(layer, names) for layer, names in by_layer.items()}


def _side_by_side(maps: Float[Tensor, "image target row col"]) -> Float[Tensor, "3 height width"]:
    """Draw the first target of each image in grey, from its least to its greatest value."""
    grey = maps[:, 0]
    low, high = grey.amin(dim=(1, 2), keepdim=True), grey.amax(dim=(1, 2), keepdim=True)
    shares = (grey - low) / (high - low).clamp(min=torch.finfo(grey.dtype).tiny)
    factor = max(1, 96 // grey.shape[-1])
    large = shares.repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2)
    return rearrange(large, "image height width -> height (image width)").expand(3, -1, -1)
