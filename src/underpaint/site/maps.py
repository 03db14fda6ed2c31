"""Maps of a few prompts, at every step and layer, packed into sheets of tiles.

A sheet is one image of a grid of tiles: a column for each step, rows of sources or layers. Maps are
grey: the page colours them, so that light, dark and print share one file. A byte means
`low + (high - low) * byte / 255`, with low and high from the label of that picture, so that one
colour is one value in every map of it. A mask's reading is bent: its threshold lies at 127.5.
Three targets are red, green and blue.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ..core.arrays import normalise
from ..core.properties import COLOUR_RANGES, Property
from ..labelers import Labeler, label
from ..models import Model, decode
from ..models.layers import Layer
from ..models.traces import Trace, trace
from ..probes.moments import MeanMap
from ..probes.probes import Probe, ProbeKey, read_steps

PICTURE_PX = 128
MAP_PX = 96
SHARES = (0.01, 0.99)
"""Which quantiles of a label become black and white: a few odd pixels would flatten the rest."""


@dataclass(frozen=True, eq=False)
class Sheets:
    """One prompt's sheets by file name, and what a reader of them must know."""

    images: dict[str, Image.Image]
    notes: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Read:
    """What one layer's probes of a property read at every step, and where that becomes a mask."""

    maps: Float[Tensor, "step image target row col"]
    cuts: Float[Tensor, "step"]


def draw_sheets(
    model: Model,
    labelers: Sequence[Labeler],
    properties: Sequence[Property],
    prompts: Sequence[Any],
    *,
    layers: Sequence[Layer],
    probes: Mapping[ProbeKey, Probe],
    position: Mapping[str, MeanMap],
    steps: int,
    guidance: float,
) -> list[Sheets]:
    """Generate one batch again and pack what each source says of each picture.

    Properties of neither one nor three targets are left out: a map of theirs has no colours.
    """
    drawn = [each for each in properties if each.targets in (1, 3)]
    traced = trace(model, prompts, steps=steps, guidance=guidance, layers=layers)
    read = _read_all(drawn, traced, probes)
    return [
        _draw_one(model, labelers, drawn, traced, place, read=read, position=position)
        for place in range(len(prompts))
    ]


def _draw_one(
    model: Model,
    labelers: Sequence[Labeler],
    properties: Sequence[Property],
    traced: Trace,
    place: int,
    *,
    read: Mapping[tuple[str, Layer], Read],
    position: Mapping[str, MeanMap],
) -> Sheets:
    noisy = decode(model, traced.latents[:, place])
    clean = decode(model, traced.estimates[:, place])
    picture = traced.images[place : place + 1]
    seen = {
        source: label(labelers, properties, images)
        for source, images in (("image", noisy), ("estimate", clean), ("label", picture))
    }
    side = min(PICTURE_PX, picture.shape[-1])
    images = {"pictures.webp": _picture_sheet([noisy, clean], side)}
    notes: dict[str, Any] = {"pictures": {"file": "pictures.webp", "side": side}, "maps": {}}
    grids = [[layer.name, *layer.grid] for layer in traced.activations]
    for each in properties:
        maps = {source: normalise(each, found[each.name]) for source, found in seen.items()}
        low, high = _range(each, maps["label"])
        mean = position[each.name].mean[None].to(maps["label"])
        rows = [
            maps["image"],
            maps["estimate"],
            torch.cat([maps["label"], mean]),
        ]
        bytes_of = [_as_bytes(_shrunk(row, MAP_PX), low, high) for row in rows]
        images[f"{each.name}.webp"] = _stack(bytes_of)
        by_layer = [
            _bent(each, read[each.name, layer], place, low, high) for layer in traced.activations
        ]
        images[f"{each.name}-probe.webp"] = _stack(by_layer)
        notes["maps"][each.name] = {
            "file": f"{each.name}.webp",
            "side": min(MAP_PX, picture.shape[-1]),
            "probe": f"{each.name}-probe.webp",
            "targets": each.targets,
            "low": low,
            "high": high,
        }
    return Sheets(images, {**notes, "grids": grids})


def _read_all(
    properties: Sequence[Property], traced: Trace, probes: Mapping[ProbeKey, Probe]
) -> dict[tuple[str, Layer], Read]:
    """Read every layer, by property and layer: all properties, steps and pictures at once."""
    found = {}
    for layer, activation in traced.activations.items():
        own = [
            {each.name: probes[each.name, layer.name, step] for each in properties}
            for step in range(len(activation))
        ]
        for name, maps in read_steps(own, activation).items():
            cuts = torch.tensor([each[name].threshold or 0.0 for each in own])
            found[name, layer] = Read(maps.cpu(), cuts)
    return found


def _bent(property: Property, read: Read, place: int, low: float, high: float) -> np.ndarray:
    maps = read.maps[:, place]
    if not property.is_binary:
        return _as_bytes(maps, low, high)
    spread = maps.std(dim=(2, 3), correction=0, keepdim=True).clamp(min=1e-6)
    cuts = read.cuts[:, None, None, None]
    return _as_bytes(0.5 + 0.5 * torch.tanh((maps - cuts) / spread), 0.0, 1.0)


def _range(property: Property, maps: Float[Tensor, "image target row col"]) -> tuple[float, float]:
    if property.is_binary:
        return 0.0, 1.0
    if property.name in COLOUR_RANGES:
        return COLOUR_RANGES[property.name]
    low, high = np.quantile(maps.float().cpu().numpy(), SHARES)
    # A flat label has no range; any will do.
    return (float(low), float(high)) if high > low else (float(low) - 1, float(low) + 1)


def _as_bytes(maps: Float[Tensor, "step target row col"], low: float, high: float) -> np.ndarray:
    """Give `step row col` of one target, `step row col 3` of three."""
    shares = ((maps.float().cpu() - low) / (high - low)).clamp(0, 1)
    found = (shares * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return found[..., 0] if found.shape[-1] == 1 else found


def _shrunk(
    maps: Float[Tensor, "step target row col"], side: int
) -> Float[Tensor, "step target _ _"]:
    if maps.shape[-1] <= side:
        return maps
    return torch.nn.functional.interpolate(
        maps.float(), size=(side, side), mode="bilinear", antialias=True
    )


def _stack(rows: Sequence[np.ndarray]) -> Image.Image:
    """Lay rows of tiles `step row col *colour` under one another, flush left."""
    lines = [np.concatenate(list(row), axis=1) for row in rows]
    high, wide = sum(map(len, lines)), max(line.shape[1] for line in lines)
    sheet = np.zeros((high, wide, *lines[0].shape[2:]), dtype=np.uint8)
    top = 0
    for line in lines:
        sheet[top : top + len(line), : line.shape[1]] = line
        top += len(line)
    return Image.fromarray(sheet)


def _picture_sheet(rows: Sequence[Float[Tensor, "step 3 height width"]], side: int) -> Image.Image:
    lines = []
    for images in rows:
        small = torch.nn.functional.interpolate(
            images.float(), size=(side, side), mode="bilinear", antialias=True
        ).clamp(0, 1)
        pixels = (small.permute(0, 2, 3, 1).cpu().numpy() * 255).round().astype(np.uint8)
        lines.append(np.concatenate(list(pixels), axis=1))
    return Image.fromarray(np.concatenate(lines, axis=0))
