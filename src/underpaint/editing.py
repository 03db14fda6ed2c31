"""Editing many pictures and measuring what came of it: one row a picture.

A picture is generated as it is and labelled; its mask gives the target; the same prompt and seed
are then generated with the edit. What is asked is where the labeler sees the object now, and
whether the rest of the picture stayed.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .capture import Tap
from .edits import Edit, adam_taps, random_directions, reading_directions, taps
from .errors import EditError, RunError
from .labelers import Labeler, label
from .layers import Layer
from .models import Model
from .moments import Cell, Moments
from .probes import Probe, ProbeKey
from .prompts import Prompt, plain
from .properties import SALIENCY
from .traces import trace
from .trials import MEASURES, Trial, edit_scores

Aim = Callable[[Tensor, np.random.Generator], Tensor]
"""Makes a target mask `1 height width` of the mask that is there, or raises EditError."""

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, images done, and images in all."""


@dataclass(frozen=True, eq=False)
class Setup:
    """What edits are made with: a model, and what a run found out about it."""

    model: Model
    labelers: tuple[Labeler, ...]
    probes: Mapping[ProbeKey, Probe]
    moments: Mapping[Cell, Moments]
    layers: tuple[Layer, ...]
    steps: int
    guidance: float
    batch: int


@dataclass(frozen=True, eq=False)
class Shown:
    """One edited picture, to be looked at."""

    prompt: Prompt
    before: Float[Tensor, "3 height width"]
    target: Float[Tensor, "height width"]
    after: Float[Tensor, "3 height width"]
    mask: Float[Tensor, "height width"]


def check_run(settings: Mapping[str, object], model: Model) -> None:
    """Refuse to edit a model with what a run found out about another.

    Raises:
        RunError: if the run was made with other weights or another scheduler.
    """
    scheduler = type(model.pipeline.scheduler).__name__
    for name, seen in (("fingerprint", model.fingerprint), ("scheduler", scheduler)):
        if settings[name] != seen:
            raise RunError(
                f"The run's probes were fitted on {settings['model']} with {name} "
                f"{settings[name]}, and this model has {seen}. Run `underpaint run` on it first."
            )


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
        old = _masks(setup, before)
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
    old: Bool[Tensor, "image 1 height width"],
    aim: Aim,
    number: int,
) -> tuple[pd.DataFrame, list[Shown]]:
    """Edit those pictures of a batch that the aim is possible for, and say why not the others."""
    targets: dict[int, Tensor] = {}
    table = pd.DataFrame(
        {
            "image": [prompt.index or 0 for prompt in prompts],
            "aim": number,
            "prompt": [plain(prompt.text) for prompt in prompts],
            **dict.fromkeys((*MEASURES, "seconds"), math.nan),
            "left_out": "",
        }
    )
    for place, prompt in enumerate(prompts):
        random = np.random.default_rng((trial.seed, prompt.seed, number))
        try:
            targets[place] = aim(old[place].float(), random)
        except EditError as error:
            table.loc[place, "left_out"] = str(error)
    if not targets:
        return table, []
    kept = list(targets)
    target = torch.stack([each.to(old.device) for each in targets.values()])
    begun = time.perf_counter()
    after = trace(
        setup.model,
        [prompts[place] for place in kept],
        steps=setup.steps,
        guidance=setup.guidance,
        edits=_taps_of(setup, trial, target, seed=trial.seed + number),
    ).images
    table.loc[kept, "seconds"] = (time.perf_counter() - begun) / len(kept)
    now = _masks(setup, after)
    scores = edit_scores(before[kept], after, old=old[kept], now=now, target=target)
    for name, values in scores.items():
        table.loc[kept, name] = values.cpu().numpy()
    return table, [
        Shown(prompts[place], before[place], target[at, 0], after[at], now[at, 0].float())
        for at, place in enumerate(kept)
    ]


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
}
"""Ways to make an edit's taps: the edit itself, along the probe's weight, along a random direction
as far as the edit itself goes, and the literature's recipe."""


def _taps_of(setup: Setup, trial: Trial, target: Tensor, *, seed: int) -> dict[Layer, Tap]:
    schedule = dict.fromkeys(range(trial.first_step, trial.last_step + 1), trial.strength)
    edit = Edit({SALIENCY.name: target}, schedule, unconditional=trial.unconditional)
    return CONTROLS[trial.control](setup, edit, seed)


def _masks(
    setup: Setup, images: Float[Tensor, "image 3 height width"]
) -> Bool[Tensor, "image 1 height width"]:
    return label(setup.labelers, [SALIENCY], images)[SALIENCY.name] > 0.5


def edit_frames(
    setup: Setup, trial: Trial, prompts: Sequence[Prompt], aim: Aim, strengths: Sequence[float]
) -> dict[float, tuple[pd.DataFrame, list[Shown]]]:
    """Edit a few pictures towards one aim at several strengths, to be looked at side by side.

    Args:
        prompts: One batch. Targets are those that `edit_all` meets with this aim alone.

    Returns:
        By strength, what `edit_all` returns, without the columns of the trial: a row for each
        prompt, and the pictures of those that could be edited, the same at every strength.
    """
    before = trace(setup.model, prompts, steps=setup.steps, guidance=setup.guidance).images
    old = _masks(setup, before)
    return {
        strength: _edit_batch(
            setup, replace(trial, strength=strength), prompts, before, old, aim, 0
        )
        for strength in strengths
    }
