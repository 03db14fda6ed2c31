"""What a site shows of commands that come after `run`, and how one that is there gets it.

Edits, classes, shares of variance and spreads over splits are kept in the run's tables and summary.
They are read from there in a second: pictures, maps and the painter stay as they are.
"""

import json
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..core.files import read_json_file, write_file, writing
from ..runs.folder import Run, read_settings, read_summary
from .numbers import page_numbers
from .packed import pack
from .views import write_edits, write_recognition


def refresh(run: Run, site: Path) -> bool:
    """Bring the numbers, edits, classes and downloads of a site up to date with its run.

    Needs no model. The page reads `data/run.json` first, and it is written last.

    Args:
        run: With its summary.
        site: That `export` wrote of this run.

    Returns:
        Whether it was done. A site of another version is left alone, as its page may read other
        shapes, and so is a damaged one.

    Raises:
        RunError: if something of the run cannot be read, or the site cannot be written.
    """
    data = site / "data"
    try:
        shown = read_json_file(data / "run.json")
    except (OSError, ValueError):
        return False
    if not isinstance(shown, dict) or shown.get("version") != installed():
        return False
    with writing(site):
        later = write_later(run, data)
        files = copy_downloads(run, site / "downloads")
        numbers = page_numbers(
            read_settings(run), read_summary(run), layers=(), files=files, version=installed()
        )
        kept = {name: shown[name] for name in ("layers", "first") if name in shown}
        numbers |= {**kept, "has": {**shown["has"], **later}}
        text = json.dumps(numbers, separators=(",", ":"))
        write_file(data / "run.json", lambda part: part.write_text(text, encoding="utf-8"))
        for name in ("run.json", "recognition.json", "edits/index.json"):
            if (data / name).is_file():
                pack(data / name)
    return True


def write_later(run: Run, data: Path) -> dict[str, bool]:
    """Write what two views show, in place of what is there; return which of them has anything."""
    edits, part = data / "edits", data / "edits.part"
    shutil.rmtree(part, ignore_errors=True)
    has_edits = write_edits(run, part)
    shutil.rmtree(edits, ignore_errors=True)
    if has_edits:
        part.rename(edits)
    return {"edits": has_edits, "recognition": write_recognition(run, data / "recognition.json")}


def copy_downloads(run: Run, downloads: Path) -> list[str]:
    """Copy what people may want to keep beside the scores, and list all that is there."""
    for path in (run.summary, run.settings, run.folder / "prompts.csv"):
        shutil.copyfile(path, downloads / path.name)
    for path in (run.edits, run.classes, run.probabilities, run.folder / "paper" / "paper.pdf"):
        if path.is_file():
            shutil.copyfile(path, downloads / path.name)
    if run.figures.is_dir():
        shutil.copytree(run.figures, downloads / "figures", dirs_exist_ok=True)
    found = (path for path in downloads.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(downloads).as_posix()) for path in found)


def installed() -> str:
    """Give the version of underpaint, if it is installed."""
    try:
        return version("underpaint")
    except PackageNotFoundError:
        return "unknown"
