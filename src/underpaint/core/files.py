"""Files that are whole or not there, and folders that one process writes at a time.

A file is written beside its place and renamed into it, so a killed process leaves whole files or
none. A sealed file also has its SHA-256 beside it, in the form that `sha256sum -c` reads: what was
cut short by a power failure, or changed later, is told from what is whole and is made again.

What is read is JSON, CSV, safetensors, Parquet and PNG alone, and how much there is of it is asked
before any of it is held: `read_bytes`, `read_json_file` and `pictures.open_picture` are the doors.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from .errors import RunError

LOCK = ".lock"

LARGEST_TEXT = 2**30
"""Bytes of the largest CSV or JSON that is read: some ten million prompts."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a full or forbidden disk into one line.

    Raises:
        RunError: in place of what the disk said.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise RunError(
            f"Cannot write {path} ({error}). Make room or choose another folder; "
            "what was finished is kept."
        ) from error


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside its place, then rename it into it.

    Raises:
        RunError: if the disk is full, or may not be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(part)
            part.replace(path)
    finally:
        with suppress(OSError):  # where nothing could be written, nothing is left
            part.unlink(missing_ok=True)


def write_sealed(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file and then its checksum beside it: only both together are whole.

    Raises:
        RunError: if the disk is full, or may not be written.
    """
    write_file(path, write)
    line = f"{_digest(path)}  {path.name}\n"
    write_file(_seal(path), lambda part: part.write_text(line, encoding="utf-8"))


def is_whole(path: Path) -> bool:
    """Tell whether a sealed file is there, and still what was written."""
    try:
        return _seal(path).read_bytes() == f"{_digest(path)}  {path.name}\n".encode()
    except OSError:
        return False


def refuse_damaged(path: Path) -> None:
    """Refuse a sealed file that is there and is not what was written.

    Raises:
        OSError: if it is so, for the caller to say what to do.
    """
    if path.exists() and not is_whole(path):
        raise OSError("its checksum is missing or another's: it was cut short or changed")


def read_bytes(path: Path) -> bytes:
    """Read a file of text, if it is a file and no larger than any that we could use.

    Raises:
        OSError: if it cannot be read, is no file, or is too large.
    """
    if path.exists() and not path.is_file():
        raise OSError("it is no file")
    if (size := path.stat().st_size) > LARGEST_TEXT:
        raise OSError(f"it has {size} bytes; {LARGEST_TEXT} are read at most")
    return path.read_bytes()


def read_json_file(path: Path) -> Any:
    """Read JSON.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is no JSON, or nested without end.
    """
    try:
        return json.loads(read_bytes(path).decode("utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def remove_sealed(path: Path) -> None:
    """Take a sealed file away, its checksum first. What is not there is no error."""
    with writing(path):
        _seal(path).unlink(missing_ok=True)
        path.unlink(missing_ok=True)


@contextmanager
def held(folder: Path, *, patience_s: float = 0.0) -> Iterator[None]:
    """Keep every other process from writing this folder. The system lets go if we are killed.

    Args:
        folder: Which.
        patience_s: How long to wait for another process that holds it: who has a result in hand
            waits; who begins does not.

    Raises:
        RunError: if another process holds it, or it cannot be locked.
    """
    lock = FileLock(folder / LOCK, timeout=patience_s)
    with writing(folder / LOCK):
        try:
            lock.acquire()
        except Timeout as error:
            raise RunError(
                f"Another process is writing {folder}. Wait for it, or choose another folder."
            ) from error
        except NotImplementedError as error:
            raise RunError(
                f"{folder} is on a disk that cannot lock files. Choose a folder on another disk."
            ) from error
    try:
        yield
    finally:
        lock.release()


def _seal(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
