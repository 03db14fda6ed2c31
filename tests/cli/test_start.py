"""A command starts at once: nothing is imported that it does not need."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

import underpaint
from underpaint.cli import main as cli

PACKAGE = Path(underpaint.__file__).parent
HEAVY = ("torch", "diffusers", "transformers", "matplotlib", "pandas", "numpy", "PIL", "scipy")
TABLES = {"numpy", "pandas", "scipy"}
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


@pytest.mark.parametrize(("command", "needs"), [("paper", set()), ("compare", TABLES)])
def test_what_reads_numbers_alone_imports_no_network(command, needs):
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


def test_the_list_of_commands_says_what_each_says_of_itself():
    ctx = click.Context(cli.main)
    for name, (_, line) in cli.COMMANDS.items():
        command = cli.main.get_command(ctx, name)
        assert command is not None
        assert command.name == name
        first, *_ = (command.help or "").split("\n\n")
        assert " ".join(first.split()) == line, f"say in cli/main.py what `{name}` says now"


def test_no_command_is_left_out():
    written = {
        node.name.replace("_", "-")
        for path in (PACKAGE / "cli").glob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
        and any("click.command" in ast.unparse(each) for each in node.decorator_list)
    }
    assert written == set(cli.COMMANDS)


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
