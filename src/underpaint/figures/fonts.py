"""A small font for figures, cut out of matplotlib's own once, and not anew for every PDF.

A PDF holds the letters that it shows, as TrueType. To find them in DejaVu Sans, with its 6000, and
to follow its rules of layout takes longer than to draw the figure. Letters that the small font
lacks are drawn in the whole one; the pixels are the same.
"""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager

FAMILY, WHOLE = "DejaVu Sans of underpaint", "DejaVu Sans"
FILES = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
LETTERS = (
    (0x20, 0x7E), (0xA0, 0x17F), (0x300, 0x30F), (0x370, 0x3FF), (0x2010, 0x2027), (0x2070, 0x209C),
    (0x2190, 0x2195), (0x2208, 0x2264), (0x2265, 0x2265),
)  # fmt: skip
"""Latin and Greek, accents, dashes and quotes, small figures, arrows, operators: first and last."""
BY_DEFAULT = ["sans-serif"]


def families() -> list[str]:
    """Give the families to draw in: the small font and the whole one, or what the user has set."""
    chosen, sans = mpl.rcParams["font.family"], mpl.rcParams["font.sans-serif"]
    if chosen != BY_DEFAULT or sans[:1] != [WHOLE]:
        return chosen
    _registered()
    return [FAMILY, *BY_DEFAULT]


@cache
def _registered() -> "tempfile.TemporaryDirectory[str]":
    """Cut the small font, and tell matplotlib of it; its files are there as long as Python runs."""
    folder = tempfile.TemporaryDirectory(prefix="underpaint-fonts-")
    for name in FILES:
        _cut(Path(mpl.get_data_path(), "fonts", "ttf", name), Path(folder.name, name))
        font_manager.fontManager.addfont(Path(folder.name, name))
    return folder


def _cut(whole: Path, small: Path) -> None:
    """Keep some letters, with their hints, kerning and ligatures, under a name of their own."""
    from fontTools import subset

    options: Any = subset.Options(
        layout_features=["*"], legacy_kern=True, glyph_names=True, name_IDs=["*"]
    )
    options.drop_tables += ["FFTM"]
    with subset.load_font(str(whole), options) as font:
        cut = subset.Subsetter(options)
        cut.populate(unicodes=[each for first, last in LETTERS for each in range(first, last + 1)])
        cut.subset(font)
        names = font["name"]
        for each in list(names.names):
            if each.nameID in (1, 16):  # the family, as old and new readers ask for it
                names.setName(FAMILY, each.nameID, each.platformID, each.platEncID, each.langID)
        font.save(str(small))
