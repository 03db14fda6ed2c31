"""The second pass: held-out batches scored by every source, each on the same images as the others.

Sources
    probe           one layer's activation, one linear map
    probe+position  the same with smooth functions of the place beside the activation
    latent          the same on x_t and on the estimate of x_0, as layers "x_t" and "x_0"
    vae             the same on the attention in the middle of the VAE's decoder, shown x_t
    shuffled        the same as probe, each picture having another's labels, in training, choosing
                    and scoring alike: the mean over `SHUFFLES`
    random          the same as probe on the denoiser with its weights permuted, shown the same x_t
    untrained       the same on one with fresh random weights
    unconditional   the same as probe on the unconditional half of the guidance batch
    image           the labeler on decoded x_t
    estimate        the labeler on the decoded estimate of x_0
    position        the mean label map of the training pictures
    ceiling         the label shrunk to the layer's grid and back; of masks, the best it can hold
    a recipe's name the same as probe, fitted by that recipe (see `recipes`)

Where pictures have exact labels (see `given`), three more say what a labeler's error is worth:
    labeler         the labeler on the clean picture
    taught          the same as probe, fitted to the labeler's labels: what it knows of the truth
    judged          the same probe, held against the labeler's labels instead

Fitted to others' labels but judged by a picture's own, a probe is not at chance. Others' labels
still say where objects usually are, and there they are: so whatever tells objects from ground
regresses on them with a slope that is tiny and of the right sign, and neither Dice after a
threshold nor a correlation sees how tiny. Judged by the labels that it was fitted to, it says what
a probe, a threshold and a layer chosen alike can find where there is nothing but the place.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

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
from ..probes.recipes import RECIPES, MlpProbe
from ..scores.metrics import METRICS, Truth, best_threshold, dice, prepare
from ..scores.scores import ScoreKey
from ..scores.summaries import BESIDE
from .folding import DECODER, PLACED, SHUFFLES, TAUGHT, UNCONDITIONAL, Batch
from .looks import look

LATENTS = ("x_t", "x_0")
CONTROLS = ("random", "untrained")
"""Denoisers that know nothing, and what stands before a layer's name where it is theirs."""

AnyProbe = Probe | MlpProbe

Wrong = Mapping[str, Float[Tensor, "shuffle image _ height width"]]
"""Other pictures' labels, by property, that stand for each picture's own."""

Reading = tuple[str, str, Sequence[tuple[Tensor, Tensor | float | None, Truth]]]
"""Source, layer, and maps, each with its cut and its truth: of several, the mean score is kept."""


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
    of_cell: dict[Cell, dict[str, AnyProbe]] = {}
    for (name, layer, step), each in probes.items():
        of_cell.setdefault((layer, step), {})[name] = each
    found: dict[tuple[str, str], Tensor] = {}
    for layer, activation in batch.readable.items():
        own = [of_cell.get((layer, step), {}) for step in range(len(activation))]
        linear = [{name: x for name, x in each.items() if isinstance(x, Probe)} for each in own]
        maps: dict[str, Tensor] = dict(read_steps(linear, activation))
        for name in (name for name in own[0] if name not in linear[0]):
            maps[name] = torch.stack(
                [each[name](x).float() for each, x in zip(own, activation, strict=True)]
            )
        found |= {(name, layer): maps[name] for name in own[0]}
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
                k = shuffle_of(name)
                thresholds[name, layer] = best_threshold(maps, truth if k is None else others[k])
        steps = len(next(iter(read_maps.values())))
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
    looked_at: Mapping[str, Mapping[str, Float[Tensor, "step image _ height width"]]],
    *,
    layers: Sequence[Layer],
    read_maps: Mapping[tuple[str, str], Float[Tensor, "step image _ _ _"]],
    thresholds: Mapping[tuple[str, str], Float64[Tensor, "step"]],
    position: Mapping[str, MeanMap],
    wrong: Wrong,
) -> dict[ScoreKey, Float64[Tensor, "step image"]]:
    """Score every source on one held-out batch, beside what labelers saw (see `looks`)."""
    trace = batch.trace
    blocks: dict[ScoreKey, Tensor] = {}
    for each in properties:
        place, half = position[each.name].mean, 0.5 if each.is_binary else None
        truth = prepare(batch.labels[each.name], position=place)
        others = [prepare(one, position=place) for one in wrong[each.name]]
        shown_by = [
            *_by_probes(each, read_maps, thresholds, truth, others),
            *((source, "", [(maps[each.name], half, truth)]) for source, maps in looked_at.items()),
            *_by_opinion(each, batch, layers, read_maps, thresholds, position, truth),
            _by_place(each, position, thresholds, truth),
            *_by_ceilings(each, layers, truth),
        ]
        for source, layer, parts in shown_by:
            masks = [(maps if cut is None else maps > cut, own) for maps, cut, own in parts]
            for metric in each.metrics:
                scores = [METRICS[metric](maps, own) for maps, own in masks]
                values = torch.stack(scores).mean(dim=0)
                values = values.expand(len(trace.timesteps), -1) if values.ndim == 1 else values
                blocks[ScoreKey(source, each.name, layer, metric)] = values.cpu()
    return blocks


def _by_probes(
    property: Property,
    read_maps: Mapping[tuple[str, str], Float[Tensor, "step image _ _ _"]],
    thresholds: Mapping[tuple[str, str], Float64[Tensor, "step"]],
    truth: Truth,
    others: Sequence[Truth],
) -> Iterator[Reading]:
    """Lay out what probes read; of shuffled labels, held against the labels they were given."""
    shuffled: dict[str, list[tuple[Tensor, Tensor | None, Truth]]] = {}
    for (name, layer), maps in read_maps.items():
        if property_of(name) != property.name:
            continue
        cut = _cut(thresholds, name, layer)
        if (k := shuffle_of(name)) is not None:
            shuffled.setdefault(layer, []).append((maps, cut, others[k]))
        else:
            kind = name.removesuffix(property.name).strip()
            source = {PLACED.strip(): BESIDE}.get(kind, kind) or _source_of(layer)
            yield source, layer.split(" ")[-1], [(maps, cut, truth)]
    for layer, parts in shuffled.items():
        yield "shuffled", layer, parts


def _by_opinion(
    property: Property,
    batch: Batch,
    layers: Sequence[Layer],
    read_maps: Mapping[tuple[str, str], Float[Tensor, "step image _ _ _"]],
    thresholds: Mapping[tuple[str, str], Float64[Tensor, "step"]],
    position: Mapping[str, MeanMap],
    truth: Truth,
) -> Iterator[Reading]:
    """Lay out, where labels are exact, what the labeler says and what a probe of that reads."""
    name = TAUGHT + property.name
    if (opinion := batch.labels.get(name)) is None:
        return
    yield "labeler", "", [(opinion, 0.5 if property.is_binary else None, truth)]
    own = prepare(opinion, position=position[name].mean)
    for layer in layers:
        maps, cut = read_maps[name, layer.name], _cut(thresholds, name, layer.name)
        yield "taught", layer.name, [(maps, cut, truth)]
        yield "judged", layer.name, [(maps, cut, own)]


def _by_place(
    property: Property,
    position: Mapping[str, MeanMap],
    thresholds: Mapping[tuple[str, str], Float64[Tensor, "step"]],
    truth: Truth,
) -> Reading:
    """Lay out the mean label map, the same for every picture."""
    mean = position[property.name].mean.to(truth.labels.device)
    at = thresholds.get((property.name, ""))
    flat = mean.expand(len(truth.labels), -1, -1, -1)
    return "position", "", [(flat, None if at is None else float(at[0]), truth)]


def _by_ceilings(property: Property, layers: Sequence[Layer], truth: Truth) -> Iterator[Reading]:
    """Lay out the labels themselves, shrunk to each layer's grid."""
    exact = truth.labels > 0.5 if property.is_binary else truth.labels
    shrunk = {layer.grid: to_grid(exact.double(), layer.grid) for layer in layers}
    best = {grid: _best_cut(property, maps, truth) for grid, maps in shrunk.items()}
    for layer in layers:
        yield "ceiling", layer.name, [(shrunk[layer.grid], best[layer.grid], truth)]


def _cut(
    thresholds: Mapping[tuple[str, str], Float64[Tensor, "step"]], name: str, layer: str
) -> Float64[Tensor, "step 1 1 1 1"] | None:
    cut = thresholds.get((name, layer))
    return None if cut is None else cut[:, None, None, None, None]


def property_of(name: str) -> str:
    """Name the property that a probe is of, whatever it was fitted to, or how."""
    return re.sub(rf"^(shuffled \d+|placed|{'|'.join(RECIPES)}) ", "", name)


def shuffle_of(name: str) -> int | None:
    """Say which shuffle a probe was fitted to, from 0; None if to the pictures' own labels."""
    found = re.match(r"shuffled (\d+) ", name)
    return int(found[1]) - 1 if found else None


def _source_of(layer: str) -> str:
    if layer in LATENTS:
        return "latent"
    if layer == DECODER:
        return "vae"
    control = layer.split(" ")[0]
    return control if control in (*CONTROLS, UNCONDITIONAL) else "probe"


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
