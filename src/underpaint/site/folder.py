"""The folder of a site: where it is, and how it is put there as a whole.

Nothing here needs a model or a table, so what only shows a site starts at once.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import RunError

STATIC = Path(__file__).parent / "static"
"""The built page."""


def find_site(folder: Path) -> Path | None:
    """Find the site in a folder: itself, or the one that `run` leaves in it."""
    for place in (folder, folder / "site"):
        if is_site(place):
            return place
    return None


def is_site(folder: Path) -> bool:
    """Tell whether a folder holds a site: its page, and the numbers that the page reads first."""
    return (folder / "index.html").is_file() and (folder / "data" / "run.json").is_file()


@contextmanager
def replaced(site: Path) -> Iterator[Path]:
    """Give a folder to fill, and put it in the place of the site when all went well."""
    is_used = site.exists() and not (site.is_dir() and not any(site.iterdir()))
    if is_used and not is_site(site):
        raise RunError(f"{site} is in use and holds no site. Choose another folder.")
    part = site.with_name(site.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
        if site.exists():
            shutil.rmtree(site)
        part.rename(site)
    except OSError as error:
        raise RunError(
            f"Cannot write the site to {site} ({error}). Make room or choose another folder."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
