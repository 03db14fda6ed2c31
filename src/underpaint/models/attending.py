"""What each word of a prompt attends to in a UNet, with gradients, and guidance that is made of it.

While `guided` stands, the denoiser's output at some steps is changed by what a guide makes of its
inputs. `attend` runs the denoiser once more on one half of a batch and gives its cross-attention
maps, so that a guide may differentiate through them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ..core.errors import LayerError
from .asking import find_asking
from .model import Model


@dataclass(frozen=True, eq=False)
class Attended:
    """What the words of each prompt attend to, and what the picture is made of, at one step.

    Args:
        maps: By cross-attention layer, the share of each place's attention that a token of the
            text has, mean over heads.
        features: What leaves the last of the upward blocks: what the output is made of.
    """

    maps: tuple[Float[Tensor, "image token _row _col"], ...]
    features: Float[Tensor, "image channel row col"]


Attend = Callable[[Float[Tensor, "image latent lrow lcol"]], Attended]
"""Runs the denoiser at the present step, timestep and prompts on latents that are given."""

Guide = Callable[[int, Tensor, Attend], Tensor | None]
"""Called with the step, the latents that enter it and `attend`. Returns what to add to the
denoiser's output, the same in both halves of guidance, or None."""


def check_attends(model: Model, guidance: float) -> None:
    """Refuse a model whose words attend to nothing that is known here.

    Raises:
        LayerError: if it has no cross-attention, or no one batch of both halves of guidance.
    """
    name = type(model.denoiser).__name__
    if not isinstance(model.denoiser, UNet2DConditionModel) or not _crossings(model.denoiser):
        raise LayerError(
            f"{name} has no cross-attention from places to words, which Self-Guidance moves. Use a "
            "UNet with text, or another --control."
        )
    if not find_asking(model, guidance).is_common:
        raise LayerError(
            f"{type(model.pipeline).__name__} guides in its own order or in calls of its own, in "
            "which the prompts' own half is not known. Set guidance to 1, or use another --control."
        )


@contextmanager
def guided(model: Model, guide: Guide, *, images: int) -> Iterator[None]:
    """Let a guide change what the denoiser gives at each step, while the block runs.

    Args:
        model: Checked with `check_attends`.
        guide: Asked once a step.
        images: How many are drawn.
    """
    denoiser, step = model.denoiser, 0

    def hook(_module: nn.Module, args: tuple, kwargs: dict, output: Any) -> Any:
        nonlocal step
        given = (args, kwargs)

        def attend(latents: Tensor) -> Attended:
            return _attended(denoiser, latents, given, images=images)

        with torch.enable_grad():
            change = guide(step, args[0][-images:], attend)
        step += 1
        if change is None:
            return None
        sample = output[0]
        added = sample + change.to(sample).repeat(len(sample) // images, 1, 1, 1)
        return (added,) if isinstance(output, tuple) else type(output)(sample=added)

    with denoiser.register_forward_hook(hook, with_kwargs=True):
        yield


def _attended(
    denoiser: Any, latents: Tensor, given: tuple[tuple, dict], *, images: int
) -> Attended:
    """Run the denoiser beside its hooks on the prompts' own half of what it was given."""
    args, kwargs = given
    batch = len(args[0])
    own = [_half(each, batch, images) for each in args[1:]]
    named = {name: _half(each, batch, images) for name, each in kwargs.items()}
    maps: list[Tensor] = []
    features: list[Tensor] = []

    def look(module: Any, inputs: tuple, words: dict) -> None:
        shares = _shares(module, inputs[0], words["encoder_hidden_states"])
        finer = math.sqrt(latents.shape[-2] * latents.shape[-1] / shares.shape[1])
        rows = round(latents.shape[-2] / finer)
        maps.append(rearrange(shares, "image (row col) token -> image token row col", row=rows))

    with ExitStack() as hooks:
        for module in _crossings(denoiser):
            hooks.enter_context(module.register_forward_pre_hook(look, with_kwargs=True))
        last = denoiser.up_blocks[-1]
        hooks.enter_context(last.register_forward_hook(lambda *seen: features.append(seen[-1])))
        # Not by its call: hooks that count its runs are to count the pipeline's own.
        type(denoiser).forward(denoiser, latents, *own, **named)
    return Attended(tuple(maps), features[0])


def _shares(
    module: Any, places: Float[Tensor, "image place channel"], words: Tensor
) -> Float[Tensor, "image place token"]:
    """Say which share of each place's attention each token has, mean over heads."""
    query, key = (
        module.head_to_batch_dim(each) for each in (module.to_q(places), module.to_k(words))
    )
    shares = module.get_attention_scores(query, key)
    return shares.unflatten(0, (len(places), -1)).mean(dim=1)


def own_tokens(model: Model, text: str) -> list[int]:
    """Give the places of a text's own tokens in what the model attends to: no marks, no padding."""
    read = model.pipeline.tokenizer(text, truncation=True, return_special_tokens_mask=True)
    return [place for place, is_mark in enumerate(read["special_tokens_mask"]) if not is_mark]


def _crossings(denoiser: nn.Module) -> Sequence[Any]:
    return [
        module
        for module in denoiser.modules()
        if isinstance(module, Attention) and module.is_cross_attention
    ]


def _half(value: Any, batch: int, images: int) -> Any:
    """Take the prompts' own half, which comes last, of whatever covers the whole batch."""
    if isinstance(value, dict):
        return {name: _half(each, batch, images) for name, each in value.items()}
    is_whole = isinstance(value, Tensor) and value.ndim > 0 and len(value) == batch
    return value[-images:] if is_whole else value
