"""Ranks of maps whose values are constant over cells of several pixels, ties averaged."""

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

_CHUNK = 2**20
"""Values ranked at once: enough to be fast, few enough to need only tens of megabytes."""


def rank_cells(
    values: Float64[Tensor, "*axes cell"], pixels: Float64[Tensor, "cell"]
) -> Float64[Tensor, "*axes cell"]:
    """Rank cells as their pixels would rank, from 1, all pixels of equal value sharing their mean.

    With B pixels of lower value and T pixels of lower or equal value, a cell ranks `(B + T + 1)/2`.
    Exact: sums of pixel counts stay whole numbers below 2^53. A NaN ranks above all else.

    Args:
        values: Any number of maps, each flattened to its cells.
        pixels: How many pixels each cell has.
    """
    maps = values.reshape(-1, values.shape[-1])
    if values.device.type == "cpu":
        chunks, sizes = maps.split(max(1, _CHUNK // max(1, values.shape[-1]))), pixels.numpy()
        ranks = [torch.from_numpy(_rank_here(chunk.numpy(), sizes)) for chunk in chunks]
    else:
        chunks = maps.split(max(1, 8 * _CHUNK // max(1, values.shape[-1])))
        ranks = [_rank_there(chunk, pixels) for chunk in chunks]
    return torch.cat(ranks).reshape(values.shape)


def _rank_there(
    values: Float64[Tensor, "map cell"], pixels: Float64[Tensor, "cell"]
) -> Float64[Tensor, "map cell"]:
    """Rank on the values' own device; nothing waits for it."""
    ordered, order = values.sort(dim=-1)
    sizes = pixels[order]
    upto = sizes.cumsum(dim=-1)
    is_new = ordered[:, 1:] != ordered[:, :-1]
    edge = is_new.new_ones(len(values), 1)
    below = torch.where(torch.cat([edge, is_new], dim=1), upto - sizes, 0.0)
    through = torch.where(torch.cat([is_new, edge], dim=1), upto, torch.inf)
    through = through.flip(-1).cummin(dim=-1).values.flip(-1)
    ranks = (below.cummax(dim=-1).values + through + 1) / 2
    return torch.empty_like(values).scatter_(-1, order, ranks)


def _rank_here(values: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    order = np.argsort(values, axis=-1)  # several times as fast as torch's
    ordered = np.take_along_axis(values, order, axis=-1)
    ranks = np.empty_like(values)
    if (pixels == pixels[0]).all():
        # Cells of one size, no two alike: the place in the order says the rank.
        upto = pixels[0] * np.arange(1, len(pixels) + 1)
        np.put_along_axis(ranks, order, ((2 * upto - pixels[0] + 1) / 2)[None], axis=-1)
        rest = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=-1))
        if len(rest) == 0:
            return ranks
        order, ordered = order[rest], ordered[rest]
    else:
        rest = np.arange(len(values))
    sizes = pixels[order]
    upto = np.cumsum(sizes, axis=-1)
    is_new = ordered[:, 1:] != ordered[:, :-1]
    edge = np.ones((len(ordered), 1), dtype=bool)
    below = np.where(np.hstack([edge, is_new]), upto - sizes, 0.0)
    below = np.maximum.accumulate(below, axis=-1)
    through = np.where(np.hstack([is_new, edge]), upto, np.inf)
    through = np.minimum.accumulate(through[:, ::-1], axis=-1)[:, ::-1]
    own = np.empty_like(ordered)
    np.put_along_axis(own, order, (below + through + 1) / 2, axis=-1)
    ranks[rest] = own
    return ranks
