"""Taking out of activations what is linear of a property, by the least change that does it.

Notation
    x, z     activations of one layer and step, and the labels of a property there
    Σ, Σ_xz  covariance of x, and of x with z
    W        whitening Σ^(-1/2) on the range of Σ; W⁺ = Σ^(1/2)
    U        orthonormal columns that span W Σ_xz
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ..core.errors import EditError
from ..models.capture import Tap
from ..models.layers import Layer
from ..probes.moments import Cell, Moments

OTHER_HALF = "unconditional"
"""What stands before a layer's name where moments are of the half that hears no words."""

_LEAST = 1e-10
"""Of the largest eigenvalue: below it a direction of the activations is rounding."""


@dataclass(frozen=True, eq=False)
class Eraser:
    """Takes a subspace out of activations: `x - (x - mean) read write`.

    Args:
        mean: Of the activations; it stays.
        read: `W U`: what is taken is read along these.
        write: `(W⁺ U)^T`: and taken away along these.
    """

    mean: Float64[Tensor, "channel"]
    read: Float64[Tensor, "channel rank"]
    write: Float64[Tensor, "rank channel"]

    def __call__(self, x: Float[Tensor, "*axes channel"]) -> Float64[Tensor, "*axes channel"]:
        """Erase from rows of any shape."""
        mean, read, write = (each.to(x.device) for each in (self.mean, self.read, self.write))
        return x.double() - (x.double() - mean) @ read @ write

    @property
    def variance(self) -> float:
        """How much of the activations' variance it takes, in their own units."""
        return float(self.write.square().sum())


Make = Callable[[Moments, int, slice], Eraser]
"""Called with moments, the number of channels, and the columns of the property in y."""


def leace(moments: Moments, channels: int, columns: slice) -> Eraser:
    """Erase what is linear of some targets by the least change, in any norm of the whitened data.

    `r(x) = x - W⁺ U U^T W (x - E x)`: afterwards the covariance with every target is zero, so the
    best affine reading of them is their mean (Belrose et al. 2023, *LEACE: Perfect linear concept
    erasure in closed form*, theorem 4.3).

    Args:
        moments: Of rows `[x, y]`.
        channels: How many leading columns are x.
        columns: Which columns of y are the targets.

    Raises:
        EditError: if no activation goes with a target: there is nothing to erase.
    """
    whitening, axes = _whitened(moments, channels)
    return _eraser(moments, channels, axes, _spanned(moments, channels, columns, whitening))


def random_like(generator: torch.Generator) -> Callable[[Moments, int, slice], Eraser]:
    """Make a control that erases a random subspace of the same rank and variance as `leace` does.

    In the principal axes of Σ, each axis' part in U gets a random sign: the columns stay
    orthonormal, and the variance taken along every axis is that of `leace`, exactly; only how the
    axes are combined is random. Each layer and step draws anew.
    """

    def make(moments: Moments, channels: int, columns: slice) -> Eraser:
        whitening, axes = _whitened(moments, channels)
        span = _spanned(moments, channels, columns, whitening)
        signs = torch.randint(0, 2, (len(span),), generator=generator).to(span) * 2 - 1
        return _eraser(moments, channels, axes, signs[:, None] * span)

    return make


def _whitened(moments: Moments, channels: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Give the whitening onto Σ's principal axes, and those axes with their deviations."""
    covariance = moments.scatter[:channels, :channels] / moments.count
    variances, axes = torch.linalg.eigh(covariance)
    is_known = variances > _LEAST * variances[-1].clamp(min=1e-300)
    axes, deviations = axes[:, is_known], variances[is_known].sqrt()
    return axes / deviations, (axes, deviations)


def _spanned(
    moments: Moments, channels: int, columns: slice, whitening: Float64[Tensor, "channel axis"]
) -> Float64[Tensor, "axis rank"]:
    """Give U in principal axes."""
    cross = moments.scatter[:channels, channels:][:, columns] / moments.count
    variance = moments.scatter.diagonal()[channels:][columns] / moments.count
    correlated = whitening.mT @ cross / variance.clamp(min=1e-300).sqrt()
    u, strengths, _ = torch.linalg.svd(correlated, full_matrices=False)
    is_there = strengths > 1e-9
    if not is_there.any():
        raise EditError("No activation goes with this property: there is nothing to erase.")
    return u[:, is_there]


def _eraser(moments: Moments, channels: int, axes: tuple[Tensor, Tensor], span: Tensor) -> Eraser:
    directions, deviations = axes
    read = (directions / deviations) @ span
    write = (directions * deviations) @ span
    return Eraser(moments.mean[:channels], read, write.mT)


def erasers_of(
    moments: Mapping[Cell, Moments],
    columns: slice,
    make: Make,
    *,
    layers: Sequence[Layer],
    steps: Sequence[int],
) -> dict[Cell, tuple[Eraser, Eraser]]:
    """Make erasers of both halves of the guidance batch, the conditional one first.

    Each half has its own, where the run has moments of both; else that of the conditional half
    serves both. Moments are of untouched pictures, whatever an earlier layer was made to forget.

    Raises:
        EditError: if a layer and step has no moments, or nothing is to be erased.
    """
    found: dict[Cell, tuple[Eraser, Eraser]] = {}
    for layer in layers:
        for step in steps:
            if (layer.name, step) not in moments:
                raise EditError(
                    f"No moments of layer {layer.name} at step {step + 1}. Gather that layer too, "
                    "or leave it alone."
                )
            own = make(moments[layer.name, step], layer.channels, columns)
            other = moments.get((f"{OTHER_HALF} {layer.name}", step))
            both = own, own if other is None else make(other, layer.channels, columns)
            found[layer.name, step] = both
    return found


def erasing_taps(
    erasers: Mapping[Cell, tuple[Eraser, Eraser]], *, layers: Sequence[Layer], images: int
) -> dict[Layer, Tap]:
    """Make the taps that erase while so many images are generated."""

    def tap_of(layer: Layer) -> Tap:
        def tap(step: int, tokens: Tensor) -> Tensor | None:
            if (layer.name, step) not in erasers:
                return None
            own, other = erasers[layer.name, step]
            # Unconditional images come first; without guidance there are none.
            halves = [other(tokens[:-images]), own(tokens[-images:])]
            return torch.cat(halves).to(tokens.dtype)

        return tap

    return {layer: tap_of(layer) for layer in layers}
