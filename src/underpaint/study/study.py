"""What is studied, and how: the noun behind a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import nn

from ..core.prompts import Split
from ..core.properties import Property
from ..labelers import Labeler
from ..models import Model
from ..models.given import Pictures
from ..models.layers import Layer
from .folding import folded

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, images done, and images in all."""

Say = Callable[[str], None]
"""Told a line for each file that was damaged and is made again."""


@dataclass(frozen=True)
class Study:
    """What to study, and how.

    `controls` are denoisers by the names of `scoring.CONTROLS`. `pictures` finds given ones with
    exact labels; None where they are generated. `recipe` fits probes beside ridge's, or None.
    `sees_decoder` adds the source "vae"; the decoder must have attention in its middle.
    """

    model: Model
    labelers: tuple[Labeler, ...]
    properties: tuple[Property, ...]
    layers: tuple[Layer, ...]
    split: Split
    steps: int
    guidance: float
    batch: int
    controls: Mapping[str, nn.Module] = field(default_factory=dict)
    pictures: Pictures | None = None
    recipe: str | None = None
    sees_decoder: bool = False

    @property
    def folded(self) -> tuple[Property, ...]:
        """List what is folded: properties, and where labels are exact, the labeler's too."""
        return folded(self.properties, are_exact=self.pictures is not None)
