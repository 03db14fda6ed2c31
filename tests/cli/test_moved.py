"""A run whose model's folder is no longer where it was."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import worlds
from underpaint.cli import bench as cli_bench
from underpaint.cli import moved as cli_moved
from underpaint.cli.main import main as cli
from underpaint.labelers import Labeler
from underpaint.models import load
from underpaint.runs import runs
from underpaint.study.stages import carry_out

COMMANDS = {
    "edit": (), "erase": (), "pick": ("--like", "0"), "classify": (), "cross": ("--captions", "3",
    "--noises", "3"), "figure": ("--prompt", "TRAINING"), "export": ("SITE",), "serve": (),
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(saved_model, tmp_path_factory) -> Path:
    model = load(str(saved_model), device="cpu")
    study = worlds.study(24)
    settings = {
        "model": "gone/models/world", "fingerprint": model.fingerprint, "guidance": 3.0,
        "scheduler": type(model.pipeline.scheduler).__name__, "steps": study.steps,
        "layers": [each.name for each in study.layers], "count": 24, "batch": 8, "seed": 0,
        "properties": [each.name for each in study.properties],
    }  # fmt: skip
    run = runs.open_run(tmp_path_factory.mktemp("runs") / "run", settings)
    carry_out(study, run, lambda *_: None)
    return run.folder


def asked(name: str, run: Path, *more: str):
    training = runs.read_split(runs.find_run(run), "train")[0]  # whose pictures are not kept
    known = {"SITE": str(run.parent / "site"), "TRAINING": str(training.index)}
    words = [str(known.get(word, word)) for word in COMMANDS[name]]
    return CliRunner().invoke(cli, [name, str(run), *words, "--device", "cpu", *more])


@pytest.mark.parametrize("name", COMMANDS)
def test_a_model_that_is_gone_is_asked_for_in_one_line(finished, name):
    found = asked(name, finished)
    assert found.exit_code == 1
    last = found.output.splitlines()[-1]
    assert "The run's model was in gone/models/world, and nothing is there now" in last


def test_the_model_is_taken_from_where_it_is_said_to_be_if_it_is_the_run_s(
    finished, saved_model, tmp_path, monkeypatch
):
    other = tmp_path / "other"
    shutil.copytree(saved_model, other)
    file = next((other / "unet").glob("*.safetensors"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    found = asked("figure", finished, "--model", str(other))
    assert found.exit_code == 1
    assert "The run's probes were fitted on gone/models/world with fingerprint" in found.output
    monkeypatch.setattr(cli_moved, "labelers_for", lambda *_: (worlds.LOOK,))
    found = asked("figure", finished, "--model", str(saved_model))
    assert found.exit_code == 0, found.output


def test_bench_measures_the_labelers_and_guidance_that_are_named(monkeypatch, saved_model):
    seen = []

    def known(model, chosen):
        seen.append((model.guidance, chosen))
        return (Labeler("grey", ("depth",), "MIT", lambda x: {"depth": x.mean(1, keepdim=True)}),)

    monkeypatch.setattr(cli_bench, "labelers_for", known)
    words = ["bench", "--model", str(saved_model), "--images", "8", "--steps", "2", "--json"]
    words += ["--properties", "depth", "--labelers", "depth=mine", "--guidance", "1.5"]
    found = CliRunner().invoke(cli, [*words, "--device", "cpu", "--layers", "mid*"])
    assert found.exit_code == 0, found.output
    assert seen == [(1.5, {"depth": "mine"})]
    assert json.loads(found.stdout)["properties"] == ["depth"]
