"""What the world gives away of itself, on worlds where the answer is known."""

import pytest
import torch

from underpaint.world.measures import measure_place
from underpaint.world.renders import Renders

SIDE = 16


def world(masks: torch.Tensor, maps: torch.Tensor) -> Renders:
    """Renders with these masks, and with these maps as depth and as shading."""
    count = len(masks)
    none = torch.zeros(count, 3, SIDE, SIDE, dtype=torch.uint8)
    truth = {"image": none, "normals": none, "albedo": none}
    truth |= {"saliency": (masks * 255).byte(), "shading": (maps * 255).round().byte()}
    return Renders(truth, maps.half(), torch.zeros(count, 4, dtype=torch.long))


def test_a_world_that_never_changes_is_known_from_the_place_alone() -> None:
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 4:9, 2:7] = 1
    slope = torch.linspace(0, 1, SIDE)[:, None].expand(1, 1, SIDE, SIDE)
    found = measure_place(world(mask.repeat(6, 1, 1, 1), slope.repeat(6, 1, 1, 1)))
    assert found == {
        "place saliency dice": pytest.approx(1),
        "place depth spearman": pytest.approx(1),
        "place shading spearman": pytest.approx(1),
    }


def test_noise_is_not_known_from_the_place() -> None:
    generator = torch.Generator().manual_seed(0)
    masks = (torch.rand(80, 1, SIDE, SIDE, generator=generator) < 0.1).float()
    found = measure_place(world(masks, torch.rand(80, 1, SIDE, SIDE, generator=generator)))
    assert abs(found["place depth spearman"]) < 0.05
    assert abs(found["place shading spearman"]) < 0.05
    assert found["place saliency dice"] < 0.25
