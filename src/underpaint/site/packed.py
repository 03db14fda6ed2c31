"""Compressed copies beside a site's text files, for hosts that serve them as they are."""

import gzip
from pathlib import Path

from ..core.files import write_file
from .serving import PACKED

SUFFIXES = (".html", ".js", ".css", ".json", ".wasm")
LEAST_BYTES = 1024
"""What is smaller gains nothing."""


def pack_files(folder: Path) -> int:
    """Write `NAME.gz` beside each text file that compressing makes smaller; return how many.

    Bytes depend on the files alone: no time or name is written into the copies.

    Args:
        folder: A site. Downloads are left as they are.
    """
    packed = 0
    for path in sorted(folder.rglob("*")):
        is_download = path.relative_to(folder).parts[0] == "downloads"
        if path.suffix not in SUFFIXES or is_download or path.stat().st_size < LEAST_BYTES:
            continue
        packed += pack(path)
    return packed


def pack(path: Path) -> bool:
    """Write `NAME.gz` beside a file if compressing makes it smaller, in place of one from before.

    Returns:
        Whether there is one.
    """
    content = path.read_bytes()
    small = gzip.compress(content, compresslevel=6, mtime=0)
    packed = path.with_name(path.name + PACKED)
    if len(small) < len(content):
        write_file(packed, lambda part: part.write_bytes(small))
        return True
    packed.unlink(missing_ok=True)
    return False
