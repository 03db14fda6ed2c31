"""Which class a picture will show, asked at every step: of what is decoded, and of activations.

Sources
    image          the class network on decoded x_t
    estimate       the class network on the decoded estimate of x_0
    conditional    a linear probe on one layer's activation, averaged over places
    unconditional  the same on the other half of the guidance batch, which is told no prompt
    blank          the same on pictures that were made from an empty prompt

The prompt names the class and feeds the conditional half directly, so a probe may read the prompt
there and not the picture. The unconditional half knows of it only through x_t, and blank pictures
not at all: their true class is what the class network sees in the final picture. Probes are ridge
regressions on 0/1 targets, from sums: the highest reading is the class.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import pandas as pd
import torch
from einops import rearrange
from jaxtyping import Float, Float64, Int
from torch import Tensor
from torch.nn.functional import one_hot

from ..core.errors import PromptError
from ..core.progress import Progress
from ..core.prompts import Prompt, Split
from ..labelers import Namer, name
from ..labelers.labeler import class_of
from ..models import Model, decode
from ..models.capture import Tap
from ..models.layers import Layer
from ..models.traces import Trace, trace
from ..probes.fitting import fit
from ..probes.moments import Cell, Moments, merge
from ..probes.probes import Probe, ProbeKey
from ..scores.intervals import intervals, onset
from ..scores.scores import ScoreKey, Scores, best_layer, curves, tabulate
from ..scores.summaries import for_json

CLASS = "class"
"""What stands for the property in scores of recognition."""
TUNING_SHARE = 8
"""One in so many training pictures chooses penalties."""
LIKELIEST = 6
"""So many classes of each picture are kept with their probabilities."""
PENALTIES = tuple(10.0 ** (exponent / 2) for exponent in range(-8, 5))
"""Relative penalties to choose from. One row a picture is few rows: stronger than for maps."""

Keep = Callable[[Sequence[Prompt], Sequence[int], Mapping[str, Tensor]], None]
"""Called with test prompts, their numbers in `Scores`, and by source what the class network gives
each class, `step image class`."""


@dataclass(frozen=True, eq=False)
class Inquiry:
    """Who is asked, and how pictures are made."""

    model: Model
    namer: Namer
    layers: tuple[Layer, ...]
    steps: int
    guidance: float
    batch: int


@dataclass(frozen=True, eq=False)
class Look:
    """One batch, its true classes, and pooled activations by source and layer."""

    trace: Trace
    truth: Int[Tensor, "image"]
    pooled: dict[tuple[str, str], Float64[Tensor, "step image _channel"]]


def classify_all(
    inquiry: Inquiry,
    split: Split,
    progress: Progress,
    *,
    with_blank: bool,
    keep: Keep | None = None,
) -> tuple[Scores, int]:
    """Fit class probes on training prompts, and score every source on held-out ones.

    Metrics are `top1`, `top5` and, of the class network, `probability` of the true class; `chance`
    is what naming the commonest training class scores.

    Returns:
        Scores, and how many prompts were left out because they do not name exactly one class.

    Raises:
        PromptError: if too few prompts of a split name one class.
    """
    every = (split.train, split.validation, split.test)
    named = [
        tuple(p for p in part if class_of(inquiry.namer, p.text) is not None) for part in every
    ]
    if min(len(part) for part in named) < 1 or len(named[0]) < TUNING_SHARE:
        raise PromptError(
            f"{len(named[0])} training, {len(named[1])} validation and {len(named[2])} test "
            f"prompts name one class of {inquiry.namer.name}. Use prompts that name one of "
            f"{', '.join(inquiry.namer.classes[:10])}: {TUNING_SHARE} to train on, one to test on."
        )
    kept = Split(*named)
    scores = [_carry_out(inquiry, kept, progress, blank=False, keep=keep)]
    if with_blank:
        scores.append(_carry_out(inquiry, kept, progress, blank=True))
    left_out = sum(map(len, every)) - sum(map(len, named))
    return reduce(add, scores), left_out


def probabilities(
    inquiry: Inquiry, latents: Float[Tensor, "step image latent lrow lcol"]
) -> Float[Tensor, "step image class"]:
    """Name what is seen in the decoded latents of every step."""
    return torch.stack([name(inquiry.namer, decode(inquiry.model, each)) for each in latents])


def likeliest(
    classes: Sequence[str],
    prompts: Sequence[Prompt],
    numbers: Sequence[int],
    seen: Mapping[str, Float[Tensor, "step image class"]],
    *,
    count: int = LIKELIEST,
) -> pd.DataFrame:
    """Lay out the classes that each picture was most taken for, by mean probability over steps.

    Returns:
        A row for each source, picture, step (from 0) and class. `image` is the number in `Scores`;
        classes beyond `count` are left out, so what is there sums to 1 or less.
    """
    parts = []
    for source, each in seen.items():
        for place, (prompt, number) in enumerate(zip(prompts, numbers, strict=True)):
            found = each[:, place].double().cpu()
            order = found.mean(dim=0).argsort(descending=True, stable=True)[:count]
            parts.append(
                pd.DataFrame(
                    {
                        "source": source,
                        "prompt_index": prompt.index or 0,
                        "image": number,
                        "step": np.repeat(np.arange(len(found)), len(order)),
                        "class": [classes[one] for one in order.tolist()] * len(found),
                        "probability": found[:, order].numpy().ravel(),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def summarise_classes(
    scores: Scores, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> dict[str, dict]:
    """Give each source's curves over steps with intervals over prompts, ready for JSON.

    Layers are chosen on validation pictures, everything reported is of test pictures. `stays` is
    the step, from 1, from which the true class is top-1 and stays it: its mean and median over the
    pictures where it is top-1 at the end, the others counted in `undefined`. `onset` is the first
    step from which top-1 holds 90% of its final height above chance.
    """
    draws = {"level": level, "resamples": resamples, "seed": seed}
    test, validation = curves(scores, "test"), curves(scores, "validation")
    found: dict[str, dict] = {}
    for source in dict.fromkeys(key.source for key in test):
        layers = {key.layer for key in test if key.source == source}
        layer = (
            best_layer(validation, source=source, property=CLASS, metric="top1")
            if len(layers) > 1
            else min(layers)
        )
        own = {key.metric: each for key, each in test.items() if key[:3] == (source, CLASS, layer)}
        top1, prompts = own["top1"].values, own["top1"].prompts
        first = onset(top1, own["chance"].values[:, 0], prompts, **draws)
        begins = _stays(top1)
        known = begins[~np.isnan(begins)]
        by_step = [for_json(each) for each in intervals(top1, prompts, **draws)]
        found[source] = {
            "layer": layer or None,
            "by_step": by_step,
            "final": by_step[-1],
            "onset": first
            and {"step": first.steps + 1, "low": first.low + 1, "high": first.high + 1},
            "stays": {
                **for_json(intervals(begins[:, None], prompts, **draws)[0]),
                "median": float(np.median(known)) if len(known) else None,
            },
            "chance": for_json(intervals(own["chance"].values[:, :1], prompts, **draws)[0]),
            "metrics": {
                metric: {"by_step": [for_json(x) for x in intervals(c.values, c.prompts, **draws)]}
                for metric, c in own.items()
                if metric != "chance"
            },
        }
    return found


def _carry_out(
    inquiry: Inquiry,
    split: Split,
    progress: Progress,
    *,
    blank: bool,
    keep: Keep | None = None,
) -> Scores:
    stage = "blank pictures" if blank else "pictures"
    total = len(split.train) + len(split.validation) + len(split.test)
    done = 0

    def looks(prompts: Sequence[Prompt]) -> Iterator[Look]:
        nonlocal done
        for first in range(0, len(prompts), inquiry.batch):
            part = prompts[first : first + inquiry.batch]
            yield _look(inquiry, part, blank=blank)
            progress(stage, done := done + len(part), total)

    cut = len(split.train) // TUNING_SHARE
    sums: list[dict[Cell, Moments]] = []
    counts = torch.zeros(len(inquiry.namer.classes), dtype=torch.long)
    for part in (split.train[:cut], split.train[cut:]):
        folded: dict[Cell, Moments] = {}
        for look in looks(part):
            folded = merge(folded, _fold(inquiry, look))
            counts += torch.bincount(look.truth.cpu(), minlength=len(counts))
        sums.append(folded)
    columns = {CLASS: slice(0, len(inquiry.namer.classes))}
    probes = fit(sums[1], sums[0], columns, relative_penalties=PENALTIES)
    scores, number = [], 0
    for part, prompts in (("validation", split.validation), ("test", split.test)):
        for look in looks(prompts):
            texts = [each.group for each in look.trace.prompts]
            numbers = list(range(number, number := number + len(texts)))
            seen = {} if blank else _seen(inquiry, look)
            if keep is not None and part == "test":
                keep(look.trace.prompts, numbers, seen)
            blocks = _score(inquiry, look, probes, seen, commonest=int(counts.argmax()))
            splits = [part] * len(texts)
            scores.append(tabulate(blocks, images=numbers, prompts=texts, splits=splits))
    return reduce(add, scores)


def _look(inquiry: Inquiry, prompts: Sequence[Prompt], *, blank: bool) -> Look:
    kept: dict[str, Tensor] = {}
    traced = trace(
        inquiry.model,
        prompts,
        steps=inquiry.steps,
        guidance=inquiry.guidance,
        edits={layer: _pool(layer, kept, len(prompts), inquiry.steps) for layer in inquiry.layers},
        blank=blank,
    )
    if blank:
        truth = name(inquiry.namer, traced.images).argmax(dim=1)
    else:
        named = [class_of(inquiry.namer, prompt.text) for prompt in prompts]
        truth = torch.tensor([-1 if each is None else each for each in named])
    pooled = {}
    for layer, halves in kept.items():
        pooled["blank" if blank else "conditional", layer] = halves[:, -1]
        if halves.shape[1] == 2 and not blank:
            pooled["unconditional", layer] = halves[:, 0]
    return Look(traced, truth.to(inquiry.model.device), pooled)


def _pool(layer: Layer, kept: dict[str, Tensor], images: int, steps: int) -> Tap:
    """Make a tap that changes nothing and keeps each half's mean over places."""

    def tap(step: int, tokens: Tensor) -> None:
        # Unconditional images come first in the batch; without guidance there are none.
        halves = rearrange(
            tokens.double().mean(dim=1), "(half image) channel -> half image channel", image=images
        )
        room = kept.setdefault(layer.name, halves.new_empty(steps, *halves.shape))
        room[step] = halves

    return tap


def _fold(inquiry: Inquiry, look: Look) -> dict[Cell, Moments]:
    targets = one_hot(look.truth, len(inquiry.namer.classes)).double()
    return {
        (f"{source} {layer}", step): Moments.of(one_step, targets)
        for (source, layer), pooled in look.pooled.items()
        for step, one_step in enumerate(pooled)
    }


def _seen(inquiry: Inquiry, look: Look) -> dict[str, Float[Tensor, "step image class"]]:
    latents = {"image": look.trace.latents, "estimate": look.trace.estimates}
    return {source: probabilities(inquiry, each) for source, each in latents.items()}


def _score(
    inquiry: Inquiry,
    look: Look,
    probes: dict[ProbeKey, Probe],
    seen: Mapping[str, Float[Tensor, "step image class"]],
    *,
    commonest: int,
) -> dict[ScoreKey, Float64[Tensor, "step image"]]:
    blocks: dict[ScoreKey, Tensor] = {}
    chance = (look.truth == commonest).double().expand(inquiry.steps, -1)

    def put(source: str, layer: str, readings: Float[Tensor, "step image class"]) -> None:
        ranked = readings.argsort(dim=-1, descending=True, stable=True) == look.truth[:, None]
        for metric, depth in (("top1", 1), ("top5", 5)):
            hit = ranked[..., :depth].any(dim=-1)
            blocks[ScoreKey(source, CLASS, layer, metric)] = hit.double().cpu()
        blocks[ScoreKey(source, CLASS, layer, "chance")] = chance.cpu()

    for source, each in seen.items():
        put(source, "", each)
        true = each.gather(2, look.truth.expand(len(each), -1)[..., None])[..., 0]
        blocks[ScoreKey(source, CLASS, "", "probability")] = true.double().cpu()
    for (source, layer), pooled in look.pooled.items():
        own = [probes[CLASS, f"{source} {layer}", step] for step in range(inquiry.steps)]
        readings = [x @ probe.weight + probe.bias for x, probe in zip(pooled, own, strict=True)]
        put(source, layer, torch.stack(readings))
    return blocks


def _stays(top1: Float64[np.ndarray, "image step"]) -> Float64[np.ndarray, "image"]:
    """Find the step, from 1, from which each picture's true class is top-1 to the end."""
    stays = np.logical_and.accumulate(top1[:, ::-1] > 0, axis=1)[:, ::-1]
    return np.where(stays[:, -1], stays.argmax(axis=1) + 1.0, np.nan)
