import torch

from underpaint.figures.classes import draw_classes, draw_recognition


def test_classes_are_drawn_for_each_way_to_decode(tmp_path):
    strips = {"decoded $x_t$": torch.rand(4, 3, 8, 8), "decoded": torch.rand(4, 3, 8, 8)}
    chances = {what: torch.rand(4, 7).softmax(dim=1) for what in strips}
    path = tmp_path / "figures" / "classes.png"
    draw_classes(strips, chances, [f"kind {i}" for i in range(7)], title="costs $5", path=path)
    assert path.stat().st_size > 5000


def test_recognition_is_drawn_with_gaps_where_nothing_is_known(tmp_path):
    known, unknown = {"mean": 0.5, "low": 0.4, "high": 0.6}, dict.fromkeys(("mean", "low", "high"))
    found = {
        source: {"by_step": [known, unknown, known], "chance": known}
        for source in ("image", "estimate", "conditional", "unconditional", "blank")
    }
    path = tmp_path / "recognition.pdf"
    draw_recognition(found, path)
    assert path.stat().st_size > 5000
