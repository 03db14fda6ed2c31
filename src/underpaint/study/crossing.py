"""Crossed draws: every caption from every noise, and what a reading owes to which.

A reading that follows the caption alone is the same from any noise, one that follows the noise
alone is the same under any caption. What is left, the meeting of the two, is where *this* caption
put its object in *this* noise. How much each explains shows when, and in which layers, words take a
place.

Notation, for one cell of one map
    y_cn   reading of caption c from noise n        C, N   how many there are
    MS_c   mean square between captions             MS_n   between noises
    MS_i   mean square of what both leave, y_cn - ȳ_c - ȳ_n + ȳ
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.special import stdtrit
from torch import Tensor

from ..core.arrays import normalise, to_grid
from ..core.numbers import or_null
from ..core.prompts import Prompt
from ..core.properties import Property
from ..labelers import Labeler, label
from ..models import Model
from ..models.layers import Layer
from ..models.traces import trace
from ..probes.probes import Probe, ProbeKey, read_steps

PARTS = ("caption", "noise", "meeting")
"""What shares are of, in order."""
LARGEST = 16
"""Cells of a side beyond which readings are averaged: where things are does not need more."""
LABEL = ""
"""What stands for the layer's name where the final picture's labels are divided."""

Readings = Mapping[tuple[str, str], Float[Tensor, "caption noise step cell"]]
"""Readings by property and layer, targets and cells in a row; labels have one step."""


@dataclass(frozen=True, eq=False)
class Crossing:
    """What is drawn, and how: every caption from every seed."""

    model: Model
    labelers: tuple[Labeler, ...]
    properties: tuple[Property, ...]
    layers: tuple[Layer, ...]
    probes: Mapping[ProbeKey, Probe]
    captions: tuple[str, ...]
    seeds: tuple[int, ...]
    steps: int
    guidance: float
    batch: int


def cross(crossing: Crossing, report: Callable[[int, int], object]) -> Readings:
    """Draw every caption from every noise, and read each picture's layers and labels.

    Args:
        crossing: What to draw.
        report: Told how many pictures are drawn, and of how many.
    """
    prompts = [Prompt(text, seed) for text in crossing.captions for seed in crossing.seeds]
    parts: dict[tuple[str, str], list[Tensor]] = {}
    for first in range(0, len(prompts), crossing.batch):
        some = prompts[first : first + crossing.batch]
        for key, maps in _read(crossing, some).items():
            parts.setdefault(key, []).append(maps.cpu())
        report(first + len(some), len(prompts))
    shape = (len(crossing.captions), len(crossing.seeds))
    return {key: torch.cat(each).unflatten(0, shape) for key, each in parts.items()}


def _read(
    crossing: Crossing, prompts: Sequence[Prompt]
) -> dict[tuple[str, str], Float[Tensor, "image step cell"]]:
    """Read one batch."""
    model = crossing.model
    traced = trace(
        model,
        prompts,
        steps=crossing.steps,
        guidance=crossing.guidance,
        layers=crossing.layers,
    )
    names = [each.name for each in crossing.properties]
    found: dict[tuple[str, str], Tensor] = {}
    for layer, activation in traced.activations.items():
        probes = [
            {name: crossing.probes[name, layer.name, step] for name in names}
            for step in range(crossing.steps)
        ]
        for name, maps in read_steps(probes, activation).items():
            found[name, layer.name] = _flat(maps)
    maps = label(crossing.labelers, crossing.properties, traced.images)
    for each in crossing.properties:
        found[each.name, LABEL] = _flat(normalise(each, maps[each.name])[None])
    return found


def _flat(
    maps: Float[Tensor, "step image target row col"],
) -> Float[Tensor, "image step cell"]:
    grid = (min(LARGEST, maps.shape[-2]), min(LARGEST, maps.shape[-1]))
    small = torch.stack([to_grid(each.float(), grid) for each in maps])
    return small.nan_to_num(0.0).flatten(2).transpose(0, 1)


def components(
    readings: Float64[np.ndarray, "caption noise step cell"],
) -> Float64[np.ndarray, "3 step"]:
    """Estimate what caption, noise and their meeting add to the variance, summed over cells.

    By the method of moments for two crossed random effects, one reading each: unbiased, so one
    that adds nothing may come out a little below 0.

        meeting = MS_i        caption = (MS_c - MS_i) / N        noise = (MS_n - MS_i) / C
    """
    captions, noises = readings.shape[:2]
    mean = readings.mean(axis=(0, 1))
    by_caption = readings.mean(axis=1) - mean
    by_noise = readings.mean(axis=0) - mean
    left = readings - by_caption[:, None] - by_noise[None] - mean
    ms_i = np.square(left).sum(axis=(0, 1, 3)) / ((captions - 1) * (noises - 1))
    ms_c = noises * np.square(by_caption).sum(axis=(0, 2)) / (captions - 1)
    ms_n = captions * np.square(by_noise).sum(axis=(0, 2)) / (noises - 1)
    return np.stack([(ms_c - ms_i) / noises, (ms_n - ms_i) / captions, ms_i])


def shares(
    readings: Float64[np.ndarray, "caption noise step cell"], *, level: float = 0.95
) -> Float64[np.ndarray, "3 bound step"]:
    """Give each part's share of the variance, and the ends of its interval: mean, low, high.

    The delete-one jackknife over captions and over noises: both were chosen, so both vary, and the
    two variances add. Student's t with the degrees of freedom of the fewer.
    """
    whole = _share(readings)
    variance = np.zeros_like(whole)
    for axis in (0, 1):
        count = readings.shape[axis]
        without = np.stack([_share(np.delete(readings, at, axis=axis)) for at in range(count)])
        spread = np.square(without - without.mean(axis=0)).sum(axis=0)
        variance += spread * (count - 1) / count
    reach = stdtrit(min(readings.shape[:2]) - 1, (1 + level) / 2) * np.sqrt(variance)
    return np.stack([whole, whole - reach, whole + reach], axis=1)


def summarise_crossing(crossing: Crossing, readings: Readings) -> dict[str, Any]:
    """Give the `cross` part of a summary: shares by property, layer and step, and of the labels."""
    properties = {}
    for each in crossing.properties:
        found = {
            layer: _for_json(shares(maps.double().numpy()))
            for (name, layer), maps in readings.items()
            if name == each.name
        }
        label = found.pop(LABEL)
        layers = {layer: {"by_step": by_step} for layer, by_step in found.items()}
        properties[each.name] = {"label": label[0], "layers": layers}
    return {
        "captions": len(crossing.captions),
        "noises": len(crossing.seeds),
        "properties": properties,
    }


def _share(
    readings: Float64[np.ndarray, "caption noise step cell"],
) -> Float64[np.ndarray, "3 step"]:
    parts = components(readings)
    total = parts.sum(axis=0)
    return np.divide(parts, total, out=np.full_like(parts, np.nan), where=total > 0)


def _for_json(found: Float64[np.ndarray, "3 bound step"]) -> list[dict[str, Any]]:
    bounds = ("mean", "low", "high")
    return [
        {
            part: {bound: or_null(float(value)) for bound, value in zip(bounds, each, strict=True)}
            for part, each in zip(PARTS, one, strict=True)
        }
        for one in np.moveaxis(found, 2, 0)
    ]
