"""What a labeler may answer: a tensor of real numbers, and nothing of the pictures is changed."""

import pytest
import torch

from underpaint.core.arrays import to_grid
from underpaint.core.errors import LabelError
from underpaint.core.properties import DEPTH, SALIENCY
from underpaint.labelers import Labeler, label

IMAGES = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def grey(images):
    return images.mean(dim=1, keepdim=True)


def labelled(look, of=DEPTH):
    labeler = Labeler("own", (of.name,), "MIT", lambda images: {of.name: look(images)})
    return label([labeler], [of], IMAGES)[of.name]


def test_a_labeler_that_works_in_place_leaves_pictures_as_they_are():
    before = IMAGES.clone()
    assert torch.equal(labelled(lambda images: grey(images.mul_(2))), grey(before * 2))
    assert torch.equal(IMAGES, before)


def test_true_and_false_are_one_and_zero():
    mask = labelled(lambda images: grey(images) > 0.5, of=SALIENCY)
    assert torch.equal(mask, (grey(IMAGES) > 0.5).float())
    assert torch.equal(to_grid(mask, (8, 8)), to_grid((grey(IMAGES) > 0.5).float(), (8, 8)))


@pytest.mark.parametrize(
    ("look", "kind"),
    [
        (lambda images: grey(images).numpy(), "ndarray"),
        (lambda images: {"depth": grey(images)}, "dict"),
        (lambda _images: None, "NoneType"),
        (lambda images: grey(images) + 0j, "complex64"),
    ],
)
def test_what_is_no_tensor_of_numbers_is_refused(look, kind):
    with pytest.raises(LabelError, match=f"Labeler own gave depth as .*{kind}; a tensor of real"):
        labelled(look)
