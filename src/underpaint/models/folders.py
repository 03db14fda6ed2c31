"""Pictures and labels of one's own, from a folder: what could be read in two ways is refused.

Files of labels differ in what they say of pixels of which nothing is known: NaN, infinity, 0, or
some other number far from the rest. The first two are plain. The others may as well be values, so
whoever has the folder says which: `HOLES` or `WHOLE`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..core.errors import LabelError
from ..core.pictures import open_picture, pixels_of, read_picture
from ..core.prompts import Prompt
from ..core.properties import NORMALS, Property
from .given import Given, Pictures

HOLES, WHOLE = "holes", "whole"
"""Where a map is exactly 0 nothing is known; or: all that is finite is a value."""
_LONE_SHARE, _LONE_GAP, _LONE_TIMES = 0.01, 0.02, 4
"""One number may be a hole's if so many pixels have it, nothing is so near (in ranges of the rest),
and so many times as many have it, and it is so many steps away, as the numbers next to it."""
_ODD_LENGTH, _USUAL_LENGTH = 0.5, 0.1
"""So far from 1 is no normal's length; and so far is the median of a map of normals at most."""
_CLASSES = 32
"""A mask that is dark all over and has fewer levels than this holds numbers of classes."""


def read_folder(
    folder: Path,
    properties: Sequence[Property],
    *,
    size: tuple[int, int],
    zeros: Literal["holes", "whole"] | None = None,
) -> Pictures:
    """Find pictures and their labels in a folder, by the numbers of their prompts.

    `00012.png` is the picture of prompt 12. Beside it, `00012.depth.npy` holds its depth, an array
    `height width` or `target height width`, as it is; `00012.depth.png` does too, its grey (or
    colour, of three targets) in 0..1, normals in -1..1. Where an array is NaN or infinite, nothing
    is known: such pixels count for nothing. A mask may be of 0 and 1, or of black and one colour.

    Examples:
        >>> find = read_folder(Path("mine"), [up.PROPERTIES["depth"]], size=(512, 512))
        >>> find([up.Prompt("a red cone", 1, 12)]).labels["depth"].shape  # doctest: +SKIP
        torch.Size([1, 1, 512, 512])

    Args:
        folder: Where they are.
        properties: Whose labels are wanted.
        size: Height and width that pictures and labels must have.
        zeros: "holes": where a map other than a mask is 0, or a normal is not of unit length,
            nothing is known. "whole": all numbers are values. None: a map in which this makes a
            difference is refused.

    Raises:
        LabelError: when pictures are asked for, if a file is missing, cannot be read, has
            another size, or could be read in two ways.
    """

    def find(prompts: Sequence[Prompt]) -> Given:
        stems = [f"{prompt.index or 0:05d}" for prompt in prompts]
        images = torch.stack([_read_image(folder / f"{stem}.png", size) for stem in stems])
        labels = {
            each.name: torch.stack([_read_label(folder, stem, each, size, zeros) for stem in stems])
            for each in properties
        }
        return Given(images, labels)

    return find


def _read_image(path: Path, size: tuple[int, int]) -> Float[Tensor, "3 height width"]:
    try:
        image = read_picture(path)
    except OSError as error:
        raise LabelError(f"Cannot read {path} ({error}). Save it as PNG.") from error
    return _sized(path, image, (3, *size))


def _read_label(
    folder: Path, stem: str, property: Property, size: tuple[int, int], zeros: str | None
) -> Float[Tensor, "target height width"]:
    numbers, drawn = (folder / f"{stem}.{property.name}{end}" for end in (".npy", ".png"))
    if numbers.exists():
        path, maps = numbers, _read_array(numbers)
    elif drawn.exists():
        path, maps = drawn, _read_drawn(drawn, property)
    else:
        raise LabelError(
            f"{folder} holds no {property.name} of picture {stem}: neither {numbers.name} nor "
            f"{drawn.name}. Put one there, or leave {property.name} out of --properties."
        )
    maps = _sized(path, maps, (property.targets, *size))
    if property.name == NORMALS.name:
        return _known_normals(path, maps, zeros)
    return maps if property.is_binary else _known_values(path, maps, zeros)


def _read_array(path: Path) -> Float[Tensor, "target height width"]:
    try:
        found = np.load(path, allow_pickle=False)
        if found.dtype.kind not in "biuf":
            raise TypeError(f"it holds {found.dtype}")
        maps = found.astype(np.float32)
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise LabelError(f"Cannot read {path} ({error}). Save it with numpy.save.") from error
    return torch.from_numpy(maps if maps.ndim == 3 else maps[None])


def _read_drawn(path: Path, property: Property) -> Float[Tensor, "target height width"]:
    try:
        with open_picture(path) as picture:
            pixels, deepest = pixels_of(picture)
        if property.is_binary:
            values = _shares(pixels, deepest)
        elif property.targets == 1 and pixels.ndim == 3:
            raise OSError("it is in colour, and one number a pixel is needed: no colour map")
        else:
            values = pixels / np.float32(deepest)
    except OSError as error:
        raise LabelError(f"Cannot read {path} ({error}). Save it as PNG.") from error
    maps = torch.from_numpy(values.astype(np.float32))
    maps = maps.permute(2, 0, 1) if maps.ndim == 3 else maps.expand(property.targets, -1, -1)
    return maps * 2 - 1 if property.name == NORMALS.name else maps


def _shares(pixels: np.ndarray, deepest: int) -> np.ndarray:
    """Turn the pixels of a mask into shares of foreground.

    Raises:
        OSError: if they are colours of classes, or their numbers.
    """
    if pixels.ndim == 3:
        colours = np.unique(pixels.reshape(-1, 3), axis=0)
        if len(colours) != 2 or colours[0].any():
            raise OSError(f"a mask is black and one colour, or grey; it has {len(colours)} colours")
        return np.any(pixels, axis=2)
    brightest = pixels.max()
    if brightest <= 1:
        return pixels
    if brightest * 2 < deepest and len(np.unique(pixels)) < _CLASSES:
        raise OSError(
            f"its brightest pixel is {brightest} of {deepest}, as if they were numbers of classes: "
            "a mask is 0 and 1, or grey up to white"
        )
    return pixels / deepest


def _known_values(path: Path, maps: Tensor, zeros: str | None) -> Tensor:
    """Forget zeros where they are holes, and ask where one number stands far from the rest."""
    if len(maps) > 1:
        return maps
    if zeros == HOLES:
        maps = maps.masked_fill(maps == 0, torch.nan)
    lone = None if zeros == WHOLE else _lone(maps[maps.isfinite()].double().numpy())
    if lone is None:
        return maps
    value, share, nearest = lone
    way = f"--images FOLDER:{HOLES} takes 0 for unknown" if value == 0 else "save NaN where it is"
    raise LabelError(
        f"{path} is exactly {value:.6g} in {share:.1%} of its pixels and {nearest:.6g} or further "
        f"in all others, which is how files say that nothing is known. If so, {way}; if not, "
        f"--images FOLDER:{WHOLE} takes it for a value."
    )


def _lone(values: np.ndarray) -> tuple[float, float, float] | None:
    """Find a number that many pixels have and none comes near: it, its share, and the nearest."""
    levels, counts = np.unique(values, return_counts=True)
    for place in {0, len(levels) - 1, *np.flatnonzero(levels == 0)} if len(levels) > 1 else ():
        rest = np.delete(levels, place)
        gaps = np.abs(rest - levels[place])
        near = int(gaps.argmin())
        count, beside = counts[place], np.delete(counts, place)[near]
        is_large = count >= max(_LONE_SHARE * len(values), _LONE_TIMES * beside)
        step = np.median(np.diff(np.sort(gaps)[:16])) if len(rest) > 1 else 0
        if is_large and gaps[near] >= max(_LONE_GAP * np.ptp(rest), _LONE_TIMES * step):
            return float(levels[place]), float(count / len(values)), float(rest[near])
    return None


def _known_normals(path: Path, maps: Tensor, zeros: str | None) -> Tensor:
    """Forget normals that are none where those are holes, and ask where they are not few."""
    lengths = maps.norm(dim=0)
    off = (lengths - 1).abs()
    odd = off > _ODD_LENGTH
    if zeros == HOLES:
        maps, off = maps.masked_fill(odd, torch.nan), off[~odd]
    elif zeros is None and (share := float(odd.float().mean())) > _LONE_SHARE:
        raise LabelError(
            f"{path} has normals of other lengths than 1 in {share:.1%} of its pixels (the median "
            f"is {lengths.nanmedian():.3g}). If nothing is known there, say --images "
            f"FOLDER:{HOLES}; else save x, y and z in -1..1."
        )
    if zeros != WHOLE and len(off) and off.nanmedian() > _USUAL_LENGTH:
        raise LabelError(
            f"{path} has normals whose length is {off.nanmedian():.2g} from 1 in the median. Save "
            "x, y and z in -1..1, of unit length."
        )
    return maps


def _sized(path: Path, maps: Tensor, expected: tuple[int, int, int]) -> Tensor:
    if tuple(maps.shape) != expected:
        raise LabelError(
            f"{path} is {' × '.join(map(str, maps.shape))} (channels × height × width); it has to "
            f"be {' × '.join(map(str, expected))}, as the model's pictures are."
        )
    return maps
