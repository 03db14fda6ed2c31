"""The notebooks run as they stand, on `tiny`."""

import json
import os
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.ipynb"
CELLS = [
    "".join(cell["source"])
    for cell in json.loads(PAGE.read_text(encoding="utf-8"))["cells"]
    if cell["cell_type"] == "code"
]


def test_every_cell_runs_in_order_and_says_what_the_text_says():
    namespace: dict = {}
    for cell in CELLS:
        exec(compile(cell, str(PAGE), "exec"), namespace)
    assert len(namespace["read"]) == 2 * namespace["STEPS"]
    assert {name for _, name, _ in namespace["read"]} == {"saliency", "depth"}
    assert namespace["image"].tobytes() != namespace["other"].tobytes()


def test_reading_live_takes_five_lines():
    (live,) = [cell for cell in CELLS if "reading_taps" in cell]
    assert len(live.splitlines()) <= 5


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(PAGE.parent.glob("*.ipynb")), ids=lambda page: page.stem)
def test_a_notebook_runs_in_a_kernel_of_its_own(page, tmp_path, monkeypatch):
    """Would catch what depends on a fresh process: imports, commands, and the cells' output."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    book = nbformat.read(page, as_version=4)
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(book, timeout=900, kernel_name="python3", resources=where).execute()
    *_, last = [cell for cell in book.cells if cell["cell_type"] == "code"]
    assert last["outputs"]
