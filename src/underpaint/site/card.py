"""The picture that stands for a site where its address is shared: the run's own, 1200×630."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps

SIZE = (1200, 630)
GROUND, INK, SOFT = "#151412", "#f1ede7", "#b5aea5"
_COLUMNS, _ROWS, _TILE, _GAP = 6, 2, 180, 14


def draw_card(pictures: Sequence[Image.Image], *, title: str, note: str) -> Image.Image:
    """Lay out up to twelve pictures below a title and a note.

    Args:
        pictures: Final pictures of the run, of any size.
        title: One short line.
        note: One line, smaller.
    """
    card = Image.new("RGB", SIZE, GROUND)
    pen = ImageDraw.Draw(card)
    pen.text((60, 50), title, fill=INK, font=ImageFont.load_default(56))
    pen.text((60, 132), note, fill=SOFT, font=ImageFont.load_default(28))
    left = (SIZE[0] - _COLUMNS * _TILE - (_COLUMNS - 1) * _GAP) // 2
    top = SIZE[1] - _ROWS * (_TILE + _GAP) - 30
    for place, picture in enumerate(pictures[: _COLUMNS * _ROWS]):
        row, col = divmod(place, _COLUMNS)
        tile = ImageOps.fit(picture.convert("RGB"), (_TILE, _TILE))
        card.paste(tile, (left + col * (_TILE + _GAP), top + row * (_TILE + _GAP)))
    return card
