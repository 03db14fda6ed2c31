"""Sums and probes as named tensors of a safetensors file, and back: checked, nothing unpickled."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from ..probes.moments import Cell, MeanMap, Moments
from ..probes.probes import Probe, ProbeKey


def pack_moments(
    parts: Mapping[str, Mapping[Cell, Moments]], position: Mapping[str, MeanMap]
) -> dict[str, Tensor]:
    """Name every tensor of some sums, for one safetensors file."""
    tensors = {}
    for part, moments in parts.items():
        for (layer, step), each in moments.items():
            key = f"{part}/{layer}/{step}"
            tensors[f"{key}/count"] = torch.tensor(each.count)
            tensors[f"{key}/mean"] = each.mean.cpu()
            tensors[f"{key}/scatter"] = each.scatter.cpu()
    for name, each in position.items():
        tensors[f"position/{name}/count"] = torch.tensor(each.count)
        tensors[f"position/{name}/mean"] = each.mean.cpu()
        if each.known is not None:
            tensors[f"position/{name}/known"] = each.known.cpu()
    return tensors


def unpack_moments(file: safe_open) -> tuple[dict[str, dict[Cell, Moments]], dict[str, MeanMap]]:
    """Read back what `pack_moments` named."""
    parts: dict[str, dict[Cell, Moments]] = {}
    position: dict[str, MeanMap] = {}
    keys = set(file.keys())
    for key in sorted(keys):
        if not key.endswith("/count"):
            continue
        stem = key.removesuffix("/count")
        count, mean = int(file.get_tensor(key)), file.get_tensor(f"{stem}/mean")
        part, name, *step = stem.split("/")
        if part == "position":
            _refuse_unlike(stem, mean, dimensions=3)
            known = file.get_tensor(f"{stem}/known") if f"{stem}/known" in keys else None
            position[name] = MeanMap(count, mean, known)
        else:
            scatter = file.get_tensor(f"{stem}/scatter")
            _refuse_unlike(stem, mean, dimensions=1)
            _refuse_unlike(stem, scatter, dimensions=2)
            if count < 1 or len(step) != 1 or scatter.shape != (len(mean), len(mean)):
                raise ValueError(f"{stem} holds no moments")
            parts.setdefault(part, {})[name, int(step[0])] = Moments(count, mean, scatter)
    return parts, position


def _refuse_unlike(name: str, values: Tensor, *, dimensions: int) -> None:
    if values.dtype != torch.float64 or values.ndim != dimensions:
        raise ValueError(f"{name} is {values.dtype} of {tuple(values.shape)}")


def pack_probes(probes: Mapping[ProbeKey, Probe]) -> dict[str, Tensor]:
    """Name every tensor of some probes, for one safetensors file."""
    tensors = {}
    for (name, layer, step), each in probes.items():
        key = f"{name}/{layer}/{step}"
        tensors[f"{key}/weight"] = each.weight.cpu().contiguous()
        tensors[f"{key}/bias"] = each.bias.cpu().contiguous()
        if each.place is not None:
            tensors[f"{key}/place"] = each.place.cpu().contiguous()
        for part in ("threshold", "penalty"):
            if (value := getattr(each, part)) is not None:
                tensors[f"{key}/{part}"] = torch.tensor(value, dtype=torch.float64)
    return tensors


def unpack_probes(
    path: Path, device: torch.device, *, layer: str | None = None
) -> dict[ProbeKey, Probe]:
    """Read back what `pack_probes` named. What is wrong with the file comes as its own error."""
    found: dict[ProbeKey, dict[str, Tensor]] = {}
    with safe_open(path, framework="pt", device=str(device)) as file:
        for key in sorted(file.keys()):
            name, at, step, part = key.split("/")
            if layer is None or at == layer:
                found.setdefault((name, at, int(step)), {})[part] = file.get_tensor(key)
    return {key: _probe_of(*key, parts) for key, parts in found.items()}


def _probe_of(name: str, layer: str, step: int, parts: Mapping[str, Tensor]) -> Probe:
    weight, bias = parts["weight"], parts["bias"]
    _refuse_unlike(name, weight, dimensions=2)
    _refuse_unlike(name, bias, dimensions=1)
    if weight.shape[1] != len(bias):
        raise ValueError(f"{name} has weights of {weight.shape[1]} targets and {len(bias)} biases")
    if (place := parts.get("place")) is not None:
        _refuse_unlike(name, place, dimensions=3)
    single = {part: float(parts[part]) for part in ("threshold", "penalty") if part in parts}
    return Probe(layer, step, name, weight, bias, place=place, **single)
