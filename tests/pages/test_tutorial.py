"""The tutorial runs as it stands, on `tiny`."""

import json
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
def test_it_runs_in_a_kernel_of_its_own():
    """Would catch what depends on a fresh process: imports, and the cells' output."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    page = nbformat.read(PAGE, as_version=4)
    nbclient.NotebookClient(page, timeout=600, kernel_name="python3").execute()
    assert page.cells[3]["outputs"]
