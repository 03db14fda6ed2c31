import numpy as np
import pytest
import torch
from PIL import Image

from underpaint.core.errors import EditError
from underpaint.steering.targets import (
    FRINGE,
    carry_map,
    move_mask,
    random_move,
    read_map,
    read_mask,
    scale_mask,
    translate_map,
)


def box(top, bottom, left, right, *, size=(10, 20)):
    mask = torch.zeros(1, *size)
    mask[:, top:bottom, left:right] = 1
    return mask


@pytest.mark.parametrize(("dx", "dy"), [(4.0, -2.0), (0.2, -0.2)])
def test_a_mask_moves_by_pixels_or_by_fractions_of_the_picture(dx, dy):
    assert torch.equal(move_mask(box(3, 6, 5, 9), dx, dy), box(1, 4, 9, 13))


def test_a_mask_may_move_to_the_very_edge():
    assert torch.equal(move_mask(box(3, 6, 5, 9), 11.0, 4.0), box(7, 10, 16, 20))


@pytest.mark.parametrize(("dx", "dy"), [(12.0, 0.0), (-6.0, 0.0), (0.0, 5.0), (0.0, -4.0)])
def test_a_move_out_of_the_picture_is_refused_with_the_room_there_is(dx, dy):
    with pytest.raises(EditError, match=r"out of the 20×10 picture\. Move it by -5 to 11 across"):
        move_mask(box(3, 6, 5, 9), dx, dy)


@pytest.mark.parametrize("move", [1.5, float("nan"), float("inf")])
def test_a_move_that_is_no_number_of_pixels_is_refused(move):
    with pytest.raises(EditError, match="Give whole pixels"):
        move_mask(box(3, 6, 5, 9), move, 0.0)


def test_an_empty_mask_cannot_move():
    with pytest.raises(EditError, match="The mask is empty"):
        move_mask(torch.zeros(1, 10, 20), 1.0, 0.0)


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(1.0, box(2, 6, 8, 12)), (2.0, box(0, 8, 6, 14)), (0.5, box(3, 5, 9, 11))],
)
def test_a_mask_scales_about_its_centre(factor, expected):
    assert torch.equal(scale_mask(box(2, 6, 8, 12), factor), expected)


@pytest.mark.parametrize(
    ("factor", "words"),
    [(6.0, "leaves the picture. Use 5.00 at most"), (0.0, "above 0"), (0.01, "no pixel left")],
)
def test_a_scale_that_leaves_nothing_right_is_refused(factor, words):
    with pytest.raises(EditError, match=words):
        scale_mask(box(4, 6, 8, 12), factor)


def test_a_translated_map_repeats_its_edge():
    ramp = torch.arange(12.0).reshape(1, 3, 4)
    right = translate_map(ramp, 1.0, 0.0)
    assert torch.equal(right[0], ramp[0][:, [0, 0, 1, 2]])
    up = translate_map(ramp, 0.0, -2.0)
    assert torch.equal(up[0], ramp[0][[2, 2, 2]])
    with pytest.raises(EditError, match="leaves nothing"):
        translate_map(ramp, 4.0, 0.0)


def test_a_random_move_is_as_long_as_the_literature_s_and_stays_inside():
    mask = torch.zeros(1, 64, 64)
    mask[:, 20:30, 5:20] = 1  # no room to the left
    found = set()
    for seed in range(40):
        moved = random_move(mask, np.random.default_rng(seed))
        assert moved.sum() == mask.sum()
        dy, dx = (int(moved[0].nonzero()[0][axis] - (20, 5)[axis]) for axis in (0, 1))
        assert 11 <= dx <= 15
        assert 11 <= abs(dy) <= 15
        found.add((dx, dy))
    assert len(found) > 10
    again = random_move(mask, np.random.default_rng(7))
    assert torch.equal(again, random_move(mask, np.random.default_rng(7)))


def test_a_mask_without_room_has_no_random_move():
    with pytest.raises(EditError, match="no room for a move"):
        random_move(torch.ones(1, 64, 64), np.random.default_rng(0))


def test_a_drawn_mask_is_read_as_it_was_painted(tmp_path):
    grey = np.zeros((10, 20), dtype=np.uint8)
    grey[2:4, 5:9] = 255
    grey[5, 5] = 100  # the soft edge of a brush
    Image.fromarray(grey).convert("RGB").save(tmp_path / "mask.png")
    assert torch.equal(read_mask(tmp_path / "mask.png", (10, 20)), box(2, 4, 5, 9))


@pytest.mark.parametrize(
    ("value", "size", "words"),
    [
        (0, (10, 20), "is all black"),
        (255, (10, 20), "is all white"),
        (0, (8, 8), "is 20×10 pixels; pictures are 8×8"),
    ],
)
def test_a_mask_that_says_no_place_is_refused(tmp_path, value, size, words):
    Image.fromarray(np.full((10, 20), value, dtype=np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(EditError, match=words):
        read_mask(tmp_path / "mask.png", size)


def test_a_file_that_is_no_picture_is_refused(tmp_path):
    (tmp_path / "mask.png").write_text("dear")
    for path in (tmp_path / "mask.png", tmp_path / "none.png"):
        with pytest.raises(EditError, match="Cannot read the mask"):
            read_mask(path, (10, 20))


@pytest.mark.parametrize("depth", [8, 16])
def test_a_drawn_map_is_read_as_shares_of_its_brightest(tmp_path, depth):
    grey = np.zeros((10, 20), dtype=np.uint8 if depth == 8 else np.uint16)
    grey[:5], grey[5:] = (50, 200) if depth == 8 else (50 << 8, 200 << 8)
    Image.fromarray(grey).save(tmp_path / "map.png")
    read = read_map(tmp_path / "map.png", (10, 20))
    assert read.shape == (1, 10, 20)
    assert read[0, 0, 0] == pytest.approx(0.25)
    assert read.max() == 1


def test_a_map_that_is_the_same_everywhere_is_refused(tmp_path):
    Image.fromarray(np.full((10, 20), 90, dtype=np.uint8)).save(tmp_path / "map.png")
    with pytest.raises(EditError, match="is the same everywhere"):
        read_map(tmp_path / "map.png", (10, 20))


def numbered(*size):
    return torch.arange(float(np.prod(size))).reshape(1, *size)


def test_an_object_takes_its_part_of_a_map_along():
    maps, before, after = numbered(10, 20), box(3, 6, 5, 9), box(1, 4, 11, 15)
    found = carry_map(maps, before, after)
    assert torch.equal(found[:, 1:4, 11:15], maps[:, 3:6, 5:9])
    fringe = round(FRINGE * 20)
    assert fringe == 1
    untouched = (box(2, 7, 4, 10) + after) == 0
    assert torch.equal(found[untouched], maps[untouched])
    # What it left comes in from the nearest pixel beyond the fringe.
    assert torch.equal(found[0, 4, 4:6], maps[0, 4, [3, 3]])


def test_a_larger_object_takes_along_the_same_map_larger():
    found = carry_map(numbered(10, 20), box(2, 6, 8, 12), box(0, 8, 6, 14))
    expected = numbered(10, 20)[:, 2:6, 8:12].repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert torch.equal(found[:, 0:8, 6:14], expected)


def test_a_place_the_object_never_filled_has_its_nearest_value():
    maps = numbered(4, 4)
    corner = torch.zeros(1, 4, 4)
    corner[0, 0, 0:2] = corner[0, 1, 0] = 1  # the box's fourth pixel is not the object's
    found = carry_map(maps, corner, box(2, 4, 2, 4, size=(4, 4)))
    assert found[0, 3, 3] in (maps[0, 0, 1], maps[0, 1, 0])
