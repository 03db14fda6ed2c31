"""The first pass: training batches labelled, folded into sums, and every probe fitted to the sums.

Each batch is generated, labelled, used and forgotten, so memory does not grow with the number of
images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ..core.arrays import normalise, to_grid
from ..core.properties import Property
from ..labelers import Labeler, known_maps, label
from ..models.layers import Layer
from ..models.traces import Trace
from ..probes.fitting import fit
from ..probes.moments import Cell, MeanMap, Moments, gather, merge
from ..probes.places import COUNT, fit_placed, waves
from ..probes.probes import Probe, ProbeKey, columns_of
from ..scores.sources import DECODER, LATENTS, TAUGHT, name_of
from .looks import Looks
from .pooling import Means

SHUFFLES = 2
"""How many times labels are given to other pictures."""


@dataclass(frozen=True)
class Sums:
    """What training pictures have added up to so far, and the labels of the last few of them."""

    images: int = 0
    moments: Mapping[Cell, Moments] = field(default_factory=dict)
    position: Mapping[str, MeanMap] = field(default_factory=dict)
    last: Float[Tensor, "shuffle target height width"] | None = None


@dataclass(frozen=True)
class Batch:
    """One traced batch with its labels, normalised, and everything that a probe may read.

    `pooled` holds activations averaged over places (see `pooling`), where classes are asked for.
    `looks` is what labelers saw in the picture so far on the way.
    `seconds` is what it took to make, by part (see `costs`).
    """

    trace: Trace
    labels: dict[str, Float[Tensor, "image _ height width"]]
    readable: dict[str, Float[Tensor, "step image _channel _row _col"]]
    pooled: Means = field(default_factory=dict)
    looks: Looks = field(default_factory=Looks)
    seconds: Mapping[str, float] = field(default_factory=dict)


def labelled(
    trace: Trace,
    labelers: Sequence[Labeler],
    properties: Sequence[Property],
    exact: Mapping[str, Float[Tensor, "image _ height width"]] | None = None,
    decoder: Float[Tensor, "step image channel lrow lcol"] | None = None,
) -> Batch:
    """Label a trace's final pictures, and lay latents beside activations.

    Exact labels take the labeler's place, and its own stand beside them, as `folded` names them.
    Pixels of which they are not finite are unknown, and stay so.

    Raises:
        LabelError: if labels are missing, of the wrong shape or out of range.
    """
    maps = label(labelers, properties, trace.images)
    labels = {each.name: normalise(each, maps[each.name]) for each in properties}
    if exact is not None:
        opinions = {TAUGHT + name: each for name, each in labels.items()}
        for each in properties:
            known = known_maps("The given pictures' folder", each, exact[each.name], trace.images)
            labels[each.name] = normalise(each, known).to(trace.images.device)
        labels |= opinions
    readable = {layer.name: each for layer, each in trace.activations.items()}
    for control, seen in trace.shadows.items():
        readable |= {name_of(control, "", layer.name)[1]: each for layer, each in seen.items()}
    half = trace.unconditional.items()
    readable |= {name_of("unconditional", "", layer.name)[1]: each for layer, each in half}
    readable |= dict(zip(LATENTS, (trace.latents, trace.estimates), strict=True))
    return Batch(trace, labels, readable if decoder is None else readable | {DECODER: decoder})


def folded(properties: Sequence[Property], *, are_exact: bool) -> tuple[Property, ...]:
    """List what `labelled` labels: where labels are exact, each again as the labeler has it."""
    taught = [replace(each, name=TAUGHT + each.name) for each in properties] if are_exact else []
    return (*properties, *taught)


def fold(
    batch: Batch,
    before: Float[Tensor, "shuffle target height width"] | None = None,
    onto: Mapping[Cell, Moments] | None = None,
) -> tuple[dict[Cell, Moments], Float[Tensor, "shuffle target height width"]]:
    """Fold a training batch into moments: columns of `joint_columns`, then those of `waves`.

    The k-th shuffle gives each picture the labels of the k-th picture before it, whatever the
    batches: hand each batch what the last one returned. Where there is no picture before, it is the
    very first one's labels, turned upside down.

    Returns:
        Moments, added to those of `onto`, and the labels of the last `SHUFFLES` pictures, the
        newest last.
    """
    labels = torch.cat(list(batch.labels.values()), dim=1)
    if before is None:
        before = labels[:1].flip(-2, -1).expand(SHUFFLES, -1, -1, -1)
    past = torch.cat([before, labels])
    others = [past[SHUFFLES - k : len(past) - k] for k in range(1, SHUFFLES + 1)]
    targets = torch.cat([labels, *others], dim=1)
    grids = {(each.shape[-2], each.shape[-1]) for each in batch.readable.values()}
    shrunk = {grid: beside_waves(targets, grid) for grid in grids}
    moments = gather(batch.readable, shrunk, onto)
    return moments, past[-SHUFFLES:]


def beside_waves(
    targets: Float[Tensor, "image target height width"], grid: tuple[int, int]
) -> Float64[Tensor, "image target2 row col"]:
    """Shrink label maps to a grid, and lay the waves of that grid beside them."""
    maps = to_grid(targets, grid).double()
    return torch.cat([maps, waves(grid).to(maps).expand(len(maps), -1, -1, -1)], dim=1)


def extend(sums: Sums, batch: Batch) -> Sums:
    """Add the next training batch. Batches are added one by one, so where a run was cut is lost."""
    moments, last = fold(batch, sums.last, sums.moments)
    means, so_far = mean_maps(batch), sums.position
    return Sums(
        images=sums.images + len(batch.trace.prompts),
        moments=moments,
        position={key: so_far[key] + means[key] for key in means} if so_far else means,
        last=last,
    )


def join(some: Sums, others: Sums) -> Sums:
    """Add the sums of the pictures that follow, whose shuffles knew the labels before them."""
    means = some.position
    return Sums(
        images=some.images + others.images,
        moments=merge(some.moments, others.moments),
        position={key: means[key] + each for key, each in others.position.items()}
        if means
        else others.position,
        last=others.last,
    )


def joint_columns(properties: Sequence[Property]) -> dict[str, slice]:
    """Name the target columns of `fold`: each property, then each again for every shuffle."""
    shuffled = [
        replace(each, name=name_of("shuffled", each.name, shuffle=k)[0])
        for k in range(SHUFFLES)
        for each in properties
    ]
    return columns_of([*properties, *shuffled])


def target_count(properties: Sequence[Property]) -> int:
    """Say how many columns beyond the channels the moments of `fold` have, waves included."""
    return (1 + SHUFFLES) * sum(each.targets for each in properties) + COUNT


def mean_maps(batch: Batch) -> dict[str, MeanMap]:
    """Average a batch's labels over its images."""
    return {name: MeanMap.of(maps) for name, maps in batch.labels.items()}


def fit_all(
    train: Mapping[Cell, Moments],
    validation: Mapping[Cell, Moments],
    properties: Sequence[Property],
    *,
    layers: Sequence[Layer],
) -> dict[ProbeKey, Probe]:
    """Fit every probe that is scored: of each cell its own, and of `layers` the controls too."""
    columns, targets = joint_columns(properties), target_count(properties)
    own = {each.name: columns[each.name] for each in properties}
    named = {layer.name: layer.grid for layer in layers}
    controls = {cell: each for cell, each in train.items() if cell[0] in named}
    others = {cell: each for cell, each in train.items() if cell[0] not in named}
    parts = (
        fit(controls, {cell: validation[cell] for cell in controls}, columns, targets=targets),
        fit(others, {cell: validation[cell] for cell in others}, own, targets=targets),
    )
    placed = fit_placed(controls, validation, own, targets=targets, grids=named)
    beside: dict[ProbeKey, Probe] = {}
    for (name, layer, step), probe in placed.items():
        kept, _ = name_of("probe+position", name, layer)
        beside[kept, layer, step] = replace(probe, property=kept)
    return {**parts[0], **parts[1], **beside}
