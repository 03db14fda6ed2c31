"""Sufficient statistics for linear probes.

A linear probe never needs the activations themselves: their count, mean and scatter are enough,
and those add up. So one pass over any number of images, in any order, fits every probe.

Notation
    n   count    rows seen; one row is one position of one activation grid
    m   mean     of the joint row [x, y]: activation channels first, then targets
    S   scatter  sum over rows of ([x, y] - m)([x, y] - m)^T

y holds the targets of every property side by side, controls (the labels of other images) included:
one scatter serves them all. `probes.columns_of` says which columns are whose.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float, Float64
from torch import Tensor

from ..core.arrays import to_rows
from ..core.errors import MomentsError
from ..models.layers import Layer

Cell = tuple[str, int]
"""One layer's name and one step, counted from 0: what one `Moments` is about."""


HERE_AT_ONCE, THERE_AT_ONCE = 2**26, 2**30
"""Bytes that activations in float64 take while they are folded, here and on a GPU."""


@dataclass(frozen=True)
class Moments:
    """The count, mean and scatter of every row seen so far. Add two to get those of both."""

    count: int
    mean: Float64[Tensor, "joint"]
    scatter: Float64[Tensor, "joint joint"]

    @classmethod
    def of(cls, x: Float[Tensor, "row channel"], y: Float[Tensor, "_ target"]) -> "Moments":
        """Measure one batch of rows, in float64 whatever dtype they come in.

        Rows are centred before they are multiplied, so a large mean costs no digits of the scatter
        beyond those that the activation's own dtype has lost already. A float32 product would be
        about twice as fast but leaves errors of 1e-7 of the largest eigenvalue, above the weakest
        penalties; in float64, all cells of a batch still cost under a tenth of generating it.

        Raises:
            MomentsError: if the rows do not pair up, or hold NaN or infinity.
        """
        if len(x) != len(y) or len(x) == 0:
            raise MomentsError(
                f"Activations have {len(x)} rows and labels have {len(y)}; both need the same, "
                "non-zero number. Resize labels to the activation grid with `to_grid` first."
            )
        mean, scatter = _measured(x[None], y)
        own = cls(len(x), mean[0], scatter[0])
        _refuse_infinite([own], targets=y.shape[1])
        return own

    def __add__(self, other: "Moments") -> "Moments":
        if not self.count or not other.count:  # of pictures that nothing is known of
            return self if self.count else other
        # Pairwise update of Chan, Golub & LeVeque (1979): exact, and free of the cancellation
        # that E[x^2] - E[x]^2 suffers when the mean is large beside the spread.
        count = self.count + other.count
        shift = other.mean - self.mean
        between = torch.outer(shift, shift) * (self.count * other.count / count)
        return Moments(
            count, self.mean + shift * (other.count / count), self.scatter + other.scatter + between
        )


@dataclass(frozen=True)
class MeanMap:
    """The mean of normalised label maps so far. Add two to get that of both.

    `known` counts the images of which each pixel is known; None where that is all of them. A pixel
    that no image knows has the mean of the others, so that the map is one that can be shown.
    """

    count: int
    mean: Float64[Tensor, "target height width"]
    known: Float64[Tensor, "target height width"] | None = None

    @classmethod
    def of(cls, maps: Float[Tensor, "image target height width"]) -> "MeanMap":
        """Average label maps over images; NaN is unknown."""
        unknown = maps.isnan()
        if not unknown.any():
            return cls(len(maps), maps.double().mean(dim=0))
        known = unknown.logical_not().sum(dim=0).double()
        return cls(len(maps), _filled(maps.double().nanmean(dim=0), known), known)

    def __add__(self, other: "MeanMap") -> "MeanMap":
        count = self.count + other.count
        if self.known is None and other.known is None:
            return MeanMap(count, self.mean + (other.mean - self.mean) * (other.count / count))
        known, theirs = (
            torch.full_like(each.mean, each.count) if each.known is None else each.known
            for each in (self, other)
        )
        both = known + theirs.to(known)
        mean = self.mean + (other.mean - self.mean) * (theirs.to(known) / both)
        return MeanMap(count, _filled(mean, both), both)


def _filled(
    mean: Float64[Tensor, "target height width"], known: Float64[Tensor, "target height width"]
) -> Float64[Tensor, "target height width"]:
    """Give pixels that nothing is known of the mean of the others."""
    rest = torch.where(known > 0, mean, torch.nan).nanmean(dim=(1, 2), keepdim=True)
    return torch.where(known > 0, mean, rest.nan_to_num(0.0))


def gather(
    activations: Mapping[str, Float[Tensor, "step image _ _ _"]]
    | Mapping[Layer, Float[Tensor, "step image _ _ _"]],
    targets: Mapping[tuple[int, int], Float[Tensor, "image target _ _"]],
    onto: Mapping[Cell, Moments] | None = None,
) -> dict[Cell, Moments]:
    """Fold one batch of activations and their labels into the moments of every layer and step.

    Examples:
        >>> x, y = torch.randn(15, 8, 3, 4, 4), torch.randn(8, 1, 4, 4)
        >>> moments = up.gather({"mid": x}, {(4, 4): y})
        >>> moments["mid", 14].count
        128

    Args:
        activations: Per layer, `step image channel row col`; layers differ in the last three axes.
        targets: Per activation grid `(rows, cols)`, the cell means of every target of every
            property, `image target row col`. The same for all steps: an image has one label.
        onto: What other batches gave, to add this one to, cell by cell: the sum is that of `merge`,
            and the batch's own moments are never all there at once.

    Rows of which a target is unknown, NaN, are left out: `Moments.count` says how many were not.

    Returns:
        Moments by layer name and step, on the device that holds the activations.

    Raises:
        MomentsError: if a layer's grid has no targets, images do not pair up, or `onto` has other
            cells.
    """
    if onto:
        cells = [(_name(layer), step) for layer, x in activations.items() for step in range(len(x))]
        _check_cells(onto, cells)
    rows_of_y = {grid: to_rows(maps).double() for grid, maps in targets.items()}
    known_of = {grid: _known(y) for grid, y in rows_of_y.items()}
    moments: dict[Cell, Moments] = {}
    for layer, activation in activations.items():
        name = _name(layer)
        grid = (activation.shape[-2], activation.shape[-1])
        if grid not in rows_of_y:
            raise MomentsError(
                f"Layer {name} has a grid of {grid}, and targets come on {sorted(rows_of_y)}. "
                "Add the labels shrunk to that grid with `to_grid`."
            )
        y = rows_of_y[grid]
        if len(y) != activation.shape[1] * grid[0] * grid[1]:
            raise MomentsError(
                f"Layer {name} has {activation.shape[1] * grid[0] * grid[1]} rows and labels have "
                f"{len(y)}. Give the labels of the same images."
            )
        first, known = 0, known_of[grid]
        y = y if known is None else y[known]
        for some in activation.split(_steps_at_once(activation, y)):
            mean, scatter = _of_known(_step_rows(some), y, known)
            cells = [(name, first + step) for step in range(len(some))]
            own = (
                _added([onto[cell] for cell in cells], len(y), mean, scatter)
                if onto
                else [Moments(len(y), *each) for each in zip(mean, scatter, strict=True)]
            )
            moments |= zip(cells, own, strict=True)
            first += len(some)
    _refuse_infinite(list(moments.values()), targets=next(iter(rows_of_y.values())).shape[1])
    return moments


def _known(y: Float64[Tensor, "row target"]) -> Tensor | None:
    """Number the rows of which every target is known; None where all are."""
    unknown = y.isnan().any(dim=1)
    return unknown.logical_not().nonzero()[:, 0] if unknown.any() else None


def _of_known(
    x: Float[Tensor, "step row channel"], y: Float64[Tensor, "_ target"], known: Tensor | None
) -> tuple[Float64[Tensor, "step joint"], Float64[Tensor, "step joint joint"]]:
    """Measure rows of which all targets are known; zeros where there are none."""
    if known is None:
        return _measured(x, y)
    if len(known) == 0:
        joint = x.shape[2] + y.shape[1]
        like = x.new_zeros(len(x), joint, dtype=torch.float64)
        return like, like[:, :, None].expand(-1, -1, joint).clone()
    return _measured(x[:, known.to(x.device)], y)


def _measured(
    x: Float[Tensor, "step row channel"], y: Float[Tensor, "row target"]
) -> tuple[Float64[Tensor, "step joint"], Float64[Tensor, "step joint joint"]]:
    """Give mean and scatter of all steps of one layer, by one product that nothing waits for."""
    if x.device.type == "mps":  # Apple's GPU has no float64
        x = x.cpu()
    targets = y.to(x.device).double().expand(len(x), -1, -1)
    rows = torch.cat([x.double(), targets], dim=2)
    mean = rows.mean(dim=1, keepdim=True)
    centred = rows.sub_(mean)
    return mean[:, 0], centred.mT @ centred


def _added(
    before: Sequence[Moments],
    rows: int,
    mean: Float64[Tensor, "step joint"],
    scatter: Float64[Tensor, "step joint joint"],
) -> list[Moments]:
    """Add so many rows to the moments of each step, as `Moments.__add__` does, all steps at once.

    `scatter` is written into.
    """
    (some,) = {each.count for each in before}
    count = some + rows
    means = torch.stack([each.mean for each in before])
    shift = mean - means
    between = shift[:, :, None] * shift[:, None, :] * (some * rows / max(count, 1))
    scatter = scatter.add_(torch.stack([each.scatter for each in before])).add_(between)
    means += shift * (rows / max(count, 1))
    return [Moments(count, *each) for each in zip(means, scatter, strict=True)]


def _refuse_infinite(moments: Sequence[Moments], *, targets: int) -> None:
    """Refuse NaN and infinity: one in any row is one in the mean. A GPU is asked once for all.

    Raises:
        MomentsError: if there are any.
    """
    is_whole = torch.stack([each.mean.isfinite().all() for each in moments])
    if is_whole.all():
        return
    first = moments[int(is_whole.logical_not().nonzero()[0])]
    bad = int(first.mean.isfinite().logical_not().nonzero()[0])
    channels = len(first.mean) - targets
    column = f"Channel {bad}" if bad < channels else f"Target {bad - channels}"
    raise MomentsError(
        f"{column} holds NaN or infinity in {first.count} rows. "
        "Half precision overflows at 65504: generate in bfloat16 or float32 instead."
    )


def _step_rows(
    activation: Float[Tensor, "step image channel row col"],
) -> Float[Tensor, "step image*row*col channel"]:
    return rearrange(activation, "step image channel row col -> step (image row col) channel")


def _steps_at_once(activation: Tensor, y: Tensor) -> int:
    """Say how many steps are multiplied together: as many as the device has room for."""
    images, channels, rows, cols = activation.shape[1:]
    bytes_each = 8 * images * rows * cols * (channels + y.shape[1])
    at_once = HERE_AT_ONCE if activation.device.type == "cpu" else THERE_AT_ONCE
    return max(1, at_once // max(1, bytes_each))


def merge(some: Mapping[Cell, Moments], others: Mapping[Cell, Moments]) -> dict[Cell, Moments]:
    """Add the moments of two shards, cell by cell. An empty shard changes nothing.

    Raises:
        MomentsError: if both hold cells, but not the same ones.
    """
    if not some or not others:
        return dict(some or others)
    _check_cells(some, others)
    return {cell: some[cell] + others[cell] for cell in some}


def to_device(moments: Mapping[Cell, Moments], device: torch.device) -> dict[Cell, Moments]:
    """Move moments to a device; Apple's GPU has no float64, so there they stay in main memory."""
    at = torch.device("cpu") if device.type == "mps" else device
    return {
        cell: Moments(each.count, each.mean.to(at), each.scatter.to(at))
        for cell, each in moments.items()
    }


def to_cpu(moments: Mapping[Cell, Moments]) -> dict[Cell, Moments]:
    """Move moments to main memory."""
    return to_device(moments, torch.device("cpu"))


def _name(layer: str | Layer) -> str:
    return layer if isinstance(layer, str) else layer.name


def _check_cells(some: Collection[Cell], others: Collection[Cell]) -> None:
    if differing := sorted(set(some) ^ set(others)):
        layer, step = differing[0]
        raise MomentsError(
            f"Only one of the two shards has layer {layer} at step {step} ({len(differing)} cells "
            "differ). Gather both with the same layers and number of steps."
        )
