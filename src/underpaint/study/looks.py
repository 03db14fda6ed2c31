"""The rivals' part: latents of every step are drawn, and whoever labels pictures looks at them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.arrays import normalise
from ..core.properties import Property
from ..labelers import Labeler, label
from ..models import Model, decode
from .costs import Marks, Seconds


@dataclass(frozen=True, eq=False)
class Looks:
    """What labelers see in drawn latents, by source and property, and the seconds it took."""

    maps: Mapping[str, Mapping[str, Float[Tensor, "step image _ height width"]]] = field(
        default_factory=dict
    )
    seconds: Seconds = field(default_factory=dict)


def look(
    model: Model,
    labelers: Sequence[Labeler],
    properties: Sequence[Property],
    shown: Mapping[str, Float[Tensor, "step image latent lrow lcol"]],
) -> Looks:
    """Draw the latents of every step and label what is seen.

    Args:
        model: Whose VAE draws.
        labelers: Who looks.
        properties: What is looked for.
        shown: Latents by the source that they stand for.
    """
    marks = Marks(model.device)
    maps = {}
    for source, latents in shown.items():
        by_step: dict[str, list[Tensor]] = {each.name: [] for each in properties}
        for images in _drawn_ahead(model, latents, marks):
            found = label(labelers, properties, images)
            for each in properties:
                by_step[each.name].append(normalise(each, found[each.name]))
            marks("labelling")
        maps[source] = {name: torch.stack(each) for name, each in by_step.items()}
    return Looks(maps, marks.seconds())


def _drawn_ahead(
    model: Model, latents: Float[Tensor, "step image latent lrow lcol"], marks: Marks
) -> Iterator[Tensor]:
    """Draw each step's pictures, those of the next before these are looked at.

    Whoever looks waits for what is seen, and a GPU shall have work meanwhile.
    """
    before: Tensor | None = None
    for one_step in latents:
        images = decode(model, one_step)
        marks("decoding")
        if before is not None:
            yield before
        before = images
    if before is not None:
        yield before
