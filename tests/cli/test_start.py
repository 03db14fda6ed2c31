"""A command starts at once: nothing is imported that it does not need."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

import underpaint
from underpaint.cli import main as cli
from underpaint.world.stages import KINDS

PACKAGE = Path(underpaint.__file__).parent
HEAVY = ("torch", "diffusers", "transformers", "matplotlib", "pandas", "numpy", "PIL", "scipy")
TABLES = {"numpy", "pandas", "scipy"}
OF_A_RUN = ("show", "figure", "edit", "erase", "cross", "pick", "classify", "studio", "paper")
"""Commands that take the folder of a run and nothing else that has to be said."""
SUMMARY = {
    "properties": {
        "depth": {
            "metric": "spearman",
            "best_layer": "up.0.0",
            "sources": {
                "probe": {
                    "by_step": [{"mean": 0.25}, {"mean": None}],
                    "final": {"mean": -0.5, "low": None, "high": 0.75},
                    "onset": {"step": 2, "low": 1, "high": 3},
                }
            },
        }
    },
    "cost": {"seconds": 4.0, "seconds_generation": 3.0, "peak_rss_mb": 100.0},
}


def after(code: str) -> list[str]:
    """Run code in a fresh process; list the heavy modules that it left imported."""
    asked = f"import sys\n{code}\nprint([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    return ast.literal_eval(done.stdout.splitlines()[-1])


def called(*arguments: str) -> str:
    return f"from underpaint.cli.main import main\nmain({list(arguments)}, standalone_mode=False)"


def ended(*arguments: str) -> str:
    """As `called`, for what ends the process by itself: help, and what is refused."""
    call = f"main({list(arguments)}, prog_name='underpaint')"
    return f"from underpaint.cli.main import main\ntry:\n    {call}\nexcept SystemExit:\n    pass"


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("presets",), ("presets", "paper"), ("show", "OUT")]
)
def test_what_reads_no_picture_imports_nothing_that_does(arguments, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "summary.json").write_text(json.dumps(SUMMARY))
    assert after(called(*(str(tmp_path) if each == "OUT" else each for each in arguments))) == []


def test_a_site_that_is_there_is_served_without_what_would_make_it(tmp_path):
    page = tmp_path / "site"
    (page / "data").mkdir(parents=True)
    (page / "index.html").touch()
    (page / "data" / "run.json").write_text("{}")
    stopped = """
from socketserver import BaseServer
def stop(server):
    raise KeyboardInterrupt
BaseServer.serve_forever = stop
"""
    assert after(stopped + called("serve", str(tmp_path), "--port", "0")) == []


@pytest.mark.parametrize(
    ("command", "needs"),
    [("paper", set()), ("compare", TABLES), ("convert", {"torch", "numpy"})],
)
def test_what_needs_no_model_imports_none(command, needs):
    assert set(after(f"import underpaint.cli.{command}")) <= needs


def test_the_package_is_imported_without_what_its_names_need():
    assert after("import underpaint") == []
    assert after("from underpaint import Prompt, find_run, widget") == []
    assert "torch" in after("from underpaint import gather")


def test_every_public_name_is_there_and_seen_by_type_checkers():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    told = {
        node.module: tuple(name.name for name in node.names)
        for branch in tree.body
        if isinstance(branch, ast.If)
        for node in branch.body
        if isinstance(node, ast.ImportFrom)
    }
    assert told == underpaint._HOMES
    assert sorted(name for names in told.values() for name in names) == sorted(underpaint.__all__)
    assert set(underpaint.__all__) <= set(dir(underpaint))
    assert all(getattr(underpaint, name) is not None for name in underpaint.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = underpaint.nothing


def test_help_lists_each_command_with_the_first_line_of_its_own_help():
    told = " ".join(cli.main.get_help(click.Context(cli.main)).split())
    for name in cli.COMMANDS:
        command = cli.main.get_command(click.Context(cli.main), name)
        assert command is not None
        assert command.name == name
        first, *_ = (command.help or "").split("\n\n")
        assert f"{name} {' '.join(first.split())}" in told


def test_no_command_is_left_out():
    written = {
        path.stem.replace("_", "-")
        for path in (PACKAGE / "cli" / "commands").glob("*.py")
        if path.stem != "__init__"
    }
    assert written == set(cli.COMMANDS)


@pytest.mark.parametrize(
    ("typed", "told"),
    [("ed", "edit"), ("edit --con", "--control"), ("edit --control sh", "shaped")],
)
def test_a_shell_can_complete_what_is_typed(typed, told):
    words = f"underpaint {typed}"
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    environment = {**os.environ, **asked, "_UNDERPAINT_COMPLETE": "bash_complete"}
    started = "from underpaint.cli.main import main\nmain(prog_name='underpaint')"
    command = [sys.executable, "-c", started]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert f"plain,{told}" in done.stdout.splitlines()


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_of_a_command_imports_nothing_that_carries_it_out(command):
    assert after(ended(command, "--help")) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "OUT", "--count", "0"),
        ("run", "OUT", "--workers", "none"),
        ("train", "OUT", "--denoiser", "other"),
        *((command, "OUT") for command in OF_A_RUN),
        ("export", "OUT", "SITE"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_loaded(arguments, tmp_path):
    words = [str(tmp_path / each) if each in ("OUT", "SITE") else each for each in arguments]
    assert after(ended(*words)) == []


def test_train_takes_every_kind_of_denoiser():
    command = cli.main.get_command(click.Context(cli.main), "train")
    assert command is not None
    kind = next(each.type for each in command.params if each.name == "denoiser")
    assert isinstance(kind, click.Choice)
    assert list(kind.choices) == list(KINDS)


def test_python_runs_the_package():
    command = [sys.executable, "-m", "underpaint", "presets", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "paper" in json.loads(done.stdout)


def test_figures_are_drawn_without_pyplot_and_leave_its_backend_alone():
    for path in PACKAGE.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        assert "matplotlib.use" not in source, path
        assert "pyplot" not in source, path


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()
