"""A property of one's own on the command line: `NAME:binary`, `NAME:continuous`."""

import json

import pytest
from click.testing import CliRunner

import worlds
from underpaint.cli import main as cli
from underpaint.cli import run as cli_run
from underpaint.core.errors import LabelError
from underpaint.core.properties import DEPTH, PROPERTIES, find_property
from underpaint.labelers import Labeler
from underpaint.runs import runs


def warmth(images):
    return {"warmth": images[:, :1] - images[:, 2:]}


def cold(images):
    return {"cold": (images[:, 2:] > images[:, :1]).float()}


@pytest.fixture
def labelers(monkeypatch):
    own = [Labeler(look.__name__, (look.__name__,), "MIT", look) for look in (warmth, cold)]
    monkeypatch.setattr(cli_run, "labelers_for", lambda *_, **__: (worlds.LOOK, *own))


def run(out, saved_model, properties):
    words = ["run", out, "--model", saved_model, "--device", "cpu", "--guidance", 3, "--quick"]
    words += ["--count", 40, "--steps", 2, "--properties", properties]
    return CliRunner().invoke(cli.main, [str(each) for each in words])


def test_a_run_reads_them_and_every_later_command_knows_them(
    labelers, saved_model, tmp_path, monkeypatch
):
    monkeypatch.setattr(cli_run, "write_site", lambda *_, **__: None)
    monkeypatch.setattr(cli_run, "draw", lambda *_: "drawn")
    out = tmp_path / "out"
    result = run(out, saved_model, "depth,warmth:continuous,cold:binary")
    assert result.exit_code == 0, result.output
    assert json.loads((out / "run.json").read_text())["own_properties"] == {
        "warmth": "continuous", "cold": "binary",
    }  # fmt: skip

    for name in ("warmth", "cold"):
        del PROPERTIES[name]  # as in another process
    shown = CliRunner().invoke(cli.main, ["show", str(out)])
    assert shown.exit_code == 0, shown.output
    assert "warmth: Residual correlation" in shown.output
    assert "cold: Dice" in shown.output
    runs.read_settings(runs.find_run(out))
    assert PROPERTIES["warmth"].is_relative
    assert PROPERTIES["cold"].is_binary


def test_another_kind_of_the_same_name_is_another_run(labelers, saved_model, tmp_path, monkeypatch):
    monkeypatch.setattr(cli_run, "carry_out", lambda *_, **__: {})
    run(tmp_path / "out", saved_model, "depth,warmth:continuous")
    PROPERTIES.pop("warmth")
    (tmp_path / "out" / "images").mkdir()  # something was made, and the folder is that run's
    (tmp_path / "out" / "images" / "00000.png").touch()
    result = run(tmp_path / "out", saved_model, "depth,warmth:binary")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "own_properties is" in result.output or "is known here as" in result.output


@pytest.mark.parametrize(
    "words", ["", "depths", "sky", "sky:", "sky:yes", "Sky:binary", "a b:binary", "depth:binary",
              "../x:binary", "x" * 40 + ":binary"],
)  # fmt: skip
def test_what_names_no_property_is_refused(words):
    with pytest.raises(LabelError, match=r"is no property\. Choose from saliency"):
        find_property(words)


def test_one_name_has_one_kind():
    sky = find_property("sky:binary")
    assert find_property("sky:binary") == sky
    assert find_property("sky") == sky
    assert find_property(" depth ") == DEPTH
    with pytest.raises(LabelError, match="sky is known here as binary"):
        find_property("sky:continuous")
