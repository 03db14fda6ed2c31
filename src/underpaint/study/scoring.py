"""The second pass: held-out batches scored by every source, each on the same images as the others.

What sources there are, and what each sees, is declared in `scores.sources`; `SCORERS` here lay out
their maps. All that probes read comes from one of them, which goes by the probes' names.

Fitted to others' labels but judged by a picture's own, a probe is not at chance. Others' labels
still say where objects usually are, and there they are: so whatever tells objects from ground
regresses on them with a slope that is tiny and of the right sign, and neither Dice after a
threshold nor a correlation sees how tiny. Judged by the labels that it was fitted to, it says what
a probe, a threshold and a layer chosen alike can find where there is nothing but the place.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from ..core.arrays import to_grid
from ..core.properties import Property
from ..labelers import Labeler
from ..models import Model
from ..models.layers import Layer
from ..probes.moments import Cell, MeanMap
from ..probes.probes import Probe, ProbeKey, read_steps
from ..probes.recipes import MlpProbe
from ..probes.trained import TrainedProbe
from ..scores.metrics import METRICS, Truth, best_threshold, dice, foreground, prepare
from ..scores.scores import KNOWN, LABELS, ScoreKey
from ..scores.sources import JOINT, TAUGHT, is_gain, name_of, property_of, read_name
from .beyond import READER, gains
from .folding import SHUFFLES, Batch
from .looks import look

AnyProbe = Probe | MlpProbe | TrainedProbe

Wrong = Mapping[str, Float[Tensor, "shuffle image _ height width"]]
"""Other pictures' labels, by property, that stand for each picture's own."""

Part = tuple[Tensor, Tensor | float | None, Truth]
"""Maps, where they become a mask, and the labels that they are held against."""


@dataclass(frozen=True)
class Reading:
    """Maps by one source at one layer, "" where it reads none.

    Of several parts the mean score is kept. A gain gives the score of `less` too, which is taken
    off. `steps` are those of the maps, where not every step has one.
    """

    source: str
    layer: str
    parts: Sequence[Part]
    less: Sequence[Part] = ()
    steps: Sequence[int] | None = None


@dataclass(frozen=True)
class HeldOut:
    """One held-out batch, with all that scorers of one property go by."""

    batch: Batch
    layers: Sequence[Layer]
    read_maps: Mapping[tuple[str, str], Float[Tensor, "step image _ _ _"]]
    thresholds: Mapping[tuple[str, str], Float64[Tensor, "step"]]
    position: Mapping[str, MeanMap]
    wrong: Wrong
    looked_at: Mapping[str, Mapping[str, Tensor]]
    """What the labeler sees in the picture so far, by source and property."""
    truth: Truth
    """The labels of the property that is being scored."""
    looked_at_steps: Sequence[int] | None = None
    """The steps of `looked_at`, where not every step was looked at."""

    def cut(self, name: str, layer: str) -> Float64[Tensor, "step 1 1 1 1"] | None:
        """Give where what is kept under these names becomes a mask; None if it does not."""
        found = self.thresholds.get((name, layer))
        return None if found is None else found[:, None, None, None, None]


Scorer = Callable[[Property, HeldOut], Iterator[Reading]]


def strangers(
    texts: Sequence[str], others: Sequence[str], *, first: int
) -> Int[Tensor, "shuffle image"]:
    """Choose, for each picture, the pictures whose labels stand for its own.

    They are the next of the `others`, in a ring, that were drawn from another text; where all have
    the same text, the next ones.

    Args:
        texts: Of the pictures, in one spelling.
        others: Of the pictures to choose from.
        first: The place of the first of `texts` in its own split, where its ring begins.
    """
    chosen = []
    for place, text in enumerate(texts, start=first):
        ring = [(place + step) % len(others) for step in range(1, len(others) + 1)]
        ring = [at for at in ring if others[at] != text] or ring
        chosen.append([ring[k % len(ring)] for k in range(SHUFFLES)])
    return torch.tensor(chosen).T


def readings(
    probes: Mapping[ProbeKey, Probe] | Mapping[ProbeKey, AnyProbe], batch: Batch
) -> dict[tuple[str, str], Float[Tensor, "step image _ _ _"]]:
    """Read every property from every layer: `step image target row col` by (property, layer)."""
    of_cell: dict[Cell, dict[tuple[str, str], AnyProbe]] = {}
    for (name, layer, step), each in probes.items():
        # Many probes, of one layer or another, read the one joint activation.
        shown = JOINT if layer.startswith(f"{JOINT} ") else layer
        of_cell.setdefault((shown, step), {})[name, layer] = each
    found: dict[tuple[str, str], Tensor] = {}
    for layer, activation in batch.readable.items():
        own = [of_cell.get((layer, step), {}) for step in range(len(activation))]
        linear = [{name: x for name, x in each.items() if isinstance(x, Probe)} for each in own]
        maps: dict[tuple[str, str], Tensor] = dict(read_steps(linear, activation))
        for name in (name for name in own[0] if name not in linear[0]):
            maps[name] = torch.stack(
                [each[name](x).float() for each, x in zip(own, activation, strict=True)]
            )
        found |= {name: maps[name] for name in own[0]}
    return found


def choose_thresholds(
    properties: Sequence[Property],
    read_maps: Mapping[tuple[str, str], Float[Tensor, "step image _ _ _"]],
    labels: Mapping[str, Float[Tensor, "image _ height width"]],
    position: Mapping[str, MeanMap],
    wrong: Wrong,
) -> dict[tuple[str, str], Float64[Tensor, "step"]]:
    """Choose where a reading becomes a mask, for the best Dice on validation images.

    Readings of shuffled labels are held against the labels of others too.

    Returns:
        Thresholds by (property, layer), those of `position` under the layer "".
    """
    thresholds = {}
    for each in properties:
        if not each.is_binary:
            continue
        truth = prepare(labels[each.name])
        others = [prepare(one) for one in wrong[each.name]]
        for (name, layer), maps in read_maps.items():
            if property_of(name) == each.name:
                k = read_name(name, layer).shuffle
                thresholds[name, layer] = best_threshold(maps, truth if k is None else others[k])
        steps = max(map(len, read_maps.values()))
        flat = position[each.name].mean.expand(len(truth.labels), -1, -1, -1)
        thresholds[each.name, ""] = best_threshold(flat, truth).expand(steps)
    return thresholds


def score(
    model: Model,
    labelers: Sequence[Labeler],
    properties: Sequence[Property],
    batch: Batch,
    *,
    layers: Sequence[Layer],
    read_maps: Mapping[tuple[str, str], Float[Tensor, "step image _ _ _"]],
    thresholds: Mapping[tuple[str, str], Float64[Tensor, "step"]],
    position: Mapping[str, MeanMap],
    wrong: Wrong,
    drawn: bool,
) -> dict[ScoreKey, Float64[Tensor, "step image"]]:
    """Score every source on one held-out batch.

    The latents of every step are `drawn` and labelled, for image and estimate, if asked. Nothing is
    chosen for those two, so only test pictures are worth it: it is most of what scoring costs.
    """
    trace = batch.trace
    shown = {"image": trace.latents, "estimate": trace.estimates} if drawn else {}
    return score_beside(
        properties,
        batch,
        look(model, labelers, properties, shown).maps,
        layers=layers,
        read_maps=read_maps,
        thresholds=thresholds,
        position=position,
        wrong=wrong,
    )


def score_beside(
    properties: Sequence[Property],
    batch: Batch,
    looked_at: Mapping[str, Mapping[str, Float[Tensor, "look image _ height width"]]],
    *,
    layers: Sequence[Layer],
    read_maps: Mapping[tuple[str, str], Float[Tensor, "step image _ _ _"]],
    thresholds: Mapping[tuple[str, str], Float64[Tensor, "step"]],
    position: Mapping[str, MeanMap],
    wrong: Wrong,
    looked_at_steps: Sequence[int] | None = None,
) -> dict[ScoreKey, Float64[Tensor, "step image"]]:
    """Score every source on one held-out batch, beside what labelers saw (see `looks`).

    Where they looked at some steps alone, `looked_at_steps`, scores of the others are NaN.
    """
    trace = batch.trace
    blocks: dict[ScoreKey, Tensor] = {}
    for each in properties:
        truth = prepare(batch.labels[each.name], position=position[each.name].mean)
        held = HeldOut(
            batch,
            layers,
            read_maps,
            thresholds,
            position,
            wrong,
            looked_at,
            truth,
            looked_at_steps,
        )
        for reading in (one for scorer in SCORERS for one in scorer(each, held)):
            values = _values(each, reading.parts)
            if reading.less:
                less = _values(each, reading.less)
                values = {metric: ours - less[metric] for metric, ours in values.items()}
            for metric, found in values.items():
                over_steps = _over_steps(found, len(trace.timesteps), reading.steps)
                key = ScoreKey(reading.source, each.name, reading.layer, metric)
                blocks[key] = over_steps
        if truth.singles:
            known = truth.labels.isnan().logical_not().double().mean(dim=(1, 2, 3))
            known = known.expand(len(trace.timesteps), -1)
            blocks[ScoreKey(LABELS, each.name, "", KNOWN)] = known
    # One copy for all: a GPU is waited for once.
    return gains(dict(zip(blocks, torch.stack(list(blocks.values())).cpu(), strict=True)))


def _over_steps(
    found: Float64[Tensor, "*step image"], count: int, steps: Sequence[int] | None
) -> Float64[Tensor, "step image"]:
    """Give scores of every step: those of all steps repeated, those of some beside NaN."""
    if found.ndim == 1 or (len(found) == 1 < count and steps is None):
        return found.expand(count, -1)
    if steps is None:
        return found
    whole = found.new_full((count, found.shape[1]), torch.nan)
    whole[list(steps)] = found
    return whole


def _values(property: Property, parts: Sequence[Part]) -> dict[str, Float64[Tensor, "*step image"]]:
    """Score maps by every metric of a property; of several, give the mean."""
    masks = [(maps if cut is None else maps > cut, own) for maps, cut, own in parts]
    return {
        metric: torch.stack([METRICS[metric](maps, own) for maps, own in masks]).mean(dim=0)
        for metric in property.metrics
    }


def _by_probes(property: Property, held: HeldOut) -> Iterator[Reading]:
    """Lay out what probes read; of shuffled labels, held against the labels they were given."""
    place = held.position[property.name].mean
    others = [prepare(one, position=place) for one in held.wrong[property.name]]
    shuffled: dict[tuple[str, str], list[Part]] = {}
    for (name, layer), maps in held.read_maps.items():
        found, cut = read_name(name, layer), held.cut(name, layer)
        if found.property != property.name:
            continue
        if found.shuffle is None:
            yield Reading(found.source, found.layer, [(maps, cut, held.truth)])
        else:
            part = (maps, cut, others[found.shuffle])
            shuffled.setdefault((found.source, found.layer), []).append(part)
    reader = shuffled.pop((READER, JOINT), [])
    for (source, layer), parts in shuffled.items():
        yield Reading(source, layer, parts, less=reader if is_gain(source) else ())


def _by_looks(property: Property, held: HeldOut) -> Iterator[Reading]:
    """Lay out what the labeler sees in the picture so far."""
    half = 0.5 if property.is_binary else None
    for source, maps in held.looked_at.items():
        chosen = held.cut(property.name, source)
        steps = held.looked_at_steps
        at = half if chosen is None else chosen if steps is None else chosen[list(steps)]
        yield Reading(source, "", [(maps[property.name], at, held.truth)], steps=steps)


def _by_opinion(property: Property, held: HeldOut) -> Iterator[Reading]:
    """Lay out, where labels are exact, what the labeler says and what a probe of that reads."""
    name = TAUGHT + property.name
    if (opinion := held.batch.labels.get(name)) is None:
        return
    own = prepare(opinion, position=held.position[name].mean)
    yield Reading("labeler", "", [(opinion, 0.5 if property.is_binary else None, held.truth)])
    for layer in held.layers:
        key = name_of("probe", name, layer.name)
        maps, cut = held.read_maps[key], held.cut(*key)
        yield Reading("taught", layer.name, [(maps, cut, held.truth)])
        yield Reading("judged", layer.name, [(maps, cut, own)])


def _by_place(property: Property, held: HeldOut) -> Iterator[Reading]:
    """Lay out the mean label map, the same for every picture."""
    labels = held.truth.labels
    at = held.thresholds.get((property.name, ""))
    flat = held.position[property.name].mean.to(labels.device).expand(len(labels), -1, -1, -1)
    yield Reading("position", "", [(flat, None if at is None else float(at[0]), held.truth)])


def _by_ceilings(property: Property, held: HeldOut) -> Iterator[Reading]:
    """Lay out the labels themselves, shrunk to each layer's grid."""
    truth = held.truth
    exact = foreground(truth.labels) if property.is_binary else truth.labels
    shrunk = {layer.grid: to_grid(exact.double(), layer.grid) for layer in held.layers}
    best = {grid: _best_cut(property, maps, truth) for grid, maps in shrunk.items()}
    for layer in held.layers:
        yield Reading("ceiling", layer.name, [(shrunk[layer.grid], best[layer.grid], truth)])


SCORERS: tuple[Scorer, ...] = (_by_probes, _by_looks, _by_opinion, _by_place, _by_ceilings)
"""In the order of scores. A source that no probe reads is one more of these."""


def _best_cut(
    property: Property, shares: Float[Tensor, "image target row col"], truth: Truth
) -> Float64[Tensor, "image 1 1 1"] | None:
    """Find, per image, the cut of a mask's cell shares that no mask of that grid can beat in Dice.

    The best mask holds the cells of which more than half the best Dice is foreground, so each
    round's Dice gives the next one's cut, and never a worse one (Dinkelbach 1967).
    """
    if not property.is_binary:
        return None
    cut = torch.full((len(shares), 1, 1, 1), 0.5, dtype=torch.float64, device=shares.device)
    for _ in range(8):
        cut = (dice(shares > cut, truth) / 2).nan_to_num(0.5)[:, None, None, None]
    return cut
