"""What layers know together, and what they know beyond the model's own prediction of the picture.

One more activation stands beside those of layers: `joint`, which holds the last layers, x̂₀ and its
neighbourhoods, a second reader of x̂₀ and swapped activations side by side (see `probes.joint`).
Its sums fold and merge as all others do, and every source here is a probe of some of its blocks.

Sources
    joint            the last layers together, and the place
    estimate linear  what x̂₀ says without the denoiser's activations, and the place
    beyond           a layer, or all of them, beside what is known: the score gained
    beyond swapped   the same of the last layer, its activations given to other pictures
    beyond ensemble  the same of a second reader of x̂₀: what more columns alone would gain
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ..core.properties import Property
from ..models.layers import Layer
from ..probes.beyond import Fit, fit_beside
from ..probes.fitting import from_units, in_units
from ..probes.joint import (
    REACH,
    Block,
    blocks_of,
    neighbours,
    onto,
    partners,
    projection,
    random_features,
)
from ..probes.moments import Cell, Moments
from ..probes.places import COUNT, waves
from ..probes.probes import Probe, ProbeKey
from ..scores.scores import ScoreKey
from ..scores.sources import BY_NAME, JOINT, name_of
from .folding import Batch, joint_columns, target_count

KNOWN = "known"
"""The channels that hold what x̂₀ shows."""
READER = "estimate linear"
"""The source that reads those and the place: what gains are over."""
ALL = "all"
"""What stands for the layer's name where all of them are read together."""

LATENT_SIDE = 2 * REACH + 1
"""Cells of a side of x̂₀ that are known at each place."""
LOOK_SIDE = 3
"""Cells of a side of what labelers see in x̂₀, where they look."""

LAYERS = 6
"""The most layers that are read together: the last ones, as they run."""
WIDEST = 48
"""Channels of a layer beyond which it is seen through so many directions drawn at random."""
LARGEST = 32
"""Cells of a side beyond which activations are averaged."""


@dataclass(frozen=True)
class Layout:
    """Where everything stands in the joint activation."""

    grid: tuple[int, int]
    layers: tuple[Layer, ...]
    blocks: tuple[Block, ...]

    @property
    def width(self) -> int:
        """Count the channels."""
        return self.blocks[-1].part.stop

    def of(self, *names: str) -> list[int]:
        """Number the channels of these blocks."""
        parts = {block.name: block.part for block in self.blocks}
        return [at for name in names for at in range(parts[name].start, parts[name].stop)]


def layout_of(layers: Sequence[Layer], *, latents: int, seen: int = 0) -> Layout:
    """Plan the joint activation of the last layers.

    Args:
        layers: In the order in which they run.
        latents: Channels of x̂₀.
        seen: Targets that labelers see in x̂₀; 0 if none look.
    """
    last = tuple(layers[-LAYERS:])
    rows = min(LARGEST, max(layer.grid[0] for layer in last))
    cols = min(LARGEST, max(layer.grid[1] for layer in last))
    widths = [(layer.name, min(layer.channels, WIDEST)) for layer in last]
    second = widths[-1][1]
    widths += [(KNOWN, latents * LATENT_SIDE**2 + seen * LOOK_SIDE**2)]
    widths += [("ensemble", second), ("swapped", second)]
    return Layout((rows, cols), last, blocks_of(widths))


def beside(
    batch: Batch,
    layout: Layout,
    seen: Mapping[str, Float[Tensor, "step image _ height width"]] | None = None,
) -> Batch:
    """Lay the joint activation beside a batch's others.

    Args:
        batch: With the activations of the layout's layers, and x̂₀.
        layout: As `layout_of` planned it.
        seen: What labelers see in x̂₀, by property; None if none look.
    """
    partner = partners([prompt.text for prompt in batch.trace.prompts])
    # What a labeler cannot say of x̂₀ is no news.
    shown = None if seen is None else torch.cat(list(seen.values()), dim=2).nan_to_num(0.0)
    steps = [
        _one_step(batch, layout, step, partner, None if shown is None else shown[step])
        for step in range(len(batch.readable["x_0"]))
    ]
    return replace(batch, readable={**batch.readable, JOINT: torch.stack(steps)})


def _one_step(
    batch: Batch, layout: Layout, step: int, partner: list[int], seen: Tensor | None
) -> Float[Tensor, "image channel row col"]:
    parts = []
    for number, layer in enumerate(layout.layers):
        maps = onto(batch.readable[layer.name][step].float(), layout.grid)
        narrow = projection(layer.channels, WIDEST, seed=number)
        if narrow is not None:
            maps = torch.einsum("ncij,cw->nwij", maps, narrow.to(maps))
        parts.append(maps)
    latent = onto(batch.readable["x_0"][step].float(), layout.grid)
    around = neighbours(latent)
    second = random_features(around, parts[-1].shape[1], seed=len(parts))
    looks = [] if seen is None else [neighbours(onto(seen.float(), layout.grid), LOOK_SIDE // 2)]
    return torch.cat([*parts, around, *looks, second, parts[-1][partner]], dim=1)


def fit_joint(
    train: Mapping[Cell, Moments],
    tuning: Mapping[Cell, Moments],
    properties: Sequence[Property],
    layout: Layout,
) -> dict[ProbeKey, Probe]:
    """Fit every source of the joint activation, for every property and step; places are given."""
    width, targets = layout.width, target_count(properties)
    columns = joint_columns(properties)
    wanted = {
        each.name: list(range(width, width + targets))[columns[each.name]] for each in properties
    }
    end = width + targets
    free = list(range(end - COUNT, end))
    names = [layer.name for layer in layout.layers]
    known = layout.of(KNOWN)
    more = {("beyond", name): layout.of(name) for name in names}
    more |= {
        ("beyond", ALL): layout.of(*names),
        ("beyond swapped", names[-1]): layout.of("swapped"),
        ("beyond ensemble", JOINT): layout.of("ensemble"),
    }
    ours, theirs, units = in_units(_of_joint(train), _of_joint(tuning), targets=targets)
    probes: dict[ProbeKey, Probe] = {}
    for cell, moments in ours.items():
        alone = fit_beside(
            moments,
            theirs[cell],
            {KNOWN: known, JOINT: layout.of(*names)},
            free=free,
            known=[],
            targets=wanted,
        )
        for (block, name), fit in alone.items():
            at = known if block == KNOWN else layout.of(*names)
            source = READER if block == KNOWN else JOINT
            probes |= _as_probe(fit, at, name_of(source, name, JOINT), cell[1], layout)
        added = fit_beside(
            moments,
            theirs[cell],
            {f"{source}/{layer}": at for (source, layer), at in more.items()},
            free=free,
            known=known,
            targets=wanted,
            known_penalties={name: alone[KNOWN, name].penalty for name in wanted},
        )
        for (source, layer), at in more.items():
            for name in wanted:
                fit = added[f"{source}/{layer}", name]
                kept_as = name_of(source, name, layer)
                probes |= _as_probe(fit, [*known, *at], kept_as, cell[1], layout)
    return _from_units(probes, units)


def gains(
    blocks: Mapping[ScoreKey, Float64[Tensor, "step image"]],
) -> dict[ScoreKey, Float64[Tensor, "step image"]]:
    """Turn scores of what is read beside x̂₀ into what is gained over x̂₀ alone.

    A gain is above 0 where the layer helps: of `rmse`, where less is better, it is what is lost.
    """
    found = dict(blocks)
    for key, values in blocks.items():
        if key.source in BY_NAME and BY_NAME[key.source].is_gain:
            less = values - blocks[ScoreKey(READER, key.property, JOINT, key.metric)]
            found[key] = -less if key.metric == "rmse" else less
    return found


def _of_joint(moments: Mapping[Cell, Moments]) -> dict[Cell, Moments]:
    return {cell: each for cell, each in moments.items() if cell[0] == JOINT}


def _from_units(
    probes: Mapping[ProbeKey, Probe], units: Mapping[Cell, Tensor]
) -> dict[ProbeKey, Probe]:
    """Let probes read channels as they are; all of them read the one joint activation."""
    scale = {key[1:]: units[JOINT, key[2]] for key in probes}
    return from_units(probes, scale)


def _as_probe(
    fit: Fit,
    channels: Sequence[int],
    kept_as: tuple[str, str],
    step: int,
    layout: Layout,
) -> dict[ProbeKey, Probe]:
    """Lay a fit out as a probe of the whole joint activation: 0 where it does not look."""
    places, own = fit.weights[:COUNT], fit.weights[COUNT:]
    weight = own.new_zeros(layout.width, own.shape[1])
    weight[list(channels)] = own
    probe = Probe(
        layer=kept_as[1],
        step=step,
        property=kept_as[0],
        weight=weight,
        bias=fit.bias,
        penalty=fit.penalty,
        place=torch.einsum("wrc,wt->trc", waves(layout.grid).to(own), places),
    )
    return {(*kept_as, step): probe}
