"""docs/models.md lists every labeler, names tests that exist, and says of generators what is so."""

import ast
import re
from pathlib import Path

import diffusers
import pytest

from underpaint import labelers
from underpaint.study.presets import preset_names

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
ROWS = [line.strip("| \n").split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
LOADER = re.compile(r"^def (\w+_(?:labeler|namer))\(", re.MULTILINE)


def loaders() -> set[str]:
    """List what loads a labeler or a class network, by the source; doors that only choose apart."""
    folder = Path(labelers.__file__).parent
    found = {name for path in folder.glob("*.py") for name in LOADER.findall(path.read_text())}
    return found - {"saliency_labeler", "shading_labeler"}


def test_every_labeler_has_a_row_and_every_row_a_labeler():
    listed = {
        row[0].strip("`") for row in ROWS if row[0].strip("`").endswith(("_labeler", "_namer"))
    }
    assert listed == loaders()
    assert len(listed) >= 9


def test_every_generator_listed_is_a_pipeline_of_diffusers():
    listed = [row[0].strip("`") for row in ROWS if row[0].strip("`").endswith("Pipeline")]
    assert len(listed) >= 5
    for name in listed:
        assert hasattr(diffusers, name)


@pytest.mark.parametrize("place", sorted(set(re.findall(r"`(tests/\w+/\w+\.py::\w+)`", PAGE))))
def test_every_test_that_is_named_exists(place):
    file, _, name = place.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


def test_every_preset_is_named():
    for name in preset_names():
        assert name in PAGE
