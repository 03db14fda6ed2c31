"""The Explorer of a run in a notebook: the site's own page code, and its data inside the widget.

Everything travels as the widget's state. So it needs no server, asks no host for anything, and is
still there when the notebook is opened again, if the notebook keeps the state of widgets.
JupyterLab does so with Settings > Save Widget State Automatically, which is off at first.
"""

import json
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..core.errors import RunError
from ..runs.folder import Run
from .folder import STATIC, find_site

CODE = STATIC / "widget.js"


def widget(
    run: Run | Path | str,
    *,
    prompt: int | None = None,
    step: int | None = None,
    layer: str | None = None,
) -> Any:
    """Show a run's pictures and maps at every step and layer, in a notebook.

    Args:
        run: A finished run, its folder, or an exported site.
        prompt: Index of the test prompt to begin with; the first that has maps, if it has none.
        step: To begin with, counted from 1.
        layer: To begin with; each property's best, if it is None.

    Returns:
        An anywidget. Its `options` hold what is chosen: prompt, step and layer, as text.

    Raises:
        RunError: if anywidget is not installed, or there is no site or no map to show.

    Example:
        >>> shown = up.widget(SITE, step=2)  # the last line of a cell shows it
        >>> shown.options
        {'step': '2'}
    """
    if find_spec("anywidget") is None:
        raise RunError(
            'The widget needs anywidget, which is not installed. pip install "underpaint[widget]"'
        )
    folder = run.folder if isinstance(run, Run) else Path(run)
    site = find_site(folder)
    if site is None:
        raise RunError(f"{folder} has no site to show. `underpaint export {folder} {folder}/site`")
    asked = {"prompt": prompt, "step": step, "layer": layer}
    options = {name: str(value) for name, value in asked.items() if value is not None}
    return _kind()(files=widget_files(site), options=options)


def widget_files(site: Path) -> dict[str, bytes]:
    """Gather what the Explorer reads of a site, by path: of prompts with maps, and no others.

    Raises:
        RunError: if no prompt has maps.
    """
    rows = json.loads((site / "data" / "prompts.json").read_text(encoding="utf-8"))
    drawn = [row for row in rows if row["has_maps"]]
    if not drawn:
        raise RunError(
            f"{site} has no maps to show. `underpaint export OUT {site} --prompts 12` draws them."
        )
    data = site / "data"
    indices = [f"{row['index']:05d}" for row in drawn]
    paths = [
        data / "run.json",
        *sorted({data / "thumbs" / f"{row['thumb']['sheet']}.webp" for row in drawn}),
        *(data / "images" / f"{index}.webp" for index in indices),
        *(path for index in indices for path in sorted((data / "maps" / index).iterdir())),
    ]
    found = {
        path.relative_to(site).as_posix(): path.read_bytes()
        for path in paths
        if path.suffix in (".json", ".webp")
    }
    return {**found, "data/prompts.json": json.dumps(drawn, separators=(",", ":")).encode()}


@lru_cache(maxsize=1)
def _kind() -> type:
    """Make the class when it is first asked for: anywidget is an extra."""
    import anywidget
    import traitlets

    class Explorer(anywidget.AnyWidget):
        _esm = CODE
        files = traitlets.Dict().tag(sync=True)
        options = traitlets.Dict().tag(sync=True)

    return Explorer
