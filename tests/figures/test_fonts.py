"""A small font that draws what the whole one draws."""

import io
import re
from pathlib import Path

import matplotlib as mpl
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont

from underpaint.figures.fonts import FAMILY, families
from underpaint.figures.style import styled

WORDS = "Spearman ρ ≥ 0.5 · fi AVA “x̂₀” x₁ −1…1 → é\nснова 日 Ж"


def drawn(end, *, is_whole=False):
    """Draw words in regular and bold, as a run's figures are drawn or in the whole font."""
    with styled(), rc_context({"font.family": "DejaVu Sans"} if is_whole else {}):
        figure = Figure(figsize=(3.5, 2))
        figure.text(0.05, 0.7, WORDS)
        figure.text(0.05, 0.2, WORDS, fontweight="bold")
        made = io.BytesIO()
        figure.savefig(made, format=end, dpi=100)
    return made.getvalue()


def test_the_small_font_draws_the_same_pixels_and_falls_back_on_the_whole_one(recwarn):
    assert drawn("png") == drawn("png", is_whole=True)
    missing = {re.findall(r"Glyph (\d+)", str(each.message))[0] for each in recwarn}
    assert missing == {str(ord("日"))}  # which neither has


def test_the_small_font_is_what_is_drawn_in_and_is_far_smaller():
    with styled():
        small = findfont(mpl.font_manager.FontProperties())
        bold = findfont(mpl.font_manager.FontProperties(weight="bold"))
    whole = findfont("DejaVu Sans")
    for each in (small, bold):
        assert "underpaint-fonts-" in each
        assert Path(each).stat().st_size < Path(whole).stat().st_size / 3
    assert small != bold


def test_letters_of_a_pdf_are_truetype_and_can_be_read():
    made = drawn("pdf")
    assert made.count(b"/FontFile2") >= 2
    assert b"/Type3" not in made
    assert b"/ToUnicode" in made


def test_a_font_that_the_user_has_set_is_left():
    with rc_context({"font.family": ["serif"]}):
        assert families() == ["serif"]
    with rc_context({"font.sans-serif": ["Arial", "DejaVu Sans"]}):
        assert families() == ["sans-serif"]
    assert families()[0] == FAMILY
