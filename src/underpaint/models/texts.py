"""What a model makes of a caption before it draws: the mean of its text encoder's states."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from .model import Model


@torch.no_grad()
def embed(model: Model, texts: Sequence[str]) -> Float[Tensor, "text channel"] | None:
    """Encode captions as the pipeline does, and average over tokens, padding included.

    Of several text encoders, what the pipeline gives first is taken. None where a pipeline takes no
    prompt or has no `encode_prompt`.
    """
    encode = getattr(model.pipeline, "encode_prompt", None)
    if encode is None or not model.takes_text:
        return None
    known: dict[str, Any] = {
        "prompt": list(texts),
        "device": model.device,
        "num_images_per_prompt": 1,
        "do_classifier_free_guidance": False,
    }
    parameters = inspect.signature(encode).parameters.values()
    asked = {
        each.name: known.get(each.name)
        for each in parameters
        if each.name in known
        or (each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD)
    }
    found = encode(**asked)
    states = found[0] if isinstance(found, tuple | list) else found
    return states.float().mean(dim=1)
