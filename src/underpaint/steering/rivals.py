"""What anybody would try first: to move an object without touching an activation.

Each makes the latents of one step from those that the unedited picture had, once, and the model
goes on from there. They are the rivals of an edit, on the same prompts, seeds and targets.

Notation
    x_k    latents of the unedited picture that enter step k
    a, s   signal and noise at step k: x_k = a x_0 + s e
    E      the model's encoder, from pixels to latents
"""

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..core.errors import EditError
from ..core.properties import SALIENCY
from ..models import encode
from ..models.levels import find_levels
from ..models.model import Model
from .targets import box_of, carry_map

Masks = Float[Tensor, "image 1 height width"]
Latents = Float[Tensor, "image latent lrow lcol"]


def roll_latents(x: Latents, old: Masks, then: Masks) -> Latents:
    """Roll each picture's latents as far as its object shall move; what leaves comes round."""
    shifts = [_shift_cells(*each, x.shape[-2:]) for each in zip(old, then, strict=True)]
    rolled = [torch.roll(own, shift, dims=(-2, -1)) for own, shift in zip(x, shifts, strict=True)]
    return torch.stack(rolled)


def swap_patches(x: Latents, old: Masks, then: Masks) -> Latents:
    """Swap each object's box of latents with as large a box where it shall be.

    What the object's own box leaves free is filled with what its new box covers, cell for cell: the
    latents are rearranged and none is used twice, so that noise stays noise.
    """
    swapped = []
    for own, before, after in zip(x, old, then, strict=True):
        down, right = _shift_cells(before, after, x.shape[-2:])
        top, bottom, left, far = _box_cells(before, x.shape[-2:])
        rows, cols = torch.meshgrid(*map(torch.arange, x.shape[-2:]), indexing="ij")
        source = torch.stack([rows, cols])
        is_old = torch.zeros(x.shape[-2:], dtype=torch.bool)
        is_old[top:bottom, left:far] = True
        for row, col in is_old.nonzero().tolist():
            end = (row + down, col + right)
            if not _is_inside(end, x.shape[-2:]):
                continue
            source[:, end[0], end[1]] = torch.tensor([row, col])
        for row, col in _left_free(is_old, down, right):
            at = (row, col)
            while _is_inside(at, x.shape[-2:]) and is_old[at]:
                at = (at[0] + down, at[1] + right)
            if _is_inside(at, x.shape[-2:]):
                source[:, row, col] = torch.tensor(at)
        swapped.append(own[:, source[0], source[1]])
    return torch.stack(swapped)


def copy_patches(x: Latents, old: Masks, then: Masks) -> Latents:
    """Copy each object's box of latents to where its like shall be; all else stays.

    Both places then hold the same noise, which has no latents left to swap with.
    """
    copied = x.clone()
    for own, made, before, after in zip(x, copied, old, then, strict=True):
        down, right = _shift_cells(before, after, x.shape[-2:])
        top, bottom, left, far = _box_cells(before, x.shape[-2:])
        for row, col in product(range(top, bottom), range(left, far)):
            end = (row + down, col + right)
            if _is_inside(end, x.shape[-2:]):
                made[:, end[0], end[1]] = own[:, row, col]
    return copied


def paste_and_renoise(
    model: Model,
    images: Float[Tensor, "image 3 height width"],
    final: Latents,
    masks: tuple[Masks, Masks],
    *,
    step: int,
    steps: int,
    seeds: list[tuple[int, ...]],
    paste: Callable[[Tensor, Tensor, Tensor], Tensor] = carry_map,
) -> Latents:
    """Paste each object's pixels where it shall be, and give back the noise of one step.

    Its old place is filled with the nearest pixels around it (`carry_map`), or is left as it is
    (`copy_map`). The clean latents are
    `final + E(pasted) - E(images)`, so that the encoder's own error changes nothing where nothing
    was pasted; noise is drawn anew, as in SDEdit (Meng et al. 2022, section 3).

    Args:
        model: Whose encoder and schedule.
        images: Unedited.
        final: Their clean latents.
        masks: Where the objects are, and where they shall be.
        step: The step that is to be entered, from 0.
        steps: Of the whole run.
        seeds: Of each picture's noise.
        paste: Makes new pixels of a picture's own and of its two masks.
    """
    pasted = torch.stack([paste(*each) for each in zip(images, *masks, strict=True)])
    clean = final + encode(model, pasted) - encode(model, images)
    signal, noise = find_levels(model, steps=steps)[step]
    drawn = [np.random.default_rng(seed).standard_normal(final.shape[1:]) for seed in seeds]
    return signal * clean + noise * torch.from_numpy(np.stack(drawn)).to(clean)


def masks_of(there: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> tuple[Masks, Masks]:
    """Give where the objects are and where they shall be.

    Raises:
        EditError: if nothing says where they shall be.
    """
    if SALIENCY.name not in targets:
        raise EditError(
            "The controls roll, patch and paste move an object, and nothing says where to. Give "
            "--move, --scale or --mask, or use another --control."
        )
    return there[SALIENCY.name], targets[SALIENCY.name].to(there[SALIENCY.name])


def _shift_cells(before: Tensor, after: Tensor, grid: tuple[int, ...]) -> tuple[int, int]:
    """Say by how many cells of the latents the middle of an object's box moves down and right."""
    (top, bottom, left, far), (top2, bottom2, left2, far2) = box_of(before), box_of(after)
    height, width = before.shape[-2:]
    down, right = (top2 + bottom2 - top - bottom) / 2, (left2 + far2 - left - far) / 2
    return round(down * grid[0] / height), round(right * grid[1] / width)


def _box_cells(mask: Tensor, grid: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Give the first row, the one after the last, and the same of columns, of a box in cells."""
    top, bottom, left, far = box_of(mask)
    rows, cols = grid[0] / mask.shape[-2], grid[1] / mask.shape[-1]
    return (
        int(top * rows),
        int(np.ceil((bottom + 1) * rows)),
        int(left * cols),
        int(np.ceil((far + 1) * cols)),
    )


def _left_free(is_old: Tensor, down: int, right: int) -> list[tuple[int, int]]:
    """List the cells of a box that are not in it once it has moved."""
    cells = {(int(row), int(col)) for row, col in is_old.nonzero().tolist()}
    return [(row, col) for row, col in sorted(cells) if (row - down, col - right) not in cells]


def _is_inside(at: tuple[int, int], grid: tuple[int, ...]) -> bool:
    return 0 <= at[0] < grid[0] and 0 <= at[1] < grid[1]
