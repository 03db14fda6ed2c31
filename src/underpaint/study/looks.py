"""The rivals' part: latents of every step are drawn, and whoever labels pictures looks at them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.arrays import normalise
from ..core.properties import Property
from ..labelers import Labeler, Namer, check, name, read
from ..models import Model, draw, refuse_infinite
from .costs import Marks, Seconds


@dataclass(frozen=True, eq=False)
class Looks:
    """What is seen in drawn latents, and the seconds it took.

    `maps` are the labelers', by source and property; `named` is what the class network gives each
    class, by source, where one was asked.
    """

    maps: Mapping[str, Mapping[str, Float[Tensor, "step image _ height width"]]] = field(
        default_factory=dict
    )
    named: Mapping[str, Float[Tensor, "step image class"]] = field(default_factory=dict)
    seconds: Seconds = field(default_factory=dict)


def look(
    model: Model,
    labelers: Sequence[Labeler],
    properties: Sequence[Property],
    shown: Mapping[str, Float[Tensor, "step image latent lrow lcol"]],
    namer: Namer | None = None,
) -> Looks:
    """Draw the latents of every step and label what is seen.

    Args:
        model: Whose VAE draws.
        labelers: Who looks.
        properties: What is looked for.
        shown: Latents by the source that they stand for.
        namer: Who names the classes of what is seen, if anybody does.
    """
    marks = Marks(model.device)
    are_finite: list[Tensor] = []
    maps: dict[str, dict[str, Tensor]] = {}
    named: dict[str, list[Tensor]] = {source: [] for source in shown if namer is not None}
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
        # Asked once for all steps: whoever asks waits for the GPU, and the GPU then for the asker.
        refuse_infinite(model, torch.stack(are_finite).all())
        check(labelers, properties, {each: torch.stack(steps) for each, steps in by_step.items()})
        maps[source] = {
            each.name: torch.stack([normalise(each, step) for step in by_step[each.name]])
            for each in properties
        }
        marks("labelling")
    return Looks(
        maps, {source: torch.stack(each) for source, each in named.items()}, marks.seconds()
    )


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
