"""One reader of PNG, which asks for the size before any pixel is held."""

import zlib
from pathlib import Path

import pytest
import torch

import underpaint
from underpaint.core import pictures
from underpaint.core.pictures import read_picture, read_rgb, write_picture


def test_a_picture_comes_back_as_it_was_written(tmp_path):
    image = torch.arange(3 * 4 * 5).view(3, 4, 5) / 255
    write_picture(tmp_path / "one.png", image)
    torch.testing.assert_close(read_picture(tmp_path / "one.png"), image)
    assert read_rgb(tmp_path / "one.png").size == (5, 4)


def bomb(side: int) -> bytes:
    """Give a PNG that claims more pixels than it holds."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        whole = kind + content
        return len(content).to_bytes(4, "big") + whole + zlib.crc32(whole).to_bytes(4, "big")

    head = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("side", [8193, 100_000])
def test_a_picture_of_too_many_pixels_is_refused(tmp_path, side):
    (tmp_path / "bomb.png").write_bytes(bomb(side))
    with pytest.raises(OSError, match="pixels"):
        read_picture(tmp_path / "bomb.png")


def test_every_png_is_read_by_the_one_reader():
    package = Path(underpaint.__file__).parent
    # Photographs of one's own may be of any format, and are turned upright.
    others = {Path(pictures.__file__), package / "labelers" / "photographs.py"}
    sources = [path for path in package.rglob("*.py") if path not in others]
    assert [path for path in sources if "Image.open(" in path.read_text(encoding="utf-8")] == []
