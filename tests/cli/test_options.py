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


def numbers(kind: type[click.ParamType]) -> list[tuple[str, str]]:
    """List the options of all commands that take a number of a kind."""
    return [
        (name, each.name or "")
        for name in COMMANDS
        for each in getattr(main.get_command(click.Context(main), name), "params", ())
        if isinstance(each.type, kind)
    ]


def refuses(name: str, option: str, value: str) -> bool:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    [found] = [each for each in command.params if each.name == option]
    try:
        found.type_cast_value(click.Context(command), value)
    except click.BadParameter:
        return True
    return False


@pytest.mark.parametrize(("name", "option"), numbers(click.types.FloatParamType))
def test_no_number_is_infinite_or_none(name, option):
    assert [refuses(name, option, value) for value in ("nan", "inf", "-inf", "1e999")] == [True] * 4
    assert not refuses(name, option, "0.5")


OF_ANY_SIGN = {"strength", "margin", "unconditional"}
LOOKED_UP = {"index", "like"}
"""Which prompt: a number that none has is refused by who looks for it."""
MAY_BE_ZERO = {"seed", "frames", "prompts", "port", "splits", "guidance"}


@pytest.mark.parametrize(
    ("name", "option"), numbers(click.types.FloatParamType) + numbers(click.types.IntParamType)
)
def test_what_cannot_be_missing_is_at_least_one(name, option):
    if option not in OF_ANY_SIGN | LOOKED_UP:
        assert refuses(name, option, "-1") or option == "splits"
        assert refuses(name, option, "0") or option in MAY_BE_ZERO


@pytest.mark.parametrize(
    ("name", "option"), [x for x in numbers(click.types.IntParamType) if x[1] == "seed"]
)
def test_a_seed_is_one_that_generators_take(name, option):
    assert refuses(name, option, str(2**63))
    assert not refuses(name, option, str(2**63 - 1))


@pytest.mark.parametrize(
    ("option", "value"),
    [("--seed", "-1"), ("--budget", "nan"), ("--guidance", "inf"), ("--count", "0"),
     ("--splits", "-1"), ("--batch", "0"), ("--batch", "many")],
)  # fmt: skip
def test_a_number_that_means_nothing_is_one_line(option, value, tmp_path):
    result = CliRunner().invoke(main, ["run", str(tmp_path / "run"), option, value])
    assert isinstance(result.exception, SystemExit)
    said = result.output.splitlines()[-1]
    assert said.startswith((f"Error: {option} is ", f"Error: Invalid value for '{option}'"))
    assert not (tmp_path / "run").exists()


def test_a_picture_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    words = ["check-labeler", "depth", "tiny", "--out", str(tmp_path / "file")]
    result = CliRunner().invoke(main, words)
    assert isinstance(result.exception, SystemExit)
    assert "Cannot write" in result.output
