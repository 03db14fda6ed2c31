"""The word reader looks where the object is: planted shares give the crop that they ask for."""

import pytest
import torch
import torch.nn.functional as F

from underpaint.models.readers import WordReader, boxes_around
from underpaint.world.reading import WORD_SIZES


def planted(top: int, left: int, size: int) -> torch.Tensor:
    share = torch.zeros(1, 16, 16)
    share[:, top : top + size, left : left + size] = 1 / size**2
    return share


def test_the_crop_is_centred_on_the_object_and_holds_all_of_it() -> None:
    for top, left, size in ((0, 0, 4), (3, 9, 6), (12, 2, 3)):
        box = boxes_around(planted(top, left, size))[0]
        middle = torch.tensor([left + size / 2, top + size / 2]) / 8 - 1
        assert torch.allclose(box[:, 2], middle, atol=1e-6)
        assert box[0, 0] == box[1, 1] >= size / 16
        assert box[0, 1] == box[1, 0] == 0


def test_a_crop_of_a_painted_square_shows_little_else() -> None:
    image = F.interpolate(planted(5, 8, 4)[None].sign(), scale_factor=8)
    boxes = boxes_around(planted(5, 8, 4))
    crop = F.grid_sample(
        image, F.affine_grid(boxes, [1, 1, 64, 64], align_corners=False), align_corners=False
    )
    assert crop.mean() > 0.5 > 2 * image.mean()


def test_a_share_in_one_cell_still_gives_a_crop_of_some_size() -> None:
    assert float(boxes_around(planted(7, 7, 1))[0, 0, 0]) == pytest.approx(2.2 * 0.004**0.5)


def test_the_word_reader_gives_logits_for_each_part_at_any_size() -> None:
    reader = WordReader(WORD_SIZES).eval()
    for side in (64, 128):
        logits = reader(torch.rand(2, 3, side, side))
        assert [part.shape for part in logits] == [(2, size) for size in WORD_SIZES]
    features, where = reader.find(torch.rand(2, 3, 128, 128))
    assert features.shape == (2, 128)
    assert torch.allclose(where.exp().sum(dim=(1, 2)), torch.ones(2), atol=1e-5)
