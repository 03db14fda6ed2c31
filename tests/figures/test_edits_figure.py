"""Strips of edits: every row says which prompt it is of, whatever was asked of the picture."""

import pytest
import torch
from matplotlib.figure import Figure

from underpaint.core.prompts import Prompt
from underpaint.figures.edits import draw_strip
from underpaint.steering.experiments import Shown


@pytest.mark.parametrize("kind", ["mask", "map"])
def test_every_row_is_labelled_with_its_prompt(kind, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    target = torch.linspace(0, 1, 64).view(8, 8)
    target = (target > 0.5).float() if kind == "mask" else target
    picture = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    row = Shown(Prompt("a red cone", 1), picture, target, picture, mask=(target > 0.5).float())
    draw_strip([row], title="moves", path=tmp_path / "strip.png")
    labels = [axis.get_ylabel() for axis in drawn[0].axes]
    assert labels == ["a red cone", "", "", ""]
