"""Solving every property, layer and step from two sets of moments.

The training split's moments give the probes for a whole path of penalties. The validation split's
moments give each one's validation error, for that is a quadratic in the weights:

    ||y - XW - b||^2 = S_yy - 2 W·S_xy + W·S_xx W + n (m_y - m_x W - b)^2.

So the penalty is chosen without reading a single activation again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from ..core.errors import MomentsError
from .moments import Cell, Moments
from .probes import Probe, ProbeKey, ridge_paths, stacked

RELATIVE_PENALTIES = tuple(10.0 ** (exponent / 2) for exponent in range(-24, 1))
"""Penalties that `fit` chooses from, as fractions of the mean eigenvalue of Σ: 1e-12 to 1. Below,
rounding in float64 (1e-16 of the largest eigenvalue) would be fitted too."""


def fit(
    train: Mapping[Cell, Moments],
    validation: Mapping[Cell, Moments],
    columns: Mapping[str, slice],
    *,
    targets: int | None = None,
    relative_penalties: tuple[float, ...] = RELATIVE_PENALTIES,
) -> dict[ProbeKey, Probe]:
    """Fit a ridge probe for every property, layer and step, its penalty chosen on validation.

    Each (property, layer, step) gets its own penalty, shared by the property's targets: the one
    with the least squared error, summed over targets, on the validation moments.

    Examples:
        >>> x, y = torch.randn(1, 8, 3, 4, 4), torch.randn(8, 1, 4, 4)
        >>> moments = up.gather({"mid": x}, {(4, 4): y})
        >>> probes = up.fit(moments, moments, {"depth": slice(0, 1)})
        >>> probes["depth", "mid", 0].weight.shape
        torch.Size([3, 1])

    Args:
        train: Moments of the training split.
        validation: Moments of the validation split, of the same cells and targets.
        columns: Which columns of y are whose, from 0 (see `probes.columns_of`). Controls may stand
            beside properties, such as `"shuffled depth"`.
        targets: How many columns y has. None means that `columns` reach to the last of them.
        relative_penalties: Strengths to choose from, as fractions of the mean activation variance.

    Returns:
        Probes by property, layer and step, in the order of `columns` within that of `train`.

    Raises:
        MomentsError: if the two splits differ in cells or width, or if a cell has too few rows.
    """
    if differing := sorted(set(train) ^ set(validation)):
        layer, step = differing[0]
        raise MomentsError(
            f"Only one split has layer {layer} at step {step}. Gather both with the same layers."
        )
    width = max(part.stop for part in columns.values()) if targets is None else targets
    for (layer, step), moments in train.items():
        if moments.mean.shape != (theirs := validation[layer, step].mean).shape:
            raise MomentsError(
                f"Layer {layer} at step {step} has {len(moments.mean)} columns in training and "
                f"{len(theirs)} in validation. Gather both with the same targets."
            )
    probes: dict[ProbeKey, Probe] = {}
    for cells in alike(train):
        some, held_out = [train[cell] for cell in cells], [validation[cell] for cell in cells]
        channels = len(some[0].mean) - width
        penalties = torch.stack([penalties_for(x, channels, relative_penalties) for x in some])
        weights, biases = ridge_paths(some, channels, penalties)
        errors = squared_errors(held_out, weights, biases)
        chosen = Chosen.of(columns, errors, penalties)
        probes |= chosen.probes(cells, chosen.best_of(weights), chosen.best_of(biases))
    order = [(name, *cell) for cell in train for name in columns]
    return {key: probes[key] for key in order}


@dataclass(frozen=True, eq=False)
class Chosen:
    """The penalty with the least error on validation, for each property of several cells."""

    columns: Mapping[str, slice]
    places: Int[Tensor, "cell target"]
    """Which penalty each target takes, by its place in the path."""
    penalties: Mapping[str, list[float]]
    """The same by property, in units of activation variance, for each cell."""

    @classmethod
    def of(
        cls,
        columns: Mapping[str, slice],
        errors: Float64[Tensor, "cell penalty target"],
        penalties: Float64[Tensor, "cell penalty"],
    ) -> "Chosen":
        """Choose: a property's targets share a penalty, the one of the least summed error."""
        sums = torch.stack([errors[:, :, part].sum(dim=2) for part in columns.values()])
        best = sums.argmin(dim=2)  # property, cell
        places = torch.zeros(errors.shape[0], errors.shape[2], dtype=torch.long, device=best.device)
        for part, own in zip(columns.values(), best, strict=True):
            places[:, part] = own[:, None]
        values = penalties.gather(1, best.mT).mT.tolist()
        return cls(columns, places, dict(zip(columns, values, strict=True)))

    def best_of(
        self, path: Float64[Tensor, "cell penalty *rest"]
    ) -> Float64[Tensor, "cell *rest2"]:
        """Take of each target what its penalty gave; targets are the last axis."""
        places = self.places.reshape(len(path), *[1] * (path.ndim - 2), -1)
        return path.gather(1, places.expand(-1, 1, *path.shape[2:-1], -1))[:, 0]

    def probes(
        self,
        cells: Sequence[Cell],
        weights: Float64[Tensor, "cell channel target"],
        biases: Float64[Tensor, "cell target"],
    ) -> dict[ProbeKey, Probe]:
        """Lay out the probes of all properties and cells."""
        return {
            (name, layer, step): Probe(
                layer=layer,
                step=step,
                property=name,
                weight=weights[at, :, part],
                bias=biases[at, part],
                penalty=self.penalties[name][at],
            )
            for at, (layer, step) in enumerate(cells)
            for name, part in self.columns.items()
        }


def alike(moments: Mapping[Cell, Moments]) -> Iterator[list[Cell]]:
    """List cells of one width together, as many as there is room to solve at once."""
    by_width: dict[int, list[Cell]] = {}
    for cell, each in moments.items():
        by_width.setdefault(len(each.mean), []).append(cell)
    for width, cells in by_width.items():
        is_here = moments[cells[0]].mean.device.type == "cpu"
        # The scatter, its eigenvectors and what solves them, and weights for every penalty.
        at_once = max(1, (2**27 if is_here else 2**31) // (8 * 6 * width**2))
        yield from (cells[at : at + at_once] for at in range(0, len(cells), at_once))


def fit_scaled(
    train: Mapping[Cell, Moments],
    validation: Mapping[Cell, Moments],
    columns: Mapping[str, slice],
) -> dict[ProbeKey, Probe]:
    """Fit as `fit` does, with every channel in units of its own deviation over the training rows.

    Raises:
        MomentsError: as `fit`.
    """
    targets = max(part.stop for part in columns.values())
    ours, theirs, units = in_units(train, validation, targets=targets)
    return from_units(fit(ours, theirs, columns), units)


def in_units(
    train: Mapping[Cell, Moments], validation: Mapping[Cell, Moments], *, targets: int
) -> tuple[dict[Cell, Moments], dict[Cell, Moments], dict[Cell, Float64[Tensor, "_"]]]:
    """Bring every channel to units of its own deviation over the training rows.

    Transformers carry a few channels that are thousands of times larger than the rest. `fit`'s
    penalties are shares of the mean variance, so those few would set a penalty that silences all
    others. Scaling moments is scaling activations; channels that never change keep their scale.

    Args:
        train: Moments of the training split.
        validation: Moments of the validation split.
        targets: How many columns at the end are targets: they stay as they are.

    Returns:
        Both splits, and the units of each cell's channels; cells that one split lacks stay so.
    """
    units: dict[Cell, Tensor] = {}
    for cell, moments in train.items():
        deviation = (moments.scatter.diagonal() / moments.count).sqrt()[:-targets]
        units[cell] = torch.where(deviation == 0, 1.0, deviation)
    return (
        {cell: _scaled(each, units[cell]) for cell, each in train.items()},
        {cell: _scaled(each, units[cell]) for cell, each in validation.items() if cell in units},
        units,
    )


def from_units(
    probes: Mapping[ProbeKey, Probe], units: Mapping[Cell, Float64[Tensor, "_"]]
) -> dict[ProbeKey, Probe]:
    """Let probes that were fitted to scaled moments read activations as they are."""
    return {
        key: replace(probe, weight=probe.weight / units[key[1:]][:, None])
        if key[1:] in units
        else probe
        for key, probe in probes.items()
    }


def _scaled(moments: Moments, units: Float64[Tensor, "channel"]) -> Moments:
    rest = units.new_ones(len(moments.mean) - len(units))
    scale = torch.cat([units, rest])
    return Moments(moments.count, moments.mean / scale, moments.scatter / torch.outer(scale, scale))


def squared_error(
    moments: Moments,
    weights: Float64[Tensor, "penalty channel target"],
    biases: Float64[Tensor, "penalty target"],
) -> Float64[Tensor, "penalty target"]:
    """Measure the mean squared error of linear probes on the rows behind these moments.

    Digits are lost only where a probe explains nearly all of its target: the error is then a small
    difference of large sums, good to about 1e-13 of the target's variance. Never below 0.
    """
    return squared_errors([moments], weights[None], biases[None])[0]


def squared_errors(
    moments: Sequence[Moments],
    weights: Float64[Tensor, "cell penalty channel target"],
    biases: Float64[Tensor, "cell penalty target"],
) -> Float64[Tensor, "cell penalty target"]:
    """Measure as `squared_error` does, many cells of one width together."""
    channels = weights.shape[2]
    scatter, mean = stacked(moments)
    s_xx = scatter[:, None, :channels, :channels]
    s_xy = scatter[:, None, :channels, channels:]
    s_yy = scatter[:, channels:, channels:].diagonal(dim1=1, dim2=2)[:, None]
    around_mean = s_yy + (weights * (s_xx @ weights - 2 * s_xy)).sum(dim=2)
    read = (mean[:, None, None, :channels] @ weights)[:, :, 0]
    offset = mean[:, None, channels:] - read - biases
    counts = scatter.new_tensor([each.count for each in moments])[:, None, None]
    return around_mean.clamp(min=0) / counts + offset**2


def penalties_for(
    moments: Moments, channels: int, relative: tuple[float, ...]
) -> Float64[Tensor, "penalty"]:
    """Scale relative penalties to the mean variance of the activations behind these moments."""
    mean_eigenvalue = moments.scatter.diagonal()[:channels].mean() / moments.count
    scale = torch.tensor(relative, dtype=torch.float64, device=moments.mean.device)
    # A layer that never varies has no scale: any positive penalty gives it zero weights.
    return scale * mean_eigenvalue.clamp(min=torch.finfo(torch.float64).tiny / min(relative))
