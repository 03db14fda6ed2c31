"""The ways to edit a batch of pictures: the edit itself, and everything that it is compared with.

Each is a function of the same case, so it meets the same prompts, seeds and targets: adding one
is a function here, in `WAYS`, and its name in `choices.CONTROLS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.errors import EditError
from ..core.prompts import Prompt
from ..models.attending import check_attends, guided
from ..models.capture import Tap
from ..models.layers import Layer
from ..models.traces import Trace, trace
from .edits import (
    Edit,
    adam_taps,
    random_directions,
    reading_directions,
    shaped_directions,
    taps,
)
from .rivals import copy_patches, masks_of, paste_and_renoise, roll_latents, swap_patches
from .selfguidance import self_guidance
from .setups import Setup
from .targets import carry_map, copy_map

Pictures = Float[Tensor, "image 3 height width"]


@dataclass(frozen=True, eq=False)
class Case:
    """Pictures to be edited: how they were made, what they show, and what is asked of them.

    Args:
        prompts: One for each picture.
        before: How the unedited pictures came about.
        there: What targets were made of, by property: their labels, or what probes read.
        edit: Targets, steps and strength.
        seed: Of what is random in a control.
        beside: Whether the objects stay, and their like shall be where targets are besides.
    """

    prompts: tuple[Prompt, ...]
    before: Trace
    there: Mapping[str, Tensor]
    edit: Edit
    seed: int
    beside: bool = False

    @property
    def masks(self) -> tuple[Tensor, Tensor]:
        """Where the objects are, and where they, or their like, shall be.

        Raises:
            EditError: if nothing says where they shall be.
        """
        old, then = masks_of(self.there, self.edit.targets)
        return old, then * (old <= 0) if self.beside else then

    @property
    def step(self) -> int:
        """The first step of the edit: where what acts once does."""
        return min(self.edit.schedule)


def _edited(setup: Setup, case: Case, edits: Mapping[Layer, Tap]) -> Pictures:
    return trace(
        setup.model, case.prompts, steps=setup.steps, guidance=setup.guidance, edits=edits
    ).images


def _gone_on(setup: Setup, case: Case, latents: Tensor) -> Pictures:
    return trace(
        setup.model,
        case.prompts,
        steps=setup.steps,
        guidance=setup.guidance,
        start=(latents, case.step),
    ).images


def _closed(setup: Setup, case: Case) -> Pictures:
    edits = taps(case.edit, setup.probes, setup.moments, layers=setup.layers)
    return _edited(setup, case, edits)


def _along_weight(setup: Setup, case: Case) -> Pictures:
    return _closed(setup, replace(case, edit=replace(case.edit, direction=reading_directions)))


def _along_random(setup: Setup, case: Case) -> Pictures:
    anywhere = random_directions(torch.Generator().manual_seed(case.seed))
    return _closed(setup, replace(case, edit=replace(case.edit, direction=anywhere)))


def _along_shaped(setup: Setup, case: Case) -> Pictures:
    shaped = shaped_directions(torch.Generator().manual_seed(case.seed))
    return _closed(setup, replace(case, edit=replace(case.edit, direction=shaped)))


def _adam(setup: Setup, case: Case) -> Pictures:
    return _edited(setup, case, adam_taps(case.edit, setup.probes, layers=setup.layers))


def _of_another(setup: Setup, case: Case) -> Pictures:
    """Give each picture the edit of the one before it in the batch."""
    edit = case.edit
    where = None if edit.where is None else edit.where.roll(1, 0)
    targets = {name: maps.roll(1, 0) for name, maps in edit.targets.items()}
    return _closed(setup, replace(case, edit=replace(edit, targets=targets, where=where)))


def _late(setup: Setup, case: Case) -> Pictures:
    schedule = late_schedule(case.edit.schedule, setup.steps)
    return _closed(setup, replace(case, edit=replace(case.edit, schedule=schedule)))


def _rolled(setup: Setup, case: Case) -> Pictures:
    x = case.before.latents[case.step]
    return _gone_on(setup, case, roll_latents(x, *case.masks))


def _swapped(setup: Setup, case: Case) -> Pictures:
    x = case.before.latents[case.step]
    patched = copy_patches if case.beside else swap_patches
    return _gone_on(setup, case, patched(x, *case.masks))


def _pasted(setup: Setup, case: Case) -> Pictures:
    latents = paste_and_renoise(
        setup.model,
        case.before.images,
        case.before.final,
        case.masks,
        step=case.step,
        steps=setup.steps,
        seeds=[(case.seed, prompt.seed) for prompt in case.prompts],
        paste=copy_map if case.beside else carry_map,
    )
    return _gone_on(setup, case, latents)


def _self_guided(setup: Setup, case: Case) -> Pictures:
    check_attends(setup.model, setup.guidance)
    guide = self_guidance(
        setup.model,
        [prompt.text for prompt in case.prompts],
        case.before.latents,
        case.masks,
        schedule=case.edit.schedule,
    )
    with guided(setup.model, guide, images=len(case.prompts)):
        return _edited(setup, case, {})


WAYS: dict[str, Callable[[Setup, Case], Pictures]] = {
    "none": _closed,
    "weight": _along_weight,
    "random": _along_random,
    "shaped": _along_shaped,
    "adam": _adam,
    "other": _of_another,
    "late": _late,
    "roll": _rolled,
    "patch": _swapped,
    "paste": _pasted,
    "self-guidance": _self_guided,
}
"""Each of `choices.CONTROLS`, carried out."""

ONCE = {"roll": 0.0, "patch": 2 / 15, "paste": 7 / 15}
"""Controls that act once, and at which share of a run's steps unless more is said: of 15 steps on
entering the 1st, the 3rd and the 8th."""


MOVING = ("roll", "self-guidance")
"""Controls that move an object from its place, and so cannot leave it and ask for another."""


def check_control(control: str, *, beside: bool) -> None:
    """Refuse a control that has no answer to what is asked.

    Raises:
        EditError: if it moves objects that are to stay.
    """
    if beside and control in MOVING:
        raise EditError(
            f"The control {control} moves the object, and --beside leaves it where it is. Use "
            "random, patch or paste."
        )


def step_once(control: str, steps: int) -> int:
    """Say at which step, from 0, a control acts that acts once."""
    return round(ONCE[control] * steps)


def late_schedule(schedule: Mapping[int, float], steps: int) -> dict[int, float]:
    """Move a schedule to the last steps, none of which it had: as many, or all that are left.

    Raises:
        EditError: if the edit goes on to the last step.
    """
    count = min(len(schedule), steps - 1 - max(schedule))
    if count < 1:
        raise EditError(
            "The control late edits the steps after the edit's own, and there are none. Give "
            "--steps that end earlier."
        )
    strengths: Sequence[float] = list(schedule.values())[-count:]
    return dict(zip(range(steps - count, steps), strengths, strict=True))
