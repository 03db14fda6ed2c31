"""What tells a model from another: weights as they are now, scheduler and configuration."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from diffusers.configuration_utils import FrozenDict
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import Tensor, nn

if TYPE_CHECKING:
    from .model import Model


def identity_of(model: "Model") -> dict[str, str]:
    """Say what numbers of a model's activations are bound to, as a run records it."""
    return {
        "fingerprint": model.fingerprint,
        "scheduler": type(model.pipeline.scheduler).__name__,
        "configuration": model.configuration,
    }


def difference(
    recorded: Mapping[str, Any], found: Mapping[str, Any]
) -> tuple[str, object, object] | None:
    """Name the first thing of `identity_of` in which what is found is not what was recorded.

    Args:
        recorded: What a run or shared probes say. What they do not say is not compared: those from
            before recorded no configuration.
        found: What `identity_of` gives, or settings that hold it.

    Returns:
        Its name, what was recorded, what is found. None where nothing differs.
    """
    for name in ("fingerprint", "scheduler", "configuration"):
        then = recorded.get(name)
        if then is not None and then != found[name]:
            return name, then, found[name]
    return None


def digest(denoiser: nn.Module) -> str:
    """Sum up a denoiser's weights, adapters left out: one pass, and the same wherever it is."""
    sums, names = [], []
    beside = {id(weight) for _, weight in _adapter_weights(denoiser, every=True)}
    for name, weight in denoiser.named_parameters():
        if id(weight) not in beside and is_plain(weight):
            names.append(name.replace(".base_layer", ""))
            sums.append(weight.detach().double().square().sum())
    found = torch.stack(sums).cpu() if sums else torch.zeros(0)
    # Sums in another order, as on another device, differ in the last bits.
    said = "".join(f"{name} {value:.9e}\n" for name, value in zip(names, found, strict=True))
    return hashlib.sha256(said.encode()).hexdigest()


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

    What they leave to defaults is left out, for a later version of a library may have more.
    """
    said = {}
    for name, part in sorted(pipeline.components.items()):
        config = getattr(part, "config", None)
        if isinstance(part, nn.Module | SchedulerMixin) and isinstance(config, FrozenDict):
            left = {*config.get("_use_default_values", ())}
            said[name] = {k: v for k, v in config.items() if k[0] != "_" and k not in left}
    written = json.dumps(said, sort_keys=True, default=str)
    return hashlib.sha256(written.encode()).hexdigest()[:16]


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
