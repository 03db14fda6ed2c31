"""Solving every property, layer and step from two sets of moments.

The training split's moments give the probes for a whole path of penalties. The validation split's
moments give each one's validation error, for that is a quadratic in the weights:

    ||y - XW - b||^2 = S_yy - 2 W·S_xy + W·S_xx W + n (m_y - m_x W - b)^2.

So the penalty is chosen without reading a single activation again.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Float64
from torch import Tensor

from ..core.errors import MomentsError
from .moments import Cell, Moments
from .probes import Probe, ProbeKey, ridge_path

RELATIVE_PENALTIES = tuple(10.0 ** (exponent / 2) for exponent in range(-12, 1))
"""Penalties that `fit` chooses from, as fractions of the mean eigenvalue of Σ: 1e-6 to 1."""


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
    probes: dict[ProbeKey, Probe] = {}
    for (layer, step), moments in train.items():
        held_out = validation[layer, step]
        if moments.mean.shape != held_out.mean.shape:
            raise MomentsError(
                f"Layer {layer} at step {step} has {len(moments.mean)} columns in training and "
                f"{len(held_out.mean)} in validation. Gather both with the same targets."
            )
        channels = len(moments.mean) - width
        penalties = penalties_for(moments, channels, relative_penalties)
        weights, biases = ridge_path(moments, channels, penalties)
        errors = squared_error(held_out, weights, biases)
        for name, part in columns.items():
            best = int(errors[:, part].sum(dim=1).argmin())
            probes[name, layer, step] = Probe(
                layer=layer,
                step=step,
                property=name,
                weight=weights[best, :, part].clone(),
                bias=biases[best, part].clone(),
                penalty=float(penalties[best]),
            )
    return probes


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
    channels = weights.shape[1]
    s_xx = moments.scatter[:channels, :channels]
    s_xy = moments.scatter[:channels, channels:]
    s_yy = moments.scatter[channels:, channels:].diagonal()
    around_mean = s_yy + (weights * (s_xx @ weights - 2 * s_xy)).sum(dim=1)
    offset = moments.mean[channels:] - moments.mean[:channels] @ weights - biases
    return around_mean.clamp(min=0) / moments.count + offset**2


def penalties_for(
    moments: Moments, channels: int, relative: tuple[float, ...]
) -> Float64[Tensor, "penalty"]:
    """Scale relative penalties to the mean variance of the activations behind these moments."""
    mean_eigenvalue = moments.scatter.diagonal()[:channels].mean() / moments.count
    scale = torch.tensor(relative, dtype=torch.float64, device=moments.mean.device)
    # A layer that never varies has no scale: any positive penalty gives it zero weights.
    return scale * mean_eigenvalue.clamp(min=torch.finfo(torch.float64).tiny / min(relative))
