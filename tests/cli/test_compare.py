"""Two finished runs of random models, through the command line."""

import json
import shutil

import pytest
from click.testing import CliRunner

from underpaint.cli import main as cli
from underpaint.runs import runs
from underpaint.study.stages import carry_out
from worlds import study


@pytest.fixture(scope="module")
def outs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    made = study(40)
    settings = {
        "model": "random",
        "fingerprint": "sha256:0",
        "scheduler": "DDIMScheduler",
        "steps": 2,
        "guidance": 3.0,
        "layers": [layer.name for layer in made.layers],
        "properties": [each.name for each in made.properties],
        "labelers": {"brightness": ["MIT", ""]},
    }
    for name in ("one", "two"):
        carry_out(made, runs.open_run(folder / name, {**settings, "seed": name}), lambda *_: None)
    return folder / "one", folder / "two"


def compared(*arguments):
    return CliRunner().invoke(cli.main, ["compare", *map(str, arguments)])


def test_two_runs_of_one_model_do_not_differ(outs, tmp_path):
    result = compared(*outs, "--json", "--figure", tmp_path / "figures")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [run["name"] for run in found["runs"]] == ["one", "two"]
    for each in found["properties"].values():
        for source in each["sources"].values():
            [difference] = source["differences"]
            assert {at["mean"] for at in difference["by_level"]} <= {0.0, None}
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert drawn == {f"compare-{p}{end}" for p in ("saliency", "depth") for end in (".png", ".pdf")}


def test_a_model_on_the_hub_keeps_its_owner_and_a_path_says_its_last_part(outs, tmp_path):
    for name, model in (("one", "owner/model"), ("two", "/home/somebody/models/mine")):
        shutil.copytree(outs[0], tmp_path / name)
        settings = tmp_path / name / "run.json"
        found = json.loads(settings.read_text(encoding="utf-8"))
        settings.write_text(json.dumps({**found, "model": model}), encoding="utf-8")
    result = compared(tmp_path / "one", tmp_path / "two", "--json")
    named = [run["model"] for run in json.loads(result.stdout)["runs"]]
    assert named == ["owner/model", "mine"]


def test_the_table_names_both_runs_and_every_source(outs):
    result = compared(*outs)
    assert result.exit_code == 0, result.output
    for word in (
        "saliency",
        "depth",
        "one",
        "two",
        "probe",
        "estimate",
        "position",
        "two − one, 10 prompts",
    ):
        assert word in result.output


def test_a_run_that_is_not_finished_or_given_twice_is_refused(outs, tmp_path):
    runs.open_run(tmp_path / "begun", {"model": "random"})
    refused = compared(outs[0], tmp_path / "begun")
    assert refused.exit_code == 1
    assert "is not finished" in refused.output
    assert "given twice" in compared(outs[0], outs[0].parent / "two" / ".." / "one").output


def test_a_run_with_a_damaged_file_is_refused_by_its_name(outs, tmp_path):
    shutil.copytree(outs[1], tmp_path / "cut")
    path = tmp_path / "cut" / "moments.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    refused = compared(outs[0], tmp_path / "cut")
    assert refused.exit_code == 1
    assert "its moments.safetensors is missing or damaged" in refused.output
