"""What an activation adds to what is known without it: conditional linear probes, from sums.

In the spirit of conditional probing (Hewitt et al. 2021) and of V-information (Xu et al. 2020), V
being linear maps: a property is fitted from what is known, Z, and again from Z and an activation X
together. What the second predicts better on pictures unseen is what X has beyond Z.

Notation
    P   waves of the place, never penalised      Z   what is known, with a penalty of its own
    X   what is added, with another              A   (S_ii + R)⁻¹ S_i·, i being P and Z together

With R the penalties of P and Z times n, minimising over their weights V first leaves, exactly,

    S'_xx = S_xx - S_xi A_x,    W = (S'_xx + n penalty I)⁻¹ S'_xy,    V = A_y - A_x W,

the ridge form of Frisch & Waugh (1933). An infinite penalty is among those that X can get, so what
is fitted with X holds what is fitted without it: W = 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from .fitting import RELATIVE_PENALTIES, squared_error
from .moments import Moments

INFINITE = float("inf")


@dataclass(frozen=True)
class Fit:
    """Weights of free, known and added columns, in that order, and what they were chosen by."""

    weights: Float64[Tensor, "column target"]
    bias: Float64[Tensor, "target"]
    penalty: float
    """Of what was added, in units of its columns' variance."""
    error: float
    """Mean squared error on the tuning rows, summed over targets."""


def fit_beside(
    train: Moments,
    tuning: Moments,
    added: Mapping[str, Sequence[int]],
    *,
    free: Sequence[int],
    known: Sequence[int],
    targets: Mapping[str, Sequence[int]],
    known_penalties: Mapping[str, float] | None = None,
    relative_penalties: Sequence[float] = RELATIVE_PENALTIES,
) -> dict[tuple[str, str], Fit]:
    """Fit every property from what is known and, one by one, from what is added to it.

    Args:
        train: Moments whose columns are in units of their own deviation.
        tuning: Of other pictures, in the same units; the penalty of X is chosen on them.
        added: Columns of each X.
        free: Columns that are never penalised.
        known: Columns of Z; may be empty.
        targets: Columns of each property.
        known_penalties: Of Z, for each property: that which the fit of Z alone was given.
        relative_penalties: Of X, in units of its columns' variance. Infinity is tried too.

    Returns:
        Fits by the name of X and of the property.
    """
    wanted = {name: (known_penalties or {}).get(name, 1.0) for name in targets}
    inner = [*free, *known]
    found: dict[tuple[str, str], Fit] = {}
    for penalty in dict.fromkeys(wanted.values()):
        names = [name for name in targets if wanted[name] == penalty]
        ours = [at for name in names for at in targets[name]]
        ridge = [0.0] * len(free) + [min(penalty, 1e12)] * len(known)
        outer = sorted({at for each in added.values() for at in each})
        slopes, left = _eliminated(train, inner, [*outer, *ours], ridge)
        place = {at: row for row, at in enumerate(outer)}
        for block, columns in added.items():
            rows = [place[at] for at in columns]
            rows += range(len(outer), len(outer) + len(ours))
            some = _some(train, [*inner, *columns, *ours])
            weights, biases = _path(
                some, slopes[:, rows], left[rows][:, rows], len(columns), relative_penalties
            )
            errors = squared_error(_some(tuning, [*inner, *columns, *ours]), weights, biases)
            start = 0
            for name in names:
                part = slice(start, start + len(targets[name]))
                start = part.stop
                sums = errors[:, part].sum(dim=1)
                best = int(sums.argmin())
                strength = [*relative_penalties, INFINITE][best]
                found[block, name] = Fit(
                    weights[best, :, part], biases[best, part], strength, float(sums[best])
                )
    return found


def _eliminated(
    moments: Moments, inner: Sequence[int], outer: Sequence[int], penalties: Sequence[float]
) -> tuple[Float64[Tensor, "inner outer"], Float64[Tensor, "outer outer2"]]:
    """Regress some columns out of others; give the slopes A, and what is left of the scatter."""
    s = _some(moments, [*inner, *outer]).scatter
    i = len(inner)
    ridge = moments.count * torch.tensor(penalties, dtype=s.dtype, device=s.device)
    # Waves that a coarse grid cannot tell apart are zero: the pseudo-inverse leaves them out.
    slopes = torch.linalg.pinv(s[:i, :i] + ridge.diag(), hermitian=True) @ s[:i, i:]
    left = s[i:, i:] - s[i:, :i] @ slopes
    return slopes, (left + left.mT) / 2


def _path(
    moments: Moments,
    slopes: Float64[Tensor, "inner outer"],
    left: Float64[Tensor, "outer outer2"],
    width: int,
    relative: Sequence[float],
) -> tuple[Float64[Tensor, "penalty column target"], Float64[Tensor, "penalty target"]]:
    """Solve for every penalty of X, and for an infinite one, at the price of one."""
    eigenvalues, q = torch.linalg.eigh(left[:width, :width])
    strengths = torch.tensor(relative, dtype=left.dtype, device=left.device)
    ridged = eigenvalues.clamp(min=0)[:, None] + moments.count * strengths[:, None, None]
    w = q @ ((q.mT @ left[:width, width:]) / ridged)
    w = torch.cat([w, torch.zeros_like(w[:1])])
    v = slopes[:, width:] - slopes[:, :width] @ w
    weights = torch.cat([v, w], dim=1)
    inputs = weights.shape[1]
    return weights, moments.mean[inputs:] - moments.mean[:inputs] @ weights


def _some(moments: Moments, columns: Sequence[int]) -> Moments:
    """Give the moments of some columns, in this order."""
    at = torch.tensor(columns, dtype=torch.long, device=moments.mean.device)
    return Moments(moments.count, moments.mean[at], moments.scatter[at][:, at])
