"""What tells a model from another, as a run records it: weights, scheduler and configuration."""

from collections.abc import Mapping
from typing import Any

from ..core.schemas import LATER
from .encoders import text_configuration
from .model import Model


def identity_of(model: Model) -> dict[str, str]:
    """Say what numbers of a model's activations are bound to, as a run records it."""
    return {
        "fingerprint": model.fingerprint,
        "scheduler": type(model.pipeline.scheduler).__name__,
        "configuration": model.configuration,
        "text_configuration": text_configuration(model.pipeline),
    }


def difference(
    recorded: Mapping[str, Any], found: Mapping[str, Any]
) -> tuple[str, object, object] | None:
    """Name the first thing of `identity_of` in which what is found is not what was recorded.

    Args:
        recorded: What a run or shared probes say. What they do not say is not compared: those from
            before recorded no configuration, or none of tokenizers and text encoders.
        found: What `identity_of` gives, or settings that hold it.

    Returns:
        Its name, what was recorded, what is found. None where nothing differs.
    """
    for name in ("fingerprint", "scheduler", *LATER):
        then = recorded.get(name)
        if then is not None and then != found.get(name, then):
            return name, then, found[name]
    return None
