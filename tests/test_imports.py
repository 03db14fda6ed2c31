"""Imports run one way, so that any file can be read knowing only those before it."""

import ast
import re
from pathlib import Path

import pytest

import underpaint

PACKAGE = Path(underpaint.__file__).parent

ORDER = [
    "errors",
    "files",
    "arrays",
    "prompts",
    "properties",
    "presets",
    "schedules",
    "capture",
    "models",
    "layers",
    "traces",
    "given",
    "labelers",
    "moments",
    "probes",
    "recipes",
    "fitting",
    "places",
    "folding",
    "ranks",
    "metrics",
    "intervals",
    "scores",
    "summaries",
    "scoring",
    "targets",
    "aims",
    "edits",
    "trials",
    "doses",
    "picks",
    "previews",
    "tables",
    "figures",
    "paints",
    "plots",
    "recognition",
    "classplots",
    "shapes",
    "packing",
    "pictures",
    "runs",
    "shards",
    "study",
    "cuts",
    "passes",
    "cluster",
    "bench",
    "editing",
    "frames",
    "strips",
    "sheets",
    "sharing",
    "budget",
    "bars",
    "site",
    "studio",
    "cli_options",
    "cli_classify",
    "cli_convert",
    "cli_edit",
    "cli_images",
    "cli_pick",
    "cli_presets",
    "cli_share",
    "cli_site",
    "cli_studio",
    "cli_defaults",
    "cli_prompts",
    "cli_show",
    "cli_run",
    "cli",
]
"""A module imports only from those above it. `scenes` stands aside: only the command line's
modules import it."""


def part_of(path: Path) -> str:
    """Name the top-level module or package that a source file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_parts(source: str, *, path: Path) -> set[str]:
    """List the parts of underpaint that a source file imports, by relative or absolute name."""
    package = ("underpaint", *path.relative_to(PACKAGE).parts[:-1])
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            found |= {f"{module}.{name.name}" for name in node.names}
    return {name.split(".")[1] for name in found if name.startswith("underpaint.")}


SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_those_above_it(path):
    part = part_of(path)
    imported = imported_parts(path.read_text(encoding="utf-8"), path=path) - {part}
    if part == "scenes":
        allowed = {each for each in ORDER if not each.startswith("cli")}
    else:
        assert part in ORDER, f"Give {part} its place in ORDER and in the design."
        allowed = set(ORDER[: ORDER.index(part)]) | (
            {"scenes"} if part.startswith("cli") else set()
        )
    assert imported <= allowed


def test_the_design_lists_every_room_in_this_order():
    design = (PACKAGE.parents[1] / "docs" / "design.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", design, re.MULTILINE) == [*ORDER, "scenes"]


@pytest.mark.parametrize(
    "source",
    [
        "from .traces import trace",
        "from . import traces",
        "import underpaint.traces",
        "from underpaint.traces import trace",
        "def f():\n    from .traces import trace",
    ],
)
def test_every_way_to_import_is_seen(source):
    assert imported_parts(source, path=PACKAGE / "arrays.py") == {"traces"}


def test_an_import_from_inside_a_package_is_seen():
    path = PACKAGE / "models" / "model.py"
    assert imported_parts("from ..errors import ModelError", path=path) == {"errors"}
    assert imported_parts("from .weights import TINY", path=path) == {"models"}
    assert imported_parts("import torch.nn", path=path) == set()
