"""What an edit aims at: masks that are moved, scaled or drawn, and maps that are translated.

Moves go right and down. A mask that would leave the picture is refused, never cut: a target that
nobody asked for would be scored as if it had been.
"""

import math
from itertools import product
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn.functional import max_pool2d

from ..core.errors import EditError
from ..core.pictures import open_picture, pixels_of

RANDOM_MOVE = (90 / 512, 120 / 512)
"""How far `random_move` goes along each axis: the literature's ±90 to 120 of 512 pixels."""
FRINGE = 1 / 32
"""Of the picture's larger side: so far around a mask, maps still tell of the object."""


def move_mask(
    mask: Float[Tensor, "*axes height width"], dx: float, dy: float
) -> Float[Tensor, "*axes height width"]:
    """Move a mask to the right by dx and down by dy.

    Args:
        mask: Foreground is above 0.
        dx: Below 1 in size a fraction of the picture's width, else whole pixels.
        dy: The same of its height.

    Raises:
        EditError: if the mask is empty, would leave the picture, or a move is no number of pixels.
    """
    right, down = shift_px(mask, dx, dy)
    if not _fits(mask, right, down):
        top, bottom, left, far = box_of(mask)
        height, width = mask.shape[-2:]
        raise EditError(
            f"A move by {right},{down} pixels takes the mask (columns {left}–{far}, rows "
            f"{top}–{bottom}) out of the {width}×{height} picture. Move it by {-left} to "
            f"{width - 1 - far} across and {-top} to {height - 1 - bottom} down."
        )
    return torch.roll(mask, (down, right), dims=(-2, -1))  # nothing comes round: it fits


def scale_mask(
    mask: Float[Tensor, "*axes height width"], factor: float
) -> Float[Tensor, "*axes height width"]:
    """Scale a mask about the centre of its bounding box (nearest pixel).

    Raises:
        EditError: if the factor is not above 0, or the mask is empty, leaves the picture or
            vanishes.
    """
    if not (math.isfinite(factor) and factor > 0):
        raise EditError(f"A mask cannot be scaled by {factor}. Use a number above 0, such as 1.5.")
    top, bottom, left, far = box_of(mask)
    height, width = mask.shape[-2:]
    rows = _scaled_places(height, (top, bottom + 1), factor)
    cols = _scaled_places(width, (left, far + 1), factor)
    scaled = mask[..., rows.clamp(0, height - 1)[:, None], cols.clamp(0, width - 1)]
    scaled = scaled * torch.outer(_inside(rows, height), _inside(cols, width)).to(mask.device)
    if not (scaled > 0).any():
        raise EditError(f"Scaled by {factor}, the mask has no pixel left. Scale it by more.")
    return scaled


def translate_map(
    maps: Float[Tensor, "*axes height width"], dx: float, dy: float
) -> Float[Tensor, "*axes height width"]:
    """Translate maps as `move_mask` moves masks, and repeat the edge where nothing comes from.

    Raises:
        EditError: if a move is as large as the picture, or no number of pixels.
    """
    right, down = shift_px(maps, dx, dy)
    height, width = maps.shape[-2:]
    if abs(right) >= width or abs(down) >= height:
        raise EditError(
            f"A translation by {right},{down} pixels leaves nothing of a {width}×{height} map. "
            "Translate it by less."
        )
    rows = (torch.arange(height) - down).clamp(0, height - 1)
    cols = (torch.arange(width) - right).clamp(0, width - 1)
    return maps[..., rows[:, None], cols]


def carry_map(
    maps: Float[Tensor, "*axes height width"],
    before: Float[Tensor, "1 height width"],
    after: Float[Tensor, "1 height width"],
) -> Float[Tensor, "*axes height width"]:
    """Say what maps would be if the object took its part of them along.

    Where it is afterwards, each pixel has what stands at the same place of the object's bounding
    box now; where it was, and is no more, what is around it comes in from the nearest pixel beyond
    its fringe. A place of its box that the object leaves free has its nearest value.

    Args:
        maps: As they are.
        before: The object's mask, foreground above 0.
        after: Where it shall be: moved, scaled, or of another shape.

    Raises:
        EditError: if a mask is empty.
    """
    near = grow_mask(before, FRINGE)[0] > 0
    return torch.where(after > 0, _looks_at(maps, before, after), _spread(maps, ~near))


def copy_map(
    maps: Float[Tensor, "*axes height width"],
    before: Float[Tensor, "1 height width"],
    after: Float[Tensor, "1 height width"],
) -> Float[Tensor, "*axes height width"]:
    """Say what maps would be if another object like the one that is there stood elsewhere.

    As `carry_map`, but the object stays: everywhere but at the new place maps are as they are.

    Args:
        maps: As they are.
        before: The object's mask, foreground above 0.
        after: Where its like shall be.

    Raises:
        EditError: if a mask is empty.
    """
    return torch.where(after > 0, _looks_at(maps, before, after), maps)


def grow_mask(
    mask: Float[Tensor, "*image 1 height width"], margin: float
) -> Float[Tensor, "*image 1 height width"]:
    """Grow a mask's foreground, above 0, by a share of the larger side; the result is 0 or 1."""
    reach = round(margin * max(mask.shape[-2:]))
    return max_pool2d((mask > 0).float(), 2 * reach + 1, stride=1, padding=reach)


def random_move(
    mask: Float[Tensor, "*axes height width"], random: np.random.Generator
) -> Float[Tensor, "*axes height width"]:
    """Move a mask by `RANDOM_MOVE` along each axis, to a random one of the sides with room.

    Raises:
        EditError: if the mask is empty, or no side has room.
    """
    across, along = random.uniform(*RANDOM_MOVE, size=2)
    for sx, sy in random.permutation(list(product((1, -1), repeat=2))):
        right, down = shift_px(mask, sx * across, sy * along)
        if _fits(mask, right, down):
            return torch.roll(mask, (down, right), dims=(-2, -1))
    raise EditError(
        f"The mask has no room for a move by {across:.2f} and {along:.2f} of the picture to any "
        "side. Move it by less, or scale it."
    )


def random_place(
    mask: Float[Tensor, "*axes height width"], random: np.random.Generator
) -> Float[Tensor, "*axes height width"]:
    """Move a mask to a random place beside itself: all are as likely where the boxes are apart.

    Between them there is `FRINGE` of the larger side, where maps still tell of the object.

    Raises:
        EditError: if the mask is empty, or there is no such place.
    """
    top, bottom, left, far = box_of(mask)
    height, width = mask.shape[-2:]
    gap = round(FRINGE * max(height, width))
    down, right = np.arange(-top, height - bottom), np.arange(-left, width - far)
    is_apart = np.abs(down)[:, None] > bottom - top + gap
    places = np.argwhere(is_apart | (np.abs(right) > far - left + gap))
    if not len(places):
        raise EditError("There is no room beside the object for another. Scale it, or paint it.")
    row, col = places[random.integers(len(places))]
    return torch.roll(mask, (int(down[row]), int(right[col])), dims=(-2, -1))


def shift_between(
    before: Float[Tensor, "*axes height width"], after: Float[Tensor, "*axes height width"]
) -> tuple[int, int]:
    """Say by how many pixels a mask was moved right and down: its box's first column and row.

    Raises:
        EditError: if a mask is empty.
    """
    (top, _, left, _), (top_after, _, left_after, _) = box_of(before), box_of(after)
    return left_after - left, top_after - top


def distances(
    before: Float[Tensor, "image 1 height width"], after: Float[Tensor, "image 1 height width"]
) -> Float64[Tensor, "image"]:
    """Say how far masks are moved: between the middles of their boxes, in shares of the side.

    The side is the picture's larger one. NaN where a mask is empty.
    """
    found = []
    for each in zip(before, after, strict=True):
        if not all((mask > 0).any() for mask in each):
            found.append(math.nan)
            continue
        (top, bottom, left, far), (top2, bottom2, left2, far2) = (box_of(mask) for mask in each)
        down, right = (top2 + bottom2 - top - bottom) / 2, (left2 + far2 - left - far) / 2
        found.append(math.hypot(down, right) / max(before.shape[-2:]))
    return torch.tensor(found, dtype=torch.float64)


def read_mask(path: Path, size: tuple[int, int]) -> Float[Tensor, "1 height width"]:
    """Read a drawn mask: pixels brighter than mid-grey are foreground.

    Args:
        path: A PNG.
        size: Height and width that it has to have.

    Raises:
        EditError: if it cannot be read, has another size, or is all black or all white.
    """
    grey = _read_grey(path, size, what="mask")
    mask = torch.from_numpy((grey > 127).astype(np.float32))[None]
    if not 0 < mask.mean() < 1:
        colour = "white" if mask.any() else "black"
        raise EditError(
            f"The mask {path} is all {colour}: it says no place. Paint the object white on black."
        )
    return mask


def read_map(path: Path, size: tuple[int, int]) -> Float[Tensor, "1 height width"]:
    """Read a map, such as of depth, from a picture's grey: the brighter, the greater; 0..1.

    Args:
        path: A PNG of 8 or 16 bits.
        size: Height and width that it has to have.

    Raises:
        EditError: if it cannot be read, has another size, or is the same everywhere.
    """
    grey = _read_grey(path, size, what="map")
    if grey.min() == grey.max():
        raise EditError(f"The map {path} is the same everywhere: it says nothing. Draw one.")
    return torch.from_numpy(grey.astype(np.float32) / np.float32(grey.max()))[None]


def shift_px(maps: Float[Tensor, "*axes height width"], dx: float, dy: float) -> tuple[int, int]:
    """Turn a move into whole pixels: fractions of the picture below 1 in size, else pixels.

    Raises:
        EditError: if a move is not finite, or is pixels and not whole.
    """
    for each in (dx, dy):
        if not math.isfinite(each) or (abs(each) >= 1 and each != round(each)):
            raise EditError(
                f"Cannot move by {each}. Give whole pixels, or below 1 a fraction of the picture."
            )
    height, width = maps.shape[-2:]
    return (
        round(dx * width) if abs(dx) < 1 else round(dx),
        round(dy * height) if abs(dy) < 1 else round(dy),
    )


def _read_grey(path: Path, size: tuple[int, int], *, what: str) -> np.ndarray:
    try:
        with open_picture(path) as picture:
            pixels, deepest = pixels_of(picture)
    except OSError as error:
        raise EditError(f"Cannot read the {what} {path} ({error}). Save it as a PNG.") from error
    if pixels.shape[:2] != size:
        raise EditError(
            f"The {what} {path} is {pixels.shape[1]}×{pixels.shape[0]} pixels; pictures are "
            f"{size[1]}×{size[0]}. Draw it at that size."
        )
    if pixels.ndim == 3:
        raise EditError(f"The {what} {path} is in colour, and grey is read. Draw it in grey.")
    return pixels * (256 / (deepest + 1))


def box_of(mask: Tensor) -> tuple[int, int, int, int]:
    """Find the first and last row, then column, that hold foreground."""
    found = (mask > 0).flatten(end_dim=-3).any(dim=0) if mask.ndim > 2 else mask > 0
    if not found.any():
        raise EditError("The mask is empty: there is no object to move. Use another prompt.")
    rows, cols = found.any(dim=1).nonzero(), found.any(dim=0).nonzero()
    return int(rows[0]), int(rows[-1]), int(cols[0]), int(cols[-1])


def _fits(mask: Tensor, right: int, down: int) -> bool:
    top, bottom, left, far = box_of(mask)
    height, width = mask.shape[-2:]
    return top + down >= 0 and bottom + down < height and left + right >= 0 and far + right < width


def _scaled_places(size: int, span: tuple[int, int], factor: float) -> Tensor:
    """Say which pixel each one comes from along one axis, whether or not there is such a pixel."""
    centre, half = sum(span) / 2, (span[1] - span[0]) / 2
    if centre - factor * half < 0 or centre + factor * half > size:
        raise EditError(
            f"Scaled by {factor}, the mask spans {centre - factor * half:.0f} to "
            f"{centre + factor * half:.0f} of {size} pixels and leaves the picture. Use "
            f"{min(centre, size - centre) / half:.2f} at most."
        )
    return (centre + (torch.arange(size) + 0.5 - centre) / factor).floor().long()


def _looks_at(maps: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Stretch what a mask holds from its box over another's."""
    old, new = box_of(before), box_of(after)
    rows = _source_places(after.shape[-2], new[:2], old[:2])
    cols = _source_places(after.shape[-1], new[2:], old[2:])
    return _spread(maps, before[0] > 0)[..., rows[:, None], cols]


def _source_places(size: int, to: tuple[int, int], of: tuple[int, int]) -> Tensor:
    """Say which place of one span each place of an axis has, that another span is laid over."""
    share = (torch.arange(size) + 0.5 - to[0]) / (to[1] - to[0] + 1)
    return (of[0] + share * (of[1] - of[0] + 1)).floor().long().clamp(of[0], of[1])


def _spread(maps: Tensor, known: Tensor) -> Tensor:
    """Give every pixel the value of the nearest known one, itself if it is known."""
    if not known.any():
        return maps
    found = np.asarray(
        distance_transform_edt(~known.cpu().numpy(), return_distances=False, return_indices=True)
    )
    rows, cols = (torch.from_numpy(each.astype(np.int64)).to(maps.device) for each in found)
    return maps[..., rows, cols]


def _inside(places: Tensor, size: int) -> Tensor:
    return ((places >= 0) & (places < size)).float()
