"""A function of one's own as a labeler: `python:MODULE:FUNCTION`."""

import sys

import pytest
import torch

from underpaint import labelers
from underpaint.core.errors import LabelError
from underpaint.core.properties import Property
from underpaint.labelers import label

CPU = torch.device("cpu")
EDGES = Property("edges", "continuous", ("spearman",))
SOURCE = "def edges(images):\n    return images[:, :1].diff(dim=2, append=images[:, :1, -1:])\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Stand in a folder with a module of one's own, which is forgotten afterwards."""
    (tmp_path / "ownlabels.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "ownlabels", raising=False)
    yield tmp_path
    sys.modules.pop("ownlabels", None)


def test_a_function_of_ones_own_labels_a_property(folder):
    before = list(sys.path)
    found = labelers.labeler("edges", "python:ownlabels:edges", CPU)
    assert sys.path == before
    images = torch.rand(2, 3, 8, 8)
    maps = label([found], [EDGES], images)["edges"]
    torch.testing.assert_close(maps[:, 0, :-1], images[:, 0].diff(dim=1))
    assert found.reads == ("edges",)


def test_a_changed_module_is_another_labeler(folder):
    before = labelers.labeler("edges", "python:ownlabels:edges", CPU).fingerprint
    (folder / "ownlabels.py").write_text(SOURCE + "# changed\n")
    assert labelers.labeler("edges", "python:ownlabels:edges", CPU).fingerprint != before


@pytest.mark.parametrize("place", ["nomodule:edges", "ownlabels:no", "", "os:path"])
def test_a_function_that_is_not_there_is_one_line(folder, place):
    with pytest.raises(LabelError, match=r"^Cannot import .*MODULE:FUNCTION"):
        labelers.labeler("edges", f"python:{place}", CPU)


def test_a_flipped_depth_of_ones_own_is_noticed(folder):
    source = "def depth(images):\n    return -images.cumsum(dim=2)[:, :1]\n"
    (folder / "ownlabels.py").write_text(source)
    with pytest.raises(LabelError, match="the wrong way round"):
        labelers.labeler("depth", "python:ownlabels:depth", CPU)


@pytest.mark.parametrize("property", ["edges", "depth"])
def test_an_error_of_ones_own_function_is_one_line(folder, property):
    source = 'def broken(images):\n    raise ValueError("no\\nway")\n'
    (folder / "ownlabels.py").write_text(source)
    line = (
        r"^python:ownlabels:broken raised ValueError in ownlabels.py:2 \(no\) over pictures of "
        r"\(\d, 3, \d+, \d+\)\. Mend it: .*$"
    )

    def labelled():
        found = labelers.labeler(property, "python:ownlabels:broken", CPU)
        label([found], [EDGES], torch.rand(2, 3, 8, 8))

    with pytest.raises(LabelError, match=line) as caught:
        labelled()
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_depth_of_ones_own_that_is_no_tensor_is_one_line(folder):
    (folder / "ownlabels.py").write_text("def depth(images):\n    return images.numpy()\n")
    with pytest.raises(LabelError, match="gave depth as ndarray; a tensor of real"):
        labelers.labeler("depth", "python:ownlabels:depth", CPU)
