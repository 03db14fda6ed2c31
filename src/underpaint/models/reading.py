"""What a model reads of a prompt: the tokens that its tokenizers keep, and nothing beyond.

Two texts that differ only past a tokenizer's limit are one prompt to the model: they draw the same
picture. Limits differ between a pipeline's tokenizers, and the pipeline sets them as it calls; so
it is called once, up to where its schedule begins, and what it says to its tokenizers is noted and
said again for every text.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any
from weakref import WeakKeyDictionary

import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from transformers import PreTrainedTokenizerBase

from ..core.prompts import Prompt
from .calling import Enough, call
from .model import Model, as_model
from .schedules import substituted
from .traces import pipeline_call

_SAMPLE = "a red cone"
"""Plain words, which a pipeline's own cleaning of captions leaves as they are."""


@dataclass(frozen=True, eq=False)
class Reading:
    """How a model reads prompts: call it with one to get what tells its picture from others'.

    `is_cut` says whether a text goes on beyond what any tokenizer keeps. `is_known` is False where
    a pipeline's tokenizers could not be watched: texts are then taken to be read to the end.
    """

    read: Callable[[Prompt], Hashable]
    is_cut: Callable[[str], bool]
    is_known: bool = True

    def __call__(self, prompt: Prompt) -> Hashable:
        """Give token ids, or whatever else the picture follows from beside its seed."""
        return self.read(prompt)


_KNOWN: WeakKeyDictionary[Any, Reading] = WeakKeyDictionary()


def reads(model: Model | DiffusionPipeline) -> Reading:
    """Find out how a model reads prompts. A model that takes none reads their seeds alone.

    Examples:
        >>> read = up.reads(model)
        >>> read(up.Prompt("A red cone", 1)) == read(up.Prompt("a  red cone", 2))
        True
    """
    found = _KNOWN.get(model)
    if found is None:
        found = _KNOWN[model] = _reading(as_model(model))
    return found


def _reading(model: Model) -> Reading:
    if not model.takes_text:
        return Reading(lambda prompt: ("seed", prompt.seed), lambda _text: False)
    calls = _calls(model, "set_timesteps") or _calls(model, "step")
    if not calls:
        return Reading(lambda prompt: prompt.text, lambda _text: False, is_known=False)

    @cache
    def tokens(text: str) -> Hashable:
        return tuple(call.tokens(text) for call in calls)

    return Reading(
        lambda prompt: tokens(prompt.text), lambda text: all(call.is_cut(text) for call in calls)
    )


@dataclass(frozen=True)
class _Call:
    """How a pipeline calls one of its tokenizers, with the sample where a prompt goes."""

    tokenizer: Any
    text: str
    options: dict[str, Any]

    def tokens(self, text: str) -> tuple[int, ...]:
        return self._ids(text, self.options)

    def is_cut(self, text: str) -> bool:
        whole = self.options | {"truncation": False, "max_length": None}
        return len(self._ids(text, whole)) > len(self.tokens(text))

    def _ids(self, text: str, options: dict[str, Any]) -> tuple[int, ...]:
        said = self.text.replace(_SAMPLE, text)
        plain = {"padding": False, "return_tensors": None, "verbose": False}
        return tuple(self.tokenizer(said, **options | plain)["input_ids"])


class _Begun(Enough):
    """A pipeline has read its prompt."""


def _calls(model: Model, until: str) -> list[_Call]:
    """Note what a pipeline says to its tokenizers before it calls its scheduler."""
    pipeline, noted = model.pipeline, []
    scheduler = deepcopy(pipeline.scheduler)

    @wraps(getattr(scheduler, until))  # pipelines look at its signature
    def stop(*_: Any, **__: Any) -> None:
        raise _Begun

    setattr(scheduler, until, stop)
    components = dict.fromkeys(
        each for each in pipeline.components.values() if isinstance(each, PreTrainedTokenizerBase)
    )
    with ExitStack() as opened:
        opened.enter_context(torch.no_grad())
        opened.enter_context(substituted(pipeline, scheduler))
        for tokenizer in components:
            opened.enter_context(_noted(tokenizer, noted))
        with suppress(_Begun):
            call(model, **pipeline_call(model, [Prompt(_SAMPLE, 0)], steps=2, guidance=None))
    # Some ask once more without a limit, to warn of what they cut.
    limited = [call for call in noted if call.options.get("truncation")]
    return limited or noted


@contextmanager
def _noted(tokenizer: Any, calls: list[_Call]) -> Iterator[None]:
    """Note the calls of a tokenizer that hold the sample, while the block runs."""
    own = type(tokenizer)

    def call(self: Any, text: Any = None, *more: Any, **options: Any) -> Any:
        first = text[0] if isinstance(text, list) and text else text
        if isinstance(first, str) and _SAMPLE in first:
            calls.append(_Call(tokenizer, first, options))
        return own.__call__(self, text, *more, **options)

    tokenizer.__class__ = type(own.__name__, (own,), {"__call__": call})
    try:
        yield
    finally:
        tokenizer.__class__ = own
