"""What is studied, and how: the noun behind a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import nn

from ..core.prompts import Prompt, Split, split_as_read
from ..core.properties import Property
from ..labelers import Labeler, Namer
from ..models import Model
from ..models.given import Pictures
from ..models.layers import Layer
from ..models.reading import reads
from .folding import folded

GROUP = 16
"""Pictures that are labelled, folded and scored together, whatever the batch: what is summed in one
order rounds in one way. Batches are whole groups. Below 16 rows, a processor's matrix products take
other kernels, which round otherwise; from 16 on, a picture is the same to the last bit."""

SHOWN = 12
"""Test pictures of which a run keeps all that its figures and its site show."""


@dataclass(frozen=True)
class Study:
    """What to study, and how.

    `controls` are denoisers by the names of `scores.sources.CONTROLS`. `pictures` finds given ones
    with exact labels; None where they are generated. `recipe` fits probes beside ridge's, or None.
    `sees_decoder` adds the source "vae"; the decoder must have attention in its middle.
    `sees_halves` adds "unconditional", where guidance runs such a half. `sees_text` adds "text",
    where the pipeline gives an embedding. `goes_beyond` adds "joint",
    "beyond" and its controls, and `looks_ahead` lets labelers look at x̂₀ for those. `trains` adds
    "trained". `namer` asks in the same two passes which class a picture will show. `rivals_at` are
    the steps, from 0, at which rivals are decoded and looked at; None is every step. `overlaps`
    says whether scoring and writing go on beside the next batch's generation: the same numbers,
    sooner where a GPU generates; None does so there alone, for threads share a processor's cores.
    Prompts that the model reads as one are marked so in `split`.

    Raises:
        PromptError: if two parts of the split share what the model reads as one prompt, or two
            rows would be the same generated picture.
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
    sees_halves: bool = False
    sees_text: bool = False
    goes_beyond: bool = False
    looks_ahead: bool = False
    trains: bool = False
    namer: Namer | None = None
    rivals_at: tuple[int, ...] | None = None
    overlaps: bool | None = None

    def __post_init__(self) -> None:
        if self.split.train or self.split.test:
            read = split_as_read(self.split, reads(self.model), are_distinct=self.pictures is None)
            object.__setattr__(self, "split", read)

    @property
    def ahead(self) -> int:
        """Say how many groups may wait to be scored while the next batch is generated."""
        overlaps = self.model.device.type != "cpu" if self.overlaps is None else self.overlaps
        return max(1, self.batch // GROUP) if overlaps else 0

    @property
    def folded(self) -> tuple[Property, ...]:
        """List what is folded: properties, and where labels are exact, the labeler's too."""
        return folded(self.properties, are_exact=self.pictures is not None)


def places_to_show(total: int, count: int = SHOWN) -> list[int]:
    """Choose places among so many test pictures, evenly spread, the first always among them.

    No score is known when they are chosen. Those that a run keeps come first: fewer are some of
    them, and more are others beside all of them.

    Examples:
        >>> places_to_show(100, 3)
        [0, 54, 99]
        >>> set(places_to_show(100)) <= set(places_to_show(100, 24))
        True
    """
    kept = _spread(range(total), SHOWN)
    others = [place for place in range(total) if place not in kept]
    return sorted([*_spread(kept, count), *_spread(others, count - SHOWN)])


def places_shown(study: Study, prompts: Sequence[Prompt]) -> list[int]:
    """Find, among the prompts of a batch, those test pictures that the run keeps to show."""
    test = study.split.test
    chosen = {test[place] for place in places_to_show(len(test))}
    return [place for place, prompt in enumerate(prompts) if prompt in chosen]


def _spread(places: Sequence[int], count: int) -> list[int]:
    if count < 1 or not places:
        return []
    at = np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(int)
    return [places[each] for each in at]
