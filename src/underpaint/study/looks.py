"""The rivals' part: latents of every step are drawn, and whoever labels pictures looks at them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from ..core.arrays import normalise
from ..core.properties import Property
from ..labelers import Labeler, label
from ..models import Model, decode
from .costs import Seconds, timed, total


@dataclass(frozen=True, eq=False)
class Looks:
    """What labelers see in drawn latents, by source and property, and the seconds it took."""

    maps: Mapping[str, Mapping[str, Float[Tensor, "step image _ height width"]]]
    seconds: Seconds


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
    spent: list[Seconds] = []
    maps = {}
    for source, latents in shown.items():
        by_step: dict[str, list[Tensor]] = {each.name: [] for each in properties}
        for one_step in latents:
            images, decode_s = timed("decoding", partial(decode, model, one_step), model.device)
            read = partial(label, labelers, properties, images)
            found, label_s = timed("labelling", read, model.device)
            spent += [decode_s, label_s]
            for each in properties:
                by_step[each.name].append(normalise(each, found[each.name]))
        maps[source] = {name: torch.stack(each) for name, each in by_step.items()}
    return Looks(maps, total(spent))
