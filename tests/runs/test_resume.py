"""`underpaint run` on a folder that holds something already, and `--like` another."""

import json
import sys

import pytest
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from underpaint.cli import main as cli
from underpaint.cli import run as cli_run
from underpaint.models import weights
from underpaint.runs import runs
from worlds import study as plan


def invoke(*arguments):
    return CliRunner().invoke(cli.main, [str(each) for each in arguments])


@pytest.fixture
def stopped(monkeypatch):
    """Let `run` come as far as its first picture, and record the study it would do."""
    seen = []

    def stop(study, *_, **__):
        seen.append(study)
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_run, "carry_out", stop)
    return seen


def test_ctrl_c_is_one_line_that_says_how_to_go_on(stopped, tmp_path):
    result = invoke("run", tmp_path / "run", "--count", 30, "--quick")
    assert result.exit_code == 1
    assert "Stopped. The same command goes on" in result.output.splitlines()[-1]


def test_like_does_what_the_other_run_did(stopped, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    asked = ("--count", 30, "--steps", 4, "--batch", 5, "--seed", 3, "--quick", "--layers", "up.*")
    invoke("run", one, *asked, "--properties", "depth")
    runs.write_prompts(
        runs.Run(one), {p: getattr(stopped[0].split, p) for p in ("train", "validation", "test")}
    )
    invoke("run", other, "--like", one)
    assert json.loads((one / "run.json").read_text()) == json.loads(
        (other / "run.json").read_text()
    )
    assert stopped[1].split == stopped[0].split
    third = tmp_path / "third"
    invoke("run", third, "--like", one, "--steps", 3)
    assert json.loads((third / "run.json").read_text())["steps"] == 3


@pytest.mark.parametrize("option", ["--resume", "--like"])
def test_what_is_not_there_is_not_gone_on_with(option, tmp_path):
    folder = tmp_path / "none"
    result = invoke("run", folder, option, *([folder] if option == "--like" else []))
    assert result.exit_code == 1
    assert "holds no run" in result.output
    assert not folder.exists()


def test_another_batch_is_another_run(stopped, tmp_path):
    invoke("run", tmp_path / "run", "--count", 30, "--quick", "--batch", 4)
    (tmp_path / "run" / "summary.json").write_text("{}")
    result = invoke("run", tmp_path / "run", "--count", 30, "--quick", "--batch", 8)
    assert "its batch is 4, not 8" in result.output


def test_a_file_keeps_its_numbers_and_what_is_left_out_is_said(stopped, tmp_path):
    path = tmp_path / "prompts.csv"
    rows = [f"a red ball {i} é,{i},{100 + i}" for i in range(40)]
    path.write_text("\n".join(["prompts,seeds,prompt_inds", *rows]), encoding="cp1252")
    result = invoke("run", tmp_path / "run", "--prompts", path, "--count", 30, "--quick")
    assert "was read as cp1252 and has 40 prompts; --count takes the first 30." in result.output
    assert {each.index for each in stopped[0].split.train} <= set(range(100, 130))


def test_a_reader_beside_the_pipeline_changes_the_fingerprint(tmp_path):
    (tmp_path / "unet").mkdir()
    tensors = load_file(weights.TINY / "map_reader.safetensors")
    name = next(iter(tensors))
    save_file(tensors, tmp_path / "map_reader.safetensors")
    before = weights.fingerprint(tmp_path)
    save_file({**tensors, name: tensors[name] + 1}, tmp_path / "map_reader.safetensors")
    assert weights.fingerprint(tmp_path) != before


def test_like_refuses_weights_that_are_no_longer_those(stopped, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    invoke("run", one, "--count", 30, "--quick", "--properties", "depth")
    parts = {p: getattr(stopped[0].split, p) for p in ("train", "validation", "test")}
    runs.write_prompts(runs.Run(one), parts)
    settings = json.loads((one / "run.json").read_text())
    for name, changed in (
        ("fingerprint", {**settings, "fingerprint": "sha256:0"}),
        ("labeler tiny", {**settings, "labelers": {"tiny": ["MIT", "sha256:0"]}}),
    ):
        (one / "run.json").write_text(json.dumps(changed))
        result = invoke("run", other, "--like", one)
        assert result.exit_code == 1
        assert f"was made with another {name}: it was" in result.output
        assert not other.exists()


def test_like_takes_another_scheduler_that_is_asked_for(stopped, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    invoke("run", one, "--count", 30, "--quick", "--properties", "depth")
    runs.write_prompts(
        runs.Run(one), {p: getattr(stopped[0].split, p) for p in ("train", "validation", "test")}
    )
    invoke("run", other, "--like", one, "--scheduler", "euler")
    settings = json.loads((other / "run.json").read_text())
    assert settings["scheduler"] == "EulerDiscreteScheduler"


def test_no_secret_of_the_surroundings_is_written(stopped, tmp_path, monkeypatch):
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "s3cret")
    invoke("run", tmp_path / "run", "--count", 30, "--quick")
    assert (tmp_path / "run" / "run.json").exists()
    for path in (tmp_path / "run").rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes()


def test_figure_refuses_another_model(tmp_path):
    asked = {"model": "tiny", "fingerprint": "sha256:0", "scheduler": "DDIMScheduler"}
    asked |= {"steps": 2, "guidance": 3.0, "layers": ["up.0.0"], "properties": ["depth"]}
    run = runs.open_run(tmp_path / "run", asked)
    split = plan(4).split
    runs.write_prompts(run, {"test": split.test})
    cost = {"seconds": 1.0, "seconds_generation": 1.0, "peak_rss_mb": 1.0}
    runs.update_summary(run, {"properties": {}, "cost": cost})
    result = invoke("figure", run.folder)
    assert result.exit_code == 1
    assert "fitted on tiny with fingerprint" in result.output


def test_a_device_that_is_not_here_is_one_line_in_train(tmp_path):
    result = invoke("train", tmp_path / "out", "--device", "nowhere")
    assert result.exit_code == 1
    assert "Cannot run on device" in result.output


def test_without_ray_its_engine_is_refused_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    result = invoke("run", tmp_path / "run", "--engine", "ray", "--count", 30, "--quick")
    assert result.exit_code == 1
    assert "needs Ray, which is not here" in result.output
    assert isinstance(result.exception, SystemExit)
