import numpy as np
import pytest
import torch

from underpaint.core.arrays import normalise
from underpaint.core.errors import EditError
from underpaint.core.properties import DEPTH, SHADING
from underpaint.steering.aims import LIGHT_SLOPE, aim_at, relit, where_of
from underpaint.steering.targets import move_mask


def pushed(mask, _random):
    return move_mask(mask, 3.0, 2.0)


@pytest.fixture
def there():
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(1, 12, 12)
    mask[0, 2:6, 1:7] = 1
    maps = torch.rand(2, 1, 12, 12, generator=generator)
    depth, shading = (
        normalise(each, one[None])[0] for each, one in zip((DEPTH, SHADING), maps, strict=True)
    )
    return {"saliency": mask, "depth": depth, "shading": shading}


def aimed(there, *places, **wanted):
    return aim_at(*places, **wanted)(there, np.random.default_rng(0))


def test_only_what_was_asked_is_a_target(there):
    assert set(aimed(there, pushed)) == {"saliency"}
    assert set(aimed(there, depth=pushed)) == {"depth"}
    assert set(aimed(there, pushed, light="left", depth=pushed)) == {"saliency", "depth", "shading"}
    with pytest.raises(EditError, match="has no target"):
        aim_at()


@pytest.mark.parametrize("places", [[], [pushed]])
def test_depth_is_taken_along_as_far_as_the_mask(there, places):
    found = aimed(there, *places, depth=pushed)["depth"]
    assert torch.equal(found[0, 2:, 3:], there["depth"][0, :-2, :-3])


def test_a_given_depth_map_is_brought_to_the_scale_of_labels(there):
    drawn = torch.rand(1, 12, 12) * 7 + 3
    torch.testing.assert_close(aimed(there, depth=drawn)["depth"], normalise(DEPTH, drawn[None])[0])


@pytest.mark.parametrize(("side", "sign"), [("left", -1), ("right", 1)])
def test_a_relit_object_is_brighter_on_the_side_of_the_light(there, side, sign):
    inside = there["saliency"][0] > 0
    rows, cols = inside.nonzero().T
    flat = relit(torch.zeros(1, 12, 12), there["saliency"], side)[0]
    step = flat[2, 2] - flat[2, 1]
    assert step.sign() == sign
    torch.testing.assert_close(flat[rows, cols], flat[2, 1] + step * (cols - 1))
    own = relit(there["shading"], there["saliency"], side)[0]
    slope = np.polyfit(cols.numpy(), own[rows, cols].numpy(), 1)[0]
    around = ~inside  # normalised once more, so in units of what stayed
    scale = own[around].std() / there["shading"][0][around].std()
    assert slope == pytest.approx(sign * LIGHT_SLOPE / 5 * float(scale), rel=1e-4)


def test_the_light_falls_on_where_the_object_shall_be(there):
    both = aimed(there, pushed, light="left")
    assert torch.equal(both["shading"], relit(there["shading"], both["saliency"], "left"))


def test_an_object_without_sides_cannot_be_lit_from_one(there):
    with pytest.raises(EditError, match="no object with two sides"):
        relit(there["shading"], torch.zeros(1, 12, 12), "left")


def test_what_no_labeler_reads_cannot_be_taken_along(there):
    with pytest.raises(EditError, match="No labeler reads the picture's own depth"):
        aimed({"saliency": there["saliency"]}, depth=pushed)


def test_an_object_is_asked_for_with_what_it_carries(there):
    found = aimed(there, pushed, carried=("shading",))
    assert list(found) == ["saliency", "shading"]
    assert torch.equal(found["shading"][0, 4:8, 4:10], there["shading"][0, 2:6, 1:7])
    assert set(aimed(there, light="left", carried=("depth",))) == {"shading"}  # nothing moves
    lit = aimed(there, pushed, light="left", carried=("shading",))["shading"]
    torch.testing.assert_close(lit, relit(found["shading"], found["saliency"], "left"))
    with pytest.raises(EditError, match="the picture's own albedo"):
        aimed(there, pushed, carried=("albedo",))


def test_a_margin_leaves_tokens_alone_that_are_far_from_the_object():
    there, shall = torch.zeros(2, 1, 1, 32, 32)
    there[..., 2:6, 2:6] = 1
    shall[..., 2:6, 10:14] = 1
    where = where_of({"saliency": shall}, {"saliency": there}, 0.125)
    assert where is not None
    assert where[0, 0, 2:6, 2:14].all()
    rows, cols = where[0, 0].nonzero().T
    assert (rows.max(), cols.max()) == (9, 17)  # four pixels further
    only = where_of({"shading": shall}, {"saliency": there}, 0.0)  # no mask: no place of its own
    assert only is not None
    assert torch.equal(only, there)
    assert where_of({"depth": shall}, {"saliency": there}, 0.125) is None
    assert where_of({"saliency": shall}, {"saliency": there}, -1.0) is None
