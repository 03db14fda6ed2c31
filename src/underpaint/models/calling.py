"""A pipeline's own call: what goes wrong inside of it is one line that names it, and no traceback.

Pipelines have faults and needs of their own: a library that is not installed, a picture, a
scheduler that only they know. Each would end in an error of another library.
"""

from typing import Any

import torch

from ..core.errors import ModelError, UnderpaintError
from .guard import check_dtype, check_same, check_still
from .model import Model


class Enough(Exception):
    """Ends a pipeline's call when all that was to be seen has been."""


def call(model: Model, **request: Any) -> Any:
    """Call a pipeline with a request in its own words.

    Raises:
        ModelError: if it fails by itself, or is not what was described; what is ours, and a lack of
            memory, is left as it is.
    """
    check_ready(model)
    try:
        return model.pipeline(**request)
    except (UnderpaintError, Enough, torch.OutOfMemoryError):
        raise
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0][:200]
        raise ModelError(
            f"{type(model.pipeline).__name__} fails in its own call "
            f"({type(error).__name__}: {first}). Make that call work first, or use `tapped` "
            "around a loop of your own, which may give it what it wants."
        ) from error


def check_ready(model: Model) -> None:
    """Make sure that a pipeline is the one that was described, and draws a picture as it did.

    Raises:
        ModelError: if its denoiser was exchanged or turned into another dtype, or a part is in
            training mode and at random.
    """
    check_same(model.pipeline, model.denoiser)
    check_dtype(model.denoiser, model.dtype)
    check_still(model.pipeline)
