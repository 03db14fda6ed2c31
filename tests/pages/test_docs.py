"""The pages say what the code does: their Python runs, and their errors are those we raise."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

import underpaint
from underpaint.core import errors

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"^```python(?P<info>[^\n]*)\n(?P<source>.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^## (\w+Error)$", re.MULTILINE)
CLASSES = {name for name, value in vars(errors).items() if isinstance(value, type)}


def blocks(page: Path) -> list[tuple[str, ast.Module]]:
    """Parse a page's Python, with line numbers as in the page."""
    text = page.read_text(encoding="utf-8")
    found = []
    for block in BLOCK.finditer(text):
        blank = "\n" * text.count("\n", 0, block.start("source"))
        found.append((block["info"].strip(), ast.parse(blank + block["source"], str(page))))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_on_a_page_runs_as_typed(page, model):
    namespace = {"model": model}  # what the pages say `underpaint.load` returned
    for info, block in blocks(page):
        assert info in ("", "no-run"), f"{page.name} marks a block {info!r}"
        if not info:
            exec(compile(block, str(page), "exec"), namespace)


def test_blocks_are_found():
    assert sum(len(blocks(page)) for page in PAGES) >= 15
    assert [info for info, _ in blocks(ROOT / "README.md")]


def test_every_link_between_pages_leads_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([\w./-]+\.md)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name} links to {target}"


def test_the_way_of_a_prompt_is_told_with_functions_that_are_there():
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    _, way = page.split("## The way of a prompt\n")
    way, *_ = way.split("\n## ")
    named = re.findall(r"`((?:\w+\.)+\w+)`", way.replace("summary.json", ""))
    assert len(named) >= 18
    for name in named:
        module, _, function = name.rpartition(".")
        assert callable(getattr(import_module(f"underpaint.{module}"), function)), name


def test_every_error_class_has_a_section():
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert sorted(HEADING.findall(page)) == sorted(CLASSES)


def raised() -> list[tuple[str, str]]:
    """List errors that are raised or returned, by class and message, `…` for what varies."""
    found = []
    for path in Path(underpaint.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            made = node.exc if isinstance(node, ast.Raise) else getattr(node, "value", None)
            if isinstance(node, ast.Raise | ast.Return) and isinstance(made, ast.Call):
                name, message = ast.unparse(made.func), made.args
                if name in CLASSES:
                    found.append((name, _template(message[0])))
    return found


def _template(message: ast.expr) -> str:
    parts = message.values if isinstance(message, ast.JoinedStr) else [message]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)


def test_every_message_on_the_page_is_one_that_we_raise():
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    _, *sections = HEADING.split(page)
    messages, rows = raised(), 0
    for name, section in zip(sections[::2], sections[1::2], strict=True):
        for row in re.findall(r"^\| (`.*?`) \| ", section, re.MULTILINE):
            beginning = row.strip("`").strip().removesuffix(".").removesuffix("…")
            assert any(at == name and each.startswith(beginning) for at, each in messages), row
            rows += 1
    assert rows >= 70


def test_every_test_that_a_page_names_is_there():
    written = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+)`", page)
    assert len(named) >= 30
    assert [name for name in named if name not in written] == []
    rows = [line for line in page.splitlines() if line.startswith("| ") and "fault" not in line]
    assert all("`test_" in row for row in rows)


def test_every_public_name_stands_in_the_api_s_page():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    listed = {line.rsplit(".", 1)[1] for line in page.splitlines() if line.startswith(":::")}
    assert set(underpaint.__all__) - listed == {"PROPERTIES", "UnderpaintError"}
    assert "underpaint.core.errors\n" in page
