"""Whether a picture is still what its prompt says, to the class network."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from .. import labelers
from ..core.prompts import Prompt
from ..labelers import Namer
from ..labelers.labeler import class_of


def still_named(
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
