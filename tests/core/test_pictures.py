"""One reader of PNG, which asks for the size before any pixel is held."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, PngImagePlugin

import underpaint
from underpaint.core import pictures
from underpaint.core.pictures import (
    PHOTOGRAPHS,
    open_picture,
    pixels_of,
    read_picture,
    read_rgb,
    write_picture,
)


def test_a_picture_comes_back_as_it_was_written(tmp_path):
    image = torch.arange(3 * 4 * 5).view(3, 4, 5) / 255
    write_picture(tmp_path / "one.png", image)
    torch.testing.assert_close(read_picture(tmp_path / "one.png"), image)
    assert read_rgb(tmp_path / "one.png").size == (5, 4)


def png(width: int, height: int, bits: int, kind: int, rows: bytes) -> bytes:
    """Give a PNG of any depth and kind of colour, as the standard counts them."""

    def chunk(name: bytes, content: bytes) -> bytes:
        whole = name + content
        return len(content).to_bytes(4, "big") + whole + zlib.crc32(whole).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([bits, kind, 0, 0, 0])
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def bomb(side: int) -> bytes:
    """Give a PNG that claims more pixels than it holds."""
    return png(side, side, 8, 2, b"")


@pytest.mark.parametrize("side", [8193, 100_000])
def test_a_picture_of_too_many_pixels_is_refused(tmp_path, side):
    (tmp_path / "bomb.png").write_bytes(bomb(side))
    with pytest.raises(OSError, match="pixels"):
        read_picture(tmp_path / "bomb.png")


COLOURS = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3) * 4


def read_back(path: Path) -> np.ndarray:
    return np.asarray(read_rgb(path, PHOTOGRAPHS))


def test_a_picture_that_a_phone_turned_is_read_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(COLOURS).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_back(tmp_path / "turned.png"), np.rot90(COLOURS, -1))


def test_grey_of_16_bits_keeps_its_shades(tmp_path):
    deep = np.arange(20, dtype=np.uint16).reshape(4, 5) * 3449
    Image.fromarray(deep).save(tmp_path / "deep.png")
    shown = read_back(tmp_path / "deep.png")
    assert np.abs(shown[:, :, 1] / 255 - deep / 65535).max() <= 0.5 / 255 + 1e-9


def test_colour_of_16_bits_is_shown_and_its_numbers_are_refused(tmp_path):
    deep = COLOURS.astype(np.uint16) * 257
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    (tmp_path / "deep.png").write_bytes(png(5, 4, 16, 2, rows))
    np.testing.assert_array_equal(read_back(tmp_path / "deep.png"), COLOURS)
    with (
        pytest.raises(OSError, match="of its 16 bits"),
        open_picture(tmp_path / "deep.png") as picture,
    ):
        pixels_of(picture)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA"])
def test_a_picture_of_any_kind_without_holes_is_shown_as_it_is(tmp_path, mode):
    whole = Image.fromarray(COLOURS).convert(mode)
    whole.save(tmp_path / "one.png")
    np.testing.assert_array_equal(read_back(tmp_path / "one.png"), np.asarray(whole.convert("RGB")))


def pierced(mode: str) -> tuple[Image.Image, dict[str, int]]:
    """Give a picture with a transparent corner, and what says so as it is saved."""
    whole = Image.fromarray(COLOURS)
    if mode == "P":
        few = whole.quantize(20)
        return few, {"transparency": int(np.asarray(few)[0, 0])}
    if mode == "I;16":
        return Image.fromarray(COLOURS[:, :, 0].astype(np.uint16)), {"transparency": 0}
    alpha = Image.new("L", whole.size, 255)
    alpha.putpixel((0, 0), 254)
    clear = whole.convert(mode)
    clear.putalpha(alpha)
    return clear, {}


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "I;16"])
def test_what_is_transparent_anywhere_is_refused(tmp_path, mode):
    picture, said = pierced(mode)
    picture.save(tmp_path / "clear.png", **said)
    with pytest.raises(OSError, match=r"5\.0% of its pixels are transparent"):
        read_rgb(tmp_path / "clear.png")
    with (
        pytest.raises(OSError, match="transparent"),
        open_picture(tmp_path / "clear.png") as opened,
    ):
        pixels_of(opened)


def test_a_moving_picture_is_refused(tmp_path):
    first = Image.fromarray(COLOURS)
    first.save(tmp_path / "moves.png", save_all=True, append_images=[first.rotate(180)])
    with pytest.raises(OSError, match="it moves"):
        read_rgb(tmp_path / "moves.png")


def test_ink_is_refused_where_no_profile_says_its_colour(tmp_path):
    Image.fromarray(COLOURS).convert("CMYK").save(tmp_path / "ink.jpg")
    with pytest.raises(OSError, match="CMYK without a profile"):
        read_back(tmp_path / "ink.jpg")


def test_colours_are_brought_from_their_profile_to_srgb(tmp_path):
    # A profile of grey is none of colour, and is left out of account as viewers do.
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = bytearray(profile)  # one whose red is blue: the table of tags names them so
    red, blue = swapped.index(b"rXYZ"), swapped.index(b"bXYZ")
    swapped[red : red + 1], swapped[blue : blue + 1] = b"b", b"r"
    for name, given in {"own": profile, "swapped": bytes(swapped), "broken": b"none"}.items():
        Image.fromarray(COLOURS).save(tmp_path / f"{name}.png", icc_profile=given)
    found = {name: read_back(tmp_path / f"{name}.png") for name in ("own", "swapped", "broken")}
    np.testing.assert_array_equal(found["own"], COLOURS)
    np.testing.assert_array_equal(found["broken"], COLOURS)
    assert np.abs(found["swapped"].astype(int) - COLOURS[:, :, ::-1]).max() <= 2


def test_a_gamma_that_viewers_do_not_agree_on_is_refused(tmp_path):
    said = PngImagePlugin.PngInfo()
    said.add(b"gAMA", (100_000).to_bytes(4, "big"))
    Image.fromarray(COLOURS).save(tmp_path / "linear.png", pnginfo=said)
    with pytest.raises(OSError, match="a gamma of 1"):
        read_rgb(tmp_path / "linear.png")


def test_every_picture_is_opened_by_the_one_reader():
    package = Path(underpaint.__file__).parent
    sources = [path for path in package.rglob("*.py") if path != Path(pictures.__file__)]
    assert [path for path in sources if "Image.open(" in path.read_text(encoding="utf-8")] == []
