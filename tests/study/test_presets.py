"""Presets are data: printed, changed, and used where nothing else is said."""

import json
import re
import tomllib

import pytest
from click.testing import CliRunner

import worlds
from underpaint.cli import main as cli
from underpaint.cli import run as cli_run
from underpaint.core.errors import RunError
from underpaint.core.properties import PROPERTIES
from underpaint.runs import runs
from underpaint.study.presets import Source, preset_names, read_preset


def test_the_paper_s_numbers_are_the_literature_s():
    preset = read_preset("paper")
    assert preset.numbers == {
        "scheduler": "lms",
        "resolution": 512,
        "steps": 15,
        "guidance": 7.5,
        "count": 617,
        "batch": "auto",
        "cut": "246/371",
        "properties": ["saliency", "depth", "shading"],
    }
    assert preset.model.id == "CompVis/stable-diffusion-v1-4"
    assert preset.labelers["depth"].id == "Intel/dpt-large"
    assert preset.labelers["shading"].id == "intrinsic:paper_weights"
    assert preset.classifier is not None
    assert preset.classifier.id == "vgg16"


@pytest.mark.parametrize("name", preset_names())
def test_every_property_of_a_preset_has_a_labeler_and_every_source_a_licence(name):
    preset = read_preset(name)
    assert set(preset.numbers["properties"]) == set(preset.labelers) <= set(PROPERTIES)
    sources = [preset.model, *preset.labelers.values(), preset.classifier]
    assert all(source is not None and source.licence for source in sources)


@pytest.mark.parametrize("name", preset_names())
def test_every_hub_id_of_a_preset_is_pinned_to_a_whole_commit(name):
    preset = read_preset(name)
    sources = [preset.model, *preset.labelers.values()]
    commits = [source.revision for source in sources if "/" in source.id]
    assert len(commits) >= 3
    assert all(re.fullmatch("[0-9a-f]{40}", commit) for commit in commits)


def test_a_revision_pins_a_hub_id_and_nothing_else(tmp_path):
    assert Source("a/b", "c0ffee", "MIT").pinned == "a/b@c0ffee"
    assert Source("a/b", "", "MIT").pinned == "a/b"
    assert Source(str(tmp_path), "c0ffee", "MIT").pinned == str(tmp_path)
    assert Source("vgg16", "IMAGENET1K_V1", "BSD").pinned == "vgg16"


def test_presets_are_printed_as_table_file_and_json():
    table = CliRunner().invoke(cli.main, ["presets"]).output
    assert "paper" in table
    assert "133a221b" in table
    printed = CliRunner().invoke(cli.main, ["presets", "paper"]).output
    assert tomllib.loads(printed)["run"]["steps"] == 15
    found = json.loads(CliRunner().invoke(cli.main, ["presets", "--json"]).output)
    assert found["modern"]["labelers"]["depth"]["licence"] == "Apache-2.0"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[model", "is not valid TOML"),
        ("[run]\nsteps = 5\n", "is no preset: 'model'"),
        ('[model]\nid = ""\n', "a source has the id ''"),
        ('[model]\nid = "a/b"\nhash = "x"\n', "a source says 'hash'"),
        ('[model]\nid = "a/b"\n[run]\nstep = 5\n', "its run says 'step'"),
        ('[model]\nid = "a/b"\n[run]\nsteps = "many"\n', "steps = 'many'"),
        ('[model]\nid = "a/b"\n[labelers.mood]\nid = "c/d"\n', "'mood' is no property"),
        ('[modle]\nid = "a/b"\n', "it says 'modle'"),
    ],
)
def test_a_file_that_is_no_preset_is_refused_with_its_reason(tmp_path, content, words):
    (tmp_path / "own.toml").write_text(content)
    with pytest.raises(RunError, match=words) as caught:
        read_preset(str(tmp_path / "own.toml"))
    assert "\n" not in str(caught.value)


def test_an_unknown_preset_is_refused():
    with pytest.raises(RunError, match=r"No preset 'papre': choose from modern, paper, or give"):
        read_preset("papre")


@pytest.fixture
def own(tmp_path, saved_model):
    """Copy the paper's preset, of another model and fewer numbers, as a user would."""
    text = read_preset("paper").text.replace("CompVis/stable-diffusion-v1-4", str(saved_model))
    for before, after in (("= 512", "= 16"), ("count = 617", "count = 40"), ("= 15\n", "= 2\n")):
        assert before in text
        text = text.replace(before, after)
    path = tmp_path / "own.toml"
    path.write_text(text)
    return path


def test_a_run_takes_a_preset_and_what_is_said_beside_it_counts_more(own, tmp_path, monkeypatch):
    asked = {}

    def stand_in(_model, chosen=None, **_):
        asked.update(chosen)
        return (worlds.LOOK,)

    monkeypatch.setattr(cli_run, "labelers_for", stand_in)
    monkeypatch.setattr(cli_run, "draw_pictures", lambda *_, **__: tmp_path / "nowhere.png")
    monkeypatch.setattr(cli_run, "write_site", lambda *_, **__: None)
    monkeypatch.setattr(cli_run, "is_shown", lambda _: True)
    out = tmp_path / "out"
    arguments = ["run", str(out), "--preset", str(own), "--quick", "--device", "cpu"]
    arguments += ["--guidance", "3", "--properties", "saliency,depth"]
    arguments += ["--labelers", "saliency=mine"]
    without = CliRunner().invoke(cli.main, arguments)
    assert "studies prompts of your own: give --prompts FILE.csv" in without.output
    assert without.exit_code == 1
    assert not out.exists()
    rows = "".join(f"scene {n},{n},{n}\n" for n in range(40))
    (tmp_path / "own.csv").write_text(f"prompts,seeds,prompt_inds\n{rows}")
    arguments += ["--prompts", str(tmp_path / "own.csv")]
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 0, result.output
    settings = runs.read_json(out / "run.json")
    assert asked == {
        "saliency": "mine",
        "depth": "Intel/dpt-large@bc15f29aa3a80d532f2ed650b5e16ac48d8958f9",
    }
    assert settings["labeled_by"] == asked
    assert (settings["scheduler"], settings["swapped_scheduler"]) == ("LMSDiscreteScheduler", "lms")
    assert (settings["guidance"], settings["steps"], settings["resolution"]) == (3.0, 2, 16)
    assert (settings["cut"], settings["classifier"]) == ("246/371", "vgg16")
    summary = runs.read_json(out / "summary.json")
    assert summary["images"] == {"train": 13, "validation": 3, "test": 24}
    assert summary["cost"]["peak_vram_mb"] is None
    again = CliRunner().invoke(cli.main, arguments)
    assert "is done already" in again.output
    like = CliRunner().invoke(
        cli.main, ["run", str(out), "--like", str(out), "--prompts", str(out / "prompts.csv")]
    )
    assert "is done already" in like.output


def test_a_preset_and_another_run_are_not_both_followed(tmp_path, own):
    runs.open_run(
        tmp_path / "other",
        {
            "model": "x", "fingerprint": "x", "scheduler": "x", "layers": ["mid"],
            "properties": ["depth"], "labelers": {}, "prompts": "x", "dtype": "torch.float32",
            "count": 1, "steps": 1, "guidance": 1, "batch": 1, "seed": 0, "quick": True,
        },
    )  # fmt: skip
    result = CliRunner().invoke(
        cli.main, ["run", "OUT", "--like", str(tmp_path / "other"), "--preset", str(own)]
    )
    assert result.exit_code == 1
    assert "--preset and --like both say what to do" in result.output
