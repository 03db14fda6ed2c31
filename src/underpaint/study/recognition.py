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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain
from operator import add
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor
from torch.nn.functional import one_hot

from ..core.errors import PromptError
from ..core.files import is_whole
from ..core.progress import Progress
from ..core.prompts import Prompt
from ..labelers import Namer, name
from ..labelers.labeler import class_of
from ..models import Model, decode
from ..models.traces import excerpt, trace
from ..probes.fitting import fit
from ..probes.moments import Cell, Moments
from ..runs.runs import Run, update_summary, write_table
from ..scores.classes import CLASS, likeliest, summarise_classes
from ..scores.scores import ScoreKey, Scores
from ..scores.tabulating import tabulate
from .batches import batches_of, drawn, training_parts
from .costs import CPU
from .pooling import (
    CONDITIONAL,
    SHOWN,
    UNCONDITIONAL,
    Pooled,
    has_pooled,
    pool,
    pooled_path,
    read_means,
    read_seen,
    read_shown,
    shown,
    write_pooled,
)
from .study import Study

LEAST = 8
"""Training pictures that class probes need at least."""
PENALTIES = tuple(10.0 ** (exponent / 2) for exponent in range(-8, 5))
"""Relative penalties to choose from. One row a picture is few rows: stronger than for maps."""
STAGE = "classes"
BLANK = "blank"
TRAINED_ON, HELD_OUT = ("tuning", "training"), ("validation", "test")

Named = Mapping[str, Sequence[int | None]]
"""The class that each prompt names, by part; None where it names none, or several."""


@dataclass(frozen=True, eq=False)
class Recognised:
    """Every score of recognition, the likeliest classes of test pictures, and who was left out."""

    scores: Scores
    probabilities: pd.DataFrame
    left_out: int


@dataclass(frozen=True, eq=False)
class Group:
    """One group on disk: which of its pictures name a class, their prompts and true classes."""

    path: Path
    own: list[int]
    prompts: tuple[Prompt, ...]
    truth: Int[Tensor, "image"]


def write_classes(study: Study, run: Run, progress: Progress, *, with_blank: bool) -> dict:
    """Ask for classes, and write what is found to a run's folder; return its part of the summary.

    The folder is held by who calls.
    """
    found = classify_all(study, run, progress, with_blank=with_blank)
    write_table(run.classes, found.scores.rows)
    write_table(run.probabilities, found.probabilities)
    namer = namer_of(study)
    entry = {
        "namer": namer.name,
        "classes": list(namer.classes),
        "left_out": found.left_out,
        "sources": summarise_classes(found.scores),
    }
    return update_summary(run, {"classify": entry})["classify"]


def classify_all(study: Study, run: Run, progress: Progress, *, with_blank: bool) -> Recognised:
    """Fit class probes on training prompts, and score every source on held-out ones.

    Metrics are `top1`, `top5` and, of the class network, `probability` of the true class; `chance`
    is what naming the commonest training class scores. The class network looks at test pictures.

    Args:
        study: With a class network.
        run: What is kept there of its pictures is not drawn again; what is missing is, and kept.
        progress: Told how many pictures are done.
        with_blank: Make pictures from an empty prompt too, as a control.

    Raises:
        PromptError: if too few prompts of a split name one class.
    """
    named = check_classes(study)
    kinds = ("", BLANK) if with_blank else ("",)
    total = len(kinds) * sum(map(len, parts_of(study).values()))
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        progress(STAGE, done := done + more, total)

    parts = [_carry_out(study, run, named, kind, tell) for kind in kinds]
    left_out = sum(each is None for part in named.values() for each in part)
    return Recognised(reduce(add, [scores for scores, _ in parts]), parts[0][1], left_out)


def check_classes(study: Study) -> Named:
    """Find the class that each prompt names, before anything is drawn.

    Raises:
        PromptError: if too few prompts of a split name one class.
    """
    namer = namer_of(study)
    named = {
        part: [class_of(namer, prompt.text) for prompt in prompts]
        for part, prompts in parts_of(study).items()
    }
    counts = {part: sum(each is not None for each in found) for part, found in named.items()}
    training = counts["tuning"] + counts["training"]
    if min(counts.values()) < 1 or training < LEAST:
        raise PromptError(
            f"{training} training, {counts['validation']} validation and {counts['test']} test "
            f"prompts name one class of {namer.name}. Use prompts that name one of "
            f"{', '.join(namer.classes[:10])}: {LEAST} to train on, one to test on."
        )
    return named


def namer_of(study: Study) -> Namer:
    """Give the class network of a study that has one."""
    assert study.namer is not None, "Classes are asked of a class network."
    return study.namer


def parts_of(study: Study) -> dict[str, list[Prompt]]:
    """Give the prompts part by part, as they are folded and scored."""
    held_out = {part: list(getattr(study.split, part)) for part in ("validation", "test")}
    return {**training_parts(study), **held_out}


def latents_of(
    study: Study, run: Run, prompt: Prompt
) -> dict[str, Float[Tensor, "step 1 latent lrow lcol"]]:
    """Give what can be decoded of one picture: as it was kept, or drawn anew where it was not."""
    test = [each.index for each in study.split.test]
    if prompt.index in test:
        place = test.index(prompt.index)
        groups = chain.from_iterable(batches_of(len(test), study.batch))
        first = max(start for start, _ in groups if start <= place)
        path = pooled_path(run, "test", first)
        if is_whole(path):
            kept = read_shown(path)
            return {each: x[:, [place - first]].to(study.model.device) for each, x in kept.items()}
    bare = replace(study, controls={}, layers=(), sees_halves=False)
    return shown(drawn(bare, [prompt])[0])


def probabilities(
    model: Model, namer: Namer, latents: Float[Tensor, "step image latent lrow lcol"]
) -> Float[Tensor, "step image class"]:
    """Name what is seen in the decoded latents of every step."""
    return torch.stack([name(namer, decode(model, each)) for each in latents])


def _carry_out(
    study: Study, run: Run, named: Named, kind: str, tell: Callable[[int], None]
) -> tuple[Scores, pd.DataFrame]:
    """Ask of pictures of one kind: "" as they are prompted, or `BLANK`."""
    kept = {
        part: _kept(study, run, f"{kind}-{part}" if kind else part, prompts, named[part], tell)
        for part, prompts in parts_of(study).items()
    }
    truth = {part: torch.cat([each.truth for each in groups]) for part, groups in kept.items()}
    commonest = int(torch.cat([truth[part] for part in TRAINED_ON]).bincount().argmax())
    blocks: dict[str, dict[ScoreKey, Tensor]] = {part: {} for part in HELD_OUT}

    def put(part: str, source: str, layer: str, readings: Tensor) -> None:
        blocks[part] |= _hits(source, layer, readings, truth[part], commonest)

    # Of test pictures alone: nothing is chosen for the class network.
    seen = {} if kind else _seen(study, kept["test"])
    for source, each in seen.items():
        put("test", source, "", each)
        true = each.gather(2, truth["test"].expand(len(each), -1)[..., None])[..., 0]
        blocks["test"][ScoreKey(source, CLASS, "", "probability")] = true.double()
    gaps: dict[ScoreKey, Sequence[int]] = {}
    if study.rivals_at is not None:
        gaps = dict.fromkeys(blocks["test"], study.rivals_at)
        blocks["test"] = {key: _spread(each, study) for key, each in blocks["test"].items()}
    for half in (CONDITIONAL,) if kind else (CONDITIONAL, UNCONDITIONAL):
        for layer in (each.name for each in study.layers):
            if not has_pooled(kept["test"][0].path, half, layer):
                continue
            readings = _readings(study, kept, truth, half, layer)
            for part, each in readings.items():
                put(part, kind or half, layer, each)
    scores, first = [], 0
    for part, own in blocks.items():
        prompts = [each for group in kept[part] for each in group.prompts]
        numbers = range(first, first := first + len(prompts))
        texts, splits = [each.group for each in prompts], [part] * len(prompts)
        own_gaps = {key: at for key, at in gaps.items() if key in own}
        scores.append(tabulate(own, images=numbers, prompts=texts, splits=splits, seen=own_gaps))
    test = [each for group in kept["test"] for each in group.prompts]
    numbers = range(first - len(test), first)
    if not seen:
        return reduce(add, scores), pd.DataFrame()
    classes, at = namer_of(study).classes, study.rivals_at
    return reduce(add, scores), likeliest(classes, test, numbers, seen, steps=at)


def _spread(found: Float64[Tensor, "looked image"], study: Study) -> Float64[Tensor, "step image"]:
    """Lay scores of the steps that were looked at beside NaN for the others."""
    whole = found.new_full((study.steps, found.shape[1]), torch.nan)
    whole[list(study.rivals_at or ())] = found
    return whole


def _kept(
    study: Study,
    run: Run,
    kept_as: str,
    prompts: Sequence[Prompt],
    named: Sequence[int | None],
    tell: Callable[[int], None],
) -> list[Group]:
    """List the groups that name a class; draw and keep those of them that are missing."""
    found = []
    for groups in batches_of(len(prompts), study.batch):
        asked = [at for at in groups if any(x is not None for x in named[slice(*at)])]
        missing = [at for at in asked if not is_whole(pooled_path(run, kept_as, at[0]))]
        if missing:
            _draw(study, run, kept_as, prompts, missing)
        for first, last in asked:
            path = pooled_path(run, kept_as, first)
            own = [at for at in range(last - first) if named[first + at] is not None]
            classes = [each for each in named[first:last] if each is not None]
            truth = _blank_truth(study, path, own) if kept_as.startswith(BLANK) else classes
            some = tuple(prompts[first + at] for at in own)
            found.append(Group(path, own, some, torch.tensor(truth)))
        tell(groups[-1][1] - groups[0][0])
    return found


def _draw(
    study: Study,
    run: Run,
    kept_as: str,
    prompts: Sequence[Prompt],
    missing: Sequence[tuple[int, int]],
) -> None:
    """Draw groups of one batch, and keep what classes need of them."""
    first, last = missing[0][0], missing[-1][1]
    is_blank = kept_as.startswith(BLANK)
    how = {"steps": study.steps, "guidance": study.guidance, "layers": study.layers}
    traced = (
        trace(study.model, prompts[first:last], blank=True, **how)
        if is_blank
        else drawn(replace(study, controls={}), prompts[first:last])[0]
    )
    for start, stop in missing:
        own = excerpt(traced, start - first, stop - first)
        latents = {"final": own.final} if is_blank else shown(own) if kept_as == "test" else {}
        write_pooled(run, kept_as, start, Pooled(pool(own), latents))


def _blank_truth(study: Study, path: Path, own: Sequence[int]) -> list[int]:
    """Find the true classes of pictures that no prompt names: what the class network sees."""
    final = read_shown(path)["final"][own].to(study.model.device)
    return name(namer_of(study), decode(study.model, final)).argmax(dim=1).tolist()


def _seen(study: Study, groups: Sequence[Group]) -> dict[str, Float[Tensor, "step image class"]]:
    """Give what the class network sees of some groups, asking only where nobody has yet."""
    parts: dict[str, list[Tensor]] = {}
    at = list(range(study.steps) if study.rivals_at is None else study.rivals_at)
    for group in groups:
        seen = read_seen(group.path, namer_of(study)) or {
            source: probabilities(study.model, namer_of(study), each[at].to(study.model.device))
            for source, each in read_shown(group.path).items()
        }
        for source, each in seen.items():
            parts.setdefault(source, []).append(each[:, group.own].cpu())
    return {source: torch.cat(parts[source], dim=1) for source in SHOWN if source in parts}


def _readings(
    study: Study,
    kept: Mapping[str, Sequence[Group]],
    truth: Mapping[str, Tensor],
    half: str,
    layer: str,
) -> dict[str, Float64[Tensor, "step image class"]]:
    """Fit one layer's probes to the training pictures, and read the held-out ones with them."""
    at = study.model.device if study.model.device.type == "cuda" else CPU
    x = {
        part: torch.cat([read_means(g.path, half, layer)[:, g.own] for g in groups], dim=1)
        .to(at)
        .double()
        for part, groups in kept.items()
    }
    count = len(namer_of(study).classes)
    sums: dict[str, dict[Cell, Moments]] = {
        part: {
            (layer, step): Moments.of(rows, one_hot(truth[part], count).double().to(at))
            for step, rows in enumerate(x[part])
        }
        for part in TRAINED_ON
    }
    columns = {CLASS: slice(0, count)}
    probes = fit(sums["training"], sums["tuning"], columns, relative_penalties=PENALTIES)
    own = [probes[CLASS, layer, step] for step in range(study.steps)]
    return {
        part: torch.stack(
            [rows @ probe.weight + probe.bias for rows, probe in zip(x[part], own, strict=True)]
        ).cpu()
        for part in HELD_OUT
    }


def _hits(
    source: str,
    layer: str,
    readings: Float[Tensor, "step image class"],
    truth: Int[Tensor, "image"],
    commonest: int,
) -> dict[ScoreKey, Float64[Tensor, "step image"]]:
    """Tell where the true class is first, where among the first five, and what chance would do."""
    ranked = readings.argsort(dim=-1, descending=True, stable=True) == truth[:, None]
    found = {
        metric: ranked[..., :depth].any(dim=-1).double()
        for metric, depth in (("top1", 1), ("top5", 5))
    }
    found["chance"] = (truth == commonest).double().expand(len(readings), -1)
    return {ScoreKey(source, CLASS, layer, metric): each for metric, each in found.items()}
