"""Options that one command has and another needs as much: held against click's own commands."""

import click
import pytest
from click.testing import CliRunner

from underpaint.cli.main import COMMANDS, main

WITHOUT_DTYPE = {"train", "check-labeler"}
"""Weights are trained in float32, and labelers always read in it."""


def options(name: str) -> set[str]:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    return {word for each in command.params for word in (*each.opts, each.human_readable_name)}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_runs_a_model_takes_what_run_takes(name):
    found = options(name)
    if "--device" in found:
        assert ("--dtype" in found) == (name not in WITHOUT_DTYPE)
    # A run says how its model is sampled; where there is none, the command line has to.
    if "MODEL" in found or name in ("run", "bench"):
        assert {"--device", "--dtype", "--scheduler", "--resolution"} <= found
    if name in ("run", "bench"):
        assert {"--layers", "--properties", "--labelers", "--guidance"} <= found


def test_every_command_that_works_on_a_run_s_model_says_where_it_runs():
    names = ("edit", "erase", "pick", "classify", "cross", "studio", "figure", "export", "serve")
    for name in names:
        assert {"--model", "--device", "--dtype"} <= options(name)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--seed", "-1"), ("--seed", str(2**63)), ("--budget", "nan"), ("--budget", "inf"),
     ("--budget", "-1")],
)  # fmt: skip
def test_a_number_that_means_nothing_is_one_line(option, value, tmp_path):
    result = CliRunner().invoke(main, ["run", str(tmp_path / "run"), option, value])
    assert isinstance(result.exception, SystemExit)
    assert result.output.startswith(f"Error: {option} is ")
    assert not (tmp_path / "run").exists()


def test_a_picture_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    words = ["check-labeler", "depth", "tiny", "--out", str(tmp_path / "file")]
    result = CliRunner().invoke(main, words)
    assert isinstance(result.exception, SystemExit)
    assert "Cannot write" in result.output
