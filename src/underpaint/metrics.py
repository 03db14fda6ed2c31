"""How well a predicted map matches a label: one number per image, never a mean over images.

Every metric is taken over the pixels of the full-size label, as if the prediction had been
upsampled (nearest) to its size, and is exact; but no prediction is upsampled. A prediction is
constant over each cell of its grid, so all that matters of a label is its sum over each cell.
A full-size prediction is the case of one-pixel cells, so one function serves both.

Conventions
    Predictions are `*source image target row col`: any leading axes (steps, layers, …), then the
    label's images and targets on whatever grid. The result is `*source image`, the mean over
    targets. What has no value (a constant map, two empty masks, a NaN) is NaN; so is a mean over
    targets of which one has none.

Notation
    p   prediction's value in a cell       y   label's value at a pixel
    q   position map's value at a pixel    e   what is left of y once q is regressed out
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from .arrays import cell_of_pixel, to_grid, to_image
from .errors import MetricError
from .ranks import rank_cells

NEGLIGIBLE = 1e-12
"""Share of a map's variance below which `residual` takes what is left of it for rounding."""


@dataclass(frozen=True)
class Truth:
    """One property's labels, prepared once to be compared with any number of predictions.

    `ranks` are those of each map's pixels from 1, ties averaged. `position` is the centred map that
    knows nothing but the place, and `rest` what it leaves of the labels, NaN if nothing; both are
    None if no position map was given.
    """

    labels: Float64[Tensor, "image target height width"]
    ranks: Float64[Tensor, "image target height width"]
    position: Float64[Tensor, "target height width"] | None
    rest: Float64[Tensor, "image target height width"] | None


def prepare(
    labels: Float[Tensor, "image target height width"],
    *,
    position: Float[Tensor, "target height width"] | None = None,
) -> Truth:
    """Rank labels, and take position out of them, once for every layer, step and source.

    Args:
        labels: At full size, normalised as the probes' training labels were.
        position: The mean map of the training labels; needed by `residual` alone.
    """
    exact = labels.double()
    one_each = torch.ones(exact.shape[-2:].numel(), dtype=torch.float64, device=exact.device)
    ranks = rank_cells(exact.flatten(-2), one_each).reshape(exact.shape)
    if position is None:
        return Truth(exact, ranks, None, None)
    q, y = _centred(position.to(exact)), _centred(exact)
    e = _centred(y - _total(y * q)[..., None, None] * _inverse(_total(q**2))[..., None, None] * q)
    is_left = (_total(e**2) > NEGLIGIBLE * _total(y**2)) & _varies(exact)
    return Truth(exact, ranks, q, torch.where(is_left[..., None, None], e, torch.nan))


def dice(
    predicted: Bool[Tensor, "*source image target row col"], truth: Truth
) -> Float64[Tensor, "*source image"]:
    """Measure the overlap `2|A ∩ B| / (|A| + |B|)`, from 0 (apart) to 1 (same).

    Foreground of the label is where it is above 1/2. Two empty masks have no overlap to measure:
    they score NaN, which `Scores` counts and shows.
    """
    pixels, foreground = _over_cells((truth.labels > 0.5).double(), predicted)
    return _dice(predicted.flatten(-2).double(), pixels, foreground).mean(dim=-1)


def rmse(
    predicted: Float[Tensor, "*source image target row col"], truth: Truth
) -> Float64[Tensor, "*source image"]:
    """Measure the root of the mean squared error, in units of the label.

    Split as (label's spread inside cells) + (error of the cell means), so that nothing cancels.
    """
    pixels, sums = _over_cells(truth.labels, predicted)
    means = sums / pixels
    height, width = truth.labels.shape[-2:]
    upsampled = to_image(means.unflatten(-1, predicted.shape[-2:]), (height, width))
    inside = _total((truth.labels - upsampled) ** 2)
    between = (predicted.flatten(-2).double() - means) ** 2 @ pixels
    return ((inside + between) / pixels.sum()).sqrt().mean(dim=-1)


def pearson(
    predicted: Float[Tensor, "*source image target row col"], truth: Truth
) -> Float64[Tensor, "*source image"]:
    """Measure the linear correlation over pixels, from -1 to 1. NaN if either map is constant."""
    pixels, sums = _over_cells(_centred(truth.labels), predicted)
    p = _centred_cells(predicted.flatten(-2).double(), pixels)
    correlation = (p * sums).sum(dim=-1) / (p**2 @ pixels * _squares(truth.labels)).sqrt()
    return _where_both_vary(correlation, predicted, truth).mean(dim=-1)


def spearman(
    predicted: Float[Tensor, "*source image target row col"], truth: Truth
) -> Float64[Tensor, "*source image"]:
    """Measure the correlation of ranks over pixels, ties averaged. NaN if either map is constant.

    The pixels of a cell tie, so a cell's rank follows from the sizes of the cells below it, and
    the label's ranks enter through their sums over cells: h × w values to sort, not height × width.
    """
    pixels, sums = _over_cells(_centred(truth.ranks), predicted)
    values = predicted.flatten(-2).double()
    p = _centred_cells(rank_cells(values, pixels), pixels)
    correlation = (p * sums).sum(dim=-1) / (p**2 @ pixels * _squares(truth.ranks)).sqrt()
    correlation = torch.where(values.isnan().any(dim=-1), torch.nan, correlation)
    return _where_both_vary(correlation, predicted, truth).mean(dim=-1)


def residual(
    predicted: Float[Tensor, "*source image target row col"], truth: Truth
) -> Float64[Tensor, "*source image"]:
    """Measure the correlation that is left once the pixel's place is known, from -1 to 1.

    Per image, the full-size position map q is regressed (least squares, with intercept) out of the
    label and out of the prediction as upsampled to full size; the result is Pearson's correlation
    of the two remainders, that is, the partial correlation of p and y given q.

    Exact on cells, for e is orthogonal to q and to constants, so that `<p - βq, e> = <p, e>`, and
    `|p - βq|² = |p|² - β²|q|²` for centred p and q: that difference is where digits are lost, when
    a prediction is nearly all position. A constant q takes nothing away: the residual is Pearson's.
    NaN where what is left of a map is under 1e-6 of its deviation: nothing remains to correlate.

    Raises:
        MetricError: if the truth was prepared without a position map.
    """
    if truth.position is None or truth.rest is None:
        raise MetricError(
            "`residual` needs a position map, and the truth was prepared without one. "
            "Give the mean map of the training labels: `prepare(labels, position=…)`."
        )
    pixels, e_sums = _over_cells(truth.rest, predicted)
    _, q_sums = _over_cells(truth.position, predicted)
    p = _centred_cells(predicted.flatten(-2).double(), pixels)
    size_p = p**2 @ pixels
    left = size_p - (p * q_sums).sum(dim=-1) ** 2 * _inverse(_total(truth.position**2))
    correlation = (p * e_sums).sum(dim=-1) / (left.clamp(min=0) * _total(truth.rest**2)).sqrt()
    correlation = torch.where(left > NEGLIGIBLE * size_p, correlation, torch.nan)
    return _where_both_vary(correlation, predicted, truth).mean(dim=-1)


METRICS: dict[str, Callable[[Tensor, Truth], Tensor]] = {
    "dice": dice,
    "spearman": spearman,
    "pearson": pearson,
    "residual": residual,
    "rmse": rmse,
}
"""Every metric by name. `dice` takes masks, the others maps. Of `rmse` alone, less is better."""


def best_threshold(
    predicted: Float[Tensor, "*source image target row col"],
    truth: Truth,
    *,
    candidates: int = 64,
) -> Float64[Tensor, "*source"]:
    """Choose, per source, the threshold with the best mean Dice over these images.

    Candidates are values of the source's own readings at evenly spaced ranks, from the least to
    the greatest; foreground is where the reading is greater. Images with no Dice (both masks
    empty) do not count, and the lowest of equally good thresholds wins.

    Raises:
        MetricError: if no label has any foreground, so that every threshold is as good.
    """
    pixels, foreground = _over_cells((truth.labels > 0.5).double(), predicted)
    if not foreground.any():
        raise MetricError(
            f"None of {len(foreground)} masks holds foreground, so no threshold can be chosen. "
            "Use more validation prompts."
        )
    cells = predicted.flatten(-2).double()
    pooled = cells.flatten(-3).sort(dim=-1).values
    places = torch.linspace(0, pooled.shape[-1] - 1, candidates).round().long()
    thresholds = pooled[..., places.to(pooled.device)]
    means = [
        _dice((cells > each[..., None, None, None]).double(), pixels, foreground)
        .mean(dim=-1)
        .nanmean(dim=-1)
        for each in thresholds.unbind(dim=-1)
    ]
    best = torch.stack(means, dim=-1).nan_to_num(-1.0).argmax(dim=-1, keepdim=True)
    return thresholds.gather(-1, best).squeeze(-1)


def _over_cells(
    maps: Float64[Tensor, "*axes height width"], predicted: Tensor
) -> tuple[Float64[Tensor, "cell"], Float64[Tensor, "*axes cell"]]:
    """Count the pixels in each cell of a prediction's grid, and sum maps over them."""
    size = (maps.shape[-2], maps.shape[-1])
    grid = (predicted.shape[-2], predicted.shape[-1])
    means = maps if size == grid else to_grid(maps, grid)
    rows = torch.bincount(cell_of_pixel(size[0], grid[0]), minlength=grid[0]).to(maps)
    cols = torch.bincount(cell_of_pixel(size[1], grid[1]), minlength=grid[1]).to(maps)
    pixels = torch.outer(rows, cols)
    return pixels.flatten(), (means * pixels).flatten(-2)


def _dice(
    masks: Float64[Tensor, "*source image target cell"],
    pixels: Float64[Tensor, "cell"],
    foreground: Float64[Tensor, "image target cell"],
) -> Float64[Tensor, "*source image target"]:
    overlap = (masks * foreground).sum(dim=-1)
    return 2 * overlap / (masks @ pixels + foreground.sum(dim=-1))


def _where_both_vary(correlation: Tensor, predicted: Tensor, truth: Truth) -> Tensor:
    # Asked of the values themselves: rounding gives a constant map a tiny deviation.
    return torch.where(_varies(predicted) & _varies(truth.labels), correlation, torch.nan)


def _varies(maps: Tensor) -> Tensor:
    return maps.amax(dim=(-2, -1)) != maps.amin(dim=(-2, -1))


def _centred(maps: Tensor) -> Tensor:
    return maps - maps.mean(dim=(-2, -1), keepdim=True)


def _centred_cells(values: Tensor, pixels: Tensor) -> Tensor:
    return values - (values @ pixels / pixels.sum())[..., None]


def _squares(maps: Tensor) -> Tensor:
    return _total(_centred(maps) ** 2)


def _total(maps: Tensor) -> Tensor:
    return maps.sum(dim=(-2, -1))


def _inverse(sizes: Tensor) -> Tensor:
    return torch.where(sizes > 0, 1 / sizes, 0.0)
