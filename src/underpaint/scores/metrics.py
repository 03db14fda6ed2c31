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
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from ..core.arrays import cell_of_pixel, to_grid
from ..core.errors import MetricError
from .ranks import rank_cells

NEGLIGIBLE = 1e-12
"""Share of a map's variance below which `residual` takes what is left of it for rounding."""


@dataclass(frozen=True)
class Centred:
    """Maps less their own mean, and the sum of their squares over pixels."""

    maps: Float64[Tensor, "*axes height width"]
    size: Float64[Tensor, "*axes"]


@dataclass(frozen=True)
class Truth:
    """One property's labels, prepared once to be compared with any number of predictions.

    `ranks` are those of each map's pixels, ties averaged. `position` is the map that knows nothing
    but the place, and `rest` what it leaves of the labels, NaN if nothing; both are None if no
    position map was given. `varies` is False where a label map is constant. `sums` remembers what
    has been summed over the cells of a grid, by name and grid: it follows from the rest.
    """

    labels: Float64[Tensor, "image target height width"]
    varies: Bool[Tensor, "image target"]
    values: Centred
    ranks: Centred
    position: Centred | None
    rest: Centred | None
    sums: dict[tuple[str, int, int], tuple[Tensor, Tensor]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def over_cells(
        self, name: str, maps: Callable[[], Tensor], predicted: Tensor
    ) -> tuple[Float64[Tensor, "cell"], Float64[Tensor, "*axes cell"]]:
        """Count the pixels in each cell of a prediction's grid, and sum maps over them, once."""
        key = (name, predicted.shape[-2], predicted.shape[-1])
        if (known := self.sums.get(key)) is None:
            known = self.sums[key] = _over_cells(maps(), predicted)
        return known


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
    varies, values = _varies(exact), _centred(exact)
    one_each = torch.ones(exact.shape[-2:].numel(), dtype=torch.float64, device=exact.device)
    ranks = _centred(rank_cells(exact.flatten(-2), one_each).reshape(exact.shape))
    if position is None:
        return Truth(exact, varies, values, ranks, None, None)
    q = _centred(position.to(exact))
    slope = (values.maps * q.maps).sum(dim=(-2, -1)) * _inverse(q.size)
    e = _centred(values.maps - slope[..., None, None] * q.maps)
    is_left = e.size > NEGLIGIBLE * values.size
    rest = Centred(e.maps, torch.where(is_left, e.size, torch.nan))
    return Truth(exact, varies, values, ranks, q, rest)


def dice(
    predicted: Bool[Tensor, "*source image target row col"], truth: Truth
) -> Float64[Tensor, "*source image"]:
    """Measure the overlap `2|A ∩ B| / (|A| + |B|)`, from 0 (apart) to 1 (same).

    Foreground of the label is where it is above 1/2. Two empty masks have no overlap to measure:
    they score NaN, which `Scores` counts and shows.
    """
    pixels, foreground = truth.over_cells("mask", lambda: (truth.labels > 0.5).double(), predicted)
    return _dice(predicted.flatten(-2).double(), pixels, foreground).mean(dim=-1)


def rmse(
    predicted: Float[Tensor, "*source image target row col"], truth: Truth
) -> Float64[Tensor, "*source image"]:
    """Measure the root of the mean squared error, in units of the label.

    Taken as (label's spread inside cells) + (error of the cell means), so that a large mean costs
    no digits; a prediction without error may still score 1e-8 of the label's deviation.
    """
    pixels, sums = truth.over_cells("labels", lambda: truth.labels, predicted)
    means = sums / pixels
    inside = (truth.values.size - _centred_cells(means, pixels) ** 2 @ pixels).clamp(min=0)
    between = (predicted.flatten(-2).double() - means) ** 2 @ pixels
    return ((inside + between) / pixels.sum()).sqrt().mean(dim=-1)


def pearson(
    predicted: Float[Tensor, "*source image target row col"], truth: Truth
) -> Float64[Tensor, "*source image"]:
    """Measure the linear correlation over pixels, from -1 to 1. NaN if either map is constant."""
    pixels, sums = truth.over_cells("values", lambda: truth.values.maps, predicted)
    p = _centred_cells(predicted.flatten(-2).double(), pixels)
    return _correlation((p * sums).sum(dim=-1), p**2 @ pixels, truth.values, predicted, truth)


def spearman(
    predicted: Float[Tensor, "*source image target row col"], truth: Truth
) -> Float64[Tensor, "*source image"]:
    """Measure the correlation of ranks over pixels, ties averaged. NaN if either map is constant.

    The pixels of a cell tie, so a cell's rank follows from the sizes of the cells below it, and
    the label's ranks enter through their sums over cells: h × w values to sort, not height × width.
    """
    pixels, sums = truth.over_cells("ranks", lambda: truth.ranks.maps, predicted)
    values = predicted.flatten(-2).double()
    p = _centred_cells(rank_cells(values, pixels), pixels)
    p = torch.where(values.isnan().any(dim=-1, keepdim=True), torch.nan, p)
    return _correlation((p * sums).sum(dim=-1), p**2 @ pixels, truth.ranks, predicted, truth)


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
    rest, position = truth.rest, truth.position
    pixels, e_sums = truth.over_cells("rest", lambda: rest.maps, predicted)
    _, q_sums = truth.over_cells("position", lambda: position.maps, predicted)
    p = _centred_cells(predicted.flatten(-2).double(), pixels)
    size = p**2 @ pixels
    left = size - (p * q_sums).sum(dim=-1) ** 2 * _inverse(truth.position.size)
    left = torch.where(left > NEGLIGIBLE * size, left, torch.nan)
    return _correlation((p * e_sums).sum(dim=-1), left, truth.rest, predicted, truth)


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
    pixels, foreground = truth.over_cells("mask", lambda: (truth.labels > 0.5).double(), predicted)
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


def _correlation(
    product: Float64[Tensor, "*source image target"],
    size: Float64[Tensor, "*source image target"],
    reference: Centred,
    predicted: Tensor,
    truth: Truth,
) -> Float64[Tensor, "*source image"]:
    # That a map is constant is asked of its values: rounding gives it a tiny deviation.
    is_defined = _varies(predicted) & truth.varies
    correlation = product / (size * reference.size).sqrt()
    return torch.where(is_defined, correlation, torch.nan).mean(dim=-1)


def _varies(maps: Tensor) -> Tensor:
    return maps.amax(dim=(-2, -1)) != maps.amin(dim=(-2, -1))


def _centred(maps: Float64[Tensor, "*axes height width"]) -> Centred:
    centred = maps - maps.mean(dim=(-2, -1), keepdim=True)
    return Centred(centred, centred.square().sum(dim=(-2, -1)))


def _centred_cells(values: Tensor, pixels: Tensor) -> Tensor:
    return values - (values @ pixels / pixels.sum())[..., None]


def _inverse(sizes: Tensor) -> Tensor:
    return torch.where(sizes > 0, 1 / sizes, 0.0)
