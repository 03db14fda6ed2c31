"""Where the weights of a labeler come from, and what is known of them before they are used."""

import json
import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import huggingface_hub
import numpy as np
import torch
from huggingface_hub.utils import HFValidationError
from safetensors import SafetensorError

from ..core.errors import LabelError, ModelError, first_line
from ..core.ids import is_hub_id, split_revision
from ..models.weights import check_part

UNREADABLE = (OSError, ValueError, RuntimeError, AttributeError, TypeError, SafetensorError)
"""What libraries raise over files that are not what they should be."""

ALLOW_REMOTE_CODE = "UNDERPAINT_REMOTE_CODE"
"""Environment variable: 1 lets labelers run the code that comes with their weights."""

_LICENCES = {
    "Intel/dpt-large": "Apache-2.0",
    "depth-anything/Depth-Anything-V2-Small-hf": "Apache-2.0",
    "depth-anything/Depth-Anything-V2-Base-hf": "CC-BY-NC-4.0",
    "depth-anything/Depth-Anything-V2-Large-hf": "CC-BY-NC-4.0",
    "prs-eth/marigold-iid-lighting-v1-1": "RAIL++-M",
    "prs-eth/marigold-normals-v1-1": "RAIL++-M",
    "ZhengPeng7/BiRefNet": "MIT",
}


@contextmanager
def undisturbed() -> Iterator[None]:
    """Give back the global random states and warning filters, whatever a library does to them.

    carvekit seeds Python's and torch's generators when it is imported, and every network draws its
    first weights from torch's.
    """
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(), warnings.catch_warnings():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def find_weights(id_or_path: str, *, with_code: bool = False) -> Path:
    """Find a folder of one network's weights: a path, or a hub id (cached or fetched).

    Args:
        id_or_path: A folder, or owner/name, pinned or not as owner/name@revision.
        with_code: Fetch its Python files too.

    Raises:
        ModelError: if there is none, or its weights cannot be trusted or read.
    """
    folder = Path(id_or_path).expanduser()
    if not folder.is_dir():
        folder = _fetched(id_or_path, ["*.py"] if with_code else [])
    check_part(folder)
    return folder


def read_config(folder: Path) -> dict[str, Any]:
    """Read a network's config.json.

    Raises:
        ModelError: if it is not there or not JSON.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable(folder, error) from error
    return config if isinstance(config, dict) else {}


def unreadable(folder: Path, error: Exception) -> ModelError:
    """Turn another library's error over a labeler's files into ours."""
    return ModelError(
        f"Cannot read the labeler in {folder} ({first_line(error)}). Check that its files are "
        "whole and of the kind that the property needs."
    )


def refuse_missing(name: str, package: str, error: ImportError) -> NoReturn:
    """Say what to install.

    Raises:
        LabelError: always.
    """
    raise LabelError(
        f"{name} needs {package} ({first_line(error)}). Install it: pip install {package}."
    ) from error


def licence_of(id_or_path: str, folder: Path) -> str:
    """Name the licence of a labeler: of those we know, else what its own card says."""
    if known := _LICENCES.get(split_revision(id_or_path)[0]):
        return known
    try:
        said = huggingface_hub.metadata_load(folder / "README.md") or {}
    except (OSError, ValueError, HFValidationError):
        said = {}
    return str(said.get("license", "unknown: see its card"))


def check_remote_code(id_or_path: str) -> None:
    """Refuse code that comes with weights, unless it is allowed and pinned.

    Raises:
        LabelError: if it is not.
    """
    if os.environ.get(ALLOW_REMOTE_CODE) != "1":
        raise LabelError(
            f"{id_or_path} brings its own network code, which is not run. Read it, and set "
            f"{ALLOW_REMOTE_CODE}=1 to allow it, or use another labeler."
        )
    revision = split_revision(id_or_path)[1] or ""
    if not Path(id_or_path).expanduser().is_dir() and len(revision) != 40:
        raise LabelError(
            f"{id_or_path} brings its own network code and is not pinned, so it could change. "
            "Give a commit, as in owner/name@COMMIT, or a folder."
        )


def _fetched(id_or_path: str, more: list[str]) -> Path:
    if not is_hub_id(id_or_path):
        raise ModelError(
            f"No labeler {id_or_path!r}: there is no such folder and it is no hub id "
            "(owner/name). Give a folder or a hub id."
        )
    name, revision = split_revision(id_or_path)
    try:
        return Path(
            huggingface_hub.snapshot_download(
                name,
                revision=revision,
                allow_patterns=["*.json", "*.safetensors", "README.md", *more],
            )
        )
    # The hub client's errors have no base in common.
    except Exception as error:
        raise ModelError(
            f"No labeler {id_or_path!r}: the hub did not give it ({first_line(error)}). "
            "Check the id and the network, or give a folder."
        ) from error
