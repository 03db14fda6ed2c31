"""Weights and configuration as they are now, summed up: what two models are told apart by."""

import hashlib
import json
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import torch
from diffusers.configuration_utils import FrozenDict
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from jaxtyping import Float64
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from .guard import uncompiled

_FIRST = 4096
_CACHED, _HELD = 1 << 16, 1 << 24
"""How many weights are summed at once: in a processor's cache, and on a GPU."""
_FREEU = ("s1", "s2", "b1", "b2")


def digest(pipeline: Any) -> str:
    """Sum up the weights of a pipeline's parts, adapters left out: the same wherever they are.

    Tokenizers count by their words and limits, which are part of what a prompt means.
    """
    sums, names, texts = [], [], []
    for part, module in sorted(pipeline.components.items()):
        if isinstance(module, PreTrainedTokenizerBase):
            known = sorted(module.get_vocab().items(), key=itemgetter(1))
            texts.append(f"{part} {module.model_max_length} {known}\n")
        if not isinstance(module, nn.Module):
            continue
        beside = {id(weight) for _, weight in _adapter_weights(module, every=True)}
        for name, weight in _kept(uncompiled(module)):
            if id(weight) not in beside and is_plain(weight):
                names.append(f"{part} {name.replace('.base_layer', '')}")
                sums.append(_sums(weight.detach()).cpu())
    found = torch.stack(sums).tolist() if sums else []
    # Sums in another order, as on another device, differ in the last bits.
    said = "".join(
        f"{name} {whole:.9e} {first:.9e}\n"
        for name, (whole, first) in zip(names, found, strict=True)
    )
    return hashlib.sha256("".join([said, *texts]).encode()).hexdigest()


def _kept(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Give what a module's file holds: weights, and buffers that are not made anew."""
    yield from module.named_parameters()
    for path, each in module.named_modules():
        for name, buffer in each.named_buffers(recurse=False):
            if name not in each._non_persistent_buffers_set:
                yield f"{path}.{name}", buffer


def dtypes(pipeline: Any) -> str:
    """Name what each part's weights are kept in, such as "unet float16, vae float32"."""
    said = []
    for part, module in sorted(pipeline.components.items()):
        if isinstance(module, nn.Module):
            beside = {id(weight) for _, weight in _adapter_weights(module, every=True)}
            kept = (each for each in module.parameters() if id(each) not in beside)
            kinds = {str(each.dtype).removeprefix("torch.") for each in kept if is_plain(each)}
            said.append(" ".join([part, *sorted(kinds)]))
    return ", ".join(said)


def _sums(weight: Tensor) -> Float64[Tensor, "2"]:
    """Sum up squares, and those of the first values by place: signs and order count there.

    Both sums are of positive terms, which lose no digits wherever they are added up.
    """
    values = weight.flatten()
    first, rest = values[:_FIRST].double(), values[_FIRST:]
    places = torch.arange(1, len(first) + 1, device=weight.device, dtype=torch.float64)
    whole = torch.dot(first, first)
    # On a processor, parts that stay in its cache are ten times as fast as all at once.
    for part in rest.split(_CACHED if weight.device.type == "cpu" else _HELD) if len(rest) else ():
        whole += torch.dot(values := part.double(), values)
    return torch.stack([whole, torch.dot((first + 0.1).square(), places)])


def adapters(pipeline: Any) -> str:
    """Name the adapters that act in a pipeline by their weights and strengths; empty for none."""
    found = hashlib.sha256()
    acting = False
    for part, module in sorted(pipeline.components.items()):
        if not isinstance(module, nn.Module):
            continue
        for name, weight in _adapter_weights(module, every=False):
            acting = True
            found.update(f"{part} {name}".encode())
            if isinstance(weight, Tensor):
                found.update(weight.detach().float().cpu().numpy().tobytes())
    return found.hexdigest() if acting else ""


def configuration(pipeline: Any) -> str:
    """Sum up what the files of a pipeline's parts say beside weights: betas, scaling, attention.

    What they leave to defaults is left out, for a later version of a library may have more. What
    was set on the parts since, beside their configuration, counts too: a scheduler's noise, FreeU,
    processors of one's own.
    """
    said = {}
    for name, part in sorted(pipeline.components.items()):
        config = getattr(part, "config", None)
        if isinstance(part, nn.Module | SchedulerMixin) and isinstance(config, FrozenDict):
            left = {*config.get("_use_default_values", ())}
            said[name] = {k: v for k, v in config.items() if k[0] != "_" and k not in left}
            since = (
                _schedule(part) if isinstance(part, SchedulerMixin) else _habits(uncompiled(part))
            )
            said[name] |= {"since": since} if since else {}
    written = json.dumps(said, sort_keys=True, default=str)
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def _schedule(scheduler: Any) -> dict[str, Any]:
    """Give what of a scheduler's noise its configuration does not say."""
    fresh = type(scheduler).from_config(scheduler.config)
    since = {}
    for name in ("alphas_cumprod", "_shift"):
        now, then = (torch.as_tensor(getattr(x, name, 0.0)).double() for x in (scheduler, fresh))
        if not torch.equal(now.cpu(), then):
            since[name] = hashlib.sha256(now.cpu().numpy().tobytes()).hexdigest()
    return since


def _habits(module: nn.Module) -> dict[str, Any]:
    """Give FreeU's factors, and processors of attention that are not diffusers' own, by place."""
    since = {}
    for path, each in module.named_modules():
        factors = [getattr(each, name, None) for name in _FREEU]
        if path.startswith("up_blocks.") and None not in factors:
            since[path] = factors
        kind = type(getattr(each, "processor", None))
        if kind.__module__.split(".")[0] not in ("builtins", "diffusers"):
            since[f"{path}.processor"] = f"{kind.__module__}.{kind.__qualname__}"
    return since


def is_plain(weight: Tensor) -> bool:
    """Say whether a weight is what it seems: numbers that can be moved, drawn and summed."""
    return (
        type(weight) in (nn.Parameter, Tensor)
        and type(weight.data) is Tensor
        and weight.is_floating_point()
        and weight.element_size() > 1
    )


def _adapter_weights(module: nn.Module, *, every: bool) -> Iterator[tuple[str, Any]]:
    """Give the weights and strengths of peft's adapters: of all, or of those that act."""
    layer: Any
    for path, layer in module.named_modules():
        if not hasattr(layer, "base_layer") or not hasattr(layer, "active_adapters"):
            continue
        active = [] if layer.disable_adapters else list(layer.active_adapters)
        base = {id(weight) for weight in layer.base_layer.parameters()}
        for name, weight in layer.named_parameters():
            is_acting = any(adapter in name.split(".") for adapter in active)
            if id(weight) not in base and (every or is_acting):
                yield f"{path}.{name}", weight
        if not every:
            scaling = getattr(layer, "scaling", {})
            yield from (
                (f"{path} {name} {scaling[name]} {name in layer.merged_adapters}", None)
                for name in active
                if name in scaling
            )
