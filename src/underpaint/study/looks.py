"""The rivals' part: latents of every step are drawn, and whoever labels pictures looks at them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.arrays import normalise
from ..core.pictures import shrunk
from ..core.properties import Property
from ..labelers import Labeler, Namer, check, name, read
from ..models import Model, draw, refuse_infinite
from .costs import Marks, Seconds

PICTURE_PX = 128
"""The longest side of drawn pictures that are handed out, to be shown."""


@dataclass(frozen=True, eq=False)
class Looks:
    """What is seen in drawn latents, and the seconds it took.

    `maps` are the labelers', by source and property; `named` is what the class network gives each
    class, by source, where one was asked. `pictures` are those that were drawn of a few places,
    by source, no side longer than `PICTURE_PX`.
    """

    maps: Mapping[str, Mapping[str, Float[Tensor, "step image _ height width"]]] = field(
        default_factory=dict
    )
    named: Mapping[str, Float[Tensor, "step image class"]] = field(default_factory=dict)
    pictures: Mapping[str, Float[Tensor, "step place 3 row col"]] = field(default_factory=dict)
    seconds: Seconds = field(default_factory=dict)


def look(
    model: Model,
    labelers: Sequence[Labeler],
    properties: Sequence[Property],
    shown: Mapping[str, Float[Tensor, "step image latent lrow lcol"]],
    namer: Namer | None = None,
    *,
    places: Sequence[int] = (),
) -> Looks:
    """Draw the latents of every step and label what is seen.

    Args:
        model: Whose VAE draws.
        labelers: Who looks.
        properties: What is looked for.
        shown: Latents by the source that they stand for.
        namer: Who names the classes of what is seen, if anybody does.
        places: Of which images the drawn pictures are handed out too.
    """
    marks = Marks(model.device)
    are_finite: list[Tensor] = []
    maps: dict[str, dict[str, Tensor]] = {}
    named: dict[str, list[Tensor]] = {source: [] for source in shown if namer is not None}
    pictures: dict[str, list[Tensor]] = {source: [] for source in shown if places}
    for source, latents in shown.items():
        by_step: dict[str, list[Tensor]] = {each.name: [] for each in properties}
        for images in _drawn_ahead(model, latents, marks, are_finite):
            found = read(labelers, properties, images)
            for each in properties:
                by_step[each.name].append(found[each.name])
            marks("labelling")
            if namer is not None:
                named[source].append(name(namer, images))
                marks("naming")
            if places:
                pictures[source].append(shrunk(images[list(places)], PICTURE_PX))
        # Asked once for all steps: whoever asks waits for the GPU, and the GPU then for the asker.
        refuse_infinite(model, torch.stack(are_finite).all())
        check(labelers, properties, {each: torch.stack(steps) for each, steps in by_step.items()})
        maps[source] = {
            each.name: torch.stack([normalise(each, step) for step in by_step[each.name]])
            for each in properties
        }
        marks("labelling")
    return Looks(maps, _stacked(named), _stacked(pictures), marks.seconds())


def _stacked(by_source: Mapping[str, Sequence[Tensor]]) -> dict[str, Tensor]:
    return {source: torch.stack(list(steps)) for source, steps in by_source.items()}


def _drawn_ahead(
    model: Model,
    latents: Float[Tensor, "step image latent lrow lcol"],
    marks: Marks,
    are_finite: list[Tensor],
) -> Iterator[Tensor]:
    """Draw each step's pictures, those of the next before these are looked at.

    Whoever looks waits for what is seen, and a GPU shall have work meanwhile.
    """
    before: Tensor | None = None
    for one_step in latents:
        images, is_finite = draw(model, one_step)
        are_finite.append(is_finite)
        marks("decoding")
        if before is not None:
            yield before
        before = images
    if before is not None:
        yield before
