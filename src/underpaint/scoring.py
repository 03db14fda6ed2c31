"""The two passes over pictures: fold training ones into sums, score held-out ones by every source.

Each batch is generated, labelled, used and forgotten, so memory does not grow with the number of
images. A source is scored on the same images as every other.

Sources
    probe           one layer's activation, one linear map
    probe+position  the same with smooth functions of the place beside the activation
    latent          the same on x_t and on the estimate of x_0, as layers "x_t" and "x_0"
    vae             the same on the attention in the middle of the VAE's decoder, shown x_t
    shuffled        the same as probe, each picture having another's labels, in training, choosing
                    and scoring alike: the mean over `SHUFFLES`
    random          the same as probe on the denoiser with its weights permuted, shown the same x_t
    untrained       the same on one with fresh random weights
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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from .arrays import to_grid
from .fitting import fit
from .labelers import Labeler, check_maps, label
from .layers import Layer
from .metrics import METRICS, Truth, best_threshold, dice, prepare
from .models import Model, decode
from .moments import Cell, Moments, gather, merge
from .places import COUNT, fit_placed, waves
from .probes import Probe, ProbeKey, columns_of, read
from .properties import Property, normalise
from .recipes import RECIPES, MlpProbe
from .scores import ScoreKey
from .summaries import BESIDE
from .traces import Trace

SHUFFLES = 2
"""How many times labels are given to other pictures."""
LATENTS = ("x_t", "x_0")
CONTROLS = ("random", "untrained")
"""Denoisers that know nothing, and what stands before a layer's name where it is theirs."""
DECODER = "vae"
"""What the decoder's attention is called, where it stands beside layers."""
PLACED = "placed "
"""What stands before a property's name where its probe knows the place."""
TAUGHT = "taught "
"""What stands before a property's name where labels are a labeler's and exact ones are known."""

AnyProbe = Probe | MlpProbe

Wrong = Mapping[str, Float[Tensor, "shuffle image _ height width"]]
"""Other pictures' labels, by property, that stand for each picture's own."""


@dataclass(frozen=True)
class MeanMap:
    """The mean of normalised label maps so far. Add two to get that of both."""

    count: int
    mean: Float64[Tensor, "target height width"]

    def __add__(self, other: "MeanMap") -> "MeanMap":
        count = self.count + other.count
        return MeanMap(count, self.mean + (other.mean - self.mean) * (other.count / count))


@dataclass(frozen=True)
class Sums:
    """What training pictures have added up to so far, and the labels of the last few of them."""

    images: int = 0
    moments: Mapping[Cell, Moments] = field(default_factory=dict)
    position: Mapping[str, MeanMap] = field(default_factory=dict)
    last: Float[Tensor, "shuffle target height width"] | None = None


@dataclass(frozen=True)
class Batch:
    """One traced batch with its labels, normalised, and everything that a probe may read."""

    trace: Trace
    labels: dict[str, Float[Tensor, "image _ height width"]]
    readable: dict[str, Float[Tensor, "step image _channel _row _col"]]


def labelled(
    trace: Trace,
    labelers: Sequence[Labeler],
    properties: Sequence[Property],
    exact: Mapping[str, Float[Tensor, "image _ height width"]] | None = None,
    decoder: Float[Tensor, "step image channel lrow lcol"] | None = None,
) -> Batch:
    """Label a trace's final pictures, and lay latents beside activations.

    Exact labels take the labeler's place, and its own stand beside them, as `folded` names them.

    Raises:
        LabelError: if labels are missing, of the wrong shape or out of range.
    """
    maps = label(labelers, properties, trace.images)
    labels = {each.name: normalise(each, maps[each.name]) for each in properties}
    if exact is not None:
        opinions = {TAUGHT + name: each for name, each in labels.items()}
        for each in properties:
            check_maps("The given pictures' folder", each, exact[each.name], trace.images)
            labels[each.name] = normalise(each, exact[each.name]).to(trace.images.device)
        labels |= opinions
    readable = {layer.name: each for layer, each in trace.activations.items()}
    for control, seen in trace.shadows.items():
        readable |= {f"{control} {layer.name}": each for layer, each in seen.items()}
    readable |= {"x_t": trace.latents, "x_0": trace.estimates}
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
    shrunk = {grid: _beside_waves(targets, grid) for grid in grids}
    moments = gather(batch.readable, shrunk, onto)
    return moments, past[-SHUFFLES:]


def _beside_waves(
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
        replace(each, name=f"shuffled {k} {each.name}")
        for k in range(1, SHUFFLES + 1)
        for each in properties
    ]
    return columns_of([*properties, *shuffled])


def target_count(properties: Sequence[Property]) -> int:
    """Say how many columns beyond the channels the moments of `fold` have, waves included."""
    return (1 + SHUFFLES) * sum(each.targets for each in properties) + COUNT


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
    beside = {
        (PLACED + name, layer, step): replace(probe, property=PLACED + name)
        for (name, layer, step), probe in placed.items()
    }
    return {**parts[0], **parts[1], **beside}


def mean_maps(batch: Batch) -> dict[str, MeanMap]:
    """Average a batch's labels over its images."""
    return {
        name: MeanMap(len(maps), maps.double().mean(dim=0)) for name, maps in batch.labels.items()
    }


def readings(
    probes: Mapping[ProbeKey, Probe] | Mapping[ProbeKey, AnyProbe], batch: Batch
) -> dict[tuple[str, str], Float[Tensor, "step image _ _ _"]]:
    """Read every property from every layer: `step image target row col` by (property, layer)."""
    of_cell: dict[Cell, dict[str, AnyProbe]] = {}
    for (name, layer, step), each in probes.items():
        of_cell.setdefault((layer, step), {})[name] = each
    found: dict[tuple[str, str], list[Tensor]] = {}
    for layer, activation in batch.readable.items():
        for step, one_step in enumerate(activation):
            own = of_cell.get((layer, step), {})
            linear = {name: each for name, each in own.items() if isinstance(each, Probe)}
            maps = read(linear, one_step)
            maps |= {name: each(one_step) for name, each in own.items() if name not in linear}
            for name, each in maps.items():
                found.setdefault((name, layer), []).append(each.float())
    return {key: torch.stack(maps) for key, maps in found.items()}


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
    steps = len(trace.timesteps)
    shown = {"image": trace.latents, "estimate": trace.estimates} if drawn else {}
    looked_at = {
        source: _labels_by_step(model, labelers, properties, latents)
        for source, latents in shown.items()
    }
    blocks: dict[ScoreKey, Tensor] = {}

    for each in properties:
        place = position[each.name].mean
        truth = prepare(batch.labels[each.name], position=place)
        others = [prepare(one, position=place) for one in wrong[each.name]]

        def put(
            source: str,
            layer: str,
            *readings: tuple[Tensor, Tensor | float | None, Truth],
            each: Property = each,
        ) -> None:
            """Score readings, each with its cut and its truth; of several, keep the mean score."""
            shown = [(maps if cut is None else maps > cut, truth) for maps, cut, truth in readings]
            for metric in each.metrics:
                scores = [METRICS[metric](maps, truth) for maps, truth in shown]
                values = torch.stack(scores).mean(dim=0)
                values = values.expand(steps, -1) if values.ndim == 1 else values
                blocks[ScoreKey(source, each.name, layer, metric)] = values.cpu()

        shuffled: dict[str, list[tuple[Tensor, Tensor | None, Truth]]] = {}
        for (name, layer), maps in read_maps.items():
            if property_of(name) != each.name:
                continue
            cut = thresholds.get((name, layer))
            cut = None if cut is None else cut[:, None, None, None, None]
            if (k := shuffle_of(name)) is not None:
                shuffled.setdefault(layer, []).append((maps, cut, others[k]))
            else:
                kind = name.removesuffix(each.name).strip()
                source = {"placed": BESIDE}.get(kind, kind) or _source_of(layer)
                put(source, layer.split(" ")[-1], (maps, cut, truth))
        for layer, readings_there in shuffled.items():
            put("shuffled", layer, *readings_there)
        for source, maps in looked_at.items():
            put(source, "", (maps[each.name], 0.5 if each.is_binary else None, truth))
        opinion = batch.labels.get(TAUGHT + each.name)
        if opinion is not None:
            put("labeler", "", (opinion, 0.5 if each.is_binary else None, truth))
            own = prepare(opinion, position=position[TAUGHT + each.name].mean)
            for layer in layers:
                key = (TAUGHT + each.name, layer.name)
                cut = thresholds.get(key)
                cut = None if cut is None else cut[:, None, None, None, None]
                put("taught", layer.name, (read_maps[key], cut, truth))
                put("judged", layer.name, (read_maps[key], cut, own))
        mean = place.to(trace.images.device)
        at = thresholds.get((each.name, ""))
        flat = mean.expand(len(trace.prompts), -1, -1, -1)
        put("position", "", (flat, None if at is None else float(at[0]), truth))
        exact = truth.labels > 0.5 if each.is_binary else truth.labels
        shrunk = {layer.grid: to_grid(exact.double(), layer.grid) for layer in layers}
        best = {grid: _best_cut(each, maps, truth) for grid, maps in shrunk.items()}
        for layer in layers:
            put("ceiling", layer.name, (shrunk[layer.grid], best[layer.grid], truth))
    return blocks


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
    return control if control in CONTROLS else "probe"


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


def _labels_by_step(
    model: Model,
    labelers: Sequence[Labeler],
    properties: Sequence[Property],
    latents: Float[Tensor, "step image latent lrow lcol"],
) -> dict[str, Tensor]:
    """Decode the latents of every step and label what is seen."""
    by_step: dict[str, list[Tensor]] = {each.name: [] for each in properties}
    for one_step in latents:
        maps = label(labelers, properties, decode(model, one_step))
        for each in properties:
            by_step[each.name].append(normalise(each, maps[each.name]))
    return {name: torch.stack(maps) for name, maps in by_step.items()}
