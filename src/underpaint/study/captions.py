"""The source that reads the caption alone: its embedding at every place, before any noise.

What a caption says of a place is not the same everywhere, so each channel of the embedding meets
each wave of the place. The result is laid out as one more activation, of a single step. The place
itself is never penalised, and a penalty may be as good as infinite: then captions say nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.properties import Property
from ..models.texts import embed
from ..probes.fitting import RELATIVE_PENALTIES
from ..probes.joint import projection
from ..probes.moments import Cell, Moments
from ..probes.places import fit_placed, waves
from ..probes.probes import Probe, ProbeKey
from ..scores.sources import TEXT
from .folding import Batch, joint_columns, target_count
from .study import Study

DIRECTIONS = 24
"""Channels of an embedding beyond which it is seen through so many directions drawn at random."""
SIDE = 16
"""Cells of a side of the grid that is read: the waves are smooth."""
STRONGER = tuple(10.0**exponent for exponent in range(1, 7))
"""Penalties beyond those of layers: few pictures say little of so many columns."""


def with_caption(study: Study, batch: Batch) -> Batch:
    """Lay what captions say beside a batch's activations, if it is a source."""
    if not study.sees_text:
        return batch
    states = embed(study.model, [prompt.text for prompt in batch.trace.prompts])
    if states is None:
        return batch
    return replace(batch, readable={**batch.readable, TEXT: placed(states)[None]})


def fit_captions(
    train: Mapping[Cell, Moments], tuning: Mapping[Cell, Moments], properties: Sequence[Property]
) -> dict[ProbeKey, Probe]:
    """Fit every property to captions and the place; nothing where captions were not read."""
    if (TEXT, 0) not in train:
        return {}
    ours, theirs = ({(TEXT, 0): each[TEXT, 0]} for each in (train, tuning))
    columns = joint_columns(properties)
    return fit_placed(
        ours,
        theirs,
        {each.name: columns[each.name] for each in properties},
        targets=target_count(properties),
        grids={TEXT: (SIDE, SIDE)},
        relative_penalties=(*RELATIVE_PENALTIES, *STRONGER),
    )


def placed(states: Float[Tensor, "image channel"]) -> Float[Tensor, "image channel2 row col"]:
    """Multiply each channel of an embedding with each wave of the place, the constant one too."""
    narrow = projection(states.shape[1], DIRECTIONS, seed=0)
    seen = states if narrow is None else states @ narrow.to(states)
    place = waves((SIDE, SIDE)).to(seen)
    place = torch.cat([torch.ones_like(place[:1]), place])
    return torch.einsum("nc,wij->ncwij", seen, place).flatten(1, 2)
