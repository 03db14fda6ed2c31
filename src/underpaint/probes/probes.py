"""Closed-form linear probes, solved from `Moments` alone.

Notation
    n, m, S   count, mean and scatter of joint rows [x, y], as in `moments`
    W, b      weight and bias of a probe: it reads xW + b
    Σ         S_xx / n, the covariance of one layer's activations at one step
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ..core.errors import MomentsError
from ..core.properties import Property
from .moments import Moments

ProbeKey = tuple[str, str, int]
"""A property's name, a layer's name and a step, counted from 0."""


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
    probes: Mapping[str, Probe], activation: Float[Tensor, "image channel row col"]
) -> dict[str, Float64[Tensor, "image _ row col"]]:
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
    if moments.count < 2:
        raise MomentsError(f"Need at least 2 rows to fit a probe, got {moments.count}.")
    if not (penalties > 0).all():
        raise MomentsError(f"Penalties must be > 0, got {penalties.tolist()}. Try 1e-8.")

    s_xx = moments.scatter[:channels, :channels]
    s_xy = moments.scatter[:channels, channels:]
    eigenvalues, q = torch.linalg.eigh(s_xx)
    # Rounding can leave a zero eigenvalue at -1e-16 of the largest, below the weakest penalties.
    ridged = eigenvalues.clamp(min=0)[:, None] + moments.count * penalties[:, None, None]
    weights = q @ ((q.mT @ s_xy) / ridged)
    biases = moments.mean[channels:] - moments.mean[:channels] @ weights
    return weights, biases


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
