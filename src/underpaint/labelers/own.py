"""A labeler without weights: a function of the user's own, named on the command line.

`python:MODULE:FUNCTION` takes pictures in 0..1, `image 3 height width`, and gives the label maps of
one property, `image target height width`.
"""

import hashlib
import importlib
import inspect
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.errors import LabelError, UnderpaintError, first_line
from .labeler import Labeler

PYTHON = "python:"


def own_labeler(property: str, source: str) -> Labeler:
    """Import the function that `python:MODULE:FUNCTION` names, from here or what is installed.

    The fingerprint is that of the module's file, so that a run knows when it has changed.

    Raises:
        LabelError: if there is no such function; when it is asked, if it raises an error itself.
    """
    module, _, name = source.removeprefix(PYTHON).partition(":")
    try:
        with _here():
            look = getattr(importlib.import_module(module), name)
        if not callable(look):
            raise TypeError(f"{name} is no function")
        content = Path(inspect.getfile(look)).read_bytes()
    # A module of the user's own may raise anything.
    except Exception as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise LabelError(
            f"Cannot import {source!r} ({line}). Write {PYTHON}MODULE:FUNCTION, of a module in "
            "this folder or one that is installed."
        ) from error

    def read(images: Float[Tensor, "image 3 height width"]) -> dict[str, Any]:
        try:
            return {property: look(images)}
        except (UnderpaintError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise LabelError(
                f"{source} raised {_said(error)} over pictures of {tuple(images.shape)}. Mend it: "
                "it takes pictures in 0..1 and gives a map of each."
            ) from error

    digest = hashlib.sha256(content).hexdigest()
    return Labeler(source, (property,), "your own", read, f"sha256:{digest}")


def _said(error: Exception) -> str:
    """Name an error of another's code in one line, with the line where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    said = first_line(error)
    return f"{type(error).__name__}{place}" + (f" ({said})" if said else "")


@contextmanager
def _here() -> Iterator[None]:
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path.pop(0)
