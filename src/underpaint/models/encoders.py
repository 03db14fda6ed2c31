"""What a prompt becomes before a denoiser sees it, told without running a text encoder.

Two folders of the same weights differ here where a tokenizer has other words, or the same in
another order, or where a text encoder computes otherwise with its weights.
"""

import hashlib
import json
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

_SAMPLES = ("A Red  cone, 2 naïve CAFÉ's — 山の上!", "fog")
"""Two texts whose tokens show how a tokenizer takes capitals, spaces, accents and signs."""

_BESIDE = ("transformers_version", "dtype", "torch_dtype", "architectures")
"""What a configuration says of its file, and of no number that is computed by it."""


def text_configuration(pipeline: Any) -> str:
    """Sum up tokenizers and the configuration of text encoders; empty where there are none.

    What a text encoder's files leave to defaults is left out, as a later version of the library may
    have more. Of a tokenizer it is words, limits and the tokens of two texts.
    """
    said: dict[str, Any] = {}
    for name, part in sorted(pipeline.components.items()):
        if isinstance(part, PreTrainedTokenizerBase):
            said[name] = _tokens(part)
        elif isinstance(part, PreTrainedModel):
            said[name] = _beyond_defaults(part.config)
    if not said:
        return ""
    written = json.dumps(said, sort_keys=True, default=str)
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def _tokens(tokenizer: Any) -> dict[str, Any]:
    words = sorted(tokenizer.get_vocab().items(), key=itemgetter(1))
    return {
        "words": hashlib.sha256(json.dumps(words).encode()).hexdigest(),
        "limit": tokenizer.model_max_length,
        "padding": [tokenizer.padding_side, tokenizer.pad_token_id],
        "samples": [list(tokenizer(text, verbose=False)["input_ids"]) for text in _SAMPLES],
    }


def _beyond_defaults(config: PretrainedConfig) -> dict[str, Any]:
    """Give what a configuration sets to another value than its class does."""
    try:
        fresh = type(config)().to_dict()
    except (TypeError, ValueError):  # some are made of other configurations, and have no default
        fresh = {}
    return _differing(config.to_dict(), fresh)


def _differing(said: Mapping[str, Any], fresh: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in said.items():
        if name.startswith("_") or name in _BESIDE or (name in fresh and fresh[name] == value):
            continue
        inner = fresh.get(name)
        found[name] = (
            _differing(value, inner if isinstance(inner, dict) else {})
            if isinstance(value, dict)
            else value
        )
    return found
