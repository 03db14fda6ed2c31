"""Pictures as PNG files: in and out, and what to call them."""

import hashlib
import io
import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from .files import write_file

LARGEST_PICTURE = 2**26
"""Pixels of the largest picture that is read: 8192 × 8192."""


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


def read_rgb(path: Path) -> Image.Image:
    """Read one picture in colour, as Pillow holds it.

    Raises:
        OSError: if it is not there or no picture.
    """
    with open_png(path) as picture:
        return picture.convert("RGB")


@contextmanager
def open_png(path: Path) -> Iterator[Image.Image]:
    """Open a PNG; its size is known, and checked, before any pixel is read.

    Raises:
        OSError: in place of all that a damaged picture can raise here or in the block.
    """
    if path.exists() and not path.is_file():
        raise OSError("it is no file")
    try:
        with Image.open(path, formats=("PNG",)) as picture:
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
        raise OSError(f"it is no whole PNG: {error}") from error


def read_picture(path: Path) -> Float[Tensor, "3 height width"]:
    """Read one picture, in 0..1.

    Raises:
        OSError: if it is not there or no picture.
    """
    pixels = np.asarray(read_rgb(path))
    return torch.from_numpy(pixels / np.float32(255)).permute(2, 0, 1)


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
