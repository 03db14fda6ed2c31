"""Closed-form linear probes, solved from `Moments` alone.

Notation
    n, m, S   count, mean and scatter of joint rows [x, y], as in `moments`
    W, b      weight and bias of a probe: it reads xW + b
    Σ         S_xx / n, the covariance of one layer's activations at one step
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from einops import rearrange
from jaxtyping import Float, Float64
from torch import Tensor

from ..core.errors import MomentsError
from ..core.properties import Property
from .moments import Moments

ProbeKey = tuple[str, str, int]
"""A property's name, a layer's name and a step, counted from 0."""

Name = TypeVar("Name")


READ_AT_ONCE = 2**28
"""Bytes that activations in float64 take while they are read, a few steps at a time."""


@dataclass(frozen=True)
class Probe:
    """One linear map from the channels at a place to what a property is there.

    `threshold` turns a binary property's reading into a mask: foreground is where the reading is
    greater. `penalty` is the ridge strength it was fitted with, None if it was fitted otherwise.
    `place` is what a probe that knows where it reads adds at each cell of its layer's grid.
    """

    layer: str
    step: int
    property: str
    weight: Float64[Tensor, "channel target"]
    bias: Float64[Tensor, "target"]
    threshold: float | None = None
    penalty: float | None = None
    place: Float64[Tensor, "target row col"] | None = None

    def __call__(
        self, activation: Float[Tensor, "image channel row col"]
    ) -> Float64[Tensor, "image target row col"]:
        """Read the property at every place of an activation grid."""
        # In float64: a channel's mean may be a thousand times what the reading depends on.
        read = torch.einsum("ncij,ct->ntij", activation.double(), self.weight)
        return read + self.offset()

    def offset(self) -> Float64[Tensor, "target _ _"]:
        """Give what is added to every reading: the bias, and at each cell what its place says."""
        bias = self.bias[:, None, None]
        return bias if self.place is None else bias + self.place


def columns_of(properties: Sequence[Property]) -> dict[str, slice]:
    """Say which columns of y hold each property, when targets are stacked in this order."""
    columns: dict[str, slice] = {}
    start = 0
    for each in properties:
        columns[each.name] = slice(start, start + each.targets)
        start += each.targets
    return columns


def read(
    probes: Mapping[Name, Probe], activation: Float[Tensor, "image channel row col"]
) -> dict[Name, Float64[Tensor, "image _ row col"]]:
    """Read one activation with many probes at the price of one: a single product for all."""
    if not probes:
        return {}
    weight = torch.cat([probe.weight for probe in probes.values()], dim=1)
    maps = torch.einsum("ncij,ct->ntij", activation.double(), weight)
    parts = maps.split([probe.weight.shape[1] for probe in probes.values()], dim=1)
    return {
        name: part + probe.offset()
        for (name, probe), part in zip(probes.items(), parts, strict=True)
    }


def read_steps(
    probes: Sequence[Mapping[Name, Probe]],
    activation: Float[Tensor, "step image channel row col"],
) -> dict[Name, Float[Tensor, "step image _ row col"]]:
    """Read all steps of one layer with the probes of each: a batched product for many steps.

    Args:
        probes: For each step, probes by name: the same names, in the same order, at every step.
        activation: As it comes; it is brought to float64 a few steps at a time.
    """
    names = list(probes[0])
    if not names:
        return {}
    images, channels, rows, cols = activation.shape[1:]
    weight = torch.stack([torch.cat([each.weight for each in own.values()], 1) for own in probes])
    offsets = torch.stack(
        [
            torch.cat([each.offset().expand(-1, rows, cols) for each in own.values()])
            for own in probes
        ]
    )
    bytes_each = 8 * images * rows * cols * (channels + 2 * weight.shape[2])
    at_once = max(1, READ_AT_ONCE // bytes_each)
    parts = []
    for some, own, offset in zip(
        *(each.split(at_once) for each in (activation, weight, offsets)), strict=True
    ):
        x = rearrange(some, "step image channel row col -> step (image row col) channel")
        read = rearrange(
            x.double() @ own,
            "step (image row col) target -> step image target row col",
            image=images,
            row=rows,
        )
        parts.append((read + offset[:, None]).float())
    maps = torch.cat(parts)
    sizes = [each.weight.shape[1] for each in probes[0].values()]
    return dict(zip(names, maps.split(sizes, dim=2), strict=True))


def ridge_path(
    moments: Moments, channels: int, penalties: Float64[Tensor, "penalty"]
) -> tuple[Float64[Tensor, "penalty channel target"], Float64[Tensor, "penalty target"]]:
    """Fit ridge regression for every penalty at the price of one.

    Minimises `(1/n) ||y - Xw - b||^2 + penalty ||w||^2`; the bias b is not penalised. One
    eigendecomposition `S_xx = Q diag(s) Q^T` serves the whole path, since
    `(S_xx + n penalty I)^-1 = Q diag(1 / (s + n penalty)) Q^T`
    (Hastie, Tibshirani & Friedman, *Elements of Statistical Learning*, section 3.4.1).

    Args:
        moments: Statistics of rows `[x, y]`, activation channels first.
        channels: How many leading columns are x.
        penalties: Strengths to fit, in units of activation variance. All must be > 0.

    Returns:
        Weights in label units per activation unit, and biases in label units.

    Raises:
        MomentsError: if a penalty is not positive, or fewer than two rows were seen.
    """
    if not (penalties > 0).all():
        raise MomentsError(f"Penalties must be > 0, got {penalties.tolist()}. Try 1e-8.")
    weights, biases = ridge_paths([moments], channels, penalties[None])
    return weights[0], biases[0]


def ridge_paths(
    moments: Sequence[Moments], channels: int, penalties: Float64[Tensor, "cell penalty"]
) -> tuple[Float64[Tensor, "cell penalty channel target"], Float64[Tensor, "cell penalty target"]]:
    """Fit as `ridge_path` does, many cells of one width together, each with penalties of its own.

    Penalties are taken as they are.

    Raises:
        MomentsError: if fewer than two rows of a cell were seen.
    """
    if (least := min(each.count for each in moments)) < 2:
        raise MomentsError(f"Need at least 2 rows to fit a probe, got {least}.")
    scatter, mean = stacked(moments)
    counts = scatter.new_tensor([each.count for each in moments])
    eigenvalues, q = torch.linalg.eigh(scatter[:, :channels, :channels])
    # Rounding can leave a zero eigenvalue at -1e-16 of the largest, below the weakest penalties.
    ridged = eigenvalues.clamp(min=0)[:, None, :, None] + (
        counts[:, None, None, None] * penalties[:, :, None, None]
    )
    turned = q.mT @ scatter[:, :channels, channels:]
    weights = q[:, None] @ (turned[:, None] / ridged)
    read = (mean[:, None, None, :channels] @ weights)[:, :, 0]
    return weights, mean[:, None, channels:] - read


def stacked(
    moments: Sequence[Moments],
) -> tuple[Float64[Tensor, "cell joint joint2"], Float64[Tensor, "cell joint"]]:
    """Lay scatters and means of cells of one width one behind the other."""
    return torch.stack([each.scatter for each in moments]), torch.stack([x.mean for x in moments])


def discriminant_path(
    moments: Moments, channels: int, penalties: Float64[Tensor, "penalty"]
) -> tuple[Float64[Tensor, "penalty channel target"], Float64[Tensor, "penalty target"]]:
    """Fit the linear discriminant of every 0/1 target: maps of its log-odds, for every penalty.

    With p the share of foreground, d the difference of the class means and S_w the scatter within
    classes, `w = (S_w/n + penalty I)^-1 d` and `b = log(p/(1-p)) - w·(m_1 + m_0)/2`
    (Hastie, Tibshirani & Friedman, *Elements of Statistical Learning*, equation 4.9). A soft
    label y counts a row y times as foreground and 1 - y times as background; then still

        S_xy = n p(1-p) d    and    S_w = S_xx - n p(1-p) d d^T,

    so joint moments hold all of it, exactly. By Sherman & Morrison w is the ridge weight w_r
    divided by `p(1-p)(1 - d·w_r)`: for one penalty, both order the places alike, and after a
    threshold is chosen both give the same mask. What the discriminant adds is the scale: sigmoid
    of its reading is a probability, with 0 as its natural threshold.

    Returns:
        Weights and biases in log-odds. NaN for a target that is all foreground or all background.

    Raises:
        MomentsError: if a target's mean lies outside 0..1, or as in `ridge_path`.
    """
    share = moments.mean[channels:]
    if not ((share >= 0) & (share <= 1)).all():
        raise MomentsError(
            f"A discriminant needs labels in 0..1, got means {share.tolist()}. "
            "Fit continuous properties with `ridge_path`."
        )
    ridge, _ = ridge_path(moments, channels, penalties)
    spread = share * (1 - share)
    apart = moments.scatter[:channels, channels:] / (moments.count * spread)
    explained = (apart * ridge).sum(dim=1, keepdim=True)
    weights = ridge / (spread * (1 - explained))
    # (m_1 + m_0)/2 = m + (1/2 - p) d
    middle = moments.mean[:channels, None] + (0.5 - share) * apart
    return weights, torch.logit(share) - (weights * middle).sum(dim=1)


def covariance(moments: Moments, channels: int) -> Float64[Tensor, "channel channel2"]:
    """Give Σ, the covariance (divided by n) of one layer's activations at one step."""
    return moments.scatter[:channels, :channels] / moments.count


def acting_directions(
    weight: Float64[Tensor, "channel target"], covariance: Float64[Tensor, "channel channel2"]
) -> Float64[Tensor, "channel target"]:
    """Give the least change of an activation that moves each reading by one, and no other.

    The direction that reads is not the direction that acts. Among all shifts with `W^T shift =
    change`, the least in the data's own covariance (`shift^T Σ^-1 shift`) is `A change` with

        A = ΣW (W^T Σ W)^-1,        for one target Σw / (w^T Σ w),

    which is also the pattern that regresses the activation on the reading
    (Haufe et al. 2014, *NeuroImage* 87:96-110, theorem 1). So `W^T A` is the identity.

    Raises:
        MomentsError: if readings do not vary, or are linear in one another.
    """
    pattern = covariance @ weight
    spread = weight.mT @ pattern
    scale = spread.diagonal().clamp(min=0).sqrt()
    correlation = spread / torch.outer(scale, scale)
    if not (scale > 0).all() or torch.linalg.eigvalsh(correlation)[0] < 1e-10:
        raise MomentsError(
            f"Readings of {weight.shape[1]} targets do not vary on their own (deviations "
            f"{scale.tolist()}): no change moves one and not the others. Act on fewer targets."
        )
    return torch.linalg.solve(spread, pattern.mT).mT
