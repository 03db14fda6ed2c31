"""What a labeler may answer: a tensor of real numbers, of each picture by itself.

Nothing of the pictures is changed.
"""

from dataclasses import replace

import pytest
import torch

from underpaint.core.arrays import to_grid
from underpaint.core.errors import LabelError
from underpaint.core.properties import DEPTH, SALIENCY
from underpaint.labelers import Labeler, label
from underpaint.labelers.remembered import remembering

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


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([IMAGES], "gave a list; maps by property are needed, as in {'depth': maps}"),
        ({"shape": IMAGES}, r"gave no depth, only \['shape'\]"),
    ],
)
def test_what_is_no_map_of_the_property_is_refused(given, words):
    labeler = Labeler("own", ("depth",), "MIT", lambda _images: given)
    with pytest.raises(LabelError, match=f"Labeler own {words}"):
        label([labeler], [DEPTH], IMAGES)


def stretched(images):
    maps = grey(images)
    return (maps - maps.min()) / (maps.max() - maps.min())


NETWORK = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.BatchNorm2d(4))
SOFT = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Sigmoid()).half()
DRAWN = torch.Generator().manual_seed(0)
BY_BATCH = {
    "stretched over the batch": stretched,
    "less the batch's mean": lambda images: grey(images) - images.mean(),
    "batch normalisation in training mode": lambda images: grey(NETWORK(images)),
    "dropout": lambda images: torch.nn.functional.dropout(grey(images), training=True),
    "less the first": lambda images: grey(images) - grey(images)[:1],
    "chance": lambda images: grey(images) + torch.rand(grey(images).shape, generator=DRAWN),
}
BY_PICTURE = {
    "grey": grey,
    "stretched by itself": lambda images: torch.cat([stretched(each[None]) for each in images]),
    "level": lambda images: torch.ones_like(grey(images)) / 3,
    "nothing": lambda images: torch.zeros_like(grey(images)),
    "half precision": lambda images: grey(SOFT(images.half())).float(),
    "a cut mask": lambda images: (grey(SOFT(images.half())) > 0.5).float(),
    "one of random noise from a seed": lambda images: (
        grey(images) + torch.rand((16, 16), generator=torch.Generator().manual_seed(1))
    ),
}


@pytest.mark.parametrize("count", [3, 16, 40])
@pytest.mark.parametrize("look", BY_BATCH.values(), ids=BY_BATCH)
def test_answers_that_change_with_the_batch_are_refused(look, count):
    images = torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    images *= torch.linspace(0.3, 1, count)[:, None, None, None]
    labeler = Labeler("own", ("depth",), "MIT", lambda images: {"depth": look(images)})
    for _ in range(2):
        with pytest.raises(LabelError, match="two answers of one picture, once among"):
            label([labeler], [DEPTH], images)


@pytest.mark.parametrize("look", BY_PICTURE.values(), ids=BY_PICTURE)
def test_answers_of_each_picture_by_itself_are_taken(look):
    labelled(look)


def test_chance_shows_where_pictures_come_one_at_a_time():
    labeler = Labeler("own", ("depth",), "MIT", lambda x: {"depth": BY_BATCH["chance"](x)})
    with pytest.raises(LabelError, match="once among 1 and once alone"):
        label([labeler], [DEPTH], IMAGES[:1])


def test_one_picture_is_asked_again_once():
    asked = []
    labeler = Labeler(
        "own", ("depth",), "MIT", lambda x: asked.append(len(x)) or {"depth": grey(x)}
    )
    for _ in range(3):
        label([labeler], [DEPTH], IMAGES)
    assert asked == [3, 1, 3, 3]
    label([replace(labeler)], [DEPTH], IMAGES[:1])
    assert asked[4:] == [1, 1]


def test_a_labeler_that_is_remembered_is_held_against_itself(tmp_path):
    labeler = Labeler("own", ("depth",), "MIT", lambda x: {"depth": stretched(x)}, "sha256:1")
    with pytest.raises(LabelError, match="two answers of one picture"):
        label([remembering(labeler, tmp_path)], [DEPTH], IMAGES)
