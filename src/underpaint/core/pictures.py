"""Pictures as files: in and out, and what to call them.

A picture that is looked at is read as a viewer shows it (`as_shown`); one whose pixels are numbers,
a mask or a map, as it was filed (`pixels_of`). What could be read in two ways is refused.
"""

import hashlib
import io
import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Integer
from PIL import Image, ImageCms, ImageOps
from torch import Tensor

from .files import write_file

LARGEST_PICTURE = 2**26
"""Pixels of the largest picture that is read: 8192 × 8192."""
PHOTOGRAPHS = ("PNG", "JPEG")
"""Formats of pictures that others took."""
_USUAL_GAMMA = 1 / 2.2


def encoded(image: Float[Tensor, "3 height width"]) -> bytes:
    """Give one picture, in 0..1, as the bytes of a PNG."""
    pixels = (image.permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, format="PNG")
        return file.getvalue()


def write_picture(path: Path, image: Float[Tensor, "3 height width"]) -> None:
    """Write one picture, in 0..1, as PNG."""
    content = encoded(image)
    write_file(path, lambda part: part.write_bytes(content))


def read_rgb(path: Path, formats: Sequence[str] = ("PNG",)) -> Image.Image:
    """Read one picture in colour, as a viewer shows it and Pillow holds it.

    Raises:
        OSError: if it is not there, no picture, or one that `as_shown` refuses.
    """
    with open_picture(path, formats) as picture:
        return as_shown(picture)


@contextmanager
def open_picture(path: Path, formats: Sequence[str] = ("PNG",)) -> Iterator[Image.Image]:
    """Open a picture; its size is known, and checked, before any pixel is read.

    Args:
        path: A file.
        formats: Pillow's names of the formats that are read.

    Raises:
        OSError: in place of all that a damaged picture can raise here or in the block.
    """
    if path.exists() and not path.is_file():
        raise OSError("it is no file")
    try:
        with Image.open(path, formats=list(formats)) as picture:
            if (pixels := picture.width * picture.height) > LARGEST_PICTURE:
                raise OSError(f"it has {pixels} pixels; {LARGEST_PICTURE} are read at most")
            yield picture
    except (
        SyntaxError,
        ValueError,
        EOFError,
        OverflowError,
        struct.error,
        zlib.error,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise OSError(f"it is no whole {' or '.join(formats)}: {error}") from error


def as_shown(picture: Image.Image) -> Image.Image:
    """Give a picture as a viewer shows it: upright, in sRGB, 8 bits a channel.

    Raises:
        OSError: if viewers would not agree: it moves, is transparent in places, is in CMYK without
            a profile, or says a gamma that is not the usual one.
    """
    _check_plain(picture)
    profile = picture.info.get("icc_profile")
    gamma = picture.info.get("gamma", _USUAL_GAMMA)
    if profile is None and "srgb" not in picture.info and abs(gamma / _USUAL_GAMMA - 1) > 0.05:
        raise OSError(f"it says a gamma of {gamma:.3g}, which not all viewers heed: convert it")
    upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip to 8
        grey = np.asarray(upright).astype(np.float64) * (255 / 65535)
        upright = Image.fromarray(grey.round().astype(np.uint8))
    elif upright.mode not in ("L", "RGB", "CMYK"):
        upright = upright.convert("RGB")
    shown = None if profile is None else _in_srgb(upright, profile)
    if shown is None and upright.mode == "CMYK":
        raise OSError("it is in CMYK without a profile: convert it to RGB")
    return shown or upright.convert("RGB")


def pixels_of(picture: Image.Image) -> tuple[Integer[np.ndarray, "height width *channel"], int]:
    """Give the numbers in a picture, upright, and the greatest that it could hold: 255 or 65535.

    They are `height width` where all pixels are grey, else `height width 3`.

    Raises:
        OSError: if it moves, is transparent in places, or holds more than can be read of it.
    """
    _check_plain(picture)
    if picture.mode == "CMYK":
        raise OSError("it is in CMYK, whose numbers are of ink: convert it to RGB")
    is_deep = picture.mode.startswith("I")
    if not is_deep and any(";16" in str(tile[-1]) for tile in getattr(picture, "tile", [])):
        raise OSError("of its 16 bits a channel 8 would be read: save grey alone, or an array")
    upright = ImageOps.exif_transpose(picture)
    if is_deep:
        return np.array(upright).astype(np.int64), 65535
    pixels = np.array(upright.convert("RGB"))
    is_grey = bool((pixels == pixels[:, :, :1]).all())
    return (pixels[:, :, 0] if is_grey else pixels).astype(np.int64), 255


def _check_plain(picture: Image.Image) -> None:
    """Make sure that a picture is one picture, and says a colour everywhere."""
    # Phones file other pictures behind a JPEG, and viewers show the first.
    if picture.format == "PNG" and getattr(picture, "is_animated", False):
        raise OSError("it moves: save one frame of it")
    if not picture.has_transparency_data:
        return
    if picture.mode.startswith("I"):
        clear = np.asarray(picture) == picture.info["transparency"]
    else:
        clear = np.asarray(picture.convert("RGBA").getchannel("A")) < 255
    if clear.any():
        share = f"{clear.mean():.1%} of its pixels are"
        raise OSError(f"{share} transparent and have no colour of their own: flatten it")


def _in_srgb(picture: Image.Image, profile: bytes) -> Image.Image | None:
    """Bring colours from a profile to sRGB; None where the profile is none, as viewers do."""
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(picture, own, srgb, outputMode="RGB")
    except (OSError, ImageCms.PyCMSError):
        return None


def read_picture(path: Path, formats: Sequence[str] = ("PNG",)) -> Float[Tensor, "3 height width"]:
    """Read one picture, in 0..1.

    Raises:
        OSError: if it is not there, no picture, or one that `as_shown` refuses.
    """
    pixels = np.asarray(read_rgb(path, formats))
    return torch.from_numpy(pixels / np.float32(255)).permute(2, 0, 1)


def shrunk(
    maps: Float[Tensor, "*axes row col"], side_px: int
) -> Float[Tensor, "*axes small_row small_col"]:
    """Shrink pictures or maps for looking at, so that no side is longer; smaller ones stay."""
    rows, cols = maps.shape[-2:]
    share = min(1.0, side_px / max(rows, cols))
    return resized(maps, (max(1, round(rows * share)), max(1, round(cols * share))))


def resized(
    maps: Float[Tensor, "*axes row col"], size: tuple[int, int]
) -> Float[Tensor, "*axes new_row new_col"]:
    """Bring pictures or maps to a size for looking at, each pixel a mean of those it covers."""
    if maps.shape[-2:] == size:
        return maps.float()
    flat = maps.float().reshape(-1, 1, *maps.shape[-2:])
    small = torch.nn.functional.interpolate(flat, size=size, mode="bilinear", antialias=True)
    return small.reshape(*maps.shape[:-2], *size)


def name_apart(words: str, settings: Mapping[str, Any]) -> str:
    """Make a file's name of some words and of all settings: those of two settings differ.

    The settings come in as eight digits of a hash, where they would make a name too long.
    """
    asked = json.dumps(settings, sort_keys=True, default=str)
    mark = hashlib.sha256(asked.encode()).hexdigest()[:8]
    return f"{file_name(words)}-{mark}"


def file_name(words: str) -> str:
    """Make a file's name of what was asked: letters, digits, dots and dashes, 120 bytes at most."""
    kept = re.sub(r"[^\w.-]+", "-", words.removesuffix(".png"))
    return kept.encode()[:120].decode(errors="ignore").strip(".-") or "unnamed"
