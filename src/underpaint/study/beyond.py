"""What layers know together, and what they know beyond the model's own prediction of the picture.

One more activation stands beside those of layers: `joint`, which holds the last layers, x̂₀ and its
neighbourhoods, a second reader of x̂₀ and swapped activations side by side (see `probes.joint`).
Its sums fold and merge as all others do, and every source here is a probe of some of its blocks.

Sources
    joint            the last layers together, and the place
    estimate linear  what x̂₀ says without the denoiser's activations, and the place
    beyond           a layer, or all of them, beside what is known: the score gained
    nested           each layer in running order, beside x̂₀ and all layers that ran before it
    beyond swapped   the same of a layer whose activations are given to other pictures
    beyond ensemble  the same of a second reader of x̂₀: what more columns alone would gain
    beyond shuffled  the same of all layers, fitted to other pictures' labels and scored so

In a study that is not thorough, only the last layer is swapped, and `nested` and `beyond shuffled`
are left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

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
from ..scores.sources import BY_NAME, JOINT, name_of, read_name
from .folding import Batch, joint_columns, target_count

KNOWN = "known"
"""The channels that hold what x̂₀ shows."""
READER = "estimate linear"
"""The source that reads those and the place: what gains are over."""
ALL = "all"
"""What stands for the layer's name where all of them are read together."""

SWAPPED = "swapped"
"""What stands before a layer's name where another picture's activations are its channels."""

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
    is_thorough: bool = False

    @property
    def swapped(self) -> tuple[Layer, ...]:
        """List the layers whose activations are given to other pictures too."""
        return self.layers if self.is_thorough else self.layers[-1:]

    @property
    def width(self) -> int:
        """Count the channels."""
        return self.blocks[-1].part.stop

    def of(self, *names: str) -> list[int]:
        """Number the channels of these blocks."""
        parts = {block.name: block.part for block in self.blocks}
        return [at for name in names for at in range(parts[name].start, parts[name].stop)]


def layout_of(
    layers: Sequence[Layer], *, latents: int, seen: int = 0, is_thorough: bool = False
) -> Layout:
    """Plan the joint activation of the last layers.

    Args:
        layers: In the order in which they run.
        latents: Channels of x̂₀.
        seen: Targets that labelers see in x̂₀; 0 if none look.
        is_thorough: Whether every layer gets its own control.
    """
    last = tuple(layers[-LAYERS:])
    rows = min(LARGEST, max(layer.grid[0] for layer in last))
    cols = min(LARGEST, max(layer.grid[1] for layer in last))
    widths = [(layer.name, min(layer.channels, WIDEST)) for layer in last]
    swapped = [(f"{SWAPPED} {name}", width) for name, width in widths]
    known = [(KNOWN, latents * LATENT_SIDE**2 + seen * LOOK_SIDE**2)]
    widths += [*known, ("ensemble", widths[-1][1]), *(swapped if is_thorough else swapped[-1:])]
    return Layout((rows, cols), last, blocks_of(widths), is_thorough)


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
    swapped = [each[partner] for each in parts[-len(layout.swapped) :]]
    return torch.cat([*parts, around, *looks, second, *swapped], dim=1)


def fit_joint(
    train: Mapping[Cell, Moments],
    tuning: Mapping[Cell, Moments],
    properties: Sequence[Property],
    layout: Layout,
) -> dict[ProbeKey, Probe]:
    """Fit every source of the joint activation, for every property and step; places are given."""
    targets, columns = target_count(properties), joint_columns(properties)
    end = layout.width + targets
    at = {
        name: list(range(layout.width, end))[part]
        for name, part in columns.items()
        if read_name(name, "").shuffle in (None, 0)
    }
    own = {each.name: at[each.name] for each in properties}
    others = {name: at[name] for name in at if name not in own} if layout.is_thorough else {}
    free = list(range(end - COUNT, end))
    alone = {KNOWN: layout.of(KNOWN), JOINT: layout.of(*(each.name for each in layout.layers))}
    ours, theirs, units = in_units(_of_joint(train), _of_joint(tuning), targets=targets)
    probes: dict[ProbeKey, Probe] = {}
    for cell, moments in ours.items():
        solve = partial(fit_beside, moments, theirs[cell], free=free)
        fits = solve(alone, known=[], targets={**own, **others})
        for (block, name), fit in fits.items():
            if block == JOINT and name in others:
                continue
            kept_as = _kept_as(READER if block == KNOWN else JOINT, name, JOINT)
            probes |= _as_probe(fit, alone[block], kept_as, cell[1], layout)
        for more, wanted in ((_added(layout), own), (_added_to_others(layout), others)):
            known = alone[KNOWN]
            added = solve(
                {f"{source}/{layer}": own_at for (source, layer), own_at in more.items()},
                known=known,
                targets=wanted,
                known_penalties={name: fits[KNOWN, name].penalty for name in wanted},
            )
            for ((source, layer), own_at), name in product(more.items(), wanted):
                kept_as = _kept_as(source, name, layer)
                fit = added[f"{source}/{layer}", name]
                probes |= _as_probe(fit, [*known, *own_at], kept_as, cell[1], layout)
    return _from_units(probes, units)


def _added(layout: Layout) -> dict[tuple[str, str], list[int]]:
    """Say which channels each source adds to what is known, by source and layer."""
    names = [layer.name for layer in layout.layers]
    more = {("beyond", name): layout.of(name) for name in names}
    more["beyond", ALL] = layout.of(*names)
    if layout.is_thorough:
        more |= {("nested", name): layout.of(*names[: at + 1]) for at, name in enumerate(names)}
    for layer in layout.swapped:
        more["beyond swapped", layer.name] = layout.of(f"{SWAPPED} {layer.name}")
    more["beyond ensemble", JOINT] = layout.of("ensemble")
    return more


def _added_to_others(layout: Layout) -> dict[tuple[str, str], list[int]]:
    """Say the same for shuffled labels."""
    return {("beyond shuffled", ALL): layout.of(*(layer.name for layer in layout.layers))}


def _kept_as(source: str, column: str, layer: str) -> tuple[str, str]:
    """Name a probe of a source after the column that it was fitted to."""
    found = read_name(column, "")
    return name_of(source, found.property, layer, shuffle=found.shuffle)


def gains(
    blocks: Mapping[ScoreKey, Float64[Tensor, "step image"]],
) -> dict[ScoreKey, Float64[Tensor, "step image"]]:
    """Turn scores of what is read beside x̂₀ into what is gained over x̂₀ alone.

    What is nested is gained over the layers before, in the order of `blocks`. A gain is above 0
    where the layer helps: of `rmse`, where less is better, it is what is lost. Shuffled labels have
    been compared already, each with the reader of the same ones.
    """
    found = dict(blocks)
    before: dict[tuple[str, str], Tensor] = {}
    for key, values in blocks.items():
        if key.source not in BY_NAME or not BY_NAME[key.source].is_gain:
            continue
        less = blocks.get(ScoreKey(READER, key.property, JOINT, key.metric))
        if key.source == "nested":
            less = before.get((key.property, key.metric), less)
            before[key.property, key.metric] = values
        if key.source == "beyond shuffled":
            less = torch.zeros_like(values)
        assert less is not None, "A gain is over the reader of x̂₀."
        found[key] = less - values if key.metric == "rmse" else values - less
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
