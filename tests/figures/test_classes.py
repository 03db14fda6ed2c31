"""Pictures of recognition show what they are given: lines, names, gaps and chance."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from underpaint.figures.classes import draw_classes, draw_recognition


@pytest.fixture
def drawn(monkeypatch):
    """Keep the figures that are saved."""
    figures = []
    saved = Figure.savefig

    def keep(figure, *how, **more):
        figures.append(figure)
        saved(figure, *how, **more)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def test_the_likeliest_five_classes_have_a_line_for_each_way_to_decode(tmp_path, drawn):
    strips = {"noisy": torch.rand(4, 3, 8, 8), "clean": torch.rand(4, 3, 8, 8)}
    chances = torch.tensor([0.4, 0.02, 0.1, 0.2, 0.01, 0.12, 0.15]).expand(4, 7)
    names = [f"kind {i}" for i in range(7)]
    path = tmp_path / "figures" / "classes.png"
    draw_classes(strips, dict.fromkeys(strips, chances), names, title="costs $5", path=path)
    assert path.read_bytes().startswith(b"\x89PNG")
    (figure,) = drawn
    pictures, plots = figure.axes[::2], figure.axes[1::2]
    assert [axis.get_title(loc="left") for axis in pictures] == ["noisy", "clean"]
    for axis in plots:
        labels = [line.get_label() for line in axis.lines]
        assert labels == ["kind 0", "kind 3", "kind 6", "kind 5", "kind 2"]
        np.testing.assert_allclose(axis.lines[0].get_ydata(), 0.4)
    assert figure.get_suptitle() == r"costs \$5"


def test_recognition_is_drawn_with_gaps_where_nothing_is_known(tmp_path, drawn):
    known, unknown = {"mean": 0.5, "low": 0.4, "high": 0.6}, dict.fromkeys(("mean", "low", "high"))
    sources = ("image", "estimate", "conditional", "unconditional", "blank")
    found = {x: {"by_step": [known, unknown, known], "chance": {"mean": 0.1}} for x in sources}
    path = tmp_path / "recognition.pdf"
    draw_recognition(found, path)
    assert path.read_bytes().startswith(b"%PDF")
    (axis,) = drawn[0].axes
    lines = [line for line in axis.lines if len(line.get_xdata()) == 3]
    assert len(lines) == len(sources)
    for line in lines:
        np.testing.assert_array_equal(line.get_ydata(), [0.5, np.nan, 0.5])
    chances = [line for line in axis.lines if line not in lines]
    assert [set(line.get_ydata()) for line in chances] == [{0.1}] * len(sources)
