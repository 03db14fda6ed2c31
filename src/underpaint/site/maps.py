"""Maps of a few prompts, at every step and layer, packed into sheets of tiles.

A sheet is one image of a grid of tiles: a column for each step, rows of sources or layers. Maps are
grey: the page colours them, so that light, dark and print share one file. A byte means
`low + (high - low) * byte / 255`, with low and high from the label of that picture, so that one
colour is one value in every map of it; what is unknown is 0. A mask's reading is bent: its
threshold lies at 127.5. Three targets are red, green and blue.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ..core.pictures import resized
from ..core.properties import COLOUR_RANGES, Property
from ..study.showing import Shown, fine

SHARES = (0.01, 0.99)
"""Which quantiles of a label become black and white: a few odd pixels would flatten the rest."""


@dataclass(frozen=True, eq=False)
class Sheets:
    """One prompt's sheets by file name, and what a reader of them must know."""

    images: dict[str, Image.Image]
    notes: dict[str, Any]


def draw_sheets(shown: Shown, properties: Sequence[Property]) -> Sheets:
    """Pack what each source says of a picture.

    Properties of neither one nor three targets are left out: a map of theirs has no colours.
    """
    noisy, clean = (fine(shown.pictures[source]) for source in ("image", "estimate"))
    side = noisy.shape[-1]
    images = {"pictures.webp": _picture_sheet([noisy, clean], side)}
    notes: dict[str, Any] = {"pictures": {"file": "pictures.webp", "side": side}, "maps": {}}
    for each in properties:
        if each.targets not in (1, 3):
            continue
        name = each.name
        maps = {
            source: fine(shown.maps[name, source])
            for source in ("image", "estimate", "label", "position")
        }
        low, high = _range(each, maps["label"])
        map_side = maps["image"].shape[-1]
        tiles = {source: resized(each, (map_side, map_side)) for source, each in maps.items()}
        label = torch.cat([tiles["label"], tiles["position"]])
        rows = [tiles["image"], tiles["estimate"], label]
        images[f"{name}.webp"] = _stack([_as_bytes(row, low, high) for row in rows])
        by_layer = [_bent(each, shown, layer.name, low, high) for layer in shown.layers]
        images[f"{name}-probe.webp"] = _stack(by_layer)
        notes["maps"][name] = {
            "file": f"{name}.webp",
            "side": map_side,
            "probe": f"{name}-probe.webp",
            "targets": each.targets,
            "low": low,
            "high": high,
        }
    # As they are read here: a grid finer than a map's side was shrunk.
    name = properties[0].name
    grids = [[x.name, *shown.read[name, x.name].bytes.shape[2:]] for x in shown.layers]
    return Sheets(images, {**notes, "grids": grids})


def _bent(property: Property, shown: Shown, layer: str, low: float, high: float) -> np.ndarray:
    maps = fine(shown.read[property.name, layer])
    if not property.is_binary:
        return _as_bytes(maps, low, high)
    spread = maps.std(dim=(2, 3), correction=0, keepdim=True).clamp(min=1e-6)
    cuts = shown.cuts[property.name, layer].float()[:, None, None, None]
    return _as_bytes(0.5 + 0.5 * torch.tanh((maps - cuts) / spread), 0.0, 1.0)


def _range(property: Property, maps: Float[Tensor, "image target row col"]) -> tuple[float, float]:
    if property.is_binary:
        return 0.0, 1.0
    if property.name in COLOUR_RANGES:
        return COLOUR_RANGES[property.name]
    low, high = np.nanquantile(maps.numpy(), SHARES)
    # A flat label has no range; any will do.
    return (float(low), float(high)) if high > low else (float(low) - 1, float(low) + 1)


def _as_bytes(maps: Float[Tensor, "step target row col"], low: float, high: float) -> np.ndarray:
    """Give `step row col` of one target, `step row col 3` of three."""
    shares = ((maps - low) / (high - low)).clamp(0, 1).nan_to_num(0.0)
    found = (shares * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return found[..., 0] if found.shape[-1] == 1 else found


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


def _picture_sheet(rows: Sequence[Float[Tensor, "step 3 row col"]], side: int) -> Image.Image:
    lines = []
    for images in rows:
        small = resized(images, (side, side)).clamp(0, 1)
        pixels = (small.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
        lines.append(np.concatenate(list(pixels), axis=1))
    return Image.fromarray(np.concatenate(lines, axis=0))
