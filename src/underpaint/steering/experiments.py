"""Editing many pictures and measuring what came of it: one row a picture.

A picture is generated as it is and labelled; its labels, or what probes read meanwhile, give the
targets; the same prompt and seed are then generated with the edit. What is asked is what the
labelers see now, whether the object is still what the prompt says, and whether the rest of the
picture stayed.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

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
from ..models.traces import Trace, trace
from ..scores.metrics import dice, prepare
from ..scores.sets import paired_distances
from .aims import Aim, labels_of, where_of
from .controls import ONCE, WAYS, Case, check_control
from .edits import Edit
from .naming import still_named
from .seeing import look_on
from .setups import Setup
from .targets import distances
from .trials import (
    MEASURES,
    Trial,
    both_scores,
    edit_scores,
    judged,
    judged_beside,
    map_scores,
)

ALONE = "The control needs another picture in the batch. Edit two or more at once."
"""Why `other` leaves a picture out that is the only one of its batch that could be edited."""
NOTHING = "The picture has no object that could be moved without an edit. Use another prompt."
"""Why `roll`, `patch` and `paste` leave a picture out."""


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
        `MEASURES`, `dice_seen`, `distance`, `kid`, `seconds`, `seconds_unedited` and `left_out`:
        why a picture could not be edited; its measures are then NaN. And the first pictures, as
        they were and are.

    Raises:
        EditError: if not one picture could be edited, with the first reason; or if probes shall
            say what the pictures show and the run has none of masks; or if a control moves what
            is to stay.
    """
    check_control(trial.control, beside=trial.beside)
    rows: list[pd.DataFrame] = []
    pictures: list[Shown] = []
    features: list[Features | None] = []
    done = 0
    for first in range(0, len(prompts), setup.batch):
        part = prompts[first : first + setup.batch]
        before = _before(setup, trial, part)
        for number, aim in enumerate(aims):
            found = _edit_batch(setup, trial, before, aim, number)
            rows.append(found.table.assign(**asdict(trial)))
            pictures += found.shown[: shown - len(pictures)]
            features.append(_features(setup, found))
            done += len(part)
            progress("edited pictures", done, len(prompts) * len(aims))
    table = pd.concat(rows, ignore_index=True)
    if all(table["left_out"]):
        raise EditError(f"No picture could be edited. {table['left_out'].iloc[0]}")
    if known := [each for each in features if each is not None]:
        was, now = (torch.cat(each) for each in zip(*known, strict=True))
        table.loc[table["left_out"] == "", "kid"] = paired_distances(was, now).cpu().numpy()
    return table, pictures


@dataclass(frozen=True, eq=False)
class _Before:
    """A batch as it is without an edit.

    Args:
        traced: How it came about.
        labels: What labelers say of it: what it is scored by.
        seen: What targets are made of: the same, or what probes read.
        seconds: A picture.
    """

    traced: Trace
    labels: Mapping[str, Tensor]
    seen: Mapping[str, Tensor]
    seconds: float


@dataclass(frozen=True, eq=False)
class _Edited:
    """A batch after one edit: a row a picture, and those that could be edited, before and after."""

    table: pd.DataFrame
    shown: list[Shown]
    before: Float[Tensor, "_image 3 height width"]
    after: Float[Tensor, "_image 3 height width"]


def _before(setup: Setup, trial: Trial, prompts: Sequence[Prompt]) -> _Before:
    """Draw a batch without an edit, unless the last that was drawn was the same."""
    looked_at = trial.last_step if trial.seen_by == "probes" else None
    key = (tuple(prompts), trial.carried, looked_at)
    if key not in setup.drawn:
        found = _draw(setup, trial, prompts)
        setup.drawn.clear()
        setup.drawn[key] = found
    return setup.drawn[key]


def _draw(setup: Setup, trial: Trial, prompts: Sequence[Prompt]) -> _Before:
    carried = names_in(trial.carried)
    look = None
    if trial.seen_by == "probes":
        look = look_on(setup, carried, step=trial.last_step, images=len(prompts))
    begun = time.perf_counter()
    traced = trace(
        setup.model,
        prompts,
        steps=setup.steps,
        guidance=setup.guidance,
        edits=look.taps if look else None,
    )
    seconds = (time.perf_counter() - begun) / len(prompts)
    labels = labels_of(setup.labelers, traced.images, carried)
    rows, cols = traced.images.shape[-2:]
    return _Before(traced, labels, look.labels((rows, cols)) if look else labels, seconds)


def _edit_batch(setup: Setup, trial: Trial, before: _Before, aim: Aim, number: int) -> _Edited:
    """Edit those pictures of a batch that the aim is possible for, and say why not the others."""
    table, found = _targets(trial, before, aim, number)
    kept = list(found)
    images = before.traced.images
    if not found:
        return _Edited(table, [], images[:0], images[:0])
    targets = {
        name: torch.stack([each[name].to(images.device) for each in found.values()])
        for name in found[kept[0]]
    }
    there = {name: maps[kept] for name, maps in before.seen.items()}
    labels = {name: maps[kept] for name, maps in before.labels.items()}
    case = Case(
        prompts=tuple(before.traced.prompts[place] for place in kept),
        before=some_of(before.traced, kept),
        there=there,
        edit=_edit_of(trial, there, targets),
        seed=trial.seed + number,
        beside=trial.beside,
    )
    begun = time.perf_counter()
    after = WAYS[trial.control](setup, case)
    table.loc[kept, "seconds"] = (time.perf_counter() - begun) / len(kept)
    now = labels_of(setup.labelers, after)
    for name, values in _scores(setup, case, labels, after, now).items():
        table.loc[kept, name] = values.cpu().numpy()
    shown = _as_picture(next(iter(targets.values())))
    pictures = [
        Shown(case.prompts[at], images[place], shown[at], after[at], now[SALIENCY.name][at, 0])
        for at, place in enumerate(kept)
    ]
    return _Edited(table, pictures, images[kept], after)


def _targets(
    trial: Trial, before: _Before, aim: Aim, number: int
) -> tuple[pd.DataFrame, dict[int, dict[str, Tensor]]]:
    """Make a row for each picture of a batch, and the targets of those that can be edited."""
    prompts = before.traced.prompts
    table = pd.DataFrame(
        {
            "image": [prompt.index or 0 for prompt in prompts],
            "aim": number,
            "prompt": [prompt.group for prompt in prompts],
            **dict.fromkeys((*MEASURES, "dice_seen", "distance", "kid", "seconds"), math.nan),
            "seconds_unedited": before.seconds,
            "left_out": "",
        }
    )
    found: dict[int, dict[str, Tensor]] = {}
    for place, prompt in enumerate(prompts):
        random = np.random.default_rng((trial.seed, prompt.seed, number))
        own = {each: maps[place] for each, maps in before.seen.items()}
        try:
            targets = aim(own, random)
            if trial.control in ONCE and not (own[SALIENCY.name] > 0).any():
                raise EditError(NOTHING)
            found[place] = targets
        except EditError as error:
            table.loc[place, "left_out"] = str(error)
    if trial.control == "other" and len(found) == 1:
        table.loc[list(found), "left_out"] = ALONE
        return table, {}
    return table, found


def _edit_of(trial: Trial, there: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Edit:
    schedule = dict.fromkeys(range(trial.first_step, trial.last_step + 1), trial.strength)
    held = tuple(each for each in names_in(trial.held) if each not in targets)
    where = where_of(targets, there, trial.margin)
    return Edit(targets, schedule, held=held, where=where, unconditional=trial.unconditional)


def some_of(traced: Trace, places: Sequence[int]) -> Trace:
    """Give some of a trace's images, without activations."""
    some = list(places)
    return replace(
        traced,
        prompts=tuple(traced.prompts[place] for place in some),
        images=traced.images[some],
        latents=traced.latents[:, some],
        estimates=traced.estimates[:, some],
        final=traced.final[some],
        activations={},
        shadows={},
    )


def _scores(
    setup: Setup,
    case: Case,
    there: Mapping[str, Tensor],
    after: Float[Tensor, "image 3 height width"],
    now: Mapping[str, Tensor],
) -> dict[str, Float64[Tensor, "image"]]:
    """Score by what labelers say of the pictures `there` and `now`, whoever made the targets."""
    before, targets = case.before.images, case.edit.targets
    old, new, seen = (labels[SALIENCY.name] > 0.5 for labels in (there, now, case.there))
    target = targets.get(SALIENCY.name)
    scores = edit_scores(before, after, old=old, now=new, target=target)
    scores["dice_seen"] = dice(seen, prepare(old.float()))
    for each in (DEPTH.name, SHADING.name):
        if each in targets:
            scores |= map_scores(each, before=there[each], after=now[each], target=targets[each])
    kept = {
        f"{what}_kept": still_named(namer, case.prompts, before, after)
        for what, namer in setup.namers.items()
    }
    if target is not None:
        scores["distance"] = distances(*case.masks)
    if not case.beside:
        return scores | judged(scores, kept)
    scores |= both_scores(new, old=old, beside=case.masks[1] > 0.5)
    return scores | judged_beside(scores, kept)


Features = tuple[Float[Tensor, "_image _width"], Float[Tensor, "_image _width"]]
"""Of the pictures that could be edited, before and after."""


def _features(setup: Setup, found: _Edited) -> Features | None:
    """Look at the pictures with the class network, if there is one and there are pictures."""
    namer = setup.namers.get("object")
    if namer is None or not len(found.before):
        return None
    return labelers.features_of(namer, found.before), labelers.features_of(namer, found.after)


def names_in(text: str) -> tuple[str, ...]:
    """List the names in a trial's text, which has commas between them."""
    return tuple(name for name in text.split(",") if name)


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
        before = _before(setup, trial, prompts[first : first + setup.batch])
        for strength in strengths:
            found = _edit_batch(setup, replace(trial, strength=strength), before, aim, 0)
            tables[strength].append(found.table)
            pictures[strength] += found.shown
    return {
        strength: (pd.concat(tables[strength], ignore_index=True), pictures[strength])
        for strength in strengths
    }
