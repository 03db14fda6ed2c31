"""What names a model or a labeler: an id on the hub, or a path on this disk."""

import re
from pathlib import Path


def split_revision(id_or_path: str) -> tuple[str, str | None]:
    """Take `owner/name@revision` apart. A revision is a commit, tag or branch of the hub's."""
    name, _, revision = id_or_path.partition("@")
    return name, revision or None


def is_hub_id(id_or_path: str) -> bool:
    """Tell whether a text has the shape of a hub id: owner/name, with or without @revision.

    Anything else is a path that does not exist, and is never looked up.
    """
    return bool(re.fullmatch(r"\w[\w.-]*/\w[\w.-]*(@\w[\w./-]*)?", id_or_path))


def shown_id(id_or_path: str) -> str:
    """Name a source for others: a hub id as it is, of a path on this disk its last part alone."""
    is_here = Path(id_or_path).expanduser().exists()
    return id_or_path if is_hub_id(id_or_path) and not is_here else Path(id_or_path).name
