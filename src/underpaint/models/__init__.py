"""Models: the only code that reads weights. `load` gives a `Model` that every later stage takes."""

from .loading import find_device, load, load_as
from .model import (
    Model,
    as_model,
    exact_size,
    packed,
    permuted,
    unpacked,
    untrained,
)
from .vae import (
    decode,
    decoder_attention,
    draw,
    encode,
    has_decoder_attention,
    refuse_infinite,
)

__all__ = [
    "Model",
    "as_model",
    "decode",
    "decoder_attention",
    "draw",
    "encode",
    "exact_size",
    "find_device",
    "has_decoder_attention",
    "load",
    "load_as",
    "packed",
    "permuted",
    "refuse_infinite",
    "unpacked",
    "untrained",
]
