"""What a studio does: look at the first steps of many seeds, and paint a mask into a picture.

A picture is made one step a call, each going on from the latents where the last stopped, so that
it can be watched, and left off, at every step. Readings are those of the run's probes, each from
the layer that reads its property best on validation pictures.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ...core.errors import EditError, PromptError, SchedulerError
from ...core.prompts import Prompt
from ...core.properties import PROPERTIES, SALIENCY, Property
from ...labelers import Labeler, label
from ...models import Model
from ...models.layers import Layer
from ...models.schedules import plan
from ...models.traces import Trace, trace
from ...runs.runs import Run, read_json, read_settings
from ...scores.metrics import dice, prepare
from ..aims import aim_at_drawn, labels_of
from ..choices import CARRIED, HELD
from ..edits import Edit, taps
from ..setups import Setup, open_setup

UNCONDITIONAL = 0.5
"""Share of the move by which the unconditional half is pushed the other way, as in `edit`."""


@dataclass(frozen=True, eq=False)
class Desk:
    """A model, and what a run found out about it.

    Args:
        setup: A mask is painted into its layers.
        readers: Where each property is read.
        carried: Properties, by name, that an object can take along: read by labelers and probes.
    """

    setup: Setup
    readers: Mapping[str, Layer]
    carried: tuple[str, ...]

    @property
    def properties(self) -> tuple[Property, ...]:
        """Those of one target: a map of them has one colour."""
        return tuple(PROPERTIES[name] for name in self.readers if PROPERTIES[name].targets == 1)


@dataclass(frozen=True, eq=False)
class Stroke:
    """A mask to paint, how hard, and through which steps (from 0, both painted).

    An object that `carries` takes the looks along that it has without a mask: the picture is then
    made twice. Without looks, the mask alone says little, and wants several times the strength.
    """

    mask: Float[Tensor, "height width"]
    strength: float = 1.0
    first_step: int = 0
    last_step: int = 9
    carries: bool = True


@dataclass(frozen=True, eq=False)
class Canvas:
    """A picture at one step of its making.

    Args:
        step: From 0.
        picture: The model's estimate of it; at the last step the picture itself.
        read: What probes read, by property; masks hold 0 and 1.
        score: Dice of the labeler's mask to the mask painted, of a finished picture.
    """

    step: int
    picture: Float[Tensor, "3 height width"]
    read: dict[str, Float[Tensor, "_row _col"]]
    score: float | None = None


@dataclass(frozen=True, eq=False)
class Glimpse:
    """What the first steps of one seed show, and Dice of the mask read there to the one wanted."""

    seed: int
    picture: Float[Tensor, "3 height width"]
    read: dict[str, Float[Tensor, "_row _col"]]
    score: float | None


def open_desk(run: Run, model: Model, labelers: Sequence[Labeler], *, glob: str | None) -> Desk:
    """Gather what the studio needs of a finished run.

    Args:
        model: The run's own, checked.
        labelers: The run's own.
        glob: Of the layers that a mask is painted into; None takes the last two stages.

    Raises:
        RunError: if the run is not finished.
        EditError: if it has no probes of masks.
        LayerError: if no layer matches.
        SchedulerError: if pictures of this scheduler cannot be made one step at a time.
    """
    settings, summary = read_settings(run), read_json(run.summary)
    if SALIENCY.name not in summary["properties"]:
        raise EditError(
            f"{run.folder} has no probes of {SALIENCY.name}, so no mask can be painted. Run it "
            f"with {SALIENCY.name} among --properties."
        )
    plan(model.pipeline.scheduler, steps=settings["steps"], begin=1 if settings["steps"] > 1 else 0)
    labeled = {name for each in labelers for name in each.reads} & {*summary["properties"]}
    setup, _ = open_setup(run, model, labelers, glob=glob, batch=1)
    return Desk(
        setup=setup,
        readers=setup.readers,
        carried=tuple(name for name in CARRIED if name in labeled),
    )


def paint(desk: Desk, text: str, seed: int, stroke: Stroke | None) -> Iterator[Canvas]:
    """Make a picture and show it after each step; with a stroke, paint its mask into it.

    Raises:
        PromptError: if the text is empty.
        EditError: if the mask is empty or fills the picture, or the steps are none of the run's.
    """
    prompt = _prompt(text, seed)
    edits = {} if stroke is None else _taps(desk, prompt, stroke)
    start: tuple[Tensor, int] | None = None
    for step in range(desk.setup.steps):
        traced = trace(
            desk.setup.model,
            [prompt],
            steps=desk.setup.steps,
            guidance=desk.setup.guidance,
            layers=tuple(dict.fromkeys(desk.readers.values())),
            edits=edits,
            start=start,
            stop_at=step + 1,
        )
        start = (traced.final, step + 1)
        is_last = step + 1 == desk.setup.steps
        score = _seen(desk, traced.images, stroke) if is_last and stroke is not None else None
        yield Canvas(step, traced.images[0].float().cpu(), _read(desk, traced, 0, step), score)


def glimpse(
    desk: Desk,
    text: str,
    seeds: Sequence[int],
    *,
    stop_at: int,
    mask: Float[Tensor, "height width"] | None = None,
    batch: int = 16,
) -> list[Glimpse]:
    """Run only the first steps of many seeds, and say what each picture will show.

    Args:
        stop_at: How many steps to run.
        mask: Where the object is wanted; glimpses are then in order, the nearest first.

    Raises:
        PromptError: if the text is empty or there are no seeds.
        SchedulerError: if `stop_at` is none of the run's steps.
    """
    steps = desk.setup.steps
    if not 1 <= stop_at <= steps:
        raise SchedulerError(
            f"Cannot look at step {stop_at} of {steps}. Choose one from 1 to {steps}."
        )
    prompts = [_prompt(text, seed) for seed in seeds]
    found = []
    for first in range(0, max(len(prompts), 1), batch):
        part = prompts[first : first + batch]
        traced = trace(
            desk.setup.model,
            part,
            steps=desk.setup.steps,
            guidance=desk.setup.guidance,
            layers=tuple(dict.fromkeys(desk.readers.values())),
            stop_at=stop_at,
        )
        for place, prompt in enumerate(part):
            read = _read(desk, traced, place, stop_at - 1)
            score = None if mask is None else _overlap(read[SALIENCY.name], mask)
            found.append(Glimpse(prompt.seed, traced.images[place].float().cpu(), read, score))
    if mask is not None:
        found.sort(key=lambda each: -1.0 if each.score is None else each.score, reverse=True)
    return found


def mask_of(drawn: Any, size: tuple[int, int]) -> Float[Tensor, "height width"] | None:
    """Read what was painted in an editor: whatever its layers cover; None if nothing was.

    Args:
        drawn: Its value, with `layers` as RGBA pixels `row col 4`.
        size: Height and width of the model's pictures; the nearest pixel is taken.
    """
    layers = [np.asarray(each) for each in (drawn or {}).get("layers") or () if each is not None]
    covered = [each[..., 3] > 127 for each in layers if each.ndim == 3 and each.shape[2] == 4]
    if not covered or not np.any(covered):
        return None
    mask = torch.from_numpy(np.any(covered, axis=0)).float()[None, None]
    return torch.nn.functional.interpolate(mask, size=size, mode="nearest-exact")[0, 0]


def _prompt(text: str, seed: int) -> Prompt:
    if not text.strip():
        raise PromptError("The prompt is empty. Say what to draw.")
    return Prompt(text.strip(), seed, 0)


def _taps(desk: Desk, prompt: Prompt, stroke: Stroke) -> dict[Layer, Any]:
    if not 0 <= stroke.first_step <= stroke.last_step < desk.setup.steps:
        raise EditError(
            f"Cannot paint through steps {stroke.first_step + 1} to {stroke.last_step + 1}: the "
            f"run has {desk.setup.steps}. Choose the first before the last."
        )
    if not 0 < float(stroke.mask.mean()) < 1:
        raise EditError(
            "The mask is empty or fills the picture: it says no place. Paint one object."
        )
    schedule = dict.fromkeys(range(stroke.first_step, stroke.last_step + 1), stroke.strength)
    mask = stroke.mask[None, None].to(desk.setup.model.device)
    targets, where = {SALIENCY.name: mask}, None
    if stroke.carries and desk.carried:
        targets, where = aim_at_drawn(mask, _looks(desk, prompt), desk.carried)
    held = tuple(name for name in HELD if name in desk.readers and name not in targets)
    edit = Edit(targets, schedule, held=held, where=where, unconditional=UNCONDITIONAL)
    return taps(edit, desk.setup.probes, desk.setup.moments, layers=desk.setup.layers)


@lru_cache(maxsize=8)
def _looks(desk: Desk, prompt: Prompt) -> dict[str, Tensor]:
    """Label the picture as it is without a mask: many strokes take their looks from one picture."""
    plain = trace(
        desk.setup.model, [prompt], steps=desk.setup.steps, guidance=desk.setup.guidance
    ).images
    return labels_of(desk.setup.labelers, plain, desk.carried)


def _read(desk: Desk, traced: Trace, place: int, step: int) -> dict[str, Tensor]:
    found = {}
    for each in desk.properties:
        layer = desk.readers[each.name]
        probe = desk.setup.probes[each.name, layer.name, step]
        reading = probe(traced.activations[layer][-1, place : place + 1])[0, 0].float().cpu()
        found[each.name] = (
            reading if probe.threshold is None else (reading > probe.threshold).float()
        )
    return found


def _seen(
    desk: Desk, images: Float[Tensor, "image 3 height width"], stroke: Stroke
) -> float | None:
    mask = label(desk.setup.labelers, [SALIENCY], images)[SALIENCY.name][0, 0] > 0.5
    return _overlap(mask.float().cpu(), stroke.mask)


def _overlap(read: Float[Tensor, "row col"], wanted: Float[Tensor, "height width"]) -> float | None:
    found = float(dice(read[None, None] > 0.5, prepare(wanted[None, None].cpu())))
    return None if np.isnan(found) else found
