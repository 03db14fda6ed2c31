"""A figure that cannot be written is one line that names it, whichever it is."""

import pytest
import torch
from matplotlib.figure import Figure

from underpaint.core.errors import RunError
from underpaint.core.prompts import Prompt
from underpaint.figures.classes import draw_classes, draw_recognition
from underpaint.figures.edits import draw_doses, draw_strip
from underpaint.figures.saving import save
from underpaint.steering.experiments import Shown


def strip(path):
    picture, target = torch.zeros(3, 8, 8), torch.linspace(0, 1, 64).view(8, 8)
    draw_strip([Shown(Prompt("a cone", 1), picture, target, picture, target)], title="", path=path)


def classes(path):
    names = [f"kind {i}" for i in range(7)]
    draw_classes(
        {"noisy": torch.zeros(2, 3, 8, 8)}, {"noisy": torch.zeros(2, 7)}, names, title="", path=path
    )


SHARE = {"mean": 0.5, "low": 0.4, "high": 0.6}
FOUND = {"estimate": {"by_step": [SHARE], "chance": SHARE}}
DRAWN = {
    "strip": strip,
    "doses": lambda path: draw_doses([], like={}, path=path),
    "classes": classes,
    "recognition": lambda path: draw_recognition(FOUND, path),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_that_cannot_be_written_is_one_line(name, tmp_path):
    (tmp_path / "figures").touch()
    with pytest.raises(RunError, match=r"Cannot write .*x\.png"):
        DRAWN[name](tmp_path / "figures" / "x.png")


def test_the_same_figure_is_the_same_file(tmp_path, monkeypatch):
    for year, folder in (("1", "a"), ("1000000000", "b")):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", year)
        save(Figure(), tmp_path / folder / "x.pdf", dpi=50)
    assert (tmp_path / "a" / "x.pdf").read_bytes() == (tmp_path / "b" / "x.pdf").read_bytes()
