"""Editing many pictures and measuring what came of it: one row a picture.

A picture is generated as it is and labelled; its labels give the targets; the same prompt and seed
are then generated with the edit. What is asked is what the labelers see now, whether the object is
still what the prompt says, and whether the rest of the picture stayed.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from .. import labelers
from ..core.errors import EditError
from ..core.progress import Progress
from ..core.prompts import Prompt
from ..core.properties import DEPTH, SALIENCY, SHADING
from ..labelers import Labeler, Namer
from ..labelers.labeler import class_of
from ..models import Model
from ..models.capture import Tap
from ..models.layers import Layer
from ..models.traces import trace
from ..probes.moments import Cell, Moments
from ..probes.probes import Probe, ProbeKey
from .aims import Aim, labels_of, where_of
from .edits import Edit, adam_taps, random_directions, reading_directions, taps
from .trials import MEASURES, Trial, edit_scores, map_scores

ALONE = "The control needs another picture in the batch. Edit two or more at once."
"""Why `other` leaves a picture out that is the only one of its batch that could be edited."""


@dataclass(frozen=True, eq=False)
class Setup:
    """What edits are made with: a model, and what a run found out about it.

    `namers` say what a picture shows, by what is named: "object" and "colour".
    """

    model: Model
    labelers: tuple[Labeler, ...]
    probes: Mapping[ProbeKey, Probe]
    moments: Mapping[Cell, Moments]
    layers: tuple[Layer, ...]
    steps: int
    guidance: float
    batch: int
    namers: Mapping[str, Namer] = field(default_factory=dict[str, Namer])


@dataclass(frozen=True, eq=False)
class Shown:
    """One edited picture, to be looked at."""

    prompt: Prompt
    before: Float[Tensor, "3 height width"]
    target: Float[Tensor, "height width"]
    after: Float[Tensor, "3 height width"]
    mask: Float[Tensor, "height width"]


def edit_all(
    setup: Setup,
    trial: Trial,
    prompts: Sequence[Prompt],
    aims: Sequence[Aim],
    progress: Progress,
    *,
    shown: int = 6,
) -> tuple[pd.DataFrame, list[Shown]]:
    """Edit each prompt's picture towards each aim, and score what comes out.

    Args:
        setup: The model and what is known of it.
        trial: How to edit.
        prompts: Whose pictures to edit.
        aims: One edit of each picture for each. Random ones draw from the trial's seed, the
            prompt's seed and their place here, so trials of one seed meet the same targets.
        progress: Told of edited pictures.
        shown: How many pictures to return.

    Returns:
        A row for each prompt and aim, with the columns of `Trial`, `image`, `aim`, `prompt`,
        `MEASURES`, `seconds`, `seconds_unedited` and `left_out`: why a picture could not be
        edited; its measures are then NaN. And the first pictures, as they were and are.

    Raises:
        EditError: if not one picture could be edited, with the first reason.
    """
    rows: list[pd.DataFrame] = []
    pictures: list[Shown] = []
    done = 0
    for first in range(0, len(prompts), setup.batch):
        part = prompts[first : first + setup.batch]
        begun = time.perf_counter()
        before = trace(setup.model, part, steps=setup.steps, guidance=setup.guidance).images
        seconds = (time.perf_counter() - begun) / len(part)
        old = labels_of(setup.labelers, before, names_in(trial.carried))
        for number, aim in enumerate(aims):
            table, found = _edit_batch(setup, trial, part, before, old, aim, number)
            rows.append(table.assign(seconds_unedited=seconds, **asdict(trial)))
            pictures += found[: shown - len(pictures)]
            done += len(part)
            progress("edited pictures", done, len(prompts) * len(aims))
    table = pd.concat(rows, ignore_index=True)
    if all(table["left_out"]):
        raise EditError(f"No picture could be edited. {table['left_out'].iloc[0]}")
    return table, pictures


def _edit_batch(
    setup: Setup,
    trial: Trial,
    prompts: Sequence[Prompt],
    before: Float[Tensor, "image 3 height width"],
    old: Mapping[str, Tensor],
    aim: Aim,
    number: int,
) -> tuple[pd.DataFrame, list[Shown]]:
    """Edit those pictures of a batch that the aim is possible for, and say why not the others."""
    found: dict[int, dict[str, Tensor]] = {}
    table = pd.DataFrame(
        {
            "image": [prompt.index or 0 for prompt in prompts],
            "aim": number,
            "prompt": [prompt.group for prompt in prompts],
            **dict.fromkeys((*MEASURES, "seconds"), math.nan),
            "left_out": "",
        }
    )
    for place, prompt in enumerate(prompts):
        random = np.random.default_rng((trial.seed, prompt.seed, number))
        try:
            found[place] = aim({each: maps[place] for each, maps in old.items()}, random)
        except EditError as error:
            table.loc[place, "left_out"] = str(error)
    if trial.control == "other" and len(found) == 1:
        table.loc[list(found), "left_out"] = ALONE
        return table, []
    if not found:
        return table, []
    kept = list(found)
    own = [prompts[place] for place in kept]
    there = {name: maps[kept] for name, maps in old.items()}
    targets = {
        name: torch.stack([each[name].to(before.device) for each in found.values()])
        for name in found[kept[0]]
    }
    begun = time.perf_counter()
    after = trace(
        setup.model,
        own,
        steps=setup.steps,
        guidance=setup.guidance,
        edits=_taps_of(setup, trial, there, targets, seed=trial.seed + number),
    ).images
    table.loc[kept, "seconds"] = (time.perf_counter() - begun) / len(kept)
    now = labels_of(setup.labelers, after)
    scores = _scores(setup, own, before[kept], after, there=there, now=now, targets=targets)
    for name, values in scores.items():
        table.loc[kept, name] = values.cpu().numpy()
    shown = _as_picture(next(iter(targets.values())))
    return table, [
        Shown(prompts[place], before[place], shown[at], after[at], now[SALIENCY.name][at, 0])
        for at, place in enumerate(kept)
    ]


def _scores(
    setup: Setup,
    prompts: Sequence[Prompt],
    before: Float[Tensor, "image 3 height width"],
    after: Float[Tensor, "image 3 height width"],
    *,
    there: Mapping[str, Tensor],
    now: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
) -> dict[str, Float64[Tensor, "image"]]:
    old, new = (labels[SALIENCY.name] > 0.5 for labels in (there, now))
    scores = edit_scores(before, after, old=old, now=new, target=targets.get(SALIENCY.name))
    for each in (DEPTH.name, SHADING.name):
        if each in targets:
            scores |= map_scores(each, before=there[each], after=now[each], target=targets[each])
    for what, namer in setup.namers.items():
        scores[f"{what}_kept"] = _kept(namer, prompts, before, after)
    return scores


def _kept(
    namer: Namer,
    prompts: Sequence[Prompt],
    before: Float[Tensor, "image 3 height width"],
    after: Float[Tensor, "image 3 height width"],
) -> Float64[Tensor, "image"]:
    """Say whether the edited picture is still named as its prompt is.

    NaN where the prompt names no one class, or the unedited picture was not named so either: an
    edit cannot lose what was not there.
    """
    classes = [class_of(namer, prompt.text) for prompt in prompts]
    asked = torch.tensor([-1 if each is None else each for each in classes]).to(before.device)
    was, still = (labelers.name(namer, images).argmax(dim=1) == asked for images in (before, after))
    return torch.where(was, still.double(), math.nan)


def _closed(setup: Setup, edit: Edit) -> dict[Layer, Tap]:
    return taps(edit, setup.probes, setup.moments, layers=setup.layers)


CONTROLS: dict[str, Callable[[Setup, Edit, int], dict[Layer, Tap]]] = {
    "none": lambda setup, edit, _seed: _closed(setup, edit),
    "weight": lambda setup, edit, _seed: _closed(
        setup, replace(edit, direction=reading_directions)
    ),
    "random": lambda setup, edit, seed: _closed(
        setup, replace(edit, direction=random_directions(torch.Generator().manual_seed(seed)))
    ),
    "adam": lambda setup, edit, _seed: adam_taps(edit, setup.probes, layers=setup.layers),
    "other": lambda setup, edit, _seed: _closed(setup, _of_another(edit)),
    "late": lambda setup, edit, _seed: _closed(setup, _late(setup, edit)),
}
"""Ways to make an edit's taps: the edit itself, along the probe's weight, along a random direction
as far as the edit itself goes, the literature's recipe, the edit of another picture, and the edit
in as many of the last steps."""


def _taps_of(
    setup: Setup,
    trial: Trial,
    there: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    *,
    seed: int,
) -> dict[Layer, Tap]:
    schedule = dict.fromkeys(range(trial.first_step, trial.last_step + 1), trial.strength)
    held = tuple(each for each in names_in(trial.held) if each not in targets)
    where = where_of(targets, there, trial.margin)
    edit = Edit(targets, schedule, held=held, where=where, unconditional=trial.unconditional)
    return CONTROLS[trial.control](setup, edit, seed)


def names_in(text: str) -> tuple[str, ...]:
    """List the names in a trial's text, which has commas between them."""
    return tuple(name for name in text.split(",") if name)


def _of_another(edit: Edit) -> Edit:
    """Give each picture the edit of the one before it in the batch."""
    where = None if edit.where is None else edit.where.roll(1, 0)
    return replace(edit, targets={n: t.roll(1, 0) for n, t in edit.targets.items()}, where=where)


def _late(setup: Setup, edit: Edit) -> Edit:
    """Move the schedule to the last steps."""
    shift = setup.steps - 1 - max(edit.schedule)
    return replace(edit, schedule={step + shift: s for step, s in edit.schedule.items()})


def _as_picture(
    maps: Float[Tensor, "image 1 height width"],
) -> Float[Tensor, "image height width"]:
    """Bring each map to 0..1."""
    low, high = maps.amin(dim=(1, 2, 3), keepdim=True), maps.amax(dim=(1, 2, 3), keepdim=True)
    return ((maps - low) / (high - low).clamp(min=1e-6))[:, 0]


def edit_frames(
    setup: Setup, trial: Trial, prompts: Sequence[Prompt], aim: Aim, strengths: Sequence[float]
) -> dict[float, tuple[pd.DataFrame, list[Shown]]]:
    """Edit a few pictures towards one aim at several strengths, to be looked at side by side.

    Args:
        prompts: Any number. Targets are those that `edit_all` meets with this aim alone.

    Returns:
        By strength, what `edit_all` returns, without the columns of the trial: a row for each
        prompt, and the pictures of those that could be edited, the same at every strength.
    """
    tables: dict[float, list[pd.DataFrame]] = {strength: [] for strength in strengths}
    pictures: dict[float, list[Shown]] = {strength: [] for strength in strengths}
    for first in range(0, len(prompts), setup.batch):
        part = prompts[first : first + setup.batch]
        before = trace(setup.model, part, steps=setup.steps, guidance=setup.guidance).images
        old = labels_of(setup.labelers, before, names_in(trial.carried))
        for strength in strengths:
            asked = replace(trial, strength=strength)
            table, shown = _edit_batch(setup, asked, part, before, old, aim, 0)
            tables[strength].append(table)
            pictures[strength] += shown
    return {
        strength: (pd.concat(tables[strength], ignore_index=True), pictures[strength])
        for strength in strengths
    }
