"""Blocks of scores laid out as the rows of `Scores`."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float64
from torch import Tensor

from ..core.errors import MetricError
from .scores import COLUMNS, ScoreKey, Scores


def tabulate(
    blocks: Mapping[ScoreKey, Float64[Tensor, "step image"]],
    *,
    images: Sequence[int],
    prompts: Sequence[str],
    splits: Sequence[str],
    seen: Mapping[ScoreKey, Sequence[int]] | None = None,
) -> Scores:
    """Lay blocks of scores out as rows.

    Args:
        blocks: Scores of the same images and steps, for each source, property, layer and metric.
            What does not change over steps (position, ceiling) is given at every step all the same.
        images: A number for each image, unlike any other's.
        prompts: The group of each image: what its prompt shares with equal prompts.
        splits: "train", "validation" or "test", for each image.
        seen: Of blocks that were not scored at every step, at which they were: others get no row.

    Raises:
        MetricError: if a block has other images than are named.
    """
    lengths = {len(images), len(prompts), len(splits)}
    for key, block in blocks.items():
        if (lengths | {block.shape[1]}) != {len(images)}:
            raise MetricError(
                f"Scores of {'/'.join(key)} cover {block.shape[1]} images; {len(images)} numbers, "
                f"{len(prompts)} prompts and {len(splits)} splits are named. Give one of each."
            )
    values = [block.cpu().numpy() for block in blocks.values()]
    sizes = np.array([block.size for block in values], dtype=int)
    steps = [np.repeat(np.arange(len(block)), len(images)) for block in values]
    count = sum(len(block) for block in values)  # of rows of blocks, each over all images
    columns: dict[str, object] = {
        name: _words([key[place] for key in blocks], repeats=sizes)
        for place, name in enumerate(ScoreKey._fields)
    }
    columns["step"] = np.concatenate([np.empty(0, dtype=int), *steps])
    columns["image"] = np.tile(np.asarray(images, dtype=int), count)
    columns["prompt"] = _words(list(prompts), tiles=count)
    columns["split"] = _words(list(splits), tiles=count)
    columns["value"] = np.concatenate([np.empty(0), *(block.ravel() for block in values)])
    rows = pd.DataFrame({name: columns[name] for name in COLUMNS})
    if not seen:
        return Scores(rows)
    is_seen = [
        np.repeat(np.isin(np.arange(len(block)), seen.get(key, range(len(block)))), len(images))
        for key, block in zip(blocks, values, strict=True)
    ]
    return Scores(rows.iloc[np.flatnonzero(np.concatenate(is_seen))].reset_index(drop=True))


def _words(words: list[str], *, repeats: np.ndarray | int = 1, tiles: int = 1) -> pd.Categorical:
    """Repeat words as categories, so that millions of rows hold small numbers, not strings."""
    names = sorted(set(words))
    place = {name: code for code, name in enumerate(names)}
    codes = np.array([place[word] for word in words], dtype=np.int32)
    return pd.Categorical.from_codes(np.tile(np.repeat(codes, repeats), tiles), categories=names)
