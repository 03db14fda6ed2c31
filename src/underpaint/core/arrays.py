"""The only resizes, reshapes and scalings that carry meaning.

One idea joins them: a grid cell owns the pixels nearest to it, each pixel in exactly one cell.
`to_grid` averages over those pixels and `to_image` writes to them, so a linear read-out fitted on
cell means is the one fitted on pixels after nearest upsampling, for any squared or linear loss.

A NaN in a label map is a pixel of which nothing is known. It counts for nothing here: means are of
what is known, and stay NaN where nothing is.
"""

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .errors import LabelError
from .properties import Property


def to_grid(
    maps: Float[Tensor, "*axes height width"], grid: tuple[int, int]
) -> Float[Tensor, "*axes row col"]:
    """Average maps over the pixels that each cell of an activation grid owns.

    Where the sizes do not divide, cells own different numbers of pixels, never a shared one. Of
    unknown pixels, NaN, the mean is over the others; a cell without any other is unknown too.

    Args:
        maps: Labels or any other maps, one value a pixel.
        grid: Rows and columns of the result.

    Raises:
        LabelError: if the grid is finer than the maps, so that a cell would own no pixel.
    """
    _check_sizes(pixels=(maps.shape[-2], maps.shape[-1]), grid=grid)
    by_row = _membership(maps.shape[-2], grid[0], maps)
    by_col = _membership(maps.shape[-1], grid[1], maps)
    # Sums of 0/1 weights first, one division last: the mean of a mask full of ones is exactly 1.
    pixels = by_row.sum(dim=1)[:, None] * by_col.sum(dim=1)
    if maps.isnan().any():
        pixels = by_row @ maps.isnan().logical_not().to(maps) @ by_col.mT
        maps = maps.nan_to_num(0.0, float("inf"), float("-inf"))
    return by_row @ maps @ by_col.mT / pixels


def to_image(
    maps: Float[Tensor, "*axes row col"], size: tuple[int, int]
) -> Float[Tensor, "*axes height width"]:
    """Give every pixel the value of the cell that owns it (nearest upsampling).

    Args:
        maps: One value a cell.
        size: Height and width of the result, in pixels.

    Raises:
        LabelError: if the image is coarser than the grid, so that a cell would be lost.
    """
    grid = (maps.shape[-2], maps.shape[-1])
    _check_sizes(pixels=size, grid=grid)
    rows = cell_of_pixel(size[0], grid[0]).to(maps.device)
    cols = cell_of_pixel(size[1], grid[1]).to(maps.device)
    return maps[..., rows[:, None], cols]


def normalise(
    property: Property, labels: Float[Tensor, "image target height width"]
) -> Float[Tensor, "image target height width"]:
    """Bring labels to the scale that probes are fitted on.

    A relative property is z-scored within each image and target (population deviation), which
    removes the scale and shift that a monocular labeler cannot know. A constant map has no scale:
    it becomes zeros. Other properties pass unchanged. Unknown pixels, NaN, stay unknown, and the
    others are scaled by themselves.
    """
    if not property.is_relative:
        return labels
    unknown = labels.isnan()
    if unknown.any():
        return _normalised_known(labels, unknown)
    centred = labels.double() - labels.double().mean(dim=(2, 3), keepdim=True)
    scale = centred.square().mean(dim=(2, 3), keepdim=True).sqrt()
    # Rounding leaves a constant map a tiny deviation; dividing by it would turn it into noise.
    is_constant = labels.amax(dim=(2, 3), keepdim=True) == labels.amin(dim=(2, 3), keepdim=True)
    return torch.where(is_constant, 0.0, centred / scale).to(labels.dtype)


def _normalised_known(
    labels: Float[Tensor, "image target height width"],
    unknown: Bool[Tensor, "image target height width"],
) -> Float[Tensor, "image target height width"]:
    exact = labels.double()
    centred = exact - exact.nanmean(dim=(2, 3), keepdim=True)
    scale = centred.square().nanmean(dim=(2, 3), keepdim=True).sqrt()
    high = exact.nan_to_num(-torch.inf).amax(dim=(2, 3), keepdim=True)
    low = exact.nan_to_num(torch.inf).amin(dim=(2, 3), keepdim=True)
    scaled = torch.where(high == low, 0.0, centred / scale)
    return torch.where(unknown, torch.nan, scaled).to(labels.dtype)


def to_rows(
    activation: Float[Tensor, "image channel row col"],
) -> Float[Tensor, "image*row*col channel"]:
    """Lay activations out one row per position, images first, then grid rows, then columns."""
    return rearrange(activation, "image channel row col -> (image row col) channel")


def cell_of_pixel(pixels: int, cells: int) -> Int[Tensor, "{pixels}"]:
    """Number the cell that owns each pixel along one axis: `floor(pixel * cells / pixels)`."""
    return torch.arange(pixels) * cells // pixels


def _membership(pixels: int, cells: int, like: Tensor) -> Float[Tensor, "{cells} {pixels}"]:
    owner = cell_of_pixel(pixels, cells)
    return (owner == torch.arange(cells)[:, None]).to(like)


def _check_sizes(*, pixels: tuple[int, int], grid: tuple[int, int]) -> None:
    if min(grid) < 1 or grid[0] > pixels[0] or grid[1] > pixels[1]:
        raise LabelError(
            f"A {grid[0]}×{grid[1]} grid does not fit {pixels[0]}×{pixels[1]} pixels: every cell "
            "needs a pixel of its own. Use maps at the image's size."
        )
