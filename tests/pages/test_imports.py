"""Imports between folders run one way: a room can be read knowing only those before it."""

import ast
import re
from pathlib import Path

import pytest

import underpaint

PACKAGE = Path(underpaint.__file__).parent

FLOORS = (
    ("core",),
    ("models",),
    ("labelers", "probes"),
    ("scores",),
    ("runs",),
    ("study", "steering"),
    ("figures", "site"),
    ("cli",),
)
"""A folder imports from itself and from lower floors. `world` stands aside: it may import what
`cli` may, and only `cli` imports it."""
ROOMS = tuple(room for floor in FLOORS for room in floor)


def room_of(path: Path) -> str:
    """Name the folder of the package that a source file stands in."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_rooms(source: str, *, path: Path) -> set[str]:
    """List the folders of underpaint that a source file imports, by relative or absolute name."""
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


SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_folder_imports_only_from_lower_floors(path):
    room = room_of(path)
    imported = imported_rooms(path.read_text(encoding="utf-8"), path=path) - {room}
    if room == "world":
        allowed = set(ROOMS) - {"cli"}
    else:
        level = next(at for at, floor in enumerate(FLOORS) if room in floor)
        allowed = {each for floor in FLOORS[:level] for each in floor}
        allowed |= {"world"} if room == "cli" else set()
    assert imported <= allowed


def test_the_package_is_a_dozen_rooms_with_a_face_each():
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert folders == {*ROOMS, "world"}
    for folder in folders:
        face = ast.parse((PACKAGE / folder / "__init__.py").read_text(encoding="utf-8"))
        assert ast.get_docstring(face), folder


def test_the_design_lists_every_room_in_this_order():
    design = (PACKAGE.parents[1] / "docs" / "design.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)/` \|", design, re.MULTILINE) == [*ROOMS, "world"]


@pytest.mark.parametrize(
    "source",
    [
        "from ..models.traces import trace",
        "from ..models import traces",
        "import underpaint.models.traces",
        "from underpaint.models.traces import trace",
        "def f():\n    from ..models.traces import trace",
    ],
)
def test_every_way_to_import_is_seen(source):
    assert imported_rooms(source, path=PACKAGE / "core" / "arrays.py") == {"models"}


def test_an_import_from_inside_a_folder_is_seen():
    path = PACKAGE / "models" / "model.py"
    assert imported_rooms("from ..core.errors import ModelError", path=path) == {"core"}
    assert imported_rooms("from .weights import TINY", path=path) == {"models"}
    assert imported_rooms("import torch.nn", path=path) == set()
