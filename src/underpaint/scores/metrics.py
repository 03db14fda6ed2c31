"""How well a predicted map matches a label: one number per image, never a mean over images.

Every metric is taken over the pixels of the full-size label, as if the prediction had been
upsampled (nearest) to its size, and is exact; but no prediction is upsampled. A prediction is
constant over each cell of its grid, so all that matters of a label is its sum over each cell.
A full-size prediction is the case of one-pixel cells, so one function serves both.

Conventions
    Predictions are `*source image target row col`: any leading axes (steps, layers, …), then the
    label's images and targets on whatever grid. The result is `*source image`, the mean over
    targets. What has no value (a constant map, two empty masks, a NaN) is NaN; so is a mean over
    targets of which one has none. A label's NaN is a pixel of which nothing is known: such a map
    is scored over its other pixels, as if the rest of prediction, label and place were cut away.

Notation
    p   prediction's value in a cell       y   label's value at a pixel
    q   position map's value at a pixel    e   what is left of y once q is regressed out
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps

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
    has been summed over the cells of a grid, by name and grid: it follows from the rest. Where
    pixels are unknown, `singles` holds each image's targets, prepared one by one; None of which
    nothing is.
    """

    labels: Float64[Tensor, "image target height width"]
    varies: Bool[Tensor, "image target"]
    values: Centred
    ranks: Centred
    position: Centred | None
    rest: Centred | None
    singles: tuple[tuple["Truth | None", ...], ...] = ()
    sums: dict[tuple[str, int, int], tuple[Tensor, Tensor]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def over_cells(
        self, name: str, maps: Callable[[], Tensor], predicted: Tensor
    ) -> tuple[Float64[Tensor, "*counts cell"], Float64[Tensor, "*axes cell"]]:
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
    if (unknown := exact.isnan()).any():
        singles = tuple(
            tuple(
                None if hole.all() else _prepare_one(map_, hole, place)
                for map_, hole, place in zip(
                    image, holes, [None] * len(image) if position is None else position, strict=True
                )
            )
            for image, holes in zip(exact, unknown, strict=True)
        )
        empty = Centred(exact, exact.new_full(exact.shape[:2], torch.nan))
        return Truth(exact, _varies(exact), empty, empty, None, None, singles)
    one_each = torch.ones(exact.shape[-2:].numel(), dtype=torch.float64, device=exact.device)
    ranks = rank_cells(exact.flatten(-2), one_each).reshape(exact.shape)
    return _prepared(exact, ranks, None if position is None else position.to(exact))


def _prepare_one(
    label: Float64[Tensor, "height width"],
    hole: Bool[Tensor, "height width"],
    place: Float[Tensor, "height width"] | None,
) -> Truth:
    """Prepare one map of which some pixels are unknown."""
    label, hole = label[None, None], hole[None, None]
    known = hole.logical_not().double().flatten()
    ranks = rank_cells(label.flatten(-2), known).reshape(label.shape)
    ranks = torch.where(hole, torch.nan, ranks)
    place = None if place is None else torch.where(hole[0], torch.nan, place.to(label)[None])
    return _prepared(label, ranks, place)


def _prepared(
    exact: Float64[Tensor, "image target height width"],
    ranked: Float64[Tensor, "image target height width"],
    position: Float64[Tensor, "target height width"] | None,
) -> Truth:
    varies, values, ranks = _varies(exact), _centred(exact), _centred(ranked)
    if position is None:
        return Truth(exact, varies, values, ranks, None, None)
    q = _centred(position)
    slope = (values.maps * q.maps).nansum(dim=(-2, -1)) * _inverse(q.size)
    e = _centred(values.maps - slope[..., None, None] * q.maps)
    is_left = e.size > NEGLIGIBLE * values.size
    rest = Centred(e.maps, torch.where(is_left, e.size, torch.nan))
    return Truth(exact, varies, values, ranks, q, rest)


def _over_known(
    metric: Callable[[Tensor, Truth], Tensor],
) -> Callable[[Tensor, Truth], Tensor]:
    """Let a metric take labels with unknown pixels: map by map, each over what is known of it."""

    @wraps(metric)
    def over_known(predicted: Tensor, truth: Truth) -> Tensor:
        if not truth.singles:
            return metric(predicted, truth)
        columns = []
        for image, targets in enumerate(truth.singles):
            scores = [
                torch.full((*predicted.shape[:-4], 1), torch.nan).to(truth.labels)
                if one is None
                else metric(_alive(predicted[..., [image], :, :, :][..., [at], :, :], one), one)
                for at, one in enumerate(targets)
            ]
            columns.append(torch.stack(scores).mean(dim=0))
        return torch.cat(columns, dim=-1)

    return over_known


def _alive(predicted: Tensor, truth: Truth) -> Tensor:
    """Give cells without a known pixel the value of one that has some: none of it counts."""
    pixels, _ = truth.over_cells("labels", lambda: truth.labels, predicted)
    cells = predicted.flatten(-2)
    alive = cells[..., pixels.argmax(), None]
    return torch.where(pixels > 0, cells, alive).reshape(predicted.shape)


def foreground(
    labels: Float64[Tensor, "image target height width"],
) -> Float64[Tensor, "image target height width"]:
    """Tell where a mask is above 1/2, as 0 and 1; NaN where that is unknown."""
    return torch.where(labels.isnan(), torch.nan, (labels > 0.5).double())


@_over_known
def dice(
    predicted: Bool[Tensor, "*source image target row col"], truth: Truth
) -> Float64[Tensor, "*source image"]:
    """Measure the overlap `2|A ∩ B| / (|A| + |B|)`, from 0 (apart) to 1 (same).

    Foreground of the label is where it is above 1/2. Two empty masks have no overlap to measure:
    they score NaN, which `Scores` counts and shows.
    """
    pixels, shown = truth.over_cells("mask", lambda: foreground(truth.labels), predicted)
    return _dice(predicted.flatten(-2).double(), pixels, shown).mean(dim=-1)


@_over_known
def rmse(
    predicted: Float[Tensor, "*source image target row col"], truth: Truth
) -> Float64[Tensor, "*source image"]:
    """Measure the root of the mean squared error, in units of the label.

    Taken as (label's spread inside cells) + (error of the cell means), so that a large mean costs
    no digits; a prediction without error may still score 1e-8 of the label's deviation.
    """
    pixels, sums = truth.over_cells("labels", lambda: truth.labels, predicted)
    means = sums / pixels.clamp(min=1)
    inside = (truth.values.size - _centred_cells(means, pixels) ** 2 @ pixels).clamp(min=0)
    between = (predicted.flatten(-2).double() - means) ** 2 @ pixels
    return ((inside + between) / pixels.sum()).sqrt().mean(dim=-1)


@_over_known
def pearson(
    predicted: Float[Tensor, "*source image target row col"], truth: Truth
) -> Float64[Tensor, "*source image"]:
    """Measure the linear correlation over pixels, from -1 to 1. NaN if either map is constant."""
    pixels, sums = truth.over_cells("values", lambda: truth.values.maps, predicted)
    p = _centred_cells(predicted.flatten(-2).double(), pixels)
    return _correlation((p * sums).sum(dim=-1), p**2 @ pixels, truth.values, predicted, truth)


@_over_known
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


@_over_known
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
    pixels, shown = truth.over_cells("mask", lambda: foreground(truth.labels), predicted)
    if not shown.any():
        raise MetricError(
            f"None of {len(shown)} masks holds foreground, so no threshold can be chosen. "
            "Use more validation prompts."
        )
    cells = predicted.flatten(-2).double()
    pooled = cells.flatten(-3).sort(dim=-1).values
    places = torch.linspace(0, pooled.shape[-1] - 1, candidates).round().long()
    thresholds = pooled[..., places.to(pooled.device)].contiguous()
    overlaps, sizes = _above(cells, thresholds, pixels, shown)
    scores = 2 * overlaps / (sizes + shown.sum(dim=-1)[..., None])
    means = scores.mean(dim=-2).nanmean(dim=-2)
    best = means.nan_to_num(-1.0).argmax(dim=-1, keepdim=True)
    return thresholds.gather(-1, best).squeeze(-1)


def _above(
    cells: Float64[Tensor, "*source image target cell"],
    thresholds: Float64[Tensor, "*source candidate"],
    pixels: Float64[Tensor, "*counts cell"],
    foreground: Float64[Tensor, "image target cell"],
) -> tuple[
    Float64[Tensor, "*source image target candidate"],
    Float64[Tensor, "*source image target candidate"],
]:
    """Sum foreground, and all pixels, over the cells that are above each of sorted thresholds.

    Each cell is sorted in between two thresholds once, and what lies above a threshold is the sum
    of what lies between it and all higher ones.
    """
    shape, count = cells.shape, thresholds.shape[-1]
    # A value's place is the number of thresholds below it; one equal to a threshold is not above.
    place = torch.searchsorted(thresholds.nan_to_num(torch.inf), cells.flatten(-3))
    place = torch.where(cells.isnan(), 0, place.reshape(shape))  # a NaN is above none
    sums = []
    for weights in (foreground, pixels):
        between = cells.new_zeros(*shape[:-1], count + 1)
        between.scatter_add_(-1, place, weights.expand(shape).to(cells))
        sums.append(between.flip(-1).cumsum(dim=-1).flip(-1)[..., 1:])
    return sums[0], sums[1]


def _over_cells(
    maps: Float64[Tensor, "*axes height width"], predicted: Tensor
) -> tuple[Float64[Tensor, "*counts cell"], Float64[Tensor, "*axes cell"]]:
    """Count the pixels in each cell of a prediction's grid, and sum maps over them.

    Of maps with unknown pixels, both are of the known ones, and counts are each map's own; of one
    such map alone, they are its cells'.
    """
    if (unknown := maps.isnan()).any():
        pixels, sums = _over_cells(unknown.logical_not().double(), predicted)
        pixels, sums = sums.round(), _over_cells(maps.nan_to_num(0.0), predicted)[1]
        return (pixels.flatten() if len(pixels.flatten(0, -2)) == 1 else pixels), sums
    size = (maps.shape[-2], maps.shape[-1])
    grid = (predicted.shape[-2], predicted.shape[-1])
    means = maps if size == grid else to_grid(maps, grid)
    rows = torch.bincount(cell_of_pixel(size[0], grid[0]), minlength=grid[0]).to(maps)
    cols = torch.bincount(cell_of_pixel(size[1], grid[1]), minlength=grid[1]).to(maps)
    pixels = torch.outer(rows, cols)
    return pixels.flatten(), (means * pixels).flatten(-2)


def _dice(
    masks: Float64[Tensor, "*source image target cell"],
    pixels: Float64[Tensor, "*counts cell"],
    foreground: Float64[Tensor, "image target cell"],
) -> Float64[Tensor, "*source image target"]:
    overlap = (masks * foreground).sum(dim=-1)
    sizes = masks @ pixels if pixels.ndim == 1 else (masks * pixels).sum(dim=-1)
    return 2 * overlap / (sizes + foreground.sum(dim=-1))


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
    if maps.is_floating_point() and (unknown := maps.isnan()).any():
        high, low = (torch.where(unknown, end, maps) for end in (-torch.inf, torch.inf))
        return high.amax(dim=(-2, -1)) != low.amin(dim=(-2, -1))
    return maps.amax(dim=(-2, -1)) != maps.amin(dim=(-2, -1))


def _centred(maps: Float64[Tensor, "*axes height width"]) -> Centred:
    if maps.isnan().any():  # unknown pixels stay NaN and count for nothing
        centred = maps - maps.nanmean(dim=(-2, -1), keepdim=True)
        return Centred(centred, centred.square().nansum(dim=(-2, -1)))
    centred = maps - maps.mean(dim=(-2, -1), keepdim=True)
    return Centred(centred, centred.square().sum(dim=(-2, -1)))


def _centred_cells(values: Tensor, pixels: Tensor) -> Tensor:
    return values - (values @ pixels / pixels.sum())[..., None]


def _inverse(sizes: Tensor) -> Tensor:
    return torch.where(sizes > 0, 1 / sizes, 0.0)
