"""What an activation adds to its place: linear probes that also know where they read.

An affine probe of a token cannot know where the token is, beyond what the activation says of it;
the mean label map knows nothing else. A probe that has both says what the one adds to the other.
Smooth functions of the place stand in y, beside the targets, so the sums hold how they go with
activations and labels, and one pass serves both kinds of probe.

Notation
    p         waves: cosines over the grid, the same for every image
    G         regression of everything else on p, S_pp⁺ S_p·
    S·p       what is left of the scatter once p is taken out of it, S - S_·p G
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Float64
from torch import Tensor

from .fitting import RELATIVE_PENALTIES, Chosen, alike, penalties_for, squared_errors
from .moments import Cell, Moments
from .probes import Probe, ProbeKey, ridge_paths

WAVES = 4
"""Cosines along each axis, the constant one included."""
COUNT = WAVES**2 - 1
"""Waves in all; the constant is the probe's bias."""


def waves(grid: tuple[int, int]) -> Float64[Tensor, "wave row col"]:
    """Give the first cosines over a grid: `cos(πi(row + ½)/rows) cos(πj(col + ½)/cols)`, i, j < 4.

    They are orthogonal over the cells. Where an axis has fewer than 4 cells, the waves that it
    cannot tell from others are zero.
    """
    along = [_cosines(cells) for cells in grid]
    both = torch.einsum("ir,jc->ijrc", *along).flatten(0, 1)
    return both[1:]


def fit_placed(
    train: Mapping[Cell, Moments],
    validation: Mapping[Cell, Moments],
    columns: Mapping[str, slice],
    *,
    targets: int,
    grids: Mapping[str, tuple[int, int]],
    relative_penalties: tuple[float, ...] = RELATIVE_PENALTIES,
) -> dict[ProbeKey, Probe]:
    """Fit probes of activation and place together; the place is never penalised.

    Minimises `(1/n) ||y - XW - PV - b||^2 + penalty ||W||^2`. W is the ridge solution where P is
    regressed out of X and y (Frisch & Waugh 1933; Lovell 1963), and `V = G_y - G_x W`. Penalties
    are chosen as in `fit`, from the same moments.

    Args:
        train: Moments of the training split; the last `COUNT` columns are the waves'.
        validation: Of the validation split, the same cells and columns.
        columns: Which columns of y are whose, from 0.
        targets: How many columns y has, waves included.
        grids: Rows and columns of each layer that is wanted.
        relative_penalties: As in `fit`.

    Returns:
        Probes whose `place` map holds `PV`, by property, layer and step.
    """
    probes: dict[ProbeKey, Probe] = {}
    for cells in alike({cell: each for cell, each in train.items() if cell[0] in grids}):
        channels = len(train[cells[0]].mean) - targets
        left, slopes = zip(*(_without_place(train[cell]) for cell in cells), strict=True)
        slope = torch.stack(slopes)[:, None]
        penalties = torch.stack([penalties_for(x, channels, relative_penalties) for x in left])
        weights, biases = ridge_paths(left, channels, penalties)
        # V for every penalty: what the place still says once the activation has spoken.
        places = slope[..., channels:] - slope[..., :channels] @ weights
        held_out = [_place_beside(validation[cell], channels) for cell in cells]
        errors = squared_errors(held_out, torch.cat([weights, places], dim=2), biases)
        chosen = Chosen.of(columns, errors, penalties)
        own = chosen.probes(cells, chosen.best_of(weights), chosen.best_of(biases))
        said = chosen.best_of(places)
        shapes = {grid: waves(grid).to(said) for grid in {grids[layer] for layer, _ in cells}}
        for at, (layer, step) in enumerate(cells):
            maps = torch.einsum("wrc,wt->trc", shapes[grids[layer]], said[at])
            for name, part in columns.items():
                probes[name, layer, step] = replace(own[name, layer, step], place=maps[part])
    return probes


def _without_place(
    moments: Moments,
) -> tuple[Moments, Float64[Tensor, "wave joint"]]:
    """Regress the waves out of everything else; give what is left, and the slopes G."""
    s, kept = moments.scatter, slice(0, -COUNT)
    slopes = torch.linalg.pinv(s[-COUNT:, -COUNT:], hermitian=True) @ s[-COUNT:, kept]
    left = replace(
        moments,
        mean=moments.mean[kept] - moments.mean[-COUNT:] @ slopes,
        scatter=s[kept, kept] - s[kept, -COUNT:] @ slopes,
    )
    return left, slopes


def _place_beside(moments: Moments, channels: int) -> Moments:
    """Move the waves from the end of y to the end of x."""
    width = len(moments.mean)
    order = [*range(channels), *range(width - COUNT, width), *range(channels, width - COUNT)]
    return replace(moments, mean=moments.mean[order], scatter=moments.scatter[order][:, order])


def _cosines(cells: int) -> Float64[Tensor, "wave {cells}"]:
    place = (torch.arange(cells, dtype=torch.float64) + 0.5) / cells
    number = torch.arange(WAVES, dtype=torch.float64)[:, None]
    return torch.cos(math.pi * number * place) * (number < cells)
