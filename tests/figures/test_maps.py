"""Pictures of all five properties, and of one that a user adds."""

import pytest
import torch
from matplotlib.axes import Axes

import worlds
from underpaint.core.prompts import Prompt, Split
from underpaint.core.properties import PROPERTIES, Property
from underpaint.figures import maps as figures
from underpaint.figures.maps import draw_labels, draw_steps
from underpaint.labelers import Labeler
from underpaint.models.layers import find_layers
from underpaint.probes.moments import MeanMap
from underpaint.probes.probes import Probe
from underpaint.study.showing import show_anew
from underpaint.study.study import Study

EDGES = Property("edges", "continuous", ("spearman",))
ALL = (*PROPERTIES.values(), EDGES)


def look(images):
    grey = images.mean(dim=1, keepdim=True)
    mask = (grey > grey.mean()).float()
    return {
        each.name: mask if each.is_binary else grey.expand(-1, each.targets, -1, -1) for each in ALL
    }


def shown(model, properties, steps):
    """Show one picture of a model, read by random probes of its last layer."""
    layer = find_layers(model)[-1]
    probes = {
        (each.name, layer.name, step): Probe(
            layer.name,
            step,
            each.name,
            torch.randn(layer.channels, each.targets).double(),
            torch.zeros(each.targets).double(),
            threshold=0.0 if each.is_binary else None,
        )
        for each in properties
        for step in range(steps)
    }
    labeler = Labeler("odd", tuple(each.name for each in properties), "MIT", look)
    plan = Study(model, (labeler,), properties, (layer,), Split((), (), ()), steps, 3.0, 4)
    flat = {each.name: torch.zeros(each.targets, *model.resolution).double() for each in properties}
    position = {name: MeanMap(1, mean) for name, mean in flat.items()}
    [made] = show_anew(plan, [Prompt("costs $5", 1)], probes, position)
    return made, {each.name: layer.name for each in properties}


def test_all_properties_are_drawn_for_every_step_and_source(model, tmp_path, monkeypatch):
    made, best = shown(model, ALL, 3)
    shapes = []
    monkeypatch.setattr(Axes, "imshow", lambda _axis, one, **_: shapes.append(one.shape))
    draw_steps(made, ALL, best_layers=best, path=tmp_path / "steps.png")
    assert len(shapes) == (2 + 3 * len(ALL)) * 4  # two rows of pictures, three sources; final
    assert shapes.count((16, 16, 3)) == 2 * 4 + 3 * 2 * 4
    assert (tmp_path / "steps.png").exists()


def test_pictures_that_are_not_square_are_drawn(tmp_path, monkeypatch):
    made, best = shown(worlds.packed_model(), (PROPERTIES["depth"],), 2)
    shapes = []
    monkeypatch.setattr(Axes, "imshow", lambda _axis, one, **_: shapes.append(one.shape[:2]))
    draw_steps(made, [PROPERTIES["depth"]], best_layers=best, path=tmp_path / "steps.png")
    assert set(shapes) == {(16, 32)}


def test_labels_are_drawn_beside_their_pictures(tmp_path):
    images = torch.rand(2, 3, 16, 16)
    draw_labels(images, look(images), ALL, path=tmp_path / "figures" / "labels.pdf")
    assert (tmp_path / "figures" / "labels.pdf").stat().st_size > 5000


@pytest.mark.parametrize(("name", "value", "shown"), [("normals", -1.0, 0.0), ("albedo", 0.5, 0.5)])
def test_three_targets_become_colours_on_a_fixed_scale(name, value, shown):
    maps, colours = figures._shown(PROPERTIES[name], torch.full((1, 3, 2, 2), value))
    assert colours is None
    torch.testing.assert_close(maps, torch.full((1, 2, 2, 3), shown))
