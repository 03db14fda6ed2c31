"""What is studied, and how: the noun behind a run, and its pictures, batch by batch."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from ..core.errors import PromptError
from ..core.prompts import Prompt, Split, plain
from ..core.properties import Property
from ..labelers import Labeler
from ..models import Model, decoder_attention
from ..models.given import Pictures, trace_given
from ..models.layers import Layer
from ..models.traces import excerpt, trace
from .folding import Batch, folded, labelled

TUNING_SHARE = 8
"""One in so many training images chooses penalties instead of fitting weights."""

GROUP = 16
"""Pictures that are labelled, folded and scored together, whatever the batch: what is summed in one
order rounds in one way. Batches are whole groups. Below 16 rows, a processor's matrix products take
other kernels, which round otherwise; from 16 on, a picture is the same to the last bit."""


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


def batches(study: Study, prompts: Sequence[Prompt], spent: dict[str, float]) -> Iterator[Batch]:
    """Generate batch by batch, and give what was seen group by group."""
    for groups in batches_of(len(prompts), study.batch):
        begun = time.perf_counter()
        first, last = groups[0][0], groups[-1][1]
        part = prompts[first:last]
        how = {
            "steps": study.steps,
            "guidance": study.guidance,
            "layers": study.layers,
            "shadows": study.controls,
        }
        if study.pictures is None:
            traced, exact = trace(study.model, part, **how), None
        else:
            given = study.pictures(part)
            traced, exact = trace_given(study.model, given.images, part, **how), given.labels
        spent["generation"] += time.perf_counter() - begun
        decoder = None
        if study.sees_decoder:
            seen = [decoder_attention(study.model, each) for each in traced.latents]
            decoder = torch.stack(seen)
        for start, stop in groups:
            own = slice(start - first, stop - first)
            yield labelled(
                excerpt(traced, own.start, own.stop),
                study.labelers,
                study.properties,
                None if exact is None else {name: maps[own] for name, maps in exact.items()},
                None if decoder is None else decoder[:, own],
            )


def batches_of(count: int, batch: int) -> list[list[tuple[int, int]]]:
    """Cut so many pictures into batches, and each batch into groups, as first and last place.

    A batch is whole groups, as many as it holds; what is left at the end, less than a group, is a
    batch of its own. A batch smaller than a group is a group.
    """
    group = min(GROUP, batch)
    groups = [(first, min(first + group, count)) for first in range(0, count, group)]
    whole = count // group
    at_once = batch // group
    cut = [groups[first : min(first + at_once, whole)] for first in range(0, whole, at_once)]
    return [*cut, *([groups[whole:]] if count % group else [])]


def training_parts(study: Study) -> dict[str, list[Prompt]]:
    """Give the training prompts in the order of folding: those for penalties, and the others.

    Raises:
        PromptError: if there are too few.
    """
    prompts = apart(study.split.train)
    cut = len(prompts) // TUNING_SHARE
    if cut == 0:
        raise PromptError(
            f"{len(prompts)} training prompts are too few to fit probes and choose penalties. "
            f"Use at least {TUNING_SHARE} (about {2 * TUNING_SHARE} prompts in all)."
        )
    return {"tuning": prompts[:cut], "training": prompts[cut:]}


def apart(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Put pictures of one text far from each other: first one of each text, then the second ones.

    The labels that shuffling gives a picture are those of pictures shortly before it.
    """
    seen: dict[str, int] = {}
    turns = []
    for prompt in prompts:
        turns.append(seen.get(plain(prompt.text), 0))
        seen[plain(prompt.text)] = turns[-1] + 1
    order = sorted(range(len(prompts)), key=lambda at: turns[at])
    return [prompts[at] for at in order]
