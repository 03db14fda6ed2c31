"""How a pipeline asks its denoiser for both halves of guidance: measured, not assumed.

A pipeline says the prompts to its denoiser in one batch with the empty ones or apart from them,
before or behind. So two batches that differ in one prompt are begun, and stopped before the first
step: what differs in what the denoiser is given is that prompt's.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ..core.errors import LayerError
from .calling import Enough, call
from .capture import watched
from .model import Model, exact_size
from .schedules import plan, substituted, swap
from .words import words_of

_TEXTS, _OTHERS = ["a cat", "a dog"], ["a cow", "a dog"]


@dataclass(frozen=True)
class Asking:
    """Which of a denoiser's calls at a step, and which part of its batch, are the prompts' own.

    Args:
        calls: How often the denoiser runs at a step.
        call: Which of them is asked about the prompts, from 0.
        parts: How many times the images its batch holds.
        part: Which of them is the prompts', from 0.
        empty: Call and part of the unconditional half, if there is one.
    """

    calls: int = 1
    call: int = 0
    parts: int = 1
    part: int = 0
    empty: tuple[int, int] | None = None

    @property
    def is_common(self) -> bool:
        """Say whether there is one batch, unconditional half first, or no guidance."""
        return self in (Asking(), BOTH_HALVES)

    def of(self, batch: Tensor, images: int) -> Tensor:
        """Take the prompts' own part of a batch."""
        return batch[self.part * images : (self.part + 1) * images]


BOTH_HALVES = Asking(parts=2, part=1, empty=(0, 0))
_KNOWN: WeakKeyDictionary[Any, dict[tuple, Asking]] = WeakKeyDictionary()


def find_asking(model: Model, guidance: float) -> Asking:
    """Measure how a pipeline asks its denoiser at one guidance scale; once for each.

    Raises:
        LayerError: if the prompts' own part cannot be told from the rest.
    """
    is_perturbed = hasattr(model.pipeline, "do_perturbed_attention_guidance")
    if not model.takes_text or (guidance <= 1 and not is_perturbed):
        return Asking()
    known = _KNOWN.setdefault(model.pipeline, {})
    key = (guidance, repr(sorted(model.call.items())))
    if key not in known:
        first, second = (_calls(model, texts, guidance) for texts in (_TEXTS, _OTHERS))
        known[key] = _compare(model, first, second)
    return known[key]


def forget(model: Model) -> None:
    """Measure anew the next time: what was measured did not come true."""
    _KNOWN.pop(model.pipeline, None)


@contextmanager
def left_alone(denoiser: nn.Module) -> Iterator[None]:
    """Call no hook that others put on a denoiser, and undo what an ended call leaves changed."""
    processors, hooks = [], []
    for module in denoiser.modules():
        if hasattr(module, "processor"):
            processors.append((module, module.processor))
        hooks.append((module, module._forward_hooks, module._forward_pre_hooks))
        module._forward_hooks, module._forward_pre_hooks = OrderedDict(), OrderedDict()
    try:
        yield
    finally:
        for module, after, before in hooks:
            module._forward_hooks, module._forward_pre_hooks = after, before
        for module, processor in processors:
            # Pipelines of perturbed attention change them for their call.
            if module.processor is not processor:
                module.processor = processor


def begin(
    model: Model, texts: Sequence[str], *, guidance: float, watch: Callable | None = None
) -> None:
    """Run a pipeline for one step, until something that watches it raises `Enough`.

    Layers and batches are the same under any scheduler, so DDIM stands in for one that cannot take
    a single step.
    """
    own = model.pipeline.scheduler
    schedulers = [own, swap(own, "ddim")] if hasattr(own, "alphas_cumprod") else [own]
    # Perturbed attention runs layers twice; without guidance they are the same without it.
    is_perturbed = "pag_scale" in words_of(model.pipeline)
    extra = {"pag_scale": 0.0} if guidance <= 1 and watch is None and is_perturbed else {}
    first: Exception | None = None
    for scheduler in schedulers:
        try:
            planned = plan(scheduler, steps=1)
            with ExitStack() as opened:
                opened.enter_context(substituted(model.pipeline, planned))
                if watch is not None:
                    opened.enter_context(watched(planned, watch))
                call(
                    model,
                    **{**exact_size(model), **extra},
                    prompt=list(texts),
                    num_inference_steps=1,
                    guidance_scale=guidance,
                    generator=[torch.Generator("cpu").manual_seed(at) for at in range(len(texts))],
                    output_type="latent",
                )
        except Enough:
            return
        # Whatever its own scheduler makes of one step; what is wrong otherwise shows again.
        except Exception as error:
            first = first or error
            if scheduler is schedulers[-1]:
                raise first from first.__cause__


def _calls(model: Model, texts: list[str], guidance: float) -> list[dict[str, Any]]:
    """Give what the denoiser is given at one step, by call, each named tensor by row."""
    calls: list[dict[str, Any]] = []

    def look(_module: nn.Module, args: tuple, kwargs: dict) -> None:
        sample = args[0] if args else next(iter(kwargs.values()))
        batch = len(sample)
        given = dict(enumerate(args)) | kwargs
        rows = dict(_by_row(given, batch, ""))
        calls.append({"batch": batch, "sample": sample, **rows})
        # A batch of several parts is all there is; one of the images alone may have a second call.
        if batch > len(texts):
            raise Enough

    def stop(*_: object) -> None:
        raise Enough

    with ExitStack() as opened:
        opened.enter_context(left_alone(model.denoiser))
        opened.enter_context(model.denoiser.register_forward_pre_hook(look, with_kwargs=True))
        begin(model, texts, guidance=guidance, watch=stop)
    return calls


def _by_row(given: Mapping[Any, Any], batch: int, place: str) -> Iterator[tuple[str, Any]]:
    for name, value in given.items():
        if isinstance(value, Mapping):
            yield from _by_row(value, batch, f"{place}{name}.")
        elif isinstance(value, Tensor) and value.ndim > 0 and len(value) == batch:
            yield f"{place}{name}", value
        elif isinstance(value, list | tuple) and len(value) == batch:
            yield from _by_row(dict(enumerate(value)), batch, f"{place}{name}.")


def _compare(model: Model, first: list[dict], second: list[dict]) -> Asking:
    """Find the one call and the one part of its batch in which the first prompt is."""
    images = len(_TEXTS)
    kind = type(model.pipeline).__name__
    answers: list[tuple[int, int]] = []
    for number, (one, other) in enumerate(zip(first, second, strict=True)):
        for row in _differing(one, other):
            if row % images or not _repeats(one["sample"], images):
                raise LayerError(
                    f"{kind} mixes prompts and empty ones in a batch of {one['batch']} in an order "
                    "that is not known here, so no row is known as a prompt's. Set guidance to 1."
                )
            answers.append((number, row // images))
    parts = {call["batch"] // images for call in first}
    is_perturbed = bool(getattr(model.pipeline, "do_perturbed_attention_guidance", False))
    # The perturbed copy of perturbed-attention guidance comes behind the prompts' own part.
    if is_perturbed and len(answers) == 2 and answers[1] == (0, answers[0][1] + 1):
        answers = answers[:1]
    # Where a denoiser is asked once, about the images alone, there is nothing to tell apart.
    if not answers and len(first) == 1 and parts == {1}:
        answers = [(0, 0)]
    if len(answers) != 1 or len(parts) != 1:
        raise LayerError(
            f"{kind} asks its denoiser about each prompt {len(answers)} times in {len(first)} "
            "calls a step, so which of them is the prompt's own is not known. Set guidance to 1, "
            "or use a pipeline without further guidance."
        )
    (call, part), (count,) = answers[0], parts
    spare = [
        (number, each)
        for number in range(len(first))
        for each in range(count)
        if (number, each) not in answers
    ]
    empty = spare[0] if spare and not (is_perturbed and part == 0) else None
    return Asking(len(first), call, count, part, empty)


def _repeats(sample: Any, images: int) -> bool:
    """Say whether each part of a batch shows the same pictures, in the same order."""
    if not isinstance(sample, Tensor) or len(sample) % images:
        return True
    parts = sample.split(images)
    return all(torch.equal(part, parts[0]) for part in parts)


def _differing(one: dict[str, Any], other: dict[str, Any]) -> list[int]:
    rows: set[int] = set()
    for name in one.keys() & other.keys() - {"batch", "sample"}:
        a, b = one[name], other[name]
        if a.shape != b.shape:
            return list(range(one["batch"]))
        rows.update((a != b).reshape(len(a), -1).any(dim=1).nonzero().flatten().tolist())
    return sorted(rows)
