"""Pictures made without a property: the causal test that needs no target.

An edit asks for something; erasure only takes away. From the moments that probes are solved from,
LEACE gives the least change of activations after which no affine reading of a property is better
than its mean (`erasers`). What pictures made so lose is set beside pictures that lost a random
subspace of the same rank and the same variance, for each range of steps.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from .. import labelers
from ..core.progress import Progress
from ..core.prompts import Prompt
from ..core.properties import PROPERTIES
from ..models.traces import trace
from ..probes.moments import Cell
from ..scores.intervals import interval
from ..scores.metrics import METRICS, prepare
from ..scores.sets import paired_distances
from ..scores.summaries import for_json
from .aims import labels_of
from .erasers import Eraser, erasers_of, erasing_taps, leace, random_like
from .naming import still_named
from .setups import Setup

MEASURED = ("psnr", "kid", "object_kept", "colour_kept")
"""What is said of a picture beside how like each of its maps still is."""


@dataclass(frozen=True)
class Erasing:
    """One way to erase, as each of its rows names it.

    Args:
        property: What is erased.
        prompts: "test", "20 of validation".
        control: "none" for LEACE, "random" for a subspace of the same rank and variance.
        first_step: From 0, as `last_step`.
        layers: As the glob that chose them.
        seed: Of the random subspaces.
    """

    property: str
    prompts: str
    control: str
    first_step: int
    last_step: int
    layers: str
    seed: int = 0


def erase_all(
    setup: Setup,
    wanted: Sequence[Erasing],
    prompts: Sequence[Prompt],
    columns: Mapping[str, slice],
    progress: Progress,
) -> pd.DataFrame:
    """Make each prompt's picture as it is and with each erasure, and say what became of it.

    Args:
        setup: The model, its labelers and moments; `layers` are erased from.
        wanted: Ways to erase; all meet the same pictures.
        prompts: Whose pictures.
        columns: Which columns of y in the moments are whose.
        progress: Told of pictures.

    Returns:
        A row for each prompt and way, with the columns of `Erasing`, `image`, `prompt`, `rank` (the
        mean of the erased subspaces), `psnr`, `kid`, `object_kept`, and for each property
        `same_NAME`: its first metric of the new picture's map with that of the untouched one.
    """
    made = [_erasers(setup, each, columns) for each in wanted]
    rows: list[pd.DataFrame] = []
    features: list[tuple[Tensor, Tensor]] = []
    done = 0
    for first in range(0, len(prompts), setup.batch):
        part = prompts[first : first + setup.batch]
        plain = trace(setup.model, part, steps=setup.steps, guidance=setup.guidance).images
        for number, (way, erasers) in enumerate(zip(wanted, made, strict=True)):
            taps = erasing_taps(erasers, layers=setup.layers, images=len(part))
            after = trace(
                setup.model, part, steps=setup.steps, guidance=setup.guidance, edits=taps
            ).images
            table = _rows(setup, part, plain, after, list(columns))
            ranks = [own.read.shape[1] for own, _ in erasers.values()]
            rank = sum(ranks) / len(ranks)
            rows.append(table.assign(**asdict(way), rank=rank, way=number))
            done += len(part)
            progress("erased pictures", done, len(prompts) * len(wanted))
            features += _features(setup, plain, after)
    table = pd.concat(rows, ignore_index=True).assign(kid=math.nan)
    if features:
        was, now = (torch.cat(each) for each in zip(*features, strict=True))
        for _, places in table.groupby("way", sort=False).indices.items():
            table.loc[places, "kid"] = paired_distances(was[places], now[places]).cpu().numpy()
    return table.drop(columns="way")


def _erasers(
    setup: Setup, way: Erasing, columns: Mapping[str, slice]
) -> dict[Cell, tuple[Eraser, Eraser]]:
    anywhere = random_like(torch.Generator().manual_seed(way.seed))
    return erasers_of(
        setup.moments,
        columns[way.property],
        leace if way.control == "none" else anywhere,
        layers=setup.layers,
        steps=range(way.first_step, way.last_step + 1),
    )


def _features(setup: Setup, before: Tensor, after: Tensor) -> list[tuple[Tensor, Tensor]]:
    namer = setup.namers.get("object")
    if namer is None:
        return []
    return [(labelers.features_of(namer, before), labelers.features_of(namer, after))]


def _rows(
    setup: Setup,
    prompts: Sequence[Prompt],
    before: Float[Tensor, "image 3 height width"],
    after: Float[Tensor, "image 3 height width"],
    names: Sequence[str],
) -> pd.DataFrame:
    """Compare pictures with the untouched ones of the same seeds."""
    was, now = (labels_of(setup.labelers, each, names) for each in (before, after))
    squared = (after.double() - before.double()).square().mean(dim=(1, 2, 3))
    table = pd.DataFrame(
        {
            "image": [prompt.index or 0 for prompt in prompts],
            "prompt": [prompt.group for prompt in prompts],
            "psnr": (-10 * squared.log10()).cpu().numpy(),
        }
    )
    for name in names:
        property = PROPERTIES[name]
        found = now[name] > 0.5 if property.is_binary else now[name]
        metric = METRICS[property.metrics[0]]
        table[f"same_{name}"] = metric(found, prepare(was[name])).cpu().numpy()
    for what, namer in setup.namers.items():
        table[f"{what}_kept"] = still_named(namer, prompts, before, after).cpu().numpy()
    return table


def summarise_erasures(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Give the `erase` part of `underpaint show --json`: an entry for each property and span.

    `same` has for each property how like the untouched picture's its map still is, where the
    property was erased and where a random subspace was, and `lost`, by how much less like: paired,
    with intervals over prompts. `kid` and `object_kept` likewise. Steps are numbered from 1.
    """
    keys = [name for name in Erasing.__dataclass_fields__ if name != "control"]
    plain = rows.astype(dict.fromkeys(keys, object))  # numpy's numbers are not JSON's
    found: list[dict[str, Any]] = []
    for key, own in plain.groupby(keys, sort=False):
        way: dict[str, Any] = dict(zip(keys, cast(tuple, key), strict=True))
        found.append(_entry(way, own))
    return found


def _entry(way: dict[str, Any], rows: pd.DataFrame) -> dict[str, Any]:
    erased, random = (
        pd.DataFrame(rows[rows["control"] == each]).sort_values("image")
        for each in ("none", "random")
    )
    prompts = erased["prompt"].to_list()
    entry: dict[str, Any] = dict(way)
    entry["steps"] = [entry.pop("first_step") + 1, entry.pop("last_step") + 1]
    entry["images"] = len(erased)
    entry["rank"] = float(erased["rank"].to_numpy().mean())
    measured = [name for name in rows.columns if name.startswith("same_") or name in MEASURED]
    for name in measured:
        own, other = (each[name].to_numpy(dtype=np.float64) for each in (erased, random))
        found = {"erased": own, "random": other, "lost": other - own}
        entry[name] = {
            word: for_json(interval(np.where(np.isfinite(x), x, np.nan), prompts))
            for word, x in found.items()
        }
    return entry
