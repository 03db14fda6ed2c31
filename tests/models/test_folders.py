"""Labels from files: each is read as it was meant, or refused in one line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import worlds
from underpaint.cli.pictures import pictures_of
from underpaint.core.errors import LabelError
from underpaint.core.prompts import Prompt
from underpaint.core.properties import ALBEDO, DEPTH, NORMALS, SALIENCY, Property
from underpaint.models.folders import read_folder

SIZE = (16, 12)
OVAL = np.hypot(*np.ogrid[-8:8, -6:6]) < 5
RNG = np.random.default_rng(0)
SCENE = RNG.uniform(20, 60, SIZE)


@pytest.fixture
def folder(tmp_path):
    Image.new("RGB", SIZE[::-1], "teal").save(tmp_path / "00000.png")
    return tmp_path


def labels(folder: Path, property: Property, **asked) -> torch.Tensor:
    find = read_folder(folder, [property], size=SIZE, **asked)
    return find([Prompt("a thing", 1, 0)]).labels[property.name][0]


def save(folder: Path, property: Property, what: np.ndarray | Image.Image) -> None:
    stem = folder / f"00000.{property.name}"
    if isinstance(what, Image.Image):
        what.save(f"{stem}.png")
    else:
        np.save(f"{stem}.npy", what)


def paletted(*colours: tuple[int, int, int]) -> Image.Image:
    picture = Image.fromarray(OVAL.astype(np.uint8))
    picture = picture.convert("P") if picture.mode != "P" else picture
    picture.putdata(OVAL.astype(np.uint8).flatten().tolist())
    picture.putpalette([value for colour in colours for value in colour])
    return picture


MASKS = {
    "0 and 255": Image.fromarray(OVAL.astype(np.uint8) * 255),
    "0 and 1": Image.fromarray(OVAL.astype(np.uint8)),
    "one bit": Image.fromarray(OVAL.astype(np.uint8) * 255).convert("1"),
    "16 bits, 0 and 1": Image.fromarray(OVAL.astype(np.uint16)),
    "16 bits": Image.fromarray(OVAL.astype(np.uint16) * 65535),
    "palette, black and white": paletted((0, 0, 0), (255, 255, 255)),
    "palette, black and maroon": paletted((0, 0, 0), (128, 0, 0)),
    "colour": Image.fromarray(OVAL[:, :, None] * np.array([0, 200, 30], np.uint8)),
    "booleans": OVAL,
    "whole numbers": OVAL.astype(np.int64),
    "big-endian": OVAL.astype(">f4"),
}


@pytest.mark.parametrize("kind", MASKS)
def test_a_mask_is_read_as_it_was_meant(folder, kind):
    save(folder, SALIENCY, MASKS[kind])
    np.testing.assert_array_equal(labels(folder, SALIENCY)[0].numpy(), OVAL)


def test_a_soft_mask_keeps_its_shares(folder):
    shares = np.arange(192, dtype=np.uint8).reshape(SIZE)
    save(folder, SALIENCY, Image.fromarray(shares))
    torch.testing.assert_close(
        labels(folder, SALIENCY)[0], torch.from_numpy(shares / np.float32(255))
    )
    save(folder, SALIENCY, Image.fromarray(shares // 2))  # no place of it is above one half
    assert labels(folder, SALIENCY).max() == pytest.approx(95 / 255)


CLASSES = {
    "numbers": (Image.fromarray(OVAL.astype(np.uint8) * 15), "15 of 255, as if they were numbers"),
    "colours": (
        Image.fromarray(RNG.integers(0, 2, (*SIZE, 3), dtype=np.uint8) * 128),
        "it has 8 colours",
    ),
    "no black": (paletted((0, 0, 90), (128, 0, 0)), "it has 2 colours"),
}


@pytest.mark.parametrize("kind", CLASSES)
def test_a_mask_of_classes_is_refused(folder, kind):
    picture, words = CLASSES[kind]
    save(folder, SALIENCY, picture)
    with pytest.raises(LabelError, match=words):
        labels(folder, SALIENCY)


def test_depth_of_16_bits_is_read_in_full(folder):
    deep = RNG.integers(0, 65536, SIZE, dtype=np.uint16)
    save(folder, DEPTH, Image.fromarray(deep))
    torch.testing.assert_close(
        labels(folder, DEPTH)[0], torch.from_numpy(deep / np.float32(65535)), rtol=0, atol=0
    )
    save(folder, DEPTH, deep)
    assert (labels(folder, DEPTH)[0].numpy() == deep).all()


def test_depth_in_false_colours_is_refused(folder):
    save(folder, DEPTH, Image.fromarray(RNG.integers(0, 256, (*SIZE, 3), dtype=np.uint8)))
    with pytest.raises(LabelError, match="no colour map"):
        labels(folder, DEPTH)


def test_grey_is_a_colour_where_three_are_wanted(folder):
    save(folder, ALBEDO, Image.new("L", SIZE[::-1], 51))
    assert labels(folder, ALBEDO).eq(np.float32(0.2)).all()
    assert labels(folder, ALBEDO).shape == (3, *SIZE)


@pytest.mark.parametrize("as_picture", [False, True], ids=["array", "picture"])
def test_zeros_far_from_the_rest_are_asked_about(folder, as_picture):
    depth = np.where(OVAL, 0, SCENE * 1000).astype(np.uint16)
    save(folder, DEPTH, Image.fromarray(depth) if as_picture else depth.astype(np.float32))
    with pytest.raises(LabelError, match=r"exactly 0 in 35\.9% .* FOLDER:holes") as refused:
        labels(folder, DEPTH)
    assert "\n" not in str(refused.value)
    assert (labels(folder, DEPTH, zeros="holes")[0].isnan().numpy() == OVAL).all()
    assert (labels(folder, DEPTH, zeros="whole")[0].numpy() == 0).sum() == OVAL.sum()


@pytest.mark.parametrize("unknown", [-1, 65535, 1e10])
def test_so_is_any_other_number_that_stands_alone(folder, unknown):
    save(folder, DEPTH, np.where(OVAL, unknown, SCENE))
    for zeros in (None, "holes"):
        with pytest.raises(LabelError, match="save NaN where it is"):
            labels(folder, DEPTH, zeros=zeros)
    assert labels(folder, DEPTH, zeros="whole").isfinite().all()


@pytest.mark.parametrize(
    "depth",
    [
        np.linspace(-1, 1, 192).clip(0).reshape(SIZE),  # all shades down to it are there
        np.where(OVAL, np.nan, SCENE),
        np.broadcast_to(np.linspace(0, 1, 12), SIZE),  # a slope of a dozen steps
        np.full(SIZE, 3.0),
        SCENE - 40,
    ],
    ids=["clipped", "with holes", "coarse", "flat", "signed"],
)
def test_a_map_whose_zeros_are_values_is_read_without_a_question(folder, depth):
    save(folder, DEPTH, depth)
    torch.testing.assert_close(
        labels(folder, DEPTH)[0], torch.from_numpy(depth.astype(np.float32)), equal_nan=True
    )


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=0)


FACING = unit(RNG.normal(size=(3, *SIZE)))


def test_normals_of_no_length_are_asked_about(folder):
    save(folder, NORMALS, np.where(OVAL, 0, FACING))
    with pytest.raises(LabelError, match=r"other lengths than 1 in 35\.9%"):
        labels(folder, NORMALS)
    assert (labels(folder, NORMALS, zeros="holes").isnan().numpy() == OVAL).all()
    save(folder, NORMALS, FACING)
    assert labels(folder, NORMALS).isfinite().all()


@pytest.mark.parametrize("scale", [lambda n: n * 1.3, lambda n: unit(n) / 2 + 0.5])
@pytest.mark.parametrize("zeros", [None, "holes"])
def test_normals_on_another_scale_are_refused(folder, scale, zeros):
    save(folder, NORMALS, scale(FACING))
    with pytest.raises(LabelError, match=r"in -1\.\.1"):
        labels(folder, NORMALS, zeros=zeros)


def test_an_array_of_no_numbers_is_refused(folder):
    save(folder, DEPTH, SCENE + 1j)
    with pytest.raises(LabelError, match="it holds complex128"):
        labels(folder, DEPTH)


def test_what_zeros_are_may_stand_behind_the_folder(tmp_path):
    model = worlds.model()
    Image.new("RGB", model.resolution[::-1], "teal").save(tmp_path / "00000.png")
    np.save(tmp_path / "00000.depth.npy", np.eye(*model.resolution))
    for word, unknown in (("holes", 240), ("whole", 0)):
        find = pictures_of(f"{tmp_path}:{word}", [DEPTH], model)
        assert find is not None
        found = find([Prompt("a thing", 1, 0)]).labels["depth"]
        assert int(found.isnan().sum()) == unknown
