"""Render a training set, shard by shard, and read it back. A shard on disk is never drawn twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor

from .layouts import layout
from .render import SIZE_PX, render
from .words import HELD_OUT, TRAINING, Caption, parse

SHARD = 1000
TRUTH = {  # name: (first channel of `render`, channels, lowest, highest)
    "image": (0, 3, 0.0, 1.0),
    "saliency": (3, 1, 0.0, 1.0),
    "shading": (5, 1, 0.0, 1.0),
    "normals": (6, 3, -1.0, 1.0),
    "albedo": (9, 3, 0.0, 1.0),
}


@dataclass(frozen=True)
class Renders:
    """Pictures with their exact truth, as bytes until they are asked for.

    `truth` holds image, saliency, shading, normals and albedo, each scaled from its range to
    0..255; `depth` is inverse distance in 1 / room units. `classes` are object, colour, floor and
    light.
    """

    truth: dict[str, UInt8[Tensor, "image target height width"]]
    depth: Float[Tensor, "image 1 height width"]
    classes: Int[Tensor, "image 4"]

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, rows: Tensor) -> "Renders":
        rows = rows.to(self.classes.device)
        truth = {name: maps[rows] for name, maps in self.truth.items()}
        return Renders(truth, self.depth[rows], self.classes[rows])

    def picked(self, name: str, rows: Tensor) -> UInt8[Tensor, "image target height width"]:
        """Some rows of one kind of map as bytes, wherever the rows are named."""
        return self.truth[name][rows.to(self.classes.device)]

    def maps(self, name: str) -> Float[Tensor, "image target height width"]:
        """One kind of map as floats: normals in -1..1, the rest in 0..1, depth as it is."""
        if name == "depth":
            return self.depth.float()
        _, _, low, high = TRUTH[name]
        return self.truth[name].float() * ((high - low) / 255) + low


def draw(captions: list[Caption], *, seed: int, size: int = SIZE_PX) -> Renders:
    """Draw one scene for each caption, `size` pixels high and wide."""
    random = np.random.default_rng(seed)
    pictures = np.stack([render(layout(caption, random), size, 2) for caption in captions])
    pictures = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    truth = {
        name: (
            (pictures[:, first : first + count].clamp(low, high) - low) * (255 / (high - low))
        ).round().to(torch.uint8)
        for name, (first, count, low, high) in TRUTH.items()
    }  # fmt: skip
    classes = torch.tensor([caption.classes for caption in captions])
    return Renders(truth, pictures[:, 4:5].half(), classes)


def exact(
    texts: Sequence[str], seeds: Sequence[int], *, size: int
) -> dict[str, Float[Tensor, "image _ height width"]]:
    """Draw the scene of each caption from its own seed: the picture as "image", and every label.

    Raises:
        PromptError: if a text is not a caption of the rendered world.
    """
    scenes = [
        draw([parse(text)], seed=seed, size=size) for text, seed in zip(texts, seeds, strict=True)
    ]
    return {name: torch.cat([each.maps(name) for each in scenes]) for name in (*TRUTH, "depth")}


def draw_shard(path: Path, number: int, scenes: int) -> None:
    """Draw one shard into a file that is whole or not there; shard 0 is of held-out captions."""
    captions = TRAINING if number else sorted(HELD_OUT, key=str)
    chosen = np.random.default_rng([number, 1]).integers(len(captions), size=scenes)
    drawn = draw([captions[i] for i in chosen], seed=number)
    tensors = {**drawn.truth, "depth": drawn.depth, "classes": drawn.classes}
    unfinished = path.with_suffix(".part")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, unfinished)
    unfinished.rename(path)


def read_shards(paths: list[Path]) -> Renders:
    """Read shards back as one."""
    shards = [load_file(path) for path in paths]
    joined = {name: torch.cat([shard.pop(name) for shard in shards]) for name in list(shards[0])}
    depth, classes = joined.pop("depth"), joined.pop("classes")
    return Renders(joined, depth, classes)
